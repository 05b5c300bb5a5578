//! JSON paths as printer columns have them: names, indexes, slices, wildcards and filters by equality.
//!
//! Source: client-go `util/jsonpath`.

use serde_json::Value;

/// How deep a recursive descent goes: no deeper than JSON that is read.
const MAX_STEPS: usize = 64;

/// A path such as `.spec.containers[0].image` or `.status.conditions[?(@.type=="Ready")].status`.
pub struct JsonPath(Vec<Step>);

enum Step {
    Name(Box<str>),
    All,
    Slice(Option<i64>, Option<i64>, i64),
    Index(i64),
    /// Every value below, itself included.
    Descend,
    Filter(Vec<Box<str>>, Comparison, Value),
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// Parses a path that begins with a dot or a bracket.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        if rest.is_empty() {
            return Err("is empty".to_owned());
        }
        while !rest.is_empty() {
            if steps.len() >= MAX_STEPS {
                return Err("has too many steps".to_owned());
            }
            if let Some(after) = rest.strip_prefix("..") {
                steps.push(Step::Descend);
                rest = after;
                if !rest.starts_with('[') {
                    rest = name(rest, &mut steps)?;
                }
            } else if let Some(after) = rest.strip_prefix('.') {
                rest = name(after, &mut steps)?;
            } else if let Some(after) = rest.strip_prefix('[') {
                let end = bracket_end(after).ok_or("unterminated array")?;
                steps.push(bracket(after[..end].trim())?);
                rest = &after[end + 1..];
            } else {
                return Err(format!("unrecognized character in action: {:?}", rest.chars().next().unwrap_or_default()));
            }
        }
        Ok(JsonPath(steps))
    }

    /// All values at the path.
    pub fn find(&self, root: &Value) -> Vec<Value> {
        let mut found = vec![root];
        for step in &self.0 {
            let mut next = Vec::new();
            for value in found {
                step.apply(value, &mut next);
            }
            found = next;
        }
        found.into_iter().cloned().collect()
    }
}

/// Reads a name, in which a backslash escapes; an empty one stays where it is.
fn name<'a>(text: &'a str, steps: &mut Vec<Step>) -> Result<&'a str, String> {
    let mut own = String::new();
    let mut chars = text.char_indices();
    let mut end = text.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => own.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => {
                end = at;
                break;
            }
            c if c.is_whitespace() || "]{}\"'$@?,;()|&!=<>/".contains(c) && c != '/' => {
                return Err(format!("unrecognized character in action: {c:?}"));
            }
            c => own.push(c),
        }
    }
    match own.as_str() {
        "" => {}
        "*" => steps.push(Step::All),
        _ => steps.push(Step::Name(own.into())),
    }
    Ok(&text[end..])
}

/// Where the bracket that is open closes, quotes passed over.
fn bracket_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(text: &str) -> Result<Step, String> {
    if let Some(filter) = text.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return self::filter(filter.trim());
    }
    if text == "*" {
        return Ok(Step::All);
    }
    if let Some(name) = unquoted(text) {
        return Ok(Step::Name(name.into()));
    }
    let number = |part: &str| match part.trim() {
        "" => Ok(None),
        part => part.parse::<i64>().map(Some).map_err(|_| format!("invalid array index {text}")),
    };
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [index] => number(index)?.map(Step::Index).ok_or_else(|| format!("invalid array index {text}")),
        [start, end] => Ok(Step::Slice(number(start)?, number(end)?, 1)),
        [start, end, step] => Ok(Step::Slice(number(start)?, number(end)?, number(step)?.unwrap_or(1).max(1))),
        _ => Err(format!("invalid array index {text}")),
    }
}

fn unquoted(text: &str) -> Option<&str> {
    ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

fn filter(text: &str) -> Result<Step, String> {
    const OPERATORS: [(&str, Comparison); 6] = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let path = |left: &str| -> Result<Vec<Box<str>>, String> {
        let left = left.trim().strip_prefix('@').ok_or("a filter must begin with @")?;
        Ok(left.split('.').filter(|name| !name.is_empty()).map(Into::into).collect())
    };
    for (sign, comparison) in OPERATORS {
        if let Some((left, right)) = text.split_once(sign) {
            let right = right.trim();
            let value = match unquoted(right) {
                Some(text) => Value::from(text),
                None => serde_json::from_str(right).map_err(|_| format!("unrecognized value {right:?} in a filter"))?,
            };
            return Ok(Step::Filter(path(left)?, comparison, value));
        }
    }
    Ok(Step::Filter(path(text)?, Comparison::Exists, Value::Null))
}

impl Step {
    fn apply<'a>(&self, value: &'a Value, out: &mut Vec<&'a Value>) {
        match (self, value) {
            (Step::Name(name), Value::Object(map)) => out.extend(map.get(&**name)),
            (Step::All, Value::Object(map)) => out.extend(map.values()),
            (Step::All, Value::Array(list)) => out.extend(list),
            (Step::Index(index), Value::Array(list)) => out.extend(list.get(place(*index, list.len()))),
            (Step::Slice(start, end, step), Value::Array(list)) => {
                let start = start.map_or(0, |start| place(start, list.len()));
                let end = end.map_or(list.len(), |end| place(end, list.len())).min(list.len());
                out.extend(list.iter().take(end).skip(start).step_by(usize::try_from(*step).unwrap_or(1)));
            }
            (Step::Descend, value) => descend(value, out),
            (Step::Filter(path, comparison, wanted), Value::Array(list)) => {
                out.extend(list.iter().filter(|item| holds(item, path, *comparison, wanted)));
            }
            _ => {}
        }
    }
}

fn descend<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    out.push(value);
    match value {
        Value::Object(map) => map.values().for_each(|value| descend(value, out)),
        Value::Array(list) => list.iter().for_each(|value| descend(value, out)),
        _ => {}
    }
}

/// An index from the end counts below zero.
fn place(index: i64, length: usize) -> usize {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let place = if index < 0 { index.saturating_add(length) } else { index };
    usize::try_from(place).unwrap_or(usize::MAX)
}

fn holds(item: &Value, path: &[Box<str>], comparison: Comparison, wanted: &Value) -> bool {
    let Some(found) = path.iter().try_fold(item, |value, name| value.get(&**name)) else { return false };
    let order = match (found, wanted) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().unwrap_or_default().partial_cmp(&b.as_f64().unwrap_or_default())
        }
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (a, b) => (a == b).then_some(std::cmp::Ordering::Equal),
    };
    match comparison {
        Comparison::Exists => true,
        Comparison::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
        Comparison::NotEqual => !order.is_some_and(std::cmp::Ordering::is_eq),
        Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Comparison::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Comparison::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Comparison::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_what_they_name() {
        let object = serde_json::json!({
            "spec": {"a.b": 1, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2}]},
            "metadata": {"annotations": {"example.com/x": "z"}},
        });
        let cases = [
            (".spec.list[0].n", vec!["\"x\""]),
            (".spec.list[-1].v", vec!["2"]),
            (".spec.list[*].v", vec!["1", "2"]),
            (".spec.list[?(@.n==\"y\")].v", vec!["2"]),
            (".spec.list[?(@.v>1)].n", vec!["\"y\""]),
            (".spec.a\\.b", vec!["1"]),
            (".spec['a.b']", vec!["1"]),
            (".metadata.annotations.example\\.com/x", vec!["\"z\""]),
            (".spec.list[0:1].n", vec!["\"x\""]),
            ("..v", vec!["1", "2"]),
            (".spec.none", vec![]),
        ];
        for (path, expected) in cases {
            let found: Vec<String> =
                JsonPath::parse(path).expect(path).find(&object).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{path}");
        }
        for wrong in ["", "spec", ".spec[", ".spec[x]", ".spec.list[?(n==1)]"] {
            assert!(JsonPath::parse(wrong).is_err(), "{wrong}");
        }
    }
}
