//! What an expression may mention besides the functions: variables and message types.

use std::sync::Arc;

use crate::decl_type::DeclType;
use crate::types::{Name, Type};

/// Finds message types by their names: what `Object{...}` and `Object.spec{...}` mean.
pub trait StructTypes: Send + Sync {
    /// The type, if there is one of that name.
    fn find(&self, name: &str) -> Option<Type>;
}

/// An environment for expressions: Kubernetes 1.36's language and functions, plus these variables.
#[derive(Clone, Default)]
pub struct Env {
    variables: Vec<Variable>,
    structs: Option<Arc<dyn StructTypes>>,
}

#[derive(Clone)]
struct Variable {
    name: Name,
    of: Type,
    decl: Option<Arc<DeclType>>,
}

impl Env {
    /// An environment without variables.
    #[must_use]
    pub fn new() -> Env {
        Env::default()
    }

    /// Declares a variable.
    #[must_use]
    pub fn variable_of(mut self, name: &str, of: Type) -> Env {
        self.variables.push(Variable { name: name.into(), of, decl: None });
        self
    }

    /// Declares a variable whose values a schema describes; its limits count for the estimate of costs.
    #[must_use]
    pub fn typed_variable(mut self, name: &str, decl: &Arc<DeclType>) -> Env {
        self.variables.push(Variable { name: name.into(), of: decl.cel_type(), decl: Some(decl.clone()) });
        self
    }

    /// As [`Env::typed_variable`], but the variable is an optional of such values.
    #[must_use]
    pub fn optional_variable(mut self, name: &str, decl: &Arc<DeclType>) -> Env {
        let of = Type::optional(decl.cel_type());
        self.variables.push(Variable { name: name.into(), of, decl: Some(decl.clone()) });
        self
    }

    /// Lets expressions make messages of these types.
    #[must_use]
    pub fn struct_types(mut self, types: Arc<dyn StructTypes>) -> Env {
        self.structs = Some(types);
        self
    }

    pub(crate) fn variable(&self, name: &str) -> Option<(&Name, &Type)> {
        self.variables.iter().find(|variable| &*variable.name == name).map(|variable| (&variable.name, &variable.of))
    }

    /// Some functions are only for those who make patches.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        self.structs.is_some() || name != "jsonpatch.escapeKey"
    }

    pub(crate) fn struct_type(&self, name: &str) -> Option<Type> {
        self.structs.as_ref()?.find(name)
    }

    /// The largest size of what a path of names leads to, where a schema says.
    pub(crate) fn size_at(&self, path: &[Name]) -> Option<u64> {
        let (root, rest) = path.split_first()?;
        // Upstream takes every path for one from the schema's root, whatever variable (or type) it begins with.
        let named = self.variables.iter().filter(|variable| variable.name == *root);
        let decl = named.chain(&self.variables).find_map(|variable| variable.decl.as_ref())?;
        decl.size_at(rest)
    }
}
