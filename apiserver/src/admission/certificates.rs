//! CertificateApproval, CertificateSigning, CertificateSubjectRestriction and ClusterTrustBundleAttest: who may
//! speak for a signer, and what nobody may ask one for.
//!
//! Source: `plugin/pkg/admission/certificates`, `pkg/certauthorization`.

use async_trait::async_trait;
use base64::Engine;
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509CertificationRequest};

use super::{Attributes, Operation, Plugin};
use crate::authz;
use crate::object::{self, text};
use crate::status::Result;

const GROUP: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";
const API_CLIENT: &str = "kubernetes.io/kube-apiserver-client";
pub const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
pub const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";

/// Approving takes the right to approve for the signer.
pub struct CertificateApproval;

#[async_trait]
impl Plugin for CertificateApproval {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Update
            && attributes.subresource == "approval"
            && attributes.is_of(GROUP, REQUESTS)
    }

    async fn validate(&self, attributes: &Attributes<'_>, request: &Value) -> Result<()> {
        let signer = attributes.old.map_or("", |old| text(&old["spec"]["signerName"]));
        if may(attributes, "approve", signer) {
            return Ok(());
        }
        let why = format_args!("user not permitted to approve requests with signerName {signer:?}");
        Err(attributes.forbidden(request, why))
    }
}

/// Issuing takes the right to sign for the signer.
pub struct CertificateSigning;

#[async_trait]
impl Plugin for CertificateSigning {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Update
            && attributes.subresource == "status"
            && attributes.is_of(GROUP, REQUESTS)
    }

    async fn validate(&self, attributes: &Attributes<'_>, request: &Value) -> Result<()> {
        let Some(old) = attributes.old else { return Ok(()) };
        let unchanged = |field: &str| object::same(&old["status"][field], &request["status"][field]);
        let signer = text(&old["spec"]["signerName"]);
        if unchanged("certificate") && unchanged("conditions") || may(attributes, "sign", signer) {
            return Ok(());
        }
        let why = format_args!("user not permitted to sign requests with signerName {signer:?}");
        Err(attributes.forbidden(request, why))
    }
}

/// A bundle that speaks for a signer takes the right to attest for it.
pub struct ClusterTrustBundleAttest;

#[async_trait]
impl Plugin for ClusterTrustBundleAttest {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        matches!(attributes.operation, Operation::Create | Operation::Update)
            && attributes.is_of(GROUP, "clustertrustbundles")
    }

    async fn validate(&self, attributes: &Attributes<'_>, bundle: &Value) -> Result<()> {
        let signer = text(&bundle["spec"]["signerName"]);
        let collects = |old: &Value| authz::escalation::only_collects_garbage(bundle, old);
        if signer.is_empty() || attributes.old.is_some_and(collects) || may(attributes, "attest", signer) {
            return Ok(());
        }
        let why = format_args!("user not permitted to attest for signerName {signer:?}");
        Err(attributes.forbidden(bundle, why))
    }
}

/// No client certificate makes its owner a member of the cluster's masters.
pub struct CertificateSubjectRestriction;

#[async_trait]
impl Plugin for CertificateSubjectRestriction {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create && attributes.is(GROUP, REQUESTS)
    }

    async fn validate(&self, attributes: &Attributes<'_>, request: &Value) -> Result<()> {
        if request["spec"]["signerName"] != API_CLIENT {
            return Ok(());
        }
        let subject = request_subject(request)
            .map_err(|problem| attributes.forbidden(request, format_args!("failed to parse CSR: {problem}")))?;
        if subject.organizations.iter().any(|group| group == crate::authn::MASTERS) {
            let why = format_args!("use of {API_CLIENT} signer with system:masters group is not allowed");
            return Err(attributes.forbidden(request, why));
        }
        Ok(())
    }
}

/// Whether the user may do this for the signer, or for all signers of its domain.
fn may(attributes: &Attributes<'_>, verb: &str, signer: &str) -> bool {
    let domain = format!("{}/*", signer.split('/').next().unwrap_or_default());
    let server = attributes.server();
    [signer, &domain].iter().any(|name| {
        let question = authz::Attributes {
            user: attributes.user(),
            verb,
            is_resource: true,
            group: GROUP,
            version: "*",
            resource: "signers",
            subresource: "",
            namespace: "",
            name,
            path: "",
            selectors: &authz::NO_SELECTORS,
        };
        server.authorization.decide(server, &question).is_allowed()
    })
}

/// Whom a certificate signing request is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub common_name: String,
    pub organizations: Vec<String>,
}

/// Reads the subject of the PEM in `spec.request`.
pub fn request_subject(request: &Value) -> std::result::Result<Subject, String> {
    let pem = base64::engine::general_purpose::STANDARD
        .decode(text(&request["spec"]["request"]))
        .map_err(|error| error.to_string())?;
    let block = x509_parser::pem::Pem::iter_from_buffer(&pem)
        .next()
        .and_then(std::result::Result::ok)
        .filter(|block| block.label == "CERTIFICATE REQUEST")
        .ok_or("PEM block type must be CERTIFICATE REQUEST")?;
    let (_, parsed) = X509CertificationRequest::from_der(&block.contents).map_err(|error| error.to_string())?;
    let subject = &parsed.certification_request_info.subject;
    let words = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().ok().map(str::to_owned);
    Ok(Subject {
        common_name: subject.iter_common_name().filter_map(words).last().unwrap_or_default(),
        organizations: subject.iter_organization().filter_map(words).collect(),
    })
}
