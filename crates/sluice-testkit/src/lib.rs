//! What tests share. Nothing here is part of the product.

pub mod cases;
pub mod fuzz;
pub mod ground;
pub mod honest;
pub mod interference;
pub mod recorded;
