//! Views and routines of the clinic, among them some that BigQuery runs and this warehouse refuses (legacy SQL, JavaScript, remote, Spark).

use serde_json::{Value, json};

/// A view: name, columns and query.
pub struct ViewCode {
    pub name: &'static str,
    pub columns: &'static str,
    pub query: &'static str,
    pub legacy: bool,
}

const fn view(name: &'static str, columns: &'static str, query: &'static str) -> ViewCode {
    ViewCode { name, columns, query, legacy: false }
}

pub const VIEWS: [ViewCode; 9] = [
    view("v_patients", "id INT64, national_id STRING, name STRING", "SELECT id, ssn AS national_id, name FROM `acme-prod.clinic.patients`"),
    view("v_badges", "code STRING, label STRING", "SELECT national_id AS code, UPPER(name) AS label FROM `acme-prod.clinic.v_patients`"),
    view(
        "v_contacts",
        "id INT64, contact STRUCT<name STRING, phone STRING>",
        "SELECT p.id, contact FROM `acme-prod.clinic.patients` AS p, UNNEST(p.contacts) AS contact",
    ),
    view("v_domestic", "id INT64, name STRING, ward STRING", "SELECT id, name, ward FROM `acme-prod.clinic.patients` WHERE ssn LIKE '9%'"),
    view("v_numbers", "id INT64, n INT64", "SELECT id, CAST(name AS INT64) AS n FROM `acme-prod.clinic.patients` WHERE ssn LIKE '9%'"),
    view("v_risk", "id INT64, tail STRING", "SELECT id, `acme-prod.clinic.mask_tail`(ssn) AS tail FROM `acme-prod.clinic.patients`"),
    view(
        "v_visits",
        "visit_id INT64, patient STRING, doctor STRING, diagnosis STRING",
        "SELECT v.id AS visit_id, p.name AS patient, v.doctor, v.diagnosis\nFROM `acme-prod.clinic.visits` AS v\n\
         JOIN `acme-prod.clinic.patients` AS p ON p.id = v.patient_id",
    ),
    view(
        "v_ward_counts",
        "ward STRING, patients INT64, people INT64, last_email STRING",
        "SELECT ward, COUNT(*) AS patients, COUNT(DISTINCT ssn) AS people, MAX(email) AS last_email\n\
         FROM `acme-prod.clinic.patients`\nGROUP BY ward",
    ),
    ViewCode {
        name: "v_legacy",
        columns: "id INT64, code STRING",
        query: "SELECT id, ssn AS code FROM [acme-prod:clinic.patients]",
        legacy: true,
    },
];

/// Each routine as BigQuery's REST resource, without its reference.
pub fn routines() -> Vec<(&'static str, Value)> {
    vec![
        ("mask_tail", function(&[("x", "STRING")], "STRING", "CONCAT('***', RIGHT(x, 2))")),
        ("badge", function(&[("code", "STRING"), ("ward", "STRING")], "STRING", "CONCAT(`acme-prod.clinic.mask_tail`(code), '-', ward)")),
        ("ignore_second", function(&[("a", "STRING"), ("b", "STRING")], "STRING", "a")),
        (
            "ssn_of",
            function(&[("patient", "INT64")], "STRING", "(SELECT MAX(p.ssn) FROM `acme-prod.clinic.patients` AS p WHERE p.id = patient)"),
        ),
        (
            "pick",
            json!({
                "routineType": "SCALAR_FUNCTION",
                "language": "SQL",
                "arguments": [{ "name": "a", "argumentKind": "ANY_TYPE" }, { "name": "b", "argumentKind": "ANY_TYPE" }],
                "definitionBody": "IF(a IS NULL, b, a)",
            }),
        ),
        ("patients_of", patients_of()),
        ("list_ward", procedure(&[("wanted", "IN")], "SELECT p.id, p.email FROM `acme-prod.clinic.patients` AS p WHERE p.ward = wanted;")),
        (
            "find_ssn",
            procedure(
                &[("wanted", "IN"), ("found", "OUT")],
                "SET found = (SELECT MAX(p.ssn) FROM `acme-prod.clinic.patients` AS p WHERE p.ward = wanted);",
            ),
        ),
        ("tag", procedure(&[("text", "INOUT")], "SET text = CONCAT(text, '!');")),
        (
            "archive_visits",
            procedure(
                &[],
                "INSERT INTO `acme-prod.staging.raw_visits` (id, diagnosis)\n  \
                 SELECT v.id, v.diagnosis FROM `acme-prod.clinic.visits` AS v WHERE v.at < CURRENT_TIMESTAMP();",
            ),
        ),
        ("scramble", javascript()),
        ("score", remote()),
        ("train", spark()),
    ]
}

fn function(arguments: &[(&str, &str)], returns: &str, body: &str) -> Value {
    let argument = |(name, kind): &(&str, &str)| json!({ "name": name, "argumentKind": "FIXED_TYPE", "dataType": { "typeKind": kind } });
    json!({
        "routineType": "SCALAR_FUNCTION",
        "language": "SQL",
        "arguments": arguments.iter().map(argument).collect::<Vec<_>>(),
        "returnType": { "typeKind": returns },
        "definitionBody": body,
    })
}

/// All arguments of the clinic's procedures are strings.
fn procedure(arguments: &[(&str, &str)], statement: &str) -> Value {
    let argument = |(name, mode): &(&str, &str)| json!({ "name": name, "argumentKind": "FIXED_TYPE", "dataType": { "typeKind": "STRING" }, "mode": mode });
    let mut resource = json!({ "routineType": "PROCEDURE", "language": "SQL", "definitionBody": format!("BEGIN\n  {statement}\nEND") });
    if let (false, Some(fields)) = (arguments.is_empty(), resource.as_object_mut()) {
        fields.insert("arguments".to_owned(), arguments.iter().map(argument).collect());
    }
    resource
}

fn patients_of() -> Value {
    let column = |name: &str, kind: &str| json!({ "name": name, "type": { "typeKind": kind } });
    json!({
        "routineType": "TABLE_VALUED_FUNCTION",
        "language": "SQL",
        "arguments": [{ "name": "wanted", "argumentKind": "FIXED_TYPE", "dataType": { "typeKind": "STRING" } }],
        "returnTableType": { "columns": [column("id", "INT64"), column("name", "STRING"), column("code", "STRING")] },
        "definitionBody": "SELECT p.id, p.name, p.ssn AS code FROM `acme-prod.clinic.patients` AS p WHERE p.ward = wanted",
    })
}

fn javascript() -> Value {
    let mut resource = function(&[("x", "STRING")], "STRING", "return x.split('').reverse().join('');");
    if let Some(fields) = resource.as_object_mut() {
        fields.insert("language".to_owned(), json!("JAVASCRIPT"));
    }
    resource
}

fn remote() -> Value {
    json!({
        "routineType": "SCALAR_FUNCTION",
        "arguments": [{ "name": "x", "argumentKind": "FIXED_TYPE", "dataType": { "typeKind": "STRING" } }],
        "returnType": { "typeKind": "FLOAT64" },
        "remoteFunctionOptions": {
            "endpoint": "https://score.acme.example/v1",
            "connection": "projects/acme-prod/locations/us/connections/scoring",
            "maxBatchingRows": "50",
        },
    })
}

fn spark() -> Value {
    json!({
        "routineType": "PROCEDURE",
        "language": "PYTHON",
        "definitionBody": "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n\
            spark.read.format(\"bigquery\").load(\"acme-prod.clinic.patients\").show()\n",
        "sparkOptions": { "connection": "projects/acme-prod/locations/us/connections/spark", "runtimeVersion": "2.2" },
    })
}
