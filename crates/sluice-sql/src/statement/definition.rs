//! Statements that make, change or drop things, and those that move data in and out.

use super::{Reader, Understood};
use crate::flow::Flow;
use crate::scope::{bound_columns, temporary_table};
use crate::text::nodes;
use crate::tree::{NodeId, Tree};
use crate::walk::{kept_by, sorted_by, uses};
use crate::world::Bound;
use sluice_model::{Effect, TableName, Type, UseKind};

pub(super) fn is_temporary_table(name: &TableName) -> bool {
    name.project.is_empty() && name.dataset == "_SESSION"
}

impl Reader<'_, '_> {
    pub(super) fn define(&mut self, root: NodeId) {
        let tree = self.tree;
        match tree.kind(root) {
            "ResolvedCreateTableAsSelectStmt" | "ResolvedCreateViewStmt" | "ResolvedCreateMaterializedViewStmt" => {
                self.produced(root);
                self.narrowed(root);
                self.scanned_copy(root, "replica_source");
                self.like_table(root);
                self.created(root);
                self.kept_sorted(root);
            }
            "ResolvedCreateTableStmt" | "ResolvedCreateSnapshotTableStmt" => {
                self.copied(root, "clone_from", Effect::Clone);
                self.copied(root, "copy_from", Effect::Copy);
                self.like_table(root);
                self.created(root);
            }
            "ResolvedCreateModelStmt" => {
                self.produced(root);
                for query in tree.children(root, "aliased_query_list") {
                    self.produced(query);
                }
                self.transform(root);
                self.created(root);
            }
            "ResolvedCreateFunctionStmt" | "ResolvedCreateTableFunctionStmt" | "ResolvedCreateProcedureStmt" => self.routine(root),
            "ResolvedCreateRowAccessPolicyStmt" => self.row_access_policy(root),
            "ResolvedCreateIndexStmt" => {
                self.indexed(root);
            }
            "ResolvedCreatePropertyGraphStmt" => {
                self.walker.unresolved("a property graph".to_owned());
                self.created(root);
            }
            "ResolvedDropIndexStmt" => self.wrote_path(root, "table_name_path", Effect::Drop),
            "ResolvedDropRowAccessPolicyStmt" => self.wrote_path(root, "target_name_path", Effect::Drop),
            "ResolvedUndropStmt" => self.wrote_path(root, "name_path", Effect::Restore),
            "ResolvedExportDataStmt" => self.produced(root),
            "ResolvedExportModelStmt" => {
                let model = self.named(root, "model_name_path");
                self.done.found_model(model);
            }
            "ResolvedAuxLoadDataStmt" => self.load(root),
            // The description of a table leaves, no row does.
            "ResolvedExportMetadataStmt" => {}
            "ResolvedGrantStmt" => self.wrote_path(root, "name_path", Effect::Grant),
            "ResolvedRevokeStmt" => self.wrote_path(root, "name_path", Effect::Revoke),
            "ResolvedBeginStmt" | "ResolvedCommitStmt" | "ResolvedRollbackStmt" => {}
            "ResolvedRenameStmt" => {
                self.done.effects.insert(Effect::Drop);
                self.wrote_path(root, "old_name_path", Effect::Alter);
                self.wrote_path(root, "new_name_path", Effect::Alter);
            }
            kind if kind.starts_with("ResolvedAlter") => self.altered(root),
            kind if kind.starts_with("ResolvedDrop") => self.wrote_path(root, "name_path", Effect::Drop),
            _ => self.created(root),
        }
        self.options(root, "option_list");
        self.options(root, "from_files_option_list");
        self.column_details(root);
        if let Some(connection) = tree.path(root, &["connection", "connection"]) {
            let name = tree.text(connection, "full_name").or_else(|| tree.text(connection, "name")).unwrap_or("of an unknown name");
            self.walker.found.routines.insert(format!("connection {name}"));
        }
    }

    /// A new table's columns that refuse some of the values that they are made of.
    fn narrowed(&mut self, root: NodeId) {
        let definitions = self.tree.children(root, "column_definition_list");
        for (definition, (_, _, flow)) in definitions.into_iter().zip(&self.done.outputs) {
            if is_narrow(self.tree, definition) {
                self.walker.can_fail(&flow.derived());
            }
        }
    }

    /// The order of a new table's rows, where whoever makes it can put something of its own among them.
    fn kept_sorted(&mut self, root: NodeId) {
        let column = |(name, kind, flow): &(String, Option<Type>, Flow)| (name.clone(), kind.clone().unwrap_or(Type::Json), flow.clone());
        let columns: Vec<_> = self.done.outputs.iter().map(column).collect();
        let lasting = self.done.writes.first().map(|write| write.table.clone()).filter(|table| !is_temporary_table(table));
        let bound = Bound {
            names: lasting.into_iter().collect(),
            columns: bound_columns(&columns),
            sorted: sorted(self.tree, root),
            ..Bound::default()
        };
        self.done.rows.extend(sorted_by(&bound));
        let expires = expires(self.tree, root, "option_list");
        for (column, kind) in bound.sorted.iter().filter_map(|(index, kind)| Some((bound.columns.get(*index)?, *kind))) {
            self.done.rows.extend(kept_by(kind, expires, &column.flow));
        }
    }

    fn created(&mut self, root: NodeId) {
        let columns: Vec<String> = match self.done.outputs.is_empty() {
            _ if self.tree.kind(root) == "ResolvedCreateModelStmt" => Vec::new(),
            false => self.done.outputs.iter().map(|(name, _, _)| name.clone()).collect(),
            true => self.tree.children(root, "column_definition_list").into_iter().map(|column| self.text(column, "name")).collect(),
        };
        self.replaced(root);
        let table = match self.tree.enumerator(root, "create_scope") {
            Some("CREATE_TEMP") => self.tree.texts(root, "name_path").last().map(|name| temporary_table(name)),
            // Reservations, connections and the like do not live in a dataset.
            _ if matches!(self.tree.kind(root), "ResolvedCreateEntityStmt" | "ResolvedCreateConnectionStmt") => {
                Some(TableName::new(&self.tree.texts(root, "name_path").join("."), "", ""))
            }
            _ if self.tree.kind(root).ends_with("SchemaStmt") => self.dataset(&self.tree.texts(root, "name_path")),
            _ => self.named(root, "name_path"),
        };
        self.wrote(table, columns, Effect::Create);
    }

    fn wrote_path(&mut self, root: NodeId, field: &str, effect: Effect) {
        let path = self.tree.texts(root, field);
        if path.is_empty() {
            self.walker.unresolved("the name of what is changed".to_owned());
            return;
        }
        let object = self.object(root);
        let table = match object.as_str() {
            "SCHEMA" | "EXTERNAL SCHEMA" => self.dataset(&path),
            // Reservations, projects and the like do not live in a dataset.
            "TABLE" | "VIEW" | "EXTERNAL TABLE" | "MATERIALIZED VIEW" | "MODEL" | "FUNCTION" | "PROCEDURE" | "PROPERTY GRAPH" | "" => {
                self.named(root, field)
            }
            _ => Some(TableName::new(&path.join("."), "", "")),
        };
        self.wrote(table, Vec::new(), effect);
    }

    fn object(&self, root: NodeId) -> String {
        let of_object = || match self.tree.texts(root, "object_type_list").as_slice() {
            [] => None,
            words => Some(words.join(" ")),
        };
        let text = |field: &str| self.tree.text(root, field).map(str::to_owned);
        let object = text("object_type").or_else(of_object).or_else(|| text("entity_type")).or_else(|| text("schema_object_kind"));
        object.unwrap_or_default().to_ascii_uppercase()
    }

    fn dataset(&self, path: &[&str]) -> Option<TableName> {
        match path {
            [dataset] => Some(TableName::new(&self.analyzer_names.scope.default_project, dataset, "")),
            [project, dataset] => Some(TableName::new(project, dataset, "")),
            _ => None,
        }
    }

    /// CLONE, COPY, SNAPSHOT: every column of the source goes into the new table.
    fn copied(&mut self, root: NodeId, field: &str, effect: Effect) {
        let Some(scan) = self.tree.child(root, field) else { return };
        self.done.effects.insert(effect);
        self.whole_table(scan);
        let table = self.tree.child(scan, "table").and_then(|table| self.tree.text(table, "full_name")).unwrap_or_default();
        self.done.pattern = self.walker.sorted_columns(table);
        if expires(self.tree, root, "option_list") {
            self.expiring_copy();
        }
    }

    /// Which partitions of a copy are gone one day tells their column's values.
    fn expiring_copy(&mut self) {
        for (sorted, kind, _) in &self.done.pattern {
            let column = self.done.outputs.iter().find(|(name, ..)| name.eq_ignore_ascii_case(sorted));
            let told = column.map(|(_, _, flow)| kept_by(*kind, true, flow));
            self.done.rows.extend(told.into_iter().flatten());
        }
    }

    fn scanned_copy(&mut self, root: NodeId, field: &str) {
        if let Some(scan) = self.tree.child(root, field) {
            self.done.effects.insert(Effect::Copy);
            self.whole_table(scan);
        }
    }

    /// TRANSFORM computes over the columns of the query, which it knows under numbers of its own.
    fn transform(&mut self, root: NodeId) {
        let flows: Vec<Flow> = self.done.outputs.iter().map(|(_, _, flow)| flow.clone()).collect();
        for (input, flow) in self.tree.children(root, "transform_input_column_list").into_iter().zip(flows) {
            if let Some(id) = self.walker.column_id(input, "column") {
                self.walker.bind(id, flow);
            }
        }
        for group in self.tree.children(root, "transform_analytic_function_group_list") {
            self.walker.analytic_functions(group);
        }
        self.computed(root, "transform_list");
    }

    fn whole_table(&mut self, scan: NodeId) {
        let rows = self.walker.scan(scan);
        self.done.rows.extend(rows);
        let mut table = scan;
        while let Some(input) = self.tree.child(table, "input_scan") {
            table = input;
        }
        // The engine lists no columns for a copy: all of them are copied.
        let columns = self.walker.whole_table(table);
        self.done.outputs.extend(columns);
    }

    /// A new table has the rules of its pattern. A row meets them by the names of its columns, or by places that nobody looks for.
    fn like_table(&mut self, root: NodeId) {
        let Some(full_name) = self.tree.child(root, "like_table").and_then(|table| self.tree.text(table, "full_name")) else { return };
        if let Some(name) = TableName::parse(full_name) {
            self.walker.found.reads.columns.entry(name).or_default();
        }
        self.done.pattern = self.walker.sorted_columns(full_name);
        let narrow = self.walker.narrow_columns(full_name);
        let outputs: Vec<(String, &Flow)> = self.done.outputs.iter().map(|(name, _, flow)| (name.to_lowercase(), flow)).collect();
        let meets = |ruled: &str, name: &str| ruled == name || !outputs.iter().any(|(other, _)| other == ruled);
        for (name, flow) in &outputs {
            if narrow.as_ref().is_none_or(|narrow| narrow.iter().any(|ruled| meets(ruled, name))) {
                self.walker.can_fail(&flow.derived());
            }
            for (_, kind, expires) in self.done.pattern.iter().filter(|(ruled, ..)| meets(ruled, name)) {
                self.done.rows.extend(kept_by(*kind, *expires, flow));
            }
        }
    }

    /// Nothing runs yet; what its text reads is listed all the same, and what it decides by.
    fn routine(&mut self, root: NodeId) {
        let language = self.text(root, "language").to_ascii_uppercase();
        if self.tree.boolean(root, "is_remote") {
            self.done.effects.insert(Effect::RemoteFunction);
        } else if !matches!(language.as_str(), "" | "SQL") {
            self.done.effects.insert(Effect::OpaqueCode);
        }
        self.walker.computed_columns(root, "aggregate_expression_list");
        if self.tree.child(root, "function_expression").is_some() {
            self.walker.expression_of(root, "function_expression");
        }
        if self.tree.child(root, "query").is_some() {
            self.produced(root);
        }
        self.created(root);
    }

    /// An index holds what it indexes.
    fn indexed(&mut self, root: NodeId) {
        if let Some(scan) = self.tree.child(root, "table_scan") {
            self.walker.scan(scan);
            if self.tree.boolean(root, "index_all_columns") {
                self.walker.whole_table(scan);
            }
        }
        self.walker.computed_columns(root, "computed_columns_list");
        for item in self.tree.children(root, "index_item_list") {
            self.walker.expression_of(item, "column_ref");
        }
        for stored in self.tree.children(root, "storing_expression_list") {
            self.walker.expression(stored);
        }
        let table = self.named(root, "table_name_path");
        self.replaced(root);
        self.wrote(table, Vec::new(), Effect::Create);
    }

    fn replaced(&mut self, root: NodeId) {
        if self.tree.enumerator(root, "create_mode") == Some("CREATE_OR_REPLACE") {
            self.done.effects.insert(Effect::Replace);
        }
    }

    fn row_access_policy(&mut self, root: NodeId) {
        self.replaced(root);
        if let Some(scan) = self.tree.child(root, "table_scan") {
            self.walker.scan(scan);
        }
        let taint = self.walker.expression_of(root, "predicate").derived();
        self.done.rows.extend(uses(&taint, UseKind::Filter));
        self.wrote_path(root, "target_name_path", Effect::Create);
    }

    fn load(&mut self, root: NodeId) {
        let mode = self.tree.enumerator(root, "insertion_mode");
        let partitions = self.tree.child(root, "partition_filter");
        let overwrites = partitions.is_some_and(|filter| self.tree.boolean(filter, "is_overwrite"));
        if mode == Some("OVERWRITE") || overwrites {
            self.done.effects.insert(Effect::Truncate);
        }
        let columns = self.tree.children(root, "column_definition_list").into_iter().map(|column| self.text(column, "name")).collect();
        let table = match self.tree.boolean(root, "is_temp_table") {
            true => self.tree.texts(root, "name_path").last().map(|name| temporary_table(name)),
            false => self.named(root, "name_path"),
        };
        self.wrote(table, columns, Effect::Load);
    }

    fn altered(&mut self, root: NodeId) {
        let kind = self.tree.kind(root);
        let mut columns = Vec::new();
        for action in self.tree.children(root, "alter_action_list") {
            let column = match self.tree.kind(action) {
                "ResolvedAddColumnAction" => self.tree.child(action, "column_definition").map(|column| self.text(column, "name")),
                "ResolvedDropColumnAction" => {
                    self.done.effects.insert(Effect::Drop);
                    Some(self.text(action, "name"))
                }
                "ResolvedRenameColumnAction" => {
                    columns.push(self.text(action, "new_name"));
                    Some(self.text(action, "name"))
                }
                "ResolvedRenameToAction" => {
                    // The new name is one in the same dataset.
                    let new = self.tree.texts(action, "new_path").last().map(|name| (*name).to_owned());
                    let table = self.named(root, "name_path").zip(new).map(|(old, table)| TableName { table, ..old });
                    // Under its old name the table is gone.
                    self.done.effects.insert(Effect::Drop);
                    self.wrote(table, Vec::new(), Effect::Alter);
                    None
                }
                name if name.starts_with("ResolvedAlterColumn") => Some(self.text(action, "column")),
                _ => None,
            };
            columns.extend(column);
            self.options(action, "option_list");
            if let Some(predicate) = self.tree.child(action, "predicate") {
                let taint = self.walker.expression(predicate).derived();
                self.done.rows.extend(uses(&taint, UseKind::Filter));
            }
        }
        let path = self.tree.texts(root, "name_path");
        let table = match kind {
            "ResolvedAlterSchemaStmt" | "ResolvedAlterExternalSchemaStmt" => self.dataset(&path),
            "ResolvedAlterEntityStmt" | "ResolvedAlterConnectionStmt" => Some(TableName::new(&path.join("."), "", "")),
            "ResolvedAlterRowAccessPolicyStmt" | "ResolvedAlterAllRowAccessPoliciesStmt" if path.is_empty() => {
                let scanned = self.tree.path(root, &["table_scan", "table"]).and_then(|table| self.tree.text(table, "full_name"));
                scanned.and_then(TableName::parse)
            }
            "ResolvedAlterIndexStmt" => self.named(root, "table_name_path"),
            _ => self.named(root, "name_path"),
        };
        self.wrote(table, columns, Effect::Alter);
    }

    /// Options, defaults and computed values of single columns: text that stays behind in the table's description.
    fn column_details(&mut self, root: NodeId) {
        for definition in self.tree.children(root, "column_definition_list") {
            if let Some(annotations) = self.tree.child(definition, "annotations") {
                self.options(annotations, "option_list");
            }
            for (field, inner) in [("default_value", "expression"), ("generated_column_info", "expression")] {
                let value = self.tree.path(definition, &[field, inner]);
                if value.is_some_and(|value| !self.walker.expression(value).all().is_empty()) && field == "default_value" {
                    self.walker.unresolved("a value of a column goes into a default".to_owned());
                }
            }
        }
    }

    /// Options can read (a subquery) and can name places outside of the warehouse.
    fn options(&mut self, node: NodeId, field: &str) {
        for option in self.tree.children(node, field) {
            let Some(value) = self.tree.child(option, "value") else { continue };
            let name = self.text(option, "name").to_ascii_lowercase();
            if !self.walker.expression(value).all().is_empty() {
                self.walker.unresolved(format!("a value of a column goes into the option `{name}`"));
            }
            // What exists already and expires from now on is deleted by another name.
            let is_altered = self.done.effects.contains(&Effect::Alter);
            let existing = is_altered && self.done.kind != "ALTER_SCHEMA";
            match name.as_str() {
                "default_table_expiration_days" if is_altered => self.done.effects.extend([Effect::Drop]),
                "default_partition_expiration_days" | "max_time_travel_hours" if is_altered => self.done.effects.extend([Effect::Delete]),
                "expiration_timestamp" if existing => self.done.effects.extend([Effect::Drop]),
                "partition_expiration_days" if existing => self.done.effects.extend([Effect::Delete]),
                "data_policies" => self.done.effects.extend([Effect::Grant]),
                _ => {}
            }
            if matches!(name.as_str(), "uri" | "uris" | "remote_url" | "endpoint" | "library" | "model_path") {
                let mut found = Vec::new();
                literals(self.tree, value, &mut found);
                if found.is_empty() {
                    self.walker.unresolved(format!("the option `{name}` is not a literal"));
                }
                self.done.locations.extend(found);
            }
        }
    }

    fn computed(&mut self, node: NodeId, field: &str) {
        for computed in self.tree.children(node, field) {
            self.walker.expression_of(computed, "expr");
        }
    }

    fn text(&self, node: NodeId, field: &str) -> String {
        self.tree.text(node, field).unwrap_or_default().to_owned()
    }
}

impl Understood {
    fn found_model(&mut self, model: Option<TableName>) {
        if let Some(model) = model {
            self.writes.push(super::Written { table: model, columns: Vec::new(), effect: Effect::Export });
        }
    }
}

/// Whether a column as it is defined refuses some values of its type.
pub(super) fn is_narrow(tree: &Tree, definition: NodeId) -> bool {
    tree.child(definition, "annotations").is_some_and(|annotations| crate::walk::is_narrowing(tree, annotations))
}

/// Whether options say that partitions are deleted when they are old.
pub(super) fn expires(tree: &Tree, node: NodeId, field: &str) -> bool {
    let is_named = |option: &NodeId| tree.text(*option, "name").is_some_and(|name| name.eq_ignore_ascii_case("partition_expiration_days"));
    tree.children(node, field).iter().any(is_named)
}

/// The columns, by index, that a definition clusters or partitions its rows by.
pub(super) fn sorted(tree: &Tree, root: NodeId) -> Vec<(usize, UseKind)> {
    let id = |node: NodeId| tree.child(node, "column").and_then(|column| tree.integer(column, "column_id"));
    let defined: Vec<Option<i64>> = tree.children(root, "column_definition_list").into_iter().map(id).collect();
    let mut sorted = Vec::new();
    for (field, kind) in [("partition_by_list", UseKind::Group), ("cluster_by_list", UseKind::Order)] {
        for key in tree.children(root, field).into_iter().flat_map(|key| nodes(tree, Some(key))) {
            let named = Some(key).filter(|key| tree.kind(*key) == "ResolvedColumnRef").and_then(id);
            let index = named.and_then(|named| defined.iter().position(|defined| *defined == Some(named)));
            sorted.extend(index.map(|index| (index, kind)));
        }
    }
    sorted
}

/// Text literals, also inside of an array.
fn literals(tree: &Tree, node: NodeId, found: &mut Vec<String>) {
    let mut waiting = vec![node];
    let mut computed = false;
    while let Some(node) = waiting.pop() {
        if let Some(text) = tree.text(node, "string_value") {
            found.push(text.to_owned());
        }
        let array = tree.child(node, "function").and_then(|function| tree.text(function, "name")) == Some("ZetaSQL:$make_array");
        match tree.kind(node) {
            "ResolvedLiteral" | "ValueWithType" | "Value" | "Array" => waiting.extend(tree.all_children(node)),
            "ResolvedFunctionCall" if array => waiting.extend(tree.children(node, "argument_list")),
            // Any part that is computed makes the place unknown.
            _ => computed |= tree.kind(node).starts_with("Resolved"),
        }
    }
    if computed {
        found.clear();
    }
}
