//! The sets of fields that `metadata.managedFields` holds, and the list of managers itself.

mod element;
mod entries;
mod filter;
mod set;

pub use element::{ElementError, PathElement, compare_values};
pub use entries::{Entry, Managed, Manager, Operation, ignore_times, validate};
pub use filter::{Filter, Pattern};
pub use set::{FieldNode, FieldSet};

pub(crate) use element::same_value;
