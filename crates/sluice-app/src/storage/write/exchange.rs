//! One connection that appends, on both ways: what goes on, what comes back, and how many of each.

use super::append::MoreAnswers;
use super::change::unsupported;
use super::ports::{AppendAnswer, AppendSource};
use super::tell::{Names, Telling};
use crate::ports::{UpstreamFault, UpstreamFaultKind};
use crate::refusal::Why;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

/// A connection on which nothing is answered for so long ends.
pub const APPEND_IDLE_SECONDS_MAX: u64 = 600;
/// Messages that BigQuery has taken and not answered: whoever sends more waits.
pub const APPENDS_UNANSWERED_MAX: usize = 1_000;

/// What has gone on, and what came of it.
#[derive(Default)]
pub struct Count {
    pub messages: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Rows of each message that is not answered.
    unanswered: VecDeque<u64>,
    accepted: u64,
    rows_accepted: u64,
    refused: u64,
}

/// Of one connection, on both ways.
pub struct Appended {
    count: Mutex<Count>,
    pub room: Semaphore,
}

pub enum Forwarded {
    All,
    /// The client has gone in the midst of it.
    Gone,
    /// The gateway stops.
    Stopped,
}

pub enum Ending {
    /// Its client has gone.
    Abandoned,
    Answered,
    /// Answered as far as it was taken.
    Stopped,
}

/// Until BigQuery has answered all that went on, or either way ends.
pub async fn exchange(
    forward: impl Future<Output = Result<Forwarded, Why>>,
    back: impl Future<Output = Result<Ending, Why>>,
) -> Result<Ending, Why> {
    tokio::pin!(forward, back);
    let (mut is_all_sent, mut is_stopped) = (false, false);
    loop {
        tokio::select! {
            biased;
            ending = &mut back => return match ending? {
                Ending::Answered if is_stopped => Ok(Ending::Stopped),
                other => Ok(other),
            },
            forwarded = &mut forward, if !is_all_sent => match forwarded? {
                Forwarded::All => is_all_sent = true,
                Forwarded::Stopped => (is_all_sent, is_stopped) = (true, true),
                Forwarded::Gone => return Ok(Ending::Abandoned),
            },
        }
    }
}

pub async fn bring_back(
    mut source: Box<dyn AppendSource>,
    to: &Sender<MoreAnswers>,
    (appended, telling, names): (&Appended, Telling, &Names<'_>),
) -> Result<Ending, Why> {
    loop {
        let Ok(answer) = timeout(Duration::from_secs(APPEND_IDLE_SECONDS_MAX), source.next()).await else {
            return Err(if appended.count().unanswered.is_empty() { idle() } else { late() });
        };
        match answer {
            Ok(Some(answer)) => {
                appended.count().answered(&answer);
                appended.room.add_permits(1);
                if to.send(MoreAnswers::Answer(telling.answer(answer, names))).await.is_err() {
                    return Ok(Ending::Abandoned);
                }
            }
            Ok(None) => return Ok(Ending::Answered),
            Err(fault) => return Err(telling.fault(fault, names)),
        }
    }
}

fn idle() -> Why {
    unsupported("nothing came for too long: open the connection again")
}

fn late() -> Why {
    let fault = UpstreamFault {
        kind: UpstreamFaultKind::Deadline,
        status: None,
        error: None,
        attempts: 1,
        may_have_acted: true,
        detail: "rows were not answered in time".to_owned(),
    };
    Why::Upstream { fault: Box::new(fault), told: None }
}

impl Appended {
    pub fn new() -> Appended {
        Appended { count: Mutex::default(), room: Semaphore::new(APPENDS_UNANSWERED_MAX) }
    }

    pub fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    pub fn add(&mut self, rows: u64, bytes: u64) {
        self.messages += 1;
        self.rows += rows;
        self.bytes += bytes;
        self.unanswered.push_back(rows);
    }

    fn answered(&mut self, answer: &AppendAnswer) {
        let rows = self.unanswered.pop_front().unwrap_or_default();
        match answer.taken {
            Ok(_) => (self.accepted, self.rows_accepted) = (self.accepted + 1, self.rows_accepted + rows),
            Err(_) => self.refused += 1,
        }
    }

    /// What is not answered may have been written.
    pub fn statistics(&self) -> BTreeMap<String, u64> {
        let unanswered = u64::try_from(self.unanswered.len()).unwrap_or(u64::MAX);
        let counts = [
            ("appendsAccepted", self.accepted),
            ("appendsRefused", self.refused),
            ("appendsUnanswered", unanswered),
            ("rowsAccepted", self.rows_accepted),
        ];
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }
}
