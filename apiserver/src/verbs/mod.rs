//! The verbs, one file each, compiled once for all resources.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod patch;
mod patch_fields;
pub mod update;
pub mod watch;
pub mod write;

pub use write::{Change, change, track as track_manager, track_update as track};
