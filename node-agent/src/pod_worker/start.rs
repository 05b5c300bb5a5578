//! Executes a plan: volumes and cgroups, sandbox, init containers, containers.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use controllers_component_base::events::EventType;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use tracing::debug;

use super::{
    Worker, container_config, dns, env, etc_hosts,
    expansion::expand,
    kill,
    plan::{self, Plan},
    resources, sandbox_config, security,
};
use crate::{
    cri::{ContainerPhase, PodRuntime, api},
    go_duration, pod,
    status::generate::Waiting,
    volumes,
};

/// What all containers of one sync share.
struct Started<'a> {
    target: &'a Pod,
    observed: &'a PodRuntime,
    sandbox_id: String,
    sandbox_config: api::PodSandboxConfig,
    ips: Vec<String>,
    volumes: BTreeMap<String, PathBuf>,
}

impl Worker {
    /// Makes the pod as it should be; when to look again, if something waits for its time.
    ///
    /// # Errors
    /// What failed; it is in the status or an event already.
    pub(super) async fn execute(
        &mut self,
        target: &Arc<Pod>,
        observed: &PodRuntime,
    ) -> Result<Option<Timestamp>, String> {
        let resized = self.allocation.lags(target);
        let again = self.carry_out(target, observed).await?;
        if resized {
            // The containers follow: only now may the pod's own limits shrink.
            self.set_up_cgroup(target)?;
        }
        Ok(again)
    }

    /// Makes the pod's cgroup, wide enough for what its containers have and for what they shall have.
    fn set_up_cgroup(&self, target: &Pod) -> Result<String, String> {
        let host = &self.host;
        let actual = self.allocation.lags(target).then(|| self.allocation.actual(target));
        host.cgroups.set_up(target, actual.as_ref()).inspect_err(|error| {
            let message = format!("unable to ensure pod container exists: {error}");
            host.pod_event(target, EventType::Warning, "FailedCreatePodContainer", &message);
        })
    }

    async fn carry_out(&mut self, target: &Arc<Pod>, observed: &PodRuntime) -> Result<Option<Timestamp>, String> {
        let host = self.host.clone();
        let probes = host.probes.results(pod::uid(target));
        let change = |container: &Container| self.allocation.change(container);
        let plan = plan::plan(target, observed, &probes, container_config::hash, change);
        let network_error = host.network_error.lock().clone();
        if let Some(error) = network_error
            && !pod::host_network(target)
            && plan.create_sandbox
        {
            let message = format!("network is not ready: {error}");
            host.pod_event(target, EventType::Warning, "NetworkNotReady", &message);
            return Err(message);
        }
        let cgroup_parent = self.set_up_cgroup(target)?;
        let volumes = self.set_up_volumes(target, observed).await?;

        if plan.kill_pod {
            if plan.create_sandbox && plan.sandbox_id.is_some() {
                host.pod_event(
                    target,
                    EventType::Normal,
                    "SandboxChanged",
                    "Pod sandbox changed, it will be killed and re-created.",
                );
            }
            kill::kill_pod(&host, target, observed, None).await?;
        } else {
            for container in &plan.kill {
                kill::kill_container(&host, target, observed, container, None).await?;
            }
        }
        self.remove_old_records(target, observed, &plan).await;
        let resized = self.resize_containers(target, &plan.resize).await;
        let starts = plan.start_ephemeral.len() + plan.start_init.len() + plan.start.len();
        if starts == 0 && !plan.create_sandbox {
            return resized.map(|()| None);
        }

        let dns = self.dns(target)?;
        let log_dir = host.log_dir(target);
        fs::create_dir_all(&log_dir).map_err(|error| format!("cannot create {}: {error}", log_dir.display()))?;
        let log_dir = log_dir.to_string_lossy().into_owned();
        let sandbox_config = sandbox_config::sandbox_config(
            target,
            plan.attempt,
            dns,
            log_dir,
            cgroup_parent,
            &host.config.cluster_domain,
        )
        .inspect_err(|error| {
            let message = format!("Failed to create pod sandbox: {error}");
            host.pod_event(target, EventType::Warning, "FailedCreatePodSandBox", &message);
        })?;
        let (sandbox_id, ips) = if plan.create_sandbox {
            self.create_sandbox(target, &sandbox_config).await?
        } else {
            (plan.sandbox_id.clone().unwrap_or_default(), observed.ips())
        };
        let ips = if pod::host_network(target) && ips.is_empty() { host.host_ips.clone() } else { ips };
        let started = Started { target, observed, sandbox_id, sandbox_config, ips, volumes };
        let again = self.start_planned(&plan, &started).await?;
        resized.map(|()| again)
    }

    async fn start_planned(&mut self, plan: &Plan, started: &Started<'_>) -> Result<Option<Timestamp>, String> {
        let target = started.target;
        let mut again: Option<Timestamp> = None;
        let mut failed = None;
        let mut sooner = |until: Option<Timestamp>| again = [again, until].into_iter().flatten().min();
        let ephemeral = pod::ephemeral_containers(target);
        for index in &plan.start_ephemeral {
            match self.start_container(started, &ephemeral[*index]).await {
                Ok(until) => sooner(until),
                Err(error) => failed = Some(error),
            }
        }
        for index in &plan.start_init {
            let container = &pod::init_containers(target)[*index];
            match self.start_container(started, container).await {
                Ok(None) => {}
                Ok(Some(until)) if pod::is_sidecar(container) => sooner(Some(until)),
                // The init containers after this one, and the main ones, wait for it.
                Ok(Some(until)) => {
                    sooner(Some(until));
                    return Ok(again);
                }
                Err(error) if pod::is_sidecar(container) => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        for index in &plan.start {
            match self.start_container(started, &pod::spec(target).containers[*index]).await {
                Ok(until) => sooner(until),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(again), Err)
    }

    async fn set_up_volumes(&self, target: &Pod, observed: &PodRuntime) -> Result<BTreeMap<String, PathBuf>, String> {
        let host = &self.host;
        let dir = host.pod_dir(pod::uid(target));
        fs::create_dir_all(dir.join("containers")).map_err(|error| {
            let message = format!("error making pod data directories: {error}");
            host.pod_event(target, EventType::Warning, "Failed", &message);
            message
        })?;
        let ips = observed.ips();
        let request = volumes::Request {
            pod: target,
            pod_dir: &dir,
            objects: host.objects.as_ref(),
            tokens: &host.tokens,
            facts: host.facts(&ips),
            memory_backed: true,
            established: !observed.containers.is_empty(),
        };
        let result = volumes::set_up_all(&request).await;
        result.inspect_err(|error| host.pod_event(target, EventType::Warning, "FailedMount", error))
    }

    fn dns(&self, target: &Pod) -> Result<api::DnsConfig, String> {
        let config = &self.host.config;
        let resolver = dns::Resolver {
            cluster_dns: &config.cluster_dns,
            cluster_domain: &config.cluster_domain,
            resolv_conf: config.resolv_conf.as_deref(),
        };
        let (dns, warning) = resolver.config(target)?;
        if let Some((reason, message)) = warning {
            self.host.pod_event(target, EventType::Warning, reason, &message);
        }
        Ok(dns)
    }

    async fn create_sandbox(
        &mut self,
        target: &Pod,
        config: &api::PodSandboxConfig,
    ) -> Result<(String, Vec<String>), String> {
        let host = &self.host;
        let handler = pod::spec(target).runtime_class_name.as_deref().unwrap_or_default();
        let id = host.runtime.run_sandbox(config.clone(), handler).await.map_err(|error| {
            let message = format!("Failed to create pod sandbox: {error}");
            host.pod_event(target, EventType::Warning, "FailedCreatePodSandBox", &message);
            message
        })?;
        let observed = host.runtime.observe(pod::uid(target)).await.map_err(|error| {
            let message = format!("Unable to get pod sandbox status: {error}");
            host.pod_event(target, EventType::Warning, "FailedPodSandBoxStatus", &message);
            message
        })?;
        // The pod's address is worth telling before its images are there.
        self.set_status(target, &observed);
        let ips = observed
            .sandboxes
            .iter()
            .find(|sandbox| sandbox.id == id)
            .map(|sandbox| sandbox.ips.clone())
            .unwrap_or_default();
        Ok((id, ips))
    }

    /// Removes what no status needs: all but the newest dead container of each name (two of main containers, for
    /// lastState), and in a new sandbox the init containers of the old one, as they run again.
    async fn remove_old_records(&self, target: &Pod, observed: &PodRuntime, plan: &Plan) {
        let is_init = |name: &str| pod::init_containers(target).iter().any(|container| container.name == name);
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for record in &observed.containers {
            let count = seen.entry(&record.name).or_default();
            *count += 1;
            let keep = match is_init(&record.name) {
                true if plan.create_sandbox => 0,
                _ => 2,
            };
            let dead = matches!(record.phase, ContainerPhase::Exited | ContainerPhase::Unknown) || plan.kill_pod;
            if dead
                && *count > keep
                && let Err(error) = self.host.runtime.remove_container(&record.id).await
            {
                debug!("cannot remove container {}: {error}", record.id);
            }
        }
        if plan.create_sandbox {
            // The newest one stays until the pod ends: its attempt number is counted on.
            for sandbox in observed
                .sandboxes
                .iter()
                .skip(1)
                .filter(|sandbox| !observed.containers.iter().any(|c| c.sandbox_id == sandbox.id))
            {
                if let Err(error) = self.host.runtime.remove_sandbox(&sandbox.id).await {
                    debug!("cannot remove sandbox {}: {error}", sandbox.id);
                }
            }
        }
    }

    /// Starts one container; when it may start, if it is in back-off.
    async fn start_container(
        &mut self,
        started: &Started<'_>,
        container: &Container,
    ) -> Result<Option<Timestamp>, String> {
        let name = &container.name;
        if let Some(until) = self.in_backoff(started, container) {
            return Ok(Some(until));
        }
        if self.allocation.actuate(container) {
            self.allocation.store(&self.host.pod_dir(pod::uid(started.target)));
        }
        match self.create_and_start(started, container).await {
            Ok(()) => {
                self.waiting.remove(name);
                Ok(None)
            }
            Err(waiting) => {
                let error = format!("container {name}: {}: {}", waiting.reason, waiting.message);
                self.waiting.insert(name.clone(), waiting);
                Err(error)
            }
        }
    }

    fn in_backoff(&mut self, started: &Started<'_>, container: &Container) -> Option<Timestamp> {
        let target = started.target;
        let ended =
            started.observed.containers.iter().find(|record| record.name == container.name && record.exited())?;
        let since = ended.finished_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let now = Timestamp::now();
        let key = format!("{}_{}", container.name, container_config::hash(container));
        let Some(until) = self.backoff.waits_until(&key, since, now) else {
            self.backoff.next(&key, since, now);
            return None;
        };
        let pod_name = pod::full_name(target);
        let event = format!("Back-off restarting failed container {} in pod {pod_name}", container.name);
        self.host.container_event(target, &container.name, EventType::Warning, "BackOff", &event);
        let delay = go_duration::seconds(self.backoff.delay(&key));
        let message = format!("back-off {delay} restarting failed container={} pod={pod_name}", container.name);
        self.waiting.insert(container.name.clone(), Waiting { reason: "CrashLoopBackOff".into(), message });
        Some(until)
    }

    async fn create_and_start(&self, started: &Started<'_>, container: &Container) -> Result<(), Waiting> {
        let host = &self.host;
        let target = started.target;
        let name = &container.name;
        let failed = |reason: &str, message: String| {
            host.container_event(target, name, EventType::Warning, "Failed", &format!("Error: {message}"));
            Waiting { reason: reason.to_string(), message }
        };
        let image = host.images.ensure(target, container, &started.sandbox_config).await.inspect_err(|waiting| {
            host.container_event(target, name, EventType::Warning, "Failed", &format!("Error: {}", waiting.reason));
        })?;
        let config = self
            .container_config(started, container, &image)
            .await
            .map_err(|error| failed("CreateContainerConfigError", error))?;
        let log_dir = host.log_dir(target).join(name);
        fs::create_dir_all(&log_dir).map_err(|error| {
            failed("CreateContainerConfigError", format!("cannot create {}: {error}", log_dir.display()))
        })?;
        let id = host
            .runtime
            .create_container(&started.sandbox_id, config, started.sandbox_config.clone())
            .await
            .map_err(|error| failed("CreateContainerError", error.to_string()))?;
        host.container_event(target, name, EventType::Normal, "Created", "Container created");
        host.runtime.start_container(&id).await.map_err(|error| failed("RunContainerError", error.to_string()))?;
        host.container_event(target, name, EventType::Normal, "Started", "Container started");
        let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
        if let Some(hook) = hook {
            let ip = started.ips.first().cloned().unwrap_or_default();
            if let Err(message) = kill::run_hook(host, container, &id, &ip, hook).await {
                host.container_event(target, name, EventType::Warning, "FailedPostStartHook", "PostStartHook failed");
                let stop = plan::Kill {
                    id,
                    name: name.clone(),
                    message: "FailedPostStartHook".into(),
                    reason: plan::KillReason::Other,
                };
                let _ = kill::kill_container(host, target, started.observed, &stop, None).await;
                return Err(Waiting { reason: "PostStartHookError".into(), message });
            }
        }
        Ok(())
    }

    async fn container_config(
        &self,
        started: &Started<'_>,
        container: &Container,
        image: &api::Image,
    ) -> Result<api::ContainerConfig, String> {
        let host = &self.host;
        let target = started.target;
        let user = security::ImageUser::of(Some(image));
        security::verify_non_root(target, container, &user)?;
        let facts = host.facts(&started.ips);
        let environment = env::environment(target, container, host.objects.as_ref(), &facts, &started.volumes).await?;
        let restart_count = match started.observed.container(&container.name) {
            Some(record) => record.restart_count + 1,
            None => next_log(&host.log_dir(target).join(&container.name)),
        };
        let mounts = self.mounts(started, container, &environment)?;
        let joined =
            pod::spec(target).ephemeral_containers.iter().flatten().find(|ephemeral| ephemeral.name == container.name);
        let target_id = match joined
            .and_then(|ephemeral| ephemeral.target_container_name.as_deref())
            .filter(|name| !name.is_empty())
        {
            Some(name) => match started.observed.container(name) {
                Some(record) => Some(record.id.as_str()),
                None => return Err(format!("unable to find target container {name}")),
            },
            None => None,
        };
        Ok(container_config::container_config(container_config::Parts {
            pod: target,
            container,
            restart_count,
            image_ref: &image.id,
            environment,
            mounts,
            devices: vec![],
            linux: api::LinuxContainerConfig {
                resources: Some(resources::linux_resources(target, container, host.memory, host.cgroups.is_v2())),
                security_context: Some(security::container_context(target, container, &user, target_id)),
            },
        }))
    }

    fn mounts(
        &self,
        started: &Started<'_>,
        container: &Container,
        environment: &[(String, String)],
    ) -> Result<Vec<api::Mount>, String> {
        let host = &self.host;
        let target = started.target;
        let dir = host.pod_dir(pod::uid(target));
        let lookup = |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let mut mounts = vec![];
        for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
            let path = started.volumes.get(&mount.name).ok_or_else(|| {
                format!("cannot find volume {:?} to mount into container {:?}", mount.name, container.name)
            })?;
            let sub_path = match mount.sub_path_expr.as_deref().filter(|text| !text.is_empty()) {
                Some(text) => expand(text, lookup),
                None => mount.sub_path.clone().unwrap_or_default(),
            };
            let host_path = if sub_path.is_empty() {
                // A hostPath without a type need not exist: as upstream, it becomes a directory.
                if !path.exists() {
                    fs::create_dir_all(path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
                }
                path.clone()
            } else {
                volumes::subpath::bind(&dir, &mount.name, path, &sub_path, &container.name, index)?
            };
            let propagation = match mount.mount_propagation.as_deref() {
                Some("HostToContainer") => api::MountPropagation::PropagationHostToContainer,
                Some("Bidirectional") => api::MountPropagation::PropagationBidirectional,
                _ => api::MountPropagation::PropagationPrivate,
            };
            mounts.push(api::Mount {
                propagation: propagation.into(),
                ..bind(&mount.mount_path, &host_path, mount.read_only == Some(true))
            });
        }
        if etc_hosts::managed(target, container, &started.ips) {
            let (hostname, domain) = sandbox_config::hostname_and_domain(target, &host.config.cluster_domain);
            let path = etc_hosts::write(&dir, target, &started.ips, &hostname, &domain)?;
            mounts.push(bind("/etc/hosts", &path, false));
        }
        if let Some(path) = container.termination_message_path.as_deref().filter(|path| !path.is_empty()) {
            mounts.push(bind(path, &termination_log(&dir, &container.name)?, false));
        }
        Ok(mounts)
    }
}

fn bind(container_path: &str, host_path: &Path, readonly: bool) -> api::Mount {
    let container_path =
        if container_path.starts_with('/') { container_path.to_string() } else { format!("/{container_path}") };
    api::Mount { container_path, host_path: host_path.to_string_lossy().into_owned(), readonly, ..Default::default() }
}

/// A new file for a container's termination message, writable for every user.
fn termination_log(pod_dir: &Path, container: &str) -> Result<PathBuf, String> {
    let dir = pod_dir.join("containers").join(container);
    let path = dir.join(format!("{:08x}", rand::random::<u32>()));
    let failed = |error: std::io::Error| format!("cannot create {}: {error}", path.display());
    fs::create_dir_all(&dir).map_err(failed)?;
    fs::write(&path, "").map_err(failed)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
    Ok(path)
}

/// The number after the newest log's: how often the container ran, where the runtime has no record of it.
fn next_log(log_dir: &Path) -> i32 {
    let names = fs::read_dir(log_dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let numbers = names.filter_map(|name| name.to_str()?.split(".log").next()?.parse::<i32>().ok());
    numbers.max().map_or(0, |last| last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_count_from_logs() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(next_log(&dir.path().join("none")), 0);
        for name in ["0.log", "4.log", "4.log.20200101-000000", "x"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(next_log(dir.path()), 5);
    }
}
