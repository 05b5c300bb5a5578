//! Priority and fairness of requests: which level each belongs to, and how much work it is.
//!
//! Source: apiserver `pkg/server/filters/priority-and-fairness.go`, `pkg/util/flowcontrol/request`.

use std::sync::Arc;
use std::time::Duration;

use apiserver_fairness::{
    Asked, Details, Estimate, Fairness, FlowSchema, ListShape, PriorityLevel, Schema, Seat, list_seats, mutating_seats,
};
use apiserver_watch_cache::{From, Scope, WatchOptions};
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::authn::User;
use crate::body::{self, Body};
use crate::bootstrap::flow_control;
use crate::context::{Context, Stored};
use crate::max_in_flight;
use crate::request::{Query, RequestInfo};
use crate::server::Server;
use crate::storage::ObjectStore;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const SCHEMA_UID: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const LEVEL_UID: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");
/// How often seats are moved between levels.
const REBALANCE: Duration = Duration::from_secs(10);
/// The longest that a request waits, whatever time it has.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Objects that are looked at to guess the size of all.
const SAMPLE: usize = 8;

/// A request's place among those under way, until it is dropped.
#[derive(Default)]
pub struct Place {
    /// Which schema and level it belongs to.
    schema: Option<Arc<Schema>>,
    _seat: Option<Seat>,
    _limited: Option<max_in_flight::Place>,
}

impl Place {
    /// Says in the answer which schema and level the request belonged to: by uid, so that a client learns no names.
    pub fn mark(&self, response: &mut Response<Body>) {
        if let Some(schema) = &self.schema {
            mark(schema, response);
        }
    }
}

fn mark(schema: &Schema, response: &mut Response<Body>) {
    for (name, uid) in [(SCHEMA_UID, &schema.uid), (LEVEL_UID, &schema.level_uid)] {
        if let Ok(value) = HeaderValue::from_str(uid) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// Fairness as the flags ask for it.
///
/// # Errors
/// There would be no seats.
pub fn new(
    is_enabled: bool,
    reading: usize,
    changing: usize,
    metrics: apiserver_fairness::Metrics,
) -> anyhow::Result<Option<Fairness>> {
    if !is_enabled {
        return Ok(None);
    }
    let seats = reading.saturating_add(changing);
    anyhow::ensure!(
        seats > 0,
        "--max-requests-inflight={reading} and --max-mutating-requests-inflight={changing} must add up to something positive"
    );
    let schemas = ["exempt", "catch-all"].map(|name| named::<FlowSchema>("FlowSchema", name));
    let levels = ["exempt", "catch-all"].map(|name| named::<PriorityLevel>("PriorityLevelConfiguration", name));
    Ok(Some(Fairness::new(
        seats,
        metrics,
        schemas.into_iter().collect::<anyhow::Result<_>>()?,
        levels.into_iter().collect::<anyhow::Result<_>>()?,
    )))
}

fn named<T: serde::de::DeserializeOwned>(kind: &str, name: &str) -> anyhow::Result<T> {
    let spec = flow_control::mandatory(kind, name).map(|object| object["spec"].clone()).unwrap_or_default();
    Ok(serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?)
}

/// A place for a request, once it is its turn; or the answer that there is none.
pub async fn enter(server: &Server, info: &RequestInfo, query: &Query, user: &User) -> Result<Place, Response<Body>> {
    let Some(fairness) = &server.fairness else {
        return match server.max_in_flight.enter(info, user) {
            Ok(place) => Ok(Place { _limited: Some(place), ..Place::default() }),
            Err(max_in_flight::Full) => Err(too_many(1)),
        };
    };
    // A stream is no work once it flows; a watch is, until it has begun.
    if info.is_long_running() && info.verb != "watch" {
        return Ok(Place::default());
    }
    let asked = asked(info, user);
    // There is always a schema for all.
    let Some(schema) = fairness.classify(&asked) else { return Ok(Place::default()) };
    let estimate = estimate(server, fairness, &schema, info, query);
    let details = Details {
        user: user.name.clone(),
        verb: info.verb,
        path: info.path.clone(),
        namespace: info.namespace.clone(),
        name: info.name.clone(),
        api_version: crate::resources::api_version(&info.group, &info.version),
        resource: info.resource.clone(),
        subresource: info.subresource.clone(),
    };
    match fairness.enter(&schema, &asked, estimate, details, is_mutating(info), patience(server, query)).await {
        Ok(seat) => Ok(Place { schema: Some(schema), _seat: Some(seat), _limited: None }),
        Err(refused) => {
            let mut response = too_many(refused.retry_after);
            mark(&schema, &mut response);
            Err(response)
        }
    }
}

fn too_many(seconds: u64) -> Response<Body> {
    let mut response = body::plain(StatusCode::TOO_MANY_REQUESTS, "Too many requests, please try again later.\n");
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

fn asked<'a>(info: &'a RequestInfo, user: &'a User) -> Asked<'a> {
    Asked {
        user: &user.name,
        groups: &user.groups,
        verb: info.verb,
        is_resource: info.is_resource,
        group: &info.group,
        resource: &info.resource,
        subresource: &info.subresource,
        namespace: &info.namespace,
        path: &info.path,
    }
}

pub fn is_mutating(info: &RequestInfo) -> bool {
    !matches!(info.verb, "get" | "list" | "watch")
}

/// How long a request may wait: a quarter of the time that it has.
fn patience(server: &Server, query: &Query) -> Duration {
    (server.edge.deadline(query).unwrap_or(MAX_WAIT) / 4).min(MAX_WAIT)
}

fn estimate(server: &Server, fairness: &Fairness, schema: &Schema, info: &RequestInfo, query: &Query) -> Estimate {
    let max_seats = schema.level.max_seats();
    match info.verb {
        "list" | "watch" => list_shape(server, info, query).map_or(Estimate::ONE, |shape| list_seats(shape, max_seats)),
        // A token is no change of its account.
        "create" if info.resource == "serviceaccounts" && info.subresource == "token" => Estimate::ONE,
        "create" | "update" | "patch" | "delete" => {
            let watches = fairness.watches.interested(&info.group, &info.resource, &info.namespace, &info.name);
            Fairness::observe_watches(schema, watches);
            mutating_seats(watches, max_seats)
        }
        _ => Estimate::ONE,
    }
}

/// What a list, or a watch that begins with one, will read; none of what nobody has asked for yet.
fn list_shape(server: &Server, info: &RequestInfo, query: &Query) -> Option<ListShape> {
    let version = query.get("resourceVersion").unwrap_or_default();
    if info.verb == "watch" && !query.flag("sendInitialEvents") && !matches!(version, "" | "0") {
        return None;
    }
    let served = server.serving(&info.group, &info.version, &info.resource)?;
    let objects: &ObjectStore = match &served.objects {
        Stored::Open(objects) => objects,
        Stored::Lazy(objects) => objects.made()?,
        Stored::Not => return None,
    };
    let snapshot = objects.cache.snapshot();
    let (mut sampled, mut bytes) = (0, 0);
    for object in snapshot.list(&Scope::all(), None).take(SAMPLE) {
        sampled += 1;
        bytes += object.json_len();
    }
    let limit = query.number("limit").ok().flatten().unwrap_or_default().max(0) as usize;
    let from_store = match query.get("resourceVersionMatch").unwrap_or_default() {
        "" if query.get("continue").is_some_and(|token| !token.is_empty()) => true,
        "" => limit > 0 && !matches!(version, "" | "0"),
        "NotOlderThan" => false,
        _ => true,
    };
    let has = |selector: &str| query.get(selector).is_some_and(|text| !text.is_empty());
    Some(ListShape {
        objects: snapshot.len(),
        average_size: bytes.checked_div(sampled).unwrap_or_default(),
        limit,
        is_single: !info.name.is_empty(),
        from_store: from_store && info.verb != "watch",
        has_selector: has("labelSelector") || has("fieldSelector"),
    })
}

/// Counts a watch among those that changes are told to; one of a single node's pods hears of few of them.
pub fn interest(context: &Context) -> Option<apiserver_fairness::Interest> {
    let (fairness, info) = (context.server.fairness.as_ref()?, &context.info);
    let of_node =
        |selector: &str| selector.split(',').any(|term| term.starts_with("spec.nodeName=") && !term.ends_with('='));
    if info.resource == "pods" && context.query.get("fieldSelector").is_some_and(of_node) {
        return None;
    }
    Some(fairness.watches.register(&info.group, &info.resource, &info.namespace, &info.name))
}

/// Serves the tables of what waits and executes; none for another path.
pub fn dump(context: &Context, path: &str) -> Option<Response<Body>> {
    let fairness = context.server.fairness.as_ref()?;
    let text = match path.strip_prefix("/debug/api_priority_and_fairness/")? {
        "dump_priority_levels" => fairness.dump_priority_levels(),
        "dump_queues" => fairness.dump_queues(),
        "dump_requests" => {
            let details = context.query.get("includeRequestDetails").is_some_and(|value| !value.is_empty());
            fairness.dump_requests(details)
        }
        _ => return None,
    };
    Some(body::text(StatusCode::OK, text))
}

/// Keeps the levels as the objects say, and moves seats between them.
pub async fn follow(server: Arc<Server>) {
    let Some(fairness) = &server.fairness else { return };
    let changed = Notify::new();
    let work = async {
        let mut rebalance = tokio::time::interval(REBALANCE);
        loop {
            tokio::select! {
                () = changed.notified() => {
                    configure(&server, fairness);
                    if server.is_bootstrapped() && let Err(status) = flow_control::dangling(&server).await {
                        tracing::warn!(error = status.message, "the status of flow schemas could not be kept");
                    }
                }
                _ = rebalance.tick() => fairness.rebalance(),
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = watch(&server, "flowschemas", &changed) => {}
        () = watch(&server, "prioritylevelconfigurations", &changed) => {}
        () = server.draining.cancelled() => {}
    }
}

/// Tells of every change of a resource.
async fn watch(server: &Server, resource: &str, changed: &Notify) {
    loop {
        if let Ok(objects) = server.objects(GROUP, resource)
            && objects.cache.ready().await.is_ok()
        {
            let options = WatchOptions {
                from: From::InitialThen,
                scope: Scope::all(),
                filter: None,
                bookmarks: false,
                deadline: None,
            };
            if let Ok(mut watcher) = objects.cache.watch(options) {
                let mut items = Vec::new();
                while watcher.next_batch(&mut items, 256).await.is_ok() {
                    items.clear();
                    changed.notify_one();
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn configure(server: &Server, fairness: &Fairness) {
    let (Ok(schemas), Ok(levels)) =
        (server.list_cached(GROUP, "flowschemas"), server.list_cached(GROUP, "prioritylevelconfigurations"))
    else {
        return;
    };
    fairness.configure(parsed(schemas), parsed(levels));
}

fn parsed<T: serde::de::DeserializeOwned>(objects: Vec<Value>) -> Vec<T> {
    objects
        .into_iter()
        .filter_map(|object| {
            serde_json::from_value(object)
                .inspect_err(|error| tracing::warn!(%error, "an object of flow control cannot be used"))
                .ok()
        })
        .collect()
}
