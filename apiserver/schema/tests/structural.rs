//! Structural schemas of any shape, and objects of any shape against them.

#![allow(clippy::unwrap_used)]

use apiserver_schema::structural::{
    Pool, coerce_embedded, compile, default, duplicates, prune, prune_nulls, validate, validate_update,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names that schemas and objects share, so that they meet.
const NAMES: [&str; 5] = ["a", "b", "kind", "metadata", "apiVersion"];

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

fn object(members: Vec<(&'static str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

fn schema() -> impl Strategy<Value = Value> {
    let ty = prop::sample::select(vec!["object", "array", "string", "integer", "number", "boolean", "strange"]);
    let leaf = (ty, value(), any::<[bool; 4]>(), -3i64..4).prop_map(|(ty, any, flags, bound)| {
        let mut schema = json!({"type": ty, "nullable": flags[0]});
        if flags[1] {
            schema["default"] = any.clone();
        }
        if flags[2] {
            schema["enum"] = json!([any, bound]);
        }
        if flags[3] {
            for name in ["minimum", "maximum", "maxLength", "minItems", "maxProperties", "multipleOf"] {
                schema[name] = bound.into();
            }
            schema["format"] = "date-time".into();
            schema["pattern"] = "(a|b".into();
        }
        schema
    });
    leaf.prop_recursive(4, 24, 3, |inner| {
        let members = prop::collection::vec((prop::sample::select(&NAMES[..]), inner.clone()), 0..3);
        (members, inner.clone(), inner, any::<[bool; 5]>()).prop_map(|(members, element, nested, flags)| {
            let mut schema = json!({"type": "object", "properties": object(members), "required": ["a"]});
            if flags[0] {
                schema = json!({"type": "array", "items": element, "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["a", "b"]});
            } else if flags[1] {
                schema = json!({"type": "object", "additionalProperties": element});
            }
            schema["x-kubernetes-preserve-unknown-fields"] = flags[2].into();
            schema["x-kubernetes-embedded-resource"] = flags[3].into();
            if flags[4] {
                schema["oneOf"] = json!([nested, {"required": ["b"]}]);
                schema["not"] = nested;
            }
            schema
        })
    })
}

proptest! {
    #[test]
    fn nothing_panics_and_everything_is_done_once(schema in schema(), mut object in value(), old in value()) {
        let pool = Pool::default();
        let node = compile(&pool, &schema);
        prune(&node, &mut object);
        prop_assert!(prune(&node, &mut object).is_empty());
        prune_nulls(&node, &mut object);
        let _ = coerce_embedded(&node, &mut object, "", true, &mut Vec::new());
        default(&node, &mut object);
        let defaulted = object.clone();
        default(&node, &mut object);
        prop_assert_eq!(&defaulted, &object);
        let _ = validate(&node, &object);
        let _ = validate_update(&node, &object, &old);
        // What is unchanged may stay as it is.
        prop_assert!(validate_update(&node, &object, &object).is_empty());
        duplicates(&node, &object, "", &mut |_, _, _| {});
    }

    #[test]
    fn any_json_is_a_schema_of_sorts(schema in value(), object in value()) {
        let pool = Pool::default();
        let node = compile(&pool, &schema);
        let _ = validate(&node, &object);
        drop(node);
        prop_assert!(pool.is_empty());
    }
}
