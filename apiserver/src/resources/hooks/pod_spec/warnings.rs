//! What a client is told about a pod or a template that is taken and yet not as it should be.
//!
//! Source: `pkg/api/pod/warnings.go`.

use std::collections::HashMap;

use serde_json::Value;

use super::super::warnings;
use crate::field::Path;
use crate::object::{entries, int, items, text};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

const ANNOTATIONS: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

const VOLUMES: &[(&str, &str)] = &[
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// The name under which a message knows a volume's field, where that is not the field's own.
fn shown_volume(field: &str) -> &str {
    if field == "storageos" { "storageOS" } else { field }
}

/// The paths of a pod's, or a template's, parts.
pub struct Places<'a> {
    pub metadata: Path<'a>,
    pub spec: Path<'a>,
    /// Annotations of a pod itself have become fields by now.
    pub in_template: bool,
}

/// All that there is to say about a pod's spec and metadata.
pub fn of(spec: &Value, metadata: &Value, places: &Places<'_>) -> Vec<String> {
    let mut out = Vec::new();
    placement(spec, &places.spec, &mut out);
    let annotations = places.metadata.child("annotations");
    for (key, instead) in ANNOTATIONS {
        if !metadata["annotations"][*key].is_null() {
            out.push(format!("{}: {instead}", annotations.key(key)));
        }
    }
    volumes(&spec["volumes"], &places.spec.child("volumes"), &mut out);
    overlapping_paths(&spec["volumes"], &mut out);
    repeated(&spec["hostAliases"], "ip", "duplicate ip", &places.spec.child("hostAliases"), &mut out);
    let secrets = places.spec.child("imagePullSecrets");
    repeated(&spec["imagePullSecrets"], "name", "duplicate name", &secrets, &mut out);
    for (index, secret) in items(&spec["imagePullSecrets"]).iter().enumerate() {
        if text(&secret["name"]).is_empty() {
            out.push(format!("{}: invalid empty name \"\"", secrets.index(index).child("name")));
        }
    }
    for resource in ["memory", "ephemeral-storage"] {
        warnings::fractional(&spec["overhead"], resource, &places.spec.child("overhead"), &mut out);
    }
    if spec["securityContext"]["seccompProfile"].is_null() && !metadata["annotations"][SECCOMP_POD].is_null() {
        out.push(format!(
            "{}: non-functional in v1.27+; use the \"seccompProfile\" field instead",
            annotations.key(SECCOMP_POD)
        ));
    }
    each_container(spec, &places.spec, |container, at| {
        container_annotations(container, spec, metadata, places, &mut out);
        let resources = at.child("resources");
        for resource in ["memory", "ephemeral-storage"] {
            for amounts in ["limits", "requests"] {
                let at = resources.child(amounts);
                warnings::fractional(&container["resources"][amounts], resource, &at, &mut out);
            }
        }
        environment(&container["env"], &at.child("env"), &mut out);
    });
    ports(spec, &places.spec, &mut out);
    if int(&spec["terminationGracePeriodSeconds"]) < 0 {
        out.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            places.spec.child("terminationGracePeriodSeconds")
        ));
    }
    let affinity = places.spec.child("affinity");
    for kind in ["podAffinity", "podAntiAffinity"] {
        let at = affinity.child(kind);
        let list = at.child(REQUIRED);
        for (index, term) in items(&spec["affinity"][kind][REQUIRED]).iter().enumerate() {
            no_selector(term, &list.index(index), &mut out);
        }
        let list = at.child(PREFERRED);
        for (index, term) in items(&spec["affinity"][kind][PREFERRED]).iter().enumerate() {
            no_selector(&term["podAffinityTerm"], &list.index(index).child("podAffinityTerm"), &mut out);
        }
    }
    let dns = places.spec.child("dnsConfig");
    let servers = dns.child("nameservers");
    for (index, server) in items(&spec["dnsConfig"]["nameservers"]).iter().enumerate() {
        warnings::ip(text(server), &servers.index(index), &mut out);
    }
    let aliases = places.spec.child("hostAliases");
    for (index, alias) in items(&spec["hostAliases"]).iter().enumerate() {
        warnings::ip(text(&alias["ip"]), &aliases.index(index).child("ip"), &mut out);
    }
    out
}

fn placement(spec: &Value, at: &Path<'_>, out: &mut Vec<String>) {
    let selector = at.child("nodeSelector");
    for (key, _) in entries(&spec["nodeSelector"]) {
        if let Some(instead) = warnings::node_label(key) {
            out.push(format!("{}: {instead}", selector.key(key)));
        }
    }
    let (affinity, node) = (at.child("affinity"), &spec["affinity"]["nodeAffinity"]);
    let node_at = affinity.child("nodeAffinity");
    let required = node_at.child(REQUIRED);
    let list = required.child("nodeSelectorTerms");
    for (index, term) in items(&node[REQUIRED]["nodeSelectorTerms"]).iter().enumerate() {
        warnings::node_selector_term(term, false, &list.index(index), out);
    }
    let list = node_at.child(PREFERRED);
    for (index, term) in items(&node[PREFERRED]).iter().enumerate() {
        warnings::node_selector_term(&term["preference"], true, &list.index(index).child("preference"), out);
    }
    let list = at.child("topologySpreadConstraints");
    for (index, constraint) in items(&spec["topologySpreadConstraints"]).iter().enumerate() {
        let at = list.index(index);
        let key = text(&constraint["topologyKey"]);
        if let Some(instead) = warnings::node_label(key) {
            out.push(format!("{}: {key} is {instead}", at.child("topologyKey")));
        }
        no_selector(constraint, &at, out);
    }
}

fn no_selector(term: &Value, at: &Path<'_>, out: &mut Vec<String>) {
    if term["labelSelector"].is_null() {
        out.push(format!("{}: a null labelSelector results in matching no pod", at.child("labelSelector")));
    }
}

fn volumes(volumes: &Value, at: &Path<'_>, out: &mut Vec<String>) {
    for (index, volume) in items(volumes).iter().enumerate() {
        let at = at.index(index);
        for (field, fate) in VOLUMES {
            // Upstream's place for claims' sizes among the sources.
            if *field == "cephfs" && volume["ephemeral"]["volumeClaimTemplate"].is_object() {
                let ephemeral = at.child("ephemeral");
                let template = ephemeral.child("volumeClaimTemplate");
                let claim = &volume["ephemeral"]["volumeClaimTemplate"]["spec"];
                warnings::claim_spec(claim, &template.child("spec"), out);
            }
            if !volume[*field].is_null() {
                out.push(format!("{}: {fate}", at.child(shown_volume(field))));
            }
        }
    }
}

fn repeated(list: &Value, field: &str, what: &str, at: &Path<'_>, out: &mut Vec<String>) {
    let list = items(list);
    for (index, item) in list.iter().enumerate() {
        if list[..index].iter().any(|other| text(&other[field]) == text(&item[field])) {
            out.push(format!("{}: {what} {:?}", at.index(index).child(field), text(&item[field])));
        }
    }
}

/// Containers of all kinds in upstream's order, with their paths.
fn each_container(spec: &Value, at: &Path<'_>, mut visit: impl FnMut(&Value, &Path<'_>)) {
    for field in ["initContainers", "containers", "ephemeralContainers"] {
        let list = at.child(field);
        for (index, container) in items(&spec[field]).iter().enumerate() {
            visit(container, &list.index(index));
        }
    }
}

fn container_annotations(
    container: &Value,
    spec: &Value,
    metadata: &Value,
    places: &Places<'_>,
    out: &mut Vec<String>,
) {
    let annotations = places.metadata.child("annotations");
    let security = &container["securityContext"];
    let key = format!("{SECCOMP_CONTAINER}{}", text(&container["name"]));
    if security["seccompProfile"].is_null() && !metadata["annotations"][&key].is_null() {
        out.push(format!(
            "{}: non-functional in v1.27+; use the \"seccompProfile\" field instead",
            annotations.key(&key)
        ));
    }
    let key = format!("{APP_ARMOR}{}", text(&container["name"]));
    let annotation = &metadata["annotations"][&key];
    if places.in_template && security["appArmorProfile"].is_null() && !annotation.is_null() {
        let pod = &spec["securityContext"]["appArmorProfile"];
        if pod.is_null() || super::security::app_armor_field(text(annotation)).as_ref() != Some(pod) {
            out.push(app_armor(&annotations, &key));
        }
    }
}

/// That the annotation of a container's AppArmor profile is to become a field.
pub fn app_armor(annotations: &Path<'_>, key: &str) -> String {
    format!("{}: deprecated since v1.30; use the \"appArmorProfile\" field instead", annotations.key(key))
}

/// Variables that are set twice, unless the second builds on the first.
fn environment(variables: &Value, at: &Path<'_>, out: &mut Vec<String>) {
    let variables = items(variables);
    for (index, variable) in variables.iter().enumerate() {
        let (name, value) = (text(&variable["name"]), text(&variable["value"]));
        if !variables[..index].iter().any(|other| text(&other["name"]) == name) {
            continue;
        }
        let reference = format!("$({name})");
        if !variable["valueFrom"].is_null() || value == reference || !value.contains(&reference) {
            out.push(format!(
                "{}: hides previous definition of {name:?}, which may be dropped when using apply",
                at.index(index)
            ));
        }
    }
}

fn ports(spec: &Value, at: &Path<'_>, out: &mut Vec<String>) {
    struct Place<'v> {
        path: String,
        host_ip: &'v str,
        host_port: i64,
    }
    let mut seen: HashMap<(i64, &str), Vec<Place<'_>>> = HashMap::new();
    let mut names: HashMap<&str, String> = HashMap::new();
    let mut by_name = Vec::new();
    for field in ["initContainers", "containers", "ephemeralContainers"] {
        let list = at.child(field);
        for (index, container) in items(&spec[field]).iter().enumerate() {
            let container_at = list.index(index);
            let ports = container_at.child("ports");
            for (index, port) in items(&container["ports"]).iter().enumerate() {
                let path = ports.index(index).to_string();
                let (host_ip, host_port) = (text(&port["hostIP"]), int(&port["hostPort"]));
                let (number, protocol, name) =
                    (int(&port["containerPort"]), text(&port["protocol"]), text(&port["name"]));
                if !host_ip.is_empty() && host_port == 0 {
                    out.push(format!(
                        "{path}: hostIP set without hostPort: {{Name:{name} HostPort:0 ContainerPort:{number} Protocol:{protocol} HostIP:{host_ip}}}"
                    ));
                }
                let others = seen.entry((number, protocol)).or_default();
                for other in others.iter() {
                    let how = if host_ip == other.host_ip && host_port == other.host_port {
                        "duplicate port definition"
                    } else if host_port == 0 || other.host_port == 0 {
                        "overlapping port definition"
                    } else if host_port == other.host_port && host_ip.is_empty() != other.host_ip.is_empty() {
                        "dangerously ambiguous port definition"
                    } else {
                        continue;
                    };
                    out.push(format!("{path}: {how} with {}", other.path));
                }
                others.push(Place { path: path.clone(), host_ip, host_port });
                if name.is_empty() {
                    continue;
                }
                match names.get(name) {
                    Some(other) => by_name.push(format!(
                        "{path}: duplicate port name {name:?} with {other}, services and probes that select ports by name will use {other}"
                    )),
                    None => {
                        names.insert(name, path);
                    }
                }
            }
        }
    }
    out.append(&mut by_name);
}

/// A path in a volume and what puts a file there.
struct VirtualPath {
    path: String,
    source: String,
}

impl VirtualPath {
    fn new(path: &str, source: &str) -> Self {
        VirtualPath { path: path.trim_end_matches('/').to_owned(), source: source.to_owned() }
    }

    fn shown(&self) -> String {
        if self.source.is_empty() { format!("{:?}", self.path) } else { format!("{:?} ({})", self.path, self.source) }
    }

    fn overlaps(&self, other: &VirtualPath) -> bool {
        let (own, theirs) = (format!("{}/", self.path), format!("{}/", other.path));
        !self.path.is_empty() && !other.path.is_empty() && (own.starts_with(&theirs) || theirs.starts_with(&own))
    }
}

fn of_items(list: &Value, source: &str) -> Vec<VirtualPath> {
    items(list).iter().map(|item| VirtualPath::new(text(&item["path"]), source)).collect()
}

/// Files of one volume that would lie on or below each other.
fn overlapping_paths(volumes: &Value, out: &mut Vec<String>) {
    for volume in items(volumes) {
        let name = text(&volume["name"]);
        let mut report = |kind: &str, paths: &[VirtualPath], new: &VirtualPath| {
            for other in paths.iter().filter(|other| new.overlaps(other)) {
                out.push(format!(
                    "volume {name:?} ({kind}): overlapping paths: {} with {}",
                    new.shown(),
                    other.shown()
                ));
            }
        };
        let plain = [
            (&volume["configMap"], format!("ConfigMap {:?}", text(&volume["configMap"]["name"]))),
            (&volume["secret"], format!("Secret {:?}", text(&volume["secret"]["secretName"]))),
            (&volume["downwardAPI"], "DownwardAPI".to_owned()),
        ];
        for (source, kind) in plain {
            let mut paths = Vec::new();
            for path in of_items(&source["items"], "") {
                report(&kind, &paths, &path);
                paths.push(path);
            }
        }
        let mut paths: Vec<VirtualPath> = Vec::new();
        for source in items(&volume["projected"]["sources"]) {
            if source.as_object().is_none_or(serde_json::Map::is_empty) {
                continue;
            }
            for path in of_projection(source) {
                report("Projected", &paths, &path);
                paths.push(path);
            }
        }
        if items(&volume["projected"]["sources"])
            .iter()
            .any(|source| source.as_object().is_none_or(serde_json::Map::is_empty))
        {
            out.push(format!("volume {name:?} (Projected) has no sources provided"));
        }
    }
}

fn of_projection(source: &Value) -> Vec<VirtualPath> {
    let is_list = |field: &str| source[field]["items"].is_array();
    if is_list("configMap") {
        let name = text(&source["configMap"]["name"]);
        return of_items(&source["configMap"]["items"], &format!("ConfigMap {name:?}"));
    }
    if is_list("secret") {
        let name = text(&source["secret"]["name"]);
        return of_items(&source["secret"]["items"], &format!("Secret {name:?}"));
    }
    if is_list("downwardAPI") {
        return of_items(&source["downwardAPI"]["items"], "DownwardAPI");
    }
    let (token, bundle, certificate) =
        (&source["serviceAccountToken"], &source["clusterTrustBundle"], &source["podCertificate"]);
    if token.is_object() {
        return vec![VirtualPath::new(text(&token["path"]), "ServiceAccountToken")];
    }
    if bundle.is_object() {
        let name = bundle["name"].as_str().unwrap_or(text(&bundle["signerName"]));
        return vec![VirtualPath::new(text(&bundle["path"]), &format!("ClusterTrustBundle {name:?}"))];
    }
    let files = [
        ("certificateChainPath", "PodCertificate chain"),
        ("keyPath", "PodCertificate key"),
        ("credentialBundlePath", "PodCertificate credential bundle"),
    ];
    let given = files.into_iter().filter(|(field, _)| !text(&certificate[*field]).is_empty());
    given.map(|(field, kind)| VirtualPath::new(text(&certificate[field]), kind)).collect()
}
