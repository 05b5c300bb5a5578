//! The audit log: what a policy says is recorded of a request, and where the records go.
//!
//! A [`Policy`] decides once for each request. What follows is noted in the request's [`Record`], which sends an
//! [`Event`] to the [`Sink`] at each stage. Nothing is noted for a request at [`Level::None`].
//!
//! Source: apiserver `pkg/audit`, `pkg/apis/audit/v1`, `plugin/pkg/audit`.

mod batch;
mod event;
mod json;
mod log;
mod metrics;
mod policy;
mod record;
mod sink;
mod truncate;
mod webhook;

pub use batch::Batching;
pub use event::{Event, ObjectReference, ResponseStatus, User};
pub use json::compact;
pub use log::{Format, LogFile};
pub use metrics::Metrics;
pub use policy::{Attributes, Decision, Level, Policy, PolicyError, Stage};
pub use record::{ObjectNames, Record};
pub use sink::{LogBackend, Mode, Sink};
pub use truncate::Truncation;
pub use webhook::{Backoff, Deliver, WebhookBackend};

#[cfg(test)]
mod policy_properties;
