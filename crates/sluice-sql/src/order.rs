//! What a table keeps its rows sorted or apart by: they are read back in that order, and old partitions go.

use sluice_model::{How, Output, Use, UseKind};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sorted {
    pub columns: Vec<(String, UseKind)>,
    /// Its partitions are deleted when they are old.
    pub expires: bool,
}

impl Sorted {
    /// What rows that are written there tell of themselves: as in `CREATE TABLE ... CLUSTER BY`, where something that no column holds can stand among the
    /// values; and of each value that makes its row go one day.
    pub fn told(&self, outputs: &[Output]) -> Vec<Use> {
        let of = |name: &str| outputs.iter().find(|output| output.name.eq_ignore_ascii_case(name)).map(|output| &output.exposures);
        let told = self.columns.iter().filter_map(|(name, how)| Some((of(name)?, *how)));
        let told = told.filter(|(exposures, how)| self.goes(*how) || exposures.iter().any(|exposure| exposure.how >= How::Mixed));
        told.flat_map(|(exposures, how)| exposures.iter().map(move |exposure| Use { column: exposure.column.clone(), how })).collect()
    }

    /// Rows go by the column of their partitions alone.
    fn goes(&self, how: UseKind) -> bool {
        self.expires && how == UseKind::Group
    }
}
