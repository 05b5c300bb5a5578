//! Others are asked: issuers of web tokens, webhooks about tokens and about permissions.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::support::{Client, Files, Server, until};
use crate::tls_server::TlsServer;

const SELF: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// A server that answers with what a function makes of the path and the body, and remembers the bodies.
struct Outside {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Outside {
    async fn start(
        files: &Files,
        answer: impl Fn(SocketAddr, &str, &Value) -> Value + Send + Sync + 'static,
    ) -> Outside {
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let seen = Arc::clone(&asked);
        let answer = move |request: Request<Incoming>| {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            async move {
                let authority = request.headers()["host"].to_str().unwrap().parse().unwrap();
                let path = request.uri().path().to_owned();
                let bytes = request.into_body().collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&bytes).unwrap_or_default();
                let text = answer(authority, &path, &body).to_string();
                seen.lock().push(body);
                Response::new(Full::from(text))
            }
        };
        let address = TlsServer::start(files, ("outside", &["127.0.0.1"]), false, answer).await.address;
        Outside { address, asked }
    }

    /// A kubeconfig of this server.
    fn kubeconfig(&self, files: &Files, name: &str, path: &str) -> String {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "c", "cluster": {
                "server": format!("https://{}{path}", self.address), "certificate-authority": files.path("ca.crt")}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        });
        files.write(name, &config.to_string());
        files.path(name).display().to_string()
    }
}

/// An issuer of web tokens.
struct Issuer {
    outside: Outside,
    key: KeyPair,
}

impl Issuer {
    async fn start(files: &Files) -> Issuer {
        use base64::Engine as _;
        let key = KeyPair::generate().unwrap();
        let point = key.public_key_raw().to_vec();
        let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let shown = json!({"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "use": "sig",
            "x": encode(&point[1..33]), "y": encode(&point[33..])});
        let outside = Outside::start(files, move |address, path, _| match path {
            "/keys" => json!({"keys": [{"kty": "unheard of"}, shown]}),
            _ => json!({"issuer": format!("https://{address}"), "jwks_uri": format!("https://{address}/keys")}),
        })
        .await;
        Issuer { outside, key }
    }

    fn url(&self) -> String {
        format!("https://{}", self.outside.address)
    }

    /// A good token but for these claims.
    fn token(&self, changes: &Value) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.url(), "aud": "kubernetes", "sub": "ann", "groups": ["dev"], "exp": now + 600, "iat": now,
        });
        for (claim, value) in changes.as_object().unwrap() {
            claims[claim] = value.clone();
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k".to_owned());
        let key = EncodingKey::from_ec_pem(self.key.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }
}

/// Who the server takes the bearer of a token for; nobody where it refuses it.
async fn who(server: &Server, token: &str) -> Value {
    let client = server.anonymous().await.with("authorization", &format!("Bearer {token}"));
    let answer = client.post(SELF, &json!({})).await;
    if answer.code == StatusCode::UNAUTHORIZED { Value::Null } else { answer.created()["status"]["userInfo"].clone() }
}

/// As [`who`], once the server has asked the issuer for its keys.
async fn who_at_last(server: &Server, token: &str) -> Value {
    until("the issuer's keys", async || Some(who(server, token).await).filter(|found| !found.is_null())).await
}

async fn why_not(client: &Client, token: &str) -> String {
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let review = client.post(path, &json!({"spec": {"token": token}})).await.created();
    let told = review["status"]["error"].as_str().unwrap_or_default();
    told.strip_prefix("[invalid bearer token, ").and_then(|rest| rest.strip_suffix(']')).unwrap_or(told).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_name_an_issuer() {
    let files = Files::new();
    let issuer = Issuer::start(&files).await;
    let flags = [
        "--storage=memory".to_owned(),
        format!("--oidc-issuer-url={}", issuer.url()),
        format!("--oidc-ca-file={}", files.path("ca.crt").display()),
        "--oidc-client-id=kubernetes".to_owned(),
        "--oidc-signing-algs=ES256".to_owned(),
        "--oidc-groups-claim=groups".to_owned(),
        "--oidc-groups-prefix=oidc:".to_owned(),
        "--oidc-required-claim=tenant=a".to_owned(),
    ];
    let server = Server::start_with(files, &flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let found = who_at_last(&server, &issuer.token(&json!({"tenant": "a"}))).await;
    assert_eq!(found["username"], format!("{}#ann", issuer.url()));
    assert_eq!(found["groups"], json!(["oidc:dev", "system:authenticated"]));
    let client = server.admin().await;
    let told = |changes: Value| {
        let token = issuer.token(&changes);
        let client = &client;
        async move { why_not(client, &token).await }
    };
    assert_eq!(
        told(json!({"tenant": "b"})).await,
        "oidc: required claim tenant value does not match. Got = b, want = a"
    );
    assert_eq!(
        told(json!({"tenant": "a", "aud": "other"})).await,
        "oidc: verify token: oidc: expected audience \"kubernetes\" got [\"other\"]"
    );
    let expired = told(json!({"tenant": "a", "exp": 1000})).await;
    assert_eq!(expired, "oidc: verify token: oidc: token is expired (Token Expiry: 1970-01-01 00:16:40 +0000 UTC)");
    let good = issuer.token(&json!({"tenant": "a"}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    assert_eq!(
        why_not(&client, &forged).await,
        "oidc: verify token: failed to verify signature: failed to verify id token signature"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_names_issuers_and_is_read_again() {
    let files = Files::new();
    let issuer = Issuer::start(&files).await;
    let authority = files.authority();
    let configuration = |prefix: &str| {
        json!({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
            "jwt": [{
                "issuer": {"url": issuer.url(), "audiences": ["kubernetes"], "certificateAuthority": authority},
                "claimMappings": {
                    "username": {"expression": format!("'{prefix}' + claims.sub")},
                    "groups": {"expression": "claims.groups"},
                    "extra": [{"key": "example.org/team", "valueExpression": "claims.?team.orValue('')"}],
                },
                "userValidationRules": [{"expression": "!user.username.endsWith('root')", "message": "reserved"}],
            }],
            "anonymous": {"enabled": true, "conditions": [{"path": "/livez"}, {"path": "/readyz"}]},
        })
        .to_string()
    };
    files.write("authentication.yaml", &configuration("a:"));
    let flag = format!("--authentication-config={}", files.path("authentication.yaml").display());
    let server = Server::start_with(files, &["--storage=memory", &flag]).await;
    let found = who_at_last(&server, &issuer.token(&json!({"team": "blue"}))).await;
    assert_eq!(found["username"], "a:ann");
    assert_eq!(found["extra"], json!({"example.org/team": ["blue"]}));
    let client = server.admin().await;
    assert_eq!(
        why_not(&client, &issuer.token(&json!({"sub": "root"}))).await,
        "oidc: error evaluating user info validation rule: validation expression '!user.username.endsWith('root')' failed: reserved"
    );
    // Only some paths are for everybody.
    let stranger = server.anonymous().await;
    assert_eq!(stranger.get("/livez").await.code, StatusCode::OK);
    stranger.get("/version").await.refused(401, "Unauthorized");
    // A wrong file changes nothing, a right one is taken.
    server.files.write("authentication.yaml", "nonsense");
    server.files.write("authentication.yaml", &configuration("b:"));
    until("the new prefix", async || {
        let found = who_at_last(&server, &issuer.token(&json!({}))).await;
        let is_new = found["username"] == "b:ann";
        assert!(is_new || found["username"] == "a:ann", "{found}");
        is_new.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_judges_tokens() {
    let files = Files::new();
    let outside = Outside::start(&files, |_, path, review| {
        assert_eq!((path, &review["kind"]), ("/judge", &json!("TokenReview")));
        let status = match review["spec"]["token"].as_str() {
            Some("good") => json!({"authenticated": true, "user": {
                "username": "bob", "uid": "7", "groups": ["ops"], "extra": {"team": ["red"]}}}),
            _ => json!({"authenticated": false, "error": "never heard of it"}),
        };
        json!({"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status})
    })
    .await;
    let config = outside.kubeconfig(&files, "webhook.conf", "/judge");
    let flags = [
        "--storage=memory".to_owned(),
        format!("--authentication-token-webhook-config-file={config}"),
        "--authentication-token-webhook-version=v1".to_owned(),
    ];
    let server = Server::start_with(files, &flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for _ in 0..2 {
        let found = who(&server, "good").await;
        assert_eq!((&found["username"], &found["uid"]), (&json!("bob"), &json!("7")));
        assert_eq!(found["groups"], json!(["ops", "system:authenticated"]));
        assert_eq!(found["extra"], json!({"team": ["red"]}));
    }
    assert_eq!(outside.asked.lock().len(), 1, "the second time it is known");
    assert_eq!(outside.asked.lock()[0]["apiVersion"], "authentication.k8s.io/v1");
    assert_eq!(outside.asked.lock()[0]["spec"]["audiences"], json!(["https://kubernetes.default.svc"]));
    assert_eq!(why_not(&server.admin().await, "bad").await, "never heard of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_decides_what_its_conditions_select() {
    let files = Files::new();
    let outside = Outside::start(&files, |_, _, review| {
        let about = &review["spec"]["resourceAttributes"];
        let status = match about["name"].as_str() {
            Some("allowed") => json!({"allowed": true}),
            Some("denied") => json!({"allowed": false, "denied": true, "reason": "not this one"}),
            _ => json!({"allowed": false}),
        };
        json!({"apiVersion": review["apiVersion"], "kind": "SubjectAccessReview", "status": status})
    })
    .await;
    let config = outside.kubeconfig(&files, "webhook.conf", "/");
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration",
        "authorizers": [
            {"type": "Webhook", "name": "outside", "webhook": {
                "timeout": "10s", "subjectAccessReviewVersion": "v1", "failurePolicy": "NoOpinion",
                "matchConditionSubjectAccessReviewVersion": "v1",
                "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": config},
                "matchConditions": [
                    {"expression": "has(request.resourceAttributes)"},
                    {"expression": "request.resourceAttributes.resource == 'configmaps'"},
                ],
            }},
            {"type": "Node", "name": "node"},
            {"type": "RBAC", "name": "rbac"},
        ],
    });
    files.write("authorization.yaml", &configuration.to_string());
    let flag = format!("--authorization-config={}", files.path("authorization.yaml").display());
    let server = Server::start_without_modes(files, &["--storage=memory", &flag]).await;
    let admin = server.admin().await;
    for name in ["allowed", "denied", "other"] {
        admin.config_map(name, &json!({})).await;
    }
    let ann = server.user("ann", &["dev"]).await;
    let path = |name: &str| format!("/api/v1/namespaces/default/configmaps/{name}");
    ann.get(&path("allowed")).await.ok();
    ann.get(&path("allowed")).await.ok();
    let message = ann.get(&path("denied")).await.refused(403, "Forbidden");
    assert!(message.ends_with(": not this one"), "{message}");
    ann.get(&path("other")).await.refused(403, "Forbidden");
    ann.get("/api/v1/namespaces/default/secrets").await.refused(403, "Forbidden");
    let asked = outside.asked.lock().clone();
    assert_eq!(asked.len(), 3, "answers are remembered, and of secrets it is not asked: {asked:?}");
    let about =
        json!({"namespace": "default", "verb": "get", "version": "v1", "resource": "configmaps", "name": "allowed"});
    assert_eq!(asked[0]["spec"]["resourceAttributes"], about);
    assert_eq!((&asked[0]["spec"]["user"], &asked[0]["spec"]["groups"][0]), (&json!("ann"), &json!("dev")));
    // Asked in the midst of other work it decides as well.
    let review = json!({"spec": {"resourceAttributes": {
        "namespace": "default", "verb": "get", "version": "v1", "resource": "configmaps", "name": "denied"}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let status = ann.post(path, &review).await.created()["status"].clone();
    assert_eq!(status, json!({"allowed": false, "denied": true, "reason": "not this one"}));
}
