//! A KMS v2 provider: a plugin holds the key, and each server has a DEK that the plugin encrypts with it.
//!
//! A provider that is followed ([`Kms::start`]) asks its plugin every minute whether it is well and which key it has,
//! every ten seconds while it is not. A new key gets a new DEK; as long as the plugin is well the DEK may be written
//! with, and three minutes more. What was written stays readable as long as its DEK is known, whatever the plugin does.
//!
//! Nothing here waits for a plugin while a value is encrypted or decrypted ([`Kms::seal`], [`Kms::open`] do not block).
//! A value whose DEK is not known yet is an error that says so, and [`Kms::prepare`] gets the DEK, which takes one call,
//! no longer than the provider's timeout, once for each DEK: whoever reads values prepares them first. So a plugin that
//! hangs holds up those who need a DEK that it has not decrypted yet, and nobody else.
//!
//! Source: apiserver `pkg/storage/value/encrypt/envelope/kmsv2`, `pkg/server/options/encryptionconfig/config.go`.

mod api;
mod dek;
mod deks;
mod envelope;
mod plugin;
mod probe;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures::FutureExt;
use prost::Message;

use self::api::DecryptRequest;
use self::deks::{Deks, Known};
use self::envelope::EncryptedObject;
pub use self::envelope::joined;
use self::plugin::{Grpc, Plugin};
use self::probe::Probe;
use self::state::State;
use crate::cipher::CipherError;
use crate::keys::OpenError;
use crate::metrics::ProviderMetrics;

/// Upstream's words for a provider whose plugin has never been well.
const NO_STATE: &str = "got unexpected nil transformer";

/// One provider.
pub struct Kms {
    name: String,
    pub(crate) timeout: Duration,
    plugin: Arc<dyn Plugin>,
    metrics: ProviderMetrics,
    /// None until the plugin was well for the first time.
    state: ArcSwapOption<State>,
    deks: Deks,
    probe: tokio::sync::Mutex<Probe>,
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kms {}", self.name)
    }
}

impl Kms {
    /// A provider whose plugin listens at a socket. Nothing is asked of it yet.
    pub fn new(name: &str, socket: PathBuf, timeout: Duration, metrics: ProviderMetrics) -> Arc<Kms> {
        let plugin = Arc::new(Grpc::new(socket, timeout, metrics.clone()));
        Self::with_plugin(name, timeout, plugin, metrics)
    }

    fn with_plugin(name: &str, timeout: Duration, plugin: Arc<dyn Plugin>, metrics: ProviderMetrics) -> Arc<Kms> {
        Arc::new(Kms {
            name: name.to_owned(),
            timeout,
            plugin,
            metrics,
            state: ArcSwapOption::empty(),
            deks: Deks::default(),
            probe: tokio::sync::Mutex::default(),
        })
    }

    /// Appends the encrypted value to `out`. `place` is the key that it is stored under.
    ///
    /// # Errors
    /// The plugin has never been well, or not for three minutes.
    pub fn seal(&self, plain: &[u8], place: &str, out: &mut Vec<u8>) -> Result<(), CipherError> {
        let state = self.state.load();
        let state = state.as_ref().ok_or_else(|| CipherError::Kms(NO_STATE.to_owned()))?;
        state.check_writes().map_err(CipherError::Kms)?;
        let encrypted_data = state.dek().encrypt(plain, place)?.into();
        let object = EncryptedObject { encrypted_data, ..state.object.clone() };
        state.writes.count();
        // Only a buffer that cannot grow is too small.
        object.encode(out).map_err(|_| CipherError::Failed)
    }

    /// The value that was encrypted for this place, and whether it would be encrypted otherwise today.
    ///
    /// # Errors
    /// It is damaged, or its DEK is not known: see [`Kms::prepare`].
    pub fn open(&self, stored: Bytes, place: &str) -> Result<(Vec<u8>, bool), OpenError> {
        let object = EncryptedObject::read(stored).map_err(CipherError::Kms)?;
        let state = self.state.load();
        let state = state.as_ref().ok_or_else(|| OpenError::Unavailable(NO_STATE.to_owned()))?;
        let id = object.dek_id();
        let known = if id == state.id {
            Arc::clone(&state.known)
        } else {
            self.deks.get(&id).map_err(|why| {
                let why = why.unwrap_or_else(|| "the KMS plugin was not asked yet".to_owned());
                OpenError::Unavailable(format!("failed to decrypt DEK, error: {why}"))
            })?
        };
        let value = known.dek.decrypt(&object.encrypted_data, place)?;
        known.reads.count();
        let is_stale = object.key_id != state.object.key_id
            || object.encrypted_dek_source_type != state.object.encrypted_dek_source_type;
        Ok((value, is_stale))
    }

    /// Waits until the DEK of a value is known, or the plugin has not decrypted it. [`Kms::open`] tells which.
    pub async fn prepare(&self, stored: Bytes) {
        let Ok(object) = EncryptedObject::read(stored) else { return };
        let id = object.dek_id();
        // Without a state nothing is read.
        if self.state.load().as_ref().is_none_or(|state| state.id == id) {
            return;
        }
        let ask = || {
            self.metrics.missed();
            let (plugin, metrics) = (Arc::clone(&self.plugin), self.metrics.clone());
            async move {
                let request = DecryptRequest {
                    ciphertext: object.encrypted_dek_source.to_vec(),
                    uid: uuid::Uuid::new_v4().to_string(),
                    key_id: object.key_id.clone(),
                    annotations: object.annotations.clone(),
                };
                let answer = plugin.decrypt(request).await.map_err(|error| error.to_string())?;
                let dek = object.dek(&answer.plaintext)?;
                Ok(Arc::new(Known { dek, reads: metrics.key("from_storage", &object.key_id) }))
            }
            .boxed()
        };
        self.deks.fetch(id, ask).await;
        self.metrics.deks(self.deks.len());
    }
}
