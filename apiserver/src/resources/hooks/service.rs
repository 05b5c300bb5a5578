//! Service. Its addresses and ports are given by `allocations`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Hooks, Request, pod_spec, warnings};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path, structure};
use crate::object::{self, int, items, text};
use crate::object_meta;
use crate::resources::names;

pub struct Service;

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const MAX_AFFINITY_SECONDS: i64 = 86400;

impl Hooks for Service {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] =
            &[SelectableField::new("spec.clusterIP", ""), SelectableField::new("spec.type", "")];
        FIELDS
    }

    fn invalid_name(&self, name: &str, prefix: bool) -> Option<String> {
        names::dns1123_label(&names::masked(name, prefix))
    }

    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object["status"] = json!({"loadBalancer": {}});
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        object::keep(object, old, "status");
        link_addresses(object, old);
        drop_what_the_type_had(object, old);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec(object, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        cluster_ip_is_kept(object, old, errors);
        let (at, class, before) =
            (Path::new("spec"), &object["spec"]["loadBalancerClass"], &old["spec"]["loadBalancerClass"]);
        let balanced = |object: &Value| kind(object) == "LoadBalancer";
        if balanced(object) && balanced(old) && !object::same(class, before) {
            errors.invalid(&at.child("loadBalancerClass"), class, "may not change once set");
        }
        spec(object, errors);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        if request.subresource == "status" {
            let status = Path::new("status");
            let balancer = status.child("loadBalancer");
            let list = balancer.child("ingress");
            for (index, ingress) in items(&object["status"]["loadBalancer"]["ingress"]).iter().enumerate() {
                warnings::ip(text(&ingress["ip"]), &list.index(index), out);
            }
            return;
        }
        if !object["metadata"]["annotations"]["service.kubernetes.io/topology-aware-hints"].is_null() {
            out.push("annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead".to_owned());
        }
        let list = at.child("clusterIPs");
        for (index, address) in items(&spec["clusterIPs"]).iter().enumerate() {
            warnings::ip(text(address), &list.index(index), out);
        }
        let (external, has_external) = (kind(object) == "ExternalName", !items(&spec["externalIPs"]).is_empty());
        let headless = kind(object) == "ClusterIP" && spec["clusterIP"] == "None";
        if headless {
            let ignored = [
                ("loadBalancerIP", !text(&spec["loadBalancerIP"]).is_empty()),
                ("externalIPs", has_external),
                ("SessionAffinity", text(&spec["sessionAffinity"]) != "None"),
            ];
            for (field, _) in ignored.iter().filter(|(_, given)| *given) {
                out.push(format!("spec.{field} is ignored for headless services"));
            }
        }
        let list = at.child("externalIPs");
        for (index, address) in items(&spec["externalIPs"]).iter().enumerate() {
            warnings::ip(text(address), &list.index(index), out);
        }
        if has_external && !headless && !external {
            out.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned());
        }
        warnings::ip(text(&spec["loadBalancerIP"]), &at.child("loadBalancerIP"), out);
        let list = at.child("loadBalancerSourceRanges");
        for (index, range) in items(&spec["loadBalancerSourceRanges"]).iter().enumerate() {
            warnings::cidr(text(range), &list.index(index), out);
        }
        if external && has_external {
            out.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
        }
        if !external && !text(&spec["externalName"]).is_empty() {
            out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
        }
        if spec["trafficDistribution"] == "PreferClose" {
            out.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned());
        }
    }
}

fn kind(object: &Value) -> &str {
    text(&object["spec"]["type"])
}

fn is_external(object: &Value) -> bool {
    matches!(kind(object), "LoadBalancer" | "NodePort")
        || kind(object) == "ClusterIP" && !items(&object["spec"]["externalIPs"]).is_empty()
}

fn needs_health_check(object: &Value) -> bool {
    kind(object) == "LoadBalancer" && text(&object["spec"]["externalTrafficPolicy"]) == "Local"
}

/// What a client that changes only one of `clusterIP` and `clusterIPs` means for the other.
fn link_addresses(object: &mut Value, old: &Value) {
    let (now, was) = (text(&object["spec"]["clusterIP"]).to_owned(), text(&old["spec"]["clusterIP"]));
    let (list, before) = (&object["spec"]["clusterIPs"], &old["spec"]["clusterIPs"]);
    let unchanged = object::same(list, before);
    if items(list).is_empty() && !items(before).is_empty() && now == was {
        object["spec"]["clusterIPs"] = before.clone();
    } else if now != was && unchanged {
        if now.is_empty() {
            object::remove(&mut object["spec"], "clusterIPs");
        } else {
            object["spec"]["clusterIPs"] = json!([now]);
        }
    }
}

/// A client that changes the type need not take away what the old type had.
fn drop_what_the_type_had(object: &mut Value, old: &Value) {
    let unchanged = |object: &Value, field: &str| object::same(&object["spec"][field], &old["spec"][field]);
    if kind(old) != "ExternalName" && kind(object) == "ExternalName" {
        if unchanged(object, "clusterIP") && unchanged(object, "clusterIPs") {
            object::remove(&mut object["spec"], "clusterIP");
            object::remove(&mut object["spec"], "clusterIPs");
        }
        for field in ["ipFamilies", "ipFamilyPolicy"] {
            if unchanged(object, field) {
                object::remove(&mut object["spec"], field);
            }
        }
    }
    let has_ports = |object: &Value| matches!(kind(object), "NodePort" | "LoadBalancer");
    if has_ports(old) && !has_ports(object) {
        let ports = |object: &Value| -> Vec<i64> {
            items(&object["spec"]["ports"])
                .iter()
                .map(|port| int(&port["nodePort"]))
                .filter(|port| *port != 0)
                .collect()
        };
        let before = ports(old);
        if ports(object).iter().all(|port| before.contains(port)) {
            for port in object["spec"]["ports"].as_array_mut().into_iter().flatten() {
                object::remove(port, "nodePort");
            }
        }
    }
    if needs_health_check(old) && !needs_health_check(object) && unchanged(object, "healthCheckNodePort") {
        object::remove(&mut object["spec"], "healthCheckNodePort");
    }
    if kind(old) == "LoadBalancer" && kind(object) != "LoadBalancer" {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if unchanged(object, field) {
                object::remove(&mut object["spec"], field);
            }
        }
    }
    if is_external(old) && !is_external(object) && unchanged(object, "externalTrafficPolicy") {
        object::remove(&mut object["spec"], "externalTrafficPolicy");
    }
    if kind(object) != "LoadBalancer" && object["status"].is_object() {
        object["status"]["loadBalancer"] = json!({});
    }
}

fn cluster_ip_is_kept(object: &Value, old: &Value, errors: &mut ErrorList) {
    if kind(object) == "ExternalName" || kind(old) == "ExternalName" {
        return;
    }
    let (spec, before) = (&object["spec"], &old["spec"]);
    let at = Path::new("spec");
    let (now, was) = (&items(&spec["clusterIPs"]).first(), &items(&before["clusterIPs"]).first());
    if let (Some(now), Some(was)) = (now, was)
        && now != was
    {
        errors.invalid(&at.child("clusterIPs").index(0), &json!([now]), "may not change once set");
    }
    let (now, was) = (text(&spec["clusterIP"]), text(&before["clusterIP"]));
    if !now.is_empty()
        && !was.is_empty()
        && now != was
        && items(&spec["clusterIPs"]).first().is_none_or(|first| text(first) == now)
    {
        let path = at.child("clusterIPs");
        let duplicate = errors.0.iter().any(|error| error.field.starts_with("spec.clusterIPs"));
        if !duplicate {
            errors.invalid(&path.index(0), &json!([now]), "may not change once set");
        }
    }
}

fn spec(object: &Value, errors: &mut ErrorList) {
    let (at, spec) = (Path::new("spec"), &object["spec"]);
    let ports = items(&spec["ports"]);
    let headless = text(&spec["clusterIP"]) == "None" || spec["clusterIPs"][0] == "None";
    let kind = kind(object);
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.required(&at.child("ports"), "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid_str(&at.child("clusterIPs").index(0), "None", detail);
        }
        "ExternalName" => external_name(spec, &at, errors),
        _ => {}
    }
    let list = at.child("ports");
    for index in 0..ports.len() {
        service_port(ports, index, &list.index(index), errors);
    }
    object_meta::labels(&spec["selector"], &at.child("selector"), errors);
    affinity(spec, &at, errors);
    addresses(spec, &at, errors);
    match kind {
        "" => errors.required(&at.child("type"), ""),
        known if TYPES.contains(&known) => {}
        _ => errors.not_supported(&at.child("type"), &spec["type"], TYPES),
    }
    for (index, port) in ports.iter().enumerate() {
        let path = list.index(index);
        if kind == "ClusterIP" && int(&port["nodePort"]) != 0 {
            errors.forbidden(&path.child("nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
        let same = |other: &Value, field: &str| other["protocol"] == port["protocol"] && other[field] == port[field];
        if int(&port["nodePort"]) != 0 && ports[..index].iter().any(|other| same(other, "nodePort")) {
            errors.duplicate(&path.child("nodePort"), &port["nodePort"]);
        }
        if ports[..index].iter().any(|other| same(other, "port")) {
            let (none, zero) = (Value::Null, Value::from(0));
            let shown = structure(&[
                ("Name", &"".into()),
                ("Protocol", &port["protocol"]),
                ("AppProtocol", &none),
                ("Port", &port["port"]),
                ("TargetPort", &zero),
                ("NodePort", &zero),
            ]);
            errors.duplicate_structure(&path, shown, "");
        }
    }
    balancer(spec, kind, &at, errors);
    traffic(object, &at, errors);
}

fn external_name(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !object::is_unset(&spec[field]) {
            errors.forbidden(&at.child(field), "may not be set for ExternalName services");
        }
    }
    let name = text(&spec["externalName"]);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        errors.required(&at.child("externalName"), "");
    } else {
        errors.invalid_strs(&at.child("externalName"), name, names::dns1123_subdomain(name));
    }
}

fn service_port(ports: &[Value], index: usize, at: &Path<'_>, errors: &mut ErrorList) {
    let port = &ports[index];
    let name = text(&port["name"]);
    if !name.is_empty() {
        errors.invalid_strs(&at.child("name"), name, names::dns1123_label(name));
        if ports[..index].iter().any(|other| other["name"] == name) {
            errors.duplicate(&at.child("name"), &port["name"]);
        }
    } else if ports.len() > 1 {
        errors.required(&at.child("name"), "");
    }
    if let Some(problem) = names::port_number(int(&port["port"])) {
        errors.invalid_number(&at.child("port"), int(&port["port"]), problem);
    }
    pod_spec::one_of(&port["protocol"], &["SCTP", "TCP", "UDP"], &at.child("protocol"), errors);
    pod_spec::port_number_or_name(&port["targetPort"], &at.child("targetPort"), errors);
    let protocol = text(&port["appProtocol"]);
    if !port["appProtocol"].is_null() {
        errors.invalid_strs(&at.child("appProtocol"), protocol, names::qualified_name_problems(protocol));
    }
}

fn affinity(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (config, path) = (&spec["sessionAffinityConfig"], at.child("sessionAffinityConfig"));
    match text(&spec["sessionAffinity"]) {
        "" => errors.required(&at.child("sessionAffinity"), ""),
        "None" => {
            if !config.is_null() {
                errors.forbidden(&path, "must not be set when session affinity is None");
            }
        }
        "ClientIP" => {
            const WHEN: &str = "when session affinity type is ClientIP";
            let client = path.child("clientIP");
            let seconds = &config["clientIP"]["timeoutSeconds"];
            if config.is_null() {
                errors.required(&path, WHEN);
            } else if config["clientIP"].is_null() {
                errors.required(&client, WHEN);
            } else if seconds.is_null() {
                errors.required(&client.child("timeoutSeconds"), WHEN);
            } else if !(1..=MAX_AFFINITY_SECONDS).contains(&int(seconds)) {
                errors.invalid(&client.child("timeoutSeconds"), seconds, "must be greater than 0 and less than 86400");
            }
        }
        _ => errors.not_supported(&at.child("sessionAffinity"), &spec["sessionAffinity"], &["ClientIP", "None"]),
    }
}

fn addresses(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if text(&spec["type"]) != "ExternalName" {
        cluster_ips(spec, at, errors);
    }
    let path = at.child("externalIPs");
    for (index, address) in items(&spec["externalIPs"]).iter().enumerate() {
        pod_spec::ip_address(address, &path.index(index), errors);
        if let Ok(parsed) = text(address).parse::<IpAddr>() {
            super::endpoints::special_address(parsed, text(address), &path.index(index), errors);
        }
    }
}

/// The service's own addresses and their families, which go together.
fn cluster_ips(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const POLICIES: &[&str] = &["PreferDualStack", "RequireDualStack", "SingleStack"];
    let (list, path) = (items(&spec["clusterIPs"]), at.child("clusterIPs"));
    let single = text(&spec["clusterIP"]);
    // An old client says only the one: the other is made of it.
    let of_single = [Value::from(single)];
    let list = if list.is_empty() && !single.is_empty() { &of_single[..] } else { list };
    if !single.is_empty() && list.first().is_some_and(|first| text(first) != single) {
        errors.invalid(&path, &spec["clusterIPs"], "first value must match `clusterIP`");
    } else if single.is_empty() && !list.is_empty() {
        errors.invalid(&path, &spec["clusterIPs"], "must be empty when `clusterIP` is not specified");
    }
    let (families, families_at) = (items(&spec["ipFamilies"]), at.child("ipFamilies"));
    for (index, family) in families.iter().enumerate() {
        if !matches!(text(family), "IPv4" | "IPv6") {
            errors.not_supported(&families_at.index(index), family, &["IPv4", "IPv6"]);
        }
        if families[..index].contains(family) {
            errors.duplicate(&families_at.index(index), family);
        }
    }
    let policy = &spec["ipFamilyPolicy"];
    if !policy.is_null() && !POLICIES.contains(&text(policy)) {
        errors.not_supported(&at.child("ipFamilyPolicy"), policy, POLICIES);
    }
    let before = errors.0.len();
    for (index, address) in list.iter().enumerate() {
        if index == 0 && text(address) == "None" {
            if list.len() > 1 {
                errors.invalid(&path, &spec["clusterIPs"], "'None' must be the first and only value");
            }
            continue;
        }
        pod_spec::ip_address(address, &path.index(index), errors);
    }
    let invalid = errors.0.len() > before;
    if list.len() > 2 {
        errors.invalid(&path, &spec["clusterIPs"], "may only hold up to 2 values");
    }
    if invalid {
        return;
    }
    let is_v6 = |address: &Value| text(address).contains(':');
    if list.len() > 1 && !(list.iter().any(is_v6) && list.iter().any(|address| !is_v6(address))) {
        errors.invalid(&path, &spec["clusterIPs"], "may specify no more than one IP for each IP family");
    }
    if list.first().is_some_and(|first| text(first) == "None") {
        return;
    }
    for (index, (address, family)) in list.iter().zip(families).enumerate() {
        if matches!(text(family), "IPv4" | "IPv6") && is_v6(address) != (family == "IPv6") {
            let detail = format!("expected an {} value as indicated by `ipFamilies[{index}]`", text(family));
            errors.invalid(&path.index(index), address, detail);
        }
    }
}

fn balancer(spec: &Value, kind: &str, at: &Path<'_>, errors: &mut ErrorList) {
    let (ranges, path) = (items(&spec["loadBalancerSourceRanges"]), at.child("LoadBalancerSourceRanges"));
    if !ranges.is_empty() && kind != "LoadBalancer" {
        errors.forbidden(&path, "may only be used when `type` is 'LoadBalancer'");
    }
    for (index, range) in ranges.iter().enumerate() {
        super::networking::cidr(text(range).trim(), &path.index(index), errors);
    }
    if !spec["allocateLoadBalancerNodePorts"].is_null() && kind != "LoadBalancer" {
        errors.forbidden(&at.child("allocateLoadBalancerNodePorts"), "may only be used when `type` is 'LoadBalancer'");
    }
    let class = &spec["loadBalancerClass"];
    if !class.is_null() {
        if kind != "LoadBalancer" {
            errors.forbidden(&at.child("loadBalancerClass"), "may only be used when `type` is 'LoadBalancer'");
        } else {
            errors.invalid_strs(
                &at.child("loadBalancerClass"),
                text(class),
                names::qualified_name_problems(text(class)),
            );
        }
    }
}

fn traffic(object: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let spec = &object["spec"];
    let (policy, path) = (text(&spec["externalTrafficPolicy"]), at.child("externalTrafficPolicy"));
    if !is_external(object) {
        if !policy.is_empty() {
            errors.invalid_str(&path, policy, "may only be set for externally-accessible services");
        }
    } else if policy.is_empty() {
        errors.required(&path, "");
    } else if !matches!(policy, "Cluster" | "Local") {
        errors.not_supported(&path, &policy.into(), &["Cluster", "Local"]);
    }
    let health = int(&spec["healthCheckNodePort"]);
    if !needs_health_check(object) && health != 0 {
        errors.invalid_number(
            &at.child("healthCheckNodePort"),
            health,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        );
    } else if let Some(problem) = names::port_number(health).filter(|_| health != 0) {
        errors.invalid_number(&at.child("healthCheckNodePort"), health, problem);
    }
    let internal = &spec["internalTrafficPolicy"];
    let path = at.child("internalTrafficPolicy");
    if internal.is_null() {
        if kind(object) != "ExternalName" && !kind(object).is_empty() && TYPES.contains(&kind(object)) {
            errors.required(&path, "");
        }
    } else if !matches!(text(internal), "Cluster" | "Local") {
        errors.not_supported(&path, internal, &["Cluster", "Local"]);
    }
    let distribution = &spec["trafficDistribution"];
    let known = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    if !distribution.is_null() && !known.contains(&text(distribution)) {
        errors.not_supported(&at.child("trafficDistribution"), distribution, &known);
    }
}
