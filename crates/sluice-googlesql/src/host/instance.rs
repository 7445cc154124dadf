//! One running copy of the module: how to call it, how to copy its state out and how to put it back.

use super::snapshot::Snapshot;
use super::state::State;
use super::table_sets::TableSet;
use std::collections::HashMap;
use wasmtime::{AsContextMut, Error, InstancePre, Memory, Result, Store, TypedFunc};

type Method = TypedFunc<(i32, i32, i32), i32>;

/// Bytes before a request in its buffer, for the length of the answer.
const HEAD_BYTES: u32 = 8;
const METHOD_PREFIX: &str = "ZetaSqlLocalService_";

pub struct Instance {
    store: Store<State>,
    instance: wasmtime::Instance,
    memory: Memory,
    malloc: TypedFunc<i32, i32>,
    free: TypedFunc<i32, ()>,
    last_error: TypedFunc<(), i32>,
    last_error_size: TypedFunc<(), i32>,
    methods: HashMap<&'static str, Method>,
    /// Memory is the base snapshot's, to the byte: nothing has run since it was put back.
    at_base: bool,
}

/// What the module says: an answer, or an error's text.
pub type Answer = std::result::Result<Vec<u8>, String>;

impl Instance {
    /// Without the module's own initialisation: only good for putting a snapshot into it.
    pub fn bare(module: &InstancePre<State>, state: State) -> Result<Instance> {
        let mut store = Store::new(module.module().engine(), state);
        store.limiter(|state| state);
        // Only start-up code runs here; the deadline of a call is set with the call.
        store.set_epoch_deadline(u64::from(u32::MAX));
        let instance = module.instantiate(&mut store)?;
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| Error::msg("the module has no memory"))?;
        Ok(Instance {
            malloc: instance.get_typed_func(&mut store, "wasm_malloc")?,
            free: instance.get_typed_func(&mut store, "wasm_free")?,
            last_error: instance.get_typed_func(&mut store, "wasm_get_last_error")?,
            last_error_size: instance.get_typed_func(&mut store, "wasm_get_last_error_size")?,
            methods: HashMap::new(),
            at_base: false,
            memory,
            instance,
            store,
        })
    }

    pub fn initialized(module: &InstancePre<State>, state: State) -> Result<Instance> {
        let mut instance = Instance::bare(module, state)?;
        let initialize = instance.instance.get_typed_func::<(), ()>(&mut instance.store, "_initialize")?;
        initialize.call(&mut instance.store, ())?;
        Ok(instance)
    }

    /// Ends whatever runs next after so many ticks of the engine's clock.
    pub fn deadline(&mut self, ticks: u64) {
        self.store.set_epoch_deadline(ticks);
    }

    pub fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// One remote procedure. An error (not an error's text) means that the instance may not be used again.
    pub fn call(&mut self, name: &'static str, request: &[u8]) -> Result<Answer> {
        self.at_base = false;
        let method = self.method(name)?;
        let length = u32::try_from(request.len()).ok().filter(|length| *length < u32::MAX >> 1);
        let length = length.ok_or_else(|| Error::msg("the request is too large"))?;
        let buffer = self.malloc.call(&mut self.store, (length + HEAD_BYTES).cast_signed())?;
        if buffer == 0 {
            return Err(Error::msg("the module is out of memory"));
        }
        let body = buffer.cast_unsigned() + HEAD_BYTES;
        self.memory.write(&mut self.store, body as usize, request)?;
        let answer = method.call(&mut self.store, (body.cast_signed(), length.cast_signed(), buffer))?;
        let result = if answer == 0 {
            let size = self.last_error_size.call(&mut self.store, ())?;
            let text = self.last_error.call(&mut self.store, ())?;
            match size {
                // An empty message has no bytes to point to.
                0 => Ok(Vec::new()),
                size => Err(String::from_utf8_lossy(self.bytes(text, size)?).into_owned()),
            }
        } else {
            let size = self.bytes(buffer, 4)?.try_into().map(i32::from_le_bytes)?;
            let bytes = self.bytes(answer, size)?.to_vec();
            self.free.call(&mut self.store, answer)?;
            Ok(bytes)
        };
        self.free.call(&mut self.store, buffer)?;
        Ok(result)
    }

    /// Takes memory and gives it back, so that the module's heap has room for ordinary statements without growing.
    pub fn make_room(&mut self, bytes: u32) -> Result<()> {
        self.at_base = false;
        let buffer = self.malloc.call(&mut self.store, bytes.cast_signed())?;
        self.free.call(&mut self.store, buffer)
    }

    pub fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.memory(), &self.store.data().files)
    }

    /// Makes this instance exactly what the base (with the set, if any) was taken of. `false` when it has grown beyond it:
    /// memory never shrinks, so another instance is needed.
    pub fn restore(&mut self, base: &Snapshot, set: Option<&TableSet>) -> Result<bool> {
        let changes = set.map(|set| &set.changes);
        let length = changes.map_or(base.memory_bytes, |changes| changes.memory_bytes);
        let size = self.memory.data_size(&self.store);
        if size > length {
            return Ok(false);
        }
        if size < length {
            self.memory.grow(&mut self.store, ((length - size) as u64).div_ceil(super::runtime::PAGE_BYTES))?;
        }
        let (memory, state) = self.memory.data_and_store_mut(self.store.as_context_mut());
        state.files.clone_from(changes.map_or(&base.files, |changes| &changes.files));
        state.complaint.clear();
        state.memory_refused = false;
        match changes {
            Some(changes) if self.at_base => changes.write_into(memory),
            None if self.at_base => {}
            changes => base.write_into(memory, changes),
        }
        self.at_base = changes.is_none();
        Ok(true)
    }

    fn method(&mut self, name: &'static str) -> Result<Method> {
        if let Some(method) = self.methods.get(name) {
            return Ok(method.clone());
        }
        let method: Method = self.instance.get_typed_func(&mut self.store, &format!("{METHOD_PREFIX}{name}"))?;
        self.methods.insert(name, method.clone());
        Ok(method)
    }

    fn bytes(&self, start: i32, length: i32) -> Result<&[u8]> {
        let start = start.cast_unsigned() as usize;
        let end = start + length.cast_unsigned() as usize;
        self.memory().get(start..end).ok_or_else(|| Error::msg("the module answers with an address outside its memory"))
    }
}
