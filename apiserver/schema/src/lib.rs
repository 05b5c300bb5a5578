//! The compiled schema of every type: fields, protobuf numbers, list types, defaults, decoding and encoding.
//!
//! A [`Type`] describes one API object or part of one. Built-in types are static tables made by
//! `hack/xtask codegen`; those of custom resources are compiled at run time into the same form. Everything
//! that depends on the shape of an object reads this form: strict decoding, pruning, defaulting, strategic
//! merge keys, server-side apply, protobuf, OpenAPI.

pub mod defaults;
pub mod json;
pub mod protobuf;
pub mod quantity;
mod row;
pub mod structural;
#[rustfmt::skip]
mod tables;
pub mod time;
mod types;
pub mod yaml;

pub use types::{Field, ListType, MapType, Omit, PatchStrategy, Ref, SchemaOr, Shape, Type};

/// A built-in kind and its type.
#[derive(Debug)]
pub struct Builtin {
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub ty: &'static Type,
}

/// The type of a built-in kind. The kinds of `meta/v1` (`Status`, `DeleteOptions`, `Table`, ...) are found in
/// every group and version, as upstream registers them.
pub fn builtin(group: &str, version: &str, kind: &str) -> Option<&'static Type> {
    let find = |group: &str, version: &str| {
        let found =
            tables::KINDS.binary_search_by(|row| (row.group, row.version, row.kind).cmp(&(group, version, kind)));
        found.ok().map(|at| tables::KINDS[at].ty)
    };
    find(group, version).or_else(|| find("meta.k8s.io", "v1"))
}

/// The type with this OpenAPI definition name, for example `io.k8s.api.core.v1.Pod`.
pub fn builtin_by_name(definition: &str) -> Option<&'static Type> {
    let found = tables::TYPES.binary_search_by(|ty| (*ty.name).cmp(definition));
    found.ok().map(|at| tables::TYPES[at])
}

/// Every built-in kind, sorted by group, version and kind.
pub fn builtins() -> &'static [Builtin] {
    &tables::KINDS
}

/// Every built-in type, sorted by definition name.
pub fn types() -> &'static [&'static Type] {
    &tables::TYPES
}
