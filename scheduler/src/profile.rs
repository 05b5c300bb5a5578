//! A profile: which plugins run at each extension point, in which order, with which weights and arguments.

use crate::{
    framework::{Bind, Filter, PluginSet, PostFilter, PreEnqueue, PreFilter, PreScore, Reserve, Score},
    plugins::{self, Plugin},
};

/// One way of scheduling; pods choose it by `schedulerName`.
pub struct Profile {
    pub name: Box<str>,
    pub args: plugins::Args,
    /// 0: adapts to the size of the cluster.
    pub percentage_of_nodes_to_score: u8,
    pub pre_enqueue: Vec<&'static dyn PreEnqueue>,
    pub pre_filters: Vec<(PluginSet, &'static str, &'static dyn PreFilter)>,
    pub filters: Vec<(PluginSet, &'static dyn Filter)>,
    pub post_filters: Vec<&'static dyn PostFilter>,
    pub scores: Vec<Scorer>,
    pub reserve: Vec<&'static dyn Reserve>,
    pub bind: &'static dyn Bind,
}

/// A plugin that scores.
#[derive(Clone, Copy)]
pub struct Scorer {
    pub weight: i64,
    pub pre_score: Option<&'static dyn PreScore>,
    pub score: &'static dyn Score,
}

/// What a configuration may change of the default plugins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Names, or `*` for all.
    pub disabled: Vec<String>,
    /// Names of plugins that shall not score, or `*` for all.
    pub unscored: Vec<String>,
    /// Names and weights (0 for the plugin's own), after those that stay enabled.
    pub enabled: Vec<(String, i64)>,
}

impl Profile {
    /// The default profile under a name.
    pub fn default_named(name: &str) -> Self {
        Profile::new(name, &Changes::default()).expect("the default plugins queue and bind")
    }

    /// A profile with changes.
    ///
    /// # Errors
    /// A plugin that does not exist, or nothing left that binds.
    pub fn new(name: &str, changes: &Changes) -> Result<Self, String> {
        let known = |name: &str| find(name).is_some() || plugins::MISSING.contains(&name);
        for name in changes.disabled.iter().filter(|name| *name != "*") {
            if !known(name) {
                return Err(format!("plugin {name:?} does not exist"));
            }
        }
        let disabled = |name: &str| changes.disabled.iter().any(|disabled| disabled == name || disabled == "*");
        let default = plugins::DEFAULT_ORDER.iter().filter(|name| !disabled(name)).filter_map(|name| find(name));
        let mut chosen: Vec<_> = default.map(|(index, plugin)| (index, plugin, plugin.weight)).collect();
        for (name, weight) in &changes.enabled {
            let Some((index, plugin)) = find(name) else {
                return Err(match plugins::MISSING.contains(&name.as_str()) {
                    true => format!("plugin {name:?} is not supported"),
                    false => format!("plugin {name:?} does not exist"),
                });
            };
            let weight = if *weight == 0 { plugin.weight } else { *weight };
            match chosen.iter_mut().find(|(known, _, _)| *known == index) {
                Some(already) => already.2 = weight,
                None => chosen.push((index, plugin, weight)),
            }
        }
        let Some(bind) = chosen.iter().find_map(|(_, plugin, _)| plugin.bind) else {
            return Err(format!("profile {name:?} has no bind plugin"));
        };
        if !chosen.iter().any(|(_, plugin, _)| plugin.queue_sort.is_some()) {
            return Err(format!("profile {name:?} has no queue sort plugin"));
        }
        let scores_not = |name: &str| changes.unscored.iter().any(|unscored| unscored == name || unscored == "*");
        for (_, plugin, weight) in &mut chosen {
            let enabled = changes.enabled.iter().any(|(name, weight)| name == plugin.name && *weight > 0);
            if scores_not(plugin.name) && !enabled {
                *weight = 0;
            }
        }
        let all = || chosen.iter().copied();
        let scorer = |(_, plugin, weight): (usize, &'static Plugin, i64)| {
            Some(Scorer { weight, pre_score: plugin.pre_score, score: plugin.score? })
        };
        Ok(Profile {
            name: name.into(),
            args: plugins::Args::default(),
            percentage_of_nodes_to_score: 0,
            pre_enqueue: all().filter_map(|(_, plugin, _)| plugin.pre_enqueue).collect(),
            pre_filters: all().filter_map(|(at, p, _)| Some((PluginSet::of(at), p.name, p.pre_filter?))).collect(),
            filters: all().filter_map(|(index, plugin, _)| Some((PluginSet::of(index), plugin.filter?))).collect(),
            post_filters: all().filter_map(|(_, plugin, _)| plugin.post_filter).collect(),
            scores: all().filter_map(scorer).filter(|scorer| scorer.weight > 0).collect(),
            reserve: all().filter_map(|(_, plugin, _)| plugin.reserve).collect(),
            bind,
        })
    }
}

fn find(name: &str) -> Option<(usize, &'static Plugin)> {
    plugins::TABLE.iter().enumerate().find(|(_, plugin)| plugin.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes() {
        let change = |disabled: &[&str], enabled: &[(&str, i64)]| {
            let disabled = disabled.iter().map(|name| name.to_string()).collect();
            let enabled = enabled.iter().map(|(name, weight)| (name.to_string(), *weight)).collect();
            Profile::new("p", &Changes { disabled, enabled, ..Changes::default() })
        };
        let all = Profile::default_named("p").filters.len();
        assert_eq!(change(&["NodePorts"], &[]).unwrap_or_else(|e| panic!("{e}")).filters.len(), all - 1);
        assert!(change(&["NodeVolumeLimits"], &[]).is_ok());
        assert!(change(&["*"], &[]).err().unwrap().contains("no bind plugin"));
        assert!(change(&[], &[("Nonsense", 0)]).err().unwrap().contains("does not exist"));
        assert!(change(&[], &[("VolumeZone", 0)]).err().unwrap().contains("not supported"));
        let weighted = change(&["ImageLocality"], &[("ImageLocality", 7)]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(weighted.scores.last().unwrap().weight, 7);
    }
}
