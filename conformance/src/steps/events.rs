//! Events, describe, and the scheduler's words.

use anyhow::Result;
use serde_json::json;

use super::workloads::hello;
use crate::context::{Context, contains};
use crate::harness::Step;

pub fn steps() -> Vec<Step> {
    vec![Step { name: "events", run: events }, Step { name: "unschedulable", run: unschedulable }]
}

fn events(context: &Context) -> Result<()> {
    hello(context, 1)?;
    context.until("the events are there", 20, || {
        let events = context.run(&["get", "events"])?;
        for reason in ["ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Pulled", "Created", "Started"] {
            contains(&events, reason)?;
        }
        contains(&events, "Scaled up replica set hello-")
    })?;
    let pod = context.pods("app=hello")?.pop().unwrap_or_default();
    let described = context.run(&["describe", "pod", &pod])?;
    contains(&described, "Successfully assigned ")?;
    contains(&described, "Container image \"")
}

fn unschedulable(context: &Context) -> Result<()> {
    let large = json!({"resources": {"requests": {"cpu": "1000"}}});
    context.apply(&[context.pod("large", "true", large, json!({}))])?;
    context.apply(&[context.pod("elsewhere", "true", json!({}), json!({"nodeSelector": {"nowhere": "here"}}))])?;
    context.until("the scheduler says why", 30, || {
        let described = context.run(&["describe", "pod", "large"])?;
        contains(&described, "FailedScheduling")?;
        contains(&described, "0/1 nodes are available: 1 Insufficient cpu.")?;
        contains(&context.run(&["describe", "pod", "elsewhere"])?, "node(s) didn't match Pod's node affinity/selector")
    })?;
    contains(&context.run(&["get", "pod", "large"])?, "Pending")
}
