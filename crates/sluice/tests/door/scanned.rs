//! What the warehouse did before anybody looked, or beside the gateway: `sluice labels scan`, out of files and by asking.

use crate::double::Double;
use crate::findings::{cells, path, query, said, sluice, wait_for};
use crate::talk::Answer;
use crate::world::{API, PROJECT, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use tempfile::TempDir;

/// Out of files: copies that the warehouse made before anybody looked, by four ways and one behind the other.
#[test]
fn copies_of_long_ago_are_found() {
    let world = World::start("labels-scanned");
    run(&world, "CREATE TABLE staging.old AS SELECT id, ssn AS code, CONCAT('no. ', ssn) AS numbered FROM clinic.patients");
    run(&world, "CREATE TABLE staging.cloned CLONE staging.old");
    run(&world, "CREATE TABLE staging.again COPY staging.cloned");
    copy_job(&world, &["again"], "by_job", "COPY");
    run(&world, "CREATE TABLE staging.filled (c STRING)");
    run(&world, "INSERT INTO staging.filled (c) SELECT UPPER(numbered) FROM staging.again");
    run(&world, "CREATE TABLE staging.harmless AS SELECT id, name FROM clinic.patients");
    let files =
        exported(&world, &[("clinic", "patients"), ("staging", "old"), ("staging", "cloned"), ("staging", "again"), ("staging", "filled")]);
    let folder = path(&world.folder);
    let (history, catalog) = (path(&files.path().join("jobs.json")), path(&files.path().join("catalog")));
    let scan = |more: &[&str]| -> Value {
        let arguments = [&["labels", "scan", &history, "--catalog", &catalog, "--config", &folder, "--json"], more].concat();
        serde_json::from_str(&said(&arguments)).unwrap()
    };
    let (old, cloned) = (["clinic.patients.ssn", "staging.old.code"], ["clinic.patients.ssn", "staging.old.code", "staging.cloned.code"]);
    let numbered = ["clinic.patients.ssn", "staging.old.numbered", "staging.cloned.numbered"];
    let expect = expected(&[
        ("old.code", "create table as select", &old[..1]),
        ("old.numbered", "create table as select", &old[..1]),
        ("cloned.code", "clone", &old),
        ("cloned.numbered", "clone", &numbered[..2]),
        ("again.code", "copy", &cloned),
        ("again.numbered", "copy", &numbered),
        ("filled.c", "insert", &[numbered.as_slice(), &["staging.again.numbered"]].concat()),
    ]);
    let found = scan(&[]);
    assert_eq!(ways(&found), expect, "{found}");
    for one in found["lacking"].as_array().unwrap() {
        assert_eq!(one["computed"] == true, !one["column"].as_str().unwrap().ends_with(".code"), "{one}");
    }
    // BigQuery's own rows do not say what a copy job read: that is for whoever asks the warehouse, and it is named.
    let because: Vec<&Value> = found["not_understood"].as_array().unwrap().iter().map(|one| &one["because"]).collect();
    assert_eq!(because, ["the history does not say what was copied"]);
    of_other_files(&folder, &catalog);
    let ask = || query(&world, "report-job", "SELECT c FROM staging.filled");
    assert_eq!(given(&folder, "staging.filled"), json!([]), "it changes nothing by itself");
    scan(&["--apply", "--by", "ana", "--reason", "copies of last year"]);
    // Until then it would be shown as it is.
    let decides = || query(&world, "report-job", "SELECT COUNT(*) AS n FROM staging.filled WHERE c > 'A'");
    wait_for("they are masked", || decides().status == 403);
    assert!(cells(&ask()).iter().all(|cell| cell == ""), "it was computed: no part of it is shown");
    assert_eq!(ways(&scan(&[])), BTreeMap::new());
    let evidence = world.finish();
    let acts: Vec<_> = evidence.records.iter().filter(|record| record.text("meta/reason") == Some("copies of last year")).collect();
    assert_eq!(acts.len(), 2, "what was computed, and what was not");
    let named = |column: &String| {
        let (said, is_computed) = (format!("acme-prod.{column}: national_id"), (!column.ends_with(".code")).then_some("yes"));
        acts.iter().any(|act| act.text("meta/details/computed") == is_computed && act.text("meta/details/columns").unwrap().contains(&said))
    };
    assert!(expect.keys().all(named), "{acts:?}");
}

/// What columns of a table were given, beside the patterns of labels.toml.
fn given(folder: &str, table: &str) -> Value {
    let listed = said(&["labels", "list", "--config", folder, "--table", &format!("{PROJECT}.{table}"), "--json"]);
    serde_json::from_str::<Value>(&listed).unwrap()["labels"].clone()
}

/// Nobody may take what was not understood for an answer.
fn of_other_files(folder: &str, catalog: &str) {
    let files = tempfile::tempdir().unwrap();
    let check = |text: &str, code: i32, parts: &[&str]| {
        let file = path(&files.path().join("other.json"));
        std::fs::write(&file, text).unwrap();
        let ran = sluice(&["labels", "scan", &file, "--catalog", catalog, "--config", folder]);
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{text}: {told}{}", String::from_utf8_lossy(&ran.stderr));
        assert!(parts.iter().all(|part| told.contains(part)), "{text}: {told}");
    };
    let nothing = "this says nothing of what the warehouse holds";
    let of_the_api = r#"[{"jobReference":{"jobId":"1"},"configuration":{"query":{"query":"SELECT 1"}}}]"#;
    check(of_the_api, 1, &["not understood: entry 1: it is no row of INFORMATION_SCHEMA.JOBS", "1 not understood", nothing]);
    check(r#"{"job_type":"QUERY","statement_type":"INSERT","query":null}"#, 1, &["line 1: it has no `query`", nothing]);
    check("[]", 1, &["0 jobs", nothing]);
    check(r#"[{"job_type":"LOAD"},{}]"#, 0, &["1 jobs, 0 columns lack a label, 1 not understood", "entry 2"]);
}

/// What an administrator would export: rows of the history, and resources of these tables.
fn exported(world: &World, tables: &[(&str, &str)]) -> TempDir {
    let files = tempfile::tempdir().unwrap();
    let catalog = files.path().join("catalog");
    std::fs::create_dir(&catalog).unwrap();
    for (dataset, table) in tables {
        let resource = world.direct("GET", &format!("{API}/datasets/{dataset}/tables/{table}"), None).text();
        std::fs::write(catalog.join(format!("{table}.json")), resource).unwrap();
    }
    let rows = run(
        world,
        "SELECT TO_JSON_STRING(STRUCT(creation_time, project_id, job_id, job_type, statement_type, query, destination_table, \
         referenced_tables)) \
         FROM `region-us`.INFORMATION_SCHEMA.JOBS WHERE error_result IS NULL",
    );
    let lines: Vec<String> = cells(&rows).iter().map(|cell| cell.as_str().unwrap().to_owned()).collect();
    std::fs::write(files.path().join("jobs.json"), lines.join("\n")).unwrap();
    files
}

/// By column: what it is, and the way to it.
fn expected(all: &[(&str, &str, &[&str])]) -> BTreeMap<String, (String, Vec<String>)> {
    let one = |(column, kind, way): &(&str, &str, &[&str])| {
        let column = format!("staging.{column}");
        let path = way.iter().map(|part| (*part).to_owned()).chain([column.clone()]).collect();
        (column, ((*kind).to_owned(), path))
    };
    all.iter().map(one).collect()
}

/// At the warehouse, past the gateway.
fn copy_job(world: &World, sources: &[&str], destination: &str, operation: &str) {
    let table = |name: &str| json!({ "projectId": PROJECT, "datasetId": "staging", "tableId": name });
    let sources: Vec<Value> = sources.iter().map(|name| table(name)).collect();
    let copy = json!({ "sourceTables": sources, "destinationTable": table(destination), "operationType": operation });
    done(world, &json!({ "copy": copy }));
}

fn done(world: &World, configuration: &Value) {
    let begun = world.direct("POST", &format!("{API}/jobs"), Some(&json!({ "configuration": configuration })));
    assert_eq!(begun.status, 200, "{}", begun.text());
    let id = begun.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    wait_for("the job is done", || {
        let state = world.direct("GET", &format!("{API}/jobs/{id}"), None).json()["status"].clone();
        assert_eq!(state.get("errorResult"), None, "{state}");
        state["state"] == "DONE"
    });
}

fn run(world: &World, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
    let answer = world.direct("POST", &format!("{API}/queries"), Some(&body));
    assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    answer
}

/// By column: what it is, and the way that its values took.
fn ways(found: &Value) -> BTreeMap<String, (String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().trim_start_matches("acme-prod.").to_owned();
    let one = |one: &Value| {
        let path: Vec<String> = one["path"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(path[path.len() - 2..], [text(&one["source"]), text(&one["column"])]);
        (text(&one["column"]), (one["kind"].as_str().unwrap().to_owned(), path))
    };
    found["lacking"].as_array().unwrap().iter().map(one).collect()
}

/// Everything that the warehouse can do with a labelled column.
fn do_directly(world: &World) {
    run(world, "CREATE TABLE staging.old AS SELECT id, ssn AS code FROM clinic.patients");
    run(world, "CREATE TABLE staging.cloned CLONE staging.old");
    run(world, "CREATE TABLE staging.again COPY staging.cloned");
    run(world, "CREATE SNAPSHOT TABLE staging.frozen CLONE staging.again");
    copy_job(world, &["old"], "job_copy", "COPY");
    copy_job(world, &["old"], "job_clone", "CLONE");
    copy_job(world, &["job_copy"], "job_snapshot", "SNAPSHOT");
    run(world, "CREATE TABLE staging.filled (c STRING)");
    run(world, "INSERT INTO staging.filled (c) SELECT UPPER(code) FROM staging.frozen");
    let newest = "(SELECT MAX(code) AS code FROM staging.job_clone)";
    run(world, &format!("MERGE staging.filled AS f USING {newest} AS s ON FALSE WHEN NOT MATCHED THEN INSERT (c) VALUES (s.code)"));
    run(world, "CREATE VIEW staging.shown AS SELECT id, SUBSTR(code, 1, 5) AS part FROM staging.cloned");
    let table = |name: &str| json!({ "projectId": PROJECT, "datasetId": "staging", "tableId": name });
    let view =
        json!({ "tableReference": table("unlogged"), "view": { "query": "SELECT code AS c FROM staging.old", "useLegacySql": false } });
    assert_eq!(world.direct("POST", &format!("{API}/datasets/staging/tables"), Some(&view)).status, 200, "no job tells of it");
    let within = json!({ "projectId": PROJECT, "datasetId": "clinic" });
    let text = "SELECT CONCAT(ssn, '.') AS dotted FROM patients";
    done(world, &json!({ "query": { "query": text, "useLegacySql": false, "destinationTable": table("into"), "defaultDataset": within } }));
    let made = "CONCAT('CREATE TABLE ', name, ' AS SELECT ssn AS d FROM clinic.patients')";
    run(world, &format!("DECLARE name STRING DEFAULT 'staging.dynamic'; EXECUTE IMMEDIATE {made}"));
    run(world, "CREATE VIEW staging.at_once AS SELECT ssn AS s FROM clinic.patients");
    run(world, "CREATE SNAPSHOT TABLE staging.visits_then CLONE clinic.visits");
    run(world, "CREATE TABLE staging.harmless AS SELECT id, name FROM clinic.patients");
    run(world, "CREATE VIEW staging.plain AS SELECT id FROM clinic.patients");
    run(world, "SELECT ssn FROM clinic.patients");
    let model = "CREATE MODEL staging.guess OPTIONS (model_type = 'kmeans') AS SELECT ssn FROM clinic.patients";
    let failed = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": model, "useLegacySql": false })));
    assert!(failed.status >= 400, "the warehouse here makes no models");
}

const VIEWS: [(&str, &str); 3] = [
    ("clinic.v_badges.code", "clinic.patients.ssn"),
    ("clinic.v_contacts.contact.phone", "clinic.patients.contacts.phone"),
    ("clinic.v_visits.diagnosis", "clinic.visits.diagnosis"),
];

/// It is done at the warehouse, and then the warehouse is asked.
#[test]
fn what_the_warehouse_did_by_itself_is_found_by_asking_it() {
    let world = World::start("labels-asked");
    do_directly(&world);
    let folder = path(&world.folder);
    let scan = |more: &[&str]| -> Value {
        let arguments = [&["labels", "scan", "--connection", "warehouse", "--config", &folder, "--json"], more].concat();
        let (text, asked) = world.aside(|| said(&arguments));
        let changing: Vec<&Value> = asked.iter().filter(|entry| entry["verb"] != "GET").collect();
        assert!(changing.is_empty() && asked.iter().any(|entry| entry["method"] == "bigquery.jobs.list"), "{changing:?}");
        serde_json::from_str(&text).unwrap()
    };
    let ssn = "clinic.patients.ssn";
    let way = [ssn, "staging.old.code", "staging.cloned.code", "staging.again.code", "staging.frozen.code"];
    let expect = expected(&[
        ("old.code", "create table as select", &way[..1]),
        ("cloned.code", "clone", &way[..2]),
        ("again.code", "copy", &way[..3]),
        ("frozen.code", "snapshot", &way[..4]),
        ("filled.c", "insert", &way),
        ("job_copy.code", "copy", &way[..2]),
        ("job_clone.code", "clone", &way[..2]),
        ("job_snapshot.code", "snapshot", &[ssn, "staging.old.code", "staging.job_copy.code"]),
        ("shown.part", "view", &way[..3]),
        ("unlogged.c", "view", &way[..2]),
        ("into.dotted", "query", &way[..1]),
        ("dynamic.d", "create table as select", &way[..1]),
        ("at_once.s", "view", &way[..1]),
        ("visits_then.diagnosis", "snapshot", &["clinic.visits.diagnosis"]),
    ]);
    let found = scan(&[]);
    let (mine, before): (BTreeMap<_, _>, BTreeMap<_, _>) = ways(&found).into_iter().partition(|(column, _)| column.starts_with("staging."));
    assert_eq!(mine, expect, "{found}");
    // Views that were there before; of two nothing is known but that they are there.
    assert!(before.len() >= VIEWS.len() && before.values().all(|(kind, _)| kind == "view"), "{before:?}");
    assert!(VIEWS.iter().all(|(column, source)| before[*column].1 == [*source, *column]), "{before:?}");
    let unread: Vec<&Value> = found["not_understood"].as_array().unwrap().iter().map(|one| &one["job"]).collect();
    assert_eq!(unread, ["view acme-prod.clinic.v_legacy"]);
    assert_eq!((&found["unexplained_models"], &found["is_whole"]), (&json!([]), &json!(true)));
    let no_job: Vec<&Value> =
        found["lacking"].as_array().unwrap().iter().filter(|one| one["job"].is_null()).map(|one| &one["column"]).collect();
    let of_views = no_job.iter().filter(|column| column.as_str().unwrap().starts_with("acme-prod.clinic."));
    assert_eq!(no_job.len() - of_views.count(), 1, "{no_job:?}");
    assert!(no_job.contains(&&json!("acme-prod.staging.unlogged.c")), "{no_job:?}");
    // Later than all of it: only what views and tables say of themselves.
    let later = scan(&["--since", "2040-01-01"]);
    let mut known = expected(&[("at_once.s", "view", &way[..1]), ("visits_then.diagnosis", "snapshot", &["clinic.visits.diagnosis"])]);
    known.extend(before.clone());
    assert_eq!((&later["jobs"], ways(&later)), (&json!(0), known), "{later}");
    assert_eq!(given(&folder, "staging.frozen"), json!([]), "it changes nothing by itself");
    assert_eq!(ways(&scan(&["--apply", "--by", "ana", "--reason", "copies of last year"])).len(), expect.len() + before.len());
    // Until then it would be shown as it is.
    let decides = |column: &String| {
        let (table, column) = column.rsplit_once('.').unwrap();
        query(&world, "report-job", &format!("SELECT COUNT(*) AS n FROM {table} WHERE CAST({column} AS STRING) > 'A'")).status
    };
    wait_for("they are labelled", || expect.keys().all(|column| decides(column) == 403));
    assert!(expect.keys().all(|column| is_hidden(&world, column)), "they are masked");
    assert_eq!(ways(&scan(&[])), BTreeMap::new());
    let text = world.aside(|| said(&["labels", "scan", "--connection", "warehouse", "--config", &folder])).0;
    assert!(text.ends_with(" jobs, 0 columns lack a label, 1 not understood\n"), "{text}");
    let evidence = world.finish();
    let acts: Vec<_> = evidence.records.iter().filter(|record| record.text("meta/reason") == Some("copies of last year")).collect();
    assert_eq!(acts.len(), 2, "what was computed, and what was not");
}

/// Nothing of it comes as it is.
fn is_hidden(world: &World, column: &str) -> bool {
    let (table, column) = column.rsplit_once('.').unwrap();
    let statement = format!("SELECT {column} FROM {table} LIMIT 3");
    let clear = cells(&run(world, &statement));
    let shown = query(world, "report-job", &statement);
    shown.status == 200 && clear.iter().filter_map(Value::as_str).all(|value| !shown.text().contains(value))
}

/// A history in two pages, two models, a table in between.
fn answers(patients: Value) -> [(&'static str, Value); 12] {
    let job = |id: &str, at: &str, kind: &str, text: &str| {
        json!({
            "jobReference": { "projectId": PROJECT, "jobId": id }, "status": { "state": "DONE" },
            "configuration": { "jobType": "QUERY", "query": { "query": text, "useLegacySql": false } },
            "statistics": { "creationTime": at, "query": { "statementType": kind } },
        })
    };
    let mut failed = job(
        "failed",
        "1700000000003",
        "CREATE_MODEL",
        "CREATE MODEL ml.none OPTIONS (model_type = 'kmeans') AS SELECT ssn FROM clinic.patients",
    );
    failed["status"]["errorResult"] = json!({ "reason": "invalid" });
    let mut kept_back = job("kept-back", "1700000000004", "INSERT", "");
    kept_back["configuration"]["query"] = json!({});
    let text =
        "CREATE MODEL ml.guess OPTIONS (model_type = 'linear_reg', input_label_cols = ['y']) AS SELECT id AS y, code AS x FROM staging.old";
    let model = |name: &str, columns: &[&str]| {
        let columns: Vec<Value> = columns.iter().map(|column| json!({ "name": column, "type": { "typeKind": "STRING" } })).collect();
        let reference = json!({ "projectId": PROJECT, "datasetId": "ml", "modelId": name });
        json!({ "modelReference": reference, "featureColumns": columns, "creationTime": "1600000000000" })
    };
    let old = {
        let field = |name: &str| json!({ "name": name, "type": "STRING" });
        json!({ "tableReference": { "projectId": PROJECT, "datasetId": "staging", "tableId": "old" }, "type": "TABLE", "creationTime": "1700000000001",
            "schema": { "fields": [{ "name": "id", "type": "INTEGER" }, field("code")] } })
    };
    let old_text = "CREATE TABLE staging.old AS SELECT id, ssn AS code FROM clinic.patients";
    let dataset = |name: &str| json!({ "datasetReference": { "projectId": PROJECT, "datasetId": name } });
    let datasets = ["clinic", "ml", "staging"].map(dataset);
    let models = json!({ "models": [model("guess", &[]), model("forgotten", &[])] });
    [
        ("jobs?", json!({ "jobs": [kept_back, failed, job("model", "1700000000002", "CREATE_MODEL", text)], "nextPageToken": "two" })),
        ("pageToken=two", json!({ "jobs": [job("table", "1700000000001", "CREATE_TABLE_AS_SELECT", old_text)] })),
        ("/datasets?", json!({ "datasets": datasets })),
        ("/datasets/staging/tables?", json!({ "tables": [{ "tableReference": old["tableReference"], "type": "TABLE" }] })),
        ("/datasets/staging/tables/old", old.clone()),
        ("/datasets/clinic/tables/patients", patients),
        ("/datasets/ml/models?", models),
        ("/datasets/ml/models/guess", model("guess", &["x", "y"])),
        ("/datasets/ml/models/forgotten", model("forgotten", &["age", "ssn_hash"])),
        ("/tables?", json!({})),
        ("/models?", json!({})),
        ("/rowAccessPolicies", json!({})),
    ]
}

/// The gateway's folder with another warehouse in it.
fn led_to(world: &World, url: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let folder = copy.path().join("configuration");
    assert!(Command::new("cp").arg("-r").arg(&world.folder).arg(&folder).status().unwrap().success());
    let file = folder.join("sluice.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let before = settings.lines().find(|line| line.starts_with("endpoint = ")).unwrap().to_owned();
    std::fs::write(&file, settings.replace(&before, &format!("endpoint = \"{url}\""))).unwrap();
    copy
}

/// A warehouse of written answers, which has what the embedded one has not: models, jobs whose texts are kept back, jobs in several pages.
#[test]
fn models_are_found_with_what_they_were_made_from() {
    let world = World::start("labels-models");
    let patients = world.direct("GET", &format!("{API}/datasets/clinic/tables/patients"), None).json();
    let double = Double::start(answers(patients));
    let copy = led_to(&world, &double.url);
    let folder = copy.path().join("configuration");
    let scan = |more: &[&str]| said(&[&["labels", "scan", "--connection", "warehouse", "--config", &path(&folder)], more].concat());
    let found: Value = serde_json::from_str(&scan(&["--json"])).unwrap();
    let way = |steps: &[&str]| steps.iter().map(|step| (*step).to_owned()).collect::<Vec<String>>();
    let expect = BTreeMap::from([
        ("staging.old.code".to_owned(), ("create table as select".to_owned(), way(&["clinic.patients.ssn", "staging.old.code"]))),
        ("ml.guess.x".to_owned(), ("model".to_owned(), way(&["clinic.patients.ssn", "staging.old.code", "ml.guess.x"]))),
    ]);
    assert_eq!(ways(&found), expect, "{found}");
    assert_eq!(found["unexplained_models"], json!([{ "model": "acme-prod.ml.forgotten", "columns": ["age", "ssn_hash"] }]));
    assert_eq!((&found["jobs"], &found["untold"], &found["is_whole"]), (&json!(4), &json!(1), &json!(true)), "{found}");
    assert_eq!(found["not_understood"], json!([]));
    let text = scan(&[]);
    for expect in [
        "acme-prod.ml.guess.x  lacks national_id  model  by job model  from acme-prod.clinic.patients.ssn > ",
        " > acme-prod.staging.old.code > acme-prod.ml.guess.x",
        "model acme-prod.ml.forgotten: nobody remembers what it was made from; its columns are age, ssn_hash",
        "of 1 queries the texts are kept from this account",
    ] {
        assert!(text.contains(expect), "{expect}: {text}");
    }
    let asked = double.asked();
    let lists: Vec<&String> = asked.iter().filter(|target| target.contains("/jobs?")).collect();
    assert!(lists.iter().all(|target| target.contains("allUsers=true") && target.contains("projection=full")), "{lists:?}");
    assert_eq!(lists.iter().filter(|target| target.contains("pageToken=two")).count(), 2, "{lists:?}");
    let unknown = sluice(&["labels", "scan", "--connection", "other", "--config", &path(&folder)]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("`other` is no connection"), "{unknown:?}");
    drop(double);
    let gone = sluice(&["labels", "scan", "--connection", "warehouse", "--config", &path(&folder)]);
    assert!(!gone.status.success() && gone.stdout.is_empty(), "without an answer there is no report: {gone:?}");
    drop(world.finish());
}
