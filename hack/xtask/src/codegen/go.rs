//! Reads the facts that Kubernetes' Go API packages declare: structs, fields, tags and comment markers.
//!
//! The sources are gofmt'd and regular, so lines are enough: a struct opens with `type X struct {` and closes
//! with `}` in the first column, one field per line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// One Go package: what its files declare.
#[derive(Default)]
pub struct Package {
    /// Below `k8s.io`, for example `api/core/v1`.
    pub path: String,
    /// The prefix of OpenAPI definition names (`+k8s:openapi-model-package`).
    pub model: String,
    pub group: String,
    pub structs: BTreeMap<String, Struct>,
    /// Named types that are no structs, and aliases: the Go expression behind the name.
    pub named: BTreeMap<String, Named>,
    /// String constants, for `+default=ref(X)`.
    pub constants: BTreeMap<String, String>,
    /// Kinds given to `AddKnownTypes`.
    pub kinds: Vec<String>,
}

/// A struct in the scope of a file, whose imports its field types refer to.
#[derive(Clone, Default)]
pub struct Struct {
    pub markers: Vec<String>,
    pub fields: Vec<Member>,
    pub imports: BTreeMap<String, String>,
}

#[derive(Clone)]
pub struct Named {
    pub markers: Vec<String>,
    pub target: String,
    pub alias: bool,
    pub imports: BTreeMap<String, String>,
}

#[derive(Clone)]
pub struct Member {
    /// Empty for an embedded struct.
    pub name: String,
    pub go_type: String,
    pub tags: BTreeMap<String, String>,
    pub markers: Vec<String>,
}

impl Member {
    /// The value of `+name=value`; `Some("")` for a bare `+name`.
    pub fn marker(&self, name: &str) -> Option<&str> {
        marker(&self.markers, name)
    }

    /// All values of a marker that may repeat.
    pub fn marker_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.markers.iter().filter_map(move |marker| value_of(marker, name))
    }
}

/// The value of the first `+name=value` among these markers.
pub fn marker<'a>(markers: &'a [String], name: &str) -> Option<&'a str> {
    markers.iter().find_map(|marker| value_of(marker, name))
}

fn value_of<'a>(marker: &'a str, name: &str) -> Option<&'a str> {
    let rest = marker.strip_prefix(name)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix('=').or_else(|| rest.strip_prefix(": ")) }
}

/// Reads every file of a package but tests and generated code.
pub fn read_package(root: &Path, path: &str) -> Result<Package> {
    let mut package = Package { path: path.into(), ..Package::default() };
    let directory = root.join(path);
    let mut files: Vec<_> = fs::read_dir(&directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.ends_with(".go")
            || name.ends_with("_test.go")
            || name.starts_with("zz_generated")
            || name.starts_with("generated.pb")
            || name.contains("swagger_doc")
        {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        read_file(&mut package, &text);
    }
    Ok(package)
}

fn read_file(package: &mut Package, text: &str) {
    let mut imports = BTreeMap::new();
    let mut markers: Vec<String> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_end();
        if line.starts_with("import (") {
            for line in lines.by_ref().take_while(|line| !line.starts_with(')')) {
                import(&mut imports, line.trim());
            }
        } else if let Some(one) = line.strip_prefix("import ") {
            import(&mut imports, one.trim());
        } else if let Some(comment) = line.strip_prefix("//") {
            note(&mut markers, comment);
            if let Some(model) = comment.trim().strip_prefix("+k8s:openapi-model-package=") {
                package.model = model.into();
            }
        } else if line.is_empty() {
            // A comment one blank line above a type still belongs to it.
        } else if let Some(rest) = line.strip_prefix("type ") {
            let taken = std::mem::take(&mut markers);
            declare(package, rest, taken, &imports, &mut lines);
        } else {
            markers.clear();
            constant(package, line);
            if line.contains("AddKnownTypes(") {
                kinds(package, line);
            } else if let Some(kind) = line.trim().strip_prefix('&').and_then(|line| line.strip_suffix("{},"))
                && !kind.contains('.')
            {
                package.kinds.push(kind.into());
            }
        }
    }
}

fn declare<'a>(
    package: &mut Package,
    rest: &str,
    markers: Vec<String>,
    imports: &BTreeMap<String, String>,
    lines: &mut impl Iterator<Item = &'a str>,
) {
    let Some((name, target)) = rest.split_once(' ') else { return };
    let imports = imports.clone();
    if target == "struct {" {
        let fields = read_fields(lines);
        package.structs.insert(name.into(), Struct { markers, fields, imports });
    } else if target == "struct{}" {
        package.structs.insert(name.into(), Struct { markers, imports, ..Struct::default() });
    } else if !target.starts_with("interface") && !target.starts_with("func") {
        let (target, alias) = match target.strip_prefix("= ") {
            Some(target) => (target, true),
            None => (target, false),
        };
        let target = target.split(" //").next().unwrap_or(target).trim().to_owned();
        package.named.insert(name.into(), Named { markers, target, alias, imports });
    }
}

fn read_fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<Member> {
    let mut fields = Vec::new();
    let mut markers = Vec::new();
    let mut in_block_comment = false;
    for line in lines.take_while(|line| !line.starts_with('}')) {
        let line = line.trim();
        if in_block_comment || line.starts_with("/*") {
            in_block_comment = !line.contains("*/");
        } else if let Some(comment) = line.strip_prefix("//") {
            note(&mut markers, comment);
        } else if line.is_empty() {
            markers.clear();
        } else {
            let (declaration, tags) = match line.split_once('`') {
                Some((declaration, tags)) => (declaration, tags.split('`').next().unwrap_or_default()),
                None => (line, ""),
            };
            let mut words = declaration.split_whitespace();
            let first = words.next().unwrap_or_default();
            let (name, go_type) = match words.next() {
                Some(go_type) if !go_type.starts_with("//") => (first, go_type),
                _ => ("", first),
            };
            fields.push(Member {
                name: name.into(),
                go_type: go_type.into(),
                tags: read_tags(tags),
                markers: std::mem::take(&mut markers),
            });
        }
    }
    fields
}

fn read_tags(mut text: &str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    while let Some((key, rest)) = text.split_once(":\"") {
        let Some((value, rest)) = rest.split_once('"') else { break };
        tags.insert(key.trim().to_owned(), value.to_owned());
        text = rest;
    }
    tags
}

fn note(markers: &mut Vec<String>, comment: &str) {
    if let Some(marker) = comment.trim().strip_prefix('+') {
        markers.push(marker.trim().to_owned());
    }
}

fn import(imports: &mut BTreeMap<String, String>, line: &str) {
    let Some((alias, rest)) = line.split_once('"') else { return };
    let path = rest.trim_end_matches('"');
    let Some(path) = path.strip_prefix("k8s.io/") else { return };
    let last = path.rsplit('/').next().unwrap_or(path);
    let alias = alias.trim();
    imports.insert(if alias.is_empty() { last } else { alias }.to_owned(), path.to_owned());
}

fn constant(package: &mut Package, line: &str) {
    let line = line.trim().trim_start_matches("const ");
    let Some((left, right)) = line.split_once(" = ") else { return };
    let Some(value) = right.strip_prefix('"').and_then(|right| right.split('"').next()) else { return };
    let name = left.split_whitespace().next().unwrap_or_default();
    if name == "GroupName" {
        package.group = value.into();
    }
    package.constants.insert(name.into(), value.into());
}

fn kinds(package: &mut Package, line: &str) {
    for part in line.split('&').skip(1) {
        let kind = part.split('{').next().unwrap_or_default();
        if !kind.contains('.') {
            package.kinds.push(kind.into());
        }
    }
}
