//! Effects that are asked of the connection, because no table has them: in a refusal they are named by what the caller's own text says.

use super::names;
use crate::request::{Request, Work};
use sluice_model::{COLUMNS_OF_TEXTS, Read, StatementAnalysis, TableName};
use std::collections::BTreeSet;

const OWN_VIEWS: &str = "INFORMATION_SCHEMA.";
const OTHER_COLUMNS: &str = "the other columns of that view, by their names";
/// More would be read by nobody.
const NAMED_MAX: usize = 5;

/// In words that its caller may read. Nothing where the text does not say it plainly.
pub(super) fn told(action: &str, request: &Request) -> Option<String> {
    let Work::Statement(statement) = &request.work else { return None };
    let own =
        || with_effect(action, request).filter_map(|analysis| analysis.span).filter_map(|(start, end)| statement.text.get(start..end));
    match action {
        "call" => listed(own().filter_map(procedure)).map(|names| format!("call of {names}")),
        "metadata" => listed(views(request).map(|view| view.told(request))).map(|views| format!("metadata: {views}")),
        "session" => listed(own().flat_map(variables)).map(|names| format!("session: {names}")),
        _ => None,
    }
}

/// What the caller can do without.
pub(super) fn without(action: &str, request: &Request) -> Option<&'static str> {
    let mut views = views(request).peekable();
    let fits = action == "metadata" && views.peek().is_some() && views.all(|view| !view.columns.is_empty());
    fits.then_some(OTHER_COLUMNS)
}

fn with_effect<'a>(action: &'a str, request: &'a Request) -> impl Iterator<Item = &'a StatementAnalysis> {
    let statements = request.analysis().into_iter().flat_map(|analysis| &analysis.statements);
    statements.filter(move |analysis| analysis.effects.iter().any(|effect| effect.word() == action))
}

/// A view of BigQuery's own that shows texts of statements.
struct View<'a> {
    table: &'a TableName,
    /// Those of its columns that do. Empty: all of them count.
    columns: Vec<&'static str>,
}

fn views(request: &Request) -> impl Iterator<Item = View<'_>> {
    with_effect("metadata", request).flat_map(|analysis| &analysis.reads).filter_map(view)
}

fn view(read: &Read) -> Option<View<'_>> {
    let name = read.table.table.to_ascii_uppercase();
    let name = name.strip_prefix(OWN_VIEWS)?;
    let Some((_, columns)) = COLUMNS_OF_TEXTS.iter().find(|(view, _)| *view == name) else {
        return Some(View { table: &read.table, columns: Vec::new() });
    };
    let is_read = |column: &&str| read.columns.iter().any(|read| read.eq_ignore_ascii_case(column));
    let columns: Vec<&'static str> = columns.iter().copied().filter(is_read).collect();
    (!columns.is_empty()).then_some(View { table: &read.table, columns })
}

impl View<'_> {
    fn told(&self, request: &Request) -> String {
        let view = if names(request, self.table) { self.table.to_string() } else { "a view of BigQuery's own that it reaches".to_owned() };
        let columns: Vec<String> = self.columns.iter().map(|column| format!("`{column}`")).collect();
        let of = if columns.is_empty() { String::new() } else { format!("{} of ", columns.join(", ")) };
        format!("{of}{view}, which shows texts of statements")
    }
}

/// `d.p` of `CALL d.p(1)`.
fn procedure(statement: &str) -> Option<String> {
    let (call, rest) = statement.split_at_checked(4)?;
    let (path, _) = rest.split_once('(')?;
    let path: String = path.replace('`', "").split_whitespace().collect();
    let is_name = !path.is_empty() && path.chars().all(|letter| letter.is_alphanumeric() || "_-.:".contains(letter));
    (call.eq_ignore_ascii_case("CALL") && is_name).then(|| format!("procedure {path}"))
}

/// Every `@@name` of a statement.
fn variables(statement: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "_.".contains(*letter)).collect::<String>();
    statement.split("@@").skip(1).map(name).filter(|name| !name.is_empty()).map(|name| format!("`@@{name}`")).collect()
}

/// Each once.
fn listed(names: impl Iterator<Item = String>) -> Option<String> {
    let names: BTreeSet<String> = names.collect();
    let more = if names.len() > NAMED_MAX { " and more" } else { "" };
    let named: Vec<String> = names.into_iter().take(NAMED_MAX).collect();
    (!named.is_empty()).then(|| named.join(", ") + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_what_is_called_and_set() {
        let check = |text: &str, called: Option<&str>, set: &[&str]| {
            assert_eq!(procedure(text).as_deref(), called, "{text}");
            assert_eq!(variables(text), set, "{text}");
        };
        check("CALL clinic.list_ward('A')", Some("procedure clinic.list_ward"), &[]);
        check("call `acme-prod`.clinic . `list_ward` ( )", Some("procedure acme-prod.clinic.list_ward"), &[]);
        check("CALL /* x */ d.p(1)", None, &[]);
        check("SET @@time_zone = 'UTC'", None, &["`@@time_zone`"]);
        check("SET @@query_label = CONCAT('a:', @@session_id)", None, &["`@@query_label`", "`@@session_id`"]);
        check("SET x = 1", None, &[]);
        check("é", None, &[]);
    }

    #[test]
    fn views_are_named_with_the_columns_that_hold_texts() {
        let check = |view: &str, columns: &[&str], expect: Option<&[&str]>| {
            let table = TableName::new("p", "d", view);
            let read = Read { table, columns: columns.iter().map(|column| (*column).to_owned()).collect() };
            assert_eq!(super::view(&read).map(|view| view.columns), expect.map(<[&str]>::to_vec), "{view}");
        };
        check("INFORMATION_SCHEMA.TABLES", &["table_name", "ddl"], Some(&["ddl"]));
        check("INFORMATION_SCHEMA.TABLES", &["table_name"], None);
        check("INFORMATION_SCHEMA.PARAMETERS", &["parameter_name"], Some(&[]));
        check("tables", &["ddl"], None);
    }
}
