//! BigQuery's own names, one by one: every example is resolved, every name of the reference is known, every view has its columns.

use sluice_model::{Analysis, TableName, UseKind};
use sluice_sql::Request;
use sluice_sql::builtin::{self, Qualifier};
use sluice_sql::catalog::Snapshot;
use sluice_sql::engine::Engine;
use sluice_testkit::ground;
use std::collections::{BTreeMap, BTreeSet};

const PROJECT: &str = "acme-prod";
const EXAMPLES_MIN: usize = 190;
const REFERENCE_MIN: usize = 480;

/// Examples that are held: how many, and the names in the reason. `refused` wants a fact that neither a model's resource nor the statement
/// tells; `unresolved` reads beyond its arguments.
const HELD: &str = "
2 refused: EXTERNAL_QUERY external
1 refused: GRAPH_EXPAND graph
1 refused: ML.ARIMA_COEFFICIENTS series
1 refused: ML.ARIMA_EVALUATE series
2 refused: ML.CONFUSION_MATRIX confusion
1 refused: ML.DETECT_ANOMALIES series
2 refused: ML.EVALUATE evaluated
3 refused: ML.EVALUATE series
2 refused: ML.EXPLAIN_FORECAST series
1 refused: ML.FEATURE_CROSS crossed
3 refused: ML.FORECAST series
3 refused: ML.GET_INSIGHTS metric
1 refused: ML.POLYNOMIAL_EXPAND expanded
3 refused: ML.PREDICT predicted
1 refused: ML.PROCESS_DOCUMENT processed
2 refused: ML.RECOMMEND predicted
1 refused: ML.TRANSFORM transformed
1 refused: ML.TRIAL_INFO hyperparameters
1 refused: ML.UNDERSTAND_TEXT understood
1 refused: ML.WEIGHTS classes
1 refused: VECTOR_INDEX.STATISTICS statistics
1 unresolved: AI.GENERATE_EMBEDDING
1 unresolved: ML.ADVANCED_WEIGHTS
1 unresolved: ML.ARIMA_COEFFICIENTS
1 unresolved: ML.CENTROIDS
3 unresolved: ML.DECODE_IMAGE
5 unresolved: ML.EVALUATE
1 unresolved: ML.FEATURE_IMPORTANCE
1 unresolved: ML.FEATURE_INFO
1 unresolved: ML.GENERATE_EMBEDDING
2 unresolved: ML.GLOBAL_EXPLAIN
1 unresolved: ML.HOLIDAY_INFO
1 unresolved: ML.PRINCIPAL_COMPONENTS
1 unresolved: ML.PRINCIPAL_COMPONENT_INFO
1 unresolved: ML.ROC_CURVE
2 unresolved: ML.TRAINING_INFO
2 unresolved: ML.WEIGHTS
2 unresolved: OBJ.FETCH_METADATA
2 unresolved: ST_REGIONSTATS
";

/// The reference's `syntax`: no names, so each is shown by a use of it.
const SYNTAX: [(&str, &str); 4] = [
    ("ARRAY", "SELECT ARRAY(SELECT 1)"),
    ("CAST", "SELECT CAST(1 AS STRING)"),
    ("EXTRACT", "SELECT EXTRACT(DAY FROM DATE '2026-01-01')"),
    ("SAFE_CAST", "SELECT SAFE_CAST('1' AS INT64)"),
];

#[test]
fn every_example_is_resolved_or_held_for_a_known_reason() {
    let snapshot = with_models();
    let statements = data("examples.txt");
    let statements: Vec<&str> = statements.lines().filter(|line| is_statement(line)).collect();
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for statement in &statements {
        let analysis = analyze(statement, &snapshot);
        let reasons = reasons(&analysis);
        // A query without columns would be resolved without anything being known of it.
        let columns = analysis.statements.iter().map(|statement| statement.outputs.len()).sum::<usize>();
        assert!(!reasons.is_empty() || columns > 0 || !statement.starts_with("SELECT"), "{statement}");
        reasons.into_iter().for_each(|reason| *held.entry(reason).or_default() += 1);
    }
    let expected: BTreeSet<String> = HELD.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let got: BTreeSet<String> = held.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let lines = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect::<Vec<_>>().join("\n");
    assert_eq!(got, expected, "\nnot expected:\n{}\nexpected:\n{}", lines(&got, &expected), lines(&expected, &got));
    assert!(statements.len() >= EXAMPLES_MIN, "only {} examples", statements.len());
}

#[test]
fn what_decides_the_columns_must_be_known() {
    let (known, unknown) = (with_models(), ground::clinic());
    let check = |snapshot: &Snapshot, text: &str, expect: &[&str]| assert_eq!(reasons(&analyze(text, snapshot)), expect, "{text}");
    let predict = "SELECT * FROM ML.PREDICT(MODEL `acme-prod.clinic.price`, TABLE `acme-prod.clinic.visits`)";
    check(&known, predict, &[]);
    check(&unknown, predict, &["refused: ML.PREDICT model_type"]);
    let latent = "SELECT * FROM ML.PREDICT(MODEL `acme-prod.clinic.noise`, TABLE `acme-prod.clinic.cards`)";
    check(&known, latent, &["refused: ML.PREDICT predicted"]);
    let weights = "SELECT * FROM ML.WEIGHTS(MODEL `acme-prod.clinic.price`)";
    check(&known, weights, &["unresolved: ML.WEIGHTS"]);
    check(&unknown, weights, &["refused: ML.WEIGHTS model_type"]);
    let piped = "FROM `acme-prod.clinic.visits` |> CALL ML.PREDICT(MODEL `acme-prod.clinic.price`) AS p |> SELECT *";
    check(&known, piped, &["refused: |> CALL ML.PREDICT ML.PREDICT"]);
    check(&known, &format!("SELECT 1 FROM ({piped})"), &["refused: |> CALL ML.PREDICT ML.PREDICT"]);
    let flattened = |flag: &str| {
        format!(
            "SELECT * FROM ML.GENERATE_TEXT(MODEL `acme-prod.clinic.gemini`, (SELECT name AS prompt FROM `acme-prod.clinic.patients`), \
             STRUCT({flag} AS flatten_json_output))"
        )
    };
    check(&known, &flattened("TRUE"), &[]);
    check(&known, &flattened("RAND() > 1"), &["refused: ML.GENERATE_TEXT flatten_json_output"]);
    check(&known, "SELECT AI.NO_SUCH(name) FROM `acme-prod.clinic.patients`", &["refused:"]);
}

/// A call of a table function, and whether what it reads decides its rows. What it computes with it can fail on in any case.
#[test]
fn what_a_table_function_reads_decides_its_rows() {
    let snapshot = with_models();
    let check = |call: &str, expect: bool| {
        let analysis = analyze(&format!("SELECT id FROM {call}"), &snapshot);
        let uses: Vec<UseKind> = analysis.statements.iter().flat_map(|statement| &statement.uses).map(|used| used.how).collect();
        assert_eq!((uses.contains(&UseKind::Filter), uses.contains(&UseKind::Error)), (expect, true), "{call}: {:?}", reasons(&analysis));
    };
    let source = "(SELECT id, ssn FROM `acme-prod.clinic.patients`)";
    check(&format!("ML.PREDICT(MODEL `acme-prod.clinic.price`, {source})"), false);
    check(&format!("ML.EXPLAIN_PREDICT(MODEL `acme-prod.clinic.price`, {source})"), true);
    check(&format!("AI.GENERATE_TEXT(MODEL `acme-prod.clinic.gemini`, {source})"), true);
    check(&format!("(SELECT base.id FROM VECTOR_SEARCH(({source}), 'ssn', query_value => '9'))"), true);
    check(&format!("(SELECT base.id FROM AI.SEARCH({source}, 'ssn', '9'))"), true);
}

#[test]
fn every_name_of_the_reference_is_known() {
    let (engine, table) = (ground::engine(), builtin::table());
    let reference = data("reference.txt");
    let names: BTreeSet<&str> = reference.lines().filter(|line| line.starts_with(' ')).flat_map(str::split_whitespace).collect();
    assert!(names.len() >= REFERENCE_MIN, "only {} names", names.len());
    let syntax: BTreeMap<&str, &str> = SYNTAX.into();
    let mut wrong = Vec::new();
    for name in &names {
        let bare = name.trim_end_matches('*');
        let ours = !table.entries(bare).is_empty();
        let resolved = syntax.get(bare).is_some_and(|text| reasons(&analyze(text, &Snapshot::default())).is_empty());
        let known = if *name == bare { engine.has_function(bare) || resolved } else { ours };
        if !known {
            wrong.push(bare);
        }
    }
    assert_eq!(wrong, Vec::<&str>::new(), "{} of {} names are not known", wrong.len(), names.len());
    assert!(!engine.has_function("NO_SUCH_FUNCTION") && table.entries("NO_SUCH_FUNCTION").is_empty());
}

#[test]
fn every_view_of_information_schema_has_its_columns() {
    let snapshot = ground::clinic();
    let (mut views, mut wrong) = (0, Vec::new());
    for (name, view) in builtin::table().views() {
        for (qualifier, prefix) in [(Qualifier::Dataset, "clinic."), (Qualifier::Project, ""), (Qualifier::Region, "`region-eu`.")] {
            // What stands there is a project, whatever it is called.
            if qualifier == Qualifier::Dataset && view.is_of_project() && !view.is_of_dataset() {
                continue;
            }
            let place = if name.starts_with("__") { name.to_owned() } else { format!("INFORMATION_SCHEMA.{name}") };
            let text = format!("SELECT * FROM {prefix}{place}");
            let analysis = analyze(&text, &snapshot);
            let expected: Vec<&str> = view.columns.iter().map(|column| column.name.as_str()).collect();
            let got: Vec<&str> =
                analysis.statements.iter().flat_map(|statement| &statement.outputs).map(|output| output.name.as_str()).collect();
            let dataset = prefix.trim_matches(['`', '.']);
            let table = TableName::new(PROJECT, dataset, &place);
            let read = analysis.statements.iter().flat_map(|statement| &statement.reads).any(|read| read.table == table);
            let resolved = reasons(&analysis).is_empty() && got == expected && read;
            // A view that does not stand there is nobody's, and not another one's.
            let refused = analysis.refused.is_some();
            views += usize::from(resolved);
            if if view.qualifiers.contains(&qualifier) { !resolved } else { !refused } {
                wrong.push(format!("{text}: {:?}, columns {got:?}", reasons(&analysis)));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(views > 80, "only {views} views");
    // However it is quoted, a project may stand before what projects have, and nothing else may.
    for place in
        ["`acme-prod`.INFORMATION_SCHEMA.SCHEMATA", "`acme-prod.INFORMATION_SCHEMA.SCHEMATA`", "`acme-prod.INFORMATION_SCHEMA`.SCHEMATA"]
    {
        let analysis = analyze(&format!("SELECT COUNT(*) FROM {place}"), &snapshot);
        let reads: Vec<&TableName> = analysis.statements.iter().flat_map(|statement| &statement.reads).map(|read| &read.table).collect();
        assert_eq!(reads, [&TableName::new(PROJECT, "", "INFORMATION_SCHEMA.SCHEMATA")], "{place}: {:?}", reasons(&analysis));
    }
    let other = analyze("SELECT * FROM clinic.INFORMATION_SCHEMA.SCHEMATA", &snapshot);
    let reads: Vec<&TableName> = other.statements.iter().flat_map(|statement| &statement.reads).map(|read| &read.table).collect();
    assert_eq!(reads, [&TableName::new("clinic", "", "INFORMATION_SCHEMA.SCHEMATA")], "a project of that name");
    assert!(analyze("SELECT * FROM `acme-prod`.clinic.INFORMATION_SCHEMA.SCHEMATA", &snapshot).refused.is_some());
    assert!(analyze("SELECT * FROM clinic.INFORMATION_SCHEMA.NO_SUCH_VIEW", &snapshot).refused.is_some());
    assert!(analyze("SELECT * FROM clinic.INFORMATION_SCHEMA.__TABLES__", &snapshot).refused.is_some());
}

fn data(file: &str) -> String {
    std::fs::read_to_string(ground::root().join("crates/sluice-sql/data").join(file)).unwrap()
}

fn is_statement(line: &str) -> bool {
    !line.trim().is_empty() && !["#", "given ", "model "].iter().any(|head| line.starts_with(head))
}

/// The clinic and the models of the examples, as `models.get` would describe them: their type and their label.
fn with_models() -> Snapshot {
    let mut snapshot = ground::clinic();
    for line in data("examples.txt").lines().filter_map(|line| line.strip_prefix("model ")) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = TableName::parse(parts[0]).unwrap();
        let label = parts[2].split(';').find_map(|fact| fact.trim().strip_prefix("label: predicted_")).map(|label| {
            let (name, kind) = label.split_once(' ').unwrap();
            serde_json::json!({"name": name, "type": {"typeKind": kind}})
        });
        let remote = (parts[1] == "REMOTE").then(|| serde_json::json!({"endpoint": "gemini-2.5-flash"}));
        let resource = serde_json::json!({
            "modelReference": {"projectId": name.project, "datasetId": name.dataset, "modelId": name.table},
            "modelType": parts[1], "labelColumns": label.into_iter().collect::<Vec<_>>(), "remoteModelInfo": remote, "etag": "1",
        });
        sluice_wire::add(&resource, &mut snapshot).unwrap();
    }
    assert!(snapshot.models.len() >= 15);
    snapshot
}

fn analyze(text: &str, snapshot: &Snapshot) -> Analysis {
    let request = Request { text: text.to_owned(), project: PROJECT.to_owned(), ..Request::default() };
    sluice_sql::analyze(ground::engine(), &request, snapshot)
}

/// Why a statement would be held, by the names in the reason. Nothing: it is understood.
fn reasons(analysis: &Analysis) -> Vec<String> {
    let names = |text: &str| text.split('`').skip(1).step_by(2).map(|name| format!(" {name}")).collect::<String>();
    let refused = analysis.refused.iter().map(|refused| format!("refused:{}", names(&refused.reason)));
    let unresolved = analysis.statements.iter().flat_map(|statement| &statement.unresolved);
    refused.chain(unresolved.map(|unresolved| format!("unresolved:{}", names(&unresolved.what)))).collect()
}
