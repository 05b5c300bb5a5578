//! The functions that expressions may call: a table of every overload of Kubernetes' environment.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::types::{Name, Type};

/// One signature of a function.
#[derive(Debug)]
pub(crate) struct Overload {
    pub id: &'static str,
    /// Called on a value: `target.function(args)`.
    pub member: bool,
    /// The target first, if it is a member.
    pub args: Vec<Type>,
    pub result: Type,
    /// The type parameters that the signature mentions.
    pub parameters: Vec<Name>,
}

/// One overload a line: function, id, `m` for members, parameter types, result.
static TABLE: &str = include_str!("overloads.tsv");

static FUNCTIONS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut functions: HashMap<&'static str, Vec<Overload>> = HashMap::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or_default();
        let (name, id, kind, args, result) = (column(), column(), column(), column(), column());
        let args: Vec<Type> = args.split("; ").filter(|text| !text.is_empty()).map(parse_type).collect();
        let result = parse_type(result);
        let mut parameters = Vec::new();
        for of in args.iter().chain([&result]) {
            mentioned(of, &mut parameters);
        }
        let overload = Overload { id, member: kind == "m", args, result, parameters };
        functions.entry(name).or_default().push(overload);
    }
    functions
});

/// The overloads of a function.
pub(crate) fn function(name: &str) -> Option<(&'static str, &'static [Overload])> {
    FUNCTIONS.get_key_value(name).map(|(name, overloads)| (*name, overloads.as_slice()))
}

/// A type by its name, where an expression names one.
pub(crate) fn type_by_name(name: &str) -> Option<Type> {
    const OPAQUE: &[&str] = &[
        "kubernetes.NamedFormat",
        "kubernetes.Quantity",
        "kubernetes.Semver",
        "kubernetes.URL",
        "kubernetes.authorization.Authorizer",
        "kubernetes.authorization.Decision",
        "kubernetes.authorization.GroupCheck",
        "kubernetes.authorization.PathCheck",
        "kubernetes.authorization.ResourceCheck",
        "net.CIDR",
        "net.IP",
    ];
    let parameter = |name: &str| Type::Param(name.into());
    Some(match name {
        "bool" | "bytes" | "double" | "int" | "string" | "uint" => parse_type(name),
        "null_type" => Type::Null,
        "google.protobuf.Duration" => Type::Duration,
        "google.protobuf.Timestamp" => Type::Timestamp,
        "list" => Type::list(parameter("A")),
        "map" => Type::map(parameter("A"), parameter("B")),
        "type" => Type::Type(None),
        "optional_type" => Type::optional(parameter("V")),
        other if OPAQUE.contains(&other) => Type::opaque(other),
        _ => return None,
    })
}

/// Reads a type as the table writes it.
pub(crate) fn parse_type(text: &str) -> Type {
    let (name, inner) = match text.split_once('(') {
        None => (text, None),
        Some((name, rest)) => (name, rest.strip_suffix(')')),
    };
    let parameters: Vec<Type> = inner.map(split).unwrap_or_default().into_iter().map(parse_type).collect();
    match (name, parameters.as_slice()) {
        ("dyn", _) => Type::Dyn,
        ("null", _) => Type::Null,
        ("bool", _) => Type::Bool,
        ("int", _) => Type::Int,
        ("uint", _) => Type::Uint,
        ("double", _) => Type::Double,
        ("string", _) => Type::String,
        ("bytes", _) => Type::Bytes,
        ("duration", _) => Type::Duration,
        ("timestamp", _) => Type::Timestamp,
        ("list", [element]) => Type::list(element.clone()),
        ("map", [key, value]) => Type::map(key.clone(), value.clone()),
        ("type", [of]) => Type::Type(Some(Arc::new(of.clone()))),
        ("type", _) => Type::Type(None),
        (parameter, []) if parameter.len() == 1 => Type::Param(parameter.into()),
        _ => Type::Opaque(name.into(), parameters.into()),
    }
}

/// Splits at the commas that are not inside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn mentioned(of: &Type, found: &mut Vec<Name>) {
    match of {
        Type::Param(name) if !found.contains(name) => found.push(name.clone()),
        Type::List(element) => mentioned(element, found),
        Type::Map(key, value) => {
            mentioned(key, found);
            mentioned(value, found);
        }
        Type::Type(Some(of)) => mentioned(of, found),
        Type::Opaque(_, parameters) => parameters.iter().for_each(|parameter| mentioned(parameter, found)),
        _ => {}
    }
}
