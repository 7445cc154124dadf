//! Who may depend on whom: `xtask/layers.toml` against the manifests.

use super::manifests::{self, Kind, Manifest};
use super::{Finding, Tree};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

pub const PATH: &str = "xtask/layers.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layers {
    pub crates: BTreeMap<String, Layer>,
    /// A proof type -> the only file that may construct it.
    #[serde(default)]
    pub mints: BTreeMap<String, String>,
    /// A trait whose answer is believed -> the folders in which it may be implemented.
    #[serde(default)]
    pub ports: BTreeMap<String, Vec<String>>,
    /// A crate that may hold `unsafe` -> the one file in which.
    #[serde(default, rename = "unsafe")]
    pub unsafe_files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Layer {
    /// Workspace crates only.
    pub dependencies: BTreeSet<String>,
    /// Workspace crates that its tests may use besides.
    #[serde(default)]
    pub dev_dependencies: BTreeSet<String>,
    /// Pure: no files, sockets, processes, environment or clock, and of other people's crates only these.
    pub pure: Option<BTreeSet<String>>,
}

impl Layers {
    /// A table that cannot be read is one finding of `edges`; the other rules then have nothing to check against.
    pub fn read(tree: &Tree) -> Result<Layers, Finding> {
        let file = tree.file(PATH).ok_or_else(|| Finding::new(PATH, 0, "missing"))?;
        toml::from_str(&file.text).map_err(|error| Finding::new(PATH, 0, error.message()))
    }
}

pub fn edges(tree: &Tree) -> Vec<Finding> {
    let layers = match Layers::read(tree) {
        Ok(layers) => layers,
        Err(finding) => return vec![finding],
    };
    let manifests = match manifests::read(tree) {
        Ok(manifests) => manifests,
        Err(findings) => return findings,
    };
    let members: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
    let mut findings: Vec<Finding> = manifests.iter().flat_map(|manifest| unlisted_edges(manifest, &members, &layers)).collect();
    for (name, layer) in &layers.crates {
        let named = std::iter::once(name).chain(&layer.dependencies).chain(&layer.dev_dependencies);
        let ghosts = named.filter(|name| !members.contains(name.as_str()));
        findings.extend(ghosts.map(|ghost| Finding::new(PATH, 0, format!("`{ghost}` of `{name}` is no crate of this workspace"))));
        let is_pure = |name: &String| layers.crates.get(name).is_none_or(|layer| layer.pure.is_some());
        let impure = layer.dependencies.iter().filter(|dependency| layer.pure.is_some() && !is_pure(dependency));
        findings.extend(impure.map(|impure| Finding::new(PATH, 0, format!("`{name}` is pure, `{impure}` is not"))));
    }
    findings
}

/// Other people's crates in the pure ones.
pub fn third_party(tree: &Tree) -> Vec<Finding> {
    let (Ok(layers), Ok(manifests)) = (Layers::read(tree), manifests::read(tree)) else { return Vec::new() };
    let members: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
    let mut findings = Vec::new();
    for manifest in &manifests {
        let Some(allowed) = layers.crates.get(&manifest.name).and_then(|layer| layer.pure.as_ref()) else { continue };
        let foreign = manifest.dependencies.iter().filter(|dependency| dependency.kind == Kind::Normal);
        for dependency in foreign.filter(|dependency| !members.contains(dependency.name.as_str()) && !allowed.contains(&dependency.name)) {
            findings.push(Finding::new(&manifest.path, 0, format!("a pure crate may not depend on `{}`, see {PATH}", dependency.name)));
        }
    }
    findings
}

fn unlisted_edges(manifest: &Manifest, members: &BTreeSet<&str>, layers: &Layers) -> Vec<Finding> {
    let Some(layer) = layers.crates.get(&manifest.name) else {
        return vec![Finding::new(&manifest.path, 0, format!("`{}` is not in {PATH}", manifest.name))];
    };
    let is_allowed =
        |name: &str, kind: Kind| layer.dependencies.contains(name) || (kind == Kind::Dev && layer.dev_dependencies.contains(name));
    let edges = manifest.dependencies.iter().filter(|dependency| members.contains(dependency.name.as_str()));
    let unlisted = edges.filter(|dependency| !is_allowed(&dependency.name, dependency.kind));
    unlisted.map(|edge| Finding::new(&manifest.path, 0, format!("may not depend on `{}`, see {PATH}", edge.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    const LAYERS: &str = "[crates.a]\ndependencies = []\npure = [\"hex\"]\n\
        [crates.b]\ndependencies = [\"a\"]\ndev-dependencies = [\"c\"]\n[crates.c]\ndependencies = [\"a\", \"b\"]\n";

    fn check(rule: fn(&Tree) -> Vec<Finding>, layers: &str, manifests: [&str; 3], expect: &[&str]) {
        let [a, b, c] = manifests.map(|text| text.to_owned());
        let manifest = |name: &str, rest: &str| format!("[package]\nname = \"{name}\"\n{rest}");
        let (a, b, c) = (manifest("a", &a), manifest("b", &b), manifest("c", &c));
        let files = [(PATH, layers), ("crates/a/Cargo.toml", &a), ("crates/b/Cargo.toml", &b), ("crates/c/Cargo.toml", &c)];
        assert_eq!(places(rule, &files), expect, "{manifests:?}");
    }

    #[test]
    fn edges_that_are_not_listed_are_found() {
        check(edges, LAYERS, ["", "", ""], &[]);
        check(edges, LAYERS, ["", "[dependencies]\na.workspace = true\nserde.workspace = true", "[dependencies]\nb.workspace = true"], &[]);
        check(edges, LAYERS, ["[dependencies]\nb.workspace = true", "", ""], &["crates/a/Cargo.toml:0"]);
        check(edges, LAYERS, ["[target.'cfg(unix)'.build-dependencies]\nb.workspace = true", "", ""], &["crates/a/Cargo.toml:0"]);
        check(edges, LAYERS, ["", "[dev-dependencies]\nc.workspace = true", ""], &[]);
        check(edges, LAYERS, ["", "[dependencies]\nc.workspace = true", ""], &["crates/b/Cargo.toml:0"]);
    }

    #[test]
    fn the_table_names_each_crate_and_no_ghost() {
        check(edges, "[crates.a]\ndependencies = []\n[crates.b]\ndependencies = []\n", ["", "", ""], &["crates/c/Cargo.toml:0"]);
        check(edges, &format!("{LAYERS}[crates.d]\ndependencies = []\n"), ["", "", ""], &["xtask/layers.toml:0"]);
        check(edges, "crates = 1", ["", "", ""], &["xtask/layers.toml:0"]);
    }

    #[test]
    fn pure_crates_stand_on_pure_ones() {
        let pure_on = |pure: &str| {
            format!(
                "[crates.a]\ndependencies = []\n{pure}[crates.b]\ndependencies = [\"a\"]\npure = []\n[crates.c]\ndependencies = [\"a\"]\n"
            )
        };
        check(edges, &pure_on("pure = []\n"), ["", "", ""], &[]);
        check(edges, &pure_on(""), ["", "", ""], &["xtask/layers.toml:0"]);
    }

    #[test]
    fn pure_crates_have_an_allow_list() {
        check(third_party, LAYERS, ["[dependencies]\nhex.workspace = true\n[dev-dependencies]\ntokio.workspace = true", "", ""], &[]);
        check(third_party, LAYERS, ["[dependencies]\ntokio.workspace = true", "", ""], &["crates/a/Cargo.toml:0"]);
        check(third_party, LAYERS, ["", "[dependencies]\ntokio.workspace = true", ""], &[]);
    }
}
