//! Images: pull policies, pulling one at a time, the back-off of failed pulls; in upstream's words.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use controllers_component_base::events::{EventType, Recorder};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use parking_lot::Mutex;

use crate::{
    backoff::Backoff,
    cri::{Runtime, api},
    pod,
    status::generate::Waiting,
};

/// The node's images.
pub struct Images {
    runtime: Arc<dyn Runtime>,
    recorder: Recorder,
    state: Mutex<State>,
    /// Pulls wait for each other, as with upstream's serializeImagePulls.
    pulling: tokio::sync::Mutex<()>,
}

struct State {
    backoff: Backoff,
    /// The last error by back-off key.
    errors: HashMap<String, String>,
}

impl Images {
    pub fn new(runtime: Arc<dyn Runtime>, recorder: Recorder) -> Self {
        let backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(300));
        Self {
            runtime,
            recorder,
            state: Mutex::new(State { backoff, errors: HashMap::new() }),
            pulling: tokio::sync::Mutex::new(()),
        }
    }

    /// Makes sure that a container's image is there, by its pull policy.
    ///
    /// # Errors
    /// The reason and message the container waits with, e.g. ErrImagePull.
    pub async fn ensure(
        &self,
        target: &Pod,
        container: &Container,
        sandbox: &api::PodSandboxConfig,
    ) -> Result<api::Image, Waiting> {
        let requested = container.image.as_deref().unwrap_or_default();
        let image = with_default_tag(requested);
        let policy = container.image_pull_policy.as_deref().unwrap_or_else(|| default_policy(&image));
        let reference = pod::container_reference(target, &container.name);
        let event = |kind, reason: &str, message: &str| self.recorder.event(&reference, kind, reason, message);
        let waiting = |reason: &str, message: String| Waiting { reason: reason.to_string(), message };

        let present = self.runtime.image(&image).await.map_err(|error| {
            let message = format!("Failed to inspect image {requested:?}: {error}");
            event(EventType::Warning, "InspectFailed", &message);
            waiting("ImageInspectError", message)
        })?;
        match (policy, present) {
            ("Never" | "IfNotPresent", Some(image)) => {
                event(
                    EventType::Normal,
                    "Pulled",
                    &format!("Container image {requested:?} already present on machine"),
                );
                return Ok(image);
            }
            ("Never", None) => {
                let message = format!("Container image {requested:?} is not present with pull policy of Never");
                event(EventType::Warning, "ErrImageNeverPull", &message);
                return Err(waiting("ErrImageNeverPull", message));
            }
            _ => {}
        }

        let key = format!("{}_{requested}", pod::uid(target));
        let held_off = {
            let state = self.state.lock();
            state.backoff.waits_since_update(&key, Timestamp::now()).map(|_| state.errors.get(&key).cloned())
        };
        if let Some(last_error) = held_off {
            let message = format!("Back-off pulling image {requested:?}");
            event(EventType::Normal, "BackOff", &message);
            let message = last_error.map_or(message.clone(), |error| format!("{message}: {error}"));
            return Err(waiting("ImagePullBackOff", message));
        }
        event(EventType::Normal, "Pulling", &format!("Pulling image {requested:?}"));
        let asked = Instant::now();
        let turn = self.pulling.lock().await;
        let started = Instant::now();
        let result = self.runtime.pull_image(&image, None, sandbox.clone()).await;
        drop(turn);
        let pulled = match result {
            Ok(_) => self.runtime.image(&image).await.ok().flatten(),
            Err(error) => {
                let message = error.to_string();
                event(EventType::Warning, "Failed", &format!("Failed to pull image {requested:?}: {message}"));
                let mut state = self.state.lock();
                let now = Timestamp::now();
                state.backoff.next(&key, now, now);
                state.errors.insert(key, format!("ErrImagePull: {message}"));
                return Err(waiting("ErrImagePull", message));
            }
        };
        let Some(pulled) = pulled else {
            return Err(waiting("ErrImagePull", format!("image {requested:?} is not there after it was pulled")));
        };
        self.state.lock().errors.remove(&key);
        let message = format!(
            "Successfully pulled image {requested:?} in {:?} ({:?} including waiting). Image size: {} bytes.",
            truncated(started.elapsed()),
            truncated(asked.elapsed()),
            pulled.size
        );
        event(EventType::Normal, "Pulled", &message);
        Ok(pulled)
    }

    /// Forgets the back-off of a pod's images.
    pub fn forget(&self, uid: &str) {
        self.state.lock().errors.retain(|key, _| !key.starts_with(uid));
    }
}

fn truncated(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// `latest` where neither tag nor digest is given.
fn with_default_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or_default();
    if name.contains(':') || image.contains('@') { image.to_string() } else { format!("{image}:latest") }
}

/// What the API server defaults to, for pods that did not pass it.
fn default_policy(image: &str) -> &'static str {
    if image.ends_with(":latest") { "Always" } else { "IfNotPresent" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cri::fake::FakeRuntime, pod::testing::pod as pod_of};

    async fn ensure(runtime: &Arc<FakeRuntime>, images: &Images, policy: &str) -> Result<(), String> {
        let _ = runtime;
        let pod = pod_of(&format!("containers: [{{name: a, image: 'reg/x', imagePullPolicy: {policy}}}]"));
        let container = &pod::spec(&pod).containers[0];
        images
            .ensure(&pod, container, &api::PodSandboxConfig::default())
            .await
            .map(drop)
            .map_err(|waiting| waiting.reason)
    }

    #[tokio::test]
    async fn policies() {
        let runtime = Arc::new(FakeRuntime::default());
        let (recorder, mut events) = Recorder::capturing("kubelet");
        let images = Images::new(runtime.clone(), recorder);
        assert_eq!(ensure(&runtime, &images, "Never").await.unwrap_err(), "ErrImageNeverPull");
        assert_eq!(ensure(&runtime, &images, "IfNotPresent").await.unwrap_err(), "ErrImagePull");
        assert_eq!(ensure(&runtime, &images, "IfNotPresent").await.unwrap_err(), "ImagePullBackOff");
        runtime.add_image("reg/x:latest");
        assert!(ensure(&runtime, &images, "IfNotPresent").await.is_ok());
        assert!(ensure(&runtime, &images, "Never").await.is_ok());
        assert_eq!(
            ensure(&runtime, &images, "Always").await.unwrap_err(),
            "ImagePullBackOff",
            "Always asks the registry"
        );
        let mut messages = vec![];
        while let Ok(event) = events.try_recv() {
            messages.push(event.message.unwrap_or_default());
        }
        assert!(messages.contains(&"Container image \"reg/x\" is not present with pull policy of Never".to_string()));
        assert!(messages.contains(&"Container image \"reg/x\" already present on machine".to_string()));
        assert!(messages.contains(&"Pulling image \"reg/x\"".to_string()));
    }

    #[test]
    fn tags() {
        assert_eq!(with_default_tag("a"), "a:latest");
        assert_eq!(with_default_tag("host:5000/a"), "host:5000/a:latest");
        assert_eq!(with_default_tag("a:1"), "a:1");
        assert_eq!(with_default_tag("a@sha256:1"), "a@sha256:1");
    }
}
