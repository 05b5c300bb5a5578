//! scale: the number of replicas of anything that has some, in the shape of `autoscaling/v1`.

use apiserver_apply::server_side::{self, OneVersion, Writer};
use apiserver_apply::{json_patch, merge_patch, strategic};
use apiserver_schema::yaml;
use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use hyper::body::{Bytes, Incoming};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::admission::{self, Attributes, Kind, Operation};
use crate::apiextensions::at;
use crate::body::{self, Body, Expected, FieldValidation};
use crate::context::{Context, Target, WriteOptions};
use crate::negotiate::{self, Form};
use crate::printers::{self, IncludeObject};
use crate::resources::ownership;
use crate::status::{Result, Status};
use crate::verbs::patch::{patched_text, refused_apply};
use crate::verbs::{self, Change};
use crate::{object, respond};

pub async fn serve(context: &Context, target: &Target, request: Request<Incoming>) -> Result<Response<Body>> {
    if context.info.verb == "get" {
        let objects = target.objects()?;
        objects.consistent().await?;
        let key = objects.key(&context.info.namespace, &context.info.name);
        let (found, _) =
            objects.cached(&key)?.ok_or_else(|| Status::not_found(target.group_resource(), &context.info.name))?;
        let found = target.judged(&context.server, found).await?;
        if let Some(scale) = target.custom().and_then(|custom| custom.version().scale.as_ref())
            && at(&found, &scale.spec_replicas).is_none()
        {
            let path = format!(".{}", scale.spec_replicas.join("."));
            return Err(Status::internal(format!("the spec replicas field {path:?} does not exist")));
        }
        return answer(context, &scale_of(target, &found));
    }
    let bytes = body::read(request.into_body()).await?;
    if context.info.verb == "patch" {
        context.audit.request_patch(&bytes);
    }
    let options = context.write_options()?;
    let change = ScaleChange { context, target, options: &options, bytes: &bytes, named: Mutex::new(false) };
    let changed = verbs::change(context, target, &options, &change).await?;
    answer(context, &scale_of(target, &changed.object.tree))
}

fn answer(context: &Context, scale: &Value) -> Result<Response<Body>> {
    let accepted = negotiate::accept(&context.headers, respond::OBJECTS)?;
    if let Form::Table { v1beta1 } = accepted.form {
        let include = IncludeObject::read(&context.query)?;
        let mut table = printers::scale::table(scale, include, v1beta1);
        respond::finish_text(accepted, &mut table)?;
        return Ok(body::response(StatusCode::OK, accepted.content_type(), table));
    }
    respond::tree(context, "autoscaling", "v1", "Scale", scale, StatusCode::OK)
}

/// The scale of an object.
fn scale_of(target: &Target, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let (replicas, status) = match target.custom().and_then(|custom| custom.version().scale.as_ref()) {
        Some(scale) => {
            let number = |path: &[String]| at(object, path).and_then(Value::as_i64).unwrap_or_default();
            let selector = at(object, &scale.label_selector).filter(|_| !scale.label_selector.is_empty());
            let mut status = json!({"replicas": number(&scale.status_replicas)});
            if let Some(selector) = selector.and_then(Value::as_str) {
                status["selector"] = selector.into();
            }
            (number(&scale.spec_replicas), status)
        }
        None => (
            object["spec"]["replicas"].as_i64().unwrap_or_default(),
            json!({
                "replicas": object["status"]["replicas"].as_i64().unwrap_or_default(),
                "selector": selector(&object["spec"]["selector"]),
            }),
        ),
    };
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": replicas},
        "status": status,
    })
}

/// A selector as text, the labels sorted by key.
fn selector(selector: &Value) -> String {
    let labels = if selector["matchLabels"].is_object() || selector["matchExpressions"].is_array() {
        &selector["matchLabels"]
    } else {
        selector
    };
    let mut terms: Vec<(String, String)> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), format!("{key}={}", value.as_str()?))))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort();
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}

struct ScaleChange<'a> {
    context: &'a Context,
    target: &'a Target,
    options: &'a WriteOptions,
    bytes: &'a Bytes,
    /// The version of the scaled object that the client names.
    named: Mutex<bool>,
}

#[async_trait]
impl Change for ScaleChange<'_> {
    async fn make(&self, old: Option<&Value>) -> Result<Value> {
        let old = old.ok_or_else(|| Status::not_found(self.target.group_resource(), &self.context.info.name))?;
        let versions = ownership::scale_versions(self.target.resource());
        let paths: Vec<(&str, Option<Vec<&str>>)> = versions
            .iter()
            .map(|(version, path)| {
                (version.as_str(), path.as_ref().map(|path| path.iter().map(|name| &**name).collect()))
            })
            .collect();
        let mapping: Vec<(&str, Option<&[&str]>)> =
            paths.iter().map(|(version, path)| (*version, path.as_deref())).collect();
        let mut live = scale_of(self.target, old);
        let owners = server_side::to_scale(old["metadata"].get("managedFields"), &mapping).map_err(Status::internal)?;
        object::set_meta(&mut live, "managedFields", owners);
        let mut scale = self.written(&live)?;
        let info = &self.context.info;
        let attributes = Attributes::new(
            self.context,
            self.target,
            Operation::Update,
            &info.namespace,
            &info.name,
            self.options.dry_run,
        )
        .subresource("scale")
        .kind(Kind { group: "autoscaling", version: "v1", kind: "Scale" })
        .old(&live);
        admission::admit_as_sent(&attributes, &mut scale).await?;
        let name = object::meta(&scale, "name");
        if name != self.context.info.name {
            return Err(Status::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                self.context.info.name
            )));
        }
        let replicas = scale["spec"]["replicas"].as_i64().unwrap_or_default();
        // A custom resource is judged by its own rules.
        if replicas < 0 && self.target.custom().is_none() {
            let mut errors = crate::field::ErrorList::default();
            let spec = crate::field::Path::new("spec");
            errors.invalid(&spec.child("replicas"), &replicas.into(), "must be greater than or equal to 0");
            return Err(Status::invalid("autoscaling", "Scale", &self.context.info.name, &errors));
        }
        admission::validate(&attributes, &scale).await?;
        let mut object = old.clone();
        match self.target.custom().and_then(|custom| custom.version().scale.as_ref()) {
            Some(scale) => {
                let path: Vec<&str> = scale.spec_replicas.iter().map(String::as_str).collect();
                object::set(&mut object, &path, replicas);
            }
            None => object::set(&mut object, &["spec", "replicas"], replicas),
        }
        let version = object::meta(&scale, "resourceVersion");
        let asked = if version.is_empty() { object::meta(old, "resourceVersion") } else { version };
        object::set_meta(&mut object, "resourceVersion", Some(asked.into()));
        *self.named.lock() = self.context.info.verb == "update" && !version.is_empty();
        let owners = server_side::from_scale(
            old["metadata"].get("managedFields"),
            scale["metadata"].get("managedFields"),
            &self.target.api_version(),
            &mapping,
        )
        .map_err(Status::internal)?;
        object::set_meta(&mut object, "managedFields", owners);
        Ok(object)
    }

    /// As a scale.
    fn is_admitted(&self) -> bool {
        true
    }

    /// Only a version that the client named is a condition.
    fn is_conditional(&self, _made: &Value) -> bool {
        *self.named.lock()
    }
}

impl ScaleChange<'_> {
    /// The scale as the client wants it, its owners noted.
    fn written(&self, live: &Value) -> Result<Value> {
        let ty = apiserver_schema::builtin("autoscaling", "v1", "Scale")
            .ok_or_else(|| Status::internal("no type for Scale"))?;
        let expected = Expected { group: "autoscaling", version: "v1", kind: "Scale", ty, older: &[] };
        let resource = server_side::Resource {
            schema: ty,
            api_version: "autoscaling/v1",
            kind: "Scale",
            subresource: "scale",
            custom: false,
            versions: &OneVersion,
        };
        let time = object::now();
        let writer = Writer { manager: &self.options.manager, time: time.as_str().unwrap_or_default() };
        let decode = |scale: &Value| {
            let json = serde_json::to_vec(scale).map_err(Status::internal)?;
            body::decode_json(&json, &expected, FieldValidation::Ignore, &mut Vec::new())
        };
        let mut scale = if self.context.info.verb == "update" {
            let mut warnings = Vec::new();
            self.context.decode(self.bytes, &expected, self.options.field_validation, &mut warnings)?
        } else {
            let mut scale = live.clone();
            let kind = self.context.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let outcome = match kind.split(';').next().unwrap_or_default().trim() {
                "application/apply-patch+yaml" => {
                    let mut config = yaml::to_json(self.bytes)
                        .map_err(|error| format!("error converting YAML to JSON: {error}"))
                        .and_then(|json| serde_json::from_slice(&json).map_err(|error| error.to_string()))
                        .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
                    if object::meta(&config, "name").is_empty() {
                        object::set_meta(&mut config, "name", Some(self.context.info.name.as_str().into()));
                    }
                    let applied = server_side::apply(&resource, Some(live), &config, writer, self.options.force)
                        .map_err(refused_apply)?;
                    return decode(&applied);
                }
                "application/json-patch+json" => json_patch::apply(&mut scale, self.bytes),
                "application/strategic-merge-patch+json" => {
                    let patch: Value = serde_json::from_slice(self.bytes)
                        .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
                    strategic::apply(ty, &mut scale, &patch)
                }
                "application/merge-patch+json" => merge_patch::apply(&mut scale, self.bytes),
                _ => return Err(Status::unknown_patch_type()),
            };
            outcome.map_err(|error| Status::of_patch(error.code(), error.reason(), error.status_message()))?;
            let json = serde_json::to_vec(&scale).map_err(Status::internal)?;
            body::decode_fields(&json, &expected, FieldValidation::Ignore, &mut Vec::new()).map_err(
                |error| match error {
                    body::Undecoded::Kind(status) => status,
                    body::Undecoded::Fields(why) => Status::undecodable_patch(&patched_text(ty, live, &scale), why),
                },
            )?
        };
        server_side::update(&resource, Some(live), &mut scale, writer);
        Ok(scale)
    }
}
