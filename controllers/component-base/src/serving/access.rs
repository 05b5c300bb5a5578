//! Who may read a component's paths: delegated to the API server.

use http::{Method, Request, Response, StatusCode, header::AUTHORIZATION};
use hyper::body::Incoming;
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};

use super::{Access, Body, text};

/// `Ok` when the request may go on, else the refusal.
pub(super) async fn check(access: &Access, request: &Request<Incoming>) -> Result<(), Response<Body>> {
    match access {
        Access::Open => Ok(()),
        Access::HealthOnly => Err(forbidden("system:anonymous", request.method(), request.uri().path())),
        Access::Delegated(client) => {
            let user = match bearer(request) {
                Some(token) => authenticate(client, token).await?,
                None => UserInfo {
                    username: Some("system:anonymous".to_string()),
                    groups: Some(vec!["system:unauthenticated".to_string()]),
                    ..UserInfo::default()
                },
            };
            authorize(client, user, request.method(), request.uri().path()).await
        }
    }
}

fn bearer(request: &Request<Incoming>) -> Option<String> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    header.strip_prefix("Bearer ").map(|token| token.trim().to_string())
}

async fn authenticate(client: &Client, token: String) -> Result<UserInfo, Response<Body>> {
    let review = TokenReview { spec: TokenReviewSpec { token, audiences: None }, ..TokenReview::default() };
    let reviewed = Api::<TokenReview>::all(client.clone()).create(&PostParams::default(), &review).await;
    let status = reviewed.map_err(unavailable)?.status.unwrap_or_default();
    match status.user {
        Some(user) if status.authenticated == Some(true) => Ok(user),
        _ => Err(text(StatusCode::UNAUTHORIZED, "Unauthorized\n")),
    }
}

async fn authorize(client: &Client, user: UserInfo, method: &Method, path: &str) -> Result<(), Response<Body>> {
    let name = user.username.clone().unwrap_or_default();
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: user.username,
            groups: user.groups,
            uid: user.uid,
            extra: user.extra,
            non_resource_attributes: Some(NonResourceAttributes {
                path: Some(path.to_string()),
                verb: Some(verb(method)),
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviewed = Api::<SubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await;
    if reviewed.map_err(unavailable)?.status.is_some_and(|status| status.allowed) {
        Ok(())
    } else {
        Err(forbidden(&name, method, path))
    }
}

fn verb(method: &Method) -> String {
    method.as_str().to_lowercase()
}

fn forbidden(user: &str, method: &Method, path: &str) -> Response<Body> {
    text(StatusCode::FORBIDDEN, format!("forbidden: User {user:?} cannot {} path {path:?}\n", verb(method)))
}

fn unavailable(error: kube::Error) -> Response<Body> {
    text(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot ask the API server for access: {error}\n"))
}
