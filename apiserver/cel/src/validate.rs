//! What upstream checks besides types: literals of durations, timestamps, patterns and formats, and that the
//! elements of a literal have one type.

use crate::ast::{Id, Kind, Literal};
use crate::check::Checked;
use crate::functions::{formatting, regex};
use crate::issues::{Issues, Source};
use crate::plan::type_name;
use crate::time::{self, Timestamp};
use crate::types::Type;

pub(crate) fn validate(checked: &Checked, source: &Source, issues: &mut Issues) {
    visit(checked, checked.ast.root, false, &mut |id, in_format| {
        let report = |issues: &mut Issues, id: Id, message: String| issues.report(source, checked.ast.at(id), message);
        match checked.ast.kind(id) {
            Kind::Call { target, function, args } => {
                let literal = args.first().and_then(|arg| match checked.ast.kind(*arg) {
                    Kind::Literal(literal) => Some((*arg, literal)),
                    _ => None,
                });
                if let Some((arg, literal)) = literal {
                    let valid = match (&**function, literal) {
                        ("duration", Literal::String(text)) => time::parse_duration(text).is_some(),
                        ("timestamp", Literal::String(text)) => time::parse_timestamp(text).is_ok(),
                        ("timestamp", Literal::Int(seconds)) => Timestamp::new(*seconds, 0).is_some(),
                        ("matches", Literal::String(text)) => regex::compile(text).is_ok(),
                        _ => true,
                    };
                    if !valid {
                        report(issues, arg, format!("invalid {function} argument"));
                    }
                }
                if let (Some(target), "format", [list]) = (target, &**function, args.as_slice())
                    && let Kind::Literal(Literal::String(text)) = checked.ast.kind(*target)
                    && let Kind::List { elements, .. } = checked.ast.kind(*list)
                    && let Err((place, problem)) = formatted(checked, text, elements)
                {
                    report(issues, place.unwrap_or(id), problem);
                }
            }
            Kind::List { elements, optionals } if !in_format => {
                let element_type = |index: usize, element: &Id| {
                    let of = checked.type_of(*element);
                    let optional = optionals.iter().any(|optional| *optional as usize == index);
                    if optional { of.as_optional().unwrap_or(of) } else { of }
                };
                let mut types = elements.iter().enumerate().map(|(index, id)| (*id, element_type(index, id)));
                if let Some((id, expected, actual)) = differing(&mut types) {
                    report(issues, id, format!("expected type '{expected}' but found '{actual}'"));
                }
            }
            Kind::Map(entries) if !in_format => {
                let mut keys = entries.iter().map(|entry| (entry.key, checked.type_of(entry.key)));
                let mut values = entries.iter().map(|entry| {
                    let of = checked.type_of(entry.value);
                    (entry.value, if entry.optional { of.as_optional().unwrap_or(of) } else { of })
                });
                if let Some((id, expected, actual)) = differing(&mut keys).or_else(|| differing(&mut values)) {
                    report(issues, id, format!("expected type '{expected}' but found '{actual}'"));
                }
            }
            _ => {}
        }
    });
}

/// Whether the arguments of `format` fit its clauses; else what is wrong, and with which node if not with the call.
fn formatted(checked: &Checked, text: &str, elements: &[Id]) -> Result<(), (Option<Id>, String)> {
    let mut used = 0;
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            rest = after;
            continue;
        }
        if rest.is_empty() {
            return Err((None, "unexpected end of string".to_owned()));
        }
        let Some(element) = elements.get(used) else { return Err((None, format!("index {used} out of range"))) };
        let (clause, _, after) = formatting::clause(rest)
            .map_err(|problem| (None, format!("could not parse formatting clause: {problem}")))?;
        fits(checked, clause, *element)
            .map_err(|(id, problem)| (Some(id), format!("error during formatting: {problem}")))?;
        used += 1;
        rest = after;
    }
    if elements.len() > used {
        let given = elements.len();
        let problem = format!("too many arguments supplied to string.format (expected {used}, got {given})");
        return Err((None, problem));
    }
    Ok(())
}

fn fits(checked: &Checked, clause: char, id: Id) -> Result<(), (Id, String)> {
    let of = checked.type_of(id);
    let allowed = match clause {
        _ if *of == Type::Dyn => true,
        's' => !matches!(of, Type::Opaque(..) | Type::Struct(_) | Type::Error | Type::Param(_)),
        'd' | 'o' => matches!(of, Type::Int | Type::Uint),
        'f' | 'e' => matches!(of, Type::Double | Type::String),
        'b' => matches!(of, Type::Int | Type::Uint | Type::Bool),
        _ => matches!(of, Type::Int | Type::Uint | Type::String | Type::Bytes),
    };
    if !allowed {
        return Err((id, format!("{}, was given {}", formatting::restriction(clause), type_name(of))));
    }
    match checked.ast.kind(id) {
        Kind::List { elements, .. } if clause == 's' => {
            elements.iter().try_for_each(|element| fits(checked, clause, *element))
        }
        Kind::Map(entries) if clause == 's' => entries.iter().try_for_each(|entry| {
            fits(checked, clause, entry.key)?;
            fits(checked, clause, entry.value)
        }),
        _ => Ok(()),
    }
}

/// The first element whose type is not that of those before.
fn differing<'t>(types: &mut impl Iterator<Item = (Id, &'t Type)>) -> Option<(Id, Type, Type)> {
    let (_, expected) = types.next()?;
    types.find(|(_, of)| *of != expected).map(|(id, of)| (id, expected.clone(), of.clone()))
}

/// Walks the tree; tells whether a node is among the arguments of `format`, which may differ in type.
fn visit(checked: &Checked, id: Id, in_format: bool, body: &mut dyn FnMut(Id, bool)) {
    body(id, in_format);
    let formats = matches!(checked.ast.kind(id), Kind::Call { function, .. } if &**function == "format");
    for child in checked.ast.children(id) {
        visit(checked, child, in_format || formats, body);
    }
}
