//! Semantic versions, by the rules of semver.org 2.0.0.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{failed, library_value, no_overload, object};
use crate::plan::Call;
use crate::value::{Evaluated, Value};

#[derive(Clone, Debug)]
pub(crate) struct Semver {
    major: u64,
    minor: u64,
    patch: u64,
    pre: Vec<Pre>,
}

/// A part of a pre-release; numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    Number(u64),
    Word(String),
}

/// Builds do not count.
impl PartialEq for Semver {
    fn eq(&self, other: &Semver) -> bool {
        self.compare(other) == Ordering::Equal
    }
}

library_value!(Semver, "kubernetes.Semver", |_version| None);

impl Semver {
    fn compare(&self, other: &Semver) -> Ordering {
        let numbers = |version: &Semver| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.pre.cmp(&other.pre),
        })
    }

    fn parse(text: &str) -> Result<Semver, String> {
        if text.is_empty() {
            return Err("Version string empty".to_owned());
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("No Major.Minor.Patch elements found".to_owned());
        };
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let (patch, pre) = rest.split_once('-').map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
        let version = Semver {
            major: number(major, "Major")?,
            minor: number(minor, "Minor")?,
            patch: number(patch, "Patch")?,
            pre: pre.map(|pre| pre.split('.').map(prerelease).collect()).transpose()?.unwrap_or_default(),
        };
        for part in build.into_iter().flat_map(|build| build.split('.')) {
            if part.is_empty() {
                return Err("Build meta data is empty".to_owned());
            }
            if !part.bytes().all(alphanumeric) {
                return Err(format!("Invalid character(s) found in build meta data {part:?}"));
            }
        }
        Ok(version)
    }

    /// Also takes a leading `v`, leading zeros and missing parts.
    fn normalized(text: &str) -> Result<Semver, String> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts: Vec<String> = text
            .splitn(3, '.')
            .map(|part| {
                if part.len() <= 1 {
                    return part.to_owned();
                }
                let trimmed = part.trim_start_matches('0');
                if trimmed.starts_with(|c: char| c.is_ascii_digit()) {
                    trimmed.to_owned()
                } else {
                    format!("0{trimmed}")
                }
            })
            .collect();
        if parts.len() < 3 {
            if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
                return Err("short version cannot contain PreRelease/Build meta data".to_owned());
            }
            parts.resize(3, "0".to_owned());
        }
        Semver::parse(&parts.join("."))
    }
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn number(text: &str, which: &str) -> Result<u64, String> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("Invalid character(s) found in {} number {text:?}", which.to_lowercase()));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!("{which} number must not contain leading zeroes {text:?}"));
    }
    text.parse().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))
}

fn prerelease(part: &str) -> Result<Pre, String> {
    if part.is_empty() {
        return Err("Prerelease is empty".to_owned());
    }
    if part.bytes().all(|byte| byte.is_ascii_digit()) {
        if part.len() > 1 && part.starts_with('0') {
            return Err(format!("Numeric PreRelease version must not contain leading zeroes {part:?}"));
        }
        return part
            .parse()
            .map(Pre::Number)
            .map_err(|_| format!("strconv.ParseUint: parsing {part:?}: value out of range"));
    }
    if part.bytes().all(alphanumeric) {
        return Ok(Pre::Word(part.to_owned()));
    }
    Err(format!("Invalid character(s) found in prerelease {part:?}"))
}

pub(crate) fn order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    Some(object::<Semver>(a)?.compare(object::<Semver>(b)?))
}

/// `semver(text)` and `isSemver(text)`, with or without normalizing.
pub(crate) fn semver<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let parsed = match args.as_slice() {
        [Value::String(text)] | [Value::String(text), Value::Bool(false)] => Semver::parse(text),
        [Value::String(text), Value::Bool(true)] => Semver::normalized(text),
        _ => return no_overload(),
    };
    match (parsed, call.name) {
        (parsed, "isSemver") => Ok(Value::Bool(parsed.is_ok())),
        (Ok(version), _) => Ok(Value::Object(Arc::new(version))),
        (Err(problem), _) => failed(problem),
    }
}

pub(crate) fn part<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(version) = args.first().and_then(object::<Semver>) else { return no_overload() };
    let part = match call.name {
        "major" => version.major,
        "minor" => version.minor,
        _ => version.patch,
    };
    Ok(Value::Int(part.cast_signed()))
}
