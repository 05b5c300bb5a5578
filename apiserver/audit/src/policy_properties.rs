//! What holds for every audit policy, however it is written.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::policy::{Attributes, Level, Policy, PolicyError};

const LEVELS: [Level; 4] = [Level::None, Level::Metadata, Level::Request, Level::RequestResponse];

/// A rule that may be right or wrong.
fn rule() -> impl Strategy<Value = Value> {
    let names = |pattern: &'static str| prop::option::of(prop::collection::vec(pattern, 0..3));
    let resources = prop::collection::vec(
        ("|apps|\\*|[A-Za-z./]{0,6}", names("pods|\\*|pods/log|\\*/log|pods/\\*|[a-z/*]{0,6}"), names("x|y")),
        0..2,
    );
    let who = (names("jane|joe"), names("admins|devs"), names("get|list"));
    (
        "None|Metadata|Request|RequestResponse|[A-Za-z]{0,3}",
        who,
        prop::option::of(resources),
        names("default||other"),
        names("/healthz|/api\\*|\\*|[a-z/*]{0,6}"),
        names("RequestReceived|Panic|ResponseStarted|[a-z]{0,3}"),
    )
        .prop_map(|(level, (users, groups, verbs), resources, namespaces, urls, stages)| {
            let resources = resources.map(|all| {
                all.into_iter()
                    .map(|(group, resources, names)| {
                        json!({"group": group, "resources": resources, "resourceNames": names})
                    })
                    .collect::<Vec<Value>>()
            });
            json!({
                "level": level, "users": users, "userGroups": groups, "verbs": verbs, "resources": resources,
                "namespaces": namespaces, "nonResourceURLs": urls, "omitStages": stages,
            })
        })
}

fn policy(rules: &[Value]) -> Result<Policy, PolicyError> {
    Policy::parse(&json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}).to_string())
}

/// Those of the rules that are right.
fn right(rules: Vec<Value>) -> Vec<Value> {
    rules.into_iter().filter(|rule| policy(std::slice::from_ref(rule)).is_ok()).collect()
}

fn asked<'a>(groups: &'a [String], resource: &'a str, subresource: &'a str, path: &'a str) -> Attributes<'a> {
    Attributes {
        user: Some("jane"),
        groups,
        verb: "get",
        is_resource: path.is_empty(),
        resource,
        subresource,
        namespace: "default",
        name: "x",
        path,
        ..Attributes::default()
    }
}

proptest! {
    /// A policy is right where each of its rules is, and each of its problems says in which rule it is.
    #[test]
    fn rules_are_judged_one_by_one(rules in prop::collection::vec(rule(), 1..4)) {
        let wrong: Vec<bool> = rules.iter().map(|rule| policy(std::slice::from_ref(rule)).is_err()).collect();
        match policy(&rules) {
            Ok(_) => prop_assert!(!wrong.contains(&true)),
            Err(PolicyError::Invalid(why)) => {
                for (index, wrong) in wrong.iter().enumerate() {
                    prop_assert_eq!(why.contains(&format!("rules[{index}].")), *wrong, "{}", why);
                }
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }

    /// The first rule that alone would decide is the one that decides.
    #[test]
    fn the_first_rule_that_fits_decides(
        rules in prop::collection::vec(rule(), 0..5),
        groups in prop::collection::vec("admins|devs", 0..2),
        resource in "pods|nodes", subresource in "|log|exec", path in "|/healthz|/api/v1|/x",
    ) {
        let mut rules = right(rules);
        rules.push(json!({"level": "Metadata"}));
        let asked = asked(&groups, &resource, &subresource, &path);
        let decided = policy(&rules).unwrap().decide(&asked);
        // A rule fits where it decides otherwise than what is said without any.
        let fits = |rule: &Value| {
            let mut rule = rule.clone();
            rule["level"] = "RequestResponse".into();
            policy(&[rule]).unwrap().decide(&asked).level == Level::RequestResponse
        };
        let first = rules.iter().find(|rule| fits(rule)).unwrap();
        let level = LEVELS.into_iter().find(|level| first["level"] == level.as_str()).unwrap();
        prop_assert_eq!(decided.level, level);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,120}", tail in "[a-z:*/\\[\\]{}, &*-]{0,60}") {
        let _ = Policy::parse(&text);
        let _ = Policy::parse(&format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{{level: None, {tail}}}]"));
    }
}

#[test]
fn what_would_grow_without_end_is_refused() {
    let mut bomb = "apiVersion: audit.k8s.io/v1\nkind: Policy\na: &a [x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ('b'..='z').zip('a'..='y') {
        bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 8].join(", "));
    }
    assert!(Policy::parse(&format!("{bomb}rules: *z")).is_err());
    let deep = |depth: usize| format!("rules: {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Policy::parse(&deep(100_000)).is_err());
}
