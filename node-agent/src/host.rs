//! What every pod's worker and the servers share.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use controllers_component_base::events::{EventType, Recorder};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use parking_lot::Mutex;

use crate::{
    cgroups::Cgroups, config::Config, cri::Runtime, field_ref::NodeFacts, images::Images, objects::Objects, pod,
    probes::Prober, room::Room, status::manager::StatusManager, volumes::TokenCache,
};

/// One per agent.
pub struct Host {
    pub config: Config,
    pub runtime: Arc<dyn Runtime>,
    /// `containerd` in `containerd://<id>`.
    pub runtime_name: String,
    pub objects: Arc<dyn Objects>,
    pub recorder: Recorder,
    pub images: Images,
    pub cgroups: Cgroups,
    pub tokens: TokenCache,
    pub statuses: Arc<StatusManager>,
    pub probes: Prober,
    /// Bytes.
    pub memory: i64,
    /// Allocatable resources of the node.
    pub allocatable: BTreeMap<String, String>,
    pub room: Room,
    pub host_ips: Vec<String>,
    pub started: Timestamp,
    /// Why the runtime's network is not ready.
    pub network_error: Mutex<Option<String>>,
}

impl Host {
    pub fn pod_dir(&self, uid: &str) -> PathBuf {
        self.config.root_dir.join("pods").join(uid)
    }

    /// `<logs dir>/<namespace>_<name>_<uid>`
    pub fn log_dir(&self, target: &Pod) -> PathBuf {
        let name = crate::pod_worker::sandbox_config::log_dir_name(
            pod::namespace(target),
            pod::name(target),
            pod::uid(target),
        );
        self.config.pod_logs_dir.join(name)
    }

    pub fn facts<'a>(&'a self, pod_ips: &'a [String]) -> NodeFacts<'a> {
        NodeFacts { host_ips: &self.host_ips, pod_ips, allocatable: &self.allocatable }
    }

    pub fn pod_event(&self, target: &Pod, kind: EventType, reason: &str, message: &str) {
        self.recorder.event(&pod::reference(target), kind, reason, message);
    }

    pub fn container_event(&self, target: &Pod, container: &str, kind: EventType, reason: &str, message: &str) {
        self.recorder.event(&pod::container_reference(target, container), kind, reason, message);
    }
}
