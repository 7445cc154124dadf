//! What a table keeps its rows sorted or apart by tells of them: by their order, and by which are gone one day.

use sluice_model::{Analysis, TableName, Type, UseKind};
use sluice_sql::catalog::{Column, Snapshot, Table, TableKind};
use sluice_sql::{Destination, Request, Sorted, analyze};
use sluice_testkit::ground;

fn uses(analysis: &Analysis, text: &str) -> Vec<(String, UseKind)> {
    assert_eq!(analysis.refused, None, "{text}");
    assert!(analysis.statements.iter().all(|statement| statement.unresolved.is_empty()), "{text}: {analysis:?}");
    let mut found: Vec<_> =
        analysis.statements.iter().flat_map(|statement| &statement.uses).map(|used| (used.column.path.join("."), used.how)).collect();
    found.sort();
    found.dedup();
    found
}

fn named(expect: &[(&str, UseKind)]) -> Vec<(String, UseKind)> {
    expect.iter().map(|(name, how)| ((*name).to_owned(), *how)).collect()
}

/// A job's own settings tell as much as `CLUSTER BY` in the statement.
#[test]
fn the_order_of_a_destination_is_told_where_a_guess_can_stand_in_it() {
    let check = |text: &str, sorted: &[(&str, UseKind)], expires: bool, expect: &[(&str, UseKind)]| {
        let sorted = Sorted { columns: named(sorted), expires };
        let destination =
            Some(Destination { table: TableName::new("acme-prod", "staging", "t"), truncates: true, sorted, brings_columns: true });
        let request = Request { text: text.to_owned(), project: "acme-prod".to_owned(), destination, ..Request::default() };
        let analysis = analyze(ground::engine(), &request, &ground::clinic());
        assert_eq!(uses(&analysis, text), named(expect), "{text}");
    };
    let plain = "SELECT ssn AS x, id FROM clinic.patients";
    let guess = "SELECT ssn AS x, id FROM clinic.patients UNION ALL SELECT '900-00-0000', 1";
    let computed = "SELECT SUBSTR(ssn, 1, 3) AS x, id FROM clinic.patients";
    check(guess, &[], false, &[]);
    check(plain, &[("x", UseKind::Order)], false, &[]);
    check(guess, &[("X", UseKind::Order)], false, &[("ssn", UseKind::Order)]);
    check(guess, &[("other", UseKind::Order)], false, &[]);
    check(computed, &[("id", UseKind::Order), ("x", UseKind::Group)], false, &[("ssn", UseKind::Group)]);
    check(plain, &[("x", UseKind::Group)], false, &[]);
    check(plain, &[("x", UseKind::Group)], true, &[("ssn", UseKind::Group)]);
    check(plain, &[("x", UseKind::Order)], true, &[]);
}

#[test]
fn what_a_table_that_is_there_keeps_its_rows_by_is_told() {
    let snapshot = kept();
    let check = |text: &str, expect: &[(&str, UseKind)]| {
        let request = Request { text: text.to_owned(), project: "acme-prod".to_owned(), ..Request::default() };
        assert_eq!(uses(&analyze(ground::engine(), &request, &snapshot), text), named(expect), "{text}");
    };
    let group = &[("dob", UseKind::Group)];
    let spread = "SELECT x, SAFE.DATE_ADD(DATE '2020-01-01', INTERVAL LEAST(x, EXTRACT(DAY FROM dob)) DAY) FROM clinic.patients, UNNEST([1, 2]) AS x";
    check("INSERT INTO staging.parted (id, d) SELECT id, dob FROM clinic.patients", &[]);
    check("INSERT INTO staging.parted (id, d) SELECT 1, DATE '2020-01-01'", &[]);
    check(&format!("INSERT INTO staging.parted (id, d) {spread}"), group);
    check("INSERT INTO staging.parted (D, id) SELECT GREATEST(dob, DATE '2020-01-01'), id FROM clinic.patients", group);
    check("INSERT INTO staging.parted (id, d) VALUES (1, (SELECT MAX(dob) FROM clinic.patients))", group);
    check(
        "INSERT INTO staging.clustered (id, d) SELECT id, GREATEST(dob, DATE '2020-01-01') FROM clinic.patients",
        &[("dob", UseKind::Order)],
    );
    check("INSERT INTO staging.clustered (id, d) SELECT id, dob FROM clinic.patients", &[]);
    // Each value that makes its row go is told.
    check("INSERT INTO staging.expiring (id, d) SELECT id, dob FROM clinic.patients", group);
    check("INSERT INTO staging.expiring (id) SELECT id FROM clinic.patients", &[]);
    check("UPDATE staging.expiring SET d = (SELECT MAX(dob) FROM clinic.patients) WHERE TRUE", group);
    check("MERGE staging.expiring t USING clinic.patients s ON FALSE WHEN NOT MATCHED THEN INSERT (id, d) VALUES (s.id, s.dob)", group);
    let make = "CREATE TABLE staging.t (id INT64, d DATE) PARTITION BY d OPTIONS (partition_expiration_days = 9)";
    check(&format!("{make} AS SELECT id, dob FROM clinic.patients"), group);
    check(&format!("{make}; INSERT INTO staging.t SELECT id, dob FROM clinic.patients"), group);
    check("CREATE TABLE staging.t PARTITION BY d AS SELECT id, dob AS d FROM clinic.patients", &[]);
    // Later, and of a copy.
    let of_it = &[("d", UseKind::Group)];
    check("ALTER TABLE staging.parted SET OPTIONS (partition_expiration_days = 9)", of_it);
    check("ALTER TABLE staging.parted SET OPTIONS (description = 'kept')", &[]);
    check("ALTER TABLE staging.clustered SET OPTIONS (partition_expiration_days = 9)", &[]);
    check("CREATE TABLE staging.t CLONE staging.parted OPTIONS (partition_expiration_days = 9)", of_it);
    check("CREATE TABLE staging.t COPY staging.parted OPTIONS (partition_expiration_days = 9)", of_it);
    check("CREATE TABLE staging.t CLONE staging.parted", &[]);
    let narrow = &[("dob", UseKind::Error), ("dob", UseKind::Group), ("id", UseKind::Error)];
    // A pattern, and what is written into its likes by the same script.
    check("CREATE TABLE staging.t LIKE staging.expiring AS SELECT id, dob AS d FROM clinic.patients", group);
    check(
        "CREATE TABLE staging.t LIKE staging.clustered AS SELECT id, GREATEST(dob, DATE '2020-01-01') AS d FROM clinic.patients",
        &[("dob", UseKind::Order)],
    );
    check("CREATE TABLE staging.t LIKE staging.parted AS SELECT id, dob AS d FROM clinic.patients", &[]);
    check("CREATE TABLE staging.t LIKE staging.narrow AS SELECT id, dob AS d FROM clinic.patients", &[("dob", UseKind::Error)]);
    check("CREATE TABLE staging.t LIKE staging.expiring; INSERT INTO staging.t SELECT id, dob FROM clinic.patients", narrow);
    check("CREATE TABLE staging.t CLONE staging.expiring; INSERT INTO staging.t SELECT id, dob FROM clinic.patients", narrow);
}

/// A job that adds to a table fails where that refuses a value, and says so.
#[test]
fn what_a_table_takes_is_told_by_failing() {
    let snapshot = kept();
    let text = "SELECT id, dob AS D, ssn AS other FROM clinic.patients";
    let request = Request { text: text.to_owned(), project: "acme-prod".to_owned(), ..Request::default() };
    let analysis = analyze(ground::engine(), &request, &snapshot);
    let outputs = &analysis.statements.last().unwrap().outputs;
    let check = |table: &str, brings_columns: bool, expect: &[(&str, UseKind)]| {
        let table = &snapshot.tables[&TableName::new("acme-prod", "staging", table)];
        let told: Vec<_> = table.told(outputs, brings_columns).into_iter().map(|used| (used.column.path.join("."), used.how)).collect();
        assert_eq!(told, named(expect), "{table:?} {brings_columns}");
    };
    check("narrow", false, &[("dob", UseKind::Error)]);
    check("narrow", true, &[]);
    check("expiring", true, &[("dob", UseKind::Group)]);
    check("parted", false, &[]);
}

fn kept() -> Snapshot {
    let mut snapshot = ground::clinic();
    let column = |name: &str, kind: Type| Column { name: name.to_owned(), kind, required: false, narrow: false };
    let kinds =
        [("parted", [true, false, false, false]), ("expiring", [true, true, false, false]), ("clustered", [false, false, true, false])];
    for (name, [partitioned, expires, clustered, narrow]) in kinds.into_iter().chain([("narrow", [false, false, false, true])]) {
        let table = Table {
            name: TableName::new("acme-prod", "staging", name),
            kind: TableKind::Table,
            columns: vec![column("id", Type::Int64), Column { narrow, ..column("d", Type::Date) }],
            etag: String::new(),
            ingestion_time: false,
            partitioned_by: partitioned.then(|| "d".to_owned()),
            partitions_expire: expires,
            clustered_by: if clustered { vec!["d".to_owned()] } else { Vec::new() },
            collates: false,
            created_ms: None,
        };
        snapshot.tables.insert(table.name.clone(), table);
    }
    snapshot
}
