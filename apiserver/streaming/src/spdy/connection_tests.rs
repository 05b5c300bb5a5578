//! Connections over an in-memory pipe, against themselves and against a peer written by hand.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::super::codec::{Decoder, Encoder};
use super::*;

fn pair(config: Config) -> (Connection, Connection) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    (Connection::new(near, Role::Client, config), Connection::new(far, Role::Server, config))
}

fn named(name: &str) -> Headers {
    Headers::from_iter([("name", name)])
}

async fn opened(a: &Connection, b: &Connection, name: &str) -> (Stream, Stream) {
    let (near, far) = tokio::join!(a.open(named(name)), async { b.accept().await.unwrap().accept() });
    (near.unwrap(), far)
}

#[tokio::test]
async fn both_sides_open_streams_and_half_close() {
    let (client, server) = pair(Config::default());
    let (mut near, mut far) = opened(&client, &server, "one").await;
    assert_eq!((near.id(), far.id(), far.headers().get("Name")), (1, 1, "one"));
    let (other, _far) = opened(&server, &client, "two").await;
    assert_eq!(other.id(), 2);

    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");
    far.write_all(b"answer").await.unwrap();
    far.shutdown().await.unwrap();
    text.clear();
    near.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
    assert!(near.write_all(b"late").await.is_err());
}

#[tokio::test]
async fn dropping_resets_after_what_was_written() {
    let (client, server) = pair(Config::default());
    let (mut near, mut far) = opened(&client, &server, "one").await;
    near.write_all(b"all of it").await.unwrap();
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "all of it");
    assert!(far.write_all(b"late").await.is_err());
}

#[tokio::test]
async fn refused_streams_are_errors() {
    let (client, server) = pair(Config::default());
    let (refused, ()) = tokio::join!(client.open(named("no")), async { drop(server.accept().await) });
    assert!(matches!(refused.err(), Some(Error::Refused(_))));

    let (client, server) = pair(Config { max_streams: 1, ..Config::default() });
    let _one = opened(&client, &server, "one").await;
    let Err(Error::Refused(status)) = client.open(named("two")).await else { panic!("over the limit") };
    assert_eq!(status, RstStatus::REFUSED_STREAM);
}

#[tokio::test]
async fn pings_come_back_and_closing_ends_both() {
    let (client, server) = pair(Config::default());
    let (near, mut far) = opened(&client, &server, "one").await;
    client.ping().await.unwrap();
    server.ping().await.unwrap();
    client.close();
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.unwrap();
    server.closed().await;
    client.closed().await;
    drop(near);
    assert!(matches!(client.open(named("late")).await.err(), Some(Error::Closed)));
    assert!(server.accept().await.is_none());
}

#[tokio::test]
async fn a_stream_that_is_not_read_holds_its_sender_and_little_memory() {
    let config = Config { stream_buffer: 100_000, ..Config::default() };
    let (client, server) = pair(config);
    let (mut near, far) = opened(&client, &server, "one").await;
    let mut written = 0usize;
    let piece = vec![0; 32 * 1024];
    while let Ok(result) = tokio::time::timeout(std::time::Duration::from_millis(200), near.write_all(&piece)).await {
        result.unwrap();
        written += piece.len();
    }
    // The buffer of the stream, the pipe, the sender's budget and a batch on each side.
    assert!((100_000..1_000_000).contains(&written), "{written}");
    // Nobody reads it any more: what comes is dropped and the sender goes on.
    drop(far);
    assert!(near.write_all(&piece).await.is_err() || near.write_all(&piece).await.is_ok());
    client.ping().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_closes() {
    let (near, far) = tokio::io::duplex(1024);
    let config = Config { idle_timeout: Some(Duration::from_secs(60)), ..Config::default() };
    let connection = Connection::new(near, Role::Server, config);
    let start = Instant::now();
    connection.closed().await;
    assert!(start.elapsed() >= Duration::from_secs(60));
    drop(far);
}

/// Frames sent and read by hand.
struct Peer {
    io: DuplexStream,
    encoder: Encoder,
    decoder: Decoder,
    buf: BytesMut,
}

impl Peer {
    fn new(role: Role) -> (Connection, Self) {
        let (near, io) = tokio::io::duplex(1 << 20);
        let peer =
            Self { io, encoder: Encoder::default(), decoder: Decoder::new(Limits::default()), buf: BytesMut::new() };
        (Connection::new(near, role, Config::default()), peer)
    }

    async fn send(&mut self, frame: Frame) {
        let mut out = BytesMut::new();
        self.encoder.encode(&frame, &mut out).unwrap();
        self.io.write_all(&out).await.unwrap();
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.buf).unwrap() {
                return Some(frame);
            }
            if self.io.read_buf(&mut self.buf).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn syn(&mut self, stream: u32) {
        let (associated, priority, fin, unidirectional) = (0, 0, false, false);
        let headers = named("x");
        self.send(Frame::SynStream { stream, associated, priority, fin, unidirectional, headers }).await;
    }
}

#[tokio::test]
async fn a_peer_without_windows_is_served() {
    let (server, mut peer) = Peer::new(Role::Server);
    peer.syn(1).await;
    let mut stream = server.accept().await.unwrap().accept();
    assert!(matches!(peer.next().await, Some(Frame::SynReply { stream: 1, fin: false, .. })));
    // More than the initial window, which this peer never widens.
    let data = vec![7; 300_000];
    let (written, read) = tokio::join!(
        async {
            stream.write_all(&data).await.unwrap();
            stream.shutdown().await.unwrap();
        },
        async {
            let mut read = 0;
            loop {
                match peer.next().await.unwrap() {
                    Frame::Data { data, fin, .. } => {
                        read += data.len();
                        if fin {
                            break read;
                        }
                    }
                    frame => panic!("{frame:?}"),
                }
            }
        }
    );
    let () = written;
    assert_eq!(read, 300_000);
    // What is read is given back, to peers that know of windows.
    peer.send(Frame::Settings { entries: vec![(7, 65536)] }).await;
    peer.send(Frame::Data { stream: 1, fin: true, data: Bytes::from(vec![1; 40_000]) }).await;
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert_eq!(back.len(), 40_000);
    assert!(matches!(peer.next().await, Some(Frame::WindowUpdate { .. })));
}

#[tokio::test]
async fn bad_streams_are_reset_and_strange_frames_ignored() {
    let (server, mut peer) = Peer::new(Role::Server);
    peer.syn(5).await;
    let _stream = server.accept().await.unwrap().accept();
    assert!(matches!(peer.next().await, Some(Frame::SynReply { stream: 5, .. })));
    for bad in [3, 5, 2] {
        peer.syn(bad).await;
        let Some(Frame::RstStream { stream, status }) = peer.next().await else { panic!("stream {bad} is bad") };
        assert_eq!((stream, status), (bad, RstStatus::PROTOCOL_ERROR));
    }
    peer.send(Frame::Data { stream: 99, fin: true, data: Bytes::from_static(b"x") }).await;
    peer.send(Frame::SynReply { stream: 98, fin: false, headers: Headers::default() }).await;
    peer.send(Frame::Settings { entries: vec![(7, 1)] }).await;
    peer.send(Frame::Ping { id: 1 }).await;
    assert_eq!(peer.next().await, Some(Frame::Ping { id: 1 }));
}

#[tokio::test]
async fn the_end_of_the_transport_is_an_error_unless_announced() {
    for announced in [false, true] {
        let (server, mut peer) = Peer::new(Role::Server);
        peer.syn(1).await;
        let mut stream = server.accept().await.unwrap().accept();
        peer.send(Frame::Data { stream: 1, fin: false, data: Bytes::from_static(b"part") }).await;
        if announced {
            peer.send(Frame::GoAway { last_good_stream: 0, status: 0 }).await;
        }
        drop(peer);
        let mut text = Vec::new();
        let end = stream.read_to_end(&mut text).await;
        assert_eq!((text.as_slice(), end.is_ok()), (&b"part"[..], announced));
        server.closed().await;
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_its_answers_is_cut_off() {
    let (server, mut peer) = Peer::new(Role::Server);
    let flood = async {
        loop {
            let mut out = BytesMut::new();
            for id in 0..1000 {
                peer.encoder.encode(&Frame::Ping { id: id * 2 + 1 }, &mut out).unwrap();
            }
            if peer.io.write_all(&out).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(flood, server.closed());
}
