//! Tests against a real etcd, each with a process of its own; where no `etcd` is in the path they are skipped.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use futures::StreamExt;
use tempfile::TempDir;

use super::*;
use crate::{WatchEvent, prefix_end};

/// An etcd process that ends with the test.
struct Etcd {
    child: Child,
    dir: TempDir,
    url: String,
    arguments: Vec<String>,
}

impl Etcd {
    /// A new etcd with further arguments, or `None` where there is no binary.
    fn start(scheme: &str, further: &[String]) -> Option<Etcd> {
        if !available() {
            return None;
        }
        let peer = format!("http://127.0.0.1:{}", free_port());
        Some(Etcd::member("m0", &format!("m0={peer}"), &peer, scheme, further))
    }

    /// Three members of one cluster.
    fn cluster() -> Option<Vec<Etcd>> {
        if !available() {
            return None;
        }
        let peers = [0, 1, 2].map(|i| (format!("m{i}"), format!("http://127.0.0.1:{}", free_port())));
        let all = peers.iter().map(|(name, peer)| format!("{name}={peer}")).collect::<Vec<_>>().join(",");
        Some(peers.iter().map(|(name, peer)| Etcd::member(name, &all, peer, "http", &[])).collect())
    }

    fn member(name: &str, all: &str, peer: &str, scheme: &str, further: &[String]) -> Etcd {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("{scheme}://127.0.0.1:{}", free_port());
        let mut arguments: Vec<String> = [
            ("name", name),
            ("data-dir", dir.path().join("data").to_str().unwrap()),
            ("listen-client-urls", &url),
            ("advertise-client-urls", &url),
            ("listen-peer-urls", peer),
            ("initial-advertise-peer-urls", peer),
            ("initial-cluster", all),
            ("log-level", "error"),
        ]
        .map(|(name, value)| format!("--{name}={value}"))
        .to_vec();
        arguments.extend_from_slice(further);
        Etcd { child: spawn(&arguments), dir, url, arguments }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = spawn(&self.arguments);
    }

    fn options(&self) -> EtcdOptions {
        EtcdOptions { endpoints: vec![self.url.clone()], compaction_interval: Duration::ZERO, ..EtcdOptions::default() }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn available() -> bool {
    let found = Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        println!("skipped: no etcd binary");
    }
    found
}

fn spawn(arguments: &[String]) -> Child {
    Command::new("etcd").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn put(store: &EtcdStore, key: &str, value: &str) -> Revision {
    match store.put(key, Bytes::copy_from_slice(value.as_bytes()), Expect::Absent, None).await {
        Ok(Outcome::Done(revision)) => revision,
        other => panic!("{other:?}"),
    }
}

async fn refusal(options: EtcdOptions) -> String {
    let error = EtcdStore::connect(options).await.err().expect("no connection").to_string();
    assert!(!error.contains('\n'), "{error}");
    println!("{error}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn contract() {
    let Some(etcd) = Etcd::start("http", &[]) else { return };
    let store = EtcdStore::connect(etcd.options()).await.unwrap();
    crate::contract::run(|| async { store.clone() as Arc<dyn Store> }).await;
}

/// A watch and writers go on while etcd is killed and comes back: nothing acknowledged is lost, nothing is seen twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn outlives_a_restart_of_etcd() {
    let Some(mut etcd) = Etcd::start("http", &[]) else { return };
    let store = EtcdStore::connect(etcd.options()).await.unwrap();
    let from = store.current_revision().await.unwrap() + 1;
    let mut watch = store.watch("/a/".."/a0", from).await.unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            let mut outcomes = BTreeMap::new();
            for i in 0..300 {
                let keys = ["p", "q", "r", "s"].map(|task| format!("/a/{task}{i:04}"));
                let puts = keys.iter().map(|key| store.put(key, "x".into(), Expect::Absent, None));
                let results = futures::future::join_all(puts).await;
                outcomes.extend(keys.into_iter().zip(results));
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            outcomes
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    etcd.kill();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(store.ping().await.is_err());
    etcd.restart();
    let outcomes = writer.await.unwrap();

    put(&store, "/a/~last", "x").await;
    let mut seen = BTreeMap::new();
    let mut last = 0;
    loop {
        match watch.next().await.unwrap().unwrap() {
            WatchEvent::Put { current, .. } => {
                assert!(current.mod_revision > last);
                last = current.mod_revision;
                if current.key == "/a/~last" {
                    break;
                }
                assert_eq!(seen.insert(current.key, last), None);
            }
            WatchEvent::Progress(_) => (),
            other => panic!("{other:?}"),
        }
    }
    let mut indeterminate = 0;
    for (key, outcome) in outcomes {
        match outcome {
            Ok(Outcome::Done(revision)) => assert_eq!(seen.get(&key), Some(&revision), "{key}"),
            Err(Error::Indeterminate(_)) => indeterminate += 1,
            Err(Error::Unavailable(_)) => assert_eq!(seen.get(&key), None, "{key} was said not to have happened"),
            other => panic!("{key}: {other:?}"),
        }
    }
    println!("seen {}, outcome unknown for {indeterminate}", seen.len());
    assert!(seen.len() > 100);
    store.ping().await.unwrap();
}

/// A watch does not sit silently on an etcd that was set back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_that_etcd_was_set_back() {
    let Some(mut etcd) = Etcd::start("http", &[]) else { return };
    let store = EtcdStore::connect(etcd.options()).await.unwrap();
    let from = put(&store, "/a/1", "x").await;
    let mut watch = store.watch("/a/".."/a0", from).await.unwrap();
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Put { .. }))));
    etcd.kill();
    std::fs::remove_dir_all(etcd.dir.path().join("data")).unwrap();
    etcd.restart();
    let end = watch.next().await;
    assert!(matches!(end, Some(Err(Error::Future { asked, current: Some(1) })) if asked == from), "{end:?}");
    assert!(watch.next().await.is_none());
}

/// Three members: one may go; without two nothing is answered, and nothing hangs; afterwards all goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn follows_the_majority() {
    let Some(mut members) = Etcd::cluster() else { return };
    let endpoints: Vec<_> = members.iter().map(|etcd| etcd.url.clone()).collect();
    let store = EtcdStore::connect(EtcdOptions { endpoints, ..members[0].options() }).await.unwrap();
    let from = put(&store, "/a/0", "x").await;
    let mut watch = store.watch("/a/".."/a0", from).await.unwrap();
    let mut last = 0;
    let mut see = async |revision| {
        while last < revision {
            match tokio::time::timeout(Duration::from_secs(30), watch.next()).await.unwrap().unwrap().unwrap() {
                WatchEvent::Put { current, .. } => {
                    assert!(current.mod_revision > last);
                    last = current.mod_revision;
                }
                WatchEvent::Progress(_) => (),
                other => panic!("{other:?}"),
            }
        }
    };
    see(from).await;

    members[0].kill();
    let second = eventually(&store, "/a/1").await;
    see(second).await;

    members[1].kill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = std::time::Instant::now();
    assert!(matches!(store.ping().await, Err(Error::Unavailable(_))));
    let write = store.put("/a/2", "x".into(), Expect::Absent, None).await;
    assert!(matches!(write, Err(Error::Unavailable(_) | Error::Indeterminate(_))), "{write:?}");
    assert!(matches!(store.get("/a/0", None).await, Err(Error::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());

    members[0].restart();
    members[1].restart();
    let third = eventually(&store, "/a/3").await;
    see(third).await;
}

/// Creates a key as soon as the cluster lets it.
async fn eventually(store: &EtcdStore, key: &str) -> Revision {
    for _ in 0..60 {
        match store.put(key, "x".into(), Expect::Absent, None).await {
            Ok(Outcome::Done(revision)) => return revision,
            // The write before, of unknown outcome, did happen.
            Ok(Outcome::Conflict(read)) => return read.value.unwrap().mod_revision,
            Err(Error::Unavailable(_) | Error::Indeterminate(_)) => (),
            Err(other) => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("{key} could not be created");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fails_over_to_another_endpoint() {
    let Some(etcd) = Etcd::start("http", &[]) else { return };
    let target = etcd.url.trim_start_matches("http://").to_owned();
    let (first, proxy) = forwarder(target).await;
    let dead = format!("http://127.0.0.1:{}", free_port());
    let endpoints = vec![dead, first, etcd.url.clone()];
    let store = EtcdStore::connect(EtcdOptions { endpoints, ..etcd.options() }).await.unwrap();
    let before = put(&store, "/a/1", "x").await;
    let mut watch = store.watch("/a/".."/a0", before).await.unwrap();
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Put { .. }))));

    proxy.abort();
    assert!(store.get("/a/1", None).await.unwrap().value.is_some());
    let after = put(&store, "/a/2", "x").await;
    loop {
        match watch.next().await.unwrap().unwrap() {
            WatchEvent::Put { current, .. } => {
                assert_eq!(current.mod_revision, after);
                break;
            }
            WatchEvent::Progress(_) => (),
            other => panic!("{other:?}"),
        }
    }
}

/// Forwards connections to `target` until aborted, and then breaks them.
async fn forwarder(target: String) -> (String, AbortHandle) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (mut inward, _) = listener.accept().await.unwrap();
            let target = target.clone();
            connections.spawn(async move {
                if let Ok(mut outward) = tokio::net::TcpStream::connect(target).await {
                    let _ = tokio::io::copy_bidirectional(&mut inward, &mut outward).await;
                }
            });
        }
    });
    (url, task.abort_handle())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls() {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str| files.path().join(name);
    let authority = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        std::fs::write(file(&format!("{name}.crt")), params.self_signed(&key).unwrap().pem()).unwrap();
        rcgen::Issuer::new(params, key)
    };
    let (ca, _other) = (authority("ca"), authority("other"));
    for (name, usage) in
        [("server", rcgen::ExtendedKeyUsagePurpose::ServerAuth), ("client", rcgen::ExtendedKeyUsagePurpose::ClientAuth)]
    {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        // etcd's gateway dials its own server with the server's certificate.
        params.extended_key_usages = vec![usage, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        std::fs::write(file(&format!("{name}.crt")), params.signed_by(&key, &ca).unwrap().pem()).unwrap();
        std::fs::write(file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let flag = |flag: &str, name: &str| format!("--{flag}={}", file(name).display());
    let further = [
        flag("cert-file", "server.crt"),
        flag("key-file", "server.key"),
        flag("trusted-ca-file", "ca.crt"),
        "--client-cert-auth".into(),
    ];
    let Some(etcd) = Etcd::start("https", &further) else { return };
    let good = EtcdOptions {
        ca: Some(file("ca.crt")),
        cert: Some(file("client.crt")),
        key: Some(file("client.key")),
        ..etcd.options()
    };
    let store = EtcdStore::connect(good.clone()).await.unwrap();
    let revision = put(&store, "/a", "x").await;
    assert_eq!(store.get("/a", None).await.unwrap().value.unwrap().mod_revision, revision);
    let without_scheme = vec![etcd.url.trim_start_matches("https://").to_owned()];
    EtcdStore::connect(EtcdOptions { endpoints: without_scheme, ..good.clone() }).await.unwrap().ping().await.unwrap();

    let error = refusal(EtcdOptions { ca: Some(file("other.crt")), ..good.clone() }).await;
    assert!(error.contains(&etcd.url) && error.contains("ertificate"), "{error}");
    let short = Duration::from_secs(1);
    refusal(EtcdOptions { cert: None, key: None, dial_timeout: short, ..good.clone() }).await;
    let error = refusal(EtcdOptions { cert: None, ..good.clone() }).await;
    assert!(error.contains("must be given together"), "{error}");
    let error = refusal(EtcdOptions { key: Some(file("client.crt")), ..good.clone() }).await;
    assert!(error.contains("client.crt holds no PEM private key"), "{error}");
    let error = refusal(EtcdOptions { ca: Some(file("nothing")), ..good }).await;
    assert!(error.contains("cannot read") && error.contains("nothing"), "{error}");
}

#[tokio::test]
async fn an_unreachable_etcd_is_one_clear_line() {
    let options = |endpoints: &[String]| EtcdOptions {
        endpoints: endpoints.to_vec(),
        dial_timeout: Duration::from_millis(500),
        ..EtcdOptions::default()
    };
    let urls = [free_port(), free_port()].map(|port| format!("http://127.0.0.1:{port}"));
    let error = refusal(options(&urls)).await;
    assert!(error.contains(&urls[0]) && error.contains(&urls[1]) && error.contains("onnection refused"), "{error}");
    assert!(refusal(options(&["unix:///run/etcd".into()])).await.contains("neither http nor https"));
    assert!(refusal(options(&["http://a b".into()])).await.contains("http://a b"));
    assert!(refusal(options(&[])).await.contains("no etcd endpoint"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compactors_take_turns() {
    let Some(etcd) = Etcd::start("http", &[]) else { return };
    let store = EtcdStore::connect(etcd.options()).await.unwrap();
    let (mut first, mut second) = (Compactor::default(), Compactor::default());
    let turn = async |compactor: &mut Compactor| compactor.turn(&store.connections).await.unwrap();
    assert_eq!(turn(&mut first).await, None, "nothing is compacted at the beginning");
    assert_eq!(turn(&mut second).await, None, "the other only learns the time");
    let learned = first.revision;
    let old = put(&store, "/a", "x").await;
    assert_eq!(turn(&mut first).await, Some(learned));
    assert_eq!(turn(&mut second).await, Some(learned), "the other learns it");
    assert!(store.get("/a", Some(old)).await.is_ok(), "an interval of history stays");
    // The first is gone; the second takes over with what it saw last.
    let seen = second.revision;
    put(&store, "/b", "x").await;
    assert_eq!(turn(&mut second).await, Some(seen));
    assert!(matches!(store.get("/a", Some(seen - 1)).await, Err(Error::Compacted { .. })));
    assert_eq!(turn(&mut first).await, Some(seen));
    let key = store.get("compact_rev_key", None).await.unwrap().value.unwrap();
    assert_eq!(key.value, seen.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compacts_by_itself() {
    let Some(etcd) = Etcd::start("http", &[]) else { return };
    let options = EtcdOptions { compaction_interval: Duration::from_millis(100), ..etcd.options() };
    let store = EtcdStore::connect(options).await.unwrap();
    let old = put(&store, "/a", "x").await;
    for i in 0.. {
        assert!(i < 100, "never compacted");
        put(&store, &format!("/b{i}"), "x").await;
        match store.get("/a", Some(old)).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(Error::Compacted { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_share_a_lease() {
    let Some(etcd) = Etcd::start("http", &[]) else { return };
    let store = EtcdStore::connect(etcd.options()).await.unwrap();
    let hour = Some(Duration::from_secs(3600));
    for key in ["/a", "/b"] {
        store.put(key, "x".into(), Expect::Absent, hour).await.unwrap();
    }
    store.put("/c", "x".into(), Expect::Absent, Some(Duration::from_secs(60))).await.unwrap();
    store.put("/d", "x".into(), Expect::Absent, None).await.unwrap();
    let mut leases = Vec::new();
    for key in ["/a", "/b", "/c", "/d"] {
        leases.push(store.range(key, GetOptions::new(), 0).await.unwrap().kvs()[0].lease());
    }
    assert!(leases[0] != 0 && leases[0] == leases[1]);
    assert!(leases[2] != 0 && leases[2] != leases[0]);
    assert_eq!(leases[3], 0);

    // A lease that went away in the meantime is replaced.
    store.put("/e", "x".into(), Expect::Absent, hour).await.unwrap();
    let shared = store.range("/e", GetOptions::new(), 0).await.unwrap().kvs()[0].lease();
    store.connections.once(|client| async move { client.leases().revoke(shared).await }).await.unwrap();
    let outcome = store.put("/f", "x".into(), Expect::Absent, hour).await.unwrap();
    assert!(matches!(outcome, Outcome::Done(_)));
    let replaced = store.range("/f", GetOptions::new(), 0).await.unwrap().kvs()[0].lease();
    assert!(replaced != 0 && replaced != shared);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_etcd_and_too_large_values_are_fatal() {
    let Some(etcd) = Etcd::start("http", &["--quota-backend-bytes=2000000".into()]) else { return };
    let store = EtcdStore::connect(etcd.options()).await.unwrap();
    for (size, said) in [(1_700_000, "request is too large"), (3_000_000, "larger than max")] {
        let refused = store.put("/c", vec![0; size].into(), Expect::Absent, None).await;
        assert!(matches!(&refused, Err(Error::Fatal(message)) if message.contains(said)), "{refused:?}");
    }
    put(&store, "/a", "x").await;
    for i in 0.. {
        assert!(i < 100, "never full");
        match store.put(&format!("/b{i}"), vec![0; 200_000].into(), Expect::Absent, None).await {
            Ok(_) => (),
            Err(Error::Fatal(message)) => {
                assert!(message.contains("database space exceeded") && message.contains("NOSPACE"), "{message}");
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(store.get("/a", None).await.unwrap().value.is_some(), "reads go on");
}

/// Progress keys of old servers are seen by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_leaves_no_trace() {
    let Some(etcd) = Etcd::start("http", &[]) else { return };
    let store = EtcdStore::connect(etcd.options()).await.unwrap();
    let from = put(&store, "/r/pods/a", "x").await;
    let end = prefix_end("/r/pods/");
    let mut inner = store.watch("/r/pods/"..&end, from).await.unwrap();
    let mut outer = store.watch("/r/".."/r0", from).await.unwrap();
    for watch in [&mut inner, &mut outer] {
        assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Put { .. }))));
        store.request_progress().await.unwrap();
        assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Progress(_)))));
    }
    let page = store.list("/".."0", 0, None).await.unwrap().value;
    assert_eq!(page.items.iter().map(|kv| kv.key.as_str()).collect::<Vec<_>>(), ["/r/pods/a"]);
    assert_eq!(page.count, 1);
    let last = put(&store, "/r/pods/b", "x").await;
    for watch in [&mut inner, &mut outer] {
        loop {
            match watch.next().await.unwrap().unwrap() {
                WatchEvent::Progress(_) => (),
                WatchEvent::Put { current, .. } => {
                    assert_eq!(current.mod_revision, last);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The way of newer servers, as far as an old one goes it too: requests are answered, though they may overtake events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_by_request() {
    let Some(etcd) = Etcd::start("http", &[]) else { return };
    let mut connections = Connections::open(etcd.options()).await.unwrap();
    connections.progress_overtakes = false;
    let store: Arc<dyn Store> = Arc::new(EtcdStore {
        connections: Arc::new(connections),
        leases: Leases::default(),
        progress: watch::Sender::default(),
        compactor: None,
        compacted: Arc::default(),
    });
    for case in crate::contract::CASES.iter().filter(|case| case.name == "progress") {
        (case.run)(crate::contract::Fixture::new(store.clone())).await;
    }
    let from = store.current_revision().await.unwrap() + 1;
    let mut watch = store.watch("/r/".."/r0", from).await.unwrap();
    for _ in 0..3 {
        store.request_progress().await.unwrap();
        assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Progress(revision))) if revision == from - 1));
    }
}

/// Not a check but a look at the speed (lists of etcd are paged finely in tests): `cargo test --release -p apiserver-storage speed -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed() {
    const TASKS: usize = 64;
    const WRITES: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let mut stores: Vec<(&str, Arc<dyn Store>)> = vec![
        ("memory", crate::memory::MemoryStore::new()),
        ("embedded", crate::embedded::EmbeddedStore::open(dir.path()).await.unwrap()),
    ];
    let etcd = Etcd::start("http", &[]);
    if let Some(etcd) = &etcd {
        stores.push(("etcd", EtcdStore::connect(etcd.options()).await.unwrap()));
    }
    for (name, store) in stores {
        let value = Bytes::from(vec![b'x'; 4096]);
        let begun = std::time::Instant::now();
        for i in 0..WRITES {
            store.put(&format!("/one/{i}"), value.clone(), Expect::Absent, None).await.unwrap();
        }
        let one = begun.elapsed() / WRITES as u32;
        let from = store.current_revision().await.unwrap() + 1;
        let mut watch = store.watch("/many/".."/many0", from).await.unwrap();
        let begun = std::time::Instant::now();
        let tasks = (0..TASKS).map(|task| {
            let (store, value) = (store.clone(), value.clone());
            tokio::spawn(async move {
                for i in 0..WRITES {
                    store.put(&format!("/many/{task}/{i}"), value.clone(), Expect::Absent, None).await.unwrap();
                }
            })
        });
        futures::future::join_all(tasks).await;
        let many = begun.elapsed();
        let mut seen = 0;
        while seen < TASKS * WRITES {
            watch.next().await.unwrap().unwrap();
            seen += 1;
        }
        let watched = begun.elapsed();
        let begun = std::time::Instant::now();
        let mut replay = store.watch("/many/".."/many0", from).await.unwrap();
        for _ in 0..TASKS * WRITES {
            replay.next().await.unwrap().unwrap();
        }
        let replayed = begun.elapsed();
        let begun = std::time::Instant::now();
        assert_eq!(store.list("/many/".."/many0", 0, None).await.unwrap().value.items.len(), TASKS * WRITES);
        let listed = begun.elapsed();
        println!(
            "{name}: a put {one:?}; {} puts by {TASKS} at a time {many:?}, all watched after {watched:?}, \
             replayed in {replayed:?}, listed in {listed:?}",
            TASKS * WRITES
        );
    }
}
