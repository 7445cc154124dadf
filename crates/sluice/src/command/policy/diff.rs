//! `sluice policy diff`: what a new set says otherwise, by its text and by what it decides.

use super::super::Failure;
use super::show;
use super::understanding::{Catalog, Understanding};
use crate::render;
use clap::Args;
use serde_json::{Value, json};
use sluice_policy::cases::{self, Case};
use sluice_policy::{Change, Evaluation, PolicySet, changes};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One recorded statement, in bytes.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// Say what one policy set says otherwise than another.
///
/// First the rules, labels and settings that differ; then the requests that are decided otherwise: the cases beside both
/// sets, and those of --recorded, a file with a JSON object a line, written like a case: {"name": .., "caller": {"kind": ..}, "sql": ..}.
#[derive(Args)]
#[command(after_help = "Example:\n  sluice policy diff policy policy.next --recorded last-week.jsonl --catalog examples/clinic")]
pub struct Diff {
    /// The set to compare with, as a folder
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The set that would come
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Requests that were made: a JSON object a line
    #[arg(long, value_name = "FILE")]
    recorded: Option<PathBuf>,
    #[command(flatten)]
    catalog: Catalog,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

struct Decided {
    case: String,
    before: Result<Evaluation, String>,
    after: Result<Evaluation, String>,
}

pub fn run(diff: &Diff) -> Result<ExitCode, Failure> {
    let ((old, _, mut cases), (new, _, more)) = (super::load(&diff.old)?, super::load(&diff.new)?);
    let names: BTreeSet<String> = cases.iter().map(|case| case.name.clone()).collect();
    // A case that both have may have been changed with its set: what it asks counts, not what it expects.
    cases.extend(more.into_iter().filter(|case| !names.contains(&case.name)));
    if let Some(file) = &diff.recorded {
        cases.extend(recorded(file)?);
    }
    let understanding = diff.catalog.open()?;
    let cases: Vec<Case> = cases.into_iter().map(|case| understanding.completed(case)).collect();
    let changes = changes(&old, &new);
    let all: Vec<Decided> = cases.iter().map(|case| decide(&old, &new, case, &understanding)).collect();
    let silent = all.iter().filter_map(|one| one.before.as_ref().err().filter(|_| !one.differs())).collect::<Vec<_>>();
    let (silent, why) = (silent.len(), silent.first().map(|why| (*why).clone()));
    let asked = all.len() - silent;
    let decided: Vec<Decided> = all.into_iter().filter(Decided::differs).collect();
    if diff.json {
        println!("{}", described(&old, &new, &changes, (asked, silent), &decided));
    } else {
        print(&changes, asked, &decided);
        if let Some(why) = why {
            show(&format!("{silent} requests could not be asked: {why}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn recorded(file: &Path) -> Result<Vec<Case>, Failure> {
    let failed = |line: usize, why: String| Failure::new(format!("{}:{line}: {why}", file.display()));
    let mut input = BufReader::new(std::fs::File::open(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?);
    let mut cases: Vec<Case> = Vec::new();
    for number in 1.. {
        let mut line = Vec::new();
        let read = (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(|error| failed(number, error.to_string()))?;
        if read == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let case: Case = serde_json::from_slice(&line).map_err(|error| failed(number, error.to_string()))?;
        if let Some(problem) = case.problem() {
            return Err(failed(number, problem));
        }
        cases.push(case);
    }
    Ok(cases)
}

fn decide(old: &PolicySet, new: &PolicySet, case: &Case, understanding: &Understanding) -> Decided {
    let analysis = case.sql.as_ref().map(|_| understanding.analyze(case));
    let analyze = |_: &Case| analysis.clone().unwrap_or_else(|| Err("nothing to analyze".to_owned()));
    let by = |set: &PolicySet| cases::run(set, case, &analyze).map(|(_, evaluation)| evaluation);
    Decided { case: case.name.clone(), before: by(old), after: by(new) }
}

impl Decided {
    /// Whatever a caller would notice: the outcome, what has to be approved, what is masked; and what could not be asked at all.
    fn differs(&self) -> bool {
        let seen = |evaluation: &Evaluation| {
            let needs: Vec<String> = evaluation.needs.iter().map(|need| need.duty.to_string()).collect();
            (evaluation.outcome, needs, masks(evaluation))
        };
        match (&self.before, &self.after) {
            (Ok(before), Ok(after)) => seen(before) != seen(after),
            // Neither was asked: that says nothing.
            (Err(before), Err(after)) => before != after,
            _ => true,
        }
    }
}

fn masks(evaluation: &Evaluation) -> BTreeSet<String> {
    evaluation.masks.iter().map(|masked| format!("{}: {}", cases::path_text(masked), masked.mask)).collect()
}

fn print(changes: &[Change], asked: usize, decided: &[Decided]) {
    if changes.is_empty() {
        println!("nothing that decides is different");
    }
    changes.iter().for_each(print_change);
    println!("\n{asked} requests asked of both, {} decided otherwise", decided.len());
    for Decided { case, before, after } in decided {
        show(&format!("  {case}"));
        show(&format!("    before    {}", in_short(before)));
        show(&format!("    after     {}", in_short(after)));
    }
}

/// A rule is shown whole: one word of it may be what matters.
fn print_change(change: &Change) {
    show(&change.to_string());
    for (sign, text) in [('-', &change.before), ('+', &change.after)] {
        text.iter().flat_map(|text| text.lines()).for_each(|line| show(&format!("  {sign} {line}")));
    }
}

fn in_short(decided: &Result<Evaluation, String>) -> String {
    match decided {
        Err(why) => format!("not asked: {why}"),
        Ok(evaluation) => {
            let mut text = evaluation.outcome.word().to_owned();
            let rules = cases::rules_named(evaluation);
            if !rules.is_empty() {
                text.push_str(&format!(" by {}", rules.into_iter().collect::<Vec<_>>().join(", ")));
            }
            evaluation.needs.iter().for_each(|need| text.push_str(&format!("; needs {}", need.duty)));
            let masks = masks(evaluation);
            if !masks.is_empty() {
                text.push_str(&format!("; masks {}", masks.into_iter().collect::<Vec<_>>().join(", ")));
            }
            text
        }
    }
}

fn described(old: &PolicySet, new: &PolicySet, changes: &[Change], (asked, silent): (usize, usize), decided: &[Decided]) -> Value {
    let side = |set: &PolicySet, decided: &Result<Evaluation, String>| match decided {
        Ok(evaluation) => render::policy::evaluation(set, "", evaluation),
        Err(why) => json!({ "failed": why }),
    };
    let decided = decided.iter().map(|one| json!({ "case": one.case, "before": side(old, &one.before), "after": side(new, &one.after) }));
    json!({
        "changes": changes.iter().map(render::policy::change).collect::<Vec<_>>(),
        "asked": asked,
        "not_asked": silent,
        "decided_otherwise": decided.collect::<Vec<_>>(),
    })
}
