//! The cache against a store in memory, with time that is advanced and not slept.

mod contract;
mod model;
mod outage;
mod reads;
mod stress;
mod support;
mod watches;
