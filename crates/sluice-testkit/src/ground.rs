//! What every test stands on: the engine, started once a process, and catalogs out of folders of resources.

use sluice_googlesql::artefact::{Artefact, Place};
use sluice_googlesql::{GoogleSql, Settings};
use sluice_sql::catalog::Snapshot;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A machine that runs many tests at once is slow. What a call may take in service is for `robustness` to test.
const ANALYSIS_MILLISECONDS_MAX: u64 = 60_000;

/// The engine. Tests need it installed (`make setup`); without it they fail, they do not pass.
pub fn engine() -> &'static GoogleSql {
    static ENGINE: OnceLock<Result<GoogleSql, String>> = OnceLock::new();
    let started = ENGINE.get_or_init(|| {
        let artefact = Artefact::load(&Place::from_environment()).map_err(|fault| fault.to_string())?;
        let mut settings = Settings::default();
        settings.analysis.milliseconds_max = ANALYSIS_MILLISECONDS_MAX;
        GoogleSql::start(&artefact, settings).map_err(|fault| fault.to_string())
    });
    match started {
        Ok(engine) => engine,
        Err(why) => abandon(why),
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The demo's clinic, shop and staging datasets.
pub fn clinic() -> Snapshot {
    snapshot(&root().join("examples/clinic"))
}

pub fn snapshot(folder: &Path) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| abandon(&format!("{}: {error}", folder.display())));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            let inner = self::snapshot(&path);
            snapshot.tables.extend(inner.tables);
            snapshot.routines.extend(inner.routines);
            snapshot.models.extend(inner.models);
        }
        if path.extension().is_some_and(|extension| extension == "json") {
            let added = std::fs::read(&path)
                .map_err(|error| error.to_string())
                .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
                .and_then(|resource| sluice_wire::add(&resource, &mut snapshot).map_err(|error| error.to_string()));
            added.unwrap_or_else(|error| abandon(&format!("{}: {error}", path.display())));
        }
    }
    snapshot
}

#[expect(clippy::panic, reason = "a test without its ground must fail, and say why")]
pub(crate) fn abandon(why: &str) -> ! {
    panic!("{why}")
}
