//! One ConfigMap changes, a thousand watchers see it: how fast, and at what cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tokio::task::JoinSet;

use super::super::client::{Client, MERGE_PATCH};
use super::super::process;
use super::super::{Figure, Goal, Load, Row, Setting};

pub const LOAD: Load = Load {
    name: "watches",
    rows: &[
        Row { name: "watch deliveries", unit: "/s", goal: Goal::None },
        Row { name: "watch deliveries per CPU second", unit: "", goal: Goal::Times(10.0) },
        Row { name: "watch latency p50 at 20 changes/s", unit: "ms", goal: Goal::None },
        Row { name: "watch latency p99 at 20 changes/s", unit: "ms", goal: Goal::AtMost(20.0) },
        Row { name: "CPU per delivery at 20 changes/s", unit: "us", goal: Goal::None },
    ],
    objects: false,
    once: false,
    run: |setting| Box::pin(run(setting)),
};

const NAMESPACE: &str = "bench-watched";
const MAPS: &str = "/api/v1/namespaces/bench-watched/configmaps";
/// Changes of one second are enough to be a flood: a thousand deliveries each.
const FLOOD: usize = 150;
const PACE: Duration = Duration::from_millis(50);

/// What all watchers saw.
struct Seen {
    events: AtomicUsize,
    started: Instant,
    /// Latencies in microseconds, by bucket of a tenth of a millisecond, the last one for all above.
    latencies: Vec<AtomicU64>,
}

impl Seen {
    fn new() -> Arc<Seen> {
        let latencies = (0..100_000).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Seen { events: AtomicUsize::new(0), started: Instant::now(), latencies })
    }

    /// Counts the events of a chunk, and how long ago the change was sent that the last of them tells of.
    fn read(&self, chunk: &Bytes) {
        let events = chunk.iter().filter(|byte| **byte == b'\n').count();
        if events == 0 {
            return;
        }
        self.events.fetch_add(events, Ordering::Relaxed);
        const MARK: &[u8] = b"\"sent\":\"";
        let Some(at) = find_last(chunk, MARK) else { return };
        let sent = chunk[at + MARK.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        let sent = sent.fold(0u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let bucket = usize::try_from(now.saturating_sub(sent) / 100).unwrap_or(usize::MAX);
        self.latencies[bucket.min(self.latencies.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.latencies.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
    }

    /// In milliseconds.
    fn percentile(&self, share: f64) -> Figure {
        let counts: Vec<u64> = self.latencies.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let rank = (counts.iter().sum::<u64>() as f64 * share).ceil() as u64;
        let mut passed = 0;
        let at = counts.iter().position(|count| {
            passed += count;
            passed >= rank
        })?;
        Some((at + 1) as f64 / 10.0)
    }

    async fn await_events(&self, wanted: usize) -> Result<()> {
        let patience = Instant::now();
        while self.events.load(Ordering::Relaxed) < wanted {
            if patience.elapsed() > Duration::from_secs(60) {
                bail!("{} of {wanted} events came", self.events.load(Ordering::Relaxed));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

fn find_last(text: &[u8], mark: &[u8]) -> Option<usize> {
    // The mark is near the end of an event: the search goes backwards.
    (0..text.len().checked_sub(mark.len())? + 1).rev().find(|at| text[*at..].starts_with(mark))
}

async fn run(setting: &Setting<'_>) -> Result<Vec<Figure>> {
    let (sizes, pid) = (setting.sizes, setting.subject.pid());
    let client = setting.client;
    let _ = client.call(Method::POST, "/api/v1/namespaces", namespace()).await?;
    let name = format!("watched-{}", setting.round);
    let map = json!({"metadata": {"name": name}, "data": {"padding": "x".repeat(500)}});
    client.must(Method::POST, MAPS, map.to_string()).await?;
    let listed: serde_json::Value = serde_json::from_slice(&client.read(MAPS).await?)?;
    let revision = listed["metadata"]["resourceVersion"].as_str().context("a list without a revision")?.to_owned();

    let seen = Seen::new();
    let mut watchers = JoinSet::new();
    let watching = Arc::new(Client::connect(&setting.subject.endpoint, sizes.watch_connections).await?);
    for _ in 0..sizes.watchers {
        let path = format!("{MAPS}?watch=true&resourceVersion={revision}");
        let response = watching.send(watching.request(Method::GET, &path).body(Full::default())?).await?;
        if !response.status().is_success() {
            bail!("a watch was answered with {}", response.status());
        }
        let seen = Arc::clone(&seen);
        watchers.spawn(async move {
            let mut body = response.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                if let Some(chunk) = frame.data_ref() {
                    seen.read(chunk);
                }
            }
        });
    }

    let path = Arc::new(format!("{MAPS}/{name}"));
    let change = |sent: u128| {
        let body = format!(r#"{{"data":{{"sent":"{sent}"}}}}"#);
        let request = client.request(Method::PATCH, &path).header(CONTENT_TYPE, MERGE_PATCH);
        Ok::<_, anyhow::Error>(request.body(Full::new(body.into()))?)
    };
    // Paced: what a watcher waits, and what a delivery costs when there is no hurry.
    let paced = ((sizes.seconds / PACE.as_secs_f64()) as usize).max(20);
    let cpu = process::cpu(pid)?;
    let mut tick = tokio::time::interval(PACE);
    for _ in 0..paced {
        tick.tick().await;
        let answer = client.exchange(change(seen.started.elapsed().as_micros())?).await?;
        if !answer.status.is_success() {
            bail!("a change was answered with {}", answer.status);
        }
    }
    seen.await_events(paced * sizes.watchers).await?;
    let cpu = (process::cpu(pid)?.saturating_sub(cpu)).as_secs_f64();
    let (p50, p99) = (seen.percentile(0.5), seen.percentile(0.99));
    let each = cpu * 1e6 / (paced * sizes.watchers) as f64;
    seen.clear();
    // A flood: as many as one writer can send, each a write that must succeed.
    let (before, started) = (process::cpu(pid)?, Instant::now());
    for _ in 0..FLOOD {
        let answer = client.exchange(change(seen.started.elapsed().as_micros())?).await?;
        if !answer.status.is_success() {
            bail!("a change was answered with {}", answer.status);
        }
    }
    seen.await_events((paced + FLOOD) * sizes.watchers).await?;
    let seconds = started.elapsed().as_secs_f64();
    let busy = process::cpu(pid)?.saturating_sub(before).as_secs_f64();
    let deliveries = (FLOOD * sizes.watchers) as f64;
    watchers.abort_all();
    Ok(vec![Some(deliveries / seconds), Some(deliveries / busy.max(0.01)), p50, p99, Some(each)])
}

fn namespace() -> String {
    json!({"metadata": {"name": NAMESPACE}}).to_string()
}
