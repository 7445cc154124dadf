//! Labels that people give: from lists, from catalogs, from what detectors found.

use crate::findings::{cells, found, path, plant, query, said, sluice, wait_for};
use crate::world::{API, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TAG: &str = "projects/acme-prod/locations/us/taxonomies/7/policyTags/4711";

#[test]
fn a_list_is_imported_and_findings_suggest_labels() {
    let world = World::start("labels-imported");
    let folder = path(&world.folder);
    plant(&world, "listed");
    let ask = |column: &str| query(&world, "report-job", &format!("SELECT {column} FROM staging.listed ORDER BY id"));
    assert_eq!(ask("remark, account, reach").status, 200);
    wait_for("all three are found", || ["card_number", "iban", "email"].iter().all(|kind| found(&world, kind, "warn")));
    let (ledger, keys) = (path(&world.folder.join("ledger")), path(&world.folder.join("ledger-keys")));
    let suggest = || said(&["labels", "suggest", &ledger, "--keys", &keys, "--config", &folder]);
    let line = |label: &str, column: &str| {
        format!("sluice labels set --config {folder} --label {label} --by WHO --reason WHY acme-prod.staging.listed.{column}")
    };
    wait_for("the findings are published", || suggest().contains(&line("payment", "account")));
    let text = suggest();
    assert!(text.contains(&line("payment", "remark")) && text.contains(&line("contact", "reach")), "{text}");
    assert!(text.contains("# email: 24 of 24 cells, record "), "{text}");
    let lists = tempfile::tempdir().unwrap();
    let list = lists.path().join("columns.csv");
    let import = |text: &str| {
        std::fs::write(&list, text).unwrap();
        sluice(&["labels", "import", list.to_str().unwrap(), "--config", &folder, "--by", "ana", "--reason", "from the catalogue"])
    };
    let wrong = import("column,label\nacme-prod.staging.listed.reach,contact\nacme-prod.staging.listed,secret\n");
    assert_eq!(wrong.status.code(), Some(2), "{}", String::from_utf8_lossy(&wrong.stdout));
    assert!(String::from_utf8_lossy(&wrong.stdout).contains("line 3"), "{}", String::from_utf8_lossy(&wrong.stdout));
    let right = import("column,label\nacme-prod.staging.listed.reach,contact\nacme-prod.staging.listed.account,home\n");
    assert!(String::from_utf8_lossy(&right.stdout).starts_with("2 labels imported, 0 were there already"), "{right:?}");
    let again = import("acme-prod.staging.listed.reach,contact\n");
    assert!(String::from_utf8_lossy(&again.stdout).starts_with("0 labels imported, 1 were there already"), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing is new"), "{again:?}");
    let other = import("acme-prod.staging.listed.reach;contact\n");
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    wait_for("they are masked", || cells(&ask("reach")).iter().all(|cell| cell == "XXXXX@canary.example"));
    let text = suggest();
    assert!(text.contains("listed.remark") && !text.contains("listed.reach"), "{text}");
    let listed = said(&["labels", "list", "--config", &folder, "--table", "acme-prod.staging.listed"]);
    assert!(listed.contains("Z, imported by ana: from the catalogue") && listed.contains("  since 2"), "{listed}");
    let evidence = world.finish();
    let acts: Vec<_> = evidence.records.iter().filter(|record| record.text("meta/what") == Some("import labels")).collect();
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].text("meta/reason"), Some("from the catalogue"));
}

/// `(column, how it ends, what it says)`.
#[test]
fn what_labels_nothing_is_refused_and_what_is_not_known_is_said() {
    let world = World::start("labels-told");
    let folder = path(&world.folder);
    let list = |table: &str, more: &[&str]| said(&[&["labels", "list", "--config", &folder, "--table", table], more].concat());
    let before = list("acme-prod.shop.customers", &["--json"]);
    let check = |column: &str, code: i32, parts: &[&str]| {
        let ran = sluice(&["labels", "set", "--label", "contact", "--config", &folder, "--by", "ana", "--reason", "seen", column]);
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{column}: {told}{}", String::from_utf8_lossy(&ran.stderr));
        assert!(parts.iter().all(|part| told.contains(part)), "{column}: {told}");
    };
    check("acme-prod.shop.*.name", 2, &["refused: ", "is a pattern: patterns stand in labels.toml"]);
    check("acme-prod.shop.customers", 2, &["is no column"]);
    check("`acme-prod.shop.customers.name`", 2, &["without quotes"]);
    assert_eq!(list("acme-prod.shop.customers", &["--json"]), before, "nothing has changed");
    check("acme-prod.shop.customers.nmae", 0, &["whether these columns are there was not checked", "a gateway that runs records it"]);
    // Patterns are in the list, and said to be.
    let listed = list("acme-prod.clinic.patients", &[]);
    for line in [
        "acme-prod.clinic.patients.notes  health  a pattern of labels.toml: says how somebody is",
        "*.*.*.ssn  national_id  a pattern of labels.toml: identifies a person for life",
    ] {
        assert!(listed.lines().any(|told| told == line), "{line}: {listed}");
    }
    assert!(!listed.contains("diagnosis") && !listed.contains("no column has one"), "{listed}");
    let listed: Value = serde_json::from_str(&list("acme-prod.shop.customers", &["--json"])).unwrap();
    assert_eq!(listed["labels"].as_array().unwrap().len(), 1);
    assert_eq!(
        listed["patterns"][0],
        json!({
            "pattern": "*.*.*.email", "label": "contact", "origin": "pattern", "by": null, "reason": "reaches a person",
        })
    );
    world.finish();
}

/// A type that few know is masked like any other.
#[test]
fn a_labelled_place_is_masked() {
    let world = World::start("labels-place");
    let folder = path(&world.folder);
    let made = json!({ "query": "CREATE TABLE staging.places (id INT64, place GEOGRAPHY)", "useLegacySql": false });
    assert_eq!(world.direct("POST", &format!("{API}/queries"), Some(&made)).status, 200);
    let rows = json!({ "rows": [{ "json": { "id": 1, "place": "POINT(4 7)" } }, { "json": { "id": 2, "place": null } }] });
    let inserted = world.direct("POST", &format!("{API}/datasets/staging/tables/places/insertAll"), Some(&rows));
    assert_eq!(inserted.status, 200, "{}", inserted.text());
    let ask = || query(&world, "report-job", "SELECT place FROM staging.places ORDER BY id");
    let open = ask().json();
    assert_eq!(open["schema"]["fields"][0]["type"], "GEOGRAPHY", "{open}");
    assert_eq!(open["rows"][0]["f"][0]["v"], "POINT(4 7)", "{open}");
    said(&[
        "labels",
        "set",
        "--label",
        "contact",
        "--config",
        &folder,
        "--by",
        "ana",
        "--reason",
        "says where",
        "acme-prod.staging.places.place",
    ]);
    wait_for("it is masked", || {
        let answer = ask();
        assert_eq!(answer.status, 200, "{}", answer.text());
        cells(&answer).iter().all(|cell| cell == "POINT(0 0)")
    });
    world.finish();
}

/// As an export of another project's catalog has them: what BigQuery itself says of these columns is nothing.
#[test]
fn policy_tags_of_a_catalog_are_imported() {
    let world = World::start("labels-tags");
    let folder = path(&world.folder);
    plant(&world, "exported");
    let ask = |column: &str| query(&world, "report-job", &format!("SELECT {column} FROM staging.exported ORDER BY id"));
    assert!(cells(&ask("reach")).iter().all(|cell| cell.as_str().unwrap().ends_with("@canary.example")), "nobody said anything of it");
    let catalog = tempfile::tempdir().unwrap();
    let mut resource = world.direct("GET", &format!("{API}/datasets/staging/tables/exported"), None).json();
    for field in resource["schema"]["fields"].as_array_mut().unwrap() {
        if ["reach", "remark"].contains(&field["name"].as_str().unwrap()) {
            field["policyTags"] = json!({ "names": [TAG] });
        }
    }
    std::fs::write(catalog.path().join("exported.json"), resource.to_string()).unwrap();
    std::fs::write(catalog.path().join("notes.txt"), "no resource").unwrap();
    let catalog = path(catalog.path());
    let import = || said(&["labels", "import", "--catalog", &catalog, "--config", &folder, "--by", "ana", "--reason", "tags of last year"]);
    assert!(import().starts_with("2 policy tags imported, 0 were there already"));
    assert!(import().starts_with("0 policy tags imported, 2 were there already"));
    // No label is mapped to that tag: it hides all the same.
    wait_for("they are hidden", || cells(&ask("reach, remark")).iter().all(Value::is_null));
    assert!(cells(&ask("account")).iter().all(|cell| cell.as_str().unwrap().starts_with("DE")), "which has no tag");
    let listed = said(&["labels", "list", "--config", &folder, "--table", "acme-prod.staging.exported", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let told: Vec<(&str, &str)> = listed["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["column"].as_str().unwrap(), entry["origin"].as_str().unwrap()))
        .collect();
    let expect = ["reach", "remark"].map(|column| (format!("acme-prod.staging.exported.{column}"), "policy_tag_imported"));
    let mut told: Vec<(String, &str)> = told.into_iter().map(|(column, origin)| (column.to_owned(), origin)).collect();
    told.sort();
    assert_eq!(told, expect);
    let evidence = world.finish();
    let acts: Vec<_> = evidence.records.iter().filter(|record| record.text("meta/what") == Some("import policy tags")).collect();
    assert_eq!(acts.len(), 1, "what was there already is no act");
    assert_eq!((acts[0].text("meta/by"), acts[0].text("meta/reason")), (Some("ana"), Some("tags of last year")));
    let columns = acts[0].text("meta/details/columns").unwrap();
    assert!(expect.iter().all(|(column, _)| columns.contains(&format!("{column}: {TAG}"))), "{columns}");
}

/// By the names of columns alone, for whoever has no findings yet; and what it prints can be run as it stands.
#[test]
fn columns_are_suggested_by_their_names() {
    let world = World::start("labels-suggested");
    let folder = path(&world.folder);
    let (ledger, keys) = (path(&world.folder.join("ledger")), path(&world.folder.join("ledger-keys")));
    let columns = "1 AS id, '030 12345' AS home_phone, DATE '1980-02-03' AS date_of_birth, 'x' AS email, 'y' AS shelf";
    let statement = format!("CREATE TABLE staging.guests AS SELECT {columns}");
    let made = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": statement, "useLegacySql": false })));
    assert_eq!(made.status, 200, "{}", made.text());
    let catalog = tempfile::tempdir().unwrap();
    for (dataset, table) in [("staging", "guests"), ("clinic", "patients")] {
        let resource = world.direct("GET", &format!("{API}/datasets/{dataset}/tables/{table}"), None).text();
        std::fs::write(catalog.path().join(format!("{table}.json")), resource).unwrap();
    }
    let catalog = path(catalog.path());
    let suggest = |more: &[&str]| said(&[&["labels", "suggest", &ledger, "--keys", &keys, "--config", &folder], more].concat());
    assert_eq!(suggest(&[]).trim(), "nothing to suggest", "nobody has read anything");
    let named = || -> BTreeMap<String, Vec<String>> {
        let text = suggest(&["--catalog", &catalog, "--json"]);
        let told: Value = serde_json::from_str(&text).unwrap();
        let kinds = |one: &Value| one["kinds"].as_array().unwrap().iter().map(|kind| kind.as_str().unwrap().to_owned()).collect();
        let suggested = told["suggested"].as_array().unwrap().iter();
        let all = suggested.map(|one| (one["column"].as_str().unwrap().to_owned(), kinds(one)));
        all.filter(|(column, _): &(String, Vec<String>)| column.contains(".guests.")).collect()
    };
    let expect = [("date_of_birth", "date_of_birth"), ("home_phone", "telephone")];
    let expect: BTreeMap<String, Vec<String>> =
        expect.into_iter().map(|(column, kind)| (format!("acme-prod.staging.guests.{column}"), vec![kind.to_owned()])).collect();
    // `email` has its label by the pattern of the starter set, and so has every labelled column of the patients.
    assert_eq!(named(), expect);
    let text = suggest(&["--catalog", &catalog]);
    assert!(text.contains("# telephone: by its name\n") && !text.contains("patients.ssn") && !text.contains("patients.email"), "{text}");
    let command = text.lines().find(|line| line.contains("guests.home_phone")).unwrap();
    let command = command.replace("--by WHO", "--by ana").replace("--reason WHY", "--reason seen");
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[0], "sluice");
    said(&words[1..]);
    assert_eq!(named().into_keys().collect::<Vec<_>>(), ["acme-prod.staging.guests.date_of_birth"]);
    wait_for("it is masked", || {
        let shown = cells(&query(&world, "report-job", "SELECT home_phone FROM staging.guests"));
        shown != [json!("030 12345")]
    });
    drop(world.finish());
}

/// Of a column that holds what was computed from labelled values no part is shown, whoever says so and however. A plain label after that lifts nothing.
#[test]
fn what_a_person_says_was_computed_shows_no_part() {
    let world = World::start("labels-computed");
    let folder = path(&world.folder);
    let columns = ["by_hand", "by_list", "by_json", "plain"];
    let direct = |statement: &str| {
        let answer = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": statement, "useLegacySql": false })));
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    direct(&format!("CREATE TABLE staging.told AS SELECT 1 AS id, {}", columns.map(|name| format!("'waits' AS {name}")).join(", ")));
    let ssn = world.direct_cell("SELECT ssn FROM clinic.patients WHERE id = 1");
    let full = |column: &str| format!("acme-prod.staging.told.{column}");
    let by = ["--config", &folder, "--by", "ana", "--reason", "they are reversed"];
    let lists = tempfile::tempdir().unwrap();
    let import = |name: &str, text: &str, more: &[&str]| {
        let list = lists.path().join(name);
        std::fs::write(&list, text).unwrap();
        said(&[&["labels", "import", list.to_str().unwrap()], &by[..], more].concat())
    };
    // What is secret comes after the labels.
    let csv = |names: &[&str]| names.iter().fold("column,label\n".to_owned(), |all, name| format!("{all}{},national_id\n", full(name)));
    assert!(import("plain.csv", &csv(&columns), &[]).starts_with("4 labels imported"));
    let ask = |column: &str| {
        let rest = query(&world, "report-job", &format!("SELECT {column} FROM staging.told WHERE id = 1"));
        let listed = world.call("report-job", "GET", &format!("{API}/datasets/staging/tables/told/data?selectedFields={column}"), None);
        let listed = listed.json()["rows"][0]["f"][0]["v"].clone();
        (cells(&rest)[0].clone(), listed)
    };
    let shows = |last: &str| {
        let shown = json!(format!("XXXXX{}", last.split_at(last.len() - 4).1));
        move |pair: (Value, Value)| pair == (shown.clone(), shown.clone())
    };
    wait_for("they are masked", || columns.iter().all(|column| shows("waits")(ask(column))));
    direct(&format!("UPDATE staging.told SET {} WHERE TRUE", columns.map(|name| format!("{name} = '{ssn}'")).join(", ")));
    said(&[&["labels", "set", "--computed", "--label", "national_id"], &by[..], &[&full("by_hand")]].concat());
    let told = import("computed.csv", &csv(&["by_list"]), &["--computed"]);
    assert!(told.starts_with("1 labels imported, 0 were there already"), "{told}");
    let list = json!([{ "column": full("by_json"), "label": "national_id" }]).to_string();
    let told = import("computed.json", &list, &["--computed"]);
    assert!(told.starts_with("1 labels imported, 0 were there already"), "{told}");
    let told = import("computed.csv", &csv(&["by_list"]), &["--computed"]);
    assert!(told.starts_with("0 labels imported, 1 were there already"), "{told}");
    let hidden = ["by_hand", "by_list", "by_json"];
    let nothing = || hidden.iter().all(|column| ask(column) == (json!(""), json!("")));
    wait_for("no part is shown", nothing);
    assert!(shows(&ssn)(ask("plain")));
    // What it is said to be without a word of that comes after it and takes nothing back.
    said(&[&["labels", "set", "--label", "national_id"], &by[..], &[&full("by_hand")]].concat());
    import("again.csv", &csv(&hidden), &[]);
    let told = import("other.csv", &format!("column,label\n{},home\n", full("plain")), &[]);
    assert!(told.starts_with("1 labels imported"), "{told}");
    wait_for("the last one is in force", || ask("plain") == (json!(""), json!("")));
    assert!(nothing());
    let listed = said(&["labels", "list", "--config", &folder, "--table", "acme-prod.staging.told"]);
    for column in hidden {
        assert!(listed.contains(&format!("{}  national_id, computed  since ", full(column))), "{listed}");
    }
    drop(world.finish());
}
