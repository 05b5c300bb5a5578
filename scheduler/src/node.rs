//! What the scheduler keeps of a node: its own facts and the sums of what runs on it.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use k8s_openapi::api::core::v1::Node;

use crate::{
    pod::{HostPort, PodInfo, Toleration},
    resources::Resources,
};

/// An interned string of a node's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(u32);

/// A map keyed by symbols or node indexes: small numbers of our own making, that need no defence against collisions.
pub type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<SmallNumberHasher>>;

/// Multiplies; for keys of a few small numbers.
#[derive(Clone, Debug, Default)]
pub struct SmallNumberHasher(u64);

impl Hasher for SmallNumberHasher {
    fn finish(&self) -> u64 {
        // Maps take the table's place from the low bits and its tag from the high ones.
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// The strings of the labels of all nodes. They are never forgotten: nodes share nearly all of them.
#[derive(Debug, Default)]
pub struct Symbols {
    by_text: HashMap<Arc<str>, Symbol>,
    texts: Vec<Arc<str>>,
}

impl Symbols {
    /// None where no node ever had the string in a label.
    pub fn get(&self, text: &str) -> Option<Symbol> {
        self.by_text.get(text).copied()
    }

    pub fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol.0 as usize]
    }

    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.get(text) {
            return symbol;
        }
        let symbol = Symbol(self.texts.len() as u32);
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.by_text.insert(text, symbol);
        symbol
    }
}

/// A place in the cluster's table of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u32);

/// The facts of a Node object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeFacts {
    pub name: Arc<str>,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    pub unschedulable: bool,
    pub allocatable: Resources,
    pub allowed_pods: i64,
    /// Bytes of each image by every name of it.
    pub images: Vec<(Arc<str>, i64)>,
}

/// One taint of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Taint {
    pub key: Box<str>,
    pub value: Box<str>,
    pub effect: Box<str>,
}

impl NodeFacts {
    pub fn parse(node: &Node) -> Self {
        let empty = BTreeMap::new();
        let status = node.status.as_ref();
        let allocatable = status.and_then(|status| status.allocatable.as_ref()).unwrap_or(&empty);
        let spec = node.spec.as_ref();
        let taints = spec.and_then(|spec| spec.taints.as_ref()).into_iter().flatten().map(|taint| Taint {
            key: taint.key.as_str().into(),
            value: taint.value.as_deref().unwrap_or_default().into(),
            effect: taint.effect.as_str().into(),
        });
        let images = status.and_then(|status| status.images.as_ref()).into_iter().flatten().flat_map(|image| {
            let size = image.size_bytes.unwrap_or(0);
            image.names.iter().flatten().map(move |name| (name.as_str().into(), size))
        });
        NodeFacts {
            name: node.metadata.name.as_deref().unwrap_or_default().into(),
            labels: node.metadata.labels.clone().unwrap_or_default(),
            taints: taints.collect(),
            unschedulable: spec.and_then(|spec| spec.unschedulable).unwrap_or(false),
            allocatable: Resources::from_list(allocatable),
            allowed_pods: allocatable.get("pods").map_or(0, |pods| crate::quantity::value(&pods.0)),
            images: images.collect(),
        }
    }

    /// Region and zone: nodes are tried in turn from each.
    pub fn zone(&self) -> (String, String) {
        let label =
            |names: [&str; 2]| names.iter().find_map(|name| self.labels.get(*name)).cloned().unwrap_or_default();
        (
            label(["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"]),
            label(["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"]),
        )
    }
}

impl Taint {
    /// Pods are not scheduled to the node because of it.
    pub fn is_hard(&self) -> bool {
        matches!(&*self.effect, "NoSchedule" | "NoExecute")
    }

    pub fn is_tolerated(&self, tolerations: &[Toleration]) -> bool {
        tolerations.iter().any(|toleration| {
            (toleration.effect.is_empty() || toleration.effect == self.effect)
                && (toleration.key.is_empty() || toleration.key == self.key)
                && (toleration.exists || !toleration.key.is_empty() && toleration.value == self.value)
        })
    }
}

/// A node with what runs on it.
#[derive(Clone, Debug, Default)]
pub struct NodeInfo {
    pub name: Arc<str>,
    /// None while only pods have named this node.
    pub facts: Option<Arc<NodeFacts>>,
    /// Sorted by key.
    labels: Vec<(Symbol, Symbol)>,
    pub taints: Vec<Taint>,
    pub unschedulable: bool,
    pub allocatable: Resources,
    pub allowed_pods: i64,
    pub requested: Resources,
    /// Requests with the defaults for containers that ask for nothing: thousandths of cores, bytes.
    pub scored_requested: (i64, i64),
    pub ports: Vec<HostPort>,
    pub pods: Vec<Arc<PodInfo>>,
}

impl NodeInfo {
    pub fn named(name: &str) -> Self {
        NodeInfo { name: name.into(), ..NodeInfo::default() }
    }

    pub fn set_facts(&mut self, facts: Arc<NodeFacts>, symbols: &mut Symbols) {
        self.labels = facts.labels.iter().map(|(k, v)| (symbols.intern(k), symbols.intern(v))).collect();
        self.labels.sort_unstable();
        self.taints = facts.taints.clone();
        self.unschedulable = facts.unschedulable;
        self.allocatable = facts.allocatable.clone();
        self.allowed_pods = facts.allowed_pods;
        self.facts = Some(facts);
    }

    pub fn clear_facts(&mut self) {
        self.facts = None;
        self.labels.clear();
    }

    pub fn label(&self, key: Symbol) -> Option<Symbol> {
        let at = self.labels.binary_search_by(|(known, _)| known.cmp(&key)).ok()?;
        Some(self.labels[at].1)
    }

    pub fn labels(&self) -> &[(Symbol, Symbol)] {
        &self.labels
    }

    pub fn add_pod(&mut self, pod: Arc<PodInfo>) {
        self.count(&pod, 1);
        self.ports.extend(pod.host_ports.iter().cloned());
        self.pods.push(pod);
    }

    /// Takes a pod off; false where it was not there.
    pub fn remove_pod(&mut self, uid: &str) -> bool {
        let Some(at) = self.pods.iter().position(|pod| *pod.uid == *uid) else { return false };
        let pod = self.pods.swap_remove(at);
        self.count(&pod, -1);
        for port in &pod.host_ports {
            if let Some(at) = self.ports.iter().position(|taken| taken == port) {
                self.ports.swap_remove(at);
            }
        }
        true
    }

    fn count(&mut self, pod: &PodInfo, sign: i64) {
        self.requested.add(&pod.requests, sign);
        self.scored_requested.0 += pod.scored_requests.0 * sign;
        self.scored_requested.1 += pod.scored_requests.1 * sign;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations() {
        let taint = |effect: &str| Taint { key: "k".into(), value: "v".into(), effect: effect.into() };
        let toleration = |key: &str, exists, value: &str, effect: &str| {
            [Toleration { key: key.into(), exists, value: value.into(), effect: effect.into() }]
        };
        for (toleration, tolerates) in [
            (toleration("k", false, "v", "NoSchedule"), true),
            (toleration("k", false, "v", ""), true),
            (toleration("k", false, "w", ""), false),
            (toleration("k", true, "", "NoSchedule"), true),
            (toleration("k", true, "", "NoExecute"), false),
            (toleration("", true, "", ""), true),
            (toleration("", false, "v", ""), false),
            (toleration("other", true, "", ""), false),
        ] {
            assert_eq!(taint("NoSchedule").is_tolerated(&toleration), tolerates, "{toleration:?}");
        }
        assert!(!taint("PreferNoSchedule").is_hard() && taint("NoExecute").is_hard());
    }
}
