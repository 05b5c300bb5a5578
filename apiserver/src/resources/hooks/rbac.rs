//! Roles and bindings: their names may be any segment of a path.

use super::Hooks;
use crate::resources::names;

pub struct Rbac;

impl Hooks for Rbac {
    fn invalid_name(&self, name: &str, _prefix: bool) -> Option<String> {
        names::path_segment(name)
    }
}
