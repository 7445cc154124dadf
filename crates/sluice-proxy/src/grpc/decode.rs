//! Messages, understood field by field. A field that this schema does not know would be left out unseen: the message is longer then than what was understood
//! of it, and refused. So is one in which a field stands twice.

use super::api::arrow_serialization_options::CompressionCodec;
use super::api::read_session::table_read_options::OutputFormatSerializationOptions as Options;
use super::api::{CreateReadSessionRequest, DataFormat, ReadRowsRequest, ReadSession, SplitReadStreamRequest};
use super::defaults::{self, Within};
use crate::rest::names;
use sluice_app::{Compression, FormReason, Moment, ReadSessionAsk, RowForm, Why};
use sluice_model::TableName;
use tonic_prost::prost::Message;

/// `read_session` with its `table_modifiers` and `read_options`.
const CREATE: Within = Within(&[1, 3, 4], &[(2, SESSION)]);
const SESSION: Within = Within(
    &[3, 6, 13],
    &[(7, Within(&[], &[(1, Within(&[1, 2], &[]))])), (8, Within(&[2], &[(3, Within(&[2], &[])), (4, Within(&[1], &[]))]))],
);
/// All that the others have are a name and a number.
const NAMED: Within = Within(&[1, 2], &[]);

/// BigQuery's own bound.
pub const RESTRICTION_BYTES_MAX: usize = 1 << 20;
/// As many columns as a table can have.
pub const FIELDS_MAX: usize = 10_000;
const NANOSECONDS_MAX: u32 = 999_999_999;

/// A session, all but the connection that it goes to.
pub struct Created {
    pub ask: ReadSessionAsk,
    /// As it came, for the answer.
    pub session: ReadSession,
}

pub struct Read {
    pub project: String,
    pub stream: String,
    pub offset: u64,
}

pub struct Split {
    pub project: String,
    pub stream: String,
    pub fraction: f64,
}

pub fn create(bytes: &[u8]) -> Result<Created, Why> {
    let request: CreateReadSessionRequest = strict_within(bytes, &CREATE)?;
    let session = request.read_session.ok_or_else(|| invalid("`read_session` is missing"))?;
    let project = request.parent.strip_prefix("projects/").filter(|project| names::is_project(project));
    let project = project.ok_or_else(|| invalid("`parent` is not `projects/PROJECT`"))?.to_owned();
    let options = session.read_options.clone().unwrap_or_default();
    if options.sample_percentage.is_some() {
        return Err(unsupported("`sample_percentage` is not served: leave it out"));
    }
    if options.response_compression_codec.is_some_and(|codec| codec != 0) {
        return Err(unsupported("`response_compression_codec` is not served: rows of Arrow are packed by `arrow_serialization_options`"));
    }
    let restriction = options.row_restriction.trim().to_owned();
    if restriction.len() > RESTRICTION_BYTES_MAX {
        return Err(too_large(format!("`row_restriction` has more than {RESTRICTION_BYTES_MAX} bytes")));
    }
    let ask = ReadSessionAsk {
        connection: String::new(),
        project,
        table: table(&session.table, "read_session.table")?,
        fields: fields(&options.selected_fields)?,
        restriction,
        snapshot: snapshot(&session)?,
        form: form(&session, options.output_format_serialization_options.as_ref())?,
        streams_max: count("max_stream_count", request.max_stream_count)?,
        streams_preferred: count("preferred_min_stream_count", request.preferred_min_stream_count)?,
    };
    Ok(Created { ask, session })
}

pub fn read(bytes: &[u8]) -> Result<Read, Why> {
    let request: ReadRowsRequest = strict(bytes)?;
    let offset = u64::try_from(request.offset).map_err(|_| invalid("`offset` is negative"))?;
    Ok(Read { project: project_of(&request.read_stream)?, stream: request.read_stream, offset })
}

pub fn split(bytes: &[u8]) -> Result<Split, Why> {
    let request: SplitReadStreamRequest = strict(bytes)?;
    if !(request.fraction > 0.0 && request.fraction < 1.0) {
        return Err(invalid("`fraction` is not between 0 and 1"));
    }
    Ok(Split { project: project_of(&request.name)?, stream: request.name, fraction: request.fraction })
}

pub fn strict<M: Message + Default>(bytes: &[u8]) -> Result<M, Why> {
    strict_within(bytes, &NAMED)
}

/// `within` are the messages inside of it that clients write with fields that have their default.
pub fn strict_within<M: Message + Default>(bytes: &[u8], within: &Within) -> Result<M, Why> {
    let message = M::decode(bytes).map_err(|_| invalid("the message is none of this method's"))?;
    is_whole(message.encoded_len(), bytes, within).map(|()| message)
}

/// All that it says was understood.
pub fn is_whole(understood: usize, bytes: &[u8], within: &Within) -> Result<(), Why> {
    if understood == bytes.len() || defaults::spared(bytes, within).is_some_and(|spared| understood + spared == bytes.len()) {
        return Ok(());
    }
    Err(unsupported("the message has a field that the gateway does not know, or one of them twice: leave it out"))
}

/// By the field that names it.
pub fn table(name: &str, field: &str) -> Result<TableName, Why> {
    let wanted = || invalid(format!("`{field}` is not `projects/PROJECT/datasets/DATASET/tables/TABLE`"));
    match name.split('/').collect::<Vec<_>>().as_slice() {
        ["projects", project, "datasets", dataset, "tables", table] => {
            if table.contains(['$', '@', '*']) {
                return Err(unsupported(format!("`{field}` has a decorator or a wildcard: name one table")));
            }
            let is_name = names::is_project(project) && names::is_plain(dataset) && names::is_table(table);
            if is_name { Ok(TableName::new(project, dataset, table)) } else { Err(wanted()) }
        }
        _ => Err(wanted()),
    }
}

fn fields(paths: &[String]) -> Result<Vec<Vec<String>>, Why> {
    if paths.len() > FIELDS_MAX {
        return Err(too_large(format!("`selected_fields` has more than {FIELDS_MAX} paths")));
    }
    let path = |text: &String| match names::field_paths(text)?.as_slice() {
        [path] if path.join(".") == *text => Some(path.clone()),
        _ => None,
    };
    paths.iter().map(path).collect::<Option<_>>().ok_or_else(|| invalid("one of `selected_fields` is no path of columns"))
}

fn snapshot(session: &ReadSession) -> Result<Option<Moment>, Why> {
    let Some(time) = session.table_modifiers.as_ref().and_then(|modifiers| modifiers.snapshot_time) else { return Ok(None) };
    let nanoseconds = u32::try_from(time.nanos).ok().filter(|nanoseconds| *nanoseconds <= NANOSECONDS_MAX);
    let nanoseconds = nanoseconds.ok_or_else(|| invalid("`snapshot_time` is no moment"))?;
    Ok(Some(Moment { seconds: time.seconds, nanoseconds }))
}

/// Options of the format that is not asked for mean nothing.
fn form(session: &ReadSession, options: Option<&Options>) -> Result<RowForm, Why> {
    let format = DataFormat::try_from(session.data_format).unwrap_or_default();
    match (format, options) {
        (DataFormat::Unspecified, _) => Err(invalid("`data_format` is neither `ARROW` nor `AVRO`")),
        (DataFormat::Arrow, Some(Options::ArrowSerializationOptions(arrow))) => {
            if arrow.picos_timestamp_precision != 0 {
                return Err(unsupported("`picos_timestamp_precision` is not served: leave it out"));
            }
            let codec = CompressionCodec::try_from(arrow.buffer_compression);
            match codec.map_err(|_| unsupported("`buffer_compression` is none that is known"))? {
                CompressionCodec::CompressionUnspecified => Ok(RowForm::Arrow(Compression::None)),
                CompressionCodec::Lz4Frame => Ok(RowForm::Arrow(Compression::Lz4Frame)),
                CompressionCodec::Zstd => Ok(RowForm::Arrow(Compression::Zstd)),
            }
        }
        (DataFormat::Arrow, _) => Ok(RowForm::Arrow(Compression::None)),
        (DataFormat::Avro, Some(Options::AvroSerializationOptions(avro)))
            if avro.enable_display_name_attribute || avro.picos_timestamp_precision != 0 =>
        {
            Err(unsupported("`enable_display_name_attribute` and `picos_timestamp_precision` are not served: leave them out"))
        }
        (DataFormat::Avro, _) => Ok(RowForm::Avro),
    }
}

fn count(name: &str, number: i32) -> Result<u32, Why> {
    u32::try_from(number).map_err(|_| invalid(format!("`{name}` is negative")))
}

/// Whose connection a stream goes by. Whether it is there, the book says.
fn project_of(stream: &str) -> Result<String, Why> {
    let project = stream.strip_prefix("projects/").and_then(|rest| rest.split('/').next()).filter(|project| names::is_project(project));
    project.map(str::to_owned).ok_or_else(|| invalid("the stream is not named `projects/PROJECT/locations/../sessions/../streams/..`"))
}

pub fn invalid(text: impl Into<String>) -> Why {
    Why::Form { reason: FormReason::Invalid, text: text.into() }
}

pub fn unsupported(text: impl Into<String>) -> Why {
    Why::Form { reason: FormReason::Unsupported, text: text.into() }
}

pub fn too_large(text: String) -> Why {
    Why::Form { reason: FormReason::TooLarge, text }
}

#[cfg(test)]
mod tests;
