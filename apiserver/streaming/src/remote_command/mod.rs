//! Commands in containers (exec and attach): the streams of one command, however they travel.

mod bridge;
mod client;
mod resize;
mod server;
mod status;

pub use bridge::{bridge, proxy};
pub use client::{ClientStreams, ConnectError, ResizeSender, StatusReceiver, connect, connect_websocket};
pub use resize::{Resizes, TerminalSize};
pub use server::{Pending, ServeError, ServerStreams, StatusSender, serve};
pub use status::{Cause, Details, Status};

/// WebSocket only: half-close of stdin.
pub const V5: &str = "v5.channel.k8s.io";
/// The status is JSON, so that it can have an exit code.
pub const V4: &str = "v4.channel.k8s.io";
/// Terminals are resized.
pub const V3: &str = "v3.channel.k8s.io";
pub const V2: &str = "v2.channel.k8s.io";
pub const V1: &str = "channel.k8s.io";

/// What SPDY clients may ask for, best first.
pub const SPDY_PROTOCOLS: [&str; 4] = [V4, V3, V2, V1];

const STREAM_TYPE: &str = "streamtype";

/// The streams that a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

/// A request for no stream at all; upstream answers 400 with this.
#[derive(Debug, thiserror::Error)]
#[error("you must specify at least 1 of stdin, stdout, stderr")]
pub struct NoStreams;

impl Options {
    /// Reads the query of a kubelet's or runtime's streaming URL: `input`, `output`, `error`, `tty`, each `1`.
    /// A terminal has no stderr of its own.
    ///
    /// # Errors
    /// No stream is asked for.
    pub fn from_kubelet_query(query: &str) -> Result<Self, NoStreams> {
        let given = |name: &str| query.split('&').any(|pair| pair.split_once('=') == Some((name, "1")));
        let tty = given("tty");
        let options = Self { stdin: given("input"), stdout: given("output"), stderr: given("error") && !tty, tty };
        if options.stdin || options.stdout || options.stderr { Ok(options) } else { Err(NoStreams) }
    }

    /// The query that `from_kubelet_query` reads.
    #[must_use]
    pub fn to_kubelet_query(self) -> String {
        let pairs = [("input", self.stdin), ("output", self.stdout), ("error", self.stderr), ("tty", self.tty)];
        pairs.iter().filter(|(_, on)| *on).map(|(name, _)| format!("{name}=1")).collect::<Vec<_>>().join("&")
    }
}
