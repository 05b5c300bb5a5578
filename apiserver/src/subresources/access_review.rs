//! Who am I, what may I do: the reviews of authorization.k8s.io and authentication.k8s.io.

use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::authn::User;
use crate::authz::{self, Attributes, Decision, Selectors};
use crate::body::{Body, Expected};
use crate::context::{Context, Target};
use crate::field::{ErrorList, Path};
use crate::object::{self, items, text};
use crate::resources::names;
use crate::status::{Result, Status};
use crate::{internal_form, respond, verbs};

fn decode(context: &Context, target: &Target, bytes: &Bytes) -> Result<Value> {
    let expected = Expected::of(target.resource(), &target.version);
    let options = context.write_options()?;
    context.decode(bytes, &expected, options.field_validation, &mut context.warnings.lock())
}

/// A user as `authentication.k8s.io` shows it.
pub fn user_info(user: &User) -> Value {
    let mut tree = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        tree["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        tree["extra"] = json!(user.extra);
    }
    tree
}

pub fn self_review(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let mut review = decode(context, target, bytes)?;
    object::set_meta(&mut review, "creationTimestamp", Some(object::now()));
    object::set(&mut review, &["status"], json!({"userInfo": user_info(&context.user)}));
    respond::object(context, target, review.into(), StatusCode::CREATED)
}

pub fn rules(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let mut review = decode(context, target, bytes)?;
    let namespace = review["spec"]["namespace"].as_str().unwrap_or_default().to_owned();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let server = &context.server;
    let known = server.authorization.rules(server, &context.user, &namespace);
    let resources = known.rules.iter().filter(|rule| !rule.resources.is_empty());
    let paths = known.rules.iter().filter(|rule| !rule.non_resource_urls.is_empty());
    let mut status = json!({
        "resourceRules": resources.map(|rule| {
            let mut tree = json!({"verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources});
            if !rule.resource_names.is_empty() {
                tree["resourceNames"] = json!(rule.resource_names);
            }
            tree
        }).collect::<Vec<_>>(),
        "nonResourceRules": paths
            .map(|rule| json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}))
            .collect::<Vec<_>>(),
        "incomplete": known.incomplete,
    });
    if !known.problems.is_empty() {
        status["evaluationError"] = authz::aggregate(&known.problems).into();
    }
    object::set(&mut review, &["status"], status);
    respond::object(context, target, review.into(), StatusCode::CREATED)
}

pub fn access(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let mut review = decode(context, target, bytes)?;
    let kind = target.resource().kind.as_str();
    settle_namespace(context, target, &mut review)?;
    verbs::track(context, target, None, &mut review, &context.write_options()?);
    validate(kind, &review)?;
    let spec = &review["spec"];
    let user = if kind == "SelfSubjectAccessReview" {
        context.user.clone()
    } else {
        let owned = |value: &Value| text(value).to_owned();
        User {
            name: owned(&spec["user"]),
            uid: owned(&spec["uid"]),
            groups: items(&spec["groups"]).iter().map(owned).collect(),
            extra: object::entries(&spec["extra"])
                .map(|(key, values)| (key.to_owned(), items(values).iter().map(owned).collect()))
                .collect(),
        }
    };
    let about = &spec["resourceAttributes"];
    let path = &spec["nonResourceAttributes"];
    let is_resource = about.is_object();
    let asked = if is_resource { about } else { path };
    let selectors = Selectors::of_attributes(about);
    let version = text(&about["version"]);
    let attributes = Attributes {
        user: &user,
        verb: text(&asked["verb"]),
        is_resource,
        group: text(&about["group"]),
        version: if version.is_empty() { "*" } else { version },
        resource: text(&about["resource"]),
        subresource: text(&about["subresource"]),
        namespace: text(&about["namespace"]),
        name: text(&about["name"]),
        path: text(&path["path"]),
        selectors: &selectors,
    };
    let decision = context.server.authorization.decide(&context.server, &attributes);
    let mut status = json!({"allowed": decision.is_allowed()});
    if let Decision::Deny(_) = decision {
        status["denied"] = true.into();
    }
    if !decision.reason().is_empty() {
        status["reason"] = decision.reason().into();
    }
    if let Some(problems) = selectors.problems() {
        status["evaluationError"] = problems.into();
    }
    object::set(&mut review, &["status"], status);
    respond::object(context, target, review.into(), StatusCode::CREATED)
}

/// A review is in the namespace that it was sent to, or in none.
fn settle_namespace(context: &Context, target: &Target, review: &mut Value) -> Result<()> {
    let wanted = if target.resource().namespaced { context.info.namespace.as_str() } else { "" };
    let given = object::meta(review, "namespace");
    if !wanted.is_empty() && !given.is_empty() && given != wanted {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    object::set_meta(review, "namespace", (!wanted.is_empty()).then(|| wanted.into()));
    Ok(())
}

fn validate(kind: &str, review: &Value) -> Result<()> {
    let spec = &review["spec"];
    let path = Path::new("spec");
    let mut errors = ErrorList::default();
    let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let form = |path: &[&str], value: &Value| internal_form::of("authorization.k8s.io", "v1", kind, path, value);
    let shown = || form(&["spec", "nonResourceAttributes"], other);
    if resource.is_object() && other.is_object() {
        let why = "cannot be specified in combination with resourceAttributes";
        errors.invalid_structure(&path.child("nonResourceAttributes"), shown(), why);
    }
    if !resource.is_object() && !other.is_object() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.invalid(&path.child("resourceAttributes"), &Value::Null, why);
    }
    if kind != "SelfSubjectAccessReview" && text(&spec["user"]).is_empty() && items(&spec["groups"]).is_empty() {
        errors.invalid_str(&path.child("user"), "", "at least one of user or group must be specified");
    }
    if resource.is_object() {
        let path = path.child("resourceAttributes");
        selector(&resource["fieldSelector"], &path.child("fieldSelector"), field_requirement, &mut errors);
        selector(&resource["labelSelector"], &path.child("labelSelector"), label_requirement, &mut errors);
    }
    let is_local = kind == "LocalSubjectAccessReview";
    let mut metadata = review["metadata"].clone();
    if let Some(members) = metadata.as_object_mut() {
        members.remove("managedFields");
        if is_local {
            members.remove("namespace");
        }
        members.retain(|_, value| !is_nothing(value));
        if !members.is_empty() {
            let why = if is_local { "must be empty except for namespace" } else { "must be empty" };
            errors.invalid_structure(&Path::new("metadata"), form(&["metadata"], &review["metadata"]), why);
        }
    }
    if is_local && resource.is_object() && text(&resource["namespace"]) != object::meta(review, "namespace") {
        let path = path.child("resourceAttributes");
        errors.invalid_str(&path.child("namespace"), text(&resource["namespace"]), "must match metadata.namespace");
    }
    if is_local && other.is_object() {
        let why = "disallowed on this kind of request";
        errors.invalid_structure(&path.child("nonResourceAttributes"), shown(), why);
    }
    // Upstream asks the review for its kind, which it has lost by then.
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("authorization.k8s.io", "", "", &errors)) }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// A selector is either a text or a list of requirements, of which each is looked at.
fn selector(selector: &Value, path: &Path<'_>, check: fn(&Value, &Path<'_>, &mut ErrorList), errors: &mut ErrorList) {
    if !selector.is_object() {
        return;
    }
    let (raw, requirements) = (text(&selector["rawSelector"]), items(&selector["requirements"]));
    if !raw.is_empty() && !requirements.is_empty() {
        let why = "may not specified at the same time as requirements";
        errors.invalid_str(&path.child("rawSelector"), raw, why);
    }
    if raw.is_empty() && requirements.is_empty() {
        let why = format!("when {path} is specified, requirements or rawSelector is required");
        errors.required(&path.child("requirements"), why);
    }
    let list = path.child("requirements");
    for (index, requirement) in requirements.iter().enumerate() {
        check(requirement, &list.index(index), errors);
    }
}

/// Operators that nobody knows pass: the question is answered without what they say.
fn values(requirement: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let is_empty = items(&requirement["values"]).is_empty();
    match text(&requirement["operator"]) {
        "In" | "NotIn" if is_empty => {
            errors.required(&path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !is_empty => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(&path.child("values"), why);
        }
        _ => {}
    }
}

fn field_requirement(requirement: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    if text(&requirement["key"]).is_empty() {
        errors.required(&path.child("key"), "must be specified");
    }
    values(requirement, path, errors);
}

fn label_requirement(requirement: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    values(requirement, path, errors);
    let key = text(&requirement["key"]);
    errors.invalid_strs(&path.child("key"), key, names::qualified_name_problems(key));
    let list = path.child("values");
    for (index, value) in items(&requirement["values"]).iter().enumerate() {
        let value = text(value);
        errors.invalid_strs(&list.index(index), value, names::label_value(value));
    }
}
