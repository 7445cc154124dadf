//! Where something stands inside a value: a path of steps, one for each struct on the way. Arrays are passed through.
//!
//! Whoever writes a statement chooses the names of fields, and may leave them out or use one twice. So a name is a step only where it can mean one field
//! alone; everywhere else the step is the field's place, written so that no name is ever taken for one.

use crate::types::{Field, Type};
use std::collections::HashMap;

/// What a place begins with. A name that begins so is never a step.
const BEGIN: char = '[';
const END: char = ']';

/// The step to a field whose name is not known, or says nothing: `[2]` for the second.
pub fn place(position: usize) -> String {
    format!("{BEGIN}{}{END}", position + 1)
}

pub fn is_place(step: &str) -> bool {
    step.starts_with(BEGIN)
}

/// The steps to each field of a struct, in their order.
pub fn steps(fields: &[Field]) -> Vec<String> {
    let folded: Vec<String> = fields.iter().map(|field| field.name.to_lowercase()).collect();
    let mut times: HashMap<&str, usize> = HashMap::new();
    for name in &folded {
        *times.entry(name).or_default() += 1;
    }
    let is_name = |name: &str| !name.is_empty() && !is_place(name) && times.get(name) == Some(&1);
    let step = |(position, (field, folded)): (usize, (&Field, &String))| if is_name(folded) { field.name.clone() } else { place(position) };
    fields.iter().zip(&folded).enumerate().map(step).collect()
}

/// The one field that a step leads to. None if there is none, or if it could be several.
pub fn field_at(fields: &[Field], step: &str) -> Option<usize> {
    if is_place(step) {
        let number = step.strip_prefix(BEGIN)?.strip_suffix(END)?.parse::<usize>().ok()?;
        return number.checked_sub(1).filter(|position| *position < fields.len());
    }
    let mut called = fields.iter().enumerate().filter(|(_, field)| !step.is_empty() && field.name.eq_ignore_ascii_case(step));
    let (position, _) = called.next()?;
    called.next().is_none().then_some(position)
}

/// The places that a path leads through. None if it does not fit the type.
pub fn positions(kind: &Type, path: &[String]) -> Option<Vec<usize>> {
    let mut kind = kind;
    let mut found = Vec::with_capacity(path.len());
    for step in path {
        let fields = kind.fields()?;
        let position = field_at(fields, step)?;
        found.push(position);
        kind = &fields.get(position)?.kind;
    }
    Some(found)
}

/// What a table calls a field that is written into it: one without a name is `_field_2` by its place. None where that cannot be said for sure, because
/// two fields would be called so.
pub fn written_name(fields: &[Field], position: usize) -> Option<String> {
    let written = |(position, field): (usize, &Field)| match field.name.as_str() {
        "" => format!("_field_{}", position + 1),
        name => name.to_owned(),
    };
    let name = written((position, fields.get(position)?));
    let folded = name.to_lowercase();
    let times = fields.iter().enumerate().map(written).filter(|other| other.to_lowercase() == folded).count();
    (times == 1 && !name.contains('.')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(names: &[&str]) -> Vec<Field> {
        names.iter().map(|name| Field { name: (*name).to_owned(), kind: Type::String }).collect()
    }

    #[test]
    fn a_step_means_one_field_whatever_fields_are_called() {
        let check = |names: &[&str], expect: &[&str]| {
            let fields = fields(names);
            let steps = steps(&fields);
            assert_eq!(steps, expect, "{names:?}");
            for (position, step) in steps.iter().enumerate() {
                assert_eq!(field_at(&fields, step), Some(position), "{names:?} {step}");
                assert_eq!(steps.iter().filter(|other| *other == step).count(), 1, "{names:?}");
            }
        };
        check(&[], &[]);
        check(&["a", "b"], &["a", "b"]);
        check(&["_1", ""], &["_1", "[2]"]);
        check(&["", "_0", "_field_1"], &["[1]", "_0", "_field_1"]);
        check(&["a", "A", "b"], &["[1]", "[2]", "b"]);
        check(&["\u{e9}", "\u{c9}"], &["[1]", "[2]"]);
        // A name that looks like a place of another field.
        check(&["[2]", ""], &["[1]", "[2]"]);
        check(&["[2]", "[1]", "x"], &["[1]", "[2]", "x"]);
    }

    #[test]
    fn a_step_that_leads_nowhere_or_to_several_leads_to_none() {
        let fields = fields(&["a", "b", "B", ""]);
        for step in ["", "c", "b", "[0]", "[5]", "[", "[]", "[1", "[-1]", "[x]", "_4", "_field_4"] {
            assert_eq!(field_at(&fields, step), None, "{step}");
        }
        assert_eq!(field_at(&fields, "A"), Some(0));
        assert_eq!(field_at(&fields, "[3]"), Some(2));
    }

    #[test]
    fn paths_go_through_arrays() {
        let kind = Type::parse("ARRAY<STRUCT<a STRING, ARRAY<STRUCT<STRING, x STRING>>>>").unwrap();
        let check = |path: &[&str], expect: Option<&[usize]>| {
            let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
            assert_eq!(positions(&kind, &path).as_deref(), expect, "{path:?}");
        };
        check(&[], Some(&[]));
        check(&["A"], Some(&[0]));
        check(&["[2]", "[1]"], Some(&[1, 0]));
        check(&["[2]", "x"], Some(&[1, 1]));
        check(&["a", "x"], None);
        check(&["_2"], None);
    }

    #[test]
    fn a_table_calls_fields_by_their_names_or_by_their_places() {
        let check = |names: &[&str], expect: &[Option<&str>]| {
            let fields = fields(names);
            let found: Vec<Option<String>> = (0..names.len()).map(|position| written_name(&fields, position)).collect();
            let found: Vec<Option<&str>> = found.iter().map(Option::as_deref).collect();
            assert_eq!(found, expect, "{names:?}");
        };
        check(&["name", ""], &[Some("name"), Some("_field_2")]);
        check(&["_Field_2", "", ""], &[None, None, Some("_field_3")]);
        check(&["a", "A"], &[None, None]);
        check(&["a.b"], &[None]);
    }
}
