//! Tests of the fair queues: by example, and against what must always hold.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MS: Nanos = 1_000_000;

fn queuing(queues: usize, hand: usize, length_limit: usize) -> Option<Queuing> {
    Some(Queuing { queues, length_limit, dealer: Dealer::new(queues, hand).unwrap() })
}

fn seats(initial_seats: usize) -> Estimate {
    Estimate { initial_seats, ..Estimate::ONE }
}

fn start(set: &mut QueueSet<u32>, flow: u64, width: usize, now: Nanos) -> Started {
    set.start(New { hash: flow, estimate: seats(width), payload: flow as u32 }, now)
}

#[test]
fn without_queues_there_is_a_seat_or_there_is_none() {
    let mut set = QueueSet::new(None, 2);
    let Started::Executing(first) = start(&mut set, 0, 1, 0) else { panic!() };
    assert!(matches!(start(&mut set, 0, 1, 0), Started::Executing(_)));
    assert_eq!(start(&mut set, 0, 1, 0), Started::Refused(Reason::ConcurrencyLimit));
    assert_eq!(set.finish(first, 5), None);
    assert!(matches!(start(&mut set, 0, 1, 6), Started::Executing(_)));
    let mut exempt = QueueSet::exempt();
    assert!((0..100).all(|_| matches!(start(&mut exempt, 0, 5, 0), Started::Executing(_))));
}

#[test]
fn queues_fill_up_and_time_out() {
    let mut set = QueueSet::new(queuing(1, 1, 2), 1);
    let Started::Executing(first) = start(&mut set, 0, 1, 0) else { panic!() };
    let Started::Waiting(second) = start(&mut set, 0, 1, 0) else { panic!() };
    let Started::Waiting(third) = start(&mut set, 0, 1, 0) else { panic!() };
    assert_eq!(start(&mut set, 0, 1, 0), Started::Refused(Reason::QueueFull));
    assert!(set.cancel(second, MS));
    assert!(!set.cancel(second, MS));
    set.finish(first, 2 * MS);
    assert_eq!(set.take_ready(), [third]);
    assert!(!set.cancel(third, 2 * MS));
    assert_eq!(set.totals(), Totals { dispatched: 2, refused: 2, cancelled: 1 });
    assert_eq!(set.usage(), Usage { executing: 1, seats_in_use: 1, ..Usage::default() });
}

#[test]
fn a_mouse_does_not_wait_for_elephants() {
    let mut set = QueueSet::new(queuing(2, 1, 100), 1);
    let Started::Executing(mut running) = start(&mut set, 0, 1, 0) else { panic!() };
    for _ in 0..50 {
        start(&mut set, 0, 1, 0);
    }
    // Hands of one card out of two: flow 1 has the other queue.
    let Started::Waiting(mouse) = start(&mut set, 1, 1, MS) else { panic!() };
    let mut served = 0;
    for step in 2..10 {
        set.finish(running, step * MS);
        running = set.take_ready()[0];
        served += 1;
        if running == mouse {
            break;
        }
    }
    assert!(served <= 2, "{served}");
}

#[test]
fn seats_that_linger_are_free_later() {
    let mut set = QueueSet::new(queuing(1, 1, 10), 4);
    let estimate = Estimate { initial_seats: 1, final_seats: 4, additional: Duration::from_millis(5) };
    let Started::Executing(wide) = set.start(New { hash: 0, estimate, payload: 0 }, 0) else { panic!() };
    let Started::Waiting(next) = start(&mut set, 0, 1, 0) else { panic!() };
    assert_eq!(set.finish(wide, MS), Some(5 * MS));
    assert!(set.take_ready().is_empty());
    assert_eq!(set.usage().executing, 0);
    set.release(wide, 6 * MS);
    assert_eq!(set.take_ready(), [next]);
}

#[test]
fn fewer_queues_lose_nobody() {
    let mut set = QueueSet::new(queuing(4, 1, 10), 1);
    let Started::Executing(mut running) = start(&mut set, 0, 1, 0) else { panic!() };
    let mut waiting: Vec<Key> = (0..4)
        .map(|flow| match start(&mut set, flow, 1, 0) {
            Started::Waiting(key) => key,
            other => panic!("{other:?}"),
        })
        .collect();
    set.configure(queuing(1, 1, 10), 1, MS);
    while !waiting.is_empty() {
        set.finish(running, 2 * MS);
        let ready = set.take_ready();
        assert_eq!(ready.len(), 1);
        running = ready[0];
        waiting.retain(|key| *key != running);
    }
    set.finish(running, 3 * MS);
    assert_eq!(set.dump().0.len(), 1);
    assert!(set.is_idle());
    set.configure(None, 1, 4 * MS);
    assert!(set.dump().0.is_empty());
}

#[test]
fn seat_seconds_are_shown_as_upstream_shows_them() {
    assert_eq!(shown(0), "0.00000000ss");
    assert_eq!(shown(123_456_789_012), "1234.56789012ss");
}

/// What a client may do.
#[derive(Clone, Debug)]
enum Step {
    Start { flow: u64, width: usize, linger: usize },
    Finish(usize),
    Release(usize),
    Cancel(usize),
    Limit(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u64..5, 1usize..6, 0usize..4).prop_map(|(flow, width, linger)| Step::Start { flow, width, linger }),
        4 => any::<usize>().prop_map(Step::Finish),
        2 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (1usize..9).prop_map(Step::Limit),
        3 => (0u64..20 * MS).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..300)
}

/// What the test knows besides the set.
#[derive(Default)]
struct Model {
    executing: Vec<Key>,
    lingering: Vec<Key>,
    /// In the order of their coming, by queue: a hand of one card has one queue for each flow.
    waiting: BTreeMap<usize, VecDeque<Key>>,
    width: BTreeMap<Key, usize>,
}

impl Model {
    fn began(&mut self, set: &QueueSet<u32>, key: Key, limit: usize) -> Result<(), TestCaseError> {
        let queue = self.waiting.values_mut().find(|queue| queue.contains(&key));
        if let Some(queue) = queue {
            prop_assert_eq!(queue.pop_front(), Some(key), "first come, first served, within a flow");
        }
        let width = self.width[&key];
        if width > limit {
            prop_assert!(self.executing.is_empty(), "what is too wide is alone");
        }
        self.executing.push(key);
        let _ = set;
        Ok(())
    }

    fn check(&self, set: &QueueSet<u32>, limit: usize) -> Result<(), TestCaseError> {
        let in_use: usize = self.executing.iter().chain(&self.lingering).map(|key| self.width[key]).sum();
        let usage = set.usage();
        prop_assert_eq!(usage.seats_in_use, in_use);
        prop_assert_eq!(usage.executing, self.executing.len());
        prop_assert_eq!(usage.waiting, self.waiting.values().map(VecDeque::len).sum::<usize>());
        // No seat is free while the one whose turn it is would fit: nobody starves.
        if usage.waiting > 0 && in_use == 0 {
            prop_assert!(limit == 0, "seats are free and somebody waits");
        }
        let active = set.queues.iter().filter(|queue| !queue.waiting.is_empty() || queue.executing > 0).count();
        prop_assert_eq!(set.active, active);
        let seats = set.queues.iter().map(|queue| queue.seats_in_use + queue.max_seats).sum::<usize>();
        prop_assert_eq!(set.queued_seats, seats);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn seats_are_never_given_twice_and_nobody_starves(steps in steps()) {
        let mut limit = 4;
        let mut set = QueueSet::new(queuing(5, 1, 8), limit);
        let mut model = Model::default();
        let mut now = 0;
        for step in steps {
            // What was admitted under a higher limit may still be there.
            let before = set.usage().seats_in_use;
            match step {
                Step::Start { flow, width, linger } => {
                    let estimate = Estimate {
                        initial_seats: width, final_seats: linger, additional: Duration::from_millis(linger as u64),
                    };
                    match set.start(New { hash: flow, estimate, payload: flow as u32 }, now) {
                        Started::Executing(key) => {
                            model.width.insert(key, estimate.max_seats());
                            model.began(&set, key, limit)?;
                        }
                        Started::Waiting(key) => {
                            model.width.insert(key, estimate.max_seats());
                            let queue = set.request(key).unwrap().queue.unwrap();
                            model.waiting.entry(queue).or_default().push_back(key);
                        }
                        Started::Refused(reason) => {
                            prop_assert_eq!(reason, Reason::QueueFull);
                            prop_assert!(set.usage().seats_in_use >= limit);
                        }
                    }
                }
                Step::Finish(which) if !model.executing.is_empty() => {
                    let key = model.executing.swap_remove(which % model.executing.len());
                    if set.finish(key, now).is_some() {
                        model.lingering.push(key);
                    }
                }
                Step::Release(which) if !model.lingering.is_empty() => {
                    let key = model.lingering.swap_remove(which % model.lingering.len());
                    set.release(key, now);
                }
                Step::Cancel(which) => {
                    let waiting: Vec<Key> = model.waiting.values().flatten().copied().collect();
                    if !waiting.is_empty() {
                        let key = waiting[which % waiting.len()];
                        prop_assert!(set.cancel(key, now));
                        model.waiting.values_mut().for_each(|queue| queue.retain(|other| *other != key));
                    }
                }
                Step::Limit(to) => {
                    limit = to;
                    set.configure(queuing(5, 1, 8), limit, now);
                }
                Step::Wait(time) => now += time,
                _ => {}
            }
            let ready = set.take_ready();
            for key in ready {
                model.began(&set, key, limit)?;
            }
            let in_use = set.usage().seats_in_use;
            let widest_alone = model.executing.len() == 1;
            prop_assert!(in_use <= limit.max(before) || widest_alone, "{} of {}", in_use, limit);
            model.check(&set, limit)?;
        }
        // Everybody who waits is served once those before are done.
        for _ in 0..1000 {
            now += MS;
            for key in std::mem::take(&mut model.lingering) {
                set.release(key, now);
            }
            for key in std::mem::take(&mut model.executing) {
                if set.finish(key, now).is_some() {
                    model.lingering.push(key);
                }
            }
            for key in set.take_ready() {
                model.began(&set, key, limit)?;
            }
            if set.is_idle() && model.lingering.is_empty() {
                break;
            }
        }
        prop_assert!(set.is_idle());
        prop_assert_eq!(set.usage(), Usage::default());
    }
}
