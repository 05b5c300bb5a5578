//! Numbers as Go prints and converts them.

/// From this exponent on Go's shortest form has one.
const SHORTEST: i32 = 6;

/// A double as `%g` prints it: the fewest digits, an exponent from a million on.
pub(crate) fn go_double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..SHORTEST).contains(&exponent) {
        return with_exponent(mantissa, exponent);
    }
    format!("{number}")
}

/// A mantissa with a Go exponent: a sign and two digits at least.
pub(crate) fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A double that is a whole number within the range of i64, as upstream's checks have it.
#[expect(clippy::cast_possible_truncation, reason = "checked before")]
pub(crate) fn double_to_int(number: f64) -> Option<i64> {
    (number.is_finite() && number > -9_223_372_036_854_775_808.0 && number < 9_223_372_036_854_775_808.0)
        .then_some(number as i64)
}

/// A double within the range of u64.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
pub(crate) fn double_to_uint(number: f64) -> Option<u64> {
    (0.0..18_446_744_073_709_551_616.0).contains(&number).then_some(number as u64)
}
