//! The schema of a custom resource, compiled from a CustomResourceDefinition's `openAPIV3Schema`.
//!
//! A [`Node`] is one place in a structural schema: its type, its members, and, where there are any, its
//! defaults, list keys and rules. Nodes are small and shared: [`Pool`] hands out one node for all equal parts of
//! all schemas, so that a large definition costs little more than the names of its properties. Descriptions are
//! not kept; OpenAPI documents are made from the definition itself.
//!
//! Source: apiextensions-apiserver `pkg/apiserver/schema`, `pkg/apiserver/validation`.

mod coerce;
mod compile;
mod default;
mod formats;
mod list_type;
mod number;
mod patterns;
mod prune;
mod rules;
mod validate;

use std::sync::Arc;

use serde_json::Value;

use crate::types::ListType;

pub use coerce::{coerce_embedded, metadata};
pub use compile::{Pool, compile};
pub use default::{default, prune_nulls};
pub use formats::{is_supported as is_supported_format, is_valid as is_valid_format};
pub use list_type::{correlated, duplicates};
pub use patterns::compile as pattern;
pub use prune::prune;
pub use rules::Rules;
pub use validate::{Violation, ViolationKind, validate, validate_update};

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeType {
    /// Not said.
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    /// `x-kubernetes-int-or-string`.
    IntOrString,
}

impl NodeType {
    /// The names as error messages list them.
    pub fn name(self) -> &'static str {
        match self {
            NodeType::Any => "",
            NodeType::Object => "object",
            NodeType::Array => "array",
            NodeType::String => "string",
            NodeType::Integer => "integer",
            NodeType::Number => "number",
            NodeType::Boolean => "boolean",
            NodeType::IntOrString => "integer,string",
        }
    }
}

/// One place in a structural schema.
#[derive(Debug)]
pub struct Node {
    pub ty: NodeType,
    pub nullable: bool,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub preserve_unknown: bool,
    /// `x-kubernetes-embedded-resource`.
    pub embedded: bool,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic_map: bool,
    /// Whether there is a default or a rule here or below.
    pub(crate) has_defaults: bool,
    pub(crate) has_rules: bool,
    pub(crate) has_embedded: bool,
    pub(crate) has_list_types: bool,
    /// Sorted by name.
    pub properties: Box<[(Arc<str>, Arc<Node>)]>,
    /// `items` of an array, `additionalProperties` of an object.
    pub element: Option<Arc<Node>>,
    /// `additionalProperties: true`: members of any name and kind.
    pub open: bool,
    pub more: Option<Box<More>>,
}

/// What few nodes have.
#[derive(Debug, Default)]
pub struct More {
    pub default: Option<Value>,
    /// `x-kubernetes-list-type` with its keys.
    pub list_type: Option<ListType>,
    pub rules: Option<Box<Rules>>,
}

impl Node {
    /// A place about which nothing is said.
    pub fn any() -> Node {
        Node {
            ty: NodeType::Any,
            nullable: false,
            preserve_unknown: false,
            embedded: false,
            atomic_map: false,
            has_defaults: false,
            has_rules: false,
            has_embedded: false,
            has_list_types: false,
            properties: Box::new([]),
            element: None,
            open: false,
            more: None,
        }
    }

    /// The declared property of this name.
    pub fn property(&self, name: &str) -> Option<&Arc<Node>> {
        let found = self.properties.binary_search_by(|(own, _)| (**own).cmp(name));
        found.ok().map(|at| &self.properties[at].1)
    }

    /// The place of a member of an object: of a declared property, or of all others.
    pub fn member(&self, name: &str) -> Option<&Node> {
        self.property(name).or(self.element.as_ref()).map(Arc::as_ref)
    }

    /// The default of a value that is absent here.
    pub fn default(&self) -> Option<&Value> {
        self.more.as_ref().and_then(|more| more.default.as_ref())
    }

    pub fn list_type(&self) -> &ListType {
        self.more.as_ref().and_then(|more| more.list_type.as_ref()).unwrap_or(&ListType::Atomic)
    }

    pub fn rules(&self) -> Option<&Rules> {
        self.more.as_ref().and_then(|more| more.rules.as_deref())
    }
}
