//! Named formats: `format.dns1123Label().validate(name)`.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::{library_value, no_overload, object};
use crate::plan::Call;
use crate::time;
use crate::value::{Evaluated, Object, Value};

/// A format: its name in expressions, how long its pattern counts as, what is wrong with a string.
pub(crate) struct Named {
    name: &'static str,
    pattern_size: u64,
    problems: fn(&str) -> Vec<String>,
}

#[derive(Clone, Copy)]
pub(crate) struct Format(&'static Named);

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.0.name == other.0.name
    }
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

library_value!(Format, "kubernetes.NamedFormat", |_format| None);

static FORMATS: &[Named] = &[
    Named { name: "byte", pattern_size: 84, problems: |text| simple(is_base64(text), "invalid base64") },
    Named { name: "date", pattern_size: 71, problems: |text| simple(time::parse_date(text).is_some(), "invalid date") },
    Named { name: "datetime", pattern_size: 71, problems: |text| simple(is_date_time(text), "invalid datetime") },
    Named { name: "dns1035Label", pattern_size: 30, problems: |text| dns1035_label(text) },
    Named { name: "dns1035LabelPrefix", pattern_size: 30, problems: |text| dns1035_label(&prefix(text)) },
    Named { name: "dns1123Label", pattern_size: 30, problems: |text| dns1123_label(text) },
    Named { name: "dns1123LabelPrefix", pattern_size: 30, problems: |text| dns1123_label(&prefix(text)) },
    Named { name: "dns1123Subdomain", pattern_size: 60, problems: |text| dns1123_subdomain(text) },
    Named { name: "dns1123SubdomainPrefix", pattern_size: 60, problems: |text| dns1123_subdomain(&prefix(text)) },
    Named { name: "labelValue", pattern_size: 40, problems: label_value },
    Named { name: "qualifiedName", pattern_size: 60, problems: qualified_name },
    Named { name: "uri", pattern_size: 1103, problems: |text| super::url::parse(text).err().into_iter().collect() },
    Named { name: "uuid", pattern_size: 70, problems: |text| simple(is_uuid(text), "does not match the UUID format") },
];

fn found(name: &str) -> Option<Value<'static>> {
    let format = FORMATS.iter().find(|format| format.name == name)?;
    Some(Value::Object(Arc::new(Format(format))))
}

/// How long the pattern of a format counts as.
pub(crate) fn pattern_size(format: &dyn Object) -> u64 {
    format.as_any().downcast_ref::<Format>().map_or(0, |format| format.0.pattern_size)
}

/// `format.dns1123Label()` and its like.
pub(crate) fn constant<'a>(call: &Call, _: Vec<Value<'a>>) -> Evaluated<'a> {
    call.name.strip_prefix("format.").and_then(found).map_or_else(no_overload, Ok)
}

pub(crate) fn named<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    match args.as_slice() {
        [Value::String(name)] => Ok(found(name).map_or(Value::Optional(None), Value::some)),
        _ => no_overload(),
    }
}

pub(crate) fn validate<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [format, Value::String(text)] = args.as_slice() else { return no_overload() };
    let Some(Format(format)) = object::<Format>(format) else { return no_overload() };
    let problems = (format.problems)(text);
    if problems.is_empty() {
        return Ok(Value::Optional(None));
    }
    Ok(Value::some(Value::list(problems.iter().map(|problem| Value::string(problem)).collect())))
}

fn simple(valid: bool, problem: &str) -> Vec<String> {
    if valid { Vec::new() } else { vec![problem.to_owned()] }
}

/// A prefix may end in a dash.
fn prefix(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(rest) if rest.chars().count() >= 1 => {
            let mut masked: String = rest.to_owned();
            masked.pop();
            masked.push('a');
            masked
        }
        _ => text.to_owned(),
    }
}

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";

/// One or more of these characters; the first and the last of those.
fn shaped(text: &str, inner: fn(u8) -> bool, first: fn(u8) -> bool, last: fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        bytes => bytes.iter().all(|byte| inner(*byte)) && first(bytes[0]) && last(bytes[bytes.len() - 1]),
    }
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn lower_or_dash(byte: u8) -> bool {
    lower(byte) || byte == b'-'
}

fn name_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn too_long(text: &str, most: usize) -> Vec<String> {
    simple(text.len() <= most, &format!("must be no more than {most} characters"))
}

fn dns1123_label(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 63);
    if !shaped(text, lower_or_dash, lower, lower) {
        if shaped(text, |byte| lower_or_dash(byte) || byte == b'.', lower, lower) && is_subdomain(text) {
            problems.push("must not contain dots".to_owned());
        } else {
            problems.push(format!(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                 '{LABEL}')"
            ));
        }
    }
    problems
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|label| shaped(label, lower_or_dash, lower, lower))
}

fn dns1123_subdomain(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 253);
    if !is_subdomain(text) {
        problems.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '{SUBDOMAIN}')"
        ));
    }
    problems
}

fn dns1035_label(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 63);
    if !shaped(text, lower_or_dash, |byte| byte.is_ascii_lowercase(), lower) {
        problems.push(format!(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
             validation is '{LABEL_1035}')"
        ));
    }
    problems
}

fn label_value(text: &str) -> Vec<String> {
    let mut problems = too_long(text, 63);
    if !text.is_empty() && !shaped(text, name_character, alphanumeric, alphanumeric) {
        problems.push(format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
             for validation is '{VALUE}')"
        ));
    }
    problems
}

fn qualified_name(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let shape = format!(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
         character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED}')"
    );
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".to_owned());
            } else {
                problems.extend(dns1123_subdomain(prefix).into_iter().map(|problem| format!("prefix part {problem}")));
            }
            *name
        }
        _ => {
            return vec![format!(
                "a valid label key {shape} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        problems.push("name part must be no more than 63 characters".to_owned());
    }
    if !shaped(name, name_character, alphanumeric, alphanumeric) {
        problems.push(format!("name part {shape}"));
    }
    problems
}

static UUID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$").ok());

fn is_uuid(text: &str) -> bool {
    UUID.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    text.len().is_multiple_of(4)
        && padding <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

fn is_date_time(text: &str) -> bool {
    time::parse_timestamp(&text.to_uppercase()).is_ok()
}

pub(super) fn is_name(text: &str) -> bool {
    dns1123_subdomain(text).is_empty()
}

pub(super) fn is_label(text: &str) -> bool {
    dns1123_label(text).is_empty()
}
