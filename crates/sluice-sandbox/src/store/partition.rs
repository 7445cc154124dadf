//! Partitions by their names: `t$20240101`. Nothing is kept apart for them: a row is in the partition that its value says.

use super::{Row, Rows, Table};
use crate::problem::Problem;
use crate::values::Datum;
use crate::values::calendar::{date_text, datetime_text};
use serde_json::Value;
use sluice_model::TableName;
use std::sync::Arc;

const NULLS: &str = "__NULL__";
/// Rows that have come and are in no partition yet, and those beyond a range.
const NOWHERE: &str = "__UNPARTITIONED__";
/// How many digits of a moment name its partition.
const DIGITS: [(&str, usize); 4] = [("HOUR", 10), ("DAY", 8), ("MONTH", 6), ("YEAR", 4)];

/// What a name with a dollar sign stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub table: TableName,
    pub partition: Option<String>,
}

impl Named {
    pub fn of(name: &TableName) -> Result<Named, Problem> {
        if name.table.contains('@') {
            return Err(Problem::not_implemented("time decorators"));
        }
        let (table, partition) = name.table.split_once('$').map_or((name.table.as_str(), None), |(table, rest)| (table, Some(rest)));
        Ok(Named { table: TableName { table: table.to_owned(), ..name.clone() }, partition: partition.map(str::to_owned) })
    }

    /// The table with the rows of the partition alone.
    pub fn narrowed(&self, table: &Arc<Table>) -> Result<Arc<Table>, Problem> {
        let Some(partition) = &self.partition else { return Ok(Arc::clone(table)) };
        let by = By::of(table, partition)?;
        let rows = held(table)?.iter().filter(|row| by.name_of(row) == *partition).cloned().collect();
        Ok(Arc::new(Table { rows: Arc::new(Rows::held(rows)), ..Table::clone(table) }))
    }

    /// The rows of all other partitions, to which `added` come: each of them has to be of this one.
    pub fn others(&self, table: &Table, added: &[Row]) -> Result<Vec<Row>, Problem> {
        let Some(partition) = &self.partition else { return Ok(Vec::new()) };
        let by = By::of(table, partition)?;
        if let Some(odd) = added.iter().map(|row| by.name_of(row)).find(|name| name != partition) {
            return Err(Problem::invalid(format!(
                "Some rows belong to different partitions rather than destination partition {partition}: {odd}"
            )));
        }
        Ok(held(table)?.iter().filter(|row| by.name_of(row) != *partition).cloned().collect())
    }
}

fn held(table: &Table) -> Result<&[Row], Problem> {
    table.rows.as_held().ok_or_else(|| Problem::not_implemented("partitions of the generated table"))
}

/// How the rows of a table are named.
struct By {
    column: usize,
    unit: Unit,
}

enum Unit {
    Digits(usize),
    Range { start: i64, end: i64, interval: i64 },
}

impl By {
    fn of(table: &Table, partition: &str) -> Result<By, Problem> {
        let (time, range) = (table.extra.get("timePartitioning"), table.extra.get("rangePartitioning"));
        let by = time.or(range).ok_or_else(|| {
            Problem::invalid(format!("Cannot read partition information from a table that is not partitioned: {}", table.name))
        })?;
        let field = by.get("field").and_then(Value::as_str).ok_or_else(|| Problem::not_implemented("partitions by the time of arrival"))?;
        let column = table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(field));
        let column = column.ok_or_else(|| Problem::invalid(format!("The field specified for partitioning cannot be found: {field}")))?;
        let unit = if time.is_some() { moments(by) } else { range_of(by) };
        let unit = unit.ok_or_else(|| Problem::invalid("The partitioning of the table is not understood"))?;
        let is_name = match &unit {
            Unit::Digits(digits) => partition.len() == *digits && partition.bytes().all(|byte| byte.is_ascii_digit()),
            Unit::Range { start, end, interval } => {
                partition.parse::<i64>().is_ok_and(|from| (*start..*end).contains(&from) && (from - start) % interval == 0)
            }
        };
        match is_name || [NULLS, NOWHERE].contains(&partition) {
            true => Ok(By { column, unit }),
            false => Err(Problem::invalid(format!("Invalid partition id: {partition}"))),
        }
    }

    fn name_of(&self, row: &Row) -> String {
        let moment = |text: String, digits: usize| text.chars().filter(char::is_ascii_digit).take(digits).collect();
        match (row.get(self.column), &self.unit) {
            (None | Some(Datum::Null), _) => NULLS.to_owned(),
            (Some(Datum::Date(days)), Unit::Digits(digits)) => moment(date_text(*days), *digits),
            (Some(Datum::Datetime(at) | Datum::Timestamp(at)), Unit::Digits(digits)) => moment(datetime_text(*at), *digits),
            (Some(Datum::Int64(number)), Unit::Range { start, end, interval }) if (*start..*end).contains(number) => {
                (number - (number - start) % interval).to_string()
            }
            _ => NOWHERE.to_owned(),
        }
    }
}

fn moments(by: &Value) -> Option<Unit> {
    let unit = by.get("type").and_then(Value::as_str)?;
    DIGITS.iter().find(|(word, _)| *word == unit).map(|(_, digits)| Unit::Digits(*digits))
}

fn range_of(by: &Value) -> Option<Unit> {
    let number = |name: &str| {
        let value = by.get("range")?.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    };
    let (start, end, interval) = (number("start")?, number("end")?, number("interval")?);
    (interval > 0 && start < end).then_some(Unit::Range { start, end, interval })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::schema::schema_from_json;
    use serde_json::json;

    fn table(name: &str, kind: &str, partitioning: (&str, Value), cells: &[Datum]) -> Arc<Table> {
        let columns = schema_from_json(&json!({ "fields": [{ "name": "at", "type": kind }] })).unwrap();
        let rows = cells.iter().map(|cell| vec![cell.clone()]).collect();
        let mut table = Table::new(TableName::new("p", "d", name), columns, Arc::new(Rows::held(rows)), 1);
        table.extra.insert(partitioning.0.to_owned(), partitioning.1);
        Arc::new(table)
    }

    #[test]
    fn a_row_is_in_the_partition_that_its_value_says() {
        let by_day = |kind: &str| json!({ "type": kind, "field": "At" });
        let days = [Datum::Date(19_723), Datum::Date(19_724), Datum::Null, Datum::Date(19_755)];
        let noon = 19_723 * 86_400 * 1_000_000 + 12 * 3_600 * 1_000_000;
        let range = json!({ "field": "at", "range": { "start": "0", "end": "100", "interval": "10" } });
        let dates = table("t", "DATE", ("timePartitioning", by_day("DAY")), &days);
        let months = table("t", "DATE", ("timePartitioning", by_day("MONTH")), &days);
        let hours = table("t", "TIMESTAMP", ("timePartitioning", by_day("HOUR")), &[Datum::Timestamp(noon)]);
        let numbers = table("t", "INTEGER", ("rangePartitioning", range), &[7, 12, 19, 100, -1].map(Datum::Int64));
        let plain = table("t", "DATE", ("labels", json!({})), &days);
        let arrival = table("t", "DATE", ("timePartitioning", json!({ "type": "DAY" })), &days);
        let check = |table: &Arc<Table>, name: &str, expect: Result<u64, &str>| {
            let narrowed = Named::of(&TableName::new("p", "d", name)).and_then(|named| named.narrowed(table));
            match (narrowed, expect) {
                (Ok(narrowed), Ok(count)) => assert_eq!(narrowed.rows.count(), count, "{name}"),
                (Err(problem), Err(part)) => assert!(problem.message.contains(part), "{name}: {}", problem.message),
                (other, _) => panic!("{name}: {other:?}"),
            }
        };
        check(&dates, "t", Ok(4));
        check(&dates, "t$20240101", Ok(1));
        check(&dates, "t$20240103", Ok(0));
        check(&dates, "t$__NULL__", Ok(1));
        check(&dates, "t$__UNPARTITIONED__", Ok(0));
        check(&dates, "t$202401", Err("Invalid partition id"));
        check(&dates, "t$2024010a", Err("Invalid partition id"));
        check(&dates, "t@-3600000", Err("time decorators"));
        check(&months, "t$202401", Ok(2));
        check(&months, "t$202402", Ok(1));
        check(&hours, "t$2024010112", Ok(1));
        check(&hours, "t$2024010113", Ok(0));
        check(&numbers, "t$10", Ok(2));
        check(&numbers, "t$0", Ok(1));
        check(&numbers, "t$5", Err("Invalid partition id"));
        check(&numbers, "t$__UNPARTITIONED__", Ok(2));
        check(&plain, "t$20240101", Err("not partitioned"));
        check(&arrival, "t$20240101", Err("time of arrival"));
    }

    #[test]
    fn rows_go_into_their_own_partition_alone() {
        let days = [Datum::Date(19_723), Datum::Date(19_724)];
        let table = table("t", "DATE", ("timePartitioning", json!({ "type": "DAY", "field": "at" })), &days);
        let named = Named::of(&TableName::new("p", "d", "t$20240101")).unwrap();
        let others = named.others(&table, &[vec![Datum::Date(19_723)], vec![Datum::Date(19_723)]]).unwrap();
        assert_eq!(others, [[Datum::Date(19_724)]]);
        let odd = named.others(&table, &[vec![Datum::Date(19_725)]]).unwrap_err();
        assert!(odd.message.contains("20240103"), "{}", odd.message);
    }
}
