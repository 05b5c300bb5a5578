//! Tokens that another server judges: `--authentication-token-webhook-*`.
//!
//! Source: apiserver `plugin/pkg/authenticator/token/webhook`, `pkg/authentication/token/cache`.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Judged, Proven, Refused, User};
use crate::flags::Flags;
use crate::webhook_client::WebhookClient;

const TIMEOUT: Duration = Duration::from_secs(30);
/// How many answers are remembered.
const MOST: usize = 4096;

pub struct WebhookTokens {
    client: WebhookClient,
    version: String,
    ttl: Duration,
    known: Mutex<HashMap<[u8; 32], (Instant, Judged)>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Review {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    user: Shown,
    audiences: Vec<String>,
    error: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown {
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

impl WebhookTokens {
    pub fn new(flags: &Flags) -> anyhow::Result<Option<WebhookTokens>> {
        let Some(path) = &flags.authentication_token_webhook_config_file else { return Ok(None) };
        let version = flags.authentication_token_webhook_version.clone();
        anyhow::ensure!(
            ["v1", "v1beta1"].contains(&version.as_str()),
            "unsupported authentication webhook version {version:?}, supported versions are [v1 v1beta1]"
        );
        Ok(Some(WebhookTokens {
            client: WebhookClient::new(path)?,
            version,
            ttl: flags.authentication_token_webhook_cache_ttl,
            known: Mutex::default(),
        }))
    }

    /// What the server says of a token that is for those audiences. `implicit`: whom its users are for where it does
    /// not say.
    pub async fn user(&self, token: &str, implicit: &[String], wanted: &[String]) -> Judged {
        let key: [u8; 32] = Sha256::digest(json!([token, wanted]).to_string()).into();
        if let Some((at, judged)) = self.known.lock().get(&key)
            && at.elapsed() < self.ttl
        {
            return judged.clone();
        }
        let review = json!({
            "kind": "TokenReview",
            "apiVersion": format!("authentication.k8s.io/{}", self.version),
            "metadata": {"creationTimestamp": null},
            "spec": {"token": token, "audiences": wanted},
            "status": {"user": {}},
        });
        // Not to have been answered is not remembered.
        let answer = self.client.ask(&review, TIMEOUT).await.map_err(Refused)?;
        let judged = judge(answer, implicit, wanted);
        let mut known = self.known.lock();
        if known.len() >= MOST {
            known.retain(|_, (at, _)| at.elapsed() < self.ttl);
        }
        if known.len() < MOST {
            known.insert(key, (Instant::now(), judged.clone()));
        }
        judged
    }
}

fn judge(answer: Value, implicit: &[String], wanted: &[String]) -> Judged {
    let Status { authenticated, user, audiences, error } =
        serde_json::from_value::<Review>(answer).map_err(|error| Refused(error.to_string()))?.status;
    let audiences = if audiences.is_empty() { implicit.to_vec() } else { audiences };
    let matched: Vec<String> = audiences.into_iter().filter(|audience| wanted.contains(audience)).collect();
    if matched.is_empty() && !wanted.is_empty() {
        return Ok(None);
    }
    if !authenticated {
        return if error.is_empty() { Ok(None) } else { Err(Refused(error)) };
    }
    let user = User { name: user.username, uid: user.uid, groups: user.groups, extra: user.extra };
    Ok(Some(Proven { user, audiences: matched }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_by_their_audience() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let status = |status: Value| json!({"status": status});
        let good = status(json!({"authenticated": true, "user": {"username": "ann", "groups": ["a"]}}));
        let proven = judge(good.clone(), &list(&["api"]), &list(&["api"])).unwrap().unwrap();
        assert_eq!((proven.user.name.as_str(), proven.audiences), ("ann", list(&["api"])));
        assert_eq!(judge(good, &list(&["api"]), &list(&["other"])), Ok(None));
        let refused = status(json!({"error": "unknown"}));
        assert_eq!(judge(refused, &list(&["api"]), &list(&["api"])), Err(Refused("unknown".to_owned())));
        assert_eq!(judge(json!({}), &list(&["api"]), &list(&["api"])), Ok(None));
    }
}
