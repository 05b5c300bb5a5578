//! `projected` volumes: several sources in one directory.

use std::path::PathBuf;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Pod, Volume, VolumeProjection};

use super::{
    Request, VolumePlugin,
    atomic_writer::{self, File, Payload},
    config_map::{data, mode, select},
    downward_api, own_by_group,
};
use crate::{
    objects::{config_map_data, secret_data},
    pod,
};

/// Service account tokens, ConfigMaps, Secrets and pod fields as files on a tmpfs, kept up to date.
pub struct ProjectedVolume;

#[async_trait]
impl VolumePlugin for ProjectedVolume {
    fn directory(&self) -> &'static str {
        "kubernetes.io~projected"
    }

    fn supports(&self, volume: &Volume) -> bool {
        volume.projected.is_some()
    }

    async fn set_up(&self, request: &Request<'_>, volume: &Volume) -> Result<PathBuf, String> {
        let source = volume.projected.clone().unwrap_or_default();
        let mut payload = Payload::new();
        for projection in source.sources.iter().flatten() {
            payload.extend(files(request, projection, mode(source.default_mode)).await?);
        }
        let directory = request.memory_directory(self, volume)?;
        if atomic_writer::write(&directory, &payload)?
            && let Some(group) = request.fs_group()
        {
            own_by_group(&directory, group, false)?;
        }
        Ok(directory)
    }
}

async fn files(request: &Request<'_>, projection: &VolumeProjection, default_mode: u32) -> Result<Payload, String> {
    let namespace = pod::namespace(request.pod);
    if let Some(map) = &projection.config_map {
        let data = data(request.objects.config_map(namespace, &map.name).await.map(config_map_data), map.optional)?;
        return select(data, map.items.as_deref(), default_mode, map.optional, "configmap");
    }
    if let Some(secret) = &projection.secret {
        let data = data(request.objects.secret(namespace, &secret.name).await.map(secret_data), secret.optional)?;
        return select(data, secret.items.as_deref(), default_mode, secret.optional, "secret");
    }
    if let Some(fields) = &projection.downward_api {
        return downward_api::files(request, fields.items.as_deref().unwrap_or_default(), default_mode);
    }
    if let Some(token) = &projection.service_account_token {
        let value = request.tokens.token(request.pod, token, request.objects).await?;
        let (mode, owner) = token_access(request.pod, default_mode);
        return Ok(Payload::from([(token.path.clone(), File { data: value.into_bytes(), mode, owner })]));
    }
    let kind = if projection.cluster_trust_bundle.is_some() {
        "clusterTrustBundle"
    } else if projection.pod_certificate.is_some() {
        "podCertificate"
    } else {
        "empty"
    };
    Err(format!("projected volume source {kind} is not supported by this kubelet"))
}

/// A token is for its pod only: with an fsGroup the group reads it, with one user for all containers that user does.
fn token_access(target: &Pod, default_mode: u32) -> (u32, Option<u32>) {
    let pod_level = pod::spec(target).security_context.as_ref();
    if pod_level.is_some_and(|context| context.fs_group.is_some()) {
        return (0o600, None);
    }
    let pod_user = pod_level.and_then(|context| context.run_as_user);
    let mut users = pod::spec(target)
        .containers
        .iter()
        .chain(pod::init_containers(target))
        .map(|container| container.security_context.as_ref().and_then(|own| own.run_as_user).or(pod_user));
    let first = users.next().flatten().and_then(|user| u32::try_from(user).ok());
    match first {
        Some(user) if users.all(|other| other == Some(i64::from(user))) => (0o600, Some(user)),
        _ => (default_mode, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pod::testing::pod as pod_of, volumes::testing::Fixture};

    const SERVICE_ACCOUNT: &str = "{serviceAccountName: default, volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 3607}}, {configMap: {name: ca, items: [{key: ca.crt, path: ca.crt}]}}, {downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}}]}}], containers: []}";

    #[tokio::test]
    async fn service_account() {
        let fixture = Fixture::new();
        fixture.objects.config_maps.lock().insert("ca".into(), serde_saphyr::from_str("data: {ca.crt: x}").unwrap());
        let pod = pod_of(SERVICE_ACCOUNT);
        let path = fixture.set_up(&pod).await.unwrap();
        let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        assert_eq!(
            (read("token"), read("ca.crt"), read("namespace")),
            ("token-1".into(), "x".into(), "default".into())
        );
        fixture.set_up(&pod).await.unwrap();
        assert_eq!(read("token"), "token-1", "not asked for again before it is old");
    }

    #[tokio::test]
    async fn unsupported_sources_are_named() {
        let fixture = Fixture::new();
        let pod = pod_of(
            "{volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {path: x, name: y}}]}}], containers: []}",
        );
        assert!(fixture.set_up(&pod).await.unwrap_err().contains("clusterTrustBundle is not supported"));
    }

    #[test]
    fn token_is_for_the_pods_user() {
        let access = |spec: &str| token_access(&pod_of(spec), 0o644);
        assert_eq!(access("containers: [{name: a}]"), (0o644, None));
        assert_eq!(access("{securityContext: {fsGroup: 5}, containers: [{name: a}]}"), (0o600, None));
        assert_eq!(access("{securityContext: {runAsUser: 5}, containers: [{name: a}]}"), (0o600, Some(5)));
        assert_eq!(
            access(
                "{securityContext: {runAsUser: 5}, containers: [{name: a}, {name: b, securityContext: {runAsUser: 6}}]}"
            ),
            (0o644, None)
        );
    }
}
