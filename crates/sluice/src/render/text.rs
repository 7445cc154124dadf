//! The same for people, laid out to be read.

use sluice_model::{Analysis, Output, StatementAnalysis};
use std::fmt::Write;

pub fn analysis(analysis: &Analysis) -> String {
    let mut page = String::new();
    if let Some(refused) = &analysis.refused {
        line(&mut page, 0, "refused", &refused.reason);
    }
    let several = analysis.statements.len() > 1;
    for (index, statement) in analysis.statements.iter().enumerate() {
        let number = if several { format!("{}. ", index + 1) } else { String::new() };
        let _ = writeln!(page, "{number}{}", statement.kind);
        describe(&mut page, statement);
    }
    page
}

fn describe(page: &mut String, statement: &StatementAnalysis) {
    let effects: Vec<&str> = statement.effects.iter().map(|value| value.word()).collect();
    line(page, 2, "effects", &effects.join(", "));
    for read in &statement.reads {
        line(page, 2, "reads", &format!("{} ({})", read.table, read.columns.join(", ")));
    }
    statement.historical.iter().for_each(|table| line(page, 2, "as it was", &table.to_string()));
    for write in &statement.writes {
        line(page, 2, "writes", &format!("{} ({}) by {}", write.table, write.columns.join(", "), write.effect.word()));
    }
    statement.locations.iter().for_each(|location| line(page, 2, "outside", location));
    statement.routines.iter().for_each(|routine| line(page, 2, "opens", routine));
    statement.outputs.iter().for_each(|output| describe_output(page, output));
    for used in &statement.uses {
        line(page, 2, "uses", &format!("{} to {}", used.column, purpose(used.how)));
    }
    for unresolved in &statement.unresolved {
        line(page, 2, "unresolved", &unresolved.what);
    }
}

fn describe_output(page: &mut String, output: &Output) {
    let name = if output.name.is_empty() { "(no name)" } else { &output.name };
    if output.exposures.is_empty() {
        line(page, 2, "output", &format!("{name} <- nothing of a table"));
    }
    for exposure in &output.exposures {
        let at = if exposure.at.is_empty() { String::new() } else { format!(".{}", exposure.at.join(".")) };
        line(page, 2, "output", &format!("{name}{at} <- {} ({})", exposure.column, exposure.how.word()));
    }
}

fn purpose(kind: sluice_model::UseKind) -> String {
    use sluice_model::UseKind;
    match kind {
        UseKind::Assert => "assert something".to_owned(),
        UseKind::Branch => "choose a branch".to_owned(),
        UseKind::Error => "decide whether it fails".to_owned(),
        UseKind::Rows => "decide how many rows there are".to_owned(),
        UseKind::Window => "choose the rows of a window".to_owned(),
        kind => kind.word().to_owned(),
    }
}

fn line(page: &mut String, indent: usize, label: &str, text: &str) {
    if !text.is_empty() {
        let _ = writeln!(page, "{:indent$}{label:<11}{text}", "");
    }
}
