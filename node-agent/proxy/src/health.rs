//! Health over http: of the proxy, and of services with `healthCheckNodePort` for their load balancers.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tracing::{info, warn};

use crate::model::{Family, ServiceKey};

/// A sync that waits longer than this makes the proxy unhealthy.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A client may take so long to say what it wants, and in so many bytes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_LIMIT: usize = 8192;

/// The proxy's health. Clones share it.
#[derive(Clone, Default)]
pub struct ProxyHealth(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    families: BTreeMap<Family, FamilyHealth>,
    node_known: bool,
    node_leaving: bool,
}

#[derive(Default)]
struct FamilyHealth {
    updated: Option<Timestamp>,
    queued: Option<Instant>,
}

impl ProxyHealth {
    fn with<T>(&self, use_it: impl FnOnce(&mut Inner) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A change waits to be programmed.
    pub fn queued(&self, family: Family) {
        self.with(|inner| {
            inner.families.entry(family).or_default().queued.get_or_insert_with(Instant::now);
        });
    }

    /// All changes are programmed.
    pub fn updated(&self, family: Family) {
        self.with(|inner| {
            inner.families.insert(family, FamilyHealth { updated: Some(Timestamp::now()), queued: None });
        });
    }

    /// The family is not proxied.
    pub fn forget(&self, family: Family) {
        self.with(|inner| inner.families.remove(&family));
    }

    pub fn set_node(&self, leaving: Option<bool>) {
        self.with(|inner| {
            inner.node_known = leaving.is_some();
            inner.node_leaving = leaving.unwrap_or(false);
        });
    }

    pub fn is_healthy(&self) -> bool {
        self.with(|inner| inner.families.values().all(FamilyHealth::is_healthy))
    }

    /// The answer to `/healthz` (load balancers' view: is this node eligible?) and `/livez` (the process's).
    fn answer(&self, path: &str) -> Answer {
        let eligibility = match path {
            "/healthz" => true,
            "/livez" => false,
            _ => return Answer::not_found(),
        };
        self.with(|inner| {
            let now = Timestamp::now();
            let eligible = inner.node_known && !inner.node_leaving;
            let works = inner.families.values().all(FamilyHealth::is_healthy);
            let healthy = works && (eligible || !eligibility);
            let updated = inner.families.values().filter_map(|family| family.updated).max();
            let status: serde_json::Map<_, _> = inner
                .families
                .iter()
                .map(|(family, health)| {
                    let status = json!({"lastUpdated": text(health.updated), "healthy": health.is_healthy()});
                    (family.as_str().to_string(), status)
                })
                .collect();
            let mut body = json!({
                "lastUpdated": text(if healthy { Some(now) } else { updated }),
                "currentTime": text(Some(now)),
                "healthy": works,
                "status": status,
            });
            if eligibility {
                body["nodeEligible"] = json!(eligible);
            }
            Answer { status: if healthy { 200 } else { 503 }, headers: String::new(), body: body.to_string() }
        })
    }
}

impl FamilyHealth {
    fn is_healthy(&self) -> bool {
        self.queued.is_none_or(|since| since.elapsed() < TIMEOUT)
    }
}

fn text(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "0001-01-01T00:00:00Z".to_string(), |time| time.to_string())
}

/// Serves the proxy's health in a task of its own. Gives the bound address.
///
/// # Errors
/// The address is taken.
pub async fn serve(health: ProxyHealth, address: SocketAddr) -> Result<SocketAddr> {
    let listener = listen(address).await?;
    let bound = listener.local_addr().context("the listener has no address")?;
    tokio::spawn(accept(listener, Arc::new(move |path: &str| health.answer(path))));
    Ok(bound)
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("failed to listen on {address}"))
}

/// The servers of services with a health check port.
#[derive(Default)]
pub struct ServiceHealth {
    servers: BTreeMap<ServiceKey, Server>,
}

struct Server {
    port: u16,
    local_endpoints: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ServiceHealth {
    /// Opens and closes servers until there is one for each of `wanted`, on the node's addresses or on all of them.
    pub async fn sync(
        &mut self,
        wanted: &BTreeMap<ServiceKey, (u16, usize)>,
        addresses: &[IpAddr],
        proxy: &ProxyHealth,
    ) {
        self.servers.retain(|key, server| wanted.get(key).is_some_and(|(port, _)| *port == server.port));
        for (key, (port, count)) in wanted {
            if let Some(server) = self.servers.get(key) {
                *server.local_endpoints.lock().unwrap_or_else(PoisonError::into_inner) = *count;
                continue;
            }
            let local_endpoints = Arc::new(Mutex::new(*count));
            let mut listeners = Vec::new();
            let mut failed = None;
            for address in addresses {
                match listen(SocketAddr::new(*address, *port)).await {
                    Ok(listener) => listeners.push(listener),
                    Err(error) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                warn!("failed to start healthcheck {key:?} on port {port}: {error:#}");
                continue;
            }
            info!("opening healthcheck of {key} on port {port}");
            let handler = service_handler(key.clone(), local_endpoints.clone(), proxy.clone());
            let task = tokio::spawn(async move {
                let accepting = listeners.into_iter().map(|listener| accept(listener, handler.clone()));
                futures::future::join_all(accepting).await;
            });
            self.servers.insert(key.clone(), Server { port: *port, local_endpoints, task });
        }
    }
}

type Handler = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

fn service_handler(key: ServiceKey, count: Arc<Mutex<usize>>, proxy: ProxyHealth) -> Handler {
    Arc::new(move |_path| {
        let count = *count.lock().unwrap_or_else(PoisonError::into_inner);
        let healthy = proxy.is_healthy();
        let body = json!({
            "service": {"namespace": key.namespace, "name": key.name},
            "localEndpoints": count,
            "serviceProxyHealthy": healthy,
        });
        Answer {
            status: if count > 0 && healthy { 200 } else { 503 },
            headers: format!("X-Load-Balancing-Endpoint-Weight: {count}\r\n"),
            body: body.to_string(),
        }
    })
}

/// What is answered.
struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    fn not_found() -> Self {
        Answer { status: 404, headers: String::new(), body: "404 page not found\n".to_string() }
    }
}

async fn accept(listener: TcpListener, handler: Handler) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let handler = handler.clone();
                tokio::spawn(async move {
                    // A client that goes away or dawdles is its own problem.
                    let _ = tokio::time::timeout(REQUEST_TIMEOUT, answer(stream, &handler)).await;
                });
            }
            Err(error) => {
                warn!("accept failed: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Answers one request and closes: probes are rare and all alike.
async fn answer(mut stream: TcpStream, handler: &Handler) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST_LIMIT {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            break;
        }
        request.extend_from_slice(&chunk[..read]);
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let target = line.split(' ').nth(1).unwrap_or("/");
    let answer = handler(target.split('?').next().unwrap_or("/"));
    let status = match answer.status {
        200 => "200 OK",
        404 => "404 Not Found",
        _ => "503 Service Unavailable",
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n{}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        answer.headers,
        answer.body.len(),
        answer.body
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn proxy_health() {
        let health = ProxyHealth::default();
        let address = serve(health.clone(), ([127, 0, 0, 1], 0).into()).await.unwrap();
        assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 503"), "the node is unknown");
        health.set_node(Some(false));
        health.updated(Family::V4);
        let answer = get(address, "/healthz").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"nodeEligible\":true"), "{answer}");
        health.set_node(Some(true));
        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 503"));
        assert!(get(address, "/else").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn service_health() {
        let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        let key = ServiceKey { namespace: "ns".into(), name: "svc".into() };
        let mut services = ServiceHealth::default();
        let proxy = ProxyHealth::default();
        let ips = [free.ip()];
        services.sync(&BTreeMap::from([(key.clone(), (free.port(), 2))]), &ips, &proxy).await;
        let answer = get(free, "/").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Weight: 2") && answer.contains("\"svc\""));
        services.sync(&BTreeMap::from([(key, (free.port(), 0))]), &ips, &proxy).await;
        assert!(get(free, "/").await.starts_with("HTTP/1.1 503"));
        services.sync(&BTreeMap::new(), &ips, &proxy).await;
        // The listener is dropped when its task runs next, and another test may have the port for a moment then.
        let refused = async {
            while TcpStream::connect(free).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), refused).await.unwrap();
    }
}
