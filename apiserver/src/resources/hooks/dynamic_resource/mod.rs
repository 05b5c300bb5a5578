//! The kinds of resource.k8s.io: claims of devices, their templates, classes, and the slices in which drivers
//! publish devices.
//!
//! Source: `pkg/apis/resource/validation`.

mod claim;
mod slice;

use serde_json::Value;

use super::{Hooks, Request};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path};
use crate::internal_form;
use crate::object::{self, entries, items, text};
use crate::object_meta;
use crate::resources::names;

pub struct DeviceClass;
pub struct ResourceClaim;
pub struct ResourceClaimTemplate;
pub struct ResourceSlice;

const MAX_SELECTORS: usize = 32;
const MAX_CONFIGURATIONS: usize = 32;
const MAX_EXPRESSION: usize = 10 * 1024;
const MAX_PARAMETERS: usize = 10 * 1024;

impl Hooks for DeviceClass {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        class_spec(&object["spec"], errors);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn class_spec(spec: &Value, errors: &mut ErrorList) {
    let at = Path::new("spec");
    selectors(&spec["selectors"], &at.child("selectors"), errors);
    each(&spec["config"], MAX_CONFIGURATIONS, &at.child("config"), errors, |config, at, errors| {
        opaque(config, at, errors);
    });
    let name = &spec["extendedResourceName"];
    if !name.is_null() && !is_extended_resource(text(name)) {
        errors.invalid(&at.child("extendedResourceName"), name, "must be a valid extended resource name");
    }
}

/// A resource of somebody's own, which quotas can count.
fn is_extended_resource(name: &str) -> bool {
    name.contains('/')
        && !name.contains("kubernetes.io/")
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_none()
}

impl Hooks for ResourceClaim {
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        object::keep_meta(object, old);
        claim::forget_released_devices(object);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        claim::spec(&object["spec"], &Path::new("spec"), errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec_is_kept("ResourceClaim", object, old, errors);
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        claim::status(object, old, errors);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

impl Hooks for ResourceClaimTemplate {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (spec, at) = (&object["spec"], Path::new("spec"));
        let metadata = at.child("metadata");
        object_meta::labels(&spec["metadata"]["labels"], &metadata.child("labels"), errors);
        object_meta::annotations(&spec["metadata"]["annotations"], &metadata.child("annotations"), errors);
        claim::spec(&spec["spec"], &at.child("spec"), errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        spec_is_kept("ResourceClaimTemplate", object, old, errors);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

impl Hooks for ResourceSlice {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] =
            &[SelectableField::new("spec.nodeName", ""), SelectableField::new("spec.driver", "")];
        FIELDS
    }

    fn unknown_field(&self, field: &str) -> String {
        format!("field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}")
    }

    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        slice::drop_disabled(object);
        slice::stamp_taints(object);
    }

    fn prepare_for_update(&self, object: &mut Value, _old: &Value, _request: &Request<'_>) {
        slice::drop_disabled(object);
        slice::stamp_taints(object);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        slice::spec(&object["spec"], None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        slice::spec(&object["spec"], Some(&old["spec"]), errors);
    }

    fn warnings(&self, object: &Value, _old: Option<&Value>, _request: &Request<'_>, out: &mut Vec<String>) {
        let driver = text(&object["spec"]["driver"]);
        if driver != driver.to_lowercase() {
            out.push(format!(
                "spec.driver: driver names should be lowercase; {driver:?} contains uppercase characters"
            ));
        }
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// The rules of each item of a list that is not too long.
fn each(
    list: &Value,
    max: usize,
    at: &Path<'_>,
    errors: &mut ErrorList,
    mut rule: impl FnMut(&Value, &Path<'_>, &mut ErrorList),
) {
    let list = items(list);
    if list.len() > max {
        errors.too_many(at, list.len(), max);
        return;
    }
    for (index, item) in list.iter().enumerate() {
        rule(item, &at.index(index), errors);
    }
}

/// No two items with one key; `key` is the item itself if empty.
fn unique(list: &Value, key: &str, at: &Path<'_>, errors: &mut ErrorList) {
    let of = |item: &Value| if key.is_empty() { item.clone() } else { text(&item[key]).into() };
    let list = items(list);
    for (index, item) in list.iter().enumerate() {
        if list[..index].iter().any(|other| of(other) == of(item)) {
            errors.duplicate(&at.index(index), &of(item));
        }
    }
}

fn selectors(list: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    each(list, MAX_SELECTORS, at, errors, |selector, at, errors| {
        let at = at.child("cel");
        if selector["cel"].is_null() {
            errors.required(&at, "");
        } else if text(&selector["cel"]["expression"]).len() > MAX_EXPRESSION {
            errors.too_long(&at.child("expression"), MAX_EXPRESSION);
        }
    });
}

fn opaque(config: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (opaque, at) = (&config["opaque"], at.child("opaque"));
    if opaque.is_null() {
        errors.required(&at, "");
        return;
    }
    driver_name(&opaque["driver"], &at.child("driver"), errors);
    raw_object(&opaque["parameters"], MAX_PARAMETERS, &at.child("parameters"), errors);
}

/// A JSON object of any content.
fn raw_object(value: &Value, max: usize, at: &Path<'_>, errors: &mut ErrorList) {
    if value.is_null() {
        errors.required(at, "");
    } else if value.to_string().len() > max {
        errors.too_long(at, max);
    } else if !value.is_object() {
        errors.invalid_str(at, "<value omitted>", "must be a valid JSON object");
    }
}

fn driver_name(name: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let name = text(name);
    if name.is_empty() {
        errors.required(at, "");
        return;
    }
    if name.len() > 63 {
        errors.too_long(at, 63);
    }
    errors.invalid_strs(at, name, names::dns1123_subdomain(&name.to_lowercase()));
}

fn pool_name(name: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let name = text(name);
    if name.is_empty() {
        errors.required(at, "");
        return;
    }
    if name.len() > 253 {
        errors.too_long(at, 253);
    }
    for part in name.split('/') {
        errors.invalid_strs(at, part, names::dns1123_subdomain(part));
    }
}

/// A name in a claim or slice: a DNS label.
fn label_name(name: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    errors.invalid_strs(at, text(name), names::dns1123_label(text(name)));
}

/// The name of an attribute or a capacity, in a domain or not.
fn qualified_name(name: &str, at: &Path<'_>, errors: &mut ErrorList) {
    match name.split('/').collect::<Vec<_>>()[..] {
        [name] => c_identifier(name, at, errors),
        [domain, name] => {
            if domain.is_empty() {
                errors.invalid_str(at, "", "the domain must not be empty");
            } else {
                driver_name(&domain.into(), at, errors);
            }
            if name.is_empty() {
                errors.invalid_str(at, "", "the name must not be empty");
            } else {
                c_identifier(name, at, errors);
            }
        }
        // Upstream takes more slashes as they are.
        _ => {}
    }
}

fn c_identifier(name: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if name.len() > 32 {
        errors.too_long(at, 32);
    }
    let part = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    if name.is_empty() || !name.bytes().all(part) || name.starts_with(|c: char| c.is_ascii_digit()) {
        errors.invalid_str(at, name, "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')");
    }
}

const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "None"];

fn taint(taint: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    let (key, value, effect) = (text(&taint["key"]), text(&taint["value"]), text(&taint["effect"]));
    errors.invalid_strs(&at.child("key"), key, names::qualified_name_problems(key));
    errors.invalid_strs(&at.child("value"), value, names::label_value(value));
    if effect.is_empty() {
        errors.required(&at.child("effect"), "");
    } else if !EFFECTS.contains(&effect) {
        errors.not_supported(&at.child("effect"), &effect.into(), EFFECTS);
    }
}

/// The conditions on which binding waits.
fn binding_conditions(object: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const FIELDS: [&str; 2] = ["bindingConditions", "bindingFailureConditions"];
    for field in FIELDS {
        each(&object[field], 4, &at.child(field), errors, |condition, at, errors| {
            let name = text(condition);
            errors.invalid_strs(at, name, names::qualified_name_problems(name));
        });
    }
    for field in FIELDS {
        unique(&object[field], "", &at.child(field), errors);
    }
    let (wanted, failed) = (items(&object[FIELDS[0]]), items(&object[FIELDS[1]]));
    let list = at.child(FIELDS[1]);
    for (index, condition) in failed.iter().enumerate().filter(|(_, condition)| wanted.contains(condition)) {
        let detail = "bindingFailureConditions must not overlap with bindingConditions";
        errors.invalid(&list.index(index), condition, detail);
    }
    for (index, (missing, given)) in [(wanted, failed), (failed, wanted)].into_iter().enumerate() {
        if missing.is_empty() && !given.is_empty() {
            let detail = format!("{} are required to use {}", FIELDS[index], FIELDS[1 - index]);
            errors.invalid(&at.child(FIELDS[index]), &object[FIELDS[index]], detail);
        }
    }
}

/// Keys of a map in order.
fn keys(map: &Value) -> impl Iterator<Item = &str> {
    entries(map).map(|(key, _)| key)
}

/// The rule that a spec never changes.
fn spec_is_kept(kind: &str, object: &Value, old: &Value, errors: &mut ErrorList) {
    if !object::same(&object["spec"], &old["spec"]) {
        let shown = internal_form::of("resource.k8s.io", "v1", kind, &["spec"], &object["spec"]);
        errors.invalid_structure(&Path::new("spec"), shown, "field is immutable");
    }
}
