//! Leases for keys with a time to live, shared as kube-apiserver shares them.
//!
//! A lease per key would cost a round trip and an entry in etcd for every Event. So a lease is granted with a little
//! more time than asked and given to the writes that follow closely. Numbers: `lease_manager.go` of k8s.io/apiserver.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::connection::Connections;
use crate::Result;

/// A lease is shared for at most this many seconds,
const MAX_REUSE_SECONDS: u64 = 60;
/// and at most one part in this many of the time to live,
const REUSE_PART: u64 = 20;
/// by at most this many keys.
const MAX_KEYS: usize = 1000;

#[derive(Default)]
pub(super) struct Leases {
    last: Mutex<Option<Lease>>,
}

struct Lease {
    id: i64,
    expires: Instant,
    keys: usize,
}

impl Lease {
    /// Whether a key that is written now lives at least `ttl` with this lease and not much longer.
    fn fits(&self, now: Instant, ttl: u64) -> bool {
        let earliest = now + Duration::from_secs(ttl);
        earliest < self.expires
            && earliest + Duration::from_secs(reuse_seconds(ttl)) > self.expires
            && self.keys < MAX_KEYS
    }
}

fn reuse_seconds(ttl: u64) -> u64 {
    (ttl / REUSE_PART).min(MAX_REUSE_SECONDS)
}

impl Leases {
    /// The id of a lease that lasts `ttl` seconds or a little longer.
    pub async fn get(&self, connections: &Connections, ttl: u64) -> Result<i64> {
        // Held over the request, so that a burst of writes asks for one lease.
        let mut last = self.last.lock().await;
        let now = Instant::now();
        if let Some(lease) = last.as_mut().filter(|lease| lease.fits(now, ttl)) {
            lease.keys += 1;
            return Ok(lease.id);
        }
        let granted = ttl + reuse_seconds(ttl);
        let seconds = i64::try_from(granted).unwrap_or(i64::MAX);
        // Granting twice is harmless: an unused lease expires by itself.
        let lease = connections.read(|client| async move { client.leases().grant(seconds, None).await }).await;
        let lease = lease.map_err(|failure| failure.on_read(0))?;
        *last = Some(Lease { id: lease.id(), expires: now + Duration::from_secs(granted), keys: 1 });
        Ok(lease.id())
    }

    /// Shares this lease no longer.
    pub async fn forget(&self, id: i64) {
        self.last.lock().await.take_if(|lease| lease.id == id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_shared_for_a_twentieth_of_its_time() {
        let granted = Instant::now();
        let lease = |keys| Lease { id: 1, expires: granted + Duration::from_secs(3600 + 60), keys };
        let later = |seconds| granted + Duration::from_secs(seconds);
        assert!(lease(1).fits(later(1), 3600));
        assert!(lease(1).fits(later(59), 3600));
        assert!(!lease(1).fits(later(60), 3600), "the key would die too soon");
        assert!(!lease(1).fits(later(1), 600), "the key would live too long");
        assert!(!lease(MAX_KEYS).fits(later(1), 3600));
        assert_eq!([10, 100, 1200, 86400].map(reuse_seconds), [0, 5, 60, 60]);
    }
}
