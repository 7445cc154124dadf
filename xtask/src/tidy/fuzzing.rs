//! The fuzz targets are a workspace of their own that no other build compiles: what can be held to without compiling is.

use super::manifests::{self, Kind};
use super::{Finding, Tree};
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

const MANIFEST: &str = "fuzz/Cargo.toml";
const LOCK: &str = "fuzz/Cargo.lock";
const SOURCES: &str = "fuzz/fuzz_targets/";

/// A source that is no target is never built, a target without a corpus is never run.
pub fn targets(tree: &Tree) -> Vec<Finding> {
    let sources: BTreeSet<String> =
        tree.files.iter().filter_map(|file| file.path.strip_prefix(SOURCES)?.strip_suffix(".rs").map(str::to_owned)).collect();
    let declared: BTreeSet<String> = entries(tree, MANIFEST, "bin").into_keys().collect();
    let corpora: BTreeSet<String> = tree.files.iter().filter_map(|file| corpus(&file.path).map(str::to_owned)).collect();
    let all: BTreeSet<&String> = sources.iter().chain(&declared).chain(&corpora).collect();
    let mut findings = Vec::new();
    for target in all {
        for (known, lacks) in [(&sources, "has no source"), (&declared, "is not declared"), (&corpora, "has no corpus")] {
            if !known.contains(target) {
                findings.push(Finding::new(MANIFEST, 0, format!("the fuzz target `{target}` {lacks}")));
            }
        }
    }
    findings
}

/// A lock file that a crate of ours has outgrown is changed by the next run, unseen.
pub fn locked(tree: &Tree) -> Vec<Finding> {
    let locked = entries(tree, LOCK, "package");
    let mut findings = Vec::new();
    for manifest in manifests::read(tree).unwrap_or_default() {
        let Some(package) = locked.get(&manifest.name) else { continue };
        let listed = package.get("dependencies").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        // A version follows the name where the lock file holds two.
        let listed: BTreeSet<&str> = listed.filter_map(|entry| entry.split(' ').next()).collect();
        let wanted = manifest.dependencies.iter().filter(|dependency| dependency.kind == Kind::Normal);
        let wanted: BTreeSet<&str> = wanted.map(|dependency| dependency.name.as_str()).collect();
        for name in wanted.symmetric_difference(&listed) {
            findings.push(Finding::new(LOCK, 0, format!("`{}` and its manifest differ in `{name}`", manifest.name)));
        }
    }
    findings
}

fn corpus(path: &str) -> Option<&str> {
    match path.split('/').collect::<Vec<&str>>().as_slice() {
        ["crates", _, "corpus", target, _] => Some(target),
        _ => None,
    }
}

/// The entries of one list of a file, by name.
fn entries(tree: &Tree, path: &str, list: &str) -> BTreeMap<String, Table> {
    let mut table: Table = tree.file(path).and_then(|file| file.text.parse().ok()).unwrap_or_default();
    let Some(Value::Array(entries)) = table.remove(list) else { return BTreeMap::new() };
    let named = |entry: Value| match entry {
        Value::Table(entry) => Some((entry.get("name")?.as_str()?.to_owned(), entry)),
        _ => None,
    };
    entries.into_iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn each_target_has_source_declaration_and_corpus() {
        let check = |files: &[&str], declared: &str, findings: usize| {
            let mut tree = vec![(MANIFEST, declared)];
            tree.extend(files.iter().map(|path| (*path, "")));
            assert_eq!(places(targets, &tree).len(), findings, "{files:?} {declared}");
        };
        let one = "[[bin]]\nname = \"page\"\n";
        check(&["fuzz/fuzz_targets/page.rs", "crates/sluice-mask/corpus/page/a"], one, 0);
        check(&["fuzz/fuzz_targets/page.rs", "crates/sluice-mask/corpus/page/a"], "", 1);
        check(&["fuzz/fuzz_targets/page.rs"], one, 1);
        check(&["crates/sluice-mask/corpus/page/a"], one, 1);
        check(&["crates/sluice-mask/corpus/row/a"], "", 2);
        check(&[], "", 0);
    }

    #[test]
    fn the_lock_file_follows_the_manifests() {
        let check = |listed: &str, findings: usize| {
            let manifest = "[package]\nname = \"sluice-mask\"\n[dependencies]\na = {}\nb = {}\n[dev-dependencies]\nc = {}\n";
            let lock = format!("[[package]]\nname = \"sluice-mask\"\ndependencies = [{listed}]\n[[package]]\nname = \"a\"\n");
            let found = places(locked, &[("crates/sluice-mask/Cargo.toml", manifest), (LOCK, &lock)]);
            assert_eq!(found.len(), findings, "{listed}");
        };
        check("\"a\", \"b 1.2.0\"", 0);
        check("\"a\"", 1);
        check("\"a\", \"b\", \"c\"", 1);
        check("", 2);
    }
}
