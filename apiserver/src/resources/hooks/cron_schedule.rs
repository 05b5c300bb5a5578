//! The form of a CronJob's schedule.
//!
//! Source: the standard parser of `github.com/robfig/cron/v3`.

const FIELDS: [(i64, i64, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    (0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// What is wrong with a schedule.
pub fn problem(schedule: &str) -> Option<String> {
    let mut schedule = schedule;
    if schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=") {
        schedule = schedule.split_once(' ').map_or("", |(_, rest)| rest.trim());
    }
    if let Some(word) = schedule.strip_prefix('@') {
        let known = matches!(word, "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly");
        if let Some(period) = word.strip_prefix("every ") {
            return duration_problem(period).map(|problem| format!("failed to parse duration {schedule}: {problem}"));
        }
        return (!known).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let parts: Vec<&str> = schedule.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        return Some(format!("expected exactly 5 fields, found {}: [{}]", parts.len(), parts.join(" ")));
    }
    parts.iter().zip(FIELDS).find_map(|(part, (low, high, names))| {
        part.split(',').filter(|range| !range.is_empty()).find_map(|range| range_problem(range, low, high, names))
    })
}

/// What is wrong with a duration such as `1h30m`, in the words of Go's `time.ParseDuration`.
fn duration_problem(duration: &str) -> Option<String> {
    let mut rest = duration.trim_start_matches(['-', '+']);
    if rest == "0" {
        return None;
    }
    if rest.is_empty() {
        return Some(format!("time: invalid duration {duration:?}"));
    }
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if unit.len() == rest.len() {
            return Some(format!("time: invalid duration {duration:?}"));
        }
        let end = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
        match &unit[..end] {
            "" => return Some(format!("time: missing unit in duration {duration:?}")),
            "ns" | "us" | "µs" | "ms" | "s" | "m" | "h" => {}
            other => return Some(format!("time: unknown unit {other:?} in duration {duration:?}")),
        }
        rest = &unit[end..];
    }
    None
}

fn range_problem(range: &str, low: i64, high: i64, names: &[&str]) -> Option<String> {
    let mut halves = range.split('/');
    let (bounds, step, extra) = (halves.next().unwrap_or_default(), halves.next(), halves.next());
    let mut ends = bounds.split('-');
    let (first, last, more) = (ends.next().unwrap_or_default(), ends.next(), ends.next());
    let number = |text: &str| -> Result<i64, String> {
        if let Some(at) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(at as i64 + low);
        }
        match text.parse::<i64>() {
            Ok(number) if number < 0 => Err(format!("negative number ({number}) not allowed: {text}")),
            Ok(number) => Ok(number),
            Err(_) => Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax")),
        }
    };
    let (start, end) = if matches!(first, "*" | "?") {
        (low, high)
    } else {
        let start = match number(first) {
            Ok(number) => number,
            Err(problem) => return Some(problem),
        };
        match last.map(number) {
            _ if more.is_some() => return Some(format!("too many hyphens: {range}")),
            None if step.is_some() => (start, high),
            None => (start, start),
            Some(Ok(end)) => (start, end),
            Some(Err(problem)) => return Some(problem),
        }
    };
    if extra.is_some() {
        return Some(format!("too many slashes: {range}"));
    }
    let step = match step.map(number).transpose() {
        Ok(step) => step.unwrap_or(1),
        Err(problem) => return Some(problem),
    };
    if start < low {
        return Some(format!("beginning of range ({start}) below minimum ({low}): {range}"));
    }
    if end > high {
        return Some(format!("end of range ({end}) above maximum ({high}): {range}"));
    }
    if start > end {
        return Some(format!("beginning of range ({start}) beyond end of range ({end}): {range}"));
    }
    (step == 0).then(|| format!("step of range should be a positive number: {range}"))
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn schedules_are_told_from_others() {
        for good in ["* * * * *", "*/5 0-3,7 1 jan-mar mon", "@hourly", "@every 1h", "0 0 ? * 6"] {
            assert_eq!(problem(good), None, "{good}");
        }
        assert_eq!(problem("error").unwrap(), "expected exactly 5 fields, found 1: [error]");
        assert_eq!(problem("60 * * * *").unwrap(), "end of range (60) above maximum (59): 60");
        assert_eq!(problem("* * * * */0").unwrap(), "step of range should be a positive number: */0");
        assert!(problem("a * * * *").is_some());
    }
}
