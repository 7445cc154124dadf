//! Many statements, judged on all cores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_model::{Analysis, ColumnPath};

use super::generate::{Statement, statement};
use super::judge::{Miss, Outcome, Shape, Verdict, excused, judge};
use super::mutate::{Drop, mutants};
use super::report::{Finding, Report, apart, told};
use super::shrink::shrink;
use super::variants::{VARIANTS, varied};

/// Says what a statement over the clinic does.
pub trait Analyze: Sync {
    fn analyze(&self, text: &str) -> Analysis;
}

/// Runs a statement on the content of one variant.
pub trait Evaluate: Sync {
    fn evaluate(&self, statement: &Statement, variant: usize) -> Outcome;
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    pub count: u64,
    pub threads: usize,
    /// Whether statements may be scripts.
    pub scripts: bool,
    /// Compare with all variants, not only with one by turns.
    pub thorough: bool,
    /// Misses that are made smaller; each may take as many runs as `shrink_attempts_max` says.
    pub shrunk_misses_max: usize,
    pub shrink_attempts_max: usize,
}

/// One statement and everything that came of it.
pub struct Tried {
    pub statement: Statement,
    pub analysis: Analysis,
    pub outcomes: Vec<Outcome>,
    pub verdict: Verdict,
    /// What was left out, whether anything differed, whether the judge noticed.
    pub mutants: Vec<(Drop, bool, bool)>,
    pub analysis_time: Duration,
    pub evaluation_time: Duration,
}

/// Runs seeds from `settings.seed` on.
pub fn run(settings: &Settings, analyze: &impl Analyze, evaluate: &impl Evaluate) -> Report {
    run_each(settings, |seed| statement(seed, settings.scripts), analyze, evaluate)
}

/// Runs the statement of each seed.
pub fn run_each(settings: &Settings, make: impl Fn(u64) -> Statement + Sync, analyze: &impl Analyze, evaluate: &impl Evaluate) -> Report {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..settings.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= settings.count {
                        break;
                    }
                    let seed = settings.seed.wrapping_add(number);
                    let chosen = chosen(seed, settings.thorough);
                    let tried = try_one(make(seed), &chosen, analyze, evaluate);
                    report.lock().unwrap_or_else(PoisonError::into_inner).add(seed, &tried);
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.findings.sort_by_key(|finding| (finding.miss.cause, finding.statement.text.len()));
    for finding in report.findings.iter_mut().take(settings.shrunk_misses_max) {
        smaller(finding, settings, analyze, evaluate);
    }
    report.wall_time = began.elapsed();
    report
}

/// The base, and what it is compared with: by turns the last variant, which differs in everything, and each of the others.
fn chosen(seed: u64, thorough: bool) -> Vec<usize> {
    if thorough {
        return (0..VARIANTS).collect();
    }
    let others = VARIANTS as u64 - 2;
    let other = usize::try_from(seed / 2 % others).unwrap_or(0) + 1;
    vec![0, if seed.is_multiple_of(2) { VARIANTS - 1 } else { other }]
}

fn try_one(statement: Statement, chosen: &[usize], analyze: &impl Analyze, evaluate: &impl Evaluate) -> Tried {
    let began = Instant::now();
    let analysis = analyze.analyze(&statement.text);
    let analysis_time = began.elapsed();
    let shape = Shape::of(&statement.text);
    let chosen = with_unexcused(chosen, &analysis, shape);
    let labels: Vec<Vec<ColumnPath>> = chosen.iter().map(|variant| varied(*variant)).collect();
    let outcomes: Vec<Outcome> = chosen.iter().map(|variant| evaluate.evaluate(&statement, *variant)).collect();
    let evaluation_time = began.elapsed() - analysis_time;
    let mut verdict = judge(&analysis, &outcomes, &labels, shape);
    let noticed =
        if verdict.misses.is_empty() && !verdict.refused { noticed(&analysis, &outcomes, &labels, shape, &verdict) } else { Vec::new() };
    for miss in &mut verdict.misses {
        miss.variant = chosen.get(miss.variant).copied().unwrap_or(miss.variant);
    }
    Tried { statement, analysis, outcomes, verdict, mutants: noticed, analysis_time, evaluation_time }
}

/// A use excuses the variants in which its column differs: one is added in which it does not, so that the values are compared as well.
fn with_unexcused(chosen: &[usize], analysis: &Analysis, shape: Shape) -> Vec<usize> {
    let compared = |variant: usize| !excused(analysis, &varied(variant), shape);
    let mut chosen = chosen.to_vec();
    if chosen.len() == 2 && !chosen.iter().skip(1).any(|variant| compared(*variant)) {
        chosen.extend((1..VARIANTS).find(|variant| compared(*variant)));
    }
    chosen
}

fn noticed(
    analysis: &Analysis,
    outcomes: &[Outcome],
    labels: &[Vec<ColumnPath>],
    shape: Shape,
    verdict: &Verdict,
) -> Vec<(Drop, bool, bool)> {
    let all: Vec<ColumnPath> = labels.iter().flatten().cloned().collect();
    let tried = mutants(analysis, &all).into_iter().map(|mutant| {
        let differed = match mutant.output {
            Some(output) => verdict.outputs.get(output).is_some_and(|output| output.differed),
            None => verdict.outputs.iter().any(|output| output.differed) || apart(outcomes),
        };
        let found = !judge(&mutant.analysis, outcomes, labels, shape).misses.is_empty();
        (mutant.dropped, differed, found)
    });
    tried.collect()
}

fn smaller(finding: &mut Finding, settings: &Settings, analyze: &impl Analyze, evaluate: &impl Evaluate) {
    let cause = finding.miss.cause;
    let chosen = [0, finding.miss.variant];
    let mut last: Option<(Miss, String)> = None;
    let small = shrink(&finding.statement, settings.scripts, settings.shrink_attempts_max, |candidate| {
        let tried = try_one(candidate.clone(), &chosen, analyze, evaluate);
        let miss = tried.verdict.misses.iter().find(|miss| miss.cause == cause).cloned();
        let found = miss.is_some();
        if let Some(miss) = miss {
            last = Some((miss, told(&tried.analysis)));
        }
        found
    });
    finding.statement = small;
    if let Some((miss, reported)) = last {
        finding.miss = miss;
        finding.reported = reported;
    }
}
