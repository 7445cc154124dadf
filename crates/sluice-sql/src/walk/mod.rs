//! Reads a resolved tree once, bottom up: every column gets a `Flow`, every scan the set of sources that decide its rows.

mod expression;
mod function;
mod reading;
mod scan;
mod sets;
mod size;
mod window;

pub(crate) use expression::{cast_is_total, is_narrowing};
pub(crate) use scan::{kept_by, sorted_by};
use size::Measure;

use crate::engine::Engine;
use crate::flow::{Flow, Source, SourceSet, Sources, Taint};
use crate::text;
use crate::tree::{NodeId, Tree};
use crate::world::World;
use sluice_model::{Effect, TableName, UseKind};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Trees deeper than this are refused. The walker needs about 2 KiB of stack a level.
pub(crate) const WALK_DEPTH_MAX: usize = 20_000;
/// The walker looks whether its time is over each time it has entered so many nodes.
const NODES_BETWEEN_LOOKS: u64 = 64;

/// Which sources decide the rows of a scan, and by which clause.
pub(crate) type UseSet = BTreeSet<(Source, UseKind)>;

pub(crate) struct Walker<'a> {
    tree: &'a Tree,
    world: &'a World,
    pub sources: &'a mut Sources,
    engine: &'a dyn Engine,
    columns: HashMap<i64, Flow>,
    /// What a column would read if anything looked at it: unused columns of a subquery are not read.
    waiting: HashMap<i64, Origins>,
    /// Collects what is being read for a column that is just being computed.
    collecting: Vec<Origins>,
    with: HashMap<String, WithEntry>,
    recursive: Vec<WithEntry>,
    /// How many operations that can fail have been met; a condition around one of them decides over failure too.
    failures: u64,
    depth: usize,
    entered: u64,
    /// The time is over: nothing more is entered, and whoever walks refuses.
    late: bool,
    /// Columns that were computed by something that can fail.
    fallible: HashSet<i64>,
    /// How large numbers can be, where that is known.
    measures: HashMap<NodeId, Measure>,
    column_measures: HashMap<i64, Measure>,
    /// Parameters and variables that a rule has looked at.
    looked_at: HashSet<NodeId>,
    /// References to common table expressions that cannot have two rows.
    single: HashSet<NodeId>,
    pub found: Found,
}

/// What the walk has learned beside the flows.
#[derive(Default, PartialEq)]
pub(crate) struct Found {
    pub effects: BTreeSet<Effect>,
    pub errors: SourceSet,
    /// Something can fail, be it on values that no column reaches.
    pub fails: bool,
    /// Rows come from files or from elsewhere.
    pub reads_files: bool,
    pub reads: Reads,
    /// Tables that are read as they were at some time.
    pub historical: BTreeSet<TableName>,
    pub billed: Billed,
    /// Sources of everything that was listed or computed with: how much is read and how long it takes depends on them.
    pub weighed: SourceSet,
    /// The time at which it runs is in it.
    pub reads_clock: bool,
    pub routines: BTreeSet<String>,
    pub unresolved: BTreeSet<String>,
}

/// Whole columns that BigQuery may count, by table.
pub(crate) type Billed = BTreeMap<TableName, BTreeSet<String>>;

/// Tables and columns read. Columns of structs are kept apart: which of their leaves were read shows in what they reached.
#[derive(Default, PartialEq)]
pub(crate) struct Reads {
    pub columns: BTreeMap<TableName, BTreeSet<String>>,
    pub compound: BTreeSet<(TableName, String)>,
}

impl Found {
    /// What was opened in the text itself leaves no call behind for the walker to see.
    pub fn include_opened(&mut self, world: &World) {
        self.routines.extend(world.opened.iter().cloned());
        self.unresolved.extend(world.unresolved.iter().cloned());
        for traits in &world.expanded {
            self.effects.extend(traits.effects.iter().copied());
            self.routines.insert(traits.canonical.clone());
            if traits.reads_beyond {
                self.unresolved.insert(format!("`{}` reads more than its arguments", traits.canonical));
            }
        }
    }

    /// An operation over these sources can fail on some of their values.
    pub fn can_fail(&mut self, taint: &Taint) {
        self.fails = true;
        self.errors.extend(taint.iter().map(|(source, _)| *source));
    }

    /// A result with an array that holds a null fails.
    pub fn can_hold_null<'b>(&mut self, results: impl IntoIterator<Item = &'b Flow>) {
        let taint: Taint = results.into_iter().flat_map(Flow::null_elements).collect();
        self.fails |= !taint.is_empty();
        self.errors.extend(taint.iter().map(|(source, _)| *source));
    }

    pub fn bill_all(&mut self, billed: &Billed) {
        for (table, columns) in billed {
            self.billed.entry(table.clone()).or_default().extend(columns.iter().cloned());
        }
    }

    pub fn merge(&mut self, other: Found) {
        self.effects.extend(other.effects);
        self.errors.extend(other.errors);
        self.routines.extend(other.routines);
        self.unresolved.extend(other.unresolved);
        self.reads_files |= other.reads_files;
        self.historical.extend(other.historical);
        self.reads_clock |= other.reads_clock;
        self.weighed.extend(other.weighed);
        self.reads.compound.extend(other.reads.compound);
        for (table, columns) in other.reads.columns {
            self.reads.columns.entry(table).or_default().extend(columns);
        }
        self.bill_all(&other.billed);
    }
}

/// Columns of tables, as far as something would read them.
type Origins = BTreeSet<Origin>;

/// A column of a table in this statement: the table's key and the column's index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Origin {
    table: String,
    index: usize,
}

/// A column that nothing has looked at yet.
#[derive(Clone, PartialEq)]
struct Unread {
    flow: Flow,
    origins: Origins,
    /// It was computed by something that can fail.
    fallible: bool,
    /// How large its numbers can be.
    measure: Option<Measure>,
}

impl Unread {
    /// Either of two columns.
    fn join(&mut self, other: &Unread) {
        self.flow.join(&other.flow);
        self.origins.extend(other.origins.iter().cloned());
        self.fallible |= other.fallible;
        self.measure = self.measure.zip(other.measure).map(|(one, other)| one.or(other));
    }
}

#[derive(Clone, Default)]
struct WithEntry {
    columns: Vec<Unread>,
    rows: UseSet,
    /// Something in it can fail: whoever decides whether it is read decides that too.
    fails: bool,
    /// It cannot have two rows.
    single: bool,
}

impl<'a> Walker<'a> {
    /// Once the engine has no time any more the walk is cut short: the caller asks it afterwards, and refuses.
    pub fn new(tree: &'a Tree, world: &'a World, sources: &'a mut Sources, engine: &'a dyn Engine) -> Walker<'a> {
        Walker {
            tree,
            world,
            sources,
            engine,
            columns: HashMap::new(),
            waiting: HashMap::new(),
            collecting: Vec::new(),
            with: HashMap::new(),
            recursive: Vec::new(),
            failures: 0,
            depth: 0,
            entered: 0,
            late: false,
            fallible: HashSet::new(),
            measures: HashMap::new(),
            column_measures: HashMap::new(),
            looked_at: HashSet::new(),
            single: HashSet::new(),
            found: Found::default(),
        }
    }

    /// A parameter or a variable in a place that no rule knows: what it holds may decide anything there.
    pub fn look_everywhere(&mut self) {
        for index in 0..self.tree.nodes.len() {
            let Ok(index) = u32::try_from(index) else { return };
            let node = NodeId(index);
            let holds = matches!(self.tree.kind(node), "ResolvedParameter" | "ResolvedConstant" | "ResolvedSystemVariable");
            if !holds || self.looked_at.contains(&node) {
                continue;
            }
            if !self.expression(node).all().is_empty() {
                self.unresolved("a value of a column goes into a place that is not understood".to_owned());
            }
        }
    }

    pub fn tree(&self) -> &'a Tree {
        self.tree
    }

    /// The flow of a column by its id. One that nothing has bound is not clear: it is unresolved.
    pub fn column(&mut self, id: i64) -> Flow {
        let Unread { flow, origins, .. } = self.unread_column(id);
        origins.iter().for_each(|origin| self.touch(origin));
        flow
    }

    /// The same, without reading it yet.
    fn unread_column(&mut self, id: i64) -> Unread {
        let origins = self.waiting.get(&id).cloned().unwrap_or_default();
        let (fallible, measure) = (self.is_fallible(id), self.column_measures.get(&id).copied());
        if let Some(flow) = self.columns.get(&id) {
            return Unread { flow: flow.clone(), origins, fallible, measure };
        }
        self.unresolved(format!("column {id} has no known source"));
        Unread { flow: Flow::default(), origins, fallible, measure }
    }

    /// Whether a column was computed by something that can fail.
    pub fn is_fallible(&self, id: i64) -> bool {
        self.fallible.contains(&id)
    }

    pub fn bind(&mut self, id: i64, flow: Flow) {
        self.bind_unread(id, flow, Origins::new());
    }

    /// Binds a column that reads something once it is looked at.
    fn bind_unread(&mut self, id: i64, flow: Flow, origins: Origins) {
        self.waiting.insert(id, origins);
        self.columns.insert(id, flow);
    }

    /// Binds a column under another id.
    fn bind_again(&mut self, id: i64, column: Unread) {
        if column.fallible {
            self.fallible.insert(id);
        }
        match column.measure {
            Some(measure) => self.column_measures.insert(id, measure),
            None => self.column_measures.remove(&id),
        };
        self.bind_unread(id, column.flow, column.origins);
    }

    /// Binds a column that was computed since so many failures had been met.
    fn bind_computed(&mut self, id: i64, flow: Flow, failures_before: u64) {
        self.bind_again(id, Unread { flow, origins: Origins::new(), fallible: self.failures != failures_before, measure: None });
    }

    /// These columns can be NULL as a whole from here on.
    fn blank(&mut self, ids: &[i64]) {
        for id in ids {
            if let Some(flow) = self.columns.get_mut(id) {
                flow.made = false;
            }
            self.column_measures.remove(id);
        }
    }

    pub fn unresolved(&mut self, what: String) {
        self.found.unresolved.insert(what);
    }

    /// The same, with the place of a node where it is known.
    pub fn unresolved_at(&mut self, node: NodeId, what: String) {
        // A statement has no place of its own: the piece is the statement.
        let whole = (self.tree.root == Some(node)).then_some(0);
        let start = text::span(self.tree, node).map(|(start, _)| start).or(whole);
        let place = self.world.places.as_ref().zip(start).map(|(places, start)| places.of_offset(start));
        self.unresolved(match place {
            Some((line, column)) => format!("{what} at [{line}:{column}]"),
            None => what,
        });
    }

    /// The expression in a field; nothing reaches one that is not there.
    pub fn expression_of(&mut self, node: NodeId, field: &str) -> Flow {
        self.child_expression(node, field)
    }

    /// Binds a list of computed columns.
    pub fn computed_columns(&mut self, node: NodeId, field: &str) {
        self.computed(node, field);
    }

    /// Every column of the table behind a scan, whether the engine lists it or not.
    pub fn whole_table(&mut self, scan: NodeId) -> Vec<(String, Option<sluice_model::Type>, Flow)> {
        let name = self.tree.child(scan, "table").and_then(|table| self.tree.text(table, "full_name")).unwrap_or_default();
        let Some(bound) = self.world.tables.get(name) else {
            self.unresolved(format!("table `{name}`"));
            return Vec::new();
        };
        let columns: Vec<_> = bound.columns.iter().filter(|column| !column.pseudo).collect();
        for index in 0..bound.columns.len() {
            if bound.columns.get(index).is_some_and(|column| !column.pseudo) {
                self.touch(&Origin { table: name.to_owned(), index });
            }
        }
        self.bill_whole(scan);
        columns.into_iter().map(|column| (column.name.clone(), Some(column.kind.clone()), column.flow.clone())).collect()
    }

    /// Columns of a table, in lower case, that refuse some values of their type. Nothing for a table that is not known.
    pub fn narrow_columns(&self, table: &str) -> Option<BTreeSet<String>> {
        let columns = self.world.tables.get(table)?.columns.iter();
        Some(columns.filter(|column| column.narrow).map(|column| column.name.to_lowercase()).collect())
    }

    /// The columns of a table, in lower case, that it keeps its rows sorted or apart by.
    pub fn sorted_columns(&self, table: &str) -> Vec<(String, UseKind, bool)> {
        let Some(bound) = self.world.tables.get(table) else { return Vec::new() };
        let column = |(index, kind): &(usize, UseKind)| Some((bound.columns.get(*index)?.name.to_lowercase(), *kind, bound.expires));
        bound.sorted.iter().filter_map(column).collect()
    }

    /// The id inside a `ResolvedColumn` field.
    pub fn column_id(&self, node: NodeId, field: &str) -> Option<i64> {
        self.tree.integer(self.tree.child(node, field)?, "column_id")
    }

    pub fn column_ids(&self, node: NodeId, field: &str) -> Vec<i64> {
        self.tree.children(node, field).into_iter().filter_map(|column| self.tree.integer(column, "column_id")).collect()
    }

    /// An operation over these sources can fail on some of their values.
    pub fn can_fail(&mut self, taint: &Taint) {
        self.failures += 1;
        self.found.can_fail(taint);
    }

    /// Enters one level of the tree; false past the limit, and when the time is over.
    fn descend(&mut self) -> bool {
        self.entered += 1;
        if self.late || (self.entered.is_multiple_of(NODES_BETWEEN_LOOKS) && self.engine.still_time().is_err()) {
            self.late = true;
            self.unresolved("the walk was cut short".to_owned());
            return false;
        }
        self.depth += 1;
        if self.depth > WALK_DEPTH_MAX {
            self.unresolved(format!("nested deeper than {WALK_DEPTH_MAX} levels"));
        }
        self.depth <= WALK_DEPTH_MAX
    }

    fn ascend(&mut self) {
        self.depth -= 1;
    }
}

/// Marks what a taint decides.
pub(crate) fn uses(taint: &Taint, kind: UseKind) -> impl Iterator<Item = (Source, UseKind)> + '_ {
    taint.iter().map(move |(source, _)| (*source, kind))
}

/// What rows give away when they stand inside an expression.
pub(crate) fn rows_taint(rows: &UseSet) -> Taint {
    rows.iter().map(|(source, _)| (*source, crate::flow::Way::Derived)).collect()
}
