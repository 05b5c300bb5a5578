//! Admission over the wire: limits, quotas, standards, nodes and roles.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Files, MERGE, Server, names};

const PODS: &str = "/api/v1/namespaces/default/pods";

async fn service_account(client: &Client, namespace: &str) {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    client.post(&path, &json!({"metadata": {"name": "default"}})).await.created();
}

fn pod(name: &str, resources: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "i", "resources": resources}]}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_ranges_fill_in_and_refuse() {
    let server = Server::start().await;
    let client = server.admin().await;
    service_account(&client, "default").await;
    let limits = json!([
        {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "1"}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}},
    ]);
    let range = json!({"metadata": {"name": "l"}, "spec": {"limits": limits}});
    client.post("/api/v1/namespaces/default/limitranges", &range).await.created();
    let created = client.post(PODS, &pod("a", json!({}))).await.created();
    assert_eq!(
        created["spec"]["containers"][0]["resources"],
        json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "100m"}})
    );
    assert_eq!(
        created["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu request for container a; cpu limit for container a"
    );
    let refused = client.post(PODS, &pod("b", json!({"limits": {"cpu": "2"}}))).await.refused(403, "Forbidden");
    assert_eq!(refused, "pods \"b\" is forbidden: maximum cpu usage per Container is 1, but limit is 2");
    let claim = json!({"metadata": {"generateName": "c-"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}},
    }});
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let refused = client.post(claims, &claim).await.refused(403, "Forbidden");
    assert!(
        refused.ends_with("minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"),
        "{refused}"
    );
}

/// A quota whose use is known, as the controller would make it.
async fn quota(client: &Client, hard: Value, taken: Value) {
    let quotas = "/api/v1/namespaces/default/resourcequotas";
    let made = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    let mut made = client.post(quotas, &made).await.created();
    made["status"] = json!({"hard": hard, "used": taken});
    client.put(&format!("{quotas}/q/status"), &made).await.ok();
    // A read waits until the cache has what was written, by which admission goes.
    used(client).await;
}

async fn used(client: &Client) -> Value {
    client.get("/api/v1/namespaces/default/resourcequotas/q").await.ok()["status"]["used"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_creators_at_once_stay_within_the_quota() {
    let server = Server::start().await;
    let client = server.admin().await;
    quota(&client, json!({"configmaps": "10", "count/secrets": "1"}), json!({"configmaps": "0", "count/secrets": "0"}))
        .await;
    let path = "/api/v1/namespaces/default/configmaps";
    let answers = join_all((0..64).map(|number| {
        let client = client.clone();
        async move { client.post(path, &json!({"metadata": {"name": format!("c{number}")}})).await }
    }))
    .await;
    let created = answers.iter().filter(|answer| answer.code == 201).count();
    assert_eq!(created, 10);
    for answer in answers.iter().filter(|answer| answer.code != 201) {
        let refused = answer.refused(403, "Forbidden");
        assert!(
            refused.contains("exceeded quota: q, requested: configmaps=1, used: configmaps=10, limited: configmaps=10"),
            "{refused}"
        );
    }
    assert_eq!(used(&client).await["configmaps"], "10");
    assert_eq!(names(&client.get(path).await.ok()).len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_charge_pods_and_updates() {
    let server = Server::start().await;
    let client = server.admin().await;
    service_account(&client, "default").await;
    quota(
        &client,
        json!({"pods": "2", "requests.cpu": "1", "services.nodeports": "1"}),
        json!({"pods": "0", "requests.cpu": "0", "services.nodeports": "0"}),
    )
    .await;
    let missing = client.post(PODS, &pod("a", json!({}))).await.refused(403, "Forbidden");
    assert_eq!(missing, "pods \"a\" is forbidden: failed quota: q: must specify requests.cpu for: a");
    client.post(&format!("{PODS}?dryRun=All"), &pod("a", json!({"requests": {"cpu": "600m"}}))).await.created();
    assert_eq!(used(&client).await["pods"], "0");
    client.post(PODS, &pod("a", json!({"requests": {"cpu": "600m"}}))).await.created();
    let refused = client.post(PODS, &pod("b", json!({"requests": {"cpu": "500m"}}))).await.refused(403, "Forbidden");
    assert_eq!(
        refused,
        "pods \"b\" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1"
    );
    assert_eq!(used(&client).await, json!({"pods": "1", "requests.cpu": "600m", "services.nodeports": "0"}));
    let services = "/api/v1/namespaces/default/services";
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    client.post(services, &service).await.created();
    let ports = json!({"spec": {"type": "NodePort", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}});
    let refused = client.patch(&format!("{services}/s"), MERGE, &ports).await.refused(403, "Forbidden");
    assert!(refused.contains("exceeded quota: q, requested: services.nodeports=2"), "{refused}");
    client.patch(&format!("{services}/s"), MERGE, &json!({"spec": {"type": "NodePort"}})).await.ok();
    assert_eq!(used(&client).await["services.nodeports"], "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_ask_for_a_pod_security_standard() {
    let server = Server::start().await;
    let client = server.admin().await;
    let labels =
        json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"});
    client.post("/api/v1/namespaces", &json!({"metadata": {"name": "safe", "labels": labels}})).await.created();
    service_account(&client, "safe").await;
    let path = "/api/v1/namespaces/safe/pods";
    let mut root = pod("a", json!({}));
    root["spec"]["hostNetwork"] = true.into();
    let refused = client.post(path, &root).await.refused(403, "Forbidden");
    assert_eq!(
        refused,
        "pods \"a\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)"
    );
    let warned = client.post(path, &pod("a", json!({}))).await;
    warned.created();
    let warning = warned.headers["warning"].to_str().unwrap();
    assert!(
        warning.starts_with("299 - \"would violate PodSecurity \\\"restricted:latest\\\": allowPrivilegeEscalation"),
        "{warning}"
    );
    // A read waits until the cache has the pods that the new level is compared with.
    client.get(path).await.ok();
    let stricter = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    let answer = client.patch("/api/v1/namespaces/safe", MERGE, &stricter).await;
    answer.ok();
    let warnings: Vec<&str> = answer.headers.get_all("warning").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[1].starts_with("299 - \"a: allowPrivilegeEscalation != false, unrestricted capabilities"),
        "{warnings:?}"
    );
    let wrong = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "none"}}});
    let refused = client.patch("/api/v1/namespaces/safe", MERGE, &wrong).await.refused(422, "Invalid");
    assert!(refused.contains("must be one of privileged, baseline, restricted"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_write_only_what_is_theirs() {
    let server =
        Server::start_with(Files::new(), &["--storage=memory", "--enable-admission-plugins=NodeRestriction"]).await;
    let node = server.user("system:node:n1", &["system:nodes"]).await;
    let refused = node.post("/api/v1/nodes", &json!({"metadata": {"name": "n2"}})).await.refused(403, "Forbidden");
    assert_eq!(refused, "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"");
    let labels = json!({"node-role.kubernetes.io/master": "", "kubernetes.io/os": "linux", "own": "x"});
    let refused = node.post("/api/v1/nodes", &json!({"metadata": {"name": "n1", "labels": labels}})).await;
    assert_eq!(
        refused.refused(403, "Forbidden"),
        "nodes \"n1\" is forbidden: node \"n1\" is not allowed to set the following labels: node-role.kubernetes.io/master"
    );
    node.post("/api/v1/nodes", &json!({"metadata": {"name": "n1"}})).await.created();
    let taints = json!({"spec": {"taints": []}});
    let refused = node.patch("/api/v1/nodes/n1", MERGE, &taints).await.refused(403, "Forbidden");
    assert_eq!(refused, "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints");
    service_account(&server.admin().await, "default").await;
    let mut own = pod("p", json!({}));
    own["spec"]["nodeName"] = "n1".into();
    let refused = node.post(PODS, &own).await.refused(403, "Forbidden");
    assert!(refused.contains("can only create mirror pods"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_away_more_than_it_has() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let api = "/apis/rbac.authorization.k8s.io/v1";
    let rule = |verbs: &[&str], resources: &[&str], group: &str| json!({"verbs": verbs, "resources": resources, "apiGroups": [group]});
    // No star among the verbs: that would hold `escalate` and `bind`.
    let rules = json!([
        rule(&["create", "patch", "get"], &["roles", "rolebindings"], "rbac.authorization.k8s.io"),
        rule(&["get"], &["pods"], ""),
    ]);
    admin.post(&format!("{api}/clusterroles"), &json!({"metadata": {"name": "r"}, "rules": rules})).await.created();
    let binding = json!({
        "metadata": {"name": "r"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}],
    });
    admin.post(&format!("{api}/clusterrolebindings"), &binding).await.created();
    let eve = server.user("eve", &["people"]).await;
    let roles = format!("{api}/namespaces/default/roles");
    let less = json!({"metadata": {"name": "less"}, "rules": [rule(&["get"], &["pods"], "")]});
    eve.post(&roles, &less).await.created();
    let more = json!({"metadata": {"name": "more"}, "rules": [rule(&["get", "delete"], &["pods"], "")]});
    assert_eq!(
        eve.post(&roles, &more).await.refused(403, "Forbidden"),
        "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"eve\" (groups=[\"people\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}"
    );
    let bindings = format!("{api}/namespaces/default/rolebindings");
    let mut take = binding.clone();
    take["roleRef"]["name"] = "cluster-admin".into();
    let refused = eve.post(&bindings, &take).await.refused(403, "Forbidden");
    assert!(
        refused.contains(
            "{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}"
        ),
        "{refused}"
    );
    eve.post(&bindings, &binding).await.created();
    let refused = eve.patch(&format!("{roles}/less"), MERGE, &json!({"rules": more["rules"]})).await;
    refused.refused(403, "Forbidden");
    eve.patch(&format!("{roles}/less"), MERGE, &json!({"metadata": {"finalizers": ["a/b"]}})).await.ok();
}
