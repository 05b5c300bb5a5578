//! Whether a plugin is well, and which key it has.
//!
//! Source: apiserver `pkg/server/options/encryptionconfig/config.go` (`kmsv2PluginProbe`).

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::api::{EncryptRequest, StatusResponse};
use super::dek::Dek;
use super::deks::Known;
use super::envelope::{EncryptedObject, HKDF_SHA256_XNONCE_AES_GCM_SEED, check_key_id, joined};
use super::state::{State, WRITES};
use super::{Kms, NO_STATE};
use crate::metrics::hashed;

/// How often a plugin is asked that is well, and that is not.
const WELL: Duration = Duration::from_secs(60);
const UNWELL: Duration = Duration::from_secs(10);
/// How long its answer counts for those who ask for the server's health.
const WELL_COUNTS: Duration = Duration::from_secs(20);
const UNWELL_COUNTS: Duration = Duration::from_secs(3);

/// What a plugin answered so far.
#[derive(Default)]
pub struct Probe {
    last: Option<(Result<(), String>, Instant)>,
    /// The first version that it named: it may not change.
    version: String,
}

impl Kms {
    /// Asks the plugin once, and then for as long as anybody has this provider.
    pub async fn start(self: Arc<Self>) {
        let is_well = self.check_and_tell().await;
        tokio::spawn(follow(Arc::downgrade(&self), is_well));
    }

    async fn check_and_tell(&self) -> bool {
        let outcome = self.check().await;
        if let Err(error) = &outcome {
            tracing::error!(name = self.name, error, "kms plugin failed health check probe");
        }
        outcome.is_ok()
    }

    /// Whether the plugin is well, as of a few seconds ago at most.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn check(&self) -> Result<(), String> {
        let mut probe = self.probe.lock().await;
        if let Some((outcome, at)) = &probe.last {
            let counts = if outcome.is_ok() { WELL_COUNTS } else { UNWELL_COUNTS };
            if at.elapsed() < counts {
                return outcome.clone();
            }
        }
        let (name, mut shown) = (&self.name, None);
        let outcome = match self.plugin.status().await {
            Ok(status) => self.judge(&mut probe.version, &status).await,
            Err(error) => {
                shown = Some(format!(
                    "failed to perform status section of the healthz check for KMS Provider {name}, error: {error}"
                ));
                Err(error.to_string())
            }
        };
        probe.last = Some((outcome.clone(), Instant::now()));
        outcome.map_err(|error| shown.unwrap_or(error))
    }

    async fn judge(&self, version: &mut String, status: &StatusResponse) -> Result<(), String> {
        let mut problems = Vec::new();
        if status.healthz != "ok" {
            problems.push(format!("got unexpected healthz status: {}", status.healthz));
        }
        if !matches!(status.version.as_str(), "v2" | "v2beta1") {
            problems.push(format!("expected KMSv2 API version v2, got {}", status.version));
        } else {
            if version.is_empty() {
                version.clone_from(&status.version);
            }
            if *version != status.version {
                problems.push(format!(
                    "KMSv2 API version should not change after the initial status response version {version}, got {}",
                    status.version
                ));
            }
        }
        match check_key_id(&status.key_id) {
            Ok(()) => {
                self.metrics.status(&status.key_id);
                problems.extend(self.rotate(&status.key_id).await.err());
            }
            Err((code, why)) => {
                self.metrics.invalid_key(code);
                problems.push(format!("got invalid KMSv2 KeyID hash {:?}: {why}", hashed(&status.key_id)));
            }
        }
        match problems.as_slice() {
            [] => Ok(()),
            problems => Err(format!("kmsv2 Provider {} is not healthy, error: {}", self.name, joined(problems))),
        }
    }

    /// Writes with a DEK under the plugin's key: with the present one if the key is the same, else with a new one. If
    /// that fails all stays as it is.
    async fn rotate(&self, key_id: &str) -> Result<(), String> {
        let state = self.state.load_full();
        // From before the call: no later than the plugin spoke.
        let expires = Instant::now() + WRITES;
        if let Some(state) = state.as_ref().filter(|state| state.object.key_id == key_id) {
            self.state.store(Some(Arc::new(State { expires, ..State::clone(state) })));
            return Ok(());
        }
        let uid = uuid::Uuid::new_v4().to_string();
        let (problem, encrypted_with) = match self.generate(&uid, expires).await {
            Ok(new) if new.object.key_id == key_id => {
                // What the old one wrote is still there.
                for known in state.as_deref().into_iter().chain([&new]) {
                    self.deks.put(known.id, Ok(Arc::clone(&known.known)));
                }
                self.metrics.deks(self.deks.len());
                tracing::info!(name = self.name, uid, new = hashed(key_id), "a new DEK");
                self.state.store(Some(Arc::new(new)));
                return Ok(());
            }
            Ok(new) => ("<nil>".to_owned(), new.object.key_id),
            Err(problem) => (problem, String::new()),
        };
        let (no_state, old_key, expired) = match &state {
            Some(state) => ("<nil>", hashed(&state.object.key_id), state.expires_at()),
            None => (NO_STATE, String::new(), "0001-01-01T00:00:00Z".to_owned()),
        };
        Err(format!(
            "failed to rotate DEK uid={uid:?}, useSeed=true, errState={no_state}, errGen={problem}, statusKeyIDHash={:?}, encryptKeyIDHash={:?}, stateKeyIDHash={old_key:?}, expirationTimestamp={expired}",
            hashed(key_id),
            hashed(&encrypted_with),
        ))
    }

    /// A new DEK, encrypted by the plugin.
    async fn generate(&self, uid: &str, expires: Instant) -> Result<State, String> {
        let (dek, seed) = Dek::generate()?;
        let request = EncryptRequest { plaintext: seed, uid: uid.to_owned() };
        let answer =
            self.plugin.encrypt(request).await.map_err(|error| format!("failed to encrypt DEK, error: {error}"))?;
        let object = EncryptedObject {
            encrypted_data: Default::default(),
            key_id: answer.key_id,
            encrypted_dek_source: answer.ciphertext.into(),
            annotations: answer.annotations,
            encrypted_dek_source_type: HKDF_SHA256_XNONCE_AES_GCM_SEED,
        };
        object.check_key()?;
        let known = Known { dek, reads: self.metrics.key("from_storage", &object.key_id) };
        Ok(State {
            known: Arc::new(known),
            id: object.dek_id(),
            writes: self.metrics.key("to_storage", &object.key_id),
            object,
            expires,
        })
    }
}

async fn follow(kms: Weak<Kms>, mut is_well: bool) {
    loop {
        tokio::time::sleep(if is_well { WELL } else { UNWELL }).await;
        let Some(kms) = kms.upgrade() else { return };
        is_well = kms.check_and_tell().await;
    }
}
