//! A failure tells one bit. Whatever column decides whether an expression fails, the analysis must say so: the evaluator is the judge.

use sluice_googlesql::evaluate::{Answer, Content, Datum, Evaluation, Row};
use sluice_model::{TableName, Type, UseKind};
use sluice_sql::Request;
use sluice_sql::catalog::{Column, Snapshot, Table, TableKind};
use sluice_sql::engine::{self, Catalog};
use sluice_testkit::ground;
use std::collections::{BTreeMap, BTreeSet};

const CALLS: &str = include_str!("failures.txt");
const PROJECT: &str = "acme-prod";
const DATASET: &str = "clinic";
/// Each expression is asked with at most so many combinations of values.
const COMBINATIONS_MAX: usize = 500;
/// What the reference evaluator lacks, and what the engine refuses to analyze.
const NOT_ASKED_MAX: usize = 40;

/// Values of each type, as GoogleSQL writes them. Every column can hold NULL as well.
const VALUES: &[(&str, &str, &[&str])] = &[
    ("bool", "BOOL", &["TRUE", "FALSE"]),
    (
        "string",
        "STRING",
        &[
            "''",
            "'a'",
            "'abcdef'",
            "'é'",
            "REPEAT('x', 5000)",
            "'\\u0000'",
            "'%'",
            "'\\\\'",
            "'('",
            "'1'",
            "'-1'",
            "'1e400'",
            "'2020-01-01'",
            "'$['",
            "'{\"a\":1}'",
            "'\\U0010FFFF'",
            "'UTC'",
            "'a\\\\'",
            "'\\\\9'",
            "'aa'",
        ],
    ),
    ("bytes", "BYTES", &["b''", "b'\\xff'", "b'abc'", "b'\\x01\\x02\\x03\\x04'", "b'\\x80\\x00\\xfe'", "b'('", "b'1234567890123456'"]),
    ("int64", "INT64", &["0", "1", "-1", "-9223372036854775808", "9223372036854775807", "65", "1000001", "4000000000"]),
    (
        "float64",
        "FLOAT64",
        &["0.0", "1e308", "-1e308", "1.5", "CAST('nan' AS FLOAT64)", "CAST('inf' AS FLOAT64)", "CAST('-inf' AS FLOAT64)", "5e-324", "1e19"],
    ),
    (
        "numeric",
        "NUMERIC",
        &[
            "NUMERIC '0'",
            "NUMERIC '99999999999999999999999999999.999999999'",
            "NUMERIC '-99999999999999999999999999999.999999999'",
            "NUMERIC '1.5'",
        ],
    ),
    (
        "bignumeric",
        "BIGNUMERIC",
        &[
            "BIGNUMERIC '0'",
            "BIGNUMERIC '578960446186580977117854925043439539266.34992332820282019728792003956564819967'",
            "BIGNUMERIC '-578960446186580977117854925043439539266.34992332820282019728792003956564819968'",
            "BIGNUMERIC '1e-38'",
        ],
    ),
    ("date", "DATE", &["DATE '0001-01-01'", "DATE '9999-12-31'", "DATE '2020-02-29'", "DATE '0001-01-05'"]),
    (
        "datetime",
        "DATETIME",
        &["DATETIME '0001-01-01 00:00:00'", "DATETIME '9999-12-31 23:59:59.999999'", "DATETIME '2020-02-29 12:00:00'"],
    ),
    (
        "timestamp",
        "TIMESTAMP",
        &[
            "TIMESTAMP '0001-01-01 00:00:00+00'",
            "TIMESTAMP '0001-01-01 12:00:00+00'",
            "TIMESTAMP '9999-12-31 23:59:59.999999+00'",
            "TIMESTAMP '2020-02-29 12:00:00.000001+00'",
        ],
    ),
    ("time", "TIME", &["TIME '00:00:00'", "TIME '23:59:59.999999'"]),
    (
        "interval",
        "INTERVAL",
        &["INTERVAL 10000 YEAR", "INTERVAL -10000 YEAR", "INTERVAL 0 DAY", "INTERVAL 3660000 DAY", "INTERVAL 87840000 HOUR"],
    ),
    (
        "range",
        "RANGE<DATE>",
        &["RANGE<DATE> '[UNBOUNDED, UNBOUNDED)'", "RANGE<DATE> '[0001-01-01, 9999-12-31)'", "RANGE<DATE> '[2020-01-01, 2020-01-02)'"],
    ),
    (
        "json",
        "JSON",
        &[
            "JSON 'null'",
            "JSON '1'",
            "JSON '18446744073709551615'",
            "JSON '1.5e300'",
            "JSON '\"abc\"'",
            "JSON '[]'",
            "JSON '[1,\"a\",null,{\"a\":1}]'",
            "JSON '{\"a\":{\"b\":[1,2]}}'",
            "JSON '{\"a\":1,\"b\":null}'",
            "JSON 'true'",
        ],
    ),
    ("strings", "ARRAY<STRING>", &["CAST([] AS ARRAY<STRING>)", "['a']", "['a','b','c']", "['a','a']", "['%','\\\\']"]),
];

#[test]
fn what_decides_a_failure_is_told() {
    let (mut asked, mut failing, mut not_asked, mut missed, mut cautious) = (0, 0, Vec::new(), Vec::new(), 0);
    for call in CALLS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let call = Call::read(call);
        let Some(deciding) = call.deciding() else {
            not_asked.push(call.text.clone());
            continue;
        };
        asked += 1;
        failing += usize::from(!deciding.is_empty());
        let Some(told) = call.told() else { continue };
        let untold: Vec<&String> = deciding.difference(&told).collect();
        if !untold.is_empty() {
            missed.push(format!("{} by {untold:?}", call.text));
        }
        if deciding.is_empty() && !told.is_empty() {
            cautious += 1;
            println!("told to fail, never seen to: {}", call.text);
        }
    }
    println!(
        "{asked} asked, {failing} can fail, {cautious} told to though they were not seen to, {} not asked: {not_asked:#?}",
        not_asked.len()
    );
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(failing > 60 && asked > 350, "the test does not bite: {asked} asked, {failing} fail");
    assert!(not_asked.len() <= NOT_ASKED_MAX, "{not_asked:#?}");
}

/// An expression, with the columns `c0`, `c1` ... where types stood.
struct Call {
    text: String,
    columns: Vec<&'static (&'static str, &'static str, &'static [&'static str])>,
}

impl Call {
    fn read(line: &str) -> Call {
        let (mut text, mut columns, mut rest) = (String::new(), Vec::new(), line);
        while let Some(start) = rest.find('{') {
            let (before, behind) = rest.split_at(start);
            text.push_str(before);
            let known = VALUES.iter().find(|(name, ..)| behind.get(1..).is_some_and(|behind| behind.starts_with(&format!("{name}}}"))));
            match known {
                Some(known) => {
                    text.push_str(&format!("c{}", columns.len()));
                    columns.push(known);
                    rest = behind.split_at(known.0.len() + 2).1;
                }
                None => {
                    text.push('{');
                    rest = behind.split_at(1).1;
                }
            }
        }
        text.push_str(rest);
        assert!(!columns.is_empty(), "{line}");
        Call { text, columns }
    }

    /// Columns that the outcome differs by while all the others stay. Nothing where the evaluator cannot say.
    fn deciding(&self) -> Option<BTreeSet<String>> {
        let rows = self.combinations();
        let failed = self.evaluate(&rows)?;
        let mut deciding = BTreeSet::new();
        for column in 0..self.columns.len() {
            let mut outcomes: BTreeMap<Vec<usize>, BTreeSet<bool>> = BTreeMap::new();
            for (row, failed) in rows.iter().zip(&failed) {
                let others = row.iter().enumerate().filter(|(place, _)| *place != column).map(|(_, value)| *value).collect();
                outcomes.entry(others).or_default().insert(*failed);
            }
            if outcomes.values().any(|outcomes| outcomes.len() > 1) {
                deciding.insert(format!("c{column}"));
            }
        }
        Some(deciding)
    }

    /// Every combination where they are few. Else each column takes all of its values beside some choices of the others. 0 stands for NULL.
    fn combinations(&self) -> Vec<Vec<usize>> {
        let counts: Vec<usize> = self.columns.iter().map(|(_, _, values)| values.len() + 1).collect();
        let all: usize = counts.iter().product();
        if all <= COMBINATIONS_MAX {
            let digits = |number: usize| {
                counts.iter().scan(number, |left, count| {
                    let digit = *left % count;
                    *left /= count;
                    Some(digit)
                })
            };
            return (0..all).map(|number| digits(number).collect()).collect();
        }
        let mut rows = BTreeSet::new();
        let mut state: u64 = 1;
        while rows.len() < COMBINATIONS_MAX {
            let mut draw = |below: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                usize::try_from(state >> 33).unwrap() % below
            };
            let base: Vec<usize> = counts.iter().map(|count| draw(*count)).collect();
            for (column, count) in counts.iter().enumerate() {
                for value in 0..*count {
                    let mut row = base.clone();
                    row[column] = value;
                    rows.insert(row);
                }
            }
        }
        rows.into_iter().collect()
    }

    fn evaluate(&self, rows: &[Vec<usize>]) -> Option<Vec<bool>> {
        let value = |(place, (_, kind, values)): (usize, &&(&str, &str, &[&str]))| {
            let cases: String = values.iter().enumerate().map(|(index, value)| format!(" WHEN {} THEN {value}", index + 1)).collect();
            format!("CASE i{place}{cases} ELSE CAST(NULL AS {kind}) END AS c{place}")
        };
        let values: Vec<String> = self.columns.iter().enumerate().map(value).collect();
        let text = format!("SELECT r, ISERROR({}) FROM (SELECT r, {} FROM combinations)", self.text, values.join(", "));
        let names = std::iter::once("r".to_owned()).chain((0..self.columns.len()).map(|place| format!("i{place}")));
        let columns = names.map(|name| engine::Column { name, kind: Type::Int64, pseudo: false }).collect();
        let path = vec!["combinations".to_owned()];
        let table = engine::Table { path, full_name: "combinations".to_owned(), columns, value_table: false };
        let catalog = Catalog { tables: vec![table], ..Catalog::default() };
        let number = |number: usize| Datum::Int64(i64::try_from(number).unwrap());
        let content: Vec<Row> = rows
            .iter()
            .enumerate()
            .map(|(at, row)| std::iter::once(number(at)).chain(row.iter().map(|value| number(*value))).collect())
            .collect();
        let contents = [Content { version: fingerprint(&content), rows: &content }];
        let evaluation = Evaluation { text: &text, parameters: &[], catalog: &catalog, constants: &[], contents: &contents };
        let Answer { rows: answered, .. } = ground::engine().query(&evaluation).ok()?;
        let mut failed: Vec<Option<bool>> = vec![None; rows.len()];
        for row in &answered {
            let (Some(Datum::Int64(at)), Some(Datum::Bool(outcome))) = (row.first(), row.get(1)) else { return None };
            failed[usize::try_from(*at).unwrap()] = Some(*outcome);
        }
        failed.into_iter().collect()
    }

    /// Columns that the analysis says a failure is decided by. Nothing where it does not understand the expression: nobody gets an answer then.
    fn told(&self) -> Option<BTreeSet<String>> {
        let name = TableName::new(PROJECT, DATASET, "holes");
        let columns = self.columns.iter().enumerate().map(|(place, (_, kind, _))| Column {
            name: format!("c{place}"),
            kind: Type::parse(kind).unwrap(),
            required: false,
            narrow: false,
        });
        let table = Table {
            name: name.clone(),
            kind: TableKind::Table,
            columns: columns.collect(),
            etag: String::new(),
            ingestion_time: false,
            collates: false,
            partitioned_by: None,
            partitions_expire: false,
            clustered_by: Vec::new(),
            created_ms: None,
        };
        let snapshot = Snapshot { tables: BTreeMap::from([(name, table)]), ..Snapshot::default() };
        let request = Request {
            text: format!("SELECT {} FROM holes", self.text),
            project: PROJECT.to_owned(),
            default_dataset: Some((PROJECT.to_owned(), DATASET.to_owned())),
            ..Request::default()
        };
        let analysis = sluice_sql::analyze(ground::engine(), &request, &snapshot);
        if analysis.refused.is_some() || analysis.statements.iter().any(|statement| !statement.unresolved.is_empty()) {
            return None;
        }
        let uses = analysis.statements.iter().flat_map(|statement| &statement.uses);
        Some(uses.filter(|used| used.how == UseKind::Error).map(|used| used.column.path.join(".")).collect())
    }
}

/// A collation makes comparisons fail that would not otherwise. A column can have one, and so can what a view makes of it.
#[test]
fn columns_with_a_collation_are_compared_by_it() {
    let column = |name: &str| Column { name: name.to_owned(), kind: Type::String, required: false, narrow: false };
    let table = |name: &str, kind: TableKind, collates: bool| Table {
        name: TableName::new(PROJECT, DATASET, name),
        kind,
        columns: vec![column("a")],
        etag: String::new(),
        ingestion_time: false,
        collates,
        partitioned_by: None,
        partitions_expire: false,
        clustered_by: Vec::new(),
        created_ms: None,
    };
    let view = |query: &str| TableKind::View { query: query.to_owned(), legacy: false, materialized: false };
    let tables = [
        table("plain", TableKind::Table, false),
        table("collated", TableKind::Table, true),
        table("of_collated", view("SELECT * FROM clinic.collated"), false),
        table("collating", view("SELECT COLLATE(a, 'und:ci') AS a FROM clinic.plain"), false),
        table("sorted", view("SELECT a FROM clinic.plain ORDER BY a COLLATE 'und:ci'"), false),
    ];
    let snapshot = Snapshot { tables: tables.map(|table| (table.name.clone(), table)).into(), ..Snapshot::default() };
    let check = |text: &str, expect: bool| {
        let request = Request { text: text.to_owned(), project: PROJECT.to_owned(), ..Request::default() };
        let analysis = sluice_sql::analyze(ground::engine(), &request, &snapshot);
        let unresolved: Vec<_> = analysis.statements.iter().flat_map(|statement| &statement.unresolved).collect();
        assert_eq!((&analysis.refused, unresolved), (&None, vec![]), "{text}");
        let mut uses = analysis.statements.iter().flat_map(|statement| &statement.uses);
        assert_eq!(uses.any(|used| used.how == UseKind::Error), expect, "{text}");
    };
    check("SELECT a LIKE 'a_c' FROM clinic.plain", false);
    check("SELECT a LIKE 'a_c' FROM clinic.collated", true);
    check("SELECT a LIKE 'a_c' FROM clinic.of_collated", true);
    check("SELECT a LIKE 'a_c' FROM `clinic.coll*`", true);
    check("SELECT p.a LIKE c.a FROM clinic.plain AS p CROSS JOIN clinic.collated AS c", true);
    check("SELECT a || 'x', UPPER(a) FROM clinic.plain", false);
    check("SELECT LENGTH(a) FROM clinic.collating", true);
    check("SELECT a LIKE 'a_c' FROM clinic.sorted", false);
    check("SELECT a FROM clinic.collated", false);
    check("SELECT IF(TRUE, a, 'x'), a IS NULL, a || 'x' FROM clinic.collated", false);
    check("CREATE TEMP TABLE t AS SELECT * FROM clinic.collated; SELECT a LIKE 'a_c' FROM t", true);
    check("CREATE TEMP TABLE t (a STRING COLLATE 'und:ci'); INSERT INTO t SELECT a FROM clinic.plain; SELECT a LIKE 'a_c' FROM t", true);
    check("CREATE TEMP TABLE t (a STRING); INSERT INTO t SELECT a FROM clinic.plain; SELECT a LIKE 'a_c' FROM t", false);
    check("CREATE TEMP FUNCTION f(s STRING) AS ((COLLATE('', 'und:ci') || s) LIKE 'a_c'); SELECT f(a) FROM clinic.plain", true);
}

/// The evaluator keeps rows by their version: each content needs one of its own.
fn fingerprint(content: &[Row]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    format!("{content:?}").hash(&mut hasher);
    hasher.finish()
}
