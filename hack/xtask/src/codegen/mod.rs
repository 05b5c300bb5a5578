//! `codegen`: makes `apiserver/schema/src/tables` from the Go types of a Kubernetes source tree.

mod go;
mod render;
mod resolve;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

#[derive(clap::Args)]
pub struct Arguments {
    /// A Kubernetes source tree (the directory that holds `staging`).
    #[arg(long)]
    kubernetes: PathBuf,
    /// Where the tables go.
    #[arg(long, default_value = "apiserver/schema/src/tables")]
    out: PathBuf,
}

/// Packages beside those of `k8s.io/api`.
const FURTHER_PACKAGES: [&str; 3] =
    [resolve::META, "apiextensions-apiserver/pkg/apis/apiextensions/v1", "kube-aggregator/pkg/apis/apiregistration/v1"];

/// Kinds of `meta/v1`, which belong to every group and version.
const META_KINDS: [&str; 16] = [
    "APIGroup",
    "APIGroupList",
    "APIResourceList",
    "APIVersions",
    "CreateOptions",
    "DeleteOptions",
    "GetOptions",
    "ListOptions",
    "PartialObjectMetadata",
    "PartialObjectMetadataList",
    "PatchOptions",
    "Status",
    "Table",
    "TableOptions",
    "UpdateOptions",
    "WatchEvent",
];

pub fn run(arguments: &Arguments) -> Result<()> {
    let staging = arguments.kubernetes.join("staging/src/k8s.io");
    let mut packages = BTreeMap::new();
    for path in package_paths(&staging)? {
        packages.insert(path.clone(), go::read_package(&staging, &path)?);
    }
    if let Some(meta) = packages.get_mut(resolve::META) {
        meta.kinds = META_KINDS.map(String::from).to_vec();
    }

    let mut universe = resolve::Universe::new(packages);
    let roots: Vec<(String, String)> = universe
        .packages
        .values()
        .flat_map(|package| package.kinds.iter().map(|kind| (package.path.clone(), kind.clone())))
        .collect();
    // metav1's LabelSelector and friends are reached from the roots; these stand alone.
    for (path, kind) in &roots {
        universe.require(path, kind).with_context(|| format!("{path}.{kind}"))?;
    }

    let modules: BTreeSet<String> = universe.types.keys().map(|(path, _)| render::module(path)).collect();
    fs::create_dir_all(&arguments.out)?;
    for entry in fs::read_dir(&arguments.out)? {
        fs::remove_file(entry?.path())?;
    }
    for module in &modules {
        let text = render::types(&universe, module);
        write(&arguments.out.join(format!("{module}.rs")), &text)?;
    }
    write(&arguments.out.join("mod.rs"), &render::index(&universe, &modules, &roots))?;
    println!("{} types in {} files, {} kinds", universe.types.len(), modules.len(), roots.len());
    Ok(())
}

fn package_paths(staging: &Path) -> Result<Vec<String>> {
    let mut paths: Vec<String> = FURTHER_PACKAGES.map(String::from).to_vec();
    for group in directories(&staging.join("api"))? {
        for version in directories(&staging.join("api").join(&group))? {
            let path = format!("api/{group}/{version}");
            if staging.join(&path).join("register.go").exists() {
                paths.push(path);
            }
        }
    }
    if paths.len() < 20 {
        bail!("{} does not look like Kubernetes' staging directory", staging.display());
    }
    Ok(paths)
}

fn directories(path: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
