//! NodeRestriction: a node writes what is its own, and no more.
//!
//! Source: `plugin/pkg/admission/noderestriction`. What a node may ask for at all the Node authorizer decides; here
//! is what depends on the contents of its requests.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use super::certificates::{self, request_subject};
use super::service_account::{MIRROR, is_mirror};
use super::{Attributes, Operation, Plugin, pod_references};
use crate::authn::User;
use crate::authz;
use crate::object::{self, items, text};
use crate::status::{GroupResource, Result, Status};

pub struct NodeRestriction;

const LEASES: &str = "kube-node-lease";

/// Labels in Kubernetes' own namespaces that a node sets on itself.
const OWN_LABELS: &[&str] = &[
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

#[async_trait]
impl Plugin for NodeRestriction {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation != Operation::Connect && node_name(attributes.user()).is_some()
    }

    async fn admit(&self, attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        let Some(node) = node_name(attributes.user()) else { return Ok(()) };
        let forbidden = |why: String| Err(attributes.forbidden(object, why));
        if node.is_empty() {
            return forbidden(format!("could not determine node from user {:?}", attributes.user().name));
        }
        let resource = attributes.target.resource();
        match (resource.group.as_str(), resource.plural.as_str(), attributes.subresource) {
            ("", "pods", "") => pod(attributes, node, object).await,
            ("", "pods", "status") => pod_status(attributes, node, object),
            ("", "pods", "eviction") => eviction(attributes, node, object).await,
            ("", "pods", other) => {
                forbidden(format!("unexpected pod subresource {other:?}, only 'status' and 'eviction' are allowed"))
            }
            ("", "nodes", _) => own_node(attributes, node, object),
            ("", "persistentvolumeclaims", "status") => claim_status(attributes, node, object),
            ("", "persistentvolumeclaims", _) => forbidden("may only update PVC status".to_owned()),
            ("", "serviceaccounts", "token") if attributes.operation == Operation::Create => {
                token(attributes, node, object).await
            }
            ("coordination.k8s.io", "leases", _) => lease(attributes, node, object),
            ("storage.k8s.io", "csinodes", _) => {
                if own_name(attributes, object) == node {
                    return Ok(());
                }
                forbidden("can only access CSINode with the same name as the requesting node".to_owned())
            }
            ("resource.k8s.io", "resourceslices", _) => resource_slice(attributes, node, object),
            ("certificates.k8s.io", "certificatesigningrequests", _) => signing_request(attributes, node, object),
            ("certificates.k8s.io", "podcertificaterequests", _) => {
                forbidden("PodCertificateRequest feature gate is disabled".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The name of the node that a user is, empty where it has none.
fn node_name(user: &User) -> Option<&str> {
    let name = user.name.strip_prefix("system:node:")?;
    user.is_in("system:nodes").then_some(name)
}

/// The name of the object: on create the attributes do not have it.
fn own_name<'a>(attributes: &Attributes<'a>, object: &'a Value) -> &'a str {
    if attributes.operation == Operation::Create { object::meta(object, "name") } else { attributes.name }
}

async fn existing_pod(attributes: &Attributes<'_>, name: &str) -> Result<Value> {
    let found = attributes.server().find("", "pods", attributes.namespace, name).await?;
    found.ok_or_else(|| Status::not_found(GroupResource { group: "", resource: "pods" }, name))
}

async fn pod(attributes: &Attributes<'_>, node: &str, object: &Value) -> Result<()> {
    let forbidden = |why: String| Err(attributes.forbidden(object, why));
    match attributes.operation {
        Operation::Create => {}
        Operation::Delete => {
            let existing = existing_pod(attributes, attributes.name).await?;
            if existing["spec"]["nodeName"] == node {
                return Ok(());
            }
            return forbidden(format!("node {node:?} can only delete pods with spec.nodeName set to itself"));
        }
        other => {
            let operation = other.name();
            return forbidden(format!(
                "unexpected operation {operation:?}, node {node:?} can only create and delete mirror pods"
            ));
        }
    }
    if !is_mirror(object) {
        return forbidden(format!(
            "pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"
        ));
    }
    if object["spec"]["nodeName"] != node {
        return forbidden(format!("node {node:?} can only create pods with spec.nodeName set to itself"));
    }
    let set_to_itself = format!("node {node:?} can only create pods with an owner reference set to itself");
    let owner = match items(&object["metadata"]["ownerReferences"]) {
        [] => return forbidden(set_to_itself),
        [owner] => owner,
        _ => {
            return forbidden(format!(
                "node {node:?} can only create pods with a single owner reference set to itself"
            ));
        }
    };
    if owner["apiVersion"] != "v1" || owner["kind"] != "Node" || owner["name"] != node {
        return forbidden(set_to_itself);
    }
    if owner["controller"] != Value::Bool(true) {
        return forbidden(format!(
            "node {node:?} can only create pods with a controller owner reference set to itself"
        ));
    }
    if owner["blockOwnerDeletion"] == Value::Bool(true) {
        return forbidden(format!("node {node:?} must not set blockOwnerDeletion on an owner reference"));
    }
    let Some(uid) = attributes.server().find_uid("", "nodes", "", node).await? else {
        return Err(Status::not_found(GroupResource { group: "", resource: "nodes" }, node));
    };
    if owner["uid"] != uid.as_str() {
        return forbidden(format!("node {node} UID mismatch: expected {} got {uid}", text(&owner["uid"])));
    }
    match pod_references::object_kind(object) {
        Ok(None) => Ok(()),
        Ok(Some(kind)) => forbidden(format!("node {node:?} can not create pods that reference {kind}")),
        Err(why) => forbidden(format!("error checking mirror pod for API references: {why}")),
    }
}

fn pod_status(attributes: &Attributes<'_>, node: &str, object: &Value) -> Result<()> {
    let forbidden = |why: String| Err(attributes.forbidden(object, why));
    let Some(old) = attributes.old.filter(|_| attributes.operation == Operation::Update) else {
        return forbidden(format!("unexpected operation {:?}", attributes.operation.name()));
    };
    if old["spec"]["nodeName"] != node {
        return forbidden(format!(
            "node {node:?} can only update pod status for pods with spec.nodeName set to itself"
        ));
    }
    if !object::same(&old["metadata"]["labels"], &object["metadata"]["labels"]) {
        return forbidden(format!("node {node:?} cannot update labels through pod status"));
    }
    let differs = |field: &str| !object::same(&old["status"][field], &object["status"][field]);
    if differs("resourceClaimStatuses") {
        return forbidden(format!("node {node:?} cannot update resource claim statues"));
    }
    if differs("extendedResourceClaimStatus") {
        return forbidden(format!("node {node:?} cannot update extended resource claim status"));
    }
    Ok(())
}

async fn eviction(attributes: &Attributes<'_>, node: &str, object: &Value) -> Result<()> {
    let forbidden = |why: String| Err(attributes.forbidden(object, why));
    if attributes.operation != Operation::Create {
        return forbidden(format!("unexpected operation {}", attributes.operation.name()));
    }
    let name = [attributes.name, object::meta(object, "name")].into_iter().find(|name| !name.is_empty());
    let Some(name) = name else { return forbidden("could not determine pod from request data".to_owned()) };
    if existing_pod(attributes, name).await?["spec"]["nodeName"] != node {
        return forbidden(format!("node {node} can only evict pods with spec.nodeName set to itself"));
    }
    Ok(())
}

fn own_node(attributes: &Attributes<'_>, node: &str, object: &Value) -> Result<()> {
    let forbidden = |why: String| Err(attributes.forbidden(object, why));
    if attributes.name != node {
        return forbidden(format!("node {node:?} is not allowed to modify node {:?}", attributes.name));
    }
    if attributes.operation == Operation::Create {
        if !object["spec"]["configSource"].is_null() {
            return forbidden(format!("node {node:?} is not allowed to create pods with a non-nil configSource"));
        }
        let labels = object["metadata"]["labels"].as_object().into_iter().flatten().map(|(key, _)| key);
        let refused = forbidden_labels(labels);
        if !refused.is_empty() {
            return forbidden(format!("node {node:?} is not allowed to set the following labels: {refused}"));
        }
    }
    let Some(old) = attributes.old.filter(|_| attributes.operation == Operation::Update) else { return Ok(()) };
    let source = &object["spec"]["configSource"];
    if !source.is_null() && *source != old["spec"]["configSource"] {
        return forbidden(format!("node {node:?} is not allowed to update configSource to a new non-nil configSource"));
    }
    if !object::same(&object["spec"]["taints"], &old["spec"]["taints"]) {
        return forbidden(format!("node {node:?} is not allowed to modify taints"));
    }
    if !object::same(&object["metadata"]["ownerReferences"], &old["metadata"]["ownerReferences"]) {
        return forbidden(format!("node {node:?} is not allowed to modify ownerReferences"));
    }
    let (new, before) = (&object["metadata"]["labels"], &old["metadata"]["labels"]);
    let keys = |labels: &Value| -> BTreeSet<String> {
        labels.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
    };
    let modified: Vec<String> =
        keys(new).union(&keys(before)).filter(|key| new[key.as_str()] != before[key.as_str()]).cloned().collect();
    let refused = forbidden_labels(modified.iter());
    if !refused.is_empty() {
        return forbidden(format!("is not allowed to modify labels: {refused}"));
    }
    Ok(())
}

/// Of some labels those that are not a node's to set, in order and joined for a message.
fn forbidden_labels<'a>(keys: impl Iterator<Item = &'a String>) -> String {
    let within = |namespace: &str, of: &str| {
        namespace == of || namespace.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'))
    };
    let refused: BTreeSet<&str> = keys
        .filter(|key| {
            let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
            if within(namespace, "node-restriction.kubernetes.io") {
                return true;
            }
            let kubernetes = within(namespace, "kubernetes.io") || within(namespace, "k8s.io");
            let own = OWN_LABELS.contains(&key.as_str())
                || within(namespace, "kubelet.kubernetes.io")
                || within(namespace, "node.kubernetes.io");
            kubernetes && !own
        })
        .map(String::as_str)
        .collect();
    refused.into_iter().collect::<Vec<_>>().join(", ")
}

fn claim_status(attributes: &Attributes<'_>, node: &str, object: &Value) -> Result<()> {
    let forbidden = |why: String| Err(attributes.forbidden(object, why));
    let Some(old) = attributes.old.filter(|_| attributes.operation == Operation::Update) else {
        return forbidden(format!("unexpected operation {:?}", attributes.operation.name()));
    };
    // What the node has done to the volume is the node's to tell, and nothing else.
    let rest = |claim: &Value| {
        let mut claim = claim.clone();
        for field in ["capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"] {
            object::remove(&mut claim["status"], field);
        }
        for field in ["resourceVersion", "managedFields"] {
            object::set_meta(&mut claim, field, None);
        }
        claim
    };
    if object::same(&rest(object), &rest(old)) {
        return Ok(());
    }
    forbidden(format!("node {node:?} is not allowed to update fields other than status.quantity and status.conditions"))
}

async fn token(attributes: &Attributes<'_>, node: &str, request: &Value) -> Result<()> {
    let forbidden = |why: String| Err(attributes.forbidden(request, why));
    let bound = &request["spec"]["boundObjectRef"];
    let name = text(&bound["name"]);
    if bound["apiVersion"] != "v1" || bound["kind"] != "Pod" || name.is_empty() {
        return forbidden("node requested token not bound to a pod".to_owned());
    }
    let uid = text(&bound["uid"]);
    if uid.is_empty() {
        return forbidden("node requested token with a pod binding without a uid".to_owned());
    }
    let pod = existing_pod(attributes, name).await?;
    if object::meta(&pod, "uid") != uid {
        return forbidden(format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
        ));
    }
    if pod["spec"]["nodeName"] != node {
        return forbidden("node requested token bound to a pod scheduled on a different node".to_owned());
    }
    let audience = match items(&request["spec"]["audiences"]) {
        [] => "",
        [one] => text(one),
        _ => return forbidden("node may only request 0 or 1 audiences".to_owned()),
    };
    let mut problems = Vec::new();
    for volume in items(&pod["spec"]["volumes"]) {
        match mentions_audience(attributes, &pod, volume, audience).await? {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(problem) => problems.push(problem),
        }
    }
    match problems.as_slice() {
        [] => {}
        [one] => return forbidden(format!("error validating audience {audience:?}: {one}")),
        several => return forbidden(format!("error validating audience {audience:?}: [{}]", several.join(", "))),
    }
    let user = attributes.user();
    let question = authz::Attributes {
        user,
        verb: "request-serviceaccounts-token-audience",
        is_resource: true,
        group: "",
        version: "v1",
        resource: audience,
        subresource: "",
        namespace: attributes.namespace,
        name: attributes.name,
        path: "",
        selectors: &authz::NO_SELECTORS,
    };
    let server = attributes.server();
    if server.authorization.decide(server, &question).is_allowed() {
        return Ok(());
    }
    forbidden(format!(
        "audience {audience:?} not found in pod spec volume, {} is not authorized to request tokens for this audience",
        user.name
    ))
}

/// Whether a volume of a pod needs tokens for an audience; else why that cannot be told.
async fn mentions_audience(
    attributes: &Attributes<'_>,
    pod: &Value,
    volume: &Value,
    audience: &str,
) -> Result<std::result::Result<bool, String>> {
    let projected = items(&volume["projected"]["sources"]).iter().any(|source| {
        let token = &source["serviceAccountToken"];
        token.is_object() && text(&token["audience"]) == audience
    });
    if projected {
        return Ok(Ok(true));
    }
    let server = attributes.server();
    let claim = if !volume["ephemeral"]["volumeClaimTemplate"].is_null() {
        format!("{}-{}", object::meta(pod, "name"), text(&volume["name"]))
    } else {
        text(&volume["persistentVolumeClaim"]["claimName"]).to_owned()
    };
    let driver = if claim.is_empty() {
        text(&volume["csi"]["driver"]).to_owned()
    } else {
        let Some(bound) = server.find("", "persistentvolumeclaims", attributes.namespace, &claim).await? else {
            return Ok(Err(format!("persistentvolumeclaims {claim:?} not found")));
        };
        let name = text(&bound["spec"]["volumeName"]);
        let Some(persistent) = server.find("", "persistentvolumes", "", name).await? else {
            return Ok(Err(format!("persistentvolumes {name:?} not found")));
        };
        text(&persistent["spec"]["csi"]["driver"]).to_owned()
    };
    if driver.is_empty() {
        return Ok(Ok(false));
    }
    let Some(found) = server.find("storage.k8s.io", "csidrivers", "", &driver).await? else {
        return Ok(Err(format!("csidrivers.storage.k8s.io {driver:?} not found")));
    };
    Ok(Ok(items(&found["spec"]["tokenRequests"]).iter().any(|request| text(&request["audience"]) == audience)))
}

fn lease(attributes: &Attributes<'_>, node: &str, object: &Value) -> Result<()> {
    if attributes.namespace != LEASES {
        let why = format_args!("can only access leases in the {LEASES:?} system namespace");
        return Err(attributes.forbidden(object, why));
    }
    if own_name(attributes, object) != node {
        let why = "can only access node lease with the same name as the requesting node";
        return Err(attributes.forbidden(object, why));
    }
    Ok(())
}

fn resource_slice(attributes: &Attributes<'_>, node: &str, object: &Value) -> Result<()> {
    let (slice, verb) = match attributes.operation {
        Operation::Create => (object, "create"),
        Operation::Delete => (attributes.old.unwrap_or(object), "delete"),
        _ => return Ok(()),
    };
    if slice["spec"]["nodeName"] == node {
        return Ok(());
    }
    let why = format_args!("can only {verb} ResourceSlice with the same NodeName as the requesting node");
    Err(attributes.forbidden(object, why))
}

fn signing_request(attributes: &Attributes<'_>, node: &str, object: &Value) -> Result<()> {
    let signer = text(&object["spec"]["signerName"]);
    let of_kubelets = matches!(signer, certificates::KUBELET_SERVING | certificates::KUBELET_CLIENT);
    if attributes.operation != Operation::Create || !of_kubelets {
        return Ok(());
    }
    let subject = request_subject(object)
        .map_err(|problem| attributes.forbidden(object, format_args!("unable to parse csr: {problem}")))?;
    let wanted = format!("system:node:{node}");
    if subject.common_name != wanted {
        return Err(attributes.forbidden(object, format_args!("can only create a node CSR with CN={wanted}")));
    }
    Ok(())
}
