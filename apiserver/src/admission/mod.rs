//! Admission: what is checked and filled in between decoding and storing, in upstream's order.
//!
//! [`STEPS`] is the list. A plugin is one file: its doc, its code, its tests.

use apiserver_apply::managed_fields;
use async_trait::async_trait;
use configuration::Configuration;
use serde_json::Value;

use crate::flags::Flags;
use crate::object;
use crate::status::Result;

mod always;
mod always_pull_images;
mod attributes;
mod certificates;
mod configuration;
mod connect;
mod default_ingress_class;
mod default_storage_class;
mod default_toleration_seconds;
mod deny_service_external_ips;
mod event_rate_limit;
mod extended_resource_toleration;
mod limit_pod_hard_anti_affinity_topology;
mod limit_ranger;
pub mod matching;
mod namespace_auto_provision;
mod namespace_exists;
mod namespace_lifecycle;
mod node_restriction;
mod owner_references_permission_enforcement;
mod persistent_volume_claim_resize;
mod pod_node_selector;
mod pod_references;
mod pod_resize_validator;
mod pod_security;
mod pod_toleration_restriction;
mod pod_topology_labels;
pub mod policy;
mod priority;
pub mod request;
mod resource_quota;
mod runtime_class;
pub mod service_account;
mod storage_object_in_use_protection;
mod taint_nodes_by_condition;
mod tolerations;
mod webhook;

pub use attributes::{Attributes, Kind, Operation};
pub use connect::connect;
pub use service_account::suffix as random_suffix;
pub use webhook::Reinvocation;

/// One admission plugin.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// Whether the plugin has anything to say about a request. Cheap: every plugin is asked about every request.
    fn handles(&self, attributes: &Attributes<'_>) -> bool;

    /// Whether what [`Plugin::admit`] makes of an object is not for this server to say.
    fn is_foreign(&self) -> bool {
        false
    }

    /// Fills in, or refuses. The trees are in the request's version.
    async fn admit(&self, _attributes: &Attributes<'_>, _object: &mut Value) -> Result<()> {
        Ok(())
    }

    /// Refuses, once nothing changes the object any more. The trees are in the version that is stored.
    async fn validate(&self, _attributes: &Attributes<'_>, _object: &Value) -> Result<()> {
        Ok(())
    }
}

/// A place in the order.
struct Step {
    /// The name in `--enable-admission-plugins`.
    name: &'static str,
    /// Whether it runs without being named.
    on: bool,
    make: Make,
}

/// Makes a plugin from its configuration, which is null where there is none.
type Make = fn(&Value) -> anyhow::Result<Box<dyn Plugin>>;

const fn on(name: &'static str, make: Make) -> Step {
    Step { name, on: true, make }
}

const fn off(name: &'static str, make: Make) -> Step {
    Step { name, on: false, make }
}

/// All plugins in the order in which they run, first each one's [`Plugin::admit`], then each one's
/// [`Plugin::validate`].
const STEPS: &[Step] = &[
    off("AlwaysAdmit", |_| Ok(Box::new(always::AlwaysAdmit))),
    // A namespace is there, or is made, before anything is looked up in it.
    off("NamespaceAutoProvision", |_| Ok(Box::new(namespace_auto_provision::NamespaceAutoProvision))),
    on("NamespaceLifecycle", |_| Ok(Box::new(namespace_lifecycle::NamespaceLifecycle))),
    off("NamespaceExists", |_| Ok(Box::new(namespace_exists::NamespaceExists))),
    off("LimitPodHardAntiAffinityTopology", |_| {
        Ok(Box::new(limit_pod_hard_anti_affinity_topology::LimitPodHardAntiAffinityTopology))
    }),
    // What is left out of a pod is filled in before anyone counts or judges it.
    on("LimitRanger", |_| Ok(Box::new(limit_ranger::LimitRanger))),
    on("ServiceAccount", |_| Ok(Box::new(service_account::ServiceAccount))),
    off("NodeRestriction", |_| Ok(Box::new(node_restriction::NodeRestriction))),
    on("TaintNodesByCondition", |_| Ok(Box::new(taint_nodes_by_condition::TaintNodesByCondition))),
    off("AlwaysPullImages", |_| Ok(Box::new(always_pull_images::AlwaysPullImages))),
    // What a pod may do is judged once its images and its account are known.
    on("PodSecurity", |config| Ok(Box::new(pod_security::PodSecurity::new(config)?))),
    off("PodNodeSelector", |config| Ok(Box::new(pod_node_selector::PodNodeSelector::new(config)))),
    on("Priority", |_| Ok(Box::new(priority::Priority))),
    on("DefaultTolerationSeconds", |_| Ok(Box::new(default_toleration_seconds::DefaultTolerationSeconds))),
    // After the default tolerations, which it may forbid.
    off("PodTolerationRestriction", |config| {
        Ok(Box::new(pod_toleration_restriction::PodTolerationRestriction::new(config)))
    }),
    off("EventRateLimit", |config| Ok(Box::new(event_rate_limit::EventRateLimit::new(config)?))),
    off("ExtendedResourceToleration", |_| Ok(Box::new(extended_resource_toleration::ExtendedResourceToleration))),
    on("DefaultStorageClass", |_| Ok(Box::new(default_storage_class::DefaultStorageClass))),
    on("StorageObjectInUseProtection", |_| {
        Ok(Box::new(storage_object_in_use_protection::StorageObjectInUseProtection))
    }),
    off("OwnerReferencesPermissionEnforcement", |_| {
        Ok(Box::new(owner_references_permission_enforcement::OwnerReferencesPermissionEnforcement))
    }),
    on("PersistentVolumeClaimResize", |_| Ok(Box::new(persistent_volume_claim_resize::PersistentVolumeClaimResize))),
    on("RuntimeClass", |_| Ok(Box::new(runtime_class::RuntimeClass))),
    on("CertificateApproval", |_| Ok(Box::new(certificates::CertificateApproval))),
    on("CertificateSigning", |_| Ok(Box::new(certificates::CertificateSigning))),
    on("ClusterTrustBundleAttest", |_| Ok(Box::new(certificates::ClusterTrustBundleAttest))),
    on("CertificateSubjectRestriction", |_| Ok(Box::new(certificates::CertificateSubjectRestriction))),
    on("DefaultIngressClass", |_| Ok(Box::new(default_ingress_class::DefaultIngressClass))),
    off("DenyServiceExternalIPs", |_| Ok(Box::new(deny_service_external_ips::DenyServiceExternalIps))),
    on("PodTopologyLabels", |_| Ok(Box::new(pod_topology_labels::PodTopologyLabels))),
    on("PodResizeValidator", |_| Ok(Box::new(pod_resize_validator::PodResizeValidator))),
    // The user's own plugins come after all built-in ones, so that they see what will be stored. Policies need no
    // network, so they run before the webhooks of their kind.
    on("MutatingAdmissionPolicy", |_| Ok(Box::new(policy::MutatingPolicies::default()))),
    on("MutatingAdmissionWebhook", |_| Ok(Box::new(webhook::Webhooks::mutating()))),
    on("ValidatingAdmissionPolicy", |_| Ok(Box::new(policy::ValidatingPolicies::default()))),
    on("ValidatingAdmissionWebhook", |_| Ok(Box::new(webhook::Webhooks::validating()))),
    // Quota is charged when nothing else can refuse any more.
    on("ResourceQuota", |config| Ok(Box::new(resource_quota::ResourceQuota::new(config)))),
    off("AlwaysDeny", |_| Ok(Box::new(always::AlwaysDeny))),
];

/// Plugins of kube-apiserver that are not built yet; naming them is no error, so that kubeadm manifests start.
const NOT_YET: &[&str] = &["ImagePolicyWebhook", "NodeDeclaredFeatureValidator"];

/// Plugins that do nothing without a feature gate which 1.36 leaves off.
const GATED: &[&str] = &["JobValidation", "PodGroupProtection", "PodGroupWorkloadExists"];

/// The plugins that the flags ask for, in order.
///
/// # Errors
/// A name that is no plugin's, a plugin both enabled and disabled, or a configuration that cannot be read.
pub fn plugins(flags: &Flags) -> anyhow::Result<Vec<Box<dyn Plugin>>> {
    let known =
        |name: &str| STEPS.iter().any(|step| step.name == name) || NOT_YET.contains(&name) || GATED.contains(&name);
    let (enabled, disabled) = (&flags.enable_admission_plugins, &flags.disable_admission_plugins);
    for (flag, names) in [("enable-admission-plugins", enabled), ("disable-admission-plugins", disabled)] {
        if let Some(name) = names.iter().find(|name| !known(name)) {
            anyhow::bail!("{flag} plugin {name:?} is unknown");
        }
    }
    let both: Vec<&str> = enabled.iter().filter(|name| disabled.contains(name)).map(String::as_str).collect();
    anyhow::ensure!(
        both.is_empty(),
        "[{}] in enable-admission-plugins and disable-admission-plugins overlapped",
        both.join(" ")
    );
    for name in enabled.iter().filter(|name| NOT_YET.contains(&name.as_str())) {
        tracing::warn!(plugin = name, "this admission plugin is not built yet and does not run");
    }
    let configuration = Configuration::read(flags.admission_control_config_file.as_ref())?;
    STEPS
        .iter()
        .filter(|step| {
            let named = |names: &[String]| names.iter().any(|name| name == step.name);
            named(enabled) || step.on && !named(disabled)
        })
        .map(|step| (step.make)(configuration.of(step.name)))
        .collect()
}

/// Runs every plugin's mutating half.
pub async fn admit(attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
    // The owners as they were before somebody else may have changed them.
    let mut owners = None;
    let reinvocation = Reinvocation::default();
    let attributes = Attributes { reinvocation: Some(&reinvocation), ..*attributes };
    loop {
        for plugin in &attributes.context.server.admission {
            if plugin.handles(&attributes) {
                if plugin.is_foreign() && owners.is_none() {
                    owners = Some(object["metadata"].get("managedFields").cloned());
                }
                plugin.admit(&attributes, object).await?;
            }
        }
        // What a webhook changed the plugins before it have not seen.
        if !reinvocation.begin_again() {
            break;
        }
    }
    if let Some(owners) = owners
        && owners.as_ref() != object["metadata"].get("managedFields")
        && !has_readable_owners(&attributes, object)
    {
        object::set_meta(object, "managedFields", owners);
    }
    Ok(())
}

/// [`admit`] for an object that is as the client sent it: nobody has looked at its owners before.
pub async fn admit_as_sent(attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
    admit(attributes, object).await?;
    has_readable_owners(attributes, object);
    Ok(())
}

/// Warns of owners that the next write could not read.
fn has_readable_owners(attributes: &Attributes<'_>, object: &Value) -> bool {
    let outcome = managed_fields::validate(object["metadata"].get("managedFields"));
    if let Err(problem) = &outcome {
        attributes.context.warn(format!(
            ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: {problem}"
        ));
    }
    outcome.is_ok()
}

/// Runs every plugin's validating half.
pub async fn validate(attributes: &Attributes<'_>, object: &Value) -> Result<()> {
    for plugin in &attributes.context.server.admission {
        if plugin.handles(attributes) {
            plugin.validate(attributes, object).await?;
        }
    }
    Ok(())
}

/// Both halves, for a request whose object is no object to store: a binding, a token request, a connection.
pub async fn admit_and_validate(attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
    admit_as_sent(attributes, object).await?;
    validate(attributes, object).await
}
