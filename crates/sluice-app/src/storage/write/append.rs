//! `AppendRows`: messages put on record and sent on as fast as BigQuery takes them, each on record before it goes. Answers come back beside them.
//!
//! A halt, a revocation, a change of policy, the end of the token takes effect with the next message. What goes wrong is told behind the answers that have left.

use super::ask::{AppendAsk, Coming, append_rows};
use super::change::{is_of_callers, unsupported, write_request};
use super::exchange::{Appended, Count, Ending, Forwarded, bring_back, exchange};
use super::ports::{AppendAnswer, AppendSink, AppendSource, RowsToAppend};
use super::tell::{Names, Telling};
use crate::asked::Visit;
use crate::decide::Background;
use crate::gateway::{Gateway, Passage};
use crate::ports::JobState;
use crate::record;
use crate::refusal::{Refused, Why};
use crate::trail::Stage;
use sluice_identity::Caller;
use sluice_ledger::Recorded;
use sluice_ledger::record::content::{Page, Steps, Totals, Upstream};
use sluice_ledger::record::{Draft, DraftError};
use sluice_model::TableName;
use sluice_policy::{Known, Permit};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// For what is still to be answered when the gateway stops. A door waits somewhat longer for its connections.
const STOP_SECONDS_MAX: u64 = 20;
/// Made and not sent.
const ANSWERS_AHEAD_MAX: usize = 1;

/// For a door: the answers to a client. Dropped, it ends the connection.
pub struct AnswersToCome(Receiver<MoreAnswers>);

pub enum MoreAnswers {
    Answer(AppendAnswer),
    /// It broke off, and that is on record.
    Broken(Box<Refused>),
    End,
    /// All that was taken is answered. The gateway stops, and takes no more.
    Stopped,
}

/// The other side of it.
pub(crate) struct Appending {
    permit: Arc<Recorded<Permit>>,
    known: Arc<Known>,
    telling: Telling,
    /// As the client names it.
    stream: String,
    theirs: String,
    coming: Receiver<Coming>,
    sink: Box<dyn AppendSink>,
    source: Box<dyn AppendSource>,
    first: AppendAsk,
    to: Sender<MoreAnswers>,
}

impl AnswersToCome {
    /// Nothing where they broke off without a word.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<MoreAnswers>> {
        self.0.poll_recv(context)
    }
}

impl Gateway {
    /// By its first message, which says the stream.
    pub async fn append_rows(
        self: &Arc<Self>,
        visit: Visit,
        caller: Caller,
        (connection, table): (&str, TableName),
        first: AppendAsk,
        coming: Receiver<Coming>,
    ) -> Result<AnswersToCome, Refused> {
        self.pass(visit, Arc::new(caller), connection, move |gateway, mut passage| async move {
            let outcome = gateway.append_rows_now(&mut passage, table, first, coming).await;
            (passage, outcome)
        })
        .await
    }

    async fn append_rows_now(
        &self,
        passage: &mut Passage,
        table: TableName,
        first: AppendAsk,
        coming: Receiver<Coming>,
    ) -> Result<AnswersToCome, Why> {
        is_of_callers(&table)?;
        let stream = first.stream.clone();
        let theirs = self.own_write_stream(passage, &table, &stream)?;
        let known = self.parts.in_force.known();
        let request = write_request(passage, &table, "storage.appendRows", append_rows(&theirs));
        let admission = self.admit_request(passage, request, Background { known: &known, tables: &[] }).await?;
        passage.place = Some(self.places.take(&passage.caller.principal().to_string()).await?);
        let telling = self.telling_of(passage, &table).await;
        let asking = self.parts.upstream.append_rows(&admission.permit);
        let opened = passage.visit.trail.upstream(Stage::UpstreamSend, asking).await;
        let (sink, source) = opened.map_err(|fault| telling.fault(fault, &Names { ours: &stream, theirs: &theirs }))?;
        let (to, from) = mpsc::channel(ANSWERS_AHEAD_MAX);
        let permit = admission.permit;
        passage.appending = Some(Appending { permit, known, telling, stream, theirs, coming, sink, source, first, to });
        Ok(AnswersToCome(from))
    }

    /// To the end of the connection, which is the end of the request.
    pub(crate) async fn send_appends(self: Arc<Self>, passage: Passage, appending: Appending) {
        let Appending { permit, known, telling, stream, theirs, coming, sink, source, first, to } = appending;
        let appended = Appended::new();
        let names = Names { ours: &stream, theirs: &theirs };
        let ending = tokio::select! {
            ending = async {
                let forward = self.forward(&passage, &permit, known, (first, coming), sink, (&appended, telling, &names));
                let back = bring_back(source, &to, (&appended, telling, &names));
                exchange(forward, back).await
            } => ending,
            () = to.closed() => Ok(Ending::Abandoned),
            () = async {
                self.stopped().await;
                tokio::time::sleep(Duration::from_secs(STOP_SECONDS_MAX)).await;
            } => Ok(Ending::Stopped),
        };
        let draft = self.append_ended(&passage, &appended.count(), &ending);
        // What broke off is on record before its client hears of it.
        self.put_completed(draft).await;
        let (word, why) = match &ending {
            Ok(Ending::Answered | Ending::Stopped) => ("served", None),
            Ok(Ending::Abandoned) => ("abandoned", None),
            Err(why) => ("failed", Some(why)),
        };
        self.tell(Some(passage.subject), &passage.visit, word, why);
        let last = match ending {
            Err(why) => MoreAnswers::Broken(Box::new(Refused { subject: passage.subject, why })),
            Ok(Ending::Stopped) => MoreAnswers::Stopped,
            Ok(_) => MoreAnswers::End,
        };
        drop(to.send(last).await);
    }

    async fn forward(
        &self,
        passage: &Passage,
        permit: &Recorded<Permit>,
        mut known: Arc<Known>,
        (first, mut coming): (AppendAsk, Receiver<Coming>),
        mut sink: Box<dyn AppendSink>,
        (appended, telling, names): (&Appended, Telling, &Names<'_>),
    ) -> Result<Forwarded, Why> {
        let mut policy = permit.value().decision().policy.clone();
        let mut next = Coming::Append(first);
        loop {
            let ask = match next {
                Coming::Append(ask) => ask,
                Coming::End => return Ok(Forwarded::All),
                Coming::Gone => return Ok(Forwarded::Gone),
                Coming::Odd(why) => return Err(why),
            };
            if !ask.stream.is_empty() && ask.stream != names.ours {
                return Err(unsupported("one connection writes to one stream: open another one for each stream"));
            }
            // Given back with the answer.
            appended.room.acquire().await.map_err(|_| Why::broke_off())?.forget();
            self.still_allowed(passage)?;
            self.still_proven(passage)?;
            let (policy_now, known_now) = (self.parts.in_force.policy(), self.parts.in_force.known());
            if policy_now.digest != policy || !Arc::ptr_eq(&known, &known_now) {
                self.still_decided(passage, permit.value(), &known_now)?;
                (policy, known) = (policy_now.digest.clone(), known_now);
            }
            let rows = self.record_rows(passage, ask, appended).await?;
            self.still_allowed(passage)?;
            sink.send(rows).await.map_err(|fault| telling.fault(fault, names))?;
            next = tokio::select! {
                come = coming.recv() => come.unwrap_or(Coming::Gone),
                () = self.stopped() => return Ok(Forwarded::Stopped),
            };
        }
    }

    /// A connection to append can be held open for ever: whoever holds it shows another token after the first.
    fn still_proven(&self, passage: &Passage) -> Result<(), Why> {
        passage.caller.still_lasts(self.now_seconds()).map_err(|refusal| Why::Unproven(Box::new(refusal)))
    }

    /// How many, and their digest, durable before they go on.
    async fn record_rows(&self, passage: &Passage, ask: AppendAsk, appended: &Appended) -> Result<Recorded<RowsToAppend>, Why> {
        let AppendAsk { message, rows, room, .. } = ask;
        let bytes = u64::try_from(message.len()).unwrap_or(u64::MAX);
        let number = appended.count().messages;
        let page = Page::new(number, rows, bytes, &record::sha256(&message), Vec::new());
        let sealed = self.parts.sealer.seal(&Steps { subject: passage.subject }.page(&page)?)?;
        let committing = Recorded::commit(RowsToAppend::new(message, room), sealed, self.parts.log.as_ref());
        let recorded = passage.visit.trail.walk(Stage::Record, committing).await?;
        appended.count().add(rows, bytes);
        Ok(recorded)
    }

    fn append_ended(&self, passage: &Passage, count: &Count, ending: &Result<Ending, Why>) -> Result<Draft, DraftError> {
        let (outcome, why) = match ending {
            Ok(Ending::Answered | Ending::Stopped) => ("completed", None),
            Ok(Ending::Abandoned) => ("abandoned", None),
            Err(why) => ("failed", Some(why)),
        };
        let mut meta = record::meta(&passage.visit, &passage.connection, outcome, None);
        meta.reason = why.map(|why| why.word().to_owned());
        let upstream = match why {
            Some(Why::Upstream { fault, .. }) => record::upstream_failed("", fault),
            _ => record::upstream(&JobState::default()),
        };
        let upstream = Upstream { statistics: count.statistics(), ..upstream };
        let truncated = !matches!(ending, Ok(Ending::Answered));
        let totals = Totals { pages: count.messages, rows: count.rows, bytes: count.bytes, truncated, ..Totals::default() };
        Steps { subject: passage.subject }.completed(&meta, &totals, &upstream)
    }
}

/// Rows do not reach a log.
impl fmt::Debug for AnswersToCome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AnswersToCome").finish_non_exhaustive()
    }
}
