//! What stands around the rows of a page: known members are kept, each of its own type, and others are counted.

use crate::page::{HEAD_MEMBER_BYTES_MAX, HEAD_MEMBERS_MAX, Head, PAGE_TOKEN_BYTES_MAX, PageFault, PageJob};
use crate::scan::Scan;
use crate::schema;
use serde_json::{Map, Value, json};

const HEAD_LEVELS_MAX: u32 = 48;
const NAME_BYTES_MAX: usize = 1_024;

/// Nothing of it, yet.
#[derive(Debug, Default)]
pub(crate) struct Around {
    names: Vec<String>,
    pub(crate) head: Head,
    complete: Option<bool>,
    job: Option<PageJob>,
}

impl Around {
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The next member and its value, which are no rows.
    pub(crate) fn member(&mut self, scan: &mut Scan<'_>) -> Result<(), PageFault> {
        let name = scan.read_string()?;
        scan.take(b':')?;
        scan.peek();
        let from = scan.at();
        scan.skip()?;
        let text = scan.since(from)?;
        self.keep(name, text)
    }

    /// Each name once.
    pub(crate) fn enter(&mut self, name: String) -> Result<(), PageFault> {
        if self.names.contains(&name) {
            return Err(PageFault::Shape("a member stands twice"));
        }
        if self.names.len() >= HEAD_MEMBERS_MAX {
            return Err(PageFault::Shape("more members than there may be"));
        }
        self.names.push(name);
        Ok(())
    }

    pub(crate) fn keep(&mut self, name: String, text: &str) -> Result<(), PageFault> {
        let known = KNOWN.iter().copied().find(|known| *known == name);
        self.enter(name)?;
        match known {
            None => self.head.dropped += 1,
            Some(_) if text == "null" => {}
            Some(_) if text.len() > HEAD_MEMBER_BYTES_MAX => return Err(PageFault::TooLarge { bytes_max: HEAD_MEMBER_BYTES_MAX }),
            Some(name) => self.known(name, Scan::new(text).read(HEAD_LEVELS_MAX)?)?,
        }
        Ok(())
    }

    /// Whether rows may be looked at before what stands behind them is known: it is said whose they are, and that they are there.
    pub(crate) fn leads_to_rows(&self) -> bool {
        if self.is_table() { self.job.is_none() && self.complete.is_none() } else { self.job.is_some() && self.complete != Some(false) }
    }

    pub(crate) fn job(&self) -> Option<&PageJob> {
        self.job.as_ref()
    }

    pub(crate) fn finish(mut self, has_rows: bool) -> Result<(Head, Option<PageJob>), PageFault> {
        if self.is_table() && (self.job.is_some() || self.complete.is_some()) {
            return Err(PageFault::Shape("rows of a table that name a job"));
        }
        // Rows of a table are all there is to wait for.
        self.head.complete = match self.complete {
            Some(complete) => complete,
            None if self.job.is_none() => true,
            None => return Err(PageFault::Shape("jobComplete")),
        };
        if !self.head.complete && has_rows {
            return Err(PageFault::Shape("rows before the job is complete"));
        }
        Ok((self.head, self.job))
    }

    fn is_table(&self) -> bool {
        self.head.rest.get("kind").and_then(Value::as_str) == Some("bigquery#tableDataList")
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
