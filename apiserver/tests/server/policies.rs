//! ValidatingAdmissionPolicy and MutatingAdmissionPolicy over the wire.

use serde_json::{Value, json};

use crate::support::{Client, Server, until};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

fn map(name: &str, data: Value) -> Value {
    json!({"metadata": {"name": name, "labels": {"app": name}}, "data": data})
}

/// Adds a policy, about config maps unless it says otherwise, and its binding.
async fn policy(client: &Client, kind: &str, name: &str, spec: Value, binding: Value) {
    let mut spec = spec;
    if spec["matchConstraints"].is_null() {
        spec["matchConstraints"] = json!({"resourceRules": [
            {"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]},
        ]});
    }
    let policy = json!({"metadata": {"name": name}, "spec": spec});
    client.post(&format!("{GROUP}/{kind}admissionpolicies"), &policy).await.created();
    let mut binding = binding;
    binding["policyName"] = name.into();
    let binding = json!({"metadata": {"name": format!("{name}-binding")}, "spec": binding});
    client.post(&format!("{GROUP}/{kind}admissionpolicybindings"), &binding).await.created();
}

/// What a create is refused with, once the caches have heard of the policy.
async fn refused(client: &Client, object: &Value, code: u16, reason: &str) -> String {
    until(reason, async || {
        let answer = client.post(&format!("{MAPS}?dryRun=All"), object).await;
        (answer.code != 201).then(|| answer.refused(code, reason))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn validating_policies_refuse_and_warn() {
    let server = Server::start().await;
    let client = server.admin().await;
    client.post(MAPS, &map("params", json!({"most": "2"}))).await.created();
    policy(
        &client,
        "validating",
        "few",
        json!({
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConditions": [{"name": "no-params", "expression": "object.metadata.name != 'params'"}],
            "variables": [{"name": "count", "expression": "has(object.data) ? size(object.data) : 0"}],
            "validations": [
                {
                    "expression": "variables.count <= int(params.data.most)",
                    "messageExpression": "string(variables.count) + ' is more than ' + params.data.most",
                    "reason": "Forbidden",
                },
                {"expression": "request.userInfo.username != ''", "message": "who are you?"},
                {"expression": "authorizer.requestResource.check('create').allowed()"},
                {"expression": "namespaceObject.metadata.name == 'default'"},
            ],
        }),
        json!({"validationActions": ["Deny"], "paramRef": {"name": "params", "parameterNotFoundAction": "Deny"}}),
    )
    .await;
    assert_eq!(
        refused(&client, &map("a", json!({"x": "1", "y": "2", "z": "3"})), 403, "Forbidden").await,
        "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'few' with binding 'few-binding' denied request: 3 is more than 2"
    );
    client.post(MAPS, &map("b", json!({"x": "1"}))).await.created();
    policy(
        &client,
        "validating",
        "broken",
        json!({"validations": [{"expression": "object.data.nothing == 'x'"}]}),
        json!({"validationActions": ["Deny"], "matchResources": {"objectSelector": {"matchLabels": {"app": "broken"}}}}),
    )
    .await;
    assert_eq!(
        refused(&client, &map("broken", json!({"x": "1"})), 422, "Invalid").await,
        "configmaps \"broken\" is forbidden: ValidatingAdmissionPolicy 'broken' with binding 'broken-binding' denied request: expression 'object.data.nothing == 'x'' resulted in error: no such key: nothing"
    );
    policy(
        &client,
        "validating",
        "warns",
        json!({"validations": [{"expression": "object.metadata.name.startsWith('x')"}]}),
        json!({"validationActions": ["Warn"]}),
    )
    .await;
    let warned = until("a warning", async || {
        let answer = client.post(&format!("{MAPS}?dryRun=All"), &map("c", json!({}))).await;
        answer.created();
        Some(answer).filter(|answer| answer.headers.contains_key("warning"))
    });
    let warned = warned.await;
    assert_eq!(
        warned.headers["warning"],
        "299 - \"Validation failed for ValidatingAdmissionPolicy 'warns' with binding 'warns-binding': failed expression: object.metadata.name.startsWith('x')\""
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutating_policies_apply_and_patch() {
    let server = Server::start().await;
    let client = server.admin().await;
    policy(
        &client,
        "mutating",
        "fills",
        json!({
            "reinvocationPolicy": "Never",
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {
                        "expression": "Object{metadata: Object.metadata{labels: {'applied': object.metadata.name}}}",
                    },
                },
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {
                        "expression": "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'patched'}]",
                    },
                },
            ],
        }),
        json!({}),
    )
    .await;
    let created = until("a change", async || {
        let created = client.post(&format!("{MAPS}?dryRun=All"), &map("a", json!({"x": "1"}))).await.created();
        Some(created).filter(|created| !created["metadata"]["labels"]["applied"].is_null())
    });
    let created = created.await;
    assert_eq!(created["metadata"]["labels"], json!({"app": "a", "applied": "a", "a/b": "patched"}));
    assert_eq!(created["data"], json!({"x": "1"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutation_in_another_version_is_refused() {
    let server = Server::start().await;
    let client = server.admin().await;
    let rules = json!([{"operations": ["*"], "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["*"]}]);
    policy(
        &client,
        "mutating",
        "old",
        json!({
            "matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": rules},
            "reinvocationPolicy": "Never",
            "mutations": [{
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {"expression": "Object{metadata: Object.metadata{labels: {'seen': object.spec.scaleTargetRef.kind}}}"},
            }],
        }),
        json!({}),
    )
    .await;
    let scaler = json!({
        "metadata": {"name": "a"},
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}},
    });
    let at =
        |version: &str| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers?dryRun=All");
    until("a change", async || {
        let created = client.post(&at("v1"), &scaler).await.created();
        (created["metadata"]["labels"]["seen"] == "Deployment").then_some(())
    })
    .await;
    assert_eq!(
        client.post(&at("v2"), &scaler).await.refused(403, "Invalid"),
        "policy 'old' with binding 'old-binding' denied request: converting (v1.HorizontalPodAutoscaler) to (v2.HorizontalPodAutoscaler): unknown conversion"
    );
}
