//! Controller references: who owns what, adoption and release.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::{Selector, SelectorExt},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The reference marked as the controller.
pub fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.as_ref()?.iter().find(|reference| reference.controller == Some(true))
}

/// Whether `owner` is the object's controller.
pub fn controlled_by(meta: &ObjectMeta, owner: &ObjectMeta) -> bool {
    owner.uid.is_some() && controller_of(meta).map(|reference| &reference.uid) == owner.uid.as_ref()
}

/// A reference to `owner` as the controller of an object.
pub fn controller_reference<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: owner.meta().name.clone().unwrap_or_default(),
        uid: owner.meta().uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A label selector, ready to match. An invalid one matches nothing, as upstream skips such objects.
#[derive(Clone, Debug)]
pub struct Matcher(Option<Selector>);

impl Matcher {
    pub fn new(selector: &LabelSelector) -> Self {
        Matcher(Selector::try_from(selector.clone()).ok())
    }

    /// All of these labels; no labels at all match nothing.
    pub fn labels(labels: Option<&BTreeMap<String, String>>) -> Self {
        Matcher(labels.filter(|labels| !labels.is_empty()).map(|labels| labels.clone().into_iter().collect()))
    }

    pub fn matches(&self, meta: &ObjectMeta) -> bool {
        match (&self.0, &meta.labels) {
            (None, _) => false,
            (Some(selector), Some(labels)) => selector.matches(labels),
            (Some(selector), None) => selector.matches(&BTreeMap::new()),
        }
    }
}

/// What an owner does with the objects of its namespace: see [`claim`].
#[derive(Debug)]
pub struct Claims<K> {
    /// Already its own.
    pub owned: Vec<Arc<K>>,
    /// Without a controller and selected: to be adopted.
    pub adopt: Vec<Arc<K>>,
    /// Its own, but no longer selected: to be released.
    pub release: Vec<Arc<K>>,
}

/// Sorts `objects` by what `owner` should do with them. An owner that is being deleted adopts and releases nothing;
/// objects that are being deleted are not touched.
pub fn claim<K: Resource>(owner: &ObjectMeta, selector: &Matcher, objects: Vec<Arc<K>>) -> Claims<K> {
    let mut claims = Claims { owned: Vec::new(), adopt: Vec::new(), release: Vec::new() };
    for object in objects {
        let meta = object.meta();
        let selected = selector.matches(meta);
        let leave = owner.deletion_timestamp.is_some();
        match controller_of(meta) {
            Some(reference) if Some(&reference.uid) != owner.uid.as_ref() => {}
            Some(_) if selected => claims.owned.push(object),
            Some(_) if !leave => claims.release.push(object),
            None if selected && !leave && meta.deletion_timestamp.is_none() => claims.adopt.push(object),
            _ => {}
        }
    }
    claims
}

/// Adopts and releases through `api`, and gives all objects that are the owner's afterwards. `recheck` is asked once,
/// before the first adoption, whether the owner still lives by an uncached read.
///
/// # Errors
/// A failed write, or what `recheck` gives. Objects that are gone meanwhile are no error.
pub async fn execute<K, R>(
    api: &Api<K>,
    reference: &OwnerReference,
    claims: Claims<K>,
    recheck: R,
) -> Result<Vec<Arc<K>>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    R: AsyncFnOnce() -> Result<()>,
{
    let mut owned = claims.owned;
    for object in claims.release {
        let patch = json!({"metadata": {
            "uid": object.uid(),
            "ownerReferences": [{"$patch": "delete", "uid": reference.uid}],
        }});
        tolerate_gone(patch_metadata(api, &object.name_any(), patch).await)?;
    }
    if !claims.adopt.is_empty() {
        recheck().await?;
    }
    for object in claims.adopt {
        let patch = json!({"metadata": {"uid": object.uid(), "ownerReferences": [reference]}});
        if tolerate_gone(patch_metadata(api, &object.name_any(), patch).await)? {
            owned.push(object);
        }
    }
    Ok(owned)
}

async fn patch_metadata<K: Clone + DeserializeOwned + std::fmt::Debug>(
    api: &Api<K>,
    name: &str,
    patch: Value,
) -> kube::Result<()> {
    api.patch_metadata(name, &PatchParams::default(), &Patch::Strategic(patch)).await.map(drop)
}

/// `Ok(false)` where the object is gone or is another one of the same name.
fn tolerate_gone(result: kube::Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 422) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::Pod;

    fn pod(name: &str, label: &str, owner: Option<&str>) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.into());
        pod.metadata.labels = Some([("app".to_string(), label.to_string())].into());
        pod.metadata.owner_references = owner
            .map(|uid| vec![OwnerReference { uid: uid.into(), controller: Some(true), ..OwnerReference::default() }]);
        Arc::new(pod)
    }

    fn names(pods: &[Arc<Pod>]) -> Vec<&str> {
        pods.iter().map(|pod| pod.name()).collect()
    }

    #[test]
    fn claims() {
        let mut owner = ObjectMeta { uid: Some("me".into()), ..ObjectMeta::default() };
        let selector = Matcher::labels(Some(&[("app".to_string(), "x".to_string())].into()));
        let pods = vec![
            pod("mine", "x", Some("me")),
            pod("mine-not-selected", "y", Some("me")),
            pod("orphan", "x", None),
            pod("orphan-not-selected", "y", None),
            pod("others", "x", Some("you")),
        ];
        let claims = claim(&owner, &selector, pods.clone());
        assert_eq!(names(&claims.owned), ["mine"]);
        assert_eq!(names(&claims.adopt), ["orphan"]);
        assert_eq!(names(&claims.release), ["mine-not-selected"]);
        owner.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH));
        let claims = claim(&owner, &selector, pods);
        assert!(claims.adopt.is_empty() && claims.release.is_empty());
    }
}
