//! What the warehouse asks of GoogleSQL's reference evaluator.

use sluice_googlesql::GoogleSql;
use sluice_sql::engine::{Engine, Fault};

pub use sluice_googlesql::evaluate::{Answer, Content, Evaluation, Parameter};

/// The engine, and its evaluator beside it.
pub trait Evaluator: Engine {
    /// Runs one query. Calls are independent of each other.
    fn query(&self, evaluation: &Evaluation<'_>) -> Result<Answer, Fault>;
}

impl Evaluator for GoogleSql {
    fn query(&self, evaluation: &Evaluation<'_>) -> Result<Answer, Fault> {
        GoogleSql::query(self, evaluation)
    }
}
