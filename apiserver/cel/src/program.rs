//! Compiled expressions, and what they are evaluated with.

use crate::ast::{Ast, Kind, Literal};
use crate::check::{self, Checked, Reference};
use crate::cost::{self, CostEstimate};
use crate::env::Env;
use crate::eval::Evaluator;
use crate::issues::{CompileError, Issues, Source};
use crate::parser;
use crate::plan::{self, Plan};
use crate::types::{Name, Type};
use crate::validate;
use crate::value::{EvalError, Evaluated, Value};

/// A compiled expression. Compile once, evaluate often, from any thread.
#[derive(Debug)]
pub struct Program {
    plan: Plan,
    output: Type,
    cost: CostEstimate,
    variables: Vec<Name>,
    /// Variables with fields that are selected of them.
    selections: Vec<(Name, Name)>,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It does not parse, or its types do not fit. Upstream prefixes this with `compilation failed: `.
    #[error("{0}")]
    Compile(CompileError),
    /// A constant in it has no value. Upstream prefixes this with `program instantiation failed: `.
    #[error("{0}")]
    Instantiate(EvalError),
}

/// The fields of a variable, worked out only when they are asked for.
pub trait Fields<'a> {
    /// A field's value. `None`: there is no such field.
    fn field(&'a self, name: &str) -> Option<Evaluated<'a>>;
}

/// The values of the variables for one evaluation.
#[derive(Default)]
pub struct Bindings<'a> {
    values: Vec<(&'a str, Evaluated<'a>)>,
    fields: Option<(&'a str, &'a dyn Fields<'a>)>,
    interrupt: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Bindings<'a> {
    /// No variables.
    #[must_use]
    pub fn new() -> Bindings<'a> {
        Bindings::default()
    }

    /// Sets a variable. An `Err` is what reading the variable gives: what [`Value::typed`] said, for example.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: impl Into<Evaluated<'a>>) -> Bindings<'a> {
        self.set(name, value);
        self
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &'a str, value: impl Into<Evaluated<'a>>) {
        let value = value.into();
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.values.push((name, value)),
        }
    }

    /// Sets a variable whose fields are worked out as they are asked for.
    pub fn set_fields(&mut self, name: &'a str, fields: &'a dyn Fields<'a>) {
        self.fields = Some((name, fields));
    }

    /// Asked now and then during long evaluations: true ends them.
    pub fn set_interrupt(&mut self, interrupt: &'a dyn Fn() -> bool) {
        self.interrupt = Some(interrupt);
    }

    pub(crate) fn get(&self, name: &str) -> Option<Evaluated<'a>> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn fields(&self, name: &str) -> Option<&'a dyn Fields<'a>> {
        self.fields.filter(|(known, _)| *known == name).map(|(_, fields)| fields)
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.interrupt.is_some_and(|interrupt| interrupt())
    }
}

impl<'a> From<Value<'a>> for Evaluated<'a> {
    fn from(value: Value<'a>) -> Evaluated<'a> {
        Ok(value)
    }
}

/// What an evaluation gave, and what it cost.
#[derive(Debug)]
pub struct Outcome<'a> {
    pub result: Evaluated<'a>,
    pub cost: u64,
}

impl Program {
    /// Parses, checks, estimates and plans an expression.
    ///
    /// # Errors
    /// See [`Unusable`].
    pub fn compile(env: &Env, expression: &str) -> Result<Program, Unusable> {
        let source = Source::new(expression);
        let checked = checked(env, &source).map_err(Unusable::Compile)?;
        let plan = plan::plan(&checked).map_err(Unusable::Instantiate)?;
        let cost = cost::estimate(env, &checked);
        let mut variables: Vec<Name> = Vec::new();
        for reference in checked.references.iter().flatten() {
            if let Reference::Variable(name) = reference
                && !variables.contains(name)
            {
                variables.push(name.clone());
            }
        }
        let output = checked.type_of(checked.ast.root).clone();
        let selections = selections(&checked.ast);
        Ok(Program { plan, output, cost, variables, selections })
    }

    /// The type of the expression's value.
    #[must_use]
    pub fn output_type(&self) -> &Type {
        &self.output
    }

    /// What an evaluation costs at least and at most, by what is known of the variables' sizes.
    #[must_use]
    pub fn estimated_cost(&self) -> CostEstimate {
        self.cost
    }

    /// Whether the expression mentions a variable.
    #[must_use]
    pub fn uses(&self, variable: &str) -> bool {
        self.variables.iter().any(|name| &**name == variable)
    }

    /// Whether the expression selects a field of a variable, as `variable.field` or `variable.?field`.
    #[must_use]
    pub fn selects(&self, variable: &str, field: &str) -> bool {
        self.selections.iter().any(|(of, name)| &**of == variable && &**name == field)
    }

    /// Evaluates. `limit`: the cost after which the evaluation ends with [`crate::ErrorKind::CostLimit`]; upstream's
    /// limit for one call is [`crate::PER_CALL_LIMIT`].
    #[must_use]
    pub fn evaluate<'a>(&'a self, bindings: &Bindings<'a>, limit: u64) -> Outcome<'a> {
        let mut evaluator = Evaluator::new(bindings, limit);
        let result = evaluator.eval(&self.plan);
        Outcome { result, cost: evaluator.cost }
    }
}

/// The fields that are selected of names.
fn selections(ast: &Ast) -> Vec<(Name, Name)> {
    let selected = ast.nodes.iter().filter_map(|node| match &node.kind {
        Kind::Select { operand, field, .. } => match ast.kind(*operand) {
            Kind::Ident(name) => Some((name.clone(), field.clone())),
            _ => None,
        },
        Kind::Call { target: None, function, args } if &**function == "_?._" => match args.as_slice() {
            [operand, field] => match (ast.kind(*operand), ast.kind(*field)) {
                (Kind::Ident(name), Kind::Literal(Literal::String(field))) => Some((name.clone(), field.clone())),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    selected.collect()
}

fn checked(env: &Env, source: &Source) -> Result<Checked, CompileError> {
    let mut issues = Issues::default();
    let ast = parser::parse(source, &mut issues);
    let (Some(ast), true) = (ast, issues.is_empty()) else { return Err(issues.into_error(source)) };
    let checked = check::check(env, source, ast, &mut issues);
    if issues.is_empty() {
        validate::validate(&checked, source, &mut issues);
    }
    if issues.is_empty() { Ok(checked) } else { Err(issues.into_error(source)) }
}
