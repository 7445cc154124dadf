//! The schema of a page, rebuilt of known members; and what it promises of the shape of rows.

use crate::page::PageFault;
use crate::scan::{Odd, Scan};
use serde_json::{Map, Value, json};
use sluice_model::{Field, Output, Type};
use std::collections::BTreeSet;

/// All fields of a schema, nested ones too: BigQuery's own limit.
pub const COLUMNS_MAX: usize = 10_000;
/// BigQuery's own limit is 15 levels of records.
pub const COLUMN_LEVELS_MAX: usize = 16;
/// A name has at most 300 characters.
pub const COLUMN_NAME_BYTES_MAX: usize = 1_200;

const SCALARS: [&str; 19] = [
    "BIGNUMERIC",
    "BOOL",
    "BOOLEAN",
    "BYTES",
    "DATE",
    "DATETIME",
    "FLOAT",
    "FLOAT64",
    "GEOGRAPHY",
    "INT64",
    "INTEGER",
    "INTERVAL",
    "JSON",
    "NUMERIC",
    "RANGE",
    "STRING",
    "TIME",
    "TIMESTAMP",
    "BIGDECIMAL",
];

/// Members that say how a value is written, and nothing of what it is: descriptions and default values can quote data.
const DIGITS: [&str; 4] = ["maxLength", "precision", "scale", "timestampPrecision"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns(pub(crate) Vec<Column>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Of a scalar, or of the elements of many; a record has its fields below.
    pub(crate) kind: Type,
    pub(crate) repeated: bool,
    required: bool,
    /// A mask may write NULL. Not the other side of `required`: where nobody knows, a row may hold NULL and a mask writes none.
    pub(crate) may_be_null: bool,
    /// Of a record.
    pub(crate) fields: Option<Columns>,
}

/// How often a column has a value in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Nullable,
    Repeated,
    Required,
}

/// `{"fields": [...]}` of known members, each of the type that it should have. The others are counted in `dropped`.
pub(crate) fn rebuild(schema: Value, dropped: &mut u64) -> Result<Value, PageFault> {
    let mut columns_left = COLUMNS_MAX;
    let Value::Object(mut members) = schema else { return Err(PageFault::Shape("schema")) };
    let fields = members.shift_remove("fields").unwrap_or_else(|| json!([]));
    *dropped += members.len() as u64;
    Ok(json!({ "fields": rebuild_fields(fields, COLUMN_LEVELS_MAX, &mut columns_left, dropped)? }))
}

fn rebuild_fields(fields: Value, levels_left: usize, columns_left: &mut usize, dropped: &mut u64) -> Result<Value, PageFault> {
    let levels_left = levels_left.checked_sub(1).ok_or(PageFault::Shape("records nested too deep"))?;
    let Value::Array(fields) = fields else { return Err(PageFault::Shape("fields of the schema")) };
    *columns_left = columns_left.checked_sub(fields.len()).ok_or(PageFault::Shape("more columns than there may be"))?;
    let fields = fields.into_iter().map(|field| rebuild_field(field, levels_left, columns_left, dropped));
    Ok(Value::Array(fields.collect::<Result<_, _>>()?))
}

fn rebuild_field(field: Value, levels_left: usize, columns_left: &mut usize, dropped: &mut u64) -> Result<Value, PageFault> {
    let Value::Object(members) = field else { return Err(PageFault::Shape("a field of the schema")) };
    let mut kept = Map::new();
    for (name, value) in members {
        let value = match (name.as_str(), value) {
            (_, Value::Null) => continue,
            ("name", Value::String(text)) if text.len() <= COLUMN_NAME_BYTES_MAX => Value::String(text),
            ("type", Value::String(word)) if is_record(&word) || SCALARS.contains(&word.as_str()) => Value::String(word),
            ("mode", Value::String(word)) if ["NULLABLE", "REPEATED", "REQUIRED"].contains(&word.as_str()) => Value::String(word),
            ("fields", fields) => rebuild_fields(fields, levels_left, columns_left, dropped)?,
            ("rangeElementType", Value::Object(element)) => match element.get("type").and_then(Value::as_str) {
                Some(word @ ("DATE" | "DATETIME" | "TIMESTAMP")) => json!({ "type": word }),
                _ => return Err(PageFault::Shape("a field of the schema")),
            },
            (known, Value::String(digits)) if DIGITS.contains(&known) && digits.parse::<u64>().is_ok() => Value::String(digits),
            ("name" | "type" | "mode" | "rangeElementType", _) => return Err(PageFault::Shape("a field of the schema")),
            _ => {
                *dropped += 1;
                continue;
            }
        };
        kept.insert(name, value);
    }
    let named = kept.contains_key("name");
    let record = kept.get("type").and_then(Value::as_str).map(is_record);
    if !named || record != Some(kept.contains_key("fields")) {
        return Err(PageFault::Shape("a field of the schema"));
    }
    Ok(Value::Object(kept))
}

fn is_record(word: &str) -> bool {
    matches!(word, "RECORD" | "STRUCT")
}

/// BigQuery always says what a range is of.
fn scalar(word: &str, range_of: Option<&str>) -> Option<Type> {
    match word {
        "RANGE" => Type::parse(range_of.unwrap_or("DATE")).ok().map(|element| Type::Range(Box::new(element))),
        word => Type::parse(word).ok(),
    }
}

impl Columns {
    /// Of a schema as `rebuild` left it. What it does not know promises nothing.
    pub(crate) fn of_schema(schema: &Value) -> Option<Columns> {
        Columns::of_fields(schema.get("fields")?, COLUMN_LEVELS_MAX)
    }

    /// Of a table's columns as the catalog knows them. Of fields of records it does not know which of them may be null.
    pub(crate) fn of_outputs(outputs: &[Output], required: &BTreeSet<String>) -> Option<Columns> {
        let column = |output: &Output| {
            let column = Column::of_type(&output.name, output.kind.as_ref()?, false, COLUMN_LEVELS_MAX)?;
            Some(Column { may_be_null: !required.contains(&output.name), ..column })
        };
        outputs.iter().map(column).collect::<Option<Vec<_>>>().map(Columns)
    }

    /// Of a result, as the dry run said it would be.
    pub(crate) fn of_types(fields: &[Field]) -> Option<Columns> {
        let column = |field: &Field| Column::of_type(&field.name, &field.kind, true, COLUMN_LEVELS_MAX);
        fields.iter().map(column).collect::<Option<Vec<_>>>().map(Columns)
    }

    /// As many, by the same names.
    pub(crate) fn are_named(&self, names: &[String]) -> bool {
        let pairs = || self.0.iter().zip(names);
        self.0.len() == names.len() && pairs().all(|(column, name)| column.name.eq_ignore_ascii_case(name))
    }

    /// As a plan of masks knows them.
    pub(crate) fn fields(&self) -> Vec<Field> {
        self.0.iter().map(|column| Field { name: column.name.clone(), kind: column.whole_kind() }).collect()
    }

    fn of_fields(fields: &Value, levels_left: usize) -> Option<Columns> {
        let levels_left = levels_left.checked_sub(1)?;
        let column = |field: &Value| {
            let mode = field.get("mode").map_or(Some("NULLABLE"), Value::as_str)?;
            let word = field.get("type")?.as_str()?;
            let (kind, fields) = match is_record(word) {
                true => (Type::Struct(Vec::new()), Some(Columns::of_fields(field.get("fields")?, levels_left)?)),
                false => (scalar(word, field.pointer("/rangeElementType/type").and_then(Value::as_str))?, None),
            };
            let mode = match mode {
                "REQUIRED" => Mode::Required,
                "REPEATED" => Mode::Repeated,
                _ => Mode::Nullable,
            };
            Some(Column::new(field.get("name")?.as_str()?, kind, mode, fields))
        };
        fields.as_array()?.iter().map(column).collect::<Option<Vec<_>>>().map(Columns)
    }

    /// One row, or the inside of a record: `{"f":[{"v":...},...]}` with one cell for each column, and nothing else.
    pub(crate) fn row(&self, scan: &mut Scan<'_>) -> Result<(), Odd> {
        open_row(scan)?;
        let is_plain = |position: usize| self.0.get(position).is_some_and(Column::is_plain);
        let mut position = 0;
        while let Some(column) = self.0.get(position) {
            if position > 0 {
                scan.take(b',')?;
            }
            let passed = if column.is_plain() { scan.plain_cells(|ahead| is_plain(position + ahead)) } else { 0 };
            if passed == 0 {
                open(scan, b'v')?;
                column.value(scan)?;
                scan.take(b'}')?;
            }
            position += passed.max(1);
        }
        close_row(scan)
    }
}

impl Column {
    pub(crate) fn new(name: &str, kind: Type, mode: Mode, fields: Option<Columns>) -> Column {
        let required = mode == Mode::Required;
        Column { name: name.to_owned(), kind, repeated: mode == Mode::Repeated, required, may_be_null: !required, fields }
    }

    pub(crate) fn with(&self, kind: Type, fields: Option<Columns>) -> Column {
        Column { kind, fields, ..self.clone() }
    }

    /// NULL stands in no row.
    pub(crate) fn is_required(&self) -> bool {
        self.required
    }

    fn of_type(name: &str, kind: &Type, may_be_null: bool, levels_left: usize) -> Option<Column> {
        let levels_left = levels_left.checked_sub(1)?;
        let column = |kind: Type, fields: Option<Columns>| Column {
            name: name.to_owned(),
            kind,
            repeated: false,
            required: false,
            may_be_null,
            fields,
        };
        match kind {
            Type::Array(element) => {
                let element = Column::of_type(name, element, may_be_null, levels_left)?;
                (!element.repeated).then_some(Column { repeated: true, ..element })
            }
            Type::Struct(fields) => {
                let field = |field: &Field| Column::of_type(&field.name, &field.kind, may_be_null, levels_left);
                Some(column(Type::Struct(Vec::new()), Some(Columns(fields.iter().map(field).collect::<Option<_>>()?))))
            }
            scalar => Some(column(scalar.clone(), None)),
        }
    }

    /// With its fields and its brackets.
    pub(crate) fn whole_kind(&self) -> Type {
        let kind = self.fields.as_ref().map_or_else(|| self.kind.clone(), |fields| Type::Struct(fields.fields()));
        if self.repeated { Type::array(kind) } else { kind }
    }

    pub(crate) fn is_plain(&self) -> bool {
        !self.repeated && self.fields.is_none()
    }

    pub(crate) fn value(&self, scan: &mut Scan<'_>) -> Result<(), Odd> {
        if !self.repeated {
            return self.single(scan);
        }
        scan.take(b'[')?;
        if scan.eat(b']') {
            return Ok(());
        }
        loop {
            open(scan, b'v')?;
            self.single(scan)?;
            scan.take(b'}')?;
            if !scan.eat(b',') {
                return scan.take(b']');
            }
        }
    }

    pub(crate) fn single(&self, scan: &mut Scan<'_>) -> Result<(), Odd> {
        match (scan.peek(), &self.fields) {
            (Some(b'"'), None) => scan.string(),
            (Some(b'{'), Some(fields)) => fields.row(scan),
            (Some(b'n'), _) if !self.required && scan.eat_all(b"null") => Ok(()),
            _ => Err(Odd),
        }
    }
}

/// `]}`.
#[inline(always)]
pub(crate) fn close_row(scan: &mut Scan<'_>) -> Result<(), Odd> {
    if scan.eat_exactly(b"]}") {
        return Ok(());
    }
    scan.take(b']')?;
    scan.take(b'}')
}

/// `{"f":[`.
#[inline(always)]
pub(crate) fn open_row(scan: &mut Scan<'_>) -> Result<(), Odd> {
    if scan.eat_exactly(b"{\"f\":[") {
        return Ok(());
    }
    open(scan, b'f')?;
    scan.take(b'[')
}

/// `{"f":`, as BigQuery writes it or with spaces.
#[inline]
pub(crate) fn open(scan: &mut Scan<'_>, name: u8) -> Result<(), Odd> {
    if scan.eat_all(&[b'{', b'"', name, b'"', b':']) {
        return Ok(());
    }
    scan.take(b'{')?;
    scan.peek();
    if scan.eat_all(&[b'"', name, b'"']) { scan.take(b':') } else { Err(Odd) }
}
