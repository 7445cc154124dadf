//! The statements of `handmade.txt`.

use super::generate::Statement;

pub fn statements() -> Vec<Statement> {
    let lines = include_str!("handmade.txt").lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    lines.split("\n\n").map(str::trim).filter(|text| !text.is_empty()).map(Statement::written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_apart_by_blank_lines() {
        let statements = statements();
        assert!(statements.len() > 200, "{}", statements.len());
        assert!(statements.iter().all(|statement| !statement.text.contains('#') || statement.text.contains("'#'")));
    }
}
