//! Calls about streams that have one answer.

use super::api::write_stream::Type;
use super::api::{BatchCommitWriteStreamsResponse, FinalizeWriteStreamResponse, FlushRowsResponse, TableSchema, WriteStream};
use super::call::{OfStream, of_stream};
use crate::bigquery::{ERROR_MESSAGE_BYTES_MAX, Matter, unsent};
use crate::storage::fault::Failure;
use crate::storage::port::{NO_CALL, Repeat, is_name, unary};
use sluice_app::{Committed, Moment, StreamAnswer, StreamFault, StreamKind, UpstreamFault, WriteStreamState};
use tonic_prost::prost::Message;

const COMMIT: &str = "/google.cloud.bigquery.storage.v1.BigQueryWrite/BatchCommitWriteStreams";
const CREATE: &str = "/google.cloud.bigquery.storage.v1.BigQueryWrite/CreateWriteStream";
const FINALIZE: &str = "/google.cloud.bigquery.storage.v1.BigQueryWrite/FinalizeWriteStream";
const FLUSH: &str = "/google.cloud.bigquery.storage.v1.BigQueryWrite/FlushRows";
const GET: &str = "/google.cloud.bigquery.storage.v1.BigQueryWrite/GetWriteStream";
/// A schema of ten thousand columns, each with its description.
const ANSWER_BYTES_MAX: usize = 16 << 20;

impl Matter<'_> {
    /// To commit is not repeated: what was committed cannot be committed. All else means the same twice, and a stream that nobody uses does no harm.
    pub(crate) async fn ask_of_stream(&self) -> Result<StreamAnswer, UpstreamFault> {
        let asked = of_stream(self.sends).ok_or_else(|| unsent(NO_CALL.to_owned()))?;
        let answer = match asked {
            OfStream::Commit(call) => {
                let once = |grpc, request| unary(grpc, request, COMMIT);
                let (answer, _) = self.call_storage(&call, Repeat::Unsent, ANSWER_BYTES_MAX, once).await?;
                Some(StreamAnswer::Committed(committed(answer)))
            }
            OfStream::Create(call) => {
                let once = |grpc, request| unary(grpc, request, CREATE);
                described(self.call_storage(&call, Repeat::Freely, ANSWER_BYTES_MAX, once).await?.0)
            }
            OfStream::Finalize(call) => {
                let once = |grpc, request| unary(grpc, request, FINALIZE);
                let (answer, _): (FinalizeWriteStreamResponse, _) =
                    self.call_storage(&call, Repeat::Freely, ANSWER_BYTES_MAX, once).await?;
                u64::try_from(answer.row_count).ok().map(|rows| StreamAnswer::Finalized { rows })
            }
            OfStream::Flush(call) => {
                let once = |grpc, request| unary(grpc, request, FLUSH);
                let (answer, _): (FlushRowsResponse, _) = self.call_storage(&call, Repeat::Freely, ANSWER_BYTES_MAX, once).await?;
                u64::try_from(answer.offset).ok().map(|offset| StreamAnswer::Flushed { offset })
            }
            OfStream::Get(call) => {
                let once = |grpc, request| unary(grpc, request, GET);
                described(self.call_storage(&call, Repeat::Freely, ANSWER_BYTES_MAX, once).await?.0)
            }
        };
        answer.ok_or_else(|| Failure::odd("the answer is no stream, or counts less than nothing").fault(1, true))
    }
}

/// As it is encoded: whoever may not see it never looks into it.
pub fn encoded(schema: &TableSchema) -> bytes::Bytes {
    bytes::Bytes::from(schema.encode_to_vec())
}

pub fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX));
    text
}

fn committed(answer: BatchCommitWriteStreamsResponse) -> Committed {
    let faults = answer.stream_errors.into_iter();
    let faults = faults.map(|error| StreamFault { code: error.code, stream: error.entity, text: short(error.error_message) });
    Committed { at: answer.commit_time.and_then(|time| moment(time.seconds, time.nanos)), faults: faults.collect() }
}

fn described(stream: WriteStream) -> Option<StreamAnswer> {
    let kind = match stream.r#type() {
        Type::Buffered => StreamKind::Buffered,
        Type::Committed => StreamKind::Committed,
        Type::Pending => StreamKind::Pending,
        Type::Unspecified => return None,
    };
    let state = WriteStreamState {
        kind,
        created: stream.create_time.and_then(|time| moment(time.seconds, time.nanos)),
        committed: stream.commit_time.and_then(|time| moment(time.seconds, time.nanos)),
        schema: stream.table_schema.as_ref().map(encoded),
        location: stream.location,
        name: stream.name,
    };
    is_name(&state.name).then_some(StreamAnswer::Described(state))
}

fn moment(seconds: i64, nanoseconds: i32) -> Option<Moment> {
    Some(Moment { seconds, nanoseconds: u32::try_from(nanoseconds).ok()? })
}
