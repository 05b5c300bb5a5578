//! A webhook server of a test: reviews come in over TLS, and the test says how each is answered.

use std::sync::Arc;

use base64::Engine;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::Server;
use crate::tls_server::TlsServer;

pub struct Hook {
    server: TlsServer,
    /// The `request` of each review.
    pub asked: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    /// A server that answers what `answer` makes of a path and a review.
    pub async fn start(server: &Server, answer: impl Fn(&str, &Value) -> String + Send + Sync + 'static) -> Hook {
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let seen = Arc::clone(&asked);
        let answer = move |request: Request<Incoming>| {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            async move {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let review: Value = serde_json::from_slice(&body).unwrap();
                let text = answer(&path, &review);
                seen.lock().push(review["request"].clone());
                Response::new(Full::from(text))
            }
        };
        Hook { server: TlsServer::start(&server.files, ("hook", &["127.0.0.1"]), false, answer).await, asked }
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// A `WebhookClientConfig` that leads to a path of this server.
    pub fn client_config(&self, server: &Server, path: &str) -> Value {
        let authority = std::fs::read(server.files.path("ca.crt")).unwrap();
        json!({
            "url": format!("https://127.0.0.1:{}{path}", self.server.address.port()),
            "caBundle": base64::engine::general_purpose::STANDARD.encode(authority),
        })
    }
}
