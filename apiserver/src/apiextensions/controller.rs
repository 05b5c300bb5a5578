//! Keeps the table of custom resources and the statuses of their definitions in step with the definitions.
//!
//! One task follows the cache of definitions. What a definition asks for is put into the table before its status says
//! so: who sees `Established` finds it served.
//!
//! Source: apiextensions-apiserver `pkg/controller`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use apiserver_watch_cache::{EventKind, From, Scope, WatchItem, WatchOptions};
use parking_lot::Mutex;
use serde_json::Value;
use smol_str::SmolStr;

use super::definition::fingerprint;
use super::names::Accepted;
use super::{Definition, GROUP, Installed, LazyStore, PLURAL};
use crate::authn::User;
use crate::conditions::{self, is_true};
use crate::context::{Context, Target};
use crate::object::{self, meta, text};
use crate::own_objects::own_status;
use crate::request::{Query, RequestInfo};
use crate::server::Server;
use crate::status::Result;
use crate::storage::Replaced;
use crate::verbs::delete::{DeleteOptions, delete_object};

/// The finalizer that holds a definition until its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// How many events one turn takes.
const BATCH: usize = 256;

/// Follows the definitions until the server stops.
pub async fn run(server: Arc<Server>) {
    let stopping = server.draining.clone();
    let controller = Controller { server, names: Accepted::default(), known: HashMap::new(), cleaning: Arc::default() };
    tokio::select! {
        () = controller.run() => {}
        () = stopping.cancelled() => {}
    }
}

struct Controller {
    server: Arc<Server>,
    names: Accepted,
    /// Group and plural name of each definition in the table.
    known: HashMap<SmolStr, (SmolStr, SmolStr)>,
    /// Definitions whose objects are being deleted.
    cleaning: Arc<Mutex<HashSet<String>>>,
}

type Change = (SmolStr, SmolStr, Option<Arc<Installed>>);

impl Controller {
    async fn run(mut self) {
        loop {
            if let Err(status) = self.follow().await {
                tracing::warn!(error = status.message, "the definitions of custom resources cannot be followed");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// One watch, from the present state on.
    async fn follow(&mut self) -> Result<()> {
        let server = Arc::clone(&self.server);
        let objects = server.objects(GROUP, PLURAL)?;
        objects.cache.ready().await?;
        let options = WatchOptions {
            from: From::InitialThen,
            scope: Scope::all(),
            filter: None,
            bookmarks: false,
            deadline: None,
        };
        let Ok(mut watcher) = objects.cache.watch(options) else { return Ok(()) };
        let mut seen: Option<HashSet<SmolStr>> = Some(HashSet::new());
        let mut items = Vec::with_capacity(BATCH);
        loop {
            items.clear();
            if watcher.next_batch(&mut items, BATCH).await.is_err() {
                return Ok(());
            }
            let mut changes = Vec::new();
            let mut writes = Vec::new();
            let mut released = false;
            for item in &items {
                let (object, gone) = match item {
                    WatchItem::Initial(object) => (object, false),
                    WatchItem::Event(event) => (event.object(), event.kind() == EventKind::Deleted),
                    WatchItem::InitialEventsEnd(_) => {
                        // What went while no watch was open.
                        let seen = seen.take().unwrap_or_default();
                        let gone: Vec<SmolStr> =
                            self.known.keys().filter(|name| !seen.contains(*name)).cloned().collect();
                        for name in gone {
                            released |= self.gone(&name, &mut changes);
                        }
                        continue;
                    }
                    WatchItem::Bookmark(_) => continue,
                };
                if gone {
                    released |= self.gone(object.name(), &mut changes);
                    continue;
                }
                if let Some(seen) = &mut seen {
                    seen.insert(object.name().clone());
                }
                let Some(crd) = object.json().ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok()) else {
                    continue;
                };
                released |= self.sync(crd, &mut changes, &mut writes);
            }
            if released {
                self.reconsider(&mut changes, &mut writes)?;
            }
            self.server.custom.change(changes);
            if seen.is_none() {
                self.server.set_definitions_known();
            }
            futures::future::join_all(writes.into_iter().map(|(old, new)| write(&server, old, new))).await;
        }
    }

    fn gone(&mut self, name: &SmolStr, changes: &mut Vec<Change>) -> bool {
        let Some((group, plural)) = self.known.remove(name) else { return false };
        changes.push((group.clone(), plural, None));
        self.names.note(&group, name, None)
    }

    /// Names were given back: definitions that could not have theirs may have them now.
    fn reconsider(&mut self, changes: &mut Vec<Change>, writes: &mut Vec<(Value, Value)>) -> Result<()> {
        for crd in self.server.list_cached(GROUP, PLURAL)? {
            let refused = conditions::find(&crd, "NamesAccepted").is_some_and(|found| found["status"] == "False");
            let pending = |(_, new): &(Value, Value)| meta(new, "name") == meta(&crd, "name");
            if refused && !writes.iter().any(pending) {
                self.sync(crd, changes, writes);
            }
        }
        Ok(())
    }

    /// Brings the table in step with a definition, and says what to write to its status; whether it gave back names.
    fn sync(&mut self, crd: Value, changes: &mut Vec<Change>, writes: &mut Vec<(Value, Value)>) -> bool {
        let group = SmolStr::new(text(&crd["spec"]["group"]));
        let plural = SmolStr::new(text(&crd["spec"]["names"]["plural"]));
        let name = SmolStr::new(meta(&crd, "name"));
        self.known.insert(name.clone(), (group.clone(), plural.clone()));
        let mut next = crd.clone();
        self.names.judge(&mut next);
        if is_true(&next, "NamesAccepted") && !is_true(&next, "Established") {
            let message = "the initial names have been accepted";
            conditions::set(&mut next, "Established", "True", "InitialNamesAccepted", message);
        }
        super::schema_conditions::judge(&mut next);
        let released = self.names.note(&group, &name, Some(&next));
        if is_true(&next, "NamesAccepted") || is_true(&next, "Established") {
            let pending = changes.iter().rev().find(|(g, p, _)| *g == group && *p == plural);
            let installed = match pending {
                Some((_, _, installed)) => installed.clone(),
                None => self.server.custom.installed(&group, &plural),
            };
            let fresh = fingerprint(&next);
            let current = installed.as_ref().is_some_and(|installed| installed.definition.fingerprint == fresh);
            if !current && let Some(definition) = Definition::compile(&self.server.custom.pool, &next) {
                let (feed, store) = (Arc::clone(&self.server.feed), Arc::clone(&self.server.store));
                let operations = self.server.metrics.stores.of(&group, &plural);
                let keys = self.server.encryption.as_ref().map(|all| all.of(&group, &plural));
                let make = |resource, storage| LazyStore::new(feed, store, resource, storage, operations, keys);
                let installed = Installed::new(definition, installed.as_deref(), make);
                changes.push((group, plural, Some(Arc::new(installed))));
            }
        }
        if object::is_terminating(&crd) && object::finalizers(&crd).contains(&CLEANUP) {
            self.clean(name.to_string());
        } else if next["status"] != crd["status"] {
            writes.push((crd, next));
        }
        released
    }

    /// Deletes the objects of a definition that is being deleted, then lets it go; once at a time.
    fn clean(&self, name: String) {
        if !self.cleaning.lock().insert(name.clone()) {
            return;
        }
        let (server, cleaning) = (Arc::clone(&self.server), Arc::clone(&self.cleaning));
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(50);
            loop {
                match finalize(&server, &name).await {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(status) => tracing::warn!(name, error = status.message, "custom resources cannot be deleted"),
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = server.draining.cancelled() => break,
                }
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            cleaning.lock().remove(&name);
        });
    }
}

/// Writes a definition's status if nobody changed the definition meanwhile; who did causes another event.
async fn write(server: &Server, old: Value, mut new: Value) {
    let outcome = async {
        let objects = server.objects(GROUP, PLURAL)?;
        let key = objects.key("", meta(&old, "name"));
        let revision = meta(&old, "resourceVersion").parse().unwrap_or_default();
        own_status(server, (GROUP, PLURAL), &old, &mut new);
        if object::is_terminating(&new) && object::finalizers(&new).is_empty() {
            return objects.remove(&key, revision).await;
        }
        objects.replace(&key, &new, revision).await
    };
    if let Err(status) = outcome.await {
        tracing::warn!(name = meta(&old, "name"), error = status.message, "a status could not be written");
    }
}

/// One try to delete what is left of a definition; whether it is done.
async fn finalize(server: &Arc<Server>, name: &str) -> Result<bool> {
    let objects = server.objects(GROUP, PLURAL)?;
    let key = objects.key("", name);
    let Some((old, revision)) = objects.read(&key).await? else { return Ok(true) };
    if !object::is_terminating(&old) || !object::finalizers(&old).contains(&CLEANUP) {
        return Ok(true);
    }
    let mut crd = old.clone();
    let group = text(&crd["spec"]["group"]).to_owned();
    let plural = text(&crd["spec"]["names"]["plural"]).to_owned();
    if is_true(&crd, "Established") {
        let message = "CustomResource deletion is in progress";
        if !conditions::says(&crd, "Terminating", "True", "InstanceDeletionInProgress", message) {
            conditions::set(&mut crd, "Terminating", "True", "InstanceDeletionInProgress", message);
            own_status(server, (GROUP, PLURAL), &old, &mut crd);
            objects.replace(&key, &crd, revision).await?;
            return Ok(false);
        }
        if !delete_instances(server, &group, &plural).await? {
            return Ok(false);
        }
        let message = "removed all instances";
        conditions::set(&mut crd, "Terminating", "False", "InstanceDeletionCompleted", message);
    } else {
        conditions::set(&mut crd, "Terminating", "False", "NeverEstablished", "resource was never established");
    }
    let left: Vec<Value> =
        object::finalizers(&crd).into_iter().filter(|name| *name != CLEANUP).map(Value::from).collect();
    let outcome = if left.is_empty() {
        objects.remove(&key, revision).await?
    } else {
        object::set_meta(&mut crd, "finalizers", Some(left.into()));
        own_status(server, (GROUP, PLURAL), &old, &mut crd);
        objects.replace(&key, &crd, revision).await?
    };
    Ok(matches!(outcome, Replaced::Done(_) | Replaced::Gone))
}

/// Asks for the deletion of all objects of a resource; whether none is left.
async fn delete_instances(server: &Arc<Server>, group: &str, plural: &str) -> Result<bool> {
    let Some(installed) = server.custom.installed(group, plural) else { return Ok(true) };
    // No version need be served for its objects to be deleted.
    let row = &installed.storage;
    let target = Target { served: Arc::clone(row), version: row.resource.versions[0].clone() };
    let objects = target.objects()?;
    objects.consistent().await?;
    let snapshot = objects.cache.snapshot();
    let mut left = false;
    for found in snapshot.list(&Scope::all(), None) {
        left = true;
        let info = RequestInfo {
            is_resource: true,
            verb: "delete",
            prefix: "apis",
            group: group.to_owned(),
            version: target.version.name.to_string(),
            namespace: found.namespace().to_string(),
            resource: plural.to_owned(),
            name: found.name().to_string(),
            ..RequestInfo::default()
        };
        let context = Context {
            server: Arc::clone(server),
            info,
            query: Query::default(),
            headers: http::HeaderMap::new(),
            user: User::of_server(),
            warnings: Mutex::default(),
            audit: Arc::default(),
        };
        match delete_object(&context, &target, found.namespace(), found.name(), &DeleteOptions::default(), None).await {
            Err(status) if status.code != http::StatusCode::NOT_FOUND => return Err(status),
            _ => {}
        }
    }
    Ok(!left)
}
