//! Attacks as cases: `tests/data/hostile` holds a set and what somebody tries who knows it.

use sluice_model::Analysis;
use sluice_policy::cases::{self, Case};
use sluice_policy::{Bundle, Outcome, PolicySet, Work};
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
