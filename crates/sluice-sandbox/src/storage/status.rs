//! What went wrong, in the words of gRPC.

use crate::problem::{Problem, Reason};
use tonic::{Code, Status};

pub fn of(problem: Problem) -> Status {
    Status::new(code(problem.reason), problem.message)
}

/// The status that REST would have answered with: the log has one kind of number for both.
pub fn http(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::Aborted | Code::AlreadyExists => 409,
        Code::ResourceExhausted => 429,
        Code::Cancelled => 499,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    }
}

fn code(reason: Reason) -> Code {
    match reason {
        Reason::AccessDenied => Code::PermissionDenied,
        Reason::AuthError => Code::Unauthenticated,
        Reason::BackendError => Code::Unavailable,
        Reason::BytesBilledLimitExceeded | Reason::Invalid | Reason::InvalidQuery | Reason::ResourceInUse => Code::InvalidArgument,
        Reason::ConditionNotMet => Code::FailedPrecondition,
        Reason::Duplicate => Code::AlreadyExists,
        Reason::InternalError => Code::Internal,
        Reason::NotFound => Code::NotFound,
        Reason::NotImplemented => Code::Unimplemented,
        Reason::RateLimitExceeded | Reason::ResourcesExceeded | Reason::ResponseTooLarge => Code::ResourceExhausted,
        Reason::Stopped => Code::Cancelled,
        Reason::Timeout => Code::DeadlineExceeded,
    }
}
