//! The types of `batch_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static CronJob: Type = object("io.k8s.api.batch.v1.CronJob", &CronJob_F);
static CronJob_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&CronJobSpec), 2, R),
    f("status", o(&CronJobStatus), 3, 0),
];

pub static CronJobList: Type = object("io.k8s.api.batch.v1.CronJobList", &CronJobList_F);
static CronJobList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&CronJob_S), 2, R),
];

pub static CronJobSpec: Type = object("io.k8s.api.batch.v1.CronJobSpec", &CronJobSpec_F);
static CronJobSpec_F: [Field; 8] = [
    f("schedule", Shape::String, 1, R),
    f("timeZone", Shape::String, 8, P | E),
    f("startingDeadlineSeconds", Shape::Int64, 2, P | E),
    g("concurrencyPolicy", Shape::String, 3, E, "v1.ConcurrencyPolicy", ""),
    f("suspend", Shape::Bool, 4, P | E),
    f("jobTemplate", o(&JobTemplateSpec), 5, R),
    f("successfulJobsHistoryLimit", Shape::Int32, 6, P | E),
    f("failedJobsHistoryLimit", Shape::Int32, 7, P | E),
];

pub static CronJobStatus: Type = object("io.k8s.api.batch.v1.CronJobStatus", &CronJobStatus_F);
static CronJobStatus_F: [Field; 3] = [
    f("active", list(&core_v1::ObjectReference_S), 1, E),
    f("lastScheduleTime", Shape::Time, 4, P | E),
    f("lastSuccessfulTime", Shape::Time, 5, P | E),
];

pub static Job: Type = object("io.k8s.api.batch.v1.Job", &Job_F);
static Job_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&JobSpec), 2, 0),
    f("status", o(&JobStatus), 3, 0),
];

pub static JobCondition: Type = object("io.k8s.api.batch.v1.JobCondition", &JobCondition_F);
static JobCondition_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1.JobConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastProbeTime", Shape::Time, 3, 0),
    f("lastTransitionTime", Shape::Time, 4, 0),
    f("reason", Shape::String, 5, E),
    f("message", Shape::String, 6, E),
];

pub static JobList: Type = object("io.k8s.api.batch.v1.JobList", &JobList_F);
static JobList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Job_S), 2, R),
];

pub static JobSpec: Type = object("io.k8s.api.batch.v1.JobSpec", &JobSpec_F);
static JobSpec_F: [Field; 16] = [
    f("parallelism", Shape::Int32, 1, P | E),
    f("completions", Shape::Int32, 2, P | E),
    f("activeDeadlineSeconds", Shape::Int64, 3, P | E),
    f("podFailurePolicy", o(&PodFailurePolicy), 11, P | E),
    f("successPolicy", o(&SuccessPolicy), 16, P | E),
    f("backoffLimit", Shape::Int32, 7, P | E),
    f("backoffLimitPerIndex", Shape::Int32, 12, P | E),
    f("maxFailedIndexes", Shape::Int32, 13, P | E),
    f("selector", o(&meta_v1::LabelSelector), 4, P | E),
    f("manualSelector", Shape::Bool, 5, P | E),
    f("template", o(&core_v1::PodTemplateSpec), 6, R),
    f("ttlSecondsAfterFinished", Shape::Int32, 8, P | E),
    g("completionMode", Shape::String, 9, P | E, "v1.CompletionMode", ""),
    f("suspend", Shape::Bool, 10, P | E),
    g("podReplacementPolicy", Shape::String, 14, P | E, "v1.PodReplacementPolicy", ""),
    f("managedBy", Shape::String, 15, P | E),
];

pub static JobStatus: Type = object("io.k8s.api.batch.v1.JobStatus", &JobStatus_F);
static JobStatus_F: [Field; 11] = [
    k("conditions", list(&JobCondition_S), 1, E | MERGE, &[], "type"),
    f("startTime", Shape::Time, 2, P | E),
    f("completionTime", Shape::Time, 3, P | E),
    f("active", Shape::Int32, 4, E),
    f("succeeded", Shape::Int32, 5, E),
    f("failed", Shape::Int32, 6, E),
    f("terminating", Shape::Int32, 11, P | E),
    f("completedIndexes", Shape::String, 7, E),
    f("failedIndexes", Shape::String, 10, P | E),
    f("uncountedTerminatedPods", o(&UncountedTerminatedPods), 8, P | E),
    f("ready", Shape::Int32, 9, P | E),
];

pub static JobTemplateSpec: Type = object("io.k8s.api.batch.v1.JobTemplateSpec", &JobTemplateSpec_F);
static JobTemplateSpec_F: [Field; 2] = [
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&JobSpec), 2, 0),
];

pub static PodFailurePolicy: Type = object("io.k8s.api.batch.v1.PodFailurePolicy", &PodFailurePolicy_F);
static PodFailurePolicy_F: [Field; 1] = [
    f("rules", list(&PodFailurePolicyRule_S), 1, R),
];

pub static PodFailurePolicyOnExitCodesRequirement: Type = object("io.k8s.api.batch.v1.PodFailurePolicyOnExitCodesRequirement", &PodFailurePolicyOnExitCodesRequirement_F);
static PodFailurePolicyOnExitCodesRequirement_F: [Field; 3] = [
    f("containerName", Shape::String, 1, P | E),
    g("operator", Shape::String, 2, R, "v1.PodFailurePolicyOnExitCodesOperator", ""),
    f("values", list(&INT32_S), 3, R | SET),
];

pub static PodFailurePolicyOnPodConditionsPattern: Type = object("io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern", &PodFailurePolicyOnPodConditionsPattern_F);
static PodFailurePolicyOnPodConditionsPattern_F: [Field; 2] = [
    g("type", Shape::String, 1, R, "v1.PodConditionType", ""),
    g("status", Shape::String, 2, 0, "v1.ConditionStatus", ""),
];

pub static PodFailurePolicyRule: Type = object("io.k8s.api.batch.v1.PodFailurePolicyRule", &PodFailurePolicyRule_F);
static PodFailurePolicyRule_F: [Field; 3] = [
    g("action", Shape::String, 1, R, "v1.PodFailurePolicyAction", ""),
    f("onExitCodes", o(&PodFailurePolicyOnExitCodesRequirement), 2, P | E),
    f("onPodConditions", list(&PodFailurePolicyOnPodConditionsPattern_S), 3, E),
];

pub static SuccessPolicy: Type = object("io.k8s.api.batch.v1.SuccessPolicy", &SuccessPolicy_F);
static SuccessPolicy_F: [Field; 1] = [
    f("rules", list(&SuccessPolicyRule_S), 1, R),
];

pub static SuccessPolicyRule: Type = object("io.k8s.api.batch.v1.SuccessPolicyRule", &SuccessPolicyRule_F);
static SuccessPolicyRule_F: [Field; 2] = [
    f("succeededIndexes", Shape::String, 1, P | E),
    f("succeededCount", Shape::Int32, 2, P | E),
];

pub static UncountedTerminatedPods: Type = object("io.k8s.api.batch.v1.UncountedTerminatedPods", &UncountedTerminatedPods_F);
static UncountedTerminatedPods_F: [Field; 2] = [
    g("succeeded", list(&STRING_S), 1, E | SET, "[]types.UID", ""),
    g("failed", list(&STRING_S), 2, E | SET, "[]types.UID", ""),
];

// Elements of lists and maps.
pub static CronJob_S: Shape = o(&CronJob);
pub static JobCondition_S: Shape = o(&JobCondition);
pub static Job_S: Shape = o(&Job);
pub static PodFailurePolicyOnPodConditionsPattern_S: Shape = o(&PodFailurePolicyOnPodConditionsPattern);
pub static PodFailurePolicyRule_S: Shape = o(&PodFailurePolicyRule);
pub static SuccessPolicyRule_S: Shape = o(&SuccessPolicyRule);
