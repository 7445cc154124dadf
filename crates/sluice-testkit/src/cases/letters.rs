//! The short form: which columns of a result must be masked.

use sluice_model::{Analysis, ColumnPath, Effect, How, Output, StatementAnalysis};

/// The labelled columns of the example catalog, one full path a line.
const LABELS: &str = include_str!("../../../../examples/clinic/labels.txt");

/// Effects that hold a whole statement where its columns cannot be known.
const HELD_EFFECTS: [Effect; 2] = [Effect::DynamicSql, Effect::ExternalQuery];

/// Nothing where the analysis says what the letters say.
pub fn difference(letters: &str, analysis: &Analysis) -> Option<String> {
    if letters == "x" {
        return (!held(analysis)).then(|| "  - refused, unresolved or dynamic\n  + understood\n".to_owned());
    }
    if letters.contains('m') && held(analysis) {
        return None;
    }
    if let Some(refused) = &analysis.refused {
        return Some(format!("  - letters: {letters}\n  + refused: {}\n", refused.reason));
    }
    let outputs = analysis.statements.iter().rev().map(|statement| &statement.outputs).find(|outputs| !outputs.is_empty());
    let got: String = outputs.into_iter().flatten().map(letter).collect();
    let same = got.chars().count() == letters.chars().count()
        && got.chars().zip(letters.chars()).all(|(got, letter)| letter == '?' || letter.to_ascii_uppercase() == got);
    let unresolved = analysis.statements.iter().any(|statement| !statement.unresolved.is_empty());
    let note = if unresolved { " and unresolved" } else { "" };
    (!same || unresolved).then(|| format!("  - letters: {letters}\n  + letters: {got}{note}\n"))
}

fn letter(output: &Output) -> char {
    let masked = output.exposures.iter().any(|exposure| exposure.how != How::Counted && labelled(&exposure.column));
    if masked { 'M' } else { 'C' }
}

/// A label on a column covers its fields too.
fn labelled(column: &ColumnPath) -> bool {
    let text = column.to_string();
    LABELS.lines().any(|label| text.strip_prefix(label).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

fn held(analysis: &Analysis) -> bool {
    let statement_held = |statement: &StatementAnalysis| {
        !statement.unresolved.is_empty() || statement.effects.iter().any(|effect| HELD_EFFECTS.contains(effect))
    };
    analysis.refused.is_some() || analysis.statements.iter().any(statement_held)
}

#[cfg(test)]
mod tests {
    use super::super::name;
    use super::*;

    #[test]
    fn labels_are_full_paths_of_known_datasets() {
        for label in LABELS.lines() {
            let short = label.strip_prefix("acme-prod.").unwrap();
            let column = name::column(short).unwrap();
            assert!(labelled(&column), "{label}");
        }
        assert!(!labelled(&name::column("patients.ssn_kind").unwrap()));
        assert!(labelled(&name::column("patients.notes.deep").unwrap()));
    }
}
