//! What a request asks for, read from its method and path alone.
//!
//! Source: apiserver `pkg/endpoints/request/requestinfo.go`. Authorization, fairness, audit and routing
//! all read this one value.

use http::{Method, Uri};

use crate::authz::Selectors;
use crate::selector::FieldSelector;
use crate::status::{Result, Status};

/// A request's method and path in the terms of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    pub is_resource: bool,
    pub path: String,
    /// `get`, `list`, `create`, ... for resources; the lowercase method otherwise.
    pub verb: &'static str,
    /// `api` or `apis`; empty for other paths.
    pub prefix: &'static str,
    pub group: String,
    pub version: String,
    pub namespace: String,
    pub resource: String,
    pub subresource: String,
    pub name: String,
    /// The path's segments after the subresource, as a proxy gets them.
    pub rest: String,
    /// What of many objects the request is about.
    pub selectors: Selectors,
}

impl RequestInfo {
    /// Reads a request line. A path of the API that is too short names no resource (discovery).
    pub fn new(method: &Method, uri: &Uri, query: &Query) -> Result<RequestInfo> {
        let path = uri.path();
        let mut info = RequestInfo { path: path.to_owned(), verb: lowercase(method), ..RequestInfo::default() };
        let mut parts = path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().into_iter();
        info.prefix = match parts.next() {
            Some("api") => "api",
            Some("apis") => {
                if let Some(group) = parts.next() {
                    info.group = decoded(group)?;
                }
                "apis"
            }
            _ => return Ok(info),
        };
        let Some(version) = parts.next() else { return Ok(info) };
        info.version = decoded(version)?;
        let mut rest: Vec<String> = parts.map(decoded).collect::<Result<_>>()?;
        if rest.is_empty() {
            return Ok(info);
        }
        info.is_resource = true;
        info.verb = match *method {
            Method::POST => "create",
            Method::GET | Method::HEAD => "get",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => "",
        };
        let mut verb_in_path = false;
        if matches!(rest[0].as_str(), "watch" | "proxy") && rest.len() > 1 {
            let special = rest.remove(0);
            if special == "watch" {
                info.verb = "watch";
            }
            verb_in_path = true;
        }
        if rest[0] == "namespaces"
            && let Some(namespace) = rest.get(1)
        {
            info.namespace = namespace.clone();
            // `namespaces/x` and its two subresources are about the namespace itself.
            let own = rest.get(2).is_none_or(|part| part == "status" || part == "finalize");
            if !own {
                rest.drain(..2);
            }
        }
        let mut rest = rest.into_iter();
        info.resource = rest.next().unwrap_or_default();
        info.name = rest.next().unwrap_or_default();
        info.subresource = rest.next().unwrap_or_default();
        info.rest = rest.collect::<Vec<_>>().join("/");
        if !info.rest.is_empty() && path.ends_with('/') {
            info.rest.push('/');
        }
        let field_selector = query.get("fieldSelector").unwrap_or_default();
        if info.name.is_empty() {
            let was_get = info.verb == "get";
            match info.verb {
                "get" if query.flag("watch") => info.verb = "watch",
                "get" => info.verb = "list",
                "delete" => info.verb = "deletecollection",
                _ => {}
            }
            // A list of one name is about that object in the eyes of authorization.
            if was_get && let Some(name) = one_name(field_selector) {
                info.name = name;
            }
        }
        // Old paths that name their verb do not select consistently.
        if !verb_in_path && matches!(info.verb, "list" | "watch" | "deletecollection") {
            info.selectors = Selectors::of_texts(field_selector, query.get("labelSelector").unwrap_or_default());
        }
        Ok(info)
    }
}

impl RequestInfo {
    /// Whether the request may last as long as its client likes.
    pub fn is_long_running(&self) -> bool {
        let streams = matches!(self.subresource.as_str(), "attach" | "exec" | "proxy" | "log" | "portforward");
        matches!(self.verb, "watch" | "proxy") || (self.is_resource && streams)
    }
}

/// The only name that a field selector selects.
fn one_name(selector: &str) -> Option<String> {
    let selector = FieldSelector::parse(selector).ok()?;
    let name = selector.exact("metadata.name")?;
    let is_segment = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '%']);
    is_segment.then(|| name.to_string())
}

fn lowercase(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        Method::CONNECT => "connect",
        Method::TRACE => "trace",
        _ => "",
    }
}

/// Percent-decodes one path segment.
fn decoded(segment: &str) -> Result<String> {
    percent_decode(segment, false).ok_or_else(|| Status::bad_request(format!("invalid URL escape in {segment:?}")))
}

fn percent_decode(text: &str, plus_is_space: bool) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push((high * 16 + low) as u8);
            }
            b'+' if plus_is_space => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

/// A query string's parameters, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(query: &str) -> Query {
        Query(
            query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .filter_map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    Some((percent_decode(key, true)?, percent_decode(value, true)?))
                })
                .collect(),
        )
    }

    /// The first value of a parameter.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// A boolean as upstream's conversion reads it: absent, `0` and `false` are false; empty and all else true.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "0" | "false"))
    }

    /// A whole number; a malformed one is a bad request in upstream's words.
    pub fn number(&self, key: &str) -> Result<Option<i64>> {
        match self.get(key) {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(method: &str, uri: &str) -> RequestInfo {
        let uri: Uri = uri.parse().unwrap();
        let query = Query::parse(uri.query().unwrap_or_default());
        RequestInfo::new(&method.parse().unwrap(), &uri, &query).unwrap()
    }

    #[track_caller]
    fn check(method: &str, uri: &str, verb: &str, namespace: &str, resource: &str, name: &str, subresource: &str) {
        let info = info(method, uri);
        assert_eq!(
            (info.verb, &*info.namespace, &*info.resource, &*info.name, &*info.subresource),
            (verb, namespace, resource, name, subresource)
        );
    }

    #[test]
    fn paths_are_read_as_upstream_reads_them() {
        check("GET", "/api/v1/namespaces", "list", "", "namespaces", "", "");
        check("GET", "/api/v1/namespaces/other", "get", "other", "namespaces", "other", "");
        check("PUT", "/api/v1/namespaces/other/finalize", "update", "other", "namespaces", "other", "finalize");
        check("GET", "/api/v1/namespaces/other/pods", "list", "other", "pods", "", "");
        check("GET", "/api/v1/namespaces/other/pods/foo/log", "get", "other", "pods", "foo", "log");
        check("GET", "/apis/apps/v1/deployments?watch=1", "watch", "", "deployments", "", "");
        check("GET", "/api/v1/watch/namespaces/other/pods", "watch", "other", "pods", "", "");
        check("DELETE", "/api/v1/namespaces/other/pods", "deletecollection", "other", "pods", "", "");
        check("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dfoo", "list", "", "pods", "foo", "");
        check("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dfoo%2Ca%3Db", "list", "", "pods", "foo", "");
        check("GET", "/api/v1/pods?fieldSelector=metadata.name%21%3Dfoo", "list", "", "pods", "", "");
        check("GET", "/api/v1/pods?fieldSelector=metadata.name%3D..", "list", "", "pods", "", "");
        check("DELETE", "/api/v1/pods?fieldSelector=metadata.name%3Dfoo", "deletecollection", "", "pods", "", "");
        assert!(info("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn").selectors.asks_for("spec.nodeName", "n"));
        assert_eq!(info("GET", "/api/v1/watch/pods?fieldSelector=a%3Db").selectors, Selectors::default());
        assert_eq!(info("GET", "/api/v1/namespaces/a/pods/b?fieldSelector=a%3Db").selectors, Selectors::default());
        assert!(!info("GET", "/apis/apps/v1").is_resource);
        assert!(!info("GET", "/healthz").is_resource);
        assert_eq!(info("GET", "/api/v1/nodes/n/proxy/logs/x/").rest, "logs/x/");
    }
}
