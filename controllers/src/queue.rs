//! A work queue as client-go's: each item at most once in the queue and at most in one worker, retries backed off.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt::{Debug, Display},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use controllers_component_base::run::one_line;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::pod_control::message;

/// The first retry of an item comes after this, each further one after twice as long,
const BASE_DELAY: Duration = Duration::from_millis(5);
/// up to this.
const MAX_DELAY: Duration = Duration::from_secs(1000);

/// A queue. Clones share it.
pub struct Queue<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    state: Mutex<State<T>>,
    ready: Notify,
}

struct State<T> {
    order: VecDeque<T>,
    /// Waiting to be worked on: in `order`, or in work and to be done again.
    dirty: HashSet<T>,
    processing: HashSet<T>,
    failures: HashMap<T, u32>,
    /// Items to be added later, and when.
    later: HashMap<T, Instant>,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Queue { inner: self.inner.clone() }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let state = State {
            order: VecDeque::new(),
            dirty: HashSet::new(),
            processing: HashSet::new(),
            failures: HashMap::new(),
            later: HashMap::new(),
        };
        Queue { inner: Arc::new(Inner { state: Mutex::new(state), ready: Notify::new() }) }
    }
}

impl<T: Clone + Eq + Hash + Send + Sync + 'static> Queue<T> {
    pub fn add(&self, item: T) {
        let mut state = self.inner.state.lock();
        if !state.dirty.insert(item.clone()) || state.processing.contains(&item) {
            return;
        }
        state.order.push_back(item);
        drop(state);
        self.inner.ready.notify_one();
    }

    /// Adds the item after `delay`; of several delays of one item the shortest counts.
    pub fn add_after(&self, item: T, delay: Duration) {
        if delay.is_zero() {
            return self.add(item);
        }
        let at = Instant::now() + delay;
        {
            let mut state = self.inner.state.lock();
            if state.later.get(&item).is_some_and(|earlier| *earlier <= at) {
                return;
            }
            state.later.insert(item.clone(), at);
        }
        let queue = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            let due = {
                let mut state = queue.inner.state.lock();
                let due = state.later.get(&item) == Some(&at);
                if due {
                    state.later.remove(&item);
                }
                due
            };
            if due {
                queue.add(item);
            }
        });
    }

    /// Adds the item after its back-off.
    pub fn add_rate_limited(&self, item: T) {
        let failures = {
            let mut state = self.inner.state.lock();
            let failures = state.failures.entry(item.clone()).or_insert(0);
            *failures += 1;
            *failures
        };
        self.add_after(item, backoff(failures));
    }

    /// Ends the item's back-off.
    pub fn forget(&self, item: &T) {
        self.inner.state.lock().failures.remove(item);
    }

    /// The next item; it must be given back with [`Queue::done`].
    pub async fn get(&self) -> T {
        loop {
            let ready = self.inner.ready.notified();
            {
                let mut state = self.inner.state.lock();
                if let Some(item) = state.order.pop_front() {
                    state.dirty.remove(&item);
                    state.processing.insert(item.clone());
                    if !state.order.is_empty() {
                        self.inner.ready.notify_one();
                    }
                    return item;
                }
            }
            ready.await;
        }
    }

    /// Ends the work on an item; added meanwhile, it is queued again.
    pub fn done(&self, item: &T) {
        let mut state = self.inner.state.lock();
        state.processing.remove(item);
        if state.dirty.contains(item) {
            state.order.push_back(item.clone());
            drop(state);
            self.inner.ready.notify_one();
        }
    }
}

/// How long to wait after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    BASE_DELAY.checked_mul(1 << failures.saturating_sub(1).min(20)).map_or(MAX_DELAY, |delay| delay.min(MAX_DELAY))
}

/// Works on the queue's items in `workers` tasks until `shutdown`: `sync` one item at a time per worker, again with
/// back-off where it fails. Returns when all workers have ended.
pub async fn work<T, F, Fut>(
    controller: &'static str,
    queue: Queue<T>,
    workers: usize,
    shutdown: CancellationToken,
    sync: F,
) where
    T: Clone + Eq + Hash + Display + Debug + Send + Sync + 'static,
    F: Fn(T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let sync = Arc::new(sync);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..workers.max(1) {
        let (queue, sync, shutdown) = (queue.clone(), sync.clone(), shutdown.clone());
        tasks.spawn(async move {
            loop {
                let item = tokio::select! {
                    item = queue.get() => item,
                    () = shutdown.cancelled() => return,
                };
                match sync(item.clone()).await {
                    Ok(()) => queue.forget(&item),
                    Err(error) => {
                        match error.downcast_ref::<kube::Error>() {
                            // A write lost a race: the everyday reason to try again.
                            Some(kube::Error::Api(status)) if status.code == 409 => {
                                debug!("{controller}: {item}: {}", status.message);
                            }
                            Some(error) => info!("{controller}: syncing {item} failed, will retry: {}", message(error)),
                            None => info!("{controller}: syncing {item} failed, will retry: {}", one_line(&error)),
                        }
                        queue.add_rate_limited(item.clone());
                    }
                }
                queue.done(&item);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_item_in_work_is_queued_again_once() {
        let queue = Queue::default();
        queue.add("a");
        queue.add("a");
        queue.add("b");
        let a = queue.get().await;
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.get().await, "b");
        queue.done(&a);
        assert_eq!(queue.get().await, "a");
        queue.done(&"a");
        assert!(tokio::time::timeout(Duration::from_millis(20), queue.get()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_shortest_delay_counts_and_the_item_comes_once() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after("a", Duration::from_secs(10));
        queue.add_after("a", Duration::from_secs(2));
        queue.add_after("a", Duration::from_secs(5));
        assert_eq!(queue.get().await, "a");
        assert_eq!(start.elapsed().as_secs(), 2);
        queue.done(&"a");
        assert!(tokio::time::timeout(Duration::from_secs(60), queue.get()).await.is_err());
    }

    #[test]
    fn backoff_doubles_up_to_the_maximum() {
        assert_eq!(backoff(1), Duration::from_millis(5));
        assert_eq!(backoff(4), Duration::from_millis(40));
        assert_eq!(backoff(60), MAX_DELAY);
    }
}
