//! `selected_fields`: of each column what is read of it. Columns keep the order of their table.

use sluice_model::{Field, Output, Type, place};

/// Outputs that show whole columns, without what nobody asked for.
pub(crate) fn picked(outputs: Vec<Output>, paths: &[Vec<String>]) -> Vec<Output> {
    if paths.is_empty() {
        return outputs;
    }
    outputs.into_iter().filter_map(|output| narrowed(output, paths)).collect()
}

/// The same for a schema.
pub(crate) fn picked_fields(schema: Vec<Field>, paths: &[Vec<String>]) -> Vec<Field> {
    let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
    schema.into_iter().filter_map(|field| of_field(field, &paths)).collect()
}

/// The first of these paths that leads nowhere.
pub(crate) fn missing<'a>(columns: &[Output], paths: &'a [Vec<String>]) -> Option<&'a [String]> {
    let fields: Vec<Field> =
        columns.iter().filter_map(|column| Some(Field { name: column.name.clone(), kind: column.kind.clone()? })).collect();
    paths.iter().map(Vec::as_slice).find(|path| !leads_somewhere(&fields, path))
}

fn leads_somewhere(fields: &[Field], path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let mut called = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(first));
    called.any(|field| rest.is_empty() || field.kind.fields().is_some_and(|inner| leads_somewhere(inner, rest)))
}

/// Whether these paths mean the same parts to the analysis and in the rows. What has no name of its own, or shares it, gets one from BigQuery: picked by
/// that, it would come without what the analysis says of it.
pub(crate) fn can_be_picked(outputs: &[Output], schema: Option<&[Field]>, paths: &[Vec<String>]) -> bool {
    let called: Vec<Field> = outputs.iter().map(|output| Field { name: output.name.clone(), kind: Type::Bool }).collect();
    let is_same = |schema: &[Field]| {
        schema.len() == called.len() && schema.iter().zip(&called).all(|(one, other)| one.name.eq_ignore_ascii_case(&other.name))
    };
    let goes_inside = paths.iter().any(|path| path.len() > 1);
    are_named(&called)
        && schema.is_none_or(is_same)
        && (!goes_inside || outputs.iter().all(|output| output.kind.as_ref().is_some_and(is_named_within)))
}

fn is_named_within(kind: &Type) -> bool {
    kind.fields().is_none_or(are_named)
}

fn are_named(fields: &[Field]) -> bool {
    !place::steps(fields).iter().any(|step| place::is_place(step)) && fields.iter().all(|field| is_named_within(&field.kind))
}

fn narrowed(output: Output, paths: &[Vec<String>]) -> Option<Output> {
    let inner: Vec<&[String]> = behind(&output.name, paths.iter().map(Vec::as_slice));
    if inner.is_empty() {
        return None;
    }
    // A path that ends here reads all of it, whatever other paths say.
    if inner.iter().any(|path| path.is_empty()) {
        return Some(output);
    }
    let Output { name, kind, exposures } = output;
    let is_read = |at: &[String]| inner.iter().any(|path| path.iter().zip(at).all(|(one, other)| one.eq_ignore_ascii_case(other)));
    let exposures = exposures.into_iter().filter(|exposure| is_read(&exposure.at)).collect();
    Some(Output { name, kind: kind.map(|kind| of_type(kind, &inner)), exposures })
}

fn of_type(kind: Type, paths: &[&[String]]) -> Type {
    match kind {
        Type::Array(element) => Type::Array(Box::new(of_type(*element, paths))),
        Type::Struct(fields) => Type::Struct(fields.into_iter().filter_map(|field| of_field(field, paths)).collect()),
        other => other,
    }
}

fn of_field(field: Field, paths: &[&[String]]) -> Option<Field> {
    let inner = behind(&field.name, paths.iter().copied());
    match (inner.is_empty(), inner.iter().any(|path| path.is_empty())) {
        (true, _) => None,
        (false, true) => Some(field),
        (false, false) => Some(Field { kind: of_type(field.kind, &inner), ..field }),
    }
}

/// What is left of the paths that begin with this name.
fn behind<'a>(name: &str, paths: impl Iterator<Item = &'a [String]>) -> Vec<&'a [String]> {
    paths.filter_map(|path| path.split_first().filter(|(first, _)| first.eq_ignore_ascii_case(name)).map(|(_, rest)| rest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::{ColumnPath, Exposure, How, TableName};

    fn field(name: &str, kind: Type) -> Field {
        Field { name: name.to_owned(), kind }
    }

    fn output(name: &str, kind: Type, leaves: &[&[&str]]) -> Output {
        let exposures = leaves.iter().map(|at| {
            let at: Vec<String> = at.iter().map(|part| (*part).to_owned()).collect();
            let path = [&[name.to_owned()], at.as_slice()].concat();
            Exposure { at, column: ColumnPath { table: TableName::new("p", "d", "t"), path }, how: How::Direct }
        });
        Output { name: name.to_owned(), kind: Some(kind), exposures: exposures.collect() }
    }

    fn table() -> Vec<Output> {
        let place = Type::Struct(vec![field("x", Type::Int64), field("y", Type::Int64)]);
        let address = Type::Struct(vec![field("city", Type::String), field("at", place)]);
        vec![output("id", Type::Int64, &[&[]]), output("address", Type::Array(Box::new(address)), &[&["city"], &["at", "x"], &["at", "y"]])]
    }

    /// A field without a name is `_field_2` in the rows and has no such name in the analysis: picked alone it would come unmasked.
    #[test]
    fn what_has_no_name_of_its_own_is_not_picked() {
        let check = |outputs: &[(&str, &str)], schema: &[&str], path: &str, expect: bool| {
            let kind = |text: &str| Type::parse(text).unwrap();
            let outputs: Vec<Output> = outputs.iter().map(|(name, text)| output(name, kind(text), &[])).collect();
            let schema: Vec<Field> = schema.iter().map(|name| field(name, Type::String)).collect();
            let path = path.split('.').map(str::to_owned).collect();
            assert_eq!(can_be_picked(&outputs, Some(&schema), &[path]), expect, "{outputs:?} {schema:?}");
        };
        check(&[("s", "STRUCT<x STRING, y STRING>")], &["s"], "s.y", true);
        check(&[("s", "STRUCT<x STRING, STRING>")], &["s"], "s._field_2", false);
        check(&[("s", "STRUCT<x STRING, STRING>")], &["s"], "s", true);
        check(&[("s", "ARRAY<STRUCT<x STRING, y STRUCT<STRING>>>")], &["s"], "s.y._field_1", false);
        check(&[("s", "STRUCT<x STRING, X STRING>")], &["s"], "s.x", false);
        check(&[("", "STRING")], &["f0_"], "f0_", false);
        check(&[("a", "STRING"), ("a", "STRING")], &["a", "a_1"], "a_1", false);
        check(&[("a", "STRING"), ("b", "STRING")], &["a", "a_1"], "a_1", false);
        check(&[("a", "STRING"), ("b", "STRING")], &["A", "b"], "b", true);
    }

    /// Columns and leaves that are left.
    fn check(paths: &[&str], expect: &[&str]) {
        let paths: Vec<Vec<String>> = paths.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect();
        let picked = picked(table(), &paths);
        let leaves = picked.iter().flat_map(|output| &output.exposures).map(|exposure| exposure.column.path.join("."));
        assert_eq!(leaves.collect::<Vec<_>>(), expect, "{paths:?}");
        let kinds: Vec<String> = picked.iter().filter_map(|output| output.kind.as_ref()).map(ToString::to_string).collect();
        let inner = kinds.join(" ");
        for leaf in ["city", "x", "y"] {
            let is_left = expect.iter().any(|path| path.rsplit('.').next() == Some(leaf));
            assert_eq!(inner.split([' ', '<', ',', '>', '(']).any(|word| word.trim_matches('`') == leaf), is_left, "{inner} {leaf}");
        }
    }

    #[test]
    fn what_is_read_of_each_column() {
        check(&[], &["id", "address.city", "address.at.x", "address.at.y"]);
        check(&["address.city", "ID"], &["id", "address.city"]);
        check(&["address.at"], &["address.at.x", "address.at.y"]);
        check(&["address.at.x"], &["address.at.x"]);
        check(&["address.at.x", "Address"], &["address.city", "address.at.x", "address.at.y"]);
        check(&["none"], &[]);
        check(&["id.none"], &["id"]);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_found() {
        let check = |path: &str, expect: bool| {
            let paths = [path.split('.').map(str::to_owned).collect::<Vec<_>>()];
            assert_eq!(missing(&table(), &paths).is_some(), expect, "{path}");
        };
        for there in ["id", "ID", "address", "address.city", "Address.At.x"] {
            check(there, false);
        }
        for nowhere in ["nope", "id.none", "address.none", "address.at.x.y", "city"] {
            check(nowhere, true);
        }
    }
}
