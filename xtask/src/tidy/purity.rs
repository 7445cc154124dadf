//! The core decides from its arguments alone: no file, socket, process, environment or clock.

use super::layers::{self, Layers};
use super::scanner::{self, Part, Token};
use super::{Finding, Tree};

/// Modules of the standard library that reach outside.
const BANNED_MODULES: &[&str] = &["env", "fs", "net", "process"];
const BANNED_CLOCKS: &[&str] = &["Instant", "SystemTime"];

pub fn sources(tree: &Tree) -> Vec<Finding> {
    let Ok(layers) = Layers::read(tree) else { return Vec::new() };
    let is_pure = |name: &str| layers.crates.get(name).is_some_and(|layer| layer.pure.is_some());
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.has_extension(&["rs"]) && file.crate_name().is_some_and(is_pure)) {
        if !file.path.contains("/src/") {
            continue;
        }
        let view = scanner::only(&file.text, &[Part::Code]);
        let tokens = scanner::tokens(&view);
        let places = modules_of_std(&tokens).into_iter().filter(|(_, name)| BANNED_MODULES.contains(name)).chain(clocks(&tokens));
        findings
            .extend(places.map(|(line, name)| Finding::new(&file.path, line, format!("`{name}` in a pure crate: take it as an argument"))));
    }
    findings
}

/// `unsafe` stands where the table says, and a crate that no longer needs it leaves the table.
pub fn unsafe_code(tree: &Tree) -> Vec<Finding> {
    let Ok(layers) = Layers::read(tree) else { return Vec::new() };
    let is_named = |path: &str| layers.unsafe_files.values().any(|named| named == path);
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.has_extension(&["rs"])) {
        let view = scanner::only(&file.text, &[Part::Code]);
        let lines = scanner::lines_of(&scanner::tokens(&view), &["unsafe"]);
        match lines.first() {
            Some(line) if !is_named(&file.path) => {
                findings.push(Finding::new(&file.path, *line, format!("`unsafe` outside the file named in {}", layers::PATH)))
            }
            None if is_named(&file.path) => {
                findings.push(Finding::new(&file.path, 0, format!("no `unsafe` left: take it off {}", layers::PATH)))
            }
            _ => {}
        }
    }
    for (name, path) in &layers.unsafe_files {
        if tree.file(path).is_none_or(|file| file.crate_name() != Some(name)) {
            findings.push(Finding::new(layers::PATH, 0, format!("`{path}` is no file of `{name}`")));
        }
    }
    findings
}

/// The first names behind `std::`, also in `std::{a, b::c}`; `std as x` counts as every one of them.
fn modules_of_std<'a>(tokens: &[Token<'a>]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "std") {
        let after = |distance: usize| tokens.get(index + distance).map_or("", |token| token.text);
        match (after(1), after(2), after(3)) {
            ("as", ..) => found.push((token.line, "env")),
            (":", ":", "{") => found.extend(first_names(tokens, index + 3)),
            (":", ":", _) => found.extend(tokens.get(index + 3).map(|name| (name.line, name.text))),
            _ => {}
        }
    }
    found
}

/// The first name of each path in a group, as `a` and `b` in `{a::x, b}`.
fn first_names<'a>(tokens: &[Token<'a>], open: usize) -> Vec<(usize, &'a str)> {
    let Some(close) = scanner::closing(tokens, open) else { return Vec::new() };
    let mut names = Vec::new();
    let mut depth = 0;
    for pair in tokens.get(open..close).unwrap_or_default().windows(2) {
        let [before, name] = pair else { continue };
        match before.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 1 && matches!(before.text, "{" | ",") {
            names.push((name.line, name.text));
        }
    }
    names
}

fn clocks<'a>(tokens: &[Token<'a>]) -> Vec<(usize, &'a str)> {
    let calls = |name: &&'a str| BANNED_CLOCKS.contains(name);
    let is_now = |window: &&[Token<'a>]| window.iter().skip(1).map(|token| token.text).eq([":", ":", "now"]);
    let found = tokens.windows(4).filter(is_now).filter_map(|window| window.first());
    found.filter(|token| calls(&token.text)).map(|token| (token.line, token.text)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn check(path: &str, text: &str, expect: &[usize]) {
        let layers = "[crates.pure]\ndependencies = []\npure = []\n[crates.other]\ndependencies = []\n";
        let expect: Vec<String> = expect.iter().map(|line| format!("{path}:{line}")).collect();
        assert_eq!(places(sources, &[(layers::PATH, layers), (path, text)]), expect, "{text}");
    }

    #[test]
    fn pure_sources_reach_nothing() {
        check("crates/pure/src/a.rs", "use std::fmt;\nuse std::collections::BTreeMap;\nuse std::time::Duration;", &[]);
        check("crates/pure/src/a.rs", "use std::fs;\nfn f() { ::std::env::var(x) }", &[1, 2]);
        check("crates/pure/src/a.rs", "use std::{\n    fmt::{self, Write},\n    net::TcpStream,\n};", &[3]);
        check("crates/pure/src/a.rs", "use std::{fmt::{env, fs}, str};", &[]);
        check("crates/pure/src/a.rs", "use std as s;\nfn f() { std::time::Instant::now() }\nlet t = SystemTime::now;", &[1, 2, 3]);
        check("crates/pure/src/a.rs", "// std::fs\nlet x = \"std::net\"; let instant: Instant;", &[]);
        check("crates/pure/tests/a.rs", "use std::fs;", &[]);
        check("crates/other/src/a.rs", "use std::fs;", &[]);
    }

    fn check_unsafe(one: &str, two: &str, table: &str, expect: &[&str]) {
        let layers = format!("[crates]\n[unsafe]\n{table}");
        let files = [(layers::PATH, layers.as_str()), ("crates/a/src/one.rs", one), ("crates/a/src/two.rs", two)];
        assert_eq!(places(unsafe_code, &files), expect, "{one} | {two} | {table}");
    }

    #[test]
    fn unsafe_code_stands_in_one_file() {
        let named = "a = \"crates/a/src/one.rs\"";
        check_unsafe("unsafe { f() }", "// unsafe\n#![deny(unsafe_code)]", named, &[]);
        check_unsafe("unsafe { f() }", "fn g() {}\nunsafe fn f() {}", named, &["crates/a/src/two.rs:2"]);
        check_unsafe("unsafe { f() }", "", "", &["crates/a/src/one.rs:1"]);
        check_unsafe("f()", "", named, &["crates/a/src/one.rs:0"]);
        check_unsafe("", "", "a = \"crates/b/src/one.rs\"", &["xtask/layers.toml:0"]);
    }
}
