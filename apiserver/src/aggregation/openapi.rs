//! OpenAPI documents of servers behind this one: v3 is passed on, v2 becomes part of the one document.
//!
//! Source: kube-aggregator `pkg/controllers/openapiv3`, `pkg/controllers/openapi`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, IF_NONE_MATCH, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use serde_json::Value;

use super::client::{Answer, get};
use super::merge;
use super::remote::Remote;
use crate::authn::User;
use crate::backend::escape_query;
use crate::body::{self, Body};
use crate::context::Context;
use crate::object::{entries, text};
use crate::server::Server;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The user as whom documents are asked for.
fn aggregator() -> User {
    User { name: "system:aggregator".to_owned(), ..User::default() }
}

/// What a server says of its API.
pub struct Described {
    /// Its v3 documents by name, each with its hash.
    pub names: BTreeMap<String, String>,
    /// The v3 document that was made of that of v2.
    pub converted: Option<Arc<apiserver_openapi::Document>>,
    /// Its part of the v2 document.
    pub v2: Arc<Value>,
}

/// Asks a server what it says of its API.
///
/// # Errors
/// It does not answer.
pub async fn fetch(server: &Arc<Server>, remote: &Remote) -> Result<Described, String> {
    let read = |body: &[u8]| serde_json::from_slice::<Value>(body).map_err(|error| error.to_string());
    let answer = ask(server, remote, "/openapi/v3").await?;
    let mut names = BTreeMap::new();
    let has_v3 = answer.code != StatusCode::NOT_FOUND;
    match answer.code {
        StatusCode::NOT_FOUND => {}
        StatusCode::OK => {
            for (name, document) in entries(&read(&answer.body)?["paths"]) {
                let url = text(&document["serverRelativeURL"]);
                let hash = url.split_once("hash=").map(|(_, hash)| hash).unwrap_or_default();
                names.insert(name.to_owned(), hash.split('&').next().unwrap_or_default().to_owned());
            }
        }
        _ => return Err("Error, could not get list of group versions for APIService".to_owned()),
    }
    let answer = ask(server, remote, "/openapi/v2").await?;
    let mut converted = None;
    let part = match answer.code {
        StatusCode::OK => {
            let document = read(&answer.body)?;
            if !has_v3 {
                let v3 = apiserver_openapi::v3_of_v2(&document);
                let v3 = apiserver_openapi::Documents::of(&v3, false).map_err(|error| error.to_string())?;
                names.insert(remote.path()[1..].to_owned(), v3.etag.clone());
                converted = Some(Arc::new(v3));
            }
            merge::below(document, &format!("{}/", remote.path()))
        }
        StatusCode::NOT_FOUND => Value::Null,
        code => return Err(format!("failed to retrieve openAPI spec, http error: {code}")),
    };
    Ok(Described { names, converted, v2: Arc::new(part) })
}

async fn ask(server: &Server, remote: &Remote, target: &str) -> Result<Answer, String> {
    let user = aggregator();
    let headers = [(ACCEPT, "application/json")];
    let asked = get(server, remote, &user, target, &headers);
    tokio::time::timeout(TIMEOUT, asked).await.map_err(|_| "request timed out".to_owned())?
}

/// Answers a request for a v3 document with what the server that has it answers.
pub async fn serve(context: &Context, remote: &Remote) -> Response<Body> {
    let path = &context.info.path;
    let target = match context.query.get("hash") {
        Some(hash) => format!("{path}?hash={}", escape_query(hash)),
        None => path.clone(),
    };
    let kept: Vec<_> = [ACCEPT, ACCEPT_ENCODING, IF_NONE_MATCH]
        .into_iter()
        .filter_map(|name| context.headers.get(&name).and_then(|value| value.to_str().ok()).map(|value| (name, value)))
        .collect();
    let user = aggregator();
    let asked = get(&context.server, remote, &user, &target, &kept);
    let answer = match tokio::time::timeout(TIMEOUT, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => {
            let why = format!("error trying to reach service: {why}\n");
            return body::plain(StatusCode::SERVICE_UNAVAILABLE, why);
        }
        Err(_) => return body::plain(StatusCode::SERVICE_UNAVAILABLE, "request timed out\n"),
    };
    let mut response = Response::new(body::full(answer.body));
    *response.status_mut() = answer.code;
    *response.headers_mut() = answer.headers;
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, http::header::CONNECTION] {
        response.headers_mut().remove(name);
    }
    response
}
