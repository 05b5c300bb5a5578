//! How two answers to one request differ.

use super::run::{Answer, Body};
use super::tree::Tree;

/// How many differences of one body are told.
const SHOWN: usize = 30;

/// A place in an answer, and what stands there on either side.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `status`, `header NAME`, or a path inside the body that begins with a dot.
    pub place: String,
    pub left: String,
    pub right: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "{}: {} | {}", self.place, self.left, self.right)
    }
}

/// All differences between two answers.
pub fn answers(left: &Answer, right: &Answer) -> Vec<Difference> {
    let mut out = Vec::new();
    if left.status != right.status {
        out.push(difference("status", left.status, right.status));
    }
    let names = left.headers.keys().chain(right.headers.keys().filter(|name| !left.headers.contains_key(*name)));
    for name in names {
        let (one, other) = (left.headers.get(name), right.headers.get(name));
        if one != other {
            let shown = |value: Option<&String>| value.map_or("-".to_owned(), |value| format!("{value:?}"));
            out.push(difference(&format!("header {name}"), shown(one), shown(other)));
        }
    }
    bodies(&left.body, &right.body, &mut out);
    let all = out.len();
    if all > SHOWN {
        out.truncate(SHOWN);
        out.push(difference("...", all, "in all"));
    }
    out
}

fn bodies(left: &Body, right: &Body, out: &mut Vec<Difference>) {
    match (left, right) {
        (Body::Json(left), Body::Json(right)) | (Body::Wire(left), Body::Wire(right)) => trees("", left, right, out),
        (Body::Frames(left), Body::Frames(right)) => {
            trees(".frames", &Tree::List(left.clone()), &Tree::List(right.clone()), out);
        }
        (Body::Text(left), Body::Text(right)) => texts(left, right, out),
        _ if left == right => {}
        _ => out.push(difference(".body", brief(left), brief(right))),
    }
}

fn trees(place: &str, left: &Tree, right: &Tree, out: &mut Vec<Difference>) {
    match (left, right) {
        (Tree::Map(one), Tree::Map(other)) => {
            let before = out.len();
            let repeats = |members: &[(String, Tree)]| members.windows(2).any(|pair| pair[0].0 == pair[1].0);
            if repeats(one) || repeats(other) {
                return fields(place, one, other, out);
            }
            for (key, value) in one {
                match right.get(key) {
                    Some(found) => trees(&format!("{place}.{key}"), value, found, out),
                    None => out.push(difference(&format!("{place}.{key}"), value.brief(), "-")),
                }
            }
            for (key, value) in other.iter().filter(|(key, _)| left.get(key).is_none()) {
                out.push(difference(&format!("{place}.{key}"), "-", value.brief()));
            }
            let keys = |members: &[(String, Tree)]| members.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
            if out.len() == before && keys(one) != keys(other) {
                let shown = |members| keys(members).join(",");
                out.push(difference(&format!("{place} order"), shown(one), shown(other)));
            }
        }
        (Tree::List(one), Tree::List(other)) => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                trees(&format!("{place}[{index}]"), one, other, out);
            }
            for (index, item) in one.iter().enumerate().skip(other.len()) {
                out.push(difference(&format!("{place}[{index}]"), item.brief(), "-"));
            }
            for (index, item) in other.iter().enumerate().skip(one.len()) {
                out.push(difference(&format!("{place}[{index}]"), "-", item.brief()));
            }
        }
        _ if left == right => {}
        _ => out.push(difference(place, left.brief(), right.brief())),
    }
}

/// Members of which some stand there more than once: fields of a message.
fn fields(place: &str, left: &[(String, Tree)], right: &[(String, Tree)], out: &mut Vec<Difference>) {
    for (index, pair) in left.iter().zip(right).enumerate() {
        let ((one, left), (other, right)) = pair;
        if one != other {
            return out.push(difference(
                &format!("{place}#{index}"),
                format!("{one} {}", left.brief()),
                format!("{other} {}", right.brief()),
            ));
        }
        trees(&format!("{place}.{one}#{index}"), left, right, out);
    }
    if left.len() != right.len() {
        out.push(difference(&format!("{place} fields"), left.len(), right.len()));
    }
}

/// The first lines that differ.
fn texts(left: &str, right: &str, out: &mut Vec<Difference>) {
    if left == right {
        return;
    }
    let (mut one, mut other) = (left.lines(), right.lines());
    for number in 1.. {
        match (one.next(), other.next()) {
            (None, None) => return out.push(difference(".text", format!("{left:?}"), format!("{right:?}"))),
            (one, other) if one != other => {
                let shown = |line: Option<&str>| line.map_or("-".to_owned(), |line| format!("{line:?}"));
                return out.push(difference(&format!(".text line {number}"), shown(one), shown(other)));
            }
            _ => {}
        }
    }
}

fn brief(body: &Body) -> String {
    match body {
        Body::Empty => "no body".to_owned(),
        Body::Json(tree) => format!("JSON {}", tree.brief()),
        Body::Wire(tree) => format!("protobuf {}", tree.brief()),
        Body::Frames(frames) => format!("{} events", frames.len()),
        Body::Text(text) => format!("text {}", Tree::Text(text.clone()).brief()),
    }
}

fn difference(place: &str, left: impl ToString, right: impl ToString) -> Difference {
    Difference { place: place.to_owned(), left: left.to_string(), right: right.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(left: &str, right: &str) -> Vec<String> {
        let mut out = Vec::new();
        trees("", &serde_json::from_str(left).unwrap(), &serde_json::from_str(right).unwrap(), &mut out);
        out.into_iter().map(|difference| difference.place).collect()
    }

    #[test]
    fn places_are_named() {
        assert!(places(r#"{"a":[1,{"b":2}]}"#, r#"{"a":[1,{"b":2}]}"#).is_empty());
        assert_eq!(places(r#"{"a":[1,{"b":2}],"c":1}"#, r#"{"a":[1,{"b":3}]}"#), [".a[1].b", ".c"]);
        assert_eq!(places(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#), [" order"]);
        assert_eq!(places("[1]", "[1,2]"), ["[1]"]);
    }
}
