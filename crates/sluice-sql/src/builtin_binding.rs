//! BigQuery's own names that the engine lacks, bound from the data tables.

use crate::analyzer::Analyzer;
use crate::binding::Binding;
use crate::builtin::{self, Entry, Flag, Mark, Qualifier};
use crate::flow::{Flow, Taint};
use crate::scope::Scope;
use crate::world::{Bound, Traits};
use crate::{catalog::TableKind, engine};
use sluice_model::{Effect, TableName, Type};

impl Analyzer<'_> {
    /// A function that the data table knows. Anything else is the engine's own, or nobody's: the engine will say so.
    pub(crate) fn bind_builtin(&mut self, path: &[String], binding: &mut Binding) {
        let dotted = path.join(".");
        let Some(mut function) = builtin::table().function(&dotted) else { return };
        function.path = path.to_vec();
        binding.catalog.functions.push(function);
        if let Some(entry) = builtin::table().entries(&dotted).first() {
            binding.world.functions.insert(dotted.to_lowercase(), traits_of(entry));
        }
    }

    /// `[project.]dataset-or-region.INFORMATION_SCHEMA.VIEW`, `[project.]INFORMATION_SCHEMA.VIEW`, `dataset.__TABLES__`.
    pub(crate) fn information_schema(&mut self, name: &TableName) -> Option<Bound> {
        let view = builtin::table().view(&name.table)?;
        let qualifier = match name.dataset.as_str() {
            "" => Qualifier::Project,
            dataset if dataset.to_ascii_lowercase().starts_with(builtin::REGION_PREFIX) => Qualifier::Region,
            _ => Qualifier::Dataset,
        };
        if !view.qualifiers.contains(&qualifier) {
            return None;
        }
        let columns = view.columns.iter().map(|column| (column.name.clone(), column.kind.clone(), column.pseudo)).collect();
        let mut bound = self.bound(vec![name.clone()], columns);
        // When a table was made, when a job ended.
        bound.tells_time = true;
        bound.telling =
            view.columns.iter().enumerate().filter(|(_, column)| view.sql.contains(&column.name)).map(|(index, _)| index).collect();
        for flag in &view.flags {
            match flag {
                Flag::ByCaller => bound.effects.insert(Effect::Identity),
                // Only where one of those columns is looked at.
                Flag::ShowsSql if !bound.telling.is_empty() => false,
                Flag::ShowsOthers | Flag::ShowsSql | Flag::ShowsValues => bound.effects.insert(Effect::Metadata),
            };
        }
        Some(bound)
    }
}

/// The pseudo-columns of a kind of table.
pub(crate) fn pseudo_columns(kind: &TableKind, ingestion_time: bool, wildcard: bool) -> Vec<(String, Type, bool)> {
    let word = |word: &str| match word {
        "wildcard" => wildcard,
        "ingestion" => ingestion_time,
        "external" => *kind == TableKind::External,
        _ => false,
    };
    let fitting = builtin::table().pseudo_columns().iter().filter(|pseudo| pseudo.tables.iter().any(|table| word(table)));
    fitting.map(|pseudo| (pseudo.column.name.clone(), pseudo.column.kind.clone(), true)).collect()
}

/// `weighed`: what statements of the script have computed with so far. How much they read tells of it, and how long they took.
pub(crate) fn bind_system_variables(scope: &Scope, weighed: &Taint, binding: &mut Binding) {
    for variable in builtin::table().variables() {
        let engine::Constant { path, kind } = &variable.constant;
        binding.catalog.system_variables.push(engine::Constant { path: path.clone(), kind: kind.clone() });
        let flow = match variable.marks.as_slice() {
            marks if marks.contains(&Mark::Error) => Flow::of(scope.error.clone()),
            marks if marks.contains(&Mark::Counted) => Flow::of(scope.counted.clone()),
            marks if marks.contains(&Mark::Weighed) => Flow::of(weighed.clone()),
            _ => Flow::default(),
        };
        // What they hold depends on where a definition is used, and it may be remembered from elsewhere.
        if scope.definition && [Mark::Error, Mark::Counted, Mark::Weighed].iter().any(|mark| variable.marks.contains(mark)) {
            continue;
        }
        binding.world.system_variables.insert(path.join(".").to_lowercase(), flow);
    }
}

pub(crate) fn traits_of(entry: &Entry) -> Traits {
    let keeps = match &entry.flow {
        builtin::Flow::Keeps(name) => entry.parameters.iter().position(|parameter| parameter.name == *name),
        _ => None,
    };
    let internal = entry.path.starts_with('$');
    Traits {
        canonical: if internal { String::new() } else { entry.path.clone() },
        effects: entry.marks.iter().filter_map(|mark| effect_of(*mark)).collect(),
        total: entry.is(Mark::Total),
        reads_beyond: entry.is(Mark::External) || entry.is(Mark::UnknownSchema) || tells_of_model(entry),
        keeps,
        ..Traits::default()
    }
}

/// Weights and statistics are made of the training data; without an input nothing else can be in the answer.
fn tells_of_model(entry: &Entry) -> bool {
    entry.is(Mark::Model) && !entry.parameters.iter().any(|parameter| parameter.kind == engine::ArgumentKind::Relation)
}

pub(crate) fn effect_of(mark: Mark) -> Option<Effect> {
    match mark {
        Mark::Administration | Mark::Deletes => Some(Effect::Administration),
        Mark::Ai | Mark::Model => Some(Effect::Model),
        Mark::Caller => Some(Effect::Identity),
        Mark::External | Mark::UnknownSchema => Some(Effect::ExternalQuery),
        Mark::Remote => Some(Effect::RemoteFunction),
        Mark::Session => Some(Effect::Session),
        Mark::SignedUrl => Some(Effect::SignedUrl),
        Mark::Assigns | Mark::Clock | Mark::Counted | Mark::Error | Mark::History | Mark::Keys | Mark::Names => None,
        Mark::Random | Mark::RowForRow | Mark::Total | Mark::Weighed => None,
    }
}
