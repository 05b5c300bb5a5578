//! The sets of fields that `metadata.managedFields` holds.

/// What may stay in a set of owned fields.
pub enum Filter {}
