//! The engine as an installed thing. `install` obtains, verifies and compiles it (seconds, perhaps the network); `Artefact::load` only maps it.
//!
//! Google's GoogleSQL is no part of this repository. It is taken, as a WebAssembly module, out of one exact file of the Python package index.

mod debug_checks;
mod fault;
mod memory_section;
mod native;
mod python_bytes;
mod store;
mod wheel;

pub use fault::SetupFault;
pub use store::{MANIFEST_FILE, MODULE_FILE, Place, SCHEMA_FILE};
pub use wheel::{Sources, WHEEL_FILE, WHEEL_SHA256};

use crate::host::runtime;
use crate::schema::Schema;
use std::path::{Path, PathBuf};

/// Where an installation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    pub folder: PathBuf,
}

/// The compiled engine in memory, ready for any number of instances.
#[derive(Clone)]
pub struct Artefact {
    pub(crate) module: wasmtime::Module,
    pub(crate) schema: std::sync::Arc<Schema>,
}

/// Obtains the wheel, compiles its module and stores the result. Takes about 15 s of both processors and 1 GiB of memory.
pub fn install(sources: &Sources, place: &Place) -> Result<Installed, SetupFault> {
    let folder = place.artefact();
    let scratch = store::scratch(&folder)?;
    let contents = wheel::obtain(sources, &scratch).and_then(|bytes| wheel::unpack(&bytes));
    let _ = std::fs::remove_dir_all(&scratch);
    let contents = contents?;
    Schema::read(&contents.schema).map_err(|fault| SetupFault::Wheel { message: fault.to_string() })?;
    let module = memory_section::unshare(&contents.module, runtime::MODULE_MEMORY_PAGES_MAX)
        .ok_or_else(|| SetupFault::Wheel { message: "the module's memory section is not as expected".to_owned() })?;
    let module = debug_checks::take_out(module)
        .ok_or_else(|| SetupFault::Wheel { message: "the module's functions are not as expected".to_owned() })?;
    let failed = |fault: wasmtime::Error| SetupFault::Compile { message: format!("{fault:#}") };
    let compiled = runtime::engine().and_then(|engine| engine.precompile_module(&module)).map_err(failed)?;
    store::write(&folder, &compiled, &contents.schema)?;
    Ok(Installed { folder })
}

/// As `install`, unless a sound artefact is there.
pub fn install_if_missing(sources: &Sources, place: &Place) -> Result<Installed, SetupFault> {
    let folder = place.artefact();
    match store::read(&folder) {
        Ok(_) => Ok(Installed { folder }),
        Err(_) => install(sources, place),
    }
}

impl Artefact {
    /// Never compiles and never touches the network.
    pub fn load(place: &Place) -> Result<Artefact, SetupFault> {
        Artefact::load_folder(&place.artefact())
    }

    pub fn load_folder(folder: &Path) -> Result<Artefact, SetupFault> {
        let stored = store::read(folder)?;
        let unusable = |message: String| SetupFault::Stale { path: folder.display().to_string(), message };
        let schema = Schema::read(&stored.schema).map_err(|fault| unusable(fault.to_string()))?;
        let engine = runtime::engine().map_err(|fault| unusable(format!("{fault:#}")))?;
        let module = native::map(&engine, stored.module).map_err(|fault| unusable(format!("{fault:#}")))?;
        Ok(Artefact { module, schema: schema.into() })
    }

    /// The artefact that was put into this binary when it was built.
    #[cfg(feature = "embedded")]
    pub fn embedded() -> Result<Artefact, SetupFault> {
        static MODULE: &[u8] = include_bytes!(concat!(env!("SLUICE_ARTEFACT"), "/module.cwasm"));
        static SCHEMA: &[u8] = include_bytes!(concat!(env!("SLUICE_ARTEFACT"), "/schema.bin"));
        let unusable = |message: String| SetupFault::Stale { path: "this binary".to_owned(), message };
        let schema = Schema::read(SCHEMA).map_err(|fault| unusable(fault.to_string()))?;
        let engine = runtime::engine().map_err(|fault| unusable(format!("{fault:#}")))?;
        let module = native::copy(&engine, MODULE).map_err(|fault| unusable(format!("{fault:#}")))?;
        Ok(Artefact { module, schema: schema.into() })
    }
}
