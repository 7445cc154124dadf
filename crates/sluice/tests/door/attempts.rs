//! The statements of the evasion suite: combinations of what stands in `data/evasion/`, statements by hand, and those of the test kit.

use serde_json::{Map, Value};
use sluice_testkit::cases;

const COLUMNS: &str = include_str!("data/evasion/columns.txt");
const PREDICATES: &str = include_str!("data/evasion/predicates.txt");
const SHAPES: &str = include_str!("data/evasion/shapes.txt");
const STATEMENTS: &str = include_str!("data/evasion/statements.txt");
const TRANSFORMATIONS: &str = include_str!("data/evasion/transformations.txt");
/// Cases of the test kit that are about evasion. Their statements are run, what they expect is another test's.
const CASES: [&str; 3] = ["evasion", "smuggling", "traps"];
const CASES_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sluice-testkit/cases");
/// Of all combinations of a shape and a transformation one in so many is taken; the bare value meets every shape.
const COMBINATION_STEP: usize = 4;

#[derive(Clone, Debug)]
pub struct Attempt {
    pub name: String,
    pub statement: String,
    /// Of the request beside the statement.
    pub fields: Map<String, Value>,
}

/// A predicate that must be refused, with the words that the refusal must hold.
pub struct Predicate {
    pub column: &'static str,
    pub clause: &'static str,
    pub statement: &'static str,
}

/// A transformation in a shape over a column, each column by turns.
pub fn combined() -> Vec<Attempt> {
    let (columns, shapes, transformations) = (parts::<4>(COLUMNS), parts::<2>(SHAPES), parts::<2>(TRANSFORMATIONS));
    let mut found: Vec<Attempt> = Vec::new();
    for (row, [takes, shape]) in shapes.iter().enumerate() {
        for (place, [gives, transformation]) in transformations.iter().enumerate() {
            let is_bare = *transformation == "{x}";
            let fits = *takes == "any" || *gives == "scalar";
            if fits && (is_bare || (row + place).is_multiple_of(COMBINATION_STEP)) {
                let [name, from, key, value] = columns[found.len() % columns.len()];
                let statement = shape.replace("{e}", &transformation.replace("{x}", value)).replace("{from}", from).replace("{id}", key);
                let name = format!("{name}, {transformation}, shape {row}");
                found.push(Attempt { name, statement, fields: Map::new() });
            }
        }
    }
    let bare = columns.iter().map(|[name, from, key, value]| Attempt {
        name: format!("{name}, bare"),
        statement: format!("SELECT p.{key}, {value} AS bare FROM {from} AS p ORDER BY p.{key}"),
        fields: Map::new(),
    });
    found.extend(bare);
    found
}

pub fn by_hand() -> Vec<Attempt> {
    let blocks = STATEMENTS.split("\n=== ").skip(1);
    blocks
        .map(|block| {
            let (name, rest) = block.split_once('\n').unwrap();
            let (statement, fields) = rest.split_once("\n---\n").unwrap_or((rest, "{}"));
            let fields = serde_json::from_str(fields).unwrap_or_else(|error| panic!("{name}: {error}"));
            Attempt { name: name.to_owned(), statement: statement.trim().to_owned(), fields }
        })
        .collect()
}

pub fn of_cases() -> Vec<Attempt> {
    let read = |file: &str| {
        let text = std::fs::read_to_string(format!("{CASES_FOLDER}/{file}.txt")).unwrap();
        cases::parse(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let of = |case: cases::Case| {
        let dataset = serde_json::json!({ "projectId": case.default_project, "datasetId": case.default_dataset });
        Attempt { name: case.name, statement: case.sql, fields: Map::from_iter([("defaultDataset".to_owned(), dataset)]) }
    };
    CASES.iter().flat_map(|file| read(file)).map(of).collect()
}

pub fn predicates() -> Vec<Predicate> {
    let lines = parts::<3>(PREDICATES);
    lines.into_iter().map(|[column, clause, statement]| Predicate { column, clause, statement }).collect()
}

/// Lines of so many parts, each ` | ` apart from the next.
fn parts<const COUNT: usize>(text: &'static str) -> Vec<[&'static str; COUNT]> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.splitn(COUNT, " | ").collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"))).collect()
}
