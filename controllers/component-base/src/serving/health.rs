//! `/healthz`, `/livez` and `/readyz`, with the bodies of upstream's `healthz` package.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Response, StatusCode};

use super::{Body, text};

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The named checks of a component. All three endpoints run them all; `ping` is always there. Clones share them.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<Mutex<Vec<(String, Check)>>>,
}

impl Health {
    /// Adds a check: quick, non-blocking, `Err` with the reason when unhealthy.
    pub fn add(&self, name: &str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_string(), Arc::new(check)));
    }

    /// The answer to `path`, when it is one of the health endpoints or one check below them.
    pub(super) fn answer(&self, path: &str, query: &str) -> Option<Response<Body>> {
        let endpoint = ["healthz", "livez", "readyz"].into_iter().find(|endpoint| {
            path.strip_prefix('/')
                .and_then(|path| path.strip_prefix(endpoint))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })?;
        let single = path[endpoint.len() + 1..].trim_matches('/');
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let results: Vec<(&str, Result<(), String>)> = std::iter::once(("ping", Ok(())))
            .chain(checks.iter().map(|(name, check)| (name.as_str(), check())))
            .collect();
        if !single.is_empty() {
            return Some(match results.into_iter().find(|(name, _)| *name == single) {
                None => text(StatusCode::NOT_FOUND, "404 page not found\n"),
                Some((_, Ok(()))) => text(StatusCode::OK, "ok"),
                Some((_, Err(reason))) => {
                    text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {reason}\n"))
                }
            });
        }
        let healthy = results.iter().all(|(_, result)| result.is_ok());
        let mut listing = String::new();
        for (name, result) in &results {
            listing.push_str(&match result {
                Ok(()) => format!("[+]{name} ok\n"),
                Err(_) => format!("[-]{name} failed: reason withheld\n"),
            });
        }
        let verbose = query.split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose="));
        Some(match (healthy, verbose) {
            (true, false) => text(StatusCode::OK, "ok"),
            (true, true) => text(StatusCode::OK, format!("{listing}{endpoint} check passed\n")),
            (false, _) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{listing}{endpoint} check failed\n")),
        })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn body(health: &Health, path: &str, query: &str) -> (u16, String) {
        let response = health.answer(path, query).unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn bodies_are_upstreams() {
        let health = Health::default();
        assert_eq!(body(&health, "/healthz", "").await, (200, "ok".into()));
        assert_eq!(body(&health, "/readyz", "verbose").await, (200, "[+]ping ok\nreadyz check passed\n".into()));
        health.add("leaderElection", || Err("lost".into()));
        let failed = "[+]ping ok\n[-]leaderElection failed: reason withheld\nlivez check failed\n";
        assert_eq!(body(&health, "/livez", "").await, (500, failed.into()));
        assert_eq!(body(&health, "/healthz/ping", "").await, (200, "ok".into()));
        assert_eq!(body(&health, "/healthz/leaderElection", "").await, (500, "internal server error: lost\n".into()));
        assert_eq!(body(&health, "/healthz/nothing", "").await.0, 404);
        assert!(health.answer("/healthzz", "").is_none());
    }
}
