//! Jobs and cron jobs.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{
    age, cells, containers, count, integer, is_deleted, is_true, name, selector_or_none, text, text_or,
};
use super::column::{AGE, CONTAINERS, Column, IMAGES, NAME};
use super::{Printer, age};

pub static CRON_JOB: Printer = Printer::new(
    &[
NAME,
Column::string("Schedule", "The schedule in Cron format, see https://en.wikipedia.org/wiki/Cron."),
Column::string("Timezone", "The time zone name for the given schedule, see https://en.wikipedia.org/wiki/List_of_tz_database_time_zones. If not specified, this will default to the time zone of the kube-controller-manager process. The set of valid time zone names and the time zone offset is loaded from the system-wide time zone database by the API server during CronJob validation and the controller manager during execution. If no system-wide time zone database can be found a bundled version of the database is used instead. If the time zone name becomes invalid during the lifetime of a CronJob or due to a change in host configuration, the controller will stop creating new new Jobs and will create a system event with the reason UnknownTimeZone. More information can be found in https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#time-zones"),
Column::boolean("Suspend", "This flag tells the controller to suspend subsequent executions, it does not apply to already started executions.  Defaults to false."),
Column::integer("Active", "A list of pointers to currently running jobs."),
Column::string("Last Schedule", "Information when was the last time the job was successfully scheduled."),
AGE,
CONTAINERS.wide(),
IMAGES.wide(),
Column::string("Selector", "A label query over pods that should match the pod count. Normally, the system sets this field for you. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors").wide(),
],
    cron_job,
);

pub static JOB: Printer = Printer::new(
    &[
NAME,
Column::string("Status", "Status of the job."),
Column::string("Completions", "The number of pods which reached phase Succeeded. The value increases monotonically for a given spec. However, it may decrease in reaction to scale down of elastic indexed jobs."),
Column::string("Duration", "Time required to complete the job."),
AGE,
CONTAINERS.wide(),
IMAGES.wide(),
Column::string("Selector", "A label query over pods that should match the pod count. Normally, the system sets this field for you. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors").wide(),
],
    |object, now| {
        let spec = &object["spec"];
        let [names, images] = containers(&spec["template"]["spec"]);
        cells![
            name(object),
            status(object),
            completions(object),
            duration(object, now),
            age(object, now),
            names,
            images,
            selector_or_none(&spec["selector"]),
        ]
    },
);

fn cron_job(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let template = &spec["jobTemplate"]["spec"];
    let [names, images] = containers(&template["template"]["spec"]);
    let suspend = match spec["suspend"].as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = &status["lastScheduleTime"];
    cells![
        name(object),
        text(&spec["schedule"]),
        text_or(&spec["timeZone"], "<none>"),
        suspend,
        count(&status["active"]),
        if last.is_null() { "<none>".to_owned() } else { age::since(last, now) },
        age(object, now),
        names,
        images,
        selector_or_none(&template["selector"]),
    ]
}

fn status(object: &Value) -> &'static str {
    if is_true(object, "Complete") {
        "Complete"
    } else if is_true(object, "Failed") {
        "Failed"
    } else if is_deleted(object) {
        "Terminating"
    } else if is_true(object, "Suspended") {
        "Suspended"
    } else if is_true(object, "FailureTarget") {
        "FailureTarget"
    } else if is_true(object, "SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(object: &Value) -> String {
    let succeeded = integer(&object["status"]["succeeded"]);
    match (object["spec"]["completions"].as_i64(), integer(&object["spec"]["parallelism"])) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        _ => format!("{succeeded}/1"),
    }
}

fn duration(object: &Value, now: Timestamp) -> String {
    let Some(start) = age::time(&object["status"]["startTime"]) else { return String::new() };
    age::between(start, age::time(&object["status"]["completionTime"]).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn cron_jobs() {
        let template = json!({"spec": {"containers": [{"name": "a", "image": "i"}]}});
        let spec = json!({
            "schedule": "* * * * *", "timeZone": "Etc/UTC", "suspend": false, "jobTemplate": {"spec": {"template": template}},
        });
        let status = json!({"active": [{}, {}], "lastScheduleTime": "2026-01-01T00:00:30Z"});
        shows(
            &CRON_JOB,
            json!({"spec": spec, "status": status}),
            json!(["x", "* * * * *", "Etc/UTC", "False", 2, "30s", "60s", "a", "i", "<none>"]),
        );
        let idle = json!(["x", "", "<none>", "<unset>", 0, "<none>", "60s", "", "", "<none>"]);
        shows(&CRON_JOB, json!({}), idle);
    }

    #[test]
    fn jobs() {
        let complete = json!({
            "spec": {"completions": 3, "selector": {"matchLabels": {"a": "b"}}},
            "status": {
                "succeeded": 3, "startTime": "2026-01-01T00:00:05Z", "completionTime": "2026-01-01T00:00:15Z",
                "conditions": [{"type": "Suspended", "status": "True"}, {"type": "Complete", "status": "True"}],
            },
        });
        shows(&JOB, complete, json!(["x", "Complete", "3/3", "10s", "60s", "", "", "a=b"]));
        let running = json!({"spec": {"parallelism": 2}, "status": {"startTime": "2026-01-01T00:00:05Z"}});
        shows(&JOB, running, json!(["x", "Running", "0/1 of 2", "55s", "60s", "", "", "<none>"]));
        shows(&JOB, json!({"spec": {"parallelism": 1}}), json!(["x", "Running", "0/1", "", "60s", "", "", "<none>"]));
    }

    #[test]
    fn the_weightiest_condition_of_a_job_shows() {
        for (conditions, deleted, expected) in [
            (&["FailureTarget", "Failed"][..], true, "Failed"),
            (&["FailureTarget"], true, "Terminating"),
            (&["FailureTarget", "Suspended"], false, "Suspended"),
            (&["SuccessCriteriaMet", "FailureTarget"], false, "FailureTarget"),
            (&["SuccessCriteriaMet"], false, "SuccessCriteriaMet"),
        ] {
            let conditions: Vec<_> = conditions.iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
            let time = deleted.then_some("2026-01-01T00:00:00Z");
            let job = json!({"metadata": {"deletionTimestamp": time}, "status": {"conditions": conditions}});
            assert_eq!(status(&job), expected);
        }
    }
}
