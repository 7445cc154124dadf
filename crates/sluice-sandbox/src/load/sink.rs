//! Where records go: rows that fit, and bad records counted, listed and at some point too many.

use super::{FileFormat, ReadOptions};
use crate::problem::{Problem, Reason};
use crate::store::Row;
use crate::values::Datum;
use std::sync::atomic::{AtomicBool, Ordering};

pub const LOAD_ROWS_MAX: usize = 1_000_000;
/// Values of all rows of one file, those in arrays and records counted one by one.
pub const LOAD_CELLS_MAX: usize = 10_000_000;
/// BigQuery lists no more bad records either.
pub const NOTES_MAX: usize = 5;

/// How a job's errors name a file that was uploaded.
const FILE: &str = "file-00000000";
const READING: &str = "Error while reading data, error message:";

/// Why nothing of a file is loaded.
#[derive(Debug)]
pub struct Failure {
    pub problem: Problem,
    /// All errors of the job, the problem itself among them.
    pub notes: Vec<Problem>,
    pub bad_records: u64,
}

pub struct Sink<'a> {
    pub rows: Vec<Row>,
    pub bad_records: u64,
    pub notes: Vec<Problem>,
    format: &'static str,
    bad_records_max: u64,
    records: u64,
    cells: usize,
    cancelled: &'a AtomicBool,
}

impl Failure {
    pub fn of(problem: Problem) -> Failure {
        Failure { notes: vec![problem.clone()], problem, bad_records: 0 }
    }
}

impl<'a> Sink<'a> {
    pub fn new(options: &ReadOptions, cancelled: &'a AtomicBool) -> Sink<'a> {
        let format = match options.format {
            FileFormat::Csv(_) => "CSV",
            FileFormat::JsonLines => "JSON",
        };
        let bad_records_max = options.bad_records_max;
        Sink { rows: Vec::new(), bad_records: 0, notes: Vec::new(), format, bad_records_max, records: 0, cells: 0, cancelled }
    }

    /// One record: its row, or what is wrong with it.
    pub fn take(&mut self, record: Result<Row, String>) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Failure::of(Problem::new(Reason::Stopped, "Job execution was cancelled: User requested cancellation")));
        }
        self.records += 1;
        match record {
            Ok(row) => {
                self.cells += row.iter().map(cells).sum::<usize>();
                self.rows.push(row);
                if self.rows.len() > LOAD_ROWS_MAX || self.cells > LOAD_CELLS_MAX {
                    let message = format!("The file is too large, at most {LOAD_ROWS_MAX} rows and {LOAD_CELLS_MAX} values");
                    return Err(Failure::of(Problem::new(Reason::ResourcesExceeded, message)));
                }
                Ok(())
            }
            Err(message) => {
                self.bad_records += 1;
                if self.notes.len() < NOTES_MAX {
                    self.notes.push(note(&message));
                }
                if self.bad_records > self.bad_records_max { Err(self.failure()) } else { Ok(()) }
            }
        }
    }

    fn failure(&mut self) -> Failure {
        let Sink { format, records, bad_records, bad_records_max, .. } = self;
        let problem = note(&format!(
            "{format} table encountered too many errors, giving up. Rows: {records}; errors: {bad_records}. Please look into the errors[] collection for more details."
        ));
        let summary = note(&format!(
            "{format} processing encountered too many errors, giving up. Rows: {records}; errors: {bad_records}; max bad: {bad_records_max}; error percent: 0"
        ));
        let notes = [problem.clone(), summary].into_iter().chain(std::mem::take(&mut self.notes)).collect();
        Failure { problem, notes, bad_records: self.bad_records }
    }
}

fn note(message: &str) -> Problem {
    Problem { location: Some(FILE.to_owned()), ..Problem::invalid(format!("{READING} {message}")) }
}

fn cells(datum: &Datum) -> usize {
    match datum {
        Datum::Array(inner) | Datum::Struct(inner) => 1 + inner.iter().map(cells).sum::<usize>(),
        _ => 1,
    }
}
