//! Defaults against what kube-apiserver 1.36 answers.

use serde_json::{Value, json};

use super::*;
use crate::json::{DecodeOptions, decode};

fn defaulted(group: &str, version: &str, kind: &str, object: Value) -> Value {
    let ty = crate::builtin(group, version, kind).unwrap();
    let mut value = decode(ty, object.to_string().as_bytes(), DecodeOptions::default()).unwrap().value;
    apply(ty, &mut value);
    value
}

/// Every function is for a type that exists, else it would never run.
#[test]
fn functions_have_types() {
    for (name, _) in GROUPS.iter().flat_map(|group| group.iter()) {
        assert!(crate::builtin_by_name(name).is_some(), "{name}");
    }
}

#[test]
fn pod() {
    let pod = defaulted(
        "",
        "v1",
        "Pod",
        json!({
            "metadata": {"name": "a"},
            "spec": {
                "hostNetwork": true,
                "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
                "containers": [{
                    "name": "c", "image": "nginx:1.27",
                    "ports": [{"containerPort": 80}],
                    "resources": {"limits": {"cpu": "1.0001", "memory": "1Gi"}, "requests": {"cpu": "0.0001"}},
                    "livenessProbe": {"httpGet": {"port": 80}},
                    "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                }],
            },
        }),
    );
    assert_eq!(
        pod["spec"],
        json!({
            "volumes": [
                {"name": "v", "emptyDir": {}},
                {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}},
            ],
            "containers": [{
                "name": "c", "image": "nginx:1.27",
                "ports": [{"hostPort": 80, "containerPort": 80, "protocol": "TCP"}],
                "env": [{"name": "N", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
                "resources": {"limits": {"cpu": "1001m", "memory": "1Gi"}, "requests": {"cpu": "1m", "memory": "1Gi"}},
                "livenessProbe": {
                    "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
                    "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
                },
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
            }],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "hostNetwork": true,
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "enableServiceLinks": true,
        })
    );
}

#[test]
fn pod_level_resources() {
    let pod = defaulted(
        "",
        "v1",
        "Pod",
        json!({"spec": {
            "resources": {"limits": {"cpu": "4", "memory": "1Gi"}},
            "initContainers": [
                {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}},
                {"name": "i", "resources": {"requests": {"cpu": "1500m"}}},
            ],
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "250m"}, "limits": {"hugepages-2Mi": "4Mi"}}}],
        }}),
    );
    assert_eq!(
        pod["spec"]["resources"],
        json!({
            "limits": {"cpu": "4", "memory": "1Gi", "hugepages-2Mi": "4Mi"},
            "requests": {"cpu": "2500m", "memory": "1Gi", "hugepages-2Mi": "4Mi"},
        })
    );
}

#[test]
fn workloads() {
    let deployment = defaulted("apps", "v1", "Deployment", json!({"spec": {"template": {"spec": {"containers": []}}}}));
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(
        deployment["spec"]["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
    );
    assert_eq!(deployment["spec"]["template"]["spec"]["dnsPolicy"], "ClusterFirst");
    assert!(deployment["spec"]["template"]["spec"].get("enableServiceLinks").is_none());

    let set = defaulted(
        "apps",
        "v1",
        "StatefulSet",
        json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "d"}}]}}),
    );
    assert_eq!(set["spec"]["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["status"]["phase"], "Pending");
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["kind"], "PersistentVolumeClaim");
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"], "Filesystem");

    let job = defaulted("batch", "v1", "Job", json!({"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}));
    assert_eq!(job["metadata"]["labels"], json!({"a": "b"}));
    assert_eq!(job["spec"]["backoffLimit"], 6);
    assert_eq!(job["spec"]["podReplacementPolicy"], "TerminatingOrFailed");
}

#[test]
fn service() {
    let service = defaulted("", "v1", "Service", json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}}));
    assert_eq!(
        service["spec"],
        json!({
            "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
            "type": "NodePort",
            "sessionAffinity": "None",
            "externalTrafficPolicy": "Cluster",
            "internalTrafficPolicy": "Cluster",
        })
    );
}

#[test]
fn autoscaler() {
    let autoscaler = defaulted(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        json!({"spec": {"maxReplicas": 3, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}}),
    );
    assert_eq!(autoscaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
    assert_eq!(
        autoscaler["spec"]["behavior"]["scaleDown"],
        json!({
            "stabilizationWindowSeconds": 60, "selectPolicy": "Max",
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        })
    );
    assert_eq!(autoscaler["spec"]["behavior"]["scaleUp"]["policies"][0]["type"], "Pods");
}

/// What upstream does in conversion.
#[test]
fn converted() {
    let pod = defaulted("", "v1", "Pod", json!({"spec": {"serviceAccount": "a"}}));
    assert_eq!(pod["spec"]["serviceAccountName"], "a");
    let secret = defaulted("", "v1", "Secret", json!({"data": {"a": "AA==", "b": "AA=="}, "stringData": {"a": "hi"}}));
    assert_eq!(secret["data"], json!({"a": "aGk=", "b": "AA=="}));
    assert!(secret.get("stringData").is_none());
    let class = defaulted("node.k8s.io", "v1", "RuntimeClass", json!({"overhead": {"podFixed": {"cpu": "10u"}}}));
    assert_eq!(class["overhead"]["podFixed"]["cpu"], "10u");
}

/// `pkg/apis/core/v1/conversion.go`: the older field and the first item of the newer list are one thing.
#[test]
fn older_fields_and_newer_lists_agree() {
    let ranges = |spec: Value| {
        let node = defaulted("", "v1", "Node", json!({"metadata": {"name": "n"}, "spec": spec}));
        (node["spec"]["podCIDR"].clone(), node["spec"]["podCIDRs"].clone())
    };
    assert_eq!(ranges(json!({"podCIDR": "10.0.0.0/24"})), (json!("10.0.0.0/24"), json!(["10.0.0.0/24"])));
    assert_eq!(ranges(json!({"podCIDRs": ["10.0.0.0/24", "f::/64"]})).0, "10.0.0.0/24");
    assert_eq!(ranges(json!({"podCIDR": "10.0.1.0/24", "podCIDRs": ["10.0.0.0/24"]})).1, json!(["10.0.1.0/24"]));
    assert_eq!(ranges(json!({})), (Value::Null, Value::Null));
    let pod = defaulted("", "v1", "Pod", json!({"metadata": {"name": "p"}, "status": {"podIP": "10.0.0.1"}}));
    assert_eq!(pod["status"]["podIPs"], json!([{"ip": "10.0.0.1"}]));
}
