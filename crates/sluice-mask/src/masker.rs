//! MINT: `MaskedRows`.

use crate::cover::{Cover, CoveredPath, Laid};
use crate::detect::{Form, Sampling};
use crate::joining::Joining;
use crate::keys::{HashKeys, MaskKeys};
use crate::masking::{Masking, PageStart};
use crate::moment::TimestampForm;
use crate::page::{Head, PAGE_BYTES_MAX, PageJob, Pieces, RawPage};
use crate::scan::{Odd, Scan};
use crate::schema::Columns;
use crate::settle::settled;
use crate::value::Values;
use crate::write::{Bound, Count, Leaving, Writer, Written};
use serde_json::Value;
use sluice_model::Output;
use sluice_policy::{MaskedPath, Permit, Purpose, Request, Resource, Work, fits, shown_statements};
use std::fmt;
use std::sync::Arc;

/// Rows leave in pieces of at most this, each with its own record. A single row may be longer.
pub const ROWS_BYTES_MAX: usize = 1 << 20;

/// For the rows of one permit: of its job or of its table, and of no other.
#[derive(Debug)]
pub struct Masker {
    of: Of,
    /// What BigQuery said that the columns of the result would be, where it was asked.
    expected: Option<Vec<String>>,
    /// The columns that a table was permitted to be read for. A page of its rows does not name them, a stream does.
    read: Option<Vec<Output>>,
    /// Nothing if the permit wants no masks: then rows pass as they came.
    wanted: Option<Wanted>,
}

/// What the permit wants masked.
#[derive(Debug)]
struct Wanted {
    /// The statements that the rows can be of. A method is one.
    shown: Vec<Shown>,
    values: Values,
}

#[derive(Debug)]
struct Shown {
    outputs: Vec<Output>,
    masks: Vec<MaskedPath>,
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
    /// Of the whole page too.
    cover: Option<Arc<Cover>>,
    counts: Vec<Count>,
}

/// What was masked at one path of some rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedCells<'a> {
    pub covered: &'a CoveredPath,
    pub cells: u64,
    /// That were null as they came.
    pub nulls: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskFault {
    /// The page is of another job, or of a table where a job was permitted; or the permit is not for rows.
    Foreign,
    /// A row does not have the shape that the schema promises.
    Shape,
    /// The columns are not those that masks were planned for.
    Unfit,
}

impl Masker {
    pub fn new(permit: &Permit, keys: &MaskKeys) -> Masker {
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
                Resource::Table(_) => Of::Table(Columns::of_outputs(&method.columns, &method.required)),
                _ => Of::Nothing,
            },
        };
        let wanted = (!permit.masks().is_empty()).then(|| Wanted::by(permit, keys));
        Masker { of, expected: expected(request), read: read(request), wanted }
    }

    /// All rows of the page, or none: one of another shape ends the answer.
    pub fn mask(&self, page: RawPage) -> Result<Vec<MaskedRows>, MaskFault> {
        let columns = self.columns(page.head.schema.as_ref(), page.job.as_ref())?;
        match self.writer(columns.as_ref(), page.head.schema.is_some()) {
            None => pieces(&page, columns.as_ref()),
            Some(_) if Scan::new(&page.rows).peek().is_none() => Ok(Vec::new()),
            Some(writer) => written(&page, columns.as_ref(), writer?),
        }
    }

    /// The same for a page that is still on its way.
    pub fn begin(&self, start: PageStart) -> Result<Masking, MaskFault> {
        let head = start.head();
        let columns = self.columns(head.schema.as_ref(), start.job())?;
        let writer = self.writer(columns.as_ref(), head.schema.is_some()).transpose()?;
        Ok(Masking::new(start, columns.ok_or(MaskFault::Shape)?, writer))
    }

    /// The same for an answer that is of several pages: where it ends, masked rows alone decide.
    pub fn join(self, rows_max: Option<u64>, bytes_max: usize) -> Joining {
        Joining::new(self, Bound::new(rows_max, bytes_max))
    }

    /// Of columns that hide nothing, beside others that do and were not asked for: rows are written anew all the same.
    pub fn writing(self, permit: &Permit, keys: &MaskKeys) -> Masker {
        Masker { wanted: Some(self.wanted.unwrap_or_else(|| Wanted::by(permit, keys))), ..self }
    }

    /// For looking at some of the rows that leave: what of them is neither masked nor labelled. Nothing if there is nothing of that.
    pub fn sampling(&self, permit: &Permit, head: &Head) -> Option<Sampling> {
        let known = head.schema.as_ref().and_then(Columns::of_schema);
        let columns = match &self.of {
            Of::Table(columns) => known.or_else(|| columns.clone())?,
            Of::Job(_) => known?,
            Of::Nothing => return None,
        };
        Sampling::of(permit, &columns, Form::Json)
    }

    /// For a stream of rows, whose schema has come before them: its columns, and how they are masked if they are. Whose stream it is, is for
    /// whoever opened it to know: it says no more of that than its columns.
    pub(crate) fn of_stream(&self, columns: Columns) -> Result<(Columns, Option<Writer>), MaskFault> {
        if matches!(self.of, Of::Nothing) {
            return Err(MaskFault::Foreign);
        }
        if let Some(wanted) = &self.wanted {
            return wanted.of_stream(&columns).map(|(columns, writer)| (columns, Some(writer)));
        }
        // Fields of records too: one that nobody knew of when it was decided has no mask.
        let is_read = self.read.as_ref().is_none_or(|outputs| fits(outputs, &settled(&columns, outputs).fields()));
        let is_expected = is_read && self.expected.iter().all(|names| columns.are_named(names));
        is_expected.then_some((columns, None)).ok_or(MaskFault::Shape)
    }

    /// Nothing if no masks are wanted. A page without rows may have any columns, so whoever has rows asks whether they fit.
    pub(crate) fn writer(&self, columns: Option<&Columns>, has_schema: bool) -> Option<Result<Writer, MaskFault>> {
        let wanted = self.wanted.as_ref()?;
        // Rows of a table do not say which statement of a script they are of, and what they are was only expected.
        let is_certain = has_schema || wanted.shown.len() == 1;
        Some(match columns.filter(|_| is_certain) {
            Some(columns) => wanted.writer(columns),
            None => Err(MaskFault::Unfit),
        })
    }

    pub(crate) fn columns(&self, schema: Option<&Value>, found: Option<&PageJob>) -> Result<Option<Columns>, MaskFault> {
        let known = schema.map(|schema| Columns::of_schema(schema).ok_or(MaskFault::Shape)).transpose()?;
        // A page has its own word for what its columns are. What was decided on is the word that was given before. Masks are laid by columns: they see for
        // themselves whether these fit.
        let is_expected = self.wanted.is_some() || self.expected.iter().zip(&known).all(|(expected, known)| known.are_named(expected));
        match (&self.of, found) {
            (Of::Job(job), Some(found)) if job == found => is_expected.then_some(known).ok_or(MaskFault::Shape),
            (Of::Table(columns), None) => Ok(known.or_else(|| columns.clone())),
            _ => Err(MaskFault::Foreign),
        }
    }
}

/// Of a query alone: the parts of a script have columns of their own, and what is no query may have others.
fn expected(request: &Request) -> Option<Vec<String>> {
    let Work::Statement(statement) = &request.work else { return None };
    let Purpose::Page { dry_run, .. } = &statement.purpose else { return None };
    let fields = match statement.analysis.statements.as_slice() {
        [only] if only.kind == "SELECT" => dry_run.schema.as_ref()?,
        _ => return None,
    };
    Some(fields.iter().map(|field| field.name.clone()).collect())
}

fn read(request: &Request) -> Option<Vec<Output>> {
    match &request.work {
        Work::Method(method) => Some(method.columns.clone()),
        Work::Statement(_) => None,
    }
}

impl Wanted {
    fn by(permit: &Permit, keys: &MaskKeys) -> Wanted {
        let request = permit.request();
        let masks = |statement: usize| permit.masks().iter().filter(move |masked| masked.statement == statement).cloned().collect();
        let shown = shown_statements(request);
        let shown = shown.into_iter().map(|(statement, outputs)| Shown { outputs: outputs.to_vec(), masks: masks(statement) });
        let form = TimestampForm::of_query(&request.sends.query);
        Wanted { shown: shown.collect(), values: Values { keys: keys_of(permit, keys), form } }
    }

    /// Where a format has one type for several of BigQuery's, each statement knows which it is.
    fn of_stream(&self, columns: &Columns) -> Result<(Columns, Writer), MaskFault> {
        let settled = self.shown.iter().map(|shown| settled(columns, &shown.outputs));
        let fitting = settled.zip(&self.shown).find(|(columns, shown)| fits(&shown.outputs, &columns.fields()));
        let (columns, _) = fitting.ok_or(MaskFault::Unfit)?;
        let writer = self.writer(&columns)?;
        Ok((columns, writer))
    }

    /// The rows are of a statement whose columns they have. Where several have them, what one of them hides is hidden.
    fn writer(&self, columns: &Columns) -> Result<Writer, MaskFault> {
        let fields = columns.fields();
        let fitting: Vec<&Shown> = self.shown.iter().filter(|shown| fits(&shown.outputs, &fields)).collect();
        if fitting.is_empty() {
            return Err(MaskFault::Unfit);
        }
        // Each path is meant by the types of its own statement.
        let masks = fitting.iter().flat_map(|shown| shown.masks.iter().map(|masked| (shown.outputs.get(masked.output), masked)));
        let laid = masks.map(|(output, masked)| Laid {
            output: masked.output,
            kind: output.and_then(|output| output.kind.as_ref()),
            at: &masked.at,
            mask: &masked.mask,
            labels: &masked.labels,
            columns: &masked.columns,
        });
        let cover = Cover::of(columns, laid).map_err(|_| MaskFault::Unfit)?;
        Ok(Writer { cover: Arc::new(cover), values: self.values.clone() })
    }
}

/// A job's pages are one result. Reading a table has no beginning and no end: what one caller reads of it is one result.
fn keys_of(permit: &Permit, keys: &MaskKeys) -> HashKeys {
    let request = permit.request();
    let (connection, project) = (request.connection.as_str(), request.project.as_str());
    match &request.work {
        Work::Statement(statement) => match &statement.purpose {
            Purpose::Page { job, .. } => keys.of_result(&["job", connection, project, job]),
            Purpose::Dispatch | Purpose::DryRun => keys.of_result(&["none", connection, project]),
        },
        Work::Method(method) => keys.of_result(&["table", connection, &permit.decision().caller, &method.resource.to_string()]),
    }
}

/// Rows of a page that is whole, written anew.
pub(crate) fn written(page: &RawPage, columns: Option<&Columns>, writer: Writer) -> Result<Vec<MaskedRows>, MaskFault> {
    let columns = columns.ok_or(MaskFault::Shape)?;
    let mut written = Written::new(writer, columns.clone());
    let mut scan = Scan::new(&page.rows);
    scan.peek().ok_or(MaskFault::Shape)?;
    loop {
        scan.peek();
        written.row(&mut scan, ROWS_BYTES_MAX)?;
        // Masks can make a page longer than it was.
        if written.bytes() > PAGE_BYTES_MAX {
            return Err(MaskFault::Shape);
        }
        if !scan.eat(b',') {
            break;
        }
    }
    scan.end()?;
    let cover = Arc::clone(&written.writer.cover);
    MaskedRows::of_written(written.leave(true), &cover)
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
        page.get(from..to).map(|_| MaskedRows { count, page: Arc::clone(page), from, to, cover: None, counts: Vec::new() })
    }

    /// MINT, for rows that `Written` has checked and masked.
    pub(crate) fn of_written(leaving: Option<Leaving>, cover: &Arc<Cover>) -> Result<Vec<MaskedRows>, MaskFault> {
        let Some(Leaving { text, pieces }) = leaving else { return Ok(Vec::new()) };
        let rows = pieces.into_iter().map(|(piece, counts)| {
            let rows = MaskedRows::of_piece(&text, piece)?;
            Some(MaskedRows { cover: Some(Arc::clone(cover)), counts, ..rows })
        });
        rows.collect::<Option<_>>().ok_or(MaskFault::Shape)
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Each masked path, also where these rows have no cell of it.
    pub fn masked(&self) -> impl Iterator<Item = MaskedCells<'_>> {
        let paths = self.cover.iter().flat_map(|cover| &cover.paths);
        paths.zip(&self.counts).map(|(covered, count)| MaskedCells { covered, cells: count.cells, nulls: count.nulls })
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
            MaskFault::Shape => formatter.write_str("a row does not have the shape that its schema promises"),
            MaskFault::Unfit => formatter.write_str("the columns are not those that masks were planned for"),
        }
    }
}

impl std::error::Error for MaskFault {}
