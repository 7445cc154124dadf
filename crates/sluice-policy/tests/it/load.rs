//! What is broken is refused at load, with all problems at once.

use crate::starter;
use sluice_policy::{Bundle, PolicySet};

/// The starter set with files put in the place of others; nothing takes one out.
fn problems(changes: &[(&str, Option<&str>)]) -> Vec<String> {
    let whole = starter::bundle();
    let kept = whole.files().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let kept = kept.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let new = changes.iter().filter_map(|(name, text)| Some(((*name).to_owned(), (*text)?.to_owned())));
    match PolicySet::load(&Bundle::new(kept.chain(new))) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// Each expectation stands in the problem of the same position.
fn check(changes: &[(&str, Option<&str>)], expect: &[&str]) {
    let found = problems(changes);
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (problem, expect) in found.iter().zip(expect) {
        assert!(problem.contains(expect), "`{problem}` does not hold `{expect}`");
    }
}

#[test]
fn a_missing_file_is_a_problem() {
    check(&[], &[]);
    check(&[("labels.toml", None)], &["labels.toml: missing"]);
    check(&[("labels.toml", None), ("policy.toml", None)], &["labels.toml: missing", "policy.toml: missing"]);
    check(&[("notes.txt", Some("x"))], &["notes.txt: decides nothing"]);
    let none = ["agents.cedar", "everyone.cedar", "people.cedar", "pipelines.cedar"].map(|name| (name, None));
    check(&none, &["the set: has no policy"]);
}

fn policy(text: &str, expect: &[&str]) {
    check(&[("x.cedar", Some(text))], expect);
}

#[test]
fn what_does_not_parse_or_fit_the_schema_is_a_problem() {
    policy("permit (principal, action", &["x.cedar:1: "]);
    let head = "@id(\"x\") @reason(\"r\")\n";
    policy(
        &format!("{head}permit (principal is Robot, action == Action::\"read\", resource);"),
        &["x.cedar:2: for policy `x`, unrecognized entity type `Robot`"],
    );
    policy(&format!("{head}permit (principal, action == Action::\"reed\", resource);"), &["x.cedar:2: "]);
    policy(&format!("{head}permit (principal, action == Action::\"read\", resource)\nwhen {{ context.bytes > 1 }};"), &["x.cedar:3: "]);
    // Without `has`, the first decision would fail on it.
    policy(
        &format!("{head}forbid (principal, action == Action::\"read\", resource)\nwhen {{ context.dry_run.bytes > 1 }};"),
        &["x.cedar:3: "],
    );
    policy(&format!("{head}permit (principal, action == Action::\"read\", resource)\nwhen {{ context.now > \"1\" }};"), &["x.cedar:3: "]);
    policy(&format!("{head}permit (principal == ?principal, action == Action::\"read\", resource);"), &["template"]);
    // It can never apply.
    policy(&format!("{head}permit (principal, action == Action::\"see\", resource is Table);"), &["impossible", "applicable action"]);
}

#[test]
fn a_condition_that_nobody_could_answer_is_a_problem() {
    let head = "@id(\"x\") @reason(\"r\")\nforbid (principal, action == Action::\"read\", resource)\nwhen";
    policy(&format!("{head} {{ Table::\"p.d.t\".labels.contains(\"a\") }};"), &["policy `x`: asks about `Table::\"p.d.t\"`"]);
    policy(&format!("{head} {{ Dataset::\"p.d\" in Project::\"p\" }};"), &["policy `x`: asks about `Dataset::\"p.d\"`"]);
    policy(&format!("{head} {{ [context].contains(context) }};"), &["policy `x`: takes the whole context"]);
}

#[test]
fn a_duty_that_we_do_not_know_is_a_problem() {
    policy("permit (principal, action == Action::\"read\", resource);", &["no `@id", "no `@reason"]);
    let rest = "permit (principal, action == Action::\"see\", resource);";
    policy(&format!("@id(\"x\") @reason(\"r\") @hodl(\"a, 1, passkey, 1h\")\n{rest}"), &["`@hodl` is not known"]);
    policy(&format!("@id(\"x\") @reason(\"r\") @hold(\"a, many, passkey, 1h\")\n{rest}"), &["quorum"]);
    policy(&format!("@id(\"x\") @reason(\"r\") @mask(\"blur\")\n{rest}"), &["`@mask(\"blur\")` is none of"]);
    policy(&format!("@id(\"agents-read\") @reason(\"r\")\n{rest}"), &["`agents-read` stands in"]);
}

#[test]
fn a_duty_where_it_does_nothing_is_a_problem() {
    let head = "@id(\"x\") @reason(\"r\") ";
    policy(&format!("{head}permit (principal, action, resource);"), &["permits every action"]);
    policy(&format!("{head}@mask(\"email\") permit (principal, action == Action::\"count\", resource);"), &["`@mask` belongs on"]);
    policy(&format!("{head}@mask(\"email\") forbid (principal, action == Action::\"see\", resource);"), &["`@mask` belongs on"]);
    policy(&format!("{head}@hold(\"a, 1, passkey, 1h\") forbid (principal, action, resource);"), &["`@hold` on a forbid"]);
    policy(&format!("{head}permit (principal, action == Action::\"disputed\", resource);"), &["without `@hold`"]);
}

#[test]
fn all_problems_come_at_once() {
    let changes = [
        ("labels.toml", Some("format = 1\n[labels.x]\nmask = \"blur\"\nreason = \"\"")),
        ("policy.toml", Some("format = 7\nname = \"x\"\n[cost]\nmicros_per_tib = 1")),
        ("a.cedar", Some("permit (")),
        ("b.cedar", Some("permit (principal, action == Action::\"read\", resource);")),
    ];
    let found = problems(&changes);
    assert_eq!(found.len(), 7, "{found:#?}");
}
