//! Custom resources from one version to another: by a new `apiVersion` alone, or by a webhook.
//!
//! Source: apiextensions-apiserver `pkg/apiserver/conversion`.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::decode::coerce;
use super::{CustomResource, Definition, webhook};
use crate::field::{ErrorList, Path};
use crate::object::{self, items, meta, text};
use crate::object_meta;
use crate::server::Server;
use crate::status::{Result, Status};

/// How long a webhook may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The webhook that converts objects of a definition.
pub struct Webhook {
    /// `clientConfig` as the definition has it.
    pub client: Value,
    /// The first version of `ConversionReview` that upstream knows too.
    pub review_version: Option<&'static str>,
}

impl Webhook {
    /// The webhook of a definition, if objects are converted by one.
    pub fn of(spec: &Value) -> Option<Webhook> {
        let conversion = &spec["conversion"];
        if conversion["strategy"] != "Webhook" {
            return None;
        }
        let webhook = &conversion["webhook"];
        let known = |version: &Value| ["v1", "v1beta1"].into_iter().find(|known| version == known);
        let review_version = items(&webhook["conversionReviewVersions"]).iter().find_map(known);
        Some(Webhook { client: webhook["clientConfig"].clone(), review_version })
    }
}

impl CustomResource {
    /// An object in the version of this row.
    ///
    /// # Errors
    /// The webhook fails, or answers what it may not.
    pub async fn to_own_version(&self, server: &Server, object: Value) -> Result<Value> {
        one(server, &self.definition, object, self.version).await
    }

    /// Objects in the version of this row, all converted at once.
    ///
    /// # Errors
    /// As [`CustomResource::to_own_version`].
    pub async fn all_to_own_version(&self, server: &Server, objects: Vec<Value>) -> Result<Vec<Value>> {
        convert(server, &self.definition, objects, self.version).await
    }

    /// An object in the version in which objects are stored.
    ///
    /// # Errors
    /// As [`CustomResource::to_own_version`].
    pub async fn to_storage_version(&self, server: &Server, object: Value) -> Result<Value> {
        one(server, &self.definition, object, self.definition.storage_version).await
    }

    /// An object in the version of this row where that needs no webhook.
    ///
    /// # Errors
    /// The object is not fit to be one of that version.
    pub fn renamed(&self, object: Value) -> Result<Value> {
        rename(&self.definition, object, self.version)
    }

    /// An object in any version of the definition, as server-side apply compares it.
    ///
    /// # Errors
    /// There is no such version, or the webhook fails.
    pub fn convert_for_owners(
        &self,
        server: &Server,
        object: Value,
        api_version: &str,
    ) -> std::result::Result<Value, String> {
        let definition = &self.definition;
        let to = definition.versions.iter().position(|version| version.api_version == api_version);
        let to = to.ok_or_else(|| format!("{} has no version {api_version}", definition.name))?;
        if definition.webhook.is_none() || object["apiVersion"] == api_version {
            return rename(definition, object, to).map_err(|status| status.message);
        }
        let handle = Handle::current();
        if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Err("conversion by a webhook is not possible here".to_owned());
        }
        // Comparing is pure code in between: the thread waits, others take over its tasks.
        tokio::task::block_in_place(|| handle.block_on(one(server, definition, object, to)))
            .map_err(|status| status.message)
    }
}

async fn one(server: &Server, definition: &Definition, object: Value, to: usize) -> Result<Value> {
    let mut converted = convert(server, definition, vec![object], to).await?;
    converted.pop().ok_or_else(|| Status::internal("a conversion gave no object"))
}

async fn convert(server: &Server, definition: &Definition, objects: Vec<Value>, to: usize) -> Result<Vec<Value>> {
    let api_version = definition.versions[to].api_version.as_str();
    let Some(webhook) = &definition.webhook else {
        return objects.into_iter().map(|object| rename(definition, object, to)).collect();
    };
    let Some(first) = others(&objects, api_version).first().map(|object| text(&object["apiVersion"])) else {
        return Ok(objects);
    };
    let (group, version) = crate::resources::split_api_version(first);
    let about = format!("conversion webhook for {group}/{version}, Kind={}", definition.kind);
    let failed = |why: &str| Status::internal(format!("{about} failed: {why}"));
    let (uid, body) = question(webhook, &others(&objects, api_version), api_version).map_err(failed)?;
    let answer = webhook::post(server, &webhook.client, body, TIMEOUT).await;
    let converted = answer.and_then(|answer| answered(webhook, &uid, answer)).map_err(|why| failed(&why))?;
    taken_over(definition, objects, converted, to).map_err(|why| Status::internal(format!("{about} returned {why}")))
}

/// The objects that are of another version.
fn others<'a>(objects: &'a [Value], api_version: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["apiVersion"] != api_version).collect()
}

/// The objects with what a webhook made of those of other versions.
fn taken_over(
    definition: &Definition,
    objects: Vec<Value>,
    converted: Vec<Value>,
    to: usize,
) -> std::result::Result<Vec<Value>, String> {
    let api_version = definition.versions[to].api_version.as_str();
    let expected = others(&objects, api_version).len();
    if converted.len() != expected {
        return Err(format!("{} objects, expected {expected}", converted.len()));
    }
    let mut converted = converted.into_iter().enumerate();
    let mut result = Vec::with_capacity(objects.len());
    for original in objects {
        if original["apiVersion"] == api_version {
            result.push(original);
        } else if let Some((index, object)) = converted.next() {
            let object = checked(definition, &original, object, to)
                .map_err(|why| format!("invalid converted object at index {index}: {why}"))?;
            result.push(object);
        }
    }
    Ok(result)
}

/// Conversion without a webhook: the object says another version, and loses what that version does not have.
fn rename(definition: &Definition, mut object: Value, to: usize) -> Result<Value> {
    let to = &definition.versions[to];
    if object["apiVersion"] == to.api_version.as_str() {
        return Ok(object);
    }
    object::set(&mut object, &["apiVersion"], to.api_version.as_str());
    coerce(definition, to, &mut object, true).map_err(Status::internal)?;
    Ok(object)
}

/// A question for a webhook: its identity and its body.
fn question(
    webhook: &Webhook,
    objects: &[&Value],
    api_version: &str,
) -> std::result::Result<(String, Bytes), &'static str> {
    let version = webhook.review_version.ok_or("no supported conversion review versions")?;
    let uid = uuid::Uuid::new_v4().to_string();
    let request = json!({
        "kind": "ConversionReview",
        "apiVersion": format!("apiextensions.k8s.io/{version}"),
        "request": {"uid": uid, "desiredAPIVersion": api_version, "objects": objects},
    });
    Ok((uid, request.to_string().into()))
}

/// The converted objects of a webhook's answer.
fn answered(webhook: &Webhook, uid: &str, mut answer: Value) -> std::result::Result<Vec<Value>, String> {
    let is_v1 = webhook.review_version == Some("v1");
    let found = (text(&answer["apiVersion"]), text(&answer["kind"]));
    if is_v1 && found != ("apiextensions.k8s.io/v1", "ConversionReview") {
        let (group, version) = crate::resources::split_api_version(found.0);
        return Err(format!(
            "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got {group}/{version}, Kind={}",
            found.1
        ));
    }
    let response = &mut answer["response"];
    if !response.is_object() {
        return Err("no response provided".to_owned());
    }
    if is_v1 && response["uid"] != uid {
        return Err(format!("expected response.uid={uid:?}, got {:?}", text(&response["uid"])));
    }
    let result = &response["result"];
    if result["status"] != "Success" {
        return Err(match text(&result["message"]) {
            "" => format!("response.result.status was '{}', not 'Success'", text(&result["status"])),
            message => message.to_owned(),
        });
    }
    match response["convertedObjects"].take() {
        Value::Array(objects) => Ok(objects),
        _ => Ok(Vec::new()),
    }
}

/// What a webhook made of an object, if it kept what it may not change; of the metadata only labels and annotations
/// are taken over.
fn checked(
    definition: &Definition,
    original: &Value,
    mut converted: Value,
    to: usize,
) -> std::result::Result<Value, String> {
    let version = &definition.versions[to];
    let found = text(&converted["apiVersion"]);
    if found != version.api_version {
        return Err(format!("invalid groupVersion (expected {}, received {found})", version.api_version));
    }
    if converted["kind"] != original["kind"] {
        return Err(format!(
            "invalid kind (expected {}, received {})",
            text(&original["kind"]),
            text(&converted["kind"])
        ));
    }
    for (field, shown) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (was, is) = (meta(original, field), meta(&converted, field));
        if was != is {
            return Err(format!("must have the same {shown}: {was} != {is}"));
        }
    }
    let Value::Object(given) = converted["metadata"].take() else {
        return Err("missing metadata in converted object".to_owned());
    };
    let mut metadata = original["metadata"].as_object().cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        match given.get(field) {
            None | Some(Value::Null) => {
                metadata.remove(field);
            }
            Some(Value::Object(map)) => {
                checked_strings(field, map, metadata.get(field))?;
                metadata.insert(field.to_owned(), Value::Object(map.clone()));
            }
            Some(_) => return Err(format!("invalid metadata.{field} in converted object")),
        }
    }
    object::set(&mut converted, &["metadata"], Value::Object(metadata));
    coerce(definition, version, &mut converted, true)?;
    Ok(converted)
}

fn checked_strings(field: &str, map: &Map<String, Value>, original: Option<&Value>) -> std::result::Result<(), String> {
    if let Some((key, _)) = map.iter().find(|(_, value)| !value.is_string()) {
        return Err(format!("metadata.{field}[{key}] must be a string in converted object"));
    }
    let map = Value::Object(map.clone());
    if original == Some(&map) {
        return Ok(());
    }
    let mut errors = ErrorList::default();
    let metadata = Path::new("metadata");
    match field {
        "labels" => object_meta::labels(&map, &metadata.child("labels"), &mut errors),
        _ => object_meta::annotations(&map, &metadata.child("annotation"), &mut errors),
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.aggregate()) }
}
