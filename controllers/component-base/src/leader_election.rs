//! Leader election on a Lease: of several replicas of a component one works, the others stand by.
//!
//! [`Elector`] is the protocol of client-go's `leaderelection`: a pure state machine, stepped with what happened,
//! that says what to do next. [`run`] does it against the API server. Clocks of different machines are never
//! compared: a lease is valid for its duration from when this process *saw* it change.

use std::time::Duration;

use anyhow::{Result, bail};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::ObjectReference,
    },
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{
    events::{EventType, Recorder},
    flags,
};

/// Waits between tries of a candidate are lengthened by up to this factor, so that candidates spread.
const JITTER_FACTOR: f64 = 1.2;

/// What to elect on and how fast.
#[derive(Clone, Debug)]
pub struct Settings {
    pub namespace: String,
    pub name: String,
    /// Who this process is: upstream's `<host name>_<uuid>`.
    pub identity: String,
    pub lease_duration: Duration,
    pub renew_deadline: Duration,
    pub retry_period: Duration,
}

impl Settings {
    /// From a component's flags; `component` is the lock's name where no flag says otherwise.
    ///
    /// # Errors
    /// Durations that cannot work together, in client-go's words.
    pub fn new(flags: &flags::LeaderElection, component: &str) -> Result<Self> {
        if flags.lease_duration <= flags.renew_deadline {
            bail!("leaseDuration must be greater than renewDeadline");
        }
        if flags.renew_deadline <= flags.retry_period.mul_f64(JITTER_FACTOR) {
            bail!("renewDeadline must be greater than retryPeriod*JitterFactor");
        }
        if flags.lease_duration < Duration::from_secs(1) || flags.retry_period.is_zero() {
            bail!("leaseDuration must be at least one second and retryPeriod greater than zero");
        }
        Ok(Settings {
            namespace: flags.resource_namespace.clone(),
            name: flags.resource_name.clone().unwrap_or_else(|| component.to_string()),
            identity: format!("{}_{}", crate::hostname(), uuid::Uuid::new_v4()),
            lease_duration: flags.lease_duration,
            renew_deadline: flags.renew_deadline,
            retry_period: flags.retry_period,
        })
    }
}

/// What happened, told to [`Elector::step`].
#[derive(Debug)]
pub enum Input {
    /// It is time for the next try.
    Tick,
    /// The lease was read; `None`: there is none.
    Read(Option<Box<Lease>>),
    /// The lease was created or updated, and is now this.
    Written(Box<Lease>),
    /// A read, create or update failed.
    Failed,
}

/// What to do next, said by [`Elector::step`].
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Read the lease.
    Read,
    /// Create this lease.
    Create(Box<Lease>),
    /// Update the lease to this, at its resourceVersion.
    Update(Box<Lease>),
    /// Wait, then tick.
    Wait(Duration),
    /// Leadership could not be renewed within the deadline: stop working.
    Lost,
}

/// One candidate's view of the election.
#[derive(Debug)]
pub struct Elector {
    settings: Settings,
    /// The lease as last seen or written, and when its holder or renewal was last seen to change.
    observed: Option<(Box<Lease>, Instant)>,
    leading: bool,
    /// Since when the running renewal is tried; `None` between renewals.
    renewing_since: Option<Instant>,
    /// Whether the running write is the optimistic one, which is followed by a read when it fails.
    optimistic: bool,
}

impl Elector {
    pub fn new(settings: Settings) -> Self {
        Elector { settings, observed: None, leading: false, renewing_since: None, optimistic: false }
    }

    /// Whether this process is the leader now.
    pub fn leading(&self) -> bool {
        self.leading
    }

    /// The identity of the last seen leader; empty where none was seen.
    pub fn leader(&self) -> &str {
        self.observed.as_ref().and_then(|(lease, _)| holder(lease)).unwrap_or_default()
    }

    /// One step: `now` orders what this process sees, `wall` is what is written into the lease.
    pub fn step(&mut self, now: Instant, wall: Timestamp, input: Input) -> Output {
        match input {
            Input::Tick => {
                if self.leading && self.renewing_since.is_none() {
                    self.renewing_since = Some(now);
                }
                self.optimistic = self.leading && self.lease_is_valid(now);
                match &self.observed {
                    Some((lease, _)) if self.optimistic => Output::Update(Box::new(self.renewed(lease, wall))),
                    _ => Output::Read,
                }
            }
            Input::Read(None) => Output::Create(Box::new(Lease {
                metadata: ObjectMeta {
                    name: Some(self.settings.name.clone()),
                    namespace: Some(self.settings.namespace.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.claim(0, wall)),
            })),
            Input::Read(Some(lease)) => {
                let unchanged = self.observed.as_ref().is_some_and(|(seen, _)| seen.spec == lease.spec);
                let since = match &self.observed {
                    Some((_, since)) if unchanged => *since,
                    _ => now,
                };
                self.observed = Some((lease, since));
                let held_by_other = !self.leader().is_empty() && self.leader() != self.settings.identity;
                match &self.observed {
                    Some((lease, _)) if !(held_by_other && self.lease_is_valid(now)) => {
                        Output::Update(Box::new(self.renewed(lease, wall)))
                    }
                    _ => self.failed(now),
                }
            }
            Input::Written(lease) => {
                self.observed = Some((lease, now));
                self.leading = true;
                self.renewing_since = None;
                Output::Wait(self.settings.retry_period)
            }
            Input::Failed if self.optimistic => {
                self.optimistic = false;
                Output::Read
            }
            Input::Failed => self.failed(now),
        }
    }

    /// The lease as this process, the leader, gives it up; `None` where it does not lead.
    fn released(&self, wall: Timestamp) -> Option<Lease> {
        let (lease, _) = self.observed.as_ref().filter(|_| self.leading)?;
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
        let mut spec = self.claim(transitions, wall);
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        Some(Lease { metadata: lease.metadata.clone(), spec: Some(spec) })
    }

    fn failed(&mut self, now: Instant) -> Output {
        let expired =
            self.renewing_since.is_some_and(|since| now.duration_since(since) >= self.settings.renew_deadline);
        if self.leading && (expired || self.leader() != self.settings.identity) {
            self.leading = false;
            return Output::Lost;
        }
        Output::Wait(self.settings.retry_period)
    }

    fn lease_is_valid(&self, now: Instant) -> bool {
        self.observed.as_ref().is_some_and(|(lease, since)| {
            let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
            *since + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)) > now
        })
    }

    /// `lease` with this process as its holder.
    fn renewed(&self, lease: &Lease, wall: Timestamp) -> Lease {
        let old = lease.spec.clone().unwrap_or_default();
        let transitions = old.lease_transitions.unwrap_or(0);
        let spec = if holder(lease) == Some(&self.settings.identity) {
            LeaseSpec { acquire_time: old.acquire_time, ..self.claim(transitions, wall) }
        } else {
            self.claim(transitions.saturating_add(1), wall)
        };
        Lease { metadata: lease.metadata.clone(), spec: Some(spec) }
    }

    fn claim(&self, transitions: i32, wall: Timestamp) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.settings.identity.clone()),
            lease_duration_seconds: i32::try_from(self.settings.lease_duration.as_secs()).ok(),
            acquire_time: Some(MicroTime(wall)),
            renew_time: Some(MicroTime(wall)),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

/// Waits until this process leads, then runs `work` as long as it does. Gives what `work` gives; `Ok` when
/// `shutdown` came first. `work` is dropped, so stopped at its next await, when leadership is lost. Where `work` ends
/// by itself, after `shutdown`, the lease is released, so that the next process need not wait for it to expire.
///
/// # Errors
/// `leaderelection lost`, after which the caller should end the process, as upstream's components do.
pub async fn run<F, Fut>(
    settings: Settings,
    client: Client,
    recorder: Recorder,
    shutdown: CancellationToken,
    work: F,
) -> Result<()>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let lock = format!("{}/{}", settings.namespace, settings.name);
    let retry_period = settings.retry_period;
    let deadline = settings.renew_deadline;
    let identity = settings.identity.clone();
    let subject = ObjectReference {
        api_version: Some("coordination.k8s.io/v1".into()),
        kind: Some("Lease".into()),
        namespace: Some(settings.namespace.clone()),
        name: Some(settings.name.clone()),
        ..ObjectReference::default()
    };
    let record = |what: &str| {
        recorder.event(&subject, EventType::Normal, "LeaderElection", &format!("{identity} {what}"));
    };
    let leases: Api<Lease> = Api::namespaced(client, &settings.namespace);
    let mut elector = Elector::new(settings);
    let mut reported = String::new();

    info!("attempting to acquire leader lease {lock}");
    while !elector.leading() {
        let wait = cycle(&mut elector, &leases, deadline).await;
        report(&elector, &mut reported);
        if elector.leading() {
            break;
        }
        let jittered = wait.unwrap_or(retry_period).mul_f64(1.0 + JITTER_FACTOR * random_fraction());
        tokio::select! {
            () = tokio::time::sleep(jittered) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
    info!("successfully acquired lease {lock}");
    record("became leader");

    let renewal = async {
        loop {
            tokio::time::sleep(retry_period).await;
            let wait = cycle(&mut elector, &leases, deadline).await;
            report(&elector, &mut reported);
            if wait.is_none() {
                return;
            }
        }
    };
    let result = tokio::select! {
        result = work() => result,
        () = renewal => {
            record("stopped leading");
            bail!("leaderelection lost")
        }
    };
    if let Some(lease) = elector.released(Timestamp::now()) {
        let name = lease.metadata.name.clone().unwrap_or_default();
        let params = PostParams::default();
        match tokio::time::timeout(retry_period, leases.replace(&name, &params, &lease)).await {
            Ok(Ok(_)) => debug!("released lease {lock}"),
            _ => debug!("could not release lease {lock}"),
        }
    }
    result
}

/// Ticks and does what the elector says until it says to wait; `None` when leadership is lost.
async fn cycle(elector: &mut Elector, leases: &Api<Lease>, deadline: Duration) -> Option<Duration> {
    let name = elector.settings.name.clone();
    let mut input = Input::Tick;
    loop {
        let output = elector.step(Instant::now(), Timestamp::now(), input);
        let request = async {
            match output {
                Output::Wait(wait) => Err(Some(wait)),
                Output::Lost => Err(None),
                Output::Read => Ok(leases.get_opt(&name).await.map(|lease| Input::Read(lease.map(Box::new)))),
                Output::Create(lease) => {
                    Ok(leases.create(&PostParams::default(), &lease).await.map(Box::new).map(Input::Written))
                }
                Output::Update(lease) => {
                    Ok(leases.replace(&name, &PostParams::default(), &lease).await.map(Box::new).map(Input::Written))
                }
            }
        };
        input = match tokio::time::timeout(deadline / 2, request).await {
            Ok(Err(wait)) => return wait,
            Ok(Ok(Ok(input))) => input,
            Ok(Ok(Err(error))) => {
                info!("leader election request failed: {error}");
                Input::Failed
            }
            Err(_) => {
                info!("leader election request timed out");
                Input::Failed
            }
        };
    }
}

fn report(elector: &Elector, reported: &mut String) {
    if elector.leader() != reported {
        *reported = elector.leader().to_string();
        debug!("new leader: {reported}");
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

/// A fraction in [0, 1), from the bits of a random uuid.
fn random_fraction() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(identity: &str) -> Settings {
        Settings {
            namespace: "kube-system".into(),
            name: "lock".into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }

    fn wait() -> Output {
        Output::Wait(Duration::from_secs(2))
    }

    /// Steps with a tick at `now` seconds and answers reads and writes from `stored`, until told to wait.
    fn cycle(elector: &mut Elector, start: Instant, seconds: u64, stored: &mut Option<Box<Lease>>) -> Output {
        let now = start + Duration::from_secs(seconds);
        let mut input = Input::Tick;
        loop {
            match elector.step(now, Timestamp::UNIX_EPOCH, input) {
                Output::Read => input = Input::Read(stored.clone()),
                Output::Create(lease) | Output::Update(lease) => {
                    // A write changes what is stored, also when only time passes: model it in the transitions' sibling.
                    let mut lease = lease;
                    lease.metadata.generation = Some(seconds as i64);
                    if let Some(spec) = &mut lease.spec {
                        spec.renew_time = Some(MicroTime(Timestamp::from_second(seconds as i64).unwrap()));
                    }
                    *stored = Some(lease.clone());
                    input = Input::Written(lease);
                }
                output => return output,
            }
        }
    }

    #[test]
    fn first_candidate_creates_second_waits_and_takes_over_after_the_lease_duration() {
        let start = Instant::now();
        let mut stored = None;
        let (mut a, mut b) = (Elector::new(settings("a")), Elector::new(settings("b")));
        assert_eq!(cycle(&mut a, start, 0, &mut stored), wait());
        assert!(a.leading());
        assert_eq!(cycle(&mut b, start, 1, &mut stored), wait());
        assert!(!b.leading());
        assert_eq!(b.leader(), "a");
        // a renews at 2, b sees the renewal at 3, and has to wait 15 s from there.
        cycle(&mut a, start, 2, &mut stored);
        cycle(&mut b, start, 3, &mut stored);
        cycle(&mut b, start, 17, &mut stored);
        assert!(!b.leading());
        cycle(&mut b, start, 18, &mut stored);
        assert!(b.leading());
        let spec = stored.as_ref().and_then(|lease| lease.spec.clone()).unwrap();
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("b"), Some(1)));
        // a comes back: its optimistic write would conflict, its read shows b, so it has lost.
        let now = start + Duration::from_secs(19);
        assert_eq!(a.step(now, Timestamp::UNIX_EPOCH, Input::Tick), Output::Read);
        assert_eq!(a.step(now, Timestamp::UNIX_EPOCH, Input::Read(stored)), Output::Lost);
        assert!(!a.leading());
    }

    #[test]
    fn leader_that_cannot_renew_stops_after_the_renew_deadline() {
        let start = Instant::now();
        let mut stored = None;
        let mut a = Elector::new(settings("a"));
        cycle(&mut a, start, 0, &mut stored);
        for seconds in [2, 4, 6, 8, 10] {
            let now = start + Duration::from_secs(seconds);
            let Output::Update(_) = a.step(now, Timestamp::UNIX_EPOCH, Input::Tick) else { panic!() };
            assert_eq!(a.step(now, Timestamp::UNIX_EPOCH, Input::Failed), Output::Read);
            assert_eq!(a.step(now, Timestamp::UNIX_EPOCH, Input::Failed), wait());
        }
        let now = start + Duration::from_secs(12);
        a.step(now, Timestamp::UNIX_EPOCH, Input::Tick);
        a.step(now, Timestamp::UNIX_EPOCH, Input::Failed);
        assert_eq!(a.step(now, Timestamp::UNIX_EPOCH, Input::Failed), Output::Lost);
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let mut stored = None;
        let start = Instant::now();
        let mut a = Elector::new(settings("a"));
        cycle(&mut a, start, 0, &mut stored);
        stored = a.released(Timestamp::UNIX_EPOCH).map(Box::new);
        let mut b = Elector::new(settings("b"));
        cycle(&mut b, start, 1, &mut stored);
        assert!(b.leading());
    }
}
