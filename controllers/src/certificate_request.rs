//! Requests for certificates: PKCS#10 as CertificateSigningRequests carry it, and the rules for kubelets' ones.
//!
//! Source: `pkg/apis/certificates/helpers.go`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    pem::Pem,
    prelude::FromDer,
};

pub const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
pub const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
pub const API_CLIENT: &str = "kubernetes.io/kube-apiserver-client";
pub const LEGACY_UNKNOWN: &str = "kubernetes.io/legacy-unknown";

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub common_name: String,
    pub organizations: Vec<String>,
    pub names: Names,
    /// The subject as DER.
    pub subject: Vec<u8>,
    /// The public key with its algorithm as DER.
    pub key: Vec<u8>,
}

/// Subject alternative names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    pub dns: Vec<String>,
    pub emails: Vec<String>,
    /// 4 or 16 bytes each.
    pub addresses: Vec<Vec<u8>>,
    pub uris: Vec<String>,
}

impl Request {
    /// Reads a PEM block, and verifies that its sender has the key.
    ///
    /// # Errors
    /// It is no request, or not signed with its own key.
    pub fn parse(pem: &[u8]) -> Result<Request> {
        let block = Pem::iter_from_buffer(pem).next().and_then(Result::ok);
        let block = block.filter(|block| block.label == "CERTIFICATE REQUEST");
        let block = block.context("PEM block type must be CERTIFICATE REQUEST")?;
        let (_, parsed) =
            X509CertificationRequest::from_der(&block.contents).context("unable to parse certificate request")?;
        parsed.verify_signature().context("unable to verify certificate request signature")?;
        let info = &parsed.certification_request_info;
        let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().ok().map(str::to_owned);
        let mut request = Request {
            // The last one counts, as in Go.
            common_name: info.subject.iter_common_name().filter_map(text).last().unwrap_or_default(),
            organizations: info.subject.iter_organization().filter_map(text).collect(),
            names: Names::default(),
            subject: info.subject.as_raw().to_vec(),
            key: info.subject_pki.raw.to_vec(),
        };
        for extension in parsed.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(alternatives) = extension {
                for name in &alternatives.general_names {
                    request.names.add(name);
                }
            }
        }
        Ok(request)
    }

    /// Whether a kubelet may have a certificate for clients like this.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words.
    pub fn validate_kubelet_client(&self, usages: &[String]) -> Result<()> {
        self.organization()?;
        ensure!(self.names.dns.is_empty(), "DNS subjectAltNames are not allowed");
        ensure!(self.names.emails.is_empty(), "Email subjectAltNames are not allowed");
        ensure!(self.names.addresses.is_empty(), "IP subjectAltNames are not allowed");
        ensure!(self.names.uris.is_empty(), "URI subjectAltNames are not allowed");
        self.node()?;
        exactly(usages, ["client auth", "digital signature", "key encipherment"])
    }

    /// Whether a kubelet may have a certificate for its server like this.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words.
    pub fn validate_kubelet_serving(&self, usages: &[String]) -> Result<()> {
        self.organization()?;
        let has_name = !self.names.dns.is_empty() || !self.names.addresses.is_empty();
        ensure!(has_name, "DNS or IP subjectAltName is required");
        ensure!(self.names.emails.is_empty(), "Email subjectAltNames are not allowed");
        ensure!(self.names.uris.is_empty(), "URI subjectAltNames are not allowed");
        exactly(usages, ["digital signature", "key encipherment", "server auth"])?;
        self.node()
    }

    fn organization(&self) -> Result<()> {
        ensure!(self.organizations == ["system:nodes"], "subject organization is not system:nodes");
        Ok(())
    }

    fn node(&self) -> Result<()> {
        let is_node = self.common_name.starts_with("system:node:");
        ensure!(is_node, "subject common name does not begin with system:node:");
        Ok(())
    }
}

impl Names {
    pub fn is_empty(&self) -> bool {
        *self == Names::default()
    }

    fn add(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns.push((*name).to_owned()),
            GeneralName::RFC822Name(name) => self.emails.push((*name).to_owned()),
            GeneralName::URI(name) => self.uris.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => self.addresses.push(bytes.to_vec()),
            _ => {}
        }
    }
}

/// The usages must be these; a key that is not RSA does without encipherment.
fn exactly(usages: &[String], required: [&str; 3]) -> Result<()> {
    let given: BTreeSet<&str> = usages.iter().map(String::as_str).collect();
    let all: BTreeSet<&str> = required.into();
    let fewer: BTreeSet<&str> = required.into_iter().filter(|usage| *usage != "key encipherment").collect();
    ensure!(given == all || given == fewer, "usages did not match [{}]", required.join(" "));
    Ok(())
}

/// Whether a certificate for clients of the API may have these usages.
///
/// # Errors
/// One may not be, or the one for clients is missing.
pub fn validate_client_usages(usages: &[String]) -> Result<()> {
    for usage in usages {
        if !["digital signature", "key encipherment", "client auth"].contains(&usage.as_str()) {
            bail!("invalid usage for client certificate: {usage}");
        }
    }
    ensure!(
        usages.iter().any(|usage| usage == "client auth"),
        "missing required usage for client certificate: client auth"
    );
    Ok(())
}

/// The conditions of a type, whatever their status.
pub fn conditions<'a>(
    request: &'a CertificateSigningRequest,
    kind: &'a str,
) -> impl Iterator<Item = &'a CertificateSigningRequestCondition> {
    let all = request.status.iter().flat_map(|status| status.conditions.iter().flatten());
    all.filter(move |condition| condition.type_ == kind)
}

pub fn is_issued(request: &CertificateSigningRequest) -> bool {
    certificate(request).is_some()
}

/// The certificate that was issued, in PEM.
pub fn certificate(request: &CertificateSigningRequest) -> Option<&[u8]> {
    let certificate = request.status.as_ref()?.certificate.as_ref()?;
    Some(certificate.0.as_slice()).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
pub mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    /// A request in PEM.
    pub fn request(name: &str, organization: &str, hosts: &[&str]) -> String {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.distinguished_name.push(DnType::CommonName, name);
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    }

    fn usages(list: &[&str]) -> Vec<String> {
        list.iter().map(|usage| (*usage).to_owned()).collect()
    }

    #[test]
    fn kubelets_ask_for_themselves_alone() {
        let client = usages(&["digital signature", "client auth"]);
        let judged = |pem: &str, usages: &[String]| {
            let request = Request::parse(pem.as_bytes()).unwrap();
            request.validate_kubelet_client(usages).map_err(|error| error.to_string())
        };
        assert_eq!(judged(&request("system:node:a", "system:nodes", &[]), &client), Ok(()));
        let refused = |why: &str| Err(why.to_owned());
        let other = request("system:node:a", "system:masters", &[]);
        assert_eq!(judged(&other, &client), refused("subject organization is not system:nodes"));
        let named = request("system:node:a", "system:nodes", &["a.example"]);
        assert_eq!(judged(&named, &client), refused("DNS subjectAltNames are not allowed"));
        let user = request("admin", "system:nodes", &[]);
        assert_eq!(judged(&user, &client), refused("subject common name does not begin with system:node:"));
        let own = request("system:node:a", "system:nodes", &[]);
        assert_eq!(
            judged(&own, &usages(&["client auth", "server auth"])),
            refused("usages did not match [client auth digital signature key encipherment]")
        );
    }

    #[test]
    fn servers_of_kubelets_have_names() {
        let serving = usages(&["digital signature", "key encipherment", "server auth"]);
        let named = request("system:node:a", "system:nodes", &["a.example", "10.0.0.1"]);
        let parsed = Request::parse(named.as_bytes()).unwrap();
        assert_eq!(parsed.names.dns, ["a.example"]);
        assert_eq!(parsed.names.addresses, [[10, 0, 0, 1]]);
        assert!(parsed.validate_kubelet_serving(&serving).is_ok());
        let plain = Request::parse(request("system:node:a", "system:nodes", &[]).as_bytes()).unwrap();
        let error = plain.validate_kubelet_serving(&serving).unwrap_err().to_string();
        assert_eq!(error, "DNS or IP subjectAltName is required");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert!(Request::parse(b"nothing").is_err());
        let pem = request("a", "b", &[]).replace("CERTIFICATE REQUEST", "CERTIFICATE");
        let error = Request::parse(pem.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "PEM block type must be CERTIFICATE REQUEST");
    }
}
