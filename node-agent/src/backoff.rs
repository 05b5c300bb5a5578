//! Exponential back-off per key, with client-go's rules: doubles up to a maximum, forgotten after twice the maximum.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

/// Delays by key. Time is given by the caller.
#[derive(Debug)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    entries: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    delay: Duration,
    last_update: Timestamp,
}

impl Backoff {
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self { initial: initial.min(max), max, entries: HashMap::new() }
    }

    /// The current delay of a key; zero when it has none.
    pub fn delay(&self, key: &str) -> Duration {
        self.entries.get(key).map(|entry| entry.delay).unwrap_or_default()
    }

    /// When a key that failed at `since` may go on, if that is after `now`.
    pub fn waits_until(&self, key: &str, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let entry = self.entries.get(key)?;
        if self.expired(since, entry.last_update) {
            return None;
        }
        Some(since + entry.delay).filter(|until| now < *until)
    }

    /// When a key whose back-off began with its last [`Self::next`] may go on, if that is after `now`.
    pub fn waits_since_update(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        let entry = self.entries.get(key)?;
        if self.expired(now, entry.last_update) {
            return None;
        }
        Some(entry.last_update + entry.delay).filter(|until| now < *until)
    }

    /// Starts or doubles the delay of a key that failed at `since`.
    pub fn next(&mut self, key: &str, since: Timestamp, now: Timestamp) {
        let delay = match self.entries.get(key) {
            Some(entry) if !self.expired(since, entry.last_update) => (entry.delay * 2).min(self.max),
            _ => self.initial,
        };
        self.entries.insert(key.to_string(), Entry { delay, last_update: now });
    }

    fn expired(&self, event: Timestamp, last_update: Timestamp) -> bool {
        Duration::try_from(event.duration_since(last_update)).is_ok_and(|since| since > self.max * 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_caps_and_expires() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second * 10, second * 300);
        let mut now = Timestamp::from_second(1_000_000).unwrap();
        let mut delays = vec![];
        for _ in 0..7 {
            assert_eq!(backoff.waits_until("k", now, now).is_some(), !delays.is_empty());
            now += backoff.delay("k");
            backoff.next("k", now, now);
            delays.push(backoff.delay("k").as_secs());
        }
        assert_eq!(delays, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backoff.waits_until("k", now, now), Some(now + second * 300));
        assert_eq!(backoff.waits_until("k", now, now + second * 300), None);
        let later = now + second * 601;
        assert_eq!(backoff.waits_until("k", later, later), None, "ran long enough to be forgiven");
        backoff.next("k", later, later);
        assert_eq!(backoff.delay("k").as_secs(), 10);
    }
}
