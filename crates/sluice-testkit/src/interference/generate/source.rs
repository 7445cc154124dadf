//! What stands in FROM: tables, common table expressions, subqueries, unnested arrays, joins.

use sluice_model::{Field, Type};

use super::Generator;
use super::constant::scalar;
use super::scope::{Column, Expression, Relation, Scope, Source, Stain, Want, Wish};
use super::select::spelled;
use crate::interference::clinic::{ClinicTable, DATASET, PROJECT, TABLES};

/// What one clinic table holds, about.
const TABLE_ROWS: usize = 10;
/// Pairs of rows, or rows of a subquery for each row outside, that a statement may make the evaluator look at: it is no fast one.
pub const WORK_MAX: usize = 3_000;

impl Generator {
    /// `condition` is the wish for whatever decides rows. `size` bounds how many tables are joined.
    pub fn source(&mut self, outer: &Scope, condition: Wish, size: u8) -> Source {
        let mark = self.random.mark();
        let source = self.joined(outer, condition, size);
        self.random.close(mark);
        source
    }

    fn joined(&mut self, outer: &Scope, condition: Wish, size: u8) -> Source {
        let mut source = self.single(outer, condition, size > 0);
        for _ in 1..size {
            match self.random.below(100) {
                55..80 => source = self.join(source, outer, condition),
                80.. => source = self.unnest_beside(source, outer, condition),
                _ => {}
            }
        }
        source
    }

    /// One table, common table expression or subquery.
    pub fn single(&mut self, outer: &Scope, condition: Wish, nested: bool) -> Source {
        let usable: Vec<Relation> =
            self.named.iter().filter(|named| condition.want != Want::Clean || !named.stained_rows).cloned().collect();
        match self.random.below(100) {
            52..90 if !usable.is_empty() => {
                let relation = self.random.pick(&usable).cloned();
                let alias = self.alias("t");
                relation.map_or_else(|| self.table(), |relation| aliased(&relation, &relation.text, &alias))
            }
            88.. if nested && self.depth > 0 => {
                self.depth -= 1;
                let relation = self.relation(outer, condition);
                self.depth += 1;
                let alias = self.alias("t");
                aliased(&relation, &format!("({})", relation.text), &alias)
            }
            _ => self.table(),
        }
    }

    pub fn table(&mut self) -> Source {
        let weights: Vec<_> = TABLES.iter().zip([55, 25, 10, 10]).collect();
        match self.random.weighted(&weights) {
            Some(table) => self.clinic_table(table),
            None => {
                Source { text: "UNNEST([1])".to_owned(), columns: Vec::new(), rows: Vec::new(), key: None, stained_rows: false, size: 1 }
            }
        }
    }

    pub fn clinic_table(&mut self, table: &ClinicTable) -> Source {
        let columns = table.kinds().into_iter().map(|(name, kind)| {
            let stain = stain_of(table, name, &kind);
            Column::new(name, name, kind, stain)
        });
        let key = table.key.iter().map(|name| (*name).to_owned()).collect();
        let relation = Relation { text: String::new(), columns: columns.collect(), key: Some(key), stained_rows: false, size: TABLE_ROWS };
        let alias = self.alias("t");
        let spelled = match self.random.below(3) {
            0 => format!("`{PROJECT}.{DATASET}.{}`", table.name),
            1 => format!("`{PROJECT}`.{DATASET}.{}", table.name),
            _ => format!("{PROJECT}.{DATASET}.{}", table.name),
        };
        aliased(&relation, &spelled, &alias)
    }

    fn join(&mut self, left: Source, outer: &Scope, condition: Wish) -> Source {
        let right = self.single(outer, condition, false);
        let columns: Vec<Column> = left.columns.iter().chain(&right.columns).cloned().collect();
        let rows = left.rows.iter().chain(&right.rows).cloned().collect();
        let key = both(left.key.as_ref(), right.key.as_ref());
        let product = left.size * right.size;
        if product * outer.work.max(1) > WORK_MAX {
            return left;
        }
        let size = left.size.max(right.size) * 2;
        let whole = Source { text: String::new(), columns, rows, key, stained_rows: left.stained_rows || right.stained_rows, size };
        let kind = self.random.word(&["JOIN", "LEFT JOIN", "JOIN", "RIGHT JOIN", "FULL JOIN", "JOIN", "LEFT JOIN", "CROSS JOIN", ","]);
        if kind == "," || kind == "CROSS JOIN" {
            let comma = if kind == "," { ", " } else { " CROSS JOIN " };
            return Source { text: format!("{}{comma}{}", left.text, right.text), size: product, ..whole };
        }
        let joined = if self.random.chance(25) { self.using(&left, &right, &whole, kind, condition) } else { None };
        if let Some(joined) = joined {
            return joined;
        }
        let on = self.equality(&left, &right, condition);
        let more = on.is_none() || self.random.chance(25);
        let mut scope = whole.scope(outer);
        scope.key = None;
        let extra = more.then(|| self.expression(&scope, &Type::Bool, Wish { depth: condition.depth.min(1), ..condition }));
        let stained = extra.iter().chain(&on).any(|part| part.stain.any());
        let texts: Vec<String> = on.into_iter().chain(extra).map(|part| part.text).collect();
        let text = format!("{} {kind} {} ON {}", left.text, right.text, texts.join(" AND "));
        Source { text, stained_rows: whole.stained_rows || stained, ..whole }
    }

    /// An equality of two columns of one type, one from each side; mostly numbers, so that rows meet.
    pub fn equality(&mut self, left: &Source, right: &Source, condition: Wish) -> Option<Expression> {
        let text = condition.want != Want::Clean && self.random.chance(60);
        let kind = if text { Type::String } else { Type::Int64 };
        let side = |source: &Source| Scope { columns: source.columns.clone(), ..Scope::default() };
        let mut lefts = side(left).leaves(&kind);
        let mut rights = side(right).leaves(&kind);
        lefts.retain(|leaf| condition.allows(&leaf.stain));
        rights.retain(|leaf| condition.allows(&leaf.stain));
        let (one, other) = (self.random.pick(&lefts)?.clone(), self.random.pick(&rights)?.clone());
        let stain = Stain::of(one.stain.any() || other.stain.any());
        Some(Expression { text: format!("{} = {}", one.text, other.text), stain })
    }

    fn using(&mut self, left: &Source, right: &Source, whole: &Source, kind: &str, condition: Wish) -> Option<Source> {
        let unique =
            |source: &Source, name: &str| source.columns.iter().filter(|column| column.name.eq_ignore_ascii_case(name)).count() == 1;
        let twin = |column: &Column| right.columns.iter().find(|other| other.name == column.name && other.kind == column.kind);
        let mut common = Vec::new();
        for column in left.columns.iter().filter(|column| scalar(&column.kind) && !column.local) {
            let Some(other) = twin(column) else { continue };
            let stain = column.stain.clone().join(&other.stain);
            if condition.allows(&stain) && unique(left, &column.name) && unique(right, &column.name) {
                common.push(Column { local: true, ..Column::new(&column.name, &column.name, column.kind.clone(), stain) });
            }
        }
        let merged = self.random.pick(&common)?.clone();
        let text = format!("{} {kind} {} USING ({})", left.text, right.text, spelled(&merged.name));
        let stained_rows = whole.stained_rows || merged.stain.any();
        let mut columns = whole.columns.clone();
        columns.push(merged);
        Some(Source { text, columns, rows: whole.rows.clone(), key: whole.key.clone(), stained_rows, size: whole.size })
    }

    /// An array of the source, or one made of its columns, unnested beside it.
    fn unnest_beside(&mut self, left: Source, outer: &Scope, condition: Wish) -> Source {
        let scope = left.scope(&outer.captured());
        let arrays: Vec<Column> = left
            .columns
            .iter()
            .filter(|column| matches!(column.kind, Type::Array(_)) && !column.local)
            // The length of an array of structs is no labelled thing while only its fields are.
            .filter(|column| condition.want != Want::Clean || column.stain != Stain::Labelled)
            .cloned()
            .collect();
        let column = if self.random.chance(75) { self.random.pick(&arrays).cloned() } else { None };
        let (array, kind, stain) = match column {
            Some(column) => (column.text, column.kind, column.stain),
            None => {
                let kind = Type::array(Type::String);
                let made = self.expression(&scope, &kind, Wish { depth: 1, last: false, ..condition });
                (made.text, kind, made.stain)
            }
        };
        let Type::Array(element) = kind else { return left };
        let alias = self.alias("u");
        let offset = self.alias("o");
        let (comma, outer_join) = match self.random.below(4) {
            0 => (", ", false),
            1 => (" CROSS JOIN ", false),
            _ => (" LEFT JOIN ", true),
        };
        let on = if outer_join && self.random.chance(30) { " ON TRUE" } else { "" };
        let text = format!("{}{comma}UNNEST({array}) AS {alias} WITH OFFSET AS {offset}{on}", left.text);
        let mut columns = left.columns.clone();
        let stained_rows = left.stained_rows || stain == Stain::Labelled;
        columns.push(Column::new(&alias, &alias, *element, stain.clone()));
        columns.push(Column::new(&offset, &offset, Type::Int64, Stain::of(stain == Stain::Labelled)));
        let key = left.key.clone().map(|mut key| {
            key.push(offset.clone());
            key
        });
        Source { text, columns, rows: left.rows, key, stained_rows, size: left.size * 2 }
    }
}

pub fn aliased(relation: &Relation, text: &str, alias: &str) -> Source {
    let columns: Vec<Column> = relation.columns.iter().map(|column| column.through(alias)).collect();
    let key = relation.key.as_ref().map(|names| names.iter().map(|name| format!("{alias}.{name}")).collect());
    let fields = columns.iter().map(|column| Field { name: column.name.clone(), kind: column.kind.clone() }).collect();
    let stains = columns.iter().map(|column| column.stain.clone()).collect();
    let row = Column::new(alias, alias, Type::Struct(fields), Stain::Fields(stains));
    Source { text: format!("{text} AS {alias}"), columns, rows: vec![row], key, stained_rows: relation.stained_rows, size: relation.size }
}

/// Two keys tell the rows of a join apart.
pub fn both(left: Option<&Vec<String>>, right: Option<&Vec<String>>) -> Option<Vec<String>> {
    Some(left?.iter().chain(right?).cloned().collect())
}

fn stain_of(table: &ClinicTable, path: &str, kind: &Type) -> Stain {
    if table.labelled.contains(&path) {
        return Stain::Labelled;
    }
    match kind {
        Type::Struct(fields) => {
            Stain::Fields(fields.iter().map(|field| stain_of(table, &format!("{path}.{}", field.name), &field.kind)).collect())
        }
        Type::Array(element) => stain_of(table, path, element),
        _ => Stain::Clean,
    }
}
