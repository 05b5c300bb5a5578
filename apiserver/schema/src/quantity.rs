//! `resource.Quantity`: decimal amounts with SI and binary suffixes.
//!
//! A quantity remembers in which family of suffixes it was written (see the API documentation of
//! `resource.Quantity`); its canonical form keeps the family, loses no precision and has the largest suffix
//! that needs no fraction. Amounts finer than a nano are rounded away from zero.

use std::cmp::Ordering;
use std::fmt;

use thiserror::Error;

/// A parsed quantity. Equality and order compare amounts, not spellings.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// The amount is `value * 10^scale`.
    value: i128,
    scale: i32,
    format: Format,
    /// The spelling it was parsed from, where upstream keeps that as canonical.
    text: Option<Box<str>>,
}

/// The family of suffixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `1.5e3`.
    DecimalExponent,
    /// `Ki`, `Mi`, ...
    BinarySi,
    /// `m`, `k`, `M`, ...
    DecimalSi,
}

/// Why a string is no quantity; the wording is upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// Scales below this are rounded up.
const NANO: i32 = -9;
/// Up to so many decimal digits upstream works in 64 bits, which decides whether a spelling is kept.
const INT64_DIGITS: i32 = 18;

impl Quantity {
    /// `value * 10^scale`.
    pub const fn new(value: i64, scale: i32, format: Format) -> Quantity {
        Quantity { value: value as i128, scale, format, text: None }
    }

    /// Parses what a manifest holds; surrounding white space is not accepted.
    pub fn parse(text: &str) -> Result<Quantity, ParseError> {
        if text.is_empty() {
            return Err(ParseError::Format);
        }
        if text == "0" {
            return Ok(Quantity { value: 0, scale: 0, format: Format::DecimalSi, text: Some("0".into()) });
        }
        let parts = Parts::of(text)?;
        let (base, exponent, format) = suffix(parts.suffix).ok_or(ParseError::Suffix)?;
        match Self::parse_small(text, &parts, exponent, format)? {
            Some(quantity) => Ok(quantity),
            None => Self::parse_large(&parts, base, exponent, format),
        }
    }

    /// Upstream's 64-bit path: it alone keeps spellings.
    fn parse_small(text: &str, parts: &Parts, exponent: i32, format: Format) -> Result<Option<Quantity>, ParseError> {
        let digits = parts.whole.len() as i64;
        let decimals = parts.decimals.len() as i64;
        let (mut scale, mantissa, precision) = match format {
            Format::BinarySi if exponent >= 0 && decimals == 0 => {
                let spent = (exponent as f32 * 3.0 / 10.0) as i64;
                (0, 1i64.checked_shl(exponent as u32).unwrap_or(0), 15 - digits - spent - 1)
            }
            Format::BinarySi => return Ok(None),
            _ => (i64::from(exponent), 1, i64::from(INT64_DIGITS) - digits - decimals),
        };
        scale -= decimals;
        if precision < 0 || scale < i64::from(NANO) || scale > i64::from(i32::MAX) {
            return Ok(None);
        }
        let shifted = [parts.whole, parts.decimals].concat();
        let value: i64 = shifted.parse().map_err(|_| ParseError::Numeric)?;
        let Some(product) = value.checked_mul(mantissa) else { return Ok(None) };
        check_magnitude(product.into(), scale)?;
        let kept = match format {
            Format::BinarySi => exponent % 10 == 0 && value & 7 != 0,
            _ => scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0'),
        };
        let value = i128::from(if parts.positive { product } else { -product });
        Ok(Some(Quantity { value, scale: scale as i32, format, text: kept.then(|| text.into()) }))
    }

    fn parse_large(parts: &Parts, base: i32, exponent: i32, format: Format) -> Result<Quantity, ParseError> {
        let mut value: i128 = 0;
        let mut scale: i64 = 0;
        // Digits far beyond a nano cannot matter other than by not being zero.
        let mut rest = false;
        for digit in parts.whole.bytes() {
            value = push_digit(value, digit).ok_or(ParseError::Numeric)?;
        }
        for digit in parts.decimals.bytes() {
            match push_digit(value, digit).filter(|_| scale > -30) {
                Some(next) if !rest => {
                    value = next;
                    scale -= 1;
                }
                _ => rest |= digit != b'0',
            }
        }
        if base == 10 {
            scale += i64::from(exponent);
        } else {
            let factor = 1i128.checked_shl(exponent as u32).ok_or(ParseError::Numeric)?;
            value = value.checked_mul(factor).ok_or(ParseError::Numeric)?;
        }
        while scale < i64::from(NANO) && value != 0 {
            rest |= value % 10 != 0;
            value /= 10;
            scale += 1;
            if value == 0 {
                scale = i64::from(NANO);
            }
        }
        if rest {
            // Rounding up may have to reach down to the nano first.
            while scale > i64::from(NANO) {
                value = value.checked_mul(10).ok_or(ParseError::Numeric)?;
                scale -= 1;
            }
            value += 1;
        }
        if value == 0 {
            scale = 0;
        }
        check_magnitude(value, scale)?;
        let mut quantity = Quantity { value, scale: scale as i32, format, text: None };
        if format == Format::BinarySi {
            let max = Quantity::new(i64::MAX, 0, format);
            if quantity > max {
                quantity = max;
            }
            if value != 0 && quantity < Quantity::new(1, 0, format) {
                quantity.format = Format::DecimalSi;
            }
        }
        if !parts.positive {
            quantity.value = -quantity.value;
        }
        Ok(quantity)
    }

    pub fn is_zero(&self) -> bool {
        self.value == 0
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        self.value.signum() as i32
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The amount in units of `10^scale`, rounded away from zero and cut to what an `i64` holds.
    pub fn scaled_value(&self, scale: i32) -> i64 {
        let shift = self.scale - scale;
        let value = if shift >= 0 { raise(self.value, shift) } else { Some(lower(self.value, -shift).0) };
        match value {
            Some(value) => value.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
            None if self.value < 0 => i64::MIN,
            None => i64::MAX,
        }
    }

    /// The amount in whole units, rounded up.
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// The amount in thousandths, rounded up.
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    /// The nearest floating point number.
    pub fn as_f64(&self) -> f64 {
        self.value as f64 * 10f64.powi(self.scale)
    }

    /// The sum; takes the other's family if this is zero. Saturates beyond 128 bits.
    pub fn add(&mut self, other: &Quantity) {
        self.combine(other, i128::saturating_add);
    }

    /// The difference; takes the other's family if this is zero. Saturates beyond 128 bits.
    pub fn sub(&mut self, other: &Quantity) {
        self.combine(other, i128::saturating_sub);
    }

    /// Multiplies by a whole number. Saturates beyond 128 bits.
    pub fn mul(&mut self, factor: i64) {
        self.text = None;
        self.value = self.value.saturating_mul(factor.into());
    }

    /// Rounds away from zero to a multiple of `10^scale`; whether that changed nothing.
    pub fn round_up(&mut self, scale: i32) -> bool {
        if self.scale >= scale {
            return true;
        }
        let (value, exact) = lower(self.value, scale - self.scale);
        *self = Quantity { value, scale, format: self.format, text: None };
        exact
    }

    /// Changes the sign.
    pub fn negate(&mut self) {
        self.text = None;
        self.value = -self.value;
    }

    fn combine(&mut self, other: &Quantity, operation: fn(i128, i128) -> i128) {
        self.text = None;
        if self.is_zero() {
            self.format = other.format;
        }
        let scale = self.scale.min(other.scale);
        let saturated = |quantity: &Quantity| {
            let limit = if quantity.value < 0 { i128::MIN } else { i128::MAX };
            raise(quantity.value, quantity.scale - scale).unwrap_or(limit)
        };
        self.value = operation(saturated(self), saturated(other));
        self.scale = scale;
    }

    fn write_canonical(&self, out: &mut impl fmt::Write) -> fmt::Result {
        if self.is_zero() {
            return out.write_char('0');
        }
        let small = Quantity::new(1024, 0, self.format);
        let large = {
            let mut magnitude = Quantity { text: None, ..self.clone() };
            magnitude.value = magnitude.value.saturating_abs();
            magnitude >= small
        };
        if self.format == Format::BinarySi && large {
            let whole = if self.scale >= 0 { raise(self.value, self.scale) } else { exact(self.value, -self.scale) };
            if let Some(mut whole) = whole {
                let mut power = 0;
                while whole % 1024 == 0 && power < 6 {
                    whole /= 1024;
                    power += 1;
                }
                return write!(out, "{whole}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power]);
            }
        }
        let (mut value, mut scale) = (self.value, self.scale);
        while value % 10 == 0 {
            value /= 10;
            scale += 1;
        }
        // The largest multiple of three at or below the scale.
        let exponent = scale.div_euclid(3) * 3;
        let value = raise(value, scale - exponent).unwrap_or(value);
        match self.format {
            Format::DecimalExponent if exponent == 0 => write!(out, "{value}"),
            Format::DecimalExponent => write!(out, "{value}e{exponent}"),
            _ => write!(out, "{value}{}", decimal_suffix(exponent)),
        }
    }
}

impl fmt::Display for Quantity {
    /// The canonical string.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => formatter.write_str(text),
            None => self.write_canonical(formatter),
        }
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        if self.scale == other.scale || self.value == 0 || other.value == 0 || self.sign() != other.sign() {
            return self.value.cmp(&other.value);
        }
        let scale = self.scale.min(other.scale);
        match (raise(self.value, self.scale - scale), raise(other.value, other.scale - scale)) {
            (Some(left), Some(right)) => left.cmp(&right),
            // What does not fit is the larger in magnitude.
            (None, _) => self.value.cmp(&0),
            (_, None) => 0.cmp(&other.value),
        }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl std::str::FromStr for Quantity {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Quantity, ParseError> {
        Quantity::parse(text)
    }
}

/// The canonical spelling of a quantity.
pub fn canonical(text: &str) -> Result<String, ParseError> {
    Ok(Quantity::parse(text)?.to_string())
}

/// A quantity's spelling in pieces, whole part without leading zeros (but not empty).
struct Parts<'a> {
    positive: bool,
    whole: &'a str,
    decimals: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Parts<'a>, ParseError> {
        let (positive, rest) = match text.as_bytes() {
            [b'-', ..] => (false, &text[1..]),
            [b'+', ..] => (true, &text[1..]),
            _ => (true, text),
        };
        let stripped = rest.trim_start_matches('0');
        let (whole, rest) = stripped.split_at(digits(stripped));
        let whole = if whole.is_empty() { "0" } else { whole };
        let (decimals, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits(rest)),
            None => ("", rest),
        };
        let letters = suffix.bytes().take_while(|byte| b"eEinumkKMGTP".contains(byte)).count();
        let exponent = suffix[letters..].strip_prefix(['-', '+']).unwrap_or(&suffix[letters..]);
        if digits(exponent) != exponent.len() {
            return Err(ParseError::Format);
        }
        Ok(Parts { positive, whole, decimals, suffix })
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn push_digit(value: i128, digit: u8) -> Option<i128> {
    value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))
}

/// Base, exponent and family of a suffix.
fn suffix(text: &str) -> Option<(i32, i32, Format)> {
    let decimal = |exponent| Some((10, exponent, Format::DecimalSi));
    let binary = |exponent| Some((2, exponent, Format::BinarySi));
    match text {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent: i64 = text.strip_prefix(['e', 'E'])?.parse().ok()?;
            Some((10, i32::try_from(exponent).ok()?, Format::DecimalExponent))
        }
    }
}

fn decimal_suffix(exponent: i32) -> &'static str {
    match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        // Upstream has no suffix for others and writes none.
        _ => "",
    }
}

/// Whole amounts have to fit 128 bits.
fn check_magnitude(value: i128, scale: i64) -> Result<(), ParseError> {
    let places = i32::try_from(scale.max(0)).map_err(|_| ParseError::Numeric)?;
    raise(value, places).map(drop).ok_or(ParseError::Numeric)
}

fn raise(value: i128, places: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    value.checked_mul(10i128.checked_pow(u32::try_from(places).ok()?)?)
}

/// Divides by a power of ten, rounding away from zero; whether that was exact.
fn lower(value: i128, places: i32) -> (i128, bool) {
    match 10i128.checked_pow(places as u32) {
        Some(divisor) => {
            let remainder = value % divisor;
            (value / divisor + remainder.signum(), remainder == 0)
        }
        None => (value.signum(), value == 0),
    }
}

fn exact(value: i128, places: i32) -> Option<i128> {
    let (value, exact) = lower(value, places);
    exact.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts from upstream's quantity_test.go.
    #[test]
    fn canonical_spellings() {
        for (text, expected) in [
            ("0", "0"),
            ("0n", "0"),
            ("0Ki", "0"),
            ("1Ki", "1Ki"),
            ("8Ki", "8Ki"),
            ("7Mi", "7Mi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.001", "1m"),
            ("0.1Ki", "102400m"),
            ("1.01Ki", "1034240m"),
            ("12e3", "12e3"),
            ("1e4", "10e3"),
            ("1E2", "100"),
            ("100000000", "100M"),
            ("1234567890", "1234567890"),
            ("1.1n", "2n"),
            ("-1.1n", "-2n"),
            ("9223372036854775807", "9223372036854775807"),
            ("9Ei", "9223372036854775807"),
            ("0.05", "50m"),
            ("512Ki", "512Ki"),
            ("2.5T", "2500G"),
            ("1000", "1k"),
            ("128974848", "128974848"),
            ("129e6", "129e6"),
            ("1000Ki", "1000Ki"),
            ("1024", "1024"),
            ("100Ti", "100Ti"),
            ("0.0000000001", "1n"),
            ("+5", "+5"),
            ("110", "110"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn malformed() {
        for (text, error) in [
            ("", ParseError::Format),
            ("1.1.M", ParseError::Format),
            ("1 ", ParseError::Format),
            ("abc", ParseError::Format),
            ("1kk", ParseError::Suffix),
            ("1mi", ParseError::Suffix),
            ("5iK", ParseError::Suffix),
        ] {
            assert_eq!(Quantity::parse(text).map(|_| ()), Err(error), "{text}");
        }
    }

    #[test]
    fn arithmetic_and_order() {
        let mut sum = Quantity::parse("1Gi").unwrap();
        sum.add(&Quantity::parse("512Mi").unwrap());
        assert_eq!(sum.to_string(), "1536Mi");
        sum.sub(&Quantity::parse("1536Mi").unwrap());
        assert!(sum.is_zero());
        sum.add(&Quantity::parse("250m").unwrap());
        assert_eq!((sum.to_string().as_str(), sum.milli_value(), sum.value()), ("250m", 250, 1));
        assert!(Quantity::parse("1").unwrap() > Quantity::parse("999m").unwrap());
        assert_eq!(Quantity::parse("1Ki").unwrap(), Quantity::parse("1024").unwrap());
        assert!(Quantity::parse("-1").unwrap() < Quantity::parse("1n").unwrap());
    }
}
