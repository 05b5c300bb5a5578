//! Answers of upstream, kept as files: one for each script, one line for each answer.
//!
//! Headers that many answers share stand once. A body that an earlier answer of the unit had is named, not repeated.
//! Of long texts and of protobuf only a digest is kept; to see how such a body differs, compare with a live upstream.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::run::{Answer, Body};
use super::tree::Tree;

/// Texts up to this length are kept whole.
const WHOLE: usize = 400;

/// The answers of a script's units, by the units' names.
pub type Recording = BTreeMap<String, Vec<Answer>>;

/// Writes a recording.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, recording: &Recording) -> Result<()> {
    let mut sets: Vec<&BTreeMap<String, String>> = Vec::new();
    for answer in recording.values().flatten() {
        if !sets.contains(&&answer.headers) {
            sets.push(&answer.headers);
        }
    }
    let mut out = String::from("{\"headers\":[\n");
    join(&mut out, sets.iter().map(|set| serde_json::to_string(set).unwrap_or_default()));
    out += "],\"units\":{\n";
    for (index, (name, answers)) in recording.iter().enumerate() {
        let _ = writeln!(out, "{}{}:[", if index == 0 { "" } else { "," }, Value::from(name.as_str()));
        let mut bodies: Vec<Tree> = Vec::new();
        join(&mut out, answers.iter().map(|answer| line(answer, &sets, &mut bodies)));
        out += "]\n";
    }
    out += "}}\n";
    std::fs::write(path, out).with_context(|| format!("writing {}", path.display()))
}

fn join(out: &mut String, lines: impl Iterator<Item = String>) {
    for (index, line) in lines.enumerate() {
        let _ = writeln!(out, "{}{line}", if index == 0 { "" } else { "," });
    }
}

fn line(answer: &Answer, sets: &[&BTreeMap<String, String>], bodies: &mut Vec<Tree>) -> String {
    let set = sets.iter().position(|set| *set == &answer.headers).unwrap_or_default();
    let mut members = vec![
        ("step".to_owned(), Tree::Text(answer.step.clone())),
        ("status".to_owned(), Tree::Number(answer.status.into())),
        ("headers".to_owned(), Tree::Number(set.into())),
    ];
    let (kind, body) = kept(&answer.body);
    if let Some(body) = body {
        match bodies.iter().position(|earlier| *earlier == body) {
            Some(position) => members.push((format!("same-{kind}"), Tree::Number(position.into()))),
            None => members.push((kind.to_owned(), body.clone())),
        }
        bodies.push(body);
    } else {
        bodies.push(Tree::Null);
    }
    serde_json::to_string(&Tree::Map(members)).unwrap_or_default()
}

fn kept(body: &Body) -> (&'static str, Option<Tree>) {
    match body {
        Body::Empty => ("", None),
        Body::Json(tree) => ("json", Some(tree.clone())),
        Body::Wire(Tree::Text(digest)) => ("wire", Some(Tree::Text(digest.clone()))),
        Body::Wire(tree) => ("wire", Some(Tree::Text(digest(&serde_json::to_string(tree).unwrap_or_default())))),
        Body::Frames(frames) => ("frames", Some(Tree::List(frames.clone()))),
        Body::Text(text) if text.len() > WHOLE => ("text", Some(Tree::Text(digest(text)))),
        Body::Text(text) => ("text", Some(Tree::Text(text.clone()))),
    }
}

/// Stands for a text.
pub fn digest(text: &str) -> String {
    let sum = Sha256::digest(text.as_bytes());
    let hex: String = sum.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("<{} bytes, {hex}>", text.len())
}

/// An answer as a recording keeps it: comparable with a recorded one.
pub fn reduced(answer: Answer) -> Answer {
    let body = match (kept(&answer.body), answer.body) {
        ((_, Some(tree)), Body::Wire(_)) => Body::Wire(tree),
        ((_, Some(Tree::Text(text))), Body::Text(_)) => Body::Text(text),
        (_, body) => body,
    };
    Answer { body, ..answer }
}

/// Reads a recording.
///
/// # Errors
/// The file is not there, or is no recording.
pub fn read(path: &Path) -> Result<Recording> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
    let tree: Tree = serde_json::from_str(&text).with_context(|| format!("{shown} is no recording"))?;
    let (Some(Tree::List(sets)), Some(Tree::Map(units))) = (tree.get("headers"), tree.get("units")) else {
        bail!("{shown} is no recording");
    };
    let sets: Vec<BTreeMap<String, String>> = sets.iter().map(headers).collect();
    let mut recording = Recording::new();
    for (name, answers) in units {
        let Tree::List(answers) = answers else { bail!("{shown}: {name} is no list") };
        let mut read = Vec::new();
        let mut bodies = Vec::new();
        for answer in answers {
            let answer = unline(answer, &sets, &bodies).with_context(|| format!("{shown}: an answer of {name}"))?;
            bodies.push(answer.body.clone());
            read.push(answer);
        }
        recording.insert(name.clone(), read);
    }
    Ok(recording)
}

fn headers(set: &Tree) -> BTreeMap<String, String> {
    let Tree::Map(members) = set else { return BTreeMap::new() };
    members.iter().filter_map(|(name, value)| Some((name.clone(), value.text()?.to_owned()))).collect()
}

fn unline(line: &Tree, sets: &[BTreeMap<String, String>], bodies: &[Body]) -> Option<Answer> {
    let number = |name: &str| match line.get(name) {
        Some(Tree::Number(number)) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        _ => None,
    };
    let mut body = Body::Empty;
    for kind in ["json", "wire", "frames", "text"] {
        let kept = match number(&format!("same-{kind}")) {
            Some(earlier) => kept(bodies.get(earlier)?).1,
            None => line.get(kind).cloned(),
        };
        match (kind, kept) {
            (_, None) => {}
            ("json", Some(tree)) => body = Body::Json(tree),
            ("frames", Some(Tree::List(frames))) => body = Body::Frames(frames),
            ("wire", Some(tree)) => body = Body::Wire(tree),
            (_, Some(Tree::Text(text))) => body = Body::Text(text),
            _ => return None,
        }
    }
    Some(Answer {
        step: line.get("step")?.text()?.to_owned(),
        status: u16::try_from(number("status")?).ok()?,
        headers: sets.get(number("headers")?)?.clone(),
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_read_as_written() {
        let tree: Tree = serde_json::from_str(r#"{"b":1,"a":"x"}"#).unwrap();
        let answer = |step: &str, body: Body| Answer {
            step: step.to_owned(),
            status: 200,
            headers: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            body,
        };
        let answers = vec![
            answer("1", Body::Json(tree.clone())),
            answer("2", Body::Json(tree.clone())),
            answer("3", Body::Empty),
            answer("4", Body::Wire(tree.clone())),
            answer("5", Body::Frames(vec![tree])),
            answer("6", Body::Text("long ".repeat(200))),
        ];
        let path = tempfile::NamedTempFile::new().unwrap();
        write(path.path(), &Recording::from([("u".to_owned(), answers.clone())])).unwrap();
        let read = read(path.path()).unwrap();
        let expected: Vec<Answer> = answers.into_iter().map(reduced).collect();
        assert_eq!(read["u"], expected);
    }
}
