//! Header blocks: names and values, and their compressed form on the wire.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::codec::{FrameError, Limits};
use super::dictionary::DICTIONARY;

/// Headers of a stream. Names are lower case; several values of a name are joined with NUL, as on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of `name`, in any case; an absent header is the empty string, as clients treat it.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value.split('\0').next())
            .unwrap_or_default()
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        Self(headers.into_iter().map(|(name, value)| (name.into().to_ascii_lowercase(), value.into())).collect())
    }
}

/// Compresses header blocks; one for the life of a connection, since blocks share their history.
pub(super) struct Deflater(Option<Compress>);

impl Deflater {
    pub(super) fn new() -> Self {
        let mut deflate = Compress::new(Compression::default(), true);
        let ready = deflate.set_dictionary(&DICTIONARY).is_ok();
        Self(ready.then_some(deflate))
    }

    /// The compressed block of `headers`.
    pub(super) fn block(&mut self, headers: &Headers) -> Result<Vec<u8>, FrameError> {
        let mut plain = Vec::new();
        put_length(&mut plain, headers.0.len())?;
        for (name, value) in &headers.0 {
            for text in [name, value] {
                put_length(&mut plain, text.len())?;
                plain.extend_from_slice(text.as_bytes());
            }
        }
        let deflate = self.0.as_mut().ok_or(FrameError::Compression)?;
        let mut out = Vec::with_capacity(plain.len() + 64);
        let mut input = plain.as_slice();
        loop {
            out.reserve(256);
            let before = deflate.total_in();
            deflate.compress_vec(input, &mut out, FlushCompress::Sync).map_err(|_| FrameError::Compression)?;
            input = &input[(deflate.total_in() - before) as usize..];
            if input.is_empty() && out.len() < out.capacity() {
                return Ok(out);
            }
        }
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) -> Result<(), FrameError> {
    let length = u32::try_from(length).map_err(|_| FrameError::TooLong)?;
    out.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Decompresses header blocks; one for the life of a connection.
pub(super) struct Inflater {
    inflate: Decompress,
    limits: Limits,
}

impl Inflater {
    pub(super) fn new(limits: Limits) -> Self {
        Self { inflate: Decompress::new(true), limits }
    }

    /// The headers of a compressed block.
    pub(super) fn headers(&mut self, block: &[u8]) -> Result<Headers, FrameError> {
        let plain = self.inflate(block)?;
        let mut rest = plain.as_slice();
        let count = take_length(&mut rest)?;
        // Each header takes at least its two lengths, which bounds the count by the block itself.
        if count > self.limits.headers || count > rest.len() / 8 {
            return Err(FrameError::TooManyHeaders);
        }
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            let name = take_text(&mut rest)?;
            let value = take_text(&mut rest)?;
            if headers.iter().any(|(n, _): &(String, String)| n.eq_ignore_ascii_case(&name)) {
                return Err(FrameError::Headers("a name is given twice"));
            }
            headers.push((name.to_ascii_lowercase(), value));
        }
        if !rest.is_empty() {
            return Err(FrameError::Headers("bytes follow the last header"));
        }
        Ok(Headers(headers))
    }

    fn inflate(&mut self, mut input: &[u8]) -> Result<Vec<u8>, FrameError> {
        let mut out = Vec::with_capacity(1024);
        loop {
            if out.len() > self.limits.header_bytes {
                return Err(FrameError::TooLong);
            }
            if out.len() == out.capacity() {
                out.reserve(4096);
            }
            let (before_in, before_out) = (self.inflate.total_in(), out.len());
            let result = self.inflate.decompress_vec(input, &mut out, FlushDecompress::Sync);
            let consumed = (self.inflate.total_in() - before_in) as usize;
            input = input.get(consumed..).ok_or(FrameError::Compression)?;
            match result {
                Ok(Status::StreamEnd) => return Err(FrameError::Compression),
                Ok(Status::Ok | Status::BufError) => {
                    if out.len() < out.capacity() {
                        // With room left in the output, all that can come of this input has come.
                        if input.is_empty() {
                            return Ok(out);
                        }
                        if consumed == 0 && out.len() == before_out {
                            return Err(FrameError::Compression);
                        }
                    }
                }
                Err(error) if error.needs_dictionary().is_some() => {
                    self.inflate.set_dictionary(&DICTIONARY).map_err(|_| FrameError::Compression)?;
                }
                Err(_) => return Err(FrameError::Compression),
            }
        }
    }
}

fn take_length(rest: &mut &[u8]) -> Result<usize, FrameError> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or(FrameError::Headers("a length is cut off"))?;
    *rest = after;
    Ok(u32::from_be_bytes(*length) as usize)
}

fn take_text(rest: &mut &[u8]) -> Result<String, FrameError> {
    let length = take_length(rest)?;
    let (text, after) = rest.split_at_checked(length).ok_or(FrameError::Headers("a text is cut off"))?;
    *rest = after;
    Ok(String::from_utf8_lossy(text).into_owned())
}
