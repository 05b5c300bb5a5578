//! One exchange with a webhook, at a URL or a service.
//!
//! Source: apiserver `pkg/util/webhook/client.go`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use futures::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::aggregation::{self, Service};
use crate::object::text;
use crate::server::Server;

/// How much of an answer is read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Where a webhook is.
struct Place {
    url: String,
    /// The name that its certificate must be of.
    name: String,
    address: (String, u16),
    path: String,
}

/// Sends a body and reads the JSON answer. `client` is a `WebhookClientConfig`. The future owns all it needs, so that
/// it is the same for whoever waits for it.
pub fn post(
    server: &Server,
    client: &Value,
    body: Bytes,
    timeout: Duration,
) -> BoxFuture<'static, Result<Value, String>> {
    let place = place(server, client, timeout);
    let bundle = text(&client["caBundle"]).to_owned();
    Box::pin(async move {
        let place = place?;
        let url = place.url.clone();
        let failed = |why: &dyn std::fmt::Display| format!("Post {url:?}: {why}");
        match tokio::time::timeout(timeout, exchange(place, bundle, body)).await {
            Err(_) => Err(failed(&"context deadline exceeded")),
            Ok(Err(error)) => Err(failed(&error)),
            Ok(Ok((code, answer))) if !code.is_success() => Err(format!(
                "an error on the server ({:?}) has prevented the request from succeeding",
                String::from_utf8_lossy(&answer)
            )),
            Ok(Ok((_, answer))) => serde_json::from_slice(&answer).map_err(|error| error.to_string()),
        }
    })
}

fn place(server: &Server, client: &Value, timeout: Duration) -> Result<Place, String> {
    let query = |path: &str| {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}timeout={}s", timeout.as_secs())
    };
    let service = &client["service"];
    if service.is_object() {
        let (namespace, name) = (text(&service["namespace"]).to_owned(), text(&service["name"]).to_owned());
        let port = service["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(443);
        let referred = Service { namespace, name, port };
        let address = aggregation::resolve(server, &referred)?;
        let host = referred.host();
        let path = query(&format!("/{}", text(&service["path"]).trim_start_matches('/')));
        let url = format!("https://{host}:{port}{path}");
        return Ok(Place { url, name: host, address, path });
    }
    let uri: Uri = text(&client["url"]).parse().map_err(|error| format!("Unparsable URL: {error}"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let path = query(uri.path_and_query().map_or("/", |path| path.as_str()));
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let url = format!("https://{authority}{path}");
    Ok(Place { url, name: host.clone(), address: (host, uri.port_u16().unwrap_or(443)), path })
}

async fn exchange(place: Place, bundle: String, body: Bytes) -> anyhow::Result<(http::StatusCode, Bytes)> {
    let tcp = TcpStream::connect(place.address.clone()).await?;
    tcp.set_nodelay(true)?;
    let bundle = base64::engine::general_purpose::STANDARD.decode(bundle)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bundle) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(place.name.clone())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a webhook ended");
        }
    });
    let request = Request::post(place.path)
        .header(HOST, place.name)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, */*")
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let code = response.status();
    let mut body = response.into_body();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| anyhow::anyhow!("{error}"))?;
        let Ok(data) = frame.into_data() else { continue };
        anyhow::ensure!(read.len() + data.len() <= MAX_ANSWER, "the answer is too large");
        read.extend_from_slice(&data);
    }
    Ok((code, read.into()))
}
