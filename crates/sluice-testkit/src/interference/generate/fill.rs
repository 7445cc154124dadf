//! Fills the holes of a recipe.

use sluice_model::Type;

use super::Generator;
use super::recipe::{Part, Recipe};
use super::scope::{Column, Expression, Scope, Stain, Want, Wish};

impl Generator {
    /// The recipe with its holes filled; nothing where it needs an order that is not there.
    pub fn fill(&mut self, recipe: &Recipe, scope: &Scope, kind: &Type, wish: Wish) -> Option<Expression> {
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
        let wish = if repeats { Wish { last: true, ..wish } } else { wish };
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
                    let element = element.as_ref().map(|(name, kind)| {
                        Column::new(name, name, kind.clone(), first.as_ref().map_or(Stain::Clean, |first| first.stain.clone()))
                    });
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
                // The engine refuses an order by a literal.
                Part::First => {
                    first.as_ref().filter(|first| inside.leaves(&Type::String).iter().any(|leaf| leaf.text == first.text))?.text.clone()
                }
                other => {
                    let (text, stain) = self.other_part(other, inside, wish);
                    decided |= stain;
                    text
                }
            };
            text.push_str(&found);
        }
        let text = if recipe.bare { format!("({text})") } else { text };
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
}
