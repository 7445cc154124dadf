//! How the commands of a ledger answer: the same for a person and for a program, with one meaning of each exit code.

use crate::command::{EXIT_FAILED, EXIT_REFUSED, Failure};
use serde_json::{Value, json};
use sluice_model::plain::{printable, printable_lines};
use sluice_store::StoreFault;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub struct Answer {
    value: Value,
    text: String,
    code: u8,
}

/// Why there is no answer.
pub enum Stop {
    /// It could not be done, or not to its end.
    Failed(String),
    /// It was not begun: nothing has changed.
    Refused(String),
}

pub type Outcome = Result<Answer, Stop>;

impl Answer {
    /// `lines` are names and texts, for people.
    pub fn new(value: Value, lines: &[(&str, String)]) -> Answer {
        // Names come out of the folder, and whoever can write there is not believed.
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        Answer::of_text(value, lines.iter().map(|(name, text)| format!("{name:width$}  {}\n", printable(text))).collect())
    }

    pub fn of_text(value: Value, text: String) -> Answer {
        Answer { value, text, code: 0 }
    }

    /// It was looked at, and it is not as it should be.
    pub fn not_in_order(self) -> Answer {
        Answer { code: EXIT_REFUSED, ..self }
    }
}

impl Stop {
    pub fn of(place: &Path, fault: &StoreFault) -> Stop {
        let place = place.display();
        match fault {
            StoreFault::InUse => Stop::Refused(format!("{place}: {fault}: stop the gateway first")),
            StoreFault::Exists(_) | StoreFault::Format { .. } | StoreFault::Held { .. } | StoreFault::Refused(_) => {
                Stop::Refused(format!("{place}: {fault}"))
            }
            StoreFault::Missing(name) if name == "ledger.json" => {
                Stop::Failed(format!("{place}: {fault}: no ledger, or one whose making was broken off"))
            }
            _ => Stop::Failed(format!("{place}: {fault}")),
        }
    }

    pub fn at(place: &Path, error: &dyn fmt::Display) -> Stop {
        Stop::Failed(format!("{}: {error}", place.display()))
    }
}

pub fn say(as_json: bool, outcome: Outcome) -> Result<ExitCode, Failure> {
    let (text, code) = match outcome {
        Ok(Answer { value, code, .. }) if as_json => (format!("{value}\n"), code),
        Ok(Answer { text, code, .. }) => (printable_lines(&text), code),
        Err(Stop::Failed(why)) if as_json => (format!("{}\n", json!({ "failed": why })), EXIT_FAILED),
        Err(Stop::Failed(why)) => return Err(Failure::new(printable(&why))),
        Err(Stop::Refused(why)) if as_json => (format!("{}\n", json!({ "refused": why })), EXIT_REFUSED),
        Err(Stop::Refused(why)) => {
            eprintln!("refused: {}", printable(&why));
            (String::new(), EXIT_REFUSED)
        }
    };
    // Whoever reads may have heard enough: what was done is done.
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
    Ok(ExitCode::from(code))
}
