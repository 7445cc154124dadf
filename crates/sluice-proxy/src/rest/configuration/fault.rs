//! What is wrong with what a client sent, told to the person who sent it: which field, what it is, what would be accepted.

use sluice_app::{FormReason, Why};
use std::fmt;

/// How much of a client's own words a text repeats.
const REPEATED_CHARACTERS_MAX: usize = 80;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormFault {
    pub reason: FormReason,
    /// `configuration.query.queryParameters[2].name`; empty for the whole of what was sent.
    pub field: String,
    /// What follows the field in a sentence; the whole sentence where there is none.
    pub text: String,
}

/// Where a field is, without a text until somebody needs one.
#[derive(Clone, Copy)]
pub(in crate::rest) struct Path<'a> {
    before: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Place(usize),
    Name(&'a str),
    Root,
}

impl FormFault {
    pub(in crate::rest) fn invalid(path: &Path<'_>, text: impl Into<String>) -> FormFault {
        FormFault { reason: FormReason::Invalid, field: path.to_string(), text: text.into() }
    }

    pub(in crate::rest) fn too_large(path: &Path<'_>, text: impl Into<String>) -> FormFault {
        FormFault { reason: FormReason::TooLarge, field: path.to_string(), text: text.into() }
    }

    pub(in crate::rest) fn unsupported(path: &Path<'_>, text: impl Into<String>) -> FormFault {
        FormFault { reason: FormReason::Unsupported, field: path.to_string(), text: text.into() }
    }
}

impl<'a> Path<'a> {
    pub const ROOT: Path<'static> = Path { before: None, step: Step::Root };

    pub fn is_root(&self) -> bool {
        matches!(self.step, Step::Root)
    }

    pub fn name(&'a self, name: &'a str) -> Path<'a> {
        Path { before: Some(self), step: Step::Name(name) }
    }

    pub fn place(&'a self, place: usize) -> Path<'a> {
        Path { before: Some(self), step: Step::Place(place) }
    }
}

/// Words of a client's, fit for a sentence: in backticks, bounded, on one line.
pub(in crate::rest) fn quoted(words: &str) -> String {
    // Letters that are not seen, or that turn the rest of the line round, would make it say something else.
    let is_seen = |letter: char| letter.is_alphanumeric() || (letter != '`' && matches!(letter, ' '..='~'));
    let printable = |letter: char| if is_seen(letter) { letter } else { '?' };
    let mut text: String = words.chars().take(REPEATED_CHARACTERS_MAX).map(printable).collect();
    if words.chars().nth(REPEATED_CHARACTERS_MAX).is_some() {
        text.push('…');
    }
    format!("`{text}`")
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = self.before {
            before.fmt(formatter)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Place(place) => write!(formatter, "[{place}]"),
            Step::Name(name) => {
                let dot = if self.before.is_none_or(Path::is_root) { "" } else { "." };
                write!(formatter, "{dot}{}", quoted(name).trim_matches('`'))
            }
        }
    }
}

impl fmt::Display for FormFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            return formatter.write_str(&self.text);
        }
        write!(formatter, "`{}` {}", self.field, self.text)
    }
}

impl std::error::Error for FormFault {}

impl From<FormFault> for Why {
    fn from(fault: FormFault) -> Why {
        Why::Form { reason: fault.reason, text: fault.to_string() }
    }
}
