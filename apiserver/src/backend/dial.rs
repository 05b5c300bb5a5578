//! Connections to backends, and what went wrong with them in the words that Go's `net` and `crypto/tls` have.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use apiserver_streaming::BoxIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a connection may take, as upstream's transports have it.
const DIAL: Duration = Duration::from_secs(30);
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Connects to a host, with TLS if there are settings for it, for a backend of this name.
///
/// # Errors
/// Displayed as Go displays them.
pub async fn connect(tls: Option<&Arc<ClientConfig>>, host: &str, port: u16, server_name: &str) -> io::Result<BoxIo> {
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let failed = |why: &str| io::Error::other(format!("dial tcp {address}: {why}"));
    // Looked up apart from connecting, so that the two failures are told apart.
    let addresses = lookup(host).await.map_err(|error| io::Error::other(format!("dial tcp: {error}")))?;
    let mut outcome = Err(failed("connect: no route to host"));
    for address in addresses {
        outcome = match tokio::time::timeout(DIAL, TcpStream::connect((address, port))).await {
            Ok(Ok(tcp)) => Ok(tcp),
            Ok(Err(error)) => Err(failed(&dial_words(&error))),
            Err(_) => Err(failed("i/o timeout")),
        };
        if outcome.is_ok() {
            break;
        }
    }
    let tcp = outcome?;
    // A connection that does not take the option still works.
    let _ = tcp.set_nodelay(true);
    let Some(tls) = tls else { return Ok(Box::new(tcp)) };
    let name = ServerName::try_from(server_name.to_owned()).map_err(io::Error::other)?;
    match tokio::time::timeout(HANDSHAKE, TlsConnector::from(Arc::clone(tls)).connect(name, tcp)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(io::Error::other(tls_words(&error, server_name))),
        Err(_) => Err(io::Error::other("net/http: TLS handshake timeout")),
    }
}

/// The addresses of a host.
///
/// # Errors
/// There are none.
pub async fn lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let found = tokio::net::lookup_host((host, 0)).await.map(|found| found.map(|address| address.ip()).collect());
    match found {
        Ok(addresses) if !Vec::is_empty(&addresses) => Ok(addresses),
        _ => Err(io::Error::other(format!("lookup {host}: no such host"))),
    }
}

fn dial_words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        ErrorKind::TimedOut => "connect: connection timed out".to_owned(),
        ErrorKind::AddrNotAvailable => "connect: cannot assign requested address".to_owned(),
        _ => format!("connect: {error}"),
    }
}

fn tls_words(error: &io::Error, host: &str) -> String {
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            ErrorKind::UnexpectedEof => "EOF".to_owned(),
            ErrorKind::ConnectionReset => "read: connection reset by peer".to_owned(),
            _ => error.to_string(),
        };
    };
    let why = match inner {
        rustls::Error::InvalidCertificate(why) => why,
        rustls::Error::InvalidMessage(_) => return "tls: first record does not look like a TLS handshake".to_owned(),
        rustls::Error::AlertReceived(alert) => return format!("remote error: tls: {alert:?}"),
        other => return format!("tls: {other}"),
    };
    let why = match why {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => "certificate has expired or is not yet valid".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            if host.parse::<IpAddr>().is_ok() {
                format!("cannot validate certificate for {host} because it doesn't contain any IP SANs")
            } else {
                format!("certificate is not valid for any names, but wanted to match {host}")
            }
        }
        other => format!("{other:?}"),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}

/// Why a request got no answer.
pub fn exchange_words(error: &hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return "EOF".to_owned();
    }
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(ErrorKind::ConnectionReset) => "read: connection reset by peer".to_owned(),
        Some(ErrorKind::BrokenPipe) => "write: broken pipe".to_owned(),
        Some(ErrorKind::UnexpectedEof) => "EOF".to_owned(),
        _ => error.to_string(),
    }
}
