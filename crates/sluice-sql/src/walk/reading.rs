//! What a scan reads, and what BigQuery may bill for it.

use super::{Origin, Walker};
use crate::flow::{Flow, Taint};
use crate::tree::NodeId;
use crate::world::{Bound, BoundColumn};
use sluice_model::{Effect, Type};

const AS_IT_WAS: &str = "a view, a wildcard or a temporary table is read `FOR SYSTEM_TIME AS OF`; accepted: that of a table by its own name, or the same without it";

impl Walker<'_> {
    /// BigQuery may count what is listed, also where nothing looks at it, and of a record all of its fields. One column too few would be told.
    pub(super) fn bill(&mut self, bound: &Bound, column: &BoundColumn) {
        if column.pseudo {
            return;
        }
        for table in &bound.names {
            self.found.billed.entry(table.clone()).or_default().insert(column.name.clone());
        }
        self.weigh(&column.flow);
        for path in column.flow.all().iter().filter_map(|(source, _)| self.sources.path(*source)) {
            self.found.billed.entry(path.table.clone()).or_default().extend(path.path.first().cloned());
        }
    }

    pub(super) fn weigh(&mut self, flow: &Flow) {
        self.found.weighed.extend(flow.all().into_iter().map(|(source, _)| source));
    }

    /// Every column of the table behind a scan: BigQuery counts all that a changed table holds.
    pub fn bill_whole(&mut self, scan: NodeId) {
        let name = self.tree.child(scan, "table").and_then(|table| self.tree.text(table, "full_name")).unwrap_or_default();
        if let Some(bound) = self.world.tables.get(name) {
            bound.columns.iter().for_each(|column| self.bill(bound, column));
        }
    }

    /// BigQuery reads rows and columns of that time; what is bound are those of today. What stood behind another name then, nobody knows.
    pub(super) fn read_as_it_was(&mut self, node: NodeId, bound: &Bound) {
        let is_one = bound.names.len() == 1 && !bound.is_wildcard;
        if is_one {
            self.found.historical.extend(bound.names.iter().cloned());
        } else {
            self.unresolved_at(node, AS_IT_WAS.to_owned());
        }
    }

    /// A column is read when something looks at it: the engine lists more than that where functions were put in place.
    pub(super) fn touch(&mut self, origin: &Origin) {
        if let Some(collected) = self.collecting.last_mut() {
            collected.insert(origin.clone());
            return;
        }
        let Some(bound) = self.world.tables.get(&origin.table) else { return };
        let Some(column) = bound.columns.get(origin.index) else { return };
        if bound.telling.contains(&origin.index) {
            self.found.effects.insert(Effect::Metadata);
        }
        let compound = !bound.opened && matches!(flat(&column.kind), Type::Struct(_));
        for table in &bound.names {
            if compound {
                self.found.reads.compound.insert((table.clone(), column.name.clone()));
            } else {
                self.found.reads.columns.entry(table.clone()).or_default().insert(column.name.clone());
            }
        }
        self.read_through(bound, &column.flow.all());
    }

    /// What is read through a view are the base columns behind those of its columns that are used.
    pub(super) fn read_through(&mut self, bound: &Bound, taint: &Taint) {
        for path in taint.iter().filter_map(|(source, _)| self.sources.path(*source)) {
            if bound.base.contains(&path.table) {
                self.found.reads.columns.entry(path.table.clone()).or_default().insert(path.path.join("."));
            }
        }
    }
}

/// The type under any arrays.
fn flat(kind: &Type) -> &Type {
    match kind {
        Type::Array(element) => flat(element),
        kind => kind,
    }
}
