//! Why the engine is not there. Every text says what to do about it.

use std::fmt;

const REMEDY: &str = "run `make setup` or `sluice engine install`";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupFault {
    /// Compiling the module failed.
    Compile {
        message: String,
    },
    /// The package index could not be reached or has no such file.
    Download {
        message: String,
    },
    /// A file or folder could not be read or written.
    File {
        path: String,
        message: String,
    },
    /// The artefact's bytes are not the ones that were stored.
    Corrupt {
        path: String,
        message: String,
    },
    /// The wheel is not the one that this version was built for.
    Hash {
        path: String,
        found: String,
    },
    /// Nothing is installed.
    Missing {
        path: String,
    },
    /// Python is there, its package installer is not.
    PipMissing {
        message: String,
    },
    PythonMissing,
    /// Made by another version of Sluice or of its runtime, or for another machine.
    Stale {
        path: String,
        message: String,
    },
    /// The engine is installed but does not start.
    Start {
        message: String,
    },
    /// Others may write to the artefact.
    Unsafe {
        path: String,
        message: String,
    },
    /// The wheel is the right one but does not hold what we look for.
    Wheel {
        message: String,
    },
    /// The time zone data that GoogleSQL cannot do without is not there.
    Zoneinfo {
        path: String,
    },
}

impl fmt::Display for SetupFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compile { message } => {
                write!(formatter, "the GoogleSQL module did not compile: {message}; report this with your machine type")
            }
            Self::Download { message } => write!(
                formatter,
                "the GoogleSQL wheel could not be downloaded: {message}; check the network, or name another index with SLUICE_GOOGLESQL_INDEX, or a file with SLUICE_GOOGLESQL_WHEEL, then {REMEDY}"
            ),
            Self::File { path, message } => write!(formatter, "`{path}` could not be used: {message}; correct it, then {REMEDY}"),
            Self::Corrupt { path, message } => write!(formatter, "the GoogleSQL engine in `{path}` is damaged: {message}; {REMEDY}"),
            Self::Hash { path, found } => write!(
                formatter,
                "`{path}` is not the GoogleSQL wheel this version needs: its sha256 is {found}, wanted {}; fetch {}, then {REMEDY}",
                super::wheel::WHEEL_SHA256,
                super::wheel::WHEEL_FILE
            ),
            Self::Missing { path } => write!(formatter, "the GoogleSQL engine is not installed in `{path}`: {REMEDY}"),
            Self::PipMissing { message } => write!(
                formatter,
                "python3 has no pip: {message}; install it (Debian: python3-pip), or name the wheel with SLUICE_GOOGLESQL_WHEEL, then {REMEDY}"
            ),
            Self::PythonMissing => write!(
                formatter,
                "python3 is not on the PATH: install it (Debian: python3-pip), or name the wheel with SLUICE_GOOGLESQL_WHEEL, then {REMEDY}"
            ),
            Self::Start { message } => write!(formatter, "the GoogleSQL engine does not start: {message}; {REMEDY}, or report this"),
            Self::Stale { path, message } => {
                write!(
                    formatter,
                    "the GoogleSQL engine in `{path}` was made by another version or for another machine: {message}; {REMEDY}"
                )
            }
            Self::Unsafe { path, message } => {
                write!(formatter, "the GoogleSQL engine in `{path}` is not safe to load: {message}; remove the folder, then {REMEDY}")
            }
            Self::Wheel { message } => write!(formatter, "the GoogleSQL wheel is not built as expected: {message}"),
            Self::Zoneinfo { path } => write!(
                formatter,
                "there is no time zone data in `{path}`, and GoogleSQL needs it: install the Debian package tzdata, or name its folder with SLUICE_ZONEINFO"
            ),
        }
    }
}

impl std::error::Error for SetupFault {}

/// Attaches the path to an IO error.
pub fn on(path: &std::path::Path) -> impl Fn(std::io::Error) -> SetupFault + '_ {
    move |fault| SetupFault::File { path: path.display().to_string(), message: fault.to_string() }
}
