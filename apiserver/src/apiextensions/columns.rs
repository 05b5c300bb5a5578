//! The columns in which `kubectl get` shows a custom resource.
//!
//! Source: apiextensions-apiserver `pkg/registry/customresource/tableconvertor`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::json_path::JsonPath;
use crate::object::{items, text};
use crate::printers::age;

/// A column of a definition.
pub struct PrinterColumn {
    name: Box<str>,
    kind: Box<str>,
    format: Box<str>,
    description: Box<str>,
    priority: i64,
    /// `None` where it is none that can be read: such a column is empty.
    path: Option<JsonPath>,
}

impl PrinterColumn {
    /// The columns of a version; a definition without any shows the age.
    pub fn of(columns: &Value) -> Vec<PrinterColumn> {
        let given: Vec<PrinterColumn> = items(columns)
            .iter()
            .map(|column| PrinterColumn {
                name: text(&column["name"]).into(),
                kind: text(&column["type"]).into(),
                format: text(&column["format"]).into(),
                description: match text(&column["description"]) {
                    "" => {
                        format!("Custom resource definition column (in JSONPath format): {}", text(&column["jsonPath"]))
                            .into()
                    }
                    given => given.into(),
                },
                priority: column["priority"].as_i64().unwrap_or_default(),
                path: JsonPath::parse(text(&column["jsonPath"])).ok(),
            })
            .collect();
        if !given.is_empty() {
            return given;
        }
        vec![PrinterColumn {
            name: "Age".into(),
            kind: "date".into(),
            format: "".into(),
            description: crate::printers::CREATION.into(),
            priority: 0,
            path: JsonPath::parse(".metadata.creationTimestamp").ok(),
        }]
    }

    /// What the table says of the column.
    pub fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format, "description": self.description,
            "priority": self.priority,
        })
    }

    /// The cell of an object.
    pub fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let Some(found) = self.path.as_ref().and_then(|path| path.find(object).into_iter().next()) else {
            return Value::Null;
        };
        match &*self.kind {
            "string" => Value::String(printed(&found)),
            "date" => match found {
                Value::String(_) if age::time(&found).is_some() => age::since(&found, now).into(),
                Value::String(_) => "<invalid>".into(),
                _ => Value::Null,
            },
            "integer" => match &found {
                Value::Number(number) => number.as_i64().or(number.as_f64().map(|float| float as i64)).into(),
                _ => Value::Null,
            },
            "number" => match &found {
                Value::Number(_) => found,
                _ => Value::Null,
            },
            "boolean" => match found {
                Value::Bool(_) => found,
                _ => Value::Null,
            },
            _ => Value::Null,
        }
    }
}

/// A value as Go's JSONPath prints it.
fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}
