//! The table of a scale, which is no resource of its own.

use apiserver_schema::json;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::IncludeObject;
use super::cells::age;
use super::column::{self, AGE, Column, NAME};
use crate::partial_metadata;

const COLUMNS: &[Column] = &[
    Column { format: "", ..NAME },
    Column::integer("Desired", "replicas is the desired number of instances for the scaled object."),
    Column::integer("Available", "replicas is the actual number of observed instances of the scaled object."),
    AGE,
];

/// An `autoscaling/v1` Scale as a Table.
pub fn table(scale: &Value, include: IncludeObject, v1beta1: bool) -> Vec<u8> {
    let api_version = partial_metadata::api_version(v1beta1);
    let metadata = &scale["metadata"];
    let object = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Object => scale.clone(),
        IncludeObject::Metadata => {
            json!({"kind": partial_metadata::KIND, "apiVersion": api_version, "metadata": metadata})
        }
    };
    let cells =
        json!(
            [metadata["name"], scale["spec"]["replicas"], scale["status"]["replicas"], age(scale, Timestamp::now()),]
        );
    let mut out = format!(r#"{{"kind":"Table","apiVersion":"{api_version}","metadata":"#).into_bytes();
    json::encode_untyped(&json!({"resourceVersion": metadata["resourceVersion"]}), &mut out);
    out.extend_from_slice(br#","columnDefinitions":"#);
    column::encode(COLUMNS, &mut out);
    out.extend_from_slice(br#","rows":["#);
    json::encode_untyped(&json!({"cells": cells, "object": object}), &mut out);
    out.extend_from_slice(b"]}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_is_wanted_and_what_there_is() {
        let scale = json!({
            "metadata": {"name": "web", "resourceVersion": "7"},
            "spec": {"replicas": 3}, "status": {"replicas": 2},
        });
        let table: Value = serde_json::from_slice(&table(&scale, IncludeObject::None, false)).unwrap();
        assert_eq!(table["rows"][0]["cells"], json!(["web", 3, 2, "<unknown>"]));
        assert_eq!(table["metadata"], json!({"resourceVersion": "7"}));
        let names: Vec<&str> =
            table["columnDefinitions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Name", "Desired", "Available", "Age"]);
    }
}
