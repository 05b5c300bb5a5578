//! What the claims of a token say about its user: by name, or by expressions.
//!
//! Source: apiserver `pkg/authentication/cel`, `plugin/pkg/authenticator/token/oidc/oidc.go`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use apiserver_cel::{Bindings, DeclType, Env, PER_CALL_LIMIT, Program, Type, Unusable, Value};
use serde_json::{Map, Number, Value as Json, json};

use super::super::User;
use super::super::configuration::Jwt;
use crate::field::{ErrorList, Path};

const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// A compiled expression with its text.
pub struct Expression {
    pub program: Program,
    text: String,
}

/// The compiled expressions of one issuer.
#[derive(Default)]
pub struct Mapper {
    pub username: Option<Expression>,
    pub groups: Option<Expression>,
    pub uid: Option<Expression>,
    pub extra: Vec<(String, Expression)>,
    /// Programs with their texts and messages.
    pub claim_rules: Vec<(Program, String, String)>,
    pub user_rules: Vec<(Program, String, String)>,
}

static CLAIMS: LazyLock<Env> = LazyLock::new(|| Env::new().variable_of("claims", Type::map(Type::String, Type::Dyn)));

/// The type of `user`.
static USER: LazyLock<Env> = LazyLock::new(|| {
    let strings = json!({"type": "array", "items": {"type": "string"}});
    let schema = json!({"type": "object", "properties": {
        "username": {"type": "string"}, "uid": {"type": "string"}, "groups": strings,
        "extra": {"type": "object", "additionalProperties": strings},
    }});
    match DeclType::from_schema(&schema, false) {
        Some(decl) => Env::new().typed_variable("user", &decl),
        None => Env::new().variable_of("user", Type::Dyn),
    }
});

fn compiled(expression: &str, env: &Env, path: &Path<'_>, errors: &mut ErrorList) -> Option<Program> {
    match Program::compile(env, expression) {
        Ok(program) => Some(program),
        Err(error) => {
            let prefix = match error {
                Unusable::Compile(_) => "compilation failed",
                Unusable::Instantiate(_) => "program instantiation failed",
            };
            errors.invalid_str(path, expression, format!("{prefix}: {error}"));
            None
        }
    }
}

/// Compiles an expression over the claims.
pub fn mapping(expression: &str, path: &Path<'_>, errors: &mut ErrorList) -> Option<Expression> {
    let program = compiled(expression, &CLAIMS, path, errors)?;
    Some(Expression { program, text: expression.to_owned() })
}

/// Compiles a rule over `claims` or `user`.
pub fn rule(expression: &str, variable: &str, path: &Path<'_>, errors: &mut ErrorList) -> Option<Program> {
    let env = if variable == "claims" { &CLAIMS } else { &USER };
    let program = compiled(expression, env, path, errors)?;
    if *program.output_type() != Type::Bool {
        errors.invalid_str(path, expression, "must evaluate to bool");
        return None;
    }
    Some(program)
}

impl Expression {
    fn value<'a>(&'a self, claims: &'a Json) -> Result<Value<'a>, String> {
        evaluated(&self.program, "claims", claims, &self.text)
    }

    /// A string or a list of strings, of which the empty ones do not count.
    fn strings(&self, claims: &Json) -> Result<Vec<String>, String> {
        let wrong = || "expression must return a string or a list of strings".to_owned();
        let list = match self.value(claims)? {
            Value::Null => Vec::new(),
            Value::String(text) => vec![text.to_string()],
            Value::List(list) => {
                let mut strings = Vec::new();
                for item in list.iter() {
                    match item {
                        Ok(Value::String(text)) => strings.push(text.to_string()),
                        _ => return Err(wrong()),
                    }
                }
                strings
            }
            _ => return Err(wrong()),
        };
        Ok(list.into_iter().filter(|text| !text.is_empty()).collect())
    }
}

fn evaluated<'a>(program: &'a Program, name: &'a str, value: &'a Json, text: &str) -> Result<Value<'a>, String> {
    let bindings = Bindings::new().with(name, Value::dynamic(value));
    let result = program.evaluate(&bindings, PER_CALL_LIMIT).result;
    result.map_err(|error| format!("expression '{text}' resulted in error: {error}"))
}

/// The user that a token with these claims is for.
///
/// # Errors
/// In upstream's words: what is missing, or which rule says no.
pub fn user(jwt: &Jwt, mapper: &Mapper, claims: &Map<String, Json>) -> Result<User, String> {
    // Numbers are what Go makes of them.
    let values = as_floats(&Json::Object(claims.clone()));
    let mut user = User { name: username(jwt, mapper, claims, &values)?, ..User::default() };
    user.groups = groups(jwt, mapper, claims, &values)?;
    user.uid = uid(jwt, mapper, claims, &values)?;
    user.extra = extra(mapper, claims, &values)?;
    for rule in jwt.claim_validation_rules.iter().filter(|rule| !rule.claim.is_empty()) {
        let name = &rule.claim;
        let value = claims.get(name).ok_or_else(|| format!("oidc: required claim {name} not present in ID token"))?;
        let value = value.as_str().ok_or_else(|| format!("oidc: parse claim {name}: {}", no_string(value)))?;
        if value != rule.required_value {
            return Err(format!(
                "oidc: required claim {name} value does not match. Got = {value}, want = {}",
                rule.required_value
            ));
        }
    }
    for (program, text, message) in &mapper.claim_rules {
        holds(program, "claims", &values, text, message)
            .map_err(|why| format!("oidc: error evaluating claim validation expression: {why}"))?;
    }
    if !mapper.user_rules.is_empty() {
        let shown = json!({"username": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra});
        for (program, text, message) in &mapper.user_rules {
            holds(program, "user", &shown, text, message)
                .map_err(|why| format!("oidc: error evaluating user info validation rule: {why}"))?;
        }
    }
    Ok(user)
}

fn holds(program: &Program, name: &str, value: &Json, text: &str, message: &str) -> Result<(), String> {
    match evaluated(program, name, value, text)? {
        Value::Bool(true) => Ok(()),
        Value::Bool(false) => Err(format!("validation expression '{text}' failed: {message}")),
        _ => Err("validation expression must return a boolean".to_owned()),
    }
}

fn username(jwt: &Jwt, mapper: &Mapper, claims: &Map<String, Json>, values: &Json) -> Result<String, String> {
    if let Some(expression) = &mapper.username {
        let failed = |why: &str| format!("oidc: error evaluating username claim expression: {why}");
        return match expression.value(values).map_err(|why| failed(&why))? {
            Value::String(text) if text.is_empty() => {
                Err("oidc: empty username via CEL expression is not allowed".to_owned())
            }
            Value::String(text) => Ok(text.to_string()),
            _ => Err(failed("username claim expression must return a string")),
        };
    }
    let mapping = &jwt.claim_mappings.username;
    let failed = |why: String| format!("oidc: parse username claims {:?}: {why}", mapping.claim);
    let name = claims.get(&mapping.claim).ok_or_else(|| failed("claim not present".to_owned()))?;
    let name = name.as_str().ok_or_else(|| failed(no_string(name)))?;
    if mapping.claim == "email" {
        match claims.get("email_verified") {
            None | Some(Json::Bool(true)) => {}
            Some(Json::Bool(false)) => return Err("oidc: email not verified".to_owned()),
            Some(other) => {
                let kind = kind(other);
                return Err(format!(
                    "oidc: parse 'email_verified' claim: json: cannot unmarshal {kind} into Go value of type bool"
                ));
            }
        }
    }
    Ok(format!("{}{name}", mapping.prefix.as_deref().unwrap_or_default()))
}

fn groups(jwt: &Jwt, mapper: &Mapper, claims: &Map<String, Json>, values: &Json) -> Result<Vec<String>, String> {
    let mapping = &jwt.claim_mappings.groups;
    if let Some(value) = claims.get(&mapping.claim).filter(|_| !mapping.claim.is_empty()) {
        let list = match value {
            Json::String(one) => vec![one.clone()],
            Json::Array(several) if several.iter().all(Json::is_string) => {
                several.iter().filter_map(Json::as_str).map(str::to_owned).collect()
            }
            other => return Err(format!("oidc: parse groups claim {:?}: {}", mapping.claim, no_string(other))),
        };
        let prefix = mapping.prefix.as_deref().unwrap_or_default();
        return Ok(list.into_iter().map(|group| format!("{prefix}{group}")).collect());
    }
    let Some(expression) = &mapper.groups else { return Ok(Vec::new()) };
    expression.strings(values).map_err(|why| format!("oidc: error evaluating group claim expression: {why}"))
}

fn uid(jwt: &Jwt, mapper: &Mapper, claims: &Map<String, Json>, values: &Json) -> Result<String, String> {
    let claim = &jwt.claim_mappings.uid.claim;
    if !claim.is_empty() {
        let failed = |why: String| format!("oidc: parse uid claim {claim:?}: {why}");
        let value = claims.get(claim).ok_or_else(|| failed("claim not present".to_owned()))?;
        return value.as_str().map(str::to_owned).ok_or_else(|| failed(no_string(value)));
    }
    let Some(expression) = &mapper.uid else { return Ok(String::new()) };
    let failed = |why: &str| format!("oidc: error evaluating uid claim expression: {why}");
    match expression.value(values).map_err(|why| failed(&why))? {
        Value::String(text) => Ok(text.to_string()),
        _ => Err(failed("uid claim expression must return a string")),
    }
}

fn extra(mapper: &Mapper, claims: &Map<String, Json>, values: &Json) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut extra = BTreeMap::new();
    if let Some(id) = claims.get("jti").and_then(Json::as_str).filter(|id| !id.is_empty()) {
        extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]);
    }
    for (key, expression) in &mapper.extra {
        let values = expression
            .strings(values)
            .map_err(|why| format!("oidc: error evaluating extra claim expression: {}: {why}", expression.text))?;
        if !values.is_empty() {
            extra.insert(key.clone(), values);
        }
    }
    Ok(extra)
}

fn no_string(value: &Json) -> String {
    format!("json: cannot unmarshal {} into Go value of type string", kind(value))
}

/// As Go names a kind of JSON.
fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// All numbers as floating point. Values are as deep as the parser lets them be.
fn as_floats(value: &Json) -> Json {
    match value {
        Json::Number(number) => number.as_f64().and_then(Number::from_f64).map_or(Json::Null, Json::Number),
        Json::Array(items) => items.iter().map(as_floats).collect(),
        Json::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), as_floats(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::configuration::{self, Compiled};
    use super::*;

    /// Names with prefixes, so that nobody of another issuer is one of the cluster's own.
    static PREFIXED: LazyLock<Compiled> = LazyLock::new(|| {
        let tree = json!({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [{
                "issuer": {"url": "https://issuer.example", "audiences": ["a"]},
                "claimMappings": {
                    "username": {"claim": "sub", "prefix": "o:"}, "groups": {"claim": "groups", "prefix": "o:"},
                    "extra": [{"key": "example.org/x", "valueExpression": "has(claims.x) ? claims.x : []"}],
                },
                "userValidationRules": [{"expression": "user.groups.size() < 3", "message": "too many"}],
            }],
        });
        let configuration = configuration::parse(tree.to_string().as_bytes()).unwrap();
        configuration::compile(&configuration, &[]).unwrap().remove(0)
    });

    fn claim() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            "system:masters|\\PC{0,6}".prop_map(Json::from),
        ];
        leaf.prop_recursive(3, 8, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nobody_gets_around_the_prefixes(
            sub in prop_oneof!["\\PC{1,8}".prop_map(Json::from), claim()],
            claims in prop::collection::btree_map("groups|x|jti|email|email_verified|_claim_names", claim(), 0..5),
        ) {
            let mut claims: Map<String, Json> = claims.into_iter().collect();
            claims.insert("sub".to_owned(), sub.clone());
            match user(&PREFIXED.jwt, &PREFIXED.mapper, &claims) {
                Ok(user) => {
                    prop_assert_eq!(user.name, format!("o:{}", sub.as_str().unwrap()));
                    prop_assert!(user.groups.iter().all(|group| group.starts_with("o:")) && user.groups.len() < 3);
                }
                Err(why) => prop_assert!(why.starts_with("oidc: "), "{}", why),
            }
        }
    }

    fn mapped(jwt: Json, claims: Json) -> Result<User, String> {
        let mut whole = json!({"issuer": {"url": "https://issuer.example", "audiences": ["a"]}});
        whole.as_object_mut().unwrap().extend(jwt.as_object().unwrap().clone());
        let tree = json!({
            "apiVersion": "apiserver.config.k8s.io/v1beta1", "kind": "AuthenticationConfiguration", "jwt": [whole],
        });
        let configuration = configuration::parse(tree.to_string().as_bytes()).unwrap();
        let compiled = configuration::compile(&configuration, &[]).unwrap().remove(0);
        user(&compiled.jwt, &compiled.mapper, claims.as_object().unwrap())
    }

    #[test]
    fn claims_name_users() {
        let mappings = json!({"claimMappings": {
            "username": {"claim": "sub", "prefix": "o:"}, "groups": {"claim": "teams", "prefix": "t:"},
            "uid": {"claim": "id"},
        }});
        let found =
            mapped(mappings.clone(), json!({"sub": "ann", "teams": ["a", "b"], "id": "7", "jti": "x"})).unwrap();
        assert_eq!((found.name.as_str(), found.uid.as_str()), ("o:ann", "7"));
        assert_eq!(found.groups, ["t:a", "t:b"]);
        assert_eq!(found.extra[CREDENTIAL_ID], ["JTI=x"]);
        let one = mapped(mappings.clone(), json!({"sub": "ann", "teams": "a", "id": "7"})).unwrap();
        assert_eq!(one.groups, ["t:a"]);
        let missing = mapped(mappings, json!({"sub": "ann"})).unwrap_err();
        assert_eq!(missing, "oidc: parse uid claim \"id\": claim not present");
    }

    #[test]
    fn addresses_are_verified() {
        let mappings = json!({"claimMappings": {"username": {"claim": "email", "prefix": ""}}});
        assert_eq!(mapped(mappings.clone(), json!({"email": "a@b"})).unwrap().name, "a@b");
        let refused = mapped(mappings, json!({"email": "a@b", "email_verified": false}));
        assert_eq!(refused.unwrap_err(), "oidc: email not verified");
    }

    #[test]
    fn expressions_name_users() {
        let mappings = json!({
            "claimMappings": {
                "username": {"expression": "claims.name + ':x'"},
                "groups": {"expression": "claims.roles.split(',')"},
                "uid": {"expression": "claims.nested.id"},
                "extra": [{"key": "example.org/level", "valueExpression": "claims.level == 3 ? ['three'] : []"}],
            },
            "claimValidationRules": [
                {"expression": "claims.hd == 'example.org'", "message": "of another domain"},
                {"claim": "azp", "requiredValue": "kubernetes"},
            ],
            "userValidationRules": [
                {"expression": "!user.username.startsWith('system:')", "message": "is reserved"},
                {"expression": "user.groups.all(group, group != 'system:masters')", "message": "is reserved"},
            ],
        });
        let claims = json!({
            "name": "ann", "roles": "a,b", "nested": {"id": "7"}, "level": 3, "hd": "example.org", "azp": "kubernetes",
        });
        let found = mapped(mappings.clone(), claims.clone()).unwrap();
        assert_eq!((found.name.as_str(), found.uid.as_str()), ("ann:x", "7"));
        assert_eq!(found.groups, ["a", "b"]);
        assert_eq!(found.extra["example.org/level"], ["three"]);
        let told = |name: &str, value: &str| {
            let mut claims = claims.clone();
            claims[name] = value.into();
            mapped(mappings.clone(), claims).unwrap_err()
        };
        assert_eq!(
            told("hd", "other"),
            "oidc: error evaluating claim validation expression: validation expression 'claims.hd == 'example.org'' failed: of another domain"
        );
        assert_eq!(
            told("azp", "other"),
            "oidc: required claim azp value does not match. Got = other, want = kubernetes"
        );
        assert_eq!(
            told("name", "system:ann"),
            "oidc: error evaluating user info validation rule: validation expression '!user.username.startsWith('system:')' failed: is reserved"
        );
        let mut without = claims.clone();
        without.as_object_mut().unwrap().remove("name");
        let told = mapped(mappings, without).unwrap_err();
        assert!(told.starts_with("oidc: error evaluating username claim expression: expression"), "{told}");
    }
}
