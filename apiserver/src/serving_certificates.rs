//! The certificates that the server shows, by the name that a client asks for, read again when their files change.
//!
//! Source: apiserver `pkg/server/dynamiccertificates`, `pkg/server/options/serving.go`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::flags::Flags;

/// All certificates of one server.
#[derive(Debug)]
pub struct ServingCertificates {
    default: Pair,
    /// `--tls-sni-cert-key`, in the order of the flag.
    named: Vec<Pair>,
}

/// One certificate with its key.
#[derive(Debug)]
struct Pair {
    /// None where it was made in memory.
    files: Option<(PathBuf, PathBuf)>,
    /// The names that it is shown for; the certificate's own where the flag gives none.
    names: Vec<String>,
    current: ArcSwap<Shown>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    read: Option<[SystemTime; 2]>,
}

impl ServingCertificates {
    /// Reads what the flags name; without any file of `--cert-dir`, makes a certificate and keeps it there if it can.
    ///
    /// # Errors
    /// A file cannot be read, or a key does not fit.
    pub fn new(flags: &Flags, provider: &Arc<CryptoProvider>) -> anyhow::Result<ServingCertificates> {
        let default = match (&flags.tls_cert_file, &flags.tls_private_key_file) {
            (Some(certificate), Some(key)) => {
                Pair::read(certificate, key, Vec::new(), provider).context("--tls-cert-file")?
            }
            (None, None) => {
                let file = |name: &str| flags.cert_dir.join(name);
                let (certificate, key) = (file("apiserver.crt"), file("apiserver.key"));
                if certificate.exists() && key.exists() {
                    Pair::read(&certificate, &key, Vec::new(), provider).context("--cert-dir")?
                } else {
                    self_signed(&certificate, &key, provider)?
                }
            }
            _ => anyhow::bail!("--tls-cert-file and --tls-private-key-file must be given together"),
        };
        let named = flags
            .tls_sni_cert_key
            .iter()
            .map(|text| {
                let (files, names) = text.split_once(':').unwrap_or((text, ""));
                let (certificate, key) =
                    files.split_once(',').context("expected comma separated certificate and key file paths")?;
                let names = names.split(',').filter(|name| !name.is_empty()).map(str::to_lowercase).collect();
                Pair::read(Path::new(certificate), Path::new(key), names, provider)
            })
            .collect::<anyhow::Result<Vec<_>>>()
            .context("--tls-sni-cert-key")?;
        Ok(ServingCertificates { default, named })
    }

    /// Reads the files that changed; what cannot be read is told and the old certificate kept.
    pub fn reload(&self) {
        for pair in std::iter::once(&self.default).chain(&self.named) {
            if let Err(error) = pair.reload() {
                tracing::warn!(error = format!("{error:#}"), "a serving certificate could not be read again");
            }
        }
    }
}

impl ResolvesServerCert for ServingCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name().map(str::to_lowercase) {
            for pair in &self.named {
                let shown = pair.current.load();
                if shown.names.iter().any(|pattern| fits(pattern, &name)) {
                    return Some(Arc::clone(&shown.key));
                }
            }
        }
        Some(Arc::clone(&self.default.current.load().key))
    }
}

/// Whether a name is the pattern, or one label in front of what follows its `*.`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(_, parent)| parent == rest),
        None => pattern == name,
    }
}

impl Pair {
    fn read(
        certificate: &Path,
        key: &Path,
        names: Vec<String>,
        provider: &Arc<CryptoProvider>,
    ) -> anyhow::Result<Pair> {
        let shown = read(certificate, key, &names, provider)?;
        Ok(Pair {
            files: Some((certificate.to_owned(), key.to_owned())),
            names,
            current: ArcSwap::from_pointee(shown),
            provider: Arc::clone(provider),
        })
    }

    fn reload(&self) -> anyhow::Result<()> {
        let Some((certificate, key)) = &self.files else { return Ok(()) };
        if self.current.load().read == changed(certificate, key) {
            return Ok(());
        }
        let shown = read(certificate, key, &self.names, &self.provider)?;
        tracing::info!(file = %certificate.display(), "read a serving certificate again");
        self.current.store(Arc::new(shown));
        Ok(())
    }
}

/// When the files were last changed.
fn changed(certificate: &Path, key: &Path) -> Option<[SystemTime; 2]> {
    let of = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    Some([of(certificate)?, of(key)?])
}

fn read(certificate: &Path, key: &Path, names: &[String], provider: &CryptoProvider) -> anyhow::Result<Shown> {
    // Taken before the files are read: a change in between is then seen the next time.
    let read = changed(certificate, key);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read {}", certificate.display()))?;
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot read {}", key.display()))?;
    shown(chain, private, names, read, provider)
        .with_context(|| format!("{} and {} cannot be used", certificate.display(), key.display()))
}

fn shown(
    chain: Vec<CertificateDer<'static>>,
    private: PrivateKeyDer<'static>,
    names: &[String],
    read: Option<[SystemTime; 2]>,
    provider: &CryptoProvider,
) -> anyhow::Result<Shown> {
    let key = CertifiedKey::from_der(chain, private, provider).context("the certificate and key do not fit")?;
    let names = match names {
        [] => key.cert.first().map(|leaf| own_names(leaf)).unwrap_or_default(),
        names => names.to_vec(),
    };
    Ok(Shown { key: Arc::new(key), names, read })
}

/// The names of hosts in a certificate.
fn own_names(leaf: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else { return Vec::new() };
    let alternative = parsed.subject_alternative_name().ok().flatten();
    alternative
        .into_iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_lowercase()),
            _ => None,
        })
        .collect()
}

fn self_signed(certificate: &Path, key: &Path, provider: &Arc<CryptoProvider>) -> anyhow::Result<Pair> {
    let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1"];
    let made = rcgen::generate_simple_self_signed(names.map(str::to_owned).to_vec())?;
    let written = certificate.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
        std::fs::write(certificate, made.cert.pem())?;
        write_private(key, &made.signing_key.serialize_pem())
    });
    if let Err(error) = written {
        tracing::warn!(%error, file = %certificate.display(), "the certificate made for serving is not kept");
    }
    let private =
        PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let shown = shown(vec![made.cert.der().clone()], private, &[], None, provider)?;
    Ok(Pair { files: None, names: Vec::new(), current: ArcSwap::from_pointee(shown), provider: Arc::clone(provider) })
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_upstream_fits_them() {
        assert!(fits("a.example.com", "a.example.com"));
        assert!(fits("*.example.com", "a.example.com"));
        assert!(!fits("*.example.com", "a.b.example.com"));
        assert!(!fits("*.example.com", "example.com"));
    }
}
