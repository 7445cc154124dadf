//! Arrow, written and read by its library. Where nothing can be seen, something is: a value under each null.

use super::rows::{DATES, DATETIMES, INTERVALS, RANGES, TIMES, decimal, unscaled};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, GenericByteArray, ListArray, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StructArray,
};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer, i256};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message};
use arrow_ipc::{CompressionType, MetadataVersion, root_as_message};
use arrow_schema::{DataType, Field, Fields, IntervalUnit, Metadata, Schema, SchemaRef, TimeUnit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;

const UNDER_NULL: &str = "CANARY under null";

pub fn schema(fields: &[Value]) -> SchemaRef {
    Arc::new(Schema::new(fields_of(fields)))
}

fn fields_of(fields: &[Value]) -> Fields {
    fields.iter().map(field_of).collect()
}

fn field_of(field: &Value) -> Field {
    let name = field["name"].as_str().unwrap();
    let described = match field["mode"].as_str().unwrap() {
        "REPEATED" => Field::new(name, DataType::List(Arc::new(Field::new("item", kind(field), true))), false),
        mode => Field::new(name, kind(field), mode == "NULLABLE"),
    };
    let metadata: &[(&str, &str)] = match field["type"].as_str().unwrap() {
        "GEOGRAPHY" => &[("ARROW:extension:name", "google:sqlType:geography")],
        "JSON" => &[("ARROW:extension:name", "google:sqlType:json")],
        "RANGE" => &[("google:sqlType", "range")],
        _ => &[],
    };
    described.with_metadata(metadata.iter().copied().collect::<Metadata>())
}

fn kind(field: &Value) -> DataType {
    match field["type"].as_str().unwrap() {
        "STRING" | "GEOGRAPHY" | "JSON" => DataType::Utf8,
        "BYTES" => DataType::Binary,
        "INTEGER" => DataType::Int64,
        "FLOAT" => DataType::Float64,
        "NUMERIC" => DataType::Decimal128(38, 9),
        "BIGNUMERIC" => DataType::Decimal256(76, 38),
        "BOOLEAN" => DataType::Boolean,
        "DATE" => DataType::Date32,
        "TIME" => DataType::Time64(TimeUnit::Microsecond),
        "DATETIME" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "INTERVAL" => DataType::Interval(IntervalUnit::MonthDayNano),
        "RANGE" => DataType::Struct(["start", "end"].map(|name| Field::new(name, DataType::Date32, true)).into_iter().collect()),
        "RECORD" => DataType::Struct(fields_of(field["fields"].as_array().unwrap())),
        other => panic!("{other}"),
    }
}

fn options(compression: Option<CompressionType>) -> IpcWriteOptions {
    IpcWriteOptions::try_new(8, false, MetadataVersion::V5).unwrap().try_with_compression(compression).unwrap()
}

pub fn schema_message(schema: &Schema) -> Vec<u8> {
    let options = options(None);
    let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut DictionaryTracker::new(true), &options);
    let mut message = Vec::new();
    write_message(&mut message, encoded, &options).unwrap();
    message
}

pub fn batch_message(batch: &RecordBatch, compression: Option<CompressionType>) -> Vec<u8> {
    let options = options(compression);
    let mut tracker = DictionaryTracker::new(true);
    let (_, encoded) = IpcDataGenerator::default().encode(batch, &mut tracker, &options, &mut IpcWriteContext::default()).unwrap();
    let mut message = Vec::new();
    write_message(&mut message, encoded, &options).unwrap();
    message
}

pub fn message(schema: &SchemaRef, fields: &[Value], rows: &[Value], compression: Option<CompressionType>) -> Vec<u8> {
    let one = |(position, field): (usize, &Value)| {
        let cells: Vec<Option<&Value>> = rows.iter().map(|row| Some(&row["f"][position]["v"])).collect();
        array(field, &cells)
    };
    let arrays: Vec<ArrayRef> = fields.iter().enumerate().map(one).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    batch_message(&RecordBatch::try_new_with_options(schema.clone(), arrays, &options).unwrap(), compression)
}

/// A cell is nothing where no record is around it: what lies there is anything.
fn array(field: &Value, cells: &[Option<&Value>]) -> ArrayRef {
    if field["mode"] != "REPEATED" {
        return element(field, cells);
    }
    let mut inside: Vec<Option<&Value>> = Vec::new();
    let mut lengths = Vec::new();
    for cell in cells {
        let before = inside.len();
        match cell {
            Some(cell) => inside.extend(cell.as_array().unwrap().iter().map(|element| Some(&element["v"]))),
            // A list that nobody sees may hold something.
            None => inside.extend([None, None]),
        }
        lengths.push(inside.len() - before);
    }
    let item = Arc::new(Field::new("item", kind(field), true));
    Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths), element(field, &inside), None))
}

/// What can be seen, by itself; the rest is null, or there if it has to be.
fn there(field: &Value, cells: &[Option<&Value>]) -> Option<NullBuffer> {
    let required = field["mode"] == "REQUIRED";
    let there: Vec<bool> = cells.iter().map(|cell| required || cell.is_some_and(|cell| !cell.is_null())).collect();
    (!required).then(|| NullBuffer::from(there))
}

fn element(field: &Value, cells: &[Option<&Value>]) -> ArrayRef {
    let texts: Vec<Option<&str>> = cells.iter().map(|cell| cell.and_then(Value::as_str)).collect();
    let nulls = there(field, cells);
    let days = |text: &str| DATES.iter().find(|(date, _)| *date == text).unwrap().1;
    match field["type"].as_str().unwrap() {
        "STRING" | "GEOGRAPHY" | "JSON" => {
            let values = texts.iter().map(|text| text.unwrap_or(UNDER_NULL).as_bytes().to_vec()).collect();
            bytes::<arrow_array::types::Utf8Type>(values, nulls)
        }
        "BYTES" => {
            let values = texts.iter().map(|text| text.map_or_else(|| UNDER_NULL.into(), |text| STANDARD.decode(text).unwrap()));
            bytes::<arrow_array::types::BinaryType>(values.collect(), nulls)
        }
        "INTEGER" => primitive::<Int64Type>(field, &texts, nulls, |text| text.parse().unwrap()),
        "FLOAT" => primitive::<Float64Type>(field, &texts, nulls, |text| text.parse().unwrap()),
        "NUMERIC" => primitive::<Decimal128Type>(field, &texts, nulls, |text| unscaled(text, 9).parse().unwrap()),
        "BIGNUMERIC" => primitive::<Decimal256Type>(field, &texts, nulls, |text| i256::from_string(&unscaled(text, 38)).unwrap()),
        "BOOLEAN" => Arc::new(BooleanArray::new(texts.iter().map(|text| *text != Some("false")).collect(), nulls)),
        "DATE" => primitive::<Date32Type>(field, &texts, nulls, days),
        "TIME" => primitive::<Time64MicrosecondType>(field, &texts, nulls, |text| TIMES.iter().find(|(time, _)| *time == text).unwrap().1),
        "DATETIME" => primitive::<TimestampMicrosecondType>(field, &texts, nulls, |text| {
            DATETIMES.iter().find(|(moment, _)| *moment == text).unwrap().1
        }),
        "TIMESTAMP" => primitive::<TimestampMicrosecondType>(field, &texts, nulls, |text| text.parse().unwrap()),
        "INTERVAL" => primitive::<IntervalMonthDayNanoType>(field, &texts, nulls, |text| {
            let (_, months, days, microseconds) = INTERVALS.iter().find(|(name, ..)| *name == text).unwrap();
            IntervalMonthDayNano::new(*months, *days, microseconds * 1_000)
        }),
        "RANGE" => {
            let ends = texts.iter().map(|text| text.map(|text| RANGES.iter().find(|(name, ..)| *name == text).unwrap()));
            let (starts, stops): (Vec<_>, Vec<_>) = ends.map(|range| range.map_or((None, None), |(_, start, end)| (*start, *end))).unzip();
            let end = |ends: &[Option<&str>]| -> ArrayRef {
                Arc::new(ends.iter().map(|end| end.map(days)).collect::<PrimitiveArray<Date32Type>>())
            };
            let DataType::Struct(fields) = kind(field) else { panic!("no struct") };
            Arc::new(StructArray::new(fields, vec![end(&starts), end(&stops)], nulls))
        }
        "RECORD" => {
            let fields = field["fields"].as_array().unwrap();
            let one = |(position, field): (usize, &Value)| {
                let seen = |cell: &Option<&'_ Value>| cell.is_some_and(|cell| !cell.is_null());
                let inside: Vec<Option<Value>> =
                    cells.iter().map(|cell| seen(cell).then(|| cell.unwrap()["f"][position]["v"].clone())).collect();
                let inside: Vec<Option<&Value>> = inside.iter().map(Option::as_ref).collect();
                array(field, &inside)
            };
            let arrays = fields.iter().enumerate().map(one).collect();
            Arc::new(StructArray::try_new_with_length(fields_of(fields), arrays, nulls, cells.len()).unwrap())
        }
        other => panic!("{other}"),
    }
}

fn bytes<T: arrow_array::types::ByteArrayType<Offset = i32>>(values: Vec<Vec<u8>>, nulls: Option<NullBuffer>) -> ArrayRef {
    let lengths = values.iter().map(Vec::len);
    Arc::new(GenericByteArray::<T>::new(OffsetBuffer::from_lengths(lengths), values.concat().into(), nulls))
}

fn primitive<T: ArrowPrimitiveType>(
    field: &Value,
    texts: &[Option<&str>],
    nulls: Option<NullBuffer>,
    value: impl Fn(&str) -> T::Native,
) -> ArrayRef {
    let values = texts.iter().map(|text| text.map(&value).unwrap_or_default()).collect::<Vec<_>>();
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(kind(field)))
}

pub fn compression_of(message: &[u8]) -> Option<CompressionType> {
    let head = root_as_message(&message[8..8 + u32::from_le_bytes(message[4..8].try_into().unwrap()) as usize]).unwrap();
    head.header_as_record_batch().unwrap().compression().map(|compression| compression.codec())
}

pub fn read(schema: &[u8], message: &[u8], fields: &[Value]) -> Vec<Value> {
    let stream = [schema, message].concat();
    let mut batches = StreamReader::try_new(stream.as_slice(), None).unwrap();
    let batch = batches.next().unwrap().unwrap();
    assert!(batches.next().is_none());
    assert_eq!(batch.schema(), super::arrow::schema(fields));
    batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
    let row = |row: usize| json!({ "f": fields.iter().zip(batch.columns()).map(|(field, array)| json!({ "v": cell(field, array, row) })).collect::<Vec<_>>() });
    (0..batch.num_rows()).map(row).collect()
}

fn cell(field: &Value, array: &ArrayRef, row: usize) -> Value {
    if field["mode"] == "REPEATED" {
        let items = array.as_list::<i32>().value(row);
        return (0..items.len()).map(|row| json!({ "v": value(field, &items, row) })).collect();
    }
    value(field, array, row)
}

fn value(field: &Value, array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let date = |days: i32| DATES.iter().find(|(_, known)| *known == days).unwrap().0.to_owned();
    json!(match field["type"].as_str().unwrap() {
        "STRING" | "GEOGRAPHY" | "JSON" => array.as_string::<i32>().value(row).to_owned(),
        "BYTES" => STANDARD.encode(array.as_any().downcast_ref::<BinaryArray>().unwrap().value(row)),
        "INTEGER" => array.as_primitive::<Int64Type>().value(row).to_string(),
        "FLOAT" => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        "NUMERIC" => decimal(&array.as_primitive::<Decimal128Type>().value(row).to_string(), 9),
        "BIGNUMERIC" => decimal(&array.as_primitive::<Decimal256Type>().value(row).to_string(), 38),
        "BOOLEAN" => array.as_boolean().value(row).to_string(),
        "DATE" => date(array.as_primitive::<Date32Type>().value(row)),
        "TIME" => {
            let time = array.as_primitive::<Time64MicrosecondType>().value(row);
            TIMES.iter().find(|(_, known)| *known == time).unwrap().0.to_owned()
        }
        "DATETIME" => {
            let moment = array.as_primitive::<TimestampMicrosecondType>().value(row);
            DATETIMES.iter().find(|(_, known)| *known == moment).unwrap().0.to_owned()
        }
        "TIMESTAMP" => array.as_primitive::<TimestampMicrosecondType>().value(row).to_string(),
        "INTERVAL" => {
            let found = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            let is = |(_, months, days, microseconds): &&(&str, i32, i32, i64)| {
                (found.months, found.days, found.nanoseconds) == (*months, *days, microseconds * 1_000)
            };
            INTERVALS.iter().find(is).unwrap().0.to_owned()
        }
        "RANGE" => {
            let ends = array.as_struct();
            let end = |position: usize| {
                let ends = ends.column(position);
                if ends.is_null(row) { "UNBOUNDED".to_owned() } else { date(ends.as_primitive::<Date32Type>().value(row)) }
            };
            format!("[{}, {})", end(0), end(1))
        }
        "RECORD" => {
            let fields = field["fields"].as_array().unwrap();
            let cells = fields.iter().zip(array.as_struct().columns());
            return json!({ "f": cells.map(|(field, array)| json!({ "v": cell(field, array, row) })).collect::<Vec<_>>() });
        }
        other => panic!("{other}"),
    })
}
