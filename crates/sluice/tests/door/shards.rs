//! Tables behind a star that differ. The star has the columns of the newest, in their order; so what counts places counts those, and no value comes out at the place
//! of another.

use crate::canaries::Canaries;
use crate::reshaped::{PIPELINE, READER, make, query, ran, world};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_star_has_the_columns_of_the_newest_table_at_their_places() {
    let world = world("shards");
    let canaries = Canaries::of(&world);
    let table = |text: &str| {
        make(&world, text);
        // The next one is newer.
        crate::program::pause(Duration::from_millis(5));
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
