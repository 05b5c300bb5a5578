//! The compiled form of a type.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

/// A part of the schema: static for built-in types, shared for those compiled at run time.
pub enum Ref<T: 'static> {
    Static(&'static T),
    Shared(Arc<T>),
}

impl<T> Deref for Ref<T> {
    type Target = T;
    fn deref(&self) -> &T {
        match self {
            Ref::Static(value) => value,
            Ref::Shared(value) => value,
        }
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        match self {
            Ref::Static(value) => Ref::Static(value),
            Ref::Shared(value) => Ref::Shared(Arc::clone(value)),
        }
    }
}

/// An object type: its fields in the order in which they are serialised.
pub struct Type {
    /// The OpenAPI definition name, for example `io.k8s.api.core.v1.Pod`.
    pub name: Cow<'static, str>,
    pub fields: Cow<'static, [Field]>,
    /// `+structType=atomic` or `x-kubernetes-map-type: atomic`: the object is owned and replaced as a whole.
    pub atomic: bool,
    /// Fields not in `fields` are kept (custom resources with `x-kubernetes-preserve-unknown-fields`).
    pub preserve_unknown: bool,
}

/// One field of an object type.
#[derive(Clone)]
pub struct Field {
    /// The JSON name. Empty for an inlined struct, whose fields stand in the parent's JSON object.
    pub name: Cow<'static, str>,
    pub shape: Shape,
    /// The protobuf field number; 0 where the field has no protobuf form.
    pub number: u32,
    /// Whether an absent value is told apart from the zero value (a Go pointer).
    pub pointer: bool,
    /// When the field is left out of JSON.
    pub omit: Omit,
    pub required: bool,
    pub list_type: ListType,
    pub map_type: MapType,
    pub patch_strategy: PatchStrategy,
    /// The key by which a strategic merge patch matches list elements; empty for none.
    pub patch_merge_key: Cow<'static, str>,
    /// A declared default (`+default=`), as JSON text; empty for none.
    pub default: Cow<'static, str>,
}

/// What a value looks like.
#[derive(Clone)]
pub enum Shape {
    String,
    Bool,
    Int32,
    Int64,
    Float64,
    /// Base64 text in JSON, bytes in protobuf.
    Bytes,
    Quantity,
    IntOrString,
    /// RFC 3339 in whole seconds.
    Time,
    /// RFC 3339 with six decimals.
    MicroTime,
    /// A Go duration string such as `1m30s`.
    Duration,
    /// Any JSON: `runtime.RawExtension`, apiextensions' `JSON`.
    Raw,
    /// `metav1.FieldsV1`.
    FieldsV1,
    Object(Ref<Type>),
    List(Ref<Shape>),
    Map(Ref<Shape>),
}

/// When a field is left out of JSON (Go's `omitempty` and `omitzero`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omit {
    Never,
    Empty,
    Zero,
}

/// `x-kubernetes-list-type`, which decides how server-side apply merges a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    /// Replaced as a whole; also the default.
    Atomic,
    Set,
    /// Merged by the values of these fields.
    Map(Cow<'static, [Cow<'static, str>]>),
}

/// `x-kubernetes-map-type` of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    Granular,
    Atomic,
}

/// `x-kubernetes-patch-strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchStrategy {
    pub merge: bool,
    pub replace: bool,
    pub retain_keys: bool,
}

impl Type {
    /// The field with this JSON name, looking into inlined structs.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find_map(|field| match (&field.shape, field.name.is_empty()) {
            (Shape::Object(inlined), true) => inlined.field(name),
            _ => (field.name == name).then_some(field),
        })
    }
}
