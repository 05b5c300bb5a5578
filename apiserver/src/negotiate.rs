//! Which encoding a client speaks and which form of an object it wants.
//!
//! Source: apiserver `pkg/endpoints/handlers/negotiation`.

use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};

use crate::request::Query;
use crate::status::{Result, Status};

pub const JSON: &str = "application/json";
pub const YAML: &str = "application/yaml";
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The media types of objects, as 406 and 415 list them.
pub const OBJECT_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const WATCH_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// How bytes on the wire encode an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    Json,
    Yaml,
    Protobuf,
}

/// What of an object a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    Object,
    /// `meta.k8s.io/v1` (or `v1beta1`) `Table`.
    Table {
        v1beta1: bool,
    },
    /// `PartialObjectMetadata` or its list.
    Metadata {
        v1beta1: bool,
        /// The list was named, not the object.
        list: bool,
    },
}

/// The outcome of negotiating an `Accept` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Accepted {
    pub encoding: Encoding,
    pub form: Form,
    /// `pretty` output was asked for by the media type.
    pub pretty: bool,
}

impl Accepted {
    pub const JSON: Accepted = Accepted { encoding: Encoding::Json, form: Form::Object, pretty: false };

    pub fn content_type(&self) -> &'static str {
        match self.encoding {
            Encoding::Json => JSON,
            Encoding::Yaml => YAML,
            Encoding::Protobuf => PROTOBUF,
        }
    }
}

/// What a route can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub protobuf: bool,
    /// Metadata-only forms, and tables where there are any.
    pub forms: bool,
    pub tables: bool,
    /// Streams of events.
    pub watch: bool,
}

/// Refuses what no route can answer, before any work is done. What a clause asks for besides its media type is
/// judged by [`accept`].
pub fn produced(headers: &HeaderMap, collection: bool) -> Result<()> {
    if is_produced(headers, JSON) {
        return Ok(());
    }
    Err(Status::no_representation(if collection { WATCH_TYPES } else { OBJECT_TYPES }))
}

/// [`produced`] of a route that answers one more media type.
pub fn produced_with(headers: &HeaderMap, other: &str) -> Result<()> {
    if is_produced(headers, other) {
        return Ok(());
    }
    Err(Status::no_representation(&format!("{other}, {OBJECT_TYPES}")))
}

/// [`produced`] of a route that speaks only one media type.
pub fn produced_only(headers: &HeaderMap, only: &str) -> Result<()> {
    let header = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fits = |clause: Clause<'_>| ["*/*", only].contains(&clause.media_type.to_ascii_lowercase().as_str());
    if header.trim().is_empty() || header.split(',').map(Clause::parse).any(fits) {
        return Ok(());
    }
    Err(Status::no_representation(only))
}

fn is_produced(headers: &HeaderMap, other: &str) -> bool {
    let header = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    header.trim().is_empty()
        || header.split(',').map(Clause::parse).any(|clause| {
            let media_type = clause.media_type.to_ascii_lowercase();
            media_type == other || matches!(media_type.as_str(), "*/*" | JSON | YAML | PROTOBUF)
        })
}

/// Asks for indented JSON where the query or a tool for people does, as the `Accept` header can.
///
/// Source: `isPrettyPrint` in `negotiate.go`.
pub fn prefer_pretty(headers: &mut HeaderMap, query: &Query) {
    let is_pretty = match query.get("pretty").filter(|text| !text.is_empty()) {
        Some(text) => controllers_component_base::flags::boolean(text).unwrap_or_default(),
        None => headers.get(USER_AGENT).is_some_and(|agent| {
            [&b"curl"[..], b"Wget", b"Mozilla/5.0"].iter().any(|tool| agent.as_bytes().starts_with(tool))
        }),
    };
    if !is_pretty {
        return;
    }
    let asked = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).filter(|text| !text.trim().is_empty());
    let clauses: Vec<String> =
        asked.unwrap_or("*/*").split(',').map(|clause| format!("{};pretty=1", clause.trim())).collect();
    if let Ok(value) = HeaderValue::from_str(&clauses.join(",")) {
        headers.insert(ACCEPT, value);
    }
}

/// Chooses the first clause of the `Accept` header that the route can answer.
pub fn accept(headers: &HeaderMap, offer: Offer) -> Result<Accepted> {
    let Some(header) = headers.get(ACCEPT) else { return Ok(Accepted::JSON) };
    let header = header.to_str().unwrap_or("*/*");
    if header.trim().is_empty() {
        return Ok(Accepted::JSON);
    }
    let mut clauses: Vec<Clause<'_>> = header.split(',').map(Clause::parse).collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    clauses.iter().find_map(|clause| clause.accepted(offer)).ok_or_else(|| {
        Status::not_acceptable(if offer.protobuf { OBJECT_TYPES } else { "application/json, application/yaml" })
    })
}

/// How a page for people is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Text,
    /// As an object of `config.k8s.io`, in this version of it.
    Object {
        encoding: Encoding,
        version: &'static str,
    },
}

/// Chooses the first clause of the `Accept` header that a page for people can answer, whose object is of this kind.
pub fn page(headers: &HeaderMap, kind: &str) -> Result<Page> {
    let header = headers.get(ACCEPT).map_or("", |value| value.to_str().unwrap_or("*/*"));
    if header.trim().is_empty() {
        return Ok(Page::Text);
    }
    let mut clauses: Vec<Clause<'_>> = header.split(',').map(Clause::parse).collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    let shown = |clause: &Clause<'_>| {
        let encoding = match (clause.media_type.to_ascii_lowercase().as_str(), clause.parameter("as")) {
            ("text/plain" | "text/*" | "*/*", None) => return Some(Page::Text),
            (JSON, Some(_)) => Encoding::Json,
            (YAML, Some(_)) => Encoding::Yaml,
            _ => return None,
        };
        let version = ["v1beta1", "v1alpha1"].into_iter().find(|version| clause.parameter("v") == Some(version))?;
        let is_kind = clause.parameter("g") == Some("config.k8s.io") && clause.parameter("as") == Some(kind);
        is_kind.then_some(Page::Object { encoding, version })
    };
    let found = clauses.iter().find_map(shown);
    found.ok_or_else(|| Status::not_acceptable("application/json, application/yaml, text/plain"))
}

struct Clause<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let mut quality = 1.0;
        let mut parameters = Vec::new();
        for part in parts {
            match part.split_once('=') {
                Some(("q", value)) => quality = value.parse().unwrap_or(1.0),
                Some((key, value)) => parameters.push((key, value.trim_matches('"'))),
                None => {}
            }
        }
        Clause { media_type, parameters, quality }
    }

    fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn accepted(&self, offer: Offer) -> Option<Accepted> {
        let encoding = match self.media_type.to_ascii_lowercase().as_str() {
            "*/*" | "application/*" | JSON => Encoding::Json,
            YAML => Encoding::Yaml,
            PROTOBUF if offer.protobuf => Encoding::Protobuf,
            _ => return None,
        };
        let form = match (self.parameter("as"), self.parameter("g"), self.parameter("v")) {
            (None, ..) => Form::Object,
            (Some(kind), Some("meta.k8s.io"), Some(version @ ("v1" | "v1beta1"))) if offer.forms => {
                let v1beta1 = version == "v1beta1";
                match kind {
                    "Table" if offer.tables && self.media_type != PROTOBUF => Form::Table { v1beta1 },
                    "PartialObjectMetadata" => Form::Metadata { v1beta1, list: false },
                    "PartialObjectMetadataList" => Form::Metadata { v1beta1, list: true },
                    _ => return None,
                }
            }
            _ => return None,
        };
        if self.parameter("stream").is_some_and(|stream| !((offer.watch || offer.forms) && stream == "watch")) {
            return None;
        }
        Some(Accepted { encoding, form, pretty: self.parameter("pretty") == Some("1") })
    }
}

/// The encoding of a request's body. An absent content type is JSON, as upstream has it.
pub fn body_encoding(headers: &HeaderMap, protobuf: bool) -> Result<Encoding> {
    let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(JSON);
    let media_type = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "" | JSON => Ok(Encoding::Json),
        YAML => Ok(Encoding::Yaml),
        PROTOBUF if protobuf => Ok(Encoding::Protobuf),
        _ => Err(Status::unsupported_media_type(if protobuf {
            OBJECT_TYPES
        } else {
            "application/json, application/yaml"
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(header: &str) -> Option<Accepted> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, header.parse().unwrap());
        accept(&headers, Offer { protobuf: true, forms: true, tables: true, watch: false }).ok()
    }

    #[test]
    fn the_first_clause_that_fits_wins() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(accepted(kubectl).unwrap().form, Form::Table { v1beta1: false });
        assert_eq!(accepted("application/vnd.kubernetes.protobuf, */*").unwrap().encoding, Encoding::Protobuf);
        assert_eq!(accepted("text/html, */*;q=0.1").unwrap().encoding, Encoding::Json);
        assert_eq!(accepted("application/json;as=Nonsense;v=v1;g=meta.k8s.io"), None);
        assert_eq!(accepted("text/html"), None);
    }

    #[test]
    fn pages_are_text_or_objects() {
        let page = |header: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, header.parse().unwrap());
            page(&headers, "Statusz").ok()
        };
        assert_eq!(page("*/*"), Some(Page::Text));
        let object = Some(Page::Object { encoding: Encoding::Json, version: "v1beta1" });
        assert_eq!(page("application/json;v=v1beta1;g=config.k8s.io;as=Statusz"), object);
        assert_eq!(page("application/json"), None);
        assert_eq!(page("application/json;v=v1beta1;g=config.k8s.io;as=Flagz"), None);
    }

    #[test]
    fn tools_for_people_get_indented_json() {
        let preferred = |agent: &str, query: &str, accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, agent.parse().unwrap());
            if !accept.is_empty() {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            prefer_pretty(&mut headers, &Query::parse(query));
            accept_of(&headers).pretty
        };
        fn accept_of(headers: &HeaderMap) -> Accepted {
            accept(headers, Offer { protobuf: true, forms: true, tables: true, watch: false }).unwrap()
        }
        assert!(preferred("curl/8.0", "", ""));
        assert!(preferred("curl/8.0", "", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"));
        assert!(!preferred("curl/8.0", "pretty=false", ""));
        assert!(!preferred("kubectl/v1.36", "", ""));
        assert!(preferred("kubectl/v1.36", "pretty=true", "*/*"));
    }
}
