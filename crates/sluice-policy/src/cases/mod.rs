//! Cases: what a policy set must say, as text beside it. A change of policy that changes an answer changes a case.

mod analysis;
mod file;
mod run;

pub use file::{Case, CaseStatement, read};
pub use run::{Mismatch, mismatches, principal, rules_named, run};
