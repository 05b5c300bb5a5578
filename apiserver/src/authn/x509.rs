//! Client certificates: the common name is the user, the organizations are the groups.
//!
//! The TLS layer accepts any certificate whose key the client has; whether its chain is good is decided
//! here, so that a bad one is a 401 and not a broken connection, as upstream has it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use parking_lot::{Mutex, RwLock};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::version_one::VersionOne;
use super::{Refused, User};

/// Authorities whose certificates are believed.
pub struct Roots {
    verifier: Arc<dyn ClientCertVerifier>,
    store: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    /// The users of certificates verified before, by the certificate: every request shows the one of its connection,
    /// and a signature costs more than most requests.
    known: Mutex<HashMap<CertificateDer<'static>, Known>>,
}

/// A certificate that was verified.
#[derive(Clone)]
struct Known {
    user: User,
    /// The second from which it, or one that vouched for it, is no longer valid.
    until: u64,
}

/// How many certificates are remembered.
const MOST_KNOWN: usize = 4096;

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
        let (store, provider) = (Arc::new(store), Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&store), Arc::clone(&provider))
            .build()
            .with_context(|| format!("the authorities in {} cannot be used", path.display()))?;
        Ok(Roots { verifier, store, provider, known: Mutex::default() })
    }

    /// Whether the chain is signed by one of the authorities, in time, and made for clients.
    pub fn verify(&self, certificates: &[CertificateDer<'static>]) -> Result<(), Refused> {
        let Some((leaf, rest)) = certificates.split_first() else {
            return Err(Refused("no certificate".to_owned()));
        };
        if let Some(plain) = VersionOne::of(leaf) {
            let judged = plain.verify(&self.store, UnixTime::now(), &self.provider.signature_verification_algorithms);
            return judged.map_err(|error| Refused(format!("x509: {error}")));
        }
        self.verifier
            .verify_client_cert(leaf, rest, UnixTime::now())
            .map(|_| ())
            .map_err(|error| Refused(format!("x509: {error}")))
    }

    /// The user that a verified certificate names.
    pub fn user(&self, certificates: &[CertificateDer<'static>]) -> Result<User, Refused> {
        let Some(leaf) = certificates.first() else { return Err(Refused("no certificate".to_owned())) };
        let now = UnixTime::now().as_secs();
        if let Some(known) = self.known.lock().get(leaf).filter(|known| now < known.until) {
            return Ok(known.user.clone());
        }
        self.verify(certificates)?;
        let user = Self::named(leaf)?;
        let until = certificates.iter().map(expiry).min().unwrap_or_default();
        let mut known = self.known.lock();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(leaf.clone(), Known { user: user.clone(), until });
        Ok(user)
    }

    fn named(leaf: &CertificateDer<'static>) -> Result<User, Refused> {
        let subject = Subject::of(leaf)?;
        if subject.common_name.is_empty() {
            return Err(Refused("x509: the certificate has no common name".to_owned()));
        }
        let fingerprint = {
            use sha2::{Digest, Sha256};
            Sha256::digest(leaf.as_ref()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
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

/// Authorities that are read again when their file changes.
pub struct Watched {
    path: PathBuf,
    current: RwLock<(Option<SystemTime>, Arc<Roots>)>,
}

impl Watched {
    pub fn read(path: &Path) -> anyhow::Result<Watched> {
        // Taken before the file is read: a change in between is then seen the next time.
        let changed = changed(path);
        Ok(Watched { path: path.to_owned(), current: RwLock::new((changed, Arc::new(Roots::read(path)?))) })
    }

    pub fn current(&self) -> Arc<Roots> {
        Arc::clone(&self.current.read().1)
    }

    /// Reads the file again if it changed; one that cannot be read leaves the old authorities.
    pub fn reload(&self) {
        let changed = changed(&self.path);
        if self.current.read().0 == changed {
            return;
        }
        match Roots::read(&self.path) {
            Ok(roots) => {
                tracing::info!(file = %self.path.display(), "read authorities of client certificates again");
                *self.current.write() = (changed, Arc::new(roots));
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "authorities could not be read again"),
        }
    }
}

/// When a file was last changed.
fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// The second from which a certificate is no longer valid; 0 where it cannot be read.
fn expiry(certificate: &CertificateDer<'static>) -> u64 {
    X509Certificate::from_der(certificate)
        .ok()
        .and_then(|(_, parsed)| u64::try_from(parsed.validity().not_after.timestamp()).ok())
        .unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

    use super::*;

    /// An authority and `ann` of `devs`, whom it knows.
    static KNOWN: LazyLock<(Roots, CertificateDer<'static>)> = LazyLock::new(|| {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), authority.self_signed(&key).unwrap().pem()).unwrap();
        let mut ann = CertificateParams::new(Vec::new()).unwrap();
        ann.distinguished_name = rcgen::DistinguishedName::new();
        ann.distinguished_name.push(DnType::CommonName, "ann");
        ann.distinguished_name.push(DnType::OrganizationName, "devs");
        ann.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let own = KeyPair::generate().unwrap();
        let certificate = ann.signed_by(&own, &Issuer::new(authority, key)).unwrap();
        (Roots::read(file.path()).unwrap(), certificate.der().clone())
    });

    #[test]
    fn a_certificate_names_its_user() {
        let (roots, ann) = &*KNOWN;
        for _ in 0..2 {
            let user = roots.user(std::slice::from_ref(ann)).unwrap();
            assert_eq!((user.name.as_str(), user.groups.as_slice()), ("ann", &["devs".to_owned()][..]));
        }
        assert!(roots.user(&[]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_certificate(bytes: Vec<u8>, header: bool) {
            let (roots, ann) = &*KNOWN;
            let mut der = if header { ann[..4].to_vec() } else { Vec::new() };
            der.extend(bytes);
            let made = CertificateDer::from(der);
            prop_assert!(roots.user(std::slice::from_ref(&made)).is_err());
            expiry(&made);
            // What comes after a good one neither helps nor harms it.
            let user = roots.user(&[ann.clone(), made]).map(|user| user.name);
            prop_assert_eq!(user, Ok("ann".to_owned()));
        }

        #[test]
        fn a_changed_certificate_is_not_believed(at: prop::sample::Index, by in 1..=255u8, cut: bool) {
            let (roots, ann) = &*KNOWN;
            let mut der = ann.to_vec();
            let at = at.index(der.len());
            der[at] ^= by;
            if cut {
                der.truncate(at + 1);
            }
            let changed = CertificateDer::from(der);
            prop_assert!(roots.user(std::slice::from_ref(&changed)).is_err());
            let _ = Subject::of(&changed);
        }
    }
}
