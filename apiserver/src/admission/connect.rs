//! Admission of connections: the parameters of a request as the object that plugins see.

use serde_json::{Map, Value, json};

use super::{Attributes, Kind, Operation};
use crate::context::{Context, Target};
use crate::status::Result;

/// The options kinds of the subresources that connect, and their parameters.
fn options(context: &Context, resource: &str) -> (&'static str, Map<String, Value>) {
    let (kind, flags, texts, list): (_, &[&str], &[&str], _) = match (resource, context.info.subresource.as_str()) {
        ("pods", "exec") => ("PodExecOptions", &["stdin", "stdout", "stderr", "tty"], &["container"], "command"),
        ("pods", "attach") => ("PodAttachOptions", &["stdin", "stdout", "stderr", "tty"], &["container"], ""),
        ("pods", "portforward") => ("PodPortForwardOptions", &[], &[], ""),
        ("services", _) => ("ServiceProxyOptions", &[], &[], ""),
        ("nodes", _) => ("NodeProxyOptions", &[], &[], ""),
        _ => ("PodProxyOptions", &[], &[], ""),
    };
    let query = &context.query;
    let mut fields = Map::new();
    for flag in flags.iter().filter(|flag| query.flag(flag)) {
        fields.insert((*flag).to_owned(), true.into());
    }
    for text in texts {
        if let Some(value) = query.get(text).filter(|value| !value.is_empty()) {
            fields.insert((*text).to_owned(), value.into());
        }
    }
    if !list.is_empty() {
        let values: Vec<&str> = query.all(list).collect();
        if !values.is_empty() {
            fields.insert(list.to_owned(), json!(values));
        }
    }
    if kind == "PodPortForwardOptions" {
        let ports = query.all("ports").flat_map(|ports| ports.split(','));
        let ports: Vec<i64> = ports.filter_map(|port| port.parse().ok()).collect();
        if !ports.is_empty() {
            fields.insert("ports".to_owned(), json!(ports));
        }
    }
    if kind.ends_with("ProxyOptions") && !context.info.rest.is_empty() {
        fields.insert("path".to_owned(), format!("/{}", context.info.rest).into());
    }
    (kind, fields)
}

/// Asks all plugins about a connection.
pub async fn connect(context: &Context, target: &Target) -> Result<()> {
    let (kind, mut fields) = options(context, &target.resource().plural);
    fields.insert("kind".to_owned(), kind.into());
    fields.insert("apiVersion".to_owned(), "v1".into());
    let info = &context.info;
    let namespace = if target.resource().namespaced { info.namespace.as_str() } else { "" };
    let attributes = Attributes::new(context, target, Operation::Connect, namespace, &info.name, false)
        .subresource(&info.subresource)
        .kind(Kind { group: "", version: "v1", kind });
    super::admit_and_validate(&attributes, &mut Value::Object(fields)).await
}
