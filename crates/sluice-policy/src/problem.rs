//! What is wrong with a policy set, and where.

use miette::Diagnostic;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    /// Where in the file, if that is known. The first line is 1.
    pub line: Option<usize>,
    pub text: String,
}

impl Problem {
    pub fn new(file: &str, text: impl Into<String>) -> Problem {
        Problem { file: file.to_owned(), line: None, text: text.into() }
    }

    /// A finding of Cedar's, with the line it points at and the help it offers.
    pub fn of(file: &str, source: &str, finding: &impl Diagnostic) -> Problem {
        let offset = finding.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
        let line = offset.and_then(|offset| source.get(..offset)).map(|before| before.matches('\n').count() + 1);
        let mut text = one_line(&finding.to_string());
        if let Some(help) = finding.help() {
            text = format!("{text} ({})", one_line(&help.to_string()));
        }
        Problem { file: file.to_owned(), line, text }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.file, self.text),
            None => write!(formatter, "{}: {}", self.file, self.text),
        }
    }
}
