//! Objects as responses: in the encoding and form that the client accepts.
//!
//! An object that is answered as it is cached is not parsed: its bytes are written as they are.

use std::sync::Arc;

use apiserver_schema::{Type, json, protobuf, yaml};
use apiserver_storage::Revision;
use apiserver_watch_cache::{FormId, Object};
use bytes::{BufMut, Bytes, BytesMut};
use futures::TryFutureExt;
use futures::future::{self, BoxFuture};
use http::{Response, StatusCode};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::body::{self, Body};
use crate::context::{Context, Target};
use crate::negotiate::{self, Accepted, Encoding, Form, Offer};
use crate::object;
use crate::partial_metadata;
use crate::printers::{IncludeObject, Table};
use crate::resources::api_version;
use crate::server::Server;
use crate::status::{Result, Status};
use crate::storage::{Prepared, Served};

/// How many bytes of a list are made at a time.
const CHUNK: usize = 64 * 1024;

/// Cached encodings of an object.
pub mod forms {
    use apiserver_watch_cache::FormId;

    /// The protobuf message, without an envelope, in the storage version.
    pub const PROTOBUF: FormId = FormId(1);
    /// A watch frame of JSON, in the storage version.
    pub const JSON_FRAME: FormId = FormId(2);
    /// A watch frame of protobuf, in the storage version.
    pub const PROTOBUF_FRAME: FormId = FormId(3);

    /// The JSON that a webhook made of a custom resource for a version, named by its place in the definition.
    pub const fn converted(version: usize) -> FormId {
        FormId(16 + version as u64)
    }
}

/// What a route that answers objects can answer.
pub const OBJECTS: Offer = Offer { protobuf: true, forms: true, tables: true, watch: false };

/// What a route that only answers can answer.
const STATUS: Offer = Offer { protobuf: true, forms: false, tables: false, watch: false };

/// Answers a status in the encoding that the client accepts, and in JSON otherwise.
pub fn status(context: &Context, status: &Status) -> Result<Response<Body>> {
    // A status has no other forms; who asks for one gets JSON.
    let accepted = negotiate::accept(&context.headers, STATUS).unwrap_or(Accepted::JSON);
    Ok(status_in(accepted, status))
}

/// Answers a status in an encoding.
pub fn status_in(accepted: Accepted, status: &Status) -> Response<Body> {
    if status.code == StatusCode::NOT_ACCEPTABLE && status.details.is_none() {
        // Upstream writes what it cannot negotiate past its encoders: indented, with no newline.
        let text = String::from_utf8(status.to_json()).unwrap_or_default();
        return body::response(status.code, negotiate::JSON, pretty(&text));
    }
    if accepted.pretty && accepted.encoding == Encoding::Json {
        let mut response = body::status(status);
        let text = String::from_utf8(status.to_json()).unwrap_or_default();
        *response.body_mut() = body::full(pretty(&text));
        return response;
    }
    encoded_status(accepted, status)
}

/// A status in an encoding, also where it says that something else cannot be had in it.
pub fn encoded_status(accepted: Accepted, status: &Status) -> Response<Body> {
    if accepted.encoding == Encoding::Json {
        return body::status(status);
    }
    let ty = apiserver_schema::builtin("", "v1", "Status");
    let tree = serde_json::from_slice::<Value>(&status.to_json()).unwrap_or_default();
    match ty {
        Some(ty) => {
            let bytes = match accepted.encoding {
                Encoding::Yaml => yaml::from_json(&tree).into_bytes(),
                _ => protobuf::encode(ty, "v1", "Status", &tree),
            };
            let mut response = body::response(status.code, accepted.content_type(), bytes);
            if let Some(seconds) = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|s| *s > 0)
            {
                response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
            }
            response
        }
        None => body::status(status),
    }
}

/// An object to be answered.
pub struct Answer {
    /// In the request's version.
    pub tree: Value,
    /// The same as canonical JSON, where that is at hand.
    json: Option<Bytes>,
}

impl From<Value> for Answer {
    fn from(tree: Value) -> Self {
        Answer { tree, json: None }
    }
}

impl Answer {
    /// What was written at a revision, given in the storage version.
    pub fn written(target: &Target, mut tree: Value, served: Option<Served>, revision: Revision) -> Self {
        object::set_meta(&mut tree, "resourceVersion", Some(revision.to_string().into()));
        target.convert_from_storage(&mut tree);
        let served = served.filter(|_| target.is_storage_version());
        Answer { tree, json: served.and_then(|served| served.at(revision)) }
    }

    fn into_json(self, target: &Target) -> Bytes {
        self.json.unwrap_or_else(|| target.encoded(&self.tree).into())
    }
}

/// Answers an object.
pub fn object(context: &Context, target: &Target, object: Answer, code: StatusCode) -> Result<Response<Body>> {
    // What is only answered, such as a review, has no table.
    let tables = target.resource().storage.is_some();
    let accepted = negotiate::accept(&context.headers, Offer { tables, ..OBJECTS })?;
    check_form(accepted, target, false)?;
    let bytes = match accepted.form {
        Form::Object => object.into_json(target),
        Form::Table { v1beta1 } => {
            let include = IncludeObject::read(&context.query)?;
            let revision = object::meta(&object.tree, "resourceVersion").to_owned();
            Table::new(target.resource(), include, v1beta1).of(&object.tree, &revision).into()
        }
        Form::Metadata { v1beta1, .. } => {
            partial_metadata::of(&object.into_json(target), target.resource(), v1beta1)?.into()
        }
    };
    answer(target, accepted, bytes, code)
}

/// Metadata must be asked for by the name of what there is: an object's or a list's.
fn check_form(accepted: Accepted, target: &Target, is_list: bool) -> Result<()> {
    let Form::Metadata { list, .. } = accepted.form else { return Ok(()) };
    let resource = target.resource();
    // The type as upstream calls it in its own code.
    let package = match resource.group.split('.').next().unwrap_or_default() {
        "" | "events" => "core",
        first => first,
    };
    let ty = match target.custom() {
        Some(_) => "unstructured.Unstructured".to_owned(),
        None => format!("{package}.{}", resource.kind),
    };
    match (list, is_list) {
        (true, false) => Err(Status::wrong_form(format!(
            "you requested PartialObjectMetadataList, but the requested object is not a list (*{ty})"
        ))),
        (false, true) => Err(Status::wrong_form(format!(
            "you requested PartialObjectMetadata, but the requested object is a list (*{ty}List)"
        ))),
        _ => Ok(()),
    }
}

/// Answers an object of another kind, such as a scale or a review, given as a tree.
pub fn tree(
    context: &Context,
    group: &str,
    version: &str,
    kind: &str,
    tree: &Value,
    code: StatusCode,
) -> Result<Response<Body>> {
    let accepted = negotiate::accept(&context.headers, Offer { forms: false, ..OBJECTS })?;
    let ty = apiserver_schema::builtin(group, version, kind)
        .ok_or_else(|| Status::internal(format!("no type for {kind}")))?;
    let mut out = Vec::new();
    match accepted.encoding {
        Encoding::Protobuf => out = protobuf::encode(ty, &api_version(group, version), kind, tree),
        _ => {
            json::encode(ty, tree, &mut out);
            finish_text(accepted, &mut out)?;
        }
    }
    Ok(body::response(code, accepted.content_type(), out))
}

/// Answers an object as the cache holds it.
pub fn cached(context: &Context, target: &Target, object: &Arc<Object>) -> Result<Response<Body>> {
    let accepted = negotiate::accept(&context.headers, OBJECTS)?;
    check_form(accepted, target, false)?;
    let json = json_of(target, object)?;
    match (accepted.form, accepted.encoding) {
        (Form::Object, Encoding::Protobuf) if target.is_storage_version() => {
            let message = object.form(forms::PROTOBUF, |object| message_of(target, object));
            let bytes = enveloped(&target.api_version(), &target.resource().kind, &message);
            Ok(body::response(StatusCode::OK, negotiate::PROTOBUF, bytes))
        }
        (Form::Object, _) => answer(target, accepted, json, StatusCode::OK),
        (Form::Table { v1beta1 }, _) => {
            let include = IncludeObject::read(&context.query)?;
            let tree: Value = serde_json::from_slice(&json).map_err(Status::internal)?;
            let revision = object::meta(&tree, "resourceVersion").to_owned();
            let bytes = Table::new(target.resource(), include, v1beta1).of(&tree, &revision);
            answer(target, accepted, bytes.into(), StatusCode::OK)
        }
        (Form::Metadata { v1beta1, .. }, _) => {
            answer(target, accepted, partial_metadata::of(&json, target.resource(), v1beta1)?.into(), StatusCode::OK)
        }
    }
}

/// Finishes a JSON document in the encoding accepted.
fn answer(target: &Target, accepted: Accepted, json: Bytes, code: StatusCode) -> Result<Response<Body>> {
    match (accepted.encoding, accepted.form) {
        (Encoding::Protobuf, Form::Table { .. }) => Err(Status::not_acceptable(negotiate::OBJECT_TYPES)),
        (Encoding::Protobuf, Form::Object) => {
            let message = message(&target.version.ty, &json);
            let bytes = enveloped(&target.api_version(), &target.resource().kind, &message);
            Ok(body::response(code, negotiate::PROTOBUF, bytes))
        }
        (Encoding::Protobuf, Form::Metadata { v1beta1, .. }) => {
            let message = message(partial_metadata::ty()?, &json);
            let bytes = enveloped(partial_metadata::api_version(v1beta1), partial_metadata::KIND, &message);
            Ok(body::response(code, negotiate::PROTOBUF, bytes))
        }
        _ => {
            let mut out = Vec::with_capacity(json.len() + 1);
            out.extend_from_slice(&json);
            finish_text(accepted, &mut out)?;
            Ok(body::response(code, accepted.content_type(), out))
        }
    }
}

/// Ends JSON with a newline, or turns it into YAML.
pub fn finish_text(accepted: Accepted, out: &mut Vec<u8>) -> Result<()> {
    if accepted.encoding == Encoding::Yaml {
        let tree: Value = serde_json::from_slice(out).map_err(Status::internal)?;
        *out = yaml::from_json(&tree).into_bytes();
        return Ok(());
    }
    if accepted.pretty {
        let tree: Box<RawValue> = serde_json::from_slice(out).map_err(Status::internal)?;
        *out = pretty(tree.get());
        // Upstream ends what is indented without a newline.
        return Ok(());
    }
    out.push(b'\n');
    Ok(())
}

/// Indents JSON by two spaces, keeping the order of its fields.
pub fn pretty(json: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let bytes = json.as_bytes();
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    for (position, byte) in bytes.iter().copied().enumerate() {
        if in_string {
            out.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => {
                in_string = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                if !matches!(bytes.get(position + 1), Some(b'}' | b']')) {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(bytes.get(position.wrapping_sub(1)), Some(b'{' | b'[')) {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(byte),
        }
    }
    out
}

/// A cached object's JSON in the request's version.
pub fn json_of(target: &Target, object: &Object) -> Result<Bytes> {
    let json = object.json().map_err(Status::internal)?;
    if target.is_storage_version() {
        return Ok(json);
    }
    let mut tree: Value = serde_json::from_slice(&json).map_err(Status::internal)?;
    if let Some(custom) = target.custom() {
        tree = custom.renamed(tree).map_err(Status::unclassified)?;
    }
    target.convert_from_storage(&mut tree);
    Ok(target.encoded(&tree).into())
}

/// A cached object as a protobuf message without an envelope, in the storage version.
pub fn message_of(target: &Target, object: &Object) -> Bytes {
    object.json().map(|json| message(&target.version.ty, &json)).unwrap_or_default()
}

/// An object in canonical JSON as a message without an envelope.
pub fn message(ty: &Type, json: &[u8]) -> Bytes {
    match protobuf::message_of_json(ty, json) {
        Ok(message) => message.into(),
        // Its own bytes are in another order than this server's.
        Err(_) => protobuf::message(ty, &serde_json::from_slice(json).unwrap_or_default()).into(),
    }
}

/// The envelope of a stored or sent protobuf message.
pub fn enveloped(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    envelope_head(&mut out, api_version, kind, message.len());
    out.extend_from_slice(message);
    envelope_tail(&mut out);
    out
}

fn envelope_head(out: &mut Vec<u8>, api_version: &str, kind: &str, length: usize) {
    out.extend_from_slice(protobuf::MAGIC);
    let type_meta = 2 + api_version.len() + 2 + kind.len();
    out.push(0x0a);
    put_varint(out, type_meta as u64);
    for (tag, text) in [(0x0a, api_version), (0x12, kind)] {
        out.push(tag);
        put_varint(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
    out.push(0x12);
    put_varint(out, length as u64);
}

/// The empty content encoding and content type that upstream always writes.
fn envelope_tail(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x1a, 0, 0x22, 0]);
}

pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// A list's metadata.
#[derive(Clone, Debug, Default)]
pub struct ListMeta {
    pub revision: i64,
    pub continue_token: String,
    pub remaining: Option<i64>,
}

impl ListMeta {
    fn json(&self) -> String {
        let mut out = format!(r#"{{"resourceVersion":"{}""#, self.revision);
        if !self.continue_token.is_empty() {
            out.push_str(&format!(r#","continue":"{}""#, self.continue_token));
        }
        if let Some(remaining) = self.remaining.filter(|_| !self.continue_token.is_empty()) {
            out.push_str(&format!(r#","remainingItemCount":{remaining}"#));
        }
        out.push('}');
        out
    }

    fn message(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // selfLink, resourceVersion and continue are always written.
        for (tag, text) in
            [(0x0a, String::new()), (0x12, self.revision.to_string()), (0x1a, self.continue_token.clone())]
        {
            out.push(tag);
            put_varint(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        if let Some(remaining) = self.remaining.filter(|_| !self.continue_token.is_empty()) {
            out.push(0x20);
            put_varint(&mut out, remaining as u64);
        }
        out
    }
}

/// Answers a list of cached objects, made while it is sent.
pub async fn list(
    context: &Context,
    target: &Target,
    objects: impl Iterator<Item = Arc<Object>> + Send + 'static,
    meta: ListMeta,
) -> Result<Response<Body>> {
    let accepted = negotiate::accept(&context.headers, OBJECTS)?;
    check_form(accepted, target, true)?;
    let objects: Vec<Arc<Object>> = objects.collect();
    // A list that left out what cannot be read would tell controllers that it is gone.
    if let Some(problem) = objects.iter().find_map(|object| object.undecodable()) {
        return Err(Status::internal(problem));
    }
    match (accepted.form, accepted.encoding) {
        (Form::Object, Encoding::Json) if !accepted.pretty && target.is_storage_version() => {
            Ok(stream_json(target, objects.into_iter(), &meta))
        }
        (Form::Object, Encoding::Protobuf) => protobuf_list(target, objects.into_iter(), &meta),
        (form, _) => {
            let items = if target.asks_webhook() {
                target.converted(&context.server, &objects).await?
            } else {
                objects.iter().map(|object| json_of(target, object)).collect::<Result<Vec<_>>>()?
            };
            let out = match form {
                Form::Object => object_list(target, &meta, &items),
                Form::Table { v1beta1 } => {
                    let include = IncludeObject::read(&context.query)?;
                    Table::new(target.resource(), include, v1beta1).of_json(&items, &meta.json())?
                }
                Form::Metadata { v1beta1, .. } => {
                    let items = items
                        .iter()
                        .map(|item| Ok(partial_metadata::of(item, target.resource(), v1beta1)?.into()))
                        .collect::<Result<Vec<Bytes>>>()?;
                    if accepted.encoding == Encoding::Protobuf {
                        return metadata_list(&items, &meta, v1beta1);
                    }
                    json_list(
                        &head("PartialObjectMetadataList", partial_metadata::api_version(v1beta1), &meta),
                        "]}",
                        &items,
                        false,
                    )
                }
            };
            if accepted.encoding == Encoding::Protobuf {
                return Err(Status::not_acceptable(negotiate::OBJECT_TYPES));
            }
            let mut out = out;
            finish_text(accepted, &mut out)?;
            Ok(body::response(StatusCode::OK, accepted.content_type(), out))
        }
    }
}

fn list_kind(target: &Target) -> String {
    match target.custom() {
        Some(custom) => custom.definition.list_kind.to_string(),
        None => format!("{}List", target.resource().kind),
    }
}

/// What stands before and after the items of a list. Custom resources are maps: their members are sorted.
fn list_ends(target: &Target, meta: &ListMeta) -> (String, String) {
    if target.custom().is_none() {
        return (head(&list_kind(target), &target.api_version(), meta), "]}".to_owned());
    }
    let mut tree = serde_json::json!({"resourceVersion": meta.revision.to_string(), "continue": meta.continue_token});
    if let Some(remaining) = meta.remaining.filter(|_| !meta.continue_token.is_empty()) {
        tree["remainingItemCount"] = remaining.into();
    }
    (
        format!(r#"{{"apiVersion":"{}","items":["#, target.api_version()),
        format!(r#"],"kind":"{}","metadata":{tree}}}"#, list_kind(target)),
    )
}

fn object_list(target: &Target, meta: &ListMeta, items: &[Bytes]) -> Vec<u8> {
    let (head, tail) = list_ends(target, meta);
    json_list(&head, &tail, items, target.custom().is_none())
}

/// What every object of a kind begins with; the items of a typed list leave it out.
fn type_meta(target: &Target) -> String {
    format!(r#"{{"kind":"{}","apiVersion":"{}","#, target.resource().kind, target.api_version())
}

fn head(kind: &str, api_version: &str, meta: &ListMeta) -> String {
    format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{},"items":["#, meta.json())
}

fn json_list(head: &str, tail: &str, items: &[Bytes], bare: bool) -> Vec<u8> {
    let mut out = head.as_bytes().to_vec();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match bare.then(|| after_type_meta(item)).flatten() {
            Some(rest) => {
                out.push(b'{');
                out.extend_from_slice(rest);
            }
            None => out.extend_from_slice(item),
        }
    }
    out.extend_from_slice(tail.as_bytes());
    out
}

/// The part of an object's canonical JSON after `"kind":..,"apiVersion":..,`.
fn after_type_meta(item: &[u8]) -> Option<&[u8]> {
    let marker = b"\"metadata\":";
    let position = item.windows(marker.len()).position(|window| window == marker)?;
    item.get(position..)
}

fn stream_json(
    target: &Target,
    mut objects: impl Iterator<Item = Arc<Object>> + Send + 'static,
    meta: &ListMeta,
) -> Response<Body> {
    let skip = if target.custom().is_some() { 0 } else { type_meta(target).len() };
    let (head, tail) = list_ends(target, meta);
    let mut pending = Some(BytesMut::from(head.as_bytes()));
    let mut first = true;
    let chunks = futures::stream::iter(std::iter::from_fn(move || {
        let mut chunk = pending.take()?;
        chunk.reserve(CHUNK);
        loop {
            let Some(object) = objects.next() else {
                chunk.put_slice(tail.as_bytes());
                chunk.put_u8(b'\n');
                return Some(chunk.freeze());
            };
            let Ok(json) = object.json() else { continue };
            if !first {
                chunk.put_u8(b',');
            }
            first = false;
            match json.get(skip..).filter(|_| skip > 0) {
                Some(rest) => {
                    chunk.put_u8(b'{');
                    chunk.put_slice(rest);
                }
                None => chunk.put_slice(&json),
            }
            if chunk.len() >= CHUNK {
                pending = Some(BytesMut::new());
                return Some(chunk.freeze());
            }
        }
    }));
    let mut response = Response::new(body::stream(chunks));
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(negotiate::JSON));
    response
}

fn protobuf_list(
    target: &Target,
    objects: impl Iterator<Item = Arc<Object>> + Send + 'static,
    meta: &ListMeta,
) -> Result<Response<Body>> {
    let messages = if target.is_storage_version() {
        objects.map(|object| object.form(forms::PROTOBUF, |object| message_of(target, object))).collect()
    } else {
        objects
            .map(|object| Ok(message(&target.version.ty, &json_of(target, &object)?)))
            .collect::<Result<Vec<Bytes>>>()?
    };
    Ok(protobuf_messages(&target.api_version(), &list_kind(target), meta, messages))
}

fn metadata_list(items: &[Bytes], meta: &ListMeta, v1beta1: bool) -> Result<Response<Body>> {
    let ty = partial_metadata::ty()?;
    let messages = items.iter().map(|item| message(ty, item)).collect();
    Ok(protobuf_messages(partial_metadata::api_version(v1beta1), "PartialObjectMetadataList", meta, messages))
}

/// A list of messages in an envelope, sent in chunks.
fn protobuf_messages(api_version: &str, kind: &str, meta: &ListMeta, messages: Vec<Bytes>) -> Response<Body> {
    let meta = meta.message();
    let field = |length: usize| 1 + varint_len(length) + length;
    let length = field(meta.len()) + messages.iter().map(|message| field(message.len())).sum::<usize>();
    let mut chunk = Vec::with_capacity(CHUNK);
    envelope_head(&mut chunk, api_version, kind, length);
    chunk.push(0x0a);
    put_varint(&mut chunk, meta.len() as u64);
    chunk.extend_from_slice(&meta);
    let mut messages = messages.into_iter();
    let mut pending = Some(chunk);
    let chunks = std::iter::from_fn(move || {
        let mut chunk = pending.take()?;
        for message in messages.by_ref() {
            chunk.push(0x12);
            put_varint(&mut chunk, message.len() as u64);
            chunk.extend_from_slice(&message);
            if chunk.len() >= CHUNK {
                pending = Some(Vec::with_capacity(CHUNK));
                return Some(Bytes::from(chunk));
            }
        }
        envelope_tail(&mut chunk);
        Some(Bytes::from(chunk))
    });
    let mut response = Response::new(body::stream(futures::stream::iter(chunks)));
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(negotiate::PROTOBUF));
    response
}

/// One frame of a watch: the encoding decides how it is delimited.
pub fn frame(encoding: Encoding, kind: &str, object: &[u8]) -> Bytes {
    match encoding {
        Encoding::Protobuf => {
            // WatchEvent { type = 1, object = 2 RawExtension { raw = 1 } }, behind its length in four bytes.
            let raw = 1 + varint_len(object.len()) + object.len();
            let length = 1 + varint_len(kind.len()) + kind.len() + 1 + varint_len(raw) + raw;
            let mut out = Vec::with_capacity(length + 4);
            out.extend_from_slice(&(length as u32).to_be_bytes());
            out.push(0x0a);
            put_varint(&mut out, kind.len() as u64);
            out.extend_from_slice(kind.as_bytes());
            out.push(0x12);
            put_varint(&mut out, raw as u64);
            out.push(0x0a);
            put_varint(&mut out, object.len() as u64);
            out.extend_from_slice(object);
            out.into()
        }
        Encoding::Json | Encoding::Yaml => {
            let mut out = Vec::with_capacity(object.len() + 40);
            out.extend_from_slice(b"{\"type\":\"");
            out.extend_from_slice(kind.as_bytes());
            out.extend_from_slice(b"\",\"object\":");
            out.extend_from_slice(object);
            out.extend_from_slice(b"}\n");
            out.into()
        }
    }
}

impl Target {
    /// A stored object as rules see it: a custom resource in the request's version, others as they are.
    pub fn judged<'a>(&'a self, server: &'a Server, object: Value) -> BoxFuture<'a, Result<Value>> {
        match self.custom() {
            Some(custom) => Box::pin(custom.to_own_version(server, object).map_err(Status::unclassified)),
            None => Box::pin(future::ready(Ok(object))),
        }
    }

    /// Whether a webhook must be asked before a cached object can be answered.
    pub fn asks_webhook(&self) -> bool {
        self.custom().is_some_and(|custom| custom.definition.webhook.is_some()) && !self.is_storage_version()
    }

    /// Cached objects as JSON in the request's version, where a webhook must be asked for that. What it once made of an
    /// object is kept with the object.
    pub fn converted<'a>(
        &'a self,
        server: &'a Server,
        objects: &'a [Arc<Object>],
    ) -> BoxFuture<'a, Result<Vec<Bytes>>> {
        Box::pin(async move {
            let Some(custom) = self.custom() else {
                return objects.iter().map(|object| json_of(self, object)).collect();
            };
            let form = forms::converted(custom.version);
            let mut converted: Vec<Option<Bytes>> = objects.iter().map(|object| object.made_form(form)).collect();
            let missing: Vec<usize> = (0..objects.len()).filter(|place| converted[*place].is_none()).collect();
            let trees = missing
                .iter()
                .map(|place| {
                    let json = objects[*place].json().map_err(Status::internal)?;
                    serde_json::from_slice(&json).map_err(Status::internal)
                })
                .collect::<Result<Vec<Value>>>()?;
            let trees = custom.all_to_own_version(server, trees).await.map_err(Status::unclassified)?;
            for (place, tree) in missing.into_iter().zip(trees) {
                let json = Bytes::from(self.encoded(&tree));
                converted[place] = Some(objects[place].form(form, |_| json));
            }
            Ok(converted.into_iter().flatten().collect())
        })
    }

    /// What an object that fulfils the rules is stored as, where that is something else.
    pub fn stored<'a>(&'a self, server: &'a Server, object: &Value) -> BoxFuture<'a, Result<Option<Value>>> {
        match self.custom() {
            Some(custom) if !self.is_storage_version() => {
                let converted = custom.to_storage_version(server, object.clone());
                Box::pin(converted.map_ok(Some).map_err(Status::unclassified))
            }
            _ => Box::pin(future::ready(Ok(None))),
        }
    }

    /// What a write answers. `stored` is what a custom resource was stored as where that is not what was asked for: what
    /// reads back of it may be less.
    pub fn read_back<'a>(
        &'a self,
        server: &'a Server,
        object: Value,
        stored: Option<Value>,
        key: &str,
    ) -> BoxFuture<'a, Result<Value>> {
        let converts = stored.is_some();
        let written = self.objects().and_then(|objects| objects.written(key, stored.unwrap_or(object)));
        match written {
            Ok(written) if converts => self.judged(server, written),
            written => Box::pin(future::ready(written)),
        }
    }

    /// What is to be stored, and [`Target::read_back`] of it.
    pub async fn prepare<'a>(
        &self,
        server: &Server,
        object: Value,
        stored: Option<Value>,
        key: &'a str,
    ) -> Result<(Prepared<'a>, Value)> {
        let converts = stored.is_some();
        let is_answered = !converts && self.is_storage_version();
        let (prepared, written) = self.objects()?.prepare(key, stored.unwrap_or(object), is_answered)?;
        let written = if converts { self.judged(server, written).await? } else { written };
        Ok((prepared, written))
    }

    /// An object's canonical JSON in the request's version.
    pub fn encoded(&self, object: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        json::encode(&self.version.ty, object, &mut out);
        out
    }

    /// Changes an object from the request's version into the storage version.
    pub fn convert_to_storage(&self, object: &mut Value) {
        if self.custom().is_some() {
            // Custom resources are judged in the request's version, and converted when they are stored.
            return;
        }
        if let Some(storage) = self.resource().storage.as_ref().filter(|_| !self.is_storage_version()) {
            self.resource().hooks.convert(object, &self.api_version(), &storage.api_version);
            object::set(object, &["apiVersion"], storage.api_version.as_str());
        }
    }

    /// What becomes of a decoded object of the request's version where its kind has another form inside.
    pub fn settle(&self, object: &mut Value) {
        self.resource().hooks.settle(object, &self.api_version());
    }

    /// Changes an object from the storage version into the request's version.
    pub fn convert_from_storage(&self, object: &mut Value) {
        if self.custom().is_some() {
            return;
        }
        if let Some(storage) = self.resource().storage.as_ref().filter(|_| !self.is_storage_version()) {
            let api_version = self.api_version();
            self.resource().hooks.convert(object, &storage.api_version, &api_version);
            object::set(object, &["apiVersion"], api_version);
        }
    }
}

/// The form of a watch frame for a client's choice of encoding, where it can be shared.
pub fn frame_form(target: &Target, accepted: Accepted) -> Option<FormId> {
    match (accepted.form, accepted.encoding) {
        (Form::Object, Encoding::Json) if target.is_storage_version() => Some(forms::JSON_FRAME),
        (Form::Object, Encoding::Protobuf) if target.is_storage_version() => Some(forms::PROTOBUF_FRAME),
        _ => None,
    }
}
