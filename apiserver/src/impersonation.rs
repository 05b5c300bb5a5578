//! Acting as another user, for those who may.
//!
//! Source: apiserver `pkg/endpoints/filters/impersonation`.

use http::{HeaderMap, HeaderName};

use crate::authn::{AUTHENTICATED, User};
use crate::authz::{Attributes, NO_SELECTORS};
use crate::server::Server;
use crate::status::{GroupResource, Result, Status};

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
const UID: HeaderName = HeaderName::from_static("impersonate-uid");
const EXTRA: &str = "impersonate-extra-";

/// The user that a request is done for: the one who asks, or the one it asks to be.
pub fn user(server: &Server, asking: User, headers: &mut HeaderMap) -> Result<User> {
    let text =
        |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let name = text(&USER);
    let uid = text(&UID);
    let mut groups: Vec<String> =
        headers.get_all(&GROUP).iter().filter_map(|value| value.to_str().ok().map(str::to_owned)).collect();
    let extra: Vec<(String, String)> = headers
        .iter()
        .filter_map(|(key, value)| {
            Some((key.as_str().strip_prefix(EXTRA)?.to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    if name.is_empty() {
        if !uid.is_empty() || !groups.is_empty() || !extra.is_empty() {
            return Err(Status::bad_request(format!("requested [{{UID  {uid}}}] without impersonating a user name")));
        }
        return Ok(asking);
    }
    let whole = name.clone();
    let account = whole.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, account)) => check(server, &asking, "", "serviceaccounts", "", namespace, account)?,
        None => check(server, &asking, "", "users", "", "", &name)?,
    }
    for group in &groups {
        check(server, &asking, "", "groups", "", "", group)?;
    }
    if !uid.is_empty() {
        check(server, &asking, "authentication.k8s.io", "uids", "", "", &uid)?;
    }
    let mut user = User { name, uid, ..User::default() };
    for (key, value) in extra {
        check(server, &asking, "authentication.k8s.io", "userextras", &key, "", &value)?;
        user.extra.entry(key).or_default().push(value);
    }
    if let (Some((namespace, _)), true) = (account, groups.is_empty()) {
        groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    if user.name != crate::authn::ANONYMOUS && !groups.iter().any(|group| group == AUTHENTICATED) {
        groups.push(AUTHENTICATED.to_owned());
    }
    user.groups = groups;
    let own: Vec<HeaderName> = headers.keys().filter(|key| key.as_str().starts_with("impersonate-")).cloned().collect();
    for key in own {
        headers.remove(key);
    }
    Ok(user)
}

fn check(
    server: &Server,
    asking: &User,
    group: &str,
    resource: &str,
    subresource: &str,
    namespace: &str,
    name: &str,
) -> Result<()> {
    let attributes = Attributes {
        user: asking,
        verb: "impersonate",
        is_resource: true,
        group,
        version: "v1",
        resource,
        subresource,
        namespace,
        name,
        path: "",
        selectors: &NO_SELECTORS,
    };
    if server.authorization.decide(server, &attributes).is_allowed() {
        return Ok(());
    }
    Err(Status::forbidden(GroupResource { group, resource }, name, attributes.forbidden_message()))
}
