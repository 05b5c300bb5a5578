//! Scripts: requests as data. One file holds the requests about one subject.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// A file of requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What it is about.
    pub about: String,
    /// Values by name, for use as `$name` or `${name.member}`; they may be made of each other.
    #[serde(default, rename = "let")]
    pub values: BTreeMap<String, Value>,
    /// The steps are run once for each row, in a namespace of its own, with the row's members as values.
    /// Each has a `name`.
    #[serde(default)]
    pub rows: Vec<BTreeMap<String, Value>>,
    #[serde(default)]
    pub steps: Vec<Step>,
    /// A file in `shared/` whose steps come after this file's own.
    pub shared: Option<String>,
}

/// A request, or a few that differ in one value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Method and path.
    #[serde(rename = "do")]
    pub request: String,
    /// The content type: `json` (what a body is unless it says otherwise), `yaml`, `protobuf`, `merge`, `strategic`,
    /// `jsonpatch`, `apply`, `none`, or one in full.
    pub with: Option<String>,
    /// The body: an object, `$name` for a saved one.
    pub body: Option<Value>,
    /// Members to set in the body before it is sent, by JSON pointer.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Members to remove from the body, by JSON pointer.
    #[serde(default)]
    pub unset: Vec<String>,
    /// A body as text.
    pub raw: Option<String>,
    /// A body as bytes.
    pub base64: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is accepted: `json`, `yaml`, `protobuf`, `table`, `metadata`, `none`, one in full, or a list of them:
    /// the request is sent once for each.
    #[serde(default, rename = "as")]
    pub accept: OneOrMany,
    /// The request is sent once for each of these, as `$it`.
    #[serde(default)]
    pub each: Vec<Value>,
    /// What to keep of the answer: name to JSON pointer, or to `body` for its bytes.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// A watch is left after so many events.
    pub frames: Option<usize>,
    /// Only where this value is there.
    pub when: Option<String>,
    /// Only where this value is not there.
    pub unless: Option<String>,
    /// The answer is not compared.
    #[serde(default)]
    pub quiet: bool,
}

/// One text, or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub fn list(&self) -> Vec<&str> {
        match self {
            OneOrMany::None => Vec::new(),
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many.iter().map(String::as_str).collect(),
        }
    }
}

/// What is run on its own: a script, or one row of it.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The script's file name without its ending, and the row's name behind a slash.
    pub name: String,
    pub values: Vec<(String, Value)>,
    pub steps: Vec<Step>,
    /// The texts of the files that it comes from: what stands in them is not an accident of one run.
    pub text: String,
}

/// Reads a script and lays it out in units.
///
/// # Errors
/// The file is no script.
pub fn load(path: &Path) -> Result<Vec<Unit>> {
    let shown = path.display();
    let mut text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
    let mut script: Script = serde_saphyr::from_str(&text).with_context(|| format!("{shown} is no script"))?;
    if let Some(shared) = &script.shared {
        let path = path.with_file_name("shared").join(format!("{shared}.yaml"));
        let more = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let steps: Vec<Step> =
            serde_saphyr::from_str(&more).with_context(|| format!("{} is no list of steps", path.display()))?;
        script.steps.extend(steps);
        text += &more;
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    if script.rows.is_empty() {
        let values = script.values.into_iter().collect();
        return Ok(vec![Unit { name: stem, values, steps: script.steps, text }]);
    }
    let mut units = Vec::new();
    for row in &script.rows {
        let Some(name) = row.get("name").and_then(Value::as_str) else { bail!("{shown}: a row without a name") };
        let values = row.iter().chain(&script.values).map(|(name, value)| (name.clone(), value.clone())).collect();
        units.push(Unit { name: format!("{stem}/{name}"), values, steps: script.steps.clone(), text: text.clone() });
    }
    Ok(units)
}

/// The files of scripts in a directory, in order.
///
/// # Errors
/// The directory cannot be read.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    Ok(files)
}

/// The content type for a step's `with`.
pub fn content_type(name: &str) -> Option<&str> {
    Some(match name {
        "none" => return None,
        "json" => "application/json",
        "yaml" => "application/yaml",
        "protobuf" => "application/vnd.kubernetes.protobuf",
        "merge" => "application/merge-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "jsonpatch" => "application/json-patch+json",
        "apply" => "application/apply-patch+yaml",
        other => other,
    })
}

/// The accepted types for a step's `as`.
pub fn accepted_types(name: &str) -> Option<&str> {
    Some(match name {
        "none" => return None,
        "json" => "application/json",
        "yaml" => "application/yaml",
        "protobuf" => "application/vnd.kubernetes.protobuf",
        "table" => "application/json;as=Table;v=v1;g=meta.k8s.io",
        "metadata" => "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        "metadatas" => "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "metadata-protobuf" => "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        "metadatas-protobuf" => "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        other => other,
    })
}
