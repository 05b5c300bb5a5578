//! What `x-kubernetes-validations` say: they must compile, and may not cost too much.
//!
//! Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/cel_validation.go` and `validation.go`.

use std::sync::Arc;

use apiserver_cel::DeclType;
use serde_json::{Value, json};

use crate::apiextensions::rules::{compile_rule, has_rules};
use crate::field::{ErrorList, Path};
use crate::object::{entries, items};

/// The limit of one rule's estimated cost.
const RULE_LIMIT: u64 = 10_000_000;
/// The limit of all rules of one schema.
const SCHEMA_LIMIT: u64 = 100_000_000;

/// Adds what is wrong with the rules of a schema that is otherwise right.
pub fn validate(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    if !has_rules(schema) {
        return;
    }
    let mut checker = Checker { errors, total: 0, expensive: Vec::new() };
    checker.walk(schema, path, None, Around { cardinality: Some(1), uncorrelated: None, root: true });
    let Checker { total, mut expensive, .. } = checker;
    if total > SCHEMA_LIMIT {
        expensive.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        for (at, _) in expensive.into_iter().take(4) {
            let why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            errors.forbidden(&Path::new(&at), why);
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.forbidden(path, exceeded(what, total, SCHEMA_LIMIT));
    }
}

/// What the places above say of a place.
#[derive(Clone, Copy)]
struct Around<'a> {
    /// How many values there can be here, if that is bounded.
    cardinality: Option<u64>,
    /// Where the elements of a list cannot be told from each other.
    uncorrelated: Option<&'a str>,
    root: bool,
}

struct Checker<'e> {
    errors: &'e mut ErrorList,
    total: u64,
    expensive: Vec<(String, u64)>,
}

impl Checker<'_> {
    fn walk(&mut self, schema: &Value, path: &Path<'_>, decl: Option<&Arc<DeclType>>, around: Around<'_>) {
        if !has_rules(schema) {
            return;
        }
        let resource = around.root || schema["x-kubernetes-embedded-resource"] == true;
        let decl = decl.cloned().or_else(|| DeclType::from_schema(schema, resource));
        let elements = elements(schema);
        let below = Around {
            cardinality: around.cardinality.zip(elements).map(|(above, here)| above.saturating_mul(here)),
            root: false,
            ..around
        };
        let other = &schema["additionalProperties"];
        let element_decl = decl.as_ref().and_then(|decl| decl.element());
        if other.is_object() {
            self.walk(other, &path.child("additionalProperties"), element_decl, below);
        }
        let properties = path.child("properties");
        for (name, property) in entries(&schema["properties"]) {
            let known = decl.as_ref().and_then(|decl| decl.property(name));
            self.walk(property, &properties.key(name), known, below);
        }
        if schema["items"].is_object() {
            let own = path.to_string();
            let uncorrelated = match schema["x-kubernetes-list-type"] == "map" {
                true => around.uncorrelated,
                false => around.uncorrelated.or(Some(&own)),
            };
            self.walk(&schema["items"], &path.child("items"), element_decl, Around { uncorrelated, ..below });
        }
        let list = path.child("x-kubernetes-validations");
        for (index, rule) in items(&schema["x-kubernetes-validations"]).iter().enumerate() {
            match &decl {
                Some(decl) => self.rule(rule, &list.index(index), decl, around),
                None => {
                    let why = "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations";
                    self.errors.forbidden(&list, why);
                }
            }
        }
    }

    fn rule(&mut self, rule: &Value, path: &Path<'_>, decl: &Arc<DeclType>, around: Around<'_>) {
        let compiled = compile_rule(rule, decl);
        let at = path.child("rule");
        let cardinality = around.cardinality.unwrap_or_else(|| decl.max_cardinality());
        let cost = compiled.cost.saturating_mul(cardinality);
        if cost > RULE_LIMIT {
            self.errors.forbidden(&at, exceeded("estimated rule cost", cost, RULE_LIMIT));
        }
        self.observe(&at, cost);
        if let Some(why) = compiled.error() {
            self.errors.invalid_structure(&at, shown(rule), why);
        }
        let message_path = path.child("messageExpression");
        match &compiled.message_error {
            Some(why) => self.errors.invalid_structure(&message_path, shown(rule), why.as_str()),
            None if compiled.message_cost > 0 => {
                let cost = compiled.message_cost;
                if cost > RULE_LIMIT {
                    let why = exceeded("estimated messageExpression cost", cost, RULE_LIMIT);
                    self.errors.forbidden(&message_path, why);
                }
                self.observe(&message_path, cost);
            }
            None => {}
        }
        if compiled.uses_old_self() {
            if let Some(place) = around.uncorrelated {
                let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {place}");
                self.errors.invalid(&at, &rule["rule"], why);
            }
        } else if !rule["optionalOldSelf"].is_null() {
            let why = "may not be set if oldSelf is not used in rule";
            self.errors.invalid(&path.child("optionalOldSelf"), &rule["optionalOldSelf"], why);
        }
    }

    fn observe(&mut self, path: &Path<'_>, cost: u64) {
        self.total = self.total.saturating_add(cost);
        if cost >= SCHEMA_LIMIT / 100 {
            self.expensive.push((path.to_string(), cost));
        }
    }
}

/// How many parts a value has at most, if that is bounded.
fn elements(schema: &Value) -> Option<u64> {
    let bound = |name: &str| schema[name].as_i64().map(|bound| u64::try_from(bound).unwrap_or_default());
    match schema["type"].as_str() {
        Some("object") if !schema["additionalProperties"].is_null() => bound("maxProperties"),
        Some("array") => bound("maxItems"),
        _ => Some(1),
    }
}

fn exceeded(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let shown = match factor {
        factor if factor > 100.0 => "more than 100x".to_owned(),
        factor if factor < 1.5 => format!("{factor:.6}x"),
        factor => format!("{factor:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// A rule as upstream's messages show it: by its internal names.
fn shown(rule: &Value) -> String {
    let word = |name: &str| rule.get(name).filter(|word| word.is_string()).cloned().unwrap_or_else(|| json!(""));
    crate::field::structure(&[
        ("Rule", &word("rule")),
        ("Message", &word("message")),
        ("MessageExpression", &word("messageExpression")),
        ("Reason", &rule["reason"]),
        ("FieldPath", &word("fieldPath")),
        ("OptionalOldSelf", &rule["optionalOldSelf"]),
    ])
}
