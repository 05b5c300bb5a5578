//! What upstream's API server answered to good and bad objects, one after the other.
//!
//! `refused.json` holds bodies that were sent to kube-apiserver 1.36.2 with the causes it gave; none if it took
//! the object.

use std::collections::BTreeSet;

use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Request;
use crate::authn::User;
use crate::body::{self, Expected, FieldValidation};
use crate::field::ErrorList;
use crate::object::{self, items, text};
use crate::object_meta;
use crate::resources::{Resource, builtin};

fn user() -> User {
    User { name: "admin".into(), uid: String::new(), groups: vec!["system:masters".into()], extra: Default::default() }
}

fn resource<'a>(resources: &'a [Resource], name: &str) -> &'a Resource {
    let (plural, group) = name.split_once('.').unwrap_or((name, ""));
    resources.iter().find(|resource| resource.plural == plural && resource.group == group).unwrap()
}

/// An object as it is after it was read and prepared.
fn prepared(resource: &Resource, version: &str, body: &Value, request: &Request<'_>) -> Value {
    let version = resource.version(version).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let expected = Expected::of(resource, version);
    let bytes = body.to_string();
    let mut object =
        body::decode(bytes.as_bytes(), &headers, &expected, FieldValidation::Warn, &mut Vec::new()).unwrap();
    object::set_meta(&mut object, "uid", Some("UID".into()));
    if resource.namespaced {
        object::set_meta(&mut object, "namespace", Some("ns".into()));
    }
    let (stored, given) = (&resource.storage.as_ref().unwrap().api_version, resource.api_version(&version.name));
    if *stored != given {
        resource.hooks.convert(&mut object, &given, stored);
    }
    // What admission sets before.
    if resource.plural == "pods" {
        object["spec"]["serviceAccountName"] = "default".into();
    }
    resource.hooks.prepare_for_create(&mut object, request);
    object
}

#[test]
fn wrong_objects_are_refused_as_upstream_refuses_them() {
    let resources = builtin::resources();
    let cases: Vec<Value> = serde_json::from_str(include_str!("refused.json")).unwrap();
    let user = user();
    let mut differences = String::new();
    for case in &cases {
        let resource = resource(&resources, text(&case["resource"]));
        let request = Request { user: &user, subresource: "", group: &resource.group, warnings: &Mutex::default() };
        let object = prepared(resource, text(&case["version"]), &case["body"], &request);
        let mut errors = ErrorList::default();
        object_meta::validate(resource, &object, &mut errors);
        resource.hooks.validate(&object, &request, &mut errors);
        let causes = serde_json::to_value(errors.causes()).unwrap();
        let ours: BTreeSet<_> = items(&causes)
            .iter()
            .map(|cause| ["reason", "field", "message"].map(|field| text(&cause[field]).to_owned()))
            .collect();
        let theirs: BTreeSet<_> =
            items(&case["causes"]).iter().map(|cause| [0, 1, 2].map(|part| text(&cause[part]).to_owned())).collect();
        if ours != theirs {
            differences.push_str(&format!("{} {}\n", case["resource"], case["body"]));
            for cause in theirs.difference(&ours) {
                differences.push_str(&format!("    - {cause:?}\n"));
            }
            for cause in ours.difference(&theirs) {
                differences.push_str(&format!("    + {cause:?}\n"));
            }
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

fn updated(name: &str, subresource: &str, old: &Value, change: impl Fn(&mut Value)) -> (Value, ErrorList) {
    let resources = builtin::resources();
    let resource = resource(&resources, name);
    let user = user();
    let request = Request { user: &user, subresource, group: &resource.group, warnings: &Mutex::default() };
    let mut object = old.clone();
    change(&mut object);
    let mut errors = ErrorList::default();
    if subresource == "status" {
        resource.hooks.prepare_for_status_update(&mut object, old);
        resource.hooks.validate_status_update(&object, old, &mut errors);
    } else {
        resource.hooks.prepare_for_update(&mut object, old, &request);
        resource.hooks.validate_update(&object, old, &request, &mut errors);
    }
    (object, errors)
}

fn created(name: &str, body: Value) -> Value {
    let resources = builtin::resources();
    let resource = resource(&resources, name);
    let user = user();
    let version = resource.versions[0].name.clone();
    prepared(
        resource,
        &version,
        &body,
        &Request { user: &user, subresource: "", group: &resource.group, warnings: &Mutex::default() },
    )
}

fn pod() -> Value {
    created("pods", json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}))
}

#[test]
fn pods_change_only_where_they_may() {
    let (_, errors) = updated("pods", "", &pod(), |pod| pod["spec"]["containers"][0]["image"] = "j".into());
    assert!(errors.is_empty(), "{}", errors.aggregate());
    let (_, errors) = updated("pods", "", &pod(), |pod| pod["spec"]["containers"][0]["command"] = json!(["x"]));
    assert!(
        errors
            .aggregate()
            .starts_with("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,")
    );
    let (_, errors) = updated("pods", "", &pod(), |pod| pod["spec"]["containers"] = json!([]));
    assert!(errors.aggregate().contains("spec.containers: Forbidden: pod updates may not add or remove containers"));
    let (object, errors) = updated("pods", "", &pod(), |pod| pod["status"]["phase"] = "Running".into());
    assert!(errors.is_empty());
    assert_eq!(object["status"]["phase"], "Pending");
    let (object, errors) = updated("pods", "status", &pod(), |pod| {
        pod["status"]["phase"] = "Running".into();
        pod["spec"]["nodeName"] = "n".into();
    });
    assert!(errors.is_empty());
    assert_eq!((&object["status"]["phase"], &object["spec"]["nodeName"]), (&json!("Running"), &Value::Null));
}

#[test]
fn subresources_change_their_part() {
    let (object, errors) = updated("pods", "ephemeralcontainers", &pod(), |pod| {
        pod["spec"]["ephemeralContainers"] =
            json!([{"name": "e", "image": "i", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}]);
        pod["spec"]["nodeName"] = "n".into();
    });
    assert!(errors.is_empty(), "{}", errors.aggregate());
    assert_eq!(object["spec"]["ephemeralContainers"][0]["name"], "e");
    assert!(object["spec"]["nodeName"].is_null());
    let (object, errors) = updated("pods", "resize", &pod(), |pod| {
        pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
        pod["spec"]["containers"][0]["image"] = "other".into();
    });
    // A pod without requests is of another quality of service with them.
    assert_eq!(
        errors.aggregate(),
        "spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing"
    );
    assert_eq!(object["spec"]["containers"][0]["image"], "i");
    let csr = created(
        "certificatesigningrequests.certificates.k8s.io",
        json!({"metadata": {"name": "c"}, "spec": {"signerName": "a.b/c", "usages": ["any"]}}),
    );
    assert_eq!(csr["spec"]["username"], "admin");
    let (approved, _) = updated("certificatesigningrequests.certificates.k8s.io", "approval", &csr, |csr| {
        csr["status"]["conditions"] = json!([{"type": "Approved", "status": "True"}]);
        csr["spec"]["username"] = "eve".into();
    });
    assert_eq!(approved["spec"]["username"], "admin");
    assert!(approved["status"]["conditions"][0]["lastUpdateTime"].is_string());
    let (kept, _) = updated("certificatesigningrequests.certificates.k8s.io", "", &csr, |csr| {
        csr["status"]["conditions"] = json!([{"type": "Approved", "status": "True"}]);
    });
    assert!(kept["status"]["conditions"].is_null());
}

#[test]
fn what_is_immutable_stays() {
    let config = created("configmaps", json!({"metadata": {"name": "c"}, "data": {"a": "b"}, "immutable": true}));
    let (_, errors) = updated("configmaps", "", &config, |config| config["data"]["a"] = "c".into());
    assert_eq!(errors.aggregate(), "data: Forbidden: field is immutable when `immutable` is set");
    let binding = json!({"metadata": {"name": "c"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}});
    let binding = created("clusterrolebindings.rbac.authorization.k8s.io", binding);
    let (_, errors) = updated("clusterrolebindings.rbac.authorization.k8s.io", "", &binding, |binding| {
        binding["roleRef"]["name"] = "edit".into()
    });
    assert_eq!(
        errors.aggregate(),
        r#"roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"edit"}: cannot change roleRef"#
    );
}

#[test]
fn autoscalers_keep_in_annotations_what_version_one_has_no_field_for() {
    let resources = builtin::resources();
    let hooks = &resource(&resources, "horizontalpodautoscalers.autoscaling").hooks;
    let original = json!({
        "metadata": {"name": "h", "annotations": {"a": "b"}},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "x"},
            "maxReplicas": 5,
            "metrics": [
                {"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "3"}}},
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 30, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 5}]}},
        },
        "status": {"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7, "averageValue": "0"}}}]},
    });
    let mut object = original.clone();
    hooks.convert(&mut object, "autoscaling/v2", "autoscaling/v1");
    assert_eq!(object["spec"]["targetCPUUtilizationPercentage"], 50);
    assert_eq!(object["status"]["currentCPUUtilizationPercentage"], 7);
    assert!(object["spec"]["metrics"].is_null());
    let kept = text(&object["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"]);
    assert_eq!(kept, r#"[{"type":"Pods","pods":{"metricName":"q","targetAverageValue":"3"}}]"#);
    hooks.convert(&mut object, "autoscaling/v1", "autoscaling/v2");
    assert_eq!(object, original);
}

#[test]
fn label_keys_join_selectors() {
    let term = json!({"topologyKey": "k", "labelSelector": {"matchLabels": {"a": "b"}}, "matchLabelKeys": ["app"]});
    let affinity = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    let pod = json!({
        "metadata": {"name": "p", "labels": {"app": "x"}},
        "spec": {"containers": [{"name": "c", "image": "i"}], "affinity": affinity},
    });
    let pod = created("pods", pod);
    let term = &pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(term["labelSelector"]["matchExpressions"], json!([{"key": "app", "operator": "In", "values": ["x"]}]));
}
