//! The HTTPS listener: TLS, HTTP/1.1 and HTTP/2, and an orderly end.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authn::version_one::VersionOne;
use crate::backend::Peer;
use crate::chain;
use crate::flags::Flags;
use crate::gathering::Gathering;
use crate::server::Server;
use crate::serving_certificates::ServingCertificates;

/// How long a client may take to shake hands, and to send a request's headers.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADERS: Duration = Duration::from_secs(30);
/// How often files of certificates are looked at.
const RELOAD: Duration = Duration::from_secs(1);
/// Requests under way on one connection of HTTP/2 without a flag, as upstream has it.
const MAX_STREAMS: u32 = 100;

/// How connections are served.
#[derive(Clone)]
pub struct Settings {
    acceptor: TlsAcceptor,
    max_streams: u32,
}

impl Settings {
    pub fn new(flags: &Flags, tls: ServerConfig) -> Settings {
        let max_streams = match flags.http2_max_streams_per_connection {
            0 => MAX_STREAMS,
            number => number,
        };
        Settings { acceptor: TlsAcceptor::from(Arc::new(tls)), max_streams }
    }
}

/// How the server stops.
#[derive(Clone, Copy, Debug)]
pub struct Stopping {
    /// How long it goes on serving after it was told to stop.
    pub delay: Duration,
    /// Whether what comes then is told to come again later, until what is under way is answered.
    pub send_retry_after: bool,
    pub watch_grace: Duration,
    pub request_timeout: Duration,
}

/// Asks a client of HTTP/2 to connect anew; among the extensions of its requests.
#[derive(Clone)]
pub struct Leave(pub CancellationToken);

/// Takes the port.
///
/// # Errors
/// It is taken, or the address is not this machine's.
pub fn bind(address: SocketAddr, share_port: bool) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if share_port {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(1024)
}

/// Reads certificates again when their files change, until the server stops.
pub async fn reload(server: Arc<Server>, certificates: Arc<ServingCertificates>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(RELOAD) => {}
            () = server.draining.cancelled() => return,
        }
        certificates.reload();
        server.authentication.reload();
        server.authorization.reload();
    }
}

/// Serves connections until the token is cancelled, then lets what is open come to an end.
pub async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    settings: Settings,
    shutdown: CancellationToken,
    stopping: Stopping,
) {
    let connections = TaskTracker::new();
    let drain = stopping.request_timeout + stopping.watch_grace;
    // Told to stop, the server says so on /readyz and goes on serving for a while, so that nobody is sent here any more.
    let told = async {
        shutdown.cancelled().await;
        tracing::info!("ShutdownInitiated: told to stop, becoming unready and serving on");
        server.stopping.cancel();
        tokio::time::sleep(stopping.delay).await;
        tracing::info!(delay = ?stopping.delay, "AfterShutdownDelayDuration: the time to go unready is over");
        if stopping.send_retry_after {
            server.refusing.cancel();
            server.under_way.close();
            // What takes longer is cut off with its connection.
            let _ = tokio::time::timeout(stopping.request_timeout, server.under_way.wait()).await;
        }
    };
    let mut stopped = std::pin::pin!(told);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        match accepted {
            Ok((tcp, from)) => {
                let from = from.ip().to_canonical();
                connections.spawn(connection(Arc::clone(&server), settings.clone(), tcp, from, drain));
            }
            // Out of file descriptors, most likely: wait for some to be closed.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tracing::info!("HTTPServerStoppedListening: answering what is under way");
    // Connections are told to end once their requests are answered; open watches end at once.
    server.draining.cancel();
    connections.close();
    if tokio::time::timeout(drain, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were cut off");
    }
    tracing::info!("InFlightRequestsDrained: nothing is under way any more");
    // Only now: until here requests under way could still read.
    server.feed.stop();
}

async fn connection(server: Arc<Server>, settings: Settings, tcp: TcpStream, peer: IpAddr, drain: Duration) {
    let _ = tcp.set_nodelay(true);
    let stopping = server.draining.clone();
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE, settings.acceptor.accept(tcp)) => shaken,
        () = stopping.cancelled() => return,
    };
    let tls = match shaken {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            server.metrics.tls_handshake_errors.inc();
            tracing::debug!(%error, "TLS handshake error");
            return;
        }
        Err(_) => return,
    };
    let certificates: Arc<Vec<CertificateDer<'static>>> = Arc::new(
        tls.get_ref()
            .1
            .peer_certificates()
            .map(|chain| chain.iter().map(|one| one.clone().into_owned()).collect())
            .unwrap_or_default(),
    );
    let certified_until = certificates.first().and_then(|leaf| {
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        Some(parsed.validity().not_after.timestamp())
    });
    let peer = Peer { address: peer, certified_until };
    let leave = CancellationToken::new();
    let leaving = Leave(leave.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(leaving.clone());
        let served = chain::serve(Arc::clone(&server), Arc::clone(&certificates), request);
        async move { Ok::<_, Infallible>(served.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(15))
        .max_header_list_size(1024 * 1024);
    // Only HTTP/2 keeps the connection for itself to its end.
    let gathers = tls.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
    let stream = TokioIo::new(Gathering::new(tls, gathers));
    let mut served = std::pin::pin!(builder.serve_connection_with_upgrades(stream, service));
    let told = async {
        tokio::select! {
            () = leave.cancelled() => {}
            () = stopping.cancelled() => {}
        }
    };
    let outcome = tokio::select! {
        outcome = &mut served => outcome,
        () = told => {
            served.as_mut().graceful_shutdown();
            let too_late = async {
                stopping.cancelled().await;
                tokio::time::sleep(drain).await;
            };
            tokio::select! {
                outcome = &mut served => outcome,
                () = too_late => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended");
    }
}

/// The TLS settings: the serving certificates, and client certificates asked for but judged later.
///
/// # Errors
/// A flag names a version or cipher suite that is not supported.
pub fn tls(
    flags: &Flags,
    provider: Arc<CryptoProvider>,
    certificates: Arc<ServingCertificates>,
) -> anyhow::Result<ServerConfig> {
    let versions: &[&SupportedProtocolVersion] = match flags.tls_min_version.as_deref() {
        None | Some("" | "VersionTLS12") => &[&TLS12, &TLS13],
        Some("VersionTLS13") => &[&TLS13],
        Some(version @ ("VersionTLS10" | "VersionTLS11")) => {
            anyhow::bail!("--tls-min-version: {version} is not served: VersionTLS12 is the lowest")
        }
        Some(version) => anyhow::bail!("--tls-min-version: unknown tls version {version:?}"),
    };
    let mut suites = CryptoProvider::clone(&provider);
    if !flags.tls_cipher_suites.is_empty() {
        let name = |suite: &SupportedCipherSuite| suite.suite().as_str().unwrap_or_default().replace("TLS13_", "TLS_");
        for wanted in &flags.tls_cipher_suites {
            let is_known = suites.cipher_suites.iter().any(|suite| is_named(&name(suite), wanted));
            anyhow::ensure!(is_known, "--tls-cipher-suites: Cipher suite {wanted} not supported or doesn't exist");
        }
        // The suites of TLS 1.3 are not chosen among.
        suites.cipher_suites.retain(|suite| {
            suite.tls13().is_some() || flags.tls_cipher_suites.iter().any(|wanted| is_named(&name(suite), wanted))
        });
    }
    let mut config = ServerConfig::builder_with_provider(Arc::new(suites))
        .with_protocol_versions(versions)
        .context("--tls-cipher-suites: none is left for --tls-min-version")?
        .with_client_cert_verifier(Arc::new(AnyClient(provider)))
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if !flags.disable_http2_serving {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(config)
}

/// Whether a suite has a name; two of them have an older one besides.
fn is_named(suite: &str, wanted: &str) -> bool {
    suite == wanted || suite.strip_suffix("_SHA256").is_some_and(|short| short == wanted && short.ends_with("POLY1305"))
}

/// Accepts any certificate whose key the client proves to have; authentication judges the chain, so that
/// a bad one is a 401.
#[derive(Debug)]
struct AnyClient(Arc<CryptoProvider>);

impl AnyClient {
    /// The judgement on a signature by the key of a certificate without extensions; `None` on all other certificates.
    fn version_one(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Option<Result<HandshakeSignatureValid, rustls::Error>> {
        let supported = &self.0.signature_verification_algorithms;
        let signed =
            VersionOne::of(certificate)?.has_signed(message, signature.scheme, signature.signature(), supported);
        Some(match signed {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(rustls::CertificateError::BadSignature.into()),
        })
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if let Some(judged) = self.version_one(message, certificate, signature) {
            return judged;
        }
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // As webpki does: this padding is not for TLS 1.3.
        let old =
            [SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::RSA_PKCS1_SHA384, SignatureScheme::RSA_PKCS1_SHA512];
        if old.contains(&signature.scheme) {
            return Err(rustls::CertificateError::BadSignature.into());
        }
        if let Some(judged) = self.version_one(message, certificate, signature) {
            return judged;
        }
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
