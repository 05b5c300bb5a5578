//! The parts of Go's `net/url` and `path` that proxied paths depend on.

/// Percent-decodes a path; what is no escape stays as it is.
pub fn decoded(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (*byte, digit(index + 1), digit(index + 2)) {
            out.push((high * 16 + low) as u8);
            index += 3;
        } else {
            out.push(*byte);
            index += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Escapes a path as `URL.EscapedPath` does.
pub fn escape_path(path: &str) -> String {
    escape(path, b"-_.~$&+,/:;=@")
}

/// Escapes a query's key or value as `url.QueryEscape` does.
pub fn escape_query(text: &str) -> String {
    escape(text, b"-_.~ ").replace(' ', "+")
}

fn escape(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A rooted path without empty, `.` and `..` segments, and without a last slash: `path.Clean`.
pub fn clean(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_escaped_as_upstream_does() {
        assert_eq!(clean("/a//b/../c/"), "/a/c");
        assert_eq!(clean("/../../x"), "/x");
        assert_eq!(clean("//"), "/");
        assert_eq!(decoded("/a%20b/%C3%A9%zz"), "/a b/é%zz");
        assert_eq!(escape_path("/a b/é'(x)"), "/a%20b/%C3%A9%27%28x%29");
        assert_eq!(escape_query("a b&c"), "a+b%26c");
    }
}
