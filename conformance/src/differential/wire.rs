//! Protobuf without a schema: messages as trees of field numbers, good enough to compare two of them.

use super::tree::Tree;

/// How deep messages may be nested.
const DEPTH: usize = 64;

/// What an envelope begins with.
pub const MAGIC: &[u8] = b"k8s\0";

/// A message as a tree whose keys are field numbers, in the order in which they were written.
///
/// A field of bytes is text where it reads as text, else a message where it parses as one, else hexadecimal.
pub fn tree(bytes: &[u8]) -> Option<Tree> {
    message(bytes, DEPTH)
}

fn message(mut bytes: &[u8], depth: usize) -> Option<Tree> {
    let mut members = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let number = key >> 3;
        if number == 0 {
            return None;
        }
        let value = match key & 7 {
            0 => Tree::Number(varint(&mut bytes)?.cast_signed().into()),
            1 => Tree::Number(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?).into()),
            5 => Tree::Number(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?).into()),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                field(take(&mut bytes, length)?, depth.checked_sub(1)?)
            }
            _ => return None,
        };
        members.push((number.to_string(), value));
    }
    Some(Tree::Map(members))
}

fn field(bytes: &[u8], depth: usize) -> Tree {
    if let Some(text) = text(bytes) {
        return Tree::Text(text.to_owned());
    }
    if bytes.starts_with(MAGIC) {
        return message(&bytes[MAGIC.len()..], depth).unwrap_or_else(|| hexadecimal(bytes));
    }
    message(bytes, depth).unwrap_or_else(|| hexadecimal(bytes))
}

/// Text that people could have written.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r')).then_some(text)
}

fn hexadecimal(bytes: &[u8]) -> Tree {
    Tree::Text(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_without_a_schema() {
        // {1: "ab", 2: {1: 300}, 3: 0xff}
        let bytes = [0x0a, 2, b'a', b'b', 0x12, 3, 0x08, 0xac, 0x02, 0x1a, 1, 0xff];
        let shown = serde_json::to_string(&tree(&bytes).unwrap()).unwrap();
        assert_eq!(shown, r#"{"1":"ab","2":{"1":300},"3":"ff"}"#);
        assert!(tree(&[0x0a, 9]).is_none());
        assert!(tree(&[0x00]).is_none());
    }
}
