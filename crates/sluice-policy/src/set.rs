//! A policy set, read and checked whole. What does not pass every check is never asked.

use crate::bundle::{BUNDLE_BYTES_MAX, Bundle, BundleDigest, LABELS_FILE, SETTINGS_FILE};
use crate::condition::{self, Condition};
use crate::duty::Duties;
use crate::index::Index;
use crate::labels::Labels;
use crate::mention::Mention;
use crate::nesting::{self, NESTING_MAX};
use crate::problem::Problem;
use crate::schema::Vocabulary;
use crate::settings::Settings;
use cedar_policy::{ActionConstraint, Effect, Policy, PolicyId, ValidationMode, Validator};
use std::collections::HashMap;
use std::sync::Arc;

/// Rules, labels and settings under one digest.
#[derive(Debug)]
pub struct PolicySet {
    pub digest: BundleDigest,
    pub settings: Settings,
    pub labels: Labels,
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) index: Index,
    pub(crate) vocabulary: &'static Vocabulary,
}

/// One policy and what it says beside yes or no.
#[derive(Debug)]
pub struct Rule {
    pub file: String,
    pub duties: Duties,
    pub forbids: bool,
    /// It reads the dry run, so it cannot be asked before there is one.
    pub asks_for_cost: bool,
    /// The policy in Cedar's own spelling, for comparing one set with another.
    pub text: String,
    pub(crate) mentions: Vec<Mention>,
    /// Counted through the set.
    pub(crate) number: usize,
    /// None: a head and nothing else.
    pub(crate) condition: Option<Condition>,
}

pub const RULES_MAX: usize = 10_000;

impl PolicySet {
    /// Everything that is wrong is said at once.
    pub fn load(bundle: &Bundle) -> Result<PolicySet, Vec<Problem>> {
        let vocabulary = Vocabulary::shared().map_err(|problem| vec![problem.clone()])?;
        let mut problems = Vec::new();
        if bundle.bytes() > BUNDLE_BYTES_MAX {
            return Err(vec![Problem::new("the set", format!("{} bytes, at most {BUNDLE_BYTES_MAX}", bundle.bytes()))]);
        }
        for (name, _) in bundle.files().filter(|(name, _)| !Bundle::takes(name)) {
            problems.push(Problem::new(name, "decides nothing: a set holds policy.toml, labels.toml and .cedar files"));
        }
        let settings = part(bundle, SETTINGS_FILE, Settings::read, &mut problems);
        let labels = part(bundle, LABELS_FILE, Labels::read, &mut problems);
        let policies = read_policies(bundle, vocabulary, &mut problems);
        let (Some(settings), Some(labels)) = (settings, labels) else {
            problems.sort();
            return Err(problems);
        };
        for (kind, label) in settings.findings.labels().filter(|(_, label)| labels.names().all(|known| known.name != *label)) {
            problems.push(Problem::new(SETTINGS_FILE, format!("findings.{kind}: label `{label}` is not in {LABELS_FILE}")));
        }
        if !problems.is_empty() {
            problems.sort();
            return Err(problems);
        }
        let policies: Vec<(Policy, Arc<Rule>)> =
            policies.into_iter().enumerate().map(|(number, (policy, rule))| (policy, Arc::new(Rule { number, ..rule }))).collect();
        let index = Index::build(policies.iter().map(|(policy, rule)| (policy, rule)), vocabulary);
        let rules = policies.into_iter().map(|(_, rule)| rule).collect();
        Ok(PolicySet { digest: bundle.digest(), settings, labels, rules, index, vocabulary })
    }

    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(Arc::as_ref)
    }
}

fn part<T>(bundle: &Bundle, name: &str, read: fn(&str) -> Result<T, Vec<String>>, problems: &mut Vec<Problem>) -> Option<T> {
    let Some(text) = bundle.file(name) else {
        problems.push(Problem::new(name, "missing: a set without it would decide less than it seems to"));
        return None;
    };
    match read(text) {
        Ok(part) => Some(part),
        Err(found) => {
            problems.extend(found.into_iter().map(|text| Problem::new(name, text)));
            None
        }
    }
}

fn read_policies(bundle: &Bundle, vocabulary: &Vocabulary, problems: &mut Vec<Problem>) -> Vec<(Policy, Rule)> {
    let validator = Validator::new(vocabulary.schema.clone());
    let mut read: Vec<(Policy, Rule)> = Vec::new();
    for (file, source) in bundle.policies() {
        if let Some(line) = nesting::too_deep(source) {
            let text = format!("brackets and `if` stand more than {NESTING_MAX} levels deep in one another");
            problems.push(Problem { line: Some(line), ..Problem::new(file, text) });
            continue;
        }
        let set: cedar_policy::PolicySet = match source.parse() {
            Ok(set) => set,
            Err(errors) => {
                let errors: cedar_policy::ParseErrors = errors;
                problems.extend(errors.iter().map(|error| Problem::of(file, source, error)));
                continue;
            }
        };
        if set.templates().next().is_some() {
            problems.push(Problem::new(file, "has a template (`?principal`, `?resource`): nothing links it"));
        }
        problems.extend(validate(&validator, file, source, &set));
        for (position, policy) in set.policies().enumerate() {
            read.extend(read_policy(file, position, policy, problems));
        }
    }
    if read.is_empty() && problems.is_empty() {
        problems.push(Problem::new("the set", "has no policy: everything would be refused"));
    }
    if read.len() > RULES_MAX {
        problems.push(Problem::new("the set", format!("{} policies, at most {RULES_MAX}", read.len())));
    }
    problems.extend(twice(&read));
    read
}

/// Warnings count where there is no error: a policy that never applies, or is written in letters that look like others, cannot do what
/// it seems to.
fn validate(validator: &Validator, file: &str, source: &str, set: &cedar_policy::PolicySet) -> Vec<Problem> {
    let result = validator.validate(set, ValidationMode::Strict);
    let mut problems: Vec<Problem> = result.validation_errors().map(|error| Problem::of(file, source, error)).collect();
    if problems.is_empty() {
        problems.extend(result.validation_warnings().map(|warning| Problem::of(file, source, warning)));
    }
    // Cedar counts policies, people name them.
    for policy in set.policies() {
        let counted = format!("`{}`", policy.id());
        let named = format!("`{}`", policy.annotation("id").unwrap_or("without @id"));
        problems.iter_mut().for_each(|problem| problem.text = problem.text.replace(&counted, &named));
    }
    problems
}

fn read_policy(file: &str, position: usize, policy: &Policy, problems: &mut Vec<Problem>) -> Option<(Policy, Rule)> {
    let duties = match Duties::read(policy.annotations()) {
        Ok(duties) => duties,
        Err(found) => {
            let name = policy.annotation("id").map_or_else(|| format!("policy {}", position + 1), |id| format!("policy `{id}`"));
            problems.extend(found.into_iter().map(|text| Problem::new(file, format!("{name}: {text}"))));
            return None;
        }
    };
    let forbids = policy.effect() == Effect::Forbid;
    let complaints = [
        (
            !forbids && policy.action_constraint() == ActionConstraint::Any,
            "permits every action: name them, so that what is added later is not permitted unseen",
        ),
        (duties.mask.is_some() && (forbids || !names_only(policy, &["see"])), "`@mask` belongs on a permit of Action::\"see\" alone"),
        (
            duties.hold.is_some() && forbids && names_any(policy, &["see", "Column"]),
            "`@hold` on a forbid of Action::\"see\": forbidden columns are masked, nobody is asked",
        ),
        (
            !forbids && action_names(policy).is_some() && names_any(policy, &["disputed"]) && duties.hold.is_none(),
            "permits Action::\"disputed\" without `@hold`: what the judges disagree about needs a person",
        ),
    ];
    for (_, complaint) in complaints.iter().filter(|(applies, _)| *applies) {
        problems.push(Problem::new(file, format!("policy `{}`: {complaint}", duties.id)));
    }
    let json = policy.to_json();
    // What cannot be looked into is taken to ask.
    let asks_for_cost = json.as_ref().map_or(true, |json| json.to_string().contains("\"dry_run\""));
    let json = json.ok();
    for complaint in json.iter().flat_map(condition::complaints) {
        problems.push(Problem::new(file, format!("policy `{}`: {complaint}", duties.id)));
    }
    let mentions = json.as_ref().map(Mention::all).unwrap_or_default();
    let text = policy.to_cedar().unwrap_or_else(|| policy.to_string());
    let policy = policy.new_id(PolicyId::new(&duties.id));
    let mut alone = cedar_policy::PolicySet::new();
    if let Err(error) = alone.add(policy.clone()) {
        problems.push(Problem::new(file, format!("policy `{}`: {error}", duties.id)));
    }
    let condition = Condition::of(alone, json.as_ref());
    Some((policy, Rule { file: file.to_owned(), duties, forbids, asks_for_cost, text, mentions, number: 0, condition }))
}

fn twice(read: &[(Policy, Rule)]) -> Vec<Problem> {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let mut problems = Vec::new();
    for (_, rule) in read {
        if let Some(other) = seen.insert(&rule.duties.id, &rule.file) {
            problems.push(Problem::new(&rule.file, format!("policy `{}` stands in {other} too", rule.duties.id)));
        }
    }
    problems
}

fn action_names(policy: &Policy) -> Option<Vec<String>> {
    match policy.action_constraint() {
        ActionConstraint::Any => None,
        ActionConstraint::Eq(action) => Some(vec![action.id().unescaped().to_owned()]),
        ActionConstraint::In(actions) => Some(actions.iter().map(|action| action.id().unescaped().to_owned()).collect()),
    }
}

/// An action that is not constrained is every one of them.
fn names_any(policy: &Policy, wanted: &[&str]) -> bool {
    action_names(policy).is_none_or(|names| names.iter().any(|name| wanted.contains(&name.as_str())))
}

fn names_only(policy: &Policy, wanted: &[&str]) -> bool {
    action_names(policy).is_some_and(|names| names.iter().all(|name| wanted.contains(&name.as_str())))
}
