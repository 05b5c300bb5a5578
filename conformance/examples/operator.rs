//! An operator as others write them with kube-rs, and a check that it works on the cluster that KUBECONFIG names.
//!
//! Its resource is a Site: a text that becomes a ConfigMap and a Deployment by server-side apply. It has a finalizer, a
//! status, and watches what it owns. `cargo run -p conformance --example operator` installs the definition, runs the
//! operator, walks one Site through its life, and takes everything away again; the exit code says whether all came to be.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Error as FinalizerError, Event, finalizer};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};

const FINALIZER: &str = "sites.example.com/cleanup";
const DEFINITION: &str = "sites.operator.example.com";
const MANAGER: &str = "site-operator";
const NAMESPACE: &str = "default";

#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::try_default().await?;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions
        .patch(DEFINITION, &PatchParams::apply(MANAGER).force(), &Patch::Apply(definition()))
        .await
        .context("installing the definition")?;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("operator.example.com", "v1", "Site"));
    let sites: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &kind);
    until("the definition is served", || async { Ok(sites.list(&Default::default()).await.is_ok()) }).await?;
    let operator = tokio::spawn(operate(client.clone(), kind.clone()));
    let outcome = walk(&client, &sites, &kind).await;
    operator.abort();
    definitions.delete(DEFINITION, &DeleteParams::default()).await?;
    until("the definition is gone", || async { Ok(definitions.get_opt(DEFINITION).await?.is_none()) }).await?;
    outcome?;
    println!("the operator did its work");
    Ok(())
}

/// Reconciles until it is stopped.
async fn operate(client: Client, kind: ApiResource) {
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    let config = watcher::Config::default();
    Controller::new_with(all, config.clone(), kind.clone())
        .owns(Api::<ConfigMap>::all(client.clone()), config.clone())
        .owns(Api::<Deployment>::all(client.clone()), config)
        .run(
            reconcile,
            |_, error, _| {
                eprintln!("{error}");
                Action::requeue(Duration::from_secs(1))
            },
            Arc::new((client, kind)),
        )
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(
    site: Arc<DynamicObject>,
    context: Arc<(Client, ApiResource)>,
) -> Result<Action, FinalizerError<kube::Error>> {
    let (client, kind) = (context.0.clone(), context.1.clone());
    let sites: Api<DynamicObject> = Api::namespaced_with(client.clone(), &site.namespace().unwrap_or_default(), &kind);
    let named = sites.clone();
    finalizer(&sites, FINALIZER, site, |event| async move {
        match event {
            Event::Apply(site) => apply(&client, &kind, &named, &site).await,
            // What it owns is deleted with it; what it merely left behind is this.
            Event::Cleanup(site) => {
                let maps: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
                match maps.delete(&format!("{}-page", site.name_any()), &DeleteParams::default()).await {
                    Ok(_) => Ok(Action::await_change()),
                    // Called again, before it is told of its own last change: that is done.
                    Err(kube::Error::Api(status)) if status.code == 404 => Ok(Action::await_change()),
                    Err(error) => Err(error),
                }
            }
        }
    })
    .await
}

/// Makes the children what the Site says, and tells it so.
async fn apply(
    client: &Client,
    kind: &ApiResource,
    sites: &Api<DynamicObject>,
    site: &DynamicObject,
) -> Result<Action, kube::Error> {
    let (name, params) = (site.name_any(), PatchParams::apply(MANAGER).force());
    let owners = json!([site.controller_owner_ref(kind)]);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("{name}-page"), "ownerReferences": owners},
        "data": {"index.html": site.data["spec"]["text"]},
    });
    maps.patch(&format!("{name}-page"), &params, &Patch::Apply(map)).await?;
    let labels = json!({"site": name});
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "ownerReferences": owners},
        "spec": {
            "replicas": site.data["spec"]["replicas"], "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:v1"}]}},
        },
    });
    let deployment = deployments.patch(&name, &params, &Patch::Apply(deployment)).await?;
    let status = json!({
        "apiVersion": "operator.example.com/v1", "kind": "Site",
        "status": {
            "observedGeneration": site.metadata.generation,
            "replicas": deployment.spec.and_then(|spec| spec.replicas),
        },
    });
    sites.patch_status(&name, &params, &Patch::Apply(status)).await?;
    Ok(Action::await_change())
}

/// One Site from its creation to its end.
async fn walk(client: &Client, sites: &Api<DynamicObject>, kind: &ApiResource) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let mut site = DynamicObject::new("hello", kind);
    site.data = json!({"spec": {"text": "hello"}});
    let made = sites.create(&PostParams::default(), &site).await?;
    ensure!(made.data["spec"]["replicas"] == 2, "the schema's default is not there: {}", made.data);
    let settled = |replicas: i64| async move {
        let site = sites.get("hello").await?;
        let status = &site.data["status"];
        let is_seen = status["observedGeneration"] == json!(site.metadata.generation);
        Ok::<_, anyhow::Error>(is_seen && status["replicas"] == replicas)
    };
    until("the status tells of two replicas", || settled(2)).await?;
    let map = maps.get("hello-page").await?;
    ensure!(map.data.is_some_and(|data| data.get("index.html").is_some_and(|text| text == "hello")), "wrong page");
    ensure!(map.metadata.owner_references.is_some_and(|owners| owners[0].kind == "Site"), "the page has no owner");
    let site = sites.get("hello").await?;
    ensure!(site.finalizers().contains(&FINALIZER.to_owned()), "the Site has no finalizer");
    let change = Patch::Merge(json!({"spec": {"replicas": 3}}));
    sites.patch("hello", &PatchParams::default(), &change).await?;
    until("the status tells of three replicas", || settled(3)).await?;
    // Who takes a child away gets it again.
    maps.delete("hello-page", &DeleteParams::default()).await?;
    until("the page is back", || async { Ok(maps.get_opt("hello-page").await?.is_some()) }).await?;
    let refused = sites.patch("hello", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 11}}))).await;
    ensure!(
        refused.is_err_and(|error| error.to_string().contains("should be less than or equal to 10")),
        "not refused"
    );
    sites.delete("hello", &DeleteParams::default()).await?;
    until("the Site is gone", || async { Ok(sites.get_opt("hello").await?.is_none()) }).await?;
    ensure!(maps.get_opt("hello-page").await?.is_none(), "the finalizer did not take the page away");
    // Where no garbage collector runs it would stay.
    let _ = deployments.delete("hello", &DeleteParams::default()).await;
    Ok(())
}

/// Waits, up to a minute.
async fn until<F: Future<Output = Result<bool>>>(what: &str, is_so: impl Fn() -> F) -> Result<()> {
    for _ in 0..600 {
        if is_so().await? {
            println!("{what}");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("waited in vain until {what}")
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": DEFINITION},
        "spec": {
            "group": "operator.example.com", "scope": "Namespaced",
            "names": {"kind": "Site", "listKind": "SiteList", "plural": "sites", "singular": "site"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
                    "spec": {"type": "object", "required": ["text"], "properties": {
                        "text": {"type": "string"},
                        "replicas": {"type": "integer", "default": 2, "minimum": 0, "maximum": 10},
                    }},
                    "status": {"type": "object", "properties": {
                        "replicas": {"type": "integer"}, "observedGeneration": {"type": "integer"},
                    }},
                }}},
            }],
        },
    })
}
