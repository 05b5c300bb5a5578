//! A small valid object of every stored built-in kind. A kind that is missing here fails the tests that need it.

use serde_json::{Value, json};

/// The object's own fields, without metadata.
pub fn of(group: &str, version: &str, kind: &str) -> Value {
    let template = || {
        json!({
            "metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        })
    };
    let job_template = || {
        json!({
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
        })
    };
    let selector = || json!({"matchLabels": {"app": "a"}});
    match (group, kind) {
        ("", "ConfigMap") => json!({"data": {"a": "b"}}),
        ("", "Endpoints") => json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}),
        ("", "Event") => json!({
            "involvedObject": {"kind": "Pod", "namespace": "crud", "name": "p"}, "reason": "Tried", "message": "m",
            "type": "Normal",
        }),
        ("events.k8s.io", "Event") => json!({
            "regarding": {"kind": "Pod", "namespace": "crud", "name": "p"}, "reason": "Tried", "note": "m",
            "type": "Normal", "eventTime": "2026-01-02T03:04:05.000000Z", "action": "Try",
            "reportingController": "example.com/controller", "reportingInstance": "one",
        }),
        ("", "LimitRange") => {
            json!({"spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "4Gi"}}]}})
        }
        ("", "Namespace" | "Node" | "ServiceAccount") => json!({}),
        ("", "PersistentVolumeClaim") => json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        }}),
        ("", "PersistentVolume") => json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/tmp/x"},
        }}),
        ("", "Pod") => json!({"spec": {"containers": [{"name": "c", "image": "i"}]}}),
        ("", "PodTemplate") => json!({"template": template()}),
        ("", "ReplicationController") => json!({"spec": {"selector": {"app": "a"}, "template": template()}}),
        ("", "ResourceQuota") => json!({"spec": {"hard": {"pods": "10000"}}}),
        ("", "Secret") => json!({"type": "Opaque", "data": {"a": "Yg=="}}),
        ("", "Service") => json!({"spec": {"ports": [{"port": 80}], "selector": {"app": "a"}}}),
        ("apiregistration.k8s.io", "APIService") => json!({"spec": {
            "group": "crud.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10,
            "service": {"namespace": "default", "name": "kubernetes"}, "insecureSkipTLSVerify": true,
        }}),
        ("apps", "ControllerRevision") => json!({"revision": 1, "data": {"a": 1}}),
        ("apps", "DaemonSet" | "ReplicaSet") => json!({"spec": {"selector": selector(), "template": template()}}),
        ("apps", "Deployment") => json!({"spec": {"replicas": 1, "selector": selector(), "template": template()}}),
        ("apps", "StatefulSet") => {
            json!({"spec": {"serviceName": "s", "selector": selector(), "template": template()}})
        }
        ("autoscaling", "HorizontalPodAutoscaler") => {
            let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
            match version {
                "v1" => json!({"spec": {
                    "scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50,
                }}),
                _ => json!({"spec": {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [
                    {"type": "Resource", "resource": {
                        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50},
                    }},
                ]}}),
            }
        }
        ("batch", "CronJob") => {
            json!({"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": job_template()}}}})
        }
        ("batch", "Job") => json!({"spec": {"template": job_template()}}),
        ("certificates.k8s.io", "CertificateSigningRequest") => json!({"spec": {
            "request": REQUEST, "signerName": "example.com/signer", "usages": ["digital signature", "client auth"],
        }}),
        ("networking.k8s.io", "IngressClass") => json!({"spec": {"controller": "example.com/controller"}}),
        ("networking.k8s.io", "Ingress") => json!({"spec": {
            "defaultBackend": {"service": {"name": "s", "port": {"number": 80}}},
        }}),
        ("networking.k8s.io", "IPAddress") => json!({"spec": {
            "parentRef": {"resource": "services", "namespace": "default", "name": "kubernetes"},
        }}),
        ("networking.k8s.io", "NetworkPolicy") => json!({"spec": {"podSelector": {}}}),
        ("networking.k8s.io", "ServiceCIDR") => json!({"spec": {"cidrs": ["10.97.0.0/24"]}}),
        ("policy", "PodDisruptionBudget") => json!({"spec": {"minAvailable": 1, "selector": selector()}}),
        ("rbac.authorization.k8s.io", "ClusterRole" | "Role") => json!({"rules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
        ]}),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding" | "RoleBinding") => json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "u"}],
        }),
        ("storage.k8s.io", "CSIDriver") => json!({"spec": {"attachRequired": false}}),
        ("storage.k8s.io", "CSINode") => json!({"spec": {"drivers": []}}),
        ("storage.k8s.io", "CSIStorageCapacity") => json!({"storageClassName": "fast", "capacity": "1Gi"}),
        ("storage.k8s.io", "StorageClass") => json!({"provisioner": "example.com/disk"}),
        ("storage.k8s.io", "VolumeAttachment") => json!({"spec": {
            "attacher": "example.com", "nodeName": "n", "source": {"persistentVolumeName": "pv"},
        }}),
        ("storage.k8s.io", "VolumeAttributesClass") => {
            json!({"driverName": "example.com", "parameters": {"iops": "1"}})
        }
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => json!({"spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]},
            ]},
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}],
        }}),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding") => json!({"spec": {"policyName": "p"}}),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => json!({
            "webhooks": [{
                "name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": "https://example.com/hook"}, "failurePolicy": "Ignore",
                "rules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"],
                    "resources": ["things"]}],
            }],
        }),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => json!({"spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]},
            ]},
            "validations": [{"expression": "true"}],
        }}),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            json!({"spec": {"policyName": "p", "validationActions": ["Audit"]}})
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => json!({"spec": {
            "group": "crud.example.com", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        }}),
        ("scheduling.k8s.io", "PriorityClass") => json!({"value": 5}),
        ("coordination.k8s.io", "Lease") => json!({"spec": {"holderIdentity": "me"}}),
        ("node.k8s.io", "RuntimeClass") => json!({"handler": "runc"}),
        ("discovery.k8s.io", "EndpointSlice") => json!({
            "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}],
        }),
        ("resource.k8s.io", "DeviceClass") => json!({"spec": {}}),
        ("resource.k8s.io", "ResourceClaim") => json!({"spec": {}}),
        ("resource.k8s.io", "ResourceClaimTemplate") => json!({"spec": {"spec": {}}}),
        ("resource.k8s.io", "ResourceSlice") => json!({"spec": {
            "driver": "example.com", "nodeName": "n",
            "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "devices": [{"name": "d"}],
        }}),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => json!({"spec": {
            "matchingPrecedence": 1000, "priorityLevelConfiguration": {"name": "global-default"},
        }}),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => json!({"spec": {
            "type": "Limited", "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}},
        }}),
        _ => panic!("no body for {group}/{version} {kind}: add one"),
    }
}

/// A name that the kind's rules allow.
pub fn name(group: &str, version: &str, kind: &str) -> &'static str {
    match kind {
        "HorizontalPodAutoscaler" if version == "v1" => "other",
        // Two groups keep their events in one place.
        "Event" if group == "events.k8s.io" => "other",
        "IPAddress" => "10.96.77.7",
        "APIService" => "v1.crud.example.com",
        "CustomResourceDefinition" => "things.crud.example.com",
        _ => "one",
    }
}

/// Kinds whose names say what they are, so that no second one can be made of the same body.
pub fn is_single(kind: &str) -> bool {
    matches!(kind, "IPAddress" | "APIService" | "CustomResourceDefinition")
}

/// A PKCS#10 request for the common name `me`, PEM in base64.
const REQUEST: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISE1HOENBUUF3RFRFTE1Ba0dBMVVFQXd3Q2JXVXdXVEFUQmdjcWhrak9QUUlCQmdncWhrak9QUU1CQndOQwpBQVRWVGJjSzNwZG1tbTlWNDc1a1EwYWZEREFmcEV1ZG1rTWwreVEzeGhwNEd5aGFFdlpqbnNXRE9WK1duUXg5CnpwSi9vSS9CUlBrTVhPWVZnTXVmdVNxb29BQXdDZ1lJS29aSXpqMEVBd0lEU0FBd1JRSWdKUnhMQkRkN0FLVTYKTXZMRS9vWDl0QjNvS2RZMjBsTDIvekJNZ2VmSzIrSUNJUUNYUHpPTnExZElETFh0ejNSc2hRYm1zQzZBTlppWgp3WTgvRmx1YUFYQjlkUT09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=";
