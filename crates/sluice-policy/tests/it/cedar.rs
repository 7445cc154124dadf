//! Every rule that spoke, beside what Cedar's own authorizer says of the whole set at once: no index, nothing left out, nothing remembered.

use cedar_policy::{Authorizer, Context, Entities, PolicyId, RestrictedExpression, Schema};
use proptest::prelude::*;
use serde_json::json;
use sluice_model::principal::{CallerKind, Grant, Principal, Run};
use sluice_model::{ColumnPath, Exposure, How, Output, TableName, Type};
use sluice_policy::{Bundle, Circumstances, Evaluation, Halt, Known, Method, PolicySet, ReasonKind, Request, Resource, SCHEMA, Work};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::LazyLock;

const SETTINGS: &str = "format = 1\nname = \"x\"\n[cost]\nmicros_per_tib = 1";
const LABELS: &str = "format = 1\n[labels.contact]\nmask = \"email\"\nreason = \"r\"\ncolumns = [\"p.d0.t.email\"]";
const ISSUER: &str = "https://issuer.example";
const PRINCIPALS: [&str; 6] = [
    "principal",
    "principal == Agent::\"https://issuer.example#1\"",
    "principal in Group::\"g0\"",
    "principal is Person",
    "principal is Agent in Group::\"g1\"",
    "principal in Agent::\"https://issuer.example#1\"",
];
const ACTIONS: [&str; 6] = [
    "action == Action::\"tabledata.list\"",
    "action in [Action::\"tabledata.list\", Action::\"see\"]",
    "action in Action::\"Read\"",
    "action in [Action::\"Read\", Action::\"Column\"]",
    "action == Action::\"see\"",
    "action == Action::\"connect\"",
];
const RESOURCES: [&str; 8] = [
    "resource",
    "resource in Dataset::\"p.d0\"",
    "resource in Project::\"p\"",
    "resource is Table",
    "resource is Table in Dataset::\"p.d1\"",
    "resource == Table::\"p.d0.t\"",
    "resource in Connection::\"c\"",
    "resource in Table::\"p.d0.t\"",
];
/// Plain ones, ones for Cedar alone, ones that cannot be evaluated.
const ATOMS: [&str; 66] = [
    "true",
    "context.door == \"rest\"",
    "context.door != \"rest\"",
    "\"rest\" == context.door",
    "context.now > 1000",
    "context.now >= 1000",
    "context.now <= 1000",
    "context.now < 1000",
    "context.hour == 0",
    "context.hour != 0",
    "context.grants.contains(\"a\")",
    "context.grants.containsAny([\"a\", \"b\"])",
    "context has run",
    "(context has run && context.run has event && context.run.event == \"push\")",
    "(context has run && context.run has protected && context.run.protected)",
    "(context has how && context.how == \"direct\")",
    "context has run.event",
    "principal.subject == \"1\"",
    "principal in Group::\"g0\"",
    "principal in [Group::\"g0\", Group::\"g1\"]",
    "context.door like \"re*\"",
    "context.door like \"*s*\"",
    "context.door like \"*\"",
    "context.grants.containsAll([\"a\", \"b\"])",
    "context.grants.isEmpty()",
    "principal is Person",
    "principal is Agent in Group::\"g1\"",
    "principal == Agent::\"https://issuer.example#1\"",
    "principal != Person::\"https://issuer.example#2\"",
    "(resource is Table && resource.labels.containsAny([\"contact\", \"x\"]))",
    "(resource is Column && !resource.labels.isEmpty())",
    "resource in Dataset::\"p.d1\"",
    "(if context.now > 1000 then context.door == \"rest\" else principal in Group::\"g1\")",
    "[\"rest\", \"mcp\"].contains(context.door)",
    "[0, 7].contains(context.hour)",
    "1000 < context.now",
    "context.now + 1 > 1000",
    "context.now * 2 - context.now == 1000",
    "-context.now <= -1000",
    "context.grants == [\"a\"]",
    "(resource is Table && resource.labels.containsAny(context.grants))",
    "(resource is Table && context.grants.containsAll(resource.labels))",
    "Agent::\"https://issuer.example#1\" == principal",
    "(context has on_behalf_of && context.on_behalf_of.id == \"https://issuer.example#2\")",
    "(context has on_behalf_of && context.on_behalf_of.groups.contains(context.door))",
    "(principal.hasTag(\"team\") && principal.getTag(\"team\") == \"blue\")",
    "(principal.hasTag(\"team\") && principal.getTag(\"team\") != context.door)",
    "principal.hasTag(\"none\")",
    "context has address",
    "(context has address && context.address.isInRange(ip(\"10.0.0.0/8\")))",
    "(context has address && context.address.isInRange(ip(\"2001:db8::/32\")))",
    "(context has address && ip(\"10.1.2.3\").isInRange(context.address))",
    "(context has address && context.address == ip(\"10.1.2.3/32\"))",
    "(context has address && context.address.isIpv4())",
    "(context has address && !context.address.isIpv6())",
    "(context has address && (context.address.isLoopback() || context.address.isMulticast()))",
    "action == Action::\"see\"",
    "action != Action::\"connect\"",
    "action in [Action::\"Write\", Action::\"Read\"]",
    "action in Action::\"see\"",
    "{hour: context.hour}.hour == 0",
    "[context.door, \"x\"].contains(\"rest\")",
    "(if context.hour == 0 then context.door else \"x\") == \"rest\"",
    "9223372036854775807 + context.now > 0",
    "-9223372036854775807 - context.now < 0",
    "(context.now * 9223372036854775807) > 0",
];

#[derive(Clone, Debug)]
struct Ask {
    kind: CallerKind,
    subject: &'static str,
    groups: BTreeSet<String>,
    grants: BTreeSet<String>,
    run: Option<(Option<String>, Option<bool>)>,
    team: Option<&'static str>,
    address: Option<IpAddr>,
    dataset: &'static str,
    door: &'static str,
    now: i64,
}

/// Ids of the rules that permit, that forbid, that fail.
type Spoken = [BTreeSet<String>; 3];

fn ours(set: &PolicySet, ask: &Ask) -> Evaluation {
    let run = ask.run.clone().map(|(event, protected)| Run { event, protected, ..Run::default() });
    let principal = Principal {
        kind: ask.kind,
        issuer: ISSUER.to_owned(),
        subject: ask.subject.to_owned(),
        name: "n".to_owned(),
        groups: ask.groups.clone(),
        run,
        facts: ask.team.iter().map(|team| ("team".to_owned(), (*team).to_owned())).collect(),
        delegation: None,
        grants: ask.grants.iter().map(|id| Grant { id: id.clone(), expires_at: u64::MAX }).collect(),
    };
    let table = TableName::new("p", ask.dataset, "t");
    let exposure =
        Exposure { at: Vec::new(), column: ColumnPath { table: table.clone(), path: vec!["email".to_owned()] }, how: How::Direct };
    let columns = vec![Output { name: "email".to_owned(), kind: Some(Type::String), exposures: vec![exposure] }];
    let method = Method { columns, ..Method::plain("tabledata.list", Resource::Table(table)) };
    let request = Request {
        connection: "c".to_owned(),
        project: "p".to_owned(),
        work: Work::Method(method),
        also: Vec::new(),
        sends: sluice_policy::Sends::default(),
    };
    let (halt, known) = (Halt::default(), Known::default());
    set.evaluate(
        &principal,
        &request,
        None,
        &Circumstances { now: ask.now, door: ask.door, address: ask.address, halt: &halt, known: &known },
    )
}

fn said(evaluation: &Evaluation, question: &str) -> Spoken {
    let of = |kind: ReasonKind| {
        let reasons = evaluation.reasons.iter().filter(|reason| reason.kind == kind && reason.question.as_deref() == Some(question));
        reasons.flat_map(|reason| &reason.rules).map(|rule| rule.id.clone()).collect::<BTreeSet<_>>()
    };
    let permits = evaluation.permitted.iter().filter(|(permitted, _)| permitted == question).flat_map(|(_, rules)| rules);
    [permits.cloned().collect(), of(ReasonKind::Forbidden), of(ReasonKind::Error)]
}

/// Cedar over all policies, with every entity and its parents.
fn cedar(text: &str, ask: &Ask, action: &str, resource: &str, how: Option<&str>) -> Spoken {
    static PARSED: LazyLock<Schema> = LazyLock::new(|| Schema::from_cedarschema_str(SCHEMA).unwrap().0);
    let schema = &*PARSED;
    let principal = format!("{}::\"{ISSUER}#{}\"", kind(ask.kind), ask.subject);
    let groups: Vec<_> = ask.groups.iter().map(|group| entity("Group", group)).collect();
    let (project, dataset, table) = ("p", format!("p.{}", ask.dataset), format!("p.{}.t", ask.dataset));
    let labels: &[&str] = if ask.dataset == "d0" { &["contact"] } else { &[] };
    let entities = json!([
        { "uid": entity(kind(ask.kind), &format!("{ISSUER}#{}", ask.subject)), "attrs": { "issuer": ISSUER, "subject": ask.subject },
          "parents": groups, "tags": ask.team.iter().map(|team| ("team".to_owned(), json!(team))).collect::<serde_json::Map<_, _>>() },
        { "uid": entity("Connection", "c"), "attrs": {}, "parents": [] },
        { "uid": entity("Project", project), "attrs": {}, "parents": [entity("Connection", "c")] },
        { "uid": entity("Dataset", &dataset), "attrs": {}, "parents": [entity("Project", project)] },
        { "uid": entity("Table", &table), "attrs": { "labels": labels }, "parents": [entity("Dataset", &dataset)] },
        { "uid": entity("Label", "contact"), "attrs": {}, "parents": [] },
        { "uid": entity("Column", &format!("{table}.email")), "attrs": { "labels": labels },
          "parents": [entity("Table", &table), entity("Label", "contact")] },
    ]);
    let entities = Entities::from_json_value(entities, Some(schema)).unwrap();
    let mut context = vec![
        ("now", RestrictedExpression::new_long(ask.now)),
        ("hour", RestrictedExpression::new_long(ask.now.div_euclid(3600).rem_euclid(24))),
        ("weekday", RestrictedExpression::new_long(4)),
        ("door", RestrictedExpression::new_string(ask.door.to_owned())),
        ("grants", RestrictedExpression::new_set(ask.grants.iter().map(|grant| RestrictedExpression::new_string(grant.clone())))),
    ];
    if let Some((event, protected)) = &ask.run {
        let event = event.iter().map(|event| ("event".to_owned(), RestrictedExpression::new_string(event.clone())));
        let protected = protected.iter().map(|flag| ("protected".to_owned(), RestrictedExpression::new_bool(*flag)));
        context.push(("run", RestrictedExpression::new_record(event.chain(protected)).unwrap()));
    }
    context.extend(ask.address.map(|address| ("address", RestrictedExpression::new_ip(address.to_canonical().to_string()))));
    context.extend(how.map(|how| ("how", RestrictedExpression::new_string(how.to_owned()))));
    let context = Context::from_pairs(context.into_iter().map(|(name, value)| (name.to_owned(), value))).unwrap();
    let action = format!("Action::\"{action}\"").parse().unwrap();
    let request = cedar_policy::Request::new(principal.parse().unwrap(), action, resource.parse().unwrap(), context, Some(schema)).unwrap();
    let all: cedar_policy::PolicySet = text.parse().unwrap();
    let mut spoken = Spoken::default();
    for (position, effect) in [(0, cedar_policy::Effect::Permit), (1, cedar_policy::Effect::Forbid)] {
        let of_effect = all.policies().filter(|policy| policy.effect() == effect).cloned();
        let set = cedar_policy::PolicySet::from_policies(of_effect).unwrap();
        let name = |id: &PolicyId| set.policy(id).unwrap().annotation("id").unwrap().to_owned();
        let response = Authorizer::new().is_authorized(&request, &set, &entities);
        spoken[position].extend(response.diagnostics().reason().map(name));
        let errors = response.diagnostics().errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => name(error.policy_id()),
        });
        spoken[2].extend(errors);
    }
    spoken
}

fn entity(kind: &str, id: &str) -> serde_json::Value {
    json!({ "type": kind, "id": id })
}

fn kind(kind: CallerKind) -> &'static str {
    match kind {
        CallerKind::Agent => "Agent",
        CallerKind::Person => "Person",
        CallerKind::Pipeline => "Pipeline",
        CallerKind::Service => "Service",
    }
}

fn condition() -> impl Strategy<Value = String> {
    let atom = prop_oneof![6 => prop::sample::select(&ATOMS[..63]), 1 => prop::sample::select(&ATOMS[63..])].prop_map(str::to_owned);
    atom.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            4 => (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} && {other})")),
            2 => (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} || {other})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(one, then, other)| format!("(if {one} then {then} else {other})")),
            2 => inner.prop_map(|one| format!("!({one})")),
        ]
    })
}

fn rule() -> impl Strategy<Value = String> {
    let head = (prop::sample::select(&PRINCIPALS[..]), prop::sample::select(&ACTIONS[..]), prop::sample::select(&RESOURCES[..]));
    let clauses = prop::collection::vec((prop::bool::weighted(0.75), condition()), 0..3);
    (prop::bool::weighted(0.3), head, clauses).prop_map(|(forbids, (principal, action, resource), clauses)| {
        // A connection is in nothing: Cedar's validator would say that such a policy never applies.
        let resource = if action.contains("connect") { "resource" } else { resource };
        let effect = if forbids { "forbid" } else { "permit" };
        let clauses = clauses.iter().map(|(when, text)| format!(" {} {{ {text} }}", if *when { "when" } else { "unless" }));
        format!("{effect} ({principal}, {action}, {resource}){};", clauses.collect::<String>())
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let names = |names: &'static [&'static str]| prop::collection::btree_set(prop::sample::select(names).prop_map(str::to_owned), 0..=2);
    let run = prop::option::of((prop::option::of(prop_oneof![Just("push".to_owned()), Just("x".to_owned())]), any::<Option<bool>>()));
    let kind = prop::sample::select(&[CallerKind::Agent, CallerKind::Person][..]);
    let subject = prop::sample::select(&["1", "2"][..]);
    let place = (prop::sample::select(&["d0", "d1"][..]), prop::sample::select(&["rest", "grpc"][..]));
    let now = prop::sample::select(&[0, 999, 1000, 1001, 2000][..]);
    let addresses =
        ["10.1.2.3", "127.0.0.1", "224.0.0.1", "2001:db8::1", "::1", "::ffff:10.1.2.3"].map(|text| text.parse::<IpAddr>().unwrap());
    let besides =
        (prop::option::of(prop::sample::select(&["blue", "rest"][..])), prop::option::of(prop::sample::select(addresses.to_vec())));
    (kind, subject, names(&["g0", "g1"]), names(&["a", "b", "contact"]), run, besides, place, now).prop_map(
        |(kind, subject, groups, grants, run, (team, address), (dataset, door), now)| Ask {
            kind,
            subject,
            groups,
            grants,
            run,
            team,
            address,
            dataset,
            door,
            now,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_speaks_as_cedar_says(rules in prop::collection::vec(rule(), 1..12), asks in prop::collection::vec(ask(), 1..4)) {
        let load = |text: &str| {
            let files = [("policy.toml", SETTINGS), ("labels.toml", LABELS), ("a.cedar", text)];
            PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned()))))
        };
        // A rule that the validator finds impossible is left out of both.
        let named = |number: usize, rule: &str| format!("@id(\"r{number}\") @reason(\"r\")\n{rule}\n");
        let text: String = rules.iter().enumerate().map(|(number, rule)| named(number, rule)).filter(|text| load(text).is_ok()).collect();
        prop_assume!(!text.is_empty());
        let set = load(&text).unwrap();
        for ask in asks {
            let evaluation = ours(&set, &ask);
            let table = format!("p.{}.t", ask.dataset);
            let mut questions = vec![
                ("use of the connection".to_owned(), "connect", "Connection::\"c\"".to_owned(), None),
                (format!("tabledata.list on table {table}"), "tabledata.list", format!("Table::\"{table}\""), None),
            ];
            if ask.dataset == "d0" {
                let column = format!("Column::\"{table}.email\"");
                questions.push((format!("seeing column {table}.email clear"), "see", column, Some("direct")));
            }
            for (question, action, resource, how) in questions {
                let mut expect = cedar(&text, &ask, action, &resource, how);
                let mut found = said(&evaluation, &question);
                if action == "see" {
                    // Who may not see gets a mask: its rules stand there.
                    let masks = evaluation.masks.iter().flat_map(|mask| &mask.rules).map(|rule| rule.id.clone());
                    found[1].extend(masks);
                    if !expect[1].is_empty() {
                        expect[0].clear();
                    }
                }
                prop_assert_eq!(found, expect, "{}\n{}\n{:?}", text, question, ask);
            }
        }
    }
}
