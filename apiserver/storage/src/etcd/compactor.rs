//! Compacts etcd's history now and then, taking turns with every other apiserver on the same cluster.
//!
//! The protocol is kube-apiserver's (`compact.go` of k8s.io/apiserver), so that both can share a cluster. The version of
//! one key is a logical clock. Whoever still knows its time at the end of an interval moves it on and compacts to the
//! revision seen an interval ago; everyone else only learns the new time. So history is kept for at least one interval
//! and at most about two.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};

use super::connection::Connections;
use super::failure::Failure;
use crate::Revision;

const COMPACT_REV_KEY: &str = "compact_rev_key";

/// What one compactor knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Compactor {
    /// The version of the key when last seen.
    time: i64,
    /// The store's revision then.
    pub revision: Revision,
}

impl Compactor {
    /// `compacted` becomes the revision to which etcd was compacted last, by whomever.
    pub async fn run(mut self, connections: Arc<Connections>, interval: Duration, compacted: Arc<AtomicI64>) {
        loop {
            tokio::time::sleep(interval).await;
            match self.turn(&connections).await {
                Ok(Some(revision)) => {
                    compacted.fetch_max(revision, Ordering::Relaxed);
                    tracing::debug!(revision, "compacted etcd");
                }
                Ok(None) => (),
                Err(failure) => tracing::warn!(error = failure.message, "cannot compact etcd"),
            }
        }
    }

    /// Takes a turn; gives the revision compacted to, by this or by the one whose turn it was.
    pub async fn turn(&mut self, connections: &Connections) -> Result<Option<Revision>, Failure> {
        let Compactor { time, revision } = *self;
        let mut response = connections
            .write(|client| {
                let txn = Txn::new()
                    .when([Compare::version(COMPACT_REV_KEY, CompareOp::Equal, time)])
                    .and_then([TxnOp::put(COMPACT_REV_KEY, revision.to_string(), None)])
                    .or_else([TxnOp::get(COMPACT_REV_KEY, None)]);
                async move { client.kv().txn(txn).await }
            })
            .await?;
        self.revision = super::revision(response.take_header());
        if !response.succeeded() {
            let Some(TxnOpResponse::Get(get)) = response.op_responses().into_iter().next() else { return Ok(None) };
            self.time = get.kvs().first().map_or(0, |kv| kv.version());
            // The key says what its last writer compacts to.
            let compacted: Option<Revision> = get.kvs().first().and_then(|kv| kv.value_str().ok()?.parse().ok());
            return Ok(compacted.filter(|revision| *revision > 0));
        }
        self.time = time + 1;
        if revision == 0 {
            return Ok(None);
        }
        connections.write(|client| async move { client.kv().compact(revision, None).await }).await?;
        Ok(Some(revision))
    }
}
