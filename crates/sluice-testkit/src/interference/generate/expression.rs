//! Expressions of a wanted type over the columns of a scope.

use sluice_model::Type;

use super::Generator;
use super::recipe::{Recipe, recipes};
use super::scope::{Column, Expression, Scope, Stain, Want, Wish, field_stain};

/// An operation that can fail is taken less often than others: a statement that always fails tells nothing.
const FAILING_PERCENT: usize = 25;
const RECIPE_ATTEMPTS_MAX: usize = 4;

impl Generator {
    pub fn expression(&mut self, scope: &Scope, kind: &Type, wish: Wish) -> Expression {
        let mark = self.random.mark();
        let found = self.built(scope, kind, wish);
        self.random.close(mark);
        found
    }

    fn built(&mut self, scope: &Scope, kind: &Type, wish: Wish) -> Expression {
        let leaf_serves = self.leaf_serves(scope, kind, wish);
        let built = !wish.last && (wish.depth > 0 && self.random.chance(50) || !leaf_serves && self.random.chance(90));
        let found = if built { self.compound(scope, kind, wish) } else { None };
        if let Some(found) = found {
            return found;
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
        self.calls(scope, kinds, wish, [|recipe| recipe.window && !recipe.explosive, |recipe| recipe.window && recipe.explosive])
    }

    /// Calls of aggregate functions.
    pub fn aggregates(&mut self, scope: &Scope, kinds: &[Type], wish: Wish) -> Vec<Column> {
        self.calls(scope, kinds, wish, [|recipe| recipe.aggregate && !recipe.explosive, |recipe| recipe.aggregate && recipe.explosive])
    }

    /// The one operation of a statement about failures that may fail because of a labelled value; afterwards nothing else may.
    pub fn explosion(&mut self, scope: &Scope, kind: &Type, wanted: fn(&Recipe) -> bool) -> Option<Expression> {
        if !self.plan.errors || self.exploded {
            return None;
        }
        let wish = Wish { want: Want::Labelled, depth: 1, safe: true, last: false };
        let found = self.by_recipe(scope, kind, wish, wanted);
        self.exploded = found.is_some();
        found
    }

    fn calls(&mut self, scope: &Scope, kinds: &[Type], wish: Wish, [wanted, explosive]: [fn(&Recipe) -> bool; 2]) -> Vec<Column> {
        let mut found = Vec::new();
        for kind in kinds {
            let explosion = match wish.want {
                Want::Clean => None,
                _ => self.explosion(scope, kind, explosive),
            };
            let call = explosion.or_else(|| self.by_recipe(scope, kind, wish, wanted));
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
            _ if constructed && (way >= 30 || wish.depth == 0) => self.construct(scope, kind, wish.deeper()),
            _ => None,
        };
        found.or_else(|| self.by_recipe(scope, kind, wish.deeper(), |recipe| !recipe.window && !recipe.aggregate && !recipe.explosive))
    }

    fn by_recipe(&mut self, scope: &Scope, kind: &Type, wish: Wish, wanted: fn(&Recipe) -> bool) -> Option<Expression> {
        let own: Vec<&Recipe> = recipes().iter().filter(|recipe| wanted(recipe) && recipe.kind.as_ref() == Some(kind)).collect();
        let every: Vec<&Recipe> = recipes().iter().filter(|recipe| wanted(recipe) && recipe.kind.is_none()).collect();
        for _ in 0..RECIPE_ATTEMPTS_MAX {
            let general = own.is_empty() || wish.depth > 0 && !every.is_empty() && self.random.chance(12);
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
            Type::Array(element) if self.random.chance(30) => {
                let lists = Type::array(Type::String);
                let list = self.leaf(scope, &lists, wish);
                let item = Column::new("e", "e", Type::String, list.stain.clone());
                let made = self.construct(&scope.captured().with(&[item]), element, wish)?;
                // Its length tells of the first array, whatever is made of the elements.
                let stain = made.stain.decided(list.stain.any());
                Some(Expression { text: format!("ARRAY_TRANSFORM({}, e -> {})", list.text, made.text), stain })
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
        let fitting: Vec<_> =
            self.functions.iter().filter(|function| function.result == *kind && wish.allows(&function.stain)).cloned().collect();
        let function = self.random.pick(&fitting)?;
        let arguments: Vec<_> = function.arguments.iter().map(|kind| self.expression(scope, kind, wish)).collect();
        let decided = arguments.iter().any(|argument| argument.stain.any());
        let texts: Vec<_> = arguments.into_iter().map(|argument| argument.text).collect();
        Some(Expression { text: format!("{}({})", function.name, texts.join(", ")), stain: function.stain.clone().decided(decided) })
    }
}
