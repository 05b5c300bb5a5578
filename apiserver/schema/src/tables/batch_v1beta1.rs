//! The types of `batch_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{batch_v1, core_v1, meta_v1};
use crate::row::*;

pub static CronJob: Type = object("io.k8s.api.batch.v1beta1.CronJob", &CronJob_F);
static CronJob_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&CronJobSpec), 2, R),
    f("status", o(&CronJobStatus), 3, 0),
];

pub static CronJobList: Type = object("io.k8s.api.batch.v1beta1.CronJobList", &CronJobList_F);
static CronJobList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&CronJob_S), 2, R),
];

pub static CronJobSpec: Type = object("io.k8s.api.batch.v1beta1.CronJobSpec", &CronJobSpec_F);
static CronJobSpec_F: [Field; 8] = [
    f("schedule", Shape::String, 1, R),
    f("timeZone", Shape::String, 8, P | E),
    f("startingDeadlineSeconds", Shape::Int64, 2, P | E),
    g("concurrencyPolicy", Shape::String, 3, E, "v1beta1.ConcurrencyPolicy", ""),
    f("suspend", Shape::Bool, 4, P | E),
    f("jobTemplate", o(&JobTemplateSpec), 5, R),
    f("successfulJobsHistoryLimit", Shape::Int32, 6, P | E),
    f("failedJobsHistoryLimit", Shape::Int32, 7, P | E),
];

pub static CronJobStatus: Type = object("io.k8s.api.batch.v1beta1.CronJobStatus", &CronJobStatus_F);
static CronJobStatus_F: [Field; 3] = [
    f("active", list(&core_v1::ObjectReference_S), 1, E),
    f("lastScheduleTime", Shape::Time, 4, P | E),
    f("lastSuccessfulTime", Shape::Time, 5, P | E),
];

pub static JobTemplateSpec: Type = object("io.k8s.api.batch.v1beta1.JobTemplateSpec", &JobTemplateSpec_F);
static JobTemplateSpec_F: [Field; 2] = [
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&batch_v1::JobSpec), 2, 0),
];

// Elements of lists and maps.
pub static CronJob_S: Shape = o(&CronJob);
