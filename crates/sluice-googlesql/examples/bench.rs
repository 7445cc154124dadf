//! Prints how long the engine takes: `cargo run -p sluice-googlesql --example bench`.

use sluice_googlesql::artefact::{Artefact, Place, Sources, install_if_missing};
use sluice_googlesql::evaluate::{Content, Datum, Evaluation, Row};
use sluice_googlesql::{GoogleSql, Settings};
use sluice_model::Type;
use sluice_sql::engine::{Catalog, Column, Engine, Parameters, Question, Table, Target};
use std::error::Error;
use std::time::Instant;

const ROUNDS: usize = 100;
const STATEMENT: &str = "SELECT id, UPPER(email) AS e FROM ds.users WHERE name = 'x' ORDER BY 1 LIMIT 10";

fn main() -> Result<(), Box<dyn Error>> {
    let place = Place::from_environment();
    install_if_missing(&Sources::from_environment(), &place)?;
    let start = Instant::now();
    let artefact = Artefact::load(&place)?;
    println!("artefact load           {:8.2} ms", milliseconds(start));
    let start = Instant::now();
    let engine = GoogleSql::start(&artefact, Settings::default())?;
    println!("engine start            {:8.2} ms", milliseconds(start));
    let failed = |fault| format!("{fault:?}");
    let analyze = |catalog: &Catalog| {
        engine.analyze(&Question { text: STATEMENT, target: Target::Statement, parameters: &Parameters::None, catalog }).map_err(failed)
    };
    let start = Instant::now();
    analyze(&catalog(0))?;
    println!("first statement         {:8.2} ms", milliseconds(start));
    report("new table set", |round| analyze(&catalog(round + 1)).map(drop))?;
    let warm = catalog(0);
    report("warm table set", |_| analyze(&warm).map(drop))?;
    report("parse", |_| engine.parse(STATEMENT).map(drop).map_err(failed))?;
    report("table names", |_| engine.table_names(STATEMENT).map(drop).map_err(failed))?;
    let rows: Vec<Row> = (0..2_000)
        .map(|number| vec![Datum::Int64(number), Datum::String(format!("name {}", number % 7)), Datum::Null, Datum::Null])
        .collect();
    let query = |version| {
        let contents = [Content { version, rows: &rows }];
        let text = "SELECT name, COUNT(*) FROM ds.users GROUP BY name";
        let evaluation = Evaluation { text, parameters: &[], catalog: &warm, constants: &[], contents: &contents };
        engine.query(&evaluation).map(drop).map_err(failed)
    };
    report("query, 2,000 new rows", |round| query(round as u64))?;
    report("query, 2,000 rows", |_| query(0))?;
    for (name, milliseconds) in engine.measure().map_err(failed)? {
        println!("{name:<24}{milliseconds:8.2} ms");
    }
    Ok(())
}

fn report(name: &str, mut round: impl FnMut(usize) -> Result<(), String>) -> Result<(), String> {
    let mut times = Vec::new();
    for number in 0..ROUNDS {
        let start = Instant::now();
        round(number)?;
        times.push(milliseconds(start));
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((ROUNDS - 1) as f64 * share) as usize).copied().unwrap_or_default();
    println!("{name:<24}{:8.2} ms p50, {:.2} ms p99", at(0.5), at(0.99));
    Ok(())
}

fn catalog(number: usize) -> Catalog {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind, pseudo: false };
    let columns = vec![
        column("id", Type::Int64),
        column("name", Type::String),
        column("email", Type::String),
        column(&format!("more_{number}"), Type::String),
    ];
    let path = vec!["ds".to_owned(), "users".to_owned()];
    Catalog { tables: vec![Table { path, full_name: "p.ds.users".to_owned(), columns, value_table: false }], ..Catalog::default() }
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
