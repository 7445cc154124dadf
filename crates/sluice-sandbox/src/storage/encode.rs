//! Rows into messages, in the form that the session was made for.

use super::api;
use super::{arrow, avro};
use crate::problem::Problem;
use crate::values::datum::billed_bytes;
use crate::values::{Column, Datum, Scalar};
use arrow_ipc::CompressionType;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;

/// Of the rows in one message. A single row may have more.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// A message of narrow rows does not become a batch that takes long to make.
pub const MESSAGE_ROWS_MAX: usize = 16_384;
/// Behind each value, in a list of them: its offset, the byte of its length, the bit that it is there.
const VALUE_OVERHEAD_BYTES: u64 = 9;
/// What a value that is not there takes at most: Arrow keeps its room.
const NULL_BYTES: u64 = 33;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Arrow(Option<CompressionType>),
    Avro,
}

pub struct Encoder {
    columns: Vec<Column>,
    form: Form,
}

enum Form {
    Arrow { schema: SchemaRef, serialized: Bytes, compression: Option<CompressionType> },
    Avro { schema: String },
}

impl Encoder {
    pub fn new(columns: Vec<Column>, wanted: Wanted) -> Result<Encoder, Problem> {
        let form = match wanted {
            Wanted::Arrow(compression) => {
                let schema = Arc::new(arrow::schema::schema(&columns));
                let serialized = Bytes::from(arrow::message::of_schema(&schema)?);
                Form::Arrow { schema, serialized, compression }
            }
            Wanted::Avro => Form::Avro { schema: avro::schema::schema(&columns)? },
        };
        Ok(Encoder { columns, form })
    }

    pub fn session_schema(&self) -> api::read_session::Schema {
        match &self.form {
            Form::Arrow { serialized, .. } => {
                api::read_session::Schema::ArrowSchema(api::ArrowSchema { serialized_schema: serialized.clone() })
            }
            Form::Avro { schema } => api::read_session::Schema::AvroSchema(api::AvroSchema { schema: schema.clone() }),
        }
    }

    pub fn response_schema(&self) -> api::read_rows_response::Schema {
        match self.session_schema() {
            api::read_session::Schema::ArrowSchema(schema) => api::read_rows_response::Schema::ArrowSchema(schema),
            api::read_session::Schema::AvroSchema(schema) => api::read_rows_response::Schema::AvroSchema(schema),
        }
    }

    #[expect(deprecated, reason = "BigQuery still fills in the old count, and old clients read it")]
    pub fn rows(&self, rows: &[Cow<'_, [Datum]>]) -> Result<api::read_rows_response::Rows, Problem> {
        let row_count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        match &self.form {
            Form::Arrow { schema, compression, .. } => {
                let batch = arrow::rows::batch(schema, &self.columns, rows)?;
                let serialized_record_batch = Bytes::from(arrow::message::of_batch(&batch, *compression)?);
                Ok(api::read_rows_response::Rows::ArrowRecordBatch(api::ArrowRecordBatch { serialized_record_batch, row_count }))
            }
            Form::Avro { .. } => {
                let mut written = Vec::new();
                rows.iter().try_for_each(|row| avro::rows::write(&self.columns, row, &mut written))?;
                Ok(api::read_rows_response::Rows::AvroRows(api::AvroRows { serialized_binary_rows: Bytes::from(written), row_count }))
            }
        }
    }

    /// No less than what a row takes in a message, before compression.
    pub fn weight(&self, row: &[Datum]) -> u64 {
        weights(&self.columns, row)
    }
}

fn weights(columns: &[Column], cells: &[Datum]) -> u64 {
    columns.iter().zip(cells).map(|(column, cell)| weight(column, cell)).sum()
}

fn weight(column: &Column, cell: &Datum) -> u64 {
    match cell {
        Datum::Null => null_weight(column),
        Datum::Array(elements) => VALUE_OVERHEAD_BYTES + elements.iter().map(|element| weight(column, element)).sum::<u64>(),
        Datum::Struct(cells) => VALUE_OVERHEAD_BYTES + weights(&column.fields, cells),
        // As text it takes more than it is billed for.
        Datum::Datetime(_) => 26 + VALUE_OVERHEAD_BYTES,
        Datum::Range(ends) => 3 * VALUE_OVERHEAD_BYTES + ends.iter().map(|end| weight(column, end)).sum::<u64>(),
        scalar => billed_bytes(scalar) + VALUE_OVERHEAD_BYTES,
    }
}

/// Arrow keeps room for the fields of a record that is not there.
fn null_weight(column: &Column) -> u64 {
    match column.kind {
        Scalar::Record => VALUE_OVERHEAD_BYTES + column.fields.iter().map(null_weight).sum::<u64>(),
        Scalar::Of(_) => NULL_BYTES,
    }
}
