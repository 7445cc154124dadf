//! Tables behind a star that differ. The star has the columns of the newest, in their order; so what counts places counts those, and no value comes out at the place
//! of another.

use crate::canaries::Canaries;
use crate::program::pause;
use crate::reshaped::{PIPELINE, READER, begin, go_on, make, query, ran, results, world};
use crate::world::{API, World};
use serde_json::json;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_star_has_the_columns_of_the_newest_table_at_their_places() {
    let world = world("shards");
    let canaries = Canaries::of(&world);
    let table = |text: &str| {
        make(&world, text);
        // The next one is newer.
        pause(Duration::from_millis(5));
    };
    table("CREATE OR REPLACE TABLE staging.w_1 AS SELECT 'i1' AS id, 'x1' AS x, 'y1' AS y");
    table("CREATE OR REPLACE TABLE staging.w_2 AS SELECT 'y2' AS y, 'i2' AS id");
    table("CREATE OR REPLACE TABLE staging.u_1 AS SELECT 'i1' AS id");
    table("CREATE OR REPLACE TABLE staging.u_0 AS SELECT 'i0' AS id, 'x0' AS x");
    // By place: what is hidden stands where the newest table has it.
    let by_place = [
        "SELECT id FROM (SELECT 'a' AS p, * FROM `staging.w_*` UNION ALL SELECT w.*, q.ssn FROM `staging.w_*` AS w, clinic.patients AS q)",
        "SELECT y FROM (SELECT 'a' AS p, * FROM `staging.w_*` UNION ALL SELECT q.ssn, w.* FROM `staging.w_*` AS w, clinic.patients AS q)",
        "SELECT * FROM (SELECT *, '1' FROM `staging.w_*` UNION ALL SELECT w.*, q.ssn FROM `staging.w_*` AS w, clinic.patients AS q)",
        "SELECT x FROM (SELECT * FROM `staging.u_*` UNION ALL SELECT u.id, q.ssn FROM `staging.u_*` AS u, clinic.patients AS q)",
        "SELECT v FROM (SELECT NULL AS n0, NULL AS n1, NULL AS v, * FROM `shop.order*` UNION ALL SELECT NULL, NULL, q.ssn, w.* FROM `shop.order*` AS w, clinic.patients AS q)",
        "WITH a AS (SELECT * FROM `staging.w_*`), b AS (SELECT 'p' AS p, * FROM a UNION ALL SELECT a.*, q.ssn FROM a, clinic.patients AS q) SELECT id FROM b",
    ];
    for statement in by_place {
        let answer = query(&world, READER, statement);
        assert_eq!(canaries.find_in(&answer), None, "{statement}: {}", answer.text());
        let made = format!("CREATE OR REPLACE TABLE staging.made AS {statement}");
        if query(&world, PIPELINE, &made).status == 200 {
            let answer = query(&world, READER, "SELECT * FROM staging.made");
            assert_eq!(canaries.find_in(&answer), None, "{made}: {}", answer.text());
        }
    }
    let order = "SELECT pid FROM (SELECT w.*, q.ssn AS s, q.id AS pid FROM (SELECT * FROM `staging.w_*` WHERE id = 'i2') AS w, clinic.patients AS q ORDER BY 3 LIMIT 6)";
    let answer = query(&world, READER, order);
    assert!(answer.status == 403 && answer.text().contains("clinic.patients.ssn (order)"), "{order}: {}", answer.text());
    // What is whole comes out as it is, also where an older table has more.
    let check = |statement: &str, expect: &[&[Option<&str>]]| {
        let answer = query(&world, READER, statement);
        ran(&answer, statement);
        let row = |row: &&[Option<&str>]| json!({ "f": row.iter().map(|cell| json!({ "v": cell })).collect::<Vec<_>>() });
        assert_eq!(answer.json()["rows"], json!(expect.iter().map(row).collect::<Vec<_>>()), "{statement}: {}", answer.text());
    };
    check("SELECT * FROM `staging.w_*` ORDER BY id", &[&[Some("y1"), Some("i1")], &[Some("y2"), Some("i2")]]);
    check("SELECT * FROM `staging.u_*` ORDER BY id", &[&[Some("i0"), Some("x0")], &[Some("i1"), None]]);
    check("SELECT w.id FROM `staging.w_*` AS w ORDER BY 1", &[&[Some("i1")], &[Some("i2")]]);
    let gone = query(&world, READER, "SELECT x FROM `staging.w_*`");
    assert_eq!(gone.status, 400, "{}", gone.text());
    world.finish();
}

/// Past the gateway.
fn wait_until(world: &World, is_so: &str) {
    let body = json!({ "query": format!("SELECT 'so' FROM (SELECT 1) WHERE {is_so}"), "useLegacySql": false });
    let until = Instant::now() + WITHIN;
    while !world.direct("POST", &format!("{API}/queries"), Some(&body)).text().contains("\"so\"") {
        assert!(Instant::now() < until, "never: {is_so}");
        pause(Duration::from_millis(50));
    }
}

fn is_there(world: &World, table: &str) -> bool {
    world.direct("GET", &format!("{API}/datasets/staging/tables/{table}"), None).status == 200
}

#[test]
fn what_came_and_went_behind_a_star_was_read_in_between() {
    let world = world("shards-between");
    let canaries = Canaries::of(&world);
    let check = |name: &str, comes: &str, goes: &str, is_gone: bool| {
        let (comes, goes) = (comes.replace("{t}", name), goes.replace("{t}", name));
        let first = format!("CREATE OR REPLACE TABLE staging.{name}_1 AS SELECT name AS pub FROM clinic.patients");
        ran(&query(&world, PIPELINE, &first), &first);
        make(&world, &format!("CREATE OR REPLACE TABLE staging.b_{name} (j STRING)"));
        for part in ["copied", "copies", "done", "goes", "reads"] {
            make(&world, &format!("CREATE OR REPLACE TABLE staging.go_{name}_{part} (a STRING)"));
        }
        let waits = |part: &str| format!("WHILE (SELECT COUNT(*) FROM staging.go_{name}_{part}) < 1 DO SET i = i + 1; END WHILE;");
        let star = format!("SELECT TO_JSON_STRING(x) AS j FROM `staging.{name}_*` AS x");
        let reader = begin(&world, READER, &format!("{name}_reads"), "", &star);
        let copies = format!("INSERT INTO staging.b_{name} {star}; {}", waits("copied"));
        let copier = begin(&world, PIPELINE, &format!("{name}_copies"), "", &copies);
        let maker = begin(&world, PIPELINE, &format!("{name}_goes"), &comes, &format!("{goes} {}", waits("done")));
        wait_until(&world, &format!("(SELECT COUNT(*) FROM `staging.{name}_*` WHERE _TABLE_SUFFIX != '1') > 0"));
        ["reads", "copies"].iter().for_each(|part| go_on(&world, &format!("{name}_{part}")));
        wait_until(&world, &format!("(SELECT COUNT(*) FROM staging.b_{name}) > 0"));
        go_on(&world, &format!("{name}_goes"));
        let until = Instant::now() + WITHIN;
        while is_gone && is_there(&world, &format!("{name}_2")) {
            assert!(Instant::now() < until, "{name} stays");
            pause(Duration::from_millis(50));
        }
        let hidden = |when: &str| {
            for answer in [query(&world, READER, &format!("SELECT j FROM staging.b_{name}")), results(&world, READER, &reader)] {
                assert_eq!(canaries.find_in(&answer), None, "{name} {when}: {}", answer.text());
                assert!([200, 403].contains(&answer.status), "{name} {when}: {}", answer.text());
            }
        };
        hidden("at once");
        for (part, job) in [("copied", &copier), ("done", &maker)] {
            go_on(&world, &format!("{name}_{part}"));
            results(&world, PIPELINE, job);
            hidden(part);
        }
        let there = world.direct(
            "POST",
            &format!("{API}/queries"),
            Some(&json!({ "query": format!("SELECT j FROM staging.b_{name}"), "useLegacySql": false })),
        );
        assert!(canaries.find_in(&there).is_some(), "{name}: {}", there.text());
        assert_eq!(results(&world, READER, &reader).status, 403, "{name}");
    };
    let made = "CREATE TABLE staging.{t}_2 AS SELECT ssn FROM clinic.patients;";
    check("dropped", made, "DROP TABLE staging.{t}_2;", true);
    check("renamed", made, "ALTER TABLE staging.{t}_2 RENAME TO away_{t};", true);
    check("by_place", "CREATE TABLE staging.{t}_2 AS SELECT ssn AS pub FROM clinic.patients;", "DROP TABLE staging.{t}_2;", true);
    check("replaced", made, "CREATE OR REPLACE TABLE staging.{t}_2 AS SELECT 'x' AS pub;", false);
    // What comes first in a loop is done once more behind what comes last.
    let around = "FOR x IN (SELECT 1 UNION ALL SELECT 2) DO DROP TABLE IF EXISTS staging.{t}_2; IF i = 0 THEN CREATE TABLE staging.{t}_2 AS SELECT ssn FROM clinic.patients; END IF; SET i = 1;";
    check("looped", around, "END FOR;", true);
    world.finish();
}

#[test]
fn whoever_reads_a_star_is_not_disturbed_by_a_plain_table_that_comes() {
    let world = world("shards-coming");
    let (plain, rows) = ("SELECT 'coming' AS pub", "SELECT pub FROM `staging.{t}_*`");
    let check = |name: &str, comes: &[&str], is_over: bool| {
        let first = format!("CREATE OR REPLACE TABLE staging.{name}_1 AS SELECT 'plain' AS pub");
        ran(&query(&world, PIPELINE, &first), &first);
        make(&world, &format!("CREATE OR REPLACE TABLE staging.go_{name} (a STRING)"));
        make(&world, &format!("CREATE OR REPLACE TABLE staging.go_{name}_done (a STRING)"));
        let reader = begin(&world, READER, name, "", &rows.replace("{t}", name));
        let comes = comes.iter().map(|statement| statement.replace("{t}", name));
        if is_over {
            comes.for_each(|statement| ran(&query(&world, PIPELINE, &statement), &statement));
        } else {
            let maker = begin(&world, PIPELINE, &format!("{name}_done"), &comes.collect::<String>(), "");
            wait_until(&world, &format!("(SELECT COUNT(*) FROM `staging.{name}_*` WHERE _TABLE_SUFFIX != '1') > 0"));
            drop(maker);
        }
        go_on(&world, name);
        let answer = results(&world, READER, &reader);
        ran(&answer, name);
        assert!(["plain", "coming"].iter().all(|text| answer.text().contains(text)), "{name}: {}", answer.text());
        go_on(&world, &format!("{name}_done"));
    };
    let made = format!("CREATE TABLE staging.{{t}}_2 AS {plain};");
    let anew = format!("DROP TABLE IF EXISTS staging.{{t}}_2; CREATE TABLE staging.{{t}}_2 AS {plain};");
    check("alone", &[&made], true);
    check("two", &[&made, &made.replace("_2", "_3")], true);
    check("anew", &[&anew], true);
    check("filled", &["CREATE TABLE staging.{t}_2 (pub STRING); INSERT INTO staging.{t}_2 (pub) VALUES ('coming');"], true);
    check("during", &[&made], false);
    check("anew_during", &[&anew], false);
    world.finish();
}
