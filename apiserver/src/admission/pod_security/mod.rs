//! PodSecurity: pods keep to the standard that their namespace asks for.
//!
//! Source: `staging/src/k8s.io/pod-security-admission/admission`, `plugin/pkg/admission/security/podsecurity`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::field::ErrorList;
use crate::object::{self, items, text};
use crate::resources::names;
use crate::status::{Result, Status};

mod checks;
mod policy;
#[cfg(test)]
mod tests;

use checks::Violation;
use policy::{Level, LevelVersion, PREFIX, Policy, Version};

/// How many pods of a namespace are looked at when its labels become stricter.
const MAX_PODS: usize = 3000;

/// Subresources of pods that change nothing the standards are about.
const IGNORED: &[&str] = &["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];

pub struct PodSecurity {
    defaults: Policy,
    namespaces: Vec<String>,
    users: Vec<String>,
    runtime_classes: Vec<String>,
}

impl PodSecurity {
    /// Reads a `PodSecurityConfiguration`.
    pub fn new(configuration: &Value) -> anyhow::Result<PodSecurity> {
        let api_version = text(&configuration["apiVersion"]);
        let known =
            ["v1", "v1beta1", "v1alpha1"].map(|version| format!("pod-security.admission.config.k8s.io/{version}"));
        anyhow::ensure!(
            configuration.is_null() || known.iter().any(|known| known == api_version),
            "PodSecurity: no kind {} is registered for version {api_version:?}",
            configuration["kind"]
        );
        let mode = |name: &str| -> anyhow::Result<LevelVersion> {
            let defaults = &configuration["defaults"];
            let version_name = format!("{name}-version");
            let level = defaults[name].as_str().filter(|level| !level.is_empty()).unwrap_or("privileged");
            let version =
                defaults[version_name.as_str()].as_str().filter(|version| !version.is_empty()).unwrap_or("latest");
            let invalid =
                |field: &str, value: &str| format!("PodSecurity invalid: defaults.{field}: Invalid value: {value:?}");
            Ok(LevelVersion {
                level: Level::parse(level).map_err(anyhow::Error::msg).with_context(|| invalid(name, level))?,
                version: Version::parse(version)
                    .map_err(anyhow::Error::msg)
                    .with_context(|| invalid(&version_name, version))?,
            })
        };
        let exempt = |field: &str, problem: fn(&str) -> Option<String>| -> anyhow::Result<Vec<String>> {
            let mut seen = BTreeSet::new();
            let list = items(&configuration["exemptions"][field]).iter().map(|value| text(value).to_owned());
            list.enumerate()
                .map(|(index, value)| {
                    let at = format!("PodSecurity invalid: exemptions.{field}[{index}]");
                    if let Some(problem) = problem(&value) {
                        anyhow::bail!("{at}: Invalid value: {value:?}: {problem}");
                    }
                    anyhow::ensure!(seen.insert(value.clone()), "{at}: Duplicate value: {value:?}");
                    Ok(value)
                })
                .collect()
        };
        Ok(PodSecurity {
            defaults: Policy { enforce: mode("enforce")?, audit: mode("audit")?, warn: mode("warn")? },
            namespaces: exempt("namespaces", names::dns1123_label)?,
            users: exempt("usernames", |name| name.is_empty().then(|| "username must not be empty".to_owned()))?,
            runtime_classes: exempt("runtimeClasses", names::dns1123_subdomain)?,
        })
    }
}

/// Where an object has a pod's metadata and spec.
fn template<'a>(attributes: &Attributes<'_>, object: &'a Value) -> Option<&'a Value> {
    let resource = attributes.target.resource();
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => Some(object),
        ("", "podtemplates") => Some(&object["template"]),
        ("", "replicationcontrollers") => Some(&object["spec"]["template"]).filter(|template| !template.is_null()),
        ("apps", "replicasets" | "deployments" | "statefulsets" | "daemonsets") | ("batch", "jobs") => {
            Some(&object["spec"]["template"])
        }
        ("batch", "cronjobs") => Some(&object["spec"]["jobTemplate"]["spec"]["template"]),
        _ => None,
    }
}

#[async_trait]
impl Plugin for PodSecurity {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        if !matches!(attributes.operation, Operation::Create | Operation::Update) {
            return false;
        }
        if attributes.is_of("", "pods") {
            return !IGNORED.contains(&attributes.subresource);
        }
        attributes.subresource.is_empty()
            && (attributes.is_of("", "namespaces")
                || template(attributes, &Value::Null).is_some()
                || attributes.is_of("", "replicationcontrollers"))
    }

    async fn validate(&self, attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        if attributes.is_of("", "namespaces") {
            return self.namespace(attributes, object).await;
        }
        let note = |key: &str, value: String| attributes.context.annotate(format!("{PREFIX}{key}"), value);
        let enforce = attributes.is_of("", "pods");
        let name = attributes.namespace;
        let exempt = |reason: &str| note("exempt", reason.to_owned());
        if self.namespaces.iter().any(|exempt| exempt == name) {
            exempt("namespace");
            return Ok(());
        }
        if self.users.contains(&attributes.user().name) {
            exempt("user");
            return Ok(());
        }
        let Some(namespace) = attributes.server().find("", "namespaces", "", name).await? else {
            if enforce {
                return Err(Status::internal(format!("failed to lookup namespace {name:?}")));
            }
            note("error", format!("failed to lookup namespace {name:?}: namespaces {name:?} not found"));
            return Ok(());
        };
        let (policy, errors) = Policy::of_labels(&namespace["metadata"]["labels"], self.defaults);
        if errors.is_empty() && enforce && policy.is_fully_privileged() {
            note("enforce-policy", "privileged:latest".to_owned());
            return Ok(());
        }
        let told_only = [policy.warn, policy.audit];
        if errors.is_empty() && !enforce && told_only.iter().all(|mode| mode.level == Level::Privileged) {
            return Ok(());
        }
        let Some(template) = template(attributes, object) else { return Ok(()) };
        if enforce && attributes.old.is_some_and(|old| !is_significant(&object["spec"], &old["spec"])) {
            return Ok(());
        }
        let (metadata, spec) = (&template["metadata"], &template["spec"]);
        if self.runtime_classes.iter().any(|class| spec["runtimeClassName"] == class.as_str()) {
            exempt("runtimeClass");
            return Ok(());
        }
        if !errors.is_empty() {
            note("error", format!("Failed to parse policy: {}", errors.aggregate()));
        }
        let violations = |mode: LevelVersion| mode.evaluate(metadata, spec);
        let mut refused = None;
        if enforce {
            note("enforce-policy", policy.enforce.to_string());
            let found = violations(policy.enforce);
            if !found.is_empty() {
                let why = format_args!("violates PodSecurity \"{}\": {}", policy.enforce, detail(&found));
                refused = Some(Status::forbidden(attributes.target.group_resource(), attributes.name, why));
            }
        }
        let would = |mode: LevelVersion, found: &[Violation]| {
            format!("would violate PodSecurity \"{mode}\": {}", detail(found))
        };
        let found = violations(policy.audit);
        if !found.is_empty() {
            note("audit-violations", would(policy.audit, &found));
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        let found = violations(policy.warn);
        if !found.is_empty() {
            attributes.context.warn(would(policy.warn, &found));
        }
        Ok(())
    }
}

/// `reason (what it is about), reason (...)`.
fn detail(violations: &[Violation]) -> String {
    let shown = violations.iter().map(
        |(reason, detail)| {
            if detail.is_empty() { reason.clone() } else { format!("{reason} ({detail})") }
        },
    );
    shown.collect::<Vec<_>>().join(", ")
}

/// Whether an update gives a pod another image or another container.
fn is_significant(spec: &Value, old: &Value) -> bool {
    let differs = |list: &str| {
        let (new, old) = (items(&spec[list]), items(&old[list]));
        new.len() != old.len() || new.iter().zip(old).any(|(new, old)| text(&new["image"]) != text(&old["image"]))
    };
    let ephemeral = |container: &Value| {
        let mut before = items(&old["ephemeralContainers"]).iter();
        let same = before.find(|old| old["name"] == container["name"]);
        same.is_none_or(|old| text(&old["image"]) != text(&container["image"]))
    };
    differs("containers") || differs("initContainers") || items(&spec["ephemeralContainers"]).iter().any(ephemeral)
}

impl PodSecurity {
    async fn namespace(&self, attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        let labels = &object["metadata"]["labels"];
        let (policy, errors) = Policy::of_labels(labels, self.defaults);
        let invalid = |errors: &ErrorList| Status::invalid("", "Namespace", attributes.name, errors);
        let name = object::meta(object, "name");
        let is_exempt = self.namespaces.iter().any(|exempt| exempt == name);
        let Some(old) = attributes.old else {
            if !errors.is_empty() {
                return Err(invalid(&errors));
            }
            if is_exempt {
                self.warn_exempt(attributes, name, &policy, labels);
            }
            return Ok(());
        };
        let (old_policy, old_errors) = Policy::of_labels(&old["metadata"]["labels"], self.defaults);
        if !errors.is_empty() && errors != old_errors {
            return Err(invalid(&errors));
        }
        let (new, before) = (policy.enforce, old_policy.enforce);
        let not_stricter = new == before
            || new.level == Level::Privileged
            || new.version == before.version && new.level <= before.level;
        if not_stricter {
            return Ok(());
        }
        if is_exempt {
            self.warn_exempt(attributes, name, &policy, labels);
            return Ok(());
        }
        for warning in self.existing_pods(attributes, name, new).await? {
            attributes.context.warn(warning);
        }
        Ok(())
    }

    fn warn_exempt(&self, attributes: &Attributes<'_>, name: &str, policy: &Policy, labels: &Value) {
        if policy.is_fully_privileged() || policy.is_same(&self.defaults) {
            return;
        }
        let labelled = |mode: &str| {
            let label = |name: String| !labels[format!("{PREFIX}{name}")].is_null();
            label(mode.to_owned()) || label(format!("{mode}-version"))
        };
        let modes = [("enforce", policy.enforce), ("audit", policy.audit), ("warn", policy.warn)];
        let asked: Vec<String> = modes
            .into_iter()
            .filter(|(name, mode)| mode.level != Level::Privileged && labelled(name))
            .map(|(name, mode)| format!("{name}={mode}"))
            .collect();
        attributes.context.warn(format!(
            "namespace {name:?} is exempt from Pod Security, and the policy ({}) will be ignored",
            asked.join(", ")
        ));
    }

    /// What is wrong with the pods that are there already, in the words of a warning each.
    async fn existing_pods(
        &self,
        attributes: &Attributes<'_>,
        namespace: &str,
        enforce: LevelVersion,
    ) -> Result<Vec<String>> {
        // Labels become stricter seldom: it is worth waiting for pods that were made just now.
        attributes.server().objects("", "pods")?.consistent().await?;
        let pods = attributes.server().list_cached_in("", "pods", namespace)?;
        let exempt =
            |pod: &Value| self.runtime_classes.iter().any(|class| pod["spec"]["runtimeClassName"] == class.as_str());
        // Of the pods of one controller, which are alike, one is looked at first.
        let (mut first, mut alike) = (Vec::new(), Vec::new());
        let mut controllers = BTreeSet::new();
        for pod in pods.into_iter().filter(|pod| !exempt(pod)) {
            let owners = items(&pod["metadata"]["ownerReferences"]);
            let controller = owners.iter().find(|owner| owner["controller"] == Value::Bool(true));
            match controller.map(|owner| text(&owner["uid"]).to_owned()) {
                Some(uid) if controllers.contains(&uid) => alike.push(pod),
                controller => {
                    controllers.extend(controller);
                    first.push(pod);
                }
            }
        }
        first.append(&mut alike);
        let total = first.len();
        first.truncate(MAX_PODS);
        let mut by_reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pod in &first {
            let found = enforce.evaluate(&pod["metadata"], &pod["spec"]);
            if !found.is_empty() {
                let reasons = found.iter().map(|(reason, _)| reason.as_str()).collect::<Vec<_>>().join(", ");
                by_reasons.entry(reasons).or_default().push(object::meta(pod, "name").to_owned());
            }
        }
        let mut warnings = Vec::new();
        if first.len() < total {
            warnings.push(format!(
                "new PodSecurity enforce level only checked against the first {} of {total} existing pods",
                first.len()
            ));
        }
        if !by_reasons.is_empty() {
            warnings.push(format!(
                "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{enforce}\""
            ));
        }
        let mut of_pods: Vec<String> = by_reasons
            .into_iter()
            .map(|(reasons, mut names)| {
                names.sort();
                match names.len() {
                    1 => format!("{}: {reasons}", names[0]),
                    2 => format!("{} (and 1 other pod): {reasons}", names[0]),
                    more => format!("{} (and {} other pods): {reasons}", names[0], more - 1),
                }
            })
            .collect();
        of_pods.sort();
        warnings.append(&mut of_pods);
        Ok(warnings)
    }
}
