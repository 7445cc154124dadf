//! The message of a call, out of what its permit owns. A member that is not known would be left out, so it refuses the whole.

use super::api::write_stream::Type;
use super::api::{
    BatchCommitWriteStreamsRequest, CreateWriteStreamRequest, FinalizeWriteStreamRequest, FlushRowsRequest, GetWriteStreamRequest,
    WriteStream, WriteStreamView,
};
use crate::storage::call::{Call, Members, about};
use sluice_policy::Sends;

const SERVICE: &str = "google.cloud.bigquery.storage.v1.BigQueryWrite/";

/// What is asked of a stream, with one answer.
pub enum OfStream {
    Commit(Call<BatchCommitWriteStreamsRequest>),
    Create(Call<CreateWriteStreamRequest>),
    Finalize(Call<FinalizeWriteStreamRequest>),
    Flush(Call<FlushRowsRequest>),
    Get(Call<GetWriteStreamRequest>),
}

pub fn of_stream(sends: &Sends) -> Option<OfStream> {
    let method = sends.path.strip_prefix(SERVICE)?;
    let mut members = Members::of(sends, SERVICE, method)?;
    let asked = match method {
        "BatchCommitWriteStreams" => {
            let parent = members.text("parent")?;
            let about = about("parent", &parent);
            OfStream::Commit(Call {
                message: BatchCommitWriteStreamsRequest { parent, write_streams: members.texts("writeStreams")? },
                about,
            })
        }
        "CreateWriteStream" => {
            let parent = members.text("parent")?;
            let kind = Type::from_str_name(&members.text("type")?).filter(|kind| *kind != Type::Unspecified)?;
            let write_stream = Some(WriteStream { r#type: kind.into(), ..WriteStream::default() });
            OfStream::Create(Call { about: about("parent", &parent), message: CreateWriteStreamRequest { parent, write_stream } })
        }
        "FinalizeWriteStream" => {
            let name = members.text("name")?;
            OfStream::Finalize(Call { about: about("name", &name), message: FinalizeWriteStreamRequest { name } })
        }
        "FlushRows" => {
            let write_stream = members.text("writeStream")?;
            let offset = Some(members.offset("offset")?);
            OfStream::Flush(Call { about: about("write_stream", &write_stream), message: FlushRowsRequest { write_stream, offset } })
        }
        "GetWriteStream" => {
            let name = members.text("name")?;
            let view = WriteStreamView::from_str_name(&members.text("view")?)?.into();
            OfStream::Get(Call { about: about("name", &name), message: GetWriteStreamRequest { name, view } })
        }
        _ => return None,
    };
    members.end()?;
    Some(asked)
}

/// The name of the stream that rows are appended to.
pub fn append(sends: &Sends) -> Option<Call<String>> {
    let mut members = Members::of(sends, SERVICE, "AppendRows")?;
    let stream = members.text("writeStream")?;
    members.end()?;
    Some(Call { about: about("write_stream", &stream), message: stream })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sends(method: &str, body: &Value) -> Sends {
        Sends { path: format!("{SERVICE}{method}"), body: Some(body.to_string()), ..Sends::default() }
    }

    fn check(method: &str, body: &Value, expect: Option<&str>) {
        let found = of_stream(&sends(method, body)).map(|asked| match asked {
            OfStream::Commit(call) => format!("{} {:?}", call.about, call.message.write_streams),
            OfStream::Create(call) => format!("{} {}", call.about, call.message.write_stream.unwrap_or_default().r#type().as_str_name()),
            OfStream::Finalize(call) => call.about,
            OfStream::Flush(call) => format!("{} {:?}", call.about, call.message.offset),
            OfStream::Get(call) => format!("{} {}", call.about, call.message.view().as_str_name()),
        });
        assert_eq!(found.as_deref(), expect, "{method} {body}");
    }

    #[test]
    fn what_was_permitted_is_sent_and_nothing_else() {
        check("CreateWriteStream", &json!({ "parent": "a/b", "type": "PENDING" }), Some("parent=a%2Fb PENDING"));
        check("CreateWriteStream", &json!({ "parent": "p", "type": "TYPE_UNSPECIFIED" }), None);
        check("CreateWriteStream", &json!({ "parent": "p", "type": "PENDING", "location": "us" }), None);
        check("GetWriteStream", &json!({ "name": "s", "view": "FULL" }), Some("name=s FULL"));
        check("GetWriteStream", &json!({ "name": "s" }), None);
        check("FinalizeWriteStream", &json!({ "name": "s" }), Some("name=s"));
        check("FlushRows", &json!({ "writeStream": "s", "offset": 7 }), Some("write_stream=s Some(7)"));
        check("FlushRows", &json!({ "writeStream": "s", "offset": -7 }), None);
        check("BatchCommitWriteStreams", &json!({ "parent": "p", "writeStreams": ["s", "t"] }), Some("parent=p [\"s\", \"t\"]"));
        check("BatchCommitWriteStreams", &json!({ "parent": "p", "writeStreams": "s" }), None);
        check("AppendRows", &json!({ "writeStream": "s" }), None);
        let appended = append(&sends("AppendRows", &json!({ "writeStream": "s" }))).map(|call| call.message);
        assert_eq!(appended.as_deref(), Some("s"));
        assert!(append(&sends("AppendRows", &json!({ "writeStream": "s", "offset": 1 }))).is_none());
    }
}
