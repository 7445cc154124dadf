//! What another process needs to go on with a job, as text.

use super::form::{OutputText, Table, read_output, read_table, table, write_output};
use super::types::{self, Word};
use crate::facts::{bytes_of, hexadecimal};
use serde::{Deserialize, Serialize};
use sluice_app::{Copied, Course, Rested, RestedKind};
use sluice_model::Field;

const KINDS: [RestedKind; 4] = [RestedKind::Absent, RestedKind::Model, RestedKind::Routine, RestedKind::Table];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseText {
    caller: String,
    /// Name, kind, digest.
    rest: Option<Vec<(Table, String, Option<String>)>>,
    changes: Vec<Table>,
    copied: Option<CopiedText>,
    script: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CopiedText {
    to: Table,
    columns: Vec<OutputText>,
    kept: Vec<(String, Vec<Word>)>,
}

/// None: a type is nested too deep.
pub fn write(course: &Course) -> Option<CourseText> {
    let rested = |rested: &Rested| {
        let digest = rested.shape.map(|shape| hexadecimal(&shape));
        (table(&rested.name), word(rested.kind).to_owned(), digest)
    };
    Some(CourseText {
        caller: course.caller.clone(),
        rest: course.rest.as_ref().map(|rest| rest.iter().map(rested).collect()),
        changes: course.changes.iter().map(table).collect(),
        copied: match &course.copied {
            None => None,
            Some(copied) => Some(write_copied(copied)?),
        },
        script: course.script.clone(),
    })
}

/// Without the verdict, which is found later.
pub fn read(text: CourseText) -> Option<Course> {
    let rested = |(name, kind, digest): (Table, String, Option<String>)| {
        let shape = match digest {
            None => None,
            Some(digest) => Some(bytes_of(&digest)?.try_into().ok()?),
        };
        Some(Rested { name: read_table(name), kind: KINDS.into_iter().find(|known| word(*known) == kind)?, shape })
    };
    Some(Course {
        caller: text.caller,
        rest: match text.rest {
            None => None,
            Some(rest) => Some(rest.into_iter().map(rested).collect::<Option<_>>()?),
        },
        changes: text.changes.into_iter().map(read_table).collect(),
        copied: match text.copied {
            None => None,
            Some(copied) => Some(read_copied(copied)?),
        },
        script: text.script,
        verdict: None,
    })
}

fn write_copied(copied: &Copied) -> Option<CopiedText> {
    let field = |field: &Field| Some((field.name.clone(), types::write(&field.kind)?));
    Some(CopiedText {
        to: table(&copied.to),
        columns: copied.columns.iter().map(write_output).collect::<Option<_>>()?,
        kept: copied.kept.iter().map(field).collect::<Option<_>>()?,
    })
}

fn read_copied(text: CopiedText) -> Option<Copied> {
    let field = |(name, words): (String, Vec<Word>)| Some(Field { name, kind: types::read(&words)? });
    Some(Copied {
        to: read_table(text.to),
        columns: text.columns.into_iter().map(read_output).collect::<Option<_>>()?,
        kept: text.kept.into_iter().map(field).collect::<Option<_>>()?,
    })
}

fn word(kind: RestedKind) -> &'static str {
    match kind {
        RestedKind::Absent => "absent",
        RestedKind::Model => "model",
        RestedKind::Routine => "routine",
        RestedKind::Table => "table",
    }
}
