//! The audit policy: which requests are recorded, and how much of them.
//!
//! Source: apiserver `pkg/apis/audit/v1/types.go`, `pkg/apis/audit/validation`, `pkg/audit/policy`.

use serde::{Deserialize, Serialize};

/// How much of a request is recorded. Each level records what the one before it does, and more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Level {
    #[default]
    None,
    Metadata,
    Request,
    RequestResponse,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::None => "None",
            Level::Metadata => "Metadata",
            Level::Request => "Request",
            Level::RequestResponse => "RequestResponse",
        }
    }
}

const LEVELS: [Level; 4] = [Level::None, Level::Metadata, Level::Request, Level::RequestResponse];

/// When in a request's life an event is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Stage {
    RequestReceived,
    /// Only of requests that may last, once their answer has begun.
    ResponseStarted,
    ResponseComplete,
    Panic,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::RequestReceived => "RequestReceived",
            Stage::ResponseStarted => "ResponseStarted",
            Stage::ResponseComplete => "ResponseComplete",
            Stage::Panic => "Panic",
        }
    }
}

const STAGES: [Stage; 4] = [Stage::RequestReceived, Stage::ResponseStarted, Stage::ResponseComplete, Stage::Panic];

/// What a policy sees of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// None of a request that nobody is known to have sent.
    pub user: Option<&'a str>,
    pub groups: &'a [String],
    pub verb: &'a str,
    pub is_resource: bool,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    /// Of a request that is about no resource.
    pub path: &'a str,
}

/// What a policy says about a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub level: Level,
    pub omit_managed_fields: bool,
    omitted: Stages,
}

impl Decision {
    /// Whether no event is made at a stage.
    pub fn omits(self, stage: Stage) -> bool {
        self.omitted.has(stage)
    }
}

/// A set of stages, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stages(u8);

impl Stages {
    fn has(self, stage: Stage) -> bool {
        self.0 & (1 << stage as u8) != 0
    }

    fn with(self, other: Stages) -> Stages {
        Stages(self.0 | other.0)
    }
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("failed decoding: {0}")]
    Syntax(String),
    #[error("unknown group version field {0:?} in policy")]
    Version(String),
    #[error("{0}")]
    Invalid(String),
    #[error("loaded illegal policy with 0 rules")]
    Empty,
}

/// A compiled policy. The first rule that fits a request decides; where none does nothing is recorded.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    otherwise: Decision,
}

#[derive(Debug)]
struct Rule {
    decision: Decision,
    wanted: RuleFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PolicyFile {
    api_version: String,
    kind: String,
    rules: Option<Vec<RuleFile>>,
    omit_stages: Option<Vec<String>>,
    omit_managed_fields: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RuleFile {
    level: String,
    users: Option<Vec<String>>,
    user_groups: Option<Vec<String>>,
    verbs: Option<Vec<String>>,
    resources: Option<Vec<GroupResources>>,
    namespaces: Option<Vec<String>>,
    #[serde(rename = "nonResourceURLs")]
    non_resource_urls: Option<Vec<String>>,
    omit_stages: Option<Vec<String>>,
    omit_managed_fields: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GroupResources {
    group: String,
    resources: Option<Vec<String>>,
    resource_names: Option<Vec<String>>,
}

fn list<T>(list: &Option<Vec<T>>) -> &[T] {
    list.as_deref().unwrap_or_default()
}

fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|item| item == value)
}

impl Policy {
    /// Reads an `audit.k8s.io/v1` `Policy`, YAML or JSON. Fields that it does not have are overlooked, as upstream does.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let file: PolicyFile =
            serde_saphyr::from_str(text).map_err(|error| PolicyError::Syntax(error.to_string().replace('\n', " ")))?;
        if file.api_version != "audit.k8s.io/v1" || file.kind != "Policy" {
            return Err(PolicyError::Version(format!("{}, Kind={}", file.api_version, file.kind)));
        }
        let mut problems = Vec::new();
        let omitted = stages(list(&file.omit_stages), "omitStages", &mut problems);
        let otherwise = Decision { level: Level::None, omitted, omit_managed_fields: file.omit_managed_fields };
        let rules: Vec<Rule> = file
            .rules
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(index, rule)| compile(rule, &format!("rules[{index}]"), otherwise, &mut problems))
            .collect();
        match problems.as_slice() {
            [] if rules.is_empty() => Err(PolicyError::Empty),
            [] => Ok(Policy { rules, otherwise }),
            [one] => Err(PolicyError::Invalid(one.clone())),
            many => Err(PolicyError::Invalid(format!("[{}]", many.join(", ")))),
        }
    }

    /// What is recorded of a request.
    pub fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        self.rules.iter().find(|rule| rule.wanted.matches(attributes)).map_or(self.otherwise, |rule| rule.decision)
    }
}

fn compile(rule: RuleFile, path: &str, otherwise: Decision, problems: &mut Vec<String>) -> Rule {
    let level = LEVELS.into_iter().find(|level| level.as_str() == rule.level);
    match rule.level.as_str() {
        "" => problems.push(format!("{path}.level: Required value")),
        other if level.is_none() => {
            let known = LEVELS.map(|level| format!("{:?}", level.as_str())).join(", ");
            problems.push(format!("{path}.level: Unsupported value: {other:?}: supported values: {known}"));
        }
        _ => {}
    }
    let urls = list(&rule.non_resource_urls);
    for (index, url) in urls.iter().enumerate().filter(|(_, url)| *url != "*") {
        let mut invalid =
            |why: &str| problems.push(format!("{path}.nonResourceURLs[{index}]: Invalid value: {url:?}: {why}"));
        if !url.starts_with('/') {
            invalid("non-resource URL rules must begin with a '/' character");
        }
        if url.char_indices().any(|(at, c)| c == '*' && at + 1 < url.len()) {
            invalid("non-resource URL wildcards '*' must be the final character of the rule");
        }
    }
    for resources in list(&rule.resources) {
        let group = resources.group.as_str();
        if !group.is_empty() && group != "*" && !is_subdomain(group) {
            let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
            problems.push(format!("{path}.resources.group: Invalid value: {group:?}: {why}"));
        }
        let names = list(&resources.resource_names);
        if !names.is_empty() && list(&resources.resources).is_empty() {
            problems.push(format!(
                "{path}.resources.resourceNames: Invalid value: {names:?}: using resourceNames requires at least one resource"
            ));
        }
    }
    let omitted = stages(list(&rule.omit_stages), &format!("{path}.omitStages"), problems).with(otherwise.omitted);
    let has_resources = !list(&rule.resources).is_empty() || !list(&rule.namespaces).is_empty();
    if !urls.is_empty() && has_resources {
        problems.push(format!(
            "{path}.nonResourceURLs: Invalid value: {urls:?}: rules cannot apply to both regular resources and non-resource URLs"
        ));
    }
    let omit_managed_fields = rule.omit_managed_fields.unwrap_or(otherwise.omit_managed_fields);
    Rule { decision: Decision { level: level.unwrap_or_default(), omitted, omit_managed_fields }, wanted: rule }
}

fn stages(names: &[String], path: &str, problems: &mut Vec<String>) -> Stages {
    let mut found = Stages::default();
    for (index, name) in names.iter().enumerate() {
        match STAGES.into_iter().find(|stage| stage.as_str() == name) {
            Some(stage) => found = found.with(Stages(1 << stage as u8)),
            None => problems.push(format!(
                "{path}[{index}]: Invalid value: {name:?}: allowed stages are {}",
                STAGES.map(Stage::as_str).join(",")
            )),
        }
    }
    found
}

fn is_subdomain(name: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name.split('.').all(|label| {
            label.starts_with(is_alphanumeric)
                && label.ends_with(is_alphanumeric)
                && label.chars().all(|c| is_alphanumeric(c) || c == '-')
        })
}

impl RuleFile {
    fn matches(&self, asked: &Attributes<'_>) -> bool {
        let users = list(&self.users);
        if !users.is_empty() && !asked.user.is_some_and(|user| has(users, user)) {
            return false;
        }
        let groups = list(&self.user_groups);
        if !groups.is_empty() && (asked.user.is_none() || !asked.groups.iter().any(|group| has(groups, group))) {
            return false;
        }
        let verbs = list(&self.verbs);
        if !verbs.is_empty() && !has(verbs, asked.verb) {
            return false;
        }
        if !list(&self.namespaces).is_empty() || !list(&self.resources).is_empty() {
            return self.matches_resource(asked);
        }
        let urls = list(&self.non_resource_urls);
        urls.is_empty() || (!asked.is_resource && urls.iter().any(|url| matches_path(url, asked.path)))
    }

    fn matches_resource(&self, asked: &Attributes<'_>) -> bool {
        if !asked.is_resource {
            return false;
        }
        let namespaces = list(&self.namespaces);
        // What is in no namespace is matched by the empty name.
        if !namespaces.is_empty() && !has(namespaces, asked.namespace) {
            return false;
        }
        let resources = list(&self.resources);
        resources.is_empty() || resources.iter().any(|resources| resources.matches(asked))
    }
}

impl GroupResources {
    fn matches(&self, asked: &Attributes<'_>) -> bool {
        if self.group != asked.group && self.group != "*" {
            return false;
        }
        let (resources, names) = (list(&self.resources), list(&self.resource_names));
        if resources.is_empty() {
            return true;
        }
        if !names.is_empty() && !has(names, asked.name) {
            return false;
        }
        resources.iter().any(|wanted| match wanted.split_once('/') {
            None => wanted == "*" || (asked.subresource.is_empty() && wanted == asked.resource),
            Some((resource, "*")) if resource == asked.resource => true,
            Some((resource, subresource)) => {
                !asked.subresource.is_empty()
                    && subresource == asked.subresource
                    && (resource == "*" || resource == asked.resource)
            }
        })
    }
}

fn matches_path(wanted: &str, path: &str) -> bool {
    wanted == "*" || wanted == path || (wanted.ends_with('*') && path.starts_with(wanted.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &str) -> Policy {
        Policy::parse(&format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rules}")).unwrap()
    }

    fn asked<'a>(resource: &'a str, subresource: &'a str) -> Attributes<'a> {
        Attributes {
            user: Some("jane"),
            verb: "get",
            is_resource: true,
            resource,
            subresource,
            namespace: "default",
            name: "x",
            ..Attributes::default()
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let policy = policy(
            r#"
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: None, users: [system:kube-proxy], verbs: [watch]}
- {level: RequestResponse, resources: [{group: "", resources: [pods, "*/log"]}], omitManagedFields: false}
- {level: Request, resources: [{group: "", resources: [configmaps], resourceNames: [x]}], omitStages: [Panic]}
- {level: None, nonResourceURLs: ["/healthz*", /version]}
- {level: Metadata, namespaces: [""]}
- {level: Metadata, userGroups: [admins]}
"#,
        );
        let level = |asked: Attributes<'_>| policy.decide(&asked).level;
        assert_eq!(level(asked("pods", "")), Level::RequestResponse);
        assert_eq!(level(asked("services", "log")), Level::RequestResponse);
        assert_eq!(level(asked("pods", "exec")), Level::None);
        let decision = policy.decide(&asked("configmaps", ""));
        assert_eq!((decision.level, decision.omit_managed_fields), (Level::Request, true));
        assert!(decision.omits(Stage::RequestReceived) && decision.omits(Stage::Panic));
        assert!(!decision.omits(Stage::ResponseComplete));
        assert_eq!(level(Attributes { name: "y", ..asked("configmaps", "") }), Level::None);
        assert_eq!(level(Attributes { namespace: "", ..asked("nodes", "") }), Level::Metadata);
        let url = |path| Attributes { path, user: Some("jane"), verb: "get", ..Attributes::default() };
        assert_eq!(level(url("/healthz/etcd")), Level::None);
        let admins = ["admins".to_owned()];
        assert_eq!(level(Attributes { groups: &admins, ..url("/metrics") }), Level::Metadata);
        assert_eq!(level(url("/metrics")), Level::None);
        // Nobody is no member of anything.
        assert_eq!(level(Attributes { groups: &admins, user: None, ..url("/metrics") }), Level::None);
    }

    #[test]
    fn wrong_policies_are_refused_in_upstreams_words() {
        let refused = |rules: &str| {
            Policy::parse(&format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rules}")).unwrap_err().to_string()
        };
        assert_eq!(refused("rules: []"), "loaded illegal policy with 0 rules");
        assert_eq!(
            refused("rules: [{level: Everything}]"),
            r#"rules[0].level: Unsupported value: "Everything": supported values: "None", "Metadata", "Request", "RequestResponse""#
        );
        assert_eq!(
            refused("omitStages: [Never]\nrules: [{level: None, nonResourceURLs: [\"a*b\"]}]"),
            r#"[omitStages[0]: Invalid value: "Never": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic, rules[0].nonResourceURLs[0]: Invalid value: "a*b": non-resource URL rules must begin with a '/' character, rules[0].nonResourceURLs[0]: Invalid value: "a*b": non-resource URL wildcards '*' must be the final character of the rule]"#
        );
        assert!(
            refused("rules: [{level: None, resources: [{group: rbac.authorization.k8s.io/v1}]}]").contains("group")
        );
        assert!(Policy::parse("kind: Policy\nrules: [{level: None}]").is_err());
        assert!(Policy::parse("- 1").is_err());
    }
}
