//! Queries, DML, DDL: statements run by the warehouse itself.

use super::warehouse::{answer, run, warehouse};
use serde_json::json;
use sluice_model::TableName;
use sluice_sandbox::RunSettings;
use sluice_sandbox::data::PROJECT;
use sluice_sandbox::store::DatasetName;

fn check(sql: &str, expect: &str) {
    assert_eq!(answer(&warehouse(), sql), expect, "{sql}");
}

#[test]
fn queries_are_answered() {
    check("SELECT 1, 'a' AS x, 2.5", "1,a,2.5");
    check("SELECT COUNT(*) FROM `acme-prod.clinic.patients`", "40");
    check("SELECT COUNT(*) FROM clinic.patients", "40");
    check("SELECT patients.id FROM `acme-prod`.`clinic`.`patients` WHERE patients.id < 3 ORDER BY 1", "1|2");
    check("SELECT patients.id FROM `acme-prod.clinic`.patients WHERE patients.id < 3 ORDER BY 1", "1|2");
    // What is quoted as a whole is called so as a whole.
    check("SELECT `clinic.patients`.`id` FROM `clinic.patients` WHERE `Clinic.Patients`.id < 3 ORDER BY `clinic.patients`.id", "1|2");
    check("SELECT COUNT(*) FROM (SELECT `acme-prod.clinic.patients`.* FROM `acme-prod.clinic.patients`)", "40");
    check("SELECT COUNT(c.name) > 0 FROM `clinic.patients`, UNNEST(`clinic.patients`.contacts) AS c", "true");
    check(
        "SELECT `shop.orders`.id FROM `shop.orders` JOIN `shop.customers` ON `shop.customers`.id = `shop.orders`.customer_id WHERE `shop.orders`.id = 1",
        "1",
    );
    check("SELECT COUNT(*) FROM acme-prod.clinic.visits v JOIN clinic.patients AS p ON p.id = v.patient_id", "120");
    check("SELECT COUNT(*) FROM clinic.patients p, p.contacts c", "40");
    check("FROM clinic.patients |> AGGREGATE COUNT(*) AS n", "40");
    check("SELECT COUNT(*) FROM clinic.v_badges", "40");
    check("SELECT COUNT(*) FROM `acme-prod.clinic.events_*` WHERE _TABLE_SUFFIX = '20240102'", "40");
    check("SELECT AS STRUCT 1 AS a, [1, 2] AS b", "1,[1;2]");
    check("SELECT SESSION_USER(), @@project_id", "ada@acme.example,acme-prod");
    check("SELECT clinic.mask_tail('abcdef')", "***ef");
    check("SELECT `acme-prod.clinic.badge`('abcdef', 'A')", "***ef-A");
    check("SELECT clinic.pick(NULL, 5)", "5");
    check("SELECT COUNT(*) FROM clinic.patients_of('A')", &answer(&warehouse(), "SELECT COUNT(*) FROM clinic.patients WHERE ward = 'A'"));
    check("SELECT clinic.ssn_of(1) = ssn FROM clinic.patients WHERE id = 1", "true");
    check("WITH patients AS (SELECT 7 AS id) SELECT id FROM patients", "7");
    check("SELECT NULL AS a, CAST(NULL AS ARRAY<INT64>) AS b", "NULL,[]");
    check("CREATE TEMP FUNCTION double(x INT64) AS (x * 2); SELECT double(21)", "42");
}

/// In a default dataset a common table expression hides the table of its name, from behind itself on.
#[test]
fn common_table_expressions_hide_tables() {
    let warehouse = warehouse();
    let mut settings = RunSettings::new(PROJECT, "ada@acme.example");
    settings.default_dataset = Some(DatasetName::new(PROJECT, "clinic"));
    let check = |sql: &str, expect: &str| {
        let outcome = warehouse.run(sql, &settings);
        let rows = outcome.last().and_then(|last| last.rows.as_held()).map(<[_]>::to_vec).unwrap_or_default();
        let cells: Vec<String> = rows.iter().flatten().map(|cell| format!("{cell:?}")).collect();
        assert_eq!(cells, [expect], "{sql}: {:?}", outcome.error);
    };
    check("WITH patients AS (SELECT 'x' AS ssn FROM patients) SELECT DISTINCT ssn FROM patients", "String(\"x\")");
    check(
        "WITH a AS (SELECT COUNT(*) AS n FROM visits), visits AS (SELECT 1 AS one) SELECT a.n + COUNT(*) AS m FROM a, visits GROUP BY a.n",
        "Int64(121)",
    );
    check("SELECT (WITH visits AS (SELECT 1) SELECT COUNT(*) FROM visits) + (SELECT COUNT(*) FROM visits) AS n", "Int64(121)");
    check(
        "WITH RECURSIVE visits AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM visits WHERE n < 3) SELECT COUNT(*) FROM visits",
        "Int64(3)",
    );
}

#[test]
fn errors_are_bigquerys() {
    check("SELEC 1", "invalidQuery: Syntax error: Unexpected identifier \"SELEC\" at [1:1]");
    check("SELECT nope FROM `acme-prod.clinic.patients`", "invalidQuery: Unrecognized name: nope; Did you mean name? at [1:8]");
    check("SELECT 1,\n nope FROM `acme-prod.clinic.patients`", "invalidQuery: Unrecognized name: nope; Did you mean name? at [2:2]");
    check("SELECT * FROM clinic.nowhere", "notFound: Not found: Table acme-prod:clinic.nowhere was not found in location US at [1:15]");
    check("SELECT patients.id FROM `acme-prod.clinic.patients`", "invalidQuery: Unrecognized name: patients at [1:8]");
    check("SELECT `clinic.patients`.id FROM clinic.patients", "invalidQuery: Unrecognized name: `clinic.patients` at [1:8]");
    check("SELECT * FROM `other.place.t`", "notFound: Not found: Dataset other:place was not found in location US at [1:15]");
    check("SELECT * FROM nowhere", "invalid: Table \"nowhere\" must be qualified with a dataset (e.g. dataset.table).");
    check("SELECT 1 AS a, 2 AS a", "invalidQuery: Duplicate column names in the result are not supported. Found duplicate(s): a");
    check("SELECT [NULL, 1] AS x", "invalidQuery: Array cannot have a null element; error in writing field x");
    check(
        "SELECT ST_GEOGPOINT(1, 2)",
        "notImplemented: The sandbox warehouse does not do this: Unsupported built-in function: st_geogpoint",
    );
    check(
        "SELECT clinic.scramble('a')",
        "notImplemented: The sandbox warehouse does not do this: JAVASCRIPT routines (`acme-prod.clinic.scramble`)",
    );
    check("SELECT * FROM clinic.v_legacy", "notImplemented: The sandbox warehouse does not do this: legacy SQL");
    check("SELECT 1/0", "invalidQuery: division by zero: 1 / 0");
    let beyond = |sql: &str| assert!(answer(&warehouse(), sql).starts_with("notImplemented"), "{sql}");
    beyond("SELECT id FROM clinic.patients FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()");
    beyond("FROM clinic.patients |> SELECT id |> INSERT INTO shop.orders (id)");
    beyond("SELECT APPROX_QUANTILES(id, 2) FROM clinic.patients");
}

#[test]
fn generated_rows_are_only_scanned() {
    check("SELECT COUNT(*) FROM bench.events", "20000000");
    check(
        "SELECT id, e.kind AS k FROM `acme-prod.bench.events` AS e LIMIT 2",
        &answer(&warehouse(), "SELECT id, kind FROM bench.events LIMIT 2"),
    );
    let outcome = run(&warehouse(), "SELECT * FROM bench.events");
    assert_eq!(outcome.last().map(|statement| (statement.rows.count(), statement.columns.len())), Some((20_000_000, 7)));
    for sql in [
        "SELECT id FROM bench.events WHERE id = 1",
        "SELECT MAX(id) FROM bench.events",
        "SELECT e.id + 1 FROM bench.events e",
        "SELECT e.id FROM bench.events e, clinic.patients",
        "SELECT id FROM bench.events ORDER BY id LIMIT 1",
    ] {
        assert!(answer(&warehouse(), sql).starts_with("notImplemented"), "{sql}");
    }
}

#[test]
fn rows_are_inserted() {
    let warehouse = warehouse();
    let check = |sql: &str, expect: &str| assert_eq!(answer(&warehouse, sql), expect, "{sql}");
    check("CREATE TABLE shop.t (id INT64 NOT NULL, n NUMERIC DEFAULT 7, d DATE, tags ARRAY<STRING>, s STRUCT<a INT64, b STRING(3)>)", "");
    check("INSERT INTO shop.t (id, d, tags) VALUES (1, '2026-01-02', ['x']), (2, NULL, [])", "");
    check("INSERT shop.t SELECT 3, 1, NULL, NULL, STRUCT(1, 'b')", "");
    check("SELECT * FROM shop.t ORDER BY id", "1,7,2026-01-02,[x],NULL|2,7,NULL,[],NULL|3,1,NULL,[],(1;b)");
    check("INSERT shop.t (n) VALUES (1)", "invalidQuery: Required field id cannot be null");
    check("INSERT shop.t (id) VALUES ('x')", "invalidQuery: Value of type STRING cannot be assigned to INT64 at [1:28]");
    check(
        "INSERT shop.t (id) SELECT 'x'",
        "invalidQuery: Query column 1 has type STRING which cannot be inserted into a column of type INT64",
    );
    check("INSERT shop.t (id) VALUES (1, 2)", "invalidQuery: Inserted row has wrong column count; Has 2, expected 1");
    check("SELECT COUNT(*) FROM shop.t", "3");
    let length = "STRING(3) has maximum length 3 but got a value with length 4";
    check("INSERT shop.t (id, s) VALUES (4, STRUCT(1, 'long'))", &format!("invalidQuery: Field b: {length}"));
    check("CREATE TABLE shop.limited (c STRING(3), p NUMERIC(4, 1)) AS SELECT 'abc' AS c, NUMERIC '1.25' AS p", "");
    check("SELECT * FROM shop.limited", "abc,1.3");
    check("UPDATE shop.limited SET c = 'long' WHERE TRUE", &format!("invalidQuery: Field c: {length}"));
    check("CREATE TABLE shop.bad (c INT64(3))", "invalidQuery: Column c has a type that BigQuery does not have: INT64(3)");
}

#[test]
fn rows_are_updated_and_deleted() {
    let warehouse = warehouse();
    let check = |sql: &str, expect: &str| assert_eq!(answer(&warehouse, sql), expect, "{sql}");
    check("CREATE TABLE shop.t AS SELECT x AS id, CAST(x AS NUMERIC) AS n, STRUCT(x AS a, 'b' AS b) AS s FROM UNNEST([1, 2, 3]) AS x", "");
    check("UPDATE shop.t SET n = n * 10, s.b = CONCAT(t.s.b, CAST(t.id AS STRING)) WHERE t.id IN (SELECT MAX(id) FROM shop.t)", "");
    check("UPDATE shop.t AS x SET n = y.v FROM (SELECT 1 AS k, 5 AS v) AS y WHERE x.id = y.k", "");
    check("SELECT id, n, s.b FROM shop.t ORDER BY id", "1,5,b|2,2,b|3,30,b3");
    check("UPDATE shop.t SET n = 'x' WHERE TRUE", "invalidQuery: Value of type STRING cannot be assigned to NUMERIC at [1:23]");
    check(
        "UPDATE shop.t SET n = y FROM UNNEST([1, 2]) AS y WHERE TRUE",
        "invalidQuery: UPDATE/MERGE must match at most one source row for each target row",
    );
    check("DELETE shop.t WHERE id = 1", "");
    check("DELETE FROM `acme-prod.shop.t` AS q WHERE q.id = 2", "");
    check("SELECT COUNT(*) FROM shop.t", "1");
    check("UPDATE `shop.t` SET `shop.t`.n = 7 WHERE `shop.t`.id = 3", "");
    check("SELECT n FROM shop.t", "7");
    check("DELETE FROM `acme-prod.shop.t` WHERE `acme-prod.shop.t`.id = 4", "");
    check("SELECT COUNT(*) FROM shop.t", "1");
    check("TRUNCATE TABLE `shop.t`", "");
    check("SELECT COUNT(*) FROM shop.t", "0");
    check("DELETE FROM clinic.v_risk WHERE TRUE", "invalidQuery: Table acme-prod:clinic.v_risk is a view and cannot be modified");
}

#[test]
fn tables_are_merged() {
    let warehouse = warehouse();
    let check = |sql: &str, expect: &str| assert_eq!(answer(&warehouse, sql), expect, "{sql}");
    check("CREATE TABLE shop.t AS SELECT x AS id, 'old' AS v FROM UNNEST([1, 2, 3, 4]) AS x", "");
    let source = "(SELECT 2 AS id, 'two' AS v UNION ALL SELECT 3, NULL UNION ALL SELECT 9, 'nine')";
    let merge = format!(
        "MERGE shop.t AS t USING {source} AS s ON t.id = s.id WHEN MATCHED AND s.v IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v \
         WHEN NOT MATCHED THEN INSERT ROW WHEN NOT MATCHED BY SOURCE AND t.id = 4 THEN UPDATE SET v = 'alone'"
    );
    let outcome = run(&warehouse, &merge);
    let changed = outcome.last().and_then(|statement| statement.changed).unwrap();
    assert_eq!((changed.inserted, changed.updated, changed.deleted), (1, 2, 1), "{:?}", outcome.error);
    check("SELECT id, v FROM shop.t ORDER BY id", "1,old|2,two|4,alone|9,nine");
    check(
        "MERGE shop.t t USING (SELECT 1 AS k) s ON FALSE WHEN NOT MATCHED THEN INSERT (id, v) VALUES (k, 'new') WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "",
    );
    check("SELECT id, v FROM shop.t", "1,new");
}

#[test]
fn things_are_made_changed_and_dropped() {
    let warehouse = warehouse();
    let check = |sql: &str, expect: &str| assert_eq!(answer(&warehouse, sql), expect, "{sql}");
    check("CREATE SCHEMA lab", "");
    check("CREATE TABLE lab.t (a INT64)", "");
    check("CREATE TABLE lab.t (a INT64)", "duplicate: Already Exists: Table acme-prod:lab.t");
    check("CREATE TABLE IF NOT EXISTS lab.t (b INT64)", "");
    check(
        "CREATE TABLE lab.o (a STRING OPTIONS(description='first'), d DATE) PARTITION BY d CLUSTER BY a OPTIONS(description='all', labels=[('k', 'v')])",
        "",
    );
    let state = warehouse.snapshot();
    let resource = state.table(&TableName::new(PROJECT, "lab", "o")).unwrap().to_json("US");
    assert_eq!((&resource["timePartitioning"]["field"], &resource["clustering"]["fields"][0]), (&json!("d"), &json!("a")));
    assert_eq!((&resource["description"], &resource["labels"]["k"]), (&json!("all"), &json!("v")));
    assert_eq!(resource["schema"]["fields"][0]["description"], "first");
    let deep = "STRUCT<a ".repeat(30) + "INT64" + &">".repeat(30);
    check(&format!("CREATE TABLE lab.deep (a {deep})"), "invalidQuery: Column a is nested deeper than 15 levels");
    check("ALTER TABLE lab.t ADD COLUMN b STRING, RENAME COLUMN a TO c", "");
    check("INSERT lab.t VALUES (1, 'x')", "");
    check("ALTER TABLE lab.t DROP COLUMN c", "");
    check("SELECT * FROM lab.t", "x");
    check("CREATE VIEW lab.v AS SELECT b, UPPER(b) AS u FROM `acme-prod.lab.t`", "");
    check("SELECT * FROM lab.v", "x,X");
    check("UPDATE lab.t SET b = 'y' WHERE TRUE", "");
    check("SELECT * FROM lab.v", "y,Y");
    check("CREATE OR REPLACE FUNCTION lab.f(x INT64) RETURNS NUMERIC AS (x + 1); SELECT lab.f(1)", "2");
    check("CREATE TABLE FUNCTION lab.g(n INT64) AS SELECT n AS x, b FROM lab.t; SELECT * FROM lab.g(5)", "5,y");
    check("DROP FUNCTION lab.f; SELECT lab.f(1)", "invalidQuery: Function not found: lab.f at [1:29]");
    check("CREATE SCHEMA lab", "duplicate: Already Exists: Dataset acme-prod:lab");
    check("ALTER TABLE lab.o SET OPTIONS(description='other', labels=[('m', 'n')]), ALTER COLUMN a SET OPTIONS(description=NULL)", "");
    check("ALTER VIEW lab.v SET OPTIONS(friendly_name='a view')", "");
    check("ALTER SCHEMA lab SET OPTIONS(description='a lab')", "");
    let state = warehouse.snapshot();
    let resource = |name: &str| state.table(&TableName::new(PROJECT, "lab", name)).unwrap().to_json("US");
    assert_eq!((&resource("o")["description"], &resource("o")["labels"]), (&json!("other"), &json!({ "m": "n" })));
    assert_eq!((&resource("o")["schema"]["fields"][0]["description"], &resource("v")["friendlyName"]), (&json!(null), &json!("a view")));
    assert_eq!(state.dataset(&DatasetName::new(PROJECT, "lab")).unwrap().to_json()["description"], "a lab");
    check("DROP TABLE lab.v", "invalidQuery: acme-prod.lab.v is a view, use DROP VIEW");
    check("CREATE SNAPSHOT TABLE lab.s CLONE lab.o", "");
    check("DELETE FROM lab.s WHERE TRUE", "invalidQuery: Table acme-prod:lab.s is a snapshot and cannot be modified");
    check("DROP TABLE lab.s", "invalidQuery: acme-prod.lab.s is a snapshot, use DROP SNAPSHOT TABLE");
    check("CREATE TABLE lab.back CLONE lab.s", "");
    check("DROP SNAPSHOT TABLE lab.s", "");
    let state = warehouse.snapshot();
    let back = state.table(&TableName::new(PROJECT, "lab", "back")).unwrap().to_json("US");
    assert_eq!((&back["type"], &back["cloneDefinition"]["baseTableReference"]["tableId"]), (&json!("TABLE"), &json!("s")));
    check("DROP TABLE lab.back", "");
    check("DROP VIEW lab.v", "");
    check("DROP TABLE lab.none", "notFound: Not found: Table acme-prod:lab.none");
    check("DROP TABLE IF EXISTS lab.none", "");
    check("DROP SCHEMA lab", "resourceInUse: Dataset acme-prod:lab is still in use");
    check("DROP SCHEMA lab CASCADE", "");
    check(
        "CREATE MODEL lab.m OPTIONS(model_type='linear_reg') AS SELECT 1 AS label",
        "notImplemented: The sandbox warehouse does not do this: CREATE MODEL",
    );
}

#[test]
fn views_that_read_themselves_end() {
    let warehouse = warehouse();
    let check = |sql: &str, expect: &str| assert_eq!(answer(&warehouse, sql), expect, "{sql}");
    check("CREATE VIEW shop.a AS SELECT 1 AS x", "");
    check("CREATE VIEW shop.b AS SELECT x FROM shop.a", "");
    check("CREATE OR REPLACE VIEW shop.a AS SELECT x FROM shop.b", "");
    check("SELECT * FROM shop.a", "invalidQuery: Views and functions are nested deeper than 32 levels");
    let settings = RunSettings::new(PROJECT, "ada@acme.example");
    assert!(warehouse.dry_run("SELECT * FROM shop.a", &settings).is_err_and(|problem| problem.message.contains("nested deeper")));
}

#[test]
fn dry_runs_tell_what_would_be_read() {
    let warehouse = warehouse();
    let settings = RunSettings::new(PROJECT, "ada@acme.example");
    let check = |sql: &str, kind: &str, tables: &str, columns: &str, bytes: u64| {
        let found = warehouse.dry_run(sql, &settings).unwrap();
        let names = |names: Vec<String>| names.join(" ");
        let found_tables = names(found.tables.iter().map(|name| format!("{}.{}", name.dataset, name.table)).collect());
        let found_columns = names(found.columns.iter().map(|column| format!("{}:{}", column.name, column.full_type())).collect());
        assert_eq!((found.kind, found_tables.as_str(), found_columns.as_str(), found.bytes), (kind, tables, columns, bytes), "{sql}");
    };
    check("SELECT id AS x, 1 FROM clinic.visits", "SELECT", "clinic.visits", "x:INT64 f0_:INT64", 120 * 8);
    check("SELECT COUNT(*) AS n FROM clinic.visits", "SELECT", "clinic.visits", "n:INT64", 0);
    check(
        "SELECT visit_id FROM clinic.v_visits v JOIN clinic.cards c ON FALSE",
        "SELECT",
        "clinic.cards clinic.patients clinic.visits",
        "visit_id:INT64",
        6_424,
    );
    check("SELECT 1 AS a; SELECT id FROM clinic.visits", "SCRIPT", "clinic.visits", "", 120 * 8);
    check("INSERT shop.orders (id) SELECT id FROM clinic.visits", "INSERT", "clinic.visits shop.orders", "", 120 * 8);
    check("UPDATE shop.orders SET status = 'x' WHERE id = 1", "UPDATE", "shop.orders", "", 1_267);
    check("DELETE shop.orders WHERE id IN (SELECT id FROM clinic.visits)", "DELETE", "clinic.visits shop.orders", "", 200 * 8);
    check("CREATE TABLE shop.x AS SELECT id FROM clinic.visits", "CREATE_TABLE_AS_SELECT", "clinic.visits", "id:INT64", 120 * 8);
    check("DROP TABLE shop.orders", "DROP_TABLE", "", "", 0);
    check("SELECT clinic.ssn_of(1) AS s", "SELECT", "clinic.patients", "s:STRING", 8_232);
    check(
        "SELECT * FROM bench.events",
        "SELECT",
        "bench.events",
        "id:INT64 at:TIMESTAMP account:STRING email:STRING kind:STRING amount:FLOAT64 note:STRING",
        2_280_000_000,
    );
    assert_eq!(answer(&warehouse, "SELECT COUNT(*) FROM shop.orders"), "80");
}

#[test]
fn the_schema_can_be_asked_for() {
    check("SELECT table_name FROM staging.INFORMATION_SCHEMA.TABLES ORDER BY 1", "raw_patients|raw_visits");
    check(
        "SELECT column_name, data_type FROM `acme-prod`.clinic.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'patients' AND ordinal_position IN (6, 7) ORDER BY 1",
        "address,STRUCT<street STRING, city STRING, zip STRING>|phones,ARRAY<STRING>",
    );
    check("SELECT COUNT(*) FROM `region-us`.INFORMATION_SCHEMA.JOBS", "0");
    check("SELECT schema_name FROM INFORMATION_SCHEMA.SCHEMATA ORDER BY 1", "bench|clinic|shop|staging");
    for place in ["`acme-prod`.INFORMATION_SCHEMA.SCHEMATA", "`acme-prod.INFORMATION_SCHEMA.SCHEMATA`"] {
        check(&format!("SELECT COUNT(*) FROM {place}"), "4");
    }
    check("SELECT routine_name, routine_body FROM clinic.INFORMATION_SCHEMA.ROUTINES WHERE routine_name = 'badge'", "badge,SQL");
    check(
        "SELECT field_path, data_type FROM clinic.INFORMATION_SCHEMA.COLUMN_FIELD_PATHS WHERE table_name = 'patients' AND column_name = 'address' ORDER BY 1",
        "address,STRUCT<street STRING, city STRING, zip STRING>|address.city,STRING|address.street,STRING|address.zip,STRING",
    );
    check(
        "SELECT table_id, row_count, type FROM `acme-prod`.clinic.__TABLES__ WHERE table_id IN ('patients', 'v_badges') ORDER BY 1",
        "patients,40,1|v_badges,NULL,2",
    );
    check(
        "CREATE TABLE shop.o (a INT64) OPTIONS(description='say \"a\"', labels=[('k', 'v')]); SELECT option_name, option_value FROM shop.INFORMATION_SCHEMA.TABLE_OPTIONS ORDER BY 1",
        "description,\"say \\\"a\\\"\"|labels,[STRUCT(\"k\", \"v\")]",
    );
    check("SELECT COUNT(*) FROM clinic.INFORMATION_SCHEMA.MATERIALIZED_VIEWS", "0");
    check(
        "SELECT * FROM clinic.INFORMATION_SCHEMA.PARTITIONS",
        "notImplemented: The sandbox warehouse does not do this: INFORMATION_SCHEMA.PARTITIONS",
    );
}
