//! URLs, as Go's `net/url` reads them.

use std::sync::Arc;

use super::{failed, library_value, no_overload, object};
use crate::plan::Call;
use crate::value::{Evaluated, Value};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Url {
    scheme: String,
    /// With the port.
    host: String,
    /// As written.
    path: String,
    query: String,
    text: String,
}

library_value!(Url, "kubernetes.URL", |_url| None);

/// Reads an absolute URL or an absolute path.
///
/// # Errors
/// What Go says is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    let fail = |problem: &str| Err(format!("parse {text:?}: {problem}"));
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return fail("net/url: invalid control character in URL");
    }
    if text.is_empty() {
        return fail("empty url");
    }
    if text == "*" {
        return Ok(Url { path: "*".to_owned(), text: text.to_owned(), ..Url::default() });
    }
    let Some((scheme, rest)) = split_scheme(text) else { return fail("missing protocol scheme") };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url =
        Url { scheme: scheme.to_ascii_lowercase(), query: query.to_owned(), text: text.to_owned(), ..Url::default() };
    if !rest.starts_with('/') {
        // `mailto:somebody`: there is nothing to look into.
        return if scheme.is_empty() { fail("invalid URI for request") } else { Ok(url) };
    }
    let mut path = rest;
    if let (false, Some(after)) = (scheme.is_empty(), rest.strip_prefix("//")) {
        let end = after.find('/').unwrap_or(after.len());
        path = &after[end..];
        match host(&after[..end]) {
            Ok(host) => url.host = host,
            Err(problem) => return fail(&problem),
        }
    }
    // `url()` parses twice, the second time with a fragment.
    if let Err(problem) = unescape(path) {
        return fail(&problem);
    }
    url.path = path.to_owned();
    Ok(url)
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    for (at, character) in text.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return None,
            ':' => return Some((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Some(("", text))
}

fn host(authority: &str) -> Result<String, String> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = if let Some(end) = host.strip_prefix('[').and_then(|rest| rest.find(']')) {
        &host[end + 2..]
    } else if host.starts_with('[') {
        return Err("missing ']' in host".to_owned());
    } else {
        host.rfind(':').map_or("", |at| &host[at..])
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if (!port.is_empty() && !port.starts_with(':')) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("invalid port {port:?} after host"));
    }
    if let Some(bad) = host.find(|c: char| c.is_ascii() && (c == ' ' || "\"<>\\^`{|}".contains(c))) {
        let character = &host[bad..=bad];
        return Err(format!("invalid character {character:?} in host name"));
    }
    unescape(host)
}

fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match byte.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => bytes.push(byte),
            None => {
                let shown = String::from_utf8_lossy(&rest[..rest.len().min(3)]).into_owned();
                return Err(format!("invalid URL escape {shown:?}"));
            }
        }
        rest = &after[2..];
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The path as it goes over the wire: as written if that is a valid encoding, else encoded anew.
fn escaped_path(path: &str) -> String {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@[]/%".contains(&byte);
    if path.bytes().all(valid) {
        return path.to_owned();
    }
    let mut escaped = String::new();
    for byte in unescape(path).unwrap_or_default().bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// `url(text)` and `isURL(text)`.
pub(crate) fn url<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::String(text)] = args.as_slice() else { return no_overload() };
    let parsed = parse(text);
    if call.name == "isURL" {
        return Ok(Value::Bool(parsed.is_ok()));
    }
    match parsed {
        Err(problem) => failed(format!("URL parse error during conversion from string: {problem}")),
        Ok(mut url) => {
            // What comes after `#` is no part of the path or of the query.
            for part in [&mut url.query, &mut url.path] {
                if let Some(at) = part.find('#') {
                    part.truncate(at);
                }
            }
            let fragment = text.find('#');
            if fragment.is_some_and(|at| text.find('?').is_some_and(|query| at < query)) {
                url.query.clear();
            }
            Ok(Value::Object(Arc::new(url)))
        }
    }
}

pub(crate) fn part<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(url) = args.first().and_then(object::<Url>) else { return no_overload() };
    let (name, port) = match url.host.rfind(':') {
        Some(at) if !url.host[at..].contains(']') => (&url.host[..at], &url.host[at + 1..]),
        _ => (url.host.as_str(), ""),
    };
    Ok(match call.name {
        "getScheme" => Value::string(&url.scheme),
        "getHost" => Value::string(&url.host),
        "getHostname" => Value::string(name.trim_start_matches('[').trim_end_matches(']')),
        "getPort" => Value::string(port),
        "getEscapedPath" => Value::string(&escaped_path(&url.path)),
        _ => query(&url.query),
    })
}

fn query<'a>(text: &str) -> Value<'a> {
    let mut found: Vec<(String, Vec<Value<'a>>)> = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |part: &str| unescape(&part.replace('+', " "));
        let (Ok(key), Ok(value)) = (decoded(key), decoded(value)) else { continue };
        let value = Value::string(&value);
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => found.push((key, vec![value])),
        }
    }
    Value::map(found.into_iter().map(|(key, values)| (Value::string(&key), Value::list(values))))
}
