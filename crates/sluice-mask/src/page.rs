//! A page of rows as BigQuery answers it: `jobs.getQueryResults`, `jobs.query` and `tabledata.list`.

use crate::masker::{MaskFault, ROWS_BYTES_MAX};
use crate::scan::{Odd, Scan};
use crate::schema::{self, Columns};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::Arc;

/// BigQuery's own pages end at some ten megabytes.
pub const PAGE_BYTES_MAX: usize = 64 << 20;
/// What stands around the rows, each member of it. Ten thousand columns stay below.
pub const HEAD_MEMBER_BYTES_MAX: usize = 4 << 20;
pub const PAGE_TOKEN_BYTES_MAX: usize = 8 << 10;
/// Members beside the rows, known or not.
pub const HEAD_MEMBERS_MAX: usize = 64;

const HEAD_LEVELS_MAX: u32 = 48;
const NAME_BYTES_MAX: usize = 1_024;

/// What stands around the rows: known fields and no others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    pub complete: bool,
    /// `{"fields": [...]}`, of known members alone.
    pub schema: Option<Value>,
    pub total_rows: Option<u64>,
    pub page_token: Option<String>,
    /// Counts and flags that are no rows: `totalBytesProcessed`, `cacheHit`, `numDmlAffectedRows`, `dmlStats`, `jobReference`, `kind`.
    pub rest: Map<String, Value>,
    /// How many members were not known, and left out.
    pub dropped: u64,
}

/// Rows that nobody has looked at.
pub struct RawPage {
    pub head: Head,
    pub(crate) job: Option<PageJob>,
    /// What stands between the brackets: JSON, and no more is known of it.
    pub(crate) rows: Arc<str>,
    /// Where the schema stood before the rows they were looked at once, and this is what was found.
    pub(crate) checked: Option<Checked>,
}

/// Rows that have the shape of these columns, in pieces.
pub(crate) struct Checked {
    pub(crate) columns: Columns,
    pub(crate) pieces: Pieces,
}

/// Where each piece begins and ends in the rows, and how many it has of them.
#[derive(Clone, Default)]
pub(crate) struct Pieces(pub(crate) Vec<(usize, usize, u64)>);

impl Pieces {
    /// The next row.
    pub(crate) fn add(&mut self, from: usize, to: usize) {
        match self.0.last_mut() {
            Some((start, end, count)) if to - *start <= ROWS_BYTES_MAX => {
                *end = to;
                *count += 1;
            }
            _ => self.0.push((from, to, 1)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageJob {
    pub(crate) project: String,
    pub(crate) id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageFault {
    /// It is not what BigQuery would send. No text of it is repeated.
    Shape(&'static str),
    TooLarge {
        bytes_max: usize,
    },
}

impl RawPage {
    /// Members may come in any order, and none of them twice. Nothing of an unknown one is kept but that it was there.
    pub fn read(bytes: &[u8]) -> Result<RawPage, PageFault> {
        if bytes.len() > PAGE_BYTES_MAX {
            return Err(PageFault::TooLarge { bytes_max: PAGE_BYTES_MAX });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| PageFault::Shape("text"))?;
        let mut scan = Scan::new(text);
        let mut reading = Reading::default();
        scan.take(b'{')?;
        while !scan.eat(b'}') {
            if !reading.names.is_empty() {
                scan.take(b',')?;
            }
            reading.member(&mut scan)?;
        }
        scan.end()?;
        reading.finish()
    }

    /// How many rows there are, if each has the shape that the schema of this page promises. It shows none of them.
    pub fn fits_schema(&self) -> Result<u64, MaskFault> {
        let columns = self.head.schema.as_ref().and_then(Columns::of_schema);
        let mut count = 0;
        self.each_row(columns.as_ref(), |_, _| count += 1)?;
        Ok(count)
    }

    /// Tells where each row begins and ends, after its shape is checked.
    pub(crate) fn each_row(&self, columns: Option<&Columns>, found: impl FnMut(usize, usize)) -> Result<(), MaskFault> {
        let mut scan = Scan::new(&self.rows);
        if scan.peek().is_none() {
            return Ok(());
        }
        each_row(&mut scan, columns.ok_or(MaskFault::Shape)?, found)?;
        Ok(scan.end()?)
    }
}

fn each_row(scan: &mut Scan<'_>, columns: &Columns, mut found: impl FnMut(usize, usize)) -> Result<(), Odd> {
    loop {
        scan.peek();
        let from = scan.at();
        columns.row(scan)?;
        found(from, scan.at());
        if !scan.eat(b',') {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Reading<'a> {
    names: Vec<String>,
    head: Head,
    /// Nothing of it, yet.
    complete: Option<bool>,
    job: Option<PageJob>,
    rows: Option<&'a str>,
    checked: Option<Checked>,
}

impl<'a> Reading<'a> {
    fn member(&mut self, scan: &mut Scan<'a>) -> Result<(), PageFault> {
        let name = scan.read_string()?;
        scan.take(b':')?;
        scan.peek();
        let from = scan.at();
        let checked = if name == "rows" { self.check(scan) } else { None };
        if checked.is_none() {
            scan.skip()?;
        }
        let text = scan.since(from)?;
        if self.names.contains(&name) {
            return Err(PageFault::Shape("a member stands twice"));
        }
        if self.names.len() >= HEAD_MEMBERS_MAX {
            return Err(PageFault::Shape("more members than there may be"));
        }
        if name == "rows" {
            self.checked = checked;
            self.rows = match text {
                "null" => None,
                _ => Some(text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(PageFault::Shape("rows"))?),
            };
        } else if KNOWN.contains(&name.as_str()) && text != "null" {
            if text.len() > HEAD_MEMBER_BYTES_MAX {
                return Err(PageFault::TooLarge { bytes_max: HEAD_MEMBER_BYTES_MAX });
            }
            let value = Scan::new(text).read(HEAD_LEVELS_MAX)?;
            self.known(&name, value)?;
        } else if !KNOWN.contains(&name.as_str()) {
            self.head.dropped += 1;
        }
        self.names.push(name);
        Ok(())
    }

    /// The rows, over to their other side, if the schema is known and they have its shape. What is odd about them is for the masker to say.
    fn check(&self, scan: &mut Scan<'a>) -> Option<Checked> {
        let columns = Columns::of_schema(self.head.schema.as_ref()?)?;
        let mut ahead = scan.clone();
        ahead.take(b'[').ok()?;
        let (start, mut pieces) = (ahead.at(), Pieces::default());
        each_row(&mut ahead, &columns, |from, to| pieces.add(from - start, to - start)).ok()?;
        ahead.take(b']').ok()?;
        *scan = ahead;
        Some(Checked { columns, pieces })
    }

    fn known(&mut self, name: &str, value: Value) -> Result<(), PageFault> {
        let kept = match name {
            "schema" => {
                self.head.schema = Some(schema::rebuild(value, &mut self.head.dropped)?);
                return Ok(());
            }
            "jobComplete" => {
                self.complete = Some(value.as_bool().ok_or(PageFault::Shape("jobComplete"))?);
                return Ok(());
            }
            "totalRows" => {
                self.head.total_rows = Some(number(&value).ok_or(PageFault::Shape("totalRows"))?);
                return Ok(());
            }
            "pageToken" => {
                let token = value.as_str().filter(|token| token.len() <= PAGE_TOKEN_BYTES_MAX).ok_or(PageFault::Shape("pageToken"))?;
                self.head.page_token = Some(token.to_owned()).filter(|token| !token.is_empty());
                return Ok(());
            }
            "cacheHit" if value.is_boolean() => value,
            "dmlStats" => self.numbers(value)?,
            "jobReference" => self.reference(value)?,
            "kind" => match value.as_str() {
                Some("bigquery#getQueryResultsResponse" | "bigquery#queryResponse" | "bigquery#tableDataList") => value,
                _ => return Err(PageFault::Shape("kind")),
            },
            "numDmlAffectedRows" | "totalBytesProcessed" => text_of(number(&value).ok_or(PageFault::Shape("a count"))?),
            _ => return Err(PageFault::Shape("a known member")),
        };
        self.head.rest.insert(name.to_owned(), kept);
        Ok(())
    }

    fn numbers(&mut self, value: Value) -> Result<Value, PageFault> {
        let Value::Object(members) = value else { return Err(PageFault::Shape("dmlStats")) };
        let mut kept = Map::new();
        for (name, value) in members {
            if ["deletedRowCount", "insertedRowCount", "updatedRowCount"].contains(&name.as_str()) {
                kept.insert(name, text_of(number(&value).ok_or(PageFault::Shape("dmlStats"))?));
            } else {
                self.head.dropped += 1;
            }
        }
        Ok(Value::Object(kept))
    }

    fn reference(&mut self, value: Value) -> Result<Value, PageFault> {
        let Value::Object(members) = value else { return Err(PageFault::Shape("jobReference")) };
        let mut kept = Map::new();
        for (name, value) in members {
            if ["jobId", "location", "projectId"].contains(&name.as_str()) {
                let text = value.as_str().filter(|text| text.len() <= NAME_BYTES_MAX).ok_or(PageFault::Shape("jobReference"))?;
                kept.insert(name, json!(text));
            } else {
                self.head.dropped += 1;
            }
        }
        let part = |name: &str| kept.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(PageFault::Shape("jobReference"));
        self.job = Some(PageJob { project: part("projectId")?, id: part("jobId")? });
        Ok(Value::Object(kept))
    }

    fn finish(mut self) -> Result<RawPage, PageFault> {
        let table = self.head.rest.get("kind").and_then(Value::as_str) == Some("bigquery#tableDataList");
        if table && (self.job.is_some() || self.complete.is_some()) {
            return Err(PageFault::Shape("rows of a table that name a job"));
        }
        // Rows of a table are all there is to wait for.
        self.head.complete = match self.complete {
            Some(complete) => complete,
            None if self.job.is_none() => true,
            None => return Err(PageFault::Shape("jobComplete")),
        };
        let rows = self.rows.unwrap_or_default();
        if !self.head.complete && Scan::new(rows).peek().is_some() {
            return Err(PageFault::Shape("rows before the job is complete"));
        }
        Ok(RawPage { head: self.head, job: self.job, rows: rows.into(), checked: self.checked })
    }
}

const KNOWN: [&str; 10] = [
    "cacheHit",
    "dmlStats",
    "jobComplete",
    "jobReference",
    "kind",
    "numDmlAffectedRows",
    "pageToken",
    "schema",
    "totalBytesProcessed",
    "totalRows",
];

/// BigQuery writes 64-bit numbers as strings.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok(),
        other => other.as_u64(),
    }
}

fn text_of(number: u64) -> Value {
    Value::String(number.to_string())
}

/// Rows do not reach a log.
impl fmt::Debug for RawPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RawPage").field("head", &self.head).field("rows_bytes", &self.rows.len()).finish_non_exhaustive()
    }
}

impl From<Odd> for PageFault {
    fn from(_: Odd) -> PageFault {
        PageFault::Shape("JSON")
    }
}

impl fmt::Display for PageFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PageFault::Shape(what) => write!(formatter, "the page of rows is not as expected: {what}"),
            PageFault::TooLarge { bytes_max } => {
                write!(formatter, "the page of rows, or a member beside its rows, has more than {bytes_max} bytes")
            }
        }
    }
}

impl std::error::Error for PageFault {}
