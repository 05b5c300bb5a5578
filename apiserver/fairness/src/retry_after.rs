//! When those who were turned away should come back: later, the more of them there are.
//!
//! Source: apiserver `pkg/util/flowcontrol/dropped_requests_tracker.go`.

use std::collections::VecDeque;

/// Seconds that nobody is sent away for longer than.
const MAX: u64 = 32;

/// Those turned away from one level, by second.
#[derive(Debug)]
pub struct RetryAfter {
    /// Second and how many; not of the one that is now.
    history: VecDeque<(u64, u64)>,
    second: u64,
    count: u64,
    seconds: u64,
    doubled_at: u64,
}

impl Default for RetryAfter {
    fn default() -> Self {
        RetryAfter { history: VecDeque::new(), second: 0, count: 0, seconds: 1, doubled_at: 0 }
    }
}

impl RetryAfter {
    /// Counts one more, and says when it should come back.
    pub fn dropped(&mut self, second: u64) -> u64 {
        if second == self.second {
            self.count += 1;
            return self.seconds;
        }
        self.history.push_back((self.second, self.count));
        let keep = (2 * self.seconds).min(MAX);
        while self.history.front().is_some_and(|(at, _)| self.second.saturating_sub(*at) > keep) {
            self.history.pop_front();
        }
        (self.second, self.count) = (second, 1);
        let recent: u64 = self
            .history
            .iter()
            .filter(|(at, _)| *at < second && second - at <= self.seconds)
            .map(|(_, count)| count)
            .sum();
        if second.saturating_sub(self.doubled_at) >= self.seconds && recent >= 3 * self.seconds {
            self.seconds = (2 * self.seconds).min(MAX);
            self.doubled_at = second;
        } else if recent < self.seconds && self.seconds > 1 {
            self.seconds -= 1;
        }
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crowds_are_sent_away_for_longer() {
        let mut drops = RetryAfter::default();
        assert_eq!(drops.dropped(100), 1);
        for _ in 0..5 {
            drops.dropped(100);
        }
        assert_eq!(drops.dropped(101), 2);
        for second in 102..160 {
            for _ in 0..200 {
                drops.dropped(second);
            }
        }
        assert_eq!(drops.dropped(160), MAX);
        let later: Vec<u64> = (0..3).map(|step| drops.dropped(1000 + 100 * step)).collect();
        assert_eq!(later, [31, 30, 29]);
    }
}
