//! A server and a user, from the current context of a kubeconfig.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

/// Where to send requests, and as whom.
#[derive(Clone, Debug)]
pub struct Server {
    /// Host and port.
    pub address: String,
    pub tls: Arc<ClientConfig>,
    pub token: Option<String>,
}

impl Server {
    /// Reads the current context.
    ///
    /// # Errors
    /// The file cannot be read, lacks something, or its server is not reached by TLS.
    pub fn load(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
        let config: Value = serde_saphyr::from_str(&text).with_context(|| format!("{shown} is no kubeconfig"))?;
        let context = named(&config, "contexts", &config["current-context"])?["context"].clone();
        let cluster = named(&config, "clusters", &context["cluster"])?["cluster"].clone();
        let user = named(&config, "users", &context["user"])?["user"].clone();
        let url = cluster["server"].as_str().unwrap_or_default();
        let address = url.strip_prefix("https://").with_context(|| format!("{shown}: {url:?} is not https"))?;
        let mut roots = RootCertStore::empty();
        let authority = material(&cluster, "certificate-authority", path)?.context("no certificate authority")?;
        for certificate in CertificateDer::pem_slice_iter(&authority) {
            roots.add(certificate?)?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let certificate = material(&user, "client-certificate", path)?;
        let tls = match (certificate, material(&user, "client-key", path)?) {
            (Some(certificate), Some(key)) => {
                let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>()?;
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&key)?)?
            }
            _ => builder.with_no_client_auth(),
        };
        let address = address.trim_end_matches('/').to_owned();
        Ok(Server { address, tls: Arc::new(tls), token: user["token"].as_str().map(str::to_owned) })
    }

    /// The host, without the port.
    pub fn host(&self) -> &str {
        self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host)
    }
}

fn named<'a>(config: &'a Value, list: &str, name: &Value) -> Result<&'a Value> {
    let found = config[list].as_array().into_iter().flatten().find(|entry| &entry["name"] == name);
    match found {
        Some(entry) => Ok(entry),
        None => bail!("no {name} among {list}"),
    }
}

/// A certificate or key: inside the kubeconfig, or in a file beside it.
fn material(entry: &Value, name: &str, kubeconfig: &Path) -> Result<Option<Vec<u8>>> {
    if let Some(data) = entry[format!("{name}-data")].as_str() {
        return Ok(Some(STANDARD.decode(data).with_context(|| format!("{name}-data"))?));
    }
    let Some(file) = entry[name].as_str() else { return Ok(None) };
    let file = kubeconfig.parent().unwrap_or(Path::new(".")).join(file);
    Ok(Some(std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?))
}
