//! An evaluator that anybody can check by eye, beside the way we use Cedar. It reads policies as data, knows heads, one condition each
//! and duties, and keeps no index. Random sets and requests must be answered alike.

use proptest::prelude::*;
use sluice_model::principal::{CallerKind, Principal};
use sluice_policy::{Bundle, Circumstances, Evaluation, Halt, Known, Method, Outcome, PolicySet, ReasonKind, Request, Resource, Work};
use std::collections::BTreeSet;

const KINDS: [(&str, CallerKind); 3] = [("Agent", CallerKind::Agent), ("Person", CallerKind::Person), ("Service", CallerKind::Service)];
const GROUPS: [&str; 2] = ["g0", "g1"];
const DATASETS: [&str; 2] = ["p.d0", "p.d1"];
const HOLD: &str = "owners, 1, passkey, 4h";
/// An action and its groups, as the schema has them. `connect` stands beside, for every request is that too.
const ACTIONS: [(&str, &[&str]); 4] =
    [("connect", &[]), ("tables.get", &["Describe", "Read"]), ("tables.patch", &["Schema"]), ("tables.delete", &["Schema", "Destroy"])];

#[derive(Clone, Debug)]
struct Rule {
    forbids: bool,
    kind: Option<usize>,
    group: Option<usize>,
    action: &'static str,
    dataset: Option<usize>,
    /// Overflows at some hours, so that it cannot be evaluated.
    condition: Condition,
    held: bool,
}

#[derive(Clone, Copy, Debug)]
enum Condition {
    Always,
    Door,
    Fails,
}

#[derive(Clone, Debug)]
struct Ask {
    kind: usize,
    groups: BTreeSet<usize>,
    action: usize,
    dataset: usize,
    door: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
enum Says {
    Error,
    Forbidden,
    Held,
    NotPermitted,
    Permitted,
}

/// An error refuses, a forbid wins, nothing said is no, every duty is due.
fn reference(rules: &[Rule], ask: &Ask) -> BTreeSet<&'static str> {
    let one = |action: usize| {
        let heads: Vec<&Rule> = rules.iter().filter(|rule| fits(rule, ask, action)).collect();
        if heads.iter().any(|rule| matches!(rule.condition, Condition::Fails)) {
            return Says::Error;
        }
        let spoken: Vec<&&Rule> = heads.iter().filter(|rule| !matches!(rule.condition, Condition::Door) || ask.door == "rest").collect();
        let forbidden = spoken.iter().any(|rule| rule.forbids && !rule.held);
        let permitted = spoken.iter().any(|rule| !rule.forbids);
        match (forbidden, permitted, spoken.iter().any(|rule| rule.held)) {
            (true, ..) => Says::Forbidden,
            (_, false, _) => Says::NotPermitted,
            (_, _, true) => Says::Held,
            _ => Says::Permitted,
        }
    };
    let both = [one(0), one(ask.action)];
    let any = |wanted: Says| both.contains(&wanted);
    // Kinds of reasons are not compared beyond the outcome and whether a rule failed: several may stand side by side.
    if any(Says::Error) {
        BTreeSet::from(["refused", "error"])
    } else if any(Says::Forbidden) || any(Says::NotPermitted) {
        BTreeSet::from(["refused"])
    } else if any(Says::Held) {
        BTreeSet::from(["held"])
    } else {
        BTreeSet::from(["permitted"])
    }
}

fn fits(rule: &Rule, ask: &Ask, action: usize) -> bool {
    let (name, above) = ACTIONS[action];
    let is_connection = name == "connect";
    rule.kind.is_none_or(|kind| kind == ask.kind)
        && rule.group.is_none_or(|group| ask.groups.contains(&group))
        && (rule.action == name || above.contains(&rule.action))
        && rule.dataset.is_none_or(|dataset| !is_connection && dataset == ask.dataset)
}

fn cedar(rules: &[Rule]) -> String {
    let text = rules.iter().enumerate().map(|(number, rule)| {
        let hold = if rule.held { format!("@hold(\"{HOLD}\") ") } else { String::new() };
        let principal = match (rule.kind, rule.group) {
            (None, None) => "principal".to_owned(),
            (Some(kind), None) => format!("principal is {}", KINDS[kind].0),
            (None, Some(group)) => format!("principal in Group::\"{}\"", GROUPS[group]),
            (Some(kind), Some(group)) => format!("principal is {} in Group::\"{}\"", KINDS[kind].0, GROUPS[group]),
        };
        let resource = rule.dataset.map_or("resource".to_owned(), |dataset| format!("resource in Dataset::\"{}\"", DATASETS[dataset]));
        let condition = match rule.condition {
            Condition::Always => "",
            Condition::Door => " when { context.door == \"rest\" }",
            Condition::Fails => " when { 9223372036854775807 + context.now > 0 }",
        };
        let effect = if rule.forbids { "forbid" } else { "permit" };
        format!(
            "@id(\"r{number}\") @reason(\"r\") {hold}{effect} ({principal}, action in [Action::\"{}\"], {resource}){condition};",
            rule.action
        )
    });
    text.collect::<Vec<_>>().join("\n")
}

fn ours(rules: &[Rule], ask: &Ask) -> Evaluation {
    let files = [
        ("policy.toml", "format = 1\nname = \"x\"\n[cost]\nmicros_per_tib = 1".to_owned()),
        ("labels.toml", "format = 1".to_owned()),
        ("a.cedar", cedar(rules)),
    ];
    let set = PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text)))).unwrap();
    let principal = Principal {
        kind: KINDS[ask.kind].1,
        issuer: "https://issuer.example".to_owned(),
        subject: "1".to_owned(),
        name: "1".to_owned(),
        groups: ask.groups.iter().map(|group| GROUPS[*group].to_owned()).collect(),
        run: None,
        facts: Default::default(),
        delegation: None,
        grants: Vec::new(),
    };
    let (project, dataset) = DATASETS[ask.dataset].split_once('.').unwrap();
    let resource = Resource::Table(sluice_model::TableName::new(project, dataset, "t"));
    let method = Method::plain(ACTIONS[ask.action].0, resource);
    let request = Request {
        connection: "c".to_owned(),
        project: "p".to_owned(),
        work: Work::Method(method),
        also: Vec::new(),
        sends: sluice_policy::Sends::default(),
    };
    let (halt, known) = (Halt::default(), Known::default());
    set.evaluate(&principal, &request, None, &Circumstances { now: 1, door: ask.door, address: None, halt: &halt, known: &known })
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![3 => Just("connect"), 1 => Just("Read"), 1 => Just("Describe"), 1 => Just("tables.get"), 1 => Just("Schema"),
        1 => Just("Destroy"), 1 => Just("tables.delete")];
    let condition = prop_oneof![6 => Just(Condition::Always), 3 => Just(Condition::Door), 1 => Just(Condition::Fails)];
    let head = (prop::bool::weighted(0.25), prop::option::of(0..KINDS.len()), prop::option::of(0..GROUPS.len()), action);
    (head, prop::option::weighted(0.3, 0..DATASETS.len()), condition, prop::bool::weighted(0.2)).prop_map(
        |((forbids, kind, group, action), dataset, condition, held)| {
            // A connection is in no dataset: Cedar's validator would say that such a policy never applies.
            let dataset = dataset.filter(|_| action != "connect");
            Rule { forbids, kind, group, action, dataset, condition, held }
        },
    )
}

fn ask() -> impl Strategy<Value = Ask> {
    let door = prop_oneof![Just("rest"), Just("grpc")];
    (0..KINDS.len(), prop::collection::btree_set(0..GROUPS.len(), 0..=2), 1..ACTIONS.len(), 0..DATASETS.len(), door)
        .prop_map(|(kind, groups, action, dataset, door)| Ask { kind, groups, action, dataset, door })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cedar_is_used_as_the_reference_says(rules in prop::collection::vec(rule(), 1..14), ask in ask()) {
        let evaluation = ours(&rules, &ask);
        let mut said = BTreeSet::from([evaluation.outcome.word()]);
        if evaluation.reasons.iter().any(|reason| reason.kind == ReasonKind::Error) {
            said.insert("error");
        }
        prop_assert_eq!(said, reference(&rules, &ask), "{}\n{:?}\n{:#?}", cedar(&rules), ask, evaluation);
        prop_assert!(evaluation.outcome != Outcome::ToEstimate);
    }
}
