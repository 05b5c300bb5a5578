//! The rules of security contexts.

use serde_json::{Value, json};

use crate::field::{ErrorList, Path, structure};
use crate::object::{int, items, text};

use super::volumes::descending_path;

pub fn of_pod(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let context = &spec["securityContext"];
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(&context[field], &at.child(field), errors);
    }
    let groups = at.child("supplementalGroups");
    for (index, group) in items(&context["supplementalGroups"]).iter().enumerate() {
        id(group, &groups.index(index), errors);
    }
    if spec["shareProcessNamespace"] == Value::Bool(true) && spec["hostPID"] == Value::Bool(true) {
        errors.invalid(
            &at.child("shareProcessNamespace"),
            &Value::Bool(true),
            "ShareProcessNamespace and HostPID cannot both be enabled",
        );
    }
    sysctls(spec, &at.child("sysctls"), errors);
    word(&context["fsGroupChangePolicy"], &["Always", "OnRootMismatch"], &at.child("fsGroupChangePolicy"), errors);
    seccomp(&context["seccompProfile"], &at.child("seccompProfile"), errors);
    app_armor(&context["appArmorProfile"], &at.child("appArmorProfile"), errors);
    word(&context["supplementalGroupsPolicy"], &["Merge", "Strict"], &at.child("supplementalGroupsPolicy"), errors);
    word(&context["seLinuxChangePolicy"], &["Recursive"], &at.child("seLinuxChangePolicy"), errors);
}

pub fn of_container(context: &Value, host_users: bool, at: &Path<'_>, errors: &mut ErrorList) {
    if context.is_null() {
        return;
    }
    for field in ["runAsUser", "runAsGroup"] {
        id(&context[field], &at.child(field), errors);
    }
    word(&context["procMount"], &["Default", "Unmasked"], &at.child("procMount"), errors);
    if host_users && context["procMount"] == "Unmasked" {
        errors.invalid_str(&at.child("procMount"), "Unmasked", "`hostUsers` must be false to use `Unmasked`");
    }
    seccomp(&context["seccompProfile"], &at.child("seccompProfile"), errors);
    if context["allowPrivilegeEscalation"] == Value::Bool(false) {
        if context["privileged"] == Value::Bool(true) {
            errors.invalid_structure(
                at,
                shown(context),
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            );
        }
        if items(&context["capabilities"]["add"]).iter().any(|capability| capability == "CAP_SYS_ADMIN") {
            errors.invalid_structure(
                at,
                shown(context),
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            );
        }
    }
    app_armor(&context["appArmorProfile"], &at.child("appArmorProfile"), errors);
}

/// A security context with the names and in the order in which upstream's messages show it.
fn shown(context: &Value) -> String {
    let names = [
        ("Capabilities", "capabilities"),
        ("Privileged", "privileged"),
        ("SELinuxOptions", "seLinuxOptions"),
        ("WindowsOptions", "windowsOptions"),
        ("RunAsUser", "runAsUser"),
        ("RunAsGroup", "runAsGroup"),
        ("RunAsNonRoot", "runAsNonRoot"),
        ("ReadOnlyRootFilesystem", "readOnlyRootFilesystem"),
        ("AllowPrivilegeEscalation", "allowPrivilegeEscalation"),
        ("ProcMount", "procMount"),
        ("SeccompProfile", "seccompProfile"),
        ("AppArmorProfile", "appArmorProfile"),
    ];
    let shown = names.iter().map(|(name, field)| {
        let value = &context[*field];
        let text = match *field {
            _ if value.is_null() => "null".to_owned(),
            "capabilities" => structure(&[("Add", &value["add"]), ("Drop", &value["drop"])]),
            "seccompProfile" | "appArmorProfile" => shown_profile(value),
            _ => value.to_string(),
        };
        format!("{name:?}:{text}")
    });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(","))
}

fn shown_profile(profile: &Value) -> String {
    structure(&[("Type", &text(&profile["type"]).into()), ("LocalhostProfile", &profile["localhostProfile"])])
}

/// An id of a user or group.
fn id(value: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    if !value.is_null() && !(0..=i64::from(i32::MAX)).contains(&int(value)) {
        errors.invalid(at, value, "must be between 0 and 2147483647, inclusive");
    }
}

/// A word that may be left out.
fn word(value: &Value, supported: &[&str], at: &Path<'_>, errors: &mut ErrorList) {
    if !value.is_null() && !supported.contains(&text(value)) {
        errors.not_supported(at, value, supported);
    }
}

fn seccomp(profile: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    profile_type(profile, "seccompProfile", at, errors);
    if profile["type"] == "Localhost" {
        match profile["localhostProfile"].as_str() {
            None => errors.required(&at.child("localhostProfile"), "must be set when seccomp type is Localhost"),
            Some(path) => descending_path(path, &at.child("localhostProfile"), errors),
        }
    } else if !profile["localhostProfile"].is_null() {
        errors.invalid_structure(
            &at.child("localhostProfile"),
            shown_profile(profile),
            "can only be set when seccomp type is Localhost",
        );
    }
}

fn app_armor(profile: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let path = at.child("localhostProfile");
    let name = &profile["localhostProfile"];
    match text(&profile["type"]) {
        "Localhost" => match name.as_str() {
            Some(given) if given.trim() != given => {
                errors.invalid_str(&path, given, "must not be padded with whitespace")
            }
            None | Some("") => errors.required(&path, "must be set when AppArmor type is Localhost"),
            Some(_) => {}
        },
        "RuntimeDefault" | "Unconfined" => {
            if !name.is_null() {
                errors.invalid(&path, name, "can only be set when AppArmor type is Localhost");
            }
        }
        _ => profile_type(profile, "appArmorProfile", at, errors),
    }
}

fn profile_type(profile: &Value, name: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if profile.is_null() {
        return;
    }
    match text(&profile["type"]) {
        "Localhost" | "RuntimeDefault" | "Unconfined" => {}
        "" => errors.required(&at.child("type"), format!("type is required when {name} is set")),
        _ => errors.not_supported(&at.child("type"), &profile["type"], &["Localhost", "RuntimeDefault", "Unconfined"]),
    }
}

fn sysctls(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const FORMAT: &str = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
    let sysctls = items(&spec["securityContext"]["sysctls"]);
    for (index, sysctl) in sysctls.iter().enumerate() {
        let at = at.index(index);
        let at = at.child("name");
        let name = text(&sysctl["name"]);
        let is_part = |part: &str| {
            let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            edge(part.bytes().next())
                && edge(part.bytes().last())
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
        };
        if name.is_empty() {
            errors.required(&at, "");
        } else if name.len() > 253 || !name.split(['.', '/']).all(is_part) {
            errors.invalid_str(&at, name, FORMAT);
        } else if sysctls[..index].iter().any(|other| other["name"] == name) {
            errors.duplicate(&at, &sysctl["name"]);
        }
        let dotted = name.replace('/', ".");
        if spec["hostNetwork"] == Value::Bool(true) && dotted.starts_with("net.") {
            errors.invalid_str(&at, name, "may not be specified when 'hostNetwork' is true");
        }
        let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| dotted.starts_with(prefix))
            || dotted == "kernel.sem";
        if spec["hostIPC"] == Value::Bool(true) && ipc {
            errors.invalid_str(&at, name, "may not be specified when 'hostIPC' is true");
        }
    }
}

/// The field that says what an annotation of AppArmor says; absent for what it may not say.
pub fn app_armor_field(annotation: &str) -> Option<Value> {
    match annotation {
        "unconfined" => Some(json!({"type": "Unconfined"})),
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        _ => {
            let profile = annotation.strip_prefix("localhost/").filter(|profile| !profile.is_empty())?;
            Some(json!({"type": "Localhost", "localhostProfile": profile}))
        }
    }
}

/// Copies annotations of AppArmor into the fields that took their place, and says so.
///
/// Source: `applyAppArmorVersionSkew` in `pkg/registry/core/pod/strategy.go`.
pub fn app_armor_annotations(pod: &mut Value, warnings: &mut Vec<String>) {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    if pod["spec"]["os"]["name"] == "windows" || pod["metadata"]["annotations"].is_null() {
        return;
    }
    let annotations = pod["metadata"]["annotations"].clone();
    let of_pod = pod["spec"]["securityContext"]["appArmorProfile"].clone();
    let metadata = Path::new("metadata");
    let at = metadata.child("annotations");
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let key = format!("{PREFIX}{}", text(&container["name"]));
            let annotation = &annotations[&key];
            if annotation.is_null() || !container["securityContext"]["appArmorProfile"].is_null() {
                continue;
            }
            let mut errors = ErrorList::default();
            let field = app_armor_field(text(annotation)).filter(|field| {
                app_armor(field, &at, &mut errors);
                errors.is_empty()
            });
            match field {
                Some(field) if field == of_pod => {}
                field => {
                    if let Some(field) = field {
                        crate::object::set(container, &["securityContext", "appArmorProfile"], field);
                    }
                    warnings.push(super::warnings::app_armor(&at, &key));
                }
            }
        }
    }
}
