//! Fields of timestamps and durations.

use super::{failed, no_overload};
use crate::plan::Call;
use crate::time::offset_of;
use crate::value::{Evaluated, Value};

/// `getHours()` and its like; a timestamp's are in UTC unless a time zone is given.
pub(crate) fn field<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let (time, zone) = match args.as_slice() {
        [Value::Timestamp(time)] => (*time, "UTC"),
        [Value::Timestamp(time), Value::String(zone)] => (*time, &**zone),
        [Value::Duration(nanoseconds)] => {
            let per = match call.name {
                "getHours" => 3_600_000_000_000,
                "getMinutes" => 60_000_000_000,
                "getSeconds" => 1_000_000_000,
                "getMilliseconds" => 1_000_000,
                _ => return no_overload(),
            };
            return Ok(Value::Int(nanoseconds / per));
        }
        _ => return no_overload(),
    };
    let offset = match offset_of(zone, time) {
        Ok(offset) => offset,
        Err(problem) => return failed(problem),
    };
    let civil = time.civil(offset);
    Ok(Value::Int(match call.name {
        "getFullYear" => civil.year,
        "getMonth" => civil.month - 1,
        "getDayOfYear" => civil.day_of_year,
        "getDayOfMonth" => civil.day - 1,
        "getDate" => civil.day,
        "getDayOfWeek" => civil.weekday,
        "getHours" => civil.second / 3600,
        "getMinutes" => civil.second / 60 % 60,
        "getSeconds" => civil.second % 60,
        _ => i64::from(time.nanos / 1_000_000),
    }))
}
