//! `emptyDir` volumes.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Volume;

use super::{Request, VolumePlugin, mounts, own_by_group};
use crate::quantity;

/// A directory that lives as long as the pod, on the node's disk or in memory.
pub struct EmptyDirVolume;

#[async_trait]
impl VolumePlugin for EmptyDirVolume {
    fn directory(&self) -> &'static str {
        "kubernetes.io~empty-dir"
    }

    fn supports(&self, volume: &Volume) -> bool {
        volume.empty_dir.is_some()
    }

    async fn set_up(&self, request: &Request<'_>, volume: &Volume) -> Result<PathBuf, String> {
        let source = volume.empty_dir.clone().unwrap_or_default();
        let path = request.pod_dir.join("volumes").join(self.directory()).join(&volume.name);
        let memory = match source.medium.as_deref().unwrap_or_default() {
            "" => false,
            "Memory" => true,
            other => return Err(format!("emptyDir medium {other:?} is not supported by this kubelet")),
        };
        // The marker is written last: what a crash left half done is done again, what is done is left alone.
        let marker = request.pod_dir.join("plugins").join(self.directory()).join(&volume.name).join("ready");
        if marker.exists() && path.is_dir() && (!memory || mounts::is_mount(&path)?) {
            return Ok(path);
        }
        request.directory(self, volume)?;
        if memory && !mounts::is_mount(&path)? {
            mounts::tmpfs(&path, source.size_limit.as_ref().and_then(|limit| quantity::integer(&limit.0)))?;
        }
        let failed = |error: std::io::Error| format!("cannot prepare {}: {error}", path.display());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).map_err(failed)?;
        if let Some(group) = request.fs_group() {
            own_by_group(&path, group, true)?;
        }
        if let Some(parent) = marker.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(&marker, "").map_err(failed)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pod::testing::pod as pod_of, volumes::testing::Fixture};

    #[tokio::test]
    async fn is_open_and_keeps_its_content() {
        let fixture = Fixture::new();
        let pod = pod_of("{volumes: [{name: v, emptyDir: {}}], containers: []}");
        let path = fixture.set_up(&pod).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o777);
        fs::write(path.join("x"), "1").unwrap();
        assert_eq!(fixture.set_up(&pod).await.unwrap(), path);
        assert!(path.join("x").exists());
        let huge = pod_of("{volumes: [{name: h, emptyDir: {medium: HugePages}}], containers: []}");
        assert!(fixture.set_up(&huge).await.unwrap_err().contains("HugePages"));
    }
}
