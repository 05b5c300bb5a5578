//! /livez, /readyz and /healthz, with their named checks.

use http::{Response, StatusCode};

use crate::body::{self, Body};
use crate::context::Context;
use crate::status::Result;

/// One thing that must be well.
struct Check {
    name: &'static str,
    problem: Option<String>,
}

pub async fn check(context: &Context, path: &str) -> Result<Response<Body>> {
    let mut parts = path.trim_start_matches('/').split('/');
    let kind = parts.next().unwrap_or_default();
    let server = &context.server;
    let etcd = server.store.ping().await.err().map(|error| error.to_string());
    let mut checks = vec![
        Check { name: "ping", problem: None },
        Check { name: "log", problem: None },
        Check { name: "etcd", problem: etcd },
    ];
    if kind != "livez" {
        checks.push(Check {
            name: "informer-sync",
            problem: server
                .all()
                .iter()
                .filter_map(|served| served.objects.as_ref())
                .any(|objects| !objects.cache.is_ready())
                .then(|| "caches are not filled yet".to_owned()),
        });
    }
    checks.push(Check {
        name: "poststarthook/rbac/bootstrap-roles",
        problem: (!server.is_bootstrapped()).then(|| "not finished".to_owned()),
    });
    if kind == "readyz" {
        checks.push(Check {
            name: "shutdown",
            problem: server.stopping.is_cancelled().then(|| "process is shutting down".to_owned()),
        });
    }
    let rest = parts.collect::<Vec<_>>().join("/");
    if !rest.is_empty() {
        let Some(check) = checks.iter().find(|check| check.name == rest) else {
            return Ok(body::page_not_found());
        };
        return Ok(match &check.problem {
            None => body::text(StatusCode::OK, "ok"),
            Some(problem) => {
                body::text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {problem}\n"))
            }
        });
    }
    let mut text = String::new();
    let mut failed = false;
    for check in &checks {
        if context.query.all("exclude").any(|name| name == check.name) {
            text.push_str(&format!("[+]{} excluded: ok\n", check.name));
        } else if check.problem.is_some() {
            failed = true;
            text.push_str(&format!("[-]{} failed: reason withheld\n", check.name));
        } else {
            text.push_str(&format!("[+]{} ok\n", check.name));
        }
    }
    if failed {
        text.push_str(&format!("{kind} check failed\n"));
        return Ok(body::text(StatusCode::INTERNAL_SERVER_ERROR, text));
    }
    if context.query.get("verbose").is_some() {
        text.push_str(&format!("{kind} check passed\n"));
        return Ok(body::text(StatusCode::OK, text));
    }
    Ok(body::text(StatusCode::OK, "ok"))
}
