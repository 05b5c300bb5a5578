//! Priority and fairness of one server: the levels, who belongs to which, and how seats move between them.
//!
//! Source: apiserver `pkg/util/flowcontrol/apf_controller.go`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::allocation::{Claim, share_out};
use crate::classifier::{Asked, Classifier, Schema};
use crate::config::{FlowSchema, PriorityLevel};
use crate::demand::Demand;
use crate::dump::Details;
use crate::estimate::Estimate;
use crate::level::{Clock, Level, Seat};
use crate::metrics::Metrics;
use crate::queue_set::Queuing;
use crate::sharding::Dealer;
use crate::timing::Timing;
use crate::watches::Watches;

/// The part of a level's seats that one request may be thought to need.
const MAX_SEATS_PART: f64 = 0.15;

/// A request that was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Seconds after which it should come back.
    pub retry_after: u64,
}

/// Priority and fairness of one server.
pub struct Fairness {
    /// How many seats there are.
    seats: usize,
    classifier: ArcSwap<Classifier>,
    states: Mutex<States>,
    /// Requests by phase (waiting, executing) and kind (reading, changing).
    kinds: Mutex<[Kind; 4]>,
    metrics: Metrics,
    clock: Clock,
    started: Timestamp,
    pub watches: Watches,
    /// What there must be, also when somebody deleted it.
    mandatory: (Vec<FlowSchema>, Vec<PriorityLevel>),
}

#[derive(Default)]
struct States {
    levels: BTreeMap<String, State>,
    nominal_sum: usize,
}

/// What is known of a level besides its queues.
struct State {
    level: Arc<Level>,
    object: PriorityLevel,
    nominal: usize,
    lower: usize,
    upper: usize,
    current: usize,
    demand: Demand,
}

struct Kind {
    count: usize,
    limit: f64,
    timing: Timing,
}

/// One more request of a phase and a kind, until it is dropped.
struct Counted<'a> {
    fairness: &'a Fairness,
    index: usize,
}

impl Fairness {
    /// Fairness over this many seats. The mandatory objects are there whether they exist or not.
    pub fn new(
        seats: usize,
        metrics: Metrics,
        mandatory_schemas: Vec<FlowSchema>,
        mandatory_levels: Vec<PriorityLevel>,
    ) -> Fairness {
        let clock = Clock(Instant::now());
        let kind = |labels: [&str; 2]| Kind { count: 0, limit: 1.0, timing: metrics.reads_and_writes.of(&labels, 0) };
        let kinds = [
            kind(["waiting", "readOnly"]),
            kind(["waiting", "mutating"]),
            kind(["executing", "readOnly"]),
            kind(["executing", "mutating"]),
        ];
        let fairness = Fairness {
            seats,
            classifier: ArcSwap::from_pointee(Classifier::new(Vec::new())),
            states: Mutex::default(),
            kinds: Mutex::new(kinds),
            metrics,
            clock,
            started: Timestamp::now(),
            watches: Watches::default(),
            mandatory: (mandatory_schemas, mandatory_levels),
        };
        fairness.configure(Vec::new(), Vec::new());
        fairness
    }

    /// The flow schema that a request belongs to.
    pub fn classify(&self, asked: &Asked<'_>) -> Option<Arc<Schema>> {
        self.classifier.load().classify(asked).cloned()
    }

    /// All flow schemas, those asked first in front.
    pub fn schemas(&self) -> Vec<Arc<Schema>> {
        self.classifier.load().schemas().to_vec()
    }

    /// Takes seats for a request, once it is its turn; waits at most as long as `patience`.
    ///
    /// # Errors
    /// There is no place in its queue, or its turn did not come in time.
    pub async fn enter(
        &self,
        schema: &Arc<Schema>,
        asked: &Asked<'_>,
        estimate: Estimate,
        details: Details,
        is_mutating: bool,
        patience: Duration,
    ) -> Result<Seat, Refused> {
        let waiting = self.count(usize::from(is_mutating));
        let distinguisher = schema.distinguisher(asked);
        let entered = Level::enter(schema, distinguisher, estimate, details, asked.verb == "watch", patience).await;
        drop(waiting);
        entered.map_err(|_| Refused { retry_after: schema.level.dropped() })
    }

    /// Counts a request that is being served, until the answer is dropped.
    pub fn executing(&self, is_mutating: bool) -> impl Drop + '_ {
        self.count(2 + usize::from(is_mutating))
    }

    fn count(&self, index: usize) -> Counted<'_> {
        self.change(index, |count| *count += 1);
        Counted { fairness: self, index }
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut usize)) {
        let now = self.clock.now();
        let kind = &mut self.kinds.lock()[index];
        change(&mut kind.count);
        kind.timing.set(kind.count as f64 / kind.limit, now);
    }

    /// Notes how many watches hear of a change.
    pub fn observe_watches(schema: &Schema, count: usize) {
        schema.metrics.watch_count.observe(count as f64);
    }

    /// Takes over the objects as they are now. Levels that are gone stay until their last request is served.
    pub fn configure(&self, mut schemas: Vec<FlowSchema>, mut levels: Vec<PriorityLevel>) {
        levels.retain(|level| level.problem().is_none());
        for level in &self.mandatory.1 {
            if !levels.iter().any(|other| other.metadata.name == level.metadata.name) {
                levels.push(level.clone());
            }
        }
        for schema in &self.mandatory.0 {
            if !schemas.iter().any(|other| other.metadata.name == schema.metadata.name) {
                schemas.push(schema.clone());
            }
        }
        let mut states = self.states.lock();
        states.levels.retain(|name, state| {
            let is_wanted = levels.iter().any(|level| level.metadata.name == *name);
            state.level.set_quiescing(!is_wanted);
            is_wanted || !state.level.set().is_idle()
        });
        for object in levels {
            let name = object.metadata.name.clone();
            match states.levels.get_mut(&name) {
                Some(state) => state.object = object,
                None => {
                    let level = Arc::new(Level::new(&name, object.is_exempt(), &self.metrics, self.clock));
                    let state =
                        State { level, object, nominal: 0, lower: 0, upper: 0, current: 0, demand: Demand::default() };
                    states.levels.insert(name, state);
                }
            }
        }
        self.share_seats(&mut states);
        let compiled = schemas.iter().filter_map(|schema| {
            // One that names no level is dangling, and matches nothing.
            let state = states.levels.get(&schema.spec.priority_level_configuration.name)?;
            if state.level.is_quiescing() {
                return None;
            }
            let metrics = self.metrics.flow(&state.level.name, &schema.metadata.name);
            Some(Arc::new(Schema::new(schema, &state.object.metadata.uid, Arc::clone(&state.level), metrics)))
        });
        self.classifier.store(Arc::new(Classifier::new(compiled.collect())));
        self.adjust(&mut states);
    }

    /// Moves seats from levels that do not need them to those that do. To be called every ten seconds.
    pub fn rebalance(&self) {
        let mut states = self.states.lock();
        states.levels.retain(|_, state| !(state.level.is_quiescing() && state.level.set().is_idle()));
        self.adjust(&mut states);
    }

    /// Each level's own seats, and how many of them it may lend and borrow.
    fn share_seats(&self, states: &mut States) {
        let limits = &self.metrics.limits;
        let shares: f64 = states.levels.values().map(|state| f64::from(state.object.shares().0)).sum();
        let (mut executing, mut waiting) = (0, 0);
        for (name, state) in &mut states.levels {
            let (own, lendable, borrowing) = state.object.shares();
            let nominal = if shares > 0.0 { (self.seats as f64 * f64::from(own) / shares).ceil() as usize } else { 0 };
            let percent = |percent: u32| (nominal as f64 * f64::from(percent) / 100.0).round() as usize;
            let lendable = percent(lendable).min(nominal);
            let is_new = state.upper == 0;
            state.nominal = nominal;
            state.lower = nominal - lendable;
            state.upper = nominal + borrowing.map_or(self.seats, percent);
            if is_new {
                state.current = nominal - lendable / 2;
            }
            executing += nominal;
            if let Some(queuing) = state.object.queuing() {
                waiting += queuing.queues * queuing.queue_length_limit;
                let most = (nominal as f64 * MAX_SEATS_PART).ceil().min((nominal / queuing.hand_size.max(1)) as f64);
                state.level.set_max_seats(most.max(1.0) as usize);
            }
            limits.nominal.with_label_values(&[name]).set(state.nominal as i64);
            limits.lower.with_label_values(&[name]).set(state.lower as i64);
            limits.upper.with_label_values(&[name]).set(state.upper as i64);
        }
        states.nominal_sum = executing;
        for (index, kind) in self.kinds.lock().iter_mut().enumerate() {
            kind.limit = if index < 2 { waiting } else { executing }.max(1) as f64;
        }
    }

    /// How many seats each level has from now on.
    fn adjust(&self, states: &mut States) {
        let now = self.clock.now();
        let mut remaining = states.nominal_sum as f64;
        let (mut lower_sum, mut least_sum) = (0, 0);
        let mut claims = Vec::new();
        let least = |state: &State| {
            if state.level.is_exempt {
                state.lower.max(state.demand.high)
            } else {
                state.lower.max(state.nominal.min(state.demand.high))
            }
        };
        for state in states.levels.values_mut() {
            let period = state.level.set().demand(now);
            state.demand.update(period);
            let least = least(state);
            if state.level.is_exempt {
                remaining -= least as f64;
                continue;
            }
            let lower = least as f64;
            claims.push(Claim { target: lower.max(state.demand.smoothed), lower, upper: state.upper as f64 });
            lower_sum += state.lower;
            least_sum += least;
        }
        let mut shared = None;
        let mut part = 0.0;
        if remaining > least_sum as f64 {
            shared = share_out(states.nominal_sum as f64, &claims);
        } else if remaining > lower_sum as f64 {
            part = (remaining - lower_sum as f64) / (least_sum - lower_sum) as f64;
        }
        let limits = &self.metrics.limits;
        self.metrics.fair_fraction.set(shared.as_ref().map_or(0.0, |(_, fraction)| *fraction));
        let mut shares = shared.map(|(shares, _)| shares.into_iter());
        let mut targets = claims.iter().map(|claim| claim.target);
        for (name, state) in &mut states.levels {
            let least = least(state);
            let target = if state.level.is_exempt { least as f64 } else { targets.next().unwrap_or_default() };
            state.current = if state.level.is_exempt {
                least
            } else if remaining <= least_sum as f64 {
                state.lower + ((least - state.lower) as f64 * part).round() as usize
            } else {
                let share = shares.as_mut().and_then(Iterator::next);
                share.map_or(state.current, |share| share.round() as usize)
            };
            let whole =
                if state.current > 0 { state.current as f64 } else { (self.seats as f64 / 10.0).round().max(1.0) };
            let queuing = state.object.queuing().and_then(|queuing| {
                let dealer = Dealer::new(queuing.queues, queuing.hand_size)?;
                Some(Queuing { queues: queuing.queues, length_limit: queuing.queue_length_limit, dealer })
            });
            state.level.configure(queuing, state.current, whole);
            let labels = [name.as_str()];
            limits.current.with_label_values(&labels).set(state.current as i64);
            limits.high_watermark.with_label_values(&labels).set(state.demand.high as f64);
            limits.average.with_label_values(&labels).set(state.demand.average);
            limits.deviation.with_label_values(&labels).set(state.demand.deviation);
            limits.smoothed.with_label_values(&labels).set(state.demand.smoothed);
            limits.target.with_label_values(&labels).set(target);
            limits.r.with_label_values(&labels).set(state.level.set().r());
        }
    }

    /// All levels, by name.
    pub(crate) fn levels(&self) -> Vec<Arc<Level>> {
        self.states.lock().levels.values().map(|state| Arc::clone(&state.level)).collect()
    }

    /// A time of the queues' clock, as it is shown.
    pub(crate) fn time(&self, nanos: u64) -> String {
        self.started.checked_add(Duration::from_nanos(nanos)).unwrap_or(self.started).to_string()
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.fairness.change(self.index, |count| *count -= 1);
    }
}

#[cfg(test)]
#[path = "fairness_tests.rs"]
mod tests;
