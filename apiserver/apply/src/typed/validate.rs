//! Whether a value fits its schema well enough to be merged.

use std::collections::BTreeSet;

use apiserver_schema::json::go_type;
use serde_json::Value;

use super::place::{Atom, List, Members, Place, Scalar};
use crate::go_text::{go_syntax, go_value};
use crate::managed_fields::PathElement;

/// Checks `value` and answers all errors in one text, in upstream's words.
pub(crate) fn validate(place: Place<'_>, value: &Value, allow_duplicates: bool) -> Result<(), String> {
    let mut walker = Walker { path: Vec::new(), errors: Vec::new(), allow_duplicates };
    walker.walk(place, value);
    match walker.errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

struct Walker {
    path: Vec<PathElement>,
    errors: Vec<String>,
    allow_duplicates: bool,
}

impl Walker {
    fn error(&mut self, message: String) {
        let path: String = self.path.iter().map(PathElement::to_string).collect();
        self.errors.push(if path.is_empty() { message } else { format!("{path}: {message}") });
    }

    fn walk(&mut self, place: Place<'_>, value: &Value) {
        match place.atom(Some(value)).0 {
            Atom::Scalar(scalar) => self.scalar(scalar, value),
            Atom::List(list) => match value {
                Value::Array(items) => self.items(list, items),
                Value::Null => {}
                other => self.error(format!("expected list, got &{{{}}}", go_value(other))),
            },
            Atom::Map(members) => match value {
                Value::Object(map) => self.members(members, map),
                Value::Null => {}
                other => self.error(format!("expected map, got &{{{}}}", go_value(other))),
            },
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value) {
        let fits = match scalar {
            Scalar::Numeric => value.is_number(),
            Scalar::String => value.is_string(),
            Scalar::Boolean => value.is_boolean(),
            Scalar::Any => !value.is_object() && !value.is_array(),
        };
        if fits || value.is_null() {
            return;
        }
        self.error(match scalar {
            Scalar::Numeric => format!("expected numeric (int or float), got {}", go_type(value)),
            Scalar::String => format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)),
            Scalar::Boolean => format!("expected boolean, got &{{{}}}", go_value(value)),
            Scalar::Any => format!("expected any scalar, got &{{{}}}", go_value(value)),
        });
    }

    fn items(&mut self, list: List<'_>, items: &[Value]) {
        let mut seen = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let element = if list.is_atomic() {
                PathElement::Index(at as i64)
            } else {
                let element = match list.element_of(item) {
                    Ok(element) => element,
                    Err(cause) => return self.error(format!("element {at}: {cause}")),
                };
                if !seen.insert(element.clone()) && !self.allow_duplicates {
                    self.error(format!("duplicate entries for key {element}"));
                }
                element
            };
            self.path.push(element);
            self.walk(list.element, item);
            self.path.pop();
        }
    }

    fn members(&mut self, members: Members<'_>, map: &serde_json::Map<String, Value>) {
        let is_root = self.path.is_empty();
        for (name, value) in map {
            let declared = members.declared(name).is_some() || members.others.is_some();
            // The tables of types may leave these two to the envelope.
            let envelope = is_root && (name == "apiVersion" || name == "kind");
            self.path.push(PathElement::field(name));
            if envelope {
                self.scalar(Scalar::String, value);
            } else if declared {
                self.walk(members.place(name), value);
            } else {
                self.error("field not declared in schema".to_owned());
            }
            self.path.pop();
            // Upstream stops at the first undeclared member of an object.
            if !declared && !envelope {
                return;
            }
        }
    }
}
