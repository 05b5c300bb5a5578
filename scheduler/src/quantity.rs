//! Kubernetes quantities (`100m`, `2Gi`, `1e3`) as whole units or thousandths, rounded up as upstream rounds them.

/// Thousandths of a unit, rounded up: `MilliValue()`. 0 for what is not a quantity; the API server admits none.
pub fn milli(text: &str) -> i64 {
    scaled(text, 1_000_000)
}

/// Whole units, rounded up: `Value()`. 0 for what is not a quantity.
pub fn value(text: &str) -> i64 {
    scaled(text, 1_000_000_000)
}

fn scaled(text: &str, nanos_per_unit: i128) -> i64 {
    let Some(nanos) = nanos(text) else { return 0 };
    let units = nanos.div_euclid(nanos_per_unit) + i128::from(nanos.rem_euclid(nanos_per_unit) != 0);
    i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
}

/// Billionths of a unit: the finest a quantity can be.
fn nanos(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    // The number as an integer of its last digit's place, then times the suffix, in billionths.
    let mut digits: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        digits = digits.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let (factor, exponent) = suffix_factor(suffix)?;
    let mut scaled = digits.checked_mul(factor)?;
    let power = exponent + 9 - i32::try_from(fraction.len()).ok()?;
    for _ in 0..power {
        scaled = scaled.checked_mul(10)?;
    }
    for _ in power..0 {
        scaled = scaled / 10 + i128::from(scaled % 10 != 0);
    }
    Some(if negative { -scaled } else { scaled })
}

/// A suffix as a factor and a power of ten.
fn suffix_factor(suffix: &str) -> Option<(i128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|power| power.abs() <= 18)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, in_milli, in_units) in [
            ("0", 0, 0),
            ("100m", 100, 1),
            ("1", 1000, 1),
            ("1.5", 1500, 2),
            ("0.5", 500, 1),
            (".5", 500, 1),
            ("2Gi", 2_147_483_648_000, 2_147_483_648),
            ("1.5Ki", 1_536_000, 1536),
            ("1e3", 1_000_000, 1000),
            ("5E2", 500_000, 500),
            ("1n", 1, 1),
            ("-1", -1000, -1),
            ("16Ei", i64::MAX, i64::MAX),
            ("cpu", 0, 0),
            ("", 0, 0),
            ("1.2.3", 0, 0),
            ("99999999999999999999999999999999999999999", 0, 0),
        ] {
            assert_eq!((milli(text), value(text)), (in_milli, in_units), "{text}");
        }
    }
}
