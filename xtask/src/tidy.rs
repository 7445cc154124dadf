//! The rules that a review would otherwise have to remember. Each is a pure function with its own samples;
//! the test at the end runs them over the repository.

mod documents;
mod fuzzing;
mod layers;
mod length;
mod manifests;
mod mints;
mod names;
mod ports;
mod purity;
mod scanner;
mod tree;
mod words;

pub use tree::{File, Tree};

use std::fmt;

/// One thing that is wrong, and where. Line 0 stands for the whole file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub text: String,
}

enum Rule {
    File(fn(&File) -> Vec<Finding>),
    Tree(fn(&Tree) -> Vec<Finding>),
}

/// A rule that is not named here is dead code, and the compiler says so.
const RULES: &[Rule] = &[
    Rule::File(length::files),
    Rule::File(length::functions),
    Rule::File(names::files),
    Rule::File(names::modules),
    Rule::File(words::allowed_lints),
    Rule::File(words::machine_paths),
    Rule::File(words::prints),
    Rule::File(words::registry_hosts),
    Rule::File(words::unfinished),
    Rule::Tree(documents::architecture),
    Rule::Tree(documents::links),
    Rule::Tree(fuzzing::locked),
    Rule::Tree(fuzzing::targets),
    Rule::Tree(layers::edges),
    Rule::Tree(layers::third_party),
    Rule::Tree(manifests::inherited_dependencies),
    Rule::Tree(manifests::lints),
    Rule::Tree(mints::mints),
    Rule::Tree(ports::ports),
    Rule::Tree(purity::sources),
    Rule::Tree(purity::unsafe_code),
    Rule::Tree(tree::text_only),
];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule.check(tree)).collect();
    findings.sort();
    findings
}

impl Rule {
    fn check(&self, tree: &Tree) -> Vec<Finding> {
        match self {
            Rule::File(rule) => tree.files.iter().flat_map(rule).collect(),
            Rule::Tree(rule) => rule(tree),
        }
    }
}

impl Finding {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// What the samples of a file rule have in common: the lines on which it finds something.
#[cfg(test)]
fn lines(rule: fn(&File) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    rule(&File::new(path, text)).iter().map(|finding| finding.line).collect()
}

/// And of a tree rule: `path:line` of each finding.
#[cfg(test)]
fn places(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter().map(|(path, text)| File::new(path, text)).collect();
    rule(&Tree { files, binaries: Vec::new() }).iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let tree = Tree::read(&crate::root()).unwrap();
        assert!(tree.file("Cargo.toml").is_some(), "the walk did not start at the root of the repository");
        let findings: Vec<String> = check(&tree).iter().map(Finding::to_string).collect();
        assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    }
}
