//! Security contexts: the pod's and the container's merged, as CRI takes them, and the non-root check.

use k8s_openapi::api::core::v1::{Container, Pod, PodSecurityContext, SeccompProfile};

use crate::{cri::api, pod};

/// Paths hidden from containers that are not privileged.
const MASKED: [&str; 10] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
];
const MASKED_MORE: [&str; 2] = ["/sys/firmware", "/sys/devices/virtual/powercap"];
const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The container's CRI security context. `target_id` is the container an ephemeral container joins.
pub fn container_context(
    target: &Pod,
    container: &Container,
    image: &ImageUser,
    target_id: Option<&str>,
) -> api::LinuxContainerSecurityContext {
    let pod_level = pod::spec(target).security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let privileged = own.privileged == Some(true);
    let run_as_user = own.run_as_user.or(pod_level.run_as_user);
    let run_as_group = own.run_as_group.or(pod_level.run_as_group);
    let mut context = api::LinuxContainerSecurityContext {
        privileged,
        readonly_rootfs: own.read_only_root_filesystem == Some(true),
        no_new_privs: own.allow_privilege_escalation == Some(false),
        namespace_options: Some(namespaces(target, target_id)),
        run_as_group: run_as_group.map(|value| api::Int64Value { value }),
        supplemental_groups: supplemental_groups(&pod_level),
        supplemental_groups_policy: match pod_level.supplemental_groups_policy.as_deref() {
            Some("Strict") => api::SupplementalGroupsPolicy::Strict.into(),
            _ => api::SupplementalGroupsPolicy::Merge.into(),
        },
        seccomp: Some(seccomp(own.seccomp_profile.as_ref().or(pod_level.seccomp_profile.as_ref()))),
        ..Default::default()
    };
    match run_as_user {
        Some(value) => context.run_as_user = Some(api::Int64Value { value }),
        // A group without a user is not taken by CRI: the image's user is named.
        None => match image {
            ImageUser::Uid(value) => context.run_as_user = Some(api::Int64Value { value: *value }),
            ImageUser::Name(name) => context.run_as_username = name.clone(),
        },
    }
    if let Some(capabilities) = &own.capabilities {
        context.capabilities = Some(api::Capability {
            add_capabilities: capabilities.add.clone().unwrap_or_default(),
            drop_capabilities: capabilities.drop.clone().unwrap_or_default(),
            ..Default::default()
        });
    }
    if let Some(options) = own.se_linux_options.as_ref().or(pod_level.se_linux_options.as_ref()) {
        context.selinux_options = Some(api::SeLinuxOption {
            user: options.user.clone().unwrap_or_default(),
            role: options.role.clone().unwrap_or_default(),
            r#type: options.type_.clone().unwrap_or_default(),
            level: options.level.clone().unwrap_or_default(),
        });
    }
    if let Some(profile) = own.app_armor_profile.as_ref().or(pod_level.app_armor_profile.as_ref()) {
        context.apparmor = Some(profile_of(&profile.type_, profile.localhost_profile.clone()));
    }
    if !privileged && own.proc_mount.as_deref() != Some("Unmasked") {
        context.masked_paths = MASKED.iter().chain(&MASKED_MORE).map(|path| path.to_string()).collect();
        context.readonly_paths = READONLY.iter().map(|path| path.to_string()).collect();
    }
    context
}

/// The sandbox's CRI security context.
pub fn sandbox_context(target: &Pod) -> api::LinuxSandboxSecurityContext {
    let pod_level = pod::spec(target).security_context.clone().unwrap_or_default();
    let privileged =
        |container: &Container| container.security_context.as_ref().is_some_and(|own| own.privileged == Some(true));
    api::LinuxSandboxSecurityContext {
        privileged: pod::spec(target).containers.iter().chain(pod::init_containers(target)).any(privileged),
        namespace_options: Some(namespaces(target, None)),
        run_as_user: pod_level.run_as_user.map(|value| api::Int64Value { value }),
        // CRI refuses a group without a user.
        run_as_group: pod_level
            .run_as_group
            .filter(|_| pod_level.run_as_user.is_some())
            .map(|value| api::Int64Value { value }),
        supplemental_groups: supplemental_groups(&pod_level),
        seccomp: Some(profile_of("RuntimeDefault", None)),
        ..Default::default()
    }
}

/// The user of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageUser {
    Uid(i64),
    Name(String),
}

impl ImageUser {
    pub fn of(image: Option<&api::Image>) -> Self {
        match image {
            Some(api::Image { uid: Some(uid), .. }) => ImageUser::Uid(uid.value),
            Some(image) if !image.username.is_empty() => ImageUser::Name(image.username.clone()),
            _ => ImageUser::Uid(0),
        }
    }
}

/// The runAsNonRoot check, in upstream's words.
///
/// # Errors
/// The message of CreateContainerConfigError.
pub fn verify_non_root(target: &Pod, container: &Container, image: &ImageUser) -> Result<(), String> {
    let pod_level = pod::spec(target).security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    if own.run_as_non_root.or(pod_level.run_as_non_root) != Some(true) {
        return Ok(());
    }
    let place = format!("(pod: {:?}, container: {})", pod::full_name(target), container.name);
    match own.run_as_user.or(pod_level.run_as_user) {
        Some(0) => Err(format!("container's runAsUser breaks non-root policy {place}")),
        Some(_) => Ok(()),
        None => match image {
            ImageUser::Uid(0) => Err(format!("container has runAsNonRoot and image will run as root {place}")),
            ImageUser::Uid(_) => Ok(()),
            ImageUser::Name(name) => Err(format!(
                "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root {place}"
            )),
        },
    }
}

fn namespaces(target: &Pod, target_id: Option<&str>) -> api::NamespaceOption {
    let spec = pod::spec(target);
    let of = |host: Option<bool>| if host == Some(true) { api::NamespaceMode::Node } else { api::NamespaceMode::Pod };
    let pid = match target_id {
        Some(_) => api::NamespaceMode::Target,
        None if spec.host_pid == Some(true) => api::NamespaceMode::Node,
        None if spec.share_process_namespace == Some(true) => api::NamespaceMode::Pod,
        None => api::NamespaceMode::Container,
    };
    api::NamespaceOption {
        network: of(spec.host_network).into(),
        ipc: of(spec.host_ipc).into(),
        pid: pid.into(),
        target_id: target_id.unwrap_or_default().to_string(),
        userns_options: None,
    }
}

fn supplemental_groups(context: &PodSecurityContext) -> Vec<i64> {
    context.fs_group.into_iter().chain(context.supplemental_groups.iter().flatten().copied()).collect()
}

fn seccomp(profile: Option<&SeccompProfile>) -> api::SecurityProfile {
    match profile {
        Some(profile) => profile_of(
            &profile.type_,
            profile.localhost_profile.as_ref().map(|path| format!("/var/lib/kubelet/seccomp/{path}")),
        ),
        None => profile_of("Unconfined", None),
    }
}

fn profile_of(kind: &str, localhost: Option<String>) -> api::SecurityProfile {
    use api::security_profile::ProfileType;
    let profile_type = match kind {
        "RuntimeDefault" => ProfileType::RuntimeDefault,
        "Localhost" => ProfileType::Localhost,
        _ => ProfileType::Unconfined,
    };
    api::SecurityProfile { profile_type: profile_type.into(), localhost_ref: localhost.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn merged() {
        let pod = pod_of(
            "{shareProcessNamespace: true, securityContext: {runAsUser: 5, runAsGroup: 6, fsGroup: 7, seccompProfile: {type: RuntimeDefault}}, containers: [{name: a, securityContext: {runAsUser: 9, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}, {name: b, securityContext: {privileged: true}}]}",
        );
        let containers = &pod::spec(&pod).containers;
        let context = container_context(&pod, &containers[0], &ImageUser::Uid(0), None);
        assert_eq!(context.run_as_user.unwrap().value, 9);
        assert_eq!(context.run_as_group.unwrap().value, 6);
        assert_eq!(context.supplemental_groups, [7]);
        assert!(context.no_new_privs && context.readonly_rootfs && !context.masked_paths.is_empty());
        assert_eq!(context.namespace_options.unwrap().pid(), api::NamespaceMode::Pod);
        assert_eq!(context.seccomp.unwrap().profile_type(), api::security_profile::ProfileType::RuntimeDefault);
        let context = container_context(&pod, &containers[1], &ImageUser::Uid(0), None);
        assert!(context.privileged && context.masked_paths.is_empty());
        assert!(sandbox_context(&pod).privileged);
    }

    #[test]
    fn non_root() {
        let check = |spec: &str, image: ImageUser| {
            let pod = pod_of(spec);
            verify_non_root(&pod, &pod::spec(&pod).containers[0], &image)
        };
        let spec = "{securityContext: {runAsNonRoot: true}, containers: [{name: a}]}";
        assert_eq!(
            check(spec, ImageUser::Uid(0)).unwrap_err(),
            "container has runAsNonRoot and image will run as root (pod: \"p_default(u1)\", container: a)"
        );
        assert!(check(spec, ImageUser::Uid(3)).is_ok());
        assert!(check(spec, ImageUser::Name("x".into())).unwrap_err().contains("non-numeric user (x)"));
        assert!(
            check("{securityContext: {runAsNonRoot: true, runAsUser: 3}, containers: [{name: a}]}", ImageUser::Uid(0))
                .is_ok()
        );
        assert!(check("containers: [{name: a}]", ImageUser::Uid(0)).is_ok());
    }
}
