//! AlwaysPullImages: every image is pulled with the pod's own credentials, so that no pod runs an image only
//! because another one was allowed to pull it.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::field::{ErrorList, Path};
use crate::object::{self, items, text};
use crate::status::{Result, Status};

pub struct AlwaysPullImages;

const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
const ALWAYS: &str = "Always";

#[async_trait]
impl Plugin for AlwaysPullImages {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.writes_pod()
    }

    async fn admit(&self, attributes: &Attributes<'_>, pod: &mut Value) -> Result<()> {
        if keeps_images(attributes, pod) {
            return Ok(());
        }
        for list in LISTS {
            for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
                object::set(container, &["imagePullPolicy"], ALWAYS);
            }
        }
        for volume in pod["spec"]["volumes"].as_array_mut().into_iter().flatten() {
            if volume["image"].is_object() {
                object::set(volume, &["image", "pullPolicy"], ALWAYS);
            }
        }
        Ok(())
    }

    async fn validate(&self, attributes: &Attributes<'_>, pod: &Value) -> Result<()> {
        if keeps_images(attributes, pod) {
            return Ok(());
        }
        let spec = Path::new("spec");
        let mut errors = ErrorList::default();
        for list in LISTS {
            let path = spec.child(list);
            for (index, container) in items(&pod["spec"][list]).iter().enumerate() {
                if container["imagePullPolicy"] != ALWAYS {
                    let at = path.index(index);
                    let policy = text(&container["imagePullPolicy"]);
                    errors.not_supported(&at.child("imagePullPolicy"), &policy.into(), &[ALWAYS]);
                }
            }
        }
        let volumes = spec.child("volumes");
        for (index, volume) in items(&pod["spec"]["volumes"]).iter().enumerate() {
            if volume["image"].is_object() && volume["image"]["pullPolicy"] != ALWAYS {
                let at = volumes.index(index);
                let policy = text(&volume["image"]["pullPolicy"]);
                errors.not_supported(&at.child("image").child("pullPolicy"), &policy.into(), &[ALWAYS]);
            }
        }
        let mut refusals: Vec<String> = errors.0.iter().map(|error| attributes.forbidden(pod, error).message).collect();
        match refusals.len() {
            0 => Ok(()),
            1 => Err(Status::unclassified(refusals.remove(0))),
            _ => Err(Status::unclassified(format!("[{}]", refusals.join(", ")))),
        }
    }
}

/// Whether a pod is changed and runs no image that it did not run before.
fn keeps_images(attributes: &Attributes<'_>, pod: &Value) -> bool {
    let images = |pod: &Value| -> Vec<String> {
        let containers = LISTS.iter().flat_map(|list| items(&pod["spec"][*list]).to_vec());
        containers.map(|container| text(&container["image"]).to_owned()).collect()
    };
    let Some(old) = attributes.old.filter(|_| attributes.operation == Operation::Update) else { return false };
    let before = images(old);
    images(pod).iter().all(|image| before.contains(image))
}
