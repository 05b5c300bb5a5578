//! Values encrypted before they are stored, as the store itself shows.

use std::path::Path;

use serde_json::json;

use crate::kms_plugin::Plugin;
use crate::support::{Files, Server, until};

const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn configure(path: &Path, providers: &str) {
    let text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers: [{providers}]\n"
    );
    std::fs::write(path, text).unwrap();
}

fn key(kind: &str, name: &str, secret: &str) -> String {
    format!("{{{kind}: {{keys: [{{name: {name}, secret: {secret}}}]}}}}")
}

/// Whether the files of the embedded store have these bytes anywhere.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().any(|path| match path.is_dir() {
        true => holds(&path, bytes),
        false => std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes),
    })
}

async fn start(files: Files) -> Server {
    let store = format!("--storage={}", files.path("store").display());
    let config = format!("--encryption-provider-config={}", files.path("encryption.yaml").display());
    Server::start_with(files, &[&store, &config]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_stored_encrypted_and_keys_rotate() {
    let files = Files::new();
    let (config, store) = (files.path("encryption.yaml"), files.path("store"));
    let (old, new) = (key("aescbc", "key1", OLD), key("secretbox", "key2", NEW));
    configure(&config, &old);
    let server = start(files).await;
    let admin = server.admin().await;
    let path = "/api/v1/namespaces/default/secrets";
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"x": "an-open-secret-of-some-length"}});
    let created = admin.post(path, &secret).await.created();
    let map = json!({"metadata": {"name": "m"}, "data": {"x": "a-map-that-all-may-read-and-see"}});
    admin.post("/api/v1/namespaces/default/configmaps", &map).await.created();
    let mut watch = admin.watch(&format!("{path}?watch=1&fieldSelector=metadata.name%3Ds")).await;
    assert_eq!(watch.expect("ADDED").await["data"], created["data"]);
    let files = server.stop().await;
    assert!(holds(&store, b"k8s:enc:aescbc:v1:key1:"));
    assert!(holds(&store, b"a-map-that-all-may-read-and-see"));
    assert!(!holds(&store, b"an-open-secret-of-some-length"));

    // With another key in front both are read, and an update that changes nothing writes with the new one.
    configure(&config, &format!("{new}, {old}"));
    let server = start(files).await;
    let admin = server.admin().await;
    let found = admin.get(&format!("{path}/s")).await.ok();
    assert_eq!(found["data"], created["data"]);
    let rewritten = admin.put(&format!("{path}/s"), &found).await.ok();
    assert_ne!(rewritten["metadata"]["resourceVersion"], found["metadata"]["resourceVersion"]);
    let again = admin.put(&format!("{path}/s"), &rewritten).await.ok();
    assert_eq!(again["metadata"]["resourceVersion"], rewritten["metadata"]["resourceVersion"]);
    let files = server.stop().await;

    configure(&config, &new);
    let server = start(files).await;
    assert_eq!(server.admin().await.get(&format!("{path}/s")).await.ok()["data"], created["data"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_keeps_the_key_and_outages_of_it_pass() {
    let files = Files::new();
    let (config, store, socket) = (files.path("encryption.yaml"), files.path("store"), files.path("kms.sock"));
    let endpoint = format!("unix://{}", socket.display());
    configure(&config, &format!("{{kms: {{apiVersion: v2, name: vault, endpoint: {endpoint:?}}}}}"));
    let plugin = Plugin::start(&socket);
    let server = start(files).await;
    let admin = server.admin().await;
    let path = "/api/v1/namespaces/default/secrets";
    let secret = |name: &str| json!({"metadata": {"name": name}, "stringData": {"x": "an-open-secret-of-some-length"}});
    let created = admin.post(path, &secret("s")).await.created();
    admin.post(path, &secret("t")).await.created();
    assert_eq!(admin.get("/healthz/kms-providers").await.text(), "ok");
    assert_eq!(admin.get("/livez/kms-providers").await.code.as_u16(), 404);
    assert!(admin.get("/readyz?verbose").await.text().contains("[+]kms-providers ok\n"));
    let metrics = admin.get("/metrics").await.text();
    assert!(metrics.contains("apiserver_envelope_encryption_dek_source_cache_size{provider_name=\"vault\"} 1"));
    let files = server.stop().await;
    assert!(holds(&store, b"k8s:enc:kms:v2:vault:") && !holds(&store, b"an-open-secret-of-some-length"));
    assert_eq!(plugin.seen()[1..3], [1, 0], "one DEK for all that a server writes");

    // Another key, and the old one is not there: what it encrypted cannot be read, the rest can.
    plugin.set(|it| (it.key_id, it.refuses_to_decrypt) = ("2".to_owned(), true));
    let server = start(files).await;
    let admin = server.admin().await;
    let refused = admin.get(&format!("{path}/s")).await.refused(500, "InternalError");
    let why = "failed to decrypt DEK, error: rpc error: code = InvalidArgument desc = no such key";
    assert!(refused.ends_with(why), "{refused}");
    admin.post(path, &secret("u")).await.created();
    admin.get(&format!("{path}/u")).await.ok();
    admin.get(path).await.refused(500, "InternalError");

    // As soon as it is back all can be read.
    plugin.set(|it| it.refuses_to_decrypt = false);
    let list = until("the plugin's return", async || {
        let answer = admin.get(path).await;
        (answer.code.as_u16() == 200).then(|| answer.ok())
    });
    let list = list.await;
    assert_eq!(list["items"][0]["data"], created["data"]);
    // An update that changes nothing writes with the new key.
    let rewritten = admin.put(&format!("{path}/s"), &list["items"][0]).await.ok();
    assert_ne!(rewritten["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);
    let again = admin.put(&format!("{path}/s"), &rewritten).await.ok();
    assert_eq!(again["metadata"]["resourceVersion"], rewritten["metadata"]["resourceVersion"]);
    assert_eq!(plugin.seen()[3], 1);
}
