//! Tests over the whole: engine, analysis and warehouse together.

mod cases;
mod interference;
