//! Black-box tests and benchmarks for any cluster named by KUBECONFIG: none of them links what it tests.

// No runtime here whose threads could be blocked.
#![allow(clippy::disallowed_methods)]

pub mod bench;
pub mod context;
pub mod differential;
pub mod e2e;
pub mod harness;
pub mod http;
pub mod machine;
pub mod server;
pub mod steps;
pub mod stored;
pub mod walks;
