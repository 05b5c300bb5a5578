//! ValidatingAdmissionPolicy: refuses, warns or notes what the user's expressions do not allow.
//!
//! Source: apiserver `pkg/admission/plugin/policy/validating`.

use std::collections::BTreeMap;

use apiserver_cel::admission::{Declared, environment};
use apiserver_cel::{RUNTIME_COST_BUDGET, Type, Value as Cel};
use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::matching::{self, Seen};
use super::super::{Attributes, Plugin};
use super::constraints::Constraints;
use super::expressions::{self, Evaluation, Expression, Input};
use super::match_conditions::Conditions;
use super::parameters::{self, ParamKind};
use super::{Binding, Read, variables};
use crate::object::{self, items, text};
use crate::status::{Cause, Result, Status};

/// Longer messages of expressions are not shown.
const LONGEST_MESSAGE: usize = 5 * 1024;
/// Longer audit annotations are cut.
const LONGEST_ANNOTATION: usize = 10 * 1024;

#[derive(Debug)]
struct Policy {
    name: String,
    constraints: Constraints,
    params: Option<ParamKind>,
    ignores_failure: bool,
    conditions: Conditions,
    variables: Vec<(String, Expression)>,
    validations: Vec<Validation>,
    annotations: Vec<(String, Expression)>,
}

#[derive(Debug)]
struct Validation {
    expression: Expression,
    message: String,
    message_expression: Option<Expression>,
    reason: String,
}

fn read_policy(policy: &Value) -> Policy {
    let spec = &policy["spec"];
    let params = ParamKind::read(&spec["paramKind"]);
    let declared = Declared { params: params.is_some(), authorizer: true, patch_types: false };
    let (variables, types) = variables::compile(&spec["variables"], declared);
    let env = environment(declared, Some(&types));
    // Messages may not ask the authorizer.
    let message_env = environment(Declared { authorizer: false, ..declared }, Some(&types));
    let validation = |validation: &Value| Validation {
        expression: Expression::compile(&env, text(&validation["expression"]), &[Type::Bool]),
        message: text(&validation["message"]).trim().to_owned(),
        message_expression: Some(text(&validation["messageExpression"]))
            .filter(|text| !text.is_empty())
            .map(|text| Expression::compile(&message_env, text, &[Type::String])),
        reason: text(&validation["reason"]).to_owned(),
    };
    let annotation = |annotation: &Value| {
        let expression = text(&annotation["valueExpression"]);
        let compiled = Expression::compile(&env, expression, &[Type::String, Type::Null]);
        (text(&annotation["key"]).to_owned(), compiled)
    };
    Policy {
        name: object::meta(policy, "name").to_owned(),
        constraints: Constraints::read(&spec["matchConstraints"]),
        params,
        ignores_failure: spec["failurePolicy"] == "Ignore",
        conditions: Conditions::compile(&spec["matchConditions"], &env),
        validations: items(&spec["validations"]).iter().map(validation).collect(),
        annotations: items(&spec["auditAnnotations"]).iter().map(annotation).collect(),
        variables,
    }
}

/// One validation's verdict against a request: which, why, and upstream's reason.
struct Denial {
    index: usize,
    message: String,
    reason: String,
}

/// What a policy made of a request.
#[derive(Default)]
struct Outcome {
    denials: Vec<Denial>,
    annotations: Vec<(String, String)>,
    /// Audit annotations that failed; they deny whatever the binding's actions are.
    failures: Vec<String>,
}

pub struct ValidatingPolicies {
    policies: Read<Policy>,
    bindings: Read<Binding>,
}

impl Default for ValidatingPolicies {
    fn default() -> ValidatingPolicies {
        ValidatingPolicies {
            policies: Read::new("validatingadmissionpolicies", read_policy),
            bindings: Read::new("validatingadmissionpolicybindings", Binding::read),
        }
    }
}

impl Policy {
    /// What failing to evaluate the whole policy means.
    fn failed(&self, message: String) -> Outcome {
        let denial = Denial { index: 0, message, reason: String::new() };
        Outcome { denials: if self.ignores_failure { Vec::new() } else { vec![denial] }, ..Outcome::default() }
    }

    fn judge(&self, attributes: &Attributes<'_>, seen: &Seen, input: Input<'_>) -> Outcome {
        match self.conditions.hold(attributes, seen, input) {
            Ok(true) => {}
            Ok(false) => return Outcome::default(),
            Err(problem) => return self.failed(problem),
        }
        let evaluation = Evaluation::new(input);
        let mut budget = RUNTIME_COST_BUDGET;
        let mut verdicts = Vec::new();
        for validation in &self.validations {
            match evaluation.evaluate(&validation.expression, &mut budget) {
                Ok(verdict) => verdicts.push(verdict),
                Err(problem) => return self.failed(problem.to_owned()),
            }
        }
        let without = Input { authorizer: None, ..input };
        let messages = Evaluation::new(without);
        let mut outcome = Outcome::default();
        let mut exhausted = None;
        for (index, (validation, verdict)) in self.validations.iter().zip(verdicts).enumerate() {
            let deny = |message: String, reason: &str| Denial { index, message, reason: reason.to_owned() };
            // All message expressions are evaluated, whatever the verdicts, since they share a budget.
            let said = match (&validation.message_expression, exhausted) {
                (Some(expression), None) => match messages.evaluate(expression, &mut budget) {
                    Ok(said) => said.ok(),
                    Err(problem) => {
                        exhausted = Some(problem);
                        None
                    }
                },
                _ => None,
            };
            match verdict {
                Err(problem) if !self.ignores_failure => outcome.denials.push(deny(problem, "")),
                Err(_) | Ok(Cel::Bool(true)) => {}
                Ok(_) => {
                    if let Some(problem) = exhausted {
                        if !self.ignores_failure {
                            outcome.denials.push(deny(format!("failed messageExpression: {problem}"), ""));
                        }
                        continue;
                    }
                    let message = said.as_ref().and_then(shown).unwrap_or_else(|| validation.message.clone());
                    let message = if message.is_empty() {
                        format!("failed expression: {}", validation.expression.text.trim())
                    } else {
                        message
                    };
                    let reason = if validation.reason.is_empty() { "Invalid" } else { &validation.reason };
                    outcome.denials.push(deny(message, reason));
                }
            }
        }
        self.annotate(&Evaluation::new(without), &mut outcome);
        outcome
    }

    fn annotate<'a>(&'a self, evaluation: &'a Evaluation<'a>, outcome: &mut Outcome) {
        let mut budget = RUNTIME_COST_BUDGET;
        for (key, expression) in &self.annotations {
            match evaluation.evaluate(expression, &mut budget) {
                Err(problem) => {
                    *outcome = self.failed(problem.to_owned());
                    return;
                }
                Ok(Err(problem)) if !self.ignores_failure => outcome.failures.push(problem),
                Ok(Err(_) | Ok(Cel::Null)) => {}
                Ok(Ok(Cel::String(value))) => {
                    let value = value.trim();
                    if !value.is_empty() {
                        outcome.annotations.push((key.clone(), cut(value, LONGEST_ANNOTATION).to_owned()));
                    }
                }
                Ok(Ok(other)) => outcome.failures.push(format!(
                    "valueExpression '{}' resulted in unsupported return type: {}. Return type must be either string \
                     or null.",
                    expression.text,
                    other.type_name()
                )),
            }
        }
    }
}

/// What a message expression said, if it can be shown.
fn shown(value: &Cel<'_>) -> Option<String> {
    let Cel::String(text) = value else { return None };
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n');
    fits.then(|| text.to_owned())
}

/// At most so many bytes, whole characters.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A refusal on its way to the client: the first one is shown.
#[derive(Default)]
struct Refusal(Option<(String, String)>);

impl Refusal {
    fn add(&mut self, policy: &Policy, binding: Option<&Binding>, message: &str, reason: &str) {
        if self.0.is_some() {
            return;
        }
        let name = &policy.name;
        let message = match binding {
            Some(binding) => {
                format!("ValidatingAdmissionPolicy '{name}' with binding '{}' denied request: {message}", binding.name)
            }
            None => format!("ValidatingAdmissionPolicy '{name}' denied request: {message}"),
        };
        self.0 = Some((message, reason.to_owned()));
    }

    fn into_result(self, attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        let Some((message, reason)) = self.0 else { return Ok(()) };
        let mut status = attributes.forbidden(object, &message);
        let (reason, code) = match reason.as_str() {
            "Forbidden" => ("Forbidden", StatusCode::FORBIDDEN),
            "Unauthorized" => ("Unauthorized", StatusCode::UNAUTHORIZED),
            "RequestEntityTooLarge" => ("RequestEntityTooLarge", StatusCode::PAYLOAD_TOO_LARGE),
            _ => ("Invalid", StatusCode::UNPROCESSABLE_ENTITY),
        };
        (status.reason, status.code) = (reason.into(), code);
        if let Some(details) = &mut status.details {
            details.causes.push(Cause { message, ..Cause::default() });
        }
        Err(status)
    }
}

impl ValidatingPolicies {
    /// One policy's bindings against a request.
    async fn apply(
        &self,
        policy: &Policy,
        bindings: &[&Binding],
        seen: &Seen,
        attributes: &Attributes<'_>,
        object: &Value,
        refusal: &mut Refusal,
    ) -> Result<()> {
        let server = attributes.server();
        let params_of = match policy.params.as_ref().map(|kind| kind.served(server)).transpose() {
            Ok(params_of) => params_of,
            Err(problem) => {
                self.misconfigured(policy, None, &problem, refusal);
                return Ok(());
            }
        };
        let mut trees: Option<((Value, Value), Value, Value)> = None;
        let authorizer = expressions::authorizer(attributes);
        let mut collected: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for binding in bindings.iter().copied() {
            if let Some(constraints) = &binding.constraints {
                match constraints.wants(attributes, object).await {
                    Ok(Some(_)) => {}
                    Ok(None) => continue,
                    Err(status) => {
                        self.misconfigured(policy, Some(binding), &status.message, refusal);
                        continue;
                    }
                }
            }
            let kind = policy.params.as_ref().zip(params_of.as_deref());
            let params = match parameters::collect(server, kind, &binding.params, attributes.namespace).await {
                Ok(params) => params,
                Err(problem) => {
                    self.misconfigured(policy, Some(binding), &problem, refusal);
                    continue;
                }
            };
            if trees.is_none() {
                let shown = match both_shown(attributes, object, seen).await {
                    Ok(shown) => shown,
                    Err(problem) => {
                        let problem = format!("failed to convert object version: {problem}");
                        self.misconfigured(policy, Some(binding), &problem, refusal);
                        continue;
                    }
                };
                let namespace = namespace_of(attributes).await?;
                trees = Some((shown, super::super::request::of(attributes, seen), namespace));
            }
            let Some(((object, old), request, namespace)) = &trees else { continue };
            for param in &params {
                let input = Input {
                    object,
                    old,
                    params: param.as_ref(),
                    request,
                    namespace,
                    authorizer: Some(&authorizer),
                    variables: &policy.variables,
                };
                let outcome = policy.judge(attributes, seen, input);
                for denial in &outcome.denials {
                    enforce(policy, binding, denial, attributes, refusal);
                }
                for failure in &outcome.failures {
                    refusal.add(policy, Some(binding), failure, "");
                }
                for (key, value) in outcome.annotations {
                    let values = collected.entry(key).or_default();
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
            }
        }
        for (key, values) in collected {
            attributes.context.annotate(format!("{}/{key}", policy.name), values.join(", "));
        }
        Ok(())
    }

    /// The policy or a binding cannot be applied: the failure policy decides.
    fn misconfigured(&self, policy: &Policy, binding: Option<&Binding>, problem: &str, refusal: &mut Refusal) {
        if !policy.ignores_failure {
            let what = if binding.is_some() { "binding" } else { "policy" };
            refusal.add(policy, binding, &format!("failed to configure {what}: {problem}"), "");
        }
    }
}

/// The object and the one before as a policy sees them.
pub(super) async fn both_shown(
    attributes: &Attributes<'_>,
    object: &Value,
    seen: &Seen,
) -> std::result::Result<(Value, Value), String> {
    // Upstream converts the old one first.
    let old = match attributes.old {
        Some(old) => matching::convert(attributes, old, seen).await?,
        None => Value::Null,
    };
    Ok((matching::convert(attributes, object, seen).await?, old))
}

/// Does what a binding wants done about a denial.
fn enforce(policy: &Policy, binding: &Binding, denial: &Denial, attributes: &Attributes<'_>, refusal: &mut Refusal) {
    let message = &denial.message;
    for action in items(&binding.actions) {
        match text(action) {
            "Deny" => refusal.add(policy, Some(binding), message, &denial.reason),
            "Warn" => attributes.context.warn(format!(
                "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {message}",
                policy.name, binding.name
            )),
            "Audit" => {
                let note = json!([{
                    "message": message,
                    "policy": binding.policy,
                    "binding": binding.name,
                    "expressionIndex": denial.index,
                    "validationActions": binding.actions,
                }]);
                attributes.context.annotate("validation.policy.admission.k8s.io/validation_failure", note.to_string());
            }
            _ => {}
        }
    }
}

/// The variable `namespaceObject` of a request; null for what is in no namespace.
pub(super) async fn namespace_of(attributes: &Attributes<'_>) -> Result<Value> {
    if attributes.namespace.is_empty() || attributes.kind.kind == "Namespace" && attributes.kind.group.is_empty() {
        return Ok(Value::Null);
    }
    let of = crate::status::GroupResource { group: "", resource: "namespaces" };
    let found = attributes.server().find("", "namespaces", "", attributes.namespace).await?;
    let namespace = found.ok_or_else(|| Status::not_found(of, attributes.namespace))?;
    Ok(expressions::namespace_object(namespace))
}

#[async_trait]
impl Plugin for ValidatingPolicies {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        self.policies.are_there(attributes.server()) && !matching::is_exempt(attributes)
    }

    async fn validate(&self, attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        let server = attributes.server();
        let bindings = self.bindings.all(server);
        let mut refusal = Refusal::default();
        for policy in self.policies.all(server) {
            let own: Vec<&Binding> =
                bindings.iter().map(|binding| &**binding).filter(|binding| binding.policy == policy.name).collect();
            if own.is_empty() {
                continue;
            }
            match policy.constraints.wants(attributes, object).await {
                Ok(Some(seen)) => self.apply(&policy, &own, &seen, attributes, object, &mut refusal).await?,
                Ok(None) => {}
                Err(status) => self.misconfigured(&policy, None, &status.message, &mut refusal),
            }
        }
        refusal.into_result(attributes, object)
    }
}
