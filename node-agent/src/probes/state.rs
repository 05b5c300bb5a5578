//! When a probe runs and what its results come to: thresholds, delays, new containers. No clock, no I/O.

use std::time::Duration;

use jiff::Timestamp;

use super::Kind;
use crate::pod_worker::plan::Outcome;

/// A probe's thresholds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub failure_threshold: i32,
    pub success_threshold: i32,
    pub initial_delay: Duration,
}

/// What the pod's status says of the container.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Empty where there is none yet.
    pub id: &'a str,
    pub running_since: Option<Timestamp>,
    pub started: bool,
    /// Runs since before the agent started.
    pub from_before: bool,
}

/// What to do in this turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Nothing to probe yet.
    Wait,
    /// Nothing to probe, and this is the result.
    Set(Outcome),
    /// Done with this container.
    Rest,
    Probe,
}

#[derive(Debug)]
pub struct State {
    kind: Kind,
    settings: Settings,
    container: String,
    last: Option<Outcome>,
    run: i32,
    on_hold: bool,
}

impl State {
    pub fn new(kind: Kind, settings: Settings) -> Self {
        Self { kind, settings, container: String::new(), last: None, run: 0, on_hold: false }
    }

    /// Decides the turn. Also returns the id of a container that was replaced.
    pub fn before(&mut self, view: &View, now: Timestamp) -> (Option<String>, Step) {
        if view.id.is_empty() {
            return (None, Step::Wait);
        }
        let mut replaced = None;
        if self.container != view.id {
            replaced = Some(std::mem::replace(&mut self.container, view.id.to_string())).filter(|id| !id.is_empty());
            self.on_hold = false;
            self.run = 0;
            self.last = None;
            if self.kind == Kind::Startup && view.from_before && view.started {
                return (replaced, Step::Set(Outcome::Success));
            }
            if !view.from_before {
                return (replaced, Step::Set(self.kind.initial()));
            }
        }
        (replaced, self.turn(view, now))
    }

    fn turn(&self, view: &View, now: Timestamp) -> Step {
        if self.on_hold {
            return Step::Rest;
        }
        let Some(since) = view.running_since else { return Step::Set(Outcome::Failure) };
        if now < since + self.settings.initial_delay {
            return Step::Wait;
        }
        match (view.started, self.kind) {
            // A startup probe is done once the container has started; the others wait for it.
            (true, Kind::Startup) => Step::Rest,
            (false, Kind::Liveness | Kind::Readiness) => Step::Wait,
            _ => Step::Probe,
        }
    }

    /// Takes a probe's result; the outcome where a threshold is reached.
    pub fn after(&mut self, outcome: Outcome) -> Option<Outcome> {
        if self.last == Some(outcome) {
            self.run += 1;
        } else {
            self.last = Some(outcome);
            self.run = 1;
        }
        let threshold =
            if outcome == Outcome::Success { self.settings.success_threshold } else { self.settings.failure_threshold };
        if self.run < threshold {
            return None;
        }
        if self.kind == Kind::Startup || (self.kind == Kind::Liveness && outcome == Outcome::Failure) {
            // The container will be restarted or is started: no more probes until there is a new one.
            self.on_hold = true;
            self.run = 0;
        }
        Some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(kind: Kind) -> State {
        State::new(kind, Settings { failure_threshold: 3, success_threshold: 2, initial_delay: Duration::from_secs(5) })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn running(started: bool) -> View<'static> {
        View { id: "c", running_since: Some(at(100)), started, from_before: false }
    }

    #[test]
    fn delays_and_thresholds() {
        let mut readiness = state(Kind::Readiness);
        assert_eq!(readiness.before(&View { id: "", ..running(true) }, at(100)).1, Step::Wait);
        assert_eq!(readiness.before(&running(true), at(100)).1, Step::Set(Outcome::Failure));
        assert_eq!(readiness.before(&running(true), at(104)).1, Step::Wait);
        assert_eq!(readiness.before(&running(false), at(105)).1, Step::Wait);
        assert_eq!(readiness.before(&running(true), at(105)).1, Step::Probe);
        assert_eq!(readiness.after(Outcome::Success), None);
        assert_eq!(readiness.after(Outcome::Success), Some(Outcome::Success));
        assert_eq!(readiness.after(Outcome::Failure), None);
        assert_eq!(readiness.after(Outcome::Failure), None);
        assert_eq!(readiness.after(Outcome::Failure), Some(Outcome::Failure));
        assert_eq!(readiness.before(&running(true), at(106)).1, Step::Probe, "readiness goes on");
    }

    #[test]
    fn liveness_rests_after_a_failure_until_the_next_container() {
        let mut liveness = state(Kind::Liveness);
        assert_eq!(liveness.before(&running(true), at(200)).1, Step::Set(Outcome::Success));
        for _ in 0..3 {
            liveness.after(Outcome::Failure);
        }
        assert_eq!(liveness.before(&running(true), at(201)).1, Step::Rest);
        let (replaced, step) = liveness.before(&View { id: "d", ..running(true) }, at(202));
        assert_eq!((replaced.as_deref(), step), (Some("c"), Step::Set(Outcome::Success)));
    }

    #[test]
    fn containers_from_before_keep_their_state() {
        let mut readiness = state(Kind::Readiness);
        assert_eq!(readiness.before(&View { from_before: true, ..running(true) }, at(200)).1, Step::Probe);
        let mut startup = state(Kind::Startup);
        assert_eq!(
            startup.before(&View { from_before: true, ..running(true) }, at(200)).1,
            Step::Set(Outcome::Success)
        );
        assert_eq!(startup.before(&View { from_before: true, ..running(true) }, at(201)).1, Step::Rest);
    }

    #[test]
    fn dead_containers_are_not_ready() {
        let mut readiness = state(Kind::Readiness);
        readiness.before(&running(true), at(200));
        assert_eq!(
            readiness.before(&View { running_since: None, ..running(false) }, at(201)).1,
            Step::Set(Outcome::Failure)
        );
    }
}
