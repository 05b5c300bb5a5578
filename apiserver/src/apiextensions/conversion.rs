//! Custom resources from one version to another: by a new `apiVersion` alone, or by a webhook.
//!
//! Source: apiextensions-apiserver `pkg/apiserver/conversion`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::decode::coerce;
use super::{CustomResource, Definition};
use crate::client_config::json_type;
use crate::field::{ErrorList, Path};
use crate::metrics::conversions as metrics;
use crate::object::{self, items, meta, text};
use crate::object_meta;
use crate::server::Server;

/// How long a webhook may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many objects one review has at most, and how many bytes of JSON before another one is begun.
const REVIEW_OBJECTS: usize = 100;
const REVIEW_BYTES: usize = 1 << 20;

/// What came of a conversion; why there is nothing is upstream's text.
pub type Converted<T> = Result<T, String>;

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
    pub async fn to_own_version(&self, server: &Server, object: Value) -> Converted<Value> {
        one(server, &self.definition, object, self.version).await
    }

    /// Objects in the version of this row, as many at once as a review holds.
    ///
    /// # Errors
    /// As [`CustomResource::to_own_version`].
    pub async fn all_to_own_version(&self, server: &Server, objects: Vec<Value>) -> Converted<Vec<Value>> {
        convert(server, &self.definition, objects, self.version).await
    }

    /// An object in the version in which objects are stored.
    ///
    /// # Errors
    /// As [`CustomResource::to_own_version`].
    pub async fn to_storage_version(&self, server: &Server, object: Value) -> Converted<Value> {
        one(server, &self.definition, object, self.definition.storage_version).await
    }

    /// An object in any version of the definition.
    ///
    /// # Errors
    /// There is no such version, or as [`CustomResource::to_own_version`].
    pub async fn to_version(&self, server: &Server, object: Value, api_version: &str) -> Converted<Value> {
        one(server, &self.definition, object, self.definition.place_of(api_version)?).await
    }

    /// An object in the version of this row where that needs no webhook.
    ///
    /// # Errors
    /// The object is not fit to be one of that version.
    pub fn renamed(&self, object: Value) -> Converted<Value> {
        rename(&self.definition, object, self.version)
    }

    /// An object in any version, for server-side apply, which compares it with what its owners saw: with fields that the
    /// version does not have, if the conversion leaves any.
    ///
    /// # Errors
    /// As [`CustomResource::to_version`].
    pub fn convert_for_owners(&self, server: &Server, object: Value, api_version: &str) -> Converted<Value> {
        let definition = &self.definition;
        let to = definition.place_of(api_version)?;
        if definition.webhook.is_none() || object["apiVersion"] == api_version {
            return Ok(named(definition, object, to));
        }
        let handle = Handle::current();
        if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Err("conversion by a webhook is not possible here".to_owned());
        }
        // Comparing is pure code in between: the thread waits, others take over its tasks.
        let mut converted =
            tokio::task::block_in_place(|| handle.block_on(answers(server, definition, vec![object], to)))?;
        converted.pop().ok_or_else(|| "a conversion gave no object".to_owned())
    }
}

impl Definition {
    fn place_of(&self, api_version: &str) -> Converted<usize> {
        let place = self.versions.iter().position(|version| version.api_version == api_version);
        place.ok_or_else(|| format!("request to convert CR to an invalid group/version: {api_version}"))
    }
}

async fn one(server: &Server, definition: &Definition, object: Value, to: usize) -> Converted<Value> {
    let mut converted = convert(server, definition, vec![object], to).await?;
    converted.pop().ok_or_else(|| "a conversion gave no object".to_owned())
}

/// Objects as a version has them: without what it does not know.
async fn convert(server: &Server, definition: &Definition, objects: Vec<Value>, to: usize) -> Converted<Vec<Value>> {
    let version = &definition.versions[to];
    let changes: Vec<bool> = objects.iter().map(|object| object["apiVersion"] != *version.api_version).collect();
    let mut converted = answers(server, definition, objects, to).await?;
    for (object, _) in converted.iter_mut().zip(changes).filter(|(_, changes)| *changes) {
        coerce(definition, version, object, true)?;
    }
    Ok(converted)
}

/// Objects as the conversion gives them.
async fn answers(
    server: &Server,
    definition: &Definition,
    mut objects: Vec<Value>,
    to: usize,
) -> Converted<Vec<Value>> {
    let Some(webhook) = &definition.webhook else {
        return Ok(objects.into_iter().map(|object| named(definition, object, to)).collect());
    };
    for review in reviews(&objects, &definition.versions[to].api_version) {
        let originals = review.iter().map(|place| objects[*place].take()).collect();
        let converted = reviewed(server, definition, webhook, originals, to).await?;
        for (place, object) in review.into_iter().zip(converted) {
            objects[place] = object;
        }
    }
    Ok(objects)
}

/// The places of objects of other versions, those of one review together.
fn reviews(objects: &[Value], api_version: &str) -> Vec<Vec<usize>> {
    let mut reviews: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for (place, object) in objects.iter().enumerate().filter(|(_, object)| object["apiVersion"] != api_version) {
        // One alone needs no measuring.
        let size = if objects.len() == 1 { 0 } else { object.to_string().len() };
        match reviews.last_mut() {
            Some(review) if review.len() < REVIEW_OBJECTS && bytes + size <= REVIEW_BYTES => {
                review.push(place);
                bytes += size;
            }
            _ => {
                reviews.push(vec![place]);
                bytes = size;
            }
        }
    }
    reviews
}

/// Why a review gave nothing: upstream's name for metrics, and its words.
struct Failed(&'static str, String);

/// What a webhook makes of objects, none of which is of the version asked for.
async fn reviewed(
    server: &Server,
    definition: &Definition,
    webhook: &Webhook,
    originals: Vec<Value>,
    to: usize,
) -> Converted<Vec<Value>> {
    let started = Instant::now();
    let from = originals.first().map(|object| text(&object["apiVersion"]).to_owned()).unwrap_or_default();
    let outcome = exchanged(server, definition, webhook, originals, to).await;
    let (_, from) = crate::resources::split_api_version(&from);
    let about = metrics::Converted { definition: &definition.name, from, to: &definition.versions[to].name };
    let failure = outcome.as_ref().err().map(|Failed(what, _)| *what);
    server.metrics.conversions.asked(&about, failure, started.elapsed());
    outcome.map_err(|Failed(_, why)| why)
}

async fn exchanged(
    server: &Server,
    definition: &Definition,
    webhook: &Webhook,
    originals: Vec<Value>,
    to: usize,
) -> Result<Vec<Value>, Failed> {
    let about = format!("conversion webhook for {}", originals.first().map(group_version_kind).unwrap_or_default());
    let call_failed = "conversion_webhook_call_failure";
    let version = webhook
        .review_version
        .ok_or_else(|| Failed(call_failed, "no supported conversion review versions".to_owned()))?;
    let (uid, body) = question(version, &originals, &definition.versions[to].api_version);
    let answer = server.custom.webhooks.post(server, &webhook.client, body, TIMEOUT).await;
    let answer = answer.map_err(|failure| {
        // The timeout is that of Go's client here, not one of the request.
        let hint = if failure.is_timeout { " (Client.Timeout exceeded while awaiting headers)" } else { "" };
        Failed(call_failed, format!("{about} failed: {}{hint}", failure.why))
    })?;
    let converted = answered(version, &uid, answer)
        .map_err(|why| Failed("conversion_webhook_malformed_response_failure", format!("{about} failed: {why}")))?;
    if converted.len() != originals.len() {
        let why = format!("{about} returned {} objects, expected {}", converted.len(), originals.len());
        return Err(Failed("conversion_webhook_partial_response_failure", why));
    }
    let taken = originals.into_iter().zip(converted).map(|(original, converted)| {
        taken_over(definition, original, converted, to, &about)
            .map_err(|why| Failed("conversion_webhook_invalid_converted_object_failure", why))
    });
    taken.collect()
}

/// Conversion without a webhook: the object says another version, and loses what that version does not have.
fn rename(definition: &Definition, object: Value, to: usize) -> Converted<Value> {
    let version = &definition.versions[to];
    if object["apiVersion"] == version.api_version.as_str() {
        return Ok(object);
    }
    let mut object = named(definition, object, to);
    coerce(definition, version, &mut object, true)?;
    Ok(object)
}

/// The object, said to be of another version.
fn named(definition: &Definition, mut object: Value, to: usize) -> Value {
    object::set(&mut object, &["apiVersion"], definition.versions[to].api_version.as_str());
    object
}

/// The kind of an object as Go prints it.
fn group_version_kind(object: &Value) -> String {
    let (group, version) = crate::resources::split_api_version(text(&object["apiVersion"]));
    format!("{group}/{version}, Kind={}", text(&object["kind"]))
}

/// A question for a webhook: its identity and its body, which has the empty answer that upstream sends too.
fn question(version: &str, objects: &[Value], api_version: &str) -> (String, Bytes) {
    let uid = uuid::Uuid::new_v4().to_string();
    let request = json!({
        "kind": "ConversionReview",
        "apiVersion": format!("apiextensions.k8s.io/{version}"),
        "request": {"uid": uid, "desiredAPIVersion": api_version, "objects": objects},
        "response": {"uid": "", "convertedObjects": null, "result": {"metadata": {}}},
    });
    (uid, request.to_string().into())
}

/// The converted objects of a webhook's answer. Of old reviews neither version nor identity was ever checked.
pub fn answered(version: &str, uid: &str, mut answer: Value) -> Converted<Vec<Value>> {
    let is_v1 = version == "v1";
    if let Some(why) = of_another_kind(version, &answer) {
        return Err(why);
    }
    if is_v1 && group_version_kind(&answer) != "apiextensions.k8s.io/v1, Kind=ConversionReview" {
        return Err(format!(
            "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got {}",
            group_version_kind(&answer)
        ));
    }
    let mut response = match answer.get_mut("response").map(Value::take) {
        None | Some(Value::Null) => return Err("no response provided".to_owned()),
        Some(Value::Object(response)) => response,
        Some(other) => {
            return Err(mistyped(&other, "ConversionReview.response", &format!("{version}.ConversionResponse")));
        }
    };
    let fields = [("result", "v1.Status", false), ("convertedObjects", "[]runtime.RawExtension", true)];
    for (field, ty, is_list) in fields {
        match response.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(_)) if !is_list => {}
            Some(Value::Array(_)) if is_list => {}
            Some(other) => return Err(mistyped(other, &format!("ConversionResponse.response.{field}"), ty)),
        }
    }
    let given = response.get("uid").map(text).unwrap_or_default();
    if is_v1 && given != uid {
        return Err(format!("expected response.uid={uid:?}, got {given:?}"));
    }
    let result = response.get("result").unwrap_or(&Value::Null);
    let said = |field: &str| result.get(field).map(text).unwrap_or_default();
    if said("status") != "Success" {
        return Err(match said("message") {
            "" => format!("response.result.status was '{}', not 'Success'", said("status")),
            message => message.to_owned(),
        });
    }
    match response.remove("convertedObjects") {
        Some(Value::Array(objects)) => Ok(objects),
        _ => Ok(Vec::new()),
    }
}

/// Why an answer that says what it is does not decode as a review of a version.
fn of_another_kind(version: &str, answer: &Value) -> Option<String> {
    let (api_version, kind) = (text(&answer["apiVersion"]), text(&answer["kind"]));
    if api_version.is_empty() || kind.is_empty() {
        return None;
    }
    let (group, of) = crate::resources::split_api_version(api_version);
    match (group, of, kind) {
        ("apiextensions.k8s.io", of, "ConversionReview") if of == version => None,
        ("apiextensions.k8s.io", "v1" | "v1beta1", "ConversionReview") | ("", "v1", "Status") => {
            Some(format!("converting ({of}.{kind}) to ({version}.ConversionReview): unknown conversion"))
        }
        _ => {
            let scheme = "k8s.io/apiserver/pkg/util/webhook/client.go:71";
            Some(format!("no kind {kind:?} is registered for version {api_version:?} in scheme {scheme:?}"))
        }
    }
}

/// A value of the wrong type, in the words of Go's decoder.
fn mistyped(value: &Value, field: &str, ty: &str) -> String {
    format!("json: cannot unmarshal {} into Go struct field {field} of type {ty}", json_type(value))
}

/// What a webhook made of an object, if it kept what it may not change; of the metadata only labels and annotations
/// are taken over.
pub fn taken_over(
    definition: &Definition,
    original: Value,
    mut converted: Value,
    to: usize,
    about: &str,
) -> Converted<Value> {
    let version = &definition.versions[to];
    let found = text(&converted["apiVersion"]);
    let invalid = |why: String| Err(format!("{about} returned invalid object{why}"));
    match &converted {
        Value::Object(_) => {}
        Value::Null => return Err("unexpected end of JSON input".to_owned()),
        other => {
            let found = json_type(other);
            return Err(format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"));
        }
    }
    if text(&converted["kind"]).is_empty() {
        return Err(format!("Object 'Kind' is missing in '{converted}'"));
    }
    if found != version.api_version {
        let why = format!(" at index 0: invalid groupVersion (expected {}, received {found})", version.api_version);
        return invalid(why);
    }
    let (expected, received) = (text(&original["kind"]), text(&converted["kind"]));
    if expected != received {
        return invalid(format!(" at index 0: invalid kind (expected {expected}, received {received})"));
    }
    for (field, shown) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (was, is) = (meta(&original, field), meta(&converted, field));
        if was != is {
            return invalid(format!(": must have the same {shown}: {was} != {is}"));
        }
    }
    let metadata = restored(original, converted.get_mut("metadata").map(Value::take))
        .map_err(|why| format!("{about} returned invalid metadata: {why}"))?;
    object::set(&mut converted, &["metadata"], Value::Object(metadata));
    Ok(converted)
}

/// The metadata of an original with the labels and annotations that a webhook gave.
fn restored(mut original: Value, given: Option<Value>) -> Converted<Map<String, Value>> {
    let invalid = |what: &str, value: &Value| {
        let found = apiserver_schema::json::go_type(value);
        Err(format!("invalid {what} of type {found} in converted object"))
    };
    let given = match given {
        None => return Err("missing metadata in converted object".to_owned()),
        Some(Value::Object(given)) => given,
        Some(other) => return invalid("metadata", &other),
    };
    let mut metadata = match original["metadata"].take() {
        Value::Object(metadata) => metadata,
        _ => Map::new(),
    };
    for field in ["labels", "annotations"] {
        match given.get(field) {
            None | Some(Value::Null) => {
                metadata.remove(field);
            }
            Some(Value::Object(map)) => {
                checked_strings(field, map, metadata.get(field))?;
                metadata.insert(field.to_owned(), Value::Object(map.clone()));
            }
            Some(other) => return invalid(&format!("metadata.{field}"), other),
        }
    }
    Ok(metadata)
}

fn checked_strings(field: &str, map: &Map<String, Value>, original: Option<&Value>) -> Converted<()> {
    if let Some((key, value)) = map.iter().find(|(_, value)| !value.is_string()) {
        let found = apiserver_schema::json::go_type(value);
        return Err(format!("metadata.{field}[{key}] must be a string, but is {found} in converted object"));
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
