//! Defaults of the core group.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::image::set_pull_policy;
use super::{Default, Object, absent, child, child_or_new, children, pod_resources, set_absent, set_empty, text};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.core.v1.ConfigMapVolumeSource", default_mode),
    ("io.k8s.api.core.v1.Container", container),
    ("io.k8s.api.core.v1.DownwardAPIVolumeSource", default_mode),
    ("io.k8s.api.core.v1.Endpoints", endpoints),
    ("io.k8s.api.core.v1.EphemeralContainer", container),
    ("io.k8s.api.core.v1.HTTPGetAction", http_get_action),
    ("io.k8s.api.core.v1.HostPathVolumeSource", host_path),
    ("io.k8s.api.core.v1.LimitRangeItem", limit_range_item),
    ("io.k8s.api.core.v1.Namespace", namespace),
    ("io.k8s.api.core.v1.NamespaceStatus", namespace_status),
    ("io.k8s.api.core.v1.NodeSpec", node_spec),
    ("io.k8s.api.core.v1.NodeStatus", node_status),
    ("io.k8s.api.core.v1.ObjectFieldSelector", object_field_selector),
    ("io.k8s.api.core.v1.PersistentVolume", persistent_volume),
    ("io.k8s.api.core.v1.PersistentVolumeClaim", persistent_volume_claim),
    ("io.k8s.api.core.v1.PersistentVolumeClaimSpec", persistent_volume_claim_spec),
    ("io.k8s.api.core.v1.Pod", pod),
    ("io.k8s.api.core.v1.PodSpec", pod_spec),
    ("io.k8s.api.core.v1.PodStatus", pod_status),
    ("io.k8s.api.core.v1.Probe", probe),
    ("io.k8s.api.core.v1.ProjectedVolumeSource", default_mode),
    ("io.k8s.api.core.v1.ReplicationController", replication_controller),
    ("io.k8s.api.core.v1.Secret", secret),
    ("io.k8s.api.core.v1.SecretVolumeSource", default_mode),
    ("io.k8s.api.core.v1.Service", service),
    ("io.k8s.api.core.v1.ServiceAccountTokenProjection", service_account_token),
    ("io.k8s.api.core.v1.Volume", volume),
];

/// What a volume has beside a source.
const VOLUME_NAME: &str = "name";

fn default_mode(source: &mut Object) {
    set_absent(source, "defaultMode", 0o644);
}

fn container(container: &mut Object) {
    set_pull_policy(container, "image", "imagePullPolicy");
    set_empty(container, "terminationMessagePath", "/dev/termination-log");
    set_empty(container, "terminationMessagePolicy", "File");
}

fn endpoints(endpoints: &mut Object) {
    for subset in children(endpoints, "subsets") {
        for port in children(subset, "ports") {
            set_empty(port, "protocol", "TCP");
        }
    }
}

fn http_get_action(action: &mut Object) {
    set_empty(action, "path", "/");
    set_empty(action, "scheme", "HTTP");
}

fn host_path(source: &mut Object) {
    set_absent(source, "type", "");
}

/// Of a container limit: default from max, default request from default and then from min.
fn limit_range_item(item: &mut Object) {
    if text(item, "type") != "Container" {
        return;
    }
    for (target, source) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
        let Some(Value::Object(source)) = item.get(source).cloned() else { continue };
        fill(item, target, source);
    }
}

/// Adds the entries that a map lacks.
fn fill(object: &mut Object, name: &str, source: Object) {
    if source.is_empty() {
        return;
    }
    let target = child_or_new(object, name);
    for (key, value) in source {
        target.entry(key).or_insert(value);
    }
}

fn namespace(namespace: &mut Object) {
    let Some(metadata) = child(namespace, "metadata") else { return };
    let name = text(metadata, "name").to_owned();
    if !name.is_empty() {
        child_or_new(metadata, "labels").insert("kubernetes.io/metadata.name".into(), name.into());
    }
}

fn namespace_status(status: &mut Object) {
    set_empty(status, "phase", "Active");
}

fn node_spec(spec: &mut Object) {
    one_and_all(spec, "podCIDR", "podCIDRs", Value::as_str, Value::String);
}

fn node_status(status: &mut Object) {
    if let Some(capacity) = status.get("capacity").cloned() {
        set_absent(status, "allocatable", capacity);
    }
}

fn object_field_selector(selector: &mut Object) {
    set_empty(selector, "apiVersion", "v1");
}

fn persistent_volume(volume: &mut Object) {
    set_empty(child_or_new(volume, "status"), "phase", "Pending");
    let spec = child_or_new(volume, "spec");
    set_empty(spec, "persistentVolumeReclaimPolicy", "Retain");
    set_absent(spec, "volumeMode", "Filesystem");
}

fn persistent_volume_claim(claim: &mut Object) {
    set_empty(child_or_new(claim, "status"), "phase", "Pending");
}

fn persistent_volume_claim_spec(spec: &mut Object) {
    set_absent(spec, "volumeMode", "Filesystem");
}

fn pod(pod: &mut Object) {
    let Some(spec) = child(pod, "spec") else { return };
    for list in ["containers", "initContainers"] {
        for container in children(spec, list) {
            let Some(resources) = child(container, "resources") else { continue };
            if let Some(Value::Object(limits)) = resources.get("limits").cloned() {
                fill(resources, "requests", limits);
            }
        }
    }
    pod_resources::set_limits(spec);
    pod_resources::set_requests(spec);
    set_absent(spec, "enableServiceLinks", true);
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        for list in ["containers", "initContainers"] {
            for container in children(spec, list) {
                for port in children(container, "ports") {
                    if let Some(container_port) = port.get("containerPort").filter(|port| **port != 0).cloned() {
                        set_empty(port, "hostPort", container_port);
                    }
                }
            }
        }
    }
}

fn pod_status(status: &mut Object) {
    one_and_all(status, "podIP", "podIPs", |item| item["ip"].as_str(), |ip| json!({"ip": ip}));
}

/// Keeps a field and the first item of the list that took its place alike: where they differ, the field is right.
fn one_and_all(object: &mut Object, one: &str, all: &str, read: fn(&Value) -> Option<&str>, item: fn(String) -> Value) {
    let single = text(object, one).to_owned();
    let first = object.get(all).and_then(|list| read(list.get(0)?)).map(str::to_owned);
    match first {
        Some(first) if single.is_empty() => {
            object.insert(one.to_owned(), first.into());
        }
        first if !single.is_empty() && first.as_deref() != Some(&*single) => {
            object.insert(all.to_owned(), Value::Array(vec![item(single)]));
        }
        _ => {}
    }
}

fn pod_spec(spec: &mut Object) {
    // The deprecated name follows the other, and stands in for it.
    let deprecated = text(spec, "serviceAccount").to_owned();
    if !deprecated.is_empty() {
        set_empty(spec, "serviceAccountName", deprecated);
    }
    let name = text(spec, "serviceAccountName").to_owned();
    if !name.is_empty() {
        spec.insert("serviceAccount".into(), name.into());
    }
    set_empty(spec, "dnsPolicy", "ClusterFirst");
    set_empty(spec, "restartPolicy", "Always");
    set_absent(spec, "securityContext", json!({}));
    set_absent(spec, "terminationGracePeriodSeconds", 30);
    set_empty(spec, "schedulerName", "default-scheduler");
}

fn probe(probe: &mut Object) {
    set_empty(probe, "timeoutSeconds", 1);
    set_empty(probe, "periodSeconds", 10);
    set_empty(probe, "successThreshold", 1);
    set_empty(probe, "failureThreshold", 3);
}

fn replication_controller(controller: &mut Object) {
    let labels = controller.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels")).cloned();
    let Some(labels @ Value::Object(_)) = labels else { return };
    set_empty(child_or_new(controller, "spec"), "selector", labels.clone());
    set_empty(child_or_new(controller, "metadata"), "labels", labels);
}

fn secret(secret: &mut Object) {
    if let Some(Value::Object(texts)) = secret.remove("stringData")
        && !texts.is_empty()
    {
        let data = child_or_new(secret, "data");
        for (key, value) in texts {
            data.insert(key, STANDARD.encode(value.as_str().unwrap_or_default()).into());
        }
    }
    set_empty(secret, "type", "Opaque");
}

fn service(service: &mut Object) {
    let spec = child_or_new(service, "spec");
    set_empty(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => drop(spec.remove("sessionAffinityConfig")),
        "ClientIP" => {
            let timeout =
                spec.get("sessionAffinityConfig").and_then(|config| config.pointer("/clientIP/timeoutSeconds"));
            if timeout.is_none_or(Value::is_null) {
                spec.insert("sessionAffinityConfig".into(), json!({"clientIP": {"timeoutSeconds": 10800}}));
            }
        }
        _ => {}
    }
    set_empty(spec, "type", "ClusterIP");
    for port in children(spec, "ports") {
        set_empty(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or_else(|| json!(0));
        set_empty(port, "targetPort", number);
    }
    let external_ips = spec.get("externalIPs").is_some_and(|ips| ips.as_array().is_some_and(|ips| !ips.is_empty()));
    let service_type = text(spec, "type").to_owned();
    let balanced = service_type == "LoadBalancer";
    if balanced || service_type == "NodePort" || (service_type == "ClusterIP" && external_ips) {
        set_empty(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(&*service_type, "LoadBalancer" | "NodePort" | "ClusterIP") {
        set_absent(spec, "internalTrafficPolicy", "Cluster");
    }
    if !balanced {
        return;
    }
    set_absent(spec, "allocateLoadBalancerNodePorts", true);
    if let Some(load_balancer) = child(service, "status").and_then(|status| child(status, "loadBalancer")) {
        for ingress in children(load_balancer, "ingress") {
            if !text(ingress, "ip").is_empty() {
                set_absent(ingress, "ipMode", "VIP");
            }
        }
    }
}

fn service_account_token(projection: &mut Object) {
    set_absent(projection, "expirationSeconds", 3600);
}

fn volume(volume: &mut Object) {
    if volume.iter().all(|(name, value)| name == VOLUME_NAME || value.is_null()) {
        volume.insert("emptyDir".into(), json!({}));
    }
    if let Some(image) = child(volume, "image")
        && (absent(image, "pullPolicy") || text(image, "pullPolicy").is_empty())
    {
        set_pull_policy(image, "reference", "pullPolicy");
    }
}
