//! Who comes: service account tokens and their keys, and what else proves a user.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Client, Files, Server};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

async fn token(client: &Client, account: &str, spec: Value) -> Value {
    let path = format!("/api/v1/namespaces/default/serviceaccounts/{account}/token");
    client.post(&path, &json!({"spec": spec})).await.created()
}

/// What else is told of a token that is not believed.
fn why_not(status: &Value) -> &str {
    let told = status["error"].as_str().unwrap_or_default();
    told.strip_prefix("[invalid bearer token, ").and_then(|rest| rest.strip_suffix(']')).unwrap_or(told)
}

async fn review(client: &Client, token: &str, audiences: &[&str]) -> Value {
    let spec = json!({"token": token, "audiences": audiences});
    client.post(REVIEWS, &json!({"spec": spec})).await.created()["status"].clone()
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn account(client: &Client, name: &str) -> Value {
    client.post("/api/v1/namespaces/default/serviceaccounts", &json!({"metadata": {"name": name}})).await.created()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_shown_to_whoever_verifies_tokens() {
    let files = Files::new();
    let old = rcgen::KeyPair::generate().unwrap();
    files.write("old.pub", &old.public_key_pem());
    let path = |name: &str| files.path(name).display().to_string();
    let flags = [
        format!("--service-account-key-file={}", path("sa.key")),
        format!("--service-account-key-file={}", path("old.pub")),
        "--service-account-issuer=https://second.example".to_owned(),
        "--external-hostname=api.example:443".to_owned(),
        "--storage=memory".to_owned(),
    ];
    let server = Server::start_with(files, &flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let client = server.admin().await;
    let keys = client.get("/openid/v1/jwks").await;
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    assert_eq!(keys.headers["cache-control"], "public, max-age=3600");
    let keys = keys.ok()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2);
    assert_eq!((&keys[0]["kty"], &keys[0]["crv"], &keys[0]["alg"]), (&json!("EC"), &json!("P-256"), &json!("ES256")));
    let documents = client.get("/.well-known/openid-configuration").await.ok();
    assert_eq!(documents["issuer"], "https://kubernetes.default.svc");
    assert_eq!(documents["jwks_uri"], "https://api.example:443/openid/v1/jwks");
    client.post("/openid/v1/jwks", &json!({})).await.refused(405, "MethodNotAllowed");
    // Only who may read them.
    server.anonymous().await.get("/openid/v1/jwks").await.refused(403, "Forbidden");
    account(&client, "own").await;
    let own = token(&client, "own", json!({})).await["status"]["token"].as_str().unwrap().to_owned();
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(own.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(header["kid"], keys[0]["kid"]);
    // Both issuers are audiences.
    assert_eq!(claims(&own)["aud"], json!(["https://kubernetes.default.svc", "https://second.example"]));

    // A token of the old key and the second issuer is still good.
    let account = account(&client, "app").await;
    let now = jiff::Timestamp::now().as_second();
    let signed = |claims: Value| {
        let key = jsonwebtoken::EncodingKey::from_ec_pem(old.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256), &claims, &key).unwrap()
    };
    let mut claims = json!({
        "iss": "https://second.example", "aud": ["https://second.example"], "sub": "system:serviceaccount:default:app",
        "exp": now + 600, "iat": now, "nbf": now,
        "kubernetes.io": {"namespace": "default",
            "serviceaccount": {"name": "app", "uid": account["metadata"]["uid"]}},
    });
    let judged = review(&client, &signed(claims.clone()), &[]).await;
    assert_eq!(judged["user"]["username"], "system:serviceaccount:default:app", "{judged}");
    assert_eq!(judged["audiences"], json!(["https://second.example"]));
    let refused = [
        ("exp", json!(now - 600), "service account token has expired"),
        ("iss", json!("https://third.example"), "invalid bearer token"),
        (
            "aud",
            json!("other"),
            "token audiences [\"other\"] is invalid for the target audiences [\"https://kubernetes.default.svc\" \"https://second.example\"]",
        ),
    ];
    for (claim, value, why) in refused {
        let good = std::mem::replace(&mut claims[claim], value);
        assert_eq!(why_not(&review(&client, &signed(claims.clone()), &[]).await), why);
        claims[claim] = good;
    }
    let good = signed(claims);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let told = review(&client, &forged, &[]).await;
    assert_eq!(told["error"], "[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_last_as_long_as_they_may() {
    let flags = ["--storage=memory", "--service-account-max-token-expiration=1h"];
    let server = Server::start_with(Files::new(), &flags).await;
    let client = server.admin().await;
    account(&client, "own").await;
    let path = "/api/v1/namespaces/default/serviceaccounts/own/token";
    let answer = client.post(path, &json!({"spec": {"expirationSeconds": 7200}})).await;
    assert_eq!(answer.headers["warning"], "299 - \"requested expiration of 7200 seconds shortened to 3600 seconds\"");
    let request = answer.created();
    assert_eq!(request["spec"]["expirationSeconds"], 3600);
    let claims = claims(request["status"]["token"].as_str().unwrap());
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    let other = json!({"metadata": {"uid": "other"}, "spec": {}});
    client.post(path, &other).await.refused(409, "Conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_for_an_audience() {
    let server = Server::start().await;
    let client = server.admin().await;
    account(&client, "own").await;
    let request = token(&client, "own", json!({"audiences": ["vault"]})).await;
    let own = request["status"]["token"].as_str().unwrap();
    let judged = review(&client, own, &["vault", "other"]).await;
    assert_eq!((&judged["authenticated"], &judged["audiences"]), (&json!(true), &json!(["vault"])));
    assert_eq!(judged["user"]["groups"][2], "system:authenticated");
    assert!(review(&client, own, &[]).await["authenticated"].is_null());
    let stranger = server.anonymous().await.with("authorization", &format!("Bearer {own}"));
    stranger.get("/api").await.refused(401, "Unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_tokens_are_those_of_their_secrets() {
    let server = Server::start().await;
    let client = server.admin().await;
    let account = account(&client, "old").await;
    let key = std::fs::read(server.files.path("sa.key")).unwrap();
    let key = jsonwebtoken::EncodingKey::from_ec_pem(&key).unwrap();
    let claims = json!({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:old",
        "kubernetes.io/serviceaccount/namespace": "default",
        "kubernetes.io/serviceaccount/secret.name": "old-token",
        "kubernetes.io/serviceaccount/service-account.name": "old",
        "kubernetes.io/serviceaccount/service-account.uid": account["metadata"]["uid"],
    });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    let own = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    assert_eq!(why_not(&review(&client, &own, &[]).await), "Token has been invalidated");
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = json!({
        "metadata": {"name": "old-token", "annotations": {"kubernetes.io/service-account.name": "old"}},
        "type": "kubernetes.io/service-account-token", "data": {"token": STANDARD.encode(&own)},
    });
    client.post(secrets, &secret).await.created();
    let judged = review(&client, &own, &[]).await;
    assert_eq!(judged["user"]["username"], "system:serviceaccount:default:old", "{judged}");
    assert_eq!(judged["audiences"], json!(["https://kubernetes.default.svc"]));
    let noted = client.get(&format!("{secrets}/old-token")).await.ok();
    assert_eq!(noted["metadata"]["labels"]["kubernetes.io/legacy-token-last-used"].as_str().unwrap().len(), 10);
    assert!(client.get("/metrics").await.text().contains("serviceaccount_legacy_manual_token_uses_total 1\n"));
    client.delete(&format!("{secrets}/old-token")).await.ok();
    assert_eq!(why_not(&review(&client, &own, &[]).await), "Token has been invalidated");
}
