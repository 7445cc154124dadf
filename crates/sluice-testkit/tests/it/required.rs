//! The two phases: what `required` asks for is all that `analyze` looks at, and nothing that a text names by itself is asked for.

use sluice_model::TableName;
use sluice_sql::catalog::Snapshot;
use sluice_sql::{Request, Required, analyze, required};
use sluice_testkit::{cases, ground, honest};
use std::collections::BTreeSet;

/// A view of a view of a view: each answer may name more.
const ROUNDS_MAX: usize = 20;
const CASES_MIN: usize = 700;
const HONEST_MIN: usize = 220;

/// Asks until nothing is asked for. Gives what was found on the way, and every name that was asked for.
fn gather(request: &Request, whole: &Snapshot) -> Result<(Snapshot, BTreeSet<TableName>), String> {
    let (mut known, mut asked) = (Snapshot::default(), BTreeSet::new());
    for _ in 0..ROUNDS_MAX {
        let Required { tables, routines, models } = required(ground::engine(), request, &known).map_err(|refused| refused.reason)?;
        if tables.is_empty() && routines.is_empty() && models.is_empty() {
            return Ok((known, asked));
        }
        for name in tables {
            match whole.tables.get(&name) {
                _ if name.table.ends_with('*') => {
                    let matching: Vec<_> = whole.matching(&name).into_iter().cloned().collect();
                    known.tables.extend(matching.into_iter().map(|table| (table.name.clone(), table)));
                    known.absent.insert(name.clone());
                }
                Some(table) => drop(known.tables.insert(name.clone(), table.clone())),
                None => drop(known.absent.insert(name.clone())),
            }
            asked.insert(name);
        }
        for name in routines {
            match whole.routines.get(&name) {
                Some(routine) => drop(known.routines.insert(name.clone(), routine.clone())),
                None => drop(known.absent.insert(name.clone())),
            }
            asked.insert(name);
        }
        for name in models {
            match whole.models.get(&name) {
                Some(model) => drop(known.models.insert(name.clone(), model.clone())),
                None => drop(known.absent.insert(name.clone())),
            }
            asked.insert(name);
        }
    }
    Err(format!("still asking after {ROUNDS_MAX} rounds"))
}

fn differs(request: &Request, whole: &Snapshot) -> Option<String> {
    let full = analyze(ground::engine(), request, whole);
    match gather(request, whole) {
        // Both phases refuse what cannot be parsed.
        Err(reason) => full.refused.as_ref().is_none_or(|refused| refused.reason != reason).then(|| format!("refused: {reason}")),
        Ok((partial, asked)) => {
            let partial = analyze(ground::engine(), request, &partial);
            (partial != full).then(|| format!("asked for {asked:?}\n  - {full:?}\n  + {partial:?}"))
        }
    }
}

#[test]
fn what_is_asked_for_is_all_that_is_needed() {
    let whole = ground::clinic();
    let mut files: Vec<_> =
        std::fs::read_dir(ground::root().join("crates/sluice-testkit/cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut count, mut failures) = (0, Vec::new());
    for file in files {
        for case in cases::parse(&std::fs::read_to_string(&file).unwrap()).unwrap() {
            count += 1;
            let request = request(&case.default_project, Some(&case.default_dataset), &case.sql);
            let differs = differs(&request, &whole);
            failures.extend(differs.map(|text| format!("=== {} ({})\n{}\n  {text}\n", case.name, file.display(), case.sql)));
        }
    }
    assert!(failures.is_empty(), "{}{} of {count} cases differ", failures.concat(), failures.len());
    assert!(count >= CASES_MIN, "only {count} cases");
}

#[test]
fn honest_work_asks_for_what_it_needs_and_for_nothing_else() {
    let folder = ground::root().join("crates/sluice-testkit/honest");
    let whole = ground::snapshot(&folder.join("catalog"));
    let (mut count, mut failures) = (0, Vec::new());
    for file in ["shop.txt", "tpcds.txt", "tpch.txt"] {
        for honest in honest::parse(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap() {
            count += 1;
            let request = request("bench", Some("raw"), &honest.sql);
            failures.extend(differs(&request, &whole).map(|text| format!("=== {} ({file})\n  {text}\n", honest.name)));
            let (known, _) = gather(&request, &whole).unwrap();
            let missed: Vec<_> = known.absent.iter().filter(|name| !name.table.ends_with('*')).collect();
            assert!(missed.is_empty(), "{} asks for what is not there: {missed:?}", honest.name);
        }
    }
    assert!(failures.is_empty(), "{}{} of {count} statements differ", failures.concat(), failures.len());
    assert!(count >= HONEST_MIN, "only {count} statements");
}

/// Everything that is asked for, in one list, with `clinic` as the default dataset and a catalog that has nothing.
#[test]
fn names_of_its_own_are_not_asked_for() {
    let check = |text: &str, expect: &[&str]| {
        let request = request("acme-prod", Some("clinic"), text);
        let found = required(ground::engine(), &request, &Snapshot::default()).unwrap();
        let names = found.tables.iter().chain(&found.routines).chain(&found.models).map(ToString::to_string);
        let names: Vec<String> = names.map(|name| name.replace("acme-prod.", "")).collect();
        assert_eq!(names, expect, "{text}");
    };
    // Common table expressions.
    check("WITH c AS (SELECT * FROM patients) SELECT * FROM c JOIN visits USING (id)", &["clinic.patients", "clinic.visits"]);
    check("WITH RECURSIVE c AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM c WHERE x < 3) SELECT * FROM c", &[]);
    check("WITH patients AS (SELECT * FROM patients) SELECT * FROM patients", &["clinic.patients"]);
    check("SELECT 1 IN (WITH c AS (SELECT 1 AS x) SELECT x FROM c)", &[]);
    check("SELECT * FROM ML.PREDICT(MODEL risk, (WITH c AS (SELECT 1 AS x) SELECT x FROM c))", &["clinic.risk"]);
    // Aliases and their arrays.
    check("SELECT * FROM patients AS p, p.contacts AS c, c.phones", &["clinic.patients"]);
    check("SELECT * FROM patients, patients.contacts", &["clinic.patients"]);
    check("SELECT ARRAY(SELECT name FROM p.contacts) FROM patients AS p", &["clinic.patients"]);
    check("UPDATE patients SET (INSERT contacts VALUES (('a', 'b'))) WHERE TRUE", &["clinic.patients"]);
    check("DELETE patients AS p WHERE EXISTS (SELECT 1 FROM p.contacts)", &["clinic.patients"]);
    // Temporary tables, where the name means them.
    check("CREATE TEMP TABLE x AS SELECT * FROM patients; SELECT * FROM x, _SESSION.x; DROP TABLE x", &["clinic.patients"]);
    check("CREATE TEMP TABLE x AS SELECT * FROM x; SELECT * FROM x", &["clinic.x"]);
    check("SELECT * FROM x; CREATE TEMP TABLE x AS SELECT 1 AS a", &["clinic.x"]);
    check("CREATE TEMP TABLE x AS SELECT 1 AS a; DROP TABLE x; SELECT * FROM x", &["clinic.x"]);
    check(
        "CREATE TEMP TABLE X AS SELECT 1 AS a; INSERT x VALUES (1); MERGE x USING visits ON TRUE WHEN MATCHED THEN DELETE",
        &["clinic.visits"],
    );
    // Functions: temporary ones, BigQuery's own, subscripts.
    check("CREATE TEMP FUNCTION f(a INT64) AS (a); SELECT f(1), g(2), shop.h(3), SAFE.k(4)", &["clinic.g", "clinic.k", "shop.h"]);
    check("SELECT UPPER('a'), NET.HOST('b'), SAFE.PARSE_JSON('c'), AI.IF('d'), [1][OFFSET(0)], COUNT(*), ARRAY_ZIP([1], [2])", &[]);
    check("SELECT * FROM GAP_FILL(TABLE visits, 'at', INTERVAL 1 DAY), clinic.patients_of('x')", &["clinic.visits", "clinic.patients_of"]);
    check("CALL BQ.ABORT_SESSION(); CALL clinic.archive_visits()", &["clinic.archive_visits"]);
    // What the engine's own list of tables leaves out.
    check("FOR r IN (SELECT * FROM patients) DO SELECT r.id FROM visits; END FOR", &["clinic.patients", "clinic.visits"]);
    check("ALTER TABLE patients ADD COLUMN a INT64", &["clinic.patients"]);
    check("LOAD DATA INTO visits FROM FILES (uris = ['gs://a/b'], format = 'CSV')", &["clinic.visits"]);
    check("EXECUTE IMMEDIATE 'SELECT * FROM visits'", &["clinic.visits"]);
    check("CREATE PROCEDURE shop.p() BEGIN SELECT * FROM clinic.visits; END", &["clinic.visits"]);
    check("SELECT * FROM `clinic.events_*`, clinic.INFORMATION_SCHEMA.TABLES", &["clinic.events_*"]);
    check("SELECT * FROM `clinic.events_*`, clinic.__TABLES__", &["clinic.events_*"]);
    // The defaults may change on the way.
    check("SELECT * FROM a; SET @@dataset_id = 'shop'; SELECT * FROM b", &["clinic.a", "shop.b"]);
    check("IF RAND() > 1 THEN SET @@dataset_id = 'shop'; END IF; SELECT * FROM b", &["clinic.b", "shop.b"]);
    check("EXECUTE IMMEDIATE \"SET @@dataset_id = 'shop'\"; SELECT * FROM b", &["clinic.b", "shop.b"]);
    // A temporary table hides what its name would mean else, but not where it may not have been made.
    check("CREATE TEMP TABLE a AS SELECT 1 AS x; SELECT * FROM a", &[]);
    check("IF RAND() > 1 THEN CREATE TEMP TABLE a AS SELECT 1 AS x; END IF; SELECT * FROM a", &["clinic.a"]);
}

fn request(project: &str, dataset: Option<&str>, text: &str) -> Request {
    let default_dataset = dataset.map(|dataset| (project.to_owned(), dataset.to_owned()));
    Request { text: text.to_owned(), project: project.to_owned(), default_dataset, ..Request::default() }
}
