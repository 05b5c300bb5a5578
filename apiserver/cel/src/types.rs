//! The types of CEL: what the checker reasons about and what errors print.

use std::fmt;
use std::sync::Arc;

/// A name shared by many nodes.
pub type Name = Arc<str>;

/// An object type with named fields.
pub trait StructType: Send + Sync {
    /// The type's name, unique within one environment.
    fn name(&self) -> &str;
    /// The type of a field, by the name that expressions use for it (escaped).
    fn field(&self, name: &str) -> Option<Type>;
}

/// A CEL type.
#[derive(Clone)]
pub enum Type {
    Dyn,
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    /// The type of a type; `None` where it is not known of which.
    Type(Option<Arc<Type>>),
    /// A type of a library, such as `net.IP` or `optional_type(int)`.
    Opaque(Name, Arc<[Type]>),
    Struct(Arc<dyn StructType>),
    /// A type parameter of an overload, or a free variable of the checker.
    Param(Name),
}

impl Type {
    /// `list(element)`.
    #[must_use]
    pub fn list(element: Type) -> Type {
        Type::List(Arc::new(element))
    }

    /// `map(key, value)`.
    #[must_use]
    pub fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new(key), Arc::new(value))
    }

    /// `optional_type(inner)`.
    #[must_use]
    pub fn optional(inner: Type) -> Type {
        Type::Opaque("optional_type".into(), [inner].into())
    }

    /// A library's type without parameters.
    #[must_use]
    pub fn opaque(name: &str) -> Type {
        Type::Opaque(name.into(), [].into())
    }

    /// The inner type if this is an optional.
    #[must_use]
    pub fn as_optional(&self) -> Option<&Type> {
        match self {
            Type::Opaque(name, parameters) if &**name == "optional_type" => parameters.first(),
            _ => None,
        }
    }

    pub(crate) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Type::Dyn | Type::Error)
    }

    /// True of types whose values have a size known beforehand.
    pub(crate) fn is_scalar(&self) -> bool {
        match self {
            Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
            other => other.as_optional().is_some_and(Type::is_scalar),
        }
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::List(a), Type::List(b)) => a == b,
            (Type::Map(a, b), Type::Map(c, d)) => a == c && b == d,
            (Type::Type(a), Type::Type(b)) => a == b,
            (Type::Opaque(a, p), Type::Opaque(b, q)) => a == b && p == q,
            (Type::Struct(a), Type::Struct(b)) => a.name() == b.name(),
            (Type::Param(a), Type::Param(b)) => a == b,
            _ => {
                std::mem::discriminant(self) == std::mem::discriminant(other)
                    && !matches!(
                        self,
                        Type::List(_)
                            | Type::Map(..)
                            | Type::Type(_)
                            | Type::Opaque(..)
                            | Type::Struct(_)
                            | Type::Param(_)
                    )
            }
        }
    }
}

impl Type {
    /// The type as upstream names it where it is about values, not about checking: `google.protobuf.Timestamp`.
    #[must_use]
    pub fn runtime_name(&self) -> String {
        match self {
            Type::Null => "null_type".to_owned(),
            Type::Duration => "google.protobuf.Duration".to_owned(),
            Type::Timestamp => "google.protobuf.Timestamp".to_owned(),
            Type::List(element) => format!("list({})", element.runtime_name()),
            Type::Map(key, value) => format!("map({}, {})", key.runtime_name(), value.runtime_name()),
            Type::Opaque(name, parameters) if !parameters.is_empty() => {
                let names: Vec<String> = parameters.iter().map(Type::runtime_name).collect();
                format!("{name}({})", names.join(", "))
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As error messages name types.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn => f.write_str("dyn"),
            Type::Error => f.write_str("!error!"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Duration => f.write_str("duration"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::List(element) => write!(f, "list({element})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Type(None) => f.write_str("type"),
            Type::Type(Some(of)) => write!(f, "type({of})"),
            Type::Opaque(name, parameters) if parameters.is_empty() => f.write_str(name),
            Type::Opaque(name, parameters) => {
                write!(f, "{name}(")?;
                for (index, parameter) in parameters.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{parameter}")?;
                }
                f.write_str(")")
            }
            Type::Struct(of) => f.write_str(of.name()),
            Type::Param(name) => f.write_str(name),
        }
    }
}
