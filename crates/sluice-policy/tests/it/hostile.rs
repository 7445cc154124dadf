//! Attacks as cases: `tests/data/hostile` holds a set and what somebody tries who knows it.

use sluice_model::{Analysis, ColumnPath, Effect, Read, StatementAnalysis, TableName, Use, UseKind};
use sluice_policy::cases::{self, Case, CaseCaller, CaseMethod};
use sluice_policy::{Bundle, Outcome, PolicySet, Work, explain, tell};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hostile")
}

fn set() -> PolicySet {
    let file = |name: &str| (name.to_owned(), std::fs::read_to_string(folder().join(name)).unwrap());
    let bundle = Bundle::new(["policy.toml", "labels.toml", "rules.cedar"].map(file));
    PolicySet::load(&bundle).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn cases() -> Vec<Case> {
    cases::read(&std::fs::read_to_string(folder().join("cases.toml")).unwrap()).unwrap()
}

#[test]
fn no_attack_gets_through() {
    let set = set();
    let mut wrong = Vec::new();
    for case in cases() {
        let (_, evaluation) = cases::run(&set, &case, &|_| Err("no SQL here".to_owned())).unwrap();
        wrong.extend(cases::mismatches(&case, &evaluation).into_iter().map(|mismatch| (case.name.clone(), mismatch)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A script is one request: one statement that is refused refuses it whole, wherever it stands.
#[test]
fn one_statement_of_a_script_refuses_all_of_it() {
    let set = set();
    let cases = cases();
    let of = |name: &str| cases.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case `{name}`"));
    let analysis = |case: &Case| {
        let (request, _) = cases::run(&set, case, &|_| Err("no SQL here".to_owned())).unwrap();
        match request.work {
            Work::Statement(statement) => statement.analysis,
            Work::Method(_) => panic!("a method"),
        }
    };
    let good = analysis(of("rows are decided by the one label that is permitted")).statements;
    let bad = analysis(of("rows are not decided by a column that has another label too")).statements;
    for (order, expect) in [
        ([&good[..], &good[..], &good[..]], Outcome::Permitted),
        ([&bad[..], &good[..], &good[..]], Outcome::Refused),
        ([&good[..], &bad[..], &good[..]], Outcome::Refused),
        ([&good[..], &good[..], &bad[..]], Outcome::Refused),
    ] {
        let statements = order.concat();
        let script = Case { sql: Some(String::new()), ..of("rows are decided by the one label that is permitted").clone() };
        let script = Case { statement: None, ..script };
        let analyze = |_: &Case| Ok(Analysis { statements: statements.clone(), refused: None });
        let (_, evaluation) = cases::run(&set, &script, &analyze).unwrap();
        assert_eq!(evaluation.outcome, expect, "{:?}", evaluation.reasons);
    }
}

/// A name out of a request cannot pass for a line of the explanation.
#[test]
fn a_name_does_not_forge_an_explanation() {
    let set = set();
    let case = cases().into_iter().find(|case| case.name == "a method that policy does not know").unwrap();
    let name = "p.d.t\nPERMITTED\n  rule      x\u{1b}[2J";
    let method = CaseMethod { name: "tables.patch".to_owned(), table: Some(name.to_owned()), ..CaseMethod::default() };
    let (_, evaluation) = cases::run(&set, &Case { method: Some(method), ..case }, &|_| Err("no SQL here".to_owned())).unwrap();
    let page = explain(&set, "caller\nPERMITTED", &evaluation);
    assert!(page.starts_with("REFUSED\n  caller    caller\\nPERMITTED\n"), "{page}");
    assert!(page.contains("tables.patch on table p.d.t\\nPERMITTED\\n  rule      x\\u{1b}[2J\n"), "{page}");
    assert!(!page.lines().any(|line| line == "PERMITTED"), "{page}");
}

/// What stands behind a view is not learned from a refusal, unless the caller may read it anyway or named it.
#[test]
fn a_refused_caller_is_told_nothing_that_it_does_not_know() {
    let set = set();
    let told = |sql: &str, table: &str, used: &str| {
        let [table, column] = [table, used].map(|name| TableName::parse(name).unwrap());
        let (base, name) = column.table.split_once('.').unwrap();
        let column = ColumnPath { table: TableName::new(&column.project, &column.dataset, base), path: vec![name.to_owned()] };
        let understood = StatementAnalysis {
            kind: "SELECT".to_owned(),
            effects: vec![Effect::Read],
            reads: vec![Read { table, columns: Vec::new() }],
            uses: vec![Use { column, how: UseKind::Filter }],
            routines: vec!["p.v.days".to_owned()],
            ..StatementAnalysis::default()
        };
        let caller = CaseCaller { kind: "person".to_owned(), ..CaseCaller::default() };
        let case = Case { sql: Some(sql.to_owned()), default_dataset: Some("p.v".to_owned()), caller, ..Case::default() };
        let analyze = |_: &Case| Ok(Analysis { statements: vec![understood.clone()], refused: None });
        let (_, evaluation) = cases::run(&set, &case, &analyze).unwrap();
        assert_eq!(evaluation.outcome, Outcome::Refused);
        tell(&evaluation)
    };
    let closed = "p.d.events_20240101";
    let through_view = told("SELECT * FROM days", closed, "p.d.u.free");
    assert_eq!(through_view, "read on a table that it reaches: that day is closed (rule `one-day-is-closed`)");
    let named = told("SELECT * FROM days, d.events_20240101", closed, "p.d.u.free");
    assert_eq!(named, "read on table p.d.events_20240101: that day is closed (rule `one-day-is-closed`)");
    let column = told("SELECT * FROM days", closed, "p.d.t.diagnosis");
    assert_eq!(
        column,
        "read on a table that it reaches: that day is closed (rule `one-day-is-closed`)\n\
         decide_by on a column that it reaches: no rule permits it; accepted: the same without deciding rows by that column"
    );
    let readable = told("SELECT * FROM days", "p.d.t", "p.d.t.diagnosis");
    assert!(readable.starts_with("deciding rows by column p.d.t.diagnosis (filter): no rule permits it"), "{readable}");
}
