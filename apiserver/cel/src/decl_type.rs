//! Types declared by a structural schema: what the checker knows of a value, how large it can be, and how to
//! read one from JSON.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;

use crate::escaping::{escape, unescape};
use crate::types::{Name, StructType, Type};

/// The largest request that is accepted; sizes that a schema does not limit are limited by it.
const MAX_REQUEST: i64 = 3 * 1024 * 1024;

/// How the items of a list are compared and merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    Atomic,
    Set,
    /// By the values of these properties.
    Map(Vec<Name>),
}

/// How a string is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Bytes,
    Duration,
    Date,
    DateTime,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// Whatever the JSON says.
    Dyn,
    /// `x-kubernetes-int-or-string`.
    IntOrString,
    /// `x-kubernetes-preserve-unknown-fields` without a type: compared, never looked into.
    Preserved,
    Bool,
    Int,
    Double,
    String(Format),
    List {
        items: Arc<DeclType>,
        kind: ListType,
    },
    Map(Arc<DeclType>),
    Object(BTreeMap<Name, Property>),
    /// A schema that no value of is readable; expressions cannot reach it.
    Unreadable,
}

#[derive(Debug)]
pub(crate) struct Property {
    pub decl: Arc<DeclType>,
    /// False where the property cannot be reached by an expression.
    pub visible: bool,
}

/// A type declared by a schema.
#[derive(Debug)]
pub struct DeclType {
    pub(crate) name: Name,
    pub(crate) shape: Shape,
    pub(crate) nullable: bool,
    /// An upper bound of the size: characters, items or properties.
    pub max_elements: i64,
    /// The least number of bytes that a value takes in JSON; what one request can hold follows from it.
    pub min_serialized_size: i64,
}

static DYN: LazyLock<Arc<DeclType>> = LazyLock::new(|| {
    let decl = DeclType::of("dyn", Shape::Dyn, 0, 0);
    Arc::new(DeclType { nullable: true, ..decl })
});

impl DeclType {
    /// The type of values without a schema.
    #[must_use]
    pub fn dynamic() -> &'static DeclType {
        &DYN
    }

    /// The type that a structural schema declares, given in JSON as in a CustomResourceDefinition. `resource`: the
    /// value is a whole resource, so it has `apiVersion`, `kind` and some `metadata`, declared or not. `None` where
    /// the schema declares nothing that an expression could use. Follows upstream's `SchemaDeclType`.
    #[must_use]
    pub fn from_schema(schema: &Json, resource: bool) -> Option<Arc<DeclType>> {
        let decl = build("selfType", schema, resource, 0);
        decl.has_type().then(|| Arc::new(decl))
    }

    fn of(name: &str, shape: Shape, max_elements: i64, min_serialized_size: i64) -> DeclType {
        DeclType { name: name.into(), shape, nullable: false, max_elements, min_serialized_size }
    }

    fn has_type(&self) -> bool {
        !matches!(self.shape, Shape::Preserved | Shape::Unreadable)
    }

    /// The type as the checker sees it.
    #[must_use]
    pub fn cel_type(self: &Arc<Self>) -> Type {
        match &self.shape {
            Shape::Bool => Type::Bool,
            Shape::Int => Type::Int,
            Shape::Double => Type::Double,
            Shape::String(Format::Plain) => Type::String,
            Shape::String(Format::Bytes) => Type::Bytes,
            Shape::String(Format::Duration) => Type::Duration,
            Shape::String(Format::Date | Format::DateTime) => Type::Timestamp,
            Shape::List { items, .. } => Type::list(items.cel_type()),
            Shape::Map(values) => Type::map(Type::String, values.cel_type()),
            Shape::Object(_) => Type::Struct(self.clone()),
            Shape::Dyn | Shape::IntOrString | Shape::Preserved | Shape::Unreadable => Type::Dyn,
        }
    }

    /// The type of a property, by its name in the schema.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Arc<DeclType>> {
        match &self.shape {
            Shape::Object(properties) => properties.get(name).filter(|property| property.visible).map(|p| &p.decl),
            _ => None,
        }
    }

    /// The type of a list's items or a map's values.
    #[must_use]
    pub fn element(&self) -> Option<&Arc<DeclType>> {
        match &self.shape {
            Shape::List { items, .. } => Some(items),
            Shape::Map(values) => Some(values),
            _ => None,
        }
    }

    /// How many values of this type one request can hold at most.
    #[must_use]
    pub fn max_cardinality(&self) -> u64 {
        u64::try_from(MAX_REQUEST / (self.min_serialized_size + 1)).unwrap_or(0)
    }

    /// What is known of a member's size, by a path of property names (escaped), `@items`, `@values` and `@keys`.
    pub(crate) fn size_at(&self, path: &[Name]) -> Option<u64> {
        let mut at = self;
        let mut keys = false;
        for step in path {
            if keys {
                return None;
            }
            match &**step {
                "@items" | "@values" => at = at.element()?,
                "@keys" => {
                    if !matches!(at.shape, Shape::Map(_)) {
                        return None;
                    }
                    keys = true;
                }
                name => at = at.property(&unescape(name)?)?,
            }
        }
        // The keys of a map are strings without a limit of their own, whose size upstream takes for 0.
        let size = if keys { 0 } else { at.max_elements };
        Some(u64::try_from(size).unwrap_or(0))
    }
}

impl StructType for DeclType {
    fn name(&self) -> &str {
        &self.name
    }

    fn field(&self, name: &str) -> Option<Type> {
        let Shape::Object(properties) = &self.shape else { return None };
        // Only the escaped spelling of a name is its spelling in expressions, but for words of the language, which
        // may also stand as they are.
        let original = unescape(name)?;
        let escaped = escape(&original)?;
        if escaped != name && *escaped != *format!("__{name}__") {
            return None;
        }
        properties.get(&*original).filter(|property| property.visible).map(|property| property.decl.cel_type())
    }
}

/// Schemas nest no deeper than JSON can be read.
const MAX_DEPTH: usize = 128;

fn flag(schema: &Json, name: &str) -> bool {
    schema.get(name).and_then(Json::as_bool).unwrap_or(false)
}

fn limit(schema: &Json, name: &str) -> Option<i64> {
    schema.get(name).and_then(Json::as_i64).map(|limit| limit.max(0))
}

fn build(name: &str, schema: &Json, resource: bool, depth: usize) -> DeclType {
    let decl = typed(name, schema, resource || flag(schema, "x-kubernetes-embedded-resource"), depth);
    DeclType { nullable: flag(schema, "nullable"), ..decl }
}

fn typed(name: &str, schema: &Json, resource: bool, depth: usize) -> DeclType {
    if depth > MAX_DEPTH {
        return DeclType::of(name, Shape::Unreadable, 0, 0);
    }
    if flag(schema, "x-kubernetes-int-or-string") {
        let longest = limit(schema, "maxLength").map_or(MAX_REQUEST - 2, |length| length.saturating_mul(4));
        return DeclType::of("dyn", Shape::IntOrString, longest, 1);
    }
    match schema.get("type").and_then(Json::as_str).unwrap_or_default() {
        "array" => array(name, schema, depth),
        "object" => object(name, schema, resource, depth),
        "string" => string(schema),
        "boolean" => DeclType::of("bool", Shape::Bool, 0, 4),
        "number" => DeclType::of("double", Shape::Double, 0, 1),
        "integer" => DeclType::of("int", Shape::Int, 0, 1),
        _ if flag(schema, "x-kubernetes-preserve-unknown-fields") => DeclType::of(name, Shape::Preserved, 0, 0),
        _ => DeclType::of(name, Shape::Unreadable, 0, 0),
    }
}

fn array(name: &str, schema: &Json, depth: usize) -> DeclType {
    let Some(items) = schema.get("items").filter(|items| items.is_object()) else {
        return DeclType::of(name, Shape::Unreadable, 0, 0);
    };
    let items = build(&format!("{name}.@idx"), items, false, depth + 1);
    if !items.has_type() {
        return DeclType::of(name, Shape::Unreadable, 0, 0);
    }
    let most = limit(schema, "maxItems").unwrap_or((MAX_REQUEST - 2) / (items.min_serialized_size + 1));
    let kind = match schema.get("x-kubernetes-list-type").and_then(Json::as_str) {
        Some("set") => ListType::Set,
        Some("map") => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Json::as_array);
            ListType::Map(keys.into_iter().flatten().filter_map(Json::as_str).map(Name::from).collect())
        }
        _ => ListType::Atomic,
    };
    DeclType::of("list", Shape::List { items: Arc::new(items), kind }, most, 2)
}

fn object(name: &str, schema: &Json, resource: bool, depth: usize) -> DeclType {
    let declared = schema.get("properties").and_then(Json::as_object);
    let values = schema.get("additionalProperties").filter(|values| values.is_object());
    if let (Some(values), false) = (values, resource || declared.is_some_and(|declared| !declared.is_empty())) {
        let values = build(&format!("{name}.@elem"), values, false, depth + 1);
        if !values.has_type() {
            return DeclType::of(name, Shape::Unreadable, 0, 0);
        }
        let most = limit(schema, "maxProperties").unwrap_or((MAX_REQUEST - 2) / (values.min_serialized_size + 6));
        return DeclType::of("map", Shape::Map(Arc::new(values)), most, 2);
    }
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Json::as_array)
        .map(|names| names.iter().filter_map(Json::as_str).collect())
        .unwrap_or_default();
    let mut properties = BTreeMap::new();
    let mut least = 2;
    for (property, schema) in declared.into_iter().flatten() {
        let decl = build(&format!("{name}.{property}"), schema, false, depth + 1);
        if decl.has_type() && required.contains(&property.as_str()) && schema.get("default").is_none() {
            least += i64::try_from(property.len()).unwrap_or(i64::MAX / 4) + decl.min_serialized_size + 4;
        }
        let visible = decl.has_type() && escape(property).is_some();
        properties.insert(Name::from(property.as_str()), Property { decl: Arc::new(decl), visible });
    }
    if resource {
        with_meta(name, &mut properties);
    }
    DeclType::of(name, Shape::Object(properties), 0, least)
}

/// Every resource has these, whatever its schema says.
fn with_meta(name: &str, properties: &mut BTreeMap<Name, Property>) {
    let text = || Property { decl: Arc::new(string(&Json::Null)), visible: true };
    properties.insert("kind".into(), text());
    properties.insert("apiVersion".into(), text());
    let declared = properties.get("metadata").is_some_and(|metadata| {
        metadata.decl.property("name").is_some() && metadata.decl.property("generateName").is_some()
    });
    if declared {
        return;
    }
    let fields = BTreeMap::from([("name".into(), text()), ("generateName".into(), text())]);
    let metadata = DeclType::of(&format!("{name}.metadata"), Shape::Object(fields), 0, 2);
    properties.insert("metadata".into(), Property { decl: Arc::new(metadata), visible: true });
}

fn string(schema: &Json) -> DeclType {
    let longest = limit(schema, "maxLength");
    match schema.get("format").and_then(Json::as_str).unwrap_or_default() {
        "byte" => DeclType::of("bytes", Shape::String(Format::Bytes), longest.unwrap_or(MAX_REQUEST - 2), 2),
        "duration" => DeclType::of("duration", Shape::String(Format::Duration), 32, 3),
        "date" => DeclType::of("timestamp", Shape::String(Format::Date), 12, 12),
        "date-time" => DeclType::of("timestamp", Shape::String(Format::DateTime), 32, 21),
        _ => {
            let values = schema.get("enum").and_then(Json::as_array).filter(|values| !values.is_empty());
            let longest = match (longest, values) {
                (Some(longest), _) => longest.saturating_mul(4),
                (None, Some(values)) => {
                    let lengths = values.iter().filter_map(Json::as_str).map(str::len);
                    i64::try_from(lengths.max().unwrap_or(0)).unwrap_or(i64::MAX)
                }
                (None, None) => MAX_REQUEST - 2,
            };
            DeclType::of("string", Shape::String(Format::Plain), longest, 2)
        }
    }
}
