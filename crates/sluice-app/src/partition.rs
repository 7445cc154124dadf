//! A table named with a partition: its rows are those in which a column has that value, so it is a filter.

use crate::asked::{MethodAsk, QueryAsk, Reads};
use crate::gateway::{Gateway, Passage};
use crate::refusal::Why;
use crate::trail::{Stage, Trail};
use crate::understand::{Columns, Understood};
use sluice_model::{Analysis, ColumnPath, StatementAnalysis, TableName, Use, UseKind};
use sluice_policy::{Known, Restriction};
use sluice_sql::Required;
use sluice_sql::catalog::{Snapshot, Table};
use std::sync::Arc;

impl Gateway {
    /// What stands for the names of partitions, where columns have such values. By the time of arrival there is none.
    pub(crate) async fn named_partitions(
        &self,
        trail: &Trail,
        connection: &str,
        tables: &[TableName],
        told: Vec<Use>,
        mut known: Known,
    ) -> Result<(Option<Box<Restriction>>, Known), Why> {
        let mut snapshot = Snapshot::default();
        let wanted = Required { tables: tables.to_vec(), ..Required::default() };
        self.look_up(trail, connection, &wanted, &mut snapshot, &mut known).await?;
        let uses = [uses(snapshot.tables.values()), told].concat();
        Ok((restriction(tables, uses).map(Box::new), known))
    }

    /// The same of where a statement's rows go: whether the partition is empty, or what else is there afterwards, tells of the rows that were in it.
    pub(crate) async fn decide_by_partitions(&self, passage: &Passage, ask: &QueryAsk, understood: &mut Understood) -> Result<(), Why> {
        let trail = &passage.visit.trail;
        let mut uses = self.told_there(trail, ask, &understood.analysis).await?;
        if !ask.partitions.is_empty() {
            let (restriction, known) =
                self.named_partitions(trail, &ask.connection, &ask.partitions, Vec::new(), understood.known.clone()).await?;
            understood.known = known;
            let statements = restriction.into_iter().flat_map(|restriction| restriction.analysis.statements);
            uses.extend(statements.flat_map(|statement| statement.uses));
        }
        if !uses.is_empty()
            && let Some(last) = Arc::make_mut(&mut understood.analysis).statements.last_mut()
        {
            last.uses.extend(uses);
        }
        Ok(())
    }

    /// What rows tell by how a table takes and keeps them that is there already, beside what the job itself says of it.
    async fn told_there(&self, trail: &Trail, ask: &QueryAsk, analysis: &Analysis) -> Result<Vec<Use>, Why> {
        let (Some(destination), Some(last)) = (&ask.query.destination, analysis.statements.last()) else { return Ok(Vec::new()) };
        // Of values that no column holds there is nothing to tell.
        if last.outputs.iter().all(|output| output.exposures.is_empty()) {
            return Ok(Vec::new());
        }
        let there = self.there(trail, &ask.connection, &destination.table).await?;
        Ok(there.map(|table| table.told(&last.outputs, destination.brings_columns)).unwrap_or_default())
    }

    /// The same of rows that are copied. A column that takes what one like it has already never fails.
    pub(crate) async fn told_by_copy(&self, trail: &Trail, ask: &MethodAsk, columns: &Columns) -> Result<Vec<Use>, Why> {
        if ask.begins.is_none() || !matches!(ask.reads, Reads::All(_)) {
            return Ok(Vec::new());
        }
        let is_narrow = |name: &TableName, column: &str| {
            let source = columns.snapshot.tables.get(name).and_then(|table| table.columns.iter().find(|known| known.name == column));
            source.is_some_and(|source| source.narrow)
        };
        let fails = |told: &Use| !told.column.path.first().is_some_and(|column| is_narrow(&told.column.table, column));
        let mut uses = Vec::new();
        for table in &ask.changes {
            let there = self.there(trail, &ask.connection, table).await?;
            let told = there.map(|table| table.told(&columns.outputs, false)).unwrap_or_default();
            uses.extend(told.into_iter().filter(|told| told.how != UseKind::Error || fails(told)));
        }
        Ok(uses)
    }

    /// Only how it takes and keeps rows matters: nothing of it is read.
    async fn there(&self, trail: &Trail, connection: &str, table: &TableName) -> Result<Option<Table>, Why> {
        let wanted = Required { tables: vec![table.clone()], ..Required::default() };
        let mut part = trail.walk(Stage::Catalog, self.parts.catalog.fetch(connection, &wanted)).await?;
        Ok(part.snapshot.tables.remove(table))
    }
}

fn uses<'a>(tables: impl Iterator<Item = &'a Table>) -> Vec<Use> {
    let columns = tables.filter_map(|table| {
        let path = vec![table.partitioned_by.clone()?];
        Some(ColumnPath { table: table.name.clone(), path })
    });
    columns.map(|column| Use { column, how: UseKind::Filter }).collect()
}

fn restriction(tables: &[TableName], uses: Vec<Use>) -> Option<Restriction> {
    if uses.is_empty() {
        return None;
    }
    let named: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let text = match named.is_empty() {
        true => "-- rows as another table takes and keeps them".to_owned(),
        false => format!("-- one partition of {}", named.join(", ")),
    };
    let statement = StatementAnalysis { kind: "SELECT".to_owned(), uses, billed: Some(Vec::new()), ..StatementAnalysis::default() };
    let analysis = Analysis { statements: vec![statement], refused: None };
    Some(Restriction { text, analysis })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_sql::catalog::TableKind;

    #[test]
    fn a_partition_by_a_column_is_a_filter_on_it() {
        let check = |tables: &[(&str, Option<&str>)], expect: Option<(&str, &[&str])>| {
            let names: Vec<TableName> = tables.iter().map(|(name, _)| TableName::new("p", "d", name)).collect();
            let tables: Vec<Table> = names.iter().zip(tables).map(|(name, (_, column))| table(name, *column)).collect();
            let found = restriction(&names, uses(tables.iter()));
            let said = found.as_ref().map(|found| {
                let [statement] = found.analysis.statements.as_slice() else { panic!("{found:?}") };
                assert!(statement.uses.iter().all(|used| used.how == UseKind::Filter), "{statement:?}");
                // It reads nothing of its own, and nothing is billed for it.
                assert!(
                    statement.reads.is_empty() && statement.outputs.is_empty() && statement.billed == Some(Vec::new()),
                    "{statement:?}"
                );
                (found.text.as_str(), statement.uses.iter().map(|used| used.column.to_string()).collect::<Vec<_>>())
            });
            let expect = expect.map(|(text, columns)| (text, columns.iter().map(|column| (*column).to_owned()).collect()));
            assert_eq!(said, expect, "{tables:?}");
        };
        check(&[], None);
        check(&[("t", None)], None);
        check(&[("t", Some("born"))], Some(("-- one partition of p.d.t", &["p.d.t.born"])));
        check(
            &[("t", Some("born")), ("u", None), ("v", Some("n"))],
            Some(("-- one partition of p.d.t, p.d.u, p.d.v", &["p.d.t.born", "p.d.v.n"])),
        );
    }

    fn table(name: &TableName, column: Option<&str>) -> Table {
        let (kind, columns) = (TableKind::Table, Vec::new());
        let partitioned_by = column.map(str::to_owned);
        Table {
            name: name.clone(),
            kind,
            columns,
            etag: String::new(),
            ingestion_time: column.is_none(),
            partitioned_by,
            partitions_expire: false,
            clustered_by: Vec::new(),
            collates: false,
            created_ms: None,
        }
    }
}
