//! Expressions of policies: compiled with the variables that they may mention, evaluated against a request.
//!
//! Source: apiserver `pkg/admission/plugin/cel`.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use apiserver_cel::{
    Attributes as Asked, Authorizer, Bindings, Decision, Env, EvalError, Evaluated, Fields, PER_CALL_LIMIT, Program,
    Type, Value as Cel,
};
use serde_json::Value;

use super::super::Attributes;
use crate::authn::User;
use crate::authz;
use crate::object;
use crate::server::Server;

/// An expression: what it says, and the program or why there is none.
#[derive(Debug)]
pub struct Expression {
    pub text: String,
    pub program: Result<Program, Unusable>,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Whoever wrote it is to blame.
    #[error("{0}")]
    Invalid(String),
    /// It compiles and yet there is no program.
    #[error("{0}")]
    Internal(String),
}

/// A budget ran out; nothing more is evaluated.
pub const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

impl Expression {
    /// Compiles. `returns`: the types that the value may have; any if there are none.
    pub fn compile(env: &Env, text: &str, returns: &[Type]) -> Expression {
        let program = match Program::compile(env, text) {
            Err(apiserver_cel::Unusable::Compile(error)) => {
                Err(Unusable::Invalid(format!("compilation failed: {error}")))
            }
            Err(apiserver_cel::Unusable::Instantiate(error)) => {
                Err(Unusable::Internal(format!("program instantiation failed: {error}")))
            }
            Ok(program) if returns.is_empty() || returns.contains(program.output_type()) => Ok(program),
            Ok(program) => {
                let actual = program.output_type().runtime_name();
                Err(Unusable::Invalid(match returns {
                    [one] => format!("must evaluate to {one} but got {actual}"),
                    many => {
                        let names: Vec<String> = many.iter().map(Type::runtime_name).collect();
                        format!("must evaluate to one of [{}] but got {actual}", names.join(" "))
                    }
                }))
            }
        };
        Expression { text: text.to_owned(), program }
    }
}

/// Answers what an expression asks on behalf of the request's user.
struct RequestAuthorizer {
    server: Arc<Server>,
    user: User,
}

impl Authorizer for RequestAuthorizer {
    fn authorize(&self, asked: &Asked) -> Decision {
        let account;
        let user = match &asked.service_account {
            None => &self.user,
            Some((namespace, name)) => {
                account = User {
                    name: format!("system:serviceaccount:{namespace}:{name}"),
                    groups: vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
                    ..User::default()
                };
                &account
            }
        };
        let selectors = authz::Selectors::of_texts(&asked.field_selector, &asked.label_selector);
        let decision = self.server.authorization.decide(
            &self.server,
            &authz::Attributes {
                user,
                verb: &asked.verb,
                is_resource: asked.path.is_none(),
                group: &asked.group,
                version: "*",
                resource: &asked.resource,
                subresource: &asked.subresource,
                namespace: &asked.namespace,
                name: &asked.name,
                path: asked.path.as_deref().unwrap_or_default(),
                selectors: &selectors,
            },
        );
        Decision { allowed: decision.is_allowed(), reason: decision.reason().to_owned(), error: None }
    }
}

/// The authorizer of a request and its `requestResource`.
pub fn authorizer(attributes: &Attributes<'_>) -> (Cel<'static>, Cel<'static>) {
    let authorizer: Arc<dyn Authorizer> =
        Arc::new(RequestAuthorizer { server: Arc::clone(&attributes.context.server), user: attributes.user().clone() });
    let resource = attributes.target.resource();
    let asked = Asked {
        group: resource.group.to_string(),
        resource: resource.plural.to_string(),
        subresource: attributes.subresource.to_owned(),
        namespace: attributes.namespace.to_owned(),
        name: attributes.name.to_owned(),
        ..Asked::default()
    };
    (Cel::authorizer(Arc::clone(&authorizer)), Cel::resource_authorizer(authorizer, asked))
}

/// The variable `namespaceObject`: a namespace without what only its owners are to see.
pub fn namespace_object(mut namespace: Value) -> Value {
    if let Some(metadata) = namespace.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.remove("ownerReferences");
        metadata.remove("selfLink");
    }
    namespace
}

/// What the expressions of one policy are evaluated with, for one request and one parameter object.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub object: &'a Value,
    pub old: &'a Value,
    pub params: Option<&'a Value>,
    pub request: &'a Value,
    pub namespace: &'a Value,
    pub authorizer: Option<&'a (Cel<'static>, Cel<'static>)>,
    pub variables: &'a [(String, Expression)],
}

/// One go over a policy's expressions; variables are worked out when they are first asked for, and only once.
pub struct Evaluation<'a> {
    input: Input<'a>,
    known: RefCell<Vec<Option<Evaluated<'a>>>>,
    /// What variables have cost since it was last taken off a budget.
    spent: Cell<u64>,
}

impl<'a> Evaluation<'a> {
    pub fn new(input: Input<'a>) -> Evaluation<'a> {
        let known = RefCell::new(vec![None; input.variables.len()]);
        Evaluation { input, known, spent: Cell::new(0) }
    }

    fn bindings(&'a self) -> Bindings<'a> {
        let input = &self.input;
        let mut bindings = Bindings::new()
            .with("object", Cel::dynamic(input.object))
            .with("oldObject", Cel::dynamic(input.old))
            .with("request", Cel::dynamic(input.request))
            .with("namespaceObject", Cel::dynamic(input.namespace))
            .with("params", input.params.map_or(Cel::Null, Cel::dynamic));
        if let Some((authorizer, resource)) = input.authorizer {
            bindings.set("authorizer", authorizer.clone());
            bindings.set("authorizer.requestResource", resource.clone());
        }
        bindings.set_fields("variables", self);
        bindings
    }

    /// Evaluates an expression and takes its cost off the budget. The inner error is of this expression.
    ///
    /// # Errors
    /// The budget ran out.
    pub fn evaluate(
        &'a self,
        expression: &'a Expression,
        budget: &mut u64,
    ) -> Result<Result<Cel<'a>, String>, &'static str> {
        let program = match &expression.program {
            Ok(program) => program,
            Err(problem) => return Ok(Err(format!("compilation error: {problem}"))),
        };
        let outcome = program.evaluate(&self.bindings(), PER_CALL_LIMIT);
        let cost = self.spent.take().saturating_add(outcome.cost);
        *budget = budget.checked_sub(cost).ok_or(OUT_OF_BUDGET)?;
        Ok(outcome.result.map_err(|error| format!("expression '{}' resulted in error: {error}", expression.text)))
    }
}

impl<'a> Fields<'a> for Evaluation<'a> {
    fn field(&'a self, name: &str) -> Option<Evaluated<'a>> {
        let index = self.input.variables.iter().position(|(known, _)| known == name)?;
        if let Some(known) = &self.known.borrow()[index] {
            return Some(known.clone());
        }
        let failed = |problem: String| Err(EvalError::failed(problem));
        let value = match &self.input.variables[index].1.program {
            Err(problem) => failed(format!("composited variable {name:?} fails to compile: {problem}")),
            Ok(program) => {
                let outcome = program.evaluate(&self.bindings(), PER_CALL_LIMIT);
                self.spent.set(self.spent.get().saturating_add(outcome.cost));
                outcome
                    .result
                    .or_else(|error| failed(format!("composited variable {name:?} fails to evaluate: {error}")))
            }
        };
        self.known.borrow_mut()[index] = Some(value.clone());
        Some(value)
    }
}

/// Reads a list of `{name, expression}`.
pub fn named(list: &Value) -> impl Iterator<Item = (&str, &str)> {
    object::items(list).iter().map(|item| (object::text(&item["name"]), object::text(&item["expression"])))
}
