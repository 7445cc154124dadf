//! Decisions, requests and failures as the ledger keeps them.

use crate::asked::{QueryAsk, Visit};
use crate::job::JobName;
use crate::ports::{JobState, UpstreamFault};
use crate::refusal::Why;
use aws_lc_rs::digest::{Context, SHA256, digest};
use sluice_identity::Caller;
use sluice_ledger::record::content::{
    self, ClearOutput, Client, DecidedBy, Held, Identity, MaskedOutput, Meta, Policy, Refusing, Session, Table, Token, Upstream,
};
use sluice_model::Analysis;
use sluice_policy::{ClearPath, Deciding, Decision, Inherited, MaskedPath, Need, Parameter, Reason, Request, RuleNote, Sends, Verb, Work};
use std::collections::BTreeMap;

pub(crate) fn identity(caller: &Caller) -> Identity {
    let facts = caller.token();
    let token = Token {
        issuer: facts.issuer.clone(),
        id: facts.id.clone(),
        digest: String::new(),
        key_id: facts.key_id.clone(),
        algorithm: facts.algorithm.to_string(),
        keys_digest: String::new(),
        issued_at: facts.issued_at,
        expires_at: facts.expires_at,
    };
    let session = caller.session().map(|session| Session::new(&session.id, session.ends_at, &session.origin));
    Identity::of(caller.principal(), caller.asserted(), token.with_digests(&facts.digest, &facts.keys_digest), session)
}

/// What everybody wants to know first of a request.
pub(crate) fn meta(visit: &Visit, connection: &str, outcome: &str, caller: Option<&Caller>) -> Meta {
    Meta {
        api: visit.api.clone(),
        connection: Some(connection.to_owned()).filter(|connection| !connection.is_empty()),
        outcome: outcome.to_owned(),
        client: client(visit),
        session: caller.and_then(Caller::session).map(|session| session.id.clone()),
        ..Meta::default()
    }
}

pub(crate) fn refused(visit: &Visit, connection: Option<&str>, why: &Why) -> Meta {
    let mut meta = meta(visit, connection.unwrap_or_default(), "refused", None);
    meta.reason = Some(why.word().to_owned());
    meta
}

/// The same for a job that was asked for.
pub(crate) fn of_job(mut meta: Meta, job: &JobName) -> Meta {
    let JobName { project, location, id } = job.clone();
    meta.job = Some(content::JobName { project, location, id });
    meta
}

pub(crate) fn request(request: &Request, tables: &[Table]) -> content::Request {
    let mut written = match &request.work {
        Work::Statement(statement) => {
            let mut written = content::Request::of_statement(&statement.text, &request.project, &statement.analysis);
            written.parameters = written_parameters(&statement.parameters);
            written.default_dataset = statement.default_dataset.as_ref().map(|(project, dataset)| format!("{project}.{dataset}"));
            written.location.clone_from(&statement.location);
            written.destination = statement.destination.as_ref().map(|destination| destination.table.to_string());
            written
        }
        Work::Method(method) => match &method.restriction {
            Some(restriction) => content::Request::of_statement(&restriction.text, &request.project, &restriction.analysis),
            None => content::Request::of_method(&request.project),
        },
    };
    written.sent_digest = Some(format!("sha256:{}", hex(digest(&SHA256, &sent(&request.sends)).as_ref())));
    written.tables = tables.to_vec();
    written
}

/// What a caller sent, before it is known what is to be sent of it.
pub(crate) fn statement(ask: &QueryAsk, analysis: &Analysis) -> content::Request {
    let mut written = content::Request::of_statement(&ask.query.text, &ask.job.project, analysis);
    written.parameters = written_parameters(&ask.parameters);
    written.default_dataset = ask.query.default_dataset.as_ref().map(|(project, dataset)| format!("{project}.{dataset}"));
    written.location.clone_from(&ask.location);
    written.destination = ask.query.destination.as_ref().map(|destination| destination.table.to_string());
    written
}

fn written_parameters(parameters: &[Parameter]) -> Vec<content::Parameter> {
    let written = |parameter: &Parameter| content::Parameter {
        name: parameter.name.clone(),
        kind: parameter.kind.clone(),
        value: parameter.value.clone(),
    };
    parameters.iter().map(written).collect()
}

pub(crate) fn policy(decision: &Decision, shadows: &BTreeMap<String, String>) -> Policy {
    let evaluation = &decision.evaluation;
    Policy {
        set: decision.policy.to_string(),
        outcome: evaluation.outcome.word().to_owned(),
        judge: evaluation.judge.word().to_owned(),
        permitted: evaluation.permitted.iter().cloned().collect(),
        refused: evaluation.reasons.iter().map(refusing).collect(),
        held: evaluation.needs.iter().map(held).collect(),
        masks: evaluation.masks.iter().map(masked).collect(),
        clear: evaluation.clear.iter().map(clear).collect(),
        inherits: inherits(evaluation.inherited.iter()),
        inherits_computed: inherits(evaluation.inherited.iter().filter(|kept| kept.computed)),
        decided_by: evaluation.deciding.iter().filter(|deciding| deciding.permitted).map(decided_by).collect(),
        bytes: evaluation.cost.map(|cost| cost.bytes),
        cost_micros: evaluation.cost.map(|cost| cost.micros),
        shadows: shadows.clone(),
    }
}

fn decided_by(deciding: &Deciding) -> DecidedBy {
    let Deciding { column, how, label, rules, .. } = deciding.clone();
    DecidedBy { column, how: how.to_owned(), label, rules }
}

fn inherits<'a>(inherited: impl Iterator<Item = &'a Inherited>) -> BTreeMap<String, Vec<String>> {
    let mut inherits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kept in inherited {
        inherits.entry(kept.column.to_string()).or_default().push(kept.label.clone());
    }
    inherits
}

pub(crate) fn upstream(state: &JobState) -> Upstream {
    Upstream {
        job: state.name.to_string(),
        status: None,
        attempts: 1,
        statistics: state.statistics.clone(),
        error: state.error.as_ref().map(|error| error.reason.clone()),
    }
}

pub(crate) fn upstream_failed(job: &str, fault: &UpstreamFault) -> Upstream {
    Upstream {
        job: job.to_owned(),
        status: fault.status,
        attempts: fault.attempts,
        statistics: BTreeMap::new(),
        error: Some(fault.error.as_ref().map_or_else(|| fault.kind.word().to_owned(), |error| error.reason.clone())),
    }
}

/// For whoever runs the gateway: never sent to a caller.
pub(crate) fn operator_text(why: &Why) -> String {
    match why {
        Why::Upstream { fault, .. } => fault.to_string(),
        Why::Labels(fault) => fault.0.clone(),
        Why::Recording(fault) => fault.to_string(),
        Why::Sealing(fault) => fault.0.clone(),
        Why::Unproven(refusal) => refusal.to_string(),
        other => other.word().to_owned(),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Of parts that stand one behind the other; and how many bytes they are.
pub(crate) fn sha256_of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> ([u8; 32], u64) {
    let (mut context, mut bytes) = (Context::new(&SHA256), 0_u64);
    for part in parts {
        context.update(part);
        bytes = bytes.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    (out, bytes)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        for half in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(half), 16));
        }
        text
    })
}

fn client(visit: &Visit) -> Option<Client> {
    let address = visit.address?.to_string();
    Some(Client { address, tls: visit.tls.clone(), user_agent: visit.user_agent.clone() })
}

/// Each part behind its length, so that no two calls are written alike.
fn sent(sends: &Sends) -> Vec<u8> {
    let verb = match sends.verb {
        Verb::Delete => "DELETE",
        Verb::Get => "GET",
        Verb::Patch => "PATCH",
        Verb::Post => "POST",
        Verb::Put => "PUT",
    };
    let query = sends.query.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let parts = [verb, sends.path.as_str(), sends.body.as_deref().unwrap_or_default()].into_iter().chain(query);
    parts.flat_map(|part| [format!("{}:", part.len()).into_bytes(), part.as_bytes().to_vec()].concat()).collect()
}

fn refusing(reason: &Reason) -> Refusing {
    Refusing {
        kind: reason.kind.word().to_owned(),
        question: reason.question.clone(),
        rules: ids(&reason.rules),
        fact: reason.fact.clone(),
    }
}

fn held(need: &Need) -> Held {
    Held {
        group: need.duty.group.clone(),
        quorum: u64::from(need.duty.quorum),
        assurance: need.duty.assurance.word().to_owned(),
        rules: ids(&need.rules),
        questions: need.questions.clone(),
    }
}

fn masked(masked: &MaskedPath) -> MaskedOutput {
    MaskedOutput {
        statement: masked.statement,
        output: masked.output,
        at: masked.at.join("."),
        mask: masked.mask.to_string(),
        labels: masked.labels.iter().cloned().collect(),
        columns: masked.columns.iter().cloned().collect(),
        rules: ids(&masked.rules),
    }
}

fn clear(path: &ClearPath) -> ClearOutput {
    ClearOutput {
        statement: path.statement,
        output: path.output,
        path: path_of(&path.name, &path.at),
        labels: path.labels.iter().cloned().collect(),
        columns: path.columns.iter().cloned().collect(),
    }
}

/// An output and the way inside of it.
pub(crate) fn path_of(name: &str, at: &[String]) -> String {
    std::iter::once(name).chain(at.iter().map(String::as_str)).collect::<Vec<_>>().join(".")
}

fn ids(rules: &[RuleNote]) -> Vec<String> {
    rules.iter().map(|rule| rule.id.clone()).collect()
}
