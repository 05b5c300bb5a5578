//! When an indexed Job counts as succeeded before all its indexes are done.
//!
//! Source: `pkg/apis/batch/validation`.

use serde_json::Value;

use crate::field::{ErrorList, Path};
use crate::object::{int, items};

const MAX_RULES: usize = 20;
const MAX_INDEXES_TEXT: usize = 64 * 1024;

/// The rules of the policy of a job with this many completions.
pub fn validate(policy: &Value, completions: i64, at: &Path<'_>, errors: &mut ErrorList) {
    let (rules, list) = (items(&policy["rules"]), at.child("rules"));
    if rules.is_empty() {
        errors.required(&list, "at least one rules must be specified when the successPolicy is specified");
    }
    if rules.len() > MAX_RULES {
        errors.too_many(&list, rules.len(), MAX_RULES);
    }
    for (index, rule) in rules.iter().enumerate() {
        self::rule(rule, completions, &list.index(index), errors);
    }
}

fn rule(rule: &Value, completions: i64, at: &Path<'_>, errors: &mut ErrorList) {
    let (count, indexes) = (&rule["succeededCount"], rule["succeededIndexes"].as_str());
    if count.is_null() && indexes.is_none() {
        errors.required(at, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut total = 0;
    if let Some(indexes) = indexes {
        let at = at.child("succeededIndexes");
        if indexes.len() > MAX_INDEXES_TEXT {
            errors.too_long(&at, MAX_INDEXES_TEXT);
        }
        match count_of(indexes, completions) {
            Ok(count) => total = count,
            Err(why) => errors.invalid_str(&at, indexes, format!("error parsing succeededIndexes: {why}")),
        }
    }
    if count.is_null() {
        return;
    }
    let at = at.child("succeededCount");
    errors.non_negative(&at, count);
    if int(count) > completions {
        let detail = format!("must be less than or equal to {completions} (the number of specified completions)");
        errors.invalid(&at, count, detail);
    }
    if indexes.is_some() && int(count) > total {
        errors.invalid(
            &at,
            count,
            format!(
                "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            ),
        );
    }
}

/// How many indexes intervals such as `0-2,5` hold.
fn count_of(text: &str, completions: i64) -> Result<i64, String> {
    let number = |text: &str| {
        let number: i64 = text.parse().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
        if number >= completions { Err(format!("too large index: {text:?}")) } else { Ok(number) }
    };
    let (mut total, mut last) = (0, None);
    for interval in text.split(',').filter(|_| !text.is_empty()) {
        let (first, end) = match interval.split('-').collect::<Vec<_>>()[..] {
            [only] => (number(only)?, number(only)?),
            [first, end] => {
                let (first, end) = (number(first)?, number(end)?);
                if first >= end {
                    return Err(format!("non-increasing order, previous: {first}, current: {end}"));
                }
                (first, end)
            }
            _ => {
                return Err(format!(
                    "the fragment {interval:?} violates the requirement that an index interval can have at most two parts separated by '-'"
                ));
            }
        };
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::count_of;

    #[test]
    fn intervals_are_counted() {
        assert_eq!(count_of("0-2,4", 5), Ok(4));
        assert_eq!(count_of("", 5), Ok(0));
        assert_eq!(count_of("5", 5).unwrap_err(), "too large index: \"5\"");
        assert_eq!(count_of("2,1", 5).unwrap_err(), "non-increasing order, previous: 2, current: 1");
        assert!(count_of("1-2-3", 5).is_err() && count_of("x", 5).is_err());
    }
}
