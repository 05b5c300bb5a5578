//! Static pods: manifests in a directory run without the API, and show there as mirror pods.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{Container, Node, Pod, Toleration},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams, Preconditions},
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{host::Host, pod, pods::Pods};

/// How often the directory is read.
const PERIOD: Duration = Duration::from_secs(2);

/// Runs the directory's pods until shutdown, also while there is no API server: it may be one of them.
pub async fn run(client: Client, host: Arc<Host>, pods: Arc<Pods>, shutdown: CancellationToken) {
    let Some(directory) = host.config.static_pod_path.clone() else { return };
    let mut said = HashMap::new();
    let mut running: BTreeMap<String, Pod> = BTreeMap::new();
    loop {
        let wanted = read(&directory, &host.config.node_name, &mut said);
        for (uid, pod) in &running {
            if !wanted.contains_key(uid) {
                info!("static pod {} is gone from {}", pod::full_name(pod), directory.display());
                pods.set(pod.clone(), true);
            }
        }
        for (uid, pod) in &wanted {
            if !running.contains_key(uid) {
                pods.set(pod.clone(), false);
            }
        }
        running = wanted;
        if pods.synced()
            && let Err(error) = mirror(&client, &pods, &running, &host.config.node_name).await
        {
            warn!("cannot bring mirror pods into line: {error}");
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Makes the mirror pods of the static pods that run, and deletes those of others.
async fn mirror(client: &Client, pods: &Pods, running: &BTreeMap<String, Pod>, node: &str) -> kube::Result<()> {
    let mirrors = pods.mirrors();
    for (key, mirror) in &mirrors {
        let hash = pod::annotation(mirror, pod::CONFIG_MIRROR).unwrap_or_default();
        let current = running.get(hash).is_some_and(|pod| (pod::namespace(pod), pod::name(pod)) == (&key.0, &key.1));
        if !current || pod::deleting(mirror) {
            let preconditions = Some(Preconditions { uid: mirror.metadata.uid.clone(), ..Default::default() });
            let params = DeleteParams { grace_period_seconds: Some(0), preconditions, ..Default::default() };
            let deleted = Api::<Pod>::namespaced(client.clone(), &key.0).delete(&key.1, &params).await;
            if !matches!(&deleted, Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409) {
                deleted?;
            }
        }
    }
    for (uid, pod) in running {
        let key = (pod::namespace(pod).to_string(), pod::name(pod).to_string());
        if mirrors.contains_key(&key) {
            continue;
        }
        let node_uid = Api::<Node>::all(client.clone()).get(node).await?.metadata.uid.unwrap_or_default();
        let mut mirror = pod.clone();
        mirror.metadata.uid = None;
        mirror.metadata.annotations.get_or_insert_default().insert(pod::CONFIG_MIRROR.into(), uid.clone());
        mirror.metadata.owner_references = Some(vec![OwnerReference {
            api_version: "v1".into(),
            kind: "Node".into(),
            name: node.to_string(),
            uid: node_uid,
            controller: Some(true),
            ..Default::default()
        }]);
        let made = Api::<Pod>::namespaced(client.clone(), &key.0).create(&PostParams::default(), &mirror).await;
        if !matches!(&made, Err(kube::Error::Api(status)) if status.code == 409) {
            made?;
        }
    }
    Ok(())
}

/// The directory's pods by uid. A file that is wrong is said once, and again when it changes.
fn read(directory: &Path, node: &str, said: &mut HashMap<String, String>) -> BTreeMap<String, Pod> {
    let mut pods = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !entry.path().is_file() {
            continue;
        }
        let parsed = fs::read_to_string(entry.path())
            .map_err(|error| error.to_string())
            .and_then(|text| parse(&text, &name, node));
        match parsed {
            Ok(pod) => {
                said.remove(&name);
                pods.insert(pod::uid(&pod).to_string(), pod);
            }
            Err(error) => {
                if said.get(&name) != Some(&error) {
                    warn!("{}: {error}", entry.path().display());
                    said.insert(name, error);
                }
            }
        }
    }
    pods
}

/// A manifest as a pod of this node, with the defaults the API server would give it.
fn parse(text: &str, file: &str, node: &str) -> Result<Pod, String> {
    let mut pod: Pod = serde_saphyr::from_str(text).map_err(|error| format!("not a pod: {error}"))?;
    let Some(spec) = &mut pod.spec else { return Err("not a pod: it has no spec".into()) };
    if spec.containers.is_empty() {
        return Err("not a pod: it has no containers".into());
    }
    let Some(name) = pod.metadata.name.clone().filter(|name| !name.is_empty()) else {
        return Err("metadata.name is missing".into());
    };
    // Upstream's MD5 over the object serves the same end: another content, another uid.
    let digest = Sha256::new().chain_update(node).chain_update(file).chain_update(text).finalize();
    let uid: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    pod.metadata.name = Some(format!("{name}-{node}"));
    pod.metadata.namespace.get_or_insert_with(|| "default".into());
    pod.metadata.uid = Some(uid.clone());
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(pod::CONFIG_SOURCE.into(), "file".into());
    annotations.insert(pod::CONFIG_HASH.into(), uid);
    annotations.insert(pod::CONFIG_SEEN.into(), jiff::Timestamp::now().to_string());
    spec.node_name = Some(node.to_string());
    spec.restart_policy.get_or_insert_with(|| "Always".into());
    spec.termination_grace_period_seconds.get_or_insert(30);
    spec.dns_policy.get_or_insert_with(|| "ClusterFirst".into());
    spec.enable_service_links.get_or_insert(true);
    // Taints must not drive off what was put on this very node.
    spec.tolerations.get_or_insert_default().push(Toleration {
        effect: Some("NoExecute".into()),
        operator: Some("Exists".into()),
        ..Default::default()
    });
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        default_container(container);
    }
    Ok(pod)
}

fn default_container(container: &mut Container) {
    container.termination_message_path.get_or_insert_with(|| "/dev/termination-log".into());
    container.termination_message_policy.get_or_insert_with(|| "File".into());
    let latest = container.image.as_deref().is_none_or(|image| image.ends_with(":latest") || !image.contains(':'));
    container.image_pull_policy.get_or_insert_with(|| if latest { "Always".into() } else { "IfNotPresent".into() });
    for port in container.ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests() {
        let text = "{apiVersion: v1, kind: Pod, metadata: {name: etcd, namespace: kube-system}, spec: {containers: [{name: e, image: 'i:1'}]}}";
        let pod = parse(text, "etcd.yaml", "n1").unwrap();
        assert_eq!((pod::name(&pod), pod::namespace(&pod)), ("etcd-n1", "kube-system"));
        assert!(pod::is_static(&pod));
        assert_eq!(pod::uid(&pod), pod::uid(&parse(text, "etcd.yaml", "n1").unwrap()));
        assert_ne!(pod::uid(&pod), pod::uid(&parse(&text.replace("i:1", "i:2"), "etcd.yaml", "n1").unwrap()));
        for (bad, part) in
            [("{", "not a pod"), ("{kind: Pod}", "no spec"), ("{spec: {containers: [{name: a}]}}", "metadata.name")]
        {
            let error = parse(bad, "x", "n").unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn wrong_files_are_skipped() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("bad.yaml"), "x").unwrap();
        fs::write(dir.path().join(".hidden"), "x").unwrap();
        fs::write(dir.path().join("good.yaml"), "{metadata: {name: a}, spec: {containers: [{name: c}]}}").unwrap();
        let mut said = HashMap::new();
        assert_eq!(read(dir.path(), "n", &mut said).len(), 1);
        assert_eq!(said.len(), 1);
    }
}
