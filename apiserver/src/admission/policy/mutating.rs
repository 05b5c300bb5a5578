//! MutatingAdmissionPolicy: changes what the user's expressions say.
//!
//! Source: apiserver `pkg/admission/plugin/policy/mutating`.

use std::sync::Arc;

use apiserver_apply::{json_patch, merge_configuration};
use apiserver_cel::admission::{Declared, environment, message};
use apiserver_cel::{RUNTIME_COST_BUDGET, Type, Value as Cel};
use apiserver_schema::{Ref, defaults};
use async_trait::async_trait;
use http::StatusCode;
use serde_json::Value;

use super::super::matching::{self, Seen};
use super::super::{Attributes, Operation, Plugin, webhook};
use super::constraints::Constraints;
use super::expressions::{self, Evaluation, Expression, Input};
use super::match_conditions::Conditions;
use super::parameters::{self, ParamKind};
use super::validating::{both_shown, namespace_of};
use super::{Binding, Read, patch_types, variables};
use crate::body::{self, Expected, FieldValidation};
use crate::object::{self, items, text};
use crate::status::{Cause, Result, Status};

#[derive(Debug)]
struct Policy {
    name: String,
    constraints: Constraints,
    params: Option<ParamKind>,
    ignores_failure: bool,
    if_needed: bool,
    conditions: Conditions,
    variables: Vec<(String, Expression)>,
    mutations: Vec<Mutation>,
}

#[derive(Debug)]
enum Mutation {
    Apply(Expression),
    Patch(Expression),
}

fn read_policy(policy: &Value) -> Policy {
    let spec = &policy["spec"];
    let params = ParamKind::read(&spec["paramKind"]);
    let declared = Declared { params: params.is_some(), authorizer: true, patch_types: false };
    let (variables, types) = variables::compile(&spec["variables"], declared);
    let env = environment(declared, Some(&types));
    let patch_env = environment(Declared { patch_types: true, ..declared }, Some(&types));
    let mutation = |mutation: &Value| match text(&mutation["patchType"]) {
        "JSONPatch" => Mutation::Patch(Expression::compile(
            &patch_env,
            text(&mutation["jsonPatch"]["expression"]),
            &[Type::list(message("JSONPatch"))],
        )),
        _ => Mutation::Apply(Expression::compile(
            &patch_env,
            text(&mutation["applyConfiguration"]["expression"]),
            &[message("Object")],
        )),
    };
    Policy {
        name: object::meta(policy, "name").to_owned(),
        constraints: Constraints::read(&spec["matchConstraints"]),
        params,
        ignores_failure: spec["failurePolicy"] == "Ignore",
        if_needed: spec["reinvocationPolicy"] == "IfNeeded",
        conditions: Conditions::compile(&spec["matchConditions"], &env),
        mutations: items(&spec["mutations"]).iter().map(mutation).collect(),
        variables,
    }
}

pub struct MutatingPolicies {
    policies: Read<Policy>,
    bindings: Read<Binding>,
}

impl Default for MutatingPolicies {
    fn default() -> MutatingPolicies {
        MutatingPolicies {
            policies: Read::new("mutatingadmissionpolicies", read_policy),
            bindings: Read::new("mutatingadmissionpolicybindings", Binding::read),
        }
    }
}

/// What went wrong with policies whose failures count; the first is the message, all are causes.
#[derive(Default)]
struct Failures {
    messages: Vec<String>,
    /// Whether the first one is about evaluating, not about how policies are set up.
    is_invalid: bool,
}

impl Failures {
    fn add(&mut self, policy: &Policy, binding: Option<&Binding>, problem: &str, is_invalid: bool) {
        if policy.ignores_failure {
            return;
        }
        if self.messages.is_empty() {
            self.is_invalid = is_invalid;
        }
        self.messages.push(match binding {
            Some(binding) => {
                format!("policy '{}' with binding '{}' denied request: {problem}", policy.name, binding.name)
            }
            None => format!("policy {:?} denied request: {problem}", policy.name),
        });
    }

    fn misconfigured(&mut self, policy: &Policy, binding: Option<&Binding>, problem: &str) {
        let what = if binding.is_some() { "binding" } else { "policy" };
        self.add(policy, binding, &format!("failed to configure {what}: {problem}"), false);
    }

    fn into_result(self, attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        let Some(first) = self.messages.first() else { return Ok(()) };
        let mut status = attributes.forbidden(object, "admission request denied by policy");
        status.message.clone_from(first);
        if self.is_invalid {
            // The code stays that of a refusal, as upstream has it.
            (status.reason, status.code) = ("Invalid".into(), StatusCode::FORBIDDEN);
        }
        if let Some(details) = &mut status.details {
            details.causes.extend(self.messages.into_iter().map(|message| Cause { message, ..Cause::default() }));
        }
        Err(status)
    }
}

/// One policy, to be applied with one parameter object.
struct Invocation<'p> {
    policy: &'p Policy,
    binding: &'p Binding,
    seen: Seen,
    param: Option<Value>,
}

/// What of a request all policies see alike.
struct Surroundings<'r> {
    attributes: &'r Attributes<'r>,
    namespace: Value,
    authorizer: (Cel<'static>, Cel<'static>),
}

impl Invocation<'_> {
    fn key(&self) -> String {
        let param = self
            .param
            .as_ref()
            .map(|param| format!("{}/{}", object::meta(param, "namespace"), object::meta(param, "name")));
        format!("policy/{}/{}/{}", self.policy.name, self.binding.name, param.unwrap_or_default())
    }

    fn input<'a>(
        &'a self,
        around: &'a Surroundings<'_>,
        object: &'a Value,
        old: &'a Value,
        request: &'a Value,
    ) -> Input<'a> {
        Input {
            object,
            old,
            params: self.param.as_ref(),
            request,
            namespace: &around.namespace,
            authorizer: Some(&around.authorizer),
            variables: &self.policy.variables,
        }
    }

    /// The object with the policy's mutations on it, in the version that the policy sees; none if it has no say.
    ///
    /// # Errors
    /// The request fails whatever the policy says. What the failure policy decides is in `failures`.
    fn run(
        &self,
        around: &Surroundings<'_>,
        object: &Value,
        old: &Value,
        failures: &mut Failures,
    ) -> Result<Option<Run>> {
        let attributes = around.attributes;
        let request = super::super::request::of(attributes, &self.seen);
        let mut failed = |problem: &str| failures.add(self.policy, Some(self.binding), problem, true);
        match self.policy.conditions.hold(attributes, &self.seen, self.input(around, object, old, &request)) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(problem) => {
                failed(&problem);
                return Ok(None);
            }
        }
        let mut run = Run { object: object.clone(), wrote: false };
        if !object.is_object() {
            return Ok(Some(run));
        }
        let ty = webhook::ty(attributes, &self.seen).ok_or_else(|| {
            let (group, version, kind) = &self.seen.kind;
            Status::unavailable(format!(
                "Resource kind {group}/{version}, Kind={kind} not found. There can be a delay between when \
                 CustomResourceDefinitions are created and when they are available."
            ))
        })?;
        for mutation in &self.policy.mutations {
            let input = self.input(around, &run.object, old, &request);
            let changed = match mutated(mutation, input, &ty, &self.seen) {
                Ok(Some(changed)) => changed,
                // A test that failed is no failure: the patch is not for this object.
                Ok(None) => continue,
                Err(problem) => {
                    failed(&problem);
                    continue;
                }
            };
            if let Some(problem) = self.inconvertible(attributes) {
                failed(&problem);
                continue;
            }
            run = Run { object: self.decoded(&ty, &changed)?, wrote: true };
        }
        Ok(Some(run))
    }

    /// Why a built-in object that was changed in another version than the request's cannot be had in that one: upstream
    /// converts by way of an internal form, which there is not here.
    fn inconvertible(&self, attributes: &Attributes<'_>) -> Option<String> {
        let ((group, version, kind), own) = (&self.seen.kind, attributes.kind);
        if attributes.target.custom().is_some() || (group.as_str(), version.as_str()) == (own.group, own.version) {
            return None;
        }
        Some(if group == own.group {
            format!("converting ({version}.{kind}) to ({}.{kind}): unknown conversion", own.version)
        } else {
            let scheme = "pkg/api/legacyscheme/scheme.go:30";
            format!(
                "{version}.{kind} is not suitable for converting to {:?} in scheme {scheme:?}",
                crate::resources::api_version(own.group, own.version)
            )
        })
    }

    /// A patched object as if a client had sent it.
    fn decoded(&self, ty: &Ref<apiserver_schema::Type>, patched: &Value) -> Result<Value> {
        let (group, version, kind) = &self.seen.kind;
        let expected = Expected { group, version, kind, ty, older: &[] };
        let json = serde_json::to_vec(patched).map_err(Status::internal)?;
        let decoded = body::decode_fields(&json, &expected, FieldValidation::Strict, &mut Vec::new());
        let mut decoded = decoded.map_err(|error| match error {
            body::Undecoded::Fields(why) => Status::internal(why),
            body::Undecoded::Kind(status) => Status::internal(status.message),
        })?;
        defaults::apply(ty, &mut decoded);
        Ok(decoded)
    }
}

/// What came of a policy's mutations.
struct Run {
    object: Value,
    /// Whether any wrote, be it what was there.
    wrote: bool,
}

/// The object with one mutation on it; none where a patch's test fails.
///
/// # Errors
/// What the failure policy decides.
fn mutated(
    mutation: &Mutation,
    input: Input<'_>,
    ty: &apiserver_schema::Type,
    seen: &Seen,
) -> std::result::Result<Option<Value>, String> {
    let evaluation = Evaluation::new(input);
    match mutation {
        Mutation::Apply(expression) => {
            let value = evaluated(&evaluation, expression)?;
            patch_types::check_names(&value, "Object").map_err(|problem| format!("type mismatch: {problem}"))?;
            let mut patch = value.to_json().map_err(|error| error.to_string())?;
            object::set(&mut patch, &["apiVersion"], seen.api_version());
            object::set(&mut patch, &["kind"], seen.kind.2.as_str());
            let merged = merge_configuration(ty, input.object, &patch);
            merged.map(Some).map_err(|problem| format!("error applying patch: {problem}"))
        }
        Mutation::Patch(expression) => patched(input.object, &operations(&evaluated(&evaluation, expression)?)?),
    }
}

fn evaluated<'a>(evaluation: &'a Evaluation<'a>, expression: &'a Expression) -> std::result::Result<Cel<'a>, String> {
    if let Err(problem) = &expression.program {
        return Err(problem.to_string());
    }
    let mut budget = RUNTIME_COST_BUDGET;
    evaluation.evaluate(expression, &mut budget).map_err(str::to_owned)?
}

/// The operations of a JSON patch that an expression made.
fn operations(value: &Cel<'_>) -> std::result::Result<Value, String> {
    let mismatch = "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch";
    let Cel::List(list) = value else { return Err(mismatch.to_owned()) };
    let mut operations = Vec::new();
    for item in list.iter() {
        let item = item.map_err(|error| error.to_string())?;
        let Cel::Map(message) = &item else { return Err(mismatch.to_owned()) };
        let value = message.find(&Cel::string("value")).ok().flatten();
        if let Some(value) = &value {
            let named = matches!(value, Cel::Map(apiserver_cel::Map::Owned(entries)) if entries.type_name.is_some());
            if named {
                patch_types::check_names_within(value).map_err(|problem| format!("type mismatch: {problem}"))?;
            }
        }
        let operation = item.to_json().map_err(|error| {
            format!("JSONPath valueExpression evaluated to a type that could not marshal to JSON: {error}")
        })?;
        operations.push(operation);
    }
    Ok(Value::Array(operations))
}

fn patched(object: &Value, operations: &Value) -> std::result::Result<Option<Value>, String> {
    let mut patched = object.clone();
    let patch = serde_json::to_vec(operations).map_err(|error| error.to_string())?;
    match json_patch::apply(&mut patched, &patch) {
        Ok(()) => Ok(Some(patched)),
        Err(error) => {
            let message = error.to_string();
            // Upstream's library words it so: "testing value /path failed: test failed".
            if message.contains("test failed") {
                return Ok(None);
            }
            Err(format!("JSON Patch: {message}"))
        }
    }
}

impl MutatingPolicies {
    /// Which policies have a say, with which parameters.
    async fn invocations<'p>(
        &self,
        policies: &'p [Arc<Policy>],
        bindings: &'p [Arc<Binding>],
        attributes: &Attributes<'_>,
        object: &Value,
        failures: &mut Failures,
    ) -> Vec<Invocation<'p>> {
        let mut invocations = Vec::new();
        let server = attributes.server();
        for policy in policies {
            let own: Vec<&Binding> =
                bindings.iter().map(|binding| &**binding).filter(|binding| binding.policy == policy.name).collect();
            if own.is_empty() {
                continue;
            }
            let seen = match policy.constraints.wants(attributes, object).await {
                Ok(Some(seen)) => seen,
                Ok(None) => continue,
                Err(status) => {
                    failures.misconfigured(policy, None, &status.message);
                    continue;
                }
            };
            let params_of = match policy.params.as_ref().map(|kind| kind.served(server)).transpose() {
                Ok(params_of) => params_of,
                Err(problem) => {
                    failures.misconfigured(policy, None, &problem);
                    continue;
                }
            };
            for binding in own {
                if let Some(constraints) = &binding.constraints {
                    match constraints.wants(attributes, object).await {
                        Ok(Some(_)) => {}
                        Ok(None) => continue,
                        Err(status) => {
                            failures.misconfigured(policy, Some(binding), &status.message);
                            continue;
                        }
                    }
                }
                let kind = policy.params.as_ref().zip(params_of.as_deref());
                match parameters::collect(server, kind, &binding.params, attributes.namespace).await {
                    Ok(params) => invocations.extend(params.into_iter().map(|param| Invocation {
                        policy,
                        binding,
                        seen: seen.clone(),
                        param,
                    })),
                    Err(problem) => failures.misconfigured(policy, Some(binding), &problem),
                }
            }
        }
        invocations
    }
}

#[async_trait]
impl Plugin for MutatingPolicies {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        // A deletion has nothing to change.
        attributes.operation != Operation::Delete
            && self.policies.are_there(attributes.server())
            && !matching::is_exempt(attributes)
    }

    fn is_foreign(&self) -> bool {
        true
    }

    async fn admit(&self, attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        let (policies, bindings) = (self.policies.all(attributes.server()), self.bindings.all(attributes.server()));
        let mut failures = Failures::default();
        let invocations = self.invocations(&policies, &bindings, attributes, object, &mut failures).await;
        if !invocations.is_empty() {
            let namespace = namespace_of(attributes).await?;
            let around = Surroundings { attributes, namespace, authorizer: expressions::authorizer(attributes) };
            let mut wrote = false;
            for invocation in &invocations {
                let key = invocation.key();
                if attributes.reinvocation.is_some_and(|reinvocation| !reinvocation.concerns(&key)) {
                    continue;
                }
                let (shown, old) = match both_shown(attributes, object, &invocation.seen).await {
                    Ok(shown) => shown,
                    Err(problem) => {
                        failures.misconfigured(invocation.policy, None, &problem);
                        continue;
                    }
                };
                let Some(run) = invocation.run(&around, &shown, &old, &mut failures)? else { continue };
                let differs = !object::same(&run.object, &shown);
                wrote |= run.wrote;
                if let Some(reinvocation) = attributes.reinvocation {
                    reinvocation.ran(&key, differs, invocation.policy.if_needed);
                }
                if differs {
                    let back = matching::convert_back(attributes, run.object, &invocation.seen).await;
                    *object = back.map_err(|why| Status::internal(format_args!("failed to convert object: {why}")))?;
                }
            }
            if let (true, Some(reinvocation)) = (wrote, attributes.reinvocation) {
                reinvocation.policies_wrote();
            }
        }
        failures.into_result(attributes, object)
    }
}
