//! Defaults of authentication.k8s.io.

use super::{Default, Object, set_absent};

pub const DEFAULTS: &[Default] = &[("io.k8s.api.authentication.v1.TokenRequestSpec", token_request_spec)];

fn token_request_spec(spec: &mut Object) {
    set_absent(spec, "expirationSeconds", 3600);
}
