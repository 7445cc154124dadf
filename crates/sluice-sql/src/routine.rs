//! Functions: the caller's own, those of the catalog, those that BigQuery has and the engine lacks.

use crate::analyzer::{Analyzer, Refusal, single_statement};
use crate::binding::Binding;
use crate::catalog::{Argument, Language, Routine, RoutineKind};
use crate::engine::{self, ArgumentKind, Body, Cardinality};
use crate::opening::{TEMPORARY_PREFIX, temporary_name};
use crate::places::edit;
use crate::scope::Scope;
use crate::text;
use crate::world::Traits;
use sluice_model::Effect;

impl Analyzer<'_> {
    pub(crate) fn bind_function(&mut self, path: &[String], scope: &Scope, binding: &mut Binding) -> Result<(), Refusal> {
        let path = without_safe(path);
        if !binding.seen.insert(format!("function {}", path.join(".").to_lowercase())) {
            return Ok(());
        }
        let Some(routine) = self.find_routine(path, scope) else {
            self.bind_builtin(path, binding);
            return Ok(());
        };
        binding.world.unresolved.extend(self.doubt(&routine, scope));
        if !matches!(routine.kind, RoutineKind::ScalarFunction | RoutineKind::AggregateFunction) {
            return Ok(());
        }
        let body = match &routine.language {
            Language::Sql => Some(self.function_body(&routine, scope, binding)?),
            Language::Opaque(_) | Language::Remote { .. } => None,
        };
        let result = match (&routine.returns, &body) {
            (Some(kind), _) => ArgumentKind::Fixed(kind.clone()),
            (None, Some(_)) => ArgumentKind::Arbitrary,
            (None, None) => return Err(Refusal::new(format!("`{}` does not say what it returns", routine.name))),
        };
        let mode = match routine.kind {
            RoutineKind::AggregateFunction => engine::Mode::Aggregate,
            _ => engine::Mode::Scalar,
        };
        let arguments = routine.arguments.iter().map(engine_argument).collect();
        let signatures = vec![engine::Signature { arguments, result }];
        let path = if is_temporary(&routine) { vec![temporary_name(&routine.name.table)] } else { path.to_vec() };
        let key = path.join(".").to_lowercase();
        binding.catalog.functions.push(engine::Function { path, mode, signatures, body });
        binding.world.functions.insert(key, traits(&routine));
        binding.world.opened.insert(routine.name.to_string());
        Ok(())
    }

    pub(crate) fn bind_table_function(&mut self, path: &[String], scope: &Scope, binding: &mut Binding) -> Result<(), Refusal> {
        if !binding.seen.insert(format!("table function {}", path.join(".").to_lowercase())) {
            return Ok(());
        }
        let Some(routine) = self.find_routine(path, scope) else {
            // BigQuery's own were opened in the text.
            return Ok(());
        };
        if routine.kind != RoutineKind::TableFunction {
            return Ok(());
        }
        binding.world.unresolved.extend(self.doubt(&routine, scope));
        let arguments = routine.arguments.iter().map(engine_argument).collect();
        let body = match &routine.language {
            Language::Sql => self.table_function_body(&routine, scope, binding)?,
            Language::Opaque(_) | Language::Remote { .. } => {
                return Err(Refusal::new(format!("table function `{}` is not written in SQL", routine.name)));
            }
        };
        let result = engine::TableResult::Query(body);
        let path = if is_temporary(&routine) { vec![temporary_name(&routine.name.table)] } else { path.to_vec() };
        binding.world.table_functions.insert(path.join(".").to_lowercase(), traits(&routine));
        binding.catalog.table_functions.push(engine::TableFunction { path, arguments, result });
        binding.world.opened.insert(routine.name.to_string());
        Ok(())
    }

    /// Why a call may mean another routine than this one.
    pub(crate) fn doubt(&self, routine: &Routine, scope: &Scope) -> Option<String> {
        let name = &routine.name;
        let key = if name.project.is_empty() { name.table.to_lowercase() } else { name.to_string() };
        let lasting = if name.project.is_empty() { self.canonical(std::slice::from_ref(&name.table), scope) } else { Some(name.clone()) };
        let other = || lasting.is_some_and(|name| self.catalog.routine(&name).is_some());
        let doubtful = scope.ambiguous.contains(&key) || scope.uncertain.contains(name) && other();
        doubtful.then(|| format!("routine `{key}` is not the same on every way here"))
    }

    /// A temporary function by its single name, or a routine of the catalog.
    pub(crate) fn find_routine(&self, path: &[String], scope: &Scope) -> Option<Routine> {
        if let [name] = path
            && let Some(routine) = scope.functions.get(name.strip_prefix(TEMPORARY_PREFIX).unwrap_or(name).to_lowercase().as_str())
        {
            return Some(routine.clone());
        }
        let name = self.canonical(path, scope)?;
        scope.functions.get(&name.to_string()).or_else(|| self.catalog.routine(&name)).cloned()
    }

    fn function_body(&mut self, routine: &Routine, scope: &Scope, binding: &mut Binding) -> Result<Body, Refusal> {
        // A line of its own, so that a comment at the end of the body does not swallow the bracket.
        let text = format!("SELECT (\n{}\n)", routine.body);
        let prepared = self.routine_text(routine, &text, scope, binding)?;
        let inner = prepared.strip_prefix("SELECT (\n").and_then(|rest| rest.strip_suffix("\n)"));
        let inner = inner.ok_or_else(|| Refusal::new(format!("the body of `{}` is not an expression", routine.name)))?;
        Ok(Body { argument_names: names_of(&routine.arguments), text: inner.to_owned() })
    }

    fn table_function_body(&mut self, routine: &Routine, scope: &Scope, binding: &mut Binding) -> Result<Body, Refusal> {
        let text = self.routine_text(routine, &routine.body, scope, binding)?;
        Ok(Body { argument_names: names_of(&routine.arguments), text })
    }

    /// Prepares a routine's text and binds what it names, as seen from its own project.
    fn routine_text(&mut self, routine: &Routine, text: &str, scope: &Scope, binding: &mut Binding) -> Result<String, Refusal> {
        let temporary = routine.name.project.is_empty();
        let within = match temporary {
            true => Scope { variables: Default::default(), ..scope.clone() },
            false => Scope { default_project: routine.name.project.clone(), ..scope.written_only() },
        };
        let name = if temporary { routine.name.table.clone() } else { routine.name.to_string() };
        self.opened(&name, |this| {
            let prepared = this.prepare(text)?;
            let statement =
                single_statement(&prepared.tree).ok_or_else(|| Refusal::new(format!("the body of `{name}` is not a single query")))?;
            let names = text::names(&prepared.tree, statement);
            this.bind_names(&names, &within, binding)?;
            let (opened, _) = this.open_calls(&prepared, statement, &within, binding)?;
            let (start, end) = text::span(&prepared.tree, statement).unwrap_or((0, prepared.text.len()));
            Ok(edit(&prepared.text, vec![(start, end, opened)]).0)
        })
    }
}

/// Temporary functions have a name of one part only.
fn is_temporary(routine: &Routine) -> bool {
    routine.name.project.is_empty()
}

/// `SAFE.f` is `f`.
pub(crate) fn without_safe(path: &[String]) -> &[String] {
    match path {
        [first, rest @ ..] if first.eq_ignore_ascii_case("SAFE") && !rest.is_empty() => rest,
        path => path,
    }
}

fn names_of(arguments: &[Argument]) -> Vec<String> {
    arguments.iter().map(|argument| argument.name.clone()).collect()
}

fn engine_argument(argument: &Argument) -> engine::Argument {
    let kind = match &argument.kind {
        _ if argument.table => ArgumentKind::Relation,
        Some(kind) => ArgumentKind::Fixed(kind.clone()),
        None => ArgumentKind::Arbitrary,
    };
    engine::Argument { kind, cardinality: Cardinality::Required, name: None, named_only: false, not_aggregate: argument.not_aggregate }
}

fn traits(routine: &Routine) -> Traits {
    let effects = match &routine.language {
        Language::Sql => Vec::new(),
        Language::Opaque(_) => vec![Effect::OpaqueCode],
        Language::Remote { .. } => vec![Effect::RemoteFunction],
    };
    let canonical = if routine.name.project.is_empty() { routine.name.table.clone() } else { routine.name.to_string() };
    // JavaScript runs without a network; Python may have one.
    let offline = |language: &str| matches!(language.to_ascii_uppercase().as_str(), "JAVASCRIPT" | "JS");
    let beyond = match &routine.language {
        Language::Sql => false,
        Language::Opaque(language) => !offline(language),
        Language::Remote { .. } => true,
    };
    Traits { canonical, effects, reads_beyond: beyond, has_text: routine.language == Language::Sql, ..Traits::default() }
}
