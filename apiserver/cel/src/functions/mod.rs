//! The functions, by name. Each looks at the types of its arguments itself: expressions may hide types with `dyn`.

pub(crate) mod address;
mod arithmetic;
pub(crate) mod authorizer;
mod convert;
pub(crate) mod format;
pub(crate) mod formatting;
mod lists;
mod optional;
mod quantity;
pub(crate) mod regex;
mod semver;
mod strings;
mod timestamps;
mod url;

use crate::plan::Call;
use crate::value::{EvalError, Evaluated, Value};

/// A function's body. The call gives its name and compiled pattern.
pub(crate) type Function = for<'a> fn(&Call, Vec<Value<'a>>) -> Evaluated<'a>;

/// Finds a function.
pub(crate) fn find(name: &str) -> Option<Function> {
    Some(match name {
        "!_" => arithmetic::not,
        "-_" => arithmetic::negate,
        "_+_" => arithmetic::add,
        "_-_" => arithmetic::subtract,
        "_*_" => arithmetic::multiply,
        "_/_" => arithmetic::divide,
        "_%_" => arithmetic::modulo,
        "_<_" | "_<=_" | "_>_" | "_>=_" => arithmetic::ordered,
        "@in" => lists::contained,
        "size" => lists::size,
        "@sortByAssociatedKeys" => lists::sort_by_keys,
        "sort" => lists::sort,
        "first" | "last" => lists::first_or_last,
        "distinct" => lists::distinct,
        "flatten" => lists::flatten,
        "slice" => lists::slice,
        "lists.range" => lists::range,
        "isSorted" => lists::is_sorted,
        "sum" => lists::sum,
        "min" | "max" => lists::extreme,
        "sets.contains" => lists::sets_contains,
        "sets.equivalent" => lists::sets_equivalent,
        "sets.intersects" => lists::sets_intersects,
        "cel.@mapInsert" => lists::map_insert,
        "reverse" => lists::reverse,
        "indexOf" | "lastIndexOf" => lists::index_of,
        "bool" => convert::bool,
        "bytes" => convert::bytes,
        "double" => convert::double,
        "duration" => convert::duration,
        "dyn" => convert::dynamic,
        "int" => convert::int,
        "string" => convert::string,
        "timestamp" => convert::timestamp,
        "type" => convert::type_of,
        "uint" => convert::uint,
        "charAt" => strings::char_at,
        "contains" | "startsWith" | "endsWith" => strings::contains,
        "join" => strings::join,
        "lowerAscii" | "upperAscii" | "trim" => strings::changed,
        "replace" => strings::replace,
        "split" => strings::split,
        "substring" => strings::substring,
        "strings.quote" => strings::quote,
        "format" => formatting::format,
        "jsonpatch.escapeKey" => strings::escape_key,
        "matches" => regex::matches,
        "find" => regex::find,
        "findAll" => regex::find_all,
        "getDate" | "getDayOfMonth" | "getDayOfWeek" | "getDayOfYear" | "getFullYear" | "getHours"
        | "getMilliseconds" | "getMinutes" | "getMonth" | "getSeconds" => timestamps::field,
        "hasValue" | "value" => optional::inner,
        "optional.none" => optional::none,
        "optional.of" => optional::of,
        "optional.ofNonZeroValue" => optional::of_non_zero,
        "optional.unwrap" | "unwrapOpt" => optional::unwrap_all,
        "ip" | "ip.isCanonical" | "isIP" => address::ip,
        "cidr" | "isCIDR" => address::cidr,
        "containsIP" | "containsCIDR" => address::contains,
        "family"
        | "isGlobalUnicast"
        | "isLinkLocalMulticast"
        | "isLinkLocalUnicast"
        | "isLoopback"
        | "isUnspecified" => address::property,
        "masked" | "prefixLength" => address::network,
        "url" | "isURL" => url::url,
        "getEscapedPath" | "getHost" | "getHostname" | "getPort" | "getQuery" | "getScheme" => url::part,
        "quantity" | "isQuantity" => quantity::quantity,
        "add" | "sub" => quantity::sum,
        "asApproximateFloat" | "asInteger" | "isInteger" | "sign" => quantity::property,
        "compareTo" | "isGreaterThan" | "isLessThan" => compared,
        "semver" | "isSemver" => semver::semver,
        "major" | "minor" | "patch" => semver::part,
        "format.named" => format::named,
        "validate" => format::validate,
        "serviceAccount" | "path" | "group" | "resource" | "subresource" | "namespace" | "name" | "fieldSelector"
        | "labelSelector" => authorizer::narrow,
        "check" => authorizer::check,
        "allowed" | "reason" | "error" | "errored" => authorizer::decision,
        name if name.starts_with("format.") => format::constant,
        _ => return None,
    })
}

/// The value of a library's type, if it is of that type.
pub(crate) fn object<'v, T: 'static>(value: &'v Value<'_>) -> Option<&'v T> {
    match value {
        Value::Object(object) => object.as_any().downcast_ref(),
        _ => None,
    }
}

pub(crate) fn no_overload<'a>() -> Evaluated<'a> {
    Err(EvalError::no_overload())
}

pub(crate) fn failed<'a>(message: impl Into<String>) -> Evaluated<'a> {
    Err(EvalError::new(message.into()))
}

/// Quantities and versions compare alike.
fn compared<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [a, b] = args.as_slice() else { return no_overload() };
    let Some(order) = quantity::order(a, b).or_else(|| semver::order(a, b)) else { return no_overload() };
    Ok(match call.name {
        "compareTo" => Value::Int(order as i64),
        "isGreaterThan" => Value::Bool(order.is_gt()),
        _ => Value::Bool(order.is_lt()),
    })
}

/// Implements the boilerplate of a library's value.
macro_rules! object {
    ($type:ty, $name:literal, |$self:ident| $size:expr) => {
        impl crate::value::Object for $type {
            fn type_name(&self) -> &'static str {
                $name
            }

            fn equals(&self, other: &dyn crate::value::Object) -> bool {
                other.as_any().downcast_ref::<$type>().is_some_and(|other| self == other)
            }

            fn size(&self) -> Option<u64> {
                let $self = self;
                $size
            }

            fn as_any(&self) -> &dyn std::any::Any {
                self
            }
        }
    };
}
pub(crate) use object as library_value;
