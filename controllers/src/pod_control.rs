//! Creating pods from templates and deleting them, with the events every workload controller records.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use controllers_component_base::events::{EventType, Recorder};
use k8s_openapi::api::core::v1::{ObjectReference, Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, Client,
    api::{DeleteParams, ObjectMeta, PostParams},
};

/// Acts for one owner.
pub struct PodControl<'a> {
    pub client: &'a Client,
    pub recorder: &'a Recorder,
    /// What the events are about.
    pub owner: &'a ObjectReference,
    pub namespace: &'a str,
}

impl PodControl<'_> {
    /// Creates `pod`. `Ok(false)` where the namespace is being deleted, so that any creation must fail.
    ///
    /// # Errors
    /// What the API server answered, after a FailedCreate event.
    pub async fn create(&self, pod: &Pod) -> Result<bool> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), self.namespace);
        match api.create(&PostParams::default(), pod).await {
            Ok(created) => {
                let name = created.metadata.name.unwrap_or_default();
                self.event(EventType::Normal, "SuccessfulCreate", &format!("Created pod: {name}"));
                Ok(true)
            }
            Err(error) if namespace_terminating(&error) => Ok(false),
            Err(error) => {
                self.event(EventType::Warning, "FailedCreate", &format!("Error creating: {}", message(&error)));
                Err(anyhow::anyhow!(message(&error)))
            }
        }
    }

    /// Deletes a pod. `Ok(false)` where it is gone already.
    ///
    /// # Errors
    /// What the API server answered, after a FailedDelete event.
    pub async fn delete(&self, name: &str) -> Result<bool> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), self.namespace);
        match api.delete(name, &DeleteParams::default()).await {
            Ok(_) => {
                self.event(EventType::Normal, "SuccessfulDelete", &format!("Deleted pod: {name}"));
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => {
                self.event(EventType::Warning, "FailedDelete", &format!("Error deleting: {}", message(&error)));
                Err(anyhow::anyhow!(message(&error))).context("unable to delete pods")
            }
        }
    }

    fn event(&self, kind: EventType, reason: &str, message: &str) {
        self.recorder.event(self.owner, kind, reason, message);
    }
}

/// A pod of a template, named `<owner>-<five random characters>` by the API server.
pub fn from_template(template: &PodTemplateSpec, reference: &OwnerReference) -> Pod {
    let meta = template.metadata.clone().unwrap_or_default();
    let not_empty = |map: Option<BTreeMap<String, String>>| map.filter(|map| !map.is_empty());
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(pod_prefix(&reference.name)),
            labels: not_empty(meta.labels),
            annotations: not_empty(meta.annotations),
            finalizers: meta.finalizers.filter(|finalizers| !finalizers.is_empty()),
            owner_references: Some(vec![reference.clone()]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// `<owner>-`, or the owner's name alone where that would be no valid pod name.
fn pod_prefix(owner: &str) -> String {
    if owner.len() < 253 { format!("{owner}-") } else { owner.to_string() }
}

/// The API server's message, as client-go's errors print.
pub fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}

/// Whether a write failed because its namespace is being deleted.
pub fn namespace_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "NamespaceTerminating")
}
