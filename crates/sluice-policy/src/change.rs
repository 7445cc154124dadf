//! What one policy set says otherwise than another: rules, labels, settings. For people, and for the record of an activation.

use crate::set::PolicySet;
use std::collections::BTreeMap;
use std::fmt;

/// One part that differs. Absent before: it is new; absent after: it is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub part: Part,
    pub name: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Label,
    Release,
    Rule,
    Setting,
}

/// Everything that decides, each part as one text. The order of rules and of files decides nothing and is left out.
pub fn changes(old: &PolicySet, new: &PolicySet) -> Vec<Change> {
    let (mut before, after) = (parts(old), parts(new));
    let mut changes = Vec::new();
    for ((part, name), text) in after {
        let earlier = before.remove(&(part, name.clone()));
        if earlier.as_ref() != Some(&text) {
            changes.push(Change { part, name, before: earlier, after: Some(text) });
        }
    }
    changes.extend(before.into_iter().map(|((part, name), text)| Change { part, name, before: Some(text), after: None }));
    changes.sort();
    changes
}

fn parts(set: &PolicySet) -> BTreeMap<(Part, String), String> {
    let mut parts = BTreeMap::new();
    parts.extend(set.rules().map(|rule| ((Part::Rule, rule.duties.id.clone()), rule.text.clone())));
    parts.extend(set.labels.described().into_iter().map(|(name, text)| ((Part::Label, name), text)));
    parts.extend(set.labels.releases_described().into_iter().map(|(name, text)| ((Part::Release, name), text)));
    parts.extend(set.settings.described().into_iter().map(|(name, text)| ((Part::Setting, name), text)));
    parts
}

impl Change {
    /// `added`, `changed` or `removed`.
    pub fn word(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "added",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "removed",
        }
    }
}

impl Part {
    pub fn word(self) -> &'static str {
        match self {
            Part::Label => "label",
            Part::Release => "release",
            Part::Rule => "rule",
            Part::Setting => "setting",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} `{}`", self.word(), self.part.word(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;

    const SETTINGS: &str = "format = 1\nname = \"x\"\n[cost]\nmicros_per_tib = 1\n[[limits]]\nkind = \"agent\"\njobs_at_once_max = 1\n";
    const LABELS: &str = "format = 1\n[labels.a]\nmask = \"email\"\nreason = \"r\"\ncolumns = [\"p.d.t.x\"]\n";
    const RULES: &str = "@id(\"r\") @reason(\"r\") permit (principal, action == Action::\"connect\", resource);\n";

    fn set(settings: &str, labels: &str, rules: &str) -> PolicySet {
        let files = [("policy.toml", settings), ("labels.toml", labels), ("a.cedar", rules)];
        PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())))).unwrap()
    }

    fn check(settings: &str, labels: &str, rules: &str, expect: &[&str]) {
        let found: Vec<String> =
            changes(&set(SETTINGS, LABELS, RULES), &set(settings, labels, rules)).iter().map(Change::to_string).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn what_decides_is_compared() {
        check(SETTINGS, LABELS, RULES, &[]);
        check(SETTINGS, LABELS, &format!("// a note\n\n{RULES}"), &[]);
        check(SETTINGS, LABELS, &RULES.replace("(principal,", "(principal is Agent,"), &["changed rule `r`"]);
        check(SETTINGS, LABELS, &RULES.replace("@reason", "@hold(\"a, 1, fresh, 1h\") @reason"), &["changed rule `r`"]);
        check(SETTINGS, LABELS, &RULES.replace("@id(\"r\")", "@id(\"s\")"), &["removed rule `r`", "added rule `s`"]);
        check(&SETTINGS.replace("max = 1", "max = 2"), LABELS, RULES, &["changed setting `limit for kind agent`"]);
        check(&SETTINGS.replace("tib = 1", "tib = 1\nceiling_micros = 3"), LABELS, RULES, &["changed setting `ceiling_micros`"]);
        check(SETTINGS, &LABELS.replace("email", "sha256"), RULES, &["changed label `a`"]);
        check(SETTINGS, &LABELS.replace("p.d.t.x", "p.d.t.*"), RULES, &["changed label `a`"]);
        let released = format!("{LABELS}[[released]]\ncolumn = \"p.d.t.x\"\nlabel = \"a\"\nby = \"b\"\nreason = \"c\"\n");
        check(SETTINGS, &released, RULES, &["added release `p.d.t.x: a`"]);
    }
}
