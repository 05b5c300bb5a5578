//! Approves what kubelets ask for, where whoever asks may have it.
//!
//! Source: `pkg/controller/certificates/approver/sarapprove.go`.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
        certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{Api, Client, api::PostParams};
use tracing::info;

use crate::{
    certificate_request::{self, KUBELET_CLIENT, Request},
    controller::{Context, Controller},
    informer::Informer,
    key::Key,
    queue::{self, Queue},
};

pub(crate) const CONTROLLER: Controller = Controller {
    name: "certificatesigningrequest-approving-controller",
    alias: "csrapproving",
    service_account: "certificate-controller",
    event_source: "certificate-controller",
    run: |context| Box::pin(run(context)),
};

/// What a requester must be allowed to create, and what is said where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Permission {
    subresource: &'static str,
    message: &'static str,
}

const SELF_NODE_CLIENT: Permission = Permission {
    subresource: "selfnodeclient",
    message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
};
const NODE_CLIENT: Permission = Permission {
    subresource: "nodeclient",
    message: "Auto approving kubelet client certificate after SubjectAccessReview.",
};

struct Worker {
    client: Client,
    requests: Informer<CertificateSigningRequest>,
}

async fn run(context: Context) -> Result<()> {
    let requests = context.informers.certificate_signing_requests();
    let worker = Arc::new(Worker { client: context.client, requests });
    let queue: Queue<Key> = Queue::default();
    let own = queue.clone();
    worker.requests.subscribe(move |change| own.add(Key::of(change.object().as_ref())));
    worker.requests.synced().await;
    queue::work(CONTROLLER.name, queue, 5, context.shutdown, move |key| {
        let worker = worker.clone();
        async move { worker.sync(&key).await }
    })
    .await;
    Ok(())
}

impl Worker {
    async fn sync(&self, key: &Key) -> Result<()> {
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        let permissions = permissions(&request).with_context(|| format!("unable to parse csr {:?}", key.name))?;
        for permission in &permissions {
            if self.is_allowed(&request, permission).await? {
                let approved = approved(&request, permission, Timestamp::now());
                let api: Api<CertificateSigningRequest> = Api::all(self.client.clone());
                api.replace_subresource("approval", &key.name, &PostParams::default(), &approved).await.map(drop)?;
                return Ok(());
            }
        }
        if !permissions.is_empty() {
            let tried: Vec<&str> = permissions.iter().map(|permission| permission.subresource).collect();
            let tried = tried.join(" ");
            info!("recognized csr {:?} as [{tried}] but subject access review was not approved", key.name);
        }
        Ok(())
    }

    async fn is_allowed(&self, request: &CertificateSigningRequest, permission: &Permission) -> Result<bool> {
        let spec = &request.spec;
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: spec.username.clone(),
                uid: spec.uid.clone(),
                groups: spec.groups.clone(),
                extra: spec.extra.clone(),
                resource_attributes: Some(ResourceAttributes {
                    group: Some("certificates.k8s.io".to_owned()),
                    resource: Some("certificatesigningrequests".to_owned()),
                    verb: Some("create".to_owned()),
                    subresource: Some(permission.subresource.to_owned()),
                    version: Some("*".to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}

/// Any of which would do; none where the request is no business of this controller.
fn permissions(request: &CertificateSigningRequest) -> Result<Vec<Permission>> {
    let is_decided =
        ["Approved", "Denied"].iter().any(|kind| certificate_request::conditions(request, kind).next().is_some());
    if is_decided || certificate_request::is_issued(request) {
        return Ok(Vec::new());
    }
    let parsed = Request::parse(&request.spec.request.0)?;
    let usages = request.spec.usages.clone().unwrap_or_default();
    if request.spec.signer_name != KUBELET_CLIENT || parsed.validate_kubelet_client(&usages).is_err() {
        return Ok(Vec::new());
    }
    let is_own = request.spec.username.as_deref() == Some(parsed.common_name.as_str());
    Ok(if is_own { vec![SELF_NODE_CLIENT, NODE_CLIENT] } else { vec![NODE_CLIENT] })
}

fn approved(request: &CertificateSigningRequest, permission: &Permission, now: Timestamp) -> CertificateSigningRequest {
    let mut approved = request.clone();
    let condition = CertificateSigningRequestCondition {
        type_: "Approved".to_owned(),
        status: "True".to_owned(),
        reason: Some("AutoApproved".to_owned()),
        message: Some(permission.message.to_owned()),
        last_update_time: Some(Time(now)),
        last_transition_time: None,
    };
    approved.status.get_or_insert_default().conditions.get_or_insert_default().push(condition);
    approved
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{ByteString, api::certificates::v1::CertificateSigningRequestSpec};

    use super::*;
    use crate::certificate_request::tests;

    fn request(username: &str) -> CertificateSigningRequest {
        CertificateSigningRequest {
            spec: CertificateSigningRequestSpec {
                request: ByteString(tests::request("system:node:a", "system:nodes", &[]).into_bytes()),
                signer_name: KUBELET_CLIENT.to_owned(),
                usages: Some(vec!["digital signature".to_owned(), "client auth".to_owned()]),
                username: Some(username.to_owned()),
                ..CertificateSigningRequestSpec::default()
            },
            ..CertificateSigningRequest::default()
        }
    }

    #[test]
    fn kubelets_ask_for_themselves_and_others_for_them() {
        assert_eq!(permissions(&request("system:node:a")).unwrap(), [SELF_NODE_CLIENT, NODE_CLIENT]);
        assert_eq!(permissions(&request("system:bootstrap:abcdef")).unwrap(), [NODE_CLIENT]);
        let mut other = request("system:node:a");
        other.spec.signer_name = "kubernetes.io/kube-apiserver-client".to_owned();
        assert_eq!(permissions(&other).unwrap(), []);
    }

    #[test]
    fn what_is_decided_is_left_alone() {
        let decided = approved(&request("system:node:a"), &NODE_CLIENT, Timestamp::now());
        let condition = &decided.status.as_ref().unwrap().conditions.as_ref().unwrap()[0];
        assert_eq!((condition.type_.as_str(), condition.reason.as_deref()), ("Approved", Some("AutoApproved")));
        assert_eq!(permissions(&decided).unwrap(), []);
    }
}
