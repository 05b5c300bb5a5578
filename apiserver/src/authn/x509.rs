//! Client certificates: the common name is the user, the organizations are the groups.
//!
//! The TLS layer accepts any certificate whose key the client has; whether its chain is good is decided
//! here, so that a bad one is a 401 and not a broken connection, as upstream has it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Refused, User};

/// Authorities whose certificates are believed.
pub struct Roots {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Roots {
    pub fn read(path: &Path) -> anyhow::Result<Roots> {
        let mut store = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("cannot read certificates from {}", path.display()))?;
        anyhow::ensure!(!certificates.is_empty(), "no certificates in {}", path.display());
        for certificate in certificates {
            store.add(certificate).with_context(|| format!("a certificate in {} is no authority", path.display()))?;
        }
        let verifier = WebPkiClientVerifier::builder(Arc::new(store))
            .build()
            .with_context(|| format!("the authorities in {} cannot be used", path.display()))?;
        Ok(Roots { verifier })
    }

    /// Whether the chain is signed by one of the authorities, in time, and made for clients.
    pub fn verify(&self, certificates: &[CertificateDer<'static>]) -> Result<(), Refused> {
        let Some((leaf, rest)) = certificates.split_first() else {
            return Err(Refused("no certificate".to_owned()));
        };
        self.verifier
            .verify_client_cert(leaf, rest, UnixTime::now())
            .map(|_| ())
            .map_err(|error| Refused(format!("x509: {error}")))
    }

    /// The user that a verified certificate names.
    pub fn user(&self, certificates: &[CertificateDer<'static>]) -> Result<User, Refused> {
        self.verify(certificates)?;
        let subject = Subject::of(&certificates[0])?;
        if subject.common_name.is_empty() {
            return Err(Refused("x509: the certificate has no common name".to_owned()));
        }
        let fingerprint = {
            use sha2::{Digest, Sha256};
            Sha256::digest(certificates[0].as_ref()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        Ok(User {
            name: subject.common_name,
            groups: subject.organizations,
            extra: [(
                "authentication.kubernetes.io/credential-id".to_owned(),
                vec![format!("X509SHA256={fingerprint}")],
            )]
            .into(),
            ..User::default()
        })
    }
}

/// The names in a certificate's subject.
pub struct Subject {
    pub common_name: String,
    pub organizations: Vec<String>,
}

impl Subject {
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Subject, Refused> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| Refused(format!("x509: {error}")))?;
        let subject = parsed.subject();
        let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().ok().map(str::to_owned);
        Ok(Subject {
            common_name: subject.iter_common_name().find_map(text).unwrap_or_default(),
            organizations: subject.iter_organization().filter_map(text).collect(),
        })
    }
}
