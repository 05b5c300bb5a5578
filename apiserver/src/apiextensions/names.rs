//! Which names of a definition are accepted: no two definitions of a group may share one.
//!
//! Source: apiextensions-apiserver `pkg/controller/status/naming_controller.go`.

use std::collections::HashMap;

use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::conditions;
use crate::object::{items, text};

/// The accepted names of all definitions, by group and definition.
#[derive(Default)]
pub struct Accepted(HashMap<SmolStr, HashMap<SmolStr, Names>>);

#[derive(Default, PartialEq)]
struct Names {
    resources: Vec<String>,
    kinds: Vec<String>,
}

impl Accepted {
    /// Notes the names that a definition has now; whether it gave any back.
    pub fn note(&mut self, group: &str, name: &str, crd: Option<&Value>) -> bool {
        let names = crd.map(|crd| {
            let accepted = &crd["status"]["acceptedNames"];
            let mut resources = vec![text(&accepted["plural"]).to_owned(), text(&accepted["singular"]).to_owned()];
            resources.extend(items(&accepted["shortNames"]).iter().map(|name| text(name).to_owned()));
            let kinds = vec![text(&accepted["kind"]).to_owned(), text(&accepted["listKind"]).to_owned()];
            Names { resources, kinds }
        });
        let of_group = self.0.entry(group.into()).or_default();
        let before = match names {
            Some(names) => of_group.insert(name.into(), names),
            None => of_group.remove(name),
        };
        let gone = |before: &Names| match of_group.get(name) {
            None => true,
            Some(now) => before.resources.iter().any(|name| !now.resources.contains(name)) || before.kinds != now.kinds,
        };
        let released = before.as_ref().is_some_and(gone);
        if of_group.is_empty() {
            self.0.remove(group);
        }
        released
    }

    fn used(&self, group: &str, own: &str, find: impl Fn(&Names) -> bool) -> bool {
        self.0.get(group).is_some_and(|of_group| of_group.iter().any(|(name, names)| name != own && find(names)))
    }

    /// Sets `acceptedNames` and the conditions `NamesAccepted` and `Established` of a definition that asks for names
    /// it does not have.
    pub fn judge(&self, crd: &mut Value) {
        if crd["spec"]["names"] == crd["status"]["acceptedNames"] {
            return;
        }
        let group = text(&crd["spec"]["group"]).to_owned();
        let own = crate::object::meta(crd, "name").to_owned();
        let asked = crd["spec"]["names"].clone();
        let mut accepted = match &crd["status"]["acceptedNames"] {
            Value::Object(names) => Value::Object(names.clone()),
            _ => json!({"plural": "", "kind": ""}),
        };
        let is_resource = |name: &str| self.used(&group, &own, |names| names.resources.iter().any(|used| used == name));
        let is_kind = |name: &str| self.used(&group, &own, |names| names.kinds.iter().any(|used| used == name));
        let mut problem: Option<(&str, String)> = None;
        let in_use = |name: &str| format!("{name:?} is already in use");
        for (field, reason) in [("plural", "PluralConflict"), ("singular", "SingularConflict")] {
            let name = text(&asked[field]);
            if name != text(&accepted[field]) && is_resource(name) {
                problem = Some((reason, in_use(name)));
            } else if let Some(value) = asked.get(field) {
                accepted[field] = value.clone();
            }
        }
        if asked["shortNames"] != accepted["shortNames"] {
            let known = items(&accepted["shortNames"]);
            let taken: Vec<String> = items(&asked["shortNames"])
                .iter()
                .filter(|name| !known.contains(name) && is_resource(text(name)))
                .map(|name| in_use(text(name)))
                .collect();
            match taken.as_slice() {
                [] => put(&mut accepted, &asked, "shortNames"),
                [one] => problem = Some(("ShortNamesConflict", one.clone())),
                many => problem = Some(("ShortNamesConflict", format!("[{}]", many.join(", ")))),
            }
        }
        for (field, reason) in [("kind", "KindConflict"), ("listKind", "ListKindConflict")] {
            let name = text(&asked[field]);
            if name != text(&accepted[field]) && is_kind(name) {
                problem = Some((reason, in_use(name)));
            } else if let Some(value) = asked.get(field) {
                accepted[field] = value.clone();
            }
        }
        put(&mut accepted, &asked, "categories");
        crd["status"]["acceptedNames"] = accepted;
        match problem {
            Some((reason, message)) => conditions::set(crd, "NamesAccepted", "False", reason, &message),
            None => conditions::set(crd, "NamesAccepted", "True", "NoConflicts", "no conflicts found"),
        };
        if conditions::is_true(crd, "Established") {
            return;
        }
        if conditions::is_true(crd, "NamesAccepted") {
            conditions::set(crd, "Established", "False", "Installing", "the initial names have been accepted");
        } else if conditions::find(crd, "Established").is_none() {
            conditions::set(crd, "Established", "False", "NotAccepted", "not all names are accepted");
        }
    }
}

/// Makes a field what it is in `from`, absent included.
fn put(into: &mut Value, from: &Value, field: &str) {
    match from.get(field) {
        Some(value) => into[field] = value.clone(),
        None => crate::object::remove(into, field),
    }
}
