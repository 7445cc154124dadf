//! What happened. The code of a kind is part of the format: it is never given to another.

/// Whether a kind of record has a subject or a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Always,
    Never,
}

macro_rules! kinds {
    ($($(#[$comment:meta])* $name:ident = $code:literal, $word:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$comment])* $name,)*
        }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$name,)*];

            pub const fn code(self) -> u8 {
                match self {
                    $(Kind::$name => $code,)*
                }
            }

            pub fn from_code(code: u64) -> Option<Kind> {
                match code {
                    $($code => Some(Kind::$name),)*
                    _ => None,
                }
            }

            pub const fn word(self) -> &'static str {
                match self {
                    $(Kind::$name => $word,)*
                }
            }

            pub fn parse(word: &str) -> Option<Kind> {
                match word {
                    $($word => Some(Kind::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// The first of an epoch: the log was opened for writing.
    Boot = 1, "boot";
    /// The writer lives. At least one in two minutes, or a truncated log would look like a quiet one.
    Heartbeat = 2, "heartbeat";
    /// The last of an epoch that ended as it should.
    Shutdown = 3, "shutdown";
    /// The clock of the wall moved against the one that only counts.
    ClockStep = 4, "clock.step";
    /// Something that the evidence rests on was not as it should be, a silence of the writer for one.
    AuditDegraded = 5, "audit.degraded";
    IdpKeys = 10, "idp.keys";
    PolicyActivate = 11, "policy.activate";
    ConfigChange = 12, "config.change";
    AdminAction = 13, "admin.action";
    /// A column that nobody labelled, and whose values look sensitive.
    Finding = 14, "finding";
    AuthnOk = 20, "authn.ok";
    /// One refused token, or a count of many.
    AuthnFail = 21, "authn.fail";
    /// A dry run is permitted, nothing more.
    RequestEstimated = 30, "request.estimated";
    RequestAdmitted = 31, "request.admitted";
    ApprovalRequested = 32, "approval.requested";
    ApprovalDecided = 33, "approval.decided";
    UpstreamDispatched = 34, "upstream.dispatched";
    ResultPage = 35, "result.page";
    RequestCompleted = 36, "request.completed";
    /// Before anything was permitted, or after.
    RequestRefused = 37, "request.refused";
    /// The process ended before the request did; written at the next start.
    RequestInterrupted = 38, "request.interrupted";
    /// One caller asks by labelled columns, again and again.
    CallerProbing = 40, "caller.probing";
    ExportCursor = 50, "export.cursor";
    ArchiveSealed = 51, "archive.sealed";
    WitnessCosigned = 52, "witness.cosigned";
    /// Sections of a record were given up because their time is over.
    RetentionExpired = 60, "retention.expired";
    /// Sections of a record were given up because somebody has a right to that.
    Erasure = 61, "erasure";
    /// A record may not be erased until the hold is released.
    LegalHold = 62, "legal_hold";
    LegalHoldReleased = 63, "legal_hold.released";
}

impl Kind {
    /// The request that it belongs to.
    pub const fn subject(self) -> Presence {
        match self {
            Kind::RequestEstimated
            | Kind::RequestAdmitted
            | Kind::ApprovalRequested
            | Kind::ApprovalDecided
            | Kind::UpstreamDispatched
            | Kind::ResultPage
            | Kind::RequestCompleted
            | Kind::RequestRefused
            | Kind::RequestInterrupted => Presence::Always,
            _ => Presence::Never,
        }
    }

    /// The earlier record that it speaks of.
    pub const fn target(self) -> Presence {
        match self {
            Kind::RetentionExpired | Kind::Erasure | Kind::LegalHold | Kind::LegalHoldReleased => Presence::Always,
            _ => Presence::Never,
        }
    }

    /// Nothing of its request comes after it.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Kind::RequestCompleted | Kind::RequestRefused | Kind::RequestInterrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_and_words_are_one_to_one() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(u64::from(kind.code())), Some(*kind));
            assert_eq!(Kind::parse(kind.word()), Some(*kind));
        }
        assert_eq!(Kind::ALL.iter().map(|kind| kind.code()).collect::<BTreeSet<u8>>().len(), Kind::ALL.len());
        assert_eq!((Kind::from_code(0), Kind::from_code(256 + 1), Kind::parse("Boot")), (None, None, None));
    }

    #[test]
    fn what_is_of_a_request_says_so() {
        for kind in Kind::ALL {
            let word = kind.word();
            let of_request = ["request.", "approval.", "upstream.", "result."].iter().any(|start| word.starts_with(start));
            assert_eq!(kind.subject() == Presence::Always, of_request, "{word}");
            assert!(!kind.is_terminal() || of_request, "{word}");
        }
    }
}
