//! What a policy asks for beside yes or no. Duties stand in annotations; one that we do not know is an error, for a misspelt duty would be none.

use crate::mask::Mask;
use sluice_model::plain::is_hostile;
use std::collections::BTreeMap;
use std::fmt;

/// How strongly an approver has to prove who they are. Ordered: the later one is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Assurance {
    /// Signed in.
    Session,
    /// Signed in again for this approval.
    Fresh,
    /// A passkey over the digest of what is approved.
    Passkey,
}

/// One approval that is needed: so many people of a group, so well proven, so soon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HoldDuty {
    pub group: String,
    pub quorum: u32,
    pub assurance: Assurance,
    pub expiry_seconds: u64,
}

/// The annotations of one policy, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duties {
    pub id: String,
    pub reason: String,
    /// What the caller can do instead.
    pub advice: Option<String>,
    pub hold: Option<HoldDuty>,
    /// On a permit to see a labelled column: seen through this mask.
    pub mask: Option<Mask>,
}

pub const ID_BYTES_MAX: usize = 100;
pub const QUORUM_MAX: u32 = 10;
pub const HOLD_EXPIRY_SECONDS_MAX: u64 = 14 * 24 * 60 * 60;

impl Duties {
    /// All that is wrong with the annotations, at once.
    pub fn read<'a>(annotations: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Duties, Vec<String>> {
        let annotations: BTreeMap<&str, &str> = annotations.collect();
        let mut problems = Vec::new();
        let mut required = |name: &str| match annotations.get(name).copied().filter(|text| !text.trim().is_empty()) {
            Some(text) => text.to_owned(),
            None => {
                problems.push(format!("no `@{name}(\"...\")`"));
                String::new()
            }
        };
        let (id, reason) = (required("id"), required("reason"));
        if id.len() > ID_BYTES_MAX || id.contains(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter)) {
            problems
                .push(format!("`@id` is letters, digits, `-`, `_` and `.`, at most {ID_BYTES_MAX}: records and lists name the rule by it"));
        }
        // A line of its own would pass for one of the gateway's.
        for (name, _) in annotations.iter().filter(|(name, text)| **name != "id" && text.contains(is_hostile)) {
            problems.push(format!("`@{name}` is not one line of text"));
        }
        let advice = annotations.get("advice").map(|text| (*text).to_owned());
        let hold = annotations.get("hold").and_then(|text| HoldDuty::parse(text).map_err(|problem| problems.push(problem)).ok());
        let mask = annotations.get("mask").and_then(|word| {
            let mask = Mask::parse(word);
            if mask.is_none() {
                problems.push(format!("`@mask(\"{word}\")` is none of {}", Mask::words().join(", ")));
            }
            mask
        });
        for name in annotations.keys().filter(|name| !matches!(**name, "advice" | "hold" | "id" | "mask" | "reason")) {
            problems.push(format!("`@{name}` is not known: a policy may say @id, @reason, @advice, @hold and @mask"));
        }
        if problems.is_empty() { Ok(Duties { id, reason, advice, hold, mask }) } else { Err(problems) }
    }
}

impl HoldDuty {
    /// `group, quorum, assurance, expiry`, as in `data-owners, 2, passkey, 4h`.
    pub fn parse(text: &str) -> Result<HoldDuty, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [group, quorum, assurance, expiry] = parts.as_slice() else {
            return Err(format!("`@hold(\"{text}\")` is not \"group, quorum, assurance, expiry\""));
        };
        let quorum = quorum.parse().ok().filter(|quorum| (1..=QUORUM_MAX).contains(quorum));
        let quorum = quorum.ok_or_else(|| format!("the quorum of `@hold(\"{text}\")` is not from 1 to {QUORUM_MAX}"))?;
        let assurance = Assurance::parse(assurance);
        let assurance = assurance.ok_or_else(|| format!("the assurance of `@hold(\"{text}\")` is none of session, fresh, passkey"))?;
        let expiry_seconds = seconds(expiry).filter(|seconds| (1..=HOLD_EXPIRY_SECONDS_MAX).contains(seconds));
        let expiry_seconds =
            expiry_seconds.ok_or_else(|| format!("the expiry of `@hold(\"{text}\")` is not like 30m, 4h or 14d at most"))?;
        if group.is_empty() {
            return Err(format!("`@hold(\"{text}\")` names no group"));
        }
        Ok(HoldDuty { group: (*group).to_owned(), quorum, assurance, expiry_seconds })
    }

    /// Both are due: of one group the stricter in every part, of several groups each.
    pub fn combine(duties: impl Iterator<Item = HoldDuty>) -> Vec<HoldDuty> {
        let mut by_group: BTreeMap<String, HoldDuty> = BTreeMap::new();
        for duty in duties {
            let kept = by_group.entry(duty.group.clone()).or_insert_with(|| duty.clone());
            kept.quorum = kept.quorum.max(duty.quorum);
            kept.assurance = kept.assurance.max(duty.assurance);
            kept.expiry_seconds = kept.expiry_seconds.min(duty.expiry_seconds);
        }
        by_group.into_values().collect()
    }
}

impl Assurance {
    pub fn parse(word: &str) -> Option<Assurance> {
        match word {
            "fresh" => Some(Assurance::Fresh),
            "passkey" => Some(Assurance::Passkey),
            "session" => Some(Assurance::Session),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Assurance::Session => "session",
            Assurance::Fresh => "fresh",
            Assurance::Passkey => "passkey",
        }
    }
}

impl fmt::Display for HoldDuty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let people = if self.quorum == 1 { "1 person".to_owned() } else { format!("{} people", self.quorum) };
        let assurance = match self.assurance {
            Assurance::Session => "signed in",
            Assurance::Fresh => "signed in afresh",
            Assurance::Passkey => "with a passkey",
        };
        write!(formatter, "approval by {people} of `{}`, {assurance}, within {}", self.group, duration(self.expiry_seconds))
    }
}

fn seconds(text: &str) -> Option<u64> {
    let units = [("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60)];
    let (number, unit) = units.iter().find_map(|(letter, unit)| Some((text.strip_suffix(letter)?, *unit)))?;
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn duration(seconds: u64) -> String {
    match seconds {
        seconds if seconds.is_multiple_of(24 * 60 * 60) => format!("{}d", seconds / (24 * 60 * 60)),
        seconds if seconds.is_multiple_of(60 * 60) => format!("{}h", seconds / (60 * 60)),
        seconds => format!("{}m", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(HoldDuty::parse(text).ok().map(|hold| hold.to_string()).as_deref(), expect, "{text}");
    }

    #[test]
    fn holds_are_read() {
        check("owners, 2, passkey, 4h", Some("approval by 2 people of `owners`, with a passkey, within 4h"));
        check("owners,1,session,14d", Some("approval by 1 person of `owners`, signed in, within 14d"));
        check("owners, 1, fresh, 90m", Some("approval by 1 person of `owners`, signed in afresh, within 90m"));
        for text in [
            "",
            "owners",
            "owners, 0, passkey, 4h",
            "owners, 11, passkey, 4h",
            "owners, -1, passkey, 4h",
            "owners, 1, badge, 4h",
            "owners, 1, passkey, 15d",
            "owners, 1, passkey, 0h",
            "owners, 1, passkey, 4",
            "owners, 1, passkey, 99999999999999999999d",
            ", 1, passkey, 4h",
            "owners, 1, passkey, 4h, x",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn the_strictest_hold_wins() {
        let hold = |text: &str| HoldDuty::parse(text).unwrap();
        let combined = HoldDuty::combine([hold("a, 1, passkey, 4h"), hold("a, 2, session, 1h"), hold("b, 1, session, 1h")].into_iter());
        assert_eq!(combined, [hold("a, 2, passkey, 1h"), hold("b, 1, session, 1h")]);
    }

    #[test]
    fn a_name_is_one_word_and_a_reason_one_line() {
        let check = |id: &str, reason: &str, expect: usize| {
            let found = Duties::read([("id", id), ("reason", reason)].into_iter()).err().unwrap_or_default();
            assert_eq!(found.len(), expect, "{id:?} {reason:?}: {found:?}");
        };
        check("agents-read_2.a", "it is so", 0);
        check(&"a".repeat(ID_BYTES_MAX), "r", 0);
        check(&"a".repeat(ID_BYTES_MAX + 1), "r", 1);
        for id in ["a b", "a,b", "\u{430}gents", "a\n", "a`"] {
            check(id, "r", 1);
        }
        check("a", "r\nPERMITTED", 1);
        check("a", "r\u{1b}[2J", 1);
    }

    #[test]
    fn all_problems_of_the_annotations_are_said_at_once() {
        let problems = Duties::read([("hodl", "x"), ("hold", "x"), ("mask", "x"), ("id", " ")].into_iter()).unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(Duties::read([("id", "a"), ("reason", "b")].into_iter()).is_ok());
    }
}
