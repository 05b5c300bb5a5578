//! The differential tester: the same scripted requests to two servers, or to one and to what another answered earlier.
//!
//! A [`script`] is a data file. [`run`] sends its requests to one server and [`normalise`]s what comes back, so that
//! nothing is left in it that differs from run to run. [`compare`] tells how two such answers differ.

pub mod accepted;
pub mod client;
pub mod compare;
pub mod corpus;
pub mod kubeconfig;
pub mod normalise;
pub mod recording;
pub mod run;
pub mod script;
pub mod tree;
pub mod variables;
pub mod wire;
