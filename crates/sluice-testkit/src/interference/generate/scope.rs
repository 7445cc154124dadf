//! What an expression may name, and what the generator knows of where values come from.

use sluice_model::Type;

/// Whether a labelled source stands in the text that a value is built from. An upper bound of the truth, path by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stain {
    Clean,
    /// Field by field; an array's stain is its elements' stain.
    Fields(Vec<Stain>),
    Labelled,
}

#[derive(Clone, Debug)]
pub struct Expression {
    pub text: String,
    pub stain: Stain,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// How it is named where the scope is.
    pub text: String,
    pub kind: Type,
    pub stain: Stain,
    /// A window or aggregate call, or a merged column: it may not be named inside a subquery or a lambda.
    pub local: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub columns: Vec<Column>,
    /// Aliases of FROM, each a struct of its columns.
    pub rows: Vec<Column>,
    /// Columns that tell the rows apart.
    pub key: Option<Vec<String>>,
    pub key_stained: bool,
    /// About how often an expression here is evaluated.
    pub work: usize,
}

/// A query as text, and its outputs.
#[derive(Clone, Debug)]
pub struct Relation {
    pub text: String,
    pub columns: Vec<Column>,
    /// Names of outputs that tell the rows apart.
    pub key: Option<Vec<String>>,
    /// Labelled values decide which rows there are.
    pub stained_rows: bool,
    /// About how many rows there are.
    pub size: usize,
}

/// What stands in FROM.
#[derive(Clone, Debug)]
pub struct Source {
    pub text: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Column>,
    pub key: Option<Vec<String>>,
    pub stained_rows: bool,
    pub size: usize,
}

/// What a request wants of the columns behind a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Clean,
    Either,
    Labelled,
}

#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub want: Want,
    pub depth: u8,
    /// No operation that can fail.
    pub safe: bool,
    /// Columns and literals only.
    pub last: bool,
}

impl Stain {
    pub fn any(&self) -> bool {
        match self {
            Stain::Clean => false,
            Stain::Fields(fields) => fields.iter().any(Stain::any),
            Stain::Labelled => true,
        }
    }

    pub fn of(labelled: bool) -> Stain {
        if labelled { Stain::Labelled } else { Stain::Clean }
    }

    /// The stain of a value that is one or the other.
    pub fn join(self, other: &Stain) -> Stain {
        match (self, other) {
            (Stain::Labelled, _) | (_, Stain::Labelled) => Stain::Labelled,
            (Stain::Clean, other) => other.clone(),
            (mine, Stain::Clean) => mine,
            (Stain::Fields(mine), Stain::Fields(others)) if mine.len() == others.len() => {
                Stain::Fields(mine.into_iter().zip(others).map(|(one, other)| one.join(other)).collect())
            }
            (mine, other) => Stain::of(mine.any() || other.any()),
        }
    }

    /// Labelled as a whole where `decided` by a labelled value.
    pub fn decided(self, decided: bool) -> Stain {
        if decided { Stain::Labelled } else { self }
    }
}

impl Wish {
    pub fn new(want: Want, depth: u8) -> Wish {
        Wish { want, depth, safe: want != Want::Clean, last: false }
    }

    pub fn clean(depth: u8) -> Wish {
        Wish::new(Want::Clean, depth)
    }

    pub fn deeper(self) -> Wish {
        Wish { depth: self.depth.saturating_sub(1), last: self.last || self.depth == 0, ..self }
    }

    pub fn want(self, want: Want) -> Wish {
        Wish { want, ..self }
    }

    pub fn allows(&self, stain: &Stain) -> bool {
        self.want != Want::Clean || !stain.any()
    }
}

impl Column {
    pub fn new(name: &str, text: &str, kind: Type, stain: Stain) -> Column {
        Column { name: name.to_owned(), text: text.to_owned(), kind, stain, local: false }
    }

    /// The same column seen through an alias.
    pub fn through(&self, alias: &str) -> Column {
        Column { text: format!("{alias}.{}", self.name), local: false, ..self.clone() }
    }
}

impl Scope {
    /// What a subquery or a lambda may see of it from inside.
    pub fn captured(&self) -> Scope {
        let columns = self.columns.iter().filter(|column| !column.local).cloned().collect();
        Scope { columns, rows: self.rows.clone(), key: None, key_stained: false, work: self.work }
    }

    pub fn with(&self, columns: &[Column]) -> Scope {
        let mut scope = self.clone();
        scope.columns.splice(0..0, columns.iter().cloned());
        scope
    }

    /// Every column and struct field of the kind.
    pub fn leaves(&self, kind: &Type) -> Vec<Expression> {
        let mut found = Vec::new();
        for column in &self.columns {
            collect(&column.text, &column.kind, &column.stain, kind, &mut found);
        }
        found
    }

    pub fn has_labelled(&self, kind: &Type) -> bool {
        self.leaves(kind).iter().any(|leaf| leaf.stain.any())
    }
}

impl Source {
    pub fn scope(&self, outer: &Scope) -> Scope {
        let key_stained = self.key.iter().flatten().any(|text| {
            let column = self.columns.iter().find(|column| column.text == *text);
            column.is_none_or(|column| column.stain.any())
        });
        let columns = self.columns.iter().chain(&outer.captured().columns).cloned().collect();
        let rows = self.rows.iter().chain(&outer.rows).cloned().collect();
        Scope { columns, rows, key: self.key.clone(), key_stained, work: self.size.max(1) * outer.work.max(1) }
    }
}

fn collect(text: &str, found_kind: &Type, stain: &Stain, kind: &Type, found: &mut Vec<Expression>) {
    if found_kind == kind {
        found.push(Expression { text: text.to_owned(), stain: stain.clone() });
    }
    let Type::Struct(fields) = found_kind else { return };
    for (position, field) in fields.iter().enumerate() {
        let inner = field_stain(stain, position);
        if !field.name.is_empty() {
            collect(&format!("{text}.{}", field.name), &field.kind, &inner, kind, found);
        }
    }
}

pub fn field_stain(stain: &Stain, position: usize) -> Stain {
    match stain {
        Stain::Fields(fields) => fields.get(position).cloned().unwrap_or(Stain::Labelled),
        whole => whole.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_keep_the_stain_of_their_field() {
        let kind = Type::structure([("street", Type::String), ("city", Type::String)]);
        let stain = Stain::Fields(vec![Stain::Labelled, Stain::Clean]);
        let scope = Scope { columns: vec![Column::new("address", "t.address", kind, stain)], ..Scope::default() };
        let leaves = scope.leaves(&Type::String);
        let found: Vec<_> = leaves.iter().map(|leaf| (leaf.text.as_str(), leaf.stain.any())).collect();
        assert_eq!(found, [("t.address.street", true), ("t.address.city", false)]);
    }

    #[test]
    fn stains_join_path_by_path() {
        let left = Stain::Fields(vec![Stain::Labelled, Stain::Clean, Stain::Clean]);
        let right = Stain::Fields(vec![Stain::Clean, Stain::Labelled, Stain::Clean]);
        assert_eq!(left.clone().join(&right), Stain::Fields(vec![Stain::Labelled, Stain::Labelled, Stain::Clean]));
        assert_eq!(left.clone().join(&Stain::Clean), left);
        assert_eq!(left.join(&Stain::Labelled), Stain::Labelled);
    }
}
