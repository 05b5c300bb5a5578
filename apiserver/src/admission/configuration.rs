//! `--admission-control-config-file`: what plugins are told besides their names.
//!
//! Source: apiserver `pkg/admission/config.go`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use apiserver_schema::yaml;
use serde_json::Value;

/// The configuration of each plugin that has one, by its name.
#[derive(Debug, Default)]
pub struct Configuration(HashMap<String, Value>);

impl Configuration {
    /// Reads an `AdmissionConfiguration` and the files that it names.
    pub fn read(path: Option<&PathBuf>) -> anyhow::Result<Configuration> {
        let Some(path) = path else { return Ok(Configuration::default()) };
        let file = tree(path)
            .with_context(|| format!("unable to read admission control configuration from {:?}", path.display()))?;
        let is_known = file["kind"] == "AdmissionConfiguration"
            && matches!(file["apiVersion"].as_str(), Some("apiserver.config.k8s.io/v1" | "apiserver.k8s.io/v1alpha1"));
        anyhow::ensure!(
            is_known,
            "{}: no kind {} is registered for version {}",
            path.display(),
            file["kind"],
            file["apiVersion"]
        );
        let mut plugins = HashMap::new();
        for plugin in file["plugins"].as_array().into_iter().flatten() {
            let name = plugin["name"].as_str().unwrap_or_default();
            let configuration = match plugin["path"].as_str().filter(|path| !path.is_empty()) {
                Some(own) => {
                    let own = path.parent().unwrap_or(Path::new(".")).join(own);
                    tree(&own).with_context(|| format!("plugin {name}: cannot read {}", own.display()))?
                }
                None => plugin["configuration"].clone(),
            };
            anyhow::ensure!(
                plugins.insert(name.to_owned(), configuration).is_none(),
                "{}: plugin {name} is configured twice",
                path.display()
            );
        }
        Ok(Configuration(plugins))
    }

    /// What a plugin is told; null where it is told nothing.
    pub fn of(&self, plugin: &str) -> &Value {
        self.0.get(plugin).unwrap_or(&Value::Null)
    }
}

fn tree(path: &Path) -> anyhow::Result<Value> {
    let json = yaml::to_json(&std::fs::read(path)?).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(serde_json::from_slice(&json)?)
}
