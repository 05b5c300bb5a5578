//! `x-kubernetes-validations` of a custom resource: compiled with its definition, evaluated with every write.
//!
//! Source: apiextensions-apiserver `pkg/apiserver/schema/cel`; KEP-2876, KEP-4008.

use std::sync::Arc;

use apiserver_cel::{
    Bindings, DeclType, Env, ErrorKind, EvalError, PER_CALL_LIMIT, Program, RUNTIME_COST_BUDGET, Type, Unusable, Value,
};
use apiserver_schema::structural::{Node, correlated};
use serde_json::Value as Json;

use crate::field::{Error, ErrorList, ErrorType};
use crate::object::{entries, items, text};

/// The longest message that an expression may give, in bytes.
const MAX_MESSAGE: usize = 5 * 1024;

/// The rules of a place in a schema and below.
pub struct RuleTree {
    decl: Option<Arc<DeclType>>,
    /// The schema's type, as messages show it.
    type_name: Box<str>,
    rules: Vec<Rule>,
    element: Option<Box<RuleTree>>,
    properties: Vec<(Box<str>, RuleTree)>,
}

/// One compiled rule.
pub struct Rule {
    text: Box<str>,
    message: Box<str>,
    message_expression: Option<(Box<str>, Program)>,
    reason: Box<str>,
    field_path: Box<str>,
    optional_old_self: bool,
    uses_old_self: bool,
    program: Result<Program, String>,
}

/// What compiling a rule gave, for the validation of definitions.
pub struct Compiled {
    pub rule: Rule,
    /// What is wrong with the rule or its message's expression, if anything is.
    pub message_error: Option<String>,
    /// The estimated costs.
    pub cost: u64,
    pub message_cost: u64,
}

impl Compiled {
    pub fn error(&self) -> Option<&str> {
        self.rule.program.as_ref().err().map(String::as_str)
    }

    pub fn uses_old_self(&self) -> bool {
        self.rule.uses_old_self
    }
}

/// Compiles one rule, given as the definition has it, on values of a declared type.
pub fn compile_rule(rule: &Json, decl: &Arc<DeclType>) -> Compiled {
    let optional_old_self = rule["optionalOldSelf"] == true;
    let env = Env::new().typed_variable("self", decl);
    let env =
        if optional_old_self { env.optional_variable("oldSelf", decl) } else { env.typed_variable("oldSelf", decl) };
    let unusable = |prefix: &str, error: Unusable| match error {
        Unusable::Compile(_) => format!("{prefix}compilation failed: {error}"),
        Unusable::Instantiate(_) => {
            format!("{}instantiation failed: {error}", if prefix.is_empty() { "program " } else { prefix })
        }
    };
    let expression = text(&rule["rule"]);
    let program = match Program::compile(&env, expression) {
        Err(error) => Err(unusable("", error)),
        Ok(program) if *program.output_type() != Type::Bool => Err("cel expression must evaluate to a bool".to_owned()),
        Ok(program) => Ok(program),
    };
    let uses_old_self = program.as_ref().is_ok_and(|program| program.uses("oldSelf"));
    let cost = program.as_ref().map_or(0, |program| program.estimated_cost().max);
    let mut message_expression = None;
    let (mut message_error, mut message_cost) = (None, 0);
    let source = text(&rule["messageExpression"]);
    if program.is_ok() && !source.is_empty() {
        match Program::compile(&env, source) {
            Err(error) => message_error = Some(unusable("messageExpression ", error)),
            Ok(program) if *program.output_type() != Type::String => {
                message_error = Some("messageExpression must evaluate to a string".to_owned());
            }
            Ok(program) => {
                message_cost = program.estimated_cost().max;
                message_expression = Some((source.into(), program));
            }
        }
    }
    let rule = Rule {
        text: expression.trim().into(),
        message: text(&rule["message"]).trim().into(),
        message_expression,
        reason: text(&rule["reason"]).into(),
        field_path: normalized(text(&rule["fieldPath"])).into(),
        optional_old_self,
        uses_old_self,
        program,
    };
    Compiled { rule, message_error, cost, message_cost }
}

/// A field path as messages have it: names joined by dots, other keys in brackets.
fn normalized(path: &str) -> String {
    path.strip_prefix('.').unwrap_or(path).replace("['", ".").replace("']", "")
}

impl RuleTree {
    /// Compiles the rules of a schema, given as the definition has it; `None` where there are none.
    pub fn compile(schema: &Json) -> Option<RuleTree> {
        if !has_rules(schema) {
            return None;
        }
        Self::build(schema, DeclType::from_schema(schema, true))
    }

    fn build(schema: &Json, decl: Option<Arc<DeclType>>) -> Option<RuleTree> {
        if !has_rules(schema) {
            return None;
        }
        let rules = match &decl {
            Some(decl) => {
                let rules = items(&schema["x-kubernetes-validations"]).iter();
                rules.map(|rule| compile_rule(rule, decl).rule).collect()
            }
            None => Vec::new(),
        };
        let below = |schema: &Json, known: Option<&Arc<DeclType>>| {
            let embedded = schema["x-kubernetes-embedded-resource"] == true;
            let decl = known.cloned().or_else(|| DeclType::from_schema(schema, embedded));
            Self::build(schema, decl)
        };
        let element = if schema["items"].is_object() { &schema["items"] } else { &schema["additionalProperties"] };
        let properties = entries(&schema["properties"]).filter_map(|(name, property)| {
            let known = decl.as_ref().and_then(|decl| decl.property(name));
            Some((name.into(), below(property, known)?))
        });
        Some(RuleTree {
            type_name: text(&schema["type"]).into(),
            rules,
            element: below(element, decl.as_ref().and_then(|decl| decl.element())).map(Box::new),
            properties: properties.collect(),
            decl,
        })
    }

    /// Evaluates the rules on an object that fulfils the schema otherwise.
    pub fn check(&self, node: &Node, object: &Json, old: Option<&Json>, errors: &mut ErrorList) {
        let mut run = Run { budget: i64::try_from(RUNTIME_COST_BUDGET).unwrap_or(i64::MAX), errors };
        let correlation = Correlation { current: old, parent: None, any: old.is_some() };
        run.walk(self, node, "", object, old, correlation);
    }
}

/// Whether there are rules in a schema.
pub fn has_rules(schema: &Json) -> bool {
    !items(&schema["x-kubernetes-validations"]).is_empty()
        || ["items", "additionalProperties"].iter().any(|name| schema[*name].is_object() && has_rules(&schema[*name]))
        || entries(&schema["properties"]).any(|(_, property)| has_rules(property))
}

/// The older values that say whether something was wrong before.
#[derive(Clone, Copy)]
struct Correlation<'a> {
    current: Option<&'a Json>,
    /// Whether the nearest value around that has an older one is equal to it.
    parent: Option<bool>,
    any: bool,
}

struct Run<'a> {
    /// Below zero once it is used up.
    budget: i64,
    errors: &'a mut ErrorList,
}

impl Run<'_> {
    fn walk(
        &mut self,
        tree: &RuleTree,
        node: &Node,
        path: &str,
        value: &Json,
        old: Option<&Json>,
        correlation: Correlation<'_>,
    ) {
        if value.is_null() {
            return;
        }
        self.rules(tree, path, value, old.filter(|old| !old.is_null()), correlation);
        if self.budget < 0 {
            return;
        }
        match value {
            Json::Array(list) => {
                let (Some(element), Some(place)) = (&tree.element, node.element.as_deref()) else { return };
                let old_list = old.and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                for (index, item) in list.iter().enumerate() {
                    let found = correlated(node, list, index, old_list);
                    let below = correlation.below(value, found);
                    self.walk(element, place, &format!("{path}[{index}]"), item, found, below);
                    if self.budget < 0 {
                        return;
                    }
                }
            }
            Json::Object(map) => {
                for (name, member) in map {
                    let found = old.and_then(|old| old.get(name));
                    let own = tree.properties.iter().find(|(known, _)| **known == **name).map(|(_, tree)| tree);
                    let (below, child) = match own {
                        Some(own) => (own, if path.is_empty() { name.clone() } else { format!("{path}.{name}") }),
                        None if node.property(name).is_none() => match &tree.element {
                            Some(element) => (&**element, format!("{path}[{name}]")),
                            None => continue,
                        },
                        None => continue,
                    };
                    let Some(place) = node.member(name) else { continue };
                    self.walk(below, place, &child, member, found, correlation.below(value, found));
                    if self.budget < 0 {
                        return;
                    }
                }
            }
            _ => {}
        }
    }

    fn rules(&mut self, tree: &RuleTree, path: &str, value: &Json, old: Option<&Json>, correlation: Correlation<'_>) {
        let shown_type = || Some(format!("{:?}", tree.type_name));
        let invalid = |detail: String| error(path, ErrorType::Invalid, shown_type(), detail);
        let Some(decl) = &tree.decl else { return };
        for rule in &tree.rules {
            if self.budget <= 0 {
                let why =
                    "validation failed due to running out of cost budget, no further validation rules will be run";
                self.errors.0.push(invalid(why.to_owned()));
                self.budget = -1;
                return;
            }
            let program = match &rule.program {
                Ok(program) => program,
                Err(why) => {
                    self.errors.0.push(invalid(format!("rule compile error: {why}")));
                    continue;
                }
            };
            if rule.uses_old_self && old.is_none() && !rule.optional_old_self {
                continue;
            }
            let bindings = bindings(decl, value, old, rule.optional_old_self);
            let outcome = program.evaluate(&bindings, PER_CALL_LIMIT);
            if !self.pay(outcome.cost) {
                let why =
                    "validation failed due to running out of cost budget, no further validation rules will be run";
                self.errors.0.push(invalid(why.to_owned()));
                return;
            }
            match outcome.result {
                Ok(Value::Bool(true)) => continue,
                Ok(_) => {}
                Err(EvalError { kind: ErrorKind::CostLimit, message }) => {
                    self.errors.0.push(invalid(format!(
                        "'{message}': no further validation rules will be run due to call cost exceeds limit for rule: {}",
                        rule.shown()
                    )));
                    self.budget = -1;
                    return;
                }
                Err(failed) if failed.message.starts_with("no such overload") => {
                    self.errors.0.push(invalid(format!(
                        "'{failed}': call arguments did not match a supported operator, function or macro signature for rule: {}",
                        rule.shown()
                    )));
                    continue;
                }
                Err(failed) => {
                    self.errors.0.push(invalid(format!("{failed} evaluating rule: {}", rule.shown())));
                    continue;
                }
            }
            // What did not change and says nothing of the older value may stay wrong.
            let ratcheted = !rule.uses_old_self && correlation.is_unchanged(value);
            let at = match (&*rule.field_path, path) {
                ("", path) => path.to_owned(),
                (own, "") => own.to_owned(),
                (own, path) => format!("{path}.{own}"),
            };
            let detail = match self.message(rule, &bindings) {
                Ok(detail) => detail,
                Err(why) => {
                    if !ratcheted {
                        self.errors.0.push(error(&at, ErrorType::Invalid, shown_type(), why));
                    }
                    self.budget = -1;
                    return;
                }
            };
            if ratcheted {
                continue;
            }
            let shown = (!matches!(&*tree.type_name, "object" | "array")).then(|| match value {
                Json::String(text) => format!("{text:?}"),
                other => other.to_string(),
            });
            let (kind, shown) = match &*rule.reason {
                "FieldValueForbidden" => (ErrorType::Forbidden, None),
                "FieldValueRequired" => (ErrorType::Required, None),
                "FieldValueDuplicate" => (ErrorType::Duplicate, shown),
                _ => (ErrorType::Invalid, shown),
            };
            // A duplicate is named by its value alone.
            let detail = if kind == ErrorType::Duplicate { String::new() } else { detail };
            self.errors.0.push(error(&at, kind, shown, detail));
        }
    }

    fn pay(&mut self, cost: u64) -> bool {
        let cost = i64::try_from(cost).unwrap_or(i64::MAX);
        self.budget = if cost > self.budget { -1 } else { self.budget - cost };
        self.budget >= 0
    }

    /// The message of a broken rule; an error ends all evaluation.
    fn message<'a>(&mut self, rule: &'a Rule, bindings: &Bindings<'a>) -> Result<String, String> {
        let fallback =
            || if rule.message.is_empty() { format!("failed rule: {}", rule.text) } else { rule.message.to_string() };
        let Some((source, program)) = &rule.message_expression else { return Ok(fallback()) };
        let outcome = program.evaluate(bindings, PER_CALL_LIMIT);
        if !self.pay(outcome.cost) {
            return Err("messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run".to_owned());
        }
        match outcome.result.map(|value| value.to_json()) {
            Err(EvalError { kind: ErrorKind::CostLimit, .. }) => Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {source:?}"
            )),
            Ok(Ok(Json::String(made))) => {
                let made = made.trim();
                let usable = !made.is_empty() && made.len() <= MAX_MESSAGE && !made.contains('\n');
                Ok(if usable { made.to_owned() } else { fallback() })
            }
            _ => Ok(fallback()),
        }
    }
}

impl<'a> Correlation<'a> {
    /// The correlation of a part of `value`, whose older part is `found`.
    fn below(self, value: &Json, found: Option<&'a Json>) -> Correlation<'a> {
        match self.current {
            Some(current) => Correlation { current: found, parent: Some(current == value), any: self.any },
            None => self,
        }
    }

    fn is_unchanged(self, value: &Json) -> bool {
        match self.current {
            Some(old) => old == value,
            None => self.any && self.parent == Some(true),
        }
    }
}

impl Rule {
    fn shown(&self) -> &str {
        if self.message.is_empty() { &self.text } else { &self.message }
    }
}

fn bindings<'a>(decl: &'a DeclType, value: &'a Json, old: Option<&'a Json>, optional: bool) -> Bindings<'a> {
    let mut bindings = Bindings::new().with("self", Value::typed(value, decl));
    match (old, optional) {
        (Some(old), false) => bindings.set("oldSelf", Value::typed(old, decl)),
        (Some(old), true) => bindings.set("oldSelf", Value::typed(old, decl).map(Value::some)),
        (None, true) => bindings.set("oldSelf", Value::Optional(None)),
        (None, false) => {}
    }
    bindings
}

fn error(path: &str, kind: ErrorType, bad_value: Option<String>, detail: String) -> Error {
    let field = if path.is_empty() { "<nil>".to_owned() } else { path.to_owned() };
    Error { kind, field, bad_value, detail }
}
