//! The two phases: what `required` asks for is all that `analyze` looks at, and nothing that a text names by itself is asked for.

use sluice_model::TableName;
use sluice_sql::catalog::Snapshot;
use sluice_sql::{Request, Required, analyze, required};
use sluice_testkit::cases;
use sluice_testkit::ground;
use std::collections::BTreeSet;

/// A view of a view of a view: each answer may name more.
const ROUNDS_MAX: usize = 20;
const CASES_MIN: usize = 700;

/// Asks until nothing is asked for. Gives what was found on the way, and every name that was asked for.
fn gather(request: &Request, whole: &Snapshot) -> Result<(Snapshot, BTreeSet<TableName>), String> {
    let (mut known, mut asked) = (Snapshot::default(), BTreeSet::new());
    for _ in 0..ROUNDS_MAX {
        let Required { tables, routines, models } = required(ground::engine(), request, &known).map_err(|refused| refused.reason)?;
        if tables.is_empty() && routines.is_empty() && models.is_empty() {
            return Ok((known, asked));
        }
        for name in tables {
            match whole.tables.get(&name) {
                _ if name.table.ends_with('*') => {
                    let matching: Vec<_> = whole.matching(&name).into_iter().cloned().collect();
                    known.tables.extend(matching.into_iter().map(|table| (table.name.clone(), table)));
                    known.absent.insert(name.clone());
                }
                Some(table) => drop(known.tables.insert(name.clone(), table.clone())),
                None => drop(known.absent.insert(name.clone())),
            }
            asked.insert(name);
        }
        for name in routines {
            match whole.routines.get(&name) {
                Some(routine) => drop(known.routines.insert(name.clone(), routine.clone())),
                None => drop(known.absent.insert(name.clone())),
            }
            asked.insert(name);
        }
        for name in models {
            match whole.models.get(&name) {
                Some(model) => drop(known.models.insert(name.clone(), model.clone())),
                None => drop(known.absent.insert(name.clone())),
            }
            asked.insert(name);
        }
    }
    Err(format!("still asking after {ROUNDS_MAX} rounds"))
}

#[test]
fn what_is_asked_for_is_all_that_is_needed() {
    let whole = ground::clinic();
    let mut files: Vec<_> =
        std::fs::read_dir(ground::root().join("crates/sluice-testkit/cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut count, mut failures) = (0, Vec::new());
    for file in files {
        for case in cases::parse(&std::fs::read_to_string(&file).unwrap()).unwrap() {
            count += 1;
            let default_dataset = Some((case.default_project.clone(), case.default_dataset.clone()));
            let request = Request { text: case.sql.clone(), project: case.default_project.clone(), default_dataset, ..Request::default() };
            let full = analyze(ground::engine(), &request, &whole);
            let differs = match gather(&request, &whole) {
                // Both phases refuse what cannot be parsed.
                Err(reason) => full.refused.as_ref().is_none_or(|refused| refused.reason != reason).then(|| format!("refused: {reason}")),
                Ok((partial, asked)) => {
                    let partial = analyze(ground::engine(), &request, &partial);
                    (partial != full).then(|| format!("asked for {asked:?}\n  - {full:?}\n  + {partial:?}"))
                }
            };
            failures.extend(differs.map(|text| format!("=== {} ({})\n{}\n  {text}\n", case.name, file.display(), case.sql)));
        }
    }
    assert!(failures.is_empty(), "{}{} of {count} cases differ", failures.concat(), failures.len());
    assert!(count >= CASES_MIN, "only {count} cases");
}
