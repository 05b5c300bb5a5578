//! `tidy`: what a reviewer should not have to look for.
//!
//! Checks every source file: its first line says what it is for, it is not too long, its name says something,
//! and it holds nothing that must not be published. Checks every crate: it depends only on the rooms it may.
//! An exception stands in a list here, with its reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Lines after which a file is too long. Tests and tables may be longer.
const HARD_LIMIT: usize = 1000;

/// Files that may be longer than the limit, with the reason.
const LONG: &[(&str, &str)] = &[
    ("apiserver/schema/src/tables/", "tables made by codegen"),
    ("apiserver/src/bootstrap/roles.rs", "a table: the roles every cluster begins with"),
];

/// Names that say nothing about what is inside.
const BANNED_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager2"];

/// Words that have no place in the project. Split, so that this list does not find itself.
const BANNED_WORDS: &[(&str, &str)] = &[
    (concat!("/work", "/"), "a path of one machine"),
    (concat!("bash", "_jobs"), "a path of one machine"),
    (concat!("crates", ".io/api"), "a registry's host"),
    (concat!("TO", "DO("), "work that is not done"),
    (concat!("FIX", "ME"), "work that is not done"),
    (concat!("todo", "!("), "work that is not done"),
    (concat!("unimplemented", "!("), "work that is not done"),
    (concat!("dbg", "!("), "debugging"),
];

/// What each crate of the project may depend on among the project's crates. A dependency that is not here is
/// a new edge in the architecture: add it with care.
const EDGES: &[(&str, &[&str])] = &[
    (
        "apiserver",
        &[
            "apiserver-apply",
            "apiserver-audit",
            "apiserver-cel",
            "apiserver-encryption",
            "apiserver-fairness",
            "apiserver-openapi",
            "apiserver-quota",
            "apiserver-schema",
            "apiserver-storage",
            "apiserver-streaming",
            "apiserver-watch-cache",
            "controllers-component-base",
        ],
    ),
    ("apiserver-apply", &["apiserver-schema"]),
    ("apiserver-audit", &[]),
    ("apiserver-cel", &["apiserver-schema"]),
    // Durations in its file are read as they are in objects.
    ("apiserver-encryption", &["apiserver-schema"]),
    ("apiserver-fairness", &[]),
    ("apiserver-openapi", &["apiserver-schema"]),
    ("apiserver-quota", &["apiserver-schema"]),
    ("apiserver-schema", &[]),
    ("apiserver-storage", &[]),
    ("apiserver-streaming", &[]),
    ("apiserver-watch-cache", &["apiserver-storage"]),
    // Black-box tests: they know the cluster by its API alone.
    ("conformance", &[]),
    ("conformance-images", &[]),
    // The quota controller recounts with the arithmetic by which admission charges; the expressions of policies are
    // checked in the environment in which admission evaluates them.
    ("controllers", &["apiserver-cel", "apiserver-quota", "controllers-component-base"]),
    ("controllers-component-base", &[]),
    ("hack-xtask", &["apiserver-schema"]),
    (
        "kybern",
        &[
            "apiserver",
            "controllers",
            "controllers-component-base",
            "node-agent",
            "node-agent-dns",
            "node-agent-proxy",
            "scheduler",
        ],
    ),
    ("node-agent", &["apiserver-streaming", "controllers-component-base"]),
    ("node-agent-dns", &["controllers-component-base"]),
    ("node-agent-proxy", &["controllers-component-base"]),
    ("scheduler", &["controllers-component-base"]),
];

/// Checks the tree that holds this crate.
///
/// # Errors
/// Names every finding, one a line.
pub fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no root")?;
    let files = tracked(root)?;
    let mut findings = Vec::new();
    for file in &files {
        // A name that git cannot print plainly is no name for a file here.
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        check_file(file, &text, &mut findings);
    }
    check_edges(root, &files, &mut findings)?;
    check_readmes(&files, &mut findings);
    if findings.is_empty() {
        println!("tidy: {} files", files.len());
        return Ok(());
    }
    bail!("{} findings:\n{}", findings.len(), findings.join("\n"))
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output().context("cannot run git")?;
    if !output.status.success() {
        bail!("git ls-files failed");
    }
    let names = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    let there = |name: &&str| !name.is_empty() && root.join(name).is_file();
    Ok(names.split('\0').filter(there).map(PathBuf::from).collect())
}

fn check_file(file: &Path, text: &str, findings: &mut Vec<String>) {
    let shown = file.display();
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if BANNED_NAMES.contains(&stem) {
        findings.push(format!("{shown}: the name {stem:?} says nothing"));
    }
    if is_rust {
        if !text.starts_with("//!") {
            findings.push(format!("{shown}: the first line does not say what the file is for (//!)"));
        }
        let lines = text.lines().count();
        let may_be_long = LONG.iter().any(|(path, _)| file.starts_with(path)) || is_test(file);
        if lines > HARD_LIMIT && !may_be_long {
            findings.push(format!("{shown}: {lines} lines, more than {HARD_LIMIT}"));
        }
    }
    let is_lock = file.extension().is_some_and(|extension| extension == "lock");
    for (word, why) in BANNED_WORDS.iter().filter(|_| !is_lock) {
        for (number, line) in text.lines().enumerate() {
            if line.contains(word) {
                findings.push(format!("{shown}:{}: {why} ({word})", number + 1));
            }
        }
    }
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests")
        || file.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.ends_with("tests"))
}

fn check_edges(root: &Path, files: &[PathBuf], findings: &mut Vec<String>) -> Result<()> {
    let edges: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    for manifest in files.iter().filter(|file| file.ends_with("Cargo.toml")) {
        let text = std::fs::read_to_string(root.join(manifest))?;
        let Some(name) = package(&text) else { continue };
        let Some(allowed) = edges.get(name) else {
            findings.push(format!("{}: the crate {name} is not in the list of edges", manifest.display()));
            continue;
        };
        for dependency in dependencies(&text).filter(|dependency| edges.contains_key(dependency)) {
            if dependency != name && !allowed.contains(&dependency) {
                findings.push(format!("{}: {name} may not depend on {dependency}", manifest.display()));
            }
        }
    }
    Ok(())
}

fn package(manifest: &str) -> Option<&str> {
    let section = manifest.split("[package]").nth(1)?;
    let line = section.lines().find(|line| line.starts_with("name"))?;
    line.split('"').nth(1)
}

/// The names below `[dependencies]`; what tests use is theirs.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
}

fn check_readmes(files: &[PathBuf], findings: &mut Vec<String>) {
    for manifest in files.iter().filter(|file| file.ends_with("Cargo.toml")) {
        let readme = manifest.with_file_name("README.md");
        if !files.contains(&readme) {
            findings.push(format!("{}: the room has no README", manifest.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, text: &str) -> usize {
        let mut findings = Vec::new();
        check_file(Path::new(name), text, &mut findings);
        findings.len()
    }

    #[test]
    fn files_are_judged() {
        assert_eq!(findings("a/pods.rs", "//! Pods.\n"), 0);
        assert_eq!(findings("a/pods.rs", "use x;\n"), 1);
        assert_eq!(findings("a/util.rs", "//! Things.\n"), 1);
        let long = format!("//! Long.\n{}", "//\n".repeat(HARD_LIMIT));
        assert_eq!(findings("a/pods.rs", &long), 1);
        assert_eq!(findings("a/tests/pods.rs", &long), 0);
        assert_eq!(findings("a/pods.rs", concat!("//! Pods.\ntodo", "!()\n")), 1);
    }

    #[test]
    fn manifests_are_read() {
        let manifest = "[package]\nname = \"a\"\n\n[dependencies]\nb.workspace = true\nc = \"1\"\n\n[dev-dependencies]\nd = \"1\"\n";
        assert_eq!(package(manifest), Some("a"));
        assert_eq!(dependencies(manifest).collect::<Vec<_>>(), ["b", "c"]);
    }
}
