//! The columns of tables, and those that many kinds share.

use apiserver_schema::json;
use serde_json::json;

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

impl Column {
    pub const fn string(name: &'static str, description: &'static str) -> Self {
        Column { name, kind: "string", format: "", priority: 0, description }
    }

    pub const fn integer(name: &'static str, description: &'static str) -> Self {
        Column { kind: "integer", ..Column::string(name, description) }
    }

    pub const fn boolean(name: &'static str, description: &'static str) -> Self {
        Column { kind: "boolean", ..Column::string(name, description) }
    }

    /// Shown only in wide output.
    pub const fn wide(self) -> Self {
        Column { priority: 1, ..self }
    }

    /// Holds the name of an object.
    pub const fn of_names(self) -> Self {
        Column { format: "name", ..self }
    }
}

pub const NAME: Column = Column::string(
    "Name",
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
)
.of_names();

pub const CREATION: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

pub const AGE: Column = Column::string("Age", CREATION);
pub const CREATED_AT: Column = Column { kind: "date", ..Column::string("Created At", CREATION) };

pub const CONTAINERS: Column = Column::string("Containers", "Names of each container in the template.");
pub const IMAGES: Column = Column::string("Images", "Images referenced by each container in the template.");

/// Writes the columns as a table holds them.
pub fn encode(columns: &[Column], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"name":"#);
        json::encode_untyped(&json!(column.name), out);
        out.extend_from_slice(
            format!(r#","type":"{}","format":"{}","description":"#, column.kind, column.format).as_bytes(),
        );
        json::encode_untyped(&json!(column.description), out);
        out.extend_from_slice(format!(r#","priority":{}}}"#, column.priority).as_bytes());
    }
    out.push(b']');
}
