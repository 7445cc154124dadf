//! A schema and a message of the Storage Read API, as one input: how many rows (a byte), how long the schema is (two bytes, the lower one first),
//! the schema, the message. The fuzz targets look at such inputs by the same function as the tests.

use crate::permit::{method, output, permit};
use sluice_mask::{MASK_SECRET_BYTES, MaskFault, MaskKeys, MaskedBatch, Masker, StreamSchema};
use sluice_model::Output;
use sluice_policy::{Request, Work};

/// Of the table that inputs are of.
pub const COLUMNS: [(&str, &str); 6] =
    [("c0", "STRING"), ("c1", "BYTES"), ("c2", "DATE"), ("c3", "ARRAY<STRUCT<x STRING, y INT64>>"), ("c4", "NUMERIC"), ("c5", "BOOL")];
const LABELS: [(&str, &str, &str); 4] =
    [("one", "last_four", "c0"), ("two", "sha256", "c1"), ("three", "date_year", "c2"), ("four", "email", "c3.x")];

#[derive(Clone, Copy)]
pub enum Format {
    Arrow,
    Avro,
}

/// For the same table, with masks and without.
pub struct Maskers {
    masked: Masker,
    clear: Masker,
}

impl Maskers {
    pub fn new() -> Maskers {
        let keys = MaskKeys::new(&[7; MASK_SECRET_BYTES]);
        let label = |(name, mask, column): &(&str, &str, &str)| {
            format!("[labels.{name}]\nmask = \"{mask}\"\nreason = \"r\"\ncolumns = [\"p.d.t.{column}\"]\n")
        };
        let labels: String = LABELS.iter().map(label).collect();
        Maskers { masked: Masker::new(&permit(request(), &labels), &keys), clear: Masker::new(&permit(request(), ""), &keys) }
    }
}

fn request() -> Request {
    let column = |(name, kind): &(&str, &str)| -> Output {
        match *name {
            "c3" => output(name, Some(kind), &[("x", "c3.x"), ("y", "c3.y")]),
            name => output(name, Some(kind), &[("", name)]),
        }
    };
    let mut request = method("tabledata.list", &[]);
    if let Work::Method(method) = &mut request.work {
        method.columns = COLUMNS.iter().map(column).collect();
    }
    request
}

/// What was said of the masked one. Whatever passes, passes again: masked, and clear.
pub fn look(maskers: &Maskers, format: Format, bytes: &[u8]) -> Option<Result<MaskedBatch, MaskFault>> {
    let ([rows, low, high], rest) = bytes.split_first_chunk::<3>()?;
    let (schema, message) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))?;
    let schema = match format {
        Format::Arrow => StreamSchema::Arrow(schema),
        Format::Avro => StreamSchema::Avro(std::str::from_utf8(schema).ok()?),
    };
    let rows = u64::from(*rows);
    let clear = maskers.clear.begin_stream(schema);
    if let Ok(clear) = &clear
        && let Ok(batch) = clear.mask(message, rows)
    {
        assert!(batch.bytes() == message && batch.count() == rows);
    }
    let masked = maskers.masked.begin_stream(schema).ok()?;
    let found = masked.mask(message, rows);
    if let Ok(batch) = &found {
        assert_eq!(batch.count(), rows);
        assert!(masked.mask(&batch.bytes(), rows).is_ok_and(|again| again.count() == rows));
        assert!(clear.is_ok_and(|clear| clear.mask(&batch.bytes(), rows).is_ok()));
    }
    Some(found)
}
