//! What the door asks. The gateway answers; each refusal is on record before it comes back.

use sluice_app::{
    AnswersToCome, AppendAsk, Asking, BatchesToCome, Coming, Gateway, OpenedSession, ReadSessionAsk, Refused, RowForm, StreamAnswer,
    StreamAsk, StreamSplit, Visit, Why,
};
use sluice_identity::Caller;
use sluice_model::TableName;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;

pub trait StorageApplication: Send + Sync {
    fn open_session(&self, visit: Visit, caller: Caller, ask: ReadSessionAsk) -> Asking<'_, Result<OpenedSession, Refused>>;
    fn read_stream(
        &self,
        visit: Visit,
        caller: Caller,
        connection: String,
        stream: String,
        offset: u64,
    ) -> Asking<'_, Result<(BatchesToCome, RowForm), Refused>>;
    fn split_stream(
        &self,
        visit: Visit,
        caller: Caller,
        connection: String,
        stream: String,
        fraction: f64,
    ) -> Asking<'_, Result<StreamSplit, Refused>>;
    fn ask_of_stream(&self, visit: Visit, caller: Caller, ask: StreamAsk) -> Asking<'_, Result<StreamAnswer, Refused>>;
    /// On a connection, to a table.
    fn append_rows(
        &self,
        visit: Visit,
        caller: Caller,
        to: (String, TableName),
        first: AppendAsk,
        coming: Receiver<Coming>,
    ) -> Asking<'_, Result<AnswersToCome, Refused>>;
    fn refuse<'a>(&'a self, visit: Visit, caller: Option<&'a Caller>, why: Why) -> Asking<'a, Refused>;
}

impl StorageApplication for Arc<Gateway> {
    fn open_session(&self, visit: Visit, caller: Caller, ask: ReadSessionAsk) -> Asking<'_, Result<OpenedSession, Refused>> {
        Box::pin(Gateway::open_session(self, visit, caller, ask))
    }

    fn read_stream(
        &self,
        visit: Visit,
        caller: Caller,
        connection: String,
        stream: String,
        offset: u64,
    ) -> Asking<'_, Result<(BatchesToCome, RowForm), Refused>> {
        Box::pin(async move { Gateway::read_stream(self, visit, caller, &connection, stream, offset).await })
    }

    fn split_stream(
        &self,
        visit: Visit,
        caller: Caller,
        connection: String,
        stream: String,
        fraction: f64,
    ) -> Asking<'_, Result<StreamSplit, Refused>> {
        Box::pin(async move { Gateway::split_stream(self, visit, caller, &connection, stream, fraction).await })
    }

    fn ask_of_stream(&self, visit: Visit, caller: Caller, ask: StreamAsk) -> Asking<'_, Result<StreamAnswer, Refused>> {
        Box::pin(Gateway::ask_of_stream(self, visit, caller, ask))
    }

    fn append_rows(
        &self,
        visit: Visit,
        caller: Caller,
        (connection, table): (String, TableName),
        first: AppendAsk,
        coming: Receiver<Coming>,
    ) -> Asking<'_, Result<AnswersToCome, Refused>> {
        Box::pin(async move { Gateway::append_rows(self, visit, caller, (&connection, table), first, coming).await })
    }

    fn refuse<'a>(&'a self, visit: Visit, caller: Option<&'a Caller>, why: Why) -> Asking<'a, Refused> {
        Box::pin(Gateway::refuse(self, visit, caller, why))
    }
}
