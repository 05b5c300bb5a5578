//! The compiled schema of every type: fields, protobuf numbers, list types, defaults, decoding and encoding.
//!
//! A [`Type`] describes one API object or part of one. Built-in types are static tables made by
//! `hack/xtask codegen`; those of custom resources are compiled at run time into the same form. Everything
//! that depends on the shape of an object reads this form: strict decoding, pruning, defaulting, strategic
//! merge keys, server-side apply, protobuf, OpenAPI.

mod types;

pub use types::{Field, ListType, MapType, Omit, PatchStrategy, Ref, Shape, Type};
