//! A priority level while the server runs: its fair queues, and the requests that wait in them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::classifier::Schema;
use crate::dump::Details;
use crate::estimate::Estimate;
use crate::metrics::Metrics;
use crate::queue_set::{Key, New, QueueSet, Reason, Started};
use crate::retry_after::RetryAfter;
use crate::timing::Timing;

/// The time since a start, as the queues are told it.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub Instant);

impl Clock {
    pub fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// What a level knows of a request that it does not ask about.
pub struct Payload {
    pub schema: String,
    pub distinguisher: String,
    pub details: Details,
    /// Told when its turn has come.
    turn: Option<oneshot::Sender<()>>,
}

/// A level.
pub struct Level {
    pub name: String,
    pub is_exempt: bool,
    set: Mutex<State>,
    /// The most that one request may be thought to need; 0 for no limit of the level's own.
    max_seats: AtomicUsize,
    quiescing: AtomicBool,
    drops: Mutex<RetryAfter>,
    clock: Clock,
    hasher: RandomState,
}

struct State {
    set: QueueSet<Payload>,
    /// What the parts are parts of.
    waiting_limit: f64,
    concurrency: f64,
    waiting: Timing,
    executing: Timing,
    seats: Timing,
    demand: Timing,
}

/// The queues of a level, locked.
pub struct Set<'a>(MutexGuard<'a, State>);

impl std::ops::Deref for Set<'_> {
    type Target = QueueSet<Payload>;
    fn deref(&self) -> &QueueSet<Payload> {
        &self.0.set
    }
}

impl std::ops::DerefMut for Set<'_> {
    fn deref_mut(&mut self) -> &mut QueueSet<Payload> {
        &mut self.0.set
    }
}

/// A request's seats, until it is dropped.
pub struct Seat {
    schema: Arc<Schema>,
    key: Key,
    seats: i64,
    began: Instant,
    is_watch: bool,
}

impl Level {
    pub(crate) fn new(name: &str, is_exempt: bool, metrics: &Metrics, clock: Clock) -> Level {
        let now = clock.now();
        let set = if is_exempt { QueueSet::exempt() } else { QueueSet::new(None, 0) };
        let state = State {
            set,
            waiting_limit: 1.0,
            concurrency: 1.0,
            waiting: metrics.request_utilization.of(&["waiting", name], now),
            executing: metrics.request_utilization.of(&["executing", name], now),
            seats: metrics.seat_utilization.of(&["executing", name], now),
            demand: metrics.demand_seats.of(&[name], now),
        };
        Level {
            name: name.to_owned(),
            is_exempt,
            set: Mutex::new(state),
            max_seats: AtomicUsize::new(0),
            quiescing: AtomicBool::new(false),
            drops: Mutex::default(),
            clock,
            hasher: RandomState::new(),
        }
    }

    /// The queues, for a moment.
    pub(crate) fn set(&self) -> Set<'_> {
        Set(self.set.lock())
    }

    pub(crate) fn is_quiescing(&self) -> bool {
        self.quiescing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_quiescing(&self, quiescing: bool) {
        self.quiescing.store(quiescing, Ordering::Relaxed);
    }

    /// The most seats that one request may be thought to need; 0 for no limit of the level's own.
    pub fn max_seats(&self) -> usize {
        self.max_seats.load(Ordering::Relaxed)
    }

    pub(crate) fn set_max_seats(&self, seats: usize) {
        self.max_seats.store(seats, Ordering::Relaxed);
    }

    /// Changes queues and seats, and wakes whose turn it is now.
    pub(crate) fn configure(&self, queuing: Option<crate::Queuing>, limit: usize, concurrency: f64) {
        let now = self.clock.now();
        let mut state = self.set.lock();
        state.waiting_limit = queuing.map_or(1.0, |queuing| (queuing.queues * queuing.length_limit.max(1)) as f64);
        state.concurrency = concurrency;
        state.set.configure(queuing, limit, now);
        state.after(now);
    }

    /// Takes seats for a request, once it is its turn. Says why it does not get any.
    ///
    /// The future may be dropped while it waits: then the request has left its queue.
    pub(crate) async fn enter(
        schema: &Arc<Schema>,
        distinguisher: &str,
        estimate: Estimate,
        details: Details,
        is_watch: bool,
        patience: Duration,
    ) -> Result<Seat, Reason> {
        let (level, metrics) = (&schema.level, &schema.metrics);
        let seats = estimate.max_seats();
        metrics.estimated_seats.observe(seats as f64);
        let payload =
            Payload { schema: schema.name.clone(), distinguisher: distinguisher.to_owned(), details, turn: None };
        let hash = level.hasher.hash_one((&schema.name, distinguisher));
        let arrived = Instant::now();
        let (key, turn, length) = {
            let now = level.clock.now();
            let mut state = level.set.lock();
            let started = state.set.start(New { hash, estimate, payload }, now);
            let mut turn = None;
            if let Started::Waiting(key) = started
                && let Some(payload) = state.set.payload(key)
            {
                let (sender, receiver) = oneshot::channel();
                payload.turn = Some(sender);
                turn = Some(receiver);
            }
            let length = state.set.queue_length();
            state.after(now);
            match (started, turn) {
                (Started::Refused(reason), _) => {
                    metrics.rejected(reason.as_str());
                    if !level.is_exempt {
                        metrics.waited(0.0, false);
                    }
                    return Err(reason);
                }
                (Started::Executing(key), _) => (key, None, length),
                (Started::Waiting(key), turn) => (key, turn, length),
            }
        };
        if let Some(length) = length {
            metrics.queue_length.observe(length as f64);
        }
        let mut pending = Pending { schema, key, is_armed: true };
        if let Some(turn) = turn {
            metrics.waiting.inc();
            metrics.waiting_seats.add(seats as i64);
            let queue = Waiting { schema, seats: seats as i64 };
            let came = tokio::time::timeout(patience.saturating_sub(arrived.elapsed()), turn).await;
            drop(queue);
            if !matches!(came, Ok(Ok(()))) && pending.cancel() {
                metrics.rejected(Reason::TimeOut.as_str());
                metrics.waited(arrived.elapsed().as_secs_f64(), false);
                return Err(Reason::TimeOut);
            }
        }
        pending.is_armed = false;
        if !level.is_exempt {
            metrics.waited(arrived.elapsed().as_secs_f64(), true);
        }
        metrics.dispatched.inc();
        metrics.executing.inc();
        metrics.executing_seats.add(seats as i64);
        Ok(Seat { schema: Arc::clone(schema), key, seats: seats as i64, began: Instant::now(), is_watch })
    }

    /// When a request that was turned away should come back, in seconds.
    pub(crate) fn dropped(&self) -> u64 {
        // Any second will do to count by, as long as it is not the one that counting begins with.
        self.drops.lock().dropped(self.clock.now() / 1_000_000_000 + 1)
    }

    /// Ends a request.
    fn leave(self: &Arc<Self>, key: Key) {
        let now = self.clock.now();
        let lingering = {
            let mut state = self.set.lock();
            let lingering = state.set.finish(key, now);
            state.after(now);
            lingering
        };
        let Some(lingering) = lingering else { return };
        let level = Arc::clone(self);
        let release = move || {
            let now = level.clock.now();
            let mut state = level.set.lock();
            state.set.release(key, now);
            state.after(now);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    tokio::time::sleep(Duration::from_nanos(lingering)).await;
                    release();
                });
            }
            // Without a runtime there is nobody who could wait.
            Err(_) => release(),
        }
    }
}

impl State {
    /// Wakes those whose turn has come, and notes how full the level is.
    fn after(&mut self, now: u64) {
        for key in self.set.take_ready() {
            // Whoever does not hear it any more is about to leave.
            if let Some(turn) = self.set.payload(key).and_then(|payload| payload.turn.take()) {
                let _ = turn.send(());
            }
        }
        let usage = self.set.usage();
        self.waiting.set(usage.waiting as f64 / self.waiting_limit, now);
        self.executing.set(usage.executing as f64 / self.concurrency, now);
        self.seats.set(usage.seats_in_use as f64 / self.concurrency, now);
        self.demand.set((usage.seats_in_use + usage.seats_waiting) as f64 / self.concurrency, now);
    }
}

/// A request that has come and has no seats yet.
struct Pending<'a> {
    schema: &'a Arc<Schema>,
    key: Key,
    is_armed: bool,
}

impl Pending<'_> {
    /// Leaves the queue; false if the seats have been given already.
    fn cancel(&mut self) -> bool {
        let level = &self.schema.level;
        let now = level.clock.now();
        let mut state = level.set.lock();
        let cancelled = state.set.cancel(self.key, now);
        state.after(now);
        if cancelled {
            self.is_armed = false;
        }
        cancelled
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // The client went away while it waited.
        if self.is_armed && !self.cancel() {
            self.schema.level.leave(self.key);
        }
    }
}

/// A request that is counted among those that wait.
struct Waiting<'a> {
    schema: &'a Arc<Schema>,
    seats: i64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.schema.metrics.waiting.dec();
        self.schema.metrics.waiting_seats.sub(self.seats);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let metrics = &self.schema.metrics;
        metrics.executing.dec();
        metrics.executing_seats.sub(self.seats);
        let execution = if self.is_watch { &metrics.watch } else { &metrics.regular };
        execution.observe(self.began.elapsed().as_secs_f64());
        self.schema.level.leave(self.key);
    }
}
