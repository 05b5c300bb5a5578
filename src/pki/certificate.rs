//! Certificates as values: reading what matters of one, and signing one.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Error;

/// Clocks of one cluster may differ by so much.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// Who a certificate is for, as Kubernetes reads it: user name and group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) common_name: String,
    pub(super) organization: Option<&'static str>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.organization {
            Some(organization) => write!(f, "O={organization}, CN={}", self.common_name),
            None => write!(f, "CN={}", self.common_name),
        }
    }
}

/// What matters of a certificate that was read.
pub(super) struct Certificate {
    der: CertificateDer<'static>,
    /// As `Subject` prints it.
    pub(super) subject: String,
    /// Host names and addresses.
    pub(super) names: BTreeSet<String>,
    pub(super) not_after: SystemTime,
    pub(super) is_ca: bool,
    public_key: Vec<u8>,
}

impl Certificate {
    /// Reads the first certificate of a PEM file.
    pub(super) fn parse(path: &Path, pem: &str) -> Result<Self, Error> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| Error::new(path, format!("is no certificate in PEM: {error}")))?;
        let (_, x509) = X509Certificate::from_der(&der)
            .map_err(|error| Error::new(path, format!("is no X.509 certificate: {error}")))?;
        let organizations = x509.subject().iter_organization().filter_map(|name| name.as_str().ok());
        let common_names = x509.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let parts = organizations.map(|name| format!("O={name}")).chain(common_names.map(|name| format!("CN={name}")));
        let alternatives = x509.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|names| &names.value.general_names).filter_map(text_of_name);
        let not_after = u64::try_from(x509.validity().not_after.timestamp()).unwrap_or(0);
        Ok(Self {
            subject: parts.collect::<Vec<_>>().join(", "),
            names: names.collect(),
            not_after: UNIX_EPOCH + Duration::from_secs(not_after),
            is_ca: x509.is_ca(),
            public_key: x509.public_key().raw.to_vec(),
            der: der.clone(),
        })
    }
}

fn text_of_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// Reads a private key: PKCS#8, PKCS#1 or SEC1 in PEM.
pub(super) fn key_of_pem(path: &Path, pem: &str) -> Result<KeyPair, Error> {
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| Error::new(path, format!("is no private key in PEM: {error}")))?;
    KeyPair::try_from(&der).map_err(|error| Error::new(path, format!("is no key that is understood: {error}")))
}

/// Whether the certificate is that of the key.
pub(super) fn same_key(certificate: &Certificate, key: &KeyPair) -> bool {
    certificate.public_key == key.subject_public_key_info()
}

/// Whether a PEM file has the public part of `key`.
pub(super) fn public_key_matches(pem: &str, key: &KeyPair) -> bool {
    SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
        .is_ok_and(|der| der.as_ref() == key.subject_public_key_info())
}

/// A CA, that can sign if its key is here.
pub(super) struct Authority {
    pub(super) certificate: Certificate,
    issuer: Option<Issuer<'static, KeyPair>>,
}

impl Authority {
    pub(super) fn new(path: &Path, certificate: Certificate, key: Option<KeyPair>) -> Result<Self, Error> {
        let issuer = key.map(|key| Issuer::from_ca_cert_der(&certificate.der, key)).transpose();
        let issuer = issuer.map_err(|error| Error::new(path, format!("cannot be used to sign: {error}")))?;
        Ok(Self { certificate, issuer })
    }

    /// Whether `leaf` was signed by this CA.
    pub(super) fn has_signed(&self, leaf: &Certificate) -> bool {
        let (Ok((_, ca)), Ok((_, leaf))) =
            (X509Certificate::from_der(&self.certificate.der), X509Certificate::from_der(&leaf.der))
        else {
            return false;
        };
        leaf.issuer().as_raw() == ca.subject().as_raw() && leaf.verify_signature(Some(ca.public_key())).is_ok()
    }

    /// Signs a certificate for `key` and gives it in PEM.
    #[expect(clippy::too_many_arguments, reason = "each is a field of the certificate")]
    pub(super) fn issue(
        &self,
        path: &Path,
        subject: &Subject,
        usages: Vec<ExtendedKeyUsagePurpose>,
        names: &BTreeSet<String>,
        key: &KeyPair,
        from: SystemTime,
        until: SystemTime,
    ) -> Result<String, Error> {
        let Some(issuer) = &self.issuer else {
            return Err(Error::new(path, "has to be signed, but the key of the CA is not here"));
        };
        let mut params = params(&subject.common_name, from, until);
        if let Some(organization) = subject.organization {
            params.distinguished_name.push(DnType::OrganizationName, organization);
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.extended_key_usages = usages;
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = alternatives(path, names)?;
        let signed = params.signed_by(key, issuer);
        signed
            .map(|certificate| certificate.pem())
            .map_err(|error| Error::new(path, format!("cannot be signed: {error}")))
    }
}

/// A CA certificate for `key`, in PEM.
pub(super) fn self_signed(
    path: &Path,
    common_name: &str,
    key: &KeyPair,
    from: SystemTime,
    until: SystemTime,
) -> Result<String, Error> {
    let mut params = params(common_name, from, until);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.extend([KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign]);
    params.subject_alt_names = alternatives(path, &BTreeSet::from([common_name.to_owned()]))?;
    let signed = params.self_signed(key);
    signed.map(|certificate| certificate.pem()).map_err(|error| Error::new(path, format!("cannot be signed: {error}")))
}

fn params(common_name: &str, from: SystemTime, until: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = from.checked_sub(CLOCK_SKEW).unwrap_or(from).into();
    params.not_after = until.into();
    // Positive, and new each time: a renewed certificate must not share its number with the old one.
    let mut serial = rand::random::<[u8; 16]>();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params
}

fn alternatives(path: &Path, names: &BTreeSet<String>) -> Result<Vec<SanType>, Error> {
    let name = |name: &String| match name.parse::<IpAddr>() {
        Ok(ip) => Ok(SanType::IpAddress(ip)),
        Err(_) => name
            .as_str()
            .try_into()
            .map(SanType::DnsName)
            .map_err(|_| Error::new(path, format!("cannot be made for {name:?}, which is no host name"))),
    };
    names.iter().map(name).collect()
}
