//! Volumes: the table of plugins, and what is done for all of a pod's volumes together.
//!
//! Add one: a file with a unit struct that implements [`VolumePlugin`], its tests beside it, and a line in [`PLUGINS`].

mod atomic_writer;
mod config_map;
mod downward_api;
mod empty_dir;
mod host_path;
pub mod mounts;
mod projected;
mod secret;
pub mod subpath;
mod token;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Pod, Volume};
use tracing::debug;

use crate::{field_ref::NodeFacts, objects::Objects, pod};

pub use token::TokenCache;

/// Every volume plugin, by the volume source it serves.
static PLUGINS: &[&dyn VolumePlugin] = &[
    &config_map::ConfigMapVolume,
    &downward_api::DownwardApiVolume,
    &empty_dir::EmptyDirVolume,
    &host_path::HostPathVolume,
    &projected::ProjectedVolume,
    &secret::SecretVolume,
];

/// One kind of volume.
#[async_trait]
pub trait VolumePlugin: Send + Sync {
    /// The directory name of its volumes under a pod's `volumes/`, as upstream has it.
    fn directory(&self) -> &'static str;
    fn supports(&self, volume: &Volume) -> bool;
    /// Makes the volume, or brings its content up to date; idempotent: it is called with every sync of the pod.
    /// Returns the host path to mount.
    ///
    /// # Errors
    /// One line for the pod's FailedMount event.
    async fn set_up(&self, request: &Request<'_>, volume: &Volume) -> Result<PathBuf, String>;
}

/// For whom a volume is set up.
pub struct Request<'a> {
    pub pod: &'a Pod,
    /// `<root>/pods/<uid>`
    pub pod_dir: &'a Path,
    pub objects: &'a dyn Objects,
    pub tokens: &'a TokenCache,
    pub facts: NodeFacts<'a>,
    /// Secrets and tokens live on a tmpfs (needs the right to mount).
    pub memory_backed: bool,
    /// The pod has containers already: where an object cannot be read now, what was read before serves on.
    pub established: bool,
}

impl Request<'_> {
    /// `<pod dir>/volumes/<plugin>/<name>`, made.
    fn directory(&self, plugin: &dyn VolumePlugin, volume: &Volume) -> Result<PathBuf, String> {
        let path = self.pod_dir.join("volumes").join(plugin.directory()).join(&volume.name);
        fs::create_dir_all(&path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        Ok(path)
    }

    /// The same on a tmpfs of its own.
    fn memory_directory(&self, plugin: &dyn VolumePlugin, volume: &Volume) -> Result<PathBuf, String> {
        let path = self.directory(plugin, volume)?;
        if self.memory_backed && !mounts::is_mount(&path)? {
            mounts::tmpfs(&path, None)?;
        }
        Ok(path)
    }

    fn fs_group(&self) -> Option<u32> {
        pod::spec(self.pod).security_context.as_ref()?.fs_group.and_then(|group| u32::try_from(group).ok())
    }
}

/// Sets up every volume that a container of the pod mounts; by volume name, the host path.
///
/// # Errors
/// The first failure, with the volume's name.
pub async fn set_up_all(request: &Request<'_>) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut paths = BTreeMap::new();
    for volume in used(request.pod) {
        let plugin = plugin_of(volume)?;
        let path = match plugin.set_up(request, volume).await {
            Ok(path) => path,
            Err(error) => {
                let before = request.pod_dir.join("volumes").join(plugin.directory()).join(&volume.name);
                if !(request.established && before.is_dir()) {
                    return Err(format!("MountVolume.SetUp failed for volume {:?} : {error}", volume.name));
                }
                debug!("volume {} of pod {} stays as it is: {error}", volume.name, pod::full_name(request.pod));
                before
            }
        };
        paths.insert(volume.name.clone(), path);
    }
    Ok(paths)
}

/// Unmounts everything below the pod's directory and removes the directory.
///
/// # Errors
/// A mount that stays, or a directory that cannot be removed; nothing is removed through a mount.
pub fn tear_down_all(pod_dir: &Path) -> Result<(), String> {
    mounts::unmount_below(pod_dir)?;
    match fs::remove_dir_all(pod_dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("cannot remove {}: {error}", pod_dir.display())),
    }
}

/// The volumes that some container mounts: the others are not set up, as in upstream.
fn used(target: &Pod) -> impl Iterator<Item = &Volume> {
    let spec = pod::spec(target);
    spec.volumes.iter().flatten().filter(move |volume| {
        let of = |mounts: &Option<Vec<k8s_openapi::api::core::v1::VolumeMount>>| {
            mounts.iter().flatten().any(|mount| mount.name == volume.name)
        };
        let containers = spec.containers.iter().chain(pod::init_containers(target));
        containers.map(|container| &container.volume_mounts).any(of)
            || spec.ephemeral_containers.iter().flatten().any(|container| of(&container.volume_mounts))
    })
}

fn plugin_of(volume: &Volume) -> Result<&'static dyn VolumePlugin, String> {
    PLUGINS.iter().copied().find(|plugin| plugin.supports(volume)).ok_or_else(|| {
        let source = serde_json::to_value(volume)
            .ok()
            .and_then(|value| value.as_object()?.keys().find(|key| *key != "name").cloned())
            .unwrap_or_else(|| "unknown".into());
        format!(
            "volume {:?}: no volume plugin matched: volumes of type {source} are not supported by this kubelet",
            volume.name
        )
    })
}

/// What upstream does for an fsGroup: the group owns the volume, may read (and write, unless it is read-only), and
/// new files belong to it too.
fn own_by_group(path: &Path, group: u32, writable: bool) -> Result<(), String> {
    use std::os::unix::fs::{PermissionsExt, chown, lchown};
    let failed = |error: std::io::Error| format!("cannot give {} to group {group}: {error}", path.display());
    let metadata = fs::symlink_metadata(path).map_err(failed)?;
    if metadata.is_symlink() {
        return lchown(path, None, Some(group)).map_err(failed);
    }
    chown(path, None, Some(group)).map_err(failed)?;
    let mut mode = metadata.permissions().mode() | if writable { 0o660 } else { 0o440 };
    if metadata.is_dir() {
        mode |= 0o2110;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(failed)? {
            own_by_group(&entry.map_err(failed)?.path(), group, writable)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod testing {
    use super::*;
    use crate::objects::testing::FakeObjects;

    pub struct Fixture {
        pub dir: tempfile::TempDir,
        pub objects: FakeObjects,
        pub tokens: TokenCache,
        pub allocatable: BTreeMap<String, String>,
    }

    impl Fixture {
        pub fn new() -> Self {
            Self {
                dir: tempfile::tempdir().unwrap(),
                objects: FakeObjects::default(),
                tokens: TokenCache::default(),
                allocatable: BTreeMap::new(),
            }
        }

        /// Sets up the first volume of a pod.
        pub async fn set_up(&self, pod: &Pod) -> Result<PathBuf, String> {
            let request = Request {
                pod,
                pod_dir: self.dir.path(),
                objects: &self.objects,
                tokens: &self.tokens,
                facts: NodeFacts { host_ips: &[], pod_ips: &[], allocatable: &self.allocatable },
                memory_backed: false,
                established: false,
            };
            let volume = &pod::spec(pod).volumes.as_ref().unwrap()[0];
            plugin_of(volume)?.set_up(&request, volume).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn unsupported_is_said() {
        let pod = pod_of("{volumes: [{name: v, persistentVolumeClaim: {claimName: c}}], containers: []}");
        let error = plugin_of(&pod::spec(&pod).volumes.as_ref().unwrap()[0]).err().unwrap();
        assert!(error.contains("persistentVolumeClaim are not supported"), "{error}");
    }

    #[test]
    fn only_mounted_volumes_count() {
        let pod = pod_of(
            "{volumes: [{name: a, emptyDir: {}}, {name: b, secret: {}}], containers: [{name: c, volumeMounts: [{name: a, mountPath: /x}]}]}",
        );
        assert_eq!(used(&pod).count(), 1);
    }
}
