//! Wakes watchers: few at once, many in waves.
//!
//! Waking a watcher makes it write to its connection, which costs the same for one event as for twenty. Where a crowd
//! reads the same events, a busy resource therefore wakes it every few milliseconds, not at every event.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::topics::Topic;

/// From how many watchers on a topic wakes in waves.
const CROWD: usize = 64;
/// The least time between two waves. The first event after a quiet time is not delayed.
const GAP: Duration = Duration::from_millis(4);

/// The topics that are to be woken later.
#[derive(Default)]
pub(crate) struct Waves {
    /// In order of time, since the gap is the same for all.
    waiting: VecDeque<(Instant, Arc<Topic>)>,
}

impl Waves {
    pub(crate) fn wake(&mut self, topics: impl IntoIterator<Item = Arc<Topic>>) {
        for topic in topics {
            if topic.watchers.load(Ordering::Relaxed) < CROWD {
                topic.wake.notify_waiters();
                continue;
            }
            let mut wave = topic.wave.lock();
            if wave.waiting {
                continue;
            }
            let now = Instant::now();
            match wave.last.map(|last| last + GAP).filter(|next| *next > now) {
                Some(next) => {
                    wave.waiting = true;
                    drop(wave);
                    self.waiting.push_back((next, topic));
                }
                None => {
                    wave.last = Some(now);
                    drop(wave);
                    topic.wake.notify_waiters();
                }
            }
        }
    }

    /// Ends when the next wave is due, if there is one, else never.
    pub(crate) async fn due(&self) {
        match self.waiting.front() {
            Some((at, _)) => tokio::time::sleep_until(*at).await,
            None => std::future::pending().await,
        }
    }

    /// Wakes those that are due.
    pub(crate) fn run(&mut self) {
        let now = Instant::now();
        while let Some((_, topic)) = self.waiting.pop_front_if(|(at, _)| *at <= now) {
            topic.surge(now);
        }
    }

    /// Wakes all that are waiting.
    pub(crate) fn finish(&mut self) {
        let now = Instant::now();
        for (_, topic) in self.waiting.drain(..) {
            topic.surge(now);
        }
    }
}

impl Topic {
    fn surge(&self, now: Instant) {
        *self.wave.lock() = Wave { last: Some(now), waiting: false };
        self.wake.notify_waiters();
    }
}

/// When a topic was woken as a crowd.
#[derive(Default)]
pub(crate) struct Wave {
    last: Option<Instant>,
    waiting: bool,
}
