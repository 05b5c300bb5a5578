//! Who gets in, who may do what, and who may pretend to be whom.

use http::Method;
use serde_json::json;

use crate::crud::discovered;
use crate::support::{JSON, MERGE, Server, names, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nobody_is_refused_on_every_route_and_verb() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let entries = discovered(&admin).await;
    let nobody = server.user("nobody", &[]).await;
    let stranger = server.anonymous().await;
    let forged = server.anonymous().await.with("authorization", "Bearer forged");
    let mut tried = 0;
    for entry in &entries {
        // What everybody may ask about oneself.
        if entry.kind.starts_with("SelfSubject") {
            continue;
        }
        let path = entry.path("default");
        let mut routes: Vec<(Method, String)> = Vec::new();
        for verb in &entry.verbs {
            routes.extend(route(verb, &path));
        }
        for (subresource, verbs) in &entry.subresources {
            for verb in verbs {
                let (method, _) = route(verb, "").remove(0);
                routes.push((method, format!("{path}/x/{subresource}")));
            }
        }
        for (method, path) in routes {
            let content_type = if method == Method::PATCH { MERGE } else { JSON };
            let body = if method == Method::GET { "" } else { "{}" };
            nobody.send(method.clone(), &path, content_type, body).await.refused(403, "Forbidden");
            stranger.send(method.clone(), &path, content_type, body).await.refused(403, "Forbidden");
            forged.send(method.clone(), &path, content_type, body).await.refused(401, "Unauthorized");
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried}");
    for path in ["/metrics", "/apis", "/api", "/logs", "/"] {
        stranger.get(path).await.refused(403, "Forbidden");
    }
    for path in ["/version", "/healthz", "/livez", "/readyz"] {
        assert_eq!(stranger.get(path).await.code, 200, "{path}");
    }
    nobody.get("/apis").await.ok();
}

fn route(verb: &str, path: &str) -> Vec<(Method, String)> {
    let one = format!("{path}/x");
    match verb {
        "create" => vec![(Method::POST, path.to_owned())],
        "update" => vec![(Method::PUT, one)],
        "patch" => vec![(Method::PATCH, one)],
        "delete" => vec![(Method::DELETE, one)],
        "deletecollection" => vec![(Method::DELETE, path.to_owned())],
        "get" => vec![(Method::GET, one)],
        "list" => vec![(Method::GET, path.to_owned())],
        _ => vec![(Method::GET, format!("{path}?watch=1"))],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_anonymous_access_a_stranger_is_told_nothing() {
    let server = Server::start_with(crate::support::Files::new(), &["--storage=memory"]).await;
    let stranger = server.anonymous().await.with("authorization", "Bearer forged");
    stranger.get("/healthz").await.refused(401, "Unauthorized");
    stranger.get("/no/such/path").await.refused(401, "Unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_allow_what_they_say() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let reader = server.user("reader", &["readers"]).await;
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let pods = "/api/v1/namespaces/default/pods";
    let message = reader.get(pods).await.refused(403, "Forbidden");
    assert_eq!(
        message,
        "pods is forbidden: User \"reader\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    let role =
        json!({"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]});
    admin.post(&format!("{rbac}/roles"), &role).await.created();
    let binding = json!({"metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers"}]});
    admin.post(&format!("{rbac}/rolebindings"), &binding).await.created();
    until("the binding's effect", async || (reader.get(pods).await.code == 200).then_some(())).await;
    reader.get(&format!("{pods}/x")).await.refused(403, "Forbidden");
    reader.get("/api/v1/namespaces/kube-system/pods").await.refused(403, "Forbidden");
    reader.get("/api/v1/pods").await.refused(403, "Forbidden");
    let review = |verb: &str| json!({"spec": {"resourceAttributes": {"namespace": "default", "verb": verb, "resource": "pods"}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert_eq!(reader.post(path, &review("list")).await.created()["status"]["allowed"], true);
    assert_eq!(reader.post(path, &review("delete")).await.created()["status"]["allowed"], false);
    let mine = reader.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).await.created();
    assert_eq!(mine["status"]["userInfo"]["groups"], json!(["readers", "system:authenticated"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_account_tokens_are_made_used_and_end_with_their_account() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    admin.post(accounts, &json!({"metadata": {"name": "robot"}})).await.created();
    let request = json!({"spec": {"expirationSeconds": 600}});
    let made = admin.post(&format!("{accounts}/robot/token"), &request).await.created();
    let token = made["status"]["token"].as_str().unwrap().to_owned();
    let robot = server.anonymous().await.with("authorization", &format!("Bearer {token}"));
    let mine = robot.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).await.created();
    let user = &mine["status"]["userInfo"];
    assert_eq!(user["username"], "system:serviceaccount:default:robot");
    assert_eq!(
        user["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
    );
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let review = admin.post(reviews, &json!({"spec": {"token": token}})).await.created();
    assert_eq!(review["status"]["authenticated"], true);
    assert_eq!(review["status"]["audiences"], json!(["https://kubernetes.default.svc"]));
    let elsewhere = admin.post(reviews, &json!({"spec": {"token": token, "audiences": ["other"]}})).await.created();
    assert_ne!(elsewhere["status"]["authenticated"], true);
    admin
        .post(&format!("{accounts}/robot/token"), &json!({"spec": {"expirationSeconds": 5}}))
        .await
        .refused(422, "Invalid");
    admin.post(&format!("{accounts}/nobody/token"), &request).await.refused(404, "NotFound");
    let mut broken = token.clone();
    broken.truncate(token.len() - 4);
    server
        .anonymous()
        .await
        .with("authorization", &format!("Bearer {broken}"))
        .get("/version")
        .await
        .refused(401, "Unauthorized");

    admin.delete(&format!("{accounts}/robot")).await.ok();
    until("the token's end", async || (robot.get("/version").await.code == 401).then_some(())).await;
    // A new account of the old name is another one.
    admin.post(accounts, &json!({"metadata": {"name": "robot"}})).await.created();
    robot.get("/version").await.refused(401, "Unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impersonation_is_for_those_who_may() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let as_jane = admin
        .with("impersonate-user", "jane")
        .with("impersonate-group", "devs")
        .with("impersonate-extra-reason", "support");
    let mine = as_jane.post(whoami, &json!({})).await.created();
    let user = &mine["status"]["userInfo"];
    assert_eq!(user["username"], "jane");
    assert_eq!(user["groups"], json!(["devs", "system:authenticated"]));
    assert_eq!(user["extra"], json!({"reason": ["support"]}));
    as_jane.get("/api/v1/nodes").await.refused(403, "Forbidden");
    let account =
        admin.with("impersonate-user", "system:serviceaccount:default:x").post(whoami, &json!({})).await.created();
    assert_eq!(
        account["status"]["userInfo"]["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
    );
    let nobody = server.user("nobody", &[]).await;
    let message = nobody.with("impersonate-user", "admin").get("/version").await.refused(403, "Forbidden");
    assert!(message.contains("cannot impersonate resource \"users\""), "{message}");
    admin.with("impersonate-group", "devs").get("/version").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_reads_what_its_own_pods_need() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let core = "/api/v1/namespaces/default";
    admin.post(&format!("{core}/serviceaccounts"), &json!({"metadata": {"name": "default"}})).await.created();
    for (node, secret) in [("n1", "own"), ("n2", "other")] {
        let pod = json!({"metadata": {"name": format!("on-{node}")}, "spec": {
            "nodeName": node, "containers": [{"name": "a", "image": "i"}],
            "volumes": [{"name": "v", "secret": {"secretName": secret}}],
        }});
        admin.post(&format!("{core}/secrets"), &json!({"metadata": {"name": secret}})).await.created();
        admin.post(&format!("{core}/pods"), &pod).await.created();
        // A read waits until the cache has it, by which a node is judged.
        admin.get(&format!("{core}/pods/on-{node}")).await.ok();
    }
    let node = server.user("system:node:n1", &["system:nodes"]).await;
    node.get(&format!("{core}/secrets/own")).await.ok();
    node.get(&format!("{core}/pods/on-n1")).await.ok();
    let listed = node.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1").await.ok();
    assert_eq!(names(&listed), ["on-n1"]);
    let named = node.get(&format!("{core}/secrets?fieldSelector=metadata.name%3Down")).await.ok();
    assert_eq!(names(&named), ["own"]);
    for (path, why) in [
        ("secrets/other", "no relationship found between node 'n1' and this object"),
        ("secrets", "No Object name found"),
        ("secrets?fieldSelector=metadata.name%3Dother", "no relationship found between node 'n1' and this object"),
        ("pods/on-n2", "no relationship found between node 'n1' and this object"),
        ("pods", "can only list/watch pods with spec.nodeName field selector"),
        ("pods?fieldSelector=spec.nodeName%3Dn2", "can only list/watch pods with spec.nodeName field selector"),
        ("pods?fieldSelector=spec.nodeName%21%3Dn1", "can only list/watch pods with spec.nodeName field selector"),
    ] {
        let refused = node.get(&format!("{core}/{path}")).await.refused(403, "Forbidden");
        assert!(refused.ends_with(&format!(": {why}")), "{path}: {refused}");
    }
    let refused = node.get("/api/v1/nodes").await.refused(403, "Forbidden");
    assert!(refused.ends_with("node 'n1' cannot read all nodes, only its own Node object"), "{refused}");
    node.get("/api/v1/nodes/n1").await.refused(404, "NotFound");
    node.get("/api/v1/nodes?fieldSelector=metadata.name%3Dn1").await.ok();
}
