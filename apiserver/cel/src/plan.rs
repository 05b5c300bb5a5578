//! A checked tree made ready for evaluation: names are slots, functions are pointers, constants are folded.
//!
//! The shape follows upstream's planner, since costs are counted by its steps: a chain of selections is one
//! attribute with qualifiers, and the branches of a conditional are attributes that are not counted themselves.

use std::sync::Arc;

use crate::ast::{Comprehension, Entry, Field, Id, Kind, Literal};
use crate::check::{Checked, Reference};
use crate::eval::Evaluator;
use crate::functions::{self, Function};
use crate::macros::ACCUMULATOR;
use crate::run_cost::Rule;
use crate::types::{Name, Type};
use crate::value::{EvalError, Text, Value};

#[derive(Debug)]
pub(crate) enum Plan {
    Const(Value<'static>),
    Attribute(Attribute),
    /// `has()`: whether the last qualifier finds something.
    Has(Attribute),
    And(Box<[Plan; 2]>),
    Or(Box<[Plan; 2]>),
    Equals(Box<[Plan; 2]>),
    Differs(Box<[Plan; 2]>),
    /// `x in [constants]`.
    Member(Box<Plan>, Value<'static>),
    /// `optional.or` and `optional.orValue`: the second is evaluated only if needed.
    OptionalOr {
        parts: Box<[Plan; 2]>,
        unwrap: bool,
    },
    NotStrictlyFalse(Box<Plan>),
    Call(Box<Call>),
    List {
        elements: Vec<(Plan, bool)>,
    },
    Map {
        entries: Vec<(Plan, Plan, bool)>,
        type_name: Option<Name>,
    },
    Fold(Box<Fold>),
}

pub(crate) struct Call {
    pub name: &'static str,
    /// The overload, if the checker could tell which.
    pub overload: Option<&'static str>,
    pub function: Function,
    pub rule: Rule,
    pub args: Vec<Plan>,
    /// The compiled pattern, where it is a constant.
    pub pattern: Option<regex::Regex>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.name, self.args)
    }
}

#[derive(Debug)]
pub(crate) struct Attribute {
    pub base: Base,
    pub qualifiers: Vec<Qualifier>,
}

#[derive(Debug)]
pub(crate) enum Base {
    /// A variable of a loop around.
    Local(usize),
    /// A variable of the caller.
    Variable(Name),
    Conditional(Box<(Plan, Attribute, Attribute)>),
    Relative(Box<Plan>),
}

#[derive(Clone, Debug)]
pub(crate) struct Qualifier {
    pub key: QualifierKey,
    pub optional: bool,
    /// Only whether it is there.
    pub test: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum QualifierKey {
    Constant(Value<'static>),
    Dynamic(Arc<Attribute>),
}

#[derive(Debug)]
pub(crate) struct Fold {
    pub range: Plan,
    /// The slots of the loop: the result, then one or two variables.
    pub slot: usize,
    pub two: bool,
    /// A name is bound, nothing is looped over.
    pub binds: bool,
    pub init: Plan,
    pub condition: Plan,
    pub step: Plan,
    pub result: Plan,
}

/// Plans a checked tree.
///
/// # Errors
/// Constants that cannot be folded, in upstream's words.
pub(crate) fn plan(checked: &Checked) -> Result<Plan, EvalError> {
    let mut planner = Planner { checked, scopes: Vec::new() };
    planner.plan(checked.ast.root)
}

struct Planner<'c> {
    checked: &'c Checked,
    /// The names of the slots in use.
    scopes: Vec<Name>,
}

impl Planner<'_> {
    fn plan(&mut self, id: Id) -> Result<Plan, EvalError> {
        if let Some(reference) = &self.checked.references[id as usize] {
            match reference {
                Reference::Variable(name) => return Ok(self.variable(name)),
                Reference::Type(of) if !matches!(self.checked.ast.kind(id), Kind::Struct { .. }) => {
                    return Ok(Plan::Const(Value::Type(type_name(of).into())));
                }
                _ => {}
            }
        }
        match self.checked.ast.kind(id) {
            Kind::Unspecified | Kind::Ident(_) => Err(EvalError::new("unsupported expr")),
            Kind::Literal(literal) => Ok(Plan::Const(constant(literal))),
            Kind::Select { operand, field, test } => self.select(*operand, field, *test),
            Kind::Call { target, args, .. } => {
                let nodes: Vec<Id> = target.iter().chain(args).copied().collect();
                self.call(id, &nodes)
            }
            Kind::List { elements, optionals } => self.list(elements, optionals),
            Kind::Map(entries) => self.map(entries),
            Kind::Struct { fields, .. } => self.structure(id, fields),
            Kind::Comprehension(c) => self.comprehension(c),
        }
    }

    // What follows are functions of their own so that a level of nesting takes little of the stack.

    fn select(&mut self, operand: Id, field: &Name, test: bool) -> Result<Plan, EvalError> {
        let operand = self.plan(operand)?;
        let key = QualifierKey::Constant(Value::String(Text::Shared(field.clone())));
        let mut attribute = attribute_of(operand);
        attribute.qualify(Qualifier { key, optional: false, test });
        Ok(if test { Plan::Has(attribute) } else { Plan::Attribute(attribute) })
    }

    fn list(&mut self, elements: &[Id], optionals: &[u32]) -> Result<Plan, EvalError> {
        let mut planned = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let optional = optionals.iter().any(|optional| *optional as usize == index);
            planned.push((self.plan(*element)?, optional));
        }
        let constant = planned.iter().all(|(plan, _)| matches!(plan, Plan::Const(_)));
        self.folded(Plan::List { elements: planned }, constant)
    }

    fn map(&mut self, entries: &[Entry]) -> Result<Plan, EvalError> {
        let mut planned = Vec::with_capacity(entries.len());
        for entry in entries {
            planned.push((self.plan(entry.key)?, self.plan(entry.value)?, entry.optional));
        }
        let is_constant = |plan: &Plan| matches!(plan, Plan::Const(_));
        let constant = planned.iter().all(|(key, value, _)| is_constant(key) && is_constant(value));
        self.folded(Plan::Map { entries: planned, type_name: None }, constant)
    }

    fn structure(&mut self, id: Id, fields: &[Field]) -> Result<Plan, EvalError> {
        let mut planned = Vec::with_capacity(fields.len());
        for field in fields {
            let key = Plan::Const(Value::String(Text::Shared(field.name.clone())));
            planned.push((key, self.plan(field.value)?, field.optional));
        }
        let name = self.checked.type_of(id).to_string();
        Ok(Plan::Map { entries: planned, type_name: Some(name.into()) })
    }

    fn comprehension(&mut self, c: &Comprehension) -> Result<Plan, EvalError> {
        let init = self.plan(c.init)?;
        let range = self.plan(c.range)?;
        let slot = self.scopes.len();
        self.scopes.push(c.accumulator.clone());
        self.scopes.push(c.variable.clone());
        self.scopes.extend(c.variable2.clone());
        let condition = self.plan(c.condition)?;
        let step = self.plan(c.step)?;
        // The variables of the loop are not visible in its result, but keep their slots.
        for name in &mut self.scopes[slot + 1..] {
            *name = "".into();
        }
        let result = self.plan(c.result)?;
        self.scopes.truncate(slot);
        let binds = &*c.accumulator != ACCUMULATOR;
        let two = c.variable2.is_some();
        Ok(Plan::Fold(Box::new(Fold { range, slot, two, binds, init, condition, step, result })))
    }

    fn variable(&self, name: &Name) -> Plan {
        let base = match self.scopes.iter().rposition(|known| known == name) {
            Some(slot) => Base::Local(slot),
            None => Base::Variable(name.clone()),
        };
        Plan::Attribute(Attribute { base, qualifiers: Vec::new() })
    }

    /// A constant in place of what is made of constants only.
    fn folded(&self, plan: Plan, constant: bool) -> Result<Plan, EvalError> {
        if !constant {
            return Ok(plan);
        }
        Ok(Plan::Const(Evaluator::constant(&plan)?.into_owned()))
    }

    fn all(&mut self, nodes: &[Id]) -> Result<Vec<Plan>, EvalError> {
        nodes.iter().map(|node| self.plan(*node)).collect()
    }

    fn call(&mut self, id: Id, nodes: &[Id]) -> Result<Plan, EvalError> {
        let Some(Reference::Function(name, overloads)) = &self.checked.references[id as usize] else {
            return Err(EvalError::no_overload());
        };
        let (name, overloads) = (*name, overloads.as_slice());
        let overload = if let [only] = overloads { Some(*only) } else { None };
        let args = self.all(nodes)?;
        self.operation(name, overload, args)
    }

    fn operation(
        &mut self,
        name: &'static str,
        overload: Option<&'static str>,
        args: Vec<Plan>,
    ) -> Result<Plan, EvalError> {
        match (name, <[Plan; 2]>::try_from(args)) {
            ("_&&_", Ok(parts)) => Ok(Plan::And(Box::new(parts))),
            ("_||_", Ok(parts)) => Ok(Plan::Or(Box::new(parts))),
            ("_==_", Ok(parts)) => Ok(Plan::Equals(Box::new(parts))),
            ("_!=_", Ok(parts)) => Ok(Plan::Differs(Box::new(parts))),
            ("_[_]", Ok(parts)) => Ok(index(parts, false)),
            ("_?._" | "_[?_]", Ok(parts)) => Ok(index(parts, true)),
            ("or", Ok(parts)) => Ok(Plan::OptionalOr { parts: Box::new(parts), unwrap: false }),
            ("orValue", Ok(parts)) => Ok(Plan::OptionalOr { parts: Box::new(parts), unwrap: true }),
            ("@in", Ok([item, Plan::Const(Value::List(list))])) if overload == Some("in_list") => {
                member(item, list).or_else(|[item, list]| self.ordinary(name, overload, vec![item, list]))
            }
            (_, Ok(parts)) => self.ordinary(name, overload, parts.into()),
            (_, Err(mut args)) => match (name, args.len()) {
                ("_?_:_", 3) => {
                    let (Some(no), Some(yes), Some(condition)) = (args.pop(), args.pop(), args.pop()) else {
                        return Err(EvalError::no_overload());
                    };
                    let parts = Box::new((condition, attribute_of(yes), attribute_of(no)));
                    let base = Base::Conditional(parts);
                    Ok(Plan::Attribute(Attribute { base, qualifiers: Vec::new() }))
                }
                ("@not_strictly_false", 1) => match args.pop() {
                    Some(arg) => Ok(Plan::NotStrictlyFalse(Box::new(arg))),
                    None => Err(EvalError::no_overload()),
                },
                _ => self.ordinary(name, overload, args),
            },
        }
    }

    fn ordinary(
        &mut self,
        name: &'static str,
        overload: Option<&'static str>,
        args: Vec<Plan>,
    ) -> Result<Plan, EvalError> {
        let function = functions::find(name).ok_or_else(|| EvalError::new(format!("no such overload: {name}")))?;
        let mut pattern = None;
        if matches!(name, "matches" | "find" | "findAll")
            && let Some(Plan::Const(Value::String(text))) = args.get(1)
        {
            let compiled = functions::regex::compile(text);
            pattern = Some(compiled.map_err(|problem| EvalError::new(format!("error parsing regexp: {problem}")))?);
        }
        let conversion = matches!(
            name,
            "bool" | "bytes" | "double" | "duration" | "dyn" | "int" | "string" | "timestamp" | "type" | "uint"
        );
        let constant = conversion && matches!(args.as_slice(), [Plan::Const(_)]);
        let rule = Rule::of(name, overload);
        self.folded(Plan::Call(Box::new(Call { name, overload, function, rule, args, pattern })), constant)
    }
}

impl Attribute {
    /// One more selection. Those of a conditional belong to both its branches.
    fn qualify(&mut self, qualifier: Qualifier) {
        match &mut self.base {
            Base::Conditional(parts) => {
                parts.1.qualify(qualifier.clone());
                parts.2.qualify(qualifier);
            }
            _ => self.qualifiers.push(qualifier),
        }
    }
}

fn attribute_of(plan: Plan) -> Attribute {
    match plan {
        Plan::Attribute(attribute) | Plan::Has(attribute) => attribute,
        other => Attribute { base: Base::Relative(Box::new(other)), qualifiers: Vec::new() },
    }
}

fn index([operand, key]: [Plan; 2], optional: bool) -> Plan {
    let mut attribute = attribute_of(operand);
    let key = match key {
        Plan::Const(value) => QualifierKey::Constant(value),
        other => QualifierKey::Dynamic(Arc::new(attribute_of(other))),
    };
    attribute.qualify(Qualifier { key, optional, test: false });
    Plan::Attribute(attribute)
}

/// Membership in a list of constants, if all are scalars; else the parts are given back.
fn member(item: Plan, list: crate::value::List<'static>) -> Result<Plan, [Plan; 2]> {
    if list.is_empty() {
        return Ok(Plan::Const(Value::Bool(false)));
    }
    let scalar = |item: &Value<'_>| {
        matches!(
            item,
            Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_) | Value::Null
        )
    };
    if list.iter().all(|item| item.as_ref().is_ok_and(scalar)) {
        return Ok(Plan::Member(Box::new(item), Value::List(list)));
    }
    Err([item, Plan::Const(Value::List(list))])
}

fn constant(literal: &Literal) -> Value<'static> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::String(text) => Value::String(Text::Shared(text.clone())),
        Literal::Bytes(bytes) => Value::Bytes(bytes.clone()),
    }
}

/// The name of a type as values have it.
pub(crate) fn type_name(of: &Type) -> String {
    match of {
        Type::Duration => "google.protobuf.Duration".to_owned(),
        Type::Timestamp => "google.protobuf.Timestamp".to_owned(),
        Type::Null => "null_type".to_owned(),
        Type::List(_) => "list".to_owned(),
        Type::Map(..) => "map".to_owned(),
        Type::Opaque(name, _) => name.to_string(),
        other => other.to_string(),
    }
}
