//! Rewriting the URLs in a page's tags. Everything but start tags is passed on as it is.
//!
//! Source: what golang.org/x/net/html's tokenizer takes for a tag, and how it writes one.

/// Which attributes of which tags hold URLs.
const URLS: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("video", &["poster", "src"]),
];

/// Elements whose contents are text up to their own end tag.
const RAW: &[&str] =
    &["iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp"];

/// The page with `url` applied to every URL in it; none leaves one as it is.
pub fn rewrite(page: &[u8], url: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(page.len() + page.len() / 8);
    let mut rest = page;
    while let Some(start) = rest.iter().position(|byte| *byte == b'<') {
        let (text, markup) = rest.split_at(start);
        out.extend_from_slice(text);
        rest = match markup.get(1) {
            Some(byte) if byte.is_ascii_alphabetic() => match Tag::read(markup) {
                Some((tag, after)) => {
                    tag.write(url, &mut out);
                    let raw = if RAW.contains(&tag.name.as_str()) { raw_text(after, &tag.name) } else { 0 };
                    let (text, after) = after.split_at(raw);
                    out.extend_from_slice(text);
                    after
                }
                None => break,
            },
            Some(b'/') if markup.get(2).is_some_and(u8::is_ascii_alphabetic) => match Tag::read(&markup[1..]) {
                Some((_, after)) => copied(markup, markup.len() - after.len(), &mut out),
                None => break,
            },
            Some(b'!') if markup.starts_with(b"<!--") => match find(&markup[4..], b"-->") {
                Some(end) => copied(markup, 4 + end + 3, &mut out),
                None => break,
            },
            Some(b'!' | b'?' | b'/') => match find(markup, b">") {
                Some(end) => copied(markup, end + 1, &mut out),
                None => break,
            },
            _ => copied(markup, 1, &mut out),
        };
    }
    out.extend_from_slice(rest);
    out
}

/// Passes on the first bytes of `markup` and gives the others.
fn copied<'a>(markup: &'a [u8], length: usize, out: &mut Vec<u8>) -> &'a [u8] {
    let (done, rest) = markup.split_at(length.min(markup.len()));
    out.extend_from_slice(done);
    rest
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// How long the text of a raw element is.
fn raw_text(text: &[u8], name: &str) -> usize {
    if name == "plaintext" {
        return text.len();
    }
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| find(rest, b"</")) {
        let at = from + found;
        let after = at + 2 + name.len();
        let is_name = text.get(at + 2..after).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
        if is_name && text.get(after).is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>')) {
            return at;
        }
        from = at + 2;
    }
    text.len()
}

/// A start or end tag.
struct Tag {
    name: String,
    /// Keys in lower case, values with references resolved.
    attributes: Vec<(String, String)>,
    closes_itself: bool,
}

impl Tag {
    /// Reads a tag whose name begins at the second byte; gives what follows it. None if it does not end.
    fn read(markup: &[u8]) -> Option<(Tag, &[u8])> {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
        let name_end = 1 + markup[1..].iter().position(is_end)?;
        let name = String::from_utf8_lossy(&markup[1..name_end]).to_ascii_lowercase();
        let mut attributes = Vec::new();
        let mut at = name_end;
        loop {
            at += markup[at..].iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b'/')?;
            if markup[at] == b'>' {
                let tag = Tag { name, attributes, closes_itself: markup[at - 1] == b'/' };
                return Some((tag, &markup[at + 1..]));
            }
            let key_end = at + 1 + markup[at + 1..].iter().position(|byte| is_end(byte) || *byte == b'=')?;
            let key = String::from_utf8_lossy(&markup[at..key_end]).to_ascii_lowercase();
            at = key_end + markup[key_end..].iter().position(|byte| !byte.is_ascii_whitespace())?;
            let mut value: &[u8] = b"";
            if markup[at] == b'=' {
                at += 1;
                at += markup[at..].iter().position(|byte| !byte.is_ascii_whitespace())?;
                match markup[at] {
                    quote @ (b'"' | b'\'') => {
                        let end = at + 1 + markup[at + 1..].iter().position(|byte| *byte == quote)?;
                        value = &markup[at + 1..end];
                        at = end + 1;
                    }
                    b'>' => {}
                    _ => {
                        let end =
                            at + markup[at..].iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'>')?;
                        value = &markup[at..end];
                        at = end;
                    }
                }
            }
            attributes.push((key, resolved(&String::from_utf8_lossy(value))));
        }
    }

    fn write(&self, url: &dyn Fn(&str) -> Option<String>, out: &mut Vec<u8>) {
        let urls = URLS.iter().find(|(name, _)| *name == self.name).map_or(&[][..], |(_, keys)| keys);
        out.push(b'<');
        out.extend_from_slice(self.name.as_bytes());
        for (key, value) in &self.attributes {
            let rewritten = if urls.contains(&key.as_str()) { url(value) } else { None };
            out.push(b' ');
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"=\"");
            for c in rewritten.as_deref().unwrap_or(value).chars() {
                match c {
                    '&' => out.extend_from_slice(b"&amp;"),
                    '\'' => out.extend_from_slice(b"&#39;"),
                    '<' => out.extend_from_slice(b"&lt;"),
                    '>' => out.extend_from_slice(b"&gt;"),
                    '"' => out.extend_from_slice(b"&#34;"),
                    '\r' => out.extend_from_slice(b"&#13;"),
                    c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            out.push(b'"');
        }
        out.extend_from_slice(if self.closes_itself { b"/>" } else { b">" });
    }
}

/// A value with its character references resolved: numeric ones and those that URLs need.
fn resolved(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '#').unwrap_or(rest.len());
        let after = rest[end..].strip_prefix(';').unwrap_or(&rest[end..]);
        let number = rest[..end].strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        });
        let c = match &rest[..end] {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            "nbsp" => Some('\u{a0}'),
            _ => number.and_then(char::from_u32),
        };
        match c {
            Some(c) => {
                out.push(c);
                rest = after;
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str, expected: &str) {
        let url = |url: &str| url.starts_with('/').then(|| format!("/P{url}"));
        assert_eq!(String::from_utf8(rewrite(page.as_bytes(), &url)).unwrap(), expected);
    }

    /// The expectations are what kube-apiserver made of the same pages.
    #[test]
    fn tags_are_written_as_upstream_writes_them() {
        check("<link rel=stylesheet href=\"/s.css\">", "<link rel=\"stylesheet\" href=\"/P/s.css\">");
        check("<a href=\"/x?y=1&amp;z=2\">x</a>", "<a href=\"/P/x?y=1&amp;z=2\">x</a>");
        check("<A HREF='rel'>r</a>", "<a href=\"rel\">r</a>");
        check("<img src=/i.png />", "<img src=\"/P/i.png\"/>");
        check("<img alt=\"a<b\">", "<img alt=\"a&lt;b\">");
        check("<input disabled src=\"/q\">", "<input disabled=\"\" src=\"/P/q\">");
        check(
            "<script src=/j>if (a<b) {'<a href=/x>'}</script>",
            "<script src=\"/P/j\">if (a<b) {'<a href=/x>'}</script>",
        );
        check("<!-- <a href=\"/no\"> --><!DOCTYPE html>1 < 2", "<!-- <a href=\"/no\"> --><!DOCTYPE html>1 < 2");
    }

    #[test]
    fn what_does_not_end_is_passed_on() {
        for page in
            ["<a href=\"/x", "<", "</", "<!--", "<a", "<script>x", "<a href=", "<a /", "&", "<a b=\"&#xffffffff;\""]
        {
            check(page, page);
        }
    }
}
