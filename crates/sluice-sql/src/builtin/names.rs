//! System variables and pseudo-columns.

use super::entry::{Mark, marks_of};
use super::lines::{Aliases, split};
use crate::engine::{Column, Constant};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// `@@script.job_id` without its signs.
    pub constant: Constant,
    pub writable: bool,
    pub marks: Vec<Mark>,
}

/// A column that tables of a kind have beside their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pseudo {
    pub column: Column,
    /// `external`, `ingestion` (partitioned by the time of loading), `wildcard`, `written` (only where rows are written).
    pub tables: Vec<String>,
    pub marks: Vec<Mark>,
}

/// The kinds of table that a pseudo-column's line may name.
const TABLES: [&str; 4] = ["external", "ingestion", "wildcard", "written"];

impl Variable {
    pub(super) fn read(text: &str) -> Result<Variable, String> {
        let (name, kind, access, marks) = parts(text)?;
        let writable = match access {
            "read" => false,
            "write" => true,
            _ => return Err(format!("`{access}` is neither `read` nor `write`")),
        };
        let path = name.split('.').map(str::to_owned).collect();
        let kind = Aliases::default().kind(kind)?;
        Ok(Variable { constant: Constant { path, kind }, writable, marks: marks_of(marks)? })
    }
}

impl Pseudo {
    pub(super) fn read(text: &str) -> Result<Pseudo, String> {
        let (name, kind, tables, marks) = parts(text)?;
        let tables: Vec<String> = split(tables, ',').into_iter().map(str::to_owned).collect();
        if let Some(odd) = tables.iter().find(|table| !TABLES.contains(&table.as_str())) {
            return Err(format!("`{odd}` is not a kind of table"));
        }
        let column = Column { name: name.to_owned(), kind: Aliases::default().kind(kind)?, pseudo: true };
        Ok(Pseudo { column, tables, marks: marks_of(marks)? })
    }
}

fn parts(text: &str) -> Result<(&str, &str, &str, &str), String> {
    match split(text, '|').as_slice() {
        [head, middle, marks] => {
            let (name, kind) = head.split_once(' ').ok_or_else(|| format!("`{head}` has no type"))?;
            Ok((name, kind, middle, marks))
        }
        _ => Err(format!("`{text}` has not three parts")),
    }
}
