//! Cases: what a policy set must say, as text beside it. A change of policy that changes an answer changes a case.

mod analysis;
mod file;
mod run;

pub use analysis::{Analyze, dataset};
pub use file::{Case, CaseCaller, CaseDryRun, CaseMethod, CaseStatement, read};
pub use run::{Mismatch, mismatches, path_text, principal, rules_named, run, run_as};
