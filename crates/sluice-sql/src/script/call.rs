//! Text that runs from somewhere else: EXECUTE IMMEDIATE and CALL.

use super::{Script, convert, identifiers};
use crate::analyzer::Refusal;
use crate::catalog::{ArgumentMode, Language, Routine, RoutineKind};
use crate::flow::{Flow, Way};
use crate::scope::{Parameters, Scope};
use crate::statement::Understood;
use crate::text;
use crate::tree::NodeId;
use crate::walk::Found;
use sluice_model::{Effect, Type};

/// An argument of a procedure, as the call gives it.
struct Given {
    /// Where it is nothing but the name of a variable.
    variable: Option<String>,
    kind: Option<Type>,
    flow: Flow,
}

impl Script<'_, '_> {
    /// A literal is a statement like any other; anything else is dynamic SQL, which nobody has read yet.
    pub(super) fn execute_immediate(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let sql = tree.child(node, "sql");
        let literal = sql.filter(|sql| tree.kind(*sql) == "ASTStringLiteral").and_then(|sql| tree.text(sql, "string_value"));
        let parameters = self.using(node, scope)?;
        let targets = identifiers(tree, tree.path(node, &["into_clause", "identifiers"]));
        let Some(literal) = literal else { return self.dynamic(node, sql, scope) };
        let inner = self.analyzer.prepare(literal)?;
        if crate::analyzer::single_statement(&inner.tree).is_none() {
            return Err(Refusal::new("EXECUTE IMMEDIATE of more than one statement"));
        }
        let outer = std::mem::replace(&mut scope.parameters, parameters);
        let span = self.span.replace(self.span.unwrap_or_else(|| text::span(tree, node)));
        let text = std::mem::replace(&mut self.prepared, inner);
        self.last.clear();
        let result = self.run(scope);
        self.prepared = text;
        self.span = span;
        scope.parameters = outer;
        result?;
        let produced = std::mem::take(&mut self.last);
        for (name, (_, kind, flow)) in targets.iter().zip(produced) {
            let mut found = Found::default();
            self.assigned(name, kind.as_ref(), flow, scope, &mut found)?;
            if found != Found::default() {
                self.record(node, Understood { kind: "EXECUTE_IMMEDIATE".to_owned(), found, ..Understood::default() });
            }
        }
        Ok(())
    }

    fn using(&mut self, node: NodeId, scope: &Scope) -> Result<Parameters, Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let mut parameters = Parameters::default();
        let arguments = tree.child(node, "using_clause").map(|using| tree.children(using, "arguments")).unwrap_or_default();
        for argument in arguments {
            let Some(expression) = tree.child(argument, "expression") else { continue };
            let (kind, flow, mut found) = self.analyzer.expression(&prepared, expression, scope)?;
            let weighed = std::mem::take(&mut found.weighed);
            self.analyzer.weighed.extend(weighed.into_iter().map(|source| (source, Way::Derived)));
            let silent = found == Found::default();
            if !silent {
                self.record(argument, Understood { kind: "EXECUTE_IMMEDIATE".to_owned(), found, ..Understood::default() });
            }
            let alias = tree.path(argument, &["alias", "identifier"]).and_then(|alias| tree.text(alias, "id_string"));
            match alias {
                Some(alias) => drop(parameters.named.insert(alias.to_lowercase(), (kind, flow))),
                None => parameters.positional.push((kind, flow)),
            }
        }
        Ok(parameters)
    }

    fn dynamic(&mut self, node: NodeId, sql: Option<NodeId>, scope: &Scope) -> Result<(), Refusal> {
        let (flow, mut found) = self.value(sql, scope)?;
        found.unresolved.insert("SQL text that is put together at run time".to_owned());
        let mut done = Understood { kind: "EXECUTE_IMMEDIATE".to_owned(), found, ..Understood::default() };
        done.effects.insert(Effect::DynamicSql);
        done.rows.extend(crate::walk::uses(&flow.derived(), sluice_model::UseKind::Branch));
        self.record(node, done);
        Ok(())
    }

    pub(super) fn call(&mut self, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        let path = tree.child(node, "procedure_name").map(|name| text::path(tree, name)).unwrap_or_default();
        let mut done = Understood { kind: "CALL".to_owned(), effects: [Effect::Call].into(), ..Understood::default() };
        let mut arguments = Vec::new();
        for argument in tree.children(node, "arguments") {
            let expression = tree.child(argument, "expr").ok_or_else(|| Refusal::new("a table as an argument of a procedure"))?;
            let (kind, flow, found) = self.analyzer.expression(&prepared, expression, scope)?;
            done.found.merge(found);
            let variable = tree.children(expression, "names");
            let variable = match variable.as_slice() {
                [name] => tree.text(*name, "id_string").map(str::to_owned),
                _ => None,
            };
            arguments.push(Given { variable, kind, flow });
        }
        if path.first().is_some_and(|first| first.eq_ignore_ascii_case("BQ")) {
            done.effects.insert(Effect::Administration);
            done.found.routines.insert(path.join(".").to_uppercase());
            self.record(node, done);
            return Ok(());
        }
        let routine = self.analyzer.find_routine(&path, scope).filter(|routine| routine.kind == RoutineKind::Procedure);
        let routine = routine.ok_or_else(|| Refusal::new(format!("procedure not found: `{}`", path.join("."))))?;
        done.found.routines.insert(routine.name.to_string());
        if let Some(doubt) = self.analyzer.doubt(&routine, scope) {
            done.found.unresolved.insert(doubt);
        }
        if let Language::Opaque(language) = &routine.language {
            done.effects.insert(Effect::OpaqueCode);
            done.found.unresolved.insert(format!("`{}` is written in {language}: what it reads is not known", routine.name));
        }
        for (argument, given) in routine.arguments.iter().zip(&arguments).filter(|(argument, _)| argument.mode != ArgumentMode::Out) {
            convert(given.kind.as_ref(), argument.kind.as_ref(), &given.flow, &mut done.found);
        }
        let opaque = routine.language != Language::Sql;
        self.record(node, done);
        if opaque {
            return Ok(());
        }
        self.procedure(&routine, arguments, node, scope)
    }

    fn procedure(&mut self, routine: &Routine, arguments: Vec<Given>, node: NodeId, scope: &mut Scope) -> Result<(), Refusal> {
        if routine.arguments.len() != arguments.len() {
            return Err(Refusal::new(format!("`{}` takes {} arguments, not {}", routine.name, routine.arguments.len(), arguments.len())));
        }
        let mut within = scope.clone();
        within.variables.clear();
        within.parameters = Parameters::default();
        within.default_dataset = None;
        within.default_project.clone_from(&routine.name.project);
        for (argument, given) in routine.arguments.iter().zip(&arguments) {
            let kind = argument.kind.clone().ok_or_else(|| Refusal::new(format!("`{}` takes an argument of any type", routine.name)))?;
            let flow = if argument.mode == ArgumentMode::Out { Flow::default() } else { given.flow.clone() };
            within.declare(&argument.name, kind, flow);
        }
        let name = routine.name.to_string();
        let inner = self.analyzer.opened(&name, |analyzer| analyzer.prepare(&routine.body))?;
        self.analyzer.opening.push(name);
        let depth = self.analyzer.opening.len();
        let result = match self.analyzer.opening.iter().filter(|open| **open == routine.name.to_string()).count() {
            1 if depth <= crate::analyzer::OPEN_DEPTH_MAX => self.inside(inner, node, &mut within),
            1 => Err(Refusal::new(format!("`{}` is called too deep", routine.name))),
            _ => Err(Refusal::new(format!("`{}` calls itself", routine.name))),
        };
        self.analyzer.opening.pop();
        result?;
        for (argument, given) in routine.arguments.iter().zip(&arguments) {
            if argument.mode == ArgumentMode::In {
                continue;
            }
            let flow = within.variables.get(&argument.name.to_lowercase()).map(|variable| variable.flow.clone()).unwrap_or_default();
            let Some(variable) = given.variable.as_ref().filter(|variable| scope.variables.contains_key(&variable.to_lowercase())) else {
                return Err(Refusal::new(format!("argument `{}` of `{}` must be a variable", argument.name, routine.name)));
            };
            let mut found = Found::default();
            self.assigned(variable, argument.kind.as_ref(), flow, scope, &mut found)?;
            if found != Found::default() {
                self.record(node, Understood { kind: "CALL".to_owned(), found, ..Understood::default() });
            }
        }
        // Of what happened inside all stays, but for the variables and what names mean.
        let Scope { variables, parameters, default_project, default_dataset, error, guarded, .. } = std::mem::take(scope);
        *scope = Scope { variables, parameters, default_project, default_dataset, error, guarded, ..within };
        Ok(())
    }

    fn inside(&mut self, inner: std::rc::Rc<text::Prepared>, node: NodeId, within: &mut Scope) -> Result<(), Refusal> {
        let span = self.span.replace(self.span.unwrap_or_else(|| text::span(&self.prepared.tree, node)));
        let text = std::mem::replace(&mut self.prepared, inner);
        // RETURN may leave it anywhere.
        let returns = text::nodes(&self.prepared.tree, self.prepared.tree.root).into_iter();
        let returns = returns.into_iter().any(|node| self.prepared.tree.kind(node) == "ASTReturnStatement");
        let weak = self.weak;
        self.weak |= returns;
        let result = self.procedure_body(within);
        self.weak = weak;
        self.prepared = text;
        self.span = span;
        result
    }

    /// A body is one BEGIN ... END block. Its own level is walked as a list, so that the arguments stay in sight.
    fn procedure_body(&mut self, within: &mut Scope) -> Result<(), Refusal> {
        let prepared = self.prepared.clone();
        let tree = &prepared.tree;
        match crate::analyzer::single_statement(tree) {
            Some(block) if tree.kind(block) == "ASTBeginEndBlock" => self.statement(block, within),
            _ => self.run(within),
        }
    }
}
