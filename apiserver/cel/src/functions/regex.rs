//! Regular expressions, in the syntax that Go and Rust share. They run in linear time.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

use super::{failed, no_overload};
use crate::plan::Call;
use crate::value::{EvalError, Evaluated, Value};

/// How much memory a compiled pattern may take.
const SIZE_LIMIT: usize = 4 << 20;

/// Compiles a pattern.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).nest_limit(200).build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("expression too large: `{pattern}`"),
        regex::Error::Syntax(problem) => {
            let problem = problem.lines().last().unwrap_or_default();
            match problem.strip_prefix("error: ").unwrap_or_default() {
                "unclosed group" => format!("missing closing ): `{pattern}`"),
                "unopened group" => format!("unexpected ): `{pattern}`"),
                "unclosed character class" => {
                    let class = pattern.rfind('[').map_or(pattern, |at| &pattern[at..]);
                    format!("missing closing ]: `{class}`")
                }
                "repetition operator missing expression" => {
                    let operator = pattern.find(['*', '+', '?']).map_or(pattern, |at| &pattern[at..=at]);
                    format!("missing argument to repetition operator: `{operator}`")
                }
                _ => format!("invalid regular expression: `{pattern}`"),
            }
        }
        _ => format!("invalid regular expression: `{pattern}`"),
    })
}

/// The text, and the pattern: compiled beforehand if it is a constant.
fn parts<'c>(call: &'c Call, args: &[Value<'_>], prefix: &str) -> Result<Cow<'c, Regex>, EvalError> {
    match (&call.pattern, args.get(1)) {
        (Some(pattern), _) => Ok(Cow::Borrowed(pattern)),
        (None, Some(Value::String(pattern))) => {
            compile(pattern).map(Cow::Owned).map_err(|problem| EvalError::new(format!("{prefix}{problem}")))
        }
        _ => Err(EvalError::no_overload()),
    }
}

pub(crate) fn matches<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(Value::String(text)) = args.first() else { return no_overload() };
    Ok(Value::Bool(parts(call, &args, "error parsing regexp: ")?.is_match(text)))
}

pub(crate) fn find<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(Value::String(text)) = args.first() else { return no_overload() };
    let pattern = parts(call, &args, "Illegal regex: ")?;
    Ok(Value::string(pattern.find(text).map_or("", |found| found.as_str())))
}

pub(crate) fn find_all<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(Value::String(text)) = args.first() else { return no_overload() };
    let most = match args.get(2) {
        None => usize::MAX,
        Some(Value::Int(most)) => usize::try_from(*most).unwrap_or(usize::MAX),
        Some(_) => return failed("no such overload"),
    };
    let pattern = parts(call, &args, "Illegal regex: ")?;
    Ok(Value::list(pattern.find_iter(text).take(most).map(|found| Value::string(found.as_str())).collect()))
}
