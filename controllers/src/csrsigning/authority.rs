//! The authority that signs requests: its files, read again when they change, and the certificates it makes.
//!
//! Source: `pkg/controller/certificates/authority`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use x509_parser::{
    extensions::ParsedExtension,
    pem::Pem,
    prelude::{FromDer, X509Certificate},
};

use super::der;
use crate::certificate_request::{Names, Request};

/// Clocks of one cluster may differ by so much.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);
/// What lasts less is not shortened by it.
const SHORT: SignedDuration = SignedDuration::from_hours(8);

/// The files of a certificate and its key.
pub struct Authority {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<(Changed, Arc<Signer>)>,
}

/// When the two files were last changed.
type Changed = [Option<SystemTime>; 2];

impl Authority {
    /// # Errors
    /// A file cannot be read, or the key is not the certificate's.
    pub fn read(certificate: &Path, key: &Path) -> Result<Authority> {
        let changed = changed(certificate, key);
        let signer = Arc::new(Signer::read(certificate, key)?);
        Ok(Authority {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: Mutex::new((changed, signer)),
        })
    }

    /// The authority as its files have it now; as they had it where they cannot be read.
    pub fn signer(&self) -> Arc<Signer> {
        let changed = changed(&self.certificate, &self.key);
        let mut current = self.current.lock();
        if current.0 != changed {
            match Signer::read(&self.certificate, &self.key) {
                Ok(signer) => *current = (changed, Arc::new(signer)),
                Err(error) => tracing::warn!("the signing authority could not be read again: {error:#}"),
            }
        }
        current.1.clone()
    }
}

fn changed(certificate: &Path, key: &Path) -> Changed {
    [certificate, key].map(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

/// An authority that is in memory.
pub struct Signer {
    key: KeyPair,
    /// Its name and the identifier of its key, as DER.
    subject: Vec<u8>,
    key_id: Option<Vec<u8>>,
    not_after: Timestamp,
    /// The identifier of what it signs with, as DER.
    algorithm: &'static [u8],
}

impl Signer {
    fn read(certificate: &Path, key: &Path) -> Result<Signer> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("error reading CA cert file {:?}", path.display().to_string()))
        };
        Signer::of(&read(certificate)?, &read(key)?)
    }

    pub fn of(certificate: &str, key: &str) -> Result<Signer> {
        let pem = Pem::iter_from_buffer(certificate.as_bytes()).next();
        let pem = pem.context("the CA file has no certificate")?.context("the CA file is not PEM")?;
        let (_, parsed) = X509Certificate::from_der(&pem.contents).context("the CA certificate cannot be read")?;
        let key = KeyPair::from_pem(key).context("the CA key cannot be read")?;
        ensure!(parsed.public_key().raw == key.subject_public_key_info(), "the CA key is not that of its certificate");
        let algorithm = [
            (&rcgen::PKCS_ECDSA_P256_SHA256, der::ECDSA_SHA256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, der::ECDSA_SHA384),
            (&rcgen::PKCS_RSA_SHA256, der::RSA_SHA256),
            (&rcgen::PKCS_ED25519, der::ED25519),
        ];
        let algorithm = algorithm.into_iter().find(|(own, _)| *own == key.algorithm());
        let Some((_, algorithm)) = algorithm else { bail!("the CA key is of a kind that is not supported") };
        let key_id = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        Ok(Signer {
            subject: parsed.subject().as_raw().to_vec(),
            key_id,
            not_after: Timestamp::from_second(parsed.validity().not_after.timestamp())?,
            algorithm,
            key,
        })
    }

    /// A certificate in PEM for what was asked for, whatever else its sender wished for.
    ///
    /// # Errors
    /// A usage is unknown, or the authority is no longer valid.
    pub fn sign(
        &self,
        request: &Request,
        usages: &[String],
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<String> {
        let not_before = now - BACKDATE;
        let until = if lifetime < SHORT { now + lifetime } else { now + lifetime - BACKDATE };
        let until = until.min(self.not_after);
        ensure!(not_before < self.not_after, "the signer has expired: NotAfter={}", self.not_after);
        ensure!(
            now < self.not_after,
            "refusing to sign a certificate that expired in the past: NotAfter={}",
            self.not_after
        );
        let mut serial = rand::random::<[u8; 16]>();
        serial[0] = serial[0] & 0x7f | 0x40;
        let body = der::sequence(&[
            &der::tagged(0xa0, &der::tagged(2, &[2])),
            &der::tagged(2, &serial),
            self.algorithm,
            &self.subject,
            &der::sequence(&[&der::time(not_before), &der::time(until)]),
            &request.subject,
            &request.key,
            &der::tagged(0xa3, &self.extensions(request, usages)?),
        ]);
        let signature = self.key.sign(&body).context("failed to sign certificate")?;
        let whole = der::sequence(&[&body, self.algorithm, &der::tagged(3, &[&[0], signature.as_slice()].concat())]);
        Ok(pem(&whole))
    }

    fn extensions(&self, request: &Request, usages: &[String]) -> Result<Vec<u8>> {
        let mut bits = 0_u16;
        let mut extended: Vec<(usize, &[u8])> = Vec::new();
        let mut unknown = Vec::new();
        for usage in usages {
            if let Some((_, bit)) = KEY_USAGES.iter().find(|(name, _)| name == usage) {
                bits |= 1 << bit;
            } else if let Some(index) = EXTENDED_USAGES.iter().position(|(name, _)| name == usage) {
                extended.push((index, EXTENDED_USAGES[index].1));
            } else {
                unknown.push(format!("{usage:?}"));
            }
        }
        ensure!(unknown.is_empty(), "unrecognized usage values: [{}]", unknown.join(" "));
        extended.sort_unstable();
        extended.dedup_by_key(|(_, id)| *id);
        let mut all = Vec::new();
        if bits != 0 {
            all.push(der::extension(der::KEY_USAGE, true, &der::bits(bits)));
        }
        if !extended.is_empty() {
            let ids: Vec<Vec<u8>> = extended.iter().map(|(_, id)| der::tagged(6, id)).collect();
            let ids: Vec<&[u8]> = ids.iter().map(Vec::as_slice).collect();
            all.push(der::extension(der::EXTENDED_KEY_USAGE, false, &der::sequence(&ids)));
        }
        all.push(der::extension(der::BASIC_CONSTRAINTS, true, &der::sequence(&[])));
        if let Some(id) = &self.key_id {
            let identifier = der::sequence(&[&der::tagged(0x80, id)]);
            all.push(der::extension(der::AUTHORITY_KEY, false, &identifier));
        }
        if !request.names.is_empty() {
            // Without a subject the names are what the certificate is about.
            let is_critical = request.subject == der::sequence(&[]);
            all.push(der::extension(der::SUBJECT_NAMES, is_critical, &names(&request.names)));
        }
        let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        Ok(der::sequence(&all))
    }
}

fn names(names: &Names) -> Vec<u8> {
    let texts =
        |tag: u8, list: &[String]| list.iter().map(|name| der::tagged(tag, name.as_bytes())).collect::<Vec<_>>();
    let mut all = texts(0x82, &names.dns);
    all.extend(texts(0x81, &names.emails));
    all.extend(names.addresses.iter().map(|address| der::tagged(0x87, address)));
    all.extend(texts(0x86, &names.uris));
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    der::sequence(&all)
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

/// Usages of keys by the bit that means them, the first bit being 0.
const KEY_USAGES: &[(&str, u16)] = &[
    ("signing", 0),
    ("digital signature", 0),
    ("content commitment", 1),
    ("key encipherment", 2),
    ("data encipherment", 3),
    ("key agreement", 4),
    ("cert sign", 5),
    ("crl sign", 6),
    ("encipher only", 7),
    ("decipher only", 8),
];

/// Further usages by their identifiers, in the order in which Go has them.
const EXTENDED_USAGES: &[(&str, &[u8])] = &[
    ("any", &[0x55, 0x1d, 0x25, 0]),
    ("server auth", &[0x2b, 6, 1, 5, 5, 7, 3, 1]),
    ("client auth", &[0x2b, 6, 1, 5, 5, 7, 3, 2]),
    ("code signing", &[0x2b, 6, 1, 5, 5, 7, 3, 3]),
    ("email protection", &[0x2b, 6, 1, 5, 5, 7, 3, 4]),
    ("s/mime", &[0x2b, 6, 1, 5, 5, 7, 3, 4]),
    ("ipsec end system", &[0x2b, 6, 1, 5, 5, 7, 3, 5]),
    ("ipsec tunnel", &[0x2b, 6, 1, 5, 5, 7, 3, 6]),
    ("ipsec user", &[0x2b, 6, 1, 5, 5, 7, 3, 7]),
    ("timestamping", &[0x2b, 6, 1, 5, 5, 7, 3, 8]),
    ("ocsp signing", &[0x2b, 6, 1, 5, 5, 7, 3, 9]),
    ("microsoft sgc", &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 3]),
    ("netscape sgc", &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 4, 1]),
];

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa};

    use super::*;
    use crate::certificate_request::tests::request;

    fn signer() -> (Signer, String) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        (Signer::of(&certificate, &key.serialize_pem()).unwrap(), certificate)
    }

    #[test]
    fn what_is_signed_says_what_was_asked_for() {
        let (signer, authority) = signer();
        let request = Request::parse(request("system:node:a", "system:nodes", &["a.example", "10.0.0.1"]).as_bytes());
        let usages: Vec<String> = ["server auth", "digital signature", "key encipherment"].map(str::to_owned).into();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let pem = signer.sign(&request.unwrap(), &usages, SignedDuration::from_hours(24), now).unwrap();
        let block = Pem::iter_from_buffer(pem.as_bytes()).next().unwrap().unwrap();
        let (_, made) = X509Certificate::from_der(&block.contents).unwrap();
        let authority = Pem::iter_from_buffer(authority.as_bytes()).next().unwrap().unwrap();
        let (_, authority) = X509Certificate::from_der(&authority.contents).unwrap();
        made.verify_signature(Some(authority.public_key())).unwrap();
        assert_eq!(made.subject().to_string(), "O=system:nodes, CN=system:node:a");
        assert_eq!(made.issuer(), authority.subject());
        assert_eq!(made.validity().not_before.timestamp(), 1_800_000_000 - 300);
        assert_eq!(made.validity().not_after.timestamp(), 1_800_000_000 + 86_400 - 300);
        let usage = made.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.digital_signature() && usage.value.key_encipherment());
        assert!(!usage.value.key_cert_sign() && !made.is_ca());
        let extended = made.extended_key_usage().unwrap().unwrap();
        assert!(extended.value.server_auth && !extended.value.client_auth);
        assert_eq!(made.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 2);
    }

    #[test]
    fn nothing_outlives_its_authority() {
        let (signer, _) = signer();
        let request = Request::parse(request("a", "b", &[]).as_bytes()).unwrap();
        let usages = ["client auth".to_owned()];
        let sign = |at: &str| signer.sign(&request, &usages, SignedDuration::from_hours(24), at.parse().unwrap());
        let pem = sign("2039-12-31T23:00:00Z").unwrap();
        let block = Pem::iter_from_buffer(pem.as_bytes()).next().unwrap().unwrap();
        let (_, made) = X509Certificate::from_der(&block.contents).unwrap();
        assert_eq!(made.validity().not_after.timestamp(), signer.not_after.as_second());
        let error = sign("2040-01-01T00:01:00Z").unwrap_err().to_string();
        assert!(error.starts_with("refusing to sign a certificate that expired in the past"), "{error}");
        let error = signer.sign(&request, &["flying".to_owned()], SHORT, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.to_string(), "unrecognized usage values: [\"flying\"]");
    }
}
