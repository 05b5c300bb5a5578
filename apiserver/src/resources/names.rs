//! The formats of names, labels and values, with upstream's messages.
//!
//! Source: apimachinery `pkg/api/validate/content` and `pkg/util/validation`. Each check returns what is
//! wrong, or nothing.

use std::net::IpAddr;

use ipnet::IpNet;

const LABEL_FMT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_FMT: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";

/// RFC 1123 label: `my-name`.
pub fn dns1123_label(value: &str) -> Option<String> {
    if value.len() > 63 {
        return Some("must be no more than 63 characters".to_owned());
    }
    (!is_dns1123_label(value)).then(|| {
        let message = if is_dns1123_subdomain(value) {
            "must not contain dots"
        } else {
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"
        };
        if message == "must not contain dots" {
            message.to_owned()
        } else {
            format!("{message} (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL_FMT}')")
        }
    })
}

/// RFC 1035 label: `my-name`, which begins with a letter.
pub fn dns1035_label(value: &str) -> Option<String> {
    if value.len() > 63 {
        return Some("must be no more than 63 characters".to_owned());
    }
    (!is_dns1123_label(value) || value.starts_with(|c: char| c.is_ascii_digit())).then(|| {
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".to_owned()
    })
}

/// RFC 1123 subdomain: `example.com`.
pub fn dns1123_subdomain(value: &str) -> Option<String> {
    if value.len() > 253 {
        return Some("must be no more than 253 characters".to_owned());
    }
    (!is_dns1123_subdomain(value)).then(|| {
        format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN_FMT}')"
        )
    })
}

/// A label or annotation key: `name` or `prefix/name`.
pub fn qualified_name(value: &str) -> Option<String> {
    let name_fmt = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
    let (prefix, name) = match value.split('/').collect::<Vec<_>>()[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            return Some(format!(
                "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{name_fmt}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
    };
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Some("prefix part must be non-empty".to_owned());
        }
        if let Some(problem) = dns1123_subdomain(prefix) {
            return Some(format!("prefix part {problem}"));
        }
    }
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 bytes".to_owned());
    }
    (!is_name_part(name)).then(|| {
        format!(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{name_fmt}')"
        )
    })
}

/// All that is wrong with a label or annotation key: an empty name breaks two rules.
pub fn qualified_name_problems(value: &str) -> Vec<String> {
    let mut problems: Vec<_> = qualified_name(value).into_iter().collect();
    if problems.first().is_some_and(|problem| problem == "name part must be non-empty") {
        problems.extend(qualified_name("-"));
    }
    problems
}

/// A label's value.
pub fn label_value(value: &str) -> Option<String> {
    if value.len() > 63 {
        return Some("must be no more than 63 bytes".to_owned());
    }
    (!value.is_empty() && !is_name_part(value)).then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".to_owned()
    })
}

/// What any name must satisfy to stand as one segment of a path.
pub fn path_segment(value: &str) -> Option<String> {
    if matches!(value, "." | "..") {
        return Some(format!("may not be '{value}'"));
    }
    ["/", "%"].into_iter().find(|part| value.contains(part)).map(|part| format!("may not contain '{part}'"))
}

/// A name to be checked: of a `generateName` the dash before the random characters does not count.
pub fn masked(name: &str, prefix: bool) -> std::borrow::Cow<'_, str> {
    match name.strip_suffix('-') {
        Some(rest) if prefix && !rest.is_empty() => {
            let end = rest.char_indices().last().map_or(0, |(at, _)| at);
            format!("{}a", &rest[..end]).into()
        }
        _ => name.into(),
    }
}

/// A port's name, for example `http`.
pub fn port_name(value: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if value.len() > 15 {
        problems.push("must be no more than 15 characters".to_owned());
    }
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !value.bytes().any(|byte| byte.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)".to_owned());
    }
    if value.contains("--") {
        problems.push("must not contain consecutive hyphens".to_owned());
    }
    if value.starts_with('-') || value.ends_with('-') {
        problems.push("must not begin or end with a hyphen".to_owned());
    }
    problems
}

/// A number of a port.
pub fn port_number(value: i64) -> Option<String> {
    (!(1..=65535).contains(&value)).then(|| "must be between 1 and 65535, inclusive".to_owned())
}

/// The key of a ConfigMap or Secret.
pub fn config_map_key(value: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if value.len() > 253 {
        problems.push("must be no more than 253 characters".to_owned());
    }
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        problems.push("a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')".to_owned());
    }
    if value == "." {
        problems.push("must not be '.'".to_owned());
    } else if value == ".." {
        problems.push("must not be '..'".to_owned());
    } else if value.starts_with("..") {
        problems.push("must not start with '..'".to_owned());
    }
    problems
}

/// A number or percentage: `"25%"`.
pub fn is_percent(value: &str) -> bool {
    value.strip_suffix('%').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An IP address as upstream's older fields take it: an IPv4 part may have leading zeros.
pub fn ip_sloppy(value: &str) -> Option<IpAddr> {
    if let Ok(address) = value.parse() {
        return Some(address);
    }
    let parts: Vec<&str> = value.split('.').collect();
    let [a, b, c, d] = parts[..] else { return None };
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let rest = part.trim_start_matches('0');
        if !digits {
            None
        } else if rest.is_empty() {
            Some(0)
        } else {
            rest.parse::<u8>().ok()
        }
    };
    Some(IpAddr::from([number(a)?, number(b)?, number(c)?, number(d)?]))
}

/// What is wrong with an IP address, which need not be in canonical form.
pub fn ip_problem(value: &str) -> Option<&'static str> {
    match value.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            Some("must not be an IPv4-mapped IPv6 address")
        }
        Ok(_) => None,
        Err(_) if ip_sloppy(value).is_some() => Some("must not have leading 0s"),
        Err(_) => Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    }
}

/// What is wrong with a network, which need not be in canonical form.
pub fn cidr_problem(value: &str) -> Option<&'static str> {
    let Some(network) = cidr_sloppy(value) else {
        return Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    };
    let (address, length) = value.split_once('/').unwrap_or((value, ""));
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            Some("must not have an IPv4-mapped IPv6 address")
        }
        Ok(_) if length.len() == 1 || !length.starts_with('0') => {
            (network.addr() != network.trunc().addr()).then_some("must not have bits set beyond the prefix length")
        }
        _ => Some("must not have leading 0s in IP or prefix length"),
    }
}

/// A network as upstream's older fields take it, with the address that was given.
pub fn cidr_sloppy(value: &str) -> Option<IpNet> {
    let (address, length) = value.split_once('/')?;
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    IpNet::new(ip_sloppy(address)?, length.parse().ok()?).ok()
}

fn is_dns1123_label(value: &str) -> bool {
    let bytes = value.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}

fn is_dns1123_subdomain(value: &str) -> bool {
    value.split('.').all(is_dns1123_label)
}

fn is_name_part(value: &str) -> bool {
    let bytes = value.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_and_refuse() {
        assert_eq!(dns1123_subdomain("a.b-c.1"), None);
        assert!(dns1123_subdomain("a..b").is_some());
        assert!(dns1123_label("A").is_some());
        assert_eq!(dns1123_label("a.b").unwrap(), "must not contain dots");
        assert_eq!(qualified_name("example.com/My_Name"), None);
        assert!(qualified_name("/x").is_some());
        assert_eq!(label_value(""), None);
        assert!(label_value("-x").is_some());
        assert!(path_segment("..").is_some());
    }
}
