//! Short constructors for the rows of the tables.

use std::borrow::Cow;

pub use crate::types::{Field, SchemaOr, Shape, Type};
use crate::types::{ListType, MapType, Omit, PatchStrategy, Ref};

/// A pointer in Go.
pub const P: u16 = 1;
/// `omitempty`, where it has an effect.
pub const E: u16 = 1 << 1;
/// `omitzero`.
pub const Z: u16 = 1 << 2;
/// Required.
pub const R: u16 = 1 << 3;
/// A list that is a set.
pub const SET: u16 = 1 << 4;
/// An atomic map or object.
pub const ATOMIC: u16 = 1 << 5;
/// Patch strategies.
pub const MERGE: u16 = 1 << 6;
pub const REPLACE: u16 = 1 << 7;
pub const RETAIN: u16 = 1 << 8;
/// In protobuf, wrapped in a message of its own.
pub const W: u16 = 1 << 9;

pub static STRING_S: Shape = Shape::String;
pub static BOOL_S: Shape = Shape::Bool;
pub static INT32_S: Shape = Shape::Int32;
pub static INT64_S: Shape = Shape::Int64;
pub static BYTES_S: Shape = Shape::Bytes;
pub static QUANTITY_S: Shape = Shape::Quantity;
pub static TIME_S: Shape = Shape::Time;
pub static RAW_S: Shape = Shape::Raw;
pub static SCHEMAORSTRINGARRAY_S: Shape = Shape::SchemaOr(SchemaOr::StringArray);
pub static LIST_OF_STRING_S: Shape = list(&STRING_S);

pub const fn object(name: &'static str, fields: &'static [Field]) -> Type {
    Type {
        name: Cow::Borrowed(name),
        fields: Cow::Borrowed(fields),
        atomic: false,
        preserve_unknown: false,
        structural: None,
    }
}

pub const fn atomic_object(name: &'static str, fields: &'static [Field]) -> Type {
    Type {
        name: Cow::Borrowed(name),
        fields: Cow::Borrowed(fields),
        atomic: true,
        preserve_unknown: false,
        structural: None,
    }
}

pub const fn o(ty: &'static Type) -> Shape {
    Shape::Object(Ref::Static(ty))
}

pub const fn list(element: &'static Shape) -> Shape {
    Shape::List(Ref::Static(element))
}

pub const fn map(value: &'static Shape) -> Shape {
    Shape::Map(Ref::Static(value))
}

/// The name of a key of a list.
pub type Key = Cow<'static, str>;

pub const fn key(name: &'static str) -> Key {
    Cow::Borrowed(name)
}

/// A field.
pub const fn f(name: &'static str, shape: Shape, number: u32, flags: u16) -> Field {
    l(name, shape, number, flags, "", "", &[], "")
}

/// A field with a named Go type or a default.
pub const fn g(
    name: &'static str,
    shape: Shape,
    number: u32,
    flags: u16,
    go_type: &'static str,
    default: &'static str,
) -> Field {
    l(name, shape, number, flags, go_type, default, &[], "")
}

/// A list with keys.
pub const fn k(
    name: &'static str,
    shape: Shape,
    number: u32,
    flags: u16,
    list_keys: &'static [Cow<'static, str>],
    merge_key: &'static str,
) -> Field {
    l(name, shape, number, flags, "", "", list_keys, merge_key)
}

/// A field with everything.
#[allow(clippy::too_many_arguments)] // One row of a table.
pub const fn l(
    name: &'static str,
    shape: Shape,
    number: u32,
    flags: u16,
    go_type: &'static str,
    default: &'static str,
    list_keys: &'static [Cow<'static, str>],
    merge_key: &'static str,
) -> Field {
    Field {
        name: Cow::Borrowed(name),
        shape,
        number,
        pointer: flags & P != 0,
        omit: if flags & E != 0 {
            Omit::Empty
        } else if flags & Z != 0 {
            Omit::Zero
        } else {
            Omit::Never
        },
        required: flags & R != 0,
        list_type: if !list_keys.is_empty() {
            ListType::Map(Cow::Borrowed(list_keys))
        } else if flags & SET != 0 {
            ListType::Set
        } else {
            ListType::Atomic
        },
        map_type: if flags & ATOMIC != 0 { MapType::Atomic } else { MapType::Granular },
        patch_strategy: PatchStrategy {
            merge: flags & MERGE != 0,
            replace: flags & REPLACE != 0,
            retain_keys: flags & RETAIN != 0,
        },
        patch_merge_key: Cow::Borrowed(merge_key),
        default: Cow::Borrowed(default),
        go_type: Cow::Borrowed(go_type),
        wrapped: flags & W != 0,
    }
}
