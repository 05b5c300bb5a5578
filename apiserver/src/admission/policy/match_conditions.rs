//! Match conditions: expressions that all have to be true, of policies and of webhooks.
//!
//! Source: apiserver `pkg/admission/plugin/webhook/matchconditions`.

use apiserver_cel::admission::{Declared, environment};
use apiserver_cel::{Env, Type, Value as Cel};
use serde_json::Value;

use super::super::Attributes;
use super::super::matching::Seen;
use super::expressions::{self, Evaluation, Expression, Input, named};

/// Upstream's budget for all conditions of one webhook or policy.
const BUDGET: u64 = 2_500_000;

#[derive(Debug, Default)]
pub struct Conditions(Vec<Expression>);

impl Conditions {
    /// Reads the conditions of a policy.
    pub(super) fn compile(list: &Value, env: &Env) -> Conditions {
        Conditions(named(list).map(|(_, text)| Expression::compile(env, text, &[Type::Bool])).collect())
    }

    /// Reads the conditions of a webhook.
    pub fn of_webhook(list: &Value) -> Conditions {
        let declared = Declared { authorizer: true, ..Declared::default() };
        Conditions::compile(list, &environment(declared, None))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all hold, as a webhook sees the request.
    ///
    /// # Errors
    /// None is false, and some have no value: why.
    pub fn hold_for_webhook(
        &self,
        attributes: &Attributes<'_>,
        seen: &Seen,
        object: &Value,
        old: &Value,
    ) -> Result<bool, String> {
        let authorizer = expressions::authorizer(attributes);
        let input = Input {
            object,
            old,
            params: None,
            request: &Value::Null,
            namespace: &Value::Null,
            authorizer: Some(&authorizer),
            variables: &[],
        };
        self.hold(attributes, seen, input)
    }

    /// Whether all hold. They know nothing of the namespace, and the resource as the request names it.
    ///
    /// # Errors
    /// None is false, and some have no value: why.
    pub(super) fn hold(&self, attributes: &Attributes<'_>, seen: &Seen, input: Input<'_>) -> Result<bool, String> {
        if self.is_empty() {
            return Ok(true);
        }
        let mut request = super::super::request::of(attributes, seen);
        request["resource"] = request["requestResource"].clone();
        let evaluation = Evaluation::new(Input { request: &request, namespace: &Value::Null, ..input });
        let mut budget = BUDGET;
        let mut problems = Vec::new();
        for condition in &self.0 {
            match evaluation.evaluate(condition, &mut budget)? {
                Ok(Cel::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(problem) => problems.push(problem),
            }
        }
        match problems.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }
}
