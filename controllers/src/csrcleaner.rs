//! Deletes requests for certificates that nobody looks at any more.
//!
//! Source: `pkg/controller/certificates/cleaner/cleaner.go`.

use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{api::certificates::v1::CertificateSigningRequest, apimachinery::pkg::apis::meta::v1::Time};
use kube::{Api, ResourceExt, api::DeleteParams};
use tracing::{info, warn};
use x509_parser::{
    pem::Pem,
    prelude::{FromDer, X509Certificate},
};

use crate::{
    certificate_request::{certificate, conditions, is_issued},
    controller::{Context, Controller},
    pod_control::message,
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "certificatesigningrequest-cleaner-controller",
    alias: "csrcleaner",
    service_account: "certificate-controller",
    event_source: "certificate-controller",
    run: |context| Box::pin(run(context)),
};

const INTERVAL: Duration = Duration::from_secs(3600);
/// How long a request is kept that is granted, denied or failed,
const DECIDED: SignedDuration = SignedDuration::from_hours(1);
/// and one that is not.
const PENDING: SignedDuration = SignedDuration::from_hours(24);

async fn run(context: Context) -> Result<()> {
    let requests = context.informers.certificate_signing_requests();
    let api: Api<CertificateSigningRequest> = Api::all(context.client);
    requests.synced().await;
    loop {
        for request in requests.all() {
            let Some(why) = reason(&request, Timestamp::now()) else { continue };
            let name = request.name_any();
            info!("cleaning CSR {name}: {why}");
            match api.delete(&name, &DeleteParams::default()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => warn!("unable to delete CSR {name}: {}", message(&error)),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Why a request is not needed any more.
fn reason(request: &CertificateSigningRequest, now: Timestamp) -> Option<&'static str> {
    let is_older = |time: Option<&Time>, limit| time.is_some_and(|time| now.duration_since(time.0) > limit);
    let has = |kind, limit| conditions(request, kind).any(|one| is_older(one.last_update_time.as_ref(), limit));
    let issued = is_issued(request);
    if issued && has("Approved", DECIDED) {
        return Some("it was approved and is old");
    }
    if has("Denied", DECIDED) {
        return Some("it was denied and is old");
    }
    if has("Failed", DECIDED) {
        return Some("it failed and is old");
    }
    let status = request.status.as_ref().and_then(|status| status.conditions.as_ref());
    if status.is_none_or(Vec::is_empty) && is_older(request.metadata.creation_timestamp.as_ref(), PENDING) {
        return Some("nobody has decided about it");
    }
    if issued && conditions(request, "Approved").next().is_some() && is_expired(request, now) {
        return Some("its certificate is expired");
    }
    (!issued && has("Approved", PENDING)).then_some("it was approved and not issued")
}

/// Whether the certificate is no longer valid; one that cannot be read is not kept for that.
fn is_expired(request: &CertificateSigningRequest, now: Timestamp) -> bool {
    let Some(pem) = certificate(request) else { return false };
    let Some(Ok(block)) = Pem::iter_from_buffer(pem).next() else { return false };
    let Ok((_, parsed)) = X509Certificate::from_der(&block.contents) else { return false };
    parsed.validity().not_after.timestamp() < now.as_second()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        ByteString,
        api::certificates::v1::{CertificateSigningRequestCondition, CertificateSigningRequestStatus},
    };

    use super::*;

    fn request(kind: &str, hours: i64, certificate: &[u8]) -> CertificateSigningRequest {
        let mut request = CertificateSigningRequest::default();
        let then = Timestamp::UNIX_EPOCH - SignedDuration::from_hours(hours);
        request.metadata.creation_timestamp = Some(Time(then));
        let condition = CertificateSigningRequestCondition {
            type_: kind.to_owned(),
            status: "True".to_owned(),
            last_update_time: Some(Time(then)),
            ..CertificateSigningRequestCondition::default()
        };
        request.status = Some(CertificateSigningRequestStatus {
            conditions: (!kind.is_empty()).then(|| vec![condition]),
            certificate: Some(ByteString(certificate.to_vec())),
        });
        request
    }

    #[test]
    fn old_requests_are_not_kept() {
        let is_kept = |kind, hours, certificate: &[u8]| {
            reason(&request(kind, hours, certificate), Timestamp::UNIX_EPOCH).is_none()
        };
        assert!(is_kept("", 23, b"") && !is_kept("", 25, b""));
        assert!(is_kept("Denied", 0, b"") && !is_kept("Denied", 2, b""));
        assert!(is_kept("Failed", 0, b"") && !is_kept("Failed", 2, b""));
        assert!(is_kept("Approved", 2, b"") && !is_kept("Approved", 25, b""));
        assert!(is_kept("Approved", 0, b"x") && !is_kept("Approved", 2, b"x"));
    }

    #[test]
    fn expired_certificates_are_not_kept() {
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(1960, 1, 1);
        params.not_after = rcgen::date_time_ymd(1969, 1, 1);
        let pem = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
        let expired = request("Approved", 0, pem.as_bytes());
        assert_eq!(reason(&expired, Timestamp::UNIX_EPOCH), Some("its certificate is expired"));
    }
}
