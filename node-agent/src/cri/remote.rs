//! The runtime behind a CRI v1 unix socket.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    time::Duration,
};

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use k8s_cri::v1::{
    self as api, image_service_client::ImageServiceClient, runtime_service_client::RuntimeServiceClient,
};
use tokio::net::UnixStream;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint, Uri},
};

use super::{ContainerRecord, Error, PodRuntime, Result, Runtime, SandboxRecord, key};

/// The default of --runtime-request-timeout.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Answers (image lists, exec output) may be large: upstream allows 16 MiB.
const MAX_MESSAGE: usize = 16 << 20;

/// A client of one CRI endpoint. Cheap to clone; reconnects by itself.
#[derive(Clone)]
pub struct Remote {
    channel: Channel,
}

impl Remote {
    /// Connects on first use: a runtime that is down now is an error of the calls, not of this.
    ///
    /// # Errors
    /// Never for an absolute path; the signature follows the transport's.
    pub fn new(socket: &Path) -> Result<Self> {
        let path = socket.to_path_buf();
        let endpoint = Endpoint::try_from("http://cri.invalid").map_err(|error| Error::Failed(error.to_string()))?;
        let channel = endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
        }));
        Ok(Self { channel })
    }

    fn runtime(&self) -> RuntimeServiceClient<Channel> {
        RuntimeServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    fn images(&self) -> ImageServiceClient<Channel> {
        ImageServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    async fn sandboxes(&self, uid: Option<&str>) -> Result<Vec<api::PodSandbox>> {
        let filter = uid.map(|uid| api::PodSandboxFilter { label_selector: uid_label(uid), ..Default::default() });
        let answer =
            self.runtime().list_pod_sandbox(timed(api::ListPodSandboxRequest { filter })).await.map_err(error)?;
        Ok(answer.into_inner().items)
    }

    async fn containers(&self, uid: Option<&str>) -> Result<Vec<api::Container>> {
        let filter = uid.map(|uid| api::ContainerFilter { label_selector: uid_label(uid), ..Default::default() });
        let answer =
            self.runtime().list_containers(timed(api::ListContainersRequest { filter })).await.map_err(error)?;
        Ok(answer.into_inner().containers)
    }
}

fn uid_label(uid: &str) -> HashMap<String, String> {
    HashMap::from([(key::POD_UID.to_string(), uid.to_string())])
}

fn timed<T>(message: T) -> Request<T> {
    within(message, REQUEST_TIMEOUT)
}

fn within<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

fn error(status: Status) -> Error {
    let message = status.message().to_string();
    match status.code() {
        Code::NotFound => Error::NotFound(message),
        Code::DeadlineExceeded | Code::Cancelled => Error::DeadlineExceeded(message),
        Code::Unavailable => Error::Unavailable(message),
        _ => Error::Failed(message),
    }
}

/// What is gone already need not be stopped or removed.
fn absent_is_done(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::NotFound(_)) => Ok(()),
        other => other,
    }
}

#[async_trait]
impl Runtime for Remote {
    async fn version(&self) -> Result<(String, String)> {
        let answer = self
            .runtime()
            .version(timed(api::VersionRequest { version: String::new() }))
            .await
            .map_err(error)?
            .into_inner();
        Ok((answer.runtime_name, answer.runtime_version))
    }

    async fn conditions(&self) -> Result<Vec<api::RuntimeCondition>> {
        let answer = self.runtime().status(timed(api::StatusRequest { verbose: false })).await.map_err(error)?;
        Ok(answer.into_inner().status.unwrap_or_default().conditions)
    }

    async fn digest(&self) -> Result<HashMap<String, u64>> {
        let mut digests: HashMap<String, u64> = HashMap::new();
        let mut add = |labels: &HashMap<String, String>, id: &str, state: i32| {
            let Some(uid) = labels.get(key::POD_UID) else { return };
            let mut hasher = DefaultHasher::new();
            (id, state).hash(&mut hasher);
            // Addition, as the order of the lists means nothing.
            let digest = digests.entry(uid.clone()).or_default();
            *digest = digest.wrapping_add(hasher.finish());
        };
        for sandbox in self.sandboxes(None).await? {
            add(&sandbox.labels, &sandbox.id, sandbox.state);
        }
        for container in self.containers(None).await? {
            add(&container.labels, &container.id, container.state);
        }
        Ok(digests)
    }

    async fn observe(&self, uid: &str) -> Result<PodRuntime> {
        let mut observed = PodRuntime::default();
        for sandbox in self.sandboxes(Some(uid)).await? {
            let request = api::PodSandboxStatusRequest { pod_sandbox_id: sandbox.id.clone(), verbose: false };
            let status = match self.runtime().pod_sandbox_status(timed(request)).await.map_err(error) {
                Ok(answer) => answer.into_inner().status.unwrap_or_default(),
                // Removed between the list and now.
                Err(Error::NotFound(_)) => continue,
                // A dead sandbox whose network is half taken down has no status, but can still be removed.
                Err(Error::Failed(_)) if sandbox.state() == api::PodSandboxState::SandboxNotready => {
                    api::PodSandboxStatus {
                        state: sandbox.state,
                        id: sandbox.id,
                        metadata: sandbox.metadata,
                        created_at: sandbox.created_at,
                        ..Default::default()
                    }
                }
                Err(error) => return Err(error),
            };
            let ready = status.state() == api::PodSandboxState::SandboxReady;
            let metadata = status.metadata.unwrap_or_default();
            let network = status.network.unwrap_or_default();
            let options = status.linux.and_then(|linux| linux.namespaces?.options).unwrap_or_default();
            let ips = std::iter::once(network.ip)
                .chain(network.additional_ips.into_iter().map(|ip| ip.ip))
                .filter(|ip| !ip.is_empty());
            observed.sandboxes.push(SandboxRecord {
                ready,
                attempt: metadata.attempt,
                name: metadata.name,
                namespace: metadata.namespace,
                created_at: status.created_at,
                ips: ips.collect(),
                host_network: options.network() == api::NamespaceMode::Node,
                id: status.id,
            });
        }
        for container in self.containers(Some(uid)).await? {
            let request = api::ContainerStatusRequest { container_id: container.id, verbose: false };
            match self.runtime().container_status(timed(request)).await.map_err(error) {
                Ok(answer) => {
                    let status = answer.into_inner().status.unwrap_or_default();
                    observed.containers.push(ContainerRecord::from_status(status, container.pod_sandbox_id));
                }
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(observed.sorted())
    }

    async fn list_sandboxes(&self) -> Result<Vec<api::PodSandbox>> {
        self.sandboxes(None).await
    }

    async fn list_containers(&self) -> Result<Vec<api::Container>> {
        self.containers(None).await
    }

    async fn run_sandbox(&self, config: api::PodSandboxConfig, handler: &str) -> Result<String> {
        // Creating a sandbox may pull the sandbox image: upstream gives it twice the time.
        let request = api::RunPodSandboxRequest { config: Some(config), runtime_handler: handler.to_string() };
        let answer = self.runtime().run_pod_sandbox(within(request, REQUEST_TIMEOUT * 2)).await.map_err(error)?;
        Ok(answer.into_inner().pod_sandbox_id)
    }

    async fn stop_sandbox(&self, id: &str) -> Result<()> {
        let request = api::StopPodSandboxRequest { pod_sandbox_id: id.to_string() };
        absent_is_done(self.runtime().stop_pod_sandbox(timed(request)).await.map(drop).map_err(error))
    }

    async fn remove_sandbox(&self, id: &str) -> Result<()> {
        let request = api::RemovePodSandboxRequest { pod_sandbox_id: id.to_string() };
        absent_is_done(self.runtime().remove_pod_sandbox(timed(request)).await.map(drop).map_err(error))
    }

    async fn create_container(
        &self,
        sandbox: &str,
        config: api::ContainerConfig,
        sandbox_config: api::PodSandboxConfig,
    ) -> Result<String> {
        let request = api::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_string(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        Ok(self.runtime().create_container(timed(request)).await.map_err(error)?.into_inner().container_id)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        let request = api::StartContainerRequest { container_id: id.to_string() };
        self.runtime().start_container(timed(request)).await.map(drop).map_err(error)
    }

    async fn stop_container(&self, id: &str, grace_seconds: i64) -> Result<()> {
        let timeout = REQUEST_TIMEOUT + Duration::from_secs(grace_seconds.max(0).unsigned_abs());
        let request = api::StopContainerRequest { container_id: id.to_string(), timeout: grace_seconds };
        absent_is_done(self.runtime().stop_container(within(request, timeout)).await.map(drop).map_err(error))
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        let request = api::RemoveContainerRequest { container_id: id.to_string() };
        absent_is_done(self.runtime().remove_container(timed(request)).await.map(drop).map_err(error))
    }

    async fn update_container(&self, id: &str, resources: api::LinuxContainerResources) -> Result<()> {
        let request = api::UpdateContainerResourcesRequest {
            container_id: id.to_string(),
            linux: Some(resources),
            ..Default::default()
        };
        self.runtime().update_container_resources(timed(request)).await.map(drop).map_err(error)
    }

    async fn reopen_log(&self, id: &str) -> Result<()> {
        let request = api::ReopenContainerLogRequest { container_id: id.to_string() };
        self.runtime().reopen_container_log(timed(request)).await.map(drop).map_err(error)
    }

    async fn exec_sync(&self, id: &str, command: Vec<String>, timeout_seconds: i64) -> Result<api::ExecSyncResponse> {
        let message = api::ExecSyncRequest { container_id: id.to_string(), cmd: command, timeout: timeout_seconds };
        let request = match timeout_seconds {
            0 => Request::new(message),
            // The runtime's own timeout comes first and gives the better message.
            seconds => within(message, REQUEST_TIMEOUT + Duration::from_secs(seconds.max(0).unsigned_abs())),
        };
        Ok(self.runtime().exec_sync(request).await.map_err(error)?.into_inner())
    }

    async fn exec(&self, request: api::ExecRequest) -> Result<String> {
        Ok(self.runtime().exec(timed(request)).await.map_err(error)?.into_inner().url)
    }

    async fn attach(&self, request: api::AttachRequest) -> Result<String> {
        Ok(self.runtime().attach(timed(request)).await.map_err(error)?.into_inner().url)
    }

    async fn port_forward(&self, request: api::PortForwardRequest) -> Result<String> {
        Ok(self.runtime().port_forward(timed(request)).await.map_err(error)?.into_inner().url)
    }

    async fn image(&self, reference: &str) -> Result<Option<api::Image>> {
        let image = api::ImageSpec { image: reference.to_string(), ..Default::default() };
        let request = api::ImageStatusRequest { image: Some(image), verbose: false };
        Ok(self.images().image_status(timed(request)).await.map_err(error)?.into_inner().image)
    }

    async fn pull_image(
        &self,
        reference: &str,
        auth: Option<api::AuthConfig>,
        sandbox: api::PodSandboxConfig,
    ) -> Result<String> {
        let image = api::ImageSpec {
            image: reference.to_string(),
            user_specified_image: reference.to_string(),
            ..Default::default()
        };
        // No timeout: the runtime gives up when a pull makes no progress.
        let request = Request::new(api::PullImageRequest { image: Some(image), auth, sandbox_config: Some(sandbox) });
        Ok(self.images().pull_image(request).await.map_err(error)?.into_inner().image_ref)
    }

    async fn list_images(&self) -> Result<Vec<api::Image>> {
        Ok(self
            .images()
            .list_images(timed(api::ListImagesRequest { filter: None }))
            .await
            .map_err(error)?
            .into_inner()
            .images)
    }

    async fn container_stats(&self) -> Result<Vec<api::ContainerStats>> {
        Ok(self
            .runtime()
            .list_container_stats(timed(api::ListContainerStatsRequest { filter: None }))
            .await
            .map_err(error)?
            .into_inner()
            .stats)
    }
}
