//! `--runtime-config`: which versions of which groups are served.
//!
//! Source: apiserver `pkg/server/resourceconfig/helpers.go`.

use anyhow::Context as _;
use controllers_component_base::flags::boolean;

use super::{Resource, api_version};

/// Groups that may be switched off; the server itself lives on the objects of the others.
const OPTIONAL: &[&str] = &["autoscaling", "batch", "certificates.k8s.io", "events.k8s.io"];

/// The resources that are left once the versions that the flag switches off are gone.
///
/// # Errors
/// The flag is malformed, names what is unknown, or asks for what cannot be switched.
pub fn apply(mut resources: Vec<Resource>, settings: &[String]) -> anyhow::Result<Vec<Resource>> {
    let mut parsed = Vec::new();
    for setting in settings.iter().filter(|setting| !setting.is_empty()) {
        let (key, value) = setting.split_once('=').unwrap_or((setting, "true"));
        let on = if value.is_empty() {
            true
        } else {
            boolean(value).map_err(anyhow::Error::msg).context("--runtime-config")?
        };
        parsed.push((key, on));
    }
    for (key, on) in &parsed {
        match *key {
            "api/legacy" => {}
            "api/all" | "api/beta" | "api/alpha" if *on => {
                anyhow::bail!("--runtime-config: {key}=true: only the versions that are served by default can be, yet")
            }
            "api/all" | "api/ga" if !on => anyhow::bail!("--runtime-config: {key}=false: the server cannot do without"),
            "api/all" | "api/ga" | "api/beta" | "api/alpha" => {}
            key => {
                let group = key.split_once('/').map_or("", |(group, _)| group);
                let of_group = resources.iter().filter(|resource| resource.group == group);
                anyhow::ensure!(of_group.clone().next().is_some(), "--runtime-config: unknown api groups {group}");
                let is_served = of_group
                    .flat_map(|resource| resource.versions.iter().map(|version| resource.api_version(&version.name)))
                    .any(|own| own == key);
                anyhow::ensure!(is_served || !on, "--runtime-config: {key} is not served yet");
                anyhow::ensure!(
                    *on || !is_served || OPTIONAL.contains(&group),
                    "--runtime-config: {key}=false: the server cannot do without"
                );
            }
        }
    }
    let is_on = |group: &str, version: &str| {
        let name = api_version(group, version);
        let stage = match version {
            version if version.contains("alpha") => "api/alpha",
            version if version.contains("beta") => "api/beta",
            _ => "api/ga",
        };
        let set = |wanted: &str| parsed.iter().rev().find(|(key, _)| *key == wanted).map(|(_, on)| *on);
        set(&name).or_else(|| set(stage)).unwrap_or(true)
    };
    for resource in &mut resources {
        let group = resource.group.clone();
        resource.versions.retain(|version| is_on(&group, &version.name));
    }
    resources.retain(|resource| !resource.versions.is_empty());
    Ok(resources)
}

#[cfg(test)]
mod tests {
    use super::super::builtin;
    use super::*;

    fn left(settings: &[&str]) -> anyhow::Result<Vec<Resource>> {
        apply(builtin::resources(), &settings.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn versions_are_switched_off() {
        let all = left(&[]).unwrap().len();
        assert_eq!(left(&["", "apps/v1=true", "api/ga=true"]).unwrap().len(), all);
        let without = left(&["batch/v1=false"]).unwrap();
        assert!(without.len() < all && without.iter().all(|resource| resource.group != "batch"));
        let one = left(&["autoscaling/v1=false"]).unwrap();
        let scaler = one.iter().find(|resource| resource.plural == "horizontalpodautoscalers").unwrap();
        assert_eq!(scaler.versions.len(), 1);
        for wrong in ["nonsense/v1=true", "batch/v9=true", "v1=false", "api/all=true", "batch/v1=maybe"] {
            assert!(left(&[wrong]).is_err(), "{wrong}");
        }
    }
}
