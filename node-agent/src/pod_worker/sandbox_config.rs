//! The CRI configuration of a pod's sandbox.

use k8s_openapi::api::core::v1::Pod;

use super::security;
use crate::{
    cri::{api, key},
    pod,
};

/// Directory name of a pod's logs: `<namespace>_<name>_<uid>`.
pub fn log_dir_name(namespace: &str, name: &str, uid: &str) -> String {
    format!("{namespace}_{name}_{uid}")
}

/// The host name and the domain (empty without a subdomain) that the pod's containers see.
pub fn hostname_and_domain(target: &Pod, cluster_domain: &str) -> (String, String) {
    let spec = pod::spec(target);
    if let Some(name) = spec.hostname_override.as_ref().filter(|name| !name.is_empty()) {
        return (name.clone(), String::new());
    }
    let hostname = match spec.hostname.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => name.to_string(),
        // A host name is at most 63 characters and ends in an alphanumeric one.
        None => pod::name(target).chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_string(),
    };
    let domain = match spec.subdomain.as_deref().filter(|name| !name.is_empty()) {
        Some(subdomain) => format!("{subdomain}.{}.svc.{cluster_domain}", pod::namespace(target)),
        None => String::new(),
    };
    (hostname, domain)
}

/// Builds the configuration; an empty `cgroup_parent` leaves the place to the runtime.
///
/// # Errors
/// A fully qualified name that is too long for the kernel.
pub fn sandbox_config(
    target: &Pod,
    attempt: u32,
    dns: api::DnsConfig,
    log_directory: String,
    cgroup_parent: String,
    cluster_domain: &str,
) -> Result<api::PodSandboxConfig, String> {
    let spec = pod::spec(target);
    let mut labels: std::collections::HashMap<String, String> =
        target.metadata.labels.clone().unwrap_or_default().into_iter().collect();
    labels.insert(key::POD_NAME.into(), pod::name(target).into());
    labels.insert(key::POD_NAMESPACE.into(), pod::namespace(target).into());
    labels.insert(key::POD_UID.into(), pod::uid(target).into());
    let mut hostname = String::new();
    if !pod::host_network(target) {
        let (name, domain) = hostname_and_domain(target, cluster_domain);
        hostname = name;
        if spec.set_hostname_as_fqdn == Some(true) && !domain.is_empty() {
            hostname = format!("{hostname}.{domain}");
            if hostname.len() > 64 {
                return Err(format!(
                    "failed to construct FQDN from pod hostname and cluster domain, FQDN {hostname} is too long (64 characters is the max, {} characters requested)",
                    hostname.len()
                ));
            }
        }
    }
    let sysctls = spec.security_context.iter().flat_map(|context| context.sysctls.iter().flatten());
    Ok(api::PodSandboxConfig {
        metadata: Some(api::PodSandboxMetadata {
            name: pod::name(target).into(),
            namespace: pod::namespace(target).into(),
            uid: pod::uid(target).into(),
            attempt,
        }),
        hostname,
        log_directory,
        dns_config: Some(dns),
        port_mappings: port_mappings(target),
        labels,
        annotations: target.metadata.annotations.clone().unwrap_or_default().into_iter().collect(),
        linux: Some(api::LinuxPodSandboxConfig {
            cgroup_parent,
            security_context: Some(security::sandbox_context(target)),
            sysctls: sysctls.map(|sysctl| (sysctl.name.clone(), sysctl.value.clone())).collect(),
            ..Default::default()
        }),
        windows: None,
    })
}

fn port_mappings(target: &Pod) -> Vec<api::PortMapping> {
    let sidecars = pod::init_containers(target).iter().filter(|container| pod::is_sidecar(container));
    let ports =
        pod::spec(target).containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    ports
        .map(|port| api::PortMapping {
            protocol: match port.protocol.as_deref() {
                Some("UDP") => api::Protocol::Udp,
                Some("SCTP") => api::Protocol::Sctp,
                _ => api::Protocol::Tcp,
            }
            .into(),
            container_port: port.container_port,
            host_port: port.host_port.unwrap_or_default(),
            host_ip: port.host_ip.clone().unwrap_or_default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn names() {
        assert_eq!(hostname_and_domain(&pod_of("containers: []"), "c.l"), ("p".into(), String::new()));
        let pod = pod_of("{hostname: h, subdomain: s, containers: []}");
        assert_eq!(hostname_and_domain(&pod, "c.l"), ("h".into(), "s.default.svc.c.l".into()));
        let config = sandbox_config(&pod, 2, api::DnsConfig::default(), "/l".into(), String::new(), "c.l").unwrap();
        assert_eq!((config.hostname.as_str(), config.labels[key::POD_UID].as_str()), ("h", "u1"));
        assert_eq!(config.metadata.unwrap().attempt, 2);
    }

    #[test]
    fn ports() {
        let pod = pod_of(
            "containers: [{name: a, ports: [{containerPort: 80, hostPort: 8080}, {containerPort: 53, protocol: UDP}]}]",
        );
        let ports = port_mappings(&pod);
        assert_eq!((ports[0].host_port, ports[1].protocol()), (8080, api::Protocol::Udp));
    }
}
