//! SPDY/3.1 as Kubernetes speaks it: frames, header compression and multiplexed connections.
//!
//! Peers (moby/spdystream in kubectl, the kubelet and container runtimes) neither keep to windows nor update them. So
//! data is sent without regard to the peer's window and the transport's own back pressure is what slows a sender.
//! WINDOW_UPDATE is only sent to a peer that has spoken of windows: spdystream closes its socket as soon as it is done,
//! and any byte from us that it has not read then makes TCP drop what it has not sent yet.

mod codec;
mod connection;
mod dictionary;
mod driver;
mod headers;
mod stream;

pub use codec::{Decoder, Encoder, Frame, FrameError, Limits, RstStatus};
pub use connection::{Config, Connection, Error, Incoming, Role};
pub use headers::Headers;
pub use stream::Stream;
