//! What this server writes of its own accord, past requests and admission: as `kube-apiserver` it owns the fields.

use apiserver_apply::server_side;
use serde_json::{Value, json};

use crate::object;
use crate::resources::ownership::Ownership;
use crate::resources::{Resource, split_api_version};
use crate::server::Server;
use crate::status::Result;
use crate::storage::{Created, Replaced};
use crate::verbs::patch::refused_apply;

/// Who owns what this server writes.
pub const MANAGER: &str = "kube-apiserver";

/// Writes a new object, whose fields then belong to a manager, with `completed` ones that are nobody's: the server
/// fills those into any new object. Says whether there was none.
pub async fn create(
    server: &Server,
    group: &str,
    resource: &str,
    wanted: &Value,
    manager: &str,
    completed: Value,
) -> Result<bool> {
    let objects = server.objects(group, resource)?;
    let key = objects.key(object::meta(wanted, "namespace"), object::meta(wanted, "name"));
    let mut wanted = wanted.clone();
    if let Some(served) = server.served(group, resource) {
        own(server, &served.resource, "", None, &mut wanted, manager);
    }
    if let Value::Object(parts) = completed {
        for (part, fields) in parts {
            for (field, value) in fields.as_object().into_iter().flatten() {
                object::set(&mut wanted, &[&part, field], value.clone());
            }
        }
    }
    object::set_meta(&mut wanted, "uid", Some(uuid::Uuid::new_v4().to_string().into()));
    object::set_meta(&mut wanted, "creationTimestamp", Some(object::now()));
    Ok(matches!(objects.create(&key, &wanted).await?, Created::Done(_)))
}

/// [`create`], unless the object is known to exist.
pub async fn ensure_as(
    server: &Server,
    group: &str,
    resource: &str,
    wanted: &Value,
    manager: &str,
    completed: Value,
) -> Result<()> {
    let (namespace, name) = (object::meta(wanted, "namespace"), object::meta(wanted, "name"));
    if !server.is_cached(group, resource, namespace, name)? {
        create(server, group, resource, wanted, manager, completed).await?;
    }
    Ok(())
}

/// [`ensure_as`] this server.
pub async fn ensure(server: &Server, group: &str, resource: &str, wanted: &Value) -> Result<()> {
    ensure_as(server, group, resource, wanted, MANAGER, Value::Null).await
}

/// Changes an object, named with its namespace, until that succeeds or there is nothing to change.
pub async fn change(
    server: &Server,
    group: &str,
    resource: &str,
    (namespace, name): (&str, &str),
    make: impl Fn(&mut Value) -> bool + Send + Sync,
) -> Result<()> {
    let objects = server.objects(group, resource)?;
    let key = objects.key(namespace, name);
    let (mut current, _) = objects.to_change(&key, false).await?;
    while let Some((mut object, revision)) = current {
        if !make(&mut object) {
            return Ok(());
        }
        current = match objects.replace(&key, &object, revision).await? {
            Replaced::Changed(object, revision) => Some((object, revision)),
            Replaced::Done(_) | Replaced::Gone => None,
        };
    }
    Ok(())
}

/// Applies a status to an object of the cluster as a manager, if there is something to say of the object as it is.
pub async fn apply_status(
    server: &Server,
    group: &str,
    resource: &str,
    name: &str,
    manager: &str,
    status: impl Fn(&Value) -> Option<Value> + Send + Sync,
) -> Result<()> {
    let objects = server.objects(group, resource)?;
    let Some(served) = server.served(group, resource) else { return Ok(()) };
    let resource = &served.resource;
    let key = objects.key("", name);
    let (mut current, _) = objects.to_change(&key, false).await?;
    while let Some((object, revision)) = current {
        let Some(status) = status(&object) else { return Ok(()) };
        let api_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
        let (_, version) = split_api_version(&api_version);
        let Some(version) = resource.version(version) else { return Ok(()) };
        let config = json!({
            "apiVersion": api_version, "kind": resource.kind, "metadata": {"name": name}, "status": status,
        });
        let merged = {
            let ownership = Ownership::new(server, resource, &api_version, "status");
            let of = server_side::Resource {
                schema: &version.ty,
                api_version: &api_version,
                kind: &resource.kind,
                subresource: "status",
                custom: false,
                versions: &ownership,
            };
            let time = object::now();
            let writer = server_side::Writer { manager, time: time.as_str().unwrap_or_default() };
            server_side::apply(&of, Some(&object), &config, writer, true).map_err(refused_apply)?
        };
        current = match objects.replace(&key, &merged, revision).await? {
            Replaced::Changed(object, revision) => Some((object, revision)),
            Replaced::Done(_) | Replaced::Gone => None,
        };
    }
    Ok(())
}

/// Deletes an object of the whole cluster if there is one.
pub async fn remove(server: &Server, group: &str, resource: &str, name: &str) -> Result<()> {
    let objects = server.objects(group, resource)?;
    let key = objects.key("", name);
    let mut current = objects.read(&key).await?;
    while let Some((_, revision)) = current {
        current = match objects.remove(&key, revision).await? {
            Replaced::Changed(object, revision) => Some((object, revision)),
            Replaced::Done(_) | Replaced::Gone => None,
        };
    }
    Ok(())
}

/// What is told of an object to those who look at its events.
pub struct Warning<'a> {
    pub regarding: &'a Value,
    /// Which part of this server tells it.
    pub controller: &'a str,
    pub reason: &'a str,
    pub action: &'a str,
    pub note: String,
}

/// Records a warning in an `Event`.
pub async fn warn(server: &Server, warning: Warning<'_>) -> Result<()> {
    let regarding = warning.regarding;
    let (namespace, name) = (object::meta(regarding, "namespace"), object::meta(regarding, "name"));
    let namespace = if namespace.is_empty() { "default" } else { namespace };
    let mut reference = json!({"kind": regarding["kind"], "apiVersion": regarding["apiVersion"], "name": name});
    for field in ["namespace", "uid", "resourceVersion"] {
        let value = object::meta(regarding, field);
        if !value.is_empty() {
            reference[field] = value.into();
        }
    }
    let unique = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or_default();
    let event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": format!("{name}.{unique:x}"), "namespace": namespace},
        "involvedObject": reference, "type": "Warning", "reason": warning.reason, "action": warning.action,
        "message": warning.note, "eventTime": object::now_micros(), "source": {}, "firstTimestamp": null, "lastTimestamp": null,
        "reportingComponent": warning.controller, "reportingInstance": warning.controller,
    });
    create(server, "", "events", &event, MANAGER, Value::Null).await?;
    Ok(())
}

/// Notes in `managedFields` that what is new or changed in an object, through a subresource or none, is a manager's.
pub fn own(
    server: &Server,
    resource: &Resource,
    subresource: &str,
    old: Option<&Value>,
    object: &mut Value,
    manager: &str,
) {
    let api_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let (_, version) = split_api_version(&api_version);
    let Some(version) = resource.version(version) else { return };
    let ownership = Ownership::new(server, resource, &api_version, subresource);
    let of = server_side::Resource {
        schema: &version.ty,
        api_version: &api_version,
        kind: &resource.kind,
        subresource,
        custom: false,
        versions: &ownership,
    };
    let time = object::now();
    let writer = server_side::Writer { manager, time: time.as_str().unwrap_or_default() };
    server_side::update(&of, old, object, writer);
}

/// Notes that what is new or changed in a status is this server's.
pub fn own_status(server: &Server, (group, resource): (&str, &str), old: &Value, object: &mut Value) {
    if let Some(served) = server.served(group, resource) {
        own(server, &served.resource, "status", Some(old), object, MANAGER);
    }
}
