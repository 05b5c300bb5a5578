//! Facts about single types that do not follow from the compiled schema.

use serde_json::{Map, Value, json};

/// `x-kubernetes-unions` of a type.
pub fn unions(definition: &str) -> Option<Value> {
    let (discriminator, fields): (&str, &[(&str, &str)]) = match definition {
        "io.k8s.api.core.v1.AppArmorProfile" | "io.k8s.api.core.v1.SeccompProfile" => {
            ("type", &[("localhostProfile", "LocalhostProfile")])
        }
        "io.k8s.api.core.v1.PodSchedulingGroup" => ("", &[("podGroupName", "PodGroupName")]),
        "io.k8s.api.flowcontrol.v1.LimitResponse" => ("type", &[("queuing", "Queuing")]),
        "io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec" => {
            ("type", &[("exempt", "Exempt"), ("limited", "Limited")])
        }
        "io.k8s.api.flowcontrol.v1.Subject" => {
            ("kind", &[("group", "Group"), ("serviceAccount", "ServiceAccount"), ("user", "User")])
        }
        _ => return None,
    };
    let mut union = Map::new();
    if !discriminator.is_empty() {
        union.insert("discriminator".into(), discriminator.into());
    }
    let fields: Map<String, Value> = fields.iter().map(|(field, name)| ((*field).into(), (*name).into())).collect();
    union.insert("fields-to-discriminateBy".into(), Value::Object(fields));
    Some(json!([union]))
}

/// Whether a list has no `x-kubernetes-list-type`: the compiled schema has no word for that, as it means the
/// same as `atomic`.
pub fn list_type_unset(definition: &str, field: &str) -> bool {
    let short = definition.rsplit('.').next().unwrap_or_default();
    (field == "items" && short.ends_with("List")) || matches!((short, field), ("APIResource", "verbs"))
}

/// An extension that only this field has.
pub fn extension(definition: &str, field: &str) -> Option<(&'static str, &'static str)> {
    match (definition, field) {
        ("io.k8s.api.core.v1.PersistentVolumeSpec", "claimRef") => Some(("x-kubernetes-map-type", "granular")),
        ("io.k8s.api.core.v1.PersistentVolumeClaimStatus", "allocatedResourceStatuses") => {
            Some(("x-kubernetes-map-type", "granular"))
        }
        ("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec", "caBundle") => {
            Some(("x-kubernetes-list-type", "atomic"))
        }
        _ => None,
    }
}

/// The definition of [`version_info`].
pub const VERSION_INFO: &str = "io.k8s.apimachinery.pkg.version.Info";

/// What `/version` answers; it is no API type.
pub fn version_info(defaults: bool) -> Value {
    const ALWAYS: [&str; 9] =
        ["major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"];
    const SOMETIMES: [&str; 4] = ["emulationMajor", "emulationMinor", "minCompatibilityMajor", "minCompatibilityMinor"];
    let always = if defaults { json!({"type": "string", "default": ""}) } else { json!({"type": "string"}) };
    let mut properties: Map<String, Value> = ALWAYS.iter().map(|name| ((*name).into(), always.clone())).collect();
    properties.extend(SOMETIMES.iter().map(|name| ((*name).into(), json!({"type": "string"}))));
    json!({"type": "object", "properties": properties, "required": ALWAYS})
}
