//! Queries over rows that the test brings.

#[cfg(test)]
#[expect(dead_code, reason = "shared by all test files, each of which needs a part")]
mod world;

#[cfg(test)]
mod tests {
    use super::world::{self, engine, full_catalog, kind, path, table};
    use sluice_googlesql::evaluate::{Content, Datum, Evaluation, Parameter, Row};
    use sluice_model::Type;
    use sluice_sql::engine::{Body, Catalog, Constant, Fault, Mode};

    fn text(text: &str) -> Datum {
        Datum::String(text.to_owned())
    }

    fn people() -> Vec<Row> {
        let row = |id, name: Option<&str>| vec![Datum::Int64(id), name.map_or(Datum::Null, text)];
        vec![row(1, Some("Ada")), row(2, Some("Bob")), row(3, None)]
    }

    fn run(query: &str, rows: &[Row], version: u64) -> Result<Vec<Row>, Fault> {
        let mut catalog = Catalog { tables: vec![table("ds/people", "p.ds.people", "id INT64, name STRING")], ..Catalog::default() };
        catalog.constants.push(Constant { path: path("threshold"), kind: Type::Int64 });
        let body = Body { argument_names: vec!["x".to_owned()], text: "x || (SELECT MAX(name) FROM ds.people)".to_owned() };
        let mut function = world::function(
            "ds/greet",
            Mode::Scalar,
            vec![world::required(sluice_sql::engine::ArgumentKind::Arbitrary)],
            sluice_sql::engine::ArgumentKind::Arbitrary,
        );
        function.body = Some(body);
        catalog.functions.push(function);
        let parameters = [Parameter { name: "p".to_owned(), kind: kind("ARRAY<INT64>"), value: Datum::Array(vec![Datum::Int64(2)]) }];
        let evaluation = Evaluation {
            text: query,
            parameters: &parameters,
            catalog: &catalog,
            constants: &[Datum::Int64(2)],
            contents: &[Content { version, rows }],
        };
        engine().query(&evaluation).map(|answer| answer.rows)
    }

    fn check(query: &str, expect: &[&[Datum]]) {
        let rows = run(query, &people(), 1).unwrap_or_else(|fault| panic!("{query}: {fault:?}"));
        assert_eq!(rows, expect, "{query}");
    }

    #[test]
    fn tables_are_read_by_any_path() {
        check("SELECT COUNT(*) FROM ds.people", &[&[Datum::Int64(3)]]);
        check("SELECT people.name FROM DS.People WHERE people.id = 1", &[&[text("Ada")]]);
        check("SELECT p.name FROM ds.people p, ds.people AS q WHERE p.id = q.id + 1 AND q.id = 1", &[&[text("Bob")]]);
        check("FROM ds.people |> WHERE id IN UNNEST(@p) |> SELECT name", &[&[text("Bob")]]);
        check("SELECT id FROM ds.people WHERE id > threshold", &[&[Datum::Int64(3)]]);
        check("SELECT ds.greet('x')", &[&[text("xBob")]]);
        check("WITH people AS (SELECT 9 AS id) SELECT people.id FROM people", &[&[Datum::Int64(9)]]);
        check("SELECT TO_JSON_STRING(t) FROM ds.people t WHERE id = 3", &[&[text("{\"id\":3,\"name\":null}")]]);
    }

    #[test]
    fn other_rows_are_another_table_set() {
        let count = |rows: &[Row], version| run("SELECT COUNT(*) FROM ds.people", rows, version).expect("rows");
        assert_eq!(count(&people(), 1), [[Datum::Int64(3)]]);
        assert_eq!(count(&people()[..1], 2), [[Datum::Int64(1)]]);
        assert_eq!(count(&people(), 1), [[Datum::Int64(3)]]);
    }

    #[test]
    fn paths_that_read_alike_are_told_apart() {
        let one = |path: &str| table(path, path, "a INT64");
        let catalog = Catalog { tables: vec![one("x/y"), one("x.y"), one("X/Y"), one("p.q/r"), one("p/q/r")], ..Catalog::default() };
        let rows: Vec<[Row; 1]> = (0..5).map(|number| [vec![Datum::Int64(number)]]).collect();
        let contents: Vec<Content<'_>> = (200..).zip(&rows).map(|(version, rows)| Content { version, rows }).collect();
        let text =
            "SELECT (SELECT a FROM x.y), (SELECT a FROM `x.y`), (SELECT a FROM `p.q`.r), (SELECT r.a FROM p.q.r), (SELECT y.a FROM x.Y)";
        let answer = engine().query(&Evaluation { text, parameters: &[], catalog: &catalog, constants: &[], contents: &contents });
        assert_eq!(answer.expect("rows").rows, [[0, 1, 3, 4, 0].map(Datum::Int64)]);
    }

    #[test]
    fn pivots_and_the_like_run() {
        check(
            "SELECT * FROM (SELECT name, id FROM ds.people WHERE name IS NOT NULL) PIVOT(SUM(id) FOR name IN ('Ada', 'Bob'))",
            &[&[Datum::Int64(1), Datum::Int64(2)]],
        );
        check("SELECT v FROM (SELECT 1 AS a, 2 AS b) UNPIVOT(v FOR k IN (a, b)) ORDER BY v", &[&[Datum::Int64(1)], &[Datum::Int64(2)]]);
        check("SELECT COUNT(*) FROM ds.people WHERE name LIKE ANY ('A%', 'B%')", &[&[Datum::Int64(2)]]);
        check("SELECT ARRAY_LENGTH(ARRAY_FILTER([1, 2, 3], e -> e > 1))", &[&[Datum::Int64(2)]]);
        check("SELECT SUM(id) OVER (ORDER BY id) FROM ds.people ORDER BY 1 DESC LIMIT 1", &[&[Datum::Int64(6)]]);
        check("SELECT COUNT(*) FROM (SELECT name FROM ds.people GROUP BY GROUPING SETS (name, ()))", &[&[Datum::Int64(4)]]);
        check("SELECT STRING_AGG(name, ',' ORDER BY name DESC LIMIT 1) FROM ds.people", &[&[text("Bob")]]);
        check(
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 50) SELECT MAX(n) FROM r",
            &[&[Datum::Int64(50)]],
        );
    }

    #[test]
    fn errors_are_about_the_text_as_given() {
        let fault = run("SELECT people.id FROM ds.people\nWHERE oops", &people(), 1).err();
        assert_eq!(fault, Some(Fault::Invalid { message: "Unrecognized name: oops".to_owned(), line: Some(2), column: Some(7) }));
        let fault = run("SELECT 1 FROM ds.people, ds.people x, nothing", &people(), 1).err();
        let message = "Table not found: nothing".to_owned();
        assert!(
            matches!(fault, Some(Fault::Invalid { message: ref found, line: Some(1), column: Some(39) }) if found.starts_with(&message)),
            "{fault:?}"
        );
        assert!(matches!(run("SELECT 1 / 0", &people(), 1), Err(Fault::Invalid { .. })));
        assert!(matches!(run("SELECT ERROR('x')", &people(), 1), Err(Fault::Invalid { .. })));
    }

    #[test]
    fn values_of_every_type_come_back() {
        let kinds = "a INT64, b FLOAT64, c BOOL, d STRING, e BYTES, f DATE, g DATETIME, h TIME, i TIMESTAMP, j NUMERIC, k BIGNUMERIC, l JSON, \
            m INTERVAL, n RANGE<DATE>, o ARRAY<STRUCT<x INT64, y STRING>>, p STRUCT<x INT64, y ARRAY<STRING>>, q RANGE<TIMESTAMP>";
        let row = vec![
            Datum::Int64(i64::MIN),
            Datum::Float64(-0.5),
            Datum::Bool(true),
            text("é"),
            Datum::Bytes(vec![255, 0]),
            Datum::Date(-719_162),
            Datum::Datetime(1_577_934_245_678_901),
            Datum::Time(11_045_678_901),
            Datum::Timestamp(-1),
            Datum::Numeric("-1.5".to_owned()),
            Datum::BigNumeric("0.00000000000000000000000000000000000001".to_owned()),
            Datum::Json("{\"a\":1}".to_owned()),
            Datum::Interval("-1-2 3 -4:5:6.789".to_owned()),
            Datum::Range(Box::new([Datum::Date(0), Datum::Null])),
            Datum::Array(vec![Datum::Struct(vec![Datum::Int64(1), Datum::Null])]),
            Datum::Struct(vec![Datum::Null, Datum::Array(vec![text("z")])]),
            Datum::Range(Box::new([Datum::Null, Datum::Timestamp(5)])),
        ];
        let nulls = vec![Datum::Null; row.len()];
        let catalog = Catalog { tables: vec![table("t", "t", kinds)], ..Catalog::default() };
        let rows = [row, nulls];
        let query = |text: &str| {
            let contents = [Content { version: 77, rows: &rows }];
            engine().query(&Evaluation { text, parameters: &[], catalog: &catalog, constants: &[], contents: &contents })
        };
        assert_eq!(query("SELECT * FROM t").expect("rows").rows, rows);
        let texts = query(
            "SELECT CAST(g AS STRING), CAST(h AS STRING), CAST(i AS STRING), CAST(j AS STRING), CAST(k AS STRING), CAST(m AS STRING), CAST(n AS STRING) FROM t LIMIT 1",
        );
        let expect = [
            "2020-01-02 03:04:05.678901",
            "03:04:05.678901",
            "1969-12-31 23:59:59.999999+00",
            "-1.5",
            "0.00000000000000000000000000000000000001",
            "-1-2 3 -4:5:6.789",
            "[1970-01-01, UNBOUNDED)",
        ];
        assert_eq!(texts.expect("rows").rows, [expect.map(text)]);
    }

    /// Putting the state back must not bring the same chance again.
    #[test]
    fn chance_and_time_go_on() {
        let once = || run("SELECT GENERATE_UUID(), RAND(), CURRENT_TIMESTAMP()", &people(), 1).expect("row").remove(0);
        let (first, second) = (once(), once());
        assert!(first.iter().zip(&second).all(|(first, second)| first != second), "{first:?} {second:?}");
    }

    #[test]
    fn geography_is_a_text() {
        let catalog = Catalog { tables: vec![table("t", "t", "a INT64, place GEOGRAPHY")], ..Catalog::default() };
        let rows = [vec![Datum::Int64(1), Datum::Geography("POINT(1 2)".to_owned())]];
        let query = |text: &str| {
            let contents = [Content { version: 99, rows: &rows }];
            engine()
                .query(&Evaluation { text, parameters: &[], catalog: &catalog, constants: &[], contents: &contents })
                .map(|answer| answer.rows)
        };
        assert_eq!(query("SELECT a FROM t"), Ok(vec![vec![Datum::Int64(1)]]));
        assert_eq!(query("SELECT place FROM t"), Ok(vec![vec![text("POINT(1 2)")]]));
    }

    #[test]
    fn what_is_missing_is_said() {
        let catalog = full_catalog();
        let contents: Vec<Content<'_>> = catalog.tables.iter().map(|_| Content { version: 5, rows: &[] }).collect();
        let fault = engine()
            .query(&Evaluation {
                text: "SELECT ST_GEOGPOINT(1, 2)",
                parameters: &[],
                catalog: &catalog,
                constants: &[Datum::Null],
                contents: &contents,
            })
            .err();
        assert!(matches!(fault, Some(Fault::Invalid { ref message, .. }) if message.contains("st_geogpoint")), "{fault:?}");
        let fault =
            engine().query(&Evaluation { text: "SELECT 1", parameters: &[], catalog: &catalog, constants: &[], contents: &[] }).err();
        assert!(matches!(fault, Some(Fault::Engine { .. })), "{fault:?}");
    }
}
