//! Services and the `networking.k8s.io` group.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::Printer;
use super::cells::{age, cells, integer, joined, labels, list, name, selector_or_none, text, text_or};
use super::column::{AGE, Column, NAME};

pub static INGRESS: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Class",
            "The name of the IngressClass resource that should be used for additional configuration",
        ),
        Column::string("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
        Column::string("Address", "Address is a list containing ingress points for the load-balancer"),
        Column::string("Ports", "Ports of TLS configurations that open"),
        AGE,
    ],
    |object, now| {
        let spec = &object["spec"];
        cells![
            name(object),
            spec["ingressClassName"].as_str().unwrap_or("<none>"),
            hosts(&spec["rules"]),
            load_balancer(object),
            if list(&spec["tls"]).is_empty() { "80" } else { "80, 443" },
            age(object, now),
        ]
    },
);

pub static INGRESS_CLASS: Printer = Printer::new(
    &[
        NAME,
        Column::string("Controller", "Controller that is responsible for handling this class"),
        Column::string("Parameters", "A reference to a resource with additional parameters"),
        AGE,
    ],
    ingress_class,
);

pub static IP_ADDRESS: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "ParentRef",
            "ParentRef references the resource that an IPAddress is attached to. An IPAddress must reference a parent object.",
        ),
    ],
    // The age has no column upstream either.
    |object, now| cells![name(object), parent(&object["spec"]["parentRef"]), age(object, now)],
);

pub static NETWORK_POLICY: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Pod-Selector",
            "podSelector selects the pods to which this NetworkPolicy object applies. The array of rules is applied to any pods selected by this field. An empty selector matches all pods in the policy's namespace. Multiple network policies can select the same set of pods. In this case, the ingress rules for each are combined additively. This field is optional. If it is not specified, it defaults to an empty selector.",
        ),
        AGE,
    ],
    |object, now| cells![name(object), selector_or_none(&object["spec"]["podSelector"]), age(object, now)],
);

pub static SERVICE: Printer = Printer::new(
    &[
NAME,
Column::string("Type", "type determines how the Service is exposed. Defaults to ClusterIP. Valid options are ExternalName, ClusterIP, NodePort, and LoadBalancer. \"ClusterIP\" allocates a cluster-internal IP address for load-balancing to endpoints. Endpoints are determined by the selector or if that is not specified, by manual construction of an Endpoints object or EndpointSlice objects. If clusterIP is \"None\", no virtual IP is allocated and the endpoints are published as a set of endpoints rather than a virtual IP. \"NodePort\" builds on ClusterIP and allocates a port on every node which routes to the same endpoints as the clusterIP. \"LoadBalancer\" builds on NodePort and creates an external load-balancer (if supported in the current cloud) which routes to the same endpoints as the clusterIP. \"ExternalName\" aliases this service to the specified externalName. Several other fields do not apply to ExternalName services. More info: https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types"),
Column::string("Cluster-IP", "clusterIP is the IP address of the service and is usually assigned randomly. If an address is specified manually, is in-range (as per system configuration), and is not in use, it will be allocated to the service; otherwise creation of the service will fail. This field may not be changed through updates unless the type field is also being changed to ExternalName (which requires this field to be blank) or the type field is being changed from ExternalName (in which case this field may optionally be specified, as describe above).  Valid values are \"None\", empty string (\"\"), or a valid IP address. Setting this to \"None\" makes a \"headless service\" (no virtual IP), which is useful when direct endpoint connections are preferred and proxying is not required.  Only applies to types ClusterIP, NodePort, and LoadBalancer. If this field is specified when creating a Service of type ExternalName, creation will fail. This field will be wiped when updating a Service to type ExternalName. More info: https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies"),
Column::string("External-IP", "externalIPs is a list of IP addresses for which nodes in the cluster will also accept traffic for this service.  These IPs are not managed by Kubernetes.  The user is responsible for ensuring that traffic arrives at a node with this IP.  A common example is external load-balancers that are not part of the Kubernetes system."),
Column::string("Port(s)", "The list of ports that are exposed by this service. More info: https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies"),
AGE,
Column::string("Selector", "Route service traffic to pods with label keys and values matching this selector. If empty or not present, the service is assumed to have an external process managing its endpoints, which Kubernetes will not modify. Only applies to types ClusterIP, NodePort, and LoadBalancer. Ignored if type is ExternalName. More info: https://kubernetes.io/docs/concepts/services-networking/service/").wide(),
],
    |object, now| {
        let spec = &object["spec"];
        cells![
            name(object),
            text(&spec["type"]),
            spec["clusterIPs"][0].as_str().unwrap_or("<none>"),
            external_ip(object),
            ports(&spec["ports"]),
            age(object, now),
            labels(&spec["selector"]),
        ]
    },
);

pub static SERVICE_CIDR: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "CIDRs",
            "CIDRs defines the IP blocks in CIDR notation (e.g. \"192.168.0.0/24\" or \"2001:db8::/64\") from which to assign service cluster IPs. Max of two CIDRs is allowed, one of each IP family. This field is immutable.",
        ),
        AGE,
    ],
    |object, now| cells![name(object), joined(&object["spec"]["cidrs"]), age(object, now)],
);

fn hosts(rules: &Value) -> String {
    const SHOWN: usize = 3;
    let rules = list(rules);
    let mut hosts = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= hosts.len() == SHOWN;
        if !more && !text(&rule["host"]).is_empty() {
            hosts.push(text(&rule["host"]));
        }
    }
    match (hosts.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (_, false) => hosts.join(","),
        // Upstream counts rules without a host too.
        (_, true) => format!("{} + {} more...", hosts.join(","), rules.len() - SHOWN),
    }
}

/// The addresses of a load balancer, sorted.
fn load_balancer(object: &Value) -> String {
    let ingress = list(&object["status"]["loadBalancer"]["ingress"]).iter();
    let addresses: BTreeSet<_> = ingress
        .map(|point| text_or(&point["ip"], text(&point["hostname"])))
        .filter(|address| !address.is_empty())
        .collect();
    addresses.into_iter().collect::<Vec<_>>().join(",")
}

fn ingress_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let is_default = object["metadata"]["annotations"]["ingressclass.kubernetes.io/is-default-class"] == "true";
    let parameters = &object["spec"]["parameters"];
    let kind = text(&parameters["kind"]);
    let parameters = match parameters["apiGroup"].as_str() {
        _ if !parameters.is_object() => "<none>".to_owned(),
        Some(group) => format!("{kind}.{group}/{}", text(&parameters["name"])),
        None => format!("{kind}/{}", text(&parameters["name"])),
    };
    cells![
        format!("{}{}", name(object), if is_default { " (default)" } else { "" }),
        text(&object["spec"]["controller"]),
        parameters,
        age(object, now),
    ]
}

/// A reference as `resource.group/namespace/name`.
fn parent(reference: &Value) -> String {
    if !reference.is_object() {
        return "<none>".to_owned();
    }
    let mut out = text(&reference["resource"]).to_owned();
    for (separator, part) in [(".", &reference["group"]), ("/", &reference["namespace"])] {
        if !text(part).is_empty() {
            out = format!("{out}{separator}{}", text(part));
        }
    }
    format!("{out}/{}", text(&reference["name"]))
}

fn external_ip(service: &Value) -> String {
    let spec = &service["spec"];
    let external = joined(&spec["externalIPs"]);
    match text(&spec["type"]) {
        "ClusterIP" | "NodePort" if external.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => external,
        "LoadBalancer" => match (load_balancer(service), external) {
            (balancer, external) if balancer.is_empty() && external.is_empty() => "<pending>".to_owned(),
            (balancer, external) if balancer.is_empty() => external,
            (balancer, external) if external.is_empty() => balancer,
            (balancer, external) => format!("{balancer},{external}"),
        },
        "ExternalName" => text(&spec["externalName"]).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

fn ports(ports: &Value) -> String {
    let ports: Vec<_> = list(ports)
        .iter()
        .map(|port| match integer(&port["nodePort"]) {
            node_port if node_port > 0 => format!("{}:{node_port}/{}", integer(&port["port"]), text(&port["protocol"])),
            _ => format!("{}/{}", integer(&port["port"]), text(&port["protocol"])),
        })
        .collect();
    if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn ingresses() {
        let hosts = |hosts: &[&str]| -> Vec<_> { hosts.iter().map(|host| json!({"host": host})).collect() };
        let status =
            json!({"loadBalancer": {"ingress": [{"hostname": "lb.example"}, {"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}]}});
        let object = json!({
            "spec": {"ingressClassName": "nginx", "rules": hosts(&["a", "b", "c", "d", ""]), "tls": [{}]},
            "status": status,
        });
        let cells = json!(["x", "nginx", "a,b,c + 2 more...", "10.0.0.1,lb.example", "80, 443", "60s"]);
        shows(&INGRESS, object, cells);
        shows(&INGRESS, json!({"spec": {"rules": hosts(&[""])}}), json!(["x", "<none>", "*", "", "80", "60s"]));
    }

    #[test]
    fn ingress_classes() {
        let object = json!({
            "metadata": {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "example.com/c", "parameters": {"apiGroup": "k8s.example.com", "kind": "P", "name": "n"}},
        });
        shows(&INGRESS_CLASS, object, json!(["x (default)", "example.com/c", "P.k8s.example.com/n", "60s"]));
        let object = json!({"spec": {"controller": "c", "parameters": {"kind": "ConfigMap", "name": "n"}}});
        shows(&INGRESS_CLASS, object, json!(["x", "c", "ConfigMap/n", "60s"]));
        shows(&INGRESS_CLASS, json!({"spec": {"controller": "c"}}), json!(["x", "c", "<none>", "60s"]));
    }

    #[test]
    fn ip_addresses() {
        let parent = json!({"resource": "services", "namespace": "default", "name": "kubernetes"});
        shows(&IP_ADDRESS, json!({"spec": {"parentRef": parent}}), json!(["x", "services/default/kubernetes", "60s"]));
        let parent = json!({"group": "gateway.example", "resource": "gateways", "name": "g"});
        shows(&IP_ADDRESS, json!({"spec": {"parentRef": parent}}), json!(["x", "gateways.gateway.example/g", "60s"]));
    }

    #[test]
    fn network_policies_and_service_cidrs() {
        let spec = json!({"podSelector": {"matchLabels": {"a": "b"}}});
        shows(&NETWORK_POLICY, json!({"spec": spec}), json!(["x", "a=b", "60s"]));
        shows(&NETWORK_POLICY, json!({"spec": {"podSelector": {}}}), json!(["x", "<none>", "60s"]));
        let spec = json!({"cidrs": ["10.0.0.0/16", "fd00::/112"]});
        shows(&SERVICE_CIDR, json!({"spec": spec}), json!(["x", "10.0.0.0/16,fd00::/112", "60s"]));
    }

    #[test]
    fn services() {
        let object = json!({"spec": {
            "type": "NodePort", "clusterIPs": ["10.96.0.7", "fd00::7"], "selector": {"b": "2", "a": "1"},
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
        }});
        let cells = json!(["x", "NodePort", "10.96.0.7", "<none>", "80:30080/TCP,53/UDP", "60s", "a=1,b=2"]);
        shows(&SERVICE, object, cells);
        let object = json!({"spec": {"type": "ExternalName", "externalName": "db.example"}});
        shows(&SERVICE, object, json!(["x", "ExternalName", "<none>", "db.example", "<none>", "60s", "<none>"]));
    }

    #[test]
    fn external_addresses_of_load_balancers() {
        let of = |spec: Value, ingress: Value| {
            external_ip(&json!({"spec": spec, "status": {"loadBalancer": {"ingress": ingress}}}))
        };
        assert_eq!(of(json!({"type": "LoadBalancer"}), json!([])), "<pending>");
        assert_eq!(of(json!({"type": "LoadBalancer"}), json!([{"ip": "1.2.3.4"}])), "1.2.3.4");
        let spec = json!({"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]});
        assert_eq!(of(spec.clone(), json!([{"ip": "1.2.3.4"}])), "1.2.3.4,9.9.9.9");
        assert_eq!(of(spec, json!([])), "9.9.9.9");
        assert_eq!(of(json!({"type": "ClusterIP", "externalIPs": ["9.9.9.9"]}), json!([])), "9.9.9.9");
    }
}
