//! What etcd's errors say: whether the request took effect, and whether another try or endpoint may help.
//!
//! etcd tells most conditions apart by message only; they are listed in etcd's `rpctypes` package.

use std::error::Error as _;

use etcd_client::Error as EtcdError;
use tonic::{Code, ConnectError, Status};

use crate::{Error, Revision};

/// A failed request.
#[derive(Debug)]
pub(super) struct Failure {
    pub kind: Kind,
    /// One line for people.
    pub message: String,
    /// The connection, not the answer, was at fault.
    pub transport: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The request had no effect and may be sent again.
    NotDone,
    /// The request may have had its effect.
    Unknown,
    Compacted,
    Future,
    LeaseNotFound,
    Fatal,
}

impl Failure {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into(), transport: false }
    }

    pub fn timeout(seconds: u64) -> Self {
        Failure { kind: Kind::Unknown, message: format!("etcd did not answer within {seconds}s"), transport: true }
    }

    /// As the error of a read at a revision: whatever was not answered can be asked again.
    pub fn on_read(self, asked: Revision) -> Error {
        match self.kind {
            Kind::NotDone | Kind::Unknown => Error::Unavailable(self.message),
            Kind::Compacted => Error::Compacted { oldest: None },
            Kind::Future => Error::Future { asked, current: None },
            Kind::LeaseNotFound | Kind::Fatal => Error::Fatal(self.message),
        }
    }

    /// As the error of a write.
    pub fn on_write(self) -> Error {
        match self.kind {
            Kind::Unknown => Error::Indeterminate(self.message),
            // The one write at a revision is a compaction, which knows its revision itself.
            _ => self.on_read(0),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Fatal(message) => Failure::new(Kind::Fatal, message),
            other => Failure::new(Kind::Fatal, other.to_string()),
        }
    }
}

impl From<EtcdError> for Failure {
    fn from(error: EtcdError) -> Self {
        match error {
            EtcdError::GRpcStatus(status) => from_status(&status),
            EtcdError::TransportError(error) => Failure {
                kind: if never_sent(Some(&error)) { Kind::NotDone } else { Kind::Unknown },
                message: chain(&error),
                transport: true,
            },
            EtcdError::IoError(error) => Failure { kind: Kind::Unknown, message: error.to_string(), transport: true },
            EtcdError::WatchError(message) => Failure { kind: Kind::Unknown, message, transport: true },
            other => Failure::new(Kind::Fatal, other.to_string()),
        }
    }
}

fn from_status(status: &Status) -> Failure {
    let said = status.message();
    let has = |part: &str| said.contains(part);
    if never_sent(status.source()) {
        let message = status.source().map_or_else(|| said.to_owned(), chain);
        return Failure { kind: Kind::NotDone, message, transport: true };
    }
    let plain = |kind| Failure::new(kind, said);
    match status.code() {
        Code::Unavailable if has("no leader") || has("leader changed") => plain(Kind::NotDone),
        Code::Unavailable if has("etcdserver: ") => plain(Kind::Unknown),
        Code::ResourceExhausted if has("database space exceeded") => Failure::new(
            Kind::Fatal,
            format!("{said}: etcd takes no writes until it is compacted, defragmented and its NOSPACE alarm disarmed"),
        ),
        Code::ResourceExhausted if has("too many requests") => plain(Kind::NotDone),
        Code::OutOfRange if has("has been compacted") => plain(Kind::Compacted),
        Code::OutOfRange if has("future revision") => plain(Kind::Future),
        Code::NotFound if has("lease not found") => plain(Kind::LeaseNotFound),
        Code::FailedPrecondition if has("not leader") => plain(Kind::NotDone),
        _ if has("raft proposal dropped") => plain(Kind::NotDone),
        // The next endpoint may be a full member.
        Code::Unavailable | Code::FailedPrecondition if has("for learner") => {
            Failure { transport: true, ..plain(Kind::NotDone) }
        }
        Code::ResourceExhausted
        | Code::OutOfRange
        | Code::NotFound
        | Code::FailedPrecondition
        | Code::InvalidArgument
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented
        | Code::DataLoss => plain(Kind::Fatal),
        _ => {
            let message = match status.source() {
                Some(source) => format!("{said}: {}", chain(source)),
                None if said.is_empty() => status.code().to_string(),
                None => said.to_owned(),
            };
            Failure { kind: Kind::Unknown, message, transport: true }
        }
    }
}

/// Whether the connection was never made, so that the request cannot have been sent.
fn never_sent(error: Option<&(dyn std::error::Error + 'static)>) -> bool {
    let mut source = error;
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// An error and its causes in one line, without saying anything twice.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !line.contains(&said) {
            line.push_str(": ");
            line.push_str(&said);
        }
        source = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: Code, message: &str) -> Kind {
        Failure::from(EtcdError::GRpcStatus(Status::new(code, message))).kind
    }

    #[test]
    fn etcd_says_whether_it_happened() {
        for (code, message, expected) in [
            (Code::Unavailable, "etcdserver: leader changed", Kind::NotDone),
            (Code::Unavailable, "etcdserver: no leader", Kind::NotDone),
            (Code::Unavailable, "etcdserver: request timed out", Kind::Unknown),
            (Code::Unavailable, "etcdserver: server stopped", Kind::Unknown),
            (Code::Unavailable, "broken pipe", Kind::Unknown),
            (Code::Cancelled, "", Kind::Unknown),
            (Code::DeadlineExceeded, "context deadline exceeded", Kind::Unknown),
            (Code::ResourceExhausted, "etcdserver: too many requests", Kind::NotDone),
            (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", Kind::Fatal),
            (Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted", Kind::Compacted),
            (Code::OutOfRange, "etcdserver: mvcc: required revision is a future revision", Kind::Future),
            (Code::NotFound, "etcdserver: requested lease not found", Kind::LeaseNotFound),
            (Code::InvalidArgument, "etcdserver: request is too large", Kind::Fatal),
            (Code::PermissionDenied, "etcdserver: permission denied", Kind::Fatal),
        ] {
            assert_eq!(kind(code, message), expected, "{code:?} {message}");
        }
    }
}
