//! Honest work: statements that nobody may refuse, with the columns that they really use. The files stand under `honest/`.
//!
//! `=== name`, the SQL, `---`, `reads: project.dataset.table(column, ...); ...` and perhaps `writes:` in the same form; `-` is none. An
//! indented line goes on with the one above. Whatever else stands there is an error.

use sluice_model::{Analysis, TableName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The dataset of temporary tables: what a script writes there ends with it.
const TEMPORARY: &str = "_SESSION";

/// Columns by table.
pub type Columns = BTreeMap<TableName, BTreeSet<String>>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Honest {
    pub name: String,
    pub sql: String,
    pub reads: Columns,
    /// Not compared where the file does not say.
    pub writes: Option<Columns>,
}

pub fn parse(text: &str) -> Result<Vec<Honest>, String> {
    let mut found: Vec<Honest> = Vec::new();
    for block in format!("\n{text}").split("\n=== ").skip(1) {
        let (name, rest) = block.split_once('\n').ok_or_else(|| format!("`{block}` has no statement"))?;
        let one = statement(name.trim(), rest).map_err(|reason| format!("{}: {reason}", name.trim()))?;
        if found.iter().any(|before| before.name == one.name) {
            return Err(format!("`{}` stands twice", one.name));
        }
        found.push(one);
    }
    Ok(found)
}

/// What the analysis says otherwise: `-` expected, `+` got. Empty where nothing differs.
pub fn difference(honest: &Honest, analysis: &Analysis) -> String {
    let mut text = String::new();
    if let Some(refused) = &analysis.refused {
        let _ = writeln!(text, "  + refused: {}", refused.reason);
    }
    for unresolved in analysis.statements.iter().flat_map(|statement| &statement.unresolved) {
        let _ = writeln!(text, "  + unresolved: {}", unresolved.what);
    }
    let reads = analysis.statements.iter().flat_map(|statement| &statement.reads).map(|read| (&read.table, &read.columns));
    compare("reads", &honest.reads, &union(reads), &mut text);
    if let Some(expected) = &honest.writes {
        let writes = analysis.statements.iter().flat_map(|statement| &statement.writes).filter(|write| write.table.dataset != TEMPORARY);
        let writes = writes.map(|write| (&write.table, &write.columns));
        compare("writes", expected, &union(writes), &mut text);
    }
    text
}

fn statement(name: &str, rest: &str) -> Result<Honest, String> {
    let (sql, expected) = rest.split_once("\n---\n").ok_or("no `---`")?;
    let mut honest = Honest { name: name.to_owned(), sql: sql.trim().to_owned(), ..Honest::default() };
    let mut reads = None;
    // An indented line is a part of the one above it.
    for line in expected.replace("\n ", " ").lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let slot = match line.split_once(':') {
            Some(("reads", value)) => (&mut reads, value),
            Some(("writes", value)) => (&mut honest.writes, value),
            _ => return Err(format!("`{line}` is neither `reads:` nor `writes:`")),
        };
        if slot.0.replace(columns(slot.1)?).is_some() {
            return Err(format!("`{line}` stands twice"));
        }
    }
    honest.reads = reads.ok_or("no `reads:`")?;
    if honest.sql.is_empty() { Err("no statement".to_owned()) } else { Ok(honest) }
}

fn columns(text: &str) -> Result<Columns, String> {
    let mut found = Columns::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty() && *part != "-") {
        let read = part.strip_suffix(')').and_then(|part| part.split_once('('));
        let read = read.and_then(|(table, columns)| Some((TableName::parse(table.trim())?, columns)));
        let (table, columns) = read.ok_or_else(|| format!("`{part}` is not `project.dataset.table(column, ...)`"))?;
        let columns = columns.split(',').map(str::trim).filter(|column| !column.is_empty()).map(str::to_owned).collect();
        if found.insert(table, columns).is_some() {
            return Err(format!("`{part}` names its table a second time"));
        }
    }
    Ok(found)
}

fn union<'a>(each: impl Iterator<Item = (&'a TableName, &'a Vec<String>)>) -> Columns {
    let mut all = Columns::new();
    each.for_each(|(table, columns)| all.entry(table.clone()).or_default().extend(columns.iter().cloned()));
    all
}

fn compare(title: &str, expected: &Columns, got: &Columns, text: &mut String) {
    let tables: BTreeSet<&TableName> = expected.keys().chain(got.keys()).collect();
    for table in tables.into_iter().filter(|table| expected.get(table) != got.get(table)) {
        for (sign, side, other) in [('-', expected, got), ('+', got, expected)] {
            let Some(columns) = side.get(table) else { continue };
            let others = other.get(table);
            let alone = columns.iter().filter(|column| others.is_none_or(|others| !others.contains(*column)));
            let alone: Vec<&str> = alone.map(String::as_str).collect();
            // A table of which both sides read something is shown by its differing columns alone.
            if !alone.is_empty() || others.is_none() {
                let _ = writeln!(text, "  {sign} {title}: {table}({})", alone.join(", "));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::{Read, Refused, StatementAnalysis, Unresolved};

    #[test]
    fn slips_of_the_pen_are_errors() {
        let check =
            |text: &str, expect: &str| assert_eq!(parse(text).map(|found| found.len().to_string()).unwrap_or_else(|error| error), expect);
        check("# a head\n\n=== a\nSELECT 1\n---\nreads: p.d.t(a,\n  b)\n\n=== b\nSELECT 2\n---\nreads:\nwrites: p.d.t()\n", "2");
        check("=== a\nSELECT 1\nreads: p.d.t(a)\n", "a: no `---`");
        check("=== a\nSELECT 1\n---\n", "a: no `reads:`");
        check("=== a\nSELECT 1\n---\nreads: d.t(a)\n", "a: `d.t(a)` is not `project.dataset.table(column, ...)`");
        check("=== a\nSELECT 1\n---\nreads: p.d.t(a); p.d.t(b)\n", "a: `p.d.t(b)` names its table a second time");
        check("=== a\nSELECT 1\n---\nreads: p.d.t(a)\nreads: p.d.t(b)\n", "a: `reads: p.d.t(b)` stands twice");
        check("=== a\nSELECT 1\n---\nread: p.d.t(a)\n", "a: `read: p.d.t(a)` is neither `reads:` nor `writes:`");
        check("=== a\nSELECT 1\n---\nreads:\n=== a\nSELECT 1\n---\nreads:\n", "`a` stands twice");
        check("=== a\n\n---\nreads:\n", "a: no statement");
    }

    #[test]
    fn differences_are_told() {
        let honest = parse("=== a\nSELECT 1\n---\nreads: p.d.t(a, b); p.d.gone(a)\n").unwrap().remove(0);
        let read = |table: &str, columns: &[&str]| Read {
            table: TableName::parse(table).unwrap(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        };
        let check = |statements: Vec<StatementAnalysis>, refused: Option<Refused>, expect: &str| {
            assert_eq!(difference(&honest, &Analysis { statements, refused }), expect);
        };
        let same = || {
            vec![
                StatementAnalysis { reads: vec![read("p.d.t", &["a"])], ..StatementAnalysis::default() },
                StatementAnalysis { reads: vec![read("p.d.t", &["b"]), read("p.d.gone", &["a"])], ..StatementAnalysis::default() },
            ]
        };
        check(same(), None, "");
        check(same(), Some(Refused { reason: "no".to_owned() }), "  + refused: no\n");
        let mut unresolved = same();
        unresolved[0].unresolved.push(Unresolved { what: "x".to_owned(), own: true });
        check(unresolved, None, "  + unresolved: x\n");
        let reads = vec![read("p.d.t", &["a", "c"]), read("p.d.new", &[])];
        let other = vec![StatementAnalysis { reads, ..StatementAnalysis::default() }];
        check(other, None, "  - reads: p.d.gone(a)\n  + reads: p.d.new()\n  - reads: p.d.t(b)\n  + reads: p.d.t(c)\n");
    }
}
