//! A snapshot of the grammar, so that a start does not have to read the whole log. It speeds up and proves nothing: it can be thrown away.

use super::{Grammar, Requests, Step};
use crate::record::Subject;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Behind the leaf `next - 1`. Which requests ended long ago is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    pub next: u64,
    pub epoch: u64,
    pub time_ms: u64,
    pub pulse_ms: u64,
    pub running: bool,
    pub open: Vec<OpenRequest>,
    pub held: BTreeSet<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRequest {
    /// 32 hexadecimal digits.
    pub subject: String,
    pub step: String,
    pub orphan: bool,
}

/// A subject or a step that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingError(pub String);

impl Grammar {
    pub fn standing(&self) -> Standing {
        let open = self.requests.open().map(|(subject, step)| OpenRequest {
            subject: subject.to_string(),
            step: step.word().to_owned(),
            orphan: self.requests.is_orphan(subject),
        });
        let open: BTreeSet<OpenRequest> = open.collect();
        let Grammar { next, epoch, time_ms, pulse_ms, running, held, .. } = self;
        Standing {
            next: *next,
            epoch: *epoch,
            time_ms: *time_ms,
            pulse_ms: *pulse_ms,
            running: *running,
            open: open.into_iter().collect(),
            held: held.clone(),
        }
    }

    pub fn resume(standing: Standing, ended_kept_max: usize) -> Result<Grammar, StandingError> {
        let mut requests = Requests::new(ended_kept_max);
        for request in standing.open {
            let subject = Subject::parse(&request.subject).ok_or(StandingError(request.subject))?;
            requests.open_mut().insert(subject, Step::parse(&request.step).ok_or(StandingError(request.step))?);
            if request.orphan {
                requests.orphans_mut().insert(subject);
            }
        }
        let Standing { next, epoch, time_ms, pulse_ms, running, held, .. } = standing;
        Ok(Grammar { next, epoch, time_ms, pulse_ms, running, requests, held })
    }
}

impl Step {
    const ALL: [Step; 3] = [Step::Admitted, Step::Estimated, Step::Waiting];

    pub const fn word(self) -> &'static str {
        match self {
            Step::Admitted => "admitted",
            Step::Estimated => "estimated",
            Step::Waiting => "waiting",
        }
    }

    pub fn parse(word: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|step| step.word() == word)
    }
}

impl fmt::Display for StandingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is no subject or step of a request", self.0.escape_debug())
    }
}

impl std::error::Error for StandingError {}
