//! Streams: created, told, finalized, flushed, committed. Each is a write of its table, whatever it does, and decided as one.

use super::ask::{StreamAct, StreamAsk, is_default};
use super::ports::{Committed, StreamAnswer, StreamFault, WriteStreamState};
use super::tell::{Names, Telling};
use crate::asked::Visit;
use crate::decide::Background;
use crate::gateway::{Gateway, Passage};
use crate::job::owner_of;
use crate::ports::{JobState, UpstreamFault, UpstreamFaultKind};
use crate::record;
use crate::refusal::{FormReason, Refused, Why, absent};
use crate::trail::Stage;
use sluice_identity::Caller;
use sluice_model::TableName;
use sluice_policy::{Method, Request, Resource, Sends, Work};
use std::sync::Arc;

const UNCOMMITTED: &str = "the stream cannot be committed";

impl Gateway {
    pub async fn ask_of_stream(self: &Arc<Self>, visit: Visit, caller: Caller, ask: StreamAsk) -> Result<StreamAnswer, Refused> {
        let connection = ask.connection.clone();
        self.pass(visit, Arc::new(caller), &connection, |gateway, mut passage| async move {
            let outcome = gateway.ask_of_stream_now(&mut passage, ask).await;
            (passage, outcome)
        })
        .await
    }

    async fn ask_of_stream_now(&self, passage: &mut Passage, ask: StreamAsk) -> Result<StreamAnswer, Why> {
        let StreamAsk { table, act, .. } = ask;
        is_of_callers(&table)?;
        let theirs: Vec<String> =
            act.streams().iter().map(|name| self.own_write_stream(passage, &table, name)).collect::<Result<_, _>>()?;
        let request = write_request(passage, &table, act.action(), act.sends(&table, &theirs));
        let known = self.parts.in_force.known();
        let admission = self.admit_request(passage, request, Background { known: &known, tables: &[] }).await?;
        let telling = self.telling_of(passage, &table).await;
        let asking = self.parts.upstream.ask_of_stream(&admission.permit);
        let answer = passage.visit.trail.upstream(Stage::UpstreamSend, asking).await;
        let pairs: Vec<Names<'_>> = act.streams().iter().zip(&theirs).map(|(ours, theirs)| Names { ours, theirs }).collect();
        let unnamed = Names { ours: "", theirs: "" };
        let answer = answer.map_err(|fault| telling.fault(fault, pairs.first().unwrap_or(&unnamed)))?;
        let answer = match (&act, answer) {
            (StreamAct::Commit { .. }, StreamAnswer::Committed(committed)) => StreamAnswer::Committed(told(telling, committed, &pairs)),
            (StreamAct::Create { .. }, StreamAnswer::Described(state)) => {
                let (owner, id) = (owner_of(&passage.caller), record::hex(&passage.subject.0));
                let (names, now_ms) = ((id.as_str(), state.name.clone()), self.parts.machine.now_ms());
                let name = self.write_streams.keep(&passage.connection, &owner, &table, names, now_ms);
                StreamAnswer::Described(described(telling, state, &name))
            }
            (StreamAct::Get { stream, .. }, StreamAnswer::Described(state)) => StreamAnswer::Described(described(telling, state, stream)),
            (StreamAct::Finalize { .. }, answer @ StreamAnswer::Finalized { .. }) => answer,
            (StreamAct::Flush { .. }, answer @ StreamAnswer::Flushed { .. }) => answer,
            _ => return Err(odd()),
        };
        self.complete(passage, &JobState::default(), "completed").await;
        Ok(answer)
    }

    /// The same answer for a stream that is not there, for one that is another's, and for one of another table.
    pub(super) fn own_write_stream(&self, passage: &Passage, table: &TableName, name: &str) -> Result<String, Why> {
        if is_default(table, name) {
            return Ok(name.to_owned());
        }
        let owner = owner_of(&passage.caller);
        let is_of_table = name.strip_prefix(&super::ask::path(table)).is_some_and(|rest| rest.starts_with("/streams/"));
        let found = self.write_streams.find(&passage.connection, &owner, name, self.parts.machine.now_ms());
        found.filter(|_| is_of_table).ok_or_else(|| Why::NotFound { what: format!("stream `{name}`; it may have expired") })
    }
}

/// What policy decides on: the call by its name, and that it writes.
pub(super) fn write_request(passage: &Passage, table: &TableName, action: &str, sends: Sends) -> Request {
    let resource = || Resource::Table(table.clone());
    // To look at a stream writes nothing.
    let also = if action == "storage.getWriteStream" { Vec::new() } else { vec![("insert".to_owned(), resource())] };
    let work = Work::Method(Method::plain(action, resource()));
    Request { connection: passage.connection.clone(), project: table.project.clone(), work, also, sends }
}

/// Results of queries are nobody's to write.
pub(super) fn is_of_callers(table: &TableName) -> Result<(), Why> {
    if table.dataset.starts_with('_') { Err(Why::NotFound { what: absent(table, false) }) } else { Ok(()) }
}

fn described(telling: Telling, state: WriteStreamState, name: &str) -> WriteStreamState {
    WriteStreamState { name: name.to_owned(), schema: state.schema.filter(|_| telling.schema), ..state }
}

fn told(telling: Telling, committed: Committed, pairs: &[Names<'_>]) -> Committed {
    let faults = committed.faults.into_iter().map(|fault| match pairs.iter().find(|names| names.theirs == fault.stream) {
        Some(names) => StreamFault { text: telling.text(&fault.text, UNCOMMITTED, names), stream: names.ours.to_owned(), ..fault },
        // A stream that nobody asked about is not spoken of.
        None => StreamFault { text: UNCOMMITTED.to_owned(), stream: String::new(), ..fault },
    });
    Committed { faults: faults.collect(), ..committed }
}

fn odd() -> Why {
    let fault = UpstreamFault {
        kind: UpstreamFaultKind::Malformed,
        status: None,
        error: None,
        attempts: 1,
        may_have_acted: true,
        detail: "the answer is of another method".to_owned(),
    };
    Why::Upstream { fault: Box::new(fault), told: None }
}

pub(super) fn unsupported(text: &str) -> Why {
    Why::Form { reason: FormReason::Unsupported, text: text.to_owned() }
}
