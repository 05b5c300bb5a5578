//! Defaults of batch.

use serde_json::Value;

use super::{Default, Object, absent, child_or_new, set_absent, set_empty};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.batch.v1.CronJob", cron_job),
    ("io.k8s.api.batch.v1.Job", job),
    ("io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern", pod_conditions_pattern),
];

fn job(job: &mut Object) {
    let spec = child_or_new(job, "spec");
    if absent(spec, "completions") && absent(spec, "parallelism") {
        spec.insert("completions".into(), 1.into());
    }
    set_absent(spec, "parallelism", 1);
    let limit = if absent(spec, "backoffLimitPerIndex") { 6 } else { i32::MAX };
    set_absent(spec, "backoffLimit", limit);
    set_absent(spec, "completionMode", "NonIndexed");
    set_absent(spec, "suspend", false);
    let replacement = if absent(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
    set_absent(spec, "podReplacementPolicy", replacement);
    set_absent(spec, "manualSelector", false);
    let labels = spec.get("template").and_then(|template| template.pointer("/metadata/labels")).cloned();
    if let Some(labels @ Value::Object(_)) = labels {
        set_empty(child_or_new(job, "metadata"), "labels", labels);
    }
}

fn cron_job(job: &mut Object) {
    let spec = child_or_new(job, "spec");
    set_empty(spec, "concurrencyPolicy", "Allow");
    set_absent(spec, "suspend", false);
    set_absent(spec, "successfulJobsHistoryLimit", 3);
    set_absent(spec, "failedJobsHistoryLimit", 1);
}

fn pod_conditions_pattern(pattern: &mut Object) {
    set_empty(pattern, "status", "True");
}
