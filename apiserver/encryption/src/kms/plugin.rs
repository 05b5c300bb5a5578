//! A KMS plugin, and how it is called: gRPC over a unix socket.
//!
//! Source: apiserver `pkg/storage/value/encrypt/envelope/kmsv2/grpc_service.go`, `k8s.io/kms/pkg/util`.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::api::{
    DECRYPT, DecryptRequest, DecryptResponse, ENCRYPT, EncryptRequest, EncryptResponse, STATUS, StatusRequest,
    StatusResponse,
};
use crate::metrics::ProviderMetrics;

/// How long to wait before a plugin is called again that is not there.
const RETRY: Duration = Duration::from_millis(50);

/// What holds the keys that keys are encrypted with. Calls end within the provider's timeout.
#[async_trait]
pub trait Plugin: Send + Sync {
    async fn status(&self) -> Result<StatusResponse, PluginError>;
    async fn encrypt(&self, request: EncryptRequest) -> Result<EncryptResponse, PluginError>;
    async fn decrypt(&self, request: DecryptRequest) -> Result<DecryptResponse, PluginError>;
}

/// A call that failed, in the words of upstream's gRPC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rpc error: code = {code} desc = {message}")]
pub struct PluginError {
    pub code: &'static str,
    pub message: String,
}

/// The plugin behind a socket. It may come and go: a call waits for it as long as the call may take.
pub struct Grpc {
    socket: PathBuf,
    timeout: Duration,
    metrics: ProviderMetrics,
    /// Made by the first call, on whose runtime the connection lives.
    channel: OnceLock<Channel>,
}

impl Grpc {
    /// Does not connect yet. A socket whose name begins with a NUL is an abstract one.
    pub fn new(socket: PathBuf, timeout: Duration, metrics: ProviderMetrics) -> Grpc {
        Grpc { socket, timeout, metrics, channel: OnceLock::new() }
    }

    fn channel(&self) -> Channel {
        let connect = || {
            let socket = self.socket.clone();
            Endpoint::from_static("http://localhost").connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                let socket = socket.clone();
                async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
            }))
        };
        self.channel.get_or_init(connect).clone()
    }

    async fn call<Q, A>(&self, method: &'static str, request: Q) -> Result<A, PluginError>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let started = Instant::now();
        let mut cause = String::new();
        let outcome =
            match tokio::time::timeout(self.timeout, self.until_it_is_there(method, request, &mut cause)).await {
                Ok(outcome) => outcome.map_err(|status| PluginError::from(&status)),
                Err(_) => Err(PluginError { code: "DeadlineExceeded", message: late(&cause) }),
            };
        let code = outcome.as_ref().err().map_or("OK", |error| error.code);
        self.metrics.called(method, code, started.elapsed());
        outcome
    }

    /// Sends a request again as long as the connection, and not the plugin, is at fault; says so in `cause`.
    async fn until_it_is_there<Q, A>(&self, method: &'static str, request: Q, cause: &mut String) -> Result<A, Status>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        loop {
            let mut client = tonic::client::Grpc::new(self.channel());
            let outcome = match client.ready().await {
                Ok(()) => {
                    let path = PathAndQuery::from_static(method);
                    client.unary(Request::new(request.clone()), path, ProstCodec::default()).await
                }
                Err(error) => Err(Status::from_error(error.into())),
            };
            match outcome {
                Ok(answer) => return Ok(answer.into_inner()),
                // What a plugin says has no cause on this side.
                Err(status) => match status.source() {
                    None => return Err(status),
                    Some(_) => *cause = innermost(&status),
                },
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

#[async_trait]
impl Plugin for Grpc {
    async fn status(&self) -> Result<StatusResponse, PluginError> {
        self.call(STATUS, StatusRequest {}).await
    }

    async fn encrypt(&self, request: EncryptRequest) -> Result<EncryptResponse, PluginError> {
        self.call(ENCRYPT, request).await
    }

    async fn decrypt(&self, request: DecryptRequest) -> Result<DecryptResponse, PluginError> {
        self.call(DECRYPT, request).await
    }
}

impl From<&Status> for PluginError {
    fn from(status: &Status) -> Self {
        PluginError { code: name(status.code()), message: status.message().to_owned() }
    }
}

fn late(cause: &str) -> String {
    match cause {
        "" => "context deadline exceeded".to_owned(),
        cause => format!("context deadline exceeded: {cause}"),
    }
}

/// What is at the bottom of a failure: the layers above it say only that there was one.
fn innermost(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}

/// The codes as Go spells them.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
