//! What a door has understood of a call of the Storage Read API, and what it is answered.

use crate::ports::RowShape;
use serde_json::{Value, json};
use sluice_model::TableName;
use sluice_policy::{Sends, Verb};

const SERVICE: &str = "google.cloud.bigquery.storage.v1.BigQueryRead";

/// `CreateReadSession`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSessionAsk {
    pub connection: String,
    /// That is billed: `parent`.
    pub project: String,
    pub table: TableName,
    /// Paths of columns; none for all.
    pub fields: Vec<Vec<String>>,
    /// An expression of SQL; empty for all rows.
    pub restriction: String,
    pub snapshot: Option<Moment>,
    pub form: RowForm,
    pub streams_max: u32,
    pub streams_preferred: u32,
}

/// Since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub seconds: i64,
    pub nanoseconds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    Arrow(Compression),
    Avro,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Lz4Frame,
    None,
    Zstd,
}

/// A session as its client sees it: under names of the gateway's.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedSession {
    pub name: String,
    pub expires_ms: u64,
    pub streams: Vec<String>,
    /// As masks leave it.
    pub shape: RowShape,
    pub rows_estimated: u64,
    /// Nothing where they would tell how long masked values are.
    pub bytes_estimated: u64,
}

/// The two halves of a stream; nothing where it cannot be split.
pub type StreamSplit = Option<[String; 2]>;

impl ReadSessionAsk {
    /// The call that a permit owns.
    pub(crate) fn sends(&self) -> Sends {
        let TableName { project, dataset, table } = &self.table;
        let mut body = json!({
            "parent": format!("projects/{}", self.project),
            "table": format!("projects/{project}/datasets/{dataset}/tables/{table}"),
            "dataFormat": self.form.word(),
            "maxStreamCount": self.streams_max,
            "preferredMinStreamCount": self.streams_preferred,
        });
        let mut add = |name: &str, value: Option<Value>| {
            if let (Some(fields), Some(value)) = (body.as_object_mut(), value) {
                fields.insert(name.to_owned(), value);
            }
        };
        let fields: Vec<String> = self.fields.iter().map(|path| path.join(".")).collect();
        add("selectedFields", (!fields.is_empty()).then(|| json!(fields)));
        add("rowRestriction", (!self.restriction.is_empty()).then(|| json!(self.restriction)));
        add("snapshotTime", self.snapshot.map(|moment| json!({ "seconds": moment.seconds, "nanos": moment.nanoseconds })));
        add("arrowCompression", self.form.compression().map(|word| json!(word)));
        call("CreateReadSession", &body)
    }
}

pub(crate) fn read_rows(stream: &str, offset: u64) -> Sends {
    call("ReadRows", &json!({ "readStream": stream, "offset": offset }))
}

pub(crate) fn split_stream(stream: &str, fraction: f64) -> Sends {
    call("SplitReadStream", &json!({ "name": stream, "fraction": fraction }))
}

fn call(method: &str, body: &Value) -> Sends {
    Sends { verb: Verb::Post, path: format!("{SERVICE}/{method}"), body: Some(body.to_string()), ..Sends::default() }
}

impl RowForm {
    fn word(self) -> &'static str {
        match self {
            RowForm::Arrow(_) => "ARROW",
            RowForm::Avro => "AVRO",
        }
    }

    fn compression(self) -> Option<&'static str> {
        match self {
            RowForm::Arrow(Compression::Lz4Frame) => Some("LZ4_FRAME"),
            RowForm::Arrow(Compression::Zstd) => Some("ZSTD"),
            RowForm::Arrow(Compression::None) | RowForm::Avro => None,
        }
    }
}
