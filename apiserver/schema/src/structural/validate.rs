//! Whether a value fulfils a schema, in the words and the order of kube-openapi.
//!
//! Source: kube-openapi `pkg/validation/validate`; for updates, KEP-4008: what was wrong before may stay as it is.

use serde_json::{Map, Value};

use super::{Node, NodeType, Rules, correlated, formats, number, patterns};

/// One broken rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    pub kind: ViolationKind,
    /// Where, for example `spec.list[0]`; `None` where upstream does not say it.
    pub path: Option<String>,
    pub value: Value,
    /// What upstream's validator says; for `NotSupported` there is none.
    pub detail: String,
    /// The values of an enumeration, as messages show them.
    pub supported: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViolationKind {
    Required,
    NotSupported,
    /// Longer than this.
    TooLong(i64),
    /// More than this.
    TooMany(i64),
    TypeInvalid,
    Invalid,
}

/// Checks a new value.
pub fn validate(node: &Node, value: &Value) -> Vec<Violation> {
    schema(node, value, None, "").errors
}

/// Checks a value that takes the place of another one: what is unchanged may be wrong.
pub fn validate_update(node: &Node, value: &Value, old: &Value) -> Vec<Violation> {
    ratcheted(node, value, Some(Old { place: node, value: old, own: value }), "").errors
}

/// The older value of a place, and the structural schema that says which of its parts correspond.
#[derive(Clone, Copy)]
struct Old<'a> {
    place: &'a Node,
    value: &'a Value,
    own: &'a Value,
}

impl<'a> Old<'a> {
    fn member(self, name: &str) -> Option<Old<'a>> {
        let (value, own) = (self.value.as_object()?.get(name)?, self.own.as_object()?.get(name)?);
        Some(Old { place: self.place.member(name)?, value, own })
    }

    fn item(self, index: usize) -> Option<Old<'a>> {
        let (value, own) = (self.value.as_array()?, self.own.as_array()?);
        let found = correlated(self.place, own, index, value)?;
        Some(Old { place: self.place.element.as_deref()?, value: found, own: own.get(index)? })
    }
}

/// What came of checking a value.
#[derive(Default)]
pub(super) struct Outcome {
    pub errors: Vec<Violation>,
    /// How much fitted: of several alternatives that fail, the errors of the nearest one are shown.
    pub matches: usize,
}

impl Outcome {
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    pub fn merge(&mut self, other: Outcome) {
        self.matches += other.matches;
        self.add(other.errors);
    }

    /// Adds errors until one of them is there already.
    fn add(&mut self, errors: Vec<Violation>) {
        for error in errors {
            if self.errors.iter().any(|known| known.path == error.path && known.detail == error.detail) {
                break;
            }
            self.errors.push(error);
        }
    }

    pub fn error(&mut self, kind: ViolationKind, path: &str, value: Value, detail: String) {
        self.add(vec![Violation { kind, path: Some(named(path)), value, detail, supported: Vec::new() }]);
    }

    /// An error of which upstream loses the place.
    pub fn placeless(&mut self, detail: String) {
        let kind = ViolationKind::Invalid;
        self.add(vec![Violation { kind, path: None, value: "".into(), detail, supported: Vec::new() }]);
    }
}

fn named(path: &str) -> String {
    path.strip_prefix('.').unwrap_or(path).to_owned()
}

fn ratcheted(node: &Node, value: &Value, old: Option<Old<'_>>, path: &str) -> Outcome {
    let mut outcome = schema(node, value, old, path);
    if old.is_some_and(|old| !outcome.is_valid() && same(old.value, value)) {
        outcome.errors.clear();
    }
    outcome
}

/// Equal values; an integer is not its float, as in Go.
fn same(a: &Value, b: &Value) -> bool {
    a == b
}

fn schema(node: &Node, value: &Value, old: Option<Old<'_>>, path: &str) -> Outcome {
    let mut outcome = Outcome::default();
    if !node.has_rules {
        return outcome;
    }
    let rules = node.rules();
    if value.is_null() {
        type_of(node, rules, value, path, &mut outcome);
        if let Some(rules) = rules {
            enumeration(rules, value, path, &mut outcome);
        }
        return outcome;
    }
    if node.ty != NodeType::Any || rules.is_some_and(|rules| !rules.format.is_empty()) {
        let mut own = Outcome { matches: 1, ..Outcome::default() };
        type_of(node, rules, value, path, &mut own);
        outcome.merge(own);
        outcome.matches += 1;
    }
    if let Some(rules) = rules {
        outcome.merge(combined(rules, value, old, path));
    }
    outcome.matches += 1;
    match value {
        Value::String(text) => {
            if let Some(rules) = rules {
                let mut own = Outcome::default();
                string(rules, text, value, path, &mut own);
                outcome.merge(own);
                if formats::is_of_strings(&rules.format) {
                    if !formats::is_valid(&rules.format, text) {
                        let detail = format!("{path} in body must be of type {}: {text:?}", rules.format);
                        let mut own = Outcome::default();
                        own.error(ViolationKind::TypeInvalid, path, value.clone(), detail);
                        outcome.merge(own);
                    }
                    outcome.matches += 1;
                }
            }
            outcome.matches += 1;
        }
        Value::Number(_) => {
            outcome.merge(number::check(node.ty, rules, value, path));
            outcome.matches += 1;
        }
        Value::Array(items) => {
            outcome.merge(array(node, rules, items, old, path));
            outcome.matches += 1;
        }
        _ => {}
    }
    if let Some(rules) = rules {
        let mut own = Outcome::default();
        enumeration(rules, value, path, &mut own);
        outcome.merge(own);
    }
    outcome.matches += 1;
    if let Value::Object(map) = value {
        outcome.merge(object(node, rules, map, old, path));
        outcome.matches += 1;
    }
    outcome.matches += 1;
    outcome
}

/// The type as upstream's messages name it, with its format.
fn type_of(node: &Node, rules: Option<&Rules>, value: &Value, path: &str, outcome: &mut Outcome) {
    let mut mismatch = |expected: &str, found: &str| {
        let detail = format!("{path} in body must be of type {expected}: {found:?}");
        outcome.error(ViolationKind::TypeInvalid, path, found.into(), detail);
    };
    let (name, is_text) = match value {
        Value::Null => {
            if node.ty != NodeType::Any && !node.nullable {
                mismatch(node.ty.name(), "null");
            }
            return;
        }
        Value::Bool(_) => ("boolean", false),
        Value::String(_) => ("string", true),
        Value::Array(_) => ("array", true),
        Value::Object(_) => ("object", false),
        Value::Number(number) if number.is_f64() => ("number", false),
        Value::Number(_) => ("integer", false),
    };
    let wants_int = matches!(node.ty, NodeType::Integer | NodeType::IntOrString);
    let contains = match node.ty {
        NodeType::IntOrString => matches!(name, "integer" | "string"),
        ty => ty.name() == name,
    };
    let is_float_int = name == "number" && wants_int && value.as_f64().is_some_and(number::is_whole);
    let is_int_float = name == "integer" && node.ty == NodeType::Number;
    let format = rules.map(|rules| &*rules.format).unwrap_or_default();
    let found_format = match name {
        "integer" => "int64",
        "number" => "float64",
        _ => "",
    };
    let fits = contains || is_float_int || is_int_float;
    if !is_text && !format.is_empty() && !fits && found_format != format {
        return mismatch(format, found_format);
    }
    let is_number = wants_int || node.ty == NodeType::Number;
    if is_text && !is_number && !format.is_empty() {
        return;
    }
    if !fits {
        mismatch(node.ty.name(), name);
    }
}

fn enumeration(rules: &Rules, value: &Value, path: &str, outcome: &mut Outcome) {
    let equal = |allowed: &Value| match (allowed, value) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => !value.is_null() && allowed == value,
    };
    if rules.enumeration.is_empty() || rules.enumeration.iter().any(equal) {
        return;
    }
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let supported = rules.enumeration.iter().map(shown).collect();
    let detail = format!("{path} in body should be one of");
    let kind = ViolationKind::NotSupported;
    outcome.add(vec![Violation { kind, path: Some(named(path)), value: value.clone(), detail, supported }]);
}

/// The first of a string's rules that it breaks.
fn string(rules: &Rules, text: &str, value: &Value, path: &str, outcome: &mut Outcome) {
    let length = || text.chars().count() as i64;
    if let Some(most) = rules.max_length.filter(|most| length() > *most) {
        let detail = format!("{path} in body should be at most {most} chars long");
        return outcome.error(ViolationKind::TooLong(most), path, value.clone(), detail);
    }
    if let Some(least) = rules.min_length.filter(|least| length() < *least) {
        let detail = format!("{path} in body should be at least {least} chars long");
        return outcome.error(ViolationKind::Invalid, path, value.clone(), detail);
    }
    if !rules.pattern.is_empty() {
        let why = match patterns::compile(&rules.pattern) {
            Ok(pattern) if pattern.is_match(text) => return,
            Ok(_) => format!("{path} in body should match '{}'", rules.pattern),
            Err(error) => format!("{path} in body should match '{}, but pattern is invalid: {error}'", rules.pattern),
        };
        outcome.error(ViolationKind::Invalid, path, value.clone(), why);
    }
}

fn array(node: &Node, rules: Option<&Rules>, items: &[Value], old: Option<Old<'_>>, path: &str) -> Outcome {
    let mut outcome = Outcome::default();
    if let Some(element) = node.element.as_deref().filter(|element| element.has_rules) {
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            outcome.merge(ratcheted(element, item, old.and_then(|old| old.item(index)), &path));
        }
    }
    if let Some(rules) = rules {
        let size = items.len() as i64;
        if let Some(least) = rules.min_items.filter(|least| size < *least) {
            let detail = format!("{path} in body should have at least {least} items");
            outcome.error(ViolationKind::Invalid, path, size.into(), detail);
        }
        if let Some(most) = rules.max_items.filter(|most| size > *most) {
            let detail = format!("{path} in body should have at most {most} items");
            outcome.error(ViolationKind::TooMany(most), path, size.into(), detail);
        }
        if rules.unique_items && (1..items.len()).any(|at| items[..at].contains(&items[at])) {
            let detail = format!("{path} in body shouldn't contain duplicates");
            outcome.error(ViolationKind::Invalid, path, "".into(), detail);
        }
    }
    outcome.matches += 1;
    outcome
}

fn object(node: &Node, rules: Option<&Rules>, map: &Map<String, Value>, old: Option<Old<'_>>, path: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let size = map.len() as i64;
    if let Some(rules) = rules {
        if let Some(least) = rules.min_properties.filter(|least| size < *least) {
            let detail = format!("{path} in body should have at least {least} properties");
            outcome.error(ViolationKind::Invalid, path, size.into(), detail);
        }
        if let Some(most) = rules.max_properties.filter(|most| size > *most) {
            let detail = format!("{path} in body should have at most {most} properties");
            outcome.error(ViolationKind::TooMany(most), path, size.into(), detail);
        }
    }
    if let Some(element) = node.element.as_deref().filter(|element| element.has_rules) {
        for (name, member) in map.iter().filter(|(name, _)| node.property(name).is_none()) {
            let child = format!("{path}.{name}");
            outcome.merge(ratcheted(element, member, old.and_then(|old| old.member(name)), &child));
        }
    }
    for (name, property) in node.properties.iter().filter(|(_, property)| property.has_rules) {
        let Some(member) = map.get(&**name) else { continue };
        let child = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        let is_kind = path.is_empty() && matches!(&**name, "kind" | "apiVersion");
        let old = old.and_then(|old| old.member(name)).filter(|_| !is_kind);
        outcome.merge(ratcheted(property, member, old, &child));
    }
    for name in rules.into_iter().flat_map(|rules| &rules.required) {
        if !map.contains_key(&**name) {
            let child = format!("{path}.{name}");
            let detail = format!("{child} in body is required");
            outcome.error(ViolationKind::Required, &child, Value::Null, detail);
        }
    }
    outcome
}

/// `anyOf`, `oneOf`, `allOf` and `not`.
fn combined(rules: &Rules, value: &Value, old: Option<Old<'_>>, path: &str) -> Outcome {
    let mut outcome = Outcome::default();
    if !rules.any_of.is_empty() {
        let mut best: Option<Outcome> = None;
        let mut succeeded = None;
        for alternative in &rules.any_of {
            let result = schema(alternative, value, old, path);
            if result.is_valid() {
                succeeded = Some(result);
                break;
            }
            if best.as_ref().is_none_or(|best| result.matches > best.matches) {
                best = Some(result);
            }
        }
        match (succeeded, best) {
            (Some(result), _) => outcome.merge(result),
            (None, best) => {
                outcome.placeless(format!("{path:?} must validate at least one schema (anyOf)"));
                outcome.merge(best.unwrap_or_default());
            }
        }
    }
    if !rules.one_of.is_empty() {
        let mut best: Option<Outcome> = None;
        let mut first = None;
        let mut valid = 0;
        for alternative in &rules.one_of {
            let result = schema(alternative, value, old, path);
            if result.is_valid() {
                valid += 1;
                best = None;
                first.get_or_insert(result);
            } else if valid == 0 && best.as_ref().is_none_or(|best| result.matches > best.matches) {
                best = Some(result);
            }
        }
        if valid == 1 {
            outcome.merge(first.unwrap_or_default());
        } else {
            let found =
                if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
            outcome.placeless(format!("{path:?} must validate one and only one schema (oneOf). {found}"));
            outcome.merge(best.unwrap_or_default());
        }
    }
    if !rules.all_of.is_empty() {
        let mut valid = 0;
        for part in &rules.all_of {
            let result = schema(part, value, old, path);
            valid += usize::from(result.is_valid());
            outcome.merge(result);
        }
        if valid != rules.all_of.len() {
            let none = if valid == 0 { ". None validated" } else { "" };
            outcome.placeless(format!("{path:?} must validate all the schemas (allOf){none}"));
        }
    }
    if let Some(not) = &rules.not
        && schema(not, value, old, path).is_valid()
    {
        outcome.placeless(format!("{path:?} must not validate the schema (not)"));
    }
    outcome.matches += 1;
    outcome
}
