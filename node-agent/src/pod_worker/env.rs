//! A container's environment: envFrom, env with its sources and expansion, and the variables of services.

use std::{collections::BTreeMap, path::PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, Service};
use tracing::warn;

use super::{env_file, expansion::expand};
use crate::{
    field_ref::{self, NodeFacts},
    objects::{Error, Objects, config_map_data, secret_data},
    pod,
};

/// Computes the environment, in the order in which the container gets it. `volumes` are the pod's, on the host.
///
/// # Errors
/// One line, in upstream's words, which becomes the message of CreateContainerConfigError.
pub async fn environment(
    target: &Pod,
    container: &Container,
    objects: &dyn Objects,
    facts: &NodeFacts<'_>,
    volumes: &BTreeMap<String, PathBuf>,
) -> Result<Vec<(String, String)>, String> {
    let namespace = pod::namespace(target);
    let mut result: BTreeMap<String, String> = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let data = if let Some(map) = &source.config_map_ref {
            optional(objects.config_map(namespace, &map.name).await.map(config_map_data), map.optional)?
        } else if let Some(secret) = &source.secret_ref {
            optional(objects.secret(namespace, &secret.name).await.map(secret_data), secret.optional)?
        } else {
            None
        };
        for (key, value) in data.into_iter().flatten() {
            let name = format!("{prefix}{key}");
            if valid_name(&name) {
                result.insert(name, String::from_utf8_lossy(&value).into_owned());
            }
        }
    }

    let links = pod::spec(target).enable_service_links.unwrap_or(true);
    let services = service_environment(objects, namespace, links).await?;
    for variable in container.env.iter().flatten() {
        let mut value = variable.value.clone().unwrap_or_default();
        if !value.is_empty() {
            value = expand(&value, |name| result.get(name).or_else(|| services.get(name)).cloned());
        } else if let Some(from) = &variable.value_from {
            if let Some(field) = &from.field_ref {
                value = field_ref::pod_field(target, &field.field_path, facts)?;
            } else if let Some(resource) = &from.resource_field_ref {
                let other = resource.container_name.as_deref().filter(|name| !name.is_empty());
                let container = match other {
                    Some(name) => pod::container(target, name).ok_or_else(|| format!("container {name} not found"))?,
                    None => container,
                };
                value = field_ref::resource_field(container, resource, facts)?;
            } else if let Some(selector) = &from.config_map_key_ref {
                let data = optional(
                    objects.config_map(namespace, &selector.name).await.map(config_map_data),
                    selector.optional,
                )?;
                match data.and_then(|mut data| data.remove(&selector.key)) {
                    Some(text) => value = String::from_utf8_lossy(&text).into_owned(),
                    None if selector.optional == Some(true) => continue,
                    None => {
                        return Err(format!(
                            "couldn't find key {} in ConfigMap {namespace}/{}",
                            selector.key, selector.name
                        ));
                    }
                }
            } else if let Some(selector) = &from.secret_key_ref {
                let data =
                    optional(objects.secret(namespace, &selector.name).await.map(secret_data), selector.optional)?;
                match data.and_then(|mut data| data.remove(&selector.key)) {
                    Some(text) => value = String::from_utf8_lossy(&text).into_owned(),
                    None if selector.optional == Some(true) => continue,
                    None => {
                        return Err(format!(
                            "couldn't find key {} in Secret {namespace}/{}",
                            selector.key, selector.name
                        ));
                    }
                }
            } else if let Some(selector) = &from.file_key_ref {
                let volume = volumes.get(&selector.volume_name).ok_or_else(|| {
                    format!("cannot find the volume {:?} referenced by FileKeyRef", selector.volume_name)
                })?;
                let read = env_file::read(volume, &selector.path, &selector.key).map_err(|error| {
                    warn!("pod {}: {error}", pod::full_name(target));
                    "couldn't parse env file".to_string()
                })?;
                match read {
                    Some(text) => value = text,
                    None if selector.optional == Some(true) => continue,
                    None => {
                        let path = env_file::shown(volume, &selector.path).display().to_string();
                        return Err(format!("environment variable key {:?} not found in file {path:?}", selector.key));
                    }
                }
            }
        }
        result.insert(variable.name.clone(), value);
    }
    for (name, value) in services {
        result.entry(name).or_insert(value);
    }
    Ok(result.into_iter().collect())
}

/// An object's data; `None` where it is optional and not there.
fn optional(
    data: Result<BTreeMap<String, Vec<u8>>, Error>,
    optional: Option<bool>,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, String> {
    match data {
        Ok(data) => Ok(Some(data)),
        Err(Error::NotFound(_)) if optional == Some(true) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Printable ASCII without `=`.
fn valid_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'=')
}

/// The variables of the namespace's services, and always of `default/kubernetes`.
async fn service_environment(
    objects: &dyn Objects,
    namespace: &str,
    links: bool,
) -> Result<BTreeMap<String, String>, String> {
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    let mut read = async |namespace: &str, all: bool| -> Result<(), String> {
        for service in objects
            .services(namespace)
            .await
            .map_err(|error| format!("failed to list services when setting up env vars: {error}"))?
        {
            let name = service.metadata.name.clone().unwrap_or_default();
            if all || (namespace == "default" && name == "kubernetes") {
                services.entry(name).or_insert(service);
            }
        }
        Ok(())
    };
    // The pod's own namespace first: a service of the name "kubernetes" in it hides the cluster's.
    if links {
        read(namespace, true).await?;
    }
    read("default", false).await?;
    Ok(services.values().flat_map(variables).collect())
}

fn variables(service: &Service) -> Vec<(String, String)> {
    let Some(spec) = &service.spec else { return vec![] };
    let Some(ip) = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty() && *ip != "None") else { return vec![] };
    let upper = |text: &str| text.to_uppercase().replace('-', "_");
    let name = upper(service.metadata.name.as_deref().unwrap_or_default());
    let ports = spec.ports.as_deref().unwrap_or_default();
    let Some(first) = ports.first() else { return vec![] };
    let mut result = vec![
        (format!("{name}_SERVICE_HOST"), ip.to_string()),
        (format!("{name}_SERVICE_PORT"), first.port.to_string()),
    ];
    for port in ports {
        if let Some(port_name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            result.push((format!("{name}_SERVICE_PORT_{}", upper(port_name)), port.port.to_string()));
        }
    }
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_string() };
    for (index, port) in ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let url = format!("{}://{host}:{}", protocol.to_lowercase(), port.port);
        if index == 0 {
            result.push((format!("{name}_PORT"), url.clone()));
        }
        let prefix = format!("{name}_PORT_{}_{}", port.port, protocol.to_uppercase());
        result.push((prefix.clone(), url));
        result.push((format!("{prefix}_PROTO"), protocol.to_lowercase()));
        result.push((format!("{prefix}_PORT"), port.port.to_string()));
        result.push((format!("{prefix}_ADDR"), ip.to_string()));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{objects::testing::FakeObjects, pod::testing::pod as pod_of};

    async fn get(spec: &str, objects: &FakeObjects) -> Result<BTreeMap<String, String>, String> {
        let pod = pod_of(spec);
        let facts = NodeFacts { host_ips: &[], pod_ips: &["10.0.0.9".into()], allocatable: &BTreeMap::new() };
        let container = &pod::spec(&pod).containers[0];
        Ok(environment(&pod, container, objects, &facts, &BTreeMap::new()).await?.into_iter().collect())
    }

    #[tokio::test]
    async fn sources_and_expansion() {
        let objects = FakeObjects::default();
        objects.config_maps.lock().insert("cm".into(), serde_saphyr::from_str("data: {K: v, L: w}").unwrap());
        let env = get(
            "containers: [{name: a, envFrom: [{prefix: P_, configMapRef: {name: cm}}, {secretRef: {name: none, optional: true}}], env: [{name: X, value: 'x-$(P_K)-$(NO)'}, {name: Y, valueFrom: {configMapKeyRef: {name: cm, key: L}}}, {name: Z, value: '$(Y)'}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: O, valueFrom: {configMapKeyRef: {name: cm, key: none, optional: true}}}]}]",
            &objects,
        )
        .await
        .unwrap();
        assert_eq!((env["X"].as_str(), env["Z"].as_str(), env["IP"].as_str()), ("x-v-$(NO)", "w", "10.0.0.9"));
        assert!(!env.contains_key("O"));
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let objects = FakeObjects::default();
        let error =
            get("containers: [{name: a, env: [{name: X, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]", &objects)
                .await
                .unwrap_err();
        assert_eq!(error, "secret \"s\" not found");
        objects.config_maps.lock().insert("cm".into(), ConfigMapOf::default());
        let error = get(
            "containers: [{name: a, env: [{name: X, valueFrom: {configMapKeyRef: {name: cm, key: k}}}]}]",
            &objects,
        )
        .await
        .unwrap_err();
        assert_eq!(error, "couldn't find key k in ConfigMap default/cm");
    }

    type ConfigMapOf = k8s_openapi::api::core::v1::ConfigMap;

    #[tokio::test]
    async fn services() {
        let objects = FakeObjects::default();
        objects.services.lock().push(
            serde_saphyr::from_str("{metadata: {name: my-db, namespace: default}, spec: {clusterIP: 10.96.0.7, ports: [{name: sql, port: 5432, protocol: TCP}]}}").unwrap(),
        );
        let env = get("containers: [{name: a}]", &objects).await.unwrap();
        assert_eq!(env["MY_DB_SERVICE_HOST"], "10.96.0.7");
        assert_eq!(env["MY_DB_SERVICE_PORT_SQL"], "5432");
        assert_eq!(env["MY_DB_PORT_5432_TCP"], "tcp://10.96.0.7:5432");
        let env = get("{enableServiceLinks: false, containers: [{name: a}]}", &objects).await.unwrap();
        assert!(env.is_empty());
    }
}
