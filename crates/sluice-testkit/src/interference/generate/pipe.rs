//! Pipe syntax: a FROM and a few operators behind it.

use sluice_model::Type;

use super::Generator;
use super::constant::scalar;
use super::scope::{Column, Relation, Scope, Source, Want, Wish};
use super::select::{list, named, spelled};

struct Flow {
    text: String,
    columns: Vec<Column>,
    key: Option<Vec<String>>,
    stained_rows: bool,
    size: usize,
}

impl Generator {
    pub fn pipe(&mut self, condition: Wish) -> Relation {
        let source = self.pipe_source(condition);
        let mut flow = self.piped(source, condition);
        for _ in 0..self.random.below(4) {
            let mark = self.random.mark();
            match self.random.below(100) {
                0..20 => self.pipe_extend(&mut flow),
                20..23 => self.pipe_assert(&mut flow, condition),
                23..32 => self.pipe_where(&mut flow, condition),
                32..42 => self.pipe_set(&mut flow),
                42..52 => self.pipe_drop(&mut flow),
                52..60 => self.pipe_rename(&mut flow),
                60..72 => self.pipe_aggregate(&mut flow, condition),
                72..80 => self.pipe_order(&mut flow, condition),
                80..88 => self.pipe_union(&mut flow),
                88..93 => self.pipe_distinct(&mut flow, condition),
                _ => self.pipe_select(&mut flow),
            }
            self.random.close(mark);
        }
        Relation { text: flow.text, columns: named(flow.columns), key: None, stained_rows: flow.stained_rows, size: flow.size }
    }

    /// FROM, perhaps with the pipe's own join.
    fn pipe_source(&mut self, condition: Wish) -> Source {
        if !self.random.chance(20) {
            return self.source(&Scope::default(), condition, 2);
        }
        let left = self.single(&Scope::default(), condition, true);
        let right = self.table();
        let Some(on) = self.equality(&left, &right, condition) else { return left };
        let kind = self.random.word(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
        Source {
            text: format!("{} |> {kind} {} ON {}", left.text, right.text, on.text),
            columns: left.columns.iter().chain(&right.columns).cloned().collect(),
            rows: left.rows.iter().chain(&right.rows).cloned().collect(),
            key: super::source::both(left.key.as_ref(), right.key.as_ref()),
            stained_rows: left.stained_rows || right.stained_rows || on.stain.any(),
            size: left.size + right.size,
        }
    }

    /// The first operators: perhaps WHERE, then SELECT, so that each column has a name of its own.
    fn piped(&mut self, source: Source, condition: Wish) -> Flow {
        let scope = source.scope(&Scope::default());
        let mut text = format!("FROM {}", source.text);
        let mut stained_rows = source.stained_rows;
        if self.random.chance(40) {
            let filter = self.expression(&scope, &Type::Bool, condition);
            text.push_str(&format!(" |> WHERE {}", filter.text));
            stained_rows |= filter.stain.any();
        }
        let outputs = self.outputs(2, 4);
        let mut columns = self.items(&scope, &outputs);
        let mut key = Vec::new();
        for text in source.key.iter().flatten() {
            let Some(column) = source.columns.iter().find(|column| column.text == *text) else { continue };
            let name = self.alias("k");
            columns.push(Column::new(&name, text, column.kind.clone(), column.stain.clone()));
            key.push(name);
        }
        text.push_str(&format!(" |> SELECT {}", list(&columns)));
        let key = source.key.is_some().then_some(key);
        self.requalified(Flow { text, columns, key, stained_rows, size: source.size })
    }

    /// Gives the table so far an alias, so that no name inside a subquery is taken for one of its columns.
    fn requalified(&mut self, flow: Flow) -> Flow {
        let alias = self.alias("t");
        let columns = flow.columns.iter().map(|column| column.through(&alias)).collect();
        Flow { text: format!("{} |> AS {alias}", flow.text), columns, ..flow }
    }

    fn flow_scope(flow: &Flow) -> Scope {
        let find = |name: &String| flow.columns.iter().find(|column| column.name == *name);
        let key: Option<Vec<&Column>> = flow.key.as_ref().and_then(|key| key.iter().map(find).collect());
        let key_stained = key.iter().flatten().any(|column| column.stain.any());
        let key = key.map(|columns| columns.iter().map(|column| column.text.clone()).collect());
        Scope { columns: flow.columns.clone(), rows: Vec::new(), key, key_stained, work: flow.size }
    }

    fn pipe_extend(&mut self, flow: &mut Flow) {
        let mut scope = Generator::flow_scope(flow);
        let outputs = self.outputs(1, 2);
        if self.random.chance(30) {
            for (kind, want) in &outputs {
                let wish = self.plan.wish(*want, 1);
                let calls = self.windows(&scope, std::slice::from_ref(kind), wish);
                scope = scope.with(&calls);
            }
        }
        let mut added = self.items(&scope, &outputs);
        added.iter_mut().for_each(|column| column.name = self.alias("c"));
        flow.text.push_str(&format!(" |> EXTEND {}", list(&added)));
        flow.columns.extend(added);
        self.again(flow);
    }

    fn pipe_where(&mut self, flow: &mut Flow, condition: Wish) {
        let filter = self.expression(&Generator::flow_scope(flow), &Type::Bool, condition);
        flow.text.push_str(&format!(" |> WHERE {}", filter.text));
        flow.stained_rows |= filter.stain.any();
    }

    /// Fails where the condition is not true of a row: mostly it is.
    fn pipe_assert(&mut self, flow: &mut Flow, condition: Wish) {
        let scope = Generator::flow_scope(flow);
        let wish = if self.plan.uses { condition } else { condition.want(Want::Clean) };
        let asserted = self.expression(&scope, &Type::Bool, wish);
        let number = self.leaf(&scope, &Type::Int64, wish.want(Want::Clean));
        flow.text.push_str(&format!(" |> ASSERT ({} OR {} >= 1 OR {} IS NULL)", asserted.text, number.text, number.text));
    }

    fn pipe_set(&mut self, flow: &mut Flow) {
        let scope = Generator::flow_scope(flow);
        let position = self.random.below(flow.columns.len());
        let want = self.plan.output(&mut self.random, position);
        let Some(column) = flow.columns.get_mut(position) else { return };
        if flow.key.iter().flatten().any(|name| *name == column.name) {
            return;
        }
        let wish = self.plan.wish(want, 1);
        let found = self.expression(&scope, &column.kind, wish);
        flow.text.push_str(&format!(" |> SET {} = {}", spelled(&column.name), found.text));
        column.stain = found.stain;
        self.again(flow);
    }

    fn pipe_drop(&mut self, flow: &mut Flow) {
        if flow.columns.len() < 3 {
            return;
        }
        let column = flow.columns.remove(self.random.below(2));
        flow.text.push_str(&format!(" |> DROP {}", spelled(&column.name)));
        if flow.key.iter().flatten().any(|name| *name == column.name) {
            flow.key = None;
        }
        self.again(flow);
    }

    fn pipe_rename(&mut self, flow: &mut Flow) {
        let name = self.output_name(&flow.columns);
        let Some(column) = flow.columns.first_mut() else { return };
        flow.text.push_str(&format!(" |> RENAME {} AS {name}", spelled(&column.name)));
        flow.key.iter_mut().flatten().filter(|key| **key == column.name).for_each(|key| key.clone_from(&name));
        column.name = name;
        self.again(flow);
    }

    fn pipe_select(&mut self, flow: &mut Flow) {
        let outputs = self.outputs(2, 3);
        let columns = self.items(&Generator::flow_scope(flow), &outputs);
        flow.text.push_str(&format!(" |> SELECT {}", list(&columns)));
        flow.columns = columns;
        flow.key = None;
        self.again(flow);
    }

    fn pipe_aggregate(&mut self, flow: &mut Flow, condition: Wish) {
        let scope = Generator::flow_scope(flow);
        let mut calls = Vec::new();
        for (kind, want) in self.outputs(1, 2) {
            let wish = self.plan.wish(want, 1);
            calls.extend(self.aggregates(&scope, &[kind], wish));
        }
        let key = flow.columns.iter().find(|column| scalar(&column.kind) && condition.allows(&column.stain)).cloned();
        let Some(key) = key.filter(|_| !calls.is_empty()) else { return };
        calls.iter_mut().for_each(|call| call.name = self.alias("c"));
        flow.text.push_str(&format!(" |> AGGREGATE {} GROUP BY {} AS g", list(&calls), key.text));
        flow.stained_rows |= key.stain.any();
        flow.columns = std::iter::once(Column { name: "g".to_owned(), ..key }).chain(calls).collect();
        flow.key = Some(vec!["g".to_owned()]);
        self.again(flow);
    }

    fn pipe_order(&mut self, flow: &mut Flow, condition: Wish) {
        let scope = Generator::flow_scope(flow);
        let Some((order, stained)) = self.total(&scope, condition) else { return };
        let limit = 2 + self.random.below(6);
        flow.text.push_str(&format!(" |> ORDER BY {order} |> LIMIT {limit}"));
        flow.stained_rows |= stained;
    }

    fn pipe_union(&mut self, flow: &mut Flow) {
        let outputs: Vec<_> = flow.columns.iter().map(|column| (column.kind.clone(), Want::Either)).collect();
        let source = self.table();
        let scope = source.scope(&Scope::default());
        let others = self.items(&scope, &outputs);
        flow.text.push_str(&format!(" |> UNION ALL (SELECT {} FROM {})", list(&others), source.text));
        for (column, other) in flow.columns.iter_mut().zip(others) {
            column.stain = column.stain.clone().join(&other.stain);
        }
        flow.key = None;
        self.again(flow);
    }

    fn pipe_distinct(&mut self, flow: &mut Flow, condition: Wish) {
        let fitting = flow.columns.iter().all(|column| scalar(&column.kind) && condition.allows(&column.stain));
        if fitting {
            flow.text.push_str(" |> DISTINCT");
            flow.stained_rows |= flow.columns.iter().any(|column| column.stain.any());
        }
    }

    fn again(&mut self, flow: &mut Flow) {
        let alias = self.alias("t");
        flow.text.push_str(&format!(" |> AS {alias}"));
        flow.columns = flow.columns.iter().map(|column| column.through(&alias)).collect();
    }
}
