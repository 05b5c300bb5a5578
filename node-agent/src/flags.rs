//! The kubelet's command line: upstream's names, defaults and duration syntax.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use controllers_component_base::flags::{Logging, boolean, duration};

/// Upstream's kubelet flags that matter, and three of our own (`--network-plugin-config`, `--cni-conf-dir`,
/// `--cni-bridge`). A flag that was given wins over the `--config` file.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "kubelet", about = "The primary node agent: registers the node and runs its pods.")]
pub struct Flags {
    #[command(flatten)]
    pub logging: Logging,
    /// Path to a kubeconfig file, specifying how to connect to the API server.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// A kubeconfig file with which a client certificate is asked for where --kubeconfig is not there or no longer
    /// valid; --kubeconfig is then made.
    #[arg(long, value_name = "FILE")]
    pub bootstrap_kubeconfig: Option<PathBuf>,
    /// Renew the client certificate before it expires.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub rotate_certificates: Option<bool>,
    /// A KubeletConfiguration (kubelet.config.k8s.io/v1beta1) file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The endpoint of the container runtime service, a unix socket.
    #[arg(long, value_name = "URL")]
    pub container_runtime_endpoint: Option<String>,
    /// Use this string as identification instead of the actual hostname.
    #[arg(long, value_name = "NAME")]
    pub hostname_override: Option<String>,
    /// IP address (or comma-separated dual-stack pair) of the node.
    #[arg(long, value_name = "IP", value_delimiter = ',')]
    pub node_ip: Vec<IpAddr>,
    /// Labels to add when registering the node: key=value,...
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub node_labels: Vec<String>,
    /// Register the node with the given taints: key=value:effect,...
    #[arg(long, value_name = "TAINTS", value_delimiter = ',')]
    pub register_with_taints: Vec<String>,
    /// Register the node with the API server.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub register_node: Option<bool>,
    /// The CIDR to use for pod IP addresses where the API does not give one.
    #[arg(long, value_name = "CIDR")]
    pub pod_cidr: Option<String>,
    /// Comma-separated list of DNS server IP addresses for pods with dnsPolicy ClusterFirst.
    #[arg(long, value_name = "IPS", value_delimiter = ',')]
    pub cluster_dns: Vec<String>,
    /// Domain for this cluster.
    #[arg(long, value_name = "DOMAIN")]
    pub cluster_domain: Option<String>,
    /// Directory path for managing kubelet files (volume mounts, etc).
    #[arg(long, value_name = "DIR", default_value = "/var/lib/kubelet")]
    pub root_dir: PathBuf,
    /// Where the self-signed serving certificate is kept when none is given.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/kubelet/pki")]
    pub cert_dir: PathBuf,
    /// File containing the x509 certificate used for serving HTTPS.
    #[arg(long, value_name = "FILE", requires = "tls_private_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// File containing the private key of --tls-cert-file.
    #[arg(long, value_name = "FILE", requires = "tls_cert_file")]
    pub tls_private_key_file: Option<PathBuf>,
    /// Requests with a client certificate of this CA are authenticated by its CommonName and Organization.
    #[arg(long, value_name = "FILE")]
    pub client_ca_file: Option<PathBuf>,
    /// AlwaysAllow or Webhook (SubjectAccessReview).
    #[arg(long, value_name = "MODE", value_parser = ["AlwaysAllow", "Webhook"])]
    pub authorization_mode: Option<String>,
    /// Use TokenReview to authenticate bearer tokens.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub authentication_token_webhook: Option<bool>,
    /// Enables anonymous requests to the kubelet server.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub anonymous_auth: Option<bool>,
    /// The IP address for the kubelet to serve on.
    #[arg(long, value_name = "IP")]
    pub address: Option<IpAddr>,
    /// The port for the kubelet to serve on.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// The read-only port to serve on with no authentication (0 disables).
    #[arg(long, value_name = "PORT")]
    pub read_only_port: Option<u16>,
    /// The port of the localhost healthz endpoint (0 disables).
    #[arg(long, value_name = "PORT")]
    pub healthz_port: Option<u16>,
    /// The IP address for the healthz server.
    #[arg(long, value_name = "IP")]
    pub healthz_bind_address: Option<IpAddr>,
    /// Number of pods that can run on this kubelet.
    #[arg(long, value_name = "N")]
    pub max_pods: Option<u32>,
    /// Sysctls that pods may set beside the safe ones; a final * stands for any rest.
    #[arg(long, value_name = "SYSCTLS", value_delimiter = ',')]
    pub allowed_unsafe_sysctls: Option<Vec<String>>,
    /// Resolver configuration file used as the basis for the container DNS resolution.
    #[arg(long, value_name = "FILE")]
    pub resolv_conf: Option<PathBuf>,
    /// Driver that the kubelet uses to manipulate cgroups: cgroupfs or systemd.
    #[arg(long, value_name = "DRIVER", value_parser = ["cgroupfs", "systemd"])]
    pub cgroup_driver: Option<String>,
    /// Create the cgroup hierarchy of QoS classes and pods.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub cgroups_per_qos: Option<bool>,
    /// The root cgroup of pods.
    #[arg(long, value_name = "CGROUP")]
    pub cgroup_root: Option<String>,
    /// Eviction thresholds, e.g. memory.available<1Gi,nodefs.available<10%: they set the pressure conditions.
    #[arg(long, value_name = "THRESHOLDS", value_delimiter = ',')]
    pub eviction_hard: Option<Vec<String>>,
    /// Resources kept for the system: cpu=200m,memory=500Mi,...
    #[arg(long, value_name = "RESOURCES", value_delimiter = ',')]
    pub system_reserved: Option<Vec<String>>,
    /// Resources kept for Kubernetes' components: cpu=200m,memory=500Mi,...
    #[arg(long, value_name = "RESOURCES", value_delimiter = ',')]
    pub kube_reserved: Option<Vec<String>>,
    /// Deprecated: the sandbox image is the container runtime's setting.
    #[arg(long, value_name = "IMAGE", hide = true)]
    pub pod_infra_container_image: Option<String>,
    /// Directory with static pod manifests.
    #[arg(long, value_name = "DIR")]
    pub pod_manifest_path: Option<PathBuf>,
    /// Directory of the pods' logs.
    #[arg(long, value_name = "DIR")]
    pub pod_logs_dir: Option<PathBuf>,
    /// Unique identifier of the node at its cloud provider.
    #[arg(long, value_name = "ID")]
    pub provider_id: Option<String>,
    /// How often the node status is computed.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub node_status_update_frequency: Option<Duration>,
    /// Max period between synchronizing running pods and their volumes.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub sync_frequency: Option<Duration>,
    /// Fail to start if swap is enabled.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub fail_swap_on: Option<bool>,
    /// Size at which a container's log is rotated.
    #[arg(long, value_name = "QUANTITY")]
    pub container_log_max_size: Option<String>,
    /// Number of log files kept per container, at least 2.
    #[arg(long, value_name = "N")]
    pub container_log_max_files: Option<u32>,
    /// (Kybern's own) Write a CNI configuration for the node's podCIDR: `none`, or `bridge` (bridge + host-local +
    /// portmap, network name kybern).
    #[arg(long, value_name = "KIND", default_value = "none", value_parser = ["none", "bridge"])]
    pub network_plugin_config: String,
    /// (Kybern's own) Where --network-plugin-config writes 10-kybern.conflist.
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    pub cni_conf_dir: PathBuf,
    /// (Kybern's own) The bridge's name in the configuration written by --network-plugin-config.
    #[arg(long, value_name = "NAME", default_value = "kyb0")]
    pub cni_bridge: String,
}
