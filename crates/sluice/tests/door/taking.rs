//! Tables that are there, and what rows tell by being written into them: some values are not taken, rows are kept by others, and old partitions go. A job's
//! destination is looked at as what a statement names.

use crate::partitions::{LOADER, direct, job, path, reference, start, went_well};
use crate::talk::Answer;
use crate::world::World;
use serde_json::{Value, json};

const BORN: &str = "staging.born.born";

fn is_refused(answer: &Answer, how: &str, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {}", answer.text());
    assert!(answer.text().contains(&format!("{BORN} ({how})")), "{what}: {}", answer.text());
}

fn query(world: &World, text: &str, table: &str, disposition: &str) -> (Answer, Value) {
    let destination = reference(table);
    job(
        world,
        &json!({ "query": { "query": text, "useLegacySql": false, "destinationTable": destination, "writeDisposition": disposition } }),
    )
}

#[test]
fn what_a_table_takes_and_keeps_is_told_by_its_rows() {
    let (world, _policy) = start("taking");
    for made in [
        "CREATE TABLE staging.short (id INT64, t STRING(4))",
        "CREATE TABLE staging.needed (id INT64, d DATE NOT NULL)",
        "CREATE TABLE staging.by_day (id INT64, d DATE) PARTITION BY d",
        "CREATE TABLE staging.going (id INT64, d DATE) PARTITION BY d OPTIONS (partition_expiration_days = 9)",
        "CREATE TABLE staging.born_going (id INT64, born DATE) PARTITION BY born OPTIONS (partition_expiration_days = 9)",
        "CREATE TABLE staging.texts (id INT64, t STRING)",
        "CREATE TABLE staging.dates (id INT64, d DATE)",
    ] {
        direct(&world, made);
    }
    let text = "SELECT id, CAST(b.born AS STRING) AS t FROM staging.born AS b";
    let (plain, computed) =
        ("SELECT id, b.born AS d FROM staging.born AS b", "SELECT id, GREATEST(b.born, DATE '1980-01-01') AS d FROM staging.born AS b");
    let refused = [
        (text, "short", "WRITE_APPEND", "error"),
        (text, "short", "WRITE_EMPTY", "error"),
        (text, "short", "WRITE_TRUNCATE_DATA", "error"),
        (plain, "needed", "WRITE_APPEND", "error"),
        (plain, "going", "WRITE_APPEND", "group"),
        (computed, "by_day", "WRITE_APPEND", "group"),
    ];
    for (text, table, disposition, how) in refused {
        let what = format!("{text} into {table} by {disposition}");
        is_refused(&query(&world, text, table, disposition).0, how, &what);
    }
    let done = [
        (text, "texts"),
        (plain, "dates"),
        (plain, "by_day"),
        ("SELECT id, day AS d FROM staging.days", "going"),
        ("SELECT id, day AS d FROM staging.ill", "going"),
        ("SELECT 1 AS id, 'abcd' AS t", "short"),
    ];
    for (text, table) in done {
        went_well(&query(&world, text, table, "WRITE_APPEND"), text);
    }
    let copy = |from: &str| json!({ "copy": { "sourceTable": reference(from), "destinationTable": reference("born_going"), "writeDisposition": "WRITE_APPEND" } });
    is_refused(&job(&world, &copy("born")).0, "group", "a copy to where old partitions go");
    // Later.
    let text = "ALTER TABLE staging.born SET OPTIONS (partition_expiration_days = 9)";
    is_refused(&job(&world, &json!({ "query": { "query": text, "useLegacySql": false } })).0, "group", text);
    let expires = json!({ "timePartitioning": { "type": "DAY", "field": "born", "expirationMs": "86400000" } });
    let patched = world.call(LOADER, "PATCH", &path("born"), Some(&expires));
    assert!(patched.status == 403 && patched.text().contains(BORN), "{}", patched.text());
    world.finish();
}
