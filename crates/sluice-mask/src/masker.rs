//! MINT: `MaskedRows`.

use crate::masking::{Masking, PageStart};
use crate::page::{PageJob, Pieces, RawPage};
use crate::scan::Odd;
use crate::schema::Columns;
use serde_json::Value;
use sluice_policy::{Permit, Purpose, Resource, Work};
use std::fmt;
use std::sync::Arc;

/// Rows leave in pieces of at most this, each with its own record. A single row may be longer.
pub const ROWS_BYTES_MAX: usize = 1 << 20;

/// For the rows of one permit: of its job or of its table, and of no other. Until masks are applied it passes only what needs none.
#[derive(Debug)]
pub struct Masker {
    of: Of,
}

#[derive(Debug)]
enum Of {
    Job(PageJob),
    /// The permit is not for rows: no page is its.
    Nothing,
    /// With what the permit says of its columns. A page of table data names no table.
    Table(Option<Columns>),
}

/// Rows that may leave: each a JSON object as BigQuery writes it, with commas between them.
pub struct MaskedRows {
    count: u64,
    /// Of the whole page: its pieces share it, and nobody copies them.
    page: Arc<String>,
    from: usize,
    to: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskFault {
    /// The page is of another job, or of a table where a job was permitted; or the permit is not for rows.
    Foreign,
    /// The permit wants masks.
    NotYet,
    /// A row does not have the shape that the schema promises.
    Shape,
}

impl Masker {
    pub fn new(permit: &Permit) -> Result<Masker, MaskFault> {
        if !permit.masks().is_empty() {
            return Err(MaskFault::NotYet);
        }
        let request = permit.request();
        let of = match &request.work {
            Work::Statement(statement) => match &statement.purpose {
                // The job's own result, read as the table that it is.
                Purpose::Page { dry_run, .. } if request.sends.path.ends_with("/data") => {
                    Of::Table(dry_run.schema.as_ref().and_then(|fields| Columns::of_types(fields)))
                }
                Purpose::Page { job, .. } => Of::Job(PageJob { project: request.project.clone(), id: job.clone() }),
                _ => Of::Nothing,
            },
            Work::Method(method) => match method.resource {
                Resource::Table(_) => Of::Table(Columns::of_outputs(&method.columns)),
                _ => Of::Nothing,
            },
        };
        Ok(Masker { of })
    }

    /// All rows of the page, or none: one of another shape ends the answer.
    pub fn mask(&self, page: RawPage) -> Result<Vec<MaskedRows>, MaskFault> {
        let columns = self.columns(page.head.schema.as_ref(), page.job.as_ref())?;
        pieces(&page, columns.as_ref())
    }

    /// The same for a page that is still on its way.
    pub fn begin(&self, start: PageStart) -> Result<Masking, MaskFault> {
        let columns = self.columns(start.head().schema.as_ref(), start.job())?;
        Ok(Masking::new(start, columns.ok_or(MaskFault::Shape)?))
    }

    fn columns(&self, schema: Option<&Value>, found: Option<&PageJob>) -> Result<Option<Columns>, MaskFault> {
        let known = schema.map(|schema| Columns::of_schema(schema).ok_or(MaskFault::Shape)).transpose()?;
        match (&self.of, found) {
            (Of::Job(job), Some(found)) if job == found => Ok(known),
            (Of::Table(columns), None) => Ok(known.or_else(|| columns.clone())),
            _ => Err(MaskFault::Foreign),
        }
    }
}

pub(crate) fn pieces(page: &RawPage, columns: Option<&Columns>) -> Result<Vec<MaskedRows>, MaskFault> {
    let ends = match (&page.checked, columns) {
        // Looked at when it was read, with these very columns.
        (Some(checked), Some(columns)) if checked.columns == *columns => checked.pieces.clone(),
        _ => {
            let mut ends = Pieces::default();
            page.each_row(columns, |from, to| ends.add(from, to))?;
            ends
        }
    };
    ends.0.into_iter().map(|piece| MaskedRows::of_piece(&page.rows, piece)).collect::<Option<_>>().ok_or(MaskFault::Shape)
}

impl MaskedRows {
    /// MINT, for rows whose shape `masking` has seen. The text was there when the piece was found.
    pub(crate) fn of_piece(page: &Arc<String>, (from, to, count): (usize, usize, u64)) -> Option<MaskedRows> {
        page.get(from..to).map(|_| MaskedRows { count, page: Arc::clone(page), from, to })
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn text(&self) -> &str {
        // It was there when the piece was made.
        self.page.get(self.from..self.to).unwrap_or_default()
    }
}

/// Rows do not reach a log.
impl fmt::Debug for MaskedRows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MaskedRows").field("count", &self.count).field("bytes", &(self.to - self.from)).finish_non_exhaustive()
    }
}

impl From<Odd> for MaskFault {
    fn from(_: Odd) -> MaskFault {
        MaskFault::Shape
    }
}

impl fmt::Display for MaskFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaskFault::Foreign => formatter.write_str("the rows are not those of the job or table that was permitted"),
            MaskFault::NotYet => formatter.write_str("a column of the result would have to be masked, and masks are not applied yet"),
            MaskFault::Shape => formatter.write_str("a row does not have the shape that its schema promises"),
        }
    }
}

impl std::error::Error for MaskFault {}
