//! Strings. Positions count characters, not bytes.

use super::{failed, no_overload};
use crate::plan::Call;
use crate::value::{Evaluated, Value};

fn characters(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn out_of_range<'a>(index: i64) -> Evaluated<'a> {
    failed(format!("index out of range: {index}"))
}

pub(crate) fn char_at<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::String(text), Value::Int(index)] = args.as_slice() else { return no_overload() };
    let Ok(at) = usize::try_from(*index) else { return out_of_range(*index) };
    match text.chars().nth(at) {
        Some(character) => Ok(Value::string(&character.to_string())),
        None if text.chars().count() == at => Ok(Value::string("")),
        None => out_of_range(*index),
    }
}

/// `contains`, `startsWith` and `endsWith`.
pub(crate) fn contains<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::String(text), Value::String(part)] = args.as_slice() else { return no_overload() };
    Ok(Value::Bool(match call.name {
        "contains" => text.contains(&**part),
        "startsWith" => text.starts_with(&**part),
        _ => text.ends_with(&**part),
    }))
}

/// Where a string is in another; see [`super::lists::index_of`] for lists.
pub(crate) fn index_of<'a>(call: &Call, args: &[Value<'a>]) -> Evaluated<'a> {
    let (text, part, offset) = match args {
        [Value::String(text), Value::String(part)] => (text, part, None),
        [Value::String(text), Value::String(part), Value::Int(offset)] => (text, part, Some(*offset)),
        _ => return no_overload(),
    };
    let (text, part) = (characters(text), characters(part));
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let last = call.name == "lastIndexOf";
    if part.is_empty() {
        return Ok(Value::Int(offset.unwrap_or(if last { length } else { 0 })));
    }
    let offset = offset.unwrap_or(if last { (length - 1).max(0) } else { 0 });
    let Ok(from) = usize::try_from(offset) else { return out_of_range(offset) };
    let not_found = Ok(Value::Int(-1));
    if from >= text.len() || part.len() > text.len() {
        return not_found;
    }
    let highest = text.len() - part.len();
    let is_it = |at: &usize| text[*at..].starts_with(&part);
    let found = if last { (0..=from.min(highest)).rev().find(is_it) } else { (from..=highest).find(is_it) };
    Ok(Value::Int(found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)))
}

pub(crate) fn join<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let (list, separator) = match args.as_slice() {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::String(separator)] => (list, &**separator),
        _ => return no_overload(),
    };
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        match item? {
            Value::String(text) => {
                if index > 0 {
                    joined.push_str(separator);
                }
                joined.push_str(&text);
            }
            other => return failed(format!("join: invalid input: {other}")),
        }
    }
    Ok(Value::string(&joined))
}

/// `lowerAscii`, `upperAscii` and `trim`.
pub(crate) fn changed<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::String(text)] = args.as_slice() else { return no_overload() };
    Ok(match call.name {
        "lowerAscii" => Value::string(&text.to_ascii_lowercase()),
        "upperAscii" => Value::string(&text.to_ascii_uppercase()),
        _ => Value::string(text.trim()),
    })
}

pub(crate) fn replace<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::String(text), Value::String(old), Value::String(new)] => Ok(Value::string(&text.replace(&**old, new))),
        [Value::String(text), Value::String(old), Value::String(new), Value::Int(most)] => {
            let most = usize::try_from(*most).unwrap_or(usize::MAX);
            Ok(Value::string(&text.replacen(&**old, new, most)))
        }
        _ => no_overload(),
    }
}

pub(crate) fn split<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let (text, separator, most) = match args.as_slice() {
        [Value::String(text), Value::String(separator)] => (text, separator, usize::MAX),
        [Value::String(text), Value::String(separator), Value::Int(most)] => {
            (text, separator, usize::try_from(*most).unwrap_or(usize::MAX))
        }
        _ => return no_overload(),
    };
    if most == 0 {
        return Ok(Value::list(Vec::new()));
    }
    let parts: Vec<Value<'a>> = if separator.is_empty() {
        let count = text.chars().count();
        let cut = most.min(count).saturating_sub(1);
        let at = text.char_indices().nth(cut).map_or(0, |(at, _)| at);
        let single = text.chars().take(cut).map(|character| Value::string(&character.to_string()));
        let rest = (count > 0).then(|| Value::string(&text[at..]));
        single.chain(rest).collect()
    } else {
        text.splitn(most, &**separator).map(Value::string).collect()
    };
    Ok(Value::list(parts))
}

pub(crate) fn substring<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let (text, start, end) = match args.as_slice() {
        [Value::String(text), Value::Int(start)] => (text, *start, None),
        [Value::String(text), Value::Int(start), Value::Int(end)] => (text, *start, Some(*end)),
        _ => return no_overload(),
    };
    let characters = characters(text);
    let within = |index: i64| usize::try_from(index).ok().filter(|index| *index <= characters.len());
    if let Some(end) = end.filter(|end| start > *end) {
        return failed(format!("invalid substring range. start: {start}, end: {end}"));
    }
    let Some(from) = within(start) else { return out_of_range(start) };
    let to = match end {
        None => characters.len(),
        Some(end) => match within(end) {
            Some(to) => to,
            None => return out_of_range(end),
        },
    };
    Ok(Value::string(&characters[from..to].iter().collect::<String>()))
}

pub(crate) fn quote<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::String(text)] = args.as_slice() else { return no_overload() };
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    Ok(Value::string(&quoted))
}

/// A string as a key in the path of a JSON patch.
pub(crate) fn escape_key<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::String(text)] = args.as_slice() else { return no_overload() };
    Ok(Value::string(&text.replace('~', "~0").replace('/', "~1")))
}
