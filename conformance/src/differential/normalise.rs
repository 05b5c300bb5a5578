//! What differs from run to run, made the same: identities, times, revisions, names and addresses that servers choose.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use regex::{Captures, Regex};

use super::tree::Tree;
use super::variables::Variables;

/// Texts are rewritten by these, in order. A text that stands in the script itself is left alone.
static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"\beyJ[\w-]{10,}\.eyJ[\w-]+\.[\w-]+", "<token>"),
        (r"\b10\.96\.\d+\.\d+\b", "<ip>"),
        // The client certificate that a credential is.
        (r"X509SHA256=[0-9a-f]{64}", "X509SHA256=<sum>"),
        // The end of a generated name.
        (r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-<x>"),
    ]
    .into_iter()
    .filter_map(|(pattern, to)| Some((Regex::new(pattern).ok()?, to)))
    .collect()
});

static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").ok());
static CONTINUE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\beyJ2Ijoi[\w-]+").ok());
static AGE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(\d+[ydhms])+$").ok());
/// Revisions inside messages.
static REVISION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)((?:resource ?version|current|minimum|version|meta|compacted at|revision)[^\d\s]*:? ?\(?)\d{1,9}\b",
    )
    .ok()
});
static PARENTHESES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\(\d+\)").ok());
static YAML_REVISION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?m)^(\s*(?:- )?resourceVersion: )"\d+"$"#).ok());
static YAML_PORT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^(\s*(?:- )?(?:nodePort|healthCheckNodePort): )\d+$").ok());
static YAML_ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^(\s*serverAddress: ).+$").ok());
static YAML_AGE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^(\s*- )\d+s$").ok());

/// What is known while a unit runs against one server.
pub struct Normaliser {
    /// The server's host and port.
    pub address: String,
    /// The script, and what else is meant literally.
    pub literal: String,
    /// The revision at which an object was answered last, by uid.
    seen: HashMap<String, String>,
    now: i64,
}

impl Normaliser {
    pub fn new(address: &str, literal: &str) -> Self {
        let now = Timestamp::now().as_second();
        Normaliser { address: address.to_owned(), literal: literal.to_owned(), seen: HashMap::new(), now }
    }

    /// An object, a list or a status.
    pub fn answer(&mut self, variables: &Variables, tree: &mut Tree) {
        // Whether a write changed anything shows in the revision of the object that it answers.
        let meta = tree.get("metadata");
        let uid = meta.and_then(|meta| meta.get("uid")).and_then(Tree::text).map(str::to_owned);
        let revision = meta.and_then(|meta| meta.get("resourceVersion")).and_then(Tree::text).map(str::to_owned);
        self.tree(variables, tree, "");
        order_conflicts(tree);
        let (Some(uid), Some(revision)) = (uid, revision) else { return };
        let before = self.seen.insert(uid, revision.clone());
        if before.is_some_and(|before| before == revision)
            && let Tree::Map(members) = tree
            && let Some((_, Tree::Map(meta))) = members.iter_mut().find(|(name, _)| name == "metadata")
            && let Some((_, shown)) = meta.iter_mut().find(|(name, _)| name == "resourceVersion")
        {
            *shown = Tree::Text("<same>".to_owned());
        }
    }

    fn tree(&self, variables: &Variables, tree: &mut Tree, key: &str) {
        match tree {
            Tree::Text(text) => match key {
                "resourceVersion" if text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    if !self.literal.contains(&format!("\"{text}\"")) {
                        *text = "<rv>".to_owned();
                    }
                }
                "serverAddress" => *text = "<address>".to_owned(),
                "cell" if AGE.as_ref().is_some_and(|age| age.is_match(text)) => *text = "<age>".to_owned(),
                _ => *text = self.text(variables, text),
            },
            Tree::Number(_)
                if matches!(key, "nodePort" | "healthCheckNodePort") && !self.literal.contains(&tree.brief()) =>
            {
                *tree = Tree::Text("<port>".to_owned());
            }
            Tree::List(items) => {
                let key = if key == "cells" { "cell" } else { key };
                items.iter_mut().for_each(|item| self.tree(variables, item, key));
                // They stand in the order of their times, by the second.
                if key == "managedFields" {
                    items.sort_by_cached_key(full);
                }
            }
            Tree::Map(members) => {
                let base = members.iter().find(|(name, _)| name == "generateName").and_then(|(_, base)| base.text());
                let base = base.map(str::to_owned);
                for (name, value) in members {
                    match (&base, value.text()) {
                        (Some(base), Some(text))
                            if name == "name" && text.len() == base.len() + 5 && text.starts_with(base.as_str()) =>
                        {
                            *value = Tree::Text(format!("{}<x>", self.text(variables, base)));
                        }
                        _ => self.tree(variables, value, name),
                    }
                }
            }
            _ => {}
        }
    }

    /// A protobuf message, as [`super::wire`] reads it.
    pub fn wire(&self, variables: &Variables, tree: &mut Tree) {
        match tree {
            Tree::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => {
                *text = "<digits>".to_owned();
            }
            Tree::Text(text) => *text = self.text(variables, text),
            Tree::Map(members) => {
                if let Some(("1", Tree::Number(seconds))) = members.first().map(|(key, value)| (key.as_str(), value))
                    && members.len() <= 2
                    && seconds.as_i64().is_some_and(|seconds| self.is_now(seconds))
                {
                    *tree = Tree::Text("<now>".to_owned());
                    return;
                }
                members.iter_mut().for_each(|(_, value)| self.wire(variables, value));
                // Managed fields, as above.
                if let Some(start) =
                    members.iter().position(|(key, value)| key == "17" && matches!(value, Tree::Map(_)))
                {
                    let length = members[start..].iter().take_while(|(key, _)| key == "17").count();
                    members[start..start + length].sort_by_cached_key(|(_, value)| full(value));
                }
            }
            Tree::List(items) => items.iter_mut().for_each(|item| self.wire(variables, item)),
            Tree::Number(number) => {
                if let Some(port) = number.as_i64().filter(|port| (30000..=32767).contains(port))
                    && !self.literal.contains(&port.to_string())
                {
                    *tree = Tree::Text("<port>".to_owned());
                }
            }
            Tree::Null | Tree::Bool(_) => {}
        }
    }

    /// YAML or plain text.
    pub fn lines(&self, variables: &Variables, text: &str) -> String {
        let mut text = self.text(variables, text);
        for (pattern, to) in [
            (&YAML_REVISION, "$1<rv>"),
            (&YAML_PORT, "$1<port>"),
            (&YAML_AGE, "$1<age>"),
            (&YAML_ADDRESS, "$1<address>"),
        ] {
            if let Some(pattern) = pattern.as_ref() {
                text = pattern.replace_all(&text, to).into_owned();
            }
        }
        order_managed_fields(&text)
    }

    /// A text inside an answer.
    pub fn text(&self, variables: &Variables, text: &str) -> String {
        let mut text = text.replace(&self.address, "<server>");
        if let Some(tokens) = CONTINUE.as_ref().filter(|tokens| tokens.is_match(&text)) {
            let replace = |found: &Captures| self.continue_token(variables, &found[0]).unwrap_or(found[0].to_owned());
            text = tokens.replace_all(&text, replace).into_owned();
        }
        for (name, value) in variables.saved() {
            if value.len() >= 6 && text.contains(value) && !value.bytes().all(|byte| byte.is_ascii_digit()) {
                text = text.replace(value, &format!("<{name}>"));
            }
        }
        for (pattern, to) in PATTERNS.iter() {
            let replace = |found: &Captures| self.unless_literal(&found[0], to);
            if pattern.is_match(&text) {
                text = pattern.replace_all(&text, replace).into_owned();
            }
        }
        if let Some(time) = TIME.as_ref().filter(|time| time.is_match(&text)) {
            text = time.replace_all(&text, |found: &Captures| self.time(found)).into_owned();
        }
        let lower = text.to_ascii_lowercase();
        if lower.contains("resource version") || lower.contains("resourceversion") || lower.contains("revision") {
            if let Some(revision) = REVISION.as_ref() {
                text = revision.replace_all(&text, "${1}<rv>").into_owned();
            }
            if let Some(parentheses) = PARENTHESES.as_ref() {
                text = parentheses.replace_all(&text, "(<rv>)").into_owned();
            }
        }
        text
    }

    fn unless_literal(&self, found: &str, to: &str) -> String {
        if self.literal.contains(found) { found.to_owned() } else { to.to_owned() }
    }

    fn time(&self, found: &Captures) -> String {
        let moment = found[0].parse::<Timestamp>().ok().map(Timestamp::as_second);
        match moment {
            Some(seconds) if self.is_now(seconds) => match found.get(1) {
                Some(fraction) => format!("<now.{}>", fraction.len() - 1),
                None => "<now>".to_owned(),
            },
            _ => found[0].to_owned(),
        }
    }

    fn is_now(&self, seconds: i64) -> bool {
        (seconds - self.now).abs() < 24 * 3600
    }

    /// What a continue token says, without its revision.
    fn continue_token(&self, variables: &Variables, text: &str) -> Option<String> {
        let tree: Tree = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?).ok()?;
        let revision = match tree.get("rv")? {
            Tree::Number(number) if number.as_i64() == Some(-1) => "any revision",
            _ => "its revision",
        };
        let start = self.text(variables, tree.get("start")?.text()?);
        Some(format!("<continue {} from {start:?} at {revision}>", tree.get("v")?.text()?))
    }
}

/// The whole of a tree, to sort by.
fn full(tree: &Tree) -> String {
    serde_json::to_string(tree).unwrap_or_default()
}

/// The conflicts of an apply stand in the order of the managed fields.
fn order_conflicts(status: &mut Tree) {
    let Tree::Map(members) = status else { return };
    let is_conflict = |value: &Tree| value.text().is_some_and(|text| text.starts_with("Apply failed with"));
    if !members.iter().any(|(key, value)| key == "message" && is_conflict(value)) {
        return;
    }
    for (key, value) in members {
        match (key.as_str(), value) {
            ("message", Tree::Text(text)) => {
                let mut lines: Vec<&str> = text.lines().collect();
                lines[1..].sort_unstable();
                *text = lines.join("\n");
            }
            ("details", Tree::Map(details)) => {
                if let Some((_, Tree::List(causes))) = details.iter_mut().find(|(key, _)| key == "causes") {
                    causes.sort_by_cached_key(full);
                }
            }
            _ => {}
        }
    }
}

/// Sorts the items below each `managedFields:` of a YAML document.
fn order_managed_fields(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        out.push(line.to_owned());
        if line.trim_start_matches("- ").trim() != "managedFields:" {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let start = format!("{}- ", &line[..indent]);
        let mut items: Vec<String> = Vec::new();
        while let Some(next) =
            lines.next_if(|next| next.starts_with(&start) || next.starts_with(&format!("{}  ", &line[..indent])))
        {
            match items.last_mut() {
                Some(last) if !next.starts_with(&start) => *last = format!("{last}\n{next}"),
                _ => items.push(next.to_owned()),
            }
        }
        items.sort_unstable();
        out.append(&mut items);
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn normalised(text: &str) -> String {
        let mut variables = Variables::default();
        variables.save("ns", json!("diff-one"));
        Normaliser::new("127.0.0.1:6443", "2020-01-01T00:00:00Z 10.96.0.77").text(&variables, text)
    }

    #[test]
    fn accidents_are_left_out() {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        assert_eq!(normalised(&now), "<now>");
        assert_eq!(normalised("2020-01-01T00:00:00Z"), "2020-01-01T00:00:00Z");
        assert_eq!(normalised("a 10.96.4.5 10.96.0.77 diff-one"), "a <ip> 10.96.0.77 <ns>");
        assert_eq!(normalised("too old resource version: 1 (345)"), "too old resource version: <rv> (<rv>)");
        assert_eq!(normalised("UID 01234567-89ab-cdef-0123-456789abcdef in use"), "UID <uid> in use");
    }

    #[test]
    fn managed_fields_have_one_order() {
        let text = "m:\n  managedFields:\n  - b: 1\n    c:\n      d: 1\n  - a: 1\n    x: 1\n  name: n\n";
        let sorted = "m:\n  managedFields:\n  - a: 1\n    x: 1\n  - b: 1\n    c:\n      d: 1\n  name: n\n";
        assert_eq!(order_managed_fields(text), sorted);
    }

    #[test]
    fn an_unchanged_revision_shows() {
        let mut normaliser = Normaliser::new("s", "");
        let variables = Variables::default();
        let mut shown = Vec::new();
        for revision in ["120", "120", "121"] {
            let text = format!(r#"{{"metadata":{{"uid":"u","resourceVersion":"{revision}"}}}}"#);
            let mut tree: Tree = serde_json::from_str(&text).unwrap();
            normaliser.answer(&variables, &mut tree);
            shown.push(tree.get("metadata").unwrap().get("resourceVersion").unwrap().text().unwrap().to_owned());
        }
        assert_eq!(shown, ["<rv>", "<same>", "<rv>"]);
    }
}
