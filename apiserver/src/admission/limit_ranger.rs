//! LimitRanger: what containers, pods and claims of a namespace may ask for, and what they get if they do not ask.
//!
//! Source: `plugin/pkg/admission/limitranger`.

use std::collections::BTreeSet;

use apiserver_quota::Resources;
use apiserver_quota::pod_resources::{self, Amounts, By};
use apiserver_schema::quantity::Quantity;
use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object::{self, items, text};
use crate::status::Result;

pub struct LimitRanger;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Above this, amounts are compared in whole units: thousandths would not fit 64 bits.
const MAX_MILLI: i64 = i64::MAX / 1000;

#[async_trait]
impl Plugin for LimitRanger {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        let creates = attributes.operation == Operation::Create;
        let updates = attributes.operation == Operation::Update;
        // Containers of a pod do not change, but by a resize.
        let concerned = attributes.is("", "pods") && creates
            || attributes.is_of("", "pods") && attributes.subresource == "resize" && updates
            || attributes.is("", "persistentvolumeclaims") && (creates || updates);
        concerned && !attributes.old.is_some_and(object::is_terminating)
    }

    async fn admit(&self, attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        if attributes.is_of("", "pods") {
            for range in attributes.server().list_cached_in("", "limitranges", attributes.namespace)? {
                set_defaults(&range, object);
            }
        }
        Ok(())
    }

    async fn validate(&self, attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        for range in attributes.server().list_cached_in("", "limitranges", attributes.namespace)? {
            let mut broken = Vec::new();
            for limit in items(&range["spec"]["limits"]) {
                if attributes.is_of("", "pods") {
                    check_pod(limit, object, &mut broken);
                } else {
                    check_claim(limit, object, &mut broken);
                }
            }
            if let Some(why) = aggregate(broken) {
                return Err(attributes.forbidden(object, why));
            }
        }
        Ok(())
    }
}

/// Several errors as one message: bare for one, bracketed for several, repeats left out.
fn aggregate(errors: Vec<String>) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut errors: Vec<String> = errors.into_iter().filter(|error| seen.insert(error.clone())).collect();
    match errors.len() {
        0 => None,
        1 => errors.pop(),
        _ => Some(format!("[{}]", errors.join(", "))),
    }
}

/// Gives containers that ask for nothing what the range says, and notes on the pod what it gave.
fn set_defaults(range: &Value, pod: &mut Value) {
    let (mut requests, mut limits) = (Resources::default(), Resources::default());
    for limit in items(&range["spec"]["limits"]).iter().filter(|limit| limit["type"] == "Container") {
        requests.0.extend(Resources::read(&limit["defaultRequest"]).0);
        limits.0.extend(Resources::read(&limit["default"]).0);
    }
    let mut given = Vec::new();
    for (list, shown) in [("containers", "container"), ("initContainers", "init container")] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let name = text(&container["name"]).to_owned();
            let set_limits = fill(container, "limits", &limits);
            let set_requests = fill(container, "requests", &requests);
            for (set, what) in [(set_requests, "request"), (set_limits, "limit")] {
                if !set.is_empty() {
                    given.push(format!("{} {what} for {shown} {name}", set.join(", ")));
                }
            }
        }
    }
    if !given.is_empty() {
        let note = format!("LimitRanger plugin set: {}", given.join("; "));
        object::set(pod, &["metadata", "annotations", ANNOTATION], note);
    }
}

fn fill(container: &mut Value, list: &str, defaults: &Resources) -> Vec<String> {
    let missing: Vec<(&String, &Quantity)> =
        defaults.iter().filter(|(name, _)| container["resources"][list][name.as_str()].is_null()).collect();
    for (name, amount) in &missing {
        object::set(container, &["resources", list, name], amount.to_string());
    }
    missing.into_iter().map(|(name, _)| name.clone()).collect()
}

fn check_pod(limit: &Value, pod: &Value, broken: &mut Vec<String>) {
    match text(&limit["type"]) {
        "Container" => {
            for list in ["containers", "initContainers"] {
                for container in items(&pod["spec"][list]) {
                    let requests = Resources::read(&container["resources"]["requests"]);
                    let limits = Resources::read(&container["resources"]["limits"]);
                    check(limit, "Container", &requests, &limits, broken);
                }
            }
        }
        "Pod" => {
            let requests = pod_resources::of_pod(pod, Amounts::Requests, By::Spec);
            let limits = pod_resources::of_pod(pod, Amounts::Limits, By::Spec);
            check(limit, "Pod", &requests, &limits, broken);
        }
        _ => {}
    }
}

fn check(limit: &Value, kind: &str, requests: &Resources, limits: &Resources, broken: &mut Vec<String>) {
    for (name, enforced) in &Resources::read(&limit["min"]).0 {
        broken.extend(minimum(kind, name, enforced, requests, limits));
    }
    for (name, enforced) in &Resources::read(&limit["max"]).0 {
        broken.extend(maximum(kind, name, enforced, requests, limits));
    }
    for (name, enforced) in &Resources::read(&limit["maxLimitRequestRatio"]).0 {
        broken.extend(ratio(kind, name, enforced, requests, limits));
    }
}

fn check_claim(limit: &Value, claim: &Value, broken: &mut Vec<String>) {
    const KIND: &str = "PersistentVolumeClaim";
    if limit["type"] != KIND {
        return;
    }
    let requests = Resources::read(&claim["spec"]["resources"]["requests"]);
    let none = Resources::default();
    for (name, enforced) in &Resources::read(&limit["min"]).0 {
        broken.extend(minimum(KIND, name, enforced, &requests, &none));
    }
    for (name, enforced) in &Resources::read(&limit["max"]).0 {
        match requests.get(name) {
            None => broken.push(format!("maximum {name} usage per {KIND} is {enforced}.  No request is specified")),
            Some(request) if compared(request, enforced) => {
                broken.push(format!("maximum {name} usage per {KIND} is {enforced}, but request is {request}"));
            }
            Some(_) => {}
        }
    }
}

/// Whether an amount is more than another, in thousandths if they fit and else in whole units.
fn compared(amount: &Quantity, other: &Quantity) -> bool {
    let values = [amount.value(), other.value()];
    if values.iter().all(|value| *value <= MAX_MILLI) {
        amount.milli_value() > other.milli_value()
    } else {
        values[0] > values[1]
    }
}

fn minimum(kind: &str, name: &str, enforced: &Quantity, requests: &Resources, limits: &Resources) -> Option<String> {
    let Some(request) = requests.get(name) else {
        return Some(format!("minimum {name} usage per {kind} is {enforced}.  No request is specified"));
    };
    if compared(enforced, request) {
        return Some(format!("minimum {name} usage per {kind} is {enforced}, but request is {request}"));
    }
    let limit = limits.get(name).filter(|limit| compared(enforced, limit))?;
    Some(format!("minimum {name} usage per {kind} is {enforced}, but limit is {limit}"))
}

fn maximum(kind: &str, name: &str, enforced: &Quantity, requests: &Resources, limits: &Resources) -> Option<String> {
    let Some(limit) = limits.get(name) else {
        return Some(format!("maximum {name} usage per {kind} is {enforced}.  No limit is specified"));
    };
    if compared(limit, enforced) {
        return Some(format!("maximum {name} usage per {kind} is {enforced}, but limit is {limit}"));
    }
    let request = requests.get(name).filter(|request| compared(request, enforced))?;
    Some(format!("maximum {name} usage per {kind} is {enforced}, but request is {request}"))
}

fn ratio(kind: &str, name: &str, enforced: &Quantity, requests: &Resources, limits: &Resources) -> Option<String> {
    let is = format!("{name} max limit to request ratio per {kind} is {enforced}");
    let Some(request) = requests.get(name).filter(|request| !request.is_zero()) else {
        return Some(format!("{is}, but no request is specified or request is 0"));
    };
    let Some(limit) = limits.get(name).filter(|limit| !limit.is_zero()) else {
        return Some(format!("{is}, but no limit is specified or limit is 0"));
    };
    let values = [request.value(), limit.value(), enforced.value()];
    let (request, limit) = if values.iter().all(|value| *value <= MAX_MILLI) {
        (request.milli_value(), limit.milli_value())
    } else {
        (values[0], values[1])
    };
    let observed = limit as f64 / request as f64;
    let over = if values[2] <= MAX_MILLI {
        observed * 1000.0 > enforced.milli_value() as f64
    } else {
        observed > values[2] as f64
    };
    over.then(|| format!("{is}, but provided ratio is {observed:.6}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_given_and_noted() {
        let range = json!({"spec": {"limits": [{
            "type": "Container", "default": {"memory": "512Mi", "cpu": "1"}, "defaultRequest": {"memory": "256Mi"},
        }]}});
        let mut pod = json!({"spec": {
            "containers": [{"name": "a", "resources": {"limits": {"cpu": "2"}}}], "initContainers": [{"name": "i"}],
        }});
        set_defaults(&range, &mut pod);
        assert_eq!(
            pod,
            json!({
                "metadata": {"annotations": {ANNOTATION: "LimitRanger plugin set: memory request for container a; memory limit for container a; memory request for init container i; cpu, memory limit for init container i"}},
                "spec": {
                    "containers": [{"name": "a", "resources": {"limits": {"cpu": "2", "memory": "512Mi"}, "requests": {"memory": "256Mi"}}}],
                    "initContainers": [{"name": "i", "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"memory": "256Mi"}}}],
                },
            })
        );
    }

    #[test]
    fn limits_are_enforced_in_upstreams_words() {
        let limit = json!({
            "type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "2"},
        });
        let problems = |resources: Value| {
            let mut broken = Vec::new();
            check_pod(&limit, &json!({"spec": {"containers": [{"name": "a", "resources": resources}]}}), &mut broken);
            aggregate(broken).unwrap_or_default()
        };
        assert_eq!(problems(json!({"requests": {"cpu": "500m"}, "limits": {"cpu": "1"}})), "");
        assert_eq!(
            problems(json!({"requests": {"cpu": "50m"}, "limits": {"cpu": "2"}})),
            "[minimum cpu usage per Container is 100m, but request is 50m, maximum cpu usage per Container is 1, but limit is 2, cpu max limit to request ratio per Container is 2, but provided ratio is 40.000000]"
        );
        assert_eq!(
            problems(json!({})),
            "[minimum cpu usage per Container is 100m.  No request is specified, maximum cpu usage per Container is 1.  No limit is specified, cpu max limit to request ratio per Container is 2, but no request is specified or request is 0]"
        );
    }
}
