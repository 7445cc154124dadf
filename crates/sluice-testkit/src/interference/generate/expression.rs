//! Expressions of a wanted type over the columns of a scope.

use sluice_model::Type;

use super::Generator;
use super::recipe::{Part, Recipe, recipes};
use super::scope::{Column, Expression, Scope, Stain, Want, Wish, field_stain};

/// An operation that can fail is taken less often than others: a statement that always fails tells nothing.
const FAILING_PERCENT: usize = 25;
const RECIPE_ATTEMPTS_MAX: usize = 4;

impl Generator {
    pub fn expression(&mut self, scope: &Scope, kind: &Type, wish: Wish) -> Expression {
        let leaf_serves = self.leaf_serves(scope, kind, wish);
        if wish.depth > 0 && self.random.chance(55) || !leaf_serves && self.random.chance(90) {
            if let Some(found) = self.compound(scope, kind, wish) {
                return found;
            }
        }
        self.leaf(scope, kind, wish)
    }

    fn leaf_serves(&self, scope: &Scope, kind: &Type, wish: Wish) -> bool {
        match wish.want {
            Want::Labelled => scope.has_labelled(kind),
            _ => scope.leaves(kind).iter().any(|leaf| wish.allows(&leaf.stain)),
        }
    }

    /// A column or field, or else a literal.
    pub fn leaf(&mut self, scope: &Scope, kind: &Type, wish: Wish) -> Expression {
        let leaves = scope.leaves(kind);
        let labelled: Vec<_> = leaves.iter().filter(|leaf| leaf.stain.any()).cloned().collect();
        let allowed: Vec<_> = leaves.into_iter().filter(|leaf| wish.allows(&leaf.stain)).collect();
        let pool = if wish.want == Want::Labelled && !labelled.is_empty() { labelled } else { allowed };
        let literal = pool.is_empty() || wish.want != Want::Labelled && self.random.chance(8);
        match self.random.pick(&pool) {
            Some(column) if !literal => column.clone(),
            _ => self.constant(kind),
        }
    }

    /// Calls of window functions, to stand beside the columns in a SELECT list or QUALIFY.
    pub fn windows(&mut self, scope: &Scope, kinds: &[Type], wish: Wish) -> Vec<Column> {
        self.calls(scope, kinds, wish, |recipe| recipe.window)
    }

    /// Calls of aggregate functions.
    pub fn aggregates(&mut self, scope: &Scope, kinds: &[Type], wish: Wish) -> Vec<Column> {
        self.calls(scope, kinds, wish, |recipe| recipe.aggregate)
    }

    fn calls(&mut self, scope: &Scope, kinds: &[Type], wish: Wish, wanted: fn(&Recipe) -> bool) -> Vec<Column> {
        let mut found = Vec::new();
        for kind in kinds {
            let call = self.from_recipes(scope, kind, wish, wanted);
            let call = call.map(|call| Column { local: true, ..Column::new("", &call.text, kind.clone(), call.stain) });
            found.extend(call);
        }
        found
    }

    fn compound(&mut self, scope: &Scope, kind: &Type, wish: Wish) -> Option<Expression> {
        let constructed = matches!(kind, Type::Struct(_)) || matches!(kind, Type::Array(element) if matches!(**element, Type::Struct(_)));
        let way = self.random.below(100);
        let found = match way {
            70..84 if wish.depth > 0 => self.subquery(scope, kind, wish.deeper()),
            84..92 => self.nested(scope, kind, wish),
            92.. => self.call(scope, kind, wish.deeper()),
            30.. if constructed => self.construct(scope, kind, wish.deeper()),
            _ => None,
        };
        found.or_else(|| self.from_recipes(scope, kind, wish.deeper(), |recipe| !recipe.window && !recipe.aggregate))
    }

    fn from_recipes(&mut self, scope: &Scope, kind: &Type, wish: Wish, wanted: fn(&Recipe) -> bool) -> Option<Expression> {
        let own: Vec<&Recipe> = recipes().iter().filter(|recipe| wanted(recipe) && recipe.kind.as_ref() == Some(kind)).collect();
        let every: Vec<&Recipe> = recipes().iter().filter(|recipe| wanted(recipe) && recipe.kind.is_none()).collect();
        for _ in 0..RECIPE_ATTEMPTS_MAX {
            let general = own.is_empty() || !every.is_empty() && self.random.chance(10);
            let recipe = *self.random.pick(if general { &every } else { &own })?;
            if recipe.can_fail && (wish.safe || recipe.fragile && wish.want == Want::Clean || !self.random.chance(FAILING_PERCENT)) {
                continue;
            }
            if general && recipe.elementary && matches!(kind, Type::Array(_)) || recipe.inner && wish.depth == 0 {
                continue;
            }
            if wish.depth == 0 && !recipe.holes(kind).any(|hole| self.leaf_serves(scope, hole, wish)) {
                continue;
            }
            let found = self.fill(recipe, scope, kind, wish);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn fill(&mut self, recipe: &Recipe, scope: &Scope, kind: &Type, wish: Wish) -> Option<Expression> {
        let ordered = recipe.needs_key || recipe.window;
        if ordered && (scope.key.is_none() || scope.key_stained && wish.want == Want::Clean) {
            return None;
        }
        let captured = scope.captured();
        let apart = recipe.inner || recipe.window || recipe.aggregate;
        let inside = if apart { &Scope { key: scope.key.clone(), key_stained: scope.key_stained, ..captured.clone() } } else { scope };
        let labelled = self.labelled_hole(recipe, inside, kind, wish);
        // What is written twice must read the same to the engine: a column.
        let repeats = recipe.parts.iter().any(|part| matches!(part, Part::First));
        let wish = if repeats { Wish { depth: 0, ..wish } } else { wish };
        let mut text = String::new();
        let mut same: Option<Stain> = None;
        let mut decided = false;
        let mut first: Option<Expression> = None;
        let mut hole = 0;
        for part in &recipe.parts {
            let mut hole_wish = wish;
            if wish.want == Want::Labelled && labelled != Some(hole) {
                hole_wish.want = Want::Either;
            }
            let found = match part {
                Part::Kind(hole_kind, element) => {
                    hole += 1;
                    let element = element.as_ref().map(|(name, kind)| Column::new(name, name, kind.clone(), first.as_ref().map_or(Stain::Clean, |first| first.stain.clone())));
                    let found = match element {
                        Some(element) => self.expression(&captured.with(&[element]), hole_kind, hole_wish.deeper()),
                        None => self.expression(inside, hole_kind, hole_wish.deeper()),
                    };
                    first.get_or_insert_with(|| found.clone());
                    decided |= found.stain.any();
                    found.text
                }
                Part::Same => {
                    hole += 1;
                    let found = self.expression(inside, kind, hole_wish.deeper());
                    first.get_or_insert_with(|| found.clone());
                    same = Some(same.unwrap_or(Stain::Clean).join(&found.stain));
                    found.text
                }
                Part::First => first.as_ref().map_or_else(String::new, |first| first.text.clone()),
                other => {
                    let (text, stain) = self.other_part(other, inside, wish);
                    decided |= stain;
                    text
                }
            };
            text.push_str(&found);
        }
        let bare = matches!(recipe.parts.first(), Some(Part::Text(head)) if head.is_empty() || head.starts_with("NOT ") || head.starts_with('('));
        let text = if bare { format!("({text})") } else { text };
        Some(Expression { text, stain: same.unwrap_or(Stain::Clean).decided(decided) })
    }

    /// Which hole shall hold the labelled value: one that can.
    fn labelled_hole(&mut self, recipe: &Recipe, scope: &Scope, kind: &Type, wish: Wish) -> Option<usize> {
        if wish.want != Want::Labelled {
            return None;
        }
        let holes: Vec<usize> = (0..recipe.holes(kind).count()).map(|position| position + 1).collect();
        let reachable = |position: &&usize| recipe.holes(kind).nth(**position - 1).is_some_and(|hole| scope.has_labelled(hole));
        let good: Vec<usize> = holes.iter().filter(reachable).copied().collect();
        let chosen = self.random.pick(if good.is_empty() { &holes } else { &good });
        chosen.map(|position| position - 1)
    }

    /// A part that is no expression of a wanted type, and whether it is labelled.
    fn other_part(&mut self, part: &Part, scope: &Scope, wish: Wish) -> (String, bool) {
        match part {
            Part::Any => {
                let found = self.anything(scope, wish.deeper());
                let labelled = found.stain.any();
                (found.text, labelled)
            }
            Part::Frame => self.over(scope, wish, true),
            Part::Key => self.order_key(scope, wish),
            Part::Literal(literal) => (self.literal(*literal), false),
            Part::Over => self.over(scope, wish, false),
            Part::Partition => self.partition(scope, wish),
            Part::Text(text) => (text.clone(), false),
            Part::First | Part::Kind(..) | Part::Same => (String::new(), false),
        }
    }

    /// A value of any type: a whole row, a struct, an array, a scalar.
    fn anything(&mut self, scope: &Scope, wish: Wish) -> Expression {
        let whole = |column: &&Column| matches!(column.kind, Type::Struct(_) | Type::Array(_)) && wish.allows(&column.stain);
        let wholes: Vec<Column> = scope.columns.iter().chain(&scope.rows).filter(whole).cloned().collect();
        let whole = self.random.chance(50).then(|| self.random.pick(&wholes).cloned()).flatten();
        if let Some(column) = whole {
            return Expression { text: column.text, stain: column.stain };
        }
        let kind = self.scalar_kind();
        self.expression(scope, &kind, wish)
    }

    /// `column[SAFE_OFFSET(n)].field`, or the length of an array of structs.
    fn nested(&mut self, scope: &Scope, kind: &Type, wish: Wish) -> Option<Expression> {
        let mut found = Vec::new();
        for column in &scope.columns {
            let Type::Array(element) = &column.kind else { continue };
            let Type::Struct(fields) = &**element else { continue };
            let offset = self.random.below(2);
            for (position, field) in fields.iter().enumerate().filter(|(_, field)| field.kind == *kind) {
                let text = format!("{}[SAFE_OFFSET({offset})].{}", column.text, field.name);
                found.push(Expression { text, stain: field_stain(&column.stain, position) });
            }
            if *kind == Type::Int64 {
                let stain = Stain::of(column.stain == Stain::Labelled);
                found.push(Expression { text: format!("ARRAY_LENGTH({})", column.text), stain });
            }
            if *kind == Type::array(Type::String) {
                for (position, field) in fields.iter().enumerate().filter(|(_, field)| field.kind == Type::String) {
                    let text = format!("ARRAY_TRANSFORM({}, e -> e.{})", column.text, field.name);
                    found.push(Expression { text, stain: field_stain(&column.stain, position) });
                }
            }
        }
        found.retain(|found| wish.allows(&found.stain));
        self.random.pick(&found).cloned()
    }

    /// A struct field by field, or an array of one or two such structs.
    fn construct(&mut self, scope: &Scope, kind: &Type, wish: Wish) -> Option<Expression> {
        match kind {
            Type::Struct(fields) => {
                let labelled = self.random.below(fields.len());
                let mut texts = Vec::new();
                let mut stains = Vec::new();
                for (position, field) in fields.iter().enumerate() {
                    let want = if wish.want == Want::Labelled && position != labelled { Want::Either } else { wish.want };
                    let part = self.expression(scope, &field.kind, wish.want(want));
                    texts.push(if field.name.is_empty() { part.text } else { format!("{} AS {}", part.text, field.name) });
                    stains.push(part.stain);
                }
                Some(Expression { text: format!("STRUCT({})", texts.join(", ")), stain: Stain::Fields(stains) })
            }
            Type::Array(element) => {
                let first = self.construct(scope, element, wish)?;
                let Expression { text, stain } = self.construct(scope, element, wish)?;
                Some(Expression { text: format!("[{}, {text}]", first.text), stain: first.stain.join(&stain) })
            }
            _ => None,
        }
    }

    /// A call of a function that the script made.
    fn call(&mut self, scope: &Scope, kind: &Type, wish: Wish) -> Option<Expression> {
        let fitting: Vec<_> = self.functions.iter().filter(|function| function.result == *kind && wish.allows(&function.stain)).cloned().collect();
        let function = self.random.pick(&fitting)?;
        let arguments: Vec<_> = function.arguments.iter().map(|kind| self.expression(scope, kind, wish)).collect();
        let decided = arguments.iter().any(|argument| argument.stain.any());
        let texts: Vec<_> = arguments.into_iter().map(|argument| argument.text).collect();
        Some(Expression { text: format!("{}({})", function.name, texts.join(", ")), stain: function.stain.clone().decided(decided) })
    }
}
