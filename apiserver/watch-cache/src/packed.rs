//! An object's JSON as it is kept: as it is, or compressed where objects are large and seldom read.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// Less than this is not worth the work.
const LEAST: usize = 4096;

#[derive(Debug)]
pub(crate) enum Kept {
    Plain(Bytes),
    Packed { deflated: Box<[u8]>, length: usize },
}

impl Kept {
    pub(crate) fn new(json: Bytes, pack: bool) -> Kept {
        if !pack || json.len() < LEAST {
            return Kept::Plain(json);
        }
        let mut encoder = ZlibEncoder::new(Vec::with_capacity(json.len() / 8), Compression::new(4));
        match encoder.write_all(&json).and_then(|()| encoder.finish()) {
            Ok(deflated) => Kept::Packed { deflated: deflated.into(), length: json.len() },
            Err(_) => Kept::Plain(json),
        }
    }

    pub(crate) fn json(&self) -> Bytes {
        match self {
            Kept::Plain(json) => json.clone(),
            Kept::Packed { deflated, length } => {
                let mut json = Vec::with_capacity(*length);
                let read = ZlibDecoder::new(&**deflated).read_to_end(&mut json);
                debug_assert!(read.is_ok(), "what was packed here unpacks");
                json.into()
            }
        }
    }

    pub(crate) fn json_len(&self) -> usize {
        match self {
            Kept::Plain(json) => json.len(),
            Kept::Packed { length, .. } => *length,
        }
    }

    /// The bytes that are kept.
    pub(crate) fn len(&self) -> usize {
        match self {
            Kept::Plain(json) => json.len(),
            Kept::Packed { deflated, .. } => deflated.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_ones_take_less_and_read_the_same() {
        let large = Bytes::from(r#"{"description":"words, words, words"}"#.repeat(1000));
        let small = Bytes::from_static(b"{}");
        let packed = Kept::new(large.clone(), true);
        assert!(packed.len() < large.len() / 10, "{}", packed.len());
        assert_eq!(packed.json(), large);
        assert_eq!(Kept::new(small.clone(), true).json(), small);
        assert_eq!(Kept::new(large.clone(), false).json().as_ptr(), large.as_ptr(), "no copy");
    }
}
