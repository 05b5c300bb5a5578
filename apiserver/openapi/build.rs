//! Collects the descriptions of all types and fields from k8s-openapi into one compressed blob.
//!
//! The blob is a zlib stream of texts, each ended by a NUL: per definition its name, its description, then
//! name and description of each of its fields, then an empty text.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::WatchEvent;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;

/// Asks for the schema of each type; those that it refers to come along.
macro_rules! collect {
    ($generator:ident, $($($module:ident)::+ : $($name:ident),+ ;)+) => {
        $({
            use k8s_openapi::$($module)::+::{$($name),+};
            $($generator.subschema_for::<$name>();)+
        })+
    };
}

/// The types that no other type refers to.
#[rustfmt::skip]
fn roots(generator: &mut SchemaGenerator) {
    generator.subschema_for::<WatchEvent<RawExtension>>();
    collect! { generator,
        api::admissionregistration::v1: MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration;
        api::admissionregistration::v1alpha1: MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding;
        api::admissionregistration::v1beta1: MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding;
        api::apiserverinternal::v1alpha1: StorageVersion;
        api::apps::v1: ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet;
        api::authentication::v1: SelfSubjectReview, TokenRequest, TokenReview;
        api::authorization::v1: LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview;
        api::autoscaling::v1: HorizontalPodAutoscaler, Scale;
        api::autoscaling::v2: HorizontalPodAutoscaler;
        api::batch::v1: CronJob, Job;
        api::certificates::v1: CertificateSigningRequest;
        api::certificates::v1alpha1: ClusterTrustBundle;
        api::certificates::v1beta1: ClusterTrustBundle, PodCertificateRequest;
        api::coordination::v1: Lease;
        api::coordination::v1alpha2: LeaseCandidate;
        api::coordination::v1beta1: LeaseCandidate;
        api::core::v1: Binding, ComponentStatus, ConfigMap, Endpoints, Event, LimitRange, Namespace, Node, PersistentVolume, Pod, PodTemplate, ReplicationController, ResourceQuota, Secret, Service, ServiceAccount;
        api::discovery::v1: EndpointSlice;
        api::events::v1: Event;
        api::flowcontrol::v1: FlowSchema, PriorityLevelConfiguration;
        api::networking::v1: IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR;
        api::networking::v1beta1: IPAddress, ServiceCIDR;
        api::node::v1: RuntimeClass;
        api::policy::v1: Eviction, PodDisruptionBudget;
        api::rbac::v1: ClusterRole, ClusterRoleBinding, Role, RoleBinding;
        api::resource::v1: DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice;
        api::resource::v1alpha3: DeviceTaintRule, ResourcePoolStatusRequest;
        api::resource::v1beta1: DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice;
        api::resource::v1beta2: DeviceClass, DeviceTaintRule, ResourceClaim, ResourceClaimTemplate, ResourceSlice;
        api::scheduling::v1: PriorityClass;
        api::scheduling::v1alpha2: PodGroup, Workload;
        api::storage::v1: CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment, VolumeAttributesClass;
        api::storage::v1beta1: VolumeAttributesClass;
        api::storagemigration::v1beta1: StorageVersionMigration;
        apiextensions_apiserver::pkg::apis::apiextensions::v1: CustomResourceDefinition;
        apimachinery::pkg::apis::meta::v1: APIGroupList, APIResourceList, APIVersions, Patch, Status;
        apimachinery::pkg::version: Info;
        kube_aggregator::pkg::apis::apiregistration::v1: APIService;
    }
}

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut generator = SchemaSettings::openapi3().into_generator();
    roots(&mut generator);
    let definitions = generator.take_definitions(false);
    anyhow::ensure!(definitions.len() > 600, "k8s-openapi described only {} types", definitions.len());
    let directory = std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?;
    let file = std::fs::File::create(Path::new(&directory).join("descriptions.zlib"))?;
    let mut blob = ZlibEncoder::new(file, Compression::best());
    let mut write = |text: &str| -> anyhow::Result<()> {
        anyhow::ensure!(!text.contains('\0'), "a description contains a NUL");
        blob.write_all(text.as_bytes())?;
        Ok(blob.write_all(&[0])?)
    };
    for (name, definition) in &definitions {
        write(name)?;
        write(definition["description"].as_str().unwrap_or_default())?;
        for (field, schema) in definition["properties"].as_object().into_iter().flatten() {
            if let Some(description) = schema["description"].as_str().filter(|text| !text.is_empty()) {
                write(field)?;
                write(description)?;
            }
        }
        write("")?;
    }
    blob.finish()?;
    Ok(())
}
