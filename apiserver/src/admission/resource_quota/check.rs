//! Whether a request fits into the quotas of its namespace, and what is used of them then.
//!
//! Source: apiserver `pkg/admission/plugin/resourcequota/controller.go` (CheckRequest).

use std::collections::BTreeSet;

use apiserver_quota::{DeviceClasses, Evaluator, Operation, Requirement, Resources, Surroundings, requirements};
use serde_json::Value;

use crate::object::{self, items, text};
use crate::status::{GroupResource, Result, Status};

/// A request to be charged.
pub struct Request {
    pub evaluator: Evaluator,
    pub operation: Operation,
    pub group: String,
    pub resource: String,
    /// Empty where the server made it up.
    pub name: String,
    pub subresource: String,
    pub object: Value,
    pub old: Option<Value>,
    /// The pod that has been charged for the claim already.
    pub owner: Option<Value>,
    pub dry_run: bool,
}

/// A quota as it is now.
#[derive(Clone, Debug)]
pub struct Quota {
    pub object: Value,
    pub revision: i64,
    pub hard: Resources,
    pub used: Resources,
}

/// What of a resource may be had only where a quota allows it, a `LimitedResource` of the configuration.
pub struct Limited {
    group: String,
    resource: String,
    contains: Vec<String>,
    scopes: Vec<Requirement>,
}

impl Limited {
    pub fn read(limited: &Value) -> Limited {
        let scopes = serde_json::json!({"scopeSelector": {"matchExpressions": limited["matchScopes"]}});
        Limited {
            group: text(&limited["apiGroup"]).to_owned(),
            resource: text(&limited["resource"]).to_owned(),
            contains: items(&limited["matchContains"]).iter().map(|part| text(part).to_owned()).collect(),
            scopes: requirements(&scopes),
        }
    }
}

impl Quota {
    pub fn new(object: Value, revision: i64) -> Quota {
        let hard = Resources::read(&object["status"]["hard"]);
        let used = Resources::read(&object["status"]["used"]);
        Quota { object, revision, hard, used }
    }

    fn name(&self) -> &str {
        object::meta(&self.object, "name")
    }
}

impl Request {
    fn forbidden(&self, why: String) -> Status {
        let name = [self.name.as_str(), object::meta(&self.object, "name"), object::meta(&self.object, "generateName")];
        let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown");
        Status::forbidden(GroupResource { group: &self.group, resource: &self.resource }, name, why)
    }
}

/// What is used of each quota once the request is through.
///
/// # Errors
/// Why it may not be.
pub fn check(
    quotas: &[Quota],
    request: &Request,
    limited: &[Limited],
    device_classes: &DeviceClasses,
) -> Result<Vec<Resources>> {
    let unchanged = || Ok(quotas.iter().map(|quota| quota.used.clone()).collect());
    let (evaluator, object) = (&request.evaluator, &request.object);
    let now = jiff::Timestamp::now();
    let surroundings = Surroundings { now, device_classes, owner: request.owner.as_ref() };
    let facts = evaluator.facts(object);
    let usage = evaluator.usage(object, surroundings);

    let mut concerned = Vec::new();
    let mut restricted = BTreeSet::new();
    let mut covered_scopes = Vec::new();
    for (index, quota) in quotas.iter().enumerate() {
        let scopes = requirements(&quota.object["spec"]);
        covered_scopes.extend(scopes.into_iter().filter(|scope| facts.meets(scope)));
        if !evaluator.matches(&quota.object, object, device_classes) {
            continue;
        }
        let resources = evaluator.matching_resources(quota.hard.keys().map(String::as_str), device_classes);
        evaluator
            .constraints(&resources, object)
            .map_err(|why| request.forbidden(format!("failed quota: {}: {why}", quota.name())))?;
        if resources.iter().any(|name| !quota.used.contains_key(*name)) {
            let why = format!("status unknown for quota: {}, resources: {}", quota.name(), resources.join(","));
            return Err(request.forbidden(why));
        }
        concerned.push(index);
        restricted.extend(resources);
    }

    let negative = usage.negative();
    if !negative.is_empty() {
        let why = format!("quota usage is negative for resource(s): {}", negative.join(","));
        return Err(request.forbidden(why));
    }
    // An update is charged by what it adds, to quotas that had charged the old object too.
    let old = request.old.as_ref().filter(|_| request.operation == Operation::Update);
    let old = old.filter(|old| !object::meta(old, "resourceVersion").is_empty());
    let added = old.map(|old| usage.minus(&evaluator.usage(old, surroundings)));
    let none_concerned = concerned.is_empty();
    let mut deltas: Vec<(usize, Resources)> = concerned
        .into_iter()
        .map(|index| {
            let was_charged = old.is_some_and(|old| evaluator.matches(&quotas[index].object, old, device_classes));
            let delta = added.as_ref().filter(|_| was_charged).unwrap_or(&usage);
            (index, without_zeros(delta))
        })
        .collect();
    deltas.retain(|(_, delta)| !delta.is_empty());
    let nothing =
        if none_concerned { without_zeros(added.as_ref().unwrap_or(&usage)).is_empty() } else { deltas.is_empty() };
    if nothing {
        return unchanged();
    }

    check_limited(request, limited, &usage, &restricted)?;
    check_scopes(request, limited, &covered_scopes)?;

    let mut after: Vec<Resources> = quotas.iter().map(|quota| quota.used.clone()).collect();
    for (index, delta) in deltas {
        let quota = &quotas[index];
        let requested = delta.mask(|name| quota.hard.contains_key(name));
        let mut used = quota.used.clone();
        used.add(&requested);
        // A claim's status tells what is so already.
        if request.subresource != "status" {
            let exceeds = |name: &str| {
                requested.contains_key(name) && used.get(name).zip(quota.hard.get(name)).is_some_and(|(a, b)| a > b)
            };
            if requested.keys().any(|name| exceeds(name)) {
                return Err(request.forbidden(format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    quota.name(),
                    requested.mask(exceeds),
                    quota.used.mask(exceeds),
                    quota.hard.mask(exceeds)
                )));
            }
        }
        after[index] = used;
    }
    Ok(after)
}

fn without_zeros(resources: &Resources) -> Resources {
    Resources(resources.iter().filter(|(_, amount)| !amount.is_zero()).map(|(n, a)| (n.clone(), a.clone())).collect())
}

/// What is limited by default must be in a quota.
fn check_limited(request: &Request, limited: &[Limited], usage: &Resources, restricted: &BTreeSet<&str>) -> Result<()> {
    let concerned = limited.iter().filter(|limit| limit.group == request.group && limit.resource == request.resource);
    let mut uncovered = BTreeSet::new();
    for limit in concerned {
        let consumed = usage.iter().filter(|(_, amount)| amount.sign() > 0).map(|(name, _)| name.as_str());
        let limited = consumed.filter(|name| limit.contains.iter().any(|part| name.contains(part.as_str())));
        uncovered.extend(limited.filter(|name| !restricted.contains(name)));
    }
    if uncovered.is_empty() {
        return Ok(());
    }
    let names = uncovered.into_iter().collect::<Vec<_>>().join(",");
    Err(request.forbidden(format!("insufficient quota to consume: {names}")))
}

fn check_scopes(request: &Request, limited: &[Limited], covered: &[Requirement]) -> Result<()> {
    let facts = request.evaluator.facts(&request.object);
    let matched = limited.iter().flat_map(|limit| &limit.scopes).filter(|scope| facts.meets(scope));
    let uncovered: Vec<String> = matched
        .filter(|scope| !covered.iter().any(|covered| covered.scope == scope.scope))
        .map(Requirement::to_string)
        .collect();
    if uncovered.is_empty() {
        return Ok(());
    }
    Err(Status::unclassified(format!("insufficient quota to match these scopes: [{}]", uncovered.join(" "))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(cpu: &str) -> Request {
        Request {
            evaluator: Evaluator::Pods,
            operation: Operation::Create,
            group: String::new(),
            resource: "pods".to_owned(),
            name: String::new(),
            subresource: String::new(),
            object: json!({
                "metadata": {"generateName": "p-"},
                "spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}}]},
            }),
            old: None,
            owner: None,
            dry_run: false,
        }
    }

    fn quota(hard: Value, used: Value) -> Quota {
        Quota::new(json!({"metadata": {"name": "q"}, "spec": {}, "status": {"hard": hard, "used": used}}), 1)
    }

    fn outcome(quota: Quota, request: &Request, limited: &[Limited]) -> std::result::Result<Value, String> {
        let used = check(&[quota], request, limited, &DeviceClasses::default());
        used.map(|used| used[0].to_json()).map_err(|status| status.message)
    }

    #[test]
    fn what_fits_is_charged_and_what_does_not_is_refused() {
        let hard = json!({"pods": "2", "cpu": "1", "configmaps": "1"});
        let used = json!({"pods": "1", "cpu": "700m", "configmaps": "0"});
        assert_eq!(
            outcome(quota(hard.clone(), used.clone()), &pod("300m"), &[]),
            Ok(json!({"pods": "2", "cpu": "1", "configmaps": "0"}))
        );
        assert_eq!(
            outcome(quota(hard.clone(), used), &pod("400m"), &[]),
            Err("pods \"p-\" is forbidden: exceeded quota: q, requested: cpu=400m, used: cpu=700m, limited: cpu=1"
                .to_owned())
        );
        assert_eq!(
            outcome(quota(hard, json!({})), &pod("1"), &[]),
            Err("pods \"p-\" is forbidden: status unknown for quota: q, resources: cpu,pods".to_owned())
        );
    }

    #[test]
    fn what_is_limited_needs_a_quota() {
        let limited = [Limited::read(&json!({"resource": "pods", "matchContains": ["cpu"]}))];
        let elsewhere = || quota(json!({"configmaps": "1"}), json!({"configmaps": "0"}));
        assert_eq!(
            outcome(elsewhere(), &pod("1"), &limited),
            Err("pods \"p-\" is forbidden: insufficient quota to consume: cpu,requests.cpu".to_owned())
        );
        let scoped = [Limited::read(
            &json!({"resource": "pods", "matchScopes": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}),
        )];
        let mut request = pod("1");
        request.object["spec"]["priorityClassName"] = "high".into();
        assert_eq!(
            outcome(elsewhere(), &request, &scoped),
            Err("insufficient quota to match these scopes: [{PriorityClass In [high]}]".to_owned())
        );
    }
}
