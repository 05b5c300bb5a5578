//! CertificateSigningRequest: carries who asked, and has a subresource that decides.

use base64::Engine;
use serde_json::{Map, Value, json};
use x509_parser::pem::Pem;

use super::{Hooks, Request};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path};
use crate::object::{self, int, items, text};
use crate::resources::names;

pub struct CertificateSigningRequest;

const USAGES: &[&str] = &[
    "signing",
    "digital signature",
    "content commitment",
    "key encipherment",
    "key agreement",
    "data encipherment",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
    "any",
    "server auth",
    "client auth",
    "code signing",
    "email protection",
    "s/mime",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "timestamping",
    "ocsp signing",
    "microsoft sgc",
    "netscape sgc",
];

impl Hooks for CertificateSigningRequest {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[SelectableField::new("spec.signerName", "")];
        FIELDS
    }

    fn invalid_name(&self, _name: &str, _prefix: bool) -> Option<String> {
        None
    }

    fn prepare_for_create(&self, object: &mut Value, request: &Request<'_>) {
        object["status"] = json!({});
        let spec = &mut object["spec"];
        for field in ["username", "uid", "groups", "extra"] {
            object::remove(spec, field);
        }
        let user = request.user;
        spec["username"] = user.name.as_str().into();
        if !user.uid.is_empty() {
            spec["uid"] = user.uid.as_str().into();
        }
        if !user.groups.is_empty() {
            spec["groups"] = user.groups.clone().into();
        }
        if !user.extra.is_empty() {
            let extra = user.extra.iter().map(|(key, values)| (key.clone(), values.clone().into()));
            spec["extra"] = Value::Object(extra.collect::<Map<_, _>>());
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, request: &Request<'_>) {
        object::keep(object, old, "spec");
        if request.subresource != "approval" {
            object::keep(object, old, "status");
            return;
        }
        stamp(object, old);
        let conditions = object["status"]["conditions"].take();
        object::keep(object, old, "status");
        if conditions.is_null() {
            object::remove(&mut object["status"], "conditions");
        } else {
            object["status"]["conditions"] = conditions;
        }
    }

    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
        for kind in ["Approved", "Denied"] {
            keep_conditions(object, old, kind);
        }
        stamp(object, old);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        let (at, spec) = (Path::new("spec"), &object["spec"]);
        let request = text(&spec["request"]);
        let pem = base64::engine::general_purpose::STANDARD.decode(request).unwrap_or_default();
        if !pem.starts_with(b"-----BEGIN CERTIFICATE REQUEST-----")
            && !pem.starts_with(b"-----BEGIN NEW CERTIFICATE REQUEST-----")
        {
            errors.invalid(&at.child("request"), &spec["request"], "PEM block type must be CERTIFICATE REQUEST");
        }
        let (usages, list) = (items(&spec["usages"]), at.child("usages"));
        if usages.is_empty() {
            errors.required(&list, "");
        }
        for (index, usage) in usages.iter().enumerate() {
            if !USAGES.contains(&text(usage)) {
                errors.not_supported(&list.index(index), usage, &sorted(USAGES));
            }
            if usages[..index].contains(usage) {
                errors.duplicate(&list.index(index), usage);
            }
        }
        let signer = text(&spec["signerName"]);
        if signer == "kubernetes.io/legacy-unknown" {
            errors.invalid_str(
                &at.child("signerName"),
                signer,
                "the legacy signerName is not allowed via this API version",
            );
        } else {
            signer_name(signer, &at.child("signerName"), errors);
        }
        let seconds = &spec["expirationSeconds"];
        if !seconds.is_null() && int(seconds) < 600 {
            errors.invalid(
                &at.child("expirationSeconds"),
                seconds,
                "may not specify a duration less than 600 seconds (10 minutes)",
            );
        }
        conditions(object, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        conditions(object, errors);
        decisions(object, old, request.subresource == "approval", errors);
    }

    fn validate_status_update(&self, object: &Value, old: &Value, errors: &mut ErrorList) {
        conditions(object, errors);
        let (new, was) = (text(&object["status"]["certificate"]), text(&old["status"]["certificate"]));
        let status = Path::new("status");
        let at = status.child("certificate");
        if new != was
            && let Some(problem) = certificate_problem(new)
        {
            errors.invalid_str(&at, "<certificate data>", problem);
        }
        decisions(object, old, false, errors);
        if new != was && !was.is_empty() {
            errors.forbidden(&at, "updates may not modify existing certificate content");
        }
    }
}

fn sorted<'a>(values: &[&'a str]) -> Vec<&'a str> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values
}

fn signer_name(name: &str, at: &Path<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        errors.required(at, "");
        return;
    }
    let [domain, path] = name.split('/').collect::<Vec<_>>()[..] else {
        errors.invalid_str(at, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
        return;
    };
    let labels: Vec<&str> = domain.split('.').collect();
    if let Some((label, problem)) = labels.iter().find_map(|label| Some((label, names::dns1123_label(label)?))) {
        errors.invalid_str(at, domain, format!("validating label {label:?}: {problem}"));
    }
    if labels.len() < 2 {
        errors.invalid_str(at, domain, "should be a domain with at least two segments separated by dots");
    }
    if let Some((label, problem)) = path.split('.').find_map(|label| Some((label, names::dns1123_subdomain(label)?))) {
        errors.invalid_str(at, path, format!("validating label {label:?}: {problem}"));
    }
}

fn conditions(object: &Value, errors: &mut ErrorList) {
    let status = Path::new("status");
    let list = status.child("conditions");
    let conditions = items(&object["status"]["conditions"]);
    let has = |kind: &str| conditions.iter().any(|condition| condition["type"] == kind);
    for (index, condition) in conditions.iter().enumerate() {
        let at = list.index(index);
        let kind = text(&condition["type"]);
        if kind.is_empty() {
            errors.required(&at.child("type"), "");
        }
        let state = text(&condition["status"]);
        match kind {
            "Approved" | "Denied" | "Failed" if state != "True" && !state.is_empty() => {
                errors.not_supported(&at.child("status"), &condition["status"], &["True"]);
            }
            _ if state.is_empty() => errors.required(&at.child("status"), ""),
            _ if !matches!(state, "True" | "False" | "Unknown") => {
                errors.not_supported(&at.child("status"), &condition["status"], &["True", "False", "Unknown"]);
            }
            _ => {}
        }
        if conditions[..index].iter().any(|other| other["type"] == kind) {
            errors.duplicate(&at.child("type"), &condition["type"]);
        }
        if (kind == "Denied" && has("Approved") || kind == "Approved" && has("Denied"))
            && conditions[..index].iter().any(|other| other["type"] == "Approved" || other["type"] == "Denied")
        {
            errors.invalid_str(&at.child("type"), kind, "Approved and Denied conditions are mutually exclusive");
        }
    }
}

/// What is decided stays decided, and only an approval decides.
fn decisions(object: &Value, old: &Value, approval: bool, errors: &mut ErrorList) {
    let status = Path::new("status");
    let at = status.child("conditions");
    let count = |object: &Value, kind: &str| {
        items(&object["status"]["conditions"]).iter().filter(|condition| condition["type"] == kind).count()
    };
    for kind in ["Approved", "Denied", "Failed"] {
        if count(object, kind) < count(old, kind) {
            errors.forbidden(&at, format!("updates may not remove a condition of type {kind:?}"));
        }
    }
    for kind in ["Approved", "Denied"] {
        if !approval && count(object, kind) > count(old, kind) {
            errors.forbidden(&at, format!("updates may not add a condition of type {kind:?}"));
        }
    }
}

/// Why text in base64 is no PEM of certificates alone; none is in order too.
fn certificate_problem(encoded: &str) -> Option<String> {
    if encoded.is_empty() {
        return None;
    }
    let pem = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
    let mut found = false;
    for block in Pem::iter_from_buffer(&pem).map_while(Result::ok) {
        if block.label != "CERTIFICATE" {
            return Some(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", block.label));
        }
        if x509_parser::parse_x509_certificate(&block.contents).is_err() {
            return Some("x509: malformed certificate".to_owned());
        }
        found = true;
    }
    (!found).then(|| "must contain at least one CERTIFICATE PEM block".to_owned())
}

/// Decisions are not changed with the status.
fn keep_conditions(object: &mut Value, old: &Value, kind: &str) {
    let before: Vec<_> =
        items(&old["status"]["conditions"]).iter().filter(|condition| condition["type"] == kind).collect();
    let now = items(&object["status"]["conditions"]).iter().filter(|condition| condition["type"] == kind).count();
    if now != before.len() {
        return;
    }
    let same = object["status"]["conditions"].as_array_mut().into_iter().flatten();
    for (condition, before) in same.filter(|condition| condition["type"] == kind).zip(before) {
        *condition = before.clone();
    }
}

/// Sets the times that the client left out.
fn stamp(object: &mut Value, old: &Value) {
    for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
        if condition["lastUpdateTime"].is_null() {
            condition["lastUpdateTime"] = object::now();
        }
        if condition["lastTransitionTime"].is_null() {
            let before = items(&old["status"]["conditions"]).iter().find(|other| {
                other["type"] == condition["type"]
                    && other["status"] == condition["status"]
                    && !other["lastTransitionTime"].is_null()
            });
            condition["lastTransitionTime"] =
                before.map_or_else(object::now, |before| before["lastTransitionTime"].clone());
        }
    }
}
