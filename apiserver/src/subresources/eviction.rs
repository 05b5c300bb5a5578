//! pods/eviction: a deletion that the pod's disruption budgets may refuse.
//!
//! Source: `pkg/registry/core/pod/storage/eviction.go`.

use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::Value;

use crate::admission::{self, Attributes, Kind, Operation};
use crate::body::{Body, Expected};
use crate::context::{Context, Target};
use crate::selector::LabelSelector;
use crate::status::{Cause, Details, Result, Status};
use crate::storage::Replaced;
use crate::verbs::delete::{self, DeleteOptions};
use crate::{kubelet, object, respond};

pub async fn evict(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let options = context.write_options()?;
    let ty = apiserver_schema::builtin("policy", "v1", "Eviction")
        .ok_or_else(|| Status::internal("no type for Eviction"))?;
    let expected = Expected { group: "policy", version: "v1", kind: "Eviction", ty };
    let mut eviction = context.decode(bytes, &expected, options.field_validation, &mut context.warnings.lock())?;
    let info = &context.info;
    let attributes = Attributes::new(context, target, Operation::Create, &info.namespace, &info.name, options.dry_run)
        .subresource("eviction")
        .kind(Kind { group: "policy", version: "v1", kind: "Eviction" });
    admission::admit(&attributes, &mut eviction).await?;
    let name = object::meta(&eviction, "name");
    if !name.is_empty() && name != context.info.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let pod = kubelet::pod(&context.server, &context.info.namespace, &context.info.name).await?;
    admission::validate(&attributes, &eviction).await?;
    let dry_run =
        options.dry_run || eviction["deleteOptions"]["dryRun"].as_array().is_some_and(|list| !list.is_empty());
    let finished = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed" | "Pending"));
    if !finished && !object::is_terminating(&pod) {
        take_from_budget(context, &pod, dry_run).await?;
    }
    let text = |field: &str| eviction["deleteOptions"]["preconditions"][field].as_str().map(str::to_owned);
    let delete_options = DeleteOptions {
        grace_period_seconds: eviction["deleteOptions"]["gracePeriodSeconds"].as_i64(),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        propagation: None,
        dry_run,
    };
    // It was admitted as an eviction.
    delete::delete_object(context, target, &info.namespace, &info.name, &delete_options, None).await?;
    let mut status = Status::success(Details::default());
    status.details = None;
    status.code = StatusCode::CREATED;
    respond::status(context, &status)
}

/// Counts the disruption against the pod's budget, or refuses it.
async fn take_from_budget(context: &Context, pod: &Value, dry_run: bool) -> Result<()> {
    let server = &context.server;
    let namespace = object::meta(pod, "namespace");
    let name = object::meta(pod, "name").to_owned();
    let budgets: Vec<Value> = server
        .list_cached("policy", "poddisruptionbudgets")?
        .into_iter()
        .filter(|budget| object::meta(budget, "namespace") == namespace && selects(&budget["spec"]["selector"], pod))
        .collect();
    if budgets.len() > 1 {
        return Err(Status::internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        ));
    }
    let Some(budget) = budgets.into_iter().next() else { return Ok(()) };
    let objects = server.objects("policy", "poddisruptionbudgets")?;
    let key = objects.key(namespace, object::meta(&budget, "name"));
    let mut current = objects.read(&key).await?;
    while let Some((mut budget, revision)) = current {
        let ready = is_ready(pod);
        let policy = budget["spec"]["unhealthyPodEvictionPolicy"].as_str().unwrap_or("IfHealthyBudget").to_owned();
        let number = |field: &str| budget["status"][field].as_i64().unwrap_or_default();
        let healthy = number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0;
        if !ready && (policy == "AlwaysAllow" || healthy) {
            return Ok(());
        }
        let generation = budget["metadata"]["generation"].as_i64().unwrap_or_default();
        if number("observedGeneration") < generation {
            return Err(refused(&budget, "is still being processed by the server.", 10));
        }
        let allowed = number("disruptionsAllowed");
        if allowed <= 0 {
            let why = format!(
                "needs {} healthy pods and has {} currently",
                number("desiredHealthy"),
                number("currentHealthy")
            );
            return Err(refused(&budget, &why, 0));
        }
        if dry_run {
            return Ok(());
        }
        object::set(&mut budget, &["status", "disruptionsAllowed"], allowed - 1);
        object::set(&mut budget, &["status", "disruptedPods", &name], object::now());
        current = match objects.replace(&key, &budget, revision).await? {
            Replaced::Done(_) | Replaced::Gone => return Ok(()),
            Replaced::Changed(budget, revision) => Some((budget, revision)),
        };
    }
    Ok(())
}

fn refused(budget: &Value, why: &str, retry_after_seconds: u32) -> Status {
    let mut status = Status::too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        retry_after_seconds,
    );
    if let Some(details) = &mut status.details {
        details.causes.push(Cause {
            reason: "DisruptionBudget".to_owned(),
            message: format!("The disruption budget {} {why}", object::meta(budget, "name")),
            field: String::new(),
        });
    }
    status
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Whether a `metav1.LabelSelector` selects an object; an absent one selects nothing.
fn selects(selector: &Value, object: &Value) -> bool {
    if !selector.is_object() {
        return false;
    }
    let labels = &object["metadata"]["labels"];
    let equal =
        selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| labels[key.as_str()] == *value);
    equal
        && selector["matchExpressions"].as_array().into_iter().flatten().all(|expression| {
            let key = expression["key"].as_str().unwrap_or_default();
            let values: Vec<&str> =
                expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let text = match expression["operator"].as_str().unwrap_or_default() {
                "In" => format!("{key} in ({})", values.join(",")),
                "NotIn" => format!("{key} notin ({})", values.join(",")),
                "DoesNotExist" => format!("!{key}"),
                _ => key.to_owned(),
            };
            LabelSelector::parse(&text).is_ok_and(|selector| selector.matches(|key| labels[key].as_str()))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_select_pods() {
        let pod = json!({"metadata": {"labels": {"app": "web"}}});
        assert!(selects(&json!({}), &pod));
        assert!(!selects(&Value::Null, &pod));
        assert!(selects(&json!({"matchLabels": {"app": "web"}}), &pod));
        assert!(!selects(&json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}), &pod));
    }
}
