//! The artefact on disk: a folder with the compiled module, the schema and a manifest, named by everything that they depend on.
//!
//! A folder is written under another name and then renamed, so that nobody sees half of one and two installations at once do no harm.

use super::fault::{SetupFault, on};
use super::wheel::WHEEL_SHA256;
use crate::host::runtime;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const MODULE_FILE: &str = "module.cwasm";
pub const SCHEMA_FILE: &str = "schema.bin";
pub const MANIFEST_FILE: &str = "manifest.json";
/// Counts up when the meaning of any of the three files changes, or what is done to the module before it is compiled.
pub const FORMAT_VERSION: u64 = 2;
pub const SCHEMA_BYTES_MAX: u64 = 16 << 20;
const MANIFEST_BYTES_MAX: u64 = 64 << 10;
const SCRATCH_PREFIX: &str = ".new-";
/// An installation takes a minute.
const UNFINISHED_SECONDS_MAX: u64 = 86_400;
/// Permission bits that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// The folder that holds artefacts, each in a folder of its own.
#[derive(Clone, Debug)]
pub struct Place {
    pub cache: PathBuf,
}

impl Place {
    /// `SLUICE_CACHE`, else `$XDG_CACHE_HOME/sluice`, else `~/.cache/sluice`.
    #[expect(clippy::disallowed_methods, reason = "the place is the user's to set, the same for every program that uses the engine")]
    pub fn from_environment() -> Place {
        let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = folder("SLUICE_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|path| path.join("sluice")))
            .or_else(|| folder("HOME").map(|path| path.join(".cache").join("sluice")))
            .unwrap_or_else(|| PathBuf::from(".sluice-cache"));
        Place { cache }
    }

    /// The folder of the artefact that this very program can use.
    pub fn artefact(&self) -> PathBuf {
        let description = conditions().to_string();
        let digest = hexadecimal(&Sha256::digest(description.as_bytes()));
        self.cache.join(format!("googlesql-{}", digest.get(..16).unwrap_or_default()))
    }
}

/// Everything that decides whether a compiled module may be used. The fingerprint covers the compiler's settings and the processor's features.
pub fn conditions() -> Value {
    json!({
        "format_version": FORMAT_VERSION,
        "memory_bytes_max": runtime::MODULE_MEMORY_BYTES_MAX,
        "runtime": runtime::RUNTIME,
        "runtime_fingerprint": runtime::fingerprint(),
        "target": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        "wheel_sha256": WHEEL_SHA256,
    })
}

pub fn manifest(module: &[u8], schema: &[u8]) -> Value {
    let digest = |bytes: &[u8]| hexadecimal(&Sha256::digest(bytes));
    json!({ "conditions": conditions(), "module_sha256": digest(module), "schema_sha256": digest(schema) })
}

/// What a loaded folder holds: the module's file is checked, and still open, so that the file that is mapped is the file that was checked.
pub struct Stored {
    pub module: File,
    pub schema: Vec<u8>,
}

pub fn read(folder: &Path) -> Result<Stored, SetupFault> {
    let text = folder.display().to_string();
    if !folder.join(MANIFEST_FILE).is_file() {
        return Err(SetupFault::Missing { path: text });
    }
    private(folder, &folder.metadata().map_err(on(folder))?)?;
    let mut bytes = Vec::new();
    open(folder, MANIFEST_FILE)?.take(MANIFEST_BYTES_MAX).read_to_end(&mut bytes).map_err(on(folder))?;
    let corrupt = |message: &str| SetupFault::Corrupt { path: text.clone(), message: message.to_owned() };
    let manifest: Value = serde_json::from_slice(&bytes).map_err(|fault| corrupt(&format!("{MANIFEST_FILE}: {fault}")))?;
    stale(&text, manifest.get("conditions").unwrap_or(&Value::Null))?;
    let mut schema = Vec::new();
    open(folder, SCHEMA_FILE)?.take(SCHEMA_BYTES_MAX).read_to_end(&mut schema).map_err(on(folder))?;
    if manifest.get("schema_sha256").and_then(Value::as_str) != Some(&hexadecimal(&Sha256::digest(&schema))) {
        return Err(corrupt("the schema's digest differs from the manifest's"));
    }
    let mut module = open(folder, MODULE_FILE)?;
    let mut digest = Sha256::new();
    std::io::copy(&mut module, &mut digest).map_err(on(folder))?;
    if manifest.get("module_sha256").and_then(Value::as_str) != Some(&hexadecimal(&digest.finalize())) {
        return Err(corrupt("the module's digest differs from the manifest's"));
    }
    module.seek(SeekFrom::Start(0)).map_err(on(folder))?;
    Ok(Stored { module, schema })
}

/// Writes a folder in one step. Whoever comes second with a good one keeps the first.
pub fn write(folder: &Path, module: &[u8], schema: &[u8]) -> Result<(), SetupFault> {
    let fresh = scratch(folder)?;
    let manifest = manifest(module, schema).to_string();
    for (name, bytes) in [(MODULE_FILE, module), (SCHEMA_FILE, schema), (MANIFEST_FILE, manifest.as_bytes())] {
        let path = fresh.join(name);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path).map_err(on(&path))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(on(&path))?;
    }
    if std::fs::rename(&fresh, folder).is_ok() {
        return Ok(());
    }
    if read(folder).is_err() {
        let old = scratch(folder)?;
        let aside = old.join("old");
        // Failing is fine here: somebody else may be replacing the same folder.
        let _ = std::fs::rename(folder, &aside);
        let renamed = std::fs::rename(&fresh, folder);
        let _ = std::fs::remove_dir_all(&old);
        if renamed.is_err() {
            read(folder)?;
        }
    }
    let _ = std::fs::remove_dir_all(&fresh);
    Ok(())
}

/// An empty folder of ours next to the artefact, on the same file system.
pub fn scratch(folder: &Path) -> Result<PathBuf, SetupFault> {
    let cache = folder.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(cache).map_err(on(cache))?;
    forget_unfinished(cache);
    for attempt in 0..1_000 {
        let path = cache.join(format!("{SCRATCH_PREFIX}{}-{attempt}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(fault) if fault.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(fault) => return Err(on(&path)(fault)),
        }
    }
    Err(SetupFault::File { path: cache.display().to_string(), message: "too many unfinished installations lie here".to_owned() })
}

/// Removes what installations left behind that were cut off long ago.
fn forget_unfinished(cache: &Path) {
    for entry in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        let old = age.is_some_and(|age| age > Duration::from_secs(UNFINISHED_SECONDS_MAX));
        if old && entry.file_name().to_string_lossy().starts_with(SCRATCH_PREFIX) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stale(path: &str, found: &Value) -> Result<(), SetupFault> {
    let wanted = conditions();
    let changed = wanted.as_object().into_iter().flatten().find(|(name, value)| found.get(name.as_str()) != Some(value));
    changed.map_or(Ok(()), |(name, value)| {
        let found = found.get(name.as_str()).unwrap_or(&Value::Null);
        Err(SetupFault::Stale { path: path.to_owned(), message: format!("{name} is {found}, wanted {value}") })
    })
}

fn open(folder: &Path, name: &str) -> Result<File, SetupFault> {
    let path = folder.join(name);
    let file = File::open(&path).map_err(|fault| SetupFault::Corrupt { path: path.display().to_string(), message: fault.to_string() })?;
    private(&path, &file.metadata().map_err(on(&path))?)?;
    Ok(file)
}

/// Only we (or root) own it, and nobody else may write.
fn private(path: &Path, metadata: &std::fs::Metadata) -> Result<(), SetupFault> {
    let us = std::fs::metadata("/proc/self").map_err(on(Path::new("/proc/self")))?.uid();
    let refuse = |message: &str| Err(SetupFault::Unsafe { path: path.display().to_string(), message: message.to_owned() });
    if metadata.uid() != us && metadata.uid() != 0 {
        return refuse("it belongs to another user");
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        return refuse("others may write to it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sound_folder_stays_and_a_damaged_one_goes() {
        let place = tempfile::tempdir().expect("folder");
        let cache = place.path().join("cache");
        let folder = cache.join("googlesql-test");
        let module = || {
            let mut bytes = Vec::new();
            read(&folder).expect("sound").module.read_to_end(&mut bytes).expect("read");
            bytes
        };
        assert!(matches!(read(&folder), Err(SetupFault::Missing { .. })));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| write(&folder, b"module", b"schema").expect("written"));
            }
        });
        assert_eq!(module(), b"module");
        write(&folder, b"another", b"schema").expect("written");
        assert_eq!(module(), b"module", "a sound one is kept");
        std::fs::write(folder.join(MODULE_FILE), "damaged").expect("written");
        write(&folder, b"another", b"schema").expect("written");
        assert_eq!(module(), b"another");
        let names = std::fs::read_dir(&cache).expect("cache").flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
        assert_eq!(names, ["googlesql-test"], "nothing else is left");
    }
}
