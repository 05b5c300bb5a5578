//! `downwardAPI` volumes.

use std::path::PathBuf;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, Volume};

use super::{
    Request, VolumePlugin,
    atomic_writer::{self, File, Payload},
    config_map::mode,
    own_by_group,
};
use crate::{field_ref, pod};

/// Fields of the pod as files, kept up to date.
pub struct DownwardApiVolume;

#[async_trait]
impl VolumePlugin for DownwardApiVolume {
    fn directory(&self) -> &'static str {
        "kubernetes.io~downward-api"
    }

    fn supports(&self, volume: &Volume) -> bool {
        volume.downward_api.is_some()
    }

    async fn set_up(&self, request: &Request<'_>, volume: &Volume) -> Result<PathBuf, String> {
        let source = volume.downward_api.clone().unwrap_or_default();
        let payload = files(request, source.items.as_deref().unwrap_or_default(), mode(source.default_mode))?;
        let directory = request.memory_directory(self, volume)?;
        if atomic_writer::write(&directory, &payload)?
            && let Some(group) = request.fs_group()
        {
            own_by_group(&directory, group, false)?;
        }
        Ok(directory)
    }
}

/// The files of downward API items.
///
/// # Errors
/// A field, resource or container that is not known.
pub fn files(request: &Request, items: &[DownwardAPIVolumeFile], default_mode: u32) -> Result<Payload, String> {
    let mut payload = Payload::new();
    for item in items {
        let text = if let Some(field) = &item.field_ref {
            field_ref::pod_field(request.pod, &field.field_path, &request.facts)?
        } else if let Some(resource) = &item.resource_field_ref {
            let name = resource.container_name.as_deref().unwrap_or_default();
            let container = pod::container(request.pod, name).ok_or_else(|| format!("container {name} not found"))?;
            field_ref::resource_field(container, resource, &request.facts)?
        } else {
            return Err(format!("item {:?} has neither fieldRef nor resourceFieldRef", item.path));
        };
        let mode = item.mode.map_or(default_mode, |value| mode(Some(value)));
        payload.insert(item.path.clone(), File { data: text.into_bytes(), mode, owner: None });
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use crate::{pod::testing::pod as pod_of, volumes::testing::Fixture};

    #[tokio::test]
    async fn labels_follow() {
        let fixture = Fixture::new();
        let mut pod = pod_of(
            "{volumes: [{name: v, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}], containers: []}",
        );
        pod.metadata.labels = Some([("a".to_string(), "1".to_string())].into());
        let path = fixture.set_up(&pod).await.unwrap().join("labels");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a=\"1\"\n");
        pod.metadata.labels = Some([("a".to_string(), "2".to_string())].into());
        fixture.set_up(&pod).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a=\"2\"\n");
    }
}
