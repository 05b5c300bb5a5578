//! The store in a real etcd: transactions, leases and watches over gRPC.
//!
//! One write is one transaction, one read one linearizable range. What is not a matter of one request has its own file:
//! connections and retries, failures, leases, watches, compaction.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use etcd_client::{Compare, CompareOp, GetOptions, GetResponse, PutOptions, ResponseHeader, Txn, TxnOp, TxnOpResponse};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::history::check_key;
use crate::{
    Error, Expect, KeyValue, Outcome, Page, Read, Result, Revision, Store, Watch, is_empty_range, ttl_seconds,
};

mod compactor;
mod connection;
mod failure;
mod lease;
mod watcher;

use compactor::Compactor;
use connection::Connections;
pub use connection::EtcdOptions;
use failure::{Failure, Kind};
use lease::Leases;
use watcher::{ProgressRequest, is_sentinel};

/// Keys asked of etcd in one message when a caller wants them all; more pages follow at the same revision.
const PAGE: usize = if cfg!(test) { 5 } else { 10_000 };
/// A key to read when only the store's revision or health matters.
const HEALTH_KEY: &str = "/registry/health";
/// Within this a healthy etcd answers; kube-apiserver's health check waits as long.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A [`Store`] whose state lives in an etcd cluster.
pub struct EtcdStore {
    connections: Arc<Connections>,
    leases: Leases,
    progress: watch::Sender<ProgressRequest>,
    compactor: Option<AbortHandle>,
    compacted: Arc<AtomicI64>,
}

impl EtcdStore {
    /// Connects to the cluster, trying until `options.dial_timeout` is over.
    ///
    /// # Errors
    /// [`Error::Fatal`] for options that cannot work, [`Error::Unavailable`] when no endpoint answered; both say in one
    /// line which file or endpoint it was and why.
    pub async fn connect(options: EtcdOptions) -> Result<Arc<Self>> {
        let interval = options.compaction_interval;
        let connections = Arc::new(Connections::open(options).await?);
        let compacted = Arc::new(AtomicI64::new(0));
        let compactor = (!interval.is_zero()).then(|| {
            let run = Compactor::default().run(connections.clone(), interval, compacted.clone());
            tokio::spawn(run).abort_handle()
        });
        Ok(Arc::new(EtcdStore {
            connections,
            leases: Leases::default(),
            progress: watch::Sender::default(),
            compactor,
            compacted,
        }))
    }

    async fn range(&self, key: &str, options: GetOptions, at: Revision) -> Result<GetResponse> {
        let options = options.with_revision(at);
        let range = |client: connection::Client| {
            let options = options.clone();
            async move { client.kv().get(key, Some(options)).await }
        };
        self.connections.read(range).await.map_err(|failure| failure.on_read(at))
    }

    /// Runs `then` if the key was last written at `mod_revision`, and reads the key if not.
    async fn compare(
        &self,
        key: &str,
        mod_revision: Revision,
        then: impl Fn() -> TxnOp,
    ) -> std::result::Result<Outcome, Failure> {
        let mut response = self
            .connections
            .write(|client| {
                let txn = Txn::new()
                    .when([Compare::mod_revision(key, CompareOp::Equal, mod_revision)])
                    .and_then([then()])
                    .or_else([TxnOp::get(key, None)]);
                async move { client.kv().txn(txn).await }
            })
            .await?;
        let revision = revision(response.take_header());
        if response.succeeded() {
            return Ok(Outcome::Done(revision));
        }
        let found = match response.op_responses().into_iter().next() {
            Some(TxnOpResponse::Get(mut get)) => get.take_kvs().into_iter().next(),
            _ => None,
        };
        Ok(Outcome::Conflict(Read { value: found.map(key_value).transpose()?, revision }))
    }
}

impl Drop for EtcdStore {
    fn drop(&mut self) {
        if let Some(compactor) = &self.compactor {
            compactor.abort();
        }
    }
}

#[async_trait]
impl Store for EtcdStore {
    async fn get(&self, key: &str, at: Option<Revision>) -> Result<Read<Option<KeyValue>>> {
        let key = first_key(key);
        let at = at.unwrap_or(0);
        let mut response = self.range(key, GetOptions::new(), at).await?;
        let value = response.take_kvs().into_iter().next().map(key_value).transpose()?;
        Ok(Read { value, revision: read_revision(at, response.take_header()) })
    }

    async fn list(&self, range: Range<&str>, limit: usize, at: Option<Revision>) -> Result<Read<Page>> {
        if is_empty_range(&range) {
            // An old or future revision must fail here too.
            let read = self.get(HEALTH_KEY, at).await?;
            return Ok(Read { value: Page::default(), revision: read.revision });
        }
        let mut start = first_key(range.start).to_owned();
        let mut at = at.unwrap_or(0);
        let mut all: Option<Read<Page>> = None;
        loop {
            let asked = if limit == 0 { PAGE } else { limit };
            let options = GetOptions::new().with_range(range.end).with_limit(i64::try_from(asked).unwrap_or(i64::MAX));
            let mut response = self.range(&start, options, at).await?;
            let kvs = response.take_kvs();
            let mut hidden = 0;
            let Read { value: page, revision } = all.get_or_insert_with(|| Read {
                value: Page { items: Vec::new(), more: false, count: response.count() },
                revision: read_revision(at, response.take_header()),
            });
            page.items.reserve(kvs.len());
            let mut last = None;
            for kv in kvs {
                let kv = key_value(kv)?;
                last = Some(kv.mod_revision);
                start.clone_from(&kv.key);
                if is_sentinel(&kv.key) {
                    hidden += 1;
                } else {
                    page.items.push(kv);
                }
            }
            page.count -= hidden;
            page.more = response.more();
            if limit != 0 || !response.more() || last.is_none() {
                break;
            }
            // The rest must be of the same revision as the beginning.
            at = if at > 0 { at } else { *revision };
            start.push('\0');
        }
        Ok(all.unwrap_or(Read { value: Page::default(), revision: at }))
    }

    async fn count(&self, range: Range<&str>) -> Result<Read<i64>> {
        if is_empty_range(&range) {
            return Ok(Read { value: 0, revision: self.current_revision().await? });
        }
        let options = GetOptions::new().with_range(range.end).with_count_only();
        let mut response = self.range(first_key(range.start), options, 0).await?;
        Ok(Read { value: response.count(), revision: revision(response.take_header()) })
    }

    async fn put(&self, key: &str, value: Bytes, expect: Expect, ttl: Option<Duration>) -> Result<Outcome> {
        check_key(key)?;
        let expected = match expect {
            Expect::Absent => 0,
            Expect::ModRevision(revision) => revision,
        };
        loop {
            let lease = match ttl {
                Some(ttl) => self.leases.get(&self.connections, ttl_seconds(ttl)).await?,
                None => 0,
            };
            let options = PutOptions::new().with_lease(lease);
            let put = || TxnOp::put(key, value.clone(), Some(options.clone()));
            match self.compare(key, expected, put).await {
                // A lease that was shared for long may be gone by now, and nothing was written.
                Err(Failure { kind: Kind::LeaseNotFound, .. }) if lease != 0 => self.leases.forget(lease).await,
                other => return other.map_err(Failure::on_write),
            }
        }
    }

    async fn delete(&self, key: &str, mod_revision: Revision) -> Result<Outcome> {
        if mod_revision <= 0 {
            // For etcd 0 equals the revision of an absent key, and deleting that would count as done.
            return Ok(Outcome::Conflict(self.get(key, None).await?));
        }
        check_key(key)?;
        self.compare(key, mod_revision, || TxnOp::delete(key, None)).await.map_err(Failure::on_write)
    }

    async fn watch(&self, range: Range<&str>, from: Revision) -> Result<Watch> {
        if is_empty_range(&range) {
            return Err(Error::Fatal("cannot watch an empty range".into()));
        }
        let from = if from > 0 { from } else { self.current_revision().await? + 1 };
        let range = first_key(range.start).to_owned()..range.end.to_owned();
        Ok(watcher::watch(self.connections.clone(), range, from, self.progress.subscribe()))
    }

    async fn current_revision(&self) -> Result<Revision> {
        let mut response = self.range(HEALTH_KEY, GetOptions::new().with_count_only(), 0).await?;
        Ok(revision(response.take_header()))
    }

    async fn request_progress(&self) -> Result<()> {
        if self.progress.receiver_count() == 0 {
            return Ok(());
        }
        // Where the watches write a sentinel they learn the revision from that.
        let revision = if self.connections.progress_overtakes() { 0 } else { self.current_revision().await? };
        self.progress.send_modify(|request| {
            request.number += 1;
            request.revision = request.revision.max(revision);
        });
        Ok(())
    }

    fn compacted(&self) -> Revision {
        self.compacted.load(Ordering::Relaxed)
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        let compaction = |client: connection::Client| async move { client.kv().compact(revision, None).await };
        match self.connections.write(compaction).await {
            Ok(_) => Ok(()),
            Err(Failure { kind: Kind::Future, .. }) => Err(Error::Future { asked: revision, current: None }),
            Err(failure) => Err(failure.on_write()),
        }
    }

    async fn ping(&self) -> Result<()> {
        let options = GetOptions::new().with_count_only();
        let ping = self.connections.once(|client| async move { client.kv().get(HEALTH_KEY, Some(options)).await });
        match tokio::time::timeout(PING_TIMEOUT, ping).await {
            Ok(answer) => answer.map(drop).map_err(|failure| failure.on_read(0)),
            Err(_) => Err(Error::Unavailable(format!("etcd did not answer within {PING_TIMEOUT:?}"))),
        }
    }

    async fn size(&self) -> Result<Option<u64>> {
        Ok(connection::size(&self.connections).await)
    }
}

/// The start of a range for etcd, which knows no empty key.
fn first_key(start: &str) -> &str {
    if start.is_empty() { "\0" } else { start }
}

fn revision(header: Option<ResponseHeader>) -> Revision {
    header.map_or(0, |header| header.revision())
}

fn read_revision(at: Revision, header: Option<ResponseHeader>) -> Revision {
    if at > 0 { at } else { revision(header) }
}

/// Takes over etcd's buffers without copying them.
fn key_value(kv: etcd_client::KeyValue) -> Result<KeyValue> {
    let (create_revision, mod_revision) = (kv.create_revision(), kv.mod_revision());
    let (key, value) = kv.into_key_value();
    let key = utf8_key(key)?;
    Ok(KeyValue { key, value: value.into(), create_revision, mod_revision })
}

fn utf8_key(key: Vec<u8>) -> Result<String> {
    String::from_utf8(key).map_err(|e| {
        Error::Fatal(format!("etcd holds a key that is not UTF-8: {:?}", String::from_utf8_lossy(e.as_bytes())))
    })
}

#[cfg(test)]
mod tests;
