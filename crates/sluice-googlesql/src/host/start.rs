//! The first instance: initialised, warmed up, and copied as the state that every call starts from.

use super::instance::Instance;
use super::session::Shared;
use super::settings::Settings;
use super::state::State;
use super::table_sets::TableSets;
use super::zoneinfo::Zoneinfo;
use super::{pool, runtime, ticker, wasi};
use crate::artefact::Artefact;
use sluice_sql::engine::Fault;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use wasmtime::Linker;

/// Room in the heap beyond what warming up took.
const HEAP_ROOM_BYTES: u32 = 4 << 20;

/// A procedure and a request to warm up with.
pub type Warming = Vec<(&'static str, Vec<u8>)>;

/// Runs on a thread of its own: start-up code is deep.
pub fn shared(artefact: &Artefact, zoneinfo: Zoneinfo, settings: &Settings, warming: Warming) -> Result<Arc<Shared>, Fault> {
    let fail = |message: String| Fault::Engine { message };
    let (artefact, zoneinfo) = (artefact.clone(), Arc::new(zoneinfo));
    let sets = TableSets::new(settings.table_sets_bytes_max);
    let ticker = ticker::start(artefact.module.engine()).map_err(|fault| fail(fault.to_string()))?;
    let work = move || -> wasmtime::Result<Shared> {
        let mut linker = Linker::new(artefact.module.engine());
        wasi::link(&mut linker)?;
        let module = linker.instantiate_pre(&artefact.module)?;
        let mut instance = Instance::initialized(&module, State::new(zoneinfo.clone(), runtime::MODULE_MEMORY_BYTES_MAX as usize))?;
        for (name, request) in warming {
            instance.call(name, &request)?.map_err(|text| wasmtime::Error::msg(format!("warming up with {name}: {text}")))?;
        }
        instance.make_room(HEAP_ROOM_BYTES)?;
        instance.state().complaint.clear();
        Ok(Shared { base: instance.snapshot(), module, zoneinfo, sets, ticker, restarts: AtomicU64::new(0) })
    };
    let thread = std::thread::Builder::new().name("googlesql-start".to_owned()).stack_size(pool::THREAD_STACK_BYTES);
    let joined = thread.spawn(work).map_err(|fault| fail(fault.to_string()))?.join();
    let made = joined.map_err(|_| fail("the thread that starts it failed".to_owned()))?;
    made.map(Arc::new).map_err(|error| fail(format!("{error:#}")))
}
