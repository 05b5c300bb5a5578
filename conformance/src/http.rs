//! The smallest HTTP client: one request for one page.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// The body of a page that was answered with 200.
pub fn get(address: &str, path: &str) -> Result<String> {
    let socket: SocketAddr = address.parse().with_context(|| format!("{address} is no address"))?;
    let patience = Duration::from_secs(3);
    let mut stream =
        TcpStream::connect_timeout(&socket, patience).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(patience))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).with_context(|| format!("reading from {address}"))?;
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => bail!("{address} answered {:?}", text.lines().next().unwrap_or_default()),
    }
}
