//! The Storage Read API: sessions over a table, rows in streams. A session is decided as what it is, a read of columns, and its restriction as the
//! predicate that it is. Each stream is decided again, and so is each message that leaves while policy changes.

mod ask;
mod book;
mod fields;
mod restriction;
mod session;
mod stream;

pub use ask::{Compression, Moment, OpenedSession, ReadSessionAsk, RowForm, StreamSplit};
pub use book::{READ_SESSION_MILLISECONDS_MAX, READ_SESSIONS_MAX, READ_SESSIONS_OF_ONE_MAX, READ_STREAMS_MAX};
pub use stream::{BatchesToCome, MoreBatches, StreamedBatch};

pub(crate) use book::ReadSessions;
pub(crate) use session::narrowed;
pub(crate) use stream::Streaming;
