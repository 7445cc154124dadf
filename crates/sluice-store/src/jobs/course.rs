//! What another process needs to go on with a job, as text.

use super::form::{OutputText, Table, read_output, read_table, table, write_output};
use super::types::{self, Word};
use crate::facts::{bytes_of, hexadecimal};
use serde::{Deserialize, Serialize};
use sluice_app::{Copied, Course, Places, Rested, RestedKind, RestedRole};
use sluice_model::Field;

const KINDS: [RestedKind; 4] = [RestedKind::Absent, RestedKind::Model, RestedKind::Routine, RestedKind::Table];
const ROLES: [RestedRole; 4] = [RestedRole::Made, RestedRole::Moved, RestedRole::Read, RestedRole::Written];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseText {
    caller: String,
    rest: Option<Vec<RestedText>>,
    changes: Vec<Table>,
    copied: Option<CopiedText>,
    script: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RestedText {
    name: Table,
    kind: String,
    role: String,
    shape: Option<String>,
    /// How many columns, and the digest of their names.
    places: Option<(usize, String)>,
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
    let rested = |rested: &Rested| RestedText {
        name: table(&rested.name),
        kind: kind_word(rested.kind).to_owned(),
        role: role_word(rested.role).to_owned(),
        shape: rested.shape.map(|shape| hexadecimal(&shape)),
        places: rested.places.map(|places| (places.count, hexadecimal(&places.digest))),
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
    Some(Course {
        caller: text.caller,
        rest: match text.rest {
            None => None,
            Some(rest) => Some(rest.into_iter().map(read_rested).collect::<Option<_>>()?),
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

fn read_rested(text: RestedText) -> Option<Rested> {
    let shape = match text.shape {
        None => None,
        Some(shape) => Some(digest(&shape)?),
    };
    let places = match text.places {
        None => None,
        Some((count, names)) => Some(Places { count, digest: digest(&names)? }),
    };
    let kind = KINDS.into_iter().find(|known| kind_word(*known) == text.kind)?;
    let role = ROLES.into_iter().find(|known| role_word(*known) == text.role)?;
    Some(Rested { name: read_table(text.name), kind, role, shape, places })
}

fn digest(text: &str) -> Option<[u8; 32]> {
    bytes_of(text)?.try_into().ok()
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

fn kind_word(kind: RestedKind) -> &'static str {
    match kind {
        RestedKind::Absent => "absent",
        RestedKind::Model => "model",
        RestedKind::Routine => "routine",
        RestedKind::Table => "table",
    }
}

fn role_word(role: RestedRole) -> &'static str {
    match role {
        RestedRole::Made => "made",
        RestedRole::Moved => "moved",
        RestedRole::Read => "read",
        RestedRole::Written => "written",
    }
}
