//! Events as upstream's scheduler writes them: events.k8s.io/v1, repeated ones as a series, never blocking.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::pod::PodInfo;

/// Events that wait to be sent; more are dropped, as upstream drops them.
const QUEUE_LENGTH: usize = 1000;
/// A series ends when nothing was added to it for so long.
const FINISH_AFTER: Duration = Duration::from_secs(360);
const TRIES: usize = 12;
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The longest note the API server takes, in bytes.
const NOTE_LIMIT: usize = 1024;

/// What happened to a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    pub warning: bool,
    pub reason: &'static str,
    pub action: &'static str,
    pub note: String,
}

/// Records events under a scheduler's name. Recording returns at once.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Event>,
    host: String,
}

impl Recorder {
    /// Starts the task that sends the events; it ends with the last clone.
    pub fn new(client: Client, host: String) -> Self {
        let (queue, received) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(send(client, received));
        Recorder { queue, host }
    }

    /// Records what happened to `pod`, because of `related` where there is one.
    pub fn record(&self, scheduler: &str, pod: &PodInfo, related: Option<&PodInfo>, happening: Happening) {
        let event = make_event(scheduler, &self.host, pod, related, happening, Timestamp::now());
        if self.queue.try_send(event).is_err() {
            warn!("too many queued events, dropped one about {}", pod.key);
        }
    }
}

fn make_event(
    scheduler: &str,
    host: &str,
    pod: &PodInfo,
    related: Option<&PodInfo>,
    happening: Happening,
    now: Timestamp,
) -> Event {
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{:x}", pod.name(), now.as_nanosecond())),
            namespace: Some(pod.namespace().to_string()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(scheduler.to_string()),
        reporting_instance: Some(format!("{scheduler}-{host}")),
        action: Some(happening.action.to_string()),
        reason: Some(happening.reason.to_string()),
        regarding: Some(reference(pod)),
        related: related.map(reference),
        note: Some(truncate(happening.note)),
        type_: Some(if happening.warning { "Warning" } else { "Normal" }.to_string()),
        ..Event::default()
    }
}

fn reference(pod: &PodInfo) -> ObjectReference {
    let version = pod.pending.as_ref().map(|pending| pending.resource_version.to_string());
    ObjectReference {
        api_version: Some("v1".to_string()),
        kind: Some("Pod".to_string()),
        namespace: Some(pod.namespace().to_string()),
        name: Some(pod.name().to_string()),
        uid: Some(pod.uid.to_string()),
        resource_version: version.filter(|version| !version.is_empty()),
        ..ObjectReference::default()
    }
}

fn truncate(mut note: String) -> String {
    if note.len() > NOTE_LIMIT {
        note.truncate(note.floor_char_boundary(NOTE_LIMIT - 4));
        note.push_str(" ...");
    }
    note
}

/// Everything but the note and the time: events that agree in it are one series.
fn series_key(event: &Event) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let object = |object: &Option<ObjectReference>| object.as_ref().map(|object| text(&object.uid)).unwrap_or_default();
    let version = event.regarding.as_ref().map(|object| text(&object.resource_version)).unwrap_or_default();
    [
        text(&event.type_),
        text(&event.action),
        text(&event.reason),
        text(&event.reporting_controller),
        object(&event.regarding),
        version,
        object(&event.related),
    ]
    .join("\0")
}

/// What to do about an event.
#[derive(Debug, PartialEq)]
enum Write {
    Create,
    /// Make the stored event of this name and namespace a series.
    Series(Box<Event>),
    /// Only counted.
    Nothing,
}

/// The series that are going on.
#[derive(Default)]
struct Series(HashMap<String, Event>);

impl Series {
    fn add(&mut self, event: &Event, now: Timestamp) -> Write {
        let known = self.0.entry(series_key(event)).or_insert_with(|| event.clone());
        if known.metadata.name == event.metadata.name {
            return Write::Create;
        }
        let first = known.series.is_none();
        let count = known.series.as_ref().map_or(1, |series| series.count);
        known.series = Some(EventSeries { count: count.saturating_add(1), last_observed_time: MicroTime(now) });
        if first { Write::Series(Box::new(known.clone())) } else { Write::Nothing }
    }

    /// Ends what nothing was added to for a while; gives the series whose counts are to be written.
    fn finish(&mut self, now: Timestamp) -> Vec<Event> {
        let ended = |event: &Event| {
            let last = event.series.as_ref().map(|series| series.last_observed_time.0);
            let last = last.or_else(|| event.event_time.as_ref().map(|time| time.0)).unwrap_or(now);
            now.duration_since(last).as_secs_f64() > FINISH_AFTER.as_secs_f64()
        };
        let over: Vec<String> = self.0.iter().filter(|(_, event)| ended(event)).map(|(key, _)| key.clone()).collect();
        over.iter().filter_map(|key| self.0.remove(key)).filter(|event| event.series.is_some()).collect()
    }
}

async fn send(client: Client, mut received: mpsc::Receiver<Event>) {
    let mut series = Series::default();
    let mut finish = tokio::time::interval(FINISH_AFTER / 6);
    loop {
        tokio::select! {
            event = received.recv() => {
                let Some(event) = event else { return };
                match series.add(&event, Timestamp::now()) {
                    Write::Create => write(&client, event).await,
                    Write::Series(known) => write(&client, *known).await,
                    Write::Nothing => {}
                }
            }
            _ = finish.tick() => {
                for event in series.finish(Timestamp::now()) {
                    write(&client, event).await;
                }
            }
        }
    }
}

/// Creates an event, or brings its series up to date. What the server refuses is dropped, what it cannot take now is
/// tried again for two minutes.
async fn write(client: &Client, event: Event) {
    let namespace = event.metadata.namespace.as_deref().unwrap_or("default");
    let name = event.metadata.name.clone().unwrap_or_default();
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    for _ in 0..TRIES {
        let result = match &event.series {
            Some(series) => {
                let patch = Patch::Strategic(json!({"series": series}));
                match events.patch(&name, &PatchParams::default(), &patch).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => {
                        events.create(&PostParams::default(), &event).await
                    }
                    result => result,
                }
            }
            None => events.create(&PostParams::default(), &event).await,
        };
        match result {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => {
                return debug!("server rejected event (will not retry): {}", status.message);
            }
            Err(error) => debug!("unable to write event (may retry after sleeping): {error}"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    fn event(seconds: i64, reason: &'static str) -> Event {
        let happening = Happening { warning: true, reason, action: "Scheduling", note: "n".repeat(2000) };
        let now = Timestamp::from_second(seconds).unwrap();
        make_event("default-scheduler", "host", &pod("p").info(), None, happening, now)
    }

    #[test]
    fn upstreams_form() {
        let event = event(1, "FailedScheduling");
        assert_eq!(event.metadata.name.as_deref(), Some("p.3b9aca00"));
        assert_eq!(event.reporting_instance.as_deref(), Some("default-scheduler-host"));
        assert_eq!(event.regarding.as_ref().unwrap().kind.as_deref(), Some("Pod"));
        let note = event.note.unwrap();
        assert!(note.len() == NOTE_LIMIT && note.ends_with("n ..."));
    }

    #[test]
    fn repetitions_are_a_series() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let mut series = Series::default();
        assert_eq!(series.add(&event(1, "A"), at(1)), Write::Create);
        assert_eq!(series.add(&event(2, "B"), at(2)), Write::Create);
        match series.add(&event(3, "A"), at(3)) {
            Write::Series(known) => {
                assert_eq!(known.metadata.name, event(1, "A").metadata.name);
                assert_eq!(known.series.unwrap().count, 2);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(series.add(&event(4, "A"), at(4)), Write::Nothing);
        assert_eq!(series.finish(at(100)), []);
        let finished = series.finish(at(400));
        assert_eq!(finished.len(), 1);
        assert_eq!(finished[0].series.as_ref().unwrap().count, 3);
        assert_eq!(series.add(&event(401, "A"), at(401)), Write::Create);
    }
}
