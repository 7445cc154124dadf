//! Bytes of messages of the Storage Read API per second, checked and masked: `make bench`. Each core of the gateway does this for every byte that leaves.

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message};
use arrow_ipc::{CompressionType, MetadataVersion};
use serde_json::{Value, json};
use sluice_mask::{MASK_SECRET_BYTES, MaskKeys, Masker, StreamSchema};
use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

#[path = "../tests/it/permit.rs"]
#[expect(clippy::panic, clippy::unwrap_used, dead_code, reason = "it is a test's, which uses more of it")]
mod permit;

const TIME_MIN: Duration = Duration::from_secs(1);
/// As many as a message of BigQuery has, about a mebibyte and a half of text.
const ROWS: usize = 8_192;
const COLUMNS: usize = 20;
const CELL: &str = "995-76-0013";
/// How many of them, and by what.
const MASKED: [(usize, &str); 6] =
    [(0, "last_four"), (1, "default_value"), (1, "last_four"), (1, "keyed_hash"), (5, "last_four"), (5, "keyed_hash")];
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
    let keys = MaskKeys::new(&[7; MASK_SECRET_BYTES]);
    for (count, mask) in MASKED {
        let columns: Vec<String> = (0..count).map(|position| format!("\"p.d.t.c{position}\"")).collect();
        let labels = format!("[labels.id]\nmask = \"{mask}\"\nreason = \"r\"\ncolumns = [{}]\n", columns.join(", "));
        let labels = if count == 0 { String::new() } else { labels };
        let masker = Masker::new(&permit::permit(permit::method("tabledata.list", &[Some("STRING"); COLUMNS]), &labels), &keys);
        let stream = masker.begin_stream(schema)?;
        let cells: u64 = stream.mask(message, ROWS as u64)?.masked().map(|masked| masked.cells).sum();
        let speed = per_second(bytes, || stream.mask(message, ROWS as u64).is_ok());
        writeln!(std::io::stdout(), "{name}, {count} of {COLUMNS} columns by {mask}: {cells} cells, {speed:.0} MB/s")?;
    }
    Ok(())
}

/// By the time that a processor worked: what else the machine does is left out.
fn per_second(bytes: usize, run: impl Fn() -> bool) -> f64 {
    let (start, mut rounds) = (worked(), 0_u32);
    while worked() - start < TIME_MIN {
        assert!(black_box(run()));
        rounds += 1;
    }
    bytes as f64 * f64::from(rounds) / (worked() - start).as_secs_f64() / 1e6
}

/// Of this thread. Where nobody counts it, the time that went by.
fn worked() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|word| word.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}
