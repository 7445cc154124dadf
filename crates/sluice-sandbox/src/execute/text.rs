//! SQL text with its syntax tree, and texts made out of it by exchanging parts, with positions that lead back.

use crate::problem::Problem;
use sluice_sql::engine::{Engine, Fault};
use sluice_sql::is_naming;
use sluice_sql::tree::{NodeId, Tree};

/// A whole script. It is parsed once; statements are parts of it.
#[derive(Debug)]
pub struct Script {
    pub text: String,
    pub tree: Tree,
}

/// A byte range of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// A part of a script in which pieces were exchanged.
#[derive(Clone, Debug, Default)]
pub struct Edited {
    pub text: String,
    /// Where each piece of `text` begins, and where it came from. In order.
    origins: Vec<(usize, usize)>,
}

/// A piece that is to be exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub span: Span,
    pub text: String,
}

impl Script {
    pub fn parse(engine: &dyn Engine, text: &str) -> Result<Script, Problem> {
        match engine.parse(text) {
            Ok(tree) => Ok(Script { text: text.to_owned(), tree }),
            Err(fault) => Err(problem_of(fault, &Edited::whole(text), text)),
        }
    }

    pub fn span(&self, node: NodeId) -> Option<Span> {
        let range = self.tree.child(node, "parse_location_range")?;
        let offset = |field: &str| usize::try_from(self.tree.integer(range, field).unwrap_or_default()).ok();
        Some(Span { start: offset("start")?, end: offset("end")? })
    }

    pub fn slice(&self, node: NodeId) -> &str {
        self.span(node).and_then(|span| self.text.get(span.start..span.end)).unwrap_or_default()
    }

    /// Every node of that part of the text, in no useful order.
    pub fn nodes_within(&self, span: Span) -> impl Iterator<Item = NodeId> {
        let count = u32::try_from(self.tree.nodes.len()).unwrap_or(u32::MAX);
        (0..count).map(NodeId).filter(move |node| self.span(*node).is_some_and(|found| span.start <= found.start && found.end <= span.end))
    }

    pub fn statements(&self) -> Vec<NodeId> {
        let list = self.tree.root.and_then(|root| self.tree.child(root, "statement_list_node"));
        list.map(|list| self.statements_of(list)).unwrap_or_default()
    }

    pub fn statements_of(&self, list: NodeId) -> Vec<NodeId> {
        self.tree.children(list, "statement_list")
    }

    /// The names of a path expression that leads to a thing of the warehouse.
    pub fn path(&self, node: NodeId) -> Vec<String> {
        self.written_path(node).iter().flat_map(|name| split_dots(name)).collect()
    }

    /// The names of a path expression as they are looked up within a statement: what stands in one pair of quotes is one name.
    pub fn written_path(&self, node: NodeId) -> Vec<String> {
        let names = self.tree.children(node, "names");
        names.into_iter().filter_map(|name| self.tree.text(name, "id_string")).map(str::to_owned).collect()
    }

    pub fn child_path(&self, node: NodeId, field: &str) -> Option<Vec<String>> {
        self.tree.child(node, field).map(|child| self.path(child)).filter(|path| !path.is_empty())
    }

    pub fn identifier(&self, node: NodeId, field: &str) -> Option<&str> {
        self.tree.text(self.tree.child(node, field)?, "id_string")
    }

    /// Whether a name at this place is that of a common table expression, whatever tables there are.
    pub fn is_common(&self, name: &str, place: Span) -> bool {
        let holds = |span: Span| span.start <= place.start && place.end <= span.end;
        let queries = (0..u32::try_from(self.tree.nodes.len()).unwrap_or(u32::MAX)).map(NodeId);
        queries.filter(|node| self.tree.kind(*node) == "ASTQuery").any(|query| {
            let (Some(with), Some(whole)) = (self.tree.child(query, "with_clause"), self.span(query)) else { return false };
            let is_recursive = self.tree.boolean(with, "recursive");
            let entries = self.tree.all_children(with).into_iter().flat_map(|entry| [vec![entry], self.tree.all_children(entry)].concat());
            entries.filter(|entry| self.tree.kind(*entry) == "ASTAliasedQuery").any(|entry| {
                // It is known behind itself, or in all of the clause.
                let start = if is_recursive { Some(whole.start) } else { self.span(entry).map(|span| span.end) };
                let is_named = self.identifier(entry, "alias").is_some_and(|alias| alias.eq_ignore_ascii_case(name));
                is_named && start.is_some_and(|start| holds(Span { start, end: whole.end }))
            })
        })
    }

    /// Line and column, from one, of a byte offset. Columns count letters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        position(&self.text, offset)
    }

    /// The engine takes `` `p.d.t` `` for one name. BigQuery finds three in it where it looks for a thing of the warehouse: there such names are split.
    pub fn quoted_names(&self, span: Span) -> Vec<Edit> {
        let mut edits = Vec::new();
        for node in self.nodes_within(span) {
            for (field, _) in self.tree.node(node).fields.iter().filter(|(field, _)| is_naming(self.tree.kind(node), field)) {
                let paths = self.tree.children(node, field).into_iter().filter(|child| self.tree.kind(*child) == "ASTPathExpression");
                edits.extend(paths.flat_map(|path| self.tree.children(path, "names")).filter_map(|name| self.quoted_name(name)));
            }
        }
        edits
    }

    fn quoted_name(&self, name: NodeId) -> Option<Edit> {
        let whole = self.tree.text(name, "id_string").filter(|whole| whole.contains('.'))?;
        let parts: Vec<String> = split_dots(whole).iter().map(|part| quoted(part)).collect();
        Some(Edit { span: self.span(name)?, text: parts.join(".") })
    }
}

impl Edited {
    pub fn whole(text: &str) -> Edited {
        Edited { text: text.to_owned(), origins: vec![(0, 0)] }
    }

    /// A part of the script with these pieces exchanged. Pieces outside of it, and pieces inside of another piece, are left out.
    pub fn part(script: &Script, span: Span, edits: &[Edit]) -> Edited {
        let mut inside: Vec<&Edit> = edits.iter().filter(|edit| span.start <= edit.span.start && edit.span.end <= span.end).collect();
        inside.sort_by_key(|edit| (edit.span.start, std::cmp::Reverse(edit.span.end)));
        let mut edited = Edited::default();
        let mut from = span.start;
        for edit in inside {
            if edit.span.start < from {
                continue;
            }
            edited.push_original(script, from, edit.span.start);
            edited.origins.push((edited.text.len(), edit.span.start));
            edited.text.push_str(&edit.text);
            from = edit.span.end;
        }
        edited.push_original(script, from, span.end);
        edited
    }

    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub fn append(&mut self, other: &Edited) {
        let start = self.text.len();
        self.origins.extend(other.origins.iter().map(|(at, origin)| (at + start, *origin)));
        self.text.push_str(&other.text);
    }

    /// The offset in the script that an offset in this text came from.
    pub fn origin(&self, offset: usize) -> usize {
        let piece = self.origins.iter().rev().find(|(at, _)| *at <= offset);
        piece.map_or(offset, |(at, origin)| origin + (offset - at))
    }

    fn push_original(&mut self, script: &Script, start: usize, end: usize) {
        if start < end {
            self.origins.push((self.text.len(), start));
            self.text.push_str(script.text.get(start..end).unwrap_or_default());
        }
    }
}

/// The engine's fault as BigQuery words it, with the position in the client's text.
pub fn problem_of(fault: Fault, edited: &Edited, script: &str) -> Problem {
    match fault {
        Fault::Invalid { message, line, column } => {
            let place = line.zip(column).map(|(line, column)| {
                let offset = edited.origin(offset_of(&edited.text, line as usize, column as usize));
                let (line, column) = position(script, offset);
                format!(" at [{line}:{column}]")
            });
            invalid(&message, &place.unwrap_or_default())
        }
        Fault::Deadline { milliseconds } => {
            Problem::new(crate::problem::Reason::Timeout, format!("Query exceeded the sandbox's limit of {milliseconds} ms"))
        }
        Fault::Columns { columns_max } => Problem::new(
            crate::problem::Reason::ResourcesExceeded,
            format!("Resources exceeded during query execution: the tables have more than {columns_max} columns"),
        ),
        Fault::Memory { bytes } => Problem::new(
            crate::problem::Reason::ResourcesExceeded,
            format!("Resources exceeded during query execution: more than {bytes} bytes of memory"),
        ),
        Fault::Oversized { bytes, bytes_max } => Problem::invalid(format!("The query is too large: {bytes} bytes, at most {bytes_max}")),
        // What is too deep today is too deep tomorrow: clients repeat a query that failed for an internal error, for minutes.
        Fault::Engine { message } | Fault::Interrupted { message } if TOO_DEEP.iter().any(|words| message.contains(words)) => {
            Problem::new(crate::problem::Reason::ResourcesExceeded, "Resources exceeded during query execution: the query is too complex")
        }
        Fault::Engine { message } | Fault::Interrupted { message } if message.contains(WITHOUT_DATA) => {
            Problem::not_implemented("NORMALIZE with NFKC or NFKD")
        }
        Fault::Engine { message } | Fault::Interrupted { message } => Problem::internal(format!("The SQL engine failed: {message}")),
    }
}

/// What the engine says where it wants a table of Unicode that it was built without.
const WITHOUT_DATA: &str = "U_FILE_ACCESS_ERROR";

/// What the engine's host says of a query whose nesting it cannot hold.
const TOO_DEEP: [&str; 2] = ["out of stack space", "nested too deeply"];

/// What the reference evaluator says of things that GoogleSQL has and it has not.
const BEYOND_THE_EVALUATOR: [&str; 4] = ["Unsupported built-in function", "Unimplemented", "Unhandled node type", "not implemented"];

/// The path of a table that the engine did not find.
pub fn missing_table(message: &str) -> Option<Vec<String>> {
    let rest = message.strip_prefix("Table not found: ")?;
    let name = rest.split([';', ' ']).next()?;
    Some(name.replace('`', "").split('.').map(str::to_owned).collect())
}

fn invalid(message: &str, place: &str) -> Problem {
    if BEYOND_THE_EVALUATOR.iter().any(|words| message.contains(words)) {
        return Problem::not_implemented(message.lines().next().unwrap_or(message));
    }
    Problem::invalid_query(format!("{message}{place}"))
}

/// Parts of a name in quotes. The project of an organisation's domain holds dots before its colon: `example.com:project`.
pub fn split_dots(whole: &str) -> Vec<String> {
    let domain = whole.rfind(':').unwrap_or(0);
    let (head, tail) = whole.split_at_checked(domain).unwrap_or(("", whole));
    let mut parts: Vec<String> = tail.split('.').map(str::to_owned).collect();
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, head);
    }
    parts
}

pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A STRING literal of that text.
pub fn string_literal(text: &str) -> String {
    let mut literal = String::from("'");
    for letter in text.chars() {
        match letter {
            '\'' => literal.push_str("\\'"),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            control if control.is_control() => literal.push_str(&format!("\\U{:08x}", u32::from(control))),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}

fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start = if line <= 1 { 0 } else { text.match_indices('\n').nth(line - 2).map_or(text.len(), |(newline, _)| newline + 1) };
    let rest = text.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Script {
        Script { text: text.to_owned(), tree: Tree::default() }
    }

    #[test]
    fn names_in_quotes_are_split() {
        let check = |name: &str, expect: &[&str]| assert_eq!(split_dots(name), expect, "{name}");
        check("acme-prod.clinic.patients", &["acme-prod", "clinic", "patients"]);
        check("example.com:acme.clinic.patients", &["example.com:acme", "clinic", "patients"]);
        check("patients", &["patients"]);
    }

    #[test]
    fn positions_lead_back_through_edits() {
        let script = script("SELECT 1;\nSELECT x FROM `a.b`, oops");
        let span = Span { start: 10, end: script.text.len() };
        let edits = [Edit { span: Span { start: 24, end: 29 }, text: "`a`.`b`".to_owned() }];
        let edited = Edited::part(&script, span, &edits);
        assert_eq!(edited.text, "SELECT x FROM `a`.`b`, oops");
        let fault = |column| Fault::Invalid { message: "no".to_owned(), line: Some(1), column: Some(column) };
        let message = |column| problem_of(fault(column), &edited, &script.text).message;
        assert_eq!(message(24), "no at [2:22]");
        assert_eq!(message(1), "no at [2:1]");
    }

    #[test]
    fn missing_tables_are_recognised() {
        let check = |message: &str, expect: Option<&[&str]>| {
            let expect = expect.map(|parts| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
            assert_eq!(missing_table(message), expect, "{message}");
        };
        check("Table not found: `acme-prod`.d.t; Did you mean x?", Some(&["acme-prod", "d", "t"]));
        check("Table not found: t at [1:15]", Some(&["t"]));
        check("Unrecognized name: t", None);
    }

    #[test]
    fn faults_are_worded_as_bigquery_does() {
        let check = |message: &str, reason: &str, expect: &str| {
            let fault = Fault::Invalid { message: message.to_owned(), line: None, column: None };
            let problem = problem_of(fault, &Edited::whole(""), "");
            assert_eq!((problem.reason.word(), problem.message.as_str()), (reason, expect));
        };
        check(
            "Unsupported built-in function: st_geogpoint",
            "notImplemented",
            "The sandbox warehouse does not do this: Unsupported built-in function: st_geogpoint",
        );
        check("division by zero: 1 / 0", "invalidQuery", "division by zero: 1 / 0");
    }

    #[test]
    fn literals_are_escaped() {
        assert_eq!(string_literal("it's \\ a\nline"), "'it\\'s \\\\ a\\nline'");
        assert_eq!(quoted("a`b"), "`a\\`b`");
    }
}
