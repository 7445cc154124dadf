//! Which cells of a row are masked: a plan of policy's, laid over the columns of a page.

use crate::schema::{Column, Columns};
use sluice_model::How;
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
    pub(crate) at: &'a [String],
    pub(crate) mask: &'a Mask,
    pub(crate) labels: &'a BTreeSet<String>,
    pub(crate) columns: &'a BTreeSet<String>,
}

impl Cover {
    /// Where several masks meet the strictest wins, and one on the whole of something hides what is inside.
    pub(crate) fn of<'a>(columns: &Columns, masks: impl Iterator<Item = Laid<'a>>) -> Result<Cover, Unfit> {
        let mut parts = vec![Part::Clear; columns.0.len()];
        let mut masks: Vec<Laid<'_>> = masks.collect();
        // So that it makes no difference in which order they come.
        masks.sort_by(|one, other| one.mask.cmp(other.mask));
        for laid in &masks {
            let (column, part) = columns.0.get(laid.output).zip(parts.get_mut(laid.output)).ok_or(Unfit)?;
            lay(part, column, laid.at, laid.mask)?;
        }
        let mut paths = Vec::new();
        number(&mut parts, columns, "", &mut paths);
        for laid in masks {
            if let Some((column, part)) = columns.0.get(laid.output).zip(parts.get(laid.output)) {
                name(part, column, laid.at, &laid, &mut paths);
            }
        }
        Ok(Cover { parts, paths })
    }
}

fn lay(part: &mut Part, column: &Column, at: &[String], mask: &Mask) -> Result<(), Unfit> {
    let Some((name, rest)) = at.split_first() else {
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
    let mut found = false;
    for (position, (field, part)) in fields.0.iter().zip(&mut inside).enumerate() {
        if is_called(field, position, name) {
            lay(part, field, rest, mask)?;
            found = true;
        }
    }
    if !found {
        return Err(Unfit);
    }
    // What is masked whole is a record or many of them: of those a mask leaves nothing.
    if !matches!(part, Part::Masked(..)) {
        *part = Part::Inside(inside);
    }
    Ok(())
}

/// What is masked there, or around there, is so for this reason too.
fn name(part: &Part, column: &Column, at: &[String], laid: &Laid<'_>, paths: &mut [CoveredPath]) {
    match (part, at.split_first(), &column.fields) {
        (Part::Masked(_, place), ..) => {
            if let Some(path) = paths.get_mut(*place) {
                path.labels.extend(laid.labels.iter().cloned());
                path.columns.extend(laid.columns.iter().cloned());
            }
        }
        (Part::Inside(parts), Some((called, rest)), Some(fields)) => {
            let called = fields.0.iter().zip(parts).enumerate().filter(|(position, (field, _))| is_called(field, *position, called));
            called.for_each(|(_, (field, part))| name(part, field, rest, laid, paths));
        }
        _ => {}
    }
}

/// A field without a name is called by its place in a result.
fn is_called(field: &Column, position: usize, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(name) || (name.is_empty() && field.name == format!("_field_{}", position + 1))
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
    use serde_json::json;

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
            let laid = owned.iter().map(|(output, at, mask)| Laid { output: *output, at, mask, labels: &none, columns: &none });
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
        check(&[(1, " ", "sha256")], &["address._field_2 sha256"]);
        check(&[(3, "", "last_four")], &["n default_value"]);
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
