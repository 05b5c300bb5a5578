//! API aggregation: group versions that other servers serve behind this one.
//!
//! An APIService that names a service stands for a server in the cluster. Requests for its group and version are passed
//! on to it as the user who sent them, vouched for by this server's front-proxy certificate. What it serves is part of
//! discovery and of the OpenAPI documents; both are asked of it now and then, never while a client waits.
//!
//! Source: kube-aggregator.

mod availability;
mod client;
mod discovered;
mod follow;
mod merge;
mod openapi;
mod proxy;
mod remote;
mod resolve;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde_json::Value;

use crate::flags::Flags;

pub use discovered::{placed, version};
pub use follow::run;
pub use merge::merged_v2;
pub use openapi::serve as serve_openapi;
pub use proxy::pass;
pub use remote::{Remote, Service};
pub use resolve::resolve;

pub(crate) const GROUP: &str = "apiregistration.k8s.io";
pub(crate) const PLURAL: &str = "apiservices";

/// What this server knows of the servers behind it.
pub struct Aggregation {
    remotes: ArcSwap<Remotes>,
    documents: Mutex<BTreeMap<String, Documents>>,
    /// Changes with all that discovery and OpenAPI show.
    generation: AtomicU64,
    identity: client::Identity,
    /// Whether a service is reached at one of its endpoints, not at its address.
    to_endpoints: bool,
}

/// The APIServices that name a service.
#[derive(Default)]
pub struct Remotes {
    /// By group and version.
    by_version: HashMap<(String, String), Arc<Remote>>,
}

/// What a server behind this one said of itself, by the name of its APIService.
#[derive(Clone, Default, PartialEq)]
pub struct Documents {
    /// An `APIVersionDiscovery`; null until there was an answer.
    pub discovery: Value,
    /// The last try to ask failed.
    pub stale: bool,
    /// The OpenAPI documents by their names, each with the hash of its contents.
    pub openapi: BTreeMap<String, String>,
    /// Where it has no OpenAPI v3: the document of its group and version, made of that of v2.
    pub converted: Option<Arc<apiserver_openapi::Document>>,
    /// The part of its OpenAPI v2 document that is about the APIService; null where there is none.
    pub openapi_v2: Arc<Value>,
}

impl Aggregation {
    /// Reads the front-proxy certificate.
    ///
    /// # Errors
    /// A file cannot be read, or only one of the two is given.
    pub fn new(flags: &Flags) -> anyhow::Result<Aggregation> {
        Ok(Aggregation {
            remotes: ArcSwap::default(),
            documents: Mutex::default(),
            generation: AtomicU64::default(),
            identity: client::Identity::read(flags)?,
            to_endpoints: flags.enable_aggregator_routing,
        })
    }

    /// The server that serves a version of a group.
    pub fn serving(&self, group: &str, version: &str) -> Option<Arc<Remote>> {
        let remotes = self.remotes.load();
        if remotes.by_version.is_empty() {
            return None;
        }
        remotes.by_version.get(&(group.to_owned(), version.to_owned())).cloned()
    }

    /// Whether any version of a group is served elsewhere.
    pub fn has_group(&self, group: &str) -> bool {
        self.remotes.load().by_version.keys().any(|(own, _)| own == group)
    }

    /// All servers, sorted by their APIServices' names.
    pub fn all(&self) -> Vec<Arc<Remote>> {
        let mut all: Vec<Arc<Remote>> = self.remotes.load().by_version.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn named(&self, name: &str) -> Option<Arc<Remote>> {
        self.remotes.load().by_version.values().find(|remote| remote.name == name).cloned()
    }

    /// Whether any server is reached by this service.
    fn is_reached_by(&self, namespace: &str, name: &str) -> bool {
        let remotes = self.remotes.load();
        remotes.by_version.values().any(|remote| remote.service.namespace == namespace && remote.service.name == name)
    }

    /// Changes with all that discovery and OpenAPI show.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What a server said of itself.
    pub fn documents(&self, name: &str) -> Documents {
        self.documents.lock().get(name).cloned().unwrap_or_default()
    }

    fn replace(&self, remotes: Vec<Arc<Remote>>) {
        let before = self.remotes.load();
        let is_known =
            |remote: &Arc<Remote>| self.named(&remote.name).is_some_and(|known| known.revision == remote.revision);
        if before.by_version.len() == remotes.len() && remotes.iter().all(is_known) {
            return;
        }
        self.documents.lock().retain(|name, _| remotes.iter().any(|remote| remote.name == *name));
        let by_version =
            remotes.into_iter().map(|remote| ((remote.group.clone(), remote.version.clone()), remote)).collect();
        self.remotes.store(Arc::new(Remotes { by_version }));
        self.changed();
    }

    /// Takes over what a server said.
    fn learn(&self, name: &str, change: impl FnOnce(&mut Documents)) {
        let mut documents = self.documents.lock();
        let known = documents.entry(name.to_owned()).or_default();
        let before = known.clone();
        change(known);
        if *known != before {
            drop(documents);
            self.changed();
        }
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}
