//! Who may use the endpoint: client certificates and TokenReview say who, SubjectAccessReview on `nodes/*` says whether.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use controllers_component_base::serving::{Body, text};
use http::{Method, Request, Response, StatusCode, header::AUTHORIZATION};
use hyper::body::Incoming;
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;
use tracing::warn;

use crate::config::Config;

/// Upstream's times: how long answers of the API server are believed.
const TOKEN_TTL: Duration = Duration::from_secs(120);
const ALLOWED_TTL: Duration = Duration::from_secs(300);
const DENIED_TTL: Duration = Duration::from_secs(30);
const MAX_REMEMBERED: usize = 1024;

/// The user of a verified client certificate; nobody without one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer(Option<User>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct User {
    name: String,
    groups: Vec<String>,
}

impl Peer {
    /// CommonName is the user, Organizations are the groups.
    pub fn of(certificate: &CertificateDer) -> Self {
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return Peer(None) };
        let subject = certificate.subject();
        let text = |attribute: &x509_parser::x509::AttributeTypeAndValue| attribute.as_str().map(str::to_string).ok();
        let Some(name) = subject.iter_common_name().find_map(text) else { return Peer(None) };
        let groups = subject.iter_organization().filter_map(text).chain(["system:authenticated".to_string()]);
        Peer(Some(User { name, groups: groups.collect() }))
    }
}

/// May this user do this (verb, last) to this subresource?
type Question = (User, String, &'static str);

/// The rules, and what was answered lately.
pub struct Access {
    client: Client,
    node: String,
    anonymous: bool,
    tokens: bool,
    webhook: bool,
    users: Mutex<HashMap<String, (Option<User>, Instant)>>,
    decisions: Mutex<HashMap<Question, (bool, Instant)>>,
}

impl Access {
    pub fn new(client: Client, config: &Config) -> Self {
        Self {
            client,
            node: config.node_name.clone(),
            anonymous: config.serving.anonymous,
            tokens: config.serving.token_webhook,
            webhook: config.serving.authorization_webhook,
            users: Mutex::new(HashMap::new()),
            decisions: Mutex::new(HashMap::new()),
        }
    }

    /// `Ok` when the request may go on, else the refusal.
    pub async fn check(&self, peer: &Peer, request: &Request<Incoming>) -> Result<(), Response<Body>> {
        let unauthorized = || text(StatusCode::UNAUTHORIZED, "Unauthorized");
        let bearer =
            request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok()?.strip_prefix("Bearer "));
        let user = match (&peer.0, bearer) {
            (Some(user), _) => user.clone(),
            (None, Some(token)) if self.tokens => self.authenticate(token).await?.ok_or_else(unauthorized)?,
            (None, Some(_)) => return Err(unauthorized()),
            (None, None) if self.anonymous => {
                User { name: "system:anonymous".into(), groups: vec!["system:unauthenticated".into()] }
            }
            (None, None) => return Err(unauthorized()),
        };
        if !self.webhook {
            return Ok(());
        }
        let verb = verb(request.method());
        let subresources = subresources(request.uri().path());
        for subresource in &subresources {
            if self.authorize(&user, subresource, verb).await? {
                return Ok(());
            }
        }
        let message = format!(
            "Forbidden (user={}, verb={verb}, resource=nodes, subresource(s)=[{}])\n",
            user.name,
            subresources.join(" ")
        );
        Err(text(StatusCode::FORBIDDEN, message))
    }

    async fn authenticate(&self, token: &str) -> Result<Option<User>, Response<Body>> {
        if let Some((user, until)) = self.users.lock().get(token)
            && Instant::now() < *until
        {
            return Ok(user.clone());
        }
        let review =
            TokenReview { spec: TokenReviewSpec { token: token.to_string(), audiences: None }, ..Default::default() };
        let reviewed = Api::<TokenReview>::all(self.client.clone()).create(&PostParams::default(), &review).await;
        let status = reviewed.map_err(|error| self.failed("TokenReview", &error))?.status.unwrap_or_default();
        let user = status
            .user
            .filter(|_| status.authenticated == Some(true))
            .map(|user| User { name: user.username.unwrap_or_default(), groups: user.groups.unwrap_or_default() });
        remember(&self.users, token.to_string(), user.clone(), TOKEN_TTL);
        Ok(user)
    }

    async fn authorize(&self, user: &User, subresource: &str, verb: &'static str) -> Result<bool, Response<Body>> {
        let key = (user.clone(), subresource.to_string(), verb);
        if let Some((allowed, until)) = self.decisions.lock().get(&key)
            && Instant::now() < *until
        {
            return Ok(*allowed);
        }
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.name.clone()),
                groups: Some(user.groups.clone()),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(verb.to_string()),
                    version: Some("v1".into()),
                    resource: Some("nodes".into()),
                    subresource: Some(subresource.to_string()),
                    name: Some(self.node.clone()),
                    ..Default::default()
                }),
                ..Default::default()
            },
            ..Default::default()
        };
        let reviewed =
            Api::<SubjectAccessReview>::all(self.client.clone()).create(&PostParams::default(), &review).await;
        let allowed = reviewed
            .map_err(|error| self.failed("SubjectAccessReview", &error))?
            .status
            .is_some_and(|status| status.allowed);
        remember(&self.decisions, key, allowed, if allowed { ALLOWED_TTL } else { DENIED_TTL });
        Ok(allowed)
    }

    fn failed(&self, what: &str, error: &kube::Error) -> Response<Body> {
        warn!("{what} failed: {error}");
        text(StatusCode::INTERNAL_SERVER_ERROR, "Authorization error\n")
    }
}

fn remember<K: Hash + Eq, V>(map: &Mutex<HashMap<K, (V, Instant)>>, key: K, value: V, ttl: Duration) {
    let mut map = map.lock();
    let now = Instant::now();
    if map.len() >= MAX_REMEMBERED {
        map.retain(|_, (_, until)| now < *until);
    }
    // Someone who tries many tokens must not fill the memory.
    if map.len() < MAX_REMEMBERED {
        map.insert(key, (value, now + ttl));
    }
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::GET => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

/// The subresources of `nodes` that allow a path, any of them.
fn subresources(path: &str) -> Vec<&'static str> {
    let under = |prefix: &str| path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    if under("/stats") {
        vec!["stats"]
    } else if under("/metrics") {
        vec!["metrics"]
    } else if under("/logs") {
        vec!["log"]
    } else if under("/checkpoint") {
        vec!["checkpoint"]
    } else if under("/pods") || under("/runningpods") {
        vec!["pods", "proxy"]
    } else if under("/healthz") {
        vec!["healthz", "proxy"]
    } else if under("/configz") {
        vec!["configz", "proxy"]
    } else {
        vec!["proxy"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes() {
        assert_eq!(subresources("/pods"), ["pods", "proxy"]);
        assert_eq!(subresources("/podsx"), ["proxy"]);
        assert_eq!(subresources("/metrics/cadvisor"), ["metrics"]);
        assert_eq!(subresources("/exec/a/b/c"), ["proxy"]);
    }

    #[test]
    fn certificates() {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "kube-apiserver-kubelet-client");
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "kubeadm:cluster-admins");
        let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let peer = Peer::of(certificate.der());
        let user = peer.0.unwrap();
        assert_eq!(user.name, "kube-apiserver-kubelet-client");
        assert_eq!(user.groups, ["kubeadm:cluster-admins", "system:authenticated"]);
        assert_eq!(Peer::of(&CertificateDer::from(vec![1, 2])), Peer(None));
    }
}
