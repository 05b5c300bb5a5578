//! The command line of kube-apiserver.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use controllers_component_base::flags;
use ipnet::IpNet;

mod accepted;
mod identity;

/// Flags under upstream's names. Each does what it says; any other is an error.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kube-apiserver",
    disable_version_flag = true,
    about = "Serves the Kubernetes API.",
    help_template = "{about}\n\nUsage:\n  kube-apiserver [flags]\n\n{all-args}\n"
)]
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
    /// Where others find the keys that verify service account tokens; this server when absent.
    #[arg(long)]
    pub service_account_jwks_uri: Option<String>,
    /// The longest time that a service account token may be asked for; 0 is any.
    #[arg(long, default_value = "0s", value_parser = flags::duration)]
    pub service_account_max_token_expiration: Duration,
    /// Whether tokens in pods last a year, so that those who do not read them again find out by the metrics.
    #[arg(long, default_value = "true", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub service_account_extend_token_expiration: bool,
    /// The name by which this server is reached from outside the cluster.
    #[arg(long)]
    pub external_hostname: Option<String>,
    /// Audiences of the API; the issuers when absent.
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
    /// Headers with the user's uid.
    #[arg(long, value_delimiter = ',')]
    pub requestheader_uid_headers: Vec<String>,
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
    /// Reach aggregated APIs at the endpoints of their services, not at the services' addresses.
    #[arg(long)]
    pub enable_aggregator_routing: bool,
    /// Authorizers in order: Node, RBAC, Webhook, AlwaysAllow, AlwaysDeny; AlwaysAllow when absent.
    #[arg(long, value_delimiter = ',')]
    pub authorization_mode: Option<Vec<String>>,
    /// AuthorizationConfiguration file; read again when it changes.
    #[arg(long)]
    pub authorization_config: Option<PathBuf>,
    #[command(flatten)]
    pub authorization_webhook: identity::AuthorizationWebhook,
    /// AuthenticationConfiguration file; read again when it changes.
    #[arg(long)]
    pub authentication_config: Option<PathBuf>,
    #[command(flatten)]
    pub oidc: identity::Oidc,
    /// kubeconfig of a server that is asked whose tokens are.
    #[arg(long)]
    pub authentication_token_webhook_config_file: Option<PathBuf>,
    /// Version of the TokenReviews that it is sent.
    #[arg(long, default_value = "v1beta1")]
    pub authentication_token_webhook_version: String,
    /// How long its answers are remembered.
    #[arg(long, default_value = "2m0s", value_parser = flags::duration)]
    pub authentication_token_webhook_cache_ttl: Duration,
    /// Addresses of services: a range, or two of different families, comma separated.
    #[arg(long, default_value = "10.0.0.0/24", value_parser = service_ranges)]
    pub service_cluster_ip_range: Box<[IpNet]>,
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
    /// How long pods stay on a node that is not ready, where they do not say, in seconds.
    #[arg(long, default_value_t = 300, allow_negative_numbers = true)]
    pub default_not_ready_toleration_seconds: i64,
    /// How long pods stay on a node that is not reachable, where they do not say, in seconds.
    #[arg(long, default_value_t = 300, allow_negative_numbers = true)]
    pub default_unreachable_toleration_seconds: i64,
    /// The shortest time after which a watch without a timeout of its own ends, in seconds.
    #[arg(long, default_value_t = 1800)]
    pub min_request_timeout: u64,
    /// File that says which resources are encrypted before they are stored, and how.
    #[arg(long)]
    pub encryption_provider_config: Option<PathBuf>,
    /// Whether that file is read again when it changes.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub encryption_provider_config_automatic_reload: bool,
    /// How long events are kept.
    #[arg(long, default_value = "1h0m0s", value_parser = flags::duration)]
    pub event_ttl: Duration,
    /// Whether requests wait their turn by priority levels; otherwise there is only a limit for all.
    #[arg(long, default_value = "true", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub enable_priority_and_fairness: bool,
    /// How many reading requests may be under way; with priority and fairness, added to those that change something.
    #[arg(long, default_value_t = 400)]
    pub max_requests_inflight: usize,
    /// How many changing requests may be under way.
    #[arg(long, default_value_t = 200)]
    pub max_mutating_requests_inflight: usize,
    /// How long the server goes on serving after it was told to stop.
    #[arg(long, default_value = "0s", value_parser = flags::duration)]
    pub shutdown_delay_duration: Duration,
    /// Whether requests that come after the delay are told to come again later, until those under way are answered.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub shutdown_send_retry_after: bool,
    /// How long open watches may go on once the server stops, while they are closed one after another.
    #[arg(long, default_value = "0s", value_parser = flags::duration)]
    pub shutdown_watch_termination_grace_period: Duration,
    /// How long a request may take that is not long-running.
    #[arg(long, default_value = "1m0s", value_parser = flags::duration)]
    pub request_timeout: Duration,
    /// How likely a client of HTTP/2 is told to connect anew, per request: 0 to 0.02.
    #[arg(long, default_value_t = 0.0)]
    pub goaway_chance: f64,
    /// Directory of apiserver.crt and apiserver.key, where no certificate is given.
    #[arg(long, default_value = "/var/run/kubernetes")]
    pub cert_dir: PathBuf,
    /// Cipher suites of TLS 1.2, by their IANA names; all that are safe when absent.
    #[arg(long, value_delimiter = ',')]
    pub tls_cipher_suites: Vec<String>,
    /// Lowest version of TLS: VersionTLS12 or VersionTLS13.
    #[arg(long)]
    pub tls_min_version: Option<String>,
    /// More serving certificates: certificate,key or certificate,key:name,name.
    #[arg(long)]
    pub tls_sni_cert_key: Vec<String>,
    /// How many requests one connection of HTTP/2 may have under way; 0 is 100.
    #[arg(long, default_value_t = 0)]
    pub http2_max_streams_per_connection: u32,
    /// Whether only HTTP/1.1 is served.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub disable_http2_serving: bool,
    /// Whether other servers may listen on the same port.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub permit_port_sharing: bool,
    /// Origins whose pages may read answers, as regular expressions.
    #[arg(long, value_delimiter = ',')]
    pub cors_allowed_origins: Vec<String>,
    /// Directives of the Strict-Transport-Security header.
    #[arg(long, value_delimiter = ',')]
    pub strict_transport_security_directives: Vec<String>,
    /// Whether bootstrap tokens in kube-system prove who joins.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub enable_bootstrap_token_auth: bool,
    /// Versions of groups to serve or not: group/version=true or false.
    #[arg(long, value_delimiter = ',')]
    pub runtime_config: Vec<String>,
    #[command(flatten)]
    pub audit: crate::audit::AuditFlags,
    #[command(flatten)]
    pub logging: flags::Logging,
    /// Every flag with its value, for /flagz.
    #[arg(skip)]
    pub values: Vec<(String, String)>,
}

impl Flags {
    /// Where this server is reached from outside the cluster: a name or an address, perhaps with a port.
    pub fn external_host(&self) -> String {
        match &self.external_hostname {
            Some(name) if !name.is_empty() => name.clone(),
            _ => crate::server::advertised(self).to_string(),
        }
    }

    /// Parses a command line, the program's name first. On `--help`, `--version` or a mistake prints what there is to
    /// say and gives the exit code.
    pub fn read(arguments: Vec<OsString>) -> Result<Flags, ExitCode> {
        let left = accepted::without(arguments).map_err(|line| {
            eprintln!("Error: {line}");
            ExitCode::FAILURE
        })?;
        let mut read: Flags = flags::parse(left.clone())?;
        read.values = values(left);
        Ok(read)
    }
}

/// The value of each flag, as it was given or by default, in alphabetical order.
fn values(arguments: Vec<OsString>) -> Vec<(String, String)> {
    let command = Flags::command();
    let Ok(matches) = command.clone().args_override_self(true).try_get_matches_from(arguments) else {
        return Vec::new();
    };
    let mut values: Vec<(String, String)> = command
        .get_arguments()
        .filter_map(|argument| {
            let name = argument.get_long()?.to_owned();
            let raw = matches.try_get_raw(argument.get_id().as_str()).ok().flatten();
            let raw: Vec<String> = raw.into_iter().flatten().map(|text| text.to_string_lossy().into_owned()).collect();
            let is_list = matches!(argument.get_action(), clap::ArgAction::Append);
            Some((name, if is_list { format!("[{}]", raw.join(",")) } else { raw.concat() }))
        })
        .collect();
    values.sort();
    values
}

fn feature_gates(text: &str) -> Result<String, String> {
    crate::feature_gates::check(text).map(|()| text.to_owned())
}

fn service_ranges(text: &str) -> Result<Box<[IpNet]>, String> {
    let ranges = text.split(',').map(|range| range.trim().parse::<IpNet>().map(|range| range.trunc()));
    let ranges: Box<[IpNet]> = ranges.collect::<Result<_, _>>().map_err(|_| "is not a valid cidr")?;
    if let Some(wide) = ranges.iter().find(|range| range.addr().is_ipv6() && range.prefix_len() < 64) {
        return Err(format!("shortest allowed prefix length for service CIDR is 64, got {}", wide.prefix_len()));
    }
    match *ranges {
        [_] => Ok(ranges),
        [one, other] if one.addr().is_ipv4() != other.addr().is_ipv4() => Ok(ranges),
        [_, _] => {
            Err("--service-cluster-ip-range[0] and --service-cluster-ip-range[1] must be of different IP family"
                .to_owned())
        }
        _ => Err("--service-cluster-ip-range must not contain more than two entries".to_owned()),
    }
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
        assert_eq!(service_ranges("10.0.0.7/24, fd00::/112").unwrap()[0].to_string(), "10.0.0.0/24");
        for wrong in ["", "10.0.0.0", "10.0.0.0/24,10.1.0.0/24", "fd00::/48", "10.0.0.0/24,fd00::/64,fd01::/64"] {
            assert!(service_ranges(wrong).is_err(), "{wrong}");
        }
        let flags = Flags::try_parse_from(["kube-apiserver", "--etcd-servers=a,b", "--anonymous-auth=false"]).unwrap();
        assert_eq!(flags.etcd_servers, ["a", "b"]);
        assert!(!flags.anonymous_auth);
        assert!(Flags::try_parse_from(["kube-apiserver", "--nonsense"]).is_err());
    }
}
