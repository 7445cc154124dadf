//! One engine for all tests of a file, and short ways to say what is in a catalog.

use sluice_googlesql::artefact::{Artefact, Place, Sources, install_if_missing};
use sluice_googlesql::{GoogleSql, Settings};
use sluice_model::Type;
use sluice_sql::engine::*;
use sluice_sql::tree::Tree;
use std::sync::OnceLock;

pub fn artefact() -> &'static Artefact {
    static ARTEFACT: OnceLock<Artefact> = OnceLock::new();
    ARTEFACT.get_or_init(|| {
        let place = Place::from_environment();
        install_if_missing(&Sources::from_environment(), &place).unwrap_or_else(|fault| panic!("{fault}"));
        Artefact::load(&place).unwrap_or_else(|fault| panic!("{fault}"))
    })
}

pub fn start(settings: Settings) -> GoogleSql {
    GoogleSql::start(artefact(), settings).unwrap_or_else(|fault| panic!("{fault}"))
}

pub fn engine() -> &'static GoogleSql {
    static ENGINE: OnceLock<GoogleSql> = OnceLock::new();
    ENGINE.get_or_init(|| start(Settings::default()))
}

pub fn analyze(engine: &GoogleSql, text: &str, catalog: &Catalog) -> Result<Tree, Fault> {
    engine.analyze(&Question { text, target: Target::Statement, parameters: &Parameters::None, catalog })
}

pub const USERS: &str = "id INT64, name STRING, email STRING, ssn STRING, birth DATE, created TIMESTAMP, \
    addr STRUCT<street STRING, city STRING>, phones ARRAY<STRUCT<kind STRING, num STRING>>, tags ARRAY<STRING>, doc JSON, bal NUMERIC, \
    big BIGNUMERIC, loc GEOGRAPHY, active RANGE<DATE>, gap INTERVAL";
pub const ORDERS: &str = "id INT64, user_id INT64, amount NUMERIC, ts TIMESTAMP, items ARRAY<STRUCT<sku STRING, qty INT64>>, status STRING";

pub fn catalog() -> Catalog {
    Catalog { tables: vec![table("ds/users", "p.ds.users", USERS), table("ds/orders", "p.ds.orders", ORDERS)], ..Catalog::default() }
}

/// A catalog with one thing of each kind.
pub fn full_catalog() -> Catalog {
    use ArgumentKind::{Any1, Arbitrary, Fixed, Model as AnyModel, Relation};
    let fixed = |text: &str| Fixed(kind(text));
    let mut catalog = catalog();
    catalog.tables.push(table("p.ds.events_*", "p.ds.events_*", "event STRING, _TABLE_SUFFIX STRING"));
    catalog.connections.push(path("p.us.c"));
    catalog
        .constants
        .push(Constant { path: path("x"), kind: kind("STRUCT<a INT64, b ARRAY<RANGE<DATE>>, c NUMERIC, d INTERVAL, e JSON>") });
    catalog.system_variables.push(Constant { path: path("dataset_id"), kind: Type::String });
    catalog.models.push(Model { path: path("ds/m"), inputs: columns("id INT64"), outputs: columns("predicted FLOAT64") });
    catalog.procedures.push(Procedure { path: path("ds/p"), arguments: vec![required(fixed("INT64"))] });
    let generated = fixed("STRUCT<result STRING, status STRING>");
    catalog.functions = vec![
        function(
            "SEARCH",
            Mode::Scalar,
            vec![required(Arbitrary), required(fixed("STRING")), named("analyzer", fixed("STRING"))],
            fixed("BOOL"),
        ),
        function("AI/GENERATE", Mode::Scalar, vec![required(Arbitrary), named("connection_id", fixed("STRING"))], generated),
        function("IDENT", Mode::Scalar, vec![required(Any1)], Any1),
        function("ANYF", Mode::Scalar, vec![Argument { cardinality: Cardinality::Repeated, ..required(Arbitrary) }], fixed("STRING")),
        function("myagg", Mode::Aggregate, vec![required(Arbitrary)], fixed("INT64")),
    ];
    let body =
        |names: &[&str], text: &str| Body { argument_names: names.iter().map(|name| (*name).to_owned()).collect(), text: text.to_owned() };
    let mut mask = function("mymask", Mode::Scalar, vec![required(Arbitrary), required(Arbitrary)], Arbitrary);
    mask.body = Some(body(&["x", "y"], "CONCAT(SUBSTR(x, 1, 2), (SELECT MAX(email) FROM ds.users), y)"));
    catalog.functions.push(mask);
    let table_function = |at: &str, arguments: Vec<ArgumentKind>, result| TableFunction {
        path: path(at),
        arguments: arguments.into_iter().map(required).collect(),
        result,
    };
    catalog.table_functions = vec![
        table_function("mytvf", vec![fixed("INT64")], TableResult::Query(body(&["x"], "SELECT email, id AS z FROM ds.users WHERE id = x"))),
        table_function("EXTERNAL_QUERY", vec![fixed("STRING"), fixed("STRING")], TableResult::Columns(columns("c1 STRING, c2 INT64"))),
        table_function("APPENDS", vec![Relation, fixed("TIMESTAMP"), fixed("TIMESTAMP")], TableResult::SameAsInput(Vec::new())),
        table_function("MORE", vec![Relation], TableResult::SameAsInput(columns("more STRING"))),
        table_function("ML/PREDICT", vec![AnyModel, Relation], TableResult::Columns(columns("predicted FLOAT64, id INT64"))),
    ];
    catalog
}

/// Parts are separated by slashes, since a part may hold dots.
pub fn path(text: &str) -> Vec<String> {
    text.split('/').map(str::to_owned).collect()
}

pub fn kind(text: &str) -> Type {
    Type::parse(text).unwrap_or_else(|fault| panic!("{fault}"))
}

pub fn table(at: &str, full_name: &str, text: &str) -> Table {
    Table { path: path(at), full_name: full_name.to_owned(), columns: columns(text), value_table: false }
}

/// `name type, ...`
pub fn columns(text: &str) -> Vec<Column> {
    let Type::Struct(fields) = kind(&format!("STRUCT<{text}>")) else { panic!("{text}") };
    let pseudo = |name: &str| name.starts_with("_TABLE_") || name.starts_with("_PARTITION");
    fields.into_iter().map(|field| Column { pseudo: pseudo(&field.name), name: field.name, kind: field.kind }).collect()
}

pub fn required(kind: ArgumentKind) -> Argument {
    Argument { kind, cardinality: Cardinality::Required, name: None, named_only: false, not_aggregate: false }
}

pub fn named(name: &str, kind: ArgumentKind) -> Argument {
    Argument { kind, cardinality: Cardinality::Optional, name: Some(name.to_owned()), named_only: true, not_aggregate: false }
}

pub fn function(at: &str, mode: Mode, arguments: Vec<Argument>, result: ArgumentKind) -> Function {
    Function { path: path(at), mode, signatures: vec![Signature { arguments, result }], body: None }
}
