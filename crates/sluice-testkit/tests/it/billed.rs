//! What BigQuery may bill for: more than is read, never less.

use sluice_model::{Read, TableName, Type};
use sluice_sql::catalog::{Column, Snapshot, Table, TableKind};
use sluice_sql::{Request, analyze};
use sluice_testkit::ground;

fn table(name: &str, kind: TableKind, columns: &[(&str, &str)], partitioned_by: Option<&str>) -> Table {
    let column =
        |(name, kind): &(&str, &str)| Column { name: (*name).to_owned(), kind: Type::parse(kind).unwrap(), required: false, narrow: false };
    Table {
        name: TableName::new("p", "d", name),
        kind,
        columns: columns.iter().map(column).collect(),
        etag: "1".to_owned(),
        ingestion_time: false,
        collates: false,
        partitioned_by: partitioned_by.map(str::to_owned),
        partitions_expire: false,
        clustered_by: Vec::new(),
        created_ms: None,
    }
}

fn warehouse() -> Snapshot {
    let people = [("id", "INT64"), ("ssn", "STRING"), ("home", "STRUCT<city STRING, street STRING>"), ("day", "DATE")];
    let view = |query: &str| TableKind::View { query: query.to_owned(), legacy: false, materialized: false };
    let tables = [
        table("people", TableKind::Table, &people, Some("day")),
        table("file", TableKind::External, &[("a", "INT64"), ("b", "STRING")], None),
        table("hiding", view("SELECT id, UPPER(ssn) AS u FROM p.d.people"), &[("id", "INT64"), ("u", "STRING")], None),
        table("over", view("SELECT id FROM p.d.hiding"), &[("id", "INT64")], None),
    ];
    Snapshot { tables: tables.into_iter().map(|table| (table.name.clone(), table)).collect(), ..Snapshot::default() }
}

fn named(reads: &[Read]) -> Vec<String> {
    reads.iter().filter(|read| !read.columns.is_empty()).map(|read| format!("{}: {}", read.table.table, read.columns.join(" "))).collect()
}

#[test]
fn what_is_listed_may_be_billed() {
    let whole = warehouse();
    let check = |text: &str, reads: &[&str], billed: &[&str]| {
        let request = Request { text: text.to_owned(), project: "p".to_owned(), ..Request::default() };
        let analysis = analyze(ground::engine(), &request, &whole);
        let [statement] = analysis.statements.as_slice() else { panic!("{text}: {analysis:?}") };
        assert_eq!((named(&statement.reads), named(statement.billed.as_ref().unwrap())), (owned(reads), owned(billed)), "{text}");
    };
    check("SELECT id FROM d.people", &["people: id"], &["people: id"]);
    check("SELECT COUNT(*) FROM d.people", &[], &[]);
    check("SELECT home.city FROM d.people", &["people: home.city"], &["people: home"]);
    check("SELECT id FROM (SELECT id, UPPER(ssn) AS u FROM d.people)", &["people: id"], &["people: id ssn"]);
    check("WITH w AS (SELECT id, ssn FROM d.people) SELECT id FROM w", &["people: id"], &["people: id ssn"]);
    check("SELECT id FROM d.hiding", &["people: id"], &["people: id ssn"]);
    check("SELECT id FROM d.over", &["people: id"], &["people: id ssn"]);
    check("SELECT a FROM d.file", &["file: a"], &["file: a b"]);
    check(
        "SELECT id FROM d.people WHERE EXISTS (SELECT 1 FROM d.file AS f WHERE f.a = id)",
        &["file: a", "people: id"],
        &["file: a b", "people: id"],
    );
    check("UPDATE d.people SET id = 1 WHERE id = 2", &["people: id"], &["people: day home id ssn"]);
    check("DELETE FROM d.people WHERE id = 2", &["people: id"], &["people: day home id ssn"]);
    check("INSERT INTO d.people (id) SELECT a FROM d.file", &["file: a"], &["file: a b"]);
    check("TRUNCATE TABLE d.people", &[], &[]);
}

/// A partition by its name is a filter, also where the same table is named without it.
#[test]
fn a_named_partition_decides_rows() {
    let whole = warehouse();
    let check = |text: &str, is_filter: bool| {
        let request = Request { text: text.to_owned(), project: "p".to_owned(), ..Request::default() };
        let analysis = analyze(ground::engine(), &request, &whole);
        let uses: Vec<String> =
            analysis.statements.iter().flat_map(|statement| &statement.uses).map(|used| used.column.to_string()).collect();
        assert_eq!(uses.contains(&"p.d.people.day".to_owned()), is_filter, "{text}: {analysis:?}");
    };
    check("SELECT id FROM `d.people$20240101`", true);
    check("SELECT a.id FROM d.people AS a, `d.people$20240101` AS b", true);
    check("SELECT a.id FROM `d.people$20240101` AS a, d.people AS b", true);
    check("SELECT id FROM d.people", false);
    check("SELECT a FROM `d.file$20240101`", false);
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
