//! MutatingAdmissionWebhook and ValidatingAdmissionWebhook: the user's own servers are asked.
//!
//! Source: apiserver `pkg/admission/plugin/webhook`. Mutating ones are asked one after the other, each seeing what
//! the ones before have changed; validating ones all at once. Where no webhook is configured, nothing is done at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use apiserver_apply::json_patch;
use apiserver_schema::defaults;
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::matching::{self, Seen};
use super::{Attributes, Plugin};
use crate::body::{self, Expected, FieldValidation};
use crate::client_config::Clients;
use crate::object;
use crate::resources::api_version;
use crate::status::{Result, Status};

mod hooks;
mod review;

use hooks::{Hook, Hooks};
use review::Verdict;

pub use hooks::ty;

const MUTATION: &str = "mutation.webhook.admission.k8s.io/";
const PATCH: &str = "patch.webhook.admission.k8s.io/";
const VALIDATION_FAILED_OPEN: &str = "failed-open.validating.webhook.admission.k8s.io/";

/// What the rounds of one request's mutation have to remember.
#[derive(Default)]
pub struct Reinvocation {
    round: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    wanted: bool,
    /// The object as the webhooks left it.
    last: Option<Value>,
    /// Webhooks that want to see what others change after them.
    invoked: Vec<String>,
    again: Vec<String>,
}

impl Reinvocation {
    /// Whether all plugins have to run once more; they do so at most once.
    pub fn begin_again(&self) -> bool {
        let wanted = self.state.lock().wanted;
        wanted && self.round.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether a policy has a say in this round: in the second one only if something changed after it.
    pub fn concerns(&self, policy: &str) -> bool {
        self.round() == 0 || self.state.lock().again.iter().any(|again| again == policy)
    }

    /// Notes that a policy has had its say.
    pub fn ran(&self, policy: &str, changed: bool, if_needed: bool) {
        let mut state = self.state.lock();
        if changed {
            state.require_again();
            state.wanted = true;
        }
        if if_needed {
            state.invoked.push(policy.to_owned());
        }
    }

    /// Notes that policies wrote the object anew, changed or not: in the second round all that may come again do.
    pub fn policies_wrote(&self) {
        if self.round() == 0 {
            let mut state = self.state.lock();
            state.require_again();
            state.wanted = true;
        }
    }

    fn round(&self) -> u32 {
        self.round.load(Ordering::Relaxed)
    }
}

impl State {
    fn require_again(&mut self) {
        self.again.append(&mut self.invoked);
    }
}

/// Why a webhook did not let a request pass.
enum Refused {
    /// It could not be asked, or its answer made no sense: its failure policy decides.
    Failed { why: String, code: u16 },
    /// It said no.
    Denied(Status),
    /// Something is wrong here.
    Internal(Status),
}

/// Both plugins; each has its configurations and connections of its own.
pub struct Webhooks {
    mutating: bool,
    hooks: Hooks,
    clients: Clients,
}

impl Webhooks {
    pub fn mutating() -> Webhooks {
        Webhooks { mutating: true, hooks: Hooks::new("mutatingwebhookconfigurations"), clients: Clients::default() }
    }

    pub fn validating() -> Webhooks {
        Webhooks { mutating: false, hooks: Hooks::new("validatingwebhookconfigurations"), clients: Clients::default() }
    }

    /// What metrics call the plugin.
    fn kind(&self) -> &'static str {
        if self.mutating { "admit" } else { "validating" }
    }

    /// How the hook sees the request, if it wants to.
    async fn wants(&self, hook: &Hook, attributes: &Attributes<'_>, object: &Value) -> Result<Option<Seen>> {
        let in_namespace = matching::namespace_is_selected(&hook.namespaces, attributes, object).await;
        if matches!(in_namespace, Ok(false)) || !matching::object_is_selected(&hook.objects, attributes, object) {
            return Ok(None);
        }
        let Some(seen) = matching::seen(&hook.rules, hook.equivalent, attributes) else { return Ok(None) };
        in_namespace?;
        if hook.conditions.is_empty() {
            return Ok(Some(seen));
        }
        let shown = matching::convert(attributes, object, &seen).await.map_err(Status::internal)?;
        let old = shown_old(attributes, &seen).await?;
        match hook.conditions.hold_for_webhook(attributes, &seen, &shown, &old) {
            Ok(true) => Ok(Some(seen)),
            Ok(false) => Ok(None),
            // What cannot be evaluated is decided by the failure policy.
            Err(_) if hook.ignores_failure => Ok(None),
            Err(problem) => Err(Status::forbidden(attributes.target.group_resource(), attributes.name, problem)),
        }
    }

    /// Asks the hook; counts and notes what came of it.
    async fn ask(
        &self,
        hook: &Hook,
        seen: &Seen,
        attributes: &Attributes<'_>,
        object: &Value,
    ) -> std::result::Result<Verdict, Refused> {
        let started = Instant::now();
        let outcome = self.call(hook, seen, attributes, object).await;
        let (code, error, rejected) = match &outcome {
            Ok(_) => (200, "", false),
            Err(Refused::Failed { code, .. }) => (*code, "calling_webhook_error", !hook.ignores_failure),
            Err(Refused::Denied(status)) => (status.code.as_u16(), "no_error", true),
            Err(Refused::Internal(_)) => (0, "apiserver_internal_error", true),
        };
        let operation = attributes.operation.name();
        let metrics = &attributes.server().metrics.webhooks;
        metrics.asked(&hook.name, self.kind(), operation, code, rejected, started.elapsed());
        if rejected {
            metrics.rejected(&hook.name, self.kind(), operation, error, code);
        }
        outcome
    }

    async fn call(
        &self,
        hook: &Hook,
        seen: &Seen,
        attributes: &Attributes<'_>,
        object: &Value,
    ) -> std::result::Result<Verdict, Refused> {
        if attributes.dry_run && !matches!(hook.side_effects.as_str(), "None" | "NoneOnDryRun") {
            let why = format!("admission webhook {:?} does not support dry run", hook.name);
            return Err(Refused::Internal(Status::bad_request(why)));
        }
        let failed = |why: String, code: u16| Refused::Failed { why, code };
        let old = shown_old(attributes, seen).await.map_err(Refused::Internal)?;
        let (uid, request) = review::request(hook, seen, attributes, object, &old)
            .map_err(|why| failed(format!("could not create admission objects: {why}"), 400))?;
        let timeout = Duration::from_secs(hook.timeout_seconds);
        let answer = self
            .clients
            .post(attributes.server(), &hook.client, request.to_string().into(), timeout)
            .await
            .map_err(|failure| failed(format!("failed to call webhook: {}", failure.why), failure.code))?;
        let verdict = review::verdict(&answer, &uid, hook, self.mutating)
            .map_err(|why| failed(format!("received invalid webhook response: {why}"), 503))?;
        for (key, value) in &verdict.audit_annotations {
            attributes.context.annotate(format!("{}/{key}", hook.name), value);
        }
        for warning in &verdict.warnings {
            attributes.context.warn(warning);
        }
        match verdict.denied {
            Some(denied) => Err(Refused::Denied(denied)),
            None => Ok(verdict),
        }
    }

    /// What becomes of the request when the hook did not let it pass; nothing if that does not matter.
    fn settle(&self, hook: &Hook, refused: Refused, attributes: &Attributes<'_>, open: String) -> Result<()> {
        match refused {
            Refused::Denied(status) | Refused::Internal(status) => Err(status),
            Refused::Failed { why, .. } => {
                let why = format!("failed calling webhook {:?}: {why}", hook.name);
                if !hook.ignores_failure {
                    tracing::warn!("failing closed: {why}");
                    return Err(Status::internal(why));
                }
                tracing::warn!("failing open: {why}");
                attributes.server().metrics.webhooks.failed_open(&hook.name, self.kind());
                attributes.context.annotate(open, hook.name.as_str());
                Ok(())
            }
        }
    }

    async fn mutate(&self, hooks: &[Arc<Hook>], attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        let none = Reinvocation::default();
        let reinvocation = attributes.reinvocation.unwrap_or(&none);
        let round = reinvocation.round();
        if round > 0 {
            let mut state = reinvocation.state.lock();
            if state.last.as_ref().is_none_or(|last| !object::same(last, object)) {
                state.require_again();
            }
        }
        for (index, hook) in hooks.iter().enumerate() {
            let Some(seen) = self.wants(hook, attributes, object).await? else { continue };
            if round > 0 && !reinvocation.state.lock().again.contains(&hook.uid) {
                continue;
            }
            let shown = matching::convert(attributes, object, &seen).await.map_err(Status::internal)?;
            let place = format!("round_{round}_index_{index}");
            let outcome = match self.ask(hook, &seen, attributes, &shown).await {
                Ok(verdict) => self.patched(hook, &seen, attributes, &shown, &verdict, &place),
                Err(refused) => Err(refused),
            };
            let changed = matches!(&outcome, Ok(Some(patched)) if !object::same(patched, &shown));
            attributes.context.annotate(
                format!("{MUTATION}{place}"),
                json!({"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}).to_string(),
            );
            {
                let mut state = reinvocation.state.lock();
                if changed {
                    state.require_again();
                    state.wanted = true;
                }
                if hook.if_needed {
                    state.invoked.push(hook.uid.clone());
                }
            }
            match outcome {
                Ok(Some(patched)) => {
                    let back = matching::convert_back(attributes, patched, &seen).await;
                    *object = back.map_err(Status::internal)?;
                }
                Ok(None) => {}
                Err(refused) => self.settle(hook, refused, attributes, format!("failed-open.{MUTATION}{place}"))?,
            }
        }
        reinvocation.state.lock().last = Some(object.clone());
        Ok(())
    }

    /// The object with the webhook's patch on it, decoded and defaulted as if a client had sent it.
    fn patched(
        &self,
        hook: &Hook,
        seen: &Seen,
        attributes: &Attributes<'_>,
        object: &Value,
        verdict: &Verdict,
        place: &str,
    ) -> std::result::Result<Option<Value>, Refused> {
        let Some(patch) = &verdict.patch else { return Ok(None) };
        let internal = |why: &dyn std::fmt::Display| Refused::Internal(Status::internal(why));
        let parsed: Value = serde_json::from_slice(patch).map_err(|error| Refused::Failed {
            why: format!("received undecodable patch in webhook response: {error}"),
            code: 503,
        })?;
        if parsed.as_array().is_some_and(Vec::is_empty) || parsed.is_null() {
            return Ok(None);
        }
        if !object.is_object() {
            return Err(internal(&format_args!(
                "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                hook.name
            )));
        }
        if verdict.patch_type != "JSONPatch" {
            return Err(Refused::Failed { why: format!("unsupported patch type {:?}", verdict.patch_type), code: 400 });
        }
        let mut patched = object.clone();
        json_patch::apply(&mut patched, patch).map_err(|error| internal(&error.status_message()))?;
        let (group, version, kind) = &seen.kind;
        let ty = hooks::ty(attributes, seen)
            .ok_or_else(|| internal(&format_args!("no type for {}, Kind={kind}", api_version(group, version))))?;
        let expected = Expected { group, version, kind, ty: &ty, older: &[] };
        let json = serde_json::to_vec(&patched).map_err(|error| internal(&error))?;
        let mut decoded = body::decode_fields(&json, &expected, FieldValidation::Ignore, &mut Vec::new()).map_err(
            |error| match error {
                body::Undecoded::Fields(why) => internal(&why),
                body::Undecoded::Kind(status) => internal(&status.message),
            },
        )?;
        defaults::apply(&ty, &mut decoded);
        attributes.context.annotate(
            format!("{PATCH}{place}"),
            json!({
                "configuration": hook.configuration, "webhook": hook.name, "patch": parsed, "patchType": "JSONPatch",
            })
            .to_string(),
        );
        Ok(Some(decoded))
    }

    async fn check(&self, hooks: &[Arc<Hook>], attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        let mut asked = Vec::new();
        for hook in hooks {
            if let Some(seen) = self.wants(hook, attributes, object).await? {
                let shown = matching::convert(attributes, object, &seen).await.map_err(Status::internal)?;
                asked.push((hook, seen, shown));
            }
        }
        let calls = asked.iter().enumerate().map(|(index, (hook, seen, shown))| async move {
            match self.ask(hook, seen, attributes, shown).await {
                Ok(_) => Ok(()),
                Err(refused) => {
                    let open = format!("{VALIDATION_FAILED_OPEN}round_0_index_{index}");
                    self.settle(hook, refused, attributes, open)
                }
            }
        });
        join_all(calls).await.into_iter().collect()
    }
}

/// The object before, as the hook sees it.
async fn shown_old(attributes: &Attributes<'_>, seen: &Seen) -> Result<Value> {
    let Some(old) = attributes.old else { return Ok(Value::Null) };
    matching::convert(attributes, old, seen).await.map_err(Status::internal)
}

#[async_trait]
impl Plugin for Webhooks {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        !matching::is_exempt(attributes) && self.hooks.are_there(attributes.server())
    }

    fn is_foreign(&self) -> bool {
        self.mutating
    }

    async fn admit(&self, attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        if !self.mutating {
            return Ok(());
        }
        let hooks = self.hooks.all(attributes.server());
        self.mutate(&hooks, attributes, object).await
    }

    async fn validate(&self, attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        if self.mutating {
            return Ok(());
        }
        let hooks = self.hooks.all(attributes.server());
        self.check(&hooks, attributes, object).await
    }
}
