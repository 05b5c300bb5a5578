//! The container runtime as the agent sees it: one trait over CRI v1, the facts read from it, its errors.

mod observed;
pub mod remote;

#[cfg(test)]
pub mod fake;

use async_trait::async_trait;
pub use k8s_cri::v1 as api;
pub use observed::{ContainerPhase, ContainerRecord, PodRuntime, SandboxRecord, key};

/// Why the runtime did not do what was asked.
#[derive(Debug, Clone, thiserror::Error, PartialEq)]
pub enum Error {
    /// The object is not (or no longer) there.
    #[error("{0}")]
    NotFound(String),
    /// The call did not finish in its time; whether it happened is unknown.
    #[error("{0}")]
    DeadlineExceeded(String),
    /// The runtime does not answer; whether it happened is unknown.
    #[error("container runtime is down: {0}")]
    Unavailable(String),
    /// The runtime refused or failed.
    #[error("{0}")]
    Failed(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A container runtime.
///
/// # Operations
/// Sandboxes and containers are created, started, stopped and removed by id; `observe` reads everything the
/// runtime holds for one pod; images are looked up and pulled by reference.
///
/// # Guarantees
/// - What `run_sandbox`, `create_container` and `start_container` acknowledged is seen by the next `observe` of
///   any process, also after a restart of the runtime or of the agent: the agent keeps no record of its own.
/// - Stopping and removing are idempotent: what is gone already is not an error.
/// - Labels and annotations come back as they were given.
///
/// # Non-guarantees
/// - Order of lists; that a container seen running still runs.
/// - Exactly one result for a cancelled call: dropping a future may leave a sandbox or container behind, which
///   the next `observe` shows.
///
/// # Failure
/// [`Error::NotFound`] and [`Error::Failed`] are final for the call; after [`Error::DeadlineExceeded`] and
/// [`Error::Unavailable`] the caller observes before it tries again.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// `(name, version)`, e.g. `("containerd", "1.6.20")`.
    async fn version(&self) -> Result<(String, String)>;
    /// The conditions RuntimeReady and NetworkReady.
    async fn conditions(&self) -> Result<Vec<api::RuntimeCondition>>;

    /// Per pod uid a digest of ids and states, which changes whenever a sandbox or container of the pod does.
    async fn digest(&self) -> Result<std::collections::HashMap<String, u64>>;
    /// Everything the runtime holds for the pod.
    async fn observe(&self, uid: &str) -> Result<PodRuntime>;
    async fn list_sandboxes(&self) -> Result<Vec<api::PodSandbox>>;
    async fn list_containers(&self) -> Result<Vec<api::Container>>;

    async fn run_sandbox(&self, config: api::PodSandboxConfig, handler: &str) -> Result<String>;
    async fn stop_sandbox(&self, id: &str) -> Result<()>;
    async fn remove_sandbox(&self, id: &str) -> Result<()>;

    async fn create_container(
        &self,
        sandbox: &str,
        config: api::ContainerConfig,
        sandbox_config: api::PodSandboxConfig,
    ) -> Result<String>;
    async fn start_container(&self, id: &str) -> Result<()>;
    /// SIGTERM, then SIGKILL after `grace_seconds`; returns when the container is dead.
    async fn stop_container(&self, id: &str, grace_seconds: i64) -> Result<()>;
    async fn remove_container(&self, id: &str) -> Result<()>;
    /// Changes a running container's resources.
    async fn update_container(&self, id: &str, resources: api::LinuxContainerResources) -> Result<()>;
    async fn reopen_log(&self, id: &str) -> Result<()>;

    /// Runs a command to its end; `timeout_seconds` 0 is without limit.
    async fn exec_sync(&self, id: &str, command: Vec<String>, timeout_seconds: i64) -> Result<api::ExecSyncResponse>;
    /// The URL of a streaming session.
    async fn exec(&self, request: api::ExecRequest) -> Result<String>;
    async fn attach(&self, request: api::AttachRequest) -> Result<String>;
    async fn port_forward(&self, request: api::PortForwardRequest) -> Result<String>;

    /// The image behind a reference, `None` where the local store does not have it.
    async fn image(&self, reference: &str) -> Result<Option<api::Image>>;
    /// Pulls and returns the image's id.
    async fn pull_image(
        &self,
        reference: &str,
        auth: Option<api::AuthConfig>,
        sandbox: api::PodSandboxConfig,
    ) -> Result<String>;
    async fn list_images(&self) -> Result<Vec<api::Image>>;

    async fn container_stats(&self) -> Result<Vec<api::ContainerStats>>;
}
