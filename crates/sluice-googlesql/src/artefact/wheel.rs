//! Obtains the wheel, by exact version and hash, and takes out of it what we need: the module and the schema of its messages.

use super::fault::{SetupFault, on};
use super::python_bytes;
use super::store::hexadecimal;
use sha2::{Digest, Sha256};
use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

pub const WHEEL_VERSION: &str = "0.1.5";
pub const WHEEL_FILE: &str = "zetasql-0.1.5-py3-none-any.whl";
pub const WHEEL_SHA256: &str = "17fa5e5aa927fbb647c1812b08ee8ef8c5d36c8e2e83eaa4651d9bc4a8a462f8";
pub const WHEEL_BYTES_MAX: u64 = 64 << 20;
/// One file of the wheel, unpacked.
pub const ENTRY_BYTES_MAX: u64 = 128 << 20;

const REQUIREMENTS_FILE: &str = "requirements.txt";
const MODULE_ENTRY: &str = "zetasql/wasi/zetasql.wasm";
const DESCRIPTOR_ENDING: &str = "_pb2.py";
const DESCRIPTOR_PREFIX: &str = "AddSerializedFile(";
/// Field 1 of a FileDescriptorSet, length-delimited.
const DESCRIPTOR_TAG: u8 = 0x0a;

/// Where the wheel may come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The wheel itself, or a folder that holds it. Nothing is downloaded then.
    pub wheel: Option<PathBuf>,
    /// A pip index other than the default one.
    pub index: Option<String>,
    /// The `PATH` on which python3 is looked up; the process's own when absent.
    pub search_path: Option<PathBuf>,
}

impl Sources {
    /// `SLUICE_GOOGLESQL_WHEEL` and `SLUICE_GOOGLESQL_INDEX`.
    #[expect(clippy::disallowed_methods, reason = "the sources are the user's to set, the same for every program that installs the engine")]
    pub fn from_environment() -> Sources {
        let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Sources { wheel: text("SLUICE_GOOGLESQL_WHEEL").map(PathBuf::from), index: text("SLUICE_GOOGLESQL_INDEX"), search_path: None }
    }
}

pub struct Contents {
    pub module: Vec<u8>,
    /// A FileDescriptorSet.
    pub schema: Vec<u8>,
}

/// The wheel's bytes, with the right hash. `scratch` is an empty folder of ours.
pub fn obtain(sources: &Sources, scratch: &Path) -> Result<Vec<u8>, SetupFault> {
    let path = match &sources.wheel {
        Some(path) if path.is_dir() => path.join(WHEEL_FILE),
        Some(path) => path.clone(),
        None => download(sources, scratch)?,
    };
    let file = std::fs::File::open(&path).map_err(on(&path))?;
    let mut bytes = Vec::new();
    file.take(WHEEL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(on(&path))?;
    let found = hexadecimal(&Sha256::digest(&bytes));
    if found != WHEEL_SHA256 {
        return Err(SetupFault::Hash { path: path.display().to_string(), found });
    }
    Ok(bytes)
}

pub fn unpack(wheel: &[u8]) -> Result<Contents, SetupFault> {
    let damaged = |fault: zip::result::ZipError| SetupFault::Wheel { message: fault.to_string() };
    let mut archive = zip::ZipArchive::new(Cursor::new(wheel)).map_err(damaged)?;
    let (mut module, mut schema) = (None, Vec::new());
    for position in 0..archive.len() {
        let entry = archive.by_index(position).map_err(damaged)?;
        let name = entry.name().to_owned();
        if name != MODULE_ENTRY && !name.ends_with(DESCRIPTOR_ENDING) {
            continue;
        }
        let mut bytes = Vec::new();
        let read = entry.take(ENTRY_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|fault| SetupFault::Wheel { message: format!("`{name}`: {fault}") })?;
        if name == MODULE_ENTRY {
            module = Some(bytes);
            continue;
        }
        let source = String::from_utf8_lossy(&bytes);
        let descriptor = python_bytes::literal(&source, DESCRIPTOR_PREFIX);
        let descriptor = descriptor.ok_or_else(|| SetupFault::Wheel { message: format!("`{name}` holds no descriptor") })?;
        schema.push(DESCRIPTOR_TAG);
        crate::wire::append_varint(&mut schema, descriptor.len() as u64);
        schema.extend(descriptor);
    }
    let module = module.ok_or_else(|| SetupFault::Wheel { message: format!("`{MODULE_ENTRY}` is not in it") })?;
    Ok(Contents { module, schema })
}

/// Lets pip fetch the one file; pip checks the hash too, but we do not rely on it.
fn download(sources: &Sources, scratch: &Path) -> Result<PathBuf, SetupFault> {
    let requirements = scratch.join(REQUIREMENTS_FILE);
    let line = format!("zetasql=={WHEEL_VERSION} --hash=sha256:{WHEEL_SHA256}\n");
    std::fs::write(&requirements, line).map_err(on(&requirements))?;
    let mut command = Command::new("python3");
    if let Some(path) = &sources.search_path {
        command.env("PATH", path);
    }
    command.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]);
    // Python looks for modules where it is started: our own folder holds none.
    command.current_dir(scratch).args(["--dest", ".", "--requirement", REQUIREMENTS_FILE]);
    if let Some(index) = &sources.index {
        command.arg("--index-url").arg(index);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Err(SetupFault::PythonMissing),
        Err(fault) => return Err(SetupFault::Download { message: fault.to_string() }),
    };
    if output.status.success() {
        return Ok(scratch.join(WHEEL_FILE));
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if message.contains("No module named pip") {
        return Err(SetupFault::PipMissing { message });
    }
    Err(SetupFault::Download { message })
}
