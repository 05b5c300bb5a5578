//! Job and CronJob.

use serde_json::{Value, json};

use super::{Hooks, Request, label_selector, pod_template, success_policy, warnings};
use crate::facts::SelectableField;
use crate::field::{ErrorList, Path, structure};
use crate::object::{self, int, items, text};
use crate::resources::names;

pub struct Job;
pub struct CronJob;

const MAX_PARALLELISM_INDEXED: i64 = 100_000;
const MAX_FAILED_INDEXES: i64 = 100_000;
/// From so many completions on, less else is allowed.
const MANY_COMPLETIONS: i64 = 100_000;
const MANY_PARALLELISM: i64 = 10_000;
const MANY_FAILED_INDEXES: i64 = 10_000;
const MAX_MANAGER: usize = 63;

impl Hooks for Job {
    fn selectable_fields(&self) -> &'static [SelectableField] {
        const FIELDS: &[SelectableField] = &[SelectableField::at("status.successful", "status.succeeded", "0")];
        FIELDS
    }

    fn unknown_field(&self, field: &str) -> String {
        format!("field label {field:?} not supported for Job")
    }

    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object::clear(object, "status");
        // Upstream's defaults leave the job and its template with one and the same labels.
        let shared = object::same(&object["metadata"]["labels"], &object["spec"]["template"]["metadata"]["labels"]);
        if object["spec"]["manualSelector"] != Value::Bool(true) {
            generate_selector(object);
        }
        if shared && !object["metadata"]["labels"].is_null() {
            let labels = object["spec"]["template"]["metadata"]["labels"].clone();
            object::set_meta(object, "labels", Some(labels));
        }
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        object::keep(object, old, "status");
        labels_of_template(object);
    }

    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        rules(object, None, errors);
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        rules(object, Some(old), errors);
        let (at, spec, before) = (Path::new("spec"), &object["spec"], &old["spec"]);
        spec_rules(spec, Some(before), errors);
        let indexed = text(&before["completionMode"]) == "Indexed";
        // An indexed job may be scaled as one: parallelism and completions together.
        let completions = at.child("completions");
        if !indexed {
            errors.immutable(&completions, &spec["completions"], &before["completions"]);
        } else if spec["completions"] != before["completions"] && spec["completions"] != spec["parallelism"] {
            errors.invalid(&completions, &spec["completions"], "can only be modified in tandem with spec.parallelism");
        }
        errors.immutable(&at.child("selector"), &spec["selector"], &before["selector"]);
        let suspended = before["suspend"] == Value::Bool(true);
        let not_started = suspended && old["status"]["startTime"].is_null();
        template_is_kept(spec, before, suspended || not_started, &at.child("template"), errors);
        for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
            errors.immutable(&at.child(field), &spec[field], &before[field]);
        }
    }

    fn validate_status_update(&self, object: &Value, _old: &Value, errors: &mut ErrorList) {
        let (at, status) = (Path::new("status"), &object["status"]);
        pod_template::counts(status, &at, &["active", "succeeded", "failed", "ready", "terminating"], errors);
        let is = |kind: &str| {
            items(&status["conditions"])
                .iter()
                .any(|condition| condition["type"] == kind && condition["status"] == "True")
        };
        let conditions = at.child("conditions");
        if is("Complete") && is("Failed") {
            errors.invalid_omitted(&conditions, "cannot set Complete=True and Failed=true conditions");
        }
        if is("Complete") && is("FailureTarget") {
            errors.invalid_omitted(&conditions, "cannot set Complete=True and FailureTarget=true conditions");
        }
        if !status["completionTime"].is_null() && !is("Complete") {
            errors.invalid(
                &at.child("completionTime"),
                &status["completionTime"],
                "cannot set completionTime when there is no Complete=True condition",
            );
        }
        if status["completionTime"].is_null() && is("Complete") {
            errors.required(&at.child("completionTime"), "completionTime is required for Complete jobs");
        }
        if is("Failed") && !is("FailureTarget") {
            errors.invalid_omitted(
                &conditions,
                "cannot set Failed=True condition without the FailureTarget=true condition",
            );
        }
        if is("Complete") && !is("SuccessCriteriaMet") {
            errors.invalid_omitted(
                &conditions,
                "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
            );
        }
        if is("Complete") || is("Failed") {
            if int(&status["active"]) > 0 {
                errors.invalid(&at.child("active"), &status["active"], "active>0 is invalid for finished job");
            }
            if status["startTime"].is_null() {
                errors.required(&at.child("startTime"), "startTime is required for finished job");
            }
        }
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        if old.is_none() {
            out.extend(warnings::pod_owner_name(object));
        }
        let changed = old.is_none_or(|old| !pod_template::same_generation(object, old));
        if changed && request.subresource != "status" {
            job_warnings(&object["spec"], &Path::new("spec"), out);
        }
    }

    fn orphans_dependents(&self) -> bool {
        true
    }
}

/// The rules of every job.
fn rules(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    generated_selector(object, errors);
    spec_rules(&object["spec"], old.map(|old| &old["spec"]), errors);
    let name = object::meta(object, "name");
    if object["spec"]["completionMode"] == "Indexed" {
        let last = (int(&object["spec"]["completions"]) - 1).max(0);
        if names::dns1123_label(&format!("{name}-{last}")).is_some() {
            let metadata = Path::new("metadata");
            errors.invalid_str(
                &metadata.child("name"),
                name,
                format!("will not able to create pod with invalid DNS label: {name}-{last}"),
            );
        }
    }
}

/// What upstream asks of a spec, and of a changed one twice.
fn spec_rules(spec: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let at = Path::new("spec");
    job_spec(spec, old, &at, errors);
    let selector = &spec["selector"];
    if selector.is_null() {
        errors.required(&at.child("selector"), "");
    } else {
        label_selector::validate(selector, &at.child("selector"), errors);
    }
    pod_template::selected(selector, &spec["template"], &at.child("template"), errors);
}

/// A job without labels has those of its template.
fn labels_of_template(job: &mut Value) {
    let unset = object::is_unset(&job["metadata"]["labels"]);
    // A name too long for a label is refused as such.
    if unset
        && object::meta(job, "name").len() <= 63
        && !object::is_unset(&job["spec"]["template"]["metadata"]["labels"])
    {
        let labels = job["spec"]["template"]["metadata"]["labels"].clone();
        object::set_meta(job, "labels", Some(labels));
    }
}

/// The labels and the selector by which a job finds its pods.
fn generate_selector(job: &mut Value) {
    let (name, uid) = (object::meta(job, "name").to_owned(), object::meta(job, "uid").to_owned());
    let labels = [
        ("job-name", &name),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("batch.kubernetes.io/controller-uid", &uid),
    ];
    for (label, value) in labels {
        if job["spec"]["template"]["metadata"]["labels"][label].is_null() {
            job["spec"]["template"]["metadata"]["labels"][label] = value.as_str().into();
        }
    }
    let matched = &mut job["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"];
    if matched.is_null() {
        *matched = uid.into();
    }
}

/// A generated selector selects by the job's own identity only.
fn generated_selector(job: &Value, errors: &mut ErrorList) {
    let spec = &job["spec"];
    if spec["manualSelector"] == Value::Bool(true) || spec["selector"].is_null() {
        return;
    }
    let root = Path::new("spec");
    let template = root.child("template");
    let metadata = template.child("metadata");
    let at = metadata.child("labels");
    let (uid, name) = (object::meta(job, "uid"), object::meta(job, "name"));
    let labels = &spec["template"]["metadata"]["labels"];
    for (label, expected) in [
        ("controller-uid", uid),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
    ] {
        if labels[label].is_null() {
            errors.required(&at.key(label), format!("must be '{expected}'"));
        } else if labels[label] != expected {
            errors.invalid(&at.key(label), labels, format!("must be '{expected}'"));
        }
    }
    let expected = json!({
        "batch.kubernetes.io/controller-uid": uid, "controller-uid": uid,
        "batch.kubernetes.io/job-name": name, "job-name": name,
    });
    if label_selector::selects(&spec["selector"], &expected) == Some(false) {
        errors.invalid(&root.child("selector"), &spec["selector"], "`selector` not auto-generated");
    }
}

/// A template does not change, but for what decides where pods go while the job is suspended.
fn template_is_kept(spec: &Value, before: &Value, suspended: bool, at: &Path<'_>, errors: &mut ErrorList) {
    let mut kept = before["template"].clone();
    if suspended {
        let (new, kept) = (&spec["template"], &mut kept);
        for field in ["labels", "annotations"] {
            set(&mut kept["metadata"], field, &new["metadata"][field]);
        }
        for field in ["nodeSelector", "affinity", "tolerations", "schedulingGates"] {
            set(&mut kept["spec"], field, &new["spec"][field]);
        }
        for list in ["containers", "initContainers"] {
            let resources: Vec<_> =
                items(&new["spec"][list]).iter().map(|container| container["resources"].clone()).collect();
            for (container, resources) in kept["spec"][list].as_array_mut().into_iter().flatten().zip(resources) {
                set(container, "resources", &resources);
            }
        }
    }
    errors.immutable(at, &spec["template"], &kept);
}

fn set(object: &mut Value, field: &str, value: &Value) {
    if value.is_null() {
        object::remove(object, field);
    } else {
        object[field] = value.clone();
    }
}

fn job_spec(spec: &Value, old: Option<&Value>, at: &Path<'_>, errors: &mut ErrorList) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        errors.non_negative(&at.child(field), &spec[field]);
    }
    if !spec["maxFailedIndexes"].is_null() && spec["backoffLimitPerIndex"].is_null() {
        errors.required(&at.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let Some(manager) = spec["managedBy"].as_str() {
        let at = at.child("managedBy");
        super::networking::domain_prefixed_path(manager, &at, errors);
        if manager.len() > MAX_MANAGER {
            errors.too_long(&at, MAX_MANAGER);
        }
    }
    let indexed = text(&spec["completionMode"]) == "Indexed";
    match spec["completionMode"].as_str().unwrap_or("NonIndexed") {
        "Indexed" => {
            if spec["completions"].is_null() {
                errors.required(&at.child("completions"), "when completion mode is Indexed");
            }
            if int(&spec["parallelism"]) > MAX_PARALLELISM_INDEXED {
                errors.invalid(
                    &at.child("parallelism"),
                    &spec["parallelism"],
                    "must be less than or equal to 100000 when completion mode is Indexed",
                );
            }
            if !spec["completions"].is_null() && int(&spec["maxFailedIndexes"]) > int(&spec["completions"]) {
                errors.invalid(
                    &at.child("maxFailedIndexes"),
                    &spec["maxFailedIndexes"],
                    "must be less than or equal to completions",
                );
            }
            let failed = &spec["maxFailedIndexes"];
            if int(failed) > MAX_FAILED_INDEXES {
                let detail = format!("must be less than or equal to {MAX_FAILED_INDEXES}");
                errors.invalid(&at.child("maxFailedIndexes"), failed, detail);
            }
            if int(&spec["completions"]) > MANY_COMPLETIONS && !spec["backoffLimitPerIndex"].is_null() {
                if failed.is_null() {
                    let detail = format!("must be specified when completions is above {MANY_COMPLETIONS}");
                    errors.required(&at.child("maxFailedIndexes"), detail);
                }
                for (field, most) in [("parallelism", MANY_PARALLELISM), ("maxFailedIndexes", MANY_FAILED_INDEXES)] {
                    if int(&spec[field]) > most {
                        errors.invalid(&at.child(field), &spec[field], format!("must be less than or equal to {most} when completions are above {MANY_COMPLETIONS} and used with backoff limit per index"));
                    }
                }
            }
        }
        "NonIndexed" => {
            for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
                if !spec[field].is_null() {
                    errors.invalid(&at.child(field), &spec[field], "requires indexed completion mode");
                }
            }
        }
        _ => errors.not_supported(&at.child("completionMode"), &spec["completionMode"], &["NonIndexed", "Indexed"]),
    }
    let policy = &spec["podFailurePolicy"];
    if !policy.is_null() {
        failure_policy(spec, &at.child("podFailurePolicy"), errors);
    }
    let (success, success_at) = (&spec["successPolicy"], at.child("successPolicy"));
    if !success.is_null() && indexed {
        success_policy::validate(success, int(&spec["completions"]), &success_at, errors);
    } else if !success.is_null() {
        let rules: Vec<String> = items(&success["rules"])
            .iter()
            .map(|rule| {
                structure(&[
                    ("SucceededIndexes", &rule["succeededIndexes"]),
                    ("SucceededCount", &rule["succeededCount"]),
                ])
            })
            .collect();
        let shown = format!("{{\"Rules\":[{}]}}", rules.join(","));
        errors.invalid_structure(&success_at, shown, "requires indexed completion mode");
    }
    let replacement = text(&spec["podReplacementPolicy"]);
    if !spec["podReplacementPolicy"].is_null() {
        let supported: &[&str] = if policy.is_null() { &["Failed", "TerminatingOrFailed"] } else { &["Failed"] };
        if !supported.contains(&replacement) {
            errors.not_supported(&at.child("podReplacementPolicy"), &spec["podReplacementPolicy"], supported);
        }
    }
    let path = at.child("template");
    pod_template::validate(&spec["template"], &path, old.map(|old| &old["template"]), errors);
    let restart = text(&spec["template"]["spec"]["restartPolicy"]);
    let path = path.child("spec");
    if !matches!(restart, "OnFailure" | "Never") {
        let path = path.child("restartPolicy");
        if matches!(restart, "" | "Always") {
            errors.required(&path, "valid values: \"OnFailure\", \"Never\"");
        } else {
            errors.not_supported(&path, &restart.into(), &["OnFailure", "Never"]);
        }
    } else if !policy.is_null() && restart != "Never" {
        errors.invalid_str(
            &path.child("restartPolicy"),
            restart,
            "only \"Never\" is supported when podFailurePolicy is specified",
        );
    }
}

fn failure_policy(spec: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
    let rules = items(&spec["podFailurePolicy"]["rules"]);
    let list = at.child("rules");
    if rules.len() > 20 {
        errors.too_many(&list, rules.len(), 20);
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = list.index(index);
        match text(&rule["action"]) {
            "" => {
                errors.required(&at.child("action"), "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]")
            }
            "FailIndex" if spec["backoffLimitPerIndex"].is_null() => {
                errors.invalid_str(&at.child("action"), "FailIndex", "requires the backoffLimitPerIndex to be set");
            }
            action if !ACTIONS.contains(&action) => errors.not_supported(&at.child("action"), &rule["action"], ACTIONS),
            _ => {}
        }
        let (codes, conditions) = (&rule["onExitCodes"], items(&rule["onPodConditions"]));
        if !codes.is_null() {
            exit_codes(spec, codes, &at.child("onExitCodes"), errors);
        }
        let patterns = at.child("onPodConditions");
        for (index, pattern) in conditions.iter().enumerate() {
            let at = patterns.index(index);
            let kind = text(&pattern["type"]);
            errors.invalid_strs(&at.child("type"), kind, names::qualified_name_problems(kind));
            match text(&pattern["status"]) {
                "" => errors.required(&at.child("status"), "valid values: [\"False\" \"True\" \"Unknown\"]"),
                "True" | "False" | "Unknown" => {}
                _ => errors.not_supported(&at.child("status"), &pattern["status"], &["False", "True", "Unknown"]),
            }
        }
        match (codes.is_null(), conditions.is_empty()) {
            (false, false) => {
                errors.invalid_omitted(&at, "specifying both OnExitCodes and OnPodConditions is not supported")
            }
            (true, true) => {
                errors.invalid_omitted(&at, "specifying one of OnExitCodes and OnPodConditions is required")
            }
            _ => {}
        }
    }
}

fn exit_codes(spec: &Value, codes: &Value, at: &Path<'_>, errors: &mut ErrorList) {
    match text(&codes["operator"]) {
        "" => errors.required(&at.child("operator"), "valid values: [\"In\" \"NotIn\"]"),
        "In" | "NotIn" => {}
        _ => errors.not_supported(&at.child("operator"), &codes["operator"], &["In", "NotIn"]),
    }
    let pod = &spec["template"]["spec"];
    let name = &codes["containerName"];
    let mut containers = items(&pod["containers"]).iter().chain(items(&pod["initContainers"]));
    if !name.is_null() && !containers.any(|container| container["name"] == *name) {
        errors.invalid(
            &at.child("containerName"),
            name,
            "must be one of the container or initContainer names in the pod template",
        );
    }
    let (values, list) = (items(&codes["values"]), at.child("values"));
    if values.is_empty() {
        errors.invalid(&list, &codes["values"], "at least one value is required");
    } else if values.len() > 255 {
        errors.too_many(&list, values.len(), 255);
    }
    for (index, value) in values.iter().enumerate() {
        if codes["operator"] == "In" && int(value) == 0 {
            errors.invalid(&list.index(index), value, "must not be 0 for the In operator");
        }
        if values[..index].contains(value) {
            errors.duplicate(&list.index(index), value);
        }
    }
    if !values.is_sorted_by_key(int) {
        errors.invalid(&list, &codes["values"], "must be ordered");
    }
}

/// More indexes than upstream's controller may be able to keep account of, and what there is to say of the template.
fn job_warnings(spec: &Value, at: &Path<'_>, out: &mut Vec<String>) {
    let indexed = spec["completionMode"] == "Indexed";
    if indexed && int(&spec["completions"]) > 100_000 && int(&spec["parallelism"]) > 10_000 {
        out.push(format!("{at}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"));
    }
    pod_template::warn_of(&spec["template"], at, out);
}

impl Hooks for CronJob {
    fn validate(&self, object: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        cron_spec(object, None, errors);
        if object::meta(object, "name").len() > 52 {
            let metadata = Path::new("metadata");
            errors.invalid_str(
                &metadata.child("name"),
                object::meta(object, "name"),
                "must be no more than 52 characters",
            );
        }
    }

    fn validate_update(&self, object: &Value, old: &Value, _request: &Request<'_>, errors: &mut ErrorList) {
        cron_spec(object, Some(old), errors);
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, request: &Request<'_>, out: &mut Vec<String>) {
        if request.subresource == "status" {
            return;
        }
        if old.is_none() {
            out.extend(warnings::pod_owner_name(object));
        }
        if old.is_none_or(|old| !pod_template::same_generation(object, old)) {
            let spec = Path::new("spec");
            let template = spec.child("jobTemplate");
            job_warnings(&object["spec"]["jobTemplate"]["spec"], &template.child("spec"), out);
        }
        if old.is_some() && text(&object["spec"]["schedule"]).contains("TZ") {
            out.push("cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details".to_owned());
        }
    }
}

fn cron_spec(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (at, spec) = (Path::new("spec"), &object["spec"]);
    let schedule = text(&spec["schedule"]);
    if schedule.is_empty() {
        errors.required(&at.child("schedule"), "");
    } else {
        if let Some(problem) = super::cron_schedule::problem(schedule) {
            errors.invalid_str(&at.child("schedule"), schedule, problem);
        }
        if schedule.contains("TZ") && old.is_none_or(|old| old["spec"]["schedule"] != spec["schedule"]) {
            errors.invalid_str(
                &at.child("schedule"),
                schedule,
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            );
        }
    }
    errors.non_negative(&at.child("startingDeadlineSeconds"), &spec["startingDeadlineSeconds"]);
    let zone = &spec["timeZone"];
    if old.is_none_or(|old| old["spec"]["timeZone"] != *zone) && !zone.is_null() {
        let name = text(zone);
        let path = at.child("timeZone");
        if name.is_empty() {
            errors.invalid_str(&path, name, "timeZone must be nil or non-empty string");
        } else if name.eq_ignore_ascii_case("local") {
            errors.invalid_str(
                &path,
                name,
                "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
            );
        } else if jiff::tz::TimeZone::get(name).is_err() {
            errors.invalid_str(&path, name, format!("unknown time zone {name}"));
        }
    }
    match text(&spec["concurrencyPolicy"]) {
        "Allow" | "Forbid" | "Replace" => {}
        "" => errors.required(&at.child("concurrencyPolicy"), ""),
        _ => errors.not_supported(
            &at.child("concurrencyPolicy"),
            &spec["concurrencyPolicy"],
            &["Allow", "Forbid", "Replace"],
        ),
    }
    let template = at.child("jobTemplate");
    let job = template.child("spec");
    let old_job = old.map(|old| &old["spec"]["jobTemplate"]["spec"]);
    job_spec(&spec["jobTemplate"]["spec"], old_job, &job, errors);
    if spec["jobTemplate"]["spec"]["manualSelector"] == Value::Bool(true) {
        errors.not_supported(&job.child("manualSelector"), &Value::Bool(true), &["nil", "false"]);
    }
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.non_negative(&at.child(field), &spec[field]);
    }
}
