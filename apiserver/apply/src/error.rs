//! What goes wrong when a patch is applied, by the HTTP answer it leads to.

use thiserror::Error;

/// Why a JSON patch, merge patch or strategic merge patch was not applied.
///
/// The text is the cause in upstream's words; [`PatchError::status_message`] is what the `Status` carries.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatchError {
    /// 400, reason `BadRequest`: the patch itself is malformed.
    #[error("{0}")]
    BadRequest(String),
    /// 413, reason `RequestEntityTooLarge`: too many operations.
    #[error("{0}")]
    TooLarge(String),
    /// 422, reason `Invalid`: the patch does not fit the object.
    #[error("{0}")]
    Unprocessable(String),
    /// 500, no reason: upstream answers these as internal errors.
    #[error("{0}")]
    Internal(String),
}

impl PatchError {
    /// The HTTP status code.
    pub fn code(&self) -> u16 {
        match self {
            PatchError::BadRequest(_) => 400,
            PatchError::TooLarge(_) => 413,
            PatchError::Unprocessable(_) => 422,
            PatchError::Internal(_) => 500,
        }
    }

    /// The `reason` of the `Status`; empty for an internal error.
    pub fn reason(&self) -> &'static str {
        match self {
            PatchError::BadRequest(_) => "BadRequest",
            PatchError::TooLarge(_) => "RequestEntityTooLarge",
            PatchError::Unprocessable(_) => "Invalid",
            PatchError::Internal(_) => "",
        }
    }

    /// The `message` of the `Status`. Upstream hides the cause of a 422 behind a fixed sentence.
    pub fn status_message(&self) -> String {
        match self {
            PatchError::BadRequest(cause) | PatchError::Internal(cause) => cause.clone(),
            PatchError::TooLarge(cause) => format!("Request entity too large: {cause}"),
            PatchError::Unprocessable(_) => "the server rejected our request due to an error in our request".to_owned(),
        }
    }
}
