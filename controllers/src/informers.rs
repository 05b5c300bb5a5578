//! The informers all controllers share: one per kind, started when the first controller asks.

use std::sync::OnceLock;

use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicy,
    apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    certificates::v1::CertificateSigningRequest,
    coordination::v1::Lease,
    core::v1::{
        ConfigMap, Endpoints, Namespace, Node, PersistentVolume, PersistentVolumeClaim, ReplicationController,
        ResourceQuota, Secret, Service, ServiceAccount,
    },
    discovery::v1::EndpointSlice,
    networking::v1::{IPAddress, ServiceCIDR},
    policy::v1::PodDisruptionBudget,
    rbac::v1::ClusterRole,
    resource::v1::DeviceClass,
    storage::v1::VolumeAttributesClass,
};
use kube::{Api, Client, runtime::watcher};
use tokio_util::sync::CancellationToken;

use crate::{bootstrap_token, bootstrapsigner, informer::Informer, pod::Pod};

/// All shared informers of a process.
pub struct Informers {
    client: Client,
    shutdown: CancellationToken,
    bootstrap_tokens: OnceLock<Informer<Secret>>,
    certificate_signing_requests: OnceLock<Informer<CertificateSigningRequest>>,
    cluster_info: OnceLock<Informer<ConfigMap>>,
    cluster_roles: OnceLock<Informer<ClusterRole>>,
    controller_revisions: OnceLock<Informer<ControllerRevision>>,
    cron_jobs: OnceLock<Informer<CronJob>>,
    daemon_sets: OnceLock<Informer<DaemonSet>>,
    deployments: OnceLock<Informer<Deployment>>,
    device_classes: OnceLock<Informer<DeviceClass>>,
    endpoint_slices: OnceLock<Informer<EndpointSlice>>,
    endpoints: OnceLock<Informer<Endpoints>>,
    ip_addresses: OnceLock<Informer<IPAddress>>,
    jobs: OnceLock<Informer<Job>>,
    namespaces: OnceLock<Informer<Namespace>>,
    node_leases: OnceLock<Informer<Lease>>,
    nodes: OnceLock<Informer<Node>>,
    persistent_volume_claims: OnceLock<Informer<PersistentVolumeClaim>>,
    persistent_volumes: OnceLock<Informer<PersistentVolume>>,
    pod_disruption_budgets: OnceLock<Informer<PodDisruptionBudget>>,
    pods: OnceLock<Informer<Pod>>,
    replica_sets: OnceLock<Informer<ReplicaSet>>,
    replication_controllers: OnceLock<Informer<ReplicationController>>,
    resource_quotas: OnceLock<Informer<ResourceQuota>>,
    root_ca_config_maps: OnceLock<Informer<ConfigMap>>,
    service_accounts: OnceLock<Informer<ServiceAccount>>,
    service_cidrs: OnceLock<Informer<ServiceCIDR>>,
    services: OnceLock<Informer<Service>>,
    stateful_sets: OnceLock<Informer<StatefulSet>>,
    validating_admission_policies: OnceLock<Informer<ValidatingAdmissionPolicy>>,
    volume_attributes_classes: OnceLock<Informer<VolumeAttributesClass>>,
}

/// One accessor per kind: the informer, started on first use.
macro_rules! informers {
    ($($name:ident: $kind:ty),* $(,)?) => {
        impl Informers {
            /// No informer is started yet; all use `client` and end with `shutdown`.
            pub fn new(client: Client, shutdown: CancellationToken) -> Self {
                Informers {
                    client,
                    shutdown,
                    bootstrap_tokens: OnceLock::new(),
                    cluster_info: OnceLock::new(),
                    node_leases: OnceLock::new(),
                    root_ca_config_maps: OnceLock::new(),
                    $($name: OnceLock::new(),)*
                }
            }

            $(pub fn $name(&self) -> Informer<$kind> {
                self.$name
                    .get_or_init(|| {
                        let api = Api::all(self.client.clone());
                        Informer::start(api, watcher::Config::default(), self.shutdown.clone())
                    })
                    .clone()
            })*
        }
    };
}

informers! {
    certificate_signing_requests: CertificateSigningRequest,
    cluster_roles: ClusterRole,
    controller_revisions: ControllerRevision,
    cron_jobs: CronJob,
    daemon_sets: DaemonSet,
    deployments: Deployment,
    device_classes: DeviceClass,
    endpoint_slices: EndpointSlice,
    endpoints: Endpoints,
    ip_addresses: IPAddress,
    jobs: Job,
    namespaces: Namespace,
    nodes: Node,
    persistent_volume_claims: PersistentVolumeClaim,
    persistent_volumes: PersistentVolume,
    pod_disruption_budgets: PodDisruptionBudget,
    pods: Pod,
    replica_sets: ReplicaSet,
    replication_controllers: ReplicationController,
    resource_quotas: ResourceQuota,
    service_accounts: ServiceAccount,
    service_cidrs: ServiceCIDR,
    services: Service,
    stateful_sets: StatefulSet,
    validating_admission_policies: ValidatingAdmissionPolicy,
    volume_attributes_classes: VolumeAttributesClass,
}

impl Informers {
    /// The secrets of bootstrap tokens, and no other.
    pub fn bootstrap_tokens(&self) -> Informer<Secret> {
        self.bootstrap_tokens
            .get_or_init(|| {
                let config = watcher::Config::default().fields(&format!("type={}", bootstrap_token::TYPE));
                let api = Api::namespaced(self.client.clone(), "kube-system");
                Informer::start(api, config, self.shutdown.clone())
            })
            .clone()
    }

    /// `kube-public/cluster-info`, by which those who join find the cluster.
    pub fn cluster_info(&self) -> Informer<ConfigMap> {
        self.cluster_info
            .get_or_init(|| {
                let config = watcher::Config::default().fields(&format!("metadata.name={}", bootstrapsigner::NAME));
                let api = Api::namespaced(self.client.clone(), bootstrapsigner::NAMESPACE);
                Informer::start(api, config, self.shutdown.clone())
            })
            .clone()
    }

    /// The leases by which nodes say that they live.
    pub fn node_leases(&self) -> Informer<Lease> {
        self.node_leases
            .get_or_init(|| {
                let api = Api::namespaced(self.client.clone(), "kube-node-lease");
                Informer::start(api, watcher::Config::default(), self.shutdown.clone())
            })
            .clone()
    }

    /// The `kube-root-ca.crt` ConfigMaps, and no other: ConfigMaps can be many and large.
    pub fn root_ca_config_maps(&self) -> Informer<ConfigMap> {
        self.root_ca_config_maps
            .get_or_init(|| {
                let config = watcher::Config::default().fields("metadata.name=kube-root-ca.crt");
                Informer::start(Api::all(self.client.clone()), config, self.shutdown.clone())
            })
            .clone()
    }
}
