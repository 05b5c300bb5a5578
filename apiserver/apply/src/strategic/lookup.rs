//! How the fields of a type are merged: strategy and key, found as Go's reflection finds them.

use apiserver_schema::{Field, SchemaOr, Shape, Type};

use super::Failure;

/// What a patch is being applied to.
#[derive(Clone, Copy)]
pub(super) enum Lookup<'s> {
    Struct(&'s Type),
    /// Anything without fields, by what Go calls its kind.
    Kind(&'static str),
    /// A struct to Go that has no fields of its own here, by its name.
    Opaque(&'static str),
}

/// How one field is merged.
pub(super) struct Meta<'s> {
    /// The field's value; for a list, its elements.
    pub below: Lookup<'s>,
    pub strategy: Strategy,
    /// The key by which elements match; empty for none.
    pub merge_key: &'s str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    Default,
    Merge,
    Replace,
}

impl<'s> Lookup<'s> {
    /// What Go calls the kind of this.
    pub fn kind(self) -> &'static str {
        match self {
            Lookup::Struct(_) | Lookup::Opaque(_) => "struct",
            Lookup::Kind(kind) => kind,
        }
    }

    /// How the object in field `key` is merged.
    pub fn object(self, key: &str) -> Result<Meta<'s>, Failure> {
        let field = self.field(key)?;
        Ok(meta(field, of_shape(&field.shape)))
    }

    /// How the list in field `key` is merged.
    pub fn list(self, key: &str) -> Result<Meta<'s>, Failure> {
        let field = self.field(key)?;
        match &field.shape {
            Shape::List(element) if matches!(**element, Shape::List(_)) => {
                Err(Failure::Other("unexpected slice of slice".to_owned()))
            }
            Shape::List(element) => Ok(meta(field, of_shape(element))),
            shape if field.pointer => Ok(meta(field, of_shape(shape))),
            _ => Err(Failure::Other(format!("expected slice or array type, but got: {}", self.kind()))),
        }
    }

    fn field(self, key: &str) -> Result<&'s Field, Failure> {
        let unknown = |name: &str| {
            Failure::Other(format!("unable to find api field in struct {name} for the json field {key:?}"))
        };
        match self {
            Lookup::Struct(ty) => ty.field(key).or_else(|| fold(ty, key)).ok_or_else(|| unknown(ty.short_name())),
            Lookup::Opaque(name) => Err(unknown(name)),
            Lookup::Kind(kind) => Err(Failure::Other(format!(
                "merging an object in json but data type is not struct, instead is: {kind}"
            ))),
        }
    }
}

/// The field whose name differs in case only.
fn fold<'s>(ty: &'s Type, key: &str) -> Option<&'s Field> {
    ty.fields.iter().find_map(|field| match (&field.shape, field.name.is_empty()) {
        (Shape::Object(inlined), true) => fold(inlined, key),
        _ => field.name.eq_ignore_ascii_case(key).then_some(field),
    })
}

fn meta<'s>(field: &'s Field, below: Lookup<'s>) -> Meta<'s> {
    let strategy = match field.patch_strategy {
        strategy if strategy.merge => Strategy::Merge,
        strategy if strategy.replace => Strategy::Replace,
        _ => Strategy::Default,
    };
    Meta { below, strategy, merge_key: &field.patch_merge_key }
}

fn of_shape(shape: &Shape) -> Lookup<'_> {
    match shape {
        Shape::Object(ty) => Lookup::Struct(ty),
        Shape::List(_) | Shape::Bytes => Lookup::Kind("slice"),
        Shape::Map(_) => Lookup::Kind("map"),
        Shape::String => Lookup::Kind("string"),
        Shape::Bool => Lookup::Kind("bool"),
        Shape::Int32 => Lookup::Kind("int32"),
        Shape::Int64 => Lookup::Kind("int64"),
        Shape::Float64 => Lookup::Kind("float64"),
        Shape::Quantity => Lookup::Opaque("Quantity"),
        Shape::IntOrString => Lookup::Opaque("IntOrString"),
        Shape::Time => Lookup::Opaque("Time"),
        Shape::MicroTime => Lookup::Opaque("MicroTime"),
        Shape::Duration => Lookup::Opaque("Duration"),
        Shape::Raw => Lookup::Opaque("RawExtension"),
        Shape::FieldsV1 => Lookup::Opaque("FieldsV1"),
        Shape::SchemaOr(SchemaOr::Array) => Lookup::Opaque("JSONSchemaPropsOrArray"),
        Shape::SchemaOr(SchemaOr::Bool) => Lookup::Opaque("JSONSchemaPropsOrBool"),
        Shape::SchemaOr(SchemaOr::StringArray) => Lookup::Opaque("JSONSchemaPropsOrStringArray"),
    }
}
