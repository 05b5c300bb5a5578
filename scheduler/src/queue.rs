//! Pods that wait for a node: ready to be tried, backing off, or unschedulable until something happens.
//!
//! Time is given by the caller, as a duration since some start.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use crate::{
    framework::{ClusterEvent, PluginSet, QueueSort, SortKey},
    pod::{PodInfo, PodKey},
};

const FLUSH_PERIOD: Duration = Duration::from_secs(30);

/// How long pods wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delays {
    pub initial_backoff: Duration,
    pub max_backoff: Duration,
    /// An unschedulable pod is tried again after this even if nothing happened.
    pub max_unschedulable: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Delays {
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(10),
            max_unschedulable: Duration::from_secs(300),
        }
    }
}

/// A pod with its history of tries.
#[derive(Clone, Debug)]
pub struct QueuedPod {
    pub pod: Arc<PodInfo>,
    pub attempts: u32,
    /// Tries that ended with "fits nowhere", and tries in a row that ended with an error.
    unschedulable: u32,
    errors: u32,
    /// When it came first.
    pub added: Duration,
    /// What rejected it last; none: anything that happens may help.
    plugins: PluginSet,
}

#[derive(Debug)]
struct Entry {
    queued: QueuedPod,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Waits for its gates to be removed.
    Gated,
    Active(SortKey),
    /// Until when, with a tie-break; and whether because of an error.
    Backoff(Duration, u64, bool),
    Unschedulable {
        since: Duration,
    },
}

/// How many pods are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub active: usize,
    pub backoff: usize,
    pub unschedulable: usize,
    pub gated: usize,
}

/// The queue.
pub struct Queue {
    sort: &'static dyn QueueSort,
    delays: Delays,
    entries: HashMap<PodKey, Entry>,
    active: BTreeMap<SortKey, PodKey>,
    backoff: BTreeMap<(Duration, u64), PodKey>,
    sequence: u64,
    last_flush: Duration,
}

impl Queue {
    pub fn new(sort: &'static dyn QueueSort, delays: Delays) -> Self {
        Queue {
            sort,
            delays,
            entries: HashMap::new(),
            active: BTreeMap::new(),
            backoff: BTreeMap::new(),
            sequence: 0,
            last_flush: Duration::ZERO,
        }
    }

    /// Adds a pod, or brings one up to date: a change that matters for scheduling makes it be tried again.
    pub fn set(&mut self, pod: Arc<PodInfo>, gated: bool, now: Duration) {
        let key = pod.key.clone();
        match self.remove(&key) {
            Some((mut queued, place)) if queued.pod.uid == pod.uid => {
                let retry = changes_matter(&queued.pod, &pod);
                let same_order = queued.pod.priority == pod.priority;
                queued.pod = pod;
                match place {
                    _ if gated => self.insert(queued, Place::Gated),
                    Place::Gated => self.activate(queued, now),
                    Place::Active(_) if !same_order => self.activate(queued, now),
                    Place::Unschedulable { since } if retry => self.retry(queued, since, now),
                    place => self.insert(queued, place),
                }
            }
            _ => {
                let queued = QueuedPod {
                    pod,
                    attempts: 0,
                    unschedulable: 0,
                    errors: 0,
                    added: now,
                    plugins: PluginSet::default(),
                };
                if gated { self.insert(queued, Place::Gated) } else { self.activate(queued, now) }
            }
        }
    }

    /// Forgets a pod.
    pub fn delete(&mut self, key: &str) -> Option<Arc<PodInfo>> {
        self.remove(key).map(|(queued, _)| queued.pod)
    }

    /// Takes out the pod to try next.
    pub fn pop(&mut self, now: Duration) -> Option<QueuedPod> {
        self.flush(now);
        let ready = self.active.first_key_value().map(|(_, key)| key);
        // With nothing better to do, a pod that backs off is tried early, unless an error made it.
        let early = || self.backoff.values().find(|key| !self.backs_off_after_error(key));
        let key = ready.or_else(early)?.clone();
        let (mut queued, _) = self.remove(&key)?;
        queued.attempts += 1;
        Some(queued)
    }

    fn backs_off_after_error(&self, key: &PodKey) -> bool {
        self.entries.get(key).is_some_and(|entry| matches!(entry.place, Place::Backoff(_, _, true)))
    }

    /// Puts back a pod that fits nowhere; `plugins` rejected it.
    pub fn put_back_unschedulable(&mut self, mut queued: QueuedPod, plugins: PluginSet, now: Duration) {
        queued.unschedulable += 1;
        queued.errors = 0;
        queued.plugins = plugins;
        self.insert(queued, Place::Unschedulable { since: now });
    }

    /// Puts back a pod that could not be bound or tried.
    pub fn put_back_after_error(&mut self, mut queued: QueuedPod, now: Duration) {
        queued.errors += 1;
        queued.plugins = PluginSet::default();
        let until = now + self.backoff_after(queued.errors);
        self.sequence += 1;
        let place = Place::Backoff(until, self.sequence, true);
        self.insert(queued, place);
    }

    /// Tries again the pods that an event may have made schedulable.
    pub fn on_event(&mut self, event: ClusterEvent, now: Duration) {
        let waits = |entry: &Entry| {
            let queued = &entry.queued;
            let hinted =
                || queued.plugins.iter().any(|plugin| plugin.hint.is_some_and(|h| h.queue(&queued.pod, event)));
            matches!(entry.place, Place::Unschedulable { .. }) && (queued.plugins.is_empty() || hinted())
        };
        let woken: Vec<PodKey> =
            self.entries.iter().filter(|(_, entry)| waits(entry)).map(|(key, _)| key.clone()).collect();
        for key in woken {
            if let Some((queued, Place::Unschedulable { since })) = self.remove(&key) {
                self.retry(queued, since, now);
            }
        }
    }

    /// When the queue has something to do next, if nothing happens before.
    pub fn next_wakeup(&self) -> Option<Duration> {
        let backoff = self.backoff.first_key_value().map(|((until, _), _)| *until);
        let waiting = self.entries.len() > self.backoff.len();
        let flush = waiting.then_some(self.last_flush + FLUSH_PERIOD);
        backoff.into_iter().chain(flush).min()
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in self.entries.values() {
            match entry.place {
                Place::Active(_) => counts.active += 1,
                Place::Backoff(..) => counts.backoff += 1,
                Place::Unschedulable { .. } => counts.unschedulable += 1,
                Place::Gated => counts.gated += 1,
            }
        }
        counts
    }

    pub fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub fn keys(&self) -> Vec<PodKey> {
        self.entries.keys().cloned().collect()
    }

    /// Moves on what backed off long enough, and now and then what was unschedulable for too long.
    fn flush(&mut self, now: Duration) {
        while let Some((&(until, _), key)) = self.backoff.first_key_value()
            && until <= now
        {
            let key = key.clone();
            if let Some((queued, _)) = self.remove(&key) {
                self.activate(queued, now);
            }
        }
        if now < self.last_flush + FLUSH_PERIOD {
            return;
        }
        self.last_flush = now;
        let too_long = |entry: &Entry| match entry.place {
            Place::Unschedulable { since } => now.saturating_sub(since) > self.delays.max_unschedulable,
            _ => false,
        };
        let woken: Vec<PodKey> =
            self.entries.iter().filter(|(_, entry)| too_long(entry)).map(|(key, _)| key.clone()).collect();
        for key in woken {
            if let Some((queued, _)) = self.remove(&key) {
                self.activate(queued, now);
            }
        }
    }

    fn retry(&mut self, queued: QueuedPod, since: Duration, now: Duration) {
        let until = since + self.backoff_after(queued.unschedulable);
        if until <= now {
            return self.activate(queued, now);
        }
        self.sequence += 1;
        let place = Place::Backoff(until, self.sequence, false);
        self.insert(queued, place);
    }

    fn backoff_after(&self, times: u32) -> Duration {
        let doubled =
            self.delays.initial_backoff.saturating_mul(1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX));
        if times == 0 { Duration::ZERO } else { doubled.min(self.delays.max_backoff) }
    }

    fn activate(&mut self, queued: QueuedPod, now: Duration) {
        self.sequence += 1;
        let key = self.sort.key(&queued.pod, now, self.sequence);
        self.insert(queued, Place::Active(key));
    }

    fn insert(&mut self, queued: QueuedPod, place: Place) {
        let key = queued.pod.key.clone();
        match place {
            Place::Active(sort_key) => drop(self.active.insert(sort_key, key.clone())),
            Place::Backoff(until, sequence, _) => drop(self.backoff.insert((until, sequence), key.clone())),
            Place::Gated | Place::Unschedulable { .. } => {}
        }
        self.entries.insert(key, Entry { queued, place });
    }

    fn remove(&mut self, key: &str) -> Option<(QueuedPod, Place)> {
        let Entry { queued, place } = self.entries.remove(key)?;
        match place {
            Place::Active(sort_key) => drop(self.active.remove(&sort_key)),
            Place::Backoff(until, sequence, _) => drop(self.backoff.remove(&(until, sequence))),
            Place::Gated | Place::Unschedulable { .. } => {}
        }
        Some((queued, place))
    }
}

/// Can the change of the pod itself make it schedulable? Its conditions and nomination cannot.
fn changes_matter(old: &PodInfo, new: &PodInfo) -> bool {
    let (Some(was), Some(is)) = (&old.pending, &new.pending) else { return true };
    old.class != new.class
        || old.requests != new.requests
        || was.gates != is.gates
        || was.tolerations != is.tolerations
        || was.required_nodes != is.required_nodes
        || was.spread != is.spread
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plugins::{TABLE, priority_sort},
        testing::{node, pod},
    };

    fn queue() -> Queue {
        Queue::new(priority_sort::PLUGIN.queue_sort.unwrap(), Delays::default())
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn plugin(name: &str) -> PluginSet {
        PluginSet::of(TABLE.iter().position(|plugin| plugin.name == name).unwrap())
    }

    fn pop(queue: &mut Queue, now: u64) -> Option<String> {
        queue.pop(seconds(now)).map(|queued| queued.pod.name().to_string())
    }

    #[test]
    fn by_priority_then_age() {
        let mut queue = queue();
        queue.set(Arc::new(pod("a").info()), false, seconds(0));
        queue.set(Arc::new(pod("b").info()), false, seconds(1));
        queue.set(Arc::new(pod("c").priority(5).info()), false, seconds(2));
        queue.set(Arc::new(pod("gated").info()), true, seconds(2));
        assert_eq!(queue.counts(), Counts { active: 3, gated: 1, ..Counts::default() });
        let order: Vec<_> = std::iter::from_fn(|| pop(&mut queue, 3)).collect();
        assert_eq!(order, ["c", "a", "b"]);
        queue.set(Arc::new(pod("gated").info()), false, seconds(4));
        assert_eq!(pop(&mut queue, 4).as_deref(), Some("gated"));
    }

    #[test]
    fn unschedulable_until_an_event_helps() {
        let mut queue = queue();
        queue.set(Arc::new(pod("p").cpu("2").info()), false, seconds(0));
        let popped = queue.pop(seconds(0)).unwrap();
        queue.put_back_unschedulable(popped, plugin("NodeResourcesFit"), seconds(0));
        assert_eq!(pop(&mut queue, 20), None);
        queue.on_event(ClusterEvent::NodeAdded(&node("small").cpu("1").facts()), seconds(20));
        assert_eq!(pop(&mut queue, 20), None);
        queue.on_event(ClusterEvent::NodeAdded(&node("large").cpu("4").facts()), seconds(20));
        assert_eq!(pop(&mut queue, 20).as_deref(), Some("p"));
    }

    #[test]
    fn backoff_grows_and_is_cut_short_only_without_errors() {
        let mut queue = queue();
        queue.set(Arc::new(pod("p").info()), false, seconds(0));
        for (now, wait) in [(0, 1), (10, 2), (20, 4), (30, 8), (50, 10), (70, 10)] {
            let popped = queue.pop(seconds(now)).unwrap();
            queue.put_back_after_error(popped, seconds(now));
            assert_eq!(queue.next_wakeup(), Some(seconds(now + wait)));
            assert_eq!(pop(&mut queue, now + wait - 1), None);
        }
        let popped = queue.pop(seconds(100)).unwrap();
        queue.put_back_unschedulable(popped, PluginSet::default(), seconds(100));
        queue.on_event(ClusterEvent::NamespaceChanged, seconds(100));
        assert_eq!(queue.counts().backoff, 1);
        assert_eq!(pop(&mut queue, 100).as_deref(), Some("p"), "nothing else to do");
    }

    #[test]
    fn nothing_waits_longer_than_five_minutes() {
        let mut queue = queue();
        queue.set(Arc::new(pod("p").info()), false, seconds(0));
        let popped = queue.pop(seconds(0)).unwrap();
        queue.put_back_unschedulable(popped, plugin("NodeName"), seconds(0));
        assert_eq!(pop(&mut queue, 290), None);
        assert!(queue.next_wakeup().unwrap() <= seconds(320));
        assert_eq!(pop(&mut queue, 331).as_deref(), Some("p"));
    }

    #[test]
    fn status_changes_do_not_wake_the_pod_itself() {
        let mut queue = queue();
        queue.set(Arc::new(pod("p").info()), false, seconds(0));
        let popped = queue.pop(seconds(0)).unwrap();
        queue.put_back_unschedulable(popped, plugin("TaintToleration"), seconds(0));
        queue.set(Arc::new(pod("p").info()), false, seconds(20));
        assert_eq!(pop(&mut queue, 20), None);
        queue.set(Arc::new(pod("p").tolerate("k").info()), false, seconds(20));
        assert_eq!(pop(&mut queue, 20).as_deref(), Some("p"));
    }
}
