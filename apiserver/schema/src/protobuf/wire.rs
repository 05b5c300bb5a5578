//! The protobuf wire format: tags, varints, lengths.

use super::Error;

pub const VARINT: u8 = 0;
pub const FIXED64: u8 = 1;
pub const LENGTH: u8 = 2;
const FIXED32: u8 = 5;

/// A cursor in a message.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What errors call the message.
    ty: &'static str,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0, ty: "message" }
    }

    /// A reader whose errors name the message's type.
    pub fn of(ty: &'static str, bytes: &'a [u8]) -> Reader<'a> {
        Reader { ty, ..Reader::new(bytes) }
    }

    pub fn from(bytes: &'a [u8], at: usize) -> Reader<'a> {
        Reader { bytes, at, ty: "message" }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next field number and wire type; `None` at the end.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<(u32, u8)>, Error> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Error::Tag { ty: self.ty, tag })?;
        if number == 0 {
            return Err(Error::Tag { ty: self.ty, tag });
        }
        Ok(Some((number, (tag & 7) as u8)))
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64, Error> {
        // Most are one byte.
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = *self.bytes.get(self.at).ok_or(Error::Truncated)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
            if shift >= 64 {
                return Err(Error::Overflow);
            }
        }
    }

    pub fn fixed64(&mut self) -> Result<u64, Error> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()).ok_or(Error::Truncated)?;
        self.at += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::try_from(self.varint()?).map_err(|_| Error::Overflow)?;
        let end = self.at.checked_add(length).ok_or(Error::Overflow)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Error::Truncated)?;
        self.at = end;
        Ok(bytes)
    }

    #[inline]
    pub fn skip(&mut self, wire: u8) -> Result<(), Error> {
        match wire {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            LENGTH => self.bytes().map(drop),
            FIXED32 if self.at + 4 <= self.bytes.len() => {
                self.at += 4;
                Ok(())
            }
            FIXED32 => Err(Error::Truncated),
            _ => Err(Error::WireType(wire)),
        }
    }
}

pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn put_tag(number: u32, wire: u8, out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | u64::from(wire), out);
}

pub fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_tag(number, LENGTH, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Writes a length-delimited field whose content `write` appends.
pub fn put_message(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = start_message(number, out);
    write(out);
    end_message(start, out);
}

/// Begins a length-delimited field; what is appended until [`end_message`] is its content, which starts here.
pub fn start_message(number: u32, out: &mut Vec<u8>) -> usize {
    put_tag(number, LENGTH, out);
    out.push(0);
    out.len()
}

/// Puts the length in front of the content that starts here. One byte was kept for it: only content of 128 bytes and
/// more has to be moved.
pub fn end_message(start: usize, out: &mut Vec<u8>) {
    let end = out.len();
    let length = end - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return;
    }
    put_varint(length as u64, out);
    let more = out.len() - end - 1;
    let mut prefix = [0; 10];
    prefix[..=more].copy_from_slice(&out[end..]);
    out.copy_within(start..end, start + more);
    out[start - 1..start + more].copy_from_slice(&prefix[..=more]);
    out.truncate(end + more);
}
