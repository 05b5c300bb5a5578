//! The names, labels, hosts and volumes of a StatefulSet's pods. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume},
};
use kube::ResourceExt;

use crate::{owner::controller_reference, pod_control::from_template, revisions::LABEL};

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The number in a pod's name; `None` where the name is not one of this set.
pub fn ordinal(set: &StatefulSet, pod: &str) -> Option<i32> {
    let number = pod.strip_prefix(set.metadata.name.as_deref()?)?.strip_prefix('-')?;
    let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
    number.parse().ok().filter(|_| plain)
}

/// The labels that tell a pod's number.
pub fn labels(set: &StatefulSet, ordinal: i32) -> BTreeMap<String, String> {
    let name = format!("{}-{ordinal}", set.name_any());
    [(POD_NAME.to_string(), name), (POD_INDEX.to_string(), ordinal.to_string())].into()
}

/// The pod of this number, of a template and its revision.
pub fn pod(set: &StatefulSet, ordinal: i32, template: &PodTemplateSpec, revision: &str) -> Pod {
    let name = format!("{}-{ordinal}", set.name_any());
    let mut pod = from_template(template, &controller_reference(set));
    pod.metadata.generate_name = None;
    pod.metadata.name = Some(name.clone());
    let own = pod.metadata.labels.get_or_insert_default();
    own.extend(labels(set, ordinal));
    own.insert(LABEL.to_string(), revision.to_string());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(name);
    spec.subdomain = set.spec.as_ref().and_then(|spec| spec.service_name.clone()).filter(|name| !name.is_empty());
    let mut volumes: Vec<Volume> = templates(set)
        .iter()
        .map(|claim| Volume {
            name: claim.name_any(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim_name(set, claim, ordinal),
                read_only: None,
            }),
            ..Volume::default()
        })
        .collect();
    // A claim replaces a volume of the same name in the template.
    let others = spec.volumes.take().unwrap_or_default();
    volumes.extend(
        others.into_iter().filter(|volume| !templates(set).iter().any(|claim| claim.name_any() == volume.name)),
    );
    spec.volumes = Some(volumes).filter(|volumes| !volumes.is_empty());
    pod
}

/// The claims of the pod of this number.
pub fn claims(set: &StatefulSet, ordinal: i32) -> Vec<PersistentVolumeClaim> {
    let selector = set.spec.as_ref().and_then(|spec| spec.selector.match_labels.clone()).unwrap_or_default();
    let claim = |template: &PersistentVolumeClaim| {
        let mut claim = template.clone();
        claim.metadata.name = Some(claim_name(set, template, ordinal));
        claim.metadata.namespace = set.metadata.namespace.clone();
        claim.metadata.labels.get_or_insert_default().extend(selector.clone());
        claim.status = None;
        claim
    };
    templates(set).iter().map(claim).collect()
}

fn templates(set: &StatefulSet) -> &[PersistentVolumeClaim] {
    set.spec.as_ref().and_then(|spec| spec.volume_claim_templates.as_deref()).unwrap_or_default()
}

fn claim_name(set: &StatefulSet, template: &PersistentVolumeClaim, ordinal: i32) -> String {
    format!("{}-{}-{ordinal}", template.name_any(), set.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::StatefulSetSpec;

    use super::*;

    #[test]
    fn names_and_volumes() {
        let mut set = StatefulSet { spec: Some(StatefulSetSpec::default()), ..StatefulSet::default() };
        set.metadata.name = Some("web".into());
        let mut claim = PersistentVolumeClaim::default();
        claim.metadata.name = Some("data".into());
        let spec = set.spec.get_or_insert_default();
        spec.volume_claim_templates = Some(vec![claim]);
        spec.service_name = Some("svc".into());
        let pod = pod(&set, 2, &PodTemplateSpec::default(), "web-abc");
        assert_eq!(pod.name_any(), "web-2");
        let spec = pod.spec.clone().unwrap();
        assert_eq!((spec.hostname.as_deref(), spec.subdomain.as_deref()), (Some("web-2"), Some("svc")));
        assert_eq!(spec.volumes.unwrap()[0].persistent_volume_claim.as_ref().unwrap().claim_name, "data-web-2");
        assert_eq!(pod.labels()[LABEL], "web-abc");
        assert_eq!(claims(&set, 2)[0].name_any(), "data-web-2");
        assert_eq!(ordinal(&set, "web-10"), Some(10));
        for other in ["web", "web-", "web-x", "web-01", "webx-1", "web-1-2"] {
            assert_eq!(ordinal(&set, other), None, "{other}");
        }
    }
}
