//! What is on record of one request, from its arrival to the end of its answer.
//!
//! Source: apiserver `pkg/audit/context.go`, `pkg/audit/request.go`, `pkg/endpoints/filters/audit.go`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::{Event, ResponseStatus, User};
use crate::json::compact;
use crate::policy::{Decision, Level, Stage};
use crate::sink::Sink;

/// The record of one request. Cheap where nothing is recorded. When it is dropped the request is over, and that is
/// recorded if nobody said so.
#[derive(Default)]
pub struct Record(Option<Box<Open>>);

struct Open {
    decision: Decision,
    sink: Arc<Sink>,
    event: Mutex<Event>,
    closed: AtomicBool,
}

/// What an object says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectNames<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
    pub resource_version: &'a str,
}

impl Record {
    /// A record of a request that is not audited.
    pub fn none() -> Record {
        Record(None)
    }

    /// Begins a record; none at [`Level::None`].
    pub fn new(decision: Decision, sink: &Arc<Sink>, event: impl FnOnce() -> Event) -> Record {
        if decision.level == Level::None {
            return Record(None);
        }
        let event = Event { level: decision.level, ..event() };
        let (sink, closed) = (Arc::clone(sink), AtomicBool::new(false));
        Record(Some(Box::new(Open { decision, sink, event: Mutex::new(event), closed })))
    }

    pub fn level(&self) -> Level {
        self.0.as_ref().map_or(Level::None, |open| open.decision.level)
    }

    /// Sends an event of this stage. False if the request must not go on unrecorded.
    pub async fn stage(&self, stage: Stage, now: Timestamp) -> bool {
        match self.0.as_ref().and_then(|open| Some((open, open.at(stage, now)?))) {
            Some((open, event)) => open.sink.process(&event).await,
            None => true,
        }
    }

    /// Notes something beside the request; what was noted first stays.
    pub fn annotate(&self, key: impl Into<String>, value: impl Into<String>) {
        if let Some(open) = &self.0 {
            let mut event = open.event.lock();
            let (key, value) = (key.into(), value.into());
            match event.annotations.get(&key) {
                Some(first) if *first != value => {
                    tracing::warn!(key, value, first, id = event.audit_id, "an audit annotation was set before");
                }
                Some(_) => {}
                None => {
                    event.annotations.insert(key, value);
                }
            }
        }
    }

    /// All that was noted.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.0.as_ref().map(|open| open.event.lock().annotations.clone()).unwrap_or_default()
    }

    /// Notes as whom the request is done.
    pub fn impersonated(&self, user: impl FnOnce() -> User) {
        if let Some(open) = &self.0 {
            open.event.lock().impersonated_user = Some(user());
        }
    }

    /// Notes the object that a request brings: what it is called, and its JSON where the level asks for it.
    pub fn request_object(&self, names: ObjectNames<'_>, json: impl FnOnce() -> Vec<u8>) {
        let Some(open) = &self.0 else { return };
        let json = (open.decision.level >= Level::Request).then(json);
        let json = json.and_then(|json| raw(&json, open.decision.omit_managed_fields));
        let mut event = open.event.lock();
        let object = event.object_ref.get_or_insert_default();
        let fill = |field: &mut String, value: &str| {
            if field.is_empty() {
                value.clone_into(field);
            }
        };
        fill(&mut object.namespace, names.namespace);
        fill(&mut object.name, names.name);
        fill(&mut object.uid, names.uid);
        fill(&mut object.resource_version, names.resource_version);
        if json.is_some() {
            event.request_object = json;
        }
    }

    /// Notes the patch that a request brings. One that is no JSON is noted as text.
    pub fn request_patch(&self, patch: &[u8]) {
        let Some(open) = self.0.as_ref().filter(|open| open.decision.level >= Level::Request) else { return };
        let json = raw(patch, false).or_else(|| raw(&serde_json::to_vec(&String::from_utf8_lossy(patch)).ok()?, false));
        open.event.lock().request_object = json;
    }

    /// Notes the code that the request is answered with.
    pub fn response_code(&self, code: u16) {
        if let Some(open) = &self.0 {
            open.event.lock().response_status.get_or_insert_default().code = code;
        }
    }

    /// Notes a message about a request that nobody is known to have sent.
    pub fn response_message(&self, message: impl FnOnce() -> String) {
        if let Some(open) = &self.0 {
            open.event.lock().response_status.get_or_insert_default().message = message();
        }
    }

    /// Notes an answered `Status`, given as JSON.
    pub fn response_status(&self, json: &[u8]) {
        #[derive(Deserialize)]
        #[serde(default)]
        #[derive(Default)]
        struct Status {
            status: String,
            message: String,
            reason: String,
            details: Option<Box<RawValue>>,
            code: u16,
        }
        let Some(open) = &self.0 else { return };
        if let Ok(status) = serde_json::from_slice::<Status>(json) {
            let Status { status, message, reason, details, code } = status;
            let details = details.and_then(|details| raw(details.get().as_bytes(), false));
            let mut event = open.event.lock();
            // A success does not repeat the code that it is answered with.
            let known = event.response_status.as_ref().map_or(0, |status| status.code);
            let code = if code == 0 { known } else { code };
            event.response_status = Some(ResponseStatus { status, message, reason, details, code });
        }
    }

    /// Notes the object that the request is answered with, where the level asks for it.
    pub fn response_object(&self, json: &[u8]) {
        let Some(open) = self.0.as_ref().filter(|open| open.decision.level >= Level::RequestResponse) else { return };
        open.event.lock().response_object = raw(json, open.decision.omit_managed_fields);
    }

    /// The request is answered.
    pub async fn complete(&self, now: Timestamp) {
        if self.close() {
            self.stage(Stage::ResponseComplete, now).await;
        }
    }

    /// The request ended in a panic.
    pub async fn panicked(&self, message: &str, now: Timestamp) {
        if self.close() {
            if let Some(open) = &self.0 {
                open.event.lock().response_status = Some(ResponseStatus {
                    status: "Failure".to_owned(),
                    message: format!("APIServer panic'd: {message}"),
                    reason: "InternalError".to_owned(),
                    details: None,
                    code: 500,
                });
            }
            self.stage(Stage::Panic, now).await;
        }
    }

    /// There is nothing more to record.
    pub fn close(&self) -> bool {
        self.0.as_ref().is_some_and(|open| !open.closed.swap(true, Ordering::Relaxed))
    }
}

impl Open {
    /// The event as it is at a stage; none where the policy leaves the stage out.
    fn at(&self, stage: Stage, now: Timestamp) -> Option<Event> {
        if self.decision.omits(stage) {
            return None;
        }
        let mut event = self.event.lock();
        event.stage = stage;
        event.stage_time = if stage == Stage::RequestReceived { event.request_received } else { now };
        Some(event.clone())
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // The client went away, or the end of a streamed answer was reached.
        if self.close()
            && let Some(open) = &self.0
        {
            open.event.lock().response_status.get_or_insert_with(|| ResponseStatus {
                status: "Success".to_owned(),
                message: "Connection closed early".to_owned(),
                code: 200,
                ..ResponseStatus::default()
            });
            if let Some(event) = open.at(Stage::ResponseComplete, Timestamp::now()) {
                open.sink.process_detached(&event);
            }
        }
    }
}

/// JSON as an event holds it.
fn raw(json: &[u8], omit_managed_fields: bool) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(compact(json, omit_managed_fields)?).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Metrics;
    use crate::event::tests::event;
    use crate::log::{Format, LogFile};
    use crate::policy::{Attributes, Policy};
    use crate::sink::{LogBackend, Mode};
    use crate::truncate::Truncation;

    /// The events that a request leaves in the log.
    async fn recorded(rule: &str, request: impl AsyncFnOnce(Record)) -> Vec<Value> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let truncation = Truncation { enabled: false, max_event_size: 0 };
        let file = LogFile::open(&path, 0, 0, 0, false).unwrap();
        let log = LogBackend::new(file, Format::Json, Mode::Blocking, 1, truncation, metrics.clone());
        let sink = Arc::new(Sink::new(Some(log), None, metrics));
        let policy = Policy::parse(&format!("{{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{rule}]}}")).unwrap();
        let decision = policy.decide(&Attributes::default());
        let blank = || Event { response_status: None, response_object: None, ..event() };
        request(Record::new(decision, &sink, blank)).await;
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn request(record: Record) {
        let now = Timestamp::now();
        assert!(record.stage(Stage::RequestReceived, now).await);
        record.annotate("a", "1");
        record.annotate("a", "2");
        let names = ObjectNames { namespace: "default", name: "x", ..ObjectNames::default() };
        record.request_object(names, || br#"{ "metadata": {"managedFields": []}, "spec": 1 }"#.to_vec());
        record.response_code(201);
        record.response_object(br#"{"kind":"Pod"}"#);
        record.complete(now).await;
    }

    #[tokio::test]
    async fn each_level_records_what_it_should() {
        assert!(recorded("{level: None}", request).await.is_empty());
        let events = recorded("{level: Metadata}", request).await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["stage"], "RequestReceived");
        assert_eq!(events[0]["stageTimestamp"], events[0]["requestReceivedTimestamp"]);
        let complete = &events[1];
        assert_eq!((&complete["objectRef"]["name"], &complete["annotations"]["a"]), (&"x".into(), &"1".into()));
        assert_eq!(complete["responseStatus"]["code"], 201);
        assert!(complete["requestObject"].is_null() && complete["responseObject"].is_null());
        let events =
            recorded("{level: Request, omitManagedFields: true, omitStages: [RequestReceived]}", request).await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["requestObject"], serde_json::json!({"metadata": {}, "spec": 1}));
        assert!(events[0]["responseObject"].is_null());
        let events = recorded("{level: RequestResponse}", request).await;
        assert_eq!(events[1]["responseObject"]["kind"], "Pod");
        assert!(events[1]["requestObject"]["metadata"]["managedFields"].is_array());
    }

    #[tokio::test]
    async fn every_request_has_an_end() {
        let events = recorded("{level: Metadata}", async |record: Record| {
            record.stage(Stage::RequestReceived, Timestamp::now()).await;
        })
        .await;
        assert_eq!(events[1]["stage"], "ResponseComplete");
        assert_eq!(events[1]["responseStatus"]["message"], "Connection closed early");
        let events = recorded("{level: Metadata}", async |record: Record| {
            record.panicked("oh", Timestamp::now()).await;
        })
        .await;
        assert_eq!(events.len(), 1);
        assert_eq!((&events[0]["stage"], &events[0]["responseStatus"]["code"]), (&"Panic".into(), &500.into()));
    }

    #[tokio::test]
    async fn patches_are_recorded_as_they_are() {
        let patched = |patch: &'static [u8]| async move {
            let events = recorded("{level: Request}", async |record: Record| record.request_patch(patch)).await;
            events[0]["requestObject"].clone()
        };
        assert_eq!(patched(b"[ {\"op\": \"remove\"} ]").await, serde_json::json!([{"op": "remove"}]));
        assert_eq!(patched(b"kind: Pod\n").await, "kind: Pod\n");
    }
}
