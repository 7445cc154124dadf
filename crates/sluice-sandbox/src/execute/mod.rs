//! Executes statements and scripts, without HTTP.

mod alter;
mod bind;
mod call;
mod coerce;
mod control;
mod define;
mod define_routine;
mod driver;
mod estimate;
pub mod evaluator;
mod geography;
mod information_schema;
mod insert;
mod kinds;
mod merge;
mod modify;
mod names;
mod options;
mod outcome;
mod query;
mod restriction;
mod routine;
mod scan;
pub mod text;
mod transaction;
mod update;
mod variables;
mod view;
mod warehouse;
mod wildcard;
mod world;

pub use evaluator::{Answer, Content, Evaluation, Evaluator, Parameter};
pub use information_schema::{JobFacts, JobHistory};
pub use outcome::{Changed, Definition, DefinitionTarget, Outcome, Place, StatementOutcome};
pub use warehouse::{DryRun, RunSettings, Warehouse};
pub use world::positional_name;
