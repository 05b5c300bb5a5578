//! Where quotas are read and their use is written.

use std::collections::HashMap;

use apiserver_quota::DeviceClasses;
use apiserver_watch_cache::Scope;
use parking_lot::Mutex;
use serde_json::Value;

use super::check::Quota;
use crate::context::Target;
use crate::object;
use crate::server::Server;
use crate::status::{Result, Status};
use crate::storage::Replaced;
use crate::verbs;

/// Who the use of a quota is noted as written by.
const MANAGER: &str = "kube-apiserver";

/// The quotas as this server wrote them last, for as long as the cache does not show that.
#[derive(Default)]
pub struct Ledger {
    written: Mutex<HashMap<String, (i64, Value)>>,
}

impl Ledger {
    pub fn has_quotas(server: &Server, namespace: &str) -> bool {
        let Ok(objects) = server.objects("", "resourcequotas") else { return false };
        objects.cache.snapshot().list(&Scope::all().namespace(namespace), None).next().is_some()
    }

    /// The quotas of a namespace.
    pub fn quotas(&self, server: &Server, namespace: &str) -> Result<Vec<Quota>> {
        let objects = server.objects("", "resourcequotas")?;
        let mut written = self.written.lock();
        let mut quotas = Vec::new();
        let mut newer = HashMap::new();
        for cached in objects.cache.snapshot().list(&Scope::all().namespace(namespace), None) {
            let key = cached.key().to_string();
            match written.remove(&key) {
                Some((revision, own)) if revision > cached.revision() => {
                    quotas.push(Quota::new(own.clone(), revision));
                    newer.insert(key, (revision, own));
                }
                _ => {
                    let json = cached.json().map_err(Status::internal)?;
                    let tree = serde_json::from_slice(&json).map_err(Status::internal)?;
                    quotas.push(Quota::new(tree, cached.revision()));
                }
            }
        }
        // What is left of this namespace is gone from the cache.
        let of_namespace = objects.key(namespace, "");
        written.retain(|key, _| !key.starts_with(&of_namespace));
        written.extend(newer);
        Ok(quotas)
    }

    /// Stores what is used of a quota. If something else was stored since, that; a quota that is gone limits nothing.
    pub async fn write(&self, server: &Server, namespace: &str, quota: Quota) -> Result<Option<Quota>> {
        let objects = server.objects("", "resourcequotas")?;
        let served = server.served("", "resourcequotas").ok_or_else(Status::no_such_path)?;
        let version = served.resource.versions.first().cloned().ok_or_else(Status::no_such_path)?;
        let target = Target { served: std::sync::Arc::clone(served), version };
        let mut changed = quota.object.clone();
        object::set(&mut changed, &["status", "used"], quota.used.to_json());
        verbs::track_manager(server, &target, "status", Some(&quota.object), &mut changed, MANAGER);
        let key = objects.key(namespace, object::meta(&quota.object, "name"));
        match objects.replace(&key, &changed, quota.revision).await? {
            Replaced::Done(revision) => {
                object::set_meta(&mut changed, "resourceVersion", Some(revision.to_string().into()));
                self.written.lock().insert(key, (revision, changed));
                Ok(None)
            }
            Replaced::Changed(newer, revision) => Ok(Some(Quota::new(newer, revision))),
            Replaced::Gone => Ok(None),
        }
    }
}

/// The extended resources that device classes stand for.
pub fn device_classes(server: &Server) -> Result<DeviceClasses> {
    let classes = server.list_cached("resource.k8s.io", "deviceclasses")?.into_iter();
    let extended = classes.filter_map(|class| {
        let name = class["spec"]["extendedResourceName"].as_str().filter(|name| !name.is_empty())?;
        Some((object::meta(&class, "name").to_owned(), name.to_owned()))
    });
    Ok(DeviceClasses(extended.collect()))
}
