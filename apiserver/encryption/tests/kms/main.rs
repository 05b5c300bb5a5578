//! KMS providers with a plugin behind a socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its fixtures too")]

mod plugin;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apiserver_encryption::{Configuration, Encryption, Keys, Metrics, OpenError};
use bytes::Bytes;
use plugin::Plugin;
use prometheus::{Registry, TextEncoder};
use tempfile::TempDir;

const PLACE: &str = "/registry/secrets/default/a";

struct Fixture {
    directory: TempDir,
    registry: Registry,
    metrics: Metrics,
}

impl Fixture {
    fn new() -> Fixture {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry, "server").unwrap();
        Fixture { directory: tempfile::tempdir().unwrap(), registry, metrics }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("kms.sock")
    }

    fn configuration(&self, socket: &Path, timeout: &str) -> Configuration {
        let endpoint = format!("unix://{}", socket.display());
        let provider = format!("{{kms: {{apiVersion: v2, name: vault, endpoint: {endpoint:?}, timeout: {timeout}}}}}");
        self.parse(&format!("[{provider}, {{identity: {{}}}}]"))
    }

    fn parse(&self, providers: &str) -> Configuration {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n";
        let text = format!("{head}resources: [{{resources: [secrets], providers: {providers}}}]");
        Configuration::parse(&text, &self.metrics).unwrap()
    }

    /// A server's encryption, and what it has for secrets.
    async fn start(&self, timeout: &str) -> (Encryption, Arc<Keys>) {
        let configuration = self.configuration(&self.socket(), timeout);
        configuration.start().await;
        let encryption = Encryption::new(configuration);
        let keys = encryption.of("", "secrets");
        (encryption, keys)
    }
}

fn sealed(keys: &Keys) -> Bytes {
    keys.seal(PLACE, Bytes::from_static(b"value")).unwrap()
}

async fn opened(keys: &Keys, stored: &Bytes) -> Result<(Bytes, bool), OpenError> {
    keys.prepare([stored].into_iter()).await;
    keys.open(PLACE, stored).map(|opened| (opened.value, opened.is_stale))
}

#[tokio::test]
async fn servers_read_what_others_wrote() {
    let f = Fixture::new();
    let plugin = Plugin::start(f.socket());
    let (_, one) = f.start("3s").await;
    let stored = sealed(&one);
    assert!(stored.starts_with(b"k8s:enc:kms:v2:vault:"));
    plugin.set(|it| it.key_id = "2".to_owned());
    let (_, other) = f.start("3s").await;
    for _ in 0..3 {
        assert_eq!(opened(&other, &stored).await.unwrap(), (Bytes::from_static(b"value"), true));
    }
    assert_eq!(opened(&one, &stored).await.unwrap(), (Bytes::from_static(b"value"), false));
    assert_eq!(plugin.seen()[..3], [2, 2, 1]);
    // What nobody encrypted is no business of the plugin.
    assert_eq!(opened(&other, &Bytes::from_static(b"value")).await.unwrap(), (Bytes::from_static(b"value"), true));
    let text = TextEncoder::new().encode_to_string(&f.registry.gather()).unwrap();
    for line in [
        "apiserver_envelope_encryption_kms_operations_latency_seconds_count{grpc_status_code=\"OK\",method_name=\"/v2.KeyManagementService/Decrypt\",provider_name=\"vault\"} 1",
        "apiserver_storage_envelope_transformation_cache_misses_total 1",
        "apiserver_envelope_encryption_dek_source_cache_size{provider_name=\"vault\"} 2",
        "key_id_hash=\"sha256:d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35\"",
        "transformation_type=\"from_storage\"} 4",
        "transformation_type=\"to_storage\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn a_call_waits_for_a_plugin_that_comes_late_and_finds_one_that_came_back() {
    let f = Fixture::new();
    let configuration = f.configuration(&f.socket(), "30s");
    let (plugin, ()) = tokio::join!(
        async {
            tokio::task::yield_now().await;
            Plugin::start(f.socket())
        },
        configuration.start(),
    );
    let keys = Encryption::new(configuration).of("", "secrets");
    let stored = sealed(&keys);
    plugin.set(|it| it.key_id = "2".to_owned());
    let (_, other) = f.start("30s").await;
    drop(plugin);
    let again = Plugin::start(f.socket());
    assert!(opened(&other, &stored).await.is_ok());
    assert_eq!(again.seen()[..3], [0, 0, 1]);
}

#[tokio::test]
async fn a_plugin_that_is_not_there_or_hangs_holds_nobody_up_for_long() {
    let f = Fixture::new();
    let begun = Instant::now();
    let (encryption, keys) = f.start("50ms").await;
    assert_eq!(
        keys.seal(PLACE, Bytes::from_static(b"value")).unwrap_err().to_string(),
        "got unexpected nil transformer"
    );
    let why = encryption.check().await.unwrap_err();
    assert!(why.starts_with("kms-provider-0: rpc error: code = DeadlineExceeded desc = context deadline exceeded: "));
    assert!(why.contains("No such file"), "{why}");
    let plugin = Plugin::start(f.socket());
    plugin.set(|it| it.is_hanging = true);
    let (encryption, _) = f.start("50ms").await;
    assert_eq!(
        encryption.check().await.unwrap_err(),
        "kms-provider-0: rpc error: code = DeadlineExceeded desc = context deadline exceeded"
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn answers_that_are_none_are_errors() {
    let f = Fixture::new();
    let plugin = Plugin::start(f.socket());
    let message = |bytes: &[u8]| [&[0], (bytes.len() as u32).to_be_bytes().as_slice(), bytes].concat();
    for body in [
        b"".to_vec(),
        b"<html>".to_vec(),
        vec![0; 3],
        vec![0, 0xff, 0xff, 0xff, 0xff],
        vec![1, 0, 0, 0, 0],
        vec![0, 0, 0, 0, 9, 1],
        message(b"\xff\xff\xff"),
        message(b"\x0a\x02\xff\xff"),
        message(&[0; 5 << 20]),
        message(b""),
    ] {
        plugin.set(|it| it.body = Some(body));
        let (encryption, keys) = f.start("200ms").await;
        let why = encryption.check().await.unwrap_err();
        assert!(why.contains("rpc error: code = ") || why.contains("is not healthy"), "{why}");
        assert!(keys.seal(PLACE, Bytes::from_static(b"value")).is_err());
    }
}

#[tokio::test]
async fn what_a_plugin_refuses_is_told() {
    let f = Fixture::new();
    let plugin = Plugin::start(f.socket());
    let (_, one) = f.start("3s").await;
    let stored = sealed(&one);
    plugin.set(|it| (it.key_id, it.refuses_to_decrypt) = ("2".to_owned(), true));
    let (_, other) = f.start("3s").await;
    assert_eq!(
        opened(&other, &stored).await.unwrap_err().to_string(),
        "failed to decrypt DEK, error: rpc error: code = InvalidArgument desc = no such key"
    );
}

#[tokio::test]
async fn providers_come_and_go_with_the_configuration() {
    let f = Fixture::new();
    let plugin = Plugin::start(f.socket());
    let (encryption, keys) = f.start("3s").await;
    let stored = sealed(&keys);
    assert!(encryption.has_kms() && encryption.check().await.is_ok());
    assert_eq!(plugin.seen()[3], 1);
    // Another plugin takes over the name, in an abstract socket.
    let name = format!("kybern-kms-test-{}", std::process::id());
    let next = Plugin::start(format!("\0{name}"));
    let configuration = f.configuration(Path::new(&format!("/@{name}")), "3s");
    configuration.start().await;
    configuration.ready().await.unwrap();
    encryption.replace(configuration);
    assert!(opened(&keys, &stored).await.is_ok());
    assert_eq!(next.seen(), [1, 1, 1, 1]);
    encryption.replace(f.parse("[{identity: {}}]"));
    assert!(!encryption.has_kms() && encryption.check().await.is_ok());
    let gone = async {
        while plugin.seen()[3] + next.seen()[3] > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    assert_eq!(opened(&keys, &stored).await.unwrap_err(), OpenError::NoProvider);
}
