//! Keys of JSON web tokens: the public ones that verify, the private one that signs, and how both are read from PEM.
//!
//! Source: client-go `util/keyutil`, `pkg/serviceaccount/jwt.go` and `openidmetadata.go`.

use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::SubjectPublicKeyInfo;

const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// A key that verifies tokens.
pub struct PublicKey {
    /// The hash of its DER form, as upstream names keys.
    pub id: String,
    /// What it may be used with; the first is what a signer with its other half uses.
    algorithms: &'static [Algorithm],
    key: DecodingKey,
    /// As `/openid/v1/jwks` shows it, in upstream's order.
    pub shown: String,
}

impl PublicKey {
    /// From a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// It is no RSA key and none of the curves P-256 and P-384.
    pub fn of(info: &[u8]) -> anyhow::Result<PublicKey> {
        let (_, parsed) = SubjectPublicKeyInfo::from_der(info).context("a public key cannot be read")?;
        let id = key_id(info);
        let quoted = Value::from(id.as_str());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(info));
        match parsed.parsed().context("a public key cannot be read")? {
            Parsed::RSA(rsa) => {
                let (n, e) = (number(rsa.modulus), number(rsa.exponent));
                let shown = format!(r#"{{"use":"sig","kty":"RSA","kid":{quoted},"alg":"RS256","n":"{n}","e":"{e}"}}"#);
                let key = DecodingKey::from_rsa_pem(pem.as_bytes()).context("an RSA key cannot be used")?;
                Ok(PublicKey { id, algorithms: RSA, key, shown })
            }
            Parsed::EC(point) => {
                let data = point.data();
                let half = data.len() / 2;
                let (curve, algorithm): (_, &[Algorithm]) = match data.len() {
                    65 => ("P-256", &[Algorithm::ES256]),
                    97 => ("P-384", &[Algorithm::ES384]),
                    133 => anyhow::bail!("keys of the curve P-521 are not supported yet"),
                    _ => anyhow::bail!("unknown curve of a key, must be 256, 384, or 521"),
                };
                anyhow::ensure!(data.first() == Some(&4), "a compressed key is not supported");
                let (x, y) = (URL_SAFE_NO_PAD.encode(&data[1..=half]), URL_SAFE_NO_PAD.encode(&data[half + 1..]));
                let shown = format!(
                    r#"{{"use":"sig","kty":"EC","kid":{quoted},"crv":"{curve}","alg":"{:?}","x":"{x}","y":"{y}"}}"#,
                    algorithm[0]
                );
                let key = DecodingKey::from_ec_pem(pem.as_bytes()).context("a key cannot be used")?;
                Ok(PublicKey { id, algorithms: algorithm, key, shown })
            }
            _ => anyhow::bail!("a public key is neither RSA nor of an elliptic curve"),
        }
    }

    /// The algorithm's name in discovery documents.
    pub fn algorithm(&self) -> String {
        format!("{:?}", self.algorithms[0])
    }

    /// The contents of a token that this key's other half has signed, times and audiences not looked at.
    pub fn verified<T: DeserializeOwned>(&self, token: &str, algorithm: Algorithm) -> Option<T> {
        if !self.algorithms.contains(&algorithm) {
            return None;
        }
        verified(token, &self.key, algorithm)
    }
}

/// What a token says of its signature; nothing of it is verified.
#[derive(Deserialize)]
pub struct Header {
    pub alg: String,
    #[serde(default)]
    pub kid: String,
}

impl Header {
    pub fn unverified(token: &str) -> Option<Header> {
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
        serde_json::from_slice(&header).ok()
    }
}

/// The contents of a token that the key's other half has signed, times and audiences not looked at.
pub fn verified<T: DeserializeOwned>(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<T> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_aud = false;
    validation.validate_exp = false;
    jsonwebtoken::decode::<T>(token, key, &validation).ok().map(|data| data.claims)
}

/// All keys of a file: public ones, certificates' and those of private keys.
pub fn public_keys(path: &Path) -> anyhow::Result<Vec<PublicKey>> {
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    public_keys_of(&pem).with_context(|| format!("error reading public key file {}", path.display()))
}

fn public_keys_of(pem: &[u8]) -> anyhow::Result<Vec<PublicKey>> {
    let mut keys = Vec::new();
    for block in Pem::iter_from_buffer(pem) {
        let block = block.context("it is not PEM")?;
        let info = match block.label.as_str() {
            "PUBLIC KEY" => block.contents,
            "RSA PUBLIC KEY" => info_of_rsa(&block.contents),
            "CERTIFICATE" => {
                let (_, parsed) = X509Certificate::from_der(&block.contents).context("a certificate cannot be read")?;
                parsed.public_key().raw.to_vec()
            }
            label => match private_key(label, block.contents) {
                Some(key) => pair(&key)?.subject_public_key_info(),
                None => continue,
            },
        };
        keys.push(PublicKey::of(&info)?);
    }
    anyhow::ensure!(!keys.is_empty(), "data does not contain any valid RSA or ECDSA public keys");
    Ok(keys)
}

/// The key that signs tokens.
pub struct Signer {
    pub algorithm: Algorithm,
    pub key: EncodingKey,
    pub id: String,
}

impl Signer {
    /// Reads the first private key of a file.
    pub fn read(path: &Path) -> anyhow::Result<Signer> {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::of(&pem).with_context(|| format!("error reading private key file {}", path.display()))
    }

    fn of(pem: &[u8]) -> anyhow::Result<Signer> {
        for block in Pem::iter_from_buffer(pem) {
            let block = block.context("it is not PEM")?;
            let Some(der) = private_key(&block.label, block.contents.clone()) else { continue };
            let pair = pair(&der)?;
            let public = PublicKey::of(&pair.subject_public_key_info())?;
            let algorithm = public.algorithms[0];
            let text =
                format!("-----BEGIN {0}-----\n{1}\n-----END {0}-----\n", block.label, STANDARD.encode(&block.contents));
            let key = if algorithm == Algorithm::RS256 {
                EncodingKey::from_rsa_pem(text.as_bytes())
            } else {
                // The older form of such keys is written anew.
                EncodingKey::from_ec_pem(text.as_bytes())
                    .or_else(|_| EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()))
            };
            return Ok(Signer { algorithm, key: key.context("the key cannot sign")?, id: public.id });
        }
        anyhow::bail!("data does not contain a valid RSA or ECDSA private key")
    }
}

fn private_key(label: &str, der: Vec<u8>) -> Option<PrivateKeyDer<'static>> {
    match label {
        "PRIVATE KEY" => Some(PrivatePkcs8KeyDer::from(der).into()),
        "RSA PRIVATE KEY" => Some(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Some(PrivateSec1KeyDer::from(der).into()),
        _ => None,
    }
}

fn pair(der: &PrivateKeyDer<'_>) -> anyhow::Result<KeyPair> {
    KeyPair::try_from(der).context("a private key cannot be read")
}

/// The SubjectPublicKeyInfo of a key in PKCS#1.
fn info_of_rsa(key: &[u8]) -> Vec<u8> {
    // The identifier of RSA encryption, with no parameters.
    const ALGORITHM: [u8; 15] = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    let bits = [&[0], key].concat();
    tagged(0x30, &[&ALGORITHM[..], &tagged(3, &bits)].concat())
}

/// A DER value.
fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut out = vec![tag];
    match length {
        0..0x80 => out.push(length as u8),
        _ => {
            out.push(0x80 | significant.len() as u8);
            out.extend_from_slice(significant);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// A number as web keys write it: without leading zeros.
fn number(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&bytes[bytes.iter().take_while(|byte| **byte == 0).count()..])
}

fn key_id(info: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    URL_SAFE_NO_PAD.encode(Sha256::digest(info))
}

/// The documents by which others find the keys that verify service account tokens.
///
/// Source: `pkg/serviceaccount/openidmetadata.go`, `pkg/routes/openidmetadata.go`.
pub struct Discovery {
    /// `/.well-known/openid-configuration`.
    pub configuration: String,
    /// `/openid/v1/jwks`.
    pub keys: String,
}

impl Discovery {
    /// # Errors
    /// The issuer is none of OpenID's: the documents are then not served.
    pub fn new(issuer: &str, keys_uri: &str, keys: &[PublicKey]) -> anyhow::Result<Discovery> {
        let uri: http::Uri = issuer.parse().with_context(|| format!("parse {issuer:?}"))?;
        anyhow::ensure!(uri.scheme_str() == Some("https"), "issuer URL must use https scheme, got: {issuer}");
        anyhow::ensure!(uri.query().is_none(), "issuer URL may not include a query, got: {issuer}");
        anyhow::ensure!(!issuer.contains('#'), "issuer URL may not include a fragment, got: {issuer}");
        let mut algorithms: Vec<String> = keys.iter().map(PublicKey::algorithm).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        let shown: Vec<&str> = keys.iter().map(|key| key.shown.as_str()).collect();
        Ok(Discovery {
            configuration: format!(
                r#"{{"issuer":{},"jwks_uri":{},"response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":{}}}"#,
                json!(issuer),
                json!(keys_uri),
                json!(algorithms)
            ),
            keys: format!(r#"{{"keys":[{}]}}"#, shown.join(",")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_every_form() {
        let pair = KeyPair::generate().unwrap();
        let private = pair.serialize_pem();
        let public = pair.public_key_pem();
        let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
        let keys = public_keys_of(format!("{public}\n{private}\n{other}").as_bytes()).unwrap();
        assert_eq!(keys.len(), 3);
        assert_eq!(keys[0].id, keys[1].id);
        assert_eq!(keys[2].algorithm(), "ES384");
        assert!(keys[0].shown.contains(r#""kty":"EC""#) && keys[0].shown.contains(r#""crv":"P-256""#));
        let signer = Signer::of(other.as_bytes()).unwrap();
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::new(signer.algorithm), &json!({"a": 1}), &signer.key);
        let token = token.unwrap();
        assert_eq!(keys[2].verified::<Value>(&token, Algorithm::ES384), Some(json!({"a": 1})));
        assert_eq!(keys[0].verified::<Value>(&token, Algorithm::ES256), None);
        assert!(public_keys_of(b"nothing").is_err());
        assert!(Signer::of(public.as_bytes()).is_err());
    }

    #[test]
    fn documents_are_for_issuers_of_openid() {
        let key = PublicKey::of(&KeyPair::generate().unwrap().subject_public_key_info()).unwrap();
        let keys = [key];
        let made = Discovery::new("https://issuer.example", "https://1.2.3.4:6443/openid/v1/jwks", &keys).unwrap();
        assert_eq!(
            made.configuration,
            concat!(
                r#"{"issuer":"https://issuer.example","jwks_uri":"https://1.2.3.4:6443/openid/v1/jwks","#,
                r#""response_types_supported":["id_token"],"subject_types_supported":["public"],"#,
                r#""id_token_signing_alg_values_supported":["ES256"]}"#
            )
        );
        for wrong in ["kubernetes/serviceaccount", "http://a", "https://a?b", "https://a#b"] {
            assert!(Discovery::new(wrong, "https://b", &keys).is_err(), "{wrong}");
        }
    }
}
