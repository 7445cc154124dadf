//! What may not stand in a file, whoever wrote it.

use super::scanner::{self, Part};
use super::{File, Finding};

/// Split, so that this file passes its own rule.
const MACHINE_PATHS: &[&str] = &[concat!("/", "work/"), concat!("/", "root/"), concat!("/", "tmp/zs")];
const REGISTRY_HOSTS: &[&str] =
    &[concat!("crates", ".io"), concat!("pypi", ".org"), concat!("files.python", "hosted.org"), concat!("registry.npm", "js.org")];

const UNFINISHED_MACROS: &[&str] = &["dbg", "todo", "unimplemented"];
const UNFINISHED_WORDS: &[&str] = &["FIXME", "XXX"];
const PRINTS: &[&str] = &["eprint", "eprintln", "print", "println"];

/// A lint is expected with a reason or obeyed: an `allow` outlives what it was for.
pub fn allowed_lints(file: &File) -> Vec<Finding> {
    if !file.has_extension(&["rs"]) {
        return Vec::new();
    }
    let view = scanner::only(&file.text, &[Part::Code]);
    let tokens = scanner::tokens(&view);
    let mut findings = Vec::new();
    for (open, bracket) in tokens.iter().enumerate().filter(|(_, token)| token.text == "[") {
        let before: Vec<&str> = tokens.iter().take(open).rev().take(2).map(|token| token.text).collect();
        if !matches!(before.as_slice(), ["#", ..] | ["!", "#"]) {
            continue;
        }
        let close = scanner::closing(&tokens, open).unwrap_or(tokens.len());
        let attribute: Vec<&str> = tokens.iter().take(close).skip(open + 1).map(|token| token.text).collect();
        let calls = |word: &str| attribute.windows(2).any(|pair| pair == [word, "("]);
        if calls("allow") {
            findings.push(Finding::new(&file.path, bracket.line, "`allow` of a lint: use `expect` with a reason"));
        }
        if calls("expect") && !attribute.contains(&"reason") {
            findings.push(Finding::new(&file.path, bracket.line, "`expect` of a lint without a reason"));
        }
    }
    findings
}

pub fn machine_paths(file: &File) -> Vec<Finding> {
    // Behind a word it is a part of a relative path, and that may be ours.
    let is_start =
        |before: Option<char>| before.is_none_or(|character| !scanner::is_word(character) && !matches!(character, '.' | '-' | '*'));
    find_text(file, MACHINE_PATHS, is_start, "path of one machine")
}

/// Where packages come from is the user's configuration. The lock file has to name its source.
pub fn registry_hosts(file: &File) -> Vec<Finding> {
    if file.path.ends_with("Cargo.lock") {
        return Vec::new();
    }
    find_text(file, REGISTRY_HOSTS, |before| before.is_none_or(|character| !scanner::is_word(character)), "host of a package registry")
}

/// Only the command line speaks to a terminal; a library returns what it has to say. What a test prints is shown if it fails.
pub fn prints(file: &File) -> Vec<Finding> {
    let exempt = matches!(file.crate_name(), Some("sluice" | "xtask"))
        || file.path.split('/').any(|part| matches!(part, "build.rs" | "examples" | "tests"));
    if exempt || !file.has_extension(&["rs"]) {
        return Vec::new();
    }
    find_macros(file, PRINTS, "only the command line prints")
}

/// Work that is not done is named in the documentation, not left in the code.
pub fn unfinished(file: &File) -> Vec<Finding> {
    if file.has_extension(&["rs"]) {
        let mut findings = find_macros(file, UNFINISHED_MACROS, "left over");
        findings.extend(unfinished_words(&file.path, &scanner::only(&file.text, &[Part::Code, Part::Comment])));
        return findings;
    }
    // Rows and statements may hold any letters.
    if file.has_extension(&["csv", "json", "jsonl", "sql", "txt"]) {
        return Vec::new();
    }
    unfinished_words(&file.path, &file.text)
}

fn unfinished_words(path: &str, text: &str) -> Vec<Finding> {
    let tokens = scanner::tokens(text);
    let found = tokens.iter().filter(|token| UNFINISHED_WORDS.contains(&token.text));
    found.map(|token| Finding::new(path, token.line, format!("`{}` left over", token.text))).collect()
}

fn find_macros(file: &File, names: &[&str], complaint: &str) -> Vec<Finding> {
    let view = scanner::only(&file.text, &[Part::Code]);
    let tokens = scanner::tokens(&view);
    let mut findings = Vec::new();
    for name in names {
        let lines = scanner::lines_of(&tokens, &[name, "!"]);
        findings.extend(lines.into_iter().map(|line| Finding::new(&file.path, line, format!("`{name}!`: {complaint}"))));
    }
    findings
}

fn find_text(file: &File, needles: &[&str], is_start: impl Fn(Option<char>) -> bool, complaint: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for needle in needles {
            let found = line.match_indices(needle).any(|(at, _)| is_start(line.get(..at).and_then(|before| before.chars().next_back())));
            if found {
                findings.push(Finding::new(&file.path, index + 1, format!("`{needle}`: {complaint}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn allowed_lints_are_found() {
        assert_eq!(lines(allowed_lints, "a.rs", "#[allow(dead_code)]\nfn f() {}\n#![allow(x)]"), [1, 3]);
        assert_eq!(lines(allowed_lints, "a.rs", "#[cfg_attr(test, allow(x))]\n#[expect(\n  y\n)]"), [1, 2]);
        let fine = "#[expect(x, reason = \"why\")]\n// #[allow(y)]\nlet z = [allow(1)]; a.expect(\"b\"); v![expect(1)]";
        assert!(lines(allowed_lints, "a.rs", fine).is_empty());
    }

    #[test]
    fn machine_paths_are_found() {
        for path in MACHINE_PATHS {
            assert_eq!(lines(machine_paths, "a.md", &format!("x\n`{path}y`")), [2], "{path}");
            assert_eq!(lines(machine_paths, "a.rs", &format!("f(\"{path}\")")), [1], "{path}");
            assert!(lines(machine_paths, "a.md", &format!("docs{path}")).is_empty(), "{path}");
        }
    }

    #[test]
    fn registry_hosts_are_found() {
        for host in REGISTRY_HOSTS {
            assert_eq!(lines(registry_hosts, "a.sh", &format!("curl https://{host}/x")), [1], "{host}");
            assert_eq!(lines(registry_hosts, "a.sh", &format!("curl https://index.{host}/x")), [1], "{host}");
            assert!(lines(registry_hosts, "a.sh", &format!("my{host}")).is_empty(), "{host}");
            assert!(lines(registry_hosts, "Cargo.lock", host).is_empty(), "{host}");
        }
    }

    #[test]
    fn prints_are_found_outside_the_command_line() {
        let text = "fn f() {\n    println!(\"x\");\n    std::eprint!(\"y\")\n}";
        assert_eq!(lines(prints, "crates/sluice-sql/src/a.rs", text), [3, 2]);
        for path in
            ["crates/sluice/src/a.rs", "xtask/src/a.rs", "crates/sluice-sql/examples/a.rs", "crates/sluice-sql/tests/it/a.rs", "a.md"]
        {
            assert!(lines(prints, path, text).is_empty(), "{path}");
        }
        assert!(lines(prints, "crates/sluice-sql/src/a.rs", "// println!(x)\nwriteln!(\"println!\")").is_empty());
    }

    #[test]
    fn unfinished_work_is_found() {
        for name in UNFINISHED_MACROS {
            assert_eq!(lines(unfinished, "a.rs", &format!("x;\n{name}!()")), [2], "{name}");
            assert!(lines(unfinished, "a.rs", &format!("let {name} = 1; // {name}!")).is_empty(), "{name}");
        }
        for word in UNFINISHED_WORDS {
            assert_eq!(lines(unfinished, "a.rs", &format!("// {word}: later")), [1], "{word}");
            assert_eq!(lines(unfinished, "a.py", &format!("# {word} later")), [1], "{word}");
            assert!(lines(unfinished, "a.rs", &format!("f(\"{word}-12\")")).is_empty(), "{word}");
            assert!(lines(unfinished, "a.sql", &format!("SELECT '{word}-12'")).is_empty(), "{word}");
            assert!(lines(unfinished, "a.md", &format!("{word}Y")).is_empty(), "{word}");
        }
    }
}
