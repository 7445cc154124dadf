//! Avro, written and read by way of trees.

use super::rows::{DATES, INTERVALS, RANGES, TIMES, decimal, unscaled};
use arrow_buffer::i256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub fn schema(fields: &[Value]) -> Value {
    let mut described = Vec::new();
    json!({ "type": "record", "name": "__root__", "fields": fields_of(fields, &mut described) })
}

fn fields_of(fields: &[Value], described: &mut Vec<String>) -> Vec<Value> {
    let one = |field: &Value| {
        let element = element(field, described);
        let kind = match field["mode"].as_str().unwrap() {
            "REQUIRED" => element,
            "REPEATED" => json!({ "type": "array", "items": element }),
            _ => json!(["null", element]),
        };
        json!({ "name": field["name"], "type": kind })
    };
    fields.iter().map(one).collect()
}

fn element(field: &Value, described: &mut Vec<String>) -> Value {
    let mut once = |name: &str, record: Value| {
        if described.iter().any(|known| known == name) {
            return json!(format!("google.sqlType.{name}"));
        }
        described.push(name.to_owned());
        record
    };
    let date = json!({ "type": "int", "logicalType": "date" });
    match field["type"].as_str().unwrap() {
        "STRING" => json!("string"),
        "BYTES" => json!("bytes"),
        "INTEGER" => json!("long"),
        "FLOAT" => json!("double"),
        "NUMERIC" => json!({ "type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9 }),
        "BIGNUMERIC" => json!({ "type": "bytes", "logicalType": "decimal", "precision": 77, "scale": 38 }),
        "BOOLEAN" => json!("boolean"),
        "DATE" => date,
        "TIME" => json!({ "type": "long", "logicalType": "time-micros" }),
        "DATETIME" => json!({ "type": "string", "logicalType": "datetime" }),
        "TIMESTAMP" => json!({ "type": "long", "logicalType": "timestamp-micros" }),
        "GEOGRAPHY" => json!({ "type": "string", "sqlType": "GEOGRAPHY" }),
        "JSON" => json!({ "type": "string", "sqlType": "JSON" }),
        "INTERVAL" => {
            let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
            let fields = [field("months", "int"), field("days", "int"), field("microseconds", "long")];
            once("INTERVAL", json!({ "type": "record", "namespace": "google.sqlType", "name": "INTERVAL", "fields": fields }))
        }
        "RANGE" => {
            let fields = ["start", "end"].map(|name| json!({ "name": name, "type": ["null", date] }));
            let record =
                json!({ "type": "record", "namespace": "google.sqlType", "name": "RANGE_DATE", "sqlType": "RANGE", "fields": fields });
            once("RANGE_DATE", record)
        }
        "RECORD" => {
            let fields = fields_of(field["fields"].as_array().unwrap(), described);
            described.push(String::new());
            json!({ "type": "record", "name": format!("__s_{}", described.len()), "fields": fields })
        }
        other => panic!("{other}"),
    }
}

/// Arrays of more than so many elements are written in several blocks, every other one with its length.
pub fn message(fields: &[Value], rows: &[Value], block: usize) -> Vec<u8> {
    let mut out = Vec::new();
    rows.iter().for_each(|row| record(fields, row, block, &mut out));
    out
}

fn record(fields: &[Value], row: &Value, block: usize, out: &mut Vec<u8>) {
    for (field, cell) in fields.iter().zip(row["f"].as_array().unwrap()) {
        let cell = &cell["v"];
        match field["mode"].as_str().unwrap() {
            "REQUIRED" => value(field, cell, block, out),
            "REPEATED" => {
                for (position, elements) in cell.as_array().unwrap().chunks(block).enumerate() {
                    let mut bytes = Vec::new();
                    elements.iter().for_each(|element| value(field, &element["v"], block, &mut bytes));
                    let count = elements.len() as i64;
                    number(if position % 2 == 0 { count } else { -count }, out);
                    if position % 2 == 1 {
                        number(bytes.len() as i64, out);
                    }
                    out.extend(bytes);
                }
                number(0, out);
            }
            _ if cell.is_null() => number(0, out),
            _ => {
                number(1, out);
                value(field, cell, block, out);
            }
        }
    }
}

fn value(field: &Value, cell: &Value, block: usize, out: &mut Vec<u8>) {
    if let Some(fields) = field.get("fields") {
        return record(fields.as_array().unwrap(), cell, block, out);
    }
    let text = cell.as_str().unwrap();
    let day = |text: &str| i64::from(DATES.iter().find(|(date, _)| *date == text).unwrap().1);
    match field["type"].as_str().unwrap() {
        "STRING" | "GEOGRAPHY" | "JSON" | "DATETIME" => bytes(text.as_bytes(), out),
        "BYTES" => bytes(&STANDARD.decode(text).unwrap(), out),
        "INTEGER" | "TIMESTAMP" => number(text.parse().unwrap(), out),
        "FLOAT" => out.extend(text.parse::<f64>().unwrap().to_le_bytes()),
        kind @ ("NUMERIC" | "BIGNUMERIC") => {
            let scale = if kind == "NUMERIC" { 9 } else { 38 };
            let digits = i256::from_string(&unscaled(text, scale)).unwrap().to_be_bytes();
            let needless = |pair: &[u8]| (pair[0] == 0 && pair[1] < 128) || (pair[0] == 255 && pair[1] >= 128);
            let from = digits.windows(2).take_while(|pair| needless(pair)).count();
            bytes(&digits[from..], out);
        }
        "BOOLEAN" => out.push(u8::from(text == "true")),
        "DATE" => number(day(text), out),
        "TIME" => number(TIMES.iter().find(|(time, _)| *time == text).unwrap().1, out),
        "INTERVAL" => {
            let (_, months, days, microseconds) = INTERVALS.iter().find(|(name, ..)| *name == text).unwrap();
            [i64::from(*months), i64::from(*days), *microseconds].iter().for_each(|part| number(*part, out));
        }
        "RANGE" => {
            let (_, start, end) = RANGES.iter().find(|(name, ..)| *name == text).unwrap();
            for end in [start, end] {
                number(i64::from(end.is_some()), out);
                end.iter().for_each(|end| number(day(end), out));
            }
        }
        other => panic!("{other}"),
    }
}

pub fn number(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 127 {
        out.push((rest % 128) as u8 + 128);
        rest /= 128;
    }
    out.push(rest as u8);
}

fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    number(bytes.len() as i64, out);
    out.extend(bytes);
}

pub fn read(message: &[u8], fields: &[Value], rows: usize) -> Vec<Value> {
    let mut rest = message;
    let rows = (0..rows).map(|_| read_record(fields, &mut rest)).collect();
    assert!(rest.is_empty());
    rows
}

fn read_record(fields: &[Value], rest: &mut &[u8]) -> Value {
    let cell = |field: &Value| match field["mode"].as_str().unwrap() {
        "REQUIRED" => read_value(field, rest),
        "REPEATED" => {
            let mut elements = Vec::new();
            loop {
                let count = read_number(rest);
                if count < 0 {
                    read_number(rest);
                }
                elements.extend((0..count.abs()).map(|_| json!({ "v": read_value(field, rest) })));
                if count == 0 {
                    break Value::Array(elements);
                }
            }
        }
        _ => match read_number(rest) {
            0 => Value::Null,
            _ => read_value(field, rest),
        },
    };
    let cells = fields.iter().map(cell).map(|cell| json!({ "v": cell }));
    json!({ "f": cells.collect::<Vec<_>>() })
}

fn read_value(field: &Value, rest: &mut &[u8]) -> Value {
    if let Some(fields) = field.get("fields") {
        return read_record(fields.as_array().unwrap(), rest);
    }
    let date = |days: i64| DATES.iter().find(|(_, known)| i64::from(*known) == days).unwrap().0.to_owned();
    json!(match field["type"].as_str().unwrap() {
        "STRING" | "GEOGRAPHY" | "JSON" | "DATETIME" => String::from_utf8(read_bytes(rest).to_vec()).unwrap(),
        "BYTES" => STANDARD.encode(read_bytes(rest)),
        "INTEGER" | "TIMESTAMP" => read_number(rest).to_string(),
        "FLOAT" => format!("{:?}", f64::from_le_bytes(taken(rest, 8).try_into().unwrap())),
        kind @ ("NUMERIC" | "BIGNUMERIC") => {
            let bytes = read_bytes(rest);
            let sign = if bytes[0] < 128 { 0 } else { 255 };
            let whole = [vec![sign; 32 - bytes.len()], bytes.to_vec()].concat();
            decimal(&i256::from_be_bytes(whole.try_into().unwrap()).to_string(), if kind == "NUMERIC" { 9 } else { 38 })
        }
        "BOOLEAN" => (taken(rest, 1)[0] == 1).to_string(),
        "DATE" => date(read_number(rest)),
        "TIME" => {
            let time = read_number(rest);
            TIMES.iter().find(|(_, known)| *known == time).unwrap().0.to_owned()
        }
        "INTERVAL" => {
            let parts = [read_number(rest), read_number(rest), read_number(rest)];
            let known = INTERVALS.iter().find(|(_, months, days, rest)| [i64::from(*months), i64::from(*days), *rest] == parts);
            known.unwrap().0.to_owned()
        }
        "RANGE" => {
            let mut end = || if read_number(rest) == 1 { date(read_number(rest)) } else { "UNBOUNDED".to_owned() };
            let (start, stop) = (end(), end());
            format!("[{start}, {stop})")
        }
        other => panic!("{other}"),
    })
}

fn read_number(rest: &mut &[u8]) -> i64 {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let byte = taken(rest, 1)[0];
        number |= u64::from(byte % 128) << shift;
        shift += 7;
        if byte < 128 {
            return (number >> 1) as i64 ^ -((number & 1) as i64);
        }
    }
}

fn read_bytes<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = read_number(rest);
    taken(rest, length as usize)
}

fn taken<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}
