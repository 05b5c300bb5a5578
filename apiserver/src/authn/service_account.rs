//! Service account tokens: JSON web tokens bound to an account and, where asked for, to a pod, node or secret.
//!
//! Source: `pkg/serviceaccount`; KEP-1205.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Refused, User};
use crate::flags::Flags;
use crate::object;
use crate::server::Server;
use crate::status::{Result, Status};

/// Signs and verifies tokens.
pub struct Tokens {
    /// The first one signs.
    issuers: Vec<String>,
    pub audiences: Vec<String>,
    keys: Vec<Key>,
    signer: Option<Signer>,
}

struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    id: String,
}

/// A token's contents (`jwt.Claims` and the private claims of `pkg/serviceaccount/claims.go`).
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    aud: Vec<String>,
    exp: i64,
    iat: i64,
    iss: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    jti: String,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
    nbf: i64,
    sub: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kubernetes {
    namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pod: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Ref>,
    serviceaccount: Ref,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warnafter: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ref {
    pub name: String,
    #[serde(default)]
    pub uid: String,
}

/// What a token is bound to besides its account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bound {
    pub pod: Option<Ref>,
    pub node: Option<Ref>,
    pub secret: Option<Ref>,
}

impl Tokens {
    /// None when the flags name no key.
    pub fn new(flags: &Flags) -> anyhow::Result<Option<Tokens>> {
        let mut keys = Vec::new();
        for path in &flags.service_account_key_file {
            keys.extend(verification_keys(path).context("--service-account-key-file")?);
        }
        let signer = match &flags.service_account_signing_key_file {
            Some(path) => {
                keys.extend(verification_keys(path).context("--service-account-signing-key-file")?);
                Some(Signer::read(path).context("--service-account-signing-key-file")?)
            }
            None => None,
        };
        if keys.is_empty() {
            return Ok(None);
        }
        anyhow::ensure!(!flags.service_account_issuer.is_empty(), "--service-account-issuer is a required flag");
        let audiences = if flags.api_audiences.is_empty() {
            vec![flags.service_account_issuer[0].clone()]
        } else {
            flags.api_audiences.clone()
        };
        Ok(Some(Tokens { issuers: flags.service_account_issuer.clone(), audiences, keys, signer }))
    }

    /// Makes a token for an account; its contents end at the second returned time.
    pub fn sign(
        &self,
        account: &Value,
        bound: &Bound,
        audiences: Vec<String>,
        lifetime: Duration,
        warn_after: Option<Duration>,
    ) -> Result<(String, jiff::Timestamp)> {
        let signer = self.signer.as_ref().ok_or_else(|| Status::internal("no key signs service account tokens"))?;
        let now = jiff::Timestamp::now();
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        let namespace = object::meta(account, "namespace");
        let name = object::meta(account, "name");
        let claims = Claims {
            aud: audiences,
            exp: now.as_second() + seconds,
            iat: now.as_second(),
            iss: self.issuers[0].clone(),
            jti: uuid::Uuid::new_v4().to_string(),
            kubernetes: Kubernetes {
                namespace: namespace.to_owned(),
                node: bound.node.clone(),
                pod: bound.pod.clone(),
                secret: bound.secret.clone(),
                serviceaccount: Ref { name: name.to_owned(), uid: object::meta(account, "uid").to_owned() },
                warnafter: warn_after.map(|after| now.as_second() + after.as_secs() as i64),
            },
            nbf: now.as_second(),
            sub: format!("system:serviceaccount:{namespace}:{name}"),
        };
        let mut header = Header::new(signer.algorithm);
        header.typ = None;
        header.kid = Some(signer.id.clone());
        let token = jsonwebtoken::encode(&header, &claims, &signer.key).map_err(Status::internal)?;
        let expires = jiff::Timestamp::from_second(claims.exp).map_err(Status::internal)?;
        Ok((token, expires))
    }

    /// The account that a token proves, and the audiences that it is for among those asked for.
    pub async fn user(
        &self,
        server: &Server,
        token: &str,
        audiences: &[String],
    ) -> std::result::Result<(User, Vec<String>), Refused> {
        let wanted = if audiences.is_empty() { &self.audiences } else { audiences };
        let claims = self.verified(token)?;
        let matched: Vec<String> = claims.aud.iter().filter(|audience| wanted.contains(audience)).cloned().collect();
        if matched.is_empty() {
            return Err(Refused(format!(
                "token audiences {:?} is invalid for the target audiences {wanted:?}",
                claims.aud
            )));
        }
        let private = &claims.kubernetes;
        let account = private.serviceaccount.clone();
        self.still_there(server, "serviceaccounts", &private.namespace, &account).await?;
        let mut extra = BTreeMap::new();
        let mut note = |key: &str, value: &str| {
            extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value.to_owned()]);
        };
        if !claims.jti.is_empty() {
            note("credential-id", &format!("JTI={}", claims.jti));
        }
        if let Some(pod) = &private.pod {
            self.still_there(server, "pods", &private.namespace, pod).await?;
            note("pod-name", &pod.name);
            note("pod-uid", &pod.uid);
        }
        if let Some(node) = &private.node {
            if private.pod.is_none() {
                self.still_there(server, "nodes", "", node).await?;
            }
            note("node-name", &node.name);
            note("node-uid", &node.uid);
        }
        if let Some(secret) = &private.secret {
            self.still_there(server, "secrets", &private.namespace, secret).await?;
        }
        let user = User {
            name: claims.sub,
            uid: account.uid,
            groups: vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{}", private.namespace)],
            extra,
        };
        Ok((user, matched))
    }

    /// The claims of a token whose signature, issuer and times are good.
    fn verified(&self, token: &str) -> std::result::Result<Claims, Refused> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused("invalid bearer token".to_owned()))?;
        for key in self.keys.iter().filter(|key| key.algorithm == header.alg) {
            let mut validation = Validation::new(key.algorithm);
            validation.validate_aud = false;
            validation.validate_nbf = true;
            validation.leeway = 10;
            validation.set_issuer(&self.issuers);
            match jsonwebtoken::decode::<Claims>(token, &key.key, &validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) if *error.kind() == jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                    return Err(Refused("service account token has expired".to_owned()));
                }
                Err(_) => {}
            }
        }
        Err(Refused("invalid bearer token".to_owned()))
    }

    /// Whether the store, past the cache, has exactly this object.
    async fn is_stored(&self, server: &Server, resource: &str, namespace: &str, bound: &Ref) -> bool {
        let Ok(objects) = server.objects("", resource) else { return false };
        let found = objects.read(&objects.key(namespace, &bound.name)).await;
        matches!(found, Ok(Some((object, _))) if object::meta(&object, "uid") == bound.uid)
    }

    /// What a token is bound to must be what it was when the token was made.
    async fn still_there(
        &self,
        server: &Server,
        resource: &str,
        namespace: &str,
        bound: &Ref,
    ) -> std::result::Result<(), Refused> {
        let found =
            server.find_uid("", resource, namespace, &bound.name).await.map_err(|status| Refused(status.message))?;
        match found {
            Some(uid) if uid == bound.uid => Ok(()),
            // The cache may still show the one before.
            Some(_) if self.is_stored(server, resource, namespace, bound).await => Ok(()),
            Some(_) => Err(Refused(format!("{resource} {namespace}/{} has another uid than the token", bound.name))),
            None => Err(Refused(format!("{resource} {namespace}/{} does not exist", bound.name))),
        }
    }
}

fn verification_keys(path: &Path) -> anyhow::Result<Vec<Key>> {
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let public = public_pem(&pem)?;
    let rsa = DecodingKey::from_rsa_pem(&public).map(|key| Key { algorithm: Algorithm::RS256, key });
    let key = rsa.or_else(|_| DecodingKey::from_ec_pem(&public).map(|key| Key { algorithm: Algorithm::ES256, key }));
    Ok(vec![key.with_context(|| format!("{} holds no RSA or P-256 key", path.display()))?])
}

/// The public half of a key file, which may hold the private one.
fn public_pem(pem: &[u8]) -> anyhow::Result<Vec<u8>> {
    let text = std::str::from_utf8(pem)?;
    if !text.contains("PRIVATE KEY") {
        return Ok(pem.to_vec());
    }
    let pair = rcgen::KeyPair::from_pem(text).context("the private key cannot be read")?;
    Ok(pair.public_key_pem().into_bytes())
}

impl Signer {
    fn read(path: &Path) -> anyhow::Result<Signer> {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let public = public_pem(&pem)?;
        let (algorithm, key) = match EncodingKey::from_rsa_pem(&pem) {
            Ok(key) => (Algorithm::RS256, key),
            Err(_) => (
                Algorithm::ES256,
                EncodingKey::from_ec_pem(&pem)
                    .with_context(|| format!("{} holds no RSA or P-256 key", path.display()))?,
            ),
        };
        Ok(Signer { algorithm, key, id: key_id(&public)? })
    }
}

/// The hash of the public key's DER form, as upstream names keys.
fn key_id(public_pem: &[u8]) -> anyhow::Result<String> {
    use sha2::{Digest, Sha256};
    let text = std::str::from_utf8(public_pem)?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(der)))
}
