//! The HTTPS listener: TLS, HTTP/1.1 and HTTP/2, and an orderly end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{ServerConfig, SignatureScheme};
use tokio::net::{TcpListener, TcpStream};
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

/// How long open requests may go on once the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a client may take to shake hands, and to send a request's headers.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADERS: Duration = Duration::from_secs(30);

/// Serves connections until the token is cancelled, then lets what is open come to an end.
pub async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    tls: ServerConfig,
    shutdown: CancellationToken,
    delay: Duration,
) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let connections = TaskTracker::new();
    // Told to stop, the server says so on /readyz and goes on serving for a while, so that nobody is sent here any more.
    let delayed = async {
        shutdown.cancelled().await;
        server.stopping.cancel();
        tokio::time::sleep(delay).await;
    };
    let mut stopped = std::pin::pin!(delayed);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        match accepted {
            Ok((tcp, from)) => {
                connections.spawn(connection(Arc::clone(&server), acceptor.clone(), tcp, from.ip().to_canonical()));
            }
            // Out of file descriptors, most likely: wait for some to be closed.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    // Connections are told to end once their requests are answered; open watches end at once.
    server.draining.cancel();
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were cut off");
    }
    // Only now: until here requests under way could still read.
    server.feed.stop();
}

async fn connection(server: Arc<Server>, acceptor: TlsAcceptor, tcp: TcpStream, peer: IpAddr) {
    let _ = tcp.set_nodelay(true);
    let stopping = server.draining.clone();
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)) => shaken,
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
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let served = chain::serve(Arc::clone(&server), Arc::clone(&certificates), request);
        async move { Ok::<_, Infallible>(served.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(250)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(15))
        .max_header_list_size(1024 * 1024);
    // Only HTTP/2 keeps the connection for itself to its end.
    let gathers = tls.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
    let stream = TokioIo::new(Gathering::new(tls, gathers));
    let mut served = std::pin::pin!(builder.serve_connection_with_upgrades(stream, service));
    let outcome = tokio::select! {
        outcome = &mut served => outcome,
        () = stopping.cancelled() => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = &mut served => outcome,
                () = tokio::time::sleep(DRAIN) => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended");
    }
}

/// The TLS settings: the serving certificate, and client certificates asked for but judged later.
pub fn tls(flags: &Flags) -> anyhow::Result<ServerConfig> {
    let (chain, key) = match (&flags.tls_cert_file, &flags.tls_private_key_file) {
        (Some(certificate), Some(key)) => read_pair(certificate, key)?,
        (None, None) => self_signed()?,
        _ => anyhow::bail!("--tls-cert-file and --tls-private-key-file must be given together"),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(AnyClient(provider)))
        .with_single_cert(chain, key)
        .context("the serving certificate and key do not fit")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn read_pair(
    certificate: &PathBuf,
    key: &PathBuf,
) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("--tls-cert-file: cannot read {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("--tls-private-key-file: cannot read {}", key.display()))?;
    Ok((chain, key))
}

fn self_signed() -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1"];
    let made = rcgen::generate_simple_self_signed(names.map(str::to_owned).to_vec())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok((vec![made.cert.der().clone()], key))
}

/// Accepts any certificate whose key the client proves to have; authentication judges the chain, so that
/// a bad one is a 401.
#[derive(Debug)]
struct AnyClient(Arc<rustls::crypto::CryptoProvider>);

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
