//! `KubeSchedulerConfiguration` (kubescheduler.config.k8s.io/v1): what of it this scheduler does, and a clear error
//! for the rest.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use controllers_component_base::flags;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    plugins::{Args, node_resources_fit::Strategy},
    profile::{Changes, Profile},
    queue::Delays,
};

/// A configuration file, parsed. Fields that are not here are unknown or not supported.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Configuration {
    api_version: String,
    kind: String,
    client_connection: ClientConnection,
    leader_election: LeaderElection,
    percentage_of_nodes_to_score: Option<u8>,
    pod_initial_backoff_seconds: Option<u64>,
    pod_max_backoff_seconds: Option<u64>,
    profiles: Vec<ProfileConfiguration>,
    /// Accepted for upstream's files: one thread schedules here, whatever it says.
    #[serde(rename = "parallelism")]
    _parallelism: Option<i32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ClientConnection {
    kubeconfig: String,
    #[serde(rename = "acceptContentTypes")]
    _accept_content_types: Option<String>,
    #[serde(rename = "contentType")]
    _content_type: Option<String>,
    #[serde(rename = "qps")]
    _qps: Option<f64>,
    #[serde(rename = "burst")]
    _burst: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct LeaderElection {
    leader_elect: Option<bool>,
    lease_duration: Option<String>,
    renew_deadline: Option<String>,
    retry_period: Option<String>,
    resource_lock: Option<String>,
    resource_name: Option<String>,
    resource_namespace: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ProfileConfiguration {
    scheduler_name: Option<String>,
    percentage_of_nodes_to_score: Option<u8>,
    plugins: Plugins,
    plugin_config: Vec<PluginConfiguration>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Plugins {
    multi_point: PluginSet,
    pre_enqueue: PluginSet,
    queue_sort: PluginSet,
    pre_filter: PluginSet,
    filter: PluginSet,
    post_filter: PluginSet,
    pre_score: PluginSet,
    score: PluginSet,
    reserve: PluginSet,
    permit: PluginSet,
    pre_bind: PluginSet,
    bind: PluginSet,
    post_bind: PluginSet,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PluginSet {
    enabled: Vec<PluginReference>,
    disabled: Vec<PluginReference>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PluginReference {
    name: String,
    weight: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginConfiguration {
    name: String,
    args: Value,
}

impl Configuration {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// One line that names the file and the field.
    pub fn read(path: &Path) -> Result<Self> {
        let named = || format!("cannot use configuration {}", path.display());
        let text = std::fs::read_to_string(path).with_context(named)?;
        Configuration::parse(&text).with_context(named)
    }

    fn parse(text: &str) -> Result<Self> {
        let parsed: Configuration = serde_saphyr::from_str(text)?;
        if parsed.api_version != "kubescheduler.config.k8s.io/v1" || parsed.kind != "KubeSchedulerConfiguration" {
            bail!(
                "no kind {:?} is registered for version {:?}: expected KubeSchedulerConfiguration of \
                 kubescheduler.config.k8s.io/v1",
                parsed.kind,
                parsed.api_version
            );
        }
        Ok(parsed)
    }

    pub fn kubeconfig(&self) -> Option<&Path> {
        Some(Path::new(&self.client_connection.kubeconfig)).filter(|path| !path.as_os_str().is_empty())
    }

    /// Puts the file's leader election over that of the flags.
    ///
    /// # Errors
    /// A value that is no duration, or a lock other than a lease.
    pub fn apply_leader_election(&self, election: &mut flags::LeaderElection) -> Result<()> {
        let file = &self.leader_election;
        if let Some(enabled) = file.leader_elect {
            election.enabled = enabled;
        }
        let durations = [
            (&file.lease_duration, &mut election.lease_duration, "leaseDuration"),
            (&file.renew_deadline, &mut election.renew_deadline, "renewDeadline"),
            (&file.retry_period, &mut election.retry_period, "retryPeriod"),
        ];
        for (text, duration, name) in durations {
            if let Some(text) = text {
                *duration = flags::duration(text).map_err(|error| anyhow::anyhow!("leaderElection.{name}: {error}"))?;
            }
        }
        if let Some(lock) = file.resource_lock.as_deref().filter(|lock| *lock != "leases") {
            bail!("leaderElection.resourceLock: unsupported value {lock:?}: supported values: \"leases\"");
        }
        if let Some(name) = &file.resource_name {
            election.resource_name = Some(name.clone());
        }
        if let Some(namespace) = &file.resource_namespace {
            election.resource_namespace = namespace.clone();
        }
        Ok(())
    }

    /// How long pods wait.
    pub fn delays(&self) -> Delays {
        let default = Delays::default();
        Delays {
            initial_backoff: self.pod_initial_backoff_seconds.map_or(default.initial_backoff, Duration::from_secs),
            max_backoff: self.pod_max_backoff_seconds.map_or(default.max_backoff, Duration::from_secs),
            ..default
        }
    }

    /// The profiles; the default one where the file has none.
    ///
    /// # Errors
    /// A profile that cannot be made.
    pub fn profiles(&self) -> Result<Vec<Profile>> {
        let default = [ProfileConfiguration::default()];
        let configured = if self.profiles.is_empty() { &default[..] } else { &self.profiles[..] };
        let mut profiles: Vec<Profile> = Vec::new();
        for (position, configured) in configured.iter().enumerate() {
            let profile = configured.profile(self.percentage_of_nodes_to_score.unwrap_or(0));
            let profile = profile.with_context(|| format!("profiles[{position}]"))?;
            if profiles.iter().any(|known| known.name == profile.name) {
                bail!("profiles[{position}].schedulerName: duplicate value {:?}", profile.name);
            }
            profiles.push(profile);
        }
        Ok(profiles)
    }
}

impl ProfileConfiguration {
    fn profile(&self, percentage: u8) -> Result<Profile> {
        let single = [
            ("preEnqueue", &self.plugins.pre_enqueue),
            ("queueSort", &self.plugins.queue_sort),
            ("preFilter", &self.plugins.pre_filter),
            ("filter", &self.plugins.filter),
            ("postFilter", &self.plugins.post_filter),
            ("preScore", &self.plugins.pre_score),
            ("reserve", &self.plugins.reserve),
            ("permit", &self.plugins.permit),
            ("preBind", &self.plugins.pre_bind),
            ("bind", &self.plugins.bind),
            ("postBind", &self.plugins.post_bind),
        ];
        if let Some((point, _)) = single.iter().find(|(_, set)| !set.enabled.is_empty() || !set.disabled.is_empty()) {
            bail!(
                "plugins.{point}: single extension points other than score are not supported, use plugins.multiPoint"
            );
        }
        let mut changes = Changes::default();
        for plugin in &self.plugins.multi_point.disabled {
            changes.disabled.push(plugin.name.clone());
        }
        // A score point can switch scoring off and change weights.
        for plugin in &self.plugins.score.disabled {
            changes.unscored.push(plugin.name.clone());
        }
        for plugin in self.plugins.multi_point.enabled.iter().chain(&self.plugins.score.enabled) {
            changes.enabled.push((plugin.name.clone(), plugin.weight));
        }
        let name = self.scheduler_name.as_deref().unwrap_or("default-scheduler");
        let mut profile = Profile::new(name, &changes).map_err(anyhow::Error::msg)?;
        profile.percentage_of_nodes_to_score = self.percentage_of_nodes_to_score.unwrap_or(percentage);
        if profile.percentage_of_nodes_to_score > 100 {
            bail!("percentageOfNodesToScore: must be in the range [0,100]");
        }
        for plugin in &self.plugin_config {
            set_args(&mut profile.args, plugin).with_context(|| format!("pluginConfig of {}", plugin.name))?;
        }
        Ok(profile)
    }
}

/// Reads the arguments of one plugin.
fn set_args(args: &mut Args, plugin: &PluginConfiguration) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Resource {
        name: Box<str>,
        weight: Option<i64>,
    }
    let fields = plugin.args.as_object().context("args must be an object")?;
    for (field, value) in fields.iter().filter(|(field, _)| !matches!(field.as_str(), "apiVersion" | "kind")) {
        let number = || value.as_i64().filter(|number| *number >= 0).with_context(|| format!("{field}: not a count"));
        match (plugin.name.as_str(), field.as_str()) {
            ("DefaultPreemption", "minCandidateNodesPercentage") => {
                args.default_preemption.min_candidate_nodes_percentage = number()?.min(100) as usize;
            }
            ("DefaultPreemption", "minCandidateNodesAbsolute") => {
                args.default_preemption.min_candidate_nodes_absolute = number()? as usize;
            }
            ("InterPodAffinity", "hardPodAffinityWeight") => {
                args.inter_pod_affinity.hard_pod_affinity_weight = number()?.min(100);
            }
            ("InterPodAffinity", "ignorePreferredTermsOfExistingPods") => {
                args.inter_pod_affinity.ignore_preferred_terms_of_existing_pods =
                    value.as_bool().with_context(|| format!("{field}: not a boolean"))?;
            }
            ("NodeResourcesBalancedAllocation", "resources") => {
                let resources: Vec<Resource> = serde_json::from_value(value.clone())?;
                args.node_resources_balanced_allocation.resources =
                    resources.into_iter().map(|resource| resource.name).collect();
            }
            ("NodeResourcesFit", "scoringStrategy") => {
                let fit = &mut args.node_resources_fit;
                fit.strategy = match value["type"].as_str().unwrap_or("LeastAllocated") {
                    "LeastAllocated" => Strategy::LeastAllocated,
                    "MostAllocated" => Strategy::MostAllocated,
                    other => bail!("scoringStrategy.type: {other:?} is not supported"),
                };
                if let Some(resources) = value.get("resources") {
                    let resources: Vec<Resource> = serde_json::from_value(resources.clone())?;
                    let weighted = resources.into_iter();
                    fit.resources = weighted.map(|resource| (resource.name, resource.weight.unwrap_or(1))).collect();
                }
            }
            _ => bail!("{field} is not supported"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(rest: &str) -> Result<Vec<Profile>> {
        let head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";
        Configuration::parse(&format!("{head}{rest}"))?.profiles()
    }

    #[test]
    fn files() {
        let made = profiles(
            "percentageOfNodesToScore: 30
podMaxBackoffSeconds: 60
leaderElection: {leaderElect: false, leaseDuration: 30s}
profiles:
- schedulerName: packer
  plugins:
    multiPoint:
      disabled: [{name: ImageLocality}]
    score:
      enabled: [{name: NodeResourcesFit, weight: 9}]
      disabled: [{name: NodeResourcesBalancedAllocation}]
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 3}]}}
- schedulerName: other
  percentageOfNodesToScore: 70
",
        );
        let made = made.unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!((&*made[0].name, made[0].percentage_of_nodes_to_score), ("packer", 30));
        assert_eq!(made[0].args.node_resources_fit.strategy, Strategy::MostAllocated);
        assert_eq!(made[0].scores.len() + 2, made[1].scores.len());
        assert_eq!(made[1].percentage_of_nodes_to_score, 70);
        assert_eq!(profiles("").unwrap_or_default().len(), 1);
    }

    #[test]
    fn clear_errors() {
        for (text, wanted) in [
            ("extenders: []", "extenders"),
            ("profiles: [{schedulerName: a}, {schedulerName: a}]", "duplicate value \"a\""),
            ("profiles: [{plugins: {filter: {disabled: [{name: '*'}]}}}]", "plugins.filter"),
            ("profiles: [{plugins: {multiPoint: {enabled: [{name: Foo}]}}}]", "plugin \"Foo\" does not exist"),
            ("profiles: [{pluginConfig: [{name: NodeAffinity, args: {addedAffinity: {}}}]}]", "addedAffinity"),
        ] {
            let error = profiles(text).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        assert!(Configuration::parse("apiVersion: v1\nkind: Pod").is_err());
    }
}
