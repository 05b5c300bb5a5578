//! The CRI configuration of a container, and the hash that tells whether its spec changed.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::{Container, Pod};

use super::expansion::expand;
use crate::{
    cri::{api, key},
    pod,
};

/// What the configuration is made of, gathered by the worker.
pub struct Parts<'a> {
    pub pod: &'a Pod,
    pub container: &'a Container,
    pub restart_count: i32,
    /// The image's id in the local store.
    pub image_ref: &'a str,
    pub environment: Vec<(String, String)>,
    pub mounts: Vec<api::Mount>,
    pub devices: Vec<api::Device>,
    pub linux: api::LinuxContainerConfig,
}

/// Hash of what a running container cannot follow: a change of its image starts it anew.
pub fn hash(container: &Container) -> String {
    // FNV-1a, 32 bits, over name and image.
    let text = serde_json::json!({"name": container.name, "image": container.image.as_deref().unwrap_or_default()})
        .to_string();
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:x}")
}

/// Builds the configuration.
pub fn container_config(parts: Parts) -> api::ContainerConfig {
    let container = parts.container;
    let lookup: BTreeMap<&str, &str> =
        parts.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expanded = |texts: &Option<Vec<String>>| -> Vec<String> {
        texts
            .iter()
            .flatten()
            .map(|text| expand(text, |name| lookup.get(name).map(|value| value.to_string())))
            .collect()
    };
    api::ContainerConfig {
        metadata: Some(api::ContainerMetadata {
            name: container.name.clone(),
            attempt: parts.restart_count.max(0).unsigned_abs(),
        }),
        image: Some(api::ImageSpec {
            image: parts.image_ref.to_string(),
            user_specified_image: container.image.clone().unwrap_or_default(),
            ..Default::default()
        }),
        command: expanded(&container.command),
        args: expanded(&container.args),
        working_dir: container.working_dir.clone().unwrap_or_default(),
        labels: labels(parts.pod, container),
        annotations: annotations(parts.pod, container, parts.restart_count),
        log_path: format!("{}/{}.log", container.name, parts.restart_count),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        tty: container.tty == Some(true),
        envs: parts
            .environment
            .iter()
            .map(|(name, value)| api::KeyValue { key: name.clone(), value: value.clone() })
            .collect(),
        mounts: parts.mounts,
        devices: parts.devices,
        linux: Some(parts.linux),
        ..Default::default()
    }
}

fn labels(target: &Pod, container: &Container) -> HashMap<String, String> {
    HashMap::from([
        (key::POD_NAME.to_string(), pod::name(target).to_string()),
        (key::POD_NAMESPACE.to_string(), pod::namespace(target).to_string()),
        (key::POD_UID.to_string(), pod::uid(target).to_string()),
        (key::CONTAINER_NAME.to_string(), container.name.clone()),
    ])
}

fn annotations(target: &Pod, container: &Container, restart_count: i32) -> HashMap<String, String> {
    let mut annotations = HashMap::from([
        (key::HASH.to_string(), hash(container)),
        (key::RESTART_COUNT.to_string(), restart_count.to_string()),
        (key::TERMINATION_MESSAGE_PATH.to_string(), container.termination_message_path.clone().unwrap_or_default()),
        (key::TERMINATION_MESSAGE_POLICY.to_string(), container.termination_message_policy.clone().unwrap_or_default()),
    ]);
    if let Some(grace) = target.metadata.deletion_grace_period_seconds {
        annotations.insert(key::DELETION_GRACE.to_string(), grace.to_string());
    }
    if let Some(grace) = pod::spec(target).termination_grace_period_seconds {
        annotations.insert(key::TERMINATION_GRACE.to_string(), grace.to_string());
    }
    let mut json = |key: &str, value: Result<String, serde_json::Error>| {
        if let Ok(value) = value {
            annotations.insert(key.to_string(), value);
        }
    };
    if let Some(hook) = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref()) {
        json(key::PRE_STOP, serde_json::to_string(hook));
    }
    if let Some(ports) = container.ports.as_ref().filter(|ports| !ports.is_empty()) {
        json(key::PORTS, serde_json::to_string(ports));
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn config() {
        let pod = pod_of(
            "{terminationGracePeriodSeconds: 5, containers: [{name: a, image: i, command: ['sh', '$(X)'], ports: [{containerPort: 1}]}]}",
        );
        let container = &pod::spec(&pod).containers[0];
        let config = container_config(Parts {
            pod: &pod,
            container,
            restart_count: 3,
            image_ref: "sha256:1",
            environment: vec![("X".into(), "y".into())],
            mounts: vec![],
            devices: vec![],
            linux: api::LinuxContainerConfig::default(),
        });
        assert_eq!(config.command, ["sh", "y"]);
        assert_eq!(config.log_path, "a/3.log");
        assert_eq!(config.annotations[key::RESTART_COUNT], "3");
        assert_eq!(config.annotations[key::TERMINATION_GRACE], "5");
        assert_eq!(config.annotations[key::PORTS], "[{\"containerPort\":1}]");
    }

    #[test]
    fn hash_follows_the_image() {
        let pod =
            pod_of("containers: [{name: a, image: i}, {name: a, image: j}, {name: a, image: i, env: [{name: x}]}]");
        let containers = &pod::spec(&pod).containers;
        assert_ne!(hash(&containers[0]), hash(&containers[1]));
        assert_eq!(hash(&containers[0]), hash(&containers[2]));
    }
}
