//! What nobody labelled and looks sensitive: which kinds of it there are, and what a finding does.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

macro_rules! finding_kinds {
    ($($(#[$comment:meta])* $name:ident = $word:literal;)*) => {
        /// What the values of a column look like.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FindingKind {
            $($(#[$comment])* $name,)*
        }

        impl FindingKind {
            pub const ALL: &[FindingKind] = &[$(FindingKind::$name,)*];

            pub const fn word(self) -> &'static str {
                match self {
                    $(FindingKind::$name => $word,)*
                }
            }

            pub fn parse(word: &str) -> Option<FindingKind> {
                match word {
                    $($word => Some(FindingKind::$name),)*
                    _ => None,
                }
            }
        }
    };
}

finding_kinds! {
    CardNumber = "card_number";
    /// By the name of its column alone: a date is a date.
    DateOfBirth = "date_of_birth";
    Email = "email";
    Iban = "iban";
    IpAddress = "ip_address";
    /// Of the National Health Service of England.
    NhsNumber = "nhs_number";
    /// By the name of its column alone.
    PersonName = "person_name";
    Telephone = "telephone";
    /// National Provider Identifier of the United States.
    UsNpi = "us_npi";
    UsSsn = "us_ssn";
}

/// In a policy set: for every kind that has no rule of its own.
const ALL_KINDS: &str = "all";
/// Different values: one odd cell, however often it is read, is no finding.
const VALUES_MIN: u32 = 5;
const VALUES_MAX: u32 = 64;
const PERCENT_MAX: u32 = 100;

/// What happens when a column is found to hold something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FindingAct {
    /// Nobody looks for it.
    Ignore,
    /// The column gets this label at once.
    Label(String),
    /// Whoever may not see labelled columns is refused this one, until a person labels or releases it.
    Refuse,
    /// It is on record, counted, and said in the log.
    #[default]
    Warn,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingRule {
    pub act: FindingAct,
    /// Of the cells that were looked at.
    pub share_percent_min: u32,
    pub values_min: u32,
}

/// One for each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingRules(BTreeMap<FindingKind, FindingRule>);

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindingEntry {
    act: Option<String>,
    label: Option<String>,
    share_percent_min: Option<u32>,
    values_min: Option<u32>,
}

impl FindingKind {
    /// Of these even a few in a long text are too many; names and dates are only told by most of a column.
    fn share_percent_min(self) -> u32 {
        match self {
            FindingKind::CardNumber | FindingKind::Iban | FindingKind::UsSsn => 2,
            FindingKind::Email => 5,
            FindingKind::IpAddress | FindingKind::Telephone => 10,
            FindingKind::NhsNumber | FindingKind::UsNpi => 20,
            FindingKind::DateOfBirth | FindingKind::PersonName => 50,
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl FindingAct {
    pub fn word(&self) -> &'static str {
        match self {
            FindingAct::Ignore => "ignore",
            FindingAct::Label(_) => "label",
            FindingAct::Refuse => "refuse",
            FindingAct::Warn => "warn",
        }
    }
}

impl Default for FindingRules {
    fn default() -> FindingRules {
        let rule = |kind: &FindingKind| {
            let rule = FindingRule { act: FindingAct::Warn, share_percent_min: kind.share_percent_min(), values_min: VALUES_MIN };
            (*kind, rule)
        };
        FindingRules(FindingKind::ALL.iter().map(rule).collect())
    }
}

impl FindingRules {
    pub(crate) fn read(entries: &BTreeMap<String, FindingEntry>, problems: &mut Vec<String>) -> FindingRules {
        let mut rules = FindingRules::default();
        // What is said of all is changed by what is said of one.
        if let Some(entry) = entries.get(ALL_KINDS) {
            rules.0.values_mut().for_each(|rule| entry.put(ALL_KINDS, rule, problems));
        }
        for (word, entry) in entries.iter().filter(|(word, _)| *word != ALL_KINDS) {
            match FindingKind::parse(word).and_then(|kind| rules.0.get_mut(&kind)) {
                Some(rule) => entry.put(word, rule, problems),
                None => {
                    let words: Vec<&str> = FindingKind::ALL.iter().map(|kind| kind.word()).collect();
                    problems.push(format!("findings.{word}: kinds are {ALL_KINDS}, {}", words.join(", ")));
                }
            }
        }
        problems.dedup();
        rules
    }

    /// Nothing if nobody looks for it.
    pub fn of(&self, kind: FindingKind) -> Option<&FindingRule> {
        self.0.get(&kind).filter(|rule| rule.act != FindingAct::Ignore)
    }

    pub fn looks_for_any(&self) -> bool {
        self.0.values().any(|rule| rule.act != FindingAct::Ignore)
    }

    /// The labels that findings give.
    pub fn labels(&self) -> impl Iterator<Item = (FindingKind, &str)> {
        self.0.iter().filter_map(|(kind, rule)| match &rule.act {
            FindingAct::Label(label) => Some((*kind, label.as_str())),
            _ => None,
        })
    }

    /// Each rule that is not what it would be without a word, as one text.
    pub(crate) fn described(&self) -> BTreeMap<String, String> {
        let plain = FindingRules::default();
        let changed = self.0.iter().filter(|(kind, rule)| plain.0.get(kind) != Some(rule));
        let text = |(kind, rule): (&FindingKind, &FindingRule)| {
            let label = match &rule.act {
                FindingAct::Label(label) => format!(" {label}"),
                _ => String::new(),
            };
            let text = format!("{}{label}, from {} percent and {} values", rule.act.word(), rule.share_percent_min, rule.values_min);
            (format!("findings of {kind}"), text)
        };
        changed.map(text).collect()
    }
}

impl FindingEntry {
    fn put(&self, word: &str, rule: &mut FindingRule, problems: &mut Vec<String>) {
        match (self.act.as_deref(), &self.label) {
            (None, None) => {}
            (None | Some("label"), Some(label)) => rule.act = FindingAct::Label(label.clone()),
            (Some("ignore"), None) => rule.act = FindingAct::Ignore,
            (Some("refuse"), None) => rule.act = FindingAct::Refuse,
            (Some("warn"), None) => rule.act = FindingAct::Warn,
            (Some("label"), None) => problems.push(format!("findings.{word}: `act = \"label\"` without `label`")),
            (Some(act), _) => {
                problems.push(format!("findings.{word}: act `{act}` is none of ignore, refuse, warn, or stands beside `label`"));
            }
        }
        rule.share_percent_min = self.share_percent_min.unwrap_or(rule.share_percent_min);
        rule.values_min = self.values_min.unwrap_or(rule.values_min);
        if !(1..=PERCENT_MAX).contains(&rule.share_percent_min) {
            problems.push(format!("findings.{word}: share_percent_min is 1 to {PERCENT_MAX}"));
        }
        if !(1..=VALUES_MAX).contains(&rule.values_min) {
            problems.push(format!("findings.{word}: values_min is 1 to {VALUES_MAX}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FindingRules, Vec<String>> {
        let entries: BTreeMap<String, FindingEntry> = toml::from_str(text).map_err(|error| vec![error.message().to_owned()])?;
        let mut problems = Vec::new();
        let rules = FindingRules::read(&entries, &mut problems);
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }

    #[test]
    fn one_kind_says_more_than_all() {
        let check = |text: &str, kind: FindingKind, expect: Option<(FindingAct, u32, u32)>| {
            let rules = read(text).unwrap();
            let found = rules.of(kind).map(|rule| (rule.act.clone(), rule.share_percent_min, rule.values_min));
            assert_eq!(found, expect, "{text}");
        };
        let card = FindingKind::CardNumber;
        check("", card, Some((FindingAct::Warn, 2, 5)));
        check("", FindingKind::PersonName, Some((FindingAct::Warn, 50, 5)));
        check("all = { act = \"refuse\" }", card, Some((FindingAct::Refuse, 2, 5)));
        check("all = { act = \"ignore\" }\ncard_number = { label = \"payment\" }", card, Some((FindingAct::Label("payment".into()), 2, 5)));
        check("all = { act = \"ignore\" }\ncard_number = { label = \"payment\" }", FindingKind::Email, None);
        check("card_number = { share_percent_min = 40, values_min = 9 }", card, Some((FindingAct::Warn, 40, 9)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in [
            "cards = { act = \"warn\" }",
            "email = { act = \"label\" }",
            "email = { act = \"refuse\", label = \"contact\" }",
            "email = { act = \"mask\" }",
            "email = { share_percent_min = 0 }",
            "email = { share_percent_min = 101 }",
            "email = { values_min = 65 }",
            "email = { percent = 5 }",
        ] {
            assert_eq!(read(text).map_err(|problems| problems.len()), Err(1), "{text}");
        }
    }

    #[test]
    fn words_are_one_to_one() {
        for kind in FindingKind::ALL {
            assert_eq!(FindingKind::parse(kind.word()), Some(*kind));
        }
    }
}
