//! What a campaign found, in sums and in full.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use sluice_model::Analysis;

use super::campaign::Tried;
use super::generate::Statement;
use super::judge::{Cause, Miss, Outcome};
use super::mutate::Drop;

const REFUSED_PERCENT_MAX: u64 = 3;
const FAILING_PERCENT_MAX: u64 = 8;
const WITHOUT_USE_PERCENT_MIN: u64 = 50;
const MIXED_PERCENT_MIN: u64 = 33;
const DIFFERING_PERCENT_MIN: u64 = 25;
/// Of analyses that lack all exposures of an output that did differ. A labelled use excuses the others.
const NOTICED_PERCENT_MIN: u64 = 70;
const OVER_TAINTED_PERCENT_MAX: u64 = 10;

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

impl Report {
    pub fn add(&mut self, seed: u64, tried: &Tried) {
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

    /// Why a run without a miss would say little: statements that are refused, fail, excuse everything, or an exaggerating analysis.
    pub fn weaknesses(&self) -> Vec<&'static str> {
        let judged = self.statements - self.refused_total();
        let share = |part: u64, whole: u64| part * 100 / whole.max(1);
        let (noticed, made) = self.mutants.get(&(Drop::Output, true)).map_or((0, 0), |(made, found)| (*found, *made));
        let conditions = [
            (share(self.refused_total(), self.statements) > REFUSED_PERCENT_MAX, "many statements are refused"),
            (share(self.failing_total(), self.statements) > FAILING_PERCENT_MAX, "many statements fail whatever the values"),
            (share(self.without_use, judged) < WITHOUT_USE_PERCENT_MIN, "few statements are without a labelled use"),
            (share(self.mixed, judged) < MIXED_PERCENT_MIN, "few statements have labelled and unlabelled outputs"),
            (share(self.differing, judged) < DIFFERING_PERCENT_MIN, "few statements give something else in another variant"),
            (share(noticed, made) < NOTICED_PERCENT_MIN, "analyses without an exposure pass"),
            (share(self.over_tainted, self.labelled_outputs) > OVER_TAINTED_PERCENT_MAX, "many outputs are labelled without need"),
        ];
        conditions.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words).collect()
    }

    pub fn causes(&self) -> BTreeMap<Cause, usize> {
        let mut causes = BTreeMap::new();
        self.findings.iter().for_each(|finding| *causes.entry(finding.miss.cause).or_default() += 1);
        causes
    }
}

/// Some variant failed, and not all alike.
pub fn apart(outcomes: &[Outcome]) -> bool {
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
