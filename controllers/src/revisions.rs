//! ControllerRevisions: the templates a DaemonSet or StatefulSet has had, in upstream's form, for `kubectl rollout`.

use std::{collections::HashSet, sync::Arc};

use anyhow::{Result, bail};
use k8s_openapi::{
    api::{apps::v1::ControllerRevision, core::v1::PodTemplateSpec},
    apimachinery::pkg::{
        apis::meta::v1::{ObjectMeta, OwnerReference},
        runtime::RawExtension,
    },
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use crate::{owner::controlled_by, template_hash};

/// Of a revision and of the pods of it.
pub const LABEL: &str = "controller-revision-hash";
/// Different templates of one hash are told apart by so many tries.
const TRIES: i32 = 10;

/// Whose revisions.
pub struct Owner<'a> {
    pub client: &'a Client,
    pub meta: &'a ObjectMeta,
    pub reference: OwnerReference,
    pub template: &'a PodTemplateSpec,
    /// `status.collisionCount`.
    pub collisions: i32,
}

/// The revisions of an owner.
pub struct Revisions {
    /// Of the owner's template.
    pub newest: Arc<ControllerRevision>,
    /// The others, oldest first.
    pub old: Vec<Arc<ControllerRevision>>,
    /// For `status.collisionCount`.
    pub collisions: i32,
}

impl Owner<'_> {
    /// Finds or makes the revision of the template among `existing`, the owner's own, and gives it the highest number.
    ///
    /// # Errors
    /// A failed write.
    pub async fn sync(&self, mut existing: Vec<Arc<ControllerRevision>>) -> Result<Revisions> {
        existing.sort_by_key(|revision| (revision.revision, revision.creation_timestamp().map(|time| time.0)));
        let mut collisions = self.collisions;
        let next = existing.last().map_or(0, |last| last.revision) + 1;
        let position = existing.iter().rposition(|revision| template(revision).as_ref() == Some(self.template));
        let newest = match position {
            Some(position) => {
                let found = existing.remove(position);
                if position == existing.len() {
                    found
                } else {
                    let mut raised = found.as_ref().clone();
                    raised.revision = next;
                    Arc::new(self.api().replace(&raised.name_any(), &PostParams::default(), &raised).await?)
                }
            }
            None => Arc::new(self.create(next, &mut collisions).await?),
        };
        Ok(Revisions { newest, old: existing, collisions })
    }

    async fn create(&self, number: i64, collisions: &mut i32) -> Result<ControllerRevision> {
        let name = self.meta.name.clone().unwrap_or_default();
        for _ in 0..TRIES {
            let hash = template_hash::template_hash(self.template, Some(*collisions));
            let mut labels = self.template.metadata.as_ref().and_then(|meta| meta.labels.clone()).unwrap_or_default();
            labels.insert(LABEL.to_string(), hash.clone());
            let revision = ControllerRevision {
                metadata: ObjectMeta {
                    name: Some(template_hash::set_name(name.get(..223).unwrap_or(&name), &hash)),
                    namespace: self.meta.namespace.clone(),
                    labels: Some(labels),
                    annotations: self.meta.annotations.clone(),
                    owner_references: Some(vec![self.reference.clone()]),
                    ..ObjectMeta::default()
                },
                data: Some(RawExtension(data(self.template)?)),
                revision: number,
            };
            match self.api().create(&PostParams::default(), &revision).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    let taken = self.api().get_opt(&revision.name_any()).await?;
                    match taken.filter(|taken| controlled_by(&taken.metadata, self.meta)) {
                        Some(taken) if template(&taken).as_ref() == Some(self.template) => return Ok(taken),
                        _ => *collisions = collisions.saturating_add(1),
                    }
                }
                result => return Ok(result?),
            }
        }
        bail!("no free name for a revision of {name}")
    }

    /// Deletes the oldest revisions beyond the limit, but none that `live` names.
    ///
    /// # Errors
    /// A failed write.
    pub async fn truncate(
        &self,
        old: &[Arc<ControllerRevision>],
        live: &HashSet<String>,
        limit: Option<i32>,
    ) -> Result<()> {
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return Ok(()) };
        let unused = old.iter().filter(|revision| {
            let hash = revision.labels().get(LABEL).cloned().unwrap_or_default();
            !live.contains(&revision.name_any()) && !live.contains(&hash)
        });
        let unused: Vec<_> = unused.collect();
        for revision in unused.iter().take(unused.len().saturating_sub(limit)) {
            match self.api().delete(&revision.name_any(), &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                result => drop(result?),
            }
        }
        Ok(())
    }

    fn api(&self) -> Api<ControllerRevision> {
        Api::namespaced(self.client.clone(), self.meta.namespace.as_deref().unwrap_or_default())
    }
}

/// The template as upstream keeps it: a patch that replaces it.
fn data(template: &PodTemplateSpec) -> Result<Value> {
    let mut template = serde_json::to_value(template)?;
    if let Some(fields) = template.as_object_mut() {
        fields.insert("$patch".to_string(), json!("replace"));
    }
    Ok(json!({"spec": {"template": template}}))
}

/// The template of a revision; `None` where it has none.
pub fn template(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let template = revision.data.as_ref()?.0.get("spec")?.get("template")?;
    serde_json::from_value(template.clone()).ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Container, PodSpec};

    use super::*;

    #[test]
    fn a_template_comes_back_from_its_data() {
        let container = Container { name: "c".into(), image: Some("x".into()), ..Container::default() };
        let of = PodTemplateSpec {
            metadata: None,
            spec: Some(PodSpec { containers: vec![container], ..PodSpec::default() }),
        };
        let data = data(&of).unwrap();
        assert_eq!(data["spec"]["template"]["$patch"], "replace");
        let revision = ControllerRevision { data: Some(RawExtension(data)), ..ControllerRevision::default() };
        assert_eq!(template(&revision), Some(of));
    }
}
