//! Defaults of discovery.k8s.io.

use super::{Default, Object, set_absent};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.discovery.v1.EndpointPort", endpoint_port),
    ("io.k8s.api.discovery.v1beta1.EndpointPort", endpoint_port),
];

fn endpoint_port(port: &mut Object) {
    set_absent(port, "name", "");
    set_absent(port, "protocol", "TCP");
}
