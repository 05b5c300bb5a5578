//! The cache against a store in memory, with time that is advanced and not slept.

mod model;
mod outage;
mod reads;
mod support;
mod watches;
