//! `KubeProxyConfiguration` (kubeproxy.config.k8s.io/v1alpha1): what of it this proxy does. As upstream, a file stands in
//! place of the flags.

use std::path::Path;

use anyhow::{Context, Result, bail};
use controllers_component_base::flags::duration;
use serde::Deserialize;
use serde_json::Value;

use crate::flags::Flags;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    api_version: String,
    kind: String,
    client_connection: ClientConnection,
    hostname_override: String,
    bind_address: String,
    healthz_bind_address: Option<String>,
    metrics_bind_address: Option<String>,
    bind_address_hard_fail: bool,
    mode: String,
    nftables: Nftables,
    detect_local_mode: String,
    #[serde(rename = "clusterCIDR")]
    cluster_cidr: String,
    node_port_addresses: Option<Vec<String>>,
    // Of other modes and systems, or without effect here; kubeadm writes them all.
    #[serde(rename = "iptables")]
    _iptables: Value,
    #[serde(rename = "ipvs")]
    _ipvs: Value,
    #[serde(rename = "winkernel")]
    _winkernel: Value,
    #[serde(rename = "conntrack")]
    _conntrack: Value,
    #[serde(rename = "detectLocal")]
    _detect_local: Value,
    #[serde(rename = "configSyncPeriod")]
    _config_sync_period: Value,
    #[serde(rename = "enableProfiling")]
    _enable_profiling: Value,
    #[serde(rename = "oomScoreAdj")]
    _oom_score_adj: Value,
    #[serde(rename = "portRange")]
    _port_range: Value,
    #[serde(rename = "showHiddenMetricsForVersion")]
    _show_hidden_metrics_for_version: Value,
    #[serde(rename = "logging")]
    _logging: Value,
    #[serde(rename = "windowsRunAsService")]
    _windows_run_as_service: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClientConnection {
    kubeconfig: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Nftables {
    masquerade_bit: Option<u8>,
    #[serde(rename = "masqueradeAll")]
    masquerade_all: bool,
    sync_period: Option<String>,
    min_sync_period: Option<String>,
}

/// Puts a configuration file over the flags.
///
/// # Errors
/// One line that names the file and the field.
pub fn apply(path: &Path, flags: &mut Flags) -> Result<()> {
    let named = || format!("cannot use configuration {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    apply_text(&text, flags).with_context(named)
}

fn apply_text(text: &str, flags: &mut Flags) -> Result<()> {
    let file: Configuration = serde_saphyr::from_str(text)?;
    if file.api_version != "kubeproxy.config.k8s.io/v1alpha1" || file.kind != "KubeProxyConfiguration" {
        bail!("expected kind KubeProxyConfiguration of kubeproxy.config.k8s.io/v1alpha1");
    }
    if !matches!(file.mode.as_str(), "" | "nftables") {
        bail!("mode: proxy mode {} is not supported, only nftables is", file.mode);
    }
    if !matches!(file.detect_local_mode.as_str(), "" | "ClusterCIDR") {
        bail!("detectLocalMode: {} is not supported, only ClusterCIDR is", file.detect_local_mode);
    }
    if !file.client_connection.kubeconfig.is_empty() {
        flags.kubeconfig = Some(file.client_connection.kubeconfig.into());
    }
    if !file.hostname_override.is_empty() {
        flags.hostname_override = file.hostname_override;
    }
    if !file.bind_address.is_empty() {
        flags.bind_address = file.bind_address.parse().context("bindAddress")?;
    }
    flags.cluster_cidr = (file.cluster_cidr.split(',').map(str::trim).filter(|cidr| !cidr.is_empty()))
        .map(|cidr| cidr.parse().with_context(|| format!("clusterCIDR: {cidr:?}")))
        .collect::<Result<_>>()?;
    flags.healthz_bind_address = not_empty(file.healthz_bind_address, &flags.healthz_bind_address);
    flags.metrics_bind_address = not_empty(file.metrics_bind_address, &flags.metrics_bind_address);
    flags.bind_address_hard_fail = file.bind_address_hard_fail;
    flags.nodeport_addresses = file.node_port_addresses.unwrap_or_default();
    flags.masquerade_all = file.nftables.masquerade_all;
    flags.masquerade_bit = file.nftables.masquerade_bit.unwrap_or(14);
    if flags.masquerade_bit > 31 {
        bail!("nftables.masqueradeBit: must be within the range [0, 31]");
    }
    for (text, period, name) in [
        (&file.nftables.sync_period, &mut flags.sync_period, "syncPeriod"),
        (&file.nftables.min_sync_period, &mut flags.min_sync_period, "minSyncPeriod"),
    ] {
        if let Some(text) = text {
            let parsed = duration(text).map_err(|error| anyhow::anyhow!("nftables.{name}: {error}"))?;
            // kubeadm writes 0s for "the default".
            if !parsed.is_zero() {
                *period = parsed;
            }
        }
    }
    Ok(())
}

fn not_empty(value: Option<String>, default: &str) -> String {
    value.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn files() {
        let mut flags = Flags::parse_from(["kube-proxy"]);
        let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
        let text = "clusterCIDR: 10.244.0.0/16\nmode: nftables\nclientConnection: {kubeconfig: /k, qps: 0, burst: 0}\n\
                    nftables: {masqueradeAll: true, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 5s}\n\
                    iptables: {masqueradeBit: null}\nconntrack: {min: null}\nlogging: {verbosity: 0}\n\
                    nodePortAddresses: null\nhealthzBindAddress: \"\"\n";
        apply_text(&format!("{head}{text}"), &mut flags).unwrap();
        assert_eq!(flags.cluster_cidr.len(), 1);
        assert!(flags.masquerade_all && flags.masquerade_bit == 14);
        assert_eq!((flags.min_sync_period.as_secs(), flags.sync_period.as_secs()), (1, 5));
        assert_eq!(flags.healthz_bind_address, "0.0.0.0:10256");
        for (text, wanted) in
            [("mode: ipvs", "ipvs"), ("detectLocalMode: BridgeInterface", "BridgeInterface"), ("x: 1", "x")]
        {
            let error = format!("{:#}", apply_text(&format!("{head}{text}"), &mut flags).unwrap_err());
            assert!(error.contains(wanted), "{error}");
        }
    }
}
