//! pods/eviction: a deletion that the pod's disruption budgets may refuse.
//!
//! Source: `pkg/registry/core/pod/storage/eviction.go`.

use apiserver_storage::Revision;
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::Value;

use crate::admission::{self, Attributes, Kind, Operation};
use crate::body::{Body, Expected};
use crate::conditions;
use crate::context::{Context, Target};
use crate::field::{ErrorList, Path};
use crate::object::{self, int, items};
use crate::own_objects::own_status;
use crate::respond;
use crate::selector::LabelSelector;
use crate::status::{Cause, Details, GroupResource, Result, Status};
use crate::storage::Replaced;
use crate::verbs::delete::{self, DeleteOptions};

const BUDGETS: (&str, &str) = ("policy", "poddisruptionbudgets");

/// How often an eviction begins anew where something else changes the pod or its budget at the same time.
const TRIES: usize = 20;

/// How many evictions of one budget may be on their way.
const MOST_DISRUPTED: usize = 2000;

pub async fn evict(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let options = context.write_options()?;
    let ty = apiserver_schema::builtin("policy", "v1", "Eviction")
        .ok_or_else(|| Status::internal("no type for Eviction"))?;
    let expected = Expected { group: "policy", version: "v1", kind: "Eviction", ty, older: &["v1beta1"] };
    let mut eviction = context.decode(bytes, &expected, options.field_validation, &mut context.warnings.lock())?;
    let info = &context.info;
    let attributes = Attributes::new(context, target, Operation::Create, &info.namespace, &info.name, options.dry_run)
        .subresource("eviction")
        .kind(Kind { group: "policy", version: "v1", kind: "Eviction" });
    admission::admit_as_sent(&attributes, &mut eviction).await?;
    let name = object::meta(&eviction, "name");
    if !name.is_empty() && name != info.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let asked = delete_options(context, &eviction, options.dry_run)?;
    admission::validate(&attributes, &eviction).await?;
    delete(context, target, &asked).await?;
    let mut status = Status::success(Details::default());
    status.details = None;
    status.code = StatusCode::CREATED;
    respond::status(context, &status)
}

/// How the pod is to be deleted. A dry run may be asked for in the request or in the eviction, but not otherwise in both.
fn delete_options(context: &Context, eviction: &Value, is_dry_run: bool) -> Result<DeleteOptions> {
    let options = &eviction["deleteOptions"];
    if options["ignoreStoreReadErrorWithClusterBreakingPotential"] == true {
        let mut errors = ErrorList::default();
        let options = Path::new("deleteOptions");
        let at = options.child("ignoreStoreReadErrorWithClusterBreakingPotential");
        errors.invalid(&at, &true.into(), "can not be set for pod eviction, try after removing the option");
        return Err(Status::invalid("policy", "Eviction", &context.info.name, &errors));
    }
    let own: Vec<&str> = items(&options["dryRun"]).iter().map(object::text).collect();
    let sent: Vec<&str> = context.query.all("dryRun").filter(|value| !value.is_empty()).collect();
    if !own.is_empty() && !sent.is_empty() && own != sent {
        let (sent, own) = (sent.join(" "), own.join(" "));
        let why = format!("Non-matching dry-run options in request and content: [{sent}] and [{own}]");
        return Err(Status::new(StatusCode::INTERNAL_SERVER_ERROR, "", why));
    }
    let mut options = DeleteOptions::from_tree(options)?;
    options.dry_run |= is_dry_run;
    Ok(options)
}

async fn delete(context: &Context, target: &Target, asked: &DeleteOptions) -> Result<()> {
    let objects = target.objects()?;
    let key = objects.key(&context.info.namespace, &context.info.name);
    let mut tries = 0..TRIES;
    let (pod, revision) = loop {
        tries.next();
        let Some((pod, revision)) = objects.read(&key).await? else {
            return Err(Status::not_found(target.group_resource(), &context.info.name));
        };
        let phase = pod["status"]["phase"].as_str().unwrap_or_default();
        let is_over = matches!(phase, "Succeeded" | "Failed") || object::is_terminating(&pod);
        if !is_over && phase != "Pending" {
            break (pod, revision);
        }
        // It disrupts nothing, unless it becomes ready meanwhile.
        let mut options = asked.clone();
        if !is_over && asked.resource_version.is_none() {
            options.resource_version = Some(revision.to_string());
        }
        let may_retry = asked.resource_version.is_none() && !tries.is_empty();
        match tell_and_delete(context, target, options, (pod, revision)).await {
            Err(status) if status.code == StatusCode::CONFLICT && may_retry => {}
            outcome => return outcome,
        }
    };
    let Budget { name, unready } = take_from_budget(context, &pod, asked.dry_run).await?;
    let mut options = asked.clone();
    if unready {
        // It must not have become ready since.
        options.resource_version = Some(revision.to_string());
    }
    match tell_and_delete(context, target, options, (pod, revision)).await {
        Err(status) if status.code == StatusCode::CONFLICT && unready && asked.resource_version.is_none() => {
            Err(refused(&name, "is still being processed by the server.", 10))
        }
        outcome => outcome,
    }
}

/// Says in the conditions of the pod, as it was read, that it is evicted, which failure policies of jobs ask for, and
/// deletes it.
async fn tell_and_delete(
    context: &Context,
    target: &Target,
    mut options: DeleteOptions,
    read: (Value, Revision),
) -> Result<()> {
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    if !options.dry_run {
        let objects = target.objects()?;
        let key = objects.key(namespace, name);
        let mut current = Some(read);
        while let Some((mut pod, revision)) = current {
            delete::check_preconditions(target, &pod, name, &options)?;
            let told = conditions::set(
                &mut pod,
                "DisruptionTarget",
                "True",
                "EvictionByEvictionAPI",
                "Eviction API: evicting",
            );
            told["lastProbeTime"] = Value::Null;
            current = match objects.replace(&key, &pod, revision).await? {
                Replaced::Done(revision) => {
                    // The version that was meant is this one now.
                    options.resource_version = options.resource_version.map(|_| revision.to_string());
                    None
                }
                Replaced::Gone => None,
                Replaced::Changed(pod, revision) => Some((pod, revision)),
            };
        }
    }
    // It was admitted as an eviction.
    delete::delete_object(context, target, namespace, name, &options, None).await?;
    Ok(())
}

/// What the budget of a pod says.
#[derive(Default)]
struct Budget {
    /// Empty where there is none.
    name: String,
    /// The pod may go because it is not ready.
    unready: bool,
}

/// Counts the disruption against the pod's budget, or refuses it.
async fn take_from_budget(context: &Context, pod: &Value, dry_run: bool) -> Result<Budget> {
    let server = &context.server;
    let (group, plural) = BUDGETS;
    let objects = server.objects(group, plural)?;
    objects.consistent().await?;
    let namespace = object::meta(pod, "namespace");
    let mut budgets = server.list_cached(group, plural)?;
    budgets.retain(|budget| object::meta(budget, "namespace") == namespace && selects(budget, pod));
    let budget = match budgets.as_slice() {
        [] => return Ok(Budget::default()),
        [budget] => budget,
        _ => {
            return Err(Status::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    };
    let name = object::meta(budget, "name").to_owned();
    let number = |field: &str| int(&budget["status"][field]);
    let is_guarded = number("currentHealthy") < number("desiredHealthy") || number("desiredHealthy") <= 0;
    if !conditions::is_true(pod, "Ready")
        && (budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow" || !is_guarded)
    {
        return Ok(Budget { name, unready: true });
    }
    let key = objects.key(namespace, &name);
    let (mut current, _) = objects.to_change(&key, dry_run).await?;
    for _ in 0..TRIES {
        let Some((old, revision)) = current else {
            return Err(Status::not_found(GroupResource { group, resource: plural }, &name));
        };
        let mut new = counted(&old)?;
        if dry_run {
            return Ok(Budget { name, unready: false });
        }
        object::set(&mut new, &["status", "disruptedPods", object::meta(pod, "name")], object::now());
        own_status(server, BUDGETS, &old, &mut new);
        current = match objects.replace(&key, &new, revision).await? {
            Replaced::Done(_) => return Ok(Budget { name, unready: false }),
            Replaced::Gone => None,
            Replaced::Changed(budget, revision) => Some((budget, revision)),
        };
    }
    Err(Status::timeout(&format!("couldn't update PodDisruptionBudget {name:?} due to conflicts")))
}

/// A budget with one disruption less, if it has one.
fn counted(budget: &Value) -> Result<Value> {
    let name = object::meta(budget, "name");
    let number = |field: &str| int(&budget["status"][field]);
    let forbidden = |why: &str| {
        Err(Status::forbidden(GroupResource { group: "policy", resource: "poddisruptionbudget" }, name, why))
    };
    if number("observedGeneration") < int(&budget["metadata"]["generation"]) {
        return Err(refused(name, "is still being processed by the server.", 10));
    }
    let allowed = number("disruptionsAllowed");
    if allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if object::entries(&budget["status"]["disruptedPods"]).count() > MOST_DISRUPTED {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if allowed == 0 {
        return Err(refused(name, &why_not(budget), 0));
    }
    let mut budget = budget.clone();
    object::set(&mut budget, &["status", "disruptionsAllowed"], allowed - 1);
    if allowed == 1 {
        let observed = budget["status"]["observedGeneration"].clone();
        let condition = conditions::set(&mut budget, "DisruptionAllowed", "False", "InsufficientPods", "");
        if int(&observed) != 0 {
            condition["observedGeneration"] = observed;
        }
    }
    Ok(budget)
}

/// Why a budget allows no disruption.
fn why_not(budget: &Value) -> String {
    let number = |field: &str| int(&budget["status"][field]);
    let (current, desired) = (number("currentHealthy"), number("desiredHealthy"));
    let said = conditions::find(budget, "DisruptionAllowed")
        .filter(|condition| condition["status"] == "False" && !object::text(&condition["message"]).is_empty());
    match said.map(|condition| (object::text(&condition["reason"]), object::text(&condition["message"]))) {
        Some(("SyncFailed", message)) => {
            format!("does not allow evicting pods currently because it failed sync: {message}")
        }
        _ if current <= desired => format!("needs {desired} healthy pods and has {current} currently"),
        Some((reason, message)) => format!("does not allow evicting pods currently ({reason}): {message}"),
        None => "does not allow evicting pods currently".to_owned(),
    }
}

fn refused(budget: &str, why: &str, retry_after_seconds: u32) -> Status {
    let mut status = Status::too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        retry_after_seconds,
    );
    if let Some(details) = &mut status.details {
        details.causes.push(Cause {
            reason: "DisruptionBudget".to_owned(),
            message: format!("The disruption budget {budget} {why}"),
            field: String::new(),
        });
    }
    status
}

/// Whether a budget is about a pod; one without a selector is about none.
fn selects(budget: &Value, pod: &Value) -> bool {
    let selector = &budget["spec"]["selector"];
    let labels = &pod["metadata"]["labels"];
    selector.is_object() && LabelSelector::of(selector).matches(|key| labels[key].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn budgets_are_about_the_pods_that_they_select() {
        let pod = json!({"metadata": {"labels": {"app": "web"}}});
        let budget = |selector: Value| json!({"spec": {"selector": selector}});
        assert!(selects(&budget(json!({})), &pod));
        assert!(!selects(&budget(Value::Null), &pod));
        assert!(selects(&budget(json!({"matchLabels": {"app": "web"}})), &pod));
        let expression = json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]});
        assert!(!selects(&budget(expression), &pod));
    }

    #[test]
    fn the_last_disruption_is_told_and_the_next_one_refused() {
        let budget = json!({
            "metadata": {"name": "b", "generation": 1},
            "status": {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1},
        });
        let taken = counted(&budget).unwrap();
        assert_eq!(taken["status"]["disruptionsAllowed"], 0);
        let condition = conditions::find(&taken, "DisruptionAllowed").unwrap();
        assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("InsufficientPods")));
        let why = |budget: &Value| counted(budget).unwrap_err().details.unwrap().causes[0].message.clone();
        assert_eq!(why(&taken), "The disruption budget b does not allow evicting pods currently");
        let mut failing = taken.clone();
        conditions::set(&mut failing, "DisruptionAllowed", "False", "SyncFailed", "no scale");
        assert!(why(&failing).ends_with("because it failed sync: no scale"));
        let mut few = taken;
        few["status"]["desiredHealthy"] = 2.into();
        assert_eq!(why(&few), "The disruption budget b needs 2 healthy pods and has 2 currently");
        few["metadata"]["generation"] = 2.into();
        assert!(why(&few).ends_with("is still being processed by the server."));
        few["metadata"]["generation"] = 1.into();
        few["status"]["disruptionsAllowed"] = (-1).into();
        assert_eq!(counted(&few).unwrap_err().code, StatusCode::FORBIDDEN);
    }
}
