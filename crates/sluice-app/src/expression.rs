//! SQL outside of a statement: the default of a column. Whoever adds a row later evaluates it, with rights of its own.

use crate::asked::{Expression, MethodAsk};
use crate::gateway::Gateway;
use crate::refusal::{FormReason, Why};
use crate::trail::{Stage, Trail};
use sluice_model::{Analysis, StatementAnalysis};
use sluice_sql::catalog::Snapshot;
use sluice_sql::{Request, Required};

/// Of one schema. Each costs an analysis.
const EXPRESSIONS_MAX: usize = 100;
const ACCEPTED: &str = "accepted is an expression of literals and of BigQuery's own functions, without tables, functions of others and whatever \
                        depends on who asks, such as `SESSION_USER()`";

impl Gateway {
    /// Each has to stand for itself: then it reads nothing, whoever evaluates it.
    pub(crate) async fn understand_expressions(&self, trail: &Trail, who: &str, ask: &MethodAsk) -> Result<(), Why> {
        if ask.expressions.len() > EXPRESSIONS_MAX {
            let text = format!("the schema has {} defaults, accepted are {EXPRESSIONS_MAX}", ask.expressions.len());
            return Err(Why::Form { reason: FormReason::TooLarge, text });
        }
        for expression in &ask.expressions {
            if !self.stands_alone(trail, who, &ask.project, expression).await? {
                let text = format!("`{}` is not understood: {ACCEPTED}", expression.field);
                return Err(Why::Form { reason: FormReason::Unsupported, text });
            }
        }
        Ok(())
    }

    /// Nothing is looked up for it: a name of anything is one too many.
    async fn stands_alone(&self, trail: &Trail, who: &str, project: &str, expression: &Expression) -> Result<bool, Why> {
        let query = Request { text: as_query(&expression.text), project: project.to_owned(), ..Request::default() };
        let nothing = Snapshot::default();
        let names = trail.walk(Stage::Analyze, self.names(who, &query, &nothing)).await?;
        if names.ok() != Some(Required::default()) {
            return Ok(false);
        }
        let analysis = trail.walk(Stage::Analyze, self.analysis(who, &query, nothing)).await?;
        Ok(reads_nothing(&analysis))
    }
}

/// On a line of its own, so that a comment at its end is over. What closes the bracket early is no expression, or has more than one output.
fn as_query(expression: &str) -> String {
    format!("SELECT (\n{expression}\n) AS value")
}

fn reads_nothing(analysis: &Analysis) -> bool {
    let [only] = analysis.statements.as_slice() else { return false };
    let StatementAnalysis { kind, effects, reads, writes, outputs, uses, routines, unresolved, locations, .. } = only;
    let is_bare = effects.is_empty() && reads.is_empty() && writes.is_empty() && uses.is_empty() && routines.is_empty();
    let is_known = analysis.refused.is_none() && unresolved.is_empty() && locations.is_empty();
    kind == "SELECT" && is_bare && is_known && outputs.len() == 1
}
