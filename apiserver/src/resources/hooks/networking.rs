//! The kinds of networking.k8s.io.
//!
//! Source: `pkg/apis/networking/validation`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Hooks, Request, label_selector, pod_spec, warnings};
use crate::field::{ErrorList, Path, structure};
use crate::internal_form;
use crate::object::{self, int, items, text};
use crate::resources::names;

pub struct Ingress;

impl Hooks for Ingress {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        ingress_spec(&object["spec"], errors);
        const CLASS: &str = "kubernetes.io/ingress.class";
        let (annotation, class) = (&object["metadata"]["annotations"][CLASS], &object["spec"]["ingressClassName"]);
        if !annotation.is_null() && !class.is_null() && annotation != class {
            let annotations = Path::new("annotations");
            errors.invalid(
                &annotations.child(CLASS),
                annotation,
                "must match `ingressClassName` when both are specified",
            );
        }
    }

    fn validate_update(&self, object: &Value, _old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        ingress_spec(&object["spec"], errors);
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        let status = Path::new("status");
        let balancer = status.child("loadBalancer");
        let list = balancer.child("ingress");
        for (index, ingress) in items(&object["status"]["loadBalancer"]["ingress"]).iter().enumerate() {
            let at = list.index(index);
            if !text(&ingress["ip"]).is_empty() {
                pod_spec::ip_address(&ingress["ip"], &at.child("ip"), errors);
            }
            let host = text(&ingress["hostname"]);
            if !host.is_empty() {
                errors.invalid_strs(&at.child("hostname"), host, names::dns1123_subdomain(host));
                if host.parse::<IpAddr>().is_ok() {
                    errors.invalid_str(&at.child("hostname"), host, "must be a DNS name, not an IP address");
                }
            }
        }
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        const CLASS: &str = "kubernetes.io/ingress.class";
        if request.subresource == "status" {
            let status = Path::new("status");
            let balancer = status.child("loadBalancer");
            let list = balancer.child("ingress");
            for (index, ingress) in items(&object["status"]["loadBalancer"]["ingress"]).iter().enumerate() {
                warnings::ip(text(&ingress["ip"]), &list.index(index), out);
            }
        }
        let annotated = !object["metadata"]["annotations"][CLASS].is_null();
        if old.is_none() && annotated && object["spec"]["ingressClassName"].is_null() {
            out.push(format!("annotation {CLASS:?} is deprecated, please use 'spec.ingressClassName' instead"));
        }
    }
}

fn ingress_spec(spec: &Value, errors: &mut ErrorList) {
    let at = Path::new("spec");
    let rules = items(&spec["rules"]);
    if rules.is_empty() && spec["defaultBackend"].is_null() {
        let shown = if spec["rules"].is_null() { Value::Null } else { json!([]) };
        errors.invalid(&at, &shown, "either `defaultBackend` or `rules` must be specified");
    }
    if !spec["defaultBackend"].is_null() {
        backend(&spec["defaultBackend"], &at.child("defaultBackend"), errors);
    }
    let list = at.child("rules");
    for (index, rule) in rules.iter().enumerate() {
        let at = list.index(index);
        host(text(&rule["host"]), &at.child("host"), true, errors);
        if !rule["http"].is_null() {
            let http = at.child("http");
            let (paths, list) = (items(&rule["http"]["paths"]), http.child("paths"));
            if paths.is_empty() {
                errors.required(&list, "");
            }
            for (index, path) in paths.iter().enumerate() {
                http_path(path, &list.index(index), errors);
            }
        }
    }
    let list = at.child("tls");
    for (index, tls) in items(&spec["tls"]).iter().enumerate() {
        let at = list.index(index);
        let hosts = at.child("hosts");
        for (index, name) in items(&tls["hosts"]).iter().enumerate() {
            host(text(name), &hosts.index(index), false, errors);
        }
        let secret = text(&tls["secretName"]);
        if !secret.is_empty() {
            errors.invalid_strs(&at.child("secretName"), secret, names::dns1123_subdomain(secret));
        }
    }
    let class = &spec["ingressClassName"];
    if !class.is_null() {
        errors.invalid_strs(&at.child("ingressClassName"), text(class), names::dns1123_subdomain(text(class)));
    }
}

fn host(host: &str, at: &Path<'_>, may_be_empty: bool, errors: &mut ErrorList) {
    if host.is_empty() && may_be_empty {
        return;
    }
    if may_be_empty && host.parse::<IpAddr>().is_ok() {
        errors.invalid_str(at, host, "must be a DNS name, not an IP address");
    }
    if host.contains('*') {
        let valid = host.strip_prefix("*.").is_some_and(|rest| names::dns1123_subdomain(rest).is_none());
        if !valid {
            errors.invalid_str(at, host, "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
        }
    } else {
        errors.invalid_strs(at, host, names::dns1123_subdomain(host));
    }
}

fn http_path(path: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if path["pathType"].is_null() {
        errors.required(&at.child("pathType"), "pathType must be specified");
        return;
    }
    let (value, path_at) = (text(&path["path"]), at.child("path"));
    match text(&path["pathType"]) {
        "Exact" | "Prefix" => {
            if !value.starts_with('/') {
                errors.invalid_str(&path_at, value, "must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"] {
                if value.contains(part) {
                    errors.invalid_str(&path_at, value, format!("must not contain '{part}'"));
                }
            }
            for end in ["/..", "/."] {
                if value.ends_with(end) {
                    errors.invalid_str(&path_at, value, format!("cannot end with '{end}'"));
                }
            }
        }
        "ImplementationSpecific" => {
            if !value.is_empty() && !value.starts_with('/') {
                errors.invalid_str(&path_at, value, "must be an absolute path");
            }
        }
        _ => errors.not_supported(
            &at.child("pathType"),
            &path["pathType"],
            &["Exact", "ImplementationSpecific", "Prefix"],
        ),
    }
    backend(&path["backend"], &at.child("backend"), errors);
}

fn backend(backend: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    match (service.is_null(), resource.is_null()) {
        (false, false) => errors.invalid_str(at, "", "cannot set both resource and service backends"),
        (true, true) => errors.invalid_str(at, "", "resource or service backend is required"),
        (true, false) => reference(resource, &at.child("resource"), errors),
        (false, true) => {
            let path = at.child("service");
            let name = text(&service["name"]);
            if name.is_empty() {
                errors.required(&path.child("name"), "");
            } else {
                errors.invalid_strs(&path.child("name"), name, names::dns1123_label(name));
            }
            let (name, number, port) =
                (text(&service["port"]["name"]), int(&service["port"]["number"]), path.child("port"));
            match (name.is_empty(), number == 0) {
                (false, false) => errors.invalid_str(at, "", "cannot set both port name & port number"),
                (false, true) => errors.invalid_strs(&port.child("name"), name, names::port_name(name)),
                (true, false) => {
                    if let Some(problem) = names::port_number(number) {
                        errors.invalid_number(&port.child("number"), number, problem);
                    }
                }
                (true, true) => errors.required(at, "port name or number is required"),
            }
        }
    }
}

fn reference(reference: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let group = &reference["apiGroup"];
    if !group.is_null() {
        errors.invalid_strs(&at.child("apiGroup"), text(group), names::dns1123_subdomain(text(group)));
    }
    for field in ["kind", "name"] {
        let value = text(&reference[field]);
        if value.is_empty() {
            errors.required(&at.child(field), "");
        } else {
            errors.invalid_strs(&at.child(field), value, names::path_segment(value));
        }
    }
}

pub struct IngressClass;

impl Hooks for IngressClass {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        let (controller, path) = (text(&spec["controller"]), at.child("controller"));
        if controller.len() > 250 {
            errors.too_long(&path, 250);
        }
        domain_prefixed_path(controller, &path, errors);
        let parameters = &spec["parameters"];
        if !parameters.is_null() {
            let path = at.child("parameters");
            reference(parameters, &path, errors);
            let namespace = &parameters["namespace"];
            match parameters["scope"].as_str() {
                None => errors.required(&path.child("scope"), ""),
                Some("Namespace") => {
                    if let Some(name) = namespace.as_str() {
                        errors.invalid_strs(&path.child("namespace"), name, names::dns1123_label(name));
                    } else {
                        errors.required(&path.child("namespace"), "`parameters.scope` is set to 'Namespace'");
                    }
                }
                Some("Cluster") => {
                    if !namespace.is_null() {
                        errors.forbidden(&path.child("namespace"), "`parameters.scope` is set to 'Cluster'");
                    }
                }
                _ => errors.not_supported(&path.child("scope"), &parameters["scope"], &["Cluster", "Namespace"]),
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        let at = Path::new("spec");
        errors.immutable(&at.child("controller"), &object["spec"]["controller"], &old["spec"]["controller"]);
        self.validate(object, request, errors);
    }
}

pub fn domain_prefixed_path(value: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if value.is_empty() {
        errors.required(at, "");
        return;
    }
    match value.split_once('/') {
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            errors.invalid_strs(at, domain, names::dns1123_subdomain(domain));
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
            if !path.bytes().all(allowed) {
                errors.invalid_str(
                    at,
                    path,
                    "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
                );
            }
        }
        _ => errors.invalid_str(at, value, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
}

pub struct NetworkPolicy;

impl Hooks for NetworkPolicy {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        label_selector::validate(&spec["podSelector"], &at.child("podSelector"), errors);
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            let list = at.child(direction);
            for (index, rule) in items(&spec[direction]).iter().enumerate() {
                let at = list.index(index);
                let ports = at.child("ports");
                for (index, port) in items(&rule["ports"]).iter().enumerate() {
                    policy_port(port, &ports.index(index), errors);
                }
                let list = at.child(peers);
                for (index, peer) in items(&rule[peers]).iter().enumerate() {
                    policy_peer(peer, &list.index(index), errors);
                }
            }
        }
        let (types, list) = (items(&spec["policyTypes"]), at.child("policyTypes"));
        if types.len() > 2 {
            errors.invalid(&list, &spec["policyTypes"], "may not specify more than two policyTypes");
            return;
        }
        for (index, kind) in types.iter().enumerate() {
            if !matches!(text(kind), "Ingress" | "Egress") {
                errors.not_supported(&list.index(index), kind, &["Ingress", "Egress"]);
            }
        }
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        let spec = Path::new("spec");
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            let list = spec.child(direction);
            for (index, rule) in items(&object["spec"][direction]).iter().enumerate() {
                let at = list.index(index);
                let list = at.child(peers);
                for (index, peer) in items(&rule[peers]).iter().enumerate() {
                    let (at, block) = (list.index(index), &peer["ipBlock"]);
                    let at = at.child("ipBlock");
                    warnings::cidr(text(&block["cidr"]), &at.child("cidr"), out);
                    let list = at.child("except");
                    for (index, except) in items(&block["except"]).iter().enumerate() {
                        warnings::cidr(text(except), &list.index(index), out);
                    }
                }
            }
        }
    }
}

fn policy_port(port: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let protocol = &port["protocol"];
    if !protocol.is_null() && !matches!(text(protocol), "TCP" | "UDP" | "SCTP") {
        errors.not_supported(&at.child("protocol"), protocol, &["TCP", "UDP", "SCTP"]);
    }
    let (number, end) = (&port["port"], &port["endPort"]);
    if number.is_null() {
        if !end.is_null() {
            errors.invalid(&at.child("endPort"), end, "may not be specified when `port` is not specified");
        }
        return;
    }
    if number.is_string() && !end.is_null() {
        errors.invalid(&at.child("endPort"), end, "may not be specified when `port` is non-numeric");
    }
    pod_spec::port_number_or_name(number, &at.child("port"), errors);
    if end.is_null() || number.is_string() {
        return;
    }
    if int(end) < int(number) {
        errors.invalid(&at.child("endPort"), number, "must be greater than or equal to `port`");
    }
    if let Some(problem) = names::port_number(int(end)) {
        errors.invalid(&at.child("endPort"), end, problem);
    }
}

fn policy_peer(peer: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let mut count = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if !peer[field].is_null() {
            count += 1;
            label_selector::validate(&peer[field], &at.child(field), errors);
        }
    }
    let block = &peer["ipBlock"];
    if !block.is_null() {
        count += 1;
        let path = at.child("ipBlock");
        if text(&block["cidr"]).is_empty() {
            errors.required(&path.child("cidr"), "");
        } else {
            cidr(text(&block["cidr"]), &path.child("cidr"), errors);
        }
        let list = path.child("except");
        for (index, except) in items(&block["except"]).iter().enumerate() {
            let at = list.index(index);
            cidr(text(except), &at, errors);
            let parse = |value: &Value| text(value).parse::<ipnet::IpNet>().ok();
            if let (Some(outer), Some(inner)) = (parse(&block["cidr"]), parse(except))
                && (!outer.contains(&inner.addr()) || outer.prefix_len() >= inner.prefix_len())
            {
                errors.invalid_str(&at, text(except), "must be a strict subset of `cidr`");
            }
        }
    }
    if count == 0 {
        errors.required(at, "must specify a peer");
    } else if count > 1 && !block.is_null() {
        errors.forbidden(at, "may not specify both ipBlock and another peer");
    }
}

/// A network as old fields take it.
pub fn cidr(value: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if let Some(problem) = names::cidr_problem(value) {
        errors.invalid_str(at, value, problem);
    }
}

/// A network in the one form in which newer fields take it.
pub fn strict_cidr(value: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if let Some(problem) = names::cidr_problem(value) {
        errors.invalid_str(at, value, problem);
    } else if let Some(network) = names::cidr_sloppy(value).filter(|network| network.to_string() != value) {
        errors.invalid_str(at, value, format!("must be in canonical form (\"{network}\")"));
    }
}

pub struct IpAddress;

impl Hooks for IpAddress {
    fn invalid_name(&self, name: &str, _prefix: bool) -> Option<String> {
        if let Some(problem) = names::ip_problem(name) {
            return Some(problem.to_owned());
        }
        let address = name.parse::<IpAddr>().ok().filter(|address| address.to_string() != name)?;
        Some(format!("must be in canonical form (\"{address}\")"))
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (spec, parent) = (Path::new("spec"), &object["spec"]["parentRef"]);
        let at = spec.child("parentRef");
        if parent.is_null() {
            errors.required(&at, "");
            return;
        }
        let group = text(&parent["group"]);
        if !group.is_empty() {
            errors.invalid_strs(&at.child("group"), group, names::dns1123_subdomain(group));
        }
        for field in ["resource", "name", "namespace"] {
            let value = text(&parent[field]);
            if !value.is_empty() {
                errors.invalid_strs(&at.child(field), value, names::path_segment(value));
            } else if field != "namespace" {
                errors.required(&at.child(field), "");
            }
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (spec, parent) = (Path::new("spec"), &object["spec"]["parentRef"]);
        if !object::same(parent, &old["spec"]["parentRef"]) {
            let shown = internal_form::of("networking.k8s.io", "v1", "IPAddress", &["spec", "parentRef"], parent);
            errors.invalid_structure(&spec.child("parentRef"), shown, "field is immutable");
        }
    }
}

pub struct ServiceCidr;

impl Hooks for ServiceCidr {
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        object::keep_meta(object, old);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let spec = Path::new("spec");
        let (cidrs, at) = (items(&object["spec"]["cidrs"]), spec.child("cidrs"));
        if cidrs.is_empty() {
            errors.required(&at, "at least one CIDR required");
            return;
        }
        if cidrs.len() > 2 {
            let shown = structure(&[("CIDRs", &object["spec"]["cidrs"])]);
            errors.invalid_structure(&at, shown, "may only hold up to 2 values");
            return;
        }
        for (index, value) in cidrs.iter().enumerate() {
            strict_cidr(text(value), &at.index(index), errors);
        }
        let family = |value: &Value| names::cidr_sloppy(text(value)).map(|network| network.addr().is_ipv6());
        if let [first, second] = cidrs
            && family(first).is_some()
            && family(first) == family(second)
        {
            errors.invalid(
                &at,
                &object["spec"]["cidrs"],
                "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
            );
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        let spec = Path::new("spec");
        let (at, now, was) = (spec.child("cidrs"), items(&object["spec"]["cidrs"]), items(&old["spec"]["cidrs"]));
        if now.len() != was.len() && (was.len(), now.len()) != (1, 2) {
            errors.invalid(&at, &object["spec"]["cidrs"], "field is immutable");
            return;
        }
        for (index, (now, _)) in now.iter().zip(was).enumerate().filter(|(_, (now, was))| now != was) {
            errors.invalid(&at.index(index), now, "field is immutable");
        }
        // A second family may come later.
        if now.len() != was.len() {
            self.validate(object, request, errors);
        }
    }
}
