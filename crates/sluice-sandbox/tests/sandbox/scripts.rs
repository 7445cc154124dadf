//! Scripts: variables, branches, loops, errors, procedures, dynamic SQL, transactions.

use super::warehouse::{answer, run, warehouse};
use sluice_sandbox::RunSettings;
use sluice_sandbox::data::PROJECT;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn check(sql: &str, expect: &str) {
    assert_eq!(answer(&warehouse(), sql), expect, "{sql}");
}

#[test]
fn variables_hold_values() {
    check("DECLARE x INT64 DEFAULT 5; DECLARE y, z STRING; SET y = 'a'; SELECT x, y, z", "5,a,NULL");
    check("DECLARE x DEFAULT [1, 2]; SELECT x, ARRAY_LENGTH(x)", "[1;2],2");
    check("DECLARE a INT64; DECLARE b NUMERIC; SET (a, b) = (1, 2); SELECT a, b", "1,2");
    check("DECLARE s STRUCT<a INT64, b DATE> DEFAULT (1, '2026-01-02'); SELECT s.b", "2026-01-02");
    check("DECLARE n INT64 DEFAULT (SELECT COUNT(*) FROM clinic.patients); SELECT id FROM clinic.patients WHERE id = n", "40");
    check("DECLARE x INT64; SET x = 'a'; SELECT x", "invalidQuery: Value of type STRING cannot be assigned to INT64 at [1:26]");
    check("SET x = 1", "invalidQuery: Undeclared variable: x at [1:1]");
    check("DECLARE x INT64; BEGIN DECLARE x INT64; END", "invalidQuery: Variable 'x' redeclaration; previously declared at [1:24]");
    check("BEGIN DECLARE x INT64 DEFAULT 1; END; SELECT x", "invalidQuery: Unrecognized name: x at [1:46]");
}

#[test]
fn control_flow_is_followed() {
    let script = "DECLARE n, total INT64 DEFAULT 0;
        WHILE n < 10 DO
          SET n = n + 1;
          IF MOD(n, 2) = 0 THEN CONTINUE; ELSEIF n > 7 THEN BREAK; END IF;
          SET total = total + n;
        END WHILE;
        SELECT n, total";
    check(script, "9,16");
    check("DECLARE n INT64 DEFAULT 0; REPEAT SET n = n + 1; UNTIL n >= 3 END REPEAT; SELECT n", "3");
    check("DECLARE n INT64 DEFAULT 0; outer_loop: LOOP LOOP SET n = n + 1; LEAVE outer_loop; END LOOP; END LOOP; SELECT n", "1");
    check(
        "DECLARE t STRING DEFAULT ''; FOR r IN (SELECT x, x * 2 AS y FROM UNNEST([1, 2]) AS x) DO SET t = t || r.x || ':' || r.y || ' '; END FOR; SELECT t",
        "1:2 2:4 ",
    );
    check("DECLARE x INT64 DEFAULT 2; CASE x WHEN 1 THEN SELECT 'one'; WHEN 2 THEN SELECT 'two'; ELSE SELECT 'many'; END CASE", "two");
    check("CASE WHEN FALSE THEN SELECT 1; ELSE SELECT 2; END CASE", "2");
    check("SELECT 1; RETURN; SELECT 2", "1");
}

#[test]
fn deep_scripts_are_refused() {
    let deep = "IF TRUE THEN ".repeat(60) + "SELECT 1; " + &"END IF; ".repeat(60);
    check(&deep, "resourcesExceeded: The script is nested deeper than 50 levels at [1:651]");
}

#[test]
fn errors_are_raised_and_handled() {
    check(
        "BEGIN SELECT 1/0; EXCEPTION WHEN ERROR THEN SELECT @@error.message, @@error.statement_text; END",
        "division by zero: 1 / 0 at [1:7],SELECT 1/0",
    );
    check("BEGIN RAISE USING MESSAGE = 'no ' || 'way'; EXCEPTION WHEN ERROR THEN SELECT @@error.message; END", "no way at [1:7]");
    check("BEGIN SELECT 1/0; EXCEPTION WHEN ERROR THEN RAISE; END", "invalidQuery: division by zero: 1 / 0 at [1:7]");
    check("SELECT 1; SELECT nope", "invalidQuery: Unrecognized name: nope at [1:18]");
    check("ASSERT 1 = 2 AS 'never'", "invalidQuery: never");
    check("ASSERT (SELECT COUNT(*) FROM clinic.patients) = 40; SELECT 'held'", "held");
    check("SELECT 1; SELECT 1/0", "invalidQuery: division by zero: 1 / 0 at [1:11]");
}

#[test]
fn procedures_are_called() {
    check("DECLARE t STRING DEFAULT 'x'; CALL clinic.tag(t); SELECT t", "x!");
    check(
        "DECLARE f STRING; CALL `acme-prod.clinic.find_ssn`('A', f); SELECT f = (SELECT MAX(ssn) FROM clinic.patients WHERE ward = 'A')",
        "true",
    );
    check(
        "CREATE PROCEDURE shop.p(x INT64, OUT y INT64) BEGIN DECLARE z INT64 DEFAULT x; SET y = z * 2; END; BEGIN DECLARE y INT64; CALL shop.p(21, y); SELECT y; END",
        "42",
    );
    check("CALL clinic.tag('x')", "invalidQuery: Argument text of acme-prod.clinic.tag must be a variable at [1:1]");
    check("CALL clinic.nothing()", "notFound: Not found: Routine clinic.nothing at [1:1]");
    check(
        "CALL clinic.train()",
        "notImplemented: The sandbox warehouse does not do this: PYTHON routines (`acme-prod.clinic.train`) at [1:1]",
    );
    check(
        "CREATE PROCEDURE shop.r() BEGIN CALL shop.r(); END; CALL shop.r()",
        "resourcesExceeded: The script is nested deeper than 50 levels at [1:7]",
    );
}

#[test]
fn dynamic_sql_is_run() {
    check("EXECUTE IMMEDIATE 'SELECT ' || '42'", "42");
    check(
        "DECLARE a, b INT64; EXECUTE IMMEDIATE 'SELECT @x + ?' INTO a USING 1 AS x; SELECT a",
        "invalidQuery: Query parameter '_positional_1' not found at [1:13]",
    );
    check(
        "DECLARE a INT64; DECLARE b STRING; EXECUTE IMMEDIATE 'SELECT ? * ?, @@project_id' INTO a, b USING 6, 7; SELECT a, b",
        "42,acme-prod",
    );
    check("DECLARE a INT64 DEFAULT 1; EXECUTE IMMEDIATE 'SELECT id FROM clinic.patients WHERE FALSE' INTO a; SELECT a", "NULL");
    check("EXECUTE IMMEDIATE 'SELECT 1; SELECT 2'", "invalidQuery: EXECUTE IMMEDIATE takes exactly one statement at [1:1]");
}

#[test]
fn temporary_things_end_with_the_script() {
    let warehouse = warehouse();
    let check = |sql: &str, expect: &str| assert_eq!(answer(&warehouse, sql), expect, "{sql}");
    check("CREATE TEMP TABLE t AS SELECT 1 AS a; INSERT t VALUES (2); UPDATE t SET a = a * 10 WHERE TRUE; SELECT SUM(a) FROM t", "30");
    check("SELECT * FROM t", "invalid: Table \"t\" must be qualified with a dataset (e.g. dataset.table).");
}

#[test]
fn transactions_are_all_or_nothing() {
    let warehouse = warehouse();
    let check = |sql: &str, expect: &str| assert_eq!(answer(&warehouse, sql), expect, "{sql}");
    let count = "SELECT COUNT(*) FROM shop.orders";
    check("BEGIN TRANSACTION; DELETE shop.orders WHERE id = 1; SELECT COUNT(*) FROM shop.orders; ROLLBACK TRANSACTION", "79");
    check(count, "80");
    check(
        "BEGIN TRANSACTION; DELETE shop.orders WHERE id = 1; SELECT 1/0; COMMIT TRANSACTION",
        "invalidQuery: division by zero: 1 / 0 at [1:53]",
    );
    check(count, "80");
    check(
        "BEGIN TRANSACTION; DELETE shop.orders WHERE id = 1; DELETE shop.order_items WHERE order_id = 1; COMMIT TRANSACTION; SELECT 7",
        "7",
    );
    check(count, "79");
    check("COMMIT TRANSACTION", "invalidQuery: There is no active transaction at [1:1]");
    check(
        "BEGIN TRANSACTION; CREATE TABLE shop.u (a INT64)",
        "invalidQuery: DDL statements on permanent entities are not supported inside a transaction at [1:20]",
    );
}

#[test]
fn statements_are_reported_in_order() {
    let script =
        "DECLARE x INT64 DEFAULT (SELECT COUNT(*) FROM clinic.patients);\nCREATE TEMP TABLE t AS SELECT x AS a;\nSELECT a + 1 AS b FROM t;";
    let outcome = run(&warehouse(), script);
    let found: Vec<_> =
        outcome.statements.iter().map(|statement| (statement.kind, statement.expression, statement.place.start_line)).collect();
    assert_eq!(found, [("SELECT", true, 1), ("CREATE_TABLE_AS_SELECT", false, 2), ("SELECT", false, 3)]);
    assert_eq!(outcome.kind, "SCRIPT");
    assert_eq!(outcome.statements[2].text, "SELECT a + 1 AS b FROM t");
}

#[test]
fn endless_scripts_end() {
    let run = |settings: RunSettings| {
        let outcome = warehouse().run("DECLARE n INT64 DEFAULT 0; LOOP SET n = n + 1; END LOOP", &settings);
        outcome.error.map(|problem| problem.to_string()).unwrap_or_default()
    };
    let settings = RunSettings { steps_max: 20, ..RunSettings::new(PROJECT, "ada@acme.example") };
    assert_eq!(run(settings.clone()), "resourcesExceeded: The script ran more than 20 statements at [1:28]");
    let cancelled = run(RunSettings { cancelled: Arc::new(AtomicBool::new(true)), ..settings });
    assert!(cancelled.starts_with("stopped: Job execution was cancelled"), "{cancelled}");
}
