//! Whatever a definition, an object of it or a webhook says, it is answered: nothing panics, and what is read once is
//! read the same again.

use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::conversion::{answered, taken_over};
use super::{CustomResource, Definition};
use crate::authn::User;
use crate::field::ErrorList;
use crate::object;
use crate::resources::Hooks;
use crate::resources::hooks::Request;
use crate::resources::hooks::custom_resource_definition::CustomResourceDefinition;

/// Names that schemas, objects and rules share, so that they meet.
const NAMES: [&str; 7] = ["a", "b", "spec", "status", "metadata", "kind", "apiVersion"];

fn object(members: Vec<(&'static str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..4).prop_map(object),
        ]
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let part = prop::sample::select(vec![
        "self",
        "oldSelf",
        ".a",
        ".b",
        ".spec",
        "has(self.a)",
        "self.all(x, ",
        "self.exists(x, ",
        "self.map(x, ",
        "x",
        ")",
        "(",
        "[",
        "]",
        " == ",
        " != ",
        " < ",
        " + ",
        " && ",
        " || ",
        "!",
        "1",
        "'s'",
        "null",
        "true",
        "size(self)",
        " in ",
        "dyn(",
        "string(",
        "int(",
        ".size()",
        "[0]",
        ".matches('a+')",
        "duration(",
        "quantity(",
        "type(",
        "optional.of(",
        ".orValue(",
        ".?a",
        "? true : false",
        "-",
        ".startsWith('a')",
        "cidr(",
        "isURL(",
        "sets.contains(",
    ]);
    let expression = prop::collection::vec(part, 1..8).prop_map(|parts| parts.concat());
    (expression.clone(), expression, prop::option::of("[.a-c\\[\\]']{0,6}"), any::<[bool; 2]>()).prop_map(
        |(rule, message, path, flags)| {
            let mut rule = json!({"rule": rule});
            if flags[0] {
                rule["messageExpression"] = message.into();
            }
            if flags[1] {
                rule["optionalOldSelf"] = true.into();
            }
            if let Some(path) = path {
                rule["fieldPath"] = path.into();
            }
            rule
        },
    )
}

fn schema() -> impl Strategy<Value = Value> {
    let ty = prop::sample::select(vec!["object", "array", "string", "integer", "number", "boolean", "strange"]);
    let leaf = (ty, value(), any::<[bool; 4]>(), -3i64..4, prop::option::of(rule())).prop_map(
        |(ty, any, flags, bound, rule)| {
            let mut schema = json!({"type": ty});
            if flags[0] {
                schema["default"] = any.clone();
            }
            if flags[1] {
                schema["enum"] = json!([any, bound]);
            }
            if flags[2] {
                for name in ["minimum", "maximum", "maxLength", "minItems", "maxItems", "maxProperties", "multipleOf"] {
                    schema[name] = bound.into();
                }
                schema["format"] = "date-time".into();
                schema["pattern"] = "(a|b".into();
            }
            if flags[3] {
                schema["nullable"] = true.into();
            }
            if let Some(rule) = rule {
                schema["x-kubernetes-validations"] = json!([rule]);
            }
            schema
        },
    );
    leaf.prop_recursive(4, 24, 3, |inner| {
        let members = prop::collection::vec((prop::sample::select(&NAMES[..]), inner.clone()), 0..3);
        (members, inner.clone(), inner, any::<[bool; 5]>(), prop::option::of(rule())).prop_map(
            |(members, element, nested, flags, rule)| {
                let mut schema = json!({"type": "object", "properties": object(members)});
                if flags[0] {
                    schema = json!({"type": "array", "items": element, "x-kubernetes-list-type": "map",
                                    "x-kubernetes-list-map-keys": ["a"]});
                } else if flags[1] {
                    schema = json!({"type": "object", "additionalProperties": element});
                }
                if flags[2] {
                    schema["x-kubernetes-preserve-unknown-fields"] = true.into();
                }
                if flags[3] {
                    schema["x-kubernetes-embedded-resource"] = true.into();
                }
                if flags[4] {
                    schema["oneOf"] = json!([nested, {"required": ["b"]}]);
                    schema["not"] = nested;
                }
                if let Some(rule) = rule {
                    schema["x-kubernetes-validations"] = json!([rule]);
                }
                schema
            },
        )
    })
}

/// A definition of two versions; `strange` stands where something else belongs.
fn definition() -> impl Strategy<Value = Value> {
    let strange = prop::option::weighted(0.2, (0usize..8, value()));
    (schema(), schema(), schema(), strange, any::<bool>()).prop_map(|(spec, status, other, strange, webhook)| {
        let version = |name: &str, storage: bool, schema: Value| {
            json!({
                "name": name, "served": true, "storage": storage,
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.a", "statusReplicasPath": ".status.a", "labelSelectorPath": ".status.b",
                }},
                "additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": ".spec.a[*]['b']"}],
                "selectableFields": [{"jsonPath": ".spec.a"}],
                "schema": {"openAPIV3Schema": schema},
            })
        };
        let names = json!({"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"});
        let first = json!({"type": "object", "properties": {"spec": spec, "status": status}});
        let mut crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com", "uid": "1"},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": names, "conversion": {"strategy": "None"},
                "versions": [version("v1", true, first), version("v2", false, other)],
            },
            "status": {"acceptedNames": names, "storedVersions": ["v1"], "conditions": []},
        });
        if webhook {
            crd["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://a.example.com/"},
            }});
        }
        if let Some((place, strange)) = strange {
            let place =
                ["names", "conversion", "group", "scope", "versions", "schema", "columns", "subresources"][place];
            match place {
                "schema" => crd["spec"]["versions"][0]["schema"] = strange,
                "columns" => crd["spec"]["versions"][0]["additionalPrinterColumns"] = strange,
                "subresources" => crd["spec"]["versions"][0]["subresources"] = strange,
                place => crd["spec"][place] = strange,
            }
        }
        crd
    })
}

/// An object that looks like one of the definition.
fn thing(mut object: Value, version: &str) -> Value {
    if !object.is_object() {
        object = json!({"spec": object});
    }
    object::set(&mut object, &["apiVersion"], format!("example.com/{version}"));
    object::set(&mut object, &["kind"], "Thing");
    object::set(&mut object, &["metadata"], json!({"name": "a", "namespace": "b", "uid": "1", "labels": {"l": "1"}}));
    object
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.min(2_000), ..ProptestConfig::default() })]

    #[test]
    fn definitions_are_judged_and_their_objects_read(crd in definition(), new in value(), old in value()) {
        let (user, warnings) = (User::of_server(), Mutex::default());
        let request = Request { user: &user, subresource: "", group: "apiextensions.k8s.io", warnings: &warnings };
        let mut errors = ErrorList::default();
        CustomResourceDefinition.validate(&crd, &request, &mut errors);
        CustomResourceDefinition.warnings(&crd, None, &request, &mut Vec::new());
        CustomResourceDefinition.validate_update(&crd, &crd, &request, &mut ErrorList::default());
        let pool = apiserver_schema::structural::Pool::default();
        let Some(definition) = Definition::compile(&pool, &crd) else { return Ok(()) };
        let definition = std::sync::Arc::new(definition);
        for (version, served) in definition.versions.iter().enumerate() {
            let hooks = CustomResource { definition: std::sync::Arc::clone(&definition), version };
            let stored = thing(new.clone(), &served.name).to_string();
            let Ok(read) = definition.read(stored.as_bytes()) else { continue };
            let again = definition.read(read.to_string().as_bytes());
            // Only what was found fit is served.
            if errors.is_empty() {
                prop_assert_eq!(Ok(&read), again.as_ref());
            }
            hooks.validate(&read, &request, &mut ErrorList::default());
            let before = thing(old.clone(), &served.name);
            hooks.validate_update(&read, &before, &request, &mut ErrorList::default());
            hooks.validate_status_update(&read, &before, &mut ErrorList::default());
            let _ = hooks.renamed(thing(old.clone(), "v1"));
        }
    }

    #[test]
    fn conversion_reviews_are_judged(crd in definition(), answer in value(), converted in value(), fits in any::<[bool; 5]>()) {
        for version in ["v1", "v1beta1"] {
            let _ = answered(version, "1", answer.clone());
            let review = json!({
                "apiVersion": format!("apiextensions.k8s.io/{version}"), "kind": "ConversionReview",
                "response": {"uid": "1", "result": {"status": "Success"}, "convertedObjects": answer},
            });
            let objects = answered(version, "1", review);
            match &answer {
                Value::Array(items) => prop_assert_eq!(objects.as_ref(), Ok(items)),
                Value::Null => prop_assert_eq!(objects, Ok(Vec::new())),
                _ => prop_assert!(objects.is_err()),
            }
        }
        let pool = apiserver_schema::structural::Pool::default();
        let Some(definition) = Definition::compile(&pool, &crd) else { return Ok(()) };
        let Some(to) = definition.versions.iter().position(|version| version.name == "v2") else { return Ok(()) };
        let mut converted = converted;
        if let Value::Object(members) = &mut converted {
            for (fit, (name, value)) in fits.iter().zip([
                ("apiVersion", json!("example.com/v2")), ("kind", json!("Thing")),
                ("metadata", json!({"name": "a", "namespace": "b", "uid": "1"})),
            ]) {
                if *fit {
                    members.insert(name.to_owned(), value);
                }
            }
        }
        let original = thing(answer, "v1");
        if let Ok(taken) = taken_over(&definition, original, converted, to, "conversion webhook") {
            prop_assert_eq!(&taken["apiVersion"], "example.com/v2");
            prop_assert_eq!(&taken["metadata"]["uid"], "1");
        }
    }
}
