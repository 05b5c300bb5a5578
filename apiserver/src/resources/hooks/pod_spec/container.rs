//! The rules of containers of all three sorts.

use serde_json::{Value, json};

use super::{Pod, env, one_of, resources, security, volumes};
use crate::field::{ErrorList, Path};
use crate::object::{int, items, text};
use crate::resources::names;

/// What an ephemeral container may not have.
const NOT_EPHEMERAL: &[&str] = &[
    "ports",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicyRules",
];

pub fn all(pod: &Pod<'_>, at: &Path<'_>, errors: &mut ErrorList) {
    regular(pod, &at.child("containers"), errors);
    init(pod, &at.child("initContainers"), errors);
    ephemeral(pod, &at.child("ephemeralContainers"), errors);
}

fn regular(pod: &Pod<'_>, at: &Path<'_>, errors: &mut ErrorList) {
    let containers = items(&pod.spec["containers"]);
    if containers.is_empty() {
        errors.required(at, "");
        return;
    }
    for (index, container) in containers.iter().enumerate() {
        let at = at.index(index);
        common(pod, container, &at, errors);
        if containers[..index].iter().any(|other| other["name"] == container["name"]) {
            errors.duplicate(&at.child("name"), &container["name"]);
        }
        probes(pod, container, &at, errors);
        restart_policy(container, &at, errors);
    }
    host_port_conflicts(containers, at, errors);
}

fn init(pod: &Pod<'_>, at: &Path<'_>, errors: &mut ErrorList) {
    let (regular, containers) = (items(&pod.spec["containers"]), items(&pod.spec["initContainers"]));
    for (index, container) in containers.iter().enumerate() {
        let path = at.index(index);
        common(pod, container, &path, errors);
        restart_policy(container, &path, errors);
        let mut others = regular.iter().chain(&containers[..index]);
        if others.any(|other| other["name"] == container["name"] && !text(&other["name"]).is_empty()) {
            errors.duplicate(&path.child("name"), &container["name"]);
        }
        host_port_conflicts(std::slice::from_ref(container), at, errors);
        if container["restartPolicy"] == "Always" {
            probes(pod, container, &path, errors);
            continue;
        }
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if !container[field].is_null() {
                errors.forbidden(&path.child(field), "may not be set for init containers without restartPolicy=Always");
            }
        }
    }
}

fn ephemeral(pod: &Pod<'_>, at: &Path<'_>, errors: &mut ErrorList) {
    let containers = items(&pod.spec["ephemeralContainers"]);
    let others = || items(&pod.spec["containers"]).iter().chain(items(&pod.spec["initContainers"]));
    for (index, container) in containers.iter().enumerate() {
        let at = at.index(index);
        common(pod, container, &at, errors);
        let image = text(&container["image"]);
        if image.trim() != image {
            errors.invalid_str(&at.child("image"), image, "must not have leading or trailing whitespace");
        }
        if others().chain(&containers[..index]).any(|other| other["name"] == container["name"]) {
            errors.duplicate(&at.child("name"), &container["name"]);
        }
        let target = &container["targetContainerName"];
        if !text(target).is_empty() && !others().any(|other| other["name"] == *target) {
            errors.not_found(&at.child("targetContainerName"), target);
        }
        for field in NOT_EPHEMERAL {
            if !crate::object::is_unset(&container[*field]) {
                errors.forbidden(&at.child(field), "cannot be set for an Ephemeral Container");
            }
        }
        let mounts = at.child("volumeMounts");
        for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
            for field in ["subPath", "subPathExpr"] {
                if !text(&mount[field]).is_empty() {
                    errors.forbidden(&mounts.index(index).child(field), "cannot be set for an Ephemeral Container");
                }
            }
        }
    }
}

fn common(pod: &Pod<'_>, container: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let name = text(&container["name"]);
    if name.is_empty() {
        errors.required(&at.child("name"), "");
    } else {
        errors.invalid_strs(&at.child("name"), name, names::dns1123_label(name));
    }
    if text(&container["image"]).is_empty() {
        errors.required(&at.child("image"), "");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    one_of(&container["terminationMessagePolicy"], &policies, &at.child("terminationMessagePolicy"), errors);
    ports(&container["ports"], &at.child("ports"), errors);
    env::validate(&container["env"], &at.child("env"), errors);
    env::from(&container["envFrom"], &at.child("envFrom"), errors);
    volumes::mounts(pod, container, &at.child("volumeMounts"), errors);
    volumes::devices(pod, container, &at.child("volumeDevices"), errors);
    one_of(&container["imagePullPolicy"], &["Always", "IfNotPresent", "Never"], &at.child("imagePullPolicy"), errors);
    resources::of_container(&container["resources"], pod.spec, &at.child("resources"), errors);
    resize_policy(pod, &container["resizePolicy"], &at.child("resizePolicy"), errors);
    security::of_container(&container["securityContext"], pod.has_host_users(), &at.child("securityContext"), errors);
}

fn ports(ports: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let ports = items(ports);
    for (index, port) in ports.iter().enumerate() {
        let at = at.index(index);
        let name = text(&port["name"]);
        if !name.is_empty() {
            let problems = names::port_name(name);
            if problems.is_empty() && ports[..index].iter().any(|other| other["name"] == name) {
                errors.duplicate(&at.child("name"), &port["name"]);
            }
            errors.invalid_strs(&at.child("name"), name, problems);
        }
        match int(&port["containerPort"]) {
            0 => errors.required(&at.child("containerPort"), ""),
            number => port_number(number, &at.child("containerPort"), errors),
        }
        if int(&port["hostPort"]) != 0 {
            port_number(int(&port["hostPort"]), &at.child("hostPort"), errors);
        }
        one_of(&port["protocol"], &["SCTP", "TCP", "UDP"], &at.child("protocol"), errors);
    }
}

pub fn port_number(number: i64, at: &Path<'_>, errors: &mut ErrorList) {
    if let Some(problem) = names::port_number(number) {
        errors.invalid_number(at, number, problem);
    }
}

pub fn port_number_or_name(port: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    match port.as_str() {
        Some(name) => errors.invalid_strs(at, name, names::port_name(name)),
        None => port_number(int(port), at, errors),
    }
}

fn host_port_conflicts(containers: &[Value], at: &Path<'_>, errors: &mut ErrorList) {
    let mut seen = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let container_path = at.index(index);
        let ports = container_path.child("ports");
        for (index, port) in items(&container["ports"]).iter().enumerate() {
            if int(&port["hostPort"]) == 0 {
                continue;
            }
            let key = format!("{}/{}/{}", text(&port["protocol"]), text(&port["hostIP"]), int(&port["hostPort"]));
            if seen.contains(&key) {
                errors.duplicate(&ports.index(index).child("hostPort"), &key.into());
            } else {
                seen.push(key);
            }
        }
    }
}

fn probes(pod: &Pod<'_>, container: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let lifecycle = at.child("lifecycle");
    for field in ["postStart", "preStop"] {
        let action = &container["lifecycle"][field];
        if !action.is_null() {
            handler(pod, action, &["exec", "httpGet", "tcpSocket", "sleep"], &lifecycle.child(field), errors);
        }
    }
    if !container["lifecycle"]["stopSignal"].is_null() && pod.spec["os"].is_null() {
        errors.forbidden(&lifecycle.child("stopSignal"), "may not be set for containers with empty `spec.os.name`");
    }
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let (probe, at) = (&container[field], at.child(field));
        if probe.is_null() {
            continue;
        }
        handler(pod, probe, &["exec", "httpGet", "tcpSocket", "grpc"], &at, errors);
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            errors.non_negative(&at.child(field), &probe[field]);
        }
        let seconds = &probe["terminationGracePeriodSeconds"];
        if !seconds.is_null() && int(seconds) <= 0 {
            errors.invalid(&at.child("terminationGracePeriodSeconds"), seconds, "must be greater than 0");
        }
        if field == "readinessProbe" {
            if !seconds.is_null() {
                errors.invalid(
                    &at.child("terminationGracePeriodSeconds"),
                    seconds,
                    "must not be set for readinessProbes",
                );
            }
        } else if int(&probe["successThreshold"]) != 1 {
            errors.invalid_number(&at.child("successThreshold"), int(&probe["successThreshold"]), "must be 1");
        }
    }
}

fn handler(pod: &Pod<'_>, handler: &Value, kinds: &[&str], at: &Path<'_>, errors: &mut ErrorList) {
    let mut found = false;
    for kind in kinds {
        let (action, at) = (&handler[*kind], at.child(kind));
        if action.is_null() {
            continue;
        }
        if found {
            errors.forbidden(&at, "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        match *kind {
            "exec" => {
                if items(&action["command"]).is_empty() {
                    errors.required(&at.child("command"), "");
                }
            }
            "httpGet" => http_get(action, &at, errors),
            "sleep" => {
                let (seconds, grace) = (int(&action["seconds"]), pod.grace_period());
                if seconds < 0 || seconds > grace {
                    errors.invalid_number(
                        &at,
                        seconds,
                        format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})"),
                    );
                }
            }
            _ => port_number_or_name(&action["port"], &at.child("port"), errors),
        }
    }
    if !found {
        errors.required(at, "must specify a handler type");
    }
}

fn http_get(action: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if text(&action["path"]).is_empty() {
        errors.required(&at.child("path"), "");
    }
    port_number_or_name(&action["port"], &at.child("port"), errors);
    let scheme = text(&action["scheme"]);
    if !matches!(scheme, "HTTP" | "HTTPS") {
        errors.not_supported(&at.child("scheme"), &scheme.into(), &["HTTP", "HTTPS"]);
    }
    for header in items(&action["httpHeaders"]) {
        let name = text(&header["name"]);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            errors.invalid_str(&at.child("httpHeaders"), name, "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')");
        }
    }
}

fn resize_policy(pod: &Pod<'_>, policies: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let policies = items(policies);
    for (index, policy) in policies.iter().enumerate() {
        if policies[..index].iter().any(|other| other["resourceName"] == policy["resourceName"]) {
            errors.duplicate(&at.index(index), &policy["resourceName"]);
        }
        one_of(&policy["resourceName"], &["cpu", "memory"], at, errors);
        one_of(&policy["restartPolicy"], &["NotRequired", "RestartContainer"], at, errors);
        if pod.restart_policy() == "Never" && policy["restartPolicy"] != "NotRequired" {
            errors.invalid(at, &policy["restartPolicy"], "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
        }
    }
}

fn restart_policy(container: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (policy, rules) = (&container["restartPolicy"], items(&container["restartPolicyRules"]));
    let path = at.child("restartPolicy");
    if policy.is_null() {
        if !rules.is_empty() {
            errors.required(&path, "must specify restartPolicy when restart rules are used");
        }
    } else if !matches!(text(policy), "Always" | "Never" | "OnFailure") {
        errors.not_supported(&path, policy, &["Always", "Never", "OnFailure"]);
    }
    let list = at.child("restartPolicyRules");
    if rules.len() > 20 {
        errors.too_many(&list, rules.len(), 20);
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = list.index(index);
        let codes = &rule["exitCodes"];
        if codes.is_null() {
            errors.required(&at.child("exitCodes"), "must be specified");
            continue;
        }
        let path = at.child("exitCodes");
        if !matches!(text(&codes["operator"]), "In" | "NotIn") {
            errors.not_supported(&path.child("operator"), &json!(text(&codes["operator"])), &["In", "NotIn"]);
        }
        if items(&codes["values"]).len() > 255 {
            errors.too_many(&path.child("values"), items(&codes["values"]).len(), 255);
        }
    }
}
