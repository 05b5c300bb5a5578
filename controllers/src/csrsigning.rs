//! Signs the requests for certificates that are approved, for the signers of upstream's own.
//!
//! Source: `pkg/controller/certificates/signer/signer.go`.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    ByteString,
    api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{Api, Client, api::PostParams};
use tracing::info;

use crate::{
    certificate_request::{
        self, API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN, Request, conditions, is_issued,
    },
    controller::{Context, Controller},
    informer::Informer,
    key::Key,
    options::Options,
    queue::{self, Queue},
};

mod authority;
mod der;

use authority::Authority;

pub(crate) const CONTROLLER: Controller = Controller {
    name: "certificatesigningrequest-signing-controller",
    alias: "csrsigning",
    service_account: "certificate-controller",
    event_source: "certificate-controller",
    run: |context| Box::pin(run(context)),
};

/// Nothing is signed for less.
const SHORTEST: SignedDuration = SignedDuration::from_mins(10);

struct Worker {
    client: Client,
    requests: Informer<CertificateSigningRequest>,
    /// By the signer's name.
    authorities: Vec<(&'static str, Authority)>,
    longest: SignedDuration,
}

async fn run(context: Context) -> Result<()> {
    let authorities = authorities(&context.options)?;
    if authorities.is_empty() {
        info!("Skipping CSR signer controller because no csr cert/key was specified");
        return Ok(());
    }
    let worker = Arc::new(Worker {
        client: context.client,
        requests: context.informers.certificate_signing_requests(),
        authorities,
        longest: SignedDuration::try_from(context.options.cluster_signing_duration)?,
    });
    let queue: Queue<Key> = Queue::default();
    let own = queue.clone();
    worker.requests.subscribe(move |change| own.add(Key::of(change.object().as_ref())));
    worker.requests.synced().await;
    queue::work(CONTROLLER.name, queue, 5, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

/// The authority of each signer that has one.
fn authorities(options: &Options) -> Result<Vec<(&'static str, Authority)>> {
    let mut authorities = Vec::new();
    for (signer, files) in signers(options)? {
        if let Some((certificate, key)) = files {
            let authority = Authority::read(&certificate, &key)
                .with_context(|| format!("failed to init {signer} certificate controller"))?;
            authorities.push((signer, authority));
        }
    }
    Ok(authorities)
}

type Files = Option<(PathBuf, PathBuf)>;

/// The files of each signer: its own, or where no signer has its own those of all.
///
/// # Errors
/// A certificate without its key, a key without its certificate, or both ways of giving them.
pub fn signers(options: &Options) -> Result<Vec<(&'static str, Files)>> {
    let pair = |name: &str, certificate: &Option<PathBuf>, key: &Option<PathBuf>| -> Result<Files> {
        ensure!(certificate.is_some() || key.is_none(), "{name:?}: cannot specify key without cert");
        ensure!(certificate.is_none() || key.is_some(), "{name:?}: cannot specify cert without key");
        Ok(certificate.clone().zip(key.clone()))
    };
    let mut signers = Vec::new();
    for (signer, name, certificate, key) in [
        (
            KUBELET_SERVING,
            "cluster-signing-kubelet-serving",
            &options.cluster_signing_kubelet_serving_cert_file,
            &options.cluster_signing_kubelet_serving_key_file,
        ),
        (
            KUBELET_CLIENT,
            "cluster-signing-kube-apiserver-client",
            &options.cluster_signing_kubelet_client_cert_file,
            &options.cluster_signing_kubelet_client_key_file,
        ),
        (
            API_CLIENT,
            "cluster-signing-kube-apiserver",
            &options.cluster_signing_kube_apiserver_client_cert_file,
            &options.cluster_signing_kube_apiserver_client_key_file,
        ),
        (
            LEGACY_UNKNOWN,
            "cluster-signing-legacy-unknown",
            &options.cluster_signing_legacy_unknown_cert_file,
            &options.cluster_signing_legacy_unknown_key_file,
        ),
    ] {
        signers.push((signer, pair(name, certificate, key)?));
    }
    let is_any = signers.iter().any(|(_, files)| files.is_some());
    let (certificate, key) = (&options.cluster_signing_cert_file, &options.cluster_signing_key_file);
    ensure!(
        !is_any || (certificate.is_none() && key.is_none()),
        "cannot specify --cluster-signing-{{cert,key}}-file and other --cluster-signing-*-file flags at the same time"
    );
    if !is_any {
        let all = certificate.clone().zip(key.clone());
        signers.iter_mut().for_each(|(_, files)| files.clone_from(&all));
    }
    Ok(signers)
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        let Some((_, authority)) = self.authorities.iter().find(|(name, _)| *name == request.spec.signer_name) else {
            return Ok(());
        };
        if !is_to_be_signed(&request) {
            return Ok(());
        }
        let parsed =
            Request::parse(&request.spec.request.0).with_context(|| format!("unable to parse csr {:?}", key.name))?;
        let usages = request.spec.usages.clone().unwrap_or_default();
        let now = Timestamp::now();
        let mut judged = request.as_ref().clone();
        let status = judged.status.get_or_insert_default();
        match validate(&request.spec.signer_name, &parsed, &usages) {
            Err(error) => status.conditions.get_or_insert_default().push(failed(&error.to_string(), now)),
            Ok(()) => {
                let lifetime = lifetime(request.spec.expiration_seconds, self.longest);
                let signed = authority.signer().sign(&parsed, &usages, lifetime, now);
                let certificate = signed.context("error auto signing csr")?;
                status.certificate = Some(ByteString(certificate.into_bytes()));
            }
        }
        let api: Api<CertificateSigningRequest> = Api::all(self.client.clone());
        match api.replace_status(&key.name, &PostParams::default(), &judged).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }
}

fn is_to_be_signed(request: &CertificateSigningRequest) -> bool {
    let is_failed = conditions(request, "Failed").any(|condition| condition.status == "True");
    let is_denied = conditions(request, "Denied").next().is_some();
    let is_approved = conditions(request, "Approved").next().is_some();
    is_approved && !is_denied && !is_failed && !is_issued(request)
}

/// Whether a signer signs what is asked for.
fn validate(signer: &str, request: &Request, usages: &[String]) -> Result<()> {
    match signer {
        KUBELET_SERVING => request.validate_kubelet_serving(usages),
        KUBELET_CLIENT => request.validate_kubelet_client(usages),
        API_CLIENT => certificate_request::validate_client_usages(usages),
        _ => Ok(()),
    }
}

fn failed(why: &str, now: Timestamp) -> CertificateSigningRequestCondition {
    CertificateSigningRequestCondition {
        type_: "Failed".to_owned(),
        status: "True".to_owned(),
        reason: Some("SignerValidationFailure".to_owned()),
        message: Some(why.to_owned()),
        last_update_time: Some(Time(now)),
        last_transition_time: None,
    }
}

/// How long a certificate lasts: as long as is asked for, within limits.
fn lifetime(asked: Option<i32>, longest: SignedDuration) -> SignedDuration {
    match asked.map(|seconds| SignedDuration::from_secs(seconds.into())) {
        Some(asked) if asked <= longest => asked.max(SHORTEST),
        _ => longest,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn lifetimes_have_limits() {
        let day = SignedDuration::from_hours(24);
        assert_eq!(lifetime(None, day), day);
        assert_eq!(lifetime(Some(3600), day), SignedDuration::from_hours(1));
        assert_eq!(lifetime(Some(60), day), SHORTEST);
        assert_eq!(lifetime(Some(1_000_000), day), day);
    }

    #[test]
    fn signers_have_their_own_files_or_share_them() {
        let read = |args: &[&str]| {
            let options = Options::try_parse_from([&["kcm"], args].concat()).unwrap();
            signers(&options).map(|list| list.iter().filter(|(_, files)| files.is_some()).count())
        };
        assert_eq!(read(&[]).unwrap(), 0);
        assert_eq!(read(&["--cluster-signing-cert-file=c", "--cluster-signing-key-file=k"]).unwrap(), 4);
        let own = ["--cluster-signing-kubelet-client-cert-file=c", "--cluster-signing-kubelet-client-key-file=k"];
        assert_eq!(read(&own).unwrap(), 1);
        assert!(read(&own[..1]).is_err());
        assert!(read(&[own.as_slice(), &["--cluster-signing-cert-file=c"]].concat()).is_err());
    }
}
