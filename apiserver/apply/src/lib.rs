//! JSON patch, merge patch, strategic merge patch and server-side apply; pure.
//!
//! Everything works on `serde_json::Value` and, where the shape of the object matters, on
//! [`apiserver_schema::Type`]. Nothing here does I/O, knows the time or knows a kind.

pub mod error;
mod go_text;
pub mod json_patch;
pub mod managed_fields;
pub mod merge_patch;
pub mod server_side;
pub mod strategic;
mod typed;

#[cfg(test)]
mod test_types;

pub use error::PatchError;
pub use go_text::go_value;
pub use typed::merge_configuration;
