//! What a controller is to the manager: a name, an identity, a start function; and what it is given.

use std::{pin::Pin, sync::Arc};

use anyhow::Result;
use controllers_component_base::events::Recorder;
use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::{informers::Informers, options::Options};

/// One row of the list of controllers.
pub struct Controller {
    /// As in `--controllers`.
    pub name: &'static str,
    /// Earlier name, still taken by `--controllers`; empty where there is none.
    pub alias: &'static str,
    /// In kube-system; upstream's bootstrap role `system:controller:<service account>` is its.
    pub service_account: &'static str,
    /// `source.component` of its events.
    pub event_source: &'static str,
    /// Runs until the context's shutdown, or returns at once where the options leave it nothing to do.
    pub run: fn(Context) -> Running,
}

pub type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// What a controller works with.
#[derive(Clone)]
pub struct Context {
    /// Acts as the controller's service account (or as the manager itself, by flag).
    pub client: Client,
    pub recorder: Recorder,
    pub informers: Arc<Informers>,
    pub options: Arc<Options>,
    pub shutdown: CancellationToken,
}
