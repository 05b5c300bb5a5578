//! Pod-level resources (KEP-2837): what the pod as a whole requests follows from its containers and its limits.

use serde_json::{Map, Value};

use super::{Object, child_or_new, text};
use crate::quantity::Quantity;

const HUGE_PAGES: &str = "hugepages-";

type Amounts = std::collections::BTreeMap<String, Quantity>;

/// Pod limits of huge pages from those of the containers.
pub fn set_limits(spec: &mut Object) {
    let Some(resources) = spec.get("resources").and_then(Value::as_object) else { return };
    let (limits, requests) = (list(resources, "limits"), list(resources, "requests"));
    if limits.is_empty() && requests.is_empty() {
        return;
    }
    let additions: Vec<(String, Quantity)> = aggregate(spec, "limits")
        .into_iter()
        .filter(|(name, _)| name.starts_with(HUGE_PAGES) && !requests.contains_key(name) && !limits.contains_key(name))
        .collect();
    add(spec, "limits", additions);
}

/// Pod requests from those of the containers, else from the pod's limits; only if the pod has limits.
pub fn set_requests(spec: &mut Object) {
    let Some(resources) = spec.get("resources").and_then(Value::as_object) else { return };
    let (limits, requests) = (list(resources, "limits"), list(resources, "requests"));
    if limits.is_empty() {
        return;
    }
    let mut additions: Amounts = aggregate(spec, "requests")
        .into_iter()
        .filter(|(name, _)| matches!(&**name, "cpu" | "memory") && !requests.contains_key(name))
        .collect();
    for (name, limit) in limits {
        let supported = matches!(&*name, "cpu" | "memory") || name.starts_with(HUGE_PAGES);
        if supported && !requests.contains_key(&name) {
            additions.entry(name).or_insert(limit);
        }
    }
    add(spec, "requests", additions);
}

fn add(spec: &mut Object, kind: &str, additions: impl IntoIterator<Item = (String, Quantity)>) {
    let mut additions = additions.into_iter().peekable();
    if additions.peek().is_none() {
        return;
    }
    let target = child_or_new(child_or_new(spec, "resources"), kind);
    target.extend(additions.map(|(name, amount)| (name, Value::String(amount.to_string()))));
}

/// The sum over the containers, or what some init container needs beside the sidecars before it if that is more.
fn aggregate(spec: &Object, kind: &str) -> Amounts {
    let containers = |name: &str| spec.get(name).and_then(Value::as_array).into_iter().flatten();
    let of = |container: &Value| {
        container.get("resources").and_then(Value::as_object).map(|resources| list(resources, kind)).unwrap_or_default()
    };
    let mut total = Amounts::new();
    for container in containers("containers") {
        plus(&mut total, &of(container));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in containers("initContainers") {
        let mut needed = of(container);
        if container.as_object().is_some_and(|container| text(container, "restartPolicy") == "Always") {
            plus(&mut total, &needed);
            plus(&mut sidecars, &needed);
            needed = sidecars.clone();
        } else {
            plus(&mut needed, &sidecars);
        }
        maximum(&mut peak, needed);
    }
    maximum(&mut total, peak);
    total
}

fn list(resources: &Map<String, Value>, kind: &str) -> Amounts {
    let entries = resources.get(kind).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), Quantity::parse(value.as_str()?).ok()?))).collect()
}

fn plus(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        match total.get_mut(name) {
            Some(sum) => sum.add(amount),
            None => drop(total.insert(name.clone(), amount.clone())),
        }
    }
}

fn maximum(peak: &mut Amounts, other: Amounts) {
    for (name, amount) in other {
        if peak.get(&name).is_none_or(|most| amount > *most) {
            peak.insert(name, amount);
        }
    }
}
