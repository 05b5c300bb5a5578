//! The result of a command, as metav1.Status on the error stream.

use serde::{Deserialize, Serialize};

const SUCCESS: &str = "Success";
const FAILURE: &str = "Failure";
const NON_ZERO_EXIT_CODE: &str = "NonZeroExitCode";
const EXIT_CODE: &str = "ExitCode";

/// A metav1.Status, as far as results of commands use it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub code: i32,
}

/// metav1.ListMeta, which is always written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Metadata {}

/// metav1.StatusDetails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}

/// metav1.StatusCause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

fn is_zero(code: &i32) -> bool {
    *code == 0
}

impl Status {
    /// The command exited with 0.
    #[must_use]
    pub fn success() -> Self {
        Self { status: SUCCESS.to_owned(), ..Self::default() }
    }

    /// The command exited with `code`; 0 is success. `error` is what the runtime says of it.
    #[must_use]
    pub fn exited(code: i32, error: &str) -> Self {
        if code == 0 {
            return Self::success();
        }
        Self {
            status: FAILURE.to_owned(),
            message: format!("command terminated with non-zero exit code: {error}"),
            reason: NON_ZERO_EXIT_CODE.to_owned(),
            details: Some(Details { causes: vec![Cause { reason: EXIT_CODE.to_owned(), message: code.to_string() }] }),
            ..Self::default()
        }
    }

    /// `exited` in the words of a client that only knows the code.
    #[must_use]
    pub fn exit_code(code: i32) -> Self {
        Self::exited(code, &format!("command terminated with exit code {code}"))
    }

    /// The command could not be run.
    #[must_use]
    pub fn internal_error(error: &str) -> Self {
        Self {
            status: FAILURE.to_owned(),
            message: format!("Internal error occurred: {error}"),
            reason: "InternalError".to_owned(),
            code: 500,
            // Upstream repeats the error as a cause of its own.
            details: Some(Details { causes: vec![Cause { reason: String::new(), message: error.to_owned() }] }),
            ..Self::default()
        }
    }

    /// Whether the command exited with 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status == SUCCESS
    }

    /// The exit code, if the command exited at all.
    #[must_use]
    pub fn exited_with(&self) -> Option<i32> {
        if self.is_success() {
            return Some(0);
        }
        if self.reason != NON_ZERO_EXIT_CODE {
            return None;
        }
        let causes = &self.details.as_ref()?.causes;
        causes.iter().find(|cause| cause.reason == EXIT_CODE)?.message.parse().ok()
    }

    /// What the error stream of a v4 or v5 server says.
    pub(super) fn from_json(json: &[u8]) -> Self {
        match serde_json::from_slice::<Self>(json) {
            Ok(status) if status.status == SUCCESS || status.status == FAILURE => status,
            Ok(_) => Self::internal_error("error stream protocol error: unknown error"),
            Err(error) => Self::internal_error(&format!(
                "error stream protocol error: {error} in {:?}",
                String::from_utf8_lossy(json)
            )),
        }
    }

    /// What the error stream of an older server says: nothing is success.
    pub(super) fn from_text(text: &[u8]) -> Self {
        if text.is_empty() {
            return Self::success();
        }
        Self::internal_error(&format!("error executing remote command: {}", String::from_utf8_lossy(text)))
    }

    /// The status as a translating proxy tells it on: it only keeps the exit code or the message.
    pub(super) fn translated(&self) -> Self {
        match self.exited_with() {
            Some(code) => Self::exit_code(code),
            None => Self::internal_error(&self.message),
        }
    }
}
