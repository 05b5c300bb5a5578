//! The command line of every process of a one-machine cluster. Pure: settings in, processes out.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::pki::{self, Pki};
use crate::supervisor::Process;

use super::storage::Backend;

/// When the node counts as short of something. The kubelet's own shares of the disk (10 and 15 %) are for machines that
/// pods have to themselves: here they would stop all pods on a workstation with 20 GiB free.
const EVICTION_HARD: &str = "memory.available<100Mi,nodefs.available<1Gi,nodefs.inodesFree<1%,imagefs.available<1Gi";

/// What the command lines are made of.
pub struct Cluster<'a> {
    /// This executable.
    pub kybern: &'a Path,
    pub data: &'a Path,
    pub pki: &'a Pki,
    pub backend: &'a Backend,
    pub node: &'a str,
    pub address: IpAddr,
    pub port: u16,
    pub etcd_port: u16,
    pub service_range: &'a str,
    pub pod_range: &'a str,
    pub dns_address: IpAddr,
    pub dns_port: u16,
    pub domain: &'a str,
    pub verbosity: u8,
}

impl Cluster<'_> {
    fn conf(&self, name: &str) -> PathBuf {
        self.data.join("kubeconfig").join(name)
    }

    fn component(&self, name: &'static str, args: Vec<OsString>) -> Process {
        let mut all = vec![OsString::from(name)];
        all.extend(args);
        all.push(format!("--v={}", self.verbosity).into());
        Process { name, program: self.kybern.to_owned(), args: all, env: Vec::new() }
    }

    /// etcd, when it is ours.
    pub fn etcd(&self) -> Option<Process> {
        let Backend::Etcd { program } = self.backend else { return None };
        let url = format!("https://127.0.0.1:{}", self.etcd_port);
        let peer = format!("https://127.0.0.1:{}", self.etcd_port + 1);
        let args = vec![
            flag("data-dir", self.data.join("etcd")),
            flag("name", self.node),
            flag("listen-client-urls", &url),
            flag("advertise-client-urls", &url),
            flag("listen-peer-urls", &peer),
            flag("initial-advertise-peer-urls", &peer),
            flag("initial-cluster", format!("{}={peer}", self.node)),
            "--client-cert-auth=true".into(),
            "--peer-client-cert-auth=true".into(),
            flag("cert-file", self.pki.certificate(pki::ETCD_SERVER)),
            flag("key-file", self.pki.key(pki::ETCD_SERVER)),
            flag("peer-cert-file", self.pki.certificate(pki::ETCD_SERVER)),
            flag("peer-key-file", self.pki.key(pki::ETCD_SERVER)),
            flag("trusted-ca-file", self.pki.certificate(pki::ETCD_CA)),
            flag("peer-trusted-ca-file", self.pki.certificate(pki::ETCD_CA)),
            "--logger=zap".into(),
            "--log-level=warn".into(),
        ];
        Some(Process { name: "etcd", program: program.clone(), args, env: Vec::new() })
    }

    pub fn apiserver(&self) -> Process {
        let pki = self.pki;
        let mut args = match self.backend {
            Backend::Etcd { .. } => vec![
                flag("etcd-servers", format!("https://127.0.0.1:{}", self.etcd_port)),
                flag("etcd-cafile", pki.certificate(pki::ETCD_CA)),
                flag("etcd-certfile", pki.certificate(pki::APISERVER_ETCD_CLIENT)),
                flag("etcd-keyfile", pki.key(pki::APISERVER_ETCD_CLIENT)),
            ],
            Backend::External { servers } => vec![flag("etcd-servers", servers.join(","))],
            Backend::Embedded => vec![flag("storage", self.data.join("store"))],
        };
        args.extend([
            flag("secure-port", self.port.to_string()),
            flag("advertise-address", self.address.to_string()),
            flag("tls-cert-file", pki.certificate(pki::APISERVER)),
            flag("tls-private-key-file", pki.key(pki::APISERVER)),
            flag("client-ca-file", pki.certificate(pki::CA)),
            flag("requestheader-client-ca-file", pki.certificate(pki::FRONT_PROXY_CA)),
            "--requestheader-allowed-names=front-proxy-client".into(),
            flag("proxy-client-cert-file", pki.certificate(pki::FRONT_PROXY_CLIENT)),
            flag("proxy-client-key-file", pki.key(pki::FRONT_PROXY_CLIENT)),
            flag("kubelet-certificate-authority", pki.certificate(pki::CA)),
            flag("kubelet-client-certificate", pki.certificate(pki::APISERVER_KUBELET_CLIENT)),
            flag("kubelet-client-key", pki.key(pki::APISERVER_KUBELET_CLIENT)),
            "--kubelet-preferred-address-types=InternalIP,Hostname".into(),
            flag("service-account-key-file", pki.service_account_public_key()),
            flag("service-account-signing-key-file", pki.key(pki::SERVICE_ACCOUNT)),
            flag("service-account-issuer", format!("https://kubernetes.default.svc.{}", self.domain)),
            flag("service-cluster-ip-range", self.service_range),
            "--authorization-mode=Node,RBAC".into(),
            "--enable-admission-plugins=NodeRestriction".into(),
            "--allow-privileged=true".into(),
            "--enable-bootstrap-token-auth=true".into(),
        ]);
        self.component("apiserver", args)
    }

    pub fn controllers(&self) -> Process {
        let pki = self.pki;
        self.component(
            "controllers",
            vec![
                flag("kubeconfig", self.conf("controller-manager.conf")),
                flag("authentication-kubeconfig", self.conf("controller-manager.conf")),
                flag("authorization-kubeconfig", self.conf("controller-manager.conf")),
                "--bind-address=127.0.0.1".into(),
                // There is one of each: after a crash nothing need wait for a lease to run out.
                "--leader-elect=false".into(),
                "--use-service-account-credentials=true".into(),
                "--controllers=*,bootstrapsigner,tokencleaner".into(),
                flag("root-ca-file", pki.certificate(pki::CA)),
                flag("cluster-signing-cert-file", pki.certificate(pki::CA)),
                flag("cluster-signing-key-file", pki.key(pki::CA)),
                "--allocate-node-cidrs=true".into(),
                flag("cluster-cidr", self.pod_range),
            ],
        )
    }

    pub fn scheduler(&self) -> Process {
        self.component(
            "scheduler",
            vec![
                flag("kubeconfig", self.conf("scheduler.conf")),
                flag("authentication-kubeconfig", self.conf("scheduler.conf")),
                flag("authorization-kubeconfig", self.conf("scheduler.conf")),
                "--bind-address=127.0.0.1".into(),
                "--leader-elect=false".into(),
            ],
        )
    }

    pub fn containerd(&self, program: &Path) -> Process {
        Process {
            name: "containerd",
            program: program.to_owned(),
            args: vec!["--config".into(), self.data.join("containerd/config.toml").into()],
            env: Vec::new(),
        }
    }

    pub fn node_agent(&self) -> Process {
        let pki = self.pki;
        self.component(
            "node-agent",
            vec![
                flag("kubeconfig", self.conf("kubelet.conf")),
                flag("hostname-override", self.node),
                flag("node-ip", self.address.to_string()),
                flag("container-runtime-endpoint", format!("unix://{}", self.socket().display())),
                flag("root-dir", self.data.join("kubelet")),
                flag("cert-dir", self.data.join("kubelet/pki")),
                flag("pod-logs-dir", self.data.join("logs/pods")),
                flag("tls-cert-file", pki.certificate(pki::KUBELET)),
                flag("tls-private-key-file", pki.key(pki::KUBELET)),
                flag("client-ca-file", pki.certificate(pki::CA)),
                "--anonymous-auth=false".into(),
                "--read-only-port=0".into(),
                "--authentication-token-webhook=true".into(),
                "--authorization-mode=Webhook".into(),
                flag("cluster-dns", self.dns_address.to_string()),
                flag("cluster-domain", self.domain),
                "--network-plugin-config=bridge".into(),
                flag("cni-conf-dir", self.data.join("cni")),
                "--fail-swap-on=false".into(),
                format!("--eviction-hard={EVICTION_HARD}").into(),
            ],
        )
    }

    pub fn proxy(&self) -> Process {
        self.component(
            "proxy",
            vec![
                flag("kubeconfig", self.conf("kube-proxy.conf")),
                flag("hostname-override", self.node),
                flag("cluster-cidr", self.pod_range),
                "--proxy-mode=nftables".into(),
            ],
        )
    }

    pub fn dns(&self) -> Process {
        self.component(
            "dns",
            vec![
                flag("kubeconfig", self.conf("dns.conf")),
                flag("bind", format!("{}:{}", self.address, self.dns_port)),
                flag("cluster-domain", self.domain),
            ],
        )
    }

    /// Where containerd listens.
    pub fn socket(&self) -> PathBuf {
        self.data.join("containerd/containerd.sock")
    }
}

/// `--name=value`.
fn flag(name: &str, value: impl AsRef<std::ffi::OsStr>) -> OsString {
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(value);
    flag
}
