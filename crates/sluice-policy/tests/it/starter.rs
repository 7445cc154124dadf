//! The starter set is a set like any other, and has cases for every rule.

use sluice_policy::cases::{self, Case};
use sluice_policy::{Bundle, PolicySet};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/policy/starter")
}

pub fn bundle() -> Bundle {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    Bundle::new(files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())))
}

pub fn load(bundle: &Bundle) -> PolicySet {
    PolicySet::load(bundle).unwrap_or_else(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", problems.join("\n"))
    })
}

fn all_cases() -> Vec<Case> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder().join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| cases::read(&std::fs::read_to_string(file).unwrap()).unwrap()).collect()
}

/// What each case got wrong, as text.
fn wrong(set: &PolicySet, cases: &[Case]) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in cases {
        match cases::run(set, case, &|_| Err("cases of this set say what an analysis says".to_owned())) {
            Ok((_, evaluation)) => wrong.extend(
                cases::mismatches(case, &evaluation)
                    .into_iter()
                    .map(|miss| format!("{}: {}: expected {}, found {}\n{evaluation:#?}", case.name, miss.what, miss.expected, miss.found)),
            ),
            Err(fault) => wrong.push(format!("{}: {fault}", case.name)),
        }
    }
    wrong
}

#[test]
fn every_case_is_answered_as_it_says() {
    let cases = all_cases();
    assert!(cases.len() >= 50, "{} cases", cases.len());
    let wrong = wrong(&load(&bundle()), &cases);
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_is_named_by_a_case() {
    let named: BTreeSet<String> = all_cases().into_iter().flat_map(|case| case.rules).collect();
    let set = load(&bundle());
    let unnamed: Vec<&str> = set.rules().map(|rule| rule.duties.id.as_str()).filter(|id| !named.contains(*id)).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}

/// Takes each rule out in turn. A rule that no case misses is a rule that may be broken without anybody seeing.
#[test]
fn every_rule_is_missed_when_it_is_gone() {
    let cases = all_cases();
    let whole = bundle();
    for (file, text) in whole.policies() {
        let heads: Vec<usize> = text.match_indices("@id(\"").map(|(at, _)| at).collect();
        for (position, start) in heads.iter().enumerate() {
            let end = heads.get(position + 1).copied().unwrap_or(text.len());
            let without = format!("{}{}", text.get(..*start).unwrap(), text.get(end..).unwrap());
            let files = whole.files().map(|(name, text)| (name.to_owned(), if name == file { without.clone() } else { text.to_owned() }));
            let set = load(&Bundle::new(files));
            assert!(!wrong(&set, &cases).is_empty(), "no case misses {}", text.get(*start..end).unwrap().lines().next().unwrap());
        }
    }
}
