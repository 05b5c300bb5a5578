//! ResourceQuota: what a namespace may have in all. Charged last, when nothing else can refuse any more.
//!
//! Source: apiserver `pkg/admission/plugin/resourcequota`. Requests of one namespace that wait for the same quotas
//! are charged together: one write for all of them. The write is a compare-and-swap, so that other API servers and
//! the controller may write too; nothing is admitted on the strength of an amount that is not stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use apiserver_quota::{self as quota, Operation as Charge};
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::oneshot;

use super::{Attributes, Operation, Plugin};
use crate::object::{self, items, text};
use crate::server::Server;
use crate::status::{Result, Status};

mod check;
mod ledger;

use check::{Limited, Request};
use ledger::Ledger;

/// How long a request waits to be charged.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often quotas that others write at the same time are tried again.
const TRIES: usize = 8;

pub struct ResourceQuota {
    shared: Arc<Shared>,
}

struct Shared {
    /// What may be had only where a quota allows it.
    limited: Vec<Limited>,
    namespaces: Mutex<HashMap<String, Arc<Namespace>>>,
    ledger: Ledger,
}

/// The requests of a namespace that wait to be charged.
#[derive(Default)]
struct Namespace {
    waiting: Mutex<Vec<Waiter>>,
    turn: tokio::sync::Mutex<()>,
}

struct Waiter {
    request: Request,
    answer: oneshot::Sender<Result<()>>,
}

impl ResourceQuota {
    pub fn new(configuration: &Value) -> ResourceQuota {
        let limited = items(&configuration["limitedResources"]).iter().map(Limited::read).collect();
        let shared = Shared { limited, namespaces: Mutex::default(), ledger: Ledger::default() };
        ResourceQuota { shared: Arc::new(shared) }
    }
}

#[async_trait]
impl Plugin for ResourceQuota {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        let charge = matches!(attributes.operation, Operation::Create | Operation::Update);
        charge
            && !attributes.namespace.is_empty()
            && !attributes.is_of("", "namespaces")
            && (!self.shared.limited.is_empty() || Ledger::has_quotas(attributes.server(), attributes.namespace))
    }

    async fn validate(&self, attributes: &Attributes<'_>, object: &Value) -> Result<()> {
        let resource = attributes.target.resource();
        let Some(evaluator) = quota::evaluator(&resource.group, &resource.plural) else { return Ok(()) };
        let operation = match attributes.operation {
            Operation::Create => Charge::Create,
            _ => Charge::Update,
        };
        if !evaluator.handles(operation, attributes.subresource, object, attributes.old) {
            return Ok(());
        }
        let request = Request {
            evaluator,
            operation,
            group: resource.group.to_string(),
            resource: resource.plural.to_string(),
            name: attributes.name.to_owned(),
            subresource: attributes.subresource.to_owned(),
            object: object.clone(),
            old: attributes.old.cloned(),
            owner: charged_owner(attributes, object)?,
            dry_run: attributes.dry_run,
        };
        let (answer, answered) = oneshot::channel();
        let entry = Arc::clone(self.shared.namespaces.lock().entry(attributes.namespace.to_owned()).or_default());
        entry.waiting.lock().push(Waiter { request, answer });
        // A task of its own: a client that goes away must not leave others uncharged.
        let (shared, server) = (Arc::clone(&self.shared), Arc::clone(&attributes.context.server));
        let name = attributes.namespace.to_owned();
        tokio::spawn(async move { shared.take_turn(&server, &name, entry).await });
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Status::internal("resource quota evaluation was broken off")),
            Err(_) => Err(Status::internal("resource quota evaluation timed out")),
        }
    }
}

/// The pod that has been charged for a claim which was made for its extended resources.
fn charged_owner(attributes: &Attributes<'_>, claim: &Value) -> Result<Option<Value>> {
    let made = claim["metadata"]["annotations"]["resource.kubernetes.io/extended-resource-claim"] == "true";
    if !made || !attributes.is("resource.k8s.io", "resourceclaims") {
        return Ok(None);
    }
    let controls = |owner: &&Value| owner["controller"] == Value::Bool(true);
    let Some(owner) = items(&claim["metadata"]["ownerReferences"]).iter().find(controls) else { return Ok(None) };
    if owner["kind"] != "Pod" || owner["apiVersion"] != "v1" {
        return Ok(None);
    }
    let Some(pod) = attributes.server().cached("", "pods", attributes.namespace, text(&owner["name"]))? else {
        return Ok(None);
    };
    let other = pod["status"]["extendedResourceClaimStatus"]["resourceClaimName"].as_str();
    let is_it = object::meta(&pod, "uid") == text(&owner["uid"])
        && other.is_none_or(|other| other == object::meta(claim, "name"));
    Ok(is_it.then_some(pod))
}

impl Shared {
    /// Charges all that wait once the ones before are through.
    async fn take_turn(&self, server: &Server, namespace: &str, entry: Arc<Namespace>) {
        {
            let _turn = entry.turn.lock().await;
            let batch = std::mem::take(&mut *entry.waiting.lock());
            if !batch.is_empty() {
                self.charge(server, namespace, batch).await;
            }
        }
        let mut namespaces = self.namespaces.lock();
        // The map's and this one: nobody waits any more.
        if Arc::strong_count(&entry) == 2 && entry.waiting.lock().is_empty() {
            namespaces.remove(namespace);
        }
    }

    async fn charge(&self, server: &Server, namespace: &str, batch: Vec<Waiter>) {
        let device_classes = match ledger::device_classes(server) {
            Ok(classes) => classes,
            Err(failed) => return answer_all(batch, &Err(failed)),
        };
        let mut quotas = match self.ledger.quotas(server, namespace) {
            Ok(quotas) => quotas,
            Err(failed) => return answer_all(batch, &Err(failed)),
        };
        let mut waiting = batch;
        for _ in 0..TRIES {
            if quotas.is_empty() && self.limited.is_empty() {
                return answer_all(waiting, &Ok(()));
            }
            // Those who fit change the running amounts; they are told once these are stored.
            let mut charged = Vec::new();
            let before: Vec<_> = quotas.iter().map(|quota| quota.used.clone()).collect();
            for waiter in waiting {
                match check::check(&quotas, &waiter.request, &self.limited, &device_classes) {
                    Err(refused) => waiter.answer(Err(refused)),
                    Ok(_) if waiter.request.dry_run => waiter.answer(Ok(())),
                    Ok(used) => {
                        let changes = quotas.iter().zip(&used).any(|(quota, used)| quota.used != *used);
                        for (quota, used) in quotas.iter_mut().zip(used) {
                            quota.used = used;
                        }
                        if changes { charged.push(waiter) } else { waiter.answer(Ok(())) }
                    }
                }
            }
            waiting = charged;
            if waiting.is_empty() {
                return;
            }
            let mut again = Vec::new();
            for (quota, before) in quotas.into_iter().zip(before) {
                if quota.used == before {
                    continue;
                }
                match self.ledger.write(server, namespace, quota).await {
                    Ok(None) => {}
                    Ok(Some(newer)) => again.push(newer),
                    Err(failed) => return answer_all(waiting, &Err(failed)),
                }
            }
            if again.is_empty() {
                return answer_all(waiting, &Ok(()));
            }
            // What was stored has charged them; only the others are to be looked at again.
            quotas = again;
        }
        let quotas = crate::status::GroupResource { group: "", resource: "resourcequotas" };
        answer_all(waiting, &Err(Status::modified(quotas, "")));
    }
}

impl Waiter {
    fn answer(self, answer: Result<()>) {
        // A client that has gone away is not told.
        let _ = self.answer.send(answer);
    }
}

fn answer_all(waiting: Vec<Waiter>, answer: &Result<()>) {
    for waiter in waiting {
        waiter.answer(answer.clone());
    }
}
