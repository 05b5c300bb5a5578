//! A web server for trying things out: says who it is and which version.
//!
//! `/` answers `hello from HOSTNAME, version VERSION`, `/healthz` answers `ok`, `/exit` ends the process with
//! code 1. Each request is a line on standard output. Told to end (SIGTERM), it goes on answering for a second, so
//! that nobody who was sent here just before is turned away, and ends with code 0.

// No runtime here whose threads could be blocked.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// How long it goes on answering once it is told to end.
const DRAIN: Duration = Duration::from_secs(1);

fn main() {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = match TcpListener::bind(format!("0.0.0.0:{port}")) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("cannot listen on port {port}: {error}");
            std::process::exit(1);
        }
    };
    println!("listening on port {port}");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = answer(stream);
            });
        }
    });
    if let Err(error) = told_to_end() {
        eprintln!("cannot wait for signals: {error}");
        std::process::exit(1);
    }
    std::thread::sleep(DRAIN);
}

/// Waits for SIGTERM. Process 1 of a container gets no signal that it does not ask for.
fn told_to_end() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        signal(SignalKind::terminate())?.recv().await;
        Ok(())
    })
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
    }
    println!("{} {}", stream.peer_addr()?.ip(), line.trim());
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let version = std::env::var("VERSION").unwrap_or_default();
    let body = match path.as_str() {
        "/healthz" => "ok\n".to_owned(),
        "/exit" => std::process::exit(1),
        _ => format!("hello from {}, version {version}\n", host.trim()),
    };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
