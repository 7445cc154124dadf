//! `sluice policy test`: the cases beside a set, each asked.

use super::super::{EXIT_FAILED, Failure};
use super::show;
use super::understanding::{Catalog, Understanding};
use clap::Args;
use serde_json::{Value, json};
use sluice_model::Analysis;
use sluice_policy::cases::{self, Case, Mismatch};
use sluice_policy::{Bundle, PolicySet};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;

/// Ask a policy set the cases that stand beside it.
///
/// Each case under cases/ says who asks, what is asked (SQL, a method, or what an analysis would say), and what must come of
/// it. SQL is analyzed by the real engine over the catalog; the dry run is taken to agree with the analysis where a case does
/// not say otherwise. Exit code 0: every case is right. 1: one is wrong, or a rule is not covered and --every-rule is given.
///
/// A rule is covered if a case names it under `rules`, if without it a case would come out otherwise, and if a case names it under
/// `silent` that it nearly reaches: wider in one part of its head, or without its conditions, it would speak there.
#[derive(Args)]
#[command(after_help = "Example:\n  sluice policy test examples/policy/starter --catalog examples/clinic --every-rule")]
pub struct Test {
    /// The folder of the policy set
    #[arg(value_name = "SET")]
    set: PathBuf,
    #[command(flatten)]
    catalog: Catalog,
    /// Take each rule out, and widen it, in turn: a rule whose end no case marks may break unseen
    #[arg(long)]
    every_rule: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

struct Wrong {
    case: String,
    /// Or why it could not be asked.
    mismatches: Result<Vec<Mismatch>, String>,
}

/// Rules that the cases do not cover.
struct Coverage {
    every_rule: bool,
    unnamed: Vec<String>,
    unmissed: Vec<String>,
    unbounded: Vec<String>,
}

/// Statements are analyzed once, however often a case is asked.
struct Asked<'a> {
    understanding: &'a Understanding,
    analyses: RefCell<HashMap<String, Result<Analysis, String>>>,
}

pub fn run(test: &Test) -> Result<ExitCode, Failure> {
    let (set, bundle, cases) = super::load(&test.set)?;
    if cases.is_empty() {
        return Err(Failure::new(format!("{} has no case under {}/", test.set.display(), crate::policy_folder::CASES_FOLDER)));
    }
    let understanding = test.catalog.open()?;
    let cases: Vec<Case> = cases.into_iter().map(|case| understanding.completed(case)).collect();
    let asked = Asked { understanding: &understanding, analyses: RefCell::default() };
    let wrong = asked.wrong(&set, &cases);
    let named: BTreeSet<&String> = cases.iter().flat_map(|case| &case.rules).collect();
    let mut unnamed: Vec<String> = set.rules().map(|rule| rule.duties.id.clone()).filter(|id| !named.contains(id)).collect();
    unnamed.sort();
    let unmissed = if test.every_rule && wrong.is_empty() { asked.unmissed(&set, &bundle, &cases)? } else { Vec::new() };
    let unbounded = if test.every_rule && wrong.is_empty() { asked.unbounded(&set, &bundle, &cases) } else { Vec::new() };
    let sound = wrong.is_empty() && (!test.every_rule || unmissed.is_empty() && unnamed.is_empty() && unbounded.is_empty());
    let coverage = Coverage { every_rule: test.every_rule, unnamed, unmissed, unbounded };
    if test.json {
        println!("{}", described(&cases, &wrong, &coverage));
    } else {
        print(&cases, &wrong, &coverage);
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

impl Asked<'_> {
    fn wrong(&self, set: &PolicySet, cases: &[Case]) -> Vec<Wrong> {
        let of = |case: &Case| {
            let mismatches = cases::run(set, case, &|case| self.analyze(case)).map(|(_, evaluation)| cases::mismatches(case, &evaluation));
            Wrong { case: case.name.clone(), mismatches }
        };
        cases.iter().map(of).filter(|wrong| wrong.mismatches.as_ref().map_or(true, |mismatches| !mismatches.is_empty())).collect()
    }

    /// Rules whose absence changes no case.
    fn unmissed(&self, set: &PolicySet, bundle: &Bundle, cases: &[Case]) -> Result<Vec<String>, Failure> {
        let mut unmissed = Vec::new();
        for rule in set.rules() {
            let without = PolicySet::load(&bundle.without_rule(&rule.file, &rule.duties.id));
            // A set that does not even load without it misses it.
            if without.is_ok_and(|without| self.wrong(&without, cases).is_empty()) {
                unmissed.push(rule.duties.id.clone());
            }
        }
        unmissed.sort();
        Ok(unmissed)
    }

    /// Rules that no case comes near without meeting them: those could reach further, and nobody would notice.
    fn unbounded(&self, set: &PolicySet, bundle: &Bundle, cases: &[Case]) -> Vec<String> {
        let is_near = |rule: &str, wider: &PolicySet, case: &Case| {
            let asked = cases::run(wider, case, &|case| self.analyze(case));
            asked.is_ok_and(|(_, evaluation)| cases::rules_named(&evaluation).contains(rule))
        };
        let is_bounded = |file: &str, rule: &str| {
            let silent: Vec<&Case> = cases.iter().filter(|case| case.silent.contains(rule)).collect();
            let wider = bundle.with_wider_rule(file, rule).into_iter().filter_map(|bundle| PolicySet::load(&bundle).ok());
            !silent.is_empty() && wider.into_iter().any(|wider| silent.iter().any(|case| is_near(rule, &wider, case)))
        };
        let open = set.rules().filter(|rule| !is_bounded(&rule.file, &rule.duties.id));
        let mut unbounded: Vec<String> = open.map(|rule| rule.duties.id.clone()).collect();
        unbounded.sort();
        unbounded
    }

    fn analyze(&self, case: &Case) -> Result<Analysis, String> {
        if let Some(known) = self.analyses.borrow().get(&case.name) {
            return known.clone();
        }
        let analysis = self.understanding.analyze(case);
        self.analyses.borrow_mut().insert(case.name.clone(), analysis.clone());
        analysis
    }
}

fn print(cases: &[Case], wrong: &[Wrong], coverage: &Coverage) {
    for Wrong { case, mismatches } in wrong {
        show(&format!("wrong: {case}"));
        match mismatches {
            Ok(mismatches) => {
                for Mismatch { what, expected, found } in mismatches {
                    show(&format!("  {what}: expected {expected}"));
                    show(&format!("  {:1$}  found    {found}", "", what.len()));
                }
            }
            Err(why) => show(&format!("  {why}")),
        }
    }
    let statements = cases.iter().filter(|case| case.sql.is_some()).count();
    println!("{} cases, {statements} of them SQL: {} right, {} wrong", cases.len(), cases.len() - wrong.len(), wrong.len());
    let list = |what: &str, rules: &[String]| {
        if !rules.is_empty() {
            show(&format!("rules that {what}: {}", rules.join(", ")));
        }
    };
    list("no case names", &coverage.unnamed);
    list("no case would miss", &coverage.unmissed);
    list("no case comes near without meeting them", &coverage.unbounded);
    if coverage.every_rule && wrong.is_empty() && coverage.unmissed.is_empty() && coverage.unbounded.is_empty() {
        println!("every rule would be missed, and has its end");
    }
}

fn described(cases: &[Case], wrong: &[Wrong], coverage: &Coverage) -> Value {
    let wrong = wrong.iter().map(|Wrong { case, mismatches }| match mismatches {
        Ok(mismatches) => {
            let of = |mismatch: &Mismatch| json!({ "what": mismatch.what, "expected": mismatch.expected, "found": mismatch.found });
            json!({ "case": case, "mismatches": mismatches.iter().map(of).collect::<Vec<_>>() })
        }
        Err(why) => json!({ "case": case, "failed": why }),
    });
    json!({
        "cases": cases.len(),
        "sql": cases.iter().filter(|case| case.sql.is_some()).count(),
        "wrong": wrong.collect::<Vec<_>>(),
        "rules_not_named": coverage.unnamed,
        "rules_not_missed": coverage.every_rule.then_some(&coverage.unmissed),
        "rules_not_bounded": coverage.every_rule.then_some(&coverage.unbounded),
    })
}
