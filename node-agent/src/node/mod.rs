//! The Node object and its lease: registration, heartbeat, status.

pub mod cni;
mod lease;
pub mod machine;
mod registration;
mod status;

pub use lease::renew as renew_lease;
pub use registration::register;
pub use status::{NodeStatus, run as report_status};
