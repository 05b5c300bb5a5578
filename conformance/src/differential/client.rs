//! The smallest HTTP/1.1 client that hides nothing: it adds no header of its own and follows nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::kubeconfig::Server;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the next frame of a watch may take.
const FRAME_PATIENCE: Duration = Duration::from_secs(4);
/// How large an answer may be.
const LIMIT: usize = 256 << 20;

/// Tells whether enough of a body is there.
pub type Enough<'a> = &'a dyn Fn(&[u8]) -> bool;

type Stream = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// A request, complete but for the host and the user's token.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

/// What a server sent back.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body ended; a watch may be left before its end.
    pub ended: bool,
}

/// A connection to a server, made when it is needed.
pub struct Client {
    server: Server,
    stream: Option<Stream>,
}

impl Client {
    pub fn new(server: &Server) -> Self {
        Client { server: server.clone(), stream: None }
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Sends a request and reads the answer to its end, or until `enough` of its body is there.
    ///
    /// # Errors
    /// The server is not reached, or what it sends is not HTTP.
    pub fn send(&mut self, request: &Request, enough: Option<Enough<'_>>) -> Result<Response> {
        let reused = self.stream.is_some();
        let first = self.attempt(request, enough);
        // A server may close a connection that rests.
        if first.is_err() && reused { self.attempt(request, enough) } else { first }
    }

    fn attempt(&mut self, request: &Request, enough: Option<Enough<'_>>) -> Result<Response> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.server)?,
        };
        stream.get_mut().write_all(&head(&self.server, request))?;
        stream.get_mut().write_all(request.body.as_deref().unwrap_or_default())?;
        stream.get_mut().flush()?;
        let (mut response, mut keep) = read_head(&mut stream)?;
        while (100..200).contains(&response.status) && response.status != 101 {
            (response, keep) = read_head(&mut stream)?;
        }
        if enough.is_some() {
            stream.get_ref().sock.set_read_timeout(Some(FRAME_PATIENCE))?;
        }
        let empty = request.method == "HEAD" || matches!(response.status, 101 | 204 | 304);
        response.ended = empty || read_body(&mut stream, &mut response, &mut keep, enough)?;
        if keep && response.ended && response.status != 101 {
            stream.get_ref().sock.set_read_timeout(Some(PATIENCE))?;
            self.stream = Some(stream);
        }
        Ok(response)
    }
}

fn connect(server: &Server) -> Result<Stream> {
    let socket = TcpStream::connect(&server.address).with_context(|| format!("connecting to {}", server.address))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(server.host().to_owned())?;
    let session = ClientConnection::new(server.tls.clone(), name)?;
    Ok(BufReader::with_capacity(64 << 10, StreamOwned::new(session, socket)))
}

fn head(server: &Server, request: &Request) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.path, server.address);
    let authorized = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if let (Some(token), false) = (&server.token, authorized) {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = &request.body {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    head.into_bytes()
}

/// Reads a status line and headers; whether the connection may be used again.
fn read_head(stream: &mut Stream) -> Result<(Response, bool)> {
    let first = line(stream)?;
    let mut response = Response::default();
    match first.split(' ').nth(1).and_then(|code| code.parse().ok()) {
        Some(code) if first.starts_with("HTTP/1.") => response.status = code,
        _ => bail!("not HTTP: {first:?}"),
    }
    let mut keep = first.starts_with("HTTP/1.1");
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            return Ok((response, keep));
        }
        let (name, value) = line.split_once(':').with_context(|| format!("not a header: {line:?}"))?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        keep &= !(name == "connection" && value.eq_ignore_ascii_case("close"));
        response.headers.push((name, value));
    }
}

/// Reads a body; false where enough of it was there before its end.
fn read_body(
    stream: &mut Stream,
    response: &mut Response,
    keep: &mut bool,
    enough: Option<Enough<'_>>,
) -> Result<bool> {
    let header = |name: &str| response.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let chunked = header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    if let (false, Some(length)) = (chunked, header("content-length")) {
        let length: usize = length.parse().with_context(|| format!("length {length:?}"))?;
        if length > LIMIT {
            bail!("an answer of {length} bytes");
        }
        response.body = vec![0; length];
        stream.read_exact(&mut response.body)?;
        return Ok(true);
    }
    if !chunked {
        *keep = false;
        let mut limited = stream.take(LIMIT as u64);
        // Servers end TLS without saying so.
        let _ = limited.read_to_end(&mut response.body);
        return Ok(true);
    }
    loop {
        if enough.is_some_and(|enough| enough(&response.body)) {
            return Ok(false);
        }
        let size = match line(stream) {
            Ok(size) => size,
            // Nothing more came in time.
            Err(_) if enough.is_some() => return Ok(false),
            Err(error) => return Err(error),
        };
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16)
            .with_context(|| format!("chunk of {size:?}"))?;
        if response.body.len() + size > LIMIT {
            bail!("an answer of more than {LIMIT} bytes");
        }
        let start = response.body.len();
        response.body.resize(start + size, 0);
        stream.read_exact(&mut response.body[start..])?;
        line(stream)?;
        if size == 0 {
            return Ok(true);
        }
    }
}

fn line(stream: &mut Stream) -> Result<String> {
    let mut bytes = Vec::new();
    stream.take(1 << 20).read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        bail!("the connection ended");
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
