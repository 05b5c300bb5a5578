//! A CustomResourceDefinition, compiled.

use std::borrow::Cow;
use std::sync::Arc;

use apiserver_schema::structural::{Node, Pool, compile};
use apiserver_schema::{Ref, Type};
use serde_json::Value;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use super::PrinterColumn;
use super::conversion::Webhook;
use super::rules::RuleTree;
use crate::conditions::is_true;
use crate::facts::SelectableField;
use crate::object::{items, meta, text};
use crate::resources::api_version;

/// What a definition says, without its schemas' texts.
pub struct Definition {
    /// The name of the CustomResourceDefinition.
    pub name: SmolStr,
    pub group: SmolStr,
    pub plural: SmolStr,
    pub singular: SmolStr,
    pub kind: SmolStr,
    pub list_kind: SmolStr,
    pub short_names: Vec<SmolStr>,
    pub categories: Vec<SmolStr>,
    pub namespaced: bool,
    /// Its place among `versions`.
    pub storage_version: usize,
    /// In the order of the definition.
    pub versions: Vec<DefinedVersion>,
    /// Objects may be stored in one version only.
    pub uniform: bool,
    /// `spec.preserveUnknownFields`, which only old definitions have.
    pub preserve_unknown: bool,
    /// The webhook that converts its objects, if one does.
    pub webhook: Option<Webhook>,
    /// Whether all is in place, and discovery shows it.
    pub established: bool,
    /// Being deleted: nothing new is created.
    pub terminating: bool,
    /// What of the definition the objects depend on: while it stays, what is cached of them is good.
    pub contents: [u8; 16],
    /// What of the definition all this was made from.
    pub fingerprint: [u8; 16],
}

/// One version of a definition.
pub struct DefinedVersion {
    pub name: SmolStr,
    pub api_version: SmolStr,
    pub served: bool,
    pub ty: Ref<Type>,
    pub node: Arc<Node>,
    /// `x-kubernetes-validations`, if there are any.
    pub rules: Option<RuleTree>,
    /// The status subresource.
    pub status: bool,
    pub scale: Option<Scale>,
    pub columns: Vec<PrinterColumn>,
    pub selectable: Vec<SelectableField>,
    /// Told to those who use it.
    pub deprecation: Option<String>,
}

/// The scale subresource: where the object has what a Scale shows, as paths of names.
pub struct Scale {
    pub spec_replicas: Vec<String>,
    pub status_replicas: Vec<String>,
    pub label_selector: Vec<String>,
}

/// What the objects of a definition depend on.
fn contents(crd: &Value) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update(meta(crd, "uid"));
    digest.update(crd["spec"].to_string());
    digest.update(crd["status"]["acceptedNames"].to_string());
    let mut contents = [0; 16];
    contents.copy_from_slice(&digest.finalize()[..16]);
    contents
}

/// What the compiled form depends on.
pub fn fingerprint(crd: &Value) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update(contents(crd));
    digest.update(crd["status"]["storedVersions"].to_string());
    digest.update([u8::from(is_true(crd, "Established")), u8::from(is_true(crd, "Terminating"))]);
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&digest.finalize()[..16]);
    fingerprint
}

impl Definition {
    /// Compiles a definition; `None` for one that is not fit to be served.
    pub fn compile(pool: &Pool, crd: &Value) -> Option<Definition> {
        let spec = &crd["spec"];
        let names = &crd["status"]["acceptedNames"];
        let name_of = |field: &str| SmolStr::new(text(&names[field]));
        let list_of = |field: &str| items(&names[field]).iter().map(|name| SmolStr::new(text(name))).collect();
        let group = SmolStr::new(text(&spec["group"]));
        let versions: Vec<DefinedVersion> = items(&spec["versions"])
            .iter()
            .map(|version| DefinedVersion::compile(pool, &group, &name_of("kind"), spec, version))
            .collect();
        let storage_version = items(&spec["versions"]).iter().position(|version| version["storage"] == true)?;
        Some(Definition {
            name: meta(crd, "name").into(),
            plural: SmolStr::new(text(&spec["names"]["plural"])),
            singular: name_of("singular"),
            kind: SmolStr::new(text(&spec["names"]["kind"])),
            list_kind: SmolStr::new(text(&spec["names"]["listKind"])),
            short_names: list_of("shortNames"),
            categories: list_of("categories"),
            namespaced: spec["scope"] == "Namespaced",
            storage_version,
            versions,
            uniform: items(&crd["status"]["storedVersions"]).len() <= 1,
            preserve_unknown: spec["preserveUnknownFields"] == true,
            webhook: Webhook::of(spec),
            established: is_true(crd, "Established"),
            terminating: is_true(crd, "Terminating"),
            contents: contents(crd),
            fingerprint: fingerprint(crd),
            group,
        })
    }

    pub fn version_of(&self, api_version: &str) -> Option<&DefinedVersion> {
        self.versions.iter().find(|version| version.api_version == api_version)
    }

    pub fn storage(&self) -> &DefinedVersion {
        &self.versions[self.storage_version]
    }
}

impl DefinedVersion {
    fn compile(pool: &Pool, group: &str, kind: &str, spec: &Value, version: &Value) -> DefinedVersion {
        let name = SmolStr::new(text(&version["name"]));
        let node = compile(pool, &version["schema"]["openAPIV3Schema"]);
        let subresources = &version["subresources"];
        let scale = subresources.get("scale").filter(|scale| scale.is_object()).map(|scale| Scale {
            spec_replicas: path(text(&scale["specReplicasPath"])),
            status_replicas: path(text(&scale["statusReplicasPath"])),
            label_selector: path(text(&scale["labelSelectorPath"])),
        });
        let selectable = items(&version["selectableFields"]).iter().map(|field| {
            let path = text(&field["jsonPath"]).trim_start_matches('.').to_owned();
            SelectableField { name: Cow::Owned(path.clone()), path: Cow::Owned(path), default: "" }
        });
        DefinedVersion {
            api_version: api_version(group, &name).into(),
            served: version["served"] == true,
            ty: Ref::Shared(Arc::new(Type::custom(
                apiserver_openapi::definition(group, &name, kind),
                Arc::clone(&node),
            ))),
            rules: RuleTree::compile(&version["schema"]["openAPIV3Schema"]),
            node,
            status: subresources.get("status").is_some_and(Value::is_object),
            scale,
            columns: PrinterColumn::of(&version["additionalPrinterColumns"]),
            selectable: selectable.collect(),
            deprecation: (version["deprecated"] == true).then(|| deprecation(group, &name, spec, version)),
            name,
        }
    }
}

/// The names of a simple JSON path such as `.spec.replicas`.
fn path(text: &str) -> Vec<String> {
    text.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The warning about a deprecated version: the definition's own, or upstream's.
fn deprecation(group: &str, name: &str, spec: &Value, version: &Value) -> String {
    if let Some(own) = version["deprecationWarning"].as_str().filter(|own| !own.is_empty()) {
        return own.to_owned();
    }
    let kind = text(&spec["names"]["kind"]);
    let mut better: Vec<&str> = items(&spec["versions"])
        .iter()
        .filter(|other| other["served"] == true && other["deprecated"] != true)
        .map(|other| text(&other["name"]))
        .filter(|other| super::table::version_order(other, name).is_lt())
        .collect();
    better.sort_by(|a, b| super::table::version_order(a, b));
    match better.first() {
        Some(best) => format!("{group}/{name} {kind} is deprecated; use {group}/{best} {kind}"),
        None => format!("{group}/{name} {kind} is deprecated"),
    }
}
