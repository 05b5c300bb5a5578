//! The endpoint's TLS: the serving certificate, given or self-signed, and the CA of client certificates.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::config::Config;

/// Builds the TLS configuration.
///
/// # Errors
/// A file that cannot be read, in one line.
pub fn server_config(config: &Config) -> Result<ServerConfig> {
    let (certificate, key) = match &config.serving.tls {
        Some(files) => files.clone(),
        None => self_signed(config)?,
    };
    let chain = certificates(&certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(&key).with_context(|| format!("cannot read the private key {}", key.display()))?;
    let builder = ServerConfig::builder();
    let builder = match &config.serving.client_ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root).with_context(|| format!("unusable certificate in {}", path.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build();
            builder
                .with_client_cert_verifier(verifier.with_context(|| format!("unusable client CA {}", path.display()))?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut tls = builder.with_single_cert(chain, key).context("unusable serving certificate")?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let named = || format!("cannot read certificates from {}", path.display());
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(path).with_context(named)?.collect::<Result<_, _>>().with_context(named)?;
    if chain.is_empty() {
        return Err(anyhow!("{}: there are none", named()));
    }
    Ok(chain)
}

/// `kubelet.crt` and `kubelet.key` in the certificate directory; made when they are not there.
fn self_signed(config: &Config) -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (config.cert_dir.join("kubelet.crt"), config.cert_dir.join("kubelet.key"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let mut names = vec![config.node_name.clone()];
    names.extend(config.node_ips.iter().map(ToString::to_string));
    let made = rcgen::generate_simple_self_signed(names).context("cannot make a serving certificate")?;
    fs::create_dir_all(&config.cert_dir).with_context(|| format!("cannot create {}", config.cert_dir.display()))?;
    // The key first: a certificate without its key would be taken for a pair's half.
    write(&key, &made.signing_key.serialize_pem(), 0o600)?;
    write(&certificate, &made.cert.pem(), 0o644)?;
    Ok((certificate, key))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    use std::io::Write;
    let named = || format!("cannot write {}", path.display());
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path).with_context(named)?;
    file.write_all(text.as_bytes()).with_context(named)
}
