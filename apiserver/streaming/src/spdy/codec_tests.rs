//! Frames: round trips, limits and hostile bytes.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

fn decode_all(decoder: &mut Decoder, bytes: &[u8], step: usize) -> Result<Vec<Frame>, FrameError> {
    let mut buf = BytesMut::new();
    let mut frames = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        buf.extend_from_slice(piece);
        while let Some(frame) = decoder.decode(&mut buf)? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// Joins pieces of data frames, which come as their bytes arrive.
fn joined(frames: Vec<Frame>) -> Vec<Frame> {
    let mut out: Vec<Frame> = Vec::new();
    let mut open = false;
    for frame in frames {
        match (out.last_mut(), frame) {
            (Some(Frame::Data { stream, fin, data }), Frame::Data { stream: s, fin: f, data: more })
                if open && *stream == s =>
            {
                *data = [data.as_ref(), more.as_ref()].concat().into();
                *fin = f;
                open = !f;
            }
            (_, frame) => {
                open = matches!(frame, Frame::Data { fin: false, .. });
                out.push(frame);
            }
        }
    }
    out
}

fn headers() -> impl Strategy<Value = Headers> {
    proptest::collection::btree_map("[a-z][a-z0-9-]{0,20}", "[ -~]{0,60}", 0..8).prop_map(Headers::from_iter)
}

fn frame() -> impl Strategy<Value = Frame> {
    let id = 1u32..0x7fff_ffff;
    prop_oneof![
        (id.clone(), any::<bool>(), any::<bool>(), 0u8..8, headers()).prop_map(
            |(stream, fin, unidirectional, priority, headers)| Frame::SynStream {
                stream,
                associated: 0,
                priority,
                fin,
                unidirectional,
                headers
            }
        ),
        (id.clone(), any::<bool>(), headers()).prop_map(|(stream, fin, headers)| Frame::SynReply {
            stream,
            fin,
            headers
        }),
        (id.clone(), any::<bool>(), headers()).prop_map(|(stream, fin, headers)| Frame::Headers {
            stream,
            fin,
            headers
        }),
        (id.clone(), 1u32..12).prop_map(|(stream, status)| Frame::RstStream { stream, status: RstStatus(status) }),
        proptest::collection::vec((0u32..0x00ff_ffff, any::<u32>()), 0..5)
            .prop_map(|entries| Frame::Settings { entries }),
        any::<u32>().prop_map(|id| Frame::Ping { id }),
        (id.clone(), 0u32..3).prop_map(|(last_good_stream, status)| Frame::GoAway { last_good_stream, status }),
        (0u32..0x7fff_ffff, 1u32..0x7fff_ffff).prop_map(|(stream, delta)| Frame::WindowUpdate { stream, delta }),
        (id, proptest::collection::vec(any::<u8>(), 0..300)).prop_map(|(stream, data)| Frame::Data {
            stream,
            fin: true,
            data: data.into()
        }),
    ]
}

proptest! {
    #[test]
    fn frames_survive_the_wire(frames in proptest::collection::vec(frame(), 0..20), step in 1usize..200) {
        let mut out = BytesMut::new();
        let mut encoder = Encoder::default();
        for frame in &frames {
            encoder.encode(frame, &mut out).unwrap();
        }
        let read = decode_all(&mut Decoder::new(Limits::default()), &out, step).unwrap();
        prop_assert_eq!(joined(read), frames);
    }

    #[test]
    fn any_bytes_end_in_frames_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2000), step in 1usize..100) {
        let _ = decode_all(&mut Decoder::new(Limits::default()), &bytes, step);
    }

    #[test]
    fn damaged_frames_end_in_frames_or_an_error(
        frames in proptest::collection::vec(frame(), 1..10),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut out = BytesMut::new();
        let mut encoder = Encoder::default();
        for frame in &frames {
            encoder.encode(frame, &mut out).unwrap();
        }
        for (at, byte) in damage {
            let at = at.index(out.len());
            out[at] = byte;
        }
        let _ = decode_all(&mut Decoder::new(Limits::default()), &out, 64);
    }

    #[test]
    fn plausible_control_frames_end_in_frames_or_an_error(
        kind in 0u16..12, flags in any::<u8>(), payload in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut out = BytesMut::new();
        put_control(&mut out, kind, flags, payload.len()).unwrap();
        out.extend_from_slice(&payload);
        let _ = decode_all(&mut Decoder::new(Limits::default()), &out, 17);
    }
}

/// A block as `compress/zlib` of Go starts it: header with the dictionary's checksum, then one sync-flushed block.
#[test]
fn reads_a_block_that_names_the_dictionary() {
    let mut out = BytesMut::new();
    let headers = Headers::from_iter([("streamtype", "stdout")]);
    let frame = Frame::SynStream { stream: 1, associated: 0, priority: 0, fin: false, unidirectional: false, headers };
    Encoder::default().encode(&frame, &mut out).unwrap();
    assert_eq!(out[18] & 0x0f, 8, "deflate");
    assert_ne!(out[19] & 0x20, 0, "a dictionary is named");
    assert_eq!(out[20..24], 0xe3c6_a7c2u32.to_be_bytes());
    assert_eq!(out[out.len() - 4..], [0, 0, 0xff, 0xff], "sync flush");
}

#[test]
fn data_of_a_huge_frame_comes_as_it_arrives() {
    let mut buf = BytesMut::new();
    buf.put_u32(5);
    buf.put_u32((1 << 24) | 0x00ff_ffff);
    buf.extend_from_slice(b"abc");
    let mut decoder = Decoder::new(Limits::default());
    let frame = decoder.decode(&mut buf).unwrap();
    assert_eq!(frame, Some(Frame::Data { stream: 5, fin: false, data: Bytes::from_static(b"abc") }));
    assert_eq!(decoder.decode(&mut buf).unwrap(), None);
}

#[test]
fn unknown_frames_are_skipped() {
    let mut out = BytesMut::new();
    put_control(&mut out, 5, 0, 3).unwrap();
    out.extend_from_slice(b"xyz");
    Encoder::default().encode(&Frame::Ping { id: 7 }, &mut out).unwrap();
    let frames = decode_all(&mut Decoder::new(Limits::default()), &out, 2).unwrap();
    assert_eq!(frames, [Frame::Ping { id: 7 }]);
}

#[test]
fn limits_hold() {
    let decode = |bytes: &[u8], limits| decode_all(&mut Decoder::new(limits), bytes, 4096);
    let mut long = BytesMut::new();
    put_control(&mut long, 1, 0, 70_000).unwrap();
    assert_eq!(decode(&long, Limits::default()), Err(FrameError::TooLong));

    let reply = |headers: Headers| {
        let mut out = BytesMut::new();
        Encoder::default().encode(&Frame::SynReply { stream: 1, fin: false, headers }, &mut out).unwrap();
        out
    };
    // 1 MiB of zeros compresses to about 1 KiB.
    let bomb = reply(Headers::from_iter([("a", "0".repeat(1 << 20))]));
    assert!(bomb.len() < 4096);
    assert_eq!(decode(&bomb, Limits::default()), Err(FrameError::TooLong));

    let many = reply((0..300).map(|n| (format!("h{n}"), "")).collect());
    assert_eq!(decode(&many, Limits::default()), Err(FrameError::TooManyHeaders));
    assert!(decode(&many, Limits { headers: 300, ..Limits::default() }).is_ok());

    let mut version = BytesMut::new();
    version.put_u32(0x8002_0006);
    version.put_u32(4);
    version.put_u32(1);
    assert_eq!(decode(&version, Limits::default()), Err(FrameError::Version(2)));
}
