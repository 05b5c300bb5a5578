//! Service account tokens for projected volumes: asked for once, renewed at 80 % of their life.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{Pod, ServiceAccountTokenProjection},
};
use parking_lot::Mutex;

use crate::{objects::Objects, pod};

/// However long a token lives, it is renewed daily.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Tokens by pod, audience and lifetime.
#[derive(Default)]
pub struct TokenCache {
    tokens: Mutex<HashMap<Key, Token>>,
}

/// Pod uid, audience, seconds.
type Key = (String, String, i64);

struct Token {
    value: String,
    renew_at: Timestamp,
    expires: Timestamp,
}

impl TokenCache {
    /// The token of a pod for a projection. An old one is used on while the API gives no new one.
    ///
    /// # Errors
    /// The API's message where there is no usable token.
    pub async fn token(
        &self,
        target: &Pod,
        projection: &ServiceAccountTokenProjection,
        objects: &dyn Objects,
    ) -> Result<String, String> {
        let seconds = projection.expiration_seconds.unwrap_or(3600);
        let audience = projection.audience.clone().unwrap_or_default();
        let key = (pod::uid(target).to_string(), audience.clone(), seconds);
        let now = Timestamp::now();
        if let Some(token) = self.tokens.lock().get(&key).filter(|token| now < token.renew_at) {
            return Ok(token.value.clone());
        }
        let account =
            pod::spec(target).service_account_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("default");
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: (!audience.is_empty()).then(|| vec![audience]),
                expiration_seconds: Some(seconds),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".into()),
                    kind: Some("Pod".into()),
                    name: Some(pod::name(target).into()),
                    uid: Some(pod::uid(target).into()),
                }),
            }),
            ..Default::default()
        };
        match objects.token(pod::namespace(target), account, request).await {
            Ok(answer) => {
                let status = answer.status.unwrap_or_default();
                let (Some(value), Some(expires)) = (status.token, status.expiration_timestamp) else {
                    return Err("failed to fetch token: the answer has none".into());
                };
                let expires = expires.0;
                let life = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
                let renew_at = now + (life * 4 / 5).min(MAX_AGE);
                self.tokens.lock().insert(key, Token { value: value.clone(), renew_at, expires });
                Ok(value)
            }
            Err(error) => match self.tokens.lock().get(&key).filter(|token| now < token.expires) {
                Some(token) => {
                    tracing::warn!("cannot renew the token of pod {}: {error}", pod::full_name(target));
                    Ok(token.value.clone())
                }
                None => Err(format!("failed to fetch token: {error}")),
            },
        }
    }

    /// Forgets a pod's tokens.
    pub fn forget(&self, uid: &str) {
        self.tokens.lock().retain(|key, _| key.0 != uid);
    }
}
