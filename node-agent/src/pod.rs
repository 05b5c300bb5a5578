//! Questions about a pod's spec that several rooms ask: identity, QoS class, restart rules, container lookup.

use k8s_openapi::api::core::v1::{Container, ObjectReference, Pod, PodSpec, ResourceRequirements};

use crate::quantity;

/// Where static pods say so, and what the mirror pod of one carries.
pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
pub const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";
pub const CONFIG_HASH: &str = "kubernetes.io/config.hash";
pub const CONFIG_SEEN: &str = "kubernetes.io/config.seen";

pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

pub fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

pub fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// `name_namespace(uid)`, upstream's way to write a pod in messages.
pub fn full_name(pod: &Pod) -> String {
    format!("{}_{}({})", name(pod), namespace(pod), uid(pod))
}

pub fn spec(pod: &Pod) -> &PodSpec {
    static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);
    pod.spec.as_ref().unwrap_or(&EMPTY)
}

pub fn init_containers(pod: &Pod) -> &[Container] {
    spec(pod).init_containers.as_deref().unwrap_or_default()
}

pub fn annotation<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Comes from a file, not from the API.
pub fn is_static(pod: &Pod) -> bool {
    annotation(pod, CONFIG_SOURCE).is_some_and(|source| source != "api")
}

pub fn is_mirror(pod: &Pod) -> bool {
    annotation(pod, CONFIG_MIRROR).is_some()
}

pub fn host_network(pod: &Pod) -> bool {
    spec(pod).host_network == Some(true)
}

/// Deletion was asked for.
pub fn deleting(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Seconds a container may take to end.
pub fn grace_seconds(pod: &Pod) -> i64 {
    pod.metadata.deletion_grace_period_seconds.or(spec(pod).termination_grace_period_seconds).unwrap_or(30)
}

/// The ephemeral containers as the containers they are.
pub fn ephemeral_containers(pod: &Pod) -> Vec<Container> {
    let containers = spec(pod).ephemeral_containers.as_deref().unwrap_or_default();
    containers
        .iter()
        .map(|ephemeral| {
            let ephemeral = ephemeral.clone();
            Container {
                args: ephemeral.args,
                command: ephemeral.command,
                env: ephemeral.env,
                env_from: ephemeral.env_from,
                image: ephemeral.image,
                image_pull_policy: ephemeral.image_pull_policy,
                name: ephemeral.name,
                security_context: ephemeral.security_context,
                stdin: ephemeral.stdin,
                stdin_once: ephemeral.stdin_once,
                termination_message_path: ephemeral.termination_message_path,
                termination_message_policy: ephemeral.termination_message_policy,
                tty: ephemeral.tty,
                volume_mounts: ephemeral.volume_mounts,
                working_dir: ephemeral.working_dir,
                ..Default::default()
            }
        })
        .collect()
}

/// Any container of the pod by name; ephemeral ones are not looked at.
pub fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a Container> {
    spec(pod).containers.iter().chain(init_containers(pod)).find(|container| container.name == name)
}

/// A restartable init container.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn restart_policy(pod: &Pod) -> &str {
    spec(pod).restart_policy.as_deref().unwrap_or("Always")
}

/// The policy a container follows: its own, else its pod's.
pub fn effective_restart_policy<'a>(pod: &'a Pod, container: &'a Container) -> &'a str {
    container.restart_policy.as_deref().unwrap_or_else(|| restart_policy(pod))
}

/// Whether a failure of some container makes it start again (the pod's policy alone).
pub fn restarts_on_failure(pod: &Pod) -> bool {
    restart_policy(pod) != "Never"
}

/// Whether a container that ended with `exit_code` starts again: its restart rules, its policy, its pod's policy.
pub fn restarts_after_exit(pod: &Pod, container: &Container, exit_code: i32) -> bool {
    if container.restart_policy.is_some() {
        let rules = container.restart_policy_rules.as_deref().unwrap_or_default();
        let matching = rules.iter().find(|rule| {
            rule.exit_codes.as_ref().is_some_and(|codes| {
                let listed = codes.values.as_deref().unwrap_or_default().contains(&exit_code);
                if codes.operator == "In" { listed } else { !listed }
            })
        });
        if matching.is_some_and(|rule| rule.action == "Restart") {
            return true;
        }
    }
    match effective_restart_policy(pod, container) {
        "Always" => true,
        "OnFailure" => exit_code != 0,
        _ => false,
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`; what the API decided stands.
pub fn qos_class(pod: &Pod) -> &str {
    if let Some(class) =
        pod.status.as_ref().and_then(|status| status.qos_class.as_deref()).filter(|class| !class.is_empty())
    {
        return class;
    }
    let containers = || spec(pod).containers.iter().chain(init_containers(pod));
    let pod_level = spec(pod).resources.as_ref();
    let all: Vec<Option<&ResourceRequirements>> = match pod_level {
        Some(resources) => vec![Some(resources)],
        None => containers().map(|container| container.resources.as_ref()).collect(),
    };
    let any = all.iter().any(|resources| {
        ["cpu", "memory"].iter().any(|name| {
            quantity::limit_milli(*resources, name).unwrap_or(0) > 0
                || quantity::request_milli(*resources, name).unwrap_or(0) > 0
        })
    });
    let guaranteed = all.iter().all(|resources| {
        ["cpu", "memory"].iter().all(|name| {
            let limit = quantity::limit_milli(*resources, name);
            limit.is_some_and(|limit| limit > 0)
                && quantity::request_milli(*resources, name).is_none_or(|request| Some(request) == limit)
        })
    });
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// The pod as the object of an event.
pub fn reference(pod: &Pod) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".into()),
        kind: Some("Pod".into()),
        name: pod.metadata.name.clone(),
        namespace: pod.metadata.namespace.clone(),
        uid: pod.metadata.uid.clone(),
        resource_version: pod.metadata.resource_version.clone(),
        field_path: None,
    }
}

/// A container of the pod as the object of an event.
pub fn container_reference(pod: &Pod, name: &str) -> ObjectReference {
    let list = if spec(pod).containers.iter().any(|container| container.name == name) {
        "containers"
    } else if init_containers(pod).iter().any(|container| container.name == name) {
        "initContainers"
    } else {
        "ephemeralContainers"
    };
    ObjectReference { field_path: Some(format!("spec.{list}{{{name}}}")), ..reference(pod) }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// A pod from the YAML of its spec.
    pub fn pod(spec: &str) -> Pod {
        Pod {
            metadata: kube::api::ObjectMeta {
                name: Some("p".into()),
                namespace: Some("default".into()),
                uid: Some("u1".into()),
                ..Default::default()
            },
            spec: Some(serde_saphyr::from_str(spec).unwrap()),
            status: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::pod, *};

    #[test]
    fn qos() {
        assert_eq!(qos_class(&pod("containers: [{name: a}]")), "BestEffort");
        assert_eq!(qos_class(&pod("containers: [{name: a, resources: {requests: {cpu: 1}}}]")), "Burstable");
        assert_eq!(
            qos_class(&pod("containers: [{name: a, resources: {limits: {cpu: '1', memory: 1Gi}}}]")),
            "Guaranteed"
        );
        assert_eq!(
            qos_class(&pod(
                "containers: [{name: a, resources: {limits: {cpu: '1', memory: 1Gi}, requests: {cpu: 500m}}}]"
            )),
            "Burstable"
        );
    }

    #[test]
    fn restart_rules() {
        let pod = pod(
            "{restartPolicy: Never, containers: [{name: a, restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]}, {name: b}]}",
        );
        let containers = &spec(&pod).containers;
        assert!(restarts_after_exit(&pod, &containers[0], 42));
        assert!(!restarts_after_exit(&pod, &containers[0], 1));
        assert!(!restarts_after_exit(&pod, &containers[1], 42));
    }
}
