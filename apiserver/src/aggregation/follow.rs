//! Keeps what is known of the servers behind this one in step with APIServices, services and their endpoints.
//!
//! Each server has two tasks of its own: one finds out whether it can be used, one asks what it serves. A server that
//! hangs holds up nobody else.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use apiserver_watch_cache::{From, Scope, WatchItem, WatchOptions};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::remote::Remote;
use super::{GROUP, PLURAL, availability, discovered, openapi};
use crate::server::Server;
use crate::status::{Result, Status};

/// How many events one turn takes.
const BATCH: usize = 256;
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// How often a task runs without anything happening, and how soon again after a failure.
struct Rhythm {
    calm: Duration,
    first_retry: Duration,
}

const AVAILABILITY: Rhythm = Rhythm { calm: Duration::from_secs(30), first_retry: Duration::from_millis(5) };
const DOCUMENTS: Rhythm = Rhythm { calm: Duration::from_secs(60), first_retry: Duration::from_millis(500) };

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Changed {
    ApiServices,
    Service { namespace: String, name: String },
}

/// Follows until the server stops.
pub async fn run(server: Arc<Server>) {
    let stopping = server.draining.clone();
    tokio::select! {
        () = follow(server) => {}
        () = stopping.cancelled() => {}
    }
}

async fn follow(server: Arc<Server>) {
    let (sender, mut receiver) = mpsc::channel(BATCH);
    // All tasks end with this one.
    let mut watches = JoinSet::new();
    for (group, resource) in [(GROUP, PLURAL), ("", "services"), ("discovery.k8s.io", "endpointslices")] {
        watches.spawn(watch(Arc::clone(&server), group, resource, sender.clone()));
    }
    let mut followers: HashMap<String, Follower> = HashMap::new();
    while let Some(changed) = receiver.recv().await {
        match changed {
            Changed::ApiServices => match reload(&server) {
                Ok(remotes) => {
                    followers.retain(|name, _| remotes.iter().any(|remote| remote.name == *name));
                    for remote in remotes {
                        let start = || Follower::start(&server, &remote.name);
                        let follower = followers.entry(remote.name.clone()).or_insert_with(start);
                        if follower.revision != remote.revision {
                            follower.revision = remote.revision;
                            follower.availability.notify_one();
                            follower.documents.notify_one();
                        }
                    }
                }
                Err(status) => tracing::warn!(error = status.message, "APIServices cannot be read"),
            },
            Changed::Service { namespace, name } => {
                let concerned = server.aggregation.all().into_iter().filter(|remote| {
                    (remote.service.namespace.as_str(), remote.service.name.as_str()) == (&*namespace, &*name)
                });
                for remote in concerned {
                    if let Some(follower) = followers.get(&remote.name) {
                        follower.availability.notify_one();
                    }
                }
            }
        }
    }
}

/// Reads all APIServices anew.
fn reload(server: &Server) -> Result<Vec<Arc<Remote>>> {
    let identity = &server.aggregation.identity;
    let mut remotes = Vec::new();
    for stored in server.objects(GROUP, PLURAL)?.cache.snapshot().list(&Scope::all(), None) {
        let json = stored.json().map_err(Status::internal)?;
        // Nearly all are about this server itself: they are not worth a tree.
        if std::str::from_utf8(&json).is_ok_and(|json| json.contains("\"service\":")) {
            let tree = serde_json::from_slice(&json).map_err(Status::internal)?;
            remotes.extend(Remote::read(&tree, stored.revision(), identity).map(Arc::new));
        }
    }
    server.aggregation.replace(remotes.clone());
    Ok(remotes)
}

/// The tasks of one server; they end when this is dropped.
struct Follower {
    availability: Arc<Notify>,
    documents: Arc<Notify>,
    /// That of the APIService of which the tasks have been told.
    revision: i64,
    _tasks: JoinSet<()>,
}

impl Follower {
    fn start(server: &Arc<Server>, name: &str) -> Follower {
        let (availability, documents) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_availability(Arc::clone(server), name.to_owned(), Arc::clone(&availability)));
        tasks.spawn(keep_documents(Arc::clone(server), name.to_owned(), Arc::clone(&documents)));
        Follower { availability, documents, revision: 0, _tasks: tasks }
    }
}

impl Rhythm {
    /// How long to wait after so many failures in a row.
    fn pause(&self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => self.calm,
            Some(before) => self.first_retry.saturating_mul(2_u32.saturating_pow(before)).min(self.calm),
        }
    }
}

async fn keep_availability(server: Arc<Server>, name: String, wake: Arc<Notify>) {
    let mut failures = 0;
    while let Some(remote) = server.aggregation.named(&name) {
        let again = availability::check(&server, &remote).await.unwrap_or_else(|status| {
            tracing::warn!(name, error = status.message, "the availability of an APIService cannot be written");
            true
        });
        failures = if again { failures + 1 } else { 0 };
        waited(&wake, AVAILABILITY.pause(failures)).await;
    }
}

async fn keep_documents(server: Arc<Server>, name: String, wake: Arc<Notify>) {
    let mut failures = 0;
    while let Some(remote) = server.aggregation.named(&name) {
        let outcome = async {
            if !remote.available {
                return Err("it is not available".to_owned());
            }
            let discovery = discovered::fetch(&server, &remote).await?;
            server.aggregation.learn(&name, |known| {
                known.discovery = discovery;
                known.stale = false;
            });
            let described = openapi::fetch(&server, &remote).await?;
            server.aggregation.learn(&name, |known| {
                (known.openapi, known.converted, known.openapi_v2) =
                    (described.names, described.converted, described.v2);
            });
            Ok(())
        };
        failures = match outcome.await {
            Ok(()) => 0,
            Err(why) => {
                tracing::debug!(name, why, "an aggregated API does not describe itself");
                server.aggregation.learn(&name, |known| known.stale = true);
                failures + 1
            }
        };
        waited(&wake, DOCUMENTS.pause(failures)).await;
    }
}

async fn waited(wake: &Notify, pause: Duration) {
    tokio::select! {
        () = wake.notified() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

/// Tells of every change of a resource that may matter.
async fn watch(server: Arc<Server>, group: &'static str, resource: &'static str, sender: mpsc::Sender<Changed>) {
    loop {
        if let Err(status) = watch_once(&server, group, resource, &sender).await {
            tracing::warn!(resource, error = status.message, "cannot be followed for aggregated APIs");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn watch_once(server: &Server, group: &str, resource: &str, sender: &mpsc::Sender<Changed>) -> Result<()> {
    let objects = server.objects(group, resource)?;
    objects.cache.ready().await?;
    let options =
        WatchOptions { from: From::InitialThen, scope: Scope::all(), filter: None, bookmarks: false, deadline: None };
    let Ok(mut watcher) = objects.cache.watch(options) else { return Ok(()) };
    let mut items = Vec::with_capacity(BATCH);
    loop {
        items.clear();
        if watcher.next_batch(&mut items, BATCH).await.is_err() {
            return Ok(());
        }
        let mut changes = BTreeSet::new();
        for item in &items {
            let object = match item {
                WatchItem::Initial(object) => object,
                WatchItem::Event(event) => event.object(),
                // Also what went while no watch was open.
                WatchItem::InitialEventsEnd(_) if resource == PLURAL => {
                    changes.insert(Changed::ApiServices);
                    continue;
                }
                _ => continue,
            };
            if resource == PLURAL {
                changes.insert(Changed::ApiServices);
                continue;
            }
            let namespace = object.namespace();
            let name = match resource {
                "services" => object.name().as_str(),
                _ => object.label(SERVICE_NAME).map_or("", |name| name.as_str()),
            };
            if server.aggregation.is_reached_by(namespace, name) {
                changes.insert(Changed::Service { namespace: namespace.to_string(), name: name.to_owned() });
            }
        }
        for change in changes {
            if sender.send(change).await.is_err() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_calm_rhythm() {
        let millis = |failures| AVAILABILITY.pause(failures).as_millis();
        assert_eq!([0, 1, 2, 3, 40].map(millis), [30_000, 5, 10, 20, 30_000]);
    }
}
