//! A job as text: JSON with a version. What another version wrote is not guessed at: that job is not known.

use super::course::{self, CourseText};
use super::types::{self, Word};
use crate::facts::{bytes_of, hexadecimal};
use serde::{Deserialize, Serialize};
use sluice_app::{Course, JobName, JobWork, KnownJob, Part, QueryWork, Verdict};
use sluice_ledger::record::Subject;
use sluice_model::{
    Analysis, ColumnPath, Effect, Exposure, Field, How, Output, Read, Refused, StatementAnalysis, TableName, Type, Unresolved, Use,
    UseKind, Write,
};
use sluice_policy::{Destination, DryRun, Parameter};
use std::sync::Arc;

const VERSION: u32 = 1;
const VERDICTS: [Option<Verdict>; 4] = [None, Some(Verdict::Disturbed), Some(Verdict::Overtaken), Some(Verdict::Undisturbed)];

/// What is known of a job only after it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    pub location: Option<String>,
    pub result_table: Option<TableName>,
    pub arrived: bool,
    pub verdict: Option<Verdict>,
}

/// Project, dataset, table.
pub(super) type Table = (String, String, String);
type Column = (Table, Vec<String>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FateText {
    version: u32,
    location: Option<String>,
    result_table: Option<Table>,
    arrived: bool,
    /// Of a job that was settled before it was kept: its rows were shown from then on, and still are.
    #[serde(default)]
    verdict: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobText {
    version: u32,
    connection: String,
    project: String,
    id: String,
    owner: String,
    subject: String,
    request_id: Option<String>,
    created_ms: u64,
    query: Option<QueryText>,
    /// Of a job that was written down before it was kept there is none.
    #[serde(default)]
    course: Option<CourseText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryText {
    text: String,
    /// Name, kind, value.
    parameters: Vec<(String, String, String)>,
    default_dataset: Option<(String, String)>,
    /// Whether it replaces what is there.
    destination: Option<(Table, bool)>,
    statements: Vec<StatementText>,
    refused: Option<String>,
    dry_run: Option<DryRunText>,
    #[serde(default)]
    part: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DryRunText {
    statement_type: Option<String>,
    bytes: Option<u64>,
    referenced_tables: Vec<Table>,
    referenced_routines: Vec<Table>,
    schema: Option<Vec<(String, Vec<Word>)>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementText {
    kind: String,
    effects: Vec<String>,
    reads: Vec<(Table, Vec<String>)>,
    /// Of a job that was written down before they were known there are none.
    #[serde(default)]
    historical: Vec<Table>,
    /// Of a job that was written down before it was known there is none.
    #[serde(default)]
    billed: Option<Vec<(Table, Vec<String>)>>,
    writes: Vec<(Table, Vec<String>, String)>,
    outputs: Vec<OutputText>,
    uses: Vec<(Column, String)>,
    /// Of a job that was written down before they were known there are none: then each path stands for what is in it too.
    #[serde(default)]
    shapes: Vec<Column>,
    routines: Vec<String>,
    unresolved: Vec<String>,
    locations: Vec<String>,
    /// Of a job that was written down before it was known, it may.
    #[serde(default = "nobody_knows")]
    reads_files: bool,
    child_job: bool,
    span: Option<(usize, usize)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputText {
    name: String,
    kind: Option<Vec<Word>>,
    exposures: Vec<(Vec<String>, Column, String)>,
}

/// Every variant, checked by the compiler: one that is added elsewhere does not build until it stands here.
macro_rules! words {
    ($read:ident: $kind:ident { $($variant:ident)* }) => {
        fn $read(word: &str) -> Option<$kind> {
            const ALL: &[$kind] = &[$($kind::$variant),*];
            const fn complete(of: $kind) { match of { $($kind::$variant => ()),* } }
            let _ = complete;
            ALL.iter().copied().find(|known| known.word() == word)
        }
    };
}

words!(effect: Effect {
    Administration Alter Assert Branch Call Clone Copy Create Declare Delete Drop DynamicSql Export ExternalQuery Grant Identity Insert Load Merge
    Metadata Model OpaqueCode Raise Read RemoteFunction Replace Restore Revoke Session Set SignedUrl Transaction Truncate Update
});
words!(how: How { Counted Derived Direct Mixed });
words!(use_kind: UseKind { Assert Branch Error Filter Group Join Limit Order Pivot Rows Set Window });

pub fn write(job: &KnownJob) -> Result<Vec<u8>, String> {
    let query = match &job.work {
        JobWork::Other => None,
        JobWork::Query(work) => Some(write_query(work).ok_or("a type of the job is nested too deep")?),
    };
    let text = JobText {
        version: VERSION,
        connection: job.connection.clone(),
        project: job.name.project.clone(),
        id: job.name.id.clone(),
        owner: job.owner.clone(),
        subject: hexadecimal(&job.subject.0),
        request_id: job.request_id.clone(),
        created_ms: job.created_ms,
        query,
        course: Some(course::write(&job.course).ok_or("a type of the job is nested too deep")?),
    };
    serde_json::to_vec(&text).map_err(|error| error.to_string())
}

pub fn read(text: &[u8], fate: Fate) -> Option<KnownJob> {
    let text: JobText = serde_json::from_slice(text).ok().filter(|text: &JobText| text.version == VERSION)?;
    let work = match text.query {
        None => JobWork::Other,
        Some(query) => JobWork::Query(Box::new(read_query(query)?)),
    };
    let course = match text.course {
        None => Course::default(),
        Some(course) => course::read(course)?,
    };
    Some(KnownJob {
        connection: text.connection,
        name: JobName { project: text.project, location: fate.location, id: text.id },
        owner: text.owner,
        subject: Subject(bytes_of(&text.subject)?.try_into().ok()?),
        request_id: text.request_id,
        created_ms: text.created_ms,
        work,
        result_table: fate.result_table,
        arrived: fate.arrived,
        course: Course { verdict: fate.verdict, ..course },
    })
}

pub fn write_fate(fate: &Fate) -> Result<Vec<u8>, String> {
    let result_table = fate.result_table.as_ref().map(table);
    let verdict = Some(verdict_word(fate.verdict).to_owned());
    let text = FateText { version: VERSION, location: fate.location.clone(), result_table, arrived: fate.arrived, verdict };
    serde_json::to_vec(&text).map_err(|error| error.to_string())
}

pub fn read_fate(text: &[u8]) -> Option<Fate> {
    let text: FateText = serde_json::from_slice(text).ok().filter(|text: &FateText| text.version == VERSION)?;
    let verdict = match &text.verdict {
        None => text.arrived.then_some(Verdict::Undisturbed),
        Some(word) => VERDICTS.into_iter().find(|known| verdict_word(*known) == word)?,
    };
    Some(Fate { location: text.location, result_table: text.result_table.map(read_table), arrived: text.arrived, verdict })
}

fn verdict_word(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None => "",
        Some(Verdict::Disturbed) => "disturbed",
        Some(Verdict::Overtaken) => "overtaken",
        Some(Verdict::Undisturbed) => "undisturbed",
    }
}

fn write_query(work: &QueryWork) -> Option<QueryText> {
    let parameter = |parameter: &Parameter| (parameter.name.clone(), parameter.kind.clone(), parameter.value.clone());
    Some(QueryText {
        text: work.text.clone(),
        parameters: work.parameters.iter().map(parameter).collect(),
        default_dataset: work.default_dataset.clone(),
        destination: work.destination.as_ref().map(|destination| (table(&destination.table), destination.replaces)),
        statements: work.analysis.statements.iter().map(write_statement).collect::<Option<_>>()?,
        refused: work.analysis.refused.as_ref().map(|refused| refused.reason.clone()),
        dry_run: match &work.dry_run {
            None => None,
            Some(dry_run) => Some(write_dry_run(dry_run)?),
        },
        part: part_word(work.part).to_owned(),
    })
}

fn read_query(text: QueryText) -> Option<QueryWork> {
    let statements = text.statements.into_iter().map(read_statement).collect::<Option<_>>()?;
    Some(QueryWork {
        text: text.text,
        parameters: text.parameters.into_iter().map(|(name, kind, value)| Parameter { name, kind, value }).collect(),
        default_dataset: text.default_dataset,
        destination: text.destination.map(|(table, replaces)| Destination { table: read_table(table), replaces }),
        analysis: Arc::new(Analysis { statements, refused: text.refused.map(|reason| Refused { reason }) }),
        dry_run: match text.dry_run {
            None => None,
            Some(dry_run) => Some(read_dry_run(dry_run)?),
        },
        part: part_of(&text.part)?,
    })
}

fn part_word(part: Part) -> &'static str {
    match part {
        Part::Whole => "",
        Part::Silent => "silent",
        Part::Shown => "shown",
        Part::Unshown => "unshown",
    }
}

fn part_of(word: &str) -> Option<Part> {
    [Part::Whole, Part::Silent, Part::Shown, Part::Unshown].into_iter().find(|part| part_word(*part) == word)
}

fn write_dry_run(dry_run: &DryRun) -> Option<DryRunText> {
    let field = |field: &Field| Some((field.name.clone(), types::write(&field.kind)?));
    Some(DryRunText {
        statement_type: dry_run.statement_type.clone(),
        bytes: dry_run.bytes,
        referenced_tables: dry_run.referenced_tables.iter().map(table).collect(),
        referenced_routines: dry_run.referenced_routines.iter().map(table).collect(),
        schema: match &dry_run.schema {
            None => None,
            Some(fields) => Some(fields.iter().map(field).collect::<Option<_>>()?),
        },
    })
}

fn read_dry_run(text: DryRunText) -> Option<DryRun> {
    let field = |(name, words): (String, Vec<Word>)| Some(Field { name, kind: types::read(&words)? });
    Some(DryRun {
        statement_type: text.statement_type,
        bytes: text.bytes,
        referenced_tables: text.referenced_tables.into_iter().map(read_table).collect(),
        referenced_routines: text.referenced_routines.into_iter().map(read_table).collect(),
        schema: match text.schema {
            None => None,
            Some(fields) => Some(fields.into_iter().map(field).collect::<Option<_>>()?),
        },
    })
}

fn write_statement(statement: &StatementAnalysis) -> Option<StatementText> {
    let write = |write: &Write| (table(&write.table), write.columns.clone(), write.effect.word().to_owned());
    Some(StatementText {
        kind: statement.kind.clone(),
        effects: statement.effects.iter().map(|effect| effect.word().to_owned()).collect(),
        reads: write_reads(&statement.reads),
        historical: statement.historical.iter().map(table).collect(),
        billed: statement.billed.as_deref().map(write_reads),
        writes: statement.writes.iter().map(write).collect(),
        outputs: statement.outputs.iter().map(write_output).collect::<Option<_>>()?,
        uses: statement.uses.iter().map(|used| (column(&used.column), used.how.word().to_owned())).collect(),
        shapes: statement.shapes.iter().map(column).collect(),
        routines: statement.routines.clone(),
        unresolved: statement.unresolved.iter().map(|unresolved| unresolved.what.clone()).collect(),
        locations: statement.locations.clone(),
        reads_files: statement.reads_files,
        child_job: statement.child_job,
        span: statement.span,
    })
}

fn read_statement(text: StatementText) -> Option<StatementAnalysis> {
    let write =
        |(table, columns, word): (Table, Vec<String>, String)| Some(Write { table: read_table(table), columns, effect: effect(&word)? });
    let used = |(column, word): (Column, String)| Some(Use { column: read_column(column), how: use_kind(&word)? });
    Some(StatementAnalysis {
        kind: text.kind,
        effects: text.effects.iter().map(|word| effect(word)).collect::<Option<_>>()?,
        reads: read_reads(text.reads),
        historical: text.historical.into_iter().map(read_table).collect(),
        billed: text.billed.map(read_reads),
        writes: text.writes.into_iter().map(write).collect::<Option<_>>()?,
        outputs: text.outputs.into_iter().map(read_output).collect::<Option<_>>()?,
        uses: text.uses.into_iter().map(used).collect::<Option<_>>()?,
        shapes: text.shapes.into_iter().map(read_column).collect(),
        routines: text.routines,
        unresolved: text.unresolved.into_iter().map(|what| Unresolved { what, own: false }).collect(),
        locations: text.locations,
        reads_files: text.reads_files,
        child_job: text.child_job,
        span: text.span,
    })
}

fn nobody_knows() -> bool {
    true
}

fn write_reads(reads: &[Read]) -> Vec<(Table, Vec<String>)> {
    reads.iter().map(|read| (table(&read.table), read.columns.clone())).collect()
}

fn read_reads(reads: Vec<(Table, Vec<String>)>) -> Vec<Read> {
    reads.into_iter().map(|(table, columns)| Read { table: read_table(table), columns }).collect()
}

pub(super) fn write_output(output: &Output) -> Option<OutputText> {
    let exposure = |exposure: &Exposure| (exposure.at.clone(), column(&exposure.column), exposure.how.word().to_owned());
    Some(OutputText {
        name: output.name.clone(),
        kind: match &output.kind {
            None => None,
            Some(kind) => Some(types::write(kind)?),
        },
        exposures: output.exposures.iter().map(exposure).collect(),
    })
}

pub(super) fn read_output(text: OutputText) -> Option<Output> {
    let exposure = |(at, column, word): (Vec<String>, Column, String)| Some(Exposure { at, column: read_column(column), how: how(&word)? });
    let kind: Option<Type> = match text.kind {
        None => None,
        Some(words) => Some(types::read(&words)?),
    };
    Some(Output { name: text.name, kind, exposures: text.exposures.into_iter().map(exposure).collect::<Option<_>>()? })
}

pub(super) fn table(table: &TableName) -> Table {
    (table.project.clone(), table.dataset.clone(), table.table.clone())
}

pub(super) fn read_table((project, dataset, table): Table) -> TableName {
    TableName { project, dataset, table }
}

fn column(column: &ColumnPath) -> Column {
    (table(&column.table), column.path.clone())
}

fn read_column((table, path): Column) -> ColumnPath {
    ColumnPath { table: read_table(table), path }
}
