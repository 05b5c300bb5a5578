//! The old tokens of service accounts: kept in a secret, without an end, for the API alone.
//!
//! Source: `pkg/serviceaccount/legacy.go`.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;

use super::service_account::{self, Shown};
use super::{Refused, User};
use crate::context::Target;
use crate::object;
use crate::server::Server;
use crate::status::{Result, Status};
use crate::storage::Replaced;
use crate::verbs::write;

pub const ISSUER: &str = "kubernetes/serviceaccount";
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

/// The claims that only old tokens have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Legacy {
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name")]
    account: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid")]
    uid: String,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    secret: String,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    namespace: String,
}

/// The account of a token that its secret still has.
pub async fn user(server: &Server, token: &str, shown: &Shown) -> std::result::Result<User, Refused> {
    let refused = |why: String| Err(Refused(why));
    let Legacy { account, uid, secret, namespace } = &shown.legacy;
    for (name, claim) in [
        ("sub", &shown.sub),
        ("namespace", namespace),
        ("secretName", secret),
        ("serviceAccountName", account),
        ("serviceAccountUID", uid),
    ] {
        if claim.is_empty() {
            return refused(format!("{name} claim is missing"));
        }
    }
    if shown.sub != format!("system:serviceaccount:{namespace}:{account}") {
        return refused("sub claim is invalid".to_owned());
    }
    let failed = |status: Status| Refused(status.message);
    let kept = server.find("", "secrets", namespace, secret).await.map_err(failed)?;
    let Some(kept) = kept.filter(|kept| object::meta(kept, "deletionTimestamp").is_empty()) else {
        return refused("Token has been invalidated".to_owned());
    };
    let own = kept["data"]["token"].as_str().and_then(|text| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
        String::from_utf8(bytes).ok()
    });
    if !own.is_some_and(|own| super::bootstrap_token::is_same(own.as_bytes(), token.as_bytes())) {
        return refused("Token does not match server's copy".to_owned());
    }
    let found = server.find("", "serviceaccounts", namespace, account).await.map_err(failed)?;
    let Some(found) = found else { return refused(format!("serviceaccounts {account:?} not found")) };
    if !object::meta(&found, "deletionTimestamp").is_empty() {
        return refused(format!("ServiceAccount {namespace}/{account} has been deleted"));
    }
    if object::meta(&found, "uid") != uid {
        let now = object::meta(&found, "uid");
        return refused(format!("ServiceAccount UID ({now}) does not match claim ({uid})"));
    }
    let is_invalid = !kept["metadata"]["labels"][INVALID_SINCE].as_str().unwrap_or_default().is_empty();
    let mut named = found["secrets"].as_array().into_iter().flatten();
    let is_generated = named.any(|reference| reference["name"] == secret.as_str());
    let counters = &server.metrics.tokens;
    match (is_invalid, is_generated) {
        (true, _) => counters.invalid.inc(),
        (false, true) => counters.generated.inc(),
        (false, false) => counters.manual.inc(),
    }
    if let Err(status) = note_use(server, &kept).await {
        tracing::warn!(error = status.message, "the use of an old service account token could not be noted");
    }
    if is_invalid {
        return refused(format!(
            "the token in secret {namespace}/{secret} for service account {namespace}/{account} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
        ));
    }
    Ok(service_account::user(namespace, account, uid, BTreeMap::new()))
}

/// Notes the day in a label, once a day.
async fn note_use(server: &Server, secret: &Value) -> Result<()> {
    let now = jiff::Timestamp::now();
    let tomorrow = now + jiff::SignedDuration::from_hours(24);
    let [today, tomorrow] = [now, tomorrow].map(|day| day.strftime("%Y-%m-%d").to_string());
    let is_noted = |secret: &Value| {
        let last = secret["metadata"]["labels"][LAST_USED].as_str().unwrap_or_default();
        last == today || last == tomorrow
    };
    if is_noted(secret) {
        return Ok(());
    }
    let objects = server.objects("", "secrets")?;
    let key = objects.key(object::meta(secret, "namespace"), object::meta(secret, "name"));
    let Some(served) = server.serving("", "v1", "secrets") else { return Ok(()) };
    let Some(version) = served.resource.version("v1").cloned() else { return Ok(()) };
    let target = Target { served, version };
    // Another server may write in between; once more is enough, there is always a next use.
    for _ in 0..2 {
        let Some((old, revision)) = objects.read(&key).await? else { return Ok(()) };
        if is_noted(&old) || object::meta(&old, "uid") != object::meta(secret, "uid") {
            return Ok(());
        }
        let mut new = old.clone();
        object::set(&mut new, &["metadata", "labels", LAST_USED], today.as_str());
        write::track(server, &target, "", Some(&old), &mut new, "kube-apiserver");
        if matches!(objects.replace(&key, &new, revision).await?, Replaced::Done(_)) {
            return Ok(());
        }
    }
    Ok(())
}
