//! A port whose answer is believed is implemented where the table says. `[ports]` of `xtask/layers.toml`.

use super::layers::{self, Layers};
use super::scanner::{self, Part, Token};
use super::{Finding, Tree};

pub fn ports(tree: &Tree) -> Vec<Finding> {
    let Ok(layers) = Layers::read(tree) else { return Vec::new() };
    let mut findings = Vec::new();
    for (name, places) in &layers.ports {
        let mut is_declared = false;
        for file in tree.files.iter().filter(|file| file.has_extension(&["rs"])) {
            let view = scanner::only(&file.text, &[Part::Code]);
            let tokens = scanner::tokens(&view);
            is_declared |= !scanner::lines_of(&tokens, &["trait", name]).is_empty();
            if !places.iter().any(|place| file.path.starts_with(place)) {
                let found = implementations(&tokens, name);
                findings.extend(
                    found.map(|line| Finding::new(&file.path, line, format!("implements `{name}`: {} says who may", layers::PATH))),
                );
            }
        }
        if !is_declared {
            findings.push(Finding::new(layers::PATH, 0, format!("no `trait {name}`")));
        }
    }
    findings
}

/// `impl Port for`, `impl<T> a::Port for`. An alias made by `use Port as Other` counts as one.
fn implementations<'a>(tokens: &'a [Token<'_>], name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let after = |index: usize| tokens.get(index + 1).map_or("", |token| token.text);
    let begins = |index: usize| {
        let before = tokens.iter().take(index).rev().take_while(|token| !matches!(token.text, ";" | "{" | "}"));
        before.into_iter().any(|token| token.text == "impl")
    };
    let found = tokens.iter().enumerate().filter(move |(_, token)| token.text == name);
    found.filter(move |(index, _)| after(*index) == "as" || after(*index) == "for" && begins(*index)).map(|(_, token)| token.line)
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn check(path: &str, text: &str, expect: &[usize]) {
        let layers = "[crates]\n[ports]\nDurableLog = [\"crates/store/src/\", \"crates/ledger/tests/\"]\n";
        let expect: Vec<String> = expect.iter().map(|line| format!("{path}:{line}")).collect();
        let files = [(layers::PATH, layers), ("crates/ledger/src/durable.rs", "pub trait DurableLog {}"), (path, text)];
        assert_eq!(places(ports, &files), expect, "{text}");
    }

    #[test]
    fn a_port_is_implemented_where_the_table_says() {
        for text in ["impl DurableLog for X {}", "x();\nimpl<T: Send> ledger::DurableLog for X<T> {}", "use ledger::DurableLog as Log;"] {
            check("crates/store/src/log.rs", text, &[]);
            check("crates/ledger/tests/it/log.rs", text, &[]);
            let line = text.lines().count();
            check("crates/app/src/log.rs", text, &[line]);
            check("crates/ledger/src/log.rs", text, &[line]);
        }
        check("crates/app/src/log.rs", "fn f(log: &dyn DurableLog) {}\nfn g(x: impl DurableLog) { for y in x {} }", &[]);
        check("crates/app/src/log.rs", "// impl DurableLog for X\nimpl Other for X {}", &[]);
    }

    #[test]
    fn the_table_names_ports_that_are_there() {
        let files = [(layers::PATH, "[crates]\n[ports]\nOther = []\n"), ("crates/a/src/a.rs", "pub trait DurableLog {}")];
        assert_eq!(places(ports, &files), ["xtask/layers.toml:0"]);
    }
}
