//! `sluice masking`: what was hidden from whom, out of the ledger.

mod read;
mod report;

pub use report::{Masking, run};
