//! How names of properties that are no identifiers are written in expressions: `a-b` is `a__dash__b`.

use std::borrow::Cow;

const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Whether a name can be that of a variable as it is.
#[must_use]
pub fn is_identifier(name: &str) -> bool {
    let part = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let starts_well = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    starts_well && name.bytes().all(part) && !RESERVED.contains(&name)
}

/// The spelling of a property's name in expressions; `None` if it has none.
#[must_use]
pub fn escape(name: &str) -> Option<Cow<'_, str>> {
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(Cow::Owned(format!("__{name}__")));
    }
    let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if name.chars().all(plain) && !name.contains("__") {
        return Some(Cow::Borrowed(name));
    }
    let mut escaped = String::with_capacity(name.len() + 16);
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        let (spelling, length) = match character {
            _ if rest.starts_with("__") => ("__underscores__", 2),
            '.' => ("__dot__", 1),
            '-' => ("__dash__", 1),
            '/' => ("__slash__", 1),
            other if plain(other) => (&rest[..1], 1),
            _ => return None,
        };
        escaped.push_str(spelling);
        rest = &rest[length..];
    }
    Some(Cow::Owned(escaped))
}

/// The name that a spelling in expressions stands for; `None` if for none.
#[must_use]
pub fn unescape(escaped: &str) -> Option<Cow<'_, str>> {
    if !escaped.contains("__") {
        return Some(Cow::Borrowed(escaped));
    }
    let mut name = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while !rest.is_empty() {
        let inner = rest.strip_prefix("__").and_then(|after| {
            let length = after.find('_')?;
            (length > 0 && after[length..].starts_with("__")).then(|| &after[..length])
        });
        let Some(inner) = inner else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            name.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        };
        match inner {
            "underscores" => name.push_str("__"),
            "dot" => name.push('.'),
            "dash" => name.push('-'),
            "slash" => name.push('/'),
            word if RESERVED.contains(&word) && inner.len() + 4 == escaped.len() => name.push_str(word),
            _ => return None,
        }
        rest = &rest[inner.len() + 4..];
    }
    Some(Cow::Owned(name))
}
