//! Quantities: `quantity("1.5Gi").isGreaterThan(quantity("1G"))`.

use std::cmp::Ordering;
use std::sync::Arc;

use apiserver_schema::quantity::{Format, Quantity};

use super::{failed, library_value, no_overload, object};
use crate::plan::Call;
use crate::value::{Evaluated, Value};

/// A quantity, and whether upstream keeps it as a whole number.
#[derive(Clone, Debug)]
struct Amount {
    quantity: Quantity,
    whole: bool,
}

impl PartialEq for Amount {
    fn eq(&self, other: &Amount) -> bool {
        self.quantity == other.quantity
    }
}

library_value!(Amount, "kubernetes.Quantity", |_quantity| None);

pub(crate) fn order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    Some(object::<Amount>(a)?.quantity.cmp(&object::<Amount>(b)?.quantity))
}

fn is_exact(quantity: &Quantity) -> bool {
    Quantity::new(quantity.value(), 0, Format::DecimalSi) == *quantity
}

/// What is written with a fraction, or in thousandths, is no whole number even if its amount is one.
fn parsed(text: &str) -> Result<Amount, apiserver_schema::quantity::ParseError> {
    let quantity = Quantity::parse(text)?;
    let small = text.ends_with(['n', 'u', 'm']);
    let whole = is_exact(&quantity) && !small && !(text.contains('.') && text.ends_with('i'));
    Ok(Amount { quantity, whole })
}

/// `quantity(text)` and `isQuantity(text)`.
pub(crate) fn quantity<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::String(text)] = args.as_slice() else { return no_overload() };
    match (parsed(text), call.name) {
        (parsed, "isQuantity") => Ok(Value::Bool(parsed.is_ok())),
        (Ok(quantity), _) => Ok(Value::Object(Arc::new(quantity))),
        (Err(problem), _) => failed(problem.to_string()),
    }
}

/// `add` and `sub`, of quantities and integers.
pub(crate) fn sum<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [target, other] = args.as_slice() else { return no_overload() };
    let Some(target) = object::<Amount>(target) else { return no_overload() };
    let number;
    let other = match other {
        Value::Int(other) => {
            number = Quantity::new(*other, 0, Format::DecimalExponent);
            &number
        }
        other => match object::<Amount>(other) {
            Some(other) => &other.quantity,
            None => return no_overload(),
        },
    };
    let mut quantity = target.quantity.clone();
    if call.name == "add" {
        quantity.add(other);
    } else {
        quantity.sub(other);
    }
    let whole = is_exact(&quantity);
    Ok(Value::Object(Arc::new(Amount { quantity, whole })))
}

pub(crate) fn property<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(Amount { quantity, whole }) = args.first().and_then(object::<Amount>) else { return no_overload() };
    match call.name {
        "sign" => Ok(Value::Int(i64::from(quantity.sign()))),
        "isInteger" => Ok(Value::Bool(*whole)),
        "asInteger" if *whole => Ok(Value::Int(quantity.value())),
        "asInteger" => failed("cannot convert value to integer"),
        _ => Ok(Value::Double(quantity.as_f64())),
    }
}
