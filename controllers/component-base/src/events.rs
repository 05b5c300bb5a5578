//! Events as client-go's `EventBroadcaster` writes them: core/v1, counted, aggregated, rate limited, never blocking.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::mpsc;
use tracing::{debug, warn};

/// Events that wait to be sent; more are dropped, as upstream drops them.
const QUEUE_LENGTH: usize = 1000;
/// After so many different messages of one reason about one object, they become one event.
const AGGREGATE_MAX_MESSAGES: usize = 10;
/// A group of similar events is forgotten when nothing was added for so long.
const AGGREGATE_INTERVAL: Duration = Duration::from_secs(600);
/// Events about one object from one source: a burst of so many,
const SPAM_BURST: f64 = 25.0;
/// then one every five minutes.
const SPAM_PER_SECOND: f64 = 1.0 / 300.0;
/// The caches below are emptied of what is old when they grow beyond this.
const MAX_REMEMBERED: usize = 4096;

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    Normal,
    Warning,
}

impl EventType {
    /// As it stands in `Event.type`.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// Records events of one component. Cheap to clone; recording returns at once.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Event>,
    source: EventSource,
}

impl Recorder {
    /// Starts the task that sends `component`'s events with `client`. `host` is the node's name where the component
    /// is a node's, else empty. The task ends when the last clone is dropped. Must be called within a runtime.
    pub fn new(client: Client, component: &str, host: &str) -> Self {
        let (queue, received) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(send(client, received));
        Recorder { queue, source: source(component, host) }
    }

    /// A recorder whose events come out of the receiver instead of being sent: for tests.
    pub fn capturing(component: &str) -> (Self, mpsc::Receiver<Event>) {
        let (queue, received) = mpsc::channel(QUEUE_LENGTH);
        (Recorder { queue, source: source(component, "") }, received)
    }

    /// Records that `reason` happened to `object`.
    pub fn event(&self, object: &ObjectReference, kind: EventType, reason: &str, message: &str) {
        let event = make_event(object, &self.source, kind, reason, message, Timestamp::now());
        if self.queue.try_send(event).is_err() {
            warn!("unable to record event: too many queued events, dropped event: {reason}: {message}");
        }
    }
}

fn source(component: &str, host: &str) -> EventSource {
    EventSource { component: Some(component.to_string()), host: (!host.is_empty()).then(|| host.to_string()) }
}

fn make_event(
    object: &ObjectReference,
    source: &EventSource,
    kind: EventType,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Event {
    let namespace =
        object.namespace.clone().filter(|namespace| !namespace.is_empty()).unwrap_or_else(|| "default".to_string());
    Event {
        metadata: ObjectMeta {
            name: Some(event_name(object, now)),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        involved_object: object.clone(),
        reason: Some(reason.to_string()),
        message: Some(message.to_string()),
        type_: Some(kind.as_str().to_string()),
        source: Some(source.clone()),
        reporting_component: source.component.clone(),
        reporting_instance: Some(source.host.clone().unwrap_or_default()),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    }
}

/// `<object>.<nanoseconds in hex>`; a uuid where the object's name could not be part of an event's name.
fn event_name(object: &ObjectReference, now: Timestamp) -> String {
    let name = format!("{}.{:x}", object.name.as_deref().unwrap_or_default(), now.as_nanosecond());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    if name.len() <= 253 && name.chars().all(allowed) && name.split('.').all(label) {
        name
    } else {
        uuid::Uuid::new_v4().to_string()
    }
}

/// What to send for one recorded event.
#[derive(Debug, PartialEq)]
enum Write {
    Create(Box<Event>),
    /// Count up the event that is already stored under this event's name.
    Increase(Box<Event>),
    /// Too many about this object.
    Drop,
}

/// client-go's EventCorrelator: groups, counts, limits.
#[derive(Default)]
struct Correlator {
    /// Different messages seen per group, and when last.
    groups: HashMap<String, (HashSet<String>, Timestamp)>,
    /// Name, first time and count of what was sent under a key, and when last.
    sent: HashMap<String, (String, Option<Time>, i32, Timestamp)>,
    /// Tokens left per source and object, as of a time.
    budgets: HashMap<String, (f64, Timestamp)>,
}

impl Correlator {
    /// Decides what to send, and gives the key to report the result under.
    fn correlate(&mut self, mut event: Event, now: Timestamp) -> (Write, String) {
        self.forget(now);
        let group = group_key(&event);
        let message = event.message.clone().unwrap_or_default();
        let (messages, last) = self.groups.entry(group.clone()).or_insert_with(|| (HashSet::new(), now));
        if seconds_between(*last, now) > AGGREGATE_INTERVAL.as_secs_f64() {
            messages.clear();
        }
        *last = now;
        let known = messages.contains(&message);
        let aggregated = messages.len() + usize::from(!known) >= AGGREGATE_MAX_MESSAGES;
        let key = if aggregated {
            event.metadata.name = Some(event_name(&event.involved_object, now));
            event.message = Some(format!("(combined from similar events): {message}"));
            group
        } else {
            messages.insert(message.clone());
            format!("{group}\0{message}")
        };
        let write = match self.sent.get_mut(&key) {
            Some((name, first, count, seen)) => {
                *count = count.saturating_add(1);
                *seen = now;
                event.metadata.name = Some(name.clone());
                event.first_timestamp = first.clone();
                event.count = Some(*count);
                Write::Increase(Box::new(event.clone()))
            }
            None => {
                let name = event.metadata.name.clone().unwrap_or_default();
                self.sent.insert(key.clone(), (name, event.first_timestamp.clone(), 1, now));
                Write::Create(Box::new(event.clone()))
            }
        };
        (if self.within_budget(&event, now) { write } else { Write::Drop }, key)
    }

    /// The stored event is gone (its time to live is an hour): start again at a count of one.
    fn restart(&mut self, key: &str, event: &mut Event, now: Timestamp) {
        let name = event_name(&event.involved_object, now);
        event.metadata.name = Some(name.clone());
        event.first_timestamp = event.last_timestamp.clone();
        event.count = Some(1);
        self.sent.insert(key.to_string(), (name, event.first_timestamp.clone(), 1, now));
    }

    fn within_budget(&mut self, event: &Event, now: Timestamp) -> bool {
        let object = &event.involved_object;
        let key = format!(
            "{:?}\0{:?}\0{:?}\0{:?}\0{:?}",
            event.source, object.kind, object.namespace, object.name, object.uid
        );
        let (tokens, at) = self.budgets.entry(key).or_insert((SPAM_BURST, now));
        *tokens = (*tokens + seconds_between(*at, now) * SPAM_PER_SECOND).min(SPAM_BURST);
        *at = now;
        if *tokens < 1.0 {
            return false;
        }
        *tokens -= 1.0;
        true
    }

    fn forget(&mut self, now: Timestamp) {
        let old = AGGREGATE_INTERVAL.as_secs_f64();
        if self.groups.len() > MAX_REMEMBERED {
            self.groups.retain(|_, (_, last)| seconds_between(*last, now) < old);
        }
        if self.sent.len() > MAX_REMEMBERED {
            self.sent.retain(|_, (_, _, _, last)| seconds_between(*last, now) < old);
        }
        if self.budgets.len() > MAX_REMEMBERED {
            self.budgets.retain(|_, (_, last)| seconds_between(*last, now) < old);
        }
    }
}

fn group_key(event: &Event) -> String {
    let object = &event.involved_object;
    format!(
        "{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0{:?}\0{:?}",
        event.source,
        object.kind,
        object.namespace,
        object.name,
        object.uid,
        object.api_version,
        event.type_,
        event.reason
    ) + object.field_path.as_deref().unwrap_or_default()
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

async fn send(client: Client, mut received: mpsc::Receiver<Event>) {
    let mut correlator = Correlator::default();
    while let Some(event) = received.recv().await {
        let (write, key) = correlator.correlate(event, Timestamp::now());
        let result = match write {
            Write::Drop => Ok(()),
            Write::Create(event) => create(&client, &event).await,
            Write::Increase(mut event) => match increase(&client, &event).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    correlator.restart(&key, &mut event, Timestamp::now());
                    create(&client, &event).await
                }
                result => result,
            },
        };
        if let Err(error) = result {
            // Events are best effort: an apiserver that is away must not hold up newer ones for long.
            debug!("unable to write event: {error}");
        }
    }
}

async fn create(client: &Client, event: &Event) -> kube::Result<()> {
    events(client, event).create(&PostParams::default(), event).await.map(drop)
}

async fn increase(client: &Client, event: &Event) -> kube::Result<()> {
    let patch = json!({"count": event.count, "lastTimestamp": event.last_timestamp, "message": event.message});
    let name = event.metadata.name.as_deref().unwrap_or_default();
    events(client, event).patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await.map(drop)
}

fn events(client: &Client, event: &Event) -> Api<Event> {
    Api::namespaced(client.clone(), event.metadata.namespace.as_deref().unwrap_or("default"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectReference {
        ObjectReference {
            kind: Some("Pod".into()),
            namespace: Some("ns".into()),
            name: Some(name.into()),
            ..ObjectReference::default()
        }
    }

    fn event(name: &str, message: &str, second: i64) -> (Event, Timestamp) {
        let now = Timestamp::from_second(second).unwrap();
        (make_event(&object(name), &source("test", ""), EventType::Normal, "Reason", message, now), now)
    }

    #[test]
    fn names_and_namespaces() {
        let (made, _) = event("a", "m", 1);
        assert_eq!(made.metadata.name.as_deref(), Some("a.3b9aca00"));
        assert_eq!(made.metadata.namespace.as_deref(), Some("ns"));
        assert_eq!(event("Not_a_name", "m", 1).0.metadata.name.unwrap().len(), 36);
        let node = ObjectReference { kind: Some("Node".into()), name: Some("n".into()), ..ObjectReference::default() };
        let made = make_event(&node, &source("test", "h"), EventType::Warning, "R", "m", Timestamp::UNIX_EPOCH);
        assert_eq!(made.metadata.namespace.as_deref(), Some("default"));
        assert_eq!(made.reporting_instance.as_deref(), Some("h"));
    }

    #[test]
    fn repeats_count_up_under_the_first_name() {
        let mut correlator = Correlator::default();
        let (first, now) = event("a", "m", 1);
        let name = first.metadata.name.clone();
        assert!(matches!(correlator.correlate(first, now).0, Write::Create(_)));
        let (second, now) = event("a", "m", 5);
        let Write::Increase(increased) = correlator.correlate(second, now).0 else { panic!() };
        assert_eq!((increased.metadata.name, increased.count), (name, Some(2)));
        assert_eq!(increased.first_timestamp, Some(Time(Timestamp::from_second(1).unwrap())));
        assert_eq!(increased.last_timestamp, Some(Time(Timestamp::from_second(5).unwrap())));
    }

    #[test]
    fn the_tenth_message_and_later_ones_are_combined() {
        let mut correlator = Correlator::default();
        for i in 0..9 {
            let (event, now) = event("a", &format!("m{i}"), i);
            assert!(matches!(correlator.correlate(event, now).0, Write::Create(_)));
        }
        let (tenth, now) = event("a", "m9", 9);
        let Write::Create(combined) = correlator.correlate(tenth, now).0 else { panic!() };
        assert_eq!(combined.message.as_deref(), Some("(combined from similar events): m9"));
        let (eleventh, now) = event("a", "m10", 10);
        let Write::Increase(combined) = correlator.correlate(eleventh, now).0 else { panic!() };
        assert_eq!(combined.count, Some(2));
    }

    #[test]
    fn a_burst_about_one_object_is_cut_and_others_are_not() {
        let mut correlator = Correlator::default();
        let sent = (0..40)
            .filter(|_| {
                let (event, now) = event("a", "m", 1);
                correlator.correlate(event, now).0 != Write::Drop
            })
            .count();
        assert_eq!(sent, 25);
        let (other, now) = event("b", "m", 1);
        assert_ne!(correlator.correlate(other, now).0, Write::Drop);
        let (later, now) = event("a", "m", 1 + 301);
        assert_ne!(correlator.correlate(later, now).0, Write::Drop);
    }
}
