//! What certificates are written in: DER values and the identifiers that they have in them.
//!
//! Source: RFC 5280, X.690.

use jiff::Timestamp;

/// Algorithms with their parameters, as DER.
pub const ECDSA_SHA256: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
pub const ECDSA_SHA384: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
pub const RSA_SHA256: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11, 5, 0];
pub const ED25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];

/// Extensions, by the last part of their identifiers.
pub const SUBJECT_NAMES: u8 = 17;
pub const KEY_USAGE: u8 = 15;
pub const BASIC_CONSTRAINTS: u8 = 19;
pub const AUTHORITY_KEY: u8 = 35;
pub const EXTENDED_KEY_USAGE: u8 = 37;

pub fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            out.push(0x80 | significant.len() as u8);
            out.extend_from_slice(significant);
        }
    }
    out.extend_from_slice(contents);
    out
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

/// A time in seconds: in short form up to the year 2049, as RFC 5280 has it.
pub fn time(at: Timestamp) -> Vec<u8> {
    let long = at.strftime("%Y%m%d%H%M%SZ").to_string();
    let year: Option<u16> = long.get(..4).and_then(|year| year.parse().ok());
    match year {
        Some(1950..=2049) => tagged(0x17, &long.as_bytes()[2..]),
        _ => tagged(0x18, long.as_bytes()),
    }
}

/// A string of bits, of which the first has the lowest value.
pub fn bits(bits: u16) -> Vec<u8> {
    let used = 16 - bits.leading_zeros() as usize;
    let mut bytes = vec![0_u8; used.div_ceil(8)];
    for bit in (0..used).filter(|bit| bits & (1 << bit) != 0) {
        bytes[bit / 8] |= 0x80 >> (bit % 8);
    }
    let unused = (bytes.len() * 8 - used) as u8;
    tagged(3, &[&[unused], bytes.as_slice()].concat())
}

pub fn extension(id: u8, is_critical: bool, value: &[u8]) -> Vec<u8> {
    let id = tagged(6, &[0x55, 0x1d, id]);
    let critical = if is_critical { tagged(1, &[0xff]) } else { Vec::new() };
    sequence(&[&id, &critical, &tagged(4, value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_der() {
        assert_eq!(tagged(4, &[7; 3]), [4, 3, 7, 7, 7]);
        assert_eq!(tagged(4, &[7; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tagged(4, &[7; 300])[..4], [4, 0x82, 1, 44]);
        assert_eq!(bits(0b101), [3, 2, 5, 0b1010_0000]);
        assert_eq!(bits(1 << 8), [3, 3, 7, 0, 0x80]);
        assert_eq!(time("2026-01-02T03:04:05Z".parse().unwrap())[..2], [0x17, 13]);
        assert_eq!(time("2050-01-02T03:04:05Z".parse().unwrap())[..2], [0x18, 15]);
    }
}
