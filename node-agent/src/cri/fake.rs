//! A runtime in memory: keeps the trait's contract, and does what a test tells it to.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::{ContainerPhase, ContainerRecord, Error, PodRuntime, Result, Runtime, SandboxRecord, api, key};

#[derive(Default)]
pub struct FakeRuntime {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: i64,
    sandboxes: BTreeMap<String, (String, SandboxRecord)>,
    containers: BTreeMap<String, (String, ContainerRecord)>,
    images: Vec<String>,
    /// Every call that changed something.
    calls: Vec<String>,
    refuse_sandboxes: bool,
}

impl FakeRuntime {
    pub fn add_image(&self, reference: &str) {
        self.state.lock().images.push(reference.to_string());
    }

    pub fn refuse_sandboxes(&self, refuse: bool) {
        self.state.lock().refuse_sandboxes = refuse;
    }

    /// Ends the running container of that name.
    pub fn exit(&self, name: &str, code: i32) {
        let mut state = self.state.lock();
        let running = state.containers.values_mut().find(|(_, record)| record.name == name && record.running());
        let (_, record) = running.expect("a running container");
        record.phase = ContainerPhase::Exited;
        record.exit_code = code;
        record.finished_at = Some(Timestamp::now());
    }

    /// What was called since the last time.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().calls)
    }

    pub fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.sandboxes.is_empty() && state.containers.is_empty()
    }
}

impl State {
    fn id(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}{}", self.next)
    }
}

#[async_trait]
impl Runtime for FakeRuntime {
    async fn version(&self) -> Result<(String, String)> {
        Ok(("fake".into(), "1".into()))
    }

    async fn conditions(&self) -> Result<Vec<api::RuntimeCondition>> {
        Ok(vec![])
    }

    async fn digest(&self) -> Result<HashMap<String, u64>> {
        Ok(HashMap::new())
    }

    async fn observe(&self, uid: &str) -> Result<PodRuntime> {
        let state = self.state.lock();
        Ok(PodRuntime {
            sandboxes: state
                .sandboxes
                .values()
                .filter(|(owner, _)| owner == uid)
                .map(|(_, record)| record.clone())
                .collect(),
            containers: state
                .containers
                .values()
                .filter(|(owner, _)| owner == uid)
                .map(|(_, record)| record.clone())
                .collect(),
        }
        .sorted())
    }

    async fn list_sandboxes(&self) -> Result<Vec<api::PodSandbox>> {
        Ok(vec![])
    }

    async fn list_containers(&self) -> Result<Vec<api::Container>> {
        Ok(vec![])
    }

    async fn run_sandbox(&self, config: api::PodSandboxConfig, _: &str) -> Result<String> {
        let mut state = self.state.lock();
        if state.refuse_sandboxes {
            return Err(Error::Failed("no network".into()));
        }
        let id = state.id("s");
        let metadata = config.metadata.unwrap_or_default();
        state.calls.push(format!("sandbox {}", metadata.attempt));
        let record = SandboxRecord {
            id: id.clone(),
            name: metadata.name,
            namespace: metadata.namespace,
            attempt: metadata.attempt,
            ready: true,
            created_at: state.next,
            ips: vec!["10.1.1.1".into()],
            host_network: false,
        };
        state.sandboxes.insert(id.clone(), (metadata.uid, record));
        Ok(id)
    }

    async fn stop_sandbox(&self, id: &str) -> Result<()> {
        let mut state = self.state.lock();
        if let Some((_, record)) = state.sandboxes.get_mut(id) {
            record.ready = false;
        }
        for (_, record) in
            state.containers.values_mut().filter(|(_, record)| record.sandbox_id == id && record.running())
        {
            record.phase = ContainerPhase::Exited;
            record.exit_code = 137;
        }
        Ok(())
    }

    async fn remove_sandbox(&self, id: &str) -> Result<()> {
        self.state.lock().sandboxes.remove(id);
        Ok(())
    }

    async fn create_container(
        &self,
        sandbox: &str,
        config: api::ContainerConfig,
        sandbox_config: api::PodSandboxConfig,
    ) -> Result<String> {
        let mut state = self.state.lock();
        let id = state.id("c");
        let record = ContainerRecord {
            id: id.clone(),
            name: config.metadata.unwrap_or_default().name,
            sandbox_id: sandbox.to_string(),
            phase: ContainerPhase::Created,
            created_at: state.next,
            restart_count: config.annotations[key::RESTART_COUNT].parse().unwrap(),
            hash: config.annotations[key::HASH].clone(),
            ..Default::default()
        };
        state.containers.insert(id.clone(), (sandbox_config.metadata.unwrap_or_default().uid, record));
        Ok(id)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        let mut state = self.state.lock();
        let (_, record) = state.containers.get_mut(id).ok_or_else(|| Error::NotFound(id.into()))?;
        record.phase = ContainerPhase::Running;
        record.started_at = Some(Timestamp::now());
        let call = format!("start {} {}", record.name, record.restart_count);
        state.calls.push(call);
        Ok(())
    }

    async fn stop_container(&self, id: &str, grace_seconds: i64) -> Result<()> {
        let mut state = self.state.lock();
        if let Some((_, record)) = state.containers.get_mut(id) {
            record.phase = ContainerPhase::Exited;
            record.exit_code = 143;
            record.finished_at = Some(Timestamp::now());
            let call = format!("stop {} {grace_seconds}", record.name);
            state.calls.push(call);
        }
        Ok(())
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        self.state.lock().containers.remove(id);
        Ok(())
    }

    async fn update_container(&self, id: &str, resources: api::LinuxContainerResources) -> Result<()> {
        let mut state = self.state.lock();
        let (_, record) = state.containers.get(id).ok_or_else(|| Error::NotFound(id.into()))?;
        let call = format!("update {} to {} shares", record.name, resources.cpu_shares);
        state.calls.push(call);
        Ok(())
    }

    async fn reopen_log(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn exec_sync(&self, _: &str, _: Vec<String>, _: i64) -> Result<api::ExecSyncResponse> {
        Ok(api::ExecSyncResponse::default())
    }

    async fn exec(&self, _: api::ExecRequest) -> Result<String> {
        Err(Error::Failed("not in the fake".into()))
    }

    async fn attach(&self, _: api::AttachRequest) -> Result<String> {
        Err(Error::Failed("not in the fake".into()))
    }

    async fn port_forward(&self, _: api::PortForwardRequest) -> Result<String> {
        Err(Error::Failed("not in the fake".into()))
    }

    async fn image(&self, reference: &str) -> Result<Option<api::Image>> {
        let there = self.state.lock().images.iter().any(|image| image == reference);
        Ok(there.then(|| api::Image { id: format!("sha256:{reference}"), ..Default::default() }))
    }

    async fn pull_image(
        &self,
        reference: &str,
        _: Option<api::AuthConfig>,
        _: api::PodSandboxConfig,
    ) -> Result<String> {
        Err(Error::Failed(format!("failed to resolve reference {reference:?}: no registry")))
    }

    async fn list_images(&self) -> Result<Vec<api::Image>> {
        Ok(vec![])
    }

    async fn container_stats(&self) -> Result<Vec<api::ContainerStats>> {
        Ok(vec![])
    }
}
