//! What the Pod Security Standards forbid, one check a function, by the version since which it holds.
//!
//! Source: `staging/src/k8s.io/pod-security-admission/policy`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::{self, items, text};

/// Why a check is not passed: a short reason, and what of the pod it is about.
pub type Violation = (String, String);

/// Looks at a pod's metadata and spec.
type CheckPod = fn(&Value, &Value) -> Option<Violation>;

/// One check; of its forms the last one whose minor version is not newer holds.
pub struct Check {
    pub id: &'static str,
    pub restricted: bool,
    pub since: &'static [(u32, CheckPod)],
    /// The baseline check that it is a stricter form of.
    pub overrides: &'static str,
}

const fn baseline(id: &'static str, since: &'static [(u32, CheckPod)]) -> Check {
    Check { id, restricted: false, since, overrides: "" }
}

const fn restricted(id: &'static str, since: &'static [(u32, CheckPod)], overrides: &'static str) -> Check {
    Check { id, restricted: true, since, overrides }
}

/// All checks in the order in which their violations are told: those of the baseline, then the stricter ones.
pub const CHECKS: &[Check] = &[
    baseline("appArmorProfile", &[(0, app_armor_profile)]),
    baseline("capabilities_baseline", &[(0, capabilities_baseline)]),
    baseline("hostNamespaces", &[(0, host_namespaces)]),
    baseline("hostPathVolumes", &[(0, host_path_volumes)]),
    baseline("hostPorts", &[(0, host_ports)]),
    baseline("hostProbesAndHostLifecycle", &[(34, hosts_of_probes)]),
    baseline("privileged", &[(0, privileged)]),
    baseline("procMount", &[(0, proc_mount), (35, |m, s| outside_user_namespace(s).then(|| proc_mount(m, s))?)]),
    baseline("seLinuxOptions", &[(0, |_, s| selinux(s, &SELINUX[..4])), (31, |_, s| selinux(s, SELINUX))]),
    baseline("seccompProfile_baseline", &[(0, seccomp_annotations), (19, seccomp_baseline)]),
    baseline(
        "sysctls",
        &[
            (0, |_, s| sysctls(s, &SYSCTLS[..5])),
            (27, |_, s| sysctls(s, &SYSCTLS[..6])),
            (29, |_, s| sysctls(s, &SYSCTLS[..10])),
            (32, |_, s| sysctls(s, SYSCTLS)),
        ],
    ),
    baseline("windowsHostProcess", &[(0, windows_host_process)]),
    restricted(
        "allowPrivilegeEscalation",
        &[(8, privilege_escalation), (25, |m, s| not_windows(s).then(|| privilege_escalation(m, s))?)],
        "",
    ),
    restricted(
        "capabilities_restricted",
        &[(22, capabilities_restricted), (25, |m, s| not_windows(s).then(|| capabilities_restricted(m, s))?)],
        "capabilities_baseline",
    ),
    restricted("procMount_restricted", &[(35, proc_mount)], "procMount"),
    restricted("restrictedVolumes", &[(0, restricted_volumes)], "hostPathVolumes"),
    restricted(
        "runAsNonRoot",
        &[(0, run_as_non_root), (35, |m, s| outside_user_namespace(s).then(|| run_as_non_root(m, s))?)],
        "",
    ),
    restricted(
        "runAsUser",
        &[(23, run_as_user), (35, |m, s| outside_user_namespace(s).then(|| run_as_user(m, s))?)],
        "",
    ),
    restricted(
        "seccompProfile_restricted",
        &[(19, seccomp_restricted), (25, |m, s| not_windows(s).then(|| seccomp_restricted(m, s))?)],
        "seccompProfile_baseline",
    ),
];

/// The newest version in which a check changed.
pub const NEWEST: u32 = 35;

const SELINUX: &[&str] = &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

const SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

const CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| items(&spec[list]))
}

/// The names of the containers that are bad.
fn bad(spec: &Value, is_bad: impl Fn(&Value) -> bool) -> Vec<&str> {
    containers(spec).filter(|container| is_bad(container)).map(|container| text(&container["name"])).collect()
}

fn not_windows(spec: &Value) -> bool {
    spec["os"]["name"] != "windows"
}

/// In a user namespace root is nobody outside.
fn outside_user_namespace(spec: &Value) -> bool {
    spec["hostUsers"] != Value::Bool(false)
}

fn quoted<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = values.into_iter().map(|value| format!("\"{}\"", value.as_ref())).collect();
    quoted.join(", ")
}

fn plural<'a>(one: &'a str, many: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { many }
}

/// `container "a"`, `containers "a", "b"`.
fn shown(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// Who sets what is bad: the pod, its containers, or both.
fn setters(pod: bool, names: &[&str]) -> Vec<String> {
    let mut setters = Vec::new();
    if pod {
        setters.push("pod".to_owned());
    }
    if !names.is_empty() {
        setters.push(shown(names));
    }
    setters
}

fn violation(reason: &str, detail: String) -> Option<Violation> {
    Some((reason.to_owned(), detail))
}

fn privilege_escalation(_: &Value, spec: &Value) -> Option<Violation> {
    let names = bad(spec, |c| c["securityContext"]["allowPrivilegeEscalation"] != Value::Bool(false));
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", shown(&names));
    violation("allowPrivilegeEscalation != false", detail)
}

fn app_armor_profile(metadata: &Value, spec: &Value) -> Option<Violation> {
    let profile = |context: &Value| {
        let profile = &context["appArmorProfile"];
        (!profile.is_null()).then(|| text(&profile["type"]).to_owned())
    };
    let forbidden = |kind: &String| !matches!(kind.as_str(), "RuntimeDefault" | "Localhost");
    let mut values: BTreeSet<String> = BTreeSet::new();
    let of_pod = profile(&spec["securityContext"]).filter(forbidden);
    values.extend(of_pod.clone());
    let names = bad(spec, |c| profile(&c["securityContext"]).is_some_and(|kind| forbidden(&kind)));
    values.extend(containers(spec).filter_map(|c| profile(&c["securityContext"]).filter(forbidden)));
    let mut setters = setters(of_pod.is_some(), &names);
    let mut annotations: Vec<String> = object::entries(&metadata["annotations"])
        .filter(|(key, _)| key.starts_with("container.apparmor.security.beta.kubernetes.io/"))
        .map(|(key, value)| (key, text(value)))
        .filter(|(_, value)| !(value.is_empty() || *value == "runtime/default" || value.starts_with("localhost/")))
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    annotations.sort();
    let mut values: Vec<String> = values.into_iter().collect();
    if !annotations.is_empty() {
        setters.push(plural("annotation", "annotations", annotations.len()).to_owned());
        values.extend(annotations);
    }
    if setters.is_empty() {
        return None;
    }
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    let detail = format!("{} must not set AppArmor profile type to {}", setters.join(" and "), quoted(&values));
    violation(reason, detail)
}

fn capabilities_baseline(_: &Value, spec: &Value) -> Option<Violation> {
    let forbidden = |c: &Value| -> BTreeSet<String> {
        let added = items(&c["securityContext"]["capabilities"]["add"]).iter().map(|name| text(name).to_owned());
        added.filter(|name| !CAPABILITIES.contains(&name.as_str())).collect()
    };
    let names = bad(spec, |c| !forbidden(c).is_empty());
    if names.is_empty() {
        return None;
    }
    let all: BTreeSet<String> = containers(spec).flat_map(forbidden).collect();
    let detail = format!("{} must not include {} in securityContext.capabilities.add", shown(&names), quoted(&all));
    violation("non-default capabilities", detail)
}

fn capabilities_restricted(_: &Value, spec: &Value) -> Option<Violation> {
    let list = |c: &Value, field: &str| -> Vec<String> {
        items(&c["securityContext"]["capabilities"][field]).iter().map(|name| text(name).to_owned()).collect()
    };
    let forbidden = |c: &Value| -> BTreeSet<String> {
        list(c, "add").into_iter().filter(|name| name != "NET_BIND_SERVICE").collect()
    };
    let keeping = bad(spec, |c| !list(c, "drop").iter().any(|name| name == "ALL"));
    let adding = bad(spec, |c| !forbidden(c).is_empty());
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", shown(&keeping)));
    }
    if !adding.is_empty() {
        let all: BTreeSet<String> = containers(spec).flat_map(forbidden).collect();
        details.push(format!(
            "{} must not include {} in securityContext.capabilities.add",
            shown(&adding),
            quoted(&all)
        ));
    }
    if details.is_empty() { None } else { violation("unrestricted capabilities", details.join("; ")) }
}

fn host_namespaces(_: &Value, spec: &Value) -> Option<Violation> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|field| spec[*field] == Value::Bool(true));
    let shared: Vec<String> = shared.map(|field| format!("{field}=true")).collect();
    if shared.is_empty() { None } else { violation("host namespaces", shared.join(", ")) }
}

fn host_path_volumes(_: &Value, spec: &Value) -> Option<Violation> {
    let volumes = items(&spec["volumes"]).iter().filter(|volume| !volume["hostPath"].is_null());
    let names: Vec<&str> = volumes.map(|volume| text(&volume["name"])).collect();
    if names.is_empty() {
        return None;
    }
    violation("hostPath volumes", format!("{} {}", plural("volume", "volumes", names.len()), quoted(&names)))
}

fn host_ports(_: &Value, spec: &Value) -> Option<Violation> {
    let ports = |c: &Value| -> Vec<String> {
        let ports = items(&c["ports"]).iter().map(|port| object::int(&port["hostPort"]));
        ports.filter(|port| *port != 0).map(|port| port.to_string()).collect()
    };
    let names = bad(spec, |c| !ports(c).is_empty());
    if names.is_empty() {
        return None;
    }
    let all: BTreeSet<String> = containers(spec).flat_map(ports).collect();
    let detail = format!(
        "{} {} {} {}",
        shown(&names),
        plural("uses", "use", names.len()),
        plural("hostPort", "hostPorts", all.len()),
        all.into_iter().collect::<Vec<_>>().join(", ")
    );
    violation("hostPort", detail)
}

fn hosts_of_probes(_: &Value, spec: &Value) -> Option<Violation> {
    let hosts = |c: &Value| -> BTreeSet<String> {
        let lifecycle = &c["lifecycle"];
        let handlers = [
            &c["livenessProbe"],
            &c["readinessProbe"],
            &c["startupProbe"],
            &lifecycle["postStart"],
            &lifecycle["preStop"],
        ];
        let hosts = handlers.iter().flat_map(|handler| [&handler["httpGet"]["host"], &handler["tcpSocket"]["host"]]);
        hosts.map(|host| text(host).to_owned()).filter(|host| !host.is_empty()).collect()
    };
    let mut names = bad(spec, |c| !hosts(c).is_empty());
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let all: BTreeSet<String> = containers(spec).flat_map(hosts).collect();
    let detail = format!(
        "{} {} {} {}",
        shown(&names),
        plural("uses", "use", names.len()),
        plural("probe or lifecycle host", "probe or lifecycle hosts", all.len()),
        quoted(&all)
    );
    violation("probe or lifecycle host", detail)
}

fn privileged(_: &Value, spec: &Value) -> Option<Violation> {
    let names = bad(spec, |c| c["securityContext"]["privileged"] == Value::Bool(true));
    if names.is_empty() {
        return None;
    }
    violation("privileged", format!("{} must not set securityContext.privileged=true", shown(&names)))
}

fn proc_mount(_: &Value, spec: &Value) -> Option<Violation> {
    let mount = |c: &Value| c["securityContext"]["procMount"].as_str().map(str::to_owned);
    let names = bad(spec, |c| mount(c).is_some_and(|mount| mount != "Default"));
    if names.is_empty() {
        return None;
    }
    let all: BTreeSet<String> = containers(spec).filter_map(mount).filter(|mount| mount != "Default").collect();
    let detail = format!("{} must not set securityContext.procMount to {}", shown(&names), quoted(&all));
    violation("procMount", detail)
}

/// The kinds of volumes that are told by name where they are forbidden.
const VOLUMES: &[&str] = &[
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

const ALLOWED_VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

fn restricted_volumes(_: &Value, spec: &Value) -> Option<Violation> {
    let is = |volume: &Value, kinds: &[&'static str]| kinds.iter().copied().find(|kind| !volume[*kind].is_null());
    let bad: Vec<&Value> =
        items(&spec["volumes"]).iter().filter(|volume| is(volume, ALLOWED_VOLUMES).is_none()).collect();
    if bad.is_empty() {
        return None;
    }
    let names: Vec<&str> = bad.iter().map(|volume| text(&volume["name"])).collect();
    let kinds: BTreeSet<&str> = bad.iter().map(|volume| is(volume, VOLUMES).unwrap_or("unknown")).collect();
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", "volumes", names.len()),
        quoted(&names),
        plural("uses", "use", names.len()),
        plural("restricted volume type", "restricted volume types", kinds.len()),
        quoted(&kinds)
    );
    violation("restricted volume types", detail)
}

fn run_as_non_root(_: &Value, spec: &Value) -> Option<Violation> {
    const REASON: &str = "runAsNonRoot != true";
    let of_pod = spec["securityContext"]["runAsNonRoot"].as_bool();
    let of = |c: &Value| c["securityContext"]["runAsNonRoot"].as_bool();
    let explicit = bad(spec, |c| of(c) == Some(false));
    let setters = setters(of_pod == Some(false), &explicit);
    if !setters.is_empty() {
        let detail = format!("{} must not set securityContext.runAsNonRoot=false", setters.join(" and "));
        return violation(REASON, detail);
    }
    let implicit = bad(spec, |c| of(c).is_none() && of_pod != Some(true));
    if implicit.is_empty() {
        return None;
    }
    violation(REASON, format!("pod or {} must set securityContext.runAsNonRoot=true", shown(&implicit)))
}

fn run_as_user(_: &Value, spec: &Value) -> Option<Violation> {
    let root = |context: &Value| context["runAsUser"].as_i64() == Some(0);
    let names = bad(spec, |c| root(&c["securityContext"]));
    let setters = setters(root(&spec["securityContext"]), &names);
    if setters.is_empty() {
        return None;
    }
    violation("runAsUser=0", format!("{} must not set runAsUser=0", setters.join(" and ")))
}

fn selinux(spec: &Value, allowed: &[&str]) -> Option<Violation> {
    let set = |context: &Value, field: &str| !text(&context["seLinuxOptions"][field]).is_empty();
    let bad_type = |context: &Value| {
        let kind = text(&context["seLinuxOptions"]["type"]);
        (!allowed.contains(&kind)).then(|| kind.to_owned())
    };
    let is_bad = |context: &Value| bad_type(context).is_some() || set(context, "user") || set(context, "role");
    let names = bad(spec, |c| is_bad(&c["securityContext"]));
    let setters = setters(is_bad(&spec["securityContext"]), &names);
    if setters.is_empty() {
        return None;
    }
    let contexts = || std::iter::once(&spec["securityContext"]).chain(containers(spec).map(|c| &c["securityContext"]));
    let types: BTreeSet<String> = contexts().filter_map(bad_type).collect();
    let mut what = Vec::new();
    if !types.is_empty() {
        what.push(format!("{} {}", plural("type", "types", types.len()), quoted(&types)));
    }
    for field in ["user", "role"] {
        if contexts().any(|context| set(context, field)) {
            what.push(format!("{field} may not be set"));
        }
    }
    let detail = format!("{} set forbidden securityContext.seLinuxOptions: {}", setters.join(" and "), what.join("; "));
    violation("seLinuxOptions", detail)
}

fn seccomp_annotations(metadata: &Value, spec: &Value) -> Option<Violation> {
    const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
    const CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
    let of_containers = containers(spec).map(|c| format!("{CONTAINER}{}", text(&c["name"])));
    let forbidden: BTreeSet<String> = std::iter::once(POD.to_owned())
        .chain(of_containers)
        .filter_map(|key| {
            let value = metadata["annotations"][key.as_str()].as_str()?;
            let valid = matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/");
            (!valid).then(|| format!("{key}={value:?}"))
        })
        .collect();
    if forbidden.is_empty() {
        return None;
    }
    let detail = format!(
        "forbidden {} {}",
        plural("annotation", "annotations", forbidden.len()),
        forbidden.into_iter().collect::<Vec<_>>().join(", ")
    );
    violation("seccompProfile", detail)
}

/// The type of a context's seccomp profile, if there is a profile.
fn seccomp(context: &Value) -> Option<&str> {
    (!context["seccompProfile"].is_null()).then(|| text(&context["seccompProfile"]["type"]))
}

fn is_bad_seccomp(kind: &&str) -> bool {
    !matches!(*kind, "Localhost" | "RuntimeDefault")
}

fn seccomp_baseline(_: &Value, spec: &Value) -> Option<Violation> {
    let of_pod = seccomp(&spec["securityContext"]).filter(is_bad_seccomp);
    let names = bad(spec, |c| seccomp(&c["securityContext"]).is_some_and(|kind| is_bad_seccomp(&kind)));
    let setters = setters(of_pod.is_some(), &names);
    if setters.is_empty() {
        return None;
    }
    let mut kinds: BTreeSet<&str> =
        containers(spec).filter_map(|c| seccomp(&c["securityContext"])).filter(is_bad_seccomp).collect();
    kinds.extend(of_pod);
    let detail =
        format!("{} must not set securityContext.seccompProfile.type to {}", setters.join(" and "), quoted(&kinds));
    violation("seccompProfile", detail)
}

fn seccomp_restricted(metadata: &Value, spec: &Value) -> Option<Violation> {
    if let Some(explicit) = seccomp_baseline(metadata, spec) {
        return Some(explicit);
    }
    let of_pod = seccomp(&spec["securityContext"]).is_some();
    let implicit = bad(spec, |c| seccomp(&c["securityContext"]).is_none() && !of_pod);
    if implicit.is_empty() {
        return None;
    }
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
        shown(&implicit)
    );
    violation("seccompProfile", detail)
}

fn sysctls(spec: &Value, allowed: &[&str]) -> Option<Violation> {
    let set = items(&spec["securityContext"]["sysctls"]).iter().map(|sysctl| text(&sysctl["name"]));
    let forbidden: Vec<&str> = set.filter(|name| !allowed.contains(name)).collect();
    if forbidden.is_empty() { None } else { violation("forbidden sysctls", forbidden.join(", ")) }
}

fn windows_host_process(_: &Value, spec: &Value) -> Option<Violation> {
    let on_host = |context: &Value| context["windowsOptions"]["hostProcess"] == Value::Bool(true);
    let names = bad(spec, |c| on_host(&c["securityContext"]));
    let setters = setters(on_host(&spec["securityContext"]), &names);
    if setters.is_empty() {
        return None;
    }
    let detail = format!("{} must not set securityContext.windowsOptions.hostProcess=true", setters.join(" and "));
    violation("hostProcess", detail)
}
