//! Rows that follow an answer that has begun: read, masked and put on record as fast as their client takes them, each piece before it leaves.
//!
//! What goes wrong now cannot be told any more: the answer breaks off, and the record says why.

use crate::gateway::{Gateway, Passage};
use crate::joined::{Joined, Step};
use crate::places::LONG_ROW_BYTES_MIN;
use crate::ports::{Asking, JobState, RowsSource};
use crate::record;
use crate::refusal::Why;
use crate::release::{Left, left, totals};
use crate::sizes::Sizes;
use crate::together::begun;
use crate::trail::Stage;
use sluice_ledger::Recorded;
use sluice_ledger::record::content::Steps;
use sluice_ledger::record::{Draft, DraftError};
use sluice_mask::{Head, MaskedRows, Masking};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Masked and not on record, and on record and not sent: one step of work each, so that reading, recording and sending go on side by side.
const STEPS_AHEAD_MAX: usize = 1;
/// Pieces whose records are on their way to the disk, beside the one that is waited for: they share its syncs, and none of them leaves before its own.
const RECORDS_AHEAD_MAX: usize = 2;
/// Of one page, looked at and not yet taken by the connection. A longer piece, which is one row, goes alone.
const AHEAD_KIBIBYTES_MAX: u32 = 8 << 10;
const KIBIBYTE: usize = 1 << 10;
const MILLISECONDS_PER_SECOND: u64 = 1_000;

/// For a door: what follows the first rows. Dropped, it ends them.
pub struct RowsToCome(Receiver<MoreRows>);

pub enum MoreRows {
    /// The last of them; and all that stands around the rows, what stood before them as well.
    End(Head),
    Rows(Recorded<MaskedRows>, Ahead),
}

/// A part of what a page may hold, until its rows are with the connection.
pub struct Ahead(#[expect(dead_code, reason = "it is held, not looked at")] OwnedSemaphorePermit);

/// The other side of it.
pub(crate) struct Onward {
    coming: Coming,
    to: Sender<MoreRows>,
    left: Left,
    sizes: Sizes,
    /// Of the job whose rows they are.
    pub state: JobState,
}

/// Where the rows come from.
pub(crate) enum Coming {
    /// One page of BigQuery's.
    Page(Box<Masking>, Box<dyn RowsSource>),
    Joined(Box<Joined>),
}

enum Masked {
    End(Box<Head>),
    Rows(MaskedRows, Ahead),
}

/// A piece whose record is on its way to the disk.
type Recording = Asking<'static, Result<Recorded<MaskedRows>, Why>>;

enum Sealed {
    End(Box<Head>),
    Rows(Recording, Ahead),
}

/// How it ended, but for the last piece.
enum Ending {
    /// Its client has gone.
    Abandoned,
    Sent,
}

impl RowsToCome {
    /// Nothing where they broke off before their end.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<MoreRows>> {
        self.0.poll_recv(context)
    }
}

impl Onward {
    pub fn new(coming: Coming, first: &[Recorded<MaskedRows>], sizes: Sizes) -> (Onward, RowsToCome) {
        let (to, from) = mpsc::channel(STEPS_AHEAD_MAX);
        (Onward { coming, to, left: left(first), sizes, state: JobState::default() }, RowsToCome(from))
    }
}

impl Gateway {
    /// To the end of the rows, which is the end of the request.
    pub(crate) async fn send_onward(self: Arc<Self>, passage: Passage, onward: Onward) {
        let Onward { coming, to, mut left, sizes, state } = onward;
        let passage = Arc::new(passage);
        let ((masked, from_masked), (sealed, from)) = (mpsc::channel(STEPS_AHEAD_MAX), mpsc::channel(RECORDS_AHEAD_MAX));
        let reading = tokio::spawn(Arc::clone(&self).read_on(Arc::clone(&passage), coming, masked));
        let sealing = tokio::spawn(Arc::clone(&self).seal_on(Arc::clone(&passage), left.pieces, from_masked, sealed));
        let ending = self.send_recorded(&passage, from, &to, &mut left, sizes).await;
        reading.abort();
        sealing.abort();
        // No piece goes on record behind the end of its request, and no page is asked for.
        drop((sealing.await, reading.await));
        let draft = self.ended(&passage, &state, &left, &ending);
        // What broke off is on record before its client sees it.
        self.put_completed(draft).await;
        drop(to);
        let (word, why) = match &ending {
            Ok(Ending::Sent) => ("served", None),
            Ok(Ending::Abandoned) => ("abandoned", None),
            Err(why) => ("failed", Some(why)),
        };
        self.tell(Some(passage.subject), &passage.visit, word, why);
    }

    /// Digests each piece and sends its record off, in order, while the rows behind it are looked at and those before it are waited for.
    async fn seal_on(
        self: Arc<Self>,
        passage: Arc<Passage>,
        number: u64,
        from: Receiver<Result<Masked, Why>>,
        to: Sender<Result<Sealed, Why>>,
    ) {
        if let Err(why) = self.seal_all(&passage, number, from, &to).await {
            // Nobody waits for it any more.
            drop(to.send(Err(why)).await);
        }
    }

    async fn seal_all(
        self: &Arc<Self>,
        passage: &Passage,
        mut number: u64,
        mut from: Receiver<Result<Masked, Why>>,
        to: &Sender<Result<Sealed, Why>>,
    ) -> Result<(), Why> {
        while let Some(masked) = from.recv().await {
            let (rows, ahead) = match masked? {
                Masked::Rows(rows, ahead) => (rows, ahead),
                Masked::End(head) => {
                    drop(to.send(Ok(Sealed::End(head))).await);
                    return Ok(());
                }
            };
            self.still_allowed(passage)?;
            let (sealed, gateway) = (self.seal_rows(passage, number, &rows)?, Arc::clone(self));
            let commit = async move { Ok(Recorded::commit(rows, sealed, gateway.parts.log.as_ref()).await?) };
            number += 1;
            if to.send(Ok(Sealed::Rows(begun(Box::pin(commit)).await, ahead))).await.is_err() {
                return Ok(());
            }
        }
        Err(Why::broke_off())
    }

    async fn send_recorded(
        &self,
        passage: &Passage,
        mut from: Receiver<Result<Sealed, Why>>,
        to: &Sender<MoreRows>,
        left: &mut Left,
        sizes: Sizes,
    ) -> Result<Ending, Why> {
        loop {
            match from.recv().await {
                Some(Ok(Sealed::Rows(recording, ahead))) => {
                    let rows = passage.visit.trail.walk(Stage::Record, recording).await?;
                    self.still_allowed(passage)?;
                    let mut sent = left.clone();
                    sent.add(rows.value());
                    if to.send(MoreRows::Rows(rows, ahead)).await.is_err() {
                        return Ok(Ending::Abandoned);
                    }
                    *left = sent;
                }
                Some(Ok(Sealed::End(head))) => {
                    let ended = to.send(MoreRows::End(self.told_head(*head, sizes))).await;
                    return Ok(ended.map_or(Ending::Abandoned, |()| Ending::Sent));
                }
                Some(Err(why)) => return Err(why),
                None => return Err(Why::broke_off()),
            }
        }
    }

    /// A halt does not wait for the end of a page, nor does a revocation.
    pub(crate) fn still_allowed(&self, passage: &Passage) -> Result<(), Why> {
        let stands = passage.caller.still_stands(&self.parts.in_force.revocations());
        stands.map_err(|refusal| Why::Unproven(Box::new(refusal)))?;
        let (policy, halt) = (self.parts.in_force.policy(), self.parts.in_force.halt());
        let now = i64::try_from(self.parts.machine.now_ms() / MILLISECONDS_PER_SECOND).unwrap_or(i64::MAX);
        policy.stopped(&passage.caller, &halt, now).map_or(Ok(()), |decision| Err(Why::Policy(Box::new(decision))))
    }

    fn ended(&self, passage: &Passage, state: &JobState, left: &Left, ending: &Result<Ending, Why>) -> Result<Draft, DraftError> {
        let (outcome, why) = match ending {
            Ok(Ending::Sent) => return self.completed(passage, state, "completed", left),
            Ok(Ending::Abandoned) => return self.completed(passage, state, "abandoned", left),
            Err(why) => ("failed", why),
        };
        let mut meta = record::of_job(passage.with_pages(record::meta(&passage.visit, &passage.connection, outcome, None)), &state.name);
        meta.reason = Some(why.word().to_owned());
        let upstream = match why {
            Why::Upstream { fault, .. } => record::upstream_failed(&state.name.to_string(), fault),
            _ => record::upstream(state),
        };
        Steps { subject: passage.subject }.completed(&meta, &totals(passage, left), &upstream)
    }

    /// By itself, so that the next rows are looked at while the ones before them are put on record.
    async fn read_on(self: Arc<Self>, passage: Arc<Passage>, coming: Coming, to: Sender<Result<Masked, Why>>) {
        let read = match coming {
            Coming::Page(masking, source) => self.read_all(&passage, *masking, source, &to).await,
            Coming::Joined(joined) => self.read_joined(&passage, *joined, &to).await,
        };
        if let Err(why) = read {
            // Nobody waits for it any more.
            drop(to.send(Err(why)).await);
        }
    }

    async fn read_all(
        &self,
        passage: &Passage,
        mut masking: Masking,
        mut source: Box<dyn RowsSource>,
        to: &Sender<Result<Masked, Why>>,
    ) -> Result<(), Why> {
        let fault = |fault| Why::Upstream { fault: Box::new(fault), told: None };
        let room = Arc::new(Semaphore::new(AHEAD_KIBIBYTES_MAX as usize));
        let mut long_row = None;
        while let Some(bytes) = source.next().await.map_err(fault)? {
            for rows in masking.take(&bytes)? {
                let ahead = ahead(&room, &rows).await?;
                if to.send(Ok(Masked::Rows(rows, ahead))).await.is_err() {
                    return Ok(());
                }
            }
            if masking.waiting_bytes() < LONG_ROW_BYTES_MIN {
                long_row = None;
            } else if long_row.is_none() {
                long_row = Some(self.long_rows.take(&passage.caller.principal().to_string()).await?);
            }
        }
        let (pieces, head) = masking.end()?;
        for rows in pieces {
            let ahead = ahead(&room, &rows).await?;
            if to.send(Ok(Masked::Rows(rows, ahead))).await.is_err() {
                return Ok(());
            }
        }
        drop(to.send(Ok(Masked::End(Box::new(head)))).await);
        Ok(())
    }

    /// The pages of an answer with masked columns.
    async fn read_joined(&self, passage: &Passage, mut joined: Joined, to: &Sender<Result<Masked, Why>>) -> Result<(), Why> {
        let room = Arc::new(Semaphore::new(AHEAD_KIBIBYTES_MAX as usize));
        let mut long_row = None;
        loop {
            let next = match joined.next(self, passage, &mut long_row).await? {
                Step::End(head) => {
                    drop(to.send(Ok(Masked::End(head))).await);
                    return Ok(());
                }
                Step::Rows(rows) => {
                    let ahead = ahead(&room, &rows).await?;
                    Masked::Rows(rows, ahead)
                }
            };
            if to.send(Ok(next)).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// As soon as there is room for them.
async fn ahead(room: &Arc<Semaphore>, rows: &MaskedRows) -> Result<Ahead, Why> {
    let kibibytes = u32::try_from(rows.text().len().div_ceil(KIBIBYTE)).unwrap_or(u32::MAX).min(AHEAD_KIBIBYTES_MAX);
    Arc::clone(room).acquire_many_owned(kibibytes).await.map(Ahead).map_err(|_| Why::broke_off())
}

/// Rows do not reach a log.
impl fmt::Debug for RowsToCome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RowsToCome").finish_non_exhaustive()
    }
}
