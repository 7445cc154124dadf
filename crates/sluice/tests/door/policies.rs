//! The starter set, changed in a few places.

use std::path::Path;
use tempfile::TempDir;

const STARTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/policy/starter");

/// What stands there, and what shall stand there instead.
pub type Change = (&'static str, &'static str);

/// The approval that a copy of a labelled column waits for, of the rule `ci-copies-labelled`.
pub const WITHOUT_APPROVAL: Change = (
    "@hold(\"data-owners, 1, passkey, 1d\")\npermit (principal is Pipeline in Group::\"ci-analytics\", action == Action::\"write_elsewhere\", resource)",
    "permit (principal is Pipeline in Group::\"ci-analytics\", action == Action::\"write_elsewhere\", resource)",
);
/// For tests that ask thousands of times.
pub const WITHOUT_LIMITS: [Change; 2] = [
    ("requests_per_second_max = 50\njobs_at_once_max = 20\n", "requests_per_second_max = 100_000\njobs_at_once_max = 1_000\n"),
    ("requests_per_second_max = 10\njobs_at_once_max = 4\n", "requests_per_second_max = 100_000\njobs_at_once_max = 1_000\n"),
];

/// Each change meets exactly one place, in one file.
pub fn starter_with(changes: &[Change]) -> TempDir {
    changed(changes, Path::new(STARTER))
}

/// The same of any set.
pub fn changed(changes: &[Change], set: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut met = vec![0; changes.len()];
    for entry in std::fs::read_dir(set).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let mut text = std::fs::read_to_string(&path).unwrap();
            for (count, (old, new)) in met.iter_mut().zip(changes) {
                *count += text.matches(old).count();
                text = text.replace(old, new);
            }
            std::fs::write(folder.path().join(path.file_name().unwrap()), text).unwrap();
        }
    }
    assert!(met.iter().all(|count| *count == 1), "{met:?}");
    folder
}
