//! The actions that probes and life cycle hooks share: exec, http, tcp, sleep.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction, TCPSocketAction},
    apimachinery::pkg::util::intstr::IntOrString,
};
use std::sync::Arc;
use tokio::net::TcpStream;

use crate::cri::{Error, Runtime};

/// How much of an answer is read: it only stands in messages.
const MAX_BODY: usize = 10 * 1024;

/// What an action came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Success(String),
    Failure(String),
}

/// Runs a command in a container. A non-zero exit is a failure with its output.
///
/// # Errors
/// The command could not be run.
pub async fn exec(
    runtime: &dyn Runtime,
    container_id: &str,
    command: Vec<String>,
    timeout: Duration,
) -> Result<Verdict, String> {
    let seconds = i64::try_from(timeout.as_secs()).unwrap_or(0);
    match runtime.exec_sync(container_id, command, seconds).await {
        Ok(answer) => {
            let mut output = answer.stdout;
            output.extend_from_slice(&answer.stderr);
            output.truncate(MAX_BODY);
            let output = String::from_utf8_lossy(&output).into_owned();
            Ok(if answer.exit_code == 0 { Verdict::Success(output) } else { Verdict::Failure(output) })
        }
        Err(Error::DeadlineExceeded(message)) => Ok(Verdict::Failure(format!("command timed out: {message}"))),
        Err(Error::Failed(message)) if message.contains("timeout") => Ok(Verdict::Failure(message)),
        Err(error) => Err(error.to_string()),
    }
}

/// Connects to a TCP port.
///
/// # Errors
/// A port that the container does not have.
pub async fn tcp(
    action: &TCPSocketAction,
    container: &Container,
    pod_ip: &str,
    timeout: Duration,
) -> Result<Verdict, String> {
    let port = port(&action.port, container)?;
    let host = action.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(pod_ip);
    let address = address(host, port);
    Ok(match tokio::time::timeout(timeout, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Verdict::Success(String::new()),
        Ok(Err(error)) => Verdict::Failure(format!("dial tcp {address}: connect: {}", reason(&error))),
        Err(_) => Verdict::Failure(format!("dial tcp {address}: i/o timeout")),
    })
}

/// Sends a GET; 200 to 399 is a success.
///
/// # Errors
/// A port that the container does not have, or a request that cannot be formed.
pub async fn http_get(
    action: &HTTPGetAction,
    container: &Container,
    pod_ip: &str,
    timeout: Duration,
    agent: &str,
) -> Result<Verdict, String> {
    let port = port(&action.port, container)?;
    let host = action.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(pod_ip);
    let tls = action.scheme.as_deref().unwrap_or("HTTP").eq_ignore_ascii_case("https");
    let path = action.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_string() } else { format!("/{path}") };
    let authority = address(host, port);
    let url = format!("{}://{authority}{path}", if tls { "https" } else { "http" });
    let mut request = Request::get(path.as_str())
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| format!("invalid request {url}: {error}"))?;
    let headers = request.headers_mut();
    let mut set = |name: HeaderName, value: &str| -> Result<(), String> {
        headers.insert(name, HeaderValue::from_str(value).map_err(|error| error.to_string())?);
        Ok(())
    };
    set(header::HOST, &authority)?;
    set(header::USER_AGENT, agent)?;
    set(header::ACCEPT, "*/*")?;
    set(header::CONNECTION, "close")?;
    for custom in action.http_headers.iter().flatten() {
        let name = HeaderName::try_from(custom.name.as_str())
            .map_err(|error| format!("invalid header {:?}: {error}", custom.name))?;
        set(name, &custom.value)?;
    }
    let failure = |text: String| Verdict::Failure(format!("Get {url:?}: {text}"));
    let answer = tokio::time::timeout(timeout, async {
        let stream = match TcpStream::connect((host, port)).await {
            Ok(stream) => stream,
            Err(error) => return failure(format!("dial tcp {authority}: connect: {}", reason(&error))),
        };
        let sent = if tls {
            match over_tls(stream, host).await {
                Ok(stream) => exchange(stream, request).await,
                Err(error) => Err(error),
            }
        } else {
            exchange(stream, request).await
        };
        match sent {
            Ok((status, body)) if (200..400).contains(&status) => Verdict::Success(body),
            Ok((status, _)) => Verdict::Failure(format!("HTTP probe failed with statuscode: {status}")),
            Err(error) => failure(error),
        }
    });
    Ok(answer.await.unwrap_or_else(|_| {
        failure("context deadline exceeded (Client.Timeout exceeded while awaiting headers)".into())
    }))
}

async fn exchange<S>(stream: S, request: Request<Empty<bytes::Bytes>>) -> Result<(u16, String), String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| error.to_string());
    let result = match answer {
        Ok(answer) => {
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), MAX_BODY)
                .collect()
                .await
                .map(|body| body.to_bytes())
                .unwrap_or_default();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        }
        Err(error) => Err(error),
    };
    connection.abort();
    result
}

async fn over_tls(stream: TcpStream, host: &str) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let config = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    let name = rustls_pki_types::ServerName::try_from(host.to_string()).map_err(|error| error.to_string())?;
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| error.to_string())
}

/// A probe asks whether a server answers, not who it is: certificates are not verified, as in upstream.
#[derive(Debug)]
pub struct AnyCertificate;

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &rustls_pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A container's static environment, for commands that are expanded without the API.
pub fn static_environment(container: &Container) -> BTreeMap<&str, &str> {
    container
        .env
        .iter()
        .flatten()
        .filter_map(|variable| Some((variable.name.as_str(), variable.value.as_deref()?)))
        .collect()
}

fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let named = container.ports.iter().flatten().find(|port| port.name.as_deref() == Some(name));
            named.map(|port| port.container_port).or_else(|| name.parse().ok())
        }
    };
    match (number.and_then(|number| u16::try_from(number).ok()), port) {
        (Some(number), _) if number > 0 => Ok(number),
        (_, IntOrString::Int(number)) => Err(format!("invalid port number: {number}")),
        (_, IntOrString::String(name)) => Err(format!("couldn't find port: {name} in container {}", container.name)),
    }
}

/// As Go joins a host and a port: an IPv6 address in brackets.
pub fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The system's message without its number: `connection refused`.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn serve(answer: &'static str) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        port
    }

    async fn get(port: u16) -> Verdict {
        let action =
            HTTPGetAction { port: IntOrString::Int(i32::from(port)), path: Some("/x".into()), ..Default::default() };
        http_get(&action, &Container::default(), "127.0.0.1", Duration::from_secs(2), "kube-probe/1.36").await.unwrap()
    }

    #[tokio::test]
    async fn http() {
        assert_eq!(
            get(serve("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await).await,
            Verdict::Success("ok".into())
        );
        assert_eq!(
            get(serve("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n").await).await,
            Verdict::Failure("HTTP probe failed with statuscode: 500".into())
        );
        assert_eq!(
            get(1).await,
            Verdict::Failure("Get \"http://127.0.0.1:1/x\": dial tcp 127.0.0.1:1: connect: connection refused".into())
        );
    }

    #[tokio::test]
    async fn tcp_by_port_name() {
        let port = serve("").await;
        let container: Container =
            serde_saphyr::from_str(&format!("{{name: a, ports: [{{name: web, containerPort: {port}}}]}}")).unwrap();
        let action = |name: &str| TCPSocketAction { port: IntOrString::String(name.into()), host: None };
        assert_eq!(
            tcp(&action("web"), &container, "127.0.0.1", Duration::from_secs(1)).await,
            Ok(Verdict::Success(String::new()))
        );
        assert!(
            tcp(&action("none"), &container, "127.0.0.1", Duration::from_secs(1))
                .await
                .unwrap_err()
                .contains("couldn't find port: none")
        );
    }
}
