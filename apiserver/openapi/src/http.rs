//! Answers requests below `/openapi`.
//!
//! Source: kube-openapi `pkg/handler` and `pkg/handler3`, Go's `http.ServeContent`.

use std::io;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, HeaderName, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::custom::CustomDocuments;
use crate::document::Document;
use crate::documents::{Documents, inflate, versioned_url};

const JSON: &str = "application/json";
const PROTOBUF_V2: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// What clients call [`PROTOBUF_V2`].
const PROTOBUF_V2_OLD: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const PROTOBUF_V3: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
/// What clients call [`PROTOBUF_V3`].
const PROTOBUF_V3_OLD: &str = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";

impl Documents {
    /// Answers `GET` of a path below `/openapi`; `None` where nothing is served. `hash` is the query's parameter, by
    /// which clients ask for the content that the index named. May take some time: the first
    /// request for a document makes it.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn answer(
        &self,
        path: &str,
        hash: Option<&str>,
        headers: &HeaderMap,
        custom: &dyn CustomDocuments,
    ) -> io::Result<Option<Response<Bytes>>> {
        let below = match path.strip_prefix("/openapi/") {
            Some("v2") => return self.answer_v2(headers, custom).map(Some),
            Some("v3") => {
                let index = match custom.index(self)? {
                    Some(index) => index,
                    None => self.index()?,
                };
                return serve(&index, &index.gzip, JSON, headers).map(Some);
            }
            Some(below) => below,
            None => return Ok(None),
        };
        let Some(name) = below.strip_prefix("v3/") else { return Ok(None) };
        let Some(accepted) = accepted(headers, &[JSON, PROTOBUF_V3, PROTOBUF_V3_OLD]) else {
            return Ok(Some(not_acceptable()));
        };
        let document = match self.v3(name)? {
            Some(document) => document,
            None => match custom.v3(name)? {
                Some(document) => document,
                None => return Ok(None),
            },
        };
        // Both forms are the same document: they share the hash, which is that of the JSON form.
        let (media_type, gzip) =
            if accepted == JSON { (JSON, document.gzip.clone()) } else { (PROTOBUF_V3, document.v3_protobuf()?) };
        match hash.filter(|hash| !hash.is_empty()) {
            None => serve(&document, &gzip, media_type, headers).map(Some),
            Some(hash) if hash == document.etag => {
                let mut response = serve(&document, &gzip, media_type, headers)?;
                let year = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(365 * 24);
                put(&mut response, CACHE_CONTROL, "public, immutable");
                put(&mut response, EXPIRES, &http_date(year));
                Ok(Some(response))
            }
            Some(_) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
                put(&mut response, LOCATION, &versioned_url(name, &document.etag));
                put(&mut response, CONTENT_TYPE, media_type);
                put(&mut response, VARY, "Accept");
                put(&mut response, ETAG, &quoted(&document.etag));
                Ok(Some(response))
            }
        }
    }

    fn answer_v2(&self, headers: &HeaderMap, custom: &dyn CustomDocuments) -> io::Result<Response<Bytes>> {
        let Some(accepted) = accepted(headers, &[JSON, PROTOBUF_V2, PROTOBUF_V2_OLD]) else {
            return Ok(not_acceptable());
        };
        let protobuf = accepted != JSON;
        let document = match custom.v2(self, protobuf)? {
            Some(document) => document,
            None if protobuf => self.v2_protobuf()?,
            None => self.v2()?,
        };
        serve(&document, &document.gzip, if protobuf { PROTOBUF_V2 } else { JSON }, headers)
    }
}

fn serve(document: &Document, gzip: &Bytes, media_type: &str, headers: &HeaderMap) -> io::Result<Response<Bytes>> {
    let tag = quoted(&document.etag);
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|known| {
        known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
    });
    let mut response = Response::new(Bytes::new());
    put(&mut response, ETAG, &tag);
    put(&mut response, LAST_MODIFIED, &http_date(document.modified));
    put(&mut response, VARY, "Accept, Accept-Encoding");
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    put(&mut response, CONTENT_TYPE, media_type);
    if accepts_gzip(headers) {
        put(&mut response, CONTENT_ENCODING, "gzip");
        *response.body_mut() = gzip.clone();
    } else {
        *response.body_mut() = inflate(gzip)?.into();
    }
    Ok(response)
}

fn not_acceptable() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
    put(&mut response, VARY, "Accept");
    response
}

/// The media type among those offered that the `Accept` header prefers, the first one where it leaves the choice.
fn accepted(headers: &HeaderMap, offered: &[&'static str]) -> Option<&'static str> {
    let header = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let header = if header.is_empty() { "*/*" } else { header };
    let mut clauses: Vec<(f32, &str)> = header
        .split(',')
        .map(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            (quality, media_type)
        })
        .collect();
    clauses.sort_by(|a, b| b.0.total_cmp(&a.0));
    clauses.iter().find_map(|(_, media_type)| match *media_type {
        "*/*" | "application/*" => offered.first().copied(),
        asked => offered.iter().copied().find(|offered| *offered == asked),
    })
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let header = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    header.split(',').any(|clause| {
        let mut parts = clause.split(';').map(str::trim);
        matches!(parts.next(), Some("gzip" | "*")) && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
    })
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn http_date(time: jiff::Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn put(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
