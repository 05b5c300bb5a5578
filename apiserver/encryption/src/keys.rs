//! The keys of each resource, which change in place when the configuration does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::cipher::{Cipher, CipherError};
use crate::configuration::Configuration;
use crate::kms::{Kms, joined};
use crate::metrics::hashed;

/// What every encrypted value begins with.
const ENCRYPTED: &[u8] = b"k8s:enc:";
/// How many keys are asked for at a time.
const AT_ONCE: usize = 16;

/// A key with what its values begin with.
#[derive(Debug)]
pub struct Provider {
    pub prefix: Vec<u8>,
    pub means: Means,
}

/// What a provider encrypts with.
#[derive(Debug)]
pub enum Means {
    Cipher(Cipher),
    Kms(Arc<Kms>),
}

/// The encryption of one server.
pub struct Encryption {
    configuration: ArcSwap<Configuration>,
    given: Mutex<HashMap<(String, String), Arc<Keys>>>,
}

/// The keys of one resource.
#[derive(Debug, Default)]
pub struct Keys(ArcSwapOption<Vec<Arc<Provider>>>);

/// A value as it was before it was encrypted.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    pub value: Bytes,
    /// Whether it would be written otherwise today: with another key, or another provider.
    pub is_stale: bool,
}

/// A stored value that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("no matching prefix found")]
    NoProvider,
    /// What it takes is with a KMS plugin. Another time it may be here: see [`Keys::prepare`].
    #[error("{0}")]
    Unavailable(String),
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

impl Encryption {
    pub fn new(configuration: Configuration) -> Encryption {
        Encryption { configuration: ArcSwap::from_pointee(configuration), given: Mutex::default() }
    }

    /// The keys of a resource.
    pub fn of(&self, group: &str, resource: &str) -> Arc<Keys> {
        let mut given = self.given.lock();
        let keys = given.entry((group.to_owned(), resource.to_owned())).or_insert_with(|| {
            let providers = self.configuration.load().of(group, resource);
            Arc::new(Keys(ArcSwapOption::from(providers.map(Arc::new))))
        });
        Arc::clone(keys)
    }

    /// Uses another configuration from now on.
    pub fn replace(&self, configuration: Configuration) {
        let given = self.given.lock();
        for ((group, resource), keys) in &*given {
            keys.0.store(configuration.of(group, resource).map(Arc::new));
        }
        self.configuration.store(Arc::new(configuration));
    }

    /// Whether this is the text of the configuration that is in use.
    pub fn is_of(&self, text: &str) -> bool {
        self.configuration.load().hash == hashed(text)
    }

    /// Whether there are KMS providers.
    pub fn has_kms(&self) -> bool {
        !self.configuration.load().kms.is_empty()
    }

    /// Whether the plugins of all KMS providers are well.
    ///
    /// # Errors
    /// What is wrong with those that are not.
    pub async fn check(&self) -> Result<(), String> {
        self.configuration.load_full().check().await
    }
}

impl Configuration {
    /// Asks the plugins of all KMS providers once, and then for as long as the providers are there. Without this they
    /// neither write nor read.
    pub async fn start(&self) {
        join_all(self.kms.iter().map(|kms| Arc::clone(kms).start())).await;
    }

    /// Waits until the plugins are well.
    ///
    /// # Errors
    /// What is wrong with them after twice as long as all of them may take, and ten seconds at least.
    pub async fn ready(&self) -> Result<(), String> {
        let together: Duration = self.kms.iter().map(|kms| kms.timeout).sum();
        let deadline = Instant::now() + (2 * together).max(Duration::from_secs(10));
        loop {
            match self.check().await {
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn check(&self) -> Result<(), String> {
        let mut problems = Vec::new();
        for (index, kms) in self.kms.iter().enumerate() {
            problems.extend(kms.check().await.err().map(|error| format!("kms-provider-{index}: {error}")));
        }
        if problems.is_empty() { Ok(()) } else { Err(joined(&problems)) }
    }
}

impl Keys {
    /// Encrypts a value for the key that it is stored under.
    ///
    /// # Errors
    /// The cipher refuses.
    pub fn seal(&self, place: &str, value: Bytes) -> Result<Bytes, CipherError> {
        let providers = self.0.load();
        let Some(provider) = providers.as_ref().and_then(|providers| providers.first()) else { return Ok(value) };
        if matches!(provider.means, Means::Cipher(Cipher::Identity)) {
            return Ok(value);
        }
        let mut out = Vec::with_capacity(provider.prefix.len() + value.len() + 64);
        out.extend_from_slice(&provider.prefix);
        match &provider.means {
            Means::Cipher(cipher) => cipher.encrypt(&value, place, &mut out)?,
            Means::Kms(kms) => kms.seal(&value, place, &mut out)?,
        }
        Ok(out.into())
    }

    /// Waits until what these values are encrypted with is here, or it is clear that it cannot be got: plugins are asked
    /// for the keys that are not known yet. To be called before [`Keys::open`], which tells how it went.
    pub async fn prepare<'a>(&self, values: impl Iterator<Item = &'a Bytes>) {
        let Some(providers) = self.0.load_full() else { return };
        let with_kms: Vec<_> = providers
            .iter()
            .filter_map(|provider| match &provider.means {
                Means::Kms(kms) => Some((&provider.prefix, kms)),
                Means::Cipher(_) => None,
            })
            .collect();
        if with_kms.is_empty() {
            return;
        }
        let stored = values.flat_map(|value| {
            let of = |(prefix, kms): &(&Vec<u8>, &Arc<Kms>)| {
                value.starts_with(prefix).then(|| (Arc::clone(kms), value.slice(prefix.len()..)))
            };
            with_kms.iter().filter_map(of).collect::<Vec<_>>()
        });
        let stored: Vec<_> = stored.collect();
        stream::iter(stored)
            .for_each_concurrent(AT_ONCE, |(kms, stored)| async move { kms.prepare(stored).await })
            .await;
    }

    /// Decrypts a value that is stored under a key.
    ///
    /// # Errors
    /// No provider has a key for it, or the key does not fit, or it is not here: see [`Keys::prepare`].
    pub fn open(&self, place: &str, stored: &Bytes) -> Result<Opened, OpenError> {
        let providers = self.0.load();
        let Some(providers) = providers.as_ref() else {
            if stored.starts_with(ENCRYPTED) {
                return Err(CipherError::Encrypted.into());
            }
            return Ok(Opened { value: stored.clone(), is_stale: false });
        };
        let mut failed = None;
        for (index, provider) in providers.iter().enumerate() {
            let Some(rest) = stored.strip_prefix(provider.prefix.as_slice()) else { continue };
            let opened = match &provider.means {
                Means::Cipher(Cipher::Identity) if stored.starts_with(ENCRYPTED) => continue,
                Means::Cipher(Cipher::Identity) => {
                    return Ok(Opened { value: stored.clone(), is_stale: index > 0 });
                }
                Means::Cipher(cipher) => cipher.decrypt(rest, place).map(|value| (value, false)).map_err(Into::into),
                Means::Kms(kms) => kms.open(stored.slice(provider.prefix.len()..), place),
            };
            match opened {
                Ok((value, is_stale)) => {
                    return Ok(Opened { value: value.into(), is_stale: is_stale || index > 0 });
                }
                // Another key may have the same name.
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or(OpenError::NoProvider))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn configuration(providers: &str) -> Configuration {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:";
        let metrics = Metrics::new(&prometheus::Registry::new(), "").unwrap();
        Configuration::parse(&format!("{head} [{{resources: [secrets], providers: [{providers}]}}]"), &metrics).unwrap()
    }

    fn key(kind: &str, name: &str, secret: &str) -> String {
        format!("{{{kind}: {{keys: [{{name: {name}, secret: {secret}}}]}}}}")
    }

    #[test]
    fn keys_are_rotated_without_losing_a_value() {
        let place = "/registry/secrets/default/a";
        let encryption = Encryption::new(configuration("{identity: {}}"));
        let keys = encryption.of("", "secrets");
        let value = Bytes::from_static(b"k8s\0value");
        let plain = keys.seal(place, value.clone()).unwrap();
        assert_eq!(plain, value);
        let old = key("aescbc", "key1", OLD);
        encryption.replace(configuration(&format!("{old}, {{identity: {{}}}}")));
        assert_eq!(keys.open(place, &plain).unwrap(), Opened { value: value.clone(), is_stale: true });
        let first = keys.seal(place, value.clone()).unwrap();
        assert!(first.starts_with(b"k8s:enc:aescbc:v1:key1:"));
        assert_eq!(keys.open(place, &first).unwrap(), Opened { value: value.clone(), is_stale: false });
        let new = key("secretbox", "key2", NEW);
        encryption.replace(configuration(&format!("{new}, {old}")));
        assert_eq!(keys.open(place, &first).unwrap(), Opened { value: value.clone(), is_stale: true });
        assert_eq!(keys.open(place, &plain), Err(OpenError::NoProvider));
        let second = keys.seal(place, value.clone()).unwrap();
        assert!(second.starts_with(b"k8s:enc:secretbox:v1:key2:"));
        encryption.replace(configuration(&key("secretbox", "key2", OLD)));
        assert_eq!(keys.open(place, &second), Err(OpenError::Cipher(CipherError::Failed)));
        encryption.replace(configuration("{identity: {}}"));
        assert_eq!(keys.open(place, &second), Err(OpenError::NoProvider));
        // What nobody encrypts has no keys, and reads nothing that is encrypted.
        let others = encryption.of("", "configmaps");
        assert_eq!(others.open(place, &second), Err(OpenError::Cipher(CipherError::Encrypted)));
        assert_eq!(others.open(place, &plain).unwrap().value, value);
    }
}
