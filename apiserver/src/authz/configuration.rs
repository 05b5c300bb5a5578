//! `AuthorizationConfiguration`, and the flags that say the same: which authorizers are asked, in which order.
//!
//! Source: apiserver `pkg/apis/apiserver/{v1/types.go,validation/validation.go}`, `pkg/kubeapiserver/options/authorization.go`.

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use controllers_component_base::flags::duration;
use serde::Deserialize;
use serde_json::json;

use super::webhook::{self, Conditions, FailurePolicy, Webhook};
use super::{Authorizer, Mode};
use crate::field::{ErrorList, Path};
use crate::flags::Flags;
use crate::webhook_client::WebhookClient;

const KNOWN: [&str; 5] = ["AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"];
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    authorizers: Vec<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    webhook: Option<WebhookEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebhookEntry {
    #[serde(default, rename = "authorizedTTL")]
    authorized_ttl: String,
    cache_authorized_requests: Option<bool>,
    #[serde(default, rename = "unauthorizedTTL")]
    unauthorized_ttl: String,
    cache_unauthorized_requests: Option<bool>,
    #[serde(default)]
    timeout: String,
    #[serde(default)]
    subject_access_review_version: String,
    #[serde(default)]
    match_condition_subject_access_review_version: String,
    #[serde(default)]
    failure_policy: String,
    #[serde(default)]
    connection_info: Connection,
    #[serde(default)]
    match_conditions: Vec<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Connection {
    #[serde(default, rename = "type")]
    kind: String,
    kube_config_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Condition {
    #[serde(default)]
    expression: String,
}

/// The authorizers that the flags ask for, in order.
///
/// # Errors
/// A mode is unknown or named twice, or a file cannot be read or is wrong.
pub fn of_flags(flags: &Flags) -> anyhow::Result<Vec<Authorizer>> {
    let webhook = &flags.authorization_webhook;
    if let Some(path) = &flags.authorization_config {
        anyhow::ensure!(
            flags.authorization_mode.is_none() && !webhook.is_set(),
            "--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined"
        );
        return read(path);
    }
    let always = ["AlwaysAllow".to_owned()];
    let modes = flags.authorization_mode.as_deref().unwrap_or(&always);
    anyhow::ensure!(!modes.is_empty(), "at least one authorization-mode must be passed");
    let has_webhook = modes.iter().any(|mode| mode == "Webhook");
    anyhow::ensure!(
        has_webhook || webhook.authorization_webhook_config_file.is_none(),
        "cannot specify --authorization-webhook-config-file without mode Webhook"
    );
    let mut authorizers = Vec::new();
    for (index, mode) in modes.iter().enumerate() {
        anyhow::ensure!(
            !modes[..index].contains(mode),
            "authorization-mode {modes:?} has mode specified more than once"
        );
        let mode = match mode.as_str() {
            "AlwaysAllow" => Mode::AlwaysAllow,
            "AlwaysDeny" => Mode::AlwaysDeny,
            "Node" => Mode::Node,
            "RBAC" => Mode::Rbac,
            "ABAC" => anyhow::bail!("authorization-mode ABAC is not supported yet"),
            "Webhook" => {
                let path = webhook.authorization_webhook_config_file.as_deref();
                let path = path.context("authorization-mode Webhook's authorization config file not passed")?;
                let version = webhook.authorization_webhook_version.as_deref().unwrap_or("v1beta1");
                anyhow::ensure!(
                    ["v1", "v1beta1"].contains(&version),
                    "unsupported webhook authorizer version {version:?}, supported versions are \"v1\", \"v1beta1\""
                );
                let ttl =
                    |given: Option<Duration>, default| Some(given.unwrap_or(default)).filter(|ttl| !ttl.is_zero());
                Mode::Webhook(Box::new(Webhook::new(webhook::Settings {
                    client: WebhookClient::new(path)?,
                    version: version.to_owned(),
                    timeout: LONGEST,
                    authorized_ttl: ttl(webhook.authorization_webhook_cache_authorized_ttl, Duration::from_secs(300)),
                    unauthorized_ttl: ttl(
                        webhook.authorization_webhook_cache_unauthorized_ttl,
                        Duration::from_secs(30),
                    ),
                    failure_policy: FailurePolicy::NoOpinion,
                    conditions: Conditions::default(),
                })))
            }
            other => anyhow::bail!("authorization-mode {other:?} is not a valid mode"),
        };
        authorizers.push(Authorizer { mode });
    }
    Ok(authorizers)
}

/// Reads a file; unknown fields are errors.
///
/// # Errors
/// It cannot be read, or is wrong.
pub fn read(path: &FilePath) -> anyhow::Result<Vec<Authorizer>> {
    let named = || format!("failed to load AuthorizationConfiguration from file {:?}", path.display().to_string());
    let bytes = std::fs::read(path).with_context(named)?;
    let configuration = parse(&bytes).with_context(named)?;
    let mut errors = ErrorList::default();
    let authorizers = compile(configuration, &mut errors)?;
    anyhow::ensure!(errors.is_empty(), "{}", errors.aggregate());
    Ok(authorizers)
}

fn parse(bytes: &[u8]) -> anyhow::Result<Configuration> {
    let tree = apiserver_schema::yaml::to_value(bytes)?;
    let configuration: Configuration = serde_json::from_value(tree).context("strict decoding error")?;
    let known = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"];
    anyhow::ensure!(
        configuration.kind == "AuthorizationConfiguration" && known.contains(&configuration.api_version.as_str()),
        "no kind {:?} is registered for version {:?}",
        configuration.kind,
        configuration.api_version
    );
    Ok(configuration)
}

fn compile(configuration: Configuration, errors: &mut ErrorList) -> anyhow::Result<Vec<Authorizer>> {
    let root = Path::new("authorizers");
    if configuration.authorizers.is_empty() {
        errors.required(&root, "at least one authorization mode must be defined");
    }
    let mut authorizers = Vec::new();
    let mut kinds: Vec<String> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, entry) in configuration.authorizers.into_iter().enumerate() {
        let path = root.index(index);
        let kind = path.child("type");
        if entry.kind.is_empty() {
            errors.required(&kind, "");
            continue;
        }
        if !KNOWN.contains(&entry.kind.as_str()) {
            errors.not_supported(&kind, &json!(entry.kind), &KNOWN);
            continue;
        }
        if entry.kind != "Webhook" && kinds.contains(&entry.kind) {
            errors.duplicate(&kind, &json!(entry.kind));
            continue;
        }
        let name = path.child("name");
        if entry.name.is_empty() {
            errors.required(&name, "");
        } else if names.contains(&entry.name) {
            errors.duplicate(&name, &json!(entry.name));
        }
        kinds.push(entry.kind.clone());
        names.push(entry.name);
        let mode = match (entry.kind.as_str(), entry.webhook) {
            ("Webhook", None) => {
                errors.required(&path.child("webhook"), "required when type=Webhook");
                continue;
            }
            ("Webhook", Some(webhook)) => match settings(webhook, &path, errors)? {
                Some(settings) => Mode::Webhook(Box::new(Webhook::new(settings))),
                None => continue,
            },
            (_, Some(_)) => {
                let webhook = path.child("webhook");
                errors.invalid_str(&webhook, "non-null", "may only be specified when type=Webhook");
                continue;
            }
            ("AlwaysAllow", None) => Mode::AlwaysAllow,
            ("AlwaysDeny", None) => Mode::AlwaysDeny,
            ("Node", None) => Mode::Node,
            (_, None) => Mode::Rbac,
        };
        authorizers.push(Authorizer { mode });
    }
    Ok(authorizers)
}

fn settings(entry: WebhookEntry, path: &Path<'_>, errors: &mut ErrorList) -> anyhow::Result<Option<webhook::Settings>> {
    let mut time = |name: &'static str, text: &str, longest: Option<Duration>| {
        let path = path.child(name);
        let time = duration(text).unwrap_or_default();
        if time.is_zero() {
            errors.required(&path, "");
        } else if longest.is_some_and(|longest| time > longest) {
            errors.invalid_str(&path, text, "must be > 0s and <= 30s");
        }
        time
    };
    let timeout = time("timeout", &entry.timeout, Some(LONGEST));
    // Left out they are what the flags have by default.
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let authorized_ttl = time("authorizedTTL", &or(entry.authorized_ttl, "5m"), None);
    let unauthorized_ttl = time("unauthorizedTTL", &or(entry.unauthorized_ttl, "30s"), None);
    let mut word = |name: &'static str, text: &str, known: &[&str]| {
        let path = path.child(name);
        if text.is_empty() {
            errors.required(&path, "");
        } else if !known.contains(&text) {
            errors.not_supported(&path, &json!(text), known);
        }
    };
    word("subjectAccessReviewVersion", &entry.subject_access_review_version, &["v1", "v1beta1"]);
    word("failurePolicy", &entry.failure_policy, &["NoOpinion", "Deny"]);
    let version = path.child("matchConditionSubjectAccessReviewVersion");
    match entry.match_condition_subject_access_review_version.as_str() {
        "" if !entry.match_conditions.is_empty() => {
            errors.required(&version, "required if match conditions are specified");
        }
        "" | "v1" => {}
        other => errors.not_supported(&version, &json!(other), &["v1"]),
    }
    let connection = path.child("connectionInfo");
    let file = connection.child("kubeConfigFile");
    let mut client = None;
    match (entry.connection_info.kind.as_str(), entry.connection_info.kube_config_file) {
        ("", _) => errors.required(&connection.child("type"), ""),
        ("KubeConfigFile", None) => errors.required(&file, ""),
        ("KubeConfigFile", Some(path)) if !path.is_absolute() => {
            errors.invalid_str(&file, &path.display().to_string(), "must be an absolute path");
        }
        ("KubeConfigFile", Some(path)) => match WebhookClient::new(&path) {
            Ok(made) => client = Some(made),
            Err(error) => {
                let why = format!("error loading file: {error:#}");
                errors.invalid_str(&file, &path.display().to_string(), why);
            }
        },
        ("InClusterConfig", _) => {
            errors.forbidden(&connection.child("type"), "InClusterConfig is not supported yet");
        }
        (other, _) => {
            errors.not_supported(&connection.child("type"), &json!(other), &["InClusterConfig", "KubeConfigFile"]);
        }
    }
    let expressions = entry.match_conditions.iter().map(|condition| condition.expression.as_str());
    let conditions = Conditions::compile(expressions, &path.child("matchConditions"), errors);
    let Some(client) = client else { return Ok(None) };
    let is_cached = |cached: Option<bool>| cached.unwrap_or(true);
    Ok(Some(webhook::Settings {
        client,
        version: entry.subject_access_review_version,
        timeout,
        authorized_ttl: is_cached(entry.cache_authorized_requests).then_some(authorized_ttl),
        unauthorized_ttl: is_cached(entry.cache_unauthorized_requests).then_some(unauthorized_ttl),
        failure_policy: if entry.failure_policy == "Deny" { FailurePolicy::Deny } else { FailurePolicy::NoOpinion },
        conditions,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn judged(authorizers: Value) -> String {
        let tree = json!({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration",
            "authorizers": authorizers,
        });
        let mut errors = ErrorList::default();
        compile(parse(tree.to_string().as_bytes()).unwrap(), &mut errors).unwrap();
        if errors.is_empty() { String::new() } else { errors.aggregate() }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        assert_eq!(judged(json!([{"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"}])), "");
        assert_eq!(judged(json!([])), "authorizers: Required value: at least one authorization mode must be defined");
        assert_eq!(judged(json!([{"type": "Node"}])), "authorizers[0].name: Required value");
        assert_eq!(
            judged(json!([{"type": "Node", "name": "a"}, {"type": "Node", "name": "b"}])),
            "authorizers[1].type: Duplicate value: \"Node\""
        );
        assert_eq!(
            judged(json!([{"type": "Other", "name": "a"}])),
            "authorizers[0].type: Unsupported value: \"Other\": supported values: \"AlwaysAllow\", \"AlwaysDeny\", \"Node\", \"RBAC\", \"Webhook\""
        );
        let told = judged(json!([{"type": "Webhook", "name": "a", "webhook": {
            "timeout": "31s", "subjectAccessReviewVersion": "v1", "failurePolicy": "Deny",
            "matchConditionSubjectAccessReviewVersion": "v1",
            "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "relative"},
            "matchConditions": [{"expression": "request.nonsense == 'a'"}],
        }}]));
        for part in [
            "authorizers[0].timeout: Invalid value: \"31s\": must be > 0s and <= 30s",
            "authorizers[0].connectionInfo.kubeConfigFile: Invalid value: \"relative\": must be an absolute path",
            "authorizers[0].matchConditions[0].expression: Invalid value: \"request.nonsense == 'a'\": compilation failed: ",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }
}
