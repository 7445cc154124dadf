//! Honest work under `honest/`: nothing refused, nothing unresolved, and exactly the columns that it uses.

use sluice_sql::Request;
use sluice_testkit::ground;
use sluice_testkit::honest::{difference, parse};

const PROJECT: &str = "bench";
const STATEMENTS_MIN: usize = 220;

#[test]
fn honest_work_is_understood_exactly() {
    let folder = ground::root().join("crates/sluice-testkit/honest");
    let (engine, snapshot) = (ground::engine(), ground::snapshot(&folder.join("catalog")));
    let (mut statements, mut failures) = (0, Vec::new());
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let file = path.file_name().unwrap().display().to_string();
        for honest in parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{file}: {error}")) {
            statements += 1;
            let request = Request { text: honest.sql.clone(), project: PROJECT.to_owned(), ..Request::default() };
            let differences = difference(&honest, &sluice_sql::analyze(engine, &request, &snapshot));
            if !differences.is_empty() {
                failures.push(format!("=== {} ({file})\n{differences}", honest.name));
            }
        }
    }
    failures.sort();
    assert!(failures.is_empty(), "{}{} of {statements} statements differ", failures.concat(), failures.len());
    assert!(statements >= STATEMENTS_MIN, "only {statements} statements");
}
