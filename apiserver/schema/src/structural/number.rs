//! The rules of numbers.

use serde_json::Value;

use super::validate::{Outcome, ViolationKind};
use super::{NodeType, Rules};

/// The largest whole number up to which every one is a float.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Whether a float is a whole number, as JSON schema means it, within the accuracy that upstream allows.
pub fn is_whole(value: f64) -> bool {
    if !value.is_finite() || value.abs() > MAX_SAFE {
        return false;
    }
    let whole = value.trunc();
    value == whole || ((value - whole).abs() / (value.abs() + whole.abs()) < 1e-9 && whole != 0.0)
}

/// Checks a number against the range of its format and against its bounds.
pub fn check(ty: NodeType, rules: Option<&Rules>, value: &Value, path: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let (type_name, format) = match ty {
        NodeType::Integer => ("integer", rules.map(|rules| &*rules.format).unwrap_or_default()),
        NodeType::Number => ("number", rules.map(|rules| &*rules.format).unwrap_or_default()),
        _ => ("", ""),
    };
    let Some(float) = value.as_f64() else { return outcome };
    let int = value.as_i64();
    let range = Range { type_name, format, path };
    if let Some(why) = range.problem(int, float, "Checked") {
        outcome.placeless(why);
    }
    if let Some(rules) = rules {
        let number = Number { value, int, float, range, path };
        number.multiple_of(rules, &mut outcome);
        number.bound(rules.minimum, rules.exclusive_minimum, false, &mut outcome);
        number.bound(rules.maximum, rules.exclusive_maximum, true, &mut outcome);
    }
    outcome.matches += 1;
    outcome
}

#[derive(Clone, Copy)]
struct Range<'a> {
    type_name: &'static str,
    format: &'a str,
    path: &'a str,
}

impl Range<'_> {
    /// Why a number is out of range, if it is; `what` the message calls it.
    fn problem(&self, int: Option<i64>, float: f64, what: &str) -> Option<String> {
        let whole = || int.or_else(|| (float.fract() == 0.0 && float.abs() < 9.3e18).then_some(float as i64));
        let fits = match (self.type_name, self.format) {
            ("integer", "int32") => whole().is_some_and(|int| i32::try_from(int).is_ok()),
            ("integer", _) => whole().is_some(),
            (_, "float") => (float as f32).is_finite(),
            _ => true,
        };
        if fits {
            return None;
        }
        let Range { type_name, format, path } = self;
        Some(if format.is_empty() {
            format!("{what} value must be of type {type_name} (default format) in {path}")
        } else {
            format!("{what} value must be of type {type_name} with format {format} in {path}")
        })
    }
}

struct Number<'a> {
    value: &'a Value,
    /// In Go an integer is compared with the whole part of a bound.
    int: Option<i64>,
    float: f64,
    range: Range<'a>,
    path: &'a str,
}

impl Number<'_> {
    fn error(&self, outcome: &mut Outcome, detail: String) {
        outcome.error(ViolationKind::Invalid, self.path, self.value.clone(), detail);
    }

    fn multiple_of(&self, rules: &Rules, outcome: &mut Outcome) {
        let Some(factor) = rules.multiple_of else { return };
        let out_of_range = self.range.problem(None, factor, "MultipleOf");
        let native = out_of_range.is_none();
        if let Some(why) = out_of_range {
            outcome.placeless(why);
        }
        let path = self.path;
        let (positive, fits, shown) = match self.int.filter(|_| native) {
            Some(int) => {
                let factor = factor as i64;
                (factor > 0, factor > 0 && int % factor == 0, factor.to_string())
            }
            None => {
                let quotient = if factor < 1.0 { 1.0 / factor * self.float } else { self.float / factor };
                (factor > 0.0, factor > 0.0 && is_whole(quotient), go_float(factor))
            }
        };
        if !positive {
            self.error(outcome, format!("factor MultipleOf declared for {path} must be positive: {shown}"));
        } else if !fits {
            self.error(outcome, format!("{path} in body should be a multiple of {shown}"));
        }
    }

    fn bound(&self, bound: Option<f64>, exclusive: bool, upper: bool, outcome: &mut Outcome) {
        let Some(bound) = bound else { return };
        let what = if upper { "Maximum boundary" } else { "Minimum boundary" };
        let out_of_range = self.range.problem(None, bound, what);
        let native = out_of_range.is_none();
        if let Some(why) = out_of_range {
            outcome.placeless(why);
        }
        let (order, shown) = match self.int.filter(|_| native) {
            Some(int) => (int.cmp(&(bound as i64)), (bound as i64).to_string()),
            None => (self.float.total_cmp(&bound), go_float(bound)),
        };
        let broken = match (upper, exclusive) {
            (true, false) => order.is_gt(),
            (true, true) => order.is_ge(),
            (false, false) => order.is_lt(),
            (false, true) => order.is_le(),
        };
        if broken {
            let relation = match (upper, exclusive) {
                (true, false) => "less than or equal to",
                (true, true) => "less than",
                (false, false) => "greater than or equal to",
                (false, true) => "greater than",
            };
            self.error(outcome, format!("{} in body should be {relation} {shown}", self.path));
        }
    }
}

/// A float as Go's `%v` prints it.
fn go_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) => {
                let exponent: i32 = exponent.parse().unwrap_or_default();
                format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
            }
            None => text,
        };
    }
    value.to_string()
}
