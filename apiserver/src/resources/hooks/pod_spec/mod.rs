//! The rules of a pod's spec, alone or in the template of a workload.
//!
//! Source: `pkg/apis/core/validation/validation.go` (ValidatePodSpec).

mod affinity;
mod container;
mod env;
pub mod profiles;
mod resources;
mod security;
mod volumes;
mod warnings;

use serde_json::{Value, json};

use crate::field::{ErrorList, Path, structure};
use crate::object::{int, items, text};
use crate::object_meta;
use crate::resources::names;

pub use affinity::node_selector;
pub use container::port_number_or_name;
pub use resources::{container_resource_name, quantity_problem, resource_name_problem};
pub use security::app_armor_annotations;
pub use volumes::{csi_driver_name, host_path, no_backsteps};
pub use warnings::{Places, of as warnings};

/// On what the rules depend besides the spec.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Whether the spec is a template's.
    pub in_template: bool,
}

/// What the containers of one pod have to do with each other.
pub struct Pod<'a> {
    pub spec: &'a Value,
    /// The volumes that are in order.
    pub volumes: Vec<&'a Value>,
}

impl Pod<'_> {
    fn volume(&self, name: &str) -> Option<&Value> {
        self.volumes.iter().copied().find(|volume| text(&volume["name"]) == name)
    }

    fn grace_period(&self) -> i64 {
        int(&self.spec["terminationGracePeriodSeconds"])
    }

    fn restart_policy(&self) -> &str {
        text(&self.spec["restartPolicy"])
    }

    fn has_host_users(&self) -> bool {
        self.spec["hostUsers"] != Value::Bool(false)
    }
}

pub fn validate(spec: &Value, metadata: &Value, at: &Path<'_>, rules: Rules, errors: &mut ErrorList) {
    let seconds = &spec["terminationGracePeriodSeconds"];
    if seconds.is_null() {
        errors.required(&at.child("terminationGracePeriodSeconds"), "");
    }
    let volumes = volumes::validate(&spec["volumes"], metadata, &at.child("volumes"), rules, errors);
    let pod = Pod { spec, volumes };
    resource_claims(&spec["resourceClaims"], &at.child("resourceClaims"), errors);
    container::all(&pod, at, errors);
    if !spec["resources"].is_null() {
        resources::of_pod(spec, &at.child("resources"), errors);
    }
    host_network_ports(spec, rules, at, errors);
    one_of(&spec["restartPolicy"], &["Always", "OnFailure", "Never"], &at.child("restartPolicy"), errors);
    let dns_policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(&spec["dnsPolicy"], &dns_policies, &at.child("dnsPolicy"), errors);
    object_meta::labels(&spec["nodeSelector"], &at.child("nodeSelector"), errors);
    security::of_pod(spec, &at.child("securityContext"), errors);
    affinity::validate(&spec["affinity"], &at.child("affinity"), errors);
    dns_config(spec, &at.child("dnsConfig"), errors);
    let gates = at.child("readinessGates");
    for (index, gate) in items(&spec["readinessGates"]).iter().enumerate() {
        let kind = text(&gate["conditionType"]);
        errors.invalid_strs(&gates.index(index).child("conditionType"), kind, names::qualified_name_problems(kind));
    }
    scheduling_gates(&spec["schedulingGates"], &at.child("schedulingGates"), errors);
    affinity::spread(&spec["topologySpreadConstraints"], &at.child("topologySpreadConstraints"), errors);
    if !pod.has_host_users() {
        for (field, name) in [("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
            if spec[field] == Value::Bool(true) {
                errors.forbidden(&at.child(name), "when `hostUsers` is false");
            }
        }
        if spec["hostNetwork"] == Value::Bool(true) {
            errors.forbidden(&at.child("hostNetwork"), "when `hostUsers` is false");
        }
    }
    hostname_override(spec, at, errors);
    for field in ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] {
        let name = text(&spec[field]);
        if !spec[field].is_null() && (!name.is_empty() || field == "runtimeClassName") {
            errors.invalid_strs(&at.child(field), name, names::dns1123_subdomain(name));
        }
    }
    let deadline = &spec["activeDeadlineSeconds"];
    if !deadline.is_null() && !(1..=i64::from(i32::MAX)).contains(&int(deadline)) {
        errors.invalid(&at.child("activeDeadlineSeconds"), deadline, "must be between 1 and 2147483647, inclusive");
    }
    for field in ["hostname", "subdomain"] {
        let name = text(&spec[field]);
        if !name.is_empty() {
            errors.invalid_strs(&at.child(field), name, names::dns1123_label(name));
        }
    }
    tolerations(&spec["tolerations"], &at.child("tolerations"), errors);
    host_aliases(&spec["hostAliases"], &at.child("hostAliases"), errors);
    let preemption = &spec["preemptionPolicy"];
    if !preemption.is_null() {
        one_of(preemption, &["PreemptLowerPriority", "Never"], &at.child("preemptionPolicy"), errors);
    }
    if !spec["overhead"].is_null() {
        resources::of_container(&json!({"limits": spec["overhead"]}), spec, &at.child("overhead"), errors);
    }
    os(&spec["os"], &at.child("os"), errors);
    if !rules.in_template {
        only_in_pods(spec, at, errors);
    }
}

/// A required word.
pub fn one_of(value: &Value, supported: &[&str], at: &Path<'_>, errors: &mut ErrorList) {
    match text(value) {
        "" => errors.required(at, ""),
        word if supported.contains(&word) => {}
        _ => errors.not_supported(at, value, supported),
    }
}

/// The annotations of a pod that mean something.
pub fn annotations(annotations: &Value, spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const MIRROR: &str = "kubernetes.io/config.mirror";
    const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    if !annotations[MIRROR].is_null() && text(&spec["nodeName"]).is_empty() {
        errors.invalid(&at.key(MIRROR), &annotations[MIRROR], "must set spec.nodeName if mirror pod annotation is set");
    }
    let cost = &annotations[DELETION_COST];
    if !cost.is_null() {
        let text = text(cost);
        let canonical = text.parse::<i32>().is_ok()
            && !text.starts_with('+')
            && (text == "0" || !text.trim_start_matches('-').starts_with('0'));
        if !canonical {
            errors.invalid(&at.key(DELETION_COST), cost, "must be a 32bit integer");
        }
    }
    profiles::annotations(annotations, spec, at, errors);
}

/// What only pods, not templates, must satisfy.
fn only_in_pods(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if text(&spec["serviceAccountName"]).is_empty() {
        let list = at.child("volumes");
        for (index, volume) in items(&spec["volumes"]).iter().enumerate() {
            let volume_path = list.index(index);
            let projected = volume_path.child("projected");
            let sources = projected.child("sources");
            for (index, source) in items(&volume["projected"]["sources"]).iter().enumerate() {
                if !source["serviceAccountToken"].is_null() {
                    errors.forbidden(
                        &sources.index(index).child("serviceAccountToken"),
                        "must not be specified when serviceAccountName is not set",
                    );
                }
            }
        }
    }
    for field in ["containers", "initContainers"] {
        let list = at.child(field);
        for (index, container) in items(&spec[field]).iter().enumerate() {
            let image = text(&container["image"]);
            if image.trim() != image {
                errors.invalid_str(
                    &list.index(index).child("image"),
                    image,
                    "must not have leading or trailing whitespace",
                );
            }
        }
    }
}

fn resource_claims(claims: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let list = items(claims);
    for (index, claim) in list.iter().enumerate() {
        let at = at.index(index);
        let name = text(&claim["name"]);
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        } else if list[..index].iter().any(|other| other["name"] == name) {
            errors.duplicate(&at.child("name"), &claim["name"]);
        } else {
            errors.invalid_strs(&at.child("name"), name, names::dns1123_label(name));
        }
        let shown = structure(&[
            ("Name", &name.into()),
            ("ResourceClaimName", &claim["resourceClaimName"]),
            ("ResourceClaimTemplateName", &claim["resourceClaimTemplateName"]),
        ]);
        match (claim["resourceClaimName"].is_null(), claim["resourceClaimTemplateName"].is_null()) {
            (false, false) => errors.invalid_structure(
                &at,
                shown,
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            ),
            (true, true) => errors.invalid_structure(
                &at,
                shown,
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            ),
            _ => {}
        }
        for field in ["resourceClaimName", "resourceClaimTemplateName"] {
            if let Some(name) = claim[field].as_str() {
                errors.invalid_strs(&at.child(field), name, names::dns1123_subdomain(name));
            }
        }
    }
}

fn host_network_ports(spec: &Value, rules: Rules, at: &Path<'_>, errors: &mut ErrorList) {
    if spec["hostNetwork"] != Value::Bool(true) {
        return;
    }
    let containers = at.child("containers");
    for (index, container) in items(&spec["containers"]).iter().enumerate() {
        let container_path = containers.index(index);
        let ports = container_path.child("ports");
        for (index, port) in items(&container["ports"]).iter().enumerate() {
            let (host, inner) = (int(&port["hostPort"]), int(&port["containerPort"]));
            if (!rules.in_template || host != 0) && host != inner {
                errors.invalid_number(
                    &ports.index(index).child("hostPort"),
                    host,
                    "must match `containerPort` when `hostNetwork` is true",
                );
            }
        }
    }
}

/// An IP address as older fields take it.
pub fn ip_address(value: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let address = text(value);
    if let Some(problem) = names::ip_problem(address) {
        errors.invalid_str(at, address, problem);
    }
}

fn dns_config(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let config = &spec["dnsConfig"];
    let servers = items(&config["nameservers"]);
    if text(&spec["dnsPolicy"]) == "None" {
        if config.is_null() {
            errors.required(at, "must provide `dnsConfig` when `dnsPolicy` is None");
            return;
        }
        if servers.is_empty() {
            errors.required(
                &at.child("nameservers"),
                "must provide at least one DNS nameserver when `dnsPolicy` is None",
            );
            return;
        }
    }
    let list = at.child("nameservers");
    if servers.len() > 3 {
        errors.invalid(&list, &config["nameservers"], "must not have more than 3 nameservers");
    }
    for (index, server) in servers.iter().enumerate() {
        ip_address(server, &list.index(index), errors);
    }
    let (searches, list) = (items(&config["searches"]), at.child("searches"));
    if searches.len() > 32 {
        errors.invalid(&list, &config["searches"], "must not have more than 32 search paths");
    }
    if searches.iter().map(|search| text(search).len() + 1).sum::<usize>() > 2049 {
        errors.invalid(
            &list,
            &config["searches"],
            "must not have more than 2048 characters (including spaces) in the search list",
        );
    }
    for (index, search) in searches.iter().enumerate() {
        let name = text(search);
        let name = if name == "." { continue } else { name.strip_suffix('.').unwrap_or(name) };
        if names::dns1123_subdomain(&name.replace('_', "a")).is_some() {
            errors.invalid_str(&list.index(index), name, "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')");
        }
    }
    let options = at.child("options");
    for (index, option) in items(&config["options"]).iter().enumerate() {
        if text(&option["name"]).is_empty() {
            errors.required(&options.index(index), "must not be empty");
        }
    }
}

fn scheduling_gates(gates: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let gates = items(gates);
    for (index, gate) in gates.iter().enumerate() {
        let name = text(&gate["name"]);
        errors.invalid_strs(&at.index(index), name, names::qualified_name_problems(name));
        if gates[..index].iter().any(|other| other["name"] == gate["name"]) {
            errors.duplicate(&at.index(index), &gate["name"]);
        }
    }
}

fn hostname_override(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (hostname, at) = (&spec["hostnameOverride"], at.child("hostnameOverride"));
    if hostname.is_null() {
        return;
    }
    if spec["setHostnameAsFQDN"] == Value::Bool(true) {
        errors.forbidden(&at, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec["hostNetwork"] == Value::Bool(true) {
        errors.forbidden(&at, "may not be specified when hostNetwork is true");
    }
    if text(hostname).len() > 64 {
        errors.too_long(&at, 64);
    }
    errors.invalid_strs(&at, text(hostname), names::dns1123_subdomain(text(hostname)));
}

/// What the pods of a class need beside what their containers ask for.
pub fn overhead(amounts: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if !amounts.is_null() {
        resources::of_container(&json!({"limits": amounts}), &Value::Null, at, errors);
    }
}

pub fn tolerations(tolerations: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for (index, toleration) in items(tolerations).iter().enumerate() {
        let at = at.index(index);
        let [key, operator, value, effect] =
            ["key", "operator", "value", "effect"].map(|field| text(&toleration[field]));
        if !key.is_empty() {
            errors.invalid_strs(&at.child("key"), key, names::qualified_name_problems(key));
        } else if operator != "Exists" {
            errors.invalid_str(
                &at.child("operator"),
                operator,
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
            errors.invalid_str(
                &at.child("effect"),
                effect,
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            );
        }
        match operator {
            "" | "Equal" => errors.invalid_strs(&at.child("operator"), value, names::label_value(value)),
            "Exists" => {
                if !value.is_empty() {
                    errors.invalid_str(&at.child("operator"), value, "value must be empty when `operator` is 'Exists'");
                }
            }
            "Lt" | "Gt" => {
                errors.not_supported(&at.child("operator"), &operator.into(), &["Equal", "Exists", "Lt", "Gt"])
            }
            _ => errors.not_supported(&at.child("operator"), &operator.into(), &["Equal", "Exists"]),
        }
        taint_effect(&toleration["effect"], true, &at.child("effect"), errors);
    }
}

pub fn taint_effect(effect: &Value, may_be_empty: bool, at: &Path<'_>, errors: &mut ErrorList) {
    match text(effect) {
        "" if may_be_empty => {}
        "" => errors.required(at, ""),
        "NoSchedule" | "PreferNoSchedule" | "NoExecute" => {}
        _ => errors.not_supported(at, effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    }
}

fn host_aliases(aliases: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for (index, alias) in items(aliases).iter().enumerate() {
        let at = at.index(index);
        ip_address(&alias["ip"], &at.child("ip"), errors);
        let list = at.child("hostnames");
        for (index, name) in items(&alias["hostnames"]).iter().enumerate() {
            errors.invalid_strs(&list.index(index), text(name), names::dns1123_subdomain(text(name)));
        }
    }
}

fn os(os: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if os.is_null() {
        return;
    }
    match text(&os["name"]) {
        "linux" | "windows" => {}
        "" => errors.required(&at.child("name"), ""),
        _ => errors.not_supported(at, &os["name"], &["linux", "windows"]),
    }
}

/// Whether two lists of containers have the same names in the same order.
pub fn same_names(a: &Value, b: &Value) -> bool {
    let (a, b) = (items(a), items(b));
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| text(&a["name"]) == text(&b["name"]))
}
