//! The starter set, for tests that need a whole one. That it says what its cases say is tested with the program, which has the engine.

use sluice_policy::{Bundle, PolicySet};
use std::path::{Path, PathBuf};

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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/policy/starter")
}
