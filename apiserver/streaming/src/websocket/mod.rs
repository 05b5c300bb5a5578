//! WebSocket as Kubernetes uses it: channels in one connection, SPDY tunnelled through it, and a stream read one way.

mod channels;
mod reader;
mod tunnel;

pub use channels::{Channel, ChannelKind, ChannelProtocol, Channels};
pub use reader::serve_reader;
pub use tunnel::Tunnel;

use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Longest message taken, as upstream's WebSocket server has it.
const MAX_MESSAGE: usize = 32 << 20;

/// Prefix of the subprotocols that carry SPDY (KEP-4006).
pub const TUNNEL_PREFIX: &str = "SPDY/3.1+";
/// Suffix of all subprotocols of Kubernetes.
const SUFFIX: &str = ".k8s.io";

/// The SPDY protocol that a WebSocket subprotocol tunnels, e.g. `portforward.k8s.io`.
#[must_use]
pub fn tunnelled_protocol(subprotocol: &str) -> Option<&str> {
    subprotocol.strip_prefix(TUNNEL_PREFIX).filter(|protocol| protocol.ends_with(SUFFIX))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(32 * 1024)
        .write_buffer_size(64 * 1024)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}
