//! Schedules in cron's standard five fields, and the macros.

use jiff::{Timestamp, ToSpan, civil, tz::TimeZone};

/// A parsed schedule in a time zone.
#[derive(Debug)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// `*` in a day field: then the other one alone decides, else either of them.
    any_day: bool,
    any_weekday: bool,
    zone: TimeZone,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// A schedule that names no date within so many days never does (29 February comes within eight years).
const HORIZON_DAYS: usize = 366 * 9;

impl Schedule {
    /// Five fields (minute, hour, day of month, month, day of week) or a macro such as `@hourly`.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, String> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!("expected exactly 5 fields, found {}: {text}", fields.len()));
        };
        let mut weekdays = field(weekday, 0, 7, &WEEKDAYS, 0)?;
        // 7 is Sunday too.
        if weekdays & (1 << 7) != 0 {
            weekdays |= 1;
        }
        let any = |field: &str| field == "*" || field == "?" || field.starts_with("*/");
        Ok(Schedule {
            minutes: field(minute, 0, 59, &[], 0)?,
            hours: field(hour, 0, 23, &[], 0)?,
            days: field(day, 1, 31, &[], 0)?,
            months: field(month, 1, 12, &MONTHS, 1)?,
            weekdays,
            any_day: any(day),
            any_weekday: any(weekday),
            zone,
        })
    }

    /// The first time after `after`; `None` where there is none (the 30th of February).
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let local = after.to_zoned(self.zone.clone()).datetime();
        let mut date = local.date();
        let mut first = Some(local);
        for _ in 0..HORIZON_DAYS {
            if self.on_date(date) {
                for hour in (0..24i8).filter(|hour| self.hours & (1 << hour) != 0) {
                    for minute in (0..60i8).filter(|minute| self.minutes & (1 << minute) != 0) {
                        let time = date.at(hour, minute, 0, 0);
                        if first.is_some_and(|local| {
                            time < local && local.date() == date && local.duration_since(time).as_hours() > 2
                        }) {
                            continue;
                        }
                        // A time that a clock change skips is moved behind it; one that comes twice is taken once.
                        let at = time.to_zoned(self.zone.clone()).ok()?.timestamp();
                        if at > after {
                            return Some(at);
                        }
                    }
                }
            }
            date = date.checked_add(1.day()).ok()?;
            first = None;
        }
        None
    }

    fn on_date(&self, date: civil::Date) -> bool {
        let bit = |set: u64, number: i8| set & (1 << number) != 0;
        if !bit(self.months, date.month()) {
            return false;
        }
        let day = bit(self.days, date.day());
        let weekday = bit(self.weekdays, date.weekday().to_sunday_zero_offset());
        if self.any_day || self.any_weekday { day && weekday } else { day || weekday }
    }
}

/// One field as a set of bits: `*`, `a`, `a-b`, each with `/step`, lists of these, and names counted from `base`.
fn field(text: &str, min: u32, max: u32, names: &[&str], base: u32) -> Result<u64, String> {
    let number = |part: &str| -> Result<u32, String> {
        let lower = part.to_lowercase();
        if let Some(position) = names.iter().position(|name| *name == lower) {
            return u32::try_from(position).map(|position| position + base).map_err(|error| error.to_string());
        }
        part.parse().map_err(|_| format!("failed to parse number: {part:?}"))
    };
    let mut bits = 0u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (min, if max == 7 { 6 } else { max }),
            Some((first, last)) => (number(first)?, number(last)?),
            // `5/15` means from 5 on.
            None => (number(range)?, if step.is_some() { max } else { number(range)? }),
        };
        if first < min || last > max {
            return Err(format!("value out of range ({min} - {max}): {part}"));
        }
        if first > last {
            return Err(format!("beginning of range ({first}) beyond end of range ({last}): {part}"));
        }
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(format!("step of range should be a positive number: {part}"));
        }
        let mut value = first;
        while value <= last {
            bits |= 1 << value;
            value = value.saturating_add(step);
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, zone: &str, after: &str) -> Option<String> {
        let schedule = Schedule::parse(schedule, TimeZone::get(zone).unwrap()).unwrap();
        schedule.next(after.parse().unwrap()).map(|time| time.to_string())
    }

    fn utc(schedule: &str, after: &str) -> String {
        next(schedule, "Etc/UTC", after).unwrap()
    }

    #[test]
    fn next_times() {
        assert_eq!(utc("*/15 * * * *", "2026-03-01T10:07:30Z"), "2026-03-01T10:15:00Z");
        assert_eq!(utc("*/15 * * * *", "2026-03-01T10:15:00Z"), "2026-03-01T10:30:00Z");
        assert_eq!(utc("0 3 * * *", "2026-12-31T05:00:00Z"), "2027-01-01T03:00:00Z");
        assert_eq!(utc("30 9 * * mon-fri", "2026-11-20T10:00:00Z"), "2026-11-23T09:30:00Z");
        assert_eq!(utc("0 0 13 * 5", "2026-11-14T00:00:00Z"), "2026-11-20T00:00:00Z", "either of the days");
        assert_eq!(utc("0 0 29 2 *", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00Z");
        assert_eq!(utc("@hourly", "2026-01-01T00:30:00Z"), "2026-01-01T01:00:00Z");
        assert_eq!(utc("0 0 * * 7", "2026-11-20T00:00:00Z"), "2026-11-22T00:00:00Z");
        assert_eq!(next("0 0 30 2 *", "Etc/UTC", "2026-01-01T00:00:00Z"), None);
    }

    #[test]
    fn time_zones_and_clock_changes() {
        let berlin = |schedule, after| next(schedule, "Europe/Berlin", after).unwrap();
        assert_eq!(berlin("0 12 * * *", "2026-07-01T00:00:00Z"), "2026-07-01T10:00:00Z");
        // 02:30 does not exist on 29 March 2026.
        assert_eq!(berlin("30 2 * * *", "2026-03-28T12:00:00Z"), "2026-03-29T01:30:00Z");
        assert_eq!(berlin("30 2 * * *", "2026-03-29T01:30:00Z"), "2026-03-30T00:30:00Z");
    }

    #[test]
    fn mistakes() {
        for bad in ["", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *", "* * 0 * *", "@never"] {
            assert!(Schedule::parse(bad, TimeZone::UTC).is_err(), "{bad}");
        }
    }
}
