//! Strategic merge patch.

use apiserver_schema::Type;
use serde_json::Value;

use crate::PatchError;

/// Merges the strategic merge patch `patch` into `doc`, an object of type `ty`. `doc` is unspecified on error.
pub fn apply(_ty: &Type, _doc: &mut Value, _patch: &Value) -> Result<(), PatchError> {
    Err(PatchError::Internal("strategic merge patch is not built yet".to_owned()))
}
