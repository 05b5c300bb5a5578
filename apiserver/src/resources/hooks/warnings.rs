//! What a client is told about an object that is taken and yet not as it should be: parts that many kinds share.
//!
//! Source: `pkg/api/node/util.go` and apimachinery `pkg/util/validation/ip.go`.

use std::net::IpAddr;

use apiserver_schema::quantity::Quantity;
use serde_json::Value;

use crate::field::Path;
use crate::object::{entries, items, text};
use crate::resources::names;

const NODE_LABELS: &[(&str, &str)] = &[
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    ("scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

/// What stands instead of a label of nodes, if that is to go.
pub fn node_label(key: &str) -> Option<&'static str> {
    NODE_LABELS.iter().find(|(label, _)| *label == key).map(|(_, instead)| *instead)
}

/// Labels to go in a term of a node selector. `values` asks to look at the values as labels' values, too.
pub fn node_selector_term(term: &Value, values: bool, at: &Path<'_>, warnings: &mut Vec<String>) {
    let list = at.child("matchExpressions");
    for (index, expression) in items(&term["matchExpressions"]).iter().enumerate() {
        let at = list.index(index);
        expression_key(expression, &at, warnings);
        let list = at.child("values");
        for (index, value) in items(&expression["values"]).iter().enumerate().filter(|_| values) {
            if let Some(problem) = names::label_value(text(value)) {
                warnings.push(format!("{}: {} is invalid, {problem}", list.index(index), text(value)));
            }
        }
    }
}

/// Labels to go in a label selector of nodes.
pub fn node_selector(selector: &Value, at: &Path<'_>, warnings: &mut Vec<String>) {
    let list = at.child("matchExpressions");
    for (index, expression) in items(&selector["matchExpressions"]).iter().enumerate() {
        expression_key(expression, &list.index(index), warnings);
    }
    let labels = at.child("matchLabels");
    for (label, _) in entries(&selector["matchLabels"]) {
        if let Some(instead) = node_label(label) {
            warnings.push(format!("{}: {instead}", labels.child(label)));
        }
    }
}

fn expression_key(expression: &Value, at: &Path<'_>, warnings: &mut Vec<String>) {
    let key = text(&expression["key"]);
    if let Some(instead) = node_label(key) {
        warnings.push(format!("{}: {key} is {instead}", at.child("key")));
    }
}

/// An address that is written otherwise than it should be.
pub fn ip(value: &str, at: &Path<'_>, warnings: &mut Vec<String>) {
    let Some(parsed) = names::ip_sloppy(value) else { return };
    let strict = value.parse::<IpAddr>();
    let mapped = matches!(strict, Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some());
    if strict.is_err() || mapped {
        warnings.push(format!("{at}: non-standard IP address {value:?} is invalid: use \"{}\"", parsed.to_canonical()));
    } else if parsed.is_ipv6() && parsed.to_string() != value {
        warnings.push(format!("{at}: IPv6 address {value:?} should be in RFC 5952 canonical format (\"{parsed}\")"));
    }
}

/// A network that is written otherwise than it should be, or that says more than its prefix.
pub fn cidr(value: &str, at: &Path<'_>, warnings: &mut Vec<String>) {
    let Some(network) = names::cidr_sloppy(value) else { return };
    let (address, length) = value.split_once('/').unwrap_or((value, ""));
    let trunc = network.trunc();
    let before = warnings.len();
    if network.addr() != trunc.addr() {
        let single = format!("{}/{}", network.addr(), network.max_prefix_len());
        warnings.push(format!(
            "{at}: CIDR value {value:?} is ambiguous in this context (should be \"{trunc}\" or {single:?}?)"
        ));
    }
    let strict = address.parse::<IpAddr>();
    let mapped = matches!(strict, Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some());
    if strict.is_err() || mapped || (length.len() > 1 && length.starts_with('0')) {
        warnings.push(format!("{at}: non-standard CIDR value {value:?} is invalid: use \"{trunc}\""));
    }
    if warnings.len() == before && network.addr().is_ipv6() && network.to_string() != value {
        warnings
            .push(format!("{at}: IPv6 CIDR value {value:?} should be in RFC 5952 canonical format (\"{network}\")"));
    }
}

/// Bytes of which there is no whole number.
pub fn fractional(amounts: &Value, resource: &str, at: &Path<'_>, warnings: &mut Vec<String>) {
    let amount = text(&amounts[resource]);
    if Quantity::parse(amount).is_ok_and(|amount| amount.milli_value() % 1000 != 0) {
        warnings.push(format!("{}: fractional byte value {amount:?} is invalid, must be an integer", at.key(resource)));
    }
}

/// The storage of a claim's spec.
pub fn claim_spec(spec: &Value, at: &Path<'_>, warnings: &mut Vec<String>) {
    let at = at.child("resources");
    fractional(&spec["resources"]["requests"], "storage", &at.child("requests"), warnings);
    fractional(&spec["resources"]["limits"], "storage", &at.child("limits"), warnings);
}

/// A name that will be part of pods' names.
pub fn pod_owner_name(object: &Value) -> Option<String> {
    let problem = names::dns1123_label(crate::object::meta(object, "name"))?;
    Some(format!(
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{problem}]"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_in_their_one_form() {
        let at = Path::new("x");
        let of = |value: &str, check: fn(&str, &Path<'_>, &mut Vec<String>)| {
            let mut warnings = Vec::new();
            check(value, &at, &mut warnings);
            warnings.join("|")
        };
        assert_eq!(of("10.0.0.1", ip), "");
        assert_eq!(of("010.0.0.1", ip), "x: non-standard IP address \"010.0.0.1\" is invalid: use \"10.0.0.1\"");
        assert_eq!(
            of("::ffff:1.2.3.4", ip),
            "x: non-standard IP address \"::ffff:1.2.3.4\" is invalid: use \"1.2.3.4\""
        );
        assert_eq!(
            of("2001:DB8::1", ip),
            "x: IPv6 address \"2001:DB8::1\" should be in RFC 5952 canonical format (\"2001:db8::1\")"
        );
        assert_eq!(
            of("10.0.0.1/8", cidr),
            "x: CIDR value \"10.0.0.1/8\" is ambiguous in this context (should be \"10.0.0.0/8\" or \"10.0.0.1/32\"?)"
        );
        assert_eq!(of("2001:db8::/32", cidr), "");
    }
}
