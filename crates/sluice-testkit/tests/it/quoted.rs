//! Tables that are named by one quoted path: what BigQuery takes such a name for, and never anything else.

use sluice_model::{TableName, Type};
use sluice_sql::catalog::{Column, Snapshot, Table, TableKind};
use sluice_sql::{Request, analyze};
use sluice_testkit::ground;
use std::collections::BTreeSet;

const COLUMNS: [(&str, &str); 3] = [("id", "INT64"), ("ssn", "STRING"), ("items", "ARRAY<STRUCT<name STRING>>")];

fn warehouse() -> Snapshot {
    let column =
        |(name, kind): (&str, &str)| Column { name: name.to_owned(), kind: Type::parse(kind).unwrap(), required: false, narrow: false };
    let table = |dataset: &str, name: &str, kind: TableKind| Table {
        name: TableName::new("p", dataset, name),
        kind,
        columns: COLUMNS.map(column).to_vec(),
        etag: "1".to_owned(),
        ingestion_time: false,
        collates: false,
        partitioned_by: None,
        partitions_expire: false,
        clustered_by: Vec::new(),
        created_ms: None,
    };
    let view = |query: &str| TableKind::View { query: query.to_owned(), legacy: false, materialized: false };
    let tables = [
        table("d", "people", TableKind::Table),
        table("e", "people", TableKind::Table),
        table("d", "seen", view("SELECT `d.people`.ssn AS s FROM `d.people`")),
        table("d", "unseen", view("SELECT people.ssn AS s FROM `d.people`")),
    ];
    Snapshot { tables: tables.into_iter().map(|table| (table.name.clone(), table)).collect(), ..Snapshot::default() }
}

fn asked(text: &str) -> sluice_model::Analysis {
    let request = Request { text: text.to_owned(), project: "p".to_owned(), ..Request::default() };
    analyze(ground::engine(), &request, &warehouse())
}

/// A text, and the columns that reach each output of its last statement.
#[test]
fn quoted_names_are_those_of_their_tables() {
    let check = |text: &str, expect: &[&str]| {
        let analysis = asked(text);
        assert_eq!(analysis.refused, None, "{text}");
        let last = analysis.statements.last().unwrap();
        let columns = |output: &sluice_model::Output| {
            let columns = output.exposures.iter().map(|shown| format!("{}.{}", shown.column.table.dataset, shown.column.path.join(".")));
            columns.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
        };
        let found: Vec<String> = last.outputs.iter().map(columns).collect();
        assert_eq!(found, expect, "{text}: {:?}", last.unresolved);
        assert_eq!(last.unresolved, [], "{text}");
    };
    check("SELECT `d.people`.`id`, `d.people`.`ssn` FROM `d.people` ORDER BY `d.people`.`id`", &["d.id", "d.ssn"]);
    check("SELECT `p.d.people`.ssn FROM `p.d.people` WHERE `P.D.People`.id = 1", &["d.ssn"]);
    check("SELECT `d.people`.* EXCEPT (items) FROM `d.people`", &["d.id", "d.ssn"]);
    check("SELECT `d.people`.ssn FROM p.`d.people`", &["d.ssn"]);
    check("SELECT people.ssn FROM `p.d`.people", &["d.ssn"]);
    check("SELECT people.ssn FROM `p`.`d`.`people`", &["d.ssn"]);
    check("SELECT t.ssn FROM `d.people` AS t", &["d.ssn"]);
    check("SELECT `d.people`.id, `e.people`.ssn FROM `d.people` JOIN `e.people` ON `d.people`.id = `e.people`.id", &["d.id", "e.ssn"]);
    check("SELECT id, `e.people`.ssn FROM `d.people` JOIN `e.people` USING (id)", &["d.id", "e.ssn"]);
    check("FROM `d.people` |> WHERE `d.people`.id > 1 |> SELECT `d.people`.ssn", &["d.ssn"]);
    check("SELECT i.name FROM `d.people`, UNNEST(`d.people`.items) AS i", &["d.items.name"]);
    check("SELECT i.name FROM `d.people`, `d.people`.items AS i", &["d.items.name"]);
    // Its own table, whatever else a part of the name could lead to.
    check("SELECT (SELECT MAX(`d.people`.ssn) FROM e.people AS people) FROM `d.people`", &["d.ssn"]);
    check("SELECT (SELECT MAX(`d.people`.ssn) FROM `e.people`) FROM `d.people`", &["d.ssn"]);
    check("SELECT (SELECT MAX(`d.people`.ssn) FROM e.people AS `d.people`) FROM `d.people`", &["e.ssn"]);
    check("SELECT `d.people`.ssn FROM `d.people`, (SELECT STRUCT(STRUCT('x' AS ssn) AS people) AS d)", &["d.ssn"]);
    check("SELECT d.people.ssn FROM `d.people`, (SELECT STRUCT(STRUCT('x' AS ssn) AS people) AS d)", &[""]);
    check("SELECT q.ssn FROM (SELECT [STRUCT('x' AS ssn)] AS people) AS d, `d.people` AS q", &["d.ssn"]);
    check("SELECT `d.people` FROM `d.people`, (SELECT STRUCT('x' AS people) AS d)", &["d.id d.items.name d.ssn"]);
    check("DECLARE `d.people` STRUCT<ssn STRING>; SELECT `d.people`.ssn FROM `d.people`", &["d.ssn"]);
    check("SELECT `e.people`.ssn FROM d.people AS `e.people`", &["d.ssn"]);
    // Short names that something nearer has, or that are nowhere near.
    check("WITH people AS (SELECT * FROM `d.people`) SELECT people.ssn FROM people", &["d.ssn"]);
    check("SELECT id FROM `d.people` UNION ALL SELECT people.id FROM e.people", &["d.id e.id"]);
    check("SELECT id FROM `d.people` WHERE id IN (SELECT people.id FROM e.people)", &["d.id"]);
    check("SELECT people FROM `d.people`, (SELECT 'x' AS people)", &[""]);
    // Texts within texts.
    check("SELECT s FROM d.seen", &["d.ssn"]);
    check("EXECUTE IMMEDIATE 'SELECT `d.people`.ssn FROM `d.people`'", &["d.ssn"]);
    check("CREATE TEMP FUNCTION f() AS ((SELECT MAX(`d.people`.ssn) FROM `d.people`)); SELECT f()", &["d.ssn"]);
    check("DECLARE a STRING; SET a = (SELECT MAX(`d.people`.ssn) FROM `d.people`); SELECT a", &["d.ssn"]);
    check("CREATE TEMP TABLE t AS SELECT ssn FROM d.people; SELECT `_SESSION.t`.ssn FROM `_SESSION.t`", &["d.ssn"]);
    // What is written.
    check("UPDATE `d.people` SET `d.people`.ssn = 'x' WHERE `d.people`.id = 1", &[""]);
    check("UPDATE `d.people` SET ssn = `e.people`.ssn FROM `e.people` WHERE `d.people`.id = `e.people`.id", &["e.ssn"]);
    check("DELETE FROM `d.people` WHERE `d.people`.id = 1", &[]);
    check(
        "MERGE `d.people` USING `e.people` ON `d.people`.id = `e.people`.id WHEN MATCHED THEN UPDATE SET ssn = `e.people`.ssn",
        &["e.ssn"],
    );
    check("CREATE TABLE `p.d.made` AS SELECT `d.people`.ssn FROM `d.people`", &["d.ssn"]);
    check("INSERT INTO `p.e.people` (ssn) SELECT `d.people`.ssn FROM `d.people`", &["d.ssn"]);
}

/// A text, and the refusal.
#[test]
fn other_names_are_none() {
    let check = |text: &str, expect: &str| {
        let reason = asked(text).refused.map(|refused| refused.reason).unwrap_or_default();
        assert!(reason.starts_with(expect), "{text}: {reason}");
    };
    let short = "Unrecognized name: people; the table is called `d.people` here, or by an alias at [1:8]";
    check("SELECT people.ssn FROM `d.people`", short);
    check("SELECT people.* FROM `d.people`", short);
    check("SELECT PEOPLE.ssn FROM `d.people`", "Unrecognized name: PEOPLE; the table is called `d.people` here");
    check("SELECT people.ssn FROM `d.people`, (SELECT STRUCT('x' AS ssn) AS people)", short);
    check(
        "SELECT (SELECT MAX(people.ssn) FROM `d.people`) FROM e.people",
        "Unrecognized name: people; the table is called `d.people` here",
    );
    check("SELECT (SELECT people.ssn) FROM `d.people`, e.people", "Unrecognized name: people; the table is called `d.people` here");
    check("FROM `d.people` |> SELECT people.ssn", "Unrecognized name: people; the table is called `d.people` here");
    check("UPDATE `d.people` SET id = 1 WHERE people.ssn = 'x'", "Unrecognized name: people; the table is called `d.people` here");
    check("SELECT `d.people`.ssn FROM d.people", "Unrecognized name: `d.people`");
    check("SELECT `p.d.people`.ssn FROM `d.people`", "Unrecognized name: `p.d.people`");
    check("SELECT `d.people`.ssn FROM `d.people` AS t", "Unrecognized name: `d.people`");
    check("SELECT `d`.`people`.ssn FROM `d.people`", "Unrecognized name: d");
    check("SELECT id,\n `d.people`.nothing FROM `d.people`", "Name nothing not found inside d.people at [2:13]");
    check("SELECT 1 FROM `d.nowhere`", "Table not found: `d.nowhere`");
    check("SELECT s FROM d.unseen", "in `p.d.unseen`: Unrecognized name: people");
    check(
        "WITH `d.people` AS (SELECT 'x' AS ssn) SELECT ssn FROM `d.people`",
        "A common table expression must have a name without dots at [1:6]",
    );
}
