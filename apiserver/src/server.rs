//! The server: what all requests share, made once at start.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use apiserver_encryption::Encryption;
use apiserver_fairness::Fairness;
use apiserver_storage::Store;
use apiserver_storage::embedded::EmbeddedStore;
use apiserver_storage::etcd::{EtcdOptions, EtcdStore};
use apiserver_storage::memory::MemoryStore;
use apiserver_watch_cache::Feed;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{self, Plugin};
use crate::aggregation::Aggregation;
use crate::allocations::{Allocations, ServiceRanges};
use crate::apiextensions::CustomResources;
use crate::audit::Audit;
use crate::authn::Authentication;
use crate::authz::Authorization;
use crate::context::{Served, Stored};
use crate::edge::Edge;
use crate::encryption;
use crate::facts;
use crate::fairness;
use crate::flags::Flags;
use crate::kubelet::Kubelets;
use crate::max_in_flight::MaxInFlight;
use crate::metrics::Metrics;
use crate::openapi::Documents;
use crate::resources::{builtin, runtime_config};
use crate::status::{Result, Status};
use crate::storage::{ObjectStore, ROOT};

/// What all requests share.
pub struct Server {
    pub options: Options,
    pub store: Arc<dyn Store>,
    pub feed: Arc<Feed>,
    /// None where everything is stored as it is.
    pub encryption: Option<Arc<Encryption>>,
    served: HashMap<(String, String), Arc<Served>>,
    /// In the order of discovery.
    order: Vec<Arc<Served>>,
    pub authentication: Authentication,
    pub authorization: Authorization,
    pub admission: Vec<Box<dyn Plugin>>,
    pub allocations: Allocations,
    pub metrics: Metrics,
    pub audit: Audit,
    /// None where there is only a limit for all.
    pub fairness: Option<Fairness>,
    pub max_in_flight: MaxInFlight,
    pub edge: Edge,
    pub kubelets: Kubelets,
    pub openapi: Documents,
    /// What definitions add to the table of resources.
    pub custom: CustomResources,
    pub aggregation: Aggregation,
    definitions_known: AtomicBool,
    bootstrapped: AtomicBool,
    pub started: Instant,
    /// Cancelled once the server is told to stop: health says so.
    pub stopping: CancellationToken,
    /// Cancelled once new requests are to come again later (`--shutdown-send-retry-after`).
    pub refusing: CancellationToken,
    /// Requests under way that are not long-running.
    pub under_way: TaskTracker,
    /// Cancelled once it serves nothing new: open watches end.
    pub draining: CancellationToken,
}

/// Settings that requests read.
#[derive(Clone, Debug)]
pub struct Options {
    pub min_request_timeout: Duration,
    pub advertise_address: IpAddr,
    pub secure_port: u16,
    pub service_ranges: ServiceRanges,
    pub allow_privileged: bool,
    pub livez_grace_period: Duration,
    pub etcd_healthcheck_timeout: Duration,
    pub etcd_db_metric_poll_interval: Duration,
    /// Whether the file that says what is encrypted is read again when it changes.
    pub follows_encryption_config: bool,
    /// How long pods stay where they do not say, in seconds.
    pub not_ready_toleration_seconds: i64,
    pub unreachable_toleration_seconds: i64,
    /// Every flag with its value.
    pub flags: Vec<(String, String)>,
}

impl Server {
    /// Opens the store and starts the caches.
    pub async fn new(flags: &Flags) -> anyhow::Result<Arc<Server>> {
        anyhow::ensure!(flags.etcd_prefix == "/registry", "--etcd-prefix: only /registry is supported");
        let metrics = Metrics::new()?;
        // Before the store: what cannot be recorded is not begun.
        let audit = flags.audit.open(metrics.audit.clone()).await?;
        let encryption = encryption::new(flags, &metrics.encryption).await?;
        let store = open_store(flags).await?;
        Self::with_store(flags, store, encryption, metrics, audit)
    }

    /// Starts the caches on a store that is open.
    fn with_store(
        flags: &Flags,
        store: Arc<dyn Store>,
        encryption: Option<Arc<Encryption>>,
        metrics: Metrics,
        audit: Audit,
    ) -> anyhow::Result<Arc<Server>> {
        let feed = Feed::start(Arc::clone(&store), ROOT);
        let mut served = HashMap::new();
        let mut order = Vec::new();
        let mut stores: HashMap<String, Arc<ObjectStore>> = HashMap::new();
        for resource in runtime_config::apply(builtin::resources(), &flags.runtime_config)? {
            let objects = resource.storage.as_ref().map(|storage| {
                let start = || {
                    let operations = metrics.stores.of(&resource.group, &resource.plural);
                    let store = Arc::clone(&store);
                    let keys = encryption.as_ref().map(|all| all.of(resource.stored_group(), &resource.plural));
                    Arc::new(ObjectStore::start(&feed, store, &resource, storage, flags.event_ttl, operations, keys))
                };
                Arc::clone(stores.entry(storage.prefix.to_string()).or_insert_with(start))
            });
            let key = (resource.group.to_string(), resource.plural.to_string());
            let objects = objects.map_or(Stored::Not, Stored::Open);
            let entry = Arc::new(Served { resource, objects });
            order.push(Arc::clone(&entry));
            served.insert(key, entry);
        }
        let service_ranges = ServiceRanges {
            addresses: flags.service_cluster_ip_range.clone(),
            node_ports: flags.service_node_port_range,
        };
        Ok(Arc::new(Server {
            options: Options {
                min_request_timeout: Duration::from_secs(flags.min_request_timeout),
                advertise_address: advertised(flags),
                secure_port: flags.secure_port,
                service_ranges: service_ranges.clone(),
                allow_privileged: flags.allow_privileged,
                livez_grace_period: flags.livez_grace_period,
                etcd_healthcheck_timeout: flags.etcd_healthcheck_timeout,
                etcd_db_metric_poll_interval: flags.etcd_db_metric_poll_interval,
                follows_encryption_config: flags.encryption_provider_config_automatic_reload,
                not_ready_toleration_seconds: flags.default_not_ready_toleration_seconds,
                unreachable_toleration_seconds: flags.default_unreachable_toleration_seconds,
                flags: flags.values.clone(),
            },
            store,
            feed,
            encryption,
            served,
            order,
            authentication: Authentication::new(flags)?,
            authorization: Authorization::new(flags)?,
            admission: admission::plugins(flags)?,
            allocations: Allocations::new(service_ranges)?,
            fairness: fairness::new(
                flags.enable_priority_and_fairness,
                flags.max_requests_inflight,
                flags.max_mutating_requests_inflight,
                metrics.fairness.clone(),
            )?,
            metrics,
            audit,
            edge: Edge::new(flags)?,
            max_in_flight: MaxInFlight::new(flags.max_requests_inflight, flags.max_mutating_requests_inflight),
            kubelets: Kubelets::new(flags)?,
            openapi: Documents::default(),
            custom: CustomResources::default(),
            aggregation: Aggregation::new(flags)?,
            definitions_known: AtomicBool::new(false),
            bootstrapped: AtomicBool::new(false),
            started: Instant::now(),
            stopping: CancellationToken::new(),
            refusing: CancellationToken::new(),
            under_way: TaskTracker::new(),
            draining: CancellationToken::new(),
        }))
    }

    /// The row of a resource in one version: built in, or defined.
    pub fn serving(&self, group: &str, version: &str, resource: &str) -> Option<Arc<Served>> {
        match self.served(group, resource) {
            Some(served) => served.resource.version(version).map(|_| Arc::clone(served)),
            None => self.custom.find(group, version, resource),
        }
    }

    /// A built-in resource by group and plural name.
    pub fn served(&self, group: &str, resource: &str) -> Option<&Arc<Served>> {
        self.served.get(&(group.to_owned(), resource.to_owned()))
    }

    /// Every built-in resource, in the order of discovery.
    pub fn all(&self) -> &[Arc<Served>] {
        &self.order
    }

    /// The stored objects of a built-in resource.
    pub fn objects(&self, group: &str, resource: &str) -> Result<Objects<'_>> {
        match self.served(group, resource) {
            Some(served) if served.objects().is_some() => Ok(Objects(served)),
            _ => Err(Status::internal(format!("{resource}.{group} is not stored"))),
        }
    }

    /// An object by name: from the cache, or from the store when the cache does not have it (yet).
    pub async fn find(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        let objects = self.objects(group, resource)?;
        let key = objects.key(namespace, name);
        if let Some((object, _)) = objects.cached(&key)? {
            return Ok(Some(object));
        }
        Ok(objects.read(&key).await?.map(|(object, _)| object))
    }

    /// An object's uid, found as [`Server::find`] does but without building its tree where it is cached.
    pub async fn find_uid(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Result<Option<String>> {
        let objects = self.objects(group, resource)?;
        let key = objects.key(namespace, name);
        if let Some(object) = objects.cache.get(&key) {
            let json = object.json().map_err(Status::internal)?;
            return Ok(Some(facts::read(&json, &[]).map_err(Status::internal)?.uid.to_string()));
        }
        Ok(objects.read(&key).await?.map(|(object, _)| crate::object::meta(&object, "uid").to_owned()))
    }

    /// An object as the cache has it.
    pub fn cached(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        let objects = self.objects(group, resource)?;
        Ok(objects.cached(&objects.key(namespace, name))?.map(|(object, _)| object))
    }

    /// Whether the cache has an object.
    pub fn is_cached(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Result<bool> {
        let objects = self.objects(group, resource)?;
        Ok(objects.cache.get(&objects.key(namespace, name)).is_some())
    }

    /// All objects of a resource as the cache has them.
    pub fn list_cached(&self, group: &str, resource: &str) -> Result<Vec<Value>> {
        let objects = self.objects(group, resource)?;
        let snapshot = objects.cache.snapshot();
        Ok(snapshot
            .list(&apiserver_watch_cache::Scope::all(), None)
            .filter_map(|object| object.json().ok().and_then(|json| serde_json::from_slice(&json).ok()))
            .collect())
    }

    /// The objects of a resource in a namespace as the cache has them.
    pub fn list_cached_in(&self, group: &str, resource: &str, namespace: &str) -> Result<Vec<Value>> {
        let snapshot = self.objects(group, resource)?.cache.snapshot();
        Ok(snapshot
            .list(&apiserver_watch_cache::Scope::all().namespace(namespace), None)
            .filter_map(|object| object.json().ok().and_then(|json| serde_json::from_slice(&json).ok()))
            .collect())
    }

    /// Waits until every cache has its first contents.
    pub async fn caches_ready(&self) -> Result<()> {
        for objects in self.order.iter().filter_map(|served| served.objects()) {
            objects.ready().await?;
        }
        Ok(())
    }

    /// Notes that the definitions that were there at the start are in the table.
    pub fn set_definitions_known(&self) {
        self.definitions_known.store(true, Ordering::Release);
    }

    pub fn are_definitions_known(&self) -> bool {
        self.definitions_known.load(Ordering::Acquire)
    }

    pub fn set_bootstrapped(&self) {
        self.bootstrapped.store(true, Ordering::Release);
    }

    /// Whether the objects that every cluster begins with are there.
    pub fn is_bootstrapped(&self) -> bool {
        self.bootstrapped.load(Ordering::Acquire)
    }
}

/// The stored objects of a resource that is known to be stored.
pub struct Objects<'a>(&'a Served);

impl Deref for Objects<'_> {
    type Target = ObjectStore;
    fn deref(&self) -> &ObjectStore {
        match self.0.objects() {
            Some(objects) => objects,
            None => unreachable!("made only for resources that are stored"),
        }
    }
}

/// The address that other members of the cluster reach this server by.
pub fn advertised(flags: &Flags) -> IpAddr {
    flags.advertise_address.unwrap_or_else(|| default_address(flags.bind_address))
}

async fn open_store(flags: &Flags) -> anyhow::Result<Arc<dyn Store>> {
    if !flags.etcd_servers.is_empty() {
        anyhow::ensure!(flags.storage.is_none(), "--storage and --etcd-servers exclude each other");
        let options = EtcdOptions {
            endpoints: flags.etcd_servers.clone(),
            ca: flags.etcd_cafile.clone(),
            cert: flags.etcd_certfile.clone(),
            key: flags.etcd_keyfile.clone(),
            compaction_interval: flags.etcd_compaction_interval,
            ..EtcdOptions::default()
        };
        return Ok(EtcdStore::connect(options).await.context("cannot use etcd")?);
    }
    match flags.storage.as_deref() {
        Some("memory") => Ok(MemoryStore::new()),
        Some(directory) => Ok(EmbeddedStore::open(Path::new(directory))
            .await
            .with_context(|| format!("cannot use the store in {directory}"))?),
        None => anyhow::bail!("--etcd-servers or --storage must be specified"),
    }
}

/// The address that others reach this machine by: the source of a route to elsewhere.
fn default_address(bind: IpAddr) -> IpAddr {
    // Others cannot reach this server by an address that means themselves.
    if !bind.is_unspecified() && !bind.is_loopback() {
        return bind;
    }
    // Connecting a datagram socket sends nothing; it only asks the kernel for the route.
    std::net::UdpSocket::bind(("0.0.0.0", 0))
        .and_then(|socket| {
            socket.connect(("192.0.2.1", 9))?;
            socket.local_addr()
        })
        .map(|address| address.ip())
        .unwrap_or(IpAddr::from([127, 0, 0, 1]))
}
