//! ResourceClaim: what devices are asked for, and what was allocated.

use serde_json::Value;

use super::{EFFECTS, MAX_CONFIGURATIONS};
use super::{binding_conditions, driver_name, each, label_name, opaque, pool_name, raw_object, selectors, unique};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, items, text};
use crate::resources::hooks::{conditions, pod_spec};
use crate::resources::names;

const MAX_REQUESTS: usize = 32;
const MAX_CONSTRAINTS: usize = 32;
const MAX_ALTERNATIVES: usize = 8;
const MAX_RESERVED_FOR: usize = 256;
const MAX_STATUS_DATA: usize = 10 * 1024;
const MAX_STATUS_CONDITIONS: usize = 8;
const MAX_IPS: usize = 16;

pub fn spec(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (devices, at) = (&spec["devices"], at.child("devices"));
    let list = at.child("requests");
    each(&devices["requests"], MAX_REQUESTS, &list, errors, request);
    unique(&devices["requests"], "name", &list, errors);
    each(&devices["constraints"], MAX_CONSTRAINTS, &at.child("constraints"), errors, |constraint, at, errors| {
        references(&constraint["requests"], devices, &at.child("requests"), errors);
        let field = ["matchAttribute", "distinctAttribute"].into_iter().find(|field| !constraint[*field].is_null());
        match field {
            Some(field) => attribute(text(&constraint[field]), &at.child(field), errors),
            None => errors.required(
                at,
                "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set",
            ),
        }
    });
    each(&devices["config"], MAX_CONFIGURATIONS, &at.child("config"), errors, |config, at, errors| {
        references(&config["requests"], devices, &at.child("requests"), errors);
        opaque(config, at, errors);
    });
}

/// The name of an attribute, which must have a domain.
fn attribute(name: &str, at: &Path<'_>, errors: &mut ErrorList) {
    super::qualified_name(name, at, errors);
    if !name.contains('/') {
        errors.invalid_str(at, name, "a fully qualified name must be a domain and a name separated by a slash");
    }
}

fn request(request: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    label_name(&request["name"], &at.child("name"), errors);
    let alternatives = at.child("firstAvailable");
    match (request["exactly"].is_null(), items(&request["firstAvailable"]).is_empty()) {
        (true, true) => errors.required(at, "exactly one of `exactly` or `firstAvailable` is required"),
        (false, false) => errors.invalid(
            at,
            &Value::Null,
            "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set",
        ),
        (true, false) => {
            each(&request["firstAvailable"], MAX_ALTERNATIVES, &alternatives, errors, |request, at, errors| {
                label_name(&request["name"], &at.child("name"), errors);
                exact(request, at, errors);
            });
            unique(&request["firstAvailable"], "name", &alternatives, errors);
        }
        (false, true) => exact(&request["exactly"], &at.child("exactly"), errors),
    }
}

fn exact(request: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let class = text(&request["deviceClassName"]);
    if class.is_empty() {
        errors.required(&at.child("deviceClassName"), "");
    } else {
        errors.invalid_strs(&at.child("deviceClassName"), class, names::dns1123_subdomain(class));
    }
    selectors(&request["selectors"], &at.child("selectors"), errors);
    let (count, path) = (int(&request["count"]), at.child("count"));
    match text(&request["allocationMode"]) {
        "All" => {
            if count != 0 {
                errors.invalid_number(&path, count, "must not be specified when allocationMode is 'All'");
            }
        }
        "ExactCount" => {
            if count <= 0 {
                errors.invalid_number(&path, count, "must be greater than zero");
            }
        }
        mode => errors.not_supported(&at.child("allocationMode"), &mode.into(), &["All", "ExactCount"]),
    }
    let list = at.child("tolerations");
    for (index, toleration) in items(&request["tolerations"]).iter().enumerate() {
        self::toleration(toleration, &list.index(index), errors);
    }
}

fn toleration(toleration: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let [key, operator, value, effect] = ["key", "operator", "value", "effect"].map(|field| text(&toleration[field]));
    if !key.is_empty() {
        errors.invalid_strs(&at.child("key"), key, names::qualified_name_problems(key));
    }
    match operator {
        "Exists" => {
            if !value.is_empty() {
                errors.invalid_str(&at.child("value"), value, "must be empty for operator `Exists`");
            }
        }
        "Equal" => errors.invalid_strs(&at.child("value"), value, names::label_value(value)),
        "" => errors.required(&at.child("operator"), ""),
        _ => errors.not_supported(&at.child("operator"), &operator.into(), &["Equal", "Exists"]),
    }
    if !effect.is_empty() && !EFFECTS.contains(&effect) {
        errors.not_supported(&at.child("effect"), &effect.into(), EFFECTS);
    }
}

/// Names of the claim's requests, or of a request and one of its alternatives.
fn references(list: &Value, devices: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    each(list, MAX_REQUESTS, at, errors, |name, at, errors| reference(text(name), devices, at, errors));
    unique(list, "", at, errors);
}

fn reference(name: &str, devices: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const DETAIL: &str =
        "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 2 {
        errors.invalid_str(at, name, DETAIL);
        return;
    }
    for part in &parts {
        errors.invalid_strs(at, part, names::dns1123_label(part));
    }
    let request = items(&devices["requests"]).iter().rfind(|request| text(&request["name"]) == parts[0]);
    let is_known = match (request, parts.get(1)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(request), Some(sub)) => {
            items(&request["firstAvailable"]).iter().any(|request| text(&request["name"]) == *sub)
        }
    };
    if !is_known {
        errors.invalid_str(at, name, DETAIL);
    }
}

/// The identity of an allocated device.
fn device_id(device: &Value) -> [&str; 4] {
    ["driver", "pool", "device", "shareID"].map(|field| text(&device[field]))
}

/// What is reported of devices that are not allocated any more goes with them.
pub fn forget_released_devices(claim: &mut Value) {
    let status = &claim["status"];
    let results = items(&status["allocation"]["devices"]["results"]);
    let kept: Vec<Value> = items(&status["devices"])
        .iter()
        .filter(|device| results.iter().any(|result| device_id(result) == device_id(device)))
        .cloned()
        .collect();
    if status["allocation"].is_null() && !status["devices"].is_null() {
        object::remove(&mut claim["status"], "devices");
    } else if kept.len() != items(&status["devices"]).len() && status["allocation"].is_null() {
        object::set(claim, &["status", "devices"], kept);
    }
}

pub fn status(object: &Value, old: &Value, errors: &mut ErrorList) {
    let (at, status, before) = (Path::new("status"), &object["status"], &old["status"]);
    let (devices, reserved) = (&object["spec"]["devices"], at.child("reservedFor"));
    each(&status["reservedFor"], MAX_RESERVED_FOR, &reserved, errors, |consumer, at, errors| {
        for field in ["resource", "name", "uid"] {
            if text(&consumer[field]).is_empty() {
                errors.required(&at.child(field), "");
            }
        }
    });
    unique(&status["reservedFor"], "uid", &reserved, errors);
    let list = at.child("devices");
    let allocation = &status["allocation"];
    let results = items(&allocation["devices"]["results"]);
    let reported = items(&status["devices"]);
    for (index, device) in reported.iter().enumerate() {
        let allocated = results.iter().any(|result| device_id(result) == device_id(device));
        device_status(device, allocated, &list.index(index), errors);
    }
    for (index, device) in reported.iter().enumerate() {
        if reported[..index].iter().any(|other| device_id(other) == device_id(device)) {
            let [driver, pool, device, share] = device_id(device);
            let id = format!("{driver}/{pool}/{device}{}{share}", if share.is_empty() { "" } else { "/" });
            errors.duplicate(&list.index(index), &id.into());
        }
    }
    if !items(&status["reservedFor"]).is_empty() {
        if allocation.is_null() {
            errors.forbidden(&reserved, "may not be specified when `allocated` is not set");
        } else if object::is_terminating(object) {
            let had = items(&before["reservedFor"]);
            if items(&status["reservedFor"]).iter().any(|consumer| !had.contains(consumer)) {
                errors.forbidden(
                    &reserved,
                    "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set",
                );
            }
        }
    }
    let path = at.child("allocation");
    if !allocation.is_null() && !before["allocation"].is_null() {
        errors.immutable(&path, allocation, &before["allocation"]);
    } else if !allocation.is_null() {
        self::allocation(allocation, devices, &path, errors);
    }
}

fn allocation(allocation: &Value, devices: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let path = at.child("devices");
    each(&allocation["devices"]["results"], MAX_REQUESTS, &path.child("results"), errors, |result, at, errors| {
        reference(text(&result["request"]), devices, &at.child("request"), errors);
        driver_name(&result["driver"], &at.child("driver"), errors);
        pool_name(&result["pool"], &at.child("pool"), errors);
        label_name(&result["device"], &at.child("device"), errors);
        binding_conditions(result, at, errors);
        share_id(&result["shareID"], &at.child("shareID"), errors);
    });
    let list = path.child("config");
    each(&allocation["devices"]["config"], 2 * MAX_CONFIGURATIONS, &list, errors, |config, at, errors| {
        match text(&config["source"]) {
            "FromClaim" | "FromClass" => {}
            "" => errors.required(&at.child("source"), ""),
            source => errors.not_supported(&at.child("source"), &source.into(), &["FromClaim", "FromClass"]),
        }
        references(&config["requests"], devices, &at.child("requests"), errors);
        opaque(config, at, errors);
    });
    if !allocation["nodeSelector"].is_null() {
        pod_spec::node_selector(&allocation["nodeSelector"], &at.child("nodeSelector"), errors);
    }
}

fn share_id(id: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let Some(id) = id.as_str() else { return };
    let is_normal = id.len() == 36 && id.to_lowercase() == id;
    match uuid::Uuid::parse_str(id) {
        Err(_) if id.len() != 36 => {
            errors.invalid_str(at, id, format!("error validating uid: invalid UUID length: {}", id.len()));
        }
        Err(_) => errors.invalid_str(at, id, "error validating uid: invalid UUID format"),
        Ok(_) if !is_normal => errors.invalid_str(at, id, "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters"),
        Ok(_) => {}
    }
}

fn device_status(device: &Value, allocated: bool, at: &Path<'_>, errors: &mut ErrorList) {
    driver_name(&device["driver"], &at.child("driver"), errors);
    pool_name(&device["pool"], &at.child("pool"), errors);
    label_name(&device["device"], &at.child("device"), errors);
    share_id(&device["shareID"], &at.child("shareID"), errors);
    if !allocated {
        let [driver, pool, device, share] = device_id(device);
        let shown = serde_json::json!({"Driver": driver, "Pool": pool, "Device": device, "ShareID": share});
        errors.invalid(at, &shown, "must be an allocated device in the claim");
    }
    let list = at.child("conditions");
    let count = items(&device["conditions"]).len();
    if count > MAX_STATUS_CONDITIONS {
        errors.too_many(&list, count, MAX_STATUS_CONDITIONS);
    }
    conditions::validate(&device["conditions"], &list, errors);
    if !device["data"].is_null() {
        raw_object(&device["data"], MAX_STATUS_DATA, &at.child("data"), errors);
    }
    let (network, at) = (&device["networkData"], at.child("networkData"));
    for (field, max) in [("interfaceName", 256), ("hardwareAddress", 128)] {
        if text(&network[field]).len() > max {
            errors.too_long(&at.child(field), max);
        }
    }
    let ips = at.child("ips");
    each(&network["ips"], MAX_IPS, &ips, errors, |address, at, errors| {
        let parsed = text(address).parse::<ipnet::IpNet>();
        match parsed {
            Err(_) => errors.invalid(
                at,
                address,
                "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)",
            ),
            Ok(parsed) if parsed.to_string() != text(address) => {
                errors.invalid(at, address, format!("must be in canonical form (\"{parsed}\")"));
            }
            Ok(_) => {}
        }
    });
    unique(&network["ips"], "", &ips, errors);
}
