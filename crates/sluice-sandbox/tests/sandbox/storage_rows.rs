//! Rows as a client writes them: a message described by hand, and its bytes.

use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};

pub use api::append_rows_response::Response;
pub use api::write_stream::Type as Kind;

/// A column by its name, as it is written.
pub type Field = (&'static str, Type);

/// `id INT64, name STRING`.
pub const PLAIN: [Field; 2] = [("id", Type::Int64), ("name", Type::String)];

pub fn path(dataset: &str, table: &str) -> String {
    format!("projects/acme-prod/datasets/{dataset}/tables/{table}")
}

pub fn schema(fields: &[Field]) -> api::ProtoSchema {
    let field = (1..).zip(fields).map(|(number, (name, kind))| FieldDescriptorProto {
        name: Some((*name).to_owned()),
        number: Some(number),
        r#type: Some((*kind).into()),
        label: Some(Label::Optional.into()),
        ..FieldDescriptorProto::default()
    });
    let descriptor = DescriptorProto { name: Some("Row".to_owned()), field: field.collect(), ..DescriptorProto::default() };
    api::ProtoSchema { proto_descriptor: Some(descriptor) }
}

/// A number in the first field, a text in the second.
pub fn row(id: u64, name: &str) -> bytes::Bytes {
    let mut bytes = vec![8];
    varint(id, &mut bytes);
    bytes.push(18);
    varint(name.len() as u64, &mut bytes);
    bytes.extend_from_slice(name.as_bytes());
    bytes::Bytes::from(bytes)
}

/// Rows with these numbers. What begins a connection says the stream and the schema.
pub fn rows(stream: &str, offset: Option<i64>, ids: std::ops::Range<u64>) -> api::AppendRowsRequest {
    let rows = ids.map(|id| row(id, &format!("n{id}"))).collect();
    request(stream, offset, Some(schema(&PLAIN)), rows)
}

pub fn more(offset: Option<i64>, ids: std::ops::Range<u64>) -> api::AppendRowsRequest {
    request("", offset, None, ids.map(|id| row(id, &format!("n{id}"))).collect())
}

pub fn request(
    stream: &str,
    offset: Option<i64>,
    writer_schema: Option<api::ProtoSchema>,
    serialized_rows: Vec<bytes::Bytes>,
) -> api::AppendRowsRequest {
    let data = api::append_rows_request::ProtoData { writer_schema, rows: Some(api::ProtoRows { serialized_rows }) };
    api::AppendRowsRequest {
        write_stream: stream.to_owned(),
        offset,
        trace_id: "a-trace".to_owned(),
        rows: Some(api::append_rows_request::Rows::ProtoRows(data)),
        ..api::AppendRowsRequest::default()
    }
}

/// The offset that was given, or the code of the error.
pub fn outcome(answer: &api::AppendRowsResponse) -> Result<Option<i64>, i32> {
    match answer.response.as_ref().unwrap() {
        Response::AppendResult(result) => Ok(result.offset),
        Response::Error(status) => Err(status.code),
    }
}

fn varint(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
}
