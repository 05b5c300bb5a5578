//! The cluster's keys and certificates: made at the first start, reused and checked at later ones, named as kubeadm's.

mod certificate;
mod files;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{ExtendedKeyUsagePurpose, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use certificate::{Authority, Certificate, Subject, key_of_pem, same_key};
pub use files::{make_dir, write_file};

/// The CA of clients and servers.
pub const CA: &str = "ca";
/// The CA of proxies that speak for users.
pub const FRONT_PROXY_CA: &str = "front-proxy-ca";
/// The CA of etcd and its clients.
pub const ETCD_CA: &str = "etcd/ca";
/// etcd as a server and a peer.
pub const ETCD_SERVER: &str = "etcd/server";
/// The apiserver as a client of etcd.
pub const APISERVER_ETCD_CLIENT: &str = "apiserver-etcd-client";
/// The pair that signs tokens of service accounts: sa.key and sa.pub.
pub const SERVICE_ACCOUNT: &str = "sa";
pub const APISERVER: &str = "apiserver";
pub const APISERVER_KUBELET_CLIENT: &str = "apiserver-kubelet-client";
pub const FRONT_PROXY_CLIENT: &str = "front-proxy-client";
pub const ADMIN: &str = "admin";
pub const CONTROLLER_MANAGER: &str = "controller-manager";
pub const SCHEDULER: &str = "scheduler";
/// The kubelet as a client.
pub const KUBELET_CLIENT: &str = "kubelet-client";
/// The kubelet as a server.
pub const KUBELET: &str = "kubelet";
pub const KUBE_PROXY: &str = "kube-proxy";
pub const DNS: &str = "dns";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// As kubeadm's.
const LEAF_VALIDITY: Duration = Duration::from_secs(365 * DAY.as_secs());
const CA_VALIDITY: Duration = Duration::from_secs(3650 * DAY.as_secs());
/// A certificate with less left is renewed at start.
const RENEW_BEFORE: Duration = Duration::from_secs(60 * DAY.as_secs());
/// A CA with less left is spoken of at start; only an administrator can replace it.
const WARN_BEFORE: Duration = Duration::from_secs(180 * DAY.as_secs());

/// A file of the PKI that cannot be used, made or read; one line that says which and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct Error {
    path: PathBuf,
    problem: String,
}

impl Error {
    pub(crate) fn new(path: &Path, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), problem: problem.into() }
    }
}

/// What the certificates of this machine are for.
#[derive(Clone, Debug)]
pub struct Names {
    /// The name of the Node.
    pub node: String,
    /// Host names of this machine besides `localhost`.
    pub hosts: Vec<String>,
    /// Addresses of this machine besides the loopback ones.
    pub addresses: Vec<IpAddr>,
    /// The address of the Service `kubernetes`: the first of the service range.
    pub service_ip: IpAddr,
    /// Domain of Services, e.g. `cluster.local`.
    pub cluster_domain: String,
}

/// The first usable address of a service range, which is that of the Service `kubernetes`.
///
/// # Errors
/// `range` is no CIDR, or has no second address.
pub fn first_service_ip(range: &str) -> Result<IpAddr, String> {
    let net: ipnet::IpNet = range.parse().map_err(|error| format!("service range {range:?}: {error}"))?;
    let first = match net.network() {
        IpAddr::V4(ip) => ip.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(ip) => ip.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    };
    first.filter(|ip| net.contains(ip)).ok_or_else(|| format!("service range {range:?} has no address to give"))
}

/// A directory of keys and certificates that has been checked.
#[derive(Debug)]
pub struct Pki {
    dir: PathBuf,
    /// What was renewed and what will need care, one line each, to be shown at start.
    pub notes: Vec<String>,
}

impl Pki {
    /// Makes what is missing in `dir` at the first start, and checks what is there.
    ///
    /// Leaf certificates that end within 60 days, have ended, or lack a name that is needed now are renewed with their
    /// key; `notes` says so. Nothing else is ever replaced.
    ///
    /// # Errors
    /// A file cannot be read or written; a CA has expired or is missing though it has signed; a certificate does not
    /// fit its key, its CA or its name.
    pub fn ensure(dir: &Path, names: &Names) -> Result<Self, Error> {
        Self::ensure_at(dir, names, SystemTime::now())
    }

    fn ensure_at(dir: &Path, names: &Names, now: SystemTime) -> Result<Self, Error> {
        make_dir(&dir.join("etcd"))?;
        let mut pki = Self { dir: std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()), notes: Vec::new() };
        let leaves = leaves(names);
        let mut authorities = Vec::new();
        for (name, common_name) in AUTHORITIES {
            let signed = leaves.iter().filter(|leaf| leaf.authority == name).map(|leaf| leaf.name);
            authorities.push((name, pki.authority(name, common_name, signed, now)?));
        }
        pki.service_account()?;
        // All are checked before any is renewed: a directory that does not fit stays as it is.
        let mut to_issue = Vec::new();
        for leaf in &leaves {
            for (_, authority) in authorities.iter().filter(|(name, _)| leaf.authority == *name) {
                if let Some(key) = pki.check(leaf, authority, now)? {
                    to_issue.push((leaf, authority, key));
                }
            }
        }
        for (leaf, authority, key) in to_issue {
            pki.issue(leaf, authority, key, now)?;
        }
        Ok(pki)
    }

    /// Where the certificate of `name` is.
    #[must_use]
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.crt"))
    }

    /// Where the private key of `name` is.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    /// Where the public key of service-account tokens is.
    #[must_use]
    pub fn service_account_public_key(&self) -> PathBuf {
        self.dir.join(format!("{SERVICE_ACCOUNT}.pub"))
    }

    fn authority(
        &mut self,
        name: &str,
        common_name: &str,
        mut signed: impl Iterator<Item = &'static str>,
        now: SystemTime,
    ) -> Result<Authority, Error> {
        let (certificate_path, key_path) = (self.certificate(name), self.key(name));
        let key = files::read(&key_path)?.map(|pem| key_of_pem(&key_path, &pem)).transpose()?;
        if let Some(pem) = files::read(&certificate_path)? {
            let certificate = Certificate::parse(&certificate_path, &pem)?;
            if !certificate.is_ca {
                return Err(Error::new(&certificate_path, "is not the certificate of a CA"));
            }
            if let Some(key) = &key
                && !same_key(&certificate, key)
            {
                return Err(Error::new(&key_path, format!("is not the key of {name}.crt; restore the right one")));
            }
            if certificate.not_after <= now {
                let day = date(certificate.not_after);
                return Err(Error::new(&certificate_path, format!("expired on {day}; replace the CA")));
            }
            if certificate.not_after <= now + WARN_BEFORE {
                self.notes
                    .push(format!("{name}.crt expires on {}; replace the CA before", date(certificate.not_after)));
            }
            return Authority::new(&certificate_path, certificate, key);
        }
        // A new CA would not be the one that signed what is there.
        if let Some(leaf) = signed.find(|leaf| self.certificate(leaf).exists()) {
            let problem = format!("is missing, though {leaf}.crt is there; restore it, or remove the directory");
            return Err(Error::new(&certificate_path, problem));
        }
        let key = match key {
            Some(key) => key,
            None => make_key(&key_path)?,
        };
        let pem = certificate::self_signed(&certificate_path, common_name, &key, now, now + CA_VALIDITY)?;
        write_file(&certificate_path, pem.as_bytes(), 0o644)?;
        let certificate = Certificate::parse(&certificate_path, &pem)?;
        Authority::new(&certificate_path, certificate, Some(key))
    }

    /// Checks what is there of a leaf. If its certificate has to be issued: for the key that is there, or a new one.
    fn check(&mut self, leaf: &Leaf, authority: &Authority, now: SystemTime) -> Result<Option<Key>, Error> {
        let (certificate_path, key_path) = (self.certificate(leaf.name), self.key(leaf.name));
        let key = files::read(&key_path)?.map(|pem| key_of_pem(&key_path, &pem)).transpose()?;
        let certificate =
            files::read(&certificate_path)?.map(|pem| Certificate::parse(&certificate_path, &pem)).transpose()?;
        match (certificate, key) {
            (None, None) => Ok(Some(Key::New)),
            (None, Some(key)) => Ok(Some(Key::There(key))),
            (Some(_), None) => {
                let problem = format!("is missing; restore it, or remove {}.crt to have both made anew", leaf.name);
                Err(Error::new(&key_path, problem))
            }
            (Some(certificate), Some(key)) => {
                check_fit(&certificate_path, &certificate, &key, leaf, authority)?;
                let Some(reason) = reason_to_renew(&certificate, leaf, authority, now) else { return Ok(None) };
                self.notes.push(format!("renewed {}.crt: {reason}", leaf.name));
                Ok(Some(Key::There(key)))
            }
        }
    }

    fn issue(&self, leaf: &Leaf, authority: &Authority, key: Key, now: SystemTime) -> Result<(), Error> {
        let path = self.certificate(leaf.name);
        let key = match key {
            Key::There(key) => key,
            Key::New => make_key(&self.key(leaf.name))?,
        };
        // Nothing outlives its CA.
        let until = (now + LEAF_VALIDITY).min(authority.certificate.not_after);
        let pem = authority.issue(&path, &leaf.subject, leaf.usages.clone(), &leaf.names, &key, now, until)?;
        write_file(&path, pem.as_bytes(), 0o644)
    }

    fn service_account(&self) -> Result<(), Error> {
        let (key_path, public_path) = (self.key(SERVICE_ACCOUNT), self.service_account_public_key());
        let public = files::read(&public_path)?;
        let key = match (files::read(&key_path)?, &public) {
            (Some(pem), _) => key_of_pem(&key_path, &pem)?,
            (None, Some(_)) => {
                let problem =
                    "is missing, though sa.pub is there; restore it, or remove sa.pub: all tokens become void";
                return Err(Error::new(&key_path, problem));
            }
            (None, None) => {
                let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
                    .map_err(|error| Error::new(&key_path, format!("cannot make a key: {error}")))?;
                write_file(&key_path, key.serialize_pem().as_bytes(), 0o600)?;
                key
            }
        };
        match public {
            None => write_file(&public_path, key.public_key_pem().as_bytes(), 0o644),
            Some(pem) if certificate::public_key_matches(&pem, &key) => Ok(()),
            Some(_) => Err(Error::new(&public_path, "is not the public key of sa.key; restore the right one")),
        }
    }
}

/// The key that a certificate is issued for.
enum Key {
    There(KeyPair),
    New,
}

/// A certificate that a CA of ours signs.
struct Leaf {
    name: &'static str,
    authority: &'static str,
    subject: Subject,
    usages: Vec<ExtendedKeyUsagePurpose>,
    /// Host names and addresses.
    names: BTreeSet<String>,
}

/// All CAs and their names.
const AUTHORITIES: [(&str, &str); 3] = [(CA, "kubernetes"), (ETCD_CA, "etcd-ca"), (FRONT_PROXY_CA, "front-proxy-ca")];

/// All leaf certificates. To add one, add it here; a client also wants a row in `kubeconfig::FILES`.
fn leaves(names: &Names) -> Vec<Leaf> {
    let client = |name, authority, common_name: &str, organization| Leaf {
        name,
        authority,
        subject: Subject { common_name: common_name.to_owned(), organization },
        usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
        names: BTreeSet::new(),
    };
    let server = |name, common_name: String, organization, names| Leaf {
        name,
        authority: CA,
        subject: Subject { common_name, organization },
        usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
        names,
    };
    let node_user = format!("system:node:{}", names.node);
    let nodes = Some("system:nodes");
    // The bootstrap role of cluster DNS is bound to this service account.
    let dns_user = "system:serviceaccount:kube-system:kube-dns";
    vec![
        client(ADMIN, CA, "kubernetes-super-admin", Some("system:masters")),
        server(APISERVER, "kube-apiserver".to_owned(), None, apiserver_names(names)),
        client(APISERVER_ETCD_CLIENT, ETCD_CA, "kube-apiserver-etcd-client", None),
        client(APISERVER_KUBELET_CLIENT, CA, "kube-apiserver-kubelet-client", Some("kubeadm:cluster-admins")),
        client(CONTROLLER_MANAGER, CA, "system:kube-controller-manager", None),
        client(DNS, CA, dns_user, None),
        Leaf {
            authority: ETCD_CA,
            // etcd is a client of itself, too.
            usages: vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            ..server(ETCD_SERVER, names.node.clone(), None, machine_names(names))
        },
        client(FRONT_PROXY_CLIENT, FRONT_PROXY_CA, "front-proxy-client", None),
        client(KUBE_PROXY, CA, "system:kube-proxy", None),
        server(KUBELET, node_user.clone(), nodes, machine_names(names)),
        client(KUBELET_CLIENT, CA, &node_user, nodes),
        client(SCHEDULER, CA, "system:kube-scheduler", None),
    ]
}

fn machine_names(names: &Names) -> BTreeSet<String> {
    let mut all = BTreeSet::from(["localhost", "127.0.0.1", "::1"].map(String::from));
    all.insert(names.node.clone());
    all.extend(names.hosts.iter().cloned());
    all.extend(names.addresses.iter().map(IpAddr::to_string));
    all.retain(|name| !name.is_empty());
    all
}

fn apiserver_names(names: &Names) -> BTreeSet<String> {
    let mut all = machine_names(names);
    all.extend(["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(String::from));
    all.insert(format!("kubernetes.default.svc.{}", names.cluster_domain));
    all.insert(names.service_ip.to_string());
    all
}

fn make_key(path: &Path) -> Result<KeyPair, Error> {
    let key = KeyPair::generate().map_err(|error| Error::new(path, format!("cannot make a key: {error}")))?;
    write_file(path, key.serialize_pem().as_bytes(), 0o600)?;
    Ok(key)
}

/// Refuses a certificate that renewing would not make right.
fn check_fit(path: &Path, found: &Certificate, key: &KeyPair, leaf: &Leaf, authority: &Authority) -> Result<(), Error> {
    let name = leaf.name;
    if !same_key(found, key) {
        return Err(Error::new(path, format!("does not fit {name}.key; restore the right ones, or remove both")));
    }
    if !authority.has_signed(found) {
        let ca = leaf.authority;
        return Err(Error::new(path, format!("was not signed by {ca}.crt; restore the right ones, or remove it")));
    }
    if found.subject != leaf.subject.to_string() {
        let problem = format!(
            "is for {:?}, not for {:?}; remove it to have it made anew",
            found.subject,
            leaf.subject.to_string()
        );
        return Err(Error::new(path, problem));
    }
    Ok(())
}

fn reason_to_renew(found: &Certificate, leaf: &Leaf, authority: &Authority, now: SystemTime) -> Option<String> {
    if found.not_after <= now {
        return Some(format!("it expired on {}", date(found.not_after)));
    }
    // One that ends with its CA could not be made longer.
    if found.not_after <= now + RENEW_BEFORE && found.not_after < authority.certificate.not_after {
        return Some(format!("it would have expired on {}", date(found.not_after)));
    }
    let missing: Vec<&str> = leaf.names.difference(&found.names).map(String::as_str).collect();
    (!missing.is_empty()).then(|| format!("it was not valid for {}", missing.join(", ")))
}

fn date(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time)
        .map_or_else(|_| "a far day".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}
