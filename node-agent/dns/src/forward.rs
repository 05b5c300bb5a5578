//! Questions about names that are not ours go to the upstream resolvers; answers are kept for a while.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use hickory_server::proto::{
    op::{Message, ResponseCode},
    rr::{RData, RecordType},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    sync::Semaphore,
    time::timeout,
};
use tracing::debug;

use crate::wire;

/// How long one resolver may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// A resolver that did not answer is asked last for so long.
const DOWN_FOR: Duration = Duration::from_secs(10);
/// Questions under way at most; more fail at once.
const CONCURRENT: usize = 1000;
/// Answers kept at most.
const CACHE_SIZE: usize = 10_000;
/// Answers are kept no longer than this, whatever they say: CoreDNS's limits under kubeadm.
const MAX_TTL: u32 = 30;

/// The resolvers of a `resolv.conf`.
pub fn parse_resolv_conf(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        // A zone ("fe80::1%eth0") needs an interface's number; such a resolver is left out.
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, 53))
    });
    servers.collect()
}

/// A question: name in lower case, type, class, and whether signatures are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    name: String,
    record_type: u16,
    class: u16,
    dnssec: bool,
}

impl Question {
    fn of(request: &Message) -> Option<Self> {
        let query = request.queries.first()?;
        Some(Question {
            name: wire::text(&query.name),
            record_type: query.query_type.into(),
            class: query.query_class.into(),
            dnssec: request.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok),
        })
    }
}

struct Kept {
    answer: Message,
    since: Instant,
    until: Instant,
}

/// Asks the upstream resolvers.
pub struct Forwarder {
    resolvers: Vec<Resolver>,
    next: AtomicUsize,
    slots: Semaphore,
    cache: Mutex<HashMap<Question, Kept>>,
}

struct Resolver {
    address: SocketAddr,
    down_since: Mutex<Option<Instant>>,
}

impl Forwarder {
    pub fn new(resolvers: Vec<SocketAddr>) -> Self {
        let resolver = |address| Resolver { address, down_since: Mutex::new(None) };
        Forwarder {
            resolvers: resolvers.into_iter().map(resolver).collect(),
            next: AtomicUsize::new(0),
            slots: Semaphore::new(CONCURRENT),
            cache: Mutex::new(HashMap::new()),
        }
    }

    /// The answer to a request, under its id; SERVFAIL where no resolver gives one.
    pub async fn ask(&self, request: &Message) -> Message {
        let question = Question::of(request);
        if let Some(answer) = question.as_ref().and_then(|question| self.kept(question)) {
            return addressed(answer, request);
        }
        let Ok(_slot) = self.slots.try_acquire() else {
            return wire::failure(request, ResponseCode::ServFail);
        };
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.resolvers.len();
        let mut order: Vec<&Resolver> = (0..count).map(|n| &self.resolvers[(start + n) % count]).collect();
        order.sort_by_key(|resolver| resolver.is_down());
        for resolver in order {
            match timeout(TRY_TIMEOUT, exchange(resolver.address, request)).await {
                Ok(Ok(answer)) => {
                    *resolver.down_since.lock() = None;
                    if let Some(question) = question {
                        self.keep(question, &answer);
                    }
                    return addressed(answer, request);
                }
                Ok(Err(error)) => debug!("{}: {error}", resolver.address),
                Err(_) => debug!("{}: no answer", resolver.address),
            }
            let already = resolver.is_down();
            *resolver.down_since.lock() = Some(Instant::now());
            if already {
                // All of them were down a moment ago: the client shall not wait for each of them again.
                break;
            }
        }
        wire::failure(request, ResponseCode::ServFail)
    }

    fn kept(&self, question: &Question) -> Option<Message> {
        let cache = self.cache.lock();
        let kept = cache.get(question)?;
        if kept.until <= Instant::now() {
            return None;
        }
        let age = u32::try_from(kept.since.elapsed().as_secs()).unwrap_or(u32::MAX);
        let mut answer = kept.answer.clone();
        for record in answer.answers.iter_mut().chain(&mut answer.authorities).chain(&mut answer.additionals) {
            record.ttl = record.ttl.saturating_sub(age);
        }
        Some(answer)
    }

    fn keep(&self, question: Question, answer: &Message) {
        let ttl = lifetime(answer);
        if ttl == 0 {
            return;
        }
        let now = Instant::now();
        let mut cache = self.cache.lock();
        if cache.len() >= CACHE_SIZE {
            cache.retain(|_, kept| kept.until > now);
            if cache.len() >= CACHE_SIZE {
                // Full of what is fresh: half of it, whichever, makes room for long enough.
                let mut every_other = false;
                cache.retain(|_, _| {
                    every_other = !every_other;
                    every_other
                });
            }
        }
        let until = now + Duration::from_secs(u64::from(ttl));
        cache.insert(question, Kept { answer: answer.clone(), since: now, until });
    }
}

impl Resolver {
    fn is_down(&self) -> bool {
        self.down_since.lock().is_some_and(|since| since.elapsed() < DOWN_FOR)
    }
}

/// For how many seconds an answer may be kept.
fn lifetime(answer: &Message) -> u32 {
    let records = || answer.answers.iter().chain(&answer.authorities);
    let least = records().map(|record| record.ttl).min().unwrap_or(0);
    match answer.metadata.response_code {
        _ if answer.metadata.truncation => 0,
        ResponseCode::NoError if !answer.answers.is_empty() => least.min(MAX_TTL),
        ResponseCode::NoError | ResponseCode::NXDomain => {
            let soa = answer.authorities.iter().find(|record| record.record_type() == RecordType::SOA);
            let minimum = soa.map_or(0, |record| match &record.data {
                RData::SOA(soa) => record.ttl.min(soa.minimum),
                _ => 0,
            });
            minimum.min(MAX_TTL)
        }
        _ => 0,
    }
}

/// The answer with the request's id and question, and no more EDNS than was asked with.
fn addressed(mut answer: Message, request: &Message) -> Message {
    answer.metadata.id = request.metadata.id;
    answer.metadata.recursion_desired = request.metadata.recursion_desired;
    answer.metadata.authoritative = false;
    answer.queries = request.queries.clone();
    if request.edns.is_none() {
        answer.edns = None;
    }
    answer
}

/// Asks one resolver, by TCP where its answer does not fit into UDP.
async fn exchange(resolver: SocketAddr, request: &Message) -> io::Result<Message> {
    let mut request = request.clone();
    request.metadata.recursion_desired = true;
    // Random, and from a random port: hard to guess for someone who would answer in the resolver's place.
    request.metadata.id = Message::query().metadata.id;
    let bytes = request.to_vec().map_err(invalid)?;
    let any: IpAddr = if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Connected, so that a closed port is an error at once.
    socket.connect(resolver).await?;
    socket.send(&bytes).await?;
    let mut buffer = vec![0; 4096];
    loop {
        let read = socket.recv(&mut buffer).await?;
        let Ok(answer) = Message::from_vec(&buffer[..read]) else { continue };
        if !belongs(&answer, &request) {
            continue;
        }
        if answer.metadata.truncation {
            return over_tcp(resolver, &bytes, &request).await;
        }
        return Ok(answer);
    }
}

async fn over_tcp(resolver: SocketAddr, bytes: &[u8], request: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(resolver).await?;
    stream.write_all(&framed(bytes)).await?;
    let length = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await?;
    let answer = Message::from_vec(&buffer).map_err(invalid)?;
    if belongs(&answer, request) { Ok(answer) } else { Err(invalid("an answer to another question")) }
}

/// A message as TCP carries it: its length first.
pub fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], &bytes[..usize::from(length)]].concat()
}

fn belongs(answer: &Message, request: &Message) -> bool {
    answer.metadata.id == request.metadata.id && answer.queries == request.queries
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use hickory_server::proto::{
        op::Query,
        rr::{Record, rdata::A},
    };

    use super::*;

    fn request(name: &str) -> Message {
        let mut request = Message::query();
        request.add_query(Query::query(wire::fqdn(name).unwrap(), RecordType::A));
        request
    }

    /// A resolver that gives every name the address 192.0.2.1, and counts.
    async fn resolver() -> (SocketAddr, std::sync::Arc<AtomicUsize>) {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let count = std::sync::Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((read, from)) = socket.recv_from(&mut buffer).await {
                counted.fetch_add(1, Ordering::Relaxed);
                let request = Message::from_vec(&buffer[..read]).unwrap();
                let mut answer = wire::response(&request);
                let data = RData::A(A([192, 0, 2, 1].into()));
                answer.add_answer(Record::from_rdata(request.queries[0].name.clone(), 300, data));
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        (address, count)
    }

    #[tokio::test]
    async fn answers_are_kept() {
        let (address, count) = resolver().await;
        let forwarder = Forwarder::new(vec![address]);
        for name in ["example.com", "EXAMPLE.com", "example.com"] {
            let request = request(name);
            let answer = forwarder.ask(&request).await;
            assert_eq!(answer.metadata.id, request.metadata.id);
            assert_eq!(answer.queries, request.queries);
            assert_eq!(answer.answers.len(), 1);
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        forwarder.ask(&request("example.org")).await;
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn dead_resolvers_fail_at_once_and_are_asked_last() {
        let closed = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        let dead = Forwarder::new(vec![closed]);
        let began = Instant::now();
        assert_eq!(dead.ask(&request("a.example")).await.metadata.response_code, ResponseCode::ServFail);
        assert!(began.elapsed() < Duration::from_secs(1));
        let (alive, _) = resolver().await;
        let half = Forwarder::new(vec![closed, alive]);
        for name in ["a.example", "b.example", "c.example"] {
            assert_eq!(half.ask(&request(name)).await.answers.len(), 1);
        }
        let none = Forwarder::new(Vec::new());
        assert_eq!(none.ask(&request("a.example")).await.metadata.response_code, ResponseCode::ServFail);
    }

    #[test]
    fn resolv_conf() {
        let text =
            "# nameserver 9.9.9.9\nsearch x\nnameserver 1.1.1.1\nnameserver\t2001:db8::1\nnameserver fe80::1%eth0\n";
        let servers: Vec<String> = parse_resolv_conf(text).iter().map(SocketAddr::to_string).collect();
        assert_eq!(servers, ["1.1.1.1:53", "[2001:db8::1]:53"]);
    }
}
