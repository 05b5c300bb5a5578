//! `metav1.Time`, `MicroTime` and `Duration`: RFC 3339 instants and Go durations.

use std::fmt::Write;

/// Seconds of 0001-01-01T00:00:00Z, Go's zero time, which is written as `null`.
pub const ZERO_SECONDS: i64 = -62_135_596_800;

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const MICRO_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";

/// An instant: seconds since the epoch and nanoseconds within the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    pub seconds: i64,
    pub nanos: u32,
}

impl Instant {
    pub fn is_zero(&self) -> bool {
        self.seconds == ZERO_SECONDS && self.nanos == 0
    }

    /// Parses RFC 3339 with or without a fraction; the error is Go's `time.Parse`'s.
    pub fn parse(text: &str) -> Result<Instant, String> {
        Parser { text, rest: text, layout: LAYOUT }.instant(false)
    }

    /// Parses what `MicroTime` accepts: RFC 3339 with a fraction of six digits or more.
    pub fn parse_micro(text: &str) -> Result<Instant, String> {
        Parser { text, rest: text, layout: MICRO_LAYOUT }.instant(true)
    }

    /// `2006-01-02T15:04:05Z`.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_seconds(self.seconds, out);
        out.push(b'Z');
    }

    /// `2006-01-02T15:04:05.000000Z`.
    pub fn write_micro(&self, out: &mut Vec<u8>) {
        write_seconds(self.seconds, out);
        out.push(b'.');
        digits(out, u64::from(self.nanos / 1000), 6);
        out.push(b'Z');
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    layout: &'static str,
}

impl Parser<'_> {
    fn instant(mut self, micro: bool) -> Result<Instant, String> {
        let year = self.number(4, "2006")?;
        self.literal("-", "-")?;
        let month = self.number(2, "01")?;
        if !(1..=12).contains(&month) {
            return Err(self.out_of_range("month"));
        }
        self.literal("-", "-")?;
        let day = self.number(2, "02")?;
        self.literal("T", "T")?;
        let hour = self.number(2, "15")?;
        if hour > 23 {
            return Err(self.out_of_range("hour"));
        }
        self.literal(":", ":")?;
        let minute = self.number(2, "04")?;
        if minute > 59 {
            return Err(self.out_of_range("minute"));
        }
        self.literal(":", ":")?;
        let second = self.number(2, "05")?;
        if second > 59 {
            return Err(self.out_of_range("second"));
        }
        let nanos = self.fraction(micro)?;
        let offset = self.offset()?;
        if !self.rest.is_empty() {
            return Err(format!("parsing time {}: extra text: {}", quote(self.text), quote(self.rest)));
        }
        if day < 1 || day > days_in(year, month) {
            return Err(self.out_of_range("day"));
        }
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Ok(Instant { seconds, nanos })
    }

    fn number(&mut self, width: usize, element: &str) -> Result<i64, String> {
        match self.rest.get(..width).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) {
            Some(digits) => {
                self.rest = &self.rest[width..];
                Ok(digits.parse().unwrap_or_default())
            }
            None => Err(self.cannot(element)),
        }
    }

    fn literal(&mut self, literal: &str, element: &str) -> Result<(), String> {
        match self.rest.strip_prefix(literal) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.cannot(element)),
        }
    }

    fn fraction(&mut self, micro: bool) -> Result<u32, String> {
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else {
            return if micro { Err(self.cannot(".000000")) } else { Ok(0) };
        };
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        if (micro && count != 6) || count == 0 {
            return Err(self.cannot(if micro { ".000000" } else { "Z07:00" }));
        }
        let mut nanos = 0;
        for place in 0..9 {
            nanos = nanos * 10
                + rest.as_bytes().get(place).filter(|_| place < count).map_or(0, |byte| u32::from(byte - b'0'));
        }
        self.rest = &rest[count..];
        Ok(nanos)
    }

    /// The offset from UTC in seconds.
    fn offset(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let bytes = self.rest.as_bytes();
        let digit = |at: usize| bytes.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'));
        let parsed = match (bytes.first(), digit(1), digit(2), bytes.get(3), digit(4), digit(5)) {
            (Some(sign @ (b'+' | b'-')), Some(a), Some(b), Some(b':'), Some(c), Some(d)) => {
                let seconds = (a * 10 + b) * 3600 + (c * 10 + d) * 60;
                Some(if *sign == b'-' { -seconds } else { seconds })
            }
            _ => None,
        };
        match parsed {
            Some(offset) => {
                self.rest = &self.rest[6..];
                Ok(offset)
            }
            None => Err(self.cannot("Z07:00")),
        }
    }

    fn cannot(&self, element: &str) -> String {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(self.text),
            quote(self.layout),
            quote(self.rest),
            quote(element)
        )
    }

    fn out_of_range(&self, what: &str) -> String {
        format!("parsing time {}: {what} out of range", quote(self.text))
    }
}

fn quote(text: &str) -> String {
    format!("{text:?}")
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn write_seconds(seconds: i64, out: &mut Vec<u8>) {
    // Years beyond four digits cannot come from RFC 3339, only from hostile protobuf.
    let seconds = seconds.clamp(ZERO_SECONDS - 366 * 86_400, 253_402_300_799);
    let days = seconds.div_euclid(86_400) + 719_468;
    let time = seconds.rem_euclid(86_400) as u64;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    digits(out, year.max(0) as u64, 4);
    out.push(b'-');
    digits(out, month as u64, 2);
    out.push(b'-');
    digits(out, day as u64, 2);
    out.push(b'T');
    digits(out, time / 3600, 2);
    out.push(b':');
    digits(out, time / 60 % 60, 2);
    out.push(b':');
    digits(out, time % 60, 2);
}

fn digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Parses a Go duration such as `1h2m3.5s` into nanoseconds; the error is Go's `time.ParseDuration`'s.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = &rest[whole..];
        let decimals = match after.strip_prefix('.') {
            Some(after) => after.bytes().take_while(u8::is_ascii_digit).count() + 1,
            None => 0,
        };
        if whole + decimals == 0 || (whole == 0 && decimals == 1) {
            return Err(invalid());
        }
        let (number, after) = rest.split_at(whole + decimals);
        let length = after.bytes().take_while(|byte| *byte != b'.' && !byte.is_ascii_digit()).count();
        let (unit, after) = after.split_at(length);
        let scale: i128 = match unit {
            "" => return Err(format!("time: missing unit in duration {}", quote(text))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text))),
        };
        let whole_value: i128 = number[..whole].parse().or(if whole == 0 { Ok(0) } else { Err(invalid()) })?;
        total = whole_value.checked_mul(scale).and_then(|value| total.checked_add(value)).ok_or_else(invalid)?;
        let mut place = scale;
        for digit in number[whole..].bytes().skip(1) {
            place /= 10;
            total += place * i128::from(digit - b'0');
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// Go's `Duration.String`.
pub fn format_duration(nanos: i64) -> String {
    let mut out = String::new();
    if nanos < 0 {
        out.push('-');
    }
    let magnitude = nanos.unsigned_abs();
    if magnitude == 0 {
        return "0s".into();
    }
    if magnitude < 1_000_000_000 {
        let (unit, places) = match magnitude {
            0..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            _ => ("ms", 6),
        };
        fraction(&mut out, magnitude, places);
        out.push_str(unit);
        return out;
    }
    let seconds = magnitude / 1_000_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    // Writing to a string cannot fail.
    if hours > 0 {
        let _ = write!(out, "{hours}h");
    }
    if seconds >= 60 {
        let _ = write!(out, "{minutes}m");
    }
    fraction(&mut out, magnitude % 60_000_000_000, 9);
    out.push('s');
    out
}

/// `value / 10^places` without trailing zeros.
fn fraction(out: &mut String, value: u64, places: u32) {
    let divisor = 10u64.pow(places);
    let _ = write!(out, "{}", value / divisor);
    let rest = value % divisor;
    if rest != 0 {
        let digits = format!("{rest:0width$}", width = places as usize);
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for (text, expected) in [
            ("2008-01-01T01:01:01Z", "2008-01-01T01:01:01Z"),
            ("2024-02-29T23:59:59.999+02:00", "2024-02-29T21:59:59Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("1969-12-31T23:59:59-00:30", "1970-01-01T00:29:59Z"),
        ] {
            let mut out = Vec::new();
            Instant::parse(text).unwrap().write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        assert!(Instant::parse("0001-01-01T00:00:00Z").unwrap().is_zero());
        let mut out = Vec::new();
        Instant::parse_micro("2010-01-01T01:01:01.000010Z").unwrap().write_micro(&mut out);
        assert_eq!(out, b"2010-01-01T01:01:01.000010Z");
    }

    #[test]
    fn malformed_instants() {
        for (text, error) in [
            ("x", r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#),
            ("2020-13-01T00:00:00Z", r#"parsing time "2020-13-01T00:00:00Z": month out of range"#),
            ("2021-02-29T00:00:00Z", r#"parsing time "2021-02-29T00:00:00Z": day out of range"#),
            ("2020-01-01", r#"parsing time "2020-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T""#),
        ] {
            assert_eq!(Instant::parse(text), Err(error.to_owned()));
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("90s", "1m30s"),
            ("1.5h", "1h30m0s"),
            ("-1ms", "-1ms"),
            ("0", "0s"),
            ("1500us", "1.5ms"),
            ("1h", "1h0m0s"),
        ] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), expected);
        }
        assert_eq!(parse_duration("5").unwrap_err(), r#"time: missing unit in duration "5""#);
        assert_eq!(parse_duration("x").unwrap_err(), r#"time: invalid duration "x""#);
    }
}
