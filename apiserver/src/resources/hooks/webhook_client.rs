//! How the API server is told to reach a webhook: an address or a service.
//!
//! Source: apiserver `pkg/util/webhook/validation.go` and Go's `net/url`.

use serde_json::Value;

use crate::field::{ErrorList, Path};
use crate::object::{int, text};
use crate::resources::names;

const FORM: &str = "; desired format: https://host[/path]";

/// An address that says `https` and a host and nothing but a path besides.
pub fn url(url: &str, at: &Path<'_>, errors: &mut ErrorList) {
    let parsed = match parse(url) {
        Ok(parsed) => parsed,
        Err(why) => {
            errors.required(at, format!("url must be a valid URL: parse {url:?}: {why}{FORM}"));
            return;
        }
    };
    if parsed.scheme != "https" {
        errors.invalid_str(at, &parsed.scheme, format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if parsed.host.is_empty() {
        errors.invalid_str(at, "", format!("host must be specified{FORM}"));
    }
    if let Some(user) = parsed.user {
        errors.invalid_str(at, user, "user information is not permitted in the URL");
    }
    if !parsed.fragment.is_empty() {
        errors.invalid_str(at, parsed.fragment, "fragments are not permitted in the URL");
    }
    if !parsed.query.is_empty() {
        errors.invalid_str(at, parsed.query, "query parameters are not permitted in the URL");
    }
}

struct Url<'a> {
    scheme: String,
    user: Option<&'a str>,
    host: &'a str,
    query: &'a str,
    fragment: &'a str,
}

fn parse(url: &str) -> Result<Url<'_>, String> {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    if rest.contains(|c: char| c.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (mut scheme, mut rest) = (String::new(), rest);
    if let Some(end) = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c))
        && rest[end..].starts_with(':')
        && !rest.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
    {
        if end == 0 {
            return Err("missing protocol scheme".to_owned());
        }
        scheme = rest[..end].to_lowercase();
        rest = &rest[end + 1..];
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parsed = Url { scheme, user: None, host: "", query, fragment };
    if !rest.starts_with('/') {
        let first = rest.split('/').next().unwrap_or_default();
        if parsed.scheme.is_empty() && first.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    } else if let Some(authority) = rest.strip_prefix("//")
        && (!parsed.scheme.is_empty() || !authority.starts_with('/'))
    {
        let authority = authority.split('/').next().unwrap_or_default();
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                parsed.user = Some(user);
                host
            }
            None => authority,
        };
        if let Some(bad) =
            host.chars().find(|c| matches!(c, ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'))
        {
            return Err(format!("invalid character {:?} in host name", bad.to_string()));
        }
        let port = host.rfind(']').map_or_else(|| host.find(':'), |end| (end + 1 < host.len()).then_some(end + 1));
        if let Some(port) = port.map(|start| &host[start..])
            && !(port.starts_with(':') && port[1..].bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(format!("invalid port {port:?} after host"));
        }
        parsed.host = host;
    }
    Ok(parsed)
}

/// A service with a path and a port. Upstream calls name what is the namespace, and the other way round.
pub fn service(service: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    for (field, shown) in [("namespace", "name"), ("name", "namespace")] {
        if text(&service[field]).is_empty() {
            errors.required(&at.child(shown), "");
        }
    }
    if let Some(problem) = names::port_number(int(&service["port"])) {
        errors.invalid_number(&at.child("port"), int(&service["port"]), format!("port is not valid: {problem}"));
    }
    let (path, at) = (text(&service["path"]), at.child("path"));
    if matches!(path, "" | "/") {
        return;
    }
    if path == "//" {
        errors.invalid_str(&at, path, "segment[0] may not be empty");
        return;
    }
    if !path.starts_with('/') {
        errors.invalid_str(&at, path, "must start with a '/'");
    }
    // Upstream leaves out the first character, whatever it is.
    let mut rest = path.chars();
    rest.next();
    let rest = rest.as_str();
    for (index, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            errors.invalid_str(&at, path, format!("segment[{index}] may not be empty"));
        } else if let Some(problem) = names::dns1123_subdomain(step) {
            errors.invalid_str(&at, path, format!("segment[{index}]: {problem}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_and_a_host() {
        let problems = |value: &str| {
            let mut errors = ErrorList::default();
            url(value, &Path::new("url"), &mut errors);
            errors.0.into_iter().map(|error| error.detail).collect::<Vec<_>>().join("|")
        };
        assert_eq!(problems("https://a.b:80/c"), "");
        assert!(problems("http://a").starts_with("'https' is the only allowed URL scheme"));
        assert!(problems("https://").contains("host must be specified"));
        assert!(problems("https://u:p@h?q#f").contains("user information"));
        assert!(problems("a:b:c/d").contains("'https'"));
    }
}
