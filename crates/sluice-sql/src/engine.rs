//! The one door to GoogleSQL: what we ask an engine and what it may answer.

use crate::tree::Tree;
use sluice_model::Type;

/// Google's front end. Calls are independent: nothing of one reaches another. A call blocks its thread until the engine's deadline at the latest.
///
/// Answers may be deep (thousands of levels), so callers walk them on a thread with a large stack or without recursion.
pub trait Engine: Send + Sync {
    /// The syntax tree of a whole script, with byte ranges. Root: `ASTScript`.
    fn parse(&self, text: &str) -> Result<Tree, Fault>;

    /// Every table path that the script names, common table expressions left out, spelled as in the text.
    fn table_names(&self, text: &str) -> Result<Vec<Vec<String>>, Fault>;

    /// Whether GoogleSQL has a function of this dotted name, in whatever case: nobody needs to look for it elsewhere.
    fn has_function(&self, name: &str) -> bool;

    /// The resolved tree of one statement or expression. Root: a `Resolved...Stmt` or an expression.
    fn analyze(&self, question: &Question<'_>) -> Result<Tree, Fault>;

    /// How many calls it works on at the same time. More wait, and their waiting counts as theirs.
    fn calls_at_once(&self) -> usize {
        1
    }

    /// A fault once the time for the whole analysis is over, from then on always. What works between calls asks this now and then, for it
    /// has no clock of its own. An engine that bounds single calls alone always has time.
    fn still_time(&self) -> Result<(), Fault> {
        Ok(())
    }
}

pub struct Question<'a> {
    pub text: &'a str,
    pub target: Target,
    pub parameters: &'a Parameters,
    pub catalog: &'a Catalog,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Expression,
    Statement,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Parameters {
    /// No parameters were sent. One that the text names all the same is undeclared, and its type is inferred.
    #[default]
    None,
    Named(Vec<(String, Type)>),
    /// Without any type: undeclared, as for `None`, but written as question marks.
    Positional(Vec<Type>),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The tables that a statement names have more columns, fields of structs counted, than the engine takes.
    Columns { columns_max: usize },
    /// The engine's own deadline passed.
    Deadline { milliseconds: u64 },
    /// The engine is not there or broken: nothing to do with the statement.
    Engine { message: String },
    /// The engine stopped in the middle (stack, assertion); the instance is gone.
    Interrupted { message: String },
    /// GoogleSQL says that the statement is wrong. `position` is a byte offset where one is known.
    Invalid { message: String, line: Option<u32>, column: Option<u32> },
    /// The engine's memory cap was reached.
    Memory { bytes: u64 },
    /// The text is larger than the engine takes.
    Oversized { bytes: usize, bytes_max: usize },
}

/// Everything that one analysis may name, by the spelled path. Lookups ignore case as GoogleSQL's do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Catalog {
    pub connections: Vec<Vec<String>>,
    /// Script variables: typed, without a value.
    pub constants: Vec<Constant>,
    pub functions: Vec<Function>,
    pub models: Vec<Model>,
    pub procedures: Vec<Procedure>,
    /// `@@name` and `@@a.b`, without the signs.
    pub system_variables: Vec<Constant>,
    pub table_functions: Vec<TableFunction>,
    pub tables: Vec<Table>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Constant {
    pub path: Vec<String>,
    pub kind: Type,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// As spelled in the statement; one part may hold dots (`` `p.d.t` ``).
    pub path: Vec<String>,
    /// Given back as the table's `full_name` in each scan of it.
    pub full_name: String,
    pub columns: Vec<Column>,
    pub value_table: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    pub name: String,
    pub kind: Type,
    /// Not part of `*`.
    pub pseudo: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    pub path: Vec<String>,
    pub mode: Mode,
    pub signatures: Vec<Signature>,
    /// SQL text with argument names: the engine puts it in place of the call.
    pub body: Option<Body>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Aggregate,
    Analytic,
    Scalar,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Body {
    pub argument_names: Vec<String>,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    pub arguments: Vec<Argument>,
    pub result: ArgumentKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Argument {
    pub kind: ArgumentKind,
    pub cardinality: Cardinality,
    /// The name a caller may write before `=>`.
    pub name: Option<String>,
    pub named_only: bool,
    /// Of an aggregate function: one value for the whole group, as NOT AGGREGATE says.
    pub not_aggregate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cardinality {
    Optional,
    Repeated,
    Required,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ArgumentKind {
    /// The same type wherever it stands in a signature.
    Any1,
    /// Any type, whatever the others are.
    Arbitrary,
    ArrayOfAny1,
    Connection,
    Fixed(Type),
    Model,
    /// A table or a subquery, of any schema.
    Relation,
    /// A procedure's result.
    Void,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableFunction {
    pub path: Vec<String>,
    pub arguments: Vec<Argument>,
    pub result: TableResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TableResult {
    Columns(Vec<Column>),
    /// A SELECT over the arguments: the engine puts it in place of the call.
    Query(Body),
    /// The columns of the first relation argument, and these behind them.
    SameAsInput(Vec<Column>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Procedure {
    pub path: Vec<String>,
    pub arguments: Vec<Argument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Model {
    pub path: Vec<String>,
    pub inputs: Vec<Column>,
    pub outputs: Vec<Column>,
}
