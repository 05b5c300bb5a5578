//! Tables: what `kubectl get` shows of a kind.
//!
//! [`printer`] is the list. Source: `pkg/printers/internalversion/printers.go`; the columns are those that
//! kube-apiserver 1.36 answers.

use serde_json::{Value, json};

use crate::request::Query;
use crate::resources::Resource;
use crate::status::{Result, Status};

pub mod age;

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: &'static str,
    /// `name` for the name's column.
    pub format: &'static str,
    /// 0 is always shown, 1 only in wide output.
    pub priority: u8,
    pub description: &'static str,
}

/// How one kind is shown.
pub struct Printer {
    pub columns: &'static [Column],
    pub cells: fn(&Value) -> Vec<Value>,
}

const NAME: Column = Column {
    name: "Name",
    kind: "string",
    format: "name",
    priority: 0,
    description: "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
};

const CREATED_AT: Column = Column {
    name: "Created At",
    kind: "date",
    format: "",
    priority: 0,
    description: "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
};

/// Kinds without a table of their own show name and time of creation.
const PLAIN: Printer = Printer {
    columns: &[NAME, CREATED_AT],
    cells: |object| vec![object["metadata"]["name"].clone(), object["metadata"]["creationTimestamp"].clone()],
};

/// The printer of a kind.
pub fn printer(_resource: &Resource) -> &'static Printer {
    &PLAIN
}

/// `includeObject`: what of the object each row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    Metadata,
    Object,
}

impl IncludeObject {
    pub fn read(query: &Query) -> Result<Self> {
        match query.get("includeObject").unwrap_or_default() {
            "" | "Metadata" => Ok(IncludeObject::Metadata),
            "None" => Ok(IncludeObject::None),
            "Object" => Ok(IncludeObject::Object),
            other => Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}"))),
        }
    }
}

/// The table of one object.
pub fn table(resource: &Resource, objects: &[Value], revision: &str, include: IncludeObject, v1beta1: bool) -> Vec<u8> {
    make(resource, objects, &json!({"resourceVersion": revision}).to_string(), include, v1beta1, true)
}

/// The table of a list whose metadata is given as JSON.
pub fn list_table(resource: &Resource, objects: &[Value], meta: &str, include: IncludeObject, v1beta1: bool) -> Vec<u8> {
    make(resource, objects, meta, include, v1beta1, true)
}

/// The table of a watch event; only the first event of a watch has columns.
pub fn event_table(
    resource: &Resource,
    objects: &[Value],
    revision: &str,
    include: IncludeObject,
    v1beta1: bool,
    columns: bool,
) -> Vec<u8> {
    make(resource, objects, &json!({"resourceVersion": revision}).to_string(), include, v1beta1, columns)
}

fn make(
    resource: &Resource,
    objects: &[Value],
    meta: &str,
    include: IncludeObject,
    v1beta1: bool,
    with_columns: bool,
) -> Vec<u8> {
    let printer = printer(resource);
    let api_version = if v1beta1 { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" };
    let mut out = format!(r#"{{"kind":"Table","apiVersion":"{api_version}","metadata":{meta},"columnDefinitions":"#);
    if with_columns {
        out.push('[');
        for (index, column) in printer.columns.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(&format!(
                r#"{{"name":{},"type":"{}","format":"{}","description":{},"priority":{}}}"#,
                json!(column.name),
                column.kind,
                column.format,
                json!(column.description),
                column.priority
            ));
        }
        out.push(']');
    } else {
        out.push_str("null");
    }
    out.push_str(r#","rows":["#);
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let cells = Value::Array((printer.cells)(object));
        out.push_str(&format!(r#"{{"cells":{cells},"object":{}}}"#, row_object(object, include, api_version)));
    }
    out.push_str("]}");
    out.into_bytes()
}

fn row_object(object: &Value, include: IncludeObject, api_version: &str) -> Value {
    match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Object => object.clone(),
        IncludeObject::Metadata => {
            json!({"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": object["metadata"]})
        }
    }
}
