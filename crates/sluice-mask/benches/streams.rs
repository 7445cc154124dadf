//! Bytes of messages of the Storage Read API per second, checked and masked: `make bench`. Each core of the gateway does this for every byte that leaves.

mod measure;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message};
use arrow_ipc::{CompressionType, MetadataVersion};
use bytes::Bytes;
use measure::{COLUMNS, MASKED, masker, per_second};
use serde_json::{Value, json};
use sluice_mask::StreamSchema;
use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

/// As many as a message of BigQuery has, about a mebibyte and a half of text.
const ROWS: usize = 8_192;
const CELL: &str = "995-76-0013";
const COMPRESSIONS: [(&str, Option<CompressionType>); 3] =
    [("Arrow", None), ("Arrow by LZ4", Some(CompressionType::LZ4_FRAME)), ("Arrow by Zstandard", Some(CompressionType::ZSTD))];

fn main() -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = (0..COLUMNS).map(|position| format!("c{position}")).collect();
    let column: ArrayRef = Arc::new(StringArray::from(vec![CELL; ROWS]));
    let batch = RecordBatch::try_from_iter_with_nullable(names.iter().map(|name| (name, column.clone(), true)))?;
    // What is masked is the bytes before compression: they are what there is to do.
    let plain_bytes = arrow(&batch, None)?.1.len();
    for (name, compression) in COMPRESSIONS {
        let (schema, message) = arrow(&batch, compression)?;
        measure(name, StreamSchema::Arrow(&schema), &message, plain_bytes)?;
    }
    let fields: Vec<Value> = names.iter().map(|name| json!({ "name": name, "type": ["null", "string"] })).collect();
    let schema = json!({ "type": "record", "name": "__root__", "fields": fields }).to_string();
    let message = [&[2, 22], CELL.as_bytes()].concat().repeat(ROWS * COLUMNS);
    measure("Avro", StreamSchema::Avro(&schema), &message, message.len())
}

fn arrow(batch: &RecordBatch, compression: Option<CompressionType>) -> Result<(Vec<u8>, Vec<u8>), Box<dyn Error>> {
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?.try_with_compression(compression)?;
    let mut tracker = DictionaryTracker::new(true);
    let schema = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(&batch.schema(), &mut tracker, &options);
    let (_, rows) = IpcDataGenerator::default().encode(batch, &mut tracker, &options, &mut IpcWriteContext::default())?;
    let (mut head, mut message) = (Vec::new(), Vec::new());
    write_message(&mut head, schema, &options)?;
    write_message(&mut message, rows, &options)?;
    Ok((head, message))
}

fn measure(name: &str, schema: StreamSchema<'_>, message: &[u8], bytes: usize) -> Result<(), Box<dyn Error>> {
    let message = Bytes::copy_from_slice(message);
    for (count, mask) in MASKED {
        let masker = masker(count, mask);
        let stream = masker.begin_stream(schema)?;
        let cells: u64 = stream.mask_shared(&message, ROWS as u64)?.masked().map(|masked| masked.cells).sum();
        let speed = per_second(bytes, || stream.mask_shared(&message, ROWS as u64).is_ok());
        writeln!(std::io::stdout(), "{name}, {count} of {COLUMNS} columns by {mask}: {cells} cells, {speed:.0} MB/s")?;
    }
    Ok(())
}
