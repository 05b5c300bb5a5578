//! AdmissionRequest: a request as webhooks and expressions see it.
//!
//! Source: apiserver `pkg/admission/plugin/webhook/request/admissionreview.go`.

use serde_json::{Map, Value, json};

use super::Attributes;
use super::matching::Seen;

/// An AdmissionRequest without the objects and without an id.
pub fn of(attributes: &Attributes<'_>, seen: &Seen) -> Value {
    let resource = attributes.target.resource();
    let user = attributes.user();
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let own = attributes.kind;
    let mut user_info = Map::new();
    user_info.insert("username".to_owned(), user.name.as_str().into());
    if !user.uid.is_empty() {
        user_info.insert("uid".to_owned(), user.uid.as_str().into());
    }
    if !user.groups.is_empty() {
        user_info.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        user_info.insert("extra".to_owned(), json!(user.extra));
    }
    let mut request = json!({
        "uid": "",
        "kind": kind(&seen.kind.0, &seen.kind.1, &seen.kind.2),
        "resource": {"group": seen.group, "version": seen.version, "resource": seen.resource},
        "requestKind": kind(own.group, own.version, own.kind),
        "requestResource": {
            "group": resource.group.as_str(),
            "version": attributes.target.version.name.as_str(),
            "resource": resource.plural.as_str(),
        },
        "operation": attributes.operation.name(),
        "userInfo": user_info,
        "object": null,
        "oldObject": null,
        "dryRun": attributes.dry_run,
        "options": attributes.options(),
    });
    for (field, value) in [
        ("subResource", attributes.subresource),
        ("requestSubResource", attributes.subresource),
        ("name", attributes.name),
        ("namespace", attributes.namespace),
    ] {
        if !value.is_empty() {
            request[field] = value.into();
        }
    }
    request
}
