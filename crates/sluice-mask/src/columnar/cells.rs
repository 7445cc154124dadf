//! What both formats ask of a mask before they look at values.

use crate::cover::Part;
use crate::schema::Column;
use crate::value::Scalar;
use crate::write::Count;
use sluice_policy::Mask;

/// How a column is written.
pub(super) enum Way<'a> {
    Clear,
    /// A record, or each of many: some of its fields are masked.
    Inside(&'a [Part]),
    /// Nothing is left of it, or of the list that it is.
    Nothing(usize),
    /// Each value on its own.
    Each(&'a Mask, usize),
}

/// Of a record and of many of them a mask leaves nothing: policy has no other for them.
pub(super) fn way<'a>(column: &Column, part: &'a Part) -> Way<'a> {
    match part {
        Part::Clear => Way::Clear,
        Part::Inside(parts) => Way::Inside(parts),
        Part::Masked(mask, place) if column.fields.is_some() || (column.repeated && hides_all(mask)) => Way::Nothing(*place),
        Part::Masked(mask, place) => Way::Each(mask, *place),
    }
}

fn hides_all(mask: &Mask) -> bool {
    matches!(mask, Mask::AlwaysNull | Mask::DefaultValue | Mask::Refuse)
}

pub(super) fn scalar(column: &Column) -> Scalar<'_> {
    Scalar { kind: &column.kind, may_be_null: column.may_be_null }
}

pub(super) fn add(counts: &mut [Count], place: usize, cells: usize, nulls: usize) {
    if let Some(count) = counts.get_mut(place) {
        count.cells += cells as u64;
        count.nulls += nulls as u64;
    }
}
