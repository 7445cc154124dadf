//! Which cells of a row are masked: a plan of policy's, laid over the columns of a page.

use crate::schema::{Column, Columns};
use sluice_model::place::positions;
use sluice_model::{How, Type};
use sluice_policy::Mask;
use std::collections::BTreeSet;

/// The plan does not fit the columns: a path leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

/// One for each column, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) parts: Vec<Part>,
    /// What is masked, each with how; a masked part knows its place in here.
    pub(crate) paths: Vec<CoveredPath>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Clear,
    /// Of a record, one for each field.
    Inside(Vec<Part>),
    Masked(Mask, usize),
}

/// For the record: by the names that the page has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredPath {
    pub path: String,
    pub mask: String,
    /// Why, and where it comes from: labelled columns alone.
    pub labels: BTreeSet<String>,
    pub columns: BTreeSet<String>,
}

/// A mask of a path inside one output.
pub(crate) struct Laid<'a> {
    pub(crate) output: usize,
    /// The type of the output as the plan knows it, by which its paths are meant. Where nobody knows it, the page's own.
    pub(crate) kind: Option<&'a Type>,
    pub(crate) at: &'a [String],
    pub(crate) mask: &'a Mask,
    pub(crate) labels: &'a BTreeSet<String>,
    pub(crate) columns: &'a BTreeSet<String>,
}

impl Cover {
    /// Where several masks meet the strictest wins, and one on the whole of something hides what is inside.
    pub(crate) fn of<'a>(columns: &Columns, masks: impl Iterator<Item = Laid<'a>>) -> Result<Cover, Unfit> {
        let mut parts = vec![Part::Clear; columns.0.len()];
        let mut masks = masks.map(|laid| Ok((laid.places(columns)?, laid))).collect::<Result<Vec<(Vec<usize>, Laid<'_>)>, Unfit>>()?;
        // So that it makes no difference in which order they come.
        masks.sort_by(|(_, one), (_, other)| one.mask.cmp(other.mask));
        for (places, laid) in &masks {
            let (column, part) = columns.0.get(laid.output).zip(parts.get_mut(laid.output)).ok_or(Unfit)?;
            lay(part, column, places, laid.mask)?;
        }
        let mut paths = Vec::new();
        number(&mut parts, columns, "", &mut paths);
        for (places, laid) in masks {
            if let Some(part) = parts.get(laid.output) {
                name(part, &places, &laid, &mut paths);
            }
        }
        Ok(Cover { parts, paths })
    }
}

impl Laid<'_> {
    /// By place from here on: a page may call two fields the same, and its words are not those that the plan was made by.
    fn places(&self, columns: &Columns) -> Result<Vec<usize>, Unfit> {
        let column = columns.0.get(self.output).ok_or(Unfit)?;
        let places = match self.kind {
            Some(kind) => positions(kind, self.at),
            None => positions(&column.whole_kind(), self.at),
        };
        places.ok_or(Unfit)
    }
}

fn lay(part: &mut Part, column: &Column, places: &[usize], mask: &Mask) -> Result<(), Unfit> {
    let Some((place, rest)) = places.split_first() else {
        // Policy has done this for the type that the analysis knows: this is the one that the page has.
        let mask = mask.on(How::Direct, Some(&column.whole_kind()));
        let others = match part {
            Part::Masked(other, _) => Some(other.clone()),
            _ => None,
        };
        let kept = Mask::strictest(others.into_iter().chain([mask]));
        *part = Part::Masked(kept.unwrap_or(Mask::DefaultValue), 0);
        return Ok(());
    };
    let fields = column.fields.as_ref().ok_or(Unfit)?;
    // A path that leads nowhere is odd also under a mask that hides it.
    let mut inside = match part {
        Part::Inside(parts) => std::mem::take(parts),
        _ => vec![Part::Clear; fields.0.len()],
    };
    let (field, within) = fields.0.get(*place).zip(inside.get_mut(*place)).ok_or(Unfit)?;
    lay(within, field, rest, mask)?;
    // What is masked whole is a record or many of them: of those a mask leaves nothing.
    if !matches!(part, Part::Masked(..)) {
        *part = Part::Inside(inside);
    }
    Ok(())
}

/// What is masked there, or around there, is so for this reason too.
fn name(part: &Part, places: &[usize], laid: &Laid<'_>, paths: &mut [CoveredPath]) {
    match (part, places.split_first()) {
        (Part::Masked(_, number), _) => {
            if let Some(path) = paths.get_mut(*number) {
                path.labels.extend(laid.labels.iter().cloned());
                path.columns.extend(laid.columns.iter().cloned());
            }
        }
        (Part::Inside(parts), Some((place, rest))) => {
            if let Some(within) = parts.get(*place) {
                name(within, rest, laid, paths);
            }
        }
        _ => {}
    }
}

fn number(parts: &mut [Part], columns: &Columns, before: &str, paths: &mut Vec<CoveredPath>) {
    for (part, column) in parts.iter_mut().zip(&columns.0) {
        let path = if before.is_empty() { column.name.clone() } else { format!("{before}.{}", column.name) };
        match (part, &column.fields) {
            (Part::Masked(mask, place), _) => {
                *place = paths.len();
                paths.push(CoveredPath { path, mask: mask.to_string(), labels: BTreeSet::new(), columns: BTreeSet::new() });
            }
            (Part::Inside(inside), Some(fields)) => number(inside, fields, &path, paths),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use serde_json::{Value, json};
    use sluice_model::Field;
    use sluice_model::place::steps;

    fn columns() -> Columns {
        let text = |name: &str| json!({ "name": name, "type": "STRING" });
        let inside = json!([text("street"), text("_field_2"), { "name": "phones", "type": "STRING", "mode": "REPEATED" }]);
        let fields = json!([
            text("a"),
            { "name": "address", "type": "RECORD", "fields": inside },
            { "name": "people", "type": "RECORD", "mode": "REPEATED", "fields": inside },
            { "name": "n", "type": "INTEGER" },
        ]);
        Columns::of_schema(&json!({ "fields": fields })).unwrap()
    }

    fn laid(masks: &[(usize, &str, &str)]) -> Result<Vec<String>, Unfit> {
        let owned: Vec<(usize, Vec<String>, Mask)> = masks
            .iter()
            .map(|(output, at, mask)| {
                let at = if at.is_empty() { Vec::new() } else { at.split('.').map(|part| part.trim().to_owned()).collect() };
                (*output, at, Mask::parse(mask).unwrap())
            })
            .collect();
        let cover = {
            let none = BTreeSet::new();
            let laid = owned.iter().map(|(output, at, mask)| Laid { output: *output, kind: None, at, mask, labels: &none, columns: &none });
            Cover::of(&columns(), laid)?
        };
        assert_eq!(cover.parts.len(), 4);
        Ok(cover.paths.iter().map(|covered| format!("{} {}", covered.path, covered.mask)).collect())
    }

    #[test]
    fn masks_lie_where_their_paths_lead() {
        let check = |masks: &[(usize, &str, &str)], expect: &[&str]| {
            assert_eq!(laid(masks), Ok(expect.iter().map(|text| (*text).to_owned()).collect()), "{masks:?}");
            // In whatever order they come.
            let turned: Vec<_> = masks.iter().rev().copied().collect();
            assert_eq!(laid(&turned), laid(masks), "{masks:?}");
        };
        check(&[], &[]);
        check(&[(0, "", "last_four")], &["a last_four"]);
        check(&[(1, "STREET", "sha256"), (2, "street", "email")], &["address.street sha256", "people.street email"]);
        check(&[(0, "", "last_four"), (0, "", "sha256")], &["a sha256"]);
        check(&[(0, "", "last_four"), (0, "", "first_four")], &["a default_value"]);
        check(&[(0, "", "last_four"), (0, "", "first_four"), (0, "", "sha256")], &["a sha256"]);
        check(&[(1, "", "last_four"), (1, "street", "sha256")], &["address always_null"]);
        check(&[(2, "", "last_four"), (2, "phones", "refuse")], &["people default_value"]);
        check(
            &[(1, "phones", "email"), (1, "street", "email"), (1, "phones", "default_value")],
            &["address.street email", "address.phones default_value"],
        );
        check(&[(1, "[2]", "sha256")], &["address._field_2 sha256"]);
        check(&[(3, "", "last_four")], &["n default_value"]);
    }

    proptest! {
        /// Whatever fields are called, by the plan or by the page, the one that the plan means is masked and no other.
        #[test]
        fn what_is_masked_is_a_place(
            names in vec(select(vec!["", "a", "A", "b", "_0", "_1", "_field_1", "_Field_2", "[1]", "[2]"]), 1..6),
            chosen: Index,
            inner: Option<Index>,
            many: bool,
        ) {
            let fields = |kind: &dyn Fn(usize) -> Type| -> Vec<Field> {
                names.iter().enumerate().map(|(place, name)| Field { name: (*name).to_owned(), kind: kind(place) }).collect()
            };
            let place = chosen.index(names.len());
            let inside = inner.map(|inner| inner.index(names.len()));
            let leaf = |_: usize| Type::String;
            let nested = |at: usize| if inside.is_some() && at == place { Type::Struct(fields(&leaf)) } else { Type::String };
            let outer = fields(&nested);
            let mut at = vec![steps(&outer)[place].clone()];
            at.extend(inside.map(|inside| steps(&fields(&leaf))[inside].clone()));
            let kind = if many { Type::array(Type::Struct(outer)) } else { Type::Struct(outer) };
            let called = |place: usize| if names[place].is_empty() { format!("_field_{}", place + 1) } else { names[place].to_owned() };
            let texts = |skip: Option<usize>| -> Vec<Value> {
                let text = |place: usize| json!({ "name": called(place), "type": "STRING" });
                let record = |place: usize| json!({ "name": called(place), "type": "RECORD", "fields": (0..names.len()).map(text).collect::<Vec<_>>() });
                (0..names.len()).map(|place| if skip == Some(place) { record(place) } else { text(place) }).collect()
            };
            let mode = if many { "REPEATED" } else { "NULLABLE" };
            let page = json!({ "fields": [{ "name": "s", "type": "RECORD", "mode": mode, "fields": texts(inside.map(|_| place)) }] });
            let columns = Columns::of_schema(&page).unwrap();
            let (none, mask) = (BTreeSet::new(), Mask::DefaultValue);
            let laid = Laid { output: 0, kind: Some(&kind), at: &at, mask: &mask, labels: &none, columns: &none };
            let only = |place: usize, part: Part| Part::Inside((0..names.len()).map(|at| if at == place { part.clone() } else { Part::Clear }).collect());
            let masked = Part::Masked(Mask::DefaultValue, 0);
            let expect = only(place, inside.map_or(masked.clone(), |inside| only(inside, masked)));
            prop_assert_eq!(Cover::of(&columns, std::iter::once(laid)).map(|cover| cover.parts), Ok(vec![expect]));
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_fits_nothing() {
        for masks in [
            &[(4, "", "sha256")][..],
            &[(0, "x", "sha256")],
            &[(1, "none", "sha256")],
            &[(1, "street.x", "sha256")],
            &[(1, "", "always_null"), (1, "none", "sha256")],
            &[(1, "none", "sha256"), (1, "", "always_null")],
        ] {
            assert_eq!(laid(masks), Err(Unfit), "{masks:?}");
        }
    }
}
