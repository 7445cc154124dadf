//! Both decisions and what they use up. That only a caller gets so far is what the compile-fail tests are for.

use super::*;
use crate::bundle::Bundle;
use crate::labels::Known;
use crate::limit::{Halt, MemoryCounters};
use crate::request::Statement;
use crate::request::{Purpose, Work};
use sluice_model::{Analysis, CallerKind, Effect, Read, StatementAnalysis, TableName};

const SETTINGS: &str = "format = 1\nname = \"x\"\n[cost]\nmicros_per_tib = 1000000\n\
    [[limits]]\nrequests_per_second_max = 3\njobs_at_once_max = 2\nbytes_per_day_max = 100\n";
const RULES: &str = "@id(\"all\") @reason(\"r\") permit (principal, action in [Action::\"connect\", Action::\"Read\"], resource);\n\
    @id(\"late\") @reason(\"r\") @hold(\"owners, 1, passkey, 4h\")\n\
    forbid (principal, action == Action::\"connect\", resource) when { context has dry_run && context.dry_run.bytes > 50 };";

fn set() -> PolicySet {
    let files = [("policy.toml", SETTINGS), ("labels.toml", "format = 1"), ("a.cedar", RULES)];
    PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())))).unwrap()
}

fn principal(subject: &str) -> Principal {
    Principal {
        kind: CallerKind::Service,
        issuer: "https://issuer.example".to_owned(),
        subject: subject.to_owned(),
        name: subject.to_owned(),
        groups: Default::default(),
        run: None,
        facts: Default::default(),
        delegation: None,
        grants: Vec::new(),
    }
}

fn request(purpose: Purpose) -> Request {
    let reads = vec![Read { table: TableName::new("p", "d", "t"), columns: vec!["id".to_owned()] }];
    let statement = StatementAnalysis { kind: "SELECT".to_owned(), effects: vec![Effect::Read], reads, ..StatementAnalysis::default() };
    let statement = Statement {
        text: "SELECT 1".to_owned(),
        parameters: Vec::new(),
        default_dataset: None,
        location: None,
        destination: None,
        purpose,
        analysis: Analysis { statements: vec![statement], refused: None },
    };
    Request {
        connection: "c".to_owned(),
        project: "p".to_owned(),
        work: Work::Statement(Box::new(statement)),
        also: Vec::new(),
        sends: crate::request::Sends::default(),
    }
}

fn dry_run(bytes: u64) -> DryRun {
    DryRun {
        statement_type: Some("SELECT".to_owned()),
        bytes: Some(bytes),
        referenced_tables: vec![TableName::new("p", "d", "t")],
        ..DryRun::default()
    }
}

/// Runs both decisions of one statement: the outcome, or the kind of the first reason.
fn both(set: &PolicySet, counters: &MemoryCounters, halt: &Halt, now: i64, bytes: u64) -> &'static str {
    let known = Known::default();
    let circumstances = Circumstances { now, door: "rest", address: None, halt, known: &known };
    let estimate = match set.first(&principal("1"), request(Purpose::Dispatch), &circumstances, counters) {
        Verdict::ToEstimate(estimate) => estimate,
        other => return word(&other),
    };
    word(&set.second(&principal("1"), estimate, &dry_run(bytes), &circumstances, counters))
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Held(_) => "held",
        Verdict::Permitted(_) => "permitted",
        Verdict::Refused(refusal) => refusal.decision.evaluation.reasons.first().map_or("nothing", |reason| reason.kind.word()),
        Verdict::ToEstimate(_) => "to_estimate",
    }
}

#[test]
fn a_statement_is_estimated_then_permitted_and_uses_something_up() {
    let (set, counters, halt) = (set(), MemoryCounters::default(), Halt::default());
    let mut now = 1_000_000;
    let mut run = |bytes: u64| {
        now += 1;
        both(&set, &counters, &halt, now, bytes)
    };
    assert_eq!(run(40), "permitted");
    assert_eq!(run(51), "held", "what is held uses nothing up");
    assert_eq!(run(50), "permitted");
    assert_eq!(run(1), "pace", "two jobs at once");
    counters.job_done(&principal("1").to_string());
    assert_eq!(run(11), "limit", "a hundred bytes a day");
    assert_eq!(run(10), "permitted");
}

#[test]
fn requests_are_counted_whatever_becomes_of_them() {
    let (set, counters) = (set(), MemoryCounters::default());
    let halt = Halt::everyone();
    let said: Vec<&str> = (0..4).map(|_| both(&set, &counters, &halt, 5, 1)).collect();
    assert_eq!(said, ["halted", "halted", "halted", "pace"]);
}

#[test]
fn a_page_is_decided_anew_and_is_no_job() {
    let (set, counters, known) = (set(), MemoryCounters::default(), Known::default());
    for (halt, expect) in [(Halt::default(), "permitted"), (Halt::callers([principal("1").to_string()]), "halted")] {
        let circumstances = Circumstances { now: 5, door: "rest", address: None, halt: &halt, known: &known };
        let page = request(Purpose::Page { job: "job_1".to_owned(), dry_run: dry_run(40) });
        assert_eq!(word(&set.first(&principal("1"), page, &circumstances, &counters)), expect);
    }
    assert_eq!(both(&set, &counters, &Halt::default(), 6, 40), "permitted");
    assert_eq!(both(&set, &counters, &Halt::default(), 7, 40), "permitted");
}

#[test]
fn an_estimate_is_of_no_use_to_another_caller() {
    let (set, counters, halt, known) = (set(), MemoryCounters::default(), Halt::default(), Known::default());
    let circumstances = Circumstances { now: 5, door: "rest", address: None, halt: &halt, known: &known };
    let Verdict::ToEstimate(estimate) = set.first(&principal("1"), request(Purpose::Dispatch), &circumstances, &counters) else {
        panic!("no estimate")
    };
    assert_eq!(word(&set.second(&principal("2"), estimate, &dry_run(1), &circumstances, &counters)), "error");
}

#[test]
fn a_hold_is_answered_as_a_refusal_that_says_what_it_would_take() {
    let (set, counters, halt, known) = (set(), MemoryCounters::default(), Halt::default(), Known::default());
    let circumstances = Circumstances { now: 5, door: "rest", address: None, halt: &halt, known: &known };
    let page = request(Purpose::Page { job: "job_1".to_owned(), dry_run: dry_run(60) });
    let Verdict::Held(hold) = set.first(&principal("1"), page, &circumstances, &counters) else { panic!("not held") };
    let refusal = hold.refuse();
    let text = crate::explain::explain(&set, &refusal.decision.caller, &refusal.decision.evaluation);
    assert!(text.starts_with("REFUSED\n  caller    https://issuer.example#1\n"), "{text}");
    assert!(text.contains("because   needs approval by 1 person of `owners`, with a passkey, within 4h\n"), "{text}");
    assert!(text.contains("rule      late (a.cedar): r\n"), "{text}");
}

#[test]
fn a_set_in_shadow_decides_nothing() {
    let (set, halt, known) = (set(), Halt::default(), Known::default());
    let strict = RULES.replace("permit", "forbid");
    let files = [("policy.toml", SETTINGS), ("labels.toml", "format = 1"), ("a.cedar", strict.as_str())];
    let shadow = PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())))).unwrap();
    let circumstances = Circumstances { now: 5, door: "rest", address: None, halt: &halt, known: &known };
    let (request, dry_run) = (request(Purpose::Dispatch), dry_run(1));
    let decided = set.evaluate(&principal("1"), &request, Some(&dry_run), &circumstances);
    let said = crate::shadow::shadows(&[shadow, self::set()], &principal("1"), &request, Some(&dry_run), &circumstances, &decided);
    let said: Vec<_> = said.iter().map(|said| (said.evaluation.outcome, said.differs)).collect();
    assert_eq!(said, [(Outcome::Refused, true), (Outcome::Permitted, false)]);
}
