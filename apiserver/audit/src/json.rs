//! JSON as Go writes it into audit events: compact, and safe inside HTML.

/// A document without the spaces between its parts, and without `metadata.managedFields` of the object, or of the
/// items of a list or the rows of a table, if they are to be left out. The order of fields stays. `None` of what is
/// no JSON.
pub fn compact(json: &[u8], omit_managed_fields: bool) -> Option<Vec<u8>> {
    serde_json::from_slice::<serde::de::IgnoredAny>(json).ok()?;
    let mut walk = Walk { json, at: 0, out: Vec::with_capacity(json.len()), stack: Vec::new() };
    walk.run(omit_managed_fields);
    Some(walk.out)
}

/// One value that is being read.
struct Open {
    /// A list's closing bracket or an object's.
    end: u8,
    /// What the value is to whom looks for managed fields.
    place: Place,
    /// The key of the value that comes next, in an object.
    key: (usize, usize),
    /// How much was written before the member that comes next.
    start: usize,
    /// Members written so far.
    written: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Document,
    /// An item of a list, or the object of a row.
    Object,
    Metadata,
    Items,
    Rows,
    Row,
    ManagedFields,
    Elsewhere,
}

struct Walk<'a> {
    json: &'a [u8],
    at: usize,
    out: Vec<u8>,
    stack: Vec<Open>,
}

impl Walk<'_> {
    /// Reads the whole document, which is known to be well-formed: no recursion, whatever its depth.
    fn run(&mut self, omit: bool) {
        while let Some(byte) = self.next_token() {
            match byte {
                b'{' | b'[' => {
                    let place = self.place();
                    self.begin_member();
                    self.out.push(byte);
                    self.at += 1;
                    let end = if byte == b'{' { b'}' } else { b']' };
                    let start = self.out.len();
                    self.stack.push(Open { end, place, key: (0, 0), start, written: 0 });
                }
                b'}' | b']' => {
                    self.at += 1;
                    let Some(closed) = self.stack.pop() else { return };
                    self.out.push(closed.end);
                    self.end_member(omit && closed.place == Place::ManagedFields);
                }
                b',' => self.at += 1,
                b'"' => {
                    let start = self.at;
                    self.skip_string();
                    let end = self.at;
                    let is_key =
                        self.stack.last().is_some_and(|open| open.end == b'}') && self.next_token() == Some(b':');
                    if is_key {
                        self.at += 1;
                        let written = self.out.len();
                        if let Some(open) = self.stack.last_mut() {
                            open.key = (start + 1, end - 1);
                            open.start = written;
                            if open.written > 0 {
                                self.out.push(b',');
                            }
                        }
                        self.out.extend_from_slice(&self.json[start..end]);
                        self.out.push(b':');
                    } else {
                        self.scalar(start, end);
                    }
                }
                _ => {
                    let start = self.at;
                    while self.json.get(self.at).is_some_and(|byte| !b",]} \t\r\n".contains(byte)) {
                        self.at += 1;
                    }
                    self.scalar(start, self.at);
                }
            }
        }
    }

    /// The byte that begins the next token.
    fn next_token(&mut self) -> Option<u8> {
        while self.json.get(self.at).is_some_and(|byte| b" \t\r\n".contains(byte)) {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.json.get(self.at) {
            self.at += match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => 2,
                _ => 1,
            };
        }
    }

    /// What the value that begins here is.
    fn place(&self) -> Place {
        let Some(open) = self.stack.last() else { return Place::Document };
        let key = self.json.get(open.key.0..open.key.1).unwrap_or_default();
        match (open.place, key) {
            (Place::Document | Place::Object, b"metadata") => Place::Metadata,
            (Place::Document, b"items") => Place::Items,
            (Place::Document, b"rows") => Place::Rows,
            (Place::Items, _) => Place::Object,
            (Place::Rows, _) => Place::Row,
            (Place::Row, b"object") => Place::Object,
            (Place::Metadata, b"managedFields") => Place::ManagedFields,
            _ => Place::Elsewhere,
        }
    }

    /// A value of a list begins; one of an object began with its key.
    fn begin_member(&mut self) {
        if let Some(open) = self.stack.last_mut()
            && open.end == b']'
        {
            open.start = self.out.len();
            if open.written > 0 {
                self.out.push(b',');
            }
        }
    }

    fn end_member(&mut self, take_back: bool) {
        if let Some(open) = self.stack.last_mut() {
            if take_back {
                self.out.truncate(open.start);
            } else {
                open.written += 1;
            }
        }
    }

    fn scalar(&mut self, start: usize, end: usize) {
        self.begin_member();
        self.out.extend_from_slice(&self.json[start..end]);
        self.end_member(false);
    }
}

/// Escapes what Go escapes in strings: the three characters that mean something in HTML, and two line separators.
pub fn escape_html(json: Vec<u8>) -> Vec<u8> {
    let is_special = |byte: &u8| matches!(byte, b'<' | b'>' | b'&' | 0xe2);
    if !json.iter().any(is_special) {
        return json;
    }
    let mut out = Vec::with_capacity(json.len() + 64);
    let mut rest = json.as_slice();
    while let Some(at) = rest.iter().position(is_special) {
        out.extend_from_slice(&rest[..at]);
        let (escaped, length): (&[u8], usize) = match &rest[at..] {
            [b'<', ..] => (b"\\u003c", 1),
            [b'>', ..] => (b"\\u003e", 1),
            [b'&', ..] => (b"\\u0026", 1),
            [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
            other => (&other[..1], 1),
        };
        out.extend_from_slice(escaped);
        rest = &rest[at + length..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn compacted(json: &str, omit: bool) -> String {
        String::from_utf8(compact(json.as_bytes(), omit).unwrap()).unwrap()
    }

    #[test]
    fn documents_keep_their_order_and_lose_their_spaces() {
        let json = "{ \"b\" : [ 1 , {\"x\": \" a , b \\\" \"} , [] ] ,\n\t\"a\": null, \"c\": {} , \"d\": -1.5e3 }";
        assert_eq!(compacted(json, false), r#"{"b":[1,{"x":" a , b \" "},[]],"a":null,"c":{},"d":-1.5e3}"#);
        assert_eq!(compacted(" \"x\" ", false), "\"x\"");
        assert_eq!(compact(b"{\"a\":", false), None);
        assert_eq!(compact(b"a: b", false), None);
    }

    #[test]
    fn managed_fields_are_left_out_where_they_are_an_objects_own() {
        let fields = json!([{"manager": "x"}]);
        let object = json!({"metadata": {"a": 1, "managedFields": fields, "z": 2}, "data": {"managedFields": fields}});
        let left = json!({"metadata": {"a": 1, "z": 2}, "data": {"managedFields": fields}});
        let omitted = |json: Value| -> Value { serde_json::from_str(&compacted(&json.to_string(), true)).unwrap() };
        assert_eq!(omitted(object.clone()), left);
        assert_eq!(omitted(json!({"items": [object, object]})), json!({"items": [left, left]}));
        assert_eq!(omitted(json!({"rows": [{"object": object}]})), json!({"rows": [{"object": left}]}));
        assert_eq!(omitted(json!({"metadata": {"managedFields": fields}})), json!({"metadata": {}}));
        assert_eq!(omitted(json!({"spec": object})), json!({"spec": object}));
        assert_eq!(compacted(&object.to_string(), false), object.to_string());
    }

    #[test]
    fn strings_are_safe_in_html() {
        let escaped = escape_html("\"a<b>&\u{2028}\u{2029}ä€\"".as_bytes().to_vec());
        assert_eq!(escaped, "\"a\\u003cb\\u003e\\u0026\\u2028\\u2029ä€\"".as_bytes());
    }

    proptest::proptest! {
        #[test]
        fn compacting_changes_no_value(text in "[ \\[\\]{}:,\"a0\\\\\n]{0,60}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let compacted = compact(text.as_bytes(), true).unwrap();
                proptest::prop_assert_eq!(serde_json::from_slice::<Value>(&compacted).unwrap(), value);
            }
        }
    }
}
