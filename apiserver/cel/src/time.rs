//! Timestamps and durations: reading, printing, calendar fields, with the limits of upstream's types.

use std::cmp::Ordering;
use std::fmt;

use jiff::tz::TimeZone;

/// The first and the last second that a timestamp can be, in years 1 and 9999.
pub(crate) const MIN_SECONDS: i64 = -62_135_596_800;
pub(crate) const MAX_SECONDS: i64 = 253_402_300_799;
const NANOS: i64 = 1_000_000_000;

/// A moment, with the offset that it was written with (which counts for printing only).
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Below a second.
    pub nanos: u32,
    /// Seconds east of UTC.
    pub offset: i32,
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Timestamp) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Timestamp) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Timestamp) -> Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }
}

impl Timestamp {
    /// A moment in UTC, if it is one that a timestamp can be.
    #[must_use]
    pub fn new(seconds: i64, nanos: u32) -> Option<Timestamp> {
        (MIN_SECONDS..=MAX_SECONDS).contains(&seconds).then_some(Timestamp { seconds, nanos, offset: 0 })
    }

    /// The moment some nanoseconds later (earlier if negative).
    pub(crate) fn plus(self, nanoseconds: i64) -> Option<Timestamp> {
        let nanos = i64::from(self.nanos) + nanoseconds.rem_euclid(NANOS);
        let seconds = self.seconds + nanoseconds.div_euclid(NANOS) + nanos / NANOS;
        let moved = Timestamp::new(seconds, u32::try_from(nanos % NANOS).unwrap_or(0))?;
        Some(Timestamp { offset: self.offset, ..moved })
    }

    /// Nanoseconds since another moment.
    pub(crate) fn since(self, other: Timestamp) -> Option<i64> {
        let seconds = self.seconds - other.seconds;
        seconds.checked_mul(NANOS)?.checked_add(i64::from(self.nanos) - i64::from(other.nanos))
    }

    /// The calendar fields at an offset.
    pub(crate) fn civil(self, offset: i32) -> Civil {
        let local = self.seconds + i64::from(offset);
        let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let day_of_year = days - days_from_civil(year, 1, 1);
        Civil { year, month, day, day_of_year, weekday: (days + 4).rem_euclid(7), second }
    }
}

/// Fields of a calendar; months and days count from 1, days of the year from 0, Sunday is 0.
pub(crate) struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub day_of_year: i64,
    pub weekday: i64,
    /// Of the day.
    pub second: i64,
}

/// The offset of a time zone at a moment; zones are names or `±HH:MM`. `Err` says what is wrong.
pub(crate) fn offset_of(zone: &str, at: Timestamp) -> Result<i32, String> {
    if let Some((hours, minutes)) = zone.split_once(':') {
        let number =
            |text: &str| text.parse::<i32>().map_err(|_| format!("strconv.Atoi: parsing {text:?}: invalid syntax"));
        let (hour, minute) = (number(hours)?, number(minutes)?);
        let minute = if zone.starts_with('-') { -minute } else { minute };
        return Ok(hour.saturating_mul(60).saturating_add(minute).saturating_mul(60));
    }
    if zone.is_empty() || zone == "UTC" {
        return Ok(0);
    }
    let found = TimeZone::get(zone).map_err(|_| format!("unknown time zone {zone}"))?;
    let moment = jiff::Timestamp::from_second(at.seconds).map_err(|error| error.to_string())?;
    Ok(found.to_offset(moment).seconds())
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// RFC 3339, as Go's parser takes it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.civil(self.offset);
        let (hour, minute, second) = (c.second / 3600, c.second / 60 % 60, c.second % 60);
        write!(f, "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}", c.year, c.month, c.day)?;
        if self.nanos > 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

fn number(text: &str, from: usize, length: usize) -> Option<i64> {
    let digits = text.get(from..from + length)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    if text.len() != 10 || text.as_bytes()[4] != b'-' || text.as_bytes()[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 2)?, number(text, 8, 2)?);
    let valid = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    let seconds = days_from_civil(year, month, day) * 86_400;
    valid.then_some(Timestamp { seconds, nanos: 0, offset: 0 })
}

/// A timestamp in RFC 3339. `Err(true)`: it is one, but out of range.
pub(crate) fn parse_timestamp(text: &str) -> Result<Timestamp, bool> {
    let parsed = parse_rfc3339(text, false).ok_or(false)?;
    if (MIN_SECONDS..=MAX_SECONDS).contains(&parsed.seconds) { Ok(parsed) } else { Err(true) }
}

/// A string of format date-time: RFC 3339, or without a zone.
pub(crate) fn parse_date_time(text: &str) -> Option<Timestamp> {
    parse_rfc3339(text, true)
}

fn parse_rfc3339(text: &str, zone_optional: bool) -> Option<Timestamp> {
    let date = parse_date(text.get(..10)?)?;
    let separator = *text.as_bytes().get(10)?;
    if separator != b'T' && !(zone_optional && separator == b't') {
        return None;
    }
    let (hour, minute, second) = (number(text, 11, 2)?, number(text, 14, 2)?, number(text, 17, 2)?);
    let bytes = text.as_bytes();
    if bytes[13] != b':' || bytes[16] != b':' || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &text[19..];
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        let digits = &fraction[..length.min(9)];
        nanos = digits.parse::<u32>().ok()? * 10_u32.pow(9 - u32::try_from(digits.len()).ok()?);
        rest = &fraction[length..];
    }
    let offset = match rest {
        "Z" => 0,
        "z" | "" if zone_optional => 0,
        zone => {
            let sign = match zone.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let (hours, minutes) = (number(zone, 1, 2)?, number(zone, 4, 2)?);
            if zone.len() != 6 || zone.as_bytes()[3] != b':' || hours > 24 || minutes > 60 {
                return None;
            }
            sign * (hours * 3600 + minutes * 60)
        }
    };
    let seconds = date.seconds + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp { seconds, nanos, offset: i32::try_from(offset).ok()? })
}

/// Go's `time.ParseDuration`: `1h2m3.5s`.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = &rest[whole..];
        let fraction = after.strip_prefix('.').map(|digits| digits.bytes().take_while(u8::is_ascii_digit).count());
        if whole == 0 && fraction.is_none_or(|length| length == 0) {
            return None;
        }
        let units = &after[fraction.map_or(0, |length| length + 1)..];
        let length = units.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(units.len());
        let unit: i128 = match &units[..length] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let amount: i128 = if whole == 0 { 0 } else { rest[..whole].parse::<u64>().ok()?.into() };
        total = total.checked_add(amount.checked_mul(unit)?)?;
        if let Some(digits) = fraction {
            let digits = &after[1..=digits.min(18)];
            let scale = 10_i128.pow(u32::try_from(digits.len()).ok()?);
            let part: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
            total = total.checked_add(part * unit / scale)?;
        }
        if total > i128::from(i64::MAX) + i128::from(negative) {
            return None;
        }
        rest = &units[length..];
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// A string of format duration: Go's form, or numbers with words: `3 days`.
pub(crate) fn parse_schema_duration(text: &str) -> Option<i64> {
    if let Some(duration) = parse_duration(text) {
        return Some(duration);
    }
    let mut total: i64 = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let amount: i64 = rest.get(..digits)?.parse().ok()?;
        let words = rest[digits..].trim_start();
        let length = words.find(|c: char| !c.is_alphabetic()).unwrap_or(words.len());
        let unit: i64 = match words[..length].to_lowercase().as_str() {
            "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
            "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
            "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
            "s" | "sec" | "secs" | "second" | "seconds" => NANOS,
            "m" | "min" | "mins" | "minute" | "minutes" => 60 * NANOS,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600 * NANOS,
            "d" | "day" | "days" => 86_400 * NANOS,
            "w" | "wk" | "week" | "weeks" => 7 * 86_400 * NANOS,
            _ => return None,
        };
        total = total.checked_add(amount.checked_mul(unit)?)?;
        rest = words[length..].trim_start();
    }
    (!text.trim().is_empty()).then_some(total)
}

/// A duration as `string()` gives it: seconds, as a decimal number.
pub(crate) fn duration_text(nanoseconds: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "upstream prints a double")]
    let seconds = (nanoseconds / NANOS) as f64 + (nanoseconds % NANOS) as f64 / 1e9;
    format!("{seconds}s")
}

/// A duration as Go prints it: `1h2m3.5s`.
pub(crate) fn go_duration(nanoseconds: i64) -> String {
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let fraction = |amount: u64, digits: usize| {
        let text = format!("{amount:0digits$}");
        let text = text.trim_end_matches('0');
        if text.is_empty() { String::new() } else { format!(".{text}") }
    };
    if total < 1_000_000_000 {
        let (whole, rest, digits, unit) = match total {
            0..1_000 => (total, 0, 1, "ns"),
            1_000..1_000_000 => (total / 1_000, total % 1_000, 3, "µs"),
            _ => (total / 1_000_000, total % 1_000_000, 6, "ms"),
        };
        return format!("{sign}{whole}{}{unit}", fraction(rest, digits));
    }
    let (seconds, nanos) = (total / 1_000_000_000, total % 1_000_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let seconds = format!("{seconds}{}s", fraction(nanos, 9));
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}"),
    }
}
