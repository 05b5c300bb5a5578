//! The compiled form of a type.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::structural::Node;

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

impl<T> From<T> for Ref<T> {
    fn from(value: T) -> Self {
        Ref::Shared(Arc::new(value))
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
    /// The structural schema of a custom resource. Where it is there, it says all: objects are maps as they were
    /// sent, and `fields` is empty.
    pub structural: Option<Arc<Node>>,
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
    /// The Go type as decoding errors show it; empty where it follows from `shape` (see `Shape::go_type`).
    pub go_type: Cow<'static, str>,
    /// In protobuf the list stands in a message of its own, `{ repeated items = 1 }` (metav1's `Verbs`).
    pub wrapped: bool,
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
    /// apiextensions' either-or types around `JSONSchemaProps`.
    SchemaOr(SchemaOr),
    Object(Ref<Type>),
    List(Ref<Shape>),
    Map(Ref<Shape>),
}

/// What may stand in the place of a `JSONSchemaProps` object (apiextensions v1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaOr {
    /// `JSONSchemaPropsOrArray`: an array of schemas.
    Array,
    /// `JSONSchemaPropsOrBool`.
    Bool,
    /// `JSONSchemaPropsOrStringArray`.
    StringArray,
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

impl fmt::Debug for Type {
    /// Its name: types are large and may contain themselves.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Type").field(&self.name).finish()
    }
}

impl Type {
    /// The type of a custom resource.
    pub fn custom(name: String, node: Arc<Node>) -> Type {
        Type {
            name: Cow::Owned(name),
            fields: Cow::Borrowed(&[]),
            atomic: node.atomic_map,
            preserve_unknown: true,
            structural: Some(node),
        }
    }

    /// The kind or Go type name: the last segment of the definition name.
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// The field with this JSON name, looking into inlined structs.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find_map(|field| match (&field.shape, field.name.is_empty()) {
            (Shape::Object(inlined), true) => inlined.field(name),
            _ => (field.name == name).then_some(field),
        })
    }
}

impl Shape {
    /// The Go type that decoding errors name for a value of this shape, for example `[]v1.Container`.
    pub fn go_type(&self) -> String {
        match self {
            Shape::String => "string".into(),
            Shape::Bool => "bool".into(),
            Shape::Int32 => "int32".into(),
            Shape::Int64 => "int64".into(),
            Shape::Float64 => "float64".into(),
            Shape::Bytes => "[]uint8".into(),
            Shape::Quantity => "resource.Quantity".into(),
            Shape::IntOrString => "intstr.IntOrString".into(),
            Shape::Time => "v1.Time".into(),
            Shape::MicroTime => "v1.MicroTime".into(),
            Shape::Duration => "v1.Duration".into(),
            Shape::Raw => "runtime.RawExtension".into(),
            Shape::FieldsV1 => "v1.FieldsV1".into(),
            Shape::SchemaOr(SchemaOr::Array) => "v1.JSONSchemaPropsOrArray".into(),
            Shape::SchemaOr(SchemaOr::Bool) => "v1.JSONSchemaPropsOrBool".into(),
            Shape::SchemaOr(SchemaOr::StringArray) => "v1.JSONSchemaPropsOrStringArray".into(),
            Shape::Object(ty) => {
                let mut segments = ty.name.rsplit('.');
                match (segments.next(), segments.next()) {
                    (Some(name), Some(package)) => format!("{package}.{name}"),
                    _ => ty.name.to_string(),
                }
            }
            Shape::List(element) => format!("[]{}", element.go_type()),
            Shape::Map(value) => format!("map[string]{}", value.go_type()),
        }
    }
}
