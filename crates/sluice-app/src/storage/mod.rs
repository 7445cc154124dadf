//! The Storage API, rows that are read: sessions over a table, rows in streams. A session is decided as what it is, a read of columns, and its restriction as the
//! predicate that it is. Each stream is decided again, and so is each message that leaves while policy changes.

mod ask;
mod book;
mod fields;
mod restriction;
mod session;
mod stream;
mod write;

pub use ask::{Compression, Moment, OpenedSession, ReadSessionAsk, RowForm, StreamSplit};
pub use book::{READ_SESSION_MILLISECONDS_MAX, READ_SESSIONS_MAX, READ_SESSIONS_OF_ONE_MAX, READ_STREAMS_MAX};
pub use stream::{BatchesToCome, MoreBatches, StreamedBatch};
pub use write::{
    APPEND_IDLE_SECONDS_MAX, APPENDS_UNANSWERED_MAX, AnswersToCome, AppendAnswer, AppendAsk, AppendFault, AppendSink, AppendSource, Coming,
    Committed, MoreAnswers, RowFault, RowsToAppend, StreamAct, StreamAnswer, StreamAsk, StreamFault, StreamKind,
    WRITE_STREAM_MILLISECONDS_MAX, WRITE_STREAMS_MAX, WRITE_STREAMS_OF_ONE_MAX, WriteStreamState,
};

pub(crate) use book::ReadSessions;
pub(crate) use fields::missing;
pub(crate) use session::narrowed;
pub(crate) use stream::Streaming;
pub(crate) use write::{Appending, WriteStreams};
