//! Who owns whom, as the watches tell it; says which objects to look at. Pure.
//!
//! An owner that is referred to but not seen yet stands in the graph as an unobserved node, to be looked for.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{FOREGROUND, ORPHAN};

/// A kind of object, shared by all its nodes.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    pub api_version: String,
    pub group: String,
    pub kind: String,
    pub plural: String,
}

/// Where an object is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub group: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} {}/{}", self.kind, self.group, self.namespace, self.name)
    }
}

/// An object to look at, by UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    Collect(String),
    Orphan(String),
}

/// What is known of one object.
#[derive(Clone, Debug)]
pub struct State {
    pub identity: Identity,
    /// Seen by a watch, not only referred to.
    pub observed: bool,
    pub deleting: bool,
    /// Being deleted in the foreground.
    pub deleting_dependents: bool,
}

/// An object that names another as its owner.
#[derive(Clone, Debug)]
pub struct Dependent {
    pub uid: String,
    pub identity: Identity,
    pub deleting_dependents: bool,
    blocked: Vec<String>,
}

impl Dependent {
    /// Whether the owner's foreground deletion waits for this object.
    pub fn blocks(&self, owner: &str) -> bool {
        self.blocked.iter().any(|uid| uid == owner)
    }
}

#[derive(Debug)]
struct Node {
    kind: Arc<Kind>,
    namespace: String,
    name: String,
    observed: bool,
    deleting: bool,
    deleting_dependents: bool,
    orphaning: bool,
    /// UID and whether its deletion waits for this object.
    owners: Vec<(String, bool)>,
    dependents: HashSet<String>,
}

/// All objects, by UID.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: HashMap<String, Node>,
}

impl Graph {
    /// An object was added or changed.
    pub fn observe(&mut self, kind: &Arc<Kind>, meta: &ObjectMeta) -> Vec<Look> {
        let mut looks = Vec::new();
        let Some(uid) = meta.uid.clone() else { return looks };
        let owners = owner_uids(meta);
        let deleting = meta.deletion_timestamp.is_some();
        let has = |name: &str| meta.finalizers.iter().flatten().any(|finalizer| finalizer == name);
        let node = self.nodes.entry(uid.clone()).or_insert_with(|| Node::unobserved(kind.clone(), "", ""));
        let first = !node.observed;
        if first {
            node.kind = kind.clone();
            node.namespace = meta.namespace.clone().unwrap_or_default();
            node.name = meta.name.clone().unwrap_or_default();
        }
        node.observed = true;
        let before = std::mem::replace(&mut node.owners, owners.clone());
        node.deleting |= deleting;
        if deleting && has(FOREGROUND) && !node.deleting_dependents {
            node.deleting_dependents = true;
            looks.extend(node.dependents.iter().cloned().map(Look::Collect));
            looks.push(Look::Collect(uid.clone()));
        }
        if deleting && has(ORPHAN) && !node.orphaning {
            node.orphaning = true;
            looks.push(Look::Orphan(uid.clone()));
        }
        let namespace = node.namespace.clone();
        if first {
            // Dependents that named it from another namespace do not belong to it.
            let strangers: Vec<String> = node.dependents.iter().cloned().collect();
            let outside = |uid: &String| self.nodes.get(uid).is_some_and(|node| node.namespace != namespace);
            looks.extend(strangers.into_iter().filter(|uid| !namespace.is_empty() && outside(uid)).map(Look::Collect));
        }
        for (owner, blocks) in &before {
            let now = owners.iter().find(|(uid, _)| uid == owner);
            // An owner that waits for this object may go on.
            let freed = *blocks && !now.is_some_and(|(_, blocks)| *blocks);
            if let Some(node) = self.nodes.get_mut(owner) {
                if now.is_none() {
                    node.dependents.remove(&uid);
                }
                if (freed || now.is_none()) && node.deleting_dependents {
                    looks.push(Look::Collect(owner.clone()));
                }
            }
        }
        for reference in meta.owner_references.iter().flatten() {
            self.add_dependent(reference, &namespace, &uid, &mut looks);
        }
        looks
    }

    fn add_dependent(&mut self, reference: &OwnerReference, namespace: &str, dependent: &str, looks: &mut Vec<Look>) {
        let known = self.nodes.contains_key(&reference.uid);
        let owner = self.nodes.entry(reference.uid.clone()).or_insert_with(|| {
            let group = reference.api_version.rsplit_once('/').map_or("", |(group, _)| group);
            let kind = Kind {
                api_version: reference.api_version.clone(),
                group: group.to_string(),
                kind: reference.kind.clone(),
                plural: String::new(),
            };
            Node::unobserved(Arc::new(kind), namespace, &reference.name)
        });
        let new = owner.dependents.insert(dependent.to_string());
        if !known {
            // Nobody has seen this owner: look whether it exists.
            looks.push(Look::Collect(reference.uid.clone()));
        } else if new && owner.observed {
            let stranger = !owner.namespace.is_empty() && owner.namespace != namespace;
            if stranger || owner.deleting_dependents {
                looks.push(Look::Collect(dependent.to_string()));
            }
        } else if new {
            // Still unobserved: its own look may have found it missing already.
            looks.push(Look::Collect(reference.uid.clone()));
        }
    }

    /// An object is gone.
    pub fn deleted(&mut self, uid: &str) -> Vec<Look> {
        let Some(node) = self.nodes.remove(uid) else { return Vec::new() };
        let mut looks: Vec<Look> = node.dependents.iter().cloned().map(Look::Collect).collect();
        for (owner, _) in node.owners {
            let Some(of) = self.nodes.get_mut(&owner) else { continue };
            of.dependents.remove(uid);
            if of.deleting_dependents {
                looks.push(Look::Collect(owner));
            } else if !of.observed && of.dependents.is_empty() {
                self.nodes.remove(&owner);
            }
        }
        looks
    }

    /// A kind was listed anew: its objects that are not among `listed` are gone.
    pub fn relisted(&mut self, kind: &Arc<Kind>, listed: &HashSet<String>) -> Vec<Look> {
        let gone = |(uid, node): &(&String, &Node)| node.observed && node.kind == *kind && !listed.contains(*uid);
        let gone: Vec<String> = self.nodes.iter().filter(gone).map(|(uid, _)| uid.clone()).collect();
        gone.iter().flat_map(|uid| self.deleted(uid)).collect()
    }

    /// A kind is no longer served: its objects are neither watched nor known to be gone.
    pub fn forget_kind(&mut self, group: &str, plural: &str) {
        self.nodes.retain(|_, node| node.kind.group != group || node.kind.plural != plural);
    }

    pub fn state(&self, uid: &str) -> Option<State> {
        let node = self.nodes.get(uid)?;
        Some(State {
            identity: node.identity(),
            observed: node.observed,
            deleting: node.deleting,
            deleting_dependents: node.deleting_dependents,
        })
    }

    pub fn dependents(&self, uid: &str) -> Vec<Dependent> {
        let Some(node) = self.nodes.get(uid) else { return Vec::new() };
        let dependent = |uid: &String| {
            let node = self.nodes.get(uid)?;
            let blocked = node.owners.iter().filter(|(_, blocks)| *blocks).map(|(owner, _)| owner.clone()).collect();
            let deleting_dependents = node.deleting_dependents;
            Some(Dependent { uid: uid.clone(), identity: node.identity(), deleting_dependents, blocked })
        };
        node.dependents.iter().filter_map(dependent).collect()
    }
}

impl Node {
    fn unobserved(kind: Arc<Kind>, namespace: &str, name: &str) -> Self {
        Node {
            kind,
            namespace: namespace.to_string(),
            name: name.to_string(),
            observed: false,
            deleting: false,
            deleting_dependents: false,
            orphaning: false,
            owners: Vec::new(),
            dependents: HashSet::new(),
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            group: self.kind.group.clone(),
            kind: self.kind.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

fn owner_uids(meta: &ObjectMeta) -> Vec<(String, bool)> {
    let references = meta.owner_references.iter().flatten();
    references.map(|reference| (reference.uid.clone(), reference.block_owner_deletion == Some(true))).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn kind() -> Arc<Kind> {
        Arc::new(Kind { api_version: "v1".into(), group: String::new(), kind: "Pod".into(), plural: "pods".into() })
    }

    fn object(uid: &str, owners: &[(&str, bool)]) -> ObjectMeta {
        let reference = |(uid, blocks): &(&str, bool)| OwnerReference {
            uid: (*uid).to_string(),
            api_version: "v1".into(),
            kind: "Pod".into(),
            name: (*uid).to_string(),
            block_owner_deletion: Some(*blocks),
            controller: None,
        };
        ObjectMeta {
            uid: Some(uid.into()),
            name: Some(uid.into()),
            namespace: Some("ns".into()),
            owner_references: Some(owners.iter().map(reference).collect()),
            ..ObjectMeta::default()
        }
    }

    fn deleting(mut meta: ObjectMeta, finalizer: &str) -> ObjectMeta {
        meta.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        meta.finalizers = Some(vec![finalizer.into()]);
        meta
    }

    fn collect(uid: &str) -> Look {
        Look::Collect(uid.into())
    }

    #[test]
    fn dependents_are_looked_at_when_their_owner_goes() {
        let mut graph = Graph::default();
        assert!(graph.observe(&kind(), &object("owner", &[])).is_empty());
        assert!(graph.observe(&kind(), &object("a", &[("owner", false)])).is_empty());
        assert_eq!(graph.deleted("owner"), [collect("a")]);
        assert!(graph.deleted("owner").is_empty());
    }

    #[test]
    fn unknown_owners_are_looked_for() {
        let mut graph = Graph::default();
        assert_eq!(graph.observe(&kind(), &object("a", &[("owner", false)])), [collect("owner")]);
        assert!(!graph.state("owner").unwrap().observed);
        assert!(graph.observe(&kind(), &object("owner", &[])).is_empty());
        assert!(graph.state("owner").unwrap().observed);
        let mut graph = Graph::default();
        graph.observe(&kind(), &object("a", &[("owner", false)]));
        assert_eq!(graph.deleted("owner"), [collect("a")]);
    }

    #[test]
    fn foreground_deletion_looks_at_dependents_and_then_at_the_owner() {
        let mut graph = Graph::default();
        graph.observe(&kind(), &object("owner", &[]));
        graph.observe(&kind(), &object("a", &[("owner", true)]));
        let looks = graph.observe(&kind(), &deleting(object("owner", &[]), FOREGROUND));
        assert_eq!(looks, [collect("a"), collect("owner")]);
        assert!(graph.dependents("owner")[0].blocks("owner"));
        assert_eq!(graph.observe(&kind(), &object("a", &[("owner", false)])), [collect("owner")], "no longer blocks");
        assert_eq!(graph.deleted("a"), [collect("owner")]);
        assert!(graph.dependents("owner").is_empty());
    }

    #[test]
    fn orphaning_is_told_once() {
        let mut graph = Graph::default();
        graph.observe(&kind(), &object("owner", &[]));
        let orphaning = deleting(object("owner", &[]), ORPHAN);
        assert_eq!(graph.observe(&kind(), &orphaning), [Look::Orphan("owner".into())]);
        assert!(graph.observe(&kind(), &orphaning).is_empty());
    }

    #[test]
    fn a_new_list_tells_what_is_gone() {
        let mut graph = Graph::default();
        graph.observe(&kind(), &object("owner", &[]));
        graph.observe(&kind(), &object("a", &[("owner", false)]));
        assert_eq!(graph.relisted(&kind(), &HashSet::from(["a".to_string()])), [collect("a")]);
        assert!(graph.state("owner").is_none());
    }

    #[test]
    fn an_owner_in_another_namespace_is_none() {
        let mut graph = Graph::default();
        let mut elsewhere = object("owner", &[]);
        elsewhere.namespace = Some("other".into());
        graph.observe(&kind(), &elsewhere);
        assert_eq!(graph.observe(&kind(), &object("a", &[("owner", false)])), [collect("a")]);
    }
}
