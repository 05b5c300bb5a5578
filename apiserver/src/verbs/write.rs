//! What update, patch and the subresources share: read, change, check, compare-and-swap, and again.
//!
//! Source: apiserver `pkg/registry/generic/registry/store.go` (Update) and `rest/update.go` (BeforeUpdate).

use std::borrow::Cow;

use apiserver_apply::managed_fields;
use apiserver_apply::server_side::{self, Writer};
use apiserver_schema::json;
use async_trait::async_trait;
use serde_json::Value;

use crate::admission::{self, Attributes, Operation};
use crate::authz::escalation;
use crate::context::{Context, Target, WriteOptions};
use crate::field::ErrorList;
use crate::resources::hooks::Request;
use crate::resources::ownership::Ownership;
use crate::respond::Answer;
use crate::server::Server;
use crate::status::{Result, Status};
use crate::storage::{Replaced, Standing};
use crate::verbs::create;
use crate::{object, object_meta};

/// How often a write that says nothing about the version it changes is tried against newer versions.
const TRIES: usize = 20;

/// One kind of change, made against whatever the object is at each try.
#[async_trait]
pub trait Change: Send + Sync {
    /// The object as it shall be, in the request's version and with `managedFields` up to date. `old` is the
    /// object as it is; absent when there is none and the change may create it.
    async fn make(&self, old: Option<&Value>) -> Result<Value>;

    /// Whether the change creates the object where there is none.
    fn creates(&self) -> bool {
        false
    }

    /// Whether the change passes admission by itself, as another kind of object than the one that is stored.
    fn is_admitted(&self) -> bool {
        false
    }

    /// Whether the client named the version that it changes, so that a conflict is the client's to solve.
    fn is_conditional(&self, made: &Value) -> bool {
        !object::meta(made, "resourceVersion").is_empty()
    }
}

/// A change that was made.
pub struct Changed {
    pub object: Answer,
    pub created: bool,
}

/// Makes a change to the object named by the request.
pub async fn change(
    context: &Context,
    target: &Target,
    options: &WriteOptions,
    change: &dyn Change,
) -> Result<Changed> {
    let resource = target.resource();
    let objects = target.objects()?;
    let subresource = context.info.subresource.as_str();
    let namespace = if resource.namespaced { context.info.namespace.as_str() } else { "" };
    let name = context.info.name.as_str();
    let key = objects.key(namespace, name);
    let (mut current, mut live) = objects.to_change(&key, options.dry_run).await?;
    for _ in 0..TRIES {
        let Some((old, revision)) = current else {
            if !change.creates() || !subresource.is_empty() {
                return Err(Status::not_found(target.group_resource(), name));
            }
            let object = change.make(None).await?;
            if !object::meta(&object, "resourceVersion").is_empty() {
                return Err(Status::not_found(target.group_resource(), name));
            }
            let object = create::create_object(context, target, object, options).await?;
            return Ok(Changed { object, created: true });
        };
        let outcome = attempt(context, target, options, change, &key, (&old, revision)).await;
        // A refusal on the strength of the cache holds if the store says the same.
        if !live && outcome.is_err() {
            current = objects.read(&key).await?;
            live = true;
            if !matches!(&current, Some((_, stored)) if *stored == revision) {
                continue;
            }
        }
        match outcome {
            Ok(Attempt::Done(object)) => return Ok(Changed { object, created: false }),
            Ok(Attempt::Conflict(replaced, conditional)) => {
                if conditional {
                    return Err(Status::modified(target.group_resource(), name));
                }
                current = match replaced {
                    Replaced::Changed(object, revision) => Some((object, revision)),
                    Replaced::Gone | Replaced::Done(_) => None,
                };
                live = true;
            }
            Err(refused) => return Err(refused),
        }
    }
    Err(Status::modified(target.group_resource(), name))
}

enum Attempt {
    Done(Answer),
    /// Something else was written first; whether the client must deal with it.
    Conflict(Replaced, bool),
}

async fn attempt(
    context: &Context,
    target: &Target,
    options: &WriteOptions,
    change: &dyn Change,
    key: &str,
    (old, old_revision): (&Value, i64),
) -> Result<Attempt> {
    let objects = target.objects()?;
    let name = context.info.name.as_str();
    let subresource = context.info.subresource.as_str();
    let raw = old;
    // Built-in objects are judged as they are stored.
    let judged = match target.custom() {
        Some(_) if raw["apiVersion"] != *target.api_version() => {
            Some(target.judged(&context.server, raw.clone()).await?)
        }
        _ => None,
    };
    let old = judged.as_ref().unwrap_or(raw);
    let mut old_in_version = Cow::Borrowed(old);
    if !target.is_storage_version() {
        target.convert_from_storage(old_in_version.to_mut());
    }
    let mut object = change.make(Some(&old_in_version)).await?;
    let conditional = change.is_conditional(&object);
    check_preconditions(context, target, &object, old, key)?;
    let namespace = create::match_namespace(context, target, &mut object)?;
    let attributes =
        Attributes::new(context, target, Operation::Update, &namespace, name, options.dry_run).subresource(subresource);
    if !change.is_admitted() {
        admission::admit(&attributes.old(&old_in_version), &mut object).await?;
        escalation::check(context, target, &object, Some(&old_in_version)).await?;
    }
    let attributes = attributes.old(old).stored();
    object_meta::drop_duplicate_owners(&mut object, true, &mut context.warnings.lock());
    target.convert_to_storage(&mut object);
    before_update(target, &target.request(context), &mut object, old)?;
    // From here on the object is compared with what is stored, which has a version.
    object::set_meta(&mut object, "resourceVersion", old["metadata"].get("resourceVersion").cloned());
    // A write that changes nothing but the time of its own entry is none.
    managed_fields::ignore_times(old, &mut object);
    let allocation =
        context.server.allocations.before_update(context, target, &mut object, old, options.dry_run).await?;
    if !change.is_admitted()
        && let Err(refused) = admission::validate(&attributes, &object).await
    {
        allocation.revert(context).await;
        return Err(refused);
    }
    let mut converted = match target.stored(&context.server, &object).await {
        Ok(converted) => converted,
        Err(failed) => {
            allocation.revert(context).await;
            return Err(failed);
        }
    };
    if options.dry_run {
        allocation.revert(context).await;
        if converted.is_some() {
            object = target.read_back(&context.server, object, converted, key).await?;
        }
        target.convert_from_storage(&mut object);
        return Ok(Attempt::Done(object.into()));
    }
    // The last finalizer of an object being deleted is gone: the update is its end.
    let is_end = is_finished(&object);
    let mut served = None;
    let outcome = async {
        if is_end {
            return objects.remove(key, old_revision).await;
        }
        let stored = converted.as_ref().unwrap_or(&object);
        if same(target, stored, raw) {
            match objects.standing(key, stored, old_revision).await? {
                Standing::Same => return Ok(Replaced::Done(old_revision)),
                Standing::Replaced(replaced) => return Ok(replaced),
                Standing::OtherBytes => {}
            }
        }
        let (sent, stored) = (std::mem::take(&mut object), converted.take());
        let prepared;
        (prepared, object) = target.prepare(&context.server, sent, stored, key).await?;
        served = prepared.served();
        objects.put_over(prepared, old_revision).await
    };
    match outcome.await {
        Ok(Replaced::Done(revision)) => {
            allocation.commit(context).await;
            if is_end {
                context.server.allocations.after_delete(context, target, &object).await;
            }
            if is_end || converted.is_some() {
                object = target.read_back(&context.server, object, converted, key).await?;
            }
            // The end of an object is no version of it.
            let revision = if is_end { old_revision } else { revision };
            Ok(Attempt::Done(Answer::written(target, object, served, revision)))
        }
        Ok(replaced) => {
            allocation.revert(context).await;
            Ok(Attempt::Conflict(replaced, conditional))
        }
        Err(failed) => {
            allocation.revert(context).await;
            Err(failed)
        }
    }
}

/// The version and identity that the client says it changes.
fn check_preconditions(context: &Context, target: &Target, object: &Value, old: &Value, key: &str) -> Result<()> {
    let name = context.info.name.as_str();
    let uid = object::meta(object, "uid");
    let old_uid = object::meta(old, "uid");
    // A patch promises nothing about what it changes: that it may not change the identity is a rule.
    if !uid.is_empty() && uid != old_uid && context.info.verb != "patch" {
        return Err(Status::conflict(
            target.group_resource(),
            name,
            format_args!(
                "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: \
                 Precondition failed: UID in precondition: {uid}, UID in object meta: {old_uid}"
            ),
        ));
    }
    let resource = target.resource();
    match object::resource_version(object) {
        Ok(None) if resource.unconditional_update => Ok(()),
        Ok(None) => {
            let mut errors = ErrorList::default();
            errors.0.push(crate::field::Error {
                kind: crate::field::ErrorType::Invalid,
                field: "metadata.resourceVersion".to_owned(),
                bad_value: Some("0".to_owned()),
                detail: "must be specified for an update".to_owned(),
            });
            // Upstream names the resource here, where it names the kind everywhere else.
            Err(Status::invalid(&resource.group, &resource.plural, name, &errors))
        }
        Ok(Some(_)) if object::meta(object, "resourceVersion") == object::meta(old, "resourceVersion") => Ok(()),
        Ok(Some(_)) => Err(Status::modified(target.group_resource(), name)),
        Err(text) => Err(Status::unclassified(format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))),
    }
}

/// Keeps what an update may not change, counts the generation, and applies the rules.
fn before_update(target: &Target, request: &Request<'_>, object: &mut Value, old: &Value) -> Result<()> {
    let resource = target.resource();
    let subresource = request.subresource;
    let name = object::meta(old, "name").to_owned();
    let old_meta = |field: &str| old["metadata"].get(field).cloned();
    object::set_meta(object, "generation", old_meta("generation"));
    if subresource == "status" {
        resource.hooks.prepare_for_status_update(object, old);
    } else {
        resource.hooks.prepare_for_update(object, old, request);
    }
    if object::meta(object, "uid").is_empty() {
        object::set_meta(object, "uid", old_meta("uid"));
    }
    object::set_meta(object, "creationTimestamp", old_meta("creationTimestamp"));
    if object::is_terminating(old) {
        object::set_meta(object, "deletionTimestamp", old_meta("deletionTimestamp"));
        if object["metadata"]["deletionGracePeriodSeconds"].is_null() {
            object::set_meta(object, "deletionGracePeriodSeconds", old_meta("deletionGracePeriodSeconds"));
        }
    }
    if resource.generation && subresource != "status" && resource.hooks.asks_for_something_else(object, old) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default() + 1;
        object::set_meta(object, "generation", Some(generation.into()));
    }
    let mut errors = ErrorList::default();
    object_meta::validate_update(resource, object, old, subresource == "status", &mut errors);
    if subresource == "status" {
        resource.hooks.validate_status_update(object, old, &mut errors);
    } else {
        resource.hooks.validate_update(object, old, request, &mut errors);
    }
    if errors.is_empty() {
        resource.hooks.warnings(object, Some(old), request, &mut request.warnings.lock());
        return Ok(());
    }
    Err(Status::invalid(resource.stored_group(), create::kind_of(target, object), &name, &errors))
}

/// Whether the object is being deleted and nothing holds it any more.
fn is_finished(object: &Value) -> bool {
    object::is_terminating(object)
        && object::finalizers(object).is_empty()
        && object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty)
        && object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or_default() == 0
}

/// Whether storing the object, whose version is the old one's, would change nothing.
fn same(target: &Target, object: &Value, old: &Value) -> bool {
    let Some(storage) = &target.resource().storage else { return false };
    if target.custom().is_some() {
        return object::equal_but(object, old, &["metadata"])
            && object::equal_but(&object["metadata"], &old["metadata"], &["resourceVersion"]);
    }
    json::same(&storage.ty, object, old)
}

/// Notes in `managedFields` who set which fields. Both trees are in the request's version.
pub fn track_update(
    context: &Context,
    target: &Target,
    old: Option<&Value>,
    object: &mut Value,
    options: &WriteOptions,
) {
    track(&context.server, target, &context.info.subresource, old, object, &options.manager);
}

/// Notes in `managedFields` which fields a manager set through a subresource.
pub fn track(
    server: &Server,
    target: &Target,
    subresource: &str,
    old: Option<&Value>,
    object: &mut Value,
    manager: &str,
) {
    let api_version = target.api_version();
    let resource = server_side::Resource {
        schema: &target.version.ty,
        api_version: &api_version,
        kind: &target.resource().kind,
        subresource,
        custom: target.custom().is_some(),
        versions: &Ownership::new(server, target.resource(), &api_version, subresource),
    };
    let time = object::now();
    let writer = Writer { manager, time: time.as_str().unwrap_or_default() };
    server_side::update(&resource, old, object, writer);
}
