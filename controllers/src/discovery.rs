//! What kinds of objects the API server has, for the controllers that handle all of them.

use kube::{Client, core::ApiResource};
use tracing::debug;

/// One kind of object, at the group's preferred version that has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceKind {
    pub api: ApiResource,
    pub namespaced: bool,
    pub verbs: Vec<String>,
}

impl ResourceKind {
    pub fn has(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// `<plural>.<group>`, with the dot also for the core group, as upstream's messages have it.
    pub fn name(&self) -> String {
        format!("{}.{}", self.api.plural, self.api.group)
    }
}

/// All kinds, and what could not be discovered (an aggregated API that is away), one line each.
///
/// # Errors
/// The API server does not answer at all.
pub async fn kinds(client: &Client) -> kube::Result<(Vec<ResourceKind>, Vec<String>)> {
    let core = client.list_core_api_versions_aggregated().await;
    let groups = client.list_api_groups_aggregated().await;
    if let (Ok(core), Ok(groups)) = (core, groups)
        && !core.items.is_empty()
    {
        let mut kinds = Vec::new();
        let mut failures = Vec::new();
        for group in core.items.into_iter().chain(groups.items) {
            let name = group.metadata.and_then(|meta| meta.name).unwrap_or_default();
            for version in group.versions {
                let of = version.version.unwrap_or_default();
                if version.freshness.as_deref() == Some("Stale") {
                    failures.push(format!("{name}/{of}: stale GroupVersion discovery: {name}/{of}"));
                }
                for resource in version.resources {
                    let kind = resource.response_kind.and_then(|kind| kind.kind).unwrap_or_default();
                    let namespaced = resource.scope.as_deref() == Some("Namespaced");
                    add(
                        &mut kinds,
                        &name,
                        &of,
                        &resource.resource.unwrap_or_default(),
                        &kind,
                        namespaced,
                        resource.verbs,
                    );
                }
            }
        }
        return Ok((kinds, failures));
    }
    debug!("no aggregated discovery, asking group by group");
    one_by_one(client).await
}

async fn one_by_one(client: &Client) -> kube::Result<(Vec<ResourceKind>, Vec<String>)> {
    let mut kinds = Vec::new();
    let mut failures = Vec::new();
    for resource in client.list_core_api_resources("v1").await?.resources {
        add(&mut kinds, "", "v1", &resource.name, &resource.kind, resource.namespaced, resource.verbs);
    }
    for group in client.list_api_groups().await?.groups {
        for version in group.versions {
            match client.list_api_group_resources(&version.group_version).await {
                Ok(list) => {
                    for resource in list.resources {
                        let of = &version.version;
                        add(
                            &mut kinds,
                            &group.name,
                            of,
                            &resource.name,
                            &resource.kind,
                            resource.namespaced,
                            resource.verbs,
                        );
                    }
                }
                Err(error) => failures.push(format!("{}: {error}", version.group_version)),
            }
        }
    }
    Ok((kinds, failures))
}

/// Adds a kind unless an earlier, so preferred, version of its group has it. Subresources are left out.
fn add(
    kinds: &mut Vec<ResourceKind>,
    group: &str,
    version: &str,
    plural: &str,
    kind: &str,
    namespaced: bool,
    verbs: Vec<String>,
) {
    let known = kinds.iter().any(|known| known.api.group == group && known.api.plural == plural);
    if known || plural.contains('/') {
        return;
    }
    let api_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
    let api = ApiResource {
        group: group.to_string(),
        version: version.to_string(),
        api_version,
        kind: kind.to_string(),
        plural: plural.to_string(),
    };
    kinds.push(ResourceKind { api, namespaced, verbs });
}

/// One resource in one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
}

/// All resources in all versions in which they are served.
///
/// # Errors
/// The API server does not answer.
pub async fn served(client: &Client) -> kube::Result<Vec<Served>> {
    let (core, groups) =
        (client.list_core_api_versions_aggregated().await?, client.list_api_groups_aggregated().await?);
    let mut all = Vec::new();
    for group in core.items.into_iter().chain(groups.items) {
        let name = group.metadata.and_then(|meta| meta.name).unwrap_or_default();
        for version in group.versions {
            let of = version.version.unwrap_or_default();
            all.extend(version.resources.into_iter().map(|resource| Served {
                group: name.clone(),
                version: of.clone(),
                plural: resource.resource.unwrap_or_default(),
                singular: resource.singular_resource.unwrap_or_default(),
                kind: resource.response_kind.and_then(|kind| kind.kind).unwrap_or_default(),
            }));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_version_wins_and_subresources_are_left_out() {
        let mut kinds = Vec::new();
        add(&mut kinds, "apps", "v1", "deployments", "Deployment", true, vec!["list".into()]);
        add(&mut kinds, "apps", "v1", "deployments/status", "Deployment", true, vec![]);
        add(&mut kinds, "apps", "v1beta1", "deployments", "Deployment", true, vec![]);
        add(&mut kinds, "", "v1", "nodes", "Node", false, vec![]);
        assert_eq!(kinds.iter().map(ResourceKind::name).collect::<Vec<_>>(), ["deployments.apps", "nodes."]);
        assert_eq!(kinds[0].api.api_version, "apps/v1");
        assert!(kinds[0].has("list"));
    }
}
