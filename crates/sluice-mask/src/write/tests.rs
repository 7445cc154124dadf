//! Masked rows against a naive mask of trees; whole pages against the same pages on their way.

use super::*;
use crate::cover::Laid;
use crate::keys::{MASK_SECRET_BYTES, MaskKeys};
use crate::masker::{MaskFault, MaskedRows, written};
use crate::masking::{Masking, PageStart, Sizes};
use crate::moment::TimestampForm;
use crate::page::RawPage;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

mod agree;

const JOB: &str = r#""jobComplete":true,"jobReference":{"projectId":"p","jobId":"j"}"#;
/// Those that a naive reader can do: what hashes with keys are worth is another test's.
pub(crate) const MASKS: [&str; 9] = [
    "always_null",
    "default_value",
    "constant(masked)",
    "sha256",
    "date_year",
    "last_four",
    "first_four",
    "partial(last, 2, *)",
    "partial(first, 5, #)",
];
pub(crate) const KINDS: [&str; 15] = [
    "STRING",
    "BYTES",
    "INTEGER",
    "FLOAT",
    "NUMERIC",
    "BIGNUMERIC",
    "BOOLEAN",
    "DATE",
    "TIME",
    "DATETIME",
    "TIMESTAMP",
    "INTERVAL",
    "GEOGRAPHY",
    "JSON",
    "RANGE",
];

pub(crate) type Masks = Vec<(usize, Vec<String>, Mask)>;

fn writer(columns: &Columns, masks: &Masks) -> Writer {
    static NONE: BTreeSet<String> = BTreeSet::new();
    let laid = masks.iter().map(|(output, at, mask)| Laid { output: *output, kind: None, at, mask, labels: &NONE, columns: &NONE });
    let values = Values { keys: MaskKeys::new(&[7; MASK_SECRET_BYTES]).of_result(&["x"]), form: TimestampForm::default() };
    Writer { cover: Arc::new(Cover::of(columns, laid).unwrap()), values }
}

fn field() -> impl Strategy<Value = Value> {
    let mode = || prop::sample::select(vec!["NULLABLE", "NULLABLE", "REPEATED", "REQUIRED"]);
    let name = || "[a-z]{1,3}";
    let scalar = (name(), prop::sample::select(KINDS.to_vec()), mode())
        .prop_map(|(name, kind, mode)| json!({ "name": name, "type": kind, "mode": mode, "rangeElementType": { "type": "DATE" } }));
    scalar.prop_recursive(3, 12, 3, move |inside| {
        (name(), prop::collection::vec(inside, 1..4), mode())
            .prop_map(|(name, fields, mode)| json!({ "name": name, "type": "RECORD", "mode": mode, "fields": numbered(fields) }))
    })
}

/// No two of the same name: a path that could mean either is refused.
fn numbered(mut fields: Vec<Value>) -> Vec<Value> {
    for (number, field) in fields.iter_mut().enumerate() {
        field["name"] = json!(format!("{}{number}", field["name"].as_str().unwrap_or_default()));
    }
    fields
}

/// What follows from a seed, number by number.
struct Chance(u64);

impl Chance {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % below
    }
}

fn scalar_cell(kind: &str, chance: &mut Chance) -> Value {
    let number = chance.below(100_000);
    json!(match kind {
        "STRING" => ["CANARY", "CANARY größer 😀", "\"CAN\\ARY\u{1}\n", "abcd", "", "CANARY-0013"][chance.below(6)].to_owned(),
        "BYTES" => STANDARD.encode(format!("CANARY{number}")),
        "INTEGER" | "NUMERIC" | "BIGNUMERIC" => format!("4711{number}"),
        "FLOAT" => format!("4711.{number}"),
        "BOOLEAN" => "true".to_owned(),
        "DATE" => ["2023-05-17", "1999-12-31", "CANARY"][chance.below(3)].to_owned(),
        "DATETIME" => ["2023-05-17T10:11:12", "CANARY"][chance.below(2)].to_owned(),
        "TIMESTAMP" => ["1.7E9", "1700000000000000", "2023-05-17T10:11:12Z", "CANARY"][chance.below(4)].to_owned(),
        _ => format!("CANARY{number}"),
    })
}

fn cell(field: &Value, repeated: bool, chance: &mut Chance) -> Value {
    if repeated {
        return Value::Array((0..chance.below(3)).map(|_| json!({ "v": cell(field, false, chance) })).collect());
    }
    match field.get("fields") {
        _ if field["mode"] != "REQUIRED" && chance.below(5) == 0 => Value::Null,
        Some(fields) => row(fields, chance),
        None => scalar_cell(field["type"].as_str().unwrap(), chance),
    }
}

fn row(fields: &Value, chance: &mut Chance) -> Value {
    let cells = fields.as_array().unwrap().iter().map(|field| json!({ "v": cell(field, field["mode"] == "REPEATED", chance) }));
    json!({ "f": cells.collect::<Vec<_>>() })
}

/// A path that leads somewhere.
pub(crate) fn path(fields: &Value, below: &mut impl FnMut(usize) -> usize) -> (usize, Vec<String>) {
    let fields = fields.as_array().unwrap();
    let position = below(fields.len());
    let (mut at, mut field) = (Vec::new(), &fields[position]);
    while let Some(inside) = field.get("fields").and_then(Value::as_array).filter(|_| below(4) > 0) {
        field = &inside[below(inside.len())];
        at.push(field["name"].as_str().unwrap().to_owned());
    }
    (position, at)
}

/// The masks of one row, on the tree.
pub(crate) fn naive_row(fields: &[Value], row: &Value, masks: &Masks) -> Value {
    let cells = fields.iter().zip(row["f"].as_array().unwrap()).enumerate().map(|(position, (field, cell))| {
        let of_this = masks.iter().filter(|(output, ..)| *output == position);
        let of_this: Vec<(&[String], &Mask)> = of_this.map(|(_, at, mask)| (at.as_slice(), mask)).collect();
        json!({ "v": naive(field, &cell["v"], &of_this) })
    });
    json!({ "f": cells.collect::<Vec<_>>() })
}

/// The masks of one field, on the tree, whole ones first; names may stand twice.
fn naive(field: &Value, cell: &Value, masks: &[(&[String], &Mask)]) -> Value {
    let nothing = Mask::DefaultValue;
    let whole = masks.iter().filter(|(at, _)| at.is_empty()).map(|(_, mask)| if naive_fits(field, mask) { *mask } else { &nothing });
    let repeated = field["mode"] == "REPEATED";
    if let Some(mask) = naive_strictest(whole.collect(), &nothing) {
        let mut element = field.clone();
        if repeated {
            element["mode"] = json!("NULLABLE");
        }
        return if repeated && hides_all(mask) { json!([]) } else { each(repeated, cell, |cell| naive_masked(&element, cell, mask)) };
    }
    let Some(fields) = field.get("fields").and_then(Value::as_array) else { return cell.clone() };
    each(repeated, cell, |cell| {
        if cell.is_null() {
            return Value::Null;
        }
        let cells = fields.iter().zip(cell["f"].as_array().unwrap()).map(|(field, cell)| {
            let name = field["name"].as_str().unwrap();
            let inside: Vec<(&[String], &Mask)> =
                masks.iter().filter(|(at, _)| at[0] == name).map(|(at, mask)| (&at[1..], *mask)).collect();
            json!({ "v": naive(field, &cell["v"], &inside) })
        });
        json!({ "f": cells.collect::<Vec<_>>() })
    })
}

/// The smallest, but what shows the one end is not hidden by what shows the other.
fn naive_strictest<'a>(masks: Vec<&'a Mask>, nothing: &'a Mask) -> Option<&'a Mask> {
    let words: Vec<String> = masks.iter().map(ToString::to_string).collect();
    let shows = |end: &str| words.iter().any(|word| word.contains(end));
    let shows_parts_alone = words.iter().all(|word| word.contains("last") || word.contains("first"));
    if shows_parts_alone && shows("last") && shows("first") { Some(nothing) } else { masks.into_iter().min() }
}

fn each(repeated: bool, cell: &Value, one: impl Fn(&Value) -> Value) -> Value {
    if !repeated {
        return one(cell);
    }
    cell.as_array().unwrap().iter().map(|element| json!({ "v": one(&element["v"]) })).collect()
}

fn naive_fits(field: &Value, mask: &Mask) -> bool {
    let kind = field["type"].as_str().unwrap();
    match mask {
        Mask::AlwaysNull | Mask::DefaultValue => true,
        Mask::Sha256 => ["STRING", "BYTES"].contains(&kind),
        Mask::DateYear => ["DATE", "DATETIME", "TIMESTAMP"].contains(&kind),
        Mask::Constant(_) => kind == "STRING" && field["mode"] != "REPEATED",
        _ => kind == "STRING",
    }
}

fn naive_default(field: &Value, cell: &Value) -> Value {
    let may_be_null = field["mode"] != "REQUIRED";
    let text = match field["type"].as_str().unwrap() {
        _ if field["mode"] == "REPEATED" => return json!([]),
        "RECORD" if may_be_null => return Value::Null,
        "RECORD" => {
            let cells = field["fields"].as_array().unwrap().iter().map(|field| json!({ "v": naive_default(field, &Value::Null) }));
            return json!({ "f": cells.collect::<Vec<_>>() });
        }
        "JSON" | "INTERVAL" | "RANGE" if may_be_null => return Value::Null,
        "STRING" | "BYTES" => "",
        "INTEGER" | "NUMERIC" | "BIGNUMERIC" => "0",
        "FLOAT" => "0.0",
        "BOOLEAN" => "false",
        "DATE" => "1970-01-01",
        "TIME" => "00:00:00",
        "DATETIME" => "1970-01-01T00:00:00",
        "TIMESTAMP" => match cell.as_str() {
            Some("1700000000000000") => "0",
            Some("2023-05-17T10:11:12Z") => "1970-01-01T00:00:00Z",
            None if field["form"] == "int64" => "0",
            _ => "0.0",
        },
        "GEOGRAPHY" => "POINT(0 0)",
        "INTERVAL" => "0-0 0 0:0:0",
        "JSON" => "null",
        "RANGE" => "[UNBOUNDED, UNBOUNDED)",
        other => panic!("{other}"),
    };
    json!(text)
}

fn naive_masked(field: &Value, cell: &Value, mask: &Mask) -> Value {
    let kind = field["type"].as_str().unwrap();
    if *mask == Mask::AlwaysNull && field["mode"] != "REQUIRED" {
        return Value::Null;
    }
    if kind == "RECORD" || hides_all(mask) {
        return naive_default(field, cell);
    }
    if let Mask::Constant(text) = mask {
        return json!(text);
    }
    let Some(value) = cell.as_str() else { return Value::Null };
    let letters: Vec<char> = value.chars().collect();
    let text = |letters: &[char]| letters.iter().collect::<String>();
    let hash = |bytes: &[u8]| STANDARD.encode(digest(&SHA256, bytes));
    let count = letters.len();
    json!(match mask.to_string().as_str() {
        "sha256" if kind == "BYTES" => hash(&STANDARD.decode(value).unwrap()),
        "sha256" => hash(value.as_bytes()),
        "date_year" => match value {
            "2023-05-17" => "2023-01-01".to_owned(),
            "1999-12-31" => "1999-01-01".to_owned(),
            "2023-05-17T10:11:12" => "2023-01-01T00:00:00".to_owned(),
            "1.7E9" => "1.6725312E9".to_owned(),
            "1700000000000000" => "1672531200000000".to_owned(),
            "2023-05-17T10:11:12Z" => "2023-01-01T00:00:00Z".to_owned(),
            _ => return naive_default(field, cell),
        },
        "last_four" if count > 4 => format!("XXXXX{}", text(&letters[count - 4..])),
        "first_four" if count > 4 => format!("{}XXXXX", text(&letters[..4])),
        "last_four" | "first_four" => hash(value.as_bytes()),
        "partial(last, 2, *)" if count > 2 => "*".repeat(count - 2) + &text(&letters[count - 2..]),
        "partial(last, 2, *)" => "*".repeat(count),
        "partial(first, 5, #)" if count > 5 => text(&letters[..5]) + &"#".repeat(count - 5),
        "partial(first, 5, #)" => "#".repeat(count),
        other => panic!("{other}"),
    })
}

fn joined(rows: &[MaskedRows]) -> (u64, String, Vec<(String, u64, u64)>) {
    let mut cells: Vec<(String, u64, u64)> = Vec::new();
    for (position, masked) in rows.iter().flat_map(|rows| rows.masked().enumerate()) {
        let name = format!("{} {}", masked.covered.path, masked.covered.mask);
        if cells.len() <= position {
            cells.push((name.clone(), 0, 0));
        }
        let sum = &mut cells[position];
        assert_eq!(sum.0, name);
        *sum = (name, sum.1 + masked.cells, sum.2 + masked.nulls);
    }
    let text = rows.iter().map(MaskedRows::text).collect::<Vec<_>>().join(",");
    (rows.iter().map(MaskedRows::count).sum(), text, cells)
}

fn on_its_way(bytes: &[u8], first: usize, step: usize, columns: &Columns, writer: &Writer, piece: usize) -> Option<Vec<MaskedRows>> {
    tried_on_its_way(bytes, first, step, columns, writer, piece).map(Result::unwrap)
}

/// Nothing where it would be read whole.
fn tried_on_its_way(
    bytes: &[u8],
    first: usize,
    step: usize,
    columns: &Columns,
    writer: &Writer,
    piece: usize,
) -> Option<Result<Vec<MaskedRows>, MaskFault>> {
    let (first, rest) = bytes.split_at_checked(first)?;
    let start = PageStart::open(first.to_vec()).ok()?;
    let mut masking = Masking::with(start, columns.clone(), Some(writer.clone()), Sizes { piece, look: 1 + piece / 4 });
    let read = || {
        let mut found = Vec::new();
        for bytes in rest.chunks(step) {
            found.extend(masking.take(bytes)?);
        }
        found.extend(masking.end()?.0);
        Ok(found)
    };
    Some(read())
}

fn some_masks(count: usize, fields: &Value, chance: &mut Chance) -> Masks {
    masks_out_of(&MASKS, count, fields, chance)
}

fn masks_out_of(words: &[&str], count: usize, fields: &Value, chance: &mut Chance) -> Masks {
    let one = |_| {
        let ((output, at), mask) = (path(fields, &mut |below| chance.below(below)), words[chance.below(words.len())]);
        (output, at, Mask::parse(mask).unwrap())
    };
    (0..count).map(one).collect()
}

fn page(fields: &[Value], rows: &[Value], pretty: bool) -> (Vec<u8>, RawPage, Columns) {
    let schema = json!({ "fields": fields });
    let rows = if pretty { serde_json::to_string_pretty(rows) } else { serde_json::to_string(rows) }.unwrap();
    let bytes = format!(r#"{{{JOB},"schema":{schema},"rows":{rows}}}"#).into_bytes();
    let read = RawPage::read(&bytes).unwrap();
    let columns = Columns::of_schema(read.head.schema.as_ref().unwrap()).unwrap();
    (bytes, read, columns)
}

proptest! {
    /// What leaves is what a naive mask leaves, has the shape that it had, and is the same however the page came.
    #[test]
    fn a_naive_mask_agrees(
        fields in prop::collection::vec(field(), 1..5), rows in 1_usize..8, seed: u64, pretty: bool, masks in 1_usize..5,
        first in 0_usize..400, step in 1_usize..200, piece in 1_usize..600,
    ) {
        let mut chance = Chance(seed | 1);
        let tree = Value::Array(fields.clone());
        let rows: Vec<Value> = (0..rows).map(|_| row(&tree, &mut chance)).collect();
        let masks = some_masks(masks, &tree, &mut chance);
        let (bytes, read, columns) = page(&fields, &rows, pretty);
        let writer = writer(&columns, &masks);
        let whole = joined(&written(&read, Some(&columns), writer.clone()).unwrap());
        let expect: Vec<Value> = rows.iter().map(|row| naive_row(&fields, row, &masks)).collect();
        let text = format!("[{}]", whole.1);
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!(expect), "{:?}", masks);
        prop_assert_eq!(whole.0, rows.len() as u64);
        // The same columns: as many cells, of the same types, null only where that may stand.
        let again = format!(r#"{{{JOB},"schema":{},"rows":{text}}}"#, json!({ "fields": fields }));
        prop_assert_eq!(RawPage::read(again.as_bytes()).unwrap().fits_schema(), Ok(rows.len() as u64));
        prop_assert!(whole.2.iter().all(|(_, cells, nulls)| nulls <= cells));
        let first = first + bytes.windows(7).position(|bytes| bytes == b"\"rows\":").unwrap() + 12;
        if let Some(rows) = on_its_way(&bytes, first, step, &columns, &writer, piece) {
            prop_assert!(rows.iter().all(|rows| rows.count() == 1 || rows.text().len() <= piece));
            prop_assert_eq!(joined(&rows), whole);
        } else {
            prop_assert!(first > bytes.len());
        }
    }

    /// No byte of a value is in what leaves where a mask shows nothing, whatever stands around it.
    #[test]
    fn nothing_of_a_hidden_value_leaves(seed: u64, position in 0_usize..7, rows in 1_usize..5) {
        let mut chance = Chance(seed | 1);
        let mask = ["always_null", "default_value", "constant(masked)", "sha256", "keyed_hash", "random_hash", "date_year"][position];
        let names = |name: &str, kind: &str, mode: &str| json!({ "name": name, "type": kind, "mode": mode });
        let fields = [
            names("s", "STRING", "NULLABLE"),
            names("r", "STRING", "REPEATED"),
            names("q", "BYTES", "REQUIRED"),
            names("t", "TIMESTAMP", "NULLABLE"),
            json!({ "name": "o", "type": "RECORD", "mode": "REPEATED", "fields": [names("i", "STRING", "NULLABLE"), names("j", "JSON", "NULLABLE")] }),
        ];
        let canaries = |text: &str| text.contains("CANARY") || text.contains("Q0FOQVJ") || text.contains("4711");
        let rows: Vec<Value> = (0..rows).map(|_| row(&json!(fields), &mut chance)).collect();
        let (_, read, columns) = page(&fields, &rows, false);
        let paths = [(0, vec![]), (1, vec![]), (2, vec![]), (3, vec![]), (4, vec!["i".to_owned()]), (4, vec!["j".to_owned()])];
        let masks: Masks = paths.into_iter().map(|(output, at)| (output, at, Mask::parse(mask).unwrap())).collect();
        let (_, text, _) = joined(&written(&read, Some(&columns), writer(&columns, &masks)).unwrap());
        prop_assert!(!canaries(&text), "{mask}: {text}");
    }
}

#[test]
fn cells_are_counted_path_by_path() {
    let fields = [
        json!({ "name": "a", "type": "STRING" }),
        json!({ "name": "r", "type": "RECORD", "mode": "REPEATED", "fields": [{ "name": "p", "type": "STRING" }, { "name": "q", "type": "STRING", "mode": "REPEATED" }] }),
    ];
    let rows = [
        json!({ "f": [{ "v": "x" }, { "v": [{ "v": { "f": [{ "v": null }, { "v": [{ "v": "1" }, { "v": "2" }] }] } }, { "v": { "f": [{ "v": "y" }, { "v": [] }] } }] }] }),
        json!({ "f": [{ "v": null }, { "v": [] }] }),
    ];
    let (_, read, columns) = page(&fields, &rows, false);
    let mask = |word: &str| Mask::parse(word).unwrap();
    let masks =
        vec![(0, vec![], mask("default_value")), (1, vec!["p".to_owned()], mask("sha256")), (1, vec!["q".to_owned()], mask("last_four"))];
    let (count, text, cells) = joined(&written(&read, Some(&columns), writer(&columns, &masks)).unwrap());
    assert_eq!(count, 2);
    let counted: Vec<(&str, u64, u64)> = cells.iter().map(|(name, cells, nulls)| (name.as_str(), *cells, *nulls)).collect();
    assert_eq!(counted, [("a default_value", 2, 1), ("r.p sha256", 2, 1), ("r.q last_four", 2, 0)]);
    assert!(text.starts_with(r#"{"f":[{"v":""},{"v":[{"v":{"f":[{"v":null},{"v":[{"v":"a4ay"#), "{text}");
}

#[test]
fn what_is_odd_is_odd_under_a_mask_too() {
    let fields = [
        json!({ "name": "a", "type": "STRING" }),
        json!({ "name": "o", "type": "RECORD", "mode": "REQUIRED", "fields": [{ "name": "i", "type": "STRING" }] }),
    ];
    let good = json!({ "f": [{ "v": "x" }, { "v": { "f": [{ "v": "y" }] } }] });
    let mask = |word: &str| Mask::parse(word).unwrap();
    let masks = vec![(0, vec![], mask("default_value")), (1, vec!["i".to_owned()], mask("always_null"))];
    for bad in [
        json!({ "f": [{ "v": 1 }, { "v": { "f": [{ "v": "y" }] } }] }),
        json!({ "f": [{ "v": ["x"] }, { "v": { "f": [{ "v": "y" }] } }] }),
        json!({ "f": [{ "v": "x" }, { "v": null }] }),
        json!({ "f": [{ "v": "x" }, { "v": { "f": [] } }] }),
        json!({ "f": [{ "v": "x" }, { "v": { "f": [{ "v": { "f": [] } }] } }] }),
        json!({ "f": [{ "v": "x" }] }),
        json!({ "f": [{ "v": "x", "w": "y" }, { "v": { "f": [{ "v": "y" }] } }] }),
    ] {
        let (bytes, read, columns) = page(&fields, &[good.clone(), bad.clone(), good.clone()], false);
        assert_eq!(written(&read, Some(&columns), writer(&columns, &masks)).unwrap_err(), crate::MaskFault::Shape, "{bad}");
        let first = bytes.windows(7).position(|bytes| bytes == b"\"rows\":").unwrap() + 9;
        let start = PageStart::open(bytes[..first].to_vec()).unwrap();
        let mut masking = Masking::new(start, columns.clone(), Some(writer(&columns, &masks)));
        let taken = masking.take(&bytes[first..]);
        assert!(taken.is_err() || masking.end().is_err(), "{bad}");
    }
}

/// Masks write more than they read: that too has an end.
#[test]
fn a_row_grows_no_longer_than_one_may_be() {
    let fields = [json!({ "name": "r", "type": "STRING", "mode": "REPEATED" })];
    let cells = vec![r#"{"v":""}"#; 1_400_000].join(",");
    let columns = Columns::of_schema(&json!({ "fields": fields })).unwrap();
    let masks = vec![(0, vec![], Mask::parse("sha256").unwrap())];
    let start = PageStart::open(format!(r#"{{{JOB},"rows":["#).into_bytes()).unwrap();
    let mut masking = Masking::new(start, columns.clone(), Some(writer(&columns, &masks)));
    assert!(masking.take(format!(r#"{{"f":[{{"v":[{cells}]}}]}}"#).as_bytes()).is_err());
}
