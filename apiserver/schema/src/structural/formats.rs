//! The formats of strings that schemas may name.
//!
//! Source: apiextensions-apiserver `pkg/apiserver/validation/formats.go`, kube-openapi `pkg/validation/strfmt`.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{NodeType, patterns};

const STRINGS: [&str; 26] = [
    "bsonobjectid",
    "byte",
    "cidr",
    "creditcard",
    "date",
    "datetime",
    "duration",
    "email",
    "hexcolor",
    "hostname",
    "ipv4",
    "ipv6",
    "isbn",
    "isbn10",
    "isbn13",
    "k8slongname",
    "k8sshortname",
    "mac",
    "password",
    "rgbcolor",
    "ssn",
    "uri",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
];

/// Whether a format means something for values of a type; others are as if not written.
pub fn is_supported(ty: NodeType, format: &str) -> bool {
    match ty {
        NodeType::Any | NodeType::String => STRINGS.contains(&format.replace('-', "").as_str()),
        NodeType::Integer => matches!(format, "int32" | "int64"),
        NodeType::Number => matches!(format, "float" | "double"),
        _ => false,
    }
}

/// Whether the format is one of strings.
pub(super) fn is_of_strings(format: &str) -> bool {
    STRINGS.contains(&format.replace('-', "").as_str())
}

/// Whether a string has the format.
pub fn is_valid(format: &str, text: &str) -> bool {
    let matches = |pattern: &str| patterns::compile(pattern).is_ok_and(|pattern| pattern.is_match(text));
    match format.replace('-', "").as_str() {
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "byte" => STANDARD.decode(text.replace(['\n', '\r'], "")).is_ok(),
        "cidr" => is_cidr(text),
        "creditcard" => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            patterns::compile(CREDIT_CARD).is_ok_and(|pattern| pattern.is_match(&digits)) && luhn(&digits)
        }
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "datetime" => is_date_time(text),
        "duration" => is_duration(text),
        "email" => is_email(text),
        "hexcolor" => matches("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
        "hostname" => is_hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "k8slongname" => {
            text.len() <= 253 && matches(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        }
        "k8sshortname" => text.len() <= 63 && matches("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        "mac" => is_mac(text),
        "rgbcolor" => matches(RGB_COLOR),
        "ssn" => matches(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
        "uri" => is_uri(text),
        "uuid" => matches("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
        "uuid3" => matches("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
        "uuid4" => matches("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
        "uuid5" => matches("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
        _ => true,
    }
}

const CREDIT_CARD: &str = r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$";
const RGB_COLOR: &str = r"^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$";

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let plain = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let Some(bits) = length.parse::<u8>().ok().filter(|_| plain) else { return false };
    (address.parse::<Ipv4Addr>().is_ok() && bits <= 32) || (address.parse::<Ipv6Addr>().is_ok() && bits <= 128)
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            match (at % 2, digit * 2) {
                (0, _) => digit,
                (_, double) if double > 9 => double - 9,
                (_, double) => double,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_date_time(text: &str) -> bool {
    let shape = r"^([0-9]{4})-([0-9]{2})-([0-9]{2})[tT ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?([zZ]|[+-][0-9]{2}:?[0-9]{2})?$";
    let Ok(shape) = patterns::compile(shape) else { return false };
    let Some(parts) = shape.captures(text) else { return false };
    let number = |at: usize| parts.get(at).and_then(|part| part.as_str().parse::<i16>().ok()).unwrap_or_default();
    jiff::civil::Date::new(number(1), number(2) as i8, number(3) as i8).is_ok()
        && (0..24).contains(&number(4))
        && (0..60).contains(&number(5))
        && (0..60).contains(&number(6))
}

fn is_duration(text: &str) -> bool {
    if crate::time::parse_duration(text).is_ok() {
        return true;
    }
    let scala = r"^(\d+)\s*(ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)$";
    patterns::compile(scala).is_ok_and(|pattern| pattern.is_match(text))
}

fn is_email(text: &str) -> bool {
    let address = match (text.rfind('<'), text.strip_suffix('>')) {
        (Some(at), Some(rest)) => &rest[at + 1..],
        _ => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let atom = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    (quoted || local.split('.').all(atom))
        && (domain.split('.').all(atom) || (domain.starts_with('[') && domain.ends_with(']')))
}

/// As upstream's one expression tells, which is too large for the limit on patterns: label by label.
fn is_hostname(text: &str) -> bool {
    let matches = |class: &str, part: &str| patterns::compile(class).is_ok_and(|pattern| pattern.is_match(part));
    let plain = |part: &str| matches(r"^[0-9\p{S}\p{L}]+$", part);
    let mut labels: Vec<&str> = text.split('.').collect();
    if text.len() > 255 || labels.iter().any(|label| label.len() > 63) {
        return false;
    }
    let last = labels.pop().unwrap_or_default();
    if labels.is_empty() {
        // The only hyphen that a single label may have is its second character.
        let mut rest = last.chars();
        let first = rest.next().map(String::from).unwrap_or_default();
        let rest = rest.as_str();
        return plain(&first) && (matches!(rest, "" | "-") || plain(rest.strip_prefix('-').unwrap_or(rest)));
    }
    let is_label = |label: &&str| !label.starts_with('-') && !label.ends_with('-') && plain(&label.replace('-', ""));
    matches(r"^\p{L}{2,}$", last) && labels.iter().all(is_label)
}

fn is_isbn10(text: &str) -> bool {
    let chars: Vec<char> = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    if chars.len() != 10 {
        return false;
    }
    let mut sum = 0;
    for (at, c) in chars.iter().enumerate() {
        let value = match (c.to_digit(10), c) {
            (Some(digit), _) => digit,
            (None, 'X') if at == 9 => 10,
            _ => return false,
        };
        sum += (at as u32 + 1) * value;
    }
    sum % 11 == 0
}

fn is_isbn13(text: &str) -> bool {
    let digits: Option<Vec<u32>> = text.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 13) else { return false };
    let sum: u32 = digits[..12].iter().enumerate().map(|(at, digit)| digit * if at % 2 == 0 { 1 } else { 3 }).sum();
    digits[12] == (10 - sum % 10) % 10
}

fn is_mac(text: &str) -> bool {
    let hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts = |separator: char, length: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.iter().all(|part| hex(part, length)) && matches!(parts.len() * length / 2, 6 | 8 | 20)
    };
    parts(':', 2) || parts('-', 2) || parts('.', 4)
}

/// As Go's `url.ParseRequestURI`: an absolute URI or an absolute path.
fn is_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return false;
    }
    if text == "*" {
        return true;
    }
    let (scheme, rest) = match text.find(':') {
        Some(at)
            if text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text[..at].chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            (&text[..at], &text[at + 1..])
        }
        Some(0) => return false,
        _ => ("", text),
    };
    let path = rest.split('?').next().unwrap_or_default();
    if !path.starts_with('/') {
        // An opaque URI must have a scheme; a relative path is no request.
        return !scheme.is_empty();
    }
    if let Some(authority) = path.strip_prefix("//").filter(|_| !scheme.is_empty()) {
        let host = authority.split('/').next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        if host.contains([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}']) {
            return false;
        }
        let port = match host.rfind(']') {
            Some(at) => host[at + 1..].strip_prefix(':'),
            None if host.starts_with('[') => return false,
            None => host.split_once(':').map(|(_, port)| port),
        };
        if port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit())) {
            return false;
        }
    }
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%'
            && !(bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
                && bytes.next().is_some_and(|b| b.is_ascii_hexdigit()))
        {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let cases = [
            ("date-time", "2014-12-15T19:30:20.000Z", true),
            ("date-time", "2014-13-15T19:30:20Z", false),
            ("date", "2024-02-29", true),
            ("date", "2023-02-29", false),
            ("uri", "https://example.com/x?y", true),
            ("uri", "example", false),
            ("email", "a@b.c", true),
            ("email", "a", false),
            ("ipv4", "1.2.3.4", true),
            ("ipv4", "::1", false),
            ("ipv6", "::1", true),
            ("cidr", "10.0.0.0/8", true),
            ("cidr", "10.0.0.0", false),
            ("mac", "01:02:03:04:05:06", true),
            ("uuid4", "f47ac10b-58cc-4372-a567-0e02b2c3d479", true),
            ("uuid3", "f47ac10b-58cc-4372-a567-0e02b2c3d479", false),
            ("isbn10", "0321751043", true),
            ("isbn13", "978-0321751041", true),
            ("creditcard", "4111 1111 1111 1111", true),
            ("hexcolor", "#fff", true),
            ("rgbcolor", "rgb(1,2,3)", true),
            ("byte", "aGk=", true),
            ("byte", "a", false),
            ("duration", "22 ns", true),
            ("duration", "1h30m", true),
            ("duration", "x", false),
            ("hostname", "a.example.com", true),
            ("hostname", "a-b.example.com", true),
            ("hostname", "a-.example.com", false),
            ("hostname", "a.example.1", false),
            ("hostname", "a-b", true),
            ("hostname", "a-b-c", false),
            ("hostname", "", false),
            ("k8s-short-name", "a-b", true),
            ("k8s-short-name", "A", false),
        ];
        for (format, text, expected) in cases {
            assert_eq!(is_valid(format, text), expected, "{format} {text}");
        }
    }
}
