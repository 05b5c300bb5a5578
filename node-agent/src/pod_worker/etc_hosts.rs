//! The /etc/hosts that a pod's containers share.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod};

use crate::pod;

/// Whether the kubelet gives this container its /etc/hosts: a mount of the container's own wins.
pub fn managed(target: &Pod, container: &Container, ips: &[String]) -> bool {
    let own = container.volume_mounts.iter().flatten().any(|mount| mount.mount_path == "/etc/hosts");
    !own && (pod::host_network(target) || !ips.is_empty())
}

/// Writes `<pod dir>/etc-hosts` and returns its path.
///
/// # Errors
/// One line with the path.
pub fn write(pod_dir: &Path, target: &Pod, ips: &[String], hostname: &str, domain: &str) -> Result<PathBuf, String> {
    let path = pod_dir.join("etc-hosts");
    let content = if pod::host_network(target) {
        let host = std::fs::read_to_string("/etc/hosts").map_err(|error| format!("cannot read /etc/hosts: {error}"))?;
        format!("# Kubernetes-managed hosts file (host network).\n{host}{}", aliases(target))
    } else {
        let mut text = String::from(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
        );
        for ip in ips {
            match domain {
                "" => text.push_str(&format!("{ip}\t{hostname}\n")),
                domain => text.push_str(&format!("{ip}\t{hostname}.{domain}\t{hostname}\n")),
            }
        }
        text + &aliases(target)
    };
    // Written in place: running containers hold a bind mount of this very file.
    std::fs::write(&path, content).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(path)
}

fn aliases(target: &Pod) -> String {
    let aliases = pod::spec(target).host_aliases.as_deref().unwrap_or_default();
    if aliases.is_empty() {
        return String::new();
    }
    let lines: String = aliases
        .iter()
        .map(|alias| format!("{}\t{}\n", alias.ip, alias.hostnames.as_deref().unwrap_or_default().join("\t")))
        .collect();
    format!("\n# Entries added by HostAliases.\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn content() {
        let dir = tempfile::tempdir().unwrap();
        let pod = pod_of("{hostAliases: [{ip: 1.2.3.4, hostnames: [x, y]}], containers: []}");
        let path = write(dir.path(), &pod, &["10.0.0.2".into()], "h", "sub.default.svc.cluster.local").unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("10.0.0.2\th.sub.default.svc.cluster.local\th\n"));
        assert!(text.ends_with("\n# Entries added by HostAliases.\n1.2.3.4\tx\ty\n"));
    }
}
