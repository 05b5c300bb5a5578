//! `hostPath` volumes.

use std::{fs, os::unix::fs::FileTypeExt, path::PathBuf};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Volume;

use super::{Request, VolumePlugin};

/// A path of the node itself.
pub struct HostPathVolume;

#[async_trait]
impl VolumePlugin for HostPathVolume {
    fn directory(&self) -> &'static str {
        "kubernetes.io~host-path"
    }

    fn supports(&self, volume: &Volume) -> bool {
        volume.host_path.is_some()
    }

    async fn set_up(&self, _: &Request<'_>, volume: &Volume) -> Result<PathBuf, String> {
        let source = volume.host_path.clone().unwrap_or_default();
        let path = PathBuf::from(&source.path);
        if !path.is_absolute() || path.components().any(|component| component == std::path::Component::ParentDir) {
            return Err(format!("hostPath {:?} must be absolute and without '..'", source.path));
        }
        let shown = path.display();
        let failed = |what: &str| Err(format!("hostPath type check failed: {shown} is not {what}"));
        let kind = fs::metadata(&path).map(|metadata| metadata.file_type());
        let is = |check: fn(&fs::FileType) -> bool| kind.as_ref().is_ok_and(check);
        match source.type_.as_deref().unwrap_or_default() {
            "" => {}
            "Directory" if !is(fs::FileType::is_dir) => return failed("a directory"),
            "File" if !is(fs::FileType::is_file) => return failed("a file"),
            "Socket" if !is(fs::FileType::is_socket) => return failed("a socket file"),
            "CharDevice" if !is(fs::FileType::is_char_device) => return failed("a character device"),
            "BlockDevice" if !is(fs::FileType::is_block_device) => return failed("a block device"),
            "DirectoryOrCreate" if kind.is_err() => {
                fs::create_dir_all(&path).map_err(|error| format!("cannot create {shown}: {error}"))?
            }
            "DirectoryOrCreate" if !is(fs::FileType::is_dir) => return failed("a directory"),
            "FileOrCreate" if kind.is_err() => {
                fs::write(&path, "").map_err(|error| format!("cannot create {shown}: {error}"))?
            }
            "FileOrCreate" if !is(fs::FileType::is_file) => return failed("a file"),
            "Directory" | "File" | "Socket" | "CharDevice" | "BlockDevice" | "DirectoryOrCreate" | "FileOrCreate" => {}
            other => return Err(format!("hostPath type {other:?} is not known")),
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use crate::{pod::testing::pod as pod_of, volumes::testing::Fixture};

    #[tokio::test]
    async fn types() {
        let fixture = Fixture::new();
        let base = fixture.dir.path().to_str().unwrap().to_string();
        let set_up = async |path: &str, kind: &str| {
            let pod = pod_of(&format!(
                "{{volumes: [{{name: v, hostPath: {{path: {base}/{path}, type: '{kind}'}}}}], containers: []}}"
            ));
            fixture.set_up(&pod).await
        };
        assert!(set_up("none", "").await.is_ok(), "unchecked");
        assert!(set_up("none", "Directory").await.unwrap_err().ends_with("none is not a directory"));
        assert!(set_up("d/e", "DirectoryOrCreate").await.unwrap().is_dir());
        assert!(set_up("f", "FileOrCreate").await.unwrap().is_file());
        assert!(set_up("f", "DirectoryOrCreate").await.is_err());
        assert!(set_up("f", "Socket").await.unwrap_err().contains("socket file"));
        assert!(set_up("../x", "").await.is_err());
    }
}
