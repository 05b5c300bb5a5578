//! /statusz and /flagz: what the server is and how it was started, for people and as objects.
//!
//! Source: apiserver `pkg/server/{statusz,flagz}`.

use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::body::{self, Body};
use crate::context::Context;
use crate::negotiate::{self, Encoding, Page};
use crate::status::{Result, Status};

const WARNING: &str = "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.";
/// The version of the API that is served, and that is emulated.
const VERSION: &str = "1.36";
const PATHS: [&str; 7] = ["/flagz", "/healthz", "/livez", "/metrics", "/readyz", "/statusz", "/version"];

pub fn statusz(context: &Context) -> Result<Response<Body>> {
    let up = context.server.started.elapsed().as_secs();
    let started = i64::try_from(up).ok().and_then(|up| {
        let now = jiff::Timestamp::now();
        now.checked_sub(jiff::SignedDuration::from_secs(up)).ok()
    });
    let started = started.unwrap_or_default();
    match negotiate::page(&context.headers, "Statusz")? {
        Page::Text => Ok(text(&format!(
            "\napiserver statusz\n{WARNING}\n\nStarted: {}\nUp: {} hr {:02} min {:02} sec\nGo version: rust\nBinary version: {VERSION}\n\
             Emulation version: {VERSION}\nPaths: {}\n",
            started.strftime("%a %b %e %H:%M:%S UTC %Y"),
            up / 3600,
            up / 60 % 60,
            up % 60,
            PATHS.join(" "),
        ))),
        Page::Object { encoding, version } => {
            let facts = json!({
                "startTime": started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "uptimeSeconds": up,
                "goVersion": "rust",
                "binaryVersion": VERSION,
                "emulationVersion": VERSION,
                "paths": PATHS,
            });
            object(encoding, version, "Statusz", facts)
        }
    }
}

pub fn flagz(context: &Context) -> Result<Response<Body>> {
    let flags = &context.server.options.flags;
    match negotiate::page(&context.headers, "Flagz")? {
        Page::Text => {
            let mut shown = format!("\napiserver flagz\n{WARNING}\n");
            for (name, value) in flags {
                shown.push_str(&format!("{name}: {value}\n"));
            }
            Ok(text(&shown))
        }
        Page::Object { encoding, version } => {
            let flags: Map<String, Value> =
                flags.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
            object(encoding, version, "Flagz", json!({"flags": flags}))
        }
    }
}

fn text(shown: &str) -> Response<Body> {
    body::text(StatusCode::OK, shown.to_owned())
}

/// An object of `config.k8s.io` with these facts.
fn object(encoding: Encoding, version: &str, kind: &str, mut facts: Value) -> Result<Response<Body>> {
    let mut object = json!({
        "kind": kind, "apiVersion": format!("config.k8s.io/{version}"), "metadata": {"name": "apiserver"},
    });
    if let (Some(object), Some(facts)) = (object.as_object_mut(), facts.as_object_mut()) {
        object.append(facts);
    }
    let (media_type, bytes) = match encoding {
        Encoding::Yaml => (negotiate::YAML, apiserver_schema::yaml::from_json(&object)),
        _ => (negotiate::JSON, serde_json::to_string_pretty(&object).map_err(Status::internal)?),
    };
    let mut response = body::text(StatusCode::OK, bytes);
    let content_type = format!("{media_type};g=config.k8s.io;v={version};as={kind}");
    let content_type = HeaderValue::from_str(&content_type).map_err(Status::internal)?;
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    Ok(response)
}
