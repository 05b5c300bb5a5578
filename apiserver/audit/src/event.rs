//! An audit event, and the two forms in which it is written.
//!
//! Source: apiserver `pkg/apis/audit/v1/types.go` for the fields and their order, `pkg/audit/format.go` for the line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use serde_json::value::RawValue;

use crate::json::escape_html;
use crate::policy::{Level, Stage};

/// What an event begins with, and what it does not have as an item of a list.
const HEAD: &[u8] = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","#;

/// One request at one stage.
#[derive(Clone, Debug)]
pub struct Event {
    pub level: Level,
    pub audit_id: String,
    pub stage: Stage,
    /// Path and query as the client sent them.
    pub request_uri: String,
    pub verb: String,
    pub user: User,
    pub impersonated_user: Option<User>,
    /// Which kind of constrained impersonation was allowed; empty for none.
    pub impersonation_constraint: String,
    /// From the first proxy to the connection's own end.
    pub source_ips: Vec<IpAddr>,
    pub user_agent: String,
    pub object_ref: Option<ObjectReference>,
    pub response_status: Option<ResponseStatus>,
    /// Compact JSON.
    pub request_object: Option<Box<RawValue>>,
    /// Compact JSON.
    pub response_object: Option<Box<RawValue>>,
    pub request_received: Timestamp,
    pub stage_time: Timestamp,
    pub annotations: BTreeMap<String, String>,
}

/// Who asked, or as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct User {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a request was about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
}

/// How a request was answered: of an answer that is no `Status`, its code alone.
#[derive(Clone, Debug, Default)]
pub struct ResponseStatus {
    pub status: String,
    pub message: String,
    pub reason: String,
    pub details: Option<Box<RawValue>>,
    pub code: u16,
}

impl Serialize for ResponseStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Status", 6)?;
        fields.serialize_field("metadata", &BTreeMap::<(), ()>::new())?;
        for (name, text) in [("status", &self.status), ("message", &self.message), ("reason", &self.reason)] {
            if !text.is_empty() {
                fields.serialize_field(name, text)?;
            }
        }
        if let Some(details) = &self.details {
            fields.serialize_field("details", details)?;
        }
        if self.code != 0 {
            fields.serialize_field("code", &self.code)?;
        }
        fields.end()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Event", 17)?;
        fields.serialize_field("kind", "Event")?;
        fields.serialize_field("apiVersion", "audit.k8s.io/v1")?;
        fields.serialize_field("level", &self.level)?;
        fields.serialize_field("auditID", &self.audit_id)?;
        fields.serialize_field("stage", &self.stage)?;
        fields.serialize_field("requestURI", &self.request_uri)?;
        fields.serialize_field("verb", &self.verb)?;
        fields.serialize_field("user", &self.user)?;
        if let Some(user) = &self.impersonated_user {
            fields.serialize_field("impersonatedUser", user)?;
        }
        if !self.impersonation_constraint.is_empty() {
            let metadata = BTreeMap::from([("impersonationConstraint", &self.impersonation_constraint)]);
            fields.serialize_field("authenticationMetadata", &metadata)?;
        }
        if !self.source_ips.is_empty() {
            fields.serialize_field("sourceIPs", &self.source_ips)?;
        }
        if !self.user_agent.is_empty() {
            fields.serialize_field("userAgent", &self.user_agent)?;
        }
        if let Some(object) = &self.object_ref {
            fields.serialize_field("objectRef", object)?;
        }
        if let Some(status) = &self.response_status {
            fields.serialize_field("responseStatus", status)?;
        }
        if let Some(object) = &self.request_object {
            fields.serialize_field("requestObject", object)?;
        }
        if let Some(object) = &self.response_object {
            fields.serialize_field("responseObject", object)?;
        }
        fields.serialize_field("requestReceivedTimestamp", &format_args!("{:.6}", self.request_received))?;
        fields.serialize_field("stageTimestamp", &format_args!("{:.6}", self.stage_time))?;
        if !self.annotations.is_empty() {
            fields.serialize_field("annotations", &self.annotations)?;
        }
        fields.end()
    }
}

impl Event {
    /// One line of JSON, with its newline.
    pub fn json(&self) -> Bytes {
        let mut out = Vec::with_capacity(1024);
        // Text, numbers and JSON that was read before: writing them to memory cannot fail.
        if let Err(error) = self.serialize(&mut serde_json::Serializer::new(&mut out)) {
            tracing::error!(%error, "an audit event could not be written");
        }
        let mut out = escape_html(out);
        out.push(b'\n');
        out.into()
    }

    /// One line of text, without its newline.
    pub fn legacy(&self) -> String {
        let quoted = |list: &[String]| list.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(",");
        let (user, groups) = match (self.user.username.as_str(), self.user.groups.as_slice()) {
            ("", _) => ("<none>", "<none>".to_owned()),
            (user, []) => (user, "<none>".to_owned()),
            (user, groups) => (user, quoted(groups)),
        };
        let (as_user, as_groups) = match &self.impersonated_user {
            None => ("<self>", "<lookup>".to_owned()),
            Some(user) if user.groups.is_empty() => (user.username.as_str(), "<lookup>".to_owned()),
            Some(user) => (user.username.as_str(), quoted(&user.groups)),
        };
        let namespace =
            self.object_ref.as_ref().map(|object| object.namespace.as_str()).filter(|name| !name.is_empty());
        let ip = self.source_ips.first().map_or("<unknown>".to_owned(), IpAddr::to_string);
        let response = self.response_status.as_ref().map_or("<deferred>".to_owned(), |status| status.code.to_string());
        let mut line = String::new();
        let _ = write!(
            line,
            "{} AUDIT: id={:?} stage={:?} ip={ip:?} method={:?} user={user:?} groups={groups:?} as={as_user:?} asgroups={as_groups:?} user-agent={:?} namespace={:?} uri={:?} response=\"{response}\"",
            self.request_received,
            self.audit_id,
            self.stage.as_str(),
            self.verb,
            self.user_agent,
            namespace.unwrap_or("<none>"),
            self.request_uri,
        );
        line
    }
}

/// A line of JSON as an item of an `EventList`: there an item does not repeat its kind.
pub fn item(line: &Bytes) -> Bytes {
    match line.starts_with(HEAD) {
        true => {
            let mut item = Vec::with_capacity(line.len());
            item.push(b'{');
            item.extend_from_slice(line[HEAD.len()..].trim_ascii_end());
            item.into()
        }
        false => line.clone(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn event() -> Event {
        Event {
            level: Level::Metadata,
            audit_id: "id".to_owned(),
            stage: Stage::ResponseComplete,
            request_uri: "/api/v1/pods?limit=1&x=<y>".to_owned(),
            verb: "list".to_owned(),
            user: User { username: "jane".to_owned(), groups: vec!["a".to_owned(), "b".to_owned()], ..User::default() },
            impersonated_user: None,
            impersonation_constraint: String::new(),
            source_ips: vec![IpAddr::from([10, 0, 0, 1])],
            user_agent: "kubectl/v1".to_owned(),
            object_ref: Some(ObjectReference {
                resource: "pods".to_owned(),
                api_version: "v1".to_owned(),
                ..ObjectReference::default()
            }),
            response_status: Some(ResponseStatus { code: 200, ..ResponseStatus::default() }),
            request_object: None,
            response_object: Some(RawValue::from_string(r#"{"kind":"PodList"}"#.to_owned()).unwrap()),
            request_received: Timestamp::new(1, 5_000_000).unwrap(),
            stage_time: Timestamp::new(2, 0).unwrap(),
            annotations: BTreeMap::from([("authorization.k8s.io/decision".to_owned(), "allow".to_owned())]),
        }
    }

    #[test]
    fn events_are_written_as_upstream_writes_them() {
        let line = event().json();
        let expected = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"id","stage":"ResponseComplete","requestURI":"/api/v1/pods?limit=1\u0026x=\u003cy\u003e","verb":"list","user":{"username":"jane","groups":["a","b"]},"sourceIPs":["10.0.0.1"],"userAgent":"kubectl/v1","objectRef":{"resource":"pods","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"responseObject":{"kind":"PodList"},"requestReceivedTimestamp":"1970-01-01T00:00:01.005000Z","stageTimestamp":"1970-01-01T00:00:02.000000Z","annotations":{"authorization.k8s.io/decision":"allow"}}"#;
        assert_eq!(line, format!("{expected}\n"));
        let item = item(&line);
        assert!(item.starts_with(b"{\"level\":") && item.ends_with(b"}"), "{item:?}");
    }

    #[test]
    fn the_old_form_is_one_line_of_text() {
        let line = event().legacy();
        assert_eq!(
            line,
            r#"1970-01-01T00:00:01.005Z AUDIT: id="id" stage="ResponseComplete" ip="10.0.0.1" method="list" user="jane" groups="\"a\",\"b\"" as="<self>" asgroups="<lookup>" user-agent="kubectl/v1" namespace="<none>" uri="/api/v1/pods?limit=1&x=<y>" response="200""#
        );
    }
}
