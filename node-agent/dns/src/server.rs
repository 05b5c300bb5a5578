//! The server: UDP and TCP sockets, each request answered from the zone or by the upstream resolvers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use hickory_server::proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{DNSClass, RecordType},
};
use parking_lot::RwLock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    time::timeout,
};
use tracing::debug;

use crate::{
    forward::{Forwarder, framed},
    lookup::{Answer, Data, lookup},
    metrics::Metrics,
    wire,
    zone::Zone,
};

/// Requests under way at most; more are dropped, and asked again by their clients.
const CONCURRENT: usize = 4096;
const CONNECTIONS: usize = 512;
/// A TCP client may pause this long.
const IDLE: Duration = Duration::from_secs(10);
/// How many aliases are followed.
const MAX_ALIASES: usize = 8;

/// Answers requests. Shared by all sockets.
pub struct Answerer {
    pub zone: Arc<RwLock<Zone>>,
    pub forwarder: Forwarder,
    pub metrics: Metrics,
}

/// What the zone says of a request.
enum Own {
    Message(Box<Message>),
    /// Ours up to an alias whose target is elsewhere.
    Alias(Box<Message>, String),
    NotOurs,
}

impl Answerer {
    /// The response to a request; none where there is to be none.
    pub async fn answer(&self, request: &Message) -> Option<Message> {
        // A response to a response would never end.
        if request.metadata.message_type != MessageType::Query {
            return None;
        }
        if let Some(code) = wire::refusal(request) {
            return Some(wire::failure(request, code));
        }
        let query = &request.queries[0];
        if query.query_class != DNSClass::IN {
            return Some(self.forwarder.ask(request).await);
        }
        match self.zone_answer(request, query) {
            Own::Message(response) => Some(*response),
            Own::NotOurs => Some(self.forwarder.ask(request).await),
            Own::Alias(mut response, target) => {
                if let Some(name) = wire::fqdn(&target) {
                    let mut onward = Message::query();
                    onward.add_query(Query::query(name, query.query_type));
                    let found = self.forwarder.ask(&onward).await;
                    if found.metadata.response_code == ResponseCode::NoError {
                        response.add_answers(found.answers);
                    }
                }
                Some(*response)
            }
        }
    }

    fn zone_answer(&self, request: &Message, query: &Query) -> Own {
        let zone = self.zone.read();
        let mut response = wire::response(request);
        response.metadata.authoritative = true;
        let follows = matches!(query.query_type, RecordType::A | RecordType::AAAA);
        let mut name = wire::text(&query.name);
        for _ in 0..MAX_ALIASES {
            match lookup(&zone, &name, wire::kind(query.query_type)) {
                Answer::NotOurs if response.answers.is_empty() => return Own::NotOurs,
                Answer::NotOurs => return Own::Alias(Box::new(response), name),
                Answer::NoSuchName => {
                    response.metadata.response_code = ResponseCode::NXDomain;
                    break;
                }
                Answer::Found { answers, additionals } => {
                    response.add_answers(wire::records(&zone, &answers, query));
                    response.add_additionals(wire::records(&zone, &additionals, query));
                    match &answers[..] {
                        [alias] if follows => match &alias.data {
                            Data::Cname(target) => name = target.clone(),
                            _ => break,
                        },
                        _ => break,
                    }
                }
            }
        }
        if response.answers.is_empty() {
            // Negative answers say in the SOA how long they hold.
            response.add_authorities(wire::soa(&zone));
        }
        // Clients take the first address: each should be it in turn. Aliases stay in front, where clients follow them.
        let aliases = response.answers.iter().take_while(|record| record.record_type() == RecordType::CNAME).count();
        let addresses = &mut response.answers[aliases..];
        if addresses.len() > 1 && follows {
            let count = addresses.len();
            addresses.rotate_left(usize::from(request.metadata.id) % count);
        }
        Own::Message(Box::new(response))
    }
}

/// Serves an address by UDP and TCP, in tasks of its own. Gives the address, with the port that was free for 0.
///
/// # Errors
/// The port is taken.
pub async fn serve(answerer: Arc<Answerer>, address: SocketAddr) -> Result<SocketAddr> {
    let named = || format!("failed to listen on {address}");
    let tcp = TcpListener::bind(address).await.with_context(named)?;
    let bound = tcp.local_addr().with_context(named)?;
    let udp = UdpSocket::bind(bound).await.with_context(named)?;
    tokio::spawn(serve_udp(answerer.clone(), udp));
    tokio::spawn(serve_tcp(answerer, tcp));
    Ok(bound)
}

async fn serve_udp(answerer: Arc<Answerer>, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let slots = Arc::new(Semaphore::new(CONCURRENT));
    let mut buffer = vec![0; 4096];
    loop {
        let (read, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // Mostly an earlier answer that its client did not wait for.
                debug!("udp: {error}");
                continue;
            }
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else { continue };
        let Ok(request) = Message::from_vec(&buffer[..read]) else { continue };
        let (answerer, socket) = (answerer.clone(), socket.clone());
        tokio::spawn(async move {
            let began = std::time::Instant::now();
            if let Some(response) = answerer.answer(&request).await {
                answerer.metrics.answered("udp", &request, &response, began.elapsed());
                let bytes = wire::encode(response, wire::udp_size(&request));
                if let Err(error) = socket.send_to(&bytes, client).await {
                    debug!("udp to {client}: {error}");
                }
            }
            drop(slot);
        });
    }
}

async fn serve_tcp(answerer: Arc<Answerer>, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!("tcp: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else { continue };
        let answerer = answerer.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(&answerer, stream).await {
                debug!("tcp: {error}");
            }
            drop(slot);
        });
    }
}

/// Answers one client's requests, one after the other, until it goes or falls silent.
async fn converse(answerer: &Answerer, mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let Ok(length) = timeout(IDLE, stream.read_u16()).await else { return Ok(()) };
        let mut buffer = vec![0; usize::from(length?)];
        let Ok(read) = timeout(IDLE, stream.read_exact(&mut buffer)).await else { return Ok(()) };
        read?;
        let Ok(request) = Message::from_vec(&buffer) else { return Ok(()) };
        let began = std::time::Instant::now();
        let Some(response) = answerer.answer(&request).await else { return Ok(()) };
        answerer.metrics.answered("tcp", &request, &response, began.elapsed());
        let bytes = framed(&wire::encode(response, usize::from(u16::MAX)));
        let Ok(written) = timeout(IDLE, stream.write_all(&bytes)).await else { return Ok(()) };
        written?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Service;

    async fn server() -> SocketAddr {
        let mut zone = Zone::new("cluster.local");
        zone.set_namespace("default", true);
        let service = |ip: &str| Service { cluster_ips: vec![ip.parse().unwrap()], ..Service::default() };
        zone.set_service("default/web", Some(service("10.96.0.7")));
        let alias = |to: &str| Service { external_name: to.to_string(), ..Service::default() };
        zone.set_service("default/near", Some(alias("web.default.svc.cluster.local")));
        zone.set_service("default/far", Some(alias("example.com")));
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let forwarder = Forwarder::new(Vec::new());
        let answerer = Answerer { zone: Arc::new(RwLock::new(zone)), forwarder, metrics };
        serve(Arc::new(answerer), ([127, 0, 0, 1], 0).into()).await.unwrap()
    }

    async fn ask(server: SocketAddr, name: &str) -> Message {
        let mut request = Message::query();
        request.add_query(Query::query(wire::fqdn(name).unwrap(), RecordType::A));
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        socket.send_to(&request.to_vec().unwrap(), server).await.unwrap();
        let mut buffer = [0; 512];
        let read = socket.recv(&mut buffer).await.unwrap();
        let by_udp = Message::from_vec(&buffer[..read]).unwrap();
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(&framed(&request.to_vec().unwrap())).await.unwrap();
        let mut buffer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(Message::from_vec(&buffer).unwrap(), by_udp);
        assert_eq!(by_udp.metadata.id, request.metadata.id);
        by_udp
    }

    #[tokio::test]
    async fn by_udp_and_tcp() {
        let server = server().await;
        let found = ask(server, "WEB.default.svc.cluster.local").await;
        assert!(found.metadata.authoritative && found.answers.len() == 1);
        let missing = ask(server, "nope.default.svc.cluster.local").await;
        assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(missing.authorities[0].record_type(), RecordType::SOA);
        let empty = ask(server, "default.svc.cluster.local").await;
        assert_eq!((empty.metadata.response_code, empty.authorities.len()), (ResponseCode::NoError, 1));
        let near = ask(server, "near.default.svc.cluster.local").await;
        let types: Vec<_> = near.answers.iter().map(|record| record.record_type()).collect();
        assert_eq!(types, [RecordType::CNAME, RecordType::A]);
        let far = ask(server, "far.default.svc.cluster.local").await;
        assert_eq!(far.answers.len(), 1, "the alias is ours to tell even where its target cannot be resolved");
        assert_eq!(ask(server, "example.com").await.metadata.response_code, ResponseCode::ServFail);
    }

    #[tokio::test]
    async fn garbage_gets_no_answer_and_does_no_harm() {
        let server = server().await;
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        for garbage in [&b""[..], b"x", &[0xff; 600]] {
            socket.send_to(garbage, server).await.unwrap();
        }
        let mut response = Message::query();
        response.metadata.message_type = MessageType::Response;
        socket.send_to(&response.to_vec().unwrap(), server).await.unwrap();
        assert_eq!(ask(server, "web.default.svc.cluster.local").await.answers.len(), 1);
    }
}
