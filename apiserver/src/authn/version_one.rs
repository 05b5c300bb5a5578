//! Client certificates without extensions, X.509 version 1, as `openssl x509 -req` makes them where no extensions are named.
//!
//! Go believes them, and so does upstream; webpki does not read them. Only what such a certificate can say is judged:
//! who signed it, and when it is valid. It may be used by clients: it does not say what it is for.

use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// A certificate of version 1, taken apart.
pub struct VersionOne<'a> {
    parsed: X509Certificate<'a>,
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
    key: Key<'a>,
}

/// A public key: its algorithm's identifier and its bits.
struct Key<'a> {
    algorithm: &'a [u8],
    bits: &'a [u8],
}

impl<'a> VersionOne<'a> {
    /// `None` for certificates of other versions and for what is no certificate.
    pub fn of(certificate: &'a CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        if parsed.version() != X509Version::V1 {
            return None;
        }
        // What is not signed itself is one certificate and nothing else, as Go demands.
        let (whole, []) = contents(certificate, SEQUENCE)? else { return None };
        let (_, after_body) = contents(whole, SEQUENCE)?;
        let (signature_algorithm, after_algorithm) = contents(after_body, SEQUENCE)?;
        let (signature, []) = bits(after_algorithm)? else { return None };
        let (info, _) = contents(parsed.tbs_certificate.subject_pki.raw, SEQUENCE)?;
        Some(VersionOne { signature_algorithm, signature, key: Key::of(info)?, parsed })
    }

    /// Whether the client that signed a message in the handshake has the certificate's key.
    pub fn has_signed(
        &self,
        message: &[u8],
        scheme: SignatureScheme,
        signature: &[u8],
        supported: &WebPkiSupportedAlgorithms,
    ) -> bool {
        let algorithms = supported.mapping.iter().filter(|(known, _)| *known == scheme).flat_map(|(_, all)| *all);
        algorithms.into_iter().any(|algorithm| self.key.has_signed(*algorithm, message, signature))
    }

    /// Whether one of the authorities signed it, and its time is now.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(
        &self,
        roots: &RootCertStore,
        now: UnixTime,
        supported: &WebPkiSupportedAlgorithms,
    ) -> Result<(), &'static str> {
        let validity = self.parsed.validity();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < validity.not_before.timestamp() || now > validity.not_after.timestamp() {
            return Err("certificate has expired or is not yet valid");
        }
        let issuer = contents(self.parsed.issuer().as_raw(), SEQUENCE).map_or(&[][..], |(issuer, _)| issuer);
        let signed = roots.roots.iter().filter(|root| root.subject.as_ref() == issuer).any(|root| {
            let key = Key::of(&root.subject_public_key_info);
            let algorithms = supported.all.iter();
            algorithms.filter(|one| one.signature_alg_id().as_ref() == self.signature_algorithm).any(|algorithm| {
                let message = self.parsed.tbs_certificate.as_ref();
                key.as_ref().is_some_and(|key| key.has_signed(*algorithm, message, self.signature))
            })
        });
        if signed { Ok(()) } else { Err("certificate signed by unknown authority") }
    }
}

impl<'a> Key<'a> {
    /// From the contents of a SubjectPublicKeyInfo.
    fn of(info: &'a [u8]) -> Option<Self> {
        let (algorithm, rest) = contents(info, SEQUENCE)?;
        Some(Key { algorithm, bits: bits(rest)?.0 })
    }

    fn has_signed(&self, algorithm: &dyn SignatureVerificationAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        algorithm.public_key_alg_id().as_ref() == self.algorithm
            && algorithm.verify_signature(self.bits, message, signature).is_ok()
    }
}

/// The contents of the first DER value, which has this tag, and what follows it.
fn contents(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (rest, value) = Any::from_der(der).ok()?;
    (der.first() == Some(&tag)).then_some((value.data, rest))
}

/// The whole bytes of a bit string, and what follows it. Its first byte counts the unused bits of the last: none in keys
/// and signatures.
fn bits(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (bits, rest) = contents(der, BIT_STRING)?;
    Some((bits.strip_prefix(&[0])?, rest))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;

    /// `CN=ca`, and `O=devs, CN=ann` signed by it without extensions; both valid for a hundred years from November 2026.
    const AUTHORITY: &str = "MIIBcjCCARegAwIBAgIUeRB9jBPj/cKEMPkaMU2Sapvj8EgwCgYIKoZIzj0EAwIwDTELMAkGA1UEAwwCY2EwIBcNMjYxMTIxMTI1\
        MjUxWhgPMjEyNjEwMjgxMjUyNTFaMA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEyCzKjnvN1h5M3Xww\
        MVaMA/s0GMlPAgGgtcPsL51Ru6BtD0UpiIRvO/HwsZD8RylrtllFgQ2AUFos/3EGdj6qWKNTMFEwHQYDVR0OBBYEFB/xS04/79JJ\
        sDGba6p1YNw4p6OzMB8GA1UdIwQYMBaAFB/xS04/79JJsDGba6p1YNw4p6OzMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID\
        SQAwRgIhAKRV0sZyiDc6zQpqViZDHrfB6iCS9r6KVsw8AdO86loAAiEA0OGnexKHsc76atOy2y3oqPAyfENZhF4dq+k+I5h4w7k=";
    const ANN: &str = "MIIBJTCBzQIULJB23b+SfUTBg0umVHgiZ1sWo3EwCgYIKoZIzj0EAwIwDTELMAkGA1UEAwwCY2EwIBcNMjYxMTIxMTI1MjUyWhgP\
        MjEyNjEwMjgxMjUyNTJaMB0xDTALBgNVBAoMBGRldnMxDDAKBgNVBAMMA2FubjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMtJ\
        O02wkc33hItz2MUQ3+jYdhbIsC/IhIKnnn6PniHNUA6Fwq0zIuUipqPwF4JBljwTGEYD1Mg40DYWbICnqTswCgYIKoZIzj0EAwID\
        RwAwRAIgA2FOkjju7IM+Or6b+bDU31tIxaii993Rqw4VLy5BpVoCIB7HANohMdf4lSeMbEKeP0QuV8lc0HVrBRc44BzV2V93";
    const OTHER_AUTHORITY: &str = "MIIBcDCCARegAwIBAgIUKajxtuHMzUeZA2ZlPZGbHY58T14wCgYIKoZIzj0EAwIwDTELMAkGA1UEAwwCY2EwIBcNMjYxMTIxMTI1\
        MjUxWhgPMjEyNjEwMjgxMjUyNTFaMA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEx/3ph4yzDotZceyH\
        0GovbBPj/Uodx9fUjepTShdCPTalfbAj2JTMzrCfJzYDiihe3B/9sFUCaYStPXpRcNyVYqNTMFEwHQYDVR0OBBYEFKEcincImXEb\
        iCjVsUNM0jn4zDcMMB8GA1UdIwQYMBaAFKEcincImXEbiCjVsUNM0jn4zDcMMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID\
        RwAwRAIgRZ7pn7IJBQEFSDcG2zNHFoL3ZjvIqLv6Y07cD7IycBECIEZnoy71Ca+TpW5w3FN3sEcND48KiO3o9MCrADK276Nb";

    fn certificate(text: &str) -> CertificateDer<'static> {
        base64::engine::general_purpose::STANDARD.decode(text).unwrap().into()
    }

    fn verified(authority: &str, now: u64) -> Result<(), &'static str> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(authority)).unwrap();
        let supported = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        let ann = certificate(ANN);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        VersionOne::of(&ann).unwrap().verify(&roots, now, &supported)
    }

    #[test]
    fn one_that_the_authority_signed_is_believed_in_its_time() {
        assert_eq!(verified(AUTHORITY, 1_800_000_000), Ok(()));
        assert_eq!(verified(AUTHORITY, 1_000_000_000), Err("certificate has expired or is not yet valid"));
        assert_eq!(verified(AUTHORITY, 5_000_000_000), Err("certificate has expired or is not yet valid"));
    }

    #[test]
    fn an_authority_of_the_same_name_is_not_the_same() {
        assert_eq!(verified(OTHER_AUTHORITY, 1_800_000_000), Err("certificate signed by unknown authority"));
    }

    #[test]
    fn later_versions_are_left_to_others() {
        assert!(VersionOne::of(&certificate(AUTHORITY)).is_none());
        assert!(VersionOne::of(&CertificateDer::from(vec![0x30, 0x82])).is_none());
    }

    #[test]
    fn no_part_of_one_may_be_another() {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(AUTHORITY)).unwrap();
        let supported = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let ann = certificate(ANN).to_vec();
        for at in 0..ann.len() {
            for bit in 0..8 {
                let mut der = ann.clone();
                der[at] ^= 1 << bit;
                let der = CertificateDer::from(der);
                let believed = VersionOne::of(&der).is_some_and(|read| read.verify(&roots, now, &supported).is_ok());
                assert!(!believed, "bit {bit} of byte {at}");
            }
        }
        let longer = CertificateDer::from([&ann[..], &[0]].concat());
        assert!(VersionOne::of(&longer).is_none());
    }

    proptest! {
        #[test]
        fn a_changed_one_is_not_believed(at: prop::sample::Index, by in 1..=255u8) {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(AUTHORITY)).unwrap();
            let supported = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
            let mut der = certificate(ANN).to_vec();
            let at = at.index(der.len());
            der[at] ^= by;
            let changed = CertificateDer::from(der);
            let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
            if let Some(read) = VersionOne::of(&changed) {
                prop_assert!(read.verify(&roots, now, &supported).is_err());
            }
        }
    }
}
