//! A policy set as a folder: the files that decide, and the cases beside them.

use crate::command::Failure;
use sluice_policy::cases::{self, Case};
use sluice_policy::{BUNDLE_BYTES_MAX, Bundle, PolicySet, Problem};
use std::path::{Path, PathBuf};

pub const CASES_FOLDER: &str = "cases";
const CASES_EXTENSION: &str = "toml";
const CASES_BYTES_MAX: u64 = 4 << 20;

/// Everything in a folder that is a set, read as far as it can be.
pub struct PolicyFolder {
    pub bundle: Bundle,
    pub cases: Vec<Case>,
    /// Of files and cases; what the set itself says wrong is found when it is loaded.
    pub problems: Vec<Problem>,
}

/// The files that decide; whatever else lies in the folder is left out.
pub fn read(folder: &Path) -> Result<PolicyFolder, Failure> {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for path in list(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_file() && Bundle::takes(&name) {
            let bytes_max = u64::try_from(BUNDLE_BYTES_MAX).unwrap_or(u64::MAX);
            match text(&path, bytes_max) {
                Ok(text) => files.push((name, text)),
                Err(why) => problems.push(Problem::new(&name, why)),
            }
        }
    }
    let cases = read_cases(&folder.join(CASES_FOLDER), &mut problems)?;
    Ok(PolicyFolder { bundle: Bundle::new(files), cases, problems })
}

impl PolicyFolder {
    /// The set and its cases, or every problem of both.
    pub fn load(self) -> Result<(PolicySet, Bundle, Vec<Case>), Vec<Problem>> {
        let mut problems = self.problems;
        match PolicySet::load(&self.bundle) {
            Ok(set) if problems.is_empty() => Ok((set, self.bundle, self.cases)),
            Ok(_) => Err(problems),
            Err(found) => {
                // A file that could not be read is missing to the set too: it is said once.
                let unread: Vec<String> = problems.iter().map(|problem| problem.file.clone()).collect();
                problems.extend(found.into_iter().filter(|problem| !unread.contains(&problem.file)));
                problems.sort();
                Err(problems)
            }
        }
    }
}

fn read_cases(folder: &Path, problems: &mut Vec<Problem>) -> Result<Vec<Case>, Failure> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for path in list(folder)?.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == CASES_EXTENSION)) {
        let name = format!("{CASES_FOLDER}/{}", path.file_name().and_then(|name| name.to_str()).unwrap_or_default());
        match text(&path, CASES_BYTES_MAX).map_err(|why| vec![why]).and_then(|text| cases::read(&text)) {
            Ok(cases) => all.extend(cases),
            Err(found) => problems.extend(found.into_iter().map(|text| Problem::new(&name, text))),
        }
    }
    Ok(all)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > bytes_max {
        return Err(format!("{bytes} bytes, at most {bytes_max}"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}
