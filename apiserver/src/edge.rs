//! What every answer gets or loses at the edge: headers for browsers, a deadline, compression.
//!
//! Source: apiserver `pkg/server/filters/{cors,hsts}.go`, `pkg/endpoints/filters/request_deadline.go`,
//! `pkg/endpoints/handlers/responsewriters/writers.go`.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN,
    STRICT_TRANSPORT_SECURITY, VARY,
};
use http::{HeaderMap, HeaderValue, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use regex::Regex;

use crate::body::{self, Body};
use crate::flags::Flags;
use crate::negotiate::{JSON, PROTOBUF, YAML};
use crate::request::Query;
use crate::status::{Result, Status};

/// An answer is compressed from here on; smaller ones cost more time than they save.
const GZIP_FROM: usize = 128 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The settings of the edge.
pub struct Edge {
    origins: Vec<Regex>,
    strict_transport_security: Option<HeaderValue>,
    /// How long a request may take that is not long-running.
    pub request_timeout: Duration,
    /// How likely a client of HTTP/2 is asked to connect anew.
    pub goaway_chance: f64,
}

impl Edge {
    pub fn new(flags: &Flags) -> anyhow::Result<Edge> {
        let origins =
            flags.cors_allowed_origins.iter().map(|pattern| origin(pattern)).collect::<anyhow::Result<_>>()?;
        let directives = flags.strict_transport_security_directives.join("; ");
        let strict_transport_security = match directives.as_str() {
            "" => None,
            text => Some(HeaderValue::from_str(text).context("--strict-transport-security-directives")?),
        };
        anyhow::ensure!(
            (0.0..=0.02).contains(&flags.goaway_chance),
            "--goaway-chance can not be less than 0 or greater than 0.02"
        );
        anyhow::ensure!(!flags.request_timeout.is_zero(), "--request-timeout can not be negative value or 0");
        Ok(Edge {
            origins,
            strict_transport_security,
            request_timeout: flags.request_timeout,
            goaway_chance: flags.goaway_chance,
        })
    }

    /// Whether a page of the request's origin may read answers.
    pub fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.origins.is_empty() {
            return None;
        }
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        self.origins.iter().any(|pattern| pattern.is_match(text)).then(|| origin.clone())
    }

    /// The headers for browsers.
    pub fn headers(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if let Some(directives) = &self.strict_transport_security {
            headers.entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| directives.clone());
        }
        let Some(origin) = origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, "POST, GET, OPTIONS, PUT, DELETE, PATCH"),
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                "Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since",
            ),
            (ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
            (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }

    /// How long this request may take: what it asks for, up to the server's limit.
    ///
    /// # Errors
    /// What it asks for is no duration.
    pub fn deadline(&self, query: &Query) -> Result<Duration> {
        let Some(text) = query.get("timeout").filter(|text| !text.is_empty()) else { return Ok(self.request_timeout) };
        let asked = controllers_component_base::flags::duration(text)
            .map_err(|why| Status::bad_request(format!("invalid timeout specified in the request URL - {why}")))?;
        Ok(if asked.is_zero() { self.request_timeout } else { asked.min(self.request_timeout) })
    }
}

/// A pattern of `--cors-allowed-origins`, which must say where a host's name begins and where it ends: one that does
/// not also allows hosts whose names contain it.
fn origin(pattern: &str) -> anyhow::Result<Regex> {
    anyhow::ensure!(!pattern.is_empty(), "empty value in --cors-allowed-origins");
    let regex = Regex::new(pattern).context("--cors-allowed-origins has an invalid regular expression")?;
    let has_start = ["^", "//"].iter().any(|start| pattern.contains(start));
    let has_end = ["$", ":"].iter().any(|end| pattern.contains(end));
    anyhow::ensure!(
        has_start && has_end,
        "--cors-allowed-origins has an invalid regular expression: regular expression does not pin to start/end of host in the origin header"
    );
    Ok(regex)
}

/// Compresses an object or list that is large, for a client that takes gzip.
pub async fn compressed(takes_gzip: bool, response: Response<Body>) -> Response<Body> {
    if !takes_gzip || response.headers().contains_key(CONTENT_ENCODING) || !is_object(response.headers()) {
        return response;
    }
    if response.body().size_hint().upper().is_some_and(|size| size <= GZIP_FROM as u64) {
        return response;
    }
    let (mut parts, mut body) = response.into_parts();
    // Lists are made while they are sent: how large this one is shows when enough of it is made.
    let mut begun = BytesMut::new();
    let mut ended = true;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    begun.extend_from_slice(&data);
                }
            }
            Err(error) => {
                let frames = [Ok(Frame::data(begun.freeze())), Err(error)];
                return Response::from_parts(parts, StreamBody::new(futures::stream::iter(frames)).boxed_unsync());
            }
        }
        if begun.len() > GZIP_FROM {
            ended = false;
            break;
        }
    }
    if ended {
        return Response::from_parts(parts, body::full(begun.freeze()));
    }
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let state = Some((encoder, body, begun.freeze()));
    let frames = futures::stream::try_unfold(state, |state: Option<(GzEncoder<Vec<u8>>, Body, Bytes)>| async move {
        let Some((mut encoder, mut body, mut next)) = state else { return Ok::<_, Failure>(None) };
        loop {
            encoder.write_all(&next)?;
            next = match body.frame().await {
                Some(frame) => frame?.into_data().unwrap_or_else(|_| Bytes::new()),
                None => return Ok(Some((Frame::data(Bytes::from(encoder.finish()?)), None))),
            };
            if encoder.get_ref().len() >= GZIP_FROM / 4 {
                let made = Bytes::from(std::mem::take(encoder.get_mut()));
                return Ok(Some((Frame::data(made), Some((encoder, body, next)))));
            }
        }
    });
    Response::from_parts(parts, StreamBody::new(frames).boxed_unsync())
}

/// Whether a client takes gzip.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            parts.next() == Some("gzip") && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
        })
}

/// Watches are never compressed, nor what a backend writes.
fn is_object(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| [JSON, YAML, PROTOBUF].iter().any(|object| kind == object))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn object(bytes: usize) -> Response<Body> {
        body::response(http::StatusCode::OK, JSON, vec![b'x'; bytes])
    }

    #[tokio::test]
    async fn large_objects_are_compressed() {
        let small = compressed(true, object(GZIP_FROM)).await;
        assert!(!small.headers().contains_key(CONTENT_ENCODING));
        let refused = compressed(false, object(GZIP_FROM + 1)).await;
        assert!(!refused.headers().contains_key(CONTENT_ENCODING));
        let large = compressed(true, object(3 * GZIP_FROM)).await;
        assert_eq!(large.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(large.headers()[VARY], "Accept-Encoding");
        let bytes = large.into_body().collect().await.unwrap().to_bytes();
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
        assert_eq!(text.len(), 3 * GZIP_FROM);
    }

    #[tokio::test]
    async fn what_is_made_while_sent_is_looked_at_first() {
        let stream = |chunks: usize| {
            let chunk = || Bytes::from(vec![b'x'; GZIP_FROM / 2]);
            let chunks: Vec<Bytes> = (0..chunks).map(|_| chunk()).collect();
            let mut response = Response::new(body::stream(futures::stream::iter(chunks)));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
            response
        };
        assert!(!compressed(true, stream(2)).await.headers().contains_key(CONTENT_ENCODING));
        let large = compressed(true, stream(5)).await;
        assert_eq!(large.headers()[CONTENT_ENCODING], "gzip");
        let bytes = large.into_body().collect().await.unwrap().to_bytes();
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
        assert_eq!(text.len(), 5 * GZIP_FROM / 2);
    }

    #[test]
    fn patterns_of_origins_have_both_ends() {
        assert!(origin("//example[.]com(:|$)").is_ok() && origin("^https://example[.]com$").is_ok());
        for wrong in ["", "example", "^example", "example$", "^(example$"] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn gzip_is_asked_for_as_upstream_reads_it() {
        let takes = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, text.parse().unwrap());
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, gzip;q=0.5"));
        assert!(!takes("br") && !takes("gzip;q=0"));
    }
}
