//! `configMap` volumes.

use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{KeyToPath, Volume};

use super::{
    Request, VolumePlugin,
    atomic_writer::{self, File, Payload},
    own_by_group,
};
use crate::{
    objects::{Error, config_map_data},
    pod,
};

/// A ConfigMap's keys as files, kept up to date.
pub struct ConfigMapVolume;

#[async_trait]
impl VolumePlugin for ConfigMapVolume {
    fn directory(&self) -> &'static str {
        "kubernetes.io~configmap"
    }

    fn supports(&self, volume: &Volume) -> bool {
        volume.config_map.is_some()
    }

    async fn set_up(&self, request: &Request<'_>, volume: &Volume) -> Result<PathBuf, String> {
        let source = volume.config_map.clone().unwrap_or_default();
        let data = data(
            request.objects.config_map(pod::namespace(request.pod), &source.name).await.map(config_map_data),
            source.optional,
        )?;
        let payload = select(data, source.items.as_deref(), mode(source.default_mode), source.optional, "configmap")?;
        let directory = request.directory(self, volume)?;
        if atomic_writer::write(&directory, &payload)?
            && let Some(group) = request.fs_group()
        {
            own_by_group(&directory, group, false)?;
        }
        Ok(directory)
    }
}

/// An object's data; nothing where it is optional and not there.
pub fn data(
    data: Result<BTreeMap<String, Vec<u8>>, Error>,
    optional: Option<bool>,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    match data {
        Err(Error::NotFound(_)) if optional == Some(true) => Ok(BTreeMap::new()),
        other => other.map_err(|error| error.to_string()),
    }
}

/// The files of an object's data: all keys, or the listed ones under their paths.
///
/// # Errors
/// A listed key that is not there.
pub fn select(
    data: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
    default_mode: u32,
    optional: Option<bool>,
    kind: &str,
) -> Result<Payload, String> {
    let file = |data: Vec<u8>, mode: u32| File { data, mode, owner: None };
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(data.into_iter().map(|(key, value)| (key, file(value, default_mode))).collect());
    };
    let mut payload = Payload::new();
    for item in items {
        match data.get(&item.key) {
            Some(value) => {
                payload.insert(
                    item.path.clone(),
                    file(value.clone(), item.mode.map_or(default_mode, |value| mode(Some(value)))),
                );
            }
            None if optional == Some(true) => {}
            None => return Err(format!("{kind} references non-existent config key: {}", item.key)),
        }
    }
    Ok(payload)
}

/// A file mode, 0644 where none is given.
pub fn mode(mode: Option<i32>) -> u32 {
    mode.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o644) & 0o777
}

#[cfg(test)]
mod tests {
    use crate::{pod::testing::pod as pod_of, volumes::testing::Fixture};

    #[tokio::test]
    async fn keys_items_and_updates() {
        let fixture = Fixture::new();
        let pod = pod_of("{volumes: [{name: v, configMap: {name: cm}}], containers: []}");
        assert_eq!(fixture.set_up(&pod).await.unwrap_err(), "configmap \"cm\" not found");
        let set =
            |text: &str| fixture.objects.config_maps.lock().insert("cm".into(), serde_saphyr::from_str(text).unwrap());
        set("data: {a: '1', b: '2'}");
        let path = fixture.set_up(&pod).await.unwrap();
        assert_eq!(std::fs::read_to_string(path.join("a")).unwrap(), "1");
        set("data: {a: '9'}");
        fixture.set_up(&pod).await.unwrap();
        assert_eq!(std::fs::read_to_string(path.join("a")).unwrap(), "9");
        assert!(!path.join("b").exists());
        let items = pod_of(
            "{volumes: [{name: w, configMap: {name: cm, items: [{key: a, path: x/y, mode: 256}]}}], containers: []}",
        );
        let path = fixture.set_up(&items).await.unwrap();
        assert_eq!(std::fs::read_to_string(path.join("x/y")).unwrap(), "9");
        let missing =
            pod_of("{volumes: [{name: w, configMap: {name: cm, items: [{key: z, path: z}]}}], containers: []}");
        assert!(fixture.set_up(&missing).await.unwrap_err().contains("non-existent config key: z"));
        let optional = pod_of("{volumes: [{name: o, configMap: {name: none, optional: true}}], containers: []}");
        assert!(fixture.set_up(&optional).await.is_ok());
    }
}
