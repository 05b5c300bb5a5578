//! Values of etcd as comparable text: protobuf without its schema, uids and times of now taken out.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use regex::Regex;

/// In front of a value in protobuf.
const MAGIC: &[u8] = b"k8s\0";

/// Nothing stored by a server is nested deeper.
const DEEPEST: usize = 100;

static UID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").expect("a test compiles it")
});
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").expect("a test compiles it"));
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b10\.96\.\d+\.\d+\b").expect("a test compiles it"));

/// Keys and values, comparable between two servers.
pub fn normalised(entries: Vec<(String, Vec<u8>)>) -> BTreeMap<String, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    entries.into_iter().map(|(key, value)| (text(&key), value_text(&value, now))).collect()
}

fn value_text(value: &[u8], now: u64) -> String {
    match value.strip_prefix(MAGIC) {
        Some(message) => {
            let mut lines = String::from("protobuf\n");
            message_lines(message, now, 0, &mut lines);
            lines
        }
        None => text(&String::from_utf8_lossy(value)),
    }
}

fn text(found: &str) -> String {
    let found = UID.replace_all(found, "<uid>");
    let found = TIME.replace_all(&found, "<time>");
    ADDRESS.replace_all(&found, "<address>").into_owned()
}

/// A line a field, nested messages indented. False where the bytes are no message; then nothing is written.
fn message_lines(mut bytes: &[u8], now: u64, depth: usize, lines: &mut String) -> bool {
    if depth > DEEPEST {
        return false;
    }
    let mut mine = String::new();
    let pad = " ".repeat(depth);
    while !bytes.is_empty() {
        let Some((tag, rest)) = varint(bytes) else { return false };
        let number = tag >> 3;
        if number == 0 {
            return false;
        }
        match tag & 7 {
            0 => {
                let Some((value, rest)) = varint(rest) else { return false };
                // Seconds of a time of this run.
                let shown = if now.abs_diff(value) < 3600 { "<now>".to_owned() } else { value.to_string() };
                mine.push_str(&format!("{pad}{number}: {shown}\n"));
                bytes = rest;
            }
            1 | 5 => {
                let width = if tag & 7 == 1 { 8 } else { 4 };
                let Some((value, rest)) = rest.split_at_checked(width) else { return false };
                mine.push_str(&format!("{pad}{number}: fixed {value:?}\n"));
                bytes = rest;
            }
            2 => {
                let Some((length, rest)) = varint(rest) else { return false };
                let Ok(length) = usize::try_from(length) else { return false };
                let Some((value, rest)) = rest.split_at_checked(length) else { return false };
                let printable = std::str::from_utf8(value)
                    .ok()
                    .filter(|text| text.chars().all(|one| !one.is_control() || one == '\n'));
                let mut nested = String::new();
                match printable {
                    // A message's first byte is below any letter's where its field number is below twelve.
                    Some(found)
                        if !found.starts_with(['\n', '"', '*', '2', ':', 'B', 'J', 'R', 'Z'])
                            || !message_lines(value, now, depth + 1, &mut nested) =>
                    {
                        mine.push_str(&format!("{pad}{number}: {:?}\n", text(found)));
                    }
                    None if !message_lines(value, now, depth + 1, &mut nested) => {
                        mine.push_str(&format!("{pad}{number}: bytes {value:?}\n"));
                    }
                    _ => mine.push_str(&format!("{pad}{number}:\n{nested}")),
                }
                bytes = rest;
            }
            _ => return false,
        }
    }
    lines.push_str(&mine);
    true
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(index).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_shown_by_field_with_times_and_uids_taken_out() {
        let uid = "01234567-89ab-cdef-0123-456789abcdef";
        let mut message = b"k8s\0\x0a\x04name\x12\x24".to_vec();
        message.extend(uid.as_bytes());
        // A time: a nested message of seconds alone.
        message.extend(b"\x1a\x03\x08\xe8\x07");
        assert_eq!(value_text(&message, 1000), "protobuf\n1: \"name\"\n2: \"<uid>\"\n3:\n 1: <now>\n");
        assert_eq!(value_text(&message, 1_000_000), "protobuf\n1: \"name\"\n2: \"<uid>\"\n3:\n 1: 1000\n");
    }

    #[test]
    fn json_is_shown_as_it_is() {
        assert_eq!(value_text(br#"{"ip":"10.96.3.4"}"#, 0), r#"{"ip":"<address>"}"#);
    }

    #[test]
    fn damaged_messages_are_shown_as_bytes() {
        assert_eq!(value_text(b"k8s\0\x0a\x02\xff\xff", 0), "protobuf\n1: bytes [255, 255]\n");
    }
}
