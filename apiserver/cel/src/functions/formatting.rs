//! `"%s is %d".format([...])`.

use super::{failed, no_overload};
use crate::numbers::with_exponent;
use crate::plan::Call;
use crate::time;
use crate::value::{EvalError, Evaluated, List, Map, Value};

/// More digits than any number has.
const MAX_PRECISION: usize = 1000;

pub(crate) fn format<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::String(text), Value::List(list)] = args.as_slice() else { return no_overload() };
    match formatted(text, list) {
        Ok(text) => Ok(Value::string(&text)),
        Err(problem) => failed(problem),
    }
}

fn formatted(text: &str, list: &List<'_>) -> Result<String, String> {
    let mut built = String::with_capacity(text.len());
    let mut next = 0;
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        built.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            built.push('%');
            rest = after;
            continue;
        }
        let Some(argument) = list.get(next) else { return Err(format!("index {next} out of range")) };
        let argument = argument.map_err(|error| error.to_string())?;
        if rest.is_empty() {
            return Err("unexpected end of string".to_owned());
        }
        let (clause, precision, after) =
            clause(rest).map_err(|problem| format!("could not parse formatting clause: {problem}"))?;
        let text =
            one(&argument, clause, precision).map_err(|problem| format!("error during formatting: {problem}"))?;
        built.push_str(&text);
        rest = after;
        next += 1;
    }
    built.push_str(rest);
    Ok(built)
}

/// The letter of a clause and its precision.
pub(crate) fn clause(text: &str) -> Result<(char, usize, &str), String> {
    let mut precision = 6;
    let mut rest = text;
    if let Some(after) = text.strip_prefix('.') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        rest = &after[digits..];
        if rest.is_empty() {
            return Err("error while parsing precision: could not find end of precision specifier".to_owned());
        }
        precision = after[..digits].parse().map_err(|_| {
            format!(
                "error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing \
                 {:?}: invalid syntax",
                &after[..digits]
            )
        })?;
    }
    let letter = rest.chars().next().unwrap_or_default();
    if !"sdfebxXo".contains(letter) {
        return Err(format!("unrecognized formatting clause \"{letter}\""));
    }
    Ok((letter, precision.min(MAX_PRECISION), &rest[letter.len_utf8()..]))
}

/// What a clause may be used on.
pub(crate) fn restriction(clause: char) -> &'static str {
    match clause {
        's' => {
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and \
             timestamps"
        }
        'd' => "decimal clause can only be used on integers",
        'f' => "fixed-point clause can only be used on doubles",
        'e' => "scientific clause can only be used on doubles",
        'b' => "only integers and bools can be formatted as binary",
        'o' => "octal clause can only be used on integers",
        _ => "only integers, byte buffers, and strings can be formatted as hex",
    }
}

fn one(value: &Value<'_>, clause: char, precision: usize) -> Result<String, String> {
    let refuse = || Err(format!("{}, was given {}", restriction(clause), value.type_name()));
    match (clause, value) {
        ('s', _) => as_string(value),
        ('d', Value::Int(number)) => Ok(number.to_string()),
        ('d', Value::Uint(number)) => Ok(number.to_string()),
        ('f' | 'e', Value::Double(number)) => Ok(number_text(*number, clause, precision)),
        ('f' | 'e', Value::String(text)) if matches!(&**text, "NaN" | "Infinity" | "-Infinity") => Ok(match &**text {
            "NaN" => "NaN".to_owned(),
            "Infinity" => "∞".to_owned(),
            _ => "-∞".to_owned(),
        }),
        ('d' | 'f' | 'e', _) => refuse(),
        ('b', Value::Int(number)) => Ok(signed(*number, |number| format!("{number:b}"))),
        ('b', Value::Uint(number)) => Ok(format!("{number:b}")),
        ('b', Value::Bool(value)) => Ok(if *value { "1" } else { "0" }.to_owned()),
        ('b', _) => refuse(),
        ('o', Value::Int(number)) => Ok(signed(*number, |number| format!("{number:o}"))),
        ('o', Value::Uint(number)) => Ok(format!("{number:o}")),
        ('o', _) => refuse(),
        (_, Value::Int(number)) => Ok(cased(signed(*number, |number| format!("{number:x}")), clause)),
        (_, Value::Uint(number)) => Ok(cased(format!("{number:x}"), clause)),
        (_, Value::String(text)) => Ok(cased(hexadecimal(text.as_bytes()), clause)),
        (_, Value::Bytes(bytes)) => Ok(cased(hexadecimal(bytes), clause)),
        _ => refuse(),
    }
}

fn signed(number: i64, show: fn(u64) -> String) -> String {
    let text = show(number.unsigned_abs());
    if number < 0 { format!("-{text}") } else { text }
}

fn cased(text: String, clause: char) -> String {
    if clause == 'X' { text.to_ascii_uppercase() } else { text }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn number_text(number: f64, clause: char, precision: usize) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    if clause == 'f' {
        return grouped(&format!("{number:.precision$}"));
    }
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent = exponent.parse().unwrap_or(0);
    // In English the exponent is spelled out.
    let plain = with_exponent("", exponent);
    format!("{mantissa}×10{}", superscript(plain.trim_start_matches('e')))
}

/// Thousands apart, as in English.
fn grouped(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

fn superscript(text: &str) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    text.chars()
        .filter_map(|character| match character {
            '-' => Some('⁻'),
            other => other.to_digit(10).and_then(|digit| digits.get(digit as usize)).copied(),
        })
        .collect()
}

fn as_string(value: &Value<'_>) -> Result<String, String> {
    Ok(match value {
        Value::List(list) => list_text(list)?,
        Value::Map(map) => map_text(map)?,
        Value::Null => "null".to_owned(),
        Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Bool(_) | Value::String(_) => value.to_string(),
        Value::Type(name) => name.to_string(),
        Value::Timestamp(time) => time.to_string(),
        Value::Duration(nanoseconds) => time::duration_text(*nanoseconds),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => return Err("could not convert argument to string".to_owned()),
        },
        other => {
            return Err(format!("{}, was given {}", restriction('s'), other.type_name()));
        }
    })
}

/// A value inside of a list or a map.
fn inner(value: &Value<'_>) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => format!("{:?}", &**text),
        Value::Bytes(_) => format!("b{:?}", as_string(value)?),
        Value::Timestamp(_) => format!("timestamp({:?})", as_string(value)?),
        Value::Duration(_) => format!("duration({:?})", as_string(value)?),
        Value::Double(number) if number.is_finite() => format!("{number:.6}"),
        Value::Double(_) => format!("{:?}", value.to_string()),
        Value::Object(_) | Value::Optional(_) | Value::Preserved(_) => {
            return Err(format!("no formatting function for {}", value.type_name()));
        }
        other => as_string(other)?,
    })
}

fn list_text(list: &List<'_>) -> Result<String, String> {
    let parts: Result<Vec<String>, String> =
        list.iter().map(|item| inner(&item.map_err(|error: EvalError| error.to_string())?)).collect();
    Ok(format!("[{}]", parts?.join(", ")))
}

fn map_text(map: &Map<'_>) -> Result<String, String> {
    let mut parts = Vec::new();
    for key in map.keys() {
        if !matches!(key, Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Uint(_)) {
            return Err(format!("no formatting function for map key of type {}", key.type_name()));
        }
        let value = map.find(&key).map_err(|error| error.to_string())?;
        let value = value.ok_or_else(|| format!("could not find key: {key}"))?;
        parts.push((inner(&key)?, inner(&value)?));
    }
    parts.sort();
    let parts: Vec<String> = parts.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
    Ok(format!("{{{}}}", parts.join(", ")))
}
