//! Every case under `cases/`, `statements/`: what the analysis must say, in text.

use sluice_sql::Request;
use sluice_testkit::cases::{Case, check_file};
use sluice_testkit::ground;
use std::path::PathBuf;

fn check_folder(folder: &str, catalog: &str, cases_min: usize) {
    let (engine, snapshot) = (ground::engine(), ground::snapshot(&ground::root().join(catalog)));
    let analyze = |case: &Case| {
        let default_dataset = Some((case.default_project.clone(), case.default_dataset.clone()));
        let project = case.default_project.clone();
        sluice_sql::analyze(engine, &Request { text: case.sql.clone(), project, default_dataset, ..Request::default() }, &snapshot)
    };
    let folder = ground::root().join("crates/sluice-testkit").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let (mut cases, mut failures) = (0, String::new());
    for file in files {
        let report = check_file(&file, analyze);
        cases += report.cases;
        if !report.failures.is_empty() {
            failures.push_str(&format!("{}: {report}\n", file.display()));
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(cases >= cases_min, "only {cases} cases");
}

#[test]
fn cases() {
    check_folder("cases", "examples/clinic", 340);
}

#[test]
fn statements() {
    check_folder("statements", "crates/sluice-testkit/statements/catalog", 100);
}
