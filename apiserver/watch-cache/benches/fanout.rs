//! Prints what the cache costs: memory per object, a LIST of 10,000 pods, 1,000 watchers of 2,000 events.
//!
//! `cargo bench -p apiserver-watch-cache`, without HTTP: what is left is the cache. In front of the in-memory store, or of
//! an empty etcd: `ETCD=http://127.0.0.1:2379`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apiserver_storage::etcd::{EtcdOptions, EtcdStore};
use apiserver_storage::memory::MemoryStore;
use apiserver_storage::{Expect, KeyValue, Store};
use apiserver_watch_cache::*;
use bytes::Bytes;

const PODS: usize = 10_000;
const WATCHERS: usize = 1_000;
const EVENTS: usize = 2_000;

/// Stores JSON; the fields are cut out of where `pod` puts them.
struct BenchCodec;

impl Codec for BenchCodec {
    fn decode(&self, stored: &KeyValue) -> Result<Decoded, DecodeError> {
        let json = self.restamp(&stored.value, stored.mod_revision);
        let text = std::str::from_utf8(&stored.value).map_err(|error| DecodeError::Damaged(error.to_string()))?;
        let cut = |name: &str| text.split_once(name).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
        Ok(Decoded {
            namespace: "default".into(),
            name: cut("\"name\":\"").into(),
            labels: Box::new([("app".into(), cut("\"app\":\"").into()), ("tier".into(), "web".into())]),
            fields: Box::new([("spec.nodeName".into(), cut("\"nodeName\":\"").into())]),
            json,
        })
    }
}

fn pod(n: usize, padding: &str) -> Bytes {
    format!(
        r#"{{"metadata":{{"name":"pod-{n:05}","labels":{{"app":"app-{}","tier":"web"}},"resourceVersion":""}},"spec":{{"nodeName":"node-{}","x":"{padding}"}}}}"#,
        n % 100,
        n % 50
    )
    .into()
}

fn key(n: usize) -> String {
    format!("/registry/pods/default/pod-{n:05}")
}

fn resident_mib() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages: f64 = pages.and_then(|s| s.split(' ').nth(1)?.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}

async fn write(store: &dyn Store, n: usize, value: Bytes) -> Revision {
    let found = store.get(&key(n), None).await.expect("a read").value;
    let expect = found.map_or(Expect::Absent, |found| Expect::ModRevision(found.mod_revision));
    match store.put(&key(n), value, expect, None).await.expect("a write") {
        apiserver_storage::Outcome::Done(revision) => revision,
        apiserver_storage::Outcome::Conflict(_) => unreachable!("there is one writer"),
    }
}

fn rate(what: &str, times: usize, work: impl Fn() -> usize) {
    let begun = Instant::now();
    let mut total = 0;
    for _ in 0..times {
        total += work();
    }
    let each = begun.elapsed() / u32::try_from(times).unwrap_or(1);
    println!("{what}: {each:?} each, {:.0}/s ({total} in total)", 1.0 / each.as_secs_f64());
}

#[tokio::main]
async fn main() {
    let store: Arc<dyn Store> = match std::env::var("ETCD") {
        Ok(endpoint) => {
            let options = EtcdOptions { endpoints: vec![endpoint], ..EtcdOptions::default() };
            EtcdStore::connect(options).await.expect("an etcd")
        }
        Err(_) => MemoryStore::new(),
    };
    let padding = "y".repeat(2500);
    for n in 0..PODS {
        write(&*store, n, pod(n, &padding)).await;
    }
    let before = resident_mib();
    let begun = Instant::now();
    let feed = Feed::start(store.clone(), "/registry/");
    let cache =
        Cache::start(&feed, CacheOptions::new("/registry/pods/").index(["spec.nodeName"]), Arc::new(BenchCodec));
    cache.ready().await.expect("the cache runs");
    let after = resident_mib();
    println!("{PODS} pods of 2.6 kB listed in {:?}, {:.1} MiB", begun.elapsed(), after - before);

    let list = |scope: Scope, expected: usize| {
        let cache = cache.clone();
        move || {
            let objects = cache.snapshot().list(&scope, None);
            let (count, bytes) = objects
                .fold((0, 0), |(count, bytes), object| (count + 1, bytes + object.json().map_or(0, |json| json.len())));
            assert_eq!(count, expected);
            usize::from(bytes > 0)
        }
    };
    rate("LIST all, JSON", 50, list(Scope::all(), PODS));
    rate("LIST by label, 100", 500, list(Scope::all().label("app", "app-7"), 100));
    rate("LIST by field, 200", 500, list(Scope::all().field("spec.nodeName", "node-7"), 200));
    rate("GET", 20_000, || cache.get(&key(4711)).map_or(0, |_| 1));
    let begun = Instant::now();
    for _ in 0..1000 {
        cache.consistent().await.expect("fresh");
    }
    println!("consistent: {:?} each", begun.elapsed() / 1000);

    fan_out("all", &store, &cache, &padding, |_| Scope::all(), WATCHERS * EVENTS).await;
    // Each event belongs to one node of fifty, and so to twenty watchers.
    let by_node = |n: usize| Scope::all().field("spec.nodeName", format!("node-{}", n % 50));
    fan_out("one node each", &store, &cache, &padding, by_node, WATCHERS * EVENTS / 50).await;
    println!("resident in all, store included: {:.0} MiB", resident_mib());
}

async fn fan_out(
    what: &str,
    store: &Arc<dyn Store>,
    cache: &Arc<Cache>,
    padding: &str,
    scope: impl Fn(usize) -> Scope,
    expected: usize,
) {
    let epoch = Instant::now();
    let written: Arc<Vec<AtomicU64>> = Arc::new((0..EVENTS).map(|_| AtomicU64::new(0)).collect());
    let tasks: Vec<_> = (0..WATCHERS)
        .map(|n| {
            let options =
                WatchOptions { from: From::Now, scope: scope(n), filter: None, bookmarks: true, deadline: None };
            let mut watcher = cache.watch(options).expect("a watch");
            let (written, share) = (written.clone(), expected / WATCHERS);
            tokio::spawn(async move {
                let (mut items, mut late, mut bytes) = (Vec::new(), Vec::with_capacity(share), 0);
                while late.len() < share {
                    watcher.next_batch(&mut items, 256).await.expect("a quick watcher");
                    for item in items.drain(..) {
                        let WatchItem::Event(event) = item else { continue };
                        bytes += event.frame(FormId(1), |_, object| object.json().unwrap_or_default()).len();
                        let at: usize = event.object().name()["pod-".len()..].parse().expect("a name of ours");
                        let now = u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(0);
                        late.push(now.saturating_sub(written[at].load(Ordering::Relaxed)));
                    }
                }
                assert!(bytes > 0);
                late
            })
        })
        .collect();
    let cpu = cpu_seconds();
    let begun = Instant::now();
    for at in 0..EVENTS {
        written[at].store(u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(0), Ordering::Relaxed);
        write(&**store, at, pod(at, padding)).await;
        // About 1,500 writes a second.
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    let mut late = Vec::with_capacity(expected);
    for task in tasks {
        late.extend(task.await.expect("a watcher"));
    }
    let (wall, cpu) = (begun.elapsed(), cpu_seconds() - cpu);
    late.sort_unstable();
    let at = |part: f64| Duration::from_nanos(late[((late.len() - 1) as f64 * part) as usize]);
    println!(
        "{WATCHERS} watchers, {what}: {} deliveries in {wall:?}, {:.0}/s, {:.0} per CPU second; p50 {:?} p99 {:?} max {:?}",
        late.len(),
        late.len() as f64 / wall.as_secs_f64(),
        late.len() as f64 / cpu,
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
