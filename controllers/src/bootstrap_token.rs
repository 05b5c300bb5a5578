//! Bootstrap tokens as their secrets have them.
//!
//! Source: `k8s.io/cluster-bootstrap/{token/api,util/secrets}`.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;

pub const TYPE: &str = "bootstrap.kubernetes.io/token";
const PREFIX: &str = "bootstrap-token-";

/// A value of the secret, if it is text.
pub fn data<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    let value = secret.data.as_ref()?.get(key)?;
    std::str::from_utf8(&value.0).ok().filter(|text| !text.is_empty())
}

/// How long the token is still good; not at all where that cannot be read. `None`: it has no end.
pub fn left(secret: &Secret, now: Timestamp) -> Option<SignedDuration> {
    let text = data(secret, "expiration")?;
    let left = text.parse::<Timestamp>().map_or(SignedDuration::ZERO, |until| until.duration_since(now));
    Some(left.max(SignedDuration::ZERO))
}

/// The id and secret of a token that signs.
pub fn signing(secret: &Secret, now: Timestamp) -> Option<(&str, &str)> {
    let id = data(secret, "token-id")?;
    let of_name = secret.metadata.name.as_deref()?.strip_prefix(PREFIX)?;
    let is_id = id.len() == 6 && id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    if of_name != id || !is_id || left(secret, now).is_some_and(|left| left.is_zero()) {
        return None;
    }
    (data(secret, "usage-bootstrap-signing") == Some("true")).then_some((id, data(secret, "token-secret")?))
}

#[cfg(test)]
pub mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    pub fn secret(id: &str, more: &[(&str, &str)]) -> Secret {
        let mut secret = Secret { type_: Some(TYPE.to_owned()), ..Secret::default() };
        secret.metadata.name = Some(format!("{PREFIX}{id}"));
        secret.metadata.namespace = Some("kube-system".to_owned());
        let facts = [("token-id", id), ("token-secret", "0123456789abcdef"), ("usage-bootstrap-signing", "true")];
        let data =
            facts.iter().chain(more).map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().into())));
        secret.data = Some(data.collect());
        secret
    }

    #[test]
    fn tokens_have_an_end_and_a_use() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(signing(&secret("abcdef", &[]), now), Some(("abcdef", "0123456789abcdef")));
        for wrong in [
            ("token-id", "abcdeg"),
            ("usage-bootstrap-signing", "false"),
            ("expiration", "1969-01-01T00:00:00Z"),
            ("expiration", "nonsense"),
            ("token-secret", ""),
        ] {
            assert_eq!(signing(&secret("abcdef", &[wrong]), now), None, "{wrong:?}");
        }
        let ending = secret("abcdef", &[("expiration", "1970-01-01T01:00:00Z")]);
        assert_eq!(left(&ending, now), Some(SignedDuration::from_hours(1)));
        assert_eq!(left(&secret("abcdef", &[]), now), None);
    }
}
