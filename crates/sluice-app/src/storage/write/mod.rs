//! The Storage Write API: rows that a caller gives, onto one table. Each call is decided on as the write that it is, and an open connection again with each
//! message: it goes on record with its rows and its digest, and only then to BigQuery.

mod append;
mod ask;
mod book;
mod change;
mod exchange;
mod ports;
mod tell;

pub use append::{AnswersToCome, MoreAnswers};
pub use ask::{AppendAsk, Coming, StreamAct, StreamAsk, StreamKind};
pub use book::{WRITE_STREAM_MILLISECONDS_MAX, WRITE_STREAMS_MAX, WRITE_STREAMS_OF_ONE_MAX};
pub use exchange::{APPEND_IDLE_SECONDS_MAX, APPENDS_UNANSWERED_MAX};
pub use ports::{
    AppendAnswer, AppendFault, AppendSink, AppendSource, Committed, RowFault, RowsToAppend, StreamAnswer, StreamFault, WriteStreamState,
};

pub(crate) use append::Appending;
pub(crate) use book::WriteStreams;
