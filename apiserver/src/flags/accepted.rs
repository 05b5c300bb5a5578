//! Flags of upstream's that have nothing to switch here: taken where they ask for what is so, refused where not.

use std::ffi::OsString;

use clap::CommandFactory;
use controllers_component_base::flags::boolean;

use super::Flags;

/// What values a flag may have.
enum Takes {
    /// A boolean, one of these.
    Bool(&'static [bool]),
    /// One of these words.
    Words(&'static [&'static str]),
    /// Anything: it tunes what is not there to be tuned.
    Any,
}

use Takes::{Any, Bool, Words};

/// Flags whose values are checked and forgotten, by name.
const FIXED: &[(&str, Takes)] = &[
    ("aggregator-reject-forwarding-redirect", Bool(&[true])),
    // There is nothing of Go's to profile.
    ("contention-profiling", Bool(&[true, false])),
    ("delete-collection-workers", Any),
    ("emulated-version", Words(&["1.36", "kube=1.36"])),
    ("emulation-forward-compatible", Bool(&[true, false])),
    // Deletion always knows of dependents.
    ("enable-garbage-collector", Bool(&[true])),
    ("enable-logs-handler", Bool(&[false])),
    // Objects are counted when metrics are asked for.
    ("etcd-count-metric-poll-period", Any),
    ("etcd-readycheck-timeout", Any),
    // Kubelets are streamed from; nothing has this limit upstream either.
    ("kubelet-timeout", Any),
    ("kubernetes-service-node-port", Words(&["0"])),
    ("lease-reuse-duration-seconds", Any),
    ("log-flush-frequency", Any),
    ("logging-format", Words(&["text"])),
    ("max-connection-bytes-per-sec", Words(&["0"])),
    ("min-compatibility-version", Words(&["1.35", "1.36", "kube=1.35", "kube=1.36"])),
    // Addresses are always shared with connections that are ending.
    ("permit-address-sharing", Bool(&[true, false])),
    ("profiling", Bool(&[true, false])),
    ("runtime-config-emulation-forward-compatible", Bool(&[true, false])),
    ("service-account-lookup", Bool(&[true])),
    ("storage-backend", Words(&["etcd3"])),
    ("storage-initialization-timeout", Any),
    ("storage-media-type", Words(&["application/vnd.kubernetes.protobuf"])),
    ("watch-cache", Bool(&[true])),
    // Histories are bounded by age and bytes.
    ("default-watch-cache-size", Any),
    ("watch-cache-sizes", Any),
];

/// Flags that are not served yet; those that end in a dash stand for all that begin so.
const NOT_SERVED: &[&str] = &[
    "admission-control",
    "allow-metric-labels",
    "allow-metric-labels-manifest",
    "authorization-policy-file",
    "coordinated-leadership-",
    "debug-socket-path",
    "disabled-metrics",
    "egress-selector-config-file",
    "etcd-servers-overrides",
    "log-json-",
    "log-text-",
    "peer-",
    "send-retry-after-while-not-ready-once",
    "service-account-signing-endpoint",
    "show-hidden-metrics-for-version",
    "tls-curve-preferences",
    "tracing-config-file",
    "vmodule",
];

/// The arguments that are left to parse.
///
/// # Errors
/// One line: a flag asks for what is not so, or is not served yet.
pub fn without(arguments: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let command = Flags::command();
    let is_own = |name: &str| command.get_arguments().any(|argument| argument.get_long() == Some(name));
    let mut left = Vec::with_capacity(arguments.len());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let (name, value) = match text.strip_prefix("--").map(|flag| flag.split_once('=').unwrap_or((flag, ""))) {
            Some((name, value)) if !name.is_empty() && !is_own(name) => (name.to_owned(), value.to_owned()),
            _ => {
                left.push(argument);
                continue;
            }
        };
        let is_inline = text.contains('=');
        if NOT_SERVED.iter().any(|own| *own == name || (own.ends_with('-') && name.starts_with(own))) {
            return Err(format!("--{name} is a flag of kube-apiserver that this server does not serve yet"));
        }
        let Some((_, takes)) = FIXED.iter().find(|(own, _)| *own == name) else {
            left.push(argument);
            continue;
        };
        let value = match takes {
            Bool(_) if !is_inline => "true".to_owned(),
            _ if is_inline => value,
            _ => match arguments.next() {
                Some(value) => value.to_string_lossy().into_owned(),
                None => return Err(format!("flag needs an argument: --{name}")),
            },
        };
        check(&name, &value, takes)?;
    }
    Ok(left)
}

fn check(name: &str, value: &str, takes: &Takes) -> Result<(), String> {
    let is_so = match takes {
        Any => true,
        Words(words) => words.contains(&value),
        Bool(allowed) => {
            let given =
                boolean(value).map_err(|why| format!("invalid argument {value:?} for \"--{name}\" flag: {why}"))?;
            allowed.contains(&given)
        }
    };
    if is_so { Ok(()) } else { Err(format!("--{name}={value} is not served: this server has only its default")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(arguments: &[&str]) -> Result<Vec<String>, String> {
        let arguments = arguments.iter().map(OsString::from).collect();
        without(arguments).map(|left| left.iter().map(|text| text.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn what_is_so_is_taken_and_the_rest_refused() {
        assert_eq!(left(&["a", "--storage-backend=etcd3", "--v=2"]), Ok(vec!["a".into(), "--v=2".into()]));
        assert_eq!(
            left(&["--storage-backend", "etcd3", "--watch-cache", "-v", "2"]),
            Ok(vec!["-v".into(), "2".into()])
        );
        assert_eq!(left(&["--profiling=false"]), Ok(vec![]));
        assert_eq!(
            left(&["--authorization-policy-file=x"]).unwrap_err(),
            "--authorization-policy-file is a flag of kube-apiserver that this server does not serve yet"
        );
        assert!(left(&["--storage-backend=etcd2"]).is_err());
        assert!(left(&["--watch-cache=false"]).is_err());
        assert!(left(&["--profiling=maybe"]).is_err());
        assert!(left(&["--storage-backend"]).is_err());
        // What is unknown is left to be told so.
        assert_eq!(left(&["--nonsense"]), Ok(vec!["--nonsense".into()]));
    }

    /// What kubeadm, kind, envtest and k3s pass.
    #[test]
    fn the_flags_of_others_are_taken() {
        use clap::Parser;
        let kubeadm = "--advertise-address=10.0.0.1 --allow-privileged=true --authorization-mode=Node,RBAC --client-ca-file=ca \
            --enable-admission-plugins=NodeRestriction --enable-bootstrap-token-auth=true --etcd-cafile=ca --etcd-certfile=c --etcd-keyfile=k \
            --etcd-servers=https://127.0.0.1:2379 --kubelet-client-certificate=c --kubelet-client-key=k \
            --kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname --proxy-client-cert-file=c --proxy-client-key-file=k \
            --requestheader-allowed-names=front-proxy-client --requestheader-client-ca-file=ca \
            --requestheader-extra-headers-prefix=X-Remote-Extra- --requestheader-group-headers=X-Remote-Group \
            --requestheader-username-headers=X-Remote-User --runtime-config= --secure-port=6443 \
            --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file=sa.pub \
            --service-account-signing-key-file=sa.key --service-cluster-ip-range=10.96.0.0/16 --tls-cert-file=c --tls-private-key-file=k";
        let envtest = "--allow-privileged=true --authorization-mode=RBAC --bind-address=127.0.0.1 --cert-dir=d --client-ca-file=ca \
            --disable-admission-plugins=ServiceAccount --etcd-servers=http://127.0.0.1:1 --secure-port=1 \
            --service-account-issuer=https://127.0.0.1:1/ --service-account-key-file=k --service-account-signing-key-file=k \
            --service-cluster-ip-range=10.0.0.0/24";
        let k3s = "--advertise-address=10.0.0.1 --allow-privileged=true --anonymous-auth=false --api-audiences=https://x,k3s \
            --authorization-mode=Node,RBAC --bind-address=127.0.0.1 --cert-dir=d --client-ca-file=ca --etcd-servers=unix://x \
            --enable-admission-plugins=NodeRestriction --enable-bootstrap-token-auth=true --feature-gates=AllAlpha=false \
            --kubelet-certificate-authority=ca --kubelet-client-certificate=c --kubelet-client-key=k --profiling=false \
            --secure-port=6444 --service-account-issuer=https://x --service-node-port-range=30000-32767 --storage-backend=etcd3 \
            --tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 --tls-min-version=VersionTLS12";
        for flags in [kubeadm, envtest, k3s] {
            let arguments =
                std::iter::once("kube-apiserver").chain(flags.split_whitespace()).map(OsString::from).collect();
            Flags::try_parse_from(without(arguments).unwrap()).unwrap();
        }
    }
}
