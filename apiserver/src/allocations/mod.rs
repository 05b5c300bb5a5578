//! What a write takes from a limited supply and gives back when it fails or the object goes: the cluster
//! addresses and node ports of services.

use serde_json::Value;

use crate::context::{Context, Target};
use crate::server::Server;
use crate::status::Result;

pub mod addresses;
mod bitmap;
mod ip_families;
mod node_ports;
pub mod range;
mod repair;
mod service;
mod service_ports;

pub use service::ServiceRanges;

/// The supplies.
pub struct Allocations {
    services: service::Services,
}

/// What a write took, to give back if it does not happen, and what it lets go once it has happened.
#[derive(Default)]
pub struct Transaction {
    taken: Vec<service::Taken>,
    freed: Vec<service::Taken>,
}

impl Allocations {
    /// # Errors
    /// What is kept cannot be encoded.
    pub fn new(ranges: ServiceRanges) -> anyhow::Result<Self> {
        Ok(Allocations { services: service::Services::new(ranges)? })
    }

    /// Makes what is recorded as taken agree with the objects there are: at start and now and then.
    pub async fn repair(&self, server: &Server) -> Result<()> {
        self.services.repair(server).await
    }

    pub async fn before_create(
        &self,
        context: &Context,
        target: &Target,
        object: &mut Value,
        dry_run: bool,
    ) -> Result<Transaction> {
        if is_service(target) {
            return self.services.allocate(&context.server, object, None, dry_run).await;
        }
        Ok(Transaction::default())
    }

    /// What is refused before the rules of the kind are asked, because addresses are taken first.
    pub fn before_rules(&self, target: &Target, object: &Value, dry_run: bool) -> Result<()> {
        if is_service(target) && !dry_run { self.services.refuse_nameless(object) } else { Ok(()) }
    }

    pub async fn before_update(
        &self,
        context: &Context,
        target: &Target,
        object: &mut Value,
        old: &Value,
        dry_run: bool,
    ) -> Result<Transaction> {
        if is_service(target) && context.info.subresource.is_empty() {
            return self.services.allocate(&context.server, object, Some(old), dry_run).await;
        }
        Ok(Transaction::default())
    }

    /// Gives back all that a deleted object had.
    pub async fn after_delete(&self, context: &Context, target: &Target, object: &Value) {
        if is_service(target) {
            self.services.release(&context.server, object).await;
        }
    }
}

impl Transaction {
    /// The write did not happen.
    pub async fn revert(self, context: &Context) {
        context.server.allocations.services.give_back(&context.server, self.taken).await;
    }

    /// The write happened.
    pub async fn commit(self, context: &Context) {
        context.server.allocations.services.give_back(&context.server, self.freed).await;
    }
}

fn is_service(target: &Target) -> bool {
    let resource = target.resource();
    resource.group.is_empty() && resource.plural == "services"
}
