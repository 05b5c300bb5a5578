//! Who am I, what may I do: the reviews of authorization.k8s.io and authentication.k8s.io.

use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::authn::User;
use crate::authz::{Attributes, Decision};
use crate::body::{Body, Expected, FieldValidation};
use crate::context::{Context, Target};
use crate::field::{ErrorList, Path};
use crate::status::{Result, Status};
use crate::{object, respond};

fn decode(context: &Context, target: &Target, bytes: &Bytes) -> Result<Value> {
    let expected = Expected::of(target.resource(), &target.version);
    context.decode(bytes, &expected, FieldValidation::Warn, &mut context.warnings.lock())
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
    respond::object(context, target, review, StatusCode::CREATED)
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
    match known.problems.as_slice() {
        [] => {}
        [one] => status["evaluationError"] = json!(one),
        many => status["evaluationError"] = json!(format!("[{}]", many.join(", "))),
    }
    object::set(&mut review, &["status"], status);
    respond::object(context, target, review, StatusCode::CREATED)
}

pub fn access(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let mut review = decode(context, target, bytes)?;
    let kind = target.resource().kind.as_str();
    let spec = &review["spec"];
    let own = kind == "SelfSubjectAccessReview";
    validate(kind, spec, own)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let user = if own {
        context.user.clone()
    } else {
        User {
            name: text(&spec["user"]),
            uid: text(&spec["uid"]),
            groups: spec["groups"].as_array().into_iter().flatten().map(text).collect(),
            extra: spec["extra"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, values)| (key.to_lowercase(), values.as_array().into_iter().flatten().map(text).collect()))
                .collect(),
        }
    };
    let about = spec["resourceAttributes"].clone();
    let path = spec["nonResourceAttributes"].clone();
    let is_resource = about.is_object();
    let namespace = text(&about["namespace"]);
    if kind == "LocalSubjectAccessReview" && namespace != context.info.namespace {
        let mut errors = ErrorList::default();
        let spec = Path::new("spec");
        let attributes = spec.child("resourceAttributes");
        errors.invalid_str(&attributes.child("namespace"), &namespace, "must match metadata.namespace");
        return Err(Status::invalid("authorization.k8s.io", kind, "", &errors));
    }
    let source = if is_resource { &about } else { &path };
    let attributes = Attributes {
        user: &user,
        verb: source["verb"].as_str().unwrap_or_default(),
        is_resource,
        group: about["group"].as_str().unwrap_or_default(),
        version: about["version"].as_str().unwrap_or_default(),
        resource: about["resource"].as_str().unwrap_or_default(),
        subresource: about["subresource"].as_str().unwrap_or_default(),
        namespace: &namespace,
        name: about["name"].as_str().unwrap_or_default(),
        path: path["path"].as_str().unwrap_or_default(),
    };
    let decision = context.server.authorization.decide(&context.server, &attributes);
    let mut status = json!({"allowed": decision.is_allowed()});
    if let Decision::Deny(_) = decision {
        status["denied"] = true.into();
    }
    if !decision.reason().is_empty() {
        status["reason"] = decision.reason().into();
    }
    object::set(&mut review, &["status"], status);
    respond::object(context, target, review, StatusCode::CREATED)
}

fn validate(kind: &str, spec: &Value, own: bool) -> Result<()> {
    let path = Path::new("spec");
    let mut errors = ErrorList::default();
    let (resource, other) = (spec["resourceAttributes"].is_object(), spec["nonResourceAttributes"].is_object());
    if resource && other {
        errors.invalid(
            &path.child("nonResourceAttributes"),
            &spec["nonResourceAttributes"],
            "cannot be specified in combination with resourceAttributes",
        );
    }
    if !resource && !other {
        errors.invalid(
            &path.child("resourceAttributes"),
            &spec["resourceAttributes"],
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        );
    }
    let nobody =
        spec["user"].as_str().unwrap_or_default().is_empty() && spec["groups"].as_array().is_none_or(Vec::is_empty);
    if !own && nobody {
        errors.invalid_str(&path.child("user"), "", "at least one of user or group must be specified");
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("authorization.k8s.io", kind, "", &errors)) }
}
