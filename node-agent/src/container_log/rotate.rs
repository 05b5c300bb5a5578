//! Rotation of logs that grew beyond their limit: the file is renamed, the runtime opens a new one, the oldest go.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tracing::warn;

use crate::cri::{Runtime, api};

/// Looks at every running container's log once.
pub async fn rotate_all(runtime: &dyn Runtime, logs_dir: &Path, max_size: i64, max_files: u32) {
    let Ok(containers) = runtime.list_containers().await else { return };
    for container in containers.iter().filter(|container| container.state() == api::ContainerState::ContainerRunning) {
        let Some(path) = log_path(logs_dir, container) else { continue };
        let too_long =
            fs::metadata(&path).is_ok_and(|metadata| i64::try_from(metadata.len()).unwrap_or(i64::MAX) >= max_size);
        if too_long && let Err(error) = rotate(runtime, &container.id, &path, max_files).await {
            warn!("cannot rotate {}: {error}", path.display());
        }
    }
}

/// Where a container's log is, from its labels and annotations.
fn log_path(logs_dir: &Path, container: &api::Container) -> Option<PathBuf> {
    use crate::{cri::key, pod_worker::sandbox_config::log_dir_name};
    let label = |key: &str| container.labels.get(key).map(String::as_str);
    let pod = log_dir_name(label(key::POD_NAMESPACE)?, label(key::POD_NAME)?, label(key::POD_UID)?);
    let count = container.annotations.get(key::RESTART_COUNT)?;
    Some(logs_dir.join(pod).join(label(key::CONTAINER_NAME)?).join(format!("{count}.log")))
}

async fn rotate(runtime: &dyn Runtime, id: &str, path: &Path, max_files: u32) -> Result<(), String> {
    let shown = |error: io::Error| error.to_string();
    let mut old = rotated(path).map_err(shown)?;
    // The current file and the one made of it now count too.
    while old.len() + 2 > max_files as usize {
        fs::remove_file(old.remove(0)).map_err(shown)?;
    }
    let stamp = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
    let target = PathBuf::from(format!("{}.{stamp}", path.display()));
    fs::rename(path, &target).map_err(shown)?;
    if let Err(error) = runtime.reopen_log(id).await {
        // Else the container would write on into a file that nobody reads.
        fs::rename(&target, path).map_err(shown)?;
        return Err(error.to_string());
    }
    Ok(())
}

/// The rotated files of a log, the oldest first.
fn rotated(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = format!("{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut files = vec![];
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new("/")))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::fake::FakeRuntime;

    #[tokio::test]
    async fn oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        for name in ["0.log", "0.log.20200101-000000", "0.log.20200102-000000"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let runtime = FakeRuntime::default();
        rotate(&runtime, "c", &path, 3).await.unwrap();
        let left = rotated(&path).unwrap();
        assert_eq!(left.len(), 2);
        assert!(left[0].ends_with("0.log.20200102-000000"));
        assert_eq!(fs::read_to_string(&left[1]).unwrap(), "0.log");
    }
}
