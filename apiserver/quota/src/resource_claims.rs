//! ResourceClaims: counted, with the devices they ask for by class and by the extended resource of the class.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::resources::{Resources, count};
use crate::{Surroundings, pods};

const OBJECT_COUNT: &str = "count/resourceclaims.resource.k8s.io";
const BY_CLASS: &str = ".deviceclass.resource.k8s.io/devices";
const IMPLICIT: &str = "requests.deviceclass.resource.kubernetes.io/";
/// What a request for all devices can get at most.
const ALL_DEVICES: i64 = 32;

/// The extended resources that device classes stand for, by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceClasses(pub BTreeMap<String, String>);

pub fn matches(name: &str, classes: &DeviceClasses) -> bool {
    if name == OBJECT_COUNT || name.ends_with(BY_CLASS) {
        return true;
    }
    if let Some(class) = name.strip_prefix(IMPLICIT) {
        return classes.0.contains_key(class);
    }
    let extended = name.strip_prefix("requests.").filter(|_| pods::is_extended_request(name));
    extended.is_some_and(|extended| classes.0.values().any(|of_class| of_class == extended))
}

pub fn usage(claim: &Value, surroundings: Surroundings<'_>) -> Resources {
    let mut devices: BTreeMap<String, i64> = BTreeMap::new();
    for request in claim["spec"]["devices"]["requests"].as_array().into_iter().flatten() {
        let alternatives = request["firstAvailable"].as_array().map(Vec::as_slice).unwrap_or_default();
        if alternatives.is_empty() {
            if !request["exactly"].is_null() {
                let (class, number) = asked(&request["exactly"]);
                *devices.entry(class).or_default() += number;
            }
            continue;
        }
        // Only one of them will be taken: the most of each class counts.
        let mut most: BTreeMap<String, i64> = BTreeMap::new();
        for alternative in alternatives {
            let (class, number) = asked(alternative);
            if number > 0 {
                let most = most.entry(class).or_default();
                *most = number.max(*most);
            }
        }
        for (class, number) in most {
            *devices.entry(class).or_default() += number;
        }
    }
    let mut used = Resources::from_iter([(OBJECT_COUNT.to_owned(), count(1))]);
    let mut extended = Resources::default();
    for (class, number) in &devices {
        used.insert(format!("{class}{BY_CLASS}"), count(*number));
        if class.is_empty() {
            continue;
        }
        extended.insert(format!("{IMPLICIT}{class}"), count(*number));
        if let Some(name) = surroundings.device_classes.0.get(class) {
            extended.insert(format!("requests.{name}"), count(*number));
        }
    }
    let charged = surroundings.owner.map(|pod| pods::usage(pod, surroundings.now)).unwrap_or_default();
    for (name, mut amount) in extended.0 {
        if let Some(charged) = charged.get(&name) {
            amount.sub(charged);
        }
        if amount.sign() > 0 {
            used.insert(name, amount);
        }
    }
    used
}

fn asked(request: &Value) -> (String, i64) {
    let class = request["deviceClassName"].as_str().unwrap_or_default().to_owned();
    let number = match request["allocationMode"].as_str() {
        Some("ExactCount") => request["count"].as_i64().unwrap_or_default(),
        Some("All") => ALL_DEVICES,
        _ => 0,
    };
    (class, number)
}
