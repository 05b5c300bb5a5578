//! patch: JSON patch, merge patch, strategic merge patch and server-side apply.
//!
//! Source: apiserver `pkg/endpoints/handlers/patch.go`.

use apiserver_apply::server_side::{self, ApplyError, Writer};
use apiserver_apply::{PatchError, go_value, json_patch, merge_patch, strategic};
use apiserver_schema::{Shape, Type, defaults, json as apiserver_json, yaml};
use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use hyper::body::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::patch_fields;
use super::write::{self, Change};
use crate::body::{self, Body, Expected, FieldValidation};
use crate::context::{Context, Target, WriteOptions};
use crate::resources::ownership::Ownership;
use crate::status::{Cause, Result, Status};
use crate::{object, respond};

/// The kinds of patches by their media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Merge,
    Strategic,
    Apply,
}

pub async fn patch(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let changed = patch_object(context, target, bytes).await?;
    let code = if changed.created { StatusCode::CREATED } else { StatusCode::OK };
    respond::object(context, target, changed.object, code)
}

async fn patch_object(context: &Context, target: &Target, bytes: &Bytes) -> Result<write::Changed> {
    let kind = match kind(context) {
        // Custom resources have no strategies.
        Err(_) | Ok(Kind::Strategic) if target.custom().is_some() => {
            let types = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            return Err(Status::unsupported_media_type(types));
        }
        kind => kind?,
    };
    let options = context.write_options()?;
    if kind == Kind::Apply {
        if context.query.get("fieldManager").unwrap_or_default().is_empty() {
            let detail = "Required value: is required for apply patch";
            return Err(Status::invalid_options("PatchOptions", "FieldValueRequired", "fieldManager", detail));
        }
    } else if context.query.get("force").is_some() {
        let detail = "Forbidden: may not be specified for non-apply patch";
        return Err(Status::invalid_options("PatchOptions", "FieldValueForbidden", "force", detail));
    }
    context.audit.request_patch(bytes);
    let mut repeated_key = None;
    let patch = Patch {
        context,
        target,
        options: &options,
        kind,
        bytes,
        parsed: match kind {
            Kind::Strategic => Some(parse(bytes)?),
            Kind::Apply => {
                let (config, repeated) = applied(bytes)?;
                repeated_key = repeated;
                Some(config)
            }
            Kind::Json => {
                check_decodes(bytes, "[]handlers.jsonPatchOp", Value::is_array)?;
                check_operations(bytes)?;
                None
            }
            Kind::Merge => {
                check_decodes(bytes, "map[string]interface {}", Value::is_object)?;
                None
            }
        },
        repeated_key,
        warnings: Mutex::default(),
    };
    let changed = write::change(context, target, &options, &patch).await;
    // Also what is refused for another reason is warned about.
    context.warnings.lock().append(&mut patch.warnings.into_inner());
    changed
}

fn kind(context: &Context) -> Result<Kind> {
    let header = context.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match header.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => Ok(Kind::Json),
        "application/merge-patch+json" => Ok(Kind::Merge),
        "application/strategic-merge-patch+json" => Ok(Kind::Strategic),
        "application/apply-patch+yaml" => Ok(Kind::Apply),
        _ => Err(Status::unknown_patch_type()),
    }
}

/// A strategic merge patch, which is an object or nothing.
fn parse(bytes: &[u8]) -> Result<Value> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Null) => Ok(json!({})),
        Ok(patch @ Value::Object(_)) => Ok(patch),
        Ok(other) => Err(Status::bad_request(not_a_map(&other))),
        Err(error) => Err(Status::bad_request(if error.is_eof() {
            "unexpected end of JSON input".to_owned()
        } else {
            error.to_string()
        })),
    }
}

/// A JSON patch must be a list, a merge patch an object; either may be null.
fn check_decodes(bytes: &[u8], go_type: &str, fits: fn(&Value) -> bool) -> Result<()> {
    let why = match serde_json::from_slice::<Value>(bytes) {
        Ok(value) if value.is_null() || fits(&value) => return Ok(()),
        Ok(value) => not_a(go_type, &value),
        Err(error) if error.is_eof() => "unexpected end of JSON input".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Status::bad_request(format!("error decoding patch: {why}")))
}

/// Each operation of a JSON patch must be an object.
fn check_operations(bytes: &[u8]) -> Result<()> {
    let operations: Vec<Value> = serde_json::from_slice(bytes).unwrap_or_default();
    match operations.iter().find(|operation| !operation.is_object() && !operation.is_null()) {
        None => Ok(()),
        Some(other) => {
            Err(Status::bad_request(format!("error decoding patch: {}", not_a("handlers.jsonPatchOp", other))))
        }
    }
}

fn not_a_map(value: &Value) -> String {
    not_a("map[string]interface {}", value)
}

fn not_a(go_type: &str, value: &Value) -> String {
    let found = match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Null | Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {found} into Go value of type {go_type}")
}

/// A patched object as upstream's libraries print it: what the patch touched has its members sorted, the rest stands
/// as the server wrote it.
pub fn patched_text(ty: &Type, old: &Value, patched: &Value) -> String {
    let mut out = Vec::new();
    write_touched(Some(ty), old, patched, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn write_touched(ty: Option<&Type>, old: &Value, patched: &Value, out: &mut Vec<u8>) {
    let Value::Object(members) = patched else { return apiserver_json::encode_untyped(patched, out) };
    out.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        apiserver_json::encode_untyped(&Value::from(name.as_str()), out);
        out.push(b':');
        let shape = ty.and_then(|ty| ty.field(name)).map(|field| &field.shape);
        match (shape, &old[name.as_str()]) {
            (Some(shape), before) if before == value => apiserver_json::encode_shape(shape, value, out),
            (Some(Shape::Object(inner)), before) => write_touched(Some(inner), before, value, out),
            (_, before) => write_touched(None, before, value, out),
        }
    }
    out.push(b'}');
}

/// The configuration of an apply, neither checked nor defaulted: what was left out must stay left out. Fields that
/// the type does not have are refused when it is merged.
fn applied(bytes: &[u8]) -> Result<(Value, Option<String>)> {
    let refused = |why: &dyn std::fmt::Display| Status::bad_request(format!("error decoding YAML: {why}"));
    let (config, repeated) =
        yaml::parse(bytes).map_err(|error| refused(&format_args!("error converting YAML to JSON: {error}")))?;
    // Numbers are read as JSON has them.
    let mut json = Vec::with_capacity(bytes.len());
    apiserver_json::encode_untyped(&config, &mut json);
    match serde_json::from_slice(&json).map_err(|error| refused(&error))? {
        Value::Null => Ok((json!({}), repeated)),
        config @ Value::Object(_) => Ok((config, repeated)),
        other => Err(refused(&format_args!("error unmarshaling JSON: while decoding JSON: {}", not_a_map(&other)))),
    }
}

struct Patch<'a> {
    context: &'a Context,
    target: &'a Target,
    options: &'a WriteOptions,
    kind: Kind,
    bytes: &'a [u8],
    parsed: Option<Value>,
    /// What is wrong with a configuration that has a key twice.
    repeated_key: Option<String>,
    /// Those of the last try.
    warnings: Mutex<Vec<String>>,
}

#[async_trait]
impl Change for Patch<'_> {
    async fn make(&self, old: Option<&Value>) -> Result<Value> {
        let mut object = match (self.kind, old) {
            (Kind::Apply, _) => self.apply(old)?,
            (_, Some(old)) => self.patched(old)?,
            (_, None) => return Err(Status::not_found(self.target.group_resource(), &self.context.info.name)),
        };
        defaults::apply(&self.target.version.ty, &mut object);
        self.target.settle(&mut object);
        if object::meta(&object, "name").is_empty() {
            return Err(Status::bad_request(format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                self.context.info.name
            )));
        }
        if object::meta(&object, "name") != self.context.info.name {
            return Err(Status::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                object::meta(&object, "name"),
                self.context.info.name
            )));
        }
        if self.kind != Kind::Apply {
            write::track_update(self.context, self.target, old, &mut object, self.options);
        }
        Ok(object)
    }

    fn creates(&self) -> bool {
        self.kind == Kind::Apply
    }

    /// A patch is conditional only when it names a version itself, which the next try then sees.
    fn is_conditional(&self, _made: &Value) -> bool {
        false
    }
}

/// A refused apply, in upstream's words.
pub fn refused_apply(error: ApplyError) -> Status {
    match error {
        ApplyError::BadRequest(message) => Status::bad_request(message),
        ApplyError::Internal(message) => Status::of_patch(500, "", message),
        ApplyError::Conflict(conflicts) => {
            let cause = |conflict: server_side::Conflict| Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: conflict.message,
                field: conflict.field,
            };
            Status::apply_conflict(conflicts.message, conflicts.causes.into_iter().map(cause).collect())
        }
    }
}

impl Patch<'_> {
    /// The old object with the patch on it, decoded like a request's body.
    fn patched(&self, old: &Value) -> Result<Value> {
        let mut object = old.clone();
        let outcome = match (self.kind, &self.parsed) {
            (Kind::Json, _) => json_patch::apply(&mut object, self.bytes),
            (Kind::Strategic, Some(patch)) => strategic::apply(&self.target.version.ty, &mut object, patch),
            _ => merge_patch::apply(&mut object, self.bytes),
        };
        outcome.map_err(|error| self.refused(&error))?;
        if self.kind == Kind::Strategic {
            // It is laid over the type's fields, of which these are none.
            object::set(&mut object, &["apiVersion"], old["apiVersion"].clone());
            object::set(&mut object, &["kind"], old["kind"].clone());
        }
        let json = serde_json::to_vec(&object).map_err(Status::internal)?;
        let shown = || match (self.kind, &self.parsed) {
            (Kind::Strategic, Some(patch)) => go_value(&patch_fields::left_over(patch, old)),
            _ => patched_text(&self.target.version.ty, old, &object),
        };
        if self.kind == Kind::Strategic {
            patch_fields::convertible(&self.target.version.ty, &object)
                .map_err(|why| Status::undecodable_patch(&shown(), why))?;
        }
        let expected = Expected::of(self.target.resource(), &self.target.version);
        let mut warnings = Vec::new();
        // What is found wrong is collected first: strict validation names it together with what the patch has wrong.
        let validation = match self.options.field_validation {
            FieldValidation::Strict => FieldValidation::Warn,
            other => other,
        };
        let object = body::decode_fields(&json, &expected, validation, &mut warnings).map_err(|error| match error {
            body::Undecoded::Kind(status) => {
                let why = status.message.rsplit_once(&format!(" as a {}: ", expected.kind));
                Status::undecodable_patch(&shown(), why.map_or(status.message.as_str(), |(_, why)| why))
            }
            body::Undecoded::Fields(why) => Status::undecodable_patch(&shown(), why),
        })?;
        if self.kind == Kind::Strategic {
            warnings.sort();
        }
        let warnings = [self.problems(), warnings].concat();
        if self.options.field_validation == FieldValidation::Strict && !warnings.is_empty() {
            let why = format!("strict decoding error: {}", warnings.join(", "));
            return Err(Status::undecodable_patch(&shown(), why));
        }
        *self.warnings.lock() = warnings;
        Ok(object)
    }

    /// What strict validation finds wrong in the patch itself.
    fn problems(&self) -> Vec<String> {
        match (self.options.field_validation, self.kind) {
            (FieldValidation::Ignore, _) | (_, Kind::Apply) => Vec::new(),
            (_, Kind::Json) => patch_fields::of_operations(self.bytes),
            (_, Kind::Merge | Kind::Strategic) => patch_fields::duplicates(self.bytes),
        }
    }

    fn refused(&self, error: &PatchError) -> Status {
        Status::of_patch(error.code(), error.reason(), error.status_message())
    }

    /// Of keys that a configuration has twice the last counted; strictness refuses them.
    fn note_repeated_keys(&self) -> Result<()> {
        let Some(problem) = self.repeated_key.clone() else { return Ok(()) };
        match self.options.field_validation {
            body::FieldValidation::Ignore => {}
            body::FieldValidation::Warn => *self.warnings.lock() = vec![problem],
            body::FieldValidation::Strict => {
                let why = format!(
                    "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  {problem}"
                );
                return Err(Status::bad_request(why));
            }
        }
        Ok(())
    }

    fn apply(&self, old: Option<&Value>) -> Result<Value> {
        let api_version = self.target.api_version();
        let resource = server_side::Resource {
            schema: &self.target.version.ty,
            api_version: &api_version,
            kind: &self.target.resource().kind,
            subresource: &self.context.info.subresource,
            custom: self.target.custom().is_some(),
            versions: &Ownership::new(
                &self.context.server,
                self.target.resource(),
                &api_version,
                &self.context.info.subresource,
            ),
        };
        let time = object::now();
        let writer = Writer { manager: &self.options.manager, time: time.as_str().unwrap_or_default() };
        let config = self.parsed.as_ref().unwrap_or(&Value::Null);
        let mut merged =
            server_side::apply(&resource, old, config, writer, self.options.force).map_err(refused_apply)?;
        if object::meta(&merged, "name").is_empty() {
            object::set_meta(&mut merged, "name", Some(self.context.info.name.as_str().into()));
        }
        self.note_repeated_keys()?;
        let json = serde_json::to_vec(&merged).map_err(Status::internal)?;
        let expected = Expected::of(self.target.resource(), &self.target.version);
        body::decode_json(&json, &expected, FieldValidation::Ignore, &mut Vec::new())
    }
}
