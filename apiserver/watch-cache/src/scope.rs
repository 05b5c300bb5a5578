//! Which objects a read or a watch is about, as far as the cache can use it to skip the others.

use smol_str::SmolStr;

use crate::object::Object;

/// The exact-match part of a selection: everything given must hold. What it cannot say goes into a filter.
///
/// Naming more never makes a read slower: the cache picks the narrowest index it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub(crate) namespace: Option<SmolStr>,
    pub(crate) name: Option<SmolStr>,
    pub(crate) fields: Vec<(SmolStr, SmolStr)>,
    pub(crate) labels: Vec<(SmolStr, SmolStr)>,
}

impl Scope {
    /// Every object of the resource.
    pub fn all() -> Self {
        Scope::default()
    }

    /// Only those of one namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<SmolStr>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only those of one name (`metadata.name`), in any namespace unless one is given.
    #[must_use]
    pub fn name(mut self, name: impl Into<SmolStr>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only those whose selectable field has this value. An absent field is the empty string.
    #[must_use]
    pub fn field(mut self, field: impl Into<SmolStr>, value: impl Into<SmolStr>) -> Self {
        self.fields.push((field.into(), value.into()));
        self
    }

    /// Only those that have this label with this value.
    #[must_use]
    pub fn label(mut self, key: impl Into<SmolStr>, value: impl Into<SmolStr>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// Whether the object is in the scope.
    pub fn matches(&self, object: &Object) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| object.namespace() == namespace)
            && self.name.as_ref().is_none_or(|name| object.name() == name)
            && self.fields.iter().all(|(field, value)| object.field(field) == value)
            && self.labels.iter().all(|(key, value)| object.label(key) == Some(value))
    }

    pub(crate) fn is_all(&self) -> bool {
        *self == Scope::default()
    }
}
