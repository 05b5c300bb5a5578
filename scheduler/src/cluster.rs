//! The cluster as the scheduler knows it: nodes, the pods on them (bound or assumed), and what else decides.
//!
//! There is one owner, the scheduling loop, and changes are applied only between cycles: the state is its own
//! snapshot, and nothing is copied for a cycle.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    labels::{Labels, Selector},
    node::{FastMap, NodeFacts, NodeIndex, NodeInfo, Symbol, Symbols},
    pod::{PodClass, PodInfo, PodKey},
};

/// What the scheduler knows of the cluster.
#[derive(Debug, Default)]
pub struct Cluster {
    pub symbols: Symbols,
    nodes: Vec<NodeInfo>,
    by_name: HashMap<Arc<str>, NodeIndex>,
    free: Vec<NodeIndex>,
    /// The nodes that exist, in turn from each zone.
    order: Vec<NodeIndex>,
    order_stale: bool,
    /// Pods with a node: where, and whether only assumed.
    pods: HashMap<PodKey, Placed>,
    classes: HashMap<Arc<PodClass>, ClassCounts>,
    namespace_classes: HashMap<Arc<str>, HashSet<Arc<PodClass>>>,
    affinity_classes: HashSet<Arc<PodClass>>,
    /// By topology key, how many nodes have each value. Made when asked for, dropped when labels change.
    domains: RefCell<FastMap<Symbol, Arc<FastMap<Symbol, i64>>>>,
    images: HashMap<Arc<str>, HashMap<NodeIndex, i64>>,
    namespaces: HashMap<Box<str>, Labels>,
    pub disruption_budgets: HashMap<Box<str>, DisruptionBudget>,
    pub claims: HashMap<Box<str>, Claim>,
    /// Of Services: by namespace, then by key.
    services: HashMap<Box<str>, HashMap<Box<str>, Selector>>,
    /// Of ReplicaSets, ReplicationControllers and StatefulSets: by key within each kind.
    owners: HashMap<&'static str, HashMap<Box<str>, Selector>>,
}

/// A pod that has a node.
#[derive(Debug)]
struct Placed {
    pod: Arc<PodInfo>,
    node: NodeIndex,
    assumed: bool,
}

/// Where the pods of one class run.
#[derive(Debug, Default)]
pub struct ClassCounts {
    nodes: FastMap<NodeIndex, u32>,
    /// By topology key, the sums over the nodes of each value. Made when asked for, kept up to date from then on,
    /// dropped when labels of nodes change.
    sums: RefCell<FastMap<Symbol, Arc<TopologySums>>>,
}

/// How many pods run within each value of a topology key.
#[derive(Clone, Debug, Default)]
pub struct TopologySums {
    pub by_value: FastMap<Symbol, i64>,
    pub total: i64,
}

impl ClassCounts {
    /// How many run on each node.
    pub fn nodes(&self) -> &FastMap<NodeIndex, u32> {
        &self.nodes
    }

    /// How many run within each value of a topology key.
    pub fn sums(&self, cluster: &Cluster, key: Symbol) -> Arc<TopologySums> {
        let mut all = self.sums.borrow_mut();
        let sums = all.entry(key).or_insert_with(|| {
            let mut sums = TopologySums::default();
            for (index, count) in &self.nodes {
                if let Some(value) = cluster.node(*index).label(key) {
                    sums.add(value, i64::from(*count));
                }
            }
            Arc::new(sums)
        });
        sums.clone()
    }

    /// One pod more (1) or less (-1) on a node.
    fn count(&mut self, index: NodeIndex, node: &NodeInfo, sign: i64) {
        let count = self.nodes.entry(index).or_default();
        *count = count.saturating_add_signed(sign as i32);
        if *count == 0 {
            self.nodes.remove(&index);
        }
        for (key, sums) in self.sums.get_mut() {
            if let Some(value) = node.label(*key) {
                Arc::make_mut(sums).add(value, sign);
            }
        }
    }
}

impl TopologySums {
    fn add(&mut self, value: Symbol, count: i64) {
        self.total += count;
        let sum = self.by_value.entry(value).or_default();
        *sum += count;
        if *sum == 0 {
            self.by_value.remove(&value);
        }
    }
}

/// A PodDisruptionBudget, as preemption sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct DisruptionBudget {
    pub namespace: Box<str>,
    pub selector: Selector,
    pub allowed: i32,
    /// Names of pods whose disruption is already counted.
    pub disrupted: Vec<Box<str>>,
}

/// A PersistentVolumeClaim, as far as pods wait for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub bound: bool,
    pub lost: bool,
    pub deleting: bool,
}

impl Cluster {
    pub fn node(&self, index: NodeIndex) -> &NodeInfo {
        &self.nodes[index.0 as usize]
    }

    pub fn find_node(&self, name: &str) -> Option<NodeIndex> {
        let index = *self.by_name.get(name)?;
        self.node(index).facts.is_some().then_some(index)
    }

    /// All nodes, in the order to try them in.
    pub fn order(&self) -> &[NodeIndex] {
        &self.order
    }

    /// Brings [`Cluster::order`] up to date; to be called before a cycle.
    pub fn refresh(&mut self) {
        if !std::mem::take(&mut self.order_stale) {
            return;
        }
        let mut zones: BTreeMap<(String, String), Vec<NodeIndex>> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if let Some(facts) = &node.facts {
                zones.entry(facts.zone()).or_default().push(NodeIndex(at as u32));
            }
        }
        let longest = zones.values().map(Vec::len).max().unwrap_or(0);
        let turn = |turn: usize| zones.values().filter_map(move |zone| zone.get(turn).copied());
        self.order = (0..longest).flat_map(turn).collect();
    }

    pub fn set_node(&mut self, facts: NodeFacts) {
        let index = self.index_of(&facts.name);
        let node = &mut self.nodes[index.0 as usize];
        let previous = node.facts.clone();
        self.order_stale |= previous.as_ref().is_none_or(|previous| previous.zone() != facts.zone());
        let relabelled = previous.as_ref().is_none_or(|previous| previous.labels != facts.labels);
        let facts = Arc::new(facts);
        node.set_facts(facts.clone(), &mut self.symbols);
        if relabelled {
            self.forget_topology();
        }
        if previous.as_ref().is_none_or(|previous| previous.images != facts.images) {
            self.forget_images(previous.as_deref(), index);
            for (name, size) in &facts.images {
                self.images.entry(name.clone()).or_default().insert(index, *size);
            }
        }
    }

    pub fn remove_node(&mut self, name: &str) {
        let Some(index) = self.find_node(name) else { return };
        let previous = self.node(index).facts.clone();
        self.forget_images(previous.as_deref(), index);
        self.nodes[index.0 as usize].clear_facts();
        self.forget_topology();
        self.order_stale = true;
        self.release_if_unused(index);
    }

    /// Drops what was computed from labels of nodes.
    fn forget_topology(&mut self) {
        self.domains.get_mut().clear();
        self.classes.values_mut().for_each(|class| class.sums.get_mut().clear());
    }

    /// How many nodes have each value of a topology key.
    pub fn domains(&self, key: Symbol) -> Arc<FastMap<Symbol, i64>> {
        let mut all = self.domains.borrow_mut();
        let domains = all.entry(key).or_insert_with(|| {
            let mut domains = FastMap::default();
            for value in self.nodes.iter().filter(|node| node.facts.is_some()).filter_map(|node| node.label(key)) {
                *domains.entry(value).or_default() += 1;
            }
            Arc::new(domains)
        });
        domains.clone()
    }

    fn forget_images(&mut self, facts: Option<&NodeFacts>, index: NodeIndex) {
        for (name, _) in facts.into_iter().flat_map(|facts| &facts.images) {
            if let Some(nodes) = self.images.get_mut(name) {
                nodes.remove(&index);
                if nodes.is_empty() {
                    self.images.remove(name);
                }
            }
        }
    }

    /// Which nodes have an image, with its size there in bytes.
    pub fn image(&self, name: &str) -> Option<&HashMap<NodeIndex, i64>> {
        self.images.get(name)
    }

    fn index_of(&mut self, name: &str) -> NodeIndex {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let node = NodeInfo::named(name);
        let name = node.name.clone();
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index.0 as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                NodeIndex(self.nodes.len() as u32 - 1)
            }
        };
        self.by_name.insert(name, index);
        index
    }

    fn release_if_unused(&mut self, index: NodeIndex) {
        let node = self.node(index);
        if node.facts.is_none() && node.pods.is_empty() {
            let name = node.name.clone();
            self.by_name.remove(&name);
            self.free.push(index);
        }
    }

    /// The pod of this name that has a node.
    pub fn placed(&self, key: &str) -> Option<&Arc<PodInfo>> {
        self.pods.get(key).map(|placed| &placed.pod)
    }

    pub fn is_assumed(&self, key: &str) -> bool {
        self.pods.get(key).is_some_and(|placed| placed.assumed)
    }

    /// Counts a pod on its node: `assumed` where the binding is not confirmed yet. Replaces what was known of it.
    pub fn place(&mut self, pod: Arc<PodInfo>, assumed: bool) {
        self.displace(&pod.key);
        let index = self.index_of(&pod.node_name);
        self.nodes[index.0 as usize].add_pod(pod.clone());
        if !self.classes.contains_key(&pod.class) {
            let namespace = self.namespace_classes.entry(pod.class.namespace.clone()).or_default();
            namespace.insert(pod.class.clone());
            if pod.class.affinity.is_some() {
                self.affinity_classes.insert(pod.class.clone());
            }
        }
        self.classes.entry(pod.class.clone()).or_default().count(index, &self.nodes[index.0 as usize], 1);
        self.pods.insert(pod.key.clone(), Placed { pod, node: index, assumed });
    }

    /// Takes a pod off its node.
    pub fn displace(&mut self, key: &str) -> Option<Arc<PodInfo>> {
        let Placed { pod, node, .. } = self.pods.remove(key)?;
        self.nodes[node.0 as usize].remove_pod(&pod.uid);
        if let Some(class) = self.classes.get_mut(&pod.class) {
            class.count(node, &self.nodes[node.0 as usize], -1);
            if class.nodes.is_empty() {
                self.forget_class(&pod.class);
            }
        }
        self.release_if_unused(node);
        Some(pod)
    }

    fn forget_class(&mut self, class: &Arc<PodClass>) {
        self.classes.remove(class);
        self.affinity_classes.remove(class);
        if let Some(classes) = self.namespace_classes.get_mut(&class.namespace) {
            classes.remove(class);
            if classes.is_empty() {
                self.namespace_classes.remove(&class.namespace);
            }
        }
    }

    /// Every class of pods in one namespace, with how many run on each node.
    pub fn classes_in(&self, namespace: &str) -> impl Iterator<Item = (&PodClass, &ClassCounts)> {
        let classes = self.namespace_classes.get(namespace).into_iter().flatten();
        classes.filter_map(|class| Some((&**class, self.classes.get(class)?)))
    }

    /// Every class of pods.
    pub fn classes(&self) -> impl Iterator<Item = (&PodClass, &ClassCounts)> {
        self.classes.iter().map(|(class, nodes)| (&**class, nodes))
    }

    /// Every class of pods that has affinity or anti-affinity of its own.
    pub fn classes_with_affinity(&self) -> impl Iterator<Item = (&PodClass, &ClassCounts)> {
        self.affinity_classes.iter().filter_map(|class| Some((&**class, self.classes.get(class)?)))
    }

    pub fn namespace_labels(&self, name: &str) -> &Labels {
        static NONE: std::sync::LazyLock<Labels> = std::sync::LazyLock::new(Labels::default);
        self.namespaces.get(name).unwrap_or(&NONE)
    }

    pub fn set_namespace(&mut self, name: &str, labels: Option<Labels>) {
        match labels {
            Some(labels) => self.namespaces.insert(name.into(), labels),
            None => self.namespaces.remove(name),
        };
    }

    /// Sets or forgets what a Service, or an owner of pods of one of the kinds that spread, selects.
    pub fn set_selector(&mut self, kind: &'static str, key: &str, selector: Option<Selector>) {
        let place = match kind {
            "Service" => {
                let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
                self.services.entry(namespace.into()).or_default()
            }
            kind => self.owners.entry(kind).or_default(),
        };
        match selector {
            Some(selector) => place.insert(key.into(), selector),
            None => place.remove(key),
        };
    }

    /// Forgets the selectors of a kind that a list leaves out.
    pub fn retain_selectors(&mut self, kind: &str, listed: &HashSet<Arc<str>>) {
        if kind == "Service" {
            self.services.values_mut().for_each(|services| services.retain(|key, _| listed.contains(&**key)));
            self.services.retain(|_, services| !services.is_empty());
        } else if let Some(owners) = self.owners.get_mut(kind) {
            owners.retain(|key, _| listed.contains(&**key));
        }
    }

    /// What the Services of a pod and its owner select together: the pods it should be spread among. Nothing where
    /// there is neither.
    pub fn companions(&self, pod: &PodInfo) -> Option<Selector> {
        let services = self.services.get(pod.namespace()).into_iter().flat_map(HashMap::values);
        let services = services.filter(|selector| selector.matches(&pod.class.labels));
        let owner = pod.pending.as_ref().and_then(|pending| pending.owner.as_ref());
        let owner = owner.and_then(|(kind, key)| self.owners.get(&**kind)?.get(key));
        services.chain(owner).fold(None, |both: Option<Selector>, selector| {
            Some(both.map_or_else(|| selector.clone(), |both| both.both(selector)))
        })
    }

    /// Names of all nodes and keys of all pods on nodes that are not only assumed: for what a new list leaves out.
    pub fn known_nodes(&self) -> Vec<Arc<str>> {
        self.nodes.iter().filter(|node| node.facts.is_some()).map(|node| node.name.clone()).collect()
    }

    pub fn known_pods(&self) -> Vec<PodKey> {
        self.pods.iter().filter(|(_, placed)| !placed.assumed).map(|(key, _)| key.clone()).collect()
    }

    pub fn known_namespaces(&self) -> Vec<Box<str>> {
        self.namespaces.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{node, pod};

    #[test]
    fn nodes_in_turn_from_each_zone() {
        let mut cluster = Cluster::default();
        for (name, zone) in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c")] {
            cluster.set_node(node(name).label("topology.kubernetes.io/zone", zone).facts());
        }
        cluster.refresh();
        let names: Vec<_> = cluster.order().iter().map(|index| cluster.node(*index).name.to_string()).collect();
        assert_eq!(names, ["a1", "b1", "c1", "a2", "a3"]);
    }

    #[test]
    fn pods_come_and_go_without_a_trace() {
        let mut cluster = Cluster::default();
        cluster.set_node(node("n").facts());
        cluster.place(Arc::new(pod("p").cpu("1").label("app", "x").on("n").info()), true);
        assert!(cluster.is_assumed("default/p"));
        cluster.place(Arc::new(pod("p").cpu("1").label("app", "x").on("n").info()), false);
        assert!(!cluster.is_assumed("default/p"));
        let index = cluster.find_node("n").unwrap();
        assert_eq!(cluster.node(index).requested.milli_cpu, 1000);
        assert_eq!(cluster.classes_in("default").count(), 1);
        cluster.displace("default/p");
        assert_eq!(cluster.node(index).requested.milli_cpu, 0);
        assert_eq!(cluster.classes().count(), 0);
    }

    #[test]
    fn a_node_with_pods_outlives_its_object() {
        let mut cluster = Cluster::default();
        cluster.place(Arc::new(pod("p").cpu("1").on("n").info()), false);
        assert!(cluster.find_node("n").is_none());
        cluster.set_node(node("n").facts());
        let index = cluster.find_node("n").unwrap();
        assert_eq!(cluster.node(index).pods.len(), 1);
        cluster.remove_node("n");
        assert!(cluster.find_node("n").is_none());
        cluster.displace("default/p");
        cluster.set_node(node("other").facts());
        assert_eq!(cluster.find_node("other"), Some(index), "the place is used again");
    }
}
