//! Tables that are read as they were: whoever does not see all that is labelled there as it is, is refused; and what is written keeps the labels.

use crate::caller;
use sluice_model::{Analysis, ColumnPath, Effect, Exposure, How, Output, Read, StatementAnalysis, TableName, Type, Write};
use sluice_policy::{
    Bundle, Circumstances, Evaluation, Halt, Known, Method, Outcome, PolicySet, Purpose, Request, Resource, Sends, Statement, Work, tell,
};

const SETTINGS: &str = "format = 1\nname = \"x\"\n[cost]\nmicros_per_tib = 1\n[connections.c]\njudge = \"analysis\"\n";
const LABELS: &str = "format = 1\n[labels.id]\nmask = \"last_four\"\nreason = \"r\"\ncolumns = [\"p.d.t.ssn\"]\n\
    [labels.home]\nmask = \"always_null\"\nreason = \"h\"\ncolumns = [\"p.d.*.street_*\"]\n\
    [[released]]\ncolumn = \"p.e.free.a\"\nlabel = \"id\"\nby = \"ana\"\nreason = \"r\"\n";
const ALL: &str = "@id(\"all\") @reason(\"r\") permit (principal, action in [Action::\"connect\", Action::\"Read\", Action::\"Write\", Action::\"Schema\", \
    Action::\"Destroy\", Action::\"open\"], resource) unless { resource is Column };";
const SEE: &str = "@id(\"see\") @reason(\"s\") permit (principal, action == Action::\"see\", resource);";
const SEE_ID: &str = "@id(\"id\") @reason(\"s\") permit (principal, action == Action::\"see\", resource in Label::\"id\");";
const SEE_CUT: &str = "@id(\"cut\") @reason(\"s\") @mask(\"sha256\") permit (principal, action == Action::\"see\", resource);";
const NEVER: &str = "@id(\"never\") @reason(\"s\") forbid (principal, action == Action::\"see\", resource in Label::\"home\");";
const ELSEWHERE: &str = "@id(\"else\") @reason(\"s\") permit (principal, action == Action::\"write_elsewhere\", resource);";
const COSTLY: &str = "@id(\"cost\") @reason(\"s\") permit (principal, action == Action::\"see\", resource) when { context has dry_run };";

fn table(name: &str) -> TableName {
    TableName::parse(name).unwrap()
}

fn column(name: &str, path: &str) -> ColumnPath {
    ColumnPath { table: table(name), path: vec![path.to_owned()] }
}

/// Of a table whose open column is all that is there today.
fn reading(from: &str, kind: &str, into: &[(&str, Effect)], effects: &[Effect]) -> StatementAnalysis {
    let exposure = Exposure { at: Vec::new(), column: column(from, "open"), how: How::Direct };
    StatementAnalysis {
        kind: kind.to_owned(),
        effects: effects.iter().copied().chain([Effect::Read]).collect(),
        reads: vec![Read { table: table(from), columns: vec!["open".to_owned()] }],
        historical: vec![table(from)],
        writes: into.iter().map(|(name, effect)| Write { table: table(name), columns: Vec::new(), effect: *effect }).collect(),
        outputs: vec![Output { name: "x".to_owned(), kind: Some(Type::String), exposures: vec![exposure] }],
        ..StatementAnalysis::default()
    }
}

fn statement(text: &str, statements: Vec<StatementAnalysis>, purpose: Purpose) -> Work {
    let analysis = Analysis { statements, refused: None };
    let text = text.to_owned();
    Work::Statement(Box::new(Statement {
        text,
        parameters: Vec::new(),
        default_dataset: None,
        location: None,
        destination: None,
        purpose,
        analysis,
    }))
}

fn asked(rules: &[&str], work: Work, known: &Known) -> (Evaluation, bool) {
    let rules = rules.join("\n");
    let files = [("policy.toml", SETTINGS), ("labels.toml", LABELS), ("a.cedar", &rules)];
    let set = PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())))).unwrap();
    let principal = caller::anybody();
    let request = Request { connection: "c".to_owned(), project: "p".to_owned(), work, also: Vec::new(), sends: Sends::default() };
    let halt = Halt::default();
    let circumstances = Circumstances { now: 0, door: "rest", address: None, halt: &halt, known };
    (set.evaluate(&principal, &request, None, &circumstances), set.may_tell(&principal, &request, &circumstances).texts)
}

/// `staging.tj` had a column that came with a label and has gone since; one that is released has it no more.
fn known() -> Known {
    let mut known = Known::default();
    assert!(known.inherit(&column("p.e.tj", "k"), "id") && known.inherit(&column("p.e.free", "a"), "id"));
    assert!(known.inherit_computed(&column("p.e.turned", "k"), "id"));
    known
}

#[test]
fn a_table_as_it_was_is_for_those_who_see_all_of_it() {
    let check = |rules: &[&str], from: &str, expect: Outcome| {
        for purpose in [Purpose::Dispatch, Purpose::DryRun, Purpose::Page { job: "j".to_owned(), dry_run: Default::default() }] {
            let (found, texts) =
                asked(&[&[ALL], rules].concat(), statement(from, vec![reading(from, "SELECT", &[], &[])], purpose), &known());
            assert_eq!(found.outcome, expect, "{from} {rules:?}: {found:?}");
            assert_eq!(texts, expect == Outcome::Permitted, "{from} {rules:?}");
        }
    };
    check(&[], "p.e.tj", Outcome::Refused);
    check(&[SEE_ID], "p.e.tj", Outcome::Permitted);
    check(&[SEE_CUT], "p.e.tj", Outcome::Refused);
    check(&[SEE, SEE_CUT], "p.e.tj", Outcome::Refused);
    // By patterns, too, whatever columns there are today.
    check(&[], "p.d.t", Outcome::Refused);
    check(&[SEE_ID], "p.d.t", Outcome::Refused);
    check(&[SEE], "p.d.t", Outcome::Permitted);
    check(&[SEE, NEVER], "p.d.t", Outcome::Refused);
    check(&[SEE_ID], "p.d.other", Outcome::Refused);
    // Nothing can be labelled there, or nothing is any more.
    check(&[], "p.e.plain", Outcome::Permitted);
    check(&[], "p.e.free", Outcome::Permitted);
}

/// What a rule says once there is a dry run is waited for.
#[test]
fn a_rule_that_asks_for_the_cost_is_waited_for() {
    let work = || statement("p.e.tj", vec![reading("p.e.tj", "SELECT", &[], &[])], Purpose::Dispatch);
    assert_eq!(asked(&[ALL, COSTLY], work(), &known()).0.outcome, Outcome::ToEstimate);
    assert_eq!(asked(&[ALL, COSTLY, SEE_CUT], work(), &known()).0.outcome, Outcome::ToEstimate);
}

#[test]
fn the_refusal_says_which_table_which_labels_and_what_is_accepted() {
    let told = |text: &str, rules: &[&str], from: &str| {
        let (found, _) = asked(rules, statement(text, vec![reading(from, "SELECT", &[], &[])], Purpose::Dispatch), &known());
        tell(&found)
    };
    let named = told("SELECT * FROM p.d.t FOR SYSTEM_TIME AS OF x", &[ALL, SEE_ID], "p.d.t");
    assert_eq!(
        named,
        "reading table p.d.t as it was (`FOR SYSTEM_TIME AS OF`), with every column that it may have had, and so with what is labelled home: no rule permits it; \
         accepted: the same without `FOR SYSTEM_TIME AS OF`, which reads the table as it is now\n\
         what it takes is a rule that permits you `see`: ask whoever writes the policy of this gateway"
    );
    // Behind a view of others, whose reader may not read it by itself.
    let nothing = "@id(\"c\") @reason(\"r\") permit (principal, action in [Action::\"connect\", Action::\"open\"], resource);";
    let hidden = told("SELECT * FROM p.v.w", &[nothing], "p.d.t");
    assert!(hidden.contains("reading a table that it reaches as it was (`FOR SYSTEM_TIME AS OF`)"), "{hidden}");
    assert!(!hidden.contains("p.d.t") && !hidden.contains("home"), "{hidden}");
}

/// A read session at some moment is asked about in the same way.
#[test]
fn a_read_session_of_a_moment_is_asked_the_same() {
    let work = |from: &str, historical: bool| {
        let columns = reading(from, "SELECT", &[], &[]).outputs;
        let historical = historical.then(|| table(from)).into_iter().collect();
        Work::Method(Method { columns, historical, ..Method::plain("storage.createReadSession", Resource::Table(table(from))) })
    };
    let check = |rules: &[&str], from: &str, historical: bool, expect: Outcome| {
        let (found, _) = asked(&[&[ALL], rules].concat(), work(from, historical), &known());
        assert_eq!(found.outcome, expect, "{from} {rules:?}: {found:?}");
        assert!(expect == Outcome::Permitted || tell(&found).contains("(`snapshot_time`)"), "{}", tell(&found));
    };
    check(&[], "p.e.tj", false, Outcome::Permitted);
    check(&[], "p.e.tj", true, Outcome::Refused);
    check(&[SEE_ID], "p.e.tj", true, Outcome::Permitted);
    check(&[], "p.e.plain", true, Outcome::Permitted);
}

/// Into another table all of it goes by the rules for labelled columns, and keeps its labels there.
#[test]
fn what_is_written_out_of_the_past_is_labelled() {
    let check = |statements: Vec<StatementAnalysis>, expect: &[&str]| {
        let told = format!("{statements:?}");
        let work = |rules: &[&str]| asked(rules, statement("p.d.t", statements.clone(), Purpose::Dispatch), &known()).0;
        let refused = work(&[ALL, SEE]);
        let is_elsewhere = |reason: &sluice_policy::Reason| reason.question.as_ref().is_some_and(|text| text.contains("writing column"));
        assert!(refused.reasons.iter().any(is_elsewhere), "{told}: {refused:?}");
        let found = work(&[ALL, SEE, ELSEWHERE]);
        assert_ne!(found.outcome, Outcome::Refused, "{told}: {found:?}");
        let star = |computed: bool| if computed { " computed" } else { "" };
        let mut carried: Vec<String> =
            found.inherited.iter().map(|kept| format!("{} {}{}", kept.column, kept.label, star(kept.computed))).collect();
        carried.sort();
        assert_eq!(carried, expect, "{told}");
    };
    let made = |from: &str| reading(from, "CREATE_TABLE_AS_SELECT", &[("p.f.made", Effect::Create)], &[Effect::Create]);
    check(vec![made("p.e.tj")], &["p.f.made.* id computed"]);
    check(vec![made("p.d.t")], &["p.f.made.* home computed", "p.f.made.* id computed"]);
    check(vec![reading("p.e.tj", "INSERT", &[("p.f.made", Effect::Insert)], &[])], &["p.f.made.x id computed"]);
    let clone = |from: &str| reading(from, "CREATE_TABLE", &[("p.f.made", Effect::Create)], &[Effect::Clone, Effect::Create]);
    check(vec![clone("p.e.tj")], &["p.f.made.k id"]);
    check(vec![clone("p.e.turned")], &["p.f.made.k id computed"]);
    check(vec![clone("p.d.t")], &["p.f.made.* home", "p.f.made.ssn id"]);
    // What a statement before it made of it can be in a clone of that.
    let now = |statement: StatementAnalysis| StatementAnalysis { historical: Vec::new(), ..statement };
    let again = reading("p.f.made", "CREATE_TABLE", &[("p.f.again", Effect::Create)], &[Effect::Clone, Effect::Create]);
    check(vec![made("p.e.tj"), now(again)], &["p.f.again.* id computed", "p.f.again.x id computed", "p.f.made.* id computed"]);
}

/// A statement that takes rows away, or makes an empty table, puts nothing of it anywhere.
#[test]
fn what_holds_nothing_of_the_past_is_not_labelled() {
    let without = |statement: StatementAnalysis| StatementAnalysis { outputs: Vec::new(), ..statement };
    let deleted = without(reading("p.e.tj", "DELETE", &[("p.f.made", Effect::Delete)], &[Effect::Delete]));
    let created = without(reading("p.e.tj", "CREATE_TABLE", &[("p.f.made", Effect::Create)], &[Effect::Create]));
    let (found, _) = asked(&[ALL, SEE], statement("p.e.tj", vec![deleted, created], Purpose::Dispatch), &known());
    assert!(found.outcome == Outcome::Permitted && found.inherited.is_empty(), "{found:?}");
}

/// Under its new name a table has its past, too.
#[test]
fn a_renamed_table_keeps_the_labels_of_what_it_had() {
    let tables = [("p.f.new", Effect::Alter), ("p.e.tj", Effect::Alter)];
    let renamed = StatementAnalysis { historical: Vec::new(), ..reading("p.e.tj", "ALTER_TABLE", &tables, &[Effect::Alter, Effect::Drop]) };
    let (found, _) = asked(&[ALL, SEE, ELSEWHERE], statement("p.e.tj", vec![renamed], Purpose::Dispatch), &known());
    let carried: Vec<String> = found.inherited.iter().map(|kept| format!("{} {}", kept.column, kept.label)).collect();
    assert!(carried.contains(&"p.f.new.k id".to_owned()), "{found:?}");
}
