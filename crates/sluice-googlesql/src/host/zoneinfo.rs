//! The only files that the engine may read: compiled time zones, by name, below one folder.

use crate::artefact::SetupFault;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the module believes the folder to be.
pub const MOUNT: &str = "/usr/share/zoneinfo";
pub const ZONE_BYTES_MAX: u64 = 1 << 20;
pub const ZONE_NAME_BYTES_MAX: usize = 256;

#[derive(Clone, Debug)]
pub struct Zoneinfo {
    /// Without symbolic links, so that a name that leads out can be told.
    root: PathBuf,
}

impl Zoneinfo {
    /// `SLUICE_ZONEINFO`, else the system's folder.
    #[expect(clippy::disallowed_methods, reason = "the place is the user's to set, the same for every program that uses the engine")]
    pub fn from_environment() -> Result<Zoneinfo, SetupFault> {
        let folder = std::env::var_os("SLUICE_ZONEINFO").filter(|value| !value.is_empty());
        Zoneinfo::open(folder.as_deref().map_or(Path::new(MOUNT), Path::new))
    }

    pub fn open(folder: &Path) -> Result<Zoneinfo, SetupFault> {
        let missing = || SetupFault::Zoneinfo { path: folder.display().to_string() };
        let zoneinfo = Zoneinfo { root: folder.canonicalize().map_err(|_| missing())? };
        // The engine loads this one when it starts, whatever zone a statement asks for.
        zoneinfo.read("America/Los_Angeles").map(|_| zoneinfo.clone()).ok_or_else(missing)
    }

    /// The zone's bytes. Nothing for a name that is no plain path, that leads out of the folder, or that is no small file.
    pub fn read(&self, name: &str) -> Option<Arc<[u8]>> {
        if name.len() > ZONE_NAME_BYTES_MAX || !name.split('/').all(plain) {
            return None;
        }
        let path = self.root.join(name).canonicalize().ok()?;
        if !path.starts_with(&self.root) {
            return None;
        }
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || metadata.len() > ZONE_BYTES_MAX {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(ZONE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes.into())
    }
}

/// Letters, digits and the signs that zones' names hold; no dots, so no way up.
fn plain(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: bool) {
        let zoneinfo = Zoneinfo::from_environment().expect("time zone data");
        assert_eq!(zoneinfo.read(name).is_some(), expect, "{name}");
    }

    #[test]
    fn only_zones_are_read() {
        check("UTC", true);
        check("Europe/Berlin", true);
        check("Etc/GMT+3", true);
        check("Europe", false);
        check("../../../etc/passwd", false);
        check("Europe/../UTC", false);
        check("/etc/passwd", false);
        check("Europe//Berlin", false);
        check("localtime\0", false);
        check("", false);
        check(&"a".repeat(10_000), false);
    }

    #[test]
    fn a_missing_folder_names_the_package() {
        let fault = Zoneinfo::open(Path::new("/nonexistent")).err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(fault.contains("tzdata"), "{fault}");
    }
}
