use super::super::api;
use super::*;
use api::append_rows_request::ProtoData;
use api::{ProtoRows, ProtoSchema, WriteStream};
use prost_types::{DescriptorProto, FieldDescriptorProto};

const TABLE: &str = "projects/acme-prod/datasets/staging/tables/t";

fn said<T: std::fmt::Debug>(read: Result<T, Why>) -> String {
    match read {
        Ok(found) => format!("{found:?}"),
        Err(Why::Form { text, .. }) => text,
        Err(other) => format!("{other:?}"),
    }
}

fn check(method: &str, message: &impl Message, part: &str) {
    let said = said(of_stream(method, &message.encode_to_vec()));
    assert!(said.contains(part), "{method}: {said} without {part}");
}

fn rows(names: &[&str], count: usize) -> ProtoData {
    let field = names.iter().map(|name| FieldDescriptorProto { name: Some((*name).to_owned()), ..FieldDescriptorProto::default() });
    let descriptor = DescriptorProto { field: field.collect(), ..DescriptorProto::default() };
    ProtoData {
        writer_schema: Some(ProtoSchema { proto_descriptor: Some(descriptor) }),
        rows: Some(ProtoRows { serialized_rows: vec![Bytes::from_static(b"row"); count] }),
    }
}

fn check_append(change: impl FnOnce(&mut AppendRowsRequest), part: &str) {
    let mut request = AppendRowsRequest {
        write_stream: format!("{TABLE}/streams/s"),
        trace_id: "trace".to_owned(),
        rows: Some(Rows::ProtoRows(rows(&["id"], 2))),
        ..AppendRowsRequest::default()
    };
    change(&mut request);
    let said = said(append(Bytes::from(request.encode_to_vec())));
    assert!(said.contains(part), "{said} without {part}");
}

#[test]
fn streams_are_understood_or_refused() {
    let of = |kind: i32| CreateWriteStreamRequest {
        parent: TABLE.to_owned(),
        write_stream: Some(WriteStream { r#type: kind, ..WriteStream::default() }),
    };
    check("CreateWriteStream", &of(2), "acme-prod");
    check("CreateWriteStream", &of(2), "Pending");
    check("CreateWriteStream", &of(0), "none of");
    check("CreateWriteStream", &of(9), "none of");
    check("CreateWriteStream", &CreateWriteStreamRequest { parent: "p.d.t".to_owned(), ..of(2) }, "`parent` is not");
    check("CreateWriteStream", &CreateWriteStreamRequest { parent: format!("{TABLE}$20240101"), ..of(2) }, "decorator");
    check("CreateWriteStream", &CreateWriteStreamRequest { write_stream: None, ..of(2) }, "missing");
    let stream = || format!("{TABLE}/streams/s");
    check("FinalizeWriteStream", &FinalizeWriteStreamRequest { name: stream() }, "Finalize");
    check("GetWriteStream", &GetWriteStreamRequest { name: stream(), view: 2 }, "with_schema: true");
    check("GetWriteStream", &GetWriteStreamRequest { name: stream(), view: 9 }, "`view`");
    check("GetWriteStream", &GetWriteStreamRequest { name: format!("{TABLE}/_default"), view: 0 }, "with_schema: false");
    for bad in [String::new(), TABLE.to_owned(), format!("{TABLE}/streams/"), format!("{TABLE}/streams/a b"), format!("{TABLE}/s")] {
        check("GetWriteStream", &GetWriteStreamRequest { name: bad, view: 1 }, "not named");
    }
    check("FlushRows", &FlushRowsRequest { write_stream: stream(), offset: Some(7) }, "offset: 7");
    check("FlushRows", &FlushRowsRequest { write_stream: stream(), offset: Some(-7) }, "negative");
    check("FlushRows", &FlushRowsRequest { write_stream: stream(), offset: None }, "missing");
    let commit = |streams: Vec<String>| BatchCommitWriteStreamsRequest { parent: TABLE.to_owned(), write_streams: streams };
    check("BatchCommitWriteStreams", &commit(vec![stream()]), "Commit");
    check("BatchCommitWriteStreams", &commit(Vec::new()), "empty");
    check("BatchCommitWriteStreams", &commit(vec![stream(), format!("{TABLE}u/streams/s")]), "not of the table");
    check("BatchCommitWriteStreams", &commit(vec![stream(); COMMITTED_STREAMS_MAX + 1]), "more than");
    check("ReadRows", &commit(Vec::new()), "none that is known");
}

#[test]
fn rows_are_understood_or_refused() {
    check_append(|_| {}, "rows: 2");
    check_append(|request| request.write_stream = String::new(), "stream: None");
    check_append(|request| request.offset = Some(-1), "negative");
    check_append(|request| request.rows = None, "no rows");
    check_append(|request| request.rows = Some(Rows::ArrowRows(Default::default())), "arrow_rows");
    check_append(|request| request.default_missing_value_interpretation = 9, "interpretation");
    check_append(|request| request.missing_value_interpretations = [("a".to_owned(), 9)].into(), "interpretation");
    for name in ["_CHANGE_TYPE", "_change_type", "_CHANGE_SEQUENCE_NUMBER"] {
        check_append(|request| request.rows = Some(Rows::ProtoRows(rows(&["id", name], 1))), "is not served: change and delete");
    }
}

/// What goes on is what came, without what is of the client alone.
#[test]
fn what_goes_on_is_what_was_understood() {
    let request = AppendRowsRequest {
        write_stream: format!("{TABLE}/streams/s"),
        trace_id: "trace".to_owned(),
        offset: Some(7),
        missing_value_interpretations: [("a".to_owned(), 2)].into(),
        rows: Some(Rows::ProtoRows(rows(&["id"], 2))),
        ..AppendRowsRequest::default()
    };
    let appended = append(Bytes::from(request.encode_to_vec())).unwrap();
    let sent = AppendRowsRequest::decode(appended.message).unwrap();
    assert_eq!(sent, AppendRowsRequest { write_stream: String::new(), trace_id: String::new(), ..request.clone() });
    let unknown = [request.encode_to_vec().as_slice(), &[0x78, 1]].concat();
    assert!(said(append(Bytes::from(unknown))).contains("does not know"));
}
