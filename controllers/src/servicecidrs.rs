//! Keeps ranges of service addresses that are still needed: a finalizer on each `ServiceCIDR`, taken away from a
//! deleted one when no address would be left without a range; and says in its status whether it is ready.
//!
//! Source: `pkg/controller/servicecidrs`.

use std::{net::IpAddr, sync::Arc, time::Duration};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{IPAddress, ServiceCIDR};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    queue::{self, Queue},
};

const NAME: &str = "service-cidr-controller";

pub(crate) const CONTROLLER: Controller = Controller {
    name: NAME,
    alias: "",
    service_account: "service-cidrs-controller",
    event_source: NAME,
    run: |context| Box::pin(run(context)),
};

const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";
/// How long after its deletion a range is kept at least: API servers may not know yet that it is not to be used.
const DELETION_GRACE_PERIOD: Duration = Duration::from_secs(10);
const WORKERS: usize = 5;

struct Worker {
    client: Client,
    recorder: Recorder,
    ranges: Informer<ServiceCIDR>,
    addresses: Informer<IPAddress>,
    queue: Queue<Key>,
}

async fn run(context: Context) -> Result<()> {
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        ranges: context.informers.service_cidrs(),
        addresses: context.informers.ip_addresses(),
        queue: Queue::default(),
    });
    let own = worker.clone();
    worker.ranges.subscribe(move |change| own.range_changed(change));
    let own = worker.clone();
    worker.addresses.subscribe(move |change| own.address_changed(change));
    worker.ranges.synced().await;
    worker.addresses.synced().await;
    let queue = worker.queue.clone();
    queue::work(NAME, queue, WORKERS, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    /// A range that comes or goes may let another go, or need it.
    fn range_changed(&self, change: &Change<ServiceCIDR>) {
        let object = change.object();
        self.queue.add(Key::of(object.as_ref()));
        if matches!(change, Change::Added(_)) {
            let own = prefixes(object);
            for other in self.ranges.all() {
                if prefixes(&other).iter().any(|other| own.iter().any(|own| overlap(own, other))) {
                    self.queue.add(Key::of(other.as_ref()));
                }
            }
        }
    }

    fn address_changed(&self, change: &Change<IPAddress>) {
        let address = change.object();
        if let (true, Ok(parsed)) = (is_of_services(address), address.name_any().parse::<IpAddr>()) {
            for range in self.ranges.all().iter().filter(|range| has(range, parsed)) {
                self.queue.add(Key::of(range.as_ref()));
            }
        }
    }

    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(range) = self.ranges.get(key) else { return Ok(()) };
        let Some(deleted) = &range.metadata.deletion_timestamp else {
            if !has_finalizer(&range) {
                self.patch(&key.name, json!({"metadata": {"finalizers": [FINALIZER]}})).await?;
            }
            let done = self.tell(&range, "True", "", "Kubernetes Service CIDR is ready").await;
            if done.is_err() {
                let message = "The ServiceCIDR Status can not be set to Ready=True";
                self.recorder.event(&range.object_ref(&()), EventType::Warning, "KubernetesServiceCIDRError", message);
            }
            return done;
        };
        if !can_go(&range, &self.ranges.all(), &self.addresses.all()) {
            let message = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR";
            return self.tell(&range, "False", "Terminating", message).await;
        }
        let since = jiff::Timestamp::now().duration_since(deleted.0).unsigned_abs();
        if let Some(wait) = DELETION_GRACE_PERIOD.checked_sub(since).filter(|wait| !wait.is_zero()) {
            self.queue.add_after(key.clone(), wait);
            return Ok(());
        }
        if has_finalizer(&range) {
            self.patch(&key.name, json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}})).await?;
        }
        Ok(())
    }

    async fn patch(&self, name: &str, patch: Value) -> Result<()> {
        let api: Api<ServiceCIDR> = Api::all(self.client.clone());
        match api.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop).map_err(Into::into),
        }
    }

    /// Puts the condition `Ready` into the status, unless it says so already.
    async fn tell(&self, range: &ServiceCIDR, status: &str, reason: &str, message: &str) -> Result<()> {
        let conditions = range.status.as_ref().and_then(|status| status.conditions.as_ref());
        let current = conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
        if current.is_some_and(|own| own.status == status && own.reason == reason && own.message == message) {
            return Ok(());
        }
        let apply = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": range.name_any()},
            "status": {"conditions": [{
                "type": "Ready", "status": status, "reason": reason, "message": message,
                "lastTransitionTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            }]},
        });
        let api: Api<ServiceCIDR> = Api::all(self.client.clone());
        let parameters = PatchParams::apply(NAME).force();
        api.patch_status(&range.name_any(), &parameters, &Patch::Apply(apply)).await?;
        Ok(())
    }
}

/// Whether a range can go without leaving a service's address without one.
fn can_go(range: &ServiceCIDR, ranges: &[Arc<ServiceCIDR>], addresses: &[Arc<IPAddress>]) -> bool {
    let others: Vec<&Arc<ServiceCIDR>> = ranges.iter().filter(|other| other.name_any() != range.name_any()).collect();
    let inside_another = |own: &IpNet| {
        others.iter().any(|other| {
            prefixes(other).iter().any(|other| overlap(own, other) && other.prefix_len() <= own.prefix_len())
        })
    };
    if prefixes(range).iter().all(inside_another) {
        return true;
    }
    !addresses.iter().filter(|address| is_of_services(address)).any(|address| {
        let parsed = address.name_any().parse::<IpAddr>();
        parsed.is_ok_and(|address| has(range, address) && !others.iter().any(|other| has(other, address)))
    })
}

fn prefixes(range: &ServiceCIDR) -> Vec<IpNet> {
    let cidrs = range.spec.iter().flat_map(|spec| &spec.cidrs).flatten();
    cidrs.filter_map(|cidr| cidr.parse().ok()).collect()
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// Whether services can have an address out of a range: not the network's own, nor IPv4's broadcast address.
fn has(range: &ServiceCIDR, address: IpAddr) -> bool {
    prefixes(range).iter().any(|prefix| {
        prefix.contains(&address) && address != prefix.network() && (address.is_ipv6() || address != prefix.broadcast())
    })
}

fn is_of_services(address: &IPAddress) -> bool {
    address.labels().get("ipaddress.kubernetes.io/managed-by").is_some_and(|by| by == "ipallocator.k8s.io")
}

fn has_finalizer(range: &ServiceCIDR) -> bool {
    range.finalizers().iter().any(|own| own == FINALIZER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(name: &str, cidrs: &[&str]) -> Arc<ServiceCIDR> {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"cidrs": cidrs}})).unwrap()
    }

    fn address(name: &str) -> Arc<IPAddress> {
        let labels = json!({"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"});
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": labels},
            "spec": {"parentRef": {"resource": "services", "name": "s"}},
        }))
        .unwrap()
    }

    #[test]
    fn a_range_goes_when_no_address_needs_it() {
        let one = range("one", &["10.0.0.0/24"]);
        let taken = [address("10.0.0.7")];
        assert!(can_go(&one, std::slice::from_ref(&one), &[]));
        assert!(!can_go(&one, std::slice::from_ref(&one), &taken));
        assert!(can_go(&one, std::slice::from_ref(&one), &[address("10.0.1.7")]));
        // The address of a network is nobody's.
        assert!(can_go(&one, std::slice::from_ref(&one), &[address("10.0.0.255")]));
    }

    #[test]
    fn another_range_takes_over() {
        let one = range("one", &["10.0.0.0/24"]);
        let taken = [address("10.0.0.7"), address("10.0.0.200")];
        let wider = [one.clone(), range("wider", &["10.0.0.0/16"])];
        assert!(can_go(&one, &wider, &taken));
        let part = [one.clone(), range("part", &["10.0.0.0/28"])];
        assert!(!can_go(&one, &part, &taken));
        assert!(can_go(&one, &part, &taken[..1]));
        let both = range("both", &["10.0.0.0/24", "fd00::/112"]);
        assert!(!can_go(&both, &[both.clone(), range("wider", &["10.0.0.0/16"])], &[address("fd00::7")]));
    }
}
