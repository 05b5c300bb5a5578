//! Defaults of resource.k8s.io.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{Default, Object, child, set_absent, set_empty, text};
use crate::time::Instant;

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.resource.v1.Device", device),
    ("io.k8s.api.resource.v1.DeviceSubRequest", device_request),
    ("io.k8s.api.resource.v1.DeviceTaint", device_taint),
    ("io.k8s.api.resource.v1.ExactDeviceRequest", device_request),
    ("io.k8s.api.resource.v1alpha3.DeviceTaint", device_taint),
    ("io.k8s.api.resource.v1alpha3.ResourcePoolStatusRequestSpec", pool_status_request_spec),
    ("io.k8s.api.resource.v1beta1.BasicDevice", device),
    ("io.k8s.api.resource.v1beta1.DeviceRequest", device_request_v1beta1),
    ("io.k8s.api.resource.v1beta1.DeviceSubRequest", device_request),
    ("io.k8s.api.resource.v1beta1.DeviceTaint", device_taint),
    ("io.k8s.api.resource.v1beta2.Device", device),
    ("io.k8s.api.resource.v1beta2.DeviceSubRequest", device_request),
    ("io.k8s.api.resource.v1beta2.DeviceTaint", device_taint),
    ("io.k8s.api.resource.v1beta2.ExactDeviceRequest", device_request),
];

fn device_request(request: &mut Object) {
    set_empty(request, "allocationMode", "ExactCount");
    if text(request, "allocationMode") == "ExactCount" {
        set_empty(request, "count", 1);
    }
}

/// Without a class the request has alternatives, and these fields stay unset.
fn device_request_v1beta1(request: &mut Object) {
    if !text(request, "deviceClassName").is_empty() {
        device_request(request);
    }
}

fn device_taint(taint: &mut Object) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut out = Vec::new();
    Instant { seconds: i64::try_from(now).unwrap_or_default(), nanos: 0 }.write(&mut out);
    set_absent(taint, "timeAdded", String::from_utf8(out).unwrap_or_default());
}

fn device(device: &mut Object) {
    let Some(mappings) = child(device, "nodeAllocatableResourceMappings") else { return };
    for mapping in mappings.values_mut().filter_map(Value::as_object_mut) {
        set_absent(mapping, "allocationMultiplier", "1");
    }
}

fn pool_status_request_spec(spec: &mut Object) {
    set_absent(spec, "limit", 100);
}
