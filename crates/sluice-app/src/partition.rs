//! A table named with a partition: its rows are those in which a column has that value, so it is a filter.

use crate::gateway::Gateway;
use crate::refusal::Why;
use crate::trail::Trail;
use sluice_model::{Analysis, ColumnPath, StatementAnalysis, TableName, Use, UseKind};
use sluice_policy::{Known, Restriction};
use sluice_sql::Required;
use sluice_sql::catalog::Snapshot;

impl Gateway {
    /// What stands for the names of partitions, where columns have such values. By the time of arrival there is none.
    pub(crate) async fn named_partitions(
        &self,
        trail: &Trail,
        connection: &str,
        tables: &[TableName],
        mut known: Known,
    ) -> Result<(Option<Box<Restriction>>, Known), Why> {
        let mut snapshot = Snapshot::default();
        let wanted = Required { tables: tables.to_vec(), ..Required::default() };
        self.look_up(trail, connection, &wanted, &mut snapshot, &mut known).await?;
        let columns = snapshot.tables.values().filter_map(|table| {
            let path = vec![table.partitioned_by.clone()?];
            Some(ColumnPath { table: table.name.clone(), path })
        });
        let uses: Vec<Use> = columns.map(|column| Use { column, how: UseKind::Filter }).collect();
        Ok((restriction(tables, uses).map(Box::new), known))
    }
}

fn restriction(tables: &[TableName], uses: Vec<Use>) -> Option<Restriction> {
    if uses.is_empty() {
        return None;
    }
    let named: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let statement = StatementAnalysis { kind: "SELECT".to_owned(), uses, ..StatementAnalysis::default() };
    let analysis = Analysis { statements: vec![statement], refused: None };
    Some(Restriction { text: format!("-- one partition of {}", named.join(", ")), analysis })
}
