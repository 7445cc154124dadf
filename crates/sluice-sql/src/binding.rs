//! Gives every name in a text its meaning: canonical tables, opened views, temporary things, functions.

use crate::analyzer::{Analyzer, Refusal};
use crate::builtin;
use crate::builtin_binding::pseudo_columns;
use crate::catalog::{Table, TableKind};
use crate::engine;
use crate::flow::{Flow, Taint};
use crate::quoted::flat;
use crate::scope::{Scope, temporary_table};
use crate::text::Names;
use crate::walk::uses;
use crate::world::{Bound, BoundColumn, World};
use sluice_model::{TableName, Type, UseKind};
use std::collections::{BTreeMap, BTreeSet};

/// Names of one text, bound: what the engine is told and what the walker knows.
#[derive(Default)]
pub(crate) struct Binding {
    pub catalog: engine::Catalog,
    pub world: World,
    pub tables_by_path: Vec<(Vec<String>, TableName)>,
    /// Spelled paths in lower case, with the path as it was first spelled and the table it means.
    spelled: BTreeMap<String, (Vec<String>, String)>,
    pub(crate) seen: BTreeSet<String>,
}

impl Analyzer<'_> {
    /// Binds the names of a text within a scope.
    pub(crate) fn bind(&mut self, names: &Names, scope: &Scope) -> Result<Binding, Refusal> {
        let mut binding = Binding::default();
        self.bind_names(names, scope, &mut binding)?;
        self.bind_variables(scope, &mut binding);
        Ok(binding)
    }

    pub(crate) fn bind_names(&mut self, names: &Names, scope: &Scope, binding: &mut Binding) -> Result<(), Refusal> {
        for path in &names.tables {
            self.bind_table(path, scope, binding)?;
        }
        for path in &names.loaded {
            // The engine wants to know the target of LOAD DATA also where the statement makes it.
            self.bind_table(path, scope, binding)?;
            if !binding.catalog.tables.iter().any(|table| table.path == *path) {
                let (path, full_name) = (path.clone(), path.join("."));
                binding.catalog.tables.push(engine::Table { path, full_name, columns: Vec::new(), value_table: false });
            }
        }
        for path in &names.functions {
            self.bind_function(path, scope, binding)?;
        }
        for path in &names.table_functions {
            self.bind_table_function(path, scope, binding)?;
        }
        binding.catalog.connections.extend(names.connections.iter().cloned());
        Ok(())
    }

    pub(crate) fn bind_table(&mut self, path: &[String], scope: &Scope, binding: &mut Binding) -> Result<(), Refusal> {
        let Some((key, name, mut bound)) = self.find_table(path, scope)? else { return Ok(()) };
        let spelled = path.join("\u{1}").to_lowercase();
        if let Some((known, same)) = binding.spelled.get(&spelled) {
            // The engine ignores case where BigQuery's tables do not, and a definition of the catalog has its own default project.
            let conflict = format!("`{}` means two different tables here", path.join("."));
            return if *same == key && known == path { Ok(()) } else { Err(Refusal::new(conflict)) };
        }
        binding.spelled.insert(spelled, (path.to_vec(), key.clone()));
        if let Some(name) = name {
            binding.tables_by_path.push((path.to_vec(), name));
        }
        let columns = bound
            .columns
            .iter()
            .map(|column| engine::Column { name: column.name.clone(), kind: column.kind.clone(), pseudo: column.pseudo })
            .collect();
        binding.catalog.tables.push(engine::Table { path: path.to_vec(), full_name: key.clone(), columns, value_table: false });
        // By another name for it one partition may be meant, or a moment.
        if let Some(known) = binding.world.tables.get(&key) {
            bound.rows.extend(known.rows.iter().copied());
            bound.historical.extend(known.historical.iter().cloned());
        }
        binding.world.tables.insert(key, bound);
        Ok(())
    }

    /// The table that a path means here, with a key for the engine. Nothing where no such table is known: the engine will say so.
    pub(crate) fn find_table(&mut self, path: &[String], scope: &Scope) -> Result<Option<(String, Option<TableName>, Bound)>, Refusal> {
        let path = &flat(path);
        let lasting = self.canonical(path, scope);
        if let Some(name) = temporary_name(path)
            && let Some(mut bound) = scope.temporary.get(&name).cloned()
        {
            let uncertain = path.len() == 1 && scope.uncertain.contains(&temporary_table(&name));
            if uncertain && lasting.is_some_and(|lasting| self.is_there(&lasting, scope)) {
                bound.unresolved.insert(format!("`{name}` is the script's own table on some ways only"));
            }
            return Ok(Some((format!("temporary {name}"), None, bound)));
        }
        let Some(name) = lasting else { return Ok(None) };
        if let Some(mut bound) = self.made_table(&name, scope)? {
            let twice = scope.views.contains_key(&name) && scope.created.contains_key(&name);
            if scope.uncertain.contains(&name) && (twice || self.catalog.table(&name).is_some()) {
                bound.unresolved.insert(format!("`{name}` is the script's own on some ways only"));
            }
            return Ok(Some((name.to_string(), Some(name), bound)));
        }
        let Some(mut bound) = self.base_table(&name, scope)? else { return Ok(None) };
        scope.overlay(&mut bound);
        if path.last().is_some_and(|name| name.contains('$')) {
            self.filter_by_partition(&name, &mut bound);
        }
        if path.last().is_some_and(|name| name.contains('@')) {
            bound.historical.insert(name.clone());
        }
        if bound.names.iter().chain([&name]).any(|name| scope.renamed.contains(name)) {
            bound.unresolved.insert(format!("`{name}` was renamed before, or its columns were"));
        }
        Ok(Some((name.to_string(), Some(name), bound)))
    }

    /// `t$20240101`: its rows are those in which a column has that value. By the time of arrival there is no such column.
    fn filter_by_partition(&self, name: &TableName, bound: &mut Bound) {
        let by = self.catalog.table(name).and_then(|table| table.partitioned_by.as_deref());
        let columns = bound.columns.iter().filter(|column| by.is_some_and(|by| column.name.eq_ignore_ascii_case(by)));
        let taint: Taint = columns.flat_map(|column| column.flow.derived()).collect();
        bound.rows.extend(uses(&taint, UseKind::Filter));
    }

    fn is_there(&self, name: &TableName, scope: &Scope) -> bool {
        scope.created.contains_key(name) || scope.views.contains_key(name) || self.catalog.table(name).is_some()
    }

    /// A view or table that the script itself has made.
    fn made_table(&mut self, name: &TableName, scope: &Scope) -> Result<Option<Bound>, Refusal> {
        let Some(view) = scope.views.get(name) else { return Ok(scope.created.get(name).map(|made| self.with_own(made))) };
        let within =
            Scope { default_project: view.default_project.clone(), default_dataset: view.default_dataset.clone(), ..scope.written_only() };
        let mut bound = self.view_within(name, &view.query, &within)?;
        for (column, given) in bound.columns.iter_mut().zip(&view.columns) {
            column.name.clone_from(given);
        }
        if !view.certain {
            bound.unresolved.insert(format!("view `{name}` is not the same on every way here"));
        }
        Ok(Some(bound))
    }

    /// Others may write into a table that stays, too, from the moment it is there: what is known of its own columns counts.
    fn with_own(&mut self, made: &Bound) -> Bound {
        let mut bound = made.clone();
        for column in &mut bound.columns {
            let own = Flow::column(&mut self.sources, &bound.names, &mut vec![column.name.clone()], &column.kind);
            column.flow.join(&own);
        }
        bound
    }

    /// `project.dataset.table` for a path of one to four parts.
    pub(crate) fn canonical(&self, path: &[String], scope: &Scope) -> Option<TableName> {
        let path = flat(path);
        let mut parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let view = parts.iter().position(|part| part.eq_ignore_ascii_case("INFORMATION_SCHEMA"));
        let joined;
        if let Some(position) = view {
            joined = format!("INFORMATION_SCHEMA.{}", parts.get(position + 1..)?.join(".").to_ascii_uppercase());
            parts.truncate(position);
            parts.push(&joined);
        }
        let (default_project, default_dataset) = match &scope.default_dataset {
            Some((project, dataset)) => (project.as_str(), Some(dataset.as_str())),
            None => (scope.default_project.as_str(), None),
        };
        let (project, dataset, table) = match parts.as_slice() {
            // One that no dataset has is the project's, whatever the default dataset is.
            [table] if view.is_some() => {
                let dataset = default_dataset.filter(|_| builtin::table().view(table).is_none_or(|view| view.is_of_dataset()));
                (scope.default_project.as_str(), dataset.unwrap_or_default(), *table)
            }
            [table] => (default_project, default_dataset?, *table),
            [project, table] if is_of_project(project, table) => (*project, "", *table),
            [dataset, table] => (scope.default_project.as_str(), *dataset, *table),
            [project, dataset, table] => (*project, *dataset, *table),
            _ => return None,
        };
        // `table$20240101` is a partition of the table, `table@-3600000` its past.
        let table = match view {
            Some(_) => table,
            None => table.split(['$', '@']).next().unwrap_or(table),
        };
        Some(TableName::new(project, dataset, table))
    }

    fn base_table(&mut self, name: &TableName, scope: &Scope) -> Result<Option<Bound>, Refusal> {
        if builtin::is_bigquery_view(&name.table) {
            return Ok(self.information_schema(name));
        }
        if name.table.ends_with('*') {
            return self.wildcard(name, scope);
        }
        let Some(table) = self.catalog.table(name) else { return Ok(None) };
        match &table.kind {
            TableKind::View { legacy: true, .. } => Err(Refusal::new(format!(
                "view `{name}` is written in legacy SQL; accepted: a view in GoogleSQL, or the tables that it names"
            ))),
            TableKind::View { query, .. } => self.open_view(name, query, scope).map(Some),
            TableKind::External | TableKind::Snapshot | TableKind::Table => Ok(Some(self.plain_table(table))),
        }
    }

    fn plain_table(&mut self, table: &Table) -> Bound {
        self.collates |= table.collates;
        let mut columns: Vec<(String, Type, bool)> =
            table.columns.iter().map(|column| (column.name.clone(), column.kind.clone(), false)).collect();
        // A file is read whole, whatever is asked of it.
        let is_file = matches!(table.kind, TableKind::External);
        let whole = is_file.then(|| (table.name.clone(), columns.iter().map(|(name, ..)| name.clone()).collect()));
        columns.extend(pseudo_columns(&table.kind, table.ingestion_time, false));
        let narrow: BTreeSet<&str> = table.columns.iter().filter(|column| column.narrow).map(|column| column.name.as_str()).collect();
        let mut bound = self.bound(vec![table.name.clone()], columns);
        bound.columns.iter_mut().for_each(|column| column.narrow = narrow.contains(column.name.as_str()));
        if is_file {
            bound.weighed = bound.columns.iter().flat_map(|column| column.flow.all()).map(|(source, _)| source).collect();
        }
        bound.billed.extend(whole);
        bound.external = is_file;
        let sorted = table.sorted();
        let place = |name: &str| table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        bound.sorted = sorted.columns.iter().filter_map(|(name, kind)| Some((place(name)?, *kind))).collect();
        bound.expires = sorted.expires;
        bound
    }

    /// All tables behind a wildcard are read. It has the columns of the newest, each with the tables that have it, in the order of the newest: whatever
    /// counts places, as a star and UNION do, counts those.
    fn wildcard(&mut self, name: &TableName, scope: &Scope) -> Result<Option<Bound>, Refusal> {
        let newest = self.catalog.newest(name).map_err(|[one, other]| Refusal::new(no_newest(name, one, other)))?;
        let Some(newest) = newest else { return Ok(None) };
        let matching = self.catalog.matching(name);
        let names: Vec<TableName> = matching.iter().map(|table| table.name.clone()).collect();
        self.collates |= matching.iter().any(|table| table.collates);
        let mut bound = self.bound(names.clone(), Vec::new());
        bound.is_wildcard = true;
        bound.external = matching.iter().any(|table| matches!(table.kind, TableKind::External));
        for column in &newest.columns {
            let has = |table: &&&Table| table.columns.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name));
            let holders: Vec<TableName> = matching.iter().filter(has).map(|table| table.name.clone()).collect();
            let of_column = self.bound(holders, vec![(column.name.clone(), column.kind.clone(), false)]);
            bound.columns.extend(of_column.columns);
        }
        for (_, created) in scope.created.iter().filter(|(created, _)| behind(name, created)) {
            if !add_created(&mut bound, &self.with_own(created)) {
                let made = created.names.first().unwrap_or(name);
                return Err(Refusal::new(no_newest(name, &newest.name, made)));
            }
        }
        let pseudo = pseudo_columns(&newest.kind, newest.ingestion_time, true);
        bound.columns.extend(self.bound(names, pseudo).columns);
        Ok(Some(bound))
    }

    pub(crate) fn bound(&mut self, names: Vec<TableName>, columns: Vec<(String, Type, bool)>) -> Bound {
        let columns = columns
            .into_iter()
            .map(|(name, kind, pseudo)| {
                let flow = Flow::column(&mut self.sources, &names, &mut vec![name.clone()], &kind);
                BoundColumn { name, kind, flow, pseudo, narrow: false }
            })
            .collect();
        Bound { names, columns, ..Bound::default() }
    }

    fn bind_variables(&self, scope: &Scope, binding: &mut Binding) {
        for variable in scope.variables.values() {
            let path = vec![variable.name.clone()];
            binding.catalog.constants.push(engine::Constant { path, kind: variable.kind.clone() });
            binding.world.constants.insert(variable.name.to_lowercase(), variable.flow.clone());
        }
        crate::builtin_binding::bind_system_variables(scope, &self.weighed, binding);
        for (name, (_, flow)) in &scope.parameters.named {
            binding.world.named_parameters.insert(name.clone(), flow.clone());
        }
        binding.world.guarded = scope.guarded;
        binding.world.clock = self.clock();
        binding.world.positional_parameters = scope.parameters.positional.iter().map(|(_, flow)| flow.clone()).collect();
    }
}

/// Whether a wildcard takes in a table.
fn behind(wildcard: &TableName, table: &TableName) -> bool {
    let prefix = wildcard.table.trim_end_matches('*');
    wildcard.project == table.project && wildcard.dataset == table.dataset && table.table.starts_with(prefix)
}

/// A table that the script itself has put behind a wildcard. Not one with other columns: it is the newest while nothing of it is known but what was written.
fn add_created(bound: &mut Bound, created: &Bound) -> bool {
    let is_same = |(one, other): (&BoundColumn, &BoundColumn)| one.name.eq_ignore_ascii_case(&other.name) && one.kind == other.kind;
    let own = || created.columns.iter().filter(|column| !column.pseudo);
    if own().count() != bound.columns.len() || !bound.columns.iter().zip(own()).all(is_same) {
        return false;
    }
    bound.names.extend(created.names.iter().cloned());
    bound.columns.iter_mut().zip(own()).for_each(|(known, column)| known.flow.join(&column.flow));
    true
}

fn no_newest(wildcard: &TableName, one: &TableName, other: &TableName) -> String {
    format!(
        "`{wildcard}` has the columns of the newest table behind it, and which that is cannot be told of `{one}` and `{other}`, whose columns differ; \
         accepted: a longer name before the star, or the tables by their names"
    )
}

/// `_SESSION.t` and a lone name may be temporary.
fn temporary_name(path: &[String]) -> Option<String> {
    match path {
        [name] => Some(name.to_lowercase()),
        [session, name] if session.eq_ignore_ascii_case("_SESSION") => Some(name.to_lowercase()),
        _ => None,
    }
}

/// `project.INFORMATION_SCHEMA.SCHEMATA`: what stands before a view that projects have and no dataset has is a project, unless it is a region.
fn is_of_project(before: &str, table: &str) -> bool {
    let is_region = before.to_ascii_lowercase().starts_with(builtin::REGION_PREFIX);
    !is_region && builtin::table().view(table).is_some_and(|view| view.is_of_project() && !view.is_of_dataset())
}
