//! The rules of what a CustomResourceDefinition asks for, schemas aside.

use serde_json::{Value, json};

use super::{cel_rules, defaults, open_api, structural};
use crate::apiextensions::schema_conditions::{Approval, approval, is_protected};
use crate::conditions::is_true;
use crate::field::{ErrorList, Path};
use crate::internal_form;
use crate::object::{items, text};
use crate::resources::names;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const MAX_SELECTABLE_FIELDS: usize = 8;

/// Checks a new definition, or a change of one.
pub fn validate(crd: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let spec = internal(&crd["spec"]);
    validate_spec(&spec, &path, errors);
    if let Some(old) = old {
        immutable(crd, old, &path, errors);
    }
    let status = Path::new("status");
    validate_names(&crd["status"]["acceptedNames"], &status.child("acceptedNames"), errors);
    stored_versions(&crd["status"]["storedVersions"], &spec["versions"], &status.child("storedVersions"), errors);
    api_approval(crd, old, errors);
    let may_preserve = old.is_some_and(|old| old["spec"]["preserveUnknownFields"] == true);
    if crd["spec"]["preserveUnknownFields"] == true && !may_preserve {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.invalid(&path.child("preserveUnknownFields"), &true.into(), why);
    }
}

/// The definition as upstream's rules see it: what all versions have alike stands beside them, not in them.
fn internal(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let shared = [
        ("schema", "validation"),
        ("subresources", "subresources"),
        ("additionalPrinterColumns", "additionalPrinterColumns"),
        ("selectableFields", "selectableFields"),
    ];
    for (field, name) in shared {
        let versions = items(&spec["versions"]);
        let Some(first) = versions.first().and_then(|version| version.get(field)).cloned() else { continue };
        if !versions.iter().all(|version| version[field] == first) {
            continue;
        }
        if let Some(versions) = spec["versions"].as_array_mut() {
            versions.iter_mut().for_each(|version| crate::object::remove(version, field));
        }
        spec[name] = first;
    }
    spec
}

fn validate_spec(spec: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let group = text(&spec["group"]);
    if group.is_empty() {
        errors.required(&path.child("group"), "");
    } else if let Some(problem) = names::dns1123_subdomain(group) {
        errors.invalid_str(&path.child("group"), group, problem);
    } else if !group.contains('.') {
        errors.invalid_str(&path.child("group"), group, "should be a domain with at least one dot");
    }
    one_of(&path.child("scope"), &spec["scope"], &["Cluster", "Namespaced"], errors);
    let versions_path = path.child("versions");
    let versions = items(&spec["versions"]);
    if spec["validation"]["openAPIV3Schema"].is_null() {
        for (index, version) in versions.iter().enumerate() {
            if version["schema"]["openAPIV3Schema"].is_null() {
                errors.required(&versions_path.index(index).child("schema").child("openAPIV3Schema"), "");
            }
        }
    }
    let mut seen = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let at = versions_path.index(index);
        let name = text(&version["name"]);
        seen.push(name);
        if let Some(problem) = dns1035_label(name) {
            errors.invalid_str(&at.child("name"), name, problem);
        }
        validate_version(spec, version, &at, errors);
    }
    let mut unique = seen.clone();
    unique.sort_unstable();
    unique.dedup();
    if unique.len() != seen.len() {
        errors.invalid_structure(&versions_path, shown_versions(spec), "must contain unique version names");
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.invalid_structure(&versions_path, shown_versions(spec), why);
    }
    // The first version stands in a field of its own, too.
    if let Some(first) = seen.first()
        && let Some(problem) = dns1035_label(first)
    {
        errors.invalid_str(&path.child("version"), first, problem);
    }
    let names_path = path.child("names");
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(&spec["names"][field]).is_empty() {
            errors.required(&names_path.child(field), "");
        }
    }
    validate_names(&spec["names"], &names_path, errors);
    let any_status = std::iter::once(spec).chain(versions).any(|of| of["subresources"]["status"].is_object());
    let schema_path = path.child("validation");
    validate_schema(&spec["validation"]["openAPIV3Schema"], any_status, &schema_path, errors);
    subresources(&spec["subresources"], &path.child("subresources"), errors);
    columns(&spec["additionalPrinterColumns"], &path.child("additionalPrinterColumns"), errors);
    let schema = &spec["validation"]["openAPIV3Schema"];
    selectable_fields(&spec["selectableFields"], schema, &path.child("selectableFields"), errors);
    conversion(&spec["conversion"], &path.child("conversion"), errors);
}

fn validate_version(spec: &Value, version: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    if let Some(warning) = version.get("deprecationWarning").filter(|warning| !warning.is_null()) {
        let at = path.child("deprecationWarning");
        if version["deprecated"] != true {
            errors.invalid(&at, warning, "can only be set for deprecated versions");
        } else {
            if text(warning).len() > 256 {
                errors.invalid(&at, warning, "must be <= 256 characters long");
            }
            if text(warning).is_empty() {
                errors.invalid(&at, warning, "must not be an empty string");
            }
            if let Some((index, _)) = text(warning).char_indices().find(|(_, c)| c.is_control()) {
                let why = format!(
                    "must only contain printable UTF-8 characters; non-printable character found at index {index}"
                );
                errors.invalid(&at, warning, why);
            }
        }
    }
    let own = if version["subresources"].is_object() { &version["subresources"] } else { &spec["subresources"] };
    let schema = &version["schema"]["openAPIV3Schema"];
    validate_schema(schema, own["status"].is_object(), &path.child("schema"), errors);
    subresources(&version["subresources"], &path.child("subresources"), errors);
    columns(&version["additionalPrinterColumns"], &path.child("additionalPrinterColumns"), errors);
    let schema = if schema.is_object() { schema } else { &spec["validation"]["openAPIV3Schema"] };
    selectable_fields(&version["selectableFields"], schema, &path.child("selectableFields"), errors);
}

/// The rules of one schema.
fn validate_schema(schema: &Value, status: bool, path: &Path<'_>, errors: &mut ErrorList) {
    if !schema.is_object() {
        return;
    }
    let at = path.child("openAPIV3Schema");
    if status {
        open_api::root(schema, path, errors);
    }
    if schema["nullable"] == true {
        errors.forbidden(&path.child("openAPIV3Schema.nullable"), "nullable cannot be true at the root");
    }
    let before = errors.0.len();
    structural::validate(schema, &at, errors);
    if errors.0.len() == before {
        defaults::validate(schema, &at, errors);
    }
    open_api::validate(schema, &at, errors);
    if errors.0.len() == before {
        cel_rules::validate(schema, &at, errors);
    }
}

fn one_of(path: &Path<'_>, value: &Value, accepted: &[&str], errors: &mut ErrorList) {
    match text(value) {
        "" => errors.required(path, ""),
        given if accepted.contains(&given) => {}
        _ => errors.not_supported(path, value, accepted),
    }
}

/// Names that a definition asks for or has.
pub fn validate_names(names: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    for field in ["plural", "singular"] {
        let name = text(&names[field]);
        if let Some(problem) = dns1035_label(name).filter(|_| !name.is_empty()) {
            errors.invalid_str(&path.child(field), name, problem);
        }
    }
    for field in ["kind", "listKind"] {
        let name = text(&names[field]);
        if let Some(problem) = dns1035_label(&name.to_lowercase()).filter(|_| !name.is_empty()) {
            let why = format!("may have mixed case, but should otherwise match: {problem}");
            errors.invalid_str(&path.child(field), name, why);
        }
    }
    let short_names = path.child("shortNames");
    for (index, name) in items(&names["shortNames"]).iter().enumerate() {
        if let Some(problem) = dns1035_label(text(name)) {
            errors.invalid(&short_names.index(index), name, problem);
        }
    }
    let kind = text(&names["kind"]);
    if !kind.is_empty() && names["kind"] == names["listKind"] {
        errors.invalid_str(&path.child("listKind"), kind, "kind and listKind may not be the same");
    }
    let categories = path.child("categories");
    for (index, category) in items(&names["categories"]).iter().enumerate() {
        if let Some(problem) = dns1035_label(text(category)) {
            errors.invalid(&categories.index(index), category, problem);
        }
    }
}

/// What is wrong with a DNS-1035 label.
fn dns1035_label(name: &str) -> Option<String> {
    let mut problems = Vec::new();
    if name.len() > 63 {
        problems.push("must be no more than 63 bytes".to_owned());
    }
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits {
        problems.push("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".to_owned());
    }
    (!problems.is_empty()).then(|| problems.join(","))
}

fn subresources(subresources: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let Some(scale) = subresources.get("scale").filter(|scale| scale.is_object()) else { return };
    for (field, root) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
        let name = format!("scale.{field}");
        let at = path.child(&name);
        let value = text(&scale[field]);
        if value.is_empty() {
            errors.required(&at, "");
        } else if simple_json_path(value, &at, errors) && !value.starts_with(root) {
            let under = root.trim_end_matches('.');
            errors.invalid_str(&at, value, format!("should be a json path under {under}"));
        }
    }
    let selector = text(&scale["labelSelectorPath"]);
    let at = path.child("scale.labelSelectorPath");
    let known = [".spec.", ".status."].iter().any(|root| selector.starts_with(root));
    if !selector.is_empty() && simple_json_path(selector, &at, errors) && !known {
        errors.invalid_str(&at, selector, "should be a json path under either .spec or .status");
    }
}

fn simple_json_path(value: &str, path: &Path<'_>, errors: &mut ErrorList) -> bool {
    if !value.starts_with('.') {
        errors.invalid_str(path, value, "must be a simple json path starting with .");
        return false;
    }
    true
}

fn columns(columns: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    for (index, column) in items(columns).iter().enumerate() {
        let at = path.index(index);
        if text(&column["name"]).is_empty() {
            errors.required(&at.child("name"), "");
        }
        let kinds = format!("must be one of {}", COLUMN_TYPES.join(","));
        match text(&column["type"]) {
            "" => errors.required(&at.child("type"), kinds),
            kind if COLUMN_TYPES.contains(&kind) => {}
            kind => errors.invalid_str(&at.child("type"), kind, kinds),
        }
        let format = text(&column["format"]);
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let why = format!("must be one of {}", COLUMN_FORMATS.join(","));
            errors.invalid_str(&at.child("format"), format, why);
        }
        match text(&column["jsonPath"]) {
            "" => errors.required(&at.child("JSONPath"), ""),
            value => {
                simple_json_path(value, &at.child("JSONPath"), errors);
            }
        }
    }
}

fn selectable_fields(fields: &Value, schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, field) in items(fields).iter().enumerate() {
        let at = path.index(index);
        let at = at.child("jsonPath");
        let value = text(&field["jsonPath"]);
        if value.is_empty() {
            errors.required(&at, "");
            continue;
        }
        let Some(names) = value.strip_prefix('.') else {
            errors.invalid_str(&at, value, "is an invalid path: expected [ or . but got: ".to_owned() + value);
            continue;
        };
        let found = names.split('.').try_fold(schema, |place, name| {
            place["properties"]
                .get(name)
                .or_else(|| place.get("additionalProperties").filter(|other| other.is_object()))
        });
        let Some(found) = found else {
            errors.invalid_str(&at, value, "is an invalid path: does not refer to a valid field");
            continue;
        };
        if names.split('.').next() == Some("metadata") {
            errors.invalid_str(&at, value, "must not point to fields in metadata");
        }
        if !matches!(text(&found["type"]), "string" | "boolean" | "integer") {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.invalid_str(&at, value, why);
        }
        if seen.contains(&value) {
            errors.duplicate(&at, &value.into());
        } else {
            seen.push(value);
        }
    }
    if seen.len() > MAX_SELECTABLE_FIELDS {
        errors.too_many(path, seen.len(), MAX_SELECTABLE_FIELDS);
    }
}

fn conversion(conversion: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    if !conversion.is_object() {
        return;
    }
    one_of(&path.child("strategy"), &conversion["strategy"], &["None", "Webhook"], errors);
    let webhook = &conversion["webhook"];
    let client = &webhook["clientConfig"];
    let client_path = path.child("webhookClientConfig");
    let versions_path = path.child("conversionReviewVersions");
    let versions = items(&webhook["conversionReviewVersions"]);
    if conversion["strategy"] != "Webhook" {
        if client.is_object() {
            errors.forbidden(&client_path, "should not be set when strategy is not set to Webhook");
        }
        if !versions.is_empty() {
            errors.forbidden(&versions_path, "should not be set when strategy is not set to Webhook");
        }
        return;
    }
    if !client.is_object() {
        errors.required(&client_path, "required when strategy is set to Webhook");
    } else {
        match (client["url"].as_str(), client["service"].is_object()) {
            (Some(url), false) => webhook_url(url, &client_path.child("url"), errors),
            (None, true) => webhook_service(&client["service"], &client_path.child("service"), errors),
            _ => errors.required(&client_path, "exactly one of url or service is required"),
        }
    }
    if versions.is_empty() {
        errors.required(&versions_path, "");
        return;
    }
    let mut seen = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let at = versions_path.index(index);
        if seen.contains(&version) {
            errors.invalid(&at, version, "duplicate version");
            continue;
        }
        seen.push(version);
        if let Some(problem) = dns1035_label(text(version)) {
            errors.invalid(&at, version, problem);
        }
    }
    if !versions.iter().any(|version| matches!(text(version), "v1" | "v1beta1")) {
        errors.invalid(&versions_path, &json!(versions), "must include at least one of v1, v1beta1");
    }
}

/// The URL of a webhook.
fn webhook_url(url: &str, path: &Path<'_>, errors: &mut ErrorList) {
    const FORM: &str = "desired format: https://host[/path]";
    let Some((scheme, rest)) = url.split_once("://") else {
        errors.invalid_str(path, url, format!("'https' is the only allowed URL scheme; {FORM}"));
        return;
    };
    if scheme != "https" {
        errors.invalid_str(path, scheme, format!("'https' is the only allowed URL scheme; {FORM}"));
    }
    let (address, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if address.rsplit('@').next().unwrap_or_default().is_empty() {
        errors.invalid_str(path, "", format!("host must be specified; {FORM}"));
    }
    if let Some((user, _)) = address.rsplit_once('@') {
        errors.invalid_str(path, user, format!("user information is not permitted in the URL; {FORM}"));
    }
    let (before, fragment) = tail.split_once('#').unwrap_or((tail, ""));
    if !fragment.is_empty() {
        errors.invalid_str(path, fragment, format!("fragments are not permitted in the URL; {FORM}"));
    }
    if let Some((_, query)) = before.split_once('?').filter(|(_, query)| !query.is_empty()) {
        errors.invalid_str(path, query, format!("query parameters not permitted in the URL; {FORM}"));
    }
}

/// The service of a webhook.
fn webhook_service(service: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    for field in ["name", "namespace"] {
        if text(&service[field]).is_empty() {
            let what = if field == "name" { "service name is required" } else { "service namespace is required" };
            errors.required(&path.child(field), what);
        }
    }
    let port = service["port"].as_i64().unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        errors.invalid(&path.child("port"), &port.into(), why);
    }
    let Some(url_path) = service["path"].as_str() else { return };
    let at = path.child("path");
    if !url_path.starts_with('/') {
        errors.invalid_str(&at, url_path, "must start with a '/'");
        return;
    }
    if url_path == "/" {
        return;
    }
    for (index, step) in url_path[1..].split('/').enumerate() {
        let last = index + 1 == url_path[1..].split('/').count();
        if step.is_empty() && !(last && index > 0) {
            errors.invalid_str(&at, url_path, format!("segment[{index}] may not be empty"));
        }
    }
}

fn immutable(crd: &Value, old: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let names = path.child("names");
    let (new, old_spec) = (&crd["spec"], &old["spec"]);
    if is_true(old, "Established") {
        errors.immutable(&path.child("scope"), &new["scope"], &old_spec["scope"]);
        errors.immutable(&names.child("kind"), &new["names"]["kind"], &old_spec["names"]["kind"]);
    }
    errors.immutable(&path.child("group"), &new["group"], &old_spec["group"]);
    errors.immutable(&names.child("plural"), &new["names"]["plural"], &old_spec["names"]["plural"]);
}

fn stored_versions(stored: &Value, versions: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    if items(stored).is_empty() {
        errors.invalid(path, &Value::Null, "must have at least one stored version");
        return;
    }
    for version in items(versions).iter().filter(|version| version["storage"] == true) {
        if !items(stored).contains(&version["name"]) {
            errors.invalid(path, stored, format!("must have the storage version {}", text(&version["name"])));
        }
    }
    for (index, name) in items(stored).iter().enumerate() {
        if !items(versions).iter().any(|version| version["name"] == *name) {
            let name_text = text(name);
            let why = format!(
                "missing from spec.versions; {name_text} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name_text} and removes {name_text} from status.storedVersions"
            );
            errors.invalid(&path.index(index), name, why);
        }
    }
}

fn api_approval(crd: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    if !is_protected(text(&crd["spec"]["group"])) {
        return;
    }
    let state = approval(&crd["metadata"]["annotations"]);
    let kind = std::mem::discriminant(&state);
    if old.is_some_and(|old| std::mem::discriminant(&approval(&old["metadata"]["annotations"])) == kind) {
        return;
    }
    let metadata = Path::new("metadata");
    let annotations = metadata.child("annotations");
    let at = annotations.key("api-approved.kubernetes.io");
    match state {
        Approval::Approved(_) | Approval::Bypassed(_) => {}
        Approval::Missing(why) => errors.required(&at, why),
        Approval::Invalid(why) => {
            errors.invalid(&at, &crd["metadata"]["annotations"]["api-approved.kubernetes.io"], why);
        }
    }
}

/// The versions as upstream's messages show them.
fn shown_versions(spec: &Value) -> String {
    let versions = json!(items(&spec["versions"]));
    internal_form::of("apiextensions.k8s.io", "v1", "CustomResourceDefinition", &["spec", "versions"], &versions)
}
