//! The macros that Kubernetes enables: calls that are rewritten while the expression is read.

use crate::ast::{Comprehension, Id, Kind, Literal};
use crate::parser::{MAX_NODES, Parser};
use crate::types::Name;

/// The name of the loops' result. No identifier can be written like it.
pub(crate) const ACCUMULATOR: &str = "@result";
/// The loop variable of loops that only bind a name.
pub(crate) const UNUSED: &str = "#unused";
const SORT_INPUT: &str = "@__sortBy_input__";

/// Rewrites a call if it is one of a macro; `None` if it is an ordinary call.
pub(crate) fn expand(parser: &mut Parser<'_>, at: u32, name: &str, target: Option<Id>, args: &[Id]) -> Option<Id> {
    let Some(target) = target else {
        return (name == "has" && args.len() == 1).then(|| has(parser, at, args[0]));
    };
    let expansion = match (name, args.len()) {
        ("all" | "exists" | "exists_one", 2 | 3) | ("existsOne", 3) => quantifier,
        ("map", 2 | 3) | ("filter", 2) => collect,
        ("transformList" | "transformMap" | "transformMapEntry", 3 | 4) => transform,
        ("optMap" | "optFlatMap", 2) => optional_map,
        ("sortBy", 2) => sort_by,
        _ => return None,
    };
    Some(expansion(parser, at, name, target, args).unwrap_or_else(|(place, problem)| {
        parser.report(place, problem);
        parser.add(place, Kind::Unspecified)
    }))
}

type Expanded = Result<Id, (u32, String)>;

fn has(parser: &mut Parser<'_>, at: u32, argument: Id) -> Id {
    match parser.ast.kind(argument).clone() {
        Kind::Select { operand, field, .. } => parser.add(at, Kind::Select { operand, field, test: true }),
        _ => {
            let place = parser.ast.at(argument);
            parser.report(place, "invalid argument to has() macro");
            parser.add(place, Kind::Unspecified)
        }
    }
}

fn variable(parser: &Parser<'_>, argument: Id, problem: &str) -> Result<Name, (u32, String)> {
    let place = parser.ast.at(argument);
    match parser.ast.kind(argument) {
        Kind::Ident(name) if &**name == "__result__" => {
            Err((place, "iteration variable overwrites accumulator variable".to_owned()))
        }
        Kind::Ident(name) => Ok(name.clone()),
        _ => Err((place, problem.to_owned())),
    }
}

type Variables<'a> = (Name, Option<Name>, &'a [Id]);

/// The one or two variables of a loop, and the other arguments.
fn variables<'a>(parser: &Parser<'_>, args: &'a [Id], two: bool) -> Result<Variables<'a>, (u32, String)> {
    let problem = "argument must be a simple name";
    let first = variable(parser, args[0], problem)?;
    if !two {
        return Ok((first, None, &args[1..]));
    }
    let second = variable(parser, args[1], problem)?;
    if first == second {
        return Err((parser.ast.at(args[1]), format!("duplicate variable name: {first}")));
    }
    Ok((first, Some(second), &args[2..]))
}

fn accumulator(parser: &mut Parser<'_>, at: u32) -> Id {
    parser.add(at, Kind::Ident(ACCUMULATOR.into()))
}

fn empty_list(parser: &mut Parser<'_>, at: u32) -> Id {
    parser.add(at, Kind::List { elements: Vec::new(), optionals: Vec::new() })
}

struct Loop {
    range: Id,
    variables: (Name, Option<Name>),
    init: Id,
    condition: Id,
    step: Id,
    result: Id,
}

fn fold(parser: &mut Parser<'_>, at: u32, parts: Loop) -> Id {
    let comprehension = Comprehension {
        range: parts.range,
        variable: parts.variables.0,
        variable2: parts.variables.1,
        accumulator: ACCUMULATOR.into(),
        init: parts.init,
        condition: parts.condition,
        step: parts.step,
        result: parts.result,
    };
    parser.add(at, Kind::Comprehension(Box::new(comprehension)))
}

/// A loop that evaluates `body` once with `name` bound to a value.
fn bind(parser: &mut Parser<'_>, at: u32, name: &str, value: Id, body: Id) -> Id {
    let range = empty_list(parser, at);
    let condition = parser.literal(at, Literal::Bool(false));
    let step = parser.add(at, Kind::Ident(name.into()));
    let comprehension = Comprehension {
        range,
        variable: UNUSED.into(),
        variable2: None,
        accumulator: name.into(),
        init: value,
        condition,
        step,
        result: body,
    };
    parser.add(at, Kind::Comprehension(Box::new(comprehension)))
}

/// `all`, `exists` and `exists_one`, with one variable or two.
fn quantifier(parser: &mut Parser<'_>, at: u32, name: &str, range: Id, args: &[Id]) -> Expanded {
    let (first, second, rest) = variables(parser, args, args.len() == 3)?;
    let predicate = rest[0];
    let (init, condition, step, result) = match name {
        "all" => {
            let init = parser.literal(at, Literal::Bool(true));
            let so_far = accumulator(parser, at);
            let condition = parser.call(at, "@not_strictly_false", vec![so_far]);
            let so_far = accumulator(parser, at);
            let step = parser.call(at, "_&&_", vec![so_far, predicate]);
            (init, condition, step, accumulator(parser, at))
        }
        "exists" => {
            let init = parser.literal(at, Literal::Bool(false));
            let so_far = accumulator(parser, at);
            let not = parser.call(at, "!_", vec![so_far]);
            let condition = parser.call(at, "@not_strictly_false", vec![not]);
            let so_far = accumulator(parser, at);
            let step = parser.call(at, "_||_", vec![so_far, predicate]);
            (init, condition, step, accumulator(parser, at))
        }
        _ => {
            let init = parser.literal(at, Literal::Int(0));
            let condition = parser.literal(at, Literal::Bool(true));
            let so_far = accumulator(parser, at);
            let one = parser.literal(at, Literal::Int(1));
            let more = parser.call(at, "_+_", vec![so_far, one]);
            let same = accumulator(parser, at);
            let step = parser.call(at, "_?_:_", vec![predicate, more, same]);
            let so_far = accumulator(parser, at);
            let one = parser.literal(at, Literal::Int(1));
            (init, condition, step, parser.call(at, "_==_", vec![so_far, one]))
        }
    };
    Ok(fold(parser, at, Loop { range, variables: (first, second), init, condition, step, result }))
}

/// Appends `element` to the loop's result where `filter` holds.
fn appending(
    parser: &mut Parser<'_>,
    at: u32,
    range: Id,
    variables: (Name, Option<Name>),
    filter: Option<Id>,
    element: Id,
) -> Id {
    let init = empty_list(parser, at);
    let condition = parser.literal(at, Literal::Bool(true));
    let so_far = accumulator(parser, at);
    let list = parser.add(at, Kind::List { elements: vec![element], optionals: Vec::new() });
    let step = parser.call(at, "_+_", vec![so_far, list]);
    let step = filtered(parser, at, filter, step);
    let result = accumulator(parser, at);
    fold(parser, at, Loop { range, variables, init, condition, step, result })
}

fn filtered(parser: &mut Parser<'_>, at: u32, filter: Option<Id>, step: Id) -> Id {
    match filter {
        None => step,
        Some(filter) => {
            let same = accumulator(parser, at);
            parser.call(at, "_?_:_", vec![filter, step, same])
        }
    }
}

/// `map` and `filter`.
fn collect(parser: &mut Parser<'_>, at: u32, name: &str, range: Id, args: &[Id]) -> Expanded {
    let loop_variable = variable(parser, args[0], "argument is not an identifier")?;
    let (filter, element) = match (name, args) {
        ("filter", _) => (Some(args[1]), args[0]),
        (_, [_, filter, element]) => (Some(*filter), *element),
        _ => (None, args[1]),
    };
    Ok(appending(parser, at, range, (loop_variable, None), filter, element))
}

/// `transformList`, `transformMap` and `transformMapEntry`.
fn transform(parser: &mut Parser<'_>, at: u32, name: &str, range: Id, args: &[Id]) -> Expanded {
    let (first, second, rest) = variables(parser, args, true)?;
    let (filter, element) = match rest {
        [filter, element] => (Some(*filter), *element),
        _ => (None, rest[0]),
    };
    if name == "transformList" {
        return Ok(appending(parser, at, range, (first, second), filter, element));
    }
    let init = parser.add(at, Kind::Map(Vec::new()));
    let condition = parser.literal(at, Literal::Bool(true));
    let so_far = accumulator(parser, at);
    let inserted = if name == "transformMap" {
        let key = parser.add(at, Kind::Ident(first.clone()));
        vec![so_far, key, element]
    } else {
        vec![so_far, element]
    };
    let step = parser.call(at, "cel.@mapInsert", inserted);
    let step = filtered(parser, at, filter, step);
    let result = accumulator(parser, at);
    Ok(fold(parser, at, Loop { range, variables: (first, second), init, condition, step, result }))
}

fn optional_map(parser: &mut Parser<'_>, at: u32, name: &str, target: Id, args: &[Id]) -> Expanded {
    let bound = match parser.ast.kind(args[0]) {
        Kind::Ident(bound) => bound.clone(),
        _ => {
            let place = parser.ast.at(args[0]);
            return Err((place, format!("{name}() variable name must be a simple identifier")));
        }
    };
    let has_value = parser.member_call(at, "hasValue", target, Vec::new());
    let copied = copy(parser, target).ok_or_else(|| (at, "expression too large after macro expansion".to_owned()))?;
    let value = parser.member_call(at, "value", copied, Vec::new());
    let mapped = bind(parser, at, &bound, value, args[1]);
    let mapped = if name == "optMap" { parser.call(at, "optional.of", vec![mapped]) } else { mapped };
    let none = parser.call(at, "optional.none", Vec::new());
    Ok(parser.call(at, "_?_:_", vec![has_value, mapped, none]))
}

fn sort_by(parser: &mut Parser<'_>, at: u32, _: &str, target: Id, args: &[Id]) -> Expanded {
    if !matches!(
        parser.ast.kind(target),
        Kind::List { .. } | Kind::Select { .. } | Kind::Ident(_) | Kind::Comprehension(_) | Kind::Call { .. }
    ) {
        let place = parser.ast.at(target);
        let problem = "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
        return Err((place, problem.to_owned()));
    }
    let range = parser.add(at, Kind::Ident(SORT_INPUT.into()));
    let keys = collect(parser, at, "map", range, args)?;
    let input = parser.add(at, Kind::Ident(SORT_INPUT.into()));
    let sorted = parser.member_call(at, "@sortByAssociatedKeys", input, vec![keys]);
    Ok(bind(parser, at, SORT_INPUT, target, sorted))
}

/// A copy of a tree with nodes of its own; `None` where it would be too large.
fn copy(parser: &mut Parser<'_>, id: Id) -> Option<Id> {
    if parser.ast.nodes.len() > MAX_NODES {
        return None;
    }
    let mut kind = parser.ast.kind(id).clone();
    let mut again = |child: &mut Id| {
        *child = copy(parser, *child)?;
        Some(())
    };
    match &mut kind {
        Kind::Unspecified | Kind::Literal(_) | Kind::Ident(_) => {}
        Kind::Select { operand, .. } => again(operand)?,
        Kind::Call { target, args, .. } => target.iter_mut().chain(args).try_for_each(again)?,
        Kind::List { elements, .. } => elements.iter_mut().try_for_each(again)?,
        Kind::Map(entries) => {
            entries.iter_mut().flat_map(|entry| [&mut entry.key, &mut entry.value]).try_for_each(again)?;
        }
        Kind::Struct { fields, .. } => fields.iter_mut().map(|field| &mut field.value).try_for_each(again)?,
        Kind::Comprehension(c) => {
            let parts = [&mut c.range, &mut c.init, &mut c.condition, &mut c.step, &mut c.result];
            parts.into_iter().try_for_each(again)?;
        }
    }
    let at = parser.ast.at(id);
    Some(parser.add(at, kind))
}
