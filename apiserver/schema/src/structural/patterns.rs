//! Regular expressions of schemas, compiled when first used and kept in a bounded number.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use regex::{Regex, RegexBuilder};

/// How many compiled expressions are kept: they are far larger than their texts.
const KEPT: usize = 256;

/// A bound on the size of one compiled expression, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

static COMPILED: LazyLock<Mutex<HashMap<Box<str>, Arc<Regex>>>> = LazyLock::new(Mutex::default);

/// The expression in Go's RE2 syntax.
///
/// # Errors
/// What is wrong with it.
pub fn compile(pattern: &str) -> Result<Arc<Regex>, String> {
    if let Some(known) = COMPILED.lock().get(pattern) {
        return Ok(Arc::clone(known));
    }
    let made = RegexBuilder::new(&translated(pattern))
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| match error {
            regex::Error::Syntax(text) => {
                let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                format!("error parsing regexp: {last}: `{pattern}`")
            }
            other => other.to_string(),
        })
        .map(Arc::new)?;
    let mut compiled = COMPILED.lock();
    if compiled.len() >= KEPT {
        compiled.clear();
    }
    compiled.insert(pattern.into(), Arc::clone(&made));
    Ok(made)
}

/// Go reads `\Q..\E`, escapes of any punctuation and ASCII-only classes; the last two are the same here but for
/// the classes, which Rust reads as Unicode.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('d') => out.push_str(if in_class { "0-9" } else { "[0-9]" }),
                Some('w') => out.push_str(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
                Some('s') => out.push_str(if in_class { "\\t\\n\\f\\r " } else { "[\\t\\n\\f\\r ]" }),
                Some('D') if !in_class => out.push_str("[^0-9]"),
                Some('W') if !in_class => out.push_str("[^0-9A-Za-z_]"),
                Some('S') if !in_class => out.push_str("[^\\t\\n\\f\\r ]"),
                Some('b') => out.push_str("(?-u:\\b)"),
                Some('Q') => {
                    let mut literal = String::new();
                    while let Some(next) = chars.next() {
                        if next == '\\' && chars.peek() == Some(&'E') {
                            chars.next();
                            break;
                        }
                        literal.push(next);
                    }
                    out.push_str(&regex::escape(&literal));
                }
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => out.push('\\'),
            },
            '[' if in_class => {
                // `[[:alpha:]]` is the same in both; a bracket alone is a literal in Go and begins a class in Rust.
                if chars.peek() != Some(&':') {
                    out.push('\\');
                }
                out.push('[');
                if chars.peek() == Some(&':') {
                    for next in chars.by_ref() {
                        out.push(next);
                        if next == ']' {
                            break;
                        }
                    }
                }
            }
            '&' | '~' | '-' if in_class && chars.peek() == Some(&c) => {
                // Rust's operations on classes, which Go does not have.
                out.push('\\');
                out.push(c);
            }
            '[' => {
                in_class = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    out.push('^');
                    chars.next();
                }
                if chars.peek() == Some(&']') {
                    out.push_str("\\]");
                    chars.next();
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_syntax_means_what_it_means_in_go() {
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "١", false),
            (r"^[\w.-]+$", "a.b-c", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^[a[]$", "[", true),
            (r"^[]a]$", "]", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^[a&&b]+$", "a&b", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(compile(pattern).unwrap().is_match(text), expected, "{pattern} {text}");
        }
        assert!(compile("(").is_err());
        assert!(compile("(?=a)").is_err());
        assert!(compile("(a{1000}){1000}").is_err());
    }
}
