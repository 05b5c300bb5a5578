//! Bootstrap tokens: secrets of `kube-system` with which machines join a cluster.
//!
//! Source: `plugin/pkg/auth/authenticator/token/bootstrap`, `k8s.io/cluster-bootstrap/token`.

use base64::Engine as _;
use serde_json::Value;

use super::User;
use crate::server::Server;

const GROUP: &str = "system:bootstrappers";
const KIND: &str = "bootstrap.kubernetes.io/token";

/// The user that a token proves, if it is a bootstrap token that is kept and in time.
pub fn user(server: &Server, token: &str) -> Option<User> {
    let (id, secret) = parts(token)?;
    let kept = server.cached("", "secrets", "kube-system", &format!("bootstrap-token-{id}")).ok().flatten()?;
    user_of(&kept, id, secret)
}

/// The id and the secret of what looks like a bootstrap token.
fn parts(token: &str) -> Option<(&str, &str)> {
    let is_part = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
    };
    token.split_once('.').filter(|(id, secret)| is_part(id, 6) && is_part(secret, 16))
}

fn user_of(kept: &Value, id: &str, secret: &str) -> Option<User> {
    let data = |key: &str| -> Option<String> {
        let bytes = base64::engine::general_purpose::STANDARD.decode(kept["data"][key].as_str()?).ok()?;
        String::from_utf8(bytes).ok()
    };
    if kept["type"] != KIND || !kept["metadata"]["deletionTimestamp"].is_null() {
        return None;
    }
    if data("token-id").as_deref() != Some(id) || !is_same(data("token-secret")?.as_bytes(), secret.as_bytes()) {
        return None;
    }
    if let Some(expiration) = data("expiration").filter(|text| !text.is_empty())
        && expiration.parse::<jiff::Timestamp>().map_or(true, |until| until <= jiff::Timestamp::now())
    {
        return None;
    }
    if data("usage-bootstrap-authentication").as_deref() != Some("true") {
        return None;
    }
    let mut groups = vec![GROUP.to_owned()];
    for group in data("auth-extra-groups").unwrap_or_default().split(',').filter(|group| !group.is_empty()) {
        let name = group.strip_prefix("system:bootstrappers:")?;
        let is_name =
            name.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase() || b":-".contains(&byte));
        if !is_name || name.is_empty() || name.starts_with([':', '-']) || name.ends_with([':', '-']) {
            return None;
        }
        if !groups.iter().any(|own| own == group) {
            groups.push(group.to_owned());
        }
    }
    groups[1..].sort();
    Some(User { name: format!("system:bootstrap:{id}"), groups, ..User::default() })
}

/// Compares without telling by its time where two differ.
pub fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn secret(changes: &[(&str, &str)]) -> Value {
        let mut data = json!({});
        let facts = [
            ("token-id", "abcdef"),
            ("token-secret", "0123456789abcdef"),
            ("usage-bootstrap-authentication", "true"),
            ("auth-extra-groups", "system:bootstrappers:kubeadm:default-node-token"),
        ];
        for (key, value) in facts.iter().chain(changes) {
            data[*key] = base64::engine::general_purpose::STANDARD.encode(value).into();
        }
        json!({"type": KIND, "metadata": {}, "data": data})
    }

    #[test]
    fn a_token_that_is_kept_and_in_time_is_a_user() {
        let found = user_of(&secret(&[]), "abcdef", "0123456789abcdef").unwrap();
        assert_eq!(found.name, "system:bootstrap:abcdef");
        assert_eq!(found.groups, [GROUP, "system:bootstrappers:kubeadm:default-node-token"]);
        for wrong in [
            ("token-id", "abcdeg"),
            ("token-secret", "0123456789abcdeg"),
            ("expiration", "2020-01-01T00:00:00Z"),
            ("expiration", "nonsense"),
            ("usage-bootstrap-authentication", "false"),
            ("auth-extra-groups", "system:masters"),
        ] {
            assert_eq!(user_of(&secret(&[wrong]), "abcdef", "0123456789abcdef"), None, "{wrong:?}");
        }
        assert!(user_of(&secret(&[("expiration", "2999-01-01T00:00:00Z")]), "abcdef", "0123456789abcdef").is_some());
    }

    proptest! {
        #[test]
        fn only_tokens_have_parts(token in "[a-z0-9]{5,7}\\.[a-z0-9]{15,17}|\\PC{0,30}") {
            match parts(&token) {
                Some((id, secret)) => {
                    prop_assert_eq!(format!("{id}.{secret}"), token.as_str());
                    prop_assert_eq!((id.len(), secret.len()), (6, 16));
                }
                None => prop_assert!(
                    token.len() != 23
                        || token.char_indices().any(|(at, c)| !matches!((at, c), (6, '.') | (_, 'a'..='z' | '0'..='9')))
                        || &token[6..7] != "."
                ),
            }
        }

        /// Whatever a secret says, its token makes nobody more than a machine that joins.
        #[test]
        fn a_secret_makes_nobody_but_bootstrappers(
            changes in prop::collection::vec((
                prop::sample::select(vec![
                    "token-id", "token-secret", "expiration", "usage-bootstrap-authentication", "auth-extra-groups",
                ]),
                "true|abcdef|system:bootstrappers(:[a-z,:-]{0,8}){0,2}|[a-z:,-]{0,12}|2[0-9]{3}-01-01T00:00:00Z|\\PC{0,8}",
            ), 0..3),
        ) {
            let changes: Vec<(&str, &str)> = changes.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let changed = |key: &str| changes.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| *value);
            if let Some(user) = user_of(&secret(&changes), "abcdef", "0123456789abcdef") {
                prop_assert_eq!(user.name, "system:bootstrap:abcdef");
                prop_assert_eq!(&user.groups[0], GROUP);
                prop_assert!(user.groups[1..].iter().all(|group| group.starts_with("system:bootstrappers:")));
                prop_assert!(changed("token-secret").is_none_or(|value| value == "0123456789abcdef"));
                prop_assert!(changed("usage-bootstrap-authentication").is_none_or(|value| value == "true"));
            }
        }
    }
}
