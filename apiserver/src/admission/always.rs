//! AlwaysAdmit and AlwaysDeny: both have no real meaning, and old manifests name them.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Plugin};
use crate::status::Result;

pub struct AlwaysAdmit;

impl Plugin for AlwaysAdmit {
    fn handles(&self, _attributes: &Attributes<'_>) -> bool {
        false
    }
}

pub struct AlwaysDeny;

#[async_trait]
impl Plugin for AlwaysDeny {
    fn handles(&self, _attributes: &Attributes<'_>) -> bool {
        true
    }

    async fn admit(&self, attributes: &Attributes<'_>, object: &mut Value) -> Result<()> {
        Err(attributes.forbidden(object, "admission control is denying all modifications"))
    }
}
