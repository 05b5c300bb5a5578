//! YAML as `sigs.k8s.io/yaml` writes it: which texts are quoted, and where long lines are folded.
//!
//! Source: go.yaml.in/yaml/v2 (`encode.go`, `emitterc.go`, `resolve.go`), a port of libyaml.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::Value;

/// Lines are folded at the first space behind this column.
const WIDTH: usize = 80;
/// A longer key stands behind a question mark.
const SIMPLE_KEY: usize = 128;

/// A value as a YAML document, its keys in natural order.
pub fn write(value: &Value) -> String {
    let mut writer = Writer { out: String::new() };
    writer.node(value, 0, true);
    // A text of lines ends its last one itself.
    if !writer.out.ends_with('\n') {
        writer.out.push('\n');
    }
    writer.out
}

fn sorted(members: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|(one, _), (other, _)| natural(one, other));
    sorted
}

struct Writer {
    out: String,
}

impl Writer {
    /// A value whose members are indented by `indent`. `begun` says that the line is already indented.
    fn node(&mut self, value: &Value, indent: usize, begun: bool) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (index, (key, value)) in sorted(members).into_iter().enumerate() {
                    if index > 0 || !begun {
                        self.line(indent);
                    }
                    self.key(key, indent);
                    match value {
                        Value::Object(inner) if !inner.is_empty() => self.node(value, indent + 2, false),
                        // The items of a list stand below its key.
                        Value::Array(inner) if !inner.is_empty() => self.node(value, indent, false),
                        _ => {
                            self.out.push(' ');
                            self.scalar(value, indent + 2);
                        }
                    }
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 || !begun {
                        self.line(indent);
                    }
                    self.out.push_str("- ");
                    self.node(item, indent + 2, true);
                }
            }
            _ => self.scalar(value, indent),
        }
    }

    fn key(&mut self, key: &str, indent: usize) {
        if key.len() <= SIMPLE_KEY && !key.contains('\n') {
            self.text(key, indent, true);
        } else {
            self.out.push_str("? ");
            self.text(key, indent + 2, false);
            self.line(indent);
        }
        self.out.push(':');
    }

    fn line(&mut self, indent: usize) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn column(&self) -> usize {
        self.out.rsplit('\n').next().unwrap_or_default().chars().count()
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::String(text) => self.text(text, indent, false),
            // Maps and lists come here only when they are empty.
            other => {
                let _ = write!(self.out, "{other}");
            }
        }
    }

    fn text(&mut self, text: &str, indent: usize, is_key: bool) {
        let allowed = Allowed::of(text);
        if text.contains('\n') {
            return if allowed.block && !is_key {
                self.literal(text, indent)
            } else {
                self.double_quoted(text, indent, is_key)
            };
        }
        if !resolves_to_text(text) {
            self.double_quoted(text, indent, is_key);
        } else if allowed.plain {
            self.folded(text, indent, is_key, None);
        } else if allowed.single {
            self.folded(text, indent, is_key, Some('\''));
        } else {
            self.double_quoted(text, indent, is_key);
        }
    }

    /// Plain, or between single quotes.
    fn folded(&mut self, text: &str, indent: usize, is_key: bool, quote: Option<char>) {
        self.out.extend(quote);
        let mut column = self.column();
        let mut after_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            let inside = quote.is_none() || (at > 0 && next.is_some());
            if c == ' ' && !is_key && !after_space && column > WIDTH && inside && next != Some(' ') {
                self.line(indent);
                column = indent;
                after_space = true;
                continue;
            }
            if Some(c) == quote {
                self.out.push(c);
                column += 1;
            }
            self.out.push(c);
            column += 1;
            after_space = c == ' ';
        }
        self.out.extend(quote);
    }

    fn double_quoted(&mut self, text: &str, indent: usize, is_key: bool) {
        self.out.push('"');
        let mut column = self.column();
        let mut after_space = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == ' ' && !is_key && !after_space && column > WIDTH && at > 0 && next.is_some() {
                self.line(indent);
                column = indent;
                if next == Some(' ') {
                    self.out.push('\\');
                    column += 1;
                }
                after_space = true;
                continue;
            }
            after_space = c == ' ';
            let before = self.out.len();
            if is_printable(c) && !is_break(c) && !matches!(c, '"' | '\\' | '\u{feff}') {
                self.out.push(c);
                column += 1;
                continue;
            }
            self.escape(c);
            column += self.out.len() - before;
        }
        self.out.push('"');
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\u{07}' => 'a',
            '\u{08}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{0b}' => 'v',
            '\u{0c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(self.out, "\\x{code:02X}"),
                    0x100..=0xffff => write!(self.out, "\\u{code:04X}"),
                    _ => write!(self.out, "\\U{code:08X}"),
                };
                return;
            }
        };
        self.out.push('\\');
        self.out.push(short);
    }

    fn literal(&mut self, text: &str, indent: usize) {
        // A list's own indentation may be none; the lines of a text have some.
        let indent = indent.max(2);
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push('2');
        }
        match text.strip_suffix('\n') {
            None => self.out.push('-'),
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => self.out.push('+'),
            Some(_) => {}
        }
        self.out.push('\n');
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            if !line.is_empty() {
                self.out.extend(std::iter::repeat_n(' ', indent));
                self.out.push_str(line);
            }
            if lines.peek().is_some() {
                self.out.push('\n');
            }
        }
    }
}

/// Which styles can carry a text.
struct Allowed {
    plain: bool,
    single: bool,
    block: bool,
}

impl Allowed {
    fn of(text: &str) -> Self {
        let mut allowed = Allowed { plain: true, single: true, block: true };
        let chars: Vec<char> = text.chars().collect();
        let (Some(first), Some(last)) = (chars.first(), chars.last()) else {
            return Allowed { plain: true, single: true, block: false };
        };
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut break_space, mut space_break) = (false, false, false);
        for (at, c) in chars.iter().copied().enumerate() {
            let before = at.checked_sub(1).and_then(|at| chars.get(at)).copied();
            let blank_after = chars.get(at + 1).is_none_or(|next| is_blank(*next));
            indicators |= match c {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
                    if at == 0 =>
                {
                    true
                }
                '?' | '-' if at == 0 => blank_after,
                ':' => blank_after,
                '#' => before.is_some_and(is_blank),
                _ => false,
            };
            special |= !is_printable(c) || c == '\u{feff}';
            break_space |= c == ' ' && before.is_some_and(is_break);
            space_break |= is_break(c) && before == Some(' ');
        }
        let bordered = |c: char| c == ' ' || is_break(c);
        allowed.plain = !(indicators || chars.iter().copied().any(is_break) || bordered(*first) || bordered(*last));
        allowed.block = *last != ' ';
        if break_space {
            (allowed.plain, allowed.single) = (false, false);
        }
        if space_break || special {
            allowed = Allowed { plain: false, single: false, block: false };
        }
        allowed
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t') || is_break(c)
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
        || c > '\u{ffff}'
}

/// Whether an unquoted text is read as a text, and not as a number, a truth, a time or nothing.
fn resolves_to_text(text: &str) -> bool {
    match text {
        "" | "~" | "null" | "Null" | "NULL" | "<<" => return false,
        "y" | "Y" | "yes" | "Yes" | "YES" | "n" | "N" | "no" | "No" | "NO" => return false,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return false,
        "on" | "On" | "ON" | "off" | "Off" | "OFF" => return false,
        ".nan" | ".NaN" | ".NAN" => return false,
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return false;
    }
    match text.as_bytes()[0] {
        b'.' => !is_float(text),
        b'0'..=b'9' | b'+' | b'-' => {
            let plain = unsigned.replace('_', "");
            !(is_time(text) || is_whole(&plain) || is_float(&plain) || is_sexagesimal(unsigned))
        }
        _ => true,
    }
}

fn is_whole(unsigned: &str) -> bool {
    let in_base = |digits: &str, base: u32| !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
    let lower = unsigned.to_ascii_lowercase();
    match (lower.strip_prefix("0x"), lower.strip_prefix("0o"), lower.strip_prefix("0b")) {
        (Some(digits), ..) => in_base(digits, 16),
        (_, Some(digits), _) => in_base(digits, 8),
        (.., Some(digits)) => in_base(digits, 2),
        _ => in_base(&lower, 10),
    }
}

/// Digits, perhaps a point and more digits, perhaps an exponent.
fn is_float(text: &str) -> bool {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exponent = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent
}

/// `1:30:15`, which older readers take for a number of base 60.
fn is_sexagesimal(unsigned: &str) -> bool {
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or_default();
    let mut rest = parts.peekable();
    let begins = first.starts_with(|c: char| c.is_ascii_digit())
        && first.chars().all(|c| c.is_ascii_digit() || c == '_')
        && rest.peek().is_some();
    let mut fits = true;
    while let Some(part) = rest.next() {
        let part = match (rest.peek(), part.split_once('.')) {
            (None, Some((part, fraction))) => {
                fits &= fraction.chars().all(|c| c.is_ascii_digit() || c == '_');
                part
            }
            _ => part,
        };
        let digits = part.as_bytes();
        fits &= match digits {
            [one] => one.is_ascii_digit(),
            [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
            _ => false,
        };
    }
    begins && fits
}

/// A date, or a date and a time.
fn is_time(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    };
    let number = |text: &str, most: usize, largest: u32| {
        (1..=most).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u32>().is_ok_and(|number| number <= largest)
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let is_date = year.is_some_and(|year| year.len() == 4 && number(year, 4, 9999))
        && month.is_some_and(|month| number(month, 2, 12) && !month.trim_matches('0').is_empty())
        && day.is_some_and(|day| number(day, 2, 31) && !day.trim_matches('0').is_empty())
        && parts.next().is_none();
    let Some(time) = time else { return is_date };
    let zoned = !time.starts_with(' ');
    let clock = &time[1..];
    let (clock, zone) = match clock.find(['Z', '+', '-']) {
        Some(at) => (&clock[..at], &clock[at..]),
        None => (clock, ""),
    };
    let is_zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => {
            offset.split_once(':').is_some_and(|(hours, minutes)| number(hours, 2, 24) && number(minutes, 2, 60))
        }
        None => zone == "Z",
    };
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next(), parts.next(), parts.next());
    let (seconds, fraction) = seconds.map_or(("", None), |text| match text.split_once('.') {
        Some((seconds, fraction)) => (seconds, Some(fraction)),
        None => (text, None),
    });
    is_date
        && (if zoned { is_zone } else { zone.is_empty() })
        && hours.is_some_and(|text| number(text, 2, 23))
        && minutes.is_some_and(|text| number(text, 2, 59))
        && number(seconds, 2, 59)
        && fraction.is_none_or(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        && parts.next().is_none()
}

/// Letters by code, numbers by value: `a2` before `a10`.
fn natural(one: &str, other: &str) -> Ordering {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut digits = false;
    for (at, (a, b)) in one.iter().zip(&other).enumerate() {
        if a == b {
            digits = a.is_numeric();
            continue;
        }
        match (a.is_alphabetic(), b.is_alphabetic()) {
            (true, true) => return a.cmp(b),
            (true, false) => return if digits { Ordering::Less } else { Ordering::Greater },
            (false, true) => return if digits { Ordering::Greater } else { Ordering::Less },
            (false, false) => {}
        }
        let leading =
            (*a == '0' || *b == '0') && one[..at].iter().rev().take_while(|c| c.is_numeric()).any(|c| *c != '0');
        let number = |chars: &[char]| {
            let run: Vec<char> = chars[at..].iter().copied().take_while(|c| c.is_numeric()).collect();
            let start = i64::from(leading);
            let value = run.iter().fold(start, |value, c| {
                value.wrapping_mul(10).wrapping_add(i64::from(u32::from(*c)) - i64::from(u32::from('0')))
            });
            (value, run.len())
        };
        let order = number(&one).cmp(&number(&other));
        return if order == Ordering::Equal { a.cmp(b) } else { order };
    }
    one.len().cmp(&other.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_quoted_where_they_must_be() {
        for (text, written) in [
            ("a: b", "'a: b'"),
            ("f:metadata", "f:metadata"),
            ("k:{\"name\":\"c\"}", "k:{\"name\":\"c\"}"),
            (".", "."),
            ("", "\"\""),
            ("1", "\"1\""),
            ("1.5", "\"1.5\""),
            ("1e3", "\"1e3\""),
            ("0x1f", "\"0x1f\""),
            ("1:30", "\"1:30\""),
            ("10.0.0.1", "10.0.0.1"),
            ("1Gi", "1Gi"),
            ("yes", "\"yes\""),
            ("n", "\"n\""),
            ("2020-01-01", "\"2020-01-01\""),
            ("2026-11-21T12:00:00Z", "\"2026-11-21T12:00:00Z\""),
            ("2020-01", "2020-01"),
            (" lead", "' lead'"),
            ("#x", "'#x'"),
            ("a #b", "'a #b'"),
            ("it's", "it's"),
            ("'q'", "'''q'''"),
            ("- a", "'- a'"),
            ("-a", "-a"),
            ("a\tb", "\"a\\tb\""),
            ("*", "'*'"),
            ("a\nb", "|-\n  a\n  b"),
            ("a\nb\n", "|\n  a\n  b"),
            ("a \nb", "\"a \\nb\""),
        ] {
            let document = write(&json!({"k": text}));
            assert_eq!(document, format!("k: {written}\n"), "{text:?}");
        }
    }

    #[test]
    fn trees_are_indented() {
        let value = json!({"a": {"b": [{"c": 1, "d": []}, [1, 2], "x"]}, "a10": {}, "a2": null, "t": "l\n"});
        let text = "a:\n  b:\n  - c: 1\n    d: []\n  - - 1\n    - 2\n  - x\na2: null\na10: {}\nt: |\n  l\n";
        assert_eq!(write(&value), text);
    }

    #[test]
    fn long_lines_are_folded() {
        let message =
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal bool into Go struct";
        let text = "message: 'ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot\n  unmarshal bool into Go struct'\n";
        assert_eq!(write(&json!({"message": message})), text);
    }
}
