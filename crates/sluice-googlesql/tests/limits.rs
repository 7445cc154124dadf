//! Statements that are made to hurt: each is answered or refused in time, and the next one does not notice.

#[cfg(test)]
#[expect(dead_code, reason = "shared by all test files, each of which needs a part")]
mod world;

#[cfg(test)]
mod tests {
    use super::world::{analyze, catalog, start, table};
    use sluice_googlesql::host::session::CallLimits;
    use sluice_googlesql::{GoogleSql, Settings};
    use sluice_model::{Field, Type};
    use sluice_sql::engine::{Catalog, Column, Engine, Fault, Table};
    use std::sync::{Mutex, MutexGuard, OnceLock};
    use std::time::{Duration, Instant};

    const DEADLINE_MILLISECONDS: u64 = 2_000;
    const MEMORY_BYTES_MAX: usize = 96 << 20;
    /// On top of the deadline; the machine may be busy with other tests.
    const SLACK_MILLISECONDS: u64 = 150;

    /// One at a time: the tests measure.
    fn engine() -> MutexGuard<'static, GoogleSql> {
        static ENGINE: OnceLock<Mutex<GoogleSql>> = OnceLock::new();
        let analysis = CallLimits { milliseconds_max: DEADLINE_MILLISECONDS, memory_bytes_max: MEMORY_BYTES_MAX };
        let engine = ENGINE.get_or_init(|| Mutex::new(start(Settings { analysis, instances: 1, ..Settings::default() })));
        engine.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What became of it, in one word.
    fn outcome(result: &Result<(), Fault>) -> String {
        match result {
            Ok(()) => "answered".to_owned(),
            Err(Fault::Deadline { .. }) => "deadline".to_owned(),
            Err(Fault::Memory { .. }) => "memory".to_owned(),
            Err(Fault::Columns { .. }) => "columns".to_owned(),
            Err(Fault::Oversized { .. }) => "oversized".to_owned(),
            Err(Fault::Interrupted { message }) => format!("interrupted: {message}"),
            Err(fault) => format!("{fault:?}"),
        }
    }

    fn check(name: &str, text: &str, expect: &[&str]) {
        let engine = engine();
        let start = Instant::now();
        let result = analyze(&engine, text, &catalog()).map(drop);
        let took = start.elapsed();
        let found = outcome(&result);
        println!("{name}: {found:.160} after {} ms", took.as_millis());
        assert!(expect.iter().any(|word| found.contains(word)), "{name}: {found}");
        assert!(took < Duration::from_millis(DEADLINE_MILLISECONDS + SLACK_MILLISECONDS), "{name}: {took:?}");
        let next = analyze(&engine, "SELECT id FROM ds.users", &catalog()).map(drop);
        assert_eq!(next, Ok(()), "after {name}");
    }

    fn nested(open: &str, close: &str, depth: usize) -> String {
        format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth))
    }

    #[test]
    fn chains() {
        check("chain of 200", &format!("SELECT 1{}", " + 1".repeat(200)), &["answered"]);
        check("chain of 1,000", &format!("SELECT 1{}", " + 1".repeat(1_000)), &["answered", "deadline", "out of stack"]);
        check("chain of 10,000", &format!("SELECT 1{}", " + 1".repeat(10_000)), &["deadline", "Out of stack", "out of stack"]);
        check("200 unions", &["SELECT id FROM ds.users"; 200].join(" UNION ALL "), &["answered", "deadline"]);
        check("5,000 literals", &format!("SELECT id IN ({}) FROM ds.users", vec!["1"; 5_000].join(",")), &["answered", "deadline"]);
        check("2,000 pipes", &format!("FROM ds.users{}", " |> WHERE true".repeat(2_000)), &["answered", "deadline", "stack"]);
    }

    #[test]
    fn brackets() {
        check("5,000 brackets", &nested("(", ")", 5_000), &["answered", "stack"]);
        check("100,000 brackets", &nested("(", ")", 100_000), &["answered", "deadline", "stack"]);
        check("1,000 subqueries", &nested("(SELECT ", ")", 1_000), &["answered", "deadline", "stack"]);
        check("50,000 subqueries", &nested("(SELECT ", ")", 50_000), &["deadline", "stack"]);
        check("20,000 arrays", &nested("[", "]", 20_000), &["Cannot construct array", "deadline", "stack"]);
        check("20,000 NOTs", &format!("SELECT {} true", "NOT ".repeat(20_000)), &["answered", "deadline", "stack"]);
        check("100,000 open brackets", &format!("SELECT {}", "(".repeat(100_000)), &["Syntax error", "stack"]);
        check(
            "a type 5,000 deep",
            &format!("SELECT CAST(NULL AS {}INT64{})", "STRUCT<".repeat(5_000), ">".repeat(5_000)),
            &["answered", "deadline", "stack", "Invalid"],
        );
    }

    #[test]
    fn large_texts() {
        check("1 MB of columns", &format!("SELECT {}", vec!["id"; 250_000].join(", ")), &["deadline", "memory", "Unrecognized"]);
        check("1 MB of text", &format!("SELECT '{}'", "x".repeat((1 << 20) - 16)), &["answered"]);
        check("more than 1 MiB", &" ".repeat((1 << 20) + 1), &["oversized"]);
        check("nothing", "", &["Syntax error"]);
    }

    /// `tables` of them, each with as many columns, the last of which is a struct with as many fields.
    fn wide(tables: usize, columns: usize) -> Catalog {
        let kind = Type::Struct((0..columns).map(|number| Field { name: format!("f{number}"), kind: Type::String }).collect());
        let plain = |number: usize| Column { name: format!("c{number}"), kind: Type::String, pseudo: false };
        let last = Column { name: "id".to_owned(), kind, pseudo: false };
        let columns: Vec<Column> = (1..columns).map(plain).chain([last]).collect();
        let path = |number: usize| vec!["ds".to_owned(), format!("t{number}")];
        let table = |number| Table { path: path(number), full_name: format!("ds.t{number}"), columns: columns.clone(), value_table: false };
        Catalog { tables: (0..tables).map(table).collect(), ..Catalog::default() }
    }

    #[test]
    fn wide_catalogs() {
        let engine = engine();
        let columns_max = Settings::default().catalog_columns_max;
        for (tables, columns, expect) in [
            (1, 5_000, "answered"),
            (columns_max / 2_000, 1_000, "answered or deadline"),
            (columns_max / 2_000 + 1, 1_000, "columns"),
            (2_000, 1_000, "columns"),
        ] {
            let catalog = wide(tables, columns);
            let start = Instant::now();
            let found = outcome(&analyze(&engine, "SELECT id FROM ds.t0", &catalog).map(drop));
            let took = start.elapsed();
            println!("{tables} tables of {columns} columns: {found} after {} ms", took.as_millis());
            assert!(expect.contains(&found), "{tables} tables of {columns} columns: {found}");
            assert!(took < Duration::from_millis(DEADLINE_MILLISECONDS + SLACK_MILLISECONDS), "{tables} tables: {took:?}");
        }
    }

    /// Each common table expression has twice the columns of the one before.
    fn doubling_columns() -> String {
        let mut text = "WITH c0 AS (SELECT 1 a, 2 b, 3 c)".to_owned();
        for step in 1..22 {
            text.push_str(&format!(", c{step} AS (SELECT x.*, y.* FROM c{0} x, c{0} y)", step - 1));
        }
        text + " SELECT * FROM c21"
    }

    #[test]
    fn memory_is_capped() {
        let analysis = CallLimits { milliseconds_max: 60_000, memory_bytes_max: 40 << 20 };
        let engine = start(Settings { analysis, instances: 1, ..Settings::default() });
        let fault = analyze(&engine, &doubling_columns(), &catalog()).err();
        assert_eq!(fault, Some(Fault::Memory { bytes: 40 << 20 }));
        assert!(analyze(&engine, "SELECT id FROM ds.users", &catalog()).is_ok());
    }

    #[test]
    fn doubling() {
        check("doubling columns", &doubling_columns(), &["deadline", "memory"]);
        let structs = vec!["STRUCT(1 AS a, 'x' AS b, [1, 2, 3] AS c)"; 25_000].join(",");
        check("25,000 structs", &format!("SELECT {structs}"), &["deadline"]);
    }

    #[test]
    fn parsing_is_limited_too() {
        let engine = engine();
        for text in [nested("(", ")", 100_000), nested("(SELECT ", ")", 50_000), format!("SELECT 1{}", " + 1".repeat(200_000))] {
            let start = Instant::now();
            let (parsed, names) = (engine.parse(&text).map(drop), engine.table_names(&text).map(drop));
            println!("parse: {:.80}, names: {:.80}, {:?}", outcome(&parsed), outcome(&names), start.elapsed());
            assert!(start.elapsed() < Duration::from_millis(2 * (DEADLINE_MILLISECONDS + SLACK_MILLISECONDS)));
            assert!(engine.parse("SELECT 1").is_ok());
        }
    }

    #[test]
    fn the_queue_is_bounded() {
        let engine = start(Settings { instances: 1, queue_calls_max: 1, ..Settings::default() });
        let slow = format!("SELECT 1{}", " + 1".repeat(2_000));
        let outcomes = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| outcome(&analyze(&engine, &slow, &catalog()).map(drop)))).collect();
            callers.into_iter().map(|caller| caller.join().expect("caller")).collect::<Vec<_>>()
        });
        // One runs, at most one waits (and waiting counts), the others are told at once.
        assert!(outcomes.iter().filter(|outcome| outcome.contains("wait for analysis")).count() >= 2, "{outcomes:?}");
        assert!(analyze(&engine, "SELECT id FROM ds.users", &catalog()).is_ok());
    }

    #[test]
    fn catalogs_are_limited_too() {
        let engine = engine();
        let tables = (0..400).map(|number| table(&format!("t{number}"), "t", "c INT64")).collect::<Vec<_>>();
        let large = Catalog { tables, ..Catalog::default() };
        assert!(analyze(&engine, "SELECT c FROM t399", &large).is_ok());
        let columns =
            (0..200).map(|number| format!("c{number} STRUCT<a INT64, b STRING, c ARRAY<STRUCT<d INT64>>>")).collect::<Vec<_>>().join(", ");
        let tables = (0..3_000).map(|number| table(&format!("t{number}"), "t", &columns)).collect::<Vec<_>>();
        let result = analyze(&engine, "SELECT 1", &Catalog { tables, ..Catalog::default() }).map(drop);
        assert_eq!(outcome(&result), "columns");
        assert!(analyze(&engine, "SELECT id FROM ds.users", &catalog()).is_ok());
    }
}
