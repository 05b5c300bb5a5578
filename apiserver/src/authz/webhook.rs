//! The webhook authorizer: another server is asked, for those questions that its conditions select.
//!
//! Source: apiserver `plugin/pkg/authorizer/webhook`, `pkg/authorization/cel`.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use apiserver_cel::{Bindings, DeclType, Env, PER_CALL_LIMIT, Program, Type, Unusable, Value};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{Attributes, Decision};
use crate::field::{ErrorList, Path};
use crate::webhook_client::WebhookClient;

/// How many answers are remembered, and how long a part of a question may be for that.
const MOST: usize = 8192;
const LONGEST_PART: usize = 10_000;
const MOST_CONDITIONS: usize = 64;

/// What is decided where the server does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    NoOpinion,
    Deny,
}

pub struct Settings {
    pub client: WebhookClient,
    pub version: String,
    pub timeout: Duration,
    /// How long answers are remembered; not at all without.
    pub authorized_ttl: Option<Duration>,
    pub unauthorized_ttl: Option<Duration>,
    pub failure_policy: FailurePolicy,
    pub conditions: Conditions,
}

pub struct Webhook {
    settings: Settings,
    known: Mutex<HashMap<[u8; 32], (Instant, Decision)>>,
}

/// Which questions the server is asked.
#[derive(Default)]
pub struct Conditions(Vec<(Program, String)>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Review {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    allowed: bool,
    denied: bool,
    reason: String,
}

impl Webhook {
    pub fn new(settings: Settings) -> Webhook {
        Webhook { settings, known: Mutex::default() }
    }

    pub async fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        let settings = &self.settings;
        let failed = || match settings.failure_policy {
            FailurePolicy::NoOpinion => Decision::NoOpinion(String::new()),
            FailurePolicy::Deny => Decision::Deny(String::new()),
        };
        let spec = spec(attributes, &settings.version);
        match settings.conditions.select(attributes) {
            Ok(true) => {}
            Ok(false) => return Decision::NoOpinion(String::new()),
            Err(why) => {
                tracing::error!(error = why, "the conditions of an authorization webhook could not be evaluated");
                return failed();
            }
        }
        let key: [u8; 32] = Sha256::digest(spec.to_string()).into();
        if let Some((until, decision)) = self.known.lock().get(&key)
            && Instant::now() < *until
        {
            return decision.clone();
        }
        let review = json!({
            "kind": "SubjectAccessReview",
            "apiVersion": format!("authorization.k8s.io/{}", settings.version),
            "metadata": {"creationTimestamp": null},
            "spec": spec,
            "status": {"allowed": false},
        });
        let answer = settings.client.ask(&review, settings.timeout).await;
        let answer = answer.and_then(|answer| serde_json::from_value(answer).map_err(|error| error.to_string()));
        let Review { status } = match answer {
            Ok(review) => review,
            Err(why) => {
                tracing::error!(error = why, "Failed to make webhook authorizer request");
                return failed();
            }
        };
        let ttl = if status.allowed { settings.authorized_ttl } else { settings.unauthorized_ttl };
        let decision = match (status.denied, status.allowed) {
            (true, _) => Decision::Deny(status.reason),
            (false, true) => Decision::Allow(status.reason),
            (false, false) => Decision::NoOpinion(status.reason),
        };
        if let Some(ttl) = ttl.filter(|_| is_short(attributes)) {
            let mut known = self.known.lock();
            if known.len() >= MOST {
                let now = Instant::now();
                known.retain(|_, (until, _)| now < *until);
            }
            if known.len() < MOST {
                known.insert(key, (Instant::now() + ttl, decision.clone()));
            }
        }
        decision
    }
}

/// Questions about what is very long are not remembered.
fn is_short(attributes: &Attributes<'_>) -> bool {
    let Attributes { verb, group, resource, subresource, namespace, name, path, .. } = attributes;
    [verb, group, resource, subresource, namespace, name, path].iter().map(|part| part.len()).sum::<usize>()
        < LONGEST_PART
}

/// The question as a `SubjectAccessReviewSpec`.
fn spec(attributes: &Attributes<'_>, version: &str) -> Json {
    let user = attributes.user;
    // The older version has another name for groups.
    let groups = if version == "v1beta1" { "group" } else { "groups" };
    let mut spec = json!({});
    let mut set = |name: &str, value: Json, is_empty: bool| {
        if !is_empty {
            spec[name] = value;
        }
    };
    set("user", json!(user.name), user.name.is_empty());
    set("uid", json!(user.uid), user.uid.is_empty());
    set(groups, json!(user.groups), user.groups.is_empty());
    set("extra", json!(user.extra), user.extra.is_empty());
    if attributes.is_resource {
        let parts = [
            ("namespace", attributes.namespace),
            ("verb", attributes.verb),
            ("group", attributes.group),
            ("version", attributes.version),
            ("resource", attributes.resource),
            ("subresource", attributes.subresource),
            ("name", attributes.name),
        ];
        let given = parts.into_iter().filter(|(_, value)| !value.is_empty());
        let mut given: serde_json::Map<String, Json> =
            given.map(|(name, value)| (name.to_owned(), value.into())).collect();
        given.extend(selectors(attributes));
        spec["resourceAttributes"] = given.into();
    } else {
        spec["nonResourceAttributes"] = json!({"path": attributes.path, "verb": attributes.verb});
    }
    spec
}

/// What of many objects the question is about, as far as a review can say it.
fn selectors(attributes: &Attributes<'_>) -> impl Iterator<Item = (String, Json)> {
    let selectors = attributes.selectors;
    [("fieldSelector", selectors.field_requirements()), ("labelSelector", selectors.label_requirements())]
        .into_iter()
        .filter(|(_, requirements)| !requirements.is_empty())
        .map(|(name, requirements)| (name.to_owned(), json!({"requirements": requirements})))
}

static ENV: LazyLock<Env> = LazyLock::new(|| {
    let string = json!({"type": "string"});
    let strings = json!({"type": "array", "items": string});
    let selector = json!({"type": "object", "properties": {
        "rawSelector": string,
        "requirements": {"type": "array", "items": {"type": "object", "properties": {
            "key": string, "operator": string, "values": strings,
        }}},
    }});
    let schema = json!({"type": "object", "properties": {
        "user": string, "uid": string, "groups": strings,
        "extra": {"type": "object", "additionalProperties": strings},
        "resourceAttributes": {"type": "object", "properties": {
            "namespace": string, "verb": string, "group": string, "version": string, "resource": string,
            "subresource": string, "name": string, "fieldSelector": selector, "labelSelector": selector,
        }},
        "nonResourceAttributes": {"type": "object", "properties": {"path": string, "verb": string}},
    }});
    match DeclType::from_schema(&schema, false) {
        Some(decl) => Env::new().typed_variable("request", &decl),
        None => Env::new().variable_of("request", Type::Dyn),
    }
});

impl Conditions {
    /// Compiles expressions over `request`.
    pub fn compile<'a>(
        expressions: impl ExactSizeIterator<Item = &'a str>,
        path: &Path<'_>,
        errors: &mut ErrorList,
    ) -> Conditions {
        let mut compiled: Vec<(Program, String)> = Vec::new();
        if expressions.len() > MOST_CONDITIONS {
            errors.too_many(path, expressions.len(), MOST_CONDITIONS);
            return Conditions::default();
        }
        for (index, expression) in expressions.enumerate() {
            let path = path.index(index);
            let path = path.child("expression");
            if expression.trim().is_empty() {
                errors.required(&path, "");
            } else if compiled.iter().any(|(_, other)| other == expression) {
                errors.duplicate(&path, &json!(expression));
            } else {
                match Program::compile(&ENV, expression) {
                    Ok(program) if *program.output_type() == Type::Bool => {
                        compiled.push((program, expression.to_owned()));
                    }
                    Ok(program) => {
                        let why = format!("must evaluate to bool but got {}", program.output_type());
                        errors.invalid_str(&path, expression, why);
                    }
                    Err(error @ Unusable::Compile(_)) => {
                        errors.invalid_str(&path, expression, format!("compilation failed: {error}"));
                    }
                    Err(error @ Unusable::Instantiate(_)) => {
                        errors.invalid_str(&path, expression, format!("program instantiation failed: {error}"));
                    }
                }
            }
        }
        Conditions(compiled)
    }

    /// Whether all conditions hold. One that does not settles it, even where another cannot be evaluated.
    fn select(&self, attributes: &Attributes<'_>) -> Result<bool, String> {
        if self.0.is_empty() {
            return Ok(true);
        }
        let user = attributes.user;
        let mut request = json!({"user": user.name, "groups": user.groups, "uid": user.uid, "extra": user.extra});
        if attributes.is_resource {
            request["resourceAttributes"] = json!({
                "namespace": attributes.namespace, "verb": attributes.verb, "group": attributes.group,
                "version": attributes.version, "resource": attributes.resource,
                "subresource": attributes.subresource, "name": attributes.name,
            });
            for (name, selector) in selectors(attributes) {
                request["resourceAttributes"][name] = selector;
            }
        } else {
            request["nonResourceAttributes"] = json!({"path": attributes.path, "verb": attributes.verb});
        }
        let mut failed = None;
        for (program, text) in &self.0 {
            let bindings = Bindings::new().with("request", Value::dynamic(&request));
            match program.evaluate(&bindings, PER_CALL_LIMIT).result {
                Ok(Value::Bool(true)) => {}
                Ok(Value::Bool(false)) => return Ok(false),
                Ok(other) => failed = Some(format!("expression '{text}' gave {}", other.type_name())),
                Err(error) => {
                    failed = Some(format!("cel evaluation error: expression '{text}' resulted in error: {error}"));
                }
            }
        }
        failed.map_or(Ok(true), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::User;
    use crate::authz::{NO_SELECTORS, Selectors};

    fn attributes<'a>(user: &'a User, resource: &'a str) -> Attributes<'a> {
        Attributes {
            user,
            verb: "get",
            is_resource: !resource.is_empty(),
            group: "",
            version: "v1",
            resource,
            subresource: "",
            namespace: "default",
            name: "",
            path: "/healthz",
            selectors: &NO_SELECTORS,
        }
    }

    #[test]
    fn conditions_select_questions() {
        let user = User { name: "ann".to_owned(), groups: vec!["dev".to_owned()], ..User::default() };
        let selected = |expressions: &[&str], resource: &str| {
            let mut errors = ErrorList::default();
            let path = Path::new("matchConditions");
            let conditions = Conditions::compile(expressions.iter().copied(), &path, &mut errors);
            assert!(errors.is_empty(), "{}", errors.aggregate());
            conditions.select(&attributes(&user, resource))
        };
        let has = "has(request.resourceAttributes)";
        let secrets = "request.resourceAttributes.resource == 'secrets'";
        assert_eq!(selected(&[], "pods"), Ok(true));
        assert_eq!(selected(&[has, secrets], "secrets"), Ok(true));
        assert_eq!(selected(&[has, secrets], "pods"), Ok(false));
        assert_eq!(selected(&[secrets, has], ""), Ok(false));
        assert!(selected(&[secrets], "").is_err());
        assert_eq!(selected(&["request.user == 'ann' && 'dev' in request.groups"], "pods"), Ok(true));
        let selecting = "has(request.resourceAttributes.fieldSelector)";
        assert_eq!(selected(&[selecting], "pods"), Ok(false));
    }

    #[test]
    fn questions_are_reviews() {
        let user = User { name: "ann".to_owned(), groups: vec!["dev".to_owned()], ..User::default() };
        assert_eq!(
            spec(&attributes(&user, "pods"), "v1"),
            json!({"user": "ann", "groups": ["dev"], "resourceAttributes": {
                "namespace": "default", "verb": "get", "version": "v1", "resource": "pods"}})
        );
        assert_eq!(
            spec(&attributes(&user, ""), "v1beta1"),
            json!({"user": "ann", "group": ["dev"], "nonResourceAttributes": {"path": "/healthz", "verb": "get"}})
        );
        let selectors = Selectors::of_texts("spec.nodeName=n", "a in (b),n>5");
        assert_eq!(
            spec(&Attributes { selectors: &selectors, ..attributes(&user, "pods") }, "v1")["resourceAttributes"],
            json!({
                "namespace": "default", "verb": "get", "version": "v1", "resource": "pods",
                "fieldSelector": {"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n"]}]},
                "labelSelector": {"requirements": [{"key": "a", "operator": "In", "values": ["b"]}]},
            })
        );
    }
}
