//! The cache against a store in memory, with time that is advanced and not slept.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its fixtures too")]

mod contract;
mod mending;
mod model;
mod outage;
mod reads;
mod stress;
mod support;
mod watches;
