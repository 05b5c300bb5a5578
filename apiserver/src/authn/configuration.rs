//! `AuthenticationConfiguration`: whose web tokens are believed and how they name users; who may stay anonymous.
//!
//! Source: apiserver `pkg/apis/apiserver/{v1/types.go,validation/validation.go}`, `pkg/kubeapiserver/options/authentication.go`.

use std::path::Path as FilePath;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::jwt::claims::{self, Mapper};
use crate::field::{ErrorList, Path};
use crate::flags::Flags;

/// At most so many issuers.
const MOST: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Configuration {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    pub jwt: Vec<Jwt>,
    pub anonymous: Option<Anonymous>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Anonymous {
    #[serde(default)]
    pub enabled: bool,
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    #[serde(default)]
    pub path: String,
}

/// One issuer and what its tokens say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwt {
    #[serde(default)]
    pub issuer: Issuer,
    #[serde(default)]
    pub claim_validation_rules: Vec<ClaimRule>,
    #[serde(default)]
    pub claim_mappings: Mappings,
    #[serde(default)]
    pub user_validation_rules: Vec<UserRule>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    #[serde(default)]
    pub url: String,
    #[serde(default, rename = "discoveryURL")]
    pub discovery_url: Option<String>,
    #[serde(default)]
    pub certificate_authority: String,
    #[serde(default)]
    pub audiences: Vec<String>,
    #[serde(default)]
    pub audience_match_policy: String,
    #[serde(default)]
    pub egress_selector_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimRule {
    #[serde(default)]
    pub claim: String,
    #[serde(default)]
    pub required_value: String,
    #[serde(default)]
    pub expression: String,
    #[serde(default)]
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserRule {
    #[serde(default)]
    pub expression: String,
    #[serde(default)]
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mappings {
    #[serde(default)]
    pub username: Mapping,
    #[serde(default)]
    pub groups: Mapping,
    #[serde(default)]
    pub uid: Mapping,
    #[serde(default)]
    pub extra: Vec<Extra>,
}

/// A claim, or an expression over the claims. The uid has no prefix.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mapping {
    #[serde(default)]
    pub claim: String,
    pub prefix: Option<String>,
    #[serde(default)]
    pub expression: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Extra {
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub value_expression: String,
}

/// An issuer whose expressions are compiled.
pub struct Compiled {
    pub jwt: Jwt,
    pub mapper: Mapper,
}

/// What the flags configure, and the algorithms of signatures that are taken.
pub fn of_flags(flags: &Flags) -> anyhow::Result<(Configuration, Vec<String>)> {
    let oidc = &flags.oidc;
    if let Some(path) = &flags.authentication_config {
        anyhow::ensure!(!oidc.is_set(), "authentication-config file and oidc-* flags are mutually exclusive");
        let configuration = read(path).with_context(|| {
            format!("failed to load authentication configuration from file {:?}", path.display().to_string())
        })?;
        anyhow::ensure!(
            configuration.anonymous.is_none() || flags.anonymous_auth,
            "anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file"
        );
        return Ok((configuration, Vec::new()));
    }
    if !oidc.is_set() {
        return Ok((Configuration::default(), Vec::new()));
    }
    let (url, client) = (oidc.oidc_issuer_url.as_deref(), oidc.oidc_client_id.as_deref());
    let (Some(url), Some(client)) = (url.filter(|text| !text.is_empty()), client.filter(|text| !text.is_empty()))
    else {
        anyhow::bail!("oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set");
    };
    let algorithms = match oidc.oidc_signing_algs.as_slice() {
        [] => vec!["RS256".to_owned()],
        algorithms => algorithms.to_vec(),
    };
    for algorithm in &algorithms {
        let is_known = super::jwt::ALGORITHMS.contains(&algorithm.as_str());
        anyhow::ensure!(is_known, "oidc: unsupported signing alg: {algorithm:?}");
    }
    let claim = oidc.oidc_username_claim.clone().unwrap_or_else(|| "sub".to_owned());
    let prefix = match oidc.oidc_username_prefix.as_deref().unwrap_or_default() {
        // Names of other issuers and the cluster's own must not meet, unless that is asked for.
        "" if claim != "email" => format!("{url}#"),
        "-" => String::new(),
        prefix => prefix.to_owned(),
    };
    let mut jwt = Jwt::default();
    jwt.issuer.url = url.to_owned();
    jwt.issuer.audiences = vec![client.to_owned()];
    jwt.claim_mappings.username = Mapping { claim, prefix: Some(prefix), ..Mapping::default() };
    if let Some(claim) = oidc.oidc_groups_claim.clone().filter(|claim| !claim.is_empty()) {
        let prefix = Some(oidc.oidc_groups_prefix.clone().unwrap_or_default());
        jwt.claim_mappings.groups = Mapping { claim, prefix, ..Mapping::default() };
    }
    if let Some(path) = &oidc.oidc_ca_file {
        let read = std::fs::read_to_string(path);
        jwt.issuer.certificate_authority = read.with_context(|| format!("--oidc-ca-file {}", path.display()))?;
    }
    for claim in &oidc.oidc_required_claim {
        let (claim, value) = claim
            .split_once('=')
            .with_context(|| format!("--oidc-required-claim: {claim:?} must be formatted as key=value"))?;
        let rule = ClaimRule { claim: claim.to_owned(), required_value: value.to_owned(), ..ClaimRule::default() };
        jwt.claim_validation_rules.push(rule);
    }
    Ok((Configuration { jwt: vec![jwt], ..Configuration::default() }, algorithms))
}

/// Reads a file; unknown fields are errors.
pub fn read(path: &FilePath) -> anyhow::Result<Configuration> {
    let bytes = std::fs::read(path)?;
    anyhow::ensure!(!bytes.is_empty(), "empty config data");
    parse(&bytes)
}

pub fn parse(bytes: &[u8]) -> anyhow::Result<Configuration> {
    let tree = apiserver_schema::yaml::to_value(bytes)?;
    let configuration: Configuration = serde_json::from_value(tree).context("strict decoding error")?;
    let known = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"];
    let is_known =
        configuration.kind == "AuthenticationConfiguration" && known.contains(&configuration.api_version.as_str());
    anyhow::ensure!(
        is_known,
        "no kind {:?} is registered for version {:?}",
        configuration.kind,
        configuration.api_version
    );
    Ok(configuration)
}

/// Checks a configuration and compiles its expressions. `own`: issuers of the cluster itself.
pub fn compile(configuration: &Configuration, own: &[String]) -> anyhow::Result<Vec<Compiled>> {
    let mut errors = ErrorList::default();
    let root = Path::new("jwt");
    let mut compiled = Vec::new();
    if configuration.jwt.len() > MOST {
        errors.too_many(&root, configuration.jwt.len(), MOST);
    } else {
        for (index, jwt) in configuration.jwt.iter().enumerate() {
            let path = root.index(index);
            let before = &configuration.jwt[..index];
            let mapper = check(jwt, &path, own, &mut errors);
            let issuer = path.child("issuer");
            if before.iter().any(|other| other.issuer.url == jwt.issuer.url) {
                errors.duplicate(&issuer.child("url"), &json!(jwt.issuer.url));
            }
            let discovery = jwt.issuer.discovery_url.as_deref().filter(|url| !url.is_empty());
            if discovery.is_some() && before.iter().any(|other| other.issuer.discovery_url.as_deref() == discovery) {
                errors.duplicate(&issuer.child("discoveryURL"), &json!(discovery));
            }
            compiled.push(Compiled { jwt: jwt.clone(), mapper });
        }
    }
    if let Some(anonymous) = &configuration.anonymous
        && !anonymous.enabled
        && !anonymous.conditions.is_empty()
    {
        let anonymous_path = Path::new("anonymous");
        let shown: Vec<Value> = anonymous.conditions.iter().map(|one| json!({"path": one.path})).collect();
        let why = "enabled should be set to true when conditions are defined";
        errors.invalid(&anonymous_path.child("conditions"), &json!(shown), why);
    }
    anyhow::ensure!(errors.is_empty(), "invalid authentication configuration: {}", errors.aggregate());
    Ok(compiled)
}

fn check(jwt: &Jwt, path: &Path<'_>, own: &[String], errors: &mut ErrorList) -> Mapper {
    check_issuer(&jwt.issuer, &path.child("issuer"), own, errors);
    let mut mapper = Mapper::default();
    let rules = path.child("claimValidationRules");
    for (index, rule) in jwt.claim_validation_rules.iter().enumerate() {
        let path = rules.index(index);
        let before = &jwt.claim_validation_rules[..index];
        match (rule.claim.is_empty(), rule.expression.is_empty()) {
            (false, false) => errors.invalid_str(&path, &rule.claim, "claim and expression can't both be set"),
            (true, true) => errors.required(&path, "claim or expression is required"),
            (false, true) => {
                if !rule.message.is_empty() {
                    errors.invalid_str(&path.child("message"), &rule.message, "may not be specified when claim is set");
                }
                if before.iter().any(|other| other.claim == rule.claim) {
                    errors.duplicate(&path.child("claim"), &json!(rule.claim));
                }
            }
            (true, false) => {
                if !rule.required_value.is_empty() {
                    let why = "may not be specified when expression is set";
                    errors.invalid_str(&path.child("requiredValue"), &rule.required_value, why);
                }
                let path = path.child("expression");
                if before.iter().any(|other| other.expression == rule.expression) {
                    errors.duplicate(&path, &json!(rule.expression));
                } else if let Some(program) = claims::rule(&rule.expression, "claims", &path, errors) {
                    mapper.claim_rules.push((program, rule.expression.clone(), rule.message.clone()));
                }
            }
        }
    }
    check_mappings(&jwt.claim_mappings, &path.child("claimMappings"), &mut mapper, errors);
    let rules = path.child("userValidationRules");
    for (index, rule) in jwt.user_validation_rules.iter().enumerate() {
        let path = rules.index(index);
        let path = path.child("expression");
        if rule.expression.is_empty() {
            errors.required(&path, "expression is required");
        } else if jwt.user_validation_rules[..index].iter().any(|other| other.expression == rule.expression) {
            errors.duplicate(&path, &json!(rule.expression));
        } else if let Some(program) = claims::rule(&rule.expression, "user", &path, errors) {
            mapper.user_rules.push((program, rule.expression.clone(), rule.message.clone()));
        }
    }
    mapper
}

fn check_issuer(issuer: &Issuer, path: &Path<'_>, own: &[String], errors: &mut ErrorList) {
    if issuer.url.is_empty() {
        errors.required(&path.child("url"), "");
    } else {
        check_url(&issuer.url, own, &path.child("url"), errors);
    }
    if let Some(discovery) = issuer.discovery_url.as_deref().filter(|url| !url.is_empty()) {
        let path = path.child("discoveryURL");
        if !issuer.url.is_empty() && issuer.url.trim_end_matches('/') == discovery.trim_end_matches('/') {
            errors.invalid_str(&path, discovery, "discoveryURL must be different from URL");
        }
        check_url(discovery, &[], &path, errors);
    }
    let audiences = path.child("audiences");
    let policy = path.child("audienceMatchPolicy");
    if issuer.audiences.is_empty() {
        errors.required(&audiences, format!("at least one {audiences} is required"));
    }
    for (index, audience) in issuer.audiences.iter().enumerate() {
        if audience.is_empty() {
            errors.required(&audiences.index(index), "");
        }
        if issuer.audiences[..index].contains(audience) {
            errors.duplicate(&audiences.index(index), &json!(audience));
        }
    }
    match (issuer.audiences.len(), issuer.audience_match_policy.as_str()) {
        (0, _) | (_, "MatchAny") | (1, "") => {}
        (1, other) => {
            errors.invalid_str(&policy, other, "audienceMatchPolicy must be empty or MatchAny for single audience");
        }
        (_, other) => {
            errors.invalid_str(&policy, other, "audienceMatchPolicy must be MatchAny for multiple audiences");
        }
    }
    if !issuer.certificate_authority.is_empty()
        && let Err(error) = super::jwt::fetch::roots(&issuer.certificate_authority)
    {
        let path = path.child("certificateAuthority");
        errors.invalid_structure(&path, "\"<omitted>\"".to_owned(), format!("{error:#}"));
    }
    let egress = issuer.egress_selector_type.as_str();
    if !["", "controlplane", "cluster"].contains(&egress) {
        let path = path.child("egressSelectorType");
        errors.invalid_str(&path, egress, "egress selector must be either controlplane or cluster");
    } else if !egress.is_empty() {
        errors.forbidden(&path.child("egressSelectorType"), "this server has no egress selectors");
    }
}

fn check_url(url: &str, own: &[String], path: &Path<'_>, errors: &mut ErrorList) {
    if own.iter().any(|issuer| issuer == url) {
        let mut own = own.to_vec();
        own.sort();
        let why = format!("URL must not overlap with disallowed issuers: [{}]", own.join(" "));
        errors.invalid_str(path, url, why);
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if scheme != "https" {
        errors.invalid_str(path, url, "URL scheme must be https");
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
        errors.invalid_str(path, url, "URL must not contain a username or password");
    }
    if !query.is_empty() {
        errors.invalid_str(path, url, "URL must not contain a query");
    }
    if !fragment.is_empty() {
        errors.invalid_str(path, url, "URL must not contain a fragment");
    }
}

fn check_mappings(mappings: &Mappings, path: &Path<'_>, mapper: &mut Mapper, errors: &mut ErrorList) {
    for (name, mapping, is_required) in [("username", &mappings.username, true), ("groups", &mappings.groups, false)] {
        let path = path.child(name);
        let program = match (mapping.claim.is_empty(), mapping.expression.is_empty()) {
            (false, false) => {
                errors.invalid_str(&path, "", "claim and expression can't both be set");
                None
            }
            (true, true) => {
                if is_required {
                    errors.required(&path, "claim or expression is required");
                }
                None
            }
            (true, false) => {
                if let Some(prefix) = &mapping.prefix {
                    let why = "may not be specified when expression is set";
                    errors.invalid_str(&path.child("prefix"), prefix, why);
                }
                claims::mapping(&mapping.expression, &path.child("expression"), errors)
            }
            (false, true) => {
                if mapping.prefix.is_none() {
                    let why =
                        "prefix is required when claim is set. It can be set to an empty string to disable prefixing";
                    errors.required(&path.child("prefix"), why);
                }
                None
            }
        };
        match name {
            "username" => mapper.username = program,
            _ => mapper.groups = program,
        }
    }
    let uid = path.child("uid");
    match (mappings.uid.claim.is_empty(), mappings.uid.expression.is_empty()) {
        (false, false) => errors.invalid_str(&uid, "", "claim and expression can't both be set"),
        (true, false) => mapper.uid = claims::mapping(&mappings.uid.expression, &uid.child("expression"), errors),
        _ => {}
    }
    let extra = path.child("extra");
    for (index, one) in mappings.extra.iter().enumerate() {
        let path = extra.index(index);
        check_key(&one.key, &path.child("key"), errors);
        if mappings.extra[..index].iter().any(|other| other.key == one.key) {
            errors.duplicate(&path.child("key"), &json!(one.key));
            continue;
        }
        let path = path.child("valueExpression");
        if one.value_expression.is_empty() {
            errors.required(&path, "");
        } else if let Some(program) = claims::mapping(&one.value_expression, &path, errors) {
            mapper.extra.push((one.key.clone(), program));
        }
    }
    // An address that nobody has verified is anybody's.
    let uses = |program: &claims::Expression, field: &str| program.program.selects("claims", field);
    let mut verified = mapper.username.iter().chain(mapper.extra.iter().map(|(_, program)| program));
    let is_verified = verified.any(|program| uses(program, "email_verified"))
        || mapper.claim_rules.iter().any(|(program, ..)| program.selects("claims", "email_verified"));
    if mapper.username.as_ref().is_some_and(|program| uses(program, "email")) && !is_verified {
        errors.invalid_str(
            &path.child("username").child("expression"),
            &mappings.username.expression,
            "claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression",
        );
    }
}

/// A key of extra facts: a domain of one's own and a path, in lower case.
fn check_key(key: &str, path: &Path<'_>, errors: &mut ErrorList) {
    match key.split_once('/') {
        _ if key.is_empty() => errors.required(path, ""),
        None => errors.invalid_str(path, key, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
        Some((_, "")) => errors.invalid_str(path, key, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
        Some((domain, _)) => {
            if ["kubernetes.io", "k8s.io"]
                .iter()
                .any(|own| domain == *own || domain.strip_suffix(own).is_some_and(|rest| rest.ends_with('.')))
            {
                let why = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use";
                errors.invalid_str(path, key, why);
            }
        }
    }
    if key != key.to_lowercase() {
        errors.invalid_str(path, key, "must be lowercase");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "\\PC{0,80}", member in "[a-zA-Z]{0,12}", value in "[a-z:*/\\[\\]{}, &'\"-]{0,40}") {
            let _ = parse(text.as_bytes());
            let start = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n";
            for file in [format!("{start}{member}: {value}"), format!("{start}jwt: [{{issuer: {{{member}: {value}}}}}]")] {
                if let Ok(configuration) = parse(file.as_bytes()) {
                    // An issuer of which so little is said is none.
                    let refused = compile(&configuration, &[]).is_err();
                    prop_assert!(refused || configuration.jwt.is_empty(), "{}", file);
                }
            }
        }
    }

    fn judged(jwt: Value) -> String {
        let tree = json!({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [jwt],
        });
        let configuration = parse(tree.to_string().as_bytes()).unwrap();
        let own = ["https://own.example".to_owned()];
        compile(&configuration, &own).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn good() -> Value {
        json!({
            "issuer": {"url": "https://issuer.example", "audiences": ["a"]},
            "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
        })
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        assert_eq!(judged(good()), "");
        let told = |change: fn(&mut Value)| {
            let mut jwt = good();
            change(&mut jwt);
            judged(jwt).replace("invalid authentication configuration: ", "")
        };
        assert_eq!(
            told(|jwt| jwt["issuer"]["url"] = json!("http://issuer.example")),
            "jwt[0].issuer.url: Invalid value: \"http://issuer.example\": URL scheme must be https"
        );
        assert_eq!(
            told(|jwt| jwt["issuer"]["url"] = json!("https://own.example")),
            "jwt[0].issuer.url: Invalid value: \"https://own.example\": URL must not overlap with disallowed issuers: [https://own.example]"
        );
        assert_eq!(
            told(|jwt| jwt["claimMappings"]["username"] = json!({"claim": "sub"})),
            "jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing"
        );
        assert_eq!(
            told(|jwt| jwt["issuer"]["audiences"] = json!(["a", "b"])),
            "jwt[0].issuer.audienceMatchPolicy: Invalid value: \"\": audienceMatchPolicy must be MatchAny for multiple audiences"
        );
        assert_eq!(
            told(|jwt| jwt["claimMappings"]["extra"] = json!([{"key": "x.k8s.io/a", "valueExpression": "'a'"}])),
            "jwt[0].claimMappings.extra[0].key: Invalid value: \"x.k8s.io/a\": k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
        );
        let told = told(|jwt| jwt["claimMappings"]["username"] = json!({"expression": "claims.email"}));
        assert!(told.contains("claims.email_verified must be used"), "{told}");
        let verified = json!({"expression": "claims.?email_verified.orValue(true) ? claims.email : ''"});
        let mut jwt = good();
        jwt["claimMappings"]["username"] = verified;
        assert_eq!(judged(jwt), "");
    }

    #[test]
    fn unknown_fields_and_kinds_are_refused() {
        assert!(parse(b"apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwts: []").is_err());
        assert!(parse(b"apiVersion: v1\nkind: Pod").is_err());
    }
}
