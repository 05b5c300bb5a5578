//! Service account tokens: making one (serviceaccounts/token), proving one (tokenreviews).

use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::access_review::user_info;
use crate::admission::{self, Attributes, Kind, Operation};
use crate::authn::service_account::{Asked, Bound, Ref};
use crate::authn::{AUTHENTICATED, Proven};
use crate::body::{Body, Expected, FieldValidation};
use crate::context::{Context, Target};
use crate::field::{ErrorList, Path};
use crate::status::{GroupResource, Result, Status};
use crate::{object, respond, verbs};

/// The lifetime that pods ask for; such tokens are made to last a year, and warn after the hour (KEP-1205).
const MOUNTED: i64 = 3607;
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

pub async fn request(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let ty = apiserver_schema::builtin("authentication.k8s.io", "v1", "TokenRequest")
        .ok_or_else(|| Status::internal("no type for TokenRequest"))?;
    let expected = Expected { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", ty, older: &[] };
    let mut request = context.decode(bytes, &expected, FieldValidation::Warn, &mut context.warnings.lock())?;
    let server = &context.server;
    let info = &context.info;
    let dry_run = context.write_options()?.dry_run;
    let attributes = Attributes::new(context, target, Operation::Create, &info.namespace, &info.name, dry_run)
        .subresource("token")
        .kind(Kind { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" });
    admission::admit_and_validate(&attributes, &mut request).await?;
    let named = [("name", &info.name), ("namespace", &info.namespace)];
    for (field, own) in named {
        let given = object::meta(&request, field);
        if given.is_empty() || given == own.as_str() {
            continue;
        }
        if field == "namespace" {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Status::bad_request(why));
        }
        let mut errors = ErrorList::default();
        let metadata = Path::new("metadata");
        errors.invalid_str(&metadata.child(field), given, "must match the service account name if specified");
        return Err(Status::invalid("authentication.k8s.io", "TokenRequest", &info.name, &errors));
    }
    let account = server.find("", "serviceaccounts", &info.namespace, &info.name).await?;
    let account = account
        .ok_or_else(|| Status::not_found(GroupResource { group: "", resource: "serviceaccounts" }, &info.name))?;
    let tokens = server
        .authentication
        .service_accounts
        .as_ref()
        .ok_or_else(|| Status::internal("this server has no key for service account tokens"))?;
    let mut seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    let path = Path::new("spec");
    let mut errors = ErrorList::default();
    if seconds < 600 {
        errors.invalid(
            &path.child("expirationSeconds"),
            &seconds.into(),
            "may not specify a duration less than 10 minutes",
        );
    }
    if seconds > 1 << 32 {
        errors.invalid(
            &path.child("expirationSeconds"),
            &seconds.into(),
            "may not specify a duration larger than 2^32 seconds",
        );
    }
    if !errors.is_empty() {
        return Err(Status::invalid("authentication.k8s.io", "TokenRequest", "", &errors));
    }
    let asked_uid = object::meta(&request, "uid");
    let own_uid = object::meta(&account, "uid");
    if !asked_uid.is_empty() && asked_uid != own_uid {
        let of = GroupResource { group: "authentication.k8s.io", resource: "TokenRequest" };
        let why = format!(
            "the UID in the token request ({asked_uid}) does not match the UID of the service account ({own_uid})"
        );
        return Err(Status::conflict(of, &info.name, why));
    }
    let bound = bound(context, &request["spec"]["boundObjectRef"]).await?;
    let mut audiences: Vec<String> = request["spec"]["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|audience| audience.as_str().map(str::to_owned))
        .collect();
    if audiences.is_empty() {
        audiences.clone_from(&server.authentication.audiences);
        object::set(&mut request, &["spec", "audiences"], json!(audiences));
    }
    if let Some(longest) = tokens.longest.and_then(|longest| i64::try_from(longest.as_secs()).ok())
        && seconds > longest
    {
        context.warn(format!("requested expiration of {seconds} seconds shortened to {longest} seconds"));
        seconds = longest;
    }
    let lifetime = Duration::from_secs(seconds.unsigned_abs());
    let is_for_api = audiences.iter().all(|audience| server.authentication.audiences.contains(audience));
    let extended = tokens.extends && seconds == MOUNTED && bound.pod.is_some() && is_for_api;
    let (lifetime, warn_after) = if extended { (YEAR, Some(lifetime)) } else { (lifetime, None) };
    let asked = Asked { account: &account, bound: &bound, audiences, lifetime, warn_after };
    let (token, expires) = tokens.sign(asked)?;
    // A client is told the lifetime that it asked for, so that it renews in time.
    let told = if extended { jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds) } else { expires };
    object::set_meta(&mut request, "name", Some(info.name.as_str().into()));
    object::set_meta(&mut request, "namespace", Some(info.namespace.as_str().into()));
    object::set_meta(&mut request, "uid", Some(object::meta(&account, "uid").into()));
    object::set_meta(&mut request, "creationTimestamp", Some(object::now()));
    object::set(&mut request, &["spec", "expirationSeconds"], seconds);
    let status = json!({"token": token, "expirationTimestamp": told.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
    object::set(&mut request, &["status"], status);
    respond::tree(context, "authentication.k8s.io", "v1", "TokenRequest", &request, StatusCode::CREATED)
}

/// What the token is to be bound to, as it is now.
async fn bound(context: &Context, reference: &Value) -> Result<Bound> {
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    if !reference.is_object() {
        return Ok(Bound::default());
    }
    let (resource, namespace) = match (text("apiVersion"), text("kind")) {
        ("v1", "Pod") => ("pods", context.info.namespace.as_str()),
        ("v1", "Secret") => ("secrets", context.info.namespace.as_str()),
        ("v1", "Node") => ("nodes", ""),
        (version, kind) => {
            // Go writes the group that there is not.
            let version = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
            return Err(Status::bad_request(format!("cannot bind token to object of type {version}, Kind={kind}")));
        }
    };
    let of = GroupResource { group: "", resource };
    let found = context.server.find("", resource, namespace, text("name")).await?;
    let found = found.ok_or_else(|| Status::not_found(of, text("name")))?;
    let uid = object::meta(&found, "uid");
    if !text("uid").is_empty() && text("uid") != uid {
        return Err(Status::conflict(
            of,
            text("name"),
            format_args!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
                text("uid")
            ),
        ));
    }
    let own = Ref { name: text("name").to_owned(), uid: uid.to_owned() };
    let mut bound = Bound::default();
    match resource {
        "pods" => {
            let account = found["spec"]["serviceAccountName"].as_str().unwrap_or_default();
            if account != context.info.name {
                return Err(Status::bad_request(format!(
                    "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                    context.info.name
                )));
            }
            // A pod's token names its node too.
            if let Some(node) = found["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
                let uid = context.server.find_uid("", "nodes", "", node).await?;
                bound.node = Some(Ref { name: node.to_owned(), uid: uid.unwrap_or_default() });
            }
            bound.pod = Some(own);
        }
        "nodes" => bound.node = Some(own),
        _ => bound.secret = Some(own),
    }
    Ok(bound)
}

pub async fn review(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let expected = Expected::of(target.resource(), &target.version);
    let options = context.write_options()?;
    let mut review = context.decode(bytes, &expected, options.field_validation, &mut context.warnings.lock())?;
    verbs::track(context, target, None, &mut review, &options);
    let token = review["spec"]["token"].as_str().unwrap_or_default().to_owned();
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let mut audiences: Vec<String> = review["spec"]["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|audience| audience.as_str().map(str::to_owned))
        .collect();
    let authentication = &context.server.authentication;
    if audiences.is_empty() {
        audiences.clone_from(&authentication.audiences);
    }
    let outcome = authentication.token(&context.server, &token, &audiences).await;
    let status = match outcome {
        Ok(Proven { mut user, audiences }) => {
            if !user.is_in(AUTHENTICATED) {
                user.groups.push(AUTHENTICATED.to_owned());
            }
            let mut status = json!({"authenticated": true, "user": user_info(&user)});
            if !audiences.is_empty() {
                status["audiences"] = json!(audiences);
            }
            status
        }
        Err(refused) => json!({"user": {}, "error": refused.0}),
    };
    object::set(&mut review, &["status"], status);
    respond::object(context, target, review.into(), StatusCode::CREATED)
}
