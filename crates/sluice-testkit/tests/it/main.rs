//! Tests over the whole: engine, analysis and warehouse together.

mod cache;
mod cases;
mod honest;
mod interference;
mod robustness;
