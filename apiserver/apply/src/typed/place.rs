//! A place in the schema, and how values there are merged.

use std::sync::LazyLock;

use apiserver_schema::structural::{Node, NodeType};
use apiserver_schema::{Field, ListType, MapType, Shape, Type};
use serde_json::{Map, Value};
use smol_str::SmolStr;

use crate::managed_fields::PathElement;

/// A place in the schema.
#[derive(Clone, Copy)]
pub(crate) enum Place<'s> {
    Type(&'s Type),
    Field(&'s Field),
    /// An element of a list or map.
    Element(&'s Shape),
    /// A place in a custom resource.
    Node(&'s Node),
    /// Below something without schema: maps are merged, lists are atomic.
    Deduced,
    /// Inside an arbitrary value, which is atomic.
    Untyped,
}

/// How values at a place are merged.
#[derive(Clone, Copy)]
pub(crate) enum Atom<'s> {
    Scalar(Scalar),
    List(List<'s>),
    Map(Members<'s>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Numeric,
    String,
    Boolean,
    Any,
}

#[derive(Clone, Copy)]
pub(crate) struct List<'s> {
    pub kind: &'s ListType,
    pub element: Place<'s>,
}

#[derive(Clone, Copy)]
pub(crate) struct Members<'s> {
    pub fields: Option<&'s Type>,
    /// The place in a custom resource, and whether it is a resource itself.
    pub node: Option<(&'s Node, bool)>,
    /// Where members that are no declared field belong; `None` when there may be none.
    pub others: Option<Place<'s>>,
    pub atomic: bool,
}

/// What a place without fixed schema turned out to be; `Fixed` where there is a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deduction {
    Fixed,
    Scalar,
    List,
    Map,
    /// Null or absent, which fits any.
    Open,
}

impl<'s> Place<'s> {
    /// How `value` is merged here.
    pub fn atom(self, value: Option<&Value>) -> (Atom<'s>, Deduction) {
        match self {
            Place::Type(ty) => match &ty.structural {
                Some(node) => (Atom::Map(Members::of_node(node, true)), Deduction::Fixed),
                None => (Atom::Map(Members::of(ty, ty.atomic)), Deduction::Fixed),
            },
            Place::Node(node) => of_node(node, value),
            Place::Field(field) => {
                of_shape(&field.shape, &field.list_type, field.map_type, field.name == GRANULAR.0, value)
            }
            Place::Element(shape) => of_shape(shape, &ListType::Atomic, MapType::Granular, false, value),
            Place::Deduced => free(Place::Deduced, false, value),
            Place::Untyped => free(Place::Untyped, true, value),
        }
    }

    /// How values are merged here whatever they are.
    pub fn any_atom(self) -> Atom<'s> {
        self.atom(None).0
    }
}

/// The type of all metadata, that of custom resources included.
static OBJECT_META: LazyLock<&'static Type> = LazyLock::new(|| {
    apiserver_schema::builtin_by_name("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
        .expect("the tables have the type of all metadata")
});

/// The one field of the API whose map type undoes the atomicity of its type (of a PersistentVolume), and the type.
/// The tables of types cannot say so: there a field is either atomic or as its type.
const GRANULAR: (&str, &str) = ("claimRef", "io.k8s.api.core.v1.ObjectReference");

fn of_shape<'s>(
    shape: &'s Shape,
    list_type: &'s ListType,
    map_type: MapType,
    granular: bool,
    value: Option<&Value>,
) -> (Atom<'s>, Deduction) {
    let atomic = map_type == MapType::Atomic;
    let atom = match shape {
        Shape::Object(ty) => Atom::Map(Members::of(ty, atomic || ty.atomic && !(granular && ty.name == GRANULAR.1))),
        Shape::Map(element) => Atom::Map(Members { others: Some(Place::Element(element)), ..Members::none(atomic) }),
        Shape::List(element) => Atom::List(List { kind: list_type, element: Place::Element(element) }),
        Shape::FieldsV1 => Atom::Map(Members { others: Some(Place::Deduced), ..Members::none(atomic) }),
        Shape::Raw => return free(Place::Untyped, true, value),
        Shape::SchemaOr(_) => return free(Place::Deduced, false, value),
        Shape::Bool => Atom::Scalar(Scalar::Boolean),
        Shape::Int32 | Shape::Int64 | Shape::Float64 => Atom::Scalar(Scalar::Numeric),
        Shape::String | Shape::Bytes | Shape::Duration => Atom::Scalar(Scalar::String),
        Shape::Quantity | Shape::IntOrString | Shape::Time | Shape::MicroTime => Atom::Scalar(Scalar::Any),
    };
    (atom, Deduction::Fixed)
}

/// A place in a custom resource; where nothing is said of the type, the value tells it.
fn of_node<'s>(node: &'s Node, value: Option<&Value>) -> (Atom<'s>, Deduction) {
    let atom = match node.ty {
        NodeType::Any if node.properties.is_empty() && node.element.is_none() => {
            return free(Place::Deduced, false, value);
        }
        NodeType::Any | NodeType::Object => Atom::Map(Members::of_node(node, false)),
        NodeType::Array => {
            let element = node.element.as_deref().map_or(Place::Deduced, Place::Node);
            Atom::List(List { kind: node.list_type(), element })
        }
        NodeType::String => Atom::Scalar(Scalar::String),
        NodeType::Integer | NodeType::Number => Atom::Scalar(Scalar::Numeric),
        NodeType::Boolean => Atom::Scalar(Scalar::Boolean),
        NodeType::IntOrString => Atom::Scalar(Scalar::Any),
    };
    (atom, Deduction::Fixed)
}

fn free<'s>(place: Place<'s>, atomic: bool, value: Option<&Value>) -> (Atom<'s>, Deduction) {
    let map = Atom::Map(Members { others: Some(place), ..Members::none(atomic) });
    match value {
        None | Some(Value::Null) => (map, Deduction::Open),
        Some(Value::Object(_)) => (map, Deduction::Map),
        Some(Value::Array(_)) => {
            (Atom::List(List { kind: &ListType::Atomic, element: Place::Untyped }), Deduction::List)
        }
        Some(_) => (Atom::Scalar(Scalar::Any), Deduction::Scalar),
    }
}

impl<'s> Members<'s> {
    fn of(ty: &'s Type, atomic: bool) -> Members<'s> {
        let open = ty.preserve_unknown || ty.fields.is_empty();
        Members { fields: Some(ty), others: open.then_some(Place::Deduced), ..Members::none(atomic) }
    }

    fn of_node(node: &'s Node, resource: bool) -> Members<'s> {
        let others = match &node.element {
            Some(element) => Some(Place::Node(element)),
            None => (node.preserve_unknown || node.open || (node.properties.is_empty() && !resource))
                .then_some(Place::Deduced),
        };
        Members { node: Some((node, resource || node.embedded)), others, ..Members::none(node.atomic_map) }
    }

    fn none(atomic: bool) -> Members<'s> {
        Members { fields: None, node: None, others: None, atomic }
    }

    /// Where the declared member of that name belongs.
    pub fn declared(&self, name: &str) -> Option<Place<'s>> {
        if let Some(ty) = self.fields {
            return ty.field(name).map(Place::Field);
        }
        let (node, resource) = self.node?;
        match name {
            "apiVersion" | "kind" if resource => Some(Place::Element(&Shape::String)),
            "metadata" if resource => Some(Place::Type(*OBJECT_META)),
            _ => node.property(name).map(|node| Place::Node(node)),
        }
    }

    /// Where the member of that name belongs; undeclared ones are treated as without schema.
    pub fn place(&self, name: &str) -> Place<'s> {
        self.declared(name).unwrap_or_else(|| self.others.unwrap_or(Place::Deduced))
    }

    /// Whether there are no declared fields and the members are without schema.
    pub fn is_untyped(&self) -> bool {
        self.fields.is_none_or(|ty| ty.fields.is_empty())
            && self.node.is_none_or(|(node, resource)| node.properties.is_empty() && !resource)
            && matches!(self.others, Some(Place::Deduced))
    }
}

impl<'s> List<'s> {
    pub fn is_atomic(&self) -> bool {
        matches!(self.kind, ListType::Atomic)
    }

    /// The path element of `item`, or why it has none.
    pub fn element_of(&self, item: &Value) -> Result<PathElement, String> {
        match self.kind {
            ListType::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            ListType::Set => match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                scalar => Ok(PathElement::Value(Box::new(scalar.clone()))),
            },
            ListType::Map(keys) => match item {
                Value::Object(item) => self.keyed(keys, item),
                Value::Null => Err("associative list with keys may not have a null element".to_owned()),
                _ => Err("associative list with keys may not have non-map elements".to_owned()),
            },
        }
    }

    fn keyed(&self, keys: &[std::borrow::Cow<'static, str>], item: &Map<String, Value>) -> Result<PathElement, String> {
        let present = keys.iter().filter_map(|key| {
            let value = item.get(key.as_ref()).cloned().or_else(|| self.default_of(key))?;
            Some((SmolStr::new(key), value))
        });
        let fields: Vec<_> = present.collect();
        if fields.is_empty() && !keys.is_empty() {
            let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                keys.join(" ")
            ));
        }
        Ok(PathElement::key(fields))
    }

    /// The declared default of a key field.
    fn default_of(&self, key: &str) -> Option<Value> {
        let Atom::Map(members) = self.element.any_atom() else { return None };
        let field = match members.declared(key)? {
            Place::Field(field) => field,
            Place::Node(node) => return node.default().cloned(),
            _ => return None,
        };
        if field.default.is_empty() {
            return super::zero::openapi_default(field);
        }
        serde_json::from_str(&field.default).ok()
    }
}
