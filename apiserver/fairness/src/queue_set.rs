//! Fair queues in front of a limited number of seats: a state machine that is told the time.
//!
//! Each flow has a few of the queues; among the queues that have anyone waiting, seats are shared out evenly, seat by
//! second. `R` is how many seat-seconds each queue with work has been due since the start: a queue's next request
//! belongs at `next_dispatch_r`, and the queue whose next request would be done first is served first.
//!
//! Source: apiserver `pkg/util/flowcontrol/fairqueuing/queueset`, KEP-1040.

use std::collections::VecDeque;

use crate::demand::{Integrator, Period};
use crate::estimate::Estimate;
use crate::sharding::Dealer;

/// Nanoseconds on the caller's clock.
pub type Nanos = u64;
/// Seat-seconds, in units of 10 ns of one seat. Wide enough to never run over.
type Work = i128;

/// How long a request is taken to last before it is known.
const ESTIMATED_DURATION: Nanos = 3_000_000;
/// Nanoseconds in a unit of [`Work`].
const UNIT: i128 = 10;

/// The queues of a level.
#[derive(Clone, Copy, Debug)]
pub struct Queuing {
    pub queues: usize,
    pub length_limit: usize,
    pub dealer: Dealer,
}

/// A request that begins. `P` is whatever its owner wants to find again.
#[derive(Debug)]
pub struct New<P> {
    /// Of its flow.
    pub hash: u64,
    pub estimate: Estimate,
    pub payload: P,
}

/// The place of a request in the set, from its start until its seats are free again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(usize);

/// What became of a request that began.
#[derive(Debug, PartialEq, Eq)]
pub enum Started {
    Executing(Key),
    Waiting(Key),
    Refused(Reason),
}

/// Why a request was turned away, as metrics say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    QueueFull,
    ConcurrencyLimit,
    TimeOut,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::QueueFull => "queue-full",
            Reason::ConcurrencyLimit => "concurrency-limit",
            Reason::TimeOut => "time-out",
        }
    }
}

/// What has happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub dispatched: u64,
    pub refused: u64,
    pub cancelled: u64,
}

/// What is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub waiting: usize,
    pub executing: usize,
    pub seats_in_use: usize,
    pub seats_waiting: usize,
}

/// The requests of one level.
#[derive(Debug)]
pub struct QueueSet<P> {
    queuing: Option<Queuing>,
    /// Whether there is no limit at all.
    exempt: bool,
    limit: usize,
    queues: Vec<Queue>,
    requests: Vec<Option<Request<P>>>,
    free: Vec<usize>,
    r: Work,
    now: Nanos,
    /// The queue that was served last.
    robin: usize,
    enqueued: usize,
    /// The length of the queue that got the last request.
    length: usize,
    usage: Usage,
    /// Queues that have anything waiting or executing, and the seats of all that.
    active: usize,
    queued_seats: usize,
    totals: Totals,
    demand: Integrator,
    ready: Vec<Key>,
    hand: Vec<usize>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Key>,
    executing: usize,
    seats_in_use: usize,
    next_dispatch_r: Work,
    /// Of those that wait.
    initial_seats: usize,
    max_seats: usize,
    work: Work,
    is_active: bool,
}

#[derive(Debug)]
struct Request<P> {
    estimate: Estimate,
    work: Work,
    arrival_r: Work,
    arrived: Nanos,
    /// None while it waits.
    began: Option<Nanos>,
    /// None of one that needed no queue.
    queue: Option<usize>,
    payload: P,
    /// Whether it is served, and only its seats are not free yet.
    lingers: bool,
}

/// What a dump shows of a queue.
#[derive(Debug)]
pub struct QueueDump {
    pub waiting: Vec<Key>,
    pub executing: Vec<Key>,
    pub seats_in_use: usize,
    pub next_dispatch_r: String,
    pub initial_seats: usize,
    pub max_seats: usize,
    pub work: String,
}

fn seats_times(seats: usize, duration: i128) -> Work {
    seats as i128 * duration / UNIT
}

/// Seat-seconds as upstream shows them.
fn shown(work: Work) -> String {
    let (sign, work) = (if work < 0 { "-" } else { "" }, work.unsigned_abs());
    format!("{sign}{}.{:08}ss", work / 100_000_000, work % 100_000_000)
}

impl<P> QueueSet<P> {
    /// A level without a limit.
    pub fn exempt() -> QueueSet<P> {
        QueueSet { exempt: true, ..QueueSet::new(None, 0) }
    }

    /// A level of this many seats.
    pub fn new(queuing: Option<Queuing>, limit: usize) -> QueueSet<P> {
        let mut set = QueueSet {
            queuing: None,
            exempt: false,
            limit,
            queues: Vec::new(),
            requests: Vec::new(),
            free: Vec::new(),
            r: 0,
            now: 0,
            robin: 0,
            enqueued: 0,
            length: 0,
            usage: Usage::default(),
            active: 0,
            queued_seats: 0,
            totals: Totals::default(),
            demand: Integrator::default(),
            ready: Vec::new(),
            hand: Vec::new(),
        };
        set.configure(queuing, limit, 0);
        set
    }

    /// Changes queues and seats. Queues that are too many get nobody new and go when they are empty.
    pub fn configure(&mut self, queuing: Option<Queuing>, limit: usize, now: Nanos) {
        self.advance(now);
        self.queuing = queuing;
        self.limit = limit;
        let wanted = queuing.map_or(0, |queuing| queuing.queues);
        if wanted > self.queues.len() {
            self.queues.resize_with(wanted, Queue::default);
        }
        self.drop_idle_queues();
        self.dispatch();
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// How long the queue was when the last request had come to it; none without queues.
    pub fn queue_length(&self) -> Option<usize> {
        self.queuing.map(|_| self.length)
    }

    pub fn is_idle(&self) -> bool {
        self.usage.waiting == 0 && self.usage.executing == 0
    }

    /// How many seats were wanted since this was asked last.
    pub fn demand(&mut self, now: Nanos) -> Period {
        self.demand.reset(now)
    }

    /// Seat-seconds due to each queue since the start.
    pub fn r(&self) -> f64 {
        self.r as f64 / 1e8
    }

    /// Begins a request. Others may have become [`QueueSet::take_ready`] with it.
    pub fn start(&mut self, new: New<P>, now: Nanos) -> Started {
        self.advance(now);
        let New { hash, estimate, payload } = new;
        let request = Request {
            work: seats_times(estimate.initial_seats, i128::from(ESTIMATED_DURATION))
                + seats_times(estimate.final_seats, estimate.additional.as_nanos() as i128),
            estimate,
            arrival_r: self.r,
            arrived: now,
            began: None,
            queue: None,
            payload,
            lingers: false,
        };
        let seats = estimate.max_seats();
        let Some(queuing) = self.queuing else {
            if !self.has_room(seats) {
                self.totals.refused += 1;
                return Started::Refused(Reason::ConcurrencyLimit);
            }
            let key = self.insert(Request { began: Some(now), ..request });
            self.usage.executing += 1;
            self.usage.seats_in_use += seats;
            self.totals.dispatched += 1;
            self.note_demand();
            return Started::Executing(key);
        };
        let chosen = self.choose(queuing, hash);
        if self.usage.seats_in_use >= self.limit && self.queues[chosen].waiting.len() >= queuing.length_limit {
            self.totals.refused += 1;
            return Started::Refused(Reason::QueueFull);
        }
        let (initial, work) = (estimate.initial_seats, request.work);
        let key = self.insert(Request { queue: Some(chosen), ..request });
        let queue = &mut self.queues[chosen];
        if queue.waiting.is_empty() && queue.executing == 0 {
            // Who comes to an empty queue is due now, whatever it had before.
            queue.next_dispatch_r = self.r;
        }
        queue.waiting.push_back(key);
        self.length = queue.waiting.len();
        queue.initial_seats += initial;
        queue.max_seats += seats;
        queue.work += work;
        self.usage.waiting += 1;
        self.usage.seats_waiting += seats;
        self.queued_seats += seats;
        self.note_activity(chosen);
        self.bound(chosen);
        self.note_demand();
        self.dispatch();
        match self.ready.iter().position(|ready| *ready == key) {
            Some(at) => {
                self.ready.swap_remove(at);
                Started::Executing(key)
            }
            None => Started::Waiting(key),
        }
    }

    /// Those whose turn has come while they waited.
    pub fn take_ready(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.ready)
    }

    /// Gives up waiting. False if the request's turn has come already: then it is to be finished.
    pub fn cancel(&mut self, key: Key, now: Nanos) -> bool {
        self.advance(now);
        let Some(request) = self.request(key).filter(|request| request.began.is_none()) else { return false };
        let Some(index) = request.queue else { return false };
        let Some(at) = self.queues[index].waiting.iter().position(|waiting| *waiting == key) else { return false };
        self.queues[index].waiting.remove(at);
        self.leave_queue(key, index);
        self.queued_seats -= self.remove(key).map_or(0, |request| request.estimate.max_seats());
        self.totals.refused += 1;
        self.totals.cancelled += 1;
        self.note_activity(index);
        self.bound(index);
        self.drop_idle_queues();
        self.note_demand();
        // The one who leaves may have been too wide for the seats that are free.
        self.dispatch();
        true
    }

    /// Ends a request. Its seats are free at once, or after the time that is answered, with [`QueueSet::release`].
    pub fn finish(&mut self, key: Key, now: Nanos) -> Option<Nanos> {
        self.advance(now);
        let limit = self.limit;
        let (queue, initial, took, lingering) = {
            let request = self.requests.get_mut(key.0)?.as_mut()?;
            let took = i128::from(now.saturating_sub(request.began?));
            if std::mem::replace(&mut request.lingers, true) {
                return None;
            }
            let estimate = request.estimate;
            let mut lingering = estimate.additional.as_nanos() as u64;
            if estimate.final_seats > limit && limit > 0 {
                // The same work on the seats that there are.
                lingering = (lingering as u128 * estimate.final_seats as u128 / limit as u128) as u64;
            }
            (request.queue, estimate.initial_seats, took, if estimate.final_seats > 0 { lingering } else { 0 })
        };
        self.usage.executing -= 1;
        if let Some(index) = queue {
            let queue = &mut self.queues[index];
            queue.executing -= 1;
            // Only now is it known how long the request took its seats.
            queue.next_dispatch_r += seats_times(initial, took - i128::from(ESTIMATED_DURATION));
            self.note_activity(index);
            self.bound(index);
        }
        if lingering > 0 {
            return Some(lingering);
        }
        self.free_seats(key);
        None
    }

    /// Frees the seats of a request that was finished before.
    pub fn release(&mut self, key: Key, now: Nanos) {
        self.advance(now);
        if self.request(key).is_some_and(|request| request.lingers) {
            self.free_seats(key);
        }
    }

    pub fn payload(&mut self, key: Key) -> Option<&mut P> {
        self.requests.get_mut(key.0)?.as_mut().map(|request| &mut request.payload)
    }

    /// Work, arrival and begin of a request.
    pub fn times(&self, key: Key) -> Option<(Estimate, Nanos, Option<Nanos>)> {
        self.request(key).map(|request| (request.estimate, request.arrived, request.began))
    }

    /// All queues, and what executes without one.
    pub fn dump(&self) -> (Vec<QueueDump>, Vec<Key>) {
        let mut queues: Vec<QueueDump> = self
            .queues
            .iter()
            .map(|queue| QueueDump {
                waiting: queue.waiting.iter().copied().collect(),
                executing: Vec::new(),
                seats_in_use: queue.seats_in_use,
                next_dispatch_r: shown(queue.next_dispatch_r),
                initial_seats: queue.initial_seats,
                max_seats: queue.max_seats,
                work: shown(queue.work),
            })
            .collect();
        let mut without = Vec::new();
        for (index, request) in self.requests.iter().enumerate() {
            if let Some(request) = request.as_ref().filter(|request| request.began.is_some() && !request.lingers) {
                match request.queue.and_then(|queue| queues.get_mut(queue)) {
                    Some(queue) => queue.executing.push(Key(index)),
                    None => without.push(Key(index)),
                }
            }
        }
        (queues, without)
    }

    fn request(&self, key: Key) -> Option<&Request<P>> {
        self.requests.get(key.0)?.as_ref()
    }

    fn insert(&mut self, request: Request<P>) -> Key {
        match self.free.pop() {
            Some(index) => {
                self.requests[index] = Some(request);
                Key(index)
            }
            None => {
                self.requests.push(Some(request));
                Key(self.requests.len() - 1)
            }
        }
    }

    fn remove(&mut self, key: Key) -> Option<Request<P>> {
        let removed = self.requests.get_mut(key.0)?.take();
        if removed.is_some() {
            self.free.push(key.0);
        }
        removed
    }

    /// Lets time pass: each queue with work is due its part of the seats.
    fn advance(&mut self, now: Nanos) {
        let passed = now.saturating_sub(self.now);
        self.now = self.now.max(now);
        if self.active > 0 {
            let seats = self.queued_seats.min(self.limit);
            self.r += seats as i128 * i128::from(passed) / UNIT / self.active as i128;
        }
    }

    /// The queue of a flow's hand that has the least work waiting.
    fn choose(&mut self, queuing: Queuing, hash: u64) -> usize {
        queuing.dealer.deal(hash, &mut self.hand);
        let size = self.hand.len();
        // Where several have as little, it is not always the first.
        let offset = self.enqueued % size;
        self.enqueued = self.enqueued.wrapping_add(1);
        let rotated = (0..size).map(|index| self.hand[(offset + index) % size]);
        rotated.min_by_key(|queue| self.queues[*queue].work).unwrap_or_default()
    }

    fn has_room(&self, seats: usize) -> bool {
        if self.exempt {
            return true;
        }
        if seats > self.limit {
            // Wider than all seats together: alone.
            return self.usage.executing == 0;
        }
        self.usage.seats_in_use + seats <= self.limit
    }

    fn dispatch(&mut self) {
        while self.usage.waiting > 0 && self.usage.seats_in_use < self.limit {
            let count = self.queues.len();
            let order = (1..=count).map(|step| (self.robin + step) % count);
            let finish = |index: usize| {
                let queue = &self.queues[index];
                let head = self.request(*queue.waiting.front()?)?;
                Some((queue.next_dispatch_r + head.work, index))
            };
            // The first of those that are equal: whom was served last comes last.
            let Some((_, index)) = order.filter_map(finish).min_by_key(|(finish, _)| *finish) else { return };
            let Some(key) = self.queues[index].waiting.front().copied() else { return };
            let Some((seats, work)) = self.request(key).map(|request| (request.estimate.max_seats(), request.work))
            else {
                return;
            };
            if !self.has_room(seats) {
                // It is this one's turn: nobody passes it, or it would never find room.
                return;
            }
            self.queues[index].waiting.pop_front();
            self.leave_queue(key, index);
            self.robin = index;
            let now = self.now;
            if let Some(Some(request)) = self.requests.get_mut(key.0) {
                request.began = Some(now);
            }
            self.usage.executing += 1;
            self.usage.seats_in_use += seats;
            self.totals.dispatched += 1;
            let queue = &mut self.queues[index];
            queue.executing += 1;
            queue.seats_in_use += seats;
            queue.next_dispatch_r += work;
            self.note_activity(index);
            self.bound(index);
            self.ready.push(key);
            self.note_demand();
        }
    }

    /// Takes a request out of the sums of those that wait.
    fn leave_queue(&mut self, key: Key, index: usize) {
        let Some((estimate, work)) = self.request(key).map(|request| (request.estimate, request.work)) else { return };
        let queue = &mut self.queues[index];
        queue.initial_seats -= estimate.initial_seats;
        queue.max_seats -= estimate.max_seats();
        queue.work -= work;
        self.usage.waiting -= 1;
        self.usage.seats_waiting -= estimate.max_seats();
    }

    fn free_seats(&mut self, key: Key) {
        let Some(request) = self.remove(key) else { return };
        let seats = request.estimate.max_seats();
        self.usage.seats_in_use -= seats;
        if let Some(index) = request.queue {
            self.queues[index].seats_in_use -= seats;
            self.queued_seats -= seats;
            self.drop_idle_queues();
        }
        self.note_demand();
        self.dispatch();
    }

    /// No request is due before it came: a queue that could not use its seats does not save them up.
    fn bound(&mut self, index: usize) {
        let Some(arrival) = self.queues[index].waiting.front().and_then(|key| self.request(*key)) else { return };
        let arrival = arrival.arrival_r;
        let queue = &mut self.queues[index];
        queue.next_dispatch_r = queue.next_dispatch_r.max(arrival);
    }

    fn note_activity(&mut self, index: usize) {
        let queue = &mut self.queues[index];
        let is_active = !queue.waiting.is_empty() || queue.executing > 0;
        if is_active != queue.is_active {
            queue.is_active = is_active;
            if is_active {
                self.active += 1;
            } else {
                self.active -= 1;
            }
        }
    }

    fn drop_idle_queues(&mut self) {
        let wanted = self.queuing.map_or(0, |queuing| queuing.queues);
        while self.queues.len() > wanted
            && self.queues.last().is_some_and(|queue| !queue.is_active && queue.seats_in_use == 0)
        {
            self.queues.pop();
            self.robin = self.robin.min(self.queues.len().saturating_sub(1));
        }
    }

    fn note_demand(&mut self) {
        let seats = self.usage.seats_in_use + self.usage.seats_waiting;
        self.demand.set(seats as f64, self.now);
    }
}

#[cfg(test)]
#[path = "queue_set_tests.rs"]
mod tests;
