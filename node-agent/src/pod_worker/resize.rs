//! Carries out resizes: asks for room, changes running containers, and says how far it came in conditions and events.

use std::sync::Arc;

use controllers_component_base::events::EventType;
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Container, Pod, PodCondition, ResourceRequirements},
    apimachinery::pkg::apis::meta::v1::Time,
};
use serde::Serialize;

use super::{Desired, Worker, allocation::Change, plan::Update, resources};
use crate::{
    cri::PodRuntime,
    pod, quantity,
    room::Needs,
    status::conditions::{RESIZE_IN_PROGRESS, RESIZE_PENDING},
};

/// How far a resize is; each note becomes a condition.
#[derive(Debug, Default)]
pub struct Resize {
    pending: Option<Note>,
    in_progress: Option<Note>,
}

#[derive(Clone, Debug, PartialEq)]
struct Note {
    reason: &'static str,
    message: String,
    /// The pod's generation whose resources it is about.
    generation: Option<i64>,
    since: Timestamp,
}

impl Resize {
    pub fn conditions(&self) -> Vec<PodCondition> {
        let condition = |kind: &str, note: &Note| PodCondition {
            type_: kind.to_string(),
            status: "True".into(),
            reason: Some(note.reason.to_string()).filter(|reason| !reason.is_empty()),
            message: Some(note.message.clone()).filter(|message| !message.is_empty()),
            last_probe_time: Some(Time(note.since)),
            last_transition_time: Some(Time(note.since)),
            observed_generation: note.generation,
        };
        let pending = self.pending.iter().map(|note| condition(RESIZE_PENDING, note));
        pending.chain(self.in_progress.iter().map(|note| condition(RESIZE_IN_PROGRESS, note))).collect()
    }

    /// A resize waits for room, which nobody tells of.
    pub fn waits(&self) -> bool {
        self.pending.is_some()
    }
}

impl Note {
    fn new(reason: &'static str, message: String, target: &Pod) -> Self {
        Self { reason, message, generation: target.metadata.generation, since: Timestamp::now() }
    }
}

impl Worker {
    /// The pod with what the node grants it; a resize is granted where there is room for it.
    pub(super) fn allocate(&mut self, desired: &Desired) -> Desired {
        let wanted = &desired.pod;
        let uid = pod::uid(wanted);
        if self.allocation.grants(wanted) {
            self.resize.pending = None;
        } else if !desired.must_end() && self.failed.is_none() && !self.stage.ending() {
            match self.host.room.admit(uid, Needs::of(wanted)) {
                Ok(()) => {
                    self.allocation.grant(wanted);
                    self.allocation.store(&self.host.pod_dir(uid));
                    self.resize.pending = None;
                    self.resize.in_progress = Some(Note::new("", String::new(), wanted));
                    self.resize_event(wanted, EventType::Normal, "ResizeStarted", "Pod resize started", "");
                }
                Err(lack) => {
                    let new = Note::new("Deferred", lack.to_string(), wanted);
                    let known = self.resize.pending.as_ref();
                    if known.is_none_or(|known| known.generation != new.generation) {
                        self.resize_event(
                            wanted,
                            EventType::Warning,
                            "ResizeDeferred",
                            "Pod resize Deferred",
                            &new.message,
                        );
                        self.resize.pending = Some(new);
                    } else if let Some(known) = &mut self.resize.pending {
                        known.message = new.message;
                    }
                }
            }
        }
        Desired { pod: self.allocation.granted(wanted), gone: desired.gone }
    }

    /// Says whether running containers still have to follow what was granted.
    pub(super) fn note_resize(&mut self, granted: &Pod, observed: &PodRuntime) {
        let containers = pod::spec(granted).containers.iter();
        let sidecars = pod::init_containers(granted).iter().filter(|container| pod::is_sidecar(container));
        let under_way = containers.chain(sidecars).any(|container| {
            observed.container(&container.name).is_some_and(|record| record.running())
                && self.allocation.change(container) != Change::None
        });
        match (self.resize.in_progress.is_some(), under_way) {
            (false, true) => self.resize.in_progress = Some(Note::new("", String::new(), granted)),
            (true, false) => {
                self.resize.in_progress = None;
                self.resize_event(granted, EventType::Normal, "ResizeCompleted", "Pod resize completed", "");
            }
            _ => {}
        }
    }

    /// Brings running containers to what was granted; what fails is noted and tried again.
    ///
    /// # Errors
    /// The first container that could not be changed.
    pub(super) async fn resize_containers(&mut self, granted: &Arc<Pod>, updates: &[Update]) -> Result<(), String> {
        let result = self.try_resize(granted, updates).await;
        if let Err(message) = &result {
            let known = self.resize.in_progress.take();
            let news = known.as_ref().is_none_or(|known| known.message != *message);
            let mut note = Note::new("Error", message.clone(), granted);
            if let Some(known) = known {
                note.generation = known.generation;
                note.since = if news { note.since } else { known.since };
            }
            self.resize.in_progress = Some(note);
            if news {
                self.resize_event(granted, EventType::Warning, "ResizeError", "Pod resize error", message);
            }
        }
        result
    }

    async fn try_resize(&mut self, granted: &Arc<Pod>, updates: &[Update]) -> Result<(), String> {
        self.check_memory_use(granted, updates).await?;
        let host = self.host.clone();
        for update in updates {
            let Some(container) = pod::container(granted, &update.name) else { continue };
            let resources = resources::updated_resources(granted, container, host.memory, host.cgroups.is_v2());
            host.runtime
                .update_container(&update.id, resources)
                .await
                .map_err(|error| format!("cannot update resources of container {}: {error}", update.name))?;
            self.allocation.actuate(container);
            self.allocation.store(&host.pod_dir(pod::uid(granted)));
        }
        Ok(())
    }

    /// A limit below what is used would end the container: it is refused as long as that is so.
    async fn check_memory_use(&self, granted: &Pod, updates: &[Update]) -> Result<(), String> {
        let limit = |own: Option<&ResourceRequirements>| resources::bytes(quantity::limit_milli(own, "memory"));
        let mut shrinking = vec![];
        for update in updates {
            let after = limit(pod::container(granted, &update.name).and_then(|container| container.resources.as_ref()));
            let before = limit(self.allocation.actuated(&update.name));
            if after > 0 && (before == 0 || after < before) {
                shrinking.push((update, after));
            }
        }
        if shrinking.is_empty() {
            return Ok(());
        }
        let stats = self.host.runtime.container_stats().await.map_err(|error| error.to_string())?;
        let mut refused = vec![];
        for (Update { id, name }, limit) in shrinking {
            let own = stats.iter().find(|stats| stats.attributes.as_ref().is_some_and(|own| own.id == *id));
            match own.and_then(|stats| Some(stats.memory.as_ref()?.usage_bytes.as_ref()?.value)) {
                Some(usage) if usage >= limit.unsigned_abs() => refused.push(format!(
                    "attempting to set container {name:?} memory limit ({limit}) below current usage ({usage})"
                )),
                Some(_) => {}
                None => refused.push(format!("missing container {name:?} memory usage")),
            }
        }
        match refused.as_slice() {
            [] => Ok(()),
            [one] => Err(format!("cannot decrease memory limits: {one}")),
            several => Err(format!("cannot decrease memory limits: [{}]", several.join(", "))),
        }
    }

    fn resize_event(&self, target: &Pod, kind: EventType, reason: &str, prefix: &str, error: &str) {
        let message = match serde_json::to_string(&Summary::of(target, error)) {
            Ok(summary) => format!("{prefix}: {summary}"),
            Err(_) => prefix.to_string(),
        };
        self.host.pod_event(target, kind, reason, &message);
    }
}

/// What an event about a resize says of the pod.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    init_containers: Vec<Of<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    containers: Vec<Of<'a>>,
    generation: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'a str,
}

#[derive(Serialize)]
struct Of<'a> {
    name: &'a str,
    resources: ResourceRequirements,
}

impl<'a> Summary<'a> {
    fn of(target: &'a Pod, error: &'a str) -> Self {
        let of = |container: &'a Container| Of {
            name: &container.name,
            resources: container.resources.clone().unwrap_or_default(),
        };
        Summary {
            init_containers: pod::init_containers(target).iter().map(of).collect(),
            containers: pod::spec(target).containers.iter().map(of).collect(),
            generation: target.metadata.generation.unwrap_or_default(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn summary() {
        let pod = pod_of("containers: [{name: a, resources: {requests: {cpu: 1m}}}]");
        assert_eq!(
            serde_json::to_string(&Summary::of(&pod, "no")).unwrap(),
            r#"{"containers":[{"name":"a","resources":{"requests":{"cpu":"1m"}}}],"generation":0,"error":"no"}"#
        );
    }
}
