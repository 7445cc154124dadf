//! What the warehouse answers when it does not do what was asked: BigQuery's reasons, statuses and error shapes.

use serde_json::{Value, json};
use std::fmt;

/// One failure, as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub reason: Reason,
    pub message: String,
    /// `query`, or the name of a parameter, where BigQuery gives one.
    pub location: Option<String>,
}

/// BigQuery's own words for why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    AccessDenied,
    AuthError,
    BackendError,
    BytesBilledLimitExceeded,
    ConditionNotMet,
    Duplicate,
    InternalError,
    Invalid,
    InvalidQuery,
    NotFound,
    NotImplemented,
    RateLimitExceeded,
    ResourceInUse,
    ResourcesExceeded,
    ResponseTooLarge,
    Stopped,
    Timeout,
}

impl Reason {
    pub const ALL: [Reason; 17] = [
        Reason::AccessDenied,
        Reason::AuthError,
        Reason::BackendError,
        Reason::BytesBilledLimitExceeded,
        Reason::ConditionNotMet,
        Reason::Duplicate,
        Reason::InternalError,
        Reason::Invalid,
        Reason::InvalidQuery,
        Reason::NotFound,
        Reason::NotImplemented,
        Reason::RateLimitExceeded,
        Reason::ResourceInUse,
        Reason::ResourcesExceeded,
        Reason::ResponseTooLarge,
        Reason::Stopped,
        Reason::Timeout,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Reason::AccessDenied => "accessDenied",
            Reason::AuthError => "authError",
            Reason::BackendError => "backendError",
            Reason::BytesBilledLimitExceeded => "bytesBilledLimitExceeded",
            Reason::ConditionNotMet => "conditionNotMet",
            Reason::Duplicate => "duplicate",
            Reason::InternalError => "internalError",
            Reason::Invalid => "invalid",
            Reason::InvalidQuery => "invalidQuery",
            Reason::NotFound => "notFound",
            Reason::NotImplemented => "notImplemented",
            Reason::RateLimitExceeded => "rateLimitExceeded",
            Reason::ResourceInUse => "resourceInUse",
            Reason::ResourcesExceeded => "resourcesExceeded",
            Reason::ResponseTooLarge => "responseTooLarge",
            Reason::Stopped => "stopped",
            Reason::Timeout => "timeout",
        }
    }

    /// The HTTP status and the canonical code that go with the reason.
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Reason::AccessDenied | Reason::RateLimitExceeded | Reason::ResponseTooLarge => (403, "PERMISSION_DENIED"),
            Reason::AuthError => (401, "UNAUTHENTICATED"),
            Reason::BackendError => (503, "UNAVAILABLE"),
            Reason::ConditionNotMet => (412, "FAILED_PRECONDITION"),
            Reason::Duplicate => (409, "ALREADY_EXISTS"),
            Reason::InternalError => (500, "INTERNAL"),
            Reason::NotFound => (404, "NOT_FOUND"),
            Reason::NotImplemented => (501, "UNIMPLEMENTED"),
            Reason::Stopped => (499, "CANCELLED"),
            Reason::BytesBilledLimitExceeded
            | Reason::Invalid
            | Reason::InvalidQuery
            | Reason::ResourceInUse
            | Reason::ResourcesExceeded
            | Reason::Timeout => (400, "INVALID_ARGUMENT"),
        }
    }

    pub fn parse(word: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

impl Problem {
    pub fn new(reason: Reason, message: impl Into<String>) -> Problem {
        Problem { reason, message: message.into(), location: None }
    }

    pub fn invalid(message: impl Into<String>) -> Problem {
        Problem::new(Reason::Invalid, message)
    }

    pub fn invalid_query(message: impl Into<String>) -> Problem {
        Problem { reason: Reason::InvalidQuery, message: message.into(), location: Some("query".to_owned()) }
    }

    pub fn not_found(message: impl Into<String>) -> Problem {
        Problem::new(Reason::NotFound, message)
    }

    /// Something BigQuery does and this warehouse does not.
    pub fn not_implemented(what: &str) -> Problem {
        Problem::new(Reason::NotImplemented, format!("The sandbox warehouse does not do this: {what}"))
    }

    /// Ours to mend, not the caller's.
    pub fn internal(message: impl Into<String>) -> Problem {
        Problem::new(Reason::InternalError, message)
    }

    /// The form inside a job: `errorResult`, `errors[]`.
    pub fn in_job(&self) -> Value {
        let mut error = json!({ "reason": self.reason.word(), "message": self.message });
        if let (Some(location), Some(fields)) = (&self.location, error.as_object_mut()) {
            fields.insert("location".to_owned(), json!(location));
        }
        error
    }

    /// The body of a failed answer. A fault plan may ask for a status that does not belong to the reason.
    pub fn body(&self, status: u16) -> Value {
        let mut first = json!({ "message": self.message, "domain": "global", "reason": self.reason.word() });
        if let (Some(location), Some(fields)) = (&self.location, first.as_object_mut()) {
            fields.insert("location".to_owned(), json!(location));
            fields.insert("locationType".to_owned(), json!("parameter"));
        }
        let canonical = self.reason.status().1;
        json!({ "error": { "code": status, "message": self.message, "errors": [first], "status": canonical } })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.reason.word(), self.message)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.word()), Some(reason));
        }
        assert_eq!(Reason::parse("noSuchReason"), None);
    }

    #[test]
    fn bodies_have_both_messages() {
        let body = Problem::invalid_query("Syntax error").body(400);
        assert_eq!(body.pointer("/error/message"), body.pointer("/error/errors/0/message"));
        assert_eq!(body.pointer("/error/errors/0/reason"), Some(&json!("invalidQuery")));
        assert_eq!(body.pointer("/error/status"), Some(&json!("INVALID_ARGUMENT")));
    }
}
