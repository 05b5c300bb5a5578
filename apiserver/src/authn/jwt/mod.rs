//! Web tokens of other issuers (OpenID Connect): `--oidc-*` and `--authentication-config`.
//!
//! Source: apiserver `plugin/pkg/authenticator/token/oidc`, go-oidc v2.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::configuration::{Compiled, Configuration};
use super::signing_keys;
use super::{Refused, User};

pub mod claims;
pub mod fetch;

/// The signatures that are taken from issuers of a configuration file.
pub const ALGORITHMS: &[&str] = &["ES256", "ES384", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
/// How often an issuer is asked that has not answered yet.
const RETRY: Duration = Duration::from_secs(10);
/// How long keys are taken to be good after they are no longer, for clocks that are apart.
const EXPIRY: Duration = Duration::from_secs(30);
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// All issuers of one configuration.
#[derive(Default)]
pub struct Issuers(Vec<Arc<Issuer>>);

struct Issuer {
    compiled: Compiled,
    algorithms: Vec<String>,
    tls: Arc<ClientConfig>,
    /// Where its keys are, once it has said so.
    keys_url: Mutex<Option<String>>,
    keys: Mutex<Keys>,
    /// Held by who fetches the keys; all others wait.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Keys {
    list: Arc<Vec<Key>>,
    fetched: Option<Instant>,
    max_age: Duration,
}

struct Key {
    id: String,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Provider {
    #[serde(default)]
    issuer: String,
    #[serde(default)]
    jwks_uri: String,
}

impl Issuers {
    /// Compiles a configuration and begins to ask its issuers for their keys. `own`: issuers of the cluster itself.
    ///
    /// # Errors
    /// The configuration is wrong.
    pub fn new(configuration: &Configuration, algorithms: &[String], own: &[String]) -> anyhow::Result<Issuers> {
        let algorithms = match algorithms {
            [] => ALGORITHMS.iter().map(|name| (*name).to_owned()).collect(),
            given => given.to_vec(),
        };
        let mut issuers = Vec::new();
        for compiled in super::configuration::compile(configuration, own)? {
            let tls =
                fetch::tls(&compiled.jwt.issuer.certificate_authority).context("Failed to read the CA contents")?;
            let issuer = Arc::new(Issuer {
                compiled,
                algorithms: algorithms.clone(),
                tls,
                keys_url: Mutex::default(),
                keys: Mutex::default(),
                fetching: tokio::sync::Mutex::default(),
            });
            tokio::spawn(discover(Arc::downgrade(&issuer)));
            issuers.push(issuer);
        }
        Ok(Issuers(issuers))
    }

    /// The user of a token of one of the issuers; none where it is of no one of them.
    ///
    /// # Errors
    /// Why its issuer's token is not believed.
    pub async fn user(&self, token: &str) -> Result<Option<User>, Refused> {
        let Some(name) = unverified_issuer(token) else { return Ok(None) };
        let Some(issuer) = self.0.iter().find(|issuer| issuer.compiled.jwt.issuer.url == name) else {
            return Ok(None);
        };
        issuer.user(token).await.map(Some).map_err(Refused)
    }
}

impl Issuer {
    async fn user(&self, token: &str) -> Result<User, String> {
        let keys_url = self.keys_url.lock().clone().ok_or("oidc: authenticator not initialized")?;
        let claims = self.verified(token, &keys_url).await.map_err(|why| format!("oidc: verify token: {why}"))?;
        if let Some(claim) = Some(&self.compiled.jwt.claim_mappings.groups.claim).filter(|claim| !claim.is_empty())
            && !claims.contains_key(claim)
            && claims.get("_claim_names").is_some_and(|names| names.get(claim).is_some())
        {
            return Err("oidc: could not expand distributed claims: they are not supported yet".to_owned());
        }
        claims::user(&self.compiled.jwt, &self.compiled.mapper, &claims)
    }

    async fn verified(&self, token: &str, keys_url: &str) -> Result<Map<String, Value>, String> {
        let header = signing_keys::Header::unverified(token).ok_or("oidc: malformed jwt")?;
        if !self.algorithms.contains(&header.alg) {
            let expected: Vec<String> = self.algorithms.iter().map(|name| format!("{name:?}")).collect();
            return Err(format!(
                "oidc: id token signed with unsupported algorithm, expected [{}] got {:?}",
                expected.join(" "),
                header.alg
            ));
        }
        let algorithm: Algorithm = header.alg.parse().map_err(|_| "oidc: malformed jwt".to_owned())?;
        let claims = self.signed(token, &header.kid, algorithm, keys_url).await;
        let claims = claims.map_err(|why| format!("failed to verify signature: {why}"))?;
        self.check(&claims)?;
        Ok(claims)
    }

    /// The claims, if one of the issuer's keys has signed them.
    async fn signed(
        &self,
        token: &str,
        key_id: &str,
        algorithm: Algorithm,
        keys_url: &str,
    ) -> Result<Map<String, Value>, String> {
        let verified = |keys: &[Key]| {
            let mut fitting = keys.iter().filter(|key| key_id.is_empty() || key.id == key_id);
            fitting.find_map(|key| signing_keys::verified(token, &key.key, algorithm))
        };
        let (list, fetched) = {
            let keys = self.keys.lock();
            (Arc::clone(&keys.list), keys.fetched)
        };
        if let Some(claims) = verified(&list) {
            return Ok(claims);
        }
        let unknown = || "failed to verify id token signature".to_owned();
        let is_fresh = {
            let keys = self.keys.lock();
            keys.fetched.is_some_and(|at| at.elapsed() + EXPIRY <= keys.max_age)
        };
        if is_fresh {
            return Err(unknown());
        }
        let _fetching = self.fetching.lock().await;
        // Someone else may have fetched them in the meantime.
        if self.keys.lock().fetched == fetched {
            self.fetch(keys_url).await.map_err(|why| format!("fetching keys {why}"))?;
        }
        let list = Arc::clone(&self.keys.lock().list);
        verified(&list).ok_or_else(unknown)
    }

    async fn fetch(&self, keys_url: &str) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let document = fetch::get(&self.tls, keys_url).await.map_err(|why| format!("oidc: get keys failed {why}"))?;
        let text = String::from_utf8_lossy(&document.bytes);
        if !document.code.is_success() {
            return Err(format!("oidc: get keys failed: {} {text}", document.code));
        }
        let set: Set = serde_json::from_slice(&document.bytes)
            .map_err(|error| format!("oidc: failed to decode keys: {error} {text}"))?;
        // Keys of kinds that are not known may be among them.
        let known = set.keys.into_iter().filter_map(|key| {
            let jwk: Jwk = serde_json::from_value(key).ok()?;
            Some(Key { id: jwk.common.key_id.clone().unwrap_or_default(), key: DecodingKey::from_jwk(&jwk).ok()? })
        });
        *self.keys.lock() =
            Keys { list: Arc::new(known.collect()), fetched: Some(Instant::now()), max_age: document.max_age };
        Ok(())
    }

    /// Whether the token is for this cluster, now.
    fn check(&self, claims: &Map<String, Value>) -> Result<(), String> {
        let audiences: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let wanted = &self.compiled.jwt.issuer.audiences;
        if !wanted.iter().any(|audience| audiences.contains(&audience.as_str())) {
            let got = quoted(audiences.iter().copied());
            return Err(match wanted.as_slice() {
                [one] => format!("oidc: expected audience {one:?} got {got}"),
                several => {
                    let mut several: Vec<&str> = several.iter().map(String::as_str).collect();
                    several.sort_unstable();
                    format!("oidc: expected audience in {} got {got}", quoted(several.into_iter()))
                }
            });
        }
        let now = jiff::Timestamp::now();
        let time = |name: &str| {
            let seconds = claims.get(name).and_then(Value::as_f64)?;
            jiff::Timestamp::from_second(seconds as i64).ok()
        };
        let shown = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string();
        // Without an end it has ended long ago.
        let expiry = time("exp");
        if expiry.is_none_or(|expiry| expiry < now) {
            let expiry = expiry.map_or_else(|| "0001-01-01 00:00:00 +0000 UTC".to_owned(), shown);
            return Err(format!("oidc: token is expired (Token Expiry: {expiry})"));
        }
        if let Some(from) = time("nbf").filter(|from| now + jiff::SignedDuration::from_mins(1) < *from) {
            let (now, from) = (shown(now), shown(from));
            return Err(format!("oidc: current time {now} before the nbf (not before) time: {from}"));
        }
        Ok(())
    }

    /// Asks the issuer where its keys are.
    async fn keys_url(&self) -> Result<String, String> {
        let issuer = &self.compiled.jwt.issuer;
        let url = match issuer.discovery_url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => url.to_owned(),
            None => format!("{}{WELL_KNOWN}", issuer.url.trim_end_matches('/')),
        };
        let document = fetch::get(&self.tls, &url).await?;
        if !document.code.is_success() {
            return Err(format!("{}: {}", document.code, String::from_utf8_lossy(&document.bytes)));
        }
        let provider: Provider = serde_json::from_slice(&document.bytes)
            .map_err(|error| format!("oidc: failed to decode provider discovery object: {error}"))?;
        if provider.issuer != issuer.url {
            return Err(format!(
                "oidc: issuer did not match the issuer returned by provider, expected {:?} got {:?}",
                issuer.url, provider.issuer
            ));
        }
        if provider.jwks_uri.is_empty() {
            return Err("provider did not return JWKS URL".to_owned());
        }
        Ok(provider.jwks_uri)
    }
}

/// Asks an issuer where its keys are until it says so, or nobody needs it any more.
async fn discover(issuer: Weak<Issuer>) {
    loop {
        let Some(issuer) = issuer.upgrade() else { return };
        match issuer.keys_url().await {
            Ok(url) => {
                *issuer.keys_url.lock() = Some(url);
                return;
            }
            Err(why) => {
                let url = &issuer.compiled.jwt.issuer.url;
                tracing::error!(issuer = url, error = why, "oidc authenticator: initializing plugin");
            }
        }
        drop(issuer);
        tokio::time::sleep(RETRY).await;
    }
}

/// Who says to have made a token; nothing of it is verified.
fn unverified_issuer(token: &str) -> Option<String> {
    match super::service_account::issuer(token)?.as_str() {
        // It once left the scheme out.
        "accounts.google.com" => Some("https://accounts.google.com".to_owned()),
        issuer => Some(issuer.to_owned()),
    }
}

fn quoted<'a>(list: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = list.map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}
