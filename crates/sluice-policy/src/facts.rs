//! The circumstances and the statement as facts: Cedar's context, as the schema has it.

use crate::ask::Matter;
use crate::fact::Fact;
use crate::question;
use crate::request::Work;
use sluice_model::principal::{Principal, Run};
use sluice_model::{Analysis, StatementAnalysis, TableName};
use std::borrow::Cow;
use std::collections::BTreeSet;

const SECONDS_PER_HOUR: i64 = 60 * 60;
const HOURS_PER_DAY: i64 = 24;
const DAYS_PER_WEEK: i64 = 7;
/// What BigQuery calls a text of several statements.
const SCRIPT: &str = "SCRIPT";

/// What all questions of a decision have in common.
pub(crate) fn context<'a>(matter: &Matter<'a>) -> Fact<'a> {
    let Matter { principal, request, circumstances, estimated, .. } = *matter;
    let now = circumstances.now;
    let hours = now.div_euclid(SECONDS_PER_HOUR);
    // 1970 began on a Thursday.
    let weekday = (hours.div_euclid(HOURS_PER_DAY) + 3).rem_euclid(DAYS_PER_WEEK) + 1;
    let ended = |expires_at: u64| i64::try_from(expires_at).is_ok_and(|expires_at| expires_at <= now);
    let grants = principal.grants.iter().filter(|grant| !ended(grant.expires_at)).map(|grant| grant.id.as_str());
    let mut fields = vec![
        ("now", Fact::Number(now)),
        ("hour", Fact::Number(hours.rem_euclid(HOURS_PER_DAY))),
        ("weekday", Fact::Number(weekday)),
        ("door", Fact::text(circumstances.door)),
        ("grants", Fact::Texts(grants.collect())),
    ];
    fields.extend(circumstances.address.map(|address| ("address", Fact::Address(address.to_canonical()))));
    fields.extend(principal.run.as_ref().map(|run| ("run", Fact::Record(run_fields(run)))));
    fields.extend(delegation(principal).map(|delegation| ("on_behalf_of", delegation)));
    if let Work::Statement(statement) = &request.work {
        fields.push(("statement", statement_fact(&statement.analysis)));
    }
    if let Some(estimated) = estimated {
        let dry_run = vec![
            ("bytes", Fact::counted(estimated.bytes)),
            ("cost_micros", Fact::counted(estimated.cost_micros)),
            ("agreed", Fact::Flag(estimated.differences.is_empty())),
        ];
        fields.push(("dry_run", Fact::Record(dry_run)));
    }
    Fact::Record(fields)
}

/// BigQuery's word for the whole text. Temporary functions before a statement make no script of it; what runs others, or only steers, is one.
pub fn whole_kind(analysis: &Analysis) -> &str {
    const STEERING: [&str; 12] = [
        "BEGIN_TRANSACTION",
        "CASE",
        "COMMIT_TRANSACTION",
        "DECLARE",
        "FOR",
        "IF",
        "LOOP",
        "RAISE",
        "REPEAT",
        "ROLLBACK_TRANSACTION",
        "SET",
        "WHILE",
    ];
    let is_temporary_function = |statement: &StatementAnalysis| {
        matches!(statement.kind.as_str(), "CREATE_FUNCTION" | "CREATE_TABLE_FUNCTION")
            && !statement.writes.is_empty()
            && statement.writes.iter().all(|write| question::is_temporary(&write.table))
    };
    match analysis.statements.split_last() {
        Some((last, before))
            if before.iter().all(is_temporary_function)
                && !analysis.statements.iter().any(|statement| statement.child_job)
                && !STEERING.contains(&last.kind.as_str()) =>
        {
            &last.kind
        }
        _ => SCRIPT,
    }
}

fn delegation(principal: &Principal) -> Option<Fact<'_>> {
    let behind = &principal.delegation.as_ref()?.on_behalf_of;
    Some(Fact::Record(vec![
        ("depth", Fact::whole(principal.delegation_depth())),
        ("id", Fact::Text(Cow::Owned(behind.to_string()))),
        ("kind", Fact::text(behind.kind.word())),
        ("groups", Fact::Texts(behind.groups.iter().map(String::as_str).collect())),
    ]))
}

fn statement_fact(analysis: &Analysis) -> Fact<'_> {
    let statements = &analysis.statements;
    let effects = statements.iter().flat_map(|statement| &statement.effects).map(|effect| effect.word());
    let locations = statements.iter().flat_map(|statement| &statement.locations).map(String::as_str);
    let reads = statements.iter().flat_map(|statement| &statement.reads).map(|read| &read.table);
    let writes = statements.iter().flat_map(|statement| &statement.writes).map(|write| &write.table);
    let tables: BTreeSet<&TableName> = reads.chain(writes).collect();
    Fact::Record(vec![
        ("kind", Fact::text(whole_kind(analysis))),
        ("effects", Fact::Texts(effects.collect())),
        ("locations", Fact::Texts(locations.collect())),
        ("statements", Fact::whole(statements.len())),
        ("tables", Fact::whole(tables.len())),
    ])
}

fn run_fields(run: &Run) -> Vec<(&'static str, Fact<'_>)> {
    let texts = [
        ("actor", &run.actor),
        ("actor_id", &run.actor_id),
        ("attempt", &run.attempt),
        ("commit", &run.commit),
        ("environment", &run.environment),
        ("event", &run.event),
        ("job", &run.job),
        ("owner_id", &run.owner_id),
        ("pipeline", &run.pipeline),
        ("reference", &run.reference),
        ("repository", &run.repository),
        ("repository_id", &run.repository_id),
        ("run", &run.run),
        ("runner", &run.runner),
        ("workflow", &run.workflow),
        ("workflow_commit", &run.workflow_commit),
    ];
    let texts = texts.into_iter().filter_map(|(name, value)| Some((name, Fact::text(value.as_deref()?))));
    texts.chain(run.protected.map(|protected| ("protected", Fact::Flag(protected)))).collect()
}
