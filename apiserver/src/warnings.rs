//! Warnings to clients, as headers of the response.
//!
//! Source: apiserver `pkg/endpoints/filters/warning.go`.

use http::HeaderValue;

/// How many characters all warnings together may have before each is cut.
const TOTAL: usize = 4 * 1024;
/// To how many characters each is then cut.
const EACH: usize = 256;

/// The `Warning` headers for texts, each told once. What has control characters cannot be told.
pub fn headers(texts: &[String]) -> Vec<HeaderValue> {
    let mut once: Vec<&str> = Vec::new();
    for text in texts {
        if !text.is_empty() && !text.contains(char::is_control) && !once.contains(&text.as_str()) {
            once.push(text);
        }
    }
    let cut = once.iter().map(|text| text.chars().count()).sum::<usize>() > TOTAL;
    let (mut written, mut headers) = (0, Vec::new());
    for text in once {
        if cut && written >= TOTAL {
            break;
        }
        let text: String = if cut { text.chars().take(EACH).collect() } else { text.to_owned() };
        written += text.chars().count();
        headers.extend(HeaderValue::from_str(&format!("299 - {}", quoted(&text))));
    }
    headers
}

/// A text as RFC 7234 quotes it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::headers;

    #[test]
    fn each_is_told_once_and_briefly() {
        let texts = ["a \"b\"", "a \"b\"", "c\n", ""].map(str::to_owned);
        assert_eq!(headers(&texts), ["299 - \"a \\\"b\\\"\""]);
        let long: Vec<String> = (0..20).map(|n| format!("{n:0>300}")).collect();
        let cut = headers(&long);
        assert_eq!(cut.len(), 16);
        assert_eq!(cut[0].len(), "299 - \"\"".len() + 256);
    }
}
