//! Strategic merge patches against a Deployment in miniature.

use proptest::prelude::*;
use serde_json::json;

use super::{PatchError, Value, apply};
use crate::test_types::deployment;

fn patched(mut doc: Value, patch: Value) -> Result<Value, PatchError> {
    apply(&deployment(), &mut doc, &patch).map(|()| doc)
}

/// Wraps a pod spec into a Deployment.
fn pod(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

fn check(before: Value, patch: Value, want: Value) {
    assert_eq!(patched(before, patch.clone()), Ok(want), "{patch}");
}

#[test]
fn maps_merge_and_nulls_delete() {
    check(
        json!({"metadata": {"labels": {"a": "1", "b": "2"}}}),
        json!({"metadata": {"labels": {"b": null, "c": "3", "d": null}}}),
        json!({"metadata": {"labels": {"a": "1", "c": "3"}}}),
    );
    check(json!({}), json!({"metadata": {"labels": {"x": null}}}), json!({"metadata": {"labels": {}}}));
    check(json!({"spec": {"replicas": 1}}), json!({"spec": null}), json!({}));
}

#[test]
fn map_directives() {
    let before = || json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
    check(
        before(),
        json!({"metadata": {"labels": {"$patch": "replace", "z": "9"}}}),
        json!({"metadata": {"labels": {"z": "9"}}}),
    );
    check(before(), json!({"metadata": {"labels": {"$patch": "delete"}}}), json!({"metadata": {"labels": {}}}));
    check(json!({}), json!({"metadata": {"labels": {"$patch": "delete"}}}), json!({"metadata": {}}));
    let refused = patched(before(), json!({"metadata": {"labels": {"$patch": "nope"}}}));
    assert_eq!(refused, Err(PatchError::Internal("unknown patch type: nope in map: map[$patch:nope]".to_owned())));
}

#[test]
fn keyed_lists_merge_by_key() {
    check(
        pod(json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}]})),
        pod(json!({"containers": [{"name": "c"}, {"name": "a", "image": "2", "command": null}]})),
        // The order of the patch; what only the server has goes before what it stood before.
        pod(json!({"containers": [{"name": "c"}, {"name": "a", "image": "2"}, {"name": "b"}]})),
    );
    check(
        pod(json!({"containers": [{"name": "a"}, {"name": "b"}]})),
        pod(json!({"containers": [{"name": "a", "$patch": "delete"}]})),
        pod(json!({"containers": [{"name": "b"}]})),
    );
    check(
        pod(json!({"containers": [{"name": "a"}, {"name": "b"}]})),
        pod(json!({"containers": [{"$patch": "replace"}, {"name": "z"}]})),
        pod(json!({"containers": [{"name": "z"}]})),
    );
    check(
        pod(json!({})),
        pod(json!({"containers": [{"name": "z", "$patch": "delete"}, {"name": "y"}]})),
        pod(json!({"containers": [{"name": "y"}]})),
    );
}

#[test]
fn lists_without_strategy_are_replaced() {
    check(
        pod(json!({"tolerations": [{"key": "a"}]})),
        pod(json!({"tolerations": [{"key": "b"}]})),
        pod(json!({"tolerations": [{"key": "b"}]})),
    );
}

#[test]
fn lists_of_scalars_are_sets() {
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    check(finalizers(json!(["a", "b"])), finalizers(json!(["c", "a"])), finalizers(json!(["c", "a", "b"])));
    check(
        finalizers(json!(["a", "b", "c"])),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b", "x"]}}),
        finalizers(json!(["a", "c"])),
    );
    check(
        finalizers(json!(["a", "b"])),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["c", "b"], "finalizers": ["c"]}}),
        // Deletion works on what the ordered merge leaves.
        finalizers(json!(["c", "b"])),
    );
    let refused = patched(json!({"metadata": {}}), json!({"metadata": {"$deleteFromPrimitiveList": ["b"]}}));
    assert_eq!(refused, Err(PatchError::BadRequest("invalid patch format of primitive list".to_owned())));
}

#[test]
fn element_order() {
    let before = pod(json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}));
    let order = json!([{"name": "c"}, {"name": "a"}]);
    check(
        before.clone(),
        pod(json!({"$setElementOrder/containers": order})),
        pod(json!({"containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}]})),
    );
    check(
        before.clone(),
        pod(
            json!({"$setElementOrder/containers": [{"name": "n"}, {"name": "a"}], "containers": [{"name": "n", "image": "1"}]}),
        ),
        pod(json!({"containers": [{"name": "n", "image": "1"}, {"name": "a"}, {"name": "b"}, {"name": "c"}]})),
    );
    let refused =
        patched(before, pod(json!({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "n"}]})));
    let message = "The order in patch list:\n[map[name:n]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n";
    assert_eq!(refused, Err(PatchError::Internal(message.to_owned())));
}

#[test]
fn what_is_added_takes_the_place_of_what_is_deleted() {
    // As upstream answers, by accident of its memory: `a` stays before `d`, which came after it into the room of `b`.
    check(
        pod(json!({"containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}]})),
        pod(json!({
            "$setElementOrder/containers": [{"name": "b"}, {"name": "d"}, {"name": "c"}],
            "containers": [{"name": "b", "$patch": "delete"}, {"name": "d"}, {"name": "c", "image": "2"}],
        })),
        pod(json!({"containers": [{"name": "a"}, {"name": "d"}, {"name": "c", "image": "2"}]})),
    );
}

#[test]
fn retained_keys() {
    check(
        pod(json!({"volumes": [{"name": "v", "emptyDir": {}}]})),
        pod(json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]})),
        pod(json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]})),
    );
    check(
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        json!({"spec": {"strategy": {"type": "Recreate"}}}),
    );
    let refused = patched(
        json!({"spec": {"strategy": {"type": "x"}}}),
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}),
    );
    assert_eq!(refused, Err(PatchError::BadRequest("invalid patch format of retainKeys".to_owned())));
}

#[test]
fn refusals() {
    for (before, patch, want) in [
        (
            pod(json!({"containers": [{"name": "a"}]})),
            pod(json!({"containers": [{"image": "x"}]})),
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            json!({"foo": {}}),
            json!({"foo": {}}),
            "unable to find api field in struct Deployment for the json field \"foo\"",
        ),
        (
            pod(json!({"containers": [{"name": "a"}]})),
            pod(json!({"containers": ["x"]})),
            "list element types are not identical: [[map[name:a]] [x]]",
        ),
    ] {
        assert_eq!(patched(before, patch), Err(PatchError::Internal(want.to_owned())));
    }
    let lists = patched(json!({"metadata": {"finalizers": [["a"]]}}), json!({"metadata": {"finalizers": [["b"]]}}));
    assert_eq!(lists.map_err(|error| error.code()), Err(422));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), Just(json!("x")), Just(json!(1)), Just(json!(true))];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let key = prop_oneof![
            Just("metadata"),
            Just("labels"),
            Just("finalizers"),
            Just("spec"),
            Just("template"),
            Just("containers"),
            Just("name"),
            Just("env"),
            Just("volumes"),
            Just("$patch"),
            Just("$retainKeys"),
            Just("$setElementOrder/containers"),
            Just("$deleteFromPrimitiveList/finalizers"),
            Just("$setElementOrder"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_patch_makes_it_panic(doc in any_json(), patch in any_json()) {
        let _ = patched(doc, patch);
    }

    #[test]
    fn plain_patches_are_idempotent(
        live in prop::collection::btree_map("[a-f]", "[0-9]", 1..5),
        wanted in prop::collection::btree_map("[a-f]", "[0-9]", 0..5),
    ) {
        let list = |all: &std::collections::BTreeMap<String, String>| -> Value {
            all.iter().map(|(name, image)| json!({"name": name, "image": image})).collect()
        };
        let patch = pod(json!({"containers": list(&wanted)}));
        let once = patched(pod(json!({"containers": list(&live)})), patch.clone()).expect("applies");
        prop_assert_eq!(patched(once.clone(), patch), Ok(once.clone()));
        let mut all = live.clone();
        all.extend(wanted);
        let names = once["spec"]["template"]["spec"]["containers"].as_array().map_or(0, Vec::len);
        prop_assert_eq!(names, all.len());
    }
}
