//! What a kind does beyond what its data says: preparing, validating, converting.
//!
//! [`of`] is the list. A kind that is not in it has no rules of its own.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::apiextensions::CustomResource;
use crate::authn::User;
use crate::facts::{Facts, SelectableField};
use crate::field::ErrorList;
use crate::object;
use crate::resources::names;

mod admissionregistration;
mod api_service;
mod autoscaling;
mod batch;
mod certificates;
mod conditions;
mod config;
mod cron_schedule;
pub mod custom_resource_definition;
pub mod custom_resource_definition_v1beta1;
mod daemon_set;
mod deployment;
mod difference;
mod dynamic_resource;
mod endpoints;
mod event;
mod flowcontrol;
mod key_pair;
mod label_selector;
mod namespace;
mod networking;
mod node;
mod pod;
mod pod_spec;
mod pod_template;
mod policy;
mod quota;
mod rbac;
mod replica_set;
mod scheduling;
mod service;
mod stateful_set;
mod storage;
mod success_policy;
#[cfg(test)]
mod tests;
mod volume;
mod volume_source;
mod warnings;
mod webhook_client;

/// What the hooks may know of the request that writes.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub user: &'a User,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// The API group by which the object was sent; kinds served by two groups differ in their rules.
    pub group: &'a str,
    /// What the client is told besides the answer.
    pub warnings: &'a Mutex<Vec<String>>,
}

/// The hooks of one kind. Every method has the behaviour of a kind without rules as its default.
///
/// Source: the strategies in `pkg/registry/*/*/strategy.go`.
pub trait Hooks: Send + Sync + 'static {
    /// The custom resource whose hooks these are, if they are.
    fn custom(&self) -> Option<&CustomResource> {
        None
    }

    /// What happens to an object at the first request to delete it, where that is not what happens to all; whether
    /// it did. `finalizers` are those that the object shall have by the request's propagation policy.
    fn begin_deletion(&self, _object: &mut Value, _finalizers: &[String]) -> bool {
        false
    }

    /// Whether objects are large and seldom read, so that the cache keeps them compressed.
    fn is_bulky(&self) -> bool {
        false
    }

    /// Whether the rules of metadata are among those of [`Hooks::validate`], or are only asked after them. Those of
    /// most kinds come first.
    fn judges_metadata(&self) -> bool {
        false
    }

    /// Annotations that stand for fields of an older form of the kind: an object answered by its metadata alone is
    /// without them.
    fn annotations_of_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// What becomes of a decoded object of the request's version on its way through the one form that upstream has
    /// for all versions of the kind.
    fn settle(&self, _object: &mut Value, _api_version: &str) {}

    /// Fields that field selectors may name besides `metadata.name` and `metadata.namespace`.
    fn selectable_fields(&self) -> &[SelectableField] {
        &[]
    }

    /// Why a field selector may not name `field`.
    fn unknown_field(&self, field: &str) -> String {
        if self.selectable_fields().is_empty() {
            format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        } else {
            format!("field label not supported: {field}")
        }
    }

    /// Selectable fields by which watches and lists are routed.
    fn indexed_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// Completes what selectors see of an object, where a field stands in for another one.
    fn complete_facts(&self, _facts: &mut Facts) {}

    /// What is wrong with a name; `prefix` when it is a `generateName`.
    fn invalid_name(&self, name: &str, prefix: bool) -> Option<String> {
        names::dns1123_subdomain(&names::masked(name, prefix))
    }

    /// Sets what the server alone decides about a new object. By default the status is emptied.
    fn prepare_for_create(&self, object: &mut Value, _request: &Request<'_>) {
        object::clear(object, "status");
    }

    /// Sets what an update of the object or of a subresource other than `status` may not change. By default
    /// the status stays as it was.
    fn prepare_for_update(&self, object: &mut Value, old: &Value, _request: &Request<'_>) {
        object::keep(object, old, "status");
    }

    /// Sets what an update of the status may not change. By default that is everything but status and metadata.
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value) {
        object::keep_all_but(object, old, &["status", "metadata"]);
    }

    /// Whether an update changes what `metadata.generation` counts. By default that is anything but metadata
    /// and status.
    fn asks_for_something_else(&self, object: &Value, old: &Value) -> bool {
        object::differs_but(object, old, &["metadata", "status"])
    }

    /// The rules for a new object, besides those of its metadata.
    fn validate(&self, _object: &Value, _request: &Request<'_>, _errors: &mut ErrorList) {}

    /// The rules for a changed object, besides those of its metadata. By default those of a new one.
    fn validate_update(&self, object: &Value, _old: &Value, request: &Request<'_>, errors: &mut ErrorList) {
        self.validate(object, request, errors);
    }

    /// The rules for a change of the status.
    fn validate_status_update(&self, _object: &Value, _old: &Value, _errors: &mut ErrorList) {}

    /// What a client is told about an object that keeps the rules and yet is not as it should be. `old` is the
    /// object before an update; the request says whether of its status.
    fn warnings(&self, _object: &Value, _old: Option<&Value>, _request: &Request<'_>, _out: &mut Vec<String>) {}

    /// How long a deletion waits for the object's owner to finish, and no waiting if `None`.
    fn grace_period(&self, _object: &Value, _asked: Option<i64>) -> Option<i64> {
        None
    }

    /// Whether a finished deletion answers with the object instead of a `Status`.
    fn returns_deleted_object(&self) -> bool {
        false
    }

    /// Whether a deletion that does not say otherwise leaves the objects that it owns.
    fn orphans_dependents(&self) -> bool {
        false
    }

    /// Whether objects go by themselves after `--event-ttl`.
    fn expires(&self) -> bool {
        false
    }

    /// Changes an object of one `apiVersion` of the kind into another one.
    fn convert(&self, _object: &mut Value, _from: &str, _to: &str) {}
}

/// A kind without rules of its own.
struct Plain;

impl Hooks for Plain {}

/// The hooks of a built-in kind.
pub fn of(group: &str, kind: &str) -> Arc<dyn Hooks> {
    match (group, kind) {
        ("" | "events.k8s.io", "Event") => Arc::new(event::Event { legacy: group.is_empty() }),
        ("", "ConfigMap") => Arc::new(config::ConfigMap),
        ("", "Endpoints") => Arc::new(endpoints::Endpoints),
        ("", "LimitRange") => Arc::new(quota::LimitRange),
        ("", "Namespace") => Arc::new(namespace::Namespace),
        ("", "Node") => Arc::new(node::Node),
        ("", "PersistentVolume") => Arc::new(volume::PersistentVolume),
        ("", "PersistentVolumeClaim") => Arc::new(volume::PersistentVolumeClaim),
        ("", "Pod") => Arc::new(pod::Pod),
        ("", "PodTemplate") => Arc::new(pod_template::PodTemplate),
        ("", "ReplicationController") => Arc::new(replica_set::ReplicationController),
        ("", "ResourceQuota") => Arc::new(quota::ResourceQuota),
        ("", "Secret") => Arc::new(config::Secret),
        ("", "Service") => Arc::new(service::Service),
        ("", "ServiceAccount") => Arc::new(config::ServiceAccount),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => Arc::new(admissionregistration::MutatingPolicy),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding" | "ValidatingAdmissionPolicyBinding") => {
            Arc::new(admissionregistration::PolicyBinding { validating: kind.starts_with("Validating") })
        }
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
            Arc::new(admissionregistration::WebhookConfiguration)
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            Arc::new(admissionregistration::ValidatingPolicy)
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            Arc::new(custom_resource_definition::CustomResourceDefinition)
        }
        ("apiregistration.k8s.io", "APIService") => Arc::new(api_service::ApiService),
        ("apps", "ControllerRevision") => Arc::new(pod_template::ControllerRevision),
        ("apps", "DaemonSet") => Arc::new(daemon_set::DaemonSet),
        ("apps", "Deployment") => Arc::new(deployment::Deployment),
        ("apps", "ReplicaSet") => Arc::new(replica_set::ReplicaSet),
        ("apps", "StatefulSet") => Arc::new(stateful_set::StatefulSet),
        ("autoscaling", "HorizontalPodAutoscaler") => Arc::new(autoscaling::HorizontalPodAutoscaler),
        ("batch", "CronJob") => Arc::new(batch::CronJob),
        ("batch", "Job") => Arc::new(batch::Job),
        ("certificates.k8s.io", "CertificateSigningRequest") => Arc::new(certificates::CertificateSigningRequest),
        ("coordination.k8s.io", "Lease") => Arc::new(scheduling::Lease),
        ("discovery.k8s.io", "EndpointSlice") => Arc::new(endpoints::EndpointSlice),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => Arc::new(flowcontrol::FlowSchema),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => {
            Arc::new(flowcontrol::PriorityLevelConfiguration)
        }
        ("networking.k8s.io", "Ingress") => Arc::new(networking::Ingress),
        ("networking.k8s.io", "IngressClass") => Arc::new(networking::IngressClass),
        ("networking.k8s.io", "IPAddress") => Arc::new(networking::IpAddress),
        ("networking.k8s.io", "NetworkPolicy") => Arc::new(networking::NetworkPolicy),
        ("networking.k8s.io", "ServiceCIDR") => Arc::new(networking::ServiceCidr),
        ("node.k8s.io", "RuntimeClass") => Arc::new(scheduling::RuntimeClass),
        ("policy", "PodDisruptionBudget") => Arc::new(policy::PodDisruptionBudget),
        ("rbac.authorization.k8s.io", "ClusterRole" | "Role") => {
            Arc::new(rbac::Role { cluster: kind == "ClusterRole" })
        }
        ("rbac.authorization.k8s.io", "ClusterRoleBinding" | "RoleBinding") => {
            Arc::new(rbac::Binding { cluster: kind == "ClusterRoleBinding" })
        }
        ("resource.k8s.io", "DeviceClass") => Arc::new(dynamic_resource::DeviceClass),
        ("resource.k8s.io", "ResourceClaim") => Arc::new(dynamic_resource::ResourceClaim),
        ("resource.k8s.io", "ResourceClaimTemplate") => Arc::new(dynamic_resource::ResourceClaimTemplate),
        ("resource.k8s.io", "ResourceSlice") => Arc::new(dynamic_resource::ResourceSlice),
        ("scheduling.k8s.io", "PriorityClass") => Arc::new(scheduling::PriorityClass),
        ("storage.k8s.io", "CSIDriver") => Arc::new(storage::CsiDriver),
        ("storage.k8s.io", "CSINode") => Arc::new(storage::CsiNode),
        ("storage.k8s.io", "CSIStorageCapacity") => Arc::new(storage::CsiStorageCapacity),
        ("storage.k8s.io", "StorageClass") => Arc::new(storage::StorageClass),
        ("storage.k8s.io", "VolumeAttachment") => Arc::new(storage::VolumeAttachment),
        ("storage.k8s.io", "VolumeAttributesClass") => Arc::new(storage::VolumeAttributesClass),
        _ => Arc::new(Plain),
    }
}
