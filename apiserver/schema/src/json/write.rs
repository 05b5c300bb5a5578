//! Scalars as Go's encoder writes them.

use std::io::Write;

/// A quoted string with Go's HTML-safe escapes.
pub fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if PLAIN[byte as usize] {
            continue;
        }
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0xe2 => match bytes.get(at + 1..at + 3) {
                Some([0x80, 0xa8]) => b"\\u2028",
                Some([0x80, 0xa9]) => b"\\u2029",
                _ => continue,
            },
            _ => {
                out.extend_from_slice(&bytes[written..at]);
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
                written = at + 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[written..at]);
        out.extend_from_slice(escape);
        written = at + if byte == 0xe2 { 3 } else { 1 };
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Bytes that stand for themselves. 0xe2 may begin U+2028 or U+2029.
static PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain[b'<' as usize] = false;
    plain[b'>' as usize] = false;
    plain[b'&' as usize] = false;
    plain[0xe2] = false;
    plain
};

/// A decimal integer.
pub fn integer(value: i64, out: &mut Vec<u8>) {
    let mut buffer = [0; 20];
    let mut at = buffer.len();
    let mut magnitude = value.unsigned_abs();
    loop {
        at -= 1;
        buffer[at] = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&buffer[at..]);
}

/// The shortest decimal that reads back the same, as ES6 formats numbers. JSON has no infinities: they become 0.
pub fn float(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        out.push(b'0');
        return;
    }
    let magnitude = value.abs();
    // Writing to a vector cannot fail.
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let start = out.len();
        let _ = write!(out, "{value:e}");
        if magnitude >= 1e21
            && let Some(at) = out[start..].iter().position(|byte| *byte == b'e')
        {
            out.insert(start + at + 1, b'+');
        }
    } else {
        let _ = write!(out, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings() {
        let text = "a<b>&\"\\\n\u{1}\u{7f}\u{2028}\u{2029}\u{202a}é\u{8}";
        assert_eq!(
            written(|out| string(text, out)),
            "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\u0001\u{7f}\\u2028\\u2029\u{202a}é\\b\""
        );
    }

    #[test]
    fn numbers() {
        for (value, expected) in
            [(1.0, "1"), (0.1, "0.1"), (1e21, "1e+21"), (1e20, "100000000000000000000"), (1e-7, "1e-7"), (-2.5, "-2.5")]
        {
            assert_eq!(written(|out| float(value, out)), expected);
        }
        assert_eq!(written(|out| integer(i64::MIN, out)), "-9223372036854775808");
    }
}
