//! A pod's resolver configuration by its dnsPolicy.

use std::path::Path;

use k8s_openapi::api::core::v1::Pod;

use crate::{cri::api::DnsConfig, pod};

const MAX_SERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;

/// Reason and message of a warning event.
pub type Warning = (&'static str, String);

/// What the cluster and the host offer.
pub struct Resolver<'a> {
    pub cluster_dns: &'a [String],
    pub cluster_domain: &'a str,
    pub resolv_conf: Option<&'a Path>,
}

impl Resolver<'_> {
    /// The configuration, and the text of a warning event where the pod does not get what it asked for.
    ///
    /// # Errors
    /// A resolver file that cannot be read.
    pub fn config(&self, target: &Pod) -> Result<(DnsConfig, Option<Warning>), String> {
        let spec = pod::spec(target);
        let mut warning = None;
        let host = self.host()?;
        let wants_cluster = match spec.dns_policy.as_deref().unwrap_or("ClusterFirst") {
            "ClusterFirst" => !pod::host_network(target),
            "ClusterFirstWithHostNet" => true,
            _ => false,
        };
        let mut config = if spec.dns_policy.as_deref() == Some("None") {
            DnsConfig::default()
        } else if wants_cluster && !self.cluster_dns.is_empty() {
            let mut searches = vec![];
            if !self.cluster_domain.is_empty() {
                let domain = self.cluster_domain;
                searches.extend([
                    format!("{}.svc.{domain}", pod::namespace(target)),
                    format!("svc.{domain}"),
                    domain.to_string(),
                ]);
            }
            searches.extend(host.searches.iter().filter(|search| !search.is_empty()).cloned());
            DnsConfig { servers: self.cluster_dns.to_vec(), searches, options: vec!["ndots:5".into()] }
        } else {
            if wants_cluster {
                let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
                warning = Some((
                    "MissingClusterDNS",
                    format!(
                        "pod: {:?}. kubelet does not have ClusterDNS IP configured and cannot create Pod using {policy:?} policy. Falling back to \"Default\" policy.",
                        pod::full_name(target)
                    ),
                ));
            }
            host
        };
        if let Some(own) = &spec.dns_config {
            append_new(&mut config.servers, own.nameservers.iter().flatten());
            append_new(&mut config.searches, own.searches.iter().flatten());
            for option in own.options.iter().flatten() {
                let name = option.name.clone().unwrap_or_default();
                config.options.retain(|kept| kept.split(':').next() != Some(name.as_str()));
                config.options.push(match &option.value {
                    Some(value) if !value.is_empty() => format!("{name}:{value}"),
                    _ => name,
                });
            }
        }
        if config.servers.len() > MAX_SERVERS {
            config.servers.truncate(MAX_SERVERS);
            warning = Some((
                "DNSConfigForming",
                format!(
                    "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {}",
                    config.servers.join(" ")
                ),
            ));
        }
        config.searches.truncate(MAX_SEARCHES);
        Ok((config, warning))
    }

    fn host(&self) -> Result<DnsConfig, String> {
        let Some(path) = self.resolv_conf else {
            return Ok(DnsConfig { servers: vec!["127.0.0.1".into()], searches: vec![".".into()], options: vec![] });
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read resolver configuration {}: {error}", path.display()))?;
        Ok(parse(&text))
    }
}

fn append_new<'a>(list: &mut Vec<String>, more: impl Iterator<Item = &'a String>) {
    for item in more {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
}

fn parse(text: &str) -> DnsConfig {
    let mut config = DnsConfig::default();
    for line in text.lines() {
        let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
        match words.next() {
            Some("nameserver") => config.servers.extend(words.next().map(str::to_string)),
            Some("search") => config.searches = words.map(|word| word.trim_end_matches('.').to_string()).collect(),
            Some("options") => config.options.extend(words.map(str::to_string)),
            _ => {}
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn policies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        std::fs::write(&path, "# x\nnameserver 9.9.9.9\nsearch corp.example.\noptions timeout:1\n").unwrap();
        let cluster_dns = ["10.96.0.10".to_string()];
        let resolver =
            Resolver { cluster_dns: &cluster_dns, cluster_domain: "cluster.local", resolv_conf: Some(&path) };
        let get = |spec: &str| resolver.config(&pod_of(spec)).unwrap().0;
        let config = get("containers: []");
        assert_eq!(config.servers, cluster_dns);
        assert_eq!(
            config.searches,
            ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"]
        );
        assert_eq!(config.options, ["ndots:5"]);
        assert_eq!(get("{hostNetwork: true, containers: []}").servers, ["9.9.9.9"]);
        assert_eq!(get("{hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet, containers: []}").servers, cluster_dns);
        assert_eq!(get("{dnsPolicy: Default, containers: []}").options, ["timeout:1"]);
        let own = get(
            "{dnsPolicy: None, dnsConfig: {nameservers: [1.1.1.1], searches: [a], options: [{name: ndots, value: '2'}, {name: edns0}]}, containers: []}",
        );
        assert_eq!((own.servers.len(), own.options), (1, vec!["ndots:2".to_string(), "edns0".to_string()]));
        let merged = get("{dnsConfig: {options: [{name: ndots, value: '2'}]}, containers: []}");
        assert_eq!(merged.options, ["ndots:2"]);
        let without = Resolver { cluster_dns: &[], cluster_domain: "", resolv_conf: Some(&path) };
        let (config, warning) = without.config(&pod_of("containers: []")).unwrap();
        assert_eq!(config.servers, ["9.9.9.9"]);
        assert_eq!(warning.unwrap().0, "MissingClusterDNS");
    }
}
