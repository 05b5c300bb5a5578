//! How one change is written to disk: the value of the row whose key is its revision.

use std::time::SystemTime;

use bytes::Bytes;

use crate::Revision;
use crate::history::Change;

const PUT: u8 = 0;
const DELETE: u8 = 1;

/// A change and when its key expires, in milliseconds since 1970 (0: never).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub change: Change,
    pub expires: u64,
}

/// Big-endian, so that rows sort by revision.
pub(super) fn row_key(revision: Revision) -> [u8; 8] {
    revision.to_be_bytes()
}

pub(super) fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Record {
    /// Kind, create revision, expiry, length of the key, key, value.
    pub fn encode(&self) -> Vec<u8> {
        let Change { key, create_revision, value, .. } = &self.change;
        let mut row = Vec::with_capacity(21 + key.len() + value.as_ref().map_or(0, Bytes::len));
        row.push(if value.is_some() { PUT } else { DELETE });
        row.extend_from_slice(&create_revision.to_be_bytes());
        row.extend_from_slice(&self.expires.to_be_bytes());
        // Keys are names; one of four gigabytes was refused long before.
        row.extend_from_slice(&(key.len() as u32).to_be_bytes());
        row.extend_from_slice(key.as_bytes());
        if let Some(value) = value {
            row.extend_from_slice(value);
        }
        row
    }

    /// `None` if the row is not one.
    pub fn decode(row_key: &[u8], row: &[u8]) -> Option<Record> {
        let revision = Revision::from_be_bytes(row_key.try_into().ok()?);
        let (kind, row) = row.split_first()?;
        let (create_revision, row) = row.split_first_chunk()?;
        let (expires, row) = row.split_first_chunk()?;
        let (length, row) = row.split_first_chunk()?;
        let (key, value) = row.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let value = match *kind {
            PUT => Some(Bytes::copy_from_slice(value)),
            DELETE => None,
            _ => return None,
        };
        let change = Change {
            key: std::str::from_utf8(key).ok()?.into(),
            revision,
            create_revision: Revision::from_be_bytes(*create_revision),
            value,
        };
        Some(Record { change, expires: u64::from_be_bytes(*expires) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(key: String, revision in 1..i64::MAX, create_revision in 1..i64::MAX, value: Option<Vec<u8>>, expires: u64) {
            let change = Change { key: key.as_str().into(), revision, create_revision, value: value.map(Bytes::from) };
            let record = Record { change, expires };
            prop_assert_eq!(Record::decode(&row_key(revision), &record.encode()), Some(record));
        }

        #[test]
        fn any_bytes_decode_without_panic(key: Vec<u8>, row: Vec<u8>) {
            let _ = Record::decode(&key, &row);
            let _ = Record::decode(&row_key(1), &row);
        }
    }
}
