//! The gRPC health check of probes: one unary call of `grpc.health.v1.Health/Check` over plain HTTP/2.
//!
//! The two messages have one field each, so they are read and written here and need no generated code.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::core::v1::GRPCAction;
use tokio::{net::TcpStream, time};

use crate::{
    go_duration,
    handlers::{Verdict, address},
};

/// An answer is a few bytes; what is longer is none.
const MAX_BODY: usize = 4096;
/// The first wait of gRPC's clients between two attempts to connect.
const RECONNECT: Duration = Duration::from_secs(1);
/// gRPC's status codes that have a message of their own.
const UNIMPLEMENTED: u32 = 12;
const DEADLINE_EXCEEDED: u32 = 4;
/// `HealthCheckResponse.ServingStatus`, by number.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: usize = 1;

/// Asks the server behind the pod's port for its health. Whatever goes wrong is a failure of the probe, in upstream's
/// words.
pub async fn check(pod_ip: &str, action: &GRPCAction, timeout: Duration) -> Verdict {
    let Ok(port) = u16::try_from(action.port) else {
        return Verdict::Failure(format!(
            "error: failed to connect service at \"{pod_ip}:{}\": invalid port",
            action.port
        ));
    };
    let target = address(pod_ip, port);
    let until = time::Instant::now() + timeout;
    // A server that does not listen yet may do so within the probe's time.
    let connected = time::timeout_at(until, async {
        loop {
            if let Ok(stream) = TcpStream::connect((pod_ip, port)).await {
                return stream;
            }
            time::sleep(RECONNECT).await;
        }
    });
    let limit = go_duration::seconds(timeout);
    let Ok(stream) = connected.await else {
        return Verdict::Failure(format!(
            "timeout: failed to connect service {target:?} within {limit}: context deadline exceeded"
        ));
    };
    let service = action.service.as_deref().unwrap_or_default();
    match time::timeout_at(until, call(stream, &target, service)).await {
        Ok(Ok(SERVING)) => Verdict::Success("service healthy".into()),
        Ok(Ok(status)) => {
            let name = STATUSES.get(status).map_or_else(|| status.to_string(), ToString::to_string);
            Verdict::Failure(format!("service unhealthy (responded with {name:?})"))
        }
        Ok(Err(Refused { code: UNIMPLEMENTED, message })) => Verdict::Failure(format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
        )),
        Err(_) | Ok(Err(Refused { code: DEADLINE_EXCEEDED, .. })) => {
            Verdict::Failure(format!("timeout: health rpc did not complete within {limit}"))
        }
        Ok(Err(Refused { code, message })) => Verdict::Failure(format!(
            "error: health rpc probe failed: rpc error: code = {} desc = {message}",
            code_name(code)
        )),
    }
}

/// A gRPC status that is not OK.
struct Refused {
    code: u32,
    message: String,
}

/// The call failed below gRPC.
fn unavailable(error: impl std::fmt::Display) -> Refused {
    Refused { code: 14, message: error.to_string() }
}

async fn call(stream: TcpStream, authority: &str, service: &str) -> Result<usize, Refused> {
    let request = Request::post(format!("http://{authority}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, "kube-probe/1.36")
        .body(Full::new(request(service)))
        .map_err(unavailable)?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(unavailable)?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let (head, body) = sender.send_request(request).await.map_err(unavailable)?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(unavailable)?;
        // An answer without a message has its status in the head.
        let trailers = body.trailers().filter(|trailers| trailers.contains_key("grpc-status")).unwrap_or(&head.headers);
        status_of(trailers)?;
        serving_status(&body.to_bytes()).ok_or_else(|| Refused { code: 13, message: "malformed answer".into() })
    };
    let result = answer.await;
    connection.abort();
    result
}

/// The framed `HealthCheckRequest { service }`.
fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        // Field 1, of a length.
        message.put_u8(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(0x80 | (length & 0x7f) as u8);
            length >>= 7;
        }
        message.put_u8(length as u8);
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::new();
    // Not compressed.
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}

fn status_of(headers: &HeaderMap) -> Result<(), Refused> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let message = text("grpc-message").unwrap_or_default().to_string();
    match text("grpc-status").and_then(|code| code.parse().ok()) {
        Some(0) => Ok(()),
        Some(code) => Err(Refused { code, message }),
        None => Err(Refused { code: 2, message: "the server does not speak gRPC".into() }),
    }
}

/// The status in a framed `HealthCheckResponse { status }`: its number, 0 where the field is left out.
fn serving_status(framed: &[u8]) -> Option<usize> {
    let (head, message) = framed.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..5].try_into().ok()?);
    if head[0] != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    match message {
        [] => Some(0),
        [0x08, status @ 0..0x80] => Some(usize::from(*status)),
        _ => None,
    }
}

/// A status code as Go prints it.
fn code_name(code: u32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("Code({code})"), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Response};
    use http_body_util::StreamBody;
    use hyper::body::{Frame, Incoming};

    /// A health server that answers one call: the message, then the status.
    async fn serve(message: &'static [u8], status: &'static str) -> GRPCAction {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = i32::from(listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = hyper::service::service_fn(move |request: http::Request<Incoming>| async move {
                assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                assert_eq!(request.headers()["te"], "trailers");
                let sent = request.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(sent, &b"\0\0\0\0\x04\x0a\x02db"[..]);
                let trailers = HeaderMap::from_iter([(
                    http::HeaderName::from_static("grpc-status"),
                    HeaderValue::from_static(status),
                )]);
                let frames = [Frame::data(Bytes::from_static(message)), Frame::trailers(trailers)];
                let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, std::convert::Infallible>)));
                Ok::<_, std::convert::Infallible>(Response::new(body))
            });
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
        GRPCAction { port, service: Some("db".into()) }
    }

    #[tokio::test]
    async fn health() {
        let ask = async |action: GRPCAction| check("127.0.0.1", &action, Duration::from_secs(5)).await;
        assert_eq!(ask(serve(b"\0\0\0\0\x02\x08\x01", "0").await).await, Verdict::Success("service healthy".into()));
        assert_eq!(
            ask(serve(b"\0\0\0\0\x02\x08\x02", "0").await).await,
            Verdict::Failure("service unhealthy (responded with \"NOT_SERVING\")".into())
        );
        let Verdict::Failure(message) = ask(serve(b"", "12").await).await else {
            panic!("not implemented is no health")
        };
        assert!(message.starts_with("error: this server does not implement the grpc health protocol"), "{message}");
        let Verdict::Failure(message) = ask(serve(b"", "5").await).await else {
            panic!("an unknown service is not healthy")
        };
        assert!(message.starts_with("error: health rpc probe failed: rpc error: code = NotFound"), "{message}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_listens() {
        let action = GRPCAction { port: 1, service: None };
        assert_eq!(
            check("127.0.0.1", &action, Duration::from_secs(2)).await,
            Verdict::Failure(
                "timeout: failed to connect service \"127.0.0.1:1\" within 2s: context deadline exceeded".into()
            )
        );
    }

    #[test]
    fn messages() {
        assert_eq!(&request("")[..], b"\0\0\0\0\0");
        let long = "x".repeat(200);
        assert_eq!(&request(&long)[..8], b"\0\0\0\0\xcb\x0a\xc8\x01");
        assert_eq!(serving_status(b"\0\0\0\0\0"), Some(0));
        assert_eq!(serving_status(b"\0\0\0\0\x02\x08"), None);
        assert_eq!(serving_status(b"\x01\0\0\0\x02\x08\x01"), None);
        assert_eq!(serving_status(b""), None);
    }
}
