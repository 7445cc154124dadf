//! An analysis beside a dry run. Every difference is named: one is enough to refuse.

use super::DryRun;
use super::table::{Demand, demands};
use crate::facts::whole_kind;
use crate::question::is_temporary;
use sluice_model::{Analysis, Field, Output, TableName, Type};
use std::collections::BTreeSet;
use std::fmt;

/// What the judges say differently.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Of the result, by position.
    Column {
        position: usize,
        ours: String,
        theirs: String,
    },
    Columns {
        ours: usize,
        theirs: usize,
    },
    Kind {
        ours: String,
        theirs: String,
    },
    /// No line says what would have to agree.
    NotComparable {
        kind: String,
    },
    RoutineUnknown {
        routine: String,
    },
    /// We read it, BigQuery says nothing of it.
    TableMissing {
        table: String,
    },
    /// BigQuery names it, we do not know of it.
    TableUnknown {
        table: String,
    },
}

/// How what is said of columns begins.
const OF_COLUMN: &str = "column ";
const OF_COLUMNS: &str = "the analysis finds ";

/// BigQuery's list may be cut off at this length.
const REFERENCED_TABLES_WHOLE_MAX: usize = 50;

impl Difference {
    /// Whether the words of a difference, as they stand on record, speak of the result's columns: how many there are, their names or their types.
    pub fn is_of_columns(words: &str) -> bool {
        [OF_COLUMN, OF_COLUMNS].iter().any(|start| words.starts_with(start))
    }
}

pub fn compare(analysis: &Analysis, dry_run: &DryRun) -> Vec<Difference> {
    let kind = whole_kind(analysis);
    let Some(demands) = demands(kind) else { return vec![Difference::NotComparable { kind: kind.to_owned() }] };
    let mut differences = Vec::new();
    let theirs = dry_run.statement_type.as_deref().unwrap_or_default();
    // Whether a call is a script or a statement of its own, the words differ; what it does is compared either way.
    let is_call = theirs == "CALL" && analysis.statements.first().is_some_and(|statement| statement.kind == "CALL");
    if demands.kind != Demand::Any && theirs != kind && !is_call {
        differences.push(Difference::Kind { ours: kind.to_owned(), theirs: theirs.to_owned() });
    }
    let known = known(analysis);
    if demands.tables != Demand::Any {
        let unknown = dry_run.referenced_tables.iter().filter(|table| !known.iter().any(|known| is_same(known, &fold(table))));
        differences.extend(unknown.map(|table| Difference::TableUnknown { table: table.to_string() }));
    }
    if demands.tables == Demand::Same {
        differences.extend(missing(analysis, dry_run));
    }
    if demands.routines != Demand::Any {
        // A temporary function is a part of the text, and read with it.
        let lasting = dry_run.referenced_routines.iter().filter(|routine| !is_temporary(routine));
        let unknown = lasting.filter(|routine| !known.contains(&fold(routine)));
        differences.extend(unknown.map(|routine| Difference::RoutineUnknown { routine: routine.to_string() }));
    }
    if demands.schema == Demand::Same && !reads_descriptions_alone(analysis) {
        let outputs = analysis.statements.last().map(|statement| statement.outputs.as_slice()).unwrap_or_default();
        differences.extend(columns(outputs, dry_run.schema.as_deref().unwrap_or_default()));
    }
    differences
}

/// Whether a result can be of a statement with these outputs: as many columns, by their names and types.
pub fn fits(outputs: &[Output], fields: &[Field]) -> bool {
    columns(outputs, fields).is_empty()
}

/// Everything that the analysis speaks of, in small letters: tables, views, routines, models.
fn known(analysis: &Analysis) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for statement in &analysis.statements {
        known.extend(statement.reads.iter().map(|read| fold(&read.table)));
        known.extend(statement.writes.iter().map(|write| fold(&write.table)));
        known.extend(statement.routines.iter().map(|routine| routine.to_lowercase()));
    }
    known
}

/// Tables that we read and that BigQuery does not name. Behind a view that it names instead they need not stand.
fn missing(analysis: &Analysis, dry_run: &DryRun) -> Vec<Difference> {
    let theirs: BTreeSet<String> = dry_run.referenced_tables.iter().map(fold).collect();
    let opened: BTreeSet<String> =
        analysis.statements.iter().flat_map(|statement| &statement.routines).map(|name| name.to_lowercase()).collect();
    if theirs.len() >= REFERENCED_TABLES_WHOLE_MAX || theirs.iter().any(|table| opened.contains(table)) {
        return Vec::new();
    }
    let reads = analysis.statements.iter().flat_map(|statement| &statement.reads).map(|read| &read.table);
    let unnamed = reads.filter(|table| !describes(table) && !theirs.iter().any(|name| is_same(&fold(table), name)));
    unnamed.map(|table| Difference::TableMissing { table: table.to_string() }).collect()
}

/// Tables about tables, which a dry run names or does not.
fn describes(table: &TableName) -> bool {
    table.table.starts_with("INFORMATION_SCHEMA.") || matches!(table.table.as_str(), "__TABLES__" | "__TABLES_SUMMARY__")
}

/// BigQuery adds columns to these views as it likes. They hold names and settings of tables, no values: with a column more or less, a result is no
/// other result.
fn reads_descriptions_alone(analysis: &Analysis) -> bool {
    let mut reads = analysis.statements.iter().flat_map(|statement| &statement.reads).map(|read| &read.table).peekable();
    reads.peek().is_some() && reads.all(describes)
}

/// `theirs` may be the wildcard that `ours` stands behind.
fn is_same(ours: &str, theirs: &str) -> bool {
    ours == theirs || theirs.strip_suffix('*').is_some_and(|prefix| prefix.contains('.') && ours.starts_with(prefix))
}

fn fold(table: &TableName) -> String {
    crate::labels::canonical_table(table).to_string()
}

fn columns(outputs: &[Output], fields: &[Field]) -> Vec<Difference> {
    if outputs.len() != fields.len() {
        return vec![Difference::Columns { ours: outputs.len(), theirs: fields.len() }];
    }
    let pairs = outputs.iter().zip(fields).enumerate();
    let differ = pairs.filter(|(_, (output, field))| !is_same_name(&output.name, &field.name) || !is_same_kind(output, field));
    let differences = differ.map(|(position, (output, field))| Difference::Column {
        position,
        ours: format!("{} {}", output.name, output.kind.as_ref().map(ToString::to_string).unwrap_or_default()),
        theirs: format!("{} {}", field.name, field.kind),
    });
    differences.collect()
}

/// BigQuery calls a column without a name `f0_`, and the second of the same name `name_1`.
fn is_same_name(ours: &str, theirs: &str) -> bool {
    let numbered = |text: &str| !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit());
    if ours.is_empty() {
        return theirs.strip_prefix('f').and_then(|rest| rest.strip_suffix('_')).is_some_and(numbered);
    }
    let rest = theirs.get(..ours.len()).filter(|start| start.eq_ignore_ascii_case(ours)).and_then(|start| theirs.get(start.len()..));
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('_').is_some_and(numbered))
}

/// A type that the analysis does not know is not compared: the column is then masked as if it could be any.
fn is_same_kind(output: &Output, field: &Field) -> bool {
    output.kind.as_ref().is_none_or(|kind| is_same_type(kind, &field.kind))
}

/// A field without a name is `_field_1` in a result, by its position.
fn is_same_type(ours: &Type, theirs: &Type) -> bool {
    match (ours, theirs) {
        (Type::Array(ours), Type::Array(theirs)) => is_same_type(ours, theirs),
        (Type::Struct(ours), Type::Struct(theirs)) => {
            let is_same_field = |(position, (ours, theirs)): (usize, (&Field, &Field))| {
                let named = ours.name.eq_ignore_ascii_case(&theirs.name);
                let anonymous = ours.name.is_empty() && theirs.name == format!("_field_{}", position + 1);
                (named || anonymous) && is_same_type(&ours.kind, &theirs.kind)
            };
            ours.len() == theirs.len() && ours.iter().zip(theirs).enumerate().all(is_same_field)
        }
        (ours, theirs) => ours == theirs,
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Column { position, ours, theirs } => {
                write!(formatter, "{OF_COLUMN}{} is `{ours}` to the analysis, `{theirs}` to the dry run", position + 1)
            }
            Difference::Columns { ours, theirs } => write!(formatter, "{OF_COLUMNS}{ours} columns, the dry run {theirs}"),
            Difference::Kind { ours, theirs } => write!(formatter, "the analysis says `{ours}`, the dry run `{theirs}`"),
            Difference::NotComparable { kind } => write!(formatter, "nothing says what a dry run of `{kind}` has to agree on"),
            Difference::RoutineUnknown { routine } => write!(formatter, "the dry run names routine `{routine}`, the analysis does not"),
            Difference::TableMissing { table } => write!(formatter, "the analysis reads `{table}`, the dry run does not name it"),
            Difference::TableUnknown { table } => write!(formatter, "the dry run names `{table}`, the analysis does not"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Difference;

    #[test]
    fn words_say_whether_they_are_of_columns() {
        let text = || "CANARY".to_owned();
        let check = |difference: &Difference, expect: bool| {
            assert_eq!(Difference::is_of_columns(&difference.to_string()), expect, "{difference}");
        };
        check(&Difference::Column { position: 0, ours: text(), theirs: text() }, true);
        check(&Difference::Columns { ours: 1, theirs: 2 }, true);
        check(&Difference::Kind { ours: text(), theirs: text() }, false);
        check(&Difference::NotComparable { kind: text() }, false);
        check(&Difference::RoutineUnknown { routine: text() }, false);
        check(&Difference::TableMissing { table: text() }, false);
        check(&Difference::TableUnknown { table: text() }, false);
    }
}
