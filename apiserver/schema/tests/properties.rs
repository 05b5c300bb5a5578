//! Properties of the codecs on arbitrary objects and on damaged input.
#![allow(clippy::unwrap_used)] // A test.

mod filled;

use apiserver_schema::json::{self, DecodeOptions};
use apiserver_schema::{Builtin, Omit, SchemaOr, Shape, Type, builtins, protobuf};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A small generator of its own: arbitrary objects follow a table, which strategies cannot easily do.
struct Arbitrary(u64);

impl Arbitrary {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn text(&mut self) -> String {
        const PIECES: [&str; 12] =
            ["a", "B7", "-", "<&>", "\"", "\\", "\n", "é", "\u{2028}", "\u{1}", "日本", "\u{10ffff}"];
        (0..self.next(4)).map(|_| PIECES[self.next(12) as usize]).collect()
    }

    fn object(&mut self, ty: &Type, depth: u32) -> Map<String, Value> {
        let mut map = Map::new();
        for field in ty.fields.iter() {
            if let (Shape::Object(inner), true) = (&field.shape, field.name.is_empty()) {
                map.extend(self.object(inner, depth));
            } else if field.number != 0 && self.next(3) == 0 {
                let value = self.value(&field.shape, depth + 1);
                // An empty list that Go always writes becomes nil in protobuf.
                let empty = value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
                let becomes_nil = empty && field.omit == Omit::Never && !matches!(field.shape, Shape::Object(_));
                if !becomes_nil && !value.is_null() {
                    map.insert(field.name.to_string(), value);
                }
            }
        }
        map
    }

    fn value(&mut self, shape: &Shape, depth: u32) -> Value {
        match shape {
            Shape::String => self.text().into(),
            Shape::Bool => (self.next(2) == 0).into(),
            Shape::Int32 => (self.next(1 << 32) as u32 as i32).into(),
            Shape::Int64 => (self.next(u64::MAX) as i64).into(),
            Shape::Float64 => (self.next(1 << 20) as f64 / 8.0 - 1000.0).into(),
            Shape::Bytes => ["AA==", "AQI=", "////"][self.next(3) as usize].into(),
            Shape::Quantity => ["0", "1", "100m", "1.5Gi", "12e3", "7Ki", "-3"][self.next(7) as usize].into(),
            Shape::IntOrString if self.next(2) == 0 => (self.next(70_000) as i64).into(),
            Shape::IntOrString => self.text().into(),
            Shape::Time => ["2024-02-29T12:00:00Z", "1999-12-31T23:59:59+01:00"][self.next(2) as usize].into(),
            Shape::MicroTime => "2024-02-29T12:00:00.123456Z".into(),
            Shape::Duration => ["90s", "1h", "5ms", "-1.5s"][self.next(4) as usize].into(),
            Shape::Raw | Shape::FieldsV1 => json!({"k<": [1, -2.5, true, null, self.text()], "z": {}}),
            Shape::SchemaOr(_) if depth > 6 => Value::Null,
            Shape::SchemaOr(SchemaOr::Bool) if self.next(2) == 0 => (self.next(2) == 0).into(),
            Shape::SchemaOr(SchemaOr::StringArray) => json!([self.text()]),
            Shape::SchemaOr(_) => json!({"type": self.text()}),
            Shape::Object(_) if depth > 8 => json!({}),
            Shape::Object(ty) => Value::Object(self.object(ty, depth)),
            Shape::List(element) => (0..self.next(3)).map(|_| self.value(element, depth)).collect(),
            Shape::Map(element) => {
                let mut map = Map::new();
                for _ in 0..self.next(4) {
                    let mut value = self.value(element, depth);
                    if value.as_array().is_some_and(Vec::is_empty) {
                        value = json!(["x"]);
                    }
                    map.insert(self.text(), value);
                }
                Value::Object(map)
            }
        }
    }
}

fn any_builtin() -> impl Strategy<Value = &'static Builtin> {
    (0..builtins().len()).prop_map(|at| &builtins()[at])
}

fn has_protobuf(builtin: &Builtin) -> bool {
    builtin.kind != "Table" && builtin.ty.fields.iter().any(|field| field.number != 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_and_protobuf_agree(builtin in any_builtin(), seed in 1..u64::MAX) {
        let object = Value::Object(Arbitrary(seed).object(builtin.ty, 0));
        let decoded = json::decode(builtin.ty, object.to_string().as_bytes(), DecodeOptions::default()).unwrap();
        prop_assert_eq!(&decoded.problems, &[]);
        let text = json::to_vec(builtin.ty, &decoded.value);
        let again = json::decode(builtin.ty, &text, DecodeOptions::default()).unwrap().value;
        prop_assert_eq!(&again, &decoded.value);
        if has_protobuf(builtin) {
            let message = protobuf::message(builtin.ty, &decoded.value);
            let mut transcoded = Vec::new();
            protobuf::to_json(builtin.ty, "", "", &message, &mut transcoded).unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&transcoded), String::from_utf8_lossy(&text));
            prop_assert_eq!(&protobuf::message_of_json(builtin.ty, &text).unwrap(), &message);
            let back = protobuf::decode(builtin.ty, &message).unwrap();
            prop_assert_eq!(protobuf::message(builtin.ty, &back), message);
        }
    }

    /// Whatever a damaged message still says, transcoding it gives what decoding and encoding gives, but for the
    /// order of members in free-form JSON: the message's own bytes keep theirs, a tree sorts them.
    #[test]
    fn damaged_protobuf(builtin in any_builtin(), edits in prop::collection::vec((any::<u16>(), any::<u8>()), 1..4)) {
        let mut message = protobuf::message(builtin.ty, &filled::object(builtin.ty, "", ""));
        for (at, byte) in edits {
            if message.is_empty() { break }
            let at = usize::from(at) % message.len();
            match byte % 3 {
                0 => message[at] = byte,
                1 => message.truncate(at),
                _ => message[at] ^= 1 << (byte >> 5),
            }
        }
        let mut text = Vec::new();
        if protobuf::to_json(builtin.ty, "v1", "Kind", &message, &mut text).is_ok()
            && let Ok(value) = protobuf::decode_object(builtin.ty, "v1", "Kind", &message)
        {
            let encoded: Value = serde_json::from_slice(&json::to_vec(builtin.ty, &value)).unwrap();
            let transcoded: Value = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(encoded, transcoded);
        }
    }

    #[test]
    fn damaged_json(builtin in any_builtin(), edits in prop::collection::vec((any::<u16>(), any::<u8>()), 1..4)) {
        let mut text = json::to_vec(builtin.ty, &filled::object(builtin.ty, "v1", "Kind"));
        for (at, byte) in edits {
            let at = usize::from(at) % text.len();
            match byte % 3 {
                0 => text[at] = byte,
                1 => { text.remove(at); }
                _ => text.insert(at, b"{}[]\",:0n\\"[usize::from(byte) % 10]),
            }
        }
        if let Ok(decoded) = json::decode(builtin.ty, &text, DecodeOptions::default()) {
            let once = json::to_vec(builtin.ty, &decoded.value);
            let again = json::decode(builtin.ty, &once, DecodeOptions::default()).unwrap();
            prop_assert_eq!(json::to_vec(builtin.ty, &again.value), once);
        }
        let _ = json::decode(builtin.ty, &text, DecodeOptions { untyped: true, keep_unknown: true });
        let _ = json::type_meta(&text);
        let _ = protobuf::message_of_json(builtin.ty, &text);
    }

    #[test]
    fn garbage(bytes in prop::collection::vec(any::<u8>(), 0..200), builtin in any_builtin()) {
        let _ = protobuf::to_json(builtin.ty, "", "", &bytes, &mut Vec::new());
        let _ = protobuf::decode_envelope(&[protobuf::MAGIC, &bytes[..]].concat());
        let _ = protobuf::message_of_json(builtin.ty, &bytes);
        let _ = json::decode(builtin.ty, &bytes, DecodeOptions::default());
        let _ = apiserver_schema::yaml::to_json(&bytes);
    }

    #[test]
    fn yaml_is_read_as_written(key in "[a-z0-9.:/ -]{1,20}", text in "[ -~\n\té]{0,140}") {
        let value = json!({ key: [text.clone(), {"a": text}] });
        let document = apiserver_schema::yaml::from_json(&value);
        prop_assert_eq!(apiserver_schema::yaml::to_value(document.as_bytes()).unwrap(), value, "{}", document);
    }

    #[test]
    fn quantities(text in "[+-]?[0-9]{0,22}(\\.[0-9]{0,12})?(e[+-]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?") {
        use apiserver_schema::quantity::Quantity;
        if let Ok(quantity) = Quantity::parse(&text) {
            let canonical = quantity.to_string();
            let again = Quantity::parse(&canonical);
            prop_assert_eq!(again.as_ref().map(Quantity::to_string), Ok(canonical));
        }
    }
}

#[test]
fn nesting_is_limited() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
    let ty = apiserver_schema::builtin("apps", "v1", "ControllerRevision").unwrap();
    assert!(json::decode(ty, format!(r#"{{"data":{deep}}}"#).as_bytes(), DecodeOptions::default()).is_err());
    let schema = r#"{"not":"#.repeat(5000);
    let ty =
        apiserver_schema::builtin_by_name("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
            .unwrap();
    assert!(json::decode(ty, schema.as_bytes(), DecodeOptions::default()).is_err());
    let mut message = Vec::new();
    for _ in 0..2000 {
        let mut outer = vec![0xe2, 0x01];
        let mut length = message.len();
        while length >= 0x80 {
            outer.push(length as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend(message);
        message = outer;
    }
    assert_eq!(protobuf::to_json(ty, "", "", &message, &mut Vec::new()), Err(protobuf::Error::Depth));
}
