//! OpenAPI: `/openapi/v3` (an index of hashed URLs, one document per group and version) and `/openapi/v2`.
//!
//! The documents are made from the types that also decode and merge objects, when somebody first asks.
//! Source: kube-openapi `pkg/handler3`; KEP-2896.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, ETAG, EXPIRES, IF_NONE_MATCH, LOCATION, VARY};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use crate::body::{self, Body};
use crate::context::Context;
use crate::negotiate;
use crate::server::Server;
use crate::status::{Result, Status};

mod paths;
mod schemas;

/// The form of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edition {
    /// Swagger 2.0.
    V2,
    /// OpenAPI 3.0.
    V3,
}

/// The documents, each made once.
#[derive(Default)]
pub struct Documents {
    v2: OnceLock<Document>,
    /// By path without `/openapi/v3/`: `api/v1`, `apis/apps/v1`.
    v3: OnceLock<BTreeMap<String, Document>>,
}

/// A document and the hash of its bytes, in upper case hexadecimal digits.
#[derive(Clone)]
struct Document {
    bytes: Bytes,
    hash: String,
}

impl Document {
    fn new(tree: &Value) -> Document {
        let bytes = Bytes::from(tree.to_string());
        let hash = Sha512::digest(&bytes).iter().map(|byte| format!("{byte:02X}")).collect();
        Document { bytes, hash }
    }
}

impl Documents {
    fn v3(&self, server: &Server) -> &BTreeMap<String, Document> {
        self.v3.get_or_init(|| {
            let versions = paths::group_versions(server);
            versions.iter().map(|(group, version)| (name(group, version), v3(server, group, version))).collect()
        })
    }
}

/// Serves everything below `/openapi/`.
pub async fn serve(context: &Context, path: &str) -> Result<Response<Body>> {
    let server = Arc::clone(&context.server);
    // Assembling takes a while the first time; other requests of this thread go on.
    let path = path.to_owned();
    let wanted = path.clone();
    let found = tokio::task::spawn_blocking(move || match wanted.as_str() {
        "/openapi/v2" => Some(server.openapi.v2.get_or_init(|| v2(&server)).clone()),
        "/openapi/v3" => Some(Document::new(&index(server.openapi.v3(&server)))),
        other => other.strip_prefix("/openapi/v3/").and_then(|name| server.openapi.v3(&server).get(name).cloned()),
    })
    .await
    .map_err(Status::internal)?;
    let document = found.ok_or_else(Status::no_such_path)?;
    answer(context, &path, &document)
}

/// Where each document is: a URL that changes with its contents, so that clients keep it for good.
fn index(documents: &BTreeMap<String, Document>) -> Value {
    let paths: Map<String, Value> = documents
        .iter()
        .map(|(name, document)| {
            (name.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{name}?hash={}", document.hash)}))
        })
        .collect();
    json!({"paths": paths})
}

fn answer(context: &Context, path: &str, document: &Document) -> Result<Response<Body>> {
    let accepts = context.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json = accepts.is_empty()
        || accepts
            .split(',')
            .filter_map(|clause| clause.split(';').next())
            .any(|kind| matches!(kind.trim(), negotiate::JSON | "*/*" | "application/*"));
    if !json {
        return Err(Status::not_acceptable(negotiate::JSON));
    }
    let asked = context.query.get("hash");
    if asked.is_some_and(|hash| hash != document.hash) && path != "/openapi/v3" {
        let mut response = body::response(StatusCode::MOVED_PERMANENTLY, negotiate::JSON, "");
        if let Ok(place) = HeaderValue::from_str(&format!("{path}?hash={}", document.hash)) {
            response.headers_mut().insert(LOCATION, place);
        }
        return Ok(response);
    }
    let tag = format!("\"{}\"", document.hash);
    let known = context.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(tag.as_str());
    let mut response = match known {
        true => body::response(StatusCode::NOT_MODIFIED, negotiate::JSON, ""),
        false => body::response(StatusCode::OK, negotiate::JSON, document.bytes.clone()),
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    if asked.is_some() {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
        let year = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(365 * 24);
        if let Ok(expires) = HeaderValue::from_str(&year.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()) {
            headers.insert(EXPIRES, expires);
        }
    }
    Ok(response)
}

/// `api/v1` or `apis/{group}/{version}`.
fn name(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn v3(server: &Server, group: &str, version: &str) -> Document {
    let mut schemas = schemas::Schemas::new(Edition::V3);
    let paths = paths::of(server, group, version, &mut schemas);
    Document::new(&json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "1.36"},
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "securitySchemes": {"BearerToken": {
                "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header",
            }},
        },
    }))
}

fn v2(server: &Server) -> Document {
    let mut schemas = schemas::Schemas::new(Edition::V2);
    let mut all = Map::new();
    for (group, version) in paths::group_versions(server) {
        all.extend(paths::of(server, &group, &version, &mut schemas));
    }
    Document::new(&json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "1.36"},
        "paths": all,
        "definitions": schemas.finish(),
        "securityDefinitions": {"BearerToken": {
            "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header",
        }},
        "security": [{"BearerToken": []}],
    }))
}
