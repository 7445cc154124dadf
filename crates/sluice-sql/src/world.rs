//! What the names of one statement stand for while it is walked.

use crate::flow::{Flow, SourceSet, Taint};
use crate::places::Places;
use crate::walk::{Billed, UseSet};
use sluice_model::{Effect, TableName, Type, UseKind};
use std::collections::{BTreeSet, HashMap};

#[derive(Default)]
pub(crate) struct World {
    /// By the `full_name` that the engine gives back.
    pub tables: HashMap<String, Bound>,
    /// Script variables and system variables, lower case, dotted.
    pub constants: HashMap<String, Flow>,
    pub system_variables: HashMap<String, Flow>,
    pub named_parameters: HashMap<String, Flow>,
    pub positional_parameters: Vec<Flow>,
    /// Functions that the engine knows only by signature, lower case, dotted.
    pub functions: HashMap<String, Traits>,
    pub table_functions: HashMap<String, Traits>,
    /// Routines whose text was put in place of a call, by canonical name.
    pub opened: BTreeSet<String>,
    /// Calls of BigQuery's own table functions that were opened in place.
    pub expanded: Vec<Traits>,
    /// Names whose meaning is not certain.
    pub unresolved: BTreeSet<String>,
    /// Whether a text here can have a collation: what compares by it fails where it would not otherwise, `LIKE '_'` for one.
    pub collates: bool,
    /// Whether something goes on behind a failure.
    pub guarded: bool,
    /// What the time of day tells at this place of a script.
    pub clock: Taint,
    /// Of what the engine was asked about, unless the text of a function was put into it: then places can be those of that text.
    pub places: Option<Places>,
}

/// A table, view or temporary table that a scan may read.
#[derive(Clone, Default)]
pub(crate) struct Bound {
    /// The canonical names behind it: several for a wildcard, none for a temporary table.
    pub names: Vec<TableName>,
    pub columns: Vec<BoundColumn>,
    /// What a view's own text decides by.
    pub rows: UseSet,
    pub errors: SourceSet,
    pub fails: bool,
    /// Columns of a view, by index, that are computed by something that can fail.
    pub fallible: BTreeSet<usize>,
    pub effects: BTreeSet<Effect>,
    /// Columns, by index, that show texts of others.
    pub telling: BTreeSet<usize>,
    pub routines: BTreeSet<String>,
    pub unresolved: BTreeSet<String>,
    /// A view or temporary table: what is read are the sources of its columns.
    pub opened: bool,
    /// Its rows lie in files or elsewhere.
    pub external: bool,
    /// Several tables may be behind it, and others before.
    pub is_wildcard: bool,
    /// Tables that a view reads as they were at some time.
    pub historical: BTreeSet<TableName>,
    /// Base tables behind a view, also those of which no column is read.
    pub base: BTreeSet<TableName>,
    /// What BigQuery may count as soon as it is read, whichever of its columns are looked at.
    pub billed: Billed,
    /// The sources behind that, and behind everything that a view computes with.
    pub weighed: SourceSet,
    /// It tells when something happened, be it by the clock that a view reads.
    pub tells_time: bool,
    /// Columns, by index, by which its rows are kept sorted or apart: the order in which they are read back tells of them.
    pub sorted: Vec<(usize, UseKind)>,
    /// Its partitions are deleted when they are old.
    pub expires: bool,
}

#[derive(Clone, PartialEq)]
pub(crate) struct BoundColumn {
    pub name: String,
    pub kind: Type,
    pub flow: Flow,
    pub pseudo: bool,
    /// Not every value of its type can be written there.
    pub narrow: bool,
}

/// What a call of a function does beside returning something that all its inputs reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    pub canonical: String,
    pub effects: Vec<Effect>,
    pub total: bool,
    /// Reads more than its arguments: nothing can be said about its result.
    pub reads_beyond: bool,
    /// Written in SQL. Its text is put in place of its calls; of one that stayed a call nobody has read what the text reads.
    pub has_text: bool,
    /// A table function whose first columns are those of its first relation argument.
    pub forwards_input: bool,
    /// The argument whose value is the result.
    pub keeps: Option<usize>,
}
