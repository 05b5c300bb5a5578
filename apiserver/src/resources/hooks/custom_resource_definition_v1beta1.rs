//! CustomResourceDefinitions as upstream stores them: in `apiextensions.k8s.io/v1beta1`, whose JSON is smaller where all
//! versions have the same schema. It is no longer served, and here only read.
//!
//! Source: `pkg/apis/apiextensions/v1/conversion.go` of apiextensions-apiserver.

use serde_json::{Map, Value, json};

use crate::object::items;

pub const VERSION: &str = "apiextensions.k8s.io/v1beta1";

/// Turns a definition of v1beta1 into one of v1.
pub fn to_v1(definition: &mut Value) {
    let Some(spec) = definition["spec"].as_object_mut() else { return };
    let first = spec.remove("version").unwrap_or_default();
    let versions = spec.entry("versions").or_insert(Value::Null);
    if items(versions).is_empty() {
        *versions = json!([{"name": first, "served": true, "storage": true}]);
    }
    // What stands once for all versions stands in each of them.
    for (old, new) in [
        ("validation", "schema"),
        ("subresources", "subresources"),
        ("additionalPrinterColumns", "additionalPrinterColumns"),
        ("selectableFields", "selectableFields"),
    ] {
        let Some(shared) = spec.remove(old).filter(|shared| !shared.is_null()) else { continue };
        for version in each_version(spec) {
            version.entry(new).or_insert_with(|| shared.clone());
        }
    }
    for version in each_version(spec) {
        for column in version.get_mut("additionalPrinterColumns").and_then(Value::as_array_mut).into_iter().flatten() {
            rename(column, "JSONPath", "jsonPath");
        }
    }
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut) {
        let client = conversion.remove("webhookClientConfig");
        let reviews = conversion.remove("conversionReviewVersions");
        if conversion.get("strategy").is_some_and(|strategy| strategy == "Webhook") {
            let mut webhook = Map::new();
            webhook.extend(client.map(|client| ("clientConfig".to_owned(), client)));
            webhook.insert("conversionReviewVersions".to_owned(), reviews.unwrap_or_default());
            conversion.insert("webhook".to_owned(), Value::Object(webhook));
        }
    }
    // Unset meant true once; v1 says only that.
    match spec.get("preserveUnknownFields") {
        Some(Value::Bool(false)) => drop(spec.remove("preserveUnknownFields")),
        _ => drop(spec.insert("preserveUnknownFields".to_owned(), Value::Bool(true))),
    }
}

fn each_version(spec: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    spec.get_mut("versions").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn rename(object: &mut Value, from: &str, to: &str) {
    if let Some(object) = object.as_object_mut()
        && let Some(value) = object.remove(from)
    {
        object.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_once_goes_into_each_version() {
        let mut definition = json!({"spec": {
            "group": "example.com", "version": "v2", "preserveUnknownFields": false,
            "validation": {"openAPIV3Schema": {"type": "object"}},
            "subresources": {"status": {}},
            "additionalPrinterColumns": [{"name": "Age", "type": "date", "JSONPath": ".metadata.creationTimestamp"}],
            "conversion": {"strategy": "Webhook", "webhookClientConfig": {"url": "https://c/"}, "conversionReviewVersions": ["v1"]},
            "versions": [{"name": "v2", "served": true, "storage": true}, {"name": "v1", "served": true, "storage": false}],
        }});
        to_v1(&mut definition);
        let shared = json!({
            "schema": {"openAPIV3Schema": {"type": "object"}},
            "subresources": {"status": {}},
            "additionalPrinterColumns": [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}],
        });
        for version in definition["spec"]["versions"].as_array().unwrap() {
            for (field, value) in shared.as_object().unwrap() {
                assert_eq!(version[field], *value, "{field}");
            }
        }
        let conversion = json!({
            "strategy": "Webhook",
            "webhook": {"clientConfig": {"url": "https://c/"}, "conversionReviewVersions": ["v1"]},
        });
        assert_eq!(definition["spec"]["conversion"], conversion);
        for gone in ["version", "validation", "subresources", "additionalPrinterColumns", "preserveUnknownFields"] {
            assert_eq!(definition["spec"][gone], Value::Null, "{gone}");
        }
    }

    #[test]
    fn one_version_by_name_alone_is_a_version() {
        let mut definition = json!({"spec": {"version": "v1", "conversion": {"strategy": "None"}}});
        to_v1(&mut definition);
        assert_eq!(
            definition["spec"],
            json!({
                "versions": [{"name": "v1", "served": true, "storage": true}],
                "conversion": {"strategy": "None"},
                "preserveUnknownFields": true,
            })
        );
    }
}
