//! Query strings.

/// The decoded values of a name, in order.
pub fn all(query: Option<&str>, name: &str) -> Vec<String> {
    let pairs = query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(key, _)| decode(key) == name).map(|(_, value)| decode(value)).collect()
}

/// The first value of a name.
pub fn first(query: Option<&str>, name: &str) -> Option<String> {
    all(query, name).into_iter().next()
}

/// Whether a switch is on: `1` or `true`.
pub fn on(query: Option<&str>, name: &str) -> bool {
    matches!(first(query, name).as_deref(), Some("1" | "true" | "t" | "T" | "TRUE" | "True"))
}

/// Decodes `%XX` and `+`.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut result = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                result.push(byte);
                at += 3;
            }
            None => {
                result.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&result).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let query = Some("command=sh&command=-c&command=echo+a%20b%3D1&tty=1&x");
        assert_eq!(all(query, "command"), ["sh", "-c", "echo a b=1"]);
        assert!(on(query, "tty") && !on(query, "x") && !on(None, "tty"));
        assert_eq!(decode("%zz%"), "%zz%");
        assert_eq!(decode("%é"), "%é");
    }
}
