//! `secret` volumes.

use std::path::PathBuf;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Volume;

use super::{
    Request, VolumePlugin, atomic_writer,
    config_map::{data, mode, select},
    own_by_group,
};
use crate::{objects::secret_data, pod};

/// A Secret's keys as files on a tmpfs, kept up to date.
pub struct SecretVolume;

#[async_trait]
impl VolumePlugin for SecretVolume {
    fn directory(&self) -> &'static str {
        "kubernetes.io~secret"
    }

    fn supports(&self, volume: &Volume) -> bool {
        volume.secret.is_some()
    }

    async fn set_up(&self, request: &Request<'_>, volume: &Volume) -> Result<PathBuf, String> {
        let source = volume.secret.clone().unwrap_or_default();
        let name = source.secret_name.unwrap_or_default();
        let data =
            data(request.objects.secret(pod::namespace(request.pod), &name).await.map(secret_data), source.optional)?;
        let payload = select(data, source.items.as_deref(), mode(source.default_mode), source.optional, "secret")?;
        let directory = request.memory_directory(self, volume)?;
        if atomic_writer::write(&directory, &payload)?
            && let Some(group) = request.fs_group()
        {
            own_by_group(&directory, group, false)?;
        }
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    use crate::{pod::testing::pod as pod_of, volumes::testing::Fixture};

    #[tokio::test]
    async fn values_and_modes() {
        use std::os::unix::fs::PermissionsExt;
        let fixture = Fixture::new();
        fixture.objects.secrets.lock().insert("s".into(), serde_saphyr::from_str("data: {k: djE=}").unwrap());
        let pod = pod_of("{volumes: [{name: v, secret: {secretName: s, defaultMode: 256}}], containers: []}");
        let path = fixture.set_up(&pod).await.unwrap().join("k");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "v1");
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o400);
    }
}
