//! Where nothing but the shape of a struct or an array is looked at, the analysis says so; and where a mistake stands, it says too.

use sluice_model::{TableName, Type};
use sluice_sql::catalog::{Column, Snapshot, Table, TableKind};
use sluice_sql::{Request, analyze};
use sluice_testkit::ground;

fn warehouse() -> Snapshot {
    let columns = [
        ("id", "INT64"),
        ("home", "STRUCT<city STRING, street STRING>"),
        ("list", "ARRAY<STRUCT<name STRING, phone STRING>>"),
        ("words", "ARRAY<STRING>"),
        ("notes", "JSON"),
    ];
    let column =
        |(name, kind): (&str, &str)| Column { name: name.to_owned(), kind: Type::parse(kind).unwrap(), required: false, narrow: false };
    let table = |name: &str, kind: TableKind| Table {
        name: TableName::new("p", "d", name),
        kind,
        columns: columns.map(column).to_vec(),
        etag: "1".to_owned(),
        ingestion_time: false,
        collates: false,
        partitioned_by: None,
        partitions_expire: false,
        clustered_by: Vec::new(),
        created_ms: None,
    };
    let view = TableKind::View { query: "SELECT * FROM p.d.people".to_owned(), legacy: false, materialized: false };
    let tables = [table("people", TableKind::Table), table("seen", view)];
    Snapshot { tables: tables.into_iter().map(|table| (table.name.clone(), table)).collect(), ..Snapshot::default() }
}

fn asked(text: &str) -> sluice_model::Analysis {
    let request = Request { text: text.to_owned(), project: "p".to_owned(), ..Request::default() };
    analyze(ground::engine(), &request, &warehouse())
}

/// A text, and the columns of which its statements see the shape alone.
#[test]
fn shapes_are_told_from_values() {
    let check = |text: &str, expect: &[&[&str]]| {
        let analysis = asked(text);
        let shapes: Vec<Vec<String>> =
            analysis.statements.iter().map(|statement| statement.shapes.iter().map(|path| path.path.join(".")).collect()).collect();
        assert_eq!(shapes, expect, "{text}: {:?}", analysis.refused);
    };
    check("SELECT c.name FROM d.people, UNNEST(list) AS c", &[&["list"]]);
    check("SELECT c.phone FROM d.people, UNNEST(list) AS c WHERE c.name = 'a'", &[&["list"]]);
    check("SELECT c FROM d.seen, UNNEST(list) AS c", &[&["list"]]);
    check("SELECT ARRAY_LENGTH(list), home IS NULL FROM d.people", &[&["home", "list"]]);
    check("SELECT list[OFFSET(0)].name FROM d.people", &[&["list"]]);
    check("SELECT ARRAY(SELECT c.name FROM UNNEST(list) AS c WHERE c.phone > '5') AS a FROM d.people", &[&["list"]]);
    check("SELECT COUNT(home), COUNT(DISTINCT home) FROM d.people", &[&["home"]]);
    // One path for how many there are and what they are.
    check("SELECT w FROM d.people, UNNEST(words) AS w", &[&[]]);
    check("SELECT ARRAY_LENGTH(words) FROM d.people", &[&[]]);
    check("SELECT notes IS NULL FROM d.people", &[&[]]);
    // These read what is inside, under its own names.
    check("SELECT id FROM d.people WHERE home = ('a', 'b')", &[&[]]);
    check("SELECT TO_JSON_STRING(list), FORMAT('%t', home) FROM d.people", &[&[]]);
    check("SELECT home FROM d.people", &[&[]]);
    check("SELECT DISTINCT home FROM d.people", &[&[]]);
    // A table that the script made anew has its column by the same name, and that is read whole.
    check(
        "SELECT ARRAY_LENGTH(list) FROM d.people; CREATE OR REPLACE TABLE d.people (list JSON); SELECT list FROM d.people",
        &[&[], &[], &[]],
    );
}

/// A text, and how the refusal ends.
#[test]
fn mistakes_stand_where_they_were_written() {
    let check = |text: &str, expect: &str| {
        let reason = asked(text).refused.map(|refused| refused.reason).unwrap_or_default();
        assert!(reason.ends_with(expect), "{text}: {reason}");
    };
    check("SELECT nam FROM d.people", "Unrecognized name: nam at [1:8]");
    check("SELECT 1;\n  SELECT nam FROM d.people", "at [2:10]");
    check("SELECT nam FROM `p.d.people`", "at [1:8]");
    check("SELECT id FROM `p.d.people` WHERE nam = 1", "at [1:35]");
    check("SELECT id FROM `p.d.people`\nWHERE nam = 1", "at [2:7]");
    check("DECLARE a INT64; SELECT b FROM d.people", "at [1:25]");
    check("CREATE TEMP FUNCTION f(x INT64) AS (x + 1); SELECT f(1) FROM `p.d.people` WHERE nam", "at [1:81]");
    check("CREATE TEMP FUNCTION f(x INT64) AS (x); SELECT f('a')", "at [1:48]");
    check("SELECT '\u{e9}', nam FROM d.people", "at [1:13]");
}

/// What is not understood is named with its place, and is said to be the caller's own where it is.
#[test]
fn what_is_not_understood_is_named() {
    let check = |text: &str, expect: &str, own: bool| {
        let analysis = asked(text);
        let found = analysis.statements.iter().flat_map(|statement| &statement.unresolved).find(|part| part.what == expect);
        assert_eq!(found.map(|part| part.own), Some(own), "{text}: {analysis:?}");
    };
    check("CREATE SEQUENCE d.s", "`CREATE SEQUENCE` is no statement that is known here at [1:1]", true);
    check("SELECT 1; CREATE SEQUENCE d.s", "`CREATE SEQUENCE` is no statement that is known here at [1:11]", true);
    check("EXECUTE IMMEDIATE 'CREATE SEQUENCE d.s'", "`CREATE SEQUENCE` is no statement that is known here at [1:1]", false);
    check("DESCRIBE d.people", sluice_model::FOREIGN_STATEMENTS[0].1, true);
}

/// A query that cannot have two rows fails by none, also where it goes by a name.
#[test]
fn one_row_by_another_name_is_one_row() {
    let check = |text: &str, expect: bool| {
        let analysis = asked(text);
        let uses = analysis.statements.iter().flat_map(|statement| &statement.uses);
        let fails = uses.filter(|used| used.how == sluice_model::UseKind::Error).count() > 0;
        assert_eq!((analysis.refused, fails), (None, expect), "{text}");
    };
    let one = "WITH one AS (SELECT COUNT(*) AS n FROM d.people WHERE words[SAFE_OFFSET(0)] > 'a')";
    let many = "WITH many AS (SELECT id AS n FROM d.people WHERE words[SAFE_OFFSET(0)] > 'a')";
    check(&format!("{one} SELECT (SELECT n FROM one)"), false);
    check(&format!("{one} SELECT (SELECT a.n FROM one AS a CROSS JOIN one AS b)"), false);
    check(&format!("{one}, two AS (SELECT n FROM one) SELECT (SELECT n FROM two WHERE n > 1)"), false);
    check(&format!("SELECT ({one} SELECT n FROM one)"), false);
    check(&format!("{many} SELECT (SELECT n FROM many)"), true);
    check(&format!("{many}, one AS (SELECT 1 AS n) SELECT (SELECT many.n FROM one CROSS JOIN many)"), true);
    check(
        &format!(
            "{one}, other AS (SELECT COUNT(*) AS n FROM d.people WHERE words[SAFE_OFFSET(0)] > 'b') SELECT (SELECT one.n FROM one FULL JOIN other ON one.n = other.n)"
        ),
        true,
    );
}
