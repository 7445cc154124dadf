//! The message of a call, out of what its permit owns. A member that is not known would be left out, so it refuses the whole.

use super::api::arrow_serialization_options::CompressionCodec;
use super::api::read_session::table_read_options::OutputFormatSerializationOptions as Options;
use super::api::read_session::{TableModifiers, TableReadOptions};
use super::api::{ArrowSerializationOptions, CreateReadSessionRequest, DataFormat, ReadRowsRequest, ReadSession, SplitReadStreamRequest};
use serde_json::{Map, Value};
use sluice_policy::Sends;

const SERVICE: &str = "google.cloud.bigquery.storage.v1.BigQueryRead/";

/// What is sent, and what it is about, for Google's routers.
pub struct Call<M> {
    pub message: M,
    pub about: String,
}

/// Members of a body that are taken one by one. What is left at the end is not understood.
pub struct Members(Map<String, Value>);

pub fn create(sends: &Sends) -> Option<Call<CreateReadSessionRequest>> {
    let mut members = Members::of(sends, SERVICE, "CreateReadSession")?;
    let table = members.text("table")?;
    let format = match members.text("dataFormat")?.as_str() {
        "ARROW" => DataFormat::Arrow,
        "AVRO" => DataFormat::Avro,
        _ => return None,
    };
    let codec = match members.optional_text("arrowCompression")?.as_deref() {
        None => CompressionCodec::CompressionUnspecified,
        Some("LZ4_FRAME") => CompressionCodec::Lz4Frame,
        Some("ZSTD") => CompressionCodec::Zstd,
        Some(_) => return None,
    };
    let arrow = ArrowSerializationOptions { buffer_compression: codec.into(), ..ArrowSerializationOptions::default() };
    let options = TableReadOptions {
        selected_fields: members.texts("selectedFields")?,
        row_restriction: members.optional_text("rowRestriction")?.unwrap_or_default(),
        output_format_serialization_options: (format == DataFormat::Arrow).then_some(Options::ArrowSerializationOptions(arrow)),
        ..TableReadOptions::default()
    };
    let session = ReadSession {
        table: table.clone(),
        data_format: format.into(),
        table_modifiers: members.moment("snapshotTime")?,
        read_options: Some(options),
        ..ReadSession::default()
    };
    let message = CreateReadSessionRequest {
        parent: members.text("parent")?,
        read_session: Some(session),
        max_stream_count: members.count("maxStreamCount")?,
        preferred_min_stream_count: members.count("preferredMinStreamCount")?,
    };
    members.end()?;
    Some(Call { message, about: about("read_session.table", &table) })
}

pub fn read(sends: &Sends) -> Option<Call<ReadRowsRequest>> {
    let mut members = Members::of(sends, SERVICE, "ReadRows")?;
    let read_stream = members.text("readStream")?;
    let offset = members.offset("offset")?;
    members.end()?;
    Some(Call { about: about("read_stream", &read_stream), message: ReadRowsRequest { read_stream, offset } })
}

pub fn split(sends: &Sends) -> Option<Call<SplitReadStreamRequest>> {
    let mut members = Members::of(sends, SERVICE, "SplitReadStream")?;
    let name = members.text("name")?;
    let fraction = members.0.remove("fraction")?.as_f64()?;
    members.end()?;
    Some(Call { about: about("name", &name), message: SplitReadStreamRequest { name, fraction } })
}

pub fn about(field: &str, name: &str) -> String {
    format!("{field}={}", crate::rest::encoded(name))
}

impl Members {
    pub fn of(sends: &Sends, service: &str, method: &str) -> Option<Members> {
        if sends.path.strip_prefix(service)? != method {
            return None;
        }
        match serde_json::from_str(sends.body.as_deref()?).ok()? {
            Value::Object(members) => Some(Members(members)),
            _ => None,
        }
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        self.optional_text(name)?
    }

    fn optional_text(&mut self, name: &str) -> Option<Option<String>> {
        match self.0.remove(name) {
            None => Some(None),
            Some(Value::String(text)) => Some(Some(text)),
            Some(_) => None,
        }
    }

    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let Some(value) = self.0.remove(name) else { return Some(Vec::new()) };
        value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
    }

    /// A row of a stream.
    pub fn offset(&mut self, name: &str) -> Option<i64> {
        i64::try_from(self.0.remove(name)?.as_u64()?).ok()
    }

    fn count(&mut self, name: &str) -> Option<i32> {
        i32::try_from(self.0.remove(name)?.as_u64()?).ok()
    }

    fn moment(&mut self, name: &str) -> Option<Option<TableModifiers>> {
        let Some(value) = self.0.remove(name) else { return Some(None) };
        let mut modifiers = TableModifiers::default();
        let time = modifiers.snapshot_time.get_or_insert_default();
        time.seconds = value.get("seconds")?.as_i64()?;
        time.nanos = i32::try_from(value.get("nanos")?.as_i64()?).ok()?;
        Some(Some(modifiers))
    }

    pub fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sends(method: &str, body: &Value) -> Sends {
        Sends { path: format!("{SERVICE}{method}"), body: Some(body.to_string()), ..Sends::default() }
    }

    #[test]
    fn a_session_is_sent_as_it_was_permitted() {
        let body = json!({
            "parent": "projects/p", "table": "projects/p/datasets/d/tables/t", "dataFormat": "ARROW", "arrowCompression": "ZSTD",
            "selectedFields": ["id", "a.b"], "rowRestriction": "id > 7", "snapshotTime": { "seconds": 5, "nanos": 6 },
            "maxStreamCount": 4, "preferredMinStreamCount": 2,
        });
        let Call { message, about } = create(&sends("CreateReadSession", &body)).unwrap();
        assert_eq!(about, "read_session.table=projects%2Fp%2Fdatasets%2Fd%2Ftables%2Ft");
        assert_eq!((message.parent.as_str(), message.max_stream_count, message.preferred_min_stream_count), ("projects/p", 4, 2));
        let session = message.read_session.unwrap();
        assert_eq!((session.table.as_str(), session.data_format()), ("projects/p/datasets/d/tables/t", DataFormat::Arrow));
        assert_eq!(session.table_modifiers.unwrap().snapshot_time.map(|time| (time.seconds, time.nanos)), Some((5, 6)));
        let options = session.read_options.unwrap();
        assert_eq!((options.selected_fields, options.row_restriction.as_str()), (vec!["id".to_owned(), "a.b".to_owned()], "id > 7"));
        let Some(Options::ArrowSerializationOptions(arrow)) = options.output_format_serialization_options else { panic!("not Arrow") };
        assert_eq!(arrow.buffer_compression(), CompressionCodec::Zstd);
    }

    #[test]
    fn what_is_not_understood_is_not_sent() {
        let body = json!({
            "parent": "projects/p", "table": "t", "dataFormat": "AVRO", "maxStreamCount": 0, "preferredMinStreamCount": 0,
        });
        let with = |name: &str, value: Value| {
            let mut body = body.clone();
            body[name] = value;
            create(&sends("CreateReadSession", &body)).is_some()
        };
        assert!(with("table", json!("u")));
        for (name, value) in [
            ("samplePercentage", json!(1.0)),
            ("dataFormat", json!("CSV")),
            ("arrowCompression", json!("GZIP")),
            ("maxStreamCount", json!(-1)),
            ("selectedFields", json!("id")),
            ("rowRestriction", json!(7)),
            ("snapshotTime", json!({ "seconds": 1 })),
        ] {
            assert!(!with(name, value), "{name}");
        }
        assert!(create(&sends("ReadRows", &body)).is_none());
        let stream = json!({ "readStream": "s", "offset": 7 });
        assert_eq!(read(&sends("ReadRows", &stream)).unwrap().message.offset, 7);
        assert!(read(&sends("ReadRows", &json!({ "readStream": "s", "offset": -7 }))).is_none());
        assert_eq!(split(&sends("SplitReadStream", &json!({ "name": "s", "fraction": 0.5 }))).unwrap().about, "name=s");
    }
}
