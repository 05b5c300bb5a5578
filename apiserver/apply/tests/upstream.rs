//! Replays what kube-apiserver 1.36 did: `data/upstream.json` holds writes, one per line, and the objects or
//! errors it answered. Ours must own the same fields by the same managers, patch to the same object, and refuse
//! in the same words.

use std::borrow::Cow;

use apiserver_apply::managed_fields::{FieldSet, Filter, PathElement, Pattern};
use apiserver_apply::server_side::{ApplyError, Resource, Versions, Writer, apply, update};
use apiserver_apply::{merge_patch, strategic};
use apiserver_schema::json::{DecodeOptions, decode};
use apiserver_schema::{Ref, Type, builtin};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const WRITES: &str = include_str!("data/upstream.json");

/// The fields that a write to a resource or subresource resets, as upstream's strategies say.
struct Resets(Option<Filter>);

impl Resets {
    fn of(kind: &str, subresource: &str) -> Resets {
        let exclude = |paths: &[&[&str]]| Some(Filter::Exclude(FieldSet::of_fields(paths)));
        let only = |paths: &[&[&str]]| {
            let pattern = |path: &&[&str]| {
                let step = |name: &&str| if *name == "*" { Pattern::Any } else { Pattern::field(name) };
                path.iter().map(step).collect::<Vec<Pattern>>()
            };
            Some(Filter::Include(paths.iter().map(pattern).collect()))
        };
        Resets(match (kind, subresource) {
            ("ConfigMap" | "Role" | "Event", _) => None,
            (_, "") => exclude(&[&["status"]]),
            ("Deployment", "status") => exclude(&[&["spec"], &["metadata", "labels"]]),
            ("Pod", "status") => {
                exclude(&[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]])
            }
            (_, "status") => exclude(&[&["spec"]]),
            (_, "ephemeralcontainers") => only(&[&["spec", "ephemeralContainers"]]),
            (_, "resize") => only(&[&["spec", "containers", "*", "resources"]]),
            other => panic!("no reset fields for {other:?}"),
        })
    }
}

impl Versions for Resets {
    fn schema(&self, _: &str) -> Option<Ref<Type>> {
        None
    }
    fn convert<'v>(&self, object: &'v Value, _: &str) -> Result<Cow<'v, Value>, String> {
        Ok(Cow::Borrowed(object))
    }
    fn reset_fields(&self, _: &str) -> Option<&Filter> {
        self.0.as_ref()
    }
}

fn canonical(ty: &Type, object: &Value) -> Value {
    decode(ty, object.to_string().as_bytes(), DecodeOptions::default()).expect("decodes").value
}

fn managed_fields(object: &Value) -> Value {
    object.pointer("/metadata/managedFields").cloned().unwrap_or_default()
}

/// Whether `ours` is what the server stored, defaults aside.
fn differs(path: &str, ours: &Value, stored: &Value) -> Option<String> {
    match (ours, stored) {
        (Value::Object(ours), Value::Object(stored)) => ours.iter().find_map(|(key, ours)| {
            let path = format!("{path}.{key}");
            let kept_by_server =
                [".status", ".metadata.managedFields", ".metadata.resourceVersion", ".metadata.generation"];
            // Zero values are defaulted.
            if kept_by_server.contains(&path.as_str()) || ours.is_null() || *ours == json!(0) {
                return None;
            }
            match stored.get(key) {
                Some(stored) => differs(&path, ours, stored),
                None if matches!(ours, Value::String(text) if text.is_empty()) => None,
                None if ours.as_array().is_some_and(Vec::is_empty) => None,
                None if ours.as_object().is_some_and(|map| map.is_empty()) => None,
                None => Some(format!("{path}: {ours} is not there")),
            }
        }),
        (Value::Array(ours), Value::Array(stored)) if ours.len() == stored.len() => {
            ours.iter().zip(stored).find_map(|(ours, stored)| differs(&format!("{path}[]"), ours, stored))
        }
        (Value::Array(ours), Value::Null) if ours.is_empty() => None,
        (ours, stored) => (ours != stored).then(|| format!("{path}: {ours} != {stored}")),
    }
}

#[test]
fn owns_and_patches_as_upstream() {
    let writes: Vec<Value> = serde_json::from_str(WRITES).expect("JSON");
    let mut failures = Vec::new();
    let (mut case, mut stored) = (String::new(), None::<Value>);
    for (at, write) in writes.iter().enumerate() {
        let text = |key: &str| write.get(key).and_then(Value::as_str).unwrap_or_default();
        if case != text("case") {
            case = text("case").to_owned();
            stored = None;
        }
        if let Err(failure) = replay(write, stored.as_ref()) {
            failures.push(format!("line {}, {case}: {} by {}: {failure}", at + 2, text("op"), text("manager")));
        }
        if let Some(after) = write.get("after") {
            stored = Some(after.clone());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn replay(write: &Value, stored: Option<&Value>) -> Result<(), String> {
    let text = |key: &str| write.get(key).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    let schema = builtin(group, version, text("kind")).expect("a built-in kind");
    let resets = Resets::of(text("kind"), text("subresource"));
    let resource = Resource {
        schema,
        api_version: text("apiVersion"),
        kind: text("kind"),
        subresource: text("subresource"),
        custom: false,
        versions: &resets,
    };
    let after = write.get("after");
    let times = after.map(managed_fields).unwrap_or_default();
    let times = times.as_array().into_iter().flatten().filter_map(|entry| entry["time"].as_str());
    let writer = Writer { manager: text("manager"), time: times.max().unwrap_or("2026-01-01T00:00:00Z") };
    let live = stored.map(|stored| canonical(schema, stored));

    let result = match text("op") {
        // The server's own controllers wrote in between.
        "get" => return Ok(()),
        "create" => Ok(None),
        "apply" => apply(&resource, live.as_ref(), &write["body"], writer, write["force"] == true).map(Some),
        op => {
            let mut doc = live.clone().expect("created");
            let patched = match op {
                "merge" => merge_patch::apply_value(&mut doc, write["body"].clone()),
                _ => strategic::apply(schema, &mut doc, &write["body"]),
            };
            patched.map(|()| Some(doc)).map_err(|error| match error.code() {
                400 => ApplyError::BadRequest(error.status_message()),
                _ => ApplyError::Internal(error.status_message()),
            })
        }
    };
    let Some(after) = after else { return refused(&write["error"], result) };
    let result = result.map_err(|error| format!("refused: {error}"))?;

    if let Some(object) = &result {
        let mut object = canonical(schema, object);
        if text("subresource") == "status" {
            object["metadata"] = json!({});
        } else {
            object.as_object_mut().expect("an object").remove("status");
        }
        if let Some(difference) = differs("", &object, after) {
            return Err(difference);
        }
    }
    let ours = if text("op") == "apply" {
        result.map(|object| managed_fields(&object)).unwrap_or_default()
    } else {
        // The server adds to these after it has tracked the create.
        if text("op") == "create"
            && ["Service", "Pod", "Job", "PersistentVolume", "CustomResourceDefinition"].contains(&text("kind"))
        {
            return Ok(());
        }
        let mut new = canonical(schema, after);
        new["metadata"].as_object_mut().expect("an object").remove("managedFields");
        if let Some(asked) = write.pointer("/body/metadata/managedFields") {
            new["metadata"]["managedFields"] = asked.clone();
        }
        update(&resource, live.as_ref(), &mut new, writer);
        managed_fields(&new)
    };
    let wanted = managed_fields(after);
    if ours == wanted { Ok(()) } else { Err(format!("managedFields\n ours: {ours}\nwants: {wanted}")) }
}

fn refused(error: &Value, result: Result<Option<Value>, ApplyError>) -> Result<(), String> {
    let (code, message) = (&error["code"], error["message"].as_str().unwrap_or_default());
    match result {
        // Validation comes later and elsewhere.
        Ok(_) if *code == 422 => Ok(()),
        Ok(_) => Err(format!("not refused: {message}")),
        Err(ours) if ours.to_string() != message => Err(format!("refused with {ours}, not {message}")),
        Err(ApplyError::Conflict(conflicts)) => {
            let ours: Vec<Value> = conflicts.causes.iter().map(|cause| json!([cause.message, cause.field])).collect();
            let mut wanted = error["causes"].as_array().cloned().unwrap_or_default();
            // Upstream's order of managers is random.
            let manager = |cause: &Value| cause[0].to_string();
            wanted.sort_by_key(manager);
            if *code == 409 && ours == wanted { Ok(()) } else { Err(format!("causes {ours:?}, not {wanted:?}")) }
        }
        Err(ApplyError::BadRequest(_)) if *code == 400 => Ok(()),
        Err(ApplyError::Internal(_)) if *code == 500 => Ok(()),
        Err(ours) => Err(format!("refused with {ours:?}, not {code}")),
    }
}

#[derive(serde::Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    after: Option<RawObject<'a>>,
}

#[derive(serde::Deserialize)]
struct RawObject<'a> {
    #[serde(borrow)]
    metadata: RawMetadata<'a>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMetadata<'a> {
    #[serde(borrow, default)]
    managed_fields: Vec<RawEntry<'a>>,
}

#[derive(serde::Deserialize)]
struct RawEntry<'a> {
    #[serde(borrow, rename = "fieldsV1")]
    fields: &'a RawValue,
}

#[test]
fn field_sets_are_written_byte_for_byte() {
    let writes: Vec<Raw<'_>> = serde_json::from_str(WRITES).expect("JSON");
    let objects = writes.iter().filter_map(|write| write.after.as_ref());
    let mut count = 0;
    for entry in objects.flat_map(|object| &object.metadata.managed_fields) {
        let text = entry.fields.get();
        let set = FieldSet::parse(text).expect("a set");
        assert_eq!(set.to_json(), text);
        set.for_each(&mut |path| {
            assert!(!path.is_empty() && set.contains(&path.iter().copied().cloned().collect::<Vec<PathElement>>()))
        });
        count += 1;
    }
    assert!(count > 100, "{count}");
}
