//! CustomResourceDefinitions as upstream stores them: in `apiextensions.k8s.io/v1beta1`, whose JSON is smaller where all
//! versions have the same schema. It is no longer served.
//!
//! Source: `pkg/apis/apiextensions/v1/conversion.go` of apiextensions-apiserver.

use std::sync::LazyLock;

use apiserver_schema::{Field, Omit, Ref, Shape, Type, builtin_by_name};
use serde_json::{Map, Value, json};

use crate::object::items;

pub const VERSION: &str = "apiextensions.k8s.io/v1beta1";

/// What may stand once for all versions, by the name that it then has, and by its name in a version.
const SHARED: [(&str, &str); 4] = [
    ("validation", "schema"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];

/// A definition of v1beta1: the fields of v1 where they stand in that version.
pub static TYPE: LazyLock<Type> = LazyLock::new(|| {
    let of = |kind: &str| {
        builtin_by_name(&format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{kind}"))
            .expect("the kind is built in")
    };
    let named = |field: &Field, name: &str| Field { name: name.to_owned().into(), ..field.clone() };
    let with = |field: &Field, ty: Type| Field { shape: Shape::Object(Ref::from(ty)), ..field.clone() };
    let field = |ty: &Type, name: &str| ty.field(name).expect("the type has the field").clone();
    let derived = |kind: &str, fields: Vec<Field>| Type {
        name: format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1beta1.{kind}").into(),
        fields: fields.into(),
        atomic: false,
        preserve_unknown: false,
        structural: None,
    };
    let (definition, spec, version) =
        (of("CustomResourceDefinition"), of("CustomResourceDefinitionSpec"), of("CustomResourceDefinitionVersion"));
    let column: Vec<Field> = of("CustomResourceColumnDefinition")
        .fields
        .iter()
        .map(|field| if field.name == "jsonPath" { named(field, "JSONPath") } else { field.clone() })
        .collect();
    let columns = Field {
        shape: Shape::List(Ref::from(Shape::Object(Ref::from(derived("CustomResourceColumnDefinition", column))))),
        ..field(version, "additionalPrinterColumns")
    };
    let webhook = of("WebhookConversion");
    let conversion = vec![
        field(of("CustomResourceConversion"), "strategy"),
        named(&field(webhook, "clientConfig"), "webhookClientConfig"),
        Field { omit: Omit::Empty, ..field(webhook, "conversionReviewVersions") },
    ];
    let one_version = version
        .fields
        .iter()
        .map(|field| if field.name == columns.name { columns.clone() } else { field.clone() })
        .collect();
    let versions =
        Shape::List(Ref::from(Shape::Object(Ref::from(derived("CustomResourceDefinitionVersion", one_version)))));
    let fields = vec![
        field(spec, "group"),
        Field { omit: Omit::Empty, ..named(&field(spec, "group"), "version") },
        field(spec, "names"),
        field(spec, "scope"),
        named(&field(version, "schema"), "validation"),
        field(version, "subresources"),
        Field { shape: versions, omit: Omit::Empty, ..field(spec, "versions") },
        columns.clone(),
        field(version, "selectableFields"),
        with(&field(spec, "conversion"), derived("CustomResourceConversion", conversion)),
        Field { pointer: true, ..field(spec, "preserveUnknownFields") },
    ];
    let spec = derived("CustomResourceDefinitionSpec", fields);
    let mut fields = definition.fields.to_vec();
    let spec = Shape::Object(Ref::from(spec));
    if let Some(field) = fields.iter_mut().find(|field| field.name == "spec") {
        field.shape = spec;
    }
    derived("CustomResourceDefinition", fields)
});

/// Turns a definition of v1 into one of v1beta1: what all versions have alike stands once.
pub fn from_v1(definition: &mut Value) {
    let Some(spec) = definition["spec"].as_object_mut() else { return };
    for version in each_version(spec) {
        for column in version.get_mut("additionalPrinterColumns").and_then(Value::as_array_mut).into_iter().flatten() {
            rename(column, "jsonPath", "JSONPath");
        }
    }
    let versions = items(spec.get("versions").unwrap_or(&Value::Null)).to_vec();
    if let Some(first) = versions.first() {
        for (once, each) in SHARED {
            let (shared, unset) = (&first[each], is_absent(&first[each]));
            let alike = |other: &Value| if unset { is_absent(&other[each]) } else { other[each] == *shared };
            if !versions.iter().all(alike) {
                continue;
            }
            if !unset {
                spec.insert(once.to_owned(), shared.clone());
            }
            for version in each_version(spec) {
                version.remove(each);
            }
        }
        spec.insert("version".to_owned(), first["name"].clone());
    }
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut)
        && let Some(Value::Object(mut webhook)) = conversion.remove("webhook")
    {
        let moved = [("clientConfig", "webhookClientConfig"), ("conversionReviewVersions", "conversionReviewVersions")];
        for (from, to) in moved {
            conversion.extend(webhook.remove(from).map(|value| (to.to_owned(), value)));
        }
    }
    spec.entry("preserveUnknownFields").or_insert(Value::Bool(false));
}

/// Turns a definition of v1beta1 into one of v1.
pub fn to_v1(definition: &mut Value) {
    let Some(spec) = definition["spec"].as_object_mut() else { return };
    let first = spec.remove("version").unwrap_or_default();
    let versions = spec.entry("versions").or_insert(Value::Null);
    if items(versions).is_empty() {
        *versions = json!([{"name": first, "served": true, "storage": true}]);
    }
    // What stands once for all versions stands in each of them.
    for (old, new) in SHARED {
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

/// An object that says nothing is there all the same: `subresources: {status: {}}` is.
fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
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
    use proptest::prelude::*;

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
    fn definitions_go_there_and_back() {
        let same = json!({"openAPIV3Schema": {"type": "object"}});
        let column = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
        let mut definition = json!({"spec": {
            "group": "example.com",
            "conversion": {
                "strategy": "Webhook",
                "webhook": {"clientConfig": {"url": "https://c/"}, "conversionReviewVersions": ["v1"]},
            },
            "versions": [
                {"name": "v2", "served": true, "storage": true, "schema": same, "additionalPrinterColumns": [column]},
                {"name": "v1", "served": true, "storage": false, "schema": same},
            ],
        }});
        let before = definition.clone();
        from_v1(&mut definition);
        let text = String::from_utf8(apiserver_schema::json::to_vec(&TYPE, &definition)).unwrap();
        let spec = concat!(
            r#""spec":{"group":"example.com","version":"v2","names":{"plural":"","kind":""},"scope":"","#,
            r#""validation":{"openAPIV3Schema":{"type":"object"}},"versions":[{"name":"v2","served":true,"storage":true,"#,
            r#""additionalPrinterColumns":[{"name":"Age","type":"date","JSONPath":".metadata.creationTimestamp"}]},"#,
            r#"{"name":"v1","served":true,"storage":false}],"conversion":{"strategy":"Webhook","#,
            r#""webhookClientConfig":{"url":"https://c/"},"conversionReviewVersions":["v1"]},"preserveUnknownFields":false}"#,
        );
        assert!(text.contains(spec), "{text}");
        to_v1(&mut definition);
        assert_eq!(definition, before);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way(
            versions in prop::collection::vec((
                prop::option::of(prop::sample::select(vec![json!({}), json!({"openAPIV3Schema": {"type": "object"}})])),
                prop::option::of(prop::sample::select(vec![
                    json!({}),
                    json!({"status": {}}),
                    json!({"scale": {"specReplicasPath": ".a", "statusReplicasPath": ".b"}}),
                ])),
                prop::option::of(Just(json!([{"name": "A", "type": "date", "jsonPath": ".a"}]))),
                prop::option::of(Just(json!([{"jsonPath": ".a"}]))),
            ), 1..4),
        ) {
            let versions: Vec<Value> = versions.into_iter().enumerate().map(|(number, (schema, subresources, columns, fields))| {
                let mut version = json!({"name": format!("v{number}"), "served": true, "storage": number == 0});
                let all = [
                    ("schema", schema),
                    ("subresources", subresources),
                    ("additionalPrinterColumns", columns),
                    ("selectableFields", fields),
                ];
                for (name, value) in all {
                    if let Some(value) = value {
                        version[name] = value;
                    }
                }
                version
            }).collect();
            let mut definition = json!({"spec": {"conversion": {"strategy": "None"}, "versions": versions}});
            from_v1(&mut definition);
            let stored = apiserver_schema::json::to_vec(&TYPE, &definition);
            let mut read: Value = serde_json::from_slice(&stored).unwrap();
            to_v1(&mut read);
            prop_assert_eq!(&read["spec"]["versions"], &Value::from(versions));
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
