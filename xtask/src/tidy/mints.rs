//! A proof type is worth something because one file alone can make it. The table is `[mints]` of `xtask/layers.toml`.

use super::layers::{self, Layers};
use super::scanner::{self, Part, Token};
use super::{File, Finding, Tree};

/// Traits that would make a proof out of nothing, or two out of one.
const BANNED_TRAITS: &[&str] = &["Clone", "Copy", "Default", "Deserialize"];
/// Programs that try to make a proof, which a test wants to see the compiler refuse.
const FORGERIES: &str = "/tests/mint/";
/// What stands before a type's name where the brace behind it opens no value.
const DECLARATIONS: &[&str] = &["enum", "for", "impl", "struct", "trait", "union", ">", ":", "+"];

pub fn mints(tree: &Tree) -> Vec<Finding> {
    let Ok(layers) = Layers::read(tree) else { return Vec::new() };
    let mut findings = Vec::new();
    for (name, mint) in &layers.mints {
        if !tree.file(mint).is_some_and(|file| declares(file, name)) {
            findings.push(Finding::new(layers::PATH, 0, format!("`{mint}` does not declare `struct {name}`")));
        }
        for file in tree.files.iter().filter(|file| file.has_extension(&["rs"]) && !file.path.contains(FORGERIES)) {
            findings.extend(faults(file, name, file.path == *mint));
        }
    }
    findings
}

fn declares(file: &File, name: &str) -> bool {
    let view = scanner::only(&file.text, &[Part::Code]);
    !scanner::lines_of(&scanner::tokens(&view), &["struct", name]).is_empty()
}

fn faults(file: &File, name: &str, is_mint: bool) -> Vec<Finding> {
    let view = scanner::only(&file.text, &[Part::Code]);
    let tokens = scanner::tokens(&view);
    let mut findings = Vec::new();
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == name) {
        if !is_mint && opens_value(&tokens, index) {
            findings.push(Finding::new(&file.path, token.line, format!("makes a `{name}`: only its mint may")));
        }
        if !is_mint && names_implementation(&tokens, index) {
            findings.extend(
                values_of_self(&tokens, index).map(|line| Finding::new(&file.path, line, format!("makes a `{name}`: only its mint may"))),
            );
        }
        for banned in forged_traits(&tokens, index) {
            findings.push(Finding::new(&file.path, token.line, format!("`{name}` may not be `{banned}`")));
        }
    }
    findings
}

/// `Permit { .. }`, `Permit(..)` or `Permit::<T> { .. }` as an expression or a pattern.
fn opens_value(tokens: &[Token<'_>], index: usize) -> bool {
    let word = |position: usize| tokens.get(position).map_or("", |token| token.text);
    let mut after = index + 1;
    if (word(after), word(after + 1), word(after + 2)) == (":", ":", "<") {
        while !matches!(word(after), ">" | "") {
            after += 1;
        }
        after += 1;
    }
    matches!(word(after), "{" | "(") && !DECLARATIONS.contains(&word_before_path(tokens, index))
}

/// The word before `&'a mut a::b::Name`.
fn word_before_path<'a>(tokens: &[Token<'a>], index: usize) -> &'a str {
    let word = |position: Option<usize>| position.and_then(|position| tokens.get(position)).map_or("", |token| token.text);
    let mut start = index;
    while word(start.checked_sub(1)) == ":" && word(start.checked_sub(2)) == ":" {
        start = start.saturating_sub(3);
    }
    while matches!(word(start.checked_sub(1)), "&" | "mut" | "dyn") || word(start.checked_sub(2)) == "'" {
        start -= if word(start.checked_sub(2)) == "'" { 2 } else { 1 };
    }
    word(start.checked_sub(1))
}

/// `impl Permit`, `impl Trait for Permit`.
fn names_implementation(tokens: &[Token<'_>], index: usize) -> bool {
    matches!(word_before_path(tokens, index), "for" | "impl" | ">")
        && tokens
            .iter()
            .take(index)
            .rev()
            .take_while(|token| !matches!(token.text, ";" | "{" | "}" | "fn"))
            .any(|token| token.text == "impl")
}

fn values_of_self<'a>(tokens: &'a [Token<'_>], index: usize) -> impl Iterator<Item = usize> + 'a {
    let open = tokens.iter().enumerate().skip(index).find(|(_, token)| token.text == "{").map_or(tokens.len(), |(open, _)| open);
    let close = scanner::closing(tokens, open).unwrap_or(tokens.len());
    let inside = (open..close).filter(|position| tokens.get(*position).is_some_and(|token| token.text == "Self"));
    inside.filter(|position| opens_value(tokens, *position)).filter_map(|position| tokens.get(position).map(|token| token.line))
}

/// Banned traits in the derive above `struct Permit`, or in `impl Default for Permit`.
fn forged_traits<'a>(tokens: &[Token<'a>], index: usize) -> Vec<&'a str> {
    let before = word_before_path(tokens, index);
    let above: Vec<&str> =
        tokens.iter().take(index).rev().take_while(|token| !matches!(token.text, ";" | "{" | "}")).map(|token| token.text).collect();
    if before == "struct" && above.contains(&"derive") || before == "for" && above.contains(&"impl") {
        return above.into_iter().filter(|word| BANNED_TRAITS.contains(word)).collect();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    const MINT: &str = "pub struct Permit { id: u64 }\nimpl Permit { fn new() -> Permit { Permit { id: 1 } } }";

    fn check(mint: &str, other: &str, expect: &[&str]) {
        let layers = "[crates]\n[mints]\nPermit = \"crates/a/src/decide.rs\"\n";
        let files = [(layers::PATH, layers), ("crates/a/src/decide.rs", mint), ("crates/b/src/b.rs", other)];
        assert_eq!(places(mints, &files), expect, "{mint} | {other}");
    }

    #[test]
    fn a_proof_is_made_in_its_mint_alone() {
        check(MINT, "fn f(permit: &Permit) -> Permit { decide() }\nimpl X for a::Permit { fn g(self) {} }", &[]);
        check(MINT, "fn f() -> &'static Permit { g() }\nfn h<T: Into<Permit>>() where T: Is<Permit> { Permit::id() }", &[]);
        check(MINT, "// Permit { id: 1 }\nlet x = \"Permit(1)\"; Permits { id: 1 }", &[]);
        check(MINT, "fn f() {\n    let x = a::Permit { id: 1 };\n}", &["crates/b/src/b.rs:2"]);
        check(MINT, "fn f() -> Permit {\n    Permit(1)\n}", &["crates/b/src/b.rs:2"]);
        check(MINT, "g(Permit::<u8> { id: 1 })", &["crates/b/src/b.rs:1"]);
        check(MINT, "impl a::Permit {\n    fn f() -> Self {\n        Self { id: 1 }\n    }\n}", &["crates/b/src/b.rs:3"]);
        check(MINT, "impl<T> From<T> for Permit {\n    fn from(x: T) -> Self {\n        Self(x)\n    }\n}", &["crates/b/src/b.rs:3"]);
    }

    #[test]
    fn a_proof_is_not_copied_or_read_from_text() {
        check(&format!("#[derive(Debug, Clone)]\n{MINT}"), "", &["crates/a/src/decide.rs:2"]);
        check(&format!("#[derive(Debug, serde::Deserialize)]\n{MINT}"), "", &["crates/a/src/decide.rs:2"]);
        check(&format!("#[derive(Debug)]\n{MINT}"), "#[derive(Clone)]\nstruct Other;", &[]);
        check(&format!("{MINT}\nimpl Default for Permit {{ }}"), "", &["crates/a/src/decide.rs:3"]);
    }

    #[test]
    fn forgeries_that_must_not_compile_are_left_alone() {
        let layers = "[crates]\n[mints]\nPermit = \"crates/a/src/decide.rs\"\n";
        let check =
            |path: &str| places(mints, &[(layers::PATH, layers), ("crates/a/src/decide.rs", MINT), (path, "Permit { id: 1 }")]).len();
        assert_eq!((check("crates/a/tests/mint/by_hand.rs"), check("crates/a/tests/it/by_hand.rs")), (0, 1));
    }

    #[test]
    fn the_table_may_be_empty_but_not_wrong() {
        check("pub struct Other;", "", &["xtask/layers.toml:0"]);
        assert!(places(mints, &[(layers::PATH, "[crates]"), ("crates/a/src/a.rs", MINT)]).is_empty());
    }
}
