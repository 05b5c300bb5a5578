//! Service account tokens: JSON web tokens bound to an account and, where asked for, to a pod, node or secret.
//!
//! Source: `pkg/serviceaccount`; KEP-1205.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::legacy_token::{self, Legacy};
use super::signing_keys::{self, Discovery, PublicKey, Signer};
use super::{Judged, Proven, Refused, User};
use crate::facts::{self, SelectableField};
use crate::flags::Flags;
use crate::object;
use crate::server::Server;
use crate::status::{Result, Status};

/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 60;
const HOUR: Duration = Duration::from_secs(3600);

/// Signs and verifies tokens.
pub struct Tokens {
    /// The first one signs.
    issuers: Vec<String>,
    keys: Vec<PublicKey>,
    signer: Option<Signer>,
    /// The longest time that a token may be asked for.
    pub longest: Option<Duration>,
    /// Whether tokens of pods last longer than they say, for the clients that never read them again.
    pub extends: bool,
    /// None where the issuer is no URL of OpenID's.
    pub discovery: Option<Discovery>,
}

/// A token's contents (`jwt.Claims` and the private claims of `pkg/serviceaccount/claims.go`).
#[derive(Debug, Serialize)]
struct Claims {
    aud: Vec<String>,
    exp: i64,
    iat: i64,
    iss: String,
    jti: String,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
    nbf: i64,
    sub: String,
}

/// The contents of a token that someone shows: nothing in it needs to be there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Shown {
    aud: Audiences,
    exp: Option<f64>,
    iat: Option<f64>,
    iss: String,
    jti: String,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
    nbf: Option<f64>,
    pub sub: String,
    #[serde(flatten)]
    pub legacy: Legacy,
}

/// One audience, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl Default for Audiences {
    fn default() -> Self {
        Audiences::Several(Vec::new())
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kubernetes {
    #[serde(default)]
    namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pod: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Ref>,
    #[serde(default)]
    serviceaccount: Ref,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warnafter: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ref {
    #[serde(default)]
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

/// What a token that is asked for is to be.
pub struct Asked<'a> {
    pub account: &'a Value,
    pub bound: &'a Bound,
    pub audiences: Vec<String>,
    pub lifetime: Duration,
    /// After which time its use is noted.
    pub warn_after: Option<Duration>,
}

impl Tokens {
    /// None when the flags name no key.
    ///
    /// # Errors
    /// A file cannot be read, or the flags do not fit together.
    pub fn new(flags: &Flags) -> anyhow::Result<Option<Tokens>> {
        let mut keys: Vec<PublicKey> = Vec::new();
        let signing = flags.service_account_signing_key_file.iter();
        let files = match flags.service_account_key_file.as_slice() {
            [] => signing.collect::<Vec<_>>(),
            files => files.iter().collect(),
        };
        for path in files {
            for key in signing_keys::public_keys(path).context("--service-account-key-file")? {
                if !keys.iter().any(|own| own.id == key.id) {
                    keys.push(key);
                }
            }
        }
        let signer = flags.service_account_signing_key_file.as_deref().map(Signer::read).transpose();
        let signer = signer.context("--service-account-signing-key-file")?;
        if keys.is_empty() {
            return Ok(None);
        }
        let issuers = flags.service_account_issuer.clone();
        anyhow::ensure!(!issuers.is_empty(), "service-account-issuer is a required flag");
        for (index, issuer) in issuers.iter().enumerate() {
            anyhow::ensure!(!issuer.is_empty(), "service-account-issuer should not be an empty string");
            anyhow::ensure!(
                !issuers[..index].contains(issuer),
                "service-account-issuer {issuer:?} is already specified"
            );
        }
        let longest = Some(flags.service_account_max_token_expiration).filter(|longest| !longest.is_zero());
        anyhow::ensure!(
            longest.is_none_or(|longest| (HOUR..=Duration::from_secs(1 << 32)).contains(&longest)),
            "the service-account-max-token-expiration must be between 1 hour and 2^32 seconds"
        );
        let discovery = discovery(flags, &issuers[0], &keys)?;
        Ok(Some(Tokens {
            issuers,
            keys,
            signer,
            longest,
            extends: flags.service_account_extend_token_expiration,
            discovery,
        }))
    }

    /// Makes a token for an account; it ends at the second returned time.
    pub fn sign(&self, asked: Asked<'_>) -> Result<(String, jiff::Timestamp)> {
        let signer = self.signer.as_ref().ok_or_else(|| Status::internal("no key signs service account tokens"))?;
        let now = jiff::Timestamp::now();
        let seconds = i64::try_from(asked.lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        let namespace = object::meta(asked.account, "namespace");
        let name = object::meta(asked.account, "name");
        let claims = Claims {
            aud: asked.audiences,
            exp: now.as_second() + seconds,
            iat: now.as_second(),
            iss: self.issuers[0].clone(),
            jti: uuid::Uuid::new_v4().to_string(),
            kubernetes: Kubernetes {
                namespace: namespace.to_owned(),
                node: asked.bound.node.clone(),
                pod: asked.bound.pod.clone(),
                secret: asked.bound.secret.clone(),
                serviceaccount: Ref { name: name.to_owned(), uid: object::meta(asked.account, "uid").to_owned() },
                warnafter: asked.warn_after.map(|after| now.as_second() + after.as_secs() as i64),
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

    /// The account that a token proves, and the audiences that it is for among those wanted.
    ///
    /// # Errors
    /// The token is one of this cluster's issuers, and not good.
    pub async fn user(&self, server: &Server, token: &str, implicit: &[String], wanted: &[String]) -> Judged {
        let Some(issuer) = issuer(token) else { return Ok(None) };
        let is_legacy = issuer == legacy_token::ISSUER;
        if !is_legacy && !self.issuers.contains(&issuer) {
            return Ok(None);
        }
        let Some(header) = signing_keys::Header::unverified(token) else { return Ok(None) };
        let is_named = |key: &&PublicKey| header.kid.is_empty() || key.id == header.kid;
        let keys: Vec<&PublicKey> = self.keys.iter().filter(is_named).collect();
        if keys.is_empty() {
            return refused("invalid signature, no keys found");
        }
        let algorithm: Option<Algorithm> = header.alg.parse().ok();
        let verified = |algorithm| keys.into_iter().find_map(|key| key.verified::<Shown>(token, algorithm));
        let Some(shown) = algorithm.and_then(verified) else {
            return refused("go-jose/go-jose: error in cryptographic primitive");
        };
        if shown.iss != issuer {
            return refused(format!("token issuer {:?} is invalid", shown.iss));
        }
        let audiences = match &shown.aud {
            Audiences::One(one) => std::slice::from_ref(one),
            Audiences::Several(several) => several.as_slice(),
        };
        // The old tokens name no audience: they are for the API.
        let audiences = if audiences.is_empty() {
            server.metrics.tokens.legacy.inc();
            implicit
        } else {
            audiences
        };
        let matched: Vec<String> = audiences.iter().filter(|audience| wanted.contains(audience)).cloned().collect();
        if matched.is_empty() && !implicit.is_empty() {
            return refused(format!(
                "token audiences {} is invalid for the target audiences {}",
                quoted(audiences),
                quoted(wanted)
            ));
        }
        let user =
            if is_legacy { legacy_token::user(server, token, &shown).await? } else { bound(server, &shown).await? };
        Ok(Some(Proven { user, audiences: matched }))
    }
}

/// The discovery documents; a warning and none where the issuer is not fit for them, as upstream.
fn discovery(flags: &Flags, issuer: &str, keys: &[PublicKey]) -> anyhow::Result<Option<Discovery>> {
    let uri = match flags.service_account_jwks_uri.as_deref().unwrap_or_default() {
        "" => {
            let host = flags.external_host();
            let has_port = host.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
            if has_port {
                format!("https://{host}/openid/v1/jwks")
            } else if host.contains(':') {
                format!("https://[{host}]:{}/openid/v1/jwks", flags.secure_port)
            } else {
                format!("https://{host}:{}/openid/v1/jwks", flags.secure_port)
            }
        }
        uri => {
            anyhow::ensure!(
                uri.starts_with("https://"),
                "service-account-jwks-uri requires https scheme, parsed as: {uri}"
            );
            uri.to_owned()
        }
    };
    match Discovery::new(issuer, &uri, keys) {
        Ok(documents) => Ok(Some(documents)),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "not serving the OpenID documents of the service account issuer"
            );
            Ok(None)
        }
    }
}

/// The account of a token that is not bound to what is gone.
///
/// Source: `Validate` in `pkg/serviceaccount/claims.go`.
async fn bound(server: &Server, shown: &Shown) -> std::result::Result<User, Refused> {
    let now = jiff::Timestamp::now().as_second();
    check_times(shown, now)?;
    let private = &shown.kubernetes;
    let account = &private.serviceaccount;
    let namespace = private.namespace.as_str();
    let found = find(server, "serviceaccounts", namespace, account).await?;
    let Some(found) = found else {
        return Err(Refused(format!("serviceaccounts {:?} not found", account.name)));
    };
    if found.uid != account.uid {
        return Err(Refused(format!("service account UID ({}) does not match claim ({})", found.uid, account.uid)));
    }
    if found.is_deleted(now) {
        return Err(Refused(format!("service account {namespace}/{} has been deleted", account.name)));
    }
    if let Some(secret) = &private.secret {
        still_there(server, "secrets", namespace, secret, now).await?;
    }
    if let Some(pod) = &private.pod {
        still_there(server, "pods", namespace, pod, now).await?;
    } else if let Some(node) = &private.node {
        still_there(server, "nodes", "", node, now).await?;
    }
    if let Some(after) = private.warnafter.filter(|after| *after != 0) {
        let counters = &server.metrics.tokens;
        if now > after { counters.stale.inc() } else { counters.valid.inc() }
    }
    let mut extra = BTreeMap::new();
    let mut note = |key: &str, value: String| {
        if !value.is_empty() {
            extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
        }
    };
    if !shown.jti.is_empty() {
        note("credential-id", format!("JTI={}", shown.jti));
    }
    if let Some(pod) = &private.pod {
        note("pod-name", pod.name.clone());
        note("pod-uid", pod.uid.clone());
    }
    if let Some(node) = &private.node {
        note("node-name", node.name.clone());
        note("node-uid", node.uid.clone());
    }
    Ok(user(namespace, &account.name, &account.uid, extra))
}

/// The user that an account is.
pub fn user(namespace: &str, name: &str, uid: &str, extra: BTreeMap<String, Vec<String>>) -> User {
    User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: uid.to_owned(),
        groups: vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
        extra,
    }
}

fn check_times(shown: &Shown, now: i64) -> std::result::Result<(), Refused> {
    let (now, leeway) = (now as f64, LEEWAY as f64);
    let refused = |why: &str| Err(Refused(why.to_owned()));
    if shown.nbf.is_some_and(|from| now + leeway < from) {
        return refused("service account token is not valid yet");
    }
    if shown.exp.is_some_and(|until| now - leeway > until) {
        return refused("service account token has expired");
    }
    if shown.iat.is_some_and(|at| now + leeway < at) {
        return refused("service account token is issued in the future");
    }
    Ok(())
}

/// What matters of an object that a token is bound to.
#[derive(Debug, Default, PartialEq)]
struct Found {
    uid: String,
    deleted: String,
}

impl Found {
    fn is_deleted(&self, now: i64) -> bool {
        self.deleted.parse::<jiff::Timestamp>().is_ok_and(|at| at.as_second() < now - LEEWAY)
    }
}

const DELETED: &[SelectableField] = &[SelectableField::new("metadata.deletionTimestamp", "")];

/// An object as the cache has it; as the store has it where the cache has none or another than the token says.
async fn find(
    server: &Server,
    resource: &str,
    namespace: &str,
    wanted: &Ref,
) -> std::result::Result<Option<Found>, Refused> {
    let failed = |status: Status| Refused(status.message);
    let objects = server.objects("", resource).map_err(failed)?;
    let key = objects.key(namespace, &wanted.name);
    if let Some(cached) = objects.cache.get(&key)
        && let Ok(json) = cached.json()
        && let Ok(facts) = facts::read(&json, DELETED)
        && facts.uid == wanted.uid
    {
        return Ok(Some(Found { uid: facts.uid.to_string(), deleted: facts.fields[0].to_string() }));
    }
    let stored = objects.read(&key).await.map_err(failed)?;
    Ok(stored.map(|(object, _)| Found {
        uid: object::meta(&object, "uid").to_owned(),
        deleted: object::meta(&object, "deletionTimestamp").to_owned(),
    }))
}

/// What a token is bound to must be what it was when the token was made.
async fn still_there(
    server: &Server,
    resource: &str,
    namespace: &str,
    bound: &Ref,
    now: i64,
) -> std::result::Result<(), Refused> {
    let found = find(server, resource, namespace, bound).await?;
    let Some(found) = found.filter(|found| found.uid != bound.uid || !found.is_deleted(now)) else {
        return Err(Refused("service account token has been invalidated".to_owned()));
    };
    if found.uid == bound.uid {
        return Ok(());
    }
    let (kind, claim) = match resource {
        "secrets" => ("secret", "service account secret ref claim"),
        "pods" => ("pod", "service account pod ref claim"),
        _ => ("node", "service account node ref claim"),
    };
    Err(Refused(format!("{kind} UID ({}) does not match {claim} ({})", found.uid, bound.uid)))
}

/// Who says to have made a token; nothing of it is verified.
pub fn issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Unverified {
        #[serde(default)]
        iss: String,
    }
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    Some(serde_json::from_slice::<Unverified>(&payload).ok()?.iss)
}

fn quoted(list: &[String]) -> String {
    let quoted: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

fn refused(why: impl Into<String>) -> Judged {
    Err(Refused(why.into()))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use rcgen::{KeyPair, PublicKeyData as _};
    use serde_json::json;

    use super::*;

    /// A key and a token that it has signed.
    static SIGNED: LazyLock<(PublicKey, String)> = LazyLock::new(|| {
        let pair = KeyPair::generate().unwrap();
        let key = jsonwebtoken::EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        let claims = json!({"iss": "a", "sub": "system:serviceaccount:n:s", "aud": ["a"], "exp": 4_000_000_000_u32});
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap();
        (PublicKey::of(&pair.subject_public_key_info()).unwrap(), token)
    });

    /// What a claim may be that was made to do harm.
    fn claim() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("name|uid|namespace|pod|node|serviceaccount|warnafter", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_changed_token_is_not_believed(at: prop::sample::Index, to in "[A-Za-z0-9_.=-]|\\PC", cut: bool) {
            let (key, token) = &*SIGNED;
            prop_assert!(key.verified::<Shown>(token, Algorithm::ES256).is_some());
            let at = at.index(token.len());
            let changed = format!("{}{to}{}", &token[..at], if cut { "" } else { &token[at + 1..] });
            prop_assume!(changed != *token);
            issuer(&changed);
            signing_keys::Header::unverified(&changed);
            for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::HS256, Algorithm::RS256] {
                prop_assert!(key.verified::<Shown>(&changed, algorithm).is_none());
            }
        }

        #[test]
        fn no_claims_get_around_the_times(
            claims in prop::collection::btree_map("aud|exp|iat|nbf|iss|jti|kubernetes.io|sub", claim(), 0..6),
            now in any::<i32>(), junk in "\\PC{0,40}",
        ) {
            let claims = Value::Object(claims.into_iter().collect());
            let token = format!("{}.{}.x", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(claims.to_string()));
            prop_assert_eq!(
                issuer(&token).is_some(),
                claims["iss"].is_string() || claims.get("iss").is_none()
            );
            issuer(&junk);
            issuer(&format!("{junk}.{}.{junk}", URL_SAFE_NO_PAD.encode(&junk)));
            if let Ok(shown) = serde_json::from_value::<Shown>(claims.clone()) {
                let now = i64::from(now);
                if check_times(&shown, now).is_ok() {
                    let time = |name: &str| claims[name].as_f64();
                    prop_assert!(time("exp").is_none_or(|until| until >= (now - LEEWAY) as f64));
                    prop_assert!(time("nbf").is_none_or(|from| from <= (now + LEEWAY) as f64));
                    prop_assert!(time("iat").is_none_or(|at| at <= (now + LEEWAY) as f64));
                }
            }
        }
    }

    #[test]
    fn times_are_judged_with_some_leeway() {
        let judged = |claims: Value| {
            let shown: Shown = serde_json::from_value(claims).unwrap();
            check_times(&shown, 1000).map_err(|refused| refused.0)
        };
        assert_eq!(judged(json!({"exp": 950, "nbf": 1050, "iat": 1050.5, "aud": "a"})), Ok(()));
        assert_eq!(judged(json!({"exp": 900})), Err("service account token has expired".to_owned()));
        assert_eq!(judged(json!({"nbf": 1100})), Err("service account token is not valid yet".to_owned()));
        assert_eq!(judged(json!({"iat": 1100})), Err("service account token is issued in the future".to_owned()));
    }

    #[test]
    fn the_issuer_is_read_first() {
        let token = |claims: &str| format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(issuer(&token(r#"{"iss":"a"}"#)).as_deref(), Some("a"));
        assert_eq!(issuer(&token("{}")).as_deref(), Some(""));
        assert_eq!(issuer("abcdef.0123456789abcdef"), None);
        assert_eq!(issuer("a.b.c.d"), None);
        assert_eq!(issuer("a.!.c"), None);
    }
}
