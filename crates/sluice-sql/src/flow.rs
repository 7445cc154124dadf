//! The abstract value that stands for a column or an expression: which source columns reach it, path by path.

use sluice_model::{ColumnPath, How, TableName, Type, place};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A source column, interned for the time of one analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Source(u32);

/// How a source comes through. Finer than what is reported: a plain count needs the column itself, not a choice among values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Way {
    /// The column's own value.
    Same,
    /// The column's own value, where something has chosen it: COALESCE, IF, an element ...
    Chosen,
    /// The column's own value, or one that no column holds. Who sees both under a hash tries out what the hidden one is.
    Mixed,
    Derived,
    Counted,
}

impl Way {
    pub fn how(self) -> How {
        match self {
            Way::Same | Way::Chosen => How::Direct,
            Way::Mixed => How::Mixed,
            Way::Derived => How::Derived,
            Way::Counted => How::Counted,
        }
    }
}

/// What reaches one place, and how.
pub(crate) type Taint = BTreeSet<(Source, Way)>;

/// A set of sources where the manner does not matter any more.
pub(crate) type SourceSet = BTreeSet<Source>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Reaches this value and everything below it.
    pub whole: Taint,
    /// Reaches only whether a struct is null or how long an array is.
    pub shape: Taint,
    /// An array that was made here and may hold nulls, which BigQuery refuses in a result. Stored arrays hold none.
    pub holds_nulls: bool,
    /// No value at all, or NULL: beside a column's value it is nothing that anybody made up.
    pub absent: bool,
    /// A record that was just put together: it cannot be NULL itself. Whatever chooses or looks up a value takes that away.
    pub made: bool,
    pub parts: Parts,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Parts {
    #[default]
    None,
    Element(Box<Flow>),
    Fields(Vec<Flow>),
}

impl Flow {
    pub fn of(taint: Taint) -> Flow {
        Flow { whole: taint, ..Flow::default() }
    }

    /// Of NULL.
    pub fn absent() -> Flow {
        Flow { absent: true, ..Flow::default() }
    }

    /// Where no value is yet: joined with others it leaves them as they are.
    pub fn nothing() -> Flow {
        Flow { made: true, ..Flow::absent() }
    }

    /// A column of a table, its leaves as sources.
    pub fn column(sources: &mut Sources, tables: &[TableName], path: &mut Vec<String>, kind: &Type) -> Flow {
        let here = |sources: &mut Sources, path: &[String], what: Holds| -> Taint {
            tables.iter().map(|table| (sources.intern(table, path, what), Way::Same)).collect()
        };
        match kind {
            Type::Array(element) => {
                let shape = here(sources, path, Holds::Shape);
                let element = Flow::column(sources, tables, path, element);
                Flow { shape, parts: Parts::Element(Box::new(element)), ..Flow::default() }
            }
            Type::Struct(fields) => {
                let shape = here(sources, path, Holds::Shape);
                let mut flows = Vec::with_capacity(fields.len());
                for field in fields {
                    path.push(field.name.clone());
                    flows.push(Flow::column(sources, tables, path, &field.kind));
                    path.pop();
                }
                Flow { shape, parts: Parts::Fields(flows), ..Flow::default() }
            }
            _ => Flow::of(here(sources, path, Holds::Value)),
        }
    }

    pub fn structure(fields: Vec<Flow>) -> Flow {
        Flow { made: true, parts: Parts::Fields(fields), ..Flow::default() }
    }

    /// The same value, or NULL in its place.
    pub fn or_null(self) -> Flow {
        Flow { made: false, ..self }
    }

    /// An array that is made of these elements.
    pub fn array(element: Flow) -> Flow {
        let built = element.made && element.whole.is_empty() && element.shape.is_empty();
        Flow { holds_nulls: !built, parts: Parts::Element(Box::new(element)), ..Flow::default() }
    }

    /// What decides whether an array in the value holds a null.
    pub fn null_elements(&self) -> Taint {
        self.null_elements_in(&Taint::new())
    }

    /// Whatever chose the array, or something around it, chose whether it is the one with a null.
    fn null_elements_in(&self, around: &Taint) -> Taint {
        let mut here = around.clone();
        here.extend(derived(&self.whole));
        here.extend(derived(&self.shape));
        match &self.parts {
            Parts::None if self.holds_nulls => here,
            Parts::None => Taint::new(),
            Parts::Element(element) => {
                let mut taint = element.null_elements_in(&here);
                if self.holds_nulls {
                    taint.extend(element.outline());
                    taint.extend(here);
                }
                taint
            }
            Parts::Fields(fields) => fields.iter().flat_map(|field| field.null_elements_in(&here)).collect(),
        }
    }

    /// The flow of one field. Where the fields are not known, everything that reaches the struct.
    pub fn field(&self, index: usize) -> Flow {
        let inner = match &self.parts {
            Parts::Fields(fields) => fields.get(index).cloned(),
            _ => None,
        };
        let field = inner.unwrap_or_else(|| self.any_part()).with_whole(&self.whole);
        // Of a record that is NULL each field is.
        Flow { made: field.made && self.made, ..field }
    }

    /// The flow of any element. Where the element is not known, everything that reaches the array.
    pub fn element(&self) -> Flow {
        let inner = match &self.parts {
            Parts::Element(element) => Some(element.as_ref().clone()),
            _ => None,
        };
        let element = inner.unwrap_or_else(|| self.any_part()).with_whole(&self.whole);
        Flow { made: element.made && !self.holds_nulls, ..element }
    }

    /// A part of a value of which the parts are not known.
    fn any_part(&self) -> Flow {
        Flow { holds_nulls: self.holds_nulls, ..Flow::of(self.all()) }
    }

    /// One element by its place: whether there is one is the array's length, where that was computed.
    pub fn element_at(&self) -> Flow {
        let computed = self.shape.iter().filter(|(_, way)| *way == Way::Derived).copied().collect();
        self.element().with_whole(&computed).or_null()
    }

    pub fn with_whole(mut self, taint: &Taint) -> Flow {
        self.whole.extend(taint.iter().copied());
        self
    }

    /// Everything that reaches any part of the value.
    pub fn all(&self) -> Taint {
        let below = self.below();
        let mut taint = self.whole.clone();
        let before = taint.len();
        taint.extend(below.iter().copied());
        if taint.len() == before {
            taint.extend(self.shape.iter().copied());
        }
        taint.extend(self.computed_shape(&below.iter().map(|(source, _)| *source).collect()));
        taint
    }

    /// Everything that reaches the parts. Asked once a level: a second time would double the work with each level of a nested value.
    fn below(&self) -> Taint {
        match &self.parts {
            Parts::None => Taint::new(),
            Parts::Element(element) => element.all(),
            Parts::Fields(fields) => fields.iter().flat_map(Flow::all).collect(),
        }
    }

    /// What a computation over the whole value gives away.
    pub fn derived(&self) -> Taint {
        derived(&self.all())
    }

    /// What the null-ness or the length alone gives away.
    pub fn outline(&self) -> Taint {
        let mut taint = derived(&self.whole);
        taint.extend(derived(&self.shape));
        if matches!(self.parts, Parts::None) {
            taint.extend(derived(&self.all()));
        }
        taint
    }

    /// The same sources at the same paths, but computed.
    pub fn to_derived(&self) -> Flow {
        let parts = match &self.parts {
            Parts::None => Parts::None,
            Parts::Element(element) => Parts::Element(Box::new(element.to_derived())),
            Parts::Fields(fields) => Parts::Fields(fields.iter().map(Flow::to_derived).collect()),
        };
        Flow { whole: derived(&self.whole), shape: derived(&self.shape), parts, ..self.plain() }
    }

    /// The same values, chosen by something.
    pub fn to_chosen(&self) -> Flow {
        self.at_least(Way::Chosen)
    }

    /// Each source of a value in a way that is no plainer than this. Shapes stay as they are.
    fn at_least(&self, least: Way) -> Flow {
        let whole = self.whole.iter().map(|(source, way)| (*source, (*way).max(least))).collect();
        let parts = match &self.parts {
            Parts::None => Parts::None,
            Parts::Element(element) => Parts::Element(Box::new(element.at_least(least))),
            Parts::Fields(fields) => Parts::Fields(fields.iter().map(|field| field.at_least(least)).collect()),
        };
        Flow { whole, shape: self.shape.clone(), parts, ..self.plain() }
    }

    /// What is known of the value itself, without what reaches it.
    fn plain(&self) -> Flow {
        Flow { holds_nulls: self.holds_nulls, absent: self.absent, made: self.made, ..Flow::default() }
    }

    fn is_nothing(&self) -> bool {
        self.absent && self.whole.is_empty() && self.shape.is_empty() && matches!(self.parts, Parts::None)
    }

    /// Whether something stands there that is no column's own value. Of an array or a struct its parts say so.
    fn is_made_up(&self) -> bool {
        let stored = |way: &Way| matches!(way, Way::Same | Way::Chosen);
        matches!(self.parts, Parts::None) && !self.absent && (self.whole.is_empty() || !self.whole.iter().all(|(_, way)| stored(way)))
    }

    /// What decides a shape beyond what is known already: the length of an array that was computed.
    fn computed_shape(&self, known: &SourceSet) -> Taint {
        self.shape.iter().filter(|(source, way)| *way == Way::Derived && !known.contains(source)).copied().collect()
    }

    /// What reaches each of the parts. Who hides only some of the parts still shows how many there are.
    fn in_each_part(&self) -> SourceSet {
        match &self.parts {
            Parts::None => SourceSet::new(),
            Parts::Element(element) => element.in_each_leaf(),
            Parts::Fields(fields) => {
                let mut fields = fields.iter().map(Flow::in_each_leaf);
                let first = fields.next().unwrap_or_default();
                fields.fold(first, |sum, field| sum.intersection(&field).copied().collect())
            }
        }
    }

    fn in_each_leaf(&self) -> SourceSet {
        let mut sources = self.in_each_part();
        sources.extend(self.whole.iter().map(|(source, _)| *source));
        if matches!(self.parts, Parts::None) {
            sources.extend(self.shape.iter().map(|(source, _)| *source));
        }
        sources
    }

    /// Either of two values.
    pub fn join(&mut self, other: &Flow) {
        let made = self.made && other.made;
        self.join_values(other);
        self.made = made;
    }

    fn join_values(&mut self, other: &Flow) {
        if other.is_nothing() {
            return;
        }
        if self.is_nothing() {
            self.clone_from(other);
        } else if self.is_made_up() || other.is_made_up() {
            *self = self.at_least(Way::Mixed);
            self.join_plain(&other.at_least(Way::Mixed));
        } else {
            self.join_plain(other);
        }
    }

    fn join_plain(&mut self, other: &Flow) {
        self.absent &= other.absent;
        self.whole.extend(other.whole.iter().copied());
        self.shape.extend(other.shape.iter().copied());
        self.holds_nulls |= other.holds_nulls;
        match (&mut self.parts, &other.parts) {
            (_, Parts::None) => {}
            (Parts::Element(mine), Parts::Element(theirs)) => mine.join(theirs),
            (Parts::Fields(mine), Parts::Fields(theirs)) if mine.len() == theirs.len() => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.join(theirs));
            }
            (Parts::None, parts) => self.parts = parts.clone(),
            // Shapes that do not match: keep everything, at the whole.
            _ => {
                let below = self.below();
                self.whole.extend(below.into_iter().chain(other.below()));
                self.parts = Parts::None;
            }
        }
    }

    pub fn joined(flows: impl IntoIterator<Item = Flow>) -> Flow {
        flows.into_iter().fold(Flow::nothing(), |mut sum, flow| {
            sum.join(&flow);
            sum
        })
    }

    /// Every leaf with its path inside the value, in steps that lead to one field alone, whatever its caller calls fields.
    pub fn leaves(&self, kind: Option<&Type>, path: &mut Vec<String>, found: &mut BTreeSet<(Vec<String>, Source, Way)>) {
        let mut add = |path: &[String], taint: &Taint| found.extend(taint.iter().map(|(source, how)| (path.to_vec(), *source, *how)));
        add(path, &self.whole);
        add(path, &self.computed_shape(&self.in_each_part()));
        match &self.parts {
            Parts::None => add(path, &self.shape),
            Parts::Element(element) => {
                let kind = match kind {
                    Some(Type::Array(element)) => Some(element.as_ref()),
                    _ => None,
                };
                element.leaves(kind, path, found);
            }
            Parts::Fields(fields) => {
                let named = match kind {
                    Some(Type::Struct(named)) => named.as_slice(),
                    _ => &[],
                };
                let mut steps = place::steps(named).into_iter();
                for (index, field) in fields.iter().enumerate() {
                    path.push(steps.next().unwrap_or_else(|| place::place(index)));
                    field.leaves(named.get(index).map(|field| &field.kind), path, found);
                    path.pop();
                }
            }
        }
    }
}

pub(crate) fn derived(taint: &Taint) -> Taint {
    taint.iter().map(|(source, _)| (*source, Way::Derived)).collect()
}

/// What a source stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Whether a struct is NULL, how long an array is: never what is in it.
    Shape,
    Value,
}

/// The source columns of one analysis.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    paths: Vec<ColumnPath>,
    known: HashMap<ColumnPath, Source>,
    /// Those that stand for a value somewhere. An array of plain values has one path for both, and a script may make a table anew with another type.
    values: HashSet<ColumnPath>,
}

impl Sources {
    pub fn intern(&mut self, table: &TableName, path: &[String], holds: Holds) -> Source {
        let path = ColumnPath { table: table.clone(), path: path.to_vec() };
        if holds == Holds::Value && !self.values.contains(&path) {
            self.values.insert(path.clone());
        }
        if let Some(source) = self.known.get(&path) {
            return *source;
        }
        let source = Source(u32::try_from(self.paths.len()).unwrap_or(u32::MAX));
        self.paths.push(path.clone());
        self.known.insert(path, source);
        source
    }

    pub fn path(&self, source: Source) -> Option<&ColumnPath> {
        self.paths.get(source.0 as usize)
    }

    /// Whether a path stands for a shape, and nowhere for a value.
    pub fn is_shape(&self, path: &ColumnPath) -> bool {
        self.known.contains_key(path) && !self.values.contains(path)
    }
}
