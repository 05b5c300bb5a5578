//! The webhooks that are configured, parsed once for each version of a configuration.

use std::collections::HashMap;
use std::sync::Arc;

use apiserver_schema::{Ref, Type};
use apiserver_watch_cache::Scope;
use parking_lot::Mutex;
use serde_json::Value;

use super::super::Attributes;
use super::super::matching::{Rule, Seen};
use super::super::policy::match_conditions::Conditions;
use crate::object::{self, items, text};
use crate::selector::LabelSelector;
use crate::server::Server;

const GROUP: &str = "admissionregistration.k8s.io";
const DEFAULT_TIMEOUT: u64 = 10;

/// One webhook of a configuration.
#[derive(Debug)]
pub struct Hook {
    pub configuration: String,
    pub name: String,
    /// Tells webhooks of the same name apart.
    pub uid: String,
    pub rules: Vec<Rule>,
    /// Whether it is also asked about requests in other versions than those that its rules name.
    pub equivalent: bool,
    pub namespaces: LabelSelector,
    pub objects: LabelSelector,
    /// Expressions that must all be true.
    pub conditions: Conditions,
    pub ignores_failure: bool,
    pub side_effects: String,
    pub timeout_seconds: u64,
    pub review_versions: Vec<String>,
    /// Whether it wants to see again what others change after it.
    pub if_needed: bool,
    pub client: Value,
}

impl Hook {
    fn read(configuration: &str, hook: &Value, seen_before: usize) -> Hook {
        let name = text(&hook["name"]).to_owned();
        let strings = |list: &Value| items(list).iter().map(|value| text(value).to_owned()).collect();
        Hook {
            configuration: configuration.to_owned(),
            uid: format!("{configuration}/{name}/{seen_before}"),
            name,
            rules: items(&hook["rules"]).iter().map(Rule::read).collect(),
            equivalent: hook["matchPolicy"] != "Exact",
            namespaces: LabelSelector::of(&hook["namespaceSelector"]),
            objects: LabelSelector::of(&hook["objectSelector"]),
            conditions: Conditions::of_webhook(&hook["matchConditions"]),
            ignores_failure: hook["failurePolicy"] == "Ignore",
            side_effects: text(&hook["sideEffects"]).to_owned(),
            timeout_seconds: hook["timeoutSeconds"].as_u64().filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_TIMEOUT),
            review_versions: strings(&hook["admissionReviewVersions"]),
            if_needed: hook["reinvocationPolicy"] == "IfNeeded",
            client: hook["clientConfig"].clone(),
        }
    }
}

/// A configuration's webhooks, and the revision that they were read from.
type Parsed = (i64, Arc<[Arc<Hook>]>);

/// All webhooks of one kind.
pub struct Hooks {
    resource: &'static str,
    parsed: Mutex<HashMap<String, Parsed>>,
}

impl Hooks {
    pub fn new(resource: &'static str) -> Hooks {
        Hooks { resource, parsed: Mutex::default() }
    }

    pub fn are_there(&self, server: &Server) -> bool {
        let Ok(objects) = server.objects(GROUP, self.resource) else { return false };
        objects.cache.snapshot().list(&Scope::all(), None).next().is_some()
    }

    /// In the order in which they are asked: by the names of their configurations.
    pub fn all(&self, server: &Server) -> Vec<Arc<Hook>> {
        let Ok(objects) = server.objects(GROUP, self.resource) else { return Vec::new() };
        let mut parsed = self.parsed.lock();
        let mut current = HashMap::new();
        let mut all = Vec::new();
        for stored in objects.cache.snapshot().list(&Scope::all(), None) {
            let key = stored.key().to_string();
            let known = parsed.remove(&key).filter(|(revision, _)| *revision == stored.revision());
            let hooks = match known {
                Some((_, hooks)) => hooks,
                None => {
                    let tree: Value =
                        stored.json().ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
                    read(&tree)
                }
            };
            all.extend(hooks.iter().cloned());
            current.insert(key, (stored.revision(), hooks));
        }
        *parsed = current;
        all
    }
}

fn read(configuration: &Value) -> Arc<[Arc<Hook>]> {
    let name = object::meta(configuration, "name");
    let mut counts: HashMap<&str, usize> = HashMap::new();
    items(&configuration["webhooks"])
        .iter()
        .map(|hook| {
            let count = counts.entry(text(&hook["name"])).or_default();
            let hook = Hook::read(name, hook, *count);
            *count += 1;
            Arc::new(hook)
        })
        .collect()
}

/// The type of the object that a webhook sees.
pub fn ty(attributes: &Attributes<'_>, seen: &Seen) -> Option<Ref<Type>> {
    let (group, version, kind) = &seen.kind;
    let resource = attributes.target.resource();
    if *kind == resource.kind {
        let own = if *group == resource.group { resource.version(version) } else { None };
        if let Some(own) = own {
            return Some(own.ty.clone());
        }
        let served = attributes.server().serving(group, version, &seen.resource)?;
        return served.resource.version(version).map(|version| version.ty.clone());
    }
    apiserver_schema::builtin(group, version, kind).map(Ref::Static)
}
