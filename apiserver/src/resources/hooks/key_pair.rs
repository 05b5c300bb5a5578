//! What is wrong with a certificate and its key in a Secret, in the words of Go's `crypto/tls`.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::pem::Pem;

/// Why a certificate and a key in PEM are no pair; `None` if they are one.
pub fn problem(certificate: &[u8], key: &[u8]) -> Option<String> {
    let (certificates, skipped) = blocks(certificate, |label| label == "CERTIFICATE");
    if certificates.is_empty() {
        return Some(match &skipped[..] {
            [] => "tls: failed to find any PEM data in certificate input".to_owned(),
            [one] if one.ends_with("PRIVATE KEY") => "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".to_owned(),
            _ => format!("tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{}]", skipped.join(" ")),
        });
    }
    let (keys, skipped) = blocks(key, |label| label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY"));
    let Some(key) = keys.into_iter().next() else {
        return Some(match &skipped[..] {
            [] => "tls: failed to find any PEM data in key input".to_owned(),
            [one] if one == "CERTIFICATE" => {
                "tls: found a certificate rather than a key in the PEM for the private key".to_owned()
            }
            _ => format!(
                "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{}]",
                skipped.join(" ")
            ),
        });
    };
    let certificates: Vec<CertificateDer<'static>> = certificates.into_iter().map(CertificateDer::from).collect();
    if certificates.first().is_none_or(|first| x509_parser::parse_x509_certificate(first).is_err()) {
        return Some("x509: malformed certificate".to_owned());
    }
    let unusable = || Some("tls: failed to parse private key".to_owned());
    let Ok(key) = PrivateKeyDer::try_from(key) else { return unusable() };
    let provider = rustls::crypto::CryptoProvider::get_default()
        .map_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()), Arc::clone);
    let Ok(key) = provider.key_provider.load_private_key(key) else { return unusable() };
    let different = matches!(
        CertifiedKey::new(certificates, key).keys_match(),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch))
    );
    different.then(|| "tls: private key does not match public key".to_owned())
}

/// The contents of the blocks with a wanted label, and the labels of those before the first such block.
fn blocks(pem: &[u8], wanted: impl Fn(&str) -> bool) -> (Vec<Vec<u8>>, Vec<String>) {
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for block in Pem::iter_from_buffer(pem).map_while(Result::ok) {
        if wanted(&block.label) {
            found.push(block.contents);
        } else if found.is_empty() {
            skipped.push(block.label);
        }
    }
    (found, skipped)
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn what_is_missing_is_named() {
        let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(problem(b"", key).unwrap(), "tls: failed to find any PEM data in certificate input");
        assert!(problem(key, key).unwrap().contains("PEM inputs may have been switched"));
    }
}
