//! The one place with `unsafe` in this workspace: machine code is mapped from a file that we compiled earlier.
//!
//! wasmtime trusts such a file as it trusts a shared library. The caller has checked before that it belongs to us, that nobody else may
//! write to it, and that its digest is the one that we recorded when we compiled it.

use std::fs::File;
use wasmtime::{Engine, Module};

#[expect(unsafe_code, reason = "the file is our own output: owner, mode and digest were checked on this very handle")]
pub fn map(engine: &Engine, file: File) -> wasmtime::Result<Module> {
    // SAFETY: see the module's head.
    unsafe { Module::deserialize_open_file(engine, file) }
}

#[cfg(feature = "embedded")]
#[expect(unsafe_code, reason = "the bytes are part of this binary: whoever can change them can change the program")]
pub fn copy(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: see the module's head.
    unsafe { Module::deserialize(engine, bytes) }
}
