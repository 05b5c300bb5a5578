//! Where a request carries its bearer token: in a header, or in a subprotocol of a WebSocket, as browsers cannot set
//! headers there.
//!
//! Source: apiserver `pkg/authentication/request/{bearertoken,websocket}`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue};

use super::Refused;

const PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// The token of the `Authorization` header.
pub fn of_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())?;
    let mut parts = value.trim().splitn(3, ' ');
    let scheme = parts.next()?;
    let token = parts.next().filter(|token| !token.is_empty())?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.to_owned())
}

/// The token among the subprotocols of a WebSocket, and the header without it.
///
/// # Errors
/// There are several tokens, one cannot be read, or there is nothing but the token.
pub fn of_protocol(headers: &HeaderMap) -> Result<Option<(String, HeaderValue)>, Refused> {
    let has = |name, wanted: &str| {
        let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.to_ascii_lowercase().contains(wanted))
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return Ok(None);
    }
    let refused = |why: &str| Err(Refused(why.to_owned()));
    let mut token = None;
    let mut others = Vec::new();
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    for protocol in values.flat_map(|value| value.split(',')).map(str::trim) {
        let Some(encoded) = protocol.strip_prefix(PROTOCOL) else {
            others.push(protocol);
            continue;
        };
        if token.is_some() {
            return refused("multiple base64.bearer.authorization tokens specified");
        }
        let Ok(decoded) = URL_SAFE_NO_PAD.decode(encoded) else {
            return refused("invalid base64.bearer.authorization token encoding");
        };
        let Ok(decoded) = String::from_utf8(decoded) else {
            return refused("invalid base64.bearer.authorization token");
        };
        token = Some(decoded);
    }
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    match HeaderValue::from_str(&others.join(",")) {
        Ok(left) if !others.is_empty() => Ok(Some((token, left))),
        _ => refused("missing additional subprotocol"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_carry_tokens() {
        let token = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            of_header(&headers)
        };
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("bearer abc def").as_deref(), Some("abc"));
        assert_eq!(token("Bearer  abc"), None);
        assert_eq!(token("Basic abc"), None);
    }

    #[test]
    fn subprotocols_carry_tokens() {
        let token = |protocols: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(UPGRADE, "websocket".parse().unwrap());
            headers.insert(CONNECTION, "Upgrade".parse().unwrap());
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
            of_protocol(&headers)
        };
        let own = format!("{PROTOCOL}{}", URL_SAFE_NO_PAD.encode("abc"));
        let (found, left) = token(&format!("v4.channel.k8s.io, {own}")).unwrap().unwrap();
        assert_eq!((found.as_str(), left.to_str().unwrap()), ("abc", "v4.channel.k8s.io"));
        assert_eq!(token("v4.channel.k8s.io"), Ok(None));
        assert!(token(&own).is_err() && token(&format!("a,{own},{own}")).is_err());
        assert!(token(&format!("a,{PROTOCOL}!")).is_err());
    }

    proptest! {
        #[test]
        fn a_token_is_what_follows_its_scheme(scheme in "[Bb]earer|[Bb]asic| |", value in "[ -~]{0,24}", raw: Vec<u8>) {
            let found = |value: &[u8]| {
                let mut headers = HeaderMap::new();
                headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).ok()?);
                of_header(&headers)
            };
            found(&raw);
            if let Some(token) = found(format!("{scheme} {value}").as_bytes()) {
                prop_assert!(scheme.eq_ignore_ascii_case("bearer") || scheme.trim().is_empty());
                prop_assert!(!token.is_empty() && !token.contains(' ') && value.contains(&token));
            } else {
                prop_assert!(!scheme.eq_ignore_ascii_case("bearer") || value.starts_with(' ') || value.is_empty());
            }
        }

        #[test]
        fn a_token_is_taken_out_of_the_protocols(
            token in "\\PC{1,12}", others in prop::collection::vec("[a-z0-9.]{1,12}", 0..4), at in 0..5usize, junk in "[ -~]{0,40}",
        ) {
            let read = |protocols: &str| {
                let mut headers = HeaderMap::new();
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(protocols).unwrap());
                of_protocol(&headers)
            };
            let _ = read(&junk);
            let _ = read(&format!("{PROTOCOL}{junk}"));
            let mut all = others.clone();
            all.insert(at.min(others.len()), format!("{PROTOCOL}{}", URL_SAFE_NO_PAD.encode(&token)));
            match read(&all.join(", ")) {
                Ok(Some((found, left))) => {
                    let others = others.join(",");
                    prop_assert_eq!((found, left.to_str().unwrap()), (token, others.as_str()));
                }
                other => prop_assert!(others.is_empty() && other.is_err()),
            }
        }
    }
}
