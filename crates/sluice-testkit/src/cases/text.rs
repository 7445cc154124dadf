//! Reads the text form of cases. Whatever it does not know is an error, so that a slip of the pen never weakens a case.

use super::name;
use super::{Case, Expect, ExpectedOutput, ExpectedStatement};
use sluice_model::{Exposure, How, TableName, Use, UseKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter::Peekable;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseError {
    pub line: usize,
    pub reason: String,
}

pub fn parse(text: &str) -> Result<Vec<Case>, CaseError> {
    let mut cases: Vec<Case> = Vec::new();
    let mut names = BTreeSet::new();
    let mut reading = Reading::Nothing;
    let mut rest = text.lines().enumerate().peekable();
    while let Some((index, line)) = rest.next() {
        let number = index + 1;
        let fail = |reason: String| CaseError { line: number, reason };
        if let Some(name) = line.strip_prefix("=== ") {
            if reading == Reading::Sql {
                return Err(fail("the case before has no `---`".to_owned()));
            }
            if !names.insert(name.trim().to_owned()) {
                return Err(fail(format!("`{}` stands twice", name.trim())));
            }
            cases.push(empty_case(name.trim(), number));
            reading = Reading::Sql;
            continue;
        }
        match (cases.last_mut(), reading) {
            (Some(case), Reading::Sql) if line == "---" => {
                case.sql = case.sql.trim().to_owned();
                reading = Reading::Expectation;
            }
            (Some(case), Reading::Sql) => read_sql(case, line).map_err(fail)?,
            (Some(case), Reading::Expectation) => read_expectation(&mut case.expect, &whole_line(line, &mut rest)).map_err(fail)?,
            _ if ignored(line) => {}
            _ => return Err(fail("text before the first case".to_owned())),
        }
    }
    match cases.iter().find(|case| case.sql.is_empty()) {
        _ if reading == Reading::Sql => Err(CaseError { line: text.lines().count(), reason: "the last case has no `---`".to_owned() }),
        Some(case) => Err(CaseError { line: case.line, reason: "no statement".to_owned() }),
        None => cases.into_iter().map(whole).collect(),
    }
}

impl fmt::Display for CaseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for CaseError {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Expectation,
    Nothing,
    Sql,
}

fn empty_case(name: &str, line: usize) -> Case {
    Case {
        name: name.to_owned(),
        line,
        default_project: name::PROJECT.to_owned(),
        default_dataset: name::DEFAULT_DATASET.to_owned(),
        sql: String::new(),
        expect: Expect::default(),
    }
}

/// A line of an expectation goes on in the indented lines below it.
fn whole_line<'a>(line: &str, rest: &mut Peekable<impl Iterator<Item = (usize, &'a str)>>) -> String {
    let mut whole = line.to_owned();
    while let Some((_, more)) = rest.next_if(|(_, next)| next.starts_with(' ')) {
        whole.push_str(more);
    }
    whole
}

/// A case without any expectation would pass whatever the analyzer says.
fn whole(case: Case) -> Result<Case, CaseError> {
    let said = case.expect.letters.is_some() || case.expect.refused.is_some() || !case.expect.statements.is_empty();
    if said { Ok(case) } else { Err(CaseError { line: case.line, reason: "nothing is expected".to_owned() }) }
}

fn read_sql(case: &mut Case, line: &str) -> Result<(), String> {
    if let Some(default) = line.strip_prefix("default: ").filter(|_| case.sql.is_empty()) {
        let (project, dataset) = default.trim().split_once('.').ok_or("`default:` wants `project.dataset`")?;
        case.default_project = project.to_owned();
        case.default_dataset = dataset.to_owned();
        return Ok(());
    }
    case.sql.push_str(line);
    case.sql.push('\n');
    Ok(())
}

fn read_expectation(expect: &mut Expect, line: &str) -> Result<(), String> {
    let line = line.trim();
    if ignored(line) {
        return Ok(());
    }
    if let Some(kind) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        if expect.statements.iter().any(|statement| statement.kind.is_none()) {
            return Err("lines before the first `[KIND]`".to_owned());
        }
        expect.statements.push(ExpectedStatement { kind: Some(kind.to_owned()), ..ExpectedStatement::default() });
        return Ok(());
    }
    let (key, value) = match line.strip_prefix('`') {
        Some(quoted) => quoted.split_once("`:").map(|(key, value)| (Key::Output(key), value)),
        None => line.split_once(':').map(|(key, value)| (key_of(key), value)),
    }
    .ok_or("no colon")?;
    let value = value.trim();
    match key {
        Key::Letters => expect.letters = Some(letters(value)?),
        Key::Refused => expect.refused = Some(value.to_owned()),
        key => {
            if expect.statements.is_empty() {
                expect.statements.push(ExpectedStatement::default());
            }
            let statement = expect.statements.last_mut().ok_or("no statement")?;
            read_line(statement, key, value)?;
        }
    }
    Ok(())
}

enum Key<'a> {
    Effects,
    Historical,
    Kind,
    Letters,
    Output(&'a str),
    Reads,
    Refused,
    Unresolved,
    Uses,
    Writes,
}

fn key_of(text: &str) -> Key<'_> {
    match text.trim() {
        "effects" => Key::Effects,
        "historical" => Key::Historical,
        "kind" => Key::Kind,
        "letters" => Key::Letters,
        "reads" => Key::Reads,
        "refused" => Key::Refused,
        "unresolved" => Key::Unresolved,
        "uses" => Key::Uses,
        "writes" => Key::Writes,
        name => Key::Output(name),
    }
}

fn read_line(statement: &mut ExpectedStatement, key: Key<'_>, value: &str) -> Result<(), String> {
    match key {
        Key::Effects => statement.effects = Some(list(value, ',').map(str::to_owned).collect()),
        Key::Historical => statement.historical = tables(value)?.into_keys().collect(),
        Key::Kind => statement.kind = Some(value.to_owned()),
        Key::Output(name) => {
            let exposures = list(value, ',').map(exposure).collect::<Result<_, _>>()?;
            statement.outputs.push(ExpectedOutput { name: name.to_owned(), exposures });
        }
        Key::Reads => statement.reads = Some(tables(value)?),
        Key::Unresolved => statement.unresolved = Some(value.to_owned()),
        Key::Uses => {
            for text in list(value, ',') {
                if !statement.uses.insert(one_use(text)?) {
                    return Err(format!("`{text}` stands twice"));
                }
            }
        }
        Key::Writes => statement.writes = Some(tables(value)?),
        Key::Letters | Key::Refused => return Err("not a line of a statement".to_owned()),
    }
    Ok(())
}

fn exposure(text: &str) -> Result<Exposure, String> {
    let mut words = text.split_whitespace();
    let column = words.next().and_then(name::column);
    let how = words.next().and_then(How::of_word);
    let at = match words.next() {
        None => Some(Vec::new()),
        Some(path) => path.strip_prefix('@').map(|path| path.split('.').map(str::to_owned).collect()),
    };
    match (column, how, at, words.next()) {
        (Some(column), Some(how), Some(at), None) => Ok(Exposure { at, column, how }),
        _ => Err(format!("`{text}` is not `table.column how @path`")),
    }
}

fn one_use(text: &str) -> Result<Use, String> {
    let read = text.split_once(' ').and_then(|(column, how)| Some((name::column(column)?, UseKind::of_word(how.trim())?)));
    read.map(|(column, how)| Use { column, how }).ok_or_else(|| format!("`{text}` is not `table.column kind`"))
}

fn tables(value: &str) -> Result<BTreeMap<TableName, BTreeSet<String>>, String> {
    list(value, ';').map(|text| table(text).ok_or_else(|| format!("`{text}` is not `table(column, ...)`"))).collect()
}

fn table(text: &str) -> Option<(TableName, BTreeSet<String>)> {
    let (table, columns) = match text.split_once('(') {
        Some((table, columns)) => (table, columns.strip_suffix(')')?),
        None => (text, ""),
    };
    Some((name::table(table.trim())?, list(columns, ',').map(str::to_owned).collect()))
}

/// The parts of a list; `-` and nothing at all are the empty list.
fn list(value: &str, separator: char) -> impl Iterator<Item = &str> {
    value.split(separator).map(str::trim).filter(|part| !part.is_empty() && *part != "-")
}

fn letters(value: &str) -> Result<String, String> {
    let known = value == "x" || (!value.is_empty() && value.chars().all(|letter| matches!(letter, 'M' | 'm' | 'C' | '?')));
    if known { Ok(value.to_owned()) } else { Err(format!("`{value}` is not `x` or letters of `MmC?`")) }
}

fn ignored(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}
