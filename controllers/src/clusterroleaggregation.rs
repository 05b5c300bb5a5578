//! Fills the ClusterRoles that are made of others, such as `admin`, `edit` and `view`.

use std::sync::Arc;

use anyhow::Result;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::{Api, Client, ResourceExt, api::PostParams};

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    owner::Matcher,
    queue::{self, Queue},
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "clusterrole-aggregation-controller",
    alias: "clusterrole-aggregation",
    service_account: "clusterrole-aggregation-controller",
    event_source: "clusterrole-aggregation-controller",
    run: |context| Box::pin(run(context)),
};

struct Worker {
    client: Client,
    roles: Informer<ClusterRole>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker { client: context.client, roles: context.informers.cluster_roles() });
    let queue: Queue<Key> = Queue::default();
    worker.roles.synced().await;
    let (roles, own) = (worker.roles.clone(), queue.clone());
    worker.roles.subscribe(move |change| {
        let same = matches!(change, Change::Updated(old, new) if old.rules == new.rules
            && old.metadata.labels == new.metadata.labels && old.aggregation_rule == new.aggregation_rule);
        if !same {
            // Any role can be part of any aggregated one.
            let aggregated = roles.all().into_iter().filter(|role| role.aggregation_rule.is_some());
            aggregated.for_each(|role| own.add(Key::of(role.as_ref())));
        }
    });
    queue::work(CONTROLLER.name, queue, 5, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(role) = self.roles.get(key) else { return Ok(()) };
        let Some(rules) = rules(&role, &self.roles.all()) else { return Ok(()) };
        let mut updated = role.as_ref().clone();
        updated.rules = Some(rules);
        let api: Api<ClusterRole> = Api::all(self.client.clone());
        match api.replace(&key.name, &PostParams::default(), &updated).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

/// The rules of all roles that the aggregation selects, each once; `None` where the role has them already.
fn rules(role: &ClusterRole, all: &[Arc<ClusterRole>]) -> Option<Vec<PolicyRule>> {
    let aggregation = role.aggregation_rule.as_ref()?;
    let selectors: Vec<Matcher> = aggregation.cluster_role_selectors.iter().flatten().map(Matcher::new).collect();
    let mut parts: Vec<&Arc<ClusterRole>> = all
        .iter()
        .filter(|part| part.metadata.name != role.metadata.name)
        .filter(|part| selectors.iter().any(|selector| selector.matches(&part.metadata)))
        .collect();
    parts.sort_by_key(|part| part.name_any());
    let mut rules: Vec<PolicyRule> = Vec::new();
    for rule in parts.into_iter().flat_map(|part| part.rules.iter().flatten()) {
        if !rules.contains(rule) {
            rules.push(rule.clone());
        }
    }
    (rules != role.rules.clone().unwrap_or_default()).then_some(rules)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{api::rbac::v1::AggregationRule, apimachinery::pkg::apis::meta::v1::LabelSelector};

    use super::*;

    fn role(name: &str, labels: &[(&str, &str)], resources: &[&str]) -> Arc<ClusterRole> {
        let rule =
            |resource: &&str| PolicyRule { resources: Some(vec![(*resource).to_string()]), ..PolicyRule::default() };
        let mut role = ClusterRole { rules: Some(resources.iter().map(rule).collect()), ..ClusterRole::default() };
        role.metadata.name = Some(name.into());
        role.metadata.labels = Some(labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect());
        Arc::new(role)
    }

    #[test]
    fn rules_of_all_selected_roles_once() {
        let mut admin = role("admin", &[("a", "1")], &[]).as_ref().clone();
        let selector = LabelSelector {
            match_labels: Some([("a".to_string(), "1".to_string())].into()),
            ..LabelSelector::default()
        };
        admin.aggregation_rule = Some(AggregationRule { cluster_role_selectors: Some(vec![selector]) });
        let all = [
            role("z", &[("a", "1")], &["pods"]),
            role("b", &[("a", "1")], &["pods", "nodes"]),
            role("c", &[], &["secrets"]),
        ];
        let rules = rules(&admin, &all).unwrap();
        let resources: Vec<_> = rules.iter().flat_map(|rule| rule.resources.clone().unwrap_or_default()).collect();
        assert_eq!(resources, ["pods", "nodes"]);
        admin.rules = Some(rules);
        assert_eq!(super::rules(&admin, &all), None);
    }
}
