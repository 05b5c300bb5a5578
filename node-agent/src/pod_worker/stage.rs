//! Where a pod is in its life on this node: an enum stepped by one pure function.

/// The stages in order; a pod never goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The pod is to run: its plan is executed.
    Syncing,
    /// Its containers and sandboxes are being stopped within `grace` seconds.
    Terminating { grace: i64 },
    /// Nothing runs any more: volumes and cgroups are to be removed.
    Terminated,
    /// Only the records and logs of its containers are left.
    Finished,
    /// Nothing is left on the node: the pod may leave the API.
    Purged,
}

/// What decides the next stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Deletion was asked for, or the pod is gone from the API, or it may not run (any more).
    pub must_end: bool,
    /// Its phase is Succeeded or Failed.
    pub terminal: bool,
    /// Seconds its containers may take to end.
    pub grace: i64,
    /// A container or sandbox may still run.
    pub alive: bool,
    /// Volumes and cgroups are gone.
    pub cleaned: bool,
    /// Records and logs are gone, which waits for the pod's deletion.
    pub purged: bool,
}

impl Stage {
    /// The stage after these facts were seen. A shorter grace period than the one under way takes over; a longer
    /// one does not.
    pub fn step(self, facts: Facts) -> Stage {
        match self {
            Stage::Syncing if facts.must_end || facts.terminal => Stage::Terminating { grace: facts.grace },
            Stage::Syncing => Stage::Syncing,
            Stage::Terminating { .. } if !facts.alive => Stage::Terminated,
            Stage::Terminating { grace } => Stage::Terminating { grace: grace.min(facts.grace) },
            Stage::Terminated if facts.cleaned => Stage::Finished,
            Stage::Terminated => Stage::Terminated,
            Stage::Finished if facts.purged => Stage::Purged,
            Stage::Finished => Stage::Finished,
            Stage::Purged => Stage::Purged,
        }
    }

    /// Whether nothing of the pod may be started any more.
    pub fn ending(&self) -> bool {
        *self != Stage::Syncing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life() {
        let facts = Facts { grace: 30, alive: true, ..Facts::default() };
        let stage = Stage::Syncing.step(facts);
        assert_eq!(stage, Stage::Syncing);
        let facts = Facts { must_end: true, ..facts };
        let stage = stage.step(facts);
        assert_eq!(stage, Stage::Terminating { grace: 30 });
        let stage = stage.step(Facts { grace: 1, ..facts });
        assert_eq!(stage, Stage::Terminating { grace: 1 });
        let stage = stage.step(Facts { grace: 60, ..facts });
        assert_eq!(stage, Stage::Terminating { grace: 1 }, "never longer again");
        let stage = stage.step(Facts { alive: false, ..facts });
        assert_eq!(stage, Stage::Terminated);
        assert_eq!(stage.clone().step(Facts { alive: false, ..facts }), Stage::Terminated);
        let stage = stage.step(Facts { cleaned: true, ..facts });
        assert_eq!(stage.clone().step(facts), Stage::Finished);
        assert_eq!(stage.step(Facts { purged: true, ..facts }), Stage::Purged);
    }

    #[test]
    fn completed_pods_end() {
        assert_eq!(
            Stage::Syncing.step(Facts { terminal: true, grace: 2, ..Facts::default() }),
            Stage::Terminating { grace: 2 }
        );
    }
}
