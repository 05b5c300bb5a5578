//! Kubeconfig files for the administrator and for each component.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::pki::{
    self, ADMIN, CA, CONTROLLER_MANAGER, DNS, Error, KUBE_PROXY, KUBELET_CLIENT, Pki, SCHEDULER, make_dir, write_file,
};

/// The name of the cluster in every file, as kubeadm has it.
const CLUSTER: &str = "kubernetes";

/// Where a file has its keys from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// In the file itself, which can be taken elsewhere.
    Embedded,
    /// Named by their absolute path; a renewed certificate is found at the next read.
    Referenced,
}

/// All files: name, user, identity in the PKI, and where its keys are.
pub const FILES: &[(&str, &str, &str, Credentials)] = &[
    ("admin.conf", "kubernetes-admin", ADMIN, Credentials::Embedded),
    ("controller-manager.conf", "system:kube-controller-manager", CONTROLLER_MANAGER, Credentials::Referenced),
    ("dns.conf", "system:kube-dns", DNS, Credentials::Referenced),
    ("kube-proxy.conf", "system:kube-proxy", KUBE_PROXY, Credentials::Referenced),
    ("kubelet.conf", "system:node", KUBELET_CLIENT, Credentials::Referenced),
    ("scheduler.conf", "system:kube-scheduler", SCHEDULER, Credentials::Referenced),
];

/// Writes all files of `FILES` into `dir`, which is made if need be; gives those that were new or changed. `server` is the URL of the apiserver.
///
/// # Errors
/// A file cannot be read or written.
pub fn write_all(dir: &Path, pki: &Pki, server: &str) -> Result<Vec<PathBuf>, Error> {
    make_dir(dir)?;
    let mut written = Vec::new();
    for (file, user, identity, credentials) in FILES {
        let path = dir.join(file);
        if write(&path, pki, server, user, identity, *credentials)? {
            written.push(path);
        }
    }
    Ok(written)
}

/// Writes one file, which only its owner can read, unless it says the same already; gives whether it did.
///
/// # Errors
/// A file cannot be read or written.
pub fn write(
    path: &Path,
    pki: &Pki,
    server: &str,
    user: &str,
    identity: &str,
    credentials: Credentials,
) -> Result<bool, Error> {
    let ca = material("certificate-authority", &pki.certificate(CA), credentials)?;
    let certificate = material("client-certificate", &pki.certificate(identity), credentials)?;
    let key = material("client-key", &pki.key(identity), credentials)?;
    let (cluster, server) = (quoted(CLUSTER), quoted(server));
    let (context, user) = (quoted(&format!("{user}@{CLUSTER}")), quoted(user));
    let text = format!(
        "apiVersion: v1
kind: Config
clusters:
- cluster:
    {ca}
    server: {server}
  name: {cluster}
contexts:
- context:
    cluster: {cluster}
    user: {user}
  name: {context}
current-context: {context}
preferences: {{}}
users:
- name: {user}
  user:
    {certificate}
    {key}
"
    );
    if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(false);
    }
    write_file(path, text.as_bytes(), 0o600)?;
    Ok(true)
}

/// One line that has or names a file of the PKI.
fn material(field: &str, file: &Path, credentials: Credentials) -> Result<String, pki::Error> {
    match credentials {
        Credentials::Embedded => {
            let contents = std::fs::read(file).map_err(|error| Error::new(file, format!("cannot be read: {error}")))?;
            Ok(format!("{field}-data: {}", STANDARD.encode(contents)))
        }
        Credentials::Referenced => {
            let path = file.to_str().ok_or_else(|| Error::new(file, "is no UTF-8, as a kubeconfig must be"))?;
            Ok(format!("{field}: {}", quoted(path)))
        }
    }
}

/// A string in double quotes; those of JSON are those of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn pki(dir: &Path) -> Pki {
        Pki::ensure(&dir.join("pki"), &crate::pki::tests::names()).unwrap()
    }

    #[test]
    fn files_are_written_once_and_only_for_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let pki = pki(dir.path());
        let written = write_all(dir.path(), &pki, "https://127.0.0.1:6443").unwrap();
        assert_eq!(written.len(), FILES.len());
        for path in written {
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
        assert!(write_all(dir.path(), &pki, "https://127.0.0.1:6443").unwrap().is_empty());
        assert_eq!(write_all(dir.path(), &pki, "https://10.0.0.1:6443").unwrap().len(), FILES.len());
    }

    #[test]
    fn embedded_and_referenced_files_say_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let pki = pki(dir.path());
        write_all(dir.path(), &pki, "https://127.0.0.1:6443").unwrap();
        let admin = std::fs::read_to_string(dir.path().join("admin.conf")).unwrap();
        let certificate = STANDARD.encode(std::fs::read(pki.certificate(ADMIN)).unwrap());
        assert!(admin.contains(&format!("\n    client-certificate-data: {certificate}\n")), "{admin}");
        assert!(admin.contains("\ncurrent-context: \"kubernetes-admin@kubernetes\"\n"), "{admin}");
        let scheduler = std::fs::read_to_string(dir.path().join("scheduler.conf")).unwrap();
        let key = pki.key(SCHEDULER);
        assert!(scheduler.contains(&format!("\n    client-key: \"{}\"\n", key.display())), "{scheduler}");
        assert!(key.is_absolute());
    }
}
