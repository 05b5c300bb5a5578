//! The node's client certificate: asked for with a bootstrap token where the node has none, and renewed in time.
//!
//! Source: `pkg/kubelet/certificate/bootstrap`, client-go `util/certificate`.

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use arc_swap::ArcSwap;
use controllers_component_base::client;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    ByteString,
    api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
    config::Kubeconfig,
};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use x509_parser::{
    pem::Pem,
    prelude::{FromDer, X509Certificate},
};

const SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// The certificate with its key, as the kubeconfig names it.
const CURRENT: &str = "kubelet-client-current.pem";
/// Kept until its certificate is there, so that a restart asks for the same again.
const NEW_KEY: &str = "kubelet-client.key.tmp";
/// How often it is looked whether a request is decided.
const POLL: Duration = Duration::from_secs(1);
/// How long a request may stay undecided before it is made anew.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Makes `kubeconfig` with a certificate of the node's own, unless it is there with one that is still valid.
///
/// # Errors
/// The bootstrap kubeconfig cannot be used, or the request is denied.
pub async fn bootstrap(kubeconfig: &Path, bootstrap: &Path, dir: &Path, node: &str) -> Result<()> {
    if is_valid(kubeconfig, Timestamp::now()) {
        return Ok(());
    }
    info!("asking for a client certificate with {}", bootstrap.display());
    let joining = client::build(client::config(Some(bootstrap), "kubelet").await?)
        .context("unable to load bootstrap kubeconfig")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let pem = obtain(&joining, dir, node).await?;
    write_secret(&dir.join(CURRENT), &pem)?;
    write_secret(kubeconfig, &config_of(&Kubeconfig::read_from(bootstrap)?, &dir.join(CURRENT))?)
}

/// A client that goes on with a new certificate once there is one. It renews the certificate until `shutdown`.
///
/// # Errors
/// The kubeconfig cannot be used.
pub async fn renewing(kubeconfig: PathBuf, dir: PathBuf, node: String, shutdown: CancellationToken) -> Result<Client> {
    let first = client::build(client::config(Some(&kubeconfig), "kubelet").await?)?;
    let current = Arc::new(ArcSwap::from_pointee(first));
    let own = Arc::clone(&current);
    let swapping = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let client = own.load_full();
        async move { client.as_ref().clone().send(request).await }
    });
    tokio::spawn(async move {
        tokio::select! {
            () = renew(current, kubeconfig, dir, node) => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(Client::new(swapping, "default"))
}

async fn renew(current: Arc<ArcSwap<Client>>, kubeconfig: PathBuf, dir: PathBuf, node: String) {
    loop {
        let left = std::fs::read(dir.join(CURRENT)).ok().and_then(|pem| validity(&pem)).map_or(
            Duration::ZERO,
            |(from, until)| {
                let due = due(from, until, rand::random());
                Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default()
            },
        );
        tokio::time::sleep(left).await;
        let client = current.load_full();
        match replace(&client, &kubeconfig, &dir, &node).await {
            Ok(client) => {
                info!("the client certificate is renewed");
                current.store(Arc::new(client));
            }
            Err(error) => {
                warn!("the client certificate could not be renewed: {error:#}");
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        }
    }
}

async fn replace(client: &Client, kubeconfig: &Path, dir: &Path, node: &str) -> Result<Client> {
    let pem = obtain(client, dir, node).await?;
    write_secret(&dir.join(CURRENT), &pem)?;
    client::build(client::config(Some(kubeconfig), "kubelet").await?)
}

/// When to renew what is valid in between: after seven to nine tenths, not all nodes at once.
fn due(from: Timestamp, until: Timestamp, jitter: f64) -> Timestamp {
    let whole = until.duration_since(from).as_secs_f64();
    from + SignedDuration::from_secs_f64((whole * (0.7 + 0.2 * jitter)).max(0.0))
}

/// A new certificate with its key, in PEM.
async fn obtain(client: &Client, dir: &Path, node: &str) -> Result<String> {
    let key = new_key(&dir.join(NEW_KEY))?;
    let wanted = request(&key, node)?;
    let name = wanted.metadata.name.clone().unwrap_or_default();
    let api: Api<CertificateSigningRequest> = Api::all(client.clone());
    match api.create(&PostParams::default(), &wanted).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => return Err(error).context("cannot create certificate signing request"),
    }
    let since = tokio::time::Instant::now();
    while since.elapsed() < PATIENCE {
        if let Some(issued) = issued(api.get(&name).await.context("cannot get certificate signing request")?)? {
            // The next one is for another key.
            let _ = std::fs::remove_file(dir.join(NEW_KEY));
            return Ok(format!("{issued}{}", key.serialize_pem()));
        }
        tokio::time::sleep(POLL).await;
    }
    let _ = std::fs::remove_file(dir.join(NEW_KEY));
    bail!("certificate signing request {name} was not decided in time")
}

/// The certificate of a request; none where it is not decided yet.
fn issued(request: CertificateSigningRequest) -> Result<Option<String>> {
    let name = request.metadata.name.unwrap_or_default();
    let status = request.status.unwrap_or_default();
    for condition in status.conditions.iter().flatten() {
        let why = || format!("reason: {:?}, message: {:?}", condition.reason, condition.message);
        match condition.type_.as_str() {
            "Denied" => bail!("certificate signing request {name} is denied, {}", why()),
            "Failed" => bail!("certificate signing request {name} failed, {}", why()),
            _ => {}
        }
    }
    let Some(ByteString(certificate)) = status.certificate.filter(|bytes| !bytes.0.is_empty()) else { return Ok(None) };
    String::from_utf8(certificate).map(Some).context("the certificate is not PEM")
}

/// The key that the next certificate is for.
fn new_key(path: &Path) -> Result<KeyPair> {
    if let Ok(text) = std::fs::read_to_string(path)
        && let Ok(key) = KeyPair::from_pem(&text)
    {
        return Ok(key);
    }
    let key = KeyPair::generate().context("cannot generate a key")?;
    write_secret(path, &key.serialize_pem())?;
    Ok(key)
}

/// What the node asks for; the same for the same key.
fn request(key: &KeyPair, node: &str) -> Result<CertificateSigningRequest> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(DnType::CommonName, format!("system:node:{node}"));
    let pem = params.serialize_request(key).and_then(|request| request.pem()).context("cannot make a request")?;
    let mut digest = Sha256::new();
    digest.update(key.subject_public_key_info());
    digest.update(node);
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(CertificateSigningRequest {
        metadata: ObjectMeta { name: Some(format!("node-csr-{digest}")), ..ObjectMeta::default() },
        spec: CertificateSigningRequestSpec {
            request: ByteString(pem.into_bytes()),
            signer_name: SIGNER.to_owned(),
            usages: Some(vec!["digital signature".to_owned(), "client auth".to_owned()]),
            ..CertificateSigningRequestSpec::default()
        },
        ..CertificateSigningRequest::default()
    })
}

/// Whether a kubeconfig has a client certificate that is valid.
fn is_valid(kubeconfig: &Path, now: Timestamp) -> bool {
    let Ok(config) = Kubeconfig::read_from(kubeconfig) else { return false };
    let Some(user) = config.auth_infos.first().and_then(|named| named.auth_info.as_ref()) else { return false };
    let pem = match (&user.client_certificate_data, &user.client_certificate) {
        (Some(_), _) => return true,
        (None, Some(path)) => std::fs::read(path).unwrap_or_default(),
        (None, None) => return user.token.is_some() || user.token_file.is_some() || user.exec.is_some(),
    };
    validity(&pem).is_some_and(|(_, until)| now < until)
}

/// From when and until when the first certificate of a PEM text is valid.
fn validity(pem: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let mut blocks = Pem::iter_from_buffer(pem).filter_map(Result::ok);
    let block = blocks.find(|block| block.label == "CERTIFICATE")?;
    let (_, parsed) = X509Certificate::from_der(&block.contents).ok()?;
    let validity = parsed.validity();
    let time = |seconds| Timestamp::from_second(seconds).ok();
    Some((time(validity.not_before.timestamp())?, time(validity.not_after.timestamp())?))
}

/// A kubeconfig for the cluster of another one, with a certificate in a file.
fn config_of(bootstrap: &Kubeconfig, certificate: &Path) -> Result<String> {
    let current = bootstrap.current_context.as_deref().unwrap_or_default();
    let context = bootstrap.contexts.iter().find(|context| context.name == current);
    let context = context.and_then(|context| context.context.as_ref()).context("no current context")?;
    let cluster = bootstrap.clusters.iter().find(|cluster| cluster.name == context.cluster);
    let cluster = cluster.and_then(|cluster| cluster.cluster.as_ref()).context("no cluster in the current context")?;
    let mut own = json!({"server": cluster.server});
    for (name, value) in [
        ("certificate-authority", json!(cluster.certificate_authority)),
        ("certificate-authority-data", json!(cluster.certificate_authority_data)),
        ("insecure-skip-tls-verify", json!(cluster.insecure_skip_tls_verify)),
        ("tls-server-name", json!(cluster.tls_server_name)),
    ] {
        if !value.is_null() {
            own[name] = value;
        }
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default-cluster", "cluster": own}],
        "contexts": [{"name": "default-context", "context": {
            "cluster": "default-cluster", "namespace": "default", "user": "default-auth"}}],
        "current-context": "default-context",
        "users": [{"name": "default-auth", "user": {
            "client-certificate": certificate, "client-key": certificate}}],
    });
    // JSON is YAML.
    Ok(format!("{config:#}\n"))
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    let named = || format!("cannot write {}", path.display());
    let new = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .with_context(named)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(named)?;
    std::fs::rename(&new, path).with_context(named)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::certificates::v1::{CertificateSigningRequestCondition, CertificateSigningRequestStatus};

    use super::*;

    #[test]
    fn a_request_is_the_same_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NEW_KEY);
        let first = request(&new_key(&path).unwrap(), "a").unwrap();
        let again = request(&new_key(&path).unwrap(), "a").unwrap();
        assert_eq!(first.metadata.name, again.metadata.name);
        assert_ne!(request(&new_key(&path).unwrap(), "b").unwrap().metadata.name, first.metadata.name);
        assert_eq!(first.spec.signer_name, SIGNER);
    }

    #[test]
    fn decisions_are_told() {
        let decided = |kind: &str, certificate: &[u8]| {
            let condition = CertificateSigningRequestCondition {
                type_: kind.to_owned(),
                status: "True".to_owned(),
                message: Some("no".to_owned()),
                ..CertificateSigningRequestCondition::default()
            };
            issued(CertificateSigningRequest {
                status: Some(CertificateSigningRequestStatus {
                    conditions: Some(vec![condition]),
                    certificate: Some(ByteString(certificate.to_vec())),
                }),
                ..CertificateSigningRequest::default()
            })
        };
        assert_eq!(decided("Approved", b"").unwrap(), None);
        assert_eq!(decided("Approved", b"pem").unwrap().as_deref(), Some("pem"));
        assert!(decided("Denied", b"").unwrap_err().to_string().contains("is denied"));
    }

    #[test]
    fn certificates_are_renewed_before_their_end() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(due(at(0), at(1000), 0.0), at(700));
        assert_eq!(due(at(0), at(1000), 1.0), at(900));
    }

    #[test]
    fn a_kubeconfig_is_made_for_the_same_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let text = "{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], \
                    clusters: [{name: c, cluster: {server: 'https://a:6443', certificate-authority-data: QQ==}}], \
                    users: [{name: u, user: {token: abcdef.0123456789abcdef}}]}";
        std::fs::write(path("bootstrap"), text).unwrap();
        let made = config_of(&Kubeconfig::read_from(path("bootstrap")).unwrap(), &path(CURRENT)).unwrap();
        write_secret(&path("kubeconfig"), &made).unwrap();
        let read = Kubeconfig::read_from(path("kubeconfig")).unwrap();
        assert_eq!(read.clusters[0].cluster.as_ref().unwrap().server.as_deref(), Some("https://a:6443"));
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert!(!is_valid(&path("kubeconfig"), now), "there is no certificate yet");
        let mut params = CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        std::fs::write(path(CURRENT), certificate).unwrap();
        assert!(is_valid(&path("kubeconfig"), now));
        assert!(!is_valid(&path("kubeconfig"), Timestamp::from_second(2_300_000_000).unwrap()));
    }
}
