//! Port-forward: connections to ports of a pod, as pairs of a data and an error stream.

mod client;
mod proxy;
mod server;

pub use client::{Client, ClientConnection, ConnectError, connect, connect_tunnelled};
pub use proxy::{bridge, proxy};
pub use server::{Connection, Pending, ServeError, Server, serve};

/// The only version of the protocol over SPDY.
pub const V1: &str = "portforward.k8s.io";

const PORT: &str = "port";
const REQUEST_ID: &str = "requestid";
const STREAM_TYPE: &str = "streamtype";
const DATA: &str = "data";
const ERROR: &str = "error";
