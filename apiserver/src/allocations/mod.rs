//! What a write takes from a limited supply and gives back when it fails or the object goes: the cluster
//! addresses and node ports of services.

use serde_json::Value;

use crate::context::{Context, Target};
use crate::status::Result;

mod service;

pub use service::ServiceRanges;

/// The supplies.
pub struct Allocations {
    services: service::Services,
}

/// What to give back if the write does not happen.
#[derive(Default)]
pub struct Undo {
    services: Vec<service::Taken>,
}

impl Allocations {
    pub fn new(ranges: ServiceRanges) -> Self {
        Allocations { services: service::Services::new(ranges) }
    }

    pub async fn before_create(
        &self,
        context: &Context,
        target: &Target,
        object: &mut Value,
        dry_run: bool,
    ) -> Result<Undo> {
        if is_service(target) {
            return self.services.allocate(&context.server, object, None, dry_run).await;
        }
        Ok(Undo::default())
    }

    pub async fn before_update(
        &self,
        context: &Context,
        target: &Target,
        object: &mut Value,
        old: &Value,
        dry_run: bool,
    ) -> Result<Undo> {
        if is_service(target) && context.info.subresource.is_empty() {
            return self.services.allocate(&context.server, object, Some(old), dry_run).await;
        }
        Ok(Undo::default())
    }

    /// Gives back all that a deleted object had.
    pub async fn after_delete(&self, context: &Context, target: &Target, object: &Value) {
        if is_service(target) {
            self.services.release(&context.server, object).await;
        }
    }
}

impl Undo {
    pub async fn run(self, context: &Context) {
        for taken in self.services {
            taken.give_back(&context.server).await;
        }
    }
}

fn is_service(target: &Target) -> bool {
    let resource = target.resource();
    resource.group.is_empty() && resource.plural == "services"
}
