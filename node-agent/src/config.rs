//! What the agent runs with: the `--config` file under the flags, with upstream's defaults.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use controllers_component_base::flags::duration;
use k8s_openapi::api::core::v1::Taint;
use serde::Deserialize;
use tracing::warn;

use crate::{flags::Flags, quantity};

/// The settled configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub node_name: String,
    pub node_ips: Vec<IpAddr>,
    pub node_labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    pub register_node: bool,
    pub provider_id: Option<String>,
    pub pod_cidr: Option<String>,
    pub cluster_dns: Vec<String>,
    pub cluster_domain: String,
    pub resolv_conf: Option<PathBuf>,
    /// Path of the container runtime's unix socket.
    pub runtime_socket: PathBuf,
    pub root_dir: PathBuf,
    pub cert_dir: PathBuf,
    pub rotate_certificates: bool,
    pub pod_logs_dir: PathBuf,
    pub static_pod_path: Option<PathBuf>,
    pub serving: Serving,
    pub max_pods: u32,
    pub allowed_unsafe_sysctls: Vec<String>,
    pub cgroups: CgroupConfig,
    /// Eviction signal to threshold, as written: `100Mi` or `10%`.
    pub eviction_hard: BTreeMap<String, String>,
    pub system_reserved: BTreeMap<String, String>,
    pub kube_reserved: BTreeMap<String, String>,
    pub node_status_update_frequency: Duration,
    pub node_status_report_frequency: Duration,
    pub node_lease_duration: Duration,
    pub sync_frequency: Duration,
    pub crash_loop_max: Duration,
    pub log_max_size: i64,
    pub log_max_files: u32,
    pub network: Option<CniBridge>,
    pub fail_swap_on: bool,
}

/// The https endpoint and its access rules.
#[derive(Clone, Debug)]
pub struct Serving {
    pub address: IpAddr,
    pub port: u16,
    pub read_only_port: u16,
    pub healthz_address: IpAddr,
    pub healthz_port: u16,
    pub tls: Option<(PathBuf, PathBuf)>,
    pub client_ca: Option<PathBuf>,
    pub anonymous: bool,
    pub token_webhook: bool,
    /// SubjectAccessReview, as opposed to AlwaysAllow.
    pub authorization_webhook: bool,
}

#[derive(Clone, Debug)]
pub struct CgroupConfig {
    pub per_qos: bool,
    pub systemd: bool,
    pub root: String,
}

/// The CNI configuration the agent writes.
#[derive(Clone, Debug)]
pub struct CniBridge {
    pub dir: PathBuf,
    pub bridge: String,
}

/// The fields of a KubeletConfiguration (kubelet.config.k8s.io/v1beta1) that have an effect.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    api_version: String,
    kind: String,
    address: Option<IpAddr>,
    allowed_unsafe_sysctls: Option<Vec<String>>,
    authentication: Authentication,
    authorization: Authorization,
    cgroup_driver: Option<String>,
    cgroup_root: Option<String>,
    #[serde(rename = "cgroupsPerQOS")]
    cgroups_per_qos: Option<bool>,
    #[serde(rename = "clusterDNS")]
    cluster_dns: Option<Vec<String>>,
    cluster_domain: Option<String>,
    container_log_max_files: Option<u32>,
    container_log_max_size: Option<String>,
    container_runtime_endpoint: Option<String>,
    crash_loop_back_off: CrashLoopBackOff,
    eviction_hard: Option<BTreeMap<String, String>>,
    fail_swap_on: Option<bool>,
    healthz_bind_address: Option<IpAddr>,
    healthz_port: Option<u16>,
    kube_reserved: Option<BTreeMap<String, String>>,
    max_pods: Option<u32>,
    node_lease_duration_seconds: Option<u64>,
    node_status_report_frequency: Option<String>,
    node_status_update_frequency: Option<String>,
    #[serde(rename = "podCIDR")]
    pod_cidr: Option<String>,
    pod_logs_dir: Option<PathBuf>,
    port: Option<u16>,
    #[serde(rename = "providerID")]
    provider_id: Option<String>,
    read_only_port: Option<u16>,
    register_node: Option<bool>,
    register_with_taints: Option<Vec<Taint>>,
    resolv_conf: Option<PathBuf>,
    rotate_certificates: Option<bool>,
    static_pod_path: Option<PathBuf>,
    sync_frequency: Option<String>,
    system_reserved: Option<BTreeMap<String, String>>,
    tls_cert_file: Option<PathBuf>,
    tls_private_key_file: Option<PathBuf>,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Authentication {
    anonymous: Switch,
    webhook: Switch,
    x509: X509,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Switch {
    enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct X509 {
    #[serde(rename = "clientCAFile")]
    client_ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Authorization {
    mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CrashLoopBackOff {
    max_container_restart_period: Option<String>,
}

impl Config {
    /// Merges flags over the configuration file over upstream's defaults.
    ///
    /// # Errors
    /// One line that names the flag, field or file that is wrong.
    pub fn new(flags: &Flags) -> Result<Self> {
        if flags.bootstrap_kubeconfig.is_some() && flags.kubeconfig.is_none() {
            bail!("--bootstrap-kubeconfig needs a --kubeconfig, which is made with it");
        }
        if flags.pod_infra_container_image.is_some() {
            warn!(
                "--pod-infra-container-image is deprecated and has no effect: the sandbox image is the container runtime's setting"
            );
        }
        let file = match &flags.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        let with_file = flags.config.is_some();
        let tls = match (&flags.tls_cert_file, &flags.tls_private_key_file) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            _ => match (file.tls_cert_file, file.tls_private_key_file) {
                (Some(cert), Some(key)) => Some((cert, key)),
                (None, None) => None,
                _ => bail!("tlsCertFile and tlsPrivateKeyFile must be given together"),
            },
        };
        let mode = flags.authorization_mode.clone().or(file.authorization.mode);
        let authorization_webhook = match mode.as_deref() {
            Some("AlwaysAllow") => false,
            Some("Webhook") => true,
            // Upstream: the flags' default is open, the file's default is closed.
            None => with_file,
            Some(other) => bail!("unknown authorization mode {other}"),
        };
        let endpoint = flags
            .container_runtime_endpoint
            .clone()
            .or(file.container_runtime_endpoint)
            .unwrap_or_else(|| "unix:///run/containerd/containerd.sock".to_string());
        let parse_duration = |field: &str, text: &Option<String>| -> Result<Option<Duration>> {
            let Some(text) = text else { return Ok(None) };
            let parsed = duration(text).map_err(|error| anyhow::anyhow!("{field}: {error}"))?;
            // Zero means "the default" in a KubeletConfiguration.
            Ok(Some(parsed).filter(|duration| !duration.is_zero()))
        };
        let log_max_size =
            flags.container_log_max_size.clone().or(file.container_log_max_size).unwrap_or_else(|| "10Mi".into());
        let node_name = match &flags.hostname_override {
            Some(name) => name.trim().to_lowercase(),
            None => controllers_component_base::hostname(),
        };
        if node_name.is_empty() {
            bail!("--hostname-override is empty");
        }
        let node_ips =
            if flags.node_ip.is_empty() { vec![crate::node::machine::default_ip()] } else { flags.node_ip.clone() };
        let driver = flags.cgroup_driver.clone().or(file.cgroup_driver).unwrap_or_else(|| "cgroupfs".into());
        Ok(Self {
            node_name,
            node_ips,
            node_labels: key_values("--node-labels", &flags.node_labels)?,
            taints: match flags.register_with_taints.is_empty() {
                false => flags.register_with_taints.iter().map(|text| taint(text)).collect::<Result<_>>()?,
                true => file.register_with_taints.unwrap_or_default(),
            },
            register_node: flags.register_node.or(file.register_node).unwrap_or(true),
            provider_id: flags.provider_id.clone().or(file.provider_id),
            pod_cidr: flags.pod_cidr.clone().or(file.pod_cidr).filter(|cidr| !cidr.is_empty()),
            cluster_dns: match flags.cluster_dns.is_empty() {
                false => flags.cluster_dns.clone(),
                true => file.cluster_dns.unwrap_or_default(),
            },
            cluster_domain: flags.cluster_domain.clone().or(file.cluster_domain).unwrap_or_default(),
            resolv_conf: Some(
                flags.resolv_conf.clone().or(file.resolv_conf).unwrap_or_else(|| "/etc/resolv.conf".into()),
            )
            .filter(|path| !path.as_os_str().is_empty()),
            runtime_socket: socket_path(&endpoint)?,
            root_dir: flags.root_dir.clone(),
            cert_dir: flags.cert_dir.clone(),
            rotate_certificates: flags.rotate_certificates.or(file.rotate_certificates).unwrap_or(false),
            pod_logs_dir: flags.pod_logs_dir.clone().or(file.pod_logs_dir).unwrap_or_else(|| "/var/log/pods".into()),
            static_pod_path: flags
                .pod_manifest_path
                .clone()
                .or(file.static_pod_path)
                .filter(|path| !path.as_os_str().is_empty()),
            serving: Serving {
                address: flags.address.or(file.address).unwrap_or(IpAddr::from([0, 0, 0, 0])),
                port: flags.port.or(file.port).unwrap_or(10250),
                read_only_port: flags.read_only_port.or(file.read_only_port).unwrap_or(if with_file {
                    0
                } else {
                    10255
                }),
                healthz_address: flags
                    .healthz_bind_address
                    .or(file.healthz_bind_address)
                    .unwrap_or(IpAddr::from([127, 0, 0, 1])),
                healthz_port: flags.healthz_port.or(file.healthz_port).unwrap_or(10248),
                tls,
                client_ca: flags.client_ca_file.clone().or(file.authentication.x509.client_ca_file),
                anonymous: flags.anonymous_auth.or(file.authentication.anonymous.enabled).unwrap_or(!with_file),
                token_webhook: flags
                    .authentication_token_webhook
                    .or(file.authentication.webhook.enabled)
                    .unwrap_or(with_file),
                authorization_webhook,
            },
            max_pods: flags.max_pods.or(file.max_pods).unwrap_or(110),
            allowed_unsafe_sysctls: flags
                .allowed_unsafe_sysctls
                .clone()
                .or(file.allowed_unsafe_sysctls)
                .unwrap_or_default(),
            cgroups: CgroupConfig {
                per_qos: flags.cgroups_per_qos.or(file.cgroups_per_qos).unwrap_or(true),
                systemd: driver == "systemd",
                root: flags.cgroup_root.clone().or(file.cgroup_root).unwrap_or_default(),
            },
            eviction_hard: match &flags.eviction_hard {
                Some(thresholds) => thresholds_of(thresholds)?,
                None => file.eviction_hard.unwrap_or_else(default_eviction),
            },
            system_reserved: reserved("--system-reserved", flags.system_reserved.as_deref(), file.system_reserved)?,
            kube_reserved: reserved("--kube-reserved", flags.kube_reserved.as_deref(), file.kube_reserved)?,
            node_status_update_frequency: flags
                .node_status_update_frequency
                .or(parse_duration("nodeStatusUpdateFrequency", &file.node_status_update_frequency)?)
                .unwrap_or(Duration::from_secs(10)),
            node_status_report_frequency: parse_duration(
                "nodeStatusReportFrequency",
                &file.node_status_report_frequency,
            )?
            .unwrap_or(Duration::from_secs(300)),
            node_lease_duration: Duration::from_secs(file.node_lease_duration_seconds.filter(|s| *s > 0).unwrap_or(40)),
            sync_frequency: flags
                .sync_frequency
                .or(parse_duration("syncFrequency", &file.sync_frequency)?)
                .unwrap_or(Duration::from_secs(60)),
            crash_loop_max: parse_duration(
                "crashLoopBackOff.maxContainerRestartPeriod",
                &file.crash_loop_back_off.max_container_restart_period,
            )?
            .unwrap_or(Duration::from_secs(300)),
            log_max_size: quantity::integer(&log_max_size)
                .with_context(|| format!("containerLogMaxSize: {log_max_size:?} is not a quantity"))?,
            log_max_files: flags.container_log_max_files.or(file.container_log_max_files).unwrap_or(5).max(2),
            network: (flags.network_plugin_config == "bridge")
                .then(|| CniBridge { dir: flags.cni_conf_dir.clone(), bridge: flags.cni_bridge.clone() }),
            fail_swap_on: flags.fail_swap_on.or(file.fail_swap_on).unwrap_or(true),
        })
    }
}

fn read(path: &Path) -> Result<File> {
    let named = || format!("failed to load kubelet config file, path: {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    let file: File = serde_saphyr::from_str(&text).with_context(named)?;
    if file.kind != "KubeletConfiguration" || !file.api_version.starts_with("kubelet.config.k8s.io/") {
        bail!("{}: not a kubelet.config.k8s.io/v1beta1 KubeletConfiguration", named());
    }
    for field in file.rest.keys() {
        warn!("{}: field {field} has no effect in this kubelet", path.display());
    }
    Ok(file)
}

fn socket_path(endpoint: &str) -> Result<PathBuf> {
    let path = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
    if !path.starts_with('/') {
        bail!("--container-runtime-endpoint {endpoint}: only unix sockets (unix:///path) are supported");
    }
    Ok(path.into())
}

fn key_values(flag: &str, pairs: &[String]) -> Result<BTreeMap<String, String>> {
    let mut map = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| !pair.is_empty()) {
        let (key, value) =
            pair.split_once('=').with_context(|| format!("{flag}: malformed pair {pair:?}, expect key=value"))?;
        map.insert(key.trim().to_string(), value.trim().to_string());
    }
    Ok(map)
}

fn reserved(
    flag: &str,
    given: Option<&[String]>,
    file: Option<BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>> {
    let map = match given {
        Some(pairs) => key_values(flag, pairs)?,
        None => file.unwrap_or_default(),
    };
    for (name, value) in &map {
        quantity::milli(value).with_context(|| format!("{flag}: {name}={value} is not a quantity"))?;
    }
    Ok(map)
}

fn thresholds_of(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let mut map = BTreeMap::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let (signal, value) =
            text.split_once('<').with_context(|| format!("--eviction-hard: {text:?} is not signal<value"))?;
        let valid = match value.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().is_ok(),
            None => quantity::milli(value).is_some(),
        };
        if !valid {
            bail!("--eviction-hard: {value:?} is neither a quantity nor a percentage");
        }
        map.insert(signal.to_string(), value.to_string());
    }
    Ok(map)
}

fn default_eviction() -> BTreeMap<String, String> {
    [
        ("memory.available", "100Mi"),
        ("nodefs.available", "10%"),
        ("nodefs.inodesFree", "5%"),
        ("imagefs.available", "15%"),
    ]
    .map(|(signal, value)| (signal.to_string(), value.to_string()))
    .into()
}

/// Parses `key=value:Effect` or `key:Effect`.
fn taint(text: &str) -> Result<Taint> {
    let wrong = || format!("--register-with-taints: invalid taint spec: {text}");
    let (key_value, effect) = text.rsplit_once(':').with_context(wrong)?;
    if !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
        bail!("{}, unsupported taint effect", wrong());
    }
    let (key, value) = match key_value.split_once('=') {
        Some((key, value)) => (key, Some(value.to_string())),
        None => (key_value, None),
    };
    Ok(Taint { key: key.to_string(), value, effect: effect.to_string(), time_added: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn config(args: &[&str]) -> Result<Config> {
        Config::new(&Flags::try_parse_from(std::iter::once("kubelet").chain(args.iter().copied())).unwrap())
    }

    #[test]
    fn defaults_and_flags() {
        let config = config(&[
            "--hostname-override=N1",
            "--node-labels=a=b,c=d",
            "--register-with-taints=k=v:NoSchedule,x:NoExecute",
            "--node-ip=10.0.0.1",
        ])
        .unwrap();
        assert_eq!(config.node_name, "n1");
        assert_eq!(config.node_labels["c"], "d");
        assert_eq!(config.taints.len(), 2);
        assert!(config.serving.anonymous && !config.serving.authorization_webhook, "upstream's flag defaults are open");
        assert_eq!(config.serving.port, 10250);
    }

    #[test]
    fn file_under_flags() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        std::fs::write(
            &path,
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 7\nport: 1\nclusterDNS: [10.96.0.10]\nsyncFrequency: 0s\ncgroupsPerQOS: false\nauthentication: {x509: {clientCAFile: /ca}}\nimageMinimumGCAge: 0s\n",
        )
        .unwrap();
        let config = config(&["--config", path.to_str().unwrap(), "--port=2", "--node-ip=10.0.0.1"]).unwrap();
        assert_eq!((config.max_pods, config.serving.port), (7, 2));
        assert!(
            config.serving.authorization_webhook && !config.serving.anonymous,
            "upstream's file defaults are closed"
        );
        assert!(!config.cgroups.per_qos);
        assert_eq!(config.sync_frequency, Duration::from_secs(60));
        assert_eq!(config.serving.client_ca.as_deref(), Some(Path::new("/ca")));
    }

    #[test]
    fn mistakes_are_named() {
        for (args, part) in [
            (["--bootstrap-kubeconfig=/x"], "--bootstrap-kubeconfig"),
            (["--register-with-taints=a=b"], "invalid taint spec"),
            (["--config=/nonexistent/x"], "/nonexistent/x"),
            (["--container-runtime-endpoint=tcp://x"], "tcp://x"),
            (["--eviction-hard=memory.available"], "--eviction-hard"),
            (["--system-reserved=cpu=abc"], "cpu=abc"),
        ] {
            let error = format!("{:#}", config(&args).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }
}
