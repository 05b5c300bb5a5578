//! What calls are estimated to cost, by what is known of the sizes of their arguments.

use crate::ast::Id;
use crate::cost::{CostEstimate, Size, UNKNOWN};
use crate::env::Env;
use crate::types::{Name, Type};

/// An argument or a target: what the estimate may know of it.
pub(crate) struct Node {
    pub id: Id,
    /// The names that lead to it from a variable; empty where none do.
    pub path: Vec<Name>,
    pub of: Type,
    pub size: Option<Size>,
    /// The number, if it is a literal of one.
    pub literal: Option<i64>,
}

impl Node {
    pub fn known_size(&self) -> Size {
        self.size.unwrap_or(UNKNOWN)
    }
}

type Estimated = Option<(CostEstimate, Option<Size>)>;

const ONE: CostEstimate = CostEstimate::fixed(1);
/// What looking at one character costs.
const TRAVERSAL: f64 = 0.1;
/// What one character of a pattern costs.
const PATTERN: f64 = 0.25;
/// How many items the addresses of a network are compared by.
const ADDRESS: Size = Size { min: 4, max: 16 };

/// The functions that Kubernetes or an extension estimates itself.
pub(crate) fn of_library(env: &Env, function: &str, overload: &str, target: Option<&Node>, args: &[Node]) -> Estimated {
    if let Some(estimated) = of_lists(overload, target, args) {
        return Some(estimated);
    }
    let cost = |cost: CostEstimate| Some((cost, None));
    let first = || args.first().map(Node::known_size);
    let of_target = || target.map(Node::known_size);
    match function {
        "check" => cost(CostEstimate::fixed(350_000)),
        "serviceAccount"
        | "path"
        | "group"
        | "resource"
        | "subresource"
        | "namespace"
        | "name"
        | "allowed"
        | "reason"
        | "error"
        | "errored"
        | "masked"
        | "prefixLength"
        | "family"
        | "isUnspecified"
        | "isLoopback"
        | "isLinkLocalMulticast"
        | "isLinkLocalUnicast"
        | "isGlobalUnicast"
        | "format.named"
        | "sign"
        | "asInteger"
        | "isInteger"
        | "asApproximateFloat"
        | "isGreaterThan"
        | "isLessThan"
        | "compareTo"
        | "add"
        | "sub"
        | "major"
        | "minor"
        | "patch"
        | "getScheme"
        | "getHostname"
        | "getHost"
        | "getPort"
        | "getEscapedPath"
        | "getQuery" => cost(ONE),
        "fieldSelector" | "labelSelector" if args.len() == 1 => {
            let size = first()?;
            let requirements = size.scaled(0.5).scaled(50.0);
            cost(CostEstimate::fixed(10).plus(size.scaled(TRAVERSAL)).plus(requirements))
        }
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => {
            let target = target?;
            match element(env, target) {
                None => cost(target.known_size().scaled(TRAVERSAL)),
                Some((of, size)) => {
                    let textual = matches!(of, Type::String | Type::Bytes);
                    let each = if textual { ONE.plus(size.scaled(TRAVERSAL)) } else { ONE };
                    cost(target.known_size().times(each))
                }
            }
        }
        "url" | "jsonpatch.escapeKey" if args.len() == 1 => {
            let size = first()?;
            Some((size.scaled(TRAVERSAL), Some(size)))
        }
        "lowerAscii" | "upperAscii" | "substring" | "trim" => {
            let size = of_target()?;
            Some((size.scaled(TRAVERSAL), Some(size)))
        }
        "replace" if args.len() >= 2 => {
            let size = of_target()?;
            let result = replaced(size, args[0].known_size(), args[1].known_size());
            Some((size.scaled(2.0 * TRAVERSAL), Some(result)))
        }
        "split" => {
            let size = of_target()?;
            let most = args.get(1).and_then(|most| most.literal).map_or(size.max, i64::cast_unsigned);
            Some((size.scaled(2.0 * TRAVERSAL), Some(Size { min: 0, max: most })))
        }
        "join" => {
            let target = target?;
            let items = target.known_size();
            let mut size = element(env, target).map_or_else(Size::default, |(_, each)| items.times(each));
            if let Some(separator) = args.first() {
                let between = Size { min: items.min.saturating_sub(1), max: items.max.saturating_sub(1) };
                size = size.plus(separator.known_size().times(between));
            }
            Some((size.scaled(TRAVERSAL), Some(size)))
        }
        "find" | "findAll" if !args.is_empty() => {
            let size = of_target()?;
            let pattern = first()?.scaled(PATTERN);
            let cost = size.plus(Size::fixed(1)).scaled(TRAVERSAL).times(pattern);
            Some((cost, Some(Size { min: 0, max: size.max })))
        }
        "ip" if overload == "cidr_ip" => cost(ONE),
        "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver" => {
            cost(first()?.scaled(TRAVERSAL))
        }
        "ip.isCanonical" => cost(first()?.scaled(2.0 * TRAVERSAL)),
        "containsIP" | "containsCIDR" => {
            let argument = first()?;
            let mut total = ADDRESS.plus(ADDRESS).scaled(TRAVERSAL);
            if function == "containsCIDR" {
                total = total.plus(ADDRESS.scaled(TRAVERSAL)).plus(ONE);
            }
            if matches!(overload, "cidr_contains_ip_string" | "cidr_contains_cidr_string") {
                total = total.plus(argument.scaled(TRAVERSAL));
            }
            cost(total)
        }
        "validate" => cost(first()?.scaled(TRAVERSAL).scaled(128.0 * PATTERN)),
        "_==_" if args.len() == 2 && args[0].of == args[1].of => match &args[0].of {
            Type::Opaque(name, _) => match &**name {
                "kubernetes.NamedFormat" => cost(CostEstimate { min: 1, max: 64 }.scaled(TRAVERSAL)),
                "kubernetes.URL" => {
                    let most = args[1].size.map_or(1, |size| size.max);
                    cost(CostEstimate { min: 1, max: most }.scaled(TRAVERSAL))
                }
                "net.IP" | "net.CIDR" => cost(ONE),
                other if other.starts_with("kubernetes.") => cost(ONE),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The type and size of a list's elements.
fn element(env: &Env, list: &Node) -> Option<(Type, Size)> {
    let of = match &list.of {
        Type::List(of) | Type::Map(of, _) => (**of).clone(),
        other => other.as_optional()?.clone(),
    };
    let size = if list.path.is_empty() {
        None
    } else {
        let mut path = list.path.clone();
        path.push("@items".into());
        env.size_at(&path)
    };
    Some((of, size.map_or(UNKNOWN, |max| Size { min: 0, max })))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream counts in doubles"
)]
fn replaced(size: Size, old: Size, new: Size) -> Size {
    let quotient = |a: u64, b: u64| (a as f64 / b as f64).ceil() as u64;
    let (mut count, mut kept) = (Size::default(), Size::default());
    if old.min == 0 {
        count.max = size.max.saturating_add(1);
        kept.max = size.max;
    } else if new.max <= old.min {
        kept.max = size.max;
    } else {
        count.max = quotient(size.max, old.min);
    }
    if old.max == 0 {
        count.min = size.min.saturating_add(1);
        kept.min = size.min;
    } else if old.max <= new.min {
        kept.min = size.min;
    } else {
        count.min = quotient(size.min, old.max);
    }
    count.times(new).plus(kept)
}

/// Functions that make lists or compare what is in them.
fn of_lists(overload: &str, target: Option<&Node>, args: &[Node]) -> Estimated {
    let allocating = |factor: f64, size: Size| {
        let cost = size.scaled(factor).plus(CostEstimate::fixed(11));
        Some((cost, Some(size)))
    };
    let literal = |index: usize, default: u64| {
        args.get(index).and_then(|arg| arg.literal).map_or(default, |number| u64::try_from(number).unwrap_or(0))
    };
    let sorting = |of: &Type, size: Size| {
        let factor = if matches!(of, Type::String | Type::Bytes) { 2.0 + TRAVERSAL } else { 2.0 };
        allocating(factor, size.times(size))
    };
    match overload {
        "list_slice" => {
            let size = target?.known_size();
            allocating(1.0, Size::fixed(literal(1, size.max).wrapping_sub(literal(0, 0))))
        }
        "lists_range" => allocating(1.0, Size::fixed(literal(0, u64::MAX))),
        "list_reverse" => allocating(1.0, target?.known_size()),
        #[expect(clippy::cast_precision_loss, reason = "upstream counts in doubles")]
        "list_flatten" | "list_flatten_int" => {
            let depth = if args.is_empty() { 1 } else { literal(0, u64::MAX) };
            allocating(depth as f64, target?.known_size())
        }
        "list_distinct" => {
            let size = target?.known_size();
            allocating(2.0, size.times(size))
        }
        "list_sets_contains_list" | "list_sets_intersects_list" | "list_sets_equivalent_list" => {
            let factor = if overload == "list_sets_equivalent_list" { 2.0 } else { 1.0 };
            let [a, b] = args else { return None };
            Some((a.known_size().times(b.known_size()).scaled(factor).plus(ONE), None))
        }
        other if other.ends_with("_sortByAssociatedKeys") => sorting(&sorted_type(other), args.first()?.known_size()),
        other if other.starts_with("list_") && other.ends_with("_sort") => {
            sorting(&sorted_type(other), target?.known_size())
        }
        _ => None,
    }
}

fn sorted_type(overload: &str) -> Type {
    match overload.split('_').nth(1) {
        Some("string") => Type::String,
        Some("bytes") => Type::Bytes,
        _ => Type::Int,
    }
}

/// The functions of the language itself.
pub(crate) fn of_standard(overload: &str, target: Option<&Node>, args: &[Node]) -> (CostEstimate, Option<Size>) {
    let first = args.first().map(Node::known_size);
    let of_target = target.map(Node::known_size);
    match (overload, of_target, first, args.len()) {
        ("string_format", Some(size), ..) => (size.scaled(TRAVERSAL), None),
        ("string_to_bytes", _, Some(size), 1) => {
            (size.scaled(TRAVERSAL), Some(Size { min: size.min, max: size.max.wrapping_mul(4) }))
        }
        ("bytes_to_string", _, Some(size), 1) => {
            (size.scaled(TRAVERSAL), Some(Size { min: size.min / 4, max: size.max }))
        }
        ("strings_quote", _, Some(size), 1) => {
            let most = size.max.wrapping_mul(2).wrapping_add(2);
            (size.scaled(TRAVERSAL), Some(Size { min: size.min + 2, max: most }))
        }
        ("starts_with_string" | "ends_with_string", _, Some(size), 1) => (size.scaled(TRAVERSAL), None),
        ("in_list", _, _, 2) => (args[1].known_size(), None),
        ("matches_string", Some(text), Some(pattern), 1) => {
            (text.plus(Size::fixed(1)).scaled(TRAVERSAL).times(pattern.scaled(PATTERN)), None)
        }
        ("contains_string", Some(text), Some(part), 1) => (text.scaled(TRAVERSAL).times(part.scaled(TRAVERSAL)), None),
        (
            "less_string"
            | "greater_string"
            | "less_equals_string"
            | "greater_equals_string"
            | "less_bytes"
            | "greater_bytes"
            | "less_equals_bytes"
            | "greater_equals_bytes"
            | "equals"
            | "not_equals",
            _,
            Some(left),
            2,
        ) => {
            let max = left.max.min(args[1].known_size().max);
            (CostEstimate { min: u64::from(max > 0), max }.scaled(TRAVERSAL), None)
        }
        _ => (ONE, None),
    }
}
