//! Labels go where the data goes, by the ways that `carried` does not try: changes in place, clones, renames, what the warehouse cannot even do,
//! over a restart, and from BigQuery's own policy tags.

use crate::policies::{Change, WITHOUT_APPROVAL, starter_with};
use crate::program::Program;
use crate::talk::{self, Answer};
use crate::world::{API, World, address, ask};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const ONE_JUDGE: Change = ("# [connections.emulator]\n# judge = \"analysis\"", "[connections.warehouse]\njudge = \"analysis\"");
const MODELS: Change = (
    "action in [Action::\"Write\", Action::\"Schema\"],\n    resource in Dataset::\"acme-prod.staging\"",
    "action in [Action::\"Write\", Action::\"Schema\", Action::\"model\"],\n    resource in Dataset::\"acme-prod.staging\"",
);
const STOPS_WITHIN: Duration = Duration::from_secs(60);
const WAREHOUSE_TOKEN: &str = "0123456789abcdef0123456789abcdef";
const TAG: &str = "projects/acme-prod/locations/us/taxonomies/1/policyTags/2";

fn statement(text: &str) -> Value {
    json!({ "query": text, "useLegacySql": false, "timeoutMs": 20_000 })
}

fn query(world: &World, caller: &str, text: &str) -> Answer {
    world.call(caller, "POST", &format!("{API}/queries"), Some(&statement(text)))
}

fn cells(answer: &Answer) -> Vec<Value> {
    let rows = answer.json()["rows"].as_array().cloned().unwrap_or_default();
    rows.iter().flat_map(|row| row["f"].as_array().unwrap().iter().map(|cell| cell["v"].clone()).collect::<Vec<_>>()).collect()
}

fn labels(folder: &Path, table: &str) -> String {
    let ran = Command::new(env!("CARGO_BIN_EXE_sluice")).args(["labels", "list", "--config"]).arg(folder).args(["--table", table]).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// Nothing of the column is shown or may decide; what stands beside it is shown.
fn check(world: &World, table: &str, column: &str) {
    let clear = world.direct_cell(&format!("SELECT MAX({column}) FROM {table}"));
    let answer = query(world, "report-job", &format!("SELECT {column} FROM {table}"));
    assert!(answer.status == 200 && !cells(&answer).is_empty(), "{table}.{column}: {}", answer.text());
    assert!(clear.len() > 4 && !answer.text().contains(&clear), "{table}.{column}: {}", answer.text());
    assert!(!cells(&query(world, "report-job", &format!("SELECT id FROM {table}"))).contains(&Value::Null), "{table}");
    let used = query(world, "report-job", &format!("SELECT id FROM {table} WHERE {column} > '5'"));
    assert_eq!(used.status, 403, "{table}.{column}: {}", used.text());
}

#[test]
fn whatever_moves_a_value_moves_its_label() {
    let policy = starter_with(&[WITHOUT_APPROVAL]);
    let world = World::start_with("flows", &["--policy", policy.path().to_str().unwrap()]);
    let etl = |text: &str| {
        let answer = query(&world, "etl-nightly", text);
        assert_eq!(answer.status, 200, "{text}: {}", answer.text());
    };
    etl("CREATE TABLE staging.base AS SELECT id, ssn AS code FROM clinic.patients");
    // Changed in place, from another table and within the same one.
    etl(
        "CREATE TABLE staging.changed (id INT64, a STRING, b STRING); INSERT INTO staging.changed (id, a, b) SELECT id, 'x', 'y' FROM clinic.patients",
    );
    etl("UPDATE staging.changed AS t SET a = s.ssn FROM clinic.patients AS s WHERE s.id = t.id");
    check(&world, "staging.changed", "a");
    etl("UPDATE staging.changed SET b = REVERSE(a) WHERE TRUE");
    check(&world, "staging.changed", "b");
    etl("MERGE staging.changed AS t USING staging.base AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET b = s.code");
    check(&world, "staging.changed", "b");
    // Whole tables.
    etl("CREATE TABLE staging.cloned CLONE staging.base");
    check(&world, "staging.cloned", "code");
    etl("CREATE TABLE staging.copied COPY staging.base");
    check(&world, "staging.copied", "code");
    etl("ALTER TABLE staging.copied RENAME TO renamed");
    check(&world, "staging.renamed", "code");
    etl("ALTER TABLE staging.renamed RENAME COLUMN code TO plain");
    check(&world, "staging.renamed", "plain");
    // A view has no label of its own: it is opened each time that it is read.
    etl("CREATE VIEW staging.seen AS SELECT id, CONCAT(code, '') AS c FROM staging.base");
    check(&world, "staging.seen", "c");
    etl("CREATE TABLE staging.of_view AS SELECT id, c AS d FROM staging.seen");
    check(&world, "staging.of_view", "d");
    // What is put over it keeps it, and what is emptied too.
    etl("CREATE OR REPLACE TABLE staging.cloned AS SELECT id, name AS code FROM clinic.patients");
    check(&world, "staging.cloned", "code");
    etl("TRUNCATE TABLE staging.changed; INSERT INTO staging.changed (id, a, b) SELECT id, name, 'plain text' FROM clinic.patients");
    check(&world, "staging.changed", "a");
    // In variables and temporary tables on the way.
    etl("CREATE TEMP TABLE t AS SELECT id, ssn AS s FROM clinic.patients; CREATE TABLE staging.by_temp AS SELECT id, s FROM t");
    check(&world, "staging.by_temp", "s");
    etl("DECLARE v STRING DEFAULT (SELECT ANY_VALUE(ssn) FROM clinic.patients); CREATE TABLE staging.by_name AS SELECT 1 AS id, v AS s");
    check(&world, "staging.by_name", "s");
}

/// The answer of a script, to whoever may write the column and not see it.
#[test]
fn a_script_shows_no_more_of_what_it_wrote_than_the_source() {
    let policy = starter_with(&[WITHOUT_APPROVAL]);
    let world = World::start_with("flows-script", &["--policy", policy.path().to_str().unwrap()]);
    let clear = world.direct_cell("SELECT ssn FROM clinic.patients WHERE id = 1");
    let text = "CREATE TABLE staging.step AS SELECT id, ssn AS s FROM clinic.patients; SELECT s FROM staging.step WHERE id = 1";
    let answer = query(&world, "etl-nightly", text);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let end: String = clear.chars().skip(clear.chars().count() - 4).collect();
    assert_eq!(cells(&answer), [json!(format!("XXXXX{end}"))]);
}

/// The warehouse here has no materialized views or models: the labels are there before anything is sent, so it need not.
#[test]
fn labels_are_kept_before_anything_is_sent() {
    let policy = starter_with(&[WITHOUT_APPROVAL, ONE_JUDGE, MODELS]);
    let world = World::start_with("flows-before", &["--policy", policy.path().to_str().unwrap()]);
    let check = |text: &str, expect: &[&str]| {
        let answer = query(&world, "etl-nightly", text);
        assert_ne!(answer.status, 403, "{text}: {}", answer.text());
        assert_eq!(answer.status == 200, text.contains(" SNAPSHOT "), "{text}: {}", answer.text());
        let table = expect[0].rsplit_once('.').unwrap().0;
        let listed = labels(&world.folder, table);
        for column in expect {
            let computed = if text.contains("UPPER(") { ", computed" } else { "" };
            assert!(listed.contains(&format!("{column}  national_id{computed}  since ")), "{text}: {listed}");
        }
    };
    check("CREATE SNAPSHOT TABLE staging.frozen CLONE staging.raw_patients", &["acme-prod.staging.frozen.ssn"]);
    check("CREATE MATERIALIZED VIEW staging.held AS SELECT id, UPPER(ssn) AS s FROM clinic.patients", &["acme-prod.staging.held.s"]);
    check(
        "CREATE MODEL staging.guess OPTIONS (model_type = 'linear_reg', input_label_cols = ['y']) AS SELECT id AS y, ssn AS x FROM clinic.patients",
        &["acme-prod.staging.guess.x"],
    );
}

/// A gateway that was stopped and started again holds to what it kept.
#[test]
fn labels_outlive_the_gateway() {
    let (folder, plain, tokens) = World::prepare("flows-restart", &["etl-nightly", "report-job"]);
    let user = "gateway@acme-prod.iam.gserviceaccount.com";
    let warehouse = Program::start(&["sandbox", "--port", "0", "--admin", "--token", &format!("{WAREHOUSE_TOKEN}={user}")]);
    let (url, file) = (warehouse.first_line(), folder.join("sluice.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let before = text.lines().find(|line| line.starts_with("endpoint = ")).unwrap();
    std::fs::write(&file, text.replace(before, &format!("endpoint = \"{url}\""))).unwrap();
    std::fs::write(folder.join("warehouse.token"), WAREHOUSE_TOKEN).unwrap();
    let life = |work: &dyn Fn()| {
        let gateway = Program::start(&["serve", "--config", folder.to_str().unwrap()]);
        gateway.first_line();
        work();
        let (code, errors) = gateway.stop(STOPS_WITHIN);
        assert_eq!(code, Some(0), "{errors}");
    };
    let asked = |place: SocketAddr, token: &str, text: &str| {
        let (bearer, body) = (format!("Bearer {token}"), statement(text).to_string());
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        ask(place, &talk::request("POST", &format!("{API}/queries"), &headers, Some(body.as_bytes())))
    };
    // Nobody signs a policy set here: a table that the starter set lets nobody copy is copied at the warehouse, and labelled by hand.
    let made = asked(address(&url), WAREHOUSE_TOKEN, "CREATE TABLE staging.kept AS SELECT id, ssn AS code FROM clinic.patients");
    assert_eq!(made.status, 200, "{}", made.text());
    let read = |is_hidden: bool| {
        let answer = asked(plain, &tokens[1], "SELECT code FROM staging.kept WHERE id = 1");
        let clear = asked(address(&url), WAREHOUSE_TOKEN, "SELECT code FROM staging.kept WHERE id = 1");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(cells(&answer) != cells(&clear), is_hidden, "{}", answer.text());
    };
    life(&|| read(false));
    let ran = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["labels", "set", "--config"])
        .arg(&folder)
        .args(["--label", "national_id", "--by", "ana", "--reason", "found", "acme-prod.staging.kept.code"])
        .output()
        .unwrap();
    assert!(ran.status.success() || String::from_utf8_lossy(&ran.stderr).contains("not on record yet"), "{ran:?}");
    life(&|| {
        read(true);
        let copied = asked(plain, &tokens[0], "CREATE TABLE staging.twice AS SELECT id, code AS c FROM staging.kept");
        assert_eq!(copied.status, 403, "{}", copied.text());
    });
    life(&|| read(true));
    drop(warehouse.kill());
    drop(std::fs::remove_dir_all(&folder));
}

/// BigQuery's own tags: one that no label is mapped to hides the column, and one that was seen once counts from then on.
#[test]
fn a_policy_tag_that_was_seen_stays() {
    let world = World::start("flows-tags");
    let path = format!("{API}/datasets/staging/tables/tagged");
    let field = |tags: &[&str]| json!({ "name": "note", "type": "STRING", "policyTags": { "names": tags } });
    let schema = |tags: &[&str]| json!({ "fields": [{ "name": "id", "type": "INTEGER" }, field(tags)] });
    let reference = json!({ "projectId": "acme-prod", "datasetId": "staging", "tableId": "tagged" });
    let made = json!({ "tableReference": reference, "schema": schema(&[TAG]) });
    assert_eq!(world.direct("POST", &format!("{API}/datasets/staging/tables"), Some(&made)).status, 200);
    let filled = world.direct(
        "POST",
        &format!("{API}/queries"),
        Some(&statement("INSERT INTO staging.tagged (id, note) VALUES (1, 'tagged-4711')")),
    );
    assert_eq!(filled.status, 200, "{}", filled.text());
    let read = || cells(&query(&world, "report-job", "SELECT id, note FROM staging.tagged"));
    assert_eq!(read(), [json!("1"), Value::Null]);
    // Whoever may change schemas may not take it off.
    let patch = json!({ "schema": schema(&[]) });
    let patched = world.call("etl-nightly", "PATCH", &path, Some(&patch));
    assert_eq!(patched.status, 403, "{}", patched.text());
    // Somebody does, past the gateway.
    assert_eq!(world.direct("PATCH", &path, Some(&patch)).status, 200);
    assert_eq!(read(), [json!("1"), Value::Null]);
    let copied = query(&world, "etl-nightly", "CREATE TABLE staging.untagged AS SELECT id, note FROM staging.tagged");
    assert_eq!(copied.status, 403, "{}", copied.text());
    let answer = world.call("report-job", "GET", &format!("{path}/data"), None);
    assert!(answer.status == 200 && !answer.text().contains("tagged-4711"), "{}", answer.text());
}
