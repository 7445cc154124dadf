//! The 18 system calls that the module imports, and nothing behind them but time zones, a clock and random bytes.
//!
//! No network, no environment, no arguments, no directory but one, no writing but to a bounded buffer.

use super::state::{Open, State};
use super::zoneinfo::MOUNT;
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};
use wasmtime::{Caller, Error, Linker, Result};

const MODULE: &str = "wasi_snapshot_preview1";

/// Error numbers of WASI preview 1.
const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const FAULT: i32 = 21;
const INVAL: i32 = 28;
const IO: i32 = 29;
const MFILE: i32 = 33;
const NOENT: i32 = 44;
const NOTSUP: i32 = 58;

const FOLDER: u32 = 3;
const FIRST_FILE: u32 = 4;
const OPEN_FILES_MAX: u32 = 32;
const CLOCK_REALTIME: i32 = 0;
const TYPE_DIRECTORY: u8 = 3;
const TYPE_FILE: u8 = 4;
const TYPE_TERMINAL: u8 = 2;
/// path_open's flags that ask for something else than an existing file.
const OPEN_FLAGS_CREATE_DIRECTORY_EXCLUSIVE_TRUNCATE: i32 = 0b1111;
const RANDOM_BYTES_MAX: u32 = 64 << 10;
const VECTORS_MAX: u32 = 1_024;

type Errno = std::result::Result<(), i32>;

pub fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(MODULE, "environ_get", |_: Caller<'_, State>, _: i32, _: i32| SUCCESS)?;
    linker.func_wrap(MODULE, "environ_sizes_get", |mut caller: Caller<'_, State>, count: i32, size: i32| {
        with(&mut caller, |memory, _| put(memory, count, &0u32.to_le_bytes()).and_then(|()| put(memory, size, &0u32.to_le_bytes())))
    })?;
    linker.func_wrap(MODULE, "clock_time_get", |mut caller: Caller<'_, State>, clock: i32, _: i64, to: i32| {
        with(&mut caller, |memory, state| put(memory, to, &clock_time(state, clock).to_le_bytes()))
    })?;
    linker.func_wrap(MODULE, "random_get", |mut caller: Caller<'_, State>, to: i32, length: i32| {
        with(&mut caller, |memory, _| random(memory, to, length.cast_unsigned()))
    })?;
    linker.func_wrap(MODULE, "sched_yield", |_: Caller<'_, State>| SUCCESS)?;
    linker.func_wrap(MODULE, "poll_oneoff", |_: Caller<'_, State>, _: i32, _: i32, _: i32, _: i32| NOTSUP)?;
    linker.func_wrap(MODULE, "proc_exit", |_: Caller<'_, State>, code: i32| -> Result<()> {
        Err(Error::msg(format!("exit with code {code}")))
    })?;
    link_files(linker)
}

fn link_files(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(MODULE, "fd_close", |mut caller: Caller<'_, State>, file: i32| {
        with(&mut caller, |_, state| state.files.remove(&file.cast_unsigned()).map(drop).ok_or(BADF))
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |mut caller: Caller<'_, State>, file: i32, to: i32| {
        with(&mut caller, |memory, state| file_status(memory, state, file.cast_unsigned(), to))
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", |_: Caller<'_, State>, _: i32, _: i32| NOTSUP)?;
    linker.func_wrap(MODULE, "fd_prestat_get", |mut caller: Caller<'_, State>, file: i32, to: i32| {
        let length = u32::try_from(MOUNT.len()).unwrap_or(0);
        with(&mut caller, |memory, _| {
            folder(file)?;
            put(memory, to, &0u32.to_le_bytes())?;
            put(memory, to.wrapping_add(4), &length.to_le_bytes())
        })
    })?;
    linker.func_wrap(MODULE, "fd_prestat_dir_name", |mut caller: Caller<'_, State>, file: i32, to: i32, length: i32| {
        with(&mut caller, |memory, _| {
            folder(file)?;
            put(memory, to, MOUNT.as_bytes().get(..length.cast_unsigned() as usize).ok_or(INVAL)?)
        })
    })?;
    linker.func_wrap(MODULE, "fd_read", |mut caller: Caller<'_, State>, file: i32, vectors: i32, count: i32, read: i32| {
        with(&mut caller, |memory, state| {
            let open = state.files.get_mut(&file.cast_unsigned()).ok_or(BADF)?;
            let length = scatter(memory, vectors, count, &open.bytes, open.position)?;
            open.position = open.position.saturating_add(length.into());
            put(memory, read, &length.to_le_bytes())
        })
    })?;
    linker.func_wrap(MODULE, "fd_pread", |mut caller: Caller<'_, State>, file: i32, vectors: i32, count: i32, at: i64, read: i32| {
        with(&mut caller, |memory, state| {
            let open = state.files.get(&file.cast_unsigned()).ok_or(BADF)?;
            let length = scatter(memory, vectors, count, &open.bytes, at.cast_unsigned())?;
            put(memory, read, &length.to_le_bytes())
        })
    })?;
    linker.func_wrap(MODULE, "fd_seek", |mut caller: Caller<'_, State>, file: i32, offset: i64, whence: i32, to: i32| {
        with(&mut caller, |memory, state| seek(memory, state, file.cast_unsigned(), offset, whence, to))
    })?;
    linker.func_wrap(MODULE, "fd_write", |mut caller: Caller<'_, State>, file: i32, vectors: i32, count: i32, written: i32| {
        with(&mut caller, |memory, state| write(memory, state, file, vectors, count, written))
    })?;
    linker.func_wrap(
        MODULE,
        "path_filestat_get",
        |mut caller: Caller<'_, State>, file: i32, _: i32, path: i32, length: i32, to: i32| {
            with(&mut caller, |memory, state| {
                folder(file)?;
                let bytes = state.zoneinfo.read(name(memory, path, length)?).ok_or(NOENT)?;
                let mut status = [0u8; 64];
                put(&mut status, 16, &[TYPE_FILE])?;
                put(&mut status, 24, &1u64.to_le_bytes())?;
                put(&mut status, 32, &(bytes.len() as u64).to_le_bytes())?;
                put(memory, to, &status)
            })
        },
    )?;
    linker.func_wrap(MODULE, "path_open", path_open)?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the system call has nine, and the runtime wants them one by one")]
fn path_open(
    mut caller: Caller<'_, State>,
    file: i32,
    _lookup: i32,
    path: i32,
    length: i32,
    flags: i32,
    _rights: i64,
    _inherited: i64,
    _modes: i32,
    to: i32,
) -> i32 {
    with(&mut caller, |memory, state| {
        folder(file)?;
        if flags & OPEN_FLAGS_CREATE_DIRECTORY_EXCLUSIVE_TRUNCATE != 0 {
            return Err(NOTSUP);
        }
        let bytes = state.zoneinfo.read(name(memory, path, length)?).ok_or(NOENT)?;
        let free = (FIRST_FILE..FIRST_FILE + OPEN_FILES_MAX).find(|number| !state.files.contains_key(number)).ok_or(MFILE)?;
        state.files.insert(free, Open { bytes, position: 0 });
        put(memory, to, &free.to_le_bytes())
    })
}

/// Runs a call on the module's memory and our state. A module without memory has nothing to call for.
fn with(caller: &mut Caller<'_, State>, call: impl FnOnce(&mut [u8], &mut State) -> Errno) -> i32 {
    let Some(memory) = caller.get_export("memory").and_then(wasmtime::Extern::into_memory) else { return FAULT };
    let (bytes, state) = memory.data_and_store_mut(caller);
    call(bytes, state).err().unwrap_or(SUCCESS)
}

fn folder(file: i32) -> Errno {
    if file.cast_unsigned() == FOLDER { Ok(()) } else { Err(BADF) }
}

fn clock_time(state: &State, clock: i32) -> u64 {
    let since = match clock {
        CLOCK_REALTIME => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        _ => state.started.elapsed(),
    };
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn random(memory: &mut [u8], to: i32, length: u32) -> Errno {
    if length > RANDOM_BYTES_MAX {
        return Err(INVAL);
    }
    let target = slice_mut(memory, to, length)?;
    std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(target)).map_err(|_| IO)
}

fn file_status(memory: &mut [u8], state: &State, file: u32, to: i32) -> Errno {
    let kind = match file {
        0..=2 => TYPE_TERMINAL,
        FOLDER => TYPE_DIRECTORY,
        _ if state.files.contains_key(&file) => TYPE_FILE,
        _ => return Err(BADF),
    };
    let mut status = [0u8; 24];
    put(&mut status, 0, &[kind])?;
    // All rights: what is not provided for is refused by the calls themselves.
    put(&mut status, 8, &[0xff; 16])?;
    put(memory, to, &status)
}

fn seek(memory: &mut [u8], state: &mut State, file: u32, offset: i64, whence: i32, to: i32) -> Errno {
    let open = state.files.get_mut(&file).ok_or(BADF)?;
    let from = match whence {
        0 => 0,
        1 => open.position,
        2 => open.bytes.len() as u64,
        _ => return Err(INVAL),
    };
    open.position = from.checked_add_signed(offset).ok_or(INVAL)?;
    put(memory, to, &open.position.to_le_bytes())
}

fn write(memory: &mut [u8], state: &mut State, file: i32, vectors: i32, count: i32, written: i32) -> Errno {
    if !matches!(file, 1 | 2) {
        return Err(BADF);
    }
    let mut total = 0u32;
    for (start, length) in buffers(memory, vectors, count)? {
        state.complaint(slice(memory, start, length)?);
        total = total.checked_add(length).ok_or(INVAL)?;
    }
    put(memory, written, &total.to_le_bytes())
}

/// Copies from `position` of `bytes` into the module's buffers; the number of bytes copied.
fn scatter(memory: &mut [u8], vectors: i32, count: i32, bytes: &[u8], position: u64) -> std::result::Result<u32, i32> {
    let position = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
    let mut rest = bytes.get(position..).unwrap_or_default();
    let mut total = 0u32;
    for (start, length) in buffers(memory, vectors, count)? {
        let (now, later) = rest.split_at_checked(length as usize).unwrap_or((rest, &[]));
        put(memory, start, now)?;
        rest = later;
        total += u32::try_from(now.len()).unwrap_or(0);
    }
    Ok(total)
}

fn buffers(memory: &[u8], vectors: i32, count: i32) -> std::result::Result<Vec<(i32, u32)>, i32> {
    let count = count.cast_unsigned();
    if count > VECTORS_MAX {
        return Err(INVAL);
    }
    let table = slice(memory, vectors, count * 8)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).unwrap_or(0);
    Ok(table.chunks_exact(8).map(|pair| pair.split_at(4)).map(|(start, length)| (number(start).cast_signed(), number(length))).collect())
}

fn name(memory: &[u8], path: i32, length: i32) -> std::result::Result<&str, i32> {
    std::str::from_utf8(slice(memory, path, length.cast_unsigned())?).map_err(|_| NOENT)
}

fn slice(memory: &[u8], start: i32, length: u32) -> std::result::Result<&[u8], i32> {
    let start = start.cast_unsigned() as usize;
    memory.get(start..start + length as usize).ok_or(FAULT)
}

fn slice_mut(memory: &mut [u8], start: i32, length: u32) -> std::result::Result<&mut [u8], i32> {
    let start = start.cast_unsigned() as usize;
    memory.get_mut(start..start + length as usize).ok_or(FAULT)
}

fn put(memory: &mut [u8], start: i32, bytes: &[u8]) -> Errno {
    slice_mut(memory, start, u32::try_from(bytes.len()).map_err(|_| FAULT)?)?.copy_from_slice(bytes);
    Ok(())
}
