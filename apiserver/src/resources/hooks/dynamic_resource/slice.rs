//! ResourceSlice: the devices that a driver publishes.

use apiserver_schema::quantity::Quantity;
use serde_json::Value;

use super::{binding_conditions, driver_name, each, keys, label_name, pool_name, qualified_name, taint, unique};
use crate::field::{ErrorList, Path};
use crate::object::{self, entries, int, items, text};
use crate::resources::hooks::pod_spec;
use crate::resources::names;

const MAX_DEVICES: usize = 128;
const MAX_DEVICES_WITH_MORE: usize = 64;
const MAX_COUNTER_SETS: usize = 8;
const MAX_COUNTERS: usize = 32;
const MAX_CONSUMPTIONS: usize = 2;
const MAX_ATTRIBUTES: usize = 32;
const MAX_TAINTS: usize = 16;
const MAX_OPTIONS: usize = 10;
const MAX_ATTRIBUTE_VALUE: usize = 64;

/// Takes away what waits for a feature that is off.
pub fn drop_disabled(slice: &mut Value) {
    for device in slice["spec"]["devices"].as_array_mut().into_iter().flatten() {
        for (_, attribute) in device["attributes"].as_object_mut().into_iter().flatten() {
            for field in ["bools", "ints", "strings", "versions"] {
                object::remove(attribute, field);
            }
        }
    }
}

/// Says when a taint came, where the driver does not.
pub fn stamp_taints(slice: &mut Value) {
    for device in slice["spec"]["devices"].as_array_mut().into_iter().flatten() {
        for taint in device["taints"].as_array_mut().into_iter().flatten() {
            if taint["timeAdded"].is_null() {
                object::set(taint, &["timeAdded"], object::now());
            }
        }
    }
}

pub fn spec(spec: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let at = Path::new("spec");
    driver_name(&spec["driver"], &at.child("driver"), errors);
    let (pool, path) = (&spec["pool"], at.child("pool"));
    pool_name(&pool["name"], &path.child("name"), errors);
    let count = int(&pool["resourceSliceCount"]);
    if count <= 0 {
        errors.invalid_number(&path.child("resourceSliceCount"), count, "must be greater than zero");
    }
    let generation = int(&pool["generation"]);
    if generation < 0 {
        errors.invalid_number(&path.child("generation"), generation, "must be greater than or equal to zero");
    }
    if let Some(old) = old {
        errors.immutable(&path.child("name"), &pool["name"], &old["pool"]["name"]);
        errors.immutable(&at.child("driver"), &spec["driver"], &old["driver"]);
        errors.immutable(&at.child("nodeName"), &spec["nodeName"], &old["nodeName"]);
    }
    where_from(spec, &at, errors);
    if !spec["sharedCounters"].is_null() && !spec["devices"].is_null() {
        errors.invalid_str(&at, "", "only one of `sharedCounters` or `devices` is allowed");
    }
    let has_more = |device: &Value| ["taints", "consumesCounters"].iter().any(|more| !items(&device[*more]).is_empty());
    let max = if items(&spec["devices"]).iter().any(has_more) { MAX_DEVICES_WITH_MORE } else { MAX_DEVICES };
    let per_device = spec["perDeviceNodeSelection"] == Value::Bool(true);
    let list = at.child("devices");
    let old_devices = old.map(|old| items(&old["devices"])).unwrap_or_default();
    each(&spec["devices"], max, &list, errors, |device, at, errors| {
        let before = old_devices.iter().find(|before| before["name"] == device["name"]);
        self::device(device, before, per_device, at, errors);
    });
    unique(&spec["devices"], "name", &list, errors);
    let list = at.child("sharedCounters");
    each(&spec["sharedCounters"], MAX_COUNTER_SETS, &list, errors, |set, at, errors| {
        counters(set, "name", at, errors);
    });
    unique(&spec["sharedCounters"], "name", &list, errors);
}

/// A named set of counters.
fn counters(set: &Value, name: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if text(&set[name]).is_empty() {
        errors.required(&at.child(name), "");
    } else {
        label_name(&set[name], &at.child(name), errors);
    }
    let (counters, at) = (&set["counters"], at.child("counters"));
    let count = entries(counters).count();
    if count == 0 {
        errors.required(&at, "");
    } else if count > MAX_COUNTERS {
        errors.too_many(&at, count, MAX_COUNTERS);
    } else {
        for key in keys(counters) {
            label_name(&key.into(), &at, errors);
        }
    }
}

fn node_name(name: &Value, missing: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if text(name).is_empty() {
        errors.invalid(at, name, missing);
    } else {
        errors.invalid_strs(at, text(name), names::dns1123_subdomain(text(name)));
    }
}

/// The nodes from which the devices can be reached, said in one way only.
fn where_from(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const ONE: &str = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let mut given = Vec::new();
    if !spec["nodeName"].is_null() {
        let missing = "must be either unset or set to a non-empty string";
        node_name(&spec["nodeName"], missing, &at.child("nodeName"), errors);
        given.extend((!text(&spec["nodeName"]).is_empty()).then_some("`nodeName`"));
    }
    let (selector, path) = (&spec["nodeSelector"], at.child("nodeSelector"));
    if !selector.is_null() {
        given.push("`nodeSelector`");
        pod_spec::node_selector(selector, &path, errors);
        if items(&selector["nodeSelectorTerms"]).len() != 1 {
            let detail = "must have exactly one node selector term";
            errors.invalid(&path.child("nodeSelectorTerms"), &selector["nodeSelectorTerms"], detail);
        }
    }
    for (field, shown) in [("allNodes", "`allNodes`"), ("perDeviceNodeSelection", "`perDeviceNodeSelection`")] {
        match &spec[field] {
            Value::Bool(true) => given.push(shown),
            Value::Bool(false) => {
                errors.invalid(&at.child(field), &Value::Bool(false), "must be either unset or set to true");
            }
            _ => {}
        }
    }
    match given.len() {
        0 => errors.required(at, ONE),
        1 => {}
        _ => {
            errors.invalid_str(at, &format!("{{{}}}", given.join(", ")), format!("{ONE}, but multiple fields are set"))
        }
    }
}

fn device(device: &Value, old: Option<&Value>, per_device: bool, at: &Path<'_>, errors: &mut ErrorList) {
    label_name(&device["name"], &at.child("name"), errors);
    let total = entries(&device["attributes"]).count() + entries(&device["capacity"]).count();
    if total > MAX_ATTRIBUTES {
        let detail = format!("the total number of attributes and capacities must not exceed {MAX_ATTRIBUTES}");
        errors.invalid(at, &total.into(), detail);
    }
    let path = at.child("attributes");
    for (key, attribute) in entries(&device["attributes"]) {
        qualified_name(key, &path, errors);
        self::attribute(attribute, &path.key(key), errors);
    }
    let path = at.child("capacity");
    for (key, capacity) in entries(&device["capacity"]) {
        qualified_name(key, &path, errors);
        let (policy, path) = (&capacity["requestPolicy"], path.key(key));
        if policy.is_null() {
            continue;
        }
        if device["allowMultipleAllocations"] == Value::Bool(true) {
            request_policy(text(&capacity["value"]), policy, &path.child("requestPolicy"), errors);
        } else {
            errors.forbidden(&path.child("requestPolicy"), "allowMultipleAllocations must be true");
        }
    }
    if old.is_none_or(|old| !object::same(&old["taints"], &device["taints"])) {
        each(&device["taints"], MAX_TAINTS, &at.child("taints"), errors, taint);
    }
    let list = at.child("consumesCounters");
    each(&device["consumesCounters"], MAX_CONSUMPTIONS, &list, errors, |set, at, errors| {
        counters(set, "counterSet", at, errors);
    });
    unique(&device["consumesCounters"], "counterSet", &list, errors);
    nodes_of_device(device, per_device, at, errors);
    binding_conditions(device, at, errors);
}

fn nodes_of_device(device: &Value, per_device: bool, at: &Path<'_>, errors: &mut ErrorList) {
    const ONE: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    if !per_device {
        if ["nodeName", "nodeSelector", "allNodes"].iter().any(|field| !device[*field].is_null()) {
            errors.invalid(at, &Value::Null, "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec");
        }
        return;
    }
    let mut given = Vec::new();
    if !device["nodeName"].is_null() {
        node_name(&device["nodeName"], "must not be empty", &at.child("nodeName"), errors);
        given.extend((!text(&device["nodeName"]).is_empty()).then_some("`nodeName`"));
    }
    if !device["nodeSelector"].is_null() {
        given.push("`nodeSelector`");
        pod_spec::node_selector(&device["nodeSelector"], &at.child("nodeSelector"), errors);
    }
    match &device["allNodes"] {
        Value::Bool(true) => given.push("`allNodes`"),
        Value::Bool(false) => {
            errors.invalid(&at.child("allNodes"), &Value::Bool(false), "must be either unset or set to true");
        }
        _ => {}
    }
    match given.len() {
        0 => errors.required(at, ONE),
        1 => {}
        _ => errors.invalid_str(at, &format!("{{{}}}", given.join(", ")), ONE),
    }
}

fn attribute(attribute: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let given = ["bool", "int", "string", "version"].iter().filter(|field| !attribute[**field].is_null()).count();
    let too_long = |field: &str| text(&attribute[field]).len() > MAX_ATTRIBUTE_VALUE;
    if too_long("string") {
        errors.too_long(&at.child("string"), MAX_ATTRIBUTE_VALUE);
    }
    if let Some(version) = attribute["version"].as_str() {
        if !is_semver(version) {
            let detail = "must be a string compatible with semver.org spec 2.0.0";
            errors.invalid_str(&at.child("version"), version, detail);
        }
        if too_long("version") {
            errors.too_long(&at.child("version"), MAX_ATTRIBUTE_VALUE);
        }
    }
    match given {
        0 => errors.invalid_str(at, "", "exactly one value must be specified"),
        1 => {}
        _ => errors.invalid(at, attribute, "exactly one value must be specified"),
    }
}

/// A version as semver.org has it: three numbers, parts of a pre-release and of a build.
fn is_semver(version: &str) -> bool {
    let is_number = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric());
    let (rest, build) = version.split_once('+').map_or((version, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let numbers: Vec<&str> = core.split('.').collect();
    let pre_part = |part: &str| is_number(part) || (is_word(part) && !part.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.len() == 3
        && numbers.into_iter().all(is_number)
        && pre.is_none_or(|pre| pre.split('.').all(pre_part))
        && build.is_none_or(|build| build.split('.').all(is_word))
}

fn amount(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?).ok()
}

/// In which amounts a part of a device may be asked for.
fn request_policy(capacity: &str, policy: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (values, range) = (items(&policy["validValues"]), &policy["validRange"]);
    if !values.is_empty() && !range.is_null() {
        errors.forbidden(
            at,
            "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time",
        );
        return;
    }
    let field = if !values.is_empty() {
        "validValues"
    } else if !range.is_null() {
        "validRange"
    } else {
        return;
    };
    let Some(default) = amount(&policy["default"]) else {
        errors.required(&at.child("default"), format!("required when {field} is defined"));
        return;
    };
    let Some(most) = amount(&capacity.into()) else { return };
    let shown = text(&policy["default"]);
    if field == "validValues" {
        valid_values(&policy["validValues"], (&default, shown), (&most, capacity), &at.child(field), errors);
    } else {
        valid_range(range, (&default, shown), (&most, capacity), &at.child(field), errors);
    }
}

type Shown<'a> = (&'a Quantity, &'a str);

fn valid_values(list: &Value, default: Shown<'_>, most: Shown<'_>, at: &Path<'_>, errors: &mut ErrorList) {
    let values = items(list);
    let amounts: Vec<_> = values.iter().map(amount).collect();
    for (index, pair) in amounts.windows(2).enumerate() {
        if pair[0] > pair[1] {
            errors.invalid(&at.index(index + 1), &values[index + 1], "values must be sorted in ascending order");
        }
    }
    each(list, MAX_OPTIONS, at, errors, |value, at, errors| {
        if amount(value).is_some_and(|amount| amount > *most.0) {
            errors.invalid(at, value, format!("option is larger than capacity value: {}", most.1));
        }
    });
    unique(list, "", at, errors);
    if !amounts.iter().flatten().any(|amount| amount == default.0) {
        errors.invalid_str(at, default.1, "default value is not valid according to the requestPolicy");
    }
}

fn valid_range(range: &Value, default: Shown<'_>, most: Shown<'_>, at: &Path<'_>, errors: &mut ErrorList) {
    let Some(min) = amount(&range["min"]) else {
        errors.required(&at.child("min"), "required when validRange is defined");
        return;
    };
    let [shown_min, shown_max, shown_step] = ["min", "max", "step"].map(|field| text(&range[field]));
    if min > *most.0 {
        let detail = format!("min is larger than capacity value: {}", most.1);
        errors.invalid_str(&at.child("min"), shown_min, detail);
    }
    if *default.0 < min {
        errors.invalid_str(&at.child("min"), default.1, format!("default is less than min: {shown_min}"));
    }
    let max = amount(&range["max"]);
    if let Some(max) = &max {
        let path = at.child("max");
        if min > *max {
            errors.invalid_str(&path, shown_min, format!("min is larger than max: {shown_max}"));
        }
        if *max > *most.0 {
            errors.invalid_str(&path, shown_max, format!("max is larger than capacity value: {}", most.1));
        }
        if *default.0 > *max {
            errors.invalid_str(&path, default.1, format!("default is more than max: {shown_max}"));
        }
    }
    let Some(step) = amount(&range["step"]) else { return };
    let path = at.child("step");
    let mut added = min.clone();
    added.add(&step);
    if added > *most.0 {
        let detail = format!("one step {added} is larger than capacity value: {}", most.1);
        errors.invalid_str(&path, shown_step, detail);
    }
    let values = [Some((default.0.value(), default.1)), max.as_ref().map(|max| (max.value(), shown_max))];
    for (value, shown) in values.into_iter().flatten() {
        // A step of nothing leads nowhere: upstream would divide by it.
        let distance = value.wrapping_sub(min.value());
        if step.value() == 0 || distance.wrapping_rem(step.value()) != 0 {
            let detail = format!("value is not a multiple of a given step ({shown_step}) from ({shown_min})");
            errors.invalid_str(&path, shown, detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_semver;

    #[test]
    fn versions_are_told_from_others() {
        for good in ["1.2.3", "0.0.0-alpha.1+b.1", "1.0.0-a-b"] {
            assert!(is_semver(good), "{good}");
        }
        for bad in ["1.2", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "a.b.c"] {
            assert!(!is_semver(bad), "{bad}");
        }
    }
}
