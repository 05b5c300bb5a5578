//! The flags of kube-controller-manager that are taken, with upstream's names and defaults.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Result, bail};
use clap::{ArgAction, Parser};
use controllers_component_base::flags::{LeaderElection, Logging, SecureServing, boolean, duration};

use crate::{CONTROLLERS, OFF_BY_DEFAULT, csrsigning};

/// The Kubernetes controller manager embeds the core control loops: each watches the state of the cluster through
/// the API server and makes changes that move it to the desired state.
#[derive(Parser, Clone, Debug)]
#[command(name = "kube-controller-manager")]
pub struct Options {
    #[command(flatten)]
    pub logging: Logging,
    #[command(flatten)]
    pub leader_election: LeaderElection,
    #[command(flatten)]
    pub serving: SecureServing,
    /// The port on which to serve HTTPS; 0 serves nothing.
    #[arg(long, default_value_t = 10257, value_name = "PORT")]
    pub secure_port: u16,
    /// Path to the kubeconfig file with authorization and server location.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// kubeconfig with rights to create tokenreviews; without it requests are anonymous.
    #[arg(long, value_name = "FILE")]
    pub authentication_kubeconfig: Option<PathBuf>,
    /// kubeconfig with rights to create subjectaccessreviews; without it only the health paths are served.
    #[arg(long, value_name = "FILE")]
    pub authorization_kubeconfig: Option<PathBuf>,
    /// Controllers to run: '*' all that are on by default, 'foo' this one, '-foo' not this one.
    #[arg(long, value_delimiter = ',', default_value = "*", value_name = "NAMES", allow_hyphen_values = true)]
    pub controllers: Vec<String>,
    /// Run each controller with a service account of its own.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set)]
    pub use_service_account_credentials: bool,
    /// PEM file with the root certificate that is published to every namespace.
    #[arg(long, value_name = "FILE")]
    pub root_ca_file: Option<PathBuf>,
    /// Authority of all certificates that are signed on request.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_key_file: Option<PathBuf>,
    /// Authority of the certificates of kubelets' servers.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_kubelet_serving_cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_kubelet_serving_key_file: Option<PathBuf>,
    /// Authority of the certificates by which kubelets are clients of the API server.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_kubelet_client_cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_kubelet_client_key_file: Option<PathBuf>,
    /// Authority of the certificates of other clients of the API server.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_kube_apiserver_client_cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_kube_apiserver_client_key_file: Option<PathBuf>,
    /// Authority of the certificates of which it is not known what they are for.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_legacy_unknown_cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    pub cluster_signing_legacy_unknown_key_file: Option<PathBuf>,
    /// The longest time that a signed certificate is valid.
    #[arg(long, default_value = "8760h0m0s", value_parser = duration, value_name = "DURATION")]
    pub cluster_signing_duration: Duration,
    /// CIDR ranges of the cluster's pods, one per IP family.
    #[arg(long, value_delimiter = ',', value_name = "CIDRS")]
    pub cluster_cidr: Vec<ipnet::IpNet>,
    /// CIDR range of Services, kept out of what nodes get.
    #[arg(long, value_delimiter = ',', value_name = "CIDRS")]
    pub service_cluster_ip_range: Vec<ipnet::IpNet>,
    /// Allocate a range of --cluster-cidr to each node.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set)]
    pub allocate_node_cidrs: bool,
    /// Mask size of a node's IPv4 range.
    #[arg(long, visible_alias = "node-cidr-mask-size-ipv4", default_value_t = 24, value_name = "BITS")]
    pub node_cidr_mask_size: u8,
    /// Mask size of a node's IPv6 range.
    #[arg(long, default_value_t = 64, value_name = "BITS")]
    pub node_cidr_mask_size_ipv6: u8,
    /// How long a node may be silent before it is marked unhealthy.
    #[arg(long, default_value = "50s", value_parser = duration, value_name = "DURATION")]
    pub node_monitor_grace_period: Duration,
    /// How often the nodes' status is looked at.
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "DURATION")]
    pub node_monitor_period: Duration,
    /// How long a node may be silent after its registration before it is marked unhealthy.
    #[arg(long, default_value = "1m0s", value_parser = duration, value_name = "DURATION")]
    pub node_startup_grace_period: Duration,
    /// Nodes per second that are tainted for eviction in a healthy zone.
    #[arg(long, default_value_t = 0.1, value_name = "RATE")]
    pub node_eviction_rate: f32,
    /// Nodes per second that are tainted for eviction in a zone that is mostly unhealthy.
    #[arg(long, default_value_t = 0.01, value_name = "RATE")]
    pub secondary_node_eviction_rate: f32,
    /// Fraction of unhealthy nodes from which on a zone counts as unhealthy.
    #[arg(long, default_value_t = 0.55, value_name = "FRACTION")]
    pub unhealthy_zone_threshold: f32,
    /// Number of nodes from which on a zone is large: smaller ones are not evicted at the secondary rate.
    #[arg(long, default_value_t = 50, value_name = "NODES")]
    pub large_cluster_size_threshold: usize,
    /// Number of terminated pods that may exist before the oldest are deleted; 0 or less: any.
    #[arg(long, default_value_t = 12500, value_name = "PODS", allow_negative_numbers = true)]
    pub terminated_pod_gc_threshold: i32,
    /// Maximum number of endpoints in an EndpointSlice.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "N")]
    pub max_endpoints_per_slice: u16,
    /// Collect garbage; must be the same as the API server's.
    #[arg(long, value_name = "BOOL", default_value = "true", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set)]
    pub enable_garbage_collector: bool,
    /// CronJobs synced at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_cron_job_syncs: usize,
    /// DaemonSets synced at a time.
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub concurrent_daemonset_syncs: usize,
    /// Deployments synced at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_deployment_syncs: usize,
    /// Services' endpoints synced at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_endpoint_syncs: usize,
    /// Garbage collector workers.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub concurrent_gc_syncs: usize,
    /// Jobs synced at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_job_syncs: usize,
    /// Namespaces synced at a time.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub concurrent_namespace_syncs: usize,
    /// ReplicationControllers synced at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_rc_syncs: usize,
    /// ReplicaSets synced at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_replicaset_syncs: usize,
    /// ResourceQuotas recounted at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_resource_quota_syncs: usize,
    /// How often all ResourceQuotas are recounted; 0: never.
    #[arg(long, default_value = "5m0s", value_parser = duration, value_name = "DURATION")]
    pub resource_quota_sync_period: Duration,
    /// Services synced by the EndpointSlice controller at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_service_endpoint_syncs: usize,
    /// ServiceAccounts synced at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_serviceaccount_syncs: usize,
    /// StatefulSets synced at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_statefulset_syncs: usize,
    /// Finished Jobs looked at by the TTL controller at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_ttl_after_finished_syncs: usize,
    /// Validating admission policies checked at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub concurrent_validating_admission_policy_status_syncs: usize,
}

impl Options {
    /// # Errors
    /// Flags that do not fit together, in one line.
    pub fn validate(&self) -> Result<()> {
        for entry in &self.controllers {
            let name = entry.strip_prefix('-').unwrap_or(entry);
            if name != "*" && !CONTROLLERS.iter().any(|known| known.name == name || known.alias == name) {
                bail!("{name:?} is not in the list of known controllers");
            }
        }
        csrsigning::signers(self)?;
        if self.allocate_node_cidrs {
            if self.cluster_cidr.is_empty() {
                bail!("--cluster-cidr must be given with --allocate-node-cidrs");
            }
            for cidr in &self.cluster_cidr {
                let mask = self.node_mask(cidr);
                if mask < cidr.prefix_len() || mask > cidr.max_prefix_len() || mask - cidr.prefix_len() > 16 {
                    bail!("node CIDR mask size {mask} does not fit into cluster CIDR {cidr}");
                }
            }
        }
        Ok(())
    }

    /// The mask size of a node's range in this cluster range.
    pub fn node_mask(&self, cidr: &ipnet::IpNet) -> u8 {
        match cidr {
            ipnet::IpNet::V4(_) => self.node_cidr_mask_size,
            ipnet::IpNet::V6(_) => self.node_cidr_mask_size_ipv6,
        }
    }

    /// Whether `--controllers` asks for this controller: its own entry first, then `*`.
    pub fn wants(&self, name: &str, alias: &str) -> bool {
        let named = |entry: &str| entry == name || (!alias.is_empty() && entry == alias);
        for entry in &self.controllers {
            if named(entry) {
                return true;
            }
            if entry.strip_prefix('-').is_some_and(named) {
                return false;
            }
        }
        !OFF_BY_DEFAULT.contains(&name) && self.controllers.iter().any(|entry| entry == "*")
    }

    /// Where to serve; `None` with `--secure-port=0`.
    pub fn address(&self) -> Option<SocketAddr> {
        (self.secure_port != 0).then(|| SocketAddr::new(self.serving.bind_address, self.secure_port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Options {
        Options::try_parse_from(std::iter::once(&"kube-controller-manager").chain(args)).unwrap()
    }

    #[test]
    fn controllers_flag() {
        let all = options(&[]);
        assert!(all.wants("deployment-controller", "deployment"));
        assert!(!all.wants("token-cleaner-controller", "tokencleaner"));
        assert!(options(&["--controllers=*,tokencleaner"]).wants("token-cleaner-controller", "tokencleaner"));
        let some = options(&["--controllers=-deployment,*"]);
        assert!(!some.wants("deployment-controller", "deployment"));
        assert!(some.wants("replicaset-controller", "replicaset"));
        let one = options(&["--controllers", "namespace-controller"]);
        assert!(one.wants("namespace-controller", "namespace"));
        assert!(!one.wants("replicaset-controller", "replicaset"));
        let unknown = options(&["--controllers=nothing"]).validate().unwrap_err().to_string();
        assert_eq!(unknown, "\"nothing\" is not in the list of known controllers");
    }

    #[test]
    fn cidrs() {
        assert!(options(&["--allocate-node-cidrs"]).validate().is_err());
        assert!(options(&["--allocate-node-cidrs", "--cluster-cidr=10.0.0.0/16"]).validate().is_ok());
        assert!(options(&["--allocate-node-cidrs", "--cluster-cidr=10.0.0.0/25"]).validate().is_err());
        assert!(options(&["--allocate-node-cidrs=true", "--cluster-cidr=10.0.0.0/16,fd00::/48"]).validate().is_ok());
    }
}
