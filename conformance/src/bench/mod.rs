//! Benchmarks of API servers: the same loads against upstream's and ours in turn, each with an etcd of its own.
//!
//! A load is one file of `loads/`. What it measures becomes rows of one table, each with the goal it is held to.

pub mod client;
pub mod loads;
pub mod objects;
pub mod pki;
pub mod process;
pub mod report;
pub mod subject;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Result;

use client::Client;
use objects::Sizes;
use subject::Subject;

/// One thing that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub name: &'static str,
    pub unit: &'static str,
    pub goal: Goal,
}

/// What a figure of ours is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At least so many times upstream's.
    Times(f64),
    /// At most upstream's divided by this.
    Fraction(f64),
    /// At most this, whatever upstream needs.
    AtMost(f64),
    /// Only shown.
    None,
}

/// A figure, or none where the server does not do what would be measured.
pub type Figure = Option<f64>;

type Running<'a> = Pin<Box<dyn Future<Output = Result<Vec<Figure>>> + Send + 'a>>;

/// A load: what it needs, what it measures, and how.
pub struct Load {
    pub name: &'static str,
    pub rows: &'static [Row],
    /// Whether the objects of the load `creates` must be there.
    pub objects: bool,
    /// Whether it is run once, however many rounds are asked for.
    pub once: bool,
    /// One round; the figures are those of `rows`, in their order.
    pub run: for<'a> fn(&'a Setting<'a>) -> Running<'a>,
}

/// What a round of a load is run with.
pub struct Setting<'a> {
    pub subject: &'a Subject,
    pub client: &'a Arc<Client>,
    pub sizes: &'a Sizes,
    pub round: usize,
    pub rounds: usize,
}
