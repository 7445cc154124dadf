//! Documents that a machine keeps true: the code map, and links between files.

use super::scanner;
use super::{File, Finding, Tree};
use std::collections::BTreeSet;

const MAP: &str = "ARCHITECTURE.md";

/// Every crate stands in the map, in code letters, and so does no crate or path that is not there.
pub fn architecture(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.file(MAP) else { return vec![Finding::new(MAP, 0, "missing")] };
    let crates: BTreeSet<&str> = tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml")).filter_map(File::crate_name).collect();
    let spans = code_spans(map);
    let mut findings = Vec::new();
    for name in crates.iter().filter(|name| !spans.iter().any(|(_, span)| span == *name)) {
        findings.push(Finding::new(MAP, 0, format!("crate `{name}` is missing")));
    }
    for (line, span) in &spans {
        let is_ghost = span.starts_with("sluice-") && is_name(span) && !crates.contains(span);
        if is_ghost || is_path(span, tree) && !tree.holds(span) && !tree.holds(&format!("crates/{span}")) {
            findings.push(Finding::new(MAP, *line, format!("`{span}` does not exist")));
        }
    }
    findings
}

pub fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.has_extension(&["md"])) {
        for (line, target) in link_targets(file) {
            let is_elsewhere = target.contains("://") || target.starts_with("mailto:") || target.starts_with('#');
            let path = target.split('#').next().unwrap_or_default();
            if !is_elsewhere && !resolve(&file.path, path).is_some_and(|path| tree.holds(&path)) {
                findings.push(Finding::new(&file.path, line, format!("link to `{target}`, which does not exist")));
            }
        }
    }
    findings
}

fn is_name(span: &str) -> bool {
    span.chars().all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-')
}

/// Whether a code span means a path of this repository: its first part is a crate or a folder of the root.
fn is_path(span: &str, tree: &Tree) -> bool {
    let Some((first, _)) = span.split_once('/') else { return false };
    let plain = span.chars().all(|character| scanner::is_word(character) || matches!(character, '-' | '.' | '/'));
    plain && !first.is_empty() && (first.starts_with("sluice-") || first == "sluice" || tree.holds(first))
}

/// `line, text` of everything between single back quotes.
fn code_spans(file: &File) -> Vec<(usize, &str)> {
    prose(&file.text).flat_map(|(line, text)| text.split('`').skip(1).step_by(2).map(move |span| (line, span))).collect()
}

/// `line, target` of `[text](target)` and `[text]: target`.
fn link_targets(file: &File) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (line, text) in prose(&file.text) {
        let text: String = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        targets.extend(inline.map(|target| (line, target.to_owned())));
        if let Some((_, target)) = text.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            targets.push((line, target.trim().to_owned()));
        }
    }
    targets
}

/// The lines outside fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        (!fenced && !is_fence).then_some((index + 1, line))
    })
}

/// A link of the file at `from`, as a path from the root. None if it leaves the repository.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = if link.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    parts.pop();
    for part in link.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn check_map(map: &str, expect: &[&str]) {
        let files = [("ARCHITECTURE.md", map), ("crates/sluice-a/Cargo.toml", ""), ("crates/sluice-a/src/a.rs", ""), ("docs/x.md", "")];
        assert_eq!(places(architecture, &files), expect, "{map}");
    }

    #[test]
    fn the_map_names_what_is_there() {
        check_map("| `sluice-a` | a crate; `crates/sluice-a/src/a.rs`, `sluice-a/src/a.rs`, `docs/x.md`, `a/b`, `SELECT 1/2` |", &[]);
        check_map("sluice-a without code letters", &["ARCHITECTURE.md:0"]);
        check_map("`sluice-a`\n`sluice-b`", &["ARCHITECTURE.md:2"]);
        check_map("`sluice-a`\n`sluice-a/src/b.rs` and `docs/y.md`", &["ARCHITECTURE.md:2", "ARCHITECTURE.md:2"]);
        assert_eq!(places(architecture, &[("a.md", "")]), ["ARCHITECTURE.md:0"]);
    }

    fn check_links(text: &str, expect: &[&str]) {
        assert_eq!(places(links, &[("docs/a.md", text), ("docs/b.md", ""), ("README.md", "")]), expect, "{text}");
    }

    #[test]
    fn links_lead_somewhere() {
        check_links("[b](b.md) [b](./b.md#head) [root](../README.md) [root](/README.md) [web](https://example.com) [here](#x)", &[]);
        check_links("`[c](c.md)`\n```\n[c](c.md)\n```\n[folder](../docs)\n[b]: b.md", &[]);
        check_links("x\n[c](c.md)", &["docs/a.md:2"]);
        check_links("[c]: c.md", &["docs/a.md:1"]);
        check_links("[out](../../x.md)", &["docs/a.md:1"]);
    }
}
