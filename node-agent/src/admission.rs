//! Whether a pod that was bound to this node may run here: the kubelet's last look, in upstream's words.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerPort, Pod};

use crate::{
    pod,
    room::{Needs, Room},
};

/// A pod's phase becomes Failed with this reason and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: String,
    pub message: String,
}

/// What a node allows.
pub struct Admission<'a> {
    pub max_pods: u32,
    /// Sysctls allowed beside the safe ones; a final `*` stands for any rest.
    pub unsafe_sysctls: &'a [String],
    pub room: &'a Room,
}

/// Sysctls that are a pod's own and touch no other pod.
const SAFE_SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

impl Admission<'_> {
    /// Takes the pod in beside the `others`, which did not end, and counts what it needs.
    ///
    /// # Errors
    /// Why it may not run here.
    pub fn admit(&self, target: &Pod, others: &[Arc<Pod>]) -> Result<(), Refusal> {
        let spec = pod::spec(target);
        let refuse = |reason: &str, message: String| {
            Err(Refusal { reason: reason.to_string(), message: format!("Pod was rejected: {message}") })
        };
        if spec.os.as_ref().is_some_and(|os| os.name != "linux") {
            return refuse("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS".into());
        }
        let sysctls = spec.security_context.iter().flat_map(|context| context.sysctls.iter().flatten());
        for sysctl in sysctls {
            if let Err(error) = self.check_sysctl(target, &sysctl.name) {
                return refuse("SysctlForbidden", format!("forbidden sysctl: {error}"));
            }
        }
        if others.len() >= self.max_pods as usize {
            let (used, capacity) = (others.len(), self.max_pods);
            let message =
                format!("Node didn't have enough resource: pods, requested: 1, used: {used}, capacity: {capacity}");
            return refuse("OutOfpods", message);
        }
        if others
            .iter()
            .flat_map(|other| host_ports(other))
            .any(|taken| host_ports(target).any(|own| own.clashes(&taken)))
        {
            let message = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
            return refuse("NodePorts", message.into());
        }
        match self.room.admit(pod::uid(target), Needs::of(target)) {
            Ok(()) => Ok(()),
            Err(lack) => refuse(&format!("OutOf{}", lack.resource), lack.to_string()),
        }
    }

    fn check_sysctl(&self, target: &Pod, name: &str) -> Result<(), String> {
        // Slashes and dots may change places; the first separator says which is which.
        let name: String = match name.find(['.', '/']) {
            Some(first) if name.as_bytes()[first] == b'/' => name
                .chars()
                .map(|letter| match letter {
                    '/' => '.',
                    '.' => '/',
                    other => other,
                })
                .collect(),
            _ => name.to_string(),
        };
        let listed = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *pattern,
        };
        if !SAFE_SYSCTLS.contains(&name.as_str()) && !self.unsafe_sysctls.iter().any(listed) {
            return Err(format!("{name:?} not allowlisted"));
        }
        let spec = pod::spec(target);
        let of_network = name.starts_with("net.");
        if of_network && spec.host_network == Some(true) {
            return Err(format!("{name:?} not allowed with host net enabled"));
        }
        if !of_network && spec.host_ipc == Some(true) {
            return Err(format!("{name:?} not allowed with host ipc enabled"));
        }
        Ok(())
    }
}

/// A port of the node that a pod takes.
struct HostPort<'a> {
    ip: &'a str,
    protocol: &'a str,
    port: i32,
}

impl HostPort<'_> {
    fn clashes(&self, other: &HostPort<'_>) -> bool {
        let any = |ip: &str| ip == "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || any(self.ip) || any(other.ip))
    }
}

fn host_ports(target: &Pod) -> impl Iterator<Item = HostPort<'_>> {
    let sidecars = pod::init_containers(target).iter().filter(|container| pod::is_sidecar(container));
    let ports =
        pod::spec(target).containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    let taken = |port: &ContainerPort| port.host_port.filter(|port| *port > 0);
    ports.filter_map(move |port| {
        Some(HostPort {
            ip: port.host_ip.as_deref().filter(|ip| !ip.is_empty()).unwrap_or("0.0.0.0"),
            protocol: port.protocol.as_deref().unwrap_or("TCP"),
            port: taken(port)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    fn refusal(spec: &str, others: &[&str]) -> String {
        let room = Room::new(&[("cpu".to_string(), "1".to_string())].into());
        let admission = Admission { max_pods: 3, unsafe_sysctls: &["kernel.msg*".to_string()], room: &room };
        let others: Vec<Arc<Pod>> = others.iter().map(|spec| Arc::new(pod_of(spec))).collect();
        match admission.admit(&pod_of(spec), &others) {
            Ok(()) => String::new(),
            Err(refusal) => format!("{}: {}", refusal.reason, refusal.message),
        }
    }

    #[test]
    fn places() {
        let one = "containers: [{name: a, resources: {requests: {cpu: 1}}}]";
        assert_eq!(refusal(one, &[one, one]), "", "others count by what the room holds");
        assert_eq!(
            refusal(one, &[one, one, one]),
            "OutOfpods: Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"
        );
        assert_eq!(
            refusal("containers: [{name: a, resources: {requests: {cpu: 2}}}]", &[]),
            "OutOfcpu: Pod was rejected: Node didn't have enough resource: cpu, requested: 2000, used: 0, capacity: 1000"
        );
    }

    #[test]
    fn ports() {
        let taken = "containers: [{name: a, ports: [{containerPort: 1, hostPort: 80, hostIP: 127.0.0.1}]}]";
        let asks = |port: &str| {
            refusal(&format!("containers: [{{name: a, ports: [{{containerPort: 1, {port}}}]}}]"), &[taken])
        };
        assert_eq!(asks("hostPort: 81"), "");
        assert_eq!(asks("hostPort: 80, protocol: UDP"), "");
        assert_eq!(asks("hostPort: 80, hostIP: 127.0.0.2"), "");
        assert_eq!(
            asks("hostPort: 80"),
            "NodePorts: Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
        );
    }

    #[test]
    fn sysctls() {
        let asks = |name: &str, more: &str| {
            refusal(
                &format!("{{{more} securityContext: {{sysctls: [{{name: {name}, value: '1'}}]}}, containers: []}}"),
                &[],
            )
        };
        assert_eq!(asks("kernel.shm_rmid_forced", ""), "");
        assert_eq!(asks("net/ipv4/tcp_syncookies", ""), "");
        assert_eq!(asks("kernel.msgmax", ""), "", "allowed by a pattern");
        assert_eq!(
            asks("kernel.shmall", ""),
            "SysctlForbidden: Pod was rejected: forbidden sysctl: \"kernel.shmall\" not allowlisted"
        );
        assert!(asks("net.ipv4.tcp_syncookies", "hostNetwork: true,").contains("not allowed with host net enabled"));
        assert!(asks("kernel.shm_rmid_forced", "hostIPC: true,").contains("not allowed with host ipc enabled"));
    }
}
