//! Labels that go with data: by the place that they come to, and with whether it was computed.

use crate::caller;
use sluice_model::{Analysis, ColumnPath, Effect, Exposure, Field, How, Output, Read, StatementAnalysis, TableName, Type, Write};
use sluice_policy::{
    Bundle, Circumstances, Evaluation, Halt, Known, Method, PolicySet, Purpose, Request, Resource, Sends, Statement, Work,
};

const SETTINGS: &str = "format = 1\nname = \"x\"\n[cost]\nmicros_per_tib = 1\n";
const RULES: &str = "@id(\"all\") @reason(\"r\") permit (principal, action in [Action::\"connect\", Action::\"Read\"], resource);";
const LABELS: &str = "format = 1\n[labels.id]\nmask = \"last_four\"\nreason = \"r\"\ncolumns = [\"p.d.t.ssn\"]\n\
    [[released]]\ncolumn = \"p.e.free.a\"\nlabel = \"id\"\nby = \"ana\"\nreason = \"r\"\n";

/// How each source reaches which path: `ssn direct`, `ssn derived [2].a`.
fn output(name: &str, kind: &str, shows: &[&str]) -> Output {
    let exposure = |shown: &&str| {
        let words: Vec<&str> = shown.split(' ').collect();
        let [source, how, at @ ..] = words.as_slice() else { panic!("{shown}") };
        let how = if *how == "direct" { How::Direct } else { How::Derived };
        let at = at.iter().flat_map(|path| path.split('.')).map(str::to_owned).collect();
        let (table, column) = source.rsplit_once('.').unwrap_or(("p.d.t", source));
        Exposure { at, column: ColumnPath { table: TableName::parse(table).unwrap(), path: vec![column.to_owned()] }, how }
    };
    Output { name: name.to_owned(), kind: Some(Type::parse(kind).unwrap()), exposures: shows.iter().map(exposure).collect() }
}

fn statement(kind: &str, into: Option<&str>, outputs: Vec<Output>) -> StatementAnalysis {
    let write = |table: &str| Write { table: TableName::parse(table).unwrap(), columns: Vec::new(), effect: Effect::Create };
    StatementAnalysis {
        kind: kind.to_owned(),
        effects: vec![Effect::Read],
        reads: vec![Read { table: TableName::new("p", "d", "t"), columns: vec!["ssn".to_owned()] }],
        writes: into.map(write).into_iter().collect(),
        outputs,
        ..StatementAnalysis::default()
    }
}

fn evaluate(statements: Vec<StatementAnalysis>, known: &Known) -> Evaluation {
    let statement = Statement {
        text: "SELECT 1".to_owned(),
        parameters: Vec::new(),
        default_dataset: None,
        location: None,
        destination: None,
        purpose: Purpose::Dispatch,
        analysis: Analysis { statements, refused: None },
    };
    evaluate_work(Work::Statement(Box::new(statement)), known)
}

fn evaluate_work(work: Work, known: &Known) -> Evaluation {
    let files = [("policy.toml", SETTINGS), ("labels.toml", LABELS), ("a.cedar", RULES)];
    let set = PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())))).unwrap();
    let principal = caller::anybody();
    let request = Request { connection: "c".to_owned(), project: "p".to_owned(), work, also: Vec::new(), sends: Sends::default() };
    let halt = Halt::default();
    set.evaluate(&principal, &request, None, &Circumstances { now: 0, door: "rest", address: None, halt: &halt, known })
}

/// Columns of the written table that got the label, those that were computed with a star.
fn carried(evaluation: &Evaluation) -> Vec<String> {
    let one = |kept: &sluice_policy::Inherited| format!("{}{}", kept.column.path.join("."), if kept.computed { " *" } else { "" });
    evaluation.inherited.iter().map(one).collect()
}

#[test]
fn a_label_comes_to_the_field_that_the_warehouse_makes() {
    let check = |outputs: Vec<Output>, expect: &[&str]| {
        let made = statement("CREATE_TABLE_AS_SELECT", Some("p.e.made"), outputs.clone());
        assert_eq!(carried(&evaluate(vec![made], &Known::default())), expect, "{outputs:?}");
    };
    check(vec![output("a", "STRING", &["ssn direct"])], &["a"]);
    check(vec![output("a", "STRING", &["ssn derived"])], &["a *"]);
    check(vec![output("s", "STRUCT<name STRING, STRING>", &["ssn derived [2]"])], &["s._field_2 *"]);
    check(vec![output("s", "STRUCT<_1 STRING, STRING>", &["ssn direct _1"])], &["s._1"]);
    check(vec![output("s", "ARRAY<STRUCT<STRING, STRUCT<x STRING, STRING>>>", &["ssn derived [2].[2]"])], &["s._field_2._field_2 *"]);
    // Nobody knows which of them is called how: the label goes on what they are in.
    check(vec![output("s", "STRUCT<_field_2 STRING, STRING>", &["ssn derived [2]"])], &["s *"]);
    check(vec![output("s", "STRUCT<a STRING, A STRING>", &["ssn direct [1]"])], &["s"]);
    check(vec![output("s", "STRUCT<t STRUCT<a STRING, A STRING>>", &["ssn direct t.[1]"])], &["s.t"]);
    check(vec![output("s", "STRUCT<a STRING>", &["ssn direct gone"])], &["s"]);
    // Of columns the same.
    check(vec![output("x", "STRING", &[]), output("", "STRING", &["ssn derived"])], &["f0_ *", "f1_ *"]);
    check(vec![output("f0_", "STRING", &[]), output("", "STRING", &["ssn derived"])], &["f0_ *", "f1_ *", "f2_ *"]);
    check(vec![output("a", "STRING", &[]), output("A", "STRING", &["ssn direct"])], &["A", "A_1"]);
    // What came by two ways is computed if one of them was.
    check(vec![output("a", "STRING", &["ssn direct", "ssn derived"])], &["a *"]);
}

#[test]
fn a_copy_of_what_was_computed_shows_no_part_of_it() {
    let table = TableName::new("p", "e", "copy");
    let column = |name: &str| ColumnPath { table: table.clone(), path: name.split('.').map(str::to_owned).collect() };
    let mut known = Known::default();
    assert!(known.inherit(&column("clear"), "id") && known.inherit_computed(&column("turned"), "id"));
    assert!(known.inherit(&column("later"), "id") && known.inherit_computed(&column("later"), "id"));
    assert!(!known.inherit(&column("later"), "id") && !known.inherit_computed(&column("Later"), "id"), "once computed it stays so");
    assert!(known.inherit_computed(&ColumnPath { table: TableName::new("p", "e", "free"), path: vec!["a".to_owned()] }, "id"));
    let check = |source: &str, mask: Option<&str>, carries: &[&str]| {
        let shown = evaluate(vec![statement("SELECT", None, vec![output("x", "STRING", &[&format!("{source} direct")])])], &known);
        let masks: Vec<String> = shown.masks.iter().map(|masked| masked.mask.to_string()).collect();
        assert_eq!(masks, mask.into_iter().collect::<Vec<_>>(), "{source}");
        let again = statement("CREATE_TABLE_AS_SELECT", Some("p.e.again"), vec![output("x", "STRING", &[&format!("{source} direct")])]);
        assert_eq!(carried(&evaluate(vec![again], &known)), carries, "{source}");
    };
    check("p.d.t.ssn", Some("last_four"), &["x"]);
    check("p.e.copy.clear", Some("last_four"), &["x"]);
    check("p.e.copy.turned", Some("default_value"), &["x *"]);
    check("p.e.Copy.LATER", Some("default_value"), &["x *"]);
    check("p.e.copy.other", None, &[]);
    check("p.e.free.a", None, &[]);
}

/// Statement by statement, as a script runs: the last reads what the first ones wrote.
#[test]
fn within_a_script_a_copy_stays_computed() {
    let copy = |into: &str, from: &str, how: &str| {
        statement("CREATE_TABLE_AS_SELECT", Some(into), vec![output("a", "STRING", &[&format!("{from} {how}")])])
    };
    let shown = || statement("SELECT", None, vec![output("x", "STRING", &["p.e.two.a direct"])]);
    let check = |statements: Vec<StatementAnalysis>, mask: &str| {
        let found = evaluate(statements.clone(), &Known::default());
        assert_eq!(found.masks.iter().map(|masked| masked.mask.to_string()).collect::<Vec<_>>(), [mask], "{statements:?}");
    };
    check(vec![copy("p.e.one", "ssn", "direct"), copy("p.e.two", "p.e.one.a", "direct"), shown()], "last_four");
    check(vec![copy("p.e.one", "ssn", "derived"), copy("p.e.two", "p.e.one.a", "direct"), shown()], "default_value");
    check(
        vec![copy("p.e.one", "ssn", "direct"), copy("p.e.one", "p.e.one.a", "derived"), copy("p.e.two", "p.e.one.a", "direct"), shown()],
        "default_value",
    );
    // A loop may run the first once more.
    check(
        vec![copy("p.e.two", "p.e.one.a", "direct"), copy("p.e.one", "p.e.one.a", "derived"), copy("p.e.one", "ssn", "direct"), shown()],
        "default_value",
    );
}

/// Nobody knows whether a copy goes by name or by place.
#[test]
fn a_copy_of_other_orders_is_labelled_by_name_and_by_place() {
    let source = |table: &str, columns: &[&str]| -> Vec<Output> {
        let column = |column: &&str| {
            let (name, kind) = column.split_once(' ').unwrap();
            output(name, kind, &[&format!("{table}.{name} direct")])
        };
        columns.iter().map(column).collect()
    };
    let check = |columns: Vec<Output>, kept: &[&str], expect: &[&str]| {
        let kept = kept.iter().map(|column| column.split_once(' ').unwrap());
        let kept = kept.map(|(name, kind)| Field { name: name.to_owned(), kind: Type::parse(kind).unwrap() }).collect();
        let copy = Method { columns, kept, ..Method::plain("jobs.copy", Resource::Table(TableName::new("p", "e", "copy"))) };
        let mut found = carried(&evaluate_work(Work::Method(copy), &Known::default()));
        found.sort();
        assert_eq!(found, expect, "{expect:?}");
    };
    let t = || source("p.d.t", &["name STRING", "ssn STRING"]);
    let same = || source("p.d.u", &["Name STRING", "SSN STRING"]);
    let turned = || source("p.d.u", &["ssn STRING", "name STRING"]);
    check(t(), &[], &["ssn"]);
    check(t(), &["name STRING", "ssn STRING"], &["ssn"]);
    check(t(), &["ssn STRING", "name STRING"], &["name", "ssn"]);
    check(t(), &["id INT64"], &["ssn"]);
    check([t(), turned()].concat(), &[], &["name", "ssn"]);
    check([turned(), t()].concat(), &[], &["name", "ssn", "ssn_1"]);
    check([t(), same()].concat(), &[], &["ssn"]);
    // One table twice.
    check([t(), t()].concat(), &[], &["ssn", "ssn_1"]);
    // Three orders: each place that the column could come to.
    let third = source("p.d.v", &["id INT64", "name STRING", "ssn STRING"]);
    check([t(), third].concat(), &[], &["name", "ssn"]);
    // No copy: places do not matter.
    let made = statement("CREATE_TABLE_AS_SELECT", Some("p.e.made"), [t(), turned()].concat());
    assert_eq!(carried(&evaluate(vec![made], &Known::default())), ["ssn"]);
}
