//! Defaulting of built-in objects.
//!
//! [`apply`] walks an object once, parent before child: the default function of its type (one file per API group),
//! then the declared defaults of its fields (`+default=`), then the fields themselves. That is the order of upstream's
//! generated defaulters. Like those, it does not look into maps.
//!
//! Default functions follow the feature gates as they stand by default in 1.36. A few of them also do what upstream
//! does when it converts to and from its internal types, and what clients see as defaults: `serviceAccount` beside
//! `serviceAccountName`, `stringData` taken into `data`, the kind of a StatefulSet's claim templates.

mod admissionregistration;
mod apiextensions;
mod apps;
mod authentication;
mod autoscaling;
mod batch;
mod core;
mod discovery;
mod flowcontrol;
mod image;
mod networking;
mod pod_resources;
mod rbac;
mod resource;
mod scheduling;
mod storage;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::json::{is_empty, zero_object};
use crate::quantity::Quantity;
use crate::types::{Field, Omit, Shape, Type};

/// The default functions of each API group.
const GROUPS: [&[Default]; 14] = [
    admissionregistration::DEFAULTS,
    apiextensions::DEFAULTS,
    apps::DEFAULTS,
    authentication::DEFAULTS,
    autoscaling::DEFAULTS,
    batch::DEFAULTS,
    core::DEFAULTS,
    discovery::DEFAULTS,
    flowcontrol::DEFAULTS,
    networking::DEFAULTS,
    rbac::DEFAULTS,
    resource::DEFAULTS,
    scheduling::DEFAULTS,
    storage::DEFAULTS,
];

/// A definition name and the function that fills in its defaults.
type Default = (&'static str, Function);
type Function = fn(&mut Object);
type Object = Map<String, Value>;

/// Fills in the defaults of a built-in object in its normalised form, or of a custom resource.
pub fn apply(ty: &Type, value: &mut Value) {
    if let Some(node) = &ty.structural {
        return crate::structural::default(node, value);
    }
    if let Value::Object(object) = value {
        walk(ty, object);
    }
}

/// Whether objects of a type can be given any defaults.
pub fn has_any(ty: &Type) -> bool {
    PLANS.contains_key(&*ty.name)
}

/// What there is to do in a type; types without any are not listed.
struct Plan {
    function: Option<Function>,
}

static PLANS: LazyLock<HashMap<&'static str, Plan>> = LazyLock::new(|| {
    let functions: HashMap<&str, Function> = GROUPS.iter().flat_map(|group| group.iter().copied()).collect();
    let mut plans: HashMap<&'static str, Plan> = HashMap::new();
    // A type is listed if something below it is: repeat until nothing is added.
    loop {
        let before = plans.len();
        for ty in crate::types() {
            let name: &'static str = &ty.name;
            if plans.contains_key(name) {
                continue;
            }
            let function = functions.get(name).copied();
            let concerned = |field: &Field| {
                !field.default.is_empty()
                    || is_rounded(ty, field)
                    || element(&field.shape).is_some_and(|inner| plans.contains_key(&*inner.name))
            };
            if function.is_some() || ty.fields.iter().any(concerned) {
                plans.insert(name, Plan { function });
            }
        }
        if plans.len() == before {
            return plans;
        }
    }
});

/// The type of a field or of the elements of its list.
fn element(shape: &Shape) -> Option<&Type> {
    match shape {
        Shape::Object(ty) => Some(ty),
        Shape::List(inner) => element(inner),
        _ => None,
    }
}

/// Amounts of resources are rounded; the node group registers no defaulters.
fn is_rounded(ty: &Type, field: &Field) -> bool {
    field.go_type == "v1.ResourceList" && !ty.name.starts_with("io.k8s.api.node.")
}

fn walk(ty: &Type, object: &mut Object) {
    let Some(plan) = PLANS.get(&*ty.name) else { return };
    if let Some(function) = plan.function {
        function(object);
    }
    for field in ty.fields.iter() {
        if field.name.is_empty() {
            if let Shape::Object(inner) = &field.shape {
                walk(inner, object);
            }
            continue;
        }
        declared(field, object);
        if is_rounded(ty, field) {
            round_up(object.get_mut(&*field.name));
            continue;
        }
        match &field.shape {
            Shape::Object(inner) if PLANS.contains_key(&*inner.name) => {
                if !field.pointer && field.omit == Omit::Never && absent(object, &field.name) {
                    object.insert(field.name.to_string(), zero_object(inner));
                }
                if let Some(Value::Object(child)) = object.get_mut(&*field.name) {
                    walk(inner, child);
                }
            }
            Shape::List(shape) => {
                if let (Shape::Object(inner), Some(Value::Array(list))) = (&**shape, object.get_mut(&*field.name))
                    && PLANS.contains_key(&*inner.name)
                {
                    for child in list.iter_mut().filter_map(Value::as_object_mut) {
                        walk(inner, child);
                    }
                }
            }
            _ => {}
        }
    }
}

/// A `+default=` marker.
fn declared(field: &Field, object: &mut Object) {
    if field.default.is_empty() {
        return;
    }
    let unset = match object.get(&*field.name) {
        None | Some(Value::Null) => true,
        Some(value) => !field.pointer && is_empty(value),
    };
    if unset
        && let Ok(value) = serde_json::from_str::<Value>(&field.default)
        && (field.pointer || !is_empty(&value))
    {
        object.insert(field.name.to_string(), value);
    }
}

/// Amounts finer than a thousandth are rounded up.
fn round_up(list: Option<&mut Value>) {
    let Some(Value::Object(list)) = list else { return };
    for value in list.values_mut() {
        if let Some(Ok(mut quantity)) = value.as_str().map(Quantity::parse)
            && !quantity.round_up(-3)
        {
            *value = Value::String(quantity.to_string());
        }
    }
}

fn absent(object: &Object, name: &str) -> bool {
    object.get(name).is_none_or(Value::is_null)
}

fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A pointer that is nil.
fn set_absent(object: &mut Object, name: &str, value: impl Into<Value>) {
    if absent(object, name) {
        object.insert(name.to_owned(), value.into());
    }
}

/// A string, number, list or map that is empty.
fn set_empty(object: &mut Object, name: &str, value: impl Into<Value>) {
    if object.get(name).is_none_or(is_empty) {
        object.insert(name.to_owned(), value.into());
    }
}

fn child<'a>(object: &'a mut Object, name: &str) -> Option<&'a mut Object> {
    object.get_mut(name).and_then(Value::as_object_mut)
}

/// The object of this name, made if there is none.
fn child_or_new<'a>(object: &'a mut Object, name: &str) -> &'a mut Object {
    let slot = object.entry(name).or_insert(Value::Null);
    if !slot.is_object() {
        *slot = json!({});
    }
    slot.as_object_mut().expect("an object was put there if there was none")
}

fn children<'a>(object: &'a mut Object, name: &str) -> impl Iterator<Item = &'a mut Object> {
    let list = object.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests;
