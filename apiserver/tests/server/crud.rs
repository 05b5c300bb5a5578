//! Every verb on every stored built-in resource in every version, found by discovery.

use serde_json::{Value, json};

use crate::bodies;
use crate::support::{APPLY, Client, JSON_PATCH, MERGE, STRATEGIC, Server, name, names, version};

/// One resource in one version, as discovery shows it.
pub struct Entry {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    /// Names and verbs.
    pub subresources: Vec<(String, Vec<String>)>,
}

impl Entry {
    pub fn root(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }

    /// The path of the collection.
    pub fn path(&self, namespace: &str) -> String {
        if self.namespaced {
            format!("{}/namespaces/{namespace}/{}", self.root(), self.plural)
        } else {
            format!("{}/{}", self.root(), self.plural)
        }
    }

    fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    pub fn object(&self, metadata: Value) -> Value {
        let mut object = bodies::of(&self.group, &self.version, &self.kind);
        object["apiVersion"] = self.api_version().into();
        object["kind"] = self.kind.as_str().into();
        object["metadata"] = metadata;
        object
    }

    fn name(&self) -> &'static str {
        bodies::name(&self.group, &self.version, &self.kind)
    }

    pub fn is_stored(&self) -> bool {
        self.verbs.iter().any(|verb| verb == "watch")
    }
}

/// Everything that discovery shows.
pub async fn discovered(client: &Client) -> Vec<Entry> {
    let mut roots = vec![("".to_owned(), "v1".to_owned(), "/api/v1".to_owned())];
    for group in client.get("/apis").await.ok()["groups"].as_array().unwrap() {
        for version in group["versions"].as_array().unwrap() {
            let text = |field: &str| version[field].as_str().unwrap().to_owned();
            roots.push((
                group["name"].as_str().unwrap().into(),
                text("version"),
                format!("/apis/{}", text("groupVersion")),
            ));
        }
    }
    let mut entries: Vec<Entry> = Vec::new();
    for (group, version, root) in roots {
        let list = client.get(&root).await.ok();
        let of = |resource: &Value| {
            resource["verbs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|verb| verb.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let resources = list["resources"].as_array().unwrap();
        for resource in resources.iter().filter(|resource| !resource["name"].as_str().unwrap().contains('/')) {
            let plural = resource["name"].as_str().unwrap();
            let subresources = resources.iter().filter_map(|other| {
                let (owner, name) = other["name"].as_str().unwrap().split_once('/')?;
                (owner == plural).then(|| (name.to_owned(), of(other)))
            });
            entries.push(Entry {
                group: group.clone(),
                version: version.clone(),
                kind: resource["kind"].as_str().unwrap().into(),
                plural: plural.into(),
                namespaced: resource["namespaced"].as_bool().unwrap(),
                verbs: of(resource),
                subresources: subresources.collect(),
            });
        }
    }
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_resource_lives_a_life() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.namespace("crud").await;
    // What the controllers make in every namespace.
    let account = json!({"metadata": {"name": "default"}});
    client.post("/api/v1/namespaces/crud/serviceaccounts", &account).await.created();
    let entries = discovered(&client).await;
    // To these the server itself gives a status at once; they have tests of their own.
    let busy = ["APIService", "CustomResourceDefinition", "FlowSchema"];
    let still = |entry: &Entry| entry.is_stored() && !busy.contains(&entry.kind.as_str());
    let stored: Vec<_> = entries.into_iter().filter(still).collect();
    assert!(stored.len() >= 57, "{}", stored.len());
    let lives = stored.into_iter().map(|entry| {
        let client = client.clone();
        tokio::spawn(async move { life(&client, &entry).await })
    });
    let failed = futures::future::join_all(lives).await.into_iter().filter(Result::is_err).count();
    assert_eq!(failed, 0, "lives that failed; see above");
}

async fn life(client: &Client, entry: &Entry) {
    let what = format!("{} {}", entry.api_version(), entry.kind);
    let path = entry.path("crud");
    let one = format!("{path}/{}", entry.name());
    let begin = client.get(&path).await.ok();
    let mut watch = client
        .watch(&format!(
            "{path}?watch=1&resourceVersion={}&fieldSelector=metadata.name%3D{}",
            version(&begin),
            entry.name()
        ))
        .await;

    let created = client.post(&path, &entry.object(json!({"name": entry.name()}))).await;
    assert_eq!(created.code, 201, "{what}: {}", created.text());
    let created = created.json();
    assert_eq!((&created["kind"], &created["apiVersion"]), (&json!(entry.kind), &json!(entry.api_version())), "{what}");
    assert!(!version(&created).is_empty() && created["metadata"]["uid"].is_string(), "{what}: {created}");
    assert_eq!(client.get(&one).await.ok(), created, "{what}: get");
    assert!(names(&client.get(&path).await.ok()).contains(&name(&created)), "{what}: list");
    assert_eq!(watch.expect("ADDED").await, created, "{what}: watch");
    let again = client.post(&path, &entry.object(json!({"name": entry.name()}))).await;
    again.refused(409, "AlreadyExists");

    let mut changed = created.clone();
    changed["metadata"]["labels"] = json!({"step": "update"});
    let updated = client.put(&one, &changed).await;
    assert_eq!(updated.code, 200, "{what}: update: {}", updated.text());
    let updated = updated.json();
    assert_eq!(updated["metadata"]["labels"]["step"], "update", "{what}");
    assert_eq!(watch.expect("MODIFIED").await, updated, "{what}: watch");
    client.put(&one, &changed).await.refused(409, "Conflict");

    let patches = [
        (MERGE, json!({"metadata": {"annotations": {"merge": "1"}}})),
        (STRATEGIC, json!({"metadata": {"annotations": {"strategic": "1"}}})),
        (JSON_PATCH, json!([{"op": "add", "path": "/metadata/annotations/json", "value": "1"}])),
        (
            APPLY,
            json!({
                "apiVersion": entry.api_version(), "kind": entry.kind,
                "metadata": {"name": entry.name(), "annotations": {"apply": "1"}},
            }),
        ),
    ];
    for (kind, patch) in patches {
        // Kinds with required fields cannot be applied without them; the rest of the object is what it was.
        let patched = client.patch(&format!("{one}?fieldManager=life"), kind, &patch).await;
        assert_eq!(patched.code, 200, "{what}: {kind}: {}", patched.text());
        assert_eq!(watch.expect("MODIFIED").await, patched.json(), "{what}: {kind}");
    }
    let now = client.get(&one).await.ok();
    // Some kinds have annotations of the server's, too.
    for annotation in ["merge", "strategic", "json", "apply"] {
        assert_eq!(now["metadata"]["annotations"][annotation], "1", "{what}: {now}");
    }

    for (subresource, _) in entry.subresources.iter().filter(|(name, _)| name == "status" || name == "scale") {
        let path = format!("{one}/{subresource}");
        let read = client.get(&path).await.ok();
        assert_eq!(name(&read), entry.name(), "{what}/{subresource}");
        let written = client.put(&path, &read).await;
        assert_eq!(written.code, 200, "{what}/{subresource}: {}", written.text());
        let patched = client.patch(&path, MERGE, &json!({})).await;
        assert_eq!(patched.code, 200, "{what}/{subresource}: {}", patched.text());
    }

    client.delete(&format!("{one}?propagationPolicy=Background")).await.ok();
    if entry.kind == "Namespace" {
        let mut last = watch.expect("MODIFIED").await;
        assert_eq!(last["status"]["phase"], "Terminating");
        last["spec"]["finalizers"] = json!([]);
        client.put(&format!("{one}/finalize"), &last).await.ok();
    }
    let deleted = loop {
        let event = watch.next().await.unwrap();
        if event["type"] == "DELETED" {
            break event["object"].clone();
        }
        // Finalizers of the kind's own keep it until they are taken away.
        if event["object"]["metadata"]["finalizers"].is_array() {
            client.patch(&one, MERGE, &json!({"metadata": {"finalizers": null}})).await;
        }
    };
    assert_eq!(deleted["metadata"]["annotations"]["merge"], "1", "{what}: the last state");
    assert_ne!(version(&deleted), version(&now), "{what}: the revision of the deletion");
    client.get(&one).await.refused(404, "NotFound");
    client.delete(&one).await.refused(404, "NotFound");

    if entry.verbs.iter().any(|verb| verb == "deletecollection") && !bodies::is_single(&entry.kind) {
        // Two groups or versions keep their objects in one place: each takes only its own.
        let own = entry.api_version().replace('/', "_");
        for label in ["go", "go", "stay"] {
            let labels = json!({"fate": label, "own": own});
            let made = client.post(&path, &entry.object(json!({"generateName": "many-", "labels": labels}))).await;
            assert_eq!(made.code, 201, "{what}: generateName: {}", made.text());
        }
        let gone =
            client.delete(&format!("{path}?labelSelector=fate%3Dgo,own%3D{own}&propagationPolicy=Background")).await;
        assert_eq!(gone.code, 200, "{what}: {}", gone.text());
        assert_eq!(names(&gone.json()).len(), 2, "{what}: {}", gone.text());
        let rest = client.get(&format!("{path}?labelSelector=own%3D{own}")).await.ok();
        let is_live = |object: &&Value| object["metadata"]["deletionTimestamp"].is_null();
        assert_eq!(rest["items"].as_array().unwrap().iter().filter(is_live).count(), 1, "{what}");
        client.delete(&format!("{path}?labelSelector=own%3D{own}&propagationPolicy=Background")).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evictions_are_counted_and_told() {
    let server = Server::start().await;
    let client = server.admin().await;
    let pods = "/api/v1/namespaces/default/pods";
    client.post("/api/v1/namespaces/default/serviceaccounts", &json!({"metadata": {"name": "default"}})).await;
    let pod = json!({
        "metadata": {"name": "p", "labels": {"app": "p"}, "finalizers": ["example.com/stays"]},
        "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i"}]},
    });
    client.post(pods, &pod).await.created();
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    client.patch(&format!("{pods}/p/status"), STRATEGIC, &status).await.ok();
    let eviction = |preconditions: Value| {
        let options = json!({"preconditions": preconditions});
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}, "deleteOptions": options})
    };
    let evict = async |preconditions| client.post(&format!("{pods}/p/eviction"), &eviction(preconditions)).await;

    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = |name: &str| json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "p"}}}});
    client.post(budgets, &budget("b")).await.created();
    evict(json!({})).await.refused(429, "TooManyRequests");
    let status = json!({"status": {
        "observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 1, "desiredHealthy": 0, "expectedPods": 1,
    }});
    client.patch(&format!("{budgets}/b/status"), MERGE, &status).await.ok();
    client.post(budgets, &budget("c")).await.created();
    let refused = evict(json!({})).await;
    assert_eq!((refused.code.as_u16(), refused.json()["reason"].is_null()), (500, true), "{}", refused.text());
    client.delete(&format!("{budgets}/c")).await.ok();

    let refused = evict(json!({"uid": "other"})).await;
    assert!(refused.refused(409, "Conflict").contains("the UID in the precondition (other) does not match"));
    client.patch(&format!("{budgets}/b/status"), MERGE, &status).await.ok();
    let version = client.get(&format!("{pods}/p")).await.ok()["metadata"]["resourceVersion"].clone();
    evict(json!({"resourceVersion": version})).await.created();
    let pod = client.get(&format!("{pods}/p")).await.ok();
    assert!(pod["metadata"]["deletionTimestamp"].is_string());
    let conditions = pod["status"]["conditions"].as_array().unwrap();
    let told = conditions.iter().find(|condition| condition["type"] == "DisruptionTarget").unwrap();
    assert_eq!((&told["status"], &told["reason"]), (&json!("True"), &json!("EvictionByEvictionAPI")));
    let budget = client.get(&format!("{budgets}/b")).await.ok();
    assert_eq!(budget["status"]["disruptionsAllowed"], 0);
    assert!(budget["status"]["disruptedPods"]["p"].is_string());
    // It is on its way already: no budget is asked.
    evict(json!({})).await.created();
}
