//! What callers are told: of files that do not fit, of queries, of names that are not there.

use crate::world::{API, PROJECT, World};
use serde_json::{Value, json};

const VALUE: &str = "not-a-number-4711";
const WITHHELD: &str = "BigQuery's message is withheld";

/// A file with two lines, of which the second does not fit: the job when it is over.
fn loaded(world: &World, load: &Value) -> Value {
    let body = json!({ "configuration": { "load": load } });
    let file = format!("1,7,fine\n2,{VALUE},fine\n");
    let parts = format!("--b\r\nContent-Type: application/json\r\n\r\n{body}\r\n--b\r\nContent-Type: */*\r\n\r\n{file}\r\n--b--");
    let headers = [("Content-Type", "multipart/related; boundary=b")];
    let path = format!("/upload{API}/jobs?uploadType=multipart");
    let begun = world.call_with("etl-nightly", "POST", &path, &headers, Some(parts.as_bytes()));
    assert_eq!(begun.status, 200, "{}", begun.text());
    let id = begun.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    loop {
        let job = world.call("etl-nightly", "GET", &format!("{API}/jobs/{id}"), None).json();
        if job["status"]["state"] == "DONE" {
            let list = world.call("etl-nightly", "GET", &format!("{API}/jobs?maxResults=1"), None).json();
            assert_eq!((&list["jobs"][0]["id"], &list["jobs"][0]["status"]), (&job["id"], &job["status"]), "told the same in a list");
            return job;
        }
    }
}

/// A load into a table without labels is told whole; into one with labels as far as it says where.
#[test]
fn what_is_wrong_in_a_file_is_told_as_far_as_it_may() {
    let world = World::start("told-loads");
    let into = |table: &str| json!({ "projectId": PROJECT, "datasetId": "staging", "tableId": table });
    let fields = json!({ "fields": [{ "name": "id", "type": "INTEGER" }, { "name": "visits", "type": "INTEGER" }, { "name": "note", "type": "STRING" }] });
    let plain = loaded(&world, &json!({ "destinationTable": into("told"), "sourceFormat": "CSV", "schema": fields }));
    let status = &plain["status"];
    assert_eq!((&status["errorResult"]["reason"], &status["errorResult"]["location"]), (&json!("invalid"), &json!("file-00000000")));
    let places = |status: &Value| {
        let errors = status["errors"].as_array().unwrap().iter();
        let error = errors.map(|error| error["message"].as_str().unwrap()).find(|text| text.contains("line_number: 2"));
        error.unwrap_or_else(|| panic!("{status}")).to_owned()
    };
    let told = places(status);
    assert!(told.contains(VALUE) && told.contains("column_name: \"visits\""), "{told}");

    let labelled = loaded(&world, &json!({ "destinationTable": into("raw_visits"), "sourceFormat": "CSV", "allowJaggedRows": true }));
    let status = &labelled["status"];
    assert_eq!((&status["errorResult"]["reason"], &status["errorResult"]["location"]), (&json!("invalid"), &json!("file-00000000")));
    let told = places(status);
    assert!(told.starts_with(WITHHELD) && told.contains("column_index: 1") && told.contains("column_name: \"patient_id\""), "{told}");
    assert!(!labelled.to_string().contains(VALUE), "{labelled}");
}

#[test]
fn what_stands_around_rows_is_what_bigquery_says() {
    let world = World::start("told-queries");
    let body = json!({ "query": "SELECT COUNT(*) AS n FROM clinic.logins", "useLegacySql": false });
    let answer = world.call("report-job", "POST", &format!("{API}/queries"), Some(&body)).json();
    let id = answer["jobReference"]["jobId"].as_str().unwrap();
    assert_eq!((answer["queryId"].as_str(), &answer["location"]), (Some(id), &json!("US")), "{answer}");
    assert_eq!(answer["jobCreationReason"], json!({ "code": "REQUESTED" }));
    for name in ["creationTime", "startTime", "endTime", "totalSlotMs", "totalBytesBilled", "totalBytesProcessed"] {
        assert!(answer[name].is_string(), "{name}: {answer}");
    }
    // `getQueryResults` has neither.
    let page = world.call("report-job", "GET", &format!("{API}/queries/{id}"), None).json();
    assert_eq!((&page["queryId"], &page["location"], &page["totalRows"]), (&Value::Null, &Value::Null, &json!("1")), "{page}");
}

/// `(who, where, what)`, and the words that the answer begins with.
#[test]
fn what_is_not_there_is_named_as_bigquery_names_it() {
    let world = World::start("told-absent");
    let mut wrong = Vec::new();
    let mut check = |caller: &str, verb: &str, path: &str, query: Option<&str>, expect: &str| {
        let body = query.map(|query| json!({ "query": query, "useLegacySql": false }));
        let answer = world.call(caller, verb, &format!("{API}/{path}"), body.as_ref());
        let told = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        if !told.starts_with(expect) {
            wrong.push(format!("{caller} {path} {query:?}: {} {told}", answer.status));
        }
    };
    let (table, dataset) = ("Not found: Table acme-prod:clinic.none", "Not found: Dataset acme-prod:nowhere");
    check("report-job", "GET", "datasets/clinic/tables/none", None, table);
    check("report-job", "GET", "datasets/nowhere/tables/none", None, dataset);
    check("report-job", "GET", "datasets/clinic/tables/none/data", None, table);
    check("report-job", "GET", "datasets/nowhere/tables/none/data", None, dataset);
    check("report-job", "GET", "datasets/clinic/tables/logins/data?selectedFields=nope", None, "No such field: nope.");
    check("report-job", "GET", "datasets/clinic/tables/patients/data?selectedFields=address.nope", None, "No such field: address.nope.");
    check("stranger", "GET", "datasets/clinic/tables/logins/data?selectedFields=nope", None, "Access Denied");
    check("report-job", "POST", "queries", Some("SELECT * FROM clinic.none"), table);
    check("report-job", "POST", "queries", Some("SELECT * FROM `acme-prod.nowhere.none`"), dataset);
    check("report-job", "POST", "queries", Some("SELECT * FROM clinic.logins, clinic.none, nowhere.other"), "Not found: ");
    check("report-job", "GET", "jobs/none", None, "Not found: Job acme-prod:none");
    // Who may describe nothing is told nothing of datasets.
    check("stranger", "GET", "datasets/nowhere/tables/none/data", None, "Not found: Table acme-prod:nowhere.none");
    check("stranger", "GET", "datasets/nowhere/tables/none", None, "Access Denied");
    check("stranger", "POST", "queries", Some("SELECT * FROM nowhere.none"), "the statement does not fit");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The default of a column is SQL that others evaluate: it stands for itself, or it is refused by its place in the schema.
#[test]
fn defaults_of_columns_are_understood() {
    let world = World::start("told-defaults");
    let (mut wrong, mut number) = (Vec::new(), 0);
    let mut check = |expression: &str, expect: u16| {
        number += 1;
        let table = format!("defaults_{number}");
        let field = json!({ "name": "a", "type": "STRING", "defaultValueExpression": expression });
        let reference = json!({ "projectId": PROJECT, "datasetId": "staging", "tableId": table });
        let body = json!({ "tableReference": reference, "schema": { "fields": [field] } });
        let answer = world.call("etl-nightly", "POST", &format!("{API}/datasets/staging/tables"), Some(&body));
        let names_it = answer.text().contains("schema.fields[0].defaultValueExpression");
        if answer.status != expect || names_it != (expect == 400) {
            wrong.push(format!("{expression}: {} {}", answer.status, answer.text()));
        }
        if answer.status == 200 {
            let path = format!("{API}/datasets/staging/tables/{table}");
            assert_eq!(world.call("etl-nightly", "DELETE", &path, None).status, 204, "{expression}");
        }
    };
    for taken in ["'x'", "CONCAT('a', 'b') -- why", "GENERATE_UUID()", "CAST(CURRENT_TIMESTAMP() AS STRING)", "IF(TRUE, 'a', NULL)"] {
        check(taken, 200);
    }
    for refused in [
        "SESSION_USER()",
        "(SELECT MAX(ssn) FROM clinic.patients)",
        "(SELECT MAX(ssn) FROM `acme-prod.clinic.patients`)",
        "'x') FROM clinic.patients WHERE (TRUE",
        "'x'), ('y'",
        "'x'); DROP TABLE clinic.visits; SELECT ('x'",
        "clinic.badge(1)",
        "other_column",
        "",
        "'x",
        "'x' /*",
        "'x';",
    ] {
        check(refused, 400);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `(who, what)`, and what the refusal says.
#[test]
fn a_refusal_says_what_it_would_take() {
    let world = World::start("told-refusals");
    let mut wrong = Vec::new();
    let mut check = |caller: &str, statement: &str, parts: &[&str]| {
        let body = json!({ "query": statement, "useLegacySql": false });
        let answer = world.call(caller, "POST", &format!("{API}/queries"), Some(&body));
        let told = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        wrong.extend(parts.iter().filter(|part| !told.contains(*part)).map(|part| format!("{statement}: no `{part}` in {told}")));
    };
    let ask = "ask whoever writes the policy of this gateway";
    check("report-job", "EXPLAIN SELECT id FROM clinic.patients", &["no `EXPLAIN`", "a dry run"]);
    check("report-job", "SHOW TABLES", &["no `SHOW`", "INFORMATION_SCHEMA.TABLES"]);
    check("report-job", "DESCRIBE clinic.patients", &["no `DESCRIBE`", "INFORMATION_SCHEMA.COLUMNS"]);
    check("report-job", "SELECT * FROM `acme-prod`.clinic.patients.id", &["accepted: `project.dataset.table`"]);
    check("stranger", "SELECT 1", &["use of the connection: no rule permits it; what it takes is a rule that permits you `connect`", ask]);
    check(
        "report-job",
        "CALL clinic.list_ward('A')",
        &["call of procedure clinic.list_ward: no rule permits it", "permits you `call`", ask],
    );
    let shown = "`column_default` of acme-prod.shop.INFORMATION_SCHEMA.COLUMNS";
    let others = "accepted: the other columns of that view, by their names";
    check(
        "support-agent",
        "SELECT * FROM shop.INFORMATION_SCHEMA.COLUMNS",
        &[shown, "no rule permits it", others, "permits you `metadata`"],
    );
    check(
        "support-agent",
        "SELECT view_definition FROM clinic.INFORMATION_SCHEMA.VIEWS",
        &["metadata: `view_definition` of acme-prod.clinic", others],
    );
    check(
        "report-job",
        "SELECT credit_card FROM clinic.cards",
        &["column acme-prod.clinic.cards.credit_card may not be shown to anybody: a card"],
    );
    check(
        "etl-nightly",
        "CREATE TABLE shop.mine AS SELECT 1 AS one",
        &["create on table acme-prod.shop.mine: no rule permits it", "permits you `create`", ask],
    );
    check(
        "report-job",
        "SELECT 1; CREATE SEQUENCE shop.s",
        &["`CREATE SEQUENCE` is no statement that is known here at [1:11]; accepted: the same"],
    );
    check("report-job", "SELECT CAST(ssn AS INT64) FROM clinic.patients", &["patients.ssn (error): no rule permits it", "`SAFE_CAST`"]);
    check("report-job", "SELECT 1;\nSELECT nam FROM `acme-prod.clinic.patients`", &["Unrecognized name: nam; Did you mean name? at [2:8]"]);
    // What is only passed on cannot stand in a message; what something was done with could.
    check("report-job", "SELECT ssn, 1 / 0 AS x FROM clinic.patients", &["division by zero: (...)"]);
    check("report-job", "SELECT ssn, contacts FROM clinic.patients LIMIT -1", &["Limit requires non-negative count"]);
    check("report-job", "SELECT UPPER(ssn) AS a, email AS a FROM clinic.patients", &["Found duplicate(s): a"]);
    check("report-job", "SELECT UPPER(ssn) AS u, 1 / 0 AS x FROM clinic.patients", &["withheld"]);
    check("report-job", "SELECT national_id, 1 / 0 AS x FROM clinic.v_patients", &["withheld"]);
    check("report-job", "CREATE TEMP TABLE t AS SELECT ssn FROM clinic.patients; SELECT ssn, 1 / 0 AS x FROM t", &["withheld"]);
    // Lines of the analyzer's stay lines.
    check("report-job", "SELECT SUBSTR(1)", &["No matching signature for function SUBSTR\n  Argument types: INT64\n"]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the starter set lets a pipeline do: call what does no more than it may itself, label its jobs, clear them away.
#[test]
fn pipelines_call_label_and_clear_away() {
    let world = World::start("told-pipelines");
    let ask = |statement: &str| {
        let body = json!({ "query": statement, "useLegacySql": false });
        world.call("etl-nightly", "POST", &format!("{API}/queries"), Some(&body))
    };
    for statement in [
        "CREATE OR REPLACE PROCEDURE staging.note(n INT64) BEGIN CREATE OR REPLACE TABLE staging.noted AS SELECT n AS n; END",
        "CALL staging.note(7)",
        "SET @@query_label = 'run:7'; SELECT COUNT(*) AS n FROM clinic.logins",
    ] {
        let answer = ask(statement);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    }
    assert_eq!(world.direct_cell("SELECT n FROM staging.noted"), "7");
    assert_eq!(ask("CALL clinic.archive_visits()").class(), "403 accessDenied", "it writes a labelled column");
    let answer = ask("SELECT COUNT(*) AS n FROM clinic.logins").json();
    let id = answer["jobReference"]["jobId"].as_str().unwrap();
    let delete = |caller: &str| world.call(caller, "DELETE", &format!("{API}/jobs/{id}/delete?location=US"), None).class();
    assert_eq!(delete("report-job"), "404 notFound");
    assert_eq!(delete("etl-nightly"), "204");
    let after = world.call("etl-nightly", "GET", &format!("{API}/jobs/{id}?location=US"), None);
    assert_eq!(after.class(), "404 notFound", "what is deleted is not told from memory: {}", after.text());
}
