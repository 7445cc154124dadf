//! Every request of both services, understood as the door understands it: for fuzzers and tests.

use super::{decode, write};
use axum::body::Bytes;

/// By the names of their methods.
pub const REQUESTS: [&str; 9] = [
    "AppendRows",
    "BatchCommitWriteStreams",
    "CreateReadSession",
    "CreateWriteStream",
    "FinalizeWriteStream",
    "FlushRows",
    "GetWriteStream",
    "ReadRows",
    "SplitReadStream",
];

/// Field 1,000, a number: no message has it.
const UNKNOWN: [u8; 3] = [0xc0, 0x3e, 1];

/// Whether the message is one of this method's, with no field that is not known.
pub fn is_understood(method: &str, bytes: &[u8]) -> bool {
    match method {
        "AppendRows" => write::append(Bytes::copy_from_slice(bytes)).is_ok(),
        "CreateReadSession" => decode::create(bytes).is_ok(),
        "ReadRows" => decode::read(bytes).is_ok(),
        "SplitReadStream" => decode::split(bytes).is_ok(),
        other => write::of_stream(other, bytes).is_ok(),
    }
}

/// The method, if there is one, that takes these bytes with a field behind them that nobody knows, or that stood there before.
pub fn lets_through(bytes: &[u8]) -> Option<&'static str> {
    let takes_more = |method: &&str| {
        let is_blind = |more: &[u8]| !more.is_empty() && is_understood(method, &[bytes, more].concat());
        // What is empty says nothing twice.
        is_understood(method, bytes) && (is_blind(&UNKNOWN) || is_blind(bytes))
    };
    REQUESTS.into_iter().find(takes_more)
}

#[cfg(test)]
mod tests {
    use super::super::api;
    use super::*;
    use tonic_prost::prost::Message;

    const STREAM: &str = "projects/acme-prod/datasets/staging/tables/t/streams/s";
    /// A step of a generator that is the same each time.
    const STEP: u64 = 6_364_136_223_846_793_005;

    fn honest() -> Vec<(&'static str, Vec<u8>)> {
        let table = STREAM.trim_end_matches("/streams/s").to_owned();
        let rows = api::append_rows_request::ProtoData {
            writer_schema: Some(api::ProtoSchema { proto_descriptor: Some(prost_types::DescriptorProto::default()) }),
            rows: Some(api::ProtoRows { serialized_rows: vec![Bytes::from_static(b"row")] }),
        };
        let append = api::AppendRowsRequest {
            write_stream: STREAM.to_owned(),
            offset: Some(3),
            rows: Some(api::append_rows_request::Rows::ProtoRows(rows)),
            ..Default::default()
        };
        let stream = api::WriteStream { r#type: 2, ..Default::default() };
        let session = api::ReadSession { table: table.clone(), data_format: 2, ..Default::default() };
        let (read_stream, name) = ("projects/p/locations/us/sessions/s/streams/0".to_owned(), STREAM.to_owned());
        let create = api::CreateReadSessionRequest { parent: "projects/p".to_owned(), read_session: Some(session), ..Default::default() };
        let commit = api::BatchCommitWriteStreamsRequest { parent: table.clone(), write_streams: vec![name.clone()] };
        vec![
            ("AppendRows", append.encode_to_vec()),
            ("BatchCommitWriteStreams", commit.encode_to_vec()),
            ("CreateReadSession", create.encode_to_vec()),
            ("CreateWriteStream", api::CreateWriteStreamRequest { parent: table, write_stream: Some(stream) }.encode_to_vec()),
            ("FinalizeWriteStream", api::FinalizeWriteStreamRequest { name: name.clone() }.encode_to_vec()),
            ("FlushRows", api::FlushRowsRequest { write_stream: name.clone(), offset: Some(3) }.encode_to_vec()),
            ("GetWriteStream", api::GetWriteStreamRequest { name, view: 2 }.encode_to_vec()),
            ("ReadRows", api::ReadRowsRequest { read_stream: read_stream.clone(), offset: 3 }.encode_to_vec()),
            ("SplitReadStream", api::SplitReadStreamRequest { name: read_stream, fraction: 0.5 }.encode_to_vec()),
        ]
    }

    #[test]
    fn honest_requests_are_understood() {
        let found: Vec<&str> =
            honest().into_iter().filter(|(method, bytes)| is_understood(method, bytes)).map(|(method, _)| method).collect();
        assert_eq!(found, REQUESTS);
    }

    /// Bytes of honest requests, some of them changed: whatever they are, nothing unknown comes with them.
    #[test]
    fn nothing_unknown_comes_through() {
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(STEP).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut understood = 0;
        for _ in 0..3_000 {
            for (method, mut bytes) in honest() {
                for _ in 0..next(4) {
                    let place = next(bytes.len());
                    bytes[place] = u8::try_from(next(256)).unwrap();
                }
                bytes.truncate(bytes.len() - next(3).min(bytes.len()));
                assert_eq!(lets_through(&bytes), None, "{bytes:?}");
                understood += usize::from(is_understood(method, &bytes));
            }
        }
        assert!(understood > 3_000, "{understood} of 27,000");
    }
}
