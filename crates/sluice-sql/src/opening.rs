//! Puts what the engine cannot read into words that it can: calls of BigQuery's table functions become subqueries that state their flow,
//! functions whose type depends on the call get a signature of their own, temporary functions a name that hides none of the engine's.

use crate::analyzer::{Analyzer, Refusal};
use crate::binding::Binding;
use crate::builtin::{self, Call, Facts, Given, Literal, Shape};
use crate::builtin_binding::traits_of;
use crate::engine::Column;
use crate::places::{Edits, edit};
use crate::scope::Scope;
use crate::text::{self, Prepared};
use crate::tree::{NodeId, Tree};

/// Calls within calls. Each level copies the text of its arguments.
const CALL_DEPTH_MAX: usize = 16;

/// What stands before the name of a temporary function: no caller can write a name with a space without our seeing it.
pub(crate) const TEMPORARY_PREFIX: &str = "temporary ";

impl Analyzer<'_> {
    /// The text of a node as the engine will read it.
    pub(crate) fn open_calls(
        &mut self,
        prepared: &Prepared,
        node: NodeId,
        scope: &Scope,
        binding: &mut Binding,
    ) -> Result<(String, Edits), Refusal> {
        self.open_within(prepared, node, scope, binding, 0)
    }

    fn open_within(
        &mut self,
        prepared: &Prepared,
        node: NodeId,
        scope: &Scope,
        binding: &mut Binding,
        depth: usize,
    ) -> Result<(String, Edits), Refusal> {
        let tree = &prepared.tree;
        let (start, end) = text::span(tree, node).ok_or_else(|| Refusal::new("the engine gave no place for a statement"))?;
        if depth > CALL_DEPTH_MAX {
            return Err(Refusal::new(format!("table functions nested deeper than {CALL_DEPTH_MAX}")));
        }
        let mut changes = Vec::new();
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            refuse_piped(tree, node)?;
            if let Some(change) = self.opened_table_function(prepared, node, scope, binding, depth)? {
                changes.push(change);
                continue;
            }
            changes.extend(self.renamed_function(prepared, node, scope, binding)?);
            waiting.extend(tree.all_children(node));
        }
        let whole = prepared.text.get(start..end).unwrap_or_default();
        let shifted = changes.into_iter().filter_map(|(from, to, new)| Some((from.checked_sub(start)?, to.checked_sub(start)?, new)));
        Ok(edit(whole, shifted.collect()))
    }

    fn opened_table_function(
        &mut self,
        prepared: &Prepared,
        node: NodeId,
        scope: &Scope,
        binding: &mut Binding,
        depth: usize,
    ) -> Result<Option<(usize, usize, String)>, Refusal> {
        let tree = &prepared.tree;
        if tree.kind(node) != "ASTTVF" {
            return Ok(None);
        }
        let Some(path) = builtin_called(tree, node) else { return Ok(None) };
        let mut texts = Vec::new();
        for argument in tree.children(node, "argument_entries") {
            texts.push(self.given(prepared, argument, scope, binding, depth)?);
        }
        let models = texts.iter().filter(|given| given.shape == Shape::Model).map(|given| given.text.clone()).collect::<Vec<_>>();
        let facts = self.facts(&models, scope, binding);
        let arguments = texts.iter().map(OwnedGiven::borrowed).collect();
        let call = Call { arguments, facts };
        let refused = |unfit: builtin::Unfit| Refusal::new(format!("`{path}`: {unfit}"));
        let entry = builtin::table().choose(&path, &call).map_err(refused)?;
        let new = entry.expand(&call).map_err(refused)?;
        binding.world.expanded.push(traits_of(entry));
        for name in builtin::INTERNAL {
            self.bind_builtin(&[name.to_owned()], binding);
        }
        let (start, end) = text::span(tree, node).ok_or_else(|| Refusal::new("the engine gave no place for a call"))?;
        let alias = tree.child(node, "alias").and_then(|alias| text::span(tree, alias)).map(|(start, _)| start);
        Ok(Some((start, alias.unwrap_or(end), format!("{new} "))))
    }

    fn given(
        &mut self,
        prepared: &Prepared,
        argument: NodeId,
        scope: &Scope,
        binding: &mut Binding,
        depth: usize,
    ) -> Result<OwnedGiven, Refusal> {
        let tree = &prepared.tree;
        let expression = tree.child(argument, "expr");
        let named = expression.filter(|expression| tree.kind(*expression) == "ASTNamedArgument");
        let name = named.and_then(|named| tree.child(named, "name")).and_then(|name| tree.text(name, "id_string")).map(str::to_owned);
        let value = named.and_then(|named| tree.child(named, "expr")).or(expression);
        let model = tree.path(argument, &["model_clause", "model_path"]);
        let clause = tree.child(argument, "table_clause").or_else(|| value.filter(|value| tree.kind(*value) == "ASTTableClause"));
        let table = clause.and_then(|clause| tree.child(clause, "table_path"));
        let (shape, node) = match (model, table, value) {
            (Some(model), _, _) => (Shape::Model, model),
            (None, Some(table), _) => (Shape::Table, table),
            (None, None, Some(value)) if tree.kind(value) == "ASTExpressionSubquery" => (Shape::Query, value),
            (None, None, Some(value)) => (Shape::Value, value),
            (None, None, None) => return Err(Refusal::new("an argument of a kind that is not understood")),
        };
        let (text, _) = self.open_within(prepared, node, scope, binding, depth + 1)?;
        Ok(OwnedGiven { name, shape, text, literal: literal(tree, node, 0) })
    }

    /// What only the model's own description tells.
    fn facts(&self, models: &[String], scope: &Scope, binding: &mut Binding) -> Facts {
        let mut facts = Facts::default();
        for path in models {
            let parts: Vec<String> = path.split('.').map(|part| part.trim().trim_matches('`').to_owned()).collect();
            let Some(name) = self.canonical(&parts, scope) else { continue };
            binding.world.opened.insert(name.to_string());
            let Some(model) = self.catalog.model(&name) else { continue };
            facts.settings.push(("model_type".to_owned(), model.model_type.clone()));
            let column = |column: &crate::catalog::Column| Column { name: column.name.clone(), kind: column.kind.clone(), pseudo: false };
            let labels: Vec<Column> = model.labels.iter().map(column).collect();
            if let Some(predicted) = builtin::table().predicted(&model.model_type, &labels) {
                facts.columns.push(("predicted".to_owned(), predicted));
            }
            let label = labels.into_iter().map(|label| Column { name: format!("predicted_{}", label.name), ..label });
            facts.columns.push(("label".to_owned(), label.collect()));
            facts.columns.push(("features".to_owned(), model.features.iter().map(column).collect()));
        }
        facts
    }

    /// A function under a name of its own: a temporary one, or one whose result depends on the call's literals.
    fn renamed_function(
        &mut self,
        prepared: &Prepared,
        node: NodeId,
        scope: &Scope,
        binding: &mut Binding,
    ) -> Result<Option<(usize, usize, String)>, Refusal> {
        let tree = &prepared.tree;
        let field = match tree.kind(node) {
            "ASTFunctionCall" => "function",
            "ASTTVF" => "name",
            _ => return Ok(None),
        };
        let Some(function) = tree.child(node, field) else { return Ok(None) };
        let names = tree.children(function, "names");
        let path = text::path(tree, function);
        let safe = path.len() > 1 && path.first().is_some_and(|first| first.eq_ignore_ascii_case("SAFE"));
        let own = if safe { path.get(1..).unwrap_or_default() } else { &path };
        if let [name] = own
            && scope.functions.contains_key(&name.to_lowercase())
            && let Some((start, end)) = names.last().and_then(|name| text::span(tree, *name))
        {
            return Ok(Some((start, end, format!("`{}`", temporary_name(name)))));
        }
        self.call_signature(prepared, node, function, own, binding)
    }

    fn call_signature(
        &mut self,
        prepared: &Prepared,
        node: NodeId,
        function: NodeId,
        path: &[String],
        binding: &mut Binding,
    ) -> Result<Option<(usize, usize, String)>, Refusal> {
        let tree = &prepared.tree;
        let dotted = path.join(".");
        let entries = builtin::table().entries(&dotted);
        if tree.kind(node) != "ASTFunctionCall" || entries.iter().all(builtin::Entry::is_fixed) {
            return Ok(None);
        }
        let mut arguments = Vec::new();
        for argument in tree.children(node, "arguments") {
            let named = tree.kind(argument) == "ASTNamedArgument";
            let value = if named { tree.child(argument, "expr").unwrap_or(argument) } else { argument };
            let name = tree.child(argument, "name").filter(|_| named).and_then(|name| tree.text(name, "id_string"));
            let text = prepared.slice(value).unwrap_or_default();
            arguments.push(Given { name, shape: Shape::Value, text, literal: literal(tree, value, 0) });
        }
        let call = Call { arguments, facts: Facts::default() };
        let refused = |unfit: builtin::Unfit| Refusal::new(format!("`{dotted}`: {unfit}"));
        let entry = builtin::table().choose(&dotted, &call).map_err(refused)?;
        if entry.is_fixed() {
            return Ok(None);
        }
        let (start, end) = text::span(tree, function).ok_or_else(|| Refusal::new("the engine gave no place for a call"))?;
        let own = format!("{dotted} at {start}");
        binding.catalog.functions.push(entry.function(&call, std::slice::from_ref(&own)).map_err(refused)?);
        binding.world.functions.insert(own.to_lowercase(), traits_of(entry));
        Ok(Some((start, end, format!("`{own}`"))))
    }
}

/// What is piped into a call is an argument that its text does not show.
fn refuse_piped(tree: &Tree, node: NodeId) -> Result<(), Refusal> {
    let called = tree.child(node, "tvf").filter(|_| tree.kind(node) == "ASTPipeCall").and_then(|call| builtin_called(tree, call));
    called.map_or(Ok(()), |path| {
        Err(Refusal::new(format!(
            "`|> CALL {path}` is not understood; accepted: `{path}` behind FROM, with its input as an argument in brackets"
        )))
    })
}

/// The table function of the data table that is called here.
fn builtin_called(tree: &Tree, node: NodeId) -> Option<String> {
    let path = tree.child(node, "name").map(|name| text::path(tree, name).join(".")).unwrap_or_default();
    builtin::table().entries(&path).iter().any(|entry| entry.kind == builtin::Kind::Table).then_some(path)
}

/// The name under which the engine knows a temporary function.
pub(crate) fn temporary_name(name: &str) -> String {
    format!("{TEMPORARY_PREFIX}{}", name.to_lowercase())
}

struct OwnedGiven {
    name: Option<String>,
    shape: Shape,
    text: String,
    literal: Literal,
}

impl OwnedGiven {
    fn borrowed(&self) -> Given<'_> {
        Given { name: self.name.as_deref(), shape: self.shape, text: &self.text, literal: self.literal.clone() }
    }
}

fn literal(tree: &Tree, node: NodeId, depth: usize) -> Literal {
    if depth > CALL_DEPTH_MAX {
        return Literal::Unknown;
    }
    match tree.kind(node) {
        "ASTStringLiteral" => tree.text(node, "string_value").map_or(Literal::Unknown, |text| Literal::Text(text.to_owned())),
        "ASTIntLiteral" | "ASTBooleanLiteral" | "ASTFloatLiteral" => {
            tree.text(node, "image").map_or(Literal::Unknown, |text| Literal::Text(text.to_owned()))
        }
        "ASTArrayConstructor" => texts(tree, node, depth),
        "ASTStructConstructorWithKeyword" => {
            let fields = tree.children(node, "fields").into_iter().map(|field| {
                let alias = tree.path(field, &["alias", "identifier"]).and_then(|alias| tree.text(alias, "id_string"));
                let value = tree.child(field, "expression").map_or(Literal::Unknown, |value| literal(tree, value, depth + 1));
                (alias.unwrap_or_default().to_owned(), value)
            });
            Literal::Fields(fields.collect())
        }
        _ => Literal::Unknown,
    }
}

/// An array of texts; of pairs, the first of each.
fn texts(tree: &Tree, node: NodeId, depth: usize) -> Literal {
    let mut found = Vec::new();
    for element in tree.children(node, "elements") {
        let first = match tree.kind(element) {
            "ASTStructConstructorWithParens" => tree.children(element, "field_expressions").first().copied().unwrap_or(element),
            _ => element,
        };
        match literal(tree, first, depth + 1) {
            Literal::Text(text) => found.push(text),
            _ => return Literal::Unknown,
        }
    }
    Literal::Texts(found)
}
