//! Defaults of apiextensions.k8s.io and apiregistration.k8s.io.

use serde_json::{Value, json};

use super::{Default, Object, child_or_new, set_absent, set_empty, text};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition", definition),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference", service_reference),
    ("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference", service_reference),
];

fn definition(definition: &mut Object) {
    let spec = child_or_new(definition, "spec");
    let names = child_or_new(spec, "names");
    let kind = text(names, "kind").to_owned();
    if !kind.is_empty() {
        set_empty(names, "singular", kind.to_lowercase());
        set_empty(names, "listKind", format!("{kind}List"));
    }
    set_absent(spec, "conversion", json!({"strategy": "None"}));
    let versions = spec.get("versions").and_then(Value::as_array);
    let stored = versions.into_iter().flatten().find(|version| version.get("storage") == Some(&Value::Bool(true)));
    if let Some(name) = stored.and_then(|version| version.get("name")).cloned() {
        set_empty(child_or_new(definition, "status"), "storedVersions", json!([name]));
    }
}

fn service_reference(reference: &mut Object) {
    set_absent(reference, "port", 443);
}
