//! watch: events as they happen, framed once for all watchers of one encoding.
//!
//! Source: apiserver `pkg/endpoints/handlers/watch.go`; KEP-3157 for streaming lists.

use std::sync::Arc;
use std::time::Duration;

use apiserver_watch_cache::{EventKind, EventView, From, Object, WatchError, WatchItem, WatchOptions, Watcher};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderValue, Response};
use rand::Rng;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::get::{FRESH, revision};
use crate::body::{self, Body};
use crate::context::{Context, Served, Target};
use crate::fairness;
use crate::field::{ErrorList, Path};
use crate::negotiate::{self, Accepted, Encoding, Form, Offer};
use crate::object;
use crate::partial_metadata;
use crate::printers::{IncludeObject, Table};
use crate::resources::api_version;
use crate::respond::{self, forms};
use crate::selection::Selection;
use crate::server::Server;
use crate::status::{Result, Status};

/// The media types of watches.
const STREAM_TYPES: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// How many events one wake-up may write.
const BATCH: usize = 256;

pub async fn watch(context: &Context, target: &Target) -> Result<Response<Body>> {
    let accepted =
        negotiate::accept(&context.headers, Offer { protobuf: true, forms: true, tables: true, watch: true })?;
    let mut selection = Selection::read(context, target)?;
    // What only converted objects show is looked at once they are.
    let chosen = (selection.converts() && target.asks_webhook()).then(|| Arc::new(selection.clone()));
    if chosen.is_some() {
        selection = selection.candidates();
    }
    let objects = target.objects()?;
    objects.ready().await?;
    let version = context.query.get("resourceVersion").unwrap_or_default();
    let mut matching = context.query.get("resourceVersionMatch").unwrap_or_default();
    let mut initial_events = context.query.get("sendInitialEvents").map(|_| context.query.flag("sendInitialEvents"));
    if initial_events.is_none() && matching.is_empty() && matches!(version, "" | "0") {
        // What such a watch always meant, in the words that are newer.
        (initial_events, matching) = (Some(true), "NotOlderThan");
    }
    let bookmarks = context.query.flag("allowWatchBookmarks");
    check_options(matching, context.query.get("continue").unwrap_or_default(), initial_events)?;
    let number = |text: &str| revision(text).map_err(Status::unclassified);
    let from = match (version, initial_events) {
        ("" | "0", Some(false)) => {
            if version.is_empty() {
                objects.cache.consistent().await?;
            }
            From::Now
        }
        ("", _) => {
            objects.cache.consistent().await?;
            From::InitialThen
        }
        ("0", _) => From::InitialThen,
        (text, Some(true)) => {
            objects.cache.wait_until(number(text)?, FRESH).await?;
            From::InitialThen
        }
        (text, _) => From::Revision(number(text)?),
    };
    let deadline = Instant::now() + timeout(context)?;
    let options = WatchOptions {
        from,
        scope: selection.scope.clone(),
        filter: selection.filter(),
        bookmarks: bookmarks || (initial_events == Some(true)),
        deadline: Some(deadline),
    };
    let watcher = objects.cache.watch(options);
    if accepted.encoding == Encoding::Yaml {
        // YAML has no frames.
        return Ok(respond::encoded_status(accepted, &Status::not_acceptable(STREAM_TYPES)));
    }
    let include = IncludeObject::read(&context.query)?;
    let framer = Framer {
        _interest: fairness::interest(context),
        served: Arc::clone(&target.served),
        target: Target { served: Arc::clone(&target.served), version: target.version.clone() },
        accepted,
        include,
        columns_sent: false,
        chosen,
    };
    let end_of_initial = initial_events == Some(true) && bookmarks;
    let stopping = context.server.draining.clone();
    let mut response = match watcher {
        Ok(watcher) => {
            let metrics = context.server.metrics.requests.watch_started(target, &context.info);
            let frames =
                frames(watcher, framer, deadline, end_of_initial, bookmarks, metrics, Arc::clone(&context.server));
            Response::new(body::stream(frames.take_until(stopping.cancelled_owned())))
        }
        // Upstream answers a watch that is too old with one event, once the watch has begun.
        Err(expired) => {
            let status = Status::expired(format!("too old resource version: {version} ({})", expired.oldest));
            Response::new(body::full(framer.error(&status)))
        }
    };
    let content_type = match accepted.encoding {
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        _ => negotiate::JSON,
    };
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

/// The combinations that upstream refuses (`validateWatchOptions`).
fn check_options(matching: &str, token: &str, initial_events: Option<bool>) -> Result<()> {
    let mut errors = ErrorList::default();
    let at = Path::new("resourceVersionMatch");
    let fits = matching == "NotOlderThan";
    if initial_events.is_some() && !fits {
        errors.forbidden(&at, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if !matching.is_empty() {
        if initial_events.is_none() {
            errors.forbidden(&at, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        }
        if !fits {
            errors.not_supported(&at, &matching.into(), &["NotOlderThan"]);
        }
        if !token.is_empty() {
            errors.forbidden(&at, "resourceVersionMatch is forbidden when continue is provided");
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", "ListOptions", "", &errors)) }
}

/// How long the watch lasts: what the client asks for, or 30 to 60 minutes so that not all end at once.
fn timeout(context: &Context) -> Result<Duration> {
    let asked = context.query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let minimum = context.server.options.min_request_timeout;
    Ok(match asked {
        Some(seconds) => Duration::from_secs(seconds as u64),
        None => minimum.mul_f64(1.0 + rand::rng().random::<f64>()),
    })
}

/// The body of a watch.
fn frames(
    watcher: Watcher,
    framer: Framer,
    deadline: Instant,
    end_of_initial: bool,
    bookmarks: bool,
    metrics: crate::metrics::requests::WatchGuard,
    server: Arc<Server>,
) -> impl futures::Stream<Item = Bytes> + Send {
    // One timer for the whole watch: one for each event would be most of what an event costs.
    let end = Box::pin(tokio::time::sleep_until(deadline));
    let state = Some((watcher, framer, Vec::with_capacity(8), metrics, end));
    futures::stream::unfold(state, move |state| {
        let server = Arc::clone(&server);
        async move {
            let (mut watcher, mut framer, mut items, metrics, mut end) = state?;
            loop {
                items.clear();
                let outcome = tokio::select! {
                    biased;
                    outcome = watcher.next_batch(&mut items, BATCH) => outcome,
                    () = &mut end => return None,
                };
                match outcome {
                    Ok(()) => {}
                    Err(WatchError::Closed) => return None,
                    Err(WatchError::Expired(expired)) => {
                        let status = Status::expired(format!("too old resource version ({})", expired.oldest));
                        return Some((framer.error(&status), None));
                    }
                }
                let mut chunk = if framer.target.asks_webhook() {
                    match framer.converted(&server, &items, end_of_initial, bookmarks).await {
                        Ok(chunk) => chunk,
                        Err(status) => return Some((framer.error(&status), None)),
                    }
                } else {
                    framer.batch(&items, end_of_initial, bookmarks)
                };
                metrics.sent(&chunk);
                match chunk.len() {
                    0 => {}
                    1 => return chunk.pop().map(|frame| (frame, Some((watcher, framer, items, metrics, end)))),
                    _ => {
                        let mut joined = BytesMut::with_capacity(chunk.iter().map(Bytes::len).sum());
                        chunk.iter().for_each(|frame| joined.extend_from_slice(frame));
                        return Some((joined.freeze(), Some((watcher, framer, items, metrics, end))));
                    }
                }
            }
        }
    })
}

/// Makes the frames of one watch.
struct Framer {
    /// Counts the watch among those that changes are told to.
    _interest: Option<apiserver_fairness::Interest>,
    served: Arc<Served>,
    target: Target,
    accepted: Accepted,
    include: IncludeObject,
    /// A table carries its columns in the first event only.
    columns_sent: bool,
    /// What is selected by fields that only converted objects have.
    chosen: Option<Arc<Selection>>,
}

impl Framer {
    fn batch(&mut self, items: &[WatchItem], end_of_initial: bool, bookmarks: bool) -> Vec<Bytes> {
        items
            .iter()
            .filter_map(|item| match item {
                WatchItem::Initial(object) => self.initial(object),
                WatchItem::InitialEventsEnd(revision) => end_of_initial.then(|| self.bookmark(*revision, true)),
                WatchItem::Event(event) => self.event(event),
                WatchItem::Bookmark(revision) => bookmarks.then(|| self.bookmark(*revision, false)),
            })
            .collect()
    }

    fn initial(&mut self, object: &Arc<Object>) -> Option<Bytes> {
        match respond::frame_form(&self.target, self.accepted) {
            Some(form) if form == forms::JSON_FRAME => {
                object.json().ok().map(|json| respond::frame(Encoding::Json, "ADDED", &json))
            }
            Some(_) => Some(self.protobuf_frame("ADDED", object)),
            None => self.private("ADDED", object),
        }
    }

    fn event(&mut self, event: &EventView) -> Option<Bytes> {
        let Some(form) = respond::frame_form(&self.target, self.accepted) else {
            return self.private(event.kind().as_str(), event.object());
        };
        if event.object().undecodable().is_some() {
            return None;
        }
        Some(event.frame(form, |kind: EventKind, object: &Object| {
            if form == forms::JSON_FRAME {
                let json = object.json().unwrap_or_default();
                respond::frame(Encoding::Json, kind.as_str(), &json)
            } else {
                self.protobuf_frame(kind.as_str(), object)
            }
        }))
    }

    fn protobuf_frame(&self, kind: &str, object: &Object) -> Bytes {
        let message = object.form(forms::PROTOBUF, |object| respond::message_of(&self.target, object));
        let enveloped = respond::enveloped(&self.target.api_version(), &self.served.resource.kind, &message);
        respond::frame(Encoding::Protobuf, kind, &enveloped)
    }

    /// [`Framer::batch`] where a webhook must be asked to convert the objects.
    async fn converted(
        &mut self,
        server: &Server,
        items: &[WatchItem],
        end_of_initial: bool,
        bookmarks: bool,
    ) -> Result<Vec<Bytes>> {
        let chosen = self.chosen.clone();
        let selected = |json: &[u8]| chosen.as_ref().is_none_or(|chosen| chosen.selects_converted(json));
        // An object that changes may begin or cease to be selected: its state before is converted too.
        let before = |event: &EventView| match event.kind() {
            EventKind::Modified if chosen.is_some() => event.previous().cloned(),
            _ => None,
        };
        let objects: Vec<Arc<Object>> = items
            .iter()
            .flat_map(|item| match item {
                WatchItem::Initial(object) => [Some(Arc::clone(object)), None],
                WatchItem::Event(event) => [Some(Arc::clone(event.object())), before(event)],
                _ => [None, None],
            })
            .flatten()
            .collect();
        let mut converted = self.target.converted(server, &objects).await?.into_iter();
        let mut frames = Vec::with_capacity(items.len());
        for item in items {
            let (kind, had_before) = match item {
                WatchItem::Initial(_) => ("ADDED", None),
                WatchItem::Event(event) => (event.kind().as_str(), before(event).map(|_| event.revision())),
                _ => {
                    frames.extend(self.batch(std::slice::from_ref(item), end_of_initial, bookmarks));
                    continue;
                }
            };
            let Some(json) = converted.next() else { continue };
            let previous = had_before.and_then(|revision| Some((converted.next()?, revision)));
            let seen = match previous {
                None => selected(&json).then_some((kind, json)),
                Some((previous, revision)) => match (selected(&previous), selected(&json)) {
                    (true, true) => Some((kind, json)),
                    (false, true) => Some(("ADDED", json)),
                    (true, false) => Some(("DELETED", self.at_revision(&previous, revision)?)),
                    (false, false) => None,
                },
            };
            if let Some((kind, json)) = seen {
                frames.extend(self.private_of(kind, json));
            }
        }
        Ok(frames)
    }

    /// A converted object with the resourceVersion of the event that ended its being selected.
    fn at_revision(&self, json: &[u8], revision: i64) -> Result<Bytes> {
        let mut tree: Value = serde_json::from_slice(json).map_err(Status::internal)?;
        object::set_meta(&mut tree, "resourceVersion", Some(revision.to_string().into()));
        Ok(self.target.encoded(&tree).into())
    }

    /// A frame in a form that is made for this watch alone.
    fn private(&mut self, kind: &str, object: &Object) -> Option<Bytes> {
        let json = respond::json_of(&self.target, object).ok()?;
        self.private_of(kind, json)
    }

    fn private_of(&mut self, kind: &str, json: Bytes) -> Option<Bytes> {
        let (form, api_version, form_kind) = match self.accepted.form {
            Form::Object => (json, self.target.api_version(), self.served.resource.kind.to_string()),
            Form::Metadata { v1beta1, .. } => (
                partial_metadata::of(&json, &self.served.resource, v1beta1).ok()?.into(),
                partial_metadata::api_version(v1beta1).to_owned(),
                partial_metadata::KIND.to_owned(),
            ),
            Form::Table { v1beta1 } => {
                let tree: Value = serde_json::from_slice(&json).ok()?;
                let revision = object::meta(&tree, "resourceVersion").to_owned();
                let resource = &self.served.resource;
                let mut table = Table::new(resource, self.include, v1beta1);
                table.columns = !std::mem::replace(&mut self.columns_sent, true);
                (table.of(&tree, &revision).into(), String::new(), String::new())
            }
        };
        if self.accepted.encoding != Encoding::Protobuf {
            return Some(respond::frame(self.accepted.encoding, kind, &form));
        }
        let (group, version) = crate::resources::split_api_version(&api_version);
        let ty = apiserver_schema::builtin(group, version, &form_kind)?;
        let enveloped = respond::enveloped(&api_version, &form_kind, &respond::message(ty, &form));
        Some(respond::frame(Encoding::Protobuf, kind, &enveloped))
    }

    /// An object that carries a revision and nothing else.
    fn bookmark(&self, revision: i64, end_of_initial: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if end_of_initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let resource = &self.served.resource;
        let (kind, api_version) = match self.accepted.form {
            Form::Metadata { v1beta1, .. } => {
                (partial_metadata::KIND.into(), partial_metadata::api_version(v1beta1).to_owned())
            }
            Form::Object => (resource.kind.clone(), api_version(&resource.group, &self.target.version.name)),
            Form::Table { v1beta1 } => {
                let tree = json!({"metadata": metadata});
                let mut table = Table::new(resource, self.include, v1beta1);
                table.columns = false;
                let table = table.of(&tree, &revision.to_string());
                return respond::frame(self.accepted.encoding, "BOOKMARK", &table);
            }
        };
        let tree = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        let ty = match self.accepted.form {
            Form::Object => Some(&*self.target.version.ty),
            _ => partial_metadata::ty().ok(),
        };
        let mut bytes = Vec::new();
        match (ty, self.accepted.encoding) {
            (Some(ty), Encoding::Protobuf) => {
                bytes = apiserver_schema::protobuf::encode(ty, &api_version, &kind, &tree);
            }
            (Some(ty), _) => apiserver_schema::json::encode(ty, &tree, &mut bytes),
            (None, _) => {}
        }
        respond::frame(self.accepted.encoding, "BOOKMARK", &bytes)
    }

    fn error(&self, status: &Status) -> Bytes {
        let json = status.to_json();
        if self.accepted.encoding != Encoding::Protobuf {
            return respond::frame(Encoding::Json, "ERROR", &json);
        }
        let tree: Value = serde_json::from_slice(&json).unwrap_or_default();
        match apiserver_schema::builtin("", "v1", "Status") {
            Some(ty) => {
                let bytes = apiserver_schema::protobuf::encode(ty, "v1", "Status", &tree);
                respond::frame(Encoding::Protobuf, "ERROR", &bytes)
            }
            None => Bytes::new(),
        }
    }
}
