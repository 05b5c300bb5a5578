//! Encodings kept beside an object or an event, made once and shared, within a bound for all of them together.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

/// Names one encoding of an object or one framing of an event: what the server writes for one media type, version and
/// transformation. The numbers are the server's; two encodings that could differ in one byte need two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormId(pub u64);

/// The encodings of one object. Nothing is allocated until one is asked for.
pub(crate) struct Forms {
    budget: Arc<FormBudget>,
    made: OnceLock<Arc<FormSet>>,
}

/// An encoding is named by its form and, for events, by the kind it is framed as.
type Name = (FormId, u8);

#[derive(Default)]
struct FormSet {
    forms: Mutex<Vec<(Name, Arc<OnceLock<Bytes>>)>>,
}

impl Forms {
    pub(crate) fn new(budget: &Arc<FormBudget>) -> Self {
        Forms { budget: budget.clone(), made: OnceLock::new() }
    }

    /// The encoding, made now if it is not there. Concurrent callers for one name wait for one maker.
    pub(crate) fn get(&self, form: FormId, variant: u8, make: impl FnOnce() -> Bytes) -> Bytes {
        let name = (form, variant);
        let set = self.made.get_or_init(Arc::default);
        let cell = {
            let mut forms = set.forms.lock();
            match forms.iter().find(|(other, _)| *other == name) {
                Some((_, cell)) => cell.clone(),
                None => {
                    let cell = Arc::<OnceLock<Bytes>>::default();
                    forms.push((name, cell.clone()));
                    cell
                }
            }
        };
        // Made outside the lock: a form may be made from another form of the same object.
        let mut fresh = false;
        let bytes = cell
            .get_or_init(|| {
                fresh = true;
                without_slack(make())
            })
            .clone();
        if fresh {
            self.budget.charge(set, bytes.len());
        }
        bytes
    }

    /// The encoding, if it is there.
    pub(crate) fn made(&self, form: FormId, variant: u8) -> Option<Bytes> {
        let forms = self.made.get()?.forms.lock();
        let (_, cell) = forms.iter().find(|(other, _)| *other == (form, variant))?;
        cell.get().cloned()
    }
}

/// The same bytes in a buffer of their own size: encoders grow theirs by doubling, and what is kept is kept long.
pub(crate) fn without_slack(bytes: Bytes) -> Bytes {
    match bytes.try_into_mut() {
        Ok(buffer) if buffer.capacity() - buffer.len() > buffer.len() / 16 => Bytes::copy_from_slice(&buffer),
        Ok(buffer) => buffer.freeze(),
        Err(shared) => shared,
    }
}

/// Keeps encodings up to a number of bytes, and forgets first the ones made longest ago.
pub(crate) struct FormBudget {
    limit: usize,
    /// Of the encodings made while there is no room, one in so many takes the place of the oldest.
    admits: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    used: usize,
    /// How many were made while there was no room.
    crowded: usize,
    oldest_first: VecDeque<(Weak<FormSet>, usize)>,
}

impl Kept {
    /// Looks at a few encodings and lets those go whose objects are gone: every one that asks for room looks at some.
    fn sweep(&mut self) {
        for _ in 0..8 {
            let Some((set, cost)) = self.oldest_first.pop_front() else { return };
            if set.strong_count() > 0 {
                self.oldest_first.push_back((set, cost));
            } else {
                self.used -= cost;
            }
        }
    }
}

/// What an encoding costs beside its bytes.
const OVERHEAD: usize = 160;

impl FormBudget {
    /// For what is needed shortly after it was made.
    pub(crate) fn new(limit: usize) -> Self {
        FormBudget { limit, admits: 1, kept: Mutex::default() }
    }

    /// For what is asked for in rounds, as lists do: forgetting the oldest would forget each just before its turn.
    pub(crate) fn of_rounds(limit: usize) -> Self {
        FormBudget { limit, admits: 16, kept: Mutex::default() }
    }

    fn charge(&self, set: &Arc<FormSet>, bytes: usize) {
        let cost = bytes + OVERHEAD;
        let mut forget = Vec::new();
        {
            let mut kept = self.kept.lock();
            if self.admits > 1 && kept.used + cost > self.limit {
                kept.sweep();
            }
            if kept.used + cost > self.limit {
                kept.crowded += 1;
                if !kept.crowded.is_multiple_of(self.admits) {
                    drop(kept);
                    drop(std::mem::take(&mut *set.forms.lock()));
                    return;
                }
            }
            kept.used += cost;
            kept.oldest_first.push_back((Arc::downgrade(set), cost));
            while kept.used > self.limit {
                let Some((set, cost)) = kept.oldest_first.pop_front() else { break };
                kept.used -= cost;
                forget.push(set);
            }
        }
        for set in forget.iter().filter_map(Weak::upgrade) {
            drop(std::mem::take(&mut *set.forms.lock()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(n: usize) -> Bytes {
        Bytes::from(vec![0; n])
    }

    #[test]
    fn made_once_per_name() {
        let forms = Forms::new(&Arc::new(FormBudget::new(1 << 20)));
        assert_eq!(forms.made(FormId(1), 0), None);
        assert_eq!(forms.get(FormId(1), 0, || bytes(3)).len(), 3);
        assert_eq!(forms.made(FormId(1), 0).map(|bytes| bytes.len()), Some(3));
        assert_eq!(forms.get(FormId(1), 0, || bytes(4)).len(), 3);
        assert_eq!(forms.get(FormId(1), 1, || bytes(5)).len(), 5);
        assert_eq!(forms.get(FormId(2), 0, || forms.get(FormId(1), 0, || bytes(9))).len(), 3);
    }

    #[test]
    fn slack_is_dropped() {
        let mut roomy = Vec::with_capacity(1000);
        roomy.extend_from_slice(b"abc");
        let tight = without_slack(roomy.into());
        assert_eq!(tight, "abc");
        assert_eq!(tight.try_into_mut().unwrap().capacity(), 3);
        let shared = bytes(100);
        let held = shared.clone();
        assert_eq!(without_slack(shared).as_ptr(), held.as_ptr(), "what others hold is not copied");
    }

    #[test]
    fn the_oldest_are_forgotten_beyond_the_limit() {
        let budget = Arc::new(FormBudget::new(3 * (1000 + OVERHEAD)));
        let all: Vec<Forms> = (0..4).map(|_| Forms::new(&budget)).collect();
        for forms in &all {
            forms.get(FormId(1), 0, || bytes(1000));
        }
        assert_eq!(all[3].get(FormId(1), 0, || bytes(1)).len(), 1000, "the newest is kept");
        assert_eq!(all[0].get(FormId(1), 0, || bytes(1)).len(), 1, "the oldest is made again");
    }

    #[test]
    fn rounds_larger_than_the_limit_find_most_of_what_fits() {
        let budget = Arc::new(FormBudget::of_rounds(50 * (1000 + OVERHEAD)));
        let all: Vec<Forms> = (0..100).map(|_| Forms::new(&budget)).collect();
        let round = || {
            let mut made = 0;
            for forms in &all {
                forms.get(FormId(1), 0, || {
                    made += 1;
                    bytes(1000)
                });
            }
            made
        };
        assert_eq!(round(), 100);
        for _ in 0..5 {
            assert!(round() <= 60);
        }
    }

    #[test]
    fn what_is_gone_makes_room() {
        let budget = Arc::new(FormBudget::of_rounds(50 * (1000 + OVERHEAD)));
        for _ in 0..1000 {
            let replaced = Forms::new(&budget);
            replaced.get(FormId(1), 0, || bytes(1000));
        }
        let forms = Forms::new(&budget);
        forms.get(FormId(1), 0, || bytes(1000));
        assert_eq!(forms.get(FormId(1), 0, || bytes(1)).len(), 1000);
    }

    #[test]
    fn one_larger_than_the_limit_is_not_kept() {
        let forms = Forms::new(&Arc::new(FormBudget::new(100)));
        assert_eq!(forms.get(FormId(1), 0, || bytes(1000)).len(), 1000);
        assert_eq!(forms.get(FormId(1), 0, || bytes(2)).len(), 2);
    }
}
