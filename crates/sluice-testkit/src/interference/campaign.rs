//! Many statements, judged on all cores, and what is told of them at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_model::{Analysis, ColumnPath};

use super::generate::{Statement, statement};
use super::judge::{Cause, Miss, Outcome, Shape, Verdict, judge};
use super::mutate::{Drop, mutants};
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

#[derive(Clone, Debug)]
pub struct Finding {
    pub seed: u64,
    pub statement: Statement,
    pub miss: Miss,
    /// What the analysis said of it.
    pub reported: String,
}

/// Sums over all statements.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub statements: u64,
    pub refused: BTreeMap<String, u64>,
    /// Failed in every variant with the same text.
    pub failing: BTreeMap<String, u64>,
    pub failing_apart: u64,
    /// The evaluator gave up in some variant.
    pub abandoned: BTreeMap<String, u64>,
    pub empty: u64,
    /// Seeds of statements whose results were the same in all variants.
    pub silent: Vec<u64>,
    pub differing: u64,
    pub without_use: u64,
    pub excused: u64,
    pub mixed: u64,
    pub outputs: u64,
    pub labelled_outputs: u64,
    /// Labelled without a difference seen, and without a labelled source in the text they are built from.
    pub over_tainted: u64,
    pub over_tainted_seeds: Vec<u64>,
    /// Mutants of right analyses: made, and noticed. By whether the output of the mutant differed at all.
    pub mutants: BTreeMap<(Drop, bool), (u64, u64)>,
    pub findings: Vec<Finding>,
    pub analysis_time: Duration,
    pub evaluation_time: Duration,
    pub wall_time: Duration,
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

struct Tried {
    statement: Statement,
    analysis: Analysis,
    outcomes: Vec<Outcome>,
    verdict: Verdict,
    mutants: Vec<(Drop, bool, bool)>,
    analysis_time: Duration,
    evaluation_time: Duration,
}

fn try_one(statement: Statement, chosen: &[usize], analyze: &impl Analyze, evaluate: &impl Evaluate) -> Tried {
    let labels: Vec<Vec<ColumnPath>> = chosen.iter().map(|variant| varied(*variant)).collect();
    let began = Instant::now();
    let analysis = analyze.analyze(&statement.text);
    let analysis_time = began.elapsed();
    let outcomes: Vec<Outcome> = chosen.iter().map(|variant| evaluate.evaluate(&statement, *variant)).collect();
    let evaluation_time = began.elapsed() - analysis_time;
    let shape = Shape::of(&statement.text);
    let mut verdict = judge(&analysis, &outcomes, &labels, shape);
    let all: Vec<ColumnPath> = labels.iter().flatten().cloned().collect();
    let mut noticed = Vec::new();
    if verdict.misses.is_empty() && !verdict.refused {
        for mutant in mutants(&analysis, &all) {
            let differed = match mutant.output {
                Some(output) => verdict.outputs.get(output).is_some_and(|output| output.differed),
                None => verdict.outputs.iter().any(|output| output.differed) || apart(&outcomes),
            };
            let found = !judge(&mutant.analysis, &outcomes, &labels, shape).misses.is_empty();
            noticed.push((mutant.dropped, differed, found));
        }
    }
    for miss in &mut verdict.misses {
        miss.variant = chosen.get(miss.variant).copied().unwrap_or(miss.variant);
    }
    Tried { statement, analysis, outcomes, verdict, mutants: noticed, analysis_time, evaluation_time }
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

impl Report {
    fn add(&mut self, seed: u64, tried: &Tried) {
        self.statements += 1;
        self.analysis_time += tried.analysis_time;
        self.evaluation_time += tried.evaluation_time;
        self.add_outcomes(&tried.outcomes);
        if tried.outcomes.iter().all(|outcome| Some(outcome) == tried.outcomes.first()) {
            self.silent.push(seed);
        }
        if tried.verdict.refused {
            *self.refused.entry(refusal(&tried.analysis)).or_default() += 1;
            return;
        }
        let verdict = &tried.verdict;
        self.without_use += u64::from(verdict.uses == 0);
        self.excused += u64::from(verdict.excused);
        let labelled = verdict.outputs.iter().filter(|output| output.labelled).count();
        self.mixed += u64::from(labelled > 0 && labelled < verdict.outputs.len());
        self.differing += u64::from(verdict.outputs.iter().any(|output| output.differed));
        for (position, output) in verdict.outputs.iter().enumerate() {
            self.outputs += 1;
            self.labelled_outputs += u64::from(output.labelled);
            let clean = tried.statement.outputs.get(position).is_some_and(|output| !output.stained);
            if output.labelled && !output.differed && clean {
                self.over_tainted += 1;
                self.over_tainted_seeds.push(seed);
            }
        }
        for (dropped, differed, noticed) in &tried.mutants {
            let (made, found) = self.mutants.entry((*dropped, *differed)).or_default();
            *made += 1;
            *found += u64::from(*noticed);
        }
        if let Some(miss) = verdict.misses.first() {
            let reported = told(&tried.analysis);
            self.findings.push(Finding { seed, statement: tried.statement.clone(), miss: miss.clone(), reported });
        }
    }

    fn add_outcomes(&mut self, outcomes: &[Outcome]) {
        let given_up = outcomes.iter().find_map(|outcome| if let Outcome::Abandoned { why } = outcome { Some(why) } else { None });
        if let Some(why) = given_up {
            *self.abandoned.entry(general(why)).or_default() += 1;
            return;
        }
        let Some(base) = outcomes.first() else { return };
        match base {
            Outcome::Failed { message } if outcomes.iter().all(|outcome| outcome == base) => {
                *self.failing.entry(general(message)).or_default() += 1;
            }
            Outcome::Rows { rows, .. } if rows.is_empty() => self.empty += 1,
            _ => {}
        }
        self.failing_apart += u64::from(apart(outcomes));
    }

    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    pub fn failing_total(&self) -> u64 {
        self.failing.values().sum()
    }

    pub fn causes(&self) -> BTreeMap<Cause, usize> {
        let mut causes = BTreeMap::new();
        self.findings.iter().for_each(|finding| *causes.entry(finding.miss.cause).or_default() += 1);
        causes
    }
}

fn apart(outcomes: &[Outcome]) -> bool {
    let failed = |outcome: &&Outcome| matches!(outcome, Outcome::Failed { .. });
    outcomes.iter().any(|outcome| failed(&outcome)) && outcomes.windows(2).any(|pair| pair.first() != pair.last())
}

fn refusal(analysis: &Analysis) -> String {
    let unresolved = analysis.statements.iter().flat_map(|statement| &statement.unresolved).next();
    let reason = analysis.refused.as_ref().map(|refused| refused.reason.clone());
    let reason = reason.or_else(|| unresolved.map(|unresolved| unresolved.what.clone()));
    general(&reason.unwrap_or_default())
}

/// The beginning of a message without its numbers, so that equal ones are counted together.
fn general(message: &str) -> String {
    message.chars().take(90).map(|letter| if letter.is_ascii_digit() { '#' } else { letter }).collect()
}

/// What an analysis says, in a few lines.
pub fn told(analysis: &Analysis) -> String {
    let mut lines = Vec::new();
    for statement in &analysis.statements {
        for output in &statement.outputs {
            let exposures = output.exposures.iter().map(|exposure| {
                let at = if exposure.at.is_empty() { String::new() } else { format!("{}: ", exposure.at.join(".")) };
                format!("{at}{} {:?}", exposure.column.path.join("."), exposure.how)
            });
            lines.push(format!("{} {} <- {}", statement.kind, output.name, exposures.collect::<Vec<_>>().join(", ")));
        }
        let uses = statement.uses.iter().map(|found| format!("{} {:?}", found.column.path.join("."), found.how));
        lines.push(format!("{} uses: {}", statement.kind, uses.collect::<Vec<_>>().join(", ")));
    }
    lines.join("\n")
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
        let judged = self.statements - self.refused_total();
        writeln!(formatter, "{} statements, {judged} judged, {} misses {:?}", self.statements, self.findings.len(), self.causes())?;
        writeln!(formatter, "refused: {} {:#?}", self.refused_total(), self.refused)?;
        writeln!(formatter, "fail in all variants: {} {:#?}", self.failing_total(), self.failing)?;
        writeln!(formatter, "abandoned: {:#?}", self.abandoned)?;
        writeln!(formatter, "fail in some variants or differently: {}; no rows: {}", self.failing_apart, self.empty)?;
        writeln!(formatter, "an output differs: {:.1} %", percent(self.differing, judged))?;
        writeln!(
            formatter,
            "no labelled use: {:.1} %; excused by a use: {:.1} %",
            percent(self.without_use, judged),
            percent(self.excused, judged)
        )?;
        writeln!(formatter, "labelled and unlabelled outputs together: {:.1} %", percent(self.mixed, judged))?;
        let over = percent(self.over_tainted, self.labelled_outputs);
        writeln!(
            formatter,
            "{} outputs, {} labelled, over-tainted: {} ({over:.1} %)",
            self.outputs, self.labelled_outputs, self.over_tainted
        )?;
        for ((dropped, differed), (made, found)) in &self.mutants {
            let differed = if *differed { "differed" } else { "did not differ" };
            writeln!(
                formatter,
                "mutants without {dropped:?} ({differed}): {made} made, {found} noticed ({:.1} %)",
                percent(*found, *made)
            )?;
        }
        let each = |time: Duration| time.as_secs_f64() * 1000.0 / self.statements.max(1) as f64;
        writeln!(
            formatter,
            "{:.1} s; per statement {:.1} ms of analysis, {:.1} ms of evaluation",
            self.wall_time.as_secs_f64(),
            each(self.analysis_time),
            each(self.evaluation_time)
        )?;
        for finding in &self.findings {
            writeln!(
                formatter,
                "\nseed {}: {:?} in variant {}: {}",
                finding.seed, finding.miss.cause, finding.miss.variant, finding.miss.detail
            )?;
            writeln!(formatter, "{}\n{}", finding.statement.text, finding.reported)?;
        }
        Ok(())
    }
}
