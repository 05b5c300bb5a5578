//! The evaluator. Counts cost as it goes, as upstream's tracker does, and stops where the limit is.

use std::sync::Arc;

use crate::equality::{equal, same};
use crate::plan::{Attribute, Base, Fold, Plan, Qualifier, QualifierKey};
use crate::program::Bindings;
use crate::value::{Entries, ErrorKind, EvalError, Evaluated, Map, Value};

/// How many rounds of loops pass between two looks at the interrupt.
const CHECK_FREQUENCY: u32 = 100;

/// What a slot of a loop holds.
enum Slot<'a> {
    /// Evaluated when first asked for.
    Lazy {
        init: &'a Plan,
        result: bool,
    },
    /// The result of a loop so far. It is read once a round, so that its list or map may be moved out and grow in
    /// place.
    Result(Evaluated<'a>),
    Known(Evaluated<'a>),
}

pub(crate) struct Evaluator<'a, 'b> {
    bindings: &'b Bindings<'a>,
    slots: Vec<Slot<'a>>,
    pub cost: u64,
    limit: u64,
    rounds: u32,
}

impl<'a, 'b> Evaluator<'a, 'b> {
    pub fn new(bindings: &'b Bindings<'a>, limit: u64) -> Self {
        Evaluator { bindings, slots: Vec::new(), cost: 0, limit, rounds: 0 }
    }

    /// The value of a plan that reads no variable.
    pub fn constant(plan: &Plan) -> Result<Value<'static>, EvalError> {
        let bindings = Bindings::new();
        let mut evaluator = Evaluator::new(&bindings, u64::MAX);
        evaluator.eval(plan).map(Value::into_owned)
    }

    fn charge(&mut self, cost: u64) -> Result<(), EvalError> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit {
            return Err(EvalError {
                message: "operation cancelled: actual cost limit exceeded".into(),
                kind: ErrorKind::CostLimit,
            });
        }
        Ok(())
    }

    pub fn eval(&mut self, plan: &'a Plan) -> Evaluated<'a> {
        match plan {
            Plan::Const(value) => Ok(value.clone()),
            Plan::Attribute(attribute) => {
                let value = self.resolve(attribute);
                // A conditional costs what its parts do.
                if !matches!(attribute.base, Base::Conditional(_)) {
                    self.charge(1)?;
                }
                value
            }
            Plan::Has(attribute) => match self.resolve(attribute)? {
                Value::Optional(inner) => Ok(Value::Bool(inner.is_some())),
                other => Ok(other),
            },
            Plan::And(parts) => self.logical(parts, false),
            Plan::Or(parts) => self.logical(parts, true),
            Plan::Equals(parts) => self.equals(parts, true),
            Plan::Differs(parts) => self.equals(parts, false),
            Plan::Member(item, list) => {
                let item = self.eval(item)?;
                let Value::List(list) = list else { return Err(EvalError::no_overload()) };
                Ok(Value::Bool(list.iter().flatten().any(|known| same(&known, &item))))
            }
            Plan::OptionalOr { parts, unwrap } => match self.eval(&parts[0])? {
                Value::Optional(None) => self.eval(&parts[1]),
                Value::Optional(Some(inner)) if *unwrap => Ok(Value::clone(&inner)),
                other => Ok(other),
            },
            Plan::NotStrictlyFalse(arg) => {
                let value = self.absorbed(arg)?;
                self.charge(1)?;
                Ok(Value::Bool(!matches!(value, Ok(Value::Bool(false)))))
            }
            Plan::Call(call) => {
                let mut args = Vec::with_capacity(call.args.len());
                let mut failed = None;
                // Two arguments are both evaluated before the first one's failure counts; more are not.
                let eager = call.args.len() == 2;
                for arg in &call.args {
                    match self.absorbed(arg)? {
                        Ok(value) => args.push(value),
                        Err(error) if eager && args.is_empty() && failed.is_none() => failed = Some(error),
                        Err(error) => {
                            if call.args.len() <= 2 {
                                self.charge(1)?;
                            }
                            return Err(failed.unwrap_or(error));
                        }
                    }
                }
                if let Some(error) = failed {
                    self.charge(1)?;
                    return Err(error);
                }
                // A rule that looks at the arguments is asked before they are used up.
                let before = call.rule.before(&args);
                let result = (call.function)(call, args);
                self.charge(call.rule.after(before, result.as_ref().ok()))?;
                result
            }
            Plan::List { elements } => {
                let mut items = Vec::with_capacity(elements.len());
                for (element, optional) in elements {
                    match (self.eval(element)?, optional) {
                        (value, false) => items.push(value),
                        (Value::Optional(None), true) => {}
                        (Value::Optional(Some(inner)), true) => items.push(Value::clone(&inner)),
                        (other, true) => {
                            return Err(EvalError::new(format!(
                                "cannot initialize optional list element from non-optional value {other}"
                            )));
                        }
                    }
                }
                self.charge(10)?;
                Ok(Value::list(items))
            }
            Plan::Map { entries, type_name } => self.map(entries, type_name.as_ref()),
            Plan::Fold(fold) => self.fold(fold),
        }
    }

    /// Evaluates; an error that logical operators may absorb is inside, others are outside.
    fn absorbed(&mut self, plan: &'a Plan) -> Result<Evaluated<'a>, EvalError> {
        match self.eval(plan) {
            Err(error) if error.kind != ErrorKind::Failed => Err(error),
            other => Ok(other),
        }
    }

    /// `&&` (deciding: false) and `||` (deciding: true).
    fn logical(&mut self, parts: &'a [Plan; 2], deciding: bool) -> Evaluated<'a> {
        let mut failed = None;
        for part in parts {
            match self.absorbed(part)? {
                Ok(Value::Bool(value)) if value == deciding => return Ok(Value::Bool(deciding)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => failed = failed.or_else(|| Some(EvalError::no_overload())),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(!deciding)), Err)
    }

    fn equals(&mut self, parts: &'a [Plan; 2], wanted: bool) -> Evaluated<'a> {
        let left = self.absorbed(&parts[0])?;
        let right = self.absorbed(&parts[1])?;
        let (left, right) = match (left, right) {
            (Ok(left), Ok(right)) => (left, right),
            // What failed counts as of size one.
            (Ok(value), Err(error)) | (Err(error), Ok(value)) => {
                self.charge(crate::run_cost::equality(&Value::Null, &value, wanted))?;
                return Err(error);
            }
            (Err(error), Err(_)) => {
                self.charge(1)?;
                return Err(error);
            }
        };
        self.charge(crate::run_cost::equality(&left, &right, wanted))?;
        match equal(&left, &right) {
            Ok(are) => Ok(Value::Bool(are == wanted)),
            // Upstream's `!=` is true of what refuses to be compared.
            Err(_) if !wanted => Ok(Value::Bool(true)),
            Err(error) => Err(error),
        }
    }

    fn map(&mut self, entries: &'a [(Plan, Plan, bool)], type_name: Option<&crate::types::Name>) -> Evaluated<'a> {
        let mut map = Entries::default();
        map.type_name = type_name.cloned();
        for (key, value, optional) in entries {
            let key = self.eval(key)?;
            let value = match (self.eval(value)?, optional) {
                (value, false) => value,
                (Value::Optional(None), true) => {
                    map.remove(&key);
                    continue;
                }
                (Value::Optional(Some(inner)), true) => Value::clone(&inner),
                (other, true) => {
                    return Err(EvalError::new(format!(
                        "cannot initialize optional entry '{key}' from non-optional value {other}"
                    )));
                }
            };
            if !map.insert(key.clone(), value) {
                return Err(EvalError::new(format!("unsupported key type '{}'", key.type_name())));
            }
        }
        self.charge(if type_name.is_some() { 40 } else { 30 })?;
        Ok(Value::Map(Map::Owned(Arc::new(map))))
    }

    fn resolve(&mut self, attribute: &'a Attribute) -> Evaluated<'a> {
        let mut qualifiers = attribute.qualifiers.as_slice();
        let value = match &attribute.base {
            Base::Local(slot) => self.local(*slot)?,
            Base::Variable(name) => match self.bindings.get(name) {
                Some(value) => value?,
                None => match self.lazy(name, &mut qualifiers)? {
                    Some(value) => value,
                    None => return Err(EvalError::new(format!("no such attribute(s): {name}"))),
                },
            },
            Base::Conditional(parts) => {
                let chosen = match self.eval(&parts.0)? {
                    Value::Bool(true) => &parts.1,
                    Value::Bool(false) => &parts.2,
                    _ => return Err(EvalError::no_overload()),
                };
                return self.resolve(chosen);
            }
            Base::Relative(plan) => self.eval(plan)?,
        };
        self.qualify(value, qualifiers)
    }

    /// A variable whose fields the caller works out one by one, as they are asked for.
    fn lazy(&mut self, name: &str, qualifiers: &mut &'a [Qualifier]) -> Result<Option<Value<'a>>, EvalError> {
        let Some(fields) = self.bindings.fields(name) else { return Ok(None) };
        let Some((first, rest)) = qualifiers.split_first() else {
            return Err(EvalError::new(format!("{name} can only be used by field")));
        };
        let QualifierKey::Constant(Value::String(field)) = &first.key else {
            return Err(EvalError::no_overload());
        };
        self.charge(1)?;
        let found = fields.field(field);
        *qualifiers = rest;
        match (found, first.test, first.optional) {
            (found, true, _) => Ok(Some(Value::Bool(found.is_some()))),
            (Some(value), false, false) => Ok(Some(value?)),
            (Some(value), false, true) => Ok(Some(Value::some(value?))),
            (None, false, true) => Ok(Some(Value::Optional(None))),
            (None, false, false) => Err(EvalError::new(format!("no such key: {}", &**field))),
        }
    }

    fn local(&mut self, slot: usize) -> Evaluated<'a> {
        if let Slot::Lazy { init, result } = self.slots[slot] {
            // It was planned where this slot and those above were not in use yet.
            let above = self.slots.split_off(slot);
            let value = self.absorbed(init);
            self.slots.truncate(slot);
            self.slots.extend(above);
            let value = value?;
            self.slots[slot] = if result { Slot::Result(value) } else { Slot::Known(value) };
        }
        match &mut self.slots[slot] {
            Slot::Result(Ok(value @ (Value::List(_) | Value::Map(_)))) => Ok(std::mem::replace(value, Value::Null)),
            Slot::Result(value) | Slot::Known(value) => value.clone(),
            Slot::Lazy { .. } => Err(EvalError::new("no such attribute(s)")),
        }
    }

    fn qualify(&mut self, value: Value<'a>, qualifiers: &'a [Qualifier]) -> Evaluated<'a> {
        let mut value = value;
        let mut optional = false;
        if let Value::Optional(inner) = &value {
            match inner {
                None => return Ok(value),
                Some(_) if qualifiers.is_empty() => return Ok(value),
                Some(inner) => {
                    optional = true;
                    value = Value::clone(inner);
                }
            }
        }
        for qualifier in qualifiers {
            optional |= qualifier.optional;
            let dynamic;
            let key = match &qualifier.key {
                QualifierKey::Constant(key) => key,
                QualifierKey::Dynamic(attribute) => {
                    dynamic = self.resolve(attribute)?;
                    &dynamic
                }
            };
            let found = lookup(&value, key, optional || qualifier.test);
            if qualifier.test && !optional {
                self.charge(1)?;
                return Ok(Value::Bool(found?.is_some()));
            }
            if !optional {
                self.charge(1)?;
            }
            match found? {
                Some(next) => value = next,
                None if optional => return Ok(Value::Optional(None)),
                None => return Err(missing(&value, key)),
            }
            if optional {
                self.charge(1)?;
            }
        }
        Ok(if optional { Value::some(value) } else { value })
    }

    fn fold(&mut self, fold: &'a Fold) -> Evaluated<'a> {
        if fold.binds {
            self.slots.push(Slot::Lazy { init: &fold.init, result: false });
            self.slots.push(Slot::Known(Ok(Value::Null)));
            let result = self.eval(&fold.result);
            self.slots.truncate(fold.slot);
            return result;
        }
        let range = self.eval(&fold.range)?;
        self.slots.push(Slot::Lazy { init: &fold.init, result: true });
        for _ in 0..=usize::from(fold.two) {
            self.slots.push(Slot::Known(Ok(Value::Null)));
        }
        let result = self.rounds(fold, &range);
        self.slots.truncate(fold.slot);
        result
    }

    fn rounds(&mut self, fold: &'a Fold, range: &Value<'a>) -> Evaluated<'a> {
        match range {
            Value::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    let index = Ok(Value::Int(i64::try_from(index).unwrap_or(i64::MAX)));
                    let (first, second) = if fold.two { (index, Some(item)) } else { (item, None) };
                    if !self.round(fold, first, second)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for key in map.keys() {
                    let second =
                        fold.two.then(|| map.find(&key)?.ok_or_else(|| EvalError::new(format!("no such key: {key}"))));
                    if !self.round(fold, Ok(key), second)? {
                        break;
                    }
                }
            }
            other => {
                return Err(EvalError::new(format!("got '{}', expected iterable type", go_type(other))));
            }
        }
        self.eval(&fold.result)
    }

    /// One round of a loop. False: it is the last.
    fn round(
        &mut self,
        fold: &'a Fold,
        first: Evaluated<'a>,
        second: Option<Evaluated<'a>>,
    ) -> Result<bool, EvalError> {
        self.slots[fold.slot + 1] = Slot::Known(first);
        if let Some(second) = second {
            self.slots[fold.slot + 2] = Slot::Known(second);
        }
        if let Ok(Value::Bool(false)) = self.absorbed(&fold.condition)? {
            return Ok(false);
        }
        let result = self.absorbed(&fold.step)?;
        self.slots[fold.slot] = Slot::Result(result);
        self.rounds += 1;
        if self.rounds >= CHECK_FREQUENCY {
            self.rounds = 0;
            if self.bindings.interrupted() {
                return Err(EvalError { message: "operation interrupted".into(), kind: ErrorKind::Interrupted });
            }
        }
        Ok(true)
    }
}

/// What a key leads to. With `test`, what has no keys has nothing under them; else that is an error.
fn lookup<'a>(value: &Value<'a>, key: &Value<'_>, test: bool) -> Result<Option<Value<'a>>, EvalError> {
    match value {
        Value::Map(map) => map.find(key),
        Value::List(list) => {
            let index = match key {
                Value::Int(index) => *index,
                Value::Uint(index) => match i64::try_from(*index) {
                    Ok(index) => index,
                    Err(_) => return Err(EvalError::new(format!("unsupported index value {key} in list"))),
                },
                Value::Double(number) => match crate::numbers::double_to_int(*number) {
                    Some(index) if number.fract() == 0.0 => index,
                    _ => return Err(EvalError::new(format!("unsupported index value {key} in list"))),
                },
                other => {
                    return Err(EvalError::new(format!("unsupported index type '{}' in list", other.type_name())));
                }
            };
            match usize::try_from(index).ok().and_then(|index| list.get(index)) {
                Some(item) => item.map(Some),
                None => Ok(None),
            }
        }
        _ if test => Ok(None),
        _ => Err(EvalError::new(format!("no such key: {key}"))),
    }
}

/// The Go type that upstream names when a value is no range for a loop.
fn go_type(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "types.Null",
        Value::Bool(_) => "types.Bool",
        Value::Int(_) => "types.Int",
        Value::Uint(_) => "types.Uint",
        Value::Double(_) => "types.Double",
        Value::String(_) => "types.String",
        Value::Bytes(_) => "types.Bytes",
        Value::Duration(_) => "types.Duration",
        Value::Timestamp(_) => "types.Timestamp",
        Value::Optional(_) => "*types.Optional",
        Value::Type(_) => "*types.Type",
        _ => "ref.Val",
    }
}

fn missing(value: &Value<'_>, key: &Value<'_>) -> EvalError {
    match value {
        Value::List(_) => EvalError::new(format!("index out of bounds: {key}")),
        _ => EvalError::new(format!("no such key: {key}")),
    }
}
