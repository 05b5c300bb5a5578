//! What the runtime holds for one pod, read back from CRI and the labels and annotations upstream's kubelet sets.

use std::collections::HashMap;

use jiff::Timestamp;

use super::api;

/// Label and annotation keys, upstream's, so that tools and another kubelet understand our containers.
pub mod key {
    pub const POD_NAME: &str = "io.kubernetes.pod.name";
    pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    pub const POD_UID: &str = "io.kubernetes.pod.uid";
    pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
    pub const HASH: &str = "io.kubernetes.container.hash";
    pub const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
    pub const TERMINATION_MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
    pub const TERMINATION_MESSAGE_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
    pub const PRE_STOP: &str = "io.kubernetes.container.preStopHandler";
    pub const PORTS: &str = "io.kubernetes.container.ports";
    pub const DELETION_GRACE: &str = "io.kubernetes.pod.deletionGracePeriod";
    pub const TERMINATION_GRACE: &str = "io.kubernetes.pod.terminationGracePeriod";
}

/// A pod's sandboxes and containers, each newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodRuntime {
    pub sandboxes: Vec<SandboxRecord>,
    pub containers: Vec<ContainerRecord>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SandboxRecord {
    pub id: String,
    pub name: String,
    pub namespace: String,
    pub attempt: u32,
    pub ready: bool,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// Empty for the host's network and for a sandbox that is not ready.
    pub ips: Vec<String>,
    pub host_network: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerPhase {
    Created,
    Running,
    Exited,
    #[default]
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerRecord {
    pub id: String,
    pub name: String,
    pub sandbox_id: String,
    pub phase: ContainerPhase,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub exit_code: i32,
    pub reason: String,
    pub message: String,
    pub image: String,
    pub image_ref: String,
    pub restart_count: i32,
    /// Hash of the container's spec at creation.
    pub hash: String,
    pub log_path: String,
    pub termination_message_path: String,
    /// Host path of the file behind the termination message path.
    pub termination_message_file: String,
    pub fallback_to_logs: bool,
}

impl PodRuntime {
    /// Sorts newest first, which every reader relies on.
    pub fn sorted(mut self) -> Self {
        self.sandboxes.sort_by_key(|sandbox| std::cmp::Reverse((sandbox.created_at, sandbox.attempt)));
        self.containers.sort_by_key(|container| std::cmp::Reverse((container.created_at, container.restart_count)));
        self
    }

    /// The newest container of that name.
    pub fn container(&self, name: &str) -> Option<&ContainerRecord> {
        self.containers.iter().find(|container| container.name == name)
    }

    pub fn ready_sandbox(&self) -> Option<&SandboxRecord> {
        self.sandboxes.iter().find(|sandbox| sandbox.ready)
    }

    /// The pod's addresses: those of the newest sandbox when it is ready.
    pub fn ips(&self) -> Vec<String> {
        self.sandboxes.first().filter(|sandbox| sandbox.ready).map(|sandbox| sandbox.ips.clone()).unwrap_or_default()
    }

    /// Whether any container may still run.
    pub fn any_alive(&self) -> bool {
        self.containers
            .iter()
            .any(|container| matches!(container.phase, ContainerPhase::Running | ContainerPhase::Unknown))
    }
}

impl ContainerRecord {
    pub fn exited(&self) -> bool {
        self.phase == ContainerPhase::Exited
    }

    pub fn running(&self) -> bool {
        self.phase == ContainerPhase::Running
    }

    /// Reads a CRI status; `sandbox_id` comes from the list, as the status does not have it.
    pub fn from_status(status: api::ContainerStatus, sandbox_id: String) -> Self {
        let annotation = |key: &str| status.annotations.get(key).cloned().unwrap_or_default();
        let termination_message_path = annotation(key::TERMINATION_MESSAGE_PATH);
        let termination_message_file = status
            .mounts
            .iter()
            .find(|mount| !termination_message_path.is_empty() && mount.container_path == termination_message_path)
            .map(|mount| mount.host_path.clone())
            .unwrap_or_default();
        Self {
            name: container_name(&status.labels, status.metadata.as_ref()),
            sandbox_id,
            phase: phase(status.state()),
            created_at: status.created_at,
            started_at: timestamp(status.started_at),
            finished_at: timestamp(status.finished_at),
            exit_code: status.exit_code,
            restart_count: annotation(key::RESTART_COUNT).parse().unwrap_or_default(),
            hash: annotation(key::HASH),
            fallback_to_logs: annotation(key::TERMINATION_MESSAGE_POLICY) == "FallbackToLogsOnError",
            termination_message_path,
            termination_message_file,
            image: status.image.map(|image| image.image).unwrap_or_default(),
            image_ref: status.image_ref,
            id: status.id,
            reason: status.reason,
            message: status.message,
            log_path: status.log_path,
        }
    }
}

fn container_name(labels: &HashMap<String, String>, metadata: Option<&api::ContainerMetadata>) -> String {
    labels.get(key::CONTAINER_NAME).cloned().or_else(|| Some(metadata?.name.clone())).unwrap_or_default()
}

fn phase(state: api::ContainerState) -> ContainerPhase {
    match state {
        api::ContainerState::ContainerCreated => ContainerPhase::Created,
        api::ContainerState::ContainerRunning => ContainerPhase::Running,
        api::ContainerState::ContainerExited => ContainerPhase::Exited,
        api::ContainerState::ContainerUnknown => ContainerPhase::Unknown,
    }
}

/// CRI's nanoseconds; 0 and the runtime's "zero time" (before 1970) are none.
fn timestamp(nanoseconds: i64) -> Option<Timestamp> {
    if nanoseconds <= 0 {
        return None;
    }
    Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()
}
