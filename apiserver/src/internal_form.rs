//! Objects as upstream's messages show them: by the names that its own code has for their fields, all of them, in
//! order.
//!
//! Source: `encoding/json` of the types in `pkg/apis`, which carry no names for JSON.

use apiserver_schema::{Field, Shape, Type, json};
use serde_json::Value;

/// Names that begin with more than one capital letter there.
const CAPITALS: &[(&str, &str)] = &[
    ("awsElasticBlockStore", "AWSElasticBlockStore"),
    ("cel", "CEL"),
    ("cephfs", "CephFS"),
    ("csi", "CSI"),
    ("fc", "FC"),
    ("fsType", "FSType"),
    ("gcePersistentDisk", "GCEPersistentDisk"),
    ("iscsi", "ISCSI"),
    ("nfs", "NFS"),
    ("rbd", "RBD"),
    ("storageos", "StorageOS"),
];

/// The form of the field at `path` of a kind, with an empty name for what is embedded, or the plain JSON where there is no such kind.
pub fn of(group: &str, version: &str, kind: &str, path: &[&str], value: &Value) -> String {
    let mut ty = apiserver_schema::builtin(group, version, kind);
    let mut shape = None;
    for name in path {
        let found = ty.and_then(|ty| match *name {
            // What is embedded.
            "" => ty.fields.iter().find(|field| field.name.is_empty()),
            name => ty.field(name),
        });
        shape = found.map(|field| &field.shape);
        ty = match shape {
            Some(Shape::Object(inner)) => Some(&**inner),
            _ => None,
        };
    }
    let mut out = String::new();
    match shape {
        Some(shape) => write(shape, false, value, &mut out),
        None => out = value.to_string(),
    }
    out
}

fn write(shape: &Shape, pointer: bool, value: &Value, out: &mut String) {
    match (shape, value) {
        (Shape::Object(ty), Value::Null) if !pointer => object(ty, value, out),
        (Shape::Object(ty), Value::Object(_)) => object(ty, value, out),
        (Shape::List(element), Value::Array(items)) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(element, false, item, out);
            }
            out.push(']');
        }
        (Shape::Map(element), Value::Object(entries)) => {
            out.push('{');
            for (index, (name, entry)) in entries.iter().enumerate() {
                member(name, index > 0, out);
                write(element, false, entry, out);
            }
            out.push('}');
        }
        (Shape::String, Value::Null) if !pointer => out.push_str("\"\""),
        (Shape::Bool, Value::Null) if !pointer => out.push_str("false"),
        (Shape::Int32 | Shape::Int64 | Shape::Float64, Value::Null) if !pointer => out.push('0'),
        (Shape::Quantity, Value::Null) if !pointer => out.push_str("\"0\""),
        _ => out.push_str(&value.to_string()),
    }
}

fn object(ty: &Type, value: &Value, out: &mut String) {
    if is_shared(ty) {
        return out.push_str(&plain(ty, value));
    }
    out.push('{');
    let mut any = false;
    members(ty, value, &mut any, out);
    out.push('}');
}

fn members(ty: &Type, value: &Value, any: &mut bool, out: &mut String) {
    for field in ty.fields.iter() {
        match &field.shape {
            // What is embedded has no name of its own.
            Shape::Object(inner) if field.name.is_empty() => members(inner, value, any, out),
            Shape::Object(inner) if inner.short_name() == "ObjectMeta" => {
                let text = plain(inner, &value[&*field.name]);
                let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
                if !inside.is_empty() {
                    if std::mem::replace(any, true) {
                        out.push(',');
                    }
                    out.push_str(inside);
                }
            }
            _ => {
                member(&name(field), std::mem::replace(any, true), out);
                write(&field.shape, field.pointer, &value[&*field.name], out);
            }
        }
    }
}

fn member(name: &str, more: bool, out: &mut String) {
    if more {
        out.push(',');
    }
    out.push_str(&format!("{name:?}:"));
}

/// Types that upstream's own code shares with clients, names for JSON included.
fn is_shared(ty: &Type) -> bool {
    ty.name.starts_with("io.k8s.apimachinery.")
}

fn plain(ty: &Type, value: &Value) -> String {
    let mut out = Vec::new();
    json::encode(ty, value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn name(field: &Field) -> String {
    if let Some((_, shown)) = CAPITALS.iter().find(|(name, _)| *name == field.name) {
        return (*shown).to_owned();
    }
    let mut letters = field.name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of;

    #[test]
    fn all_fields_are_shown_by_their_other_names() {
        let spec = json!({"attacher": "a", "source": {"persistentVolumeName": "pv"}, "nodeName": "m"});
        assert_eq!(
            of("storage.k8s.io", "v1", "VolumeAttachment", &["spec"], &spec),
            r#"{"Attacher":"a","Source":{"PersistentVolumeName":"pv","InlineVolumeSpec":null},"NodeName":"m"}"#
        );
        let spec = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"devices": {}}});
        assert_eq!(
            of("resource.k8s.io", "v1", "ResourceClaimTemplate", &["spec"], &spec),
            r#"{"labels":{"a":"b"},"Spec":{"Devices":{"Requests":null,"Constraints":null,"Config":null}}}"#
        );
    }
}
