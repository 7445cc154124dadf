//! BigQuery's own functions that the engine lacks.

use crate::analyzer::{Analyzer, Refusal};
use crate::binding::Binding;
use crate::world::Bound;
use sluice_model::TableName;

impl Analyzer<'_> {
    pub(crate) fn bind_builtin(&mut self, _path: &[String], _binding: &mut Binding) {}

    pub(crate) fn bind_builtin_table_function(&mut self, _path: &[String], _binding: &mut Binding) -> Result<(), Refusal> {
        Ok(())
    }

    pub(crate) fn information_schema(&mut self, _name: &TableName) -> Option<Bound> {
        None
    }
}
