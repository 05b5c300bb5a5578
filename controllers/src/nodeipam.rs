//! Gives each node its part of the cluster's pod addresses.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use anyhow::Result;
use controllers_component_base::events::{EventType, Recorder};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
};
use parking_lot::Mutex;
use serde_json::json;
use tracing::info;

use crate::{
    controller::{Context, Controller},
    informer::{Change, Informer},
    key::Key,
    options::Options,
    queue::{self, Queue},
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "node-ipam-controller",
    alias: "nodeipam",
    service_account: "node-controller",
    event_source: "cidrAllocator",
    run: |context| Box::pin(run(context)),
};

struct Worker {
    client: Client,
    recorder: Recorder,
    nodes: Informer<Node>,
    options: Arc<Options>,
    /// Given out, perhaps not shown by the store yet; one allocation at a time.
    given: Mutex<HashMap<String, Vec<IpNet>>>,
}

async fn run(context: Context) -> Result<()> {
    if !context.options.allocate_node_cidrs {
        return Ok(());
    }
    let worker = Arc::new(Worker {
        client: context.client,
        recorder: context.recorder,
        nodes: context.informers.nodes(),
        options: context.options,
        given: Mutex::default(),
    });
    worker.nodes.synced().await;
    let queue: Queue<Key> = Queue::default();
    let (own, added) = (worker.clone(), queue.clone());
    worker.nodes.subscribe(move |change| {
        let key = Key::of(change.object().as_ref());
        if let Change::Deleted(_) = change {
            own.given.lock().remove(&key.name);
            // A freed range may be what another node waits for.
            own.nodes
                .all()
                .iter()
                .filter(|node| cidrs(node).is_empty())
                .for_each(|node| added.add(Key::of(node.as_ref())));
        } else {
            added.add(key);
        }
    });
    queue::work(CONTROLLER.name, queue, 1, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(node) = self.nodes.get(key) else { return Ok(()) };
        if !cidrs(&node).is_empty() {
            return Ok(());
        }
        let Some(ranges) = self.allocate(&key.name) else {
            let text = format!("Node {} status is now: CIDRNotAvailable", key.name);
            self.recorder.event(&node.object_ref(&()), EventType::Normal, "CIDRNotAvailable", &text);
            anyhow::bail!(
                "failed to allocate cidr from cluster cidr: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range"
            );
        };
        let texts: Vec<String> = ranges.iter().map(IpNet::to_string).collect();
        info!("node {}: pod CIDRs {texts:?}", key.name);
        let patch = json!({"spec": {"podCIDR": texts.first(), "podCIDRs": texts}});
        let api: Api<Node> = Api::all(self.client.clone());
        let result = api.patch(&key.name, &PatchParams::default(), &Patch::Strategic(patch)).await;
        match result {
            Ok(_) => Ok(()),
            Err(error) => {
                self.given.lock().remove(&key.name);
                match error {
                    kube::Error::Api(status) if status.code == 404 => Ok(()),
                    error => Err(error.into()),
                }
            }
        }
    }

    /// One range of each cluster range; `None` where one is used up.
    fn allocate(&self, name: &str) -> Option<Vec<IpNet>> {
        let mut given = self.given.lock();
        if let Some(ranges) = given.get(name) {
            return Some(ranges.clone());
        }
        let mut used: HashSet<IpNet> = given.values().flatten().copied().collect();
        used.extend(self.nodes.all().iter().flat_map(|node| cidrs(node)));
        let excluded = &self.options.service_cluster_ip_range;
        let mut ranges = Vec::new();
        for cluster in &self.options.cluster_cidr {
            ranges.push(first_free(*cluster, self.options.node_mask(cluster), &used, excluded)?);
        }
        given.insert(name.to_string(), ranges.clone());
        Some(ranges)
    }
}

fn cidrs(node: &Node) -> Vec<IpNet> {
    let Some(spec) = &node.spec else { return Vec::new() };
    let all = spec.pod_cidrs.iter().flatten().chain(&spec.pod_cidr);
    all.filter_map(|text| text.parse().ok()).collect()
}

/// The first range of `mask` bits in `cluster` that overlaps none of the others.
fn first_free(cluster: IpNet, mask: u8, used: &HashSet<IpNet>, excluded: &[IpNet]) -> Option<IpNet> {
    let overlaps = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
    // Ranges of another mask (an earlier configuration) have to be compared one by one; mostly there are none.
    let odd: Vec<&IpNet> =
        used.iter().filter(|range| range.prefix_len() != mask && same_family(range, &cluster)).collect();
    let free = |candidate: &IpNet| {
        !used.contains(candidate)
            && !odd.iter().any(|range| overlaps(range, candidate))
            && !excluded.iter().any(|range| overlaps(range, candidate))
    };
    match cluster {
        IpNet::V4(range) => range.subnets(mask).ok()?.map(IpNet::V4).find(free),
        IpNet::V6(range) => range.subnets(mask).ok()?.map(IpNet::V6).find(free),
    }
}

fn same_family(a: &IpNet, b: &IpNet) -> bool {
    matches!((a.addr(), b.addr()), (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_range_that_overlaps_nothing() {
        let cluster = net("10.0.0.0/22");
        assert_eq!(first_free(cluster, 24, &HashSet::new(), &[]), Some(net("10.0.0.0/24")));
        let used = HashSet::from([net("10.0.0.0/24"), net("10.0.1.128/25")]);
        assert_eq!(first_free(cluster, 24, &used, &[net("10.0.2.0/28")]), Some(net("10.0.3.0/24")));
        assert_eq!(first_free(cluster, 24, &used, &[net("10.0.2.0/23")]), None);
        assert_eq!(first_free(net("fd00::/48"), 64, &used, &[]), Some(net("fd00::/64")));
    }
}
