//! The Storage Read API: rows are the same as by REST, whatever their form, their type and the place where reading begins.

use super::http::Client;
use super::storage_client::{CompressionCodec, Form, PLAIN, Storage, arrow_schema, avro_schema, options, session};
use super::warehouse::engine;
use arrow_schema::Metadata;
use serde_json::{Value, json};
use sluice_sandbox::storage::MESSAGE_BYTES_MAX;
use sluice_sandbox::{Running, Sandbox, Settings};
use tonic_prost::prost::Message as _;

const SHOP: &str = "/bigquery/v2/projects/acme-prod/datasets/shop/tables";
const FORMS: [Form; 4] = [PLAIN, Form::Arrow(CompressionCodec::Lz4Frame), Form::Arrow(CompressionCodec::Zstd), Form::Avro];

fn start() -> (Running, Client, Storage) {
    let running = Sandbox::start(engine(), Settings::default()).unwrap();
    let client = Client { address: running.address, token: None };
    let storage = Storage::connect(&running);
    (running, client, storage)
}

/// A column of every type, once as it is, once in a list, once in a record.
fn kinds() -> Value {
    let scalars = [
        "INT64",
        "FLOAT64",
        "BOOL",
        "STRING",
        "BYTES",
        "DATE",
        "TIME",
        "DATETIME",
        "TIMESTAMP",
        "NUMERIC",
        "BIGNUMERIC",
        "GEOGRAPHY",
        "JSON",
        "INTERVAL",
    ];
    let named = |prefix: &str, mode: &str| -> Vec<Value> {
        let one = |kind: &&str| json!({ "name": format!("{prefix}{}", kind.to_lowercase()), "type": kind, "mode": mode });
        let range = |kind: &&str| {
            let name = format!("{prefix}range_{}", kind.to_lowercase());
            json!({ "name": name, "type": "RANGE", "mode": mode, "rangeElementType": { "type": kind } })
        };
        scalars.iter().map(one).chain(["DATE", "DATETIME", "TIMESTAMP"].iter().map(range)).collect()
    };
    let mut fields = named("", "NULLABLE");
    fields.extend(named("list_", "REPEATED"));
    fields.push(json!({ "name": "record", "type": "RECORD", "fields": named("", "NULLABLE") }));
    fields.push(json!({ "name": "records", "type": "RECORD", "mode": "REPEATED", "fields": [
        { "name": "id", "type": "INT64", "mode": "REQUIRED" },
        { "name": "inner", "type": "RECORD", "fields": named("list_", "REPEATED") },
    ] }));
    fields.push(json!({ "name": "price", "type": "NUMERIC", "precision": "10", "scale": "2" }));
    fields.push(json!({ "name": "id", "type": "INT64", "mode": "REQUIRED" }));
    json!({ "tableReference": { "tableId": "kinds" }, "schema": { "fields": fields } })
}

/// A value of each type; the second set is as far from the first as it goes.
fn values(prefix: &str, far: bool, wrap: impl Fn(Value) -> Value) -> Vec<(String, Value)> {
    let pairs: [(&str, Value, Value); 17] = [
        ("int64", json!("9223372036854775807"), json!("-9223372036854775808")),
        ("float64", json!("1.5E300"), json!("-Infinity")),
        ("bool", json!(true), json!(false)),
        ("string", json!("ein W\u{f6}rt \u{1f980}"), json!("")),
        ("bytes", json!("AP+A"), json!("")),
        ("date", json!("9999-12-31"), json!("0001-01-01")),
        ("time", json!("23:59:59.999999"), json!("00:00:00")),
        ("datetime", json!("9999-12-31T23:59:59.999999"), json!("0001-01-01T00:00:00")),
        ("timestamp", json!("9999-12-31T23:59:59.999999Z"), json!("0001-01-01T00:00:00Z")),
        ("numeric", json!("99999999999999999999999999999.999999999"), json!("-0.000000001")),
        (
            "bignumeric",
            json!("578960446186580977117854925043439539266.34992332820282019728792003956564819967"),
            json!("-578960446186580977117854925043439539266.34992332820282019728792003956564819968"),
        ),
        ("geography", json!("POINT(1 2)"), json!("LINESTRING(0 0, 1 1)")),
        ("json", json!("{\"a\":[1,null,\"x\"]}"), json!("null")),
        ("interval", json!("10000-0 3660000 2562047:47:16.854775"), json!("-1-2 -3 -4:5:6.500")),
        ("range_date", json!("[2020-01-01, 2020-02-01)"), json!("[UNBOUNDED, 0002-01-01)")),
        ("range_datetime", json!("[2020-01-01T00:00:00, UNBOUNDED)"), json!("[UNBOUNDED, UNBOUNDED)")),
        ("range_timestamp", json!("[2020-01-01T00:00:00.000001Z, 2021-01-01T00:00:00Z)"), json!("[UNBOUNDED, UNBOUNDED)")),
    ];
    pairs.into_iter().map(|(name, near, value)| (format!("{prefix}{name}"), wrap(if far { value } else { near }))).collect()
}

fn object(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(entries.into_iter().collect())
}

fn put_kinds(client: &Client) {
    assert_eq!(client.post(SHOP, kinds()).verdict(), "200 ");
    let row = |id: u64, far: bool| {
        let mut row = object(values("", far, |value| value).into_iter().chain(values("list_", far, |value| json!([value, value]))));
        let inner = object(values("list_", !far, |value| json!([value])));
        row["record"] = object(values("", !far, |value| value));
        row["records"] = json!([{ "id": 1, "inner": inner }, { "id": 2 }]);
        row["price"] = json!("-12345678.9");
        row["id"] = json!(id);
        row
    };
    let rows = [row(1, false), json!({ "id": 2 }), row(3, true), json!({ "id": 4, "record": {}, "records": [{ "id": 5, "inner": {} }] })];
    let rows: Vec<Value> = rows.into_iter().map(|row| json!({ "json": row })).collect();
    let answer = client.post(&format!("{SHOP}/kinds/insertAll"), json!({ "rows": rows }));
    assert!(answer.json().get("insertErrors").is_none(), "{}", answer.json());
}

fn by_rest(client: &Client, path: &str) -> Vec<Value> {
    client.get(&format!("{path}/data?formatOptions.useInt64Timestamp=true&maxResults=1000")).json()["rows"].as_array().unwrap().clone()
}

#[test]
fn every_type_reads_as_by_rest() {
    let (_running, client, mut storage) = start();
    put_kinds(&client);
    let expect = by_rest(&client, &format!("{SHOP}/kinds"));
    assert_eq!(expect.len(), 4);
    for form in FORMS {
        let (_, rows) = storage.open(session("shop.kinds", form));
        for (row, (found, expect)) in rows.iter().zip(&expect).enumerate() {
            let cells = found["f"].as_array().unwrap().iter().zip(expect["f"].as_array().unwrap()).enumerate();
            cells.for_each(|(column, (found, expect))| assert_eq!(found, expect, "{form:?}: row {row}, column {column}"));
        }
        assert_eq!(rows, expect, "{form:?}");
    }
}

#[test]
fn schemas_are_bigquerys() {
    let (_running, client, mut storage) = start();
    put_kinds(&client);
    let made = storage.create(session("shop.kinds", PLAIN)).unwrap();
    let schema = arrow_schema(&made);
    let check = |name: &str, kind: &str, nullable: bool, metadata: &[(&str, &str)]| {
        let field = schema.field_with_name(name).unwrap();
        assert_eq!((field.data_type().to_string().as_str(), field.is_nullable()), (kind, nullable), "{name}");
        assert_eq!(field.metadata(), &metadata.iter().copied().collect::<Metadata>(), "{name}");
    };
    let extension = |name: &'static str| [("ARROW:extension:name", name)];
    check("id", "Int64", false, &[]);
    check("int64", "Int64", true, &[]);
    check("date", "Date32", true, &[]);
    check("time", "Time64(µs)", true, &[]);
    check("datetime", "Timestamp(µs)", true, &extension("google:sqlType:datetime"));
    check("timestamp", "Timestamp(µs, \"UTC\")", true, &[]);
    check("numeric", "Decimal128(38, 9)", true, &[]);
    check("bignumeric", "Decimal256(76, 38)", true, &[]);
    check("price", "Decimal128(10, 2)", true, &[]);
    let geography = [("ARROW:extension:name", "google:sqlType:geography"), ("ARROW:extension:metadata", "{\"encoding\": \"WKT\"}")];
    check("geography", "Utf8", true, &geography);
    check("json", "Utf8", true, &extension("google:sqlType:json"));
    check("interval", "Interval(MonthDayNano)", true, &extension("google:sqlType:interval"));
    check("range_date", "Struct(\"start\": Date32, \"end\": Date32)", true, &[("google:sqlType", "range")]);
    check("list_int64", "List(Int64)", false, &[]);
    check("list_json", "List(Utf8)", false, &extension("google:sqlType:json"));
    let made = storage.create(session("shop.kinds", Form::Avro)).unwrap();
    let fields = avro_schema(&made)["fields"].as_array().unwrap().clone();
    let check = |name: &str, expect: Value| {
        let field = fields.iter().find(|field| field["name"] == name).unwrap();
        assert_eq!(field["type"], expect, "{name}");
    };
    check("id", json!("long"));
    check("datetime", json!(["null", { "type": "string", "logicalType": "datetime" }]));
    check("price", json!(["null", { "type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2 }]));
    check("list_geography", json!({ "type": "array", "items": { "type": "string", "sqlType": "GEOGRAPHY" } }));
}

#[test]
fn fields_are_selected_in_the_order_of_the_table() {
    let (_running, client, mut storage) = start();
    put_kinds(&client);
    let selected = ["id", "records.inner.list_date", "RECORD.string", "bool"];
    let expect = client.get(&format!("{SHOP}/kinds/data?selectedFields={}", selected.join(","))).json()["rows"].clone();
    for form in FORMS {
        let mut request = session("shop.kinds", form);
        options(&mut request).selected_fields = selected.map(str::to_owned).to_vec();
        let (made, rows) = storage.open(request);
        assert_eq!(json!(rows), expect, "{form:?}");
        if matches!(form, Form::Arrow(_)) {
            let names: Vec<String> = arrow_schema(&made).fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, ["bool", "record", "records", "id"]);
        }
    }
    let mut request = session("shop.kinds", PLAIN);
    options(&mut request).selected_fields = vec!["id.x".to_owned(), "nope".to_owned()];
    let status = storage.create(request).unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().contains("id.x, nope"), "{status}");
}

#[test]
fn reading_begins_at_every_offset() {
    let (_running, client, mut storage) = start();
    let expect = by_rest(&client, &format!("{SHOP}/orders"));
    for form in [PLAIN, Form::Avro] {
        let made = storage.create(session("shop.orders", form)).unwrap();
        let [stream] = made.streams.as_slice() else { panic!("{:?}", made.streams) };
        for offset in 0..=expect.len() {
            let rows = storage.rows(&made, &stream.name, i64::try_from(offset).unwrap());
            assert_eq!(rows, expect[offset..], "{form:?} {offset}");
        }
        let refused = |storage: &mut Storage, offset: i64| storage.read(&stream.name, offset).end.unwrap_err().code();
        assert_eq!(refused(&mut storage, i64::try_from(expect.len()).unwrap() + 1), tonic::Code::OutOfRange);
        assert_eq!(refused(&mut storage, -1), tonic::Code::InvalidArgument);
    }
}

#[test]
fn messages_are_bounded_and_tell_how_far_they_are() {
    let (running, _client, mut storage) = start();
    for form in FORMS {
        let mut request = session("bench.events", form);
        request.max_stream_count = 100;
        let made = storage.create(request).unwrap();
        assert_eq!((made.streams.len(), made.estimated_row_count), (100, 20_000_000));
        let read = storage.read(&made.streams[99].name, 0);
        read.end.unwrap();
        assert!(read.messages.len() > 10, "{}", read.messages.len());
        let mut progress = 0.0;
        for (place, message) in read.messages.iter().enumerate() {
            assert_eq!(message.schema.is_some(), place == 0);
            assert!(message.encoded_len() <= MESSAGE_BYTES_MAX + 4096, "{form:?}: {} bytes", message.encoded_len());
            let told = message.stats.unwrap().progress.unwrap();
            assert!(told.at_response_start == progress && told.at_response_end > progress, "{told:?}");
            progress = told.at_response_end;
        }
        assert!((progress - 1.0).abs() < f64::EPSILON);
        let rows: i64 = read.messages.iter().map(|message| message.row_count).sum();
        assert_eq!(rows, 200_000);
        let last = super::storage_client::rows(&made, &read.messages[read.messages.len() - 1..]).pop().unwrap();
        assert_eq!(last["f"][0]["v"], "19999999");
    }
    // A table of nulls: Arrow keeps room for each.
    let fields: Vec<Value> = (0..50).map(|number| json!({ "name": format!("c{number}"), "type": "BIGNUMERIC" })).collect();
    let client = Client { address: running.address, token: None };
    client.post(
        SHOP,
        json!({ "tableReference": { "tableId": "nulls" }, "schema": { "fields": [{ "name": "r", "type": "RECORD", "fields": fields }] } }),
    );
    let rows = vec![json!({ "json": {} }); 5_000];
    client.post(&format!("{SHOP}/nulls/insertAll"), json!({ "rows": rows }));
    let made = storage.create(session("shop.nulls", PLAIN)).unwrap();
    let read = storage.read(&made.streams[0].name, 0);
    assert_eq!(read.messages.iter().map(|message| message.row_count).sum::<i64>(), 5_000);
    assert!(read.messages.iter().all(|message| message.encoded_len() <= MESSAGE_BYTES_MAX + 16 * 1024));
}
