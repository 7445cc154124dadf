//! Guesses: what a caller makes up stands beside a hidden value, and nothing tells whether the two are the same.

use crate::policies::{Change, starter_with};
use crate::world::{API, World};
use serde_json::{Value, json};

const HASHED: Change = ("mask = \"last_four\"", "mask = \"keyed_hash\"");
/// With `{guess}` in the place of a value, and nothing else that differs.
const COMPARED: &[&str] = &[
    "SELECT ARRAY_AGG(DISTINCT x IGNORE NULLS) AS a FROM (SELECT ssn AS x FROM clinic.patients WHERE id = 1 UNION ALL SELECT '{guess}')",
    "SELECT (SELECT ARRAY_AGG(DISTINCT x IGNORE NULLS) FROM UNNEST([ssn, '{guess}']) AS x) AS a FROM clinic.patients WHERE id = 1",
    "SELECT ARRAY_AGG(DISTINCT x IGNORE NULLS) OVER () AS a FROM (SELECT ssn AS x FROM clinic.patients WHERE id = 1 UNION ALL SELECT '{guess}')",
    "SELECT ARRAY_CONCAT(ARRAY_AGG(DISTINCT x IGNORE NULLS), ['']) AS a FROM (SELECT ssn AS x FROM clinic.patients WHERE id = 1 UNION ALL SELECT '{guess}')",
];
/// Each puts the guess into a column where the hidden value can stand, too; `g` is the guess.
const MIXED: &[&str] = &[
    "SELECT x AS g FROM (SELECT 0 AS id, '{guess}' AS x UNION ALL SELECT id, ssn FROM clinic.patients WHERE id = 1) ORDER BY id LIMIT 1",
    "SELECT COALESCE('{guess}', ssn) AS g FROM clinic.patients WHERE id = 1",
    "SELECT IF(id = 1, '{guess}', ssn) AS g FROM clinic.patients WHERE id = 1",
    "SELECT CASE WHEN id = 1 THEN CONCAT('{guess}', '') ELSE ssn END AS g FROM clinic.patients WHERE id = 1",
    "SELECT ['{guess}', ssn][SAFE_OFFSET(0)] AS g FROM clinic.patients WHERE id = 1",
    "SELECT x AS g FROM clinic.patients, UNNEST(['{guess}', ssn]) AS x WITH OFFSET AS place WHERE id = 1 AND place = 0",
    "SELECT LAG(ssn, 1, '{guess}') OVER (ORDER BY id) AS g FROM clinic.patients ORDER BY id LIMIT 1",
    "SELECT x AS g FROM (SELECT * FROM (SELECT 'a' AS k, ssn, '{guess}' AS b FROM clinic.patients WHERE id = 1) UNPIVOT INCLUDE NULLS (x FOR what IN (b, ssn))) LIMIT 1",
    "CREATE TEMP TABLE w (id INT64, x STRING); INSERT w SELECT id, ssn FROM clinic.patients; INSERT w VALUES (0, '{guess}'); SELECT x AS g FROM w WHERE id = 0",
    "CREATE TEMP TABLE w AS SELECT id, ssn AS x FROM clinic.patients; UPDATE w SET x = '{guess}' WHERE id = 1; SELECT x AS g FROM w WHERE id = 1",
    "DECLARE x STRING DEFAULT (SELECT ssn FROM clinic.patients WHERE id = 1); IF (SELECT COUNT(*) FROM clinic.visits) > 1 THEN SET x = '{guess}'; END IF; SELECT x AS g",
];

fn rows(world: &World, statement: &str) -> Value {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
    let answer = world.call("support-agent", "POST", &format!("{API}/queries"), Some(&body));
    assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    answer.json()["rows"].clone()
}

/// The value of the first patient, and one that nobody has but ends alike.
fn guesses(world: &World) -> (String, String) {
    let right = world.direct_cell("SELECT ssn FROM clinic.patients WHERE id = 1");
    let wrong = format!("000-00-{}", right.rsplit('-').next().unwrap());
    assert_ne!(right, wrong);
    (right, wrong)
}

/// A mask that keeps the last letters shows how many there are of them: with a guess among them there would be one less.
#[test]
fn different_values_are_not_counted_by_what_is_left_of_them() {
    let world = World::start("guesses-compared");
    let (right, wrong) = guesses(&world);
    for statement in COMPARED {
        let [right, wrong] = [&right, &wrong].map(|guess| rows(&world, &statement.replace("{guess}", guess)));
        assert_eq!(right, wrong, "{statement}");
    }
    world.finish();
}

/// Under one key a right guess would have the hash of what is hidden.
#[test]
fn a_guess_has_no_hash_under_the_key_of_what_is_hidden() {
    let policy = starter_with(&[HASHED]);
    let world = World::start_with("guesses-hashed", &["--policy", policy.path().to_str().unwrap()]);
    let hidden = rows(&world, "SELECT ssn FROM clinic.patients WHERE id = 1")[0]["f"][0]["v"].clone();
    assert_eq!(hidden.as_str().map(str::len), Some(44), "a hash, as BigQuery writes it");
    for plain in [
        "SELECT IF(id = 1, ssn, NULL) AS x FROM clinic.patients WHERE id = 1",
        "SELECT x FROM (SELECT ssn AS x FROM clinic.patients WHERE id = 1 UNION ALL SELECT NULL) ORDER BY 1 = 2 LIMIT 1",
        "CREATE TEMP TABLE w (x STRING); INSERT w SELECT ssn FROM clinic.patients WHERE id = 1; SELECT x FROM w",
    ] {
        let shown = rows(&world, plain)[0]["f"][0]["v"].clone();
        assert!(shown == hidden || shown.is_null(), "{plain}: {shown}");
    }
    let (right, _) = guesses(&world);
    for statement in MIXED {
        let found = rows(&world, &statement.replace("{guess}", &right));
        assert_eq!(found[0]["f"][0]["v"], json!(""), "{statement}");
    }
    world.finish();
}
