//! What the door asks. The gateway answers; each refusal is on record before it comes back.

use sluice_app::{Asking, BatchesToCome, Gateway, OpenedSession, ReadSessionAsk, Refused, RowForm, StreamSplit, Visit, Why};
use sluice_identity::Caller;
use std::sync::Arc;

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

    fn refuse<'a>(&'a self, visit: Visit, caller: Option<&'a Caller>, why: Why) -> Asking<'a, Refused> {
        Box::pin(Gateway::refuse(self, visit, caller, why))
    }
}
