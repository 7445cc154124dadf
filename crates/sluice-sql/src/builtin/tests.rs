use super::lines::entries;
use super::*;
use crate::engine::{ArgumentKind, Cardinality, Column, Mode};
use sluice_model::{COLUMNS_OF_TEXTS, Type};
use std::collections::BTreeSet;

const EXAMPLES: &str = include_str!("../../data/examples.txt");
const REFERENCE: &str = include_str!("../../data/reference.txt");

#[test]
fn every_line_is_read() {
    assert_eq!(table().errors, Vec::<String>::new());
    assert!(table().paths().count() > 100);
    assert!(table().views().count() > 80);
}

#[test]
fn what_the_engine_lacks_is_in_the_table() {
    let reference: Vec<String> = entries(REFERENCE).iter().flat_map(|family| split_words(&family.rest)).collect();
    let distinct: BTreeSet<&String> = reference.iter().collect();
    let starred: BTreeSet<String> = reference.iter().filter_map(|name| name.strip_suffix('*')).map(str::to_owned).collect();
    let ours: BTreeSet<String> = table().paths().filter(|path| !path.starts_with('$')).map(str::to_owned).collect();
    assert!(distinct.len() > 480);
    assert_eq!(starred.difference(&ours).collect::<Vec<_>>(), Vec::<&String>::new(), "missing in functions.txt");
    assert_eq!(ours.difference(&starred).collect::<Vec<_>>(), Vec::<&String>::new(), "missing in reference.txt");
}

#[test]
fn every_path_has_an_example() {
    let examples = EXAMPLES.to_uppercase();
    let without: Vec<&str> = table().paths().filter(|path| !path.starts_with('$') && !examples.contains(&format!("{path}("))).collect();
    assert_eq!(without, Vec::<&str>::new());
    let variables = table().variables().iter().map(|variable| format!("@@{}", variable.constant.path.join(".")));
    assert_eq!(variables.filter(|name| !EXAMPLES.contains(name.as_str())).collect::<Vec<_>>(), Vec::<String>::new());
}

fn split_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn broken_lines_are_left_out_and_told() {
    let check = |line: &str, expect: &str| {
        let broken = Table::read(&table::Texts { functions: line, information_schema: "", names: "", preserve: "", total: "" });
        assert_eq!(broken.errors, [format!("functions.txt line 1: {expect}")], "{line}");
        assert_eq!(broken.paths().count(), 0, "{line}");
    };
    check("scalar F(STRIN a) -> BOOL | all |", "`STRIN` is not a BigQuery type");
    check("scalar F(STRING a) -> BOOL | some |", "`some` is not a flow");
    check("scalar F(STRING a) -> BOOL | keeps b |", "`keeps b` is not a flow");
    check("table F(TABLE a) -> b BOOL | each reads c |", "`each reads c` is not a flow");
    check("scalar F(STRING a) -> BOOL | all | nice", "`nice` is not a mark");
    check("scalar F(STRING a) -> BOOL | all", "`-> BOOL | all` is not `-> result | flow | marks`");
    check("scalar F([STRING a], STRING b) -> BOOL | all |", "`b` must stand before the optional arguments");
    check("scalar F(STRING) -> BOOL | all |", "`STRING` has no name");
    check("table F(TABLE a) -> {rows a} | all |", "`{rows a}` is not a placeholder");
    check("table F(TABLE a) if b -> c BOOL | all |", "`if b` is not `when ...`");
    check("function F() -> BOOL | all |", "no `=`");
}

#[test]
fn functions_are_given_as_the_engine_takes_them() {
    let search = table().function("search").unwrap();
    assert_eq!((search.path, search.mode), (vec!["search".to_owned()], Mode::Scalar));
    let [signature] = search.signatures.as_slice() else { panic!("{:?}", search.signatures) };
    assert_eq!(signature.result, ArgumentKind::Fixed(Type::Bool));
    let arguments: Vec<_> =
        signature.arguments.iter().map(|argument| (argument.name.as_deref(), argument.cardinality, argument.named_only)).collect();
    assert_eq!(
        arguments,
        [
            (Some("data"), Cardinality::Required, false),
            (Some("query"), Cardinality::Required, false),
            (Some("json_scope"), Cardinality::Optional, true),
            (Some("analyzer"), Cardinality::Optional, true),
            (Some("analyzer_options"), Cardinality::Optional, true),
        ]
    );
    assert_eq!(table().function("AI.AGG").map(|function| function.mode), Some(Mode::Aggregate));
    assert_eq!(table().function("ml.min_max_scaler").map(|function| function.mode), Some(Mode::Analytic));
    assert_eq!(table().function("OBJ.MAKE_REF").map(|function| function.signatures.len()), Some(3));
    assert_eq!(table().function("ML.PREDICT"), None);
    assert_eq!(table().function("NO_SUCH_FUNCTION"), None);
    let (cancel, entry) = table().procedure("bq.jobs.cancel").unwrap();
    assert_eq!((cancel.arguments.len(), entry.is(Mark::Administration)), (1, true));
    assert_eq!(table().engine_marks("SESSION_USER"), [Mark::Caller]);
}

fn given<'a>(shape: Shape, text: &'a str, literal: Literal) -> Given<'a> {
    Given { name: None, shape, text, literal }
}

fn named<'a>(name: &'a str, text: &'a str, literal: Literal) -> Given<'a> {
    Given { name: Some(name), shape: Shape::Value, text, literal }
}

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

fn texts(texts: &[&str]) -> Literal {
    Literal::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn expand(path: &str, arguments: Vec<Given<'_>>, facts: Facts) -> Result<String, Unfit> {
    let call = Call { arguments, facts };
    table().choose(path, &call).and_then(|entry| entry.expand(&call)).map(|text| text.replace('\n', " "))
}

fn model(model_type: &str, columns: Vec<(&str, Vec<Column>)>) -> Facts {
    Facts {
        columns: columns.into_iter().map(|(name, columns)| (name.to_owned(), columns)).collect(),
        settings: vec![("model_type".to_owned(), model_type.to_owned())],
    }
}

fn column(name: &str, kind: Type) -> Column {
    Column { name: name.to_owned(), kind, pseudo: false }
}

#[test]
fn table_functions_become_subqueries() {
    let source = || given(Shape::Table, "`p.d.t`", Literal::Unknown);
    let check = |expanded: Result<String, Unfit>, expect: &str| assert_eq!(expanded.as_deref(), Ok(expect));
    check(
        expand("appends", vec![source(), given(Shape::Value, "NULL", Literal::Unknown)], Facts::default()),
        "(WITH `:source` AS (SELECT * FROM `p.d.t` ) SELECT `:source`.*, CAST(NULL AS STRING) AS `_CHANGE_TYPE`, \
         CURRENT_TIMESTAMP() AS `_CHANGE_TIMESTAMP` FROM `:source` WHERE `$rows`(NULL ))",
    );
    check(
        expand(
            "GAP_FILL",
            vec![
                given(Shape::Query, "(SELECT 1 AS day)", Literal::Unknown),
                named("ts_column", "'day'", text("day")),
                named("bucket_width", "INTERVAL 1 DAY", Literal::Unknown),
                named("partitioning_columns", "['a', 'b c']", texts(&["a", "b c"])),
            ],
            Facts::default(),
        ),
        "(WITH `:source` AS (SELECT 1 AS day)  SELECT `$flow`(`:source`.`day`, `:source`.`day`) AS `day`, `:source`.`a`, `:source`.`b c` FROM `:source` \
         WHERE `$rows`(`:source`, 'day' , INTERVAL 1 DAY , ['a', 'b c'] ))",
    );
    check(
        expand("VECTOR_SEARCH", vec![source(), given(Shape::Value, "'v'", text("v")), source()], Facts::default()),
        "(WITH `:source` AS (SELECT * FROM `p.d.t` ), `:queries` AS (SELECT * FROM `p.d.t` ) SELECT `:queries` AS `query`, `:source` AS `base`, \
         `$flow`(CAST(NULL AS FLOAT64), `:source`.`v`, 'v' , `:queries`) AS `distance` FROM `:source` CROSS JOIN `:queries` \
         WHERE `$rows`(`:source`.`v`, 'v' , `:queries`))",
    );
    check(
        expand(
            "RANGE_SESSIONIZE",
            vec![source(), given(Shape::Value, "'life'", text("life")), given(Shape::Value, "['id']", texts(&["id"]))],
            Facts::default(),
        ),
        "(WITH `:source` AS (SELECT * FROM `p.d.t` ) SELECT `:source`.*, \
         `$flow`(`:source`.`life`, `:source`.`life`, `:source`.`id`, 'life' , ['id'] ) AS `session_range` FROM `:source` \
         WHERE `$rows`(`:source`.`life`, `:source`.`id`, 'life' , ['id'] ))",
    );
    check(
        expand("ML.ENTITY_FEATURES_AT_TIME", vec![source(), source()], Facts::default()),
        "(WITH `:source` AS (SELECT * FROM `p.d.t` ), `:entities` AS (SELECT * FROM `p.d.t` ) SELECT `:source`.* REPLACE \
         (`$flow`(`:source`.feature_timestamp, `:entities`) AS feature_timestamp) FROM `:source` CROSS JOIN `:entities` WHERE `$rows`(`:source`, `:entities`))",
    );
    check(
        expand(
            "ML.PREDICT",
            vec![given(Shape::Model, "d.m", Literal::Unknown), source()],
            model("LINEAR_REGRESSION", vec![("predicted", vec![column("predicted_cost", Type::Float64)])]),
        ),
        "(WITH `:source` AS (SELECT * FROM `p.d.t` ) SELECT `$risk`(CAST(NULL AS FLOAT64), `:source`) AS `predicted_cost`, `:source`.* FROM `:source`)",
    );
    check(
        expand("ML.EVALUATE", vec![given(Shape::Model, "d.m", Literal::Unknown)], model("PCA", Vec::new())),
        "(SELECT CAST(NULL AS FLOAT64) AS `total_explained_variance_ratio`)",
    );
    check(
        expand(
            "ML.EVALUATE",
            vec![given(Shape::Model, "d.m", Literal::Unknown), given(Shape::Value, "s", Literal::Fields(Vec::new()))],
            model("PCA", Vec::new()),
        ),
        "(SELECT `$flow`(CAST(NULL AS FLOAT64), s ) AS `total_explained_variance_ratio` FROM (SELECT 1) WHERE `$rows`(s ))",
    );
}

#[test]
fn the_entry_follows_the_literals_of_the_call() {
    let call = |flatten: Literal| {
        let settings = Literal::Fields(vec![("flatten_json_output".to_owned(), flatten)]);
        let arguments = vec![
            given(Shape::Model, "d.m", Literal::Unknown),
            given(Shape::Table, "d.t", Literal::Unknown),
            given(Shape::Value, "STRUCT(TRUE AS flatten_json_output)", settings),
        ];
        expand("ML.GENERATE_TEXT", arguments, Facts::default())
    };
    assert!(call(text("true")).unwrap().contains("`ml_generate_text_llm_result`"));
    assert!(call(text("FALSE")).unwrap().contains("`ml_generate_text_result`"));
    assert_eq!(call(Literal::Unknown), Err(Unfit::Computed { setting: "flatten_json_output".to_owned() }));
}

#[test]
fn what_cannot_be_opened_is_refused() {
    let check = |expanded: Result<String, Unfit>, expect: &str| assert_eq!(expanded.unwrap_err().to_string(), expect);
    let forecast = |id: Literal| {
        let arguments = vec![
            given(Shape::Table, "d.t", Literal::Unknown),
            named("data_col", "'c'", text("c")),
            named("timestamp_col", "'t'", text("t")),
            named("id_cols", "x", id),
        ];
        expand("AI.FORECAST", arguments, Facts::default())
    };
    check(forecast(Literal::Unknown), "`id_cols` decides the columns and must be a literal");
    check(forecast(texts(&["a`, ssn AS `b"])), "`a`, ssn AS `b` is not a column name");
    check(forecast(texts(&["a\\"])), "`a\\` is not a column name");
    check(
        expand("AI.FORECAST", vec![given(Shape::Table, "d.t", Literal::Unknown)], Facts::default()),
        "no signature of `AI.FORECAST` takes these arguments",
    );
    check(expand("NO.SUCH", Vec::new(), Facts::default()), "no signature of `NO.SUCH` takes these arguments");
    let weights = || vec![given(Shape::Model, "d.m", Literal::Unknown)];
    check(
        expand("ML.WEIGHTS", weights(), Facts::default()),
        "`model_type` decides the columns and is not known here; accepted: calls whose columns follow from their text and the model's description",
    );
    check(expand("ML.WEIGHTS", weights(), model("KMEANS", Vec::new())), "no signature of `ML.WEIGHTS` takes these arguments");
    check(
        expand("GRAPH_EXPAND", vec![given(Shape::Value, "'g'", text("g"))], Facts::default()),
        "`graph` decides the columns and is not known here; accepted: calls whose columns follow from their text and the model's description",
    );
    let generate = |schema: &str| {
        let settings = Literal::Fields(vec![("output_schema".to_owned(), text(schema))]);
        let arguments = vec![
            given(Shape::Model, "d.m", Literal::Unknown),
            given(Shape::Table, "d.t", Literal::Unknown),
            given(Shape::Value, "STRUCT('..' AS output_schema)", settings),
        ];
        expand("AI.GENERATE_TABLE", arguments, Facts::default())
    };
    assert!(generate("a STRUCT<b INT64>, c STRING OPTIONS (description = 'x, y')").unwrap().contains("AS `c`"));
    check(generate("a STRUCT<`b\\` INT64>"), "`b\\` is not a column name");
    check(generate("a WHATEVER"), "`a WHATEVER` is not a list of columns");
}

#[test]
fn a_function_of_one_call_has_the_type_that_its_text_asks_for() {
    let check = |schema: &str, expect: Result<&str, &str>| {
        let arguments = vec![given(Shape::Value, "p", Literal::Unknown), named("output_schema", "'..'", text(schema))];
        let call = Call { arguments, facts: Facts::default() };
        let function = table().choose("AI.GENERATE", &call).and_then(|entry| entry.function(&call, &["one".to_owned()]));
        let result = function.map(|function| match function.signatures.into_iter().next().map(|signature| signature.result) {
            Some(ArgumentKind::Fixed(kind)) => kind.to_string(),
            other => format!("{other:?}"),
        });
        assert_eq!(result.map_err(|unfit| unfit.to_string()), expect.map(str::to_owned).map_err(str::to_owned));
    };
    check("age INT64, names ARRAY<STRING>", Ok("STRUCT<age INT64, names ARRAY<STRING>, full_response JSON, status STRING>"));
    check("age", Err("`age` is not a list of columns"));
    check("`a\\` INT64", Err("`a\\` is not a column name"));
}

#[test]
fn predictions_are_told_by_the_model() {
    let check = |model_type: &str, labels: &[Column], expect: Option<&str>| {
        let columns = table().predicted(model_type, labels);
        let text =
            columns.map(|columns| columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect::<Vec<_>>().join(", "));
        assert_eq!(text.as_deref(), expect);
    };
    check("linear_regression", &[column("cost", Type::Numeric)], Some("predicted_cost FLOAT64"));
    check(
        "LOGISTIC_REGRESSION",
        &[column("ward", Type::String)],
        Some("predicted_ward STRING, predicted_ward_probs ARRAY<STRUCT<label STRING, prob FLOAT64>>"),
    );
    check("KMEANS", &[], Some("CENTROID_ID INT64, NEAREST_CENTROIDS_DISTANCE ARRAY<STRUCT<CENTROID_ID INT64, DISTANCE FLOAT64>>"));
    check("PCA", &[], None);
}

#[test]
fn views_carry_columns_and_flags() {
    let jobs = table().view("information_schema.jobs").unwrap();
    assert_eq!(
        (jobs.qualifiers.as_slice(), jobs.flags.as_slice()),
        ([Qualifier::Region].as_slice(), [Flag::ShowsSql, Flag::ShowsOthers].as_slice())
    );
    assert!(jobs.columns.iter().any(|column| column.name == "query" && column.kind == Type::String));
    assert_eq!(table().view("INFORMATION_SCHEMA.JOBS_BY_PROJECT"), Some(jobs));
    assert!(table().view("INFORMATION_SCHEMA.JOBS_BY_ORGANIZATION").unwrap().columns.iter().all(|column| column.name != "query"));
    assert_eq!(table().view("INFORMATION_SCHEMA.SESSIONS_BY_USER").map(|view| view.flags.as_slice()), Some([Flag::ByCaller].as_slice()));
    let by_user: Vec<&str> = table()
        .views()
        .filter(|(name, view)| name.ends_with("_BY_USER") && !view.flags.contains(&Flag::ByCaller))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(by_user, Vec::<&str>::new());
    let texts = ["ddl", "query", "routine_definition", "view_definition", "column_default", "parameter_default"];
    let silent: Vec<&str> = table()
        .views()
        .filter(|(_, view)| {
            view.columns.iter().any(|column| texts.contains(&column.name.as_str())) && !view.flags.contains(&Flag::ShowsSql)
        })
        .map(|(name, _)| name)
        .collect();
    assert_eq!(silent, Vec::<&str>::new());
    let unnamed: Vec<&str> = table()
        .views()
        .filter(|(_, view)| !view.sql.is_empty())
        .filter(|(_, view)| view.columns.iter().any(|column| texts.contains(&column.name.as_str()) && !view.sql.contains(&column.name)))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(unnamed, Vec::<&str>::new());
    let sql = |view: &str| table().view(&format!("INFORMATION_SCHEMA.{view}")).map(|view| view.sql.clone()).unwrap_or_default();
    assert_eq!(sql("COLUMNS"), ["generation_expression", "async_generation_status", "column_default"]);
    assert_eq!((sql("VIEWS"), sql("JOBS")), (vec!["view_definition".to_owned()], Vec::new()));
    assert_eq!(table().view("INFORMATION_SCHEMA.NO_SUCH_VIEW"), None);
    // Refusals name those columns.
    let named: Vec<(&str, Vec<&str>)> = table()
        .views()
        .filter(|(_, view)| !view.sql.is_empty())
        .map(|(name, view)| (name, view.sql.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(named, COLUMNS_OF_TEXTS.map(|(name, columns)| (name, columns.to_vec())));
}

#[test]
fn arguments_come_through_by_position() {
    let check = |name: &str, count: usize, expect: &[usize]| {
        let kept: Vec<usize> = (0..count).filter(|position| table().kept(name).is_some_and(|kept| kept.keeps(*position, count))).collect();
        assert_eq!(kept, expect, "{name} of {count}");
    };
    check("COALESCE", 3, &[0, 1, 2]);
    check("if", 3, &[1, 2]);
    check("nullif", 2, &[]);
    check("max", 1, &[]);
    check("greatest", 2, &[]);
    check("lag", 3, &[0, 2]);
    // WHEN a THEN b WHEN c THEN d, and with ELSE e.
    check("$case_no_value", 4, &[1, 3]);
    check("$case_no_value", 5, &[1, 3, 4]);
    // CASE x WHEN a THEN b, and with ELSE c.
    check("$case_with_value", 3, &[2]);
    check("$case_with_value", 4, &[2, 3]);
    check("concat", 2, &[]);
}

#[test]
fn failures_are_told_by_position() {
    assert_eq!(table().failing("UPPER"), Some(&Failing::Never));
    assert_eq!(table().failing("regexp_contains"), Some(&Failing::Unless(vec![(Place::At(1), Demand::Regex)])));
    assert_eq!(table().failing("$like_any"), Some(&Failing::Unless(vec![(Place::From(1), Demand::Like)])));
    assert_eq!(table().failing("json_object"), Some(&Failing::Unless(vec![(Place::EachSecond(0), Demand::Text)])));
    let takes = |place: Place| (0..5).filter(|position| place.takes(*position)).collect::<Vec<_>>();
    assert_eq!((takes(Place::At(1)), takes(Place::From(3)), takes(Place::EachSecond(1))), (vec![1], vec![3, 4], vec![1, 3]));
    for broken in ["1", "a=text", "0=text", "1=nice", "1..+3=text"] {
        assert!(Failing::read(broken).is_err(), "{broken}");
    }
    for fails in ["$add", "$divide", "sum", "error", "parse_date", "$array_at_offset", "abs", "int64"] {
        assert_eq!(table().failing(fails), None, "{fails}");
    }
}
