//! How long ago something was, in the words of `kubectl get`.
//!
//! Source: apimachinery `pkg/util/duration`.

use jiff::Timestamp;
use serde_json::Value;

/// The time that a `metav1.Time` or `metav1.MicroTime` holds.
pub fn time(time: &Value) -> Option<Timestamp> {
    time.as_str().and_then(|text| text.parse().ok())
}

/// The age of a `metav1.Time`, or `<unknown>`.
pub fn since(then: &Value, now: Timestamp) -> String {
    time(then).map_or_else(|| "<unknown>".to_owned(), |then| between(then, now))
}

/// The time from one to another.
pub fn between(then: Timestamp, now: Timestamp) -> String {
    human(now.duration_since(then).as_secs())
}

/// Seconds in at most two units.
pub fn human(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |high: i64, high_unit: &str, low: i64, low_unit: &str| {
        if low == 0 { format!("{high}{high_unit}") } else { format!("{high}{high_unit}{low}{low_unit}") }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "m"),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => two(seconds / YEAR, "y", seconds % YEAR / DAY, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn ages_read_as_upstream_writes_them() {
        for (seconds, expected) in [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (601, "10m"),
            (10_800, "3h"),
            (11_000, "3h3m"),
            (100_000, "27h"),
            (180_000, "2d2h"),
            (800_000, "9d"),
            (70_000_000, "2y80d"),
        ] {
            assert_eq!(human(seconds), expected);
        }
    }
}
