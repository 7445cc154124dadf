//! SELECT with what belongs to it: WHERE, QUALIFY, DISTINCT, windows, a total order with LIMIT, stars.

use sluice_model::Type;

use super::Generator;
use super::constant::scalar;
use super::plan::Mix;
use super::scope::{Column, Expression, Relation, Scope, Source, Want, Wish};

/// Names that look like other columns than they are.
const MISLEADING: &[&str] = &["ssn", "email", "id", "name", "ward", "diagnosis", "street", "notes"];

/// The outputs wanted of a query.
pub type Outputs = [(Type, Want)];

impl Generator {
    /// A query for FROM, WITH or a temporary table.
    pub fn relation(&mut self, outer: &Scope, condition: Wish) -> Relation {
        let outputs = self.outputs(2, 3);
        match self.random.below(100) {
            60..76 => self.aggregate(outer, condition, &outputs),
            76..86 => self.set(outer, condition, &outputs),
            86..92 => self.star(outer, condition),
            _ => self.select(outer, condition, &outputs),
        }
    }

    /// So many outputs, as the plan mixes them.
    pub fn outputs(&mut self, least: usize, most: usize) -> Vec<(Type, Want)> {
        let count = least + self.random.below(most - least + 1);
        (0..count)
            .map(|position| {
                let want = self.plan.output(&mut self.random, position);
                (self.any_kind(), want)
            })
            .collect()
    }

    pub fn select(&mut self, outer: &Scope, condition: Wish, outputs: &Outputs) -> Relation {
        let source = self.source(outer, condition, 2);
        let mut scope = source.scope(outer);
        let mut stained = source.stained_rows;
        let filter = self.random.chance(if self.plan.errors { 80 } else { 40 }).then(|| self.row_filter(&scope, condition));
        let plain = scope.clone();
        let mut window = String::new();
        match self.random.below(100) {
            75..93 => scope = self.with_windows(scope, outputs),
            93.. => (scope, window) = self.with_named_window(scope, outputs),
            _ => {}
        }
        let qualify = self.random.chance(10).then(|| self.qualify(&scope, &plain, condition)).flatten();
        let mut columns = self.items(&scope, outputs);
        columns.extend(self.whole_row(&source));
        let distinct = self.distinct(&columns, condition);
        let without = distinct || !self.random.chance(50);
        let key = self.keep_key(&source, &mut columns, without);
        let tail = if distinct { String::new() } else { self.order(&source, &plain, condition, &mut stained) };
        let mut text = format!("SELECT {}{} FROM {}", if distinct { "DISTINCT " } else { "" }, list(&columns), source.text);
        match (&filter, &qualify) {
            (Some(filter), _) => text.push_str(&format!(" WHERE {}", filter.text)),
            (None, Some(_)) => text.push_str(" WHERE TRUE"),
            (None, None) => {}
        }
        if let Some(qualify) = &qualify {
            text.push_str(&format!(" QUALIFY {}", qualify.text));
        }
        text.push_str(&window);
        text.push_str(&tail);
        stained |= filter.iter().chain(&qualify).any(|part| part.stain.any());
        stained |= distinct && columns.iter().any(|column| column.stain.any());
        let key = if distinct { Some(columns.iter().map(|column| column.name.clone()).collect()) } else { key };
        Relation { text, columns: named(columns), key, stained_rows: stained, size: source.size }
    }

    /// The expressions of a SELECT list, each with a name of its own.
    pub fn items(&mut self, scope: &Scope, outputs: &Outputs) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        for (kind, want) in outputs {
            let depth = if self.random.chance(25) { 2 } else { 1 };
            let wish = self.plan.wish(*want, depth);
            let explosion = match want {
                Want::Clean => None,
                _ => self.explosion(scope, kind, |recipe| recipe.explosive && !recipe.window && !recipe.aggregate),
            };
            let found = explosion.unwrap_or_else(|| self.expression(scope, kind, wish));
            let name = self.output_name(&columns);
            columns.push(Column::new(&name, &found.text, kind.clone(), found.stain));
        }
        columns
    }

    pub fn output_name(&mut self, taken: &[Column]) -> String {
        let name = if self.random.chance(15) { self.random.word(MISLEADING).to_owned() } else { String::new() };
        if name.is_empty() || taken.iter().any(|column| column.name == name) { self.alias("c") } else { name }
    }

    /// Every column of one table or subquery, some left out, some replaced.
    pub fn star(&mut self, outer: &Scope, condition: Wish) -> Relation {
        let source = self.single(outer, condition, true);
        let scope = source.scope(outer);
        let mut columns = source.columns.clone();
        self.random.shuffle(&mut columns);
        let left_out: Vec<Column> = columns.iter().take(self.random.below(columns.len().min(3))).cloned().collect();
        let except = if left_out.is_empty() { String::new() } else { format!(" EXCEPT ({})", names(&left_out)) };
        let mut kept: Vec<Column> =
            source.columns.iter().filter(|column| !left_out.iter().any(|other| other.name == column.name)).cloned().collect();
        let replaced = if self.random.chance(50) { self.replace(&scope, &mut kept) } else { String::new() };
        let qualified = self.random.chance(40);
        let alias = source.rows.first().map_or("", |row| row.text.as_str());
        let star = if qualified && !alias.is_empty() { format!("{alias}.*") } else { "*".to_owned() };
        let filter = self.random.chance(40).then(|| self.row_filter(&scope, condition));
        let filter_text = filter.as_ref().map_or_else(String::new, |filter| format!(" WHERE {}", filter.text));
        let stained = source.stained_rows || filter.iter().any(|filter| filter.stain.any());
        let kept_key = |text: &String| kept.iter().find(|column| column.text == *text).map(|column| column.name.clone());
        let key = source.key.as_ref().and_then(|key| key.iter().map(kept_key).collect());
        let text = format!("SELECT {star}{except}{replaced} FROM {}{filter_text}", source.text);
        Relation { text, columns: named(kept), key, stained_rows: stained, size: source.size }
    }

    fn replace(&mut self, scope: &Scope, kept: &mut [Column]) -> String {
        let position = self.random.below(kept.len());
        let want = self.random.weighted(&[(Want::Clean, 1), (Want::Labelled, 1)]).unwrap_or(Want::Clean);
        let wish = self.plan.wish(want, 1);
        let Some(column) = kept.get_mut(position) else { return String::new() };
        let found = self.expression(scope, &column.kind, wish);
        column.stain = found.stain;
        // It is no key any more.
        column.text = String::new();
        format!(" REPLACE ({} AS {})", found.text, spelled(&column.name))
    }

    /// A condition that mostly leaves some rows.
    pub fn row_filter(&mut self, scope: &Scope, condition: Wish) -> Expression {
        let condition = Wish { depth: condition.depth.min(1 + u8::from(self.random.chance(30))), ..condition };
        if self.plan.errors {
            // One row or few: of many rows one will fail in any variant.
            let number = self.leaf(scope, &Type::Int64, condition.want(Want::Clean));
            let small = 1 + self.random.below(9);
            return Expression { text: format!("{} = {small}", number.text), stain: number.stain };
        }
        let found = self.expression(scope, &Type::Bool, condition);
        if !self.random.chance(60) {
            return found;
        }
        let number = self.leaf(scope, &Type::Int64, condition.want(Want::Clean));
        let small = 1 + self.random.below(6);
        Expression { text: format!("({} OR {} >= {small})", found.text, number.text), ..found }
    }

    fn with_windows(&mut self, scope: Scope, outputs: &Outputs) -> Scope {
        let mut found = Vec::new();
        // Calls of one or two types: each of them makes the statement a good deal longer.
        let position = self.random.below(outputs.len());
        for (kind, want) in outputs.iter().skip(position).take(2) {
            let wish = self.plan.wish(*want, 1);
            found.extend(self.windows(&scope, std::slice::from_ref(kind), wish));
        }
        scope.with(&found)
    }

    /// A window with a name, and a call that names it.
    fn with_named_window(&mut self, scope: Scope, outputs: &Outputs) -> (Scope, String) {
        let Some((kind, want)) = outputs.first().filter(|_| scope.key.is_some() && !scope.key_stained) else {
            return (scope, String::new());
        };
        let name = self.alias("n");
        let wish = self.plan.wish(*want, 1);
        let plain = scope.captured();
        let value = self.expression(&plain, kind, wish);
        let (definition, stained) = self.over(&scope, wish, false);
        let over = self.random.word(&["", "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW"]);
        let over = if over.is_empty() { name.clone() } else { format!("({name} {over})") };
        let text = format!("FIRST_VALUE({}) OVER {over}", value.text);
        let call = Column { local: true, ..Column::new("", &text, kind.clone(), value.stain.decided(stained)) };
        (scope.with(&[call]), format!(" WINDOW {name} AS ({definition})"))
    }

    /// Now and then a table's whole row as one output.
    fn whole_row(&mut self, source: &Source) -> Option<Column> {
        if self.plan.mix == Mix::Clean || !self.random.chance(5) {
            return None;
        }
        let row = self.random.pick(&source.rows).cloned()?;
        Some(Column { name: self.alias("c"), ..row })
    }

    fn qualify(&mut self, scope: &Scope, plain: &Scope, condition: Wish) -> Option<Expression> {
        let call = self.windows(plain, &[Type::Int64], Wish { depth: 1, ..condition }).pop()?;
        let bound = 1 + self.random.below(4);
        let mut text = format!("{} <= {bound}", call.text);
        let mut stain = call.stain;
        if self.random.chance(30) {
            let more = self.expression(scope, &Type::Bool, Wish { depth: 1, ..condition });
            text = format!("{text} AND {}", more.text);
            stain = stain.join(&more.stain);
        }
        Some(Expression { text, stain })
    }

    fn distinct(&mut self, columns: &[Column], condition: Wish) -> bool {
        let fitting = columns.iter().all(|column| scalar(&column.kind) && condition.allows(&column.stain));
        fitting && self.random.chance(15)
    }

    /// Puts the key of the source among the outputs, so that rows can be told apart later.
    fn keep_key(&mut self, source: &Source, columns: &mut Vec<Column>, without: bool) -> Option<Vec<String>> {
        if without {
            return None;
        }
        let mut names = Vec::new();
        for text in source.key.as_ref()? {
            let column = source.columns.iter().find(|column| column.text == *text)?;
            let name = self.alias("k");
            columns.push(Column::new(&name, text, column.kind.clone(), column.stain.clone()));
            names.push(name);
        }
        Some(names)
    }

    /// A total order with LIMIT, or where labelled values may decide any order.
    fn order(&mut self, source: &Source, scope: &Scope, condition: Wish, stained: &mut bool) -> String {
        if source.key.is_none() || scope.key_stained && condition.want == Want::Clean || !self.random.chance(18) {
            return String::new();
        }
        let (order, labelled) = self.order_key(scope, condition);
        let limit = match self.random.below(4) {
            0 => String::new(),
            1 => " LIMIT 3 OFFSET 1".to_owned(),
            _ => format!(" LIMIT {}", 1 + self.random.below(8)),
        };
        *stained |= labelled && !limit.is_empty();
        format!(" ORDER BY {order}{limit}")
    }
}

pub fn list(columns: &[Column]) -> String {
    let texts: Vec<String> = columns.iter().map(|column| format!("{} AS {}", column.text, spelled(&column.name))).collect();
    texts.join(", ")
}

pub fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| spelled(&column.name)).collect::<Vec<_>>().join(", ")
}

/// A name where a keyword would be taken for itself.
pub fn spelled(name: &str) -> String {
    if name == "at" { "`at`".to_owned() } else { name.to_owned() }
}

/// The outputs as others see them: by name.
pub fn named(columns: Vec<Column>) -> Vec<Column> {
    columns.into_iter().map(|column| Column { text: column.name.clone(), local: false, ..column }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::scope::Stain;
    use super::*;

    #[test]
    fn a_select_list_names_each_column() {
        let columns = [Column::new("a", "1", Type::Int64, Stain::Clean), Column::new("b", "x.y", Type::Int64, Stain::Labelled)];
        assert_eq!(list(&columns), "1 AS a, x.y AS b");
        assert_eq!(names(&columns), "a, b");
    }
}
