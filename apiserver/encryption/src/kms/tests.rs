//! Providers with a plugin that does as it is told, in time that is advanced and not slept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::api::{DecryptResponse, EncryptRequest, EncryptResponse, StatusResponse};
use super::plugin::PluginError;
use super::*;
use crate::metrics::Metrics;

const PLACE: &str = "/registry/secrets/default/a";

#[derive(Clone)]
struct Behaviour {
    version: &'static str,
    healthz: &'static str,
    key_id: String,
    /// The key that it encrypts with, where that is another than it says.
    encrypts_with: Option<&'static str>,
    ciphertext: Option<Vec<u8>>,
    annotations: BTreeMap<String, Vec<u8>>,
    plaintext: Option<Vec<u8>>,
    is_away: bool,
}

struct Fake {
    behaviour: Mutex<Behaviour>,
    encrypted: AtomicUsize,
    decrypted: AtomicUsize,
}

impl Fake {
    fn new() -> Arc<Fake> {
        let behaviour = Behaviour {
            version: "v2",
            healthz: "ok",
            key_id: "1".to_owned(),
            encrypts_with: None,
            ciphertext: None,
            annotations: BTreeMap::from([("version.example.com".to_owned(), b"1".to_vec())]),
            plaintext: None,
            is_away: false,
        };
        Arc::new(Fake {
            behaviour: Mutex::new(behaviour),
            encrypted: AtomicUsize::new(0),
            decrypted: AtomicUsize::new(0),
        })
    }

    fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock());
    }

    fn calls(&self) -> (usize, usize) {
        (self.encrypted.load(Ordering::SeqCst), self.decrypted.load(Ordering::SeqCst))
    }

    async fn answer(&self) -> Result<Behaviour, PluginError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let behaviour = self.behaviour.lock().clone();
        let error = PluginError { code: "Unavailable", message: "gone fishing".to_owned() };
        if behaviour.is_away { Err(error) } else { Ok(behaviour) }
    }
}

#[async_trait]
impl Plugin for Fake {
    async fn status(&self) -> Result<StatusResponse, PluginError> {
        let Behaviour { version, healthz, key_id, .. } = self.answer().await?;
        Ok(StatusResponse { version: version.to_owned(), healthz: healthz.to_owned(), key_id })
    }

    async fn encrypt(&self, request: EncryptRequest) -> Result<EncryptResponse, PluginError> {
        self.encrypted.fetch_add(1, Ordering::SeqCst);
        let Behaviour { key_id, encrypts_with, ciphertext, annotations, .. } = self.answer().await?;
        let key_id = encrypts_with.map_or(key_id, str::to_owned);
        let hidden = || [key_id.as_bytes(), &request.plaintext].concat();
        Ok(EncryptResponse { ciphertext: ciphertext.unwrap_or_else(hidden), key_id, annotations })
    }

    async fn decrypt(&self, request: DecryptRequest) -> Result<DecryptResponse, PluginError> {
        self.decrypted.fetch_add(1, Ordering::SeqCst);
        let behaviour = self.answer().await?;
        assert_eq!(request.annotations, behaviour.annotations);
        let plaintext = request.ciphertext.strip_prefix(request.key_id.as_bytes()).map(<[u8]>::to_vec);
        let refused = || PluginError { code: "InvalidArgument", message: "no such key".to_owned() };
        let plaintext = behaviour.plaintext.or(plaintext).ok_or_else(refused)?;
        Ok(DecryptResponse { plaintext })
    }
}

fn provider(plugin: &Arc<Fake>) -> Arc<Kms> {
    let metrics = Metrics::new(&prometheus::Registry::new(), "server").unwrap().of("p");
    Kms::with_plugin("p", Duration::from_secs(3), Arc::clone(plugin) as Arc<dyn Plugin>, metrics)
}

async fn started(plugin: &Arc<Fake>) -> Arc<Kms> {
    let kms = provider(plugin);
    Arc::clone(&kms).start().await;
    kms
}

fn sealed(kms: &Kms) -> Bytes {
    let mut out = Vec::new();
    kms.seal(b"value", PLACE, &mut out).unwrap();
    out.into()
}

fn refusal(kms: &Kms) -> String {
    kms.seal(b"value", PLACE, &mut Vec::new()).unwrap_err().to_string()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_or_read_before_the_plugin_was_well() {
    let plugin = Fake::new();
    let stored = sealed(&*started(&plugin).await);
    plugin.set(|it| it.is_away = true);
    let kms = started(&plugin).await;
    assert_eq!(refusal(&kms), NO_STATE);
    kms.prepare(stored.clone()).await;
    assert_eq!(kms.open(stored.clone(), PLACE), Err(OpenError::Unavailable(NO_STATE.to_owned())));
    assert_eq!(kms.check().await.unwrap_err(), "rpc error: code = Unavailable desc = gone fishing");
    pass(4).await;
    assert_eq!(
        kms.check().await.unwrap_err(),
        "failed to perform status section of the healthz check for KMS Provider p, error: rpc error: code = Unavailable desc = gone fishing"
    );
    plugin.set(|it| it.is_away = false);
    pass(11).await;
    sealed(&kms);
    assert_eq!(kms.check().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn values_come_back_from_their_place_alone() {
    let plugin = Fake::new();
    let kms = started(&plugin).await;
    let stored = sealed(&kms);
    let object = EncryptedObject::read(stored.clone()).unwrap();
    assert_eq!((object.key_id.as_str(), object.encrypted_dek_source_type), ("1", 1));
    assert_eq!(kms.open(stored.clone(), PLACE).unwrap(), (b"value".to_vec(), false));
    assert_eq!(kms.open(stored, "/registry/secrets/default/b"), Err(OpenError::Cipher(CipherError::Failed)));
    assert_eq!(plugin.calls(), (1, 0), "one DEK serves all values");
}

#[tokio::test(start_paused = true)]
async fn a_new_key_gets_a_new_dek_and_the_old_one_still_reads() {
    let plugin = Fake::new();
    let kms = started(&plugin).await;
    let old = sealed(&kms);
    pass(600).await;
    assert_eq!(plugin.calls(), (1, 0), "the same key keeps its DEK");
    plugin.set(|it| it.key_id = "2".to_owned());
    pass(61).await;
    let new = sealed(&kms);
    assert_eq!(EncryptedObject::read(new.clone()).unwrap().key_id, "2");
    assert_eq!(kms.open(old, PLACE).unwrap(), (b"value".to_vec(), true));
    assert_eq!(kms.open(new, PLACE).unwrap(), (b"value".to_vec(), false));
    assert_eq!(plugin.calls(), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn without_its_plugin_a_server_writes_for_three_minutes_and_reads_for_ever() {
    let plugin = Fake::new();
    let kms = started(&plugin).await;
    let stored = sealed(&kms);
    plugin.set(|it| it.is_away = true);
    pass(170).await;
    sealed(&kms);
    pass(20).await;
    let why = refusal(&kms);
    let expected = format!("encryptedDEKSource with keyID hash {:?} expired at ", crate::metrics::hashed("1"));
    assert!(why.starts_with(&expected) && why.contains("Z (current time is "), "{why}");
    pass(3600).await;
    assert_eq!(kms.open(stored, PLACE).unwrap(), (b"value".to_vec(), false));
    plugin.set(|it| it.is_away = false);
    pass(11).await;
    sealed(&kms);
    assert_eq!(plugin.calls(), (1, 0), "the same key goes on with its DEK");
}

#[tokio::test(start_paused = true)]
async fn what_a_plugin_may_not_say_is_refused_in_upstreams_words() {
    type Change = fn(&mut Behaviour);
    let hash = |text: &str| crate::metrics::hashed(text);
    let cases: [(Change, String); 8] = [
        (|it| it.healthz = "tired", "got unexpected healthz status: tired".to_owned()),
        (|it| it.version = "v1", "expected KMSv2 API version v2, got v1".to_owned()),
        (
            |it| it.version = "v2beta1",
            "KMSv2 API version should not change after the initial status response version v2, got v2beta1".to_owned(),
        ),
        (|it| it.key_id.clear(), "got invalid KMSv2 KeyID hash \"\": keyID is empty".to_owned()),
        (
            |it| it.key_id = "x".repeat(2000),
            format!(
                "got invalid KMSv2 KeyID hash {:?}: keyID is 2000 bytes, which exceeds the max size of 1024",
                hash(&"x".repeat(2000))
            ),
        ),
        (
            |it| (it.key_id, it.encrypts_with) = ("2".to_owned(), Some("3")),
            format!(
                "errState=<nil>, errGen=<nil>, statusKeyIDHash={:?}, encryptKeyIDHash={:?}, stateKeyIDHash={:?}",
                hash("2"),
                hash("3"),
                hash("1")
            ),
        ),
        (
            |it| (it.key_id, it.ciphertext) = ("2".to_owned(), Some(vec![0; 1025])),
            "errGen=failed to validate encrypted DEK source: encrypted DEK source is 1025 bytes, which exceeds the max size of 1024".to_owned(),
        ),
        (
            |it| {
                it.key_id = "2".to_owned();
                it.annotations = BTreeMap::from([("local".to_owned(), Vec::new())]);
            },
            "errGen=failed to validate annotations: annotations: Invalid value: \"local\": should be a domain".to_owned(),
        ),
    ];
    for (change, words) in cases {
        let plugin = Fake::new();
        let kms = started(&plugin).await;
        let stored = sealed(&kms);
        plugin.set(change);
        pass(61).await;
        let why = kms.check().await.unwrap_err();
        assert!(why.starts_with("kmsv2 Provider p is not healthy, error: ") && why.contains(&words), "{why}");
        // All goes on as it was, for a while.
        let object = EncryptedObject::read(sealed(&kms)).unwrap();
        assert_eq!((object.key_id.as_str(), kms.open(stored, PLACE).is_ok()), ("1", true));
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_server_wrote_takes_one_call_for_all_who_want_it() {
    let plugin = Fake::new();
    let (one, other) = (started(&plugin).await, started(&plugin).await);
    let stored = sealed(&one);
    let not_asked = "failed to decrypt DEK, error: the KMS plugin was not asked yet";
    assert_eq!(other.open(stored.clone(), PLACE), Err(OpenError::Unavailable(not_asked.to_owned())));
    futures::future::join_all((0..9).map(|_| other.prepare(stored.clone()))).await;
    assert_eq!(other.open(stored, PLACE).unwrap(), (b"value".to_vec(), false));
    let another = sealed(&one);
    other.prepare(another.clone()).await;
    assert_eq!(other.open(another, PLACE).unwrap(), (b"value".to_vec(), false));
    assert_eq!(plugin.calls(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dek_that_cannot_be_decrypted_is_asked_for_again_after_a_while() {
    let plugin = Fake::new();
    let (one, other) = (started(&plugin).await, started(&plugin).await);
    let stored = sealed(&one);
    let failure = |why: &str| Err(OpenError::Unavailable(format!("failed to decrypt DEK, error: {why}")));
    plugin.set(|it| it.is_away = true);
    for _ in 0..3 {
        other.prepare(stored.clone()).await;
    }
    let away = "rpc error: code = Unavailable desc = gone fishing";
    assert_eq!((other.open(stored.clone(), PLACE), plugin.calls().1), (failure(away), 1));
    pass(4).await;
    // What is no seed is none of ours.
    plugin.set(|it| (it.is_away, it.plaintext) = (false, Some(b"short".to_vec())));
    other.prepare(stored.clone()).await;
    assert_eq!(other.open(stored.clone(), PLACE), failure("invalid seed length 5 used for key generation"));
    pass(4).await;
    plugin.set(|it| it.plaintext = Some(vec![7; 32]));
    other.prepare(stored.clone()).await;
    assert_eq!(other.open(stored, PLACE), Err(OpenError::Cipher(CipherError::Failed)), "another seed");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_spoils_nothing() {
    let plugin = Fake::new();
    let (one, other) = (started(&plugin).await, started(&plugin).await);
    let stored = sealed(&one);
    let given_up = tokio::time::timeout(Duration::from_millis(1), other.prepare(stored.clone())).await;
    assert!(given_up.is_err());
    other.prepare(stored.clone()).await;
    assert!(other.open(stored, PLACE).is_ok());
    assert_eq!(plugin.calls().1, 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_a_plugin_for_a_provider_that_is_gone() {
    let plugin = Fake::new();
    let kms = started(&plugin).await;
    let gone = Arc::downgrade(&kms);
    drop(kms);
    pass(61).await;
    assert!(gone.upgrade().is_none());
    assert_eq!(Arc::strong_count(&plugin), 1);
}

/// Upstream writes plain DEKs where it is told to by its tests, and did so before its version 1.29.
#[tokio::test(start_paused = true)]
async fn plain_deks_are_read_and_stale() {
    let plugin = Fake::new();
    let kms = started(&plugin).await;
    let encrypted_data = dek::Dek::key(&[9; 32]).unwrap().encrypt(b"value", PLACE).unwrap();
    let object = EncryptedObject {
        encrypted_data: encrypted_data.into(),
        key_id: "1".to_owned(),
        encrypted_dek_source: [b"1".as_slice(), &[9; 32]].concat().into(),
        annotations: plugin.behaviour.lock().annotations.clone(),
        encrypted_dek_source_type: envelope::AES_GCM_KEY,
    };
    let stored = Bytes::from(object.encode_to_vec());
    kms.prepare(stored.clone()).await;
    assert_eq!(kms.open(stored, PLACE).unwrap(), (b"value".to_vec(), true));
}

proptest::proptest! {
    #[test]
    fn damage_is_an_error_and_never_a_panic(
        noise in proptest::collection::vec(proptest::num::u8::ANY, 0..200), at in proptest::num::usize::ANY,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let plugin = Fake::new();
            let kms = started(&plugin).await;
            let stored = sealed(&kms);
            let at = at % stored.len();
            let mut changed = stored.to_vec();
            changed.splice(at..(at + noise.len() / 20).min(stored.len()), noise.iter().copied().take(noise.len() / 10));
            for bytes in [Bytes::from(noise), stored.slice(..at), changed.into()] {
                // The plugin's fixture checks the annotations that it is given; those may be damaged here.
                if EncryptedObject::read(bytes.clone()).is_ok_and(|it| it.annotations == plugin.behaviour.lock().annotations) {
                    kms.prepare(bytes.clone()).await;
                }
                // Bytes that mean nothing to a reader change nothing.
                if let Ok((value, _)) = kms.open(bytes, PLACE) {
                    assert_eq!(value, b"value");
                }
            }
        });
    }
}
