//! Subqueries that stand inside an expression. What decides their rows belongs to the value they give.

use sluice_model::Type;

use super::Generator;
use super::constant::scalar;
use super::scope::{Column, Expression, Scope, Source, Stain, Want, Wish};

impl Generator {
    pub fn subquery(&mut self, scope: &Scope, kind: &Type, wish: Wish) -> Option<Expression> {
        let outer = scope.captured();
        let wish = Wish { depth: wish.depth.min(1), ..wish };
        let condition = if wish.want == Want::Labelled && self.random.chance(50) { wish.want(Want::Either) } else { wish };
        let source = self.inner_source(&outer, condition);
        let inside = source.scope(&outer);
        if inside.work > super::source::WORK_MAX {
            return None;
        }
        let filter = self.filter(&source, &inside, &outer, condition);
        let decided = source.stained_rows || filter.stain.any();
        let from = format!("FROM {}{}", source.text, filter.text);
        match kind {
            Type::Bool if self.random.chance(80) => self.truth(&outer, &inside, &from, decided, wish),
            Type::Array(element) => {
                let (order, stained) = self.total(&inside, wish)?;
                let value = self.expression(&inside, element, wish);
                let text = format!("ARRAY(SELECT {} {from} ORDER BY {order})", value.text);
                Some(Expression { text, stain: value.stain.decided(decided || stained) })
            }
            Type::Int64 if self.random.chance(25) => {
                let value = if wish.want == Want::Labelled { self.expression(&inside, &Type::String, wish).text } else { "*".to_owned() };
                let stain = Stain::of(decided || wish.want == Want::Labelled);
                Some(Expression { text: format!("(SELECT COUNT({value}) {from})"), stain })
            }
            _ => self.one_row(&inside, kind, &from, decided, wish),
        }
    }

    /// A value of one row: an aggregate, or the first row of a total order.
    fn one_row(&mut self, inside: &Scope, kind: &Type, from: &str, decided: bool, wish: Wish) -> Option<Expression> {
        if scalar(kind) && self.random.chance(55) {
            let value = self.expression(inside, kind, wish);
            let name = if *kind == Type::Bool { "LOGICAL_OR" } else { self.random.word(&["MAX", "MIN"]) };
            return Some(Expression { text: format!("(SELECT {name}({}) {from})", value.text), stain: value.stain.decided(decided) });
        }
        let (order, stained) = self.total(inside, wish)?;
        let value = self.expression(inside, kind, wish);
        let text = format!("(SELECT {} {from} ORDER BY {order} LIMIT 1)", value.text);
        Some(Expression { text, stain: value.stain.decided(decided || stained) })
    }

    fn truth(&mut self, outer: &Scope, inside: &Scope, from: &str, decided: bool, wish: Wish) -> Option<Expression> {
        if self.random.chance(45) {
            let not = self.random.word(&["", "NOT "]);
            return Some(Expression { text: format!("({not}EXISTS(SELECT 1 {from}))"), stain: Stain::of(decided) });
        }
        let kind = self.random.word(&["STRING", "INT64"]);
        let kind = Type::parse(kind).ok()?;
        let left = self.expression(outer, &kind, wish);
        let right = self.expression(inside, &kind, wish);
        let not = self.random.word(&["", "", "NOT "]);
        let stain = Stain::of(decided || left.stain.any() || right.stain.any());
        Some(Expression { text: format!("({} {not}IN (SELECT {} {from}))", left.text, right.text), stain })
    }

    /// A table, or an array of the outer row.
    fn inner_source(&mut self, outer: &Scope, condition: Wish) -> Source {
        let lists = [Type::array(Type::String), Type::array(Type::Int64)];
        let kind = if self.random.chance(80) { lists.first() } else { lists.last() };
        let arrays: Vec<Expression> =
            kind.into_iter().flat_map(|kind| outer.leaves(kind)).filter(|leaf| condition.allows(&leaf.stain)).collect();
        let unnested = self.random.chance(25).then(|| self.random.pick(&arrays).cloned()).flatten();
        match (unnested, kind) {
            (Some(array), Some(Type::Array(element))) => {
                let (alias, offset) = (self.alias("u"), self.alias("o"));
                let columns = vec![
                    Column::new(&alias, &alias, (**element).clone(), array.stain.clone()),
                    Column::new(&offset, &offset, Type::Int64, array.stain.clone()),
                ];
                let text = format!("UNNEST({}) AS {alias} WITH OFFSET AS {offset}", array.text);
                Source { text, columns, rows: Vec::new(), key: Some(vec![offset]), stained_rows: array.stain.any(), size: 2 }
            }
            _ => self.source(outer, condition, 1),
        }
    }

    /// ` WHERE ...` with a link to the outer row where there is one, or nothing.
    fn filter(&mut self, source: &Source, inside: &Scope, outer: &Scope, condition: Wish) -> Expression {
        let mut parts = Vec::new();
        let number = |columns: &[Column]| {
            let side = Scope { columns: columns.to_vec(), ..Scope::default() };
            let mut leaves = side.leaves(&Type::Int64);
            leaves.retain(|leaf| condition.allows(&leaf.stain));
            leaves
        };
        let (mine, theirs) = (number(&source.columns), number(&outer.columns));
        let link = if self.random.chance(60) { self.random.pick(&mine).zip(self.random.pick(&theirs)) } else { None };
        if let Some((one, other)) = link {
            let stain = Stain::of(one.stain.any() || other.stain.any());
            parts.push(Expression { text: format!("{} = {}", one.text, other.text), stain });
        }
        if parts.is_empty() || self.random.chance(40) {
            parts.push(self.expression(inside, &Type::Bool, condition));
        }
        let stain = Stain::of(parts.iter().any(|part| part.stain.any()));
        let texts: Vec<String> = parts.into_iter().map(|part| part.text).collect();
        Expression { text: format!(" WHERE {}", texts.join(" AND ")), stain }
    }

    /// An order that tells all rows apart. Inside an expression it is no use of its own.
    pub fn total(&mut self, scope: &Scope, wish: Wish) -> Option<(String, bool)> {
        if scope.key.is_none() || scope.key_stained && wish.want == Want::Clean {
            return None;
        }
        Some(self.order_key(scope, wish))
    }
}
