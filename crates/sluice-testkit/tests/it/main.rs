//! Tests over the whole: engine, analysis and warehouse together.

mod cache;
mod cases;
mod functions;
mod honest;
mod interference;
mod required;
mod robustness;
