//! What a statement does, as policy reads it.

use crate::name::{ColumnPath, TableName};
use crate::types::Type;

/// One statement or script, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
    pub statements: Vec<StatementAnalysis>,
    /// The whole text was refused: nothing in `statements` may be relied on.
    pub refused: Option<Refused>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatementAnalysis {
    /// BigQuery's `statementType`: `SELECT`, `MERGE`, `CREATE_TABLE_AS_SELECT` ...
    pub kind: String,
    pub effects: Vec<Effect>,
    pub reads: Vec<Read>,
    /// Those of them that are read as they were at some time (`FOR SYSTEM_TIME AS OF`), each once and sorted: with the columns that they had then, which nobody knows.
    pub historical: Vec<TableName>,
    /// Columns whose bytes BigQuery may count, each whole: all that are listed in the text and in what it opens, whether or not anything looks at them.
    /// Nothing where nobody knows.
    pub billed: Option<Vec<Read>>,
    pub writes: Vec<Write>,
    pub outputs: Vec<Output>,
    pub uses: Vec<Use>,
    /// Of the columns in `uses` and `outputs`, structs and arrays of structs of which only this is looked at: whether it is NULL, how long it is. What their
    /// fields hold stands there under the names of the fields.
    pub shapes: Vec<ColumnPath>,
    /// Routines, models and connections that were opened or called, by canonical name.
    pub routines: Vec<String>,
    pub unresolved: Vec<Unresolved>,
    /// URIs outside of the warehouse that it reads from or writes to.
    pub locations: Vec<String>,
    /// It reads tables whose rows lie in files or elsewhere: what BigQuery says of those can hold any value in them, also of what is not read.
    pub reads_files: bool,
    /// Whether BigQuery runs it as a child job of its script.
    pub child_job: bool,
    /// Where it stands in the text, in bytes. Nothing for statements out of a procedure's body.
    pub span: Option<(usize, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Jobs, sessions, reservations: BigQuery's own administration.
    Administration,
    Alter,
    Assert,
    Branch,
    Call,
    Clone,
    Copy,
    Create,
    Declare,
    Delete,
    Drop,
    DynamicSql,
    Export,
    ExternalQuery,
    Grant,
    /// The result depends on who asks.
    Identity,
    Insert,
    Load,
    Merge,
    /// Reads what others ran, wrote or stored out of the warehouse's own views.
    Metadata,
    Model,
    OpaqueCode,
    Raise,
    Read,
    RemoteFunction,
    /// OR REPLACE: what was there before is gone.
    Replace,
    Restore,
    Revoke,
    Session,
    Set,
    /// A link that opens an object without asking again.
    SignedUrl,
    Transaction,
    Truncate,
    Update,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub table: TableName,
    /// Dotted column paths, sorted.
    pub columns: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub table: TableName,
    pub columns: Vec<String>,
    pub effect: Effect,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub name: String,
    pub kind: Option<Type>,
    pub exposures: Vec<Exposure>,
}

/// A source column that reaches one path of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Exposure {
    /// The path inside the output, empty for the whole of it.
    pub at: Vec<String>,
    pub column: ColumnPath,
    pub how: How,
}

/// How a source reaches an output. Ordered: the later one tells less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum How {
    /// The value itself, perhaps chosen among other values of columns.
    Direct,
    /// The value itself, or something else that no column holds: what the text says or computes can stand in its place.
    Mixed,
    /// Anything computed from it.
    Derived,
    /// A plain COUNT of it, nothing else.
    Counted,
}

/// A column that decides which rows there are, in which order, or whether the statement succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Use {
    pub column: ColumnPath,
    pub how: UseKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UseKind {
    Assert,
    Branch,
    /// Whether the statement fails, or what its error says.
    Error,
    Filter,
    Group,
    Join,
    Limit,
    Order,
    Pivot,
    /// The length of an array that is unnested, or rows that a null takes away.
    Rows,
    Set,
    Window,
}

/// Something that could not be understood. Policy must refuse it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unresolved {
    pub what: String,
    /// It speaks of the caller's own text alone: nothing that stands behind a name had a part in it.
    pub own: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub reason: String,
}

/// Of views of BigQuery's own that hold more than texts of statements: the columns that hold those, and so the values in them. Of any other view that
/// shows such texts every column counts.
pub const COLUMNS_OF_TEXTS: [(&str, &[&str]); 5] = [
    ("COLUMNS", &["generation_expression", "async_generation_status", "column_default"]),
    ("ROUTINES", &["routine_definition", "ddl"]),
    ("SCHEMATA", &["ddl", "sync_status"]),
    ("TABLES", &["replication_error", "ddl", "sync_status"]),
    ("VIEWS", &["view_definition"]),
];

/// Statements that other engines have and the grammar knows, by their kind in the tree: why each is unresolved, and what BigQuery takes instead.
pub const FOREIGN_STATEMENTS: [(&str, &str); 3] = [
    (
        "ResolvedDescribeStmt",
        "BigQuery has no `DESCRIBE`; accepted: `SELECT column_name, data_type FROM dataset.INFORMATION_SCHEMA.COLUMNS`, or `tables.get`",
    ),
    ("ResolvedExplainStmt", "BigQuery has no `EXPLAIN`; accepted: a dry run of the statement, which says what it would read"),
    (
        "ResolvedShowStmt",
        "BigQuery has no `SHOW`; accepted: `SELECT table_name FROM dataset.INFORMATION_SCHEMA.TABLES`, or `datasets.list` and `tables.list`",
    ),
];
