//! Quantities as numbers: the arithmetic the node needs on `resource.Quantity` strings.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity};

/// A quantity's value in thousandths, rounded up; `None` where the text is not a quantity.
pub fn milli(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || whole.len() > 24 {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(9)];
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let decimals = fraction.len() as i32;
    // value * 1000 = mantissa * 10^(3 - decimals) * suffix
    let (base, exponent): (i128, i32) = match suffix {
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
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|exponent| (-30..=18).contains(exponent))?),
    };
    let power = exponent + 3 - decimals;
    let value = mantissa.checked_mul(base)?;
    let value = if power >= 0 {
        value.checked_mul(10i128.checked_pow(power as u32)?)?
    } else {
        let divisor = 10i128.checked_pow(power.unsigned_abs())?;
        value / divisor + i128::from(value % divisor != 0)
    };
    Some(if negative { -value } else { value })
}

/// A quantity's value rounded up to an integer.
pub fn integer(text: &str) -> Option<i64> {
    let milli = milli(text)?;
    i64::try_from(milli / 1000 + i128::from(milli % 1000 > 0)).ok()
}

/// `limits[name]` or `requests[name]` in thousandths.
pub fn limit_milli(resources: Option<&ResourceRequirements>, name: &str) -> Option<i128> {
    lookup(resources?.limits.as_ref(), name)
}

/// See [`limit_milli`].
pub fn request_milli(resources: Option<&ResourceRequirements>, name: &str) -> Option<i128> {
    lookup(resources?.requests.as_ref(), name)
}

fn lookup(list: Option<&BTreeMap<String, Quantity>>, name: &str) -> Option<i128> {
    milli(&list?.get(name)?.0)
}

/// Bytes in the shape upstream prints memory of a node: `Ki`.
pub fn kibibytes(bytes: i64) -> Quantity {
    Quantity(format!("{}Ki", bytes / 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(milli("100m"), Some(100));
        assert_eq!(milli("1"), Some(1000));
        assert_eq!(milli("1.5"), Some(1500));
        assert_eq!(milli("0.0001"), Some(1));
        assert_eq!(integer("64Mi"), Some(64 << 20));
        assert_eq!(integer("1.5Gi"), Some(3 << 29));
        assert_eq!(integer("1e3"), Some(1000));
        assert_eq!(integer("128974848"), Some(128_974_848));
        assert_eq!(integer("1001m"), Some(2));
        assert_eq!(milli("-1"), Some(-1000));
        for bad in ["", "x", "1x", "Ki", "1.2.3", "1e99", "--1"] {
            assert_eq!(milli(bad), None, "{bad}");
        }
    }
}
