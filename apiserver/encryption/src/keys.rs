//! The keys of each resource, which change in place when the configuration does.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use parking_lot::Mutex;

use crate::cipher::{Cipher, CipherError};
use crate::configuration::Configuration;

/// What every encrypted value begins with.
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// A key with what its values begin with.
#[derive(Debug)]
pub struct Provider {
    pub prefix: Vec<u8>,
    pub cipher: Cipher,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("no matching prefix found")]
    NoProvider,
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
}

impl Keys {
    /// Encrypts a value for the key that it is stored under.
    ///
    /// # Errors
    /// The cipher refuses.
    pub fn seal(&self, place: &str, value: Bytes) -> Result<Bytes, CipherError> {
        let providers = self.0.load();
        let Some(provider) = providers.as_ref().and_then(|providers| providers.first()) else { return Ok(value) };
        if matches!(provider.cipher, Cipher::Identity) {
            return Ok(value);
        }
        let mut out = Vec::with_capacity(provider.prefix.len() + value.len() + 64);
        out.extend_from_slice(&provider.prefix);
        provider.cipher.encrypt(&value, place, &mut out)?;
        Ok(out.into())
    }

    /// Decrypts a value that is stored under a key.
    ///
    /// # Errors
    /// No provider has a key for it, or the key does not fit.
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
            if matches!(provider.cipher, Cipher::Identity) {
                if stored.starts_with(ENCRYPTED) {
                    continue;
                }
                return Ok(Opened { value: stored.clone(), is_stale: index > 0 });
            }
            match provider.cipher.decrypt(rest, place) {
                Ok(value) => return Ok(Opened { value: value.into(), is_stale: index > 0 }),
                // Another key may have the same name.
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.map_or(OpenError::NoProvider, OpenError::Cipher))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn configuration(providers: &str) -> Configuration {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:";
        Configuration::parse(&format!("{head} [{{resources: [secrets], providers: [{providers}]}}]")).unwrap()
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
