//! One engine for all tests of a file, and short ways to say what is in a catalog.

use sluice_googlesql::artefact::{Artefact, Place, Sources, install_if_missing};
use sluice_googlesql::{GoogleSql, Settings};
use sluice_model::Type;
use sluice_sql::engine::{Catalog, Column, Engine, Fault, Parameters, Question, Table, Target};
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

/// `name type, ...`
pub fn columns(text: &str) -> Vec<Column> {
    match Type::parse(&format!("STRUCT<{text}>")) {
        Ok(Type::Struct(fields)) => {
            let pseudo = |name: &str| name.starts_with("_TABLE_") || name.starts_with("_PARTITION");
            fields.into_iter().map(|field| Column { pseudo: pseudo(&field.name), name: field.name, kind: field.kind }).collect()
        }
        other => panic!("{text}: {other:?}"),
    }
}

pub fn table(path: &[&str], full_name: &str, text: &str) -> Table {
    let path = path.iter().map(|part| (*part).to_owned()).collect();
    Table { path, full_name: full_name.to_owned(), columns: columns(text), value_table: false }
}

pub const USERS: &str = "id INT64, name STRING, email STRING, ssn STRING, birth DATE, created TIMESTAMP, \
    addr STRUCT<street STRING, city STRING>, phones ARRAY<STRUCT<kind STRING, num STRING>>, tags ARRAY<STRING>, doc JSON, bal NUMERIC, \
    big BIGNUMERIC, loc GEOGRAPHY, active RANGE<DATE>, gap INTERVAL";
pub const ORDERS: &str = "id INT64, user_id INT64, amount NUMERIC, ts TIMESTAMP, items ARRAY<STRUCT<sku STRING, qty INT64>>, status STRING";

pub fn catalog() -> Catalog {
    Catalog {
        tables: vec![table(&["ds", "users"], "p.ds.users", USERS), table(&["ds", "orders"], "p.ds.orders", ORDERS)],
        ..Catalog::default()
    }
}

pub fn analyze(engine: &GoogleSql, text: &str, catalog: &Catalog) -> Result<Tree, Fault> {
    engine.analyze(&Question { text, target: Target::Statement, parameters: &Parameters::None, catalog })
}
