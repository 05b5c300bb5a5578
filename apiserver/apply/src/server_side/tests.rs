//! Who owns what, on a Deployment in miniature.

use std::sync::Arc;

use apiserver_schema::Type;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::managed_fields::Pattern;
use crate::test_types::deployment;

const T1: &str = "2026-01-01T00:00:01Z";
const T2: &str = "2026-01-01T00:00:02Z";

/// An API server with one object and no defaulting.
struct Server {
    schema: Arc<Type>,
    live: Option<Value>,
    reset: Option<Filter>,
    subresource: &'static str,
}

struct OneReset<'a>(&'a Option<Filter>);

impl Versions for OneReset<'_> {
    fn schema(&self, _: &str) -> Option<Ref<Type>> {
        None
    }
    fn convert<'v>(&self, object: &'v Value, _: &str) -> Result<Cow<'v, Value>, String> {
        Ok(Cow::Borrowed(object))
    }
    fn reset_fields(&self, _: &str) -> Option<&Filter> {
        self.0.as_ref()
    }
}

impl Server {
    fn new() -> Server {
        Server { schema: deployment(), live: None, reset: None, subresource: "" }
    }

    fn run<R>(&self, call: impl FnOnce(&Resource<'_>) -> R) -> R {
        call(&Resource {
            schema: &self.schema,
            api_version: "apps/v1",
            kind: "Deployment",
            subresource: self.subresource,
            custom: false,
            versions: &OneReset(&self.reset),
        })
    }

    fn update(&mut self, manager: &str, time: &str, mut new: Value) {
        self.run(|resource| update(resource, self.live.as_ref(), &mut new, Writer { manager, time }));
        self.live = Some(new);
    }

    /// An update of some members of the live object.
    fn patch(&mut self, manager: &str, time: &str, patch: Value) {
        let mut new = self.live.clone().expect("created");
        crate::merge_patch::apply_value(&mut new, patch).expect("a patch");
        self.update(manager, time, new);
    }

    fn try_apply(&self, manager: &str, time: &str, config: Value, force: bool) -> Result<Value, ApplyError> {
        self.run(|resource| apply(resource, self.live.as_ref(), &config, Writer { manager, time }, force))
    }

    fn apply(&mut self, manager: &str, time: &str, config: Value) {
        self.live = Some(self.try_apply(manager, time, config, false).expect("no conflict"));
    }

    fn live(&self) -> &Value {
        self.live.as_ref().expect("created")
    }

    /// `manager operation time: set` of every entry.
    fn managers(&self) -> Vec<String> {
        let entries = managed_fields(self.live()).and_then(Value::as_array).into_iter().flatten();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        entries
            .map(|entry| {
                let set = FieldSet::from_value(&entry["fieldsV1"]).expect("a set").to_json();
                let time = text(entry, "time").replace("2026-01-01T00:00:0", "").replace('Z', "");
                format!("{} {} {time}: {}", text(entry, "manager"), text(entry, "operation"), set.replace("{}", "_"))
            })
            .collect()
    }
}

fn config(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
}

fn conflict(result: Result<Value, ApplyError>) -> Conflicts {
    match result {
        Err(ApplyError::Conflict(conflicts)) => conflicts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_create_owns_what_it_sets_but_not_structs() {
    let mut server = Server::new();
    server.update(
        "m",
        T1,
        config(json!({
            "replicas": 1,
            "selector": {"matchLabels": {"a": "b"}},
            "strategy": {"type": "x", "rollingUpdate": {"maxSurge": 1}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{
                "name": "c", "ports": [{"containerPort": 443}, {"containerPort": 80, "protocol": "UDP"}], "resources": {},
            }], "nodeSelector": {"x": "y"}}},
        })),
    );
    let want = r#"m Update 1: {"f:spec":{"f:replicas":_,"f:selector":_,"f:strategy":{"f:rollingUpdate":{".":_,"f:maxSurge":_},"f:type":_},"f:template":{"f:metadata":{"f:labels":{".":_,"f:a":_}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":_,"f:name":_,"f:ports":{".":_,"k:{\"containerPort\":80,\"protocol\":\"UDP\"}":{".":_,"f:containerPort":_,"f:protocol":_},"k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{".":_,"f:containerPort":_}},"f:resources":_}},"f:nodeSelector":_}}}}"#;
    assert_eq!(server.managers(), [want]);
}

#[test]
fn updates_move_ownership_and_times() {
    let mut server = Server::new();
    server.update("a", T1, config(json!({"replicas": 1, "strategy": {"type": "x"}})));
    server.patch("b", T2, json!({"spec": {"replicas": 2}}));
    let a = r#"a Update 1: {"f:spec":{"f:strategy":{"f:type":_}}}"#;
    assert_eq!(server.managers(), [a, r#"b Update 2: {"f:spec":{"f:replicas":_}}"#]);
    // Nothing changes: no new time.
    server.patch("b", "2026-01-01T00:00:09Z", json!({"spec": {"replicas": 2}}));
    assert_eq!(server.managers(), [a, r#"b Update 2: {"f:spec":{"f:replicas":_}}"#]);
    // Removal takes the field from its owner; an owner of nothing is forgotten.
    server.patch("a", "2026-01-01T00:00:03Z", json!({"spec": {"replicas": null}}));
    assert_eq!(server.managers(), [a]);
}

#[test]
fn updates_may_clear_managed_fields() {
    for reset in [json!([]), json!([{}])] {
        let mut server = Server::new();
        server.update("a", T1, config(json!({"replicas": 1})));
        let mut new = server.live().clone();
        new["metadata"]["managedFields"] = reset;
        server.update("b", T2, new);
        assert_eq!(server.managers(), [""; 0]);
        // Without managers updates are not tracked...
        server.patch("b", T2, json!({"spec": {"replicas": 2}}));
        assert_eq!(server.managers(), [""; 0]);
        // ... until the first apply.
        server.apply("x", T2, config(json!({"replicas": 2})));
        let set = r#"{"f:spec":{"f:replicas":_}}"#;
        assert_eq!(server.managers(), [format!("x Apply : {set}"), format!("before-first-apply Update 2: {set}")]);
    }
}

#[test]
fn clients_that_do_not_know_managed_fields_keep_them() {
    for broken in [
        Value::Null,
        json!([{"manager": "x"}]),
        json!([{"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"x": {}}}]),
    ] {
        let mut server = Server::new();
        server.update("a", T1, config(json!({"replicas": 1})));
        let mut new = server.live().clone();
        new["metadata"]["managedFields"] = broken;
        server.update("b", T2, new);
        assert_eq!(server.managers(), [r#"a Update 1: {"f:spec":{"f:replicas":_}}"#]);
    }
}

#[test]
fn apply_conflicts_with_owners_unless_forced() {
    let mut server = Server::new();
    server.update("a", T1, config(json!({"replicas": 1, "strategy": {"type": "x"}})));
    let conflicts = conflict(server.try_apply("b", T2, config(json!({"replicas": 2})), false));
    let want = r#"Apply failed with 1 conflict: conflict with "a" using apps/v1: .spec.replicas"#;
    assert_eq!(conflicts.message, want);
    server.live = server.try_apply("b", T2, config(json!({"replicas": 2})), true).ok();
    assert_eq!(
        server.managers(),
        [r#"b Apply 2: {"f:spec":{"f:replicas":_}}"#, r#"a Update 1: {"f:spec":{"f:strategy":{"f:type":_}}}"#]
    );
    assert_eq!(server.live()["spec"]["replicas"], 2);
}

#[test]
fn equal_values_are_shared() {
    let mut server = Server::new();
    server.apply("a", T1, config(json!({"replicas": 1, "strategy": {"type": "x"}})));
    server.apply("b", T2, config(json!({"replicas": 1})));
    let both = [
        r#"b Apply : {"f:spec":{"f:replicas":_}}"#,
        r#"a Apply 1: {"f:spec":{"f:replicas":_,"f:strategy":{"f:type":_}}}"#,
    ];
    // The object did not change, so b has no time.
    assert_eq!(server.managers(), both);
    // What one gives up stays for the other.
    server.apply("a", T2, config(json!({"strategy": {"type": "x"}})));
    assert_eq!(server.live()["spec"]["replicas"], 1);
    assert_eq!(
        server.managers(),
        [r#"b Apply : {"f:spec":{"f:replicas":_}}"#, r#"a Apply 1: {"f:spec":{"f:strategy":{"f:type":_}}}"#]
    );
    let text = conflict(server.try_apply("a", T2, config(json!({"replicas": 3})), false)).message;
    assert_eq!(text, r#"Apply failed with 1 conflict: conflict with "b": .spec.replicas"#);
}

#[test]
fn what_is_not_applied_any_more_goes() {
    let mut server = Server::new();
    let containers = |list: Value| config(json!({"template": {"spec": {"containers": list}}}));
    server.apply(
        "a",
        T1,
        containers(json!([{"name": "x", "image": "1"}, {"name": "y", "image": "1", "command": ["z"]}])),
    );
    server.patch("b", T2, json!({"spec": {"replicas": 7}}));
    server.apply("a", T2, containers(json!([{"name": "y", "image": "2"}])));
    assert_eq!(server.live()["spec"]["template"]["spec"]["containers"], json!([{"name": "y", "image": "2"}]));
    assert_eq!(server.live()["spec"]["replicas"], 7);
    // Nothing is left below the template.
    server.apply("a", T2, config(json!({})));
    assert_eq!(server.live()["spec"], json!({"replicas": 7, "selector": null, "strategy": {}}));
}

#[test]
fn items_with_parts_of_others_stay() {
    let mut server = Server::new();
    let containers = |list: Value| config(json!({"template": {"spec": {"containers": list}}}));
    server.apply("a", T1, containers(json!([{"name": "x", "image": "1"}])));
    server.apply("b", T1, containers(json!([{"name": "x", "command": ["c"]}])));
    server.apply("a", T2, config(json!({})));
    assert_eq!(server.live()["spec"]["template"]["spec"]["containers"], json!([{"name": "x", "command": ["c"]}]));
}

#[test]
fn lists_keep_the_order_of_the_applier() {
    let mut server = Server::new();
    let finalizers = |list: &[&str]| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "finalizers": list}});
    server.apply("a", T1, finalizers(&["1", "2", "3"]));
    server.apply("b", T1, finalizers(&["3", "4", "1"]));
    assert_eq!(server.live()["metadata"]["finalizers"], json!(["2", "3", "4", "1"]));
    let refused = server.try_apply("b", T1, finalizers(&["3", "3"]), false);
    let text = "failed to create typed patch object (/d; apps/v1, Kind=Deployment): .metadata.finalizers: duplicate entries for key [=\"3\"]";
    assert_eq!(refused, Err(ApplyError::Internal(text.to_owned())));
}

#[test]
fn duplicates_that_are_there_are_owned_as_a_whole() {
    let mut server = Server::new();
    let env = |list: Value| config(json!({"template": {"spec": {"containers": [{"name": "x", "env": list}]}}}));
    server.update("a", T1, env(json!([{"name": "E", "value": "1"}, {"name": "E", "value": "2"}])));
    let owned = r#""f:env":{".":_,"k:{\"name\":\"E\"}":_}"#;
    assert!(server.managers()[0].contains(owned), "{:?}", server.managers());
    server.update("b", T2, env(json!([{"name": "E", "value": "1"}])));
    let owned = r#""f:env":{"k:{\"name\":\"E\"}":{".":_,"f:name":_,"f:value":_}}"#;
    assert!(server.managers()[1].contains(owned), "{:?}", server.managers());
}

#[test]
fn refusals() {
    let server = Server::new();
    let refuse = |config: Value| server.try_apply("a", T1, config, false).expect_err("refused");
    let mut with_managed = config(json!({}));
    with_managed["metadata"]["managedFields"] = json!([]);
    assert_eq!(refuse(with_managed), ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    let other = json!({"apiVersion": "v1", "kind": "Pod"});
    assert_eq!(refuse(other), ApplyError::BadRequest("invalid object type: /v1, Kind=Pod".to_owned()));
    for (spec, want) in [
        (json!({"foo": 1}), ".spec.foo: field not declared in schema"),
        (json!({"replicas": "x"}), ".spec.replicas: expected numeric (int or float), got string"),
        (
            json!({"template": {"spec": {"containers": {"name": "c"}, "hostNetwork": "y", "nodeName": {"a": 1}}}}),
            "errors:\n  .spec.template.spec.containers: expected list, got &{map[name:c]}\n  .spec.template.spec.hostNetwork: expected boolean, got &{y}\n  .spec.template.spec.nodeName: expected string, got &value.valueUnstructured{Value:map[string]interface {}{\"a\":1}}",
        ),
        (
            json!({"template": {"spec": {"containers": [{"name": "c"}, {"name": "c"}]}}}),
            ".spec.template.spec.containers: duplicate entries for key [name=\"c\"]",
        ),
    ] {
        let text = format!("failed to create typed patch object (/d; apps/v1, Kind=Deployment): {want}");
        assert_eq!(refuse(config(spec)), ApplyError::Internal(text));
    }
}

#[test]
fn reset_fields_are_owned_by_no_writer_of_that_endpoint() {
    let mut server = Server::new();
    server.reset = Some(Filter::Exclude(FieldSet::of_fields(&[&["status"]])));
    let mut new = config(json!({"replicas": 1}));
    new["status"] = json!({"replicas": 3});
    server.update("a", T1, new.clone());
    assert_eq!(server.managers(), [r#"a Update 1: {"f:spec":{"f:replicas":_}}"#]);

    server.subresource = "status";
    server.reset = Some(Filter::Include(vec![vec![Pattern::field("status")]]));
    server.patch("a", T2, json!({"status": {"replicas": 4}, "metadata": {"managedFields": []}}));
    let entries = managed_fields(server.live()).cloned().expect("managers");
    assert_eq!(entries.as_array().map(Vec::len), Some(2), "one entry per subresource");
    assert_eq!(entries[1]["subresource"], "status");
    assert_eq!(entries[1]["fieldsV1"], json!({"f:status": {"f:replicas": {}}}));
}

#[test]
fn kubectl_takes_over_from_client_side_apply() {
    let applied = config(json!({"replicas": 1}));
    let mut created = applied.clone();
    created["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": applied.to_string()});
    let mut server = Server::new();
    server.update("kubectl-client-side-apply", T1, created);
    conflict(server.try_apply("other", T2, config(json!({"replicas": 2})), false));
    server.apply("kubectl", T2, config(json!({"replicas": 2})));
    assert_eq!(
        server.managers(),
        [
            r#"kubectl Apply 2: {"f:spec":{"f:replicas":_}}"#,
            r#"kubectl-client-side-apply Update 1: {"f:metadata":{"f:annotations":{".":_,"f:kubectl.kubernetes.io/last-applied-configuration":_}}}"#,
        ]
    );
    let annotation = &server.live()["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    let annotation: Value = serde_json::from_str(annotation.as_str().expect("text")).expect("JSON");
    assert_eq!(annotation, config(json!({"replicas": 2})));

    // What others changed since is a conflict as ever.
    server.patch("human", T2, json!({"spec": {"replicas": 5}}));
    let text = conflict(server.try_apply("kubectl", T2, config(json!({"replicas": 2})), false)).message;
    assert_eq!(text, r#"Apply failed with 1 conflict: conflict with "human" using apps/v1: .spec.replicas"#);
}

#[test]
fn arbitrary_values_are_atomic() {
    let mut server = Server::new();
    server.apply("a", T1, config(json!({"parameters": {"a": 1}})));
    assert_eq!(server.managers(), [r#"a Apply 1: {"f:spec":{"f:parameters":_}}"#]);
    conflict(server.try_apply("b", T2, config(json!({"parameters": {"b": 1}})), false));
}

#[test]
fn objects_without_schema_merge_maps_and_replace_lists() {
    let mut server = Server::new();
    server.schema = Arc::new(Type {
        name: "x".into(),
        fields: Vec::new().into(),
        atomic: false,
        preserve_unknown: true,
        structural: None,
    });
    server.apply("a", T1, config(json!({"map": {"a": 1, "b": {"c": 2}}, "list": [1, 2]})));
    let want = r#"a Apply 1: {"f:spec":{"f:list":_,"f:map":{".":_,"f:a":_,"f:b":{".":_,"f:c":_}}}}"#;
    assert_eq!(server.managers(), [want.replace(r#""f:spec":{"#, r#""f:spec":{".":_,"#)]);
    server.apply("b", T1, config(json!({"map": {"b": {"d": 3}}})));
    assert_eq!(server.live()["spec"]["map"], json!({"a": 1, "b": {"c": 2, "d": 3}}));
    conflict(server.try_apply("b", T2, config(json!({"list": [1]})), false));
}

#[test]
fn sets_follow_the_schema() {
    let mut server = Server::new();
    server.apply("a", T1, config(json!({"selector": {"matchLabels": {"a": "b"}}})));
    // As written when the selector was not atomic yet.
    server.live.as_mut().expect("created")["metadata"]["managedFields"][0]["fieldsV1"] =
        json!({"f:spec": {"f:selector": {"f:matchLabels": {".": {}, "f:a": {}}}}});
    server.patch("b", T2, json!({"spec": {"replicas": 1}}));
    assert_eq!(server.managers()[0], r#"a Apply 1: {"f:spec":{"f:selector":_}}"#);
}

#[test]
fn managers_of_unknown_versions_are_forgotten() {
    let mut server = Server::new();
    server.update("a", T1, config(json!({"replicas": 1})));
    server.live.as_mut().expect("created")["metadata"]["managedFields"][0]["apiVersion"] = json!("apps/v1beta1");
    server.patch("b", T2, json!({"spec": {"replicas": 2}}));
    assert_eq!(server.managers(), [r#"b Update 2: {"f:spec":{"f:replicas":_}}"#]);
}

#[test]
fn custom_resources_own_their_structs() {
    use crate::test_types::{field, map_of, object, ty};
    use apiserver_schema::{Omit, Shape};
    // Nothing of a custom resource is there unless it was sent.
    let optional = |name, shape| apiserver_schema::Field { omit: Omit::Empty, pointer: true, ..field(name, shape) };
    let any =
        Type { name: "Any".into(), fields: Vec::new().into(), atomic: false, preserve_unknown: true, structural: None };
    let spec = vec![
        optional("replicas", Shape::Int64),
        optional("strategy", object("Strategy", vec![optional("type", Shape::String)])),
        optional("labels", map_of(Shape::String)),
        optional("any", Shape::Object(Ref::Shared(Arc::new(any)))),
    ];
    let metadata = object("ObjectMeta", vec![field("name", Shape::String), field("labels", map_of(Shape::String))]);
    let schema = ty("Bar", vec![field("metadata", metadata), optional("spec", object("Spec", spec))]);
    let resource = Resource {
        schema: &schema,
        api_version: "x.io/v1",
        kind: "Bar",
        subresource: "",
        custom: true,
        versions: &OneVersion,
    };
    let bar = |spec: Value| json!({"apiVersion": "x.io/v1", "kind": "Bar", "metadata": {"name": "b"}, "spec": spec});
    let sets = |object: &Value| -> Vec<String> {
        let entries = managed_fields(object).and_then(Value::as_array).into_iter().flatten();
        entries.map(|entry| entry["fieldsV1"].to_string().replace("{}", "_")).collect()
    };
    let mut live = bar(json!({
        "replicas": 1, "strategy": {"type": "x"}, "labels": {"a": "b"}, "any": {"a": {"b": 1}, "l": [1]},
    }));
    live["metadata"]["labels"] = json!({"l": "1"});
    update(&resource, None, &mut live, Writer { manager: "m", time: T1 });
    let created = r#"{"f:metadata":{"f:labels":{".":_,"f:l":_}},"f:spec":{".":_,"f:any":{".":_,"f:a":{".":_,"f:b":_},"f:l":_},"f:labels":{".":_,"f:a":_},"f:replicas":_,"f:strategy":{".":_,"f:type":_}}}"#;
    assert_eq!(sets(&live), [created]);

    let config = bar(json!({"strategy": {"type": "z"}, "any": {"a": {"b": 2}}, "labels": {"c": "d"}}));
    let writer = Writer { manager: "a", time: T2 };
    let live = apply(&resource, Some(&live), &config, writer, true).expect("forced");
    let applied = r#"{"f:spec":{"f:any":{"f:a":{".":_,"f:b":_}},"f:labels":{"f:c":_},"f:strategy":{"f:type":_}}}"#;
    let left = r#"{"f:metadata":{"f:labels":{".":_,"f:l":_}},"f:spec":{".":_,"f:any":{".":_,"f:a":_,"f:l":_},"f:labels":{".":_,"f:a":_},"f:replicas":_,"f:strategy":_}}"#;
    assert_eq!(sets(&live), [applied, left]);

    let refused = apply(&resource, Some(&live), &bar(json!({"foo": 1})), writer, false);
    let text = "failed to create typed patch object (/b; x.io/v1, Kind=Bar): .spec.foo: field not declared in schema";
    assert_eq!(refused, Err(ApplyError::Internal(text.to_owned())));

    let mut nothing = bar(json!({}));
    nothing.as_object_mut().expect("an object").remove("spec");
    let live = apply(&resource, Some(&live), &nothing, writer, false).expect("no conflict");
    assert_eq!(sets(&live), [left]);
}

/// `apps/v1` and a `apps/v2` that calls replicas count.
struct TwoVersions;

impl Versions for TwoVersions {
    fn schema(&self, version: &str) -> Option<Ref<Type>> {
        use crate::test_types::{object, pointer, ty};
        let spec = object("v2.Spec", vec![pointer("count", apiserver_schema::Shape::Int32)]);
        let field = crate::test_types::field("spec", spec);
        (version == "apps/v2").then(|| Ref::Shared(ty("v2.Deployment", vec![field])))
    }
    fn convert<'v>(&self, object: &'v Value, version: &str) -> Result<Cow<'v, Value>, String> {
        let (from, to) = if version == "apps/v2" { ("replicas", "count") } else { ("count", "replicas") };
        let mut object = object.clone();
        object["apiVersion"] = json!(version);
        if let Some(spec) = object["spec"].as_object_mut()
            && let Some(value) = spec.remove(from)
        {
            spec.insert(to.to_owned(), value);
        }
        Ok(Cow::Owned(object))
    }
    fn reset_fields(&self, _: &str) -> Option<&Filter> {
        None
    }
}

#[test]
fn managers_of_other_versions_are_compared_in_theirs() {
    let schema = deployment();
    let resource = Resource {
        schema: &schema,
        api_version: "apps/v1",
        kind: "Deployment",
        subresource: "",
        custom: false,
        versions: &TwoVersions,
    };
    let mut live = config(json!({"replicas": 1}));
    live["metadata"]["managedFields"] = json!([{
        "manager": "old", "operation": "Apply", "apiVersion": "apps/v2", "time": T1,
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:count": {}}},
    }]);
    let writer = |manager| Writer { manager, time: T2 };
    let text = conflict(apply(&resource, Some(&live), &config(json!({"replicas": 2})), writer("new"), false)).message;
    assert_eq!(text, r#"Apply failed with 1 conflict: conflict with "old": .spec.count"#);
    // The same applier in another version owns in the new one, and gives up in the old.
    let mut nothing = config(json!({}));
    nothing.as_object_mut().expect("an object").remove("spec");
    let applied = apply(&resource, Some(&live), &nothing, writer("old"), false).expect("no conflict");
    assert_eq!(applied["spec"], json!({}));
    assert_eq!(applied["metadata"].get("managedFields"), None);
}

/// As upstream: what becomes empty when the last that it held is given up goes too, though it is applied as empty.
#[test]
fn what_is_applied_empty_goes_with_what_it_held() {
    let mut server = Server::new();
    let containers = |container: Value| config(json!({"template": {"spec": {"containers": [container]}}}));
    server.live = Some(server.try_apply("b", T1, containers(json!({"name": "a"})), true).expect("forced"));
    let mut new = containers(json!({"name": "a", "image": "1"}));
    new["metadata"]["managedFields"] = server.live.as_ref().and_then(managed_fields).cloned().unwrap_or_default();
    server.update("a", T1, new);
    let once = server.try_apply("b", T1, config(json!({})), true).expect("forced");
    assert_eq!(once.get("spec"), None);
    server.live = Some(once);
    let twice = server.try_apply("b", T2, config(json!({})), false).expect("no conflict with itself");
    assert_eq!(twice["spec"], json!({}));
}

fn any_spec() -> impl Strategy<Value = Value> {
    let containers = prop::collection::btree_map("[ab]", prop::option::of("[12]"), 0..3);
    let labels = prop::collection::btree_map("[ab]", "[12]", 0..3);
    (prop::option::of(0..3i32), containers, labels).prop_map(|(replicas, containers, labels)| {
        let mut spec = json!({});
        if let Some(replicas) = replicas {
            spec["replicas"] = json!(replicas);
        }
        let containers: Vec<Value> = containers
            .into_iter()
            .map(|(name, image)| match image {
                Some(image) => json!({"name": name, "image": image}),
                None => json!({"name": name}),
            })
            .collect();
        if !containers.is_empty() {
            spec["template"] = json!({"spec": {"containers": containers}});
        }
        if !labels.is_empty() {
            spec["template"]["metadata"] = json!({"labels": labels});
        }
        spec
    })
}

/// The parts of `object` that `config` mentions are as there; what it leaves empty may lack, where `or_lacks_empty`.
fn contains(object: &Value, config: &Value, or_lacks_empty: bool) -> bool {
    match (object, config) {
        (Value::Object(object), Value::Object(config)) => config.iter().all(|(key, value)| match object.get(key) {
            Some(other) => contains(other, value, or_lacks_empty),
            None => or_lacks_empty && *value == json!({}),
        }),
        (Value::Array(object), Value::Array(config)) => {
            config.iter().all(|item| object.iter().any(|other| contains(other, item, or_lacks_empty)))
        }
        (object, config) => object == config,
    }
}

proptest! {
    #[test]
    fn apply_is_idempotent_and_gets_its_way(
        writes in prop::collection::vec((any::<bool>(), "[ab]", any_spec()), 1..6),
    ) {
        let mut server = Server::new();
        for (is_apply, manager, spec) in writes {
            let config = config(spec);
            if is_apply {
                let once = server.try_apply(&manager, T1, config.clone(), true).expect("forced");
                prop_assert!(contains(&once, &config, true), "{once} {config}");
                // The applier owns what it applied, no more and no less.
                let mut applied = typed::fields_of(Place::Type(&server.schema), &config);
                applied.subtract(&UNTRACKED);
                let managed = Managed::decode(managed_fields(&once)).expect("valid");
                let owned = managed.get(&Manager::new(&manager, Operation::Apply, "", "")).map(|entry| entry.set.clone());
                prop_assert_eq!(owned.unwrap_or_default(), applied);
                server.live = Some(once.clone());
                let has_all = contains(&once, &config, false);
                let twice = server.try_apply(&manager, T2, config, false).expect("no conflict with itself");
                if has_all {
                    prop_assert_eq!(twice, once);
                }
            } else {
                let mut new = config;
                if let Some(list) = server.live.as_ref().and_then(managed_fields) {
                    new["metadata"]["managedFields"] = list.clone();
                }
                server.update(&manager, T1, new);
            }
        }
    }
}
