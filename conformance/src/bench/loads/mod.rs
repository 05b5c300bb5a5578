//! All loads, in the order in which they are run.

mod crds;
mod creates;
mod gets;
mod lists;
mod memory;
mod patches;
mod startup;
mod watches;

use super::Load;

/// Later ones find what earlier ones left: the objects of `creates` are what is listed and patched.
pub const ALL: &[Load] = &[
    startup::LOAD,
    memory::IDLE,
    creates::LOAD,
    gets::LOAD,
    lists::WHOLE,
    lists::SELECTIVE,
    memory::FULL,
    patches::LOAD,
    watches::LOAD,
    crds::LOAD,
];
