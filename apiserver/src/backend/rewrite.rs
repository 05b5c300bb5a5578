//! Answers of proxied pods, services and nodes: their links and redirects made to lead through the proxy.
//!
//! Source: apimachinery `pkg/util/proxy/transport.go`.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{DeflateDecoder, GzDecoder};
use flate2::write::{DeflateEncoder, GzEncoder};
use futures::StreamExt;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::body::{Frame, Incoming};

use super::html;
use super::url::{clean, decoded, escape_path};
use crate::body::{self, Body};

/// The largest page whose links are rewritten; a larger one is passed on as it is.
const MAX_PAGE: usize = 8 << 20;

/// How URLs of one backend become URLs of the proxy.
pub struct Rewriter {
    /// The path of the proxy, not escaped.
    pub prefix: String,
    /// Host and port of the backend.
    pub backend_host: String,
    /// Host and port that the client asked for.
    pub request_host: String,
}

impl Rewriter {
    /// The URL to tell the client instead; none where it stays as it is.
    fn url(&self, url: &str) -> Option<String> {
        let (authority, rest) = match url.strip_prefix("//") {
            Some(rest) => (Some(("", rest)), ""),
            None => match url.split_once("://") {
                Some((scheme, rest)) if is_scheme(scheme) => (Some((scheme, rest)), ""),
                _ => (None, url),
            },
        };
        let (scheme, host, rest) = match authority {
            Some((scheme, rest)) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                (scheme, &rest[..end], &rest[end..])
            }
            None => ("", "", rest),
        };
        let is_other = !host.is_empty() && host != self.backend_host && host != self.request_host;
        if is_other || !rest.starts_with('/') {
            return None;
        }
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (path, tail) = rest.split_at(end);
        // A URL at the very host that the client knows keeps it.
        let place = match (host, scheme) {
            ("", _) => String::new(),
            (host, "") if host == self.request_host => format!("//{host}"),
            (host, scheme) if host == self.request_host => format!("{scheme}://{host}"),
            _ => String::new(),
        };
        let meant = decoded(path);
        if meant.starts_with(&self.prefix) {
            return Some(format!("{place}{path}{tail}"));
        }
        let mut joined = clean(&format!("{}/{meant}", self.prefix));
        if meant.ends_with('/') && !joined.ends_with('/') {
            joined.push('/');
        }
        Some(format!("{place}{}{tail}", escape_path(&joined)))
    }

    /// Rewrites a backend's answer.
    pub async fn answer(&self, response: Response<Incoming>) -> Response<Body> {
        let (mut parts, incoming) = response.into_parts();
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let location = header(LOCATION).to_owned();
        if !location.is_empty() {
            if let Some(Ok(value)) = self.url(&location).map(|url| HeaderValue::from_str(&url)) {
                parts.headers.insert(LOCATION, value);
            }
            return Response::from_parts(parts, passed(incoming));
        }
        let is_page = header(CONTENT_TYPE).split(';').next().is_some_and(|kind| kind.trim() == "text/html");
        let encoding = header(CONTENT_ENCODING).to_owned();
        if !is_page || !matches!(encoding.as_str(), "" | "gzip" | "deflate") {
            return Response::from_parts(parts, passed(incoming));
        }
        match page(incoming).await {
            Ok(page) => match self.page(&page, &encoding) {
                Ok(page) => {
                    parts.headers.remove(CONTENT_LENGTH);
                    Response::from_parts(parts, body::full(page))
                }
                Err(error) => {
                    tracing::debug!(%error, "links of a page could not be rewritten");
                    Response::from_parts(parts, body::full(page))
                }
            },
            Err(body) => Response::from_parts(parts, body),
        }
    }

    fn page(&self, page: &[u8], encoding: &str) -> std::io::Result<Vec<u8>> {
        let rewrite = |url: &str| self.url(url);
        let limit = MAX_PAGE as u64;
        let read = |source: &mut dyn Read| -> std::io::Result<Vec<u8>> {
            let mut plain = Vec::new();
            source.take(limit).read_to_end(&mut plain)?;
            if plain.len() as u64 == limit { Err(std::io::Error::other("the page is too large")) } else { Ok(plain) }
        };
        match encoding {
            "gzip" => {
                let mut out = GzEncoder::new(Vec::new(), Compression::default());
                out.write_all(&html::rewrite(&read(&mut GzDecoder::new(page))?, &rewrite))?;
                out.finish()
            }
            "deflate" => {
                let mut out = DeflateEncoder::new(Vec::new(), Compression::best());
                out.write_all(&html::rewrite(&read(&mut DeflateDecoder::new(page))?, &rewrite))?;
                out.finish()
            }
            _ => Ok(html::rewrite(page, &rewrite)),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// A whole page, or the body to pass on where it is too large or breaks off.
async fn page(mut incoming: Incoming) -> Result<Vec<u8>, Body> {
    let mut page = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                let begun = [Ok(Frame::data(Bytes::from(page))), Err(error.into())];
                return Err(StreamBody::new(futures::stream::iter(begun)).boxed_unsync());
            }
        };
        if let Ok(data) = frame.into_data() {
            page.extend_from_slice(&data);
        }
        if page.len() > MAX_PAGE {
            let begun = futures::stream::iter([Ok(Frame::data(Bytes::from(page)))]);
            let rest = BodyStream::new(incoming).map(|frame| frame.map_err(Into::into));
            return Err(StreamBody::new(begun.chain(rest)).boxed_unsync());
        }
    }
    Ok(page)
}

/// A body that is passed on while it comes.
pub fn passed(incoming: Incoming) -> Body {
    incoming.map_err(Into::into).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_the_backend_lead_through_the_proxy() {
        let rewriter = Rewriter {
            prefix: "/p/proxy".to_owned(),
            backend_host: "10.0.0.1:80".to_owned(),
            request_host: "api:6443".to_owned(),
        };
        let url = |url: &str| rewriter.url(url);
        assert_eq!(url("/x?y=1&z=2").as_deref(), Some("/p/proxy/x?y=1&z=2"));
        assert_eq!(url("/x/").as_deref(), Some("/p/proxy/x/"));
        assert_eq!(url("/").as_deref(), Some("/p/proxy/"));
        assert_eq!(url("rel"), None);
        assert_eq!(url("javascript:alert(1)"), None);
        assert_eq!(url("http://example.com/i"), None);
        assert_eq!(url("http://10.0.0.1:80/i").as_deref(), Some("/p/proxy/i"));
        assert_eq!(url("https://api:6443/i").as_deref(), Some("https://api:6443/p/proxy/i"));
        assert_eq!(url("/p/proxy/again").as_deref(), Some("/p/proxy/again"));
        assert_eq!(url("/a%20b#f").as_deref(), Some("/p/proxy/a%20b#f"));
    }
}
