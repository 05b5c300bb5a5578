//! delete and deletecollection: preconditions, finalizers, propagation and grace.
//!
//! Source: apiserver `pkg/registry/generic/registry/store.go` (Delete) and `rest/delete.go` (BeforeDelete).

use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::admission::{self, Attributes, Operation};
use crate::body::{self, Body, FieldValidation};
use crate::context::{Context, Target};
use crate::status::{Details, GroupResource, Result, Status};
use crate::storage::Replaced;
use crate::verbs::list;
use crate::{object, respond};

/// How often a deletion without preconditions is tried against newer versions.
const TRIES: usize = 20;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// `metav1.DeleteOptions`, from the body or the query.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    pub grace_period_seconds: Option<i64>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub propagation: Option<Propagation>,
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Orphan,
    Background,
    Foreground,
}

impl DeleteOptions {
    pub fn read(context: &Context, bytes: &Bytes) -> Result<DeleteOptions> {
        let tree = if bytes.is_empty() {
            let mut tree = json!({});
            if let Some(seconds) = context.query.number("gracePeriodSeconds")? {
                tree["gracePeriodSeconds"] = seconds.into();
            }
            if let Some(policy) = context.query.get("propagationPolicy").filter(|policy| !policy.is_empty()) {
                tree["propagationPolicy"] = policy.into();
            }
            if context.query.get("orphanDependents").is_some() {
                tree["orphanDependents"] = context.query.flag("orphanDependents").into();
            }
            tree["dryRun"] = context.query.all("dryRun").filter(|value| !value.is_empty()).collect();
            for name in ["uid", "resourceVersion"] {
                if let Some(value) = context.query.get(name).filter(|value| !value.is_empty()) {
                    tree["preconditions"][name] = value.into();
                }
            }
            tree
        } else {
            let tree = decode(context, bytes)?;
            note(context, &tree)?;
            tree
        };
        Self::from_tree(&tree)
    }

    /// Reads the options from their JSON.
    pub fn from_tree(tree: &Value) -> Result<DeleteOptions> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let propagation = match (tree["propagationPolicy"].as_str(), tree["orphanDependents"].as_bool()) {
            (Some(_), Some(_)) => {
                let detail = format!(
                    "Invalid value: {}: orphanDependents and deletionPropagation cannot be both set",
                    tree["propagationPolicy"]
                );
                return Err(Status::invalid_options(
                    "DeleteOptions",
                    "FieldValueInvalid",
                    "propagationPolicy",
                    &detail,
                ));
            }
            (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
            (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), _) => Some(Propagation::Foreground),
            (Some(other), _) => {
                let detail = format!(
                    "Unsupported value: {other:?}: supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
                );
                return Err(Status::invalid_options(
                    "DeleteOptions",
                    "FieldValueNotSupported",
                    "propagationPolicy",
                    &detail,
                ));
            }
            (None, None) => None,
        };
        let dry_run = match tree["dryRun"].as_array().map(Vec::as_slice).unwrap_or_default() {
            [] => false,
            list if list.iter().all(|value| value == "All") => true,
            list => {
                let mut errors = crate::field::ErrorList::default();
                errors.not_supported(&crate::field::Path::new("dryRun"), &Value::Array(list.to_vec()), &["All"]);
                return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &errors));
            }
        };
        Ok(DeleteOptions {
            grace_period_seconds: tree["gracePeriodSeconds"].as_i64(),
            uid: text(&tree["preconditions"]["uid"]),
            resource_version: text(&tree["preconditions"]["resourceVersion"]),
            propagation,
            dry_run,
        })
    }
}

fn options_type() -> Result<&'static apiserver_schema::Type> {
    apiserver_schema::builtin("", "v1", "DeleteOptions").ok_or_else(|| Status::internal("no type for DeleteOptions"))
}

/// Puts options on record, under the version that upstream decodes all of them into.
fn note(context: &Context, tree: &Value) -> Result<()> {
    let ty = options_type()?;
    let expected =
        body::Expected { group: "meta.k8s.io", version: "__internal", kind: "DeleteOptions", ty, older: &[] };
    crate::audit::request_object(&context.audit, &expected, tree);
    Ok(())
}

fn decode(context: &Context, bytes: &Bytes) -> Result<Value> {
    let ty = options_type()?;
    // Clients send it as a kind of the group they delete in; all of them are the same type.
    let expected = body::Expected { group: "", version: "v1", kind: "DeleteOptions", ty, older: &[] };
    let encoding = crate::negotiate::body_encoding(&context.headers, true)?;
    if encoding == crate::negotiate::Encoding::Protobuf {
        let envelope = apiserver_schema::protobuf::decode_envelope(bytes)
            .map_err(|error| Status::bad_request(error.to_string()))?;
        if envelope.is_empty() {
            return Err(Status::bad_request("empty body"));
        }
        return apiserver_schema::protobuf::decode(ty, envelope.raw)
            .map_err(|error| Status::bad_request(error.to_string()));
    }
    let json = match encoding {
        crate::negotiate::Encoding::Yaml => {
            apiserver_schema::yaml::to_json(bytes).map_err(|error| Status::bad_request(error.to_string()))?
        }
        _ => bytes.to_vec(),
    };
    let meta = apiserver_schema::json::type_meta(&json).map_err(|error| Status::bad_request(error.to_string()))?;
    if !matches!(meta.kind.as_str(), "" | "DeleteOptions") {
        return Err(Status::bad_request(format!(
            "no kind {:?} is registered for version {:?} in scheme \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\"",
            meta.kind, meta.api_version
        )));
    }
    let mut tree: Value = serde_json::from_slice(&json).map_err(|error| Status::bad_request(error.to_string()))?;
    object::clear(&mut tree, "apiVersion");
    object::clear(&mut tree, "kind");
    let json = serde_json::to_vec(&tree).map_err(Status::internal)?;
    body::decode_fields(&json, &expected, FieldValidation::Warn, &mut Vec::new()).map_err(|error| match error {
        body::Undecoded::Fields(why) => Status::bad_request(why),
        body::Undecoded::Kind(status) => status,
    })
}

pub async fn delete(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let options = DeleteOptions::read(context, bytes)?;
    warn_of_orphans(context, target, &options);
    let resource = target.resource();
    let namespace = if resource.namespaced { context.info.namespace.as_str() } else { "" };
    let admit = Some(context.info.name.as_str());
    let deleted = delete_object(context, target, namespace, &context.info.name, &options, admit).await?;
    match deleted {
        Deleted::Pending(object) => respond::object(context, target, object.into(), StatusCode::OK),
        Deleted::Done(object) if resource.hooks.returns_deleted_object() => {
            respond::object(context, target, object.into(), StatusCode::OK)
        }
        Deleted::Done(object) => {
            let details = Details {
                name: context.info.name.clone(),
                group: resource.group.to_string(),
                kind: resource.plural.to_string(),
                uid: object::meta(&object, "uid").to_owned(),
                ..Details::default()
            };
            respond::status(context, &Status::success(details))
        }
    }
}

/// What became of a deletion; the object is in the request's version.
pub enum Deleted {
    Done(Value),
    /// It is marked, and goes once its finalizers and its grace period are over.
    Pending(Value),
}

/// Deletes one object, or begins to. `admit` is the name by which admission knows the request; absent where the
/// request was admitted as something else.
pub async fn delete_object(
    context: &Context,
    target: &Target,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
    admit: Option<&str>,
) -> Result<Deleted> {
    let objects = target.objects()?;
    let key = objects.key(namespace, name);
    let (mut current, mut live) = objects.to_change(&key, options.dry_run).await?;
    let mut to_admit = admit;
    for _ in 0..TRIES {
        let Some((old, revision)) = current else {
            return Err(Status::not_found(target.group_resource(), name));
        };
        let old = target.judged(&context.server, old).await?;
        if !live && check_preconditions(target, &old, name, options).is_err() {
            current = objects.read(&key).await?;
            live = true;
            continue;
        }
        check_preconditions(target, &old, name, options)?;
        if let Some(name) = to_admit.take() {
            let mut attributes = Attributes::new(context, target, Operation::Delete, namespace, name, options.dry_run)
                .old(&old)
                .stored();
            attributes.delete_options = Some(options);
            admission::admit_and_validate(&attributes, &mut Value::Null).await?;
        }
        let marked = mark(target, &old, options);
        let answer = |mut object: Value, revision: i64| {
            object::set_meta(&mut object, "resourceVersion", Some(revision.to_string().into()));
            target.convert_from_storage(&mut object);
            object
        };
        let outcome = match &marked {
            Marked::Unchanged if live => return Ok(Deleted::Pending(answer(old, revision))),
            Marked::Unchanged => {
                current = objects.read(&key).await?;
                live = true;
                continue;
            }
            _ if options.dry_run => {
                return Ok(match marked {
                    Marked::Pending(object) => Deleted::Pending(answer(object, revision)),
                    _ => Deleted::Done(answer(last(target, old), revision)),
                });
            }
            Marked::Pending(object) => {
                let stored = target.stored(&context.server, object).await?;
                objects.replace(&key, stored.as_ref().unwrap_or(object), revision).await?
            }
            Marked::Now => objects.remove(&key, revision).await?,
        };
        match (outcome, marked) {
            (Replaced::Done(revision), Marked::Pending(object)) => {
                return Ok(Deleted::Pending(answer(object, revision)));
            }
            (Replaced::Done(revision), _) => {
                context.server.allocations.after_delete(context, target, &old).await;
                return Ok(Deleted::Done(answer(last(target, old), revision)));
            }
            (Replaced::Gone, _) => current = None,
            (Replaced::Changed(object, revision), _) => current = Some((object, revision)),
        }
        live = true;
    }
    Err(Status::modified(target.group_resource(), name))
}

/// Refuses to delete what is not the object that was meant.
pub fn check_preconditions(target: &Target, old: &Value, name: &str, options: &DeleteOptions) -> Result<()> {
    let checks = [
        (&options.uid, "uid", "UID", "deleted and then recreated"),
        (&options.resource_version, "resourceVersion", "ResourceVersion", "modified"),
    ];
    for (wanted, field, shown, happened) in checks {
        let actual = object::meta(old, field);
        if wanted.as_ref().is_some_and(|wanted| wanted != actual) {
            let wanted = wanted.as_deref().unwrap_or_default();
            let resource = target.resource();
            if resource.plural == "namespaces" && resource.group.is_empty() {
                let why = format_args!(
                    "Precondition failed: {shown} in precondition: {wanted}, {shown} in object meta: {actual}"
                );
                return Err(Status::conflict(target.group_resource(), name, why));
            }
            // Upstream names the kind here, where it names the resource everywhere else.
            return Err(Status::conflict(
                GroupResource { group: resource.stored_group(), resource: &resource.kind },
                name,
                format_args!(
                    "the {shown} in the precondition ({wanted}) does not match the {shown} in record ({actual}). The object might have been {happened}"
                ),
            ));
        }
    }
    Ok(())
}

/// What a deletion does to an object.
enum Marked {
    /// Nothing holds it.
    Now,
    /// It is marked already, and this deletion asks for nothing sooner.
    Unchanged,
    Pending(Value),
}

fn mark(target: &Target, old: &Value, options: &DeleteOptions) -> Marked {
    let resource = target.resource();
    let mut object = old.clone();
    let finalizers = finalizers(old, options, resource.hooks.orphans_dependents());
    if !object::is_terminating(old) && resource.hooks.begin_deletion(&mut object, &finalizers) {
        return Marked::Pending(object);
    }
    object::set_meta(&mut object, "finalizers", (!finalizers.is_empty()).then(|| finalizers.clone().into()));
    // A namespace is held by its own list of finalizers too.
    let held = !finalizers.is_empty() || old["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
    let grace = resource.hooks.grace_period(old, options.grace_period_seconds);
    let terminating = object::is_terminating(old);
    let remaining = old["metadata"]["deletionGracePeriodSeconds"].as_i64();
    match grace {
        Some(period) if terminating => {
            // Only a shorter period is news.
            let current = remaining.unwrap_or_default();
            if current == 0 && !held {
                return Marked::Now;
            }
            if options.grace_period_seconds.is_none() || period >= current {
                return if object == *old { Marked::Unchanged } else { Marked::Pending(object) };
            }
            if period == 0 && !held {
                return Marked::Now;
            }
            shorten(&mut object, current, period);
        }
        Some(period) if period > 0 || held => begin(&mut object, period),
        Some(_) => return Marked::Now,
        None if !held => return Marked::Now,
        None if terminating => return if object == *old { Marked::Unchanged } else { Marked::Pending(object) },
        None => begin(&mut object, 0),
    }
    Marked::Pending(object)
}

/// A deleted object as it is answered: kinds with a grace period show that it was none.
fn last(target: &Target, mut old: Value) -> Value {
    if target.resource().hooks.grace_period(&old, Some(0)).is_some() && !object::is_terminating(&old) {
        begin(&mut old, 0);
    }
    old
}

/// Marks an object as being deleted, `period` seconds from now.
fn begin(object: &mut Value, period: i64) {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(period);
    object::set_meta(object, "deletionTimestamp", Some(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()));
    object::set_meta(object, "deletionGracePeriodSeconds", Some(period.into()));
    // Being deleted is a change of what is asked for.
    if let Some(generation) = object["metadata"]["generation"].as_i64().filter(|generation| *generation > 0) {
        object::set_meta(object, "generation", Some((generation + 1).into()));
    }
}

/// Moves the end of a grace period nearer.
fn shorten(object: &mut Value, current: i64, period: i64) {
    let end =
        object::meta(object, "deletionTimestamp").parse::<jiff::Timestamp>().unwrap_or_else(|_| jiff::Timestamp::now());
    let at = end - jiff::SignedDuration::from_secs(current) + jiff::SignedDuration::from_secs(period);
    object::set_meta(object, "deletionTimestamp", Some(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()));
    object::set_meta(object, "deletionGracePeriodSeconds", Some(period.into()));
}

/// The finalizers that the propagation policy leaves on the object.
fn finalizers(old: &Value, options: &DeleteOptions, orphans: bool) -> Vec<String> {
    let existing = object::finalizers(old);
    let has = |name: &str| existing.contains(&name);
    let (orphan, foreground) = match options.propagation {
        Some(Propagation::Orphan) => (true, false),
        Some(Propagation::Foreground) => (false, true),
        Some(Propagation::Background) => (false, false),
        None if has(ORPHAN) || has(FOREGROUND) => (has(ORPHAN), has(FOREGROUND)),
        None => (orphans, false),
    };
    let mut kept: Vec<String> = existing
        .iter()
        .filter(|name| **name != ORPHAN && **name != FOREGROUND)
        .map(|name| (*name).to_owned())
        .collect();
    if orphan {
        kept.push(ORPHAN.to_owned());
    }
    if foreground {
        kept.push(FOREGROUND.to_owned());
    }
    kept
}

/// Who deletes a job may think that its pods go with it.
fn warn_of_orphans(context: &Context, target: &Target, options: &DeleteOptions) {
    let resource = target.resource();
    if options.propagation.is_none() && resource.group == "batch" && resource.hooks.orphans_dependents() {
        context.warn("child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning");
    }
}

/// Deletes every selected object and answers the list as it was.
pub async fn delete_collection(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let options = DeleteOptions::read(context, bytes)?;
    warn_of_orphans(context, target, &options);
    let found = list::select(context, target).await?;
    let mut deleted = Vec::new();
    for found in found.items {
        let options = DeleteOptions { uid: None, ..options.clone() };
        // Upstream's admission knows the objects of a collection by no name.
        match delete_object(context, target, found.namespace(), found.name(), &options, Some("")).await {
            // The answer shows what was selected, not what became of it.
            Ok(Deleted::Done(_) | Deleted::Pending(_)) => deleted.push(found),
            Err(status) if status.code == StatusCode::NOT_FOUND => {}
            Err(status) => return Err(status),
        }
    }
    respond::list(context, target, deleted.into_iter(), found.meta).await
}
