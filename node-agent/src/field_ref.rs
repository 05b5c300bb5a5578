//! The downward API: values of a pod's own fields and of its containers' resources.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};

use crate::{pod, quantity};

/// What is not in the pod itself.
pub struct NodeFacts<'a> {
    pub host_ips: &'a [String],
    pub pod_ips: &'a [String],
    /// Allocatable resources of the node, which stand in for a missing limit.
    pub allocatable: &'a BTreeMap<String, String>,
}

/// The value of `metadata.name` and so on.
///
/// # Errors
/// A path that the downward API does not know.
pub fn pod_field(target: &Pod, path: &str, facts: &NodeFacts) -> Result<String, String> {
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    if let Some((map, key)) =
        path.split_once('[').and_then(|(map, key)| Some((map, key.strip_suffix("']")?.strip_prefix('\'')?)))
    {
        let source = match map {
            "metadata.annotations" => target.metadata.annotations.as_ref(),
            "metadata.labels" => target.metadata.labels.as_ref(),
            _ => return Err(format!("fieldPath {path:?} does not support subscript")),
        };
        return Ok(text(source.and_then(|source| source.get(key))));
    }
    Ok(match path {
        "metadata.name" => pod::name(target).to_string(),
        "metadata.namespace" => pod::namespace(target).to_string(),
        "metadata.uid" => pod::uid(target).to_string(),
        "metadata.labels" => lines(target.metadata.labels.as_ref()),
        "metadata.annotations" => lines(target.metadata.annotations.as_ref()),
        "spec.nodeName" => text(pod::spec(target).node_name.as_ref()),
        "spec.serviceAccountName" => text(pod::spec(target).service_account_name.as_ref()),
        "status.hostIP" => text(facts.host_ips.first()),
        "status.hostIPs" => facts.host_ips.join(","),
        "status.podIP" => text(facts.pod_ips.first()),
        "status.podIPs" => facts.pod_ips.join(","),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// `key="escaped value"` per line, sorted.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    map.into_iter().flatten().map(|(key, value)| format!("{key}={}\n", quoted(value))).collect()
}

/// Go's `%q`.
fn quoted(text: &str) -> String {
    let mut result = String::from('"');
    for c in text.chars() {
        match c {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            c if c.is_control() => result.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => result.push(c),
        }
    }
    result.push('"');
    result
}

/// The value of `limits.cpu` and so on in units of the divisor, rounded up.
///
/// # Errors
/// A resource the downward API does not know, or a divisor that is not a quantity.
pub fn resource_field(
    container: &Container,
    selector: &ResourceFieldSelector,
    facts: &NodeFacts,
) -> Result<String, String> {
    let resources = container.resources.as_ref();
    let (kind, name) = selector
        .resource
        .split_once('.')
        .ok_or_else(|| format!("unsupported container resource : {}", selector.resource))?;
    let known = matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
    if !known {
        return Err(format!("unsupported container resource : {}", selector.resource));
    }
    let from_node = || facts.allocatable.get(name).and_then(|value| quantity::milli(value));
    let milli = match kind {
        "limits" => quantity::limit_milli(resources, name).filter(|limit| *limit > 0).or_else(from_node),
        "requests" => quantity::request_milli(resources, name).or_else(|| quantity::limit_milli(resources, name)),
        _ => return Err(format!("unsupported container resource : {}", selector.resource)),
    };
    let divisor = match selector.divisor.as_ref().map(|divisor| divisor.0.as_str()) {
        None | Some("0") | Some("") => 1000,
        Some(text) => {
            quantity::milli(text).filter(|divisor| *divisor > 0).ok_or_else(|| format!("invalid divisor {text:?}"))?
        }
    };
    let milli = milli.unwrap_or(0);
    Ok((milli / divisor + i128::from(milli % divisor > 0)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn fields() {
        let mut pod = pod_of("{nodeName: n, containers: [{name: a}]}");
        pod.metadata.labels = Some([("a".to_string(), "b\"c".to_string()), ("z".to_string(), "1".to_string())].into());
        let allocatable = [("cpu".to_string(), "2".to_string())].into();
        let facts = NodeFacts {
            host_ips: &["1.1.1.1".into()],
            pod_ips: &["2.2.2.2".into(), "::1".into()],
            allocatable: &allocatable,
        };
        let get = |path: &str| pod_field(&pod, path, &facts);
        assert_eq!(get("metadata.labels['a']").unwrap(), "b\"c");
        assert_eq!(get("metadata.labels").unwrap(), "a=\"b\\\"c\"\nz=\"1\"\n");
        assert_eq!(get("status.podIPs").unwrap(), "2.2.2.2,::1");
        assert_eq!(get("spec.nodeName").unwrap(), "n");
        assert!(get("spec.x").is_err());
    }

    #[test]
    fn resources() {
        let pod = pod_of("containers: [{name: a, resources: {limits: {memory: 100Mi}, requests: {cpu: 250m}}}]");
        let allocatable = [("cpu".to_string(), "2".to_string())].into();
        let facts = NodeFacts { host_ips: &[], pod_ips: &[], allocatable: &allocatable };
        let get = |resource: &str, divisor: Option<&str>| {
            let divisor = divisor.map(|text| k8s_openapi::apimachinery::pkg::api::resource::Quantity(text.into()));
            let selector = ResourceFieldSelector { resource: resource.into(), divisor, container_name: None };
            resource_field(&pod::spec(&pod).containers[0], &selector, &facts)
        };
        assert_eq!(get("limits.memory", Some("1Mi")).unwrap(), "100");
        assert_eq!(get("requests.cpu", None).unwrap(), "1");
        assert_eq!(get("requests.cpu", Some("1m")).unwrap(), "250");
        assert_eq!(get("limits.cpu", None).unwrap(), "2", "the node's, without a limit");
        assert!(get("limits.x", None).is_err());
    }
}
