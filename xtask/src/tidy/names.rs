//! A file called after nothing collects everything.

use super::scanner::{self, Part};
use super::{File, Finding};

const BANNED: &[&str] = &["common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"];

pub fn files(file: &File) -> Vec<Finding> {
    let parts = file.path.split('/').map(|part| part.split('.').find(|word| !word.is_empty()).unwrap_or(part));
    parts.filter(|name| is_banned(name)).map(|name| Finding::new(&file.path, 0, advice(name))).collect()
}

pub fn modules(file: &File) -> Vec<Finding> {
    if !file.has_extension(&["rs"]) {
        return Vec::new();
    }
    let view = scanner::only(&file.text, &[Part::Code]);
    let tokens = scanner::tokens(&view);
    let names = tokens.iter().zip(tokens.iter().skip(1)).filter(|(word, name)| word.text == "mod" && is_banned(name.text));
    names.map(|(_, name)| Finding::new(&file.path, name.line, advice(name.text))).collect()
}

fn is_banned(name: &str) -> bool {
    name.split(['-', '_']).any(|word| BANNED.contains(&word.to_ascii_lowercase().as_str()))
}

fn advice(name: &str) -> String {
    format!("`{name}` says nothing: name it after what it holds")
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn empty_names_of_files_are_found() {
        for path in ["a/utils.rs", "a/common/mod.rs", "a/string_helpers.py", "a/JobManager.rs/misc.sql"] {
            assert_eq!(lines(files, path, ""), [0], "{path}");
        }
        for path in ["a/commons.rs", "a/statement.rs", ".gitignore", "Makefile"] {
            assert!(lines(files, path, "").is_empty(), "{path}");
        }
    }

    #[test]
    fn empty_names_of_modules_are_found() {
        assert_eq!(lines(modules, "a.rs", "mod name;\npub mod utils {\n}\n"), [2]);
        assert!(lines(modules, "a.rs", "mod name; // mod utils\nlet helpers = 1;").is_empty());
        assert!(lines(modules, "a.md", "mod utils;").is_empty());
    }
}
