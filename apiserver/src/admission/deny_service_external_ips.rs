//! DenyServiceExternalIPs: services get no new external addresses.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object::items;
use crate::status::Result;

pub struct DenyServiceExternalIps;

#[async_trait]
impl Plugin for DenyServiceExternalIps {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        matches!(attributes.operation, Operation::Create | Operation::Update) && attributes.is("", "services")
    }

    async fn validate(&self, attributes: &Attributes<'_>, service: &Value) -> Result<()> {
        let had = attributes.old.map(|old| items(&old["spec"]["externalIPs"])).unwrap_or_default();
        if items(&service["spec"]["externalIPs"]).iter().all(|address| had.contains(address)) {
            return Ok(());
        }
        Err(attributes.forbidden(service, "Use of external IPs is denied by admission control"))
    }
}
