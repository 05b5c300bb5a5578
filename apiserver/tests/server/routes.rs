//! Every route and verb that the server has: nobody passes without authentication, authorization, audit and fairness.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use crate::crud::discovered;
use crate::support::{Answer, Client, Files, JSON, MERGE, Server};

const SCHEMA: &str = "x-kubernetes-pf-flowschema-uid";
/// What flows once it is begun, and is no work to be fair about.
const STREAMS: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];
/// Routes that no index shows.
const UNLISTED: [&str; 4] = [
    "/",
    "/debug/api_priority_and_fairness/dump_priority_levels",
    "/debug/api_priority_and_fairness/dump_queues",
    "/debug/api_priority_and_fairness/dump_requests",
];

/// A route with one of its verbs.
struct Route {
    method: Method,
    path: String,
    is_stream: bool,
    /// What everybody who is known may ask.
    is_open: bool,
}

impl Route {
    async fn ask(&self, client: &Client, id: &str) -> Answer {
        let content_type = if self.method == Method::PATCH { MERGE } else { JSON };
        let body = if self.method == Method::GET { "" } else { "{}" };
        client.with("audit-id", id).send(self.method.clone(), &self.path, content_type, body).await
    }
}

/// All routes that discovery and the index show.
async fn routes(admin: &Client) -> Vec<Route> {
    let mut routes = Vec::new();
    for entry in discovered(admin).await {
        let path = entry.path("default");
        let one = format!("{path}/x");
        // What everybody may ask about oneself.
        let is_open = entry.kind.starts_with("SelfSubject");
        let mut add = |method: Method, path: String, is_stream| routes.push(Route { method, path, is_stream, is_open });
        for verb in &entry.verbs {
            let (method, path) = match verb.as_str() {
                "create" => (Method::POST, path.clone()),
                "list" => (Method::GET, path.clone()),
                "watch" => (Method::GET, format!("{path}?watch=1")),
                "deletecollection" => (Method::DELETE, path.clone()),
                _ => (method(verb), one.clone()),
            };
            add(method, path, false);
        }
        for (subresource, verbs) in &entry.subresources {
            for verb in verbs {
                add(method(verb), format!("{one}/{subresource}"), STREAMS.contains(&subresource.as_str()));
            }
        }
    }
    let index = admin.get("/").await.ok();
    let listed = index["paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned());
    for path in listed.chain(UNLISTED.map(str::to_owned)) {
        routes.push(Route { method: Method::GET, path, is_stream: false, is_open: true });
    }
    routes
}

fn method(verb: &str) -> Method {
    match verb {
        "create" => Method::POST,
        "update" => Method::PUT,
        "patch" => Method::PATCH,
        "delete" => Method::DELETE,
        _ => Method::GET,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_has_authentication_authorization_audit_and_fairness() {
    let files = Files::new();
    let (policy, log) = (files.path("policy.yaml"), files.path("audit.log"));
    std::fs::write(&policy, "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}").unwrap();
    let flags = [
        "--storage=memory",
        "--anonymous-auth=false",
        &*format!("--audit-policy-file={}", policy.display()),
        &*format!("--audit-log-path={}", log.display()),
    ];
    let server = Server::start_with(files, &flags).await;
    let routes = routes(&server.admin().await).await;
    assert!(routes.len() > 600, "{}", routes.len());
    let (stranger, nobody) = (server.anonymous().await, server.user("nobody", &[]).await);
    for (index, route) in routes.iter().enumerate() {
        let what = format!("{} {}", route.method, route.path);
        let answer = route.ask(&stranger, &format!("stranger-{index}")).await;
        assert_eq!(answer.code, 401, "{what}");
        assert!(answer.headers.get(SCHEMA).is_none(), "{what}");
        let answer = route.ask(&nobody, &format!("nobody-{index}")).await;
        if !route.is_open {
            assert_eq!(answer.code, 403, "{what}: {}", answer.text());
        }
        assert_eq!(answer.headers.get(SCHEMA).is_some(), !route.is_stream, "{what}: {:?}", answer.headers);
    }
    let _files = server.stop().await;
    let mut recorded: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        recorded.entry(event["auditID"].as_str().unwrap().to_owned()).or_default().push(event);
    }
    for (index, route) in routes.iter().enumerate() {
        let what = format!("{} {}", route.method, route.path);
        let of = |who: &str| recorded.get(&format!("{who}-{index}")).unwrap_or_else(|| panic!("no record: {what}"));
        let stranger = of("stranger");
        assert_eq!((stranger.len(), &stranger[0]["responseStatus"]["code"]), (1, &401.into()), "{what}");
        let nobody = of("nobody").last().unwrap();
        assert_eq!(
            (&nobody["stage"], &nobody["user"]["username"]),
            (&"ResponseComplete".into(), &"nobody".into()),
            "{what}"
        );
        let decision = &nobody["annotations"]["authorization.k8s.io/decision"];
        assert!(decision == "forbid" || (route.is_open && decision == "allow"), "{what}: {decision}");
    }
}
