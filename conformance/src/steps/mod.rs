//! The acceptance walk: one file for each thing that a cluster does, all of them listed here.

mod api_access;
mod cleanup;
mod containers;
mod crash;
mod events;
mod join;
mod nodes;
mod ownership;
mod services;
mod startup;
mod stored;
mod streams;
mod volumes;
mod workloads;

use crate::harness::Step;

/// Every step, in the order in which they run.
pub fn all() -> Vec<Step> {
    let groups = [
        workloads::steps(),
        services::steps(),
        streams::steps(),
        containers::steps(),
        volumes::steps(),
        api_access::steps(),
        ownership::steps(),
        events::steps(),
        nodes::steps(),
        join::steps(),
        stored::steps(),
        cleanup::steps(),
        crash::steps(),
        startup::steps(),
    ];
    groups.into_iter().flatten().collect()
}
