//! create: POST of a new object.

use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::Value;

use crate::admission::{self, Attributes, Operation};
use crate::authz::escalation;
use crate::body::{Body, Expected};
use crate::context::{Context, Target, WriteOptions};
use crate::field::{ErrorList, Path};
use crate::resources::hooks::Request;
use crate::respond::Answer;
use crate::status::{Result, Status};
use crate::storage::Created;
use crate::verbs::write;
use crate::{object, object_meta, respond};

/// How often a taken generated name is replaced by another one.
const NAME_TRIES: usize = 8;

pub async fn create(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let options = context.write_options()?;
    let expected = Expected::of(target.resource(), &target.version);
    let mut warnings = Vec::new();
    let mut object = context.decode(bytes, &expected, options.field_validation, &mut warnings)?;
    target.settle(&mut object);
    object_meta::drop_duplicate_owners(&mut object, false, &mut warnings);
    context.warnings.lock().append(&mut warnings);
    // Nobody owns what is not kept.
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        object::set_meta(&mut object, field, None);
    }
    write::track_update(context, target, None, &mut object, &options);
    let created = create_object(context, target, object, &options).await?;
    respond::object(context, target, created, StatusCode::CREATED)
}

/// Stores a new object given in the request's version, its owners noted; answers it in that version.
pub async fn create_object(
    context: &Context,
    target: &Target,
    mut object: Value,
    options: &WriteOptions,
) -> Result<Answer> {
    let resource = target.resource();
    let objects = target.objects()?;
    let namespace = match_namespace(context, target, &mut object)?;
    if !object::meta(&object, "resourceVersion").is_empty() {
        return Err(Status::unclassified("resourceVersion should not be set on objects to be created"));
    }
    system_fields(&mut object);
    // Admission sees the name that the client gave, not one that is made up.
    let given = object::meta(&object, "name").to_owned();
    let attributes = Attributes::new(context, target, Operation::Create, &namespace, &given, options.dry_run);
    admission::admit(&attributes, &mut object).await?;
    escalation::check(context, target, &object, None).await?;
    let attributes = attributes.stored();
    let has_prefix = !object::meta(&object, "generateName").is_empty();
    let generated = has_prefix && object::meta(&object, "name").is_empty();
    let mut tries = 0;
    loop {
        tries += 1;
        // Only a generated name is tried more than once.
        let mut object = if generated { object.clone() } else { std::mem::take(&mut object) };
        if generated {
            let name = generated_name(object::meta(&object, "generateName"));
            object::set_meta(&mut object, "name", Some(name.into()));
        }
        let name = object::meta(&object, "name").to_owned();
        object_meta::drop_duplicate_owners(&mut object, true, &mut context.warnings.lock());
        target.convert_to_storage(&mut object);
        resource.hooks.prepare_for_create(&mut object, &target.request(context));
        if resource.generation {
            object::set_meta(&mut object, "generation", Some(1.into()));
        }
        context.server.allocations.before_rules(target, &object, options.dry_run)?;
        validate(target, &target.request(context), &object)?;
        resource.hooks.warnings(&object, None, &target.request(context), &mut context.warnings.lock());
        refuse_privileged(context, target, &object)?;
        let allocation =
            context.server.allocations.before_create(context, target, &mut object, options.dry_run).await?;
        // Whoever validates sees also a name that was made up.
        let attributes = Attributes { name: if given.is_empty() { &name } else { &given }, ..attributes };
        if let Err(refused) = admission::validate(&attributes, &object).await {
            allocation.revert(context).await;
            return Err(refused);
        }
        if options.dry_run {
            allocation.revert(context).await;
            if objects.read(&objects.key(&namespace, &name)).await?.is_some() {
                return Err(taken(target, &name, has_prefix));
            }
            let stored = target.stored(&context.server, &object).await?;
            let key = objects.key(&namespace, &name);
            let mut object = target.read_back(&context.server, object, stored, &key).await?;
            object::set_meta(&mut object, "resourceVersion", None);
            target.convert_from_storage(&mut object);
            return Ok(object.into());
        }
        let stored = target.stored(&context.server, &object).await?;
        let key = objects.key(&namespace, &name);
        let mut served = None;
        let outcome = async {
            let prepared;
            (prepared, object) = target.prepare(&context.server, std::mem::take(&mut object), stored, &key).await?;
            served = prepared.served();
            objects.put_new(prepared).await
        };
        match outcome.await {
            Ok(Created::Done(revision)) => return Ok(Answer::written(target, object, served, revision)),
            Ok(Created::Exists) => {
                allocation.revert(context).await;
                if generated && tries < NAME_TRIES {
                    continue;
                }
                return Err(taken(target, &name, has_prefix));
            }
            Err(failed) => {
                allocation.revert(context).await;
                return Err(failed);
            }
        }
    }
}

/// The refusal of a name that another object has; who gave a prefix is told to try again.
fn taken(target: &Target, name: &str, has_prefix: bool) -> Status {
    if has_prefix {
        return Status::generate_name_conflict(target.group_resource(), name);
    }
    Status::already_exists(target.group_resource(), name)
}

/// The rules of a new object, in the storage version.
pub fn validate(target: &Target, request: &Request<'_>, object: &Value) -> Result<()> {
    let resource = target.resource();
    let mut errors = ErrorList::default();
    if !resource.hooks.judges_metadata() {
        object_meta::validate(resource, object, &mut errors);
    }
    resource.hooks.validate(object, request, &mut errors);
    if errors.is_empty() {
        // What the kind's own rules left open.
        object_meta::validate_shared(resource, object, &mut errors);
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(resource.stored_group(), kind_of(target, object), object::meta(object, "name"), &errors))
}

/// The kind that a refused object says it is of; a custom resource may be wrong about it.
pub fn kind_of<'a>(target: &'a Target, object: &'a Value) -> &'a str {
    let named = target.custom().and_then(|_| object["kind"].as_str());
    named.unwrap_or(&target.resource().kind)
}

/// Without `--allow-privileged` no container may be privileged.
fn refuse_privileged(context: &Context, target: &Target, object: &Value) -> Result<()> {
    let resource = target.resource();
    if context.server.options.allow_privileged || resource.plural != "pods" || !resource.group.is_empty() {
        return Ok(());
    }
    let spec = Path::new("spec");
    let mut errors = ErrorList::default();
    for list in ["initContainers", "containers"] {
        let path = spec.child(list);
        for (index, container) in object["spec"][list].as_array().into_iter().flatten().enumerate() {
            if container["securityContext"]["privileged"] == Value::Bool(true) {
                let container = path.index(index);
                errors
                    .forbidden(&container.child("securityContext").child("privileged"), "disallowed by cluster policy");
            }
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid("", "Pod", object::meta(object, "name"), &errors))
}

/// Makes the object's namespace that of the path.
pub fn match_namespace(context: &Context, target: &Target, object: &mut Value) -> Result<String> {
    let resource = target.resource();
    // The path of a namespace itself carries its name as namespace.
    let wanted = if resource.namespaced { context.info.namespace.as_str() } else { "" };
    let given = object::meta(object, "namespace");
    if resource.namespaced && wanted.is_empty() {
        return Err(Status::bad_request(format!(
            "an empty namespace may not be set during {}",
            if context.info.verb == "create" { "creation" } else { "update" }
        )));
    }
    if given.is_empty() && !wanted.is_empty() {
        object::set_meta(object, "namespace", Some(wanted.into()));
    } else if given != wanted && resource.namespaced {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(wanted.to_owned())
}

/// What the server alone sets on a new object.
fn system_fields(object: &mut Value) {
    object::set_meta(object, "creationTimestamp", Some(object::now()));
    object::set_meta(object, "uid", Some(uuid::Uuid::new_v4().to_string().into()));
    object::set_meta(object, "deletionTimestamp", None);
    object::set_meta(object, "deletionGracePeriodSeconds", None);
    object::set_meta(object, "selfLink", None);
}

/// The prefix with five random characters, cut so that the whole has at most 63.
pub fn generated_name(prefix: &str) -> String {
    let mut end = prefix.len().min(58);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &prefix[..end], admission::random_suffix())
}
