//! Custom resources: what CustomResourceDefinitions add to what the server serves.
//!
//! [`definition`] reads a definition and compiles it; [`table`] is the part of the table of resources that changes
//! while the server runs; [`controller`] keeps it and the definitions' statuses in step; [`hooks`] are the rules of
//! a custom resource. Requests pass the same code as those for built-in resources.

mod columns;
mod controller;
mod conversion;
mod decode;
mod definition;
mod hooks;
mod json_path;
mod names;
#[cfg(test)]
mod property_tests;
pub mod rules;
pub mod schema_conditions;
mod store;
mod table;

pub use columns::PrinterColumn;
pub use controller::{CLEANUP, run};
pub use decode::decode;
pub use definition::{DefinedVersion, Definition};
pub use hooks::{CustomResource, at, error};
pub use store::LazyStore;
pub use table::{CustomResources, Group, Installed, version_order};

/// The group of CustomResourceDefinitions.
pub const GROUP: &str = "apiextensions.k8s.io";
/// Their plural name.
pub const PLURAL: &str = "customresourcedefinitions";
