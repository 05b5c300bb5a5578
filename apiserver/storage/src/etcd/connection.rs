//! Connections to the members of an etcd cluster: TLS, failover from one endpoint to the next, and retries.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{
    Certificate, Channel, Client as EtcdClient, ConnectOptions, Error as EtcdError, Identity, KvClient, LeaseClient,
    TlsOptions, WatchClient,
};
use futures::future::join_all;
use parking_lot::RwLock;
use tokio::time::Instant;
use tonic::transport::Endpoint;

use super::failure::{Failure, Kind};
use crate::{Error, Result};

/// As kube-apiserver's etcd client has it: dead connections are noticed within 40 s.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Flow control must not hold up one big watch or list.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;
/// The largest answer taken, as in etcd's own client.
const MAX_MESSAGE: usize = i32::MAX as usize;
/// Waits in milliseconds before a request is tried again; about three seconds in all.
const RETRIES: [u64; 5] = [100, 200, 400, 800, 1600];
const DIAL_PAUSE: Duration = Duration::from_millis(300);

/// How to reach an etcd cluster, and how to use it.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// For example `https://127.0.0.1:2379`. Without a scheme it is https if any of the TLS files is given, else http.
    pub endpoints: Vec<String>,
    /// PEM file of the authorities that etcd's certificate is checked against; without it, the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of the client's certificate and key.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// How long [`super::EtcdStore::connect`] tries.
    pub dial_timeout: Duration,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How often history is compacted; zero leaves it to others.
    pub compaction_interval: Duration,
    /// Connections that requests are spread over. Watches have one more.
    pub connections: usize,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        EtcdOptions {
            endpoints: vec!["http://127.0.0.1:2379".into()],
            ca: None,
            cert: None,
            key: None,
            dial_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(60),
            compaction_interval: Duration::from_secs(300),
            connections: 2,
        }
    }
}

/// The clients of one connection. Cloning is cheap and shares it.
#[derive(Clone)]
pub(super) struct Client {
    kv: KvClient,
    leases: LeaseClient,
    watches: WatchClient,
}

impl Client {
    pub fn kv(&self) -> KvClient {
        self.kv.clone()
    }

    pub fn leases(&self) -> LeaseClient {
        self.leases.clone()
    }

    pub fn watches(&self) -> WatchClient {
        self.watches.clone()
    }
}

/// Bytes of one endpoint's database file: the first that tells.
pub(super) async fn size(connections: &Connections) -> Option<u64> {
    for endpoint in &connections.endpoints {
        let asked = async { etcd_client(endpoint).await?.maintenance_client().status().await };
        if let Ok(Ok(status)) = tokio::time::timeout(CONNECT_TIMEOUT, asked).await {
            return u64::try_from(status.db_size()).ok();
        }
    }
    None
}

/// A connection to one endpoint at a time.
struct Slot {
    current: RwLock<(usize, Client)>,
}

pub(super) struct Connections {
    endpoints: Vec<Endpoint>,
    requests: Vec<Slot>,
    watches: Slot,
    next: AtomicUsize,
    request_timeout: Duration,
    pub(super) progress_overtakes: bool,
}

impl Connections {
    pub async fn open(options: EtcdOptions) -> Result<Self> {
        let endpoints = endpoints(&options).await?;
        let (first, versions) = dial(&endpoints, options.dial_timeout).await?;
        let slot =
            || async { Ok::<_, Error>(Slot { current: RwLock::new((first, client(&endpoints[first]).await?)) }) };
        let mut requests = Vec::new();
        for _ in 0..options.connections.max(1) {
            requests.push(slot().await?);
        }
        let watches = slot().await?;
        tracing::info!(endpoint = %endpoints[first].uri(), version = versions[first], "connected to etcd");
        Ok(Connections {
            requests,
            watches,
            next: AtomicUsize::new(0),
            request_timeout: options.request_timeout,
            progress_overtakes: versions.iter().flatten().any(|version| progress_overtakes(version)),
            endpoints,
        })
    }

    /// Whether a requested progress notification may come before the events it vouches for: etcd issue 15220, repaired
    /// in 3.4.25 and 3.5.8.
    pub fn progress_overtakes(&self) -> bool {
        self.progress_overtakes
    }

    /// Sends a request that changes nothing, more than once if need be.
    pub async fn read<T, F, Fut>(&self, request: F) -> std::result::Result<T, Failure>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = std::result::Result<T, EtcdError>>,
    {
        self.retrying(request, |kind| matches!(kind, Kind::NotDone | Kind::Unknown)).await
    }

    /// Sends a request that must not take effect twice.
    pub async fn write<T, F, Fut>(&self, request: F) -> std::result::Result<T, Failure>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = std::result::Result<T, EtcdError>>,
    {
        self.retrying(request, |kind| kind == Kind::NotDone).await
    }

    /// Sends a request once.
    pub async fn once<T, F, Fut>(&self, request: F) -> std::result::Result<T, Failure>
    where
        F: FnOnce(Client) -> Fut,
        Fut: Future<Output = std::result::Result<T, EtcdError>>,
    {
        let slot = &self.requests[self.next.fetch_add(1, Ordering::Relaxed) % self.requests.len()];
        let (endpoint, client) = slot.current.read().clone();
        let failure = match tokio::time::timeout(self.request_timeout, request(client)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Failure::from(error),
            Err(_) => Failure::timeout(self.request_timeout.as_secs()),
        };
        if failure.transport {
            self.fail_over(slot, endpoint).await;
        }
        Err(failure)
    }

    /// The connection for watches, and the number of its endpoint for [`Self::watch_failed`].
    pub fn watch_client(&self) -> (usize, Client) {
        self.watches.current.read().clone()
    }

    /// Lets the next watch try another endpoint.
    pub async fn watch_failed(&self, endpoint: usize) {
        self.fail_over(&self.watches, endpoint).await;
    }

    async fn retrying<T, F, Fut>(&self, request: F, again: impl Fn(Kind) -> bool) -> std::result::Result<T, Failure>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = std::result::Result<T, EtcdError>>,
    {
        let mut pauses = RETRIES.into_iter();
        let mut endpoints_left = self.endpoints.len() - 1;
        let begun = Instant::now();
        loop {
            let failure = match self.once(&request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !again(failure.kind) || begun.elapsed() >= self.request_timeout {
                return Err(failure);
            }
            // Another endpoint can be tried at once; only when all failed is there a reason to wait.
            if failure.transport && endpoints_left > 0 {
                endpoints_left -= 1;
                continue;
            }
            let Some(pause) = pauses.next() else { return Err(failure) };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Moves a connection on, unless somebody else did so already.
    async fn fail_over(&self, slot: &Slot, failed: usize) {
        // A single endpoint's channel reconnects by itself.
        if self.endpoints.len() < 2 {
            return;
        }
        let next = (failed + 1) % self.endpoints.len();
        let Ok(client) = client(&self.endpoints[next]).await else { return };
        let mut current = slot.current.write();
        if current.0 == failed {
            tracing::info!(endpoint = %self.endpoints[next].uri(), "changing to another etcd endpoint");
            *current = (next, client);
        }
    }
}

/// Asks every endpoint for its version until one answers; gives the number of that one and the versions known.
async fn dial(endpoints: &[Endpoint], timeout: Duration) -> Result<(usize, Vec<Option<String>>)> {
    let deadline = Instant::now() + timeout;
    loop {
        let (versions, error) = statuses(endpoints).await;
        if let Some(first) = versions.iter().position(Option::is_some) {
            return Ok((first, versions));
        }
        // The other side will not change its certificate or its mind while we wait.
        if ["ertificate", "permission denied", "authentication"].iter().any(|sign| error.contains(sign)) {
            return Err(Error::Fatal(format!("cannot use etcd: {error}")));
        }
        if Instant::now() + DIAL_PAUSE >= deadline {
            return Err(Error::Unavailable(format!("cannot reach etcd: {error}")));
        }
        tokio::time::sleep(DIAL_PAUSE).await;
    }
}

/// Each endpoint's version if it answered, and in one line why the others did not.
async fn statuses(endpoints: &[Endpoint]) -> (Vec<Option<String>>, String) {
    let status = |endpoint: &Endpoint| {
        let endpoint = endpoint.clone();
        async move {
            let answer = async {
                let mut client = etcd_client(&endpoint).await?.maintenance_client();
                client.status().await
            };
            match tokio::time::timeout(CONNECT_TIMEOUT, answer).await {
                Ok(Ok(status)) => Ok(status.version().to_owned()),
                Ok(Err(error)) => Err(format!("{}: {}", endpoint.uri(), Failure::from(error).message)),
                Err(_) => Err(format!("{}: no answer within {CONNECT_TIMEOUT:?}", endpoint.uri())),
            }
        }
    };
    let mut errors = Vec::new();
    let mut versions = Vec::new();
    for answer in join_all(endpoints.iter().map(status)).await {
        versions.push(answer.map_err(|error| errors.push(error)).ok());
    }
    (versions, errors.join("; "))
}

async fn client(endpoint: &Endpoint) -> Result<Client> {
    let client = etcd_client(endpoint).await.map_err(|error| Failure::from(error).on_read(0))?;
    Ok(Client {
        kv: client.kv_client().max_decoding_message_size(MAX_MESSAGE),
        leases: client.lease_client(),
        watches: client.watch_client().max_decoding_message_size(MAX_MESSAGE),
    })
}

async fn etcd_client(endpoint: &Endpoint) -> std::result::Result<EtcdClient, EtcdError> {
    // A member that lost its cluster must say so rather than keep a watch waiting.
    let options = ConnectOptions::new().with_require_leader(true);
    EtcdClient::from_channel(Channel::Tonic(endpoint.connect_lazy()), Some(options)).await
}

async fn endpoints(options: &EtcdOptions) -> Result<Vec<Endpoint>> {
    if options.endpoints.is_empty() {
        return Err(Error::Fatal("no etcd endpoint was given".into()));
    }
    let wants_tls = options.ca.is_some() || options.cert.is_some() || options.key.is_some();
    let tls = tls(options).await?;
    options
        .endpoints
        .iter()
        .map(|given| {
            let url = match given.split_once("://") {
                Some(("http" | "https", _)) => given.clone(),
                Some((scheme, _)) => {
                    return Err(Error::Fatal(format!("etcd endpoint {given}: {scheme} is neither http nor https")));
                }
                None if wants_tls => format!("https://{given}"),
                None => format!("http://{given}"),
            };
            let wrong = |error: &dyn std::fmt::Display| Error::Fatal(format!("etcd endpoint {given}: {error}"));
            let mut endpoint = Endpoint::from_shared(url.clone()).map_err(|error| wrong(&error))?;
            if url.starts_with("https://") {
                endpoint = endpoint.tls_config(tls.clone()).map_err(|error| {
                    let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), |e| e.to_string());
                    wrong(&reason)
                })?;
            }
            Ok(endpoint
                .tcp_nodelay(true)
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
                .keep_alive_while_idle(true)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW))
        })
        .collect()
}

async fn tls(options: &EtcdOptions) -> Result<TlsOptions> {
    let mut tls = TlsOptions::new();
    tls = match &options.ca {
        Some(path) => tls.ca_certificate(Certificate::from_pem(pem(path, "CERTIFICATE").await?)),
        None => tls.with_native_roots(),
    };
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            let (cert, key) = (pem(cert, "CERTIFICATE").await?, pem(key, "PRIVATE KEY").await?);
            Ok(tls.identity(Identity::from_pem(cert, key)))
        }
        (None, None) => Ok(tls),
        _ => Err(Error::Fatal("etcd's client certificate and key must be given together".into())),
    }
}

async fn pem(path: &Path, label: &str) -> Result<Vec<u8>> {
    let read = tokio::fs::read(path).await;
    let bytes = read.map_err(|error| Error::Fatal(format!("cannot read {}: {error}", path.display())))?;
    if !String::from_utf8_lossy(&bytes).contains(&format!("{label}-----")) {
        return Err(Error::Fatal(format!("{} holds no PEM {}", path.display(), label.to_lowercase())));
    }
    Ok(bytes)
}

fn progress_overtakes(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    version < (3, 4, 25) || ((3, 5, 0)..(3, 5, 8)).contains(&version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_whose_progress_overtakes() {
        for version in ["3.3.27", "3.4.0", "3.4.23", "3.4.24", "3.5.0", "3.5.7", "3.5.0-rc.1"] {
            assert!(progress_overtakes(version), "{version}");
        }
        for version in ["3.4.25", "3.4.33", "3.5.8", "3.5.26", "3.6.0", "3.7.2", "4.0.0"] {
            assert!(!progress_overtakes(version), "{version}");
        }
    }
}
