//! What the roles that every cluster begins with allow, compared with what kube-apiserver 1.36 has them allow, for
//! every resource, subresource, verb and path.
//!
//! `access.txt` is its table: the verbs of each thing, then of each role the verbs that it allows, and on what. A thing
//! is written `resource[/subresource][.group][=name]` or as a path. It was made of upstream's roles; its entries, and
//! some of what is in none, were asked of upstream in SubjectAccessReviews (of roles with wildcards a quarter).

use std::collections::{BTreeMap, BTreeSet};

use super::policy::Role;
use super::roles::{CLUSTER_ROLES, ROLES};
use crate::authn::User;
use crate::authz::rbac::Rule;
use crate::authz::{Attributes, NO_SELECTORS};

/// Verbs by thing.
type Verbs<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

#[derive(Default)]
struct Table<'a> {
    asked: Verbs<'a>,
    /// What is allowed, by the role's `name` or `namespace/name`.
    roles: BTreeMap<&'a str, Verbs<'a>>,
}

impl<'a> Table<'a> {
    fn read(text: &'a str) -> Table<'a> {
        let mut table = Table::default();
        let mut role = "";
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (line.starts_with(' '), words.next().unwrap()) {
                (false, "asked") => {
                    let verbs = words.next().unwrap();
                    table.asked.extend(words.map(|thing| (thing, verbs.split(',').collect())));
                }
                (false, _) => {
                    role = words.next().unwrap();
                    table.roles.insert(role, Verbs::new());
                }
                (true, verbs) => {
                    let allowed = table.roles.get_mut(role).unwrap();
                    for thing in words {
                        let all = || table.asked[thing].clone();
                        allowed.insert(thing, if verbs == "all" { all() } else { verbs.split(',').collect() });
                    }
                }
            }
        }
        table
    }
}

/// The rules of a role, with those of the roles that it is made of.
fn rules(role: &Role) -> Vec<Rule> {
    let mut rules: Vec<Rule> = serde_json::from_value(role.tree()["rules"].clone()).unwrap_or_default();
    for label in role.aggregates {
        rules.extend(CLUSTER_ROLES.iter().filter(|other| other.labels.contains(label)).flat_map(self::rules));
    }
    rules
}

fn asked<'a>(user: &'a User, verb: &'a str, thing: &'a str, namespace: &'a str) -> Attributes<'a> {
    let is_resource = !thing.starts_with('/');
    let (what, name) = if is_resource { thing.split_once('=').unwrap_or((thing, "")) } else { ("", "") };
    let (path, group) = what.split_once('.').unwrap_or((what, ""));
    let (resource, subresource) = path.split_once('/').unwrap_or((path, ""));
    Attributes {
        user,
        verb,
        is_resource,
        group,
        version: "*",
        resource,
        subresource,
        namespace,
        name,
        path: if is_resource { "" } else { thing },
        selectors: &NO_SELECTORS,
    }
}

#[test]
fn every_role_allows_what_upstreams_does() {
    let table = Table::read(include_str!("access.txt"));
    let user = User::default();
    let roles: BTreeMap<String, &Role> = CLUSTER_ROLES
        .iter()
        .map(|role| (role.name.to_owned(), role))
        .chain(ROLES.iter().map(|role| (format!("{}/{}", role.namespace, role.name), role)))
        .collect();
    let names: Vec<&str> = roles.keys().map(String::as_str).collect();
    assert_eq!(names, table.roles.keys().copied().collect::<Vec<_>>());
    assert!(table.asked.len() > 150);
    for (name, role) in &roles {
        let rules = rules(role);
        let mut allowed = Verbs::new();
        for (thing, verbs) in &table.asked {
            let may = |verb: &&str| {
                let asked = asked(&user, verb, thing, role.namespace);
                rules.iter().any(|rule| rule.allows(&asked))
            };
            let verbs: BTreeSet<&str> = verbs.iter().copied().filter(may).collect();
            if !verbs.is_empty() {
                allowed.insert(*thing, verbs);
            }
        }
        assert_eq!(allowed, table.roles[name.as_str()], "{name}");
    }
}
