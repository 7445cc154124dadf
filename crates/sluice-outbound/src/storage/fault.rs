//! What a status of gRPC's means.

use crate::bigquery::ERROR_MESSAGE_BYTES_MAX;
use sluice_app::{UpstreamError, UpstreamFault, UpstreamFaultKind};
use std::error::Error;
use tonic::{Code, Status};

/// How the reader of messages says that one is longer than it may be.
const TOO_LONG: &str = "Error, decoded message length too large";

/// One attempt that failed.
pub struct Failure {
    pub kind: UpstreamFaultKind,
    pub error: Option<UpstreamError>,
    pub detail: String,
    /// The same call may be answered better a moment later.
    pub may_pass: bool,
    /// BigQuery has never seen it.
    pub is_unsent: bool,
}

impl Failure {
    pub fn unsent(detail: String) -> Failure {
        Failure { kind: UpstreamFaultKind::Unavailable, error: None, detail, may_pass: true, is_unsent: true }
    }

    pub fn late() -> Failure {
        let detail = "no answer in time".to_owned();
        Failure { kind: UpstreamFaultKind::Deadline, error: None, detail, may_pass: true, is_unsent: false }
    }

    /// It would be the same again.
    pub fn odd(detail: &str) -> Failure {
        let kind = UpstreamFaultKind::Malformed;
        Failure { kind, error: None, detail: detail.to_owned(), may_pass: false, is_unsent: false }
    }

    pub fn of(status: &Status) -> Failure {
        let code = status.code();
        let detail = format!("gRPC status {code:?}");
        let failure = |kind, error, may_pass| Failure { kind, error, detail: detail.clone(), may_pass, is_unsent: false };
        if status.source().is_some() {
            // Nobody said this: the connection broke.
            return failure(UpstreamFaultKind::Unavailable, None, true);
        }
        if code == Code::OutOfRange && status.message().starts_with(TOO_LONG) {
            return failure(UpstreamFaultKind::TooLarge, None, false);
        }
        let refused = |reason: &str| failure(UpstreamFaultKind::Refused, Some(said(reason, status.message())), false);
        match code {
            Code::AlreadyExists => refused("duplicate"),
            Code::Cancelled => refused("stopped"),
            Code::DeadlineExceeded => failure(UpstreamFaultKind::Deadline, None, true),
            Code::FailedPrecondition | Code::InvalidArgument | Code::OutOfRange => refused("invalid"),
            Code::NotFound => refused("notFound"),
            Code::PermissionDenied => refused("accessDenied"),
            Code::ResourceExhausted => refused("quotaExceeded"),
            Code::Unauthenticated => failure(UpstreamFaultKind::Credential, None, false),
            Code::Unimplemented => refused("notImplemented"),
            Code::Aborted | Code::DataLoss | Code::Internal | Code::Ok | Code::Unavailable | Code::Unknown => {
                failure(UpstreamFaultKind::Unavailable, None, true)
            }
        }
    }

    pub fn fault(self, attempts: u64, may_have_acted: bool) -> UpstreamFault {
        let Failure { kind, error, detail, .. } = self;
        UpstreamFault { kind, status: None, error, attempts, may_have_acted, detail }
    }
}

fn said(reason: &str, message: &str) -> UpstreamError {
    let mut message = message.to_owned();
    message.truncate(message.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX));
    UpstreamError { reason: reason.to_owned(), location: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_means_one_thing() {
        let check = |status: Status, expect: (UpstreamFaultKind, Option<&str>, bool)| {
            let failure = Failure::of(&status);
            let reason = failure.error.as_ref().map(|error| error.reason.as_str());
            assert_eq!((failure.kind, reason, failure.may_pass), expect, "{status}");
        };
        check(Status::invalid_argument("x"), (UpstreamFaultKind::Refused, Some("invalid"), false));
        check(Status::out_of_range("offset 9 is beyond"), (UpstreamFaultKind::Refused, Some("invalid"), false));
        check(Status::out_of_range(format!("{TOO_LONG}: found 9")), (UpstreamFaultKind::TooLarge, None, false));
        check(Status::not_found("x"), (UpstreamFaultKind::Refused, Some("notFound"), false));
        check(Status::permission_denied("x"), (UpstreamFaultKind::Refused, Some("accessDenied"), false));
        check(Status::unauthenticated("x"), (UpstreamFaultKind::Credential, None, false));
        check(Status::unavailable("x"), (UpstreamFaultKind::Unavailable, None, true));
        check(Status::internal("x"), (UpstreamFaultKind::Unavailable, None, true));
        check(Status::deadline_exceeded("x"), (UpstreamFaultKind::Deadline, None, true));
        check(Status::from_error(Box::new(std::io::Error::other("x"))), (UpstreamFaultKind::Unavailable, None, true));
    }
}
