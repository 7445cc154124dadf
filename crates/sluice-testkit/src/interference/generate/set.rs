//! Set operations, by position and by name; recursive common table expressions.

use sluice_model::Type;

use super::Generator;
use super::constant::scalar;
use super::scope::{Column, Relation, Scope, Stain, Want, Wish};
use super::select::{Outputs, names, spelled};

impl Generator {
    pub fn set(&mut self, outer: &Scope, condition: Wish, outputs: &Outputs) -> Relation {
        let mut left = self.side(outer, condition, outputs);
        let mut shuffled: Vec<(Type, Want)> = outputs.to_vec();
        // The other side is labelled where this one is not: by position it must still be told.
        if self.random.chance(40) {
            for (_, want) in shuffled.iter_mut() {
                *want = self.plan.output(&mut self.random, 2);
            }
        }
        let right = self.side(outer, condition, &shuffled);
        let stained = left.columns.iter().chain(&right.columns).any(|column| column.stain.any());
        let comparable = left.columns.iter().all(|column| scalar(&column.kind));
        let rows = comparable && (condition.want != Want::Clean || !stained);
        let operation = if rows {
            self.random.word(&["UNION ALL", "UNION DISTINCT", "INTERSECT DISTINCT", "EXCEPT DISTINCT", "UNION ALL"])
        } else {
            "UNION ALL"
        };
        let by_name = operation == "UNION ALL" && self.random.chance(35);
        let (suffix, right_text) = if by_name { self.by_name(&left.columns, &right) } else { ("", right.text.clone()) };
        let joined = left
            .columns
            .iter()
            .zip(&right.columns)
            .map(|(one, other)| Column { stain: one.stain.clone().join(&other.stain), ..one.clone() });
        left.columns = joined.collect();
        let text = format!("({}) {operation}{suffix} ({right_text})", left.text);
        let stained_rows = left.stained_rows || right.stained_rows || operation != "UNION ALL" && stained;
        let all: Vec<String> = left.columns.iter().map(|column| column.name.clone()).collect();
        let key = (operation != "UNION ALL").then_some(all);
        Relation { text, columns: left.columns, key, stained_rows, size: left.size + right.size }
    }

    fn side(&mut self, outer: &Scope, condition: Wish, outputs: &Outputs) -> Relation {
        let relation =
            if self.random.chance(20) { self.aggregate(outer, condition, outputs) } else { self.select(outer, condition, outputs) };
        let columns: Vec<Column> = relation.columns.iter().take(outputs.len()).cloned().collect();
        if columns.len() == relation.columns.len() {
            return relation;
        }
        let alias = self.alias("s");
        let kept: Vec<String> = columns.iter().map(|column| format!("{alias}.{}", column.name)).collect();
        let text = format!("SELECT {} FROM ({}) AS {alias}", kept.join(", "), relation.text);
        Relation { text, columns, key: None, stained_rows: relation.stained_rows, size: relation.size }
    }

    /// The right side with the left one's names, in another order.
    fn by_name(&mut self, left: &[Column], right: &Relation) -> (&'static str, String) {
        let alias = self.alias("s");
        let mut pairs: Vec<String> =
            left.iter().zip(&right.columns).map(|(one, other)| format!("{alias}.{} AS {}", other.name, spelled(&one.name))).collect();
        self.random.shuffle(&mut pairs);
        let suffix = self.random.word(&[" BY NAME", " CORRESPONDING"]);
        (suffix, format!("SELECT {} FROM ({}) AS {alias}", pairs.join(", "), right.text))
    }

    /// Columns that change places from round to round.
    pub fn recursive(&mut self, condition: Wish) -> Relation {
        let count = 2 + self.random.below(2);
        let kind = if self.random.chance(70) { Type::String } else { Type::Int64 };
        let outputs: Vec<(Type, Want)> = (0..count).map(|position| (kind.clone(), self.plan.output(&mut self.random, position))).collect();
        let source = self.single(&Scope::default(), condition, false);
        let scope = source.scope(&Scope::default());
        let start = self.items(&scope, &outputs);
        let filter = self.expression(&scope, &Type::Bool, Wish { depth: 1, ..condition });
        let mut turned: Vec<Column> = start.iter().map(|column| Column { text: format!("r.{}", column.name), ..column.clone() }).collect();
        let turn = self.random.below(count);
        turned.rotate_left(turn);
        let mut step = Vec::new();
        for column in &turned {
            let inner = Scope { columns: vec![Column { local: false, ..column.clone() }], ..Scope::default() };
            let wish = self.plan.wish(Want::Either, 1);
            step.push(if self.random.chance(30) { self.expression(&inner, &kind, wish).text } else { column.text.clone() });
        }
        let first: Vec<String> = start.iter().map(|column| format!("{} AS {}", column.text, column.name)).collect();
        let rounds = 1 + self.random.below(3);
        let text = format!(
            "WITH RECURSIVE r AS (SELECT {}, 0 AS n FROM {} WHERE {} UNION ALL SELECT {}, r.n + 1 FROM r WHERE r.n < {rounds}) SELECT {}, n FROM r",
            first.join(", "),
            source.text,
            filter.text,
            step.join(", "),
            names(&start)
        );
        let mut columns: Vec<Column> = start.iter().map(|column| Column { text: column.name.clone(), ..column.clone() }).collect();
        // Where they change places, each may hold what any of them held.
        if turn != 0 {
            let all = start.iter().fold(Stain::Clean, |stain, column| stain.join(&column.stain));
            columns.iter_mut().for_each(|column| column.stain = all.clone());
        }
        columns.push(Column::new("n", "n", Type::Int64, Stain::Clean));
        Relation { text, columns, key: None, stained_rows: source.stained_rows || filter.stain.any(), size: source.size * (rounds + 1) }
    }
}
