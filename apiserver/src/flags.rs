//! The command line of kube-apiserver.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use controllers_component_base::flags;
use ipnet::Ipv4Net;

/// Flags under upstream's names. Each does what it says; any other is an error.
#[derive(Clone, Debug, Parser)]
#[command(name = "kube-apiserver", disable_version_flag = true, about = "Serves the Kubernetes API.")]
pub struct Flags {
    /// etcd servers to connect to, comma separated (scheme://ip:port). Without it, --storage decides.
    #[arg(long, value_delimiter = ',')]
    pub etcd_servers: Vec<String>,
    /// Certificate authority of etcd.
    #[arg(long)]
    pub etcd_cafile: Option<PathBuf>,
    /// Client certificate for etcd.
    #[arg(long)]
    pub etcd_certfile: Option<PathBuf>,
    /// Client key for etcd.
    #[arg(long)]
    pub etcd_keyfile: Option<PathBuf>,
    /// Prefix of all keys; only upstream's own is supported.
    #[arg(long, default_value = "/registry")]
    pub etcd_prefix: String,
    /// How often old history is compacted away.
    #[arg(long, default_value = "5m0s", value_parser = flags::duration)]
    pub etcd_compaction_interval: Duration,
    /// How long the store may take to answer a health check.
    #[arg(long, default_value = "2s", value_parser = flags::duration)]
    pub etcd_healthcheck_timeout: Duration,
    /// How often the store is asked for its size; 0 never.
    #[arg(long, default_value = "30s", value_parser = flags::duration)]
    pub etcd_db_metric_poll_interval: Duration,
    /// How long a starting server counts as alive.
    #[arg(long, default_value = "0s", value_parser = flags::duration)]
    pub livez_grace_period: Duration,
    /// Features to switch, as name=true or name=false.
    #[arg(long, value_parser = feature_gates)]
    pub feature_gates: Vec<String>,
    /// Where objects are kept when there is no etcd: a directory for the embedded store, or `memory`.
    #[arg(long)]
    pub storage: Option<String>,
    /// Address to listen on.
    #[arg(long, default_value = "0.0.0.0")]
    pub bind_address: IpAddr,
    /// Port to serve HTTPS on; 0 takes a free one.
    #[arg(long, default_value_t = 6443)]
    pub secure_port: u16,
    /// Address that other members of the cluster reach this server by.
    #[arg(long)]
    pub advertise_address: Option<IpAddr>,
    /// Serving certificate.
    #[arg(long)]
    pub tls_cert_file: Option<PathBuf>,
    /// Serving key.
    #[arg(long)]
    pub tls_private_key_file: Option<PathBuf>,
    /// Authorities whose client certificates identify users.
    #[arg(long)]
    pub client_ca_file: Option<PathBuf>,
    /// Keys that verify service account tokens.
    #[arg(long)]
    pub service_account_key_file: Vec<PathBuf>,
    /// Key that signs service account tokens.
    #[arg(long)]
    pub service_account_signing_key_file: Option<PathBuf>,
    /// Issuer of service account tokens; the first one signs.
    #[arg(long)]
    pub service_account_issuer: Vec<String>,
    /// Audiences of the API; the issuer when absent.
    #[arg(long, value_delimiter = ',')]
    pub api_audiences: Vec<String>,
    /// File of static tokens: token,user,uid,"group1,group2".
    #[arg(long)]
    pub token_auth_file: Option<PathBuf>,
    /// Whether requests without credentials are served as system:anonymous.
    #[arg(long, default_value = "true", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub anonymous_auth: bool,
    /// Authorities of the front proxy's client certificates.
    #[arg(long)]
    pub requestheader_client_ca_file: Option<PathBuf>,
    /// Names that a front proxy's certificate may have; any when empty.
    #[arg(long, value_delimiter = ',')]
    pub requestheader_allowed_names: Vec<String>,
    /// Headers with the user's name.
    #[arg(long, value_delimiter = ',', default_value = "X-Remote-User")]
    pub requestheader_username_headers: Vec<String>,
    /// Headers with the user's groups.
    #[arg(long, value_delimiter = ',', default_value = "X-Remote-Group")]
    pub requestheader_group_headers: Vec<String>,
    /// Prefixes of headers with extra facts about the user.
    #[arg(long, value_delimiter = ',', default_value = "X-Remote-Extra-")]
    pub requestheader_extra_headers_prefix: Vec<String>,
    /// Client certificate of the aggregator.
    #[arg(long)]
    pub proxy_client_cert_file: Option<PathBuf>,
    /// Client key of the aggregator.
    #[arg(long)]
    pub proxy_client_key_file: Option<PathBuf>,
    /// Authorizers in order: Node, RBAC, AlwaysAllow, AlwaysDeny.
    #[arg(long, value_delimiter = ',', default_value = "AlwaysAllow")]
    pub authorization_mode: Vec<String>,
    /// Addresses of services.
    #[arg(long, default_value = "10.0.0.0/24")]
    pub service_cluster_ip_range: Ipv4Net,
    /// Ports of services on nodes.
    #[arg(long, default_value = "30000-32767", value_parser = port_range)]
    pub service_node_port_range: (u16, u16),
    /// Authority of kubelets' serving certificates; not verified when absent.
    #[arg(long)]
    pub kubelet_certificate_authority: Option<PathBuf>,
    /// Client certificate for kubelets.
    #[arg(long)]
    pub kubelet_client_certificate: Option<PathBuf>,
    /// Client key for kubelets.
    #[arg(long)]
    pub kubelet_client_key: Option<PathBuf>,
    /// Which of a node's addresses to try first.
    #[arg(long, value_delimiter = ',', default_value = "Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP")]
    pub kubelet_preferred_address_types: Vec<String>,
    /// Whether privileged containers are allowed.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub allow_privileged: bool,
    /// Admission plugins to run besides the default ones.
    #[arg(long, value_delimiter = ',')]
    pub enable_admission_plugins: Vec<String>,
    /// Default admission plugins not to run.
    #[arg(long, value_delimiter = ',')]
    pub disable_admission_plugins: Vec<String>,
    /// File that configures admission plugins.
    #[arg(long)]
    pub admission_control_config_file: Option<PathBuf>,
    /// The shortest time after which a watch without a timeout of its own ends, in seconds.
    #[arg(long, default_value_t = 1800)]
    pub min_request_timeout: u64,
    /// How long events are kept.
    #[arg(long, default_value = "1h0m0s", value_parser = flags::duration)]
    pub event_ttl: Duration,
    /// How many reading requests may be under way.
    #[arg(long, default_value_t = 400)]
    pub max_requests_inflight: usize,
    /// How many changing requests may be under way.
    #[arg(long, default_value_t = 200)]
    pub max_mutating_requests_inflight: usize,
    /// How long the server goes on serving after it was told to stop.
    #[arg(long, default_value = "0s", value_parser = flags::duration)]
    pub shutdown_delay_duration: Duration,
    #[command(flatten)]
    pub logging: flags::Logging,
}

fn feature_gates(text: &str) -> Result<String, String> {
    crate::feature_gates::check(text).map(|()| text.to_owned())
}

fn port_range(text: &str) -> Result<(u16, u16), String> {
    let invalid = || format!("unable to parse port range: {text}");
    let (low, high) = text.split_once('-').ok_or_else(invalid)?;
    let low: u16 = low.parse().map_err(|_| invalid())?;
    let high: u16 = high.parse().map_err(|_| invalid())?;
    if low <= high { Ok((low, high)) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_read_as_upstream_reads_them() {
        assert_eq!(port_range("30000-32767"), Ok((30000, 32767)));
        let flags = Flags::try_parse_from(["kube-apiserver", "--etcd-servers=a,b", "--anonymous-auth=false"]).unwrap();
        assert_eq!(flags.etcd_servers, ["a", "b"]);
        assert!(!flags.anonymous_auth);
        assert!(Flags::try_parse_from(["kube-apiserver", "--nonsense"]).is_err());
    }
}
