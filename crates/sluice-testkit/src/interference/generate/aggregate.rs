//! GROUP BY in its forms, HAVING, aggregates over everything; PIVOT and UNPIVOT.

use sluice_model::Type;

use super::Generator;
use super::constant::{quoted, scalar};
use super::scope::{Column, Relation, Scope, Stain, Want, Wish};
use super::select::{Outputs, list, named};
use super::source::aliased;

impl Generator {
    pub fn aggregate(&mut self, outer: &Scope, condition: Wish, outputs: &Outputs) -> Relation {
        let source = self.source(outer, condition, 2);
        let scope = source.scope(outer);
        let filter = self.random.chance(35).then(|| self.row_filter(&scope, condition));
        let keys = self.group_keys(&source.columns, condition);
        let mut calls = Vec::new();
        for (kind, want) in outputs {
            let wish = self.plan.wish(*want, 2);
            calls.extend(self.aggregates(&scope, std::slice::from_ref(kind), wish));
        }
        let wish = self.plan.wish(Want::Clean, 1);
        calls.extend(self.aggregates(&scope, &[Type::Int64], wish));
        let visible: Vec<Column> = keys.iter().chain(&calls).map(|column| Column { local: true, ..column.clone() }).collect();
        let grouped = Scope { columns: visible, work: scope.work, ..Scope::default() }.with_behind(&outer.captured().columns);
        let (form, plain) = self.group_by(&keys);
        let having =
            (!keys.is_empty() && self.random.chance(20)).then(|| self.expression(&grouped, &Type::Bool, Wish { depth: 1, ..condition }));
        let mut columns = self.items(&grouped, outputs);
        let mut key = Vec::new();
        for column in keys.iter().filter(|_| plain) {
            let name = self.alias("k");
            columns.push(Column::new(&name, &column.text, column.kind.clone(), column.stain.clone()));
            key.push(name);
        }
        let mut text = format!("SELECT {} FROM {}", list(&columns), source.text);
        if let Some(filter) = &filter {
            text.push_str(&format!(" WHERE {}", filter.text));
        }
        text.push_str(&form);
        if let Some(having) = &having {
            text.push_str(&format!(" HAVING {}", having.text));
        }
        // Without a call of an aggregate function and without a key it is no aggregation at all.
        if keys.is_empty() && calls.iter().all(|call| !text.contains(&call.text)) {
            return self.select(outer, condition, outputs);
        }
        let stained = filter.iter().chain(&having).any(|part| part.stain.any()) || keys.iter().any(|key| key.stain.any());
        let key = (plain && !key.is_empty()).then_some(key);
        Relation { text, columns: named(columns), key, stained_rows: stained || source.stained_rows, size: source.size / 2 + 1 }
    }

    fn group_keys(&mut self, columns: &[Column], condition: Wish) -> Vec<Column> {
        let count = self.random.weighted(&[(1, 50), (2, 30), (0, 20)]).unwrap_or(1);
        let scope = Scope { columns: columns.to_vec(), ..Scope::default() };
        let mut found: Vec<Column> = Vec::new();
        for _ in 0..count {
            let kind = self.scalar_kind();
            let mut leaves = scope.leaves(&kind);
            leaves.retain(|leaf| condition.allows(&leaf.stain) && !found.iter().any(|column| column.text == leaf.text));
            let leaf = self.random.pick(&leaves).cloned();
            found.extend(leaf.filter(|_| scalar(&kind)).map(|leaf| Column::new("", &leaf.text, kind, leaf.stain)));
        }
        found
    }

    /// The clause, and whether its keys tell the rows apart.
    fn group_by(&mut self, keys: &[Column]) -> (String, bool) {
        let texts: Vec<&str> = keys.iter().map(|key| key.text.as_str()).collect();
        let all = texts.join(", ");
        match (texts.first(), self.random.below(100)) {
            (None, _) => (String::new(), false),
            (Some(_), 78..86) => (format!(" GROUP BY ROLLUP({all})"), false),
            (Some(first), 86..93) => (format!(" GROUP BY GROUPING SETS (({all}), {first}, ())"), false),
            (Some(_), 93..97) => (format!(" GROUP BY CUBE({all})"), false),
            _ => (format!(" GROUP BY {all}"), true),
        }
    }

    pub fn pivot(&mut self, condition: Wish) -> Relation {
        let source = self.single(&Scope::default(), condition, true);
        let scope = source.scope(&Scope::default());
        let kept = self.expression(&scope, &Type::Int64, condition.want(if self.plan.uses { condition.want } else { Want::Clean }));
        let by = self.expression(&scope, &Type::String, Wish { depth: 1, ..condition });
        let want = self.random.weighted(&[(Want::Labelled, 60), (Want::Clean, 40)]).unwrap_or(Want::Labelled);
        let kind = self.scalar_kind();
        let wish = self.plan.wish(want, 1);
        let value = self.expression(&scope, &kind, wish);
        let call = if kind == Type::Bool { "COUNT" } else { self.random.word(&["MAX", "MIN", "COUNT"]) };
        let result = if call == "COUNT" { Type::Int64 } else { kind };
        let prefix = self.alias("p");
        let values = [("A", "a"), ("B", "b"), ("flu", "flu")];
        let texts: Vec<String> = values.iter().map(|(value, name)| format!("{} AS {name}", quoted(value))).collect();
        let text = format!(
            "SELECT * FROM (SELECT {} AS g, {} AS f, {} AS v FROM {}) PIVOT({call}(v) AS {prefix} FOR f IN ({}))",
            kept.text,
            by.text,
            value.text,
            source.text,
            texts.join(", ")
        );
        let mut columns = vec![Column::new("g", "g", Type::Int64, kept.stain.clone())];
        let stain = value.stain.clone().decided(by.stain.any());
        columns.extend(values.iter().map(|(_, name)| {
            let name = format!("{prefix}_{name}");
            Column::new(&name, &name, result.clone(), stain.clone())
        }));
        let stained_rows = source.stained_rows || kept.stain.any() || by.stain.any();
        Relation { text, columns, key: Some(vec!["g".to_owned()]), stained_rows, size: source.size }
    }

    /// Two or three columns of one type as rows of one.
    pub fn unpivot(&mut self, condition: Wish) -> Relation {
        let source = self.single(&Scope::default(), condition, true);
        let scope = source.scope(&Scope::default());
        let wants = [Want::Labelled, Want::Clean, Want::Either];
        let mut items = Vec::new();
        let count = 2 + self.random.below(2);
        let first = self.random.below(2);
        for want in wants.iter().skip(first).take(count) {
            let wish = self.plan.wish(*want, 1);
            let found = self.expression(&scope, &Type::String, wish);
            let name = self.output_name(&items);
            // The engine takes two equal expressions for one column, and UNPIVOT takes no column twice.
            if items.iter().all(|item| item.text != found.text) {
                items.push(Column::new(&name, &found.text, Type::String, found.stain));
            }
        }
        let stain = items.iter().fold(Stain::Clean, |stain, item| stain.join(&item.stain));
        let include = !self.plan.uses && stain.any() || self.random.chance(40);
        let nulls = if include { " INCLUDE NULLS" } else { "" };
        let kept = self.expression(&scope, &Type::Int64, self.plan.wish(Want::Clean, 1));
        let inner = format!("(SELECT {} AS g, {} FROM {})", kept.text, list(&items), source.text);
        let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
        let text = format!("SELECT * FROM {inner} UNPIVOT{nulls}(v FOR l IN ({}))", names.join(", "));
        let columns = vec![
            Column::new("g", "g", Type::Int64, kept.stain),
            Column::new("v", "v", Type::String, stain.clone()),
            Column::new("l", "l", Type::String, Stain::Clean),
        ];
        let stained_rows = source.stained_rows || !include && stain.any();
        let relation = Relation { text: text.clone(), columns, key: None, stained_rows, size: source.size * 2 };
        if self.random.chance(40) {
            let alias = self.alias("t");
            let wrapped = aliased(&relation, &format!("({text})"), &alias);
            let chosen: Vec<Column> = wrapped.columns.iter().rev().cloned().collect();
            return Relation { text: format!("SELECT {} FROM {}", list(&chosen), wrapped.text), columns: named(chosen), ..relation };
        }
        relation
    }
}

impl Scope {
    fn with_behind(mut self, columns: &[Column]) -> Scope {
        self.columns.extend(columns.iter().cloned());
        self
    }
}
