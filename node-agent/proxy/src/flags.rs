//! The command line of kube-proxy: upstream's flags, those that matter.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{ArgAction, Parser};
use controllers_component_base::flags::{Logging, boolean, duration};
use ipnet::IpNet;

/// The Kubernetes network proxy: programs Services in this node's nftables.
#[derive(Clone, Debug, Parser)]
#[command(name = "kube-proxy")]
pub struct Flags {
    /// The path to the configuration file (KubeProxyConfiguration).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Path to kubeconfig file with authorization information.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Delete this proxy's tables and exit.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set)]
    pub cleanup: bool,
    /// Which proxy mode to use: only nftables.
    #[arg(long, value_name = "MODE", default_value = "nftables", value_parser = proxy_mode)]
    pub proxy_mode: String,
    /// The name of the Node the proxy runs on, if not the host's name.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub hostname_override: String,
    /// Stands in place of the node's primary address; 0.0.0.0 and :: do not.
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    pub bind_address: IpAddr,
    /// Where pods are: traffic to services from elsewhere is masqueraded.
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    pub cluster_cidr: Vec<IpNet>,
    /// Where node ports answer: CIDRs, or "primary" for the node's primary addresses.
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    pub nodeport_addresses: Vec<String>,
    /// Masquerade all traffic to cluster IPs.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set)]
    pub masquerade_all: bool,
    /// Where to serve health; an empty value serves none.
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:10256")]
    pub healthz_bind_address: String,
    /// Where to serve metrics; an empty value serves none.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:10249")]
    pub metrics_bind_address: String,
    /// Fail where a port is taken, rather than go on without it.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = boolean, action = ArgAction::Set)]
    pub bind_address_hard_fail: bool,
    /// How long to gather changes before they are programmed.
    #[arg(skip = Duration::from_secs(1))]
    pub min_sync_period: Duration,
    /// How often to look whether someone else changed the rules.
    #[arg(skip = Duration::from_secs(30))]
    pub sync_period: Duration,
    /// The bit of packets' marks that says "masquerade".
    #[arg(skip = 14_u8)]
    pub masquerade_bit: u8,
    /// How often configuration from the apiserver is refreshed: accepted; watches need no refresh.
    #[arg(long, value_name = "DURATION", default_value = "15m0s", value_parser = duration, hide = true)]
    pub config_sync_period: Duration,
    #[command(flatten)]
    pub logging: Logging,
}

fn proxy_mode(mode: &str) -> Result<String, String> {
    match mode {
        "nftables" | "" => Ok("nftables".to_string()),
        "iptables" | "ipvs" => Err(format!("proxy mode {mode} is not supported, only nftables is")),
        _ => Err("must be nftables".to_string()),
    }
}

/// An address to serve at; with a port only, all addresses. None for an empty value.
///
/// # Errors
/// A value that is neither.
pub fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.strip_prefix(':').map_or_else(|| text.parse(), |port| format!("0.0.0.0:{port}").parse());
    parsed.map(Some).map_err(|_| format!("{text:?} is not an address with a port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_flags() {
        let args = [
            "kube-proxy",
            "--cluster-cidr=10.0.0.0/16,fd00::/64",
            "--proxy-mode=nftables",
            "--cleanup",
            "--nodeport-addresses=10.0.0.0/8,primary",
            "--hostname-override=n",
        ];
        let flags = Flags::try_parse_from(args).unwrap();
        assert_eq!((flags.cluster_cidr.len(), flags.nodeport_addresses.len(), flags.cleanup), (2, 2, true));
        let error = Flags::try_parse_from(["kube-proxy", "--proxy-mode=ipvs"]).unwrap_err().to_string();
        assert!(error.contains("proxy mode ipvs is not supported"), "{error}");
    }

    #[test]
    fn addresses() {
        assert_eq!(address(""), Ok(None));
        assert_eq!(address(":1"), Ok(Some(([0, 0, 0, 0], 1).into())));
        assert!(address("localhost").is_err());
    }
}
