//! `policy.toml`: prices, the hard ceiling, limits, and what each connection's judges are.

use crate::finding::{FindingEntry, FindingRules};
use crate::limit::{Limit, LimitRule, Who};
use serde::Deserialize;
use sluice_model::principal::CallerKind;
use std::collections::BTreeMap;
use std::fmt;

pub const SETTINGS_FORMAT: u32 = 1;
/// They are remembered one by one.
const PROBES_MAX: u32 = 1_000;
const PROBING_MINUTES_MAX: u32 = 24 * 60;
const BYTES_PER_TIB: u128 = 1 << 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub name: String,
    pub micros_per_tib: u64,
    /// Above it nothing runs, whoever approves.
    pub ceiling_micros: Option<u64>,
    pub judges: BTreeMap<String, JudgeMode>,
    pub limits: Vec<LimitRule>,
    pub probing: Probing,
    /// What a column does that nobody labelled and that looks sensitive.
    pub findings: FindingRules,
}

/// How often one caller may ask by labelled columns before somebody should look: a predicate answers one bit, and bits add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probing {
    /// Requests that were refused for it.
    pub refused_max: u32,
    /// Requests that a rule let through.
    pub permitted_max: u32,
    /// Jobs that failed over values which their caller may not see.
    pub failed_max: u32,
    pub within_minutes: u32,
}

/// Who must agree on what a statement does before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JudgeMode {
    /// The analysis alone: for an endpoint whose dry run names no tables. Every record says so.
    Analysis,
    /// The analysis and the dry run.
    #[default]
    Both,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    format: u32,
    name: String,
    cost: CostEntry,
    #[serde(default)]
    connections: BTreeMap<String, ConnectionEntry>,
    #[serde(default)]
    limits: Vec<LimitEntry>,
    #[serde(default)]
    probing: ProbingEntry,
    #[serde(default)]
    findings: BTreeMap<String, FindingEntry>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbingEntry {
    refused_max: Option<u32>,
    permitted_max: Option<u32>,
    failed_max: Option<u32>,
    within_minutes: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CostEntry {
    micros_per_tib: u64,
    ceiling_micros: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionEntry {
    judge: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitEntry {
    kind: Option<String>,
    group: Option<String>,
    caller: Option<String>,
    requests_per_second_max: Option<u64>,
    jobs_at_once_max: Option<u64>,
    bytes_per_day_max: Option<u64>,
    cost_micros_per_day_max: Option<u64>,
}

impl Settings {
    pub fn read(text: &str) -> Result<Settings, Vec<String>> {
        let file: SettingsFile = toml::from_str(text).map_err(|error| vec![error.message().to_owned()])?;
        let mut problems = Vec::new();
        if file.format != SETTINGS_FORMAT {
            problems.push(format!("format {} is not {SETTINGS_FORMAT}", file.format));
        }
        if file.name.trim().is_empty() {
            problems.push("the set has no name".to_owned());
        }
        let judges = file.connections.into_iter().filter_map(|(name, entry)| match JudgeMode::parse(&entry.judge) {
            Some(mode) => Some((name, mode)),
            None => {
                problems.push(format!("judge `{}` of connection `{name}` is neither both nor analysis", entry.judge));
                None
            }
        });
        let judges = judges.collect();
        let findings = FindingRules::read(&file.findings, &mut problems);
        let limits = file.limits.into_iter().filter_map(|entry| entry.read(&mut problems)).collect();
        let probing = file.probing.read(&mut problems);
        let settings = Settings {
            name: file.name,
            micros_per_tib: file.cost.micros_per_tib,
            ceiling_micros: file.cost.ceiling_micros,
            judges,
            limits,
            probing,
            findings,
        };
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }

    pub fn judge(&self, connection: &str) -> JudgeMode {
        self.judges.get(connection).copied().unwrap_or_default()
    }

    /// Each setting as one text.
    pub fn described(&self) -> BTreeMap<String, String> {
        let mut described = BTreeMap::from([
            ("name".to_owned(), self.name.clone()),
            ("micros_per_tib".to_owned(), self.micros_per_tib.to_string()),
            ("ceiling_micros".to_owned(), self.ceiling_micros.map_or("none".to_owned(), |ceiling| ceiling.to_string())),
            ("probing".to_owned(), self.probing.to_string()),
        ]);
        described.extend(self.findings.described());
        described.extend(self.judges.iter().map(|(name, judge)| (format!("judge of connection {name}"), judge.word().to_owned())));
        for rule in &self.limits {
            // Several for the same caller all hold, so they stand in one text.
            let text = described.entry(format!("limit for {}", rule.who)).or_default();
            text.push_str(&format!("{}; ", rule.limit));
        }
        described
    }

    /// Rounded up: a byte is never free.
    pub fn cost_micros(&self, bytes: u64) -> u64 {
        let micros = (u128::from(bytes) * u128::from(self.micros_per_tib)).div_ceil(BYTES_PER_TIB);
        u64::try_from(micros).unwrap_or(u64::MAX)
    }

    /// How many bytes an amount buys. Nothing where bytes are free.
    pub fn bytes_for(&self, micros: u64) -> Option<u64> {
        let bytes = (u128::from(micros) * BYTES_PER_TIB).checked_div(u128::from(self.micros_per_tib))?;
        Some(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl Default for Probing {
    fn default() -> Probing {
        Probing { refused_max: 10, permitted_max: 200, failed_max: 10, within_minutes: 10 }
    }
}

impl fmt::Display for Probing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Probing { refused_max, permitted_max, failed_max, within_minutes } = self;
        write!(
            formatter,
            "{refused_max} refused, {permitted_max} permitted or {failed_max} failed requests within {within_minutes} minutes"
        )
    }
}

impl ProbingEntry {
    fn read(self, problems: &mut Vec<String>) -> Probing {
        let default = Probing::default();
        let mut bounded = |name: &str, value: Option<u32>, default: u32, max: u32| {
            let value = value.unwrap_or(default);
            if !(1..=max).contains(&value) {
                problems.push(format!("{name} of [probing] is {value}, not 1 to {max}"));
            }
            value
        };
        Probing {
            refused_max: bounded("refused_max", self.refused_max, default.refused_max, PROBES_MAX),
            permitted_max: bounded("permitted_max", self.permitted_max, default.permitted_max, PROBES_MAX),
            failed_max: bounded("failed_max", self.failed_max, default.failed_max, PROBES_MAX),
            within_minutes: bounded("within_minutes", self.within_minutes, default.within_minutes, PROBING_MINUTES_MAX),
        }
    }
}

impl JudgeMode {
    pub fn parse(word: &str) -> Option<JudgeMode> {
        match word {
            "analysis" => Some(JudgeMode::Analysis),
            "both" => Some(JudgeMode::Both),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            JudgeMode::Analysis => "analysis",
            JudgeMode::Both => "both",
        }
    }
}

impl LimitEntry {
    fn read(self, problems: &mut Vec<String>) -> Option<LimitRule> {
        let who = match (self.kind, self.group, self.caller) {
            (None, None, None) => Who::Everyone,
            (Some(kind), None, None) => match CallerKind::parse(&kind) {
                Some(kind) => Who::Kind(kind),
                None => {
                    problems.push(format!("limit for kind `{kind}`, which is none of agent, person, pipeline, service"));
                    return None;
                }
            },
            (None, Some(group), None) => Who::Group(group),
            (None, None, Some(caller)) => Who::One(caller),
            _ => {
                problems.push("a limit is for one of kind, group or caller".to_owned());
                return None;
            }
        };
        let limit = Limit {
            requests_per_second_max: self.requests_per_second_max,
            jobs_at_once_max: self.jobs_at_once_max,
            bytes_per_day_max: self.bytes_per_day_max,
            cost_micros_per_day_max: self.cost_micros_per_day_max,
        };
        if limit == Limit::default() {
            problems.push("a limit that limits nothing".to_owned());
        }
        Some(LimitRule { who, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_price() {
        let settings = Settings::read("format = 1\nname = \"a\"\n[cost]\nmicros_per_tib = 6250000").unwrap();
        for (bytes, expect) in [(0, 0), (1, 1), (1 << 40, 6_250_000), ((1 << 40) + 1, 6_250_001), (u64::MAX, 104_857_600_000_000)] {
            assert_eq!(settings.cost_micros(bytes), expect, "{bytes}");
        }
        assert_eq!(settings.judge("any"), JudgeMode::Both);
    }

    #[test]
    fn every_problem_is_said_at_once() {
        let problems = |text: &str| Settings::read(text).map_or_else(|problems| problems.len(), |_| 0);
        assert_eq!(problems("format = 1"), 1);
        assert_eq!(problems("format = 1\nname = \"a\"\nnmae = 1\n[cost]\nmicros_per_tib = 1"), 1);
        let text = "format = 2\nname = \" \"\n[cost]\nmicros_per_tib = 1\n[connections.x]\njudge = \"none\"\n\
            [[limits]]\nkind = \"robot\"\n[[limits]]\nkind = \"agent\"\ngroup = \"x\"\n[[limits]]\n";
        assert_eq!(problems(text), 6);
    }
}
