//! SPDY/3.1 frames to bytes and back, without I/O (SPDY draft 3.1, section 2).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::headers::{Deflater, Headers, Inflater};

const VERSION: u16 = 3;
const CONTROL_BIT: u32 = 0x8000_0000;
const STREAM_ID: u32 = 0x7fff_ffff;
const MAX_LENGTH: usize = 0x00ff_ffff;
const FLAG_FIN: u8 = 1;
const FLAG_UNIDIRECTIONAL: u8 = 2;
const FRAME_HEADER: usize = 8;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const SETTINGS: u16 = 4;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;
const WINDOW_UPDATE: u16 = 9;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    SynStream { stream: u32, associated: u32, priority: u8, fin: bool, unidirectional: bool, headers: Headers },
    SynReply { stream: u32, fin: bool, headers: Headers },
    RstStream { stream: u32, status: RstStatus },
    Settings { entries: Vec<(u32, u32)> },
    Ping { id: u32 },
    GoAway { last_good_stream: u32, status: u32 },
    Headers { stream: u32, fin: bool, headers: Headers },
    WindowUpdate { stream: u32, delta: u32 },
    Data { stream: u32, fin: bool, data: Bytes },
}

/// Why a stream was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RstStatus(pub u32);

impl RstStatus {
    pub const PROTOCOL_ERROR: Self = Self(1);
    pub const INVALID_STREAM: Self = Self(2);
    pub const REFUSED_STREAM: Self = Self(3);
    pub const CANCEL: Self = Self(5);
}

/// What a peer may make this side hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Payload bytes of a control frame.
    pub control_frame: usize,
    /// Bytes of a header block once decompressed.
    pub header_bytes: usize,
    /// Headers of a block.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { control_frame: 64 * 1024, header_bytes: 256 * 1024, headers: 256 }
    }
}

/// A frame that cannot be read or written. The connection cannot go on after one, since header compression is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("SPDY version {0} is not spoken")]
    Version(u16),
    #[error("frame of type {0} has a wrong length")]
    Length(u16),
    #[error("frame is too long")]
    TooLong,
    #[error("too many headers")]
    TooManyHeaders,
    #[error("bad header block: {0}")]
    Headers(&'static str),
    #[error("bad compressed header block")]
    Compression,
    #[error("stream id 0")]
    ZeroStream,
}

/// Reads frames from bytes. Data frames come in pieces as their bytes arrive, so that no frame is buffered whole.
pub struct Decoder {
    inflater: Inflater,
    limits: Limits,
    data: Option<PartialData>,
    skip: usize,
}

struct PartialData {
    stream: u32,
    fin: bool,
    remaining: usize,
}

impl Decoder {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { inflater: Inflater::new(limits), limits, data: None, skip: 0 }
    }

    /// Takes the next frame off `buf`; `None` when more bytes are needed. Frames of unknown types are skipped.
    ///
    /// # Errors
    /// The bytes are not SPDY/3.1 or exceed the limits. The decoder must not be used after that.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            if self.skip > 0 {
                let n = self.skip.min(buf.len());
                buf.advance(n);
                self.skip -= n;
                if self.skip > 0 {
                    return Ok(None);
                }
            }
            if let Some(mut data) = self.data.take() {
                if buf.is_empty() {
                    self.data = Some(data);
                    return Ok(None);
                }
                let bytes = buf.split_to(data.remaining.min(buf.len())).freeze();
                data.remaining -= bytes.len();
                let (stream, last) = (data.stream, data.remaining == 0);
                let fin = data.fin && last;
                if !last {
                    self.data = Some(data);
                }
                return Ok(Some(Frame::Data { stream, fin, data: bytes }));
            }
            let Some(header) = buf.first_chunk::<FRAME_HEADER>() else { return Ok(None) };
            let first = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
            let flags = header[4];
            let length = u32::from_be_bytes([0, header[5], header[6], header[7]]) as usize;
            if first & CONTROL_BIT == 0 {
                if first == 0 {
                    return Err(FrameError::ZeroStream);
                }
                buf.advance(FRAME_HEADER);
                let fin = flags & FLAG_FIN != 0;
                if length == 0 {
                    return Ok(Some(Frame::Data { stream: first, fin, data: Bytes::new() }));
                }
                self.data = Some(PartialData { stream: first, fin, remaining: length });
                continue;
            }
            let version = ((first >> 16) & 0x7fff) as u16;
            let kind = first as u16;
            if version != VERSION {
                return Err(FrameError::Version(version));
            }
            if !matches!(kind, SYN_STREAM..=SETTINGS | PING..=WINDOW_UPDATE) {
                buf.advance(FRAME_HEADER);
                self.skip = length;
                continue;
            }
            if length > self.limits.control_frame {
                return Err(FrameError::TooLong);
            }
            if buf.len() < FRAME_HEADER + length {
                return Ok(None);
            }
            buf.advance(FRAME_HEADER);
            let payload = buf.split_to(length);
            return self.control(kind, flags, &payload).map(Some);
        }
    }

    fn control(&mut self, kind: u16, flags: u8, mut payload: &[u8]) -> Result<Frame, FrameError> {
        let fin = flags & FLAG_FIN != 0;
        let mut word = || -> Result<u32, FrameError> { payload.try_get_u32().map_err(|_| FrameError::Length(kind)) };
        let frame = match kind {
            SYN_STREAM => {
                let (stream, associated) = (stream_id(word()?)?, word()? & STREAM_ID);
                let ([priority, _slot], block) = payload.split_first_chunk::<2>().ok_or(FrameError::Length(kind))?;
                let priority = priority >> 5;
                let unidirectional = flags & FLAG_UNIDIRECTIONAL != 0;
                let headers = self.inflater.headers(block)?;
                return Ok(Frame::SynStream { stream, associated, priority, fin, unidirectional, headers });
            }
            SYN_REPLY => {
                let stream = stream_id(word()?)?;
                return Ok(Frame::SynReply { stream, fin, headers: self.inflater.headers(payload)? });
            }
            HEADERS => {
                let stream = stream_id(word()?)?;
                return Ok(Frame::Headers { stream, fin, headers: self.inflater.headers(payload)? });
            }
            RST_STREAM => Frame::RstStream { stream: stream_id(word()?)?, status: RstStatus(word()?) },
            SETTINGS => {
                let count = word()? as usize;
                let mut entries = Vec::new();
                for _ in 0..count {
                    entries.push((word()? & 0x00ff_ffff, word()?));
                }
                Frame::Settings { entries }
            }
            PING => Frame::Ping { id: word()? },
            GOAWAY => Frame::GoAway { last_good_stream: word()? & STREAM_ID, status: word()? },
            // Stream 0 is the whole connection here.
            _ => Frame::WindowUpdate { stream: word()? & STREAM_ID, delta: word()? & STREAM_ID },
        };
        if payload.is_empty() { Ok(frame) } else { Err(FrameError::Length(kind)) }
    }
}

fn stream_id(word: u32) -> Result<u32, FrameError> {
    match word & STREAM_ID {
        0 => Err(FrameError::ZeroStream),
        id => Ok(id),
    }
}

/// Writes frames as bytes.
pub struct Encoder {
    deflater: Deflater,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { deflater: Deflater::new() }
    }
}

impl Encoder {
    /// Appends `frame` to `out`.
    ///
    /// # Errors
    /// The payload is longer than a frame can be (16 MiB).
    pub fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        let fin_flag = |fin: bool| if fin { FLAG_FIN } else { 0 };
        match frame {
            Frame::Data { stream, fin, data } => {
                out.put_u32(stream & STREAM_ID);
                put_flags_and_length(out, fin_flag(*fin), data.len())?;
                out.extend_from_slice(data);
            }
            Frame::SynStream { stream, associated, priority, fin, unidirectional, headers } => {
                let block = self.deflater.block(headers)?;
                let flags = fin_flag(*fin) | if *unidirectional { FLAG_UNIDIRECTIONAL } else { 0 };
                put_control(out, SYN_STREAM, flags, 10 + block.len())?;
                out.put_u32(stream & STREAM_ID);
                out.put_u32(associated & STREAM_ID);
                out.put_u8(priority << 5);
                out.put_u8(0);
                out.extend_from_slice(&block);
            }
            Frame::SynReply { stream, fin, headers } | Frame::Headers { stream, fin, headers } => {
                let kind = if matches!(frame, Frame::SynReply { .. }) { SYN_REPLY } else { HEADERS };
                let block = self.deflater.block(headers)?;
                put_control(out, kind, fin_flag(*fin), 4 + block.len())?;
                out.put_u32(stream & STREAM_ID);
                out.extend_from_slice(&block);
            }
            Frame::RstStream { stream, status } => put_words(out, RST_STREAM, &[*stream, status.0])?,
            Frame::Settings { entries } => {
                put_control(out, SETTINGS, 0, 4 + 8 * entries.len())?;
                out.put_u32(entries.len() as u32);
                for (id, value) in entries {
                    out.put_u32(id & 0x00ff_ffff);
                    out.put_u32(*value);
                }
            }
            Frame::Ping { id } => put_words(out, PING, &[*id])?,
            Frame::GoAway { last_good_stream, status } => put_words(out, GOAWAY, &[*last_good_stream, *status])?,
            Frame::WindowUpdate { stream, delta } => put_words(out, WINDOW_UPDATE, &[*stream, *delta])?,
        }
        Ok(())
    }
}

fn put_words(out: &mut BytesMut, kind: u16, words: &[u32]) -> Result<(), FrameError> {
    put_control(out, kind, 0, 4 * words.len())?;
    words.iter().for_each(|word| out.put_u32(*word));
    Ok(())
}

fn put_control(out: &mut BytesMut, kind: u16, flags: u8, length: usize) -> Result<(), FrameError> {
    if length > MAX_LENGTH {
        return Err(FrameError::TooLong);
    }
    out.put_u32(CONTROL_BIT | (u32::from(VERSION) << 16) | u32::from(kind));
    put_flags_and_length(out, flags, length)
}

fn put_flags_and_length(out: &mut BytesMut, flags: u8, length: usize) -> Result<(), FrameError> {
    if length > MAX_LENGTH {
        return Err(FrameError::TooLong);
    }
    out.put_u32((u32::from(flags) << 24) | length as u32);
    Ok(())
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
