//! What every `Cargo.toml` of the workspace has to say.

use super::layers::Layers;
use super::{File, Finding, Tree};
use toml::{Table, Value};

pub struct Manifest {
    pub path: String,
    pub name: String,
    pub dependencies: Vec<Dependency>,
    table: Table,
}

pub struct Dependency {
    pub name: String,
    pub kind: Kind,
    inherited: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Dev,
    /// Of the crate itself or of its build script.
    Normal,
}

/// The manifests of all crates, or what is wrong with some.
pub fn read(tree: &Tree) -> Result<Vec<Manifest>, Vec<Finding>> {
    let mut manifests = Vec::new();
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_manifest(file)) {
        match parse(file) {
            Ok(manifest) => manifests.push(manifest),
            Err(text) => findings.push(Finding::new(&file.path, 0, text)),
        }
    }
    if findings.is_empty() { Ok(manifests) } else { Err(findings) }
}

/// Versions and features are declared once, at the root.
pub fn inherited_dependencies(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in read(tree).unwrap_or_default() {
        for dependency in manifest.dependencies.iter().filter(|dependency| !dependency.inherited) {
            findings.push(Finding::new(&manifest.path, 0, format!("dependency `{}` without `workspace = true`", dependency.name)));
        }
    }
    findings
}

/// One table of lints. A crate that may hold `unsafe` cannot inherit `forbid`, so it carries a copy that differs in that word alone.
pub fn lints(tree: &Tree) -> Vec<Finding> {
    let (Ok(layers), Ok(manifests)) = (Layers::read(tree), read(tree)) else { return Vec::new() };
    let root: Table = tree.file("Cargo.toml").and_then(|file| file.text.parse().ok()).unwrap_or_default();
    let shared = root.get("workspace").and_then(|workspace| workspace.get("lints")).cloned();
    let inherits: Value = Table::from_iter([("workspace".to_owned(), Value::Boolean(true))]).into();
    let mut findings = Vec::new();
    for manifest in &manifests {
        let (expected, complaint) = if layers.unsafe_files.contains_key(&manifest.name) {
            (shared.clone().and_then(with_unsafe_denied), "[lints] is not the root's table with `unsafe_code = \"deny\"`")
        } else {
            (Some(inherits.clone()), "[lints] without `workspace = true` alone")
        };
        if expected.is_none() || manifest.table.get("lints") != expected.as_ref() {
            findings.push(Finding::new(&manifest.path, 0, complaint));
        }
    }
    findings
}

fn with_unsafe_denied(mut lints: Value) -> Option<Value> {
    let level = lints.get_mut("rust")?.get_mut("unsafe_code")?;
    *level = Value::String("deny".to_owned());
    Some(lints)
}

fn is_manifest(file: &File) -> bool {
    let parts: Vec<&str> = file.path.split('/').collect();
    matches!(parts.as_slice(), ["crates", _, "Cargo.toml"] | ["xtask", "Cargo.toml"])
}

fn parse(file: &File) -> Result<Manifest, String> {
    let table: Table = file.text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let name = table.get("package").and_then(|package| package.get("name")).and_then(Value::as_str).unwrap_or_default().to_owned();
    if file.crate_name() != Some(&name) {
        return Err(format!("the crate is called `{name}`, its folder is not"));
    }
    let targets = table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let dependencies = std::iter::once(&table).chain(targets).flat_map(dependencies).collect();
    Ok(Manifest { path: file.path.clone(), name, dependencies, table })
}

fn dependencies(table: &Table) -> Vec<Dependency> {
    let kinds = [("dependencies", Kind::Normal), ("build-dependencies", Kind::Normal), ("dev-dependencies", Kind::Dev)];
    let mut found = Vec::new();
    for (section, kind) in kinds {
        for (name, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
            let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
            found.push(Dependency { name: name.clone(), kind, inherited });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    const ROOT: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n[workspace.lints.clippy]\npanic = \"deny\"\n";
    const LAYERS: &str = "[crates]\n[unsafe]\nb = \"crates/b/src/a.rs\"\n";
    const INHERITED: &str = "[lints]\nworkspace = true\n";
    const COPIED: &str = "[lints.rust]\nunsafe_code = \"deny\"\n[lints.clippy]\npanic = \"deny\"\n";

    fn check(rule: fn(&Tree) -> Vec<Finding>, name: &str, rest: &str, expect: &[&str]) {
        let manifest = format!("[package]\nname = \"{name}\"\n{rest}");
        let path = format!("crates/{name}/Cargo.toml");
        assert_eq!(places(rule, &[("Cargo.toml", ROOT), ("xtask/layers.toml", LAYERS), (&path, &manifest)]), expect, "{rest}");
    }

    #[test]
    fn dependencies_come_from_the_root() {
        check(inherited_dependencies, "a", "[dependencies]\nx.workspace = true\ny = { workspace = true, features = [\"z\"] }", &[]);
        check(inherited_dependencies, "a", "[dependencies]\nx = \"1\"", &["crates/a/Cargo.toml:0"]);
        check(inherited_dependencies, "a", "[dev-dependencies]\nx = { path = \"../x\" }", &["crates/a/Cargo.toml:0"]);
        check(inherited_dependencies, "a", "[target.'cfg(unix)'.dependencies]\nx = { version = \"1\" }", &["crates/a/Cargo.toml:0"]);
    }

    #[test]
    fn lints_come_from_the_root() {
        check(lints, "a", INHERITED, &[]);
        check(lints, "a", "", &["crates/a/Cargo.toml:0"]);
        check(lints, "a", COPIED, &["crates/a/Cargo.toml:0"]);
        check(lints, "b", COPIED, &[]);
        check(lints, "b", INHERITED, &["crates/b/Cargo.toml:0"]);
        check(lints, "b", "[lints.rust]\nunsafe_code = \"deny\"", &["crates/b/Cargo.toml:0"]);
        check(lints, "b", &COPIED.replace("\"deny\"\n[", "\"allow\"\n["), &["crates/b/Cargo.toml:0"]);
    }

    #[test]
    fn broken_manifests_are_reported() {
        let found =
            |path: &str, text: &str| read(&Tree { files: vec![File::new(path, text)], binaries: Vec::new() }).map(|found| found.len());
        assert_eq!(found("crates/a/Cargo.toml", "[package]\nname = \"a\""), Ok(1));
        assert!(found("crates/a/Cargo.toml", "[package]\nname = \"b\"").is_err());
        assert!(found("crates/a/Cargo.toml", "[package").is_err());
        assert_eq!(found("fuzz/Cargo.toml", "[package"), Ok(0));
    }
}
