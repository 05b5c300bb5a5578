//! The pod's status: computed from the runtime's records, kept and sent to the API when it changed.

pub mod conditions;
pub mod generate;
pub mod manager;
mod phase;
