//! `ReadRows`: messages read, masked and put on record as fast as their client takes them, each before it leaves. Reading and masking, sealing, and sending are
//! three hands; the records of a few messages are on their way to the disk together and share its syncs.
//!
//! A halt, a revocation, a change of policy or of labels takes effect with the next message. What goes wrong is told behind the messages that have left.

use super::ask::{RowForm, read_rows};
use crate::asked::Visit;
use crate::decide::{Background, failed};
use crate::gateway::{Gateway, Passage};
use crate::ports::{BatchSource, JobState, RowBatch, RowShape};
use crate::record;
use crate::refusal::{Refused, Why};
use crate::release::{Left, totals};
use crate::together::begun;
use crate::trail::Stage;
use sluice_identity::Caller;
use sluice_ledger::Recorded;
use sluice_ledger::record::content::Steps;
use sluice_ledger::record::{Draft, DraftError, SealedRecord};
use sluice_mask::{Group, MaskFault, MaskedBatch, Masker, StreamMasking};
use sluice_policy::{Decision, DryRun, Known, MayTell, Outcome, Permit};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Masked and not on record, and on record and not sent.
const STEPS_AHEAD_MAX: usize = 1;
/// Messages whose records are on their way to the disk, beside the one that is waited for.
const RECORDS_AHEAD_MAX: usize = 2;

/// For a door: the messages of a stream. Dropped, it ends them.
pub struct BatchesToCome(Receiver<MoreBatches>);

pub enum MoreBatches {
    Batch(Box<StreamedBatch>),
    /// It broke off, and that is on record.
    Broken(Box<Refused>),
    End,
}

/// Rows that may leave, with what stands around them.
pub struct StreamedBatch {
    pub batch: Recorded<MaskedBatch>,
    /// How they are written, where that has not been said before.
    pub shape: Option<RowShape>,
    /// Which part of the stream has left, before it and after it.
    pub progress: Option<(f64, f64)>,
    pub throttle_percent: u32,
}

/// The other side of it.
pub(crate) struct Streaming {
    permit: Arc<Recorded<Permit>>,
    known: Arc<Known>,
    may_tell: MayTell,
    reading: Reading,
    to: Sender<MoreBatches>,
}

struct Reading {
    source: Box<dyn BatchSource>,
    masker: Masker,
    shape: RowShape,
    masking: StreamMasking,
    /// Where something is masked: rows that have not left.
    group: Group,
    /// The schema, for the first message that leaves.
    said: Option<RowShape>,
}

struct Masked {
    batch: MaskedBatch,
    around: Around,
}

struct Around {
    shape: Option<RowShape>,
    progress: Option<(f64, f64)>,
    throttle_percent: u32,
}

/// A message, or the end of the stream.
type Next<T> = Result<Option<T>, Why>;

/// A message whose record is on its way to the disk.
struct Recording {
    commit: crate::ports::Asking<'static, Result<Recorded<MaskedBatch>, Why>>,
    around: Around,
}

enum Ending {
    /// Its client has gone.
    Abandoned,
    Sent,
}

impl BatchesToCome {
    /// Nothing where they broke off without a word.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<MoreBatches>> {
        self.0.poll_recv(context)
    }
}

impl Gateway {
    pub async fn read_stream(
        self: &Arc<Self>,
        visit: Visit,
        caller: Caller,
        connection: &str,
        stream: String,
        offset: u64,
    ) -> Result<(BatchesToCome, RowForm), Refused> {
        self.pass(visit, Arc::new(caller), connection, move |gateway, mut passage| async move {
            let outcome = gateway.read_stream_now(&mut passage, &stream, offset).await;
            (passage, outcome)
        })
        .await
    }

    async fn read_stream_now(&self, passage: &mut Passage, stream: &str, offset: u64) -> Result<(BatchesToCome, RowForm), Why> {
        let (session, theirs) = self.own_stream(passage, stream)?;
        let in_force = self.known_now().await?;
        let known = self.known_of(passage, &session.matter).await?;
        let request = self.request_of(passage, &session.matter, &session.project, "storage.readRows", read_rows(&theirs, offset))?;
        let admission = self.admit_request(passage, request, Background { known: &known, tables: &[] }).await?;
        passage.place = Some(self.places.take(&passage.caller.principal().to_string()).await?);
        let (permit, keys) = (admission.permit.value(), &self.parts.mask_keys);
        let masker = Masker::new(permit, keys);
        // Where what hides something was not asked for, what is beside it is cut anew, too.
        let tells_by_size = self.tells_by_size(passage, &session.matter, &session.project, &known).await;
        let masker = if tells_by_size { masker.writing(permit, keys) } else { masker };
        let masking = masker.begin_stream(session.shape.as_schema())?;
        let looks = self.parts.in_force.policy().settings.findings.looks_for_any();
        passage.sampling = if looks { masking.sampling(admission.permit.value()) } else { None };
        let asking = self.parts.upstream.read_stream(&admission.permit);
        let source = passage.visit.trail.upstream(Stage::UpstreamRows, asking).await;
        let source = source.map_err(|fault| failed(fault, admission.may_tell))?;
        let (to, from) = mpsc::channel(STEPS_AHEAD_MAX);
        let reading = Reading { source, masker, shape: session.shape.clone(), masking, group: Group::default(), said: None };
        passage.streaming = Some(Streaming { permit: admission.permit, known: in_force, may_tell: admission.may_tell, reading, to });
        Ok((BatchesToCome(from), session.form))
    }

    /// To the end of the stream, which is the end of the request.
    pub(crate) async fn send_stream(self: Arc<Self>, passage: Passage, streaming: Streaming) {
        let Streaming { permit, known, may_tell, reading, to } = streaming;
        let passage = Arc::new(passage);
        let ((masked, from_masked), (sealed, from)) = (mpsc::channel(STEPS_AHEAD_MAX), mpsc::channel(RECORDS_AHEAD_MAX));
        let reading = tokio::spawn(read_on(reading, may_tell, masked));
        let sealing = tokio::spawn(Arc::clone(&self).seal_messages(Arc::clone(&passage), from_masked, sealed));
        let mut left = Left::default();
        let ending = tokio::select! {
            ending = self.send_messages(&passage, &permit, known, from, &to, &mut left) => ending,
            () = to.closed() => Ok(Ending::Abandoned),
        };
        reading.abort();
        sealing.abort();
        // No message goes on record behind the end of its request.
        drop(sealing.await);
        let draft = self.stream_ended(&passage, &left, &ending);
        // What broke off is on record before its client hears of it.
        self.put_completed(draft).await;
        let (word, why) = match &ending {
            Ok(Ending::Sent) => ("served", None),
            Ok(Ending::Abandoned) => ("abandoned", None),
            Err(why) => ("failed", Some(why)),
        };
        self.tell(Some(passage.subject), &passage.visit, word, why);
        let last = match ending {
            Err(why) => MoreBatches::Broken(Box::new(Refused { subject: passage.subject, why })),
            Ok(_) => MoreBatches::End,
        };
        drop(to.send(last).await);
    }

    async fn seal_messages(self: Arc<Self>, passage: Arc<Passage>, mut from: Receiver<Next<Masked>>, to: Sender<Next<Recording>>) {
        let mut number = 0;
        while let Some(next) = from.recv().await {
            let recording = match next {
                Ok(Some(masked)) => self.begin_record(&passage, number, masked).await.map(Some),
                Ok(None) => Ok(None),
                Err(why) => Err(why),
            };
            number += 1;
            let is_last = !matches!(recording, Ok(Some(_)));
            if to.send(recording).await.is_err() || is_last {
                return;
            }
        }
    }

    async fn begin_record(self: &Arc<Self>, passage: &Passage, number: u64, masked: Masked) -> Result<Recording, Why> {
        let Masked { batch, around } = masked;
        let (sealed, gateway) = (self.seal_message(passage, number, &batch)?, Arc::clone(self));
        let commit = async move { Ok(Recorded::commit(batch, sealed, gateway.parts.log.as_ref()).await?) };
        Ok(Recording { commit: begun(Box::pin(commit)).await, around })
    }

    fn seal_message(&self, passage: &Passage, number: u64, batch: &MaskedBatch) -> Result<SealedRecord, Why> {
        self.still_allowed(passage)?;
        self.look_at_batch(passage, number, batch);
        self.seal_piece(passage, number, batch.count(), batch.parts().iter().map(|part| part.as_ref()), batch.masked())
    }

    async fn send_messages(
        &self,
        passage: &Passage,
        permit: &Recorded<Permit>,
        mut known: Arc<Known>,
        mut from: Receiver<Next<Recording>>,
        to: &Sender<MoreBatches>,
        left: &mut Left,
    ) -> Result<Ending, Why> {
        let mut policy = permit.value().decision().policy.clone();
        loop {
            let next = from.recv().await.unwrap_or_else(|| Err(Why::broke_off()))?;
            let Some(Recording { commit, around }) = next else { return Ok(Ending::Sent) };
            let batch = passage.visit.trail.walk(Stage::Record, commit).await?;
            self.still_allowed(passage)?;
            let (policy_now, known_now) = (self.parts.in_force.policy(), self.known_meanwhile().await?);
            if policy_now.digest != policy || !Arc::ptr_eq(&known, &known_now) {
                self.still_decided(passage, permit.value(), &known_now)?;
                (policy, known) = (policy_now.digest.clone(), known_now);
            }
            let mut sent = left.clone();
            sent.add_piece(batch.value().count(), batch.value().masked());
            let Around { shape, progress, throttle_percent } = around;
            let batch = StreamedBatch { batch, shape, progress, throttle_percent };
            if to.send(MoreBatches::Batch(Box::new(batch))).await.is_err() {
                return Ok(Ending::Abandoned);
            }
            *left = sent;
        }
    }

    /// Policy or labels have changed while rows leave. What is still permitted with the very same masks goes on; a client that asks again gets what is so now.
    pub(crate) fn still_decided(&self, passage: &Passage, permit: &Permit, known: &Known) -> Result<(), Why> {
        self.still_decided_with(passage, permit, None, known)
    }

    /// With what a dry run says of it.
    pub(crate) fn still_decided_with(
        &self,
        passage: &Passage,
        permit: &Permit,
        dry_run: Option<&DryRun>,
        known: &Known,
    ) -> Result<(), Why> {
        let policy = self.parts.in_force.policy();
        let halt = self.parts.in_force.halt();
        let circumstances = self.circumstances(passage, known, &halt);
        let evaluation = policy.evaluate(passage.caller.principal(), permit.request(), dry_run, &circumstances);
        if evaluation.outcome != Outcome::Permitted {
            let decision = Decision { evaluation, policy: policy.digest.clone(), at: circumstances.now, ..permit.decision().clone() };
            return Err(Why::Policy(Box::new(decision)));
        }
        let is_same = evaluation.masks == permit.masks();
        if is_same { Ok(()) } else { Err(Why::Drift("other masks are in force than those that the stream began with".to_owned())) }
    }

    fn stream_ended(&self, passage: &Passage, left: &Left, ending: &Result<Ending, Why>) -> Result<Draft, DraftError> {
        let state = JobState::default();
        let (outcome, why) = match ending {
            Ok(Ending::Sent) => return self.completed(passage, &state, "completed", left),
            Ok(Ending::Abandoned) => return self.completed(passage, &state, "abandoned", left),
            Err(why) => ("failed", why),
        };
        let mut meta = record::meta(&passage.visit, &passage.connection, outcome, None);
        meta.reason = Some(why.word().to_owned());
        let upstream = match why {
            Why::Upstream { fault, .. } => record::upstream_failed("", fault),
            _ => record::upstream(&state),
        };
        Steps { subject: passage.subject }.completed(&meta, &totals(passage, left), &upstream)
    }
}

async fn read_on(mut reading: Reading, may_tell: MayTell, to: Sender<Next<Masked>>) {
    loop {
        let (found, is_last) = match reading.source.next().await {
            Ok(Some(message)) => (reading.mask(message), false),
            Ok(None) => (reading.rest(), true),
            Err(fault) => (Err(failed(fault, may_tell)), true),
        };
        let is_last = is_last || found.is_err();
        let found: Vec<Next<Masked>> =
            found.map_or_else(|why| vec![Err(why)], |masked| masked.into_iter().map(|masked| Ok(Some(masked))).collect());
        let end = (is_last && !matches!(found.last(), Some(Err(_)))).then_some(Ok(None));
        for next in found.into_iter().chain(end) {
            if to.send(next).await.is_err() {
                return;
            }
        }
        if is_last {
            return;
        }
    }
}

impl Reading {
    /// Where nothing is masked each message passes as it came. Otherwise rows leave in messages of their own, and neither how far the stream is nor how
    /// much BigQuery holds it back is told: both go by bytes.
    fn mask(&mut self, message: RowBatch) -> Result<Vec<Masked>, Why> {
        let RowBatch { bytes, rows, shape, progress, throttle_percent } = message;
        let mut said = None;
        if let Some(shape) = shape {
            if shape != self.shape {
                // Rows that are held are of the columns that were said before.
                if self.group.is_begun() {
                    return Err(Why::Masking(MaskFault::Shape));
                }
                self.masking = self.masker.begin_stream(shape.as_schema())?;
                self.shape = shape;
            }
            said = Some(self.shape.with(self.masking.schema()).ok_or(MaskFault::Shape)?);
        }
        if !self.masking.is_masked() {
            let batch = self.masking.mask_shared(&bytes, rows)?;
            return Ok(vec![Masked { batch, around: Around { shape: said, progress, throttle_percent } }]);
        }
        self.said = self.said.take().or(said);
        let whole = self.masking.regroup(&mut self.group, &bytes, rows)?;
        Ok(whole.into_iter().map(|batch| self.of_group(batch)).collect())
    }

    /// The stream has ended.
    fn rest(&mut self) -> Result<Vec<Masked>, Why> {
        let rest = self.masking.rest(&mut self.group)?;
        Ok(rest.into_iter().map(|batch| self.of_group(batch)).collect())
    }

    fn of_group(&mut self, batch: MaskedBatch) -> Masked {
        Masked { batch, around: Around { shape: self.said.take(), progress: None, throttle_percent: 0 } }
    }
}

/// Rows do not reach a log.
impl fmt::Debug for BatchesToCome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BatchesToCome").finish_non_exhaustive()
    }
}
