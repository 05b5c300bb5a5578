//! Values read by their schema: what structured-merge-diff calls typed values.

mod compare;
mod configuration;
mod fields;
mod merge;
mod place;
mod reconcile;
mod remove;
mod validate;
mod zero;

pub(crate) use compare::{Comparison, compare};
pub use configuration::merge_configuration;
pub(crate) use fields::{fields_of, with_named_fields};
pub(crate) use merge::merge;
pub(crate) use place::Place;
pub(crate) use reconcile::reconcile;
pub(crate) use remove::remove;
pub(crate) use validate::validate;
pub(crate) use zero::zero;
