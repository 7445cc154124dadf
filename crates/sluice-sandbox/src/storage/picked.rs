//! `selected_fields`: which columns and nested fields of a row are read. Their order is the table's.

use crate::problem::Problem;
use crate::values::{Column, Datum, Scalar};

/// One column of a row, or one field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    position: usize,
    /// Nothing where all of it is read.
    inner: Option<Vec<Pick>>,
}

/// Paths with dots, compared without case. An unknown one refuses the whole.
pub fn picks(columns: &[Column], paths: &[String]) -> Result<Vec<Pick>, Problem> {
    let unknown: Vec<&str> = paths.iter().map(String::as_str).filter(|path| !exists(columns, path)).collect();
    if !unknown.is_empty() {
        let message = format!("request failed: The following selected fields do not exist in the table schema: {}", unknown.join(", "));
        return Err(Problem::invalid(message));
    }
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    Ok(picked(columns, &paths))
}

/// The columns that are left, their records without what is not read.
pub fn columns(all: &[Column], picks: &[Pick]) -> Vec<Column> {
    let one = |pick: &Pick| {
        let column = all.get(pick.position)?;
        Some(match &pick.inner {
            Some(inner) => Column { fields: columns(&column.fields, inner), ..column.clone() },
            None => column.clone(),
        })
    };
    picks.iter().filter_map(one).collect()
}

pub fn cells(row: &[Datum], picks: &[Pick]) -> Vec<Datum> {
    let one = |pick: &Pick| {
        let cell = row.get(pick.position).unwrap_or(&Datum::Null);
        pick.inner.as_ref().map_or_else(|| cell.clone(), |inner| narrowed(cell, inner))
    };
    picks.iter().map(one).collect()
}

/// Logical bytes of what is read, of those of all columns. A record that is read in part counts as a whole.
pub fn bytes(column_bytes: &[u64], picks: &[Pick]) -> u64 {
    picks.iter().filter_map(|pick| column_bytes.get(pick.position)).sum()
}

fn narrowed(cell: &Datum, inner: &[Pick]) -> Datum {
    match cell {
        Datum::Array(elements) => Datum::Array(elements.iter().map(|element| narrowed(element, inner)).collect()),
        Datum::Struct(fields) => Datum::Struct(cells(fields, inner)),
        other => other.clone(),
    }
}

fn picked(columns: &[Column], paths: &[&str]) -> Vec<Pick> {
    let one = |(position, column): (usize, &Column)| {
        let own: Vec<Option<&str>> = paths.iter().filter_map(|path| behind(column, path)).collect();
        let inner: Vec<&str> = own.iter().copied().flatten().collect();
        match (own.len(), inner.len()) {
            (0, _) => None,
            // A path that ends here reads all of it, whatever other paths say.
            (paths, deeper) if deeper < paths => Some(Pick { position, inner: None }),
            _ => Some(Pick { position, inner: Some(picked(&column.fields, &inner)) }),
        }
    };
    columns.iter().enumerate().filter_map(one).collect()
}

/// The rest of the path where it begins with this column.
fn behind<'a>(column: &Column, path: &'a str) -> Option<Option<&'a str>> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    column.name.eq_ignore_ascii_case(first).then_some(rest)
}

fn exists(columns: &[Column], path: &str) -> bool {
    columns.iter().any(|column| match behind(column, path) {
        Some(None) => true,
        Some(Some(rest)) => column.kind == Scalar::Record && exists(&column.fields, rest),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::schema::columns_of;

    #[test]
    fn fields_are_picked_in_the_order_of_the_table() {
        let all = columns_of("a INT64, s STRUCT<x INT64, y STRUCT<p INT64, q INT64>>, r ARRAY<STRUCT<m INT64, n INT64>>").unwrap();
        let record = |cells: Vec<Datum>| Datum::Struct(cells);
        let number = Datum::Int64;
        let row = [
            number(1),
            record(vec![number(2), record(vec![number(3), number(4)])]),
            Datum::Array(vec![record(vec![number(5), number(6)])]),
        ];
        let check = |paths: &[&str], expect: Result<(&str, Vec<Datum>), &str>| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let found = picks(&all, &paths).map(|picks| {
                let names =
                    columns(&all, &picks).iter().map(|column| format!("{} {}", column.name, column.full_type())).collect::<Vec<_>>();
                (names.join(", "), cells(&row, &picks))
            });
            match expect {
                Ok((names, cells)) => assert_eq!(found, Ok((names.to_owned(), cells)), "{paths:?}"),
                Err(part) => assert!(found.as_ref().is_err_and(|problem| problem.message.contains(part)), "{paths:?}: {found:?}"),
            }
        };
        check(&["A"], Ok(("a INT64", vec![number(1)])));
        check(&["s.x", "a"], Ok(("a INT64, s STRUCT<x INT64>", vec![number(1), record(vec![number(2)])])));
        check(&["s.y.q"], Ok(("s STRUCT<y STRUCT<q INT64>>", vec![record(vec![record(vec![number(4)])])])));
        check(&["s.y.q", "S.Y"], Ok(("s STRUCT<y STRUCT<p INT64, q INT64>>", vec![record(vec![record(vec![number(3), number(4)])])])));
        check(&["r.n"], Ok(("r ARRAY<STRUCT<n INT64>>", vec![Datum::Array(vec![record(vec![number(6)])])])));
        check(&["r.n", "z", "a.b"], Err("do not exist in the table schema: z, a.b"));
        check(&[""], Err("do not exist"));
    }
}
