//! Where kubelets are and how they are spoken to.

use std::sync::Arc;

use anyhow::Context as _;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use crate::backend::{AnyServer, Location};
use crate::flags::Flags;
use crate::server::Server;
use crate::status::{GroupResource, Result, Status};

/// Kubelets that declare it translate WebSocket streams themselves.
const EXTEND_WEBSOCKETS_TO_KUBELET: &str = "ExtendWebSocketsToKubelet";

/// How to reach every node's kubelet.
pub struct Kubelets {
    tls: Arc<ClientConfig>,
    /// The same identity, and every server is believed.
    unverified: Arc<ClientConfig>,
    /// No identity, and every server is believed: what pods and services are proxied with.
    proxied: Arc<ClientConfig>,
    preferred: Vec<String>,
}

/// One node's kubelet.
pub struct Kubelet {
    pub host: String,
    pub port: u16,
    tls: Arc<ClientConfig>,
    /// Whether it takes WebSocket where others are sent SPDY.
    pub translates: bool,
}

impl Kubelet {
    /// A path of this kubelet; `query` as it is sent.
    pub fn location(&self, path: String, query: String) -> Location {
        Location {
            tls: Some(Arc::clone(&self.tls)),
            host: self.host.clone(),
            port: self.port,
            server_name: None,
            path,
            query,
        }
    }
}

impl Kubelets {
    pub fn new(flags: &Flags) -> anyhow::Result<Kubelets> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .context("no protocol versions of TLS")
        };
        let believing = || {
            builder().map(|builder| {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(Arc::clone(&provider))))
            })
        };
        let verifying = match &flags.kubelet_certificate_authority {
            Some(path) => {
                let mut roots = rustls::RootCertStore::empty();
                for certificate in CertificateDer::pem_file_iter(path)
                    .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
                    .with_context(|| format!("--kubelet-certificate-authority: cannot read {}", path.display()))?
                {
                    roots.add(certificate)?;
                }
                builder()?.with_root_certificates(roots)
            }
            None => believing()?,
        };
        let (tls, unverified) = match (&flags.kubelet_client_certificate, &flags.kubelet_client_key) {
            (Some(certificate), Some(key)) => {
                let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
                    .and_then(Iterator::collect)
                    .with_context(|| format!("--kubelet-client-certificate: cannot read {}", certificate.display()))?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .with_context(|| format!("--kubelet-client-key: cannot read {}", key.display()))?;
                (
                    verifying.with_client_auth_cert(chain.clone(), key.clone_key())?,
                    believing()?.with_client_auth_cert(chain, key)?,
                )
            }
            (None, None) => (verifying.with_no_client_auth(), believing()?.with_no_client_auth()),
            _ => anyhow::bail!("--kubelet-client-certificate and --kubelet-client-key must be given together"),
        };
        Ok(Kubelets {
            tls: Arc::new(tls),
            unverified: Arc::new(unverified),
            proxied: Arc::new(believing()?.with_no_client_auth()),
            preferred: flags.kubelet_preferred_address_types.clone(),
        })
    }

    /// What pods and services that speak TLS are proxied with.
    pub fn proxied_tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.proxied)
    }

    /// A node's kubelet, by the node's own record. `verified` is whether its certificate must be of the authority of
    /// `--kubelet-certificate-authority`.
    ///
    /// # Errors
    /// There is no such node, or it has no address.
    pub async fn find(&self, server: &Server, node: &str, verified: bool) -> Result<Kubelet> {
        let found = server.find("", "nodes", "", node).await?;
        let found = found.ok_or_else(|| Status::not_found(GroupResource { group: "", resource: "nodes" }, node))?;
        let status = &found["status"];
        let addresses: &[Value] = status["addresses"].as_array().map_or(&[], Vec::as_slice);
        let host = self
            .preferred
            .iter()
            .find_map(|kind| addresses.iter().find(|address| address["type"] == kind.as_str()))
            .and_then(|address| address["address"].as_str())
            .ok_or_else(|| {
                let known: Vec<String> = addresses
                    .iter()
                    .map(|address| {
                        let text = |key: &str| address[key].as_str().unwrap_or_default().to_owned();
                        format!("{{{} {}}}", text("type"), text("address"))
                    })
                    .collect();
                let known = known.join(" ");
                Status::unclassified(format!("no preferred addresses found; known addresses: [{known}]"))
            })?;
        let port = status["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64();
        let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0).unwrap_or(10250);
        let features = status["declaredFeatures"].as_array().into_iter().flatten();
        Ok(Kubelet {
            host: host.to_owned(),
            port,
            tls: Arc::clone(if verified { &self.tls } else { &self.unverified }),
            translates: features.into_iter().any(|feature| feature == EXTEND_WEBSOCKETS_TO_KUBELET),
        })
    }
}

/// A pod that requests are passed on to.
pub async fn pod(server: &Server, namespace: &str, name: &str) -> Result<Value> {
    let found = server.find("", "pods", namespace, name).await?;
    found.ok_or_else(|| Status::not_found(GroupResource { group: "", resource: "pods" }, name))
}
