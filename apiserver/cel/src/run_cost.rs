//! What a call costs at run time, by the sizes of its arguments, as upstream counts it.

use crate::value::Value;

/// How the cost of a function follows from its arguments. The factors: looking at a character of a string costs a
/// tenth, a character of a pattern a quarter, making a list ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Fixed(u64),
    /// Looks at the first argument once.
    Once,
    /// Looks at the first argument twice.
    Twice,
    /// Looks at all that is in the first argument.
    Traversal,
    /// Makes the result, which is looked at twice.
    Result,
    /// The first argument against a pattern, the second.
    Pattern,
    /// The first argument against the second, both strings.
    Contains,
    /// As many as the second argument has.
    Items,
    /// As far as the shorter one goes.
    Shorter,
    /// Both arguments are copied.
    Sum,
    Address {
        text: bool,
    },
    Network {
        text: bool,
    },
    Validate,
    Selector,
    /// Makes a list, one for each item of the result.
    ListResult,
    Flatten,
    /// Compares the items of the argument at this index with each other.
    Sort(usize),
    /// Compares each item with each, this often.
    Sets(u64),
}

pub(crate) fn traversed(size: u64) -> u64 {
    scaled(size, 0.1)
}

/// `ceil(size * factor)`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream counts in doubles"
)]
pub(crate) fn scaled(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}

/// The size of a value, 1 for what has none.
fn size(value: Option<&Value<'_>>) -> u64 {
    value.and_then(Value::size).unwrap_or(1)
}

/// What comparing two values for equality costs.
pub(crate) fn equality(a: &Value<'_>, b: &Value<'_>, equals: bool) -> u64 {
    if equals && matches!(a, Value::Object(_)) {
        return 1;
    }
    traversed(unwrapped_size(a).min(unwrapped_size(b)))
}

fn unwrapped_size(value: &Value<'_>) -> u64 {
    match value {
        Value::Optional(Some(inner)) => unwrapped_size(inner),
        other => size(Some(other)),
    }
}

impl Rule {
    /// The rule of a function, or of the one overload that the checker chose.
    pub fn of(function: &str, overload: Option<&str>) -> Rule {
        if let Some(rule) = overload.and_then(of_list_overload) {
            return rule;
        }
        match function {
            "check" => Rule::Fixed(350_000),
            "fieldSelector" | "labelSelector" => Rule::Selector,
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => Rule::Traversal,
            "url"
            | "lowerAscii"
            | "upperAscii"
            | "substring"
            | "trim"
            | "jsonpatch.escapeKey"
            | "cidr"
            | "isIP"
            | "isCIDR"
            | "quantity"
            | "isQuantity"
            | "semver"
            | "isSemver" => Rule::Once,
            "ip" if overload == Some("cidr_ip") => Rule::Fixed(1),
            "ip" => Rule::Once,
            "replace" | "split" | "ip.isCanonical" => Rule::Twice,
            "join" => Rule::Result,
            "find" | "findAll" => Rule::Pattern,
            "containsIP" => Rule::Address { text: overload == Some("cidr_contains_ip_string") },
            "containsCIDR" => Rule::Network { text: overload == Some("cidr_contains_cidr_string") },
            "validate" => Rule::Validate,
            _ => of_overload(overload.unwrap_or_default()),
        }
    }

    /// What can be said before the call: the cost, or what `after` needs for it.
    pub fn before(self, args: &[Value<'_>]) -> u64 {
        let at = |index: usize| size(args.get(index));
        match self {
            Rule::Fixed(cost) => cost,
            Rule::Once => traversed(at(0)),
            Rule::Twice => scaled(at(0), 0.2),
            Rule::Traversal => args.first().map_or(0, traversal),
            Rule::Result | Rule::ListResult => 0,
            Rule::Pattern => traversed(at(0) + 1).saturating_mul(scaled(at(1), 0.25)),
            Rule::Contains => traversed(at(0)).saturating_mul(traversed(at(1))),
            Rule::Items => at(1),
            Rule::Shorter => traversed(at(0).min(at(1))),
            Rule::Sum => traversed(at(0) + at(1)),
            Rule::Address { text } => traversed(at(0) * 2) + if text { traversed(at(1)) } else { 0 },
            Rule::Network { text } => {
                traversed(at(0) * 2) + traversed(at(0)) + 1 + if text { traversed(at(1)) } else { 0 }
            }
            Rule::Validate => {
                let pattern = match args.first() {
                    Some(Value::Object(format)) => crate::functions::format::pattern_size(&**format),
                    _ => return 1,
                };
                traversed(at(1) + 1).saturating_mul(scaled(pattern, 0.25))
            }
            Rule::Selector => 10 + traversed(at(1)) + scaled(scaled(at(1), 0.5), 50.0),
            Rule::Flatten => {
                let depth = match args.get(1) {
                    // Upstream lets a negative depth wrap around.
                    Some(Value::Int(depth)) => depth.cast_unsigned(),
                    _ => 1,
                };
                11_u64.wrapping_add(at(0).wrapping_mul(depth))
            }
            Rule::Sort(index) => {
                let items = at(index);
                let factor = match args.get(index) {
                    Some(Value::List(list)) => match list.get(0) {
                        Some(Ok(Value::String(_) | Value::Bytes(_))) => 21,
                        _ => 20,
                    },
                    _ => 20,
                };
                11_u64.saturating_add(items.saturating_mul(items).saturating_mul(factor) / 10)
            }
            Rule::Sets(factor) => 1_u64.saturating_add(at(0).saturating_mul(at(1)).saturating_mul(factor)),
        }
    }

    /// The cost, the call having been made.
    pub fn after(self, before: u64, result: Option<&Value<'_>>) -> u64 {
        match self {
            Rule::Result => scaled(size(result), 0.2),
            Rule::ListResult => 11 + size(result),
            _ => before,
        }
    }
}

fn of_list_overload(overload: &str) -> Option<Rule> {
    Some(match overload {
        "list_slice" | "lists_range" | "list_reverse" => Rule::ListResult,
        "list_flatten" | "list_flatten_int" => Rule::Flatten,
        "list_distinct" => Rule::Sort(0),
        "list_sets_contains_list" | "list_sets_intersects_list" => Rule::Sets(1),
        "list_sets_equivalent_list" => Rule::Sets(2),
        other if other.starts_with("list_") && other.ends_with("_sortByAssociatedKeys") => Rule::Sort(1),
        other if other.starts_with("list_") && other.ends_with("_sort") => Rule::Sort(0),
        _ => return None,
    })
}

fn of_overload(overload: &str) -> Rule {
    match overload {
        "starts_with_string" | "ends_with_string" | "string_to_bytes" | "bytes_to_string" | "strings_quote"
        | "string_format" => Rule::Once,
        "in_list" => Rule::Items,
        "less_string"
        | "greater_string"
        | "less_equals_string"
        | "greater_equals_string"
        | "less_bytes"
        | "greater_bytes"
        | "less_equals_bytes"
        | "greater_equals_bytes" => Rule::Shorter,
        "add_string" | "add_bytes" => Rule::Sum,
        "matches_string" => Rule::Pattern,
        "contains_string" => Rule::Contains,
        _ => Rule::Fixed(1),
    }
}

/// What looking at everything in a value costs; rounded down, unlike the rest.
fn traversal(value: &Value<'_>) -> u64 {
    match value {
        Value::String(text) => text.len() as u64 / 10,
        Value::Bytes(bytes) => bytes.len() as u64 / 10,
        Value::List(list) => list.iter().map(|item| item.as_ref().map_or(1, traversal)).sum(),
        Value::Map(map) => {
            let keys = map.keys();
            keys.iter().map(|key| traversal(key) + map.find(key).ok().flatten().as_ref().map_or(1, traversal)).sum()
        }
        _ => 1,
    }
}
