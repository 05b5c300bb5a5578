//! Priority and fairness: which request is served when there are more than the server can serve.
//!
//! A [`Classifier`] finds a request's flow schema; that names a [`Level`] with a share of the server's seats and,
//! mostly, queues. [`QueueSet`] decides who of those that wait comes next. [`Fairness`] is all of it for one server.
//!
//! Source: apiserver `pkg/util/flowcontrol`, KEP-1040.

mod allocation;
mod classifier;
mod config;
mod demand;
mod dump;
mod estimate;
mod fairness;
mod level;
mod metrics;
mod queue_set;
mod retry_after;
mod sharding;
mod timing;
mod watches;

pub use classifier::{Asked, Classifier, Schema};
pub use config::{FlowSchema, PriorityLevel};
pub use dump::Details;
pub use estimate::{Estimate, ListShape, list_seats, mutating_seats};
pub use fairness::{Fairness, Refused};
pub use level::{Level, Seat};
pub use metrics::Metrics;
pub use queue_set::{Key, New, QueueSet, Queuing, Reason, Started};
pub use sharding::Dealer;
pub use watches::{Interest, Watches};
