//! Which IP families a service has: inferred from what the client says and what the cluster has.
//!
//! Source: `pkg/registry/core/service/storage/alloc.go` (initIPFamilyFields).

use serde_json::{Value, json};

use crate::field::{ErrorList, Path};
use crate::object::{self, entries, items, text};

const SINGLE: &str = "SingleStack";
const REQUIRE: &str = "RequireDualStack";

/// Completes `ipFamilyPolicy` and `ipFamilies` of a service that has addresses, and shortens lists that a change to one
/// family leaves too long. `configured` are the cluster's families, the default one first. Answers what cannot be.
pub fn fill(service: &mut Value, old: Option<&Value>, configured: &[&str]) -> ErrorList {
    let mut errors = ErrorList::default();
    // A cluster that gains or loses a family does not change services that take either.
    if old.is_some_and(|old| is_left_alone(service, old)) {
        return errors;
    }
    let spec = &service["spec"];
    let headless = text(&spec["clusterIP"]) == "None" || spec["clusterIPs"][0] == "None";
    let free = headless && entries(&spec["selector"]).next().is_none();
    if spec["ipFamilyPolicy"].is_null() {
        let before = old.and_then(|old| old["spec"]["ipFamilyPolicy"].as_str());
        let policy = before.unwrap_or(if free { REQUIRE } else { SINGLE }).to_owned();
        object::set(service, &["spec", "ipFamilyPolicy"], policy);
    }
    let policy = text(&service["spec"]["ipFamilyPolicy"]).to_owned();
    if let Some(old) = old {
        changed(service, old, &policy, &mut errors);
    }
    let at = Path::new("spec");
    let (policy_at, shown) = (at.child("ipFamilyPolicy"), Value::from(policy.as_str()));
    for (field, what) in [("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")] {
        if policy == SINGLE && items(&service["spec"][field]).len() == 2 {
            let detail = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            errors.invalid(&policy_at, &shown, detail);
        }
    }
    let mut families: Vec<String> =
        items(&service["spec"]["ipFamilies"]).iter().map(|family| text(family).to_owned()).collect();
    let addresses = &service["spec"]["clusterIPs"];
    let list = at.child("clusterIPs");
    for (index, address) in items(addresses).iter().enumerate().filter(|_| !headless).skip(families.len()) {
        let family = if text(address).contains(':') { "IPv6" } else { "IPv4" };
        if configured.contains(&family) {
            families.push(family.to_owned());
        } else {
            errors.invalid(&list.index(index), addresses, format!("{family} is not configured on this cluster"));
        }
    }
    if !errors.is_empty() {
        return errors;
    }
    if !free {
        if policy == REQUIRE && configured.len() < 2 {
            errors.invalid(&policy_at, &shown, "this cluster is not configured for dual-stack services");
        }
        let list = at.child("ipFamilies");
        for (index, family) in families.iter().enumerate() {
            if !configured.contains(&family.as_str()) {
                errors.invalid_str(&list.index(index), family, "not configured on this cluster");
            }
        }
        if !errors.is_empty() {
            return errors;
        }
    }
    if families.is_empty() {
        families.extend(configured.first().map(|family| (*family).to_owned()));
    }
    if policy != SINGLE && families.len() == 1 && (free || configured.len() == 2) {
        families.push(if families[0] == "IPv4" { "IPv6" } else { "IPv4" }.to_owned());
    }
    object::set(service, &["spec", "ipFamilies"], json!(families));
    errors
}

fn is_left_alone(service: &Value, old: &Value) -> bool {
    let same = |field: &str| object::same(&service["spec"][field], &old["spec"][field]);
    service["spec"]["ipFamilyPolicy"] == "PreferDualStack"
        && ["ipFamilyPolicy", "type", "clusterIP", "clusterIPs", "ipFamilies"].into_iter().all(same)
}

/// One family is asked for by the policy alone; a shorter list without it is a mistake.
fn changed(service: &mut Value, old: &Value, policy: &str, errors: &mut ErrorList) {
    let spec = Path::new("spec");
    for (field, what) in [("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")] {
        let (now, was) = (items(&service["spec"][field]).to_vec(), items(&old["spec"][field]));
        if policy == SINGLE {
            if now.len() > 1 && now == was {
                object::set(service, &["spec", field], json!([now[0]]));
            }
        } else if !now.is_empty() && now.len() < was.len() {
            let detail = format!("must be 'SingleStack' to release the secondary {what}");
            errors.invalid(&spec.child("ipFamilyPolicy"), &policy.into(), detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(spec: Value, old: Option<Value>, configured: &[&str]) -> Result<Value, String> {
        let mut service = json!({"spec": spec});
        let old = old.map(|spec| json!({"spec": spec}));
        let errors = fill(&mut service, old.as_ref(), configured);
        if errors.is_empty() { Ok(service["spec"].take()) } else { Err(errors.aggregate()) }
    }

    #[test]
    fn families_follow_policy_addresses_and_cluster() {
        let spec = filled(json!({}), None, &["IPv4"]).unwrap();
        assert_eq!(spec, json!({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}));
        let spec = filled(json!({"ipFamilyPolicy": "PreferDualStack"}), None, &["IPv6", "IPv4"]).unwrap();
        assert_eq!(spec["ipFamilies"], json!(["IPv6", "IPv4"]));
        let refused = filled(json!({"ipFamilyPolicy": REQUIRE}), None, &["IPv4"]).unwrap_err();
        assert!(refused.ends_with("this cluster is not configured for dual-stack services"));
        let refused = filled(json!({"ipFamilies": ["IPv6"]}), None, &["IPv4"]).unwrap_err();
        assert!(refused.ends_with("not configured on this cluster"));
    }

    #[test]
    fn nobodys_service_has_both_families() {
        let headless = json!({"clusterIP": "None", "clusterIPs": ["None"]});
        let spec = filled(headless, None, &["IPv4"]).unwrap();
        assert_eq!(spec["ipFamilyPolicy"], REQUIRE);
        assert_eq!(spec["ipFamilies"], json!(["IPv4", "IPv6"]));
    }

    #[test]
    fn the_second_family_goes_by_policy() {
        let both = json!({
            "clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": REQUIRE,
        });
        let mut one = both.clone();
        one["ipFamilyPolicy"] = SINGLE.into();
        let spec = filled(one, Some(both.clone()), &["IPv4", "IPv6"]).unwrap();
        assert_eq!(spec["clusterIPs"], json!(["10.0.0.1"]));
        let mut shorter = both.clone();
        shorter["clusterIPs"] = json!(["10.0.0.1"]);
        assert!(filled(shorter, Some(both), &["IPv4", "IPv6"]).unwrap_err().contains("secondary cluster IP"));
    }
}
