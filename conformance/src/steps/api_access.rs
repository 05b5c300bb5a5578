//! What a pod may do at the API with its service account's token.

use anyhow::Result;
use serde_json::json;

use crate::context::{Context, contains, same};
use crate::harness::Step;

pub fn steps() -> Vec<Step> {
    vec![
        Step { name: "service-account-token", run: token },
        Step { name: "service-account-none", run: none },
        Step { name: "can-i", run: can_i },
    ]
}

const DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Asks the API at its Service's address with a pod's token: `200`, or kubectl's words.
///
/// The image has no HTTPS client, so kubectl on this machine carries the pod's token.
fn ask(context: &Context, token: &str, path: &str) -> Result<String> {
    let ip = context.run(&["get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}"])?;
    let server = format!("https://{ip}:443");
    let args = [
        "--kubeconfig=/dev/null",
        "--server",
        &server,
        "--insecure-skip-tls-verify",
        "--token",
        token,
        "get",
        "--raw",
        path,
    ];
    let ended = context.ended(&args)?;
    Ok(if ended.code == 0 { "200".to_owned() } else { ended.stderr })
}

fn token(context: &Context) -> Result<()> {
    context.start(&context.pod("client", "sleep 1000", json!({}), json!({})))?;
    let token = context.shell("client", &format!("cat {DIRECTORY}/token"))?;
    same(context.shell("client", &format!("cat {DIRECTORY}/namespace"))?.as_str(), context.namespace.as_str())?;
    contains(&context.shell("client", &format!("cat {DIRECTORY}/ca.crt"))?, "BEGIN CERTIFICATE")?;
    // The name resolves and the port answers where the pod stands.
    context.shell("client", "nc -w 3 kubernetes.default 443 < /dev/null")?;
    let path = format!("/api/v1/namespaces/{}/pods", context.namespace);
    contains(&ask(context, "no.such.token", &path)?, "Unauthorized")?;
    let refused = ask(context, &token, &path)?;
    contains(&refused, "Forbidden")?;
    let who = format!("User \"system:serviceaccount:{}:default\"", context.namespace);
    contains(&refused, &format!("{who} cannot list resource \"pods\" in API group \"\""))?;
    context.run(&["create", "role", "reader", "--verb=list", "--resource=pods"])?;
    let account = format!("--serviceaccount={}:default", context.namespace);
    context.run(&["create", "rolebinding", "reader", "--role=reader", &account])?;
    context.until("the role works", 10, || same(ask(context, &token, &path)?.as_str(), "200"))?;
    contains(&ask(context, &token, "/api/v1/nodes")?, "Forbidden")?;
    // A token ends with the pod that it is bound to.
    context.run(&["delete", "pod", "client"])?;
    context.until("the token of a pod that is gone is refused", 30, || {
        contains(&ask(context, &token, &path)?, "Unauthorized")
    })
}

fn none(context: &Context) -> Result<()> {
    context.start(&context.pod("client", "sleep 1000", json!({}), json!({"automountServiceAccountToken": false})))?;
    context.shell("client", &format!("test ! -e {DIRECTORY}"))?;
    let unknown = context.pod("unknown", "true", json!({}), json!({"serviceAccountName": "nobody"}));
    let refused = context.ended_with_input(&["create", "--validate=false", "-f", "-"], &unknown.to_string())?;
    contains(&refused.stderr, "error looking up service account")
}

fn can_i(context: &Context) -> Result<()> {
    let account = format!("--as=system:serviceaccount:{}:default", context.namespace);
    same(context.ended(&["auth", "can-i", "list", "pods", &account])?.stdout.trim(), "no")?;
    same(context.ended(&["auth", "can-i", "list", "pods"])?.stdout.trim(), "yes")?;
    same(context.run(&["create", "token", "default"])?.trim().split('.').count(), 3)
}
